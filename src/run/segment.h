/* One picture file to a mask on the file's own grid: what prediction, serving and previews share. */
#ifndef UN_RUN_SEGMENT_H
#define UN_RUN_SEGMENT_H

#include "data/preprocess.h"
#include "run/predict.h"

typedef struct un_segmentation {
    un_image mask; /* U8 or U16 values of the classes, c = 1, with palette; multilabel: U8 0/255, a channel each */
    un_image probabilities; /* F32 [d][h][w][channels]; empty unless asked for */
    int32_t *classes;       /* [d][h][w] class indices (multilabel: bit masks) */
} un_segmentation;

void un_segmentation_free(un_segmentation *s); /* NULL is fine; leaves an empty one */

/* image: as read with un_preprocess_read_options. The result lies on its grid: where the network saw another one, the
 * probabilities are resampled back before the class is chosen. */
UN_NODISCARD unet_status un_segment(un_segmentation *out, un_mem *mem, un_predictor *p, const un_model *m,
    const un_preprocess *pre, const un_image *image, int probabilities, unet_error *err);

/* The same with finished probabilities given to `sink` as they come, on the file's grid; where the network saw another
 * one, all at once. strides NULL: the image is dense. With a predictor that was prepared for the picture that the
 * network sees, all memory it takes is un_segment_room in pieces of a block (base/block.h). */
UN_NODISCARD unet_status un_segment_stream(un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_image *image, const un_strides *strides, un_predict_sink sink, void *ctx, unet_error *err);
/* For 2-D pictures of h x w; *grid is filled. */
size_t un_segment_room(const un_model *m, const un_preprocess *pre, int h, int w, un_grid *grid);

/* Value of a class in masks that are written, and its colour 0xrrggbb. */
int un_class_value(const un_config *cfg, int k);
int un_class_colour(const un_config *cfg, int k);

#endif
