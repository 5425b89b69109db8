#include "graph/apart.h"

enum { CHUNK = 16, BLOCK = 32 }; /* channels that kernels take together, and those that they make together */

/* Kernels of such a layer copy or transform what they read. Without padding some read it in place. */
static int is_tiled(const un_conv_attr *a)
{
    int unit = a->groups == 1 && a->k[1] == 3 && a->k[2] == 3 && a->pad[1] > 0;

    for (int i = 0; i < 3; i++)
        unit = unit && a->stride[i] == 1 && a->dilation[i] == 1;
    return unit;
}

/* Whether node n, which has v as input j, can do with its parts. */
static int reads_parts(const un_node *n, int j)
{
    switch (n->op) {
    case UN_OP_CONV:
        return j == 0 && is_tiled(&n->attr.conv);
    case UN_OP_CONV_WGRAD: /* x, dy, x, dy ... */
        return j % 2 == 0 && is_tiled(&n->attr.conv);
    default:
        return un_op_describe(n->op)->rules->like_mask >> j & 1;
    }
}

int un_is_apart(const un_graph *g, const un_shape *shape, int node)
{
    const un_node *n = &g->node[node];
    int readers = 0;

    if (n->op != UN_OP_CONCAT || n->n_in != 2 || shape[n->in[0]].c % CHUNK)
        return 0;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i] == n->out[0])
            return 0;
    for (int i = node + 1; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i].n_in; j++)
            if (g->node[i].in[j] == n->out[0]) {
                if (!reads_parts(&g->node[i], j))
                    return 0;
                readers++;
            }
    return readers > 0;
}

int un_is_gradient_apart(const un_graph *g, const un_shape *shape, int node, int slice[2])
{
    const un_node *n = &g->node[node];
    int first;

    slice[0] = slice[1] = UN_NONE;
    if (n->op != UN_OP_CONV_DGRAD || !is_tiled(&n->attr.conv))
        return 0;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i] == n->out[0])
            return 0;
    for (int i = node + 1; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i].n_in; j++) {
            const un_node *r = &g->node[i];

            if (r->in[j] != n->out[0] || un_op_describe(r->op)->rules->like_mask >> j & 1)
                continue;
            if (r->op != UN_OP_SLICE || r->attr.slice.index > 1 || slice[r->attr.slice.index] != UN_NONE)
                return 0;
            slice[r->attr.slice.index] = i;
        }
    if (slice[0] == UN_NONE || slice[1] == UN_NONE)
        return 0;
    first = shape[g->node[slice[0]].out[0]].c;
    return first + shape[g->node[slice[1]].out[0]].c == shape[n->out[0]].c && first % CHUNK == 0 &&
           (first % BLOCK == 0 || 2 * first == shape[n->out[0]].c);
}
