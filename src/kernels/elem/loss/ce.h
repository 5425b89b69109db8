/* Cross-entropy: -log p_t of each pixel. With smoothing e and C classes the target distribution is (1-e) one-hot + e/C,
 * each class weighted by cw (PyTorch's cross_entropy); binary is the case C = 2 with logits (0, z); a channel of the
 * multilabel form is a binary problem. pos_weight multiplies the part of the positive class in the sigmoid forms. */
#ifndef UN_KERNELS_ELEM_LOSS_CE_H
#define UN_KERNELS_ELEM_LOSS_CE_H

#include "kernels/elem/loss/loss.h"

/* z[c][TILE] logits -> gradients of the pixel losses, unweighted; loss of each pixel. */
static inline void ce_softmax(const un_loss_args *a, const int32_t *t, real *restrict z, real *restrict loss)
{
    int c = a->logits.c;
    real hard = (real)(1 - a->smoothing), soft = (real)(a->smoothing / c), soft_total = 0;
    real lse[TILE], max[TILE], sum[TILE], own[TILE], zt[TILE], total[TILE];

    for (int ch = 0; ch < c; ch++)
        soft_total += soft * un_class_weight(a, ch);
    for (int j = 0; j < TILE; j++)
        zt[j] = own[j] = loss[j] = 0;
    for (int ch = 0; ch < c; ch++) {
        const real k = hard * un_class_weight(a, ch);

        for (int j = 0; j < TILE; j++) { /* all is read, so that no branch waits for the target */
            const real logit = z[ch * TILE + j], before = zt[j], weight = own[j];

            zt[j] = t[j] == ch ? logit : before;
            own[j] = t[j] == ch ? k : weight;
        }
    }
    for (int j = 0; j < TILE; j++)
        total[j] = own[j] + soft_total;
    if (soft != 0) { /* sum of soft cw (max - z), completed below */
        for (int j = 0; j < TILE; j++)
            max[j] = z[j];
        for (int ch = 1; ch < c; ch++)
            for (int j = 0; j < TILE; j++)
                max[j] = z[ch * TILE + j] > max[j] ? z[ch * TILE + j] : max[j];
        for (int ch = 0; ch < c; ch++) {
            real k = soft * un_class_weight(a, ch);

            for (int j = 0; j < TILE; j++)
                loss[j] += k * (max[j] - z[ch * TILE + j]);
        }
    }
    un_tile_softmax(z, c, max, sum);
    for (int j = 0; j < TILE; j++) {
        lse[j] = un_rlog(sum[j]);
        loss[j] += own[j] * (max[j] - zt[j]) + total[j] * lse[j];
    }
    for (int ch = 0; ch < c; ch++) {
        real k = soft * un_class_weight(a, ch);

        for (int j = 0; j < TILE; j++)
            z[ch * TILE + j] = z[ch * TILE + j] * total[j] - k - (t[j] == ch ? own[j] : 0);
    }
}

/* One logit row: loss += one (-log p) + zero (-log (1-p)); z becomes the gradient. */
static inline void ce_row(real *restrict z, const real *restrict one, const real *restrict zero, real *restrict loss)
{
    for (int j = 0; j < TILE; j++) {
        real v = z[j], m = v < 0 ? -v : v, e = un_rexp(-m), big = 1 / (1 + e), small = e * big;
        real p = v < 0 ? small : big, q = v < 0 ? big : small;

        loss[j] += one[j] * (v < 0 ? m : 0) + zero[j] * (v < 0 ? 0 : m) + (one[j] + zero[j]) * un_rlog1p(e);
        z[j] = zero[j] * p - one[j] * q;
    }
}

/* One channel of the sigmoid forms, class weight within: loss += its loss; z becomes the gradient. */
static inline void ce_channel(
    const un_loss_args *a, int64_t i, int count, int ch, const int32_t *t, real *z, real *loss)
{
    const real hard = (real)(1 - a->smoothing), half = (real)(a->smoothing / 2), positive = (real)a->pos_weight;
    real w1 = un_class_weight(a, ch), w0 = w1, one[TILE], zero[TILE], soft[TILE];

    if (a->form == UN_LOSS_BINARY) {
        w0 = un_class_weight(a, 0);
        w1 = un_class_weight(a, 1);
        for (int j = 0; j < TILE; j++)
            soft[j] = t[j] == 1 ? 1 : 0;
    } else {
        un_tile_soft(a, i, count, ch, soft);
    }
    for (int j = 0; j < TILE; j++) {
        one[j] = positive * w1 * (hard * soft[j] + half);
        zero[j] = w0 * (hard * (1 - soft[j]) + half);
    }
    ce_row(z, one, zero, loss);
}

static inline void ce_sigmoids(const un_loss_args *a, int64_t i, int count, const int32_t *t, real *z, real *loss)
{
    for (int j = 0; j < TILE; j++)
        loss[j] = 0;
    for (int ch = 0; ch < a->logits.c; ch++)
        ce_channel(a, i, count, ch, t, z + ch * TILE, loss);
}

#endif
