/* Public sessions: pixels of pictures and volumes in, masks and probabilities out. */
#include <string.h>

#include "api/context.h"
#include "base/float_mode.h"
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
    if (o.depth < 0)
        return un_fail(err, UNET_E_ARG, "a session of depth %d: it is at least 1, or 0 for pictures", o.depth);
    *out = (un_pixel_options){.threads = o.threads,
        .level = m->c->level,
        .exact = m->c->options.exact,
        .size = {UN_MAX(o.depth, 1), o.height, o.width},
        .spacing = {o.spacing[0], o.spacing[1], o.spacing[2]},
        .precision = o.precision,
        .memory = o.memory,
        .memory_bytes = o.memory_bytes};
    return UNET_OK;
}

unet_status unet_session_bytes(size_t *bytes, const unet_model *m, const unet_session_options *options, unet_error *err)
{
    const un_float_mode before = un_float_mode_enter();
    un_pixel_options o;
    unet_status st;

    *bytes = 0;
    un_error_clear(err);
    st = read_options(&o, m, options, err);
    if (!st)
        st = un_pixels_bytes(bytes, m->c->mem, m->m, &o, err);
    un_float_mode_set(before);
    return st;
}

unet_status unet_session_create(
    unet_session **out, const unet_model *m, const unet_session_options *options, unet_error *err)
{
    const un_float_mode before = un_float_mode_enter();
    un_pixel_options o;
    un_pixel_session *s = NULL;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    st = read_options(&o, m, options, err);
    if (!st)
        st = un_pixels_create(&s, m->c->mem, m->m, &o, err);
    *out = (unet_session *)s;
    un_float_mode_set(before);
    return st;
}

void unet_session_destroy(unet_session *s)
{
    un_pixels_destroy(inside(s));
}

/* ---- a run ---- */

static const size_t type_bytes[] = {[UNET_U8] = 1, [UNET_U16] = 2, [UNET_F32] = 4, [UNET_I16] = 2};

/* n things along an axis, each of *extent bytes and *step bytes from the one before; a step of 0 becomes *next, where
 * they follow each other. Afterwards *extent and *next are those of the axis as a whole. 0: they would overlap, or
 * their bytes cannot be counted. */
static int lay_out(ptrdiff_t *step, size_t *extent, size_t *next, int n)
{
    const size_t given = *step < 0 ? 0 - (size_t)*step : (size_t)*step, apart = given ? given : *next;
    size_t span, all;

    if (apart < *extent || !un_size_mul(apart, (size_t)n, &all) || all > PTRDIFF_MAX ||
        !un_size_add(all - apart, *extent, &span))
        return 0;
    *step = given ? *step : (ptrdiff_t)apart;
    *extent = span;
    *next = all;
    return 1;
}

/* *to: the same with depth and strides filled in. what: for messages. */
static unet_status check_pixels(unet_pixels *to, const unet_pixels *from, const char *what, unet_error *err)
{
    size_t extent, next;

    *to = *from;
    to->depth = from->depth ? from->depth : 1;
    if (!from->data || from->width < 1 || from->height < 1 || to->depth < 1 || from->channels < 1)
        return un_fail(err, UNET_E_ARG, "%s: no data, or %dx%dx%d pixels (d, h, w) of %d channels", what, to->depth,
            from->height, from->width, from->channels);
    if ((unsigned)from->type >= UN_COUNT(type_bytes))
        return un_fail(
            err, UNET_E_ARG, "%s: the type of the pixels is none of UNET_U8, UNET_U16, UNET_I16, UNET_F32", what);
    extent = next = (size_t)from->channels * type_bytes[from->type];
    if (from->pixel_bytes < 0 || !lay_out(&to->pixel_bytes, &extent, &next, from->width) ||
        !lay_out(&to->row_bytes, &extent, &next, from->height) || !lay_out(&to->slice_bytes, &extent, &next, to->depth))
        return un_fail(err, UNET_E_ARG,
            "%s: pixels %td, rows %td and slices %td bytes apart would overlap, or reach too far", what,
            to->pixel_bytes, to->row_bytes, to->slice_bytes);
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

static unsigned char *row_of(const unet_pixels *p, int z, int y)
{
    return (unsigned char *)p->data + z * p->slice_bytes + y * p->row_bytes;
}

enum { PIECE = 256 }; /* classes that are on the stack at a time */

static void write_mask(const writer *w, int z, int y, const float *p)
{
    unsigned char *to = row_of(w->mask, z, y);
    const int labels = w->mask->channels;
    int32_t class[PIECE];

    for (int x = 0; x < w->width; x++, to += w->mask->pixel_bytes, p += w->channels) {
        const int k = x % PIECE;

        if (!k)
            un_classes_of(w->config, p, UN_MIN(w->width - x, PIECE), class);
        if (w->config->model.head != UN_CFG_HEAD_MULTILABEL)
            *to = (unsigned char)class[k];
        else
            for (int i = 0; i < labels; i++)
                to[i] = class[k] >> i & 1 ? 255 : 0;
    }
}

static void write_probabilities(const writer *w, int z, int y, const float *p)
{
    unsigned char *to = row_of(w->probabilities, z, y);

    for (int x = 0; x < w->width; x++, to += w->probabilities->pixel_bytes, p += w->channels)
        memcpy(to, p, (size_t)w->channels * sizeof *p);
}

static unet_status write_rows(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err)
{
    const writer *w = ctx;

    (void)err;
    for (int z = z0; z < z1; z++)
        for (int y = y0; y < y1; y++, p += (int64_t)w->width * w->channels) {
            if (w->mask)
                write_mask(w, z, y, p);
            if (w->probabilities)
                write_probabilities(w, z, y, p);
        }
    return UNET_OK;
}

static unet_status check_result(unet_pixels *to, const unet_pixels *r, const unet_pixels *in, unet_pixel_type type,
    int channels, const char *what, unet_error *err)
{
    unet_status st = check_pixels(to, r, what, err);

    if (st)
        return st;
    if (r->type != type || r->width != in->width || r->height != in->height || to->depth != in->depth ||
        r->channels != channels || r->bgr)
        return un_fail(err, UNET_E_ARG, "%s: must be %s, %dx%dx%d pixels (d, h, w) of %d channel%s", what,
            type == UNET_U8 ? "UNET_U8" : "UNET_F32", in->depth, in->height, in->width, channels,
            channels == 1 ? "" : "s");
    return UNET_OK;
}

unet_status unet_session_run(
    unet_session *s, const unet_pixels *in, unet_pixels *mask, unet_pixels *probabilities, unet_error *err)
{
    static const un_dtype types[] = {
        [UNET_U8] = UN_DTYPE_U8, [UNET_U16] = UN_DTYPE_U16, [UNET_F32] = UN_DTYPE_F32, [UNET_I16] = UN_DTYPE_I16};
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
            &m, mask, &from, UNET_U8, c->model.head == UN_CFG_HEAD_MULTILABEL ? c->model.classes : 1, "mask", err);
    if (!st && probabilities)
        st = check_result(&p, probabilities, &from, UNET_F32, w.channels, "probabilities", err);
    if (st)
        return st;
    w.mask = mask ? &m : NULL;
    w.probabilities = probabilities ? &p : NULL;
    w.width = in->width;
    strides = (un_strides){from.slice_bytes, from.row_bytes, from.pixel_bytes, from.bgr};
    image = (un_image){.type = types[in->type],
        .d = from.depth,
        .h = in->height,
        .w = in->width,
        .c = in->channels,
        .data = in->data,
        .spacing = {1, 1, 1}};
    return un_pixels_run(inside(s), &image, &strides, write_rows, &w, err);
}
