#include <math.h>

#include "base/envelope.h"
#include "base/size.h"
#include "metrics/objects.h"

/* Lines that a task takes at once: neighbours in memory, so that columns are read a cache line at a time. */
enum { LINES = 16 };

/* All lines along one axis: `n` samples `stride` apart, `inner` lines side by side in memory (1: the lines are dense),
 * `outer` such bundles `bundle` apart. */
typedef struct axis_run {
    float *img;
    unsigned char *room; /* [threads] of `each` bytes */
    size_t each;
    int64_t n, stride, inner, bundle, tasks_inner;
    double step;
} axis_run;

static void run_lines(void *arg, int64_t task, int worker)
{
    const axis_run *a = arg;
    unsigned char *room = a->room + (size_t)worker * a->each;
    double *line = (double *)(void *)(room + a->each) - LINES * a->n;
    un_envelope l = un_envelope_of((int)a->n, room);
    const int64_t first = task % a->tasks_inner * LINES, last = UN_MIN(first + LINES, a->inner);
    float *img = a->img + task / a->tasks_inner * a->bundle;

    for (int64_t q = 0; q < a->n; q++)
        for (int64_t k = first; k < last; k++)
            line[(k - first) * a->n + q] = (double)img[q * a->stride + k];
    for (int64_t k = first; k < last; k++) {
        l.value = line + (k - first) * a->n;
        un_envelope_run(&l, (int)a->n, a->step);
        for (int64_t q = 0; q < a->n; q++)
            l.value[q] = l.result[q];
    }
    for (int64_t q = 0; q < a->n; q++)
        for (int64_t k = first; k < last; k++)
            img[q * a->stride + k] = (float)line[(k - first) * a->n + q];
}

static size_t room_of(int64_t n)
{
    const size_t bytes = un_envelope_bytes((int)n) + (size_t)n * LINES * sizeof(double);

    return (bytes + 63) / 64 * 64;
}

unet_status un_distance_squared(float *out, un_mem *mem, un_pool *pool, const uint8_t *mask, un_shape size,
    const double spacing[3], unet_error *err)
{
    const int extent[3] = {size.d, size.h, size.w};
    const int64_t plane = (int64_t)size.h * size.w, all = plane * size.d;
    const size_t each = room_of(UN_MAX(UN_MAX(size.d, size.h), size.w)), threads = (size_t)un_pool_threads(pool);
    axis_run a = {.img = out, .room = un_alloc_array(mem, threads, each), .each = each};

    if (!a.room)
        return un_fail_nomem(err, threads * each);
    for (int64_t i = 0; i < all; i++)
        out[i] = mask[i] ? INFINITY : 0;
    for (int axis = 2; axis >= 0; axis--) {
        a.n = extent[axis];
        a.step = spacing[axis];
        a.stride = axis == 2 ? 1 : axis == 1 ? size.w : plane;
        a.inner = axis == 2 ? 1 : a.stride;
        a.bundle = a.n * a.stride;
        a.tasks_inner = (a.inner + LINES - 1) / LINES;
        if (a.n > 1)
            un_pool_run(pool, run_lines, &a, all / (a.n * a.inner) * a.tasks_inner);
    }
    un_free(a.room);
    return UNET_OK;
}
