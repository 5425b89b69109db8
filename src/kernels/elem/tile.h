/* Kernels that need all channels of a pixel at once (softmax, losses) work on tiles of TILE pixels with the
 * pixel index innermost, [c][TILE], so that their loops vectorise over pixels however few channels there are.
 */
#ifndef UN_KERNELS_ELEM_TILE_H
#define UN_KERNELS_ELEM_TILE_H

#include "kernels/args.h"
#include "kernels/elem/walk.h"

enum { TILE = 64, LANES = 8 };

/* Tiles of a block; tasks are blocks of so many pixels that UN_TASK_ELEMENTS are touched. */
static inline int64_t un_tile_block(const un_view *v)
{
    return (int64_t)un_round_up((size_t)un_block_pixels(v), TILE);
}

/* t[c][TILE] = `count` pixels, sw apart. Two channels side by side, the most frequent case, are whole vectors. */
static inline void un_tile_gather(const real *restrict p, ptrdiff_t sw, int c, int count, real *restrict t)
{
    if (c == 2 && sw == 2)
        for (int j = 0; j < count; j++) {
            t[j] = p[2 * j];
            t[TILE + j] = p[2 * j + 1];
        }
    else
        for (int ch = 0; ch < c; ch++)
            for (int j = 0; j < count; j++)
                t[ch * TILE + j] = p[j * sw + ch];
}

static inline void un_tile_scatter(real *restrict p, ptrdiff_t sw, int c, int count, const real *restrict t, int add)
{
    if (c == 2 && sw == 2 && !add)
        for (int j = 0; j < count; j++) {
            p[2 * j] = t[j];
            p[2 * j + 1] = t[TILE + j];
        }
    else
        for (int ch = 0; ch < c; ch++)
            for (int j = 0; j < count; j++)
                p[j * sw + ch] = add ? p[j * sw + ch] + t[ch * TILE + j] : t[ch * TILE + j];
}

/* t[c][TILE] = pixels i..i+count-1; the rest of the tile is 0. */
static inline void un_tile_load(const un_view *v, int64_t i, int count, real *t)
{
    for (int at = 0, run; at < count; at += run) {
        run = (int)un_run(v, i + at, count - at);
        un_tile_gather(un_px(v, i + at), v->sw, v->c, run, t + at);
    }
    for (int ch = 0; ch < v->c; ch++)
        for (int j = count; j < TILE; j++)
            t[ch * TILE + j] = 0;
}

static inline void un_tile_store(const un_view *v, int64_t i, int count, const real *t, int add)
{
    for (int at = 0, run; at < count; at += run) {
        run = (int)un_run(v, i + at, count - at);
        un_tile_scatter(un_px(v, i + at), v->sw, v->c, run, t + at, add);
    }
}

/* t = softmax over the c rows; max and sum (of exp(t - max)) of each pixel. */
static inline void un_tile_softmax(real *restrict t, int c, real *restrict max, real *restrict sum)
{
    for (int j = 0; j < TILE; j++) {
        max[j] = t[j];
        sum[j] = 0;
    }
    for (int ch = 1; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            max[j] = t[ch * TILE + j] > max[j] ? t[ch * TILE + j] : max[j];
    for (int ch = 0; ch < c; ch++) {
        real *row = t + ch * TILE;

        for (int j = 0; j < TILE; j++) {
            row[j] = un_rexp(row[j] - max[j]);
            sum[j] += row[j];
        }
    }
    for (int ch = 0; ch < c; ch++) {
        real *row = t + ch * TILE;

        for (int j = 0; j < TILE; j++)
            row[j] /= sum[j];
    }
}

/* acc[LANES] += the values of a tile row, in double and in an order of its own. */
static inline void un_tile_fold(double *restrict acc, const real *restrict v)
{
    for (int j = 0; j < TILE; j += LANES)
        for (int l = 0; l < LANES; l++)
            acc[l] += v[j + l];
}

static inline double un_lanes_sum(const double *acc)
{
    return ((acc[0] + acc[4]) + (acc[1] + acc[5])) + ((acc[2] + acc[6]) + (acc[3] + acc[7]));
}

#endif
