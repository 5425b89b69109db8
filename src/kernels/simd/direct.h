/* Direct convolution as a product: shared by the forward pass, the data gradient and the transposed convolution. */
#ifndef UN_KERNELS_SIMD_DIRECT_H
#define UN_KERNELS_SIMD_DIRECT_H

#include "kernels/args.h"
#include "kernels/simd/factor.h"

/* UN_PX: pixels of a register block. UN_RATE: for cost models, vectors of products a nanosecond (AMD Zen 4 at 3.7 GHz:
 * the same arithmetic at both levels; equal cost goes to the higher level). */
#ifdef __AVX512F__
enum { UN_PX = 12, UN_RATE = 6 };
#else
enum { UN_PX = 6, UN_RATE = 6 };
#endif
enum { UN_CB = 2 * UN_W, UN_STAGE_BYTES = 384 << 10, UN_PLAIN_BYTES = 128 << 10, UN_MAX_TAPS = 27 * 5 };
enum { UN_PX_STAGED = 2 * UN_PX };
enum { UN_WIDE = 16 }; /* UN_BF16: channels of layers that are worth it, and whose rounding others even out */

/* What is computed: out[o] = sum over taps and channels of in[o*stride - pad + t*dilation] * w, written to every
 * `spread`-th pixel of `out` (transposed convolution), the taps of which are `subs` separate 1x1 products. */
typedef struct un_direct {
    un_view in, out;   /* out: extents of the product, strides and first pixel as stored */
    un_view in2, out2; /* of the last channels, or of none (args.h: x2); those of the input are staged */
    int k[3], stride[3], pad[3], dilation[3];
    int taps; /* k[0] k[1] k[2] of one product */
    int subs; /* products from one input: 1, or the taps of a transposed convolution */
    int spread[3];
    const un_factor *packed;
    const float *bias;
    const float *scale; /* of each output, while packing; NULL: 1 */
    int act;
    float slope;
    /* derived */
    int rows;       /* output rows of a task               */
    int stage_rows; /* staged input rows along h           */
    int wp;         /* staged pixels of a row, float: of one channel: every tap's pixels follow each other */
    int pitch;      /* UN_BF16: staged factors between pixels, whose channels follow each other */
    size_t row;     /* staged factors of a row */
    int kw_copies;  /* strided: each tap along w has its own staged row */
    int groups_h;   /* tasks along h */
    int splits;     /* tasks along output channels */
    int plain;      /* every tap of every output lies inside: the input is read where it is, nothing is staged */
    int pair;       /* outputs fill one vector at most: the second of a register block is the next sub-product's */
} un_direct;

/* One product: a register block over all taps and channels. */
typedef struct un_micro {
    const un_direct *d;
    const un_factor *x[UN_MAX_TAPS]; /* start of each tap: channel 0, pixel 0 of the block */
    ptrdiff_t pixel; /* factors between pixels of x, whose channels follow each other; staged floats: one, and channels
                        are wp apart */
    const un_factor *w;
    float *out;
    ptrdiff_t step;    /* between pixels of out */
    ptrdiff_t second;  /* from the first vector of a pixel to the second */
    int co, co_second; /* outputs that exist from each vector on */
    const float *bias, *bias_second;
    float slope;        /* of what is below 0 */
    int keeps_negative; /* -1; 0: becomes 0 */
} un_micro;

/* [channels follow each other][vectors of outputs - 1][pixels - 1] (products.c) */
typedef void (*un_product)(const un_micro *);
extern const un_product UN_SIMD_SYMBOL(direct_products)[2][2][UN_PX];
/* A block of UN_PX_STAGED pixels of staged floats and one vector of outputs. */
void UN_SIMD_SYMBOL(direct_staged_wide)(const un_micro *m);
/* Stages one input row, `row` (NULL: zeroes) of `in`, as [ci][wp]: out.w pixels for one tap along w, or the whole
 * padded row for all of them; the channels of `in` from `channel` on. */
void UN_SIMD_SYMBOL(direct_stage_row)(
    const un_direct *d, const un_view *in, int channel, const float *row, int first, float *to, int count);

static inline int un_cheap_act(const un_conv_args *a)
{
    return a->act == UN_ACT_NONE || a->act == UN_ACT_RELU || a->act == UN_ACT_LEAKY_RELU;
}

static inline int un_is_wide(const un_conv_args *a)
{
    return !UN_BF16 || (a->x.c >= UN_WIDE && a->y.c >= UN_WIDE);
}

static inline int un_blocks(int n, int size)
{
    return (n + size - 1) / size;
}

enum { UN_PARTIAL_FLOATS = 1 << 21 }; /* of a weight gradient: 8 MiB */

/* Parts of a weight gradient whose sums of `floats` are kept apart: as many as are wanted, while they have room. */
static inline int un_parts_with_room(int wanted, int64_t floats)
{
    const int64_t most = UN_PARTIAL_FLOATS / floats;

    return wanted <= most ? wanted : most > 1 ? (int)most : 1;
}

static inline __attribute__((always_inline)) un_v un_activate(un_v v, int act, float slope)
{
    const un_v zero = {0};

    if (act == UN_ACT_RELU) /* NaN stays NaN */
        return (un_v)(~(v < zero) & (__typeof__(v < zero))v);
    if (act == UN_ACT_LEAKY_RELU) {
        __typeof__(v > zero) m = v > zero;
        un_v s = v * slope;

        return (un_v)((m & (__typeof__(m))v) | (~m & (__typeof__(m))s));
    }
    return v;
}

#endif
