#include "train/job.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "train/feed.h"

static unet_status open_pipeline(un_job *j, un_mem *mem, const un_job_spec *spec, unet_error *err)
{
    un_pipeline_options o = {.threads = spec->workers, .cache_bytes = spec->batch_cache, .steps = spec->steps};

    un_feed_settings(spec->cfg, &o);
    return un_pipeline_create(&j->pipeline, mem, un_data_source_view(j->train), &o, err);
}

static unet_status open_selector(un_job *j, un_mem *mem, const un_job_spec *spec, unet_error *err)
{
    const un_picture_source *select = un_data_source_view(j->select);
    const un_selector_spec s = {.source = select->count ? select : &j->shown,
        .predict = {.session = spec->session,
            .max_bytes = spec->predict_bytes,
            .mode = (int)spec->cfg->predict.mode,
            .overlap = spec->cfg->predict.overlap,
            .cancel = spec->cancel,
            .ctx = spec->cancel_ctx},
        .seen = spec->seen,
        .ctx = spec->ctx};

    j->shown = *un_data_source_view(j->train);
    j->shown.count = UN_MIN(j->shown.count, spec->shown);
    return s.source->count ? un_selector_create(&j->selector, mem, &s, err) : UNET_OK;
}

static void tell_epoch(un_job *j)
{
    const un_epoch e = un_pipeline_epoch(j->pipeline);

    snprintf(j->epoch, sizeof j->epoch,
        "an epoch draws %d patches from %d pictures, %.1f of them at least once; a picture comes %.2f to %.2f times",
        e.drawn, e.drawn, e.distinct, e.least, e.most);
}

unet_status un_job_open(un_job *j, un_mem *mem, const un_job_spec *spec, unet_error *err)
{
    unet_status st;

    memset(j, 0, sizeof *j);
    st = un_preprocess_create(&j->pre, mem, spec->cfg, 1, err);
    if (!st)
        st = un_data_source_create(&j->train, mem, spec->data, j->pre, UN_ROLE_TRAIN, 0, err);
    if (!st)
        st = un_data_source_create(&j->select, mem, spec->data, j->pre, UN_ROLE_SELECT, spec->select_cache, err);
    if (!st)
        st = open_pipeline(j, mem, spec, err);
    if (!st) {
        tell_epoch(j);
        st = open_selector(j, mem, spec, err);
    }
    if (st)
        un_job_close(j);
    return st;
}

void un_job_close(un_job *j)
{
    un_selector_destroy(j->selector);
    un_pipeline_destroy(j->pipeline);
    un_data_source_destroy(j->select);
    un_data_source_destroy(j->train);
    un_preprocess_destroy(j->pre);
    memset(j, 0, sizeof *j);
}
