/* From a preprocessed picture of any size to probabilities, tile by tile, in memory bounded by the tiles.
 *
 * The picture is extended by reflection to a multiple of the grid (2^depth) and cut into windows of one size. Two ways
 * to join them:
 *  - halo: networks with a finite reach (batch norm in inference form, or none): each window has a halo of the reach,
 * so the result is that of the whole picture in one piece, within rounding;
 *  - blend: norms that look at the whole patch, or a halo that would cost more than twice the work: windows of the
 * trained size overlap and are averaged with Gaussian weights (Isensee et al., nnU-Net, 2021: sigma an eighth of the
 * patch).
 *
 * With test-time augmentation each window is seen in several views (data/tta.h), and the mean of what comes back of
 * them is taken: for windows on the grid the same as mirroring and turning the picture as a whole. */
#ifndef UN_RUN_PREDICT_H
#define UN_RUN_PREDICT_H

#include "run/session.h"

#define UN_PREDICT_BYTES ((size_t)1 << 30)

typedef struct un_predict_options {
    un_session_options session; /* bf16: as precision says */
    size_t max_bytes; /* working memory of a prediction; 0: UN_PREDICT_BYTES; never more than the memory's cap leaves */
    uint64_t (*available)(void); /* what the process can still have (0: unknown), asked where nothing else bounds the
                                    windows; NULL: not asked */
    int tile[3];                 /* largest window d, h, w; 0: chosen */
    int mode;                    /* un_cfg_predict_mode */
    int tta;                     /* un_cfg_tta */
    int precision;               /* un_cfg_precision; what this machine or level lacks is refused */
    double overlap;              /* blend: share that windows have in common; 0: one half; negative: none */
    /* Called between windows; non-zero stops with UNET_E_CANCELLED. NULL: never. */
    int (*cancel)(void *ctx);
    void *ctx;
} un_predict_options;

/* What the keys of the section `predict` say; the rest is left at its default. */
un_predict_options un_predict_options_of(const un_cfg_predict *c);

/* What a prediction will do with a picture of these extents. */
typedef struct un_tiling {
    int padded[3], window[3], halo[3]; /* d, h, w */
    int count[3];                      /* windows on each axis */
    int blend;
    un_shape in, out; /* of the session */
    int lead[3];      /* pixels before the picture that valid padding eats */
    double overhead;  /* computed pixels / pixels of the picture */
    size_t bytes;
    double byte_ns; /* of the sessions (un_session_options): more than 0 where a cap allows no faster kernels */
    double ns;      /* modelled time of all windows on one core */
} un_tiling;

/* Gets finished probabilities in order: planes z0..z1 and rows y0..y1 (2-D: one plane, some rows; 3-D: some planes, all
 * rows), dense [z][y][w][channels]. */
typedef unet_status (*un_predict_sink)(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err);

typedef struct un_predictor un_predictor;

UN_NODISCARD unet_status un_predictor_create(
    un_predictor **out, un_mem *mem, const un_model *model, const un_predict_options *opt, unet_error *err);
void un_predictor_destroy(un_predictor *p); /* NULL is fine */
void un_predictor_refresh(un_predictor *p); /* the model's weights changed */

UN_NODISCARD unet_status un_predictor_tiling(un_predictor *p, int d, int h, int w, un_tiling *out, unet_error *err);

/* Takes all memory for pictures of these extents and keeps it until the predictor goes: a run on one of them then
 * allocates nothing. Its room: what that takes of a block (base/block.h), for which it is rehearsed without the large
 * pieces. */
UN_NODISCARD unet_status un_predictor_prepare(un_predictor *p, int d, int h, int w, unet_error *err);
UN_NODISCARD unet_status un_predictor_room(un_predictor *p, int d, int h, int w, size_t *bytes, unet_error *err);

/* Gives pixels x0..x1 of row y of plane z, dense [x][c] with the network's channels. Called from several threads at a
 * time. */
typedef void (*un_predict_read)(const void *from, int z, int y, int x0, int x1, float *to);
UN_NODISCARD unet_status un_predictor_run_rows(un_predictor *p, un_predict_read read, const void *from, int d, int h,
    int w, un_predict_sink sink, void *ctx, unet_error *err);

/* image: [d][h][w][c] with the network's channels. */
UN_NODISCARD unet_status un_predictor_run(
    un_predictor *p, const float *image, int d, int h, int w, un_predict_sink sink, void *ctx, unet_error *err);

/* The same with classes as result, [d][h][w]: argmax (softmax; of two classes with a threshold that is not 0.5: class 1
 * from it on), 0/1 by the threshold (sigmoid), or a bit for each of up to 31 channels above its threshold (multilabel).
 */
UN_NODISCARD unet_status un_predictor_classes(
    un_predictor *p, const float *image, int d, int h, int w, int32_t *classes, unet_error *err);

/* The class rule alone: probabilities [n][channels] to classes [n]. */
void un_classes_of(const un_config *c, const float *p, int64_t n, int32_t *classes);

#endif
