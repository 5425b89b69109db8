#include "data/values.h"

#include <stdint.h>
#include <string.h>

#include "base/block.h"
#include "base/math.h"

enum { HALF_BITS = 16, BUCKETS = 1 << HALF_BITS };

typedef struct dense {
    const float *x;
    size_t n;
} dense;

static void each_dense(void *from, void (*take)(void *to, const float *x, size_t n), void *to)
{
    const dense *d = from;

    take(to, d->x, d->n);
}

typedef struct summing {
    size_t n;
    double sum, square;
    un_moments m;
} summing;

static void take_sum(void *to, const float *x, size_t n)
{
    summing *s = to;

    if (!s->n && n)
        s->m.min = s->m.max = (double)x[0];
    for (size_t i = 0; i < n; i++) {
        const double v = (double)x[i];

        s->sum += v;
        if (v < s->m.min)
            s->m.min = v;
        if (v > s->m.max)
            s->m.max = v;
    }
    s->n += n;
}

static void take_square(void *to, const float *x, size_t n)
{
    summing *s = to;

    for (size_t i = 0; i < n; i++)
        s->square += ((double)x[i] - s->m.mean) * ((double)x[i] - s->m.mean);
}

void un_moments_of_values(const un_values *v, un_moments *out)
{
    summing s = {0};

    v->each(v->from, take_sum, &s);
    if (s.n) {
        s.m.mean = s.sum / (double)s.n;
        v->each(v->from, take_square, &s);
        s.m.std = un_sqrt(s.square / (double)s.n);
    }
    *out = s.m;
}

void un_moments_of(const float *x, size_t n, un_moments *out)
{
    dense d = {x, n};

    un_moments_of_values(&(un_values){each_dense, &d}, out);
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
    const un_values *v;
    size_t n;
    size_t *high, *low; /* counts by upper half; by lower half of those whose upper half is `at` */
    int64_t at;         /* -1: low is empty */
    size_t before;      /* values whose upper half is below `at` */
} selector;

static void take_high(void *to, const float *x, size_t n)
{
    selector *s = to;

    for (size_t i = 0; i < n; i++)
        s->high[to_order(x[i]) >> HALF_BITS]++;
    s->n += n;
}

static void take_low(void *to, const float *x, size_t n)
{
    selector *s = to;
    const uint32_t bucket = (uint32_t)s->at;

    for (size_t i = 0; i < n; i++) {
        const uint32_t u = to_order(x[i]);

        if (u >> HALF_BITS == bucket)
            s->low[u & (BUCKETS - 1)]++;
    }
}

/* The value of rank k. */
static double select_rank(selector *s, size_t k)
{
    size_t sum = 0;
    int64_t bucket = 0;

    for (; sum + s->high[bucket] <= k; bucket++)
        sum += s->high[bucket];
    if (bucket != s->at) {
        memset(s->low, 0, BUCKETS * sizeof *s->low);
        s->at = bucket;
        s->before = sum;
        s->v->each(s->v->from, take_low, s);
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

unet_status un_quantiles_of_values(
    double *out, un_mem *mem, const un_values *v, const double *percent, int count, unet_error *err)
{
    selector s = {.v = v, .at = -1};

    s.high = un_alloc_array(mem, 2 * (size_t)BUCKETS, sizeof *s.high);
    if (!s.high)
        return un_fail_nomem(err, 2 * (size_t)BUCKETS * sizeof *s.high);
    s.low = s.high + BUCKETS;
    v->each(v->from, take_high, &s);
    for (int i = 0; i < count; i++) {
        const double rank = s.n ? percent[i] / 100.0 * (double)(s.n - 1) : 0;
        const size_t k = (size_t)rank;
        const double part = rank - (double)k, a = s.n ? select_rank(&s, k) : 0;

        out[i] = part > 0 && k + 1 < s.n ? a + part * (select_rank(&s, k + 1) - a) : a;
    }
    un_free(s.high);
    return UNET_OK;
}

unet_status un_quantiles(
    double *out, un_mem *mem, const float *x, size_t n, const double *percent, int count, unet_error *err)
{
    dense d = {x, n};

    for (int i = 0; i < count; i++)
        out[i] = 0;
    return n ? un_quantiles_of_values(out, mem, &(un_values){each_dense, &d}, percent, count, err) : UNET_OK;
}
