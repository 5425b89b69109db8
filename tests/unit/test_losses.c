/* Every loss of the registry against PyTorch: tests/golden/losses.safetensors, made by tools/loss_golden.py. Logits and
 * targets come from one formula on both sides. And the same bits for any number of threads, refusals, moving alphas. */
#include "test.h"

#include "golden_fill.h"

#include "backend/backend.h"
#include "base/size.h"
#include "config/losses.h"
#include "graph/planner.h"
#include "io/safetensors.h"
#include "kernels/args.h"
#include "model/build.h"
#include "train/terms.h"

static unet_error err;
static un_config cfg;

/* A loss over logits, in double or float. */
typedef struct bench {
    un_graph *g;
    un_plan *plan;
    un_program *program;
    un_loss_term term[UN_CFG_MAX_term];
    un_loss_inputs in;
    un_shape logits;
    int doubles;
} bench;

static void *as_real(const bench *b, const double *v, int64_t n)
{
    float *f = un_alloc_array(NULL, (size_t)n, b->doubles ? sizeof *v : sizeof *f);

    if (b->doubles)
        memcpy(f, v, (size_t)n * sizeof *v);
    else
        for (int64_t i = 0; i < n; i++)
            f[i] = (float)v[i];
    return f;
}

static double real_at(const bench *b, const void *v, int64_t i)
{
    return b->doubles ? ((const double *)v)[i] : (double)((const float *)v)[i];
}

static void open_bench(bench *b, const char *text, un_shape pixels, int doubles, int moving, un_pool *pool)
{
    const un_plan_options o = {.doubles = doubles};
    un_program_spec spec = {.pool = pool, .level = doubles ? UN_CPU_REF : un_cpu_best()};
    un_shape inputs[5] = {pixels, pixels, pixels};
    int n = 3;

    memset(b, 0, sizeof *b);
    b->doubles = doubles;
    b->logits = pixels;
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_parse(&cfg, NULL, text, strlen(text), "case", &err), &err);
    if (cfg.loss.class_weights.n == UN_CFG_LIST_AUTO)
        cfg.loss.class_weights.n = 0;
    CHECK_OK(un_config_check(&cfg, &err), &err);
    b->logits.c = un_model_channels(&cfg.model);
    CHECK_OK(un_graph_create(&b->g, NULL, &err), &err);
    b->in.logits = un_graph_input(b->g, "logits", UN_TYPE_REAL, b->logits.c);
    b->in.target = un_loss_target(b->g, &cfg);
    b->in.pixel_weight = un_graph_input(b->g, "pixel_weight", UN_TYPE_F32, 1);
    b->in.class_weight = un_loss_class_weights(b->g, &cfg);
    un_loss_terms_add(b->term, b->g, &cfg, &b->in, moving);
    for (int i = 0; i < b->g->n_nodes; i++) /* gradients that are kept */
        un_graph_output(b->g, b->g->node[i].out[1]);
    CHECK_OK(un_graph_check(b->g, &err), &err);
    inputs[0] = b->logits;
    inputs[1].c = cfg.model.head == UN_CFG_HEAD_MULTILABEL ? b->logits.c : 1;
    if (b->in.class_weight != UN_NONE)
        inputs[n++] = (un_shape){1, 1, 1, 1, cfg.loss.class_weights.n};
    inputs[n] = (un_shape){1, 1, 1, 1, 1};
    CHECK_OK(un_plan_create(&b->plan, NULL, b->g, inputs, &o, &err), &err);
    spec.plan = b->plan;
    CHECK_OK(un_backend_cpu()->compile(&b->program, NULL, &spec, &err), &err);
}

static void close_bench(bench *b)
{
    un_backend_cpu()->destroy(b->program);
    un_plan_destroy(b->plan);
    un_graph_destroy(b->g);
}

/* ---- data by the formula of the script ---- */

static double *fill(const char *what, const char *name, int64_t count)
{
    char text[128];

    snprintf(text, sizeof text, "%s.%s", what, name);
    return golden_fill(text, count);
}

/* Losses that take masks between 0 and 1 as they are. */
static int is_soft(un_cfg_loss_name loss)
{
    static const un_cfg_loss_name hard[] = {UN_CFG_LOSS_LOVASZ, UN_CFG_LOSS_LOVASZ_HINGE, UN_CFG_LOSS_BOUNDARY,
        UN_CFG_LOSS_HAUSDORFF, UN_CFG_LOSS_CLDICE, UN_CFG_LOSS_SSIM_EDGE};

    for (size_t i = 0; i < UN_COUNT(hard); i++)
        if (hard[i] == loss)
            return 0;
    return 1;
}

static void upload_target(const bench *b, const char *name, int ignore)
{
    const int64_t pixels = un_shape_pixels(b->logits), count = un_shape_count(b->logits);
    const int soft = cfg.model.head == UN_CFG_HEAD_MULTILABEL, third = is_soft(cfg.loss.terms.v[0].name);
    double *v = fill("target", name, soft ? count : pixels), *w = fill("weight", name, pixels),
           *drop = fill("ignore", name, pixels);
    float *weight = un_alloc_array(NULL, (size_t)pixels, sizeof *weight),
          *planes = un_alloc_array(NULL, (size_t)count, sizeof *planes);
    int32_t *index = un_alloc_array(NULL, (size_t)pixels, sizeof *index);

    for (int64_t i = 0; i < count && soft; i++)
        planes[i] = third && i % 3 == 0 ? (float)((v[i] + 1) / 2) : v[i] < -0.25;
    for (int64_t i = 0; i < pixels; i++) {
        const int dropped = ignore && drop[i] < -0.75;

        weight[i] = ignore ? (float)(w[i] + 1.25) : 1;
        index[i] = soft || dropped ? -1 : (int32_t)((v[i] + 1) / 2 * cfg.model.classes);
        if (dropped && (soft || i % 2)) /* both ways of leaving a pixel out */
            weight[i] = 0;
        if (!soft && dropped && i % 2)
            index[i] = 0;
    }
    un_backend_cpu()->upload(b->program, b->in.target, soft ? (const void *)planes : index);
    un_backend_cpu()->upload(b->program, b->in.pixel_weight, weight);
    un_free(v), un_free(w), un_free(drop), un_free(weight), un_free(planes), un_free(index);
}

static void upload_logits(const bench *b, const char *name)
{
    const int64_t count = un_shape_count(b->logits);
    double *z = fill("logits", name, count);
    void *real;

    for (int64_t i = 0; i < count; i++)
        z[i] *= 3;
    real = as_real(b, z, count);
    un_backend_cpu()->upload(b->program, b->in.logits, real);
    un_free(z), un_free(real);
}

static void upload_weights(const bench *b)
{
    float w[UN_CFG_LIST_MAX];

    for (int i = 0; i < cfg.loss.class_weights.n; i++)
        w[i] = (float)cfg.loss.class_weights.v[i];
    if (b->in.class_weight != UN_NONE)
        un_backend_cpu()->upload(b->program, b->in.class_weight, w);
}

/* Runs; returns the value before the term's weight, and the gradient of all parts. */
static double run_bench(const bench *b, double alpha, double *grad)
{
    const int64_t count = un_shape_count(b->logits);
    double parts[UN_TERM_PARTS], number;
    float now = (float)alpha;
    void *each = un_alloc_array(NULL, (size_t)count, sizeof(double));
    un_step step = {.step = 1};

    memset(grad, 0, (size_t)count * sizeof *grad);
    if (b->term[0].alpha != UN_NONE)
        un_backend_cpu()->upload(b->program, b->term[0].alpha, &now);
    CHECK_OK(un_backend_cpu()->run(b->program, &step, &err), &err);
    for (int i = 0, at = 0; i < b->g->n_nodes; i++) {
        un_backend_cpu()->download(b->program, b->term[0].value[at], &number);
        parts[at++] = real_at(b, &number, 0);
        un_backend_cpu()->download(b->program, b->g->node[i].out[1], each);
        for (int64_t k = 0; k < count; k++)
            grad[k] += real_at(b, each, k);
    }
    un_free(each);
    return un_loss_term_value(&b->term[0], alpha, parts);
}

/* ---- PyTorch ---- */

static void compare(const un_safetensors *golden, const char *name, int doubles)
{
    char key[128];
    const un_st_tensor *value, *grad;
    const int dims = name[strlen(name) - 1] - '0';
    const un_shape pixels = dims == 2 ? (un_shape){2, 1, 6, 7, 1} : (un_shape){2, 3, 4, 5, 1};
    const double tolerance = doubles ? 2e-7 : 2e-5;
    float want, *w;
    double *got, v, most = 0;
    bench b;

    snprintf(key, sizeof key, "case.%s", name);
    if (!un_safetensors_meta(golden, key))
        un_test_fail(__FILE__, __LINE__, "%s has no case in tools/loss_golden.py", name);
    open_bench(&b, un_safetensors_meta(golden, key), pixels, doubles, 0, NULL);
    upload_logits(&b, name);
    upload_target(&b, name, dims == 2);
    upload_weights(&b);
    snprintf(key, sizeof key, "%s/value", name);
    value = un_safetensors_find(golden, key);
    snprintf(key, sizeof key, "%s/grad", name);
    grad = un_safetensors_find(golden, key);
    CHECK(value && grad && grad->count == un_shape_count(b.logits));
    w = un_alloc(NULL, (size_t)grad->count * sizeof *w);
    got = un_alloc(NULL, (size_t)grad->count * sizeof *got);
    CHECK_OK(un_st_to_f32(value, &want, &err), &err);
    CHECK_OK(un_st_to_f32(grad, w, &err), &err);
    v = run_bench(&b, b.term[0].to, got);
    if (!(fabs(v - (double)want) <= tolerance * (1 + fabs((double)want))))
        un_test_fail(__FILE__, __LINE__, "%s: value %.9g, PyTorch has %.9g", name, v, (double)want);
    for (int64_t i = 0; i < grad->count; i++)
        most = fmax(most, fabs((double)w[i]));
    CHECK(most > 0);
    for (int64_t i = 0; i < grad->count; i++)
        if (!(fabs(got[i] - (double)w[i]) <= tolerance * most))
            un_test_fail(
                __FILE__, __LINE__, "%s: gradient %d is %.9g, PyTorch has %.9g", name, (int)i, got[i], (double)w[i]);
    un_free(w), un_free(got);
    close_bench(&b);
}

/* Each row of the registry, with each head it names, in 2-D and 3-D: one without a case fails. */
TEST(pytorch)
{
    un_safetensors *golden;
    char name[64];
    int n = 0;

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/losses.safetensors"), &err), &err);
    for (int i = 0; i < un_loss_count(); i++) {
        const un_loss_info *info = un_loss_info_of((un_cfg_loss_name)i);

        CHECK(info->heads[0] && info->formula[0] && info->paper[0] && info->when[0]);
        for (const char *h = info->heads; *h; h++)
            for (int dims = 2; dims <= 3; dims++, n++) {
                snprintf(name, sizeof name, "%s/%c/%d", info->name, *h, dims);
                compare(golden, name, 1);
                compare(golden, name, 0);
            }
    }
    un_test_note("%d losses in %d cases", un_loss_count(), n);
    un_safetensors_close(golden);
}

/* ---- threads ---- */

static const char *config_text(un_cfg_loss_name loss, char head, int dims)
{
    static char text[300];

    snprintf(text, sizeof text,
        "model: {dims: %d, classes: %d, head: %s}\nloss: {terms: [%s], class_weights: none, dice_batch: false}\n", dims,
        head == 'B' ? 2 : 3,
        head == 'S'   ? "softmax"
        : head == 'B' ? "sigmoid"
                      : "multilabel",
        un_loss_info_of(loss)->name);
    return text;
}

static void same_bits(un_cfg_loss_name loss, char head)
{
    static const int threads[] = {1, 2, 3, 8};
    const un_shape pixels = {2, 1, 150, 120, 1}; /* several blocks, runs and rows of each kind */
    double value[UN_COUNT(threads)], *grad[UN_COUNT(threads)];
    const char *text = config_text(loss, head, 2);
    size_t bytes = 0;

    for (size_t i = 0; i < UN_COUNT(threads); i++) {
        un_pool *pool;
        bench b;

        CHECK_OK(un_pool_create(&pool, NULL, threads[i], &err), &err);
        open_bench(&b, text, pixels, 0, 0, pool);
        bytes = (size_t)un_shape_count(b.logits) * sizeof(double);
        grad[i] = un_alloc(NULL, bytes);
        upload_logits(&b, "threads");
        upload_target(&b, "threads", 1);
        value[i] = run_bench(&b, 1, grad[i]);
        CHECK(isfinite(value[i]));
        if (memcmp(&value[0], &value[i], sizeof *value) != 0 || memcmp(grad[0], grad[i], bytes) != 0)
            un_test_fail(__FILE__, __LINE__, "%s: %d threads give other bits", un_loss_info_of(loss)->name, threads[i]);
        close_bench(&b);
        un_pool_destroy(pool);
    }
    for (size_t i = 0; i < UN_COUNT(threads); i++)
        un_free(grad[i]);
}

TEST(threads)
{
    for (int i = 0; i < un_loss_count(); i++)
        same_bits((un_cfg_loss_name)i, un_loss_info_of((un_cfg_loss_name)i)->heads[0]);
}

/* ---- alpha ---- */

/* The course of alpha, and that the kernels follow it: the gradient of a moving term is that of a fixed one. */
TEST(moving_alpha)
{
    static const char *const rows[] = {"combo", "tversky", "dice", "focal", "sce"};
    const un_shape pixels = {1, 1, 6, 7, 1};
    const int64_t count = 6 * 7 * 3;
    double *moved = un_alloc_array(NULL, (size_t)count, sizeof *moved),
           *fixed = un_alloc_array(NULL, (size_t)count, sizeof *fixed);

    for (size_t i = 0; i < UN_COUNT(rows); i++) {
        char text[256];
        double a, v, w;
        bench b;

        snprintf(text, sizeof text,
            "model: {dims: 2, classes: 3, head: softmax}\nloss: {terms: [{name: %s, weight: 0.5, alpha: 0.125, "
            "alpha_end: "
            "0.625, alpha_span: [0.25, 0.75]}]}\n",
            rows[i]);
        open_bench(&b, text, pixels, 1, 1, NULL);
        CHECK_NEAR(un_loss_term_alpha(&b.term[0], 1, 101), 0.125, 0);
        CHECK_NEAR(un_loss_term_alpha(&b.term[0], 26, 101), 0.125, 0);
        CHECK_NEAR(un_loss_term_alpha(&b.term[0], 76, 101), 0.625, 0);
        CHECK_NEAR(un_loss_term_alpha(&b.term[0], 101, 101), 0.625, 0);
        CHECK_NEAR(un_loss_term_alpha(&b.term[0], 41, 101), 0.275, 1e-15); /* 0.3 of the way */
        a = un_loss_term_alpha(&b.term[0], 51, 101);
        CHECK_NEAR(a, 0.375, 1e-15);
        upload_logits(&b, "alpha");
        upload_target(&b, "alpha", 0);
        v = run_bench(&b, a, moved);
        close_bench(&b);
        snprintf(text, sizeof text,
            "model: {dims: 2, classes: 3, head: softmax}\nloss: {terms: [{name: %s, weight: 0.5, alpha: 0.375}]}\n",
            rows[i]);
        open_bench(&b, text, pixels, 1, 1, NULL);
        CHECK_INT(b.term[0].alpha, UN_NONE);
        upload_logits(&b, "alpha");
        upload_target(&b, "alpha", 0);
        w = run_bench(&b, b.term[0].to, fixed);
        CHECK_NEAR(v, w, 1e-14);
        for (int64_t k = 0; k < count; k++)
            CHECK_NEAR(moved[k], fixed[k], 1e-15);
        close_bench(&b);
    }
    un_free(moved), un_free(fixed);
}

/* ---- edges ---- */

/* Half of the picture is of class 1; the network errs deep inside of it, where no window holds an edge. The weight of
 * edge windows then only makes the sum of weights larger, by delta for each of them: 2 radius columns. */
static double ssim_value(const char *keys)
{
    enum { SIDE = 32 };
    const un_shape pixels = {1, 1, SIDE, SIDE, 1};
    double z[SIDE * SIDE], grad[SIDE * SIDE], value;
    int32_t target[SIDE * SIDE];
    float weight[SIDE * SIDE];
    char text[200];
    bench b;

    snprintf(text, sizeof text,
        "model: {dims: 2, classes: 2, head: sigmoid}\nloss: {terms: [{name: ssim_edge, radius: 2, %s}]}\n", keys);
    open_bench(&b, text, pixels, 1, 0, NULL);
    for (int i = 0; i < SIDE * SIDE; i++) {
        const int x = i % SIDE, y = i / SIDE, wrong = x > 3 && x < 7 && y > 14 && y < 18;

        target[i] = x < SIDE / 2;
        weight[i] = 1;
        z[i] = (target[i] && !wrong) ? 100 : -100;
    }
    un_backend_cpu()->upload(b.program, b.in.logits, z);
    un_backend_cpu()->upload(b.program, b.in.target, target);
    un_backend_cpu()->upload(b.program, b.in.pixel_weight, weight);
    value = run_bench(&b, 1, grad);
    close_bench(&b);
    return value;
}

TEST(edges)
{
    const double plain = ssim_value("delta: 0"), heavy = ssim_value("delta: 4");

    CHECK(plain > 0.01);
    CHECK_NEAR(plain / heavy, (32.0 + 4 * 4) / 32, 1e-9);
}

/* ---- classes that do not occur ---- */

enum { FEW = 8 };
static const int32_t few_target[FEW] = {0, 0, 1, 0, 0, 1, 0, 0}; /* no 2 */

static double few_value(const char *loss, const char *weights, const double *z)
{
    double grad[FEW * 3], value;
    float ones[FEW];
    char text[200];
    bench b;

    snprintf(text, sizeof text, "model: {dims: 2, classes: 3, head: softmax}\nloss: {terms: [%s], class_weights: %s}\n",
        loss, weights);
    open_bench(&b, text, (un_shape){1, 1, 2, 4, 1}, 1, 0, NULL);
    for (int i = 0; i < FEW; i++)
        ones[i] = 1;
    un_backend_cpu()->upload(b.program, b.in.logits, z);
    un_backend_cpu()->upload(b.program, b.in.target, few_target);
    un_backend_cpu()->upload(b.program, b.in.pixel_weight, ones);
    upload_weights(&b);
    value = run_bench(&b, 1, grad);
    close_bench(&b);
    return value;
}

/* Lovasz leaves such a class out, whatever its weight; generalised Dice gives it the largest weight of those that
 * occur. */
TEST(absent_class)
{
    double *z = fill("logits", "absent", FEW * 3), both[3] = {0}, p_sum[3] = {0}, size[3] = {0}, top = 0, bottom = 0;

    CHECK_NEAR(few_value("lovasz", "[1, 2, 1]", z), few_value("lovasz", "[1, 2, 50]", z), 1e-14);
    for (int i = 0; i < FEW; i++) {
        const double sum = exp(z[i * 3]) + exp(z[i * 3 + 1]) + exp(z[i * 3 + 2]);

        for (int k = 0; k < 3; k++) {
            both[k] += few_target[i] == k ? exp(z[i * 3 + k]) / sum : 0;
            p_sum[k] += exp(z[i * 3 + k]) / sum;
            size[k] += few_target[i] == k;
        }
    }
    for (int k = 0; k < 3; k++) {
        const double v = 1 / (size[k] > 0 ? size[k] * size[k] : size[1] * size[1]); /* class 1 is the rarest */

        top += 2 * v * both[k];
        bottom += v * (p_sum[k] + size[k]);
    }
    CHECK_NEAR(few_value("generalised_dice", "none", z), 1 - top / bottom, 1e-12);
    un_free(z);
}

/* ---- refusals ---- */

TEST(refusals)
{
    static const char *const wrong[][2] = {
        {"model: {head: softmax}\nloss: {terms: [lovasz_hinge]}", "a softmax head takes lovasz"},
        {"model: {head: softmax}\nloss: {terms: [bce]}", "a softmax head takes ce"},
        {"loss: {terms: [{name: dice, gamma: 2}]}", "dice has no gamma"},
        {"loss: {terms: [{name: focal, gamma: 20}]}", "gamma of focal is 20; it goes from 0 to 10"},
        {"loss: {terms: [{name: combo, alpha: 2}]}", "alpha of combo is 2"},
        {"loss: {terms: [{name: combo, alpha_end: 2}]}", "alpha_end of combo is 2"},
        {"loss: {terms: [{name: focal, alpha_end: 0.5}]}", "alpha_end of focal needs an alpha"},
        {"loss: {terms: [{name: ce, weight: 0}]}", "all weights are 0"},
    };

    for (size_t i = 0; i < UN_COUNT(wrong); i++) {
        CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
        CHECK_OK(un_config_parse(&cfg, NULL, wrong[i][0], strlen(wrong[i][0]), "case", &err), &err);
        CHECK_STATUS(un_config_check(&cfg, &err), UNET_E_CONFIG);
        CHECK(strstr(err.message, wrong[i][1]));
    }
}
