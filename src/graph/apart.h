/* Concatenations that are never made, and gradients of such. */
#ifndef UN_GRAPH_APART_H
#define UN_GRAPH_APART_H

#include "ir/graph.h"

/* Whether the node is a concatenation whose readers can read its two parts instead: 3x3 convolutions that have to look
 * at the edges anyway, and their weight gradients. shape: of its inputs at least. */
int un_is_apart(const un_graph *g, const un_shape *shape, int node);

/* Whether the node is the data gradient of such a convolution whose output is taken apart into two slices, and into
 * nothing else: it writes these two then, slice[0] and slice[1], nodes. One part may then go before the other. shape:
 * of its output and the slices. */
int un_is_gradient_apart(const un_graph *g, const un_shape *shape, int node, int slice[2]);

#endif
