/* Focal loss (Lin 2017): a_t (1 - p_t)^gamma (-log p_t); a_t = alpha for foreground classes, 1 - alpha for class 0, or
 * 1 where alpha is negative. */
#ifndef UN_KERNELS_ELEM_LOSS_FOCAL_H
#define UN_KERNELS_ELEM_LOSS_FOCAL_H

#include "kernels/elem/loss/pixel.h"

static void loss_focal(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss)
{
    const real gamma = (real)a->gamma, alpha = (real)un_loss_own_alpha(a);
    own_class o;
    real d[TILE];

    (void)work;
    own_class_of(&o, c, t, z);
    for (int j = 0; j < TILE; j++) {
        const real at = alpha < 0 ? 1 : t[j] > 0 ? alpha : 1 - alpha;
        const real power = un_rpow(o.q[j], gamma), below = un_rpow(o.q[j], gamma - 1);

        loss[j] = -at * power * o.lp[j];
        d[j] = at * (gamma * o.p[j] * below * o.lp[j] - power);
    }
    own_class_gradient(&o, c, t, d, z);
}

#endif
