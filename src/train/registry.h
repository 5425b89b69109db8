/* The optimisers and schedules that training knows: one row each. A new one is a word in config/schema.def, an operator
 * in ir/ops.def where it needs a new kernel, and a row in registry.c. The losses have config/losses.def and
 * train/terms.h. */
#ifndef UN_TRAIN_REGISTRY_H
#define UN_TRAIN_REGISTRY_H

#include "config/config.h"
#include "ir/graph.h"

typedef struct un_method_rule {
    un_op op;
    int moments;   /* blocks it keeps: 1 or 2 */
    int decoupled; /* weight decay apart from the gradient */
    double lr;     /* what lr: auto means */
} un_method_rule;
const un_method_rule *un_method_rule_of(un_cfg_method method);

/* The rate behind the warm-up; t from 0 to 1. */
typedef double (*un_schedule_rule)(const un_cfg_optimiser *o, double t);
un_schedule_rule un_schedule_rule_of(un_cfg_schedule schedule);

#endif
