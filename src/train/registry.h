/* From the rows of config/optimisers.def and schedules.def to what runs: kernels and rules. A new optimiser is a row
 * there, a kind of kernels/args.h and a file in kernels/elem/optim/; a new schedule is a row and a rule in rates.c. The
 * losses have config/losses.def and train/terms.h. */
#ifndef UN_TRAIN_REGISTRY_H
#define UN_TRAIN_REGISTRY_H

#include "config/config.h"
#include "ir/graph.h"

/* What the update of a parameter is, but for its own decay and factor of the rate. */
un_optim_attr un_method_attr(const un_cfg_optimiser *o);
/* Blocks of state: bits 1 << UN_BLOCK_M and so on (checkpoint.h). */
unsigned un_method_blocks(const un_cfg_optimiser *o);

/* The rate behind the warm-up: s steps after it, from 0, of n in all; s = n: behind the last. */
typedef double (*un_schedule_rule)(const un_cfg_optimiser *o, int64_t s, int64_t n);
un_schedule_rule un_schedule_rule_of(un_cfg_schedule schedule);

#endif
