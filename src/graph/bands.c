/* Which nodes run band by band of rows, so that what lies between them is never there as a whole. Pure arithmetic, as
 * all of the planner; ir/plan.h says what the result means.
 *
 * A chain is a run of neighbouring nodes of one resolution: from a node that raises it, or after one that lowers it, to
 * the next of these. The values that only nodes of the chain read are kept in bands. Each band asks the last nodes for
 * some more rows, these ask those before them, and so on. Rows are made in multiples of ALIGN, the least one that all
 * tiles of the convolution kernels divide: then every tile lies as it does in the whole picture, and so do its bits. */
#include "graph/bands.h"

#include <string.h>

#include "base/size.h"

enum {
    ALIGN = 12,            /* rows: of tiles of 4 and of 6                                */
    HIGH = 40,             /* rows of a band, about, where UN_BANDS are enough            */
    LOW = 2 * ALIGN,       /* where they are to be low                                    */
    LEAST_SAVED = 2 << 20, /* bytes of activations, below which a chain runs in one piece */
};

typedef struct finder {
    un_plan *p;
    const un_graph *g;
    un_span *span;
    int *want; /* [n_values] rows that the present band needs */
    int64_t least_saved;
    int rows; /* of a band */
} finder;

int un_plan_out(const un_plan *p, int node)
{
    const int last = p->fused[node] == UN_NONE ? node : p->fused[node];

    return p->graph->node[last].out[0];
}

int un_plan_banded(const un_plan *p, int v)
{
    return p->rows && p->rows[v].room > 0;
}

/* Each output pixel comes from one pixel of the input, and each input pixel goes to a block of its own. */
static int is_spread(const un_plan *p, const un_node *n)
{
    const un_conv_attr *a = &n->attr.conv;
    const un_shape x = p->shape[n->in[0]], y = p->shape[n->out[0]];
    const int in[3] = {x.d, x.h, x.w}, out[3] = {y.d, y.h, y.w};

    for (int i = 0; i < 3; i++)
        if (a->k[i] != a->stride[i] || a->pad[i] || out[i] != in[i] * a->k[i])
            return 0;
    return 1;
}

static int may_band(const un_plan *p, int i)
{
    const un_node *n = &p->graph->node[i];

    switch (n->op) {
    case UN_OP_CONV:
    case UN_OP_MAX_POOL:
    case UN_OP_AVG_POOL:
    case UN_OP_ACT:
    case UN_OP_SOFTMAX:
    case UN_OP_ADD:
    case UN_OP_CONCAT:
        return 1;
    case UN_OP_CONV_TRANSPOSE:
        return is_spread(p, n);
    case UN_OP_NORM:
        return n->attr.norm.use_running;
    default:
        return 0;
    }
}

/* The concatenation that makes v, where it is read in its parts; else NULL. */
static const un_node *apart(const un_plan *p, int v)
{
    const int maker = p->graph->value[v].producer;

    return maker != UN_NONE && p->apart[maker] ? &p->graph->node[maker] : NULL;
}

static int is_pool(const un_node *n)
{
    return n->op == UN_OP_MAX_POOL || n->op == UN_OP_AVG_POOL;
}

/* Rows lo..hi-1 of an input of h rows are what the node needs to make rows a..b-1. */
static void reads(const un_node *n, int h, int a, int b, int *lo, int *hi)
{
    *lo = a;
    *hi = b;
    if (n->op == UN_OP_CONV) {
        *lo = a * n->attr.conv.stride[1] - n->attr.conv.pad[1];
        *hi = (b - 1) * n->attr.conv.stride[1] - n->attr.conv.pad[1] +
              (n->attr.conv.k[1] - 1) * n->attr.conv.dilation[1] + 1;
    } else if (n->op == UN_OP_CONV_TRANSPOSE) {
        *lo = a / n->attr.conv.k[1];
        *hi = (int)un_ceil_div(b, n->attr.conv.k[1]);
    } else if (is_pool(n)) {
        *lo = a * n->attr.pool.stride[1];
        *hi = (b - 1) * n->attr.pool.stride[1] + n->attr.pool.k[1];
    }
    *lo = UN_MIN(UN_MAX(*lo, 0), h);
    *hi = b > 0 ? UN_MIN(UN_MAX(*hi, 0), h) : 0;
}

static int step_of(const un_node *n)
{
    if (n->op == UN_OP_CONV_TRANSPOSE)
        return n->attr.conv.k[1];
    return n->op == UN_OP_CONV && n->attr.conv.k[1] > 1 ? ALIGN : 1;
}

static int is_act(const un_graph *g, int v)
{
    return v != UN_NONE && g->value[v].store == UN_STORE_ACT;
}

/* Whether only nodes of the chain read what node i makes. */
static int is_inner(const finder *f, const un_chain *c, int i)
{
    const int last = f->span[un_plan_out(f->p, i)].last;

    return last > i && last <= c->last;
}

/* How far each value of the chain has come after band k. */
static void set_ends(finder *f, const un_chain *c, int k)
{
    un_plan *p = f->p;

    for (int i = c->first; i <= c->last; i++)
        f->want[un_plan_out(p, i)] = 0;
    for (int i = c->last; i >= c->first; i--) {
        const un_node *n = &f->g->node[i];
        const int v = un_plan_out(p, i), h = p->shape[v].h;
        un_rows *r = &p->rows[v];
        int64_t end = UN_MAX(f->want[v], r->end[k]);

        if (p->moved[i])
            continue;
        if (!is_inner(f, c, i))
            end = UN_MAX(end, un_ceil_div((int64_t)h * (k + 1), c->bands * (int64_t)ALIGN) * ALIGN);
        end = un_ceil_div(end, step_of(n)) * step_of(n);
        r->end[k + 1] = r->top[k + 1] = (int)UN_MIN(end, h);
        for (int j = 0; j < n->n_in; j++) {
            int lo, hi;

            if (!is_act(f->g, n->in[j]))
                continue;
            reads(n, p->shape[n->in[j]].h, 0, r->end[k + 1], &lo, &hi);
            f->want[n->in[j]] = UN_MAX(f->want[n->in[j]], hi);
        }
    }
}

static void need_from(const finder *f, int v, int k, int row)
{
    un_rows *r = &f->p->rows[v];
    const un_node *whole = apart(f->p, v);

    r->from[k] = UN_MIN(r->from[k], row);
    for (int j = 0; whole && j < whole->n_in; j++)
        need_from(f, whole->in[j], k, row);
}

/* The first rows that band k and those after it read. */
static void set_from(const finder *f, const un_chain *c, int k)
{
    un_plan *p = f->p;

    for (int i = c->first; i <= c->last; i++) {
        un_rows *r = &p->rows[un_plan_out(p, i)];

        r->from[k] = r->end[k];
    }
    for (int i = c->first; i <= c->last; i++) {
        const un_node *n = &f->g->node[i];
        const int v = un_plan_out(p, i), done = p->rows[v].end[k];

        for (int j = 0; j < n->n_in && !p->moved[i] && done < p->shape[v].h; j++) {
            const int x = n->in[j];
            int lo, hi;

            if (!is_act(f->g, x))
                continue;
            reads(n, p->shape[x].h, done, done + 1, &lo, &hi);
            need_from(f, x, k, lo);
        }
    }
}

/* The room of each inner value; 0 where rows that stay would have to be moved onto themselves. A concatenation has room
 * for all of its parts. */
static int set_room(const finder *f, const un_chain *c)
{
    un_plan *p = f->p;

    for (int i = c->first; i <= c->last; i++) {
        const un_node *n = &f->g->node[i];
        un_rows *r = &p->rows[un_plan_out(p, i)];

        if (p->apart[i])
            continue;
        for (int j = 0; j < n->n_in && n->op == UN_OP_CONCAT; j++)
            for (int k = 0; k <= c->bands && f->g->value[n->in[j]].producer >= c->first; k++)
                r->top[k] = UN_MAX(r->top[k], p->rows[n->in[j]].top[k]);
        for (int k = 0; k < c->bands && !p->moved[i] && is_inner(f, c, i); k++) {
            const int moves = k ? r->from[k] - r->from[k - 1] : 0;

            if (moves && r->top[k] - r->from[k] > moves)
                return 0;
            r->room = UN_MAX(r->room, r->top[k + 1] - r->from[k]);
        }
    }
    return 1;
}

static int64_t row_bytes(const un_plan *p, int v)
{
    const un_shape s = p->shape[v];

    return (int64_t)s.n * s.d * s.w * s.c * un_type_bytes(p, p->graph->value[v].type);
}

static void clear(const finder *f, const un_chain *c)
{
    for (int i = c->first; i <= c->last; i++)
        memset(&f->p->rows[un_plan_out(f->p, i)], 0, sizeof *f->p->rows);
}

/* What a concatenation in bands costs: a part that is there as a whole would else be made inside of it. */
static int64_t part_bytes(const finder *f, const un_node *n)
{
    int64_t sum = 0;

    for (int j = 0; j < n->n_in && n->op == UN_OP_CONCAT; j++)
        if (!un_plan_banded(f->p, n->in[j]))
            sum += f->p->shape[n->in[j]].h * row_bytes(f->p, n->in[j]);
    return sum;
}

/* Bytes that the chain saves when it is cut into c->bands; below 0: none, or it cannot be cut so. */
static int64_t try_bands(finder *f, const un_chain *c)
{
    int64_t saved = 0;

    clear(f, c);
    for (int k = 0; k < c->bands; k++)
        set_ends(f, c, k);
    for (int k = 0; k < c->bands; k++)
        set_from(f, c, k);
    if (!set_room(f, c))
        return -1;
    for (int i = c->first; i <= c->last; i++) {
        const int v = un_plan_out(f->p, i);

        if (!f->p->moved[i] && un_plan_banded(f->p, v))
            saved += (f->p->shape[v].h - f->p->rows[v].room) * row_bytes(f->p, v) - part_bytes(f, &f->g->node[i]);
    }
    return saved;
}

/* All that the chain reads or writes must be there while it runs. */
static void extend_spans(const finder *f, const un_chain *c)
{
    for (int i = c->first; i <= c->last; i++) {
        const un_node *n = &f->g->node[i];
        un_span *s = &f->span[un_plan_out(f->p, i)];

        s->first = UN_MIN(s->first, c->first);
        s->last = UN_MAX(s->last, c->last);
        for (int j = 0; j < n->n_in; j++)
            if (is_act(f->g, n->in[j]))
                f->span[n->in[j]].last = UN_MAX(f->span[n->in[j]].last, c->last);
    }
}

static void close_chain(finder *f, int first, int last)
{
    un_chain c = {.first = first, .last = last};
    int h = 0;

    for (int i = first; i <= last; i++)
        h = UN_MAX(h, f->p->shape[un_plan_out(f->p, i)].h);
    for (c.bands = (int)UN_MIN(un_ceil_div(h, f->rows), UN_BANDS); c.bands > 1; c.bands--) {
        if (try_bands(f, &c) < f->least_saved)
            continue;
        extend_spans(f, &c);
        f->p->chain[f->p->n_chains++] = c;
        return;
    }
    clear(f, &c);
}

static void find_chains(finder *f)
{
    int first = 0;

    for (int i = 0; i < f->g->n_nodes; i++) {
        const un_node *n = &f->g->node[i];
        const int may = f->p->moved[i] || may_band(f->p, i);

        if (!may || n->op == UN_OP_CONV_TRANSPOSE) {
            if (first < i)
                close_chain(f, first, i - 1);
            first = may ? i : i + 1;
        } else if (is_pool(n)) {
            close_chain(f, first, i);
            first = i + 1;
        }
    }
    if (first < f->g->n_nodes)
        close_chain(f, first, f->g->n_nodes - 1);
}

unet_status un_plan_bands(un_plan *p, un_span *span, const un_plan_options *opt, unet_error *err)
{
    finder f = {.p = p,
        .g = p->graph,
        .span = span,
        .least_saved = opt->least_saved ? opt->least_saved : LEAST_SAVED,
        .rows = opt->low ? LOW : HIGH};
    const size_t values = (size_t)UN_MAX(f.g->n_values, 1), nodes = (size_t)UN_MAX(f.g->n_nodes, 1);

    p->rows = un_alloc_array(p->mem, values, sizeof *p->rows);
    p->chain = un_alloc_array(p->mem, nodes, sizeof *p->chain);
    f.want = un_alloc_array(p->mem, values, sizeof *f.want);
    if (!p->rows || !p->chain || !f.want) {
        un_free(f.want);
        return un_fail_nomem(err, values * sizeof *p->rows + nodes * sizeof *p->chain);
    }
    find_chains(&f);
    un_free(f.want);
    return UNET_OK;
}

int un_plan_in_chain(const un_plan *p, int v)
{
    return p->rows && p->rows[v].end[1] > 0;
}

int un_plan_may_join(const un_plan *p, int part, int whole)
{
    if (un_plan_banded(p, part) != un_plan_banded(p, whole))
        return 0;
    for (int k = 0; k < UN_BANDS && un_plan_banded(p, part); k++)
        if (p->rows[part].from[k] < p->rows[whole].from[k])
            return 0;
    return 1;
}

/* Whether input j of the node is x, or a concatenation that is read in its parts and has x. */
static int reads_value(const un_plan *p, const un_node *n, int j, int x)
{
    const un_node *whole = is_act(p->graph, n->in[j]) ? apart(p, n->in[j]) : NULL;

    if (!whole)
        return n->in[j] == x;
    return whole->in[0] == x || whole->in[1] == x;
}

int un_plan_may_replace(const un_plan *p, const un_chain *c, int i, int x)
{
    const un_rows *made = &p->rows[un_plan_out(p, i)];

    for (int reader = c->first; reader <= c->last; reader++) {
        const un_node *n = &p->graph->node[reader];
        const int v = un_plan_out(p, reader);

        for (int j = 0; j < n->n_in && !p->apart[reader]; j++)
            for (int k = 0; k < c->bands && reads_value(p, n, j, x); k++) {
                int lo, hi;

                reads(n, p->shape[x].h, p->rows[v].end[k], p->shape[v].h, &lo, &hi);
                if (reader >= i || (lo < hi && p->rows[v].end[k] < p->shape[v].h && lo < made->end[k]))
                    return 0;
            }
    }
    return 1;
}
