/* Stochastic gradient descent: m = mu m + g; w -= lr (g + mu m if nesterov, else m). Without momentum m is not touched.
 */
#ifndef UN_KERNELS_ELEM_OPTIM_SGD_H
#define UN_KERNELS_ELEM_OPTIM_SGD_H

#include "kernels/elem/optim/optim.h"

static inline void optim_sgd(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const real mu = (real)a->momentum, lr = (real)s.lr;
    real *restrict w = a->w, *restrict m = a->m;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep;
        real d = optim_gradient(&s, g[i], wi);

        if (mu != 0) {
            const real v = mu * m[i] + d;

            m[i] = v;
            d = a->nesterov ? d + mu * v : v;
        }
        w[i] = wi - lr * d;
    }
}

#endif
