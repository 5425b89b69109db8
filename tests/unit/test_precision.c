/* Products of 16-bit numbers in prediction and training: close to float32, the same bits for any number of threads,
 * less memory, and refused where the processor or the level has no kernels for it. */
#include "two_pictures.h"

#include "run/predict.h"
#include "train/engine.h"
#include "train/schedule.h"
#include "uneven_model.h"

static unet_error err;

static un_model *model_for(const char *options, const char *precision)
{
    static un_config c;
    char text[512];

    snprintf(text, sizeof text,
        "model: {in_channels: 1, classes: 2, head: softmax, %s}\n"
        "train: {steps: 40, batch: 2, patch: [%s], precision: %s}\n"
        "loss: {terms: [ce]}\ndata: {classes: [a, b]}\noptimiser: {name: adamw, lr: 0.003}\n",
        options, strstr(options, "dims: 3") ? "16, 32, 32" : "96, 80", precision);
    CHECK_OK(un_config_init(&c, NULL, &err), &err);
    CHECK_OK(un_config_parse(&c, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_train_settle(&c, 2, &err), &err);
    return uneven_model(&c, &err);
}

static un_model *model_of(const char *options)
{
    return model_for(options, "float32");
}

static void need_bf16(void)
{
    if (!un_cpu_has_bf16(un_test_level()))
        un_test_skip("no AVX-512 BF16 in this processor, or the level is another than avx512");
}

/* Logits of a session of its own; its bytes. */
static float *logits(const un_model *m, un_shape in, int threads, int bf16, size_t *bytes, int64_t *count)
{
    un_session_options o = {.level = un_test_level(), .bf16 = bf16};
    float *image = un_alloc_array(NULL, (size_t)un_shape_count(in), sizeof *image), *y;
    un_session *s;
    un_rng r;

    un_rng_init(&r, 12, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < un_shape_count(in); i++)
        image[i] = (float)un_rng_normal(&r);
    if (threads > 1)
        CHECK_OK(un_pool_create(&o.pool, NULL, threads, &err), &err);
    CHECK_OK(un_session_bytes(bytes, NULL, m, in, &o, &err), &err);
    CHECK_OK(un_session_create(&s, NULL, m, in, &o, &err), &err);
    *count = un_shape_count(un_session_output(s));
    y = un_alloc_array(NULL, (size_t)*count, sizeof *y);
    CHECK_OK(un_session_run(s, image, y, NULL, &err), &err);
    un_session_destroy(s);
    un_pool_destroy(o.pool);
    un_free(image);
    return y;
}

/* Network as it is initialised: each layer's rounding shows in the logits, whose spread is about 1. */
static void check_close(const char *options, un_shape in)
{
    un_model *m = model_of(options);
    size_t bytes[3];
    int64_t n;
    float *x = logits(m, in, 1, 0, &bytes[0], &n), *y = logits(m, in, 1, 1, &bytes[1], &n),
          *z = logits(m, in, 3, 1, &bytes[2], &n);
    double mean = 0, square = 0, error = 0;

    for (int64_t i = 0; i < n; i++) {
        mean += (double)x[i] / (double)n;
        square += (double)x[i] * (double)x[i] / (double)n;
        error += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]) / (double)n;
    }
    error = sqrt(error / (square - mean * mean));
    un_test_note("%s: %.5f of the spread", options, error);
    CHECK(error > 1e-5 && error < 0.06);
    CHECK(!memcmp(y, z, (size_t)n * sizeof *y));
    CHECK(bytes[1] < bytes[0]);
    un_free(x);
    un_free(y);
    un_free(z);
    un_model_destroy(m);
}

TEST(close_to_float32)
{
    need_bf16();
    check_close("dims: 2, depth: 3, base_filters: 16, norm: batch", (un_shape){1, 1, 104, 72, 1});
    check_close("dims: 2, depth: 2, base_filters: 17, norm: none", (un_shape){2, 1, 36, 52, 1});  /* odd channels */
    check_close("dims: 2, depth: 2, base_filters: 64, norm: batch", (un_shape){1, 1, 64, 64, 1}); /* split layers */
    check_close("dims: 3, depth: 2, base_filters: 16, norm: instance", (un_shape){1, 12, 20, 24, 1});
    check_close(
        "dims: 2, depth: 2, base_filters: 24, norm: batch, block: residual, downsample: conv, upsample: bilinear",
        (un_shape){1, 1, 60, 44, 1});
}

static void classes_of(const un_model *m, int precision, const two_pictures *t, int k, int32_t *to)
{
    const un_predict_options o = {.session.level = un_test_level(), .precision = precision};
    un_predictor *p;

    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    CHECK_OK(un_predictor_classes(p, t->image[k], t->d, t->h, t->w, to, &err), &err);
    un_predictor_destroy(p);
}

static void train_on(un_model *m, const two_pictures *t, int threads)
{
    two_feed feed;
    un_train_options o = {.model = m,
        .backend = un_backend_cpu(),
        .level = un_test_level(),
        .folder = un_test_tmp(),
        .pictures = 2,
        .feed = {&feed, two_start, two_next, two_release}};
    un_train_result result;

    if (threads > 1)
        CHECK_OK(un_pool_create(&o.pool, NULL, threads, &err), &err);
    two_open(&feed, t, &m->config);
    CHECK_OK(un_train(&o, NULL, &result, &err), &err);
    two_close(&feed);
    un_pool_destroy(o.pool);
}

/* A network that was trained says the same of 999 pixels in 1000. */
TEST(masks_agree)
{
    two_pictures t = {.d = 1, .h = 96, .w = 80, .c = 1};
    un_model *m;
    int32_t *a, *b;
    int64_t same = 0, hit = 0;

    need_bf16(); /* before anything is made */
    m = model_of("dims: 2, depth: 2, base_filters: 16, norm: batch");
    a = un_alloc_array(NULL, 96 * 80, sizeof *a);
    b = un_alloc_array(NULL, 96 * 80, sizeof *b);
    two_make(&t, 0.4);
    train_on(m, &t, 1);
    for (int k = 0; k < 2; k++) {
        classes_of(m, UN_CFG_PRECISION_FLOAT32, &t, k, a);
        classes_of(m, UN_CFG_PRECISION_BF16, &t, k, b);
        for (int64_t i = 0; i < two_pixels(&t); i++) {
            same += a[i] == b[i];
            hit += a[i] == t.mask[k][i];
        }
    }
    un_test_note("%.4f right, %.5f the same", (double)hit / (2.0 * 96 * 80), (double)same / (2.0 * 96 * 80));
    CHECK((double)hit >= 0.97 * 2 * 96 * 80);
    CHECK((double)same >= 0.999 * 2 * 96 * 80);
    two_free(&t);
    un_free(a);
    un_free(b);
    un_model_destroy(m);
}

/* The gradient of one batch, and the loss. */
static float *gradient(const char *options, const char *precision, const two_pictures *t, double *loss, int64_t *count)
{
    un_model *m = model_for(options, precision);
    const un_engine_spec spec = {.model = m, .backend = un_backend_cpu(), .level = un_test_level()};
    un_step_result result;
    un_engine *e;
    two_feed feed;
    const un_batch *b;
    float *g;

    two_open(&feed, t, &m->config);
    CHECK_OK(two_start(&feed, 1, &err), &err);
    CHECK_OK(two_next(&feed, &b, &err), &err);
    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    CHECK_OK(un_engine_accumulate(e, b, 1, 0, 1, &err), &err);
    *count = m->graph->block_count;
    g = un_alloc_array(NULL, (size_t)*count, sizeof *g);
    memcpy(g, un_engine_gradient(e), (size_t)*count * sizeof *g);
    CHECK_OK(un_engine_apply(e, 1, 1e-3, &result, &err), &err);
    *loss = result.loss;
    two_close(&feed);
    un_engine_destroy(e);
    un_model_destroy(m);
    return g;
}

static void check_gradient(const char *options, int d, int h, int w)
{
    two_pictures t = {.d = d, .h = h, .w = w, .c = 1};
    double loss[2], square = 0, error = 0;
    int64_t n;
    float *x, *y;

    two_make(&t, 0.4);
    x = gradient(options, "float32", &t, &loss[0], &n);
    y = gradient(options, "bf16", &t, &loss[1], &n);
    for (int64_t i = 0; i < n; i++) {
        square += (double)x[i] * (double)x[i];
        error += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
    }
    error = sqrt(error / square);
    un_test_note("%s: %.4f of the gradient, loss %.5f and %.5f", options, error, loss[0], loss[1]);
    CHECK(error > 1e-5 && error < 0.1);
    CHECK(fabs(loss[1] - loss[0]) < 0.02 * loss[0]);
    un_free(x);
    un_free(y);
    two_free(&t);
}

TEST(gradient_close_to_float32)
{
    need_bf16();
    check_gradient("dims: 2, depth: 3, base_filters: 16, norm: batch", 1, 96, 80);
    check_gradient("dims: 2, depth: 2, base_filters: 33, norm: none", 1, 96, 80); /* odd channels */
    check_gradient("dims: 3, depth: 2, base_filters: 16, norm: instance", 16, 32, 32);
}

/* Training reaches what it reaches in float32, with the same bits for any number of threads. */
TEST(training)
{
    two_pictures t = {.d = 1, .h = 96, .w = 80, .c = 1};
    un_model *m[2];
    int32_t *a;
    int64_t hit = 0;

    need_bf16();
    a = un_alloc_array(NULL, 96 * 80, sizeof *a);
    two_make(&t, 0.4);
    for (int i = 0; i < 2; i++) {
        m[i] = model_for("dims: 2, depth: 2, base_filters: 16, norm: batch", "bf16");
        train_on(m[i], &t, 1 + 2 * i);
    }
    CHECK(!memcmp(m[0]->weights, m[1]->weights, (size_t)m[0]->graph->block_count * sizeof *m[0]->weights));
    for (int k = 0; k < 2; k++) {
        classes_of(m[0], UN_CFG_PRECISION_FLOAT32, &t, k, a);
        for (int64_t i = 0; i < two_pixels(&t); i++)
            hit += a[i] == t.mask[k][i];
    }
    un_test_note("%.4f right", (double)hit / (2.0 * 96 * 80));
    CHECK((double)hit >= 0.97 * 2 * 96 * 80);
    two_free(&t);
    un_free(a);
    for (int i = 0; i < 2; i++)
        un_model_destroy(m[i]);
}

TEST(training_refused_without_kernels)
{
    un_model *m = model_for("dims: 2, depth: 1, base_filters: 4, norm: batch", "bf16");
    const un_engine_spec spec = {.model = m, .backend = un_backend_cpu(), .level = UN_CPU_REF};
    un_engine *e;

    CHECK_STATUS(un_engine_create(&e, NULL, &spec, &err), UNET_E_CONFIG);
    CHECK_STR(err.where, "train.precision");
    CHECK(strstr(err.message, "AVX-512 BF16") && strstr(err.message, "use float32"));
    CHECK(!e);
    un_model_destroy(m);
}

TEST(refused_without_kernels)
{
    un_model *m = model_of("dims: 2, depth: 1, base_filters: 4, norm: batch");
    const un_predict_options o = {.session.level = UN_CPU_REF, .precision = UN_CFG_PRECISION_BF16};
    un_predictor *p;

    CHECK_STATUS(un_predictor_create(&p, NULL, m, &o, &err), UNET_E_CONFIG);
    CHECK_STR(err.where, "predict.precision");
    CHECK(strstr(err.message, "AVX-512 BF16") && strstr(err.message, "use float32"));
    CHECK(!p);
    un_model_destroy(m);
}
