/* Where the time of a job goes, layer by layer. C99 and C++11 clean.
 *
 * A profile is given to a job by its options and filled while the job runs; several jobs one after another add up. */
#ifndef UNET_PROFILE_H
#define UNET_PROFILE_H

#include "unet/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct unet_profile unet_profile;

/* The context must outlive it. */
UNET_API UNET_NODISCARD unet_status unet_profile_create(unet_profile **out, unet_context *c, unet_error *err);
UNET_API void unet_profile_destroy(unet_profile *p); /* NULL is fine */

/* A layer, or something else that takes time, in all its runs. Rows do not overlap. */
typedef struct unet_profile_row {
    const char *part;   /* "network", "forward and backward", "update", "prediction", "training" */
    const char *name;   /* of the layer, or "read files", "wait for data" ... */
    const char *kernel; /* that does most of it; NULL: none */
    int64_t runs;
    double seconds;
    double flops; /* a multiply-add counts as two, whatever form the kernel has; 0: none or not known */
    double bytes; /* read and written by the layer; 0: not known */
} unet_profile_row;

UNET_API double unet_profile_seconds(const unet_profile *p); /* of the jobs, rows or not */
/* 0: there are no more. The order is that of the first run. Valid until the profile changes. */
UNET_API int unet_profile_get(const unet_profile *p, size_t i, unet_profile_row *out);

/* A table for people, longest first: activities, and the layers that make up 95 % of the time; with full 1 all. */
UNET_API UNET_NODISCARD unet_status unet_profile_text(char **out, const unet_profile *p, int full, unet_error *err);
/* {"seconds": .., "rows": [..]} */
UNET_API UNET_NODISCARD unet_status unet_profile_json(char **out, const unet_profile *p, unet_error *err);
/* The same and each run of each row on a time line, in the trace format of Chrome (chrome://tracing, ui.perfetto.dev).
 * Of long jobs the first 65536 pieces. */
UNET_API UNET_NODISCARD unet_status unet_profile_write(const unet_profile *p, const char *path, unet_error *err);

#ifdef __cplusplus
}
#endif
#endif
