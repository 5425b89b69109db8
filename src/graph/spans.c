/* Life spans of values and the packing of blocks with life spans. */
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "graph/planner.h"

unet_status un_plan_spans(const un_graph *g, un_span *span, unet_error *err)
{
    (void)err;
    for (int v = 0; v < g->n_values; v++) {
        int first = g->value[v].producer == UN_NONE ? -1 : g->value[v].producer;

        span[v] = (un_span){first, g->value[v].store == UN_STORE_CONST ? g->n_nodes : first};
    }
    for (int i = 0; i < g->n_nodes; i++) {
        const un_node *n = &g->node[i];
        unsigned like = un_op_describe(n->op)->rules->like_mask;

        for (int j = 0; j < n->n_in; j++)
            if (n->in[j] != UN_NONE && !(like >> j & 1u) && span[n->in[j]].last < i)
                span[n->in[j]].last = i;
    }
    for (int i = 0; i < g->n_outputs; i++)
        span[g->output[i]].last = g->n_nodes;
    return UNET_OK;
}

/* ---- packing ---- */

/* Orders in which blocks are placed: what comes first lies lowest. Equal ones in the order they came. */
static int compare(double x, double y, const un_pack_item *a, const un_pack_item *b)
{
    return x != y ? (x < y ? 1 : -1) : (a > b) - (a < b);
}

static int by_size(const void *a, const void *b)
{
    const un_pack_item *x = *(const un_pack_item *const *)a, *y = *(const un_pack_item *const *)b;

    return compare((double)x->bytes, (double)y->bytes, x, y);
}

static int life(const un_pack_item *it)
{
    return it->last - it->first + 1;
}

static int by_area(const void *a, const void *b)
{
    const un_pack_item *x = *(const un_pack_item *const *)a, *y = *(const un_pack_item *const *)b;

    return compare((double)x->bytes * life(x), (double)y->bytes * life(y), x, y);
}

static int by_life(const void *a, const void *b)
{
    const un_pack_item *x = *(const un_pack_item *const *)a, *y = *(const un_pack_item *const *)b;

    return life(x) != life(y) ? compare(life(x), life(y), x, y) : by_size(a, b);
}

static int by_start(const void *a, const void *b)
{
    const un_pack_item *x = *(const un_pack_item *const *)a, *y = *(const un_pack_item *const *)b;

    return x->first != y->first ? compare(-x->first, -y->first, x, y) : by_size(a, b);
}

static int meet(const un_pack_item *a, const un_pack_item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int64_t end_of(const un_pack_item *it)
{
    return it->offset + (int64_t)it->bytes;
}

/* The tightest gap among the placed items, sorted by offset, that live at the same time. */
static int64_t best_gap(un_pack_item *const *placed, int n, const un_pack_item *it)
{
    int64_t at = 0, best = -1, best_room = INT64_MAX;

    for (int i = 0; i < n; i++) {
        const int64_t room = placed[i]->offset - at;

        if (!meet(placed[i], it))
            continue;
        if (room >= (int64_t)it->bytes && room < best_room) {
            best = at;
            best_room = room;
        }
        at = UN_MAX(at, end_of(placed[i]));
    }
    return best >= 0 ? best : at;
}

typedef struct packing {
    un_pack_item **all;    /* [n] fixed ones first, by offset */
    un_pack_item **order;  /* [n - n_fixed] the others, as they are placed */
    un_pack_item **placed; /* [n] by offset */
    int64_t *best;         /* [n] offsets of items in `all` */
    int n, n_fixed;
    int64_t enough, total; /* what ends the search; the best so far */
} packing;

/* Places all in order; keeps the offsets when they are the best so far. */
static void place_in_order(packing *p)
{
    int64_t end = 0;

    memcpy(p->placed, p->all, (size_t)p->n_fixed * sizeof *p->placed);
    for (int i = 0; i < p->n_fixed; i++)
        end = UN_MAX(end, end_of(p->all[i]));
    for (int i = p->n_fixed; i < p->n; i++) {
        un_pack_item *it = p->order[i - p->n_fixed];
        int at = i;

        it->offset = best_gap(p->placed, i, it);
        end = UN_MAX(end, end_of(it));
        for (; at > 0 && p->placed[at - 1]->offset > it->offset; at--)
            p->placed[at] = p->placed[at - 1];
        p->placed[at] = it;
    }
    if (end >= p->total)
        return;
    p->total = end;
    for (int i = 0; i < p->n; i++)
        p->best[i] = p->all[i]->offset;
}

/* The item that reached highest is placed first of all the next time. */
static void highest_first(packing *p)
{
    int top = 0;
    un_pack_item *it;

    for (int i = 1; i < p->n - p->n_fixed; i++)
        if (end_of(p->order[i]) > end_of(p->order[top]))
            top = i;
    it = p->order[top];
    memmove(p->order + 1, p->order, (size_t)top * sizeof *p->order);
    p->order[0] = it;
}

/* The most that lives at one time: some item begins then. */
static int64_t most_alive(const packing *p)
{
    int64_t most = 0;

    for (int i = 0; i < p->n; i++) {
        int64_t alive = 0;

        for (int j = 0; j < p->n; j++)
            if (p->all[j]->first <= p->all[i]->first && p->all[j]->last >= p->all[i]->first)
                alive += (int64_t)p->all[j]->bytes;
        most = UN_MAX(most, alive);
    }
    return most;
}

/* Largest first leaves whole gaps, in which kernels find room to work, and is kept where it is near the least possible.
 */
static void search(packing *p)
{
    enum { TRIES = 32 };
    static int (*const orders[])(const void *, const void *) = {by_size, by_area, by_life, by_start};
    const size_t n = (size_t)(p->n - p->n_fixed);

    for (size_t o = 0; o < UN_COUNT(orders) && p->total > p->enough; o++) {
        memcpy(p->order, p->all + p->n_fixed, n * sizeof *p->order);
        qsort(p->order, n, sizeof *p->order, orders[o]);
        for (int i = 0; i < TRIES && p->total > p->enough; i++) {
            place_in_order(p);
            highest_first(p);
        }
    }
}

static int by_offset(const void *a, const void *b)
{
    const un_pack_item *x = *(const un_pack_item *const *)a, *y = *(const un_pack_item *const *)b;

    return compare(-(double)x->offset, -(double)y->offset, x, y);
}

/* Those that take room. */
static void list_items(packing *p, un_pack_item *item, int count)
{
    for (int fixed = 1; fixed >= 0; fixed--) {
        for (int i = 0; i < count; i++)
            if (item[i].bytes && !item[i].fixed == !fixed)
                p->all[p->n++] = &item[i];
        if (fixed)
            p->n_fixed = p->n;
    }
    qsort(p->all, (size_t)p->n_fixed, sizeof *p->all, by_offset);
}

unet_status un_plan_pack(un_pack_item *item, int count, un_mem *mem, size_t *total, unet_error *err)
{
    un_pack_item **room = un_alloc_array(mem, 3 * (size_t)count + 1, sizeof *room);
    packing p = {.all = room, .total = INT64_MAX};
    unet_status st = UNET_OK;

    p.best = un_alloc_array(mem, (size_t)count + 1, sizeof *p.best);
    if (!room || !p.best) {
        st = un_fail_nomem(err, 3 * (size_t)count * sizeof *room);
    } else {
        p.order = room + count;
        p.placed = room + 2 * (ptrdiff_t)count;
        list_items(&p, item, count);
    }
    for (int i = 0; i < count && !st; i++)
        item[i].offset = item[i].fixed ? item[i].offset : 0;
    if (p.n) {
        p.enough = most_alive(&p) / 50 * 51;
        search(&p);
    }
    for (int i = 0; i < p.n; i++)
        p.all[i]->offset = p.best[i];
    *total = p.n ? (size_t)p.total : 0;
    un_free(room);
    un_free(p.best);
    return st;
}
