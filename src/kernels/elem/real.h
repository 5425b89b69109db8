/* The reference sources are compiled twice, UN_F64 0 and 1; those of elem/ in float for each CPU level as well. */
#ifndef UN_KERNELS_ELEM_REAL_H
#define UN_KERNELS_ELEM_REAL_H

#include "base/math.h"
#include "kernels/args.h"
#include "kernels/vmath.h"

#if UN_F64
typedef double real;
typedef int64_t real_bits;
#define UN_REAL_TYPE         UN_KERNEL_F64
#define UN_PASTE_(name, lvl) un_##name##_f64_##lvl
#define UN_QUOTE_(name, lvl) #name "_f64_" #lvl
#else
typedef float real;
typedef int32_t real_bits;
#define UN_REAL_TYPE         UN_KERNEL_F32
#define UN_PASTE_(name, lvl) un_##name##_f32_##lvl
#define UN_QUOTE_(name, lvl) #name "_f32_" #lvl
#endif

#ifndef UN_LEVEL /* name and number (un_cpu_level) of the level that this file is compiled for */
#define UN_LEVEL    ref
#define UN_LEVEL_ID 0
#endif
#define UN_PASTE(name, lvl) UN_PASTE_(name, lvl)
#define UN_QUOTE(name, lvl) UN_QUOTE_(name, lvl)
#define UN_SYMBOL(name)     UN_PASTE(name, UN_LEVEL)
#define UN_NAME(name)       UN_QUOTE(name, UN_LEVEL)

#define UN_DEFINE(fn, FAMILY, ...)                                                                                     \
    extern const un_kernel UN_SYMBOL(fn);                                                                              \
    const un_kernel UN_SYMBOL(fn) = {                                                                                  \
        .name = UN_NAME(fn), .family = UN_K_##FAMILY, .type = UN_REAL_TYPE, .level = UN_LEVEL_ID, __VA_ARGS__};

/* For loops whose iterations touch their own index only, also when one view is input and output. */
#define UN_IVDEP _Pragma("GCC ivdep")

static inline real *un_at(const un_view *v, int n, int d, int h, int w)
{
    return (real *)v->p + un_view_at(v, n, d, h, w);
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

/* Elementary functions of the type. */
#if UN_F64
static inline real un_rexp(real x)
{
    return un_exp(x);
}

static inline real un_rexpm1(real x)
{
    /* (u-1) x / log u with u = e^x: the rounding of u cancels (Kahan) */
    double u = un_exp(x);

    if (u == 1.0)
        return x;
    return u - 1.0 == -1.0 ? -1.0 : (u - 1.0) * x / un_log(u);
}

static inline real un_rlog(real x)
{
    return un_log(x);
}

static inline real un_rlog1p(real x)
{
    double u = 1.0 + x;

    return un_log(u) + (x - (u - 1.0)) / u;
}

static inline real un_rtanh(real x)
{
    return un_tanh(x);
}

static inline real un_rerf(real x)
{
    return un_erf(x);
}

static inline real un_rsigmoid(real x)
{
    return 1.0 / (1.0 + un_exp(-x));
}

static inline real un_rroot(real x)
{
    return __builtin_sqrt(x);
}
#else
#define un_rexp     un_expf
#define un_rexpm1   un_expm1f
#define un_rlog     un_logf
#define un_rlog1p   un_log1pf
#define un_rtanh    un_tanhf
#define un_rerf     un_erff
#define un_rsigmoid un_sigmoidf
#define un_rroot    __builtin_sqrtf
#endif

/* x^y for x >= 0; 0 where x is 0 and y is not. */
static inline real un_rpow(real x, real y)
{
    return x > 0 ? un_rexp(y * un_rlog(x)) : y == 0 ? 1 : 0;
}

#endif
