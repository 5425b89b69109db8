#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/size.h"
#include "train/finish.h"
#include "train/restore.h"
#include "train/schedule.h"
#include "train/watch.h"

typedef struct trainer {
    const un_train_options *opt;
    un_mem *mem;
    un_engine *engine;
    un_runlog *log;
    char *checkpoint; /* path */
    un_progress_state state;
    un_step_result last;
    un_score *last_score; /* NULL: none yet */
    un_watch *watch;
    double began, waited, saved_at; /* seconds of the clock; waited since the start of this process */
    double lr;                      /* of the last step */
    int64_t first;                  /* step this process began behind */
} trainer;

/* ---- checkpoints ---- */

static unet_status save(trainer *t, unet_error *err)
{
    const float *blocks[UN_BLOCK_COUNT];
    const double began = un_profile_now(t->opt->profile);
    un_progress_state state = t->state;
    un_text config;
    unet_status st;

    for (int b = 0; b < UN_BLOCK_COUNT; b++)
        blocks[b] = un_engine_block(t->engine, (un_block)b);
    if (!state.best_step)
        blocks[UN_BLOCK_BEST] = NULL;
    state.seconds += un_clock_s() - t->began;
    un_text_init(&config, t->mem, 1 << 22);
    st = un_config_write(&t->opt->model->config, &config, NULL, err);
    if (!st)
        st = un_checkpoint_save(t->checkpoint, t->mem, t->opt->model->graph, config.s, &state, blocks, err);
    un_text_free(&config);
    t->saved_at = un_clock_s();
    un_profile_span(t->opt->profile, "training", "checkpoint", began);
    return st;
}

static int same_layout(const un_graph *a, const un_graph *b)
{
    int same = a->n_params == b->n_params && a->block_count == b->block_count;

    for (int i = 0; same && i < a->n_params; i++)
        same = a->param[i].count == b->param[i].count && !strcmp(a->param[i].name, b->param[i].name);
    return same;
}

static unet_status load(trainer *t, unet_error *err)
{
    un_checkpoint c;
    unet_status st = un_checkpoint_open(&c, t->mem, t->checkpoint, err);

    if (st)
        return st;
    if (!same_layout(c.graph, t->opt->model->graph))
        st = un_fail_file(err, UNET_E_ARG, t->checkpoint, "the checkpoint belongs to another network");
    else if (t->opt->data && strcmp(c.state.data, t->opt->data) != 0)
        st = un_fail_file(err, UNET_E_DATA, t->checkpoint,
            "the training pictures or masks are not those that the run began with (checksum %s, was %s; data.csv "
            "beside it has those of each); put them back, or start a new run from this model (--from)",
            t->opt->data, c.state.data);
    if (!st)
        st = un_train_same_config(&t->opt->model->config, &c, t->mem, err);
    for (int b = 0; b < UN_BLOCK_COUNT && !st; b++) {
        float *block = un_engine_block(t->engine, (un_block)b);

        if (block && (b != UN_BLOCK_BEST || c.state.best_step))
            st = un_checkpoint_read(&c, (un_block)b, block, err);
    }
    t->state = c.state;
    un_checkpoint_close(&c);
    return st;
}

/* ---- starting ---- */

static unet_status open_log(trainer *t, unet_error *err)
{
    const un_objective *o = un_engine_objective(t->engine);
    const un_config *c = &t->opt->model->config;
    const char *term[UN_CFG_MAX_term];
    const un_runlog_spec spec = {.folder = t->opt->folder,
        .term = term,
        .n_terms = o->n_terms,
        .n_classes = c->model.classes,
        .keep = t->state.step};
    const un_run_environment e = {.version = t->opt->version ? t->opt->version : "",
        .built = t->opt->built ? t->opt->built : "",
        .data = t->state.data,
        .level = t->opt->level,
        .threads = un_pool_threads(t->opt->pool),
        .exact = t->opt->exact,
        .pictures = t->opt->pictures,
        .peak_bytes = (int64_t)t->opt->stated_bytes};
    unet_status st;

    for (int i = 0; i < o->n_terms; i++)
        term[i] = o->term[i].name;
    st = un_runlog_open(&t->log, t->mem, &spec, err);
    if (!st)
        st = un_runlog_config(t->log, c, err);
    if (!st && t->opt->table)
        st = un_runlog_data(t->log, t->opt->table, err);
    return st ? st : un_runlog_environment(t->log, &e, err);
}

/* The rule of an extension: the total grows, the learning rate goes on where a run of the new length would
 * stand, early stopping counts anew; warm-up, moving average and selection interval stay as the run began. */
static unet_status extend(trainer *t, unet_error *err)
{
    char detail[64];

    if (t->opt->extend < 1 || t->state.steps > INT64_C(1000000000) - t->opt->extend)
        return un_fail(err, UNET_E_ARG, "a run can be extended by 1 step or more, up to 1e9 in all");
    t->state.steps += t->opt->extend;
    t->state.stale = 0;
    t->opt->model->config.train.steps = t->state.steps;
    snprintf(
        detail, sizeof detail, "%lld steps more, %lld in all", (long long)t->opt->extend, (long long)t->state.steps);
    return un_runlog_event(t->log, t->state.step, "extend", detail, err);
}

static unet_status begin_new(trainer *t, unet_error *err)
{
    unet_status st = un_runlog_claim(t->mem, t->opt->folder, t->opt->replace, err);

    if (st)
        return st;
    t->state.steps = t->opt->model->config.train.steps;
    if (t->opt->model->config.optimiser.schedule == UN_CFG_SCHEDULE_PLATEAU)
        t->state.plateau.factor = 1;
    if (t->opt->data)
        memcpy(t->state.data, t->opt->data, strlen(t->opt->data) + 1);
    st = save(t, err);
    if (!st)
        st = open_log(t, err);
    if (!st)
        st = un_runlog_event(t->log, 0, "start", un_cpu_level_name(t->opt->level), err);
    return st || !t->opt->epoch ? st : un_runlog_event(t->log, 0, "epoch", t->opt->epoch, err);
}

static unet_status begin_again(trainer *t, unet_error *err)
{
    unet_status st = load(t, err);

    if (!st)
        st = open_log(t, err);
    if (!st)
        st = un_runlog_event(t->log, t->state.step, "resume", un_cpu_level_name(t->opt->level), err);
    if (!st && t->opt->extend)
        st = extend(t, err);
    if (!st && t->opt->extend)
        st = save(t, err);
    return st;
}

static unet_status check_options(const un_train_options *opt, unet_error *err)
{
    if (opt->data && strlen(opt->data) >= UN_CHECKSUM_MAX)
        return un_fail(err, UNET_E_ARG, "the checksum of the data is too long");
    if (opt->extend && !opt->resume)
        return un_fail(err, UNET_E_ARG, "only a run that exists can be extended");
    return un_train_settle(&opt->model->config, opt->pictures, err);
}

/* train.recompute auto: only when it does not fit without. */
static unet_status make_engine(un_engine **out, un_mem *mem, const un_train_options *opt, unet_error *err)
{
    const un_cfg_recompute how = opt->model->config.train.recompute;
    un_engine_spec spec = {.model = opt->model,
        .backend = opt->backend,
        .pool = opt->pool,
        .level = opt->level,
        .exact = opt->exact,
        .pixel_weight = opt->pixel_weight,
        .profile = opt->profile,
        .keep_best = opt->select != NULL};
    unet_status st = un_engine_create(out, mem, &spec, err);

    if (st || how != UN_CFG_RECOMPUTE_AUTO || !opt->max_bytes || un_engine_bytes(*out) <= opt->max_bytes)
        return st;
    un_engine_destroy(*out);
    spec.recompute = 1;
    return un_engine_create(out, mem, &spec, err);
}

unet_status un_train_bytes(size_t *bytes, un_mem *mem, const un_train_options *opt, unet_error *err)
{
    un_engine *e = NULL;
    unet_status st = check_options(opt, err);

    if (!st)
        st = make_engine(&e, mem, opt, err);
    if (st)
        return st;
    *bytes = un_engine_bytes(e);
    un_engine_destroy(e);
    return UNET_OK;
}

static unet_status begin(trainer *t, unet_error *err)
{
    const un_train_options *opt = t->opt;
    unet_status st = check_options(opt, err);
    size_t bytes;

    if (!st)
        st = make_engine(&t->engine, t->mem, opt, err);
    if (st)
        return st;
    bytes = un_engine_bytes(t->engine);
    if (opt->max_bytes && bytes > opt->max_bytes)
        return un_fail(err, UNET_E_LIMIT,
            "training needs %.1f MiB beside the model, %.1f MiB are allowed; use a smaller train.patch, "
            "train.ghost_batch or "
            "model.base_filters",
            (double)bytes / 1048576, (double)opt->max_bytes / 1048576);
    t->checkpoint = un_asprintf(t->mem, "%s/%s", opt->folder, UN_CHECKPOINT_FILE);
    if (!t->checkpoint)
        return un_fail_nomem(err, strlen(opt->folder));
    t->watch = un_alloc_zero(t->mem, sizeof *t->watch);
    if (!t->watch)
        return un_fail_nomem(err, sizeof *t->watch);
    st = un_engine_start(t->engine, err);
    if (!st)
        st = opt->resume ? begin_again(t, err) : begin_new(t, err);
    t->first = t->state.step;
    return st ? st : opt->feed.start(opt->feed.ctx, t->state.step + 1, err);
}

/* ---- the loop ---- */

static unet_status run_groups(trainer *t, int64_t step, unet_error *err)
{
    const un_cfg_train *c = &t->opt->model->config.train;
    const un_feed *f = &t->opt->feed;
    const int groups = c->batch / c->ghost_batch;

    for (int g = 0; g < groups; g++) {
        const double asked = un_clock_s(), began = un_profile_now(t->opt->profile);
        const un_batch *b;
        unet_status st = f->next(f->ctx, &b, err);

        if (st)
            return st;
        t->waited += un_clock_s() - asked;
        un_profile_span(t->opt->profile, "training", "wait for data", began);
        un_watch_batch(t->watch, b);
        st = un_engine_accumulate(t->engine, b, step, g, groups, err);
        f->release(f->ctx, b);
        if (st)
            return st;
    }
    return UNET_OK;
}

static double epoch_of(const trainer *t)
{
    return t->opt->pictures ? (double)t->state.step * t->opt->model->config.train.batch / (double)t->opt->pictures : 0;
}

static unet_status log_step(trainer *t, double lr, double waiting, unet_error *err)
{
    un_step_record r = {.step = t->state.step,
        .epoch = epoch_of(t),
        .lr = lr,
        .loss = t->last.loss,
        .grad_norm = t->last.grad_norm,
        .seconds = t->state.seconds + un_clock_s() - t->began,
        .waiting = waiting};

    memcpy(r.term, t->last.term, sizeof r.term);
    return un_runlog_step(t->log, &r, err);
}

static double rate_of(const trainer *t, int64_t step)
{
    const un_cfg_optimiser *o = &t->opt->model->config.optimiser;

    return un_plateau_lr(&t->state.plateau, o, un_schedule_lr(o, step, t->state.steps));
}

static unet_status one_step(trainer *t, unet_error *err)
{
    const int64_t step = t->state.step + 1;
    const double lr = rate_of(t, step);
    const double began = un_clock_s(), waited = t->waited;
    unet_error why = {0};
    unet_status st = run_groups(t, step, &why);

    if (!st)
        st = un_engine_apply(t->engine, step, lr, &t->last, &why);
    if (st == UNET_E_NUMERIC)
        return un_fail(err, st,
            "step %lld: %s. The checkpoint of an earlier step is kept. Try a lower optimiser.lr, a longer "
            "optimiser.warmup, "
            "or look for broken pictures with `unet inspect`",
            (long long)step, why.message);
    if (st) {
        if (err)
            *err = why;
        return st;
    }
    t->state.step = step;
    t->lr = lr;
    return log_step(t, lr, (t->waited - waited) / fmax(un_clock_s() - began, 1e-9), err);
}

/* Whether the step is one at which the weights are scored, or shown. */
static int is_selection(const trainer *t)
{
    const un_train_options *o = t->opt;
    const int64_t every = o->select ? o->model->config.train.val_interval : o->show ? o->show_every : 0;

    return every && (t->state.step % every == 0 || t->state.step == t->state.steps);
}

/* A line each becomes an event. */
static unet_status log_warnings(trainer *t, char *lines, unet_error *err)
{
    unet_status st = UNET_OK;

    for (char *end; (end = strchr(lines, '\n')) && !st; lines = end + 1) {
        *end = 0;
        if (t->opt->warn)
            t->opt->warn(t->opt->ctx, lines);
        st = un_runlog_event(t->log, t->state.step, "warning", lines, err);
    }
    return st;
}

static unet_status watch_classes(trainer *t, const un_score *s, unet_error *err)
{
    double share[UN_CFG_MAX_class];
    un_text warnings;
    unet_status st;

    un_text_init(&warnings, t->mem, 1 << 18);
    un_watch_shares(t->watch, share);
    un_watch_score(
        t->watch, s, &t->opt->model->config, (double)t->state.step / (double)UN_MAX(t->state.steps, 1), &warnings);
    st = un_runlog_classes(t->log, t->state.step, share, err);
    if (!st && warnings.failed)
        st = un_fail_nomem(err, 1 << 18);
    else if (!st && warnings.n)
        st = log_warnings(t, warnings.s, err);
    un_text_free(&warnings);
    return st;
}

/* Statistics of batch norms for averaged weights, over the first batches of the run; the batches then go on where they
 * were. */
static unet_status take_statistics(trainer *t, unet_error *err)
{
    const un_cfg_train *c = &t->opt->model->config.train;
    const un_feed *f = &t->opt->feed;
    const int count = (int)UN_MIN(t->state.steps * (c->batch / c->ghost_batch), UN_STATISTICS_BATCHES);
    unet_status st;

    if (!un_engine_wants_statistics(t->engine, t->state.step))
        return UNET_OK;
    st = f->start(f->ctx, 1, err);
    for (int i = 0; i < count && !st; i++) {
        const un_batch *b;

        st = f->next(f->ctx, &b, err);
        if (st)
            return st;
        st = un_engine_statistics(t->engine, b, i, count, err);
        f->release(f->ctx, b);
    }
    return st ? st : f->start(f->ctx, t->state.step + 1, err);
}

static unet_status make_selection(trainer *t, unet_error *err)
{
    const double began = un_profile_now(t->opt->profile);
    un_score *s = t->last_score ? t->last_score : un_alloc_zero(t->mem, sizeof *s);
    unet_status st;
    int better;

    if (!s)
        return un_fail_nomem(err, sizeof *s);
    t->last_score = s;
    memset(s, 0, sizeof *s);
    st = take_statistics(t, err);
    if (!st)
        st = t->opt->select(t->opt->ctx, un_engine_model(t->engine), t->state.step, s, err);
    un_profile_span(t->opt->profile, "training", "selection", began);
    if (!st)
        st = watch_classes(t, s, err);
    if (st)
        return st;
    better = isfinite(s->score) &&
             (!t->state.best_step || s->score > t->state.best_score + t->opt->model->config.train.min_delta);
    if (t->state.plateau.factor > 0)
        un_plateau_score(&t->state.plateau, &t->opt->model->config, s->score);
    t->state.selections++;
    t->state.stale = better ? 0 : t->state.stale + 1;
    if (better) {
        t->state.best_step = t->state.step;
        t->state.best_score = s->score;
        t->state.best_dice = isfinite(s->dice_mean) ? s->dice_mean : 0;
        t->state.best_iou = isfinite(s->iou_mean) ? s->iou_mean : 0;
        un_engine_keep_best(t->engine);
    }
    return un_runlog_score(t->log, t->state.step, s, better, err);
}

/* No scores: the shares of the classes are logged alone. */
static unet_status show(trainer *t, unet_error *err)
{
    const double began = un_profile_now(t->opt->profile);
    double share[UN_CFG_MAX_class];
    unet_status st = take_statistics(t, err);

    if (!st)
        st = t->opt->show(t->opt->ctx, un_engine_model(t->engine), t->state.step, err);
    un_profile_span(t->opt->profile, "training", "previews", began);
    if (st)
        return st;
    un_watch_shares(t->watch, share);
    return un_runlog_classes(t->log, t->state.step, share, err);
}

static void tell(trainer *t, int selected)
{
    const int64_t done = t->state.step - t->first;
    const double spent = fmax(un_clock_s() - t->began, 1e-9);
    const un_cfg_train *c = &t->opt->model->config.train;
    const un_train_progress p = {.step = t->state.step,
        .steps = t->state.steps,
        .best_step = t->state.best_step,
        .epoch = epoch_of(t),
        .lr = t->lr,
        .loss = t->last.loss,
        .last = t->last_score,
        .best_score = t->state.best_score,
        .selected = selected,
        .samples_per_s = (double)done * c->batch / spent,
        .seconds = t->state.seconds + spent,
        .seconds_left = (double)(t->state.steps - t->state.step) * spent / (double)done,
        .waiting = t->waited / spent};

    if (t->opt->progress)
        t->opt->progress(t->opt->ctx, &p);
}

static int is_stale(const trainer *t)
{
    const int64_t patience = t->opt->model->config.train.patience;

    return patience > 0 && t->state.stale >= patience;
}

static unet_status stop(trainer *t, unet_error *err)
{
    unet_status st = save(t, err);

    if (!st)
        st = un_runlog_event(t->log, t->state.step, "cancel", "", err);
    return st ? st
              : un_fail(err, UNET_E_CANCELLED,
                    "stopped after step %lld of %lld; the state is saved in %s, go on with --resume",
                    (long long)t->state.step, (long long)t->state.steps, t->opt->folder);
}

/* A run that was stopped while it scored owes that selection when it goes on. */
static unet_status select_if_due(trainer *t, int *selected, unet_error *err)
{
    unet_status st;

    *selected = t->state.step > t->state.selected_step && is_selection(t);
    if (!*selected)
        return UNET_OK;
    st = t->opt->select ? make_selection(t, err) : show(t, err);
    if (!st)
        t->state.selected_step = t->state.step;
    return st == UNET_E_CANCELLED ? stop(t, err) : st;
}

static unet_status loop(trainer *t, unet_error *err)
{
    int selected;
    unet_status st = select_if_due(t, &selected, err);

    while (!st && t->state.step < t->state.steps && !is_stale(t)) {
        st = one_step(t, err);
        if (!st)
            st = select_if_due(t, &selected, err);
        if (st)
            return st;
        tell(t, selected);
        if (t->state.step < t->state.steps && t->opt->cancel && t->opt->cancel(t->opt->ctx))
            return stop(t, err);
        if (un_clock_s() - t->saved_at >= t->opt->model->config.train.checkpoint)
            st = save(t, err);
    }
    return st;
}

/* The last checkpoint holds the weights as training left them; the model gets those that won. */
static unet_status end(trainer *t, un_train_result *out, unet_error *err)
{
    un_model *m = t->opt->model;
    const float *from =
        t->state.best_step ? un_engine_block(t->engine, UN_BLOCK_BEST) : un_engine_model(t->engine)->weights;
    const int stopped_early = t->state.step < t->state.steps;
    unet_status st = t->state.best_step ? UNET_OK : take_statistics(t, err);

    if (!st)
        st = save(t, err);
    if (!st)
        st = un_runlog_event(t->log, t->state.step, stopped_early ? "early stop" : "end", "", err);
    if (st)
        return st;
    if (from != m->weights)
        memcpy(m->weights, from, (size_t)m->graph->block_count * sizeof *from);
    out->steps = t->state.step;
    out->best_step = t->state.best_step;
    out->best_score = t->state.best_score;
    out->best_dice = t->state.best_dice;
    out->best_iou = t->state.best_iou;
    out->loss = t->last.loss;
    out->seconds = t->state.seconds + un_clock_s() - t->began;
    out->waiting = t->waited / fmax(un_clock_s() - t->began, 1e-9);
    out->stopped_early = stopped_early;
    out->bytes = un_engine_bytes(t->engine);
    un_engine_destroy(t->engine); /* what follows has memory of its own */
    t->engine = NULL;
    return un_train_finish(m, t->opt, &t->state, err);
}

unet_status un_train(const un_train_options *opt, un_mem *mem, un_train_result *out, unet_error *err)
{
    trainer t = {.opt = opt, .mem = mem, .began = un_clock_s()};
    unet_status st;

    memset(out, 0, sizeof *out);
    un_profile_start(opt->profile);
    st = begin(&t, err);
    if (!st)
        st = loop(&t, err);
    un_profile_stop(opt->profile);
    if (!st)
        st = end(&t, out, err);
    un_runlog_close(t.log);
    un_engine_destroy(t.engine);
    un_free(t.last_score);
    un_free(t.watch);
    un_free(t.checkpoint);
    return st;
}
