/* Models in memory: load, describe, self-test, and run on pixels. C99 and C++11 clean. */
#ifndef UNET_MODEL_H
#define UNET_MODEL_H

#include "unet/config.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct unet_model unet_model;

UNET_API UNET_NODISCARD unet_status unet_model_load(
    unet_model **out, unet_context *c, const char *path, unet_error *err);
/* data may be freed afterwards; name stands in messages. */
UNET_API UNET_NODISCARD unet_status unet_model_load_memory(
    unet_model **out, unet_context *c, const void *data, size_t size, const char *name, unet_error *err);
/* An untrained network from a configuration whose section `model` is complete. */
UNET_API UNET_NODISCARD unet_status unet_model_create(
    unet_model **out, unet_context *c, const unet_config *cfg, unet_error *err);
/* NULL is fine. Sessions of it stay usable: what they need of the model goes with the last of them. */
UNET_API void unet_model_destroy(unet_model *m);

typedef struct unet_model_info {
    int dims; /* 2 or 3 */
    int in_channels;
    int classes;      /* background included */
    int out_channels; /* of the probabilities: classes, or 1 for a sigmoid head */
    int64_t parameters;
} unet_model_info;
UNET_API void unet_model_get_info(const unet_model *m, unet_model_info *out);
UNET_API const char *unet_model_class_name(const unet_model *m, int index); /* "" when it has none */

/* Layers, shapes, parameters, multiply-adds, receptive field, memory, and the U as text. size: d, h, w of the picture.
 */
UNET_API UNET_NODISCARD unet_status unet_model_describe(
    char **out, const unet_model *m, const int size[3], unet_error *err);
UNET_API UNET_NODISCARD unet_status unet_model_drawing(
    char **svg, const unet_model *m, const int size[3], unet_error *err);
/* Configuration (YAML) and training record (JSON) in the model file. */
UNET_API UNET_NODISCARD unet_status unet_model_config(char **yaml, const unet_model *m, unet_error *err);
UNET_API UNET_NODISCARD unet_status unet_model_record(char **json, const unet_model *m, unet_error *err);

/* Runs the input/output pairs of the model file. largest: the largest difference of a probability; pairs: how many. */
UNET_API UNET_NODISCARD unet_status unet_model_selftest(
    const unet_model *m, double *largest, int *pairs, unet_error *err);

/* ---- pixels ---- */

typedef enum unet_pixel_type { UNET_U8, UNET_U16, UNET_F32, UNET_I16 } unet_pixel_type; /* I16: CT, signed */

/* A picture or volume in the caller's memory. Pixel (z, y, x) channel k is at data + z*slice_bytes + y*row_bytes +
 * x*pixel_bytes + k*size of the type. */
typedef struct unet_pixels {
    void *data;
    unet_pixel_type type;
    int width, height, channels;
    ptrdiff_t row_bytes;   /* 0: rows follow each other   */
    ptrdiff_t pixel_bytes; /* 0: pixels follow each other */
    int bgr;               /* 1: three channels in the order blue, green, red */
    int depth;             /* slices; 0 counts as 1         */
    ptrdiff_t slice_bytes; /* 0: slices follow each other   */
} unet_pixels;

/* A session holds all memory for pictures or volumes of one size; a run allocates nothing. Sessions of one model may be
 * made and run at the same time in as many threads as there are sessions; a session is used by one thread at a time.
 * The first session of a size packs the weights, in memory of the context; all sessions of the model share them. A run
 * works in a float mode of its own (denormal numbers count as zero) and leaves the caller's as it was; 64 KiB of stack
 * are enough for it. docs/embedding.md */
typedef struct unet_session unet_session;
typedef struct unet_session_options {
    size_t struct_size; /* UNET_SESSION_OPTIONS_INIT */
    int threads;        /* 1: the caller's thread alone (default); more: a pool of its own */
    int width, height;
    void *memory;          /* of the caller, for all the session holds, until it is destroyed; NULL: from the context */
    size_t memory_bytes;   /* at least unet_session_bytes of the same options */
    const char *precision; /* "float32" or "bf16" (docs/precision.md); NULL: as the model's predict.precision says */
    int depth;             /* of volumes; 0 counts as 1 */
    /* d, h, w: of the pixels that will come, in the unit of the training's files (mm). A model that works at a spacing
     * of its own (data.spacing) sees them resampled to it, and the results are brought back. 0: not known, and the axis
     * is taken as it is, like that of a file that states no spacing. */
    double spacing[3];
} unet_session_options;
#define UNET_SESSION_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(unet_session_options), 1, 0, 0, NULL, 0, NULL, 0,                                                       \
        {                                                                                                              \
            0, 0, 0                                                                                                    \
        }                                                                                                              \
    }

UNET_API UNET_NODISCARD unet_status unet_session_bytes(
    size_t *bytes, const unet_model *m, const unet_session_options *options, unet_error *err);
UNET_API UNET_NODISCARD unet_status unet_session_create(
    unet_session **out, const unet_model *m, const unet_session_options *options, unet_error *err);
UNET_API void unet_session_destroy(unet_session *s); /* NULL is fine */

/* in: of the session's width, height and depth; grey or colour as the files of the training. mask: U8 class indices of
 * the same extents, or NULL; of independent classes (multilabel) a channel for each class, 0 or 255; by the thresholds
 * that the model has (predict.threshold). probabilities: F32 with out_channels, or NULL. Pictures are normalised as in
 * training and results are those of `unet predict`, bit for bit. A fourth channel to be left out: channels 3 with
 * pixel_bytes of 4 values. Rows from the last to the first: data at the last row of the first slice with negative
 * row_bytes; slices likewise with slice_bytes.
 *
 * Volumes are for 3-D models (unet_model_info.dims); a 2-D model takes depth 1 only, a 3-D model takes it too. They are
 * not turned: what the network sees as d, h, w is z, y, x here. `unet predict` turns a NIfTI file that states its
 * orientation so that x runs from left to right, y from back to front and z from the feet to the head; give volumes of
 * such files in that order (docs/embedding.md). */
UNET_API UNET_NODISCARD unet_status unet_session_run(
    unet_session *s, const unet_pixels *in, unet_pixels *mask, unet_pixels *probabilities, unet_error *err);

#ifdef __cplusplus
}
#endif
#endif
