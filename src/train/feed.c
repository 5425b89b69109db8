#include "train/feed.h"

#include <string.h>

void un_feed_settings(const un_config *c, un_pipeline_options *o)
{
    memcpy(o->size, c->train.patch, sizeof o->size);
    o->batch = c->train.batch;
    o->ghost_batch = c->train.ghost_batch;
    o->channels = c->model.in_channels;
    o->classes = c->model.classes;
    o->multilabel = c->model.head == UN_CFG_HEAD_MULTILABEL;
    o->seed = (uint64_t)c->train.seed;
    o->augment = &c->augment;
    o->foreground = c->data.foreground.n > 0 ? c->data.foreground.v : NULL;
    o->objects = c->augment.foreground_by == UN_CFG_FOREGROUND_BY_OBJECT;
    o->foreground_count = c->data.foreground.n > 0 ? c->data.foreground.n : 0;
}

static unet_status start(void *ctx, int64_t step, unet_error *err)
{
    return un_pipeline_start(ctx, step, err);
}

static unet_status next(void *ctx, const un_batch **out, unet_error *err)
{
    return un_pipeline_next(ctx, out, err);
}

static void release(void *ctx, const un_batch *b)
{
    un_pipeline_release(ctx, b);
}

un_feed un_feed_of(un_pipeline *p)
{
    return (un_feed){p, start, next, release};
}
