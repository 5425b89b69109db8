/* Flat arrays: sums of squares, updates of parameters (a file each in optim/), averages, limits of gradients. */
#include "kernels/args.h"
#include "kernels/elem/walk.h"

#include "base/math.h"
#include "kernels/elem/optim/adagrad.h"
#include "kernels/elem/optim/adam.h"
#include "kernels/elem/optim/amsgrad.h"
#include "kernels/elem/optim/lamb.h"
#include "kernels/elem/optim/lion.h"
#include "kernels/elem/optim/nadam.h"
#include "kernels/elem/optim/radam.h"
#include "kernels/elem/optim/rmsprop.h"
#include "kernels/elem/optim/sgd.h"

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

/* ---- updates ---- */

static int64_t optim_tasks(const void *args, int phase)
{
    (void)phase;
    return flat_tasks(((const un_optim_args *)args)->count);
}

static void optim_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    static optim_fn *const update[] = {
        [UN_OPTIM_SGD] = optim_sgd,
        [UN_OPTIM_ADAM] = optim_adam,
        [UN_OPTIM_AMSGRAD] = optim_amsgrad,
        [UN_OPTIM_RMSPROP] = optim_rmsprop,
        [UN_OPTIM_ADAGRAD] = optim_adagrad,
        [UN_OPTIM_NADAM] = optim_nadam,
        [UN_OPTIM_RADAM] = optim_radam,
        [UN_OPTIM_LION] = optim_lion,
    };
    const un_optim_args *a = args;

    (void)phase, (void)worker, (void)shared;
    update[a->kind](a, task * UN_TASK_ELEMENTS, task_end(task, a->count));
}

static int64_t lamb_tasks(const void *args, int phase)
{
    return phase == 1 ? 1 : flat_tasks(((const un_optim_args *)args)->count);
}

static size_t lamb_shared(const void *args)
{
    return 2 * (size_t)flat_tasks(((const un_optim_args *)args)->count) * sizeof(double);
}

static void lamb_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_optim_args *a = args;
    const int64_t i = task * UN_TASK_ELEMENTS, end = task_end(task, a->count);
    double *sum = shared;

    (void)worker;
    if (phase == 0)
        lamb_moments(a, i, end, sum + 2 * task);
    else if (phase == 1)
        for (int64_t k = 1; k < flat_tasks(a->count); k++) {
            sum[0] += sum[2 * k];
            sum[1] += sum[2 * k + 1];
        }
    else
        lamb_apply(a, i, end, lamb_quotient(sum));
}

/* ---- averages ---- */

static int64_t average_tasks(const void *args, int phase)
{
    const un_average_args *a = args;

    (void)phase;
    return a->hyper->average_keep < 1 ? flat_tasks(a->count) : 0;
}

static void average_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_average_args *a = args;
    const int64_t end = task_end(task, a->count);
    const real keep = (real)a->hyper->average_keep, take = (real)(1 - a->hyper->average_keep);
    real *restrict avg = a->avg;
    const real *restrict w = a->w;

    (void)phase, (void)worker, (void)shared;
    for (int64_t i = task * UN_TASK_ELEMENTS; i < end; i++)
        avg[i] = keep * avg[i] + take * w[i];
}

static int64_t lookahead_tasks(const void *args, int phase)
{
    const un_average_args *a = args;

    (void)phase;
    return a->hyper->step % a->every ? 0 : flat_tasks(a->count);
}

static void lookahead_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_average_args *a = args;
    const int64_t end = task_end(task, a->count);
    const real alpha = (real)a->alpha;
    real *restrict slow = a->avg, *restrict w = a->w;

    (void)phase, (void)worker, (void)shared;
    for (int64_t i = task * UN_TASK_ELEMENTS; i < end; i++)
        w[i] = slow[i] = slow[i] + alpha * (w[i] - slow[i]);
}

static int64_t perturb_tasks(const void *args, int phase)
{
    (void)phase;
    return flat_tasks(((const un_perturb_args *)args)->count);
}

static void perturb_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_perturb_args *a = args;
    const int64_t end = task_end(task, a->count);
    const real by = (real)(a->rho * a->hyper->grad_scale / (a->hyper->grad_norm + 1e-12));
    real *restrict w = a->w;
    const real *restrict g = a->g;

    (void)phase, (void)worker, (void)shared;
    for (int64_t i = task * UN_TASK_ELEMENTS; i < end; i++)
        w[i] += by * g[i];
}

/* ---- limits ---- */

static int64_t clamp_tasks(const void *args, int phase)
{
    (void)phase;
    return flat_tasks(((const un_clamp_args *)args)->count);
}

static void clamp_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_clamp_args *a = args;
    const int64_t end = task_end(task, a->count);
    const real limit = (real)(a->limit / a->hyper->grad_scale);
    real *restrict g = a->g;

    (void)phase, (void)worker, (void)shared;
    for (int64_t i = task * UN_TASK_ELEMENTS; i < end; i++)
        g[i] = g[i] > limit ? limit : g[i] < -limit ? -limit : g[i];
}

static int64_t agc_tasks(const void *args, int phase)
{
    (void)phase;
    return ((const un_agc_args *)args)->units;
}

static void agc_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_agc_args *a = args;
    const int64_t row = a->units * a->inner;
    const real *w = (const real *)a->w + task * a->inner;
    real *g = (real *)a->g + task * a->inner, by;
    double ww = 0, gg = 0, most, norm;

    (void)phase, (void)worker, (void)shared;
    for (int64_t o = 0; o < a->outer; o++) {
        ww += block_sumsq(w + o * row, 0, a->inner);
        gg += block_sumsq(g + o * row, 0, a->inner);
    }
    most = a->limit * UN_MAX(un_sqrt(ww), a->eps);
    norm = un_sqrt(gg) * a->hyper->grad_scale;
    if (norm <= most)
        return;
    by = (real)(most / UN_MAX(norm, 1e-6));
    for (int64_t o = 0; o < a->outer; o++)
        for (int64_t i = 0; i < a->inner; i++)
            g[o * row + i] *= by;
}

/* ---- sums ---- */

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
UN_DEFINE(optim, OPTIM, .phases = 1, .tasks = optim_tasks, .run = optim_run)
UN_DEFINE(lamb, LAMB, .phases = 3, .tasks = lamb_tasks, .run = lamb_run, .shared_bytes = lamb_shared)
UN_DEFINE(average, AVERAGE, .phases = 1, .tasks = average_tasks, .run = average_run)
UN_DEFINE(lookahead, LOOKAHEAD, .phases = 1, .tasks = lookahead_tasks, .run = lookahead_run)
UN_DEFINE(perturb, PERTURB, .phases = 1, .tasks = perturb_tasks, .run = perturb_run)
UN_DEFINE(clamp, CLAMP, .phases = 1, .tasks = clamp_tasks, .run = clamp_run)
UN_DEFINE(agc, AGC, .phases = 1, .tasks = agc_tasks, .run = agc_run)
UN_DEFINE(axpby, AXPBY, .phases = 1, .tasks = axpby_tasks, .run = axpby_run)
