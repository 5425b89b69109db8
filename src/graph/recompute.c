/* Copies of forward nodes inside the backward pass. Invariant: forward nodes keep their numbers, since gradient nodes
 * name them as their origin. */
#include "graph/recompute.h"

#include <string.h>

#include "base/size.h"
#include "graph/apart.h"

int un_find_blocks(const un_graph *g, int n_forward, const char *prefix, un_block_range *block, int cap)
{
    int n = 0;

    for (int i = 0; i < n_forward;) {
        const char *name = g->node[i].name;
        size_t word = strcspn(name, ".");
        int end = i + 1;

        while (end < n_forward && !strncmp(g->node[end].name, name, word) && g->node[end].name[word] == name[word])
            end++;
        if (!strncmp(name, prefix, strlen(prefix)) && name[word] == '.' && n < cap)
            block[n++] = (un_block_range){i, end};
        i = end;
    }
    return n;
}

enum { COPIES = 5 }; /* at most, for a node: of a concatenation, its two parts and what these are made from */

typedef struct work {
    un_graph *g;
    int n_forward;
    char *inner;   /* [values] read by its own block and the backward pass only */
    int *again;    /* [values] the copy's value, or UN_NONE */
    char *wanted;  /* [nodes] node of the block to copy */
    un_node *copy; /* copies, in order */
    int *before;   /* backward node that each copy goes before */
    int n_copies, n_values;
} work;

static int in_block(const un_block_range *b, int node)
{
    return node >= b->first && node < b->end;
}

/* A value of the block that no forward node outside of it reads, and that is no output of the graph. */
static int is_inner(const un_graph *g, int n_forward, const un_block_range *b, int v)
{
    for (int i = 0; i < n_forward; i++)
        for (int j = 0; j < g->node[i].n_in; j++)
            if (g->node[i].in[j] == v && !in_block(b, i))
                return 0;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i] == v)
            return 0;
    return 1;
}

/* Means and deviations of norms are small and stay. */
static int is_large(const un_graph *g, int v)
{
    const un_node *maker = &g->node[g->value[v].producer];

    return maker->out[0] == v;
}

/* The first backward node that reads content of v; UN_NONE: none does. */
static int first_reader(const un_graph *g, int n_forward, int v)
{
    for (int i = n_forward; i < g->n_nodes; i++)
        for (int j = 0; j < g->node[i].n_in; j++)
            if (g->node[i].in[j] == v && !(un_op_describe(g->node[i].op)->rules->like_mask >> j & 1u))
                return i;
    return UN_NONE;
}

/* Marks the nodes that are needed to make the inner values the backward pass reads; returns where the copies go. */
static int mark_block(work *w, const un_block_range *b)
{
    const un_graph *g = w->g;
    int at = UN_NONE;

    for (int i = b->first; i < b->end; i++) {
        int v = g->node[i].out[0], reader;

        w->inner[v] = (char)(is_large(g, v) && is_inner(g, w->n_forward, b, v));
        reader = w->inner[v] ? first_reader(g, w->n_forward, v) : UN_NONE;
        if (reader == UN_NONE)
            continue;
        w->wanted[i] = 1;
        at = at == UN_NONE ? reader : UN_MIN(at, reader);
    }
    for (int i = b->end - 1; i >= b->first; i--)
        for (int j = 0; w->wanted[i] && j < g->node[i].n_in; j++) {
            int v = g->node[i].in[j];

            if (v != UN_NONE && w->inner[v])
                w->wanted[g->value[v].producer] = 1;
        }
    return at;
}

/* A new activation value that stands for v. */
static int add_value(un_graph *g, int v)
{
    un_value copy = g->value[v];

    if (g->n_values == g->cap_values) {
        int cap = 2 * g->cap_values;
        un_value *p = un_realloc(g->mem, g->value, (size_t)cap * sizeof *p);

        if (!p) {
            g->failed = 1;
            return v;
        }
        g->value = p;
        g->cap_values = cap;
    }
    g->value[g->n_values] = copy;
    return g->n_values++;
}

static void copy_block(work *w, const un_block_range *b, int at)
{
    un_graph *g = w->g;

    for (int i = b->first; i < b->end; i++) {
        un_node n = g->node[i];

        if (!w->wanted[i])
            continue;
        for (int j = 0; j < n.n_in; j++)
            if (n.in[j] != UN_NONE && w->again[n.in[j]] != UN_NONE)
                n.in[j] = w->again[n.in[j]];
        for (int j = 0; j < n.n_out; j++)
            n.out[j] = add_value(g, n.out[j]);
        if (g->failed)
            return;
        if (w->inner[g->node[i].out[0]])
            w->again[g->node[i].out[0]] = n.out[0];
        if (n.op == UN_OP_NORM)
            n.attr.norm.update_running = 0;
        n.origin = i;
        w->before[w->n_copies] = at;
        w->copy[w->n_copies++] = n;
    }
}

/* Where only the extents are asked for, the value that is gone will do. */
static void read_copies(const work *w, un_node *n)
{
    unsigned like = un_op_describe(n->op)->rules->like_mask;

    for (int j = 0; j < n->n_in; j++)
        if (n->in[j] != UN_NONE && n->in[j] < w->n_values && w->again[n->in[j]] != UN_NONE && !(like >> j & 1u))
            n->in[j] = w->again[n->in[j]];
}

/* Backward nodes read the copies; the copies go in front of their first readers. */
static unet_status splice(work *w, unet_error *err)
{
    un_graph *g = w->g;
    int total = g->n_nodes + w->n_copies, at = w->n_forward;
    un_node *all = un_alloc_array(g->mem, (size_t)total, sizeof *all);

    if (!all)
        return un_fail_nomem(err, (size_t)total * sizeof *all);
    memcpy(all, g->node, (size_t)w->n_forward * sizeof *all);
    for (int i = w->n_forward; i < g->n_nodes; i++) {
        for (int c = 0; c < w->n_copies; c++)
            if (w->before[c] == i)
                all[at++] = w->copy[c];
        all[at] = g->node[i];
        read_copies(w, &all[at++]);
    }
    un_free(g->node);
    g->node = all;
    g->n_nodes = g->cap_nodes = total;
    for (int i = 0; i < total; i++)
        for (int j = 0; j < all[i].n_out; j++)
            if (all[i].out[j] != UN_NONE)
                g->value[all[i].out[j]].producer = i;
    return UNET_OK;
}

static unet_status begin(work *w, un_graph *g, int n_forward, unet_error *err)
{
    *w = (work){.g = g, .n_forward = n_forward, .n_values = g->n_values};
    w->inner = un_alloc_zero(g->mem, (size_t)g->n_values);
    w->again = un_alloc_array(g->mem, (size_t)g->n_values, sizeof *w->again);
    w->wanted = un_alloc_zero(g->mem, (size_t)g->n_nodes);
    w->copy = un_alloc_array(g->mem, COPIES * (size_t)n_forward, sizeof *w->copy);
    w->before = un_alloc_array(g->mem, COPIES * (size_t)n_forward, sizeof *w->before);
    if (!w->inner || !w->again || !w->wanted || !w->copy || !w->before)
        return un_fail_nomem(err, COPIES * (size_t)n_forward * sizeof *w->copy);
    for (int v = 0; v < w->n_values; v++)
        w->again[v] = UN_NONE;
    return UNET_OK;
}

/* Puts the copies in their places. Releases w in any case. */
static unet_status finish(work *w, unet_status st, unet_error *err)
{
    un_graph *g = w->g;

    if (!st && g->failed)
        st = un_fail_nomem(err, (size_t)g->n_values * sizeof *g->value);
    if (!st)
        st = splice(w, err);
    if (!st)
        st = un_graph_check(g, err);
    un_free(w->inner);
    un_free(w->again);
    un_free(w->wanted);
    un_free(w->copy);
    un_free(w->before);
    return st;
}

unet_status un_recompute(un_graph *g, int n_forward, const un_block_range *block, int n_blocks, unet_error *err)
{
    work w;
    unet_status st = begin(&w, g, n_forward, err);

    for (int i = 0; i < n_blocks && !st; i++) {
        int at = mark_block(&w, &block[i]);

        if (at != UN_NONE)
            copy_block(&w, &block[i], at);
    }
    return finish(&w, st, err);
}

/* ---- norms, and what lies between them ---- */

/* Whether a concatenation reads v; with `shape` only one that is made. */
static int is_joined(const un_graph *g, const un_shape *shape, int n_forward, int v)
{
    for (int i = 0; i < n_forward; i++)
        for (int j = 0; g->node[i].op == UN_OP_CONCAT && j < g->node[i].n_in; j++)
            if (g->node[i].in[j] == v && !(shape && un_is_apart(g, shape, i)))
                return 1;
    return 0;
}

static int is_kept_elsewhere(const un_graph *g, const un_shape *shape, int n_forward, int v)
{
    if (is_joined(g, shape, n_forward, v))
        return 1;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i] == v)
            return 1;
    return 0;
}

/* The norm that makes v, if v can be made again; else UN_NONE. */
static int norm_of(const work *w, const un_shape *shape, int v)
{
    const un_graph *g = w->g;
    const int maker = g->value[v].producer;
    const un_node *n = maker == UN_NONE ? NULL : &g->node[maker];

    if (!n || n->op != UN_OP_NORM || n->attr.norm.use_running || is_kept_elsewhere(g, shape, w->n_forward, v))
        return UN_NONE;
    return first_reader(g, w->n_forward, n->in[0]) == UN_NONE ? UN_NONE : maker;
}

/* n, like node `origin`, before node `at`; returns its value, a new one. */
static int add_copy(work *w, un_node *n, int origin, int at)
{
    n->out[0] = add_value(w->g, n->out[0]);
    n->origin = origin;
    w->before[w->n_copies] = at;
    w->copy[w->n_copies++] = *n;
    return n->out[0];
}

/* Makes the norm's result again before node `at`; returns the new value. */
static int apply_again(work *w, int node, int at)
{
    un_node n = w->g->node[node];
    const int mean = n.out[1], rstd = n.out[2], params = UN_MIN(n.n_in, 3) - 1;

    if (w->again[n.in[0]] != UN_NONE)
        n.in[0] = w->again[n.in[0]];
    for (int j = params; j > 0; j--)
        n.in[j + 2] = n.in[j];
    n.in[1] = mean;
    n.in[2] = rstd;
    n.n_in = 3 + params;
    n.op = UN_OP_NORM_APPLY;
    n.n_out = 1;
    return add_copy(w, &n, node, at);
}

/* What a norm reads, made again before node `at` where that is little work: by a convolution of the image. Not where a
 * concatenation reads the norm, which is made again for that long before others read it. */
static void first_layer_again(work *w, const un_shape *shape, int norm, int at)
{
    const un_graph *g = w->g;
    const int v = g->node[norm].in[0], maker = g->value[v].producer;
    un_node n;

    if (maker == UN_NONE || g->node[maker].op != UN_OP_CONV || is_joined(g, NULL, w->n_forward, g->node[norm].out[0]) ||
        is_kept_elsewhere(g, shape, w->n_forward, v))
        return;
    n = g->node[maker];
    if (g->value[n.in[0]].producer == UN_NONE && 4 * shape[n.in[0]].c <= shape[v].c)
        w->again[v] = add_copy(w, &n, maker, UN_MIN(at, first_reader(g, w->n_forward, v)));
}

/* What the backward pass reads anyway, or can make again from that. */
static int is_at_hand(const work *w, const un_shape *shape, int v)
{
    return first_reader(w->g, w->n_forward, v) != UN_NONE || norm_of(w, shape, v) != UN_NONE;
}

/* The transposed convolution that makes v for a concatenation alone, if v is worth making again: on the levels whose
 * results are largest. Each level costs the same, and the next one down saves half as much in 2-D, a quarter in 3-D. */
static int upsampling_of(const work *w, const un_shape *shape, int v)
{
    const un_graph *g = w->g;
    const int maker = g->value[v].producer;
    int64_t most = 0;

    if (maker == UN_NONE || g->node[maker].op != UN_OP_CONV_TRANSPOSE || first_reader(g, w->n_forward, v) != UN_NONE ||
        is_kept_elsewhere(g, shape, w->n_forward, v) || !is_at_hand(w, shape, g->node[maker].in[0]))
        return UN_NONE;
    for (int i = 0; i < w->n_forward; i++)
        if (g->node[i].op == UN_OP_CONV_TRANSPOSE)
            most = UN_MAX(most, un_shape_count(shape[g->node[i].out[0]]));
    return 2 * un_shape_count(shape[v]) >= most ? maker : UN_NONE;
}

/* What it reads is made for it alone: kept for the gradient of its weights it would stand beside the largest maps. */
static int upsample_again(work *w, const un_shape *shape, int node, int at)
{
    un_node n = w->g->node[node];
    const int norm = norm_of(w, shape, n.in[0]);

    if (norm != UN_NONE)
        n.in[0] = apply_again(w, norm, at);
    return add_copy(w, &n, node, at);
}

/* A concatenation that is read in its parts, for the gradient of the weights that read it. Its parts are made for it
 * alone: other readers come much later. Upsampled ones first, while their inputs stand beside the least. */
static void join_again(work *w, const un_shape *shape, int node)
{
    un_node n = w->g->node[node];
    const int at = first_reader(w->g, w->n_forward, n.out[0]), v = n.out[0];
    int any = 0;

    for (int j = 0; j < n.n_in && at != UN_NONE; j++) {
        const int upsampling = upsampling_of(w, shape, n.in[j]);

        if (upsampling != UN_NONE)
            n.in[j] = upsample_again(w, shape, upsampling, at);
        any |= upsampling != UN_NONE;
    }
    for (int j = 0; j < n.n_in && at != UN_NONE; j++) {
        const int norm = norm_of(w, shape, n.in[j]);

        if (norm != UN_NONE)
            n.in[j] = apply_again(w, norm, at);
        any |= norm != UN_NONE;
    }
    if (any)
        w->again[v] = add_copy(w, &n, node, at);
}

/* Where weights are larger than what the data gradient makes, it goes before the gradient of the weights: they are
 * packed for it where that will be. Producers are set anew by splice. */
static void data_first(un_graph *g, int n_forward, const un_shape *shape)
{
    for (int i = n_forward; i + 1 < g->n_nodes; i++) {
        const un_node weights = g->node[i], data = g->node[i + 1];

        if (weights.op != UN_OP_CONV_WGRAD || data.op != UN_OP_CONV_DGRAD || weights.origin != data.origin ||
            weights.n_in != 2 || weights.out[0] == UN_NONE ||
            g->param[g->value[weights.out[0]].param].count <= un_shape_count(shape[weights.in[0]]))
            continue;
        g->node[i] = data;
        g->node[i + 1] = weights;
    }
}

unet_status un_recompute_norms(un_graph *g, int n_forward, const un_shape *shape, unet_error *err)
{
    work w;
    unet_status st = begin(&w, g, n_forward, err);

    data_first(g, n_forward, shape);
    for (int i = 0; i < n_forward && !st; i++) {
        const int v = g->node[i].out[0], reader = first_reader(g, n_forward, v);

        if (un_is_apart(g, shape, i))
            join_again(&w, shape, i);
        else if (reader != UN_NONE && norm_of(&w, shape, v) != UN_NONE) {
            first_layer_again(&w, shape, i, reader);
            w.again[v] = apply_again(&w, i, reader);
        }
    }
    return finish(&w, st, err);
}
