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

/* ---- what the losses share ---- */

/* Target classes and weights of the pixels of a tile. A pixel that counts for nothing has weight 0: ignored
 * (-1, or no class of the network), of weight 0, or past the end. */
static inline void un_tile_target(const un_loss_args *a, int64_t i, int count, int32_t *restrict t, real *restrict w)
{
    int classes = a->form == UN_LOSS_BINARY ? 2 : a->form == UN_LOSS_SOFTMAX ? a->logits.c : INT32_MAX;

    for (int j = 0; j < TILE; j++) {
        t[j] = j < count && a->target ? a->target[i + j] : 0;
        w[j] = j < count ? 1 : 0;
    }
    if (a->pixel_weight)
        for (int j = 0; j < count; j++)
            w[j] = (real)a->pixel_weight[i + j];
    for (int j = 0; j < TILE; j++)
        w[j] = (t[j] >= 0) & (t[j] < classes) ? w[j] : 0;
}

/* Multi-hot targets of channel ch. */
static inline void un_tile_soft(const un_loss_args *a, int64_t i, int count, int ch, real *restrict t)
{
    for (int j = 0; j < count; j++)
        t[j] = (real)a->soft[(i + j) * a->logits.c + ch];
    for (int j = count; j < TILE; j++)
        t[j] = 0;
}

static inline real un_class_weight(const un_loss_args *a, int class)
{
    return a->class_weight ? (real)a->class_weight[class] : 1;
}

#endif
