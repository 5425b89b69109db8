/* What the tests of sessions share: networks, pictures and volumes laid out in memory in several ways, and the
 * comparison with the way of files. */
#ifndef PIXEL_SESSIONS_H
#define PIXEL_SESSIONS_H

#include <stdlib.h>

#include "api/context.h"
#include "base/block.h"
#include "base/rng.h"
#include "counting.h"
#include "run/pixels.h"
#include "test.h"

static unet_error err;

static inline unet_context *context(int threads)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *c;

    o.threads = threads;
    o.allocator = &counting;
    CHECK_OK(unet_context_create(&c, &o, &err), &err);
    return c;
}

/* Settings: words with blanks between. Running values and shifts become something that shows. */
static inline unet_model *model(unet_context *c, const char *settings)
{
    unet_config *cfg;
    unet_model *m;
    char text[1024], *word, *rest = text;
    un_rng r;

    CHECK_OK(unet_config_create(&cfg, c, &err), &err);
    snprintf(text, sizeof text, "model.dims=2 model.depth=2 model.base_filters=4 model.norm=batch %s", settings);
    while ((word = strtok_r(rest, " ", &rest)))
        CHECK_OK(unet_config_set(cfg, word, &err), &err);
    CHECK_OK(unet_model_create(&m, c, cfg, &err), &err);
    unet_config_destroy(cfg);
    un_rng_init(&r, 11, UN_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < m->m->graph->n_params; i++)
        for (int64_t k = 0; k < m->m->graph->param[i].count && m->m->graph->param[i].role != UN_PARAM_WEIGHT; k++)
            m->m->weights[m->m->graph->param[i].offset + k] += (float)(0.3 * un_rng_uniform(&r));
    return m;
}

#define RGB "model.in_channels=3 model.classes=3 model.head=softmax data.colour=rgb "
#define CT  "model.dims=3 model.in_channels=1 model.classes=3 model.head=softmax data.colour=grey "

/* A picture of each type with the same values. */
static inline void fill(void *to, un_dtype type, size_t n)
{
    un_rng r;

    un_rng_init(&r, 5, UN_RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < n; i++) {
        const int v = (int)(256 * un_rng_uniform(&r));

        if (type == UN_DTYPE_U8)
            ((uint8_t *)to)[i] = (uint8_t)v;
        else if (type == UN_DTYPE_U16)
            ((uint16_t *)to)[i] = (uint16_t)(v * 200);
        else if (type == UN_DTYPE_I16)
            ((int16_t *)to)[i] = (int16_t)(v * 16 - 1024);
        else
            ((float *)to)[i] = (float)v / 7;
    }
}

/* ---- pixels in memory ---- */

/* odd 0: dense. 1: with gaps, from the last row of the last slice up, and a picture's channels reversed. */
typedef struct layout {
    un_dtype type;
    int d, h, w, c, odd;
} layout;

static inline size_t pixels_of(const layout *l)
{
    return (size_t)l->d * (size_t)l->h * (size_t)l->w;
}

static inline ptrdiff_t odd_pixel(const layout *l)
{
    return (ptrdiff_t)(un_dtype_size(l->type) * ((size_t)l->c + 1));
}

static inline ptrdiff_t odd_row(const layout *l)
{
    return l->w * odd_pixel(l) + 5;
}

static inline ptrdiff_t odd_slice(const layout *l)
{
    return l->h * odd_row(l) + 7;
}

static inline void *room_for(const layout *l)
{
    return calloc((size_t)l->d, (size_t)odd_slice(l));
}

static inline unet_pixels lay(const layout *l, void *room)
{
    static const unet_pixel_type types[] = {
        [UN_DTYPE_U8] = UNET_U8, [UN_DTYPE_U16] = UNET_U16, [UN_DTYPE_F32] = UNET_F32, [UN_DTYPE_I16] = UNET_I16};
    unet_pixels p = {
        .data = room, .type = types[l->type], .width = l->w, .height = l->h, .channels = l->c, .depth = l->d};

    if (l->odd) {
        p.data = (unsigned char *)room + (l->d - 1) * odd_slice(l) + (l->h - 1) * odd_row(l);
        p.pixel_bytes = odd_pixel(l);
        p.row_bytes = -odd_row(l);
        p.slice_bytes = -odd_slice(l);
    }
    return p;
}

/* Pixel i of the dense order. */
static inline unsigned char *pixel_at(const layout *l, const unet_pixels *p, size_t i)
{
    const ptrdiff_t x = (ptrdiff_t)(i % (size_t)l->w), y = (ptrdiff_t)(i / (size_t)l->w % (size_t)l->h),
                    z = (ptrdiff_t)(i / (size_t)l->w / (size_t)l->h);

    return (unsigned char *)p->data + (l->odd ? z * p->slice_bytes + y * p->row_bytes + x * p->pixel_bytes
                                              : (ptrdiff_t)(i * (size_t)l->c * un_dtype_size(l->type)));
}

/* Fills it. */
static inline unet_pixels place(const layout *l, void *room)
{
    const size_t each = un_dtype_size(l->type), c = (size_t)l->c;
    unsigned char *dense = malloc(pixels_of(l) * c * each), *from = dense;
    unet_pixels p = lay(l, room);

    p.bgr = l->odd && c == 3;
    fill(dense, l->type, pixels_of(l) * c);
    for (size_t i = 0; i < pixels_of(l); i++)
        for (size_t k = 0; k < c; k++, from += each)
            memcpy(pixel_at(l, &p, i) + each * (p.bgr ? c - 1 - k : k), from, each);
    free(dense);
    return p;
}

/* Dense results for a picture of this layout. */
static inline unet_pixels result_for(const layout *l, un_dtype type, int c, void *room)
{
    const layout r = {type, l->d, l->h, l->w, c, 0};

    return lay(&r, room);
}

static inline unet_session_options size(const layout *l)
{
    unet_session_options o = UNET_SESSION_OPTIONS_INIT;

    o.width = l->w;
    o.height = l->h;
    o.depth = l->d;
    return o;
}

/* ---- beside the way of files ---- */

/* Mask, classes and probabilities of a file of this content and spacing (0: it states none). */
static inline void by_file(const unet_model *m, const layout *l, const double spacing[3], un_segmentation *out)
{
    un_image im;
    un_preprocess *pre;
    un_predictor *p;
    un_predict_options po = un_predict_options_of(&m->m->config.predict);

    po.session = un_api_session_options(m->c);
    CHECK_OK(un_image_create(&im, NULL, l->type, l->d, l->h, l->w, l->c, &err), &err);
    fill(im.data, l->type, un_image_count(&im));
    im.has_spacing = spacing[0] > 0;
    if (im.has_spacing)
        memcpy(im.spacing, spacing, sizeof im.spacing);
    CHECK_OK(un_preprocess_create(&pre, NULL, &m->m->config, 0, &err), &err);
    CHECK_OK(un_predictor_create(&p, NULL, m->m, &po, &err), &err);
    CHECK_OK(un_segment(out, NULL, p, m->m, pre, &(un_raster){&im, 1, NULL},
                 &(un_wanted){.mask = 1, .classes = 1, .probabilities = un_test_tmp()}, &err),
        &err);
    un_predictor_destroy(p);
    un_preprocess_destroy(pre);
    un_image_free(&im);
}

static inline void check_results(
    const un_segmentation *want, const layout *lm, const unet_pixels *mask, const layout *lp, const unet_pixels *prob)
{
    const size_t k = (size_t)lp->c, labels = (size_t)lm->c;

    for (size_t i = 0; i < pixels_of(lm); i++) {
        const unsigned char *is = pixel_at(lm, mask, i);

        CHECK(!memcmp(pixel_at(lp, prob, i), (const float *)want->probabilities.data + i * k, k * sizeof(float)));
        for (size_t j = 0; j < labels; j++)
            CHECK_INT(is[j], labels > 1 ? ((uint8_t *)want->mask.data)[i * labels + j] : want->classes[i]);
    }
}

/* Results, allocations of runs and memory of a session at this spacing (0: not known). Results lie as the picture does.
 */
static inline void compare_at(const unet_model *m, const layout *l, const double spacing[3])
{
    const int k = un_model_channels(&m->m->config.model);
    const int labels = m->m->config.model.head == UN_CFG_HEAD_MULTILABEL ? k : 1;
    const layout lm = {UN_DTYPE_U8, l->d, l->h, l->w, labels, l->odd};
    const layout lp = {UN_DTYPE_F32, l->d, l->h, l->w, k, l->odd};
    void *room[3] = {room_for(l), room_for(&lm), room_for(&lp)};
    unet_pixels in = place(l, room[0]), mask = lay(&lm, room[1]), prob = lay(&lp, room[2]);
    unet_session_options o = size(l);
    unet_session *s;
    un_segmentation want;
    size_t bytes, used;

    memcpy(o.spacing, spacing, sizeof o.spacing);
    by_file(m, l, spacing, &want);
    CHECK_OK(unet_session_bytes(&bytes, m, &o, &err), &err);
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    for (int run = 0; run < 2; run++) {
        const long long before = allocations;

        memset(room[1], 77, (size_t)(l->d * odd_slice(&lm)));
        CHECK_OK(unet_session_run(s, &in, &mask, &prob, &err), &err);
        CHECK_INT(allocations, before);
        check_results(&want, &lm, &mask, &lp, &prob);
    }
    used = un_pixels_peak((un_pixel_session *)s);
    un_test_note("%d x %d x %d: %zu bytes stated, %zu used", l->d, l->h, l->w, bytes, used);
    CHECK(used <= bytes);
    CHECK(bytes - used < 3 * used / 100 + 200000);
    unet_session_destroy(s);
    un_segmentation_free(&want);
    for (int i = 0; i < 3; i++)
        free(room[i]);
}

static inline void compare(const unet_model *m, const layout *l)
{
    static const double unknown[3];

    compare_at(m, l, unknown);
}

#endif
