/* A model at work on files: loaded, its configuration changed where a user may, ready to predict. What evaluation and
 * prediction share. */
#ifndef UN_API_RUNNER_H
#define UN_API_RUNNER_H

#include "api/context.h"
#include "data/preprocess.h"
#include "report/palette.h"
#include "run/segment.h"

typedef struct un_runner {
    unet_context *c;
    un_model *model; /* its configuration holds the changes */
    un_predictor *predictor;
    un_preprocess *pre;
} un_runner;

/* Loads the model. set: "key=value" over its configuration; keys of the sections data, predict and eval, others are
 * refused. On failure *r is empty. */
UN_NODISCARD unet_status un_runner_open(
    un_runner *r, unet_context *c, const char *model, const char *const *set, size_t set_count, unet_error *err);
/* Makes it ready to predict, once the configuration is settled. masks 1: truth is read too. profile: NULL is fine. */
UN_NODISCARD unet_status un_runner_prepare(un_runner *r, int masks, un_profile *profile, unet_error *err);
/* The same with another network m that takes the same pictures; m must outlive *out. */
UN_NODISCARD unet_status un_runner_predictor(
    un_predictor **out, const un_runner *r, const un_model *m, un_profile *profile, unet_error *err);
void un_runner_close(un_runner *r); /* an empty one is fine; leaves an empty one */

/* Names and colours of the classes for tables, legends and overlays. A class without a name is "class K". Borrows from
 * the configuration; not to be copied. */
typedef struct un_class_names {
    const char *name[UN_CFG_LIST_MAX];
    char made[UN_CFG_LIST_MAX][16];
    un_palette palette; /* as un_paint wants it: entry of the class, of multilabel models one further */
} un_class_names;
void un_class_names_fill(un_class_names *n, const un_config *cfg);

#endif
