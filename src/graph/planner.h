/* The planner: from a graph and the extents of its inputs to a plan. Pure arithmetic. */
#ifndef UN_GRAPH_PLANNER_H
#define UN_GRAPH_PLANNER_H

#include "base/text.h"
#include "ir/plan.h"

typedef struct un_plan_options {
    int doubles;         /* 1: activations are double (gradient checks) */
    int training;        /* 1: dropout drops, nothing is overwritten that a gradient needs */
    int keep_all;        /* 1: no value shares memory with another, none is cut into bands: tests and debugging */
    int64_t least_saved; /* bytes that nodes run in bands must save at least; 0: a default */
    int gradients;       /* 1: the gradient block lies among the activations (un_plan.gradients) */
    int low;             /* 1: bands of fewer rows: less memory, some more time */
} un_plan_options;

/* inputs: one shape for each graph input and constant in the order of g->input. Finds views (slices, crops, halves of a
 * concatenation), values that may be overwritten in place, and packs the rest. */
UN_NODISCARD unet_status un_plan_create(
    un_plan **out, un_mem *mem, const un_graph *g, const un_shape *inputs, const un_plan_options *opt, unet_error *err);
void un_plan_destroy(un_plan *p); /* NULL is fine */

/* The first node that runs when a value must exist and the last one that reads it; inputs: -1; outputs: n_nodes. */
typedef struct un_span {
    int first, last;
} un_span;
UN_NODISCARD unet_status un_plan_spans(const un_graph *g, un_span *span, unet_error *err);

/* Packs blocks with life spans into one block: largest first into the tightest gap that is free for the whole life.
 * Offsets are filled in, but for fixed ones, which stay where they are. bytes are multiples of 64. */
typedef struct un_pack_item {
    size_t bytes;
    int first, last;
    int64_t offset;
    int fixed;
} un_pack_item;
UN_NODISCARD unet_status un_plan_pack(un_pack_item *item, int count, un_mem *mem, size_t *total, unet_error *err);

/* The plan as text: each block with its life, and what stands at the peak. */
void un_plan_explain(un_text *t, const un_plan *p);

#endif
