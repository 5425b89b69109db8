#include "api/progress.h"

#include <math.h>

#include "base/clock.h"

void un_file_progress_begin(un_file_progress *p, unet_progress_fn fn, void *ctx, const char *phase, int64_t total)
{
    *p = (un_file_progress){.fn = fn, .ctx = ctx, .phase = phase, .total = total};
    p->began = un_clock_s();
}

void un_file_progress_tell(const un_file_progress *p, int64_t done, const char *item)
{
    unet_progress r = {.phase = p->phase, .item = item, .done = done, .total = p->total, .epoch = -1};
    double seconds;

    if (!p->fn)
        return;
    seconds = un_clock_s() - p->began;
    r.loss = r.dice = r.iou = r.learning_rate = r.waiting = NAN;
    r.per_second = done > 0 && seconds > 0 ? (double)done / seconds : -1;
    r.seconds_left = r.per_second > 0 ? (double)(p->total - done) / r.per_second : -1;
    p->fn(p->ctx, &r);
}
