/* Trading time for memory in training: values inside a block are dropped after the forward pass and made again, bit for
 * bit, when the backward pass needs them (Chen et al., "Training deep nets with sublinear memory cost", 2016). */
#ifndef UN_GRAPH_RECOMPUTE_H
#define UN_GRAPH_RECOMPUTE_H

#include "ir/graph.h"

/* Forward nodes first .. end-1 that follow each other. */
typedef struct un_block_range {
    int first, end;
} un_block_range;

/* g: after un_autodiff; its first n_forward nodes are the forward part, losses included. For each block, what only its
 * own forward nodes and the backward pass read is computed again by copies of the block's nodes, put before the first
 * backward node that needs one of them. Copies never update running statistics. Blocks do not overlap. */
UN_NODISCARD unet_status un_recompute(
    un_graph *g, int n_forward, const un_block_range *block, int n_blocks, unet_error *err);

/* What norms made is not kept for the backward pass but made again from their input, which their gradient reads anyway,
 * and the statistics (in this way Rota Bulo et al., "In-place activated BatchNorm", 2018, save it too). Not where a
 * concatenation that is made keeps it; one that is read in its parts (apart.h) gets those made again, the results of
 * transposed convolutions on the largest levels among them. A first convolution whose result such a norm reads is
 * done again with it. Data gradients of layers with large weights go before the gradients of these. shape: of the
 * forward values. After un_recompute, where there are blocks. */
UN_NODISCARD unet_status un_recompute_norms(un_graph *g, int n_forward, const un_shape *shape, unet_error *err);

/* Maximal runs of forward nodes whose names begin with the same word up to the first point and `prefix` ("enc", "dec"):
 * the blocks of a U-Net. Returns how many; at most `cap` are written. */
int un_find_blocks(const un_graph *g, int n_forward, const char *prefix, un_block_range *block, int cap);

#endif
