/* The builder: shapes, counts and reach against published or hand-made numbers; initial weights. */
#include "test.h"

#include "base/size.h"
#include "graph/autodiff.h"
#include "kernels/args.h"
#include "model/build.h"

static un_config cfg;
static unet_error err;
static un_graph *graph;

static void build(const char *text)
{
    un_graph_destroy(graph);
    graph = NULL;
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_parse(&cfg, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_config_check(&cfg, &err), &err);
    CHECK_OK(un_model_build(&graph, NULL, &cfg.model, &err), &err);
}

static un_shape output_of(un_shape in)
{
    un_shape *s = un_alloc_array(NULL, (size_t)graph->n_values, sizeof *s), out;

    s[graph->input[0]] = in;
    CHECK_OK(un_graph_infer(graph, s, &err), &err);
    out = s[graph->output[1]];
    un_free(s);
    return out;
}

#define CLASSIC "dims: 2, in_channels: 3, classes: 2, depth: 4, base_filters: 64, head: softmax"

/* 31,037,698 parameters: what the usual PyTorch U-Net (64 filters, 4 poolings, batch norm, 3 channels, 2 classes) has.
 */
TEST(classic_counts)
{
    un_cost cost;
    int p;

    build("model: {" CLASSIC ", norm: batch}");
    CHECK_OK(un_model_cost(graph, (un_shape){1, 1, 256, 256, 3}, &cost, &err), &err);
    CHECK_INT(cost.trainable, 31037698);
    CHECK_NEAR(cost.macs / 1e9, 48.2, 0.05);
    p = un_graph_find_param(graph, "enc0.conv0.weight");
    CHECK(p >= 0);
    CHECK_INT(graph->param[p].dims[0], 64);
    CHECK_INT(graph->param[p].dims[1], 3);
    CHECK_INT(graph->param[p].rank, 4);
    CHECK(un_graph_find_param(graph, "enc0.conv0.bias") < 0);
    CHECK(un_graph_find_param(graph, "dec3.norm1.running_var") >= 0);
    p = un_graph_find_param(graph, "up3.weight");
    CHECK_INT(graph->param[p].dims[0], 1024);
    CHECK_INT(graph->param[p].dims[1], 512);
    CHECK(un_graph_find_param(graph, "up3.bias") >= 0 && un_graph_find_param(graph, "head.bias") >= 0);
}

/* Figure 1 of the paper: 572 x 572 -> 388 x 388. */
/* A convolution takes exactly the channels of its weight. */
TEST(channels_must_fit)
{
    const un_attr a = {.conv = {.k = {1, 3, 3},
                           .stride = {1, 1, 1},
                           .pad = {0, 1, 1},
                           .pad_end = {0, 1, 1},
                           .dilation = {1, 1, 1},
                           .groups = 1}};
    un_shape s[8];
    un_graph *g;
    int x, w;

    CHECK_OK(un_graph_create(&g, NULL, &err), &err);
    x = un_graph_input(g, "x", UN_TYPE_REAL, 0);
    w = un_graph_param(g, "w", UN_PARAM_WEIGHT, 1, 4, (int[]){8, 3, 3, 3});
    un_graph_output(g, un_graph_op(g, UN_OP_CONV, "conv", (int[]){x, w}, 2, &a));
    CHECK_OK(un_graph_check(g, &err), &err);
    for (int c = 2; c <= 4; c++) {
        s[x] = (un_shape){1, 1, 5, 6, c};
        CHECK_STATUS(un_graph_infer(g, s, &err), c == 3 ? UNET_OK : UNET_E_DATA);
    }
    un_graph_destroy(g);
}

TEST(paper_2015)
{
    un_reach r;
    un_shape out;

    build("model: {" CLASSIC ", norm: none, padding: valid}");
    out = output_of((un_shape){1, 1, 572, 572, 3});
    CHECK_INT(out.h, 388);
    CHECK_INT(out.w, 388);
    CHECK_INT(out.c, 2);
    CHECK_OK(un_model_reach(graph, (int[]){1, 16, 16}, &r, &err), &err);
    /* output 0 lies at input 92 and sees input 0; the 15 others of its cell of 16 see the same from further away */
    CHECK(r.before[1] >= 92 && r.before[1] <= 92 + 15);
    CHECK_INT(r.before[1], r.after[1]);
    CHECK_INT(r.before[0], 0);
    CHECK(!r.whole_patch);
}

/* One pooling, one 3x3 convolution a block, no skip: bottom pixel j sees inputs 2(j-1)-1 .. 2(j+1)+1+1; with the
 * decoder's convolution about output o, o-1..o+1 -> j from (o-1)/2 to (o+1)/2. For o = 2j: j-1..j -> 2(j-2)-1 ..
 * 2(j+1)+2. */
TEST(reach_by_hand)
{
    un_reach r;

    build("model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 4, head: softmax, norm: none,"
          " convs_per_level: 1, skips: false}");
    CHECK_OK(un_model_reach(graph, (int[]){1, 2, 2}, &r, &err), &err);
    CHECK_INT(r.before[1], 5); /* o = 2j: o - (2(j-2)-1) = 5; o = 2j+1: j..j+1 -> 2(j-1)-1: 4 */
    CHECK_INT(r.after[1], 5);  /* o = 2j+1: 2(j+2)+2 - o = 5 */
    CHECK_INT(r.before[0] + r.after[0], 0);
}

TEST(options)
{
    static const char *const text[] = {
        "norm: instance, upsample: bilinear, activation: leaky_relu",
        "norm: group, upsample: nearest, activation: elu, dropout: 0.3, dropout_at: all",
        "norm: none, activation: none, skips: [true, false], downsample: conv, head: multilabel",
        "norm: batch, activation: gelu, downsample: avgpool, convs_per_level: [1, 2, 3], bias: on",
        "norm: batch, activation: silu, kernel: [1, 5, 3], strides: [[1, 2, 2], [2, 2, 2]], head: sigmoid",
    };
    char buf[512];

    for (int dims = 2; dims <= 3; dims++)
        for (size_t i = 0; i < UN_COUNT(text); i++) {
            un_shape in = {2, dims == 3 ? 8 : 1, 24, 16, 3}, out;
            int grid[3];

            snprintf(buf, sizeof buf, "model: {dims: %d, in_channels: 3, classes: 2, depth: 2, base_filters: 6%s, %s}",
                dims, strstr(text[i], "head") ? "" : ", head: softmax", text[i]);
            build(buf);
            out = output_of(in);
            CHECK(un_shape_same_grid(in, out));
            CHECK_INT(out.c, i == 4 ? 1 : 2);
            un_model_grid(&cfg.model, grid);
            CHECK_INT(grid[0], dims == 2 ? 1 : i == 4 ? 2 : 4);
            CHECK_INT(grid[1], 4);
        }
}

TEST(unresolved)
{
    un_graph *g;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_STATUS(un_model_build(&g, NULL, &cfg.model, &err), UNET_E_CONFIG);
    CHECK_STR(err.where, "model.dims");
    CHECK(!g);
}

static float *init(const char *how, uint64_t seed)
{
    float *w = un_alloc(NULL, (size_t)graph->block_count * sizeof *w);

    CHECK_OK(un_config_set(&cfg, NULL, how, &err), &err);
    CHECK_OK(un_model_init(graph, &cfg.model, seed, w, NULL, &err), &err);
    return w;
}

TEST(weights)
{
    const un_param *p;
    float *a, *b, *c, *o, *g;
    double sum = 0, sq = 0, limit;

    build("model: {dims: 2, in_channels: 3, classes: 2, depth: 2, base_filters: 32, head: softmax, norm: batch}");
    a = init("model.init=he", 1);
    b = init("model.init=he", 1);
    c = init("model.init=he", 2);
    o = init("model.init=orthogonal", 1);
    g = init("model.init=glorot", 1);
    CHECK(!memcmp(a, b, (size_t)graph->block_count * sizeof *a));
    p = &graph->param[un_graph_find_param(graph, "enc1.conv1.weight")];
    CHECK(memcmp(a + p->offset, c + p->offset, (size_t)p->count * sizeof *a));
    limit = sqrt(6.0 / (2 * 64 * 9));
    for (int64_t i = 0; i < p->count; i++) {
        sum += a[p->offset + i];
        sq += (double)a[p->offset + i] * a[p->offset + i];
        CHECK(fabs(g[p->offset + i]) <= limit);
    }
    CHECK_NEAR(sum / (double)p->count, 0, 0.002);
    CHECK_NEAR(sq / (double)p->count, 2.0 / (64 * 9), 0.02 * 2 / (64 * 9));
    for (int i = 0; i < 64; i += 9)
        for (int j = 0; j < 64; j += 7) {
            double dot = 0;

            for (int k = 0; k < 576; k++)
                dot += (double)o[p->offset + i * 576 + k] * o[p->offset + j * 576 + k];
            CHECK_NEAR(dot, i == j ? 2 : 0, 1e-5);
        }
    p = &graph->param[un_graph_find_param(graph, "up0.weight")]; /* no activation follows: gain 1, and one tap each */
    sq = 0;
    for (int64_t i = 0; i < p->count; i++)
        sq += (double)a[p->offset + i] * a[p->offset + i];
    CHECK_NEAR(sq / (double)p->count, 1.0 / 64, 0.05 / 64);
    p = &graph->param[un_graph_find_param(graph, "dec0.norm0.running_var")];
    CHECK_NEAR(a[p->offset], 1, 0);
    un_free(a);
    un_free(b);
    un_free(c);
    un_free(o);
    un_free(g);
}

TEST(description)
{
    un_text t;

    build("model: {" CLASSIC ", norm: batch, skips: [true, false, true, true]}");
    un_text_init(&t, NULL, 1 << 20);
    CHECK_OK(un_model_describe(&t, graph, &cfg.model, (un_shape){1, 1, 256, 256, 3}, &err), &err);
    CHECK(strstr(t.s, "enc4.conv1") && strstr(t.s, "16x16x1024") && strstr(t.s, "receptive field"));
    un_text_free(&t);
    un_text_init(&t, NULL, 1 << 20);
    un_model_drawing(&t, &cfg.model, (un_shape){1, 1, 256, 256, 3});
    CHECK(!t.failed && strstr(t.s, "</svg>") && strstr(t.s, "1024 filters"));
    un_text_free(&t);
    CHECK_STATUS(un_graph_infer(graph, (un_shape[512]){{0}}, &err), UNET_E_ARG);
}

TEST(training_form)
{
    int before = 0, after = 0;

    build("model: {" CLASSIC ", norm: batch}");
    for (int i = 0; i < graph->n_nodes; i++)
        before += graph->node[i].op == UN_OP_NORM && graph->node[i].attr.norm.use_running;
    un_model_set_training(graph, 1);
    for (int i = 0; i < graph->n_nodes; i++)
        after += graph->node[i].op == UN_OP_NORM && graph->node[i].attr.norm.update_running &&
                 !graph->node[i].attr.norm.use_running;
    CHECK_INT(before, 18);
    CHECK_INT(after, 18);
}

/* Each kind of network can be trained: every trainable parameter gets a gradient, shapes fit through the backward pass.
 */
TEST(gradients_reach_all)
{
    static const char *const text[] = {
        "norm: batch, dropout: 0.1",
        "norm: instance, upsample: bilinear, activation: leaky_relu, padding: valid",
        "norm: group, upsample: nearest, activation: elu, dropout: 0.3, dropout_at: all, dropout_spatial: true",
        "norm: none, activation: gelu, skips: [true, false], downsample: conv",
        "norm: batch, activation: none, downsample: avgpool, bias: on, kernel: [5, 3, 1]",
    };
    char buf[512];

    for (int i = 0; i < 10; i++) {
        const un_attr loss = {.loss = {.form = UN_LOSS_SOFTMAX, .weight = 1, .smooth = 1, .batch = 1}};
        un_shape *s, in = {2, i < 5 ? 1 : 64, 64, 64, 2}, out;
        int target;

        snprintf(buf, sizeof buf,
            "model: {dims: %d, in_channels: 2, classes: 3, depth: 2, base_filters: 4, head: softmax, %s}",
            i < 5 ? 2 : 3, text[i % 5]);
        build(buf);
        out = output_of(in);
        un_model_set_training(graph, 1);
        target = un_graph_input(graph, "target", UN_TYPE_I32, 1);
        un_graph_node(graph, UN_OP_LOSS, "loss", (int[]){graph->output[0], target}, 2, &loss);
        CHECK_OK(un_autodiff(graph, &err), &err);
        CHECK_OK(un_graph_check(graph, &err), &err);
        s = un_alloc_array(NULL, (size_t)graph->n_values, sizeof *s);
        s[graph->input[0]] = in;
        s[target] = (un_shape){out.n, out.d, out.h, out.w, 1};
        CHECK_OK(un_graph_infer(graph, s, &err), &err);
        un_free(s);
        for (int k = 0; k < graph->n_params; k++) {
            int found = 0;

            for (int v = 0; v < graph->n_values; v++)
                found |= graph->value[v].store == UN_STORE_GRAD && graph->value[v].param == k &&
                         graph->value[v].producer >= 0;
            if (found != graph->param[k].trainable)
                un_test_fail(__FILE__, __LINE__, "%s: gradient of %s", buf, graph->param[k].name);
        }
    }
}
