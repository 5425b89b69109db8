/* A predictor that costs nothing, beside which a network is scored (metrics/floor.h): two classes: the threshold of
 * Otsu for each picture; more: the class that is most frequent at each place of the training masks. */
#ifndef UN_RUN_BASELINE_H
#define UN_RUN_BASELINE_H

#include "data/preprocess.h"
#include "metrics/floor.h"

typedef struct un_baseline un_baseline;

/* rarer: of two classes the one with fewer pixels, which Otsu's smaller side is taken for. d: its training pictures
 * make the prior (up to 256 of them, evenly among all). *out is NULL when there is none: masks that may overlap, or
 * more than two classes without training pictures. */
UN_NODISCARD unet_status un_baseline_create(un_baseline **out, un_mem *mem, const un_config *cfg, const un_dataset *d,
    const un_preprocess *p, int rarer, unet_error *err);
void un_baseline_destroy(un_baseline *b); /* NULL is fine */

const char *un_baseline_name(const un_baseline *b); /* "Otsu's threshold", "most frequent class at each place" */

/* classes: [d][h][w] of the first image's extents. */
UN_NODISCARD unet_status un_baseline_run(
    const un_baseline *b, const un_image *images, int count, int32_t *classes, unet_error *err);

#endif
