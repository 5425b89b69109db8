/* What `unet list` says: every row of the tables is there, with its formula, and the JSON form reads back. */
#include "test.h"

#include "api/context.h"
#include "base/size.h"
#include "config/losses.h"
#include "config/optimisers.h"
#include "data/augment.h"
#include "io/json.h"
#include "metrics/overlap.h"
#include "metrics/registry.h"

static unet_error err;
static unet_context *context;

static char *list(const char *topic, int json)
{
    char *text;

    if (!context)
        CHECK_OK(unet_context_create(&context, NULL, &err), &err);
    CHECK_OK(unet_list(&text, context, topic, json, &err), &err);
    return text;
}

static void end(void)
{
    unet_context_destroy(context);
    context = NULL;
}

/* Each entry of a topic has these fields; returns how many entries. */
static int check_entries(const char *topic, const char *const *fields)
{
    char *text = list(topic, 1);
    un_json *j;
    int n;

    CHECK_OK(un_json_parse(&j, NULL, text, strlen(text), topic, &err), &err);
    n = (int)un_json_count(j);
    for (int i = 0; i < n; i++)
        for (int k = 0; fields[k]; k++) {
            const un_json *entry = un_json_at(j, (size_t)i);
            const char *s = un_json_string(un_json_get(entry, fields[k]));

            if ((!s || !s[0]) && strcmp(un_json_string(un_json_get(entry, "name")), "auto") != 0)
                un_test_fail(__FILE__, __LINE__, "%s: %s has no %s", topic, un_json_string(un_json_get(entry, "name")),
                    fields[k]);
        }
    un_json_free(j);
    unet_string_free(text);
    return n;
}
#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(every_row_has_its_text)
{
    static const char *const words[] = {"blocks", "recalibrations", "gates", "decoders", "bottoms", "stems", "heads",
        "norms", "initialisations", "downsamplings", "upsamplings"};

    CHECK_INT(check_entries("losses", FIELDS("name", "title", "formula", "paper", "when", "heads")), un_loss_count());
    CHECK_INT(check_entries("augmentations", FIELDS("name", "title", "formula", "paper")), UN_AUGMENT_COUNT);
    CHECK_INT(check_entries("optimisers", FIELDS("title", "formula", "paper", "when")),
        un_method_count() + un_around_count());
    CHECK_INT(
        check_entries("regularisers", FIELDS("title", "formula", "paper", "when", "setting")), un_regulariser_count());
    CHECK_INT(check_entries("schedules", FIELDS("title", "formula", "paper", "when")), un_schedule_count());
    CHECK_INT(check_entries("metrics", FIELDS("title", "formula", "paper", "range", "better", "empty class", "group")),
        UN_M_COUNT);
    for (size_t i = 0; i < UN_COUNT(words); i++)
        check_entries(words[i], FIELDS("title", "formula", "paper"));
    check_entries("activations", FIELDS("title", "formula"));
    check_entries("normalisations", FIELDS("title", "formula"));
    check_entries("policies", FIELDS("title"));
    CHECK_INT(check_entries("presets", FIELDS("title", "sets", "paper")), un_preset_count());
    end();
}

TEST(metrics_are_those_of_the_scores)
{
    char *text = list("metrics", 1);
    un_json *j;

    CHECK_OK(un_json_parse(&j, NULL, text, strlen(text), "metrics", &err), &err);
    for (int r = 0; r < UN_RATIO_COUNT; r++)
        CHECK_STR(un_json_string(un_json_get(un_json_at(j, (size_t)r), "name")), un_ratio_name((un_ratio)r));
    un_json_free(j);
    unet_string_free(text);
    end();
}

TEST(keys_with_ranges_and_policies)
{
    char *text = list("augmentations", 0);

    CHECK(strstr(text,
        "    rotate_deg, 0 to 180, by policy none 0, light 0, default 30, strong 45, xray 15, road 10: largest angle"));
    CHECK(strstr(text, "    scale_range, 0.1 to 10, by policy none 1, light 1, default 0.7..1.4, strong 0.6..1.6: "));
    CHECK(!strstr(text, "rot90_"));
    unet_string_free(text);
    text = list("optimisers", 0);
    CHECK(strstr(text, "    optimiser.beta2, 0 to 0.999999, default 0.99: "));
    CHECK(strstr(text, "    lr when auto   0.002\n"));
    unet_string_free(text);
    text = list("losses", 0);
    CHECK(strstr(text, "    pos_weight, 0 to 1000, default 3: "));
    CHECK(strstr(text, "    alpha, 0 to 1: weight of the foreground")); /* its default is none */
    CHECK(strstr(text, "    loss.smoothing, 0 to 0.9, default 0: "));
    unet_string_free(text);
    text = list("metrics", 0);
    CHECK(strstr(text, "    eval.beta, 0 to 100, default 2: "));
    CHECK(strstr(text, "    eval.tolerance, 0 to 1000000, default 1: "));
    unet_string_free(text);
    text = list("presets", 0);
    CHECK(strstr(text, "    paper          Oktay 2018\n    model.gate, default none: ")); /* the keys that it sets */
    unet_string_free(text);
    text = list("blocks", 0);
    CHECK(strstr(text, "    model.expansion, 1 to 8, default 4: "));
    unet_string_free(text);
    end();
}

TEST(topics)
{
    char *text = list(NULL, 0);

    CHECK(strstr(text, "losses ") && strstr(text, "normalisations "));
    unet_string_free(text);
    CHECK_STATUS(unet_list(&text, context, "lossse", 0, &err), UNET_E_ARG);
    CHECK(!text && strstr(err.message, "did you mean 'losses'?"));
    end();
}
