/* What training adds to a network, as graphs: the losses with all gradients (accumulate), the update (apply).
 */
#ifndef UN_TRAIN_OBJECTIVE_H
#define UN_TRAIN_OBJECTIVE_H

#include "config/config.h"
#include "ir/graph.h"
#include "train/terms.h"

/* A further output of deep supervision. Targets of the same extents are the main output's. */
typedef struct un_objective_side {
    int logits, target, pixel_weight; /* as below; the planes take every k-th pixel of the main ones */
    double weight;
    un_loss_term term[UN_CFG_MAX_term];
} un_objective_side;

/* Inputs of accumulate, at most: each output has two planes, each of its terms may have an alpha. */
enum { UN_OBJECTIVE_INPUTS = 4 + UN_CFG_MAX_term + UN_CFG_LEVELS_MAX * (2 + UN_CFG_MAX_term) };

typedef struct un_objective {
    un_graph *accumulate; /* inputs below -> gradients of the weighted sum of the terms */
    un_graph *apply;      /* no inputs: limits of the gradient, a node for each trainable parameter, averages */
    un_graph *perturb;    /* no inputs: goes uphill along the gradient (SAM); NULL: not wanted */
    un_graph *statistics; /* the network in training form, for statistics of batch norms (SWA); NULL: not wanted */
    un_loss_term term[UN_CFG_MAX_term];
    int n_terms, n_losses; /* n_losses: nodes, from first_loss on */
    un_objective_side side[UN_CFG_LEVELS_MAX];
    int n_sides;
    double main_weight; /* of the main output; with those of the sides it makes 1 */
    int image, logits;  /* values of accumulate */
    int target;         /* I32 [n][d][h][w][1], or F32 [n][d][h][w][classes] for multilabel */
    int pixel_weight;   /* F32 [n][d][h][w][1], or UN_NONE */
    int class_weight;   /* constant F32 [1][1][1][1][classes], or UN_NONE */
    int n_class_weights;
    int first_loss;  /* node */
    unsigned blocks; /* state kept beside the weights: bits 1 << UN_BLOCK_M and so on (checkpoint.h) */
} un_objective;

/* model: inference form, stays as it is. The configuration must be settled (train/schedule.h). Weight decay
 * acts on weights of convolutions alone. The average covers the whole block, running statistics of norms
 * included. */
UN_NODISCARD unet_status un_objective_create(
    un_objective **out, un_mem *mem, const un_graph *model, const un_config *c, int pixel_weight, unet_error *err);
/* Makes accumulate compute the inner values of encoder and decoder blocks again in the backward pass: less memory, more
 * time, the same bits. */
UN_NODISCARD unet_status un_objective_recompute(un_objective *o, unet_error *err);
/* The same for what norms make, from their inputs, for these extents of the image: less memory for little time. After
 * the other, if at all. */
UN_NODISCARD unet_status un_objective_recompute_norms(un_objective *o, un_shape image, unet_error *err);
void un_objective_destroy(un_objective *o); /* NULL is fine */

/* Extents of the inputs and constants of `accumulate`, in their order, for these extents of the image.
 * Targets have the extents of the logits: smaller than the image under valid padding. inputs: room for
 * accumulate->n_inputs. */
UN_NODISCARD unet_status un_objective_inputs(const un_objective *o, un_shape image, un_shape *inputs, unet_error *err);

#endif
