/* Two classes of a softmax by a threshold: a mask changes where the probability of class 1 lies between it and 0.5, and
 * nowhere else, by every way from probabilities to masks. */
#include "base/size.h"
#include "pixel_sessions.h"

#define TWO "model.classes=2 model.head=softmax "

/* What a mask has to be: plain without a threshold, at a threshold p1 from it on. Returns how many pixels it changes.
 */
static int64_t check_mask(const float *p, const int32_t *plain, const int32_t *mask, int64_t n, double threshold)
{
    int64_t changed = 0;

    for (int64_t i = 0; i < n; i++) {
        const double p1 = (double)p[2 * i + 1];
        const int between = threshold < 0.5 ? p1 >= threshold && !plain[i] : p1 < threshold && plain[i];

        CHECK_INT(plain[i], p[2 * i + 1] > p[2 * i]);
        CHECK_INT(mask[i], p1 >= threshold);
        CHECK_INT(mask[i] != plain[i], between);
        changed += between;
    }
    return changed;
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

enum { THRESHOLDS = 5 };

/* Probabilities of class 1 that occur, from the least to the largest, on both sides of 0.5. */
static void thresholds_of(double to[THRESHOLDS], const float *p, int64_t n)
{
    float *sorted = un_alloc_array(NULL, (size_t)n, sizeof *sorted);

    for (int64_t i = 0; i < n; i++)
        sorted[i] = p[2 * i + 1];
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int i = 0; i < THRESHOLDS; i++)
        to[i] = (double)sorted[(n - 1) * i / (THRESHOLDS - 1)];
    CHECK(to[1] < 0.5 && to[THRESHOLDS - 2] > 0.5);
    un_free(sorted);
}

/* Class 1 is made so much less likely that both classes are there. */
static unet_model *even_model(unet_context *c, const char *settings, float less)
{
    unet_model *m = model(c, settings);
    const un_graph *g = m->m->graph;

    for (int i = 0; i < g->n_params; i++)
        if (!strcmp(g->param[i].name, "head.bias"))
            m->m->weights[g->param[i].offset + 1] -= less;
    return m;
}

/* ---- predictors ---- */

typedef struct kept {
    float *p;
    int h, w;
} kept;

static unet_status keep_rows(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *e)
{
    const kept *k = ctx;

    (void)e;
    memcpy(k->p + ((int64_t)z0 * k->h + y0) * k->w * 2, p, sizeof *p * 2 * (size_t)((z1 - z0) * (y1 - y0) * k->w));
    return UNET_OK;
}

/* least: windows that there must be. */
static void check(const char *settings, float less, const un_predict_options *o, int d, int h, int w, int least)
{
    const int64_t n = (int64_t)d * h * w;
    unet_context *c = context(1);
    unet_model *m = even_model(c, settings, less);
    float *image = un_alloc_array(NULL, (size_t)n, sizeof *image);
    kept k = {un_alloc_array(NULL, (size_t)n * 2, sizeof(float)), h, w};
    int32_t *plain = un_alloc_array(NULL, (size_t)n, sizeof *plain), *mask = un_alloc_array(NULL, (size_t)n, 4);
    double threshold[THRESHOLDS];
    int64_t most = 0;
    un_predictor *p;
    un_tiling t;
    un_rng r;

    un_rng_init(&r, 12, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < n; i++)
        image[i] = (float)un_rng_normal(&r);
    CHECK_OK(un_predictor_create(&p, NULL, m->m, o, &err), &err);
    CHECK_OK(un_predictor_tiling(p, d, h, w, &t, &err), &err);
    CHECK(t.count[0] * t.count[1] * t.count[2] >= least);
    CHECK_OK(un_predictor_run(p, image, d, h, w, keep_rows, &k, &err), &err);
    CHECK_OK(un_predictor_classes(p, image, d, h, w, plain, &err), &err);
    thresholds_of(threshold, k.p, n);
    for (int i = 1; i < THRESHOLDS; i += 2) {
        int64_t changed;

        m->m->config.predict.threshold = (un_cfg_nums){1, {threshold[i]}};
        CHECK_OK(un_predictor_classes(p, image, d, h, w, mask, &err), &err);
        changed = check_mask(k.p, plain, mask, n, threshold[i]);
        most = UN_MAX(most, changed);
    }
    CHECK(most >= n / 10);
    un_predictor_destroy(p);
    un_free(image);
    un_free(k.p);
    un_free(plain);
    un_free(mask);
    unet_model_destroy(m);
    unet_context_destroy(c);
}

TEST(whole_pictures_and_windows)
{
    static const char flat[] = TWO "model.in_channels=1 model.depth=1",
                      deep[] = TWO "model.in_channels=1 model.depth=1 model.dims=3",
                      tempered[] = TWO "model.in_channels=1 model.depth=1 predict.temperature=0.4";
    const un_predict_options whole = {0}, halo = {.mode = UN_CFG_PREDICT_EXACT, .tile = {24, 40, 40}},
                             blend = {.mode = UN_CFG_PREDICT_BLEND, .tile = {8, 24, 24}},
                             views = {.tta = UN_CFG_TTA_ALL, .tile = {1, 40, 40}};

    check(flat, -2.0f, &whole, 1, 33, 50, 1);
    check(flat, -2.0f, &halo, 1, 45, 70, 4);
    check(flat, -2.0f, &blend, 1, 33, 50, 4);
    check(flat, -2.5f, &views, 1, 33, 50, 2);
    check(deep, -1.3f, &whole, 5, 20, 24, 1);
    check(deep, -1.3f, &halo, 7, 20, 48, 2);
    check(deep, -1.3f, &blend, 12, 20, 24, 2);
    check(tempered, -2.0f, &whole, 1, 33, 50, 1);
}

/* ---- the rule alone ---- */

static int32_t class_at(const un_config *c, const float *p)
{
    int32_t class;

    un_classes_of(c, p, 1, &class);
    return class;
}

TEST(rule)
{
    const float tie[] = {0.5f, 0.5f}, low[] = {0.75f, 0.25f}, high[] = {0.25f, 0.75f}, none[] = {NAN, NAN};
    const float three[] = {0.25f, 0.375f, 0.375f};
    static un_config c;
    un_cfg_nums *t = &c.predict.threshold;

    CHECK_OK(un_config_init(&c, NULL, &err), &err);
    c.model.head = UN_CFG_HEAD_SOFTMAX;
    c.model.classes = 2;
    CHECK(t->n == 1 && t->v[0] == 0.5); /* the default: the likelier class */
    CHECK(class_at(&c, tie) == 0 && class_at(&c, low) == 0 && class_at(&c, high) == 1 && class_at(&c, none) == 0);
    t->v[0] = 0.5 - 0x1p-54;
    CHECK(class_at(&c, tie) == 1 && class_at(&c, low) == 0 && class_at(&c, high) == 1 && class_at(&c, none) == 0);
    *t = (un_cfg_nums){2, {0.9, 0.25}}; /* that of class 1 */
    CHECK(class_at(&c, low) == 1);
    *t = (un_cfg_nums){2, {0.25, 0.9}};
    CHECK(class_at(&c, high) == 0);
    t->n = 0; /* auto */
    CHECK(class_at(&c, tie) == 0 && class_at(&c, high) == 1);
    c.model.classes = 3; /* of more than two there is none */
    *t = (un_cfg_nums){1, {0.9}};
    CHECK_INT(class_at(&c, three), 1);
    *t = (un_cfg_nums){1, {0.3}};
    CHECK_INT(class_at(&c, three), 1);
}

/* ---- sessions ---- */

#define TWO_RGB TWO "model.in_channels=3 data.colour=rgb data.normalise=percentile "
#define TWO_CT  TWO "model.in_channels=1 data.colour=grey data.normalise=minmax model.dims=3 "

/* The mask of the caller's memory as classes. */
static void run_session(unet_session *s, const layout *l, const unet_pixels *in, float *p, int32_t *class)
{
    const int64_t n = (int64_t)pixels_of(l);
    unsigned char *mask = un_alloc_array(NULL, (size_t)n, 1);
    unet_pixels mask_to = result_for(l, UN_DTYPE_U8, 1, mask), p_to = result_for(l, UN_DTYPE_F32, 2, p);

    CHECK_OK(unet_session_run(s, in, &mask_to, &p_to, &err), &err);
    for (int64_t i = 0; i < n; i++)
        class[i] = mask[i];
    un_free(mask);
}

static void check_session(const char *settings, float less, const layout *l)
{
    const size_t n = pixels_of(l);
    unet_context *c = context(1);
    unet_model *m = even_model(c, settings, less);
    void *room = room_for(l);
    const unet_pixels in = place(l, room);
    const unet_session_options o = size(l);
    float *p = un_alloc_array(NULL, n * 2, sizeof *p);
    int32_t *plain = un_alloc_array(NULL, n, sizeof *plain), *mask = un_alloc_array(NULL, n, sizeof *mask);
    double threshold[THRESHOLDS];
    unet_session *s;

    CHECK_OK(unet_session_create(&s, m, &o, &err), &err);
    run_session(s, l, &in, p, plain);
    thresholds_of(threshold, p, (int64_t)n);
    for (int i = 1; i < THRESHOLDS; i += 2) {
        m->m->config.predict.threshold.v[0] = threshold[i];
        run_session(s, l, &in, p, mask);
        un_test_note("from %g on: %lld of %zu pixels are others", threshold[i],
            (long long)check_mask(p, plain, mask, (int64_t)n, threshold[i]), n);
        compare(m, l); /* with the way of files, and of memory what is stated */
    }
    unet_session_destroy(s);
    un_free(p);
    un_free(plain);
    un_free(mask);
    free(room);
    unet_model_destroy(m);
    unet_context_destroy(c);
}

TEST(sessions)
{
    check_session(TWO_RGB, 0.5f, &(layout){UN_DTYPE_U8, 1, 12, 600, 3, 0});
    check_session(TWO_RGB "data.scale=0.6", 0.5f, &(layout){UN_DTYPE_U16, 1, 45, 70, 3, 1});
    check_session(TWO_RGB "predict.mode=blend train.patch=[1,32,32]", 0.5f, &(layout){UN_DTYPE_U8, 1, 45, 70, 3, 0});
    check_session(TWO_CT, 0.5f, &(layout){UN_DTYPE_I16, 9, 20, 24, 1, 1});
}

/* ---- the model file ---- */

TEST(kept_in_the_model_file)
{
    const double values[] = {0.5 - 0x1p-54, 0.1, 1e-9, 1 - 1e-9};
    unet_context *c = context(1);
    char path[600];

    snprintf(path, sizeof path, "%s/threshold.safetensors", un_test_tmp());
    for (int i = 0; i < (int)(sizeof values / sizeof *values); i++) {
        unet_model *m = model(c, TWO "model.in_channels=1 model.depth=1");
        un_model *read;

        m->m->config.predict.threshold.v[0] = values[i];
        CHECK_OK(un_model_save(m->m, path, &err), &err);
        CHECK_OK(un_model_load(&read, NULL, path, &err), &err);
        CHECK_INT(read->config.predict.threshold.n, 1);
        CHECK(!memcmp(&read->config.predict.threshold.v[0], &values[i], sizeof values[i]));
        unet_model_destroy(m);
        un_model_destroy(read);
    }
    unet_context_destroy(c);
}
