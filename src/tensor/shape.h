/* Extents of an activation, channels last: [n][d][h][w][c]; 2-D has d = 1. */
#ifndef UN_TENSOR_SHAPE_H
#define UN_TENSOR_SHAPE_H

#include <stdint.h>

typedef struct un_shape {
    int n, d, h, w, c;
} un_shape;

static inline int64_t un_shape_pixels(un_shape s)
{
    return (int64_t)s.n * s.d * s.h * s.w;
}

static inline int64_t un_shape_count(un_shape s)
{
    return un_shape_pixels(s) * s.c;
}

static inline int un_shape_equal(un_shape a, un_shape b)
{
    return a.n == b.n && a.d == b.d && a.h == b.h && a.w == b.w && a.c == b.c;
}

/* Whether all extents but the channels agree. */
static inline int un_shape_same_grid(un_shape a, un_shape b)
{
    return a.n == b.n && a.d == b.d && a.h == b.h && a.w == b.w;
}

#endif
