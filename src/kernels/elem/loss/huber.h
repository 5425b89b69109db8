/* Huber loss (Huber 1964) of the probabilities: beta times the mean over the classes of h(p_k - y_k), h(d) = d^2 / 2
 * for |d| <= delta, else delta (|d| - delta / 2). Smooth L1 (Girshick 2015) has beta = 1 / delta. */
#ifndef UN_KERNELS_ELEM_LOSS_HUBER_H
#define UN_KERNELS_ELEM_LOSS_HUBER_H

#include "kernels/elem/loss/pixel.h"

static void loss_huber(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss)
{
    const real delta = (real)a->delta, scale = (real)a->beta / (real)c;
    real max[TILE], sum[TILE], dot[TILE] = {0};

    un_tile_softmax(z, c, max, sum);
    for (int j = 0; j < TILE; j++)
        loss[j] = 0;
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++) {
            const real p = z[ch * TILE + j], e = p - (t[j] == ch ? 1 : 0), m = e < 0 ? -e : e;
            const real slope = m <= delta ? e : e < 0 ? -delta : delta;

            loss[j] += scale * (m <= delta ? (real)0.5 * e * e : delta * (m - (real)0.5 * delta));
            work[ch * TILE + j] = scale * slope;
            dot[j] += scale * slope * p;
        }
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            z[ch * TILE + j] *= work[ch * TILE + j] - dot[j];
}

#endif
