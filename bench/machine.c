#include "machine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { CHAINS = 12, ROUNDS = 200000, COPY_BYTES = 96 << 20 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#ifdef __x86_64__
__attribute__((target("avx512f"), noinline)) static float chains_512(int rounds)
{
    __m512 a[CHAINS], f = _mm512_set1_ps(0.5f);
    float out[16];

    for (int i = 0; i < CHAINS; i++)
        a[i] = _mm512_set1_ps((float)i);
    for (int r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            a[i] = _mm512_fmadd_ps(a[i], f, f);
    for (int i = 1; i < CHAINS; i++)
        a[0] = _mm512_add_ps(a[0], a[i]);
    _mm512_storeu_ps(out, a[0]);
    return out[0];
}

__attribute__((target("avx2,fma"), noinline)) static float chains_256(int rounds)
{
    __m256 a[CHAINS], f = _mm256_set1_ps(0.5f);
    float out[8];

    for (int i = 0; i < CHAINS; i++)
        a[i] = _mm256_set1_ps((float)i);
    for (int r = 0; r < rounds; r++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            a[i] = _mm256_fmadd_ps(a[i], f, f);
    for (int i = 1; i < CHAINS; i++)
        a[0] = _mm256_add_ps(a[0], a[i]);
    _mm256_storeu_ps(out, a[0]);
    return out[0];
}
#endif

static float chains_1(int rounds)
{
    float a[CHAINS] = {0};

    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++)
            a[i] = a[i] * 0.5f + 0.5f;
    return a[0] + a[CHAINS - 1];
}

double machine_peak(int level)
{
    float (*chains)(int) = chains_1;
    int width = 1;
    double best = 1e9;
    volatile float sink = 0;

#ifdef __x86_64__
    if (level == UN_CPU_AVX512) {
        chains = chains_512;
        width = 16;
    } else if (level == UN_CPU_AVX2) {
        chains = chains_256;
        width = 8;
    }
#endif
    (void)level;
    for (int i = 0; i < 20; i++) {
        double t = now_s();

        sink = sink + chains(ROUNDS);
        t = now_s() - t;
        best = t < best ? t : best;
    }
    return 2.0 * width * CHAINS * ROUNDS / best * 1e-9;
}

double machine_bandwidth(void)
{
    char *a = malloc(COPY_BYTES), *b = malloc(COPY_BYTES);
    double best = 1e9;

    if (a && b) {
        memset(a, 1, COPY_BYTES);
        memset(b, 2, COPY_BYTES);
        for (int i = 0; i < 8; i++) {
            double t = now_s();

            memcpy(i & 1 ? a : b, i & 1 ? b : a, COPY_BYTES);
            t = now_s() - t;
            best = t < best ? t : best;
        }
    }
    free(a);
    free(b);
    return 2.0 * COPY_BYTES / best * 1e-9;
}
