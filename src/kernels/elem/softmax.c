/* Softmax over the channels of each pixel, or the sigmoid of each element. */
#include "kernels/elem/act.h"
#include "kernels/elem/tile.h"

static void sigmoid_span(const void *args, const real *x, const real *b, real *y, int64_t count)
{
    (void)args, (void)b;
    UN_IVDEP for (int64_t j = 0; j < count; j++) y[j] = un_rsigmoid(x[j]);
}

static int64_t softmax_tasks(const void *args, int phase)
{
    const un_softmax_args *a = args;

    (void)phase;
    return a->sigmoid ? un_pixel_tasks(&a->y) : un_ceil_div(un_view_pixels(&a->y), un_tile_block(&a->y));
}

static size_t softmax_worker(const void *args)
{
    const un_softmax_args *a = args;

    return a->sigmoid ? 0 : (size_t)a->y.c * TILE * sizeof(real);
}

static void softmax_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_softmax_args *a = args;
    real max[TILE], sum[TILE];
    int64_t i, end;

    (void)phase, (void)shared;
    if (a->sigmoid) {
        un_each_span(args, &a->x, NULL, &a->y, task, sigmoid_span);
        return;
    }
    i = task * un_tile_block(&a->y);
    end = UN_MIN(i + un_tile_block(&a->y), un_view_pixels(&a->y));
    for (; i < end; i += TILE) {
        int count = (int)UN_MIN(TILE, end - i);

        un_tile_load(&a->x, i, count, worker);
        un_tile_softmax(worker, a->y.c, max, sum);
        un_tile_store(&a->y, i, count, worker, 0);
    }
}

UN_DEFINE(softmax, SOFTMAX, .phases = 1, .tasks = softmax_tasks, .run = softmax_run, .worker_bytes = softmax_worker)
