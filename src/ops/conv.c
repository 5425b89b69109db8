/* Convolution, transposed convolution and their gradients. A transposed convolution is the data gradient of the
 * convolution with the same weight, so the two share rules with the roles of input and output exchanged. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

#define F(field, kind, lo, hi, def, list)                                                                              \
    {                                                                                                                  \
#field, kind, offsetof(un_attr, conv.field), lo, hi, list, def                                                 \
    }

static const un_field conv_fields[] = {
    F(k, UN_FIELD_INT3, 1, 63, 1, NULL),
    F(stride, UN_FIELD_INT3, 1, 63, 1, NULL),
    F(pad, UN_FIELD_INT3, 0, 1000, 0, NULL),
    F(pad_end, UN_FIELD_INT3, 0, 1000, 0, NULL),
    F(dilation, UN_FIELD_INT3, 1, 1000, 1, NULL),
    F(output_pad, UN_FIELD_INT3, 0, 62, 0, NULL),
    F(groups, UN_FIELD_INT, 1, 1 << 20, 1, NULL),
    F(act, UN_FIELD_ENUM, 0, 0, 0, un_act_names),
    F(slope, UN_FIELD_DOUBLE, 0, 1e6, 0, NULL),
};

/* The weight's dims as [first][second][kd][kh][kw]; a 2-D weight has no kd. 0 when the value is no such parameter. */
static int weight_dims(const un_graph *g, int value, int out[5])
{
    const un_param *p;
    int at = 0;

    if (g->value[value].store != UN_STORE_PARAM)
        return 0;
    p = &g->param[g->value[value].param];
    if (p->rank != 4 && p->rank != 5)
        return 0;
    for (int i = 0; i < p->rank; i++) {
        if (i == 2 && p->rank == 4)
            out[at++] = 1;
        out[at++] = p->dims[i];
    }
    return 1;
}

static unet_status check_weight(const un_graph *g, const un_node *n, int w[5], unet_error *err)
{
    const un_conv_attr *a = &n->attr.conv;

    if (!weight_dims(g, n->in[1], w))
        return un_op_fail(n, err, "input 1 is not a weight of rank 4 or 5");
    for (int i = 0; i < 3; i++)
        if (w[2 + i] != a->k[i])
            return un_op_fail(n, err, "the weight has %d taps on axis %d, the attribute says %d", w[2 + i], i, a->k[i]);
    if (w[0] % a->groups)
        return un_op_fail(n, err, "%d channels do not divide into %d groups", w[0], a->groups);
    if (n->n_in > 2 && n->op != UN_OP_CONV_DGRAD && n->op != UN_OP_CONV_TRANSPOSE_DGRAD) {
        int c = n->op == UN_OP_CONV ? w[0] : w[1] * a->groups, b = g->value[n->in[2]].param;

        if (g->value[n->in[2]].store != UN_STORE_PARAM || g->param[b].count != c)
            return un_op_fail(n, err, "the bias does not have %d elements", c);
    }
    return UNET_OK;
}

static unet_status infer_conv(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    const un_conv_attr *a = &n->attr.conv;
    un_shape x = s[n->in[0]];
    int w[5], in[3] = {x.d, x.h, x.w}, o[3];
    unet_status st = check_weight(g, n, w, err);

    if (st)
        return st;
    if (x.c != w[1] * a->groups)
        return un_op_fail(n, err, "the input has %d channels, the weight expects %d", x.c, w[1] * a->groups);
    for (int i = 0; i < 3; i++) {
        int64_t room = (int64_t)in[i] + a->pad[i] + a->pad_end[i] - (int64_t)a->dilation[i] * (a->k[i] - 1) - 1;

        if (room < 0)
            return un_op_fail(n, err, "the input is too small: %d on axis %d", in[i], i);
        o[i] = (int)(room / a->stride[i]) + 1;
    }
    s[n->out[0]] = (un_shape){x.n, o[0], o[1], o[2], w[0]};
    return UNET_OK;
}

static unet_status infer_transpose(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    const un_conv_attr *a = &n->attr.conv;
    un_shape x = s[n->in[0]];
    int w[5], in[3] = {x.d, x.h, x.w}, o[3];
    unet_status st = check_weight(g, n, w, err);

    if (st)
        return st;
    if (x.c != w[0])
        return un_op_fail(n, err, "the input has %d channels, the weight expects %d", x.c, w[0]);
    for (int i = 0; i < 3; i++) {
        int64_t e = ((int64_t)in[i] - 1) * a->stride[i] - a->pad[i] - a->pad_end[i] +
                    (int64_t)a->dilation[i] * (a->k[i] - 1) + a->output_pad[i] + 1;

        if (e < 1 || e > INT32_MAX)
            return un_op_fail(n, err, "the output would have extent %lld on axis %d", (long long)e, i);
        o[i] = (int)e;
    }
    s[n->out[0]] = (un_shape){x.n, o[0], o[1], o[2], w[1] * a->groups};
    return UNET_OK;
}

/* Gradient nodes take their extents from the forward pass. */
static unet_status infer_dgrad(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    (void)g;
    (void)err;
    s[n->out[0]] = s[n->in[2]];
    return UNET_OK;
}

static unet_status infer_nothing(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    (void)g;
    (void)n;
    (void)s;
    (void)err;
    return UNET_OK;
}

/* Taps times channels that one pixel on the side of the convolution's output costs. */
static double macs_per_pixel(const un_graph *g, int weight)
{
    return (double)g->param[g->value[weight].param].count;
}

static double macs_conv(const un_graph *g, const un_node *n, const un_shape *s)
{
    return (double)un_shape_pixels(s[n->out[0]]) * macs_per_pixel(g, n->in[1]);
}

static double macs_transpose(const un_graph *g, const un_node *n, const un_shape *s)
{
    return (double)un_shape_pixels(s[n->in[0]]) * macs_per_pixel(g, n->in[1]);
}

/* conv_dgrad: dy has the output's pixels. conv_transpose_dgrad: dx has the small side's pixels. */
static double macs_dgrad(const un_graph *g, const un_node *n, const un_shape *s)
{
    int v = n->op == UN_OP_CONV_DGRAD ? n->in[0] : n->out[0];

    return (double)un_shape_pixels(s[v]) * macs_per_pixel(g, n->in[1]);
}

static double macs_wgrad(const un_graph *g, const un_node *n, const un_shape *s)
{
    double pixels = 0;

    for (int i = n->op == UN_OP_CONV_WGRAD; i < n->n_in; i += 2)
        pixels += (double)un_shape_pixels(s[n->in[i]]);
    return n->out[0] == UN_NONE ? 0 : pixels * macs_per_pixel(g, n->out[0]);
}

/* The value that a parameter's gradient goes to; UN_NONE when it is not trained or already has a writer. */
static int grad_of_param(un_gradients *gs, int value, unet_status *st, unet_error *err)
{
    un_graph *g = gs->g;
    int p = g->value[value].param, v;

    if (!g->param[p].trainable)
        return UN_NONE;
    v = un_graph_grad(g, p);
    if (!g->failed && g->value[v].producer != UN_NONE) {
        *st = un_fail(err, UNET_E_UNSUPPORTED, "parameter '%s' is used by two nodes; its gradients are not summed",
            g->param[p].name);
        return UN_NONE;
    }
    return v;
}

/* Inputs and output gradients of the convolutions up to `node` that read this weight, `node` itself first. Only they
 * can: a weight gradient is made at the first of them, which the walk backwards meets last. 0: there are too many. */
static int users_of(const un_gradients *gs, int node, int weight, int *in)
{
    const un_graph *g = gs->g;
    int n = 0;

    for (int i = node; i < g->n_nodes; i++) {
        const un_node *u = &g->node[i];

        if (u->op != UN_OP_CONV || u->in[1] != weight || u->out[0] >= gs->n_values ||
            un_gradients_of(gs, u->out[0]) == UN_NONE)
            continue;
        if (n + 2 > UN_MAX_INPUTS)
            return 0;
        in[n++] = u->in[0];
        in[n++] = un_gradients_of(gs, u->out[0]);
    }
    return n;
}

static int used_before(const un_graph *g, int node, int weight)
{
    for (int i = 0; i < node; i++)
        if (g->node[i].op == UN_OP_CONV && g->node[i].in[1] == weight)
            return 1;
    return 0;
}

/* The gradient of the weight, summed over all convolutions that share it, and of the bias. */
static unet_status grad_weight(un_gradients *gs, int node, unet_error *err)
{
    un_graph *g = gs->g;
    un_node n = g->node[node];
    int transpose = n.op == UN_OP_CONV_TRANSPOSE, out[2] = {UN_NONE, UN_NONE}, id;
    int in[UN_MAX_INPUTS] = {n.in[0], un_gradients_of(gs, n.out[0])}, n_in = 2;
    unet_status st = UNET_OK;

    if (!used_before(g, node, n.in[1]))
        out[0] = grad_of_param(gs, n.in[1], &st, err);
    if (n.n_in > 2 && !st)
        out[1] = grad_of_param(gs, n.in[2], &st, err);
    if (st || (out[0] == UN_NONE && out[1] == UN_NONE))
        return st;
    if (out[0] != UN_NONE && !transpose)
        n_in = users_of(gs, node, n.in[1], in);
    if (!n_in)
        return un_fail(
            err, UNET_E_UNSUPPORTED, "node '%s': its weight is used more than %d times", n.name, UN_MAX_INPUTS / 2);
    id = un_graph_node_to(g, transpose ? UN_OP_CONV_TRANSPOSE_WGRAD : UN_OP_CONV_WGRAD, n.name, in, n_in, out, &n.attr);
    if (!g->failed)
        g->node[id].origin = node;
    return UNET_OK;
}

static unet_status grad_conv(un_gradients *gs, int node, unet_error *err)
{
    un_graph *g = gs->g;
    un_node n = g->node[node];
    int dy = un_gradients_of(gs, n.out[0]), transpose = n.op == UN_OP_CONV_TRANSPOSE;
    unet_status st;

    if (n.attr.conv.act)
        return un_fail(err, UNET_E_INTERNAL, "node '%s': an activation was fused before autodiff", n.name);
    st = grad_weight(gs, node, err);
    if (st)
        return st;
    if (un_gradients_wanted(gs, n.in[0])) {
        int id = un_gradients_node(
            gs, node, transpose ? UN_OP_CONV_TRANSPOSE_DGRAD : UN_OP_CONV_DGRAD, (int[]){dy, n.in[1], n.in[0]}, 3);

        un_gradients_add(gs, n.in[0], g->failed ? 0 : g->node[id].out[0]);
    }
    return UNET_OK;
}

#define FIELDS .fields = conv_fields, .n_fields = UN_COUNT(conv_fields)

const un_op_rules un_rules_conv = {FIELDS, .infer = infer_conv, .macs = macs_conv, .grad = grad_conv};
const un_op_rules un_rules_conv_transpose = {
    FIELDS, .infer = infer_transpose, .macs = macs_transpose, .grad = grad_conv};
const un_op_rules un_rules_conv_dgrad = {FIELDS, .like_mask = 4, .infer = infer_dgrad, .macs = macs_dgrad};
const un_op_rules un_rules_conv_transpose_dgrad = {FIELDS, .like_mask = 4, .infer = infer_dgrad, .macs = macs_dgrad};
const un_op_rules un_rules_conv_wgrad = {FIELDS, .infer = infer_nothing, .macs = macs_wgrad};
const un_op_rules un_rules_conv_transpose_wgrad = {FIELDS, .infer = infer_nothing, .macs = macs_wgrad};
