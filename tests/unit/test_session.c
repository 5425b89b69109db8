/* Sessions on pixels: the results of the way through files, strides and types, memory given and counted, threads, float
 * mode, stack. */
#include <limits.h>
#include <pthread.h>

#include "base/file.h"
#include "base/float_mode.h"
#include "pixel_sessions.h"

TEST(equals_the_way_of_files)
{
    static const char *const settings[] = {RGB "data.normalise=percentile", RGB "data.normalise=zscore",
        RGB "data.normalise=minmax data.scale=0.6", RGB "data.normalise=percentile data.scale=1.7 model.norm=instance",
        "model.in_channels=1 model.classes=2 model.head=sigmoid data.colour=grey data.normalise=percentile",
        "model.in_channels=2 model.classes=3 model.head=multilabel data.colour=all data.channels=[2,0] "
        "data.normalise=window data.window_centre=100 data.window_width=300",
        RGB "data.normalise=zscore predict.mode=blend train.patch=[1,32,32]"};
    static const un_dtype types[] = {UN_DTYPE_U8, UN_DTYPE_I16, UN_DTYPE_U16, UN_DTYPE_F32};
    unet_context *c = context(1);

    for (int i = 0; i < (int)(sizeof settings / sizeof *settings); i++) {
        unet_model *m = model(c, settings[i]);

        compare(m, &(layout){types[i % 4], 1, 45, 70, 3, 0});
        compare(m, &(layout){types[(i + 1) % 4], 1, 33, 16, 3, 1});
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
    const layout l = {UN_DTYPE_U8, 1, 32, 32, 3, 0};
    const unet_session_options o = size(&l);
    unsigned char pixels[32 * 32 * 3];
    unet_pixels in = place(&l, pixels), prob = result_for(&l, UN_DTYPE_F32, 3, out);
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
    unet_session_options o = size(&(layout){.d = 1, .h = 24, .w = 24});
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
        compare(m, &(layout){UN_DTYPE_U8, 1, sizes[i][0], sizes[i][1], 3, i & 1});
    unet_model_destroy(m);
    unet_context_destroy(c);
}

#define SPACED CT "data.normalise=percentile data.spacing=[2,1,1.5] "

/* What promises are kept for: a picture; a volume; one that is resampled. */
static const struct {
    const char *settings;
    layout l;
    double spacing[3];
} sorts[] = {
    {RGB "data.normalise=percentile", {UN_DTYPE_U8, 1, 30, 40, 3, 0}, {0}},
    {CT "data.normalise=percentile", {UN_DTYPE_U8, 9, 14, 23, 1, 0}, {0}},
    {SPACED, {UN_DTYPE_U8, 7, 15, 20, 1, 0}, {3, 1, 1.25}},
};
enum { SORTS = sizeof sorts / sizeof *sorts, MOST_PIXELS = 9 * 14 * 23 };

static unet_session_options options_for(int sort)
{
    unet_session_options o = size(&sorts[sort].l);

    memcpy(o.spacing, sorts[sort].spacing, sizeof o.spacing);
    return o;
}

static void use_given_memory(int sort)
{
    unet_context *c = context(1);
    unet_model *m = model(c, sorts[sort].settings);
    const layout *l = &sorts[sort].l;
    unet_session_options o = options_for(sort);
    unsigned char mask[2][MOST_PIXELS] = {{0}}, pixels[MOST_PIXELS * 3], *block;
    unet_pixels in = place(l, pixels), out = result_for(l, UN_DTYPE_U8, 1, mask[0]);
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

TEST(memory_of_the_caller)
{
    for (int i = 0; i < SORTS; i++)
        use_given_memory(i);
}

enum { THREADS = 4, ROUNDS = 5 };

typedef struct rider {
    const unet_model *m;
    const unet_pixels *in;
    unet_pixels out;
    unet_session_options o;
    unet_status st;
    unet_error err;
} rider;

static void *ride(void *v)
{
    rider *r = v;
    unet_session *s;

    r->st = unet_session_create(&s, r->m, &r->o, &r->err);
    for (int i = 0; i < ROUNDS && !r->st; i++)
        r->st = unet_session_run(s, r->in, &r->out, NULL, &r->err);
    if (!r->st)
        unet_session_destroy(s);
    return NULL;
}

static void share_model(int sort)
{
    unet_context *c = context(1);
    unet_model *m = model(c, sorts[sort].settings);
    const layout *l = &sorts[sort].l;
    static unsigned char mask[THREADS][MOST_PIXELS];
    unsigned char pixels[MOST_PIXELS * 3];
    unet_pixels in = place(l, pixels);
    rider r[THREADS];
    pthread_t id[THREADS];

    for (int i = 0; i < THREADS; i++) {
        r[i] = (rider){.m = m, .in = &in, .out = result_for(l, UN_DTYPE_U8, 1, mask[i]), .o = options_for(sort)};
        r[i].o.threads = 1 + i % 2;
        CHECK_INT(pthread_create(&id[i], NULL, ride, &r[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(id[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        CHECK_OK(r[i].st, &r[i].err);
        CHECK(!memcmp(mask[i], mask[0], pixels_of(l)));
    }
    unet_model_destroy(m);
    unet_context_destroy(c);
    CHECK_INT(live, 0);
}

TEST(one_model_in_many_threads)
{
    for (int i = 0; i < SORTS; i++)
        share_model(i);
}

/* The second session of a size takes no packed weights, one of another size does; a model that is let go of stays with
 * its sessions, and weights in a file are packed as those in memory are. */
TEST(weights_are_packed_once)
{
    enum { SIDE = 48 };
    char path[400];
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile model.base_filters=16"), *loaded;
    const layout l = {UN_DTYPE_U8, 1, SIDE, SIDE, 3, 0};
    unsigned char mask[3][SIDE * SIDE], pixels[SIDE * SIDE * 3];
    unet_pixels in = place(&l, pixels), out = result_for(&l, UN_DTYPE_U8, 1, mask[0]);
    unet_session_options o = size(&l);
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

/* In the least stack of the system, where that is larger (128 KiB on 64-bit ARM). */
static void in_stack(void *(*f)(void *), bounded *b, size_t bytes)
{
    const size_t wanted = bytes * STACK_FACTOR, least = (size_t)PTHREAD_STACK_MIN;
    pthread_attr_t a;
    pthread_t id;

    CHECK_INT(pthread_attr_init(&a), 0);
    CHECK_INT(pthread_attr_setstacksize(&a, wanted > least ? wanted : least), 0);
    CHECK_INT(pthread_create(&id, &a, f, b), 0);
    pthread_join(id, NULL);
    pthread_attr_destroy(&a);
    CHECK_INT(b->st, 0);
}

static void check_stack(const char *settings, const layout *l, const double spacing[3])
{
    unet_context *c = context(1);
    unet_model *m = model(c, settings);
    void *mask = malloc(pixels_of(l)), *pixels = room_for(l);
    unet_pixels in = place(l, pixels), out = result_for(l, UN_DTYPE_U8, 1, mask);
    bounded b = {.c = c, .o = size(l), .in = &in, .out = &out};
    unsigned char *file;
    char path[600];

    memcpy(b.o.spacing, spacing, sizeof b.o.spacing);
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
    free(mask);
    free(pixels);
}

TEST(bounded_stack)
{
    static const double unknown[3], spacing[] = {3, 1, 1};

    check_stack(RGB "model.depth=4 model.base_filters=16 data.normalise=percentile data.scale=0.7",
        &(layout){UN_DTYPE_U8, 1, 64, 64, 3, 0}, unknown);
    check_stack(CT "model.depth=3 model.base_filters=8 data.normalise=percentile data.spacing=[2,1,1]",
        &(layout){UN_DTYPE_U8, 12, 32, 32, 1, 0}, spacing);
}

/* Made and run in the mode of the library, whatever the caller's, which is back afterwards. */
static void check_float_mode(int sort)
{
    unet_context *c = context(1);
    char settings[400];
    unet_model *m;
    unet_session_options o = options_for(sort);
    const layout *l = &sorts[sort].l;
    static float prob[2][MOST_PIXELS * 3];
    unsigned char pixels[MOST_PIXELS * 3];
    unet_pixels in = place(l, pixels), out = result_for(l, UN_DTYPE_F32, 3, prob[0]);
    const un_float_mode usual = un_float_mode_get();
    un_float_mode odd = usual, after;
    unet_session *s;

#if defined(__x86_64__)
    odd = usual | 0x2000; /* round down */
#elif defined(__aarch64__)
    odd = usual | 0x800000;
#endif
    snprintf(settings, sizeof settings, "%s predict.mode=blend train.patch=[%s16,16]", sorts[sort].settings,
        l->d > 1 ? "8," : "");
    m = model(c, settings);
    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    CHECK_OK(unet_session_run(s, &in, NULL, &out, &err), &err);
    CHECK(un_float_mode_get() == usual);
    unet_session_destroy(s);
    out.data = prob[1];
    un_float_mode_set(odd);
    CHECK_INT(unet_session_create(&s, m, &o, NULL), 0);
    CHECK(un_float_mode_get() == odd);
    CHECK_INT(unet_session_run(s, &in, NULL, &out, NULL), 0);
    after = un_float_mode_get();
    un_float_mode_set(usual);
    CHECK(after == odd);
    CHECK(!memcmp(prob[0], prob[1], pixels_of(l) * 3 * sizeof(float)));
    unet_session_destroy(s);
    unet_model_destroy(m);
    unet_context_destroy(c);
}

TEST(float_mode_is_restored)
{
    for (int i = 0; i < SORTS; i++)
        check_float_mode(i);
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
    const layout l = {UN_DTYPE_U8, 1, 16, 16, 3, 0};
    const unet_session_options o = size(&l);
    static float prob[16 * 16 * 3];
    unsigned char pixels[16 * 16 * 3];
    unet_pixels in = place(&l, pixels), out = result_for(&l, UN_DTYPE_F32, 3, prob);
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
static unet_status whole_way(
    const void *data, size_t bytes, unet_session_options o, const unet_pixels *in, unet_pixels *out)
{
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
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

static void fail_each_allocation(const char *settings, const layout *l, const double spacing[3])
{
    unet_context *c = context(1);
    unet_model *m = model(c, settings);
    unsigned char pixels[MOST_PIXELS], mask[MOST_PIXELS], *data;
    unet_pixels in = place(l, pixels), out = result_for(l, UN_DTYPE_U8, 1, mask);
    unet_session_options o = size(l);
    char path[600];
    size_t bytes;
    int n = 1;
    unet_status st;

    memcpy(o.spacing, spacing, sizeof o.spacing);
    snprintf(path, sizeof path, "%s/m.safetensors", un_test_tmp());
    CHECK_OK(un_model_make_pairs(m->m, &err), &err);
    CHECK_OK(un_model_save(m->m, path, &err), &err);
    CHECK_OK(un_file_read(&data, &bytes, NULL, path, 1 << 24, &err), &err);
    unet_model_destroy(m);
    unet_context_destroy(c);
    for (;; n++) {
        fail_at = allocations + n;
        st = whole_way(data, bytes, o, &in, &out);
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

TEST(each_allocation_may_fail)
{
    static const double unknown[3], spacing[] = {3, 1, 1};

    fail_each_allocation(
        RGB "data.normalise=percentile data.scale=0.8", &(layout){UN_DTYPE_U8, 1, 21, 18, 3, 0}, unknown);
    fail_each_allocation(
        CT "data.normalise=percentile data.spacing=[2,1,1]", &(layout){UN_DTYPE_U8, 4, 9, 10, 1, 0}, spacing);
}

TEST(wrong_use_is_refused)
{
    unet_context *c = context(1);
    unet_model *m = model(c, RGB "data.normalise=percentile");
    const layout l = {UN_DTYPE_U8, 1, 24, 24, 3, 0};
    unet_session_options o = size(&(layout){.h = 5});
    unsigned char data[24 * 24 * 3] = {0};
    unet_pixels in = lay(&l, data), out = result_for(&l, UN_DTYPE_U8, 1, data);
    unet_session *s;
    size_t bytes;

    CHECK_STATUS(unet_session_bytes(&bytes, m, NULL, &err), UNET_E_ARG);
    CHECK_STATUS(unet_session_create(&s, m, &o, &err), UNET_E_ARG);
    o = size(&l);
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
