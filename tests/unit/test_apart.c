/* Concatenations that are read in their parts: which, that training then gives the bits of concatenations that are
 * made, at each CPU level, and that skip connections are not kept for the backward pass. */
#include "test.h"

#include "backend/backend.h"
#include "base/rng.h"
#include "base/size.h"
#include "graph/apart.h"
#include "graph/planner.h"
#include "model/file.h"
#include "train/objective.h"
#include "train/schedule.h"

static unet_error err;

typedef struct network {
    const char *text; /* of the section model */
    un_shape image;
    int apart, made; /* concatenations of the forward pass */
} network;

#define FLAT "dims: 2, in_channels: 3, classes: 2, head: softmax, "
static const network networks[] = {
    {FLAT "depth: 2, base_filters: 16, norm: batch", {2, 1, 36, 28, 3}, 2, 0},
    {FLAT "depth: 1, base_filters: 48, norm: none", {1, 1, 12, 20, 3}, 1, 0},
    {FLAT "depth: 1, base_filters: 64, norm: batch, activation: leaky_relu", {1, 1, 14, 14, 3}, 1, 0},
    {"dims: 3, in_channels: 1, classes: 2, head: softmax, depth: 1, base_filters: 16, norm: instance", {2, 4, 10, 6, 1},
        1, 0},
    {FLAT "depth: 1, base_filters: 16, norm: batch, gate: attention", {1, 1, 20, 20, 3}, 1, 0},
    {FLAT "depth: 2, base_filters: 16, norm: batch, decoder: nested", {1, 1, 16, 16, 3}, 2, 1}, /* three parts */
    {FLAT "depth: 1, base_filters: 8, norm: batch", {1, 1, 16, 16, 3}, 0, 1},                   /* 8 channels */
    {FLAT "depth: 1, base_filters: 16, norm: batch, block: residual", {1, 1, 16, 16, 3}, 0, 1}, /* a 1x1 reads too */
    {FLAT "depth: 1, base_filters: 16, norm: batch, kernel: 5", {1, 1, 16, 16, 3}, 0, 1},
    {FLAT "depth: 1, base_filters: 16, norm: none, padding: valid", {1, 1, 28, 28, 3}, 0, 1},
};

static un_model *model_of(const network *n)
{
    un_config *c = un_alloc(NULL, sizeof *c);
    char text[600];
    un_model *m;

    snprintf(text, sizeof text,
        "model: {%s}\ntrain: {seed: 3, steps: 9, batch: %d, patch: [%d, %d, %d]}\nloss: {terms: [ce]}\n", n->text,
        n->image.n, n->image.d, n->image.h, n->image.w);
    CHECK_OK(un_config_init(c, NULL, &err), &err);
    CHECK_OK(un_config_parse(c, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_train_settle(c, n->image.n, &err), &err);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    un_free(c);
    return m;
}

static void fill(un_program *p, const un_plan *plan, int image, int target)
{
    const int64_t count = un_shape_count(plan->shape[image]), pixels = un_shape_pixels(plan->shape[target]);
    float *x = un_alloc_array(NULL, (size_t)count, sizeof *x);
    int32_t *t = un_alloc_array(NULL, (size_t)pixels, sizeof *t);
    un_rng r;

    un_rng_init(&r, 5, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)un_rng_normal(&r);
    for (int64_t i = 0; i < pixels; i++)
        t[i] = (int32_t)un_rng_below(&r, 3) - 1;
    un_backend_cpu()->upload(p, image, x);
    un_backend_cpu()->upload(p, target, t);
    un_free(x);
    un_free(t);
}

/* Zero where there is no gradient. */
static void copy_gradients(float *to, const float *from, const un_graph *g)
{
    memset(to, 0, (size_t)g->block_count * sizeof *to);
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].store == UN_STORE_GRAD) {
            const un_param *p = &g->param[g->value[v].param];

            memcpy(to + p->offset, from + p->offset, (size_t)p->count * sizeof *to);
        }
}

/* The gradient of a step whose plan has these options; *bytes: of its activations. */
static float *gradient(
    const un_model *m, const network *n, const un_plan_options *o, un_program_spec spec, int norms, size_t *bytes)
{
    const un_backend *b = un_backend_cpu();
    const size_t count = (size_t)m->graph->block_count;
    float *weights = un_alloc_array(NULL, count, sizeof *weights), *g = un_alloc_zero(NULL, count * sizeof *g);
    float *own = un_alloc_zero(NULL, count * sizeof *own);
    un_shape inputs[UN_OBJECTIVE_INPUTS];
    un_step step = {.step = 1, .grad_scale = 1};
    un_objective *objective;
    un_program *program;
    un_plan *plan;

    memcpy(weights, m->weights, count * sizeof *weights); /* running values change */
    CHECK_OK(un_objective_create(&objective, NULL, m->graph, &m->config, 0, &err), &err);
    if (norms)
        CHECK_OK(un_objective_recompute_norms(objective, n->image, &err), &err);
    CHECK_OK(un_objective_inputs(objective, n->image, inputs, &err), &err);
    CHECK_OK(un_plan_create(&plan, NULL, objective->accumulate, inputs, o, &err), &err);
    *bytes = plan->act_bytes;
    spec.plan = plan;
    spec.blocks.param = weights;
    spec.blocks.grad = o->gradients ? NULL : own;
    CHECK_OK(b->compile(&program, NULL, &spec, &err), &err);
    fill(program, plan, objective->image, objective->target);
    CHECK_OK(b->run(program, &step, &err), &err);
    copy_gradients(g, b->gradients(program), objective->accumulate);
    b->destroy(program);
    un_plan_destroy(plan);
    un_objective_destroy(objective);
    un_free(weights);
    un_free(own);
    return g;
}

static void check_network(const network *n, un_program_spec spec)
{
    const un_plan_options made = {.training = 1, .keep_all = 1};
    un_model *m = model_of(n);
    const size_t bytes = (size_t)m->graph->block_count * sizeof(float);
    size_t all, kept[4];
    float *want = gradient(m, n, &made, spec, 0, &all);

    CHECK_OK(un_pool_create(&spec.pool, NULL, 2, &err), &err);
    for (int way = 0; way < 4; way++) {
        const int norms = way & 1, inside = way >> 1;
        const un_plan_options plain = {.training = 1, .gradients = inside};
        float *got = gradient(m, n, &plain, spec, norms, &kept[way]);

        if (memcmp(want, got, bytes))
            un_test_fail(__FILE__, __LINE__, "'%s', level %d%s%s%s%s: other bits", n->text, (int)spec.level,
                spec.exact ? ", exact" : "", spec.bf16 ? ", bf16" : "", norms ? ", norms again" : "",
                inside ? ", gradients inside" : "");
        un_free(got);
    }
    CHECK(kept[0] < all && kept[1] <= kept[0] && kept[2] < kept[0] + bytes && kept[3] < kept[1] + bytes);
    un_pool_destroy(spec.pool);
    un_free(want);
    un_model_destroy(m);
}

LONG_TEST(same_bits_as_made)
{
    for (int level = UN_CPU_REF; level < UN_CPU_LEVEL_COUNT; level++)
        for (size_t i = 0; i < UN_COUNT(networks) && un_cpu_has((un_cpu_level)level); i++)
            for (int exact = 0; exact < (level == UN_CPU_REF ? 1 : 2); exact++)
                check_network(&networks[i], (un_program_spec){.level = (un_cpu_level)level, .exact = exact});
}

TEST(same_bits_in_bf16)
{
    if (!un_cpu_has_bf16(un_test_level()))
        un_test_skip("this processor has no products of 16-bit numbers");
    else
        for (size_t i = 0; i < UN_COUNT(networks); i++)
            for (int exact = 0; exact < 2; exact++)
                check_network(&networks[i], (un_program_spec){.level = un_test_level(), .exact = exact, .bf16 = 1});
}

TEST(which_are_made)
{
    for (size_t i = 0; i < UN_COUNT(networks); i++) {
        const network *n = &networks[i];
        un_model *m = model_of(n);
        un_shape *s = un_alloc_array(NULL, (size_t)m->graph->n_values, sizeof *s);
        int apart = 0, made = 0;

        s[m->graph->input[0]] = n->image;
        CHECK_OK(un_graph_infer(m->graph, s, &err), &err);
        for (int k = 0; k < m->graph->n_nodes; k++)
            if (m->graph->node[k].op == UN_OP_CONCAT)
                *(un_is_apart(m->graph, s, k) ? &apart : &made) += 1;
        if (apart != n->apart || made != n->made)
            un_test_fail(__FILE__, __LINE__, "'%s': %d apart, %d made", n->text, apart, made);
        un_free(s);
        un_model_destroy(m);
    }
}

/* Where a concatenation is not made, the gradient of it is not either. */
TEST(which_gradients_are_made)
{
    const un_plan_options o = {.training = 1};

    for (size_t i = 0; i < UN_COUNT(networks); i++) {
        un_model *m = model_of(&networks[i]);
        un_shape inputs[UN_OBJECTIVE_INPUTS];
        un_objective *objective;
        un_plan *plan;
        int found = 0;

        CHECK_OK(un_objective_create(&objective, NULL, m->graph, &m->config, 0, &err), &err);
        CHECK_OK(un_objective_inputs(objective, networks[i].image, inputs, &err), &err);
        CHECK_OK(un_plan_create(&plan, NULL, objective->accumulate, inputs, &o, &err), &err);
        for (int k = 0; k < plan->graph->n_nodes; k++)
            found += plan->graph->node[k].op == UN_OP_CONV_DGRAD && plan->apart[k];
        CHECK_INT(found, networks[i].apart);
        un_plan_destroy(plan);
        un_objective_destroy(objective);
        un_model_destroy(m);
    }
}

static int node_of(const un_graph *g, un_op op, const char *name)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == op && !strcmp(g->node[i].name, name))
            return i;
    un_test_fail(__FILE__, __LINE__, "no such node of '%s'", name);
    return UN_NONE;
}

/* Whether the data gradient of a layer goes before that of its weights. */
static int goes_first(const un_graph *g, const char *name)
{
    return node_of(g, UN_OP_CONV_DGRAD, name) < node_of(g, UN_OP_CONV_WGRAD, name);
}

/* The network of docs/performance.md: 32 filters, 256x256x3, batch 4. Four maps of the first level at once, not
 * eight, as skips, upsampled maps and the first convolution are made again, and few gaps between blocks. With the
 * gradients, which take 29.6 MiB alone and nothing here. */
TEST(skips_are_not_kept)
{
    static const network n = {FLAT "depth: 4, base_filters: 32, norm: batch", {4, 1, 256, 256, 3}, 4, 0};
    const un_plan_options o = {.training = 1, .gradients = 1};
    un_model *m = model_of(&n);
    un_shape inputs[UN_OBJECTIVE_INPUTS];
    un_objective *objective;
    un_plan *plan;

    CHECK_OK(un_objective_create(&objective, NULL, m->graph, &m->config, 0, &err), &err);
    CHECK_OK(un_objective_recompute_norms(objective, n.image, &err), &err);
    CHECK_OK(un_objective_inputs(objective, n.image, inputs, &err), &err);
    CHECK_OK(un_plan_create(&plan, NULL, objective->accumulate, inputs, &o, &err), &err);
    un_test_note("activations %.1f MiB", (double)plan->act_bytes / 1048576);
    CHECK(plan->act_bytes < (size_t)285 << 20);
    CHECK(goes_first(plan->graph, "enc4.conv1") && !goes_first(plan->graph, "dec0.conv1"));
    un_plan_destroy(plan);
    un_objective_destroy(objective);
    un_model_destroy(m);
}
