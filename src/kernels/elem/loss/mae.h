/* Mean absolute error of the probabilities (Ghosh 2017): the mean of |p_k - y_k| over the C classes is 2/C (1 - p_t).
 */
#ifndef UN_KERNELS_ELEM_LOSS_MAE_H
#define UN_KERNELS_ELEM_LOSS_MAE_H

#include "kernels/elem/loss/pixel.h"

static void loss_mae(
    const un_loss_args *a, int c, const int32_t *t, real *restrict z, real *restrict work, real *restrict loss)
{
    const real scale = (real)2 / (real)c;
    own_class o;
    real d[TILE];

    (void)a, (void)work;
    own_class_of(&o, c, t, z);
    for (int j = 0; j < TILE; j++) {
        loss[j] = scale * o.q[j];
        d[j] = -scale * o.p[j];
    }
    own_class_gradient(&o, c, t, d, z);
}

#endif
