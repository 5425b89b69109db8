/* Which values share memory, and where each lies. Invariant: two values overlap in memory only if one is a view of the
 * other, or one is dead before the other is written.
 *
 * Three kinds of sharing, all optional (a copy is always right):
 *  - views: a slice, a crop, and dropout outside training are their input, seen otherwise (not as outputs of the graph,
 *    which lie densely);
 *  - parts: a concatenation that only convolutions read need not be made (apart.h);
 *  - halves: a value that goes into another is made inside it, unless it already has a home;
 *  - in place: an element-wise node may write over an input that nobody needs any more, and the last node of a chain
 *    over what its first ones have read. */
#include "graph/planner.h"

#include <string.h>

#include "base/size.h"
#include "graph/apart.h"
#include "graph/bands.h"
#include "kernels/args.h"

typedef struct placer {
    un_plan *p;
    const un_graph *g;
    un_span *span;
    int64_t *at; /* [n_values] elements from the first element of the root; while placing */
    int keep_all;
} placer;

/* Activations that every convolution kernel can do at the store. */
static int is_cheap_act(int act)
{
    return act == UN_ACT_NONE || act == UN_ACT_RELU || act == UN_ACT_LEAKY_RELU;
}

/* The only reader of a convolution's output, when it is a norm in inference form or an activation. */
static int fusable(const un_graph *g, int i)
{
    const un_node *n;
    int y = g->node[i].out[0], reader = UN_NONE;

    if (g->node[i].op != UN_OP_CONV || g->node[i].attr.conv.act)
        return UN_NONE;
    for (int k = 0; k < g->n_outputs; k++)
        if (g->output[k] == y)
            return UN_NONE;
    for (int k = i + 1; k < g->n_nodes; k++)
        for (int j = 0; j < g->node[k].n_in; j++)
            if (g->node[k].in[j] == y) {
                if (reader != UN_NONE)
                    return UN_NONE;
                reader = k;
            }
    if (reader == UN_NONE)
        return UN_NONE;
    n = &g->node[reader];
    if (n->op == UN_OP_ACT && is_cheap_act(n->attr.act.act))
        return reader;
    return n->op == UN_OP_NORM && n->attr.norm.use_running && is_cheap_act(n->attr.norm.act) ? reader : UN_NONE;
}

/* The fused node's output comes to life when the convolution starts. */
static void fuse(un_plan *p, un_span *span)
{
    const un_graph *g = p->graph;

    for (int i = 0; i < g->n_nodes; i++) {
        p->fused[i] = p->training ? UN_NONE : fusable(g, i);
        if (p->fused[i] == UN_NONE)
            continue;
        p->moved[p->fused[i]] = 1;
        span[g->node[p->fused[i]].out[0]].first = i;
    }
}

/* Concatenations that are not made: their parts live as long as they would. Slices of gradients that are not: they live
 * from when these would. */
static void find_apart(un_plan *p, un_span *span)
{
    const un_graph *g = p->graph;
    int slice[2];

    for (int i = 0; i < g->n_nodes; i++) {
        const un_node *n = &g->node[i];

        if (un_is_apart(g, p->shape, i)) {
            p->apart[i] = 1;
            for (int j = 0; j < n->n_in; j++)
                span[n->in[j]].last = UN_MAX(span[n->in[j]].last, span[n->out[0]].last);
        } else if (un_is_gradient_apart(g, p->shape, i, slice)) {
            p->apart[i] = 1;
            for (int j = 0; j < 2; j++) {
                p->moved[slice[j]] = 1;
                span[g->node[slice[j]].out[0]].first = i;
            }
        }
    }
}

static int is_act(const un_graph *g, int v)
{
    return g->value[v].store == UN_STORE_ACT;
}

static int is_interface(const un_graph *g, int v)
{
    for (int i = 0; i < g->n_inputs; i++)
        if (g->input[i] == v)
            return 1;
    for (int i = 0; i < g->n_outputs; i++)
        if (g->output[i] == v)
            return 1;
    return 0;
}

/* The extents that a value has in memory. */
static un_shape stored(const un_plan *p, int v)
{
    un_shape s = p->shape[v];

    if (un_plan_banded(p, v))
        s.h = p->rows[v].room;
    return s;
}

static void set_dense(un_place *pl, un_shape s)
{
    pl->sw = s.c;
    pl->sh = pl->sw * s.w;
    pl->sd = pl->sh * s.h;
    pl->sn = pl->sd * s.d;
}

/* Makes v a part of `of`, `elements` behind its first element. */
static void join(placer *b, int v, int of, int64_t elements)
{
    un_place *root = &b->p->place[b->p->place[of].root];
    int old = v;

    for (int i = 0; i < b->g->n_values; i++) {
        un_place *m = &b->p->place[i];

        if (m->root != old)
            continue;
        m->root = b->p->place[of].root;
        b->at[i] += b->at[of] + elements;
        m->sn = root->sn;
        m->sd = root->sd;
        m->sh = root->sh;
        m->sw = root->sw;
    }
}

/* Whether the node only shows its input otherwise. */
static int is_view(const un_plan *p, const un_node *n)
{
    return n->op == UN_OP_SLICE || n->op == UN_OP_CROP || (n->op == UN_OP_DROPOUT && !p->training);
}

static int64_t view_elements(const placer *b, const un_node *n)
{
    const un_shape *s = b->p->shape;
    const un_place *x = &b->p->place[n->in[0]];
    un_shape a = s[n->in[0]], o = s[n->out[0]];

    if (n->op == UN_OP_SLICE)
        return un_slice_first(b->g, n, s);
    return (a.d - o.d) / 2 * x->sd + (a.h - o.h) / 2 * x->sh + (a.w - o.w) / 2 * x->sw;
}

/* A value may be made inside a concatenation when it is the root of its own memory and its maker writes it. */
static int may_move(const placer *b, int v)
{
    int producer = b->g->value[v].producer;

    return is_act(b->g, v) && b->p->place[v].root == v && producer != UN_NONE && !is_interface(b->g, v) &&
           !is_view(b->p, &b->g->node[producer]) && b->p->fused[producer] == UN_NONE;
}

static void place_halves(placer *b)
{
    for (int i = b->g->n_nodes - 1; i >= 0; i--) {
        const un_node *n = &b->g->node[i];
        int first = 0, copies = 0;

        if (n->op != UN_OP_CONCAT)
            continue;
        for (int j = 0; j < n->n_in && !b->p->apart[i]; j++) {
            if (may_move(b, n->in[j]) && un_plan_may_join(b->p, n->in[j], n->out[0]) &&
                b->p->place[n->in[j]].root != b->p->place[n->out[0]].root)
                join(b, n->in[j], n->out[0], first);
            else
                copies++;
            first += b->p->shape[n->in[j]].c;
        }
        b->p->moved[i] = !copies;
    }
}

/* The channels of its root that a value covers. A crop covers fewer pixels; taken as all. */
static void channel_range(const placer *b, int v, int64_t *lo, int64_t *hi)
{
    *lo = b->at[v] % b->p->place[v].sw;
    *hi = *lo + b->p->shape[v].c;
}

/* Whether anything that shares elements with v is needed at or after node i, other than v itself at i. */
static int needed_later(const placer *b, int v, int i)
{
    const un_node *n = &b->g->node[i];
    int64_t lo, hi, l, h;
    int uses = 0;

    channel_range(b, v, &lo, &hi);
    for (int j = 0; j < n->n_in; j++)
        uses += n->in[j] == v;
    if (uses > 1 || b->span[v].last > i)
        return 1;
    for (int m = 0; m < b->g->n_values; m++) {
        if (m == v || b->p->place[m].root != b->p->place[v].root || !is_act(b->g, m))
            continue;
        channel_range(b, m, &l, &h);
        if (l < hi && lo < h && b->span[m].last >= i)
            return 1;
    }
    return 0;
}

/* The input that the node's kernel may overwrite with its first output, in order of preference. */
static int overwritable(const un_plan *p, const un_node *n, int candidate[2])
{
    switch (n->op) {
    case UN_OP_ACT:
    case UN_OP_SOFTMAX:
    case UN_OP_MUL:
    case UN_OP_DROPOUT:
    case UN_OP_NORM:
        candidate[0] = n->in[0];
        return n->op != UN_OP_NORM || !p->training;
    case UN_OP_ADD:
        candidate[0] = n->in[0];
        candidate[1] = n->in[1];
        return 2;
    case UN_OP_ACT_GRAD:
        candidate[0] = n->in[1];
        return 1;
    case UN_OP_NORM_GRAD:
        candidate[0] = n->in[3];
        return 1;
    default:
        return 0;
    }
}

static void place_in_place(placer *b, int i)
{
    const un_node *n = &b->g->node[i];
    int candidate[2], count, out;

    count = overwritable(b->p, n, candidate);
    if (!count)
        return;
    out = n->out[0];
    if (b->p->place[out].root != out || is_interface(b->g, out))
        return;
    for (int j = 0; j < count; j++) {
        int v = candidate[j];

        if (is_act(b->g, v) && !is_interface(b->g, v) && un_shape_equal(b->p->shape[v], b->p->shape[out]) &&
            b->p->place[v].root != out && !needed_later(b, v, i)) {
            join(b, out, v, 0);
            return;
        }
    }
}

static void place_views(placer *b)
{
    for (int i = 0; i < b->g->n_nodes; i++) {
        const un_node *n = &b->g->node[i];

        if (b->p->moved[i] && n->op == UN_OP_SLICE)
            continue; /* written by what would make its input */
        if (is_view(b->p, n) && is_act(b->g, n->in[0]) && b->p->place[n->out[0]].root == n->out[0] &&
            !is_interface(b->g, n->out[0])) {
            join(b, n->out[0], n->in[0], view_elements(b, n));
            b->p->moved[i] = 1;
        } else if (!b->keep_all && !b->p->moved[i] && !un_plan_in_chain(b->p, n->out[0])) {
            place_in_place(b, i);
        }
    }
}

static int has_no_parts(const placer *b, int root)
{
    for (int v = 0; v < b->g->n_values; v++)
        if (v != root && b->p->place[v].root == root)
            return 0;
    return 1;
}

/* Values that a chain makes as a whole, over others that are read in it for the last time. */
static void place_over(placer *b, const un_chain *c)
{
    for (int i = c->first; i <= c->last; i++) {
        const int v = un_plan_out(b->p, i);

        if (b->p->moved[i] || un_plan_banded(b->p, v) || is_interface(b->g, v))
            continue;
        for (int x = 0; x < b->g->n_values && b->p->place[v].root == v; x++)
            if (is_act(b->g, x) && !is_interface(b->g, x) && b->g->value[x].producer < c->first &&
                b->p->place[x].root == x && b->span[x].last == c->last && has_no_parts(b, x) &&
                un_shape_equal(b->p->shape[v], b->p->shape[x]) && un_plan_may_replace(b->p, c, i, x))
                join(b, v, x, 0);
    }
}

static int64_t extent_bytes(const un_plan *p, int v)
{
    return un_shape_count(stored(p, v)) * un_type_bytes(p, p->graph->value[v].type);
}

static int has_place(const un_graph *g, int v)
{
    return g->value[v].store != UN_STORE_PARAM && g->value[v].store != UN_STORE_GRAD;
}

static int has_no_memory(const un_plan *p, int v)
{
    int producer = p->graph->value[v].producer;

    return producer != UN_NONE && (p->fused[producer] != UN_NONE || p->apart[producer]);
}

/* Later values go between those that are there. */
static unet_status list_owners(un_plan *p, unet_error *err)
{
    p->owner = un_alloc_array(p->mem, (size_t)UN_MAX(p->graph->n_values, 1), sizeof *p->owner);
    if (!p->owner)
        return un_fail_nomem(err, (size_t)p->graph->n_values * sizeof *p->owner);
    for (int v = 0; v < p->graph->n_values; v++) {
        int at = p->n_owners;

        if (!p->place[v].bytes)
            continue;
        for (; at > 0 && p->place[p->owner[at - 1]].offset > p->place[v].offset; at--)
            p->owner[at] = p->owner[at - 1];
        p->owner[at] = v;
        p->n_owners++;
    }
    return UNET_OK;
}

/* A gradient lies in its block from when it is made; what has none is free until the end. The block fills from its end,
 * as the backward pass goes: what lives early lies in front of that. */
static void add_gradients(const placer *b, un_pack_item *item)
{
    const un_graph *g = b->g;
    const size_t each = (size_t)b->p->real_bytes;

    for (int i = 0; i < g->n_params; i++)
        item[i] = (un_pack_item){.bytes = un_round_up((size_t)g->param[i].count * each, 64),
            .first = b->keep_all ? -1 : g->n_nodes,
            .last = g->n_nodes,
            .offset = g->param[i].offset * (int64_t)each,
            .fixed = 1};
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].store == UN_STORE_GRAD)
            item[g->value[v].param].first = UN_MIN(item[g->value[v].param].first, b->span[v].first);
}

/* Those of values come first, then those of gradients. */
static const un_pack_item *item_of(const un_plan *p, const un_pack_item *item, int v)
{
    const un_graph *g = p->graph;

    return &item[p->gradients && g->value[v].store == UN_STORE_GRAD ? g->n_values + g->value[v].param : v];
}

/* Lives and sizes of the roots -> offsets. */
static unet_status pack(placer *b, unet_error *err)
{
    const un_graph *g = b->g;
    const int count = g->n_values + (b->p->gradients ? g->n_params : 0);
    un_pack_item *item = un_alloc_array(b->p->mem, (size_t)count, sizeof *item);
    unet_status st;

    if (!item)
        return un_fail_nomem(err, (size_t)count * sizeof *item);
    if (b->p->gradients)
        add_gradients(b, item + g->n_values);
    for (int v = 0; v < g->n_values; v++) {
        un_pack_item *it = &item[b->p->place[v].root];

        if (!has_place(g, v) || has_no_memory(b->p, v))
            continue;
        if (!it->bytes) {
            it->bytes = un_round_up((size_t)extent_bytes(b->p, b->p->place[v].root), 64);
            it->first = b->span[v].first;
            it->last = b->span[v].last;
        }
        it->first = b->keep_all ? -1 : UN_MIN(it->first, b->span[v].first);
        it->last = b->keep_all ? g->n_nodes : UN_MAX(it->last, b->span[v].last);
    }
    st = un_plan_pack(item, count, b->p->mem, &b->p->act_bytes, err);
    for (int v = 0; v < g->n_values && !st; v++) {
        un_place *pl = &b->p->place[v];

        const un_pack_item *own = item_of(b->p, item, v), *root = item_of(b->p, item, pl->root);

        pl->offset = root->offset + b->at[v] * un_type_bytes(b->p, g->value[v].type);
        pl->bytes = own->bytes;
        pl->first = own->first;
        pl->last = own->last;
    }
    un_free(item);
    return st ? st : list_owners(b->p, err);
}

static unet_status take_shapes(un_plan *p, const un_shape *inputs, unet_error *err)
{
    const un_graph *g = p->graph;
    unet_status st;
    int at = 0;

    for (int i = 0; i < g->n_inputs; i++)
        p->shape[g->input[i]] = inputs[at++];
    st = un_graph_infer(g, p->shape, err);
    for (int v = 0; v < g->n_values && !st; v++)
        if (is_act(g, v) && un_shape_count(p->shape[v]) > INT64_MAX / 16)
            st = un_fail(err, UNET_E_LIMIT, "value '%s' is too large", g->value[v].name);
    return st;
}

static unet_status place_all(un_plan *p, const un_plan_options *opt, unet_error *err)
{
    placer b = {.p = p, .g = p->graph, .keep_all = opt->keep_all};
    size_t n = (size_t)UN_MAX(p->graph->n_values, 1);
    unet_status st = UNET_OK;

    b.span = un_alloc_array(p->mem, n, sizeof *b.span);
    b.at = un_alloc_array(p->mem, n, sizeof *b.at);
    if (!b.span || !b.at)
        st = un_fail_nomem(err, n * (sizeof *b.span + sizeof *b.at));
    if (!st)
        st = un_plan_spans(p->graph, b.span, err);
    if (!st) {
        fuse(p, b.span);
        if (!b.keep_all)
            find_apart(p, b.span);
        if (!b.keep_all && !p->training)
            st = un_plan_bands(p, b.span, opt, err);
    }
    if (!st) {
        for (int v = 0; v < p->graph->n_values; v++) {
            p->place[v].root = v;
            set_dense(&p->place[v], stored(p, v));
        }
        if (!b.keep_all)
            place_halves(&b);
        place_views(&b);
        for (int i = 0; i < p->n_chains; i++)
            place_over(&b, &p->chain[i]);
        st = pack(&b, err);
    }
    un_free(b.span);
    un_free(b.at);
    return st;
}

unet_status un_plan_create(
    un_plan **out, un_mem *mem, const un_graph *g, const un_shape *inputs, const un_plan_options *opt, unet_error *err)
{
    static const un_plan_options defaults;
    un_plan *p = un_alloc_zero(mem, sizeof *p);
    unet_status st = UNET_OK;

    *out = NULL;
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    opt = opt ? opt : &defaults;
    p->mem = mem;
    p->graph = g;
    p->real_bytes = opt->doubles ? 8 : 4;
    p->training = opt->training;
    p->gradients = opt->gradients;
    p->shape = un_alloc_array(mem, (size_t)UN_MAX(g->n_values, 1), sizeof *p->shape);
    p->place = un_alloc_array(mem, (size_t)UN_MAX(g->n_values, 1), sizeof *p->place);
    p->moved = un_alloc_zero(mem, (size_t)UN_MAX(g->n_nodes, 1));
    p->fused = un_alloc_array(mem, (size_t)UN_MAX(g->n_nodes, 1), sizeof *p->fused);
    p->apart = un_alloc_zero(mem, (size_t)UN_MAX(g->n_nodes, 1));
    if (!p->shape || !p->place || !p->moved || !p->fused || !p->apart)
        st = un_fail_nomem(err, (size_t)g->n_values * (sizeof *p->shape + sizeof *p->place));
    if (!st)
        st = take_shapes(p, inputs, err);
    if (!st)
        st = place_all(p, opt, err);
    if (st) {
        un_plan_destroy(p);
        return st;
    }
    *out = p;
    return UNET_OK;
}

void un_plan_destroy(un_plan *p)
{
    if (!p)
        return;
    un_free(p->shape);
    un_free(p->place);
    un_free(p->moved);
    un_free(p->fused);
    un_free(p->apart);
    un_free(p->rows);
    un_free(p->chain);
    un_free(p->owner);
    un_free(p);
}

void un_plan_explain(un_text *t, const un_plan *p)
{
    const un_graph *g = p->graph;

    un_text_printf(t, "activation block: %.1f MiB\n", (double)p->act_bytes / 1048576.0);
    for (int v = 0; v < g->n_values; v++) {
        const un_place *pl = &p->place[v];
        un_shape s = p->shape[v];

        if (!has_place(g, v))
            continue;
        un_text_printf(
            t, "%12lld  %dx%dx%dx%dx%d  %s", (long long)pl->offset, s.n, s.d, s.h, s.w, s.c, g->value[v].name);
        if (pl->root != v)
            un_text_printf(t, "  (in %s)", g->value[pl->root].name);
        if (g->value[v].producer != UN_NONE && p->apart[g->value[v].producer])
            un_text_add(t, "  (in its parts)");
        if (un_plan_banded(p, v))
            un_text_printf(t, "  (%d rows at a time)", p->rows[v].room);
        un_text_add(t, "\n");
    }
}
