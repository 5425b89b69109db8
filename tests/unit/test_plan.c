/* The planner alone: spans, packing, and that no two living values share elements. */
#include "base/rng.h"
#include "base/size.h"
#include "graph/autodiff.h"
#include "graph/planner.h"
#include "kernels/args.h"
#include "model/build.h"
#include "test.h"

static unet_error err;

TEST(packing)
{
    /* 0 and 1 live together; 2 may take 0's place; 3 is too large for the gap and goes on top */
    un_pack_item it[] = {{256, 0, 1, 0, 0}, {128, 0, 5, 0, 0}, {192, 2, 3, 0, 0}, {64, 2, 4, 0, 0}};
    size_t total;

    CHECK_OK(un_plan_pack(it, 4, NULL, &total, &err), &err);
    CHECK_INT(it[0].offset, 0);
    CHECK_INT(it[2].offset, 0);
    CHECK_INT(it[1].offset, 256);
    CHECK_INT(it[3].offset, 192);
    CHECK_INT(total, 384);
}

/* Placed once, the largest first, these take 640 bytes. */
TEST(packing_reaches_the_least)
{
    un_pack_item it[] = {{256, 0, 2, 0, 0}, {192, 2, 4, 0, 0}, {128, 4, 6, 0, 0}, {320, 6, 8, 0, 0}, {192, 0, 0, 0, 0},
        {128, 8, 8, 0, 0}, {64, 1, 7, 0, 0}};
    size_t total;

    CHECK_OK(un_plan_pack(it, UN_COUNT(it), NULL, &total, &err), &err);
    CHECK_INT(total, 512); /* what lives at step 2 and at step 6 */
}

/* What is fixed stays where it is, and others lie there while it does not live. */
TEST(packing_around_what_is_fixed)
{
    un_pack_item it[] = {{128, 4, 9, 128, 1}, {192, 0, 3, 0, 0}, {128, 6, 9, 0, 1}, {64, 5, 9, 0, 0}, {64, 7, 9, 0, 0}};
    size_t total;

    CHECK_OK(un_plan_pack(it, UN_COUNT(it), NULL, &total, &err), &err);
    CHECK_INT(it[0].offset, 128);
    CHECK_INT(it[1].offset, 0);
    CHECK_INT(it[2].offset, 0);
    CHECK(it[3].offset >= 256 && it[4].offset >= 256 && it[3].offset != it[4].offset);
    CHECK_INT(total, 384);
}

/* Blocks that live at one time never overlap, the total is the end of the highest, and it is near the most alive. */
TEST(packing_of_any_blocks)
{
    enum { TRIALS = 300, MOST = 40, STEPS = 30 };
    double over = 0;
    un_rng r;

    un_rng_init(&r, 11, UN_RNG_TEST, 0, 0, 0);
    for (int trial = 0; trial < TRIALS; trial++) {
        un_pack_item it[MOST];
        int64_t fixed[5];
        const int n = 1 + (int)un_rng_below(&r, MOST);
        size_t total, end = 0, most = 0;

        for (int i = 0; i < n; i++) {
            const int first = (int)un_rng_below(&r, STEPS);

            it[i] =
                (un_pack_item){64 * un_rng_below(&r, 20), first, first + (int)un_rng_below(&r, STEPS - first), -1, 0};
            if (trial % 3 == 2 && i < 5) { /* side by side */
                it[i].fixed = 1;
                it[i].offset = i ? it[i - 1].offset + (int64_t)it[i - 1].bytes : 0;
                fixed[i] = it[i].offset;
            }
        }
        CHECK_OK(un_plan_pack(it, n, NULL, &total, &err), &err);
        for (int i = 0; i < n; i++) {
            CHECK(it[i].offset >= 0 && it[i].offset % 64 == 0 && (!it[i].fixed || it[i].offset == fixed[i]));
            end = UN_MAX(end, it[i].bytes ? (size_t)it[i].offset + it[i].bytes : 0);
            for (int j = 0; j < i; j++)
                CHECK(it[i].first > it[j].last || it[j].first > it[i].last || !it[i].bytes || !it[j].bytes ||
                      it[i].offset >= it[j].offset + (int64_t)it[j].bytes ||
                      it[j].offset >= it[i].offset + (int64_t)it[i].bytes);
        }
        for (int t = 0; t < STEPS; t++) {
            size_t alive = 0;

            for (int i = 0; i < n; i++)
                alive += it[i].first <= t && t <= it[i].last ? it[i].bytes : 0;
            most = UN_MAX(most, alive);
        }
        CHECK_INT(total, end);
        CHECK(total >= most);
        over += most && trial % 3 != 2 ? (double)total / (double)most - 1 : 0;
    }
    un_test_note("%.2f %% over what lives at one time", 100 * over / (TRIALS * 2 / 3.0));
    CHECK(over / (TRIALS * 2 / 3.0) < 0.005);
}

static un_graph *network(const char *text, int training)
{
    static un_config c;
    un_graph *g;

    CHECK_OK(un_config_init(&c, NULL, &err), &err);
    CHECK_OK(un_config_parse(&c, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_model_build(&g, NULL, &c.model, &err), &err);
    if (training) {
        un_attr loss = {.loss = {.form = UN_LOSS_SOFTMAX, .weight = 1, .smooth = 1, .batch = 1}};
        int target;

        un_model_set_training(g, 1);
        target = un_graph_input(g, "target", UN_TYPE_I32, 1);
        un_graph_node(g, UN_OP_LOSS, "ce", (int[]){g->output[0], target}, 2, &loss);
        loss.loss.kind = UN_LOSS_DICE;
        un_graph_node(g, UN_OP_LOSS, "dice", (int[]){g->output[0], target}, 2, &loss);
        CHECK_OK(un_autodiff(g, &err), &err);
    }
    return g;
}

/* What the nodes of a chain read and write is there while it runs. */
static void extend_by_chains(const un_plan *p, un_span *span)
{
    const un_graph *g = p->graph;

    for (int c = 0; c < p->n_chains; c++)
        for (int i = p->chain[c].first; i <= p->chain[c].last; i++)
            for (int j = -1; j < g->node[i].n_in; j++) {
                const int v = j < 0 ? g->node[i].out[0] : g->node[i].in[j];

                span[v].first = j < 0 && span[v].first > p->chain[c].first ? p->chain[c].first : span[v].first;
                span[v].last = span[v].last < p->chain[c].last ? p->chain[c].last : span[v].last;
            }
}

static un_shape stored(const un_plan *p, int v)
{
    un_shape s = p->shape[v];

    s.h = p->rows && p->rows[v].room ? p->rows[v].room : s.h;
    return s;
}

/* Slices that a data gradient writes are there from its beginning. */
static void extend_by_slices(const un_plan *p, un_span *span)
{
    const un_graph *g = p->graph;

    for (int i = 0; i < g->n_nodes; i++) {
        const int from = g->node[i].op == UN_OP_SLICE ? g->value[g->node[i].in[0]].producer : UN_NONE;

        if (from != UN_NONE && p->apart[from])
            span[g->node[i].out[0]].first = from;
    }
}

/* Where gradients lie among the activations, each is at its place in the block and shares it with nothing that lives;
 * nor does what is left in the end share any place of the block. */
static void check_gradients(const un_plan *p, const un_span *span, const int64_t *end)
{
    const un_graph *g = p->graph;
    int found = 0;

    for (int i = 0; i < g->n_params && p->gradients; i++) {
        const int64_t at = g->param[i].offset * p->real_bytes, to = at + g->param[i].count * p->real_bytes;
        int first = g->n_nodes;

        for (int v = 0; v < g->n_values; v++)
            if (g->value[v].store == UN_STORE_GRAD && g->value[v].param == i) {
                first = g->value[v].producer;
                CHECK_INT(p->place[v].offset, at);
                found++;
            }
        for (int v = 0; v < g->n_values; v++)
            if (end[v] && span[v].last >= first)
                CHECK(end[v] <= at || to <= p->place[v].offset);
        CHECK((size_t)to <= p->act_bytes);
    }
    CHECK(!p->gradients || found > 3);
}

/* Every element of a small plan's block is owned by at most one root at a time; aliases lie inside their root. */
static void check_overlaps(const un_plan *p)
{
    const un_graph *g = p->graph;
    int n = g->n_values;
    un_span *own = un_alloc_array(NULL, (size_t)n, sizeof *own), *span = un_alloc_array(NULL, (size_t)n, sizeof *span);
    int64_t *end = un_alloc_array(NULL, (size_t)n, sizeof *end);

    CHECK_OK(un_plan_spans(g, own, &err), &err);
    extend_by_chains(p, own);
    extend_by_slices(p, own);
    for (int v = 0; v < n; v++)
        span[v] = (un_span){1 << 30, -2};
    for (int v = 0; v < n; v++) {
        int r = p->place[v].root;
        un_shape s = stored(p, r), a = stored(p, v);
        int64_t inside = (p->place[v].offset - p->place[r].offset) / un_type_bytes(p, g->value[v].type);
        int producer = g->value[v].producer;

        if (g->value[v].store == UN_STORE_PARAM || g->value[v].store == UN_STORE_GRAD ||
            (producer >= 0 && (p->fused[producer] != UN_NONE || p->apart[producer])))
            continue;
        span[r].first = own[v].first < span[r].first ? own[v].first : span[r].first;
        span[r].last = own[v].last > span[r].last ? own[v].last : span[r].last;
        end[r] = p->place[r].offset + un_shape_count(s) * un_type_bytes(p, g->value[r].type);
        CHECK(p->place[r].root == r && inside >= 0);
        CHECK((a.n - 1) * p->place[v].sn + (a.d - 1) * p->place[v].sd + (a.h - 1) * p->place[v].sh +
                  (a.w - 1) * p->place[v].sw + a.c + inside <=
              un_shape_count(s));
    }
    for (int v = 0; v < n; v++)
        for (int u = 0; u < v; u++)
            if (end[u] && end[v] && span[u].first <= span[v].last && span[v].first <= span[u].last)
                CHECK(end[u] <= p->place[v].offset || end[v] <= p->place[u].offset);
    check_gradients(p, span, end);
    un_free(own);
    un_free(span);
    un_free(end);
}

static const char *const kinds[] = {
    "base_filters: 4, norm: batch, dropout: 0.1", "base_filters: 4, norm: instance, upsample: bilinear, padding: valid",
    "base_filters: 4, norm: group, upsample: nearest, dropout: 0.3, dropout_at: all",
    "base_filters: 4, norm: none, skips: [true, false], downsample: conv",
    "base_filters: 4, norm: batch, activation: none, downsample: avgpool",
    "base_filters: 16, norm: batch", /* concatenations are not made */
};

enum { KINDS = UN_COUNT(kinds) };

/* training 2: with the gradients inside. */
static un_plan *plan_of(un_graph **g, int kind, int training, int keep_all, int64_t least_saved)
{
    char text[256];
    un_plan_options o = {
        .training = training > 0, .gradients = training > 1, .keep_all = keep_all, .least_saved = least_saved};
    un_shape in[2] = {{2, 1, 64, 64, 2}, {2, 1, 64, 64, 1}};
    un_plan *p;

    snprintf(
        text, sizeof text, "model: {dims: 2, in_channels: 2, classes: 3, depth: 2, head: softmax, %s}", kinds[kind]);
    *g = network(text, training);
    if (strstr(text, "valid"))
        in[1].h = in[1].w = 18;
    CHECK_OK(un_plan_create(&p, NULL, *g, in, &o, &err), &err);
    return p;
}

TEST(living_values_do_not_overlap)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (int training = 0; training < 3; training++) {
            un_graph *g;
            un_plan *p = plan_of(&g, kind, training, 0, 0), *all;
            size_t tight = p->act_bytes;

            check_overlaps(p);
            un_plan_destroy(p);
            un_graph_destroy(g);
            all = plan_of(&g, kind, training, 1, 0);
            check_overlaps(all);
            CHECK(tight < all->act_bytes);
            un_plan_destroy(all);
            un_graph_destroy(g);
        }
}

TEST(living_bands_do_not_overlap)
{
    int chains = 0;

    for (int kind = 0; kind < KINDS; kind++) {
        un_graph *g;
        un_plan *p = plan_of(&g, kind, 0, 0, 1);

        check_overlaps(p);
        chains += p->n_chains;
        un_plan_destroy(p);
        un_graph_destroy(g);
    }
    CHECK(chains > 4);
}

/* Concatenation costs nothing in the plain network: both halves are made inside it. */
TEST(concatenation_is_free)
{
    un_graph *g;
    un_plan *p = plan_of(&g, 0, 1, 0, 0);
    int found = 0;

    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == UN_OP_CONCAT) {
            CHECK(p->moved[i]);
            found++;
        }
    CHECK_INT(found, 2);
    un_plan_destroy(p);
    un_graph_destroy(g);
}

/* Parts of different widths: each begins where the one before it ends. */
TEST(unequal_parts)
{
    const un_attr relu = {.act = {.act = UN_ACT_RELU}};
    const int channels[3] = {3, 5, 2};
    un_shape in[3];
    un_graph *g;
    un_plan *p;
    int part[3], all;

    CHECK_OK(un_graph_create(&g, NULL, &err), &err);
    for (int i = 0; i < 3; i++) {
        in[i] = (un_shape){1, 1, 4, 4, channels[i]};
        part[i] = un_graph_input(g, (const char *[]){"a", "b", "c"}[i], UN_TYPE_REAL, channels[i]);
    }
    for (int i = 0; i < 3; i++)
        part[i] = un_graph_op(g, UN_OP_ACT, "act", &part[i], 1, &relu);
    all = un_graph_op(g, UN_OP_CONCAT, "concat", part, 3, NULL);
    un_graph_output(g, un_graph_op(g, UN_OP_ACT, "last", &all, 1, &relu));
    CHECK_OK(un_graph_check(g, &err), &err);
    CHECK_OK(un_plan_create(&p, NULL, g, in, NULL, &err), &err);
    for (int i = 0, first = 0; i < 3; first += channels[i++]) {
        CHECK_INT(p->place[part[i]].root, p->place[all].root);
        CHECK_INT(p->place[part[i]].offset - p->place[all].offset, first * p->real_bytes);
        CHECK_INT(p->place[part[i]].sw, 10);
    }
    un_plan_destroy(p);
    un_graph_destroy(g);
}

/* The classic network for one picture of 256x256: the peak is the skip connections at the bottom (16, 8, 4 and 2 MiB),
 * a concatenation there, and a little on top, not the sum of everything (0.4 GiB). */
TEST(inference_peak)
{
    un_graph *g = network(
        "model: {dims: 2, in_channels: 3, classes: 2, depth: 4, base_filters: 64, head: softmax, norm: batch}", 0);
    un_shape in = {1, 1, 256, 256, 3};
    un_plan *p;

    CHECK_OK(un_plan_create(&p, NULL, g, &in, NULL, &err), &err);
    CHECK(p->act_bytes < (size_t)41 << 20);
    un_plan_destroy(p);
    un_graph_destroy(g);
}

TEST(refusals)
{
    un_graph *g = network(
        "model: {dims: 2, in_channels: 3, classes: 2, depth: 2, base_filters: 4, head: softmax, norm: batch}", 0);
    un_shape in = {1, 1, 16, 16, 4};
    un_plan *p;

    CHECK_STATUS(un_plan_create(&p, NULL, g, &in, NULL, &err), UNET_E_DATA);
    CHECK(!p);
    in = (un_shape){1, 1, 18, 16, 3};
    CHECK_STATUS(un_plan_create(&p, NULL, g, &in, NULL, &err), UNET_E_DATA);
    un_graph_destroy(g);
}
