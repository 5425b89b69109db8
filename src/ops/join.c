/* Operators that only move pixels or channels: concat, crop, blocks to channels and back, and their gradients. Where
 * the planner can place values in each other's memory they cost nothing. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

static const un_field slice_fields[] = {
    {"index", UN_FIELD_INT, offsetof(un_attr, slice.index), 0, UN_MAX_INPUTS - 1, NULL, 0},
};

static const un_field block_fields[] = {
    {"size", UN_FIELD_INT3, offsetof(un_attr, blocks.size), 1, 64, NULL, 1},
};

static unet_status infer_concat(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]];

    (void)g;
    for (int i = 1; i < n->n_in; i++) {
        if (!un_shape_same_grid(x, s[n->in[i]]))
            return un_op_fail(n, err, "input %d has other extents than input 0", i);
        x.c += s[n->in[i]].c;
    }
    s[n->out[0]] = x;
    return UNET_OK;
}

static unet_status infer_crop(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]], like = s[n->in[1]];

    (void)g;
    if (like.d > x.d || like.h > x.h || like.w > x.w || like.n != x.n)
        return un_op_fail(n, err, "cannot crop %dx%dx%d to the larger %dx%dx%d", x.d, x.h, x.w, like.d, like.h, like.w);
    like.c = x.c;
    s[n->out[0]] = like;
    return UNET_OK;
}

int un_slice_first(const un_graph *g, const un_node *n, const un_shape *shapes)
{
    const un_node *concat = &g->node[n->origin];
    int first = 0;

    for (int i = 0; i < n->attr.slice.index; i++)
        first += shapes[concat->in[i]].c;
    return first;
}

static unet_status infer_slice(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]], like = s[n->in[1]];

    if (!un_shape_same_grid(x, like) || un_slice_first(g, n, s) > x.c - like.c)
        return un_op_fail(n, err, "the slice does not lie inside its input");
    s[n->out[0]] = like;
    return UNET_OK;
}

static unet_status grad_concat(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int dy = un_gradients_of(gs, n.out[0]);

    (void)err;
    for (int i = 0; i < n.n_in; i++) {
        if (un_gradients_wanted(gs, n.in[i])) {
            int id = un_gradients_node(gs, node, UN_OP_SLICE, (int[]){dy, n.in[i]}, 2);

            if (gs->g->failed)
                return UNET_OK;
            gs->g->node[id].attr.slice.index = i;
            un_gradients_add(gs, n.in[i], gs->g->node[id].out[0]);
        }
    }
    return UNET_OK;
}

static unet_status grad_crop(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int id;

    (void)err;
    if (!un_gradients_wanted(gs, n.in[0]))
        return UNET_OK;
    id = un_gradients_node(gs, node, UN_OP_CROP_GRAD, (int[]){n.in[0], un_gradients_of(gs, n.out[0])}, 2);
    un_gradients_add(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

static unet_status infer_space_to_depth(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    const int *b = n->attr.blocks.size;
    un_shape x = s[n->in[0]];

    (void)g;
    if (x.d % b[0] || x.h % b[1] || x.w % b[2])
        return un_op_fail(n, err, "%dx%dx%d does not divide into blocks of %dx%dx%d", x.d, x.h, x.w, b[0], b[1], b[2]);
    if (x.c > INT32_MAX / (b[0] * b[1] * b[2]))
        return un_op_fail(n, err, "the output would have too many channels");
    s[n->out[0]] = (un_shape){x.n, x.d / b[0], x.h / b[1], x.w / b[2], x.c * b[0] * b[1] * b[2]};
    return UNET_OK;
}

static unet_status infer_depth_to_space(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    const int *b = n->attr.blocks.size;
    un_shape x = s[n->in[0]];
    int64_t d = (int64_t)x.d * b[0], h = (int64_t)x.h * b[1], w = (int64_t)x.w * b[2];

    (void)g;
    if (x.c % (b[0] * b[1] * b[2]))
        return un_op_fail(n, err, "%d channels do not make blocks of %dx%dx%d", x.c, b[0], b[1], b[2]);
    if (d > INT32_MAX || h > INT32_MAX || w > INT32_MAX)
        return un_op_fail(n, err, "the output would be too large");
    s[n->out[0]] = (un_shape){x.n, (int)d, (int)h, (int)w, x.c / (b[0] * b[1] * b[2])};
    return UNET_OK;
}

/* Each is the other's adjoint. */
static unet_status grad_blocks(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    un_op back = n.op == UN_OP_SPACE_TO_DEPTH ? UN_OP_DEPTH_TO_SPACE : UN_OP_SPACE_TO_DEPTH;
    int id = un_gradients_node(gs, node, back, (int[]){un_gradients_of(gs, n.out[0])}, 1);

    (void)err;
    un_gradients_add(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

#define BLOCKS .fields = block_fields, .n_fields = UN_COUNT(block_fields), .grad = grad_blocks

const un_op_rules un_rules_space_to_depth = {BLOCKS, .infer = infer_space_to_depth};
const un_op_rules un_rules_depth_to_space = {BLOCKS, .infer = infer_depth_to_space};
const un_op_rules un_rules_concat = {.infer = infer_concat, .grad = grad_concat};
const un_op_rules un_rules_crop = {.like_mask = 2, .infer = infer_crop, .grad = grad_crop};
const un_op_rules un_rules_slice = {
    .fields = slice_fields, .n_fields = UN_COUNT(slice_fields), .like_mask = 2, .infer = infer_slice};
const un_op_rules un_rules_crop_grad = {.like_mask = 1, .infer = un_infer_same};
