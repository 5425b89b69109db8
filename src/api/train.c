/* Public training: from a folder of pictures and masks to a model file and a run folder. */
#define _XOPEN_SOURCE 700
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/import.h"
#include "api/planned.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/size.h"
#include "train/account.h"
#include "train/feed.h"
#include "train/find_rate.h"
#include "train/job.h"
#include "train/origin.h"
#include "train/previews.h"
#include "train/restore.h"
#include "train/run_page.h"
#include "train/trained_on.h"

enum { TEXT_MAX = 1 << 22, TABLE_MAX = 1 << 30, PATH_BYTES_MAX = 2 * PATH_MAX };
static const double page_pause = 50; /* times what writing the page takes, until it is written again */

#define PATHS_FILE "paths"

typedef struct training {
    unet_context *c;
    const unet_train_options *o;
    char *folder, *data, *model_path; /* owned */
    un_config *cfg;
    un_planned planned; /* of a resumed run: data only */
    un_pool *pool;      /* NULL: the context's */
    un_model *model;
    un_account account;
    un_job job;
    un_previews previews;
    un_train_options t;
    un_train_result result;
    un_text table, names; /* data.csv; what the record holds of it */
    char checksum[UN_CHECKSUM_MAX];
    char state[160]; /* a sentence for the page */
    double samples_per_s, waiting;
    double page_due;          /* un_clock_s from when on the page is written anew */
    double suggested, lowest; /* rates that the range test found */
    int told_paths;           /* the file `paths` is written */
} training;

/* ---- paths ---- */

/* Paths that a run can be gone on with from anywhere. NULL: no memory, or the folder is gone. */
static char *absolute(un_mem *mem, const char *path)
{
    char here[PATH_MAX];

    if (path[0] == '/')
        return un_strdup(mem, path);
    return getcwd(here, sizeof here) ? un_asprintf(mem, "%s/%s", here, path) : NULL;
}

/* The file `paths` of the run folder: data set and model, two texts ended by zero bytes. */
static unet_status write_paths(const training *t, unet_error *err)
{
    char *path = un_asprintf(t->c->mem, "%s/" PATHS_FILE, t->folder), *data = absolute(t->c->mem, t->data),
         *model = absolute(t->c->mem, t->model_path);
    const size_t n = data ? strlen(data) + 1 : 0, m = model ? strlen(model) + 1 : 0;
    char *both = un_alloc(t->c->mem, n + m);
    unet_status st;

    if (path && data && model && both) {
        memcpy(both, data, n);
        memcpy(both + n, model, m);
        st = un_file_write(t->c->mem, path, both, n + m, err);
    } else
        st = un_fail_nomem(err, n + m);
    un_free(path);
    un_free(data);
    un_free(model);
    un_free(both);
    return st;
}

/* Fills what the caller left open when a run goes on. */
static unet_status read_paths(training *t, unet_error *err)
{
    char *path;
    unsigned char *both = NULL;
    size_t size = 0, n;
    unet_status st;

    if (t->data && t->model_path)
        return UNET_OK;
    path = un_asprintf(t->c->mem, "%s/" PATHS_FILE, t->folder);
    st = path ? un_file_read(&both, &size, t->c->mem, path, PATH_BYTES_MAX, err) : un_fail_nomem(err, 1);
    if (st == UNET_E_NOT_FOUND)
        st = un_fail_file(err, st, t->folder, "no training run: a folder MODEL.run that unet train has made is wanted");
    n = st ? 0 : strlen((char *)both) + 1;
    if (!st && (n >= size || both[size - 1]))
        st = un_fail_file(err, UNET_E_FORMAT, path, "does not name data and model; name them on the command line");
    if (!st && !t->data)
        t->data = un_strdup(t->c->mem, (char *)both);
    if (!st && !t->model_path)
        t->model_path = un_strdup(t->c->mem, (char *)both + n);
    if (!st && (!t->data || !t->model_path))
        st = un_fail_nomem(err, size);
    un_free(both);
    un_free(path);
    return st;
}

/* Asked now, not when the model is written. */
static unet_status check_model_path(const char *path, unet_error *err)
{
    const size_t n = strlen(path);

    return n && path[n - 1] != '/' && !un_path_is_dir(path)
               ? UNET_OK
               : un_fail_file(err, UNET_E_ARG, path, "the model needs a file name; this names a folder");
}

static unet_status settle_paths(training *t, unet_error *err)
{
    const unet_train_options *o = t->o;
    un_mem *mem = t->c->mem;
    const int again = o->resume || o->extend_steps;
    unet_status st;

    if ((!o->data || !o->model) && !(again && o->run_dir))
        return un_fail(err, UNET_E_ARG, "training needs the path of the data and of the model to write");
    t->folder = o->run_dir ? un_strdup(mem, o->run_dir) : un_asprintf(mem, "%s.run", o->model);
    t->data = o->data ? un_strdup(mem, o->data) : NULL;
    t->model_path = o->model ? un_strdup(mem, o->model) : NULL;
    if (!t->folder || (o->data && !t->data) || (o->model && !t->model_path))
        return un_fail_nomem(err, PATH_MAX);
    if (o->find_rate && again)
        return un_fail(err, UNET_E_ARG, "a learning rate is looked for before a run, not in the midst of one");
    st = again ? read_paths(t, err) : UNET_OK;
    if (!st && !o->find_rate)
        st = check_model_path(t->model_path, err);
    if (!st && !again && !o->overwrite && !o->dry_run && !o->find_rate && un_path_exists(t->model_path))
        st = un_fail_file(err, UNET_E_ARG, t->model_path,
            "the model exists already; name another, or say that it may be replaced (--overwrite)");
    return st;
}

/* ---- settings ---- */

/* The keys that the caller changed, over the settings of the run; the trainer refuses those that touch the result. */
static unet_status overlay(un_config *run, const un_config *asked, un_mem *mem, unet_error *err)
{
    const un_config_style style = {.changed = 1};
    un_text t;
    unet_status st;

    un_text_init(&t, mem, TEXT_MAX);
    st = un_config_write(asked, &t, &style, err);
    if (!st && t.n)
        st = un_config_parse(run, mem, t.s, t.n, "the settings given", err);
    un_text_free(&t);
    return st;
}

static un_data_open_options open_options(const training *t)
{
    return (un_data_open_options){.path = t->data, .progress = t->o->progress, .progress_ctx = t->o->progress_ctx};
}

static unet_status open_again(training *t, unet_error *err)
{
    const un_data_open_options o = open_options(t);
    unet_status st = un_train_restore(&t->model, t->c->mem, t->folder, err);

    if (!st && t->o->config)
        st = overlay(&t->model->config, &t->o->config->cfg, t->c->mem, err);
    if (st)
        return st;
    *t->cfg = t->model->config;
    return un_data_open(&t->planned.data, t->c, &o, t->cfg, err);
}

/* Asked before the work of planning. */
static unet_status check_encoder(const training *t, unet_error *err)
{
    const un_cfg_model *m = &t->cfg->model;

    if (!m->encoder_weights[0] || m->encoder == UN_CFG_ENCODER_NONE)
        return UNET_OK;
    if (t->o->from)
        return un_fail_file(err, UNET_E_CONFIG, "model.encoder_weights",
            "weights come from one place: from %s, or from model.encoder_weights", t->o->from);
    return un_api_encoder_fits(t->c, m, m->encoder_weights, err);
}

static unet_status make_model(training *t, const un_model *from, unet_error *err)
{
    un_text told;
    int copied;
    unet_status st = un_model_create(&t->model, t->c->mem, t->cfg, err);

    if (!st && t->cfg->model.encoder_weights[0])
        st = un_api_encoder_weights(t->c, t->model, t->cfg->model.encoder_weights, err);
    if (st || !from)
        return st;
    un_text_init(&told, t->c->mem, TEXT_MAX);
    copied = un_origin_weights(t->model, from, &told);
    un_api_log(t->c, UNET_LOG_INFO, "starts from %s: %d of %d parameters taken over%s%s", t->o->from, copied,
        t->model->graph->n_params, told.n ? "; " : "", told.n ? told.s : "");
    un_text_free(&told);
    return copied ? UNET_OK
                  : un_fail_file(err, UNET_E_DATA, t->o->from,
                        "no parameter of this model fits a network of its configuration: it was imported as it is, and "
                        "can be run, not trained further");
}

/* What will be trained, in one line. */
static void tell_network(const training *t)
{
    const un_cfg_model *m = &t->cfg->model;
    const un_cfg_train *r = &t->cfg->train;
    char depth[24] = "";

    if (m->dims == 3)
        snprintf(depth, sizeof depth, "%dx", r->patch[0]);
    un_api_log(t->c, UNET_LOG_INFO,
        "network: %d levels down, %d filters on the first; %d patches of %s%dx%d a step, %lld steps (unet plan says "
        "why)",
        m->depth, m->base_filters, r->batch, depth, r->patch[1], r->patch[2], (long long)r->steps);
}

static unet_status open_new(training *t, unet_error *err)
{
    const un_data_open_options o = open_options(t);
    un_model *from = NULL;
    unet_status st = t->o->from ? un_model_load(&from, t->c->mem, t->o->from, err) : UNET_OK;

    if (!st && t->o->config)
        *t->cfg = t->o->config->cfg;
    else if (!st)
        st = un_config_init(t->cfg, t->c->mem, err);
    if (!st && from)
        st = un_origin_config(t->cfg, from, t->c->mem, err);
    if (!st)
        st = check_encoder(t, err);
    if (!st)
        st = un_planned_open(&t->planned, t->c, &o, t->cfg, err);
    if (!st && !t->o->dry_run) {
        tell_network(t);
        st = make_model(t, from, err);
    }
    un_model_destroy(from);
    return st;
}

/* What is recorded of the data. Training goes on with the same only. */
static unet_status record_data(training *t, unet_error *err)
{
    const un_opened *d = &t->planned.data;
    unet_status st;

    un_text_init(&t->table, t->c->mem, TABLE_MAX);
    st = un_trained_table(&t->table, d->d, d->s, err);
    if (!st)
        un_trained_checksum(t->checksum, &t->table);
    return !st && t->cfg->train.record_names ? un_trained_names(&t->names, t->c->mem, d->d, err) : st;
}

/* ---- while it runs ---- */

static int is_cancelled(void *ctx)
{
    return un_api_cancelled(((training *)ctx)->c);
}

static unet_status write_page(training *t, unet_error *err)
{
    un_run_page page = {.folder = t->folder,
        .cfg = &t->model->config,
        .state = t->state,
        .trained_on = t->account.shown > 0,
        .waiting = t->waiting,
        .samples_per_s = t->samples_per_s};
    un_text note;
    unet_status st;

    un_text_init(&note, t->c->mem, TEXT_MAX);
    un_selector_note(&note, &t->model->config);
    page.scores_note = note.s;
    st = note.failed ? un_fail_nomem(err, note.n) : un_run_page_write(t->c->mem, &page, err);
    un_text_free(&note);
    return st;
}

static unet_status show_selected(
    void *ctx, int index, const un_picture *p, const int32_t *classes, const un_scores *s, unet_error *err)
{
    training *t = ctx;
    const unet_progress r = {.phase = "select",
        .done = index + 1,
        .total = un_data_source_view(t->job.select)->count,
        .epoch = -1,
        .loss = NAN,
        .dice = NAN,
        .iou = NAN,
        .learning_rate = NAN,
        .per_second = -1,
        .seconds_left = -1,
        .waiting = NAN};

    (void)s;
    if (t->o->progress && r.total > 20)
        t->o->progress(t->o->progress_ctx, &r);
    return un_previews_add(&t->previews, index, p, classes, err);
}

static unet_status select_best(void *ctx, const un_model *model, int64_t step, un_score *out, unet_error *err)
{
    training *t = ctx;

    t->previews.step = step;
    return un_selector_score(t->job.selector, model, out, err);
}

static unet_status show(void *ctx, const un_model *model, int64_t step, unet_error *err)
{
    training *t = ctx;

    t->previews.step = step;
    return un_selector_show(t->job.selector, model, err);
}

/* The scored classes of the last selection. */
typedef struct class_figures {
    int n;
    const char *name[UN_CFG_MAX_class];
    double dice[UN_CFG_MAX_class], iou[UN_CFG_MAX_class];
} class_figures;

static void collect_classes(class_figures *f, const un_config *cfg, const un_score *s)
{
    f->n = 0;
    for (int k = 0; s && k < UN_MIN(s->n_classes, UN_CFG_MAX_class); k++) {
        if (!un_selects_by_class(cfg, k))
            continue;
        f->name[f->n] = k < cfg->data.classes.n ? cfg->data.classes.v[k].name : "class";
        f->dice[f->n] = s->dice[k];
        f->iou[f->n++] = s->iou[k];
    }
}

static void on_step(void *ctx, const un_train_progress *p)
{
    training *t = ctx;
    class_figures each;
    unet_progress r = {.phase = "train",
        .done = p->step,
        .total = p->steps,
        .epoch = p->epoch,
        .loss = p->loss,
        .dice = p->last ? p->last->dice_mean : NAN,
        .iou = p->last ? p->last->iou_mean : NAN,
        .learning_rate = p->lr,
        .per_second = p->samples_per_s,
        .seconds_left = p->seconds_left,
        .waiting = p->waiting};
    unet_error why;
    double began;

    if (!t->o->find_rate && !t->told_paths && write_paths(t, &why))
        un_api_log(t->c, UNET_LOG_WARN, "%s", why.message);
    t->told_paths = 1;
    t->samples_per_s = p->samples_per_s;
    t->waiting = p->waiting;
    if (t->o->progress) {
        collect_classes(&each, &t->model->config, p->last);
        r.classes = each.n;
        r.class_name = each.name;
        r.class_dice = each.dice;
        r.class_iou = each.iou;
        t->o->progress(t->o->progress_ctx, &r);
    }
    if (!p->selected)
        return;
    snprintf(t->state, sizeof t->state, "Step %lld of %lld.", (long long)p->step, (long long)p->steps);
    if (un_clock_s() < t->page_due)
        return;
    began = un_clock_s();
    if (write_page(t, &why)) /* training matters more than its page */
        un_api_log(t->c, UNET_LOG_WARN, "the page of the run cannot be written: %s", why.message);
    t->page_due = un_clock_s() + page_pause * (un_clock_s() - began);
}

static void on_warning(void *ctx, const char *text)
{
    un_api_log(((training *)ctx)->c, UNET_LOG_WARN, "%s", text);
}

/* ---- the run ---- */

static unet_status use_threads(training *t, unet_error *err)
{
    const int wanted = t->cfg->train.threads;

    if (un_is_auto(wanted) || wanted == un_pool_threads(t->c->pool))
        return UNET_OK;
    return un_pool_create(&t->pool, t->c->mem, wanted, err);
}

static unet_status open_job(training *t, unet_error *err)
{
    const un_cfg_train *train = &t->model->config.train;
    un_pool *pool = t->pool ? t->pool : t->c->pool;
    un_session_options session = un_api_session_options(t->c);
    un_job_spec spec;
    un_account_spec of = {.data = t->planned.data.d, .scan = t->planned.data.s, .backend = un_backend_cpu()};
    unet_status st;

    session.pool = pool;
    of.session = session;
    st = un_account_make(&t->account, t->c->mem, &of, t->model, err);
    if (st)
        return st;
    spec = (un_job_spec){.data = t->planned.data.d,
        .cfg = &t->model->config,
        .session = session,
        .steps = train->steps + t->o->extend_steps,
        .workers = un_account_workers(&t->model->config, pool),
        .batch_cache = un_account_cache(&t->model->config),
        .predict_bytes = t->account.predict_bytes,
        .shown = t->account.shown,
        .seen = show_selected,
        .ctx = t,
        .cancel = un_api_cancelled,
        .cancel_ctx = t->c};
    return un_job_open(&t->job, t->c->mem, &spec, err);
}

static void settle_run(training *t)
{
    t->previews = (un_previews){.mem = t->c->mem, .folder = t->folder, .cfg = &t->model->config};
    t->t = (un_train_options){.model = t->model,
        .backend = un_backend_cpu(),
        .pool = t->pool ? t->pool : t->c->pool,
        .level = t->c->level,
        .exact = t->c->options.exact,
        .folder = t->folder,
        .resume = t->o->resume || t->o->extend_steps,
        .extend = t->o->extend_steps,
        .replace = t->o->overwrite,
        .pictures = un_dataset_count_role(t->planned.data.d, UN_ROLE_TRAIN),
        .epoch = t->job.epoch,
        .data = t->checksum,
        .table = &t->table,
        .names = t->names.s,
        .stated_bytes = UN_MAX(t->account.total, un_memory_peak()),
        .version = unet_version(),
        .built = un_api_built(),
        .profile = t->o->profile ? t->o->profile->p : NULL,
        .feed = un_feed_of(t->job.pipeline),
        .ctx = t,
        .select = t->job.selector && !t->account.shown ? select_best : NULL,
        .show = t->account.shown ? show : NULL,
        .show_every = t->account.show_every,
        .progress = on_step,
        .warn = on_warning,
        .cancel = is_cancelled};
}

static unet_status run(training *t, unet_error *err)
{
    settle_run(t);
    return un_train(&t->t, t->c->mem, &t->result, err);
}

/* The range test: no run folder, no model. */
static unet_status find_rate(training *t, unet_error *err)
{
    un_rate_search s;
    char *stem = un_asprintf(t->c->mem, "%s.rates", t->model_path);
    unet_status st;

    settle_run(t);
    st = stem ? un_find_rate(&s, t->c->mem, &t->t, err) : un_fail_nomem(err, PATH_MAX);
    if (!st)
        st = un_find_rate_write(&s, t->c->mem, stem, err);
    un_free(stem);
    if (st)
        return st;
    t->suggested = s.lr[s.steepest];
    t->lowest = s.lr[s.lowest];
    t->result.steps = s.steps;
    return UNET_OK;
}

static unet_status finish(training *t, unet_error *err)
{
    unet_status st;

    un_file_sweep(t->model_path);
    st = un_model_save(t->model, t->model_path, err);
    if (st)
        return st;
    snprintf(t->state, sizeof t->state, "Finished after %lld steps%s.", (long long)t->result.steps,
        t->result.stopped_early ? " (stopped early: the score did not rise any more)" : "");
    return write_page(t, err);
}

/* ---- texts ---- */

static uint64_t disk_bytes(const un_config *cfg, un_mem *mem)
{
    un_graph *g;
    uint64_t params;

    if (un_model_build(&g, mem, &cfg->model, NULL))
        return 0;
    params = (uint64_t)g->block_count * sizeof(float);
    un_graph_destroy(g);
    return 8 * params + (uint64_t)cfg->train.steps * 256; /* model, up to seven blocks of a checkpoint, logs */
}

static unet_status tell_plan(const training *t, char **text, unet_error *err)
{
    un_text s;
    unet_status st;

    un_text_init(&s, t->c->mem, TEXT_MAX);
    st = un_planned_text(&s, &t->planned, t->cfg, err);
    un_text_printf(&s, "# disk: about %.0f MiB in %s, twice that while a checkpoint is written\n",
        (double)disk_bytes(t->cfg, t->c->mem) / 1048576 + 1, t->folder);
    if (!st)
        return un_api_text(text, &s, err);
    un_text_free(&s);
    return st;
}

static unet_status tell_rate(const training *t, char **text, unet_error *err)
{
    un_text s;

    un_text_init(&s, t->c->mem, TEXT_MAX);
    un_text_printf(&s,
        "suggested: optimiser.lr=%.2g, where the loss falls most steeply; it is lowest at %.2g\n"
        "curve: %s.rates.svg\nsteps: %s.rates.csv\n",
        t->suggested, t->lowest, t->model_path, t->model_path);
    return un_api_text(text, &s, err);
}

static unet_status tell_result(const training *t, char **text, unet_error *err)
{
    const un_train_result *r = &t->result;
    un_text s;

    un_text_init(&s, t->c->mem, TEXT_MAX);
    un_text_printf(&s, "%lld steps in %.1f %s%s; ", (long long)r->steps,
        r->seconds < 120 ? r->seconds : r->seconds / 60, r->seconds < 120 ? "s" : "minutes",
        r->stopped_early ? ", stopped early" : "");
    if (t->samples_per_s > 0)
        un_text_printf(
            &s, "%.1f patches/s, %.1f %% of the time waiting for data\n", t->samples_per_s, 100 * r->waiting);
    else
        un_text_printf(
            &s, "the run was at its end, nothing was left to do (unet extend %s --steps N adds some)\n", t->folder);
    if (r->best_step)
        un_text_printf(&s,
            "best on the pictures kept for selection: Dice %.4f, IoU %.4f at step %lld (they chose the model: evaluate "
            "on others for a figure to report)\n",
            r->best_dice, r->best_iou, (long long)r->best_step);
    else
        un_text_add(&s, "no pictures were kept for selection: the weights are those of the last step\n");
    un_text_printf(&s, "memory: %.0f MiB at the peak, %.0f MiB stated\n", (double)un_memory_peak() / 1048576,
        (double)t->t.stated_bytes / 1048576);
    un_text_printf(&s, "model:  %s\nreport: %s/report.html\n", t->model_path, t->folder);
    return un_api_text(text, &s, err);
}

/* ---- the public function ---- */

static unet_status settle(training *t, unet_error *err)
{
    unet_status st = settle_paths(t, err);

    t->cfg = un_alloc_zero(t->c->mem, sizeof *t->cfg);
    if (!st && !t->cfg)
        st = un_fail_nomem(err, sizeof *t->cfg);
    if (!st)
        st = t->o->resume || t->o->extend_steps ? open_again(t, err) : open_new(t, err);
    return st;
}

static unet_status train(training *t, unet_error *err)
{
    unet_status st = record_data(t, err);

    if (!st)
        st = use_threads(t, err);
    if (!st)
        st = open_job(t, err);
    if (!st && t->o->find_rate)
        return find_rate(t, err);
    if (!st)
        st = run(t, err);
    return st ? st : finish(t, err);
}

static void close_training(training *t)
{
    un_job_close(&t->job);
    un_model_destroy(t->model);
    un_pool_destroy(t->pool);
    un_planned_close(&t->planned);
    un_text_free(&t->table);
    un_text_free(&t->names);
    un_free(t->cfg);
    un_free(t->folder);
    un_free(t->data);
    un_free(t->model_path);
}

unet_status unet_train(
    unet_context *c, const unet_train_options *given, unet_train_result *result, char **text, unet_error *err)
{
    unet_train_options o;
    training t = {.c = c, .o = &o};
    unet_status st;

    if (text)
        *text = NULL;
    if (result)
        memset(result, 0, sizeof *result);
    un_error_clear(err);
    st = un_api_options(&o, sizeof o, given, err);
    if (!st)
        st = settle(&t, err);
    if (!st && !o.dry_run)
        st = train(&t, err);
    if (!st && result)
        *result = (unet_train_result){.steps = t.result.steps,
            .seconds = t.result.seconds,
            .loss = t.result.loss,
            .dice = t.result.best_dice,
            .iou = t.result.best_iou,
            .samples_per_s = t.samples_per_s,
            .waiting = t.result.waiting,
            .suggested_lr = t.suggested,
            .stated_seconds = t.planned.result.seconds,
            .stated_bytes = t.t.stated_bytes,
            .peak_bytes = un_memory_peak()};
    if (!st && text)
        st = o.dry_run ? tell_plan(&t, text, err) : o.find_rate ? tell_rate(&t, text, err) : tell_result(&t, text, err);
    close_training(&t);
    return st;
}
