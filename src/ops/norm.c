/* Batch, instance and group normalisation (Ioffe & Szegedy 2015; Ulyanov et al. 2016; Wu & He 2018) with the activation
 * that follows fused in. */
#include "ops/ops.h"

#include <stddef.h>

#include "base/size.h"

enum { BATCH, INSTANCE, GROUP }; /* un_norm_mode of kernels/args.h */

static const char *const modes[] = {"batch", "instance", "group", NULL};

#define F(field, kind, lo, hi, def, list)                                                                              \
    {                                                                                                                  \
#field, kind, offsetof(un_attr, norm.field), lo, hi, list, def                                                 \
    }

static const un_field norm_fields[] = {
    F(mode, UN_FIELD_ENUM, 0, 0, 0, modes),
    F(groups, UN_FIELD_INT, 1, 1 << 20, 1, NULL),
    F(eps, UN_FIELD_DOUBLE, 1e-30, 1, 1e-5, NULL),
    F(momentum, UN_FIELD_DOUBLE, 0, 1, 0.1, NULL),
    F(act, UN_FIELD_ENUM, 0, 0, 0, un_act_names),
    F(slope, UN_FIELD_DOUBLE, 0, 1e6, 0, NULL),
    F(use_running, UN_FIELD_BOOL, 0, 1, 0, NULL),
    F(update_running, UN_FIELD_BOOL, 0, 1, 0, NULL),
};

static unet_status infer(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    const un_norm_attr *a = &n->attr.norm;
    un_shape x = s[n->in[0]];
    int sets = a->mode == GROUP ? a->groups : x.c;

    for (int i = 1; i < n->n_in; i++)
        if (g->value[n->in[i]].store != UN_STORE_PARAM || g->param[g->value[n->in[i]].param].count != x.c)
            return un_op_fail(n, err, "input %d does not have one element for each of the %d channels", i, x.c);
    if (a->mode == GROUP && x.c % a->groups)
        return un_op_fail(n, err, "%d channels do not divide into %d groups", x.c, a->groups);
    if (a->use_running && (a->mode != BATCH || n->n_in != 5))
        return un_op_fail(n, err, "running statistics are asked for, but there are none");
    s[n->out[0]] = x;
    s[n->out[1]] = s[n->out[2]] = (un_shape){a->mode == BATCH ? 1 : x.n, 1, 1, 1, sets};
    return UNET_OK;
}

static unet_status infer_grad(const un_graph *g, const un_node *n, un_shape *s, unet_error *err)
{
    (void)g;
    (void)err;
    s[n->out[0]] = s[n->in[0]];
    return UNET_OK;
}

static unet_status grad(un_gradients *gs, int node, unet_error *err)
{
    un_graph *g = gs->g;
    un_node n = g->node[node];
    int dy = un_gradients_of(gs, n.out[0]), in[6] = {n.in[0], n.out[1], n.out[2], dy}, n_in = 4;
    int out[3] = {UN_NEW, UN_NONE, UN_NONE}, id;

    if (n.attr.norm.use_running)
        return un_fail(err, UNET_E_INTERNAL, "node '%s': inference form in a training graph", n.name);
    for (int i = 1; i < UN_MIN(n.n_in, 3); i++) {
        int p = g->value[n.in[i]].param;

        in[n_in++] = n.in[i];
        if (g->param[p].trainable)
            out[i] = un_graph_grad(g, p);
    }
    id = un_graph_node_to(g, UN_OP_NORM_GRAD, n.name, in, n_in, out, &n.attr);
    if (g->failed)
        return UNET_OK; /* reported by un_graph_check */
    g->node[id].origin = node;
    un_gradients_add(gs, n.in[0], g->node[id].out[0]);
    return UNET_OK;
}

#define FIELDS .fields = norm_fields, .n_fields = UN_COUNT(norm_fields)

const un_op_rules un_rules_norm = {FIELDS, .infer = infer, .grad = grad};
const un_op_rules un_rules_norm_grad = {FIELDS, .infer = infer_grad};
const un_op_rules un_rules_norm_apply = {FIELDS, .infer = infer_grad};
