/* What there is to say about the losses: the rows of losses.def as tables. What they compute: train/terms.h. */
#ifndef UN_CONFIG_LOSSES_H
#define UN_CONFIG_LOSSES_H

#include "config/config.h"

/* A key of a term that a loss has. */
typedef struct un_loss_param {
    const char *key;
    double lo, hi, def; /* def below lo: none */
    const char *help;
    un_cfg_loss_name loss;
} un_loss_param;

typedef struct un_loss_info {
    const char *name, *heads; /* heads: letters S softmax, B sigmoid, M multilabel */
    const char *title, *formula, *paper, *when;
} un_loss_info;

int un_loss_count(void);
const un_loss_info *un_loss_info_of(un_cfg_loss_name loss);
int un_loss_params(const un_loss_param **first, un_cfg_loss_name loss); /* how many keys, in a row from *first */

/* The value of a key of the term: as set, else the loss's default (0 where the loss has no such key). */
double un_loss_value(const un_cfg_term *t, const char *key);
int un_loss_has(un_cfg_loss_name loss, const char *key);

/* Whether each term has only keys of its loss, in their ranges, and the loss goes with the head. */
UN_NODISCARD unet_status un_loss_check(const un_config *c, unet_error *err);

void un_loss_docs(un_text *t); /* docs/losses.md */

#endif
