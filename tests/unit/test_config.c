/* The configuration: defaults, reading, refusing, overriding, writing back. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "config/config.h"
#include "config/losses.h"
#include "config/optimisers.h"

static un_config cfg, other;
static unet_error err;

static unet_status parse(const char *text)
{
    un_error_clear(&err);
    return un_config_parse(&cfg, NULL, text, strlen(text), "c.yaml", &err);
}

static void fresh(void)
{
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
}

/* The text is refused at line:column with a message that holds `part`. */
static void refused(const char *text, int line, int column, const char *part)
{
    CHECK_STATUS(parse(text), UNET_E_CONFIG);
    if (!strstr(err.message, part))
        un_test_fail(__FILE__, __LINE__, "'%s' lacks '%s'", err.message, part);
    CHECK_INT(err.line, line);
    CHECK_INT(err.column, column);
    CHECK_STR(err.where, "c.yaml");
}

TEST(defaults)
{
    fresh();
    CHECK(un_is_auto(cfg.model.depth));
    CHECK(un_is_auto(cfg.train.patch[0]));
    CHECK(un_is_auto(cfg.train.steps));
    CHECK(un_is_auto(cfg.train.mem));
    CHECK_INT(cfg.model.kernel.n, 1);
    CHECK_INT(cfg.model.kernel.v[0][2], 3);
    CHECK_INT(cfg.data.classes.n, UN_CFG_LIST_AUTO);
    CHECK_INT(cfg.loss.terms.n, 2);
    CHECK_INT(cfg.loss.terms.v[1].name, UN_CFG_LOSS_DICE);
    CHECK_NEAR(cfg.loss.terms.v[1].weight, 1, 0);
    CHECK(un_is_auto(cfg.optimiser.beta2));
    CHECK_NEAR(cfg.train.checkpoint, 60, 0);
    CHECK_STR(cfg.data.images, "images");
    CHECK_OK(un_config_check(&cfg, &err), &err);
}

TEST(reading)
{
    fresh();
    CHECK_OK(parse("model:\n  depth: 3\n  strides: [[1, 2, 2], [2, 2], 2]\n  kernel: [1, 3, 3]\n  norm: group\n"
                   "  skips: [true, off, yes]\n"
                   "train: {time: 1h30m, mem: 4G, patch: [128, 96], seed: 7}\n"
                   "data:\n  classes: [background, {name: \"cell\", value: 255, color: \"#ff8000\"}]\n"
                   "  mapping: [{value: 128, to: 255, class: 1}, {color: [1, 2, 3], class: -1}]\n"
                   "  ignore: none\n"
                   "augment: {scale_range: [0.5, 2]}\n"),
        &err);
    CHECK_INT(cfg.model.depth, 3);
    CHECK_INT(cfg.model.strides.n, 3);
    CHECK_INT(cfg.model.strides.v[0][0], 1);
    CHECK_INT(cfg.model.strides.v[1][0], 1);
    CHECK_INT(cfg.model.strides.v[2][0], 2);
    CHECK_INT(cfg.model.norm, UN_CFG_NORM_GROUP);
    CHECK_INT(cfg.model.skips.v[1], 0);
    CHECK_INT(cfg.model.skips.v[2], 1);
    CHECK_NEAR(cfg.train.time, 5400, 0);
    CHECK(cfg.train.mem == 4294967296u);
    CHECK_INT(cfg.train.patch[0], 1);
    CHECK_INT(cfg.train.patch[2], 96);
    CHECK_STR(cfg.data.classes.v[0].name, "background");
    CHECK(un_is_auto(cfg.data.classes.v[0].value));
    CHECK_INT(cfg.data.classes.v[1].color, 0xff8000);
    CHECK_NEAR(cfg.data.mapping.v[0].to, 255, 0);
    CHECK_INT(cfg.data.mapping.v[1].color, 0x010203);
    CHECK_INT(cfg.data.ignore.n, 0);
    CHECK_NEAR(cfg.augment.scale_range[1], 2, 0);
    CHECK_OK(un_config_check(&cfg, &err), &err);
}

TEST(refusals)
{
    fresh();
    other = cfg;
    refused("modle:\n  depth: 3\n", 1, 1, "did you mean 'model'");
    refused("model:\n  dept: 3\n", 2, 3, "did you mean 'depth'");
    refused("model:\n\tdepth: 3\n", 2, 1, "the line begins with a tab: indent with spaces");
    refused("model:\n  depth: 3\n  \tnorm: none\n", 3, 3, "indent with spaces");
    refused("model:\n  depth: 9\n", 2, 10, "outside 1 to 7");
    refused("train:\n  checkpoint: 300h\n", 2, 15, "outside 0 to 1000000");
    refused("train:\n  mem: 1K\n", 2, 8, "outside 1048576 to");
    refused("model:\n  depth: 2.5\n", 2, 10, "whole number");
    refused("model:\n  depth: three\n", 2, 10, "not 'three'");
    refused("model:\n  norm: bach\n", 2, 9, "did you mean 'batch'");
    refused("model:\n  depth: 3\n  depth: 4\n", 3, 3, "stands twice; first in line 2");
    refused("model:\n  growth: auto\n", 2, 11, "auto is not possible");
    refused("model: &a\n  depth: 3\n", 1, 8, "anchors");
    refused("model: {depth: *a}\n", 1, 16, "aliases");
    refused("model: {depth: !!int 3}\n", 1, 16, "tags");
    refused("model: {depth: 3}\n---\nmodel: {}\n", 2, 1, "one document");
    refused("- 1\n", 1, 1, "made of sections");
    refused("data: {mapping: [{color: red, class: 1}]}\n", 1, 26, "#rrggbb");
    refused("augment: {scale_range: [2, 1]}\n", 1, 24, "larger than the second");
    refused("loss: {terms: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}\n", 1, 30, "nested too deeply");
    refused("loss: {terms: []}\n", 1, 15, "list is wanted");
    CHECK_STATUS(parse("model: {depth: 3"), UNET_E_CONFIG);
    CHECK_STATUS(parse("model: {depth: \xff}\n"), UNET_E_CONFIG);
    CHECK(!memcmp(&cfg, &other, sizeof cfg)); /* a failure changes nothing */
    CHECK_OK(parse("# nothing\n"), &err);
    CHECK_OK(parse(""), &err);
}

TEST(overrides)
{
    fresh();
    CHECK_OK(un_config_set(&cfg, NULL, "model.depth=4", &err), &err);
    CHECK_INT(cfg.model.depth, 4);
    CHECK_OK(un_config_set(&cfg, NULL, "lr=0.01", &err), &err);
    CHECK_NEAR(cfg.optimiser.lr, 0.01, 0);
    CHECK_OK(un_config_set(&cfg, NULL, "data.images=my pictures, 2}", &err), &err);
    CHECK_STR(cfg.data.images, "my pictures, 2}");
    CHECK_OK(un_config_set(&cfg, NULL, "model.strides=[[1,2,2],[2,2,2],2,2]", &err), &err);
    CHECK_INT(cfg.model.strides.n, 4);
    CHECK_STATUS(un_config_set(&cfg, NULL, "mode.depth=4", &err), UNET_E_CONFIG);
    CHECK(strstr(err.message, "did you mean 'model.depth'"));
    CHECK_STATUS(un_config_set(&cfg, NULL, "scale=4", &err), UNET_E_CONFIG);
    CHECK(strstr(err.message, "data.scale, augment.scale"));
    CHECK_STATUS(un_config_set(&cfg, NULL, "model.depth=4}, train: {batch: 3", &err), UNET_E_CONFIG);
    CHECK_STATUS(un_config_set(&cfg, NULL, "model.depth", &err), UNET_E_CONFIG);
    CHECK_STATUS(un_config_set(&cfg, NULL, "model.depth=", &err), UNET_E_CONFIG);
}

static const char *why(void *ctx, const char *section, const char *key)
{
    (void)ctx;
    return !strcmp(section, "model") && !strcmp(key, "depth") ? "objects are 40 px wide" : NULL;
}

TEST(round_trip)
{
    static const char text[] =
        "model: {depth: 3, strides: [[1, 2, 2], 2, 2], skips: [true, false, true], convs_per_level: [1, 2, 3, 2]}\n"
        "data: {classes: [a, {name: 'b \"x\" # y', value: 7}], mapping: [{value: 0.5, class: 1}], ignore: [255, "
        "-9999],\n"
        "  mean: [1e-7, 3], std: [1, 2], foreground: [0, 1], spacing: [3, 0.5, 0.5]}\n"
        "loss: {terms: [{name: dice, weight: 0.25}], class_weights: none}\n"
        "train: {mem: 3G, steps: 900, patch: 48}\n";
    const un_config_style styles[] = {{0}, {.comments = 1, .why = why}, {.changed = 1}};

    for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
        un_text t;

        fresh();
        CHECK_OK(parse(text), &err);
        CHECK_OK(un_config_check(&cfg, &err), &err);
        un_text_init(&t, NULL, 1 << 20);
        CHECK_OK(un_config_write(&cfg, &t, &styles[i], &err), &err);
        CHECK_OK(un_config_init(&other, NULL, &err), &err);
        CHECK(!un_config_equal(&cfg, &other));
        CHECK_OK(un_config_parse(&other, NULL, t.s, t.n, "again", &err), &err);
        CHECK(un_config_equal(&cfg, &other));
        CHECK(!memcmp(&cfg, &other, sizeof cfg));
        if (styles[i].why)
            CHECK(strstr(t.s, "  # objects are 40 px wide\n  depth: 3"));
        if (styles[i].changed)
            CHECK(!strstr(t.s, "optimiser"));
        un_text_free(&t);
    }
}

TEST(no_mapping)
{
    un_text t;

    for (int k = 0; k < 2; k++) {
        fresh();
        CHECK_OK(un_config_set(&cfg, NULL, k ? "data.mapping=[]" : "data.mapping=none", &err), &err);
        CHECK_INT(cfg.data.mapping.n, 0);
        un_text_init(&t, NULL, 1 << 20);
        CHECK_OK(un_config_write(&cfg, &t, NULL, &err), &err);
        CHECK(strstr(t.s, "mapping: none"));
        CHECK_OK(un_config_parse(&cfg, NULL, t.s, t.n, "again", &err), &err);
        un_text_free(&t);
    }
    CHECK_STATUS(un_config_set(&cfg, NULL, "data.classes=[]", &err), UNET_E_CONFIG);
}

TEST(no_paths_in_models)
{
    const un_config_style style = {.no_paths = 1};
    un_text t;

    fresh();
    CHECK_OK(un_config_set(&cfg, NULL, "data.images=patient-42", &err), &err);
    un_text_init(&t, NULL, 1 << 20);
    CHECK_OK(un_config_write(&cfg, &t, &style, &err), &err);
    CHECK(!strstr(t.s, "patient-42"));
    CHECK(strstr(t.s, "normalise"));
    un_text_free(&t);
}

TEST(cross_checks)
{
    static const struct {
        const char *text, *key;
    } bad[] = {
        {"model: {depth: 3, strides: [[1, 2, 2], [2, 2, 2]]}", "model.strides"},
        {"model: {depth: 2, convs_per_level: [1, 2]}", "model.convs_per_level"},
        {"model: {kernel: 4}", "model.kernel"},
        {"model: {head: sigmoid, classes: 3}", "model.classes"},
        {"model: {classes: 2}\ndata: {mapping: [{value: 3, class: 2}]}", "data.mapping"},
        {"data: {mapping: [{class: 1}]}", "data.mapping"},
        {"train: {batch: 6, ghost_batch: 4}", "train.ghost_batch"},
        {"model: {dims: 2}\ntrain: {patch: [4, 64, 64]}", "train.patch"},
        {"loss: {terms: [{name: ce, weight: 0}]}", "loss.terms"},
        {"data: {val_share: 0.6, test_share: 0.5}", "data.test_share"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fresh();
        CHECK_OK(parse(bad[i].text), &err);
        CHECK_STATUS(un_config_check(&cfg, &err), UNET_E_CONFIG);
        CHECK_STR(err.where, bad[i].key);
    }
}

TEST(levels)
{
    int k[3];

    fresh();
    CHECK_OK(parse("model: {kernel: [[1, 3, 3], 3], convs_per_level: [1, 4]}"), &err);
    un_config_axes_at(&cfg.model.kernel, 0, 3, k);
    CHECK_INT(k[0], 1);
    un_config_axes_at(&cfg.model.kernel, 1, 3, k);
    CHECK_INT(k[0], 3);
    un_config_axes_at(&cfg.model.kernel, 1, 2, k);
    CHECK_INT(k[0], 1);
    CHECK_INT(un_config_int_at(&cfg.model.convs_per_level, 1), 4);
}

/* Pages are what the tables say; UNET_TEST_WRITE=1 writes them anew. */
static void check_page(const char *path, void (*write)(un_text *))
{
    un_text t;
    unsigned char *data;
    size_t size;

    un_text_init(&t, NULL, 1 << 20);
    write(&t);
    CHECK(!t.failed);
    if (getenv("UNET_TEST_WRITE"))
        CHECK_OK(un_file_write(NULL, un_test_source(path), t.s, t.n, &err), &err);
    CHECK_OK(un_file_read(&data, &size, NULL, un_test_source(path), 1 << 20, &err), &err);
    CHECK(size == t.n && !memcmp(data, t.s, size));
    un_free(data);
    un_text_free(&t);
}

TEST(docs)
{
    un_text t;

    check_page("docs/config.md", un_config_docs);
    check_page("docs/losses.md", un_loss_docs);
    check_page("docs/optimisers.md", un_optimiser_docs);
    un_text_init(&t, NULL, 1 << 20);
    CHECK_OK(un_config_help(&t, "model.norm", &err), &err);
    CHECK(strstr(t.s, "instance"));
    CHECK_STATUS(un_config_help(&t, "model.nrm", &err), UNET_E_ARG);
    un_text_free(&t);
}

TEST(keys)
{
    un_config_key_info k;

    CHECK(un_config_key_count() > 100);
    un_config_key(3, &k);
    CHECK_STR(k.section, "model");
    CHECK_STR(k.key, "depth");
    CHECK_STR(un_config_word("model", "norm", UN_CFG_NORM_BATCH), "batch");
    un_config_key(un_config_key_count(), &k);
    CHECK(!k.section);
}

/* Every allocation may fail; nothing leaks. */
TEST(no_memory)
{
    static const char text[] = "data: {classes: [a, b]}\nloss: {terms: [ce]}\n";
    un_mem *mem = un_mem_create(NULL);
    unet_status st = UNET_E_NOMEM;

    fresh();
    for (int64_t n = 1; st; n++) {
        un_mem_fail_at(mem, n);
        st = un_config_parse(&cfg, mem, text, sizeof text - 1, "c", &err);
        CHECK(st == UNET_OK || st == UNET_E_NOMEM);
        CHECK_INT(un_mem_live(mem), 0);
    }
    CHECK_STR(cfg.data.classes.v[1].name, "b");
    un_mem_destroy(mem);
}
