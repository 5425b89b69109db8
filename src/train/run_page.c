#include "train/run_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/file.h"
#include "base/size.h"
#include "data/rows.h"
#include "io/json.h"
#include "report/train_report.h"
#include "train/previews.h"
#include "train/runlog.h"

enum {
    LOG_MAX = 256 << 20,
    PREVIEW_BYTES = 1 << 24,
    SVG_MAX = 1 << 24,
    SHOWN = 4,
    FACTS = 12,
    SERIES_MOST = 16,
    TEXT_MAX = 400
};

static const char shown_note[] =
    "These are pictures it trains on: there are too few to keep any out of training. Others will look worse.";

/* A table of numbers as columns; empty cells are NaN. */
typedef struct columns {
    un_rows rows;
    int n, names;  /* rows behind the heading; columns */
    double *value; /* [names][n] */
} columns;

/* Everything the page is drawn from. */
typedef struct drawing {
    un_mem *mem;
    const un_run_page *page;
    columns log, scores, classes;
    double *smooth; /* [log.n] */
    un_series series[3][SERIES_MOST];
    un_chart chart[3];
    int charts;
    un_fact fact[FACTS], figure[FACTS];
    char text[2 * FACTS][TEXT_MAX];
    int facts, figures, texts;
    un_preview *preview;
    char (*caption)[TEXT_MAX];
    int previews;
} drawing;

/* ---- the logs ---- */

static unet_status read_columns(columns *c, un_mem *mem, const char *folder, const char *name, unet_error *err)
{
    char *path = un_asprintf(mem, "%s/%s", folder, name);
    unsigned char *data = NULL;
    size_t size = 0;
    unet_status st = path ? un_file_read(&data, &size, mem, path, LOG_MAX, err) : un_fail_nomem(err, 1);

    if (!st)
        st = un_rows_parse_table(&c->rows, mem, (const char *)data, size, path, err);
    un_free(data);
    un_free(path);
    if (st || !c->rows.n)
        return st;
    c->n = c->rows.n - 1;
    c->names = c->rows.row[0].n;
    c->value = un_alloc_array(mem, (size_t)c->n * (size_t)c->names + 1, sizeof *c->value);
    if (!c->value)
        return un_fail_nomem(err, (size_t)c->n * sizeof *c->value);
    for (int r = 0; r < c->n; r++)
        for (int k = 0; k < c->names; k++) {
            const un_row *row = &c->rows.row[r + 1];

            if (k >= row->n || !un_parse_double(row->cell[k], &c->value[(size_t)k * (size_t)c->n + (size_t)r]))
                c->value[(size_t)k * (size_t)c->n + (size_t)r] = NAN;
        }
    return UNET_OK;
}

static const double *column(const columns *c, const char *name)
{
    for (int k = 0; k < c->names; k++)
        if (!strcmp(c->rows.row[0].cell[k], name))
            return c->value + (size_t)k * (size_t)c->n;
    return NULL;
}

/* ---- charts ---- */

static un_chart *add_chart(drawing *d, const char *title, const char *y_label)
{
    un_chart *c = &d->chart[d->charts];

    *c = (un_chart){.title = title, .x_label = "step", .y_label = y_label, .series = d->series[d->charts]};
    d->charts++;
    return c;
}

static void add_series(un_chart *c, un_series s)
{
    if (s.x && s.y && c->count < SERIES_MOST)
        ((un_series *)(void *)(uintptr_t)c->series)[c->count++] = s;
}

static unet_status chart_loss(drawing *d, unet_error *err)
{
    const columns *l = &d->log;
    const double *step = column(l, "step"), *loss = column(l, "loss");
    un_chart *c = add_chart(d, "Loss", "loss");

    d->smooth = un_alloc_array(d->mem, (size_t)l->n + 1, sizeof *d->smooth);
    if (!d->smooth)
        return un_fail_nomem(err, (size_t)l->n * sizeof *d->smooth);
    if (!step || !loss)
        return UNET_OK;
    un_smooth(d->smooth, loss, (size_t)l->n, (size_t)UN_MIN(UN_MAX(l->n / 50, 1), 200));
    add_series(c, (un_series){.x = step, .y = loss, .n = (size_t)l->n, .colour = 1, .faint = 1});
    add_series(c, (un_series){.name = "loss, smoothed", .x = step, .y = d->smooth, .n = (size_t)l->n, .colour = 1});
    return UNET_OK;
}

static const char *class_name(const un_config *cfg, int k)
{
    return k < cfg->data.classes.n && cfg->data.classes.v[k].name[0] ? cfg->data.classes.v[k].name : NULL;
}

static void chart_scores(drawing *d)
{
    const un_config *cfg = d->page->cfg;
    const columns *s = &d->scores;
    un_chart *c = add_chart(d, "Dice on the pictures kept for selection", "Dice");

    c->fixed_y = 1;
    c->y_hi = 1;
    for (int k = 0; k < cfg->model.classes && d->texts < 2 * FACTS; k++) {
        char name[32];

        snprintf(name, sizeof name, "dice_%d", k);
        if (!class_name(cfg, k)) {
            snprintf(d->text[d->texts], TEXT_MAX, "class %d", k);
            add_series(c, (un_series){.name = d->text[d->texts++],
                              .x = column(s, "step"),
                              .y = column(s, name),
                              .n = (size_t)s->n,
                              .colour = k + 1});
        } else
            add_series(c, (un_series){.name = class_name(cfg, k),
                              .x = column(s, "step"),
                              .y = column(s, name),
                              .n = (size_t)s->n,
                              .colour = k + 1});
    }
}

static void chart_rate(drawing *d)
{
    un_chart *c = add_chart(d, "Learning rate", "learning rate");

    add_series(c, (un_series){.x = column(&d->log, "step"), .y = column(&d->log, "lr"), .n = (size_t)d->log.n});
}

static unet_status write_charts(const drawing *d, unet_error *err)
{
    static const char *const name[] = {"loss.svg", "scores.svg", "rate.svg"};
    unet_status st = UNET_OK;

    for (int i = 0; i < d->charts && !st; i++) {
        char *path = un_asprintf(d->mem, "%s/%s", d->page->folder, name[i]);
        un_text inner, whole;

        un_text_init(&inner, d->mem, SVG_MAX);
        un_text_init(&whole, d->mem, SVG_MAX);
        un_svg_lines(&inner, &d->chart[i]);
        if (!inner.failed)
            un_svg_document(&whole, inner.s);
        st = !path || inner.failed || whole.failed ? un_fail_nomem(err, SVG_MAX)
                                                   : un_file_write(d->mem, path, whole.s, whole.n, err);
        un_text_free(&inner);
        un_text_free(&whole);
        un_free(path);
    }
    return st;
}

/* ---- figures and facts ---- */

static void add_fact(drawing *d, int large, const char *name, const char *fmt, ...) UN_PRINTF(4, 5);
static void add_fact(drawing *d, int large, const char *name, const char *fmt, ...)
{
    int *n = large ? &d->figures : &d->facts;
    char *text = d->text[d->texts];
    va_list ap;

    if (*n >= FACTS || d->texts >= 2 * FACTS)
        return;
    va_start(ap, fmt);
    vsnprintf(text, TEXT_MAX, fmt, ap);
    va_end(ap);
    (large ? d->figure : d->fact)[(*n)++] = (un_fact){name, text};
    d->texts++;
}

/* Row of the best selection; -1: none. */
static int best_row(const columns *s)
{
    const double *best = column(s, "best");
    int at = -1;

    for (int r = 0; best && r < s->n; r++)
        at = best[r] > 0 ? r : at;
    return at;
}

/* The share of each class of what was trained on: the mean over the selections. */
static void add_seen(drawing *d)
{
    const un_cfg_class_list *classes = &d->page->cfg->data.classes;
    char text[TEXT_MAX] = "", name[32];
    size_t used = 0;

    for (int k = 0; k < classes->n; k++) {
        const double *seen;
        double sum = 0;
        int n = 0;

        snprintf(name, sizeof name, "seen_%d", k);
        seen = column(&d->classes, name);
        for (int r = 0; seen && r < d->classes.n; r++)
            if (isfinite(seen[r])) {
                sum += seen[r];
                n++;
            }
        if (n && used < sizeof text)
            used += (size_t)snprintf(
                text + used, sizeof text - used, "%s%s %.3g %%", used ? ", " : "", classes->v[k].name, 100 * sum / n);
    }
    if (used)
        add_fact(d, 0, "what was trained on", "%s", text);
}

/* Events that the page shows. */
static int is_fact(const char *event, const char **name)
{
    static const char *const shown[] = {"warning", "epoch"};

    for (size_t i = 0; event && i < UN_COUNT(shown); i++)
        if (!strcmp(event, shown[i])) {
            *name = shown[i];
            return 1;
        }
    return 0;
}

/* Warnings of the run and what an epoch is, from its events. */
static unet_status add_warnings(drawing *d, unet_error *err)
{
    char *path = un_asprintf(d->mem, "%s/events.jsonl", d->page->folder);
    unsigned char *data = NULL;
    size_t size = 0;
    unet_status st = path ? UNET_OK : un_fail_nomem(err, 1);

    if (!st && un_path_exists(path))
        st = un_file_read(&data, &size, d->mem, path, LOG_MAX, err);
    for (size_t at = 0, end; at < size && !st; at = end + 1) {
        const char *name;
        un_json *line;

        for (end = at; end < size && data[end] != '\n'; end++)
            ;
        st = un_json_parse(&line, d->mem, (const char *)data + at, end - at, path, err);
        if (!st && is_fact(un_json_string(un_json_get(line, "event")), &name))
            add_fact(d, 0, name, "%s", un_json_string(un_json_get(line, "detail")));
        if (!st)
            un_json_free(line);
    }
    un_free(data);
    un_free(path);
    return st;
}

static void gather_facts(drawing *d)
{
    const un_config *cfg = d->page->cfg;
    const double *seconds = column(&d->log, "seconds"), *score = column(&d->scores, "score"),
                 *step = column(&d->scores, "step");
    const int best = best_row(&d->scores), last = d->log.n - 1;
    char cpu[128];

    if (best >= 0 && score && step) {
        add_fact(d, 1, "best score (selection)", "%.4f", score[best]);
        add_fact(d, 1, "at step", "%.0f", step[best]);
    }
    if (last >= 0 && seconds)
        add_fact(d, 1, "minutes", "%.1f", seconds[last] / 60);
    if (d->page->samples_per_s >= 0)
        add_fact(d, 1, "samples/s", "%.1f", d->page->samples_per_s);
    if (d->page->waiting >= 0)
        add_fact(d, 1, "of the time waiting for data", "%.1f %%", 100 * d->page->waiting);
    add_seen(d);
    un_cpu_model(cpu, sizeof cpu);
    add_fact(d, 0, "CPU", "%s", cpu);
    add_fact(d, 0, "patch, batch", "%d x %d x %d, %d in micro-batches of %d", cfg->train.patch[0], cfg->train.patch[1],
        cfg->train.patch[2], cfg->train.batch, cfg->train.ghost_batch);
    add_fact(d, 0, "network", "%d-D, %d poolings, %d base filters", cfg->model.dims, cfg->model.depth,
        cfg->model.base_filters);
}

/* ---- previews ---- */

/* The selections shown: the first, the best (where none is: one in the middle), the last and one between. */
static int shown_steps(const columns *s, int64_t step[SHOWN])
{
    const double *at = column(s, "step");
    const int best = best_row(s), want[SHOWN] = {0, s->n / 4, best < 0 ? s->n / 2 : best, s->n - 1};
    int n = 0;

    for (int i = 0; i < SHOWN && at; i++)
        if (want[i] >= 0 && want[i] < s->n && (!n || (int64_t)at[want[i]] > step[n - 1]))
            step[n++] = (int64_t)at[want[i]];
    return n;
}

/* A preview that is not there (another setting of train.previews before) is passed over. */
static unet_status add_preview(drawing *d, int index, int64_t step, unet_error *err)
{
    char *path = un_previews_path(d->mem, d->page->folder, index, step);
    unet_status st = UNET_OK;

    if (!path)
        return un_fail_nomem(err, 1);
    if (un_path_exists(path)) {
        un_preview *p = d->preview + d->previews;
        unsigned char *png;

        st = un_file_read(&png, &p->size, d->mem, path, PREVIEW_BYTES, err);
        if (step)
            snprintf(d->caption[d->previews], TEXT_MAX, "picture %d%s, step %lld", index + 1,
                d->page->trained_on ? " (trained on)" : "", (long long)step);
        else
            snprintf(d->caption[d->previews], TEXT_MAX, "picture %d, its mask", index + 1);
        p->png = png;
        p->caption = d->caption[d->previews];
        d->previews += !st;
    }
    un_free(path);
    return st;
}

static unet_status gather_previews(drawing *d, unet_error *err)
{
    const int most = d->page->cfg->train.previews;
    const size_t room = (size_t)most * (SHOWN + 1) + 1;
    int64_t step[SHOWN];
    const int steps = shown_steps(d->page->trained_on ? &d->classes : &d->scores, step);
    unet_status st = UNET_OK;

    d->preview = un_alloc_array(d->mem, room, sizeof *d->preview);
    d->caption = un_alloc_array(d->mem, room, sizeof *d->caption);
    if (!d->preview || !d->caption)
        return un_fail_nomem(err, room * sizeof *d->preview);
    for (int i = 0; i < most && !st; i++) {
        st = add_preview(d, i, 0, err);
        for (int k = 0; k < steps && !st; k++)
            st = add_preview(d, i, step[k], err);
    }
    return st;
}

/* ---- the page ---- */

static unet_status scores_table(const drawing *d, un_table **out, unet_error *err)
{
    const columns *s = &d->scores;
    unet_status st = un_table_create(out, d->mem, (const char *const *)s->rows.row[0].cell, s->names, 1, err);

    for (int r = 0; r < s->n && !st; r++)
        for (int k = 0; k < s->names; k++) {
            const double v = s->value[(size_t)k * (size_t)s->n + (size_t)r];

            if (!k || !strcmp(s->rows.row[0].cell[k], "best"))
                un_table_integer(*out, (int64_t)v);
            else
                un_table_real(*out, v, 4);
        }
    return st;
}

static unet_status write_page(drawing *d, unet_error *err)
{
    static const un_config_style style = {.comments = 0};
    const un_run_page *p = d->page;
    char *path = un_asprintf(d->mem, "%s/report.html", p->folder);
    un_table *table = NULL;
    un_text config;
    unet_status st;

    un_text_init(&config, d->mem, SVG_MAX);
    st = path ? un_config_write(p->cfg, &config, &style, err) : un_fail_nomem(err, 1);
    if (!st && d->scores.n)
        st = scores_table(d, &table, err);
    if (!st) {
        const un_train_report r = {.title = p->title ? p->title : "Training",
            .state = p->state,
            .figure = d->figure,
            .figure_count = d->figures,
            .chart = d->chart,
            .chart_count = d->charts,
            .scores = table,
            .scores_note = p->scores_note,
            .previews_note = p->trained_on ? shown_note : NULL,
            .preview = d->preview,
            .preview_count = d->previews,
            .environment = d->fact,
            .environment_count = d->facts,
            .config = config.s};

        st = un_train_report_write(d->mem, path, &r, err);
    }
    un_table_destroy(table);
    un_text_free(&config);
    un_free(path);
    return st;
}

unet_status un_run_page_write(un_mem *mem, const un_run_page *page, unet_error *err)
{
    drawing *d = un_alloc_zero(mem, sizeof *d);
    unet_status st;

    if (!d)
        return un_fail_nomem(err, sizeof *d);
    d->mem = mem;
    d->page = page;
    st = read_columns(&d->log, mem, page->folder, "log.csv", err);
    if (!st)
        st = read_columns(&d->classes, mem, page->folder, "classes.csv", err);
    if (!st)
        st = read_columns(&d->scores, mem, page->folder, "scores.csv", err);
    if (!st)
        st = chart_loss(d, err);
    if (!st) {
        chart_scores(d);
        chart_rate(d);
        gather_facts(d);
        st = add_warnings(d, err);
    }
    if (!st) {
        st = write_charts(d, err);
    }
    if (!st)
        st = gather_previews(d, err);
    if (!st)
        st = write_page(d, err);
    for (int i = 0; i < d->previews; i++)
        un_free(d->preview[i].png);
    un_free(d->preview);
    un_free(d->caption);
    un_free(d->smooth);
    un_free(d->log.value);
    un_free(d->scores.value);
    un_rows_free(&d->log.rows);
    un_rows_free(&d->scores.rows);
    un_free(d->classes.value);
    un_rows_free(&d->classes.rows);
    un_free(d);
    return st;
}
