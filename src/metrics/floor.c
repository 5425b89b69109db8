#include "metrics/floor.h"

#include <math.h>

#include "base/size.h"
#include "metrics/overlap.h"

void un_grey(float *grey, const float *px, int64_t n, int channels)
{
    for (int64_t i = 0; i < n; i++) {
        const float *p = px + i * channels;
        double sum = 0;

        for (int c = 0; c < channels; c++)
            sum += p[c];
        grey[i] = channels == 3 ? 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2] : (float)(sum / channels);
    }
}

static int bin_of(const un_otsu *o, float v)
{
    double width = o->max - o->min;

    return width > 0 ? (int)UN_MIN((v - o->min) / width * UN_OTSU_BINS, (double)UN_OTSU_BINS - 1) : 0;
}

un_otsu un_otsu_find(const float *grey, int64_t n)
{
    un_otsu o = {.min = INFINITY, .max = -INFINITY, .bin = UN_OTSU_BINS - 1, .above = 1};
    int64_t hist[UN_OTSU_BINS] = {0}, all = 0, moment = 0, below = 0, below_moment = 0, area = 0;
    double best = 0;

    for (int64_t i = 0; i < n; i++)
        if (isfinite(grey[i])) {
            o.min = UN_MIN(o.min, grey[i]);
            o.max = UN_MAX(o.max, grey[i]);
        }
    for (int64_t i = 0; i < n; i++)
        if (isfinite(grey[i]))
            hist[bin_of(&o, grey[i])]++;
    for (int b = 0; b < UN_OTSU_BINS; b++) {
        all += hist[b];
        moment += b * hist[b];
    }
    for (int b = 0; b < UN_OTSU_BINS - 1; b++) {
        double gap, variance;

        below += hist[b];
        below_moment += b * hist[b];
        if (!below || below == all)
            continue;
        gap = (double)below_moment / (double)below - (double)(moment - below_moment) / (double)(all - below);
        variance = (double)below * (double)(all - below) * gap * gap;
        if (variance > best) {
            best = variance;
            o.bin = b;
            area = below;
        }
    }
    o.above = best == 0 || all - area <= area;
    o.threshold = o.min + (o.max - o.min) * (o.bin + 1) / UN_OTSU_BINS;
    return o;
}

void un_otsu_apply(const un_otsu *o, const float *grey, int64_t n, uint8_t *mask)
{
    for (int64_t i = 0; i < n; i++)
        mask[i] = isfinite(grey[i]) && (bin_of(o, grey[i]) > o->bin) == o->above;
}

struct un_prior {
    int classes;
    un_shape grid;
    int64_t total[UN_METRIC_CLASSES_MAX];
    int64_t cell[]; /* [d][h][w][classes] */
};

unet_status un_prior_create(un_prior **out, un_mem *mem, int classes, un_shape grid, unet_error *err)
{
    size_t bytes;

    *out = NULL;
    if (classes < 1 || classes > UN_METRIC_CLASSES_MAX || grid.d < 1 || grid.h < 1 || grid.w < 1)
        return un_fail(err, UNET_E_ARG, "%d classes on a grid of %dx%dx%d", classes, grid.d, grid.h, grid.w);
    if (!un_size_mul((size_t)grid.d * (size_t)grid.h, (size_t)grid.w, &bytes) ||
        !un_size_mul(bytes, (size_t)classes * sizeof *(*out)->cell, &bytes) ||
        !un_size_add(bytes, sizeof **out, &bytes))
        return un_fail(err, UNET_E_LIMIT, "a grid of %dx%dx%d is too large", grid.d, grid.h, grid.w);
    *out = un_alloc_zero(mem, bytes);
    if (!*out)
        return un_fail_nomem(err, bytes);
    (*out)->classes = classes;
    (*out)->grid = grid;
    return UNET_OK;
}

void un_prior_destroy(un_prior *p)
{
    un_free(p);
}

/* Counts of the cell that holds the centre of pixel (z, y, x). */
static int64_t cell_at(const un_prior *p, un_shape size, int z, int y, int x)
{
    int64_t cz = (2 * (int64_t)z + 1) * p->grid.d / (2 * (int64_t)size.d);
    int64_t cy = (2 * (int64_t)y + 1) * p->grid.h / (2 * (int64_t)size.h);
    int64_t cx = (2 * (int64_t)x + 1) * p->grid.w / (2 * (int64_t)size.w);

    return ((cz * p->grid.h + cy) * p->grid.w + cx) * p->classes;
}

void un_prior_add(un_prior *p, const int32_t *mask, un_shape size)
{
    for (int z = 0; z < size.d; z++)
        for (int y = 0; y < size.h; y++)
            for (int x = 0; x < size.w; x++) {
                int32_t k = *mask++;

                if (k < 0 || k >= p->classes)
                    continue;
                p->total[k]++;
                p->cell[cell_at(p, size, z, y, x) + k]++;
            }
}

static int most_frequent(const int64_t *count, int classes, int otherwise)
{
    int best = 0;

    for (int k = 1; k < classes; k++)
        if (count[k] > count[best])
            best = k;
    return count[best] ? best : otherwise;
}

int un_prior_class(const un_prior *p)
{
    return most_frequent(p->total, p->classes, 0);
}

void un_prior_apply(const un_prior *p, int32_t *map, un_shape size)
{
    int global = un_prior_class(p);

    for (int z = 0; z < size.d; z++)
        for (int y = 0; y < size.h; y++)
            for (int x = 0; x < size.w; x++)
                *map++ = most_frequent(p->cell + cell_at(p, size, z, y, x), p->classes, global);
}
