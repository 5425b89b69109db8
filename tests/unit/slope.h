/* The gradient of a whole network's loss, in double, against the slope of that loss. */
#ifndef SLOPE_H
#define SLOPE_H

#include "two_pictures.h"

#include "graph/planner.h"

typedef struct slope_check {
    un_objective *o;
    un_plan *plan;
    un_program *program;
    double *param, *grad;
    int64_t count;
} slope_check;

/* Biases and shifts of 0 would put a ReLU behind a channel without a value on its kink: all are moved. */
static inline void slope_set(slope_check *k, const un_model *m)
{
    const un_graph *g = m->graph;
    un_rng r;

    un_rng_init(&r, 13, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < k->count; i++)
        k->param[i] = (double)m->weights[i];
    for (int p = 0; p < g->n_params; p++)
        for (int64_t i = 0; i < g->param[p].count; i++)
            if (g->param[p].role == UN_PARAM_BIAS || g->param[p].role == UN_PARAM_NORM_SHIFT)
                k->param[g->param[p].offset + i] += 0.1 * un_rng_normal(&r);
}

static inline void slope_start(slope_check *k, const un_model *m, const un_config *c)
{
    const un_plan_options doubles = {.doubles = 1, .training = 1};
    un_program_spec spec = {.level = UN_CPU_REF, .seed = 7};
    un_shape in[UN_OBJECTIVE_INPUTS];
    unet_error err;

    CHECK_OK(un_objective_create(&k->o, NULL, m->graph, c, 0, &err), &err);
    CHECK_OK(un_objective_inputs(k->o,
                 (un_shape){c->train.ghost_batch, c->train.patch[0], c->train.patch[1], c->train.patch[2],
                     c->model.in_channels},
                 in, &err),
        &err);
    CHECK_OK(un_plan_create(&k->plan, NULL, k->o->accumulate, in, &doubles, &err), &err);
    k->count = m->graph->block_count;
    k->param = un_alloc_array(NULL, (size_t)k->count, sizeof *k->param);
    k->grad = un_alloc_array(NULL, (size_t)k->count, sizeof *k->grad);
    slope_set(k, m);
    spec.plan = k->plan;
    spec.blocks = (un_blocks){.param = k->param, .grad = k->grad};
    CHECK_OK(un_backend_cpu()->compile(&k->program, NULL, &spec, &err), &err);
}

/* Targets of the main output have the extents of its logits, the centre of the batch's; those of further outputs are
 * every k-th pixel of the batch's. */
static inline void slope_load_target(const slope_check *k, const un_batch *b, int value)
{
    const un_shape z = k->plan->shape[value];
    const int planes = k->o->accumulate->value[value].type == UN_TYPE_F32 ? b->classes : 0,
              thin = value != k->o->target;
    const int from[3] = {b->d, b->h, b->w}, extent[3] = {z.d, z.h, z.w};
    float *target = un_alloc_array(NULL, (size_t)un_shape_pixels(z) * b->classes, sizeof *target), *to = target;

    for (int64_t i = 0; i < un_shape_pixels(z); i++) {
        const int64_t at[3] = {i / z.w / z.h % z.d, i / z.w % z.h, i % z.w};
        int64_t pixel = i / z.w / z.h / z.d;

        for (int a = 0; a < 3; a++)
            pixel = pixel * from[a] + (thin ? at[a] * from[a] / extent[a] : at[a] + (from[a] - extent[a]) / 2);
        if (planes)
            memcpy(to, b->soft + planes * pixel, (size_t)planes * sizeof *to);
        else
            memcpy(to, b->target + pixel, sizeof *to);
        to += planes ? planes : 1;
    }
    un_backend_cpu()->upload(k->program, value, target);
    un_free(target);
}

static inline void slope_load(const slope_check *k, const un_batch *b)
{
    const int64_t count = (int64_t)b->n * b->d * b->h * b->w * b->c;
    double *image = un_alloc_array(NULL, (size_t)count, sizeof *image);

    for (int64_t i = 0; i < count; i++)
        image[i] = (double)b->image[i];
    un_backend_cpu()->upload(k->program, k->o->image, image);
    un_free(image);
    slope_load_target(k, b, k->o->target);
    for (int i = 0; i < k->o->n_sides; i++)
        if (k->o->side[i].target != k->o->target)
            slope_load_target(k, b, k->o->side[i].target);
}

static inline double slope_terms(const slope_check *k, const un_loss_term *term)
{
    double sum = 0;

    for (int i = 0; i < k->o->n_terms; i++) {
        double parts[UN_TERM_PARTS];

        for (int p = 0; p < term[i].n_parts; p++)
            un_backend_cpu()->download(k->program, term[i].value[p], &parts[p]);
        sum += term[i].weight * un_loss_term_value(&term[i], 0, parts);
    }
    return sum;
}

/* Inputs are loaded each time: their memory serves others once they are read. */
static inline double slope_loss(const slope_check *k, const un_batch *b)
{
    un_step s = {.step = 1, .grad_scale = 1};
    unet_error err;
    double sum;

    slope_load(k, b);
    CHECK_OK(un_backend_cpu()->run(k->program, &s, &err), &err);
    sum = k->o->main_weight * slope_terms(k, k->o->term);
    for (int i = 0; i < k->o->n_sides; i++)
        sum += k->o->side[i].weight * slope_terms(k, k->o->side[i].term);
    return sum;
}

/* Along random directions d: (f(w + e d) - f(w - e d)) / 2e against g.d. A kink of ReLU or a tie of max-pooling
 * between the two points spoils one direction, not all, and the less the closer they are: the best of three counts. */
static inline double slope_error(const slope_check *k, const un_graph *g, const un_batch *b, un_rng *random)
{
    double e = 1e-7, *d = un_alloc_array(NULL, (size_t)k->count, sizeof *d),
           *w = un_alloc_array(NULL, (size_t)k->count, sizeof *w);
    double *grad = un_alloc_array(NULL, (size_t)k->count, sizeof *w), best = INFINITY, up, down;

    memcpy(w, k->param, (size_t)k->count * sizeof *w);
    slope_loss(k, b);
    memcpy(grad, k->grad, (size_t)k->count * sizeof *w);
    for (int t = 0; t < 3 && !(best < 1e-6); t++, e /= 10) {
        double slope = 0, size = 0;

        for (int i = 0; i < g->n_params; i++)
            for (int64_t j = 0; j < g->param[i].count; j++)
                d[g->param[i].offset + j] = g->param[i].trainable ? un_rng_normal(random) : 0;
        for (int64_t i = 0; i < k->count; i++) {
            slope += grad[i] * d[i];
            size += fabs(grad[i] * d[i]);
            k->param[i] = w[i] + e * d[i];
        }
        up = slope_loss(k, b);
        for (int64_t i = 0; i < k->count; i++)
            k->param[i] = w[i] - e * d[i];
        down = slope_loss(k, b);
        best = fmin(best, fabs((up - down) / (2 * e) - slope) / fmax(size, 1e-12));
    }
    memcpy(k->param, w, (size_t)k->count * sizeof *w);
    un_free(d);
    un_free(w);
    un_free(grad);
    return best;
}

static inline double slope_gradient_error(const un_config *c, const two_pictures *t, uint32_t stream)
{
    const un_batch *b;
    slope_check k = {0};
    un_model *m;
    two_feed feed;
    un_rng random;
    double off;
    unet_error err;

    two_open(&feed, t, c);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    slope_start(&k, m, c);
    CHECK_OK(two_start(&feed, 1, &err), &err);
    CHECK_OK(two_next(&feed, &b, &err), &err);
    un_rng_init(&random, 11, UN_RNG_TEST, stream, 0, 0);
    off = slope_error(&k, m->graph, b, &random);
    un_backend_cpu()->destroy(k.program);
    un_plan_destroy(k.plan);
    un_objective_destroy(k.o);
    un_free(k.param);
    un_free(k.grad);
    un_model_destroy(m);
    two_close(&feed);
    return off;
}

#endif
