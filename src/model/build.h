/* The U-Net family: configuration -> forward graph, initial weights, and what can be said of them before a run. */
#ifndef UN_MODEL_BUILD_H
#define UN_MODEL_BUILD_H

#include "base/text.h"
#include "config/config.h"
#include "ir/graph.h"

/* The inference form of the network: input "image" [n][d][h][w][in_channels]; outputs "logits" and "probabilities" with
 * un_model_channels channels, then those of deep supervision, which only training reads. Batch norms read their running
 * values; un_model_set_training turns that. Fails when a key that shapes the network is still auto. Parameter names
 * read like a PyTorch module tree. */
UN_NODISCARD unet_status un_model_build(un_graph **out, un_mem *mem, const un_cfg_model *m, unet_error *err);

/* What of the network g runs at inference: without the outputs that only training reads, and of a nested decoder only
 * predict.columns columns. Outputs "logits" and "probabilities"; weights and value numbers are those of g. */
UN_NODISCARD unet_status un_model_inference(
    un_graph **out, un_mem *mem, const un_graph *g, const un_config *c, unet_error *err);

/* training 1: batch norms take statistics of the batch and update the running values; 0: the inference form. */
void un_model_set_training(un_graph *g, int training);

/* Channels of the output: classes, or 1 for a sigmoid head. */
int un_model_channels(const un_cfg_model *m);
/* Further outputs of deep supervision that the network has room for; later weights are not used. */
int un_model_sides(const un_cfg_model *m);
int un_model_filters(const un_cfg_model *m, int level);
/* Channels that the way down hands to level `level`: those of the encoder, else un_model_filters. */
int un_model_encoded(const un_cfg_model *m, int level);

/* Extents that "same" padding needs are multiples of this (d, h, w): the product of the strides. */
void un_model_grid(const un_cfg_model *m, int grid[3]);
/* Pixels of the picture along each axis of a pixel of the level. */
void un_model_level_grid(const un_cfg_model *m, int level, int grid[3]);

/* Initial weights of all parameters into a block of g->block_count floats (gaps are zeroed). A parameter's values
 * depend on seed and its index only. Orthogonal needs scratch memory. */
UN_NODISCARD unet_status un_model_init(
    const un_graph *g, const un_cfg_model *m, uint64_t seed, float *block, un_mem *mem, unet_error *err);

/* What one output pixel can see, over all positions on the grid: pixels before and after it on each axis (d, h, w).
 * Norms that look at the whole patch are not counted. */
typedef struct un_reach {
    int before[3], after[3];
    int whole_patch; /* 1: instance or group norm: no finite reach in truth */
} un_reach;
UN_NODISCARD unet_status un_model_reach(const un_graph *g, const int grid[3], un_reach *out, unet_error *err);

typedef struct un_cost {
    int64_t params, trainable; /* elements                          */
    double macs;               /* multiply-adds of one forward run  */
    int64_t activation_bytes;  /* sum over all activations, float32 */
} un_cost;
UN_NODISCARD unet_status un_model_cost(const un_graph *g, un_shape input, un_cost *out, unet_error *err);

/* The answer of `unet describe`: a table of layers with shapes, parameters and multiply-adds, totals, and the U as
 * text. */
UN_NODISCARD unet_status un_model_describe(
    un_text *t, const un_graph *g, const un_cfg_model *m, un_shape input, unet_error *err);
/* The U as one SVG picture. */
void un_model_drawing(un_text *t, const un_cfg_model *m, un_shape input);

#endif
