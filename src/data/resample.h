/* Resampling along axes, and the way from a file's grid to the network's and back. */
#ifndef UN_DATA_RESAMPLE_H
#define UN_DATA_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

/* src [size[0]][size[1]][size[2]][c] to dst [to[0]][to[1]][to[2]][c], pixel centres at (i + 0.5) * ratio.
 * Linear; where it makes smaller, the triangle is widened to the ratio, so that nothing is skipped. Equal
 * extents are copied exactly. */
UN_NODISCARD unet_status un_resample_linear(
    float *dst, const int to[3], const float *src, const int size[3], int c, un_mem *mem, unet_error *err);
size_t un_resample_room(const int to[3], const int size[3], int c); /* what it takes for a while (base/block.h) */
/* The same along one axis: weights for each of n_out pixels over n_in. */
typedef struct un_taps {
    int n_in, n_out, most;
    int *first, *count; /* [n_out] source pixels; one block: un_free(first) */
    float *weight;      /* [n_out][most] */
} un_taps;
UN_NODISCARD unet_status un_taps_create(un_taps *t, int n_in, int n_out, un_mem *mem, unet_error *err);
size_t un_taps_room(int n_in, int n_out); /* what it takes of a block */
/* [outer][n_in][inner] to [outer][n_out][inner]. */
void un_taps_apply(const un_taps *t, float *dst, const float *src, size_t outer, size_t inner);

/* The nearest pixel; elements of 1 or 4 bytes. */
void un_resample_nearest(void *dst, const int to[3], const void *src, const int size[3], int bytes);

/* How the picture that the network sees lies in the grid of the file. Axes are d, h, w. */
typedef struct un_grid {
    int file[3];       /* extents as stored                                              */
    int axis[3];       /* turned axis i is stored axis axis[i]                           */
    int flip[3];       /* 1: turned axis i runs against the stored one                   */
    int turned[3];     /* extents after turning                                          */
    int size[3];       /* extents after resampling: what the network sees                */
    double spacing[3]; /* of `size`                                                      */
} un_grid;

void un_grid_init(un_grid *g, int d, int h, int w);
/* Axes nearest to the world's: w to the patient's left-to-right axis x, h to y, d to z, all ascending. affine
 * as in un_image. */
void un_grid_turn(un_grid *g, const double affine[3][4]);
int un_grid_is_resampled(const un_grid *g); /* the network sees other pixels than the file's */

int un_grid_is_turned(const un_grid *g);

/* Where turned pixel (z, y, x) lies in the file: at the result + z*step[0] + y*step[1] + x*step[2]. */
size_t un_grid_place(const un_grid *g, ptrdiff_t step[3]);

/* Copies elements of `bytes` bytes from the file's order into the turned one. */
void un_grid_copy(const un_grid *g, void *dst, const void *src, int bytes);

#endif
