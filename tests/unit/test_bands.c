/* Networks that run band by band give the bits of those whose values are all there as a whole, at each CPU level, for
 * any number of threads; so do those with room for transformed weights. */
#include "backend/backend.h"
#include "base/rng.h"
#include "graph/planner.h"
#include "graph/repeat.h"
#include "model/file.h"
#include "run/session.h"
#include "test.h"

static unet_error err;

typedef struct network {
    const char *text; /* of the section model */
    un_shape image;
    int chains; /* at least */
    int once;   /* nothing of the first level is read after deeper ones, or it is not made row by row */
} network;

#define FLAT "dims: 2, in_channels: 3, classes: 3, head: softmax, "
#define DEEP "dims: 3, in_channels: 1, classes: 2, head: softmax, "
static const network networks[] = {
    {FLAT "depth: 2, base_filters: 16, norm: batch", {1, 1, 148, 20, 3}, 2, 0},
    {FLAT "depth: 2, base_filters: 16, norm: batch", {2, 1, 300, 12, 3}, 3, 0},
    {FLAT "depth: 2, base_filters: 16, norm: batch", {1, 1, 4, 4, 3}, 0, 0},
    {FLAT "depth: 1, base_filters: 64, norm: batch, activation: leaky_relu", {1, 1, 98, 14, 3}, 2,
        0}, /* split weights */
    {FLAT "depth: 1, base_filters: 5, norm: none", {1, 1, 130, 14, 3}, 2, 0},
    {FLAT "depth: 2, base_filters: 8, norm: batch, activation: silu, convs_per_level: 3", {1, 1, 200, 12, 3}, 2, 0},
    {FLAT "depth: 2, base_filters: 8, norm: instance", {1, 1, 148, 20, 3}, 0, 1},
    {FLAT "depth: 1, base_filters: 8, norm: batch, block: residual", {1, 1, 130, 18, 3}, 1, 0},
    {FLAT "depth: 2, base_filters: 8, norm: batch, block: dense", {1, 1, 148, 12, 3}, 1, 0},
    {FLAT "depth: 1, base_filters: 8, norm: batch, block: separable", {1, 1, 130, 18, 3}, 1, 0},
    {FLAT "depth: 2, base_filters: 8, norm: batch, decoder: nested", {1, 1, 148, 12, 3}, 2, 0},
    {FLAT "depth: 1, base_filters: 8, norm: batch, kernel: 5, downsample: avgpool", {1, 1, 148, 18, 3}, 1, 0},
    {FLAT "depth: 2, base_filters: 8, norm: batch, downsample: conv, upsample: nearest", {1, 1, 148, 12, 3}, 1, 0},
    {FLAT "depth: 1, base_filters: 8, norm: batch, upsample: bilinear", {1, 1, 148, 18, 3}, 1, 0},
    {FLAT "depth: 1, base_filters: 16, norm: batch, upsample: bilinear", {2, 1, 148, 18, 3}, 1, 0},
    {FLAT "depth: 2, base_filters: 16, norm: batch, decoder: nested", {1, 1, 148, 12, 3}, 2, 0},
    {FLAT "depth: 1, base_filters: 8, norm: none, padding: valid", {1, 1, 156, 40, 3}, 1, 0},
    {DEEP "depth: 1, base_filters: 16, norm: batch", {1, 4, 98, 10, 1}, 2, 0},
    {DEEP "depth: 2, base_filters: 8, norm: batch, block: residual", {2, 4, 148, 8, 1}, 1, 0},
};

static un_model *model_of(const network *n)
{
    un_config *c = un_alloc(NULL, sizeof *c);
    char text[400];
    un_model *m;

    snprintf(text, sizeof text, "model: {%s}\ntrain: {seed: 3}\n", n->text);
    CHECK_OK(un_config_init(c, NULL, &err), &err);
    CHECK_OK(un_config_parse(c, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    un_free(c);
    return m;
}

static float *random_image(un_shape s)
{
    float *x = un_alloc_array(NULL, (size_t)un_shape_count(s), sizeof *x);
    un_rng rng;

    un_rng_init(&rng, 5, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < un_shape_count(s); i++)
        x[i] = (float)un_rng_range(&rng, -1, 1);
    return x;
}

/* Logits and probabilities, one after the other. */
static float *run(const un_model *m, const un_graph *g, const un_plan_options *o, un_program_spec spec,
    const network *n, int64_t *count, int *chains)
{
    const un_backend *b = un_backend_cpu();
    float *x = random_image(n->image), *y;
    un_program *program;
    un_plan *plan;

    CHECK_OK(un_plan_create(&plan, NULL, g, &n->image, o, &err), &err);
    spec.plan = plan;
    spec.blocks.param = m->weights;
    spec.keep_packed = 1;
    CHECK_OK(b->compile(&program, NULL, &spec, &err), &err);
    *count = un_shape_count(plan->shape[g->output[0]]);
    y = un_alloc_array(NULL, 2 * (size_t)*count, sizeof *y);
    for (int again = 0; again < 2; again++) { /* what a run leaves behind must not matter to the next one */
        b->upload(program, g->input[0], x);
        CHECK_OK(b->run(program, NULL, &err), &err);
    }
    b->download(program, g->output[0], y);
    b->download(program, g->output[1], y + *count);
    *chains = plan->n_chains;
    b->destroy(program);
    un_plan_destroy(plan);
    un_free(x);
    return y;
}

/* The graph in bands, for several numbers of threads; the reference, which takes most of the time, with the last. */
static void check_graph(
    const un_model *m, const un_graph *g, const network *n, un_program_spec spec, const float *want, int64_t count)
{
    const un_plan_options bands = {.least_saved = 1, .low = g != m->graph};

    for (int threads = spec.level == UN_CPU_REF ? 3 : 1; threads <= 3; threads++) {
        int64_t again;
        int chains;
        float *got;

        CHECK_OK(un_pool_create(&spec.pool, NULL, threads, &err), &err);
        got = run(m, g, &bands, spec, n, &again, &chains);
        CHECK_INT(again, count);
        if (memcmp(want, got, 2 * (size_t)count * sizeof *got))
            un_test_fail(__FILE__, __LINE__, "'%s', %d threads, level %d%s%s: other bits in bands", n->text, threads,
                (int)spec.level, spec.exact ? ", exact" : "", g == m->graph ? "" : ", first level twice");
        if (chains < n->chains)
            un_test_fail(__FILE__, __LINE__, "'%s': %d chains, not %d", n->text, chains, n->chains);
        un_free(got);
        un_pool_destroy(spec.pool);
    }
}

static void check_network(const network *n, un_program_spec spec)
{
    const un_plan_options whole = {.keep_all = 1}, none = {.least_saved = INT64_MAX};
    un_model *m = model_of(n);
    un_graph *twice;
    int64_t count, again;
    int chains;
    float *want = run(m, m->graph, &whole, spec, n, &count, &chains);
    float *got = run(m, m->graph, &none, spec, n, &again, &chains);

    CHECK_INT(chains, 0);
    CHECK(!memcmp(want, got, 2 * (size_t)count * sizeof *got));
    check_graph(m, m->graph, n, spec, want, count);
    CHECK_OK(un_graph_repeat(&twice, NULL, m->graph, &err), &err);
    CHECK_INT(!twice, n->once);
    if (twice)
        check_graph(m, twice, n, spec, want, count);
    un_graph_destroy(twice);
    un_free(want);
    un_free(got);
    un_model_destroy(m);
}

TEST(same_bits_as_in_one_piece)
{
    for (int level = UN_CPU_REF; level < UN_CPU_LEVEL_COUNT; level++)
        for (size_t i = 0; i < sizeof networks / sizeof *networks && un_cpu_has((un_cpu_level)level); i++)
            for (int exact = 0; exact < (level == UN_CPU_REF ? 1 : 2); exact++)
                check_network(&networks[i], (un_program_spec){.level = (un_cpu_level)level, .exact = exact});
}

/* Activations, packed weights and scratch of two threads, MiB. */
static double needed(const un_model *m, const un_graph *g, un_shape image)
{
    const un_plan_options o = {.low = g != m->graph};
    un_program_spec spec = {.level = un_test_level(), .keep_packed = 1, .blocks.param = m->weights};
    un_needs n;
    un_plan *plan;

    CHECK_OK(un_plan_create(&plan, NULL, g, &image, &o, &err), &err);
    CHECK_OK(un_pool_create(&spec.pool, NULL, 2, &err), &err);
    spec.plan = plan;
    CHECK_OK(un_backend_cpu()->needs(&n, &spec, &err), &err);
    un_pool_destroy(spec.pool);
    un_plan_destroy(plan);
    return (double)(n.activation_bytes + n.packed_bytes + n.scratch_bytes) / 1048576;
}

/* What a session holds at 16 and 32 filters, 512 and 1024 pixels, and at 64; the same with the first level twice. The
 * process has the program and the picture beside it (docs/performance.md). Without AVX-512 more layers keep their
 * weights transformed. */
TEST(memory_of_large_pictures)
{
    static const struct {
        int filters;
        un_shape image;
        double once, twice; /* MiB at most              */
        double more;        /* of both, without AVX-512 */
    } cases[] = {
        {16, {1, 1, 512, 512, 3}, 53, 39, 5},
        {32, {1, 1, 512, 512, 3}, 122, 89, 0},
        {16, {1, 1, 1024, 1024, 1}, 160, 101, 0},
        {32, {1, 1, 1024, 1024, 3}, 338, 221, 0},
        {64, {1, 1, 256, 256, 3}, 178, 165, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        network n = {.image = cases[i].image};
        char text[200];
        const double more = un_test_level() != UN_CPU_AVX512 ? cases[i].more : 0;
        double once, twice;
        un_model *m;
        un_graph *g;

        snprintf(text, sizeof text,
            "dims: 2, in_channels: %d, classes: 2, head: softmax, depth: 4, norm: batch, base_filters: %d", n.image.c,
            cases[i].filters);
        n.text = text;
        m = model_of(&n);
        CHECK_OK(un_graph_repeat(&g, NULL, m->graph, &err), &err);
        once = needed(m, m->graph, n.image);
        twice = needed(m, g, n.image);
        un_test_note("%d filters, %dx%dx%d: %.1f MiB, %.1f with the first level twice", cases[i].filters, n.image.h,
            n.image.w, n.image.c, once, twice);
        CHECK(once < cases[i].once + more && twice < cases[i].twice + more);
        un_graph_destroy(g);
        un_model_destroy(m);
    }
}

/* Forms that keep the transformed weights of deep layers. */
TEST(room_for_transformed_weights)
{
    static const network n = {FLAT "depth: 1, base_filters: 128, norm: batch", {1, 1, 148, 20, 3}, 0, 0};
    const un_plan_options o = {.least_saved = 1};
    un_model *m = model_of(&n);

    for (int level = UN_CPU_REF; level < UN_CPU_LEVEL_COUNT; level++)
        for (int exact = 0; exact < 2 && level != UN_CPU_REF && un_cpu_has((un_cpu_level)level); exact++) {
            un_program_spec spec = {.level = (un_cpu_level)level, .exact = exact};
            int64_t count;
            int chains;
            float *want = run(m, m->graph, &o, spec, &n, &count, &chains), *got;

            for (int threads = 1; threads <= 3; threads++) {
                CHECK_OK(un_pool_create(&spec.pool, NULL, threads, &err), &err);
                spec.roomy = 1;
                got = run(m, m->graph, &o, spec, &n, &count, &chains);
                CHECK(!memcmp(want, got, 2 * (size_t)count * sizeof *got));
                un_free(got);
                un_pool_destroy(spec.pool);
            }
            un_free(want);
        }
    un_model_destroy(m);
}

/* Only where the weights do not change, where it makes the run faster by the model, and where memory has no price. */
TEST(room_is_taken_where_it_pays)
{
    static const struct {
        int filters;
        un_shape image;
        int pays;
    } cases[] = {
        {64, {1, 1, 256, 256, 3}, 1},
        {64, {1, 1, 512, 512, 3}, 0},
        {32, {1, 1, 96, 128, 3}, 1},
        {32, {1, 1, 512, 512, 3}, 0},
        {16, {1, 1, 512, 512, 3}, 0},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int level = un_test_level() == UN_CPU_AVX512 ? UN_CPU_AVX2 : un_test_level();
        const int pays = cases[i].pays && level == UN_CPU_AVX2;
        un_session_options o = {.level = (un_cpu_level)level};
        size_t changing, settled, dear;
        char text[200];
        un_model *m;

        snprintf(text, sizeof text, FLAT "depth: 4, norm: batch, base_filters: %d", cases[i].filters);
        m = model_of(&(network){.text = text});
        CHECK_OK(un_session_bytes(&changing, NULL, m, cases[i].image, &o, &err), &err);
        m->settled = 1;
        CHECK_OK(un_session_bytes(&settled, NULL, m, cases[i].image, &o, &err), &err);
        o.byte_ns = 1;
        CHECK_OK(un_session_bytes(&dear, NULL, m, cases[i].image, &o, &err), &err);
        un_test_note("%d filters, %dx%d: %zu MiB while weights change, %zu when settled, %zu where bytes are dear",
            cases[i].filters, cases[i].image.h, cases[i].image.w, changing >> 20, settled >> 20, dear >> 20);
        CHECK(pays ? settled > 2 * changing && settled < (size_t)440 << 20 : settled == changing);
        CHECK(!pays || dear < settled / 2);
        m->settled = 0;
        un_model_destroy(m);
    }
}
