#include "run/pixels.h"

#include <string.h>

#include "base/block.h"
#include "base/float_mode.h"

struct un_pixel_session {
    un_mem *mem; /* on the block */
    void *block; /* to be freed; NULL: the caller's */
    const un_model *model;
    un_model *kept; /* the same, while the session lasts */
    un_pool *pool;
    un_preprocess *pre;
    un_predictor *predictor;
    int width, height;
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

/* All but the memory of the runs. */
static unet_status set_up(
    un_pixel_session *s, un_mem *mem, const un_model *m, const un_pixel_options *o, unet_error *err)
{
    un_predict_options po = un_predict_options_of(&m->config.predict);
    unet_status st = UNET_OK;

    *s = (un_pixel_session){.mem = mem, .model = m, .width = o->width, .height = o->height};
    if (o->threads > 1)
        st = un_pool_create(&s->pool, mem, o->threads, err);
    po.session = (un_session_options){.pool = s->pool, .level = o->level, .exact = o->exact};
    po.max_bytes = SIZE_MAX;
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

static unet_status check(const un_model *m, const un_pixel_options *o, unet_error *err)
{
    if (m->config.model.dims != 2)
        return un_fail(err, UNET_E_UNSUPPORTED, "the network takes volumes; sessions on pixels are for 2-D networks");
    if (o->width < 1 || o->height < 1)
        return un_fail(
            err, UNET_E_ARG, "a session for pictures of %dx%d: both must be at least 1", o->width, o->height);
    if (o->threads < 0 || o->threads > 1024)
        return un_fail(err, UNET_E_ARG, "%d threads: allowed are 1 to 1024", o->threads);
    return UNET_OK;
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
        const size_t run = un_segment_room(m, s.pre, o->height, o->width, &grid);

        st = un_predictor_room(s.predictor, grid.size[0], grid.size[1], grid.size[2], &predictor, err);
        *bytes = 64 + un_block_least() + un_block_room(sizeof s) + listed + run + predictor;
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
    (void)un_segment_room(m, s->pre, o->height, o->width, &grid);
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
    un_float_mode before;
    un_grid grid;
    unet_status st;

    if (image->w != s->width || image->h != s->height || image->d != 1)
        return un_fail(err, UNET_E_ARG, "the picture has %dx%d pixels; the session was made for %dx%d", image->w,
            image->h, s->width, s->height);
    before = un_float_mode_enter();
    st = un_segment_stream(
        s->mem, s->predictor, s->model, s->pre, &(un_raster){image, 1, strides}, &grid, sink, ctx, err);
    un_float_mode_set(before);
    return st;
}
