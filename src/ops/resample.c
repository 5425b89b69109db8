/* Pooling and up-sampling. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

static const un_field pool_fields[] = {
    {"k", UN_FIELD_INT3, offsetof(un_attr, pool.k), 1, 63, NULL, 2},
    {"stride", UN_FIELD_INT3, offsetof(un_attr, pool.stride), 1, 63, NULL, 2},
    {"pad", UN_FIELD_INT3, offsetof(un_attr, pool.pad), 0, 31, NULL, 0},
    {"ceil_mode", UN_FIELD_BOOL, offsetof(un_attr, pool.ceil_mode), 0, 1, NULL, 0},
};
static const un_field upsample_fields[] = {
    {"factor", UN_FIELD_INT3, offsetof(un_attr, upsample.factor), 1, 64, NULL, 2},
    {"linear", UN_FIELD_BOOL, offsetof(un_attr, upsample.linear), 0, 1, NULL, 0},
    {"align_corners", UN_FIELD_BOOL, offsetof(un_attr, upsample.align_corners), 0, 1, NULL, 0},
};

static unet_status infer_pool(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    const un_pool_attr *a = &n->attr.pool;
    un_shape x = s[n->in[0]];
    int in[3] = {x.d, x.h, x.w}, o[3];

    (void)g;
    for (int i = 0; i < 3; i++) {
        int room = in[i] + 2 * a->pad[i] - a->k[i];

        if (2 * a->pad[i] > a->k[i])
            return un_op_fail(n, err, "a padding of %d is more than half the window of %d", a->pad[i], a->k[i]);
        if (room < 0)
            return un_op_fail(n, err, "the input is too small: %d on axis %d", in[i], i);
        o[i] = (a->ceil_mode ? (room + a->stride[i] - 1) / a->stride[i] : room / a->stride[i]) + 1;
        if ((o[i] - 1) * a->stride[i] >= in[i] + a->pad[i]) /* as PyTorch: no window starts beyond the input */
            o[i]--;
    }
    s[n->out[0]] = (un_shape){x.n, o[0], o[1], o[2], x.c};
    return UNET_OK;
}

static unet_status infer_upsample(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    const int *f = n->attr.upsample.factor;
    un_shape x = s[n->in[0]];
    int64_t d = (int64_t)x.d * f[0], h = (int64_t)x.h * f[1], w = (int64_t)x.w * f[2];

    (void)g;
    if (d > INT32_MAX || h > INT32_MAX || w > INT32_MAX)
        return un_op_fail(n, err, "the output would be too large");
    s[n->out[0]] = (un_shape){x.n, (int)d, (int)h, (int)w, x.c};
    return UNET_OK;
}

/* What arrived along a skip connection is folded into the scatter, which saves a pass over the largest tensors. */
static unet_status grad_max_pool(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int earlier = un_gradients_of(gs, n.in[0]), dy = un_gradients_of(gs, n.out[0]);
    int id =
        un_gradients_node(gs, node, UN_OP_MAX_POOL_GRAD, (int[]){n.in[0], dy, earlier}, earlier == UN_NONE ? 2 : 3);

    (void)err;
    un_gradients_replace(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

static unet_status grad_like(un_gradients *gs, int node, un_op op)
{
    un_node n = gs->g->node[node];
    int id = un_gradients_node(gs, node, op, (int[]){n.in[0], un_gradients_of(gs, n.out[0])}, 2);

    un_gradients_add(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

static unet_status grad_avg_pool(un_gradients *gs, int node, unet_error *err)
{
    (void)err;
    return grad_like(gs, node, UN_OP_AVG_POOL_GRAD);
}

static unet_status grad_upsample(un_gradients *gs, int node, unet_error *err)
{
    (void)err;
    return grad_like(gs, node, UN_OP_UPSAMPLE_GRAD);
}

#define POOL     .fields = pool_fields, .n_fields = UN_COUNT(pool_fields)
#define UPSAMPLE .fields = upsample_fields, .n_fields = UN_COUNT(upsample_fields)

const un_op_rules un_rules_max_pool = {POOL, .infer = infer_pool, .grad = grad_max_pool};
const un_op_rules un_rules_avg_pool = {POOL, .infer = infer_pool, .grad = grad_avg_pool};
const un_op_rules un_rules_max_pool_grad = {POOL, .infer = un_infer_same};
const un_op_rules un_rules_avg_pool_grad = {POOL, .like_mask = 1, .infer = un_infer_same};
const un_op_rules un_rules_upsample = {UPSAMPLE, .infer = infer_upsample, .grad = grad_upsample};
const un_op_rules un_rules_upsample_grad = {UPSAMPLE, .like_mask = 1, .infer = un_infer_same};
