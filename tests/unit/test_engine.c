/* One step at a time: the tree of ghost batches, memory stated and held, scores of selections. */
#include "two_pictures.h"

#include "base/size.h"
#include "train/engine.h"
#include "train/schedule.h"
#include "train/select.h"

static unet_error err;

enum { SIDE = 32 };

static two_pictures pictures = {.d = 1, .h = SIDE, .w = SIDE, .c = 1};

/* A network with an engine that is ready. */
typedef struct run {
    un_model *model;
    two_feed feed;
} run;

static void open_run(run *r, const char *text)
{
    un_config *c = un_alloc(NULL, sizeof *c);

    if (!pictures.image[0])
        two_make(&pictures, 0.4);
    CHECK_OK(un_config_init(c, NULL, &err), &err);
    CHECK_OK(un_config_parse(c, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_train_settle(c, 2, &err), &err);
    CHECK_OK(un_model_create(&r->model, NULL, c, &err), &err);
    two_open(&r->feed, &pictures, c);
    un_free(c);
}

static void close_run(run *r)
{
    two_close(&r->feed);
    un_model_destroy(r->model);
}

static void fill_samples(un_batch *b, int first)
{
    for (int n = 0; n < b->n; n++)
        for (int i = 0; i < SIDE * SIDE; i++) {
            const int k = (first + n) & 1, shift = (first + n) * 3;
            const int from = i / SIDE * SIDE + (i + shift) % SIDE;

            b->image[n * SIDE * SIDE + i] = pictures.image[k][from];
            b->target[n * SIDE * SIDE + i] = pictures.mask[k][from];
        }
    b->first = first;
}

static un_engine *engine_for(run *r)
{
    const un_engine_spec spec = {.model = r->model, .backend = un_backend_cpu(), .level = un_test_level()};
    un_engine *e;

    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    return e;
}

/* Both engines hold gradients of one batch: a plain step moves both by the same. */
static void compare_steps(un_engine *a, un_engine *b, int64_t count)
{
    const float *x = un_engine_block(a, UN_BLOCK_PARAM), *y = un_engine_block(b, UN_BLOCK_PARAM);
    double worst = 0, most = 0;
    float *before = un_alloc(NULL, (size_t)count * sizeof *before);
    un_step_result result;

    memcpy(before, x, (size_t)count * sizeof *before);
    CHECK_OK(un_engine_apply(a, 1, 0.5, &result, &err), &err);
    CHECK_OK(un_engine_apply(b, 1, 0.5, &result, &err), &err);
    for (int64_t i = 0; i < count; i++) {
        worst = fmax(worst, fabs((double)x[i] - (double)y[i]));
        most = fmax(most, fabs((double)x[i] - (double)before[i]));
    }
    CHECK(most > 0 && worst < 1e-4 * most);
    un_free(before);
}

/* The gradient block lies where activations were: of these nothing is left, neither where running values and frozen
 * weights have their places nor between parameters, and the norm is that of the gradients. */
TEST(gradient_block_holds_gradients_alone)
{
    run r;
    un_engine *e;
    const un_graph *g;
    un_step_result result;

    open_run(&r,
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 2, base_filters: 18, head: softmax, norm: batch}\n"
        "train: {steps: 2, batch: 2, patch: [32, 32]}\noptimiser: {name: sgd, clip_norm: 0}\n");
    g = r.model->graph;
    for (int i = 0; i < g->n_params; i++)
        if (!strncmp(g->param[i].name, "enc1.conv", 9))
            r.model->graph->param[i].trainable = 0;
    e = engine_for(&r);
    for (int step = 1; step <= 2; step++) {
        double norm = 0;

        fill_samples(&r.feed.b, step);
        CHECK_OK(un_engine_accumulate(e, &r.feed.b, step, 0, 1, &err), &err);
        for (int i = 0; i < g->n_params; i++) {
            const un_param *p = &g->param[i];
            const int64_t end = i + 1 < g->n_params ? p[1].offset : g->block_count;

            for (int64_t k = p->offset; k < end; k++) {
                const double v = (double)un_engine_gradient(e)[k];

                if (!p->trainable || k >= p->offset + p->count)
                    CHECK(v == 0);
                norm += v * v;
            }
        }
        CHECK_OK(un_engine_apply(e, step, 0.1, &result, &err), &err);
        CHECK_NEAR(result.grad_norm, sqrt(norm), 1e-6 * sqrt(norm));
        CHECK(result.loss > 0.3);
    }
    un_engine_destroy(e);
    close_run(&r);
}

/* Seven ghost batches of one: the tree is ((0+1)+(2+3)) + ((4+5)+6), to the bit; and the mean is the gradient
 * of the batch of seven (no norm looks across samples, plain cross-entropy). */
TEST(ghost_tree)
{
    static const char text[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: "
        "instance}\n"
        "train: {steps: 2, batch: 7, ghost_batch: %d, patch: [32, 32]}\nloss: {terms: [ce]}\n"
        "optimiser: {name: sgd, clip_norm: 0}\n";
    char buf[400];
    float *g[7];
    run one, all;
    un_engine *e, *whole;
    int64_t count;
    double worst = 0, most = 0;

    snprintf(buf, sizeof buf, text, 1);
    open_run(&one, buf);
    snprintf(buf, sizeof buf, text, 7);
    open_run(&all, buf);
    e = engine_for(&one);
    count = one.model->graph->block_count;
    for (int i = 0; i < 7; i++) {
        fill_samples(&one.feed.b, i);
        CHECK_OK(un_engine_accumulate(e, &one.feed.b, 1, 0, 1, &err), &err);
        g[i] = un_alloc(NULL, (size_t)count * sizeof *g[i]);
        memcpy(g[i], un_engine_gradient(e), (size_t)count * sizeof *g[i]);
    }
    for (int i = 0; i < 7; i++) {
        fill_samples(&one.feed.b, i);
        CHECK_OK(un_engine_accumulate(e, &one.feed.b, 1, i, 7, &err), &err);
    }
    whole = engine_for(&all);
    fill_samples(&all.feed.b, 0);
    CHECK_OK(un_engine_accumulate(whole, &all.feed.b, 1, 0, 1, &err), &err);
    for (int64_t i = 0; i < count; i++) {
        const float sum = ((g[0][i] + g[1][i]) + (g[2][i] + g[3][i])) + ((g[4][i] + g[5][i]) + g[6][i]);

        CHECK(sum == un_engine_gradient(e)[i]);
        worst = fmax(worst, fabs((double)sum / 7 - (double)un_engine_gradient(whole)[i]));
        most = fmax(most, fabs((double)un_engine_gradient(whole)[i]));
    }
    CHECK(most > 0 && worst < 1e-5 * most);
    compare_steps(e, whole, count);
    for (int i = 0; i < 7; i++)
        un_free(g[i]);
    un_engine_destroy(e);
    un_engine_destroy(whole);
    close_run(&one);
    close_run(&all);
}

/* Valid padding: the loss looks at the target's centre alone, and at all of it. */
TEST(target_is_cut_to_the_centre)
{
    static const char text[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: none, "
        "padding: valid}\n"
        "train: {steps: 2, batch: 1, ghost_batch: 1, patch: [32, 32]}\nloss: {terms: [ce]}\n";
    const int edge[2] = {8, SIDE - 9}; /* 32 pixels in, 16 out: two convolutions, pooling, two, up, two */
    run r;
    un_engine *e;
    un_step_result base, other;

    open_run(&r, text);
    e = engine_for(&r);
    fill_samples(&r.feed.b, 0);
    CHECK_OK(un_engine_accumulate(e, &r.feed.b, 1, 0, 1, &err), &err);
    CHECK_OK(un_engine_apply(e, 1, 0, &base, &err), &err);
    for (int axis = 0; axis < 2; axis++)
        for (int end = 0; end < 2; end++)
            for (int out = 0; out < 2; out++) { /* one line turned round: the last inside, the first outside */
                const int line = edge[end] + (end ? out : -out);

                fill_samples(&r.feed.b, 0);
                for (int i = 0; i < SIDE; i++) {
                    int32_t *t = &r.feed.b.target[axis ? i * SIDE + line : line * SIDE + i];

                    *t = 1 - *t;
                }
                CHECK_OK(un_engine_accumulate(e, &r.feed.b, 1, 0, 1, &err), &err);
                CHECK_OK(un_engine_apply(e, 1, 0, &other, &err), &err);
                CHECK(out ? other.loss == base.loss : other.loss != base.loss);
            }
    un_engine_destroy(e);
    close_run(&r);
}

/* ---- selection ---- */

static un_batch picture_batch(const two_pictures *t, int k)
{
    un_picture p;

    CHECK_OK(two_load((void *)(uintptr_t)t, k, NULL, &p, &err), &err);
    return (un_batch){.n = 1,
        .d = p.d,
        .h = p.h,
        .w = p.w,
        .c = p.c,
        .classes = 2,
        .image = p.image,
        .target = p.target,
        .soft = p.soft};
}

/* The loss that selection may go by is that of training on whole pictures; the Dice is the one counted by hand. */
static void check_selection(const char *head, int planes)
{
    two_pictures t = {.d = 1, .h = 20, .w = 24, .c = 1, .planes = planes};
    const un_picture_source source = {.ctx = &t, .count = 2, .load = two_load};
    const un_selector_spec spec = {.source = &source, .predict = {.session = {.level = un_test_level()}}};
    char text[500];
    double loss = 0;
    un_selector *s;
    un_score *score = un_alloc_zero(NULL, sizeof *score);
    un_engine *e;
    run r;

    two_make(&t, 0.2);
    snprintf(text, sizeof text,
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: %s, norm: none}\n"
        "train: {steps: 1, batch: 1, patch: [20, 24], select: loss}\n"
        "loss: {terms: [{name: ce, weight: 0.5}, dice]%s}\n",
        head, planes ? "" : ", class_weights: [1, 3]");
    open_run(&r, text);
    e = engine_for(&r);
    for (int k = 0; k < 2; k++) {
        un_batch b = picture_batch(&t, k);
        un_step_result step;

        CHECK_OK(un_engine_accumulate(e, &b, 1, 0, 1, &err), &err);
        CHECK_OK(un_engine_apply(e, 1, 0, &step, &err), &err); /* rate 0: the weights stay */
        loss += step.loss / 2;
        un_free(b.image);
        un_free(b.target);
        un_free(b.soft);
    }
    CHECK_OK(un_selector_create(&s, NULL, &spec, &err), &err);
    CHECK_OK(un_selector_score(s, r.model, score, &err), &err);
    CHECK_NEAR(score->score, -loss, 2e-6);
    CHECK(score->dice_mean >= 0 && score->dice_mean <= 1 && score->n_classes == 2);
    r.model->config.train.select = UN_CFG_SELECT_DICE;
    CHECK_OK(un_selector_score(s, r.model, score, &err), &err);
    CHECK_NEAR(score->score, planes ? (score->dice[0] + score->dice[1]) / 2 : score->dice[1], 1e-15);
    un_selector_destroy(s);
    un_engine_destroy(e);
    un_free(score);
    close_run(&r);
    two_free(&t);
}

TEST(selection)
{
    check_selection("softmax", 0);
    check_selection("sigmoid", 0);
    check_selection("multilabel", 1);
}

/* Dropout belongs to the sample, wherever its ghost batch begins: two of one sample give the mean that one of two
 * gives. */
TEST(dropout_follows_the_sample)
{
    static const char text[] = "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, "
                               "norm: none, dropout: 0.5}\n"
                               "train: {steps: 2, batch: 2, ghost_batch: %d, patch: [32, 32]}\nloss: {terms: [ce]}\n";
    char buf[400];
    un_engine *e[2];
    double worst = 0, most = 0;
    run r[2];

    for (int k = 0; k < 2; k++) {
        snprintf(buf, sizeof buf, text, k + 1);
        open_run(&r[k], buf);
        e[k] = engine_for(&r[k]);
        for (int g = 0; g < 2 - k; g++) {
            fill_samples(&r[k].feed.b, g);
            CHECK_OK(un_engine_accumulate(e[k], &r[k].feed.b, 1, g, 2 - k, &err), &err);
        }
    }
    for (int64_t i = 0; i < r[0].model->graph->block_count; i++) {
        worst = fmax(worst, fabs((double)un_engine_gradient(e[0])[i] / 2 - (double)un_engine_gradient(e[1])[i]));
        most = fmax(most, fabs((double)un_engine_gradient(e[1])[i]));
    }
    CHECK(most > 0 && worst < 1e-5 * most);
    for (int k = 0; k < 2; k++) {
        un_engine_destroy(e[k]);
        close_run(&r[k]);
    }
}

/* Computing inner values again changes no bit and needs less memory: first what norms make, then whole blocks. */
LONG_TEST(recompute)
{
    static const char *const text[] = {"model: {dims: 2, in_channels: 1, classes: 2, depth: 3, base_filters: 4, head: "
                                       "softmax, norm: batch, dropout: 0.3}\n",
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 2, base_filters: 4, head: softmax, norm: none, "
        "downsample: conv,"
        " activation: gelu, dropout: 0.2, dropout_at: all}\n",
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 2, base_filters: 4, head: softmax, norm: group, "
        "norm_groups: 2,"
        " upsample: bilinear, convs_per_level: [1, 3, 2]}\n",
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 2, base_filters: 16, head: softmax, norm: batch}\n"};
    static const char *const how[] = {"off", "norms", "on"};
    char buf[500];

    for (size_t i = 0; i < UN_COUNT(text); i++) {
        size_t bytes[3];
        un_engine *e[3];
        run r[3];

        for (int k = 0; k < 3; k++) {
            un_engine_spec spec = {.backend = un_backend_cpu(), .level = un_test_level()};
            un_step_result result;

            snprintf(buf, sizeof buf, "%strain: {steps: 4, batch: 4, ghost_batch: 2, patch: [32, 32], recompute: %s}\n",
                text[i], how[k]);
            open_run(&r[k], buf);
            spec.model = r[k].model;
            CHECK_OK(un_engine_create(&e[k], NULL, &spec, &err), &err);
            CHECK_OK(un_engine_start(e[k], &err), &err);
            bytes[k] = un_engine_bytes(e[k]);
            for (int step = 1; step <= 3; step++) {
                for (int g = 0; g < 2; g++) {
                    fill_samples(&r[k].feed.b, 2 * g);
                    CHECK_OK(un_engine_accumulate(e[k], &r[k].feed.b, step, g, 2, &err), &err);
                }
                CHECK_OK(un_engine_apply(e[k], step, 0.01, &result, &err), &err);
            }
        }
        un_test_note("%zu bytes, norms %zu, blocks %zu", bytes[0], bytes[1], bytes[2]);
        CHECK(strstr(text[i], "norm: none") ? bytes[1] == bytes[0] : bytes[1] < bytes[0]);
        CHECK(bytes[2] < bytes[1]);
        for (int k = 1; k < 3; k++)
            CHECK(!memcmp(
                r[0].model->weights, r[k].model->weights, (size_t)r[0].model->graph->block_count * sizeof(float)));
        for (int k = 0; k < 3; k++) {
            un_engine_destroy(e[k]);
            close_run(&r[k]);
        }
    }
}

/* What is stated before the start is what is then held: all but the few KiB of names and steps. */
static void compare_memory(const char *optimiser)
{
    static const char base[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 3, base_filters: 16, head: softmax, norm: batch}\n"
        "train: {steps: 24, batch: 4, ghost_batch: 1, patch: [64, 64]}\n";
    char text[400];
    un_mem *mem = un_mem_create(NULL);
    un_engine *e;
    un_engine_spec spec = {.backend = un_backend_cpu(), .level = un_test_level(), .keep_best = 1};
    size_t before, held;
    run r;

    snprintf(text, sizeof text, "%soptimiser: {%s}\n", base, optimiser);
    open_run(&r, text);
    spec.model = r.model;
    CHECK_OK(un_engine_create(&e, mem, &spec, &err), &err);
    before = un_mem_live(mem);
    CHECK_OK(un_engine_start(e, &err), &err);
    held = un_mem_live(mem) - before;
    un_test_note("stated %zu, held %zu bytes", un_engine_bytes(e), held);
    CHECK(held >= un_engine_bytes(e) && held < un_engine_bytes(e) / 50 * 51 + (64 << 10));
    un_engine_destroy(e);
    close_run(&r);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

TEST(memory_as_stated)
{
    compare_memory("name: adamw");
    compare_memory("name: amsgrad, lookahead: 5, sam_rho: 0.05");
    compare_memory("name: sgd, momentum: 0, average: swa");
}

/* SAM: the gradient is the one a plain engine has at the weights moved by rho g / |g|; weights and running values come
 * back. */
static void compare_uphill(const char *network)
{
    static const char text[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: batch%s}\n"
        "train: {steps: 2, batch: 2, patch: [32, 32]}\noptimiser: {sam_rho: %s}\n";
    char buf[400];
    run plain, sam;
    un_engine *a, *b;
    int64_t count;
    double norm = 0;
    float *w;

    snprintf(buf, sizeof buf, text, network, "0");
    open_run(&plain, buf);
    snprintf(buf, sizeof buf, text, network, "0.05");
    open_run(&sam, buf);
    a = engine_for(&plain);
    b = engine_for(&sam);
    count = plain.model->graph->block_count;
    w = un_engine_block(a, UN_BLOCK_PARAM);
    fill_samples(&plain.feed.b, 0);
    fill_samples(&sam.feed.b, 0);
    CHECK_OK(un_engine_accumulate(a, &plain.feed.b, 1, 0, 1, &err), &err);
    CHECK_OK(un_engine_accumulate(b, &sam.feed.b, 1, 0, 1, &err), &err);
    CHECK(!memcmp(w, un_engine_block(b, UN_BLOCK_PARAM), (size_t)count * sizeof *w));
    for (int64_t i = 0; i < count; i++)
        norm += (double)un_engine_gradient(a)[i] * (double)un_engine_gradient(a)[i];
    for (int64_t i = 0; i < count; i++)
        w[i] += (float)(0.05 * (double)un_engine_gradient(a)[i] / sqrt(norm));
    CHECK_OK(un_engine_accumulate(a, &plain.feed.b, 1, 0, 1, &err), &err);
    for (int64_t i = 0; i < count; i++)
        CHECK_NEAR(un_engine_gradient(b)[i], un_engine_gradient(a)[i], 1e-5 * sqrt(norm));
    un_engine_destroy(a);
    un_engine_destroy(b);
    close_run(&plain);
    close_run(&sam);
}

/* The memory of the picture serves other values in the second network. */
TEST(gradient_uphill)
{
    compare_uphill("");
    compare_uphill(", stem: space_to_depth, stem_size: 2");
}

/* Rate and decay of each parameter by hand, later groups over earlier ones: one plain step. */
TEST(groups_have_their_own_settings)
{
    static const char text[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: batch}\n"
        "train: {steps: 4, batch: 2, patch: [32, 32]}\n"
        "optimiser: {name: sgd, momentum: 0, nesterov: false, weight_decay: 0.1, clip_norm: 0, groups: [{part: "
        "encoder, "
        "lr: 0.5}, {kind: norms, weight_decay: 0.2}, {part: head, lr: 2, weight_decay: 0.3}, {name: enc0.conv1, lr: "
        "3}, "
        "{part: head, kind: biases, lr: 4}]}\n";
    un_step_result result;
    const float *w, *g;
    float *before;
    un_engine *e;
    run r;

    open_run(&r, text);
    e = engine_for(&r);
    w = un_engine_block(e, UN_BLOCK_PARAM);
    before = un_alloc_array(NULL, (size_t)r.model->graph->block_count, sizeof *before);
    memcpy(before, w, (size_t)r.model->graph->block_count * sizeof *before);
    fill_samples(&r.feed.b, 0);
    CHECK_OK(un_engine_accumulate(e, &r.feed.b, 1, 0, 1, &err), &err);
    g = un_engine_gradient(e);
    CHECK_OK(un_engine_apply(e, 1, 0.25, &result, &err), &err);
    for (int i = 0; i < r.model->graph->n_params; i++) {
        const un_param *p = &r.model->graph->param[i];
        const int head = !strncmp(p->name, "head", 4), conv1 = !strncmp(p->name, "enc0.conv1", 10),
                  norm = p->role == UN_PARAM_NORM_SCALE || p->role == UN_PARAM_NORM_SHIFT;
        const double rate = head                          ? p->role == UN_PARAM_BIAS ? 4 : 2
                            : conv1                       ? 3
                            : !strncmp(p->name, "enc", 3) ? 0.5
                                                          : 1,
                     decay = head   ? p->role == UN_PARAM_BIAS || p->role == UN_PARAM_WEIGHT ? 0.3 : 0
                             : norm ? 0.2
                             : p->role == UN_PARAM_WEIGHT ? 0.1
                                                          : 0;

        for (int64_t k = p->offset; k < p->offset + p->count && p->trainable; k++) {
            const double was = (double)before[k], to = was - 0.25 * rate * ((double)g[k] + decay * was);

            if (!(fabs((double)w[k] - to) <= 1e-6 * (1 + fabs(to))))
                un_test_fail(__FILE__, __LINE__, "%s: %g where the rate %g and the decay %g give %g", p->name,
                    (double)w[k], rate, decay, to);
        }
    }
    un_free(before);
    un_engine_destroy(e);
    close_run(&r);
}

/* SWA: the average is the equal mean of the weights behind each third step from the first that counts on. */
TEST(average_of_chosen_steps)
{
    static const char text[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: none}\n"
        "train: {steps: 12, batch: 2, patch: [32, 32]}\n"
        "optimiser: {average: swa, swa_start: 0.25, swa_every: 3, name: sgd}\n";
    double *sum;
    int64_t count, first;
    int counted = 0;
    un_engine *e;
    run r;

    open_run(&r, text);
    e = engine_for(&r);
    count = r.model->graph->block_count;
    first = un_swa_first(&r.model->config);
    sum = un_alloc_array(NULL, (size_t)count, sizeof *sum);
    fill_samples(&r.feed.b, 0);
    for (int64_t step = 1; step <= 12; step++) {
        const float *w = un_engine_block(e, UN_BLOCK_PARAM);
        un_step_result result;

        CHECK_OK(un_engine_accumulate(e, &r.feed.b, step, 0, 1, &err), &err);
        CHECK_OK(un_engine_apply(e, step, 0.1, &result, &err), &err);
        if (step < first || (step - first) % 3)
            continue;
        counted++;
        for (int64_t i = 0; i < count; i++)
            sum[i] += (double)w[i];
        for (int64_t i = 0; i < count; i++)
            CHECK_NEAR(un_engine_block(e, UN_BLOCK_EMA)[i], sum[i] / counted, 1e-6);
    }
    CHECK(counted == 3 || counted == 4);
    un_free(sum);
    un_engine_destroy(e);
    close_run(&r);
}

/* SWA: running values are the mean of the statistics of the batches, as the averaged weights see them. */
TEST(statistics_taken_anew)
{
    static const char text[] =
        "model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 3, head: softmax, norm: batch, "
        "norm_momentum: %s}\n"
        "train: {steps: 4, batch: 2, patch: [32, 32]}\noptimiser: {average: swa, swa_start: 0}\n";
    float *block[2];
    un_engine *e[2];
    run r[2];
    int running = 0;

    for (int i = 0; i < 2; i++) { /* one batch of momentum 1 has its own statistics; two of 0.1 their mean */
        char buf[400];

        snprintf(buf, sizeof buf, text, i ? "0.1" : "1");
        open_run(&r[i], buf);
        e[i] = engine_for(&r[i]);
        block[i] = un_engine_block(e[i], UN_BLOCK_EMA);
        CHECK(!un_engine_wants_statistics(e[i], 0) && un_engine_wants_statistics(e[i], 2));
        fill_samples(&r[i].feed.b, 0);
        CHECK_OK(un_engine_statistics(e[i], &r[i].feed.b, 0, 1 + i, &err), &err);
    }
    CHECK_OK(un_engine_statistics(e[1], &r[1].feed.b, 1, 2, &err), &err);
    for (int i = 0; i < r[0].model->graph->n_params; i++) {
        const un_param *p = &r[0].model->graph->param[i];

        for (int64_t k = p->offset; k < p->offset + p->count; k++) {
            CHECK_NEAR(block[1][k], block[0][k], 1e-6);
            running += p->role == UN_PARAM_RUNNING_VAR && block[0][k] != 1;
        }
    }
    CHECK(running > 0);
    for (int i = 0; i < 2; i++) {
        un_engine_destroy(e[i]);
        close_run(&r[i]);
    }
}
