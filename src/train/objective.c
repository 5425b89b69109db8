#include "train/objective.h"

#include "base/size.h"
#include "graph/autodiff.h"
#include "graph/recompute.h"
#include "model/build.h"
#include "train/checkpoint.h"
#include "train/registry.h"
#include "train/update.h"

/* Training needs no probabilities: the losses read logits. Taken out where it is the last node, as the
 * builder makes it. */
static void drop_probabilities(un_graph *g)
{
    const un_node *last = g->n_nodes ? &g->node[g->n_nodes - 1] : NULL;

    if (!last || last->op != UN_OP_SOFTMAX || g->n_outputs < 2 || last->out[0] != g->n_values - 1)
        return;
    g->n_nodes--;
    g->n_values--;
    g->n_outputs--;
    for (int i = 1; i < g->n_outputs; i++)
        g->output[i] = g->output[i + 1];
}

static void add_inputs(un_objective *o, const un_config *c, int pixel_weight)
{
    un_graph *g = o->accumulate;

    o->image = g->input[0];
    o->logits = g->output[0];
    o->target = un_loss_target(g, c);
    o->pixel_weight = pixel_weight ? un_graph_input(g, "pixel_weight", UN_TYPE_F32, 1) : UN_NONE;
    o->class_weight = un_loss_class_weights(g, c);
    o->n_class_weights = c->loss.class_weights.n;
}

/* Further outputs, in the order of their weights. A nested decoder has them at full size: the targets are the same. */
static void add_sides(un_objective *o, const un_config *c)
{
    const un_cfg_nums *w = &c->model.supervision;
    const int same = c->model.decoder == UN_CFG_DECODER_NESTED;
    un_graph *g = o->accumulate;
    double sum = 1;

    for (int i = 0; i < un_model_sides(&c->model); i++) {
        un_objective_side *s = &o->side[o->n_sides];

        if (!(w->v[i] > 0) || o->n_sides + 1 >= g->n_outputs)
            continue;
        *s = (un_objective_side){g->output[++o->n_sides], o->target, o->pixel_weight, w->v[i], {{0}}};
        sum += w->v[i];
        if (same)
            continue;
        s->target = un_loss_target(g, c);
        if (o->pixel_weight != UN_NONE)
            s->pixel_weight = un_graph_input(g, "pixel_weight", UN_TYPE_F32, 1);
    }
    o->main_weight = 1 / sum;
    for (int i = 0; i < o->n_sides; i++)
        o->side[i].weight /= sum;
}

/* The terms of the loss on every output. */
static void add_losses(un_objective *o, const un_config *c)
{
    const un_loss_inputs in = {o->logits, o->target, o->pixel_weight, o->class_weight, o->main_weight};

    o->first_loss = o->accumulate->n_nodes;
    o->n_terms = c->loss.terms.n;
    un_loss_terms_add(o->term, o->accumulate, c, &in, 1);
    for (int i = 0; i < o->n_sides; i++) {
        un_objective_side *s = &o->side[i];
        const un_loss_inputs side = {s->logits, s->target, s->pixel_weight, o->class_weight, s->weight};

        un_loss_terms_add(s->term, o->accumulate, c, &side, 1);
    }
    o->n_losses = o->accumulate->n_nodes - o->first_loss;
}

/* What a group leaves at the rate 0 needs no gradient. */
static void freeze(un_graph *g, const un_cfg_optimiser *c)
{
    for (int i = 0; i < g->n_params; i++)
        g->param[i].trainable &= un_group_values_of(c, g->param[i].name, g->param[i].role).lr > 0;
}

static unet_status make_accumulate(
    un_objective *o, un_mem *mem, const un_graph *model, const un_config *c, int pixel_weight, unet_error *err)
{
    unet_status st = un_graph_clone(&o->accumulate, mem, model, err);
    un_graph *g = o->accumulate;

    if (st)
        return st;
    if (g->n_inputs != 1 || g->n_outputs < 1)
        return un_fail(err, UNET_E_UNSUPPORTED, "training takes networks of one input; this one has %d", g->n_inputs);
    un_model_set_training(g, 1);
    drop_probabilities(g);
    freeze(g, &c->optimiser);
    add_inputs(o, c, pixel_weight);
    add_sides(o, c);
    add_losses(o, c);
    st = un_graph_check(g, err);
    return st ? st : un_autodiff(g, err);
}

/* The forward part alone, in training form: what takes statistics of batch norms. NULL: there are none. */
static unet_status make_statistics(un_objective *o, un_mem *mem, const un_graph *model, unet_error *err)
{
    int running = 0;
    unet_status st;

    for (int i = 0; i < model->n_params; i++)
        running += model->param[i].role == UN_PARAM_RUNNING_MEAN;
    if (!running)
        return UNET_OK;
    st = un_graph_clone(&o->statistics, mem, model, err);
    if (st)
        return st;
    un_model_set_training(o->statistics, 1);
    drop_probabilities(o->statistics);
    return un_graph_check(o->statistics, err);
}

/* Updates, and what comes with their kind. */
static unet_status make_updates(
    un_objective *o, un_mem *mem, const un_graph *model, const un_cfg_optimiser *c, unet_error *err)
{
    unet_status st = un_update_graph(&o->apply, mem, o->accumulate, c, err);

    o->blocks = un_method_blocks(c);
    if (un_average_kept(c))
        o->blocks |= 1u << UN_BLOCK_EMA;
    if (c->lookahead > 0)
        o->blocks |= 1u << UN_BLOCK_SLOW;
    if (!st && c->sam_rho > 0)
        st = un_perturb_graph(&o->perturb, mem, o->accumulate, c, err);
    if (!st && c->average == UN_CFG_AVERAGE_SWA)
        st = make_statistics(o, mem, model, err);
    return st;
}

unet_status un_objective_create(
    un_objective **out, un_mem *mem, const un_graph *model, const un_config *c, int pixel_weight, unet_error *err)
{
    un_objective *o = un_alloc_zero(mem, sizeof *o);
    unet_status st;

    *out = NULL;
    if (!o)
        return un_fail_nomem(err, sizeof *o);
    st = make_accumulate(o, mem, model, c, pixel_weight, err);
    if (!st)
        st = make_updates(o, mem, model, &c->optimiser, err);
    if (!st && o->accumulate->block_count != o->apply->block_count)
        st = un_fail(err, UNET_E_INTERNAL, "the blocks of the graphs differ");
    if (st) {
        un_objective_destroy(o);
        return st;
    }
    *out = o;
    return UNET_OK;
}

unet_status un_objective_recompute(un_objective *o, unet_error *err)
{
    enum { NESTED = UN_CFG_LEVELS_MAX * (UN_CFG_LEVELS_MAX + 1) / 2 }; /* blocks of a nested decoder */
    const int n_forward = o->first_loss + o->n_losses;
    un_block_range block[UN_CFG_LEVELS_MAX + NESTED];
    int n = un_find_blocks(o->accumulate, n_forward, "enc", block, UN_CFG_LEVELS_MAX);

    n += un_find_blocks(o->accumulate, n_forward, "dec", block + n, NESTED);
    return un_recompute(o->accumulate, n_forward, block, n, err);
}

/* Shapes of the values of the network at these extents; the caller releases *out. */
static unet_status infer_forward(un_shape **out, const un_objective *o, un_shape image, unet_error *err)
{
    un_graph forward = *o->accumulate;
    un_shape *s = un_alloc_array(forward.mem, (size_t)forward.n_values, sizeof *s);
    unet_status st;

    *out = s;
    if (!s)
        return un_fail_nomem(err, (size_t)forward.n_values * sizeof *s);
    forward.n_nodes = o->first_loss;
    forward.n_inputs = 1;
    s[o->image] = image;
    st = un_graph_infer(&forward, s, err);
    if (st) {
        un_free(s);
        *out = NULL;
    }
    return st;
}

unet_status un_objective_recompute_norms(un_objective *o, un_shape image, unet_error *err)
{
    un_shape *shape;
    unet_status st = infer_forward(&shape, o, image, err);

    if (!st)
        st = un_recompute_norms(o->accumulate, o->first_loss + o->n_losses, shape, err);
    un_free(shape);
    return st;
}

void un_objective_destroy(un_objective *o)
{
    if (!o)
        return;
    un_graph_destroy(o->accumulate);
    un_graph_destroy(o->apply);
    un_graph_destroy(o->perturb);
    un_graph_destroy(o->statistics);
    un_free(o);
}

/* The output that a plane of targets or weights belongs to. */
static int logits_of(const un_objective *o, int plane)
{
    for (int i = 0; i < o->n_sides; i++)
        if (plane != o->target && plane != o->pixel_weight &&
            (o->side[i].target == plane || o->side[i].pixel_weight == plane))
            return o->side[i].logits;
    return o->logits;
}

/* A strided convolution may begin a pixel that the picture does not have; no target stands there. */
static unet_status check_room(un_shape image, un_shape logits, unet_error *err)
{
    if (logits.d <= image.d && logits.h <= image.h && logits.w <= image.w)
        return UNET_OK;
    return un_fail_file(err, UNET_E_CONFIG, "train.patch",
        "the network makes %dx%dx%d pixels of a patch of %dx%dx%d; take extents that the strides divide", logits.d,
        logits.h, logits.w, image.d, image.h, image.w);
}

unet_status un_objective_inputs(const un_objective *o, un_shape image, un_shape *inputs, unet_error *err)
{
    un_shape *s;
    unet_status st = infer_forward(&s, o, image, err);

    if (!st)
        st = check_room(image, s[o->logits], err);
    for (int i = 0; i < o->accumulate->n_inputs && !st; i++) {
        const int v = o->accumulate->input[i];

        inputs[i] = v == o->image ? image : s[logits_of(o, v)];
        if (o->accumulate->value[v].store == UN_STORE_CONST)
            inputs[i] = (un_shape){1, 1, 1, 1, o->accumulate->value[v].channels};
        else if (v != o->image)
            inputs[i].c = o->accumulate->value[v].channels;
    }
    un_free(s);
    return st;
}
