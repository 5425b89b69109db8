/* Objects of truth and prediction that are the same one. Two objects with an IoU above one half have no other partner
 * above one half (Kirillov 2019), so each finds its own by the pixels it shares. */
#include <math.h>
#include <string.h>

#include "base/size.h"
#include "metrics/masks.h"
#include "metrics/objects.h"

/* Pixels that objects share, in the order of the true ones: of object t those from first[t - 1] to first[t]. */
typedef struct shared_pixels {
    int64_t *first;     /* [count of true objects + 2] */
    int32_t *predicted; /* the other's number */
    int64_t *tally;     /* [predicted objects + 1] zeros, for counting */
} shared_pixels;

static void free_shared(shared_pixels *s)
{
    un_free(s->first);
    un_free(s->predicted);
    un_free(s->tally);
}

static unet_status gather(shared_pixels *s, const un_objects o[2], const un_mask_pair *m, unet_error *err)
{
    const int64_t all = (int64_t)m->size.d * m->size.h * m->size.w;
    const int32_t *t = o[UN_TRUTH].label, *p = o[UN_PREDICTION].label;
    int64_t n = 0;

    *s = (shared_pixels){0};
    s->first = un_alloc_zero(m->mem, ((size_t)o[UN_TRUTH].count + 2) * sizeof *s->first);
    s->tally = un_alloc_zero(m->mem, ((size_t)o[UN_PREDICTION].count + 1) * sizeof *s->tally);
    for (int64_t i = 0; i < all && s->first; i++)
        if (t[i] && p[i]) {
            s->first[t[i] + 1]++;
            n++;
        }
    s->predicted = un_alloc_array(m->mem, (size_t)n, sizeof *s->predicted);
    if (!s->first || !s->tally || !s->predicted)
        return un_fail_nomem(err, (size_t)n * sizeof *s->predicted);
    for (int32_t k = 1; k <= o[UN_TRUTH].count; k++)
        s->first[k + 1] += s->first[k];
    for (int64_t i = 0; i < all; i++) /* the place of object t is at t; afterwards where it ends */
        if (t[i] && p[i])
            s->predicted[s->first[t[i]]++] = p[i];
    return UNET_OK;
}

static void count_pair(un_object_tally *out, int64_t common, int64_t either, double rule)
{
    if (2 * common <= either)
        return;
    out->iou_sum += (double)common / (double)either;
    out->found += (double)common > rule * (double)either;
    for (int k = 0; k < UN_OBJECT_STEPS; k++)
        out->matched[k] += 20 * common > (10 + k) * either;
}

static void count_matches(un_object_tally *out, shared_pixels *s, const un_objects o[2], double rule)
{
    for (int32_t k = 1; k <= o[UN_TRUTH].count; k++) {
        const int64_t begin = s->first[k - 1], end = s->first[k];
        int32_t best = 0;

        for (int64_t i = begin; i < end; i++)
            if (++s->tally[s->predicted[i]] > s->tally[best])
                best = s->predicted[i];
        if (best)
            count_pair(out, s->tally[best],
                o[UN_TRUTH].of[k - 1].pixels + o[UN_PREDICTION].of[best - 1].pixels - s->tally[best], rule);
        for (int64_t i = begin; i < end; i++)
            s->tally[s->predicted[i]] = 0;
    }
}

unet_status un_object_count(un_object_tally *out, const un_mask_pair *m, const un_metric_rules *rules, unet_error *err)
{
    un_objects_options how = {.class_index = 1, .split = rules->split};
    un_objects o[2] = {0};
    shared_pixels s = {0};
    unet_status st;

    *out = (un_object_tally){0};
    if (!m->pixels[UN_TRUTH] && !m->pixels[UN_PREDICTION])
        return UNET_OK;
    memcpy(how.spacing, m->spacing, sizeof how.spacing);
    st = m->object ? un_objects_given(&o[UN_TRUTH], m->mem, m->object, m->size, err)
                   : un_objects_find(&o[UN_TRUTH], m->mem, m->mask[UN_TRUTH], m->size, &how, err);
    if (!st)
        st = un_objects_find(&o[UN_PREDICTION], m->mem, m->mask[UN_PREDICTION], m->size, &how, err);
    if (!st)
        st = gather(&s, o, m, err);
    if (!st) {
        out->truth = o[UN_TRUTH].count;
        out->prediction = o[UN_PREDICTION].count;
        count_matches(out, &s, o, rules->object_iou);
    }
    free_shared(&s);
    un_objects_free(&o[0]);
    un_objects_free(&o[1]);
    return st;
}

void un_object_tally_merge(un_object_tally *t, const un_object_tally *other)
{
    t->truth += other->truth;
    t->prediction += other->prediction;
    t->found += other->found;
    t->iou_sum += other->iou_sum;
    for (int k = 0; k < UN_OBJECT_STEPS; k++)
        t->matched[k] += other->matched[k];
}

void un_object_metrics(double *v, const un_object_tally *t)
{
    const double nt = (double)t->truth, np = (double)t->prediction, found = (double)t->found;
    const double none = nt + np > 0 ? 0 : NAN, pairs = (double)t->matched[0];
    double step[UN_OBJECT_STEPS], mean = 0;

    for (int k = 0; k < UN_OBJECT_STEPS; k++) {
        const double tp = (double)t->matched[k];

        step[k] = nt + np > 0 ? tp / (nt + np - tp) : NAN;
        mean += step[k] / UN_OBJECT_STEPS;
    }
    v[UN_M_OBJECTS_TRUE] = nt;
    v[UN_M_OBJECTS_PREDICTED] = np;
    v[UN_M_COUNT_DIFFERENCE] = fabs(np - nt);
    v[UN_M_OBJECT_PRECISION] = np > 0 ? found / np : none;
    v[UN_M_OBJECT_RECALL] = nt > 0 ? found / nt : none;
    v[UN_M_OBJECT_F1] = nt + np > 0 ? 2 * found / (nt + np) : NAN;
    v[UN_M_OBJECT_AP50] = step[0];
    v[UN_M_OBJECT_AP75] = step[5];
    v[UN_M_OBJECT_AP] = mean;
    v[UN_M_SQ] = pairs > 0 ? t->iou_sum / pairs : NAN;
    v[UN_M_RQ] = nt + np > 0 ? 2 * pairs / (nt + np) : NAN;
    v[UN_M_PQ] = nt + np > 0 ? 2 * t->iou_sum / (nt + np) : NAN;
}
