/* What cameras and scanners do to the values of a patch, in place: float v[d][h][w][c]. spare: as large as the patch.
 */
#ifndef UN_DATA_DEGRADE_H
#define UN_DATA_DEGRADE_H

#include <stddef.h>
#include <stdint.h>

/* Deviation (px) of the blur whose loss sharpening adds. */
#define UN_SHARPEN_PX 1.0

/* A small kernel in the plane: at most UN_STENCIL pixels, weights of sum 1. */
enum { UN_STENCIL = 1024 };
typedef struct un_stencil {
    int n, dy[UN_STENCIL], dx[UN_STENCIL];
    float weight[UN_STENCIL];
} un_stencil;
/* A line of `length` px (up to 100) that passes through the middle, turned by `turns` of a full turn. */
void un_stencil_line(un_stencil *t, double length, double turns);
/* A disc of `radius` px (up to 15) with soft edges. */
void un_stencil_disc(un_stencil *t, double radius);
/* Each slice with the kernel, mirrored at the edges; a kernel of one pixel changes nothing. */
void un_stencil_apply(const un_stencil *t, float *v, const int size[3], int c, float *spare);

/* Down to factor[axis] (0..1) of the pixels by the nearest, and up again linearly; 1: that axis stays. */
void un_lowres_apply(float *v, const int size[3], int c, const double factor[3], float *spare);

#endif
