/* Blocks of convolutions, one function a kind. */
#include "model/builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"

enum { TAG = 24, NAME = 96 };

static int is_strided(const un_block *k)
{
    return k->stride[0] > 1 || k->stride[1] > 1 || k->stride[2] > 1;
}

/* A convolution of the block's kernel; the first one has the block's stride. */
static un_conv_layer spatial(const un_builder *b, const un_block *k, int ci, int co, int first)
{
    un_conv_layer l = {.ci = ci, .co = co};

    un_config_axes_at(&b->m->kernel, k->level, b->m->dims, l.k);
    if (first)
        memcpy(l.stride, k->stride, sizeof l.stride);
    return l;
}

static int unit(un_builder *b, const un_block *k, const char *tag, un_conv_layer l, int act, int x)
{
    const un_unit u = {.block = k->name, .tag = tag, .conv = l, .no_act = !act};

    return un_build_unit(b, &u, x);
}

static int plain(un_builder *b, const un_block *k, int x)
{
    char tag[TAG];

    for (int i = 0; i < k->count; i++) {
        snprintf(tag, sizeof tag, "%d", i);
        x = unit(b, k, tag, spatial(b, k, i ? k->co : k->ci, k->co, !i), 1, x);
    }
    return x;
}

/* The input of the block in the shape of its output: itself, or a 1x1 convolution. */
static int shortcut(un_builder *b, const un_block *k, int x)
{
    un_conv_layer l = {.ci = k->ci, .co = k->co};

    memcpy(l.stride, k->stride, sizeof l.stride);
    return k->ci == k->co && !is_strided(k) ? x : unit(b, k, "_shortcut", l, 0, x);
}

/* Stochastic depth (Huang 2016): what stands beside the shortcut is left out for a sample, with a probability that
 * rises in a straight line over the blocks of encoder and decoder. */
static int drop_path(un_builder *b, const un_block *k, const char *tag, int y)
{
    const double blocks = 2 * b->m->depth + 1, share = UN_MIN((b->paths + 1) / blocks, 1.0);
    const un_attr a = {.dropout = {.p = b->m->drop_path * share, .sample = 1, .stream = b->streams}};
    char name[NAME];

    if (!(b->m->drop_path > 0))
        return y;
    b->streams++;
    snprintf(name, sizeof name, "%s.%s", k->name, tag);
    return un_graph_op(b->g, UN_OP_DROPOUT, name, &y, 1, &a);
}

/* act(norm(conv(... x)) + x), the order of He et al. 2016, figure 2. */
static int residual(un_builder *b, const un_block *k, int x)
{
    char name[NAME], tag[TAG];
    int y = x;

    for (int i = 0; i < k->count; i++) {
        snprintf(tag, sizeof tag, "%d", i);
        y = unit(b, k, tag, spatial(b, k, i ? k->co : k->ci, k->co, !i), i < k->count - 1, y);
    }
    y = drop_path(b, k, "path", un_build_recalibrate(b, k->name, y, k->co));
    snprintf(name, sizeof name, "%s.crop", k->name);
    x = un_build_like(b, name, shortcut(b, k, x), y);
    snprintf(name, sizeof name, "%s.add", k->name);
    y = un_build_binary(b, UN_OP_ADD, name, y, x);
    snprintf(name, sizeof name, "%s.act", k->name);
    return un_build_activation(b, name, y);
}

/* Each convolution reads the input and all outputs before it; a 1x1 convolution gathers them. */
static int dense(un_builder *b, const un_block *k, int x)
{
    const int growth = UN_MAX((int)floor(b->m->dense_growth * k->co + 0.5), 1);
    un_conv_layer l = spatial(b, k, k->ci, k->co, 1);
    int list[UN_MAX_INPUTS] = {x}, n = 1, ci = k->ci;
    char name[NAME], tag[TAG];

    if (is_strided(k)) {
        list[0] = unit(b, k, "_in", l, 1, x);
        ci = k->co;
    }
    for (int i = 0; i < k->count; i++) {
        snprintf(name, sizeof name, "%s.cat%d", k->name, i);
        snprintf(tag, sizeof tag, "%d", i);
        x = un_build_join(b, name, list, n);
        list[n++] = unit(b, k, tag, spatial(b, k, ci, growth, 0), 1, x);
        ci += growth;
    }
    snprintf(name, sizeof name, "%s.cat%d", k->name, k->count);
    l = (un_conv_layer){.ci = ci, .co = k->co};
    return unit(b, k, "_out", l, 1, un_build_join(b, name, list, n));
}

/* h = f(x); h = f(x + h), `recurrence` times, with one weight (Liang and Hu 2015) and norms of their own. */
static int recurrent_layer(un_builder *b, const un_block *k, int i, int x)
{
    un_conv_layer l = spatial(b, k, k->co, k->co, 0);
    char name[NAME], tag[TAG];
    int h = x;

    for (int t = 0; t <= b->m->recurrence && !b->g->failed; t++) {
        snprintf(name, sizeof name, "%s.add%d_%d", k->name, i, t);
        if (t)
            h = un_build_binary(b, UN_OP_ADD, name, x, h);
        snprintf(tag, sizeof tag, "%d_%d", i, t);
        h = unit(b, k, tag, l, 1, h);
        snprintf(name, sizeof name, "%s.conv%d_0.weight", k->name, i);
        l.shared = un_graph_find_value(b->g, name);
    }
    return h;
}

static int recurrent(un_builder *b, const un_block *k, int x)
{
    un_conv_layer l = {.ci = k->ci, .co = k->co};
    char name[NAME];
    int h;

    memcpy(l.stride, k->stride, sizeof l.stride);
    if (k->ci != k->co || is_strided(k))
        x = unit(b, k, "_in", l, 0, x);
    h = x;
    for (int i = 0; i < k->count; i++)
        h = recurrent_layer(b, k, i, h);
    h = drop_path(b, k, "path", h);
    snprintf(name, sizeof name, "%s.add", k->name);
    return un_build_binary(b, UN_OP_ADD, name, x, h);
}

static int depthwise(un_builder *b, const un_block *k, int i, int channels, int x)
{
    un_conv_layer l = spatial(b, k, channels, channels, !i);
    char tag[TAG];

    l.groups = channels;
    snprintf(tag, sizeof tag, "%d_depth", i);
    return unit(b, k, tag, l, 1, x);
}

static int pointwise(un_builder *b, const un_block *k, int i, const char *what, int ci, int co, int act, int x)
{
    const un_conv_layer l = {.ci = ci, .co = co};
    char tag[TAG];

    snprintf(tag, sizeof tag, "%d_%s", i, what);
    return unit(b, k, tag, l, act, x);
}

static int separable(un_builder *b, const un_block *k, int x)
{
    int ci = k->ci;

    for (int i = 0; i < k->count; i++, ci = k->co) {
        if (i == 0 && k->picture) {
            x = unit(b, k, "0", spatial(b, k, ci, k->co, 1), 1, x);
            continue;
        }
        x = depthwise(b, k, i, ci, x);
        x = pointwise(b, k, i, "point", ci, k->co, 1, x);
    }
    return x;
}

/* Wider inside than outside, without activation at the narrow ends. */
static int inverted(un_builder *b, const un_block *k, int x)
{
    char name[NAME], tag[TAG];
    int ci = k->ci;

    for (int i = 0; i < k->count; i++, ci = k->co) {
        const int inner = ci * b->m->expansion;
        int y = x;

        if (i == 0 && k->picture) {
            x = unit(b, k, "0", spatial(b, k, ci, k->co, 1), 1, x);
            continue;
        }
        if (b->m->expansion > 1)
            y = pointwise(b, k, i, "expand", ci, inner, 1, y);
        y = depthwise(b, k, i, inner, y);
        y = pointwise(b, k, i, "project", inner, k->co, 0, y);
        snprintf(name, sizeof name, "%s.add%d", k->name, i);
        snprintf(tag, sizeof tag, "path%d", i);
        x = ci == k->co && (i || !is_strided(k)) ? un_build_binary(b, UN_OP_ADD, name, x, drop_path(b, k, tag, y)) : y;
    }
    return x;
}

static const struct {
    int (*build)(un_builder *b, const un_block *k, int x);
    int recalibrates; /* itself, before its sum */
} kinds[] = {
    [UN_CFG_BLOCK_PLAIN] = {plain, 0},
    [UN_CFG_BLOCK_RESIDUAL] = {residual, 1},
    [UN_CFG_BLOCK_DENSE] = {dense, 0},
    [UN_CFG_BLOCK_RECURRENT] = {recurrent, 0},
    [UN_CFG_BLOCK_SEPARABLE] = {separable, 0},
    [UN_CFG_BLOCK_INVERTED] = {inverted, 0},
};

int un_build_block(un_builder *b, const un_block *k, int x)
{
    const un_cfg_model *m = b->m;
    char name[NAME];

    x = kinds[m->block].build(b, k, x);
    b->paths++;
    if (!kinds[m->block].recalibrates)
        x = un_build_recalibrate(b, k->name, x, k->co);
    if (m->dropout > 0 && (m->dropout_at == UN_CFG_DROPOUT_ALL || k->level == m->depth)) {
        const un_attr a = {
            .dropout = {
                .p = m->dropout, .spatial = m->dropout_spatial, .block = m->dropout_block, .stream = b->streams++}};

        snprintf(name, sizeof name, "%s.dropout", k->name);
        x = un_graph_op(b->g, UN_OP_DROPOUT, name, &x, 1, &a);
    }
    return x;
}
