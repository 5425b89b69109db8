/* Each pair of options of the network stands in at least one of these networks. Each of them: its gradient in
 * double is the slope of its loss, it learns two pictures by heart, survives saving and loading, and goes on
 * after a stop to the same bits. */
#include "covering.h"
#include "two_pictures.h"

#include <stdlib.h>

#include "base/math.h"
#include "base/size.h"
#include "graph/planner.h"
#include "run/predict.h"
#include "train/restore.h"
#include "train/schedule.h"

static unet_error err;

/* ---- the covering set ---- */

enum { FACTORS = 19, LEVELS_MAX = 6, ROWS_MAX = 80, NO_ROW = -1 };

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

static int rows[ROWS_MAX][FACTORS], n_rows;

static int levels(int f)
{
    int n = 0;

    while (n < LEVELS_MAX && factors[f].value[n])
        n++;
    return n;
}

/* Valid padding eats wide borders: kept small. Without a skip at level 0 it could not place the border
 * exactly. The two pictures show two classes: a third, never seen, goes with softmax. */
static int allowed(void *ctx, const int *r)
{
    (void)ctx;
    if (r[CLASSES] == 1 && r[HEAD] != 0)
        return 0;
    if (r[DEPTH] == 2 && (r[PADDING] == 1 || r[DIMS] == 1)) /* volumes of depth 3: below */
        return 0;
    if (r[DEPTH] == 2 && r[NORM] == 3 && r[SKIPS] == 1) /* six filters, nothing that keeps them alive */
        return 0;
    if (r[PADDING] == 1 && (r[KERNEL] >= 2 || r[SKIPS] == 1 || (r[DIMS] == 1 && r[DEPTH] == 1)))
        return 0;
    return 1;
}

static void cover(void)
{
    static int count[FACTORS];
    covering c = {.factors = FACTORS, .most_rows = ROWS_MAX, .levels = count, .allowed = allowed};

    if (n_rows)
        return;
    for (int f = 0; f < FACTORS; f++)
        count[f] = levels(f);
    cover_pairs(&c);
    n_rows = c.rows;
    memcpy(rows, c.row, (size_t)n_rows * sizeof *rows);
    free(c.row);
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

/* Smallest extents from `least` on that give the network's output the room of `least`. */
static void choose_extents(un_config *c, two_pictures *t)
{
    const int flat = c->model.dims == 2, deep = c->model.depth > 2, valid = c->model.padding == UN_CFG_PAD_VALID;
    un_graph *g;
    un_shape *s;
    int fits = 0;

    CHECK_OK(un_model_build(&g, NULL, &c->model, &err), &err);
    s = un_alloc_array(NULL, (size_t)g->n_values, sizeof *s);
    for (int i = 0; !fits; i++) {
        const un_shape in = {1, flat ? 1 : 4 + 4 * i, 16 + 4 * i, 16 + 4 * i, c->model.in_channels};

        CHECK(i < 20);
        s[g->input[0]] = in;
        fits = !un_graph_infer(g, s, &err) && s[g->output[0]].h >= (valid ? 8 : deep ? 32 : 16);
        c->train.patch[0] = t->d = in.d;
        c->train.patch[1] = t->h = in.h;
        c->train.patch[2] = t->w = in.w;
    }
    t->c = c->model.in_channels;
    t->planes = c->model.head == UN_CFG_HEAD_MULTILABEL;
    t->block = deep ? 8 : 4; /* a pixel of the bottom */
    un_free(s);
    un_graph_destroy(g);
}

static un_config *configure(int row, two_pictures *t)
{
    static const char *const rate[4][2] = {
        {"0.03", "0.2"}, {"0.03", "0.2"}, {"0.01", "0.1"}, {"0.01", "0.1"}}; /* by norm; sgd: higher */
    const int *r = rows[row], dims = r[DIMS] + 2, depth = r[DEPTH] + 1;
    un_config *c = un_alloc(NULL, sizeof *c);

    CHECK_OK(un_config_init(c, NULL, &err), &err);
    for (int f = 0; f < FACTORS; f++) {
        const char *v = factors[f].value[r[f]];

        set(c, "%s=%s", factors[f].key, strcmp(v, "mixed") ? v : mixed(f, depth, dims));
    }
    set(c, "%s=%s", "model.dropout", r[DROPOUT] ? "0.05" : "0");
    set(c, "%s=%s", "model.dropout_spatial", r[DROPOUT] == 2 ? "true" : "false");
    set(c, "%s=%s", "model.base_filters", "6");
    set(c, "%s=%s", "model.max_filters", "20");
    set(c, "%s=%s", "model.norm_groups", "2");
    set(c, "%s=%s", "train.batch", "2");
    set(c, "%s=%s", "train.ghost_batch", row % 2 ? "1" : "2");
    set(c, "%s=%s", "train.steps", "50");
    set(c, "%s=%s", "train.val_interval", "1000");
    set(c, "%s=%s", "train.checkpoint", "1000");
    set(c, "%s=%s", "optimiser.ema_decay", "0.8");
    set(c, "%s=%s", "optimiser.lr", rate[r[NORM]][r[OPTIM] == 2]);
    set(c, "%s=%s", "train.patch", dims == 2 ? "[16, 16]" : "[4, 16, 16]");
    choose_extents(c, t);
    CHECK_OK(un_train_settle(c, 2, &err), &err);
    return c;
}

static void describe(int row, const char *what)
{
    char text[400] = "";

    for (int f = 0; f < FACTORS && row != NO_ROW; f++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s", factors[f].value[rows[row][f]]);
    un_test_note("%d:%s %s", row, text, what);
}

/* ---- gradient against slope, in double ---- */

typedef struct checked {
    un_objective *o;
    un_plan *plan;
    un_program *program;
    double *param, *grad;
    int64_t count;
} checked;

static void start_check(checked *k, const un_model *m, const un_config *c)
{
    const un_plan_options doubles = {.doubles = 1, .training = 1};
    un_program_spec spec = {.level = UN_CPU_REF, .seed = 7};
    un_shape in[4];

    CHECK_OK(un_objective_create(&k->o, NULL, m->graph, c, 0, &err), &err);
    CHECK_OK(un_objective_inputs(k->o,
                 (un_shape){c->train.ghost_batch, c->train.patch[0], c->train.patch[1], c->train.patch[2],
                     c->model.in_channels},
                 in, &err),
        &err);
    CHECK_OK(un_plan_create(&k->plan, NULL, k->o->accumulate, in, &doubles, &err), &err);
    k->count = m->graph->block_count;
    k->param = un_alloc_array(NULL, (size_t)k->count, sizeof *k->param);
    k->grad = un_alloc_array(NULL, (size_t)k->count, sizeof *k->grad);
    for (int64_t i = 0; i < k->count; i++)
        k->param[i] = (double)m->weights[i];
    spec.plan = k->plan;
    spec.blocks = (un_blocks){.param = k->param, .grad = k->grad};
    CHECK_OK(un_backend_cpu()->compile(&k->program, NULL, &spec, &err), &err);
}

/* Targets have the extents of the logits: the centre of the batch's. */
static void load_check(const checked *k, const un_batch *b)
{
    const un_backend *cpu = un_backend_cpu();
    const un_shape z = k->plan->shape[k->o->logits];
    const int planes = k->o->accumulate->value[k->o->target].type == UN_TYPE_F32;
    const int64_t pixels = (int64_t)b->n * b->d * b->h * b->w;
    double *image = un_alloc_array(NULL, (size_t)(pixels * b->c), sizeof *image);
    float *target = un_alloc_array(NULL, (size_t)un_shape_pixels(z) * 2, sizeof *target), *to = target;

    for (int64_t i = 0; i < pixels * b->c; i++)
        image[i] = (double)b->image[i];
    cpu->upload(k->program, k->o->image, image);
    for (int n = 0; n < z.n; n++)
        for (int d = 0; d < z.d; d++)
            for (int h = 0; h < z.h; h++)
                for (int w = 0; w < z.w; w++) {
                    const int64_t at =
                        ((((int64_t)n * b->d + d + (b->d - z.d) / 2) * b->h) + h + (b->h - z.h) / 2) * b->w + w +
                        (b->w - z.w) / 2;

                    if (planes)
                        memcpy(to, b->soft + 2 * at, 2 * sizeof *to);
                    else
                        memcpy(to, b->target + at, sizeof *to);
                    to += planes ? 2 : 1;
                }
    cpu->upload(k->program, k->o->target, target);
    un_free(image);
    un_free(target);
}

/* Inputs are loaded each time: their memory serves others once they are read. */
static double loss_at(const checked *k, const un_batch *b)
{
    un_step s = {.step = 1, .grad_scale = 1};
    double sum = 0;

    load_check(k, b);
    CHECK_OK(un_backend_cpu()->run(k->program, &s, &err), &err);
    for (int i = 0; i < k->o->n_terms; i++) {
        double parts[UN_TERM_PARTS];

        for (int p = 0; p < k->o->term[i].n_parts; p++)
            un_backend_cpu()->download(k->program, k->o->term[i].value[p], &parts[p]);
        sum += k->o->term[i].weight * un_loss_term_value(&k->o->term[i], 0, parts);
    }
    return sum;
}

/* Along random directions d: (f(w + e d) - f(w - e d)) / 2e against g.d. A kink of ReLU or a tie of
 * max-pooling between the two points spoils one direction, not all: the best of three counts. */
static double slope_error(const checked *k, const un_graph *g, const un_batch *b, un_rng *random)
{
    const double e = 1e-7;
    double *d = un_alloc_array(NULL, (size_t)k->count, sizeof *d),
           *w = un_alloc_array(NULL, (size_t)k->count, sizeof *w);
    double *grad = un_alloc_array(NULL, (size_t)k->count, sizeof *w), best = INFINITY, up, down;

    memcpy(w, k->param, (size_t)k->count * sizeof *w);
    loss_at(k, b);
    memcpy(grad, k->grad, (size_t)k->count * sizeof *w);
    for (int t = 0; t < 3 && !(best < 1e-6); t++) {
        double slope = 0, size = 0;

        for (int i = 0; i < g->n_params; i++)
            for (int64_t j = 0; j < g->param[i].count; j++)
                d[g->param[i].offset + j] = g->param[i].trainable ? un_rng_normal(random) : 0;
        for (int64_t i = 0; i < k->count; i++) {
            slope += grad[i] * d[i];
            size += fabs(grad[i] * d[i]);
            k->param[i] = w[i] + e * d[i];
        }
        up = loss_at(k, b);
        for (int64_t i = 0; i < k->count; i++)
            k->param[i] = w[i] - e * d[i];
        down = loss_at(k, b);
        best = fmin(best, fabs((up - down) / (2 * e) - slope) / fmax(size, 1e-12));
    }
    memcpy(k->param, w, (size_t)k->count * sizeof *w);
    un_free(d);
    un_free(w);
    un_free(grad);
    return best;
}

static double gradient_error(const un_config *c, const two_pictures *t, uint32_t stream)
{
    const un_batch *b;
    checked k = {0};
    un_model *m;
    two_feed feed;
    un_rng random;
    double off;

    two_open(&feed, t, c);
    CHECK_OK(un_model_create(&m, NULL, c, &err), &err);
    start_check(&k, m, c);
    CHECK_OK(two_start(&feed, 1, &err), &err);
    CHECK_OK(two_next(&feed, &b, &err), &err);
    un_rng_init(&random, 11, UN_RNG_TEST, stream, 0, 0);
    off = slope_error(&k, m->graph, b, &random);
    un_backend_cpu()->destroy(k.program);
    un_plan_destroy(k.plan);
    un_objective_destroy(k.o);
    un_free(k.param);
    un_free(k.grad);
    un_model_destroy(m);
    two_close(&feed);
    return off;
}

TEST(gradients)
{
    double worst = 0;

    cover();
    for (int row = 0; row < n_rows; row++) {
        two_pictures t = {0};
        un_config *c = configure(row, &t);
        double off;

        two_make(&t, 0.1);
        off = gradient_error(c, &t, (uint32_t)row);
        worst = fmax(worst, off);
        if (!(off < 1e-5)) {
            describe(row, "has a wrong gradient");
            un_test_fail(__FILE__, __LINE__, "network %d: slope and gradient differ by %g (run with -v)", row, off);
        }
        two_free(&t);
        un_free(c);
    }
    un_test_note("worst %.1e", worst);
}

/* ---- learning, saving, going on ---- */

/* Dice of the ball over both pictures. Valid padding: over the part that training saw, the centre. */
static double predicted_dice(const un_model *m, const two_pictures *t)
{
    const un_session_options o = {.level = un_test_level()};
    double both = 0, sum = 0;
    un_session *s;
    un_shape z;
    float *p;

    CHECK_OK(un_session_create(&s, NULL, m, (un_shape){1, t->d, t->h, t->w, t->c}, &o, &err), &err);
    z = un_session_output(s);
    p = un_alloc_array(NULL, (size_t)un_shape_count(z), sizeof *p);
    for (int k = 0; k < 2; k++) {
        CHECK_OK(un_session_run(s, t->image[k], NULL, p, &err), &err);
        for (int64_t i = 0; i < un_shape_pixels(z); i++) {
            const int64_t d = i / z.w / z.h + (t->d - z.d) / 2, h = i / z.w % z.h + (t->h - z.h) / 2,
                          w = i % z.w + (t->w - z.w) / 2;
            const int truth = t->mask[k][(d * t->h + h) * t->w + w];
            const float *q = p + z.c * i;
            const int hit = z.c == 1 || t->planes ? q[0] > 0.5f : q[1] > q[0] && (z.c == 2 || q[1] > q[2]);

            both += hit && truth;
            sum += hit + truth;
        }
    }
    un_free(p);
    un_session_destroy(s);
    return 2 * both / sum;
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

enum { NEW = -1, GO_ON = 0, ROUNDS = 5, SEEDS = 4 };

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

/* The way of `unet predict` finds the ball too. With valid padding it extends the picture, which training did not:
 * there the border is anything. */
static void check_prediction(const un_model *m, const two_pictures *t)
{
    const un_predict_options o = {.session.level = un_test_level()};
    const int valid = m->config.model.padding == UN_CFG_PAD_VALID;
    int32_t *class = un_alloc_array(NULL, (size_t)two_pixels(t), sizeof *class);
    double both = 0, sum = 0;
    un_predictor *p;

    CHECK_OK(un_predictor_create(&p, NULL, m, &o, &err), &err);
    for (int k = 0; k < 2; k++) {
        CHECK_OK(un_predictor_classes(p, t->image[k], t->d, t->h, t->w, class, &err), &err);
        for (int64_t i = 0; i < two_pixels(t); i++) {
            const int hit = t->planes ? class[i] & 1 : class[i] == 1;

            both += hit && t->mask[k][i];
            sum += hit + t->mask[k][i];
        }
    }
    CHECK(valid || 2 * both / sum >= 0.98);
    un_predictor_destroy(p);
    un_free(class);
}

/* Knows the pictures by heart in the end; saved and loaded it says the same. Networks of six filters without
 * norm, skips and biases may be dead from the start: they get another seed. */
static void check_learning(int row, un_config *c, const two_pictures *t, const char *folder)
{
    char path[400], note[80];
    un_model *m = NULL, *again;
    double dice = 0;

    for (int i = 0; i < SEEDS && !m; i++) {
        snprintf(path, sizeof path, "%s/seed%d", folder, i);
        c->train.seed = 1 + i;
        m = learn(c, t, path, &dice);
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
    check_prediction(again, t);
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
        un_config *c = configure(row, &t);
        char folder[300];

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
        two_pictures t = {.d = depth == 3 ? 8 : 1, .h = 1 << depth, .w = 2 << depth, .c = 1};
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
        off = gradient_error(c, &t, (uint32_t)depth);
        if (!(off < 1e-5))
            un_test_fail(__FILE__, __LINE__, "depth %d: slope and gradient differ by %g", depth, off);
        snprintf(folder, sizeof folder, "%s", un_test_tmp());
        check_learning(NO_ROW, c, &t, folder);
        check_resume(c, &t, folder);
        two_free(&t);
        un_free(c);
    }
}
