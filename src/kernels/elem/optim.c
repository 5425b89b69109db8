/* Flat arrays: sums of squares and parameter updates. Formulas and order of operations are PyTorch's. */
#include "kernels/args.h"
#include "kernels/elem/walk.h"

#include "base/math.h"

static int64_t flat_tasks(int64_t count)
{
    return un_ceil_div(count, UN_TASK_ELEMENTS);
}

static int64_t task_end(int64_t task, int64_t count)
{
    return UN_MIN((task + 1) * UN_TASK_ELEMENTS, count);
}

enum { LANES = 16 };

static int64_t sumsq_tasks(const void *args, int phase)
{
    return phase ? 1 : flat_tasks(((const un_sumsq_args *)args)->count);
}

static size_t sumsq_shared(const void *args)
{
    return (size_t)flat_tasks(((const un_sumsq_args *)args)->count) * sizeof(double);
}

static double block_sumsq(const real *x, int64_t i, int64_t end)
{
    double acc[LANES] = {0}, s = 0;

    for (; i + LANES <= end; i += LANES)
        for (int l = 0; l < LANES; l++)
            acc[l] += (double)x[i + l] * x[i + l];
    for (int l = 0; l < LANES; l++)
        s += acc[l];
    for (; i < end; i++)
        s += (double)x[i] * x[i];
    return s;
}

static void sumsq_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_sumsq_args *a = args;
    double *part = shared, s = 0;

    (void)worker;
    if (phase == 0) {
        part[task] = block_sumsq(a->x, task * UN_TASK_ELEMENTS, task_end(task, a->count));
        return;
    }
    for (int64_t i = 0; i < flat_tasks(a->count); i++)
        s += part[i];
    *a->sum = s;
}

static int64_t optim_tasks(const void *args, int phase)
{
    (void)phase;
    return flat_tasks(((const un_optim_args *)args)->count);
}

static void sgd_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_optim_args *a = args;
    int64_t end = task_end(task, a->count);
    real *restrict w = a->w, *restrict m = a->m;
    const real *restrict g = a->g;
    real scale = (real)a->hyper->grad_scale, decay = (real)a->weight_decay, mu = (real)a->momentum;
    real lr = (real)(a->hyper->lr * a->lr_mult);

    (void)phase, (void)worker, (void)shared;
    for (int64_t i = task * UN_TASK_ELEMENTS; i < end; i++) {
        real d = g[i] * scale + decay * w[i];

        if (mu != 0) {
            real v = mu * m[i] + d;

            m[i] = v;
            d = a->nesterov ? d + mu * v : v;
        }
        w[i] -= lr * d;
    }
}

static void adam_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_optim_args *a = args;
    int64_t end = task_end(task, a->count);
    double lr = a->hyper->lr * a->lr_mult, t = (double)a->hyper->step;
    real *restrict w = a->w, *restrict m = a->m, *restrict v = a->v;
    const real *restrict g = a->g;
    real scale = (real)a->hyper->grad_scale, eps = (real)a->eps;
    real coupled = (real)(a->decoupled ? 0 : a->weight_decay),
         keep = (real)(a->decoupled ? 1 - lr * a->weight_decay : 1);
    real b1 = (real)(1 - a->beta1), b2 = (real)a->beta2, b2c = (real)(1 - a->beta2);
    real step = (real)(lr / (1 - un_pow(a->beta1, t))), root = (real)un_sqrt(1 - un_pow(a->beta2, t));

    (void)phase, (void)worker, (void)shared;
    for (int64_t i = task * UN_TASK_ELEMENTS; i < end; i++) {
        real wi = w[i] * keep, d = g[i] * scale + coupled * wi, mi = m[i] + (d - m[i]) * b1;
        real vi = v[i] * b2 + b2c * d * d;

        m[i] = mi;
        v[i] = vi;
        w[i] = wi - step * (mi / (un_rroot(vi) / root + eps));
    }
}

static void ema_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_optim_args *a = args;
    int64_t end = task_end(task, a->count);
    double step = (double)a->hyper->step, d = UN_MIN(a->hyper->ema_decay, (1 + step) / (10 + step));
    real *restrict m = a->m, keep = (real)d, take = (real)(1 - d);
    const real *restrict w = a->w;

    (void)phase, (void)worker, (void)shared;
    for (int64_t i = task * UN_TASK_ELEMENTS; i < end; i++)
        m[i] = keep * m[i] + take * w[i];
}

static int64_t axpby_tasks(const void *args, int phase)
{
    (void)phase;
    return flat_tasks(((const un_axpby_args *)args)->count);
}

/* y is not read where b is 0, so it may be uninitialised. */
static void axpby_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_axpby_args *a = args;
    int64_t i = task * UN_TASK_ELEMENTS, end = task_end(task, a->count);
    const real *x = a->x;
    real *y = a->y, ka = (real)a->a, kb = (real)a->b;

    (void)phase, (void)worker, (void)shared;
    if (kb == 0)
        UN_IVDEP for (; i < end; i++) y[i] = ka * x[i];
    else
        UN_IVDEP for (; i < end; i++) y[i] = ka * x[i] + kb * y[i];
}

UN_DEFINE(sumsq, SUMSQ, .phases = 2, .tasks = sumsq_tasks, .run = sumsq_run, .shared_bytes = sumsq_shared)
UN_DEFINE(sgd, SGD, .phases = 1, .tasks = optim_tasks, .run = sgd_run)
UN_DEFINE(adam, ADAM, .phases = 1, .tasks = optim_tasks, .run = adam_run)
UN_DEFINE(ema, EMA, .phases = 1, .tasks = optim_tasks, .run = ema_run)
UN_DEFINE(axpby, AXPBY, .phases = 1, .tasks = axpby_tasks, .run = axpby_run)
