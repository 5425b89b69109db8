/* Operators that only move pixels or channels: concat, crop and their gradients. Where the planner can place values in
 * each other's memory they cost nothing. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

static const un_field slice_fields[] = {
    {"index", UN_FIELD_INT, offsetof(un_attr, slice.index), 0, UN_MAX_INPUTS - 1, NULL, 0},
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

const un_op_rules un_rules_concat = {.infer = infer_concat, .grad = grad_concat};
const un_op_rules un_rules_crop = {.like_mask = 2, .infer = infer_crop, .grad = grad_crop};
const un_op_rules un_rules_slice = {
    .fields = slice_fields, .n_fields = UN_COUNT(slice_fields), .like_mask = 2, .infer = infer_slice};
const un_op_rules un_rules_crop_grad = {.like_mask = 1, .infer = un_infer_same};
