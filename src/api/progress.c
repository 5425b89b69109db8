#include "api/progress.h"

#include <math.h>

void un_file_progress_begin(un_file_progress *p, unet_progress_fn fn, void *ctx, const char *phase, int64_t total)
{
    *p = (un_file_progress){.fn = fn, .ctx = ctx, .phase = phase, .total = total};
    clock_gettime(CLOCK_MONOTONIC, &p->began);
}

void un_file_progress_tell(const un_file_progress *p, int64_t done, const char *item)
{
    unet_progress r = {.phase = p->phase, .item = item, .done = done, .total = p->total, .epoch = -1};
    struct timespec now;
    double seconds;

    if (!p->fn)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    seconds = (double)(now.tv_sec - p->began.tv_sec) + 1e-9 * (double)(now.tv_nsec - p->began.tv_nsec);
    r.loss = r.dice = r.iou = r.learning_rate = r.waiting = NAN;
    r.per_second = done > 0 && seconds > 0 ? (double)done / seconds : -1;
    r.seconds_left = r.per_second > 0 ? (double)(p->total - done) / r.per_second : -1;
    p->fn(p->ctx, &r);
}
