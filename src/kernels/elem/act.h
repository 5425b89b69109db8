/* Activations and their derivatives by the input, for template sources. At the kinks the derivative is
 * PyTorch's. GELU is exact: x Phi(x) (Hendrycks & Gimpel 2016); SiLU x sigmoid(x); ELU a (e^x - 1) below 0.
 */
#ifndef UN_KERNELS_ELEM_ACT_H
#define UN_KERNELS_ELEM_ACT_H

#include "kernels/args.h"
#include "kernels/elem/real.h"

static inline __attribute__((always_inline)) real un_act_of(real v, int act, real slope)
{
    switch (act) {
    case UN_ACT_RELU:
        return v < 0 ? 0 : v; /* in this order NaN stays NaN */
    case UN_ACT_LEAKY_RELU:
        return v > 0 ? v : v * slope;
    case UN_ACT_ELU: {
        real e = slope * un_rexpm1(v > 0 ? 0 : v);

        return v > 0 ? v : e;
    }
    case UN_ACT_GELU:
        return (real)0.5 * v * (1 + un_rerf(v * (real)0.70710678118654752));
    case UN_ACT_SILU:
        return v * un_rsigmoid(v);
    case UN_ACT_SIGMOID:
        return un_rsigmoid(v);
    case UN_ACT_TANH:
        return un_rtanh(v);
    case UN_ACT_RELU6: {
        real low = v < 0 ? 0 : v;

        return low > 6 ? 6 : low;
    }
    default:
        return v;
    }
}

static inline __attribute__((always_inline)) real un_act_slope(real v, int act, real slope)
{
    switch (act) {
    case UN_ACT_RELU:
        return v > 0 ? 1 : 0;
    case UN_ACT_LEAKY_RELU:
        return v > 0 ? 1 : slope;
    case UN_ACT_ELU: {
        real e = slope * un_rexp(v > 0 ? 0 : v);

        return v > 0 ? 1 : e;
    }
    case UN_ACT_GELU: {
        real cdf = (real)0.5 * (1 + un_rerf(v * (real)0.70710678118654752));

        return cdf + v * (real)0.39894228040143268 * un_rexp((real)-0.5 * v * v);
    }
    case UN_ACT_SILU: {
        real s = un_rsigmoid(v);

        return s * (1 + v * (1 - s));
    }
    case UN_ACT_SIGMOID: {
        real s = un_rsigmoid(v);

        return s * (1 - s);
    }
    case UN_ACT_TANH: {
        real t = un_rtanh(v);

        return 1 - t * t;
    }
    case UN_ACT_RELU6:
        return (v > 0) & (v < 6) ? 1 : 0;
    default:
        return 1;
    }
}

/* Runs CASE(act) with the activation as a constant, so that each loop is compiled for its activation. */
#define UN_ACT_SWITCH(act, CASE)                                                                                       \
    switch (act) {                                                                                                     \
    case UN_ACT_RELU:                                                                                                  \
        CASE(UN_ACT_RELU);                                                                                             \
        break;                                                                                                         \
    case UN_ACT_LEAKY_RELU:                                                                                            \
        CASE(UN_ACT_LEAKY_RELU);                                                                                       \
        break;                                                                                                         \
    case UN_ACT_ELU:                                                                                                   \
        CASE(UN_ACT_ELU);                                                                                              \
        break;                                                                                                         \
    case UN_ACT_GELU:                                                                                                  \
        CASE(UN_ACT_GELU);                                                                                             \
        break;                                                                                                         \
    case UN_ACT_SILU:                                                                                                  \
        CASE(UN_ACT_SILU);                                                                                             \
        break;                                                                                                         \
    case UN_ACT_SIGMOID:                                                                                               \
        CASE(UN_ACT_SIGMOID);                                                                                          \
        break;                                                                                                         \
    case UN_ACT_TANH:                                                                                                  \
        CASE(UN_ACT_TANH);                                                                                             \
        break;                                                                                                         \
    case UN_ACT_RELU6:                                                                                                 \
        CASE(UN_ACT_RELU6);                                                                                            \
        break;                                                                                                         \
    default:                                                                                                           \
        CASE(UN_ACT_NONE);                                                                                             \
    }

#endif
