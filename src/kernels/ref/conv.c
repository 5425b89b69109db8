/* Convolution and its gradients by the definition: one task a row. Sums of a few channels go on side by side, so that
 * the processor has more than one to add to; each adds in the order of the definition, whatever stands beside it. */
#include "kernels/elem/act.h"
#include "kernels/elem/real.h"

enum { SUMS = 8 }; /* at a time */

/* `count` channels of one view, from `at` on. */
typedef struct span {
    const un_view *view;
    int at, count;
} span;

/* The next channels from `from` on and before `end` that lie in one of the two views of x. */
static inline span span_of(const un_view *x, const un_view *x2, int from, int end)
{
    const int own = x->c - x2->c;
    int other;
    span s = {.view = un_view_of(x, x2, from, &other)};

    s.at = from - other;
    s.count = (from < own && own < end ? own : end) - from;
    return s;
}

static inline int least(int a, int b)
{
    return a < b ? a : b;
}

/* sum[j] += the products of `count` numbers x and weights w, `along` apart for x and `across` for the sums. */
static inline __attribute__((always_inline)) void add_products(
    double *sum, const int sums, const real *x, const real *w, int count, ptrdiff_t along, ptrdiff_t across)
{
    for (int c = 0; c < count; c++, w += along)
        for (int j = 0; j < sums; j++)
            sum[j] += (double)x[c] * w[j * across];
}

/* Sums of a pixel, with bias and activation, to its channels from `first` on. */
static inline void put(const un_conv_args *a, const double *sum, int sums, real *pixel, int first)
{
    for (int j = 0; j < sums; j++) {
        double v = sum[j] + (a->bias ? ((const real *)a->bias)[first + j] : 0);

        pixel[first + j] = un_act_of((real)v, a->act, (real)a->slope);
    }
}

static int64_t conv_tasks(const void *args, int phase)
{
    const un_conv_args *a = args;

    (void)phase;
    return un_rows(&a->y);
}

/* Outputs co .. co + sums of a pixel, which are of one group. */
static inline __attribute__((always_inline)) void conv_at(
    const un_conv_args *a, int n, const int o[3], int co, const int sums, double *sum)
{
    const int per = a->x.c / a->groups, first = co / (a->y.c / a->groups) * per, in[3] = {a->x.d, a->x.h, a->x.w};
    const ptrdiff_t taps = (ptrdiff_t)a->k[0] * a->k[1] * a->k[2];
    const real *w = (const real *)a->w + (ptrdiff_t)co * per * taps;
    int t[3];

    for (int j = 0; j < sums; j++)
        sum[j] = 0;
    for (t[0] = 0; t[0] < a->k[0]; t[0]++)
        for (t[1] = 0; t[1] < a->k[1]; t[1]++)
            for (t[2] = 0; t[2] < a->k[2]; t[2]++, w++) {
                int p[3], inside = 1;

                for (int i = 0; i < 3; i++) {
                    p[i] = o[i] * a->stride[i] - a->pad[i] + t[i] * a->dilation[i];
                    inside &= p[i] >= 0 && p[i] < in[i];
                }
                for (int c = first; inside && c < first + per;) {
                    const span s = span_of(&a->x, &a->x2, c, first + per);

                    add_products(sum, sums, un_at(s.view, n, p[0], p[1], p[2]) + s.at, w + (c - first) * taps, s.count,
                        taps, per * taps);
                    c += s.count;
                }
            }
}

static int64_t dgrad_tasks(const void *args, int phase)
{
    const un_conv_args *a = args;

    (void)phase;
    return un_rows(&a->x);
}

/* Inputs ci .. ci + sums of a pixel, which are of one group. */
static inline __attribute__((always_inline)) void dgrad_at(
    const un_conv_args *a, int n, const int p[3], int ci, const int sums, double *sum)
{
    const int per = a->x.c / a->groups, count = a->y.c / a->groups, first = ci / per * count;
    const int out[3] = {a->y.d, a->y.h, a->y.w};
    const ptrdiff_t taps = (ptrdiff_t)a->k[0] * a->k[1] * a->k[2];
    const real *w = (const real *)a->w + ((ptrdiff_t)first * per + ci % per) * taps;
    int t[3];

    for (int j = 0; j < sums; j++)
        sum[j] = 0;
    for (t[0] = 0; t[0] < a->k[0]; t[0]++)
        for (t[1] = 0; t[1] < a->k[1]; t[1]++)
            for (t[2] = 0; t[2] < a->k[2]; t[2]++, w++) {
                int o[3], inside = 1;

                for (int i = 0; i < 3; i++) {
                    int e = p[i] + a->pad[i] - t[i] * a->dilation[i];

                    o[i] = e / a->stride[i];
                    inside &= e >= 0 && e % a->stride[i] == 0 && o[i] < out[i];
                }
                if (inside)
                    add_products(sum, sums, un_at(&a->y, n, o[0], o[1], o[2]) + first, w, count, per * taps, taps);
            }
}

static inline __attribute__((always_inline)) void sums_at(
    const un_conv_args *a, int n, const int p[3], int first, const int sums, const int back, double *sum)
{
    if (back)
        dgrad_at(a, n, p, first, sums, sum);
    else
        conv_at(a, n, p, first, sums, sum);
}

/* The pixel of the output, such that channel `first` of it lies `first` behind. */
static inline real *pixel_of(const un_conv_args *a, const int back, int n, const int p[3], int first)
{
    int before = 0;
    const un_view *to = back ? un_view_of(&a->x, &a->x2, first, &before) : &a->y;

    return (real *)un_at(to, n, p[0], p[1], p[2]) - before;
}

/* A row of y, or of x in the gradient (`back`). */
static inline __attribute__((always_inline)) void run_row(const un_conv_args *a, int64_t task, const int back)
{
    const un_view *to = back ? &a->x : &a->y;
    const int group = to->c / a->groups;
    int n, p[3];

    un_row_of(to, task, &n, &p[0], &p[1]);
    for (p[2] = 0; p[2] < to->w; p[2]++)
        for (int first = 0, sums; first < to->c; first += sums) {
            double sum[SUMS];

            sums = least(SUMS, group - first % group);
            if (sums == SUMS)
                sums_at(a, n, p, first, SUMS, back, sum);
            else
                sums_at(a, n, p, first, sums, back, sum);
            put(a, sum, sums, pixel_of(a, back, n, p, first), first);
        }
}

static void conv_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    (void)phase;
    (void)worker;
    (void)shared;
    run_row(args, task, 0);
}

static void dgrad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    (void)phase;
    (void)worker;
    (void)shared;
    run_row(args, task, 1);
}

static int64_t wgrad_tasks(const void *args, int phase)
{
    const un_wgrad_args *a = args;

    (void)phase;
    return a->dy.c;
}

/* The gradients of tap t from `sums` channels of x to output co. */
static inline __attribute__((always_inline)) void wgrad_at(
    const un_wgrad_args *a, int co, const span *s, const int sums, const int t[3], double *sum)
{
    const int in[3] = {a->x.d, a->x.h, a->x.w};
    int o[3];

    for (int j = 0; j < sums; j++)
        sum[j] = 0;
    for (int n = 0; n < a->dy.n; n++)
        for (o[0] = 0; o[0] < a->dy.d; o[0]++)
            for (o[1] = 0; o[1] < a->dy.h; o[1]++)
                for (o[2] = 0; o[2] < a->dy.w; o[2]++) {
                    int p[3], inside = 1;

                    for (int i = 0; i < 3; i++) {
                        p[i] = o[i] * a->stride[i] - a->pad[i] + t[i] * a->dilation[i];
                        inside &= p[i] >= 0 && p[i] < in[i];
                    }
                    if (inside)
                        add_products(sum, sums, un_at(&a->dy, n, o[0], o[1], o[2]) + co,
                            un_at(s->view, n, p[0], p[1], p[2]) + s->at, 1, 0, 1);
                }
}

/* The weights of output co from the channels s, whose first is channel `c` of the group. */
static void wgrad_of(const un_wgrad_args *a, int co, int c, const span *s)
{
    const ptrdiff_t taps = (ptrdiff_t)a->k[0] * a->k[1] * a->k[2];
    real *dw = (real *)a->dw + ((ptrdiff_t)co * (a->x.c / a->groups) + c) * taps;
    int t[3];

    for (t[0] = 0; t[0] < a->k[0]; t[0]++)
        for (t[1] = 0; t[1] < a->k[1]; t[1]++)
            for (t[2] = 0; t[2] < a->k[2]; t[2]++, dw++) {
                double sum[SUMS];

                if (s->count == SUMS)
                    wgrad_at(a, co, s, SUMS, t, sum);
                else
                    wgrad_at(a, co, s, s->count, t, sum);
                for (int j = 0; j < s->count; j++)
                    dw[j * taps] = (real)sum[j];
            }
}

static void wgrad_run(const void *args, int phase, int64_t co, void *worker, void *shared)
{
    const un_wgrad_args *a = args;
    const int per = a->x.c / a->groups, first = (int)co / (a->dy.c / a->groups) * per;

    (void)phase;
    (void)worker;
    (void)shared;
    for (int c = 0; a->dw && c < per;) {
        const span s = span_of(&a->x, &a->x2, first + c, first + least(c + SUMS, per));

        wgrad_of(a, (int)co, c, &s);
        c += s.count;
    }
    if (a->db) {
        double sum = 0;

        for (int64_t r = 0; r < un_rows(&a->dy); r++) {
            int n, d, h;

            un_row_of(&a->dy, r, &n, &d, &h);
            for (int w = 0; w < a->dy.w; w++)
                sum += (double)un_at(&a->dy, n, d, h, w)[co];
        }
        ((real *)a->db)[co] = (real)sum;
    }
}

UN_DEFINE(conv, CONV, .phases = 1, .tasks = conv_tasks, .run = conv_run)
UN_DEFINE(conv_dgrad, CONV_DGRAD, .phases = 1, .tasks = dgrad_tasks, .run = dgrad_run)
UN_DEFINE(conv_wgrad, CONV_WGRAD, .phases = 1, .tasks = wgrad_tasks, .run = wgrad_run)
