/* A profile as a table and as JSON. */
#ifndef UN_REPORT_PROFILE_REPORT_H
#define UN_REPORT_PROFILE_REPORT_H

#include "base/profile.h"
#include "base/text.h"

/* Longest row first, and what no row covers. full 0: activities, and the layers that
 * make up 95 % of the time. */
UN_NODISCARD unet_status un_profile_text(un_text *t, const un_profile *p, un_mem *mem, int full, unet_error *err);
/* An object with the time in all and the rows; trace 1: with the time line too, as Chrome's tracing reads it. */
void un_profile_json(un_text *t, const un_profile *p, int trace);

#endif
