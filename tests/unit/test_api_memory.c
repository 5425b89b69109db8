/* The jobs on files with an allocator of the caller: all memory comes from it and goes back, and each allocation may
 * fail. */
#include "counting.h"
#include "small_data.h"

#include "unet/unet.h"

static unet_error err;
static char folder[300], data[320], model[330], images[330], out[330];

typedef unet_status (*job)(unet_context *c);

static unet_status configure(unet_config **cfg, unet_context *c)
{
    static const char *const words[] = {"model.base_filters=2", "model.depth=1", "train.patch=[16, 16]",
        "train.batch=2", "train.steps=2", "train.val_interval=1", "train.select_share=0.3"};
    unet_status st = unet_config_create(cfg, c, &err);

    for (size_t i = 0; i < sizeof words / sizeof *words && !st; i++)
        st = unet_config_set(*cfg, words[i], &err);
    return st;
}

static unet_status train(unet_context *c)
{
    unet_train_options o = UNET_TRAIN_OPTIONS_INIT;
    unet_config *cfg = NULL;
    char *text = NULL;
    unet_status st = configure(&cfg, c);

    o.data = data;
    o.model = model;
    o.config = cfg;
    o.overwrite = 1;
    if (!st)
        st = unet_train(c, &o, NULL, &text, &err);
    unet_string_free(text);
    unet_config_destroy(cfg);
    return st;
}

static unet_status plan(unet_context *c)
{
    unet_plan_options o = UNET_PLAN_OPTIONS_INIT;
    char *text = NULL;
    unet_status st = configure(&o.config, c);

    o.data = data;
    if (!st)
        st = unet_plan(c, &o, &text, &err);
    unet_string_free(text);
    unet_config_destroy(o.config);
    return st;
}

static unet_status inspect(unet_context *c)
{
    unet_inspect_options o = UNET_INSPECT_OPTIONS_INIT;
    char *text = NULL, *json = NULL;
    unet_status st;

    o.data = data;
    o.out_dir = out;
    st = unet_inspect(c, &o, &text, &json, &err);
    unet_string_free(text);
    unet_string_free(json);
    return st;
}

static unet_status evaluate(unet_context *c)
{
    static const char *const set[] = {"eval.resamples=10", "eval.metrics=surface,objects,curves"};
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    char *text = NULL, *json = NULL;
    unet_status st;

    o.model = model;
    o.data = data;
    o.out_dir = out;
    o.set = set;
    o.set_count = 2;
    st = unet_eval(c, &o, NULL, &text, &json, &err);
    unet_string_free(text);
    unet_string_free(json);
    return st;
}

static unet_status predict(unet_context *c)
{
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    const char *inputs[] = {images};
    char *text = NULL, *json = NULL;
    unet_status st;

    o.model = model;
    o.inputs = inputs;
    o.input_count = 1;
    o.out_dir = out;
    o.overlay = o.probabilities = o.measure = o.split_touching = 1;
    st = unet_predict(c, &o, NULL, NULL, &text, &json, &err);
    unet_string_free(text);
    unet_string_free(json);
    return st;
}

static unet_status once(job f)
{
    unet_context_options o = UNET_CONTEXT_OPTIONS_INIT;
    unet_context *c = NULL;
    unet_status st;

    o.threads = 1;
    o.allocator = &counting;
    err.message[0] = 0;
    st = unet_context_create(&c, &o, &err);
    if (!st)
        st = f(c);
    unet_context_destroy(c);
    return st;
}

/* The first allocations one by one, then every so many, until one is not reached. */
static void each_may_fail(job f)
{
    long long began, n;
    int refused = 0;
    unet_status st;

    CHECK_OK(once(f), &err);
    CHECK(allocations > 0);
    CHECK_INT(live, 0);
    for (n = 1;; n += 1 + n / 12) {
        began = allocations;
        fail_at = began + n;
        st = once(f);
        fail_at = 0;
        if (live)
            un_test_fail(__FILE__, __LINE__, "allocation %lld: %lld blocks are left", n, (long long)live);
        if (allocations - began < n)
            break;
        if (st && (!err.message[0] || (st != UNET_E_NOMEM && st != UNET_E_PARTIAL)))
            un_test_fail(__FILE__, __LINE__, "allocation %lld: %s: %s", n, unet_status_name(st), err.message);
        refused += st != UNET_OK;
    }
    CHECK_OK(st, &err);
    CHECK(refused > 20);
    un_test_note("%lld allocations, %d refusals", allocations - began, refused);
}

static void make(void)
{
    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(images, sizeof images, "%s/images", data);
    snprintf(model, sizeof model, "%s/m.safetensors", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    small_data_make(data, 6, 24, 2);
    CHECK_OK(once(train), &err);
}

TEST(inspecting)
{
    make();
    each_may_fail(inspect);
}

TEST(planning)
{
    make();
    each_may_fail(plan);
}

TEST(training)
{
    make();
    each_may_fail(train);
}

TEST(evaluating)
{
    make();
    each_may_fail(evaluate);
}

TEST(predicting)
{
    make();
    each_may_fail(predict);
}
