/* The parts a network is built from; internal to src/model. Functions append nodes and return the value they made.
 * Lack of memory marks the graph as failed and is reported once, by un_graph_check. Level 0 is the full size (behind
 * the stem, if there is one), level `depth` the bottom; 2-D is 3-D with a depth of 1, only the rank of the weights
 * differs.
 */
#ifndef UN_MODEL_BUILDER_H
#define UN_MODEL_BUILDER_H

#include "model/build.h"

typedef struct un_builder {
    un_graph *g;
    const un_cfg_model *m;
    int streams; /* dropout nodes so far */
    int paths;   /* blocks with a shortcut so far, for stochastic depth */
} un_builder;

/* ---- layers (layers.c) ---- */

/* A convolution. Members that are 0 mean 1 (k, stride, dilation, groups), or none. */
typedef struct un_conv_layer {
    const char *name;
    int ci, co, k[3], stride[3], dilation, groups, bias;
    int patches;      /* 1: kernel = stride, no padding */
    int late_padding; /* 1: extent / stride pixels, the odd one of the padding behind, as TensorFlow's "same" */
    int shared;       /* value of a weight that is used again; 0: a new one */
} un_conv_layer;

/* With the padding of the network; `dilation` acts on axes with k > 1. */
int un_build_conv(un_builder *b, const un_conv_layer *l, int x);
int un_build_pointwise(un_builder *b, const char *name, int x, int ci, int co, int bias);
/* Normalisation, then the network's activation when `act` is 1; either may be none. */
int un_build_norm(un_builder *b, const char *name, int x, int channels, int act);
/* Batch normalisation whatever the network's is; act: un_act. */
int un_build_batch_norm(un_builder *b, const char *name, int x, int channels, double eps, int act);
int un_build_act(un_builder *b, const char *name, int x, int act);
int un_build_activation(un_builder *b, const char *name, int x);          /* the network's */
int un_build_join(un_builder *b, const char *name, const int *in, int n); /* one input: itself */
int un_build_binary(un_builder *b, un_op op, const char *name, int x, int y);
int un_build_like(un_builder *b, const char *name, int x, int like); /* valid padding: the centre of x */

/* `block`.conv`tag`, then .norm`tag` (.act`tag` without norms). */
typedef struct un_unit {
    const char *block, *tag;
    un_conv_layer conv; /* name and bias are made here */
    int no_act;
} un_unit;
int un_build_unit(un_builder *b, const un_unit *u, int x);

int un_build_pool(un_builder *b, int level, int x);                                 /* level to level + 1 */
int un_build_up(un_builder *b, const char *name, int level, int x, int ci, int co); /* level + 1 to level */
/* kernel = stride = s */
int un_build_transposed(un_builder *b, const char *name, int x, int ci, int co, const int s[3], int bias);
int un_build_resize(un_builder *b, const char *name, int x, const int factor[3]); /* larger, linearly */

int un_conv_has_bias(const un_cfg_model *m, int norm_follows);
int un_model_activation(const un_cfg_model *m);                     /* un_act */
void un_model_stride(const un_cfg_model *m, int level, int out[3]); /* of the pooling from level to level + 1 */

/* ---- blocks (blocks.c) ---- */

typedef struct un_block {
    const char *name; /* "enc0" */
    int level, ci, co, count;
    int stride[3]; /* of the first convolution */
    int picture;   /* 1: it reads the picture itself, whose few channels no depthwise convolution suits */
} un_block;
int un_build_block(un_builder *b, const un_block *k, int x);
/* Squeeze and excitation, as the configuration says (attention.c). */
int un_build_recalibrate(un_builder *b, const char *name, int x, int channels);

/* ---- known networks (encoders.c) ---- */

/* enc: [depth + 1], the values of the levels, of un_model_encoded channels. */
void un_build_encoder(un_builder *b, int x, int *enc);

/* ---- the way up (decoders.c), what lies under it (bottoms.c) ---- */

/* What a decoder leaves: its last value, and one for each further output (deep supervision). */
typedef struct un_decoded {
    int x, channels;
    int side[UN_CFG_LEVELS_MAX], side_channels[UN_CFG_LEVELS_MAX];
} un_decoded;
void un_build_decoder(un_builder *b, const int *enc, un_decoded *out); /* enc: [depth + 1], the encoder's levels */
int un_build_bottom(un_builder *b, int x);
/* The skip connection as its gate lets it through; g: the coarser value (attention.c). */
int un_build_gate(un_builder *b, int level, int skip, int g, int g_channels);

#endif
