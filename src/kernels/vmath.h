/* Elementary functions in float for kernels: branch-free, so that loops over them vectorise, and our own, so
 * that the bits depend on no math library. Largest errors found over dense sweeps (tests/unit/test_vmath.c
 * holds them to it):
 *
 *   un_expf    1.5 ulp, also in the subnormal range      un_tanhf   3 ulp
 *   un_logf    1.5 ulp (relative 1e-7 next to 1)         un_erff    absolute 1.3e-7
 *   un_log1pf  2.5 ulp on [0, 1]                         un_expm1f  3 ulp below 30
 *
 * NaN gives NaN. exp: Cody & Waite's reduction by ln 2 in two parts, then the Taylor series of degree 7
 * (remainder below 6e-9 on |r| <= ln2/2). log: the series of atanh in s = f/(2+f). erf: minimax polynomials
 * fitted by tools/fit_erf.py. */
#ifndef UN_KERNELS_VMATH_H
#define UN_KERNELS_VMATH_H

#include <stdint.h>
#include <string.h>

static inline float un_f32_of_bits(int32_t i)
{
    float f;

    memcpy(&f, &i, sizeof f);
    return f;
}

static inline int32_t un_bits_of_f32(float f)
{
    int32_t i;

    memcpy(&i, &f, sizeof i);
    return i;
}

/* 2^k for -126..127. Of a NaN's k any bits come back, but no overflow: the product with the NaN stays one. */
static inline float un_exp2i(int32_t k)
{
    return un_f32_of_bits((int32_t)((uint32_t)(k + 127) << 23));
}

/* e^x - 1 on the reduced range, the integer k with x = k ln2 + r in *k. |x| < 2^21. */
static inline float un_exp_reduced(float x, int32_t *k)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float t = x * 1.44269504f + magic, n = t - magic, r = (x - n * 0.693359375f) + n * 2.12194440e-4f, q;

    q = 1.0f / 720 + r * (1.0f / 5040);
    q = 1.0f / 120 + r * q;
    q = 1.0f / 24 + r * q;
    q = 1.0f / 6 + r * q;
    q = 0.5f + r * q;
    *k = un_bits_of_f32(t) - 0x4b400000;
    return r + r * r * q;
}

/* 0 below -104, +inf above 88.73. */
static inline float un_expf(float x)
{
    int32_t k, half;
    float p;

    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    p = 1.0f + un_exp_reduced(x, &k);
    half = k >> 1; /* two factors: 2^k alone may leave the normal range */
    return p * un_exp2i(half) * un_exp2i(k - half);
}

/* e^x - 1 without cancellation; x up to 30. */
static inline float un_expm1f(float x)
{
    int32_t k;
    float p, s;

    x = x < -30.0f ? -30.0f : x;
    p = un_exp_reduced(x, &k);
    s = un_exp2i(k);
    return s * p + (s - 1.0f);
}

/* x > 0, not infinite; -inf at 0. */
static inline float un_logf(float x)
{
    int small = x < 1.17549435e-38f;
    float y = small ? x * 8388608.0f : x, f, s, q, p, k;
    int32_t i = un_bits_of_f32(y) - 0x3f3504f3; /* bits of sqrt(1/2) */

    k = (float)((i >> 23) - (small ? 23 : 0));
    f = un_f32_of_bits((i & 0x7fffff) + 0x3f3504f3) - 1.0f; /* mantissa in [sqrt(1/2), sqrt(2)) */
    s = f / (2.0f + f);
    q = s * s;
    p = q * (2.0f / 3 + q * (2.0f / 5 + q * (2.0f / 7 + q * (2.0f / 9))));
    p = k * 0.693359375f + (f - (s * (f - p) + k * 2.12194440e-4f));
    p = x != x ? x : p;
    return x <= 0.0f ? -__builtin_inff() : p;
}

/* log(1 + x), x in [0, 1]: what the rounding of 1 + x loses is put back (Kahan). */
static inline float un_log1pf(float x)
{
    float u = 1.0f + x;

    return un_logf(u) + (x - (u - 1.0f)) / u;
}

static inline float un_tanhf(float x)
{
    float a = x < 0 ? -x : x, e, t;

    a = a > 10.0f ? 10.0f : a; /* tanh is 1 in float from 9.02 on */
    e = un_expm1f(2.0f * a);
    t = e / (e + 2.0f);
    return x < 0 ? -t : t;
}

static inline float un_sigmoidf(float x)
{
    return 1.0f / (1.0f + un_expf(-x));
}

/* x P(x^2) below 1, 1 - exp(-Q(x)) up to 4, then 1. */
static inline float un_erff(float x)
{
    float a = x < 0 ? -x : x, q, p, r;

    a = a > 4.0f ? 4.0f : a;
    q = a * a;
    p = -0.0008020841280033134f + q * 7.88911953288368e-05f;
    p = 0.0051895353393631065f + q * p;
    p = -0.02685444459191781f + q * p;
    p = 0.11283600176257563f + q * p;
    p = -0.37612627135965926f + q * p;
    p = 1.1283791659137519f + q * p;
    r = -0.00043910637599825313f + a * 2.1496113857630574e-05f;
    r = 0.0041936111008351335f + a * r;
    r = -0.02517896783576046f + a * r;
    r = 0.10837247863422787f + a * r;
    r = 0.6332626121567917f + a * r;
    r = 1.1295568304078096f + a * r;
    r = -0.00018344415071097877f + a * r;
    r = 1.0f - un_expf(-r);
    p = a < 1.0f ? a * p : r;
    return x < 0 ? -p : p;
}

#endif
