/* Parts of networks with each other. Each two words of the keys below are refused with the key that the table names, or
 * make a network in which both of them show. Each pair that is taken stands in at least one of the rows, 2-D and 3-D:
 * its gradient in double is the slope of its loss, it lowers the loss of one batch in a few steps in which every
 * parameter moves, saved and loaded it says the same, and in windows as in one piece. A row is refused when one of its
 * pairs is. UNET_TEST_ALL: random rows more. */
#include "covering.h"
#include "logits.h"
#include "slope.h"
#include "two_pictures.h"
#include "words.h"

#include "base/size.h"
#include "model/graph_json.h"
#include "run/predict.h"
#include "train/engine.h"
#include "train/schedule.h"

static unet_error err;

enum { STEPS = 8, ROWS_MAX = 400, TRIES = 3000, RANDOM_ROWS = 2000, SEEDS = 3, MORE_ROWS = 300, WORDS_MAX = 20 };
enum {
    DIMS,
    BLOCK,
    RECALIBRATE,
    GATE,
    DECODER,
    BOTTOM,
    STEM,
    ENCODER,
    SUPERVISION,
    PADDING,
    SKIPS,
    NORM,
    DOWN,
    UP,
    HEAD,
    FACTORS
};

/* Words of the configuration's choices, or these. */
static const struct {
    const char *key, *value[4];
} factors[FACTORS] = {[DIMS] = {"model.dims", {"2", "3"}},
    [BLOCK] = {"model.block", {0}},
    [RECALIBRATE] = {"model.recalibrate", {0}},
    [GATE] = {"model.gate", {0}},
    [DECODER] = {"model.decoder", {0}},
    [BOTTOM] = {"model.bottom", {0}},
    [STEM] = {"model.stem", {0}},
    [ENCODER] = {"model.encoder", {0}},
    [SUPERVISION] = {"model.supervision", {"none", "[0.5]", "[0, 0.5]"}},
    [PADDING] = {"model.padding", {0}},
    [SKIPS] = {"model.skips", {"true", "false"}},
    [NORM] = {"model.norm", {0}},
    [DOWN] = {"model.downsample", {0}},
    [UP] = {"model.upsample", {0}},
    [HEAD] = {"model.head", {0}}};
static int levels[FACTORS];

static const char *value_of(int factor, int level)
{
    return factors[factor].value[0] ? factors[factor].value[level] : word_of(factors[factor].key, level);
}

static void count_levels(void)
{
    for (int f = 0; f < FACTORS; f++)
        for (levels[f] = 0; levels[f] < (factors[f].value[0] ? 4 : WORDS_MAX) && value_of(f, levels[f]);)
            levels[f]++;
}

/* ---- what does not go together ---- */

/* Two words, NULL: any but the first, and the factor whose key the refusal names; in the list of pairs that are taken:
 * the factor that does not show. */
typedef struct rule {
    int a;
    const char *a_word;
    int b;
    const char *b_word;
    int named;
} rule;

static const rule refused[] = {
    {ENCODER, NULL, DIMS, "3", DIMS},
    {ENCODER, NULL, STEM, NULL, STEM},
    {ENCODER, NULL, PADDING, "valid", PADDING},
    {DECODER, NULL, GATE, NULL, GATE},
    {DECODER, NULL, SKIPS, "false", SKIPS},
    {PADDING, "valid", BLOCK, "dense", BLOCK},
    {PADDING, "valid", BLOCK, "recurrent", BLOCK},
    {PADDING, "valid", BLOCK, "inverted", BLOCK},
    {PADDING, "valid", DECODER, NULL, DECODER},
    {PADDING, "valid", BOTTOM, NULL, BOTTOM},
    {PADDING, "valid", STEM, NULL, STEM},
    {PADDING, "valid", SUPERVISION, NULL, SUPERVISION},
};

/* An encoder has its own way down, gates stand in skip connections, a nested decoder of depth 2 has one further output,
 * and a full one makes everything larger linearly. */
static const rule hidden[] = {
    {ENCODER, NULL, DOWN, NULL, DOWN},
    {SKIPS, "false", GATE, NULL, GATE},
    {DECODER, "nested", SUPERVISION, "[0, 0.5]", SUPERVISION},
    {DECODER, "full", UP, NULL, UP},
};

static int is_word(int factor, const char *word, int level)
{
    return word ? !strcmp(word, value_of(factor, level)) : level > 0;
}

/* The factor that the rule for these two names; -1: there is none. */
static int rule_of(const rule *rules, size_t n, const int pair[4])
{
    for (size_t i = 0; i < n; i++)
        for (int turn = 0; turn < 4; turn += 2) {
            const int *a = pair + turn, *b = pair + 2 - turn;

            if (rules[i].a == a[0] && rules[i].b == b[0] && is_word(a[0], rules[i].a_word, a[1]) &&
                is_word(b[0], rules[i].b_word, b[1]))
                return rules[i].named;
        }
    return -1;
}

/* By the two words, either way round: 1 more than the factor that the refusal names; 0: the pair is taken. */
static char refusal[FACTORS][WORDS_MAX][FACTORS][WORDS_MAX];

static void prepare(void)
{
    count_levels();
    for (int a = 0; a < FACTORS; a++)
        for (int b = 0; b < FACTORS; b++)
            for (int i = 0; i < levels[a]; i++)
                for (int j = 0; j < levels[b]; j++)
                    refusal[a][i][b][j] = (char)(1 + rule_of(refused, UN_COUNT(refused), (int[]){a, i, b, j}));
}

/* Whether a pair of the row is refused; named: by this key, NULL: by any. */
static int is_refused(const int *row, const char *named)
{
    int some = 0;

    for (int a = 0; a < FACTORS; a++)
        for (int b = a + 1; b < FACTORS; b++) {
            const int key = refusal[a][row[a]][b][row[b]] - 1;

            some |= key >= 0 && (!named || !strcmp(named, factors[key].key));
        }
    return some;
}

/* ---- a row as a configuration ---- */

static unet_status set(un_config *c, const char *key, const char *value)
{
    char text[160];

    snprintf(text, sizeof text, "%s=%s", key, value);
    return un_config_set(c, NULL, text, &err);
}

/* Small enough for a test, though the lowest level has more than a pixel. Without padding one pooling is enough. */
static unet_status configure(un_config *c, const int *row)
{
    static const char *const fixed[][2] = {{"model.in_channels", "1"}, {"model.classes", "2"},
        {"model.base_filters", "6"}, {"model.norm_groups", "2"}, {"model.se_ratio", "1"}, {"model.strides", "2"},
        {"model.stem_size", "2"}, {"model.dilations", "[1, 2]"}, {"train.batch", "2"}, {"train.ghost_batch", "2"},
        {"train.steps", "8"}};
    const int volume = row[DIMS] > 0, valid = !strcmp(value_of(PADDING, row[PADDING]), "valid");
    unet_status st = un_config_init(c, NULL, &err);

    for (size_t i = 0; i < UN_COUNT(fixed) && !st; i++)
        st = set(c, fixed[i][0], fixed[i][1]);
    for (int f = 0; f < FACTORS && !st; f++)
        st = set(c, factors[f].key, value_of(f, row[f]));
    CHECK_OK(st, &err);
    c->model.depth = valid ? 1 : 2;
    c->train.patch[0] = !volume ? 1 : valid ? 20 : 8;
    c->train.patch[1] = c->train.patch[2] = valid ? 20 : volume ? 16 : 32;
    st = un_config_check(c, &err);
    return st ? st : un_train_settle(c, 2, &err);
}

static void tell(char *to, size_t room, const int *row)
{
    to[0] = 0;
    for (int f = 0; f < FACTORS; f++)
        snprintf(to + strlen(to), room - strlen(to), "%s%s", f ? " " : "", value_of(f, row[f]));
}

/* ---- pairs ---- */

/* The network as text, names of nodes and attributes included; un_free. */
static char *network_of(const int *row)
{
    static un_config c;
    un_graph *g;
    un_text t;

    CHECK_OK(configure(&c, row), &err);
    CHECK_OK(un_model_build(&g, NULL, &c.model, &err), &err);
    un_text_init(&t, NULL, 1 << 24);
    CHECK_OK(un_graph_to_json(g, &t, &err), &err);
    CHECK(!t.failed);
    un_graph_destroy(g);
    return t.s;
}

/* The words of a pair alone, all others the first. Each shows: without it the network is another, but for those that
 * are known to be hidden by the other. */
static void check_shown(const int pair[4])
{
    const int hides = rule_of(hidden, UN_COUNT(hidden), pair);
    int row[FACTORS] = {0};
    char *both;

    row[pair[0]] = pair[1];
    row[pair[2]] = pair[3];
    both = network_of(row);
    for (int side = 0; side < 4; side += 2) {
        char *without;

        if (!pair[side + 1])
            continue;
        row[pair[side]] = 0;
        without = network_of(row);
        row[pair[side]] = pair[side + 1];
        if (!strcmp(both, without) != (hides == pair[side]))
            un_test_fail(__FILE__, __LINE__, "%s %s with %s %s: %s", factors[pair[side]].key,
                value_of(pair[side], pair[side + 1]), factors[pair[2 - side]].key,
                value_of(pair[2 - side], pair[3 - side]), hides == pair[side] ? "shows" : "does not show");
        un_free(without);
    }
    un_free(both);
}

static void check_pair(const int pair[4])
{
    static un_config c;
    const int key = refusal[pair[0]][pair[1]][pair[2]][pair[3]] - 1;
    int row[FACTORS] = {0};
    unet_status st;

    row[pair[0]] = pair[1];
    row[pair[2]] = pair[3];
    st = configure(&c, row);
    if (st != (key < 0 ? UNET_OK : UNET_E_CONFIG) ||
        (st && (strcmp(err.where, factors[key].key) != 0 || !err.message[0])))
        un_test_fail(__FILE__, __LINE__, "%s %s with %s %s: '%s', '%s'", factors[pair[0]].key,
            value_of(pair[0], pair[1]), factors[pair[2]].key, value_of(pair[2], pair[3]), st ? err.where : "taken",
            st ? err.message : "");
    if (!st)
        check_shown(pair);
}

TEST(pairs_show_or_are_refused)
{
    int n = 0;

    prepare();
    for (int a = 0; a < FACTORS; a++)
        for (int b = a + 1; b < FACTORS; b++)
            for (int i = 0; i < levels[a]; i++)
                for (int j = 0; j < levels[b]; j++, n++)
                    check_pair((int[]){a, i, b, j});
    un_test_note("%d pairs", n);
}

/* ---- rows ---- */

/* Refused when one of its pairs is, with the key that such a pair names. */
TEST(rows_are_refused_by_their_pairs)
{
    static un_config c;
    int row[FACTORS], n = 0;
    un_rng random;
    char text[300];

    prepare();
    un_rng_init(&random, 5, UN_RNG_TEST, 0, 0, 0);
    for (int k = 0; k < RANDOM_ROWS; k++) {
        unet_status st;

        for (int f = 0; f < FACTORS; f++)
            row[f] = (int)un_rng_below(&random, levels[f]);
        st = configure(&c, row);
        n += !st;
        tell(text, sizeof text, row);
        if (st ? st != UNET_E_CONFIG || !is_refused(row, err.where) : is_refused(row, NULL))
            un_test_fail(__FILE__, __LINE__, "%s: '%s', '%s'", text, st ? err.where : "taken", st ? err.message : "");
    }
    un_test_note("%d of %d rows are taken", n, RANDOM_ROWS);
    CHECK(n > 20);
}

static int allowed(void *ctx, const int *row)
{
    (void)ctx;
    return !is_refused(row, NULL);
}

static void missed(void *ctx, const int pair[4])
{
    (void)ctx;
    if (!refusal[pair[0]][pair[1]][pair[2]][pair[3]])
        un_test_fail(
            __FILE__, __LINE__, "no row has %s and %s", value_of(pair[0], pair[1]), value_of(pair[2], pair[3]));
}

typedef struct learned {
    double first, last;
    const char *still; /* a parameter that did not move; NULL: all did */
} learned;

static const char *still_one(const un_model *m, const float *before)
{
    for (int i = 0; i < m->graph->n_params; i++) {
        const un_param *p = &m->graph->param[i];

        if (p->trainable && !memcmp(m->weights + p->offset, before + p->offset, (size_t)p->count * sizeof *before))
            return p->name;
    }
    return NULL;
}

/* Some steps on one batch; the last loss is that of the first step's random numbers. */
static learned learn(un_model *m, const un_batch *b)
{
    const un_engine_spec spec = {.model = m, .backend = un_backend_cpu(), .level = un_test_level()};
    const size_t bytes = (size_t)m->graph->block_count * sizeof *m->weights;
    float *before = un_alloc(NULL, bytes);
    learned out = {0};
    un_engine *e;

    memcpy(before, m->weights, bytes);
    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    for (int step = 1; step <= STEPS + 1; step++) {
        un_step_result r;

        CHECK_OK(un_engine_accumulate(e, b, step <= STEPS ? step : 1, 0, 1, &err), &err);
        CHECK_OK(un_engine_apply(e, step, step <= STEPS ? 0.002 : 0, &r, &err), &err);
        *(step == 1 ? &out.first : &out.last) = r.loss;
    }
    out.still = still_one(m, before);
    un_engine_destroy(e);
    un_free(before);
    return out;
}

static void check_kept(const un_model *m, const un_batch *b)
{
    char path[400];
    un_model *back;
    int64_t n, count;
    float *one, *two;

    snprintf(path, sizeof path, "%s/m.safetensors", un_test_tmp());
    CHECK_OK(un_model_save(m, path, &err), &err);
    CHECK_OK(un_model_load(&back, NULL, path, &err), &err);
    one = logits_of(m, b, un_test_level(), &n);
    two = logits_of(back, b, un_test_level(), &count);
    CHECK_INT(n, count);
    CHECK(!memcmp(one, two, (size_t)n * sizeof *one));
    for (int64_t i = 0; i < n; i++)
        CHECK(isfinite(one[i]));
    un_free(one);
    un_free(two);
    un_model_destroy(back);
}

/* ---- windows ---- */

typedef struct taken {
    float *p;
    int h, w, c;
} taken;

static unet_status take(void *ctx, int z0, int z1, int y0, int y1, const float *p, unet_error *e)
{
    const taken *t = ctx;

    (void)e;
    memcpy(t->p + ((int64_t)z0 * t->h + y0) * t->w * t->c, p,
        (size_t)(z1 - z0) * (size_t)(y1 - y0) * (size_t)(t->w * t->c) * sizeof *p);
    return UNET_OK;
}

static float *noise(int64_t count)
{
    float *v = un_alloc_array(NULL, (size_t)count, sizeof *v);
    un_rng r;

    un_rng_init(&r, 9, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < count; i++)
        v[i] = (float)un_rng_normal(&r);
    return v;
}

/* Probabilities of a picture of noise, in windows of at most so many pixels along the width (0: one piece); un_free. */
static float *predicted(const un_model *m, const int extent[3], int tile, int *windows)
{
    const un_predict_options o = {.mode = UN_CFG_PREDICT_EXACT, .session.level = un_test_level(), .tile = {0, 0, tile}};
    const int64_t pixels = (int64_t)extent[0] * extent[1] * extent[2];
    taken t = {NULL, extent[1], extent[2], un_model_channels(&m->config.model)};
    float *image = noise(pixels);
    un_predictor *p;
    un_tiling tiling;

    t.p = un_alloc_array(NULL, (size_t)(pixels * t.c), sizeof *t.p);
    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    CHECK_OK(un_predictor_tiling(p, extent[0], extent[1], extent[2], &tiling, &err), &err);
    CHECK_OK(un_predictor_run(p, image, extent[0], extent[1], extent[2], take, &t, &err), &err);
    *windows = tiling.count[0] * tiling.count[1] * tiling.count[2];
    un_predictor_destroy(p);
    un_free(image);
    return t.p;
}

/* Logits of about 1 in place of hundreds, whose rounding would be seen: the head's weights are divided. */
static void tame(un_model *m)
{
    const un_config *c = &m->config;
    const int *patch = c->train.patch;
    un_batch b = {.n = 1, .d = patch[0], .h = patch[1], .w = patch[2], .c = 1};
    double most = 0;
    int64_t count;
    float *v;

    b.image = noise((int64_t)b.d * b.h * b.w);
    v = logits_of(m, &b, un_test_level(), &count);
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, fabs((double)v[i]));
    for (int i = 0; i < m->graph->n_params; i++) {
        const un_param *p = &m->graph->param[i];

        for (int64_t k = 0; k < p->count && !strncmp(p->name, "head.", 5); k++)
            m->weights[p->offset + k] /= (float)fmax(most, 1e-3);
    }
    un_free(v);
    un_free(b.image);
}

/* A network of a finite reach says the same window by window. Returns whether it is one. */
static int check_windows(const un_model *m, const char *text)
{
    int grid[3], extent[3] = {m->config.model.dims == 3 ? 6 : 1, 14, 0}, pieces, windows, tile;
    float *whole, *cut;
    un_reach reach;

    un_model_grid(&m->config.model, grid);
    CHECK_OK(un_model_reach(m->graph, grid, &reach, &err), &err);
    if (reach.whole_patch)
        return 0;
    tile = reach.before[2] + reach.after[2] + 8 * grid[2];
    extent[2] = tile + 3 * grid[2] + 1;
    whole = predicted(m, extent, 0, &pieces);
    cut = predicted(m, extent, tile, &windows);
    if (pieces != 1 || windows < 2)
        un_test_fail(__FILE__, __LINE__, "%s: %d pieces and %d windows", text, pieces, windows);
    for (int64_t i = 0; i < (int64_t)extent[0] * extent[1] * extent[2] * un_model_channels(&m->config.model); i++)
        if (!(fabsf(whole[i] - cut[i]) < 1e-5f))
            un_test_fail(__FILE__, __LINE__, "%s: %g in one piece, %g in windows of %d", text, (double)whole[i],
                (double)cut[i], tile);
    un_free(whole);
    un_free(cut);
    return 1;
}

/* The row without what looks at the whole patch. */
static int check_row_in_windows(const int *row)
{
    static const struct {
        int factor;
        const char *whole[2], *instead;
    } parts[] = {{RECALIBRATE, {"se", "scse"}, "none"}, {NORM, {"instance", "group"}, "batch"},
        {BOTTOM, {"aspp", NULL}, "dilated"}};
    static un_config c;
    int near[FACTORS], finite;
    char text[300];
    un_model *m;

    memcpy(near, row, sizeof near);
    for (size_t i = 0; i < UN_COUNT(parts); i++)
        for (int k = 0; k < 2 && parts[i].whole[k]; k++)
            if (is_word(parts[i].factor, parts[i].whole[k], row[parts[i].factor]))
                for (near[parts[i].factor] = 0; !is_word(parts[i].factor, parts[i].instead, near[parts[i].factor]);)
                    near[parts[i].factor]++;
    tell(text, sizeof text, near);
    CHECK_OK(configure(&c, near), &err);
    CHECK_OK(un_model_create(&m, NULL, &c, &err), &err);
    tame(m);
    finite = check_windows(m, text);
    un_model_destroy(m);
    return finite;
}

/* Whether it learned with one of some seeds: narrow networks without norms may be dead from the start. */
static int train_row(const un_config *c, const two_pictures *t, const char *text, int *again)
{
    for (int seed = 1; seed <= SEEDS; seed++) {
        un_config tried = *c;
        const un_batch *b;
        two_feed feed;
        un_model *m;
        learned l;

        tried.train.seed = seed;
        two_open(&feed, t, &tried);
        CHECK_OK(two_start(&feed, 1, &err), &err);
        CHECK_OK(two_next(&feed, &b, &err), &err);
        CHECK_OK(un_model_create(&m, NULL, &tried, &err), &err);
        l = learn(m, b);
        check_kept(m, b);
        un_test_note(
            "%s: loss %.4f -> %.4f%s%s", text, l.first, l.last, l.still ? ", still " : "", l.still ? l.still : "");
        un_model_destroy(m);
        two_close(&feed);
        if (l.last < l.first && !l.still)
            return 1;
        ++*again;
    }
    return 0;
}

/* Encoders have gradients of their own (test_encoders.c), and would take long. */
static void check_row(const int *row, int index, int *again)
{
    static un_config c;
    two_pictures t = {.c = 1};
    char text[300];
    double off = 0;

    tell(text, sizeof text, row);
    CHECK_OK(configure(&c, row), &err);
    t.d = c.train.patch[0], t.h = c.train.patch[1], t.w = c.train.patch[2];
    t.planes = c.model.head == UN_CFG_HEAD_MULTILABEL;
    two_make(&t, 0.3);
    if (!row[ENCODER])
        off = slope_gradient_error(&c, &t, (uint32_t)index);
    if (!(off < 1e-5))
        un_test_fail(__FILE__, __LINE__, "%s: slope and gradient differ by %g", text, off);
    if (!train_row(&c, &t, text, again))
        un_test_fail(__FILE__, __LINE__, "%s: does not learn (run with -v)", text);
    two_free(&t);
}

/* Random rows that are taken, for what only three words together show. */
static int check_more(int count, int *again)
{
    un_rng random;
    int row[FACTORS], n = 0;

    un_rng_init(&random, 7, UN_RNG_TEST, 0, 0, 0);
    while (n < count) {
        for (int f = 0; f < FACTORS; f++)
            row[f] = (int)un_rng_below(&random, levels[f]);
        if (allowed(NULL, row)) {
            check_row(row, ROWS_MAX + n++, again);
            check_row_in_windows(row);
        }
    }
    return n;
}

static covering covered(void)
{
    covering c = {.factors = FACTORS,
        .most_rows = ROWS_MAX,
        .tries = TRIES,
        .levels = levels,
        .allowed = allowed,
        .missed = missed};

    prepare();
    cover_pairs(&c);
    return c;
}

TEST(rows_learn)
{
    covering c = covered();
    int again = 0, runs;

    for (int i = 0; i < c.rows; i++)
        check_row(c.row + i * FACTORS, i, &again);
    runs = c.rows + check_more(getenv("UNET_TEST_ALL") ? MORE_ROWS : 0, &again);
    un_test_note("%d rows that hold every pair, %d more, %d runs with another seed", c.rows, runs - c.rows, again);
    CHECK(again <= 1 + runs / 50);
    free(c.row);
}

TEST(rows_in_windows)
{
    covering c = covered();
    int n = 0;

    for (int i = 0; i < c.rows; i++)
        n += check_row_in_windows(c.row + i * FACTORS);
    un_test_note("%d of %d rows have a finite reach", n, c.rows);
    CHECK(n > c.rows / 2);
    free(c.row);
}
