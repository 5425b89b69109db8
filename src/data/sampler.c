#include "data/sampler.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "metrics/objects.h"

struct un_sampler {
    un_mem *mem;
    uint64_t seed;
    int count;
    double *edge; /* [count + 1] running sum of the expected draws; edge[count] = count */
    int *order;   /* [count] of epoch */
    int64_t epoch;
};

static int64_t pixels_of(const un_picture *p)
{
    return (int64_t)p->d * p->h * p->w;
}

/* ---- what a picture is asked for again and again ---- */

static void measure_values(un_ready *r)
{
    const un_picture *p = &r->picture;
    const int64_t n = pixels_of(p);

    for (int k = 0; k < p->c; k++) {
        double sum = 0, squares = 0, lo = INFINITY, hi = -INFINITY;
        int64_t finite = 0;

        for (int64_t i = 0; i < n; i++) {
            const double v = (double)p->image[i * p->c + k];

            if (!isfinite(v))
                continue;
            sum += v;
            squares += v * v;
            lo = v < lo ? v : lo;
            hi = v > hi ? v : hi;
            finite++;
        }
        r->mean[k] = finite ? sum / (double)finite : 0;
        r->std[k] = finite ? un_sqrt(fmax(0, squares / (double)finite - r->mean[k] * r->mean[k])) : 0;
        r->lo[k] = finite ? lo : 0;
        r->hi[k] = finite ? hi : 0;
    }
}

static int has_class(const un_picture *p, int64_t pixel, int cls)
{
    return p->target ? p->target[pixel] == cls : p->soft[pixel * p->classes + cls] > 0.5f;
}

static void measure_classes(un_ready *r)
{
    const un_picture *p = &r->picture;
    const int64_t n = pixels_of(p);

    for (int64_t i = 0; i < n; i++) {
        int32_t *b = r->blocks + i / UN_READY_BLOCK * p->classes;

        if (p->target && p->target[i] >= 0 && p->target[i] < p->classes)
            b[p->target[i]]++;
        for (int k = 0; p->soft && k < p->classes; k++)
            b[k] += has_class(p, i, k);
    }
    for (int64_t b = 0; b < r->block_count; b++)
        for (int k = 0; k < p->classes; k++)
            r->totals[k] += r->blocks[b * p->classes + k];
}

static void list_present(un_ready *r, const int *foreground, int count)
{
    for (int k = 0; k < r->picture.classes; k++) {
        int is = foreground ? 0 : k > 0;

        for (int i = 0; foreground && i < count; i++)
            is |= foreground[i] == k;
        if (is && r->totals[k])
            r->present[r->present_count++] = k;
    }
}

unet_status un_ready_make(
    un_ready *out, un_mem *mem, un_picture *picture, const int *foreground, int foreground_count, unet_error *err)
{
    const un_picture *p = &out->picture;
    size_t classes;

    *out = (un_ready){.picture = *picture};
    memset(picture, 0, sizeof *picture);
    if (!p->image || p->d < 1 || p->h < 1 || p->w < 1 || p->c < 1 || p->classes < 0) {
        un_ready_free(out);
        return un_fail(err, UNET_E_ARG, "a picture without pixels");
    }
    classes = (p->target || p->soft) && p->classes ? (size_t)p->classes : 0;
    out->block_count = un_ceil_div(pixels_of(p), UN_READY_BLOCK);
    out->mean = un_alloc_array(mem, (size_t)p->c, 4 * sizeof *out->mean);
    out->present = un_alloc_array(mem, classes, sizeof *out->present);
    out->totals = un_alloc_array(mem, classes, sizeof *out->totals);
    out->blocks = un_alloc_array(mem, (size_t)out->block_count, classes * sizeof *out->blocks);
    if (!out->mean || !out->present || !out->totals || !out->blocks) {
        un_ready_free(out);
        return un_fail_nomem(err, (size_t)out->block_count * classes * sizeof *out->blocks);
    }
    out->std = out->mean + p->c;
    out->lo = out->std + p->c;
    out->hi = out->lo + p->c;
    measure_values(out);
    if (classes) {
        measure_classes(out);
        list_present(out, foreground, foreground_count);
    }
    return UNET_OK;
}

/* Room for the objects of one more class; `from`: how many there are. */
static un_anchor *more_anchors(un_ready *r, un_mem *mem, int from, int count)
{
    un_anchor *all = un_alloc_array(mem, (size_t)from + (size_t)count, sizeof *all);

    if (!all)
        return NULL;
    if (from)
        memcpy(all, r->anchor, (size_t)from * sizeof *all);
    un_free(r->anchor);
    r->anchor = all;
    return all + from;
}

static unet_status add_objects(un_ready *r, un_mem *mem, int present, uint8_t *map, unet_error *err)
{
    const un_objects_options o = {.class_index = 1};
    const un_picture *p = &r->picture;
    const int from = r->anchor_from[present];
    const int64_t n = pixels_of(p);
    un_anchor *a;
    un_objects found;
    unet_status st;

    for (int64_t i = 0; i < n; i++)
        map[i] = (uint8_t)has_class(p, i, r->present[present]);
    st = un_objects_find(&found, mem, map, (un_shape){1, p->d, p->h, p->w, 1}, &o, err);
    if (st)
        return st;
    a = more_anchors(r, mem, from, found.count);
    for (int k = 0; a && k < found.count; k++) {
        memcpy(a[k].lo, found.of[k].lo, sizeof a[k].lo);
        memcpy(a[k].hi, found.of[k].hi, sizeof a[k].hi);
    }
    for (int64_t i = n - 1; a && i >= 0; i--)
        if (found.label[i])
            a[found.label[i] - 1].first = i;
    r->anchor_from[present + 1] = from + found.count;
    un_objects_free(&found);
    return a ? UNET_OK : un_fail_nomem(err, (size_t)from * sizeof *a);
}

unet_status un_ready_find_objects(un_ready *r, un_mem *mem, unet_error *err)
{
    uint8_t *map = un_alloc(mem, (size_t)pixels_of(&r->picture));
    unet_status st = UNET_OK;

    r->anchor_from = un_alloc_array(mem, (size_t)r->present_count + 1, sizeof *r->anchor_from);
    if (!map || !r->anchor_from)
        st = un_fail_nomem(err, (size_t)pixels_of(&r->picture));
    for (int k = 0; k < r->present_count && !st; k++)
        st = add_objects(r, mem, k, map, err);
    un_free(map);
    return st;
}

void un_ready_free(un_ready *r)
{
    if (!r)
        return;
    un_picture_free(&r->picture);
    un_free(r->mean);
    un_free(r->present);
    un_free(r->totals);
    un_free(r->blocks);
    un_free(r->anchor);
    un_free(r->anchor_from);
    memset(r, 0, sizeof *r);
}

size_t un_ready_bytes(const un_ready *r)
{
    const void *const parts[] = {r->picture.image, r->picture.target, r->picture.soft, r->picture.weight, r->mean,
        r->present, r->totals, r->blocks, r->anchor, r->anchor_from};
    size_t n = sizeof *r;

    for (size_t i = 0; i < UN_COUNT(parts); i++)
        n += parts[i] ? un_alloc_size(parts[i]) : 0;
    return n;
}

int64_t un_ready_find(const un_ready *r, int cls, int64_t k)
{
    const un_picture *p = &r->picture;
    int64_t b = 0, i;

    while (k >= r->blocks[b * p->classes + cls])
        k -= r->blocks[b++ * p->classes + cls];
    for (i = b * UN_READY_BLOCK;; i++)
        if (has_class(p, i, cls) && k-- == 0)
            return i;
}

/* ---- which picture ---- */

static unet_status read_shares(un_sampler *s, const un_picture_source *source, unet_error *err)
{
    double sum = 0;

    for (int i = 0; i < s->count; i++) {
        const double share = source->share ? source->share(source->ctx, i) : 1;

        if (!(share >= 0 && share < 1e12))
            return un_fail(err, UNET_E_ARG, "the share of picture %d is %g", i, share);
        s->edge[i] = sum;
        sum += share;
    }
    if (!(sum > 0))
        return un_fail(err, UNET_E_ARG, "the shares of the pictures add up to %g", sum);
    for (int i = 0; i < s->count; i++)
        s->edge[i] *= (double)s->count / sum;
    s->edge[s->count] = s->count;
    return UNET_OK;
}

unet_status un_sampler_create(
    un_sampler **out, un_mem *mem, const un_picture_source *source, uint64_t seed, unet_error *err)
{
    un_sampler *s;
    unet_status st;

    *out = NULL;
    if (source->count < 1)
        return un_fail(err, UNET_E_DATA, "no pictures to train on");
    s = un_alloc_zero(mem, sizeof *s);
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->seed = seed;
    s->count = source->count;
    s->epoch = -1;
    s->edge = un_alloc_array(mem, (size_t)s->count + 1, sizeof *s->edge);
    s->order = un_alloc_array(mem, (size_t)s->count, sizeof *s->order);
    st = s->edge && s->order ? read_shares(s, source, err)
                             : un_fail_nomem(err, (size_t)s->count * (sizeof *s->edge + sizeof *s->order));
    if (st) {
        un_sampler_destroy(s);
        return st;
    }
    *out = s;
    return UNET_OK;
}

void un_sampler_destroy(un_sampler *s)
{
    if (!s)
        return;
    un_free(s->edge);
    un_free(s->order);
    un_free(s);
}

static void draw_epoch(un_sampler *s, int64_t epoch)
{
    un_rng r;
    double offset;

    /* no sample has this number, so the stream is that of no crop */
    un_rng_init(&r, s->seed, UN_RNG_SAMPLE, (uint32_t)epoch, UINT32_MAX, (uint32_t)(epoch >> 32));
    offset = un_rng_uniform(&r) + 0.5 / 4294967296.0; /* never 0, where rounding could skip or double a picture */
    for (int i = 0, k = 0; k < s->count; k++) {
        while (i + 1 < s->count && s->edge[i + 1] <= k + offset)
            i++;
        s->order[k] = i;
    }
    for (int k = s->count - 1; k > 0; k--) {
        const int j = (int)un_rng_below(&r, k + 1), t = s->order[k];

        s->order[k] = s->order[j];
        s->order[j] = t;
    }
    s->epoch = epoch;
}

int un_sampler_picture(un_sampler *s, int64_t at)
{
    if (at / s->count != s->epoch)
        draw_epoch(s, at / s->count);
    return s->order[at % s->count];
}

un_epoch un_sampler_epoch(const un_sampler *s)
{
    un_epoch e = {.drawn = s->count, .least = s->count};

    for (int i = 0; i < s->count; i++) {
        const double times = s->edge[i + 1] - s->edge[i];

        e.distinct += fmin(times, 1);
        e.least = fmin(e.least, times);
        e.most = fmax(e.most, times);
    }
    return e;
}

/* ---- which part ---- */

enum { TRIES = 16 };

/* A pixel of a random object of a present class. */
static int64_t object_pixel(const un_ready *r, int present, un_rng *rng)
{
    const int from = r->anchor_from[present];
    const un_anchor *a = r->anchor + from + un_rng_below(rng, r->anchor_from[present + 1] - from);
    const un_picture *p = &r->picture;

    for (int i = 0; i < TRIES; i++) {
        int64_t at[3], pixel;

        for (int k = 0; k < 3; k++)
            at[k] = a->lo[k] + un_rng_below(rng, a->hi[k] - a->lo[k]);
        pixel = (at[0] * p->h + at[1]) * p->w + at[2];
        if (has_class(p, pixel, r->present[present]))
            return pixel;
    }
    return a->first;
}

int un_sampler_crop_class(const un_ready *r, const int size[3], un_rng *rng, int start[3])
{
    const un_picture *p = &r->picture;
    const int extent[3] = {p->d, p->h, p->w};
    int64_t pixel, at[3];
    int k, cls;

    if (!r->present_count)
        return -1;
    k = (int)un_rng_below(rng, r->present_count);
    cls = r->present[k];
    pixel = r->anchor ? object_pixel(r, k, rng) : un_ready_find(r, cls, un_rng_below(rng, r->totals[cls]));
    at[0] = pixel / ((int64_t)p->h * p->w);
    at[1] = pixel / p->w % p->h;
    at[2] = pixel % p->w;
    for (int a = 0; a < 3; a++) {
        const int lo = UN_MIN(0, extent[a] - size[a]), hi = UN_MAX(0, extent[a] - size[a]);

        start[a] = UN_MIN(UN_MAX((int)at[a] - size[a] / 2, lo), hi);
    }
    return cls;
}

void un_sampler_crop(const un_ready *r, const int size[3], double foreground, un_rng *rng, int start[3])
{
    const int extent[3] = {r->picture.d, r->picture.h, r->picture.w};

    if (un_rng_uniform(rng) < foreground && un_sampler_crop_class(r, size, rng, start) >= 0)
        return;
    for (int a = 0; a < 3; a++) {
        const int lo = UN_MIN(0, extent[a] - size[a]), hi = UN_MAX(0, extent[a] - size[a]);

        start[a] = lo + (int)un_rng_below(rng, (int64_t)hi - lo + 1);
    }
}
