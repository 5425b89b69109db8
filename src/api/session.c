/* Public sessions: pixels in, masks and probabilities out. */
#include <string.h>

#include "api/context.h"
#include "base/size.h"
#include "run/pixels.h"

/* The public handle is the private one. */
static un_pixel_session *inside(unet_session *s)
{
    return (un_pixel_session *)s;
}

/* The caller's options as the layer below wants them. */
static unet_status read_options(
    un_pixel_options *out, const unet_model *m, const unet_session_options *given, unet_error *err)
{
    unet_session_options o;
    unet_status st = un_api_options(&o, sizeof o, given, err);

    if (st)
        return st;
    if (!given)
        return un_fail(err, UNET_E_ARG, "a session needs options: width and height of the pictures");
    *out = (un_pixel_options){.threads = o.threads,
        .level = m->c->level,
        .exact = m->c->options.exact,
        .width = o.width,
        .height = o.height,
        .precision = o.precision,
        .memory = o.memory,
        .memory_bytes = o.memory_bytes};
    return UNET_OK;
}

unet_status unet_session_bytes(size_t *bytes, const unet_model *m, const unet_session_options *options, unet_error *err)
{
    un_pixel_options o;
    unet_status st;

    *bytes = 0;
    un_error_clear(err);
    st = read_options(&o, m, options, err);
    return st ? st : un_pixels_bytes(bytes, m->c->mem, m->m, &o, err);
}

unet_status unet_session_create(
    unet_session **out, const unet_model *m, const unet_session_options *options, unet_error *err)
{
    un_pixel_options o;
    un_pixel_session *s = NULL;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    st = read_options(&o, m, options, err);
    if (!st)
        st = un_pixels_create(&s, m->c->mem, m->m, &o, err);
    *out = (unet_session *)s;
    return st;
}

void unet_session_destroy(unet_session *s)
{
    un_pixels_destroy(inside(s));
}

/* ---- a run ---- */

static const size_t type_bytes[] = {[UNET_U8] = 1, [UNET_U16] = 2, [UNET_F32] = 4};

/* *to: the same with strides filled in. what: for messages. */
static unet_status check_pixels(unet_pixels *to, const unet_pixels *from, const char *what, unet_error *err)
{
    ptrdiff_t row, pixel;

    *to = *from;
    if (!from->data || from->width < 1 || from->height < 1 || from->channels < 1)
        return un_fail(err, UNET_E_ARG, "%s: no data, or %dx%d pixels of %d channels", what, from->width, from->height,
            from->channels);
    if ((unsigned)from->type >= UN_COUNT(type_bytes))
        return un_fail(err, UNET_E_ARG, "%s: the type of the pixels is none of UNET_U8, UNET_U16, UNET_F32", what);
    pixel = (ptrdiff_t)((size_t)from->channels * type_bytes[from->type]);
    to->pixel_bytes = from->pixel_bytes ? from->pixel_bytes : pixel;
    row = (from->width - 1) * to->pixel_bytes + pixel;
    to->row_bytes = from->row_bytes ? from->row_bytes : from->width * to->pixel_bytes;
    if (to->pixel_bytes < pixel || (to->row_bytes < row && -to->row_bytes < row))
        return un_fail(err, UNET_E_ARG, "%s: pixels %td bytes and rows %td bytes apart would overlap", what,
            to->pixel_bytes, to->row_bytes);
    if (from->bgr && from->channels != 3)
        return un_fail(err, UNET_E_ARG, "%s: bgr is for 3 channels, not %d", what, from->channels);
    return UNET_OK;
}

/* Where results go. */
typedef struct writer {
    const un_config *config;
    const unet_pixels *mask, *probabilities; /* NULL: not wanted */
    int width, channels;
} writer;

static void write_mask(const writer *w, int y, const float *p)
{
    unsigned char *to = (unsigned char *)w->mask->data + y * w->mask->row_bytes;
    const int labels = w->mask->channels;

    for (int x = 0; x < w->width; x++, to += w->mask->pixel_bytes, p += w->channels) {
        int32_t k;

        un_classes_of(w->config, p, 1, &k);
        if (w->config->model.head != UN_CFG_HEAD_MULTILABEL)
            *to = (unsigned char)k;
        else
            for (int i = 0; i < labels; i++)
                to[i] = k >> i & 1 ? 255 : 0;
    }
}

static unet_status write_rows(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err)
{
    const writer *w = ctx;

    (void)z0;
    (void)z1;
    (void)err;
    for (int y = y0; y < y1; y++) {
        if (w->mask)
            write_mask(w, y, p);
        for (int x = 0; x < w->width && w->probabilities; x++)
            memcpy((unsigned char *)w->probabilities->data + y * w->probabilities->row_bytes +
                       x * w->probabilities->pixel_bytes,
                p + (int64_t)x * w->channels, (size_t)w->channels * sizeof *p);
        p += (int64_t)w->width * w->channels;
    }
    return UNET_OK;
}

static unet_status check_result(unet_pixels *to, const unet_pixels *r, const unet_pixels *in, unet_pixel_type type,
    int channels, const char *what, unet_error *err)
{
    unet_status st = check_pixels(to, r, what, err);

    if (st)
        return st;
    if (r->type != type || r->width != in->width || r->height != in->height || r->channels != channels || r->bgr)
        return un_fail(err, UNET_E_ARG, "%s: must be %s, %dx%d pixels of %d channel%s", what,
            type == UNET_U8 ? "UNET_U8" : "UNET_F32", in->width, in->height, channels, channels == 1 ? "" : "s");
    return UNET_OK;
}

unet_status unet_session_run(
    unet_session *s, const unet_pixels *in, unet_pixels *mask, unet_pixels *probabilities, unet_error *err)
{
    static const un_dtype types[] = {[UNET_U8] = UN_DTYPE_U8, [UNET_U16] = UN_DTYPE_U16, [UNET_F32] = UN_DTYPE_F32};
    const un_config *c = un_pixels_config(inside(s));
    writer w = {.config = c, .channels = un_model_channels(&c->model)};
    unet_pixels from, m, p;
    un_strides strides;
    un_image image;
    unet_status st;

    un_error_clear(err);
    st = check_pixels(&from, in, "picture", err);
    if (!st && mask)
        st = check_result(
            &m, mask, in, UNET_U8, c->model.head == UN_CFG_HEAD_MULTILABEL ? c->model.classes : 1, "mask", err);
    if (!st && probabilities)
        st = check_result(&p, probabilities, in, UNET_F32, w.channels, "probabilities", err);
    if (st)
        return st;
    w.mask = mask ? &m : NULL;
    w.probabilities = probabilities ? &p : NULL;
    w.width = in->width;
    strides = (un_strides){from.row_bytes, from.pixel_bytes, from.bgr};
    image = (un_image){.type = types[in->type],
        .d = 1,
        .h = in->height,
        .w = in->width,
        .c = in->channels,
        .data = in->data,
        .spacing = {1, 1, 1}};
    return un_pixels_run(inside(s), &image, &strides, write_rows, &w, err);
}
