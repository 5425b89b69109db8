/* Lion (Chen 2023): w -= lr sign(beta1 m + (1 - beta1) g), then m = beta2 m + (1 - beta2) g. */
#ifndef UN_KERNELS_ELEM_OPTIM_LION_H
#define UN_KERNELS_ELEM_OPTIM_LION_H

#include "kernels/elem/optim/optim.h"

static inline void optim_lion(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const real b1 = (real)a->beta1, b1c = (real)(1 - a->beta1), b2 = (real)a->beta2, b2c = (real)(1 - a->beta2);
    const real lr = (real)s.lr;
    real *restrict w = a->w, *restrict m = a->m;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep, d = optim_gradient(&s, g[i], wi);

        w[i] = wi - lr * optim_sign(b1 * m[i] + b1c * d);
        m[i] = b2 * m[i] + b2c * d;
    }
}

#endif
