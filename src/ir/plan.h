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
    size_t bytes;    /* of a value that owns memory; else 0 */
    int first, last; /* nodes during which that is in use   */
} un_place;

/* Nodes first..last, which run band by band: in each band each of them makes some more rows (along h) of its output. */
enum { UN_BANDS = 22 };
typedef struct un_chain {
    int first, last, bands;
} un_chain;

/* Rows of a value that a node of a chain makes. Band k makes rows end[k]..end[k + 1]. Where only nodes of the chain
 * read it, `room` rows of it are there at a time: first from[k], then those up to top[k + 1] that it and the values
 * inside of it have; those of before that stay, from[k]..top[k], are moved to the front when the band begins. */
typedef struct un_rows {
    int room; /* 0: all of it is there */
    int from[UN_BANDS], end[UN_BANDS + 1], top[UN_BANDS + 1];
} un_rows;

typedef struct un_plan {
    un_mem *mem;
    const un_graph *graph; /* borrowed: must outlive the plan */
    un_shape *shape;       /* [n_values] */
    un_place *place;       /* [n_values] */
    char *moved;   /* [n_nodes] 1: nothing to run: done by where its values lie, or by the node it is fused into */
    int *fused;    /* [n_nodes] for a convolution: the norm or activation that it does too, straight into that
                      node's output (its own output has no memory then); else UN_NONE */
    char *apart;   /* [n_nodes] 1: a concatenation that is never made (and moved): its readers read its two parts; or a
                      data gradient that is never made: its kernel writes the two slices of it (which are moved) */
    un_rows *rows; /* [n_values]; NULL: there are no chains */
    un_chain *chain; /* in order */
    int *owner;      /* the values that own memory, by offset */
    int n_chains, n_owners;
    int real_bytes;   /* 4 or 8 */
    int training;     /* dropout drops */
    int gradients;    /* 1: the gradient block is the front of the activation block. A gradient is there from when it is
                         made; before, other values are. What has no gradient holds anything */
    size_t act_bytes; /* the activation block, 64-byte multiple */
} un_plan;

static inline int un_type_bytes(const un_plan *p, un_type t)
{
    return t == UN_TYPE_REAL ? p->real_bytes : 4;
}

#endif
