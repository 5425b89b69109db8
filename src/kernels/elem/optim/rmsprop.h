/* RMSprop (Tieleman and Hinton 2012): v decaying mean of g^2 (beta2); d = g / (sqrt(v) + eps), or with the variance
 * v - x^2 about the mean x of g when centred; w -= lr d, or lr m with m = momentum m + d. m and x are touched only
 * where they are in use. */
#ifndef UN_KERNELS_ELEM_OPTIM_RMSPROP_H
#define UN_KERNELS_ELEM_OPTIM_RMSPROP_H

#include "kernels/elem/optim/optim.h"

static inline void optim_rmsprop(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const real b2 = (real)a->beta2, b2c = (real)(1 - a->beta2), eps = (real)a->eps;
    const real mu = (real)a->momentum, lr = (real)s.lr;
    real *restrict w = a->w, *restrict m = a->m, *restrict v = a->v, *restrict x = a->x;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep, d = optim_gradient(&s, g[i], wi), vi = v[i] * b2 + b2c * d * d;
        real root = vi, by;

        v[i] = vi;
        if (a->centred) {
            const real xi = x[i] + (d - x[i]) * b2c, rest = vi - xi * xi;

            x[i] = xi;
            root = rest > 0 ? rest : 0; /* rounding */
        }
        by = d / (un_rroot(root) + eps);
        if (mu != 0)
            m[i] = by = mu * m[i] + by;
        w[i] = wi - lr * by;
    }
}

#endif
