/* AMSGrad (Reddi 2018): Adam with x, the largest v so far, in the place of v. */
#ifndef UN_KERNELS_ELEM_OPTIM_AMSGRAD_H
#define UN_KERNELS_ELEM_OPTIM_AMSGRAD_H

#include "kernels/elem/optim/optim.h"

static inline void optim_amsgrad(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const double t = (double)a->hyper->step;
    const real b1 = (real)(1 - a->beta1), b2 = (real)a->beta2, b2c = (real)(1 - a->beta2), eps = (real)a->eps;
    const real step = (real)(s.lr / (1 - un_pow(a->beta1, t))), root = (real)un_sqrt(1 - un_pow(a->beta2, t));
    real *restrict w = a->w, *restrict m = a->m, *restrict v = a->v, *restrict x = a->x;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep, d = optim_gradient(&s, g[i], wi), mi = m[i] + (d - m[i]) * b1;
        const real vi = v[i] * b2 + b2c * d * d, xi = vi > x[i] ? vi : x[i];

        m[i] = mi;
        v[i] = vi;
        x[i] = xi;
        w[i] = wi - step * (mi / (un_rroot(xi) / root + eps));
    }
}

#endif
