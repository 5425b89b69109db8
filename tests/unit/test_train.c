/* Training as a whole on two generated pictures: it learns, gives the same bits whatever the threads, the
 * interruptions and the memory, and fails cleanly. */
#include "two_pictures.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/size.h"
#include "config/optimisers.h"
#include "run/session.h"
#include "train/feed.h"
#include "train/find_rate.h"
#include "train/restore.h"
#include "train/schedule.h"

static unet_error err;

enum { SIDE = 32 };

static two_pictures pictures = {.d = 1, .h = SIDE, .w = SIDE, .c = 1};

/* What the callbacks of a run share. */
typedef struct watcher {
    two_feed feed;
    int64_t stop_at;        /* cancel after this step; 0: never */
    int64_t stop_selecting; /* the selection of this step is cancelled */
    un_session *session;
    un_mem *mem;
} watcher;

static int cancel(void *ctx)
{
    watcher *f = ctx;

    return f->stop_at && f->feed.step > f->stop_at;
}

/* Dice of the foreground over both pictures. */
static unet_status score_dice(void *ctx, const un_model *model, int64_t step, un_score *out, unet_error *e)
{
    watcher *f = ctx;
    const un_session_options o = {.level = un_test_level()};
    static float p[SIDE * SIDE * 2];
    double both = 0, sum = 0;
    unet_status st = UNET_OK;

    if (step && f->stop_selecting == step)
        return UNET_E_CANCELLED;
    if (!f->session)
        st = un_session_create(&f->session, f->mem, model, (un_shape){1, 1, SIDE, SIDE, 1}, &o, e);
    else
        un_session_refresh(f->session);
    for (int k = 0; k < 2 && !st; k++) {
        st = un_session_run(f->session, pictures.image[k], NULL, p, e);
        for (int i = 0; i < SIDE * SIDE; i++) {
            const int hit = p[2 * i + 1] > p[2 * i];

            both += hit && pictures.mask[k][i];
            sum += hit + pictures.mask[k][i];
        }
    }
    out->n_classes = 2;
    out->dice[1] = out->score = sum > 0 ? 2 * both / sum : 0;
    out->iou[1] = out->score / (2 - out->score);
    return st;
}

/* ---- a run ---- */

typedef struct run {
    watcher f;
    un_model *model;
    un_pool *pool;
    un_train_options opt;
    un_train_result result;
    char folder[300];
} run;

static void open_feed(run *r, un_mem *mem)
{
    if (!pictures.image[0])
        two_make(&pictures, 0.4);
    two_open(&r->f.feed, &pictures, &r->model->config);
    r->f.mem = mem;
    r->opt = (un_train_options){.model = r->model,
        .backend = un_backend_cpu(),
        .level = un_test_level(),
        .folder = r->folder,
        .pictures = 2,
        .data = "sum:1",
        .version = "test",
        .feed = {&r->f.feed, two_start, two_next, two_release},
        .ctx = &r->f,
        .select = score_dice,
        .cancel = cancel};
}

#define TINY                                                                                                           \
    "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: batch, "             \
    "dropout: 0.2}\n"                                                                                                  \
    "train: {steps: 24, batch: 4, ghost_batch: 2, patch: [32, 32], val_interval: 5}\n"

static void open_run(run *r, un_mem *mem, const char *folder, const char *text)
{
    un_config *c = un_alloc(NULL, sizeof *c);

    memset(r, 0, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "%s", folder);
    CHECK_OK(un_config_init(c, NULL, &err), &err);
    CHECK_OK(un_config_parse(c, NULL, text, strlen(text), "test", &err), &err);
    if (un_is_auto(c->train.ghost_batch))
        c->train.ghost_batch = c->train.batch;
    CHECK_OK(un_model_create(&r->model, mem, c, &err), &err);
    un_free(c);
    open_feed(r, mem);
}

static void reopen_run(run *r, const char *folder)
{
    memset(r, 0, sizeof *r);
    snprintf(r->folder, sizeof r->folder, "%s", folder);
    CHECK_OK(un_train_restore(&r->model, NULL, folder, &err), &err);
    open_feed(r, NULL);
    r->opt.resume = 1;
}

static void set(run *r, const char *assignment)
{
    CHECK_OK(un_config_set(&r->model->config, NULL, assignment, &err), &err);
}

static void close_run(run *r)
{
    un_session_destroy(r->f.session);
    two_close(&r->f.feed);
    un_model_destroy(r->model);
    un_pool_destroy(r->pool);
}

static unet_status go(run *r, un_mem *mem)
{
    return un_train(&r->opt, mem, &r->result, &err);
}

/* The bytes of a finished run that must not depend on anything: its model as a file. */
static char *model_bytes(run *r, size_t *size)
{
    char path[400];
    unsigned char *data;

    snprintf(path, sizeof path, "%s/model.safetensors", r->folder);
    CHECK_OK(un_model_save(r->model, path, &err), &err);
    CHECK_OK(un_file_read(&data, size, NULL, path, 1 << 24, &err), &err);
    return (char *)data;
}

/* A log without its last two columns, the times. */
static char *log_text(const char *folder, const char *name, int drop)
{
    char path[400];
    unsigned char *data;
    size_t size, to = 0, comma[64], line = 0;
    int n = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 24, &err), &err);
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n') {
            to = drop && n >= drop ? comma[n - drop] : to;
            n = 0;
            line++;
        }
        if (data[i] == ',' && n < 64)
            comma[n++] = to;
        data[to++] = data[i];
    }
    data[to] = 0;
    CHECK(line > 0);
    return (char *)data;
}

static void compare_files(run *a, run *b)
{
    size_t na, nb;
    char *x = model_bytes(a, &na), *y = model_bytes(b, &nb);

    CHECK_INT(na, nb);
    CHECK(!memcmp(x, y, na));
    un_free(x);
    un_free(y);
    x = log_text(a->folder, "log.csv", 2);
    y = log_text(b->folder, "log.csv", 2);
    CHECK_STR(x, y);
    un_free(x);
    un_free(y);
    x = log_text(a->folder, "scores.csv", 0);
    y = log_text(b->folder, "scores.csv", 0);
    CHECK_STR(x, y);
    un_free(x);
    un_free(y);
}

/* ---- tests ---- */

LONG_TEST(overfit)
{
    run r;
    char *log;

    open_run(&r, NULL, un_test_tmp(),
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 2, base_filters: 4, head: softmax, norm: "
        "batch}\n"
        "train: {steps: 150, batch: 4, patch: [32, 32], val_interval: 25}\noptimiser: {lr: 0.01}\n");
    CHECK_OK(go(&r, NULL), &err);
    un_test_note("Dice %g at step %d, %.2f s", r.result.best_score, (int)r.result.best_step, r.result.seconds);
    CHECK(r.result.best_score >= 0.98);
    CHECK(r.model->n_pairs >= UN_MODEL_PAIRS_LEAST && r.model->record);
    CHECK(strstr(r.model->record, "\"data_checksum\":\"sum:1\"") && strstr(r.model->record, "\"best_step\""));
    log = log_text(r.folder, "scores.csv", 0);
    un_free(log);
    close_run(&r);
}

/* The result is the network of the best selection: scored again it gives the best score. */
TEST(result_is_best)
{
    run r;
    un_score s = {0};

    open_run(&r, NULL, un_test_tmp(), TINY);
    CHECK_OK(go(&r, NULL), &err);
    un_session_destroy(r.f.session);
    r.f.session = NULL;
    CHECK_OK(score_dice(&r.f, r.model, 0, &s, &err), &err);
    CHECK_NEAR(s.score, r.result.best_score, 0);
    close_run(&r);
}

/* Wide enough for the fast kernels. */
#define WIDE                                                                                                           \
    "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 12, head: softmax, norm: batch, "            \
    "dropout: 0.2}\n"                                                                                                  \
    "train: {steps: 4, batch: 4, ghost_batch: 2, patch: [32, 32], val_interval: 2}\n"

/* What must not change a bit: threads, memory that forces blocks to be computed again, a stop in between. */
typedef struct variant {
    int threads, tight;
    int64_t stop_at;
} variant;

static void prepare(run *r, const variant *v, un_cpu_level level)
{
    size_t bytes;

    r->opt.level = level;
    CHECK_OK(un_pool_create(&r->pool, NULL, v->threads, &err), &err);
    r->opt.pool = r->pool;
    if (v->tight) {
        CHECK_OK(un_train_bytes(&bytes, NULL, &r->opt, &err), &err);
        r->opt.max_bytes = bytes - 1;
    }
}

static void check_variant(run *first, const variant *v, un_cpu_level level)
{
    char folder[300];
    run r;

    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    open_run(&r, NULL, folder, WIDE);
    prepare(&r, v, level);
    r.f.stop_at = v->stop_at;
    if (v->stop_at) {
        CHECK_STATUS(go(&r, NULL), UNET_E_CANCELLED);
        close_run(&r);
        reopen_run(&r, folder);
        prepare(&r, v, level);
    }
    CHECK_OK(go(&r, NULL), &err);
    compare_files(first, &r);
    close_run(&r);
}

LONG_TEST(same_bits)
{
    static const variant variants[] = {{2, 0, 0}, {3, 1, 0}, {8, 0, 2}, {1, 1, 3}};
    static const variant plain = {1, 0, 0};

    for (int level = 0; level <= (int)un_test_level(); level++) {
        run first;

        if (!un_cpu_has((un_cpu_level)level))
            continue;
        open_run(&first, NULL, un_test_tmp(), WIDE);
        prepare(&first, &plain, (un_cpu_level)level);
        CHECK_OK(go(&first, NULL), &err);
        for (size_t i = 0; i < UN_COUNT(variants); i++)
            check_variant(&first, &variants[i], (un_cpu_level)level);
        close_run(&first);
    }
}

TEST(cancelled_and_resumed)
{
    run whole, r;
    char folder[300];

    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    open_run(&whole, NULL, un_test_tmp(), TINY);
    CHECK_OK(go(&whole, NULL), &err);
    open_run(&r, NULL, folder, TINY);
    r.f.stop_at = 13;
    CHECK_STATUS(go(&r, NULL), UNET_E_CANCELLED);
    CHECK(strstr(err.message, "--resume") && strstr(err.message, "step 13 of 24"));
    close_run(&r);
    reopen_run(&r, folder);
    r.opt.data = "sum:2"; /* other pictures */
    CHECK_STATUS(go(&r, NULL), UNET_E_DATA);
    r.opt.data = "sum:1";
    r.model->config.optimiser.lr *= 2; /* other settings */
    CHECK_STATUS(go(&r, NULL), UNET_E_CONFIG);
    r.model->config.optimiser.lr /= 2;
    r.model->config.train.threads = 3; /* which may differ */
    CHECK_OK(go(&r, NULL), &err);
    r.model->config.train.threads = whole.model->config.train.threads;
    compare_files(&whole, &r);
    close_run(&r);
    open_run(&r, NULL, folder, TINY); /* a new run over an old one */
    CHECK_STATUS(go(&r, NULL), UNET_E_ARG);
    close_run(&r);
    close_run(&whole);
}

static int hidden_files(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    int n = 0;

    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] == '.' && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

/* Stopped in the middle of a selection: it is made first when the run goes on. */
TEST(cancelled_selection)
{
    run whole, r;
    char folder[300];

    open_run(&whole, NULL, un_test_tmp(), TINY);
    CHECK_OK(go(&whole, NULL), &err);
    for (int64_t at = 10; at <= 24; at += 14) { /* one in the middle, the last one */
        snprintf(folder, sizeof folder, "%s", un_test_tmp());
        open_run(&r, NULL, folder, TINY);
        r.f.stop_selecting = at;
        CHECK_STATUS(go(&r, NULL), UNET_E_CANCELLED);
        close_run(&r);
        reopen_run(&r, folder);
        CHECK_OK(go(&r, NULL), &err);
        compare_files(&whole, &r);
        close_run(&r);
    }
    close_run(&whole);
}

/* Killed at random moments, each time resumed, until it is done. */
TEST(killed_and_resumed)
{
    run whole, r;
    int kills = 0;
    un_rng random;

    open_run(&whole, NULL, un_test_tmp(), TINY);
    set(&whole, "train.checkpoint=0");
    CHECK_OK(go(&whole, NULL), &err);
    un_rng_init(&random, (uint64_t)getpid(), UN_RNG_TEST, 0, 0, 0);
    for (int round = 0; round < 3; round++) {
        char folder[300];
        char path[400];
        int done = 0;

        snprintf(folder, sizeof folder, "%s", un_test_tmp());
        snprintf(path, sizeof path, "%s/%s", folder, UN_CHECKPOINT_FILE);
        while (!done) {
            const pid_t child = fork();
            int status;

            if (child == 0) {
                if (un_path_exists(path))
                    reopen_run(&r, folder);
                else
                    open_run(&r, NULL, folder, TINY);
                set(&r, "train.checkpoint=0");
                _exit(go(&r, NULL) ? 1 : 0);
            }
            CHECK(child > 0);
            usleep((useconds_t)un_rng_below(&random, 1 + (int64_t)(whole.result.seconds * 5e5)));
            kill(child, SIGKILL);
            CHECK_INT(waitpid(child, &status, 0), child);
            done = WIFEXITED(status);
            CHECK(!done || WEXITSTATUS(status) == 0);
            kills += !done;
            CHECK(kills < 2000);
        }
        reopen_run(&r, folder); /* finished: only the result is made again */
        CHECK_OK(go(&r, NULL), &err);
        compare_files(&whole, &r);
        CHECK_INT(hidden_files(folder), 0); /* nothing half-written stays */
        close_run(&r);
    }
    un_test_note("killed %d times", kills);
    close_run(&whole);
}

/* Every optimiser, and what goes with it: stopped and gone on with, on other threads, gives the same bits; the loss
 * falls. */
static void interrupted(const char *settings)
{
    static const char base[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: batch}\n"
        "train: {steps: 24, batch: 4, ghost_batch: 2, patch: [32, 32], val_interval: 5, min_delta: 0.2}\n";
    char text[600], folder[300];
    run whole, r;

    snprintf(text, sizeof text, "%soptimiser: {%s}\n", base, settings);
    open_run(&whole, NULL, un_test_tmp(), text);
    CHECK_OK(go(&whole, NULL), &err);
    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    open_run(&r, NULL, folder, text);
    CHECK_OK(un_pool_create(&r.pool, NULL, 3, &err), &err);
    r.opt.pool = r.pool;
    r.f.stop_at = 21; /* an average that has begun, a rate that has fallen */
    CHECK_STATUS(go(&r, NULL), UNET_E_CANCELLED);
    close_run(&r);
    reopen_run(&r, folder);
    CHECK_OK(go(&r, NULL), &err);
    compare_files(&whole, &r);
    close_run(&r);
    close_run(&whole);
}

LONG_TEST(every_optimiser_goes_on)
{
    char settings[200];

    for (int i = 0; i < un_method_count(); i++) {
        snprintf(settings, sizeof settings, "name: %s", un_method_info_of((un_cfg_method)i)->name);
        interrupted(settings);
    }
    interrupted("name: rmsprop, centred: true, momentum: 0.8");
    interrupted("sam_rho: 0.05, lookahead: 3, clip_norm: 0.5, clip_value: 0.1, clip_adaptive: 0.1");
    interrupted("average: swa, swa_start: 0.5, swa_every: 2, schedule: triangular");
    interrupted("average: none, schedule: plateau, plateau_patience: 1");
    interrupted("groups: [{part: decoder, lr: 0.5}, {kind: norms, weight_decay: 0.1}], l1: 1e-4, decay: coupled");
}

/* A part at the rate 0 keeps its weights to the bit, the others move. */
TEST(frozen_parts)
{
    run r;
    float *before;
    const un_graph *g;

    open_run(&r, NULL, un_test_tmp(), TINY "optimiser: {groups: [{part: encoder, lr: 0}], ema_decay: 0}\n");
    g = r.model->graph;
    before = un_alloc(NULL, (size_t)g->block_count * sizeof *before);
    memcpy(before, r.model->weights, (size_t)g->block_count * sizeof *before);
    CHECK_OK(go(&r, NULL), &err);
    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];
        const int same = !memcmp(before + p->offset, r.model->weights + p->offset, (size_t)p->count * sizeof *before);

        if (p->trainable && same != !strncmp(p->name, "enc", 3))
            un_test_fail(__FILE__, __LINE__, "%s %s", p->name, same ? "stays" : "moves");
    }
    un_free(before);
    close_run(&r);
}

/* The range test: rates rise, the suggestion lies where the loss falls; same bits on other threads; the curve is drawn.
 */
LONG_TEST(rate_range_test)
{
    un_rate_search s[2];
    char stem[320], *table;
    unsigned char *svg;
    size_t size;
    run r;

    for (int i = 0; i < 2; i++) {
        open_run(&r, NULL, un_test_tmp(),
            "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 4, head: softmax, norm: batch}\n"
            "train: {steps: 200, batch: 2, patch: [32, 32]}\n");
        CHECK_OK(un_pool_create(&r.pool, NULL, 1 + 2 * i, &err), &err);
        r.opt.pool = r.pool;
        CHECK_OK(un_find_rate(&s[i], NULL, &r.opt, &err), &err);
        if (i == 0)
            close_run(&r);
    }
    CHECK(s[0].steps == s[1].steps && !memcmp(s[0].loss, s[1].loss, (size_t)s[0].steps * sizeof(double)));
    CHECK(s[0].steps > 20 && s[0].steps <= UN_FIND_RATE_STEPS);
    CHECK_NEAR(s[0].lr[0], 2e-6, 1e-12);
    for (int i = 1; i < s[0].steps; i++)
        CHECK_NEAR(s[0].lr[i] / s[0].lr[i - 1], pow(1e6, 1.0 / 99), 1e-9);
    un_test_note("%g of %d steps, lowest at %g", s[0].lr[s[0].steepest], s[0].steps, s[0].lr[s[0].lowest]);
    CHECK(s[0].lr[s[0].steepest] > 1e-4 && s[0].steepest < s[0].lowest);
    snprintf(stem, sizeof stem, "%s/model.rates", r.folder);
    CHECK_OK(un_find_rate_write(&s[0], NULL, stem, &err), &err);
    table = log_text(r.folder, "model.rates.csv", 0);
    CHECK(strstr(table, "step,lr,loss,smooth\n1,2e-06,"));
    un_free(table);
    snprintf(stem, sizeof stem, "%s/model.rates.svg", r.folder);
    CHECK_OK(un_file_read(&svg, &size, NULL, stem, 1 << 20, &err), &err);
    CHECK(strstr((char *)svg, "suggested rate") && strstr((char *)svg, ">0.001<"));
    un_free(svg);
    close_run(&r);
}

/* From 24 to 36 steps; killed or not in between makes no difference, and the log goes on. */
TEST(extended)
{
    run r;
    char folder[300];
    char *log;

    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    open_run(&r, NULL, folder, TINY);
    CHECK_OK(go(&r, NULL), &err);
    close_run(&r);
    reopen_run(&r, folder);
    r.opt.extend = 12;
    r.f.stop_at = 30;
    CHECK_STATUS(go(&r, NULL), UNET_E_CANCELLED);
    close_run(&r);
    reopen_run(&r, folder);
    CHECK_OK(go(&r, NULL), &err);
    CHECK_INT(r.result.steps, 36);
    CHECK_INT(r.model->config.train.steps, 36);
    log = log_text(folder, "log.csv", 2);
    CHECK(strstr(log, "\n24,") && strstr(log, "\n36,") && strstr(log, "\n31,"));
    un_free(log);
    log = log_text(folder, "events.jsonl", 0);
    CHECK(strstr(log, un_cpu_level_name(un_test_level())));
    CHECK(strstr(log, "\"extend\",\"detail\":\"12 steps more, 36 in all\""));
    un_free(log);
    close_run(&r);
}

/* Rises to step 10 and falls from there, above min_delta all the time. */
static unet_status scripted(void *ctx, const un_model *model, int64_t step, un_score *out, unet_error *e)
{
    (void)ctx;
    (void)model;
    (void)e;
    out->score = step <= 10 ? 0.1 * (double)step : 1 - 0.01 * (double)step;
    return UNET_OK;
}

TEST(best_is_kept)
{
    run r;

    open_run(&r, NULL, un_test_tmp(), TINY);
    r.opt.select = scripted;
    CHECK_OK(go(&r, NULL), &err);
    CHECK_INT(r.result.best_step, 10);
    CHECK_NEAR(r.result.best_score, 1, 1e-12);
    close_run(&r);
}

/* Class 1 never rises above nothing. */
static unet_status nothing_learned(void *ctx, const un_model *model, int64_t step, un_score *out, unet_error *e)
{
    (void)ctx, (void)model, (void)e;
    *out = (un_score){.score = 0.5 + 1e-3 * (double)step, .n_classes = 2};
    return UNET_OK;
}

static char warned[1000];

static void on_warning(void *ctx, const char *text)
{
    (void)ctx;
    snprintf(warned, sizeof warned, "%s", text);
}

/* What the log says of classes is told too. */
TEST(warnings_are_told)
{
    run r;
    char folder[300], *log;

    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    open_run(&r, NULL, folder, TINY);
    r.opt.select = nothing_learned;
    r.opt.warn = on_warning;
    CHECK_OK(go(&r, NULL), &err);
    CHECK(strstr(warned, "class 1 () has not been learned") && !strchr(warned, '\n'));
    log = log_text(folder, "events.jsonl", 0);
    CHECK(strstr(log, "has not been learned"));
    un_free(log);
    close_run(&r);
}

TEST(early_stop)
{
    run r;

    open_run(&r, NULL, un_test_tmp(), TINY);
    set(&r, "train.patience=2");
    set(&r, "train.min_delta=1");
    CHECK_OK(go(&r, NULL), &err);
    CHECK(r.result.stopped_early);
    CHECK_INT(r.result.steps, 15); /* selections at 5 (the first is always the best), 10, 15 */
    CHECK_INT(r.result.best_step, 5);
    close_run(&r);
}

TEST(not_finite)
{
    run r;
    char folder[300];

    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    open_run(&r, NULL, folder, TINY);
    set(&r, "train.checkpoint=0");
    r.f.feed.poison = 9;
    CHECK_STATUS(go(&r, NULL), UNET_E_NUMERIC);
    CHECK(strstr(err.message, "step 9") && strstr(err.message, "optimiser.lr"));
    close_run(&r);
    reopen_run(&r, folder);
    CHECK_OK(go(&r, NULL), &err);
    close_run(&r);
}

/* Memory is stated before the start and held to; no allocation between the first step and the last. */
TEST(memory)
{
    un_mem *mem = un_mem_create(NULL);
    run r;
    size_t bytes, less;

    open_run(&r, mem, un_test_tmp(), TINY);
    CHECK_OK(un_train_bytes(&bytes, mem, &r.opt, &err), &err);
    set(&r, "train.recompute=off");
    r.opt.max_bytes = bytes - 1;
    CHECK_STATUS(go(&r, mem), UNET_E_LIMIT);
    set(&r, "train.recompute=auto"); /* fits when values are computed again */
    CHECK_OK(un_train_bytes(&less, mem, &r.opt, &err), &err);
    CHECK(less < bytes);
    r.opt.max_bytes = bytes;
    CHECK_OK(go(&r, mem), &err);
    CHECK_INT(r.result.bytes, bytes);
    close_run(&r);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

/* Fails the nth allocation: a clean error, nothing leaks. */
TEST(without_memory)
{
    un_mem *mem = un_mem_create(NULL);
    un_train_result result;
    run r;
    int64_t n, most = 1;

    open_run(&r, NULL, un_test_tmp(), TINY);
    set(&r, "train.steps=2");
    r.f.mem = mem;
    for (n = 1; n < 5000; n += 1 + n / 16) {
        char folder[400];
        unet_status st;

        snprintf(folder, sizeof folder, "%s/%d", r.folder, (int)n);
        r.opt.folder = folder;
        un_mem_fail_at(mem, n);
        st = un_train(&r.opt, mem, &result, &err);
        un_mem_fail_at(mem, 0);
        un_session_destroy(r.f.session);
        r.f.session = NULL;
        CHECK_INT(un_mem_live(mem), 0);
        if (!st)
            break;
        CHECK(st == UNET_E_NOMEM || st == UNET_E_LIMIT); /* a text that cannot grow does not tell which */
        most = n;
    }
    CHECK(n < 5000);
    un_test_note("%d allocations", (int)most);
    close_run(&r);
    un_mem_destroy(mem);
}

/* A full disk at a checkpoint: an error, the one before stays, the run goes on from it to the same end. */
TEST(disk_full)
{
    run whole, r;
    char folder[300];

    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    open_run(&whole, NULL, un_test_tmp(), TINY);
    CHECK_OK(go(&whole, NULL), &err);
    open_run(&r, NULL, folder, TINY);
    r.f.stop_at = 7;
    CHECK_STATUS(go(&r, NULL), UNET_E_CANCELLED);
    close_run(&r);
    reopen_run(&r, folder);
    r.f.stop_at = 11;
    setenv("UNET_TEST_DISK_BYTES", "2000", 1);
    CHECK_STATUS(go(&r, NULL), UNET_E_IO);
    unsetenv("UNET_TEST_DISK_BYTES");
    close_run(&r);
    reopen_run(&r, folder);
    CHECK_OK(go(&r, NULL), &err);
    compare_files(&whole, &r);
    close_run(&r);
    close_run(&whole);
}

/* ---- with the data pipeline ---- */

/* Trains with strong augmentation from patches of two larger pictures; the pipeline has so many threads. */
static unet_status go_piped(run *r, int threads, size_t cache_bytes)
{
    two_pictures t = {
        .d = 1, .h = 48, .w = 40, .c = 1, .planes = r->model->config.model.head == UN_CFG_HEAD_MULTILABEL};
    const un_picture_source source = {.ctx = &t, .count = 2, .load = two_load};
    un_pipeline_options o = {.threads = threads, .cache_bytes = cache_bytes};
    un_pipeline *p;
    unet_status st;

    two_make(&t, 0.2);
    CHECK_OK(un_train_settle(&r->model->config, 2, &err), &err);
    un_feed_settings(&r->model->config, &o);
    CHECK_OK(un_pipeline_create(&p, NULL, &source, &o, &err), &err);
    r->opt.feed = un_feed_of(p);
    r->opt.select = NULL; /* scores are not what is tested here */
    st = go(r, NULL);
    un_pipeline_destroy(p);
    two_free(&t);
    return st;
}

static void note_step(void *ctx, const un_train_progress *p)
{
    ((watcher *)ctx)->feed.step = p->step + 1; /* what cancel looks at */
}

/* Multi-label batches come with weights. */
TEST(pipeline_multilabel)
{
    run r;

    open_run(&r, NULL, un_test_tmp(),
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: multilabel, norm: batch}\n"
        "train: {steps: 3, batch: 2, patch: [16, 16]}\n");
    CHECK_OK(go_piped(&r, 2, 1 << 20), &err);
    CHECK(isfinite(r.result.loss) && r.result.loss > 0);
    close_run(&r);
}

/* Neither the threads of the pipeline, nor its cache, nor a stop changes a bit. */
TEST(pipeline)
{
    static const struct {
        int threads;
        size_t cache;
        int64_t stop_at;
    } row[] = {{2, 1 << 20, 0}, {3, 0, 7}, {0, 1 << 20, 12}};
    char folder[300];
    run whole, r;

    open_run(&whole, NULL, un_test_tmp(), TINY);
    set(&whole, "augment.policy=strong");
    CHECK_OK(go_piped(&whole, 0, 0), &err);
    for (size_t i = 0; i < UN_COUNT(row); i++) {
        snprintf(folder, sizeof folder, "%s", un_test_tmp());
        open_run(&r, NULL, folder, TINY);
        set(&r, "augment.policy=strong");
        r.f.stop_at = row[i].stop_at;
        r.opt.progress = note_step;
        if (row[i].stop_at) {
            CHECK_STATUS(go_piped(&r, row[i].threads, row[i].cache), UNET_E_CANCELLED);
            close_run(&r);
            reopen_run(&r, folder);
        }
        CHECK_OK(go_piped(&r, row[i].threads, row[i].cache), &err);
        compare_files(&whole, &r);
        close_run(&r);
    }
    close_run(&whole);
}
