#include "metrics/summary.h"

#include <math.h>
#include <string.h>

#include "base/kth.h"
#include "base/rng.h"
#include "base/size.h"

/* What pooled metrics are made of. */
typedef struct ingredients {
    un_class_counts n;
    un_object_tally objects;
} ingredients;

struct un_summary {
    un_mem *mem;
    un_summary_options o;
    int slot[UN_M_COUNT]; /* place of a chosen metric among `chosen` */
    un_metric chosen[UN_M_COUNT];
    double *value;     /* [images][classes + 1][chosen] */
    ingredients *part; /* [images][classes] */
    double voxel;      /* of the pictures; NaN: they differ */
    int seen, volume;
    un_metric_line *line; /* [classes + 1][chosen] */
};

void un_summary_destroy(un_summary *s)
{
    if (!s)
        return;
    un_free(s->value);
    un_free(s->part);
    un_free(s->line);
    un_free(s);
}

unet_status un_summary_create(un_summary **out, un_mem *mem, const un_summary_options *o, unet_error *err)
{
    const size_t rows = (size_t)o->classes + 1, images = (size_t)UN_MAX(o->images, 1);
    size_t values, parts;
    un_summary *s;
    int n = 0;

    *out = NULL;
    if (!un_size_mul(images, rows * (size_t)UN_MAX(o->choice.count, 1), &values) || !un_size_mul(images, rows, &parts))
        return un_fail(err, UNET_E_LIMIT, "%d metrics of %d pictures are too many", o->choice.count, o->images);
    s = un_alloc_zero(mem, sizeof *s);
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->mem = mem;
    s->o = *o;
    for (int m = 0; m < UN_M_COUNT; m++)
        if (o->choice.on[m]) {
            s->slot[m] = n;
            s->chosen[n++] = (un_metric)m;
        }
    s->value = un_alloc_array(mem, values, sizeof *s->value);
    s->part = un_alloc_array(mem, parts, sizeof *s->part);
    s->line = un_alloc_zero(mem, rows * (size_t)UN_MAX(n, 1) * sizeof *s->line);
    if (!s->value || !s->part || !s->line) {
        un_summary_destroy(s);
        return un_fail_nomem(err, values * sizeof *s->value + parts * sizeof *s->part);
    }
    memset(s->part, 0, parts * sizeof *s->part);
    for (size_t i = 0; i < values; i++)
        s->value[i] = NAN;
    *out = s;
    return UNET_OK;
}

const un_summary_options *un_summary_options_of(const un_summary *s)
{
    return &s->o;
}

static double *values_of(const un_summary *s, int image, int row)
{
    return s->value + ((int64_t)image * (s->o.classes + 1) + row) * s->o.choice.count;
}

double un_summary_value(const un_summary *s, int image, int class_index, un_metric m)
{
    return values_of(s, image, class_index)[s->slot[m]];
}

const un_metric_line *un_summary_line(const un_summary *s, int class_index, un_metric m)
{
    return &s->line[class_index * s->o.choice.count + s->slot[m]];
}

int un_summary_is_volume(const un_summary *s)
{
    return s->volume;
}

/* The foreground's row: mean over its classes that have a value. */
static void fill_foreground(const un_summary *s, const double *rows, double *out)
{
    const int n = s->o.choice.count;

    for (int m = 0; m < n; m++) {
        un_mean mean = {0};

        for (int k = 0; k < s->o.classes; k++)
            if (s->o.foreground[k])
                un_mean_add(&mean, rows[k * n + m]);
        out[m] = un_mean_value(mean);
    }
}

unet_status un_summary_add(
    un_summary *s, int index, const un_scored_picture *p, const un_class_counts *n, un_pool *pool, unet_error *err)
{
    const double voxel = (p->size.d > 1 ? p->spacing[0] : 1) * p->spacing[1] * p->spacing[2];
    un_class_panel panel;

    s->volume |= p->size.d > 1;
    s->voxel = !s->seen++ || s->voxel == voxel ? voxel : NAN;
    for (int k = 0; k < s->o.classes; k++) {
        double *v = values_of(s, index, k);
        unet_status st =
            un_panel_class(&panel, p, k, s->o.foreground[k], n[k], &s->o.choice, &s->o.rules, s->mem, pool, err);

        if (st)
            return st;
        for (int m = 0; m < s->o.choice.count; m++)
            v[m] = panel.v[s->chosen[m]];
        s->part[(int64_t)index * s->o.classes + k] = (ingredients){n[k], panel.objects};
    }
    fill_foreground(s, values_of(s, index, 0), values_of(s, index, s->o.classes));
    return UNET_OK;
}

void un_summary_add_own_curves(un_summary *s, int index, const un_curves *c)
{
    static const un_metric own[] = {UN_M_AUC, UN_M_AVERAGE_PRECISION, UN_M_BRIER};

    for (int k = 0; k < s->o.classes; k++) {
        double v[UN_M_COUNT];

        un_curve_metrics(v, c, k);
        for (size_t m = 0; m < UN_COUNT(own); m++)
            if (s->o.choice.on[own[m]])
                values_of(s, index, k)[s->slot[own[m]]] = v[own[m]];
    }
    fill_foreground(s, values_of(s, index, 0), values_of(s, index, s->o.classes));
}

/* ---- a sample of the pictures ---- */

/* Fills pooled and mean, [classes + 1][chosen] each, of a sample in which picture i comes times[i] times. */
static void score_sample(const un_summary *s, const int32_t *times, double *pooled, double *mean)
{
    const int n = s->o.choice.count, classes = s->o.classes;

    for (int row = 0; row <= classes; row++) {
        ingredients sum = {0};
        double full[UN_M_COUNT];

        for (int m = 0; m < n; m++) {
            un_mean of = {0};

            for (int i = 0; i < s->o.images; i++)
                if (times[i] && !isnan(values_of(s, i, row)[m])) {
                    of.sum += times[i] * values_of(s, i, row)[m];
                    of.n += times[i];
                }
            mean[row * n + m] = un_mean_value(of);
        }
        for (int i = 0; i < s->o.images && row < classes; i++) {
            const ingredients *p = &s->part[(int64_t)i * classes + row];

            for (int k = 0; k < times[i]; k++) {
                sum.n.tp += p->n.tp;
                sum.n.fp += p->n.fp;
                sum.n.fn += p->n.fn;
                sum.n.tn += p->n.tn;
                un_object_tally_merge(&sum.objects, &p->objects);
            }
        }
        if (row < classes)
            un_panel_pooled(
                full, sum.n, s->o.foreground[row] ? &sum.objects : NULL, s->voxel, &s->o.choice, &s->o.rules);
        for (int m = 0; m < n && row < classes; m++)
            pooled[row * n + m] = full[s->chosen[m]];
    }
    fill_foreground(s, pooled, pooled + classes * n);
}

/* ---- the bootstrap ---- */

typedef struct bootstrap {
    const un_summary *s;
    int lines;
    double *pooled, *mean; /* [resamples][lines] */
    int32_t *times;        /* [threads][images] */
} bootstrap;

static void resample(void *arg, int64_t task, int worker)
{
    const bootstrap *b = arg;
    const int images = b->s->o.images;
    int32_t *times = b->times + (int64_t)worker * images;
    un_rng r;

    un_rng_init(&r, b->s->o.seed, UN_RNG_BOOTSTRAP, (uint32_t)task, 0, 0);
    memset(times, 0, (size_t)images * sizeof *times);
    for (int i = 0; i < images; i++)
        times[un_rng_below(&r, images)]++;
    score_sample(b->s, times, b->pooled + task * b->lines, b->mean + task * b->lines);
}

/* Percentiles of one line; resamples without a value are left out. room: [resamples] */
static void interval(const bootstrap *b, const double *of, int line, double *room, double *lo, double *hi)
{
    const double tail = (1 - b->s->o.confidence) / 2;
    int64_t n = 0;

    for (int i = 0; i < b->s->o.resamples; i++)
        if (!isnan(of[(int64_t)i * b->lines + line]))
            room[n++] = of[(int64_t)i * b->lines + line];
    *lo = n ? un_quantile(room, n, tail) : NAN;
    *hi = n ? un_quantile(room, n, 1 - tail) : NAN;
}

static unet_status run_bootstrap(un_summary *s, un_pool *pool, unet_error *err)
{
    bootstrap b = {.s = s, .lines = (s->o.classes + 1) * s->o.choice.count};
    const size_t n = (size_t)s->o.resamples, lines = (size_t)b.lines;
    double *room = un_alloc_array(s->mem, n, sizeof *room);
    unet_status st = UNET_OK;

    b.pooled = un_alloc_array(s->mem, n, lines * sizeof *b.pooled);
    b.mean = un_alloc_array(s->mem, n, lines * sizeof *b.mean);
    b.times = un_alloc_array(s->mem, (size_t)un_pool_threads(pool), (size_t)s->o.images * sizeof *b.times);
    if (!room || !b.pooled || !b.mean || !b.times)
        st = un_fail_nomem(err, 2 * n * lines * sizeof *b.mean);
    if (!st)
        un_pool_run(pool, resample, &b, s->o.resamples);
    for (int i = 0; i < b.lines && !st; i++) {
        interval(&b, b.mean, i, room, &s->line[i].lo, &s->line[i].hi);
        interval(&b, b.pooled, i, room, &s->line[i].pooled_lo, &s->line[i].pooled_hi);
    }
    un_free(room);
    un_free(b.pooled);
    un_free(b.mean);
    un_free(b.times);
    return st;
}

unet_status un_summary_finish(un_summary *s, un_pool *pool, unet_error *err)
{
    const int lines = (s->o.classes + 1) * s->o.choice.count;
    double *pooled = un_alloc_array(s->mem, (size_t)UN_MAX(lines, 1) * 2, sizeof *pooled);
    int32_t *once = un_alloc_array(s->mem, (size_t)UN_MAX(s->o.images, 1), sizeof *once);
    unet_status st = pooled && once ? UNET_OK : un_fail_nomem(err, (size_t)lines * 2 * sizeof *pooled);

    for (int i = 0; i < s->o.images && !st; i++)
        once[i] = 1;
    if (!st)
        score_sample(s, once, pooled, pooled + lines);
    for (int i = 0; i < lines && !st; i++) {
        un_metric_line *l = &s->line[i];

        *l = (un_metric_line){pooled[i], pooled[lines + i], NAN, NAN, NAN, NAN, 0};
        for (int k = 0; k < s->o.images; k++)
            l->images += !isnan(values_of(s, k, 0)[i]);
    }
    un_free(pooled);
    un_free(once);
    return st || s->o.resamples < 1 || s->o.images < 2 || !lines ? st : run_bootstrap(s, pool, err);
}

void un_summary_add_curves(un_summary *s, const un_curves *c)
{
    un_mean mean[UN_M_COUNT] = {0};

    for (int row = 0; row <= s->o.classes; row++) {
        double v[UN_M_COUNT];

        if (row < s->o.classes)
            un_curve_metrics(v, c, row);
        for (int m = 0; m < UN_M_COUNT; m++) {
            if (!s->o.choice.on[m] || un_metric_info_of((un_metric)m)->group != UN_GROUP_CURVES)
                continue;
            s->line[row * s->o.choice.count + s->slot[m]].pooled = row < s->o.classes ? v[m] : un_mean_value(mean[m]);
            if (row < s->o.classes && s->o.foreground[row])
                un_mean_add(&mean[m], v[m]);
        }
    }
}
