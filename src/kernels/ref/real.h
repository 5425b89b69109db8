/* The reference sources are compiled twice: UN_F64 0 and 1. */
#ifndef UN_KERNELS_REF_REAL_H
#define UN_KERNELS_REF_REAL_H

#include "base/math.h"
#include "kernels/args.h"

#if UN_F64
typedef double real;
#define UN_REAL_TYPE UN_KERNEL_F64
#define UN_SYMBOL(name) un_##name##_f64_ref
#define UN_NAME(name) #name "_f64_ref"
#else
typedef float real;
#define UN_REAL_TYPE UN_KERNEL_F32
#define UN_SYMBOL(name) un_##name##_f32_ref
#define UN_NAME(name) #name "_f32_ref"
#endif

#define UN_DEFINE(fn, FAMILY, ...)                                                                                     \
    extern const un_kernel UN_SYMBOL(fn);                                                                              \
    const un_kernel UN_SYMBOL(fn) = {.name = UN_NAME(fn), .family = UN_K_##FAMILY, .type = UN_REAL_TYPE, __VA_ARGS__};

static inline real *un_at(const un_view *v, int n, int d, int h, int w)
{
    return (real *)v->p + n * v->sn + d * v->sd + h * v->sh + w * v->sw;
}

/* Tasks by rows: n, d, h of task t. */
static inline int64_t un_rows(const un_view *v)
{
    return (int64_t)v->n * v->d * v->h;
}

static inline void un_row_of(const un_view *v, int64_t t, int *n, int *d, int *h)
{
    *h = (int)(t % v->h);
    *d = (int)(t / v->h % v->d);
    *n = (int)(t / v->h / v->d);
}

static inline double un_act_of(int act, double slope, double x)
{
    switch (act) {
    case UN_ACT_RELU:
        return x > 0 ? x : 0;
    case UN_ACT_LEAKY_RELU:
        return x > 0 ? x : slope * x;
    case UN_ACT_ELU:
        return x > 0 ? x : slope * (un_exp(x) - 1);
    case UN_ACT_GELU:
        return 0.5 * x * (1 + un_erf(x * 0.70710678118654752));
    case UN_ACT_SILU:
        return x / (1 + un_exp(-x));
    case UN_ACT_SIGMOID:
        return 1 / (1 + un_exp(-x));
    case UN_ACT_TANH:
        return un_tanh(x);
    default:
        return x;
    }
}

static inline double un_act_slope_of(int act, double slope, double x)
{
    double s;

    switch (act) {
    case UN_ACT_RELU:
        return x > 0;
    case UN_ACT_LEAKY_RELU:
        return x > 0 ? 1 : slope;
    case UN_ACT_ELU:
        return x > 0 ? 1 : slope * un_exp(x);
    case UN_ACT_GELU:
        return 0.5 * (1 + un_erf(x * 0.70710678118654752)) + x * 0.39894228040143268 * un_exp(-0.5 * x * x);
    case UN_ACT_SILU:
        s = 1 / (1 + un_exp(-x));
        return s * (1 + x * (1 - s));
    case UN_ACT_SIGMOID:
        s = 1 / (1 + un_exp(-x));
        return s * (1 - s);
    case UN_ACT_TANH:
        s = un_tanh(x);
        return 1 - s * s;
    default:
        return 1;
    }
}

#endif
