/* Networks, gradients and courses of training against PyTorch: tests/golden/torch.safetensors, made by
 * tools/torch_golden.py. Weights and batches come from one formula on both sides. */
#include "test.h"

#include "golden_fill.h"

#include "base/math.h"
#include "base/size.h"
#include "io/json.h"
#include "io/safetensors.h"
#include "kernels/args.h"
#include "run/session.h"
#include "train/engine.h"
#include "train/schedule.h"

static unet_error err;
static un_safetensors *golden;

typedef struct example {
    const char *name;
    un_model model;
    int ignore, pixel_weight, nested;
    un_cpu_level level;
    int exact;
    double worst[3]; /* at this level: logits, gradients, losses */
} example;

static void *to_float(double *v, int64_t count, double add)
{
    float *f = un_alloc(NULL, (size_t)count * sizeof *f);

    for (int64_t i = 0; i < count; i++)
        f[i] = (float)(v[i] + add);
    un_free(v);
    return f;
}

static double *fill_tagged(const char *what, int64_t step, int group, int64_t count)
{
    char name[64];

    snprintf(name, sizeof name, "%s.%d.%d", what, (int)(step % 2), group);
    return golden_fill(name, count);
}

static un_batch make_batch(const example *x, int64_t step, int group)
{
    const un_cfg_train *t = &x->model.config.train;
    const un_cfg_model *m = &x->model.config.model;
    un_batch b = {.n = t->ghost_batch,
        .d = t->patch[0],
        .h = t->patch[1],
        .w = t->patch[2],
        .c = m->in_channels,
        .classes = m->classes,
        .step = step,
        .first = group * t->ghost_batch};
    const int64_t pixels = (int64_t)b.n * b.d * b.h * b.w;

    b.image = to_float(fill_tagged("image", step, group, pixels * b.c), pixels * b.c, 0);
    if (m->head == UN_CFG_HEAD_MULTILABEL) {
        double *v = fill_tagged("target", step, group, pixels * b.classes);

        for (int64_t i = 0; i < pixels * b.classes; i++)
            v[i] = v[i] < -0.25;
        b.soft = to_float(v, pixels * b.classes, 0);
    } else {
        double *v = fill_tagged("target", step, group, pixels), *drop = fill_tagged("ignore", step, group, pixels);

        b.target = un_alloc(NULL, (size_t)pixels * sizeof *b.target);
        for (int64_t i = 0; i < pixels; i++)
            b.target[i] = x->ignore && drop[i] < -0.75 ? -1 : (int32_t)((v[i] + 1) / 2 * b.classes);
        un_free(v);
        un_free(drop);
    }
    if (x->pixel_weight)
        b.weight = to_float(fill_tagged("weight", step, group, pixels), pixels, 1.25);
    return b;
}

static void free_batch(un_batch *b)
{
    un_free(b->image);
    un_free(b->target);
    un_free(b->soft);
    un_free(b->weight);
}

/* ---- examples ---- */

/* UNet++ of three levels (Zhou et al. 2018), no deep supervision. */
static int conv_act(un_graph *g, const char *name, int x, int ci, int co, int k)
{
    char text[64];
    int in[3] = {x};
    un_attr a = {.conv = {.k = {1, k, k},
                     .stride = {1, 1, 1},
                     .dilation = {1, 1, 1},
                     .pad = {0, k / 2, k / 2},
                     .pad_end = {0, k / 2, k / 2},
                     .groups = 1}};

    snprintf(text, sizeof text, "%s.weight", name);
    in[1] = un_graph_param(g, text, UN_PARAM_WEIGHT, 1, 4, (int[]){co, ci, k, k});
    snprintf(text, sizeof text, "%s.bias", name);
    in[2] = un_graph_param(g, text, UN_PARAM_BIAS, 1, 1, &co);
    x = un_graph_op(g, UN_OP_CONV, name, in, 3, &a);
    if (k == 1)
        return x;
    a = (un_attr){.act = {UN_ACT_RELU, 0}};
    return un_graph_op(g, UN_OP_ACT, name, &x, 1, &a);
}

static int up_conv(un_graph *g, const char *name, int x, int ci, int co)
{
    char text[64];
    int in[3] = {x};
    const un_attr a = {.conv = {.k = {1, 2, 2}, .stride = {1, 2, 2}, .dilation = {1, 1, 1}, .groups = 1}};

    snprintf(text, sizeof text, "%s.weight", name);
    in[1] = un_graph_param(g, text, UN_PARAM_WEIGHT, 1, 4, (int[]){ci, co, 2, 2});
    snprintf(text, sizeof text, "%s.bias", name);
    in[2] = un_graph_param(g, text, UN_PARAM_BIAS, 1, 1, &co);
    return un_graph_op(g, UN_OP_CONV_TRANSPOSE, name, in, 3, &a);
}

static un_graph *nested_graph(const un_cfg_model *m)
{
    static const un_attr pool = {.pool = {.k = {1, 2, 2}, .stride = {1, 2, 2}}}, soft = {.softmax = {0}};
    un_graph *g;
    int x[3][3], f[3], at;
    char name[16];

    CHECK_OK(un_graph_create(&g, NULL, &err), &err);
    at = un_graph_input(g, "image", UN_TYPE_REAL, m->in_channels);
    for (int i = 0; i < 3; i++) {
        f[i] = un_model_filters(m, i);
        if (i)
            at = un_graph_op(g, UN_OP_MAX_POOL, "pool", &x[i - 1][0], 1, &pool);
        snprintf(name, sizeof name, "x%d0", i);
        at = x[i][0] = conv_act(g, name, at, i ? f[i - 1] : m->in_channels, f[i], 3);
    }
    for (int j = 1; j < 3; j++)
        for (int i = 0; i < 3 - j; i++) {
            int in[3];

            snprintf(name, sizeof name, "up%d%d", i, j);
            for (int k = 0; k < j; k++)
                in[k] = x[i][k];
            in[j] = up_conv(g, name, x[i + 1][j - 1], f[i + 1], f[i]);
            at = un_graph_op(g, UN_OP_CONCAT, name, in, j + 1, NULL);
            snprintf(name, sizeof name, "x%d%d", i, j);
            x[i][j] = conv_act(g, name, at, (j + 1) * f[i], f[i], 3);
        }
    at = conv_act(g, "head", x[0][2], f[0], m->classes, 1);
    un_graph_output(g, at);
    un_graph_output(g, un_graph_op(g, UN_OP_SOFTMAX, "probabilities", &at, 1, &soft));
    CHECK_OK(un_graph_check(g, &err), &err);
    return g;
}

static void open_example(example *x, const char *name)
{
    char key[64];
    const char *text;
    un_json *extra;
    un_model *m = &x->model;

    memset(x, 0, sizeof *x);
    x->name = name;
    snprintf(key, sizeof key, "extra.%s", name);
    text = un_safetensors_meta(golden, key);
    CHECK(text != NULL);
    CHECK_OK(un_json_parse(&extra, NULL, text, strlen(text), "golden", &err), &err);
    CHECK(un_json_bool(un_json_get(extra, "ignore"), &x->ignore));
    CHECK(un_json_bool(un_json_get(extra, "pixel_weight"), &x->pixel_weight));
    x->nested = !strcmp(un_json_string(un_json_get(extra, "graph")), "nested");
    un_json_free(extra);
    snprintf(key, sizeof key, "case.%s", name);
    text = un_safetensors_meta(golden, key);
    CHECK_OK(un_config_init(&m->config, NULL, &err), &err);
    CHECK_OK(un_config_parse(&m->config, NULL, text, strlen(text), name, &err), &err);
    CHECK_OK(un_train_settle(&m->config, 0, &err), &err);
    if (x->nested)
        m->graph = nested_graph(&m->config.model);
    else
        CHECK_OK(un_model_build(&m->graph, NULL, &m->config.model, &err), &err);
    m->weights = un_alloc_array(NULL, (size_t)m->graph->block_count, sizeof *m->weights);
    golden_weights(m);
}

static void close_example(example *x)
{
    un_graph_destroy(x->model.graph);
    un_free(x->model.weights);
}

static const un_st_tensor *expected(const example *x, const char *what)
{
    char name[400];
    const un_st_tensor *t;

    snprintf(name, sizeof name, "%s/%s", x->name, what);
    t = un_safetensors_find(golden, name);
    if (!t)
        un_test_fail(__FILE__, __LINE__, "the golden file lacks %s", name);
    return t;
}

static float *values(const un_st_tensor *t)
{
    float *v = un_alloc(NULL, t->size);

    CHECK_OK(un_st_to_f32(t, v, &err), &err);
    return v;
}

static double largest(const float *v, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)v[i]));
    return most;
}

/* Largest difference in units of the reference's largest value, or of `least` when that is more. */
static double difference(const float *got, const un_st_tensor *want, int64_t count, double scale, double least)
{
    float *w = values(want);
    double worst = 0;

    CHECK_INT(want->count, count);
    least = fmax(least, largest(w, count));
    for (int64_t i = 0; i < count; i++)
        worst = fmax(worst, fabs((double)got[i] * scale - (double)w[i]));
    un_free(w);
    return worst / least;
}

/* ---- the three comparisons ---- */

static void compare_logits(example *x)
{
    const un_session_options o = {.level = x->level, .exact = x->exact};
    un_batch b = make_batch(x, 1, 0);
    un_session *s;
    float *logits;
    double off;
    int64_t count;

    CHECK_OK(un_session_create(&s, NULL, &x->model, (un_shape){b.n, b.d, b.h, b.w, b.c}, &o, &err), &err);
    count = un_shape_count(un_session_output(s));
    logits = un_alloc(NULL, (size_t)count * sizeof *logits);
    CHECK_OK(un_session_run(s, b.image, logits, NULL, &err), &err);
    off = difference(logits, expected(x, "logits"), count, 1, 0);
    x->worst[0] = off;
    CHECK(off < 1e-4);
    un_free(logits);
    un_session_destroy(s);
    free_batch(&b);
}

static un_engine *start_engine(example *x)
{
    const un_engine_spec spec = {.model = &x->model,
        .backend = un_backend_cpu(),
        .level = x->level,
        .exact = x->exact,
        .pixel_weight = x->pixel_weight};
    un_engine *e;

    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    return e;
}

static void accumulate(const example *x, un_engine *e, int64_t step, int groups)
{
    for (int g = 0; g < groups; g++) {
        un_batch b = make_batch(x, step, g);

        CHECK_OK(un_engine_accumulate(e, &b, step, g, groups, &err), &err);
        free_batch(&b);
    }
}

/* A gradient that is zero in truth (a bias before a batch norm) is measured against the largest of all. */
static void compare_gradients(example *x, const un_engine *e, int groups)
{
    const un_graph *g = x->model.graph;
    const double scale = 1.0 / groups, most = largest(un_engine_gradient(e), g->block_count) * scale;

    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];
        char name[256];
        double off;

        if (!p->trainable)
            continue;
        snprintf(name, sizeof name, "grad/%s", p->name);
        off = difference(un_engine_gradient(e) + p->offset, expected(x, name), p->count, scale, 1e-2 * most);
        if (!(off < 1e-3))
            un_test_fail(
                __FILE__, __LINE__, "%s: gradient of %s is off by %g of its largest value", x->name, p->name, off);
        x->worst[1] = fmax(x->worst[1], off);
    }
}

static void compare_average(const example *x, un_engine *e)
{
    const un_graph *g = x->model.graph;

    for (int i = 0; i < g->n_params; i++) {
        char name[256];

        snprintf(name, sizeof name, "ema/%s", g->param[i].name);
        CHECK(difference(un_engine_block(e, UN_BLOCK_EMA) + g->param[i].offset, expected(x, name), g->param[i].count, 1,
                  0.01) < 1e-3);
    }
}

/* Rows of the course: loss, norm of the gradient, terms. */
static void compare_course(example *x)
{
    const un_cfg_train *t = &x->model.config.train;
    const int groups = t->batch / t->ghost_batch, terms = x->model.config.loss.terms.n;
    const un_st_tensor *want = expected(x, "course");
    float *row = values(want), *at = row;
    un_engine *e = start_engine(x);

    CHECK_INT(want->count, t->steps * (terms + 2));
    for (int64_t step = 1; step <= t->steps; step++, at += terms + 2) {
        const double lr = un_schedule_lr(&x->model.config.optimiser, step, t->steps);
        un_step_result r;

        accumulate(x, e, step, groups);
        if (step == 1)
            compare_gradients(x, e, groups);
        CHECK_OK(un_engine_apply(e, step, lr, &r, &err), &err);
        CHECK_NEAR(r.loss, at[0], 1e-3 * (double)at[0]);
        CHECK_NEAR(r.grad_norm, at[1], 1e-2 * (double)at[1]);
        for (int i = 0; i < terms; i++)
            CHECK_NEAR(r.term[i], at[2 + i], 1e-3 * (double)at[2 + i]);
        x->worst[2] = fmax(x->worst[2], fabs(r.loss / (double)at[0] - 1));
    }
    if (x->model.config.optimiser.ema_decay > 0)
        compare_average(x, e);
    un_free(row);
    un_engine_destroy(e);
}

/* At each level up to the one to test at, with and without Winograd forms. The wide networks are there for these: their
 * logits show that they were used. */
static void compare(const char *name)
{
    example *x = un_alloc(NULL, sizeof *x);
    double fast = 0;

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/torch.safetensors"), &err), &err);
    open_example(x, name);
    for (int level = 0; level <= (int)un_test_level(); level++)
        for (int exact = level == UN_CPU_REF; exact < 2 && un_cpu_has((un_cpu_level)level); exact++) {
            memset(x->worst, 0, sizeof x->worst);
            x->level = (un_cpu_level)level;
            x->exact = exact;
            golden_weights(&x->model);
            compare_logits(x);
            compare_course(x);
            CHECK(level == UN_CPU_REF || !exact || strncmp(name, "wide", 4) != 0 || fast != x->worst[0]);
            fast = x->worst[0];
            un_test_note("%s, %s%s: logits off by %.1e, gradients %.1e, losses %.1e", name, un_cpu_level_name(x->level),
                exact ? " exact" : "", x->worst[0], x->worst[1], x->worst[2]);
        }
    close_example(x);
    un_free(x);
    un_safetensors_close(golden);
}

#define CASE(name)                                                                                                     \
    TEST(name)                                                                                                         \
    {                                                                                                                  \
        compare(#name);                                                                                                \
    }

CASE(batch)
CASE(instance_bilinear)
CASE(group_nearest)
CASE(valid)
CASE(sigmoid)
CASE(multilabel)
CASE(volume)
CASE(anisotropic)
CASE(no_skips)
CASE(ghosts)
CASE(poly)
CASE(parity)
CASE(nested)
CASE(wide)
CASE(wide_volume)
CASE(wide_nested)
CASE(levels)
CASE(strided)
CASE(linear)
CASE(momentum)
CASE(valid_volume)
CASE(weighted_labels)
