#include "train/account.h"

#include <limits.h>
#include <string.h>

#include "base/size.h"
#include "data/pipeline.h"
#include "data/preprocess.h"
#include "run/predict.h"
#include "train/engine.h"
#include "train/feed.h"

enum {
    PROCESS_BYTES = 10 << 20,
    UNUSED = 67, /* of so many bytes that are asked for the allocator leaves one more unused */
    PREDICT_MOST = 1 << 30,
    PREDICT_LEAST = 1 << 20,
    HALVINGS = 4,
    SHOWN_MOST = 3,
    SHOW_PAUSE = 20,   /* for each pixel shown so many are trained on; a tiled 3-D prediction reads each 8 times */
    PREVIEW_BYTES = 12 /* for each pixel of a picture: preview, its mask, their files */
};

typedef struct maker {
    un_account *a;
    un_mem *mem;
    const un_account_spec *spec;
    un_model *model;
    const un_config *cfg;
    un_preprocess *pre;
} maker;

/* ---- pictures ---- */

/* A picture as the pipeline keeps it. */
static uint64_t prepared_bytes(const un_config *c, uint64_t pixels)
{
    const uint64_t classes = (uint64_t)c->model.classes, channels = (uint64_t)c->model.in_channels;
    const uint64_t target = c->model.head == UN_CFG_HEAD_MULTILABEL ? classes + 1 : 1;

    return pixels * (channels + target) * sizeof(float) + (pixels / UN_READY_BLOCK + 2) * classes * sizeof(int32_t);
}

/* What un_preprocess_item and un_ready_make hold beside the result: the files, and the larger of what picture and mask
 * need on the file's grid. */
static uint64_t decoding_bytes(const un_config *c, const un_scan_item *it, uint64_t prepared_pixels)
{
    const uint64_t pixels = (uint64_t)it->d * (uint64_t)it->h * (uint64_t)it->w;
    const uint64_t mask = (uint64_t)it->mask_d * (uint64_t)it->mask_h * (uint64_t)it->mask_w;
    const uint64_t files = pixels * (uint64_t)(it->c + it->alpha) * un_dtype_size((un_dtype)it->type) +
                           mask * (uint64_t)it->mask_c * un_dtype_size((un_dtype)it->mask_type);
    const uint64_t planes = pixels * 2 * sizeof(float), objects = prepared_pixels * (1 + sizeof(int32_t));
    const uint64_t labels = c->model.head == UN_CFG_HEAD_MULTILABEL
                                ? mask * ((uint64_t)c->model.classes + 2) * sizeof(float)
                                : mask * 2 * sizeof(int32_t);
    const uint64_t most = files + pixels + UN_MAX(planes, labels);

    return c->augment.foreground_by == UN_CFG_FOREGROUND_BY_OBJECT ? UN_MAX(most, objects) : most;
}

static uint64_t pixels_of(const maker *m, int item, int size[3])
{
    un_preprocess_extents(m->pre, &m->spec->data->items[item], &m->spec->scan->item[item], size);
    return (uint64_t)size[0] * (uint64_t)size[1] * (uint64_t)size[2];
}

/* 1 at each picture that steps * batch draws reach; all of them when the steps are open. */
static unet_status mark_drawn(const maker *m, const un_picture_source *source, unsigned char *drawn, unet_error *err)
{
    const un_cfg_train *t = &m->cfg->train;
    un_sampler *s;
    unet_status st;
    int left = source->count;

    if (un_is_auto(t->steps)) {
        memset(drawn, 1, (size_t)source->count);
        return UNET_OK;
    }
    st = un_sampler_create(&s, m->mem, source, (uint64_t)t->seed, err);
    for (int64_t at = 0; !st && left && at < t->steps * t->batch; at++) {
        unsigned char *d = &drawn[un_sampler_picture(s, at)];

        left -= !*d;
        *d = 1;
    }
    un_sampler_destroy(s);
    return st;
}

static unet_status count_drawn(const maker *m, const un_data_source *source, unet_error *err)
{
    const un_picture_source *view = un_data_source_view(source);
    unsigned char *drawn = un_alloc_zero(m->mem, (size_t)UN_MAX(view->count, 1));
    unet_status st = drawn ? mark_drawn(m, view, drawn, err) : un_fail_nomem(err, (size_t)view->count);
    uint64_t held = 0, loading = 0, largest = 0;
    const uint64_t workers = (uint64_t)un_account_workers(m->cfg, m->spec->session.pool);

    for (int i = 0; i < view->count && !st; i++) {
        const int item = (int)(un_data_source_item(source, i) - m->spec->data->items);
        int size[3];
        uint64_t pixels, bytes;

        if (!drawn[i])
            continue;
        pixels = pixels_of(m, item, size);
        bytes = prepared_bytes(m->cfg, pixels);
        held += bytes;
        largest = UN_MAX(largest, bytes);
        loading = UN_MAX(loading, decoding_bytes(m->cfg, &m->spec->scan->item[item], pixels));
    }
    un_free(drawn);
    m->a->loading = workers * loading;
    m->a->pictures = held;
    if (!un_is_auto(m->cfg->train.cache) && held > m->cfg->train.cache) /* those in use stay, whatever the cap */
        m->a->pictures = UN_MIN(held, m->cfg->train.cache + workers * largest);
    return st;
}

static unet_status add_pictures(const maker *m, unet_error *err)
{
    un_data_source *source;
    unet_status st = un_data_source_create(&source, m->mem, m->spec->data, m->pre, UN_ROLE_TRAIN, 0, err);

    if (!st)
        st = count_drawn(m, source, err);
    un_data_source_destroy(source);
    return st;
}

/* ---- selection ---- */

static unet_status tile_within(const maker *m, const int size[3], size_t most, un_tiling *t, unet_error *err)
{
    const un_cfg_predict *c = &m->cfg->predict;
    const un_predict_options o = {
        .session = m->spec->session, .mode = (int)c->mode, .overlap = c->overlap, .max_bytes = most};
    un_predictor *p;
    unet_status st = un_predictor_create(&p, m->mem, m->model, &o, err);

    if (!st)
        st = un_predictor_tiling(p, size[0], size[1], size[2], t, err);
    un_predictor_destroy(p);
    return st;
}

/* train.select_mem; where it is open a quarter of the memory, less where the rest of the run leaves less. When no
 * window fits that, about the least that one does. So a run that fits some memory fits all above it. */
static unet_status tile(const maker *m, const int size[3], uint64_t rest, un_tiling *t, unet_error *err)
{
    const uint64_t mem = m->cfg->train.mem, left = mem > rest ? mem - rest : 0;
    size_t most = PREDICT_MOST, fails = 0;
    unet_status st;

    if (!un_is_auto(m->cfg->train.select_mem))
        most = (size_t)m->cfg->train.select_mem;
    else if (!un_is_auto(mem))
        most = (size_t)UN_MAX(UN_MIN(UN_MIN(mem / 4, left), PREDICT_MOST), PREDICT_LEAST);
    while ((st = tile_within(m, size, most, t, err)) == UNET_E_LIMIT && most < SIZE_MAX / 4) {
        fails = most;
        most *= 2;
    }
    for (int i = 0; i < HALVINGS && !st && fails; i++) {
        const size_t middle = fails + (most - fails) / 2;
        un_tiling tried;

        st = tile_within(m, size, middle, &tried, err);
        if (!st) {
            *t = tried;
            most = middle;
        } else if (st == UNET_E_LIMIT) {
            fails = middle;
            st = UNET_OK;
        }
    }
    m->a->predict_bytes = most;
    return st;
}

static uint64_t sum_of(const un_account *a)
{
    const uint64_t asked = a->model + a->engine + a->batches + a->pictures + a->loading + a->selection;

    return a->process + asked + asked / UNUSED;
}

/* The largest of the first `most` pictures of a role; -1: none. */
static int largest_of(const maker *m, un_role role, int most, int size[3], uint64_t *pixels)
{
    const un_dataset *d = m->spec->data;
    int largest = -1, s[3];

    for (int i = 0; i < d->count && most > 0; i++) {
        if (d->items[i].role != role)
            continue;
        most--;
        if (pixels_of(m, i, s) > *pixels) {
            *pixels = pixels_of(m, i, size);
            largest = i;
        }
    }
    return largest;
}

/* Settles which training pictures are shown, and how often. The largest of them; -1: none. */
static int choose_shown(const maker *m, int size[3], uint64_t *largest)
{
    const un_cfg_train *t = &m->cfg->train;
    const double step = (double)t->batch * UN_MAX(t->patch[0], 1) * t->patch[1] * t->patch[2];
    const int most = UN_MIN(t->previews, SHOWN_MOST);
    double pause = 0; /* steps */

    for (int i = 0, any[3]; i < m->spec->data->count && m->a->shown < most; i++) {
        double with;

        if (m->spec->data->items[i].role != UN_ROLE_TRAIN)
            continue;
        with = pause + SHOW_PAUSE * (double)pixels_of(m, i, any) / step;
        if (!un_is_auto(t->steps) && with > (double)t->steps)
            break;
        pause = with;
        m->a->shown++;
    }
    m->a->show_every = t->val_interval * ((int64_t)(pause / (double)t->val_interval) + 1);
    return largest_of(m, UN_ROLE_TRAIN, m->a->shown, size, largest);
}

/* The largest picture stands for all. Its decoding is over when the prediction begins, but a session of the picture
 * before it is still held. */
static unet_status add_selection(const maker *m, unet_error *err)
{
    uint64_t pixels = 0, loading, held;
    int size[3], largest = largest_of(m, UN_ROLE_SELECT, INT_MAX, size, &pixels);
    const int selected = largest >= 0;
    un_tiling t = {0};
    unet_status st;

    if (!selected)
        largest = choose_shown(m, size, &pixels);
    if (largest < 0)
        return UNET_OK;
    loading = decoding_bytes(m->cfg, &m->spec->scan->item[largest], pixels);
    held = prepared_bytes(m->cfg, pixels) + UN_MAX(loading, pixels * (sizeof(int32_t) + PREVIEW_BYTES));
    st = tile(m, size, sum_of(m->a) + held, &t, err);
    m->a->selection = held + t.bytes;
    if (!selected && !un_is_auto(m->cfg->train.mem) && sum_of(m->a) > m->cfg->train.mem) {
        m->a->selection = 0;
        m->a->predict_bytes = 0;
        m->a->shown = 0;
    }
    return st;
}

/* ---- all ---- */

static unet_status add_engine(const maker *m, unet_error *err)
{
    const un_engine_spec spec = {.model = m->model,
        .backend = m->spec->backend,
        .pool = m->spec->session.pool,
        .level = m->spec->session.level,
        .exact = m->spec->session.exact,
        .keep_best = un_dataset_count_role(m->spec->data, UN_ROLE_SELECT) > 0};
    un_pipeline_options o = {.threads = un_account_workers(m->cfg, m->spec->session.pool)};
    un_engine *e;
    unet_status st = un_engine_create(&e, m->mem, &spec, err);

    if (st)
        return st;
    m->a->engine = un_engine_bytes(e);
    un_engine_destroy(e);
    un_feed_settings(m->cfg, &o);
    m->a->batches = un_pipeline_batch_bytes(&o);
    m->a->model = (uint64_t)m->model->graph->block_count * sizeof(float);
    return UNET_OK;
}

unet_status un_account_make(un_account *out, un_mem *mem, const un_account_spec *spec, un_model *model, unet_error *err)
{
    maker m = {.a = out, .mem = mem, .spec = spec, .model = model, .cfg = &model->config};
    unet_status st = un_preprocess_create(&m.pre, mem, m.cfg, 0, err);

    *out = (un_account){.process = PROCESS_BYTES};
    if (!st)
        st = add_engine(&m, err);
    if (!st)
        st = add_pictures(&m, err);
    if (!st)
        st = add_selection(&m, err);
    un_preprocess_destroy(m.pre);
    out->total = sum_of(out);
    return st;
}

int un_account_workers(const un_config *cfg, const un_pool *pool)
{
    return un_is_auto(cfg->train.workers) ? UN_MAX(un_pool_threads(pool) / 2, 1) : cfg->train.workers;
}

size_t un_account_cache(const un_config *cfg)
{
    return un_is_auto(cfg->train.cache) ? (size_t)1 << 30 : (size_t)cfg->train.cache;
}
