/* Metrics of surfaces. A surface pixel is a pixel of the mask with a neighbour across a face (4 in a picture, 6 in a
 * volume) that is not; what lies outside the picture is not. Distances are between pixel centres, by one exact distance
 * transform for each side. */
#include <math.h>
#include <string.h>

#include "base/kth.h"
#include "base/math.h"
#include "base/size.h"
#include "metrics/masks.h"
#include "metrics/objects.h"

static const double SLACK = 1e-6; /* distances are kept as float: what equals the tolerance lies within it */

/* Of each surface pixel of one side the distance to the other's surface. */
typedef struct distances {
    double *of[2];
    int64_t n[2];
} distances;

/* off[i] = 0 on the surface, else 1. */
static int64_t mark_surface(uint8_t *off, const uint8_t *mask, un_shape s, int volume)
{
    const int64_t row = s.w, plane = (int64_t)s.h * s.w;
    int64_t i = 0, n = 0;

    for (int z = 0; z < s.d; z++)
        for (int y = 0; y < s.h; y++)
            for (int x = 0; x < s.w; x++, i++) {
                const int inner = x > 0 && x + 1 < s.w && y > 0 && y + 1 < s.h && mask[i - 1] && mask[i + 1] &&
                                  mask[i - row] && mask[i + row] &&
                                  (!volume || (z > 0 && z + 1 < s.d && mask[i - plane] && mask[i + plane]));

                off[i] = !mask[i] || inner;
                n += !off[i];
            }
    return n;
}

static unet_status measure_one(
    double *to, const un_mask_pair *m, const uint8_t *from_off, const uint8_t *to_off, float *field, unet_error *err)
{
    const int64_t all = (int64_t)m->size.d * m->size.h * m->size.w;
    unet_status st = un_distance_squared(field, m->mem, m->pool, to_off, m->size, m->spacing, err);

    for (int64_t i = 0; i < all && !st; i++)
        if (!from_off[i])
            *to++ = un_sqrt((double)field[i]);
    return st;
}

static void free_distances(distances *d)
{
    un_free(d->of[UN_TRUTH]);
    un_free(d->of[UN_PREDICTION]);
}

static unet_status measure(distances *d, const un_mask_pair *m, unet_error *err)
{
    const size_t all = (size_t)m->size.d * (size_t)m->size.h * (size_t)m->size.w;
    uint8_t *off[2] = {un_alloc(m->mem, all), un_alloc(m->mem, all)};
    float *field = un_alloc_array(m->mem, all, sizeof *field);
    unet_status st = off[0] && off[1] && field ? UNET_OK : un_fail_nomem(err, all * 6);

    memset(d, 0, sizeof *d);
    for (int side = 0; side < 2 && !st; side++) {
        d->n[side] = mark_surface(off[side], m->mask[side], m->size, m->volume);
        d->of[side] = un_alloc_array(m->mem, (size_t)d->n[side], sizeof **d->of);
        if (!d->of[side])
            st = un_fail_nomem(err, (size_t)d->n[side] * sizeof **d->of);
    }
    for (int side = 0; side < 2 && !st; side++)
        st = measure_one(d->of[side], m, off[side], off[!side], field, err);
    un_free(off[0]);
    un_free(off[1]);
    un_free(field);
    if (st)
        free_distances(d);
    return st;
}

static void score(double *v, const distances *d, double tolerance)
{
    double sum = 0, most = 0, most95 = 0;
    int64_t close = 0;

    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < d->n[side]; i++) {
            sum += d->of[side][i];
            close += d->of[side][i] <= tolerance * (1 + SLACK);
            most = UN_MAX(most, d->of[side][i]);
        }
        most95 = UN_MAX(most95, un_quantile(d->of[side], d->n[side], 0.95));
    }
    v[UN_M_HAUSDORFF] = most;
    v[UN_M_HD95] = most95;
    v[UN_M_ASSD] = sum / (double)(d->n[0] + d->n[1]);
    v[UN_M_SURFACE_DICE] = (double)close / (double)(d->n[0] + d->n[1]);
}

/* ---- boundary IoU ---- */

/* Erosion by `radius` pixels on either side along one axis: each run of ones loses its ends. */
static void erode_axis(uint8_t *mask, un_shape s, int axis, int64_t radius)
{
    const int64_t extent[3] = {s.d, s.h, s.w}, stride[3] = {(int64_t)s.h * s.w, s.w, 1}, n = extent[axis],
                  step = stride[axis], all = (int64_t)s.d * s.h * s.w;

    for (int64_t line = 0; line < all / n; line++) {
        uint8_t *p = mask + line / step * step * n + line % step;

        for (int64_t begin = 0, end; begin < n; begin = end + 1) {
            for (end = begin; end < n && p[end * step]; end++)
                continue;
            for (int64_t q = begin; q < end; q++)
                if (q < begin + radius || q >= end - radius)
                    p[q * step] = 0;
        }
    }
}

static unet_status boundary_iou(double *v, const un_mask_pair *m, double share, unet_error *err)
{
    const size_t all = (size_t)m->size.d * (size_t)m->size.h * (size_t)m->size.w;
    uint8_t *core[2] = {un_alloc(m->mem, all), un_alloc(m->mem, all)};
    int64_t both = 0, either = 0;
    unet_status st = core[0] && core[1] ? UNET_OK : un_fail_nomem(err, all * 2);

    for (int side = 0; side < 2 && !st; side++) {
        memcpy(core[side], m->mask[side], all);
        for (int axis = m->volume ? 0 : 1; axis < 3; axis++)
            erode_axis(core[side], m->size, axis,
                UN_MAX((int64_t)1, (int64_t)un_round(share * m->diagonal / m->spacing[axis])));
    }
    for (size_t i = 0; i < all && !st; i++) {
        const int t = m->mask[0][i] && !core[0][i], p = m->mask[1][i] && !core[1][i];

        both += t && p;
        either += t || p;
    }
    v[UN_M_BOUNDARY_IOU] = st ? NAN : (double)both / (double)either;
    un_free(core[0]);
    un_free(core[1]);
    return st;
}

unet_status un_surface_metrics(double *v, const un_mask_pair *m, const un_metric_rules *rules, unet_error *err)
{
    const int none = !m->pixels[0] && !m->pixels[1];
    distances d;
    unet_status st;

    v[UN_M_HAUSDORFF] = v[UN_M_HD95] = v[UN_M_ASSD] = none ? NAN : m->diagonal;
    v[UN_M_SURFACE_DICE] = v[UN_M_BOUNDARY_IOU] = none ? NAN : 0;
    if (!m->pixels[0] || !m->pixels[1])
        return UNET_OK;
    st = measure(&d, m, err);
    if (st)
        return st;
    score(v, &d, rules->tolerance);
    free_distances(&d);
    return boundary_iou(v, m, rules->boundary, err);
}
