/* What the main jobs share. */
#include "api/work.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

unet_status un_api_data_open(un_api_data *d, unet_context *c, const char *path, const un_config *cfg, unet_error *err)
{
    unet_status st = un_dataset_open(&d->set, c->mem, path, cfg, err);

    d->pre = NULL;
    if (!st)
        st = un_dataset_assign(d->set, cfg, err);
    if (!st)
        st = un_dataset_check(d->set, cfg->data.on_bad, err);
    if (!st)
        st = un_preprocess_create(&d->pre, c->mem, cfg, 1, err);
    if (st)
        un_api_data_close(d);
    return st;
}

void un_api_data_close(un_api_data *d)
{
    un_preprocess_destroy(d->pre);
    un_dataset_close(d->set);
    memset(d, 0, sizeof *d);
}

unet_status un_api_set(un_config *cfg, un_mem *mem, const char *const *set, size_t count, unet_error *err)
{
    unet_status st = UNET_OK;

    for (size_t i = 0; i < count && !st; i++)
        st = un_config_set(cfg, mem, set[i], err);
    return st ? st : un_config_check(cfg, err);
}

un_predict_options un_api_predict_options(unet_context *c, const un_config *cfg)
{
    un_predict_options o = {.session = un_api_session_options(c),
        .mode = (int)cfg->predict.mode,
        .tta = (int)cfg->predict.tta,
        .overlap = cfg->predict.overlap,
        .cancel = un_api_cancelled,
        .ctx = c};

    for (int i = 0; i < 3 && !un_is_auto(cfg->predict.tile[0]); i++)
        o.tile[i] = cfg->predict.tile[i];
    return o;
}

int un_api_background(const un_config *cfg)
{
    const un_cfg_ints *f = &cfg->data.foreground;

    for (int i = 0; i < f->n; i++)
        if (f->v[i] == 0)
            return -1;
    return cfg->model.head == UN_CFG_HEAD_MULTILABEL ? -1 : 0;
}

const char *un_api_class_name(const un_config *cfg, int k, char buf[32])
{
    const un_cfg_class_list *l = &cfg->data.classes;

    if (k < l->n && l->v[k].name[0])
        return l->v[k].name;
    snprintf(buf, 32, "class %d", k);
    return buf;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

un_api_clock un_api_clock_start(void)
{
    return (un_api_clock){now_s()};
}

double un_api_clock_seconds(un_api_clock c)
{
    return now_s() - c.start;
}

void un_api_progress(unet_progress_fn fn, void *ctx, const char *phase, const char *item, int64_t done, int64_t total,
    un_api_clock clock)
{
    double s = un_api_clock_seconds(clock);
    unet_progress p = {.phase = phase,
        .item = item,
        .done = done,
        .total = total,
        .epoch = NAN,
        .loss = NAN,
        .dice = NAN,
        .iou = NAN,
        .learning_rate = NAN,
        .waiting = NAN};

    if (!fn)
        return;
    p.per_second = s > 0 ? (double)done / s : NAN;
    p.seconds_left = done > 0 ? s / (double)done * (double)(total - done) : NAN;
    fn(ctx, &p);
}
