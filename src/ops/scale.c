/* Multiplication by factors, sums over all pixels and their way back. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

static const un_field spread_fields[] = {
    {"mean", UN_FIELD_BOOL, offsetof(un_attr, spread.mean), 0, 1, NULL, 1},
};

static int is_one_pixel(un_shape s)
{
    return s.d == 1 && s.h == 1 && s.w == 1;
}

static unet_status infer_mul(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]], f = s[n->in[1]];

    if (f.n != x.n || (!is_one_pixel(f) && !un_shape_same_grid(x, f)) || (f.c != 1 && f.c != x.c))
        return un_op_fail(n, err, "a factor of %dx%dx%dx%dx%d does not fit %dx%dx%dx%dx%d", f.n, f.d, f.h, f.w, f.c,
            x.n, x.d, x.h, x.w, x.c);
    return un_infer_same(g, n, s, err);
}

static unet_status infer_mul_grad(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    (void)g;
    (void)err;
    s[n->out[0]] = s[n->in[2]];
    return UNET_OK;
}

static unet_status infer_pool(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]];

    (void)g;
    (void)err;
    s[n->out[0]] = (un_shape){x.n, 1, 1, 1, x.c};
    return UNET_OK;
}

static unet_status infer_expand(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]], like = s[n->in[1]];

    (void)g;
    if (!is_one_pixel(x) || x.n != like.n)
        return un_op_fail(n, err, "the input has %dx%dx%d pixels, one is needed", x.d, x.h, x.w);
    like.c = x.c;
    s[n->out[0]] = like;
    return UNET_OK;
}

static double macs_mul(const un_graph *g, const un_node *n, const un_shape *s)
{
    (void)g;
    return (double)un_shape_count(s[n->in[0]]);
}

static unet_status grad_mul(un_gradients *gs, int node, unet_error *err)
{
    un_graph *g = gs->g;
    un_node n = g->node[node];
    int dy = un_gradients_of(gs, n.out[0]), id;

    (void)err;
    if (un_gradients_wanted(gs, n.in[0])) {
        id = un_gradients_node(gs, node, UN_OP_MUL, (int[]){dy, n.in[1]}, 2);
        un_gradients_add(gs, n.in[0], g->failed ? 0 : g->node[id].out[0]);
    }
    if (un_gradients_wanted(gs, n.in[1])) {
        id = un_gradients_node(gs, node, UN_OP_MUL_GRAD, (int[]){n.in[0], dy, n.in[1]}, 3);
        un_gradients_add(gs, n.in[1], g->failed ? 0 : g->node[id].out[0]);
    }
    return UNET_OK;
}

/* Sum and copy to each pixel are each other's adjoints; the mean divides on both ways. */
static unet_status grad_pool(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int id = un_gradients_node(gs, node, UN_OP_EXPAND, (int[]){un_gradients_of(gs, n.out[0]), n.in[0]}, 2);

    (void)err;
    un_gradients_add(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

static unet_status grad_expand(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int id = un_gradients_node(gs, node, UN_OP_GLOBAL_POOL, (int[]){un_gradients_of(gs, n.out[0])}, 1);

    (void)err;
    un_gradients_add(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

#define SPREAD .fields = spread_fields, .n_fields = UN_COUNT(spread_fields)

const un_op_rules un_rules_mul = {.infer = infer_mul, .macs = macs_mul, .grad = grad_mul};
const un_op_rules un_rules_mul_grad = {.like_mask = 4, .infer = infer_mul_grad};
const un_op_rules un_rules_global_pool = {SPREAD, .infer = infer_pool, .grad = grad_pool};
const un_op_rules un_rules_expand = {SPREAD, .like_mask = 2, .infer = infer_expand, .grad = grad_expand};
