/* Evaluation, one picture at a time: never more than one picture and its classes in memory. */
#include "run/evaluate.h"

#include <time.h>

#include "base/size.h"

typedef struct evaluator {
    un_evaluation *e;
    un_predictor *p;
    const un_model *model;
    const un_eval_options *opt;
} evaluator;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

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

static unet_status create(
    un_evaluation **out, un_mem *mem, const un_cfg_model *m, int count, int background, unet_error *err)
{
    un_evaluation *e = un_alloc_zero(mem, sizeof *e);
    unet_status st;

    if (!e)
        return un_fail_nomem(err, sizeof *e);
    e->mem = mem;
    e->classes = m->classes;
    e->background = background;
    e->multilabel = m->head == UN_CFG_HEAD_MULTILABEL;
    e->count = count;
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

/* Truth and prediction as bytes [n][classes]; pixels whose target is -1 in every class do not count. */
static unet_status count_labels(
    evaluator *v, un_multilabel *m, const un_picture *p, const int32_t *classes, int64_t n, unet_error *err)
{
    int c = v->e->classes;
    uint8_t *bytes = un_alloc_array(v->e->mem, (size_t)n * (2 * (size_t)c + 1), 1);
    uint8_t *truth = bytes, *got = bytes ? bytes + n * c : NULL, *valid = bytes ? bytes + 2 * n * c : NULL;

    if (!bytes)
        return un_fail_nomem(err, (size_t)n * (2 * (size_t)c + 1));
    for (int64_t i = 0; i < n; i++) {
        valid[i] = !p->target || p->target[i] >= 0;
        for (int k = 0; k < c; k++) {
            truth[i * c + k] = p->soft[i * c + k] >= 0.5f;
            got[i * c + k] = classes[i] >> k & 1;
        }
    }
    un_multilabel_add(m, truth, got, valid, n);
    un_free(bytes);
    return UNET_OK;
}

static unet_status score(evaluator *v, const un_picture *p, const int32_t *classes, un_scores **out, unet_error *err)
{
    un_evaluation *e = v->e;
    int64_t n = (int64_t)p->d * p->h * p->w;
    un_confusion *one = NULL;
    un_multilabel *labels = NULL;
    unet_status st;

    if (e->multilabel) {
        st = un_multilabel_create(&labels, e->mem, e->classes, err);
        if (!st)
            st = count_labels(v, labels, p, classes, n, err);
        if (!st)
            st = un_scores_create_multilabel(out, e->mem, labels, err);
        if (!st)
            un_multilabel_merge(e->pooled_labels, labels);
    } else {
        st = un_confusion_create(&one, e->mem, e->classes, err);
        if (!st)
            st = un_confusion_add(one, p->target, classes, n, err);
        if (!st)
            st = un_scores_create(out, e->mem, one, e->background, err);
        if (!st)
            un_confusion_merge(e->pooled, one);
    }
    un_confusion_destroy(one);
    un_multilabel_destroy(labels);
    return st;
}

static unet_status evaluate_one(evaluator *v, const un_picture *p, int index, unet_error *err)
{
    un_eval_item *item = &v->e->item[index];
    size_t n = (size_t)p->d * (size_t)p->h * (size_t)p->w;
    int32_t *classes = un_alloc_array(v->e->mem, n, sizeof *classes);
    double t0 = now_s();
    unet_status st;

    item->index = index;
    if (!classes)
        return un_fail_nomem(err, n * sizeof *classes);
    if (!p->target && !p->soft)
        st = un_fail(err, UNET_E_DATA, "picture %d has no mask", index);
    else
        st = un_predictor_classes(v->p, p->image, p->d, p->h, p->w, classes, err);
    item->seconds = now_s() - t0;
    if (!st)
        st = score(v, p, classes, &item->scores, err);
    if (!st) {
        un_image_means_add(v->e->means, item->scores);
        if (v->opt->seen)
            st = v->opt->seen(v->opt->ctx, index, p, classes, item->scores, err);
    }
    un_free(classes);
    return st;
}

unet_status un_evaluate(un_evaluation **out, un_mem *mem, un_predictor *p, const un_model *model,
    const un_picture_source *source, const un_eval_options *opt, unet_error *err)
{
    evaluator v = {.p = p, .model = model, .opt = opt};
    unet_status st = create(&v.e, mem, &model->config.model, source->count, opt->background, err);

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
        st = v.e->multilabel ? un_scores_create_multilabel(&v.e->scores, mem, v.e->pooled_labels, err)
                             : un_scores_create(&v.e->scores, mem, v.e->pooled, opt->background, err);
    if (st) {
        un_evaluation_destroy(v.e);
        return st;
    }
    *out = v.e;
    return UNET_OK;
}
