#include "base/rng.h"

#include "base/math.h"
#include "base/philox.h"

void un_philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2])
{
    un_philox_block(out, ctr, key);
}

void un_rng_init(un_rng *r, uint64_t seed, un_rng_purpose purpose, uint32_t a, uint32_t b, uint32_t c)
{
    /* the purpose goes into the key through a mix, so that seeds s and s+1 share no stream */
    uint32_t in[4] = {(uint32_t)purpose, 0x756e6574u, 0, 0}, mix[4];
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

    un_philox(mix, in, key);
    *r = (un_rng){.key = {mix[0], mix[1]}, .ctr = {0, a, b, c}};
}

uint32_t un_rng_u32(un_rng *r)
{
    if (!r->left) {
        un_philox(r->out, r->ctr, r->key);
        r->ctr[0]++;
        r->left = 4;
    }
    return r->out[--r->left];
}

double un_rng_uniform(un_rng *r)
{
    return (double)un_rng_u32(r) * (1.0 / 4294967296.0);
}

double un_rng_range(un_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * un_rng_uniform(r);
}

int64_t un_rng_below(un_rng *r, int64_t n)
{
    /* Lemire's multiply-shift with rejection */
    uint32_t range = (uint32_t)n, x;
    uint64_t m;

    if (n <= 1)
        return 0;
    if (n >= (INT64_C(1) << 32))
        return un_rng_u32(r);
    do {
        x = un_rng_u32(r);
        m = (uint64_t)x * range;
    } while ((uint32_t)m < (uint32_t)(-range) % range);
    return (int64_t)(m >> 32);
}

double un_rng_normal(un_rng *r)
{
    double u = ((double)un_rng_u32(r) + 0.5) * (1.0 / 4294967296.0), v = un_rng_uniform(r);

    return un_sqrt(-2.0 * un_log(u)) * un_cos2pi(v);
}
