/* The graphs that change weights: apply (limits of the gradient, optimiser, lookahead, average) and perturb (SAM). */
#ifndef UN_TRAIN_UPDATE_H
#define UN_TRAIN_UPDATE_H

#include "config/config.h"
#include "ir/graph.h"

/* from: the graph with losses and gradients; parameters keep their places. Only parameters that have a gradient there
 * are changed. *out is destroyed by the caller, also on failure. */
UN_NODISCARD unet_status un_update_graph(
    un_graph **out, un_mem *mem, const un_graph *from, const un_cfg_optimiser *c, unet_error *err);
UN_NODISCARD unet_status un_perturb_graph(
    un_graph **out, un_mem *mem, const un_graph *from, const un_cfg_optimiser *c, unet_error *err);

/* Whether the graph makes a gradient of the parameter: what no loss depends on, and what is frozen, has none. */
int un_has_gradient(const un_graph *g, int param);

int un_average_kept(const un_cfg_optimiser *c); /* 1: an average of the weights is kept */

/* What the optimiser does with a parameter of this name and role. */
typedef struct un_group_values {
    double lr, weight_decay, l1; /* lr: factor */
} un_group_values;
un_group_values un_group_values_of(const un_cfg_optimiser *c, const char *name, un_param_role role);

#endif
