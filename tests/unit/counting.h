/* An allocator that counts, and refuses the allocation whose number is in fail_at. */
#ifndef COUNTING_H
#define COUNTING_H

#include <stdatomic.h>
#include <stdlib.h>

#include "unet/context.h"

static atomic_llong allocations, live, fail_at;

static void *counting_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    if (++allocations == fail_at)
        return NULL;
    live++;
    return malloc(bytes);
}

static void counting_release(void *ctx, void *p, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    live--;
    free(p);
}

static const unet_allocator counting = {NULL, counting_alloc, counting_release};

#endif
