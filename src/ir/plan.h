/* A plan: a graph at given extents with a place in memory for each value. Made by graph/planner.h, carried out by a
 * backend. Depends on nothing but the graph, the extents and the options, so it is the same on every machine. */
#ifndef UN_IR_PLAN_H
#define UN_IR_PLAN_H

#include "ir/graph.h"

/* Where the elements of a value are. Element (n, d, h, w, c) lies at byte offset + real_bytes * (n*sn + ... + w*sw + c)
 * of the block that the value's store names; parameters and gradients are dense at their param's offset. */
typedef struct un_place {
    int root;       /* the value that owns the memory; itself when it is no alias */
    int64_t offset; /* bytes from the start of the activation block              */
    int64_t sn, sd, sh, sw;
} un_place;

typedef struct un_plan {
    un_mem *mem;
    const un_graph *graph; /* borrowed: must outlive the plan */
    un_shape *shape;       /* [n_values] */
    un_place *place;       /* [n_values] */
    char *moved; /* [n_nodes] 1: nothing to run: done by where its values lie, or by the node it is fused into */
    int *fused;            /* [n_nodes] for a convolution: the norm or activation that it does too, straight into that
                              node's output (its own output has no memory then); else UN_NONE */
    int real_bytes;        /* 4 or 8 */
    int training;          /* dropout drops */
    size_t act_bytes;      /* the activation block, 64-byte multiple */
} un_plan;

static inline int un_type_bytes(const un_plan *p, un_type t)
{
    return t == UN_TYPE_REAL ? p->real_bytes : 4;
}

#endif
