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

/* t[c][TILE] = pixels i..i+count-1; the rest of the tile is 0. */
static inline void un_tile_load(const un_view *v, int64_t i, int count, real *restrict t)
{
    real *px[TILE];
    int c = v->c;

    un_px_list(v, i, count, px);
    for (int ch = 0; ch < c; ch++) {
        real *row = t + ch * TILE;

        for (int j = 0; j < count; j++)
            row[j] = px[j][ch];
        for (int j = count; j < TILE; j++)
            row[j] = 0;
    }
}

static inline void un_tile_store(const un_view *v, int64_t i, int count, const real *restrict t, int add)
{
    real *px[TILE];
    int c = v->c;

    un_px_list(v, i, count, px);
    for (int ch = 0; ch < c; ch++) {
        const real *row = t + ch * TILE;

        if (add)
            for (int j = 0; j < count; j++)
                px[j][ch] += row[j];
        else
            for (int j = 0; j < count; j++)
                px[j][ch] = row[j];
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
