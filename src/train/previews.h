/* Pictures of a run as the network sees them better and better: painted at each selection, kept as PNG files in the
 * run folder's `previews`. */
#ifndef UN_TRAIN_PREVIEWS_H
#define UN_TRAIN_PREVIEWS_H

#include "config/config.h"
#include "data/sample.h"
#include "report/palette.h"
#include "tensor/image.h"

enum { UN_PREVIEW_PX = 360 };

typedef struct un_previews {
    un_mem *mem;
    const char *folder; /* of the run */
    const un_config *cfg;
    int64_t step; /* of the selection under way; set before each */
} un_previews;

/* The file of preview `index` (0..) at a step; step 0: the truth. un_free it; NULL: no memory. */
char *un_previews_path(un_mem *mem, const char *folder, int index, int64_t step);

/* Removes those of an earlier run in the folder, by their names; other files stay. */
UN_NODISCARD unet_status un_previews_forget(un_mem *mem, const char *folder, unet_error *err);

/* Paints one picture of a selection and writes it; the truth too, once. Pictures from train.previews on are passed
 * over. classes: [d][h][w] as un_evaluate gives them. Volumes: the slice with most foreground in the truth. */
UN_NODISCARD unet_status un_previews_add(
    un_previews *p, int index, const un_picture *picture, const int32_t *classes, unet_error *err);

#endif
