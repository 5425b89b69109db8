#include "train/select.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "graph/planner.h"
#include "model/build.h"
#include "train/terms.h"

struct un_selector {
    un_mem *mem;
    un_selector_spec spec;
    un_predictor *predictor; /* made at the first call */
};

unet_status un_selector_create(un_selector **out, un_mem *mem, const un_selector_spec *spec, unet_error *err)
{
    un_selector *s = un_alloc_zero(mem, sizeof *s);

    *out = s;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->mem = mem;
    s->spec = *spec;
    return UNET_OK;
}

void un_selector_destroy(un_selector *s)
{
    if (!s)
        return;
    un_predictor_destroy(s->predictor);
    un_free(s);
}

/* ---- overlap ---- */

int un_selects_by_class(const un_config *c, int k)
{
    const un_cfg_ints *list = &c->data.foreground;

    if (list->n < 1)
        return k > 0 || c->model.head == UN_CFG_HEAD_MULTILABEL;
    for (int i = 0; i < list->n; i++)
        if (list->v[i] == k)
            return 1;
    return 0;
}

void un_selector_note(un_text *t, const un_config *cfg)
{
    char rule[512];
    int named = 0;

    un_text_add(t,
        "Taken on pictures of the training set that were kept out of training to choose the weights. Means are over");
    for (int k = 0; k < cfg->data.classes.n; k++)
        if (un_selects_by_class(cfg, k))
            un_text_printf(t, "%s class %d (%s)", named++ ? "," : "", k, cfg->data.classes.v[k].name);
    un_eval_ignore_rule(rule, sizeof rule, cfg);
    un_text_printf(t, ". %s.", rule);
}

static unet_status evaluate(un_evaluation **e, un_selector *s, const un_model *model, unet_error *err)
{
    const int multilabel = model->config.model.head == UN_CFG_HEAD_MULTILABEL;
    const un_eval_options o = {.background = multilabel ? -1 : 0, .seen = s->spec.seen, .ctx = s->spec.ctx};
    unet_status st = UNET_OK;

    if (s->predictor)
        un_predictor_refresh(s->predictor);
    else
        st = un_predictor_create(&s->predictor, s->mem, model, &s->spec.predict, err);
    return st ? st : un_evaluate(e, s->mem, s->predictor, model, s->spec.source, &o, err);
}

static unet_status score_overlap(un_selector *s, const un_model *model, un_score *out, unet_error *err)
{
    un_mean dice = {0}, iou = {0};
    un_evaluation *e;
    unet_status st = evaluate(&e, s, model, err);

    if (st)
        return st;
    out->n_classes = UN_MIN(e->classes, (int)UN_COUNT(out->dice));
    for (int k = 0; k < out->n_classes; k++) {
        out->dice[k] = un_mean_value(e->means->of[k].v[UN_RATIO_DICE]);
        out->iou[k] = e->scores->of[k].r.v[UN_RATIO_IOU];
        if (un_selects_by_class(&model->config, k)) {
            un_mean_add(&dice, out->dice[k]);
            un_mean_add(&iou, out->iou[k]);
        }
    }
    out->dice_mean = un_mean_value(dice);
    out->iou_mean = un_mean_value(iou);
    un_evaluation_destroy(e);
    return UNET_OK;
}

/* ---- loss ---- */

/* The terms of the loss over logits that come from outside. */
typedef struct loss_graph {
    un_graph *g;
    un_config config;
    un_loss_term term[UN_CFG_MAX_term];
    un_loss_inputs in;
} loss_graph;

/* With pixel weights, which a picture may have. No label smoothing. */
static unet_status make_losses(loss_graph **out, un_mem *mem, const un_config *c, unet_error *err)
{
    loss_graph *l = un_alloc_zero(mem, sizeof *l);
    unet_status st;

    *out = l;
    if (!l)
        return un_fail_nomem(err, sizeof *l);
    l->config = *c;
    l->config.loss.smoothing = 0;
    st = un_graph_create(&l->g, mem, err);
    if (st)
        return st;
    l->in.logits = un_graph_input(l->g, "logits", UN_TYPE_REAL, un_model_channels(&c->model));
    l->in.target = un_loss_target(l->g, c);
    l->in.pixel_weight = un_graph_input(l->g, "pixel_weight", UN_TYPE_F32, 1);
    l->in.class_weight = un_loss_class_weights(l->g, c);
    un_loss_terms_add(l->term, l->g, &l->config, &l->in, 0);
    return un_graph_check(l->g, err);
}

static void free_losses(loss_graph *l)
{
    if (l)
        un_graph_destroy(l->g);
    un_free(l);
}

/* The logits of a picture, from its probabilities. */
typedef struct logit_planes {
    const un_picture *p;
    float *logits;
    int channels, softmax;
} logit_planes;

static unet_status add_part(void *ctx, int z0, int z1, int y0, int y1, const float *q, unet_error *err)
{
    const double least = 1e-12;
    const logit_planes *l = ctx;
    float *to = l->logits + ((int64_t)z0 * l->p->h + y0) * l->p->w * l->channels;
    const int64_t count = (int64_t)(z1 - z0) * (y1 - y0) * l->p->w * l->channels; /* one plane, or whole ones */

    (void)err;
    for (int64_t i = 0; i < count; i++) {
        const double p = (double)q[i], rest = l->softmax ? 1 : fmax(1 - p, least);

        to[i] = (float)un_log(fmax(p, least) / rest);
    }
    return UNET_OK;
}

static void upload_picture(un_program *program, const loss_graph *l, const logit_planes *planes, const float *weight)
{
    const un_backend *b = un_backend_cpu();
    const un_cfg_nums *cw = &l->config.loss.class_weights;
    const un_picture *p = planes->p;
    float w[UN_CFG_LIST_MAX];

    for (int i = 0; i < cw->n; i++)
        w[i] = (float)cw->v[i];
    b->upload(program, l->in.logits, planes->logits);
    b->upload(program, l->in.target, p->soft ? (const void *)p->soft : p->target);
    b->upload(program, l->in.pixel_weight, weight);
    if (l->in.class_weight != UN_NONE)
        b->upload(program, l->in.class_weight, w);
}

static unet_status run_losses(
    un_selector *s, const loss_graph *l, const logit_planes *planes, const float *weight, double *loss, unet_error *err)
{
    const un_backend *b = un_backend_cpu();
    const un_picture *p = planes->p;
    const un_shape plane = {1, p->d, p->h, p->w, 1};
    un_shape inputs[4] = {plane, plane, plane, {1, 1, 1, 1, l->config.loss.class_weights.n}};
    const un_plan_options o = {0};
    un_program_spec spec = {.pool = s->spec.predict.session.pool, .level = s->spec.predict.session.level};
    un_program *program = NULL;
    un_plan *plan = NULL;
    un_step step = {.step = 1};
    unet_status st;

    inputs[0].c = planes->channels;
    inputs[1].c = p->soft ? planes->channels : 1;
    st = un_plan_create(&plan, s->mem, l->g, inputs, &o, err);
    spec.plan = plan;
    if (!st)
        st = b->compile(&program, s->mem, &spec, err);
    if (!st) {
        upload_picture(program, l, planes, weight);
        st = b->run(program, &step, err);
    }
    for (int i = 0; i < l->config.loss.terms.n && !st; i++) {
        const un_loss_term *t = &l->term[i];
        double parts[UN_TERM_PARTS];

        for (int k = 0; k < t->n_parts; k++) {
            float value;

            b->download(program, t->value[k], &value);
            parts[k] = (double)value;
        }
        *loss += t->weight * un_loss_term_value(t, t->to, parts);
    }
    if (program)
        b->destroy(program);
    un_plan_destroy(plan);
    return st;
}

/* Adds the loss of a picture. */
static unet_status add_picture(
    un_selector *s, const loss_graph *l, const un_picture *p, const un_model *model, double *loss, unet_error *err)
{
    const int channels = un_model_channels(&model->config.model);
    const size_t pixels = (size_t)p->d * (size_t)p->h * (size_t)p->w;
    float *logits = un_alloc_array(s->mem, pixels, (size_t)channels * sizeof *logits);
    float *weight = un_alloc_array(s->mem, pixels, sizeof *weight);
    logit_planes planes = {p, logits, channels, model->config.model.head == UN_CFG_HEAD_SOFTMAX};
    unet_status st = logits && weight ? UNET_OK : un_fail_nomem(err, pixels * (size_t)(channels + 1) * sizeof *logits);

    if (!st)
        st = un_predictor_run(s->predictor, p->image, p->d, p->h, p->w, add_part, &planes, err);
    for (size_t i = 0; i < pixels && !st; i++)
        weight[i] = p->weight ? p->weight[i] : 1;
    if (!st)
        st = run_losses(s, l, &planes, weight, loss, err);
    un_free(logits);
    un_free(weight);
    return st;
}

static unet_status score_loss(un_selector *s, const un_model *model, double *loss, unet_error *err)
{
    const un_picture_source *source = s->spec.source;
    loss_graph *l;
    double all = 0;
    unet_status st = make_losses(&l, s->mem, &model->config, err);

    for (int i = 0; i < source->count && !st; i++) {
        un_picture p = {0};

        st = source->load(source->ctx, i, s->mem, &p, err);
        if (!st)
            st = add_picture(s, l, &p, model, &all, err);
        un_picture_free(&p);
    }
    free_losses(l);
    *loss = all / UN_MAX(source->count, 1);
    return st;
}

unet_status un_selector_score(un_selector *s, const un_model *model, un_score *out, unet_error *err)
{
    const un_cfg_select what = model->config.train.select;
    unet_status st = score_overlap(s, model, out, err);

    if (st)
        return st;
    out->score = what == UN_CFG_SELECT_IOU ? out->iou_mean : out->dice_mean;
    if (what == UN_CFG_SELECT_LOSS) {
        st = score_loss(s, model, &out->score, err);
        out->score = -out->score;
    }
    return st;
}

unet_status un_selector_show(un_selector *s, const un_model *model, unet_error *err)
{
    un_evaluation *e = NULL;
    unet_status st = evaluate(&e, s, model, err);

    if (!st)
        un_evaluation_destroy(e);
    return st;
}
