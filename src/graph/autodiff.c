/* Walks the forward nodes backwards and lets each operator's rule append its gradient nodes. */
#include "graph/autodiff.h"

#include <string.h>

#include "ir/gradients.h"

int un_gradients_of(const un_gradients *gs, int value)
{
    return gs->grad[value];
}

int un_gradients_wanted(const un_gradients *gs, int value)
{
    return gs->needed[value];
}

void un_gradients_replace(un_gradients *gs, int value, int contribution)
{
    gs->grad[value] = contribution;
}

void un_gradients_add(un_gradients *gs, int value, int contribution)
{
    un_graph *g = gs->g;
    int earlier = gs->grad[value];

    if (!gs->needed[value] || g->failed)
        return;
    gs->grad[value] = earlier == UN_NONE
                          ? contribution
                          : un_graph_op(g, UN_OP_ADD, g->value[value].name, (int[]){earlier, contribution}, 2, NULL);
}

int un_gradients_node(un_gradients *gs, int of, un_op op, const int *in, int n_in)
{
    un_attr attr = gs->g->node[of].attr;
    int id;

    if (op == UN_OP_SLICE || op == UN_OP_CROP_GRAD)
        memset(&attr, 0, sizeof attr);
    id = un_graph_node(gs->g, op, gs->g->node[of].name, in, n_in, &attr);
    if (!gs->g->failed)
        gs->g->node[id].origin = of;
    return id;
}

/* A value is needed when a trainable parameter lies behind it. */
static void mark_needed(un_gradients *gs, int n_nodes)
{
    const un_graph *g = gs->g;

    for (int v = 0; v < gs->n_values; v++)
        gs->needed[v] = g->value[v].store == UN_STORE_PARAM && g->param[g->value[v].param].trainable;
    for (int i = 0; i < n_nodes; i++) {
        const un_node *n = &g->node[i];
        int any = 0;

        for (int j = 0; j < n->n_in; j++)
            any |= n->in[j] != UN_NONE && gs->needed[n->in[j]];
        for (int j = 0; j < n->n_out; j++)
            gs->needed[n->out[j]] = (char)any;
    }
}

unet_status un_autodiff(un_graph *g, unet_error *err)
{
    un_gradients gs = {.g = g, .n_values = g->n_values};
    int n_nodes = g->n_nodes, losses = 0;
    unet_status st = UNET_OK;

    gs.grad = un_alloc(g->mem, (size_t)g->n_values * sizeof *gs.grad);
    gs.needed = un_alloc_zero(g->mem, (size_t)g->n_values);
    if (!gs.grad || !gs.needed) {
        st = un_fail_nomem(err, (size_t)g->n_values * sizeof *gs.grad);
        goto done;
    }
    for (int v = 0; v < g->n_values; v++)
        gs.grad[v] = UN_NONE;
    mark_needed(&gs, n_nodes);
    for (int i = n_nodes - 1; i >= 0 && !st && !g->failed; i--) {
        const un_node *n = &g->node[i];
        const un_op_rules *rules = un_op_describe(n->op)->rules;

        losses += n->op == UN_OP_LOSS;
        if (!gs.needed[n->out[0]] || (n->op != UN_OP_LOSS && gs.grad[n->out[0]] == UN_NONE))
            continue;
        if (!rules->grad)
            st = un_fail(
                err, UNET_E_UNSUPPORTED, "node '%s' (%s) has no gradient", n->name, un_op_describe(n->op)->name);
        else
            st = rules->grad(&gs, i, err);
    }
    if (!st && !losses)
        st = un_fail(err, UNET_E_ARG, "the graph has no loss");
    if (!st)
        st = un_graph_check(g, err);
done:
    un_free(gs.grad);
    un_free(gs.needed);
    return st;
}
