#include "data/values.h"

#include <stdint.h>
#include <string.h>

#include "base/block.h"
#include "base/math.h"

enum { HALF_BITS = 16, BUCKETS = 1 << HALF_BITS };

void un_moments_of(const float *x, size_t n, un_moments *out)
{
    double sum = 0, square = 0;

    *out = (un_moments){0};
    if (!n)
        return;
    out->min = out->max = (double)x[0];
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];

        sum += v;
        if (v < out->min)
            out->min = v;
        if (v > out->max)
            out->max = v;
    }
    out->mean = sum / (double)n;
    for (size_t i = 0; i < n; i++)
        square += ((double)x[i] - out->mean) * ((double)x[i] - out->mean);
    out->std = un_sqrt(square / (double)n);
}

/* Unsigned numbers in the order of the floats. */
static uint32_t to_order(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u & 0x80000000u ? ~u : u | 0x80000000u;
}

static double from_order(uint32_t u)
{
    float f;

    u = u & 0x80000000u ? u & 0x7fffffffu : ~u;
    memcpy(&f, &u, sizeof f);
    return (double)f;
}

typedef struct selector {
    const float *x;
    size_t n;
    size_t *high, *low; /* counts by upper half; by lower half of those whose upper half is `at` */
    int64_t at;         /* -1: low is empty */
    size_t before;      /* values whose upper half is below `at` */
} selector;

/* The value of rank k. */
static double select_rank(selector *s, size_t k)
{
    size_t sum = 0;
    int64_t bucket = 0;

    for (; sum + s->high[bucket] <= k; bucket++)
        sum += s->high[bucket];
    if (bucket != s->at) {
        memset(s->low, 0, BUCKETS * sizeof *s->low);
        for (size_t i = 0; i < s->n; i++) {
            const uint32_t u = to_order(s->x[i]);

            if (u >> HALF_BITS == (uint32_t)bucket)
                s->low[u & (BUCKETS - 1)]++;
        }
        s->at = bucket;
        s->before = sum;
    }
    sum = s->before;
    for (uint32_t i = 0;; i++) {
        sum += s->low[i];
        if (sum > k)
            return from_order((uint32_t)bucket << HALF_BITS | i);
    }
}

size_t un_quantiles_room(void)
{
    return un_block_room(2 * (size_t)BUCKETS * sizeof(size_t));
}

unet_status un_quantiles(
    double *out, un_mem *mem, const float *x, size_t n, const double *percent, int count, unet_error *err)
{
    selector s = {.x = x, .n = n, .at = -1};

    for (int i = 0; i < count; i++)
        out[i] = 0;
    if (!n)
        return UNET_OK;
    s.high = un_alloc_array(mem, 2 * (size_t)BUCKETS, sizeof *s.high);
    if (!s.high)
        return un_fail_nomem(err, 2 * (size_t)BUCKETS * sizeof *s.high);
    s.low = s.high + BUCKETS;
    for (size_t i = 0; i < n; i++)
        s.high[to_order(x[i]) >> HALF_BITS]++;
    for (int i = 0; i < count; i++) {
        const double rank = percent[i] / 100.0 * (double)(n - 1);
        const size_t k = (size_t)rank;
        const double part = rank - (double)k, a = select_rank(&s, k);

        out[i] = part > 0 && k + 1 < n ? a + part * (select_rank(&s, k + 1) - a) : a;
    }
    un_free(s.high);
    return UNET_OK;
}
