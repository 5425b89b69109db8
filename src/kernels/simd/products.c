/* The register blocks of direct products (direct.h): one function for each number of pixels and vectors; and the rows
 * that they read. */
#include "kernels/simd/direct.h"

/* Every cheap activation by the same instructions: a choice for each vector would be most of this file's code. NaN
 * stays NaN. */
static inline __attribute__((always_inline)) un_v activated(un_v v, float slope, int keeps_negative)
{
    const __typeof__(v < v) below = v < 0, kept = below & keeps_negative;

    return (un_v)((kept & (__typeof__(below))(v * slope)) | (~below & (__typeof__(below))v));
}

/* Bias, activation and the way to memory of vector v of px pixels. */
static inline __attribute__((always_inline)) void outputs(
    const un_micro *m, const un_v (*restrict acc)[2], const int px, const int v)
{
    const int n = v ? m->co_second : m->co;
    const float *from = v ? m->bias_second : m->bias;
    const ptrdiff_t step = m->step;
    float *out = m->out + v * m->second;
    un_v bias = {0}, r[UN_PX_STAGED];

    if (n <= 0)
        return;
    if (from)
        bias = n >= UN_W ? un_v_load(from) : un_v_load_part(from, n);
#pragma GCC unroll 24
    for (int p = 0; p < px; p++)
        r[p] = activated(acc[p][v] + bias, m->slope, m->keeps_negative);
    if (n >= UN_W)
#pragma GCC unroll 24
        for (int p = 0; p < px; p++)
            un_v_store(out + p * step, r[p]);
    else
#pragma GCC unroll 24
        for (int p = 0; p < px; p++)
            un_v_store_part(out + p * step, r[p], n);
}

/* px pixels times nv vectors of outputs, over all taps and channels. Apart: the channels of a pixel follow each other,
 * and three pixels share a base address. */
static inline __attribute__((always_inline)) void product(
    const un_micro *m, const int px, const int nv, const int apart)
{
    const un_direct *d = m->d;
    const int c = d->in.c;
    const ptrdiff_t next = apart ? UN_STEP : d->wp, pixel = m->pixel;
    const un_factor *w = m->w;
    un_v acc[UN_PX_STAGED][2];

#pragma GCC unroll 24
    for (int p = 0; p < px; p++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            acc[p][v] = (un_v){0};
    for (int t = 0; t < d->taps; t++) {
        const un_factor *x[UN_PX / 3];

#pragma GCC unroll 16
        for (int i = 0; i < UN_PX / 3; i++)
            x[i] = m->x[t] + (apart && 3 * i < px ? 3 * i * pixel : 0);
        for (int k = 0; k < c; k += UN_STEP, w += nv * UN_W * UN_STEP) {
            un_factors w0 = un_factors_load(w), w1 = nv > 1 ? un_factors_load(w + UN_W * UN_STEP) : w0;

#pragma GCC unroll 24
            for (int p = 0; p < px; p++) {
                const un_factor *f = apart ? x[p / 3 % (UN_PX / 3)] + p % 3 * pixel : x[0] + p;

                acc[p][0] = un_multiply_add(acc[p][0], w0, f);
                if (nv > 1)
                    acc[p][1] = un_multiply_add(acc[p][1], w1, f);
            }
#pragma GCC unroll 16
            for (int i = 0; i < UN_PX / 3; i++)
                x[i] += next;
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++)
        outputs(m, acc, px, v);
}

#if UN_BF16 /* staged with the channels side by side, always */
#define UN_STAGED(px, nv)
#else
#define UN_STAGED(px, nv)                                                                                              \
    static void staged_##px##_##nv(const un_micro *m)                                                                  \
    {                                                                                                                  \
        product(m, px, nv, 0);                                                                                         \
    }
#endif
#define UN_PRODUCT(px, nv)                                                                                             \
    UN_STAGED(px, nv)                                                                                                  \
    static void apart_##px##_##nv(const un_micro *m)                                                                   \
    {                                                                                                                  \
        product(m, px, nv, 1);                                                                                         \
    }
#define UN_PRODUCTS(px) UN_PRODUCT(px, 1) UN_PRODUCT(px, 2)
UN_PRODUCTS(1)
UN_PRODUCTS(2)
UN_PRODUCTS(3)
UN_PRODUCTS(4)
UN_PRODUCTS(5)
UN_PRODUCTS(6)
#ifdef __AVX512F__
UN_PRODUCTS(7)
UN_PRODUCTS(8)
UN_PRODUCTS(9)
UN_PRODUCTS(10)
UN_PRODUCTS(11)
UN_PRODUCTS(12)
#endif

#ifdef __AVX512F__
#define UN_TABLE(f, nv)                                                                                                \
    {                                                                                                                  \
        f##_1_##nv, f##_2_##nv, f##_3_##nv, f##_4_##nv, f##_5_##nv, f##_6_##nv, f##_7_##nv, f##_8_##nv, f##_9_##nv,    \
            f##_10_##nv, f##_11_##nv, f##_12_##nv                                                                      \
    }
#else
#define UN_TABLE(f, nv)                                                                                                \
    {                                                                                                                  \
        f##_1_##nv, f##_2_##nv, f##_3_##nv, f##_4_##nv, f##_5_##nv, f##_6_##nv                                         \
    }
#endif
const un_product UN_SIMD_SYMBOL(direct_products)[2][2][UN_PX] = {
#if !UN_BF16
    {UN_TABLE(staged, 1), UN_TABLE(staged, 2)},
#endif
    [1] = {UN_TABLE(apart, 1), UN_TABLE(apart, 2)}};

#if !UN_BF16
/* c channels of every `step`-th pixel from `first` on, sw floats apart. */
static inline __attribute__((always_inline)) void stage_pixels(const un_direct *d, const un_view *in,
    const float *restrict row, int first, float *restrict to, int count, const int c, const int step,
    const ptrdiff_t sw)
{
    const ptrdiff_t wp = d->wp;
    int lo = first < 0 ? (step - 1 - first) / step : 0, hi = row ? (in->w - first + step - 1) / step : 0;

    hi = hi < 0 ? 0 : hi < count ? hi : count;
    lo = lo < hi ? lo : hi;
    for (int k = 0; k < c; k++) {
        memset(to + k * wp, 0, (size_t)lo * sizeof *to);
        memset(to + k * wp + hi, 0, (size_t)(count - hi) * sizeof *to);
    }
    if (c == 8)
        for (int p = lo; p < hi; p++)
            for (int k = 0; k < 8; k++)
                to[k * wp + p] = row[(first + p * step) * sw + k];
    else
        for (int p = lo; p < hi; p++)
            for (int k = 0; k < c; k++)
                to[k * wp + p] = row[(first + p * step) * sw + k];
}

void UN_SIMD_SYMBOL(direct_stage_row)(
    const un_direct *d, const un_view *in, int channel, const float *row, int first, float *to, int count)
{
    const int c = in == &d->in ? in->c - d->in2.c : in->c, step = d->stride[2];
    const ptrdiff_t sw = in->sw;

    to += (ptrdiff_t)channel * d->wp;
    if (c == 3 && step * sw == 3) /* a picture: constants let the compiler take them apart as vectors */
        stage_pixels(d, in, row, first, to, count, 3, 1, 3);
    else
        for (int k = 0; k < c; k += 8)
            stage_pixels(
                d, in, row ? row + k : row, first, to + (ptrdiff_t)k * d->wp, count, c - k < 8 ? c - k : 8, step, sw);
}

void UN_SIMD_SYMBOL(direct_staged_wide)(const un_micro *m)
{
    product(m, UN_PX_STAGED, 1, 0);
}
#endif
