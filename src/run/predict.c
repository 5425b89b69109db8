/* Prediction window by window. The accumulator holds one slab: the rows (2-D) or planes (3-D) that a row of windows
 * covers. */
#include "run/predict.h"

#include <string.h>

#include "base/block.h"
#include "base/math.h"
#include "base/size.h"
#include "data/tta.h"
#include "run/tiling.h"

struct un_predictor {
    un_mem *mem;
    const un_model *model;
    un_predict_options opt;
    un_session *session[2]; /* of the windows of the last picture: as they are, and turned by 90 degrees */
    double byte_ns;         /* that they were made with */
    un_view view[UN_TTA_MAX];
    int views;
    un_tiling tiling; /* of pictures with these extents, when chosen is set */
    int extent[3], chosen;
    struct job *kept; /* un_predictor_prepare: for pictures of one size; NULL: made and freed with each picture */
};

/* One picture on its way. Axis 0 of the slab is z in 3-D and y in 2-D: `slab`. */
typedef struct job {
    un_predictor *p;
    un_predict_read read;
    const void *from;
    int extent[3], slab, channels;
    un_tiling t;
    un_axis axis[3];
    float *acc, *row;         /* the slab [size][rest][c], NULL: one window is all of it; one finished row of it */
    float *in, *back, *mean;  /* several views: the window, probabilities brought back, their mean; else NULL */
    const float *out;         /* of the window: probabilities */
    int cut_at[3], window[3]; /* what the tasks of cut and add_window work on */
    int64_t rest;             /* pixels of the picture behind one step on the slab axis */
    int emitted;              /* slab positions given to the sink */
    un_predict_sink sink;
    void *ctx;
} job;

un_predict_options un_predict_options_of(const un_cfg_predict *c)
{
    un_predict_options o = {.mode = (int)c->mode,
        .tta = (int)c->tta,
        .precision = (int)c->precision,
        .overlap = c->overlap > 0 ? c->overlap : -1};

    for (int i = 0; i < 3 && !un_is_auto(c->tile[0]); i++)
        o.tile[i] = c->tile[i];
    return o;
}

unet_status un_predictor_create(
    un_predictor **out, un_mem *mem, const un_model *model, const un_predict_options *opt, unet_error *err)
{
    static const un_predict_options defaults;
    un_predictor *p = un_alloc_zero(mem, sizeof *p);
    unet_status st;

    *out = NULL;
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    p->mem = mem;
    p->model = model;
    p->opt = opt ? *opt : defaults;
    st = un_precision_resolve(
        &p->opt.session.bf16, (un_cfg_precision)p->opt.precision, p->opt.session.level, "predict.precision", err);
    if (st) {
        un_free(p);
        return st;
    }
    p->views = un_tta_views(
        (un_cfg_tta)p->opt.tta, un_tta_flip_axes(&model->config.augment), model->config.model.dims, p->view);
    *out = p;
    return UNET_OK;
}

void un_predictor_refresh(un_predictor *p)
{
    for (int i = 0; i < 2; i++)
        if (p->session[i])
            un_session_refresh(p->session[i]);
}

unet_status un_predictor_tiling(un_predictor *p, int d, int h, int w, un_tiling *out, unet_error *err)
{
    return un_tiling_choose(out, p->mem, p->model, &p->opt, d, h, w, err);
}

static void drop_session(un_predictor *p, int which)
{
    un_session_destroy(p->session[which]);
    p->session[which] = NULL;
}

static unet_status use_session(un_predictor *p, int which, un_shape in, double byte_ns, unet_error *err)
{
    un_session_options o = p->opt.session;

    o.byte_ns = byte_ns;
    if (p->session[which] && p->byte_ns == byte_ns && un_shape_equal(un_session_input(p->session[which]), in))
        return UNET_OK;
    drop_session(p, which);
    return un_session_create(&p->session[which], p->mem, p->model, in, &o, err);
}

static int needs_turned(const un_predictor *p, un_shape in)
{
    return p->opt.tta == UN_CFG_TTA_ALL && in.h != in.w;
}

static unet_status use_sessions(un_predictor *p, un_shape in, double byte_ns, unet_error *err)
{
    unet_status st = use_session(p, 0, in, byte_ns, err);

    if (!st && needs_turned(p, in))
        st = use_session(p, 1, (un_shape){in.n, in.d, in.w, in.h, in.c}, byte_ns, err);
    else
        drop_session(p, 1);
    p->byte_ns = byte_ns;
    return st;
}

/* Row `task` of the window that starts at `cut_at` (picture coordinates of its outputs), out of the reflected picture.
 */
static void cut_row(void *ctx, int64_t task, int worker)
{
    const job *j = ctx;
    const un_shape in = j->t.in;
    const int64_t z = un_reflect(j->cut_at[0] + task / in.h - j->t.lead[0], j->extent[0]),
                  y = un_reflect(j->cut_at[1] + task % in.h - j->t.lead[1], j->extent[1]);
    const int64_t from = (int64_t)j->cut_at[2] - j->t.lead[2]; /* picture x of the window's first pixel */
    const int64_t lo = UN_MIN(UN_MAX(-from, 0), in.w), hi = UN_MAX(UN_MIN(j->extent[2] - from, in.w), lo);
    float *to = (j->in ? j->in : un_session_image(j->p->session[0])) + task * in.w * in.c;

    (void)worker;
    for (int64_t x = 0; x < in.w; x++) {
        const int at = (int)un_reflect(from + x, j->extent[2]);

        if (x == lo && hi > lo) {
            j->read(j->from, (int)z, (int)y, at, at + (int)(hi - lo), to + x * in.c);
            x = hi - 1;
        } else {
            j->read(j->from, (int)z, (int)y, at, at + 1, to + x * in.c);
        }
    }
}

static void cut(job *j, const int s[3])
{
    un_profile *profile = j->p->opt.session.profile;
    const double began = un_profile_now(profile);

    memcpy(j->cut_at, s, sizeof j->cut_at);
    un_pool_run(j->p->opt.session.pool, cut_row, j, (int64_t)j->t.in.d * j->t.in.h);
    un_profile_span(profile, "prediction", "cut windows", began);
}

/* Row `task` of the window's outputs, weighted, onto the slab. */
static void add_row(void *ctx, int64_t task, int worker)
{
    const job *j = ctx;
    const un_axis *a = j->axis;
    const int *k = j->window, c = j->channels, base = a[j->slab].start[k[j->slab]];
    const int z = (int)(task / j->t.out.h), y = (int)(task % j->t.out.h);
    const int pz = a[0].start[k[0]] + z, py = a[1].start[k[1]] + y, px = a[2].start[k[2]];
    const int n = UN_MIN(a[2].high[k[2]], a[2].extent - px);
    const float *from = j->out + task * j->t.out.w * c;
    float *to, zy;

    (void)worker;
    if (z < a[0].low[k[0]] || z >= a[0].high[k[0]] || pz >= a[0].extent || y < a[1].low[k[1]] || y >= a[1].high[k[1]] ||
        py >= a[1].extent)
        return;
    to = j->acc + (j->slab == 0 ? ((int64_t)(pz - base) * a[1].extent + py) * a[2].extent + px
                                : (int64_t)(py - base) * a[2].extent + px) *
                      c;
    zy = a[0].weight[z] * a[1].weight[y];
    for (int x = a[2].low[k[2]]; x < n; x++) {
        const float w = zy * a[2].weight[x];

        for (int i = 0; i < c; i++)
            to[x * c + i] += w * from[x * c + i];
    }
}

/* Adds the window k's probabilities, weighted, to the slab. */
static void add_window(job *j, const int k[3])
{
    un_profile *profile = j->p->opt.session.profile;
    const double began = un_profile_now(profile);

    memcpy(j->window, k, sizeof j->window);
    un_pool_run(j->p->opt.session.pool, add_row, j, (int64_t)j->t.out.d * j->t.out.h);
    un_profile_span(profile, "prediction", "join windows", began);
}

/* A list with one number for all channels, or one for each. */
static double number_at(const un_cfg_nums *t, int channel, double none)
{
    return t->n <= 0 ? none : t->v[t->n == 1 ? 0 : UN_MIN(channel, t->n - 1)];
}

static int is_tempered(const un_cfg_nums *t)
{
    int some = 0;

    for (int i = 0; i < t->n; i++)
        some |= t->v[i] != 1;
    return some;
}

/* Divides the logits of n pixels by the temperature: p^(1/T), made to sum to 1 again (Guo 2017). Independent channels
 * have one each. */
static void temper(float *p, int64_t n, int channels, int softmax, const un_cfg_nums *temperature)
{
    for (int64_t i = 0; i < n; i++, p += channels) {
        double sum = 0;

        for (int k = 0; k < channels; k++) {
            const double power = 1 / number_at(temperature, softmax ? 0 : k, 1);
            const double own = un_pow((double)UN_MAX(p[k], 0.0f), power);
            const double other = softmax ? 0 : un_pow((double)UN_MAX(1 - p[k], 0.0f), power);

            p[k] = (float)(softmax ? own : own / (own + other));
            sum += own;
        }
        for (int k = 0; k < channels && softmax; k++)
            p[k] = (float)((double)p[k] / sum);
    }
}

/* Row y of slab position e. */
static const float *sum_row(const job *j, int base, int e, int y)
{
    const int64_t row = j->slab == 0 ? (int64_t)e * j->t.out.h + y : e;

    if (!j->acc)
        return j->out + row * j->t.out.w * j->channels;
    return j->acc + ((int64_t)(e - base) * j->rest + (int64_t)y * j->axis[2].extent) * j->channels;
}

/* Gives the sink all slab positions below `until`. base: position of the slab's first row. */
static unet_status emit(job *j, int base, int until, unet_error *err)
{
    const un_axis *a = j->axis;
    const int c = j->channels;
    const un_config *config = &j->p->model->config;
    unet_status st = UNET_OK;

    for (; j->emitted < until && !st; j->emitted++) {
        const int e = j->emitted;
        int rows = j->slab == 0 ? a[1].extent : 1;

        for (int y = 0; y < rows; y++) {
            const float *from = sum_row(j, base, e, y);

            for (int x = 0; x < a[2].extent; x++) {
                float n = a[0].norm[j->slab == 0 ? e : 0] * a[1].norm[j->slab == 0 ? y : e] * a[2].norm[x];

                for (int i = 0; i < c; i++)
                    j->row[((int64_t)y * a[2].extent + x) * c + i] = from[x * c + i] * n;
            }
        }
        if (is_tempered(&config->predict.temperature))
            temper(j->row, (int64_t)rows * a[2].extent, c, config->model.head == UN_CFG_HEAD_SOFTMAX,
                &config->predict.temperature);
        st = j->slab == 0 ? j->sink(j->ctx, e, e + 1, 0, rows, j->row, err)
                          : j->sink(j->ctx, 0, 1, e, e + 1, j->row, err);
    }
    return st;
}

/* Moves the slab on from window row k to k + 1. */
static void advance(const job *j, int k)
{
    const un_axis *a = &j->axis[j->slab];
    const int64_t row = j->rest * j->channels;
    int by = UN_MIN(a->start[k + 1] - a->start[k], a->size);

    memmove(j->acc, j->acc + by * row, (size_t)((a->size - by) * row) * sizeof(float));
    memset(j->acc + (a->size - by) * row, 0, (size_t)(by * row) * sizeof(float));
}

/* The mean over all views of the window, into j->mean. */
static unet_status mean_of_views(job *j, unet_error *err)
{
    un_predictor *p = j->p;
    const int in[3] = {j->t.in.d, j->t.in.h, j->t.in.w}, out[3] = {j->t.out.d, j->t.out.h, j->t.out.w};
    const int64_t n = un_shape_count(j->t.out);
    unet_status st = un_session_run(p->session[0], j->in, NULL, j->mean, err);

    for (int v = 1; v < p->views && !st; v++) {
        un_session *s = p->session[p->view[v].swap && needs_turned(p, j->t.in)];

        un_tta_apply(&p->view[v], j->in, in, j->t.in.c, un_session_image(s));
        st = un_session_compute(s, err);
        if (st)
            return st;
        un_tta_undo(&p->view[v], un_session_probabilities(s), out, j->channels, j->back);
        for (int64_t i = 0; i < n; i++)
            j->mean[i] += j->back[i];
    }
    for (int64_t i = 0; i < n; i++)
        j->mean[i] *= 1.0f / (float)p->views;
    return st;
}

static unet_status run_views(job *j, unet_error *err)
{
    un_session *s = j->p->session[0];
    const unet_status st = j->mean ? mean_of_views(j, err) : un_session_compute(s, err);

    j->out = j->mean ? j->mean : un_session_probabilities(s);
    return st;
}

static unet_status run_window(job *j, const int k[3], unet_error *err)
{
    int s[3];
    unet_status st;

    if (j->p->opt.cancel && j->p->opt.cancel(j->p->opt.ctx))
        return un_fail(err, UNET_E_CANCELLED, "stopped on request");
    for (int i = 0; i < 3; i++)
        s[i] = j->axis[i].start[k[i]];
    cut(j, s);
    st = run_views(j, err);
    if (!st && j->acc)
        add_window(j, k);
    return st;
}

static unet_status run_all(job *j, unet_error *err)
{
    const un_axis *slab = &j->axis[j->slab];
    const un_axis *mid = &j->axis[j->slab == 0 ? 1 : 0];
    unet_status st = UNET_OK;

    for (int i = 0; i < slab->count && !st; i++) {
        for (int m = 0; m < mid->count && !st; m++)
            for (int x = 0; x < j->axis[2].count && !st; x++) {
                const int k[3] = {j->slab == 0 ? i : m, j->slab == 0 ? m : i, x};

                st = run_window(j, k, err);
            }
        if (!st)
            st = emit(
                j, slab->start[i], i + 1 < slab->count ? slab->start[i + 1] + slab->low[i + 1] : slab->extent, err);
        if (!st && i + 1 < slab->count)
            advance(j, i);
    }
    return st;
}

enum { BUFFERS = 5 };

/* Elements of acc, row, in, back and mean once tiling and axes are known. */
static unet_status buffer_sizes(const job *j, size_t n[BUFFERS], unet_error *err)
{
    n[1] = (size_t)j->rest * (size_t)j->channels;
    n[2] = j->p->views > 1 ? (size_t)un_shape_count(j->t.in) : 0;
    n[3] = n[4] = j->p->views > 1 ? (size_t)un_shape_count(j->t.out) : 0;
    if (!un_size_mul(n[1], (size_t)j->axis[j->slab].size, &n[0]))
        return un_fail(err, UNET_E_LIMIT, "the picture is too wide");
    if (un_tiling_is_single(&j->t))
        n[0] = 0;
    return UNET_OK;
}

static unet_status make_buffers(job *j, un_mem *mem, unet_error *err)
{
    float **const buffer[BUFFERS] = {&j->acc, &j->row, &j->in, &j->back, &j->mean};
    size_t n[BUFFERS] = {0};
    unet_status st = buffer_sizes(j, n, err);

    for (int i = 0; i < BUFFERS && !st; i++) {
        if (!n[i])
            continue;
        *buffer[i] = un_alloc_array(mem, n[i], sizeof(float));
        if (!*buffer[i])
            st = un_fail_nomem(err, n[i] * sizeof(float));
    }
    return st;
}

static unet_status make_axes(job *j, un_mem *mem, unet_error *err)
{
    int grid[3];
    unet_status st = UNET_OK;

    un_tiling_grid(j->p->model, &j->p->opt, grid);
    for (int i = 0; i < 3 && !st; i++)
        st = un_axis_create(
            &j->axis[i], mem, &j->t, i, j->extent[i], un_tiling_step(&j->t, &j->p->opt, grid, i), grid[i], err);
    j->rest = (int64_t)j->extent[2] * (j->slab == 0 ? j->extent[1] : 1);
    return st;
}

/* Whether sessions that are held narrow the windows of the next size: under a cap, and where the machine has little. */
static int is_short(const un_predictor *p)
{
    const int capped = un_mem_left(p->mem) != SIZE_MAX;
    const uint64_t available = !capped && p->opt.available ? p->opt.available() : 0;

    return capped || (available > 0 && available < 2 * UN_PREDICT_BYTES);
}

/* Pictures of one size after another are cut alike. */
static unet_status choose_tiling(job *j, unet_error *err)
{
    un_predictor *p = j->p;
    unet_status st;

    if (p->chosen && !memcmp(p->extent, j->extent, sizeof p->extent)) {
        j->t = p->tiling;
        return UNET_OK;
    }
    if (is_short(p)) {
        drop_session(p, 0);
        drop_session(p, 1);
        un_session_trim(p->model);
    }
    st = un_predictor_tiling(p, j->extent[0], j->extent[1], j->extent[2], &j->t, err);
    p->chosen = !st;
    p->tiling = j->t;
    memcpy(p->extent, j->extent, sizeof p->extent);
    return st;
}

static unet_status prepare(job *j, unet_error *err)
{
    unet_status st = choose_tiling(j, err);

    if (!st)
        st = use_sessions(j->p, j->t.in, j->t.byte_ns, err);
    if (!st)
        st = make_axes(j, j->p->mem, err);
    return st ? st : make_buffers(j, j->p->mem, err);
}

static unet_status set_job(job *j, un_predictor *p, int d, int h, int w, unet_error *err)
{
    const un_cfg_model *m = &p->model->config.model;

    *j = (job){.p = p, .extent = {d, h, w}, .slab = m->dims == 2 ? 1 : 0, .channels = un_model_channels(m)};
    if (d < 1 || h < 1 || w < 1 || (m->dims == 2 && d != 1))
        return un_fail(err, UNET_E_DATA, "a %d-D network does not take %dx%dx%d pixels", m->dims, d, h, w);
    return UNET_OK;
}

static void free_job(job *j)
{
    un_free(j->mean);
    un_free(j->back);
    un_free(j->in);
    un_free(j->row);
    un_free(j->acc);
    for (int i = 2; i >= 0; i--)
        un_axis_destroy(&j->axis[i]);
}

unet_status un_predictor_prepare(un_predictor *p, int d, int h, int w, unet_error *err)
{
    job *j = un_alloc_zero(p->mem, sizeof *j);
    unet_status st = j ? set_job(j, p, d, h, w, err) : un_fail_nomem(err, sizeof *j);

    if (p->kept)
        free_job(p->kept);
    un_free(p->kept);
    p->kept = NULL;
    if (!st)
        st = prepare(j, err);
    if (st) {
        if (j)
            free_job(j);
        un_free(j);
        return st;
    }
    p->kept = j;
    return UNET_OK;
}

unet_status un_predictor_room(un_predictor *p, int d, int h, int w, size_t *bytes, unet_error *err)
{
    un_block_sum small;
    un_mem *sum = un_mem_summing(&small, p->mem);
    un_session_options so = p->opt.session;
    size_t n[BUFFERS] = {0}, session = 0, turned = 0;
    job j;
    unet_status st = sum ? set_job(&j, p, d, h, w, err) : un_fail_nomem(err, sizeof small);

    *bytes = 0;
    if (st) {
        un_mem_destroy(sum);
        return st;
    }
    st = un_tiling_choose(&j.t, sum, p->model, &p->opt, d, h, w, err);
    so.byte_ns = j.t.byte_ns;
    if (!st)
        st = un_session_room(&session, p->mem, p->model, j.t.in, &so, err);
    if (!st && needs_turned(p, j.t.in)) {
        const un_shape in = {j.t.in.n, j.t.in.d, j.t.in.w, j.t.in.h, j.t.in.c};

        st = un_session_room(&turned, p->mem, p->model, in, &so, err);
    }
    if (!st)
        st = make_axes(&j, sum, err);
    if (!st)
        st = buffer_sizes(&j, n, err);
    free_job(&j);
    *bytes = small.bytes + session + turned + un_block_room(sizeof j);
    for (int i = 0; i < BUFFERS && !st; i++)
        *bytes += n[i] ? un_block_room(n[i] * sizeof(float)) : 0;
    un_mem_destroy(sum);
    return st;
}

void un_predictor_destroy(un_predictor *p)
{
    if (!p)
        return;
    if (p->kept)
        free_job(p->kept);
    un_free(p->kept);
    for (int i = 1; i >= 0; i--)
        un_session_destroy(p->session[i]);
    un_free(p);
}

unet_status un_predictor_run_rows(un_predictor *p, un_predict_read read, const void *from, int d, int h, int w,
    un_predict_sink sink, void *ctx, unet_error *err)
{
    const job *kept = p->kept;
    const int ready = kept && kept->extent[0] == d && kept->extent[1] == h && kept->extent[2] == w &&
                      un_shape_equal(un_session_input(p->session[0]), kept->t.in);
    job j;
    unet_status st = set_job(&j, p, d, h, w, err);

    if (st)
        return st;
    if (ready)
        j = *kept;
    else
        st = prepare(&j, err);
    j.read = read;
    j.from = from;
    j.sink = sink;
    j.ctx = ctx;
    if (!st && ready && j.acc)
        memset(j.acc, 0, (size_t)j.axis[j.slab].size * (size_t)j.rest * (size_t)j.channels * sizeof *j.acc);
    if (!st)
        st = run_all(&j, err);
    if (!ready)
        free_job(&j);
    return st;
}

typedef struct dense_image {
    const float *p;
    int h, w, c;
} dense_image;

static void read_dense(const void *from, int z, int y, int x0, int x1, float *to)
{
    const dense_image *i = from;

    memcpy(to, i->p + (((int64_t)z * i->h + y) * i->w + x0) * i->c, (size_t)(x1 - x0) * (size_t)i->c * sizeof *to);
}

unet_status un_predictor_run(
    un_predictor *p, const float *image, int d, int h, int w, un_predict_sink sink, void *ctx, unet_error *err)
{
    const dense_image from = {image, h, w, p->model->config.model.in_channels};

    return un_predictor_run_rows(p, read_dense, &from, d, h, w, sink, ctx, err);
}

/* ---- classes ---- */

/* The likeliest; class 1 from its threshold on; a bit for each channel above its own. */
typedef enum class_rule { LIKELIEST, SECOND, BITS } class_rule;

typedef struct class_sink {
    int32_t *classes;
    int h, w, channels;
    class_rule rule;
    const un_cfg_nums *threshold;
} class_sink;

/* Of two classes 0.5 is no threshold but the likelier one: class 0 where both have the same probability. */
static class_rule rule_of(const un_config *c)
{
    if (c->model.head != UN_CFG_HEAD_SOFTMAX)
        return BITS;
    return c->model.classes == 2 && number_at(&c->predict.threshold, 1, 0.5) != 0.5 ? SECOND : LIKELIEST;
}

static int32_t class_of(const class_sink *s, const float *p)
{
    int32_t best = 0;

    if (s->rule == LIKELIEST) {
        for (int i = 1; i < s->channels; i++)
            if (p[i] > p[best])
                best = i;
        return best;
    }
    if (s->rule == SECOND)
        return (double)p[1] >= number_at(s->threshold, 1, 0.5);
    for (int i = 0; i < UN_MIN(s->channels, 31); i++)
        if ((double)p[i] >= number_at(s->threshold, i, 0.5))
            best |= 1 << i;
    return best;
}

void un_classes_of(const un_config *c, const float *p, int64_t n, int32_t *classes)
{
    const class_sink s = {classes, 1, 1, un_model_channels(&c->model), rule_of(c), &c->predict.threshold};

    for (int64_t i = 0; i < n; i++, p += s.channels)
        classes[i] = class_of(&s, p);
}

static unet_status take_classes(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *err)
{
    const class_sink *s = ctx;

    (void)err;
    for (int z = z0; z < z1; z++)
        for (int y = y0; y < y1; y++)
            for (int x = 0; x < s->w; x++, p += s->channels)
                s->classes[((int64_t)z * s->h + y) * s->w + x] = class_of(s, p);
    return UNET_OK;
}

unet_status un_predictor_classes(
    un_predictor *p, const float *image, int d, int h, int w, int32_t *classes, unet_error *err)
{
    const un_config *c = &p->model->config;
    class_sink s = {classes, h, w, un_model_channels(&c->model), rule_of(c), &c->predict.threshold};

    return un_predictor_run(p, image, d, h, w, take_classes, &s, err);
}
