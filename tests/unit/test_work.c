/* The gate without a clock: what each layer of four networks does at each CPU level, against
 * tests/golden/work-LEVEL.tsv. Nothing is run, so that levels which this machine lacks are checked too. A change that
 * is meant: UNET_TEST_WRITE=1 writes the files. */
#include "test.h"

#include <stdlib.h>

#include "backend/backend.h"
#include "base/file.h"
#include "graph/planner.h"
#include "kernels/args.h"
#include "model/file.h"
#include "train/objective.h"
#include "train/schedule.h"

static unet_error err;

static const double MAY_DIFFER = 0.03; /* share of a figure */

typedef struct network {
    const char *name;
    int training;
    un_shape image;
    const char *text;
} network;

#define CLASSIC "classes: 2, head: softmax, norm: batch, base_filters: "
static const network networks[] = {
    {"predict-2d", 0, {1, 1, 128, 128, 3}, "model: {dims: 2, in_channels: 3, depth: 4, " CLASSIC "32}"},
    {"predict-3d", 0, {1, 24, 32, 24, 1}, "model: {dims: 3, in_channels: 1, depth: 3, " CLASSIC "16}"},
    {"train-2d", 1, {2, 1, 64, 64, 3},
        "model: {dims: 2, in_channels: 3, depth: 4, " CLASSIC "16}\n"
        "train: {steps: 9, batch: 2, patch: [64, 64]}"},
    {"train-3d", 1, {2, 16, 24, 16, 1},
        "model: {dims: 3, in_channels: 1, depth: 3, " CLASSIC "8}\n"
        "train: {steps: 9, batch: 2, patch: [16, 24, 16]}"},
};

static un_plan *plan_of(const network *n, const un_model *m, un_objective **objective)
{
    const un_plan_options training = {.training = 1};
    un_shape inputs[4] = {n->image};
    un_plan *plan;

    *objective = NULL;
    if (n->training) {
        CHECK_OK(un_objective_create(objective, NULL, m->graph, &m->config, 0, &err), &err);
        CHECK_OK(un_objective_inputs(*objective, n->image, inputs, &err), &err);
        CHECK_OK(un_plan_create(&plan, NULL, (*objective)->accumulate, inputs, &training, &err), &err);
    } else
        CHECK_OK(un_plan_create(&plan, NULL, m->graph, inputs, NULL, &err), &err);
    return plan;
}

/* A line a node that runs: network, node, operator, kernel without its level, multiply-adds, bytes, regions. */
static void list_network(un_text *t, const network *n, un_cpu_level level)
{
    const un_backend *b = un_backend_cpu();
    un_config *c = un_alloc(NULL, sizeof *c);
    un_model *m;
    un_objective *objective;
    un_program_spec spec = {.level = level, .keep_packed = !n->training};
    un_plan *plan;
    un_program *program;

    CHECK_OK(un_config_init(c, NULL, &err), &err);
    CHECK_OK(un_config_parse(c, NULL, n->text, strlen(n->text), "test", &err), &err);
    if (n->training)
        CHECK_OK(un_train_settle(c, 2, &err), &err);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    plan = plan_of(n, m, &objective);
    spec.plan = plan;
    spec.blocks.param = spec.blocks.grad = m->weights; /* addresses only: nothing is run */
    CHECK_OK(b->compile(&program, NULL, &spec, &err), &err);
    for (int i = 0; i < plan->graph->n_nodes; i++) {
        const un_node *node = &plan->graph->node[i];
        un_work w;

        b->work(&w, program, i);
        if (w.kernel)
            un_text_printf(t, "%s\t%s\t%s\t%s\t%.0f\t%.0f\t%d\n", n->name, node->name, un_op_describe(node->op)->name,
                w.kernel, w.macs, w.bytes, w.regions);
    }
    b->destroy(program);
    un_plan_destroy(plan);
    un_objective_destroy(objective);
    un_model_destroy(m);
    un_free(c);
}

static int differ(double a, double b)
{
    return fabs(a - b) > MAY_DIFFER * fabs(b);
}

/* The length of the text up to the n-th tab. */
static size_t words(const char *line, int n)
{
    const char *at = line;

    while (*at && *at != '\n' && (*at != '\t' || --n))
        at++;
    return (size_t)(at - line);
}

static void compare(const char *got, const char *want, const char *file)
{
    const char *const again = "UNET_TEST_WRITE=1 build/tests/test_work, if it is meant to be";
    double worst = 0;
    int lines = 0;

    for (; *got && *want; got = strchr(got, '\n') + 1, want = strchr(want, '\n') + 1, lines++) {
        const size_t names = words(want, 4);
        double g[3], w[3];

        if (words(got, 4) != names || memcmp(got, want, names))
            un_test_fail(
                file, lines + 1, "'%.*s' where '%.*s' is stored; %s", (int)words(got, 4), got, (int)names, want, again);
        CHECK_INT(sscanf(got + names, "%lf %lf %lf", &g[0], &g[1], &g[2]), 3);
        CHECK_INT(sscanf(want + names, "%lf %lf %lf", &w[0], &w[1], &w[2]), 3);
        for (int i = 0; i < 3; i++)
            if (differ(g[i], w[i]))
                un_test_fail(file, lines + 1, "%.*s: multiply-adds, bytes, regions are%.*s, stored are%.*s; %s",
                    (int)names, want, (int)strcspn(got + names, "\n"), got + names, (int)strcspn(want + names, "\n"),
                    want + names, again);
            else
                worst = fmax(worst, w[i] > 0 ? fabs(g[i] / w[i] - 1) : 0);
    }
    if (*got || *want)
        un_test_fail(file, lines + 1, "%s layer than stored: '%.40s'; %s", *got ? "one more" : "one fewer",
            *got ? got : want, again);
    un_test_note("%s: %d layers, largest difference %.1f %%", file, lines, 100 * worst);
}

static int is_compiled(int level)
{
    for (int i = 0; i < un_kernel_count; i++)
        if (un_kernels[i]->level == level)
            return 1;
    return 0;
}

TEST(work_of_each_layer)
{
    int levels = 0;

    for (int level = UN_CPU_REF + 1; level < UN_CPU_LEVEL_COUNT; level++) {
        unsigned char *stored;
        char file[64];
        size_t size;
        un_text t, want;

        if (!is_compiled(level) || level == UN_CPU_NEON) /* no figures are stored of that */
            continue;
        levels++;
        snprintf(file, sizeof file, "tests/golden/work-%s.tsv", un_cpu_level_name((un_cpu_level)level));
        un_text_init(&t, NULL, 1 << 20);
        for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
            list_network(&t, &networks[i], (un_cpu_level)level);
        CHECK(!t.failed);
        if (getenv("UNET_TEST_WRITE"))
            CHECK_OK(un_file_write(NULL, un_test_source(file), t.s, t.n, &err), &err);
        CHECK_OK(un_file_read(&stored, &size, NULL, un_test_source(file), 1 << 20, &err), &err);
        CHECK(size > 0 && stored[size - 1] == '\n');
        un_text_init(&want, NULL, 1 << 20);
        un_text_add_n(&want, (const char *)stored, size);
        compare(t.s, want.s, file);
        un_free(stored);
        un_text_free(&want);
        un_text_free(&t);
    }
    if (!levels)
        un_test_skip("no level with stored figures is compiled for this kind of processor");
}

static un_view dense(int n, int d, int h, int w, int c)
{
    return (un_view){.n = n,
        .d = d,
        .h = h,
        .w = w,
        .c = c,
        .sw = c,
        .sh = (ptrdiff_t)w * c,
        .sd = (ptrdiff_t)h * w * c,
        .sn = (ptrdiff_t)d * h * w * c};
}

/* Sums that a weight gradient keeps apart take 8 MiB at most, or the room of the gradient itself. */
TEST(partial_sums_are_few)
{
    static const struct layer {
        int in, out, k, kd, d, h;
    } layers[] = {{64, 64, 3, 1, 1, 256}, {128, 64, 3, 1, 1, 256}, {192, 320, 3, 1, 1, 96}, {64, 128, 3, 3, 32, 64},
        {64, 64, 7, 1, 1, 128}, {48, 96, 5, 5, 24, 48}, {512, 512, 3, 1, 1, 32}, {1, 16, 3, 1, 1, 512}};
    int seen = 0;

    for (size_t l = 0; l < sizeof layers / sizeof *layers; l++)
        for (int i = 0; i < un_kernel_count; i++) {
            const struct layer *y = &layers[l];
            const un_kernel *k = un_kernels[i];
            const un_wgrad_args a = {.x = dense(8, y->d, y->h, y->h, y->in),
                .dy = dense(8, y->d, y->h, y->h, y->out),
                .dw = &seen,
                .k = {y->kd, y->k, y->k},
                .stride = {1, 1, 1},
                .pad = {y->kd / 2, y->k / 2, y->k / 2},
                .dilation = {1, 1, 1},
                .groups = 1};
            const double dw = 4.0 * y->in * y->out * y->kd * y->k * y->k, mib = 1 << 20;

            if (k->family != UN_K_CONV_WGRAD || k->type != UN_KERNEL_F32 || !k->shared_bytes || !k->supports(&a))
                continue;
            seen++;
            if ((double)k->shared_bytes(&a) > fmax(8 * mib, 1.1 * dw + mib / 8))
                un_test_fail(__FILE__, __LINE__, "%s, %d->%d: %.1f MiB of sums, weights of %.1f", k->name, y->in,
                    y->out, (double)k->shared_bytes(&a) / mib, dw / mib);
        }
    CHECK(seen > 0 || un_kernel_count == 0 || un_test_level() == UN_CPU_REF);
}
