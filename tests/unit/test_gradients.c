/* Gradients of whole small networks against central differences, in double, through planner and backend. The losses
 * weigh the outputs unevenly by their nature (targets are random), so errors that a plain sum hides show. */
#include "backend/backend.h"
#include "base/rng.h"
#include "config/optimisers.h"
#include "graph/autodiff.h"
#include "graph/planner.h"
#include "graph/recompute.h"
#include "kernels/args.h"
#include "model/build.h"
#include "test.h"

static unet_error err;
static un_config cfg;
static int recompute; /* 1: make() recomputes encoder and decoder blocks */

typedef struct net {
    un_graph *g;
    un_plan *plan;
    un_program *program;
    double *param, *grad, *image;
    int32_t *target;
    int loss[2], target_value;
} net;

static void fill(net *t, un_shape in, un_shape out, int classes)
{
    un_rng r;
    int64_t pixels = un_shape_pixels(out);

    t->image = un_alloc_array(NULL, (size_t)un_shape_count(in), sizeof *t->image);
    t->target = un_alloc_array(NULL, (size_t)pixels, sizeof *t->target);
    un_rng_init(&r, 7, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < un_shape_count(in); i++)
        t->image[i] = un_rng_normal(&r);
    for (int64_t i = 0; i < pixels; i++)
        t->target[i] = (int32_t)un_rng_below(&r, classes + 1) - 1; /* some are ignored */
    for (int k = 0; k < t->g->n_params; k++) /* no symmetric start: norms and biases are moved from 1 and 0 */
        for (int64_t i = 0; i < t->g->param[k].count && t->g->param[k].role != UN_PARAM_WEIGHT; i++)
            t->param[t->g->param[k].offset + i] += 0.2 * un_rng_uniform(&r);
}

static un_shape output_of(const un_graph *g, un_shape in)
{
    un_shape *s = un_alloc_array(NULL, (size_t)g->n_values, sizeof *s), out;

    s[g->input[0]] = in;
    CHECK_OK(un_graph_infer(g, s, &err), &err);
    out = s[g->output[0]];
    un_free(s);
    return out;
}

static void add_losses(net *t, int form)
{
    const un_attr ce = {
        .loss = {
            .form = form, .weight = 0.7, .smoothing = cfg.loss.smoothing, .smooth = 1, .batch = 1, .pos_weight = 2.5}};
    const un_attr dice = {
        .loss = {.kind = UN_LOSS_DICE, .form = form, .weight = 1.3, .smooth = 1, .batch = 0, .background = 1}};
    const int in[2] = {t->g->output[0], t->target_value};

    t->loss[0] = un_graph_op(t->g, UN_OP_LOSS, "ce", in, 2, &ce);
    t->loss[1] = un_graph_op(t->g, UN_OP_LOSS, "dice", in, 2, &dice);
    un_graph_output(t->g, t->loss[0]);
    un_graph_output(t->g, t->loss[1]);
}

static void make(net *t, un_shape in, int form)
{
    un_plan_options o = {.doubles = 1, .training = 1};
    un_program_spec spec = {.keep_packed = 0, .seed = 5};
    un_shape shapes[2] = {in, output_of(t->g, in)};
    float *w = un_alloc_array(NULL, (size_t)t->g->block_count, sizeof *w);
    size_t n = (size_t)t->g->block_count;
    int n_forward;

    CHECK_OK(un_model_init(t->g, &cfg.model, 3, w, NULL, &err), &err);
    t->param = un_alloc_array(NULL, n, sizeof *t->param);
    t->grad = un_alloc_array(NULL, n, sizeof *t->grad);
    for (size_t i = 0; i < n; i++)
        t->param[i] = (double)w[i];
    un_free(w);
    fill(t, in, shapes[1], cfg.model.classes);
    un_model_set_training(t->g, 1);
    t->target_value = un_graph_input(t->g, "target", UN_TYPE_I32, 1);
    shapes[1].c = 1;
    add_losses(t, form);
    n_forward = t->g->n_nodes;
    CHECK_OK(un_autodiff(t->g, &err), &err);
    if (recompute) {
        un_block_range block[16];
        int blocks = un_find_blocks(t->g, n_forward, "enc", block, 16);

        CHECK_INT(blocks, 3);
        blocks += un_find_blocks(t->g, n_forward, "dec", block + blocks, 16 - blocks);
        CHECK_INT(blocks, 5);
        CHECK_OK(un_recompute(t->g, n_forward, block, blocks, &err), &err);
    }
    CHECK_OK(un_plan_create(&t->plan, NULL, t->g, shapes, &o, &err), &err);
    spec.plan = t->plan;
    spec.blocks.param = t->param;
    spec.blocks.grad = t->grad;
    CHECK_OK(un_backend_cpu()->compile(&t->program, NULL, &spec, &err), &err);
}

static double loss_of(net *t)
{
    const un_backend *b = un_backend_cpu();
    un_step step = {.step = 1};
    double ce, dice;

    b->upload(t->program, t->g->input[0], t->image);
    b->upload(t->program, t->target_value, t->target);
    CHECK_OK(b->run(t->program, &step, &err), &err);
    b->download(t->program, t->loss[0], &ce);
    b->download(t->program, t->loss[1], &dice);
    return 0.7 * ce + 1.3 * dice;
}

static void release(net *t)
{
    un_backend_cpu()->destroy(t->program);
    un_plan_destroy(t->plan);
    un_graph_destroy(t->g);
    un_free(t->param);
    un_free(t->grad);
    un_free(t->image);
    un_free(t->target);
}

/* Of the network that cfg describes. */
static void check_config(const char *text, un_shape in)
{
    net t = {0};
    double *grad;
    un_rng r;

    CHECK_OK(un_model_build(&t.g, NULL, &cfg.model, &err), &err);
    make(&t, in, cfg.model.head == UN_CFG_HEAD_SIGMOID ? UN_LOSS_BINARY : UN_LOSS_SOFTMAX);
    loss_of(&t);
    grad = un_alloc_array(NULL, (size_t)t.g->block_count, sizeof *grad);
    memcpy(grad, t.grad, (size_t)t.g->block_count * sizeof *grad);
    un_rng_init(&r, 9, UN_RNG_TEST, 1, 0, 0);
    for (int k = 0; k < t.g->n_params; k++) {
        const un_param *p = &t.g->param[k];

        for (int j = 0; j < 2 && p->trainable; j++) {
            int64_t i = p->offset + un_rng_below(&r, p->count);
            double h = 1e-5, was = t.param[i], up, down, num;

            t.param[i] = was + h;
            up = loss_of(&t);
            t.param[i] = was - h;
            down = loss_of(&t);
            t.param[i] = was;
            num = (up - down) / (2 * h);
            if (!(fabs(num - grad[i]) <= 1e-6 + 2e-5 * fabs(num)))
                un_test_fail(__FILE__, __LINE__, "%s: d/d%s[%lld] is %.10g, differences say %.10g", text, p->name,
                    (long long)(i - p->offset), grad[i], num);
        }
    }
    un_free(grad);
    release(&t);
}

static void check_gradients(const char *options, int dims, int head)
{
    static const char *const heads[] = {"softmax", "sigmoid"};
    char text[512];
    un_shape in = {2, dims == 3 ? 4 : 1, 8, dims == 3 ? 8 : 12, 2};

    snprintf(text, sizeof text,
        "{model: {dims: %d, in_channels: 2, classes: %d, depth: 2, base_filters: 3, growth: 1.5, head: %s, %s}, loss: "
        "{smoothing: 0.1}}",
        dims, head ? 2 : 3, heads[head], options);
    if (strstr(options, "valid"))
        in.h = in.w = 48;
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_parse(&cfg, NULL, text, strlen(text), "test", &err), &err);
    check_config(text, in);
}

/* Smooth activations only, or differences would cross a kink now and then. */
TEST(two_dimensions)
{
    check_gradients("norm: batch, activation: silu", 2, 0);
    check_gradients("norm: instance, activation: elu, upsample: bilinear", 2, 0);
    check_gradients(
        "norm: group, norm_groups: 3, activation: gelu, upsample: nearest, dropout: 0.3, dropout_at: all", 2, 0);
    check_gradients("norm: none, activation: silu, skips: [true, false], downsample: conv", 2, 0);
    check_gradients("norm: instance, activation: none, downsample: avgpool, bias: on, kernel: [5, 3, 1]", 2, 1);
    check_gradients(
        "norm: batch, activation: gelu, dropout: 0.2, dropout_spatial: true, convs_per_level: [1, 2, 3]", 2, 1);
}

/* Blocks and whole samples that are dropped. */
TEST(dropped_blocks)
{
    check_gradients("norm: group, activation: silu, dropout: 0.2, dropout_at: all, dropout_block: 3", 2, 0);
    check_gradients("norm: none, activation: gelu, dropout: 0.2, dropout_block: 2", 3, 0);
    check_gradients("norm: group, activation: silu, block: residual, drop_path: 0.4", 2, 0);
    check_gradients("norm: none, activation: elu, block: inverted, expansion: 2, drop_path: 0.4", 2, 1);
    check_gradients("norm: instance, activation: silu, block: recurrent, drop_path: 0.4", 3, 0);
}

/* Each row of the registry that acts in the network or in the loss, as its own setting has it; those of the update have
 * values (test_kernel_math.c). */
TEST(regularisers)
{
    static const char network[] =
        "model: {dims: 2, in_channels: 2, classes: 3, depth: 2, base_filters: 3, head: softmax, norm: group, "
        "norm_groups: 3, activation: silu}";
    int n = 0;

    for (int i = 0; i < un_regulariser_count(); i++) {
        const un_around_info *row = un_regulariser_info_of(i);

        if (strncmp(row->setting, "model.", 6) != 0 && strncmp(row->setting, "loss.", 5) != 0)
            continue;
        CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
        CHECK_OK(un_config_parse(&cfg, NULL, network, strlen(network), "test", &err), &err);
        for (const char *w = row->setting; *w; w += strspn(w, " ")) {
            char word[64];

            snprintf(word, sizeof word, "%.*s", (int)strcspn(w, " "), w);
            CHECK_OK(un_config_set(&cfg, NULL, word, &err), &err);
            w += strcspn(w, " ");
        }
        check_config(row->name, (un_shape){2, 1, 8, 12, 2});
        n++;
    }
    CHECK(n >= 5);
}

TEST(valid_padding)
{
    check_gradients("norm: instance, activation: silu, padding: valid, convs_per_level: 1", 2, 0);
}

TEST(three_dimensions)
{
    check_gradients("norm: instance, activation: silu", 3, 0);
    check_gradients("norm: batch, activation: gelu, upsample: bilinear, strides: [[1, 2, 2], [2, 2, 2]], kernel: [[1, "
                    "3, 3], [3, 3, 3], [3, 3, 3]]",
        3, 0);
    check_gradients("norm: group, activation: elu, upsample: nearest, downsample: conv", 3, 1);
}

/* Operators of the architectures: factors, pooling over all pixels, shared and depthwise weights, blocks of pixels. */
TEST(architectures)
{
    check_gradients("norm: batch, activation: silu, block: recurrent, recalibrate: scse, se_ratio: 2", 2, 0);
    check_gradients("norm: instance, activation: elu, block: separable, gate: attention", 2, 1);
    check_gradients("norm: group, activation: gelu, block: inverted, expansion: 2, bottom: aspp", 2, 0);
    check_gradients("norm: none, activation: silu, block: dense, bottom: dilated, downsample: conv", 2, 0);
    check_gradients("norm: instance, activation: silu, block: residual, decoder: nested", 2, 0);
    check_gradients(
        "norm: batch, activation: silu, decoder: full, stem: space_to_depth, stem_size: 2, strides: [[1, 1], [2, 2]]",
        2, 1);
    check_gradients("norm: instance, activation: silu, block: separable, recalibrate: se, gate: attention", 3, 0);
}

/* Recomputing blocks changes no bit of loss or gradient, and needs less memory. */
TEST(recomputing_changes_no_bit)
{
    static const char *const kinds[] = {
        "norm: batch, activation: relu, dropout: 0.2, dropout_at: all",
        "norm: instance, activation: leaky_relu, upsample: bilinear",
        "norm: none, activation: gelu, downsample: conv",
        "norm: batch, activation: silu, block: recurrent, recalibrate: scse, gate: attention",
    };

    for (int i = 0; i < 4; i++) {
        char text[256];
        un_shape in = {2, 1, 16, 24, 2};
        net a = {0}, b = {0};
        double la, lb;

        snprintf(text, sizeof text,
            "model: {dims: 2, in_channels: 2, classes: 3, depth: 2, base_filters: 3, head: softmax, %s}", kinds[i]);
        CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
        CHECK_OK(un_config_parse(&cfg, NULL, text, strlen(text), "test", &err), &err);
        CHECK_OK(un_model_build(&a.g, NULL, &cfg.model, &err), &err);
        CHECK_OK(un_model_build(&b.g, NULL, &cfg.model, &err), &err);
        make(&a, in, UN_LOSS_SOFTMAX);
        recompute = 1;
        make(&b, in, UN_LOSS_SOFTMAX);
        recompute = 0;
        la = loss_of(&a);
        lb = loss_of(&b);
        CHECK(la == lb);
        CHECK(!memcmp(a.grad, b.grad, (size_t)a.g->block_count * sizeof *a.grad));
        CHECK(!memcmp(a.param, b.param, (size_t)a.g->block_count * sizeof *a.param));
        CHECK(b.plan->act_bytes < a.plan->act_bytes);
        CHECK(b.g->n_nodes > a.g->n_nodes);
        release(&a);
        release(&b);
    }
}
