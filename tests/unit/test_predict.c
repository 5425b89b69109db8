/* Prediction: windows with halo equal the picture in one piece, odd sizes, valid padding, 3-D, memory limits, threads.
 */
#include "base/rng.h"
#include "data/tta.h"
#include "run/predict.h"
#include "run/selftest.h"
#include "test.h"
#include "uneven_model.h"

static unet_error err;

static un_model *model_of(const char *options)
{
    static un_config c;
    char text[512];

    snprintf(text, sizeof text, "model: {in_channels: 2, classes: 3, %s%s}",
        strstr(options, "head:") ? "" : "head: softmax, ", options);
    CHECK_OK(un_config_init(&c, NULL, &err), &err);
    CHECK_OK(un_config_parse(&c, NULL, text, strlen(text), "test", &err), &err);
    return uneven_model(&c, &err);
}

static float *picture(int d, int h, int w)
{
    float *p = un_alloc_array(NULL, (size_t)d * (size_t)h * (size_t)w * 2, sizeof *p);
    un_rng r;

    un_rng_init(&r, 12, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < (int64_t)d * h * w * 2; i++)
        p[i] = (float)un_rng_normal(&r);
    return p;
}

typedef struct taken {
    float *p;
    int h, w;
    int64_t filled;
} taken;

static unet_status take(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *e)
{
    taken *t = ctx;
    int64_t n = (int64_t)(z1 - z0) * (y1 - y0) * t->w * 3;

    (void)e;
    memcpy(t->p + ((int64_t)z0 * t->h + y0) * t->w * 3, p, (size_t)n * sizeof *p);
    t->filled += n;
    return UNET_OK;
}

static float *predict(const un_model *m, un_predict_options *o, int d, int h, int w, un_tiling *tiling)
{
    float *image = picture(d, h, w);
    taken t = {un_alloc_array(NULL, (size_t)d * (size_t)h * (size_t)w * 3, sizeof(float)), h, w, 0};
    un_predictor *p;

    CHECK_OK(un_predictor_create(&p, NULL, m, o, &err), &err);
    CHECK_OK(un_predictor_tiling(p, d, h, w, tiling, &err), &err);
    CHECK_OK(un_predictor_run(p, image, d, h, w, take, &t, &err), &err);
    CHECK_INT(t.filled, (int64_t)d * h * w * 3);
    for (int64_t i = 0; i < (int64_t)d * h * w && m->config.model.head == UN_CFG_HEAD_SOFTMAX; i++)
        CHECK_NEAR(t.p[3 * i] + t.p[3 * i + 1] + t.p[3 * i + 2], 1, 1e-4);
    un_predictor_destroy(p);
    un_free(image);
    return t.p;
}

static void check_same(const char *options, int d, int h, int w, int tile, int many)
{
    un_model *m = model_of(options);
    un_predict_options whole = {.mode = UN_CFG_PREDICT_EXACT, .session.level = un_test_level()}, cut = whole;
    un_tiling a, b;
    float *x = predict(m, &whole, d, h, w, &a), *y;

    for (int i = 0; i < 3; i++)
        cut.tile[i] = tile;
    y = predict(m, &cut, d, h, w, &b);
    CHECK_INT(a.count[0] * a.count[1] * a.count[2], 1);
    CHECK(b.count[0] * b.count[1] * b.count[2] >= many);
    for (int64_t i = 0; i < (int64_t)d * h * w * 3; i++)
        if (!(fabsf(x[i] - y[i]) < 2e-5f))
            un_test_fail(
                __FILE__, __LINE__, "%s: %g and %g at %lld", options, (double)x[i], (double)y[i], (long long)i);
    un_free(x);
    un_free(y);
    un_model_destroy(m);
}

TEST(windows_equal_one_piece)
{
    check_same("dims: 2, depth: 2, base_filters: 4, norm: batch", 1, 150, 131, 64, 6);
    check_same("dims: 2, depth: 2, base_filters: 3, norm: none, upsample: bilinear", 1, 97, 260, 96, 4);
    check_same(
        "dims: 2, depth: 3, base_filters: 3, norm: batch, upsample: nearest, downsample: conv", 1, 64, 300, 200, 2);
    check_same("dims: 3, depth: 1, base_filters: 3, norm: batch", 40, 41, 20, 32, 4);
    check_same("dims: 3, depth: 2, base_filters: 2, norm: none, strides: [[1, 2, 2], [2, 2, 2]]", 9, 70, 33, 64, 2);
}

/* The mean over views of the whole picture, made by hand. */
static float *mean_of_views(const un_model *m, int tta, const float *image, int d, int h, int w)
{
    const int size[3] = {d, h, w};
    const int64_t n = (int64_t)d * h * w;
    un_view view[UN_TTA_MAX];
    const int views = un_tta_views((un_cfg_tta)tta, m->config.augment.flip_axes, m->config.model.dims, view);
    float *seen = un_alloc_array(NULL, (size_t)n * 2, sizeof *seen), *back = un_alloc_array(NULL, (size_t)n * 3, 4);
    float *mean = un_alloc_array(NULL, (size_t)n * 3, sizeof *mean);
    un_predictor *p;

    CHECK_OK(un_predictor_create(&p, NULL, m, NULL, &err), &err);
    for (int v = 0; v < views; v++) {
        const int vh = view[v].swap ? w : h, vw = view[v].swap ? h : w;
        taken t = {un_alloc_array(NULL, (size_t)n * 3, sizeof(float)), vh, vw, 0};

        un_tta_apply(&view[v], image, size, 2, seen);
        CHECK_OK(un_predictor_run(p, seen, d, vh, vw, take, &t, &err), &err);
        un_tta_undo(&view[v], t.p, size, 3, back);
        for (int64_t i = 0; i < 3 * n; i++)
            mean[i] += back[i] / (float)views;
        un_free(t.p);
    }
    un_predictor_destroy(p);
    un_free(seen);
    un_free(back);
    return mean;
}

static void check_views(const char *options, int tta, int d, int h, int w, int tile)
{
    un_model *m = model_of(options);
    un_predict_options o = {.tta = tta, .tile = {tile, tile, tile}, .mode = UN_CFG_PREDICT_EXACT};
    float *image = picture(d, h, w), *hand = mean_of_views(m, tta, image, d, h, w);
    un_tiling t;
    float *got = predict(m, &o, d, h, w, &t);

    CHECK(tile == 0 || t.count[0] * t.count[1] * t.count[2] > 1);
    for (int64_t i = 0; i < (int64_t)d * h * w * 3; i++)
        if (!(fabsf(got[i] - hand[i]) < 2e-5f))
            un_test_fail(
                __FILE__, __LINE__, "%s: %g and %g at %lld", options, (double)got[i], (double)hand[i], (long long)i);
    un_free(image);
    un_free(hand);
    un_free(got);
    un_model_destroy(m);
}

TEST(views_are_averaged)
{
    check_views("dims: 2, depth: 2, base_filters: 4, norm: batch", UN_CFG_TTA_FLIPS, 1, 96, 64, 0);
    check_views("dims: 2, depth: 2, base_filters: 4, norm: batch", UN_CFG_TTA_ALL, 1, 96, 64, 0);
    check_views("dims: 2, depth: 1, base_filters: 3, norm: batch", UN_CFG_TTA_ALL, 1, 96, 64, 48);
    check_views("dims: 2, depth: 2, base_filters: 3, norm: batch, padding: valid", UN_CFG_TTA_ALL, 1, 60, 76, 0);
    check_views("dims: 3, depth: 1, base_filters: 2, norm: batch", UN_CFG_TTA_ALL, 12, 16, 20, 0);
    check_views("dims: 2, depth: 1, base_filters: 2, norm: batch, strides: [[1, 2, 3]]", UN_CFG_TTA_ALL, 1, 48, 36, 0);
}

TEST(quarter_turns_are_refused)
{
    un_model *m = model_of("dims: 2, depth: 1, base_filters: 2, norm: none, padding: valid, kernel: [[1, 3, 5]]");
    const un_predict_options o = {.tta = UN_CFG_TTA_ALL};
    un_predictor *p;
    un_tiling t;

    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    CHECK_STATUS(un_predictor_tiling(p, 1, 40, 40, &t, &err), UNET_E_CONFIG);
    CHECK(strstr(err.message, "use flips"));
    un_predictor_destroy(p);
    un_model_destroy(m);
}

/* Norms over the whole patch: the picture in one piece, or a refusal; never windows that are called exact. */
TEST(whole_patches_in_one_piece)
{
    un_model *m = model_of("dims: 2, depth: 1, base_filters: 2, norm: instance");
    un_predict_options o = {.mode = UN_CFG_PREDICT_EXACT};
    un_predictor *p;
    un_tiling t;

    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    CHECK_OK(un_predictor_tiling(p, 1, 90, 301, &t, &err), &err);
    CHECK(t.count[0] * t.count[1] * t.count[2] == 1 && !t.blend && t.window[1] == 90 && t.window[2] == 302);
    un_predictor_destroy(p);

    o.tile[0] = o.tile[1] = o.tile[2] = 64;
    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    CHECK_STATUS(un_predictor_tiling(p, 1, 90, 301, &t, &err), UNET_E_CONFIG);
    CHECK(strstr(err.message, "looks at the whole patch") && strstr(err.message, "mode auto or blend"));
    un_predictor_destroy(p);

    memset(o.tile, 0, sizeof o.tile);
    o.max_bytes = 100000;
    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    CHECK_STATUS(un_predictor_tiling(p, 1, 90, 301, &t, &err), UNET_E_LIMIT);
    CHECK(strstr(err.message, "looks at the whole patch"));
    un_predictor_destroy(p);
    un_model_destroy(m);
}

/* Windows become small enough for what a cap leaves. */
TEST(a_cap_makes_small_windows)
{
    enum { SIDE = 240 };
    un_model *m = model_of("dims: 2, depth: 1, base_filters: 8, norm: batch");
    float *image = picture(1, SIDE, SIDE);
    int32_t *classes[2];
    size_t peak[2];

    for (int i = 0; i < 2; i++) {
        un_mem *mem = un_mem_create(NULL);
        un_predictor *p;

        un_mem_cap(mem, i ? peak[0] / 4 : 0);
        classes[i] = un_alloc_array(NULL, SIDE * SIDE, sizeof **classes);
        CHECK_OK(un_predictor_create(&p, mem, m, NULL, &err), &err);
        for (int k = 0; k < 2; k++) { /* the second finds the first one's windows */
            CHECK_OK(un_predictor_classes(p, image, 1, SIDE, SIDE, classes[i], &err), &err);
            CHECK_OK(un_predictor_classes(p, image, 1, SIDE / 2, SIDE, classes[i], &err), &err);
        }
        CHECK_OK(un_predictor_classes(p, image, 1, SIDE, SIDE, classes[i], &err), &err);
        un_predictor_destroy(p);
        peak[i] = un_mem_peak(mem);
        un_mem_destroy(mem);
    }
    CHECK(peak[1] <= peak[0] / 4);
    CHECK(!memcmp(classes[0], classes[1], SIDE * SIDE * sizeof **classes));
    un_free(classes[0]);
    un_free(classes[1]);
    un_free(image);
    un_model_destroy(m);
}

static uint64_t free_bytes;

static uint64_t available(void)
{
    return free_bytes;
}

/* Windows become small enough for what the machine or its control group has left, less what mask and classes take. */
TEST(windows_fit_what_is_free)
{
    enum { SIDE = 500 };
    un_model *m = model_of("dims: 2, depth: 1, base_filters: 8, norm: batch");
    un_predict_options o = {.session.level = un_test_level()},
                       asks = {.session.level = un_test_level(), .available = available};
    un_mem *mem = un_mem_create(NULL);
    un_predictor *p;
    un_tiling whole, cut, same;
    float *x = predict(m, &o, 1, SIDE, SIDE, &whole), *y;

    free_bytes = 0; /* not known */
    un_free(predict(m, &asks, 1, SIDE, SIDE, &same));
    CHECK_INT(same.bytes, whole.bytes);
    free_bytes = (uint64_t)1 << 40;
    un_free(predict(m, &asks, 1, SIDE, SIDE, &same));
    CHECK_INT(same.bytes, whole.bytes);
    free_bytes = 5 * SIDE * SIDE + whole.bytes / 2;
    y = predict(m, &asks, 1, SIDE, SIDE, &cut);
    CHECK(cut.bytes <= whole.bytes / 2 / 8 * 7 && cut.count[1] * cut.count[2] > 1);
    for (int i = 0; i < SIDE * SIDE * 3; i++)
        CHECK_NEAR(x[i], y[i], 2e-5);

    free_bytes = 5 * SIDE * SIDE; /* nothing */
    CHECK_OK(un_predictor_create(&p, mem, m, &asks, &err), &err);
    CHECK_STATUS(un_predictor_tiling(p, 1, SIDE, SIDE, &cut, &err), UNET_E_LIMIT);
    CHECK(strstr(err.message, "allowed or free"));
    un_mem_cap(mem, (size_t)1 << 30); /* who was told does not ask */
    CHECK_OK(un_predictor_tiling(p, 1, SIDE, SIDE, &cut, &err), &err);
    un_predictor_destroy(p);
    un_mem_destroy(mem);
    un_free(x);
    un_free(y);
    un_model_destroy(m);
}

TEST(valid_padding)
{
    check_same("dims: 2, depth: 2, base_filters: 3, norm: batch, padding: valid", 1, 60, 75, 24, 4);
    /* interpolation repeats the last pixel of a window: that is not taken from there */
    check_same("dims: 2, depth: 2, base_filters: 3, norm: batch, padding: valid, upsample: bilinear", 1, 60, 75, 24, 4);
    check_same("dims: 2, depth: 3, base_filters: 2, norm: batch, padding: valid, upsample: bilinear, kernel: [[5, 5], "
               "[3, 3], [1, 1], [3, 3]]",
        1, 60, 75, 40, 4);
    check_same("dims: 2, depth: 2, base_filters: 3, norm: batch, padding: valid, gate: attention", 1, 60, 75, 24, 4);
    check_same("dims: 2, depth: 2, base_filters: 3, norm: none, padding: valid, gate: attention, upsample: nearest, "
               "strides: [3, 2]",
        1, 60, 75, 30, 4);
    check_same("dims: 3, depth: 1, base_filters: 2, norm: batch, padding: valid, upsample: bilinear", 9, 20, 50, 16, 4);
}

TEST(odd_sizes)
{
    static const int size[][2] = {{1, 1}, {1, 7}, {3, 100}, {17, 2}, {1, 1000}};
    un_model *batch = model_of("dims: 2, depth: 3, base_filters: 2, norm: batch");
    un_model *instance = model_of("dims: 2, depth: 3, base_filters: 2, norm: instance");

    instance->config.train.patch[0] = 1;
    instance->config.train.patch[1] = instance->config.train.patch[2] = 32;
    for (int i = 0; i < 5; i++) {
        un_predict_options o = {0};
        un_tiling t;

        un_free(predict(batch, &o, 1, size[i][0], size[i][1], &t));
        CHECK(!t.blend);
        un_free(predict(instance, &o, 1, size[i][0], size[i][1], &t));
        CHECK(t.blend);
        CHECK_INT(t.window[1], 32);
    }
    un_model_destroy(batch);
    un_model_destroy(instance);
}

/* Logits divided by the temperature: that of the whole softmax, or of each independent channel. */
static void check_temperature(const char *options, const double *temperature, int n)
{
    un_model *m = model_of(options);
    un_predict_options o = {.session.level = un_test_level()};
    const int joint = m->config.model.head == UN_CFG_HEAD_SOFTMAX;
    un_tiling tiling;
    float *plain = predict(m, &o, 1, 20, 24, &tiling), *got;

    m->config.predict.temperature.n = n;
    memcpy(m->config.predict.temperature.v, temperature, (size_t)n * sizeof *temperature);
    got = predict(m, &o, 1, 20, 24, &tiling);
    for (int i = 0; i < 20 * 24; i++) {
        double power[3], sum = 0;

        for (int k = 0; k < 3; k++) {
            power[k] = pow((double)plain[3 * i + k], 1 / temperature[n == 1 ? 0 : k]);
            sum += power[k];
        }
        for (int k = 0; k < 3; k++)
            CHECK_NEAR(got[3 * i + k],
                power[k] /
                    (joint ? sum : power[k] + pow(1 - (double)plain[3 * i + k], 1 / temperature[n == 1 ? 0 : k])),
                1e-5);
    }
    un_free(plain);
    un_free(got);
    un_model_destroy(m);
}

TEST(temperatures)
{
    static const char softmax[] = "dims: 2, depth: 1, base_filters: 4, norm: none",
                      labels[] = "dims: 2, depth: 1, base_filters: 4, norm: none, head: multilabel";

    check_temperature(softmax, (double[]){2.5}, 1);
    check_temperature(softmax, (double[]){0.5}, 1);
    check_temperature(labels, (double[]){2.5}, 1);
    check_temperature(labels, (double[]){0.5, 1, 3}, 3);
}

/* Several windows on the axis along which results are given out: each pixel has its share of all of them. */
TEST(blended_windows)
{
    un_model *flat = model_of("dims: 2, depth: 2, base_filters: 2, norm: instance");
    un_model *deep = model_of("dims: 3, depth: 1, base_filters: 2, norm: instance");
    un_predict_options o = {0};
    un_tiling t;

    flat->config.train.patch[0] = 1;
    flat->config.train.patch[1] = flat->config.train.patch[2] = 32;
    for (int i = 0; i < 3; i++)
        deep->config.train.patch[i] = 16;
    un_free(predict(flat, &o, 1, 90, 75, &t));
    CHECK(t.blend && t.count[1] > 2 && t.count[2] > 2);
    un_free(predict(deep, &o, 50, 20, 18, &t));
    CHECK(t.blend && t.count[0] > 2);
    un_model_destroy(flat);
    un_model_destroy(deep);
}

/* With valid padding a norm that looks at the whole patch sees as much as in training: windows are of the trained size,
 * and show what the network makes of it. A strided convolution of one tap shows pixels that its input only begins: a
 * window is never smaller than what it shows. */
TEST(blended_valid_windows)
{
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 2, norm: instance, padding: valid");
    un_model *taps = model_of(
        "dims: 2, depth: 3, base_filters: 2, norm: batch, padding: valid, kernel: 1, downsample: conv, skips: false");
    un_predict_options o = {.session.level = un_test_level()}, tile = o;
    un_tiling t;

    m->config.train.patch[0] = 1;
    m->config.train.patch[1] = 76;
    m->config.train.patch[2] = 92;
    un_free(predict(m, &o, 1, 70, 75, &t));
    CHECK(t.blend && t.in.h == 76 && t.in.w == 92 && t.count[1] > 1 && t.count[2] > 1);
    CHECK_INT(t.window[1], t.in.h - 2 * t.lead[1]);
    CHECK(t.window[1] < 70 && t.lead[2] > 0);
    un_free(predict(m, &o, 1, 20, 20, &t)); /* one window */
    CHECK(t.blend && t.in.h == 76 && t.in.w == 92 && t.count[1] * t.count[2] == 1);
    tile.tile[0] = 1;
    tile.tile[1] = tile.tile[2] = 48; /* told: what is shown */
    un_free(predict(m, &tile, 1, 70, 75, &t));
    CHECK(t.blend && t.window[1] >= 48 && t.in.h > t.window[1]);
    m->config.train.patch[1] = 78; /* a pooling cuts two pixels off, and so it is here */
    un_free(predict(m, &tile, 1, 70, 75, &t));
    CHECK(t.blend && t.in.h % 4 == 2 && t.in.w % 4 == 0);
    un_free(predict(taps, &o, 1, 32, 40, &t));
    CHECK(!t.blend && t.in.h == 32 && t.in.w == 40 && t.lead[1] == 0);
    un_model_destroy(m);
    un_model_destroy(taps);
}

/* Deviation an eighth of the window, no weight below a thousandth. */
static double gauss_by_hand(int at, int size)
{
    const double x = (at - (size - 1) / 2.0) / (size / 8.0);

    return fmax(exp(-0.5 * x * x), 1e-3);
}

/* The mean of what windows of the trained size give, by the product of two such weights. */
TEST(weights_of_blended_windows)
{
    enum { SIDE = 32, H = 40, W = 75 };
    static const int top[] = {0, 8}, left[] = {0, 14, 28, 43};
    static double sum[H * W][3], weights[H * W];
    static float window[SIDE * SIDE * 2], out[SIDE * SIDE * 3];
    const un_session_options so = {.level = un_test_level()};
    un_predict_options o = {.session = so};
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 4, norm: instance");
    float *image = picture(1, H, W), *got;
    un_session *s;
    un_tiling t;

    m->config.train.patch[0] = 1;
    m->config.train.patch[1] = m->config.train.patch[2] = SIDE;
    CHECK_OK(un_session_create(&s, NULL, m, (un_shape){1, 1, SIDE, SIDE, 2}, &so, &err), &err);
    for (int k = 0; k < 8; k++) {
        const int y0 = top[k / 4], x0 = left[k % 4];

        for (int y = 0; y < SIDE; y++)
            memcpy(window + y * SIDE * 2, image + ((y0 + y) * W + x0) * 2, SIDE * 2 * sizeof *window);
        CHECK_OK(un_session_run(s, window, NULL, out, &err), &err);
        for (int i = 0; i < SIDE * SIDE; i++) {
            const double weight = gauss_by_hand(i / SIDE, SIDE) * gauss_by_hand(i % SIDE, SIDE);
            const int at = (y0 + i / SIDE) * W + x0 + i % SIDE;

            weights[at] += weight;
            for (int c = 0; c < 3; c++)
                sum[at][c] += weight * (double)out[3 * i + c];
        }
    }
    got = predict(m, &o, 1, H, W, &t);
    CHECK(t.blend && t.window[1] == SIDE && t.window[2] == SIDE && t.count[1] == 2 && t.count[2] == 4);
    for (int i = 0; i < H * W; i++)
        for (int c = 0; c < 3; c++)
            CHECK_NEAR(got[3 * i + c], sum[i][c] / weights[i], 1e-5);
    un_session_destroy(s);
    un_free(image);
    un_free(got);
    un_model_destroy(m);
}

/* Where a halo makes more than twice the work of the picture, windows of the trained size are blended instead. */
TEST(halo_up_to_twice_the_work)
{
    un_model *m = model_of("dims: 2, depth: 3, base_filters: 4, norm: batch");
    int with_halo = 0, blended = 0;

    m->config.train.patch[0] = 1;
    m->config.train.patch[1] = m->config.train.patch[2] = 32;
    for (size_t kib = 16 << 10; kib >= 2 << 10; kib -= kib / 8) {
        un_predict_options o = {.session.level = un_test_level(), .max_bytes = kib << 10, .mode = UN_CFG_PREDICT_EXACT};
        un_tiling exact, chosen;
        un_predictor *p;
        unet_status st;

        CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
        st = un_predictor_tiling(p, 1, 600, 500, &exact, &err);
        un_predictor_destroy(p);
        CHECK(st == UNET_OK || st == UNET_E_LIMIT);
        o.mode = UN_CFG_PREDICT_AUTO;
        CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
        CHECK_OK(un_predictor_tiling(p, 1, 600, 500, &chosen, &err), &err);
        un_predictor_destroy(p);
        if (!st)
            CHECK_NEAR(exact.overhead,
                (double)exact.count[1] * exact.window[1] * exact.count[2] * exact.window[2] / (600 * 500), 1e-9);
        un_test_note("%zu KiB: %d x %d windows of %d x %d, %.2f; blended %d", kib, exact.count[1], exact.count[2],
            exact.window[1], exact.window[2], exact.overhead, chosen.blend);
        CHECK_INT(chosen.blend, st == UNET_E_LIMIT || exact.overhead > 2);
        CHECK(!chosen.blend || (chosen.window[1] == 32 && chosen.window[2] == 32));
        with_halo += !chosen.blend && exact.count[1] * exact.count[2] > 1;
        blended += chosen.blend && st == UNET_OK;
    }
    CHECK(with_halo > 1 && blended > 1);
    un_model_destroy(m);
}

/* 0 1 2 1 0 1 ... for n = 3 */
static int mirrored(int i, int n)
{
    while (n > 1 && i >= n)
        i = i < 2 * n - 2 ? 2 * n - 2 - i : i - (2 * n - 2);
    return n > 1 ? i : 0;
}

/* The network run on the picture that this test has padded itself, at the far ends, to what divides by the strides. */
static float *padded_by_hand(const un_model *m, int d, int h, int w, int gd, int g)
{
    const un_session_options o = {.level = un_test_level()};
    const un_shape in = {1, (d + gd - 1) / gd * gd, (h + g - 1) / g * g, (w + g - 1) / g * g, 2};
    float *from = picture(d, h, w), *padded = un_alloc_array(NULL, (size_t)un_shape_count(in), sizeof *padded);
    float *p = un_alloc_array(NULL, (size_t)un_shape_pixels(in) * 3, sizeof *p);
    float *out = un_alloc_array(NULL, (size_t)d * (size_t)h * (size_t)w * 3, sizeof *out), *to = padded;
    un_session *s;

    for (int z = 0; z < in.d; z++)
        for (int y = 0; y < in.h; y++)
            for (int x = 0; x < in.w; x++, to += 2)
                memcpy(to, from + ((mirrored(z, d) * h + mirrored(y, h)) * w + mirrored(x, w)) * 2, 2 * sizeof *to);
    CHECK_OK(un_session_create(&s, NULL, m, in, &o, &err), &err);
    CHECK_OK(un_session_run(s, padded, NULL, p, &err), &err);
    to = out;
    for (int z = 0; z < d; z++)
        for (int y = 0; y < h; y++, to += 3 * w)
            memcpy(to, p + ((z * in.h + y) * in.w) * 3, (size_t)w * 3 * sizeof *to);
    un_session_destroy(s);
    un_free(from);
    un_free(padded);
    un_free(p);
    return out;
}

static void check_size(const un_model *m, int d, int h, int w, int gd, int g)
{
    un_predict_options o = {.session.level = un_test_level()};
    un_tiling t;
    float *got = predict(m, &o, d, h, w, &t), *want = padded_by_hand(m, d, h, w, gd, g);

    for (int i = 0; i < d * h * w * 3; i++)
        if (!(fabsf(got[i] - want[i]) < 1e-6f))
            un_test_fail(
                __FILE__, __LINE__, "%d x %d x %d: %g and %g at %d", d, h, w, (double)got[i], (double)want[i], i);
    un_free(got);
    un_free(want);
}

/* Padding is inside and exact: any size from one pixel up gives what the padded picture gives, cut to its size. */
TEST(any_size)
{
    static const int side[] = {1, 2, 3, 5, 7, 8, 9, 12, 17, 31};
    un_model *m = model_of("dims: 2, depth: 3, base_filters: 2, norm: batch, upsample: bilinear");

    for (size_t i = 0; i < sizeof side / sizeof *side; i++)
        for (size_t k = 0; k < sizeof side / sizeof *side; k++)
            check_size(m, 1, side[i], side[k], 1, 8);
    un_model_destroy(m);
    m = model_of("dims: 3, depth: 2, base_filters: 2, norm: none, strides: [[1, 2, 2], [3, 2, 2]]");
    for (int d = 1; d < 5; d++)
        for (int h = 1; h < 6; h++)
            check_size(m, d, h, 6 - h, 3, 4);
    un_model_destroy(m);
}

/* Neither threads nor a memory limit that only cuts smaller change more than rounding; threads change nothing. */
TEST(threads_and_memory)
{
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 8, norm: batch");
    un_predict_options o = {0};
    un_tiling t;
    float *a, *b;
    size_t whole;

    a = predict(m, &o, 1, 200, 180, &t);
    whole = t.bytes;
    for (int threads = 2; threads <= 8; threads += 3) {
        CHECK_OK(un_pool_create(&o.session.pool, NULL, threads, &err), &err);
        b = predict(m, &o, 1, 200, 180, &t);
        CHECK(!memcmp(a, b, 200 * 180 * 3 * sizeof *a));
        un_free(b);
        un_pool_destroy(o.session.pool);
        o.session.pool = NULL;
    }
    o.max_bytes = whole / 2;
    o.mode = UN_CFG_PREDICT_EXACT;
    b = predict(m, &o, 1, 200, 180, &t);
    CHECK(t.bytes <= whole / 2 && t.count[1] * t.count[2] > 1);
    for (int i = 0; i < 200 * 180 * 3; i++)
        CHECK_NEAR(a[i], b[i], 2e-5);
    un_free(b);
    o.max_bytes = 1000;
    {
        un_predictor *p;

        CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
        CHECK_STATUS(un_predictor_tiling(p, 1, 200, 180, &t, &err), UNET_E_LIMIT);
        un_predictor_destroy(p);
    }
    un_free(a);
    un_model_destroy(m);
}

/* A cap that the fastest kernels do not fit is met with others, which keep fewer packed weights; a window cannot become
 * smaller here. The results are those of the fastest within rounding. */
TEST(slower_kernels_under_a_cap)
{
    enum { SIDE = 48 };
    const un_shape in = {1, 1, SIDE, SIDE, 2};
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 32, norm: batch");
    un_predict_options o = {.session.level = un_test_level()};
    un_session_options least = {.level = un_test_level(), .byte_ns = 1e6};
    un_session_size fast, small;
    un_tiling t;
    un_mem *mem = un_mem_create(NULL);
    un_predictor *p;
    float *image = picture(1, SIDE, SIDE), *want, got[SIDE * SIDE * 3];
    taken taking = {got, SIDE, SIDE, 0};

    CHECK_OK(un_session_measure(&fast, NULL, m, in, &o.session, &err), &err);
    CHECK_OK(un_session_measure(&small, NULL, m, in, &least, &err), &err);
    if (un_test_level() == UN_CPU_REF) /* one kernel of each kind, which packs nothing */
        CHECK(small.bytes <= fast.bytes);
    else
        CHECK(small.bytes < 7 * fast.bytes / 10 && small.ns > fast.ns);
    want = predict(m, &o, 1, SIDE, SIDE, &t);
    CHECK(t.byte_ns == 0.0);
    CHECK_OK(un_predictor_create(&p, mem, m, &o, &err), &err);
    for (int i = 0; i < 3 && un_test_level() != UN_CPU_REF; i++) {
        un_mem_cap(mem, (256u << 10) + small.bytes + (size_t)i * (fast.bytes - small.bytes) / 3);
        CHECK_OK(un_predictor_tiling(p, 1, SIDE, SIDE, &t, &err), &err);
        CHECK(t.byte_ns > 0);
        CHECK_INT(t.window[1], SIDE);
        taking.filled = 0;
        CHECK_OK(un_predictor_run(p, image, 1, SIDE, SIDE, take, &taking, &err), &err);
        for (int k = 0; k < SIDE * SIDE * 3; k++)
            CHECK_NEAR(got[k], want[k], 1e-4);
        un_predictor_destroy(p);
        CHECK_OK(un_predictor_create(&p, mem, m, &o, &err), &err);
    }
    un_predictor_destroy(p);
    un_mem_destroy(mem);
    un_free(image);
    un_free(want);
    un_model_destroy(m);
}

/* A run allocates nothing. */
TEST(run_allocates_nothing)
{
    un_mem *mem = un_mem_create(NULL);
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 4, norm: batch");
    un_session_options o = {0};
    un_session *s;
    float *image = picture(1, 32, 32), *out = un_alloc_array(NULL, 32 * 32 * 3, sizeof *out);
    int64_t before;
    size_t bytes;

    CHECK_OK(un_session_bytes(&bytes, NULL, m, (un_shape){1, 1, 32, 32, 2}, &o, &err), &err);
    CHECK_OK(un_session_create(&s, mem, m, (un_shape){1, 1, 32, 32, 2}, &o, &err), &err);
    CHECK(un_mem_live(mem) >= bytes && un_mem_live(mem) < bytes + (256 << 10));
    before = un_mem_count(mem);
    for (int i = 0; i < 3; i++)
        CHECK_OK(un_session_run(s, image, NULL, out, &err), &err);
    CHECK_INT(un_mem_count(mem), before);
    un_session_destroy(s);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
    un_free(image);
    un_free(out);
    un_model_destroy(m);
}

/* The picture written where the session reads it and results read where it leaves them, run after run. */
TEST(runs_without_copies)
{
    enum { SIDE = 32, PIXELS = SIDE * SIDE };
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 4, norm: batch, dropout: 0.3");
    un_session_options o = {.level = un_test_level()};
    un_session *s;
    float *image = picture(1, SIDE, SIDE), logits[PIXELS * 3], probabilities[PIXELS * 3];

    CHECK_OK(un_session_create(&s, NULL, m, (un_shape){1, 1, SIDE, SIDE, 2}, &o, &err), &err);
    CHECK_OK(un_session_run(s, image, logits, probabilities, &err), &err);
    for (int i = 0; i < 2; i++) {
        memcpy(un_session_image(s), image, 2 * PIXELS * sizeof *image);
        CHECK_OK(un_session_compute(s, &err), &err);
        CHECK(!memcmp(logits, un_session_logits(s), sizeof logits));
        CHECK(!memcmp(probabilities, un_session_probabilities(s), sizeof probabilities));
    }
    un_session_destroy(s);
    un_free(image);
    un_model_destroy(m);
}

/* Where memory has a price, the first level is made once more instead of being kept: less than without its map, and
 * the same results within what other kernels change. */
TEST(first_level_twice_at_a_price)
{
    enum { SIDE = 256, PIXELS = SIDE * SIDE };
    const un_shape in = {1, 1, SIDE, SIDE, 2};
    const size_t skip = (size_t)PIXELS * 16 * sizeof(float);
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 16, norm: batch");
    const un_session_options plain = {.level = un_test_level()}, dear = {.level = un_test_level(), .byte_ns = 1e3};
    un_session_size most, least;
    un_mem *mem = un_mem_create(NULL);
    un_session *s;
    float *image = picture(1, SIDE, SIDE), *want = un_alloc_array(NULL, PIXELS * 3, sizeof *want);

    CHECK_OK(un_session_measure(&most, NULL, m, in, &plain, &err), &err);
    CHECK_OK(un_session_measure(&least, NULL, m, in, &dear, &err), &err);
    CHECK(least.bytes + skip / 2 < most.bytes);
    CHECK_OK(un_session_create(&s, NULL, m, in, &plain, &err), &err);
    CHECK_OK(un_session_run(s, image, want, NULL, &err), &err);
    un_session_destroy(s);
    CHECK_OK(un_session_create(&s, mem, m, in, &dear, &err), &err);
    CHECK(un_mem_live(mem) < least.bytes + (512 << 10));
    CHECK_OK(un_session_run(s, image, NULL, NULL, &err), &err);
    for (int i = 0; i < PIXELS * 3; i++)
        CHECK_NEAR(un_session_logits(s)[i], want[i], 1e-4);
    un_session_destroy(s);
    un_mem_destroy(mem);
    un_free(image);
    un_free(want);
    un_model_destroy(m);
}

TEST(selftest)
{
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 4, norm: batch");
    un_session_options o = {0};
    double worst;

    CHECK_STATUS(un_selftest(&worst, NULL, m, &o, &err), UNET_E_DATA);
    CHECK_OK(un_selftest_fill(m, NULL, &o, &err), &err);
    CHECK_OK(un_selftest(&worst, NULL, m, &o, &err), &err);
    CHECK(worst < 1e-4);
    m->weights[5] += 1;
    CHECK_OK(un_selftest(&worst, NULL, m, &o, &err), &err);
    CHECK(worst > 1e-3);
    un_model_destroy(m);
}

/* Every allocation that can fail does once: an error comes back and nothing is left behind. */
TEST(out_of_memory)
{
    un_model *m = model_of("dims: 2, depth: 2, base_filters: 4, norm: batch");
    float *image = picture(1, 20, 20);
    int32_t *classes = un_alloc_array(NULL, 400, sizeof *classes);
    unet_status st = UNET_E_NOMEM;

    for (int64_t nth = 1; st; nth++) {
        un_mem *mem = un_mem_create(NULL);
        un_predictor *p;

        CHECK(nth < 500);
        un_mem_fail_at(mem, nth);
        st = un_predictor_create(&p, mem, m, NULL, &err);
        if (!st)
            st = un_predictor_classes(p, image, 1, 20, 20, classes, &err);
        CHECK(st == UNET_OK || st == UNET_E_NOMEM);
        un_predictor_destroy(p);
        CHECK_INT(un_mem_live(mem), 0);
        un_mem_destroy(mem);
    }
    un_free(classes);
    un_free(image);
    un_model_destroy(m);
}
