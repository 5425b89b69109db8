/* Concatenations that are never made. */
#ifndef UN_GRAPH_APART_H
#define UN_GRAPH_APART_H

#include "ir/graph.h"

/* Whether the node is a concatenation whose readers can read its two parts instead: 3x3 convolutions that have to look
 * at the edges anyway, and their weight gradients. shape: of its inputs at least. */
int un_is_apart(const un_graph *g, const un_shape *shape, int node);

#endif
