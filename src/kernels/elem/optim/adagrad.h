/* Adagrad (Duchi 2011): v sum of all g^2; w -= lr g / (sqrt(v) + eps). */
#ifndef UN_KERNELS_ELEM_OPTIM_ADAGRAD_H
#define UN_KERNELS_ELEM_OPTIM_ADAGRAD_H

#include "kernels/elem/optim/optim.h"

static inline void optim_adagrad(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const real eps = (real)a->eps, lr = (real)s.lr;
    real *restrict w = a->w, *restrict v = a->v;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep, d = optim_gradient(&s, g[i], wi), vi = v[i] + d * d;

        v[i] = vi;
        w[i] = wi - lr * (d / (un_rroot(vi) + eps));
    }
}

#endif
