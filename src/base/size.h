/* Checked arithmetic for sizes that come from outside. Each returns 0 on overflow and leaves *out untouched. */
#ifndef UN_BASE_SIZE_H
#define UN_BASE_SIZE_H

#include <stddef.h>
#include <stdint.h>

#define UN_COUNT(a) (sizeof(a) / sizeof *(a))
#define UN_MIN(a, b) ((a) < (b) ? (a) : (b))
#define UN_MAX(a, b) ((a) > (b) ? (a) : (b))

static inline int un_size_add(size_t a, size_t b, size_t *out)
{
    size_t r;

    if (__builtin_add_overflow(a, b, &r))
        return 0;
    *out = r;
    return 1;
}

static inline int un_size_mul(size_t a, size_t b, size_t *out)
{
    size_t r;

    if (__builtin_mul_overflow(a, b, &r))
        return 0;
    *out = r;
    return 1;
}

/* Rounds n up to a multiple of m (m > 0); the caller knows that there is room. */
static inline size_t un_round_up(size_t n, size_t m)
{
    return (n + m - 1) / m * m;
}

static inline int64_t un_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Index of the pixel that stands at i of an axis of n pixels extended by reflection without repeating the edge. */
static inline int un_reflect(int64_t i, int n)
{
    const int64_t period = 2 * ((int64_t)n - 1);

    if (i >= 0 && i < n)
        return (int)i;
    if (n == 1)
        return 0;
    i %= period;
    if (i < 0)
        i += period;
    return (int)(i < n ? i : period - i);
}

#endif
