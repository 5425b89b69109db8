/* Bootstrapped cross-entropy (Reed 2015): the label is mixed with what the network thinks.
 *   soft  beta (-log p_t) + (1 - beta) (-sum_k p_k log p_k)
 *   hard  beta (-log p_t) + (1 - beta) (-log p_m), m the most probable class, the first of equals */
#ifndef UN_KERNELS_ELEM_LOSS_BOOTSTRAP_H
#define UN_KERNELS_ELEM_LOSS_BOOTSTRAP_H

#include "kernels/elem/loss/pixel.h"

/* z: logits -> probabilities; lp: their logarithms. */
static inline void log_probabilities(int c, real *restrict z, real *restrict lp)
{
    real max[TILE], sum[TILE], shift[TILE];

    for (int k = 0; k < c * TILE; k++)
        lp[k] = z[k];
    un_tile_softmax(z, c, max, sum);
    for (int j = 0; j < TILE; j++)
        shift[j] = max[j] + un_rlog(sum[j]);
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            lp[ch * TILE + j] -= shift[j];
}

static void loss_bootstrap_soft(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss)
{
    const real beta = (real)a->beta, rest = (real)(1 - a->beta);
    real entropy[TILE] = {0};

    log_probabilities(c, z, work);
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            entropy[j] -= z[ch * TILE + j] * work[ch * TILE + j];
    for (int j = 0; j < TILE; j++)
        loss[j] = rest * entropy[j];
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++) {
            const real p = z[ch * TILE + j], lp = work[ch * TILE + j];

            loss[j] -= t[j] == ch ? beta * lp : 0;
            z[ch * TILE + j] = beta * (p - (t[j] == ch ? 1 : 0)) - rest * p * (lp + entropy[j]);
        }
}

static void loss_bootstrap_hard(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss)
{
    const real beta = (real)a->beta, rest = (real)(1 - a->beta);
    int32_t best[TILE] = {0};
    real top[TILE];

    log_probabilities(c, z, work);
    for (int j = 0; j < TILE; j++)
        top[j] = work[j];
    for (int ch = 1; ch < c; ch++)
        for (int j = 0; j < TILE; j++) {
            best[j] = work[ch * TILE + j] > top[j] ? ch : best[j];
            top[j] = work[ch * TILE + j] > top[j] ? work[ch * TILE + j] : top[j];
        }
    for (int j = 0; j < TILE; j++)
        loss[j] = -rest * top[j];
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++) {
            loss[j] -= t[j] == ch ? beta * work[ch * TILE + j] : 0;
            z[ch * TILE + j] -= (t[j] == ch ? beta : 0) + (best[j] == ch ? rest : 0);
        }
}

#endif
