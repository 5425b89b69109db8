#include "graph/repeat.h"

#include <string.h>

#include "base/size.h"
#include "graph/keep.h"

typedef struct repeater {
    un_graph *g;
    char *level; /* [nodes] 1: of the first level; 2: needed once more */
    int *again;  /* [values] the copy's value, or UN_NONE              */
    int n_nodes; /* without the copies                                 */
    int at;      /* the first node that reads copies, or UN_NONE       */
} repeater;

static int is_act(const un_graph *g, int v)
{
    return v != UN_NONE && g->value[v].store == UN_STORE_ACT;
}

static int keeps_extents(const un_node *n)
{
    const int *stride = n->attr.conv.stride;

    switch (n->op) {
    case UN_OP_CONV:
        return stride[0] == 1 && stride[1] == 1 && stride[2] == 1;
    case UN_OP_NORM:
        return n->attr.norm.use_running;
    case UN_OP_ACT:
    case UN_OP_ADD:
    case UN_OP_CONCAT:
        return 1;
    default:
        return 0;
    }
}

static int of_level(const repeater *r, int v)
{
    const int maker = r->g->value[v].producer;

    return maker != UN_NONE && r->level[maker];
}

static void mark_level(repeater *r)
{
    const un_graph *g = r->g;

    for (int i = 0; i < r->n_nodes; i++) {
        const un_node *n = &g->node[i];

        r->level[i] = (char)keeps_extents(n);
        for (int j = 0; j < n->n_in; j++)
            if (is_act(g, n->in[j]) && g->value[n->in[j]].producer != UN_NONE && !of_level(r, n->in[j]))
                r->level[i] = 0;
    }
}

/* Reads what is not of the first level beside what is. */
static int is_late(const repeater *r, int i)
{
    const un_node *n = &r->g->node[i];
    int own = 0, other = 0;

    for (int j = 0; j < n->n_in && !r->level[i]; j++)
        if (is_act(r->g, n->in[j]))
            *(of_level(r, n->in[j]) ? &own : &other) = 1;
    return own && other;
}

/* The nodes that late ones need once more. */
static void mark_needed(repeater *r)
{
    const un_graph *g = r->g;

    for (int i = r->n_nodes - 1; i >= 0; i--) {
        const int late = is_late(r, i);

        if (late)
            r->at = i;
        for (int j = 0; j < g->node[i].n_in && (late || r->level[i] == 2); j++)
            if (is_act(g, g->node[i].in[j]) && of_level(r, g->node[i].in[j]))
                r->level[g->value[g->node[i].in[j]].producer] = 2;
    }
}

static void read_copies(const repeater *r, un_node *n)
{
    for (int j = 0; j < n->n_in; j++)
        if (n->in[j] != UN_NONE && r->again[n->in[j]] != UN_NONE)
            n->in[j] = r->again[n->in[j]];
}

/* Copies at the end of the graph; returns how many. */
static int copy_level(repeater *r)
{
    un_graph *g = r->g;

    for (int i = 0; i < r->n_nodes && !g->failed; i++) {
        un_node n = g->node[i];
        int id;

        if (r->level[i] != 2)
            continue;
        read_copies(r, &n);
        id = un_graph_node(g, n.op, n.name, n.in, n.n_in, &n.attr);
        for (int j = 0; j < n.n_out && !g->failed; j++)
            if (n.out[j] != UN_NONE)
                r->again[n.out[j]] = g->node[id].out[j];
    }
    return g->n_nodes - r->n_nodes;
}

/* The copies go to their place, and late nodes read them. */
static unet_status splice(repeater *r, int copies, unet_error *err)
{
    un_graph *g = r->g;
    un_node *copy = un_alloc_array(g->mem, (size_t)copies, sizeof *copy);

    if (!copy)
        return un_fail_nomem(err, (size_t)copies * sizeof *copy);
    for (int i = r->at; i < r->n_nodes; i++)
        if (is_late(r, i))
            read_copies(r, &g->node[i]);
    memcpy(copy, g->node + r->n_nodes, (size_t)copies * sizeof *copy);
    memmove(g->node + r->at + copies, g->node + r->at, (size_t)(r->n_nodes - r->at) * sizeof *copy);
    memcpy(g->node + r->at, copy, (size_t)copies * sizeof *copy);
    un_free(copy);
    for (int i = 0; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i].n_out; j++)
            if (g->node[i].out[j] != UN_NONE)
                g->value[g->node[i].out[j]].producer = i;
    return UNET_OK;
}

static unet_status repeat(repeater *r, int n_values, unet_error *err)
{
    int copies;

    for (int v = 0; v < n_values; v++)
        r->again[v] = UN_NONE;
    mark_level(r);
    mark_needed(r);
    if (r->at == UN_NONE)
        return UNET_OK;
    copies = copy_level(r);
    if (r->g->failed)
        return un_fail_nomem(err, (size_t)r->n_nodes * sizeof(un_node));
    return splice(r, copies, err);
}

unet_status un_graph_repeat(un_graph **out, un_mem *mem, const un_graph *g, unet_error *err)
{
    repeater r = {.n_nodes = g->n_nodes, .at = UN_NONE};
    unet_status st = un_graph_clone(&r.g, mem, g, err);

    *out = NULL;
    if (st)
        return st;
    r.level = un_alloc_zero(mem, (size_t)g->n_nodes + 1);
    r.again = un_alloc_array(mem, (size_t)g->n_values + 1, sizeof *r.again);
    st = r.level && r.again ? repeat(&r, g->n_values, err) : un_fail_nomem(err, (size_t)g->n_values * sizeof *r.again);
    un_free(r.again);
    un_free(r.level);
    if (!st && r.at != UN_NONE) /* originals that only late nodes read are left out */
        st = un_graph_keep(out, mem, r.g, g->output, g->n_outputs, err);
    un_graph_destroy(r.g);
    return st;
}
