#include "train/meter.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "base/size.h"
#include "train/engine.h"
#include "train/job.h"
#include "train/schedule.h"

enum {
    PROBE_FILTERS = 16,
    PROBE_PIXELS_2D = 128 * 128,
    PROBE_PIXELS_3D = 32 * 32 * 32,
    RUNS_LEAST = 3,
    RUNS_MOST = 9,
    BATCHES_MOST = 12
};
static const double enough_s = 0.4; /* of batches */
static const double runs_s = 0.6;   /* of an engine */
static const double long_s = 6;     /* of an engine: then RUNS_LEAST are not waited for */

struct un_meter {
    un_mem *mem;
    un_account_spec spec;
    double seconds_per_mac; /* of training a network of PROBE_FILTERS; 0: not known yet */
};

unet_status un_meter_create(un_meter **out, un_mem *mem, const un_account_spec *spec, unet_error *err)
{
    un_meter *m = un_alloc_zero(mem, sizeof *m);

    *out = m;
    if (!m)
        return un_fail_nomem(err, sizeof *m);
    m->mem = mem;
    m->spec = *spec;
    return UNET_OK;
}

void un_meter_destroy(un_meter *m)
{
    un_free(m);
}

/* ---- a candidate ---- */

/* The candidate's configuration with every key settled that its engine needs. */
static unet_status settled_copy(un_config **out, un_meter *m, const un_config *cfg, unet_error *err)
{
    un_config *c = un_alloc(m->mem, sizeof *c);
    unet_status st;

    *out = NULL;
    if (!c)
        return un_fail_nomem(err, sizeof *c);
    *c = *cfg;
    if (un_is_auto(c->train.steps))
        c->train.steps = 1000;
    st = un_train_settle(c, UN_MAX(un_dataset_count_role(m->spec.data, UN_ROLE_TRAIN), 1), err);
    if (st)
        un_free(c);
    else
        *out = c;
    return st;
}

static un_engine_spec engine_spec(const un_meter *m, un_model *model)
{
    return (un_engine_spec){.model = model,
        .backend = m->spec.backend,
        .pool = m->spec.session.pool,
        .level = m->spec.session.level,
        .exact = m->spec.session.exact,
        .keep_best = un_dataset_count_role(m->spec.data, UN_ROLE_SELECT) > 0};
}

/* ---- time ---- */

/* A ghost batch of noise with every class in it. */
typedef struct noise {
    un_batch batch;
    float *values;
} noise;

static unet_status make_noise(noise *z, un_mem *mem, const un_config *c, unet_error *err)
{
    const int soft = c->model.head == UN_CFG_HEAD_MULTILABEL, k = c->model.classes;
    const size_t pixels = (size_t)c->train.ghost_batch * (size_t)c->train.patch[0] * (size_t)c->train.patch[1] *
                          (size_t)c->train.patch[2];
    const size_t image = pixels * (size_t)c->model.in_channels, target = pixels * (soft ? (size_t)k : 1);
    un_rng r;

    un_rng_init(&r, 1, UN_RNG_INIT, 0, 0, 0);
    z->values = un_alloc_array(mem, image + target, sizeof *z->values);
    if (!z->values)
        return un_fail_nomem(err, (image + target) * sizeof *z->values);
    z->batch = (un_batch){.n = c->train.ghost_batch,
        .d = c->train.patch[0],
        .h = c->train.patch[1],
        .w = c->train.patch[2],
        .c = c->model.in_channels,
        .classes = k,
        .image = z->values,
        .step = 1};
    for (size_t i = 0; i < image; i++)
        z->values[i] = (float)un_rng_range(&r, -1.5, 1.5);
    if (soft)
        z->batch.soft = z->values + image;
    else
        z->batch.target = (int32_t *)(void *)(z->values + image);
    for (size_t i = 0; i < target; i++)
        if (soft)
            z->batch.soft[i] = (float)(i % 2);
        else
            z->batch.target[i] = (int32_t)(i / 7 % (size_t)k);
    return UNET_OK;
}

static void put_sorted(double *v, int n, double x)
{
    for (; n > 0 && v[n - 1] > x; n--)
        v[n] = v[n - 1];
    v[n] = x;
}

int un_meter_is_enough(int counted, double elapsed)
{
    return counted == RUNS_MOST || (counted >= RUNS_LEAST && elapsed >= runs_s) || (counted && elapsed >= long_s);
}

/* The median of a few runs of one ghost batch, and of an update after each: the run will see the machine as it mostly
 * is. The first finds memory untouched and takes up to twice as long: it counts only when it alone takes long. */
static unet_status time_engine(un_engine *e, const un_batch *b, double *group_s, double *apply_s, unet_error *err)
{
    const double start = un_clock_s();
    double group[RUNS_MOST], apply[RUNS_MOST];
    un_step_result r;
    unet_status st = UNET_OK;
    int n = 0;

    for (int step = 1; !st && !un_meter_is_enough(n, un_clock_s() - start); step++) {
        const double begun = un_clock_s();
        double summed;

        st = un_engine_accumulate(e, b, step, 0, 1, err);
        summed = un_clock_s();
        if (!st)
            st = un_engine_apply(e, step, 1e-8, &r, err);
        if (step > 1 || summed - begun >= long_s) {
            put_sorted(group, n, summed - begun);
            put_sorted(apply, n++, un_clock_s() - summed);
        }
    }
    *group_s = n > 0 ? group[n / 2] : INFINITY;
    *apply_s = n > 0 ? apply[n / 2] : INFINITY;
    return st;
}

static unet_status run_engine(un_meter *m, un_model *model, double *group_s, double *apply_s, unet_error *err)
{
    const un_engine_spec spec = engine_spec(m, model);
    un_engine *e = NULL;
    noise z = {0};
    unet_status st = un_engine_create(&e, m->mem, &spec, err);

    if (!st)
        st = un_engine_start(e, err);
    if (!st)
        st = make_noise(&z, m->mem, &model->config, err);
    if (!st)
        st = time_engine(e, &z.batch, group_s, apply_s, err);
    un_free(z.values);
    un_engine_destroy(e);
    return st;
}

/* How many times as fast as at PROBE_FILTERS a multiply-add is done (docs/planning.md: measured once, AVX2 and AVX-512
 * alike): few channels leave much of a vector and of each fetch unused. */
static double speed_of(int filters)
{
    static const double at[][2] = {{4, 0.35}, {8, 0.6}, {16, 1}, {24, 1.2}, {32, 1.35}, {48, 1.5}, {64, 1.6}};
    const size_t n = UN_COUNT(at);

    if (filters <= at[0][0])
        return at[0][1];
    for (size_t i = 1; i < n; i++)
        if (filters <= at[i][0])
            return at[i - 1][1] + (at[i][1] - at[i - 1][1]) * (filters - at[i - 1][0]) / (at[i][0] - at[i - 1][0]);
    return at[n - 1][1];
}

static unet_status macs_of_patch(const un_model *model, double *macs, unet_error *err)
{
    const un_cfg_train *t = &model->config.train;
    un_cost cost;
    unet_status st = un_model_cost(model->graph,
        (un_shape){1, t->patch[0], t->patch[1], t->patch[2], model->config.model.in_channels}, &cost, err);

    *macs = st ? 0 : cost.macs;
    return st;
}

/* Halves the patch, keeping it on the grid, until it is quickly computed. */
static void shrink_to_probe(un_config *c)
{
    const int64_t most = c->model.dims == 3 ? PROBE_PIXELS_3D : PROBE_PIXELS_2D;
    int grid[3], *p = c->train.patch;

    un_model_grid(&c->model, grid);
    while ((int64_t)p[0] * p[1] * p[2] > most) {
        int axis = 0;

        for (int a = 1; a < 3; a++)
            axis = p[a] / grid[a] >= p[axis] / grid[axis] ? a : axis;
        if (p[axis] / grid[axis] < 4)
            return;
        p[axis] = (int)un_round_up((size_t)p[axis] / 2, (size_t)grid[axis]);
    }
}

static unet_status probe(un_meter *m, const un_config *cfg, unet_error *err)
{
    un_config *c = NULL;
    un_model *model = NULL;
    double macs = 1, group_s = 0, apply_s;
    int filters = PROBE_FILTERS;
    unet_status st = settled_copy(&c, m, cfg, err);

    if (!st) {
        c->model.base_filters = filters = UN_MIN(cfg->model.base_filters, PROBE_FILTERS);
        c->train.batch = c->train.ghost_batch = c->model.norm == UN_CFG_NORM_BATCH ? 2 : 1;
        if (c->model.padding == UN_CFG_PAD_SAME)
            shrink_to_probe(c);
        st = un_model_create(&model, m->mem, c, err);
    }
    if (!st)
        st = macs_of_patch(model, &macs, err);
    if (!st)
        st = run_engine(m, model, &group_s, &apply_s, err);
    if (!st)
        m->seconds_per_mac = group_s / c->train.ghost_batch / macs * speed_of(filters);
    un_model_destroy(model);
    un_free(c);
    return st;
}

/* The network without weights, and the memory of its training. *model: to be destroyed in any case. */
static unet_status account_of(un_meter *m, const un_config *cfg, un_model **model, un_account *a, unet_error *err)
{
    un_config *c = NULL;
    unet_status st;

    *model = un_alloc_zero(m->mem, sizeof **model);
    st = *model ? settled_copy(&c, m, cfg, err) : un_fail_nomem(err, sizeof **model);
    if (!st) {
        (*model)->mem = m->mem;
        (*model)->config = *c;
        (*model)->config.train.steps = cfg->train.steps;
        st = un_model_build(&(*model)->graph, m->mem, &c->model, err);
    }
    if (!st)
        st = un_account_make(a, m->mem, &m->spec, *model, err);
    un_free(c);
    return st;
}

static unet_status estimate(
    void *ctx, const un_config *cfg, double *step_seconds, uint64_t *peak_bytes, unet_error *err)
{
    un_meter *m = ctx;
    un_model *model;
    double macs = 0;
    un_account a = {0};
    unet_status st = account_of(m, cfg, &model, &a, err);

    *peak_bytes = a.total;
    if (!st)
        st = macs_of_patch(model, &macs, err);
    if (!st && !(m->seconds_per_mac > 0))
        st = probe(m, cfg, err);
    if (!st)
        *step_seconds = model->config.train.batch * macs * m->seconds_per_mac /
                        speed_of(model->config.model.base_filters) *
                        (model->config.train.recompute == UN_CFG_RECOMPUTE_ON ? 1.3 : 1);
    un_model_destroy(model);
    return st;
}

unet_status un_meter_select_mem(un_meter *m, const un_config *cfg, uint64_t *bytes, unet_error *err)
{
    un_account a = {0};
    un_model *model;
    unet_status st = account_of(m, cfg, &model, &a, err);

    *bytes = a.predict_bytes && !a.shown ? a.predict_bytes : UN_AUTO_BYTES;
    un_model_destroy(model);
    return st;
}

/* Takes n batches from the first step on; stops earlier when that took long, but not before two. How many: *n. */
static unet_status take_batches(un_job *j, int *n, double *seconds, unet_error *err)
{
    const double t = un_clock_s();
    const int most = *n;
    unet_status st = un_pipeline_start(j->pipeline, 1, err);

    for (*n = 0; *n < most && !st && (*n < UN_MIN(most, 2) || un_clock_s() - t < enough_s); ++*n) {
        const un_batch *b;

        st = un_pipeline_next(j->pipeline, &b, err);
        if (!st)
            un_pipeline_release(j->pipeline, b);
    }
    *seconds = un_clock_s() - t;
    return st;
}

/* The same batches twice: the first time their pictures must be decoded. What the cache cannot hold is decoded again
 * and again. */
static unet_status time_samples(un_job *j, const un_config *c, double *sample_s, double *once_s, unet_error *err)
{
    const double pictures = un_data_source_view(j->train)->count;
    double cold, warm, decode_s, all_bytes, kept;
    int n = BATCHES_MOST;
    un_pipeline_figures first;
    unet_status st = take_batches(j, &n, &cold, err);

    first = un_pipeline_figures_get(j->pipeline);
    if (!st)
        st = take_batches(j, &n, &warm, err);
    if (st)
        return st;
    decode_s = fmax(cold - warm, 0) / (double)first.loads;
    all_bytes = pictures * (double)first.most_cache_bytes / (double)first.loads;
    kept = fmin((double)un_account_cache(c) / all_bytes, 1);
    *sample_s = warm / n / c->train.ghost_batch + (1 - kept) * decode_s;
    *once_s = kept * decode_s * pictures;
    return UNET_OK;
}

/* One selection picture stands for all. */
static unet_status time_selection(un_meter *m, un_job *j, un_model *model, double *seconds, unet_error *err)
{
    un_picture_source one = *un_data_source_view(j->select);
    const int count = one.count;
    un_selector_spec spec = {.source = &one,
        .predict = {.session = m->spec.session,
            .mode = (int)model->config.predict.mode,
            .overlap = model->config.predict.overlap}};
    un_selector *s = NULL;
    un_score *score = un_alloc_zero(m->mem, sizeof *score);
    unet_status st = score ? UNET_OK : un_fail_nomem(err, sizeof *score);
    un_account a = {0};
    double t = 0;

    *seconds = 0;
    if (!st)
        st = un_account_make(&a, m->mem, &m->spec, model, err);
    spec.predict.max_bytes = a.predict_bytes;
    one.count = UN_MIN(one.count, 1);
    if (!st && count)
        st = un_selector_create(&s, m->mem, &spec, err);
    for (int i = 0; i < 2 && !st && count; i++) {
        t = un_clock_s();
        st = un_selector_score(s, model, score, err);
        t = un_clock_s() - t;
    }
    *seconds = t * count;
    un_selector_destroy(s);
    un_free(score);
    return st;
}

static unet_status measure_data(un_meter *m, un_model *model, double *sample_s, un_plan_times *t, unet_error *err)
{
    const un_config *c = &model->config;
    const un_job_spec spec = {
        .data = m->spec.data, .cfg = c, .session = m->spec.session, .batch_cache = un_account_cache(c)};
    un_job j;
    unet_status st = un_job_open(&j, m->mem, &spec, err);

    if (st)
        return st;
    st = time_samples(&j, c, sample_s, &t->once, err);
    if (!st)
        st = time_selection(m, &j, model, &t->selection, err);
    un_job_close(&j);
    return st;
}

/* Pictures and patches are prepared on threads beside those that compute, so their time counts as a share of all. */
static unet_status measure(void *ctx, const un_config *cfg, un_plan_times *out, unet_error *err)
{
    un_meter *m = ctx;
    const int threads = UN_MAX(un_pool_threads(m->spec.session.pool), 1);
    un_config *c = NULL;
    un_model *model = NULL;
    double group_s = 0, apply_s = 0, sample_s = 0;
    unet_status st = settled_copy(&c, m, cfg, err);

    if (!st)
        st = un_model_create(&model, m->mem, c, err);
    if (!st)
        st = run_engine(m, model, &group_s, &apply_s, err);
    if (!st)
        st = measure_data(m, model, &sample_s, out, err);
    if (!st) {
        out->step = group_s * c->train.batch / c->train.ghost_batch + apply_s + sample_s * c->train.batch / threads;
        out->once /= threads;
    }
    un_model_destroy(model);
    un_free(c);
    return st;
}

un_plan_costs un_meter_costs(un_meter *m)
{
    return (un_plan_costs){m, estimate, measure};
}
