/* How kernels that work pixel by pixel cut and walk their views. Included by template sources (real.h). */
#ifndef UN_KERNELS_ELEM_WALK_H
#define UN_KERNELS_ELEM_WALK_H

#include "base/size.h"
#include "kernels/kernel.h"
#include "kernels/elem/real.h"

enum { UN_TASK_ELEMENTS = 32768 }; /* elements that one task handles: some ten microseconds of work */

/* Pixel i of the view, counted in the order n, d, h, w. */
static inline real *un_px(const un_view *v, int64_t i)
{
    int64_t w = i % v->w, h, d;

    i /= v->w;
    h = i % v->h;
    i /= v->h;
    d = i % v->d;
    return (real *)v->p + i / v->d * v->sn + d * v->sd + h * v->sh + w * v->sw;
}

/* How many pixels from pixel i on follow each other at the distance sw; at most `most`. */
static inline int64_t un_run(const un_view *v, int64_t i, int64_t most)
{
    return un_view_is_matrix(v) ? most : UN_MIN(most, v->w - i % v->w);
}

/* Pointers to the pixels i..i+count-1. */
static inline void un_px_list(const un_view *v, int64_t i, int count, real **list)
{
    while (count > 0) {
        int run = (int)un_run(v, i, count);
        real *p = un_px(v, i);

        for (int j = 0; j < run; j++)
            list[j] = p + j * v->sw;
        list += run;
        i += run;
        count -= run;
    }
}

static inline int64_t un_block_pixels(const un_view *v)
{
    return UN_MAX(1, UN_TASK_ELEMENTS / v->c);
}

static inline int64_t un_pixel_tasks(const un_view *v)
{
    return un_ceil_div(un_view_pixels(v), un_block_pixels(v));
}

/* One stretch of `count` elements: y from a and b (b NULL where the kernel has one input). */
typedef void un_span_fn(const void *args, const real *a, const real *b, real *y, int64_t count);

/* Calls fn for all stretches of a task's block: the longest ones where the views are dense, else pixel by
 * pixel. a or b may be NULL. */
static inline __attribute__((always_inline)) void un_each_span(
    const void *args, const un_view *a, const un_view *b, const un_view *y, int64_t task, un_span_fn *fn)
{
    int64_t i = task * un_block_pixels(y), end = UN_MIN(i + un_block_pixels(y), un_view_pixels(y)), run;
    int c = y->c, dense = y->sw == c && (!a || a->sw == c) && (!b || b->sw == c);

    for (; i < end; i += run) {
        const real *pa = NULL, *pb = NULL;
        real *py = un_px(y, i);

        run = un_run(y, i, end - i);
        if (a) {
            run = un_run(a, i, run);
            pa = un_px(a, i);
        }
        if (b) {
            run = un_run(b, i, run);
            pb = un_px(b, i);
        }
        if (dense)
            fn(args, pa, pb, py, run * c);
        else
            for (int64_t j = 0; j < run; j++)
                fn(args, a ? pa + j * a->sw : NULL, b ? pb + j * b->sw : NULL, py + j * y->sw, c);
    }
}

#endif
