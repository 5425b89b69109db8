/* The operators of the apply plan: they change parameters in place and have no outputs. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

#define F(field, kind, lo, hi, def) {#field, kind, offsetof(un_attr, optim.field), lo, hi, NULL, def}

static const un_field optim_fields[] = {
    F(lr_mult, UN_FIELD_DOUBLE, 0, 1e6, 1),
    F(weight_decay, UN_FIELD_DOUBLE, 0, 1e3, 0),
    F(beta1, UN_FIELD_DOUBLE, 0, 1, 0.9),
    F(beta2, UN_FIELD_DOUBLE, 0, 1, 0.999),
    F(eps, UN_FIELD_DOUBLE, 0, 1, 1e-8),
    F(momentum, UN_FIELD_DOUBLE, 0, 1, 0.9),
    F(nesterov, UN_FIELD_BOOL, 0, 1, 0),
    F(decoupled, UN_FIELD_BOOL, 0, 1, 0),
};
static const un_field clip_fields[] = {
    {"max_norm", UN_FIELD_DOUBLE, offsetof(un_attr, clip.max_norm), 0, 1e30, NULL, 0},
};

static unet_status infer(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    (void)s;
    if (n->n_in == 2 && g->value[n->in[0]].param != g->value[n->in[1]].param)
        return un_op_fail(n, err, "weight and gradient belong to different parameters");
    return UNET_OK;
}

#define OPTIM {.fields = optim_fields, .n_fields = UN_COUNT(optim_fields), .infer = infer}

const un_op_rules un_rules_sgd = OPTIM;
const un_op_rules un_rules_adam = OPTIM;
const un_op_rules un_rules_ema = OPTIM;
const un_op_rules un_rules_clip = {.fields = clip_fields, .n_fields = UN_COUNT(clip_fields), .infer = infer};
