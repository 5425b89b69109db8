/* LAMB (You 2020): u = m' / (sqrt(v') + eps) + decay w with Adam's moments; w -= lr u |w| / |u|, norms of the whole
 * tensor, the quotient 1 where either is 0 or the tensor is not adapted. Three phases: moments and norms of a task;
 * their sums, in the order of the tasks; the step. Decay that is coupled is in the gradient, as in the other kinds. */
#ifndef UN_KERNELS_ELEM_OPTIM_LAMB_H
#define UN_KERNELS_ELEM_OPTIM_LAMB_H

#include "kernels/elem/optim/optim.h"

typedef struct lamb_step {
    real first, second, eps, decay; /* first, second: bias corrections */
} lamb_step;

static inline lamb_step lamb_step_of(const un_optim_args *a)
{
    const double t = (double)a->hyper->step;

    return (lamb_step){(real)(1 / (1 - un_pow(a->beta1, t))), (real)(1 / (1 - un_pow(a->beta2, t))), (real)a->eps,
        (real)(a->decoupled ? a->weight_decay : 0)};
}

static inline real lamb_direction(const lamb_step *l, real m, real v, real w)
{
    return m * l->first / (un_rroot(v * l->second) + l->eps) + l->decay * w;
}

/* New moments; sum[0] = |w|^2, sum[1] = |u|^2 of the task. */
static inline void lamb_moments(const un_optim_args *a, int64_t i, int64_t end, double *sum)
{
    const optim_step s = optim_step_of(a);
    const lamb_step l = lamb_step_of(a);
    const real b1 = (real)(1 - a->beta1), b2 = (real)a->beta2, b2c = (real)(1 - a->beta2);
    const real *restrict w = a->w, *restrict g = a->g;
    real *restrict m = a->m, *restrict v = a->v;
    double ww = 0, uu = 0;

    for (; i < end; i++) {
        const real d = optim_gradient(&s, g[i], w[i]), mi = m[i] + (d - m[i]) * b1, vi = v[i] * b2 + b2c * d * d;
        const double u = (double)lamb_direction(&l, mi, vi, w[i]);

        m[i] = mi;
        v[i] = vi;
        ww += (double)w[i] * (double)w[i];
        uu += u * u;
    }
    sum[0] = ww;
    sum[1] = uu;
}

static inline double lamb_quotient(const double *sum)
{
    return sum[0] > 0 && sum[1] > 0 ? un_sqrt(sum[0] / sum[1]) : 1;
}

static inline void lamb_apply(const un_optim_args *a, int64_t i, int64_t end, double quotient)
{
    const lamb_step l = lamb_step_of(a);
    const real lr = (real)(a->hyper->lr * a->lr_mult * (a->adapt ? quotient : 1));
    real *restrict w = a->w;
    const real *restrict m = a->m, *restrict v = a->v;

    for (; i < end; i++)
        w[i] -= lr * lamb_direction(&l, m[i], v[i], w[i]);
}

#endif
