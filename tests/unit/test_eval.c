/* unet_eval from the outside: scores known by hand, splits, floors, files, what is refused. */
#include <stdlib.h>

#include "base/file.h"
#include "base/text.h"
#include "io/image.h"
#include "level_model.h"
#include "unet/unet.h"

static unet_error err;

/* A path below the folder of this run; a few at a time. */
static const char *at(const char *name)
{
    static char path[16][1024], folder[512];
    static int next;

    if (!folder[0])
        snprintf(folder, sizeof folder, "%s", getenv("UNET_TEST_KEEP") ? getenv("UNET_TEST_KEEP") : un_test_tmp());
    next = (next + 1) % 16;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

static void save_model(const char *name, const char *options, const char *data)
{
    un_model *m = level_model(options, data);

    CHECK_OK(un_model_save(m, at(name), &err), &err);
    un_model_destroy(m);
}

static void save_grey(const char *name, int h, int w, int (*value)(int y, int x))
{
    un_image im;

    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, h, w, 1, &err), &err);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            ((uint8_t *)im.data)[y * w + x] = (uint8_t)value(y, x);
    CHECK_OK(un_image_write_png(NULL, at(name), &im, &err), &err);
    un_image_free(&im);
}

static int bright_left(int y, int x)
{
    (void)y;
    return x < 10 ? 200 : 60;
}

/* The mask knows the left 5 columns, and 255 in the last row. */
static int five_left(int y, int x)
{
    return y == 19 ? 255 : x < 5;
}

static int dark(int y, int x)
{
    (void)y, (void)x;
    return 10;
}

static int nothing(int y, int x)
{
    (void)y, (void)x;
    return 0;
}

static unet_status eval(unet_eval_options *o, unet_eval_result *r, char **text, char **json)
{
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *c;
    unet_status st;

    co.threads = 2;
    CHECK_OK(unet_context_create(&c, &co, &err), &err);
    st = unet_eval(c, o, r, text, json, &err);
    unet_context_destroy(c);
    return st;
}

/* val holds a.png (half right, with ignored pixels) and b.png (nothing in truth and prediction). */
static void small_set(void)
{
    CHECK_OK(un_make_dirs(at("set/images"), &err), &err);
    CHECK_OK(un_make_dirs(at("set/masks"), &err), &err);
    save_grey("set/images/a.png", 20, 40, bright_left);
    save_grey("set/masks/a.png", 20, 40, five_left);
    save_grey("set/images/b.png", 20, 40, dark);
    save_grey("set/masks/b.png", 20, 40, nothing);
    save_grey("set/images/c.png", 20, 40, bright_left);
    save_grey("set/masks/c.png", 20, 40, five_left);
    CHECK_OK(un_file_write(NULL, at("set/val.txt"), "a\nb\n", 4, &err), &err);
    CHECK_OK(un_file_write(NULL, at("set/train.txt"), "c\n", 2, &err), &err);
    save_model("set.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 2, head: softmax",
        "classes: [ground, left], mapping: [{value: 0, class: 0}, {value: 1, class: 1}], ignore: [255]");
}

TEST(scores_by_hand)
{
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unet_eval_result r;
    unsigned char *file;
    size_t size;
    char *text, *json;

    small_set();
    o.model = at("set.safetensors");
    o.data = at("set");
    o.out_dir = at("scores/new");
    CHECK_OK(eval(&o, &r, &text, &json), &err);
    CHECK_INT(r.pictures, 2);
    /* a: tp 5 * 19, fp 5 * 19; b has no foreground and does not count */
    CHECK_NEAR(r.dice_mean, 2.0 / 3, 1e-12);
    CHECK_NEAR(r.iou_pooled, 0.5, 1e-12);
    CHECK_NEAR(r.dice_pooled, 2.0 / 3, 1e-12);
    CHECK_NEAR(r.accuracy, 1 - 95.0 / (19 * 40 + 800), 1e-12);
    CHECK_NEAR(r.floor_dice_mean, 2.0 / 3, 1e-12); /* Otsu cuts a where the model does, and finds nothing in b */
    CHECK(strstr(text, "Split 'val': 2 of 3 labelled pictures\n") && strstr(text, "Otsu's threshold") &&
          strstr(text, "0.6667"));
    for (const char *line = text; strncmp(line, "pixel accuracy", 14); line = strchr(line, '\n') + 1)
        CHECK(strcspn(line, "\n") <= 100); /* tables fit a terminal */
    CHECK(strstr(text, "40 are ignored") && strstr(text, "mask values 255"));
    CHECK(strstr(json, "\"floor\": {\"name\": \"Otsu's threshold\"") && strstr(json, "\"ignored\": 40"));
    CHECK(strstr(json, "\"confusion\": [\n  [1370, 95],\n  [0, 95]\n]"));
    unet_string_free(text);
    unet_string_free(json);
    CHECK_OK(un_file_read(&file, &size, NULL, at("scores/new/scores.csv"), 1 << 20, &err), &err);
    CHECK(strstr((char *)file, "\nimage,a,760,40,") && strstr((char *)file, "\nimage,b,800,0,1,"));
    un_free(file);
    CHECK_OK(un_file_read(&file, &size, NULL, at("scores/new/report.html"), 1 << 24, &err), &err);
    CHECK(strstr((char *)file, "best: a") && strstr((char *)file, "set.safetensors"));
    un_free(file);
    CHECK(un_path_exists(at("scores/new/scores.json")));
}

/* The first line of a chart of the page. */
static void check_plot(const char *page, const char *title, const char *expected)
{
    const char *chart, *path;
    char words[80];

    snprintf(words, sizeof words, "<title>%s</title>", title);
    chart = strstr(page, words);
    CHECK(chart);
    path = strstr(chart, " d=\"");
    CHECK(path);
    snprintf(words, sizeof words, "%.*s", (int)strcspn(path + 4, "\""), path + 4);
    CHECK_STR(words, expected);
}

/* Two probabilities: 1 of the bright pixels, of which 95 of 190 are of the class, 0 of the other 1370. From 0,0 to 1,1
 * charts go from 62,276 to 404,48; an x that is 1 alone stands in the middle. */
static void check_plots(const char *page)
{
    check_plot(page, "ROC", "M84.2 48.0L404.0 48.0");                     /* 95 / 1465, 1; 1, 1 */
    check_plot(page, "Precision and recall", "M233.0 162.0L233.0 262.1"); /* 1, 0.5; 1, 95 / 1560 */
    check_plot(page, "Calibration", "M62.0 276.0L404.0 162.0");           /* 0, 0; 1, 0.5 */
}

TEST(further_metrics)
{
    static const char *const set[] = {"eval.metrics=hd95,object_f1,kappa,curves", "eval.resamples=50"};
    static const char *const mm[] = {"eval.metrics=surface", "eval.unit=mm"}, *const wrong[] = {"eval.metrics=hd59"};
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unsigned char *file;
    size_t size;
    char *text, *json;

    small_set();
    o.model = at("set.safetensors");
    o.data = at("set");
    o.out_dir = at("scores/metrics");
    o.set = set;
    o.set_count = 2;
    CHECK_OK(eval(&o, NULL, &text, &json), &err);
    /* a: columns 0..4 against 0..9 of 19 rows; the prediction's outer edge is 5 away */
    CHECK(strstr(text, "hd95 (px)") && strstr(text, "object_f1"));
    CHECK(strstr(json, "\"metric\": \"hd95\", \"image_mean\": 5") && strstr(json, "\"unit\": \"px\""));
    CHECK(strstr(json, "\"kappa\": 0.6") && strstr(json, "\"metric\": \"ece\", \"image_mean\": null"));
    /* a: 95 of 190 bright pixels are of the class, none of the dark ones; b has no pixel of it */
    CHECK(strstr(json, "\"class\": \"left\", \"metric\": \"average_precision\", \"image_mean\": 0.5,"));
    CHECK(strstr(json, "\"left_auc\": 0.9") && strstr(json, "\"left_auc\": null"));
    unet_string_free(text);
    unet_string_free(json);
    CHECK_OK(un_file_read(&file, &size, NULL, at("scores/metrics/scores.csv"), 1 << 20, &err), &err);
    CHECK(strstr((char *)file, ",left_kappa,left_hd95,left_object_f1,"));
    un_free(file);
    CHECK_OK(un_file_read(&file, &size, NULL, at("scores/metrics/report.html"), 1 << 24, &err), &err);
    CHECK(strstr((char *)file, "hd95 (px)") && strstr((char *)file, "bootstrap"));
    check_plots((char *)file);
    un_free(file);
    o.set = mm;
    CHECK_STATUS(eval(&o, NULL, NULL, NULL), UNET_E_DATA);
    CHECK(strstr(err.message, "eval.unit=px"));
    o.set = wrong;
    o.set_count = 1;
    CHECK_STATUS(eval(&o, NULL, NULL, NULL), UNET_E_ARG);
    CHECK(strstr(err.message, "Did you mean 'hd95'?"));
}

/* A metric's pooled value as it is printed. */
static void pooled_of(char out[16], const char *json, const char *class, const char *metric)
{
    const char *at, *pooled;
    char row[80];

    snprintf(row, sizeof row, "\"class\": \"%s\", \"metric\": \"%s\"", class, metric);
    at = strstr(json, row);
    pooled = at ? strstr(at, "\"pooled\": ") : NULL;
    CHECK(pooled);
    snprintf(out, 16, "%.15s", pooled + 10);
}

static void ece_of(char out[16], const char *json, const char *class)
{
    pooled_of(out, json, class, "ece");
}

TEST(calibration_is_fitted_stored_and_used)
{
    static const char *const set[] = {"eval.metrics=ece", "eval.resamples=0"};
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unet_eval_result before, after;
    un_model *m;
    char *text, *json;
    char ece[2][16];

    small_set();
    save_model("sigmoid.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 2, head: sigmoid",
        "classes: [ground, left], mapping: [{value: 0, class: 0}, {value: 1, class: 1}], ignore: [255]");
    o.model = at("sigmoid.safetensors");
    o.data = at("set");
    o.set = set;
    o.set_count = 2;
    CHECK_OK(eval(&o, &before, NULL, &json), &err);
    ece_of(ece[0], json, "left");
    unet_string_free(json);
    o.calibrate = at("calibrated.safetensors");
    CHECK_OK(eval(&o, NULL, &text, NULL), &err);
    CHECK(strstr(text, "fitted on the split 'val': temperature "));
    unet_string_free(text);
    CHECK_OK(un_model_load(&m, NULL, at("calibrated.safetensors"), &err), &err);
    CHECK_STR(m->config.predict.calibrated, "val");
    CHECK(m->config.predict.temperature.n == 1 &&
          m->config.predict.temperature.v[0] > 1); /* half of what it was sure of is wrong */
    CHECK(m->config.predict.threshold.n == 1 && m->config.predict.threshold.v[0] != 0.5);
    CHECK(m->config.eval.resamples != 0); /* keys of the evaluation are not stored */
    un_model_destroy(m);
    o.model = at("calibrated.safetensors");
    o.calibrate = NULL;
    CHECK_OK(eval(&o, &after, NULL, &json), &err);
    ece_of(ece[1], json, "left");
    CHECK(strcmp(ece[0], ece[1])); /* the probabilities are other ones */
    CHECK(after.dice_pooled >= before.dice_pooled);
    unet_string_free(json);
    o.calibrate = at("no.safetensors");
    o.split = "test";
    CHECK(eval(&o, NULL, NULL, NULL) != UNET_OK);
    CHECK(!un_path_exists(at("no.safetensors")));
}

static int level(int y, int x)
{
    (void)y;
    return x < 10 ? 75 : x < 20 ? 160 : 40;
}

/* Of three labels: the first is there in half of where the network is a little sure of it, and where it is very sure;
 * the second where it is sure; the third is nowhere. */
static void save_labels(const char *name)
{
    un_image im;

    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, 20, 40, 3, &err), &err);
    for (int i = 0; i < 20 * 40; i++) {
        ((uint8_t *)im.data)[3 * i] = (i % 40 < 10 && i % 2) || (i % 40 >= 10 && i % 40 < 20) ? 255 : 0;
        ((uint8_t *)im.data)[3 * i + 1] = i % 40 >= 10 && i % 40 < 20 ? 255 : 0;
    }
    CHECK_OK(un_image_write_png(NULL, at(name), &im, &err), &err);
    un_image_free(&im);
}

/* Each independent label has a temperature and a threshold of its own. */
TEST(calibration_of_labels)
{
    static const char *const set[] = {"eval.metrics=ece", "eval.resamples=0"};
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    const un_cfg_predict *p;
    un_model *m;
    char *text, *json;
    char ece[2][16];

    CHECK_OK(un_make_dirs(at("labels/images"), &err), &err);
    CHECK_OK(un_make_dirs(at("labels/masks"), &err), &err);
    save_grey("labels/images/a.png", 20, 40, level);
    save_grey("labels/images/b.png", 20, 40, level);
    save_labels("labels/masks/a.png");
    save_labels("labels/masks/b.png");
    CHECK_OK(un_file_write(NULL, at("labels/val.txt"), "a\n", 2, &err), &err);
    CHECK_OK(un_file_write(NULL, at("labels/train.txt"), "b\n", 2, &err), &err);
    save_model("labels.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 3, head: multilabel",
        "mask_kind: multilabel, classes: [half, all, none]");
    o.model = at("labels.safetensors");
    o.data = at("labels");
    o.set = set;
    o.set_count = 2;
    CHECK_OK(eval(&o, NULL, NULL, &json), &err);
    ece_of(ece[0], json, "half");
    unet_string_free(json);
    o.calibrate = at("labels_calibrated.safetensors");
    CHECK_OK(eval(&o, NULL, &text, NULL), &err);
    un_test_note("%s", strstr(text, "fitted"));
    unet_string_free(text);
    CHECK_OK(un_model_load(&m, NULL, at("labels_calibrated.safetensors"), &err), &err);
    p = &m->config.predict;
    CHECK(p->temperature.n == 3 && p->threshold.n == 3);
    CHECK(p->temperature.v[0] > 1.5 && p->temperature.v[1] < 1 && p->temperature.v[2] < 1);
    un_model_destroy(m);
    o.model = at("labels_calibrated.safetensors");
    o.calibrate = NULL;
    CHECK_OK(eval(&o, NULL, NULL, &json), &err);
    ece_of(ece[1], json, "half");
    un_test_note("ece of the first label %s -> %s", ece[0], ece[1]);
    CHECK(strcmp(ece[1], ece[0]) < 0); /* texts of numbers below 1 */
    unet_string_free(json);
}

static int slope(int y, int x)
{
    (void)y;
    return x;
}

/* The border lies beyond the middle, and not in one column. */
static int ragged(int y, int x)
{
    return x + (x * 37 + y * 11) % 17 - 8 >= 133;
}

static void slope_set(void)
{
    CHECK_OK(un_make_dirs(at("slope/images"), &err), &err);
    CHECK_OK(un_make_dirs(at("slope/masks"), &err), &err);
    save_grey("slope/images/a.png", 20, 256, slope);
    save_grey("slope/masks/a.png", 20, 256, ragged);
    save_grey("slope/images/b.png", 20, 256, slope);
    save_grey("slope/masks/b.png", 20, 256, ragged);
    CHECK_OK(un_file_write(NULL, at("slope/val.txt"), "a\n", 2, &err), &err);
    CHECK_OK(un_file_write(NULL, at("slope/train.txt"), "b\n", 2, &err), &err);
}

/* Pooled Dice of the class `high` before and after, what was fitted (in words too), and best threshold and Dice. */
typedef struct fitted {
    double before, after, dice, temperature, threshold;
    int thresholds;
    char words[80], at[16];
} fitted;

static fitted fit(const char *model, const char *data)
{
    static const char *const set[] = {"eval.metrics=best_threshold,best_dice", "eval.resamples=0"};
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unet_eval_result r;
    fitted f = {0};
    const un_cfg_predict *p;
    un_model *m;
    char *text, *json, dice[16];

    o.model = at(model);
    o.data = at(data);
    o.set = set;
    o.set_count = 2;
    o.calibrate = at("fitted.safetensors");
    CHECK_OK(eval(&o, &r, &text, &json), &err);
    f.before = r.dice_pooled;
    CHECK(strstr(text, "fitted on the split 'val': temperature "));
    snprintf(f.words, sizeof f.words, "%.*s", (int)strcspn(strstr(text, "fitted"), "\n"), strstr(text, "fitted"));
    un_test_note("%s", f.words);
    pooled_of(f.at, json, "high", "best_threshold");
    pooled_of(dice, json, "high", "best_dice");
    dice[strcspn(dice, ",}")] = 0;
    CHECK(un_parse_double(dice, &f.dice));
    unet_string_free(text);
    unet_string_free(json);
    CHECK_OK(un_model_load(&m, NULL, at("fitted.safetensors"), &err), &err);
    p = &m->config.predict;
    CHECK_INT(p->temperature.n, 1);
    f.temperature = p->temperature.v[0];
    f.thresholds = p->threshold.n;
    f.threshold = p->threshold.v[0];
    un_model_destroy(m);
    o.model = at("fitted.safetensors");
    o.calibrate = NULL;
    CHECK_OK(eval(&o, &r, NULL, NULL), &err);
    f.after = r.dice_pooled;
    return f;
}

#define HIGH "classes: [low, high], mapping: [{value: 0, class: 0}, {value: 1, class: 1}]"

/* The network's two logits differ by what the other's only one is: the same probability of class 1. */
TEST(calibration_of_two_classes)
{
    fitted two, one;

    slope_set();
    save_model("two.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 2, head: softmax", HIGH);
    save_model("one.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 2, head: sigmoid", HIGH);
    two = fit("two.safetensors", "slope");
    one = fit("one.safetensors", "slope");
    CHECK(two.thresholds == 1 && two.threshold > 0.5 && two.temperature > 0.1);
    CHECK(strstr(two.words, ", threshold 0."));
    CHECK_NEAR(two.after, two.dice, 1e-12);
    un_test_note("Dice %.4f, then %.4f", two.before, two.after);
    CHECK(two.after > two.before + 0.005);
    CHECK_STR(two.at, one.at);
    CHECK(two.dice == one.dice);
    CHECK_NEAR(two.threshold, one.threshold, 1e-4); /* 1 - p is rounded, the other class not */
    CHECK_NEAR(two.temperature, one.temperature, 1e-3);
    CHECK(two.before == one.before && two.after == one.after);
}

/* Both classes as likely everywhere: the best threshold takes all of it, the likelier class would be class 0. */
TEST(calibration_of_a_tie)
{
    un_model *m = level_model("dims: 2, depth: 1, in_channels: 1, classes: 2, head: softmax", HIGH);
    fitted f;

    slope_set();
    memset(m->weights, 0, (size_t)m->graph->block_count * sizeof *m->weights);
    CHECK_OK(un_model_save(m, at("tie.safetensors"), &err), &err);
    un_model_destroy(m);
    f = fit("tie.safetensors", "slope");
    CHECK(f.threshold < 0.5 && f.threshold > 0.4999 && f.before == 0);
    CHECK_NEAR(f.after, f.dice, 1e-12);
}

/* More than two classes have one temperature, and no threshold. */
TEST(calibration_of_classes)
{
    fitted f;

    slope_set();
    save_model("three.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 3, head: softmax",
        "classes: [low, high, none], mapping: [{value: 0, class: 0}, {value: 1, class: 1}, {value: 2, class: 2}]");
    f = fit("three.safetensors", "slope");
    CHECK(f.thresholds == 1 && f.threshold == 0.5 && f.temperature > 1 && f.after == f.before);
    CHECK(!strstr(f.words, "threshold"));
}

static int two_stripes(int y, int x)
{
    (void)y;
    return x < 10 && x != 5 ? 200 : 10;
}

/* Two objects that touch, the first in two pieces. */
static int two_numbers(int y, int x)
{
    return y == 19 ? 255 : x < 5 ? 3 : x < 10 ? 9 : x == 30 && y < 2 ? 3 : 0;
}

TEST(objects_by_number)
{
    static const char *const set[] = {"eval.metrics=objects", "eval.resamples=0"};
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    char *text, *json;

    CHECK_OK(un_make_dirs(at("numbers/images"), &err), &err);
    CHECK_OK(un_make_dirs(at("numbers/masks"), &err), &err);
    for (const char *name = "ab"; *name; name++) {
        char path[2][40];

        snprintf(path[0], sizeof path[0], "numbers/images/%c.png", *name);
        snprintf(path[1], sizeof path[1], "numbers/masks/%c.png", *name);
        save_grey(path[0], 20, 40, two_stripes);
        save_grey(path[1], 20, 40, two_numbers);
    }
    CHECK_OK(un_file_write(NULL, at("numbers/val.txt"), "a\n", 2, &err), &err);
    CHECK_OK(un_file_write(NULL, at("numbers/train.txt"), "b\n", 2, &err), &err);
    save_model("numbers.safetensors", "dims: 2, depth: 1, in_channels: 1, classes: 2, head: softmax",
        "mask_kind: instance, classes: [ground, cell], ignore: [255]");
    o.model = at("numbers.safetensors");
    o.data = at("numbers");
    o.set = set;
    o.set_count = 2;
    CHECK_OK(eval(&o, NULL, &text, &json), &err);
    CHECK(strstr(json, "\"class\": \"cell\", \"metric\": \"objects_true\", \"image_mean\": 2,"));
    CHECK(strstr(json, "\"class\": \"cell\", \"metric\": \"objects_predicted\", \"image_mean\": 2,"));
    CHECK(strstr(json, "\"class\": \"cell\", \"metric\": \"object_f1\", \"image_mean\": 1,"));
    CHECK(strstr(json, "\"class\": \"cell\", \"metric\": \"pq\", \"image_mean\": 0.88"));
    CHECK(strstr(text, "told apart by the numbers of the masks"));
    unet_string_free(text);
    unet_string_free(json);
}

static void see_first(void *ctx, const unet_progress *p)
{
    *(int *)ctx |= !strcmp(p->phase, "eval") && p->done == 1;
}

static int has_seen(void *ctx)
{
    return *(int *)ctx;
}

/* Stopped on request: nothing of it is written. */
TEST(stopped)
{
    unet_context_options co = UNET_CONTEXT_OPTIONS_INIT;
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    int seen = 0;
    unet_context *c;

    small_set();
    o.model = at("set.safetensors");
    o.data = at("set");
    o.out_dir = at("scores/stopped");
    o.progress = see_first;
    o.progress_ctx = co.cancel_ctx = &seen;
    co.cancel = has_seen;
    CHECK_OK(unet_context_create(&c, &co, &err), &err);
    CHECK_STATUS(unet_eval(c, &o, NULL, NULL, NULL, &err), UNET_E_CANCELLED);
    unet_context_destroy(c);
    CHECK_INT(un_test_count(at("scores/stopped")), 0);
}

TEST(splits)
{
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unet_eval_result r;

    small_set();
    o.model = at("set.safetensors");
    o.data = at("set");
    o.split = "train";
    CHECK_OK(eval(&o, &r, NULL, NULL), &err);
    CHECK_INT(r.pictures, 1);
    o.split = "all";
    o.no_floor = 1;
    CHECK_OK(eval(&o, &r, NULL, NULL), &err);
    CHECK_INT(r.pictures, 3);
    CHECK(isnan(r.floor_dice_mean));
    o.split = "test";
    CHECK_STATUS(eval(&o, &r, NULL, NULL), UNET_E_DATA);
    CHECK(strstr(err.message,
        "no picture of the split 'test'; there are 1 to train, 0 to select, 2 val, 0 test; choose another "
        "split"));
    o.split = "tset";
    CHECK_STATUS(eval(&o, &r, NULL, NULL), UNET_E_ARG);
    CHECK(strstr(err.message, "Did you mean 'test'"));
}

/* The floor on the bundled pictures is the one that docs/metrics.md states. */
LONG_TEST(nuclei)
{
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unet_eval_result r;
    char *text;

    save_model("nuclei.safetensors", "dims: 2, depth: 2, in_channels: 1, classes: 2, head: sigmoid",
        "classes: [ground, nucleus], mask_kind: instance");
    o.model = at("nuclei.safetensors");
    o.data = un_test_source("examples/nuclei");
    o.split = "test";
    o.out_dir = at("nuclei");
    CHECK_OK(eval(&o, &r, &text, NULL), &err);
    CHECK_INT(r.pictures, 29);
    CHECK_NEAR(r.floor_dice_mean, 0.862, 0.0005);
    CHECK_NEAR(r.floor_iou_pooled, 0.773, 0.0005);
    unet_string_free(text);
}
