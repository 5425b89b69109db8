/* Kernels whose output pixel depends on the same pixel of the inputs alone, but for softmax. */
#include "kernels/elem/act.h"
#include "kernels/elem/walk.h"

#include "base/rng.h"

static void act_span(const void *args, const real *x, const real *b, real *y, int64_t count)
{
    const un_act_args *a = args;
    real slope = (real)a->slope;

    (void)b;
#define CASE(kind) UN_IVDEP for (int64_t j = 0; j < count; j++) y[j] = un_act_of(x[j], kind, slope)
    UN_ACT_SWITCH(a->act, CASE)
#undef CASE
}

static void act_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_act_args *a = args;

    (void)phase, (void)worker, (void)shared;
    un_each_span(args, &a->x, NULL, &a->y, task, act_span);
}

static int64_t act_tasks(const void *args, int phase)
{
    (void)phase;
    return un_pixel_tasks(&((const un_act_args *)args)->y);
}

static void act_grad_span(const void *args, const real *x, const real *dy, real *dx, int64_t count)
{
    const un_act_args *a = args;
    real slope = (real)a->slope;

#define CASE(kind) UN_IVDEP for (int64_t j = 0; j < count; j++) dx[j] = dy[j] * un_act_slope(x[j], kind, slope)
    UN_ACT_SWITCH(a->act, CASE)
#undef CASE
}

static void act_grad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_act_args *a = args;

    (void)phase, (void)worker, (void)shared;
    un_each_span(args, &a->x, &a->dy, &a->y, task, act_grad_span);
}

static void add_span(const void *args, const real *a, const real *b, real *y, int64_t count)
{
    (void)args;
    UN_IVDEP for (int64_t j = 0; j < count; j++) y[j] = a[j] + b[j];
}

static void add_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_add_args *a = args;

    (void)phase, (void)worker, (void)shared;
    un_each_span(args, &a->a, &a->b, &a->y, task, add_span);
}

static int64_t add_tasks(const void *args, int phase)
{
    (void)phase;
    return un_pixel_tasks(&((const un_add_args *)args)->y);
}

static void copy_span(const void *args, const real *x, const real *b, real *y, int64_t count)
{
    (void)args, (void)b;
    UN_IVDEP for (int64_t j = 0; j < count; j++) y[j] = x[j];
}

static void copy_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_copy_args *a = args;

    (void)phase, (void)worker, (void)shared;
    un_each_span(args, &a->x, NULL, &a->y, task, copy_span);
}

static int64_t copy_tasks(const void *args, int phase)
{
    (void)phase;
    return un_pixel_tasks(&((const un_copy_args *)args)->y);
}

static void fill_span(const void *args, const real *a, const real *b, real *y, int64_t count)
{
    (void)args, (void)a, (void)b;
    for (int64_t j = 0; j < count; j++)
        y[j] = 0;
}

static void fill_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    (void)phase, (void)worker, (void)shared;
    un_each_span(args, NULL, NULL, &((const un_copy_args *)args)->y, task, fill_span);
}

/* One pixel, since scale and shift are by channel. */
static inline void affine_pixel(const un_affine_args *a, const real *x, real *y)
{
    const real *scale = a->scale, *shift = a->shift;
    real slope = (real)a->slope;
    int c = a->y.c;

#define CASE(kind) UN_IVDEP for (int j = 0; j < c; j++) y[j] = un_act_of(x[j] * scale[j] + shift[j], kind, slope)
    UN_ACT_SWITCH(a->act, CASE)
#undef CASE
}

static void affine_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_affine_args *a = args;
    int64_t block = un_block_pixels(&a->y), i = task * block, end = UN_MIN(i + block, un_view_pixels(&a->y)), run;

    (void)phase, (void)worker, (void)shared;
    for (; i < end; i += run) {
        const real *x = un_px(&a->x, i);
        real *y = un_px(&a->y, i);

        run = un_run(&a->y, i, un_run(&a->x, i, end - i));
        for (int64_t j = 0; j < run; j++)
            affine_pixel(a, x + j * a->x.sw, y + j * a->y.sw);
    }
}

static int64_t affine_tasks(const void *args, int phase)
{
    (void)phase;
    return un_pixel_tasks(&((const un_affine_args *)args)->y);
}

/* Philox's first word w decides: dropped when w / 2^32 < p. */
static void dropout_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_dropout_args *a = args;
    const un_view *y = &a->y;
    int64_t block = un_block_pixels(y), i = task * block, end = UN_MIN(i + block, un_view_pixels(y));
    int64_t sample = (int64_t)y->d * y->h * y->w;
    uint32_t key[2] = {(uint32_t)a->seed, (uint32_t)(a->seed >> 32)}, ctr[4], out[4];
    double threshold = a->p * 4294967296.0;
    real scale = (real)(a->p < 1 ? 1 / (1 - a->p) : 0);

    (void)phase, (void)worker, (void)shared;
    ctr[2] = a->node;
    ctr[3] = a->step[0];
    for (; i < end; i++) {
        const real *px = un_px(&a->x, i);
        real *py = un_px(y, i);
        uint32_t first = a->spatial || a->sample ? 0 : (uint32_t)(i % sample) * (uint32_t)y->c;

        ctr[1] = a->step[1] + (uint32_t)(i / sample);
        for (int c = 0; c < y->c; c++) {
            ctr[0] = a->sample ? 0 : first + (uint32_t)c;
            un_philox(out, ctr, key);
            py[c] = (double)out[0] < threshold ? 0 : px[c] * scale;
        }
    }
}

static int64_t dropout_tasks(const void *args, int phase)
{
    (void)phase;
    return un_pixel_tasks(&((const un_dropout_args *)args)->y);
}

UN_DEFINE(act, ACT, .phases = 1, .tasks = act_tasks, .run = act_run)
UN_DEFINE(act_grad, ACT_GRAD, .phases = 1, .tasks = act_tasks, .run = act_grad_run)
UN_DEFINE(add, ADD, .phases = 1, .tasks = add_tasks, .run = add_run)
UN_DEFINE(copy, COPY, .phases = 1, .tasks = copy_tasks, .run = copy_run)
UN_DEFINE(fill, FILL, .phases = 1, .tasks = copy_tasks, .run = fill_run)
UN_DEFINE(affine, AFFINE, .phases = 1, .tasks = affine_tasks, .run = affine_run)
UN_DEFINE(dropout, DROPOUT, .phases = 1, .tasks = dropout_tasks, .run = dropout_run)
