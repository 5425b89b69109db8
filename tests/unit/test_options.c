/* Each pair of options of the network that the program takes stands in at least one of these networks. Each of them:
 * its gradient in double is the slope of its loss, it learns two pictures by heart, survives saving and loading,
 * predicts them, and goes on after a stop to the same bits. UNET_TEST_ALL: all; else those of small pictures. */
#include "covering.h"
#include "slope.h"
#include "two_pictures.h"

#include <stdlib.h>

#include "base/math.h"
#include "base/size.h"
#include "run/predict.h"
#include "train/restore.h"
#include "train/schedule.h"

static unet_error err;

/* ---- the covering set ---- */

enum { FACTORS = 19, LEVELS_MAX = 6, ROWS_MAX = 80, NO_ROW = -1, PIXELS_MOST = 70000, PIXELS_QUICK = 2500 };

typedef struct factor {
    const char *key;
    const char *value[LEVELS_MAX]; /* NULL: end */
} factor;

enum {
    DIMS,
    NORM,
    ACT,
    UP,
    DOWN,
    PADDING,
    HEAD,
    DROPOUT,
    SKIPS,
    KERNEL,
    CONVS,
    DEPTH,
    INIT,
    BIAS,
    FILTERS,
    STRIDES,
    OPTIM,
    CHANNELS,
    CLASSES
};

static const factor factors[FACTORS] = {
    [DIMS] = {"model.dims", {"2", "3"}},
    [NORM] = {"model.norm", {"batch", "instance", "group", "none"}},
    [ACT] = {"model.activation", {"relu", "leaky_relu", "elu", "gelu", "silu", "none"}},
    [UP] = {"model.upsample", {"transpose", "bilinear", "nearest"}},
    [DOWN] = {"model.downsample", {"maxpool", "avgpool", "conv"}},
    [PADDING] = {"model.padding", {"same", "valid"}},
    [HEAD] = {"model.head", {"softmax", "sigmoid", "multilabel"}},
    [DROPOUT] = {"model.dropout_at", {"bottom", "all", "all"}}, /* none, plain, spatial */
    [SKIPS] = {"model.skips", {"true", "false", "mixed"}},
    [KERNEL] = {"model.kernel", {"3", "1", "5", "mixed"}},
    [CONVS] = {"model.convs_per_level", {"2", "1", "mixed"}},
    [DEPTH] = {"model.depth", {"1", "2", "3"}},
    [INIT] = {"model.init", {"he", "glorot", "orthogonal"}},
    [BIAS] = {"model.bias", {"auto", "on", "off"}},
    [FILTERS] = {"model.growth", {"2", "1.5", "1", "4"}}, /* 4: up to the cap */
    [STRIDES] = {"model.strides", {"2", "mixed"}},
    [OPTIM] = {"optimiser.name", {"adamw", "adam", "sgd"}},
    [CHANNELS] = {"model.in_channels", {"1", "2", "3"}},
    [CLASSES] = {"model.classes", {"2", "3"}},
};

static int rows[ROWS_MAX][FACTORS], n_rows, n_refused;

static int levels(int f)
{
    int n = 0;

    while (n < LEVELS_MAX && factors[f].value[n])
        n++;
    return n;
}

static un_config *configure(const int *r, int number, two_pictures *t, unet_status *st);

static void tell(char *to, size_t room, const int *row)
{
    to[0] = 0;
    for (int f = 0; f < FACTORS; f++)
        snprintf(to + strlen(to), room - strlen(to), "%s%s", f ? " " : "", factors[f].value[row[f]]);
}

/* Whatever the program takes, less what would only take long: large volumes. A refusal names the key that has to
 * change. */
static int allowed(void *ctx, const int *r)
{
    two_pictures t = {0};
    unet_status st;
    un_config *c = configure(r, 0, &t, &st);
    char text[300];

    (void)ctx;
    un_free(c);
    if (!st)
        return two_pixels(&t) <= PIXELS_MOST;
    tell(text, sizeof text, r);
    if (st != UNET_E_CONFIG || !err.where[0] || !err.message[0])
        un_test_fail(__FILE__, __LINE__, "%s: '%s', '%s'", text, err.where, err.message);
    return 0;
}

/* Only this pair is refused. */
static void missed(void *ctx, const int pair[4])
{
    int row[FACTORS] = {0};

    (void)ctx;
    row[pair[0]] = pair[1];
    row[pair[2]] = pair[3];
    if (allowed(NULL, row) || pair[0] != HEAD || pair[1] != 1 || pair[2] != CLASSES || pair[3] != 1)
        un_test_fail(__FILE__, __LINE__, "no network with %s %s and %s %s", factors[pair[0]].key,
            factors[pair[0]].value[pair[1]], factors[pair[2]].key, factors[pair[2]].value[pair[3]]);
    CHECK_STR(err.where, "model.classes");
    CHECK_STR(err.message, "3 classes; a sigmoid head tells 2 (background and foreground)");
    n_refused++;
}

static void cover(void)
{
    static int count[FACTORS];
    covering c = {.factors = FACTORS, .most_rows = ROWS_MAX, .levels = count, .allowed = allowed, .missed = missed};

    if (n_rows)
        return;
    for (int f = 0; f < FACTORS; f++)
        count[f] = levels(f);
    cover_pairs(&c);
    n_rows = c.rows;
    memcpy(rows, c.row, (size_t)n_rows * sizeof *rows);
    free(c.row);
    CHECK_INT(n_refused, 1);
    un_test_note("%d networks", n_rows);
}

/* ---- a row as a configuration ---- */

static void set(un_config *c, const char *fmt, const char *a, const char *b)
{
    char text[200];

    snprintf(text, sizeof text, fmt, a, b);
    CHECK_OK(un_config_set(c, NULL, text, &err), &err);
}

/* "mixed" by depth - 1. */
static const char *mixed(int f, int depth, int dims)
{
    static const char *const skips[3] = {"[true]", "[true, false]", "[true, false, true]"};
    static const char *const convs[3] = {"[1, 2]", "[2, 1, 3]", "[1, 2, 1, 2]"};
    static const char *const kernel[2][3] = {
        {"[[3, 5], [1, 1]]", "[[3, 1], [5, 3], [1, 1]]", "[[3, 3], [1, 5], [3, 1], [1, 1]]"},
        {"[[1, 3, 3], 3]", "[[1, 3, 3], 3, 1]", "[[1, 3, 3], [3, 1, 3], 3, 1]"}};
    static const char *const strides[2][3] = {{"[[2, 4]]", "[[2, 1], 2]", "[[2, 1], 2, [1, 2]]"},
        {"[[1, 2, 2]]", "[[1, 2, 2], 2]", "[[1, 2, 2], [2, 1, 2], 2]"}};

    switch (f) {
    case SKIPS:
        return skips[depth - 1];
    case KERNEL:
        return kernel[dims - 2][depth - 1];
    case CONVS:
        return convs[depth - 1];
    default:
        return strides[dims - 2][depth - 1];
    }
}

/* Extents of what the network makes of a picture of these; of its bottom too. */
static void infer(const un_graph *g, un_shape *s, const int in[3], int out[3], int bottom[3])
{
    memset(out, 0, 3 * sizeof *out);
    s[g->input[0]] = (un_shape){1, in[0], in[1], in[2], g->value[g->input[0]].channels};
    if (un_graph_infer(g, s, &err))
        return;
    for (int i = 0; i < g->n_nodes; i++)
        if (!strncmp(g->node[i].name, "up", 2)) {
            const un_shape low = s[g->node[i].in[0]], high = s[g->output[0]];

            memcpy(bottom, (int[]){low.d, low.h, low.w}, 3 * sizeof *bottom);
            memcpy(out, (int[]){high.d, high.h, high.w}, 3 * sizeof *out);
            return;
        }
}

/* The least picture of which the network shows four blocks by four; a block is no less than a pixel of the bottom.
 * (With valid padding larger ones are cut at a pooling.) Blocks begin where pixels of the bottom do: this is what a
 * network without skip connections can place. */
static void choose_extents(un_config *c, two_pictures *t)
{
    const int flat = c->model.dims == 2;
    int in[3] = {1, 0, 0}, out[3], bottom[3], grid[3], want[3];
    un_graph *g;
    un_shape *s;

    CHECK_OK(un_model_build(&g, NULL, &c->model, &err), &err);
    s = un_alloc_array(NULL, (size_t)g->n_values, sizeof *s);
    un_model_grid(&c->model, grid);
    t->block = c->model.depth > 2 ? 8 : 4;
    want[0] = flat ? 1 : UN_MAX(4, grid[0]);
    want[1] = want[2] = 4 * t->block;
    for (int k = 0; k < 3; k++) {
        const int axis = 2 - k;

        for (int n = want[axis]; axis || !flat; n++) {
            for (int a = flat; a <= axis; a++)
                in[a] = n;
            infer(g, s, in, out, bottom);
            CHECK(n < 400);
            if (out[axis] >= want[axis])
                break;
        }
    }
    infer(g, s, in, out, bottom);
    t->d = c->train.patch[0] = in[0];
    t->h = c->train.patch[1] = in[1];
    t->w = c->train.patch[2] = in[2];
    for (int a = 0; a < 3; a++) {
        t->shown[a] = out[a];
        t->border[a] = (in[a] - out[a]) / 2;
        t->first[a] = (in[a] - bottom[a] * grid[a]) / 2 % t->block;
    }
    t->c = c->model.in_channels;
    t->labels = c->model.classes;
    t->planes = c->model.head == UN_CFG_HEAD_MULTILABEL;
    un_free(s);
    un_graph_destroy(g);
}

static un_config *configure(const int *r, int number, two_pictures *t, unet_status *st)
{
    static const char *const rate[4][2] = {
        {"0.03", "0.2"}, {"0.03", "0.2"}, {"0.01", "0.1"}, {"0.01", "0.1"}}; /* by norm; sgd: higher */
    const int dims = r[DIMS] + 2, depth = r[DEPTH] + 1;
    un_config *c = un_alloc(NULL, sizeof *c);

    CHECK_OK(un_config_init(c, NULL, &err), &err);
    for (int f = 0; f < FACTORS; f++) {
        const char *v = factors[f].value[r[f]];

        set(c, "%s=%s", factors[f].key, strcmp(v, "mixed") ? v : mixed(f, depth, dims));
    }
    set(c, "%s=%s", "model.dropout", r[DROPOUT] ? "0.02" : "0");
    set(c, "%s=%s", "model.dropout_spatial", r[DROPOUT] == 2 ? "true" : "false");
    set(c, "%s=%s", "model.base_filters", "6");
    set(c, "%s=%s", "model.max_filters", "20");
    set(c, "%s=%s", "model.norm_groups", "2");
    set(c, "%s=%s", "train.batch", "2");
    set(c, "%s=%s", "train.ghost_batch", number % 2 ? "1" : "2");
    set(c, "%s=%s", "train.steps", "50");
    set(c, "%s=%s", "train.val_interval", "1000");
    set(c, "%s=%s", "train.checkpoint", "1000");
    set(c, "%s=%s", "optimiser.ema_decay", "0.8");
    set(c, "%s=%s", "optimiser.weight_decay", "0");
    set(c, "%s=%s", "optimiser.lr", rate[r[NORM]][r[OPTIM] == 2]);
    *st = un_config_check(c, &err);
    if (*st)
        return c;
    choose_extents(c, t);
    *st = un_train_settle(c, 2, &err);
    return c;
}

static un_config *configured(int row, two_pictures *t)
{
    unet_status st;
    un_config *c = configure(rows[row], row, t, &st);

    CHECK_OK(st, &err);
    return c;
}

static int left_out(const two_pictures *t)
{
    return !getenv("UNET_TEST_ALL") && two_pixels(t) > PIXELS_QUICK;
}

static void describe(int row, const char *what)
{
    char text[300] = "";

    if (row != NO_ROW)
        tell(text, sizeof text, rows[row]);
    un_test_note("%d: %s %s", row, text, what);
}

/* ---- gradient against slope ---- */

TEST(gradients)
{
    double worst = 0;
    int n = 0;

    cover();
    for (int row = 0; row < n_rows; row++) {
        two_pictures t = {0};
        un_config *c = configured(row, &t);
        double off;

        if (left_out(&t)) {
            un_free(c);
            continue;
        }
        n++;
        two_make(&t, 0.1);
        off = slope_gradient_error(c, &t, (uint32_t)row);
        worst = fmax(worst, off);
        if (!(off < 1e-5)) {
            describe(row, "has a wrong gradient");
            un_test_fail(__FILE__, __LINE__, "network %d: slope and gradient differ by %g (run with -v)", row, off);
        }
        two_free(&t);
        un_free(c);
    }
    un_test_note("%d networks, worst %.1e", n, worst);
}

/* ---- learning, saving, going on ---- */

/* Pixels of both pictures by plane: in the truth and in the prediction together, and in both. */
typedef struct overlap {
    double sum[3], both[3];
} overlap;

static void add_pixel(overlap *o, const two_pictures *t, int truth, const int *hit)
{
    for (int j = 0; j < two_labels(t); j++) {
        o->both[j] += two_plane(j, truth) && hit[j];
        o->sum[j] += two_plane(j, truth) + hit[j];
    }
}

/* Of the worst plane, the ground left out where classes exclude each other. */
static double dice_of(const overlap *o, const two_pictures *t)
{
    double least = 1;

    for (int j = 0; j < two_labels(t); j++)
        if (j != 1 || t->planes)
            least = fmin(least, 2 * o->both[j] / o->sum[j]);
    return least;
}

/* The picture's pixel of pixel i of what it shows. */
static int64_t shown_pixel(const two_pictures *t, int64_t i)
{
    const int *n = t->shown, *b = t->border;

    return ((i / n[2] / n[1] + b[0]) * t->h + i / n[2] % n[1] + b[1]) * t->w + i % n[2] + b[2];
}

static int64_t shown_pixels(const two_pictures *t)
{
    return (int64_t)t->shown[0] * t->shown[1] * t->shown[2];
}

/* With valid padding: over what the network shows. */
static double predicted_dice(const un_model *m, const two_pictures *t)
{
    const un_session_options o = {.level = un_test_level()};
    overlap sums = {{0}, {0}};
    un_session *s;
    un_shape z;
    float *p;

    CHECK_OK(un_session_create(&s, NULL, m, (un_shape){1, t->d, t->h, t->w, t->c}, &o, &err), &err);
    z = un_session_output(s);
    CHECK_INT(un_shape_pixels(z), shown_pixels(t));
    p = un_alloc_array(NULL, (size_t)un_shape_count(z), sizeof *p);
    for (int k = 0; k < 2; k++) {
        CHECK_OK(un_session_run(s, t->image[k], NULL, p, &err), &err);
        for (int64_t i = 0; i < un_shape_pixels(z); i++) {
            const float *q = p + z.c * i;
            int hit[3] = {0}, best = 0;

            for (int j = 1; j < z.c; j++)
                best = q[j] > q[best] ? j : best;
            for (int j = 0; j < two_labels(t); j++)
                hit[j] = t->planes ? q[j] > 0.5f : two_plane(j, z.c == 1 ? q[0] > 0.5f : best);
            add_pixel(&sums, t, t->mask[k][shown_pixel(t, i)], hit);
        }
    }
    un_free(p);
    un_session_destroy(s);
    return dice_of(&sums, t);
}

typedef struct stop {
    two_feed feed;
    int64_t at;
} stop;

static int cancel(void *ctx)
{
    const stop *s = ctx;

    return s->at && s->feed.step > s->at;
}

static unet_status train(un_model *m, const two_pictures *t, const char *folder, int64_t stop_at, int64_t extend)
{
    stop s = {.at = stop_at};
    un_train_result result;
    const un_train_options o = {.model = m,
        .backend = un_backend_cpu(),
        .level = un_test_level(),
        .folder = folder,
        .resume = extend >= 0,
        .extend = extend > 0 ? extend : 0,
        .pictures = 2,
        .feed = {&s.feed, two_start, two_next, two_release},
        .ctx = &s,
        .cancel = cancel};
    unet_status st;

    two_open(&s.feed, t, &m->config);
    st = un_train(&o, NULL, &result, &err);
    two_close(&s.feed);
    return st;
}

enum { NEW = -1, GO_ON = 0, ROUNDS = 1, ATTEMPTS = 8 };

/* One after the other, each with a seed of its own, until a network is there. Six filters without norm, skips and
 * biases may be dead from the start; kernels of 5 want lower rates and kernels of 1 higher ones; and to bring a border
 * back from the bottom alone, with three bilinear interpolations on the way, takes more steps. */
static const struct attempt {
    int steps, filters; /* times what the configuration says */
    double rate;
} attempts[ATTEMPTS] = {
    {1, 1, 1}, {2, 1, 0.3}, {6, 1, 0.3}, {2, 1, 3}, {12, 2, 0.3}, {12, 2, 0.3}, {12, 2, 0.3}, {12, 2, 1}};

/* Trained and, while that helps, extended. NULL: it did not get there. */
static un_model *learn(const un_config *c, const two_pictures *t, const char *folder, double *dice)
{
    un_model *m;

    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    CHECK_OK(train(m, t, folder, 0, NEW), &err);
    for (int round = 0; (*dice = predicted_dice(m, t)) < 0.98; round++) {
        un_model_destroy(m);
        if (round == ROUNDS)
            return NULL;
        CHECK_OK(un_train_restore(&m, NULL, folder, &err), &err);
        CHECK_OK(train(m, t, folder, 0, 50), &err);
    }
    return m;
}

/* The way of `unet predict` finds them too. It gets what is shown, and extends it as the picture was. */
static double dice_of_prediction(const un_model *m, const two_pictures *t)
{
    const un_predict_options o = {.session.level = un_test_level()};
    const size_t pixels = (size_t)shown_pixels(t), pixel = (size_t)t->c * sizeof(float);
    int32_t *class = un_alloc_array(NULL, pixels, sizeof *class);
    float *image = un_alloc_array(NULL, pixels, pixel);
    overlap sums = {{0}, {0}};
    un_predictor *p;

    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < pixels; i++)
            memcpy(image + i * (size_t)t->c, t->image[k] + shown_pixel(t, (int64_t)i) * t->c, pixel);
        CHECK_OK(un_predictor_classes(p, image, t->shown[0], t->shown[1], t->shown[2], class, &err), &err);
        for (size_t i = 0; i < pixels; i++) {
            int hit[3];

            for (int j = 0; j < two_labels(t); j++)
                hit[j] = t->planes ? class[i] >> j & 1 : two_plane(j, class[i]);
            add_pixel(&sums, t, t->mask[k][shown_pixel(t, (int64_t)i)], hit);
        }
    }
    un_predictor_destroy(p);
    un_free(image);
    un_free(class);
    return dice_of(&sums, t);
}

/* Knows the pictures by heart in the end; saved and loaded it says the same. */
static void check_learning(int row, const un_config *c, const two_pictures *t, const char *folder)
{
    char path[400], note[80];
    un_model *m = NULL, *again;
    double dice = 0;

    for (int i = 0; i < ATTEMPTS && !m; i++) {
        un_config tried = *c;

        snprintf(path, sizeof path, "%s/attempt%d", folder, i);
        tried.train.seed = 1 + i;
        tried.train.steps *= attempts[i].steps;
        tried.model.base_filters *= attempts[i].filters;
        tried.model.max_filters *= attempts[i].filters;
        tried.optimiser.lr *= attempts[i].rate;
        m = learn(&tried, t, path, &dice);
    }
    if (!m) {
        describe(row, "does not learn");
        un_test_fail(__FILE__, __LINE__, "network %d: Dice %.4f (run with -v)", row, dice);
    }
    snprintf(note, sizeof note, "Dice %.4f after %d steps", dice, (int)m->config.train.steps);
    describe(row, note);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    CHECK_OK(un_model_save(m, path, &err), &err);
    CHECK_OK(un_model_load(&again, NULL, path, &err), &err);
    CHECK(!memcmp(again->weights, m->weights, (size_t)m->graph->block_count * sizeof *m->weights));
    CHECK_NEAR(predicted_dice(again, t), dice, 0);
    if (!(dice_of_prediction(again, t) >= 0.98))
        un_test_fail(__FILE__, __LINE__, "network %d: predicted with Dice %.4f (run with -v)", row,
            dice_of_prediction(again, t));
    un_model_destroy(again);
    un_model_destroy(m);
}

/* Five steps in one go, and stopped after three of them. */
static void check_resume(un_config *c, const two_pictures *t, const char *folder)
{
    char path[2][400];
    un_model *whole, *m;

    c->train.steps = 5;
    for (int i = 0; i < 2; i++)
        snprintf(path[i], sizeof path[i], "%s/%d", folder, i);
    CHECK_OK(un_model_create(&whole, NULL, c, &err), &err);
    CHECK_OK(train(whole, t, path[0], 0, NEW), &err);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    CHECK_STATUS(train(m, t, path[1], 3, NEW), UNET_E_CANCELLED);
    un_model_destroy(m);
    CHECK_OK(un_train_restore(&m, NULL, path[1], &err), &err);
    CHECK_OK(train(m, t, path[1], 0, GO_ON), &err);
    CHECK(!memcmp(whole->weights, m->weights, (size_t)m->graph->block_count * sizeof *m->weights));
    un_model_destroy(m);
    un_model_destroy(whole);
}

TEST(learn_save_resume)
{
    cover();
    for (int row = 0; row < n_rows; row++) {
        two_pictures t = {0};
        un_config *c = configured(row, &t);
        char folder[300];

        if (left_out(&t)) {
            un_free(c);
            continue;
        }
        snprintf(folder, sizeof folder, "%s", un_test_tmp());
        two_make(&t, 0.1);
        check_learning(row, c, &t, folder);
        check_resume(c, &t, folder);
        two_free(&t);
        un_free(c);
    }
}

/* Depths 4 to 7 and a volume of depth 3: narrow, on pictures that end as two pixels at the bottom. */
TEST(deep)
{
    for (int depth = 3; depth <= 7; depth++) {
        const int d = depth == 3 ? 8 : 1, h = 1 << depth, w = 2 << depth;
        two_pictures t = {.d = d, .h = h, .w = w, .c = 1, .shown = {d, h, w}};
        un_config *c = un_alloc(NULL, sizeof *c);
        char text[400], folder[300];
        double off;

        snprintf(text, sizeof text,
            "model: {dims: %d, in_channels: 1, classes: 2, depth: %d, base_filters: 3, growth: 1.5, max_filters: 8, "
            "head: softmax, norm: group, norm_groups: 1, convs_per_level: 1}\n"
            "train: {steps: 40, batch: 2, ghost_batch: 2, patch: [%d, %d, %d], val_interval: 1000}\n"
            "optimiser: {lr: 0.01, ema_decay: 0.8}\n",
            depth == 3 ? 3 : 2, depth, t.d, t.h, t.w);
        CHECK_OK(un_config_init(c, NULL, &err), &err);
        CHECK_OK(un_config_parse(c, NULL, text, strlen(text), "test", &err), &err);
        CHECK_OK(un_train_settle(c, 2, &err), &err);
        two_make(&t, 0.1);
        off = slope_gradient_error(c, &t, (uint32_t)depth);
        if (!(off < 1e-5))
            un_test_fail(__FILE__, __LINE__, "depth %d: slope and gradient differ by %g", depth, off);
        snprintf(folder, sizeof folder, "%s", un_test_tmp());
        check_learning(NO_ROW, c, &t, folder);
        check_resume(c, &t, folder);
        two_free(&t);
        un_free(c);
    }
}
