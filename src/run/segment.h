/* One picture file to a mask on the file's own grid: what prediction, serving and previews share. */
#ifndef UN_RUN_SEGMENT_H
#define UN_RUN_SEGMENT_H

#include "base/file.h"
#include "data/preprocess.h"
#include "report/palette.h"
#include "run/predict.h"

typedef struct un_segmentation {
    un_image mask; /* U8 or U16 values of the classes, c = 1, with palette; multilabel: U8 0/255, a channel each */
    un_image probabilities; /* F32 [d][h][w][channels], in `scratch` */
    int32_t *classes;       /* [d][h][w] class indices (multilabel: bit masks) */
    un_scratch scratch;
} un_segmentation;

void un_segmentation_free(un_segmentation *s); /* NULL is fine; leaves an empty one */

/* Which of them are made; the others stay empty. probabilities: a folder on whose disk they are kept until the
 * segmentation is freed, for they may be larger than memory; NULL: none. */
typedef struct un_wanted {
    int mask, classes;
    const char *probabilities;
} un_wanted;

/* images: one file, or one for each channel, as read with un_preprocess_read_options. The result lies on the grid of
 * the first: where the network saw another one, the probabilities are resampled back before the class is chosen.
 * Memory is bounded by the windows and a few planes beside picture and results. */
UN_NODISCARD unet_status un_segment(un_segmentation *out, un_mem *mem, un_predictor *p, const un_model *m,
    const un_preprocess *pre, const un_raster *in, const un_wanted *wanted, unet_error *err);

/* The same with finished probabilities given to `sink` as they come: rows of a picture on the file's grid, planes of a
 * volume on the turned one (un_grid_place leads to the file). *grid is filled before the first call. With a predictor
 * that was prepared for the picture that the network sees, all memory it takes is un_segment_room in pieces of a block
 * (base/block.h). It works in the library's float mode; so does the sink. */
UN_NODISCARD unet_status un_segment_stream(un_mem *mem, un_predictor *p, const un_model *m, const un_preprocess *pre,
    const un_raster *in, un_grid *grid, un_predict_sink sink, void *ctx, unet_error *err);
/* For pictures on this grid (un_preprocess_grid), whose sizes can be counted. */
size_t un_segment_room(const un_model *m, const un_preprocess *pre, const un_grid *grid);

/* Value of a class in masks that are written. */
int un_class_value(const un_config *cfg, int k);
/* Colours as un_paint wants them: entry k is class k, of multilabel models class k - 1. */
void un_class_colours(un_palette *p, const un_config *cfg);

#endif
