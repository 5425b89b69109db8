/* Reverse-mode differentiation on the graph. */
#ifndef UN_GRAPH_AUTODIFF_H
#define UN_GRAPH_AUTODIFF_H

#include "ir/graph.h"

/* Appends to g (a forward graph with at least one loss node) the nodes that compute the gradient of the sum of all
 * losses by every trainable parameter into its UN_STORE_GRAD value. Parameters that no loss depends on get no gradient.
 * Activations must not be fused into convolutions yet. */
UN_NODISCARD unet_status un_autodiff(un_graph *g, unet_error *err);

#endif
