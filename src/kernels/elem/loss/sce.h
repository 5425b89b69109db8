/* Symmetric cross-entropy (Wang 2019): alpha (-log p_t) + beta delta (1 - p_t); delta stands for -log 0. */
#ifndef UN_KERNELS_ELEM_LOSS_SCE_H
#define UN_KERNELS_ELEM_LOSS_SCE_H

#include "kernels/elem/loss/pixel.h"

static void loss_sce(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss)
{
    const real alpha = (real)un_loss_alpha(a), reverse = (real)(a->beta * a->delta);
    own_class o;
    real d[TILE];

    (void)work;
    own_class_of(&o, c, t, z);
    for (int j = 0; j < TILE; j++) {
        loss[j] = reverse * o.q[j] - alpha * o.lp[j];
        d[j] = -alpha - reverse * o.p[j];
    }
    own_class_gradient(&o, c, t, d, z);
}

#endif
