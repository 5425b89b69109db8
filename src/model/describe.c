/* What can be said of a network before it runs: reach, cost, a table of its layers and the U as text. */
#include "model/build.h"

#include <string.h>

#include "base/size.h"
#include "graph/keep.h"

typedef struct span {
    int set;
    int64_t lo, hi;
} span;

static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* The pixels of input i of the node that the pixels `o` of its output depend on, on one axis. */
static span needs(const un_node *n, int i, int axis, span o, const un_shape *s)
{
    span r = o;

    if (n->op == UN_OP_CONV) {
        const un_conv_attr *a = &n->attr.conv;

        r.lo = o.lo * a->stride[axis] - a->pad[axis];
        r.hi = o.hi * a->stride[axis] - a->pad[axis] + (int64_t)(a->k[axis] - 1) * a->dilation[axis];
    } else if (n->op == UN_OP_CONV_TRANSPOSE) {
        const un_conv_attr *a = &n->attr.conv;
        int64_t reach = (int64_t)(a->k[axis] - 1) * a->dilation[axis];

        r.lo = floor_div(o.lo + a->pad[axis] - reach + a->stride[axis] - 1, a->stride[axis]);
        r.hi = floor_div(o.hi + a->pad[axis], a->stride[axis]);
    } else if (n->op == UN_OP_MAX_POOL || n->op == UN_OP_AVG_POOL) {
        r.lo = o.lo * n->attr.pool.stride[axis] - n->attr.pool.pad[axis];
        r.hi = o.hi * n->attr.pool.stride[axis] - n->attr.pool.pad[axis] + n->attr.pool.k[axis] - 1;
    } else if (n->op == UN_OP_UPSAMPLE) {
        const int f = n->attr.upsample.factor[axis], linear = n->attr.upsample.linear && f > 1;

        /* half-pixel centres: (o + 1/2)/f - 1/2 lies between the two pixels that count */
        r.lo = linear ? floor_div(2 * o.lo + 1 - f, 2 * f) : floor_div(o.lo, f);
        r.hi = linear ? floor_div(2 * o.hi + 1 - f, 2 * f) + 1 : floor_div(o.hi, f);
    } else if (n->op == UN_OP_SPACE_TO_DEPTH) {
        r.lo = o.lo * n->attr.blocks.size[axis];
        r.hi = (o.hi + 1) * n->attr.blocks.size[axis] - 1;
    } else if (n->op == UN_OP_DEPTH_TO_SPACE) {
        r.lo = floor_div(o.lo, n->attr.blocks.size[axis]);
        r.hi = floor_div(o.hi, n->attr.blocks.size[axis]);
    } else if (n->op == UN_OP_CROP && i == 0) {
        const un_shape x = s[n->in[0]], y = s[n->out[0]];
        const int from[3] = {(x.d - y.d) / 2, (x.h - y.h) / 2, (x.w - y.w) / 2};

        r.lo = o.lo + from[axis];
        r.hi = o.hi + from[axis];
    }
    return r;
}

/* Spreads the span of output pixel o back to the input. */
static span spread(const un_graph *g, const un_shape *s, span *spans, int axis, int64_t o)
{
    memset(spans, 0, (size_t)g->n_values * sizeof *spans);
    spans[g->output[0]] = (span){1, o, o};
    for (int id = g->n_nodes - 1; id >= 0; id--) {
        const un_node *n = &g->node[id];
        const span out = spans[n->out[0]];

        for (int i = 0; i < n->n_in && out.set; i++) {
            span *in = &spans[n->in[i]], want;

            if (g->value[n->in[i]].store != UN_STORE_ACT || (n->op == UN_OP_CROP && i == 1))
                continue;
            want = needs(n, i, axis, out, s);
            in->lo = in->set ? UN_MIN(in->lo, want.lo) : want.lo;
            in->hi = in->set ? UN_MAX(in->hi, want.hi) : want.hi;
            in->set = 1;
        }
    }
    return spans[g->input[0]];
}

/* Whether every pooling divides its input on an axis: valid padding then crops the same on both sides. */
static int pools_exactly(const un_graph *g, const un_shape *s, int axis)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const un_node *n = &g->node[i];
        const un_shape x = s[n->in[0]];
        const int extent[3] = {x.d, x.h, x.w};

        if ((n->op == UN_OP_MAX_POOL || n->op == UN_OP_AVG_POOL) && extent[axis] % n->attr.pool.stride[axis])
            return 0;
    }
    return 1;
}

/* Shapes for an input large enough for valid padding, on which every pooling is exact; only extents, nothing of that
 * size is made. */
static unet_status infer_exact(const un_graph *g, const int grid[3], un_shape *s, unet_error *err)
{
    int in[3] = {grid[0] > 1 ? 1024 * grid[0] : 64, 1024 * grid[1], 1024 * grid[2]};
    unet_status st = UNET_OK;

    for (int axis = 0; axis < 3 && !st; axis++)
        for (int i = 0; i < grid[axis] && !st; i++) {
            s[g->input[0]] = (un_shape){1, in[0], in[1], in[2], UN_MAX(g->value[g->input[0]].channels, 1)};
            st = un_graph_infer(g, s, err);
            if (st || pools_exactly(g, s, axis))
                break;
            in[axis]++;
        }
    return st;
}

unet_status un_model_reach(const un_graph *g, const int grid[3], un_reach *out, unet_error *err)
{
    un_shape *s = un_alloc_array(g->mem, (size_t)g->n_values, sizeof *s);
    span *spans = un_alloc_array(g->mem, (size_t)g->n_values, sizeof *spans);
    unet_status st = UNET_OK;

    memset(out, 0, sizeof *out);
    if (!s || !spans) {
        st = un_fail_nomem(err, (size_t)g->n_values * sizeof *s);
        goto done;
    }
    st = infer_exact(g, grid, s, err);
    for (int axis = 0; axis < 3 && !st; axis++) {
        const un_shape x = s[g->input[0]], y = s[g->output[0]];
        const int in[3] = {x.d, x.h, x.w}, o[3] = {y.d, y.h, y.w};
        const int64_t shift = (in[axis] - o[axis]) / 2; /* valid padding: where the output lies in the input */
        const int64_t first = o[axis] / 2 / grid[axis] * grid[axis];

        for (int64_t p = first; p < first + grid[axis]; p++) {
            const span r = spread(g, s, spans, axis, p);

            out->before[axis] = (int)UN_MAX((int64_t)out->before[axis], p + shift - r.lo);
            out->after[axis] = (int)UN_MAX((int64_t)out->after[axis], r.hi - p - shift);
        }
    }
    for (int i = 0; i < g->n_nodes; i++)
        out->whole_patch |=
            (g->node[i].op == UN_OP_NORM && g->node[i].attr.norm.mode != 0) || g->node[i].op == UN_OP_GLOBAL_POOL;
done:
    un_free(s);
    un_free(spans);
    return st;
}

unet_status un_model_cost(const un_graph *g, un_shape input, un_cost *out, unet_error *err)
{
    un_shape *s = un_alloc_array(g->mem, (size_t)g->n_values, sizeof *s);
    unet_status st;

    memset(out, 0, sizeof *out);
    if (!s)
        return un_fail_nomem(err, (size_t)g->n_values * sizeof *s);
    s[g->input[0]] = input;
    st = un_graph_infer(g, s, err);
    for (int i = 0; i < g->n_params; i++) {
        out->params += g->param[i].count;
        out->trainable += g->param[i].trainable ? g->param[i].count : 0;
    }
    for (int i = 0; i < g->n_nodes && !st; i++) {
        const un_op_rules *r = un_op_describe(g->node[i].op)->rules;

        out->macs += r->macs ? r->macs(g, &g->node[i], s) : 0;
    }
    for (int i = 0; i < g->n_values && !st; i++)
        if (g->value[i].store == UN_STORE_ACT)
            out->activation_bytes += un_shape_count(s[i]) * (int64_t)sizeof(float);
    un_free(s);
    return st;
}

/* 1234567 -> "1,234,567" */
static void add_count(un_text *t, int64_t v)
{
    if (v >= 1000) {
        add_count(t, v / 1000);
        un_text_printf(t, ",%03d", (int)(v % 1000));
    } else {
        un_text_printf(t, "%d", (int)v);
    }
}

static void add_shape(un_text *t, un_shape s)
{
    if (s.d > 1)
        un_text_printf(t, "%dx", s.d);
    un_text_printf(t, "%dx%dx%d", s.h, s.w, s.c);
}

static void add_layers(un_text *t, const un_graph *g, const un_shape *s)
{
    un_text_printf(t, "%-18s %-14s %-20s %12s %12s\n", "layer", "operator", "output", "parameters", "M mult-adds");
    for (int i = 0; i < g->n_nodes; i++) {
        const un_node *n = &g->node[i];
        const un_op_info *info = un_op_describe(n->op);
        int64_t params = 0;
        un_text shape;

        for (int k = 0; k < n->n_in; k++)
            if (g->value[n->in[k]].store == UN_STORE_PARAM)
                params += g->param[g->value[n->in[k]].param].count;
        un_text_init(&shape, g->mem, 128);
        add_shape(&shape, s[n->out[0]]);
        un_text_printf(t, "%-18s %-14s %-20s %12lld %12.1f\n", n->name, info->name, shape.failed ? "" : shape.s,
            (long long)params, info->rules->macs ? info->rules->macs(g, n, s) / 1e6 : 0);
        un_text_free(&shape);
    }
}

/* What the network is made of, one line for each choice that is not the plain one. */
static void add_choices(un_text *t, const un_cfg_model *m)
{
    const struct {
        const char *key;
        int value;
    } row[] = {{"encoder", (int)m->encoder}, {"block", (int)m->block}, {"recalibrate", (int)m->recalibrate},
        {"gate", (int)m->gate}, {"decoder", (int)m->decoder}, {"bottom", (int)m->bottom}, {"stem", (int)m->stem}};

    for (size_t i = 0; i < UN_COUNT(row); i++)
        if (row[i].value)
            un_text_printf(t, "%-16s %s: %s\n", row[i].key, un_config_word("model", row[i].key, row[i].value),
                un_config_word_help("model", row[i].key, row[i].value));
    for (int i = 0; i < un_model_sides(m); i++)
        un_text_printf(t, "%s%g%s", i ? ", " : "supervision      further outputs, weights ", m->supervision.v[i],
            i == un_model_sides(m) - 1 ? "\n" : "");
}

/* One line for each level, the encoder on the left and the decoder on the right. */
static void add_u(un_text *t, const un_cfg_model *m)
{
    const char *skip = m->gate != UN_CFG_GATE_NONE         ? "--gate-->"
                       : m->decoder == UN_CFG_DECODER_FULL ? "==full==>"
                                                           : "--skip-->";

    for (int level = 0; level < m->depth; level++) {
        const int room = 8 * (m->depth - 1 - level);

        un_text_printf(t, "%*s[%4d] ", 4 * level, "", un_model_encoded(m, level));
        if (m->decoder == UN_CFG_DECODER_NESTED)
            for (int j = 1; j < m->depth - level; j++)
                un_text_printf(t, "[%4d] ", un_model_filters(m, level));
        else
            un_text_printf(t, "%s%*s ", un_config_int_at(&m->skips, level) ? skip : "         ", room, "");
        un_text_printf(t, "[%4d]\n",
            m->decoder == UN_CFG_DECODER_FULL ? un_model_filters(m, 0) * (m->depth + 1) : un_model_filters(m, level));
    }
    un_text_printf(t, "%*s[%4d] bottom\n", 4 * m->depth, "", un_model_encoded(m, m->depth));
}

unet_status un_model_describe(un_text *t, const un_graph *all, const un_cfg_model *m, un_shape input, unet_error *err)
{
    un_shape *s = un_alloc_array(all->mem, (size_t)all->n_values, sizeof *s);
    un_cost cost;
    un_reach reach;
    un_graph *g = NULL; /* without the outputs that only training reads */
    int grid[3];
    unet_status st;

    if (!s)
        return un_fail_nomem(err, (size_t)all->n_values * sizeof *s);
    un_model_grid(m, grid);
    st = un_graph_keep(&g, all->mem, all, all->output, UN_MIN(all->n_outputs, 2), err);
    if (!st) {
        s[g->input[0]] = input;
        st = un_graph_infer(g, s, err);
    }
    if (!st)
        st = un_model_cost(g, input, &cost, err);
    if (!st)
        st = un_model_reach(g, grid, &reach, err);
    if (!st) {
        add_layers(t, g, s);
        un_text_add(t, "\n");
        add_choices(t, m);
        un_text_add(t, "parameters       ");
        add_count(t, cost.params);
        un_text_add(t, "\nmultiply-adds    ");
        add_count(t, (int64_t)cost.macs);
        un_text_printf(t, "\nreceptive field  %dx%dx%d px (d, h, w)%s\n", reach.before[0] + reach.after[0] + 1,
            reach.before[1] + reach.after[1] + 1, reach.before[2] + reach.after[2] + 1,
            reach.whole_patch ? "; norms or pooled factors look at the whole patch" : "");
        un_text_add(t, "activations      ");
        add_count(t, cost.activation_bytes);
        un_text_add(t, " bytes when all are kept\n\n");
        add_u(t, m);
        if (t->failed)
            st = un_fail_nomem(err, t->n);
    }
    un_graph_destroy(g);
    un_free(s);
    return st;
}
