/* The operators of the apply plan: they change parameters and gradients in place and have no outputs. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"
#include "kernels/args.h"

#define F(part, field, kind, lo, hi, def)                                                                              \
    {                                                                                                                  \
#field, kind, offsetof(un_attr, part.field), lo, hi, NULL, def                                                 \
    }

static const un_field optim_fields[] = {
    F(optim, kind, UN_FIELD_INT, 0, UN_OPTIM_COUNT - 1, UN_OPTIM_ADAM),
    F(optim, lr_mult, UN_FIELD_DOUBLE, 0, 1e6, 1),
    F(optim, weight_decay, UN_FIELD_DOUBLE, 0, 1e3, 0),
    F(optim, l1, UN_FIELD_DOUBLE, 0, 1e3, 0),
    F(optim, beta1, UN_FIELD_DOUBLE, 0, 1, 0.9),
    F(optim, beta2, UN_FIELD_DOUBLE, 0, 1, 0.999),
    F(optim, eps, UN_FIELD_DOUBLE, 0, 1, 1e-8),
    F(optim, momentum, UN_FIELD_DOUBLE, 0, 1, 0.9),
    F(optim, nesterov, UN_FIELD_BOOL, 0, 1, 0),
    F(optim, centred, UN_FIELD_BOOL, 0, 1, 0),
    F(optim, decoupled, UN_FIELD_BOOL, 0, 1, 0),
    F(optim, adapt, UN_FIELD_BOOL, 0, 1, 0),
};
static const un_field clip_fields[] = {F(clip, max_norm, UN_FIELD_DOUBLE, 0, 1e30, 0)};
static const un_field limit_fields[] = {
    F(limit, limit, UN_FIELD_DOUBLE, 0, 1e30, 0),
    F(limit, eps, UN_FIELD_DOUBLE, 0, 1, 1e-3),
    F(limit, axis, UN_FIELD_INT, -1, 1, 0),
};
static const un_field perturb_fields[] = {F(perturb, rho, UN_FIELD_DOUBLE, 0, 1e3, 0.05)};
static const un_field lookahead_fields[] = {
    F(lookahead, every, UN_FIELD_INT, 1, 1e9, 5),
    F(lookahead, alpha, UN_FIELD_DOUBLE, 0, 1, 0.5),
};

static unet_status infer(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    (void)s;
    if (n->n_in == 2 && g->value[n->in[0]].param != g->value[n->in[1]].param)
        return un_op_fail(n, err, "weight and gradient belong to different parameters");
    return UNET_OK;
}

#define IN_PLACE(list)                                                                                                 \
    {                                                                                                                  \
        .fields = list, .n_fields = UN_COUNT(list), .infer = infer                                                     \
    }

const un_op_rules un_rules_clip = IN_PLACE(clip_fields);
const un_op_rules un_rules_clamp = IN_PLACE(limit_fields);
const un_op_rules un_rules_agc = IN_PLACE(limit_fields);
const un_op_rules un_rules_update = IN_PLACE(optim_fields);
const un_op_rules un_rules_perturb = IN_PLACE(perturb_fields);
const un_op_rules un_rules_lookahead = IN_PLACE(lookahead_fields);
const un_op_rules un_rules_average = {.infer = infer};
