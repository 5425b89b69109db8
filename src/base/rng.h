/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). A stream is named by what it is for, so results depend on neither threads nor order. */
#ifndef UN_BASE_RNG_H
#define UN_BASE_RNG_H

#include <stdint.h>

/* What a stream is for. Append only: numbers are part of what "same seed, same bits" promises. */
typedef enum un_rng_purpose {
    UN_RNG_INIT = 1,    /* a: parameter index                      */
    UN_RNG_SPLIT = 2,   /* a: 0                                    */
    UN_RNG_SAMPLE = 3,  /* a: step, b: sample in batch: which picture, which crop */
    UN_RNG_AUGMENT = 4, /* a: step, b: sample, c: position in the augmentation list */
    UN_RNG_DROPOUT = 5, /* a: step, b: sample, c: node             */
    UN_RNG_TEST = 6,
    UN_RNG_SELFTEST = 7,
    UN_RNG_BOOTSTRAP = 8
} un_rng_purpose;

typedef struct un_rng {
    uint32_t key[2], ctr[4], out[4];
    int left;
} un_rng;

/* Starts the stream (seed, purpose, a, b, c); a, b, c up to 2^32-1. */
void un_rng_init(un_rng *r, uint64_t seed, un_rng_purpose purpose, uint32_t a, uint32_t b, uint32_t c);

uint32_t un_rng_u32(un_rng *r);
double un_rng_uniform(un_rng *r);                       /* [0, 1), 32 bits of it            */
double un_rng_range(un_rng *r, double lo, double hi);   /* [lo, hi)                         */
int64_t un_rng_below(un_rng *r, int64_t n);             /* 0..n-1, n in 1..2^32, unbiased   */
double un_rng_normal(un_rng *r);                        /* mean 0, variance 1 (Box-Muller)  */

/* One block without state: out[0..3] from key and counter. For kernels that index by element. */
void un_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2]);

#endif
