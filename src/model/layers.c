/* Single layers. */
#include "model/builder.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "kernels/args.h"

enum { NAME = 96 };

void un_model_stride(const un_cfg_model *m, int level, int out[3])
{
    if (m->strides.n == UN_CFG_LIST_AUTO)
        for (int i = 0; i < 3; i++)
            out[i] = i == 0 && m->dims == 2 ? 1 : 2;
    else
        un_config_axes_at(&m->strides, level, m->dims, out);
}

int un_model_activation(const un_cfg_model *m)
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

int un_conv_has_bias(const un_cfg_model *m, int norm_follows)
{
    return m->bias == UN_CFG_BIAS_ON || (m->bias == UN_CFG_BIAS_AUTO && !norm_follows);
}

/* Weight [first][second][k...] of rank 4 in 2-D and 5 in 3-D. */
static int weight(un_builder *b, const char *layer, int first, int second, const int k[3])
{
    char name[NAME + 16];
    const int dims3[5] = {first, second, k[0], k[1], k[2]}, dims2[4] = {first, second, k[1], k[2]};

    snprintf(name, sizeof name, "%s.weight", layer);
    return b->m->dims == 2 ? un_graph_param(b->g, name, UN_PARAM_WEIGHT, 1, 4, dims2)
                           : un_graph_param(b->g, name, UN_PARAM_WEIGHT, 1, 5, dims3);
}

static int vector(un_builder *b, const char *layer, const char *what, un_param_role role, int n)
{
    char name[NAME + 16];

    snprintf(name, sizeof name, "%s.%s", layer, what);
    return un_graph_param(b->g, name, role, role < UN_PARAM_RUNNING_MEAN, 1, &n);
}

int un_build_conv(un_builder *b, const un_conv_layer *l, int x)
{
    un_attr a = {.conv = {.groups = UN_MAX(l->groups, 1)}};
    int k[3], in[3] = {x, l->shared, 0}, same = b->m->padding == UN_CFG_PAD_SAME && !l->patches;

    for (int i = 0; i < 3; i++) {
        a.conv.k[i] = k[i] = UN_MAX(l->k[i], 1);
        a.conv.stride[i] = UN_MAX(l->stride[i], 1);
        a.conv.dilation[i] = k[i] > 1 ? UN_MAX(l->dilation, 1) : 1;
        a.conv.pad[i] = a.conv.pad_end[i] = same ? k[i] / 2 * a.conv.dilation[i] : 0;
        if (l->late_padding) {
            a.conv.pad[i] = UN_MAX(k[i] - a.conv.stride[i], 0) / 2;
            a.conv.pad_end[i] = UN_MAX(k[i] - a.conv.stride[i], 0) - a.conv.pad[i];
        }
    }
    if (!l->shared)
        in[1] = weight(b, l->name, l->co, l->ci / a.conv.groups, k);
    if (l->bias)
        in[2] = vector(b, l->name, "bias", UN_PARAM_BIAS, l->co);
    return un_graph_op(b->g, UN_OP_CONV, l->name, in, l->bias ? 3 : 2, &a);
}

int un_build_pointwise(un_builder *b, const char *name, int x, int ci, int co, int bias)
{
    const un_conv_layer l = {.name = name, .ci = ci, .co = co, .bias = bias};

    return un_build_conv(b, &l, x);
}

/* The largest divisor of the channels that is not above the wish. */
static int group_count(int channels, int wish)
{
    int n = UN_MIN(channels, wish);

    while (channels % n)
        n--;
    return n;
}

int un_build_act(un_builder *b, const char *name, int x, int act)
{
    const un_attr a = {.act = {act, act == un_model_activation(b->m) ? slope(b->m) : 0}};

    return act == UN_ACT_NONE ? x : un_graph_op(b->g, UN_OP_ACT, name, &x, 1, &a);
}

int un_build_activation(un_builder *b, const char *name, int x)
{
    return un_build_act(b, name, x, un_model_activation(b->m));
}

/* The node with its parameters. */
static int norm_node(un_builder *b, const char *name, int x, int channels, const un_norm_attr *attr)
{
    un_attr a = {.norm = *attr};
    int in[5] = {x}, n = 3;

    in[1] = vector(b, name, "weight", UN_PARAM_NORM_SCALE, channels);
    in[2] = vector(b, name, "bias", UN_PARAM_NORM_SHIFT, channels);
    if (a.norm.mode == UN_NORM_BATCH) {
        in[3] = vector(b, name, "running_mean", UN_PARAM_RUNNING_MEAN, channels);
        in[4] = vector(b, name, "running_var", UN_PARAM_RUNNING_VAR, channels);
        a.norm.use_running = 1;
        n = 5;
    }
    return un_graph_op(b->g, UN_OP_NORM, name, in, n, &a);
}

int un_build_batch_norm(un_builder *b, const char *name, int x, int channels, double eps, int act)
{
    const un_norm_attr a = {
        .mode = UN_NORM_BATCH, .groups = 1, .eps = eps, .momentum = b->m->norm_momentum, .act = act};

    return norm_node(b, name, x, channels, &a);
}

int un_build_norm(un_builder *b, const char *name, int x, int channels, int act)
{
    const un_cfg_model *m = b->m;
    const int kind = act ? un_model_activation(m) : UN_ACT_NONE;

    if (m->norm == UN_CFG_NORM_NONE)
        return un_build_act(b, name, x, kind);
    return norm_node(b, name, x, channels,
        &(un_norm_attr){.mode = m->norm == UN_CFG_NORM_BATCH      ? UN_NORM_BATCH
                                : m->norm == UN_CFG_NORM_INSTANCE ? UN_NORM_INSTANCE
                                                                  : UN_NORM_GROUP,
            .groups = m->norm == UN_CFG_NORM_GROUP ? group_count(channels, m->norm_groups) : 1,
            .eps = m->norm_eps,
            .momentum = m->norm_momentum,
            .act = kind,
            .slope = act ? slope(m) : 0});
}

int un_build_unit(un_builder *b, const un_unit *u, int x)
{
    const int norm = b->m->norm != UN_CFG_NORM_NONE;
    un_conv_layer l = u->conv;
    char name[NAME];

    snprintf(name, sizeof name, "%s.conv%s", u->block, u->tag);
    l.name = name;
    l.bias = un_conv_has_bias(b->m, norm);
    x = un_build_conv(b, &l, x);
    snprintf(name, sizeof name, "%s.%s%s", u->block, norm ? "norm" : "act", u->tag);
    return un_build_norm(b, name, x, l.co, !u->no_act);
}

int un_build_join(un_builder *b, const char *name, const int *in, int n)
{
    return n == 1 ? in[0] : un_graph_op(b->g, UN_OP_CONCAT, name, in, n, NULL);
}

int un_build_binary(un_builder *b, un_op op, const char *name, int x, int y)
{
    return un_graph_op(b->g, op, name, (int[]){x, y}, 2, NULL);
}

int un_build_like(un_builder *b, const char *name, int x, int like)
{
    return b->m->padding == UN_CFG_PAD_VALID ? un_build_binary(b, UN_OP_CROP, name, x, like) : x;
}

int un_build_pool(un_builder *b, int level, int x)
{
    un_attr a = {0};
    char name[32];

    un_model_stride(b->m, level, a.pool.k);
    memcpy(a.pool.stride, a.pool.k, sizeof a.pool.k);
    snprintf(name, sizeof name, "pool%d", level);
    return un_graph_op(
        b->g, b->m->downsample == UN_CFG_DOWN_AVGPOOL ? UN_OP_AVG_POOL : UN_OP_MAX_POOL, name, &x, 1, &a);
}

int un_build_resize(un_builder *b, const char *name, int x, const int factor[3])
{
    un_attr a = {.upsample = {.linear = 1}};

    memcpy(a.upsample.factor, factor, sizeof a.upsample.factor);
    return un_graph_op(b->g, UN_OP_UPSAMPLE, name, &x, 1, &a);
}

int un_build_transposed(un_builder *b, const char *name, int x, int ci, int co, const int s[3], int bias)
{
    int in[3] = {x, weight(b, name, ci, co, s), 0};
    un_attr a = {.conv = {.groups = 1, .dilation = {1, 1, 1}}};

    memcpy(a.conv.k, s, sizeof a.conv.k);
    memcpy(a.conv.stride, s, sizeof a.conv.stride);
    if (bias)
        in[2] = vector(b, name, "bias", UN_PARAM_BIAS, co);
    return un_graph_op(b->g, UN_OP_CONV_TRANSPOSE, name, in, bias ? 3 : 2, &a);
}

int un_build_up(un_builder *b, const char *name, int level, int x, int ci, int co)
{
    const un_cfg_model *m = b->m;
    un_conv_layer l = {.name = name, .ci = ci, .co = co, .bias = un_conv_has_bias(m, 0)};
    un_attr a = {0};
    char resize[NAME];
    int s[3];

    un_model_stride(m, level, s);
    if (m->upsample == UN_CFG_UP_TRANSPOSE)
        return un_build_transposed(b, name, x, ci, co, s, l.bias);
    memcpy(a.upsample.factor, s, sizeof s);
    a.upsample.linear = m->upsample == UN_CFG_UP_BILINEAR;
    snprintf(resize, sizeof resize, "%s.resize", name);
    x = un_graph_op(b->g, UN_OP_UPSAMPLE, resize, &x, 1, &a);
    un_config_axes_at(&m->kernel, level, m->dims, l.k);
    return un_build_conv(b, &l, x);
}
