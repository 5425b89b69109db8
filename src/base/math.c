#include "base/math.h"

#include <stdint.h>
#include <string.h>

#define LN2_HI 6.93147180369123816490e-01
#define LN2_LO 1.90821492927058770002e-10

static double from_bits(uint64_t u)
{
    double d;

    memcpy(&d, &u, sizeof d);
    return d;
}

static uint64_t to_bits(double d)
{
    uint64_t u;

    memcpy(&u, &d, sizeof u);
    return u;
}

double un_sqrt(double x)
{
    return __builtin_sqrt(x); /* one instruction at -fno-math-errno */
}

double un_floor(double x)
{
    double t;

    if (!(x > -4503599627370496.0 && x < 4503599627370496.0))
        return x;
    t = (double)(int64_t)x;
    return t > x ? t - 1.0 : t;
}

double un_round(double x)
{
    return x < 0 ? -un_floor(-x + 0.5) : un_floor(x + 0.5);
}

/* 2^k for any int k that the callers can produce, in two steps where one would leave the normal range. */
static double scale2(double x, int k)
{
    if (k < -1000)
        return x * from_bits((uint64_t)(k + 200 + 1023) << 52) * from_bits((uint64_t)(1023 - 200) << 52);
    if (k > 1000)
        return x * from_bits((uint64_t)(k - 100 + 1023) << 52) * from_bits((uint64_t)(1023 + 100) << 52);
    return x * from_bits((uint64_t)(k + 1023) << 52);
}

/* exp by reduction to |r| <= ln2/2 and a Taylor series of degree 13 (remainder below 2^-57). */
double un_exp(double x)
{
    static const double inv[14] = {1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,
        1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};
    double k, r, p;

    if (x != x)
        return x;
    if (x > 709.78271289338397)
        return from_bits(UINT64_C(0x7ff) << 52);
    if (x < -745.2)
        return 0.0;
    k = un_round(x * 1.4426950408889634);
    r = (x - k * LN2_HI) - k * LN2_LO;
    p = inv[13];
    for (int i = 12; i >= 0; i--)
        p = p * r + inv[i];
    return scale2(p, (int)k);
}

/* log by x = 2^k m, m in [sqrt(1/2), sqrt(2)), and the odd series of atanh in s = (m-1)/(m+1). */
double un_log(double x)
{
    double s, s2, p = 0, f;
    uint64_t u;
    int k = 0;

    if (x != x || x < 0)
        return from_bits(UINT64_C(0x7ff8) << 48);
    if (x == 0)
        return -from_bits(UINT64_C(0x7ff) << 52);
    if (to_bits(x) == UINT64_C(0x7ff) << 52)
        return x;
    if (x < 2.2250738585072014e-308) {
        x *= 18014398509481984.0; /* 2^54 */
        k = -54;
    }
    u = to_bits(x);
    k += (int)(u >> 52) - 1023;
    x = from_bits((u & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff) << 52);
    if (x > 1.4142135623730951) {
        x *= 0.5;
        k++;
    }
    f = x - 1.0;
    s = f / (2.0 + f);
    s2 = s * s;
    for (int i = 25; i >= 3; i -= 2)
        p = (p + 2.0 / i) * s2;
    /* log(1+f) = f - s (f - p'), exact in the leading term */
    return k * LN2_HI + (f - (s * (f - p) - k * LN2_LO));
}

double un_pow(double x, double y)
{
    if (y == 0)
        return 1.0;
    if (x == 0)
        return y > 0 ? 0.0 : from_bits(UINT64_C(0x7ff) << 52);
    return un_exp(y * un_log(x));
}

double un_tanh(double x)
{
    double a = x < 0 ? -x : x, t, e;

    if (x != x)
        return x;
    if (a > 22)
        return x < 0 ? -1.0 : 1.0;
    if (a < 0.125) { /* continued fraction: no cancellation near zero */
        double q = x * x;

        return x / (1 + q / (3 + q / (5 + q / (7 + q / (9 + q / (11 + q / 13))))));
    }
    e = un_exp(2 * a);
    t = 1.0 - 2.0 / (e + 1.0);
    return x < 0 ? -t : t;
}

/* erf: Maclaurin series below 2.5, continued fraction (Lentz) of erfc above (Abramowitz and Stegun 7.1.6, 7.1.14). */
double un_erf(double x)
{
    double a = x < 0 ? -x : x, r;

    if (x != x)
        return x;
    if (a > 6)
        return x < 0 ? -1.0 : 1.0;
    if (a < 2.5) {
        double term = a, sum = a, q = 2 * a * a;

        for (int n = 1; n < 80 && term > sum * 1e-18; n++) {
            term *= q / (2 * n + 1);
            sum += term;
        }
        r = 1.1283791670955126 * un_exp(-a * a) * sum;
    } else {
        double t = 0;

        for (int n = 60; n >= 1; n--)
            t = 0.5 * n / (a + t);
        r = 1.0 - un_exp(-a * a) / ((a + t) * 1.7724538509055161);
    }
    return x < 0 ? -r : r;
}

/* cos and sin of 2 pi t, reduced to an eighth of a turn where the Taylor series converges fast. */
static double poly_sin(double z)
{
    double q = z * z, s = 0;

    for (int i = 17; i >= 1; i -= 2)
        s = (1.0 - s) * q / ((i + 1) * (i + 2));
    return z * (1.0 - s);
}

static double poly_cos(double z)
{
    double q = z * z, s = 0;

    for (int i = 16; i >= 0; i -= 2)
        s = (1.0 - s) * q / ((i + 1) * (i + 2));
    return 1.0 - s;
}

double un_cos2pi(double t)
{
    return un_sin2pi(t + 0.25);
}

double un_sin2pi(double t)
{
    double k, z;
    int q;

    t -= un_floor(t);
    k = un_floor(t * 4 + 0.5);
    z = (t - k * 0.25) * 6.283185307179586;
    q = (int)k & 3;
    switch (q) {
    case 0:
        return poly_sin(z);
    case 1:
        return poly_cos(z);
    case 2:
        return -poly_sin(z);
    default:
        return -poly_cos(z);
    }
}
