/* Single objects in a class map: connected components, their sizes and places, and touching ones split on request.
 * 2-D is 3-D with d = 1. Objects are numbered from 1 in the order of their first pixel (z, then y, then x). */
#ifndef UN_METRICS_OBJECTS_H
#define UN_METRICS_OBJECTS_H

#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/pool.h"
#include "tensor/shape.h"

enum { UN_OBJECT_ANY_CLASS = -1 };

typedef struct un_object {
    int64_t pixels;
    double centroid[3]; /* mean z, y, x of the pixels' indices */
    int lo[3], hi[3];   /* bounding box z, y, x: lo <= index < hi */
    int touches_border; /* 1: a pixel lies at the picture's edge (in 2-D: of y and x), so the object may be cut off */
} un_object;

typedef struct un_objects {
    int32_t *label; /* [d][h][w]: 0 or the object's number */
    un_object *of;  /* of[i] has the number i + 1          */
    int32_t count;
} un_objects;

typedef struct un_objects_options {
    int class_index; /* objects are the pixels of this class; UN_OBJECT_ANY_CLASS: all that are not 0               */
    int faces_only;  /* 1: neighbours share a face (4 in 2-D, 6 in 3-D); 0: corners too (8, 26)                      */
    int split;       /* 1: split touching objects                                                                    */
    double spacing[3]; /* distance of neighbouring pixels along z, y, x; zeros: 1. Used by `split` */
    double min_depth; /* of a neck that splits, in the unit of spacing; 0: one pixel of the finest axis               */
    double neck;      /* its width as share of the smaller object's, 0..1; 0: 0.8                                     */
} un_objects_options;

/* map: [d][h][w] class indices (n and c of the shape are not used). More than 2^31 - 1 pixels: UNET_E_LIMIT.
 *
 * Splitting: on the distance to the nearest background pixel, a pixel joins the hill it lies on, highest pixels first
 * (watershed by flooding). Where two hills meet, they are one object unless the pass between them is lower than the
 * lower summit by at least min_depth (its dynamics, Grimaud 1992) and at most neck times as high. */
UN_NODISCARD unet_status un_objects_find(
    un_objects *out, un_mem *mem, const uint8_t *map, un_shape size, const un_objects_options *opt, unet_error *err);
/* Objects that are known: id[pixel] is 0 or any number of its object, which need not hang together. They are numbered
 * anew, from 1 in the order of their first pixels. The largest number costs four bytes for each one below. */
UN_NODISCARD unet_status un_objects_given(
    un_objects *out, un_mem *mem, const int32_t *id, un_shape size, unet_error *err);
void un_objects_free(un_objects *o); /* NULL is fine; leaves an empty one */

/* Exact squared Euclidean distance of each pixel to the nearest pixel whose mask is 0 (Felzenszwalb and Huttenlocher,
 * "Distance transforms of sampled functions", Theory of Computing 8, 2012): one lower envelope of parabolas per line
 * and axis. What lies outside the picture is not background. No background at all: INFINITY everywhere. */
UN_NODISCARD unet_status un_distance_squared(float *out, un_mem *mem, un_pool *pool, const uint8_t *mask, un_shape size,
    const double spacing[3], unet_error *err);

#endif
