#include "train/find_rate.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/math.h"
#include "base/size.h"
#include "config/optimisers.h"
#include "report/svg.h"
#include "train/schedule.h"

static const double span = 1000, keep = 0.9; /* of the rate, to either side; of the smooth loss */

enum { SIDE = 4, SETTLED = 10, SVG_MAX = 1 << 18, CSV_MAX = 1 << 16 }; /* SIDE: steps to either side of a slope */

/* ---- the run ---- */

static double rate_at(double middle, int step)
{
    return middle / span * un_pow(span * span, (double)step / (UN_FIND_RATE_STEPS - 1));
}

/* A rate that rises makes an average of the weights worthless. */
static unet_status settle(const un_train_options *opt, unet_error *err)
{
    un_config *c = &opt->model->config;
    unet_status st = un_train_settle(c, opt->pictures, err);

    c->optimiser.average = UN_CFG_AVERAGE_NONE;
    return st;
}

static unet_status make_engine(un_engine **out, un_mem *mem, const un_train_options *opt, unet_error *err)
{
    const un_engine_spec spec = {.model = opt->model,
        .backend = opt->backend,
        .pool = opt->pool,
        .level = opt->level,
        .exact = opt->exact,
        .pixel_weight = opt->pixel_weight};
    unet_status st = un_engine_create(out, mem, &spec, err);

    if (!st && opt->max_bytes && un_engine_bytes(*out) > opt->max_bytes)
        st = un_fail(err, UNET_E_LIMIT, "the search needs %.1f MiB beside the model, %.1f MiB are allowed",
            (double)un_engine_bytes(*out) / 1048576, (double)opt->max_bytes / 1048576);
    return st ? st : un_engine_start(*out, err);
}

static unet_status one_step(
    un_engine *e, const un_train_options *opt, int64_t step, double lr, un_step_result *out, unet_error *err)
{
    const un_cfg_train *c = &opt->model->config.train;
    const int groups = c->batch / c->ghost_batch;
    unet_status st = UNET_OK;

    for (int g = 0; g < groups && !st; g++) {
        const un_batch *b;

        st = opt->feed.next(opt->feed.ctx, &b, err);
        if (st)
            return st;
        st = un_engine_accumulate(e, b, step, g, groups, err);
        opt->feed.release(opt->feed.ctx, b);
    }
    return st ? st : un_engine_apply(e, step, lr, out, err);
}

static void tell(const un_train_options *opt, const un_rate_search *s, int steps, double began)
{
    const double spent = fmax(un_clock_s() - began, 1e-9);
    const un_train_progress p = {.step = s->steps,
        .steps = steps,
        .lr = s->lr[s->steps - 1],
        .loss = s->smooth[s->steps - 1],
        .samples_per_s = (double)s->steps * opt->model->config.train.batch / spent,
        .seconds = spent,
        .seconds_left = (steps - s->steps) * spent / s->steps};

    if (opt->progress)
        opt->progress(opt->ctx, &p);
}

/* Adds a step; returns 1 when the loss has run away. */
static int add_step(un_rate_search *s, double lr, double loss, double *mean)
{
    const int i = s->steps++;

    *mean = keep * *mean + (1 - keep) * loss;
    s->lr[i] = lr;
    s->loss[i] = loss;
    s->smooth[i] = *mean / (1 - un_pow(keep, i + 1));
    if (s->smooth[i] < s->smooth[s->lowest])
        s->lowest = i;
    return i > SETTLED && s->smooth[i] > 4 * fabs(s->smooth[s->lowest]);
}

static unet_status search(un_rate_search *s, un_engine *e, const un_train_options *opt, unet_error *err)
{
    const double middle = un_method_info_of(opt->model->config.optimiser.name)->lr, began = un_clock_s();
    const int steps = (int)UN_MIN(opt->model->config.train.steps, UN_FIND_RATE_STEPS);
    unet_status st = opt->feed.start(opt->feed.ctx, 1, err);
    double mean = 0;
    int away = 0;

    while (!st && !away && s->steps < steps) {
        const double lr = rate_at(middle, s->steps * (UN_FIND_RATE_STEPS - 1) / UN_MAX(steps - 1, 1));
        un_step_result r;

        st = one_step(e, opt, s->steps + 1, lr, &r, err);
        if (st == UNET_E_NUMERIC && s->steps > SETTLED)
            return UNET_OK;
        if (st)
            return st;
        away = add_step(s, lr, r.loss, &mean);
        tell(opt, s, steps, began);
        if (opt->cancel && opt->cancel(opt->ctx))
            st = un_fail(err, UNET_E_CANCELLED, "stopped; nothing was written");
    }
    return st;
}

/* Slope of the smooth loss by the logarithm of the rate. */
static double slope(const un_rate_search *s, int i)
{
    const int a = UN_MAX(i - SIDE, 0), b = UN_MIN(i + SIDE, s->steps - 1);

    return (s->smooth[b] - s->smooth[a]) / un_log(s->lr[b] / s->lr[a]);
}

/* The first steps have hardly any mean behind them. */
static unet_status choose(un_rate_search *s, unet_error *err)
{
    double least = 0;

    for (int i = SETTLED; i <= s->lowest; i++)
        if (slope(s, i) < least) {
            least = slope(s, i);
            s->steepest = i;
        }
    if (least < 0)
        return UNET_OK;
    return un_fail(err, UNET_E_NUMERIC,
        "the loss does not fall at any rate from %g to %g in %d steps: look at the data with `unet inspect`, or give "
        "more steps",
        s->lr[0], s->lr[s->steps - 1], s->steps);
}

unet_status un_find_rate(un_rate_search *out, un_mem *mem, const un_train_options *opt, unet_error *err)
{
    un_engine *e = NULL;
    unet_status st = settle(opt, err);

    memset(out, 0, sizeof *out);
    if (!st)
        st = make_engine(&e, mem, opt, err);
    if (!st)
        st = search(out, e, opt, err);
    un_engine_destroy(e);
    return st ? st : choose(out, err);
}

/* ---- files ---- */

static unet_status write_file(const un_text *t, un_mem *mem, const char *stem, const char *ending, unet_error *err)
{
    char *path = un_asprintf(mem, "%s.%s", stem, ending);
    unet_status st = !path || t->failed ? un_fail_nomem(err, SVG_MAX) : un_file_write(mem, path, t->s, t->n, err);

    un_free(path);
    return st;
}

static void write_table(un_text *t, const un_rate_search *s)
{
    un_text_add(t, "step,lr,loss,smooth\n");
    for (int i = 0; i < s->steps; i++) {
        un_text_printf(t, "%d,", i + 1);
        un_text_number(t, s->lr[i]);
        un_text_add(t, ",");
        un_text_number(t, s->loss[i]);
        un_text_add(t, ",");
        un_text_number(t, s->smooth[i]);
        un_text_add(t, "\n");
    }
}

/* Steps whose loss has run away are left out: they would flatten all others. */
static void draw(un_text *t, const un_rate_search *s)
{
    const double at = s->lr[s->steepest], mark[2] = {s->smooth[s->lowest], s->smooth[0]}, marked[2] = {at, at};
    double raw[UN_FIND_RATE_STEPS];
    un_series series[] = {{NULL, s->lr, raw, (size_t)s->steps, 5, 1, 0},
        {"loss", s->lr, s->smooth, (size_t)s->steps, 5, 0, 0}, {"suggested rate", marked, mark, 2, 6, 0, 1}};
    const un_chart chart = {.title = "Learning-rate range test",
        .x_label = "learning rate",
        .y_label = "loss",
        .series = series,
        .count = (int)UN_COUNT(series),
        .log_x = 1};

    for (int i = 0; i < s->steps; i++)
        raw[i] = s->loss[i] < 2 * s->smooth[0] ? s->loss[i] : NAN;
    while (series[1].n > 2 && s->smooth[series[1].n - 1] > 2 * s->smooth[0])
        series[1].n--;
    un_svg_lines(t, &chart);
}

unet_status un_find_rate_write(const un_rate_search *s, un_mem *mem, const char *stem, unet_error *err)
{
    un_text table, drawing, document;
    unet_status st;

    un_text_init(&table, mem, CSV_MAX);
    un_text_init(&drawing, mem, SVG_MAX);
    un_text_init(&document, mem, SVG_MAX);
    write_table(&table, s);
    draw(&drawing, s);
    if (!drawing.failed)
        un_svg_document(&document, drawing.s);
    document.failed |= drawing.failed;
    st = write_file(&table, mem, stem, "csv", err);
    if (!st)
        st = write_file(&document, mem, stem, "svg", err);
    un_text_free(&table);
    un_text_free(&drawing);
    un_text_free(&document);
    return st;
}
