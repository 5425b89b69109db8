#include "run/pixels.h"

#include <string.h>

#include "base/block.h"
#include "base/size.h"

struct un_pixel_session {
    un_mem *mem; /* on the block */
    void *block; /* to be freed; NULL: the caller's */
    const un_model *model;
    un_model *kept; /* the same, while the session lasts */
    un_pool *pool;
    un_preprocess *pre;
    un_predictor *predictor;
    un_image like; /* extents and spacing of what it takes */
};

static void tear_down(un_pixel_session *s)
{
    un_predictor_destroy(s->predictor);
    un_preprocess_destroy(s->pre);
    un_pool_destroy(s->pool);
}

static unet_status set_precision(un_predict_options *po, const char *word, unet_error *err)
{
    for (int i = UN_CFG_PRECISION_FLOAT32; i <= UN_CFG_PRECISION_BF16; i++)
        if (!strcmp(word, un_config_word("predict", "precision", i))) {
            po->precision = i;
            return UNET_OK;
        }
    return un_fail(err, UNET_E_ARG, "no precision '%s'; there are float32 and bf16", word);
}

/* What is known of a picture before it comes. */
static un_image like_of(const un_pixel_options *o)
{
    un_image like = {.d = o->size[0], .h = o->size[1], .w = o->size[2], .spacing = {1, 1, 1}};

    for (int a = 0; a < 3; a++)
        if (o->spacing[a] > 0)
            like.has_spacing = 1;
    if (like.has_spacing)
        memcpy(like.spacing, o->spacing, sizeof like.spacing);
    return like;
}

/* All but the memory of the runs. */
static unet_status set_up(
    un_pixel_session *s, un_mem *mem, const un_model *m, const un_pixel_options *o, unet_error *err)
{
    un_predict_options po = un_predict_options_of(&m->config.predict);
    unet_status st = UNET_OK;

    *s = (un_pixel_session){.mem = mem, .model = m, .like = like_of(o)};
    if (o->threads > 1)
        st = un_pool_create(&s->pool, mem, o->threads, err);
    po.session = (un_session_options){.pool = s->pool, .level = o->level, .exact = o->exact};
    if (!st && o->precision)
        st = set_precision(&po, o->precision, err);
    if (!st)
        st = un_preprocess_create(&s->pre, mem, &m->config, 0, err);
    if (!st)
        st = un_predictor_create(&s->predictor, mem, m, &po, err);
    if (st)
        tear_down(s);
    return st;
}

static unet_status check_depth(const un_model *m, int d, unet_error *err)
{
    return m->config.model.dims == 3 || d == 1
               ? UNET_OK
               : un_fail(err, UNET_E_UNSUPPORTED,
                     "the network takes pictures, no volume of %d slices; give it each slice as a picture of depth 1",
                     d);
}

static unet_status check(const un_model *m, const un_pixel_options *o, unet_error *err)
{
    const int *e = o->size;

    if (e[0] < 1 || e[1] < 1 || e[2] < 1)
        return un_fail(
            err, UNET_E_ARG, "a session for %dx%dx%d pixels (d, h, w): each must be at least 1", e[0], e[1], e[2]);
    for (int a = 0; a < 3; a++)
        if (!(o->spacing[a] >= 0 && o->spacing[a] <= 1e6))
            return un_fail(
                err, UNET_E_ARG, "a spacing of %g: allowed is more than 0, up to 1e6, or 0: not known", o->spacing[a]);
    if (o->threads < 0 || o->threads > 1024)
        return un_fail(err, UNET_E_ARG, "%d threads: allowed are 1 to 1024", o->threads);
    return check_depth(m, e[0], err);
}

/* Whether sizes can be counted, with all that is held of each pixel, on either grid and between them. */
static unet_status check_grid(const un_model *m, const un_grid *g, unet_error *err)
{
    static const uint64_t most = UN_MIN((uint64_t)1 << 40, SIZE_MAX / 128);
    size_t n = (size_t)UN_MAX(m->config.model.in_channels, un_model_channels(&m->config.model));
    int fits = 1;

    for (int a = 0; a < 3; a++)
        fits = fits && un_size_mul(n, (size_t)UN_MAX(g->turned[a], g->size[a]), &n);
    return fits && n <= most
               ? UNET_OK
               : un_fail(err, UNET_E_LIMIT, "%dx%dx%d pixels that the network sees as %dx%dx%d are too many",
                     g->turned[0], g->turned[1], g->turned[2], g->size[0], g->size[1], g->size[2]);
}

unet_status un_pixels_bytes(size_t *bytes, un_mem *mem, const un_model *m, const un_pixel_options *o, unet_error *err)
{
    un_pixel_session s;
    un_block_sum small;
    un_grid grid;
    un_mem *sum;
    size_t predictor;
    unet_status st = check(m, o, err);

    *bytes = 0;
    if (st)
        return st;
    sum = un_mem_summing(&small, mem);
    if (!sum)
        return un_fail_nomem(err, sizeof small);
    st = set_up(&s, sum, m, o, err);
    if (!st) {
        const size_t listed = small.bytes;

        un_preprocess_grid(s.pre, &s.like, &grid);
        st = check_grid(m, &grid, err);
        if (!st)
            st = un_predictor_room(s.predictor, grid.size[0], grid.size[1], grid.size[2], &predictor, err);
        if (!st)
            *bytes =
                64 + un_block_least() + un_block_room(sizeof s) + listed + un_segment_room(m, s.pre, &grid) + predictor;
        tear_down(&s);
    }
    un_mem_destroy(sum);
    return st;
}

/* The session itself lies first in the block. */
static unet_status on_block(
    un_pixel_session **out, void *block, size_t bytes, const un_model *m, const un_pixel_options *o, unet_error *err)
{
    un_mem *mem = un_mem_on_block(block, bytes);
    un_pixel_session *s = mem ? un_alloc_zero(mem, sizeof *s) : NULL;
    un_grid grid;
    unet_status st = s ? set_up(s, mem, m, o, err) : un_fail_nomem(err, bytes);

    if (st)
        return st;
    un_preprocess_grid(s->pre, &s->like, &grid);
    st = un_predictor_prepare(s->predictor, grid.size[0], grid.size[1], grid.size[2], err);
    if (st) {
        tear_down(s);
        return st;
    }
    *out = s;
    return UNET_OK;
}

unet_status un_pixels_create(
    un_pixel_session **out, un_mem *mem, const un_model *m, const un_pixel_options *o, unet_error *err)
{
    void *own = NULL;
    size_t bytes;
    unet_status st = un_pixels_bytes(&bytes, mem, m, o, err);

    *out = NULL;
    if (st)
        return st;
    if (o->memory && o->memory_bytes < bytes)
        return un_fail(
            err, UNET_E_LIMIT, "the session needs %zu bytes; the memory given has %zu", bytes, o->memory_bytes);
    if (!o->memory) {
        own = un_alloc(mem, bytes);
        if (!own)
            return un_fail_nomem(err, bytes);
    }
    st = on_block(out, own ? own : o->memory, bytes, m, o, err);
    if (st)
        un_free(own);
    else {
        (*out)->block = own;
        (*out)->kept = un_model_keep(m);
    }
    return st;
}

void un_pixels_destroy(un_pixel_session *s)
{
    un_model *kept;
    void *block;

    if (!s)
        return;
    block = s->block;
    kept = s->kept;
    tear_down(s);
    un_free(block);
    un_model_destroy(kept);
}

size_t un_pixels_peak(const un_pixel_session *s)
{
    return un_block_peak(s->mem);
}

const un_config *un_pixels_config(const un_pixel_session *s)
{
    return &s->model->config;
}

unet_status un_pixels_run(un_pixel_session *s, const un_image *image, const un_strides *strides, un_predict_sink sink,
    void *ctx, unet_error *err)
{
    const un_image *like = &s->like;
    un_image placed = *image;
    un_grid grid;
    unet_status st = check_depth(s->model, image->d, err);

    if (st)
        return st;
    if (image->w != like->w || image->h != like->h || image->d != like->d)
        return un_fail(err, UNET_E_ARG, "there are %dx%dx%d pixels (d, h, w); the session was made for %dx%dx%d",
            image->d, image->h, image->w, like->d, like->h, like->w);
    memcpy(placed.spacing, like->spacing, sizeof placed.spacing);
    placed.has_spacing = like->has_spacing;
    return un_segment_stream(
        s->mem, s->predictor, s->model, s->pre, &(un_raster){&placed, 1, strides}, &grid, sink, ctx, err);
}
