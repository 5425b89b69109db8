/* Prediction on pictures and volumes in the caller's memory, all of one size: what serving and embedding use. All
 * memory is one block; a run takes none. The same preprocessing, windows and prediction as for files
 * (run/segment.h). */
#ifndef UN_RUN_PIXELS_H
#define UN_RUN_PIXELS_H

#include "run/segment.h"

typedef struct un_pixel_options {
    int threads; /* more than 1: a pool of its own */
    un_cpu_level level;
    int exact, size[3];    /* d, h, w */
    double spacing[3];     /* d, h, w; 0: not known, the axis stays as it is */
    const char *precision; /* a word of predict.precision; NULL: as the model says */
    void *memory;          /* the block; NULL: allocated */
    size_t memory_bytes;
} un_pixel_options;

typedef struct un_pixel_session un_pixel_session;

/* What the block must hold. mem is used for a while. */
UN_NODISCARD unet_status un_pixels_bytes(
    size_t *bytes, un_mem *mem, const un_model *m, const un_pixel_options *o, unet_error *err);
UN_NODISCARD unet_status un_pixels_create(
    un_pixel_session **out, un_mem *mem, const un_model *m, const un_pixel_options *o, unet_error *err);
void un_pixels_destroy(un_pixel_session *s);      /* NULL is fine */
size_t un_pixels_peak(const un_pixel_session *s); /* bytes of the block that were used so far */

const un_config *un_pixels_config(const un_pixel_session *s); /* of the model */

/* Fills the sink with rows (2-D) or planes (3-D) in order. image: of the session's size, U8, U16 or F32; it owns
 * nothing; its spacing is the session's. */
UN_NODISCARD unet_status un_pixels_run(un_pixel_session *s, const un_image *image, const un_strides *strides,
    un_predict_sink sink, void *ctx, unet_error *err);

#endif
