/* A model at work on files: loaded, its configuration changed where a user may, ready to predict. What evaluation and
 * prediction share. */
#ifndef UN_API_RUNNER_H
#define UN_API_RUNNER_H

#include "api/context.h"
#include "data/preprocess.h"
#include "run/segment.h"

typedef struct un_runner {
    unet_context *c;
    un_model *model; /* its configuration holds the changes */
    un_predictor *predictor;
    un_preprocess *pre;
} un_runner;

/* set: "key=value" over the model's configuration; keys of the sections data, predict and eval, others are refused.
 * masks 1: truth is read too. On failure *r is empty. */
UN_NODISCARD unet_status un_runner_open(un_runner *r, unet_context *c, const char *model, const char *const *set,
    size_t set_count, int masks, unet_error *err);
void un_runner_close(un_runner *r); /* an empty one is fine; leaves an empty one */

/* Name of class k for tables and legends: the configured one, or "class K". buf: where the latter is made. */
const char *un_runner_class_name(const un_runner *r, int k, char buf[24]);

#endif
