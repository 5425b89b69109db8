/* Adam (Kingma and Ba 2015) and AdamW (decoupled decay): m, v decaying means of g and g^2, bias-corrected;
 * w -= lr m' / (sqrt(v') + eps). */
#ifndef UN_KERNELS_ELEM_OPTIM_ADAM_H
#define UN_KERNELS_ELEM_OPTIM_ADAM_H

#include "kernels/elem/optim/optim.h"

static inline void optim_adam(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const double t = (double)a->hyper->step;
    const real b1 = (real)(1 - a->beta1), b2 = (real)a->beta2, b2c = (real)(1 - a->beta2), eps = (real)a->eps;
    const real step = (real)(s.lr / (1 - un_pow(a->beta1, t))), root = (real)un_sqrt(1 - un_pow(a->beta2, t));
    real *restrict w = a->w, *restrict m = a->m, *restrict v = a->v;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep, d = optim_gradient(&s, g[i], wi), mi = m[i] + (d - m[i]) * b1;
        const real vi = v[i] * b2 + b2c * d * d;

        m[i] = mi;
        v[i] = vi;
        w[i] = wi - step * (mi / (un_rroot(vi) / root + eps));
    }
}

#endif
