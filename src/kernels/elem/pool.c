/* Max and average pooling. Windows are cut at the edges of the input. */
#include <string.h>

#include "kernels/args.h"
#include "kernels/elem/walk.h"

typedef struct window {
    int d0, d1, h0, h1, w0, w1;
} window;

static window window_at(const un_pool_args *a, const un_view *in, int d, int h, int w)
{
    const int d0 = d * a->stride[0] - a->pad[0], h0 = h * a->stride[1] - a->pad[1], w0 = w * a->stride[2] - a->pad[2];

    return (window){.d0 = UN_MAX(d0, 0),
        .d1 = UN_MIN(d0 + a->k[0], in->d),
        .h0 = UN_MAX(h0, 0),
        .h1 = UN_MIN(h0 + a->k[1], in->h),
        .w0 = UN_MAX(w0, 0),
        .w1 = UN_MIN(w0 + a->k[2], in->w)};
}

/* ---- windows that tile the input: taps are read once, for all channels of a pixel ---- */

enum { TAPS = 8 };

/* Their number, when it is one that there is a loop for (2x2, 2x2x2); else 0. */
static int tiling_taps(const un_pool_args *a, const un_view *in, const un_view *out)
{
    const int x[3] = {in->d, in->h, in->w}, y[3] = {out->d, out->h, out->w};
    int taps = a->k[0] * a->k[1] * a->k[2];

    for (int i = 0; i < 3; i++)
        if (a->k[i] != a->stride[i] || a->pad[i] || x[i] != y[i] * a->k[i])
            return 0;
    return taps == 4 || taps == 8 ? taps : 0;
}

/* Offsets of the taps from the first. */
static void tap_offsets(const un_pool_args *a, const un_view *v, ptrdiff_t offset[TAPS])
{
    for (int d = 0, t = 0; d < a->k[0]; d++)
        for (int h = 0; h < a->k[1]; h++)
            for (int w = 0; w < a->k[2]; w++)
                offset[t++] = d * v->sd + h * v->sh + w * v->sw;
}

static inline __attribute__((always_inline)) void max_taps(
    const real *x, const ptrdiff_t *offset, const int taps, int c, real *restrict y)
{
    const real *at[TAPS];

    for (int t = 0; t < taps; t++)
        at[t] = x + offset[t];
    UN_IVDEP for (int j = 0; j < c; j++)
    {
        real m = at[0][j];

        for (int t = 1; t < taps; t++)
            m = (at[t][j] > m) | (at[t][j] != at[t][j]) ? at[t][j] : m;
        y[j] = m;
    }
}

/* v or 0. Not by ?:, which gcc turns into stores under a condition. */
static inline __attribute__((always_inline)) real chosen(real v, int yes)
{
    real_bits bits;

    memcpy(&bits, &v, sizeof bits);
    bits &= -(real_bits)yes;
    memcpy(&v, &bits, sizeof bits);
    return v;
}

/* dx of one window; add NULL: none. */
static inline __attribute__((always_inline)) void max_taps_grad(const real *x, const ptrdiff_t *x_offset, real *dx,
    const ptrdiff_t *dx_offset, const real *add, const ptrdiff_t *add_offset, const real *dy, const int taps, int c)
{
    const real *at[TAPS], *more[TAPS];
    real *to[TAPS];

    for (int t = 0; t < taps; t++) {
        at[t] = x + x_offset[t];
        to[t] = dx + dx_offset[t];
        more[t] = add ? add + add_offset[t] : NULL;
    }
    UN_IVDEP for (int j = 0; j < c; j++)
    {
        real m = at[0][j], which = 0, g = dy[j];

        for (int t = 1; t < taps; t++) {
            int better = (at[t][j] > m) | (at[t][j] != at[t][j]);

            m = better ? at[t][j] : m;
            which = better ? (real)t : which;
        }
        for (int t = 0; t < taps; t++)
            to[t][j] = add ? more[t][j] + chosen(g, which == (real)t) : chosen(g, which == (real)t);
    }
}

/* ---- forward: a task is a block of output rows ---- */

static int64_t rows_per_task(const un_view *y)
{
    return UN_MAX(1, UN_TASK_ELEMENTS / ((int64_t)y->w * y->c));
}

static int64_t pool_tasks(const void *args, int phase)
{
    const un_view *y = &((const un_pool_args *)args)->y;

    (void)phase;
    return un_ceil_div(un_rows(y), rows_per_task(y));
}

typedef void pixel_fn(const un_pool_args *a, int n, window t, real *y);

static void max_pixel(const un_pool_args *a, int n, window t, real *y)
{
    const real *first = un_at(&a->x, n, t.d0, t.h0, t.w0);
    int c = a->y.c;

    for (int j = 0; j < c; j++)
        y[j] = first[j];
    for (int d = t.d0; d < t.d1; d++)
        for (int h = t.h0; h < t.h1; h++)
            for (int w = t.w0; w < t.w1; w++) {
                const real *x = un_at(&a->x, n, d, h, w);

                UN_IVDEP for (int j = 0; j < c; j++) y[j] = (x[j] > y[j]) | (x[j] != x[j]) ? x[j] : y[j];
            }
}

static void avg_pixel(const un_pool_args *a, int n, window t, real *y)
{
    real share = 1 / (real)((t.d1 - t.d0) * (t.h1 - t.h0) * (t.w1 - t.w0));
    int c = a->y.c;

    for (int j = 0; j < c; j++)
        y[j] = 0;
    for (int d = t.d0; d < t.d1; d++)
        for (int h = t.h0; h < t.h1; h++)
            for (int w = t.w0; w < t.w1; w++) {
                const real *x = un_at(&a->x, n, d, h, w);

                UN_IVDEP for (int j = 0; j < c; j++) y[j] += x[j];
            }
    for (int j = 0; j < c; j++)
        y[j] *= share;
}

static inline void pool_rows(const un_pool_args *a, int64_t task, pixel_fn *pixel)
{
    const un_view *y = &a->y;
    int64_t per = rows_per_task(y), end = UN_MIN((task + 1) * per, un_rows(y));

    for (int64_t row = task * per; row < end; row++) {
        int n, d, h;

        un_row_of(y, row, &n, &d, &h);
        for (int w = 0; w < y->w; w++)
            pixel(a, n, window_at(a, &a->x, d, h, w), un_at(y, n, d, h, w));
    }
}

static void max_rows(const un_pool_args *a, int64_t task, int taps)
{
    const un_view *y = &a->y;
    int64_t per = rows_per_task(y), end = UN_MIN((task + 1) * per, un_rows(y));
    ptrdiff_t offset[TAPS];

    tap_offsets(a, &a->x, offset);
    for (int64_t row = task * per; row < end; row++) {
        int n, d, h;
        const real *x;
        real *to;

        un_row_of(y, row, &n, &d, &h);
        x = un_at(&a->x, n, d * a->k[0], h * a->k[1], 0);
        to = un_at(y, n, d, h, 0);
        for (int w = 0; w < y->w; w++, x += a->k[2] * a->x.sw, to += y->sw)
            if (taps == 4)
                max_taps(x, offset, 4, y->c, to);
            else
                max_taps(x, offset, 8, y->c, to);
    }
}

static void maxpool_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_pool_args *a = args;
    int taps = tiling_taps(a, &a->x, &a->y);

    (void)phase, (void)worker, (void)shared;
    if (taps)
        max_rows(a, task, taps);
    else
        pool_rows(a, task, max_pixel);
}

static void avgpool_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    (void)phase, (void)worker, (void)shared;
    pool_rows(args, task, avg_pixel);
}

/* ---- gradient: a task owns the input rows that begin at some output rows of one output depth, and adds to
 * them what every window that touches them sends; so tasks never write the same pixel, and the order of sums
 * is fixed ---- */

static int brick_rows(const un_pool_args *a)
{
    int64_t row = (int64_t)a->dx.w * a->dx.c * a->stride[0] * a->stride[1];

    return (int)UN_MIN(UN_MAX(1, UN_TASK_ELEMENTS / row), a->dy.h);
}

static int64_t pool_grad_tasks(const void *args, int phase)
{
    const un_pool_args *a = args;

    (void)phase;
    return a->dy.n * a->dy.d * un_ceil_div(a->dy.h, brick_rows(a));
}

typedef struct brick {
    int n, d0, d1, h0, h1;  /* input region that the task owns          */
    int od0, od1, oh0, oh1; /* output pixels whose windows may touch it */
} brick;

/* First output index whose window reaches the input index i or lies behind it. */
static int first_window(const un_pool_args *a, int axis, int i)
{
    const int reach = i + a->pad[axis] - a->k[axis];

    return reach < 0 ? 0 : reach / a->stride[axis] + 1;
}

/* Behind the last output index, of `count`, whose window begins before the input index of output `behind`. */
static int last_window(const un_pool_args *a, int axis, int behind, int count)
{
    return UN_MIN(behind + (a->pad[axis] + a->stride[axis] - 1) / a->stride[axis], count);
}

static brick brick_of(const un_pool_args *a, int64_t task)
{
    int rows = brick_rows(a), blocks = (int)un_ceil_div(a->dy.h, rows), oh = (int)(task % blocks) * rows;
    int od = (int)(task / blocks % a->dy.d), last = UN_MIN(oh + rows, a->dy.h);
    brick b = {.n = (int)(task / blocks / a->dy.d), .d0 = od * a->stride[0], .h0 = oh * a->stride[1]};

    b.d1 = od + 1 == a->dy.d ? a->dx.d : b.d0 + a->stride[0];
    b.h1 = last == a->dy.h ? a->dx.h : last * a->stride[1];
    b.od0 = first_window(a, 0, b.d0);
    b.oh0 = first_window(a, 1, b.h0);
    b.od1 = last_window(a, 0, od + 1, a->dy.d);
    b.oh1 = last_window(a, 1, last, a->dy.h);
    return b;
}

static void brick_begin(const un_pool_args *a, brick b)
{
    int c = a->dx.c;

    for (int d = b.d0; d < b.d1; d++)
        for (int h = b.h0; h < b.h1; h++)
            for (int w = 0; w < a->dx.w; w++) {
                real *dx = un_at(&a->dx, b.n, d, h, w);
                const real *add = a->add.p ? un_at(&a->add, b.n, d, h, w) : NULL;

                UN_IVDEP for (int j = 0; j < c; j++) dx[j] = add ? add[j] : 0;
            }
}

/* which[c]: number of the tap that holds the maximum of the window. */
static void find_max(const un_pool_args *a, int n, window t, real *best, real *which)
{
    const real *first = un_at(&a->x, n, t.d0, t.h0, t.w0);
    int c = a->dx.c, tap = 0;

    for (int j = 0; j < c; j++) {
        best[j] = first[j];
        which[j] = 0;
    }
    for (int d = t.d0; d < t.d1; d++)
        for (int h = t.h0; h < t.h1; h++)
            for (int w = t.w0; w < t.w1; w++, tap++) {
                const real *x = un_at(&a->x, n, d, h, w);

                for (int j = 0; j < c; j++) {
                    int better = (x[j] > best[j]) | (x[j] != x[j]);

                    best[j] = better ? x[j] : best[j];
                    which[j] = better ? (real)tap : which[j];
                }
            }
}

static void max_scatter(const un_pool_args *a, brick b, window t, const real *dy, const real *which)
{
    int c = a->dx.c, tap = 0;

    for (int d = t.d0; d < t.d1; d++)
        for (int h = t.h0; h < t.h1; h++)
            for (int w = t.w0; w < t.w1; w++, tap++) {
                real *dx = un_at(&a->dx, b.n, d, h, w);

                if (d < b.d0 || d >= b.d1 || h < b.h0 || h >= b.h1)
                    continue;
                UN_IVDEP for (int j = 0; j < c; j++) dx[j] += which[j] == (real)tap ? dy[j] : 0;
            }
}

static void avg_scatter(const un_pool_args *a, brick b, window t, const real *dy)
{
    real share = 1 / (real)((t.d1 - t.d0) * (t.h1 - t.h0) * (t.w1 - t.w0));
    int c = a->dx.c;

    for (int d = UN_MAX(t.d0, b.d0); d < UN_MIN(t.d1, b.d1); d++)
        for (int h = UN_MAX(t.h0, b.h0); h < UN_MIN(t.h1, b.h1); h++)
            for (int w = t.w0; w < t.w1; w++) {
                real *dx = un_at(&a->dx, b.n, d, h, w);

                UN_IVDEP for (int j = 0; j < c; j++) dx[j] += share * dy[j];
            }
}

static void pool_grad(const un_pool_args *a, int64_t task, int is_max, real *scratch)
{
    brick b = brick_of(a, task);

    brick_begin(a, b);
    for (int d = b.od0; d < b.od1; d++)
        for (int h = b.oh0; h < b.oh1; h++)
            for (int w = 0; w < a->dy.w; w++) {
                window t = window_at(a, &a->dx, d, h, w);
                const real *dy = un_at(&a->dy, b.n, d, h, w);

                if (is_max) {
                    find_max(a, b.n, t, scratch, scratch + a->dx.c);
                    max_scatter(a, b, t, dy, scratch + a->dx.c);
                } else {
                    avg_scatter(a, b, t, dy);
                }
            }
}

static void max_grad_rows(const un_pool_args *a, int64_t task, int taps)
{
    brick b = brick_of(a, task);
    ptrdiff_t x_offset[TAPS], dx_offset[TAPS], add_offset[TAPS] = {0};

    tap_offsets(a, &a->x, x_offset);
    tap_offsets(a, &a->dx, dx_offset);
    if (a->add.p)
        tap_offsets(a, &a->add, add_offset);
    for (int h = b.oh0; h < b.oh1; h++)
        for (int w = 0; w < a->dy.w; w++) {
            int d0 = b.od0 * a->k[0], h0 = h * a->k[1], w0 = w * a->k[2];
            const real *x = un_at(&a->x, b.n, d0, h0, w0), *dy = un_at(&a->dy, b.n, b.od0, h, w);
            const real *add = a->add.p ? un_at(&a->add, b.n, d0, h0, w0) : NULL;
            real *dx = un_at(&a->dx, b.n, d0, h0, w0);

            if (taps == 4 && add)
                max_taps_grad(x, x_offset, dx, dx_offset, add, add_offset, dy, 4, a->dx.c);
            else if (taps == 4)
                max_taps_grad(x, x_offset, dx, dx_offset, NULL, NULL, dy, 4, a->dx.c);
            else if (add)
                max_taps_grad(x, x_offset, dx, dx_offset, add, add_offset, dy, 8, a->dx.c);
            else
                max_taps_grad(x, x_offset, dx, dx_offset, NULL, NULL, dy, 8, a->dx.c);
        }
}

static void maxpool_grad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_pool_args *a = args;
    int taps = tiling_taps(a, &a->dx, &a->dy);

    (void)phase, (void)shared;
    if (taps)
        max_grad_rows(a, task, taps);
    else
        pool_grad(a, task, 1, worker);
}

static void avgpool_grad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    (void)phase, (void)worker, (void)shared;
    pool_grad(args, task, 0, NULL);
}

static size_t maxpool_grad_worker(const void *args)
{
    return 2 * (size_t)((const un_pool_args *)args)->dx.c * sizeof(real);
}

UN_DEFINE(maxpool, MAXPOOL, .phases = 1, .tasks = pool_tasks, .run = maxpool_run)
UN_DEFINE(maxpool_grad, MAXPOOL_GRAD, .phases = 1, .tasks = pool_grad_tasks, .run = maxpool_grad_run,
    .worker_bytes = maxpool_grad_worker)
UN_DEFINE(avgpool, AVGPOOL, .phases = 1, .tasks = pool_tasks, .run = avgpool_run)
UN_DEFINE(avgpool_grad, AVGPOOL_GRAD, .phases = 1, .tasks = pool_grad_tasks, .run = avgpool_grad_run)
