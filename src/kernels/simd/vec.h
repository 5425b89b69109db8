/* The thin vector layer: un_v holds UN_W floats, one register of the level this file is compiled for (16 with AVX-512,
 * 8 with AVX2, 4 with NEON). It is made of the compiler's own vectors, so each width compiles for each processor:
 * kcheck runs the widths that a processor lacks in pieces (tests/meson.build). Loads and stores need no alignment.
 * a*b + c may become one instruction: this folder is compiled with contraction. */
#ifndef UN_KERNELS_SIMD_VEC_H
#define UN_KERNELS_SIMD_VEC_H

#include <string.h>

#if defined(__AVX512BW__) || defined(__AVX2__) /* not where the kernel check stands in for a level */
#include <immintrin.h>
#endif

#ifdef __AVX512F__ /* UN_BF16: factor.h */
enum { UN_W = 16 };
typedef float un_v __attribute__((vector_size(64)));
typedef float un_v_any __attribute__((vector_size(64), aligned(4), may_alias));
#if defined(UN_BF16) && UN_BF16
#define UN_SIMD_SYMBOL(name) un_##name##_bf16_avx512
#define UN_SIMD_NAME(name)   #name "_bf16_avx512"
#else
#define UN_SIMD_SYMBOL(name) un_##name##_f32_avx512
#define UN_SIMD_NAME(name)   #name "_f32_avx512"
#endif
#define UN_SIMD_LEVEL 2
#elif defined(__aarch64__)
enum { UN_W = 4 };
typedef float un_v __attribute__((vector_size(16)));
typedef float un_v_any __attribute__((vector_size(16), aligned(4), may_alias));
#define UN_SIMD_SYMBOL(name) un_##name##_f32_neon
#define UN_SIMD_NAME(name)   #name "_f32_neon"
#define UN_SIMD_LEVEL        3
#else
enum { UN_W = 8 };
typedef float un_v __attribute__((vector_size(32)));
typedef float un_v_any __attribute__((vector_size(32), aligned(4), may_alias));
#define UN_SIMD_SYMBOL(name) un_##name##_f32_avx2
#define UN_SIMD_NAME(name)   #name "_f32_avx2"
#define UN_SIMD_LEVEL        1
#endif

static inline un_v un_v_load(const float *p)
{
    return *(const un_v_any *)p;
}

static inline void un_v_store(float *p, un_v v)
{
    *(un_v_any *)p = v;
}

typedef int un_v_order __attribute__((vector_size(UN_W * 4)));

/* Elements of a and b in turns: of their lower halves, or of their upper ones. */
static inline un_v un_v_zip(un_v a, un_v b, int upper)
{
#if defined(__AVX512F__)
    const un_v_order low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
#elif defined(__aarch64__)
    const un_v_order low = {0, 4, 1, 5};
#else
    const un_v_order low = {0, 8, 1, 9, 2, 10, 3, 11};
#endif

    return upper ? __builtin_shuffle(a, b, low + UN_W / 2) : __builtin_shuffle(a, b, low);
}

/* Row i becomes column i. Each round moves one bit of an element's column to its row. */
static inline __attribute__((always_inline)) void un_v_transpose(un_v rows[UN_W])
{
#pragma GCC unroll 4
    for (int round = 1; round < UN_W; round *= 2) {
        un_v t[UN_W];

#pragma GCC unroll 16
        for (int i = 0; i < UN_W; i++)
            t[i] = un_v_zip(rows[i / 2], rows[i / 2 + UN_W / 2], i % 2);
#pragma GCC unroll 16
        for (int i = 0; i < UN_W; i++)
            rows[i] = t[i];
    }
}

#if defined(__AVX2__) && !defined(__AVX512BW__)
static inline __m256i un_v_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
#endif

/* The first n floats (0..UN_W), the rest zero; touches nothing behind them. By the level's masks: a copy of n floats
 * would be a call. */
static inline un_v un_v_load_part(const float *p, int n)
{
#if defined(__AVX512BW__)
    return (un_v)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    return (un_v)_mm256_maskload_ps(p, un_v_first(n));
#else
    float t[UN_W] = {0};

    memcpy(t, p, (size_t)n * sizeof *t);
    return un_v_load(t);
#endif
}

static inline void un_v_store_part(float *p, un_v v, int n)
{
#if defined(__AVX512BW__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
    _mm256_maskstore_ps(p, un_v_first(n), (__m256)v);
#else
    float t[UN_W];

    un_v_store(t, v);
    memcpy(p, t, (size_t)n * sizeof *t);
#endif
}

/* Element j of row[i]: float i from p + j * step on, for the n rows and j < count; the rest zero. */
static inline __attribute__((always_inline)) void un_v_load_columns(
    un_v *row, const int n, const float *p, ptrdiff_t step, int count)
{
#pragma GCC unroll 4
    for (int t = 0; t < n; t += UN_W) {
        const int part = n - t < UN_W ? n - t : UN_W;
        un_v c[UN_W];

#pragma GCC unroll 16
        for (int j = 0; j < UN_W; j++)
            c[j] = j < count ? un_v_load_part(p + j * step + t, part) : (un_v){0};
        un_v_transpose(c);
#pragma GCC unroll 16
        for (int i = 0; i < part; i++)
            row[t + i] = c[i];
    }
}

/* The reverse. */
static inline __attribute__((always_inline)) void un_v_store_columns(
    const un_v *row, const int n, float *p, ptrdiff_t step, int count)
{
#pragma GCC unroll 4
    for (int t = 0; t < n; t += UN_W) {
        const int part = n - t < UN_W ? n - t : UN_W;
        un_v c[UN_W];

#pragma GCC unroll 16
        for (int i = 0; i < UN_W; i++)
            c[i] = i < part ? row[t + i] : (un_v){0};
        un_v_transpose(c);
#pragma GCC unroll 16
        for (int j = 0; j < UN_W; j++)
            if (j < count && part == UN_W)
                un_v_store(p + j * step + t, c[j]);
            else if (j < count && part == 1)
                p[j * step + t] = c[j][0];
            else if (j < count)
                un_v_store_part(p + j * step + t, c[j], part);
    }
}

#endif
