/* Resampling along d, h, w: nearest or linear, and the adjoint. Positions are ratios of integers, so that
 * index and weight are exact. */
#include "kernels/args.h"
#include "kernels/elem/walk.h"

#include "base/size.h"

/* An output index of one axis reads input i0 with weight 1-w1 and i1 with weight w1. */
typedef struct tap {
    int i0, i1;
    real w1;
} tap;

typedef struct span {
    int lo, hi; /* the outputs lo..hi read an input index; none if lo > hi */
} span;

static tap tap_of(const un_upsample_args *a, int in, int out, int o)
{
    int64_t num, den;
    tap t;

    if (!a->linear) {
        t.i0 = t.i1 = (int)((int64_t)o * in / out);
        t.w1 = 0;
        return t;
    }
    if (a->align_corners) {
        num = (int64_t)o * (in - 1);
        den = out > 1 ? out - 1 : 1;
    } else { /* (o + 1/2) in / out - 1/2, not below 0 */
        num = UN_MAX(0, (2 * (int64_t)o + 1) * in - out);
        den = 2 * (int64_t)out;
    }
    t.i0 = (int)(num / den);
    t.i1 = UN_MIN(t.i0 + 1, in - 1);
    t.w1 = (real)((double)(num % den) / (double)den);
    return t;
}

static void taps_of(const un_upsample_args *a, int in, int out, tap *t)
{
    for (int o = 0; o < out; o++)
        t[o] = tap_of(a, in, out, o);
}

static void spans_of(const tap *t, int in, int out, span *s)
{
    for (int i = 0; i < in; i++)
        s[i] = (span){out, -1};
    for (int o = 0; o < out; o++) {
        s[t[o].i0].lo = UN_MIN(s[t[o].i0].lo, o);
        s[t[o].i0].hi = o;
        if (t[o].w1 != 0) {
            s[t[o].i1].lo = UN_MIN(s[t[o].i1].lo, o);
            s[t[o].i1].hi = UN_MAX(s[t[o].i1].hi, o);
        }
    }
}

static real weight_of(tap t, int i)
{
    return (t.i0 == i ? 1 - t.w1 : 0) + (t.i1 == i ? t.w1 : 0);
}

/* ---- forward: a task is a block of output rows ---- */

static int64_t rows_per_task(const un_view *y)
{
    return UN_MAX(1, UN_TASK_ELEMENTS / ((int64_t)y->w * y->c));
}

static int64_t upsample_tasks(const void *args, int phase)
{
    const un_view *y = &((const un_upsample_args *)args)->y;

    (void)phase;
    return un_ceil_div(un_rows(y), rows_per_task(y));
}

static size_t upsample_worker(const void *args)
{
    return (size_t)((const un_upsample_args *)args)->y.w * sizeof(tap);
}

/* One output row from `rows` input rows of the given weights. */
static inline __attribute__((always_inline)) void blend(
    int rows, real *const *x, const real *wr, const un_upsample_args *a, const tap *t, real *y)
{
    int c = a->y.c;
    ptrdiff_t sx = a->x.sw;

    for (int w = 0; w < a->y.w; w++, y += a->y.sw) {
        ptrdiff_t j0 = t[w].i0 * sx, j1 = t[w].i1 * sx;
        real b = t[w].w1, f = 1 - b;

        UN_IVDEP for (int j = 0; j < c; j++)
        {
            real s = 0;

            for (int r = 0; r < rows; r++)
                s += wr[r] * (f * x[r][j0 + j] + b * x[r][j1 + j]);
            y[j] = s;
        }
    }
}

static void pick(const real *x, const un_upsample_args *a, const tap *t, real *y)
{
    int c = a->y.c;

    for (int w = 0; w < a->y.w; w++, y += a->y.sw) {
        const real *px = x + t[w].i0 * a->x.sw;

        UN_IVDEP for (int j = 0; j < c; j++) y[j] = px[j];
    }
}

static void upsample_row(const un_upsample_args *a, int64_t row, const tap *tw)
{
    const un_view *x = &a->x, *y = &a->y;
    int n, d, h, rows = 0;
    real *px[4], wr[4];
    tap td, th;

    un_row_of(y, row, &n, &d, &h);
    td = tap_of(a, x->d, y->d, d);
    th = tap_of(a, x->h, y->h, h);
    for (int i = 0; i < (td.w1 != 0 ? 2 : 1); i++)
        for (int j = 0; j < (th.w1 != 0 ? 2 : 1); j++, rows++) {
            px[rows] = un_at(x, n, i ? td.i1 : td.i0, j ? th.i1 : th.i0, 0);
            wr[rows] = (i ? td.w1 : 1 - td.w1) * (j ? th.w1 : 1 - th.w1);
        }
    if (!a->linear)
        pick(px[0], a, tw, un_at(y, n, d, h, 0));
    else if (rows == 1)
        blend(1, px, wr, a, tw, un_at(y, n, d, h, 0));
    else if (rows == 2)
        blend(2, px, wr, a, tw, un_at(y, n, d, h, 0));
    else
        blend(4, px, wr, a, tw, un_at(y, n, d, h, 0));
}

static void upsample_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_upsample_args *a = args;
    int64_t per = rows_per_task(&a->y), end = UN_MIN((task + 1) * per, un_rows(&a->y));

    (void)phase, (void)shared;
    taps_of(a, a->x.w, a->y.w, worker);
    for (int64_t row = task * per; row < end; row++)
        upsample_row(a, row, worker);
}

/* ---- adjoint: a task is a block of rows of x, and gathers from all rows of dy that read them ---- */

static int64_t grad_rows_per_task(const un_upsample_args *a)
{
    int64_t sent = un_view_pixels(&a->y) / un_rows(&a->x) * a->y.c; /* elements of dy for each row of x */

    return UN_MAX(1, UN_TASK_ELEMENTS / UN_MAX(UN_MAX(1, sent), (int64_t)a->x.w * a->x.c));
}

static int64_t upsample_grad_tasks(const void *args, int phase)
{
    const un_upsample_args *a = args;

    (void)phase;
    return un_ceil_div(un_rows(&a->x), grad_rows_per_task(a));
}

static size_t upsample_grad_worker(const void *args)
{
    const un_upsample_args *a = args;

    return ((size_t)a->y.d + (size_t)a->y.h + (size_t)a->y.w) * sizeof(tap) +
           ((size_t)a->x.d + (size_t)a->x.h + (size_t)a->x.w) * sizeof(span);
}

typedef struct tables {
    tap *td, *th, *tw;
    span *sd, *sh, *sw;
} tables;

static tables tables_of(const un_upsample_args *a, void *worker)
{
    tables t = {.td = worker};

    t.th = t.td + a->y.d;
    t.tw = t.th + a->y.h;
    t.sd = (span *)(void *)(t.tw + a->y.w);
    t.sh = t.sd + a->x.d;
    t.sw = t.sh + a->x.h;
    taps_of(a, a->x.d, a->y.d, t.td);
    taps_of(a, a->x.h, a->y.h, t.th);
    taps_of(a, a->x.w, a->y.w, t.tw);
    spans_of(t.td, a->x.d, a->y.d, t.sd);
    spans_of(t.th, a->x.h, a->y.h, t.sh);
    spans_of(t.tw, a->x.w, a->y.w, t.sw);
    return t;
}

/* dx row += wr * (adjoint along w of a dy row) */
static void gather_row(const un_upsample_args *a, const tables *t, const real *dy, real wr, real *dx)
{
    int c = a->x.c;

    for (int w = 0; w < a->x.w; w++, dx += a->x.sw)
        for (int o = t->sw[w].lo; o <= t->sw[w].hi; o++) {
            const real *p = dy + o * a->y.sw;
            real k = wr * weight_of(t->tw[o], w);

            UN_IVDEP for (int j = 0; j < c; j++) dx[j] += k * p[j];
        }
}

static void upsample_grad_row(const un_upsample_args *a, int64_t row, const tables *t)
{
    const un_view *x = &a->x, *y = &a->y;
    int n, d, h, c = x->c;
    real *dx;

    un_row_of(x, row, &n, &d, &h);
    dx = un_at(x, n, d, h, 0);
    for (int w = 0; w < x->w; w++)
        for (int j = 0; j < c; j++)
            dx[w * x->sw + j] = 0;
    for (int i = t->sd[d].lo; i <= t->sd[d].hi; i++)
        for (int j = t->sh[h].lo; j <= t->sh[h].hi; j++)
            gather_row(a, t, un_at(y, n, i, j, 0), weight_of(t->td[i], d) * weight_of(t->th[j], h), dx);
}

static void upsample_grad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_upsample_args *a = args;
    int64_t per = grad_rows_per_task(a), end = UN_MIN((task + 1) * per, un_rows(&a->x));
    tables t = tables_of(a, worker);

    (void)phase, (void)shared;
    for (int64_t row = task * per; row < end; row++)
        upsample_grad_row(a, row, &t);
}

UN_DEFINE(
    upsample, UPSAMPLE, .phases = 1, .tasks = upsample_tasks, .run = upsample_run, .worker_bytes = upsample_worker)
UN_DEFINE(upsample_grad, UPSAMPLE_GRAD, .phases = 1, .tasks = upsample_grad_tasks, .run = upsample_grad_run,
    .worker_bytes = upsample_grad_worker)
