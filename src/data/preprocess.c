/* Channels, number range, orientation, spacing: from a decoded file to the input of the network. */
#include "data/preprocess.h"

#include <math.h>
#include <string.h>

#include "base/block.h"
#include "base/math.h"
#include "base/size.h"
#include "data/values.h"

struct un_preprocess {
    un_cfg_data data;
    int dims, channels; /* of the network; dims 0: not decided */
    un_label_map *labels;
};

unet_status un_preprocess_create(un_preprocess **out, un_mem *mem, const un_config *cfg, int masks, unet_error *err)
{
    un_preprocess *p;
    const un_cfg_data *d = &cfg->data;

    *out = NULL;
    if (d->colour == UN_CFG_COLOUR_AUTO || d->normalise == UN_CFG_NORMALISE_AUTO)
        return un_fail_file(err, UNET_E_CONFIG, d->colour == UN_CFG_COLOUR_AUTO ? "data.colour" : "data.normalise",
            "is not decided yet; inspect the data first, or set it");
    if (d->normalise == UN_CFG_NORMALISE_WINDOW && (un_is_auto(d->window_centre) || un_is_auto(d->window_width)))
        return un_fail_file(
            err, UNET_E_CONFIG, "data.window_centre", "data.normalise window needs window_centre and window_width");
    if (d->normalise == UN_CFG_NORMALISE_DATASET && (d->mean.n < 1 || d->std.n != d->mean.n))
        return un_fail_file(err, UNET_E_CONFIG, "data.mean", "data.normalise dataset needs mean and std");
    p = un_alloc_zero(mem, sizeof *p);
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    p->data = *d;
    p->dims = un_is_auto(cfg->model.dims) ? 0 : cfg->model.dims;
    p->channels = un_is_auto(cfg->model.in_channels) ? 0 : cfg->model.in_channels;
    if (masks) {
        unet_status st = un_label_map_create(&p->labels, mem, cfg, err);

        if (st) {
            un_free(p);
            return st;
        }
    }
    *out = p;
    return UNET_OK;
}

void un_preprocess_destroy(un_preprocess *p)
{
    if (!p)
        return;
    un_label_map_destroy(p->labels);
    un_free(p);
}

const un_label_map *un_preprocess_labels(const un_preprocess *p)
{
    return p->labels;
}

un_image_read_options un_data_read_options(const un_cfg_data *data, int page, int mask)
{
    static const un_pages kinds[] = {[UN_CFG_PAGES_AUTO] = UN_PAGES_AUTO,
        [UN_CFG_PAGES_CHANNELS] = UN_PAGES_CHANNELS,
        [UN_CFG_PAGES_SLICES] = UN_PAGES_SLICES,
        [UN_CFG_PAGES_SERIES] = UN_PAGES_SERIES};

    return (un_image_read_options){.no_orientation = !data->exif,
        .keep_palette = mask,
        .pages = page < 0 ? kinds[data->pages] : UN_PAGES_SERIES,
        .page = page < 0 ? 0 : page};
}

un_image_read_options un_preprocess_read_options(const un_preprocess *p, int page, int mask)
{
    return un_data_read_options(&p->data, page, mask);
}

/* ---- channels
 * ---------------------------------------------------------------------------------------------------- */

/* The whole picture as floats on the file's grid, channels as the files have them. */
typedef struct raw {
    const un_image *images;
    const un_strides *strides; /* NULL: dense */
    int count, c;              /* files; channels without opacity */
    size_t pixels;
    un_mem *mem;
    unet_error *err;
} raw;

static int file_channels(const un_image *im)
{
    return im->c - (im->alpha && im->c > 1);
}

static unet_status check_files(raw *r)
{
    const un_image *a = &r->images[0];

    r->pixels = un_image_count(a) / (size_t)a->c;
    for (int i = 0; i < r->count; i++) {
        const un_image *b = &r->images[i];

        if (b->d != a->d || b->h != a->h || b->w != a->w)
            return un_fail(r->err, UNET_E_DATA, "channel file %d has %dx%dx%d pixels, the first %dx%dx%d", i + 1, b->d,
                b->h, b->w, a->d, a->h, a->w);
        r->c += file_channels(b);
    }
    return UNET_OK;
}

/* n pixels of channel k of a picture in the caller's memory, of one row, from pixel `at` on. */
static void strided_run(const raw *r, int k, size_t at, int n, float *dst)
{
    const un_image *im = r->images;
    const un_strides *s = r->strides;
    const size_t w = (size_t)im->w, h = (size_t)im->h;
    const unsigned char *from = (const unsigned char *)im->data + (ptrdiff_t)(at / w / h) * s->slice +
                                (ptrdiff_t)(at / w % h) * s->row + (ptrdiff_t)(at % w) * s->pixel +
                                (ptrdiff_t)((size_t)(s->backwards ? im->c - 1 - k : k) * un_dtype_size(im->type));

    for (int x = 0; x < n; x++, from += s->pixel)
        if (im->type == UN_DTYPE_U8) {
            dst[x] = (float)*from;
        } else if (im->type == UN_DTYPE_U16) {
            uint16_t v;

            memcpy(&v, from, sizeof v);
            dst[x] = (float)v;
        } else if (im->type == UN_DTYPE_I16) {
            int16_t v;

            memcpy(&v, from, sizeof v);
            dst[x] = (float)v;
        } else {
            memcpy(dst + x, from, sizeof *dst);
        }
}

#define RUN(type)                                                                                                      \
    for (int i = 0; i < n; i++)                                                                                        \
    dst[i] = (float)((const type *)im->data)[first + i * apart]

/* n pixels of channel k: pixel `at`, and each `step` pixels from the one before; of one row. */
static void channel_run(const raw *r, int k, size_t at, ptrdiff_t step, int n, float *dst)
{
    const un_image *im = r->images;
    ptrdiff_t first, apart;

    if (r->strides) {
        strided_run(r, k, at, n, dst);
        return;
    }
    while (k >= file_channels(im))
        k -= file_channels(im++);
    first = (ptrdiff_t)at * im->c + k;
    apart = step * im->c;
    if (im->type == UN_DTYPE_U8)
        RUN(uint8_t);
    else if (im->type == UN_DTYPE_U16)
        RUN(uint16_t);
    else if (im->type == UN_DTYPE_I16)
        RUN(int16_t);
    else if (im->type == UN_DTYPE_F32)
        RUN(float);
    else
        for (int i = 0; i < n; i++)
            dst[i] = (float)un_image_at(im, (size_t)(first + i * apart));
}

enum { PIECE = 512 }; /* pixels that are on the stack at a time */

/* Luma of ITU-R BT.601, as common picture tools use it; of one channel that one. n: at most PIECE. */
static void grey_run(const raw *r, size_t at, ptrdiff_t step, int n, float *dst)
{
    float t[PIECE];

    channel_run(r, 0, at, step, n, dst);
    if (r->c != 3)
        return;
    for (int i = 0; i < n; i++)
        dst[i] *= 0.299f;
    channel_run(r, 1, at, step, n, t);
    for (int i = 0; i < n; i++)
        dst[i] += 0.587f * t[i];
    channel_run(r, 2, at, step, n, t);
    for (int i = 0; i < n; i++)
        dst[i] += 0.114f * t[i];
}

/* Channels of the network's input for this picture; 0: they cannot be had (err filled). */
static int wanted_channels(const un_preprocess *p, const raw *r)
{
    const un_cfg_data *d = &p->data;
    int c = d->colour == UN_CFG_COLOUR_GREY ? 1 : d->colour == UN_CFG_COLOUR_RGB ? 3 : r->c;

    if (d->colour == UN_CFG_COLOUR_RGB && r->c != 3 && r->c != 1) {
        (void)un_fail(r->err, UNET_E_DATA, "the picture has %d channels; colour needs 1 or 3", r->c);
        return 0;
    }
    if (d->colour == UN_CFG_COLOUR_GREY && r->c != 3 && r->c != 1) { /* which one is meant is not guessed */
        (void)un_fail(r->err, UNET_E_DATA,
            "the picture has %d channels; data.colour=grey takes 1 or 3 (the first of many: data.colour=all "
            "data.channels=[0])",
            r->c);
        return 0;
    }
    if (d->channels.n > 0) {
        for (int i = 0; i < d->channels.n; i++)
            if (d->channels.v[i] >= c) {
                (void)un_fail(r->err, UNET_E_DATA, "data.channels names channel %d, but the picture ends at %d",
                    d->channels.v[i], c - 1);
                return 0;
            }
        c = d->channels.n;
    }
    if (p->channels && c != p->channels) {
        (void)un_fail(r->err, UNET_E_DATA, "the picture gives %d channel%s; the network takes %d", c, c == 1 ? "" : "s",
            p->channels);
        return 0;
    }
    return c;
}

/* Channel k of the network's input, as above; not yet normalised. */
static void take_run(const un_preprocess *p, const raw *r, int k, size_t at, ptrdiff_t step, int n, float *dst)
{
    if (p->data.channels.n > 0)
        k = p->data.channels.v[k];
    if (p->data.colour == UN_CFG_COLOUR_GREY)
        grey_run(r, at, step, n, dst);
    else
        channel_run(r, p->data.colour == UN_CFG_COLOUR_RGB && r->c == 1 ? 0 : k, at, step, n, dst);
}

/* All of it, in the file's order. */
static void take_channel(const un_preprocess *p, const raw *r, int k, float *dst)
{
    const size_t w = (size_t)r->images[0].w;

    for (size_t row = 0; row < r->pixels; row += w)
        for (size_t x = 0; x < w; x += PIECE)
            take_run(p, r, k, row + x, 1, (int)UN_MIN(w - x, PIECE), dst + row + x);
}

/* ---- number range
 * ------------------------------------------------------------------------------------------------ */

/* Largest value that the number type of the file stands for; 0: none (floats, signed). */
static double type_range(const un_image *im)
{
    if (im->type == UN_DTYPE_U8)
        return im->bits > 0 && im->bits < 8 ? (double)((1 << im->bits) - 1) : 255;
    if (im->type == UN_DTYPE_U16)
        return im->bits > 0 && im->bits < 16 ? (double)((1 << im->bits) - 1) : 65535;
    return 0;
}

static int is_valid(const un_cfg_data *d, float v)
{
    return isfinite(v) && !(!un_is_auto(d->no_data) && (double)v == d->no_data);
}

/* (x - shift) * factor; soft: what lies outside 0..1 is bent towards -0.5 and 1.5; hard: cut. */
typedef struct rule {
    double shift, factor;
    int soft, hard;
} rule;

/* For the values v of channel k that count. */
static unet_status find_rule(rule *r, const un_preprocess *p, const raw *w, const un_values *v, int k)
{
    const un_cfg_data *d = &p->data;
    const double percent[2] = {d->percentile_low, d->percentile_high};
    double q[2];
    un_moments m = {0};
    unet_status st = UNET_OK;

    *r = (rule){0, 1, 0, 0};
    if (d->normalise == UN_CFG_NORMALISE_ZSCORE ||
        (d->normalise == UN_CFG_NORMALISE_MINMAX && !(type_range(w->images) > 0)))
        un_moments_of_values(v, &m);
    switch (d->normalise) {
    case UN_CFG_NORMALISE_ZSCORE:
        *r = (rule){m.mean, m.std > 1e-12 ? 1 / m.std : 1, 0, 0};
        break;
    case UN_CFG_NORMALISE_PERCENTILE:
        st = un_quantiles_of_values(q, w->mem, v, percent, 2, w->err);
        if (!st)
            *r = (rule){q[0], q[1] > q[0] ? 1 / (q[1] - q[0]) : 1, 1, 0};
        break;
    case UN_CFG_NORMALISE_MINMAX:
        if (type_range(w->images) > 0)
            *r = (rule){0, 1 / type_range(w->images), 0, 0};
        else
            *r = (rule){m.min, m.max > m.min ? 1 / (m.max - m.min) : 1, 0, 0};
        break;
    case UN_CFG_NORMALISE_WINDOW:
        *r = (rule){d->window_centre - d->window_width / 2, 1 / d->window_width, 0, 1};
        break;
    case UN_CFG_NORMALISE_DATASET:
        *r = (rule){d->mean.v[UN_MIN(k, d->mean.n - 1)], 1 / d->std.v[UN_MIN(k, d->std.n - 1)], 0, 0};
        break;
    default:
        break;
    }
    return st;
}

static float bend(double v, const rule *r)
{
    if (r->hard)
        v = v < 0 ? 0 : v > 1 ? 1 : v;
    else if (r->soft && v > 1)
        v = 1 + 0.5 * un_tanh(2 * (v - 1));
    else if (r->soft && v < 0)
        v = 0.5 * un_tanh(2 * v);
    return (float)v;
}

static int counts(const un_preprocess *p, float v)
{
    return is_valid(&p->data, v) && !(p->data.nonzero && v == 0);
}

static void bend_run(const un_preprocess *p, const rule *r, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = is_valid(&p->data, x[i]) ? bend(((double)x[i] - r->shift) * r->factor, r) : 0;
}

/* Those values of a channel that count, straight from the files. */
typedef struct in_files {
    const un_preprocess *p;
    const raw *w;
    int k;
} in_files;

static void each_in_files(void *from, void (*take)(void *to, const float *x, size_t n), void *to)
{
    const in_files *f = from;
    const size_t w = (size_t)f->w->images[0].w;
    float x[PIECE];

    for (size_t row = 0; row < f->w->pixels; row += w)
        for (size_t at = 0; at < w; at += PIECE) {
            const int n = (int)UN_MIN(w - at, PIECE);
            size_t good = 0;

            take_run(f->p, f->w, f->k, row + at, 1, n, x);
            for (int i = 0; i < n; i++)
                if (counts(f->p, x[i]))
                    x[good++] = x[i];
            if (good)
                take(to, x, good);
        }
}

/* Those of a plane of w->pixels floats. */
typedef struct in_plane {
    const un_preprocess *p;
    const float *x;
    size_t n;
} in_plane;

static void each_in_plane(void *from, void (*take)(void *to, const float *x, size_t n), void *to)
{
    const in_plane *f = from;

    for (size_t i = 0; i < f->n;) { /* as long as they lie together */
        const size_t first = i;

        while (i < f->n && counts(f->p, f->x[i]))
            i++;
        if (i > first)
            take(to, f->x + first, i - first);
        while (i < f->n && !counts(f->p, f->x[i]))
            i++;
    }
}

/* x in place; bad (NULL: none wanted) is set to 1 where there is no data. */
static unet_status normalise(const un_preprocess *p, const raw *w, float *x, unsigned char *bad, int k)
{
    in_plane plane = {p, x, w->pixels};
    rule r;
    const unet_status st = find_rule(&r, p, w, &(un_values){each_in_plane, &plane}, k);

    for (size_t i = 0; i < w->pixels && !st; i++)
        if (!is_valid(&p->data, x[i]))
            bad[i] = 1;
    if (!st)
        bend_run(p, &r, x, w->pixels);
    return st;
}

/* ---- grid
 * -------------------------------------------------------------------------------------------------------- */

static int resized(int n, double factor)
{
    const double v = un_round(n * factor);

    return v < 1 ? 1 : v > 1 << 24 ? 1 << 24 : (int)v;
}

void un_preprocess_grid(const un_preprocess *p, const un_image *im, un_grid *g)
{
    const un_cfg_data *d = &p->data;

    un_grid_init(g, im->d, im->h, im->w);
    if (im->has_affine && im->d > 1 && im->h > 1 && im->w > 1)
        un_grid_turn(g, im->affine);
    for (int a = 0; a < 3; a++) {
        const double is = im->spacing[g->axis[a]];

        g->spacing[a] = is;
        if (!un_is_auto(d->spacing[0]) && d->spacing[a] > 0 && im->has_spacing && is > 0) {
            g->size[a] = resized(g->turned[a], is / d->spacing[a]);
            g->spacing[a] = d->spacing[a];
        }
        if (!un_is_auto(d->scale) && d->scale != 1 && a > 0 && im->d == 1) {
            g->size[a] = resized(g->turned[a], d->scale);
            g->spacing[a] = is / d->scale;
        }
    }
}

/* One channel from the file's grid into channel k of the picture. */
static unet_status place(const raw *w, const un_grid *g, const float *x, float *scratch, un_picture *out, int k)
{
    const size_t n = (size_t)out->d * (size_t)out->h * (size_t)out->w;
    float *small;
    unet_status st;

    un_grid_copy(g, scratch, x, sizeof *x);
    if (!un_grid_is_resampled(g)) {
        for (size_t i = 0; i < n; i++)
            out->image[i * (size_t)out->c + (size_t)k] = scratch[i];
        return UNET_OK;
    }
    small = un_alloc_array(w->mem, n, sizeof *small);
    if (!small)
        return un_fail_nomem(w->err, n * sizeof *small);
    st = un_resample_linear(small, g->size, scratch, g->turned, 1, w->mem, w->err);
    for (size_t i = 0; i < n && !st; i++)
        out->image[i * (size_t)out->c + (size_t)k] = small[i];
    un_free(small);
    return st;
}

static unet_status make_picture(
    const un_preprocess *p, raw *w, un_picture *out, un_grid *g, unsigned char *bad, unet_error *err)
{
    float *x, *scratch;
    size_t n;
    unet_status st = check_files(w);

    if (st)
        return st;
    out->c = wanted_channels(p, w);
    if (!out->c)
        return UNET_E_DATA;
    un_preprocess_grid(p, &w->images[0], g);
    out->d = g->size[0];
    out->h = g->size[1];
    out->w = g->size[2];
    memcpy(out->spacing, g->spacing, sizeof out->spacing);
    if (!un_size_mul((size_t)out->d * (size_t)out->h, (size_t)out->w, &n) || !un_size_mul(n, (size_t)out->c, &n))
        return un_fail(
            err, UNET_E_LIMIT, "%dx%dx%d pixels of %d channels are too many", out->d, out->h, out->w, out->c);
    out->image = un_alloc_array(w->mem, n, sizeof *out->image);
    x = un_alloc_array(w->mem, w->pixels, 2 * sizeof *x);
    scratch = x ? x + w->pixels : NULL;
    if (!out->image || !x)
        st = un_fail_nomem(err, n * sizeof *x);
    for (int k = 0; k < out->c && !st; k++) {
        take_channel(p, w, k, x);
        st = normalise(p, w, x, bad, k);
        if (!st)
            st = place(w, g, x, scratch, out, k);
    }
    un_free(x);
    return st;
}

static unet_status image_with_bad(
    const un_preprocess *p, raw *w, un_picture *out, un_grid *grid, unsigned char **bad, unet_error *err)
{
    const size_t pixels = un_image_count(&w->images[0]) / (size_t)w->images[0].c;
    un_grid g = {0};
    unet_status st;

    memset(out, 0, sizeof *out);
    *bad = un_alloc_array(w->mem, pixels, 1);
    st = *bad ? make_picture(p, w, out, &g, *bad, err) : un_fail_nomem(err, pixels);
    if (st) {
        un_picture_free(out);
        un_free(*bad);
        *bad = NULL;
    }
    if (grid)
        *grid = g;
    return st;
}

unet_status un_preprocess_pixels(
    const un_preprocess *p, const un_raster *in, un_mem *mem, un_picture *out, un_grid *grid, unet_error *err)
{
    raw w = {.images = in->images, .count = in->count, .strides = in->strides, .mem = mem, .err = err};
    unsigned char *bad;
    unet_status st = image_with_bad(p, &w, out, grid, &bad, err);

    un_free(bad);
    return st;
}

unet_status un_preprocess_image(const un_preprocess *p, const un_image *images, int count, un_mem *mem, un_picture *out,
    un_grid *grid, unet_error *err)
{
    return un_preprocess_pixels(p, &(un_raster){images, count, NULL}, mem, out, grid, err);
}

/* ---- row by row ---- */

struct un_seen {
    const un_preprocess *p;
    raw w;
    size_t first; /* pixel of the file that the network sees first */
    ptrdiff_t step[3];
    int c;
    rule *rule; /* [c] */
};

unet_status un_seen_create(
    un_seen **out, const un_preprocess *p, const un_raster *in, un_mem *mem, const un_grid *grid, unet_error *err)
{
    raw w = {.images = in->images, .count = in->count, .strides = in->strides, .mem = mem, .err = err};
    unet_status st = check_files(&w);
    const int c = st ? 0 : wanted_channels(p, &w);
    un_seen *s;

    *out = NULL;
    if (!c)
        return st ? st : UNET_E_DATA;
    s = un_alloc_zero(mem, sizeof *s + (size_t)c * sizeof *s->rule);
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    *s = (un_seen){.p = p, .w = w, .c = c, .rule = (rule *)(s + 1)};
    s->first = un_grid_place(grid, s->step);
    for (int k = 0; k < c && !st; k++) {
        in_files files = {p, &s->w, k};

        st = find_rule(&s->rule[k], p, &s->w, &(un_values){each_in_files, &files}, k);
    }
    if (st)
        un_free(s);
    else
        *out = s;
    return st;
}

void un_seen_destroy(un_seen *s)
{
    un_free(s);
}

int un_seen_channels(const un_seen *s)
{
    return s->c;
}

void un_seen_read(const void *seen, int z, int y, int x0, int x1, float *to)
{
    const un_seen *s = seen;
    const ptrdiff_t row = (ptrdiff_t)s->first + z * s->step[0] + y * s->step[1];
    float t[PIECE];

    for (int x = x0; x < x1; x += PIECE) {
        const int n = UN_MIN(x1 - x, PIECE);

        for (int k = 0; k < s->c; k++) {
            take_run(s->p, &s->w, k, (size_t)(row + x * s->step[2]), s->step[2], n, t);
            bend_run(s->p, &s->rule[k], t, (size_t)n);
            for (int i = 0; i < n; i++)
                to[(size_t)i * (size_t)s->c + (size_t)k] = t[i];
        }
        to += (size_t)n * (size_t)s->c;
    }
}

size_t un_seen_room(const un_preprocess *p)
{
    return un_block_room(sizeof(un_seen) + (size_t)p->channels * sizeof(rule)) +
           (p->data.normalise == UN_CFG_NORMALISE_PERCENTILE ? un_quantiles_room() : 0);
}

/* What is alive at the same time in make_picture: `bad`, the result, two planes, and the most that a channel needs.
 * `bad` lies under the result and gives no room back before it. */
size_t un_preprocess_room(const un_preprocess *p, const un_grid *grid, size_t *kept)
{
    const size_t pixels = (size_t)grid->file[0] * (size_t)grid->file[1] * (size_t)grid->file[2];
    const size_t n = (size_t)grid->size[0] * (size_t)grid->size[1] * (size_t)grid->size[2];
    size_t most = 0;

    if (p->data.normalise == UN_CFG_NORMALISE_PERCENTILE)
        most = UN_MAX(most, un_quantiles_room());
    if (un_grid_is_resampled(grid))
        most = UN_MAX(most, un_block_room(n * sizeof(float)) + un_resample_room(grid->size, grid->turned, 1));
    *kept = un_block_room(pixels) + un_block_room(n * (size_t)p->channels * sizeof(float));
    return *kept + un_block_room(2 * pixels * sizeof(float)) + most;
}

/* ---- masks
 * ------------------------------------------------------------------------------------------------------- */

/* Classes on the file's grid, turned and brought to the picture's size. */
static unet_status place_target(const un_grid *g, int32_t *flat, un_mem *mem, un_picture *out, unet_error *err)
{
    const size_t n = (size_t)out->d * (size_t)out->h * (size_t)out->w;
    const size_t pixels = (size_t)g->file[0] * (size_t)g->file[1] * (size_t)g->file[2];
    int32_t *turned = un_alloc_array(mem, pixels, sizeof *turned);

    out->target = un_alloc_array(mem, n, sizeof *out->target);
    if (!turned || !out->target) {
        un_free(turned);
        return un_fail_nomem(err, n * sizeof *turned);
    }
    un_grid_copy(g, turned, flat, sizeof *flat);
    un_resample_nearest(out->target, g->size, turned, g->turned, sizeof *turned);
    un_free(turned);
    return UNET_OK;
}

static unet_status add_target(const un_preprocess *p, const un_image *mask, const un_grid *g, const unsigned char *bad,
    un_mem *mem, un_picture *out, int64_t *strays, unet_error *err)
{
    const size_t pixels = (size_t)g->file[0] * (size_t)g->file[1] * (size_t)g->file[2];
    int32_t *flat = un_alloc_array(mem, pixels, sizeof *flat);
    unet_status st =
        flat ? un_label_map_apply(p->labels, mask, flat, strays, err) : un_fail_nomem(err, pixels * sizeof *flat);

    for (size_t i = 0; i < pixels && !st; i++)
        if (bad[i])
            flat[i] = UN_IGNORE;
    if (!st)
        st = place_target(g, flat, mem, out, err);
    un_free(flat);
    return st;
}

/* Multi-label planes on the picture's grid; pixels without data get weight 0. */
static unet_status add_soft(const un_preprocess *p, const un_image *mask, const un_grid *g, const unsigned char *bad,
    un_mem *mem, un_picture *out, unet_error *err)
{
    const size_t pixels = (size_t)g->file[0] * (size_t)g->file[1] * (size_t)g->file[2];
    const size_t n = (size_t)out->d * (size_t)out->h * (size_t)out->w, k = (size_t)out->classes;
    float *soft = un_alloc_array(mem, pixels, k * sizeof *soft);
    float *plane = un_alloc_array(mem, pixels, 2 * sizeof *plane), *small = un_alloc_array(mem, n, sizeof *small);
    unet_status st = UNET_OK;

    out->soft = un_alloc_array(mem, n, k * sizeof *out->soft);
    out->weight = un_alloc_array(mem, n, sizeof *out->weight);
    if (!soft || !plane || !small || !out->soft || !out->weight)
        st = un_fail_nomem(err, n * k * sizeof *soft);
    else
        st = un_label_map_apply_soft(p->labels, mask, soft, err);
    for (size_t c = 0; c <= k && !st; c++) { /* the last: validity */
        for (size_t i = 0; i < pixels; i++)
            plane[i] = c < k ? soft[i * k + c] : bad[i] ? 0.0f : 1.0f;
        un_grid_copy(g, plane + pixels, plane, sizeof *plane);
        un_resample_nearest(c < k ? small : out->weight, g->size, plane + pixels, g->turned, sizeof *plane);
        for (size_t i = 0; i < n && c < k; i++)
            out->soft[i * k + c] = small[i];
    }
    un_free(soft);
    un_free(plane);
    un_free(small);
    return st;
}

static unet_status check_mask(const un_preprocess *p, const un_image *image, const un_image *mask, unet_error *err)
{
    const int pages = un_label_map_is_multilabel(p->labels) && image->d == 1;

    if (mask->h == image->h && mask->w == image->w && (mask->d == image->d || pages))
        return UNET_OK;
    return un_fail(err, UNET_E_DATA, "the mask has %dx%dx%d pixels, the picture %dx%dx%d (d, h, w)", mask->d, mask->h,
        mask->w, image->d, image->h, image->w);
}

/* Whether the file's numbers can stand for "no data". */
static int may_lack_data(const un_preprocess *p, const raw *w)
{
    int real = !un_is_auto(p->data.no_data);

    for (int i = 0; i < w->count; i++)
        real |= w->images[i].type == UN_DTYPE_F32 || w->images[i].type == UN_DTYPE_F64;
    return real;
}

static unet_status drop_missing(const un_preprocess *p, raw *w, int32_t *truth)
{
    unet_status st = check_files(w);
    const int c = st ? 0 : wanted_channels(p, w);
    float *x;

    if (st || !c || !may_lack_data(p, w))
        return st ? st : c ? UNET_OK : UNET_E_DATA;
    x = un_alloc_array(w->mem, w->pixels, sizeof *x);
    if (!x)
        return un_fail_nomem(w->err, w->pixels * sizeof *x);
    for (int k = 0; k < c; k++) {
        take_channel(p, w, k, x);
        for (size_t i = 0; i < w->pixels; i++)
            if (!is_valid(&p->data, x[i]))
                truth[i] = UN_IGNORE;
    }
    un_free(x);
    return UNET_OK;
}

unet_status un_preprocess_truth(const un_preprocess *p, const un_image *images, int count, const un_image *mask,
    un_mem *mem, int32_t *truth, int64_t *strays, unet_error *err)
{
    raw w = {.images = images, .count = count, .mem = mem, .err = err};
    unet_status st = check_mask(p, images, mask, err);

    *strays = 0;
    if (!st)
        st = un_label_map_is_multilabel(p->labels) ? un_label_map_apply_bits(p->labels, mask, truth, err)
                                                   : un_label_map_apply(p->labels, mask, truth, strays, err);
    return st ? st : drop_missing(p, &w, truth);
}

unet_status un_preprocess_pair(const un_preprocess *p, const un_image *images, int count, const un_image *mask,
    un_mem *mem, un_picture *out, un_grid *grid, int64_t *strays, unet_error *err)
{
    raw w = {.images = images, .count = count, .mem = mem, .err = err};
    unsigned char *bad;
    un_grid g;
    unet_status st = check_mask(p, images, mask, err);

    memset(out, 0, sizeof *out);
    if (!st)
        st = image_with_bad(p, &w, out, &g, &bad, err);
    if (st)
        return st;
    out->classes = un_label_map_classes(p->labels);
    if (un_label_map_is_multilabel(p->labels))
        st = add_soft(p, mask, &g, bad, mem, out, err);
    else
        st = add_target(p, mask, &g, bad, mem, out, strays, err);
    un_free(bad);
    if (st)
        un_picture_free(out);
    if (grid)
        *grid = g;
    return st;
}
