/* What the products of a kernel multiply: floats, or with UN_BF16 numbers of 16 bits (bfloat16: a float without its
 * lower half, rounded to nearest even), whose products are added in float. Of these two channels lie side by side and
 * are multiplied and added by one instruction, so channels are counted in steps of UN_STEP; the odd one has a zero
 * beside it. A processor without that instruction goes the same way in pieces: kcheck runs both. */
#ifndef UN_KERNELS_SIMD_FACTOR_H
#define UN_KERNELS_SIMD_FACTOR_H

#include <stdint.h>

#include "kernels/simd/vec.h"

#ifndef UN_BF16
#define UN_BF16 0
#endif

#if UN_BF16
enum { UN_STEP = 2 };
typedef uint16_t un_factor;
typedef uint32_t un_factors __attribute__((vector_size(UN_W * 4))); /* a pair in each element, the even channel below */
typedef uint32_t un_factors_any __attribute__((vector_size(UN_W * 4), aligned(2), may_alias));
#else
enum { UN_STEP = 1 };
typedef float un_factor;
typedef un_v un_factors;
#endif
enum { UN_LINE = 64 / sizeof(un_factor) }; /* factors of a cache line */

static inline int un_steps(int channels) /* channels, filled up to whole steps */
{
    return (channels + UN_STEP - 1) / UN_STEP * UN_STEP;
}

#if UN_BF16

static inline un_factors un_factors_load(const un_factor *p)
{
    return *(const un_factors_any *)p;
}

/* Channel 0 or 1 of each pair. */
static inline un_v un_factors_channel(un_factors f, int channel)
{
    return channel ? (un_v)(f & 0xffff0000u) : (un_v)(f << 16);
}

#ifdef __AVX512BF16__

static inline void un_channels_store(un_factor *p, un_v v)
{
    _mm256_storeu_si256((__m256i *)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}

static inline un_factors un_factors_of(const un_v v[UN_STEP])
{
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
        21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);

    return (un_factors)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)v[1], (__m512)v[0]));
}

/* sum + w x, the pair at x for all elements. */
static inline un_v un_multiply_add(un_v sum, un_factors w, const un_factor *x)
{
    int pair;

    memcpy(&pair, x, sizeof pair);
    return (un_v)_mm512_dpbf16_ps((__m512)sum, (__m512bh)w, (__m512bh)_mm512_set1_epi32(pair));
}

#else

/* In the upper half of each element. As the instruction: numbers too small for a normal float become zero. */
static inline un_factors un_round_factors(un_v v)
{
    const un_factors u = (un_factors)v, sign = u & 0x80000000u;
    const un_factors small = (un_factors)((u & 0x7f800000u) == 0), nan = (un_factors)(v != v);
    const un_factors rounded = (u + 0x7fffu + (u >> 16 & 1)) & 0xffff0000u;

    return (small & sign) | (~small & ((nan & (u | 0x400000u)) | (~nan & rounded)));
}

static inline void un_channels_store(un_factor *p, un_v v)
{
    const un_factors u = un_round_factors(v);

    for (int i = 0; i < UN_W; i++)
        p[i] = (un_factor)(u[i] >> 16);
}

static inline un_factors un_factors_of(const un_v v[UN_STEP])
{
    return un_round_factors(v[0]) >> 16 | (un_round_factors(v[1]) & 0xffff0000u);
}

/* Products of two such numbers are exact in float, so only the two sums round. */
static inline un_v un_multiply_add(un_v sum, un_factors w, const un_factor *x)
{
    for (int i = UN_STEP - 1; i >= 0; i--) {
        const uint32_t bits = (uint32_t)x[i] << 16;
        float f;

        memcpy(&f, &bits, sizeof f);
        sum += un_factors_channel(w, i) * f;
    }
    return sum;
}

#endif

static inline void un_factors_store(un_factor *p, un_factors f)
{
    *(un_factors_any *)p = f;
}

#else

static inline un_factors un_factors_load(const un_factor *p)
{
    return un_v_load(p);
}

static inline void un_factors_store(un_factor *p, un_factors f)
{
    un_v_store(p, f);
}

static inline un_v un_factors_channel(un_factors f, int channel)
{
    (void)channel;
    return f;
}

static inline un_factors un_factors_of(const un_v v[UN_STEP])
{
    return v[0];
}

static inline void un_channels_store(un_factor *p, un_v v)
{
    un_v_store(p, v);
}

static inline un_v un_multiply_add(un_v sum, un_factors w, const un_factor *x)
{
    return sum + w * *x;
}

#endif
#endif
