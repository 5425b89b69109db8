/* Losses. Their kernels give the value and the gradient by the logits in one go, so the gradient rule only hands it on.
 */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

static const char *const forms[] = {"softmax", "binary", "multilabel", NULL};

#define F(field, kind, lo, hi, def, list) {#field, kind, offsetof(un_attr, loss.field), lo, hi, list, def}

static const un_field loss_fields[] = {
    F(form, UN_FIELD_ENUM, 0, 0, 0, forms),
    F(weight, UN_FIELD_DOUBLE, 0, 1e6, 1, NULL),
    F(smoothing, UN_FIELD_DOUBLE, 0, 1, 0, NULL),
    F(smooth, UN_FIELD_DOUBLE, 0, 1e6, 1, NULL),
    F(batch, UN_FIELD_BOOL, 0, 1, 1, NULL),
    F(background, UN_FIELD_BOOL, 0, 1, 0, NULL),
    F(squared, UN_FIELD_BOOL, 0, 1, 0, NULL),
};

/* inputs: logits, target (index plane, or multi-hot planes), pixel weight, class weight; the last two may be UN_NONE.
 */
static unet_status infer(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    un_shape x = s[n->in[0]], t = s[n->in[1]];

    (void)g;
    if (!un_shape_same_grid(x, t))
        return un_op_fail(
            n, err, "logits are %dx%dx%dx%d, the target is %dx%dx%dx%d", x.n, x.d, x.h, x.w, t.n, t.d, t.h, t.w);
    if (n->attr.loss.form == 1 && x.c != 1)
        return un_op_fail(n, err, "the binary form needs one logit, there are %d", x.c);
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

#define RULES {.fields = loss_fields, .n_fields = UN_COUNT(loss_fields), .infer = infer, .grad = grad}

const un_op_rules un_rules_loss_ce = RULES;
const un_op_rules un_rules_loss_dice = RULES;
