/* Which picture, and which part of it, a sample of a training batch is. Both follow from (seed, step, sample) alone. */
#ifndef UN_DATA_SAMPLER_H
#define UN_DATA_SAMPLER_H

#include "base/rng.h"
#include "data/sample.h"

/* A picture with what sampling and augmentation ask of it again and again. */
typedef struct un_ready {
    un_picture picture;
    double *mean, *std, *lo, *hi; /* [c] of the finite values; one block, owned through mean */
    int *present, present_count;  /* foreground classes that have a pixel, rising; owned */
    int32_t *blocks; /* [blocks][classes] pixels of each class in each run of UN_READY_BLOCK pixels; owned */
    int64_t *totals; /* [classes]; owned */
    int64_t block_count;
    struct un_anchor *anchor; /* objects of the present classes, class after class; NULL: not asked for; owned */
    int *anchor_from;         /* [present_count + 1] where the objects of a present class begin; owned */
} un_ready;

enum { UN_READY_BLOCK = 4096 };

/* An object: its box along d, h, w (lo <= index < hi) and its first pixel. */
typedef struct un_anchor {
    int lo[3], hi[3];
    int64_t first;
} un_anchor;

/* Takes over *picture (emptied, on failure freed) and measures it. foreground: classes counted as such, NULL: all but
 * 0. */
UN_NODISCARD unet_status un_ready_make(
    un_ready *out, un_mem *mem, un_picture *picture, const int *foreground, int foreground_count, unet_error *err);
/* Finds the objects (connected components, corners count) of the present classes: patches are then centred on objects.
 */
UN_NODISCARD unet_status un_ready_find_objects(un_ready *r, un_mem *mem, unet_error *err);
void un_ready_free(un_ready *r); /* NULL is fine */
size_t un_ready_bytes(const un_ready *r);

/* Pixel number k (in order, 0 <= k < totals[cls]) of a class. */
int64_t un_ready_find(const un_ready *r, int cls, int64_t k);

/* Order of the pictures. An epoch draws as many samples as there are pictures; in it picture i comes floor(e_i) or
 * ceil(e_i) times, e_i = count * share_i / sum of shares (systematic sampling with a random offset; equal shares: each
 * once), in the order of a random permutation. Both are drawn anew for each epoch from the stream (epoch, none). */
typedef struct un_sampler un_sampler;
UN_NODISCARD unet_status un_sampler_create(
    un_sampler **out, un_mem *mem, const un_picture_source *source, uint64_t seed, unet_error *err);
void un_sampler_destroy(un_sampler *s); /* NULL is fine */
/* Picture of sample `at` counted from the start of training; keeps the order of one epoch, so not for two threads at
 * once. The result depends on seed and `at` alone. */
int un_sampler_picture(un_sampler *s, int64_t at);

/* What an epoch comes to: samples drawn, pictures that come at least once on average, least and largest number of times
 * a picture comes. */
typedef struct un_epoch {
    int drawn;
    double distinct, least, most;
} un_epoch;
un_epoch un_sampler_epoch(const un_sampler *s);

/* First pixel d, h, w of a window of extents size: with probability `foreground` centred on a random pixel of a random
 * foreground class of the picture (of a random object of it, where objects were asked for), else anywhere; inside the
 * picture wherever the picture is large enough, else anywhere such that the picture is inside (start is then negative).
 */
void un_sampler_crop(const un_ready *r, const int size[3], double foreground, un_rng *rng, int start[3]);
/* Centred on a pixel of a random foreground class, which is returned; -1: the picture has none. */
int un_sampler_crop_class(const un_ready *r, const int size[3], un_rng *rng, int start[3]);

#endif
