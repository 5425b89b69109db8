/* Profiles from outside: the rows of a training and a prediction add up to what the jobs took, and their JSON reads
 * back. */
#include "small_data.h"

#include <math.h>

#include "io/json.h"
#include "unet/unet.h"

static unet_error err;
static unet_context *context;
static char data[300], model[400];

static void open_all(unet_profile **p)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;

    o.threads = 2;
    CHECK_OK(unet_context_create(&context, &o, &err), &err);
    CHECK_OK(unet_profile_create(p, context, &err), &err);
}

static void close_all(unet_profile *p)
{
    unet_profile_destroy(p);
    unet_context_destroy(context);
}

static const unet_profile_row *find(const unet_profile *p, const char *part, const char *name)
{
    static unet_profile_row r;

    for (size_t i = 0; unet_profile_get(p, i, &r); i++)
        if (!strcmp(r.part, part) && !strcmp(r.name, name))
            return &r;
    un_test_fail(__FILE__, __LINE__, "no row '%s' of '%s'", name, part);
    return &r;
}

/* Rows do not overlap, so that they take no more than all. */
static void check_sum(const unet_profile *p)
{
    unet_profile_row r;
    double sum = 0;

    for (size_t i = 0; unet_profile_get(p, i, &r); i++) {
        CHECK(r.runs > 0 && r.seconds >= 0 && r.flops >= 0 && r.bytes >= 0);
        CHECK(!r.kernel || r.bytes > 0);
        sum += r.seconds;
    }
    CHECK(sum > 0);
    CHECK(sum <= unet_profile_seconds(p) * (1 + 1e-9));
}

static void train(unet_profile *p, const char *filters)
{
    const char *const keys[] = {filters, "model.depth=2", "train.patch=[32, 32]", "train.batch=4",
        "train.ghost_batch=2", "train.steps=6", "train.val_interval=3", "train.select_share=0.3"};
    unet_train_options o = UNET_TRAIN_OPTIONS_INIT;
    unet_train_result result;
    unet_config *cfg;

    snprintf(data, sizeof data, "%s/data", un_test_tmp());
    small_data_make(data, 9, 40, 2);
    snprintf(model, sizeof model, "%s/m.safetensors", un_test_tmp());
    CHECK_OK(unet_config_create(&cfg, context, &err), &err);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        CHECK_OK(unet_config_set(cfg, keys[i], &err), &err);
    o.data = data;
    o.model = model;
    o.config = cfg;
    o.profile = p;
    CHECK_OK(unet_train(context, &o, &result, NULL, &err), &err);
    CHECK(result.samples_per_s > 0);
    CHECK(result.waiting >= 0 && result.waiting <= 1);
    unet_config_destroy(cfg);
}

static void check_json(const unet_profile *p, const char *text, size_t n, int trace)
{
    un_json *j;
    const un_json *rows;
    unet_profile_row r;
    size_t count = 0;

    CHECK_OK(un_json_parse(&j, NULL, text, n, "profile", &err), &err);
    while (unet_profile_get(p, count, &r))
        count++;
    rows = un_json_get(j, "rows");
    CHECK_INT(un_json_count(rows), count);
    CHECK_STR(
        un_json_string(un_json_get(un_json_at(rows, count - 1), "name")), (unet_profile_get(p, count - 1, &r), r.name));
    CHECK_INT(un_json_get(j, "traceEvents") != NULL, trace);
    if (trace) {
        const un_json *e = un_json_at(un_json_get(j, "traceEvents"), 0);

        CHECK_STR(un_json_string(un_json_get(e, "ph")), "X");
        CHECK(un_json_get(e, "ts") && un_json_get(e, "dur") && un_json_get(e, "pid") && un_json_get(e, "tid"));
    }
    un_json_free(j);
}

TEST(of_a_training)
{
    unet_profile *p;
    char *text;

    open_all(&p);
    train(p, "model.base_filters=4");
    check_sum(p);
    CHECK_INT(find(p, "training", "wait for data")->runs, 12);
    CHECK_INT(find(p, "training", "selection")->runs, 2);
    CHECK_INT(find(p, "training", "batch to network")->runs, 12);
    CHECK_INT(find(p, "forward and backward", "enc0.conv0")->runs, 24); /* and again in the backward pass */
    CHECK_INT(find(p, "forward and backward", "enc1.conv0")->runs, 12);
    CHECK(find(p, "forward and backward", "enc0.conv0")->flops > 0);
    CHECK_INT(find(p, "update", "enc0.conv0.weight")->runs, 6);
    CHECK_OK(unet_profile_text(&text, p, 0, &err), &err);
    CHECK(strstr(text, "wait for data") && strstr(text, "everything else") && strstr(text, "GFLOP/s"));
    unet_string_free(text);
    CHECK_OK(unet_profile_json(&text, p, &err), &err);
    check_json(p, text, strlen(text), 0);
    unet_string_free(text);
    close_all(p);
}

/* Rows of a training of 16 filters whose kernel is a Winograd form. */
static int winograd_rows(int exact)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;
    unet_profile *p;
    unet_profile_row r;
    int rows = 0;

    o.threads = 2;
    o.exact = exact;
    CHECK_OK(unet_context_create(&context, &o, &err), &err);
    CHECK_OK(unet_profile_create(&p, context, &err), &err);
    train(p, "model.base_filters=16");
    for (size_t i = 0; unet_profile_get(p, i, &r); i++)
        rows += r.kernel && strstr(r.kernel, "winograd");
    close_all(p);
    return rows;
}

TEST(exact_leaves_out_winograd_forms)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;
    int fast;

    CHECK_OK(unet_context_create(&context, &o, &err), &err);
    fast = strcmp(unet_context_cpu(context), "ref") != 0;
    unet_context_destroy(context);
    CHECK_INT(winograd_rows(0) > 0, fast);
    CHECK_INT(winograd_rows(1), 0);
}

TEST(of_a_prediction)
{
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    unet_profile *p;
    unsigned char *file;
    size_t n;
    char in[400], out[400], json[400], *text;
    const char *inputs[1] = {in};

    open_all(&p);
    train(NULL, "model.base_filters=4");
    snprintf(in, sizeof in, "%s/images", data);
    snprintf(out, sizeof out, "%s/out", un_test_tmp());
    snprintf(json, sizeof json, "%s/trace.json", un_test_tmp());
    o.model = model;
    o.inputs = inputs;
    o.input_count = 1;
    o.out_dir = out;
    o.profile = p;
    for (int i = 1; i <= 2; i++) { /* jobs add up */
        CHECK_OK(unet_predict(context, &o, NULL, NULL, NULL, NULL, &err), &err);
        CHECK_INT(find(p, "prediction", "read files")->runs, 9 * i);
        CHECK_INT(find(p, "prediction", "write files")->runs, 9 * i);
        CHECK_INT(find(p, "network", "enc0.conv0")->runs, 9 * i);
    }
    check_sum(p);
    /* 40x40 outputs of 4 filters from 9 taps of one channel, a multiply-add counting as two */
    CHECK_NEAR(find(p, "network", "enc0.conv0")->flops, 18 * 2.0 * 40 * 40 * 4 * 9, 1);
    CHECK_OK(unet_profile_text(&text, p, 1, &err), &err);
    CHECK(strstr(text, "head") && !strstr(text, "shorter rows"));
    unet_string_free(text);
    CHECK_OK(unet_profile_write(p, json, &err), &err);
    CHECK_OK(un_file_read(&file, &n, NULL, json, 1 << 24, &err), &err);
    check_json(p, (char *)file, n, 1);
    un_free(file);
    CHECK_INT(unet_profile_write(p, "/nowhere/trace.json", &err), UNET_E_NOT_FOUND);
    close_all(p);
}
