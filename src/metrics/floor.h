/* What costs nothing to reach: trivial predictors that a trained network is compared with.
 *
 * Two classes: the threshold of Otsu ("A threshold selection method from gray-level histograms", IEEE Trans.
 * SMC 9(1), 1979, eq. 18) per picture; the smaller side is taken for the foreground. More classes: the class
 * that was most frequent at the place in the training masks, scaled to the size of the picture. */
#ifndef UN_METRICS_FLOOR_H
#define UN_METRICS_FLOOR_H

#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "tensor/shape.h"

/* Grey values of n pixels: one channel: itself; three: 0.299 r + 0.587 g + 0.114 b (ITU-R BT.601); else the
 * mean. */
void un_grey(float *grey, const float *px, int64_t n, int channels);

enum { UN_OTSU_BINS = 256 };

typedef struct un_otsu {
    double min, max;  /* of the finite values                                              */
    int bin;          /* bins 0..bin of UN_OTSU_BINS equal ones over min..max are below    */
    double threshold; /* their upper edge                                                  */
    int above;        /* 1: brighter is foreground (it is smaller, or equal), 0: darker    */
} un_otsu;

/* Values that are not finite are left out and are background. A constant picture has no foreground. */
un_otsu un_otsu_find(const float *grey, int64_t n);
void un_otsu_apply(const un_otsu *o, const float *grey, int64_t n, uint8_t *mask); /* 1: foreground, 0: not */

typedef struct un_prior un_prior;

/* The place is kept on a grid of d x h x w cells (n and c of the shape are not used). */
UN_NODISCARD unet_status un_prior_create(un_prior **out, un_mem *mem, int classes, un_shape grid, unet_error *err);
void un_prior_destroy(un_prior *p); /* NULL is fine */
/* A mask of d x h x w class indices; values outside 0..classes-1 are ignored. */
void un_prior_add(un_prior *p, const int32_t *mask, un_shape size);
/* Most frequent class at each place, the lowest among equals; a cell without a pixel takes the global one. */
void un_prior_apply(const un_prior *p, int32_t *map, un_shape size);
int un_prior_class(const un_prior *p); /* the most frequent class of all pixels */

#endif
