/* What the losses of the own class's probability share. Such a loss gets the logits z[c][TILE] of c classes and the own
 * class t of each pixel (-1: none, its results are not used), and leaves the gradient by the logits in z and the value
 * in loss; work: [c][TILE]. The driver (loss_pixel.c) calls it with the logits (0, z) for sigmoids and weighs by pixel
 * and class. */
#ifndef UN_KERNELS_ELEM_LOSS_PIXEL_H
#define UN_KERNELS_ELEM_LOSS_PIXEL_H

#include "kernels/elem/loss/loss.h"

typedef void pixel_fn(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss);

/* Of the own class: probability p, q = 1 - p without cancellation, lp = log p. */
typedef struct own_class {
    real p[TILE], q[TILE], lp[TILE];
} own_class;

/* z: logits -> probabilities. */
static inline void own_class_of(own_class *o, int c, const int32_t *t, real *restrict z)
{
    real max[TILE], sum[TILE], zt[TILE] = {0};

    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            zt[j] = t[j] == ch ? z[ch * TILE + j] : zt[j];
    un_tile_softmax(z, c, max, sum);
    for (int j = 0; j < TILE; j++)
        o->p[j] = o->q[j] = 0;
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++) {
            o->p[j] += t[j] == ch ? z[ch * TILE + j] : 0;
            o->q[j] += t[j] == ch ? 0 : z[ch * TILE + j];
        }
    for (int j = 0; j < TILE; j++) {
        const real near_one = un_rlog1p(-o->q[j]), far = zt[j] - max[j] - un_rlog(sum[j]);

        o->lp[j] = o->q[j] < (real)0.5 ? near_one : far;
    }
}

/* z: probabilities -> gradients by the logits, for d = p_t d loss / d p_t: dz_k = d ([k = t] - p_k). */
static inline void own_class_gradient(
    const own_class *o, int c, const int32_t *t, const real *restrict d, real *restrict z)
{
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            z[ch * TILE + j] = t[j] == ch ? d[j] * o->q[j] : -d[j] * z[ch * TILE + j];
}

#endif
