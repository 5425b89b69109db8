#include "report/view.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

enum { BINS = 4096, DARK = 96 };

/* Values lo..hi become 0..255. */
typedef struct stretch {
    double lo, hi;
} stretch;

/* Value below which `share` of the counted ones lie: upper edge of its bin. */
static double quantile(const int64_t *hist, stretch range, double share)
{
    int64_t all = 0, seen = 0;
    int b = 0;

    for (int i = 0; i < BINS; i++)
        all += hist[i];
    while (b < BINS - 1 && (double)(seen + hist[b]) <= share * (double)all)
        seen += hist[b++];
    return range.lo + (range.hi - range.lo) * (b + (share > 0.5)) / BINS;
}

static unet_status find_stretch(
    stretch *out, un_mem *mem, const un_image *im, size_t first, size_t pixels, int channels, unet_error *err)
{
    int64_t *hist = un_alloc_array(mem, BINS, sizeof *hist);
    stretch range = {INFINITY, -INFINITY};

    if (!hist)
        return un_fail_nomem(err, BINS * sizeof *hist);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < pixels * (size_t)channels; i++) {
            double v = un_image_at(im, first + i / (size_t)channels * (size_t)im->c + i % (size_t)channels);

            if (!isfinite(v))
                continue;
            if (pass)
                hist[(int)UN_MIN((v - range.lo) / (range.hi - range.lo) * BINS, BINS - 1.0)]++;
            range.lo = UN_MIN(range.lo, v);
            range.hi = UN_MAX(range.hi, v);
        }
    *out = range;
    if (range.hi > range.lo)
        *out = (stretch){quantile(hist, range, 0.01), quantile(hist, range, 0.99)};
    if (im->type == UN_DTYPE_U8)
        *out = (stretch){0, out->hi < DARK && out->hi >= 1 ? out->hi : 255};
    else if (!(out->hi > out->lo)) /* a flat slice: middle grey */
        *out = (stretch){range.lo - 1, range.lo + 1};
    un_free(hist);
    return UNET_OK;
}

static unsigned char shown(double v, stretch s)
{
    double at = isfinite(v) ? (v - s.lo) / (s.hi - s.lo) : 0;

    return (unsigned char)un_round(255 * UN_MIN(UN_MAX(at, 0.0), 1.0));
}

unet_status un_view_rgb(un_image *out, un_mem *mem, const un_image *im, int z, unet_error *err)
{
    size_t pixels = (size_t)im->h * (size_t)im->w, first = (size_t)z * pixels * (size_t)im->c;
    int channels = im->c - im->alpha >= 3 ? 3 : 1;
    stretch s = {0, 255};
    unsigned char *p;
    unet_status st;

    *out = (un_image){0};
    if (z < 0 || z >= im->d)
        return un_fail(err, UNET_E_ARG, "slice %d of %d", z, im->d);
    st = im->palette ? UNET_OK : find_stretch(&s, mem, im, first, pixels, channels, err);
    if (!st)
        st = un_image_create(out, mem, UN_DTYPE_U8, 1, im->h, im->w, 3, err);
    if (st)
        return st;
    p = out->data;
    for (size_t i = 0; i < pixels; i++)
        for (int k = 0; k < 3; k++) {
            size_t at = first + i * (size_t)im->c + (size_t)(channels == 3 ? k : 0);
            int entry = im->palette ? (int)un_image_at(im, at) : 0;

            if (im->palette)
                *p++ = entry >= 0 && entry < im->palette_size ? im->palette[3 * entry + k] : 0;
            else
                *p++ = shown(un_image_at(im, at), s);
        }
    return UNET_OK;
}

void un_view_size(int *out_h, int *out_w, int h, int w, int min_px, int max_px)
{
    int longer = UN_MAX(h, w), factor = UN_MAX(min_px / longer, 1);

    if (longer > max_px) {
        *out_h = UN_MAX((int)((int64_t)h * max_px / longer), 1);
        *out_w = UN_MAX((int)((int64_t)w * max_px / longer), 1);
    } else {
        *out_h = h * factor;
        *out_w = w * factor;
    }
}

/* Source samples first..*end - 1 that new sample i of n covers; never none. */
static int covered(int i, int n, int source, int *end)
{
    int first = (int)((int64_t)i * source / n), last = (int)((int64_t)(i + 1) * source / n);

    *end = UN_MAX(last, first + 1);
    return first;
}

unet_status un_scale_rgb(un_image *out, un_mem *mem, const un_image *rgb, int h, int w, unet_error *err)
{
    const unsigned char *s = rgb->data;
    unsigned char *p;
    unet_status st = un_image_create(out, mem, UN_DTYPE_U8, 1, h, w, 3, err);

    if (st)
        return st;
    p = out->data;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            int y1, x1, y0 = covered(y, h, rgb->h, &y1), x0 = covered(x, w, rgb->w, &x1);
            int64_t sum[3] = {0}, n = (int64_t)(y1 - y0) * (x1 - x0);

            for (int yy = y0; yy < y1; yy++)
                for (int xx = x0; xx < x1; xx++)
                    for (int k = 0; k < 3; k++)
                        sum[k] += s[((size_t)yy * (size_t)rgb->w + (size_t)xx) * 3 + (size_t)k];
            for (int k = 0; k < 3; k++)
                *p++ = (unsigned char)((sum[k] + n / 2) / n);
        }
    return UNET_OK;
}

unet_status un_scale_map(
    int32_t **out, un_mem *mem, const int32_t *map, int h, int w, int out_h, int out_w, unet_error *err)
{
    size_t n = (size_t)out_h * (size_t)out_w;

    *out = un_alloc_array(mem, n, sizeof **out);
    if (!*out)
        return un_fail_nomem(err, n * sizeof **out);
    for (int y = 0; y < out_h; y++)
        for (int x = 0; x < out_w; x++) {
            int64_t sy = (2 * (int64_t)y + 1) * h / (2 * (int64_t)out_h),
                    sx = (2 * (int64_t)x + 1) * w / (2 * (int64_t)out_w);

            (*out)[(size_t)y * (size_t)out_w + (size_t)x] = map[sy * w + sx];
        }
    return UNET_OK;
}

unet_status un_view_index(un_image *out, un_mem *mem, const int32_t *map, int h, int w, const un_palette *palette,
    unsigned char other, unet_error *err)
{
    unsigned char *p;
    unet_status st = un_image_create(out, mem, UN_DTYPE_U8, 1, h, w, 1, err);

    if (st)
        return st;
    out->palette = un_alloc(mem, sizeof palette->of);
    if (!out->palette) {
        un_image_free(out);
        return un_fail_nomem(err, sizeof palette->of);
    }
    memcpy(out->palette, palette->of, sizeof palette->of);
    out->palette_size = UN_PALETTE_SIZE;
    p = out->data;
    for (size_t i = 0; i < (size_t)h * (size_t)w; i++)
        p[i] = map[i] >= 0 && map[i] <= 255 ? (unsigned char)map[i] : other;
    return UNET_OK;
}
