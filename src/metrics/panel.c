#include "metrics/panel.h"

#include <math.h>

#include "base/math.h"
#include "base/size.h"

static int is_class(int32_t value, int k, int bits)
{
    return bits ? value >> k & 1 : value == k;
}

/* The box that holds the class on either side; 0: it is on neither. */
static int find_box(int lo[3], int hi[3], const un_scored_picture *p, int k)
{
    const int32_t *t = p->truth, *q = p->prediction;
    int found = 0;

    for (int z = 0; z < p->size.d; z++)
        for (int y = 0; y < p->size.h; y++)
            for (int x = 0; x < p->size.w; x++, t++, q++) {
                const int at[3] = {z, y, x};

                if (*t == UN_METRIC_IGNORE || (!is_class(*t, k, p->bits) && !is_class(*q, k, p->bits)))
                    continue;
                for (int a = 0; a < 3; a++) {
                    lo[a] = found ? UN_MIN(lo[a], at[a]) : at[a];
                    hi[a] = found ? UN_MAX(hi[a], at[a] + 1) : at[a] + 1;
                }
                found = 1;
            }
    return found;
}

/* A pixel more on each side where the picture goes on: what lies there is background, which distances to the background
 * have to see (objects that touch). */
static void widen_box(int lo[3], int hi[3], un_shape size)
{
    const int end[3] = {size.d, size.h, size.w};

    for (int a = 0; a < 3; a++) {
        lo[a] = UN_MAX(lo[a] - 1, 0);
        hi[a] = UN_MIN(hi[a] + 1, end[a]);
    }
}

static void fill_masks(un_mask_pair *m, const un_scored_picture *p, int k, const int lo[3])
{
    int64_t i = 0;

    for (int z = 0; z < m->size.d; z++)
        for (int y = 0; y < m->size.h; y++) {
            const int64_t row = ((int64_t)(lo[0] + z) * p->size.h + lo[1] + y) * p->size.w + lo[2];

            for (int x = 0; x < m->size.w; x++, i++) {
                const int32_t t = p->truth[row + x];
                const int counts = t != UN_METRIC_IGNORE;

                m->mask[UN_TRUTH][i] = counts && is_class(t, k, p->bits);
                m->mask[UN_PREDICTION][i] = counts && is_class(p->prediction[row + x], k, p->bits);
                if (m->object)
                    m->object[i] = m->mask[UN_TRUTH][i] ? p->object[row + x] : 0;
                m->pixels[UN_TRUTH] += m->mask[UN_TRUTH][i];
                m->pixels[UN_PREDICTION] += m->mask[UN_PREDICTION][i];
            }
        }
}

static unet_status make_pair(
    un_mask_pair *m, const un_scored_picture *p, int k, int objects, un_mem *mem, unet_error *err)
{
    const int known = objects && p->object && k == p->object_class;
    const double extent[3] = {p->size.d * p->spacing[0], p->size.h * p->spacing[1], p->size.w * p->spacing[2]};
    int lo[3] = {0}, hi[3] = {0};
    size_t all;

    *m = (un_mask_pair){.size = {1, 1, 1, 1, 1}, .volume = p->size.d > 1, .mem = mem};
    for (int a = 0; a < 3; a++)
        m->spacing[a] = p->spacing[a];
    m->diagonal = un_sqrt((m->volume ? extent[0] * extent[0] : 0) + extent[1] * extent[1] + extent[2] * extent[2]);
    if (!find_box(lo, hi, p, k))
        return UNET_OK;
    widen_box(lo, hi, p->size);
    m->size = (un_shape){1, hi[0] - lo[0], hi[1] - lo[1], hi[2] - lo[2], 1};
    all = (size_t)m->size.d * (size_t)m->size.h * (size_t)m->size.w;
    for (int side = 0; side < 2; side++)
        m->mask[side] = un_alloc(mem, all);
    if (known)
        m->object = un_alloc_array(mem, all, sizeof *m->object);
    if (!m->mask[0] || !m->mask[1] || (known && !m->object))
        return un_fail_nomem(err, all * 6);
    fill_masks(m, p, k, lo);
    return UNET_OK;
}

static void apply_empty_rule(double *v, un_empty_rule rule, int shapes)
{
    for (int m = 0; m < UN_M_COUNT; m++) {
        const un_metric_info *i = un_metric_info_of((un_metric)m);

        if ((shapes || i->group == UN_GROUP_COUNTS) && i->group != UN_GROUP_CURVES && isnan(v[m]) &&
            i->unit == UN_UNIT_SHARE && i->better == UN_BETTER_HIGH && rule != UN_EMPTY_SKIP)
            v[m] = rule == UN_EMPTY_ONE;
    }
}

static unet_status take_shapes(un_class_panel *out, const un_mask_pair *m, const un_metric_choice *c,
    const un_metric_rules *rules, unet_error *err)
{
    unet_status st = UNET_OK;

    if (c->group[UN_GROUP_SURFACE])
        st = un_surface_metrics(out->v, m, rules, err);
    if (!st && c->group[UN_GROUP_SKELETON])
        st = un_skeleton_metrics(out->v, m, err);
    if (!st && c->group[UN_GROUP_OBJECTS]) {
        st = un_object_count(&out->objects, m, rules, err);
        un_object_metrics(out->v, &out->objects);
    }
    return st;
}

unet_status un_panel_class(un_class_panel *out, const un_scored_picture *p, int class_index, int shapes,
    un_class_counts n, const un_metric_choice *choice, const un_metric_rules *rules, un_mem *mem, un_pool *pool,
    unet_error *err)
{
    const int wanted = shapes && (choice->group[UN_GROUP_SURFACE] || choice->group[UN_GROUP_SKELETON] ||
                                     choice->group[UN_GROUP_OBJECTS]);
    un_mask_pair pair = {0};
    unet_status st = UNET_OK;

    *out = (un_class_panel){0};
    for (int m = 0; m < UN_M_COUNT; m++)
        out->v[m] = NAN;
    un_count_metrics(out->v, n, (p->size.d > 1 ? p->spacing[0] : 1) * p->spacing[1] * p->spacing[2], rules->beta);
    if (wanted)
        st = make_pair(&pair, p, class_index, choice->group[UN_GROUP_OBJECTS], mem, err);
    pair.pool = pool;
    if (!st && wanted)
        st = take_shapes(out, &pair, choice, rules, err);
    un_free(pair.mask[0]);
    un_free(pair.mask[1]);
    un_free(pair.object);
    if (!(n.tp + n.fp + n.fn))
        apply_empty_rule(out->v, rules->empty, shapes);
    for (int m = 0; m < UN_M_COUNT; m++)
        if (!choice->on[m])
            out->v[m] = NAN;
    return st;
}

void un_panel_pooled(double *v, un_class_counts n, const un_object_tally *t, double voxel, const un_metric_choice *c,
    const un_metric_rules *rules)
{
    for (int m = 0; m < UN_M_COUNT; m++)
        v[m] = NAN;
    un_count_metrics(v, n, voxel, rules->beta);
    if (c->group[UN_GROUP_OBJECTS] && t)
        un_object_metrics(v, t);
    if (!(n.tp + n.fp + n.fn))
        apply_empty_rule(v, rules->empty, t != NULL);
    for (int m = 0; m < UN_M_COUNT; m++) {
        const un_metric_group g = un_metric_info_of((un_metric)m)->group;

        if (!c->on[m] || (g != UN_GROUP_COUNTS && g != UN_GROUP_OBJECTS))
            v[m] = NAN;
    }
}
