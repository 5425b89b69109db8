/* Losses. Their kernels give the value and the gradient by the logits in one go, so the gradient rule only hands it on.
 */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"
#include "kernels/args.h"

#define KIND(ID, family, name) name,
static const char *const kinds[] = {UN_LOSS_KINDS(KIND) NULL};
#undef KIND
static const char *const forms[] = {"softmax", "binary", "multilabel", NULL};
static const char *const factors[] = {"1", "alpha", "1-alpha", NULL};

#define F(field, kind, lo, hi, def, list)                                                                              \
    {                                                                                                                  \
#field, kind, offsetof(un_attr, loss.field), lo, hi, list, def                                                 \
    }
#define SPACING(axis)                                                                                                  \
    {                                                                                                                  \
        "spacing_" #axis, UN_FIELD_DOUBLE, offsetof(un_attr, loss.spacing[axis]), 0, 1e6, NULL, 1                      \
    }

static const un_field loss_fields[] = {
    F(kind, UN_FIELD_ENUM, 0, 0, 0, kinds),
    F(form, UN_FIELD_ENUM, 0, 0, 0, forms),
    F(factor, UN_FIELD_ENUM, 0, 0, 0, factors),
    F(weight, UN_FIELD_DOUBLE, 0, 1e6, 1, NULL),
    F(smoothing, UN_FIELD_DOUBLE, 0, 1, 0, NULL),
    F(smooth, UN_FIELD_DOUBLE, 0, 1e6, 1, NULL),
    F(batch, UN_FIELD_BOOL, 0, 1, 1, NULL),
    F(background, UN_FIELD_BOOL, 0, 1, 0, NULL),
    F(squared, UN_FIELD_BOOL, 0, 1, 0, NULL),
    F(alpha, UN_FIELD_DOUBLE, -1, 1e6, 1, NULL),
    F(beta, UN_FIELD_DOUBLE, 0, 1e6, 0, NULL),
    F(gamma, UN_FIELD_DOUBLE, 0, 1e6, 1, NULL),
    F(delta, UN_FIELD_DOUBLE, 0, 1e6, 1, NULL),
    F(q, UN_FIELD_DOUBLE, 0, 1, 1, NULL),
    F(pos_weight, UN_FIELD_DOUBLE, 0, 1e6, 1, NULL),
    F(share, UN_FIELD_DOUBLE, 0, 1, 1, NULL),
    F(threshold, UN_FIELD_DOUBLE, 0, 1, 0, NULL),
    F(radius, UN_FIELD_DOUBLE, 0, 1000, 1, NULL),
    SPACING(0),
    SPACING(1),
    SPACING(2),
};

/* inputs: logits, target (index plane, or multi-hot planes), pixel weight, class weight, alpha; the last three may be
 * UN_NONE. */
static unet_status infer(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]], t = s[n->in[1]];

    (void)g;
    if (!un_shape_same_grid(x, t))
        return un_op_fail(
            n, err, "logits are %dx%dx%dx%d, the target is %dx%dx%dx%d", x.n, x.d, x.h, x.w, t.n, t.d, t.h, t.w);
    if (n->attr.loss.form == UN_LOSS_BINARY && x.c != 1)
        return un_op_fail(n, err, "the binary form needs one logit, there are %d", x.c);
    if (un_shape_count(x) > UINT32_MAX)
        return un_op_fail(n, err, "%lld logits are more than a loss can sort", (long long)un_shape_count(x));
    s[n->out[0]] = (un_shape){1, 1, 1, 1, 1};
    s[n->out[1]] = x;
    return UNET_OK;
}

static unet_status grad(un_gradients *gs, int node, unet_error *err)
{
    (void)err;
    un_gradients_add(gs, gs->g->node[node].in[0], gs->g->node[node].out[1]);
    return UNET_OK;
}

const un_op_rules un_rules_loss = {
    .fields = loss_fields, .n_fields = UN_COUNT(loss_fields), .infer = infer, .grad = grad};
