/* Convolution and its gradients by the definition: one task a row. */
#include "kernels/elem/act.h"
#include "kernels/elem/real.h"

static const real *weight(const un_conv_args *a, int co, int ci, const int t[3])
{
    int per = a->x.c / a->groups;

    return (const real *)a->w + ((((int64_t)co * per + ci) * a->k[0] + t[0]) * a->k[1] + t[1]) * a->k[2] + t[2];
}

static int64_t conv_tasks(const void *args, int phase)
{
    const un_conv_args *a = args;

    (void)phase;
    return un_rows(&a->y);
}

static double conv_at(const un_conv_args *a, int n, const int o[3], int co)
{
    int ci_per = a->x.c / a->groups, co_per = a->y.c / a->groups, first = co / co_per * ci_per;
    const int in[3] = {a->x.d, a->x.h, a->x.w};
    double sum = 0;
    int t[3];

    for (t[0] = 0; t[0] < a->k[0]; t[0]++)
        for (t[1] = 0; t[1] < a->k[1]; t[1]++)
            for (t[2] = 0; t[2] < a->k[2]; t[2]++) {
                int p[3], inside = 1, other;

                for (int i = 0; i < 3; i++) {
                    p[i] = o[i] * a->stride[i] - a->pad[i] + t[i] * a->dilation[i];
                    inside &= p[i] >= 0 && p[i] < in[i];
                }
                if (!inside)
                    continue;
                for (int c = 0; c < ci_per; c++) {
                    const un_view *part = un_view_of(&a->x, &a->x2, first + c, &other);

                    sum += (double)un_at(part, n, p[0], p[1], p[2])[first + c - other] * *weight(a, co, c, t);
                }
            }
    return sum;
}

static void conv_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_conv_args *a = args;
    int n, o[3];

    (void)phase;
    (void)worker;
    (void)shared;
    un_row_of(&a->y, task, &n, &o[0], &o[1]);
    for (o[2] = 0; o[2] < a->y.w; o[2]++)
        for (int c = 0; c < a->y.c; c++) {
            double v = conv_at(a, n, o, c) + (a->bias ? ((const real *)a->bias)[c] : 0);

            un_at(&a->y, n, o[0], o[1], o[2])[c] = un_act_of((real)v, a->act, (real)a->slope);
        }
}

static int64_t dgrad_tasks(const void *args, int phase)
{
    const un_conv_args *a = args;

    (void)phase;
    return un_rows(&a->x);
}

static double dgrad_at(const un_conv_args *a, int n, const int p[3], int ci)
{
    int ci_per = a->x.c / a->groups, co_per = a->y.c / a->groups, first = ci / ci_per * co_per;
    const int out[3] = {a->y.d, a->y.h, a->y.w};
    double sum = 0;
    int t[3];

    for (t[0] = 0; t[0] < a->k[0]; t[0]++)
        for (t[1] = 0; t[1] < a->k[1]; t[1]++)
            for (t[2] = 0; t[2] < a->k[2]; t[2]++) {
                int o[3], inside = 1;
                const real *y;

                for (int i = 0; i < 3; i++) {
                    int e = p[i] + a->pad[i] - t[i] * a->dilation[i];

                    o[i] = e / a->stride[i];
                    inside &= e >= 0 && e % a->stride[i] == 0 && o[i] < out[i];
                }
                if (!inside)
                    continue;
                y = un_at(&a->y, n, o[0], o[1], o[2]) + first;
                for (int c = 0; c < co_per; c++)
                    sum += (double)y[c] * *weight(a, first + c, ci % ci_per, t);
            }
    return sum;
}

static void dgrad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_conv_args *a = args;
    int n, p[3];

    (void)phase;
    (void)worker;
    (void)shared;
    un_row_of(&a->x, task, &n, &p[0], &p[1]);
    for (p[2] = 0; p[2] < a->x.w; p[2]++)
        for (int c = 0; c < a->x.c; c++) {
            double v = dgrad_at(a, n, p, c) + (a->bias ? ((const real *)a->bias)[c] : 0);

            un_at(&a->x, n, p[0], p[1], p[2])[c] = un_act_of((real)v, a->act, (real)a->slope);
        }
}

static int64_t wgrad_tasks(const void *args, int phase)
{
    const un_wgrad_args *a = args;

    (void)phase;
    return a->dy.c;
}

static double wgrad_at(const un_wgrad_args *a, int co, int ci, const int t[3])
{
    const int in[3] = {a->x.d, a->x.h, a->x.w};
    double sum = 0;
    int o[3], other;
    const un_view *x = un_view_of(&a->x, &a->x2, ci, &other);

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
                        sum +=
                            (double)un_at(x, n, p[0], p[1], p[2])[ci - other] * un_at(&a->dy, n, o[0], o[1], o[2])[co];
                }
    return sum;
}

static void wgrad_run(const void *args, int phase, int64_t co, void *worker, void *shared)
{
    const un_wgrad_args *a = args;
    int ci_per = a->x.c / a->groups, first = (int)co / (a->dy.c / a->groups) * ci_per, t[3];
    real *dw = a->dw ? (real *)a->dw + co * ci_per * a->k[0] * a->k[1] * a->k[2] : 0;

    (void)phase;
    (void)worker;
    (void)shared;
    for (int c = 0; dw && c < ci_per; c++)
        for (t[0] = 0; t[0] < a->k[0]; t[0]++)
            for (t[1] = 0; t[1] < a->k[1]; t[1]++)
                for (t[2] = 0; t[2] < a->k[2]; t[2]++)
                    *dw++ = (real)wgrad_at(a, (int)co, first + c, t);
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
