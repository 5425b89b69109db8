/* One picture and its mask: decoded, measured, forgotten. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/fnv1a.h"
#include "base/math.h"
#include "base/size.h"
#include "base/text.h"
#include "data/resample.h"
#include "data/preprocess.h"
#include "data/scan.h"
#include "io/image.h"
#include "metrics/objects.h"

/* ---- the picture ------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

static uint64_t hash_image(uint64_t h, const un_image *im)
{
    const unsigned char *p = im->data;
    const size_t n = un_image_count(im) * un_dtype_size(im->type);
    uint64_t v;
    size_t i = 0;

    h = mix(h, (uint64_t)im->type);
    h = mix(h, (uint64_t)im->d << 32 | (uint64_t)im->c);
    h = mix(h, (uint64_t)im->h << 32 | (uint64_t)im->w);
    for (; i + 8 <= n; i += 8) {
        memcpy(&v, p + i, 8);
        h = mix(h, v);
    }
    v = 0;
    memcpy(&v, p + i, n - i);
    return mix(h, v);
}

/* As the preprocessing turns it. */
static void turn(un_grid *g, const un_image *im)
{
    un_grid_init(g, im->d, im->h, im->w);
    if (im->has_affine && im->d > 1 && im->h > 1 && im->w > 1)
        un_grid_turn(g, im->affine);
}

/* One channel: statistics of the values that are finite. */
static unet_status measure_channel(
    un_scan_item *out, un_scan_channel *ch, un_mem *mem, const un_image *im, int k, float *x, unet_error *err)
{
    const size_t n = un_image_count(im) / (size_t)im->c;
    size_t good = 0;

    for (size_t i = 0; i < n; i++) {
        const float v = (float)un_image_at(im, i * (size_t)im->c + (size_t)k);

        if (isfinite(v))
            x[good++] = v;
    }
    out->not_finite += (int64_t)(n - good);
    un_moments_of(x, good, &ch->m);
    return un_quantiles(ch->q, mem, x, good, un_scan_percent, UN_SCAN_QUANTILES, err);
}

/* Colourfulness of a picture of three channels. */
static void measure_colour(un_scan_item *out, const un_image *im)
{
    const size_t n = un_image_count(im) / (size_t)im->c;
    double sum = 0;

    out->grey = 1;
    for (size_t i = 0; i < n; i++) {
        double v[3], lo, hi;

        for (size_t k = 0; k < 3; k++)
            v[k] = un_image_at(im, i * (size_t)im->c + k);
        lo = UN_MIN(v[0], UN_MIN(v[1], v[2]));
        hi = UN_MAX(v[0], UN_MAX(v[1], v[2]));
        out->grey &= !(hi > lo);
        sum += hi > 0 && hi > lo && isfinite(hi - lo) ? (hi - lo) / hi : 0;
    }
    out->saturation = sum / (double)n;
}

static unet_status measure_image(un_scan_item *out, un_mem *mem, const un_image *images, int count, unet_error *err)
{
    const un_image *a = &images[0];
    const size_t n = un_image_count(a) / (size_t)a->c;
    uint64_t hash = 1469598103934665603u;
    un_grid g;
    un_scan_channel *ch;
    float *x;
    unet_status st = UNET_OK;

    out->d = a->d;
    out->h = a->h;
    out->w = a->w;
    out->type = (int)a->type;
    out->bits = a->bits;
    out->alpha = a->alpha;
    out->has_spacing = a->has_spacing;
    memcpy(out->spacing, a->spacing, sizeof out->spacing);
    turn(&g, a);
    memcpy(out->axis, g.axis, sizeof out->axis);
    for (int i = 0; i < count; i++) {
        if (images[i].d != a->d || images[i].h != a->h || images[i].w != a->w)
            return un_fail(err, UNET_E_DATA, "channel file %d has other extents than the first", i + 1);
        out->c += images[i].c - (images[i].alpha && images[i].c > 1);
    }
    ch = out->channel = un_alloc_array(mem, (size_t)out->c, sizeof *ch);
    x = un_alloc_array(mem, n, sizeof *x);
    if (!ch || !x)
        st = un_fail_nomem(err, n * sizeof *x);
    for (int i = 0; i < count && !st; i++) {
        hash = hash_image(hash, &images[i]);
        for (int k = 0; k < images[i].c - (images[i].alpha && images[i].c > 1) && !st; k++)
            st = measure_channel(out, ch++, mem, &images[i], k, x, err);
    }
    un_free(x);
    out->hash = (int64_t)hash;
    out->grey = out->c == 1;
    if (!st && count == 1 && out->c == 3)
        measure_colour(out, a);
    return st;
}

/* ---- the mask ---------------------------------------------------------------------------------------------------- */

/* Distinct values with their counts and boxes: open addressing. */
typedef struct seen {
    double value;
    int64_t pixels;
    int lo[3], hi[3]; /* d, h, w as stored, inclusive */
    double sum[3];    /* of the indices */
} seen;
typedef struct table {
    seen *slot; /* [SLOTS], pixels 0: free */
    int n, full;
} table;
enum { SLOTS = 2 * UN_SCAN_VALUES_MAX };

static seen *find(table *t, double v)
{
    uint64_t bits;
    size_t i;

    memcpy(&bits, &v, sizeof bits);
    i = (size_t)(mix(14695981039346656037u, bits) & (SLOTS - 1));
    while (t->slot[i].pixels && t->slot[i].value != v)
        i = (i + 1) & (SLOTS - 1);
    if (t->slot[i].pixels)
        return &t->slot[i];
    if (t->n == UN_SCAN_VALUES_MAX) {
        t->full = 1;
        return NULL;
    }
    t->n++;
    t->slot[i] = (seen){.value = v, .lo = {INT32_MAX, INT32_MAX, INT32_MAX}, .hi = {-1, -1, -1}};
    return &t->slot[i];
}

/* A value as it is counted: whole numbers that rounding moved are put back, others are kept to 1/256. NaN: -1e15. */
static double tidy(double v, int *fractional)
{
    const double whole = un_round(v);

    if (v != v)
        return -1e15;
    if (v - whole < 1e-3 && whole - v < 1e-3)
        return whole;
    *fractional = 1;
    return un_round(v * 256) / 256;
}

static void count_values(un_scan_item *out, table *t, const un_image *mask)
{
    seen *s = NULL;
    size_t i = 0;

    for (int z = 0; z < mask->d; z++)
        for (int y = 0; y < mask->h; y++)
            for (int x = 0; x < mask->w; x++, i++) {
                const int at[3] = {z, y, x};
                const double v = out->by_colour ? un_mask_colour(mask, i)
                                                : tidy(un_image_at(mask, i * (size_t)mask->c), &out->fractional);

                if (!s || s->value != v)
                    s = find(t, v);
                if (!s)
                    continue;
                s->pixels++;
                for (int a = 0; a < 3; a++) {
                    s->lo[a] = UN_MIN(s->lo[a], at[a]);
                    s->hi[a] = UN_MAX(s->hi[a], at[a]);
                    s->sum[a] += at[a];
                }
            }
}

static int by_value(const void *a, const void *b)
{
    const seen *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

static double box_pixels(const seen *s)
{
    double n = 1;

    for (int a = 0; a < 3; a++)
        n *= s->hi[a] - s->lo[a] + 1;
    return n;
}

static unet_status median(double *out, un_mem *mem, const float *x, int n, unet_error *err)
{
    static const double half = 50;

    return un_quantiles(out, mem, x, (size_t)n, &half, 1, err);
}

/* Sizes and compactness of what each value above 0 covers. */
static unet_status measure_values(un_scan_item *out, un_mem *mem, const seen *s, int n, double pixels, unet_error *err)
{
    static const double percent[3] = {10, 50, 90};
    float *x = un_alloc_array(mem, (size_t)n, 3 * sizeof *x);
    int k = 0;
    unet_status st;

    if (!x)
        return un_fail_nomem(err, (size_t)n * sizeof *x);
    for (int i = 0; i < n; i++)
        if (s[i].value > 0) {
            x[k] = (float)((double)s[i].pixels / box_pixels(&s[i]));
            x[n + k] = (float)(box_pixels(&s[i]) / pixels);
            x[2 * n + k++] = (float)s[i].pixels;
        }
    st = median(&out->fill, mem, x, k, err);
    if (!st)
        st = median(&out->span, mem, x + n, k, err);
    if (!st)
        st = un_quantiles(out->value_pixels, mem, x + 2 * n, (size_t)k, percent, 3, err);
    un_free(x);
    return st;
}

enum { CLASSES_MOST = 32, SPECK_PX = 4 };
static const double speck_share = 1e-4; /* of the picture */

/* Sizes of connected places, added to *x; specks are left out: they are slips of whoever drew the mask. */
static unet_status add_objects(
    un_text *x, un_mem *mem, const uint8_t *map, const un_image *mask, int class_index, unet_error *err)
{
    const un_objects_options opt = {.class_index = class_index, .faces_only = 1};
    const un_shape shape = {1, mask->d, mask->h, mask->w, 1};
    const double speck = UN_MAX((double)SPECK_PX, speck_share * mask->d * mask->h * mask->w);
    un_objects o = {0};
    unet_status st = un_objects_find(&o, mem, map, shape, &opt, err);

    for (int i = 0; i < o.count && !st; i++) {
        const float pixels = (float)o.of[i].pixels;

        if ((double)pixels >= speck)
            un_text_add_n(x, (const char *)&pixels, sizeof pixels);
    }
    un_objects_free(&o);
    return st ? st : x->failed ? un_fail_nomem(err, x->n) : UNET_OK;
}

/* What a pixel of a mask is for the search of objects: the number of its value where these can be classes, else whether
 * it is above 0, or above half of the highest value when the edges are soft. */
static uint8_t object_class(const un_scan_item *out, const un_image *mask, size_t i, int by_class, double limit)
{
    const double v = out->by_colour ? un_mask_colour(mask, i) : un_image_at(mask, i * (size_t)mask->c);

    if (!by_class)
        return v > limit;
    for (int k = 0; k < out->values; k++)
        if (out->value[k].value == v)
            return (uint8_t)k;
    return 0;
}

static unet_status measure_objects(un_scan_item *out, un_mem *mem, const un_image *mask, unet_error *err)
{
    static const double percent[3] = {10, 50, 90};
    const size_t n = un_image_count(mask) / (size_t)mask->c;
    const double high = out->values ? out->value[out->values - 1].value : 0;
    const double limit = out->fractional || (out->values > 64 && mask->type == UN_DTYPE_U8) ? high / 2 : 0;
    const int by_class = out->values > 2 && out->values <= CLASSES_MOST && !out->fractional;
    uint8_t *map = un_alloc_array(mem, n, 1);
    un_text x; /* floats */
    unet_status st = UNET_OK;

    if (!map)
        return un_fail_nomem(err, n);
    un_text_init(&x, mem, SIZE_MAX / 2);
    for (size_t i = 0; i < n; i++)
        map[i] = object_class(out, mask, i, by_class, limit);
    if (!by_class)
        st = add_objects(&x, mem, map, mask, UN_OBJECT_ANY_CLASS, err);
    for (int k = 0; k < out->values && by_class && !st; k++)
        if (out->value[k].value > 0)
            st = add_objects(&x, mem, map, mask, k, err);
    out->objects = (int)(x.n / sizeof(float));
    if (!st)
        st = un_quantiles(
            out->object_pixels, mem, (const float *)(const void *)x.s, (size_t)out->objects, percent, 3, err);
    un_text_free(&x);
    un_free(map);
    return st;
}

static un_mask_value summary(const seen *s, const un_grid *g)
{
    un_mask_value v = {.value = s->value, .pixels = s->pixels};

    for (int a = 0; a < 3; a++) {
        const double c = (s->sum[g->axis[a]] / (double)s->pixels + 0.5) / g->file[g->axis[a]];

        v.centre[a] = g->flip[a] ? 1 - c : c;
    }
    return v;
}

static unet_status measure_planes(un_scan_item *out, un_mem *mem, const un_image *mask, int flat, unet_error *err)
{
    const int n = un_mask_planes(mask, flat);

    if (n < 2 || n > UN_CFG_MAX_class)
        return UNET_OK;
    out->plane_pixels = un_alloc_array(mem, (size_t)n, sizeof *out->plane_pixels);
    if (!out->plane_pixels)
        return un_fail_nomem(err, (size_t)n * sizeof *out->plane_pixels);
    out->planes = n;
    un_mask_plane_pixels(mask, n, out->plane_pixels);
    return UNET_OK;
}

static unet_status measure_mask(
    un_scan_item *out, un_mem *mem, const un_image *image, const un_image *mask, unet_error *err)
{
    table t = {.slot = un_alloc_array(mem, SLOTS, sizeof *t.slot)};
    un_grid g;
    int n = 0;
    unet_status st = UNET_OK;

    if (!t.slot)
        return un_fail_nomem(err, SLOTS * sizeof *t.slot);
    out->mask_d = mask->d;
    out->mask_h = mask->h;
    out->mask_w = mask->w;
    out->mask_c = un_mask_channels(mask);
    out->mask_type = (int)mask->type;
    out->palette = mask->palette != NULL;
    out->by_colour = out->mask_c == 3;
    turn(&g, image);
    for (int a = 0; a < 3; a++) /* the mask may have other extents; that is told later */
        g.file[a] = a == 0 ? mask->d : a == 1 ? mask->h : mask->w;
    count_values(out, &t, mask);
    for (int i = 0; i < SLOTS; i++)
        if (t.slot[i].pixels)
            t.slot[n++] = t.slot[i];
    qsort(t.slot, (size_t)n, sizeof *t.slot, by_value);
    out->values = n;
    out->value = un_alloc_array(mem, (size_t)n, sizeof *out->value);
    if (!out->value)
        st = un_fail_nomem(err, (size_t)n * sizeof *out->value);
    for (int i = 0; i < n && !st; i++)
        out->value[i] = summary(&t.slot[i], &g);
    if (!st)
        st = measure_planes(out, mem, mask, image->d == 1, err);
    if (!st)
        st = measure_values(out, mem, t.slot, n, (double)mask->d * mask->h * mask->w, err);
    un_free(t.slot);
    return st ? st : measure_objects(out, mem, mask, err);
}

/* ---- the item ---------------------------------------------------------------------------------------------------- */

static int affines_differ(const un_image *a, const un_image *b)
{
    for (int r = 0; r < 3 && a->has_affine && b->has_affine; r++)
        for (int c = 0; c < 4; c++)
            if (fabs(a->affine[r][c] - b->affine[r][c]) > 1e-2)
                return 1;
    return 0;
}

static unet_status set_problem(un_scan_item *out, un_mem *mem, const char *file, unet_status st, const unet_error *e)
{
    out->status = st;
    out->problem = un_strdup(mem, e->message);
    out->problem_file = un_strdup(mem, file);
    return out->problem && out->problem_file ? UNET_OK : UNET_E_NOMEM;
}

/* Reads one file; a failure that is not for want of memory is stored. *ok: read. */
static unet_status read_one(un_image *im, un_scan_item *out, un_mem *mem, const char *path,
    const un_image_read_options *opt, int *orientation, int *ok)
{
    unet_error e;
    un_image_info info;
    unet_status st = un_image_read(im, mem, path, opt, &e);

    *ok = !st;
    *orientation = 1;
    if (!st && !opt->no_orientation && !un_image_probe(&info, mem, path, NULL))
        *orientation = info.orientation;
    if (st == UNET_E_NOMEM)
        return st;
    return st ? set_problem(out, mem, path, st, &e) : UNET_OK;
}

static unet_status measure_files(un_scan_item *out, un_mem *mem, const un_item *item, un_image *images, un_image *mask,
    const un_image_read_options *opt, unet_error *err)
{
    un_image_read_options of_mask = *opt;
    int ok = 1, turn;
    unet_status st = UNET_OK;

    of_mask.keep_palette = 1;
    for (int i = 0; i < item->image_count && !st && ok; i++) {
        st = read_one(&images[i], out, mem, item->images[i], opt, &turn, &ok);
        if (i == 0)
            out->orientation = turn;
    }
    if (!st && ok && item->mask)
        st = read_one(mask, out, mem, item->mask, &of_mask, &out->mask_orientation, &ok);
    if (st || !ok)
        return st;
    st = measure_image(out, mem, images, item->image_count, err);
    if (!st && mask->data) {
        out->affine_differs = affines_differ(&images[0], mask);
        st = measure_mask(out, mem, &images[0], mask, err);
    }
    return st ? st : un_scan_sums(&out->image_sum, &out->mask_sum, item, err);
}

static unet_status add_file(uint64_t *sum, const char *path, unet_error *err)
{
    un_map m;
    unet_status st = un_map_open(&m, path, err);

    if (st)
        return st;
    *sum = un_fnv1a(*sum, m.data, m.size);
    un_map_close(&m);
    return UNET_OK;
}

unet_status un_scan_sums(int64_t *image_sum, int64_t *mask_sum, const un_item *item, unet_error *err)
{
    uint64_t image = UN_FNV1A_START, mask = item->mask ? UN_FNV1A_START : 0;
    unet_status st = item->mask ? add_file(&mask, item->mask, err) : UNET_OK;

    for (int i = 0; i < item->image_count && !st; i++)
        st = add_file(&image, item->images[i], err);
    *image_sum = (int64_t)image;
    *mask_sum = (int64_t)mask;
    return st;
}

unet_status un_scan_measure(un_scan_item *out, un_mem *mem, const un_item *item, const un_config *cfg, unet_error *err)
{
    const un_image_read_options opt = un_data_read_options(&cfg->data, item->page, 0);
    un_image *images = un_alloc_array(mem, (size_t)item->image_count, sizeof *images), mask = {0};
    unet_error e;
    unet_status st;

    memset(out, 0, sizeof *out);
    if (!images)
        return un_fail_nomem(err, sizeof *images);
    st = measure_files(out, mem, item, images, &mask, &opt, &e);
    if (st && st != UNET_E_NOMEM)
        st = set_problem(out, mem, item->images[0], st, &e);
    for (int i = 0; i < item->image_count; i++)
        un_image_free(&images[i]);
    un_free(images);
    un_image_free(&mask);
    if (!st)
        return UNET_OK;
    un_scan_item_free(out);
    return un_fail(err, UNET_E_NOMEM, "no memory to read %s", item->name);
}
