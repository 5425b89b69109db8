/* NAdam (Dozat 2016): Adam with Nesterov's momentum, whose mu_t = beta1 (1 - 0.96^(0.004 t) / 2) rises over the steps:
 * w -= lr ((1 - mu_t) g / (1 - product of mu) + mu_(t+1) m / (1 - that product mu_(t+1))) / (sqrt(v') + eps). */
#ifndef UN_KERNELS_ELEM_OPTIM_NADAM_H
#define UN_KERNELS_ELEM_OPTIM_NADAM_H

#include "kernels/elem/optim/optim.h"

static inline void optim_nadam(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const un_hyper *h = a->hyper;
    const real b1 = (real)(1 - a->beta1), b2 = (real)a->beta2, b2c = (real)(1 - a->beta2), eps = (real)a->eps;
    const real correct = (real)(1 / (1 - un_pow(a->beta2, (double)h->step)));
    const real now = (real)(s.lr * (1 - h->mu) / (1 - h->mu_product));
    const real ahead = (real)(s.lr * h->mu_next / (1 - h->mu_product * h->mu_next));
    real *restrict w = a->w, *restrict m = a->m, *restrict v = a->v;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep, d = optim_gradient(&s, g[i], wi), mi = m[i] + (d - m[i]) * b1;
        const real vi = v[i] * b2 + b2c * d * d, root = un_rroot(vi * correct) + eps;

        m[i] = mi;
        v[i] = vi;
        w[i] = wi - now * d / root - ahead * mi / root;
    }
}

#endif
