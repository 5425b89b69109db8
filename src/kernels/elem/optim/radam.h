/* RAdam (Liu 2020): Adam whose step is scaled by how well v is known, r_t; while it is hardly known (rho_t <= 5, the
 * first steps) w -= lr m'. rho = 2 / (1 - beta2) - 1, rho_t = rho - 2 t beta2^t / (1 - beta2^t), r_t^2 = (rho_t - 4)
 * (rho_t - 2) rho / ((rho - 4) (rho - 2) rho_t). */
#ifndef UN_KERNELS_ELEM_OPTIM_RADAM_H
#define UN_KERNELS_ELEM_OPTIM_RADAM_H

#include "kernels/elem/optim/optim.h"

/* 0: v is not used yet; else r_t sqrt(1 - beta2^t). */
static inline double radam_factor(double beta2, double t)
{
    const double power = un_pow(beta2, t), most = 2 / (1 - beta2) - 1, rho = most - 2 * t * power / (1 - power);

    return rho > 5 ? un_sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho) * (1 - power)) : 0;
}

static inline void optim_radam(const un_optim_args *a, int64_t i, int64_t end)
{
    const optim_step s = optim_step_of(a);
    const double t = (double)a->hyper->step;
    const real b1 = (real)(1 - a->beta1), b2 = (real)a->beta2, b2c = (real)(1 - a->beta2), eps = (real)a->eps;
    const real step = (real)(s.lr / (1 - un_pow(a->beta1, t))), factor = (real)radam_factor(a->beta2, t);
    real *restrict w = a->w, *restrict m = a->m, *restrict v = a->v;
    const real *restrict g = a->g;

    for (; i < end; i++) {
        const real wi = w[i] * s.keep, d = optim_gradient(&s, g[i], wi), mi = m[i] + (d - m[i]) * b1;
        const real vi = v[i] * b2 + b2c * d * d;

        m[i] = mi;
        v[i] = vi;
        w[i] = wi - step * mi * (factor > 0 ? factor / (un_rroot(vi) + eps) : 1);
    }
}

#endif
