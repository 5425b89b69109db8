/* Classic U-Net (Ronneberger, Fischer, Brox, MICCAI 2015; 3-D: Cicek 2016) as a graph. Level 0 is the full size, level
 * `depth` the bottom; 2-D is 3-D with a depth of 1, only the rank of the weights differs. */
#include "model/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "kernels/args.h"

typedef struct builder {
    un_graph *g;
    const un_cfg_model *m;
    int streams; /* dropout nodes so far */
} builder;

int un_model_filters(const un_cfg_model *m, int level)
{
    double f = m->base_filters;

    for (int i = 0; i < level; i++)
        f *= m->growth;
    return (int)UN_MIN(floor(f + 0.5), (double)m->max_filters);
}

int un_model_channels(const un_cfg_model *m)
{
    return m->head == UN_CFG_HEAD_SIGMOID ? 1 : m->classes;
}

/* The stride of the pooling from level to level + 1. */
static void stride_at(const un_cfg_model *m, int level, int out[3])
{
    if (m->strides.n == UN_CFG_LIST_AUTO)
        for (int i = 0; i < 3; i++)
            out[i] = i == 0 && m->dims == 2 ? 1 : 2;
    else
        un_config_axes_at(&m->strides, level, m->dims, out);
}

void un_model_grid(const un_cfg_model *m, int grid[3])
{
    for (int i = 0; i < 3; i++)
        grid[i] = 1;
    for (int level = 0; level < m->depth; level++) {
        int s[3];

        stride_at(m, level, s);
        for (int i = 0; i < 3; i++)
            grid[i] *= s[i];
    }
}

static int activation(const un_cfg_model *m)
{
    static const int act[] = {
        [UN_CFG_ACT_RELU] = UN_ACT_RELU,
        [UN_CFG_ACT_LEAKY_RELU] = UN_ACT_LEAKY_RELU,
        [UN_CFG_ACT_ELU] = UN_ACT_ELU,
        [UN_CFG_ACT_GELU] = UN_ACT_GELU,
        [UN_CFG_ACT_SILU] = UN_ACT_SILU,
        [UN_CFG_ACT_NONE] = UN_ACT_NONE,
    };

    return act[m->activation];
}

static double slope(const un_cfg_model *m)
{
    return m->activation == UN_CFG_ACT_LEAKY_RELU ? m->activation_slope : m->activation == UN_CFG_ACT_ELU ? 1 : 0;
}

/* Weight [first][second][k...] of rank 4 in 2-D and 5 in 3-D. */
static int weight(builder *b, const char *layer, int first, int second, const int k[3])
{
    char name[96];
    const int dims3[5] = {first, second, k[0], k[1], k[2]}, dims2[4] = {first, second, k[1], k[2]};

    snprintf(name, sizeof name, "%s.weight", layer);
    return b->m->dims == 2 ? un_graph_param(b->g, name, UN_PARAM_WEIGHT, 1, 4, dims2)
                           : un_graph_param(b->g, name, UN_PARAM_WEIGHT, 1, 5, dims3);
}

static int vector(builder *b, const char *layer, const char *what, un_param_role role, int n)
{
    char name[96];

    snprintf(name, sizeof name, "%s.%s", layer, what);
    return un_graph_param(b->g, name, role, role < UN_PARAM_RUNNING_MEAN, 1, &n);
}

/* A convolution with the padding of the network. bias: whether it has one. */
static int conv(builder *b, const char *layer, int x, int ci, int co, const int k[3], const int stride[3], int bias)
{
    un_attr a = {.conv = {.dilation = {1, 1, 1}, .groups = 1}};
    int in[3] = {x, weight(b, layer, co, ci, k), 0};

    for (int i = 0; i < 3; i++) {
        a.conv.k[i] = k[i];
        a.conv.stride[i] = stride[i];
        a.conv.pad[i] = a.conv.pad_end[i] = b->m->padding == UN_CFG_PAD_SAME ? k[i] / 2 : 0;
    }
    if (bias)
        in[2] = vector(b, layer, "bias", UN_PARAM_BIAS, co);
    return un_graph_op(b->g, UN_OP_CONV, layer, in, bias ? 3 : 2, &a);
}

/* The largest divisor of the channels that is not above the wish. */
static int group_count(int channels, int wish)
{
    int n = UN_MIN(channels, wish);

    while (channels % n)
        n--;
    return n;
}

/* Normalisation and activation; `layer` names the norm. */
static int norm_and_act(builder *b, const char *layer, int x, int channels)
{
    const un_cfg_model *m = b->m;
    un_attr a = {0};
    int in[5] = {x}, n = 3;

    if (m->norm == UN_CFG_NORM_NONE) {
        if (m->activation == UN_CFG_ACT_NONE)
            return x;
        a.act = (un_act_attr){activation(m), slope(m)};
        return un_graph_op(b->g, UN_OP_ACT, layer, in, 1, &a);
    }
    a.norm = (un_norm_attr){.mode = m->norm == UN_CFG_NORM_BATCH ? UN_NORM_BATCH
            : m->norm == UN_CFG_NORM_INSTANCE ? UN_NORM_INSTANCE : UN_NORM_GROUP,
        .groups = m->norm == UN_CFG_NORM_GROUP ? group_count(channels, m->norm_groups) : 1,
        .eps = m->norm_eps, .momentum = m->norm_momentum, .act = activation(m), .slope = slope(m)};
    in[1] = vector(b, layer, "weight", UN_PARAM_NORM_SCALE, channels);
    in[2] = vector(b, layer, "bias", UN_PARAM_NORM_SHIFT, channels);
    if (m->norm == UN_CFG_NORM_BATCH) {
        in[3] = vector(b, layer, "running_mean", UN_PARAM_RUNNING_MEAN, channels);
        in[4] = vector(b, layer, "running_var", UN_PARAM_RUNNING_VAR, channels);
        a.norm.use_running = 1;
        n = 5;
    }
    return un_graph_op(b->g, UN_OP_NORM, layer, in, n, &a);
}

static int conv_has_bias(const un_cfg_model *m, int norm_follows)
{
    return m->bias == UN_CFG_BIAS_ON || (m->bias == UN_CFG_BIAS_AUTO && !norm_follows);
}

/* The convolutions of a level: side "enc" or "dec". first_stride: of the first convolution. */
static int block(builder *b, const char *side, int level, int x, int ci, const int first_stride[3])
{
    static const int one[3] = {1, 1, 1};
    const un_cfg_model *m = b->m;
    const int co = un_model_filters(m, level), count = un_config_int_at(&m->convs_per_level, level);
    char name[64];
    int k[3];

    un_config_axes_at(&m->kernel, level, m->dims, k);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%d.conv%d", side, level, i);
        x = conv(b, name, x, i ? co : ci, co, k, i ? one : first_stride, conv_has_bias(m, m->norm != UN_CFG_NORM_NONE));
        snprintf(name, sizeof name, "%s%d.%s%d", side, level, m->norm == UN_CFG_NORM_NONE ? "act" : "norm", i);
        x = norm_and_act(b, name, x, co);
    }
    if (m->dropout > 0 && (m->dropout_at == UN_CFG_DROPOUT_ALL || level == m->depth)) {
        const un_attr a = {.dropout = {m->dropout, m->dropout_spatial, b->streams++}};

        snprintf(name, sizeof name, "%s%d.dropout", side, level);
        x = un_graph_op(b->g, UN_OP_DROPOUT, name, &x, 1, &a);
    }
    return x;
}

static int pool(builder *b, int level, int x)
{
    un_attr a = {0};
    char name[32];

    stride_at(b->m, level, a.pool.k);
    memcpy(a.pool.stride, a.pool.k, sizeof a.pool.k);
    snprintf(name, sizeof name, "pool%d", level);
    return un_graph_op(
        b->g, b->m->downsample == UN_CFG_DOWN_AVGPOOL ? UN_OP_AVG_POOL : UN_OP_MAX_POOL, name, &x, 1, &a);
}

/* From level + 1 to level. Up-sampling halves the filters, as in the paper. */
static int up(builder *b, int level, int x)
{
    static const int one[3] = {1, 1, 1};
    const un_cfg_model *m = b->m;
    const int ci = un_model_filters(m, level + 1), co = un_model_filters(m, level), bias = conv_has_bias(m, 0);
    char name[32], resize[48];
    int s[3], k[3];
    un_attr a = {0};

    stride_at(m, level, s);
    snprintf(name, sizeof name, "up%d", level);
    if (m->upsample == UN_CFG_UP_TRANSPOSE) {
        int in[3] = {x, weight(b, name, ci, co, s), 0};

        a.conv.groups = 1;
        for (int i = 0; i < 3; i++) {
            a.conv.k[i] = a.conv.stride[i] = s[i];
            a.conv.dilation[i] = 1;
        }
        if (bias)
            in[2] = vector(b, name, "bias", UN_PARAM_BIAS, co);
        return un_graph_op(b->g, UN_OP_CONV_TRANSPOSE, name, in, bias ? 3 : 2, &a);
    }
    memcpy(a.upsample.factor, s, sizeof s);
    a.upsample.linear = m->upsample == UN_CFG_UP_BILINEAR;
    snprintf(resize, sizeof resize, "%s.resize", name);
    x = un_graph_op(b->g, UN_OP_UPSAMPLE, resize, &x, 1, &a);
    un_config_axes_at(&m->kernel, level, m->dims, k);
    return conv(b, name, x, ci, co, k, one, bias);
}

static int decode(builder *b, int level, int x, int skip)
{
    static const int one[3] = {1, 1, 1};
    const int filters = un_model_filters(b->m, level);
    char name[32];
    int in[2];

    x = up(b, level, x);
    if (!un_config_int_at(&b->m->skips, level))
        return block(b, "dec", level, x, filters, one);
    if (b->m->padding == UN_CFG_PAD_VALID) {
        snprintf(name, sizeof name, "crop%d", level);
        skip = un_graph_op(b->g, UN_OP_CROP, name, (int[]){skip, x}, 2, NULL);
    }
    in[0] = skip;
    in[1] = x;
    snprintf(name, sizeof name, "cat%d", level);
    return block(b, "dec", level, un_graph_op(b->g, UN_OP_CONCAT, name, in, 2, NULL), 2 * filters, one);
}

static void head(builder *b, int x)
{
    static const int one[3] = {1, 1, 1};
    const un_attr a = {.softmax = {b->m->head != UN_CFG_HEAD_SOFTMAX}};

    x = conv(b, "head", x, un_model_filters(b->m, 0), un_model_channels(b->m), one, one, 1);
    un_graph_output(b->g, x);
    un_graph_output(b->g, un_graph_op(b->g, UN_OP_SOFTMAX, "probabilities", &x, 1, &a));
}

static unet_status check_resolved(const un_cfg_model *m, unet_error *err)
{
    const struct {
        int is_auto;
        const char *key;
    } row[] = {
        {un_is_auto(m->dims), "model.dims"},
        {un_is_auto(m->in_channels), "model.in_channels"},
        {un_is_auto(m->classes), "model.classes"},
        {un_is_auto(m->depth), "model.depth"},
        {un_is_auto(m->base_filters), "model.base_filters"},
        {m->norm == UN_CFG_NORM_AUTO, "model.norm"},
        {m->head == UN_CFG_HEAD_AUTO, "model.head"},
    };

    for (size_t i = 0; i < UN_COUNT(row); i++)
        if (row[i].is_auto)
            return un_fail_file(err, UNET_E_CONFIG, row[i].key,
                "%s is still auto; set it, or let `unet plan` choose from the data", row[i].key);
    return UNET_OK;
}

unet_status un_model_build(un_graph **out, un_mem *mem, const un_cfg_model *m, unet_error *err)
{
    static const int one[3] = {1, 1, 1};
    builder b = {.m = m};
    int skip[UN_CFG_LEVELS_MAX], x, channels = m->in_channels;
    unet_status st = check_resolved(m, err);

    *out = NULL;
    if (!st)
        st = un_graph_create(&b.g, mem, err);
    if (st)
        return st;
    x = un_graph_input(b.g, "image", UN_TYPE_REAL, channels);
    for (int level = 0; level <= m->depth; level++) {
        int s[3];

        memcpy(s, one, sizeof s);
        if (level > 0 && m->downsample == UN_CFG_DOWN_CONV)
            stride_at(m, level - 1, s);
        else if (level > 0)
            x = pool(&b, level - 1, x);
        x = block(&b, "enc", level, x, channels, s);
        channels = un_model_filters(m, level);
        skip[level] = x;
    }
    for (int level = m->depth - 1; level >= 0; level--)
        x = decode(&b, level, x, skip[level]);
    head(&b, x);
    st = un_graph_check(b.g, err);
    if (st) {
        un_graph_destroy(b.g);
        return st;
    }
    *out = b.g;
    return UNET_OK;
}

void un_model_set_training(un_graph *g, int training)
{
    for (int i = 0; i < g->n_nodes; i++) {
        un_node *n = &g->node[i];

        if (n->op == UN_OP_NORM && n->attr.norm.mode == UN_NORM_BATCH) {
            n->attr.norm.use_running = !training;
            n->attr.norm.update_running = training;
        }
    }
}
