/* Artefacts of scanners, weather and files on the values of a patch, in place: float v[d][h][w][c];
 * size: d, h, w. lo, hi, mean: of each channel over the whole picture. Randomness comes from the caller. */
#ifndef UN_DATA_ARTEFACT_H
#define UN_DATA_ARTEFACT_H

#include <stddef.h>
#include <stdint.h>

/* v = lo + (v - lo) exp(f), f a polynomial of third degree in the position (-1..1 along each axis): the coefficients of
 * z^i y^j x^k, i + j + k up to 3, without the constant, in the order of i, j, k. */
enum { UN_BIAS_TERMS = 19 };
void un_bias_apply(const double coefficient[UN_BIAS_TERMS], const double *lo, float *v, const int size[3], int c);

/* Every n-th line of k-space weaker by gain, but for the mean: v - gain / n sum over j of v shifted by j / n of the
 * extent along the axis (1: h, 2: w), which is the same (Barker and others call it N/2 ghosts at n = 2). */
void un_ghosts_apply(
    int axis, int n, double gain, const double *mean, float *v, const int size[3], int c, float *spare);

/* plane[h][w] += amplitude cos(2 pi (fy y / h + fx x / w + phase)). row: 2 w floats. */
void un_wave_add(float *plane, int h, int w, double fy, double fx, double phase, double amplitude, float *row);

/* A thin layer over the picture: the convex polygon of the pixels y, x that lie outside none of its sides; they are
 * from + dy y + dx x pixels outside of each (dy, dx of length 1). */
enum { UN_LAYER_SIDES = 9 };
typedef struct un_layer {
    int sides;
    float from[UN_LAYER_SIDES], dy[UN_LAYER_SIDES], dx[UN_LAYER_SIDES], opacity;
} un_layer;
/* plane[h][w], what still shines through, times 1 - opacity inside; the edge is a pixel wide. */
void un_layer_cover(const un_layer *l, float *plane, int h, int w);

/* Each slice through the quantisation of baseline JPEG at `quality` (1..100): 8 x 8 DCT, tables of ITU-T T.81 annex K,
 * three channels as YCbCr without subsampling, lo..hi as 0..255. */
void un_jpeg_apply(double quality, const double *lo, const double *hi, float *v, const int size[3], int c);

#endif
