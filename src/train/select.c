#include "train/select.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

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

static int is_foreground(const un_config *c, int k)
{
    const un_cfg_ints *list = &c->data.foreground;

    if (list->n < 1)
        return k > 0 || c->model.head == UN_CFG_HEAD_MULTILABEL;
    for (int i = 0; i < list->n; i++)
        if (list->v[i] == k)
            return 1;
    return 0;
}

static unet_status score_overlap(un_selector *s, const un_model *model, un_score *out, unet_error *err)
{
    const int multilabel = model->config.model.head == UN_CFG_HEAD_MULTILABEL;
    const un_eval_options o = {.background = multilabel ? -1 : 0, .seen = s->spec.seen, .ctx = s->spec.ctx};
    un_mean dice = {0}, iou = {0};
    un_evaluation *e;
    unet_status st = un_evaluate(&e, s->mem, s->predictor, model, s->spec.source, &o, err);

    if (st)
        return st;
    out->n_classes = UN_MIN(e->classes, (int)UN_COUNT(out->dice));
    for (int k = 0; k < out->n_classes; k++) {
        out->dice[k] = un_mean_value(e->means->of[k].v[UN_RATIO_DICE]);
        out->iou[k] = e->scores->of[k].r.v[UN_RATIO_IOU];
        if (is_foreground(&model->config, k)) {
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

typedef struct loss_sums {
    const un_picture *p;
    const un_config *c;
    int channels;
    double entropy, entropy_weight;
    double both[UN_CFG_LIST_MAX], got[UN_CFG_LIST_MAX], truth[UN_CFG_LIST_MAX]; /* of Dice, by channel */
} loss_sums;

static double class_weight(const un_config *c, int k)
{
    return k < c->loss.class_weights.n ? c->loss.class_weights.v[k] : 1;
}

static double minus_log(double p)
{
    return -un_log(fmax(p, 1e-12));
}

/* One pixel; q: its probabilities. */
static void add_pixel(loss_sums *s, int64_t at, const float *q)
{
    const un_picture *p = s->p;
    const double w = p->weight ? (double)p->weight[at] : 1;
    const int t = p->target ? p->target[at] : 0, squared = s->c->loss.dice_squared;

    if (w <= 0 || t < 0)
        return;
    if (s->channels > 1 && !p->soft) {
        const double cw = class_weight(s->c, t);

        s->entropy += w * cw * minus_log((double)q[t]);
        s->entropy_weight += w * cw;
    }
    for (int k = 0; k < s->channels; k++) {
        const double got = (double)q[k], truth = p->soft           ? (double)p->soft[at * s->channels + k]
                                                 : s->channels > 1 ? t == k
                                                                   : t > 0;

        if (p->soft || s->channels == 1) {
            const double cw = p->soft ? 1 : class_weight(s->c, t);

            s->entropy += w * cw * (truth * minus_log(got) + (1 - truth) * minus_log(1 - got));
            s->entropy_weight += w * cw;
        }
        s->both[k] += w * got * truth;
        s->got[k] += w * (squared ? got * got : got);
        s->truth[k] += w * (squared ? truth * truth : truth);
    }
}

static unet_status add_part(void *ctx, int z0, int z1, int y0, int y1, const float *q, unet_error *err)
{
    loss_sums *s = ctx;

    (void)err;
    for (int z = z0; z < z1; z++)
        for (int y = y0; y < y1; y++)
            for (int x = 0; x < s->p->w; x++, q += s->channels)
                add_pixel(s, ((int64_t)z * s->p->h + y) * s->p->w + x, q);
    return UNET_OK;
}

static double dice_loss(const loss_sums *s)
{
    const un_cfg_loss *l = &s->c->loss;
    const int softmax = s->channels > 1 && !s->p->soft, first = softmax && !l->dice_background;
    double sum = 0, weight = 0;

    for (int k = first; k < s->channels; k++) {
        const double cw = softmax ? class_weight(s->c, k) : 1;

        sum += cw * (2 * s->both[k] + l->dice_smooth) / (s->got[k] + s->truth[k] + l->dice_smooth);
        weight += cw;
    }
    return 1 - sum / weight;
}

static double weighted_loss(const loss_sums *s)
{
    const un_cfg_term_list *terms = &s->c->loss.terms;
    double sum = 0;

    for (int i = 0; i < terms->n; i++)
        sum += terms->v[i].weight * (terms->v[i].name == UN_CFG_LOSS_DICE ? dice_loss(s)
                                        : s->entropy_weight > 0           ? s->entropy / s->entropy_weight
                                                                          : 0);
    return sum;
}

static unet_status score_loss(un_selector *s, const un_model *model, double *loss, unet_error *err)
{
    const un_picture_source *source = s->spec.source;
    loss_sums *sums = un_alloc(s->mem, sizeof *sums);
    double all = 0;
    unet_status st = sums ? UNET_OK : un_fail_nomem(err, sizeof *sums);

    for (int i = 0; i < source->count && !st; i++) {
        un_picture p = {0};

        st = source->load(source->ctx, i, s->mem, &p, err);
        memset(sums, 0, sizeof *sums);
        sums->p = &p;
        sums->c = &model->config;
        sums->channels = un_model_channels(&model->config.model);
        if (!st)
            st = un_predictor_run(s->predictor, p.image, p.d, p.h, p.w, add_part, sums, err);
        if (!st)
            all += weighted_loss(sums);
        un_picture_free(&p);
    }
    un_free(sums);
    *loss = all / UN_MAX(source->count, 1);
    return st;
}

unet_status un_selector_score(un_selector *s, const un_model *model, un_score *out, unet_error *err)
{
    const un_cfg_select what = model->config.train.select;
    unet_status st = UNET_OK;

    if (s->predictor)
        un_predictor_refresh(s->predictor);
    else
        st = un_predictor_create(&s->predictor, s->mem, model, &s->spec.predict, err);
    if (!st)
        st = score_overlap(s, model, out, err);
    if (st)
        return st;
    out->score = what == UN_CFG_SELECT_IOU ? out->iou_mean : out->dice_mean;
    if (what == UN_CFG_SELECT_LOSS) {
        st = score_loss(s, model, &out->score, err);
        out->score = -out->score;
    }
    return st;
}
