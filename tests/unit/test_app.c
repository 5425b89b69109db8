/* Option tables: parsing, refusals, and the texts made from them; progress lines. */
#define _GNU_SOURCE
#include "test.h"

#include <stddef.h>
#include <stdlib.h>

#include "app/errors.h"
#include "app/help.h"
#include "app/progress.h"
#include "unet/text.h"

typedef struct sample {
    int flag;
    int64_t steps;
    double rate, time;
    uint64_t mem;
    const char *text, *out, *split, *trace;
} sample;

static const char *const splits[] = {"train", "val", "test", NULL};
static const un_opt rows[] = {
    {.name = "flag", .letter = 'f', .type = UN_OPT_FLAG, .offset = offsetof(sample, flag), .help = "a flag"},
    {.name = "steps",
        .letter = 'n',
        .type = UN_OPT_INT,
        .offset = offsetof(sample, steps),
        .value = "N",
        .fallback = "100",
        .low = 1,
        .high = 1e6,
        .help = "how many"},
    {.name = "rate", .type = UN_OPT_NUMBER, .offset = offsetof(sample, rate), .value = "X", .help = "a number"},
    {.name = "time", .type = UN_OPT_SECONDS, .offset = offsetof(sample, time), .value = "T", .help = "how long"},
    {.name = "mem",
        .type = UN_OPT_BYTES,
        .offset = offsetof(sample, mem),
        .value = "SIZE",
        .low = 1024,
        .high = 1e15,
        .help = "how much"},
    {.name = "text", .type = UN_OPT_TEXT, .offset = offsetof(sample, text), .value = "WORDS", .help = ".it's [a] text"},
    {.name = "output",
        .letter = 'o',
        .type = UN_OPT_FOLDER,
        .offset = offsetof(sample, out),
        .value = "DIR",
        .help = "a folder"},
    {.name = "split",
        .type = UN_OPT_WORD,
        .offset = offsetof(sample, split),
        .value = "SPLIT",
        .words = splits,
        .fallback = "val",
        .help = "which pictures"},
    {.name = "trace",
        .type = UN_OPT_FILE,
        .offset = offsetof(sample, trace),
        .value = "[FILE.json]",
        .suffix = ".json",
        .help = "a value that may be left out"},
    {.name = "budget", .type = UN_OPT_KEY, .key = "train.time", .value = "T", .help = "sets a key"},
};
static const un_opt needed_rows[] = {
    {.name = "output", .type = UN_OPT_FOLDER, .offset = 0, .value = "DIR", .required = 1, .help = "a folder"},
};
static const char *const examples[] = {"unet sample a -f", "does it", NULL};
static const un_command command = {.name = "sample",
    .usage = "A [B] [key=value ...]",
    .summary = "try things",
    .about = "First.\nSecond paragraph.",
    .examples = examples,
    .options = rows,
    .n_options = sizeof rows / sizeof *rows,
    .options_size = sizeof(sample),
    .least = 1,
    .most = 2,
    .takes_keys = 1};
static const un_command *const commands[] = {&command, NULL};

enum { WORDS_MAX = 32 };

/* Splits a line at blanks; "_" stands for an empty word. */
static unet_status parse(un_args *a, sample *o, const char *line, unet_error *err)
{
    static char copy[512];
    char *argv[WORDS_MAX], *save = NULL;
    int n = 0;

    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w && n < WORDS_MAX; w = strtok_r(NULL, " ", &save))
        argv[n++] = strcmp(w, "_") ? w : w + 1;
    return un_args_parse(a, &command, o, n, argv, err);
}

TEST(forms)
{
    un_args a;
    sample o;
    unet_error err;

    CHECK_OK(
        parse(&a, &o,
            "one -f -n7 --rate=-2.5 --time 1h30m --mem 2G train.steps=5 -o out --text a=b --threads 3 -- -x=", &err),
        &err);
    CHECK_INT(o.flag, 1);
    CHECK_INT(o.steps, 7);
    CHECK_NEAR(o.rate, -2.5, 0);
    CHECK_NEAR(o.time, 5400, 0);
    CHECK_INT(o.mem, 2ll << 30);
    CHECK_STR(o.out, "out");
    CHECK_STR(o.text, "a=b");
    CHECK_STR(o.split, "val");
    CHECK_INT(a.common.threads, 3);
    CHECK_INT(a.n_keys, 1);
    CHECK_STR(a.key[0], "train.steps=5");
    CHECK_INT(a.n_words, 2);
    CHECK_STR(a.word[0], "one");
    CHECK_STR(a.word[1], "-x=");
    un_args_free(&a);

    CHECK_OK(parse(&a, &o, "- ./a=b --steps 5 --steps 6", &err), &err); /* the last one counts */
    CHECK_INT(o.steps, 6);
    CHECK_INT(o.flag, 0);
    CHECK_STR(a.word[1], "./a=b");
    un_args_free(&a);

    CHECK_OK(parse(&a, &o, "one --budget 5m train.seed=2 --budget=6m", &err), &err); /* keys keep their order */
    CHECK_INT(a.n_keys, 3);
    CHECK_STR(a.key[0], "train.time=5m");
    CHECK_STR(a.key[1], "train.seed=2");
    CHECK_STR(a.key[2], "train.time=6m");
    un_args_free(&a);

    CHECK_OK(parse(&a, &o, "one --trace two", &err), &err); /* no file: the next word is a word */
    CHECK_STR(o.trace, "");
    CHECK_INT(a.n_words, 2);
    un_args_free(&a);
    CHECK_OK(parse(&a, &o, "one --trace", &err), &err);
    CHECK_STR(o.trace, "");
    un_args_free(&a);
    CHECK_OK(parse(&a, &o, "one --trace a.json two", &err), &err);
    CHECK_STR(o.trace, "a.json");
    CHECK_INT(a.n_words, 2);
    un_args_free(&a);
    CHECK_OK(parse(&a, &o, "one --trace=any", &err), &err);
    CHECK_STR(o.trace, "any");
    un_args_free(&a);

    CHECK_OK(parse(&a, &o, "--help", &err), &err); /* asks nothing else */
    CHECK_INT(a.common.help, 1);
    CHECK_INT(o.steps, 100);
    un_args_free(&a);
}

TEST(refusals)
{
    static const char *const wrong[][2] = {
        {"a --setps 3", "no option --setps; did you mean --steps?"},
        {"a --zzzzzzzz", "no option --zzzzzzzz"},
        {"a -z", "no option -z"},
        {"a --steps", "--steps needs a value (N)"},
        {"a -o", "--output needs a value (DIR)"},
        {"a --steps x", "--steps: 'x' is not a whole number"},
        {"a --steps 1.5", "--steps: '1.5' is not a whole number"},
        {"a --steps 0", "--steps: 0 is outside 1 to 1000000"},
        {"a --steps 99999999999999999999", "--steps: '99999999999999999999' is not a whole number"},
        {"a --rate 1,5", "--rate: '1,5' is not a number"},
        {"a --rate nan", "--rate: 'nan' is not a number"},
        {"a --time 5x", "--time: '5x' is not a time such as 90s, 10m or 1h30m"},
        {"a --mem -1", "--mem: '-1' is not a size such as 512M or 4G"},
        {"a --mem 1", "--mem: 1 is outside 1024 to 1e+15"},
        {"a --flag=1", "--flag takes no value"},
        {"a -fx", "--flag takes no value"},
        {"a --split vall", "--split: no 'vall'; did you mean 'val'?; see --help for the words it takes"},
        {"a --output=", "--output: an empty value"},
        {"--flag", "too few words; usage: unet sample A [B] [key=value ...]"},
        {"a b c", "'c' is one word too many; usage: unet sample A [B] [key=value ...]"},
    };
    un_args a;
    sample o;
    unet_error err;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        un_test_note("%s", wrong[i][0]);
        CHECK_STATUS(parse(&a, &o, wrong[i][0], &err), UNET_E_ARG);
        CHECK_STR(err.message, wrong[i][1]);
        un_args_free(&a);
        CHECK_STATUS(parse(&a, &o, wrong[i][0], NULL), UNET_E_ARG);
        un_args_free(&a);
    }
}

TEST(needed_options)
{
    const un_command needs = {.name = "needs",
        .usage = "-o DIR",
        .options = needed_rows,
        .n_options = 1,
        .options_size = sizeof(const char *),
        .most = 0};
    const char *out;
    char *words[] = {"--output", "x"}, *help[] = {"-h"};
    un_args a;
    unet_error err;

    CHECK_STATUS(un_args_parse(&a, &needs, &out, 0, words, &err), UNET_E_ARG);
    CHECK_STR(err.message, "--output is needed; usage: unet needs -o DIR");
    un_args_free(&a);
    CHECK_OK(un_args_parse(&a, &needs, &out, 2, words, &err), &err);
    CHECK_STR(out, "x");
    un_args_free(&a);
    CHECK_OK(un_args_parse(&a, &needs, &out, 1, help, &err), &err);
    un_args_free(&a);
}

/* The text that a printing function makes. */
#define PRINTED(...)                                                                                                   \
    do {                                                                                                               \
        FILE *to = open_memstream(&text, &size);                                                                       \
        CHECK(to);                                                                                                     \
        __VA_ARGS__;                                                                                                   \
        fclose(to);                                                                                                    \
    } while (0)
#define HOLDS(part)                                                                                                    \
    do {                                                                                                               \
        if (!strstr(text, part))                                                                                       \
            un_test_fail(__FILE__, __LINE__, "no \"%s\" in:\n%s", part, text);                                         \
    } while (0)

TEST(texts_from_tables)
{
    char *text;
    size_t size;

    PRINTED(un_help_command(to, &command));
    HOLDS("Usage: unet sample A [B] [key=value ...]\n\nFirst.\nSecond paragraph.\n");
    HOLDS("  -n, --steps N             how many (1 to 1000000; default 100)\n");
    HOLDS("      --split SPLIT         which pictures (train, val, test; default val)\n");
    for (const char *line = text; line; line = strchr(line + 1, '\n'))
        CHECK(strcspn(line + 1, "\n") <= 80);
    free(text);
    PRINTED(un_man_command(to, &command));
    HOLDS(".TP\n\\fB\\-\\-text\\fR \\fIWORDS\\fR\n\\&.it's [a] text.\n");
    HOLDS("First.\n.PP\nSecond paragraph.\n");
    free(text);
    PRINTED(un_complete_bash(to, commands));
    HOLDS("--output|-o) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;");
    HOLDS("--split) COMPREPLY=($(compgen -W 'train val test' -- \"$cur\")); return ;;");
    free(text);
    PRINTED(un_complete_zsh(to, commands));
    HOLDS("'--text[.it'\\''s \\[a\\] text]:WORDS:'");
    HOLDS("'(-o --output)'{-o,--output}'[a folder]:DIR:_files -/'");
    free(text);
    PRINTED(un_help_markdown(to, commands));
    HOLDS("| `-n`, `--steps N` | how many | 1 to 1000000; default 100 |\n");
    free(text);
}

TEST(errors)
{
    unet_error err = {UNET_E_CONFIG, 3, 7, -1, "run \"x\".yaml", "no key 'a'\x01\xff"};
    char *text;
    size_t size;

    PRINTED(un_error_print(to, "train", &err, 0));
    HOLDS("unet train: run \"x\".yaml:3:7: no key 'a'");
    free(text);
    PRINTED(un_error_print(to, "train", &err, 1));
    CHECK_STR(text, "{\"event\":\"error\",\"command\":\"train\",\"status\":\"config\",\"exit\":2,\"message\":\"no key "
                    "'a'\\u0001\\ufffd\","
                    "\"where\":\"run \\\"x\\\".yaml\",\"line\":3,\"column\":7}\n");
    free(text);
    err = (unet_error){UNET_E_CONFIG, 0, 0, -1, "loss.terms", "loss.terms: dice has no gamma"}; /* said once */
    PRINTED(un_error_print(to, "train", &err, 0));
    CHECK_STR(text, "unet train: loss.terms: dice has no gamma\n");
    free(text);
    CHECK_INT(un_exit_code(UNET_OK), 0);
    CHECK_INT(un_exit_code(UNET_E_CANCELLED), 130);
    for (int i = 0; i < UNET_STATUS_COUNT; i++) { /* each code that can occur is explained */
        const un_exit_meaning *e = un_exit_meanings;

        while (e->code >= 0 && e->code != un_exit_code((unet_status)i))
            e++;
        CHECK(e->code >= 0);
    }
    CHECK_INT(unet_json_quote(NULL, 0, "ab"), 4);
}

/* Of several classes each has its own figures, behind what a narrow terminal must not lose. */
TEST(progress_of_classes)
{
    static const char *const name[] = {"anterior", "post\"erior"};
    static const double dice[] = {0.88125, NAN}, iou[] = {0.7877, 0};
    unet_progress r = {.phase = "train",
        .done = 6,
        .total = 9,
        .epoch = 1,
        .loss = 0.5,
        .dice = 0.8,
        .iou = 0.7,
        .learning_rate = NAN,
        .per_second = 3,
        .seconds_left = 1,
        .waiting = NAN,
        .classes = 2,
        .class_name = name,
        .class_dice = dice,
        .class_iou = iou};
    un_progress p;
    char *text, line[256];
    size_t size;

    un_progress_text(line, sizeof line, &r);
    CHECK_STR(line,
        "train, epoch 1.0, step 6/9, loss 0.5000, Dice 0.8000, IoU 0.7000, 3.0 patches/s, 1s left; anterior "
        "0.8812/0.7877, post\"erior -/0.0000");
    PRINTED({
        p = (un_progress){.to = to, .mode = UN_PROGRESS_JSON};
        un_progress_show(&p, &r);
    });
    CHECK(strstr(text, ",\"classes\":[{\"name\":\"anterior\",\"dice\":0.88125,\"iou\":0.7877},{\"name\":"
                       "\"post\\\"erior\",\"iou\":0}]}\n"));
    free(text);
}

TEST(progress_lines)
{
    const un_common plain = {0}, json = {.json = 1};
    unet_progress r = {.phase = "train",
        .done = 120,
        .total = 900,
        .epoch = 3.25,
        .loss = 0.3125,
        .dice = NAN,
        .iou = NAN,
        .learning_rate = 1e-3,
        .per_second = 41.2,
        .seconds_left = 130,
        .waiting = -1};
    FILE *file = tmpfile();
    unet_progress counted = r;
    un_progress p;
    char *text, line[256];
    size_t size;

    CHECK(file);
    un_progress_text(line, sizeof line, &r);
    CHECK_STR(line, "train, epoch 3.2, step 120/900, loss 0.3125, 41.2 patches/s, 2m10s left");
    un_progress_begin(&p, file, &plain);
    CHECK_INT(p.mode, UN_PROGRESS_PLAIN);
    un_progress_show(&p, &r);
    un_progress_show(&p, &r); /* too soon */
    r.done = 900;
    un_progress_show(&p, &r); /* complete: always told */
    un_progress_end(&p);
    CHECK_INT(ftell(file), (long)(2 * strlen(line) + 2));
    fclose(file);
    PRINTED({
        p = (un_progress){.to = to, .mode = UN_PROGRESS_JSON};
        un_progress_show(&p, &r);
    });
    CHECK_STR(text,
        "{\"event\":\"progress\",\"phase\":\"train\",\"done\":900,\"total\":900,\"epoch\":3.25,\"loss\":0.3125,"
        "\"learning_rate\":0.001,\"per_second\":41.2,\"seconds_left\":130}\n");
    free(text);
    PRINTED({
        p = (un_progress){.to = to, .mode = UN_PROGRESS_JSON};
        counted.phase = "scan";
        counted.loss = NAN;
        counted.total = 1000;
        for (counted.done = 1; counted.done <= 1000; counted.done++)
            un_progress_show(&p, &counted);
    });
    CHECK(strstr(text, "\"phase\":\"scan\",\"done\":1,\"total\":1000"));
    CHECK(strstr(text, "\"done\":1000"));
    CHECK(strlen(text) < 1000 * strlen("{\"event\"")); /* not a line for each */
    free(text);
    PRINTED({
        p = (un_progress){.to = to, .mode = UN_PROGRESS_JSON};
        r.done = 10;
        un_progress_show(&p, &r);
        un_progress_show(&p, &r); /* figures are never left out */
        r.done = 900;
    });
    CHECK_INT(strlen(strchr(text, '\n')), strlen(text) / 2 + 1);
    free(text);
    PRINTED({
        p = (un_progress){.to = to, .mode = UN_PROGRESS_LIVE, .columns = 21};
        un_progress_show(&p, &r);
        r.phase = "eval";
        un_progress_show(&p, &r);
        un_progress_end(&p);
    });
    CHECK_STR(text, "\rtrain, epoch 3.2, st\033[K\n\reval, epoch 3.2, 900\033[K\n");
    free(text);
    file = tmpfile();
    un_progress_begin(&p, file, &json);
    CHECK_INT(p.mode, UN_PROGRESS_JSON);
    fclose(file);
}
