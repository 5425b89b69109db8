/* Evaluation, one picture at a time: never more than one picture and its classes in memory. */
#include "run/evaluate.h"

#include <stdio.h>

#include "base/size.h"

typedef struct evaluator {
    un_evaluation *e;
    un_predictor *p;
    const un_model *model;
    const un_eval_options *opt;
} evaluator;

void un_evaluation_destroy(un_evaluation *e)
{
    if (!e)
        return;
    for (int i = 0; e->item && i < e->count; i++)
        un_scores_destroy(e->item[i].scores);
    un_free(e->item);
    un_confusion_destroy(e->pooled);
    un_multilabel_destroy(e->pooled_labels);
    un_scores_destroy(e->scores);
    un_image_means_destroy(e->means);
    un_free(e);
}

/* A list that names every class, or all but the background, is no list. */
static void set_rules(un_evaluation *e, const un_config *cfg)
{
    static const un_empty_rule empty[] = {
        [UN_CFG_EMPTY_SKIP] = UN_EMPTY_SKIP, [UN_CFG_EMPTY_ONE] = UN_EMPTY_ONE, [UN_CFG_EMPTY_ZERO] = UN_EMPTY_ZERO};
    const un_cfg_ints *f = &cfg->data.foreground;

    e->rules.empty = empty[cfg->eval.empty];
    if (f->n > 0 && f->n < cfg->model.classes - (e->background >= 0)) {
        e->rules.foreground = f->v;
        e->rules.foreground_count = f->n;
    }
}

int un_eval_background(const un_config *cfg)
{
    const un_cfg_ints *f = &cfg->data.foreground;

    if (cfg->model.head == UN_CFG_HEAD_MULTILABEL)
        return -1;
    for (int i = 0; i < f->n; i++)
        if (f->v[i] == 0)
            return -1;
    return 0;
}

void un_eval_ignore_rule(char *buf, size_t size, const un_config *cfg)
{
    const un_cfg_nums *ignore = &cfg->data.ignore;
    size_t n = (size_t)snprintf(buf, size, ignore->n > 0 ? "Ignored are the mask values" : "");

    for (int i = 0; i < ignore->n && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s %.12g", i ? "," : "", ignore->v[i]);
    if (n < size)
        snprintf(buf + n, size - n,
            ignore->n > 0 ? ", values that mean no class, and what has no data in the picture"
                          : "Ignored are mask values that mean no class, and what has no data in the picture");
}

unet_status un_evaluation_create(
    un_evaluation **out, un_mem *mem, const un_config *cfg, int count, int background, unet_error *err)
{
    const un_cfg_model *m = &cfg->model;
    un_evaluation *e = un_alloc_zero(mem, sizeof *e);
    unet_status st;

    *out = NULL;
    if (!e)
        return un_fail_nomem(err, sizeof *e);
    e->mem = mem;
    e->classes = m->classes;
    e->background = background;
    e->multilabel = m->head == UN_CFG_HEAD_MULTILABEL;
    e->count = count;
    set_rules(e, cfg);
    e->item = un_alloc_array(mem, (size_t)UN_MAX(count, 1), sizeof *e->item);
    st = e->item ? UNET_OK : un_fail_nomem(err, (size_t)count * sizeof *e->item);
    if (!st)
        st = e->multilabel ? un_multilabel_create(&e->pooled_labels, mem, e->classes, err)
                           : un_confusion_create(&e->pooled, mem, e->classes, err);
    if (!st)
        st = un_image_means_create(&e->means, mem, e->classes, err);
    if (st) {
        un_evaluation_destroy(e);
        return st;
    }
    *out = e;
    return UNET_OK;
}

unet_status un_evaluation_add(
    un_evaluation *e, int index, const int32_t *truth, const int32_t *classes, int64_t n, unet_error *err)
{
    un_confusion *one = NULL;
    un_multilabel *labels = NULL;
    un_scores **out = &e->item[index].scores;
    unet_status st;

    e->item[index].index = index;
    if (e->multilabel) {
        st = un_multilabel_create(&labels, e->mem, e->classes, err);
        if (!st) {
            un_multilabel_add(labels, truth, classes, n);
            st = un_scores_create_multilabel(out, e->mem, labels, err);
        }
        if (!st)
            un_multilabel_merge(e->pooled_labels, labels);
    } else {
        st = un_confusion_create(&one, e->mem, e->classes, err);
        if (!st)
            st = un_confusion_add(one, truth, classes, n, err);
        if (!st)
            st = un_scores_create(out, e->mem, one, e->background, err);
        if (!st)
            un_confusion_merge(e->pooled, one);
    }
    if (!st) {
        un_scores_apply_rules(*out, &e->rules);
        un_image_means_add(e->means, *out);
    }
    un_confusion_destroy(one);
    un_multilabel_destroy(labels);
    return st;
}

unet_status un_evaluation_finish(un_evaluation *e, unet_error *err)
{
    unet_status st = e->multilabel ? un_scores_create_multilabel(&e->scores, e->mem, e->pooled_labels, err)
                                   : un_scores_create(&e->scores, e->mem, e->pooled, e->background, err);

    if (!st)
        un_scores_apply_rules(e->scores, &e->rules);
    return st;
}

/* The planes of a multilabel picture as bits, over its target. */
static unet_status gather_bits(un_picture *p, un_mem *mem, unet_error *err)
{
    const size_t n = (size_t)p->d * (size_t)p->h * (size_t)p->w;

    if (!p->soft)
        return p->target ? UNET_OK : un_fail(err, UNET_E_DATA, "the picture has no mask");
    un_free(p->target);
    p->target = un_alloc_array(mem, n, sizeof *p->target);
    if (!p->target)
        return un_fail_nomem(err, n * sizeof *p->target);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < p->classes; k++)
            p->target[i] |= (int32_t)(p->soft[i * (size_t)p->classes + (size_t)k] >= 0.5f) << k;
    for (size_t i = 0; i < n && p->weight; i++)
        if (p->weight[i] <= 0)
            p->target[i] = UN_METRIC_IGNORE;
    return UNET_OK;
}

static unet_status evaluate_one(evaluator *v, un_picture *p, int index, unet_error *err)
{
    const size_t n = (size_t)p->d * (size_t)p->h * (size_t)p->w;
    int32_t *classes = un_alloc_array(v->e->mem, n, sizeof *classes);
    unet_status st = classes ? gather_bits(p, v->e->mem, err) : un_fail_nomem(err, n * sizeof *classes);

    if (!st)
        st = un_predictor_classes(v->p, p->image, p->d, p->h, p->w, classes, err);
    if (!st)
        st = un_evaluation_add(v->e, index, p->target, classes, (int64_t)n, err);
    if (!st && v->opt->seen)
        st = v->opt->seen(v->opt->ctx, index, p, classes, v->e->item[index].scores, err);
    un_free(classes);
    return st;
}

unet_status un_evaluate(un_evaluation **out, un_mem *mem, un_predictor *p, const un_model *model,
    const un_picture_source *source, const un_eval_options *opt, unet_error *err)
{
    evaluator v = {.p = p, .model = model, .opt = opt};
    unet_status st = un_evaluation_create(&v.e, mem, &model->config, source->count, opt->background, err);

    *out = NULL;
    if (st)
        return st;
    for (int i = 0; i < source->count && !st; i++) {
        un_picture pic = {0};

        st = source->load(source->ctx, i, mem, &pic, err);
        if (!st && pic.c != model->config.model.in_channels)
            st = un_fail(err, UNET_E_DATA, "the picture has %d channels; the model takes %d", pic.c,
                model->config.model.in_channels);
        if (!st)
            st = evaluate_one(&v, &pic, i, err);
        un_picture_free(&pic);
    }
    if (!st)
        st = un_evaluation_finish(v.e, err);
    if (st) {
        un_evaluation_destroy(v.e);
        return st;
    }
    *out = v.e;
    return UNET_OK;
}
