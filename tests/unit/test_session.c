/* Sessions on pixels: the results of the way through files, strides and types, memory given and counted, threads, float
 * mode, stack. */
#include <pthread.h>
#include <stdlib.h>

#include "api/context.h"
#include "base/block.h"
#include "base/cpu.h"
#include "base/file.h"
#include "base/float_mode.h"
#include "base/rng.h"
#include "counting.h"
#include "run/pixels.h"
#include "test.h"

static unet_error err;

static unet_context *context(int threads)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *c;

    o.threads = threads;
    o.allocator = &counting;
    CHECK_OK(unet_context_create(&c, &o, &err), &err);
    return c;
}

/* Settings: words with blanks between. Running values and shifts become something that shows. */
static unet_model *model(unet_context *c, const char *settings)
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

/* A picture of each type with the same values. */
static void fill(void *to, un_dtype type, size_t n)
{
    un_rng r;

    un_rng_init(&r, 5, UN_RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < n; i++) {
        const int v = (int)(256 * un_rng_uniform(&r));

        if (type == UN_DTYPE_U8)
            ((uint8_t *)to)[i] = (uint8_t)v;
        else if (type == UN_DTYPE_U16)
            ((uint16_t *)to)[i] = (uint16_t)(v * 200);
        else
            ((float *)to)[i] = (float)v / 7;
    }
}

/* The way of files: mask classes and probabilities of a picture. */
static void by_file(const unet_model *m, un_dtype type, int h, int w, int c, un_segmentation *out)
{
    un_image im;
    un_preprocess *pre;
    un_predictor *p;
    un_predict_options po = un_predict_options_of(&m->m->config.predict);

    po.session = un_api_session_options(m->c);
    CHECK_OK(un_image_create(&im, NULL, type, 1, h, w, c, &err), &err);
    fill(im.data, type, un_image_count(&im));
    CHECK_OK(un_preprocess_create(&pre, NULL, &m->m->config, 0, &err), &err);
    CHECK_OK(un_predictor_create(&p, NULL, m->m, &po, &err), &err);
    CHECK_OK(un_segment(out, NULL, p, m->m, pre, &(un_raster){&im, 1, NULL},
                 &(un_wanted){.mask = 1, .classes = 1, .probabilities = un_test_tmp()}, &err),
        &err);
    un_predictor_destroy(p);
    un_preprocess_destroy(pre);
    un_image_free(&im);
}

/* Where a picture of a type lies in memory: dense; or with gaps, reversed channels and from the last row up. */
typedef struct layout {
    un_dtype type;
    int h, w, c, odd;
} layout;

static unet_pixels place(const layout *l, void *room)
{
    static const unet_pixel_type types[] = {
        [UN_DTYPE_U8] = UNET_U8, [UN_DTYPE_U16] = UNET_U16, [UN_DTYPE_F32] = UNET_F32};
    const size_t each = un_dtype_size(l->type), pixel = each * (size_t)l->c;
    const ptrdiff_t step = (ptrdiff_t)(pixel + each), row = l->w * step + 5;
    unsigned char *to = room, *dense = malloc((size_t)l->h * (size_t)l->w * pixel), *from = dense;
    unet_pixels p = {room, types[l->type], l->w, l->h, l->c, 0, 0, 0};

    fill(dense, l->type, (size_t)l->h * (size_t)l->w * (size_t)l->c);
    if (!l->odd) {
        memcpy(room, dense, (size_t)l->h * (size_t)l->w * pixel);
    } else {
        p.data = to + (l->h - 1) * row;
        p.row_bytes = -row;
        p.pixel_bytes = step;
        p.bgr = l->c == 3;
        for (int y = 0; y < l->h; y++)
            for (int x = 0; x < l->w; x++)
                for (int k = 0; k < l->c; k++, from += each)
                    memcpy((unsigned char *)p.data - y * row + x * step + (ptrdiff_t)each * (p.bgr ? l->c - 1 - k : k),
                        from, each);
    }
    free(dense);
    return p;
}

static unet_session_options size(int w, int h)
{
    unet_session_options o = UNET_SESSION_OPTIONS_INIT;

    o.width = w;
    o.height = h;
    return o;
}

static void compare(const unet_model *m, const layout *l)
{
    const int k = un_model_channels(&m->m->config.model);
    const int labels = m->m->config.model.head == UN_CFG_HEAD_MULTILABEL ? k : 1;
    const unet_session_options o = size(l->w, l->h);
    unet_pixels in, mask, prob;
    unet_session *s;
    un_segmentation want;
    size_t bytes, used;
    void *room = malloc((size_t)l->h * (size_t)(l->w * (l->c + 1) * 4 + 5));

    in = place(l, room);
    mask = (unet_pixels){malloc((size_t)(l->h * l->w * labels)), UNET_U8, l->w, l->h, labels, 0, 0, 0};
    prob = (unet_pixels){malloc((size_t)(l->h * l->w * k) * 4), UNET_F32, l->w, l->h, k, 0, 0, 0};
    by_file(m, l->type, l->h, l->w, l->c, &want);
    CHECK_OK(unet_session_bytes(&bytes, m, &o, &err), &err);
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    for (int run = 0; run < 2; run++) {
        const long long before = allocations;

        memset(mask.data, 77, (size_t)(l->h * l->w * labels));
        CHECK_OK(unet_session_run(s, &in, &mask, &prob, &err), &err);
        CHECK_INT(allocations, before);
        CHECK(!memcmp(prob.data, want.probabilities.data, (size_t)(l->h * l->w * k) * 4));
        for (int i = 0; i < l->h * l->w * labels; i++)
            CHECK_INT(((uint8_t *)mask.data)[i], labels > 1 ? ((uint8_t *)want.mask.data)[i] : want.classes[i]);
    }
    used = un_pixels_peak((un_pixel_session *)s);
    un_test_note("%d x %d: %zu bytes stated, %zu used", l->w, l->h, bytes, used);
    CHECK(used <= bytes);
    CHECK(bytes - used < 3 * used / 100 + 200000);
    unet_session_destroy(s);
    un_segmentation_free(&want);
    free(mask.data);
    free(prob.data);
    free(room);
}

TEST(equals_the_way_of_files)
{
    static const char *const settings[] = {RGB "data.normalise=percentile", RGB "data.normalise=zscore",
        RGB "data.normalise=minmax data.scale=0.6", RGB "data.normalise=percentile data.scale=1.7 model.norm=instance",
        "model.in_channels=1 model.classes=2 model.head=sigmoid data.colour=grey data.normalise=percentile",
        "model.in_channels=2 model.classes=3 model.head=multilabel data.colour=all data.channels=[2,0] "
        "data.normalise=window data.window_centre=100 data.window_width=300",
        RGB "data.normalise=zscore predict.mode=blend train.patch=[1,32,32]"};
    static const un_dtype types[] = {UN_DTYPE_U8, UN_DTYPE_U16, UN_DTYPE_F32};
    unet_context *c = context(1);

    for (int i = 0; i < (int)(sizeof settings / sizeof *settings); i++) {
        unet_model *m = model(c, settings[i]);

        compare(m, &(layout){types[i % 3], 45, 70, 3, 0});
        compare(m, &(layout){types[(i + 1) % 3], 33, 16, 3, 1});
        unet_model_destroy(m);
    }
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

/* The probabilities that a model of these settings gives a fixed picture. The running variances are raised. */
static void segment(const char *settings, float raise, float out[32 * 32 * 3])
{
    unet_context *c = context(1);
    unet_model *m = model(c, settings);
    const un_graph *g = m->m->graph;
    const unet_session_options o = size(32, 32);
    const layout l = {UN_DTYPE_U8, 32, 32, 3, 0};
    unsigned char pixels[32 * 32 * 3];
    unet_pixels in = place(&l, pixels), prob = {out, UNET_F32, 32, 32, 3, 0, 0, 0};
    unet_session *s;

    for (int i = 0; i < g->n_params; i++)
        for (int64_t k = 0; g->param[i].role == UN_PARAM_RUNNING_VAR && k < g->param[i].count; k++)
            m->m->weights[g->param[i].offset + k] += raise;
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    CHECK_OK(unet_session_run(s, &in, NULL, &prob, &err), &err);
    unet_session_destroy(s);
    unet_model_destroy(m);
    unet_context_destroy(c);
}

static double furthest(const float *a, const float *b)
{
    double most = 0;

    for (int i = 0; i < 32 * 32 * 3; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* The word goes before the key of the model. */
TEST(precision_of_a_session)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile predict.precision=bf16");
    const int able = un_cpu_has_bf16(un_test_level());
    unet_session_options o = size(24, 24);
    size_t bytes;

    CHECK_STATUS(unet_session_bytes(&bytes, m, &o, &err), able ? UNET_OK : UNET_E_CONFIG);
    CHECK(able || !strcmp(err.where, "predict.precision"));
    o.precision = "float32";
    CHECK_OK(unet_session_bytes(&bytes, m, &o, &err), &err);
    unet_model_destroy(m);
    m = model(c, RGB "data.normalise=percentile");
    o.precision = "bf16";
    CHECK_STATUS(unet_session_bytes(&bytes, m, &o, &err), able ? UNET_OK : UNET_E_CONFIG);
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

/* Norms and activations that become part of the convolution before them keep what they are told: what is added to the
 * variance may as well be variance, and a slope of 1 is no activation. */
TEST(settings_of_folded_norms)
{
    static float a[32 * 32 * 3], b[32 * 32 * 3];
#define SAME RGB "data.normalise=percentile "

    segment(SAME "model.norm_eps=0.5", 0, a);
    segment(SAME "model.norm_eps=0.25", 0.25f, b);
    CHECK(furthest(a, b) < 1e-5);
    segment(SAME "model.norm_eps=0.25", 0, b);
    CHECK(furthest(a, b) > 1e-3);
    segment(SAME "model.activation=leaky_relu model.activation_slope=1", 0, a);
    segment(SAME "model.activation=none", 0, b);
    CHECK(furthest(a, b) < 1e-5);
    segment(SAME "model.activation=leaky_relu model.activation_slope=0.5", 0, b);
    CHECK(furthest(a, b) > 1e-3);
#undef SAME
}

TEST(sizes_from_one_pixel_up)
{
    static const int sizes[][2] = {{1, 1}, {1, 9}, {2, 1}, {5, 7}, {17, 3}, {64, 64}, {100, 1}};
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile");

    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++)
        compare(m, &(layout){UN_DTYPE_U8, sizes[i][0], sizes[i][1], 3, i & 1});
    unet_model_destroy(m);
    unet_context_destroy(c);
}

TEST(memory_of_the_caller)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile");
    unet_session_options o = size(40, 30);
    const layout l = {UN_DTYPE_U8, 30, 40, 3, 0};
    unsigned char mask[2][30 * 40], pixels[30 * 40 * 3], *block;
    unet_pixels in = place(&l, pixels), out = {mask[0], UNET_U8, 40, 30, 1, 0, 0, 0};
    long long before;
    unet_session *s;
    size_t bytes;

    CHECK_OK(unet_session_bytes(&bytes, m, &o, &err), &err);
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    CHECK_OK(unet_session_run(s, &in, &out, NULL, &err), &err);
    unet_session_destroy(s);
    block = malloc(bytes + 200);
    out.data = mask[1];
    for (int shift = 0; shift < 100; shift += 33) { /* whatever the alignment is; nothing is written beside */
        memset(block, 0xab, bytes + 200);
        o.memory = block + shift;
        o.memory_bytes = bytes;
        before = live;
        CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
        CHECK_INT(live, before);
        CHECK_OK(unet_session_run(s, &in, &out, NULL, &err), &err);
        CHECK(!memcmp(mask[0], mask[1], sizeof mask[0]));
        unet_session_destroy(s);
        for (size_t i = 0; i < bytes + 200; i++)
            CHECK((i >= (size_t)shift && i < (size_t)shift + bytes) || block[i] == 0xab);
    }
    o.memory_bytes = bytes - 1;
    CHECK_STATUS(unet_session_create(&s, m, &o, &err), UNET_E_LIMIT);
    CHECK(strstr(err.message, "needs"));
    free(block);
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

enum { THREADS = 4, ROUNDS = 5 };

typedef struct rider {
    const unet_model *m;
    const unet_pixels *in;
    unet_pixels out;
    int threads;
    unet_status st;
    unet_error err;
} rider;

static void *ride(void *v)
{
    rider *r = v;
    unet_session_options o = size(r->in->width, r->in->height);
    unet_session *s;

    o.threads = r->threads;
    r->st = unet_session_create(&s, r->m, &o, &r->err);
    for (int i = 0; i < ROUNDS && !r->st; i++)
        r->st = unet_session_run(s, r->in, &r->out, NULL, &r->err);
    if (!r->st)
        unet_session_destroy(s);
    return NULL;
}

TEST(one_model_in_many_threads)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile");
    const layout l = {UN_DTYPE_U8, 37, 41, 3, 0};
    static unsigned char mask[THREADS][37 * 41];
    unsigned char pixels[37 * 41 * 3];
    unet_pixels in = place(&l, pixels);
    rider r[THREADS];
    pthread_t id[THREADS];

    for (int i = 0; i < THREADS; i++) {
        r[i] = (rider){.m = m, .in = &in, .out = {mask[i], UNET_U8, 41, 37, 1, 0, 0, 0}, .threads = 1 + i % 2};
        CHECK_INT(pthread_create(&id[i], NULL, ride, &r[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(id[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        CHECK_OK(r[i].st, &r[i].err);
        CHECK(!memcmp(mask[i], mask[0], sizeof mask[0]));
    }
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

/* The second session of a size takes no packed weights, one of another size does; a model that is let go of stays with
 * its sessions, and weights in a file are packed as those in memory are. */
TEST(weights_are_packed_once)
{
    enum { SIDE = 48 };
    char path[400];
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile model.base_filters=16"), *loaded;
    const layout l = {UN_DTYPE_U8, SIDE, SIDE, 3, 0};
    unsigned char mask[3][SIDE * SIDE], pixels[SIDE * SIDE * 3];
    unet_pixels in = place(&l, pixels), out = {mask[0], UNET_U8, SIDE, SIDE, 1, 0, 0, 0};
    unet_session_options o = size(SIDE, SIDE);
    unet_session *s[3];
    void *room[3];
    long long at[3];
    size_t bytes;
    un_cpu_level level;

    snprintf(path, sizeof path, "%s/packed.safetensors", un_test_tmp());
    CHECK_OK(un_model_save(m->m, path, &err), &err);
    CHECK_OK(unet_model_load(&loaded, c, path, &err), &err);
    CHECK(loaded->m->map.data != NULL);
    CHECK_OK(unet_session_bytes(&bytes, m, &o, &err), &err);
    o.memory_bytes = bytes;
    for (int i = 0; i < 3; i++) {
        o.memory = room[i] = malloc(bytes);
        at[i] = live;
        CHECK_OK(unet_session_create(&s[i], i < 2 ? m : loaded, &o, &err), &err);
        at[i] = live - at[i];
    }
    CHECK_OK(un_cpu_choose(&level, NULL, &err), &err);
    CHECK((at[0] > 0) == (level != UN_CPU_REF)); /* portable kernels pack nothing */
    CHECK_INT(at[1], 0);
    CHECK_INT(at[2], at[0]);
    unet_model_destroy(m);
    unet_model_destroy(loaded);
    for (int i = 0; i < 3; i++) {
        out.data = mask[i];
        CHECK_OK(unet_session_run(s[i], &in, &out, NULL, &err), &err);
        CHECK(!memcmp(mask[i], mask[0], sizeof mask[0]));
    }
    for (int i = 0; i < 3; i++) {
        unet_session_destroy(s[i]);
        free(room[i]);
    }
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

/* A run needs 64 KiB of stack at most; loading the model and making the session no more than 256 KiB. */
typedef struct bounded {
    unet_context *c;
    const void *file;
    size_t bytes;
    unet_session *s;
    unet_model *m;
    unet_session_options o;
    const unet_pixels *in;
    unet_pixels *out;
    unet_status st;
} bounded;

static void *load_bounded(void *v)
{
    bounded *b = v;

    b->st = unet_model_load_memory(&b->m, b->c, b->file, b->bytes, "memory", NULL);
    return NULL;
}

static void *create_bounded(void *v)
{
    bounded *b = v;

    b->st = unet_session_create(&b->s, b->m, &b->o, NULL);
    return NULL;
}

static void *run_bounded(void *v)
{
    bounded *b = v;

    b->st = unet_session_run(b->s, b->in, b->out, NULL, NULL);
    return NULL;
}

enum { STACK_FACTOR = UN_TEST_SANITIZED ? 8 : 1 }; /* instrumented frames are larger */

static void in_stack(void *(*f)(void *), bounded *b, size_t bytes)
{
    pthread_attr_t a;
    pthread_t id;

    CHECK_INT(pthread_attr_init(&a), 0);
    CHECK_INT(pthread_attr_setstacksize(&a, bytes * STACK_FACTOR), 0);
    CHECK_INT(pthread_create(&id, &a, f, b), 0);
    pthread_join(id, NULL);
    pthread_attr_destroy(&a);
    CHECK_INT(b->st, 0);
}

TEST(bounded_stack)
{
    unet_context *c = context(1);
    unet_model *m = model(c, "model.in_channels=3 model.classes=3 model.head=softmax data.colour=rgb model.depth=4 "
                             "model.base_filters=32 data.normalise=percentile data.scale=0.7");
    const layout l = {UN_DTYPE_U8, 64, 64, 3, 0};
    static unsigned char mask[64 * 64], pixels[64 * 64 * 3];
    unet_pixels in = place(&l, pixels), out = {mask, UNET_U8, 64, 64, 1, 0, 0, 0};
    bounded b = {.c = c, .o = size(64, 64), .in = &in, .out = &out};
    unsigned char *file;
    char path[600];

    snprintf(path, sizeof path, "%s/bounded.safetensors", un_test_tmp());
    CHECK_OK(un_model_make_pairs(m->m, &err), &err);
    CHECK_OK(un_model_save(m->m, path, &err), &err);
    CHECK_OK(un_file_read(&file, &b.bytes, NULL, path, 1 << 28, &err), &err);
    unet_model_destroy(m);
    b.file = file;
    in_stack(load_bounded, &b, 256 << 10);
    in_stack(create_bounded, &b, 256 << 10);
    in_stack(run_bounded, &b, 64 << 10);
    unet_session_destroy(b.s);
    unet_model_destroy(b.m);
    unet_context_destroy(c);
    un_free(file);
}

/* The result in the mode of the library, whatever the caller's; the caller's is back afterwards. */
TEST(float_mode_is_restored)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile");
    unet_session_options o = size(24, 24);
    const layout l = {UN_DTYPE_U8, 24, 24, 3, 0};
    static float prob[2][24 * 24 * 3];
    unsigned char pixels[24 * 24 * 3];
    unet_pixels in = place(&l, pixels), out = {prob[0], UNET_F32, 24, 24, 3, 0, 0, 0};
    const un_float_mode usual = un_float_mode_get();
    un_float_mode odd = usual, after;
    unet_session *s;

#if defined(__x86_64__)
    odd = usual | 0x2000; /* round down */
#elif defined(__aarch64__)
    odd = usual | 0x800000;
#endif
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    CHECK_OK(unet_session_run(s, &in, NULL, &out, &err), &err);
    CHECK(un_float_mode_get() == usual);
    out.data = prob[1];
    un_float_mode_set(odd);
    CHECK_INT(unet_session_run(s, &in, NULL, &out, NULL), 0);
    after = un_float_mode_get();
    un_float_mode_set(usual);
    CHECK(after == odd);
    CHECK(!memcmp(prob[0], prob[1], sizeof prob[0]));
    unet_session_destroy(s);
    unet_model_destroy(m);
    unet_context_destroy(c);
}

TEST(denormals_are_flushed_inside)
{
#if defined(__x86_64__) || defined(__aarch64__)
    volatile float tiny = 1e-38f, half = 0.5f, result;
    const un_float_mode before = un_float_mode_enter();

    result = tiny * half;
    un_float_mode_set(before);
    CHECK(result == 0);
    result = tiny * half;
    CHECK(result > 0);
#else
    un_test_skip("this processor's float mode is not known");
#endif
}

/* The largest distance of a probability from a third, where the first convolution gives numbers of the order of `small`
 * and the second takes them back to that of 1. */
static double from_a_third(float small)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile model.norm=none");
    const unet_session_options o = size(16, 16);
    const layout l = {UN_DTYPE_U8, 16, 16, 3, 0};
    static float prob[16 * 16 * 3];
    unsigned char pixels[16 * 16 * 3];
    unet_pixels in = place(&l, pixels), out = {prob, UNET_F32, 16, 16, 3, 0, 0, 0};
    unet_session *s;
    double most = 0;

    for (int i = 0; i < m->m->graph->n_params; i++) {
        const un_param *p = &m->m->graph->param[i];
        const float factor = p->role != UN_PARAM_WEIGHT              ? 0
                             : !strcmp(p->name, "enc0.conv0.weight") ? small
                             : !strcmp(p->name, "enc0.conv1.weight") ? 1 / small
                                                                     : 1;

        for (int64_t k = 0; k < p->count; k++)
            m->m->weights[p->offset + k] *= factor;
    }
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    CHECK_OK(unet_session_run(s, &in, NULL, &out, &err), &err);
    for (int i = 0; i < 16 * 16 * 3; i++)
        most = fmax(most, fabs((double)prob[i] - 1.0 / 3));
    unet_session_destroy(s);
    unet_model_destroy(m);
    unet_context_destroy(c);
    return most;
}

TEST(denormals_are_flushed_in_a_run)
{
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK(from_a_third(1e-30f) > 1e-3);
    CHECK(from_a_third(1e-38f) < 1e-7);
#else
    un_test_skip("this processor's float mode is not known");
#endif
}

/* From the context to the mask, out of a model in memory. */
static unet_status whole_way(const void *data, size_t bytes, const unet_pixels *in, unet_pixels *out)
{
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
    unet_session_options o = size(in->width, in->height);
    unet_context *c = NULL;
    unet_model *m = NULL;
    unet_session *s = NULL;
    unet_status st;

    co.threads = 2;
    co.allocator = &counting;
    o.threads = 2;
    st = unet_context_create(&c, &co, &err);
    if (!st)
        st = unet_model_load_memory(&m, c, data, bytes, "memory", &err);
    if (!st)
        st = unet_session_create(&s, m, &o, &err);
    if (!st)
        st = unet_session_run(s, in, out, NULL, &err);
    unet_session_destroy(s);
    unet_model_destroy(m);
    unet_context_destroy(c);
    return st;
}

TEST(each_allocation_may_fail)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile data.scale=0.8");
    const layout l = {UN_DTYPE_U8, 21, 18, 3, 0};
    unsigned char pixels[21 * 18 * 3], mask[21 * 18], *data;
    unet_pixels in = place(&l, pixels), out = {mask, UNET_U8, 18, 21, 1, 0, 0, 0};
    char path[600];
    size_t bytes;
    int n = 1;
    unet_status st;

    snprintf(path, sizeof path, "%s/m.safetensors", un_test_tmp());
    CHECK_OK(un_model_make_pairs(m->m, &err), &err);
    CHECK_OK(un_model_save(m->m, path, &err), &err);
    CHECK_OK(un_file_read(&data, &bytes, NULL, path, 1 << 24, &err), &err);
    unet_model_destroy(m);
    unet_context_destroy(c);
    for (;; n++) {
        fail_at = allocations + n;
        st = whole_way(data, bytes, &in, &out);
        fail_at = 0;
        CHECK_INT(live, 0);
        if (!st)
            break;
        if (st != UNET_E_NOMEM || !err.message[0])
            un_test_fail(__FILE__, __LINE__, "allocation %d: %s: %s", n, unet_status_name(st), err.message);
    }
    un_test_note("%d allocations", n - 1);
    CHECK(n > 50);
    un_free(data);
}

TEST(wrong_use_is_refused)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile");
    unet_session_options o = size(0, 5);
    unsigned char data[24 * 24 * 3] = {0};
    unet_pixels in = {data, UNET_U8, 24, 24, 3, 0, 0, 0}, out = {data, UNET_U8, 24, 24, 1, 0, 0, 0};
    unet_session *s;
    size_t bytes;

    CHECK_STATUS(unet_session_bytes(&bytes, m, NULL, &err), UNET_E_ARG);
    CHECK_STATUS(unet_session_create(&s, m, &o, &err), UNET_E_ARG);
    o = size(24, 24);
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    o.precision = "half";
    CHECK_STATUS(unet_session_bytes(&bytes, m, &o, &err), UNET_E_ARG);
    CHECK(strstr(err.message, "'half'"));
    in.width = 23;
    CHECK_STATUS(unet_session_run(s, &in, NULL, NULL, &err), UNET_E_ARG);
    CHECK(strstr(err.message, "24x24"));
    in.width = 24;
    in.channels = 2;
    CHECK_STATUS(unet_session_run(s, &in, NULL, NULL, &err), UNET_E_DATA);
    in.bgr = 1;
    CHECK_STATUS(unet_session_run(s, &in, NULL, NULL, &err), UNET_E_ARG);
    in.bgr = 0;
    in.channels = 3;
    in.row_bytes = 20;
    CHECK_STATUS(unet_session_run(s, &in, NULL, NULL, &err), UNET_E_ARG);
    in.row_bytes = 0;
    out.channels = 3;
    CHECK_STATUS(unet_session_run(s, &in, &out, NULL, &err), UNET_E_ARG);
    out.channels = 1;
    CHECK_STATUS(unet_session_run(s, &in, NULL, &out, &err), UNET_E_ARG);
    in.data = NULL;
    CHECK_STATUS(unet_session_run(s, &in, NULL, NULL, &err), UNET_E_ARG);
    unet_session_destroy(s);
    unet_session_destroy(NULL);
    unet_model_destroy(m);
    m = model(c, "model.dims=3 model.in_channels=1 model.classes=2 model.head=sigmoid");
    CHECK_STATUS(unet_session_create(&s, m, &o, &err), UNET_E_UNSUPPORTED);
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

TEST(block_gives_room_back)
{
    static _Alignas(64) unsigned char room[8192];
    un_mem *m = un_mem_on_block(room + 1, sizeof room - 1);
    void *a = un_alloc(m, 1000), *b = un_alloc(m, 2000), *c = un_alloc(m, 100), *d;

    CHECK(a && b && c);
    CHECK(!un_alloc(m, 8000) && !un_alloc(m, SIZE_MAX - 300));
    un_free(b); /* under c: its room comes back with c's */
    d = un_alloc(m, 3000);
    un_free(d);
    un_free(c);
    d = un_alloc(m, 5000);
    CHECK(d);
    un_free(d);
    un_free(a);
    CHECK_INT(un_mem_live(m), 0);
    CHECK(un_block_peak(m) <=
          un_block_least() + un_block_room(1000) + un_block_room(2000) + un_block_room(100) + un_block_room(3000));
    CHECK(!un_mem_on_block(room, 100));
}
