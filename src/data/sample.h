/* What goes into training, between the data set (which makes pictures) and the trainer (which eats batches). */
#ifndef UN_DATA_SAMPLE_H
#define UN_DATA_SAMPLE_H

#include "base/error.h"
#include "base/mem.h"

/* One preprocessed picture with its target, as the network will see it, before augmentation and cropping. */
typedef struct un_picture {
    int d, h, w, c;      /* 2-D: d = 1 */
    float *image;        /* [d][h][w][c], normalised; un_alloc'ed */
    int32_t *target;     /* [d][h][w] class index, -1: ignore; NULL: unlabelled or multilabel */
    float *soft;         /* [d][h][w][classes] multi-hot; NULL unless multilabel */
    float *weight;       /* [d][h][w] or NULL: all 1 */
    int classes;
    double spacing[3];   /* d, h, w in mm */
} un_picture;

void un_picture_free(un_picture *p); /* NULL is fine */

/* Anything that can give pictures by number. load may be called by several threads at once. */
typedef struct un_picture_source {
    void *ctx;
    int count;
    unet_status (*load)(void *ctx, int index, un_mem *mem, un_picture *out, unet_error *err);
    /* How often a picture is drawn in relation to the others (balancing kinds of pictures); NULL: all 1. */
    double (*share)(void *ctx, int index);
} un_picture_source;

/* Room for one ghost batch as the network takes it. Owned by the pipeline; valid until it is handed back. */
typedef struct un_batch {
    int n, d, h, w, c, classes;
    float *image;        /* [n][d][h][w][c] */
    int32_t *target;     /* [n][d][h][w], -1: ignore; NULL: multilabel */
    float *soft;         /* [n][d][h][w][classes]; NULL unless multilabel */
    float *weight;       /* [n][d][h][w]; NULL: all 1 */
    int *picture;        /* [n] which picture of the source */
    int64_t step;        /* optimiser step it belongs to */
    int first;           /* number of its first sample in the whole batch of the step */
} un_batch;

#endif
