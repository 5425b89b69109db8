/* Generalised cross-entropy (Zhang and Sabuncu 2018): (1 - p_t^q) / q. */
#ifndef UN_KERNELS_ELEM_LOSS_GCE_H
#define UN_KERNELS_ELEM_LOSS_GCE_H

#include "kernels/elem/loss/pixel.h"

static void loss_gce(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss)
{
    const real q = (real)a->q;
    own_class o;
    real d[TILE];

    (void)work;
    own_class_of(&o, c, t, z);
    for (int j = 0; j < TILE; j++) {
        loss[j] = -un_rexpm1(q * o.lp[j]) / q;
        d[j] = -un_rexp(q * o.lp[j]);
    }
    own_class_gradient(&o, c, t, d, z);
}

#endif
