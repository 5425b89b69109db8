/* unet_plan and unet_train from outside: files in, files out. */
#include "small_data.h"

#include "api/context.h"
#include "base/fnv1a.h"
#include "model/file.h"
#include "train/trained_on.h"
#include "unet/unet.h"

#define SMALL                                                                                                          \
    "model.base_filters=4", "model.depth=2", "train.patch=[32, 32]", "train.batch=2", "train.steps=8",                 \
        "train.val_interval=4", "train.select_share=0.3", "train.checkpoint=0"

static unet_error err;
static char data[300], model[400];

/* What a call needs, and a way to stop it after some steps. */
typedef struct work {
    unet_context *c;
    unet_config *cfg;
    unet_train_options o;
    int64_t stop_at, step;
    int64_t stop_within; /* the selection or showing behind this step */
    int asked;           /* before it */
    int classes;         /* that the last report had figures of */
    char log[2000];
} work;

static void on_progress(void *ctx, const unet_progress *p)
{
    work *w = ctx;

    if (strcmp(p->phase, "train"))
        return;
    w->step = p->done;
    w->classes = p->classes;
    for (int k = 0; k < p->classes; k++)
        CHECK(p->class_name[k][0] && p->class_dice[k] >= p->class_iou[k]);
}

static int cancel(void *ctx)
{
    work *w = ctx;

    w->asked = w->step == w->stop_within - 1 ? w->asked + 1 : 0; /* once after the step, then between windows */
    return (w->stop_at && w->step >= w->stop_at) || w->asked > 1;
}

static void on_log(void *ctx, unet_log_level level, const char *text)
{
    work *w = ctx;
    const size_t n = strlen(w->log);

    snprintf(w->log + n, sizeof w->log - n, "%s%s\n", level == UNET_LOG_WARN ? "warning: " : "", text);
}

static void open_work(work *w, int threads, const char *const *words)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;

    memset(w, 0, sizeof *w);
    o.threads = threads;
    o.cancel = cancel;
    o.cancel_ctx = w;
    o.log = on_log;
    o.log_ctx = w;
    CHECK_OK(unet_context_create(&w->c, &o, &err), &err);
    CHECK_OK(unet_config_create(&w->cfg, w->c, &err), &err);
    for (; *words; words++)
        CHECK_OK(unet_config_set(w->cfg, *words, &err), &err);
    w->o = (unet_train_options)UNET_TRAIN_OPTIONS_INIT;
    w->o.data = data;
    w->o.model = model;
    w->o.config = w->cfg;
    w->o.progress = on_progress;
    w->o.progress_ctx = w;
}
#define OPEN(w, threads, ...) open_work(w, threads, (const char *const[]){__VA_ARGS__, NULL})

static void close_work(work *w)
{
    unet_config_destroy(w->cfg);
    unet_context_destroy(w->c);
}

static void make_data(void)
{
    snprintf(data, sizeof data, "%s/data", un_test_tmp());
    small_data_make(data, 11, 40, 2);
    snprintf(model, sizeof model, "%s/m.safetensors", un_test_tmp());
}

static void name_model(const char *name)
{
    snprintf(model, sizeof model, "%s/%s.safetensors", un_test_tmp(), name);
}

static int file_there(const char *name)
{
    char path[600];

    snprintf(path, sizeof path, "%s.run/%s", model, name);
    return un_path_exists(path);
}

static int run_says(const char *file, const char *words)
{
    char path[600];
    unsigned char *page;
    size_t n;
    int found;

    snprintf(path, sizeof path, "%s.run/%s", model, file);
    CHECK_OK(un_file_read(&page, &n, NULL, path, 1 << 26, &err), &err);
    found = strstr((char *)page, words) != NULL;
    un_free(page);
    return found;
}

static void put_preview(const char *name)
{
    char path[600];

    snprintf(path, sizeof path, "%s.run/previews/%s", model, name);
    CHECK_OK(un_file_write(NULL, path, "old", 4, &err), &err);
}

static void same_files(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t n, m;

    CHECK_OK(un_file_read(&x, &n, NULL, a, 1 << 26, &err), &err);
    CHECK_OK(un_file_read(&y, &m, NULL, b, 1 << 26, &err), &err);
    CHECK_INT(n, m);
    CHECK(!memcmp(x, y, n));
    un_free(x);
    un_free(y);
}

static void same_weights(const char *a, const char *b)
{
    un_model *x, *y;

    CHECK_OK(un_model_load(&x, NULL, a, &err), &err);
    CHECK_OK(un_model_load(&y, NULL, b, &err), &err);
    CHECK_INT(x->graph->block_count, y->graph->block_count);
    CHECK(!memcmp(x->weights, y->weights, (size_t)x->graph->block_count * sizeof *x->weights));
    un_model_destroy(x);
    un_model_destroy(y);
}

TEST(plan_is_complete)
{
    work w;
    char *text, *again;
    unet_plan_options o = UNET_PLAN_OPTIONS_INIT;

    make_data();
    OPEN(&w, 1, "train.time=20");
    o.data = data;
    o.config = w.cfg;
    CHECK_OK(unet_plan(w.c, &o, &text, &err), &err);
    CHECK(strstr(text, "  # ") && strstr(text, "# memory: ") && !strstr(text, "steps: auto"));
    CHECK(strstr(text, "classes: 2") && strstr(text, "in_channels: 1"));
    CHECK_OK(unet_config_write(&again, w.cfg, 0, 0, &err), &err);
    CHECK(strstr(again, "batch: ") && !strstr(again, "patch: auto"));
    unet_string_free(text);
    unet_string_free(again);
    close_work(&w);
}

static unet_status plan_with(const char *mem, un_cfg_train *out)
{
    unet_plan_options o = UNET_PLAN_OPTIONS_INIT;
    char *text = NULL;
    unet_status st;
    work w;

    OPEN(&w, 1, "train.steps=3", "train.batch=2", "model.base_filters=4", "model.depth=2", mem);
    o.data = data;
    o.config = w.cfg;
    st = unet_plan(w.c, &o, &text, &err);
    *out = w.cfg->cfg.train;
    unet_string_free(text);
    close_work(&w);
    return st;
}

static int least_named(void)
{
    int mib = 0;

    CHECK(sscanf(err.message, "%*d MiB are not enough: the smallest plan needs %d MiB", &mib) == 1);
    return mib;
}

/* With the memory of real networks: the refusal names what is enough, a MiB less is not, and more memory gives no
 * smaller patch. */
LONG_TEST(least_memory)
{
    un_cfg_train t;
    char mem[32];
    double before = 0;
    int least;

    if (UN_TEST_SANITIZED)
        un_test_skip("many plans, whose memory no sanitizer changes: in the other builds");
    snprintf(data, sizeof data, "%s/wide", un_test_tmp());
    small_data_make(data, 11, 420, 2);
    CHECK_STATUS(plan_with("train.mem=2M", &t), UNET_E_LIMIT);
    least = least_named();
    snprintf(mem, sizeof mem, "train.mem=%dM", least - 1);
    CHECK_STATUS(plan_with(mem, &t), UNET_E_LIMIT);
    CHECK_INT(least_named(), least);
    for (int mib = least; mib < 5 * least; mib += 1 + (mib - least) / (un_test_level() == UN_CPU_REF ? 1 : 3)) {
        snprintf(mem, sizeof mem, "train.mem=%dM", mib);
        CHECK_OK(plan_with(mem, &t), &err);
        CHECK((double)t.patch[1] * t.patch[2] >= before);
        before = (double)t.patch[1] * t.patch[2];
        un_test_note(
            "%d MiB: %dx%d, %d at once, cache %d", mib, t.patch[1], t.patch[2], (int)t.ghost_batch, (int)t.cache);
    }
    CHECK(before >= 192 * 192);
}

/* The least memory trains, and what is settled gives the same weights with any memory. */
TEST(same_weights_with_any_memory)
{
    static const char *const mems[] = {"train.mem=4G", "train.mem=1M"};
    char paths[2][400], mem[32];

    make_data();
    for (int i = 0; i < 2; i++) {
        work w;
        unet_train_result r;

        name_model(i ? "tight" : "ample");
        snprintf(paths[i], sizeof paths[i], "%s", model);
        OPEN(&w, 1 + i, SMALL, "train.ghost_batch=2", mems[i]);
        if (i) {
            CHECK_STATUS(unet_train(w.c, &w.o, &r, NULL, &err), UNET_E_LIMIT);
            snprintf(mem, sizeof mem, "train.mem=%dM", least_named());
            CHECK_OK(unet_config_set(w.cfg, mem, &err), &err);
        }
        CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
        close_work(&w);
    }
    same_weights(paths[0], paths[1]);
}

/* Which windows large pictures of the selection are cut into may choose another checkpoint: it is settled with the
 * rest, and stays when the configuration is used with other memory. */
TEST(windows_of_the_selection_are_settled)
{
    static const char *const mems[] = {"train.mem=6G", "train.mem=400M"};
    char paths[2][400];

    make_data();
    for (int i = 0; i < 2; i++) {
        work w;
        unet_train_result r;

        name_model(i ? "less" : "more");
        snprintf(paths[i], sizeof paths[i], "%s", model);
        OPEN(&w, 1, SMALL, mems[i]);
        if (i)
            CHECK_OK(unet_config_set(w.cfg, "train.select_mem=1G", &err), &err);
        CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
        CHECK(run_says("config.yaml", "select_mem: 1073741824"));
        close_work(&w);
    }
    same_weights(paths[0], paths[1]);
}

TEST(trains_and_leaves_a_run_folder)
{
    work w;
    char *text;
    unet_model *m;
    unet_train_result r;
    double largest;
    int pairs;

    make_data();
    OPEN(&w, 2, SMALL);
    CHECK_OK(unet_train(w.c, &w.o, &r, &text, &err), &err);
    CHECK(strstr(w.log, "network: 2 levels down, 4 filters on the first; 2 patches of 32x32 a step, 8 steps"));
    CHECK_INT(r.steps, 8);
    CHECK(strstr(text, "8 steps") && strstr(text, "report.html") && r.dice >= 0);
    unet_string_free(text);
    CHECK(file_there("report.html") && file_there("loss.svg") && file_there("scores.svg") && file_there("config.yaml"));
    CHECK(run_says("report.html",
        "Means are over class 1 (foreground). Ignored are mask values that mean no class, and what has no data"));
    CHECK(run_says("report.html", "what was trained on") &&
          run_says("report.html", "an epoch draws ")); /* shares of the classes; of the pictures */
    CHECK(file_there("previews/01_truth.png") && file_there("previews/01_step0000008.png") && file_there("paths"));
    CHECK_OK(unet_model_load(&m, w.c, model, &err), &err);
    CHECK_OK(unet_model_selftest(m, &largest, &pairs, &err), &err);
    CHECK(largest < 1e-4 && pairs >= 3);
    unet_model_destroy(m);
    CHECK_STATUS(unet_train(w.c, &w.o, &r, NULL, &err), UNET_E_ARG);
    CHECK(strstr(err.message, "exists already"));
    put_preview("01_truth.png");
    put_preview("01_step0000077.png");
    put_preview("mine.png");
    w.o.overwrite = 1;
    CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
    CHECK(!file_there("previews/01_step0000077.png") && file_there("previews/mine.png"));
    CHECK(run_says("previews/mine.png", "old") && !run_says("previews/01_truth.png", "old")); /* painted anew */
    close_work(&w);
}

/* Of too few pictures to keep any for selection some that are trained on are shown, as seldom as it takes 20 times
 * their pixels in patches: two of 40x40 in steps of two 32x32 every 32 steps. To no effect on the weights, averaged
 * with statistics of their own, also when stopped in the midst of it; nor on the least memory. */
LONG_TEST(training_pictures_are_shown)
{
    static const char *const setting[] = {"train.previews=0", "train.previews=6", "train.mem=1M"};
    char plain[400], mem[32];

    snprintf(data, sizeof data, "%s/few", un_test_tmp());
    small_data_make(data, 7, 40, 2);
    for (int i = 0; i < 3; i++) {
        work w;
        unet_train_result r;

        name_model(i == 0 ? "plain" : i == 1 ? "shown" : "no_room");
        OPEN(&w, 1, SMALL, "train.steps=40", "train.ghost_batch=2", "model.norm=batch", "optimiser.average=swa",
            "optimiser.swa_start=0.3", setting[i]);
        if (i == 1) {
            w.stop_within = 32;
            CHECK_STATUS(unet_train(w.c, &w.o, &r, NULL, &err), UNET_E_CANCELLED);
            CHECK(strstr(err.message, "after step 32") && !file_there("previews/01_step0000032.png"));
            w.stop_within = 0;
            w.o.resume = 1;
        } else if (i == 2) {
            CHECK_STATUS(unet_train(w.c, &w.o, &r, NULL, &err), UNET_E_LIMIT);
            snprintf(mem, sizeof mem, "train.mem=%dM", least_named());
            CHECK_OK(unet_config_set(w.cfg, mem, &err), &err);
        }
        CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
        close_work(&w);
        if (i)
            same_weights(plain, model);
        else {
            snprintf(plain, sizeof plain, "%s", model);
            CHECK(!file_there("previews"));
        }
        if (i != 1)
            continue;
        CHECK(file_there("previews/01_step0000032.png") && file_there("previews/02_step0000040.png"));
        CHECK(!file_there("previews/01_step0000004.png") && !file_there("previews/03_truth.png"));
        CHECK(run_says("report.html", "These are pictures it trains on") &&
              run_says("report.html", "picture 1 (trained on), step 32") &&
              run_says("report.html", "picture 2 (trained on), step 40") && !run_says("report.html", "best score"));
    }
}

TEST(short_runs_show_nothing)
{
    work w;
    unet_train_result r;

    snprintf(data, sizeof data, "%s/few", un_test_tmp());
    small_data_make(data, 7, 40, 2);
    name_model("short");
    OPEN(&w, 1, SMALL);
    CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
    CHECK(!file_there("previews") && !run_says("report.html", "Previews"));
    close_work(&w);
}

TEST(dry_run_writes_nothing)
{
    work w;
    char *text;

    make_data();
    name_model("dry");
    OPEN(&w, 1, SMALL);
    w.o.dry_run = 1;
    CHECK_OK(unet_train(w.c, &w.o, NULL, &text, &err), &err);
    CHECK(strstr(text, "# memory: ") && strstr(text, "# time: ") && strstr(text, "# disk: "));
    CHECK(!un_path_exists(model) && !file_there("config.yaml"));
    unet_string_free(text);
    close_work(&w);
}

/* Stopped, gone on with and extended elsewhere: the model of a run that was never stopped. */
TEST(stopped_and_gone_on_with)
{
    work w;
    unet_train_result r;
    char whole[400], run_dir[500];

    make_data();
    name_model("whole");
    snprintf(whole, sizeof whole, "%s", model);
    OPEN(&w, 1, SMALL);
    CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
    close_work(&w);
    name_model("parts");
    OPEN(&w, 2, SMALL);
    w.stop_at = 3;
    CHECK_STATUS(unet_train(w.c, &w.o, &r, NULL, &err), UNET_E_CANCELLED);
    CHECK(strstr(err.message, "--resume") && !un_path_exists(model));
    w.stop_at = 0;
    w.o.resume = 1;
    CHECK_OK(unet_config_set(w.cfg, "optimiser.lr=0.5", &err), &err);
    CHECK_STATUS(unet_train(w.c, &w.o, &r, NULL, &err), UNET_E_CONFIG);
    CHECK_OK(unet_config_set(w.cfg, "optimiser.lr=auto", &err), &err);
    CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
    CHECK_INT(r.steps, 8);
    same_files(whole, model);
    snprintf(run_dir, sizeof run_dir, "%s.run", model);
    w.o = (unet_train_options)UNET_TRAIN_OPTIONS_INIT;
    w.o.run_dir = run_dir;
    w.o.extend_steps = 2;
    CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
    CHECK_INT(r.steps, 10);
    close_work(&w);
}

static char *read_text(const char *path, size_t *n)
{
    unsigned char *text;

    CHECK_OK(un_file_read(&text, n, NULL, path, 1 << 26, &err), &err);
    return (char *)text;
}

/* The checksum of a file as records hold it. */
static void sum_of(char out[32], const char *path)
{
    size_t n;
    char *text = read_text(path, &n);

    snprintf(out, 32, "fnv1a:%016llx", (unsigned long long)un_fnv1a(UN_FNV1A_START, text, n));
    un_free(text);
}

static char *record_of(unet_context *c, const char *path)
{
    unet_model *m;
    char *record;

    CHECK_OK(unet_model_load(&m, c, path, &err), &err);
    CHECK_OK(unet_model_record(&record, m, &err), &err);
    unet_model_destroy(m);
    return record;
}

/* data.csv holds the checksums of the files, environment.json and the model that of data.csv. */
TEST(data_of_a_run)
{
    work w;
    char path[600], image[32], mask[32], row[128];
    size_t n;
    int found = 0;
    char *table, *record;

    make_data();
    name_model("summed");
    OPEN(&w, 1, SMALL);
    CHECK_OK(unet_train(w.c, &w.o, NULL, NULL, &err), &err);
    snprintf(path, sizeof path, "%s.run/data.csv", model);
    table = read_text(path, &n);
    CHECK(!strncmp(table, "name,role,image,mask\n", 21));
    CHECK(strstr(table, ",select,") && strstr(table, ",train,") && !strstr(table, ",val,"));
    sum_of(image, path);
    snprintf(row, sizeof row, "\"data_checksum\": \"%s\"", image);
    CHECK(run_says("environment.json", row));
    record = record_of(w.c, model);
    snprintf(row, sizeof row, "\"data_checksum\":\"%s\"}", image);
    CHECK(strstr(record, row));
    unet_string_free(record);
    for (int k = 0; k < 11; k++) {
        snprintf(path, sizeof path, "%s/images/p%02d.png", data, k);
        sum_of(image, path);
        snprintf(path, sizeof path, "%s/masks/p%02d.png", data, k);
        sum_of(mask, path);
        snprintf(row, sizeof row, ",%s,%s\n", image, mask);
        found += strstr(table, row) != NULL;
    }
    CHECK_INT(found, 9); /* all but two for validation */
    un_free(table);
    close_work(&w);
}

/* Swaps two pixels of the mask of each picture, or puts them back: what each value counts stays. */
static void swap_pixels(void)
{
    for (int k = 0; k < 11; k++) {
        char path[600];
        un_image mask;
        uint8_t *px, kept;

        snprintf(path, sizeof path, "%s/masks/p%02d.png", data, k);
        CHECK_OK(un_image_read(&mask, NULL, path, NULL, &err), &err);
        px = mask.data;
        kept = px[0];
        px[0] = px[10 * 40 + 10]; /* outside a disc, the middle of one */
        px[10 * 40 + 10] = kept;
        CHECK(px[0] != kept);
        CHECK_OK(un_image_write_png(NULL, path, &mask, &err), &err);
        un_image_free(&mask);
    }
}

TEST(changed_masks_are_noticed)
{
    work w;

    snprintf(data, sizeof data, "%s/swapped", un_test_tmp());
    small_data_make(data, 11, 40, 2);
    name_model("swapped");
    OPEN(&w, 1, SMALL);
    w.stop_at = 3;
    CHECK_STATUS(unet_train(w.c, &w.o, NULL, NULL, &err), UNET_E_CANCELLED);
    w.stop_at = 0;
    w.o.resume = 1;
    swap_pixels();
    CHECK_STATUS(unet_train(w.c, &w.o, NULL, NULL, &err), UNET_E_DATA);
    CHECK(strstr(err.message, "pictures or masks are not those that the run began with"));
    swap_pixels();
    CHECK_OK(unet_train(w.c, &w.o, NULL, NULL, &err), &err);
    close_work(&w);
}

/* The largest record there can be is written and read again. */
static void check_large_record(const char *path)
{
    enum { MANY = 240000 };
    un_item *item = un_alloc_zero(NULL, MANY * sizeof *item);
    const un_dataset d = {.items = item, .count = MANY};
    char *record, large[500];
    un_model *m, *again;
    un_text names;

    CHECK(item);
    for (int i = 0; i < MANY; i++)
        item[i] = (un_item){.name = "picture \"00\"", .role = UN_ROLE_TRAIN};
    CHECK_OK(un_trained_names(&names, NULL, &d, &err), &err);
    record = un_asprintf(NULL, "{\"pictures\":%s}", names.s);
    CHECK_OK(un_model_load(&m, NULL, path, &err), &err);
    CHECK_OK(un_model_set_record(m, record, &err), &err);
    snprintf(large, sizeof large, "%s.large", path);
    CHECK_OK(un_model_save(m, large, &err), &err);
    CHECK_OK(un_model_load(&again, NULL, large, &err), &err);
    CHECK_STR(again->record, record);
    un_model_destroy(again);
    un_model_destroy(m);
    un_free(record);
    un_text_free(&names);
    un_free(item);
}

/* Asked for, the record is the same with names behind it; the model does not ask for them again. */
LONG_TEST(names_in_the_record)
{
    static const char *const asked[] = {"train.record_names=false", "train.record_names=true"};
    char *record[2], *pictures, from[400];
    work w;

    make_data();
    for (int k = 0; k < 2; k++) {
        name_model(k ? "named" : "unnamed");
        OPEN(&w, 1, SMALL, asked[k]);
        CHECK_OK(unet_train(w.c, &w.o, NULL, NULL, &err), &err);
        record[k] = record_of(w.c, model);
        close_work(&w);
    }
    pictures = strstr(record[1], ",\"pictures\":{\"train\":[\"p");
    CHECK(pictures && strstr(pictures, "],\"select\":[\"p") && !strstr(record[0], "\"p0"));
    CHECK(!strncmp(record[0], record[1], (size_t)(pictures - record[1])) && record[0][pictures - record[1]] == '}');
    unet_string_free(record[0]);
    unet_string_free(record[1]);
    check_large_record(model);
    snprintf(from, sizeof from, "%s", model);
    name_model("from_named");
    OPEN(&w, 1, "train.patch=[32, 32]", "train.batch=2", "train.steps=1");
    w.o.from = from;
    CHECK_OK(unet_train(w.c, &w.o, NULL, NULL, &err), &err);
    record[0] = record_of(w.c, model);
    CHECK(!strstr(record[0], "\"p0"));
    unet_string_free(record[0]);
    close_work(&w);
}

/* A run that goes on keeps what it was asked for, and may be asked then. */
TEST(names_when_a_run_goes_on)
{
    work w;

    make_data();
    for (int first = 0; first < 2; first++) {
        char *record;

        name_model(first ? "named_first" : "named_later");
        OPEN(&w, 1, SMALL, first ? "train.record_names=true" : "train.record_names=false");
        w.stop_at = 3;
        CHECK_STATUS(unet_train(w.c, &w.o, NULL, NULL, &err), UNET_E_CANCELLED);
        close_work(&w);
        OPEN(&w, 1, first ? "train.record_names=false" : "train.record_names=true");
        w.o.resume = 1;
        CHECK_OK(unet_train(w.c, &w.o, NULL, NULL, &err), &err);
        record = record_of(w.c, model);
        CHECK(strstr(record, "\"pictures\":{\"train\":[\"p"));
        unet_string_free(record);
        close_work(&w);
    }
}

TEST(names_of_pictures)
{
    enum { MANY = 300000 };
    un_item *item = un_alloc_zero(NULL, MANY * sizeof *item);
    un_dataset d = {.items = item, .count = 4};
    un_text t;

    CHECK(item);
    for (int i = 0; i < MANY; i++)
        item[i] = (un_item){.name = "set/picture_00", .role = UN_ROLE_TRAIN};
    item[0].name = "a \"b\"";
    item[1].name = "\xff\xe4";
    item[1].role = UN_ROLE_SELECT;
    item[2].role = UN_ROLE_VAL;
    CHECK_OK(un_trained_names(&t, NULL, &d, &err), &err);
    CHECK_STR(t.s, "{\"train\":[\"a \\\"b\\\"\",\"set/picture_00\"],\"select\":[\"\\ufffd\\ufffd\"]}");
    un_text_free(&t);
    d.count = MANY;
    CHECK_STATUS(un_trained_names(&t, NULL, &d, &err), UNET_E_LIMIT);
    CHECK_STR(err.where, "train.record_names");
    CHECK_STR(
        err.message, "the names of the pictures take more than 4 MiB, too much for a model file; leave the key out");
    un_text_free(&t);
    un_free(item);
}

TEST(starts_from_a_model_with_other_classes)
{
    work w;
    unet_train_result r;
    char from[400];

    make_data();
    name_model("two");
    snprintf(from, sizeof from, "%s", model);
    OPEN(&w, 1, SMALL);
    CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
    close_work(&w);
    snprintf(data, sizeof data, "%s/three", un_test_tmp());
    small_data_make(data, 11, 40, 3);
    name_model("three");
    OPEN(&w, 1, "train.patch=[32, 32]", "train.batch=2", "train.steps=2");
    w.o.from = from;
    CHECK_OK(unet_train(w.c, &w.o, &r, NULL, &err), &err);
    CHECK(strstr(w.log, "parameters taken over; made anew, since its shape differs: head."));
    CHECK_INT(w.classes, 2);
    close_work(&w);
}

TEST(wrong_uses)
{
    work w;

    make_data();
    OPEN(&w, 1, SMALL);
    w.o.data = NULL;
    CHECK_STATUS(unet_train(w.c, &w.o, NULL, NULL, &err), UNET_E_ARG);
    w.o.data = "/nothing/here";
    CHECK_STATUS(unet_train(w.c, &w.o, NULL, NULL, &err), UNET_E_NOT_FOUND);
    w.o.data = data;
    w.o.from = "/nothing/here";
    CHECK_STATUS(unet_train(w.c, &w.o, NULL, NULL, &err), UNET_E_NOT_FOUND);
    w.o.from = NULL;
    w.o.model = "/proc/nothing/m.safetensors";
    CHECK(unet_train(w.c, &w.o, NULL, NULL, &err) != UNET_OK);
    CHECK(strlen(err.message) > 10);
    w.o.model = NULL;
    w.o.run_dir = un_test_tmp();
    w.o.resume = 1;
    CHECK_STATUS(unet_train(w.c, &w.o, NULL, NULL, &err), UNET_E_NOT_FOUND);
    close_work(&w);
}
