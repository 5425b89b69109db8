#include "api/eval_metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/math.h"
#include "base/size.h"

/* A softmax has one for all of its channels together. */
static unet_status open_temperatures(un_eval_metrics *m, unet_error *err)
{
    const int channels = un_model_channels(&m->cfg->model), joint = m->cfg->model.head == UN_CFG_HEAD_SOFTMAX;
    const int n = joint ? 1 : channels;
    unet_status st = UNET_OK;

    m->temperature = un_alloc_array(m->c->mem, (size_t)n, sizeof *m->temperature);
    if (!m->temperature)
        return un_fail_nomem(err, (size_t)n * sizeof *m->temperature);
    for (; m->temperatures < n && !st; m->temperatures++)
        st = un_temperature_create(&m->temperature[m->temperatures], m->c->mem, joint ? channels : 2, err);
    return st;
}

unet_status un_eval_metrics_open(
    un_eval_metrics *m, unet_context *c, const un_config *cfg, const un_evaluation *e, int fit, unet_error *err)
{
    const un_cfg_eval *k = &cfg->eval;
    un_summary_options o = {.rules = {k->beta, k->tolerance, k->boundary, k->object_iou, k->split, e->rules.empty},
        .classes = e->classes,
        .images = e->count,
        .resamples = k->resamples,
        .seed = (uint64_t)k->seed,
        .confidence = 0.95};
    unet_status st = un_metric_choose(&o.choice, k->metrics, err);

    *m = (un_eval_metrics){.c = c, .cfg = cfg};
    if (st)
        return st;
    un_metric_add(&o.choice, UN_M_DICE);
    un_metric_add(&o.choice, UN_M_IOU);
    for (int i = 0; i < o.classes; i++)
        o.foreground[i] = (unsigned char)un_score_rules_foreground(&e->rules, e->background, i);
    st = un_summary_create(&m->summary, c->mem, &o, err);
    if (!st && (fit || o.choice.group[UN_GROUP_CURVES]))
        st = un_curves_create(&m->curves, c->mem, o.classes, err);
    if (!st && m->curves)
        st = un_curves_create(&m->own, c->mem, o.classes, err);
    return st || !fit ? st : open_temperatures(m, err);
}

const char *un_eval_metrics_scratch(const un_eval_metrics *m, const char *out_dir)
{
    const char *folder = getenv("TMPDIR");

    return !m || !m->curves ? NULL : out_dir ? out_dir : folder && folder[0] ? folder : "/tmp";
}

static void add_pixel(const un_eval_metrics *m, int k, float p, int belongs)
{
    un_curves_add(m->curves, k, p, belongs);
    un_curves_add(m->own, k, p, belongs);
}

/* One channel of a sigmoid or multilabel head is two classes. k: that of its curve. */
static void add_channel(const un_eval_metrics *m, int channel, int k, float p, int belongs)
{
    add_pixel(m, k, p, belongs);
    if (m->temperature)
        un_temperature_add(m->temperature[channel], (const float[]){1 - p, p}, belongs);
}

static void add_curves(const un_eval_metrics *m, const float *p, const int32_t *truth, int64_t n)
{
    const un_cfg_model *model = &m->cfg->model;
    const int channels = un_model_channels(model);

    for (int64_t i = 0; i < n; i++, p += channels) {
        if (truth[i] == UN_METRIC_IGNORE)
            continue;
        if (model->head == UN_CFG_HEAD_SIGMOID) {
            add_pixel(m, 0, 1 - *p, truth[i] == 0);
            add_channel(m, 0, 1, *p, truth[i] == 1);
        }
        for (int k = 0; k < channels && model->head == UN_CFG_HEAD_MULTILABEL; k++)
            add_channel(m, k, k, p[k], truth[i] >> k & 1);
        for (int k = 0; k < channels && model->head == UN_CFG_HEAD_SOFTMAX; k++)
            add_pixel(m, k, p[k], truth[i] == k);
        if (model->head == UN_CFG_HEAD_SOFTMAX && m->temperature)
            un_temperature_add(m->temperature[0], p, truth[i]);
    }
}

/* ---- fitted numbers ---- */

/* What becomes of a threshold when logits are divided by the temperature. */
static double tempered(double threshold, double temperature)
{
    const double own = un_pow(threshold, 1 / temperature), other = un_pow(1 - threshold, 1 / temperature);

    return own / (own + other);
}

/* The best one of class k. Of two classes of a softmax 0.5 would be the likelier one, to which pixels of 0.5 do not
 * belong: a hair less. */
static double best_threshold(const un_eval_metrics *m, int k, double temperature)
{
    double v[UN_M_COUNT], best;

    un_curve_metrics(v, m->curves, k);
    if (isnan(v[UN_M_BEST_THRESHOLD]))
        return 0.5;
    best = tempered(v[UN_M_BEST_THRESHOLD], temperature);
    return best == 0.5 && m->cfg->model.head == UN_CFG_HEAD_SOFTMAX ? 0.5 - 0x1p-54 : best;
}

/* Each independent label has a threshold, and class 1 of two; of more there is none. */
static void set_fitted(const un_eval_metrics *m, un_config *cfg, const char *split, un_text *told)
{
    const int labels = cfg->model.head == UN_CFG_HEAD_MULTILABEL;
    const int thresholds = labels ? cfg->model.classes : cfg->model.classes == 2;
    un_cfg_predict *p = &cfg->predict;

    p->temperature.n = m->temperatures;
    snprintf(p->calibrated, sizeof p->calibrated, "%s", split);
    un_text_printf(told, "fitted on the split '%s': temperature ", split);
    for (int k = 0; k < m->temperatures; k++) {
        p->temperature.v[k] = un_temperature_fit(m->temperature[k]);
        un_text_printf(told, "%s%.4g", k ? ", " : "", p->temperature.v[k]);
    }
    for (int k = 0; k < thresholds; k++) {
        p->threshold.n = thresholds;
        p->threshold.v[k] = best_threshold(m, labels ? k : 1, p->temperature.v[k]);
        un_text_printf(told, "%s%.4g", k ? ", " : ", threshold ", p->threshold.v[k]);
    }
}

unet_status un_eval_metrics_calibrate(
    const un_eval_metrics *m, const char *from, const char *to, const char *split, un_text *told, unet_error *err)
{
    un_model *model;
    unet_status st = un_model_load(&model, m->c->mem, from, err);

    if (st)
        return st;
    set_fitted(m, &model->config, split, told);
    un_text_add(told, "\nmodel: ");
    un_text_add(told, to);
    un_text_add(told, "\n");
    st = un_model_save(model, to, err);
    un_model_destroy(model);
    return st;
}

int un_eval_metrics_by_number(const un_eval_metrics *m)
{
    return m->cfg->data.mask_kind == UN_CFG_MASK_INSTANCE &&
           un_summary_options_of(m->summary)->choice.group[UN_GROUP_OBJECTS];
}

/* The first picture decides what `auto` means. */
static unet_status decide_unit(un_eval_metrics *m, const un_image *image, unet_error *err)
{
    const un_cfg_eval_unit unit = m->cfg->eval.unit;

    if (!m->decided)
        m->mm = unit == UN_CFG_UNIT_MM || (unit == UN_CFG_UNIT_AUTO && image->d > 1 && image->has_spacing);
    m->decided = 1;
    if (m->mm && !image->has_spacing)
        return un_fail(err, UNET_E_DATA,
            "the file does not say how large its pixels are, so distances in mm cannot be given; eval.unit=px gives "
            "them in pixels");
    return UNET_OK;
}

unet_status un_eval_metrics_add(un_eval_metrics *m, int index, const un_image *image, const int32_t *truth,
    const int32_t *object, const un_segmentation *seg, const un_scores *scores, unet_error *err)
{
    un_class_counts n[UN_METRIC_CLASSES_MAX];
    un_scored_picture p = {.truth = truth,
        .prediction = seg->classes,
        .size = {1, image->d, image->h, image->w, 1},
        .bits = m->cfg->model.head == UN_CFG_HEAD_MULTILABEL,
        .spacing = {1, 1, 1},
        .object = object,
        .object_class = 1};
    unet_status st = decide_unit(m, image, err);

    if (st)
        return st;
    for (int a = 0; a < 3 && m->mm; a++)
        p.spacing[a] = image->spacing[a];
    for (int k = 0; k < scores->classes; k++)
        n[k] = scores->of[k].n;
    st = un_summary_add(m->summary, index, &p, n, m->c->pool, err);
    if (!st && m->curves) {
        un_curves_clear(m->own);
        add_curves(m, seg->probabilities.data, truth, (int64_t)image->d * image->h * image->w);
        un_summary_add_own_curves(m->summary, index, m->own);
    }
    return st;
}

unet_status un_eval_metrics_finish(un_eval_metrics *m, unet_error *err)
{
    unet_status st = un_summary_finish(m->summary, m->c->pool, err);

    if (!st && m->curves) /* what was not asked for is passed over */
        un_summary_add_curves(m->summary, m->curves);
    return st;
}

const char *un_eval_metrics_unit(const un_eval_metrics *m)
{
    return m->mm ? "mm" : "px";
}

void un_eval_metrics_close(un_eval_metrics *m)
{
    un_summary_destroy(m->summary);
    un_curves_destroy(m->curves);
    un_curves_destroy(m->own);
    for (int k = 0; k < m->temperatures; k++)
        un_temperature_destroy(m->temperature[k]);
    un_free(m->temperature);
    *m = (un_eval_metrics){0};
}
