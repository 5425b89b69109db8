/* Operators whose output pixel depends on the same pixel only: activation, dropout, softmax, sum. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

static const un_field act_fields[] = {
    {"act", UN_FIELD_ENUM, offsetof(un_attr, act.act), 0, 0, un_act_names, 0},
    {"slope", UN_FIELD_DOUBLE, offsetof(un_attr, act.slope), 0, 1e6, NULL, 0},
};
static const un_field dropout_fields[] = {
    {"p", UN_FIELD_DOUBLE, offsetof(un_attr, dropout.p), 0, 0.999, NULL, 0.5},
    {"spatial", UN_FIELD_BOOL, offsetof(un_attr, dropout.spatial), 0, 1, NULL, 0},
    {"sample", UN_FIELD_BOOL, offsetof(un_attr, dropout.sample), 0, 1, NULL, 0},
    {"block", UN_FIELD_INT, offsetof(un_attr, dropout.block), 0, 64, NULL, 0},
    {"stream", UN_FIELD_INT, offsetof(un_attr, dropout.stream), 0, 1 << 30, NULL, 0},
};
static const un_field softmax_fields[] = {
    {"sigmoid", UN_FIELD_BOOL, offsetof(un_attr, softmax.sigmoid), 0, 1, NULL, 0},
};

static unet_status infer_add(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    if (!un_shape_equal(s[n->in[0]], s[n->in[1]]))
        return un_op_fail(n, err, "the two inputs differ in shape");
    return un_infer_same(g, n, s, err);
}

static unet_status grad_act(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int id = un_gradients_node(gs, node, UN_OP_ACT_GRAD, (int[]){n.in[0], un_gradients_of(gs, n.out[0])}, 2);

    (void)err;
    un_gradients_add(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

/* The same elements are dropped from the gradient: the operator is its own adjoint. */
static unet_status grad_dropout(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int id = un_gradients_node(gs, node, UN_OP_DROPOUT, (int[]){un_gradients_of(gs, n.out[0])}, 1);

    (void)err;
    un_gradients_add(gs, n.in[0], gs->g->failed ? 0 : gs->g->node[id].out[0]);
    return UNET_OK;
}

static unet_status grad_add(un_gradients *gs, int node, unet_error *err)
{
    un_node n = gs->g->node[node];
    int dy = un_gradients_of(gs, n.out[0]);

    (void)err;
    for (int i = 0; i < 2; i++)
        if (un_gradients_wanted(gs, n.in[i]))
            un_gradients_add(gs, n.in[i], dy);
    return UNET_OK;
}

const un_op_rules un_rules_act = {
    .fields = act_fields, .n_fields = UN_COUNT(act_fields), .infer = un_infer_same, .grad = grad_act};
const un_op_rules un_rules_act_grad = {.fields = act_fields, .n_fields = UN_COUNT(act_fields), .infer = un_infer_same};
const un_op_rules un_rules_dropout = {
    .fields = dropout_fields, .n_fields = UN_COUNT(dropout_fields), .infer = un_infer_same, .grad = grad_dropout};
const un_op_rules un_rules_softmax = {
    .fields = softmax_fields, .n_fields = UN_COUNT(softmax_fields), .infer = un_infer_same};
const un_op_rules un_rules_add = {.infer = infer_add, .grad = grad_add};
