/* Powers and logarithms of two in single precision for loops that become vectors (base/wide.h): nearly minimax, as few
 * steps as 2e-7 allows, in short chains. Finite arguments. */
#ifndef UN_BASE_EXP2_H
#define UN_BASE_EXP2_H

#include <stdint.h>
#include <string.h>

/* log2 x of a normal number above 0, off by 6e-8 and a rounding; of 0: -127. By the series of (1 + s) / (1 - s). */
static inline __attribute__((always_inline)) float un_log2_near(float x)
{
    uint32_t bits;
    float m, s, z;
    int e;

    memcpy(&bits, &x, sizeof bits);
    e = (int32_t)(bits - 0x3f3504f3) >> 23; /* m from sqrt(1/2) to sqrt(2) */
    bits -= (uint32_t)e << 23;
    memcpy(&m, &bits, sizeof m);
    s = (m - 1) / (m + 1);
    z = s * s;
    return (float)e + s * (2.88539043f + z * (0.96158786f + z * 0.59579651f));
}

/* 2^y, off by 2e-7 of it, y below 127; below -126 as there, a normal number and nothing beside 1. */
static inline __attribute__((always_inline)) float un_exp2_near(float y)
{
    const float middle = 12582912; /* 1.5 2^23: adding it rounds to whole numbers, which stand in its last bits */
    const float in = y > -126 ? y : -126, n = in + middle, f = in - (n - middle), ff = f * f;
    uint32_t bits, whole;
    float p =
        (1 + f * 0.69314718f) + ff * ((0.24022348f + f * 0.055503331f) + ff * (0.0096663730f + f * 0.0013400436f));

    memcpy(&whole, &n, sizeof whole);
    memcpy(&bits, &p, sizeof bits);
    bits += whole << 23;
    memcpy(&p, &bits, sizeof p);
    return p;
}

#endif
