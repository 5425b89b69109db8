/* Trading time for memory at inference: what the first level of a network makes and what is read once more after all
 * deeper levels, its skip connection, is made again there, bit for bit, instead of being kept. */
#ifndef UN_GRAPH_REPEAT_H
#define UN_GRAPH_REPEAT_H

#include "ir/graph.h"

/* A copy of g, a graph in inference form, in which the nodes that read both the first level and others read copies of
 * it, put before the first of them. The first level: nodes that need nothing but the graph's inputs, pixel for pixel
 * and row by row. Values and parameters keep their numbers. *out is NULL where there is nothing to repeat. */
UN_NODISCARD unet_status un_graph_repeat(un_graph **out, un_mem *mem, const un_graph *g, unet_error *err);

#endif
