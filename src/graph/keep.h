/* Leaves out of a graph what its outputs do not need. */
#ifndef UN_GRAPH_KEEP_H
#define UN_GRAPH_KEEP_H

#include "ir/graph.h"

/* A copy of g with these outputs and only the nodes they depend on. Values and parameters keep their numbers and the
 * block its layout, so that the weights of g fit; values without a node left are never read. */
UN_NODISCARD unet_status un_graph_keep(
    un_graph **out, un_mem *mem, const un_graph *g, const int *outputs, int n_outputs, unet_error *err);

#endif
