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

/* Larger first; equal ones in the order they came. */
static int by_size(const void *a, const void *b)
{
    const un_pack_item *x = *(const un_pack_item *const *)a, *y = *(const un_pack_item *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x > y) - (x < y);
}

static int by_offset(const void *a, const void *b)
{
    const un_pack_item *x = *(const un_pack_item *const *)a, *y = *(const un_pack_item *const *)b;

    if (x->offset != y->offset)
        return x->offset > y->offset ? 1 : -1;
    return (x > y) - (x < y);
}

/* The tightest gap among the placed items that live at the same time; neighbours is room for `placed` pointers. */
static int64_t best_gap(un_pack_item *const *done, int placed, const un_pack_item *it, un_pack_item **neighbours)
{
    int n = 0;
    int64_t at = 0, best = -1, best_room = INT64_MAX;

    for (int i = 0; i < placed; i++)
        if (done[i]->first <= it->last && it->first <= done[i]->last)
            neighbours[n++] = done[i];
    qsort(neighbours, (size_t)n, sizeof *neighbours, by_offset);
    for (int i = 0; i < n; i++) {
        int64_t room = neighbours[i]->offset - at;

        if (room >= (int64_t)it->bytes && room < best_room) {
            best = at;
            best_room = room;
        }
        at = UN_MAX(at, neighbours[i]->offset + (int64_t)neighbours[i]->bytes);
    }
    return best >= 0 ? best : at;
}

unet_status un_plan_pack(un_pack_item *item, int count, un_mem *mem, size_t *total, unet_error *err)
{
    un_pack_item **order = un_alloc_array(mem, 2 * (size_t)count + 1, sizeof *order);
    int64_t end = 0;

    if (!order)
        return un_fail_nomem(err, 2 * (size_t)count * sizeof *order);
    for (int i = 0; i < count; i++)
        order[i] = &item[i];
    qsort(order, (size_t)count, sizeof *order, by_size);
    for (int i = 0; i < count; i++) {
        order[i]->offset = order[i]->bytes ? best_gap(order, i, order[i], order + count) : 0;
        end = UN_MAX(end, order[i]->offset + (int64_t)order[i]->bytes);
    }
    *total = (size_t)end;
    un_free(order);
    return UNET_OK;
}
