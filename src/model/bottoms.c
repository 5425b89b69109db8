/* What follows the block of the lowest level. */
#include "model/builder.h"

#include <stdio.h>

#include "base/size.h"
#include "kernels/args.h"

enum { TAG = 24 };

static int dilated(un_builder *b, const char *tag, int ci, int co, int rate, int x)
{
    un_unit u = {.block = "bottom", .tag = tag, .conv = {.ci = ci, .co = co, .dilation = rate}};

    un_config_axes_at(&b->m->kernel, b->m->depth, b->m->dims, u.conv.k);
    return un_build_unit(b, &u, x);
}

static int pointwise(un_builder *b, const char *tag, int ci, int co, int x)
{
    const un_unit u = {.block = "bottom", .tag = tag, .conv = {.ci = ci, .co = co}};

    return un_build_unit(b, &u, x);
}

/* The mean over the whole patch, through a layer without norm (it has one pixel), back at every pixel. */
static int pooled_branch(un_builder *b, int ci, int co, int like)
{
    static const un_attr mean = {.spread = {1}}, copy = {.spread = {0}};
    int x = un_graph_op(b->g, UN_OP_GLOBAL_POOL, "bottom.pool", &like, 1, &mean);

    x = un_build_pointwise(b, "bottom.pooled", x, ci, co, 1);
    x = un_build_activation(b, "bottom.pooled", x);
    return un_graph_op(b->g, UN_OP_EXPAND, "bottom.expand", (int[]){x, like}, 2, &copy);
}

/* A branch of 1x1 convolutions, one for each rate above 1, and the pooled one; each has a quarter of the filters. */
static int aspp(un_builder *b, int x)
{
    const un_cfg_ints *rates = &b->m->dilations;
    const int co = un_model_encoded(b->m, b->m->depth), inner = UN_MAX(co / 4, 1);
    int list[UN_MAX_INPUTS], n = 0;
    char tag[TAG];

    list[n++] = pointwise(b, "1", co, inner, x);
    for (int i = 0; i < rates->n; i++) {
        snprintf(tag, sizeof tag, "%d", rates->v[i]);
        if (rates->v[i] > 1)
            list[n++] = dilated(b, tag, co, inner, rates->v[i], x);
    }
    list[n++] = pooled_branch(b, co, inner, x);
    return pointwise(b, "_out", n * inner, co, un_build_join(b, "bottom.cat", list, n));
}

/* x + d1(x) + d2(d1(x)) + ... */
static int cascade(un_builder *b, int x)
{
    const un_cfg_ints *rates = &b->m->dilations;
    const int co = un_model_encoded(b->m, b->m->depth);
    char tag[TAG], name[32];
    int sum = x;

    for (int i = 0; i < rates->n; i++) {
        snprintf(tag, sizeof tag, "%d", i);
        x = dilated(b, tag, co, co, rates->v[i], x);
        snprintf(name, sizeof name, "bottom.add%d", i);
        sum = un_build_binary(b, UN_OP_ADD, name, sum, x);
    }
    return sum;
}

int un_build_bottom(un_builder *b, int x)
{
    static int (*const kinds[])(un_builder *, int) = {
        [UN_CFG_BOTTOM_ASPP] = aspp,
        [UN_CFG_BOTTOM_DILATED] = cascade,
    };

    return b->m->bottom == UN_CFG_BOTTOM_PLAIN ? x : kinds[b->m->bottom](b, x);
}
