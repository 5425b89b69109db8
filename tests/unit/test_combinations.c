/* Each pair of a preset, a loss, a head, an optimiser, a schedule, a norm, 2-D or 3-D, and what goes with any optimiser
 * (averages, SAM, lookahead, regularisers) stands in at least one of these runs, which trains twenty steps with the
 * rate that is the default and lowers its loss; or it is refused with the key that has to change. Rows come from the
 * registries, so that new ones join by themselves. UNET_TEST_ALL: every run; else those that show each row once. */
#include "covering.h"
#include "two_pictures.h"
#include "words.h"

#include "base/size.h"
#include "config/losses.h"
#include "config/optimisers.h"
#include "train/schedule.h"

static unet_error err;

enum { STEPS = 20, ROWS_MAX = 4000, SEEDS = 3 };
enum { VARIANT, LOSS, HEAD, METHOD, SCHEDULE, NORM, DIMS, AROUND, FACTORS };

static const char *const keys[FACTORS] = {[LOSS] = "loss.terms",
    [HEAD] = "model.head",
    [METHOD] = "optimiser.name",
    [SCHEDULE] = "optimiser.schedule",
    [NORM] = "model.norm",
    [DIMS] = "model.dims"};
static int levels[FACTORS];
static un_config defaults;

/* ---- rows of the registries ---- */

/* Level 0: nothing of it. */
static const un_around_info *around_of(int level)
{
    return !level                       ? NULL
           : level <= un_around_count() ? un_around_info_of(level - 1)
                                        : un_regulariser_info_of(level - 1 - un_around_count());
}

static const char *name_of(int factor, int level)
{
    switch (factor) {
    case VARIANT:
        return un_preset_at((size_t)level)->name;
    case LOSS:
        return un_loss_info_of((un_cfg_loss_name)level)->name;
    case METHOD:
        return un_method_info_of((un_cfg_method)level)->name;
    case SCHEDULE:
        return un_schedule_info_of((un_cfg_schedule)level)->name;
    case DIMS:
        return level ? "3" : "2";
    case AROUND:
        return level ? around_of(level)->name : "-";
    default:
        return word_of(keys[factor], level);
    }
}

static void count_levels(void)
{
    levels[VARIANT] = (int)un_preset_count();
    levels[LOSS] = un_loss_count();
    levels[METHOD] = un_method_count();
    levels[SCHEDULE] = un_schedule_count();
    levels[DIMS] = 2;
    levels[AROUND] = 1 + un_around_count() + un_regulariser_count();
    levels[HEAD] = levels[NORM] = 0;
    for (int f = HEAD; f <= NORM; f += NORM - HEAD)
        while (word_of(keys[f], levels[f]))
            levels[f]++;
    CHECK_OK(un_config_init(&defaults, NULL, &err), &err);
}

/* ---- a row as a configuration ---- */

static unet_status set(un_config *c, const char *key, const char *value)
{
    char text[160];

    snprintf(text, sizeof text, "%s%s%s", key, key[0] ? "=" : "", value);
    return un_config_set(c, NULL, text, &err);
}

/* "key=value key=value" */
static unet_status set_words(un_config *c, const char *words)
{
    unet_status st = UNET_OK;

    while (*words && !st) {
        const size_t n = strcspn(words, " ");
        char text[160];

        snprintf(text, sizeof text, "%.*s", (int)n, words);
        st = un_config_set(c, NULL, text, &err);
        words += n + (words[n] == ' ');
    }
    return st;
}

/* Small enough for a test; what the row chooses stays, and the rate is what lr: auto means. */
static unet_status configure(un_config *c, const int *row)
{
    const un_around_info *around = around_of(row[AROUND]);
    unet_status st;

    *c = defaults;
    st = around ? set_words(c, around->setting) : UNET_OK;
    if (!st)
        st = un_config_preset(c, NULL, name_of(VARIANT, row[VARIANT]), &err);
    if (!st)
        st = set_words(c,
            "model.in_channels=1 model.classes=2 model.base_filters=4 model.norm_groups=2 "
            "model.strides=2 train.batch=2 train.ghost_batch=2 train.val_interval=10 train.checkpoint=1000");
    for (int f = LOSS; f <= DIMS && !st; f++) {
        char list[64];

        snprintf(list, sizeof list, f == LOSS ? "[%s]" : "%s", name_of(f, row[f]));
        st = set(c, keys[f], list);
    }
    if (st)
        return st;
    c->train.steps = STEPS;
    c->model.depth = row[DIMS] || c->model.padding == UN_CFG_PAD_VALID ? 1 : 2;
    c->train.patch[0] = !row[DIMS] ? 1 : c->model.padding == UN_CFG_PAD_VALID ? 20 : 8;
    c->train.patch[1] = c->train.patch[2] = !row[DIMS] ? 32 : c->model.padding == UN_CFG_PAD_VALID ? 20 : 16;
    st = un_train_settle(c, 2, &err);
    if (!st)
        st = un_config_check(c, &err);
    return st;
}

static void tell_row(char *to, size_t room, const int *row)
{
    to[0] = 0;
    for (int f = 0; f < FACTORS; f++)
        snprintf(to + strlen(to), room - strlen(to), "%s%s", f ? " " : "", name_of(f, row[f]));
}

/* A refusal names what has to change. */
static int allowed(void *ctx, const int *row)
{
    static un_config c;
    unet_status st = configure(&c, row);
    char text[300];

    (void)ctx;
    if (!st)
        return 1;
    tell_row(text, sizeof text, row);
    if (st != UNET_E_CONFIG || !err.where[0] || !err.message[0])
        un_test_fail(__FILE__, __LINE__, "%s: '%s', '%s'", text, err.where, err.message);
    return 0;
}

/* The refusal of a pair names a key of one of the two, and is there with nothing but the two. */
static void missed(void *ctx, const int pair[4])
{
    int row[FACTORS] = {0}, named = 0;

    (void)ctx;
    row[pair[0]] = pair[1];
    row[pair[2]] = pair[3];
    if (allowed(NULL, row))
        un_test_fail(__FILE__, __LINE__, "no run with %s and %s", name_of(pair[0], pair[1]), name_of(pair[2], pair[3]));
    for (int side = 0; side < 4; side += 2) {
        const un_around_info *around = pair[side] == AROUND ? around_of(pair[side + 1]) : NULL;

        named |=
            around ? strstr(around->keys, err.where) != NULL : keys[pair[side]] && !strcmp(keys[pair[side]], err.where);
    }
    un_test_note("refused: %s with %s: %s", name_of(pair[0], pair[1]), name_of(pair[2], pair[3]), err.message);
    if (!named)
        un_test_fail(__FILE__, __LINE__, "%s with %s is refused for '%s'", name_of(pair[0], pair[1]),
            name_of(pair[2], pair[3]), err.where);
}

/* ---- runs ---- */

/* The loss on the first batch with what is dropped in the first step. */
static double first_loss(const un_model *m, const two_pictures *t)
{
    un_engine_spec spec = {.backend = un_backend_cpu(), .level = un_test_level()};
    un_step_result r;
    const un_batch *b;
    two_feed feed;
    un_engine *e;
    un_model *copy;

    CHECK_OK(un_model_create(&copy, NULL, &m->config, &err), &err);
    memcpy(copy->weights, m->weights, (size_t)m->graph->block_count * sizeof *m->weights);
    spec.model = copy;
    two_open(&feed, t, &m->config);
    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    CHECK_OK(two_start(&feed, 1, &err), &err);
    CHECK_OK(two_next(&feed, &b, &err), &err);
    CHECK_OK(un_engine_accumulate(e, b, 1, 0, 1, &err), &err);
    CHECK_OK(un_engine_apply(e, 1, 0, &r, &err), &err);
    un_engine_destroy(e);
    two_close(&feed);
    un_model_destroy(copy);
    return r.loss;
}

/* A score that falls, so that what waits for better ones has something to do. */
static unet_status select_first(void *ctx, const un_model *model, int64_t step, un_score *out, unet_error *e)
{
    (void)ctx, (void)model, (void)e;
    *out = (un_score){.score = -(double)step};
    return UNET_OK;
}

/* Returns whether the loss became lower. */
static int train_row(int index, const int *row, int seed)
{
    static un_config c;
    two_pictures t = {.c = 1};
    two_feed feed;
    un_train_result result;
    un_train_options o = {.backend = un_backend_cpu(),
        .level = un_test_level(),
        .folder = un_test_tmp(),
        .pictures = 2,
        .feed = {&feed, two_start, two_next, two_release}};
    char text[300];
    double before, after;

    tell_row(text, sizeof text, row);
    CHECK_OK(configure(&c, row), &err);
    c.train.seed = seed;
    if (row[SCHEDULE] == UN_CFG_SCHEDULE_PLATEAU)
        o.select = select_first;
    t.d = c.train.patch[0], t.h = c.train.patch[1], t.w = c.train.patch[2];
    t.planes = c.model.head == UN_CFG_HEAD_MULTILABEL;
    two_make(&t, 0.3);
    CHECK_OK(un_model_create(&o.model, NULL, &c, &err), &err);
    before = first_loss(o.model, &t);
    two_open(&feed, &t, &c);
    if (un_train(&o, NULL, &result, &err))
        un_test_fail(__FILE__, __LINE__, "%d: %s: %s: %s", index, text, err.where, err.message);
    two_close(&feed);
    after = first_loss(o.model, &t);
    un_test_note("%d: %s: loss %.4f -> %.4f%s", index, text, before, after, after < before ? "" : ", NOT LOWER");
    un_model_destroy(o.model);
    two_free(&t);
    return after < before;
}

/* Networks of four filters without norm may be dead from the start, and some losses jump: ohem with the set of hard
 * pixels, hausdorff with the first pixel that is predicted. These get another seed, which must be rare. */
static int learns(int index, const int *row, int *again)
{
    for (int seed = 1; seed <= SEEDS; seed++) {
        if (train_row(index, row, seed))
            return 1;
        ++*again;
    }
    return 0;
}

/* Whether the row shows a level for the first time. */
static int is_new(char (*seen)[64], const int *row)
{
    int some = 0;

    for (int f = 0; f < FACTORS; f++) {
        CHECK(row[f] < 64);
        some |= !seen[f][row[f]];
        seen[f][row[f]] = 1;
    }
    return some;
}

TEST(lower_their_loss)
{
    static char seen[FACTORS][64];
    covering c = {.factors = FACTORS, .most_rows = ROWS_MAX, .levels = levels, .allowed = allowed, .missed = missed};
    const int all = getenv("UNET_TEST_ALL") != NULL;
    int runs = 0, lower = 0, again = 0;

    count_levels();
    cover_pairs(&c);
    for (int i = c.rows - 1; i >= 0; i--) /* the last ones are the most mixed */
        if (is_new(seen, c.row + i * FACTORS) || all) {
            lower += learns(i, c.row + i * FACTORS, &again);
            runs++;
        }
    un_test_note("%d runs of %d that hold every pair, %d of them with another seed", runs, c.rows, again);
    free(c.row);
    CHECK(again <= 1 + runs / 100);
    if (lower < runs)
        un_test_fail(__FILE__, __LINE__, "%d of %d runs did not lower their loss (run with -v)", runs - lower, runs);
}

/* Each word of the choices that make a variant stands in a preset, so that it is trained here. */
TEST(presets_have_every_part)
{
    static const char *const parts[] = {
        "model.block", "model.recalibrate", "model.gate", "model.decoder", "model.bottom", "model.stem"};
    const char *word;

    for (size_t k = 0; k < UN_COUNT(parts); k++)
        for (int i = 0; (word = word_of(parts[k], i)); i++) {
            size_t p = 0;
            static un_config c;
            un_text t;
            char line[80];

            snprintf(line, sizeof line, "  %s: %s\n", strchr(parts[k], '.') + 1, word);
            for (; p < un_preset_count(); p++) {
                int has;

                CHECK_OK(un_config_init(&c, NULL, &err), &err);
                CHECK_OK(un_config_preset(&c, NULL, un_preset_at(p)->name, &err), &err);
                un_text_init(&t, NULL, 1 << 20);
                CHECK_OK(un_config_write(&c, &t, NULL, &err), &err);
                has = strstr(t.s, line) != NULL;
                un_text_free(&t);
                if (has)
                    break;
            }
            if (p == un_preset_count())
                un_test_fail(__FILE__, __LINE__, "no preset has %s=%s", parts[k], word);
        }
}
