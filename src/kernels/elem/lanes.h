/* One register of the level that a template source is compiled for, as the compiler's own vector, and the activations
 * that need no function of the mathematical library on it. Loads and stores need no alignment. */
#ifndef UN_KERNELS_ELEM_LANES_H
#define UN_KERNELS_ELEM_LANES_H

#include "kernels/args.h"
#include "kernels/elem/real.h"

#if defined(__AVX512F__)
#define UN_LANES_BYTES 64
#elif defined(__AVX2__)
#define UN_LANES_BYTES 32
#else
#define UN_LANES_BYTES 16
#endif

enum { UN_LANES = UN_LANES_BYTES / sizeof(real) };
typedef real un_lanes __attribute__((vector_size(UN_LANES_BYTES), aligned(sizeof(real)), may_alias));
typedef real_bits un_lanes_bits __attribute__((vector_size(UN_LANES_BYTES), aligned(sizeof(real)), may_alias));

static inline int un_lanes_do(int act)
{
    return act == UN_ACT_NONE || act == UN_ACT_RELU || act == UN_ACT_LEAKY_RELU;
}

#define UN_LANES_AT(p) (*(un_lanes *)(p))

/* v = act(v) */
static inline __attribute__((always_inline)) void un_lanes_act(un_lanes *v, int act, real slope)
{
    const un_lanes zero = {0};

    if (act == UN_ACT_RELU) { /* NaN stays NaN */
        *v = (un_lanes)(~(un_lanes_bits)(*v < zero) & (un_lanes_bits)*v);
    } else if (act == UN_ACT_LEAKY_RELU) {
        un_lanes_bits m = (un_lanes_bits)(*v > zero);

        *v = (un_lanes)((m & (un_lanes_bits)*v) | (~m & (un_lanes_bits)(*v * slope)));
    }
}

#endif
