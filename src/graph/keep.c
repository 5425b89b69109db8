#include "graph/keep.h"

/* needed[node]: an output depends on it. */
static void mark(const un_graph *g, const int *outputs, int n_outputs, char *needed)
{
    for (int i = 0; i < n_outputs; i++)
        if (g->value[outputs[i]].producer != UN_NONE)
            needed[g->value[outputs[i]].producer] = 1;
    for (int i = g->n_nodes - 1; i >= 0; i--)
        for (int j = 0; j < g->node[i].n_in && needed[i]; j++) {
            const int v = g->node[i].in[j];

            if (v != UN_NONE && g->value[v].producer != UN_NONE)
                needed[g->value[v].producer] = 1;
        }
}

unet_status un_graph_keep(
    un_graph **out, un_mem *mem, const un_graph *g, const int *outputs, int n_outputs, unet_error *err)
{
    char *needed = un_alloc_zero(mem, (size_t)g->n_nodes + 1);
    un_graph *copy = NULL;
    unet_status st = needed ? un_graph_clone(&copy, mem, g, err) : un_fail_nomem(err, (size_t)g->n_nodes);

    *out = NULL;
    if (st) {
        un_free(needed);
        return st;
    }
    mark(g, outputs, n_outputs, needed);
    copy->n_nodes = copy->n_outputs = 0;
    for (int v = 0; v < copy->n_values; v++)
        copy->value[v].producer = UN_NONE;
    for (int i = 0; i < g->n_nodes; i++) {
        un_node *n = &copy->node[i];

        if (!needed[i])
            continue;
        for (int j = 0; j < n->n_out; j++)
            if (n->out[j] != UN_NONE)
                copy->value[n->out[j]].producer = copy->n_nodes;
        copy->node[copy->n_nodes++] = *n;
    }
    for (int i = 0; i < n_outputs; i++)
        un_graph_output(copy, outputs[i]);
    un_free(needed);
    st = un_graph_check(copy, err);
    if (st) {
        un_graph_destroy(copy);
        return st;
    }
    *out = copy;
    return UNET_OK;
}
