/* What `unet plan` and `unet train` share: a data set looked at and a configuration with nothing left open. */
#ifndef UN_API_PLANNED_H
#define UN_API_PLANNED_H

#include "api/data_open.h"
#include "data/plan.h"

typedef struct un_planned {
    un_opened data;
    un_plan_result result;
    un_text why; /* "section.key: sentence", of the scan and of the plan */
} un_planned;

/* Opens the data and settles all of *cfg. On failure *out is empty. */
UN_NODISCARD unet_status un_planned_open(
    un_planned *out, unet_context *c, const un_data_open_options *o, un_config *cfg, unet_error *err);
void un_planned_close(un_planned *p);

/* The settled configuration as YAML, a sentence of why above each decision, then memory and time in comments. */
UN_NODISCARD unet_status un_planned_text(un_text *t, const un_planned *p, const un_config *cfg, unet_error *err);

#endif
