/* The parts of training that run without a backend: schedules, graphs of the objective, checkpoints, logs. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/size.h"
#include "config/optimisers.h"
#include "io/safetensors.h"
#include "kernels/args.h"
#include "model/build.h"
#include "train/checkpoint.h"
#include "train/objective.h"
#include "train/runlog.h"
#include "train/schedule.h"
#include "train/watch.h"

static un_config cfg;
static unet_error err;

#define BASE                                                                                                           \
    "model: {dims: 2, in_channels: 1, classes: 3, depth: 1, base_filters: 2, head: softmax, norm: batch}\n"            \
    "train: {steps: 200, batch: 4, patch: [8, 8]}\n"

static void configure(const char *text)
{
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_parse(&cfg, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_train_settle(&cfg, 0, &err), &err);
}

/* ---- schedules ---- */

TEST(schedule_values)
{
    un_cfg_optimiser o = {.lr = 0.5, .min_lr = 0.1, .warmup = 4, .power = 2, .schedule = UN_CFG_SCHEDULE_COSINE};

    CHECK_NEAR(un_schedule_lr(&o, 1, 12), 0.125, 0);
    CHECK_NEAR(un_schedule_lr(&o, 4, 12), 0.5, 0);
    CHECK_NEAR(un_schedule_lr(&o, 5, 12), 0.5, 1e-16);
    CHECK_NEAR(un_schedule_lr(&o, 9, 12), 0.3, 1e-15); /* the middle: t = 1/2 */
    CHECK_NEAR(un_schedule_lr(&o, 7, 12), 0.1 + 0.4 * (1 + sqrt(0.5)) / 2, 1e-15);
    CHECK_NEAR(un_schedule_lr(&o, 13, 12), 0.1, 1e-15);
    o.schedule = UN_CFG_SCHEDULE_POLY;
    CHECK_NEAR(un_schedule_lr(&o, 5, 12), 0.5, 1e-15);
    CHECK_NEAR(un_schedule_lr(&o, 9, 12), 0.1 + 0.4 * 0.25, 1e-15);
    CHECK_NEAR(un_schedule_lr(&o, 12, 12), 0.1 + 0.4 / 64, 1e-15);
    CHECK_NEAR(un_schedule_lr(&o, 20, 12), 0.1, 0);
    o.schedule = UN_CFG_SCHEDULE_CONSTANT;
    CHECK_NEAR(un_schedule_lr(&o, 12, 12), 0.5, 0);
    o.warmup = 0;
    CHECK_NEAR(un_schedule_lr(&o, 1, 12), 0.5, 0);
    o.warmup = 20; /* longer than the run */
    CHECK_NEAR(un_schedule_lr(&o, 12, 12), 0.3, 1e-16);
}

/* ---- courses of the learning rate ---- */

/* Rates of thirty steps, from tools/optim_values.py; warmup: steps before them. */
typedef struct rates_case {
    const char *row;
    int warmup;
    un_cfg_optimiser set; /* members that are 0 stay auto */
    double rate[35];
} rates_case;

#define SET(...)                                                                                                       \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static const rates_case rates_cases[] = {
#define RATES(row, warmup, set, ...) {row, warmup, SET set, {__VA_ARGS__}},
#include "../golden/rates.inc"
#undef RATES
};

static un_cfg_schedule schedule_named(const char *name)
{
    for (int i = 0; i < un_schedule_count(); i++)
        if (!strcmp(un_schedule_info_of((un_cfg_schedule)i)->name, name))
            return (un_cfg_schedule)i;
    un_test_fail(__FILE__, __LINE__, "no schedule is called %s", name);
    return UN_CFG_SCHEDULE_CONSTANT;
}

static void set_rates(const rates_case *r)
{
    const un_cfg_optimiser *s = &r->set;
    un_cfg_optimiser *o = &cfg.optimiser;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    o->lr = 0.1;
    o->warmup = r->warmup;
    o->schedule = schedule_named(r->row);
    o->min_lr = s->min_lr;
#define TAKE(key)                                                                                                      \
    if (s->key != 0)                                                                                                   \
    o->key = s->key
    TAKE(power);
    TAKE(factor);
    TAKE(period);
    TAKE(stretch);
    TAKE(start);
    TAKE(rise);
    TAKE(plateau_patience);
    TAKE(plateau_cooldown);
#undef TAKE
    cfg.train.min_delta = 0.01;
    CHECK_OK(un_optimiser_check(&cfg, NULL, &err), &err); /* no key that the row lacks */
}

/* Of the selection behind step s, as the script has it. */
static double plateau_score(int s)
{
    static const double scores[] = {0.1, 0.3, 0.5, 0.505, 0.5, 0.49, 0.5, 0.6, 0.6, 0.605};

    return s < (int)UN_COUNT(scores) ? scores[s] : 0.6;
}

TEST(rates_as_pytorch)
{
    for (size_t i = 0; i < UN_COUNT(rates_cases); i++) {
        const rates_case *r = &rates_cases[i];
        un_plateau plateau = {.factor = 1};

        set_rates(r);
        for (int s = 0; s < 30 + r->warmup; s++) {
            const double lr =
                un_plateau_lr(&plateau, &cfg.optimiser, un_schedule_lr(&cfg.optimiser, s + 1, 30 + r->warmup));

            if (!(fabs(lr - r->rate[s]) <= 1e-14))
                un_test_fail(
                    __FILE__, __LINE__, "%s, step %d: %.17g, PyTorch has %.17g", r->row, s + 1, lr, r->rate[s]);
            if (cfg.optimiser.schedule == UN_CFG_SCHEDULE_PLATEAU)
                un_plateau_score(&plateau, &cfg, plateau_score(s));
        }
    }
}

/* No schedule goes below min_lr. */
TEST(lowest_rates)
{
    static const char *const rows[] = {"step", "multi_step", "exponential", "triangular", "triangular2", "exp_range"};
    char text[400];

    for (size_t i = 0; i < UN_COUNT(rows); i++) {
        double least = 1;

        snprintf(text, sizeof text, BASE "optimiser: {lr: 0.5, min_lr: 0.2, warmup: 0, schedule: %s}\n", rows[i]);
        configure(text);
        for (int64_t step = 1; step <= 200; step++)
            least = fmin(least, un_schedule_lr(&cfg.optimiser, step, 200));
        CHECK_NEAR(least, 0.2, 1e-15);
    }
}

/* A row without a case of its own is a row without proof. */
TEST(each_schedule_has_values)
{
    for (int i = 0; i < un_schedule_count(); i++) {
        const char *name = un_schedule_info_of((un_cfg_schedule)i)->name;
        int found = 0;

        for (size_t k = 0; k < UN_COUNT(rates_cases); k++)
            found |= !strcmp(rates_cases[k].row, name);
        if (!found)
            un_test_fail(__FILE__, __LINE__, "%s has no case in tools/optim_values.py", name);
    }
}

/* Any length of run and any step give a rate from 0 to lr. */
TEST(rates_stay_in_their_range)
{
    static const int64_t totals[] = {1, 2, 3, 10, 997};

    for (int i = 0; i < un_schedule_count(); i++)
        for (size_t k = 0; k < UN_COUNT(totals); k++)
            for (int64_t warmup = 0; warmup <= 4; warmup += 4) {
                double lr;

                CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
                cfg.optimiser.lr = 0.1;
                cfg.optimiser.warmup = warmup;
                cfg.optimiser.schedule = (un_cfg_schedule)i;
                for (int64_t s = 1; s <= totals[k] + 2; s++) {
                    lr = un_schedule_lr(&cfg.optimiser, s, totals[k]);
                    CHECK(lr >= -1e-18 && lr <= 0.1 + 1e-15);
                }
            }
}

/* Keys that another row has, numbers that contradict each other. */
TEST(keys_that_do_not_belong)
{
    static const char *const wrong[][2] = {{"optimiser: {name: sgd, beta1: 0.8}", "optimiser.beta1"},
        {"optimiser: {name: adam, momentum: 0.8}", "optimiser.momentum"},
        {"optimiser: {name: adam, centred: true}", "optimiser.centred"},
        {"optimiser: {name: lion, nesterov: false}", "optimiser.nesterov"},
        {"optimiser: {schedule: cosine, power: 0.8}", "optimiser.power"},
        {"optimiser: {schedule: constant, min_lr: 0.001}", "optimiser.min_lr"},
        {"optimiser: {schedule: step, milestones: [0.5]}", "optimiser.milestones"},
        {"optimiser: {schedule: multi_step, milestones: [0.5, 0.4]}", "optimiser.milestones"},
        {"optimiser: {lr: 0.001, min_lr: 0.01}", "optimiser.min_lr"},
        {"optimiser: {schedule: plateau}\ntrain: {select_share: 0}", "optimiser.schedule"},
        {"model: {drop_path: 0.2}", "model.drop_path"},
        {"model: {dropout: 0.2, dropout_spatial: true, dropout_block: 3}", "model.dropout_block"},
        {"optimiser: {average: swa}\nmodel: {norm: batch, norm_momentum: 0}", "optimiser.average"}};

    for (size_t i = 0; i < UN_COUNT(wrong); i++) {
        CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
        CHECK_OK(un_config_parse(&cfg, NULL, BASE, strlen(BASE), "test", &err), &err);
        CHECK_OK(un_config_parse(&cfg, NULL, wrong[i][0], strlen(wrong[i][0]), "test", &err), &err);
        CHECK_STATUS(un_train_settle(&cfg, 10, &err), UNET_E_CONFIG);
        if (!strstr(err.message, wrong[i][1]) && !strstr(err.where, wrong[i][1]))
            un_test_fail(__FILE__, __LINE__, "%s: %s: %s", wrong[i][0], err.where, err.message);
    }
}

/* Stochastic depth: a node for each block, with a probability that rises in a straight line. */
TEST(stochastic_depth)
{
    un_graph *g;
    int n = 0;

    configure(BASE "loss: {terms: [ce]}\n");
    CHECK_OK(un_config_set(&cfg, NULL, "model.depth=2", &err), &err);
    CHECK_OK(un_config_set(&cfg, NULL, "model.block=residual", &err), &err);
    CHECK_OK(un_config_set(&cfg, NULL, "model.drop_path=0.5", &err), &err);
    CHECK_OK(un_model_build(&g, NULL, &cfg.model, &err), &err);
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == UN_OP_DROPOUT) {
            CHECK_NEAR(g->node[i].attr.dropout.p, 0.1 * ++n, 1e-15);
            CHECK(g->node[i].attr.dropout.sample);
        }
    CHECK_INT(n, 5); /* three on the way down, two on the way up */
    un_graph_destroy(g);
}

/* Extended from 100 to 200 steps: the rate of step 101 is that of a run of 200. */
TEST(schedule_extended)
{
    const un_cfg_optimiser o = {.lr = 1, .schedule = UN_CFG_SCHEDULE_COSINE};

    CHECK_NEAR(un_schedule_lr(&o, 101, 200), 0.5, 1e-15);
}

TEST(settle_rules)
{
    configure(BASE);
    CHECK_INT(cfg.optimiser.warmup, 10);
    CHECK_NEAR(cfg.optimiser.lr, 0.002, 0);
    CHECK_NEAR(cfg.optimiser.ema_decay, 0.95, 1e-15);
    CHECK_INT(cfg.train.ghost_batch, 4);
    CHECK_INT(cfg.train.val_interval, 10);
    CHECK_INT(cfg.loss.class_weights.n, 0);
    CHECK_OK(un_config_set(&cfg, NULL, "train.steps=auto", &err), &err);
    CHECK_STATUS(un_train_settle(&cfg, 10, &err), UNET_E_CONFIG);
    CHECK_STR(err.where, "train.steps");
    CHECK_OK(un_config_set(&cfg, NULL, "train.epochs=2.5", &err), &err);
    CHECK_OK(un_train_settle(&cfg, 10, &err), &err);
    CHECK_INT(cfg.train.steps, 7); /* 25 patches in batches of 4 */
    CHECK_OK(un_config_set(&cfg, NULL, "train.patch=auto", &err), &err);
    CHECK_STATUS(un_train_settle(&cfg, 10, &err), UNET_E_CONFIG);
    CHECK_STR(err.where, "train.patch");
}

/* ---- objective ---- */

static un_objective *objective(const char *text, int pixel_weight)
{
    un_graph *g;
    un_objective *o;

    configure(text);
    CHECK_OK(un_model_build(&g, NULL, &cfg.model, &err), &err);
    CHECK_OK(un_objective_create(&o, NULL, g, &cfg, pixel_weight, &err), &err);
    un_graph_destroy(g);
    return o;
}

static int count_ops(const un_graph *g, un_op op)
{
    int n = 0;

    for (int i = 0; i < g->n_nodes; i++)
        n += g->node[i].op == op;
    return n;
}

TEST(objective_softmax)
{
    un_objective *o =
        objective(BASE "loss: {class_weights: [1, 2, 3], smoothing: 0.1, terms: [ce, {name: dice, weight: 0.5}]}\n"
                       "optimiser: {weight_decay: 0.1, name: adamw, clip_norm: 2}",
            1);
    const un_graph *g = o->accumulate, *a = o->apply;
    un_shape in[4], *s = un_alloc_array(NULL, (size_t)g->n_values, sizeof *s);
    int decayed = 0, trainable = 0;

    CHECK_INT(o->n_terms, 2);
    CHECK_STR(o->term[1].name, "dice");
    CHECK_NEAR(o->term[1].weight, 0.5, 0);
    CHECK_INT(count_ops(g, UN_OP_SOFTMAX), 0);
    CHECK_INT(g->n_inputs, 4);
    CHECK_OK(un_objective_inputs(o, (un_shape){2, 1, 8, 12, 1}, in, &err), &err);
    CHECK(un_shape_equal(in[1], (un_shape){2, 1, 8, 12, 1}) && un_shape_equal(in[3], (un_shape){1, 1, 1, 1, 3}));
    for (int i = 0; i < 4; i++)
        s[g->input[i]] = in[i];
    CHECK_OK(un_graph_infer(g, s, &err), &err);
    CHECK_INT(un_shape_count(s[o->term[0].value[0]]), 1);
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == UN_OP_NORM)
            CHECK(g->node[i].attr.norm.update_running && !g->node[i].attr.norm.use_running);
    for (int i = 0; i < a->n_params; i++) {
        trainable += a->param[i].trainable;
        CHECK(a->param[i].offset == g->param[i].offset);
    }
    CHECK(trainable < a->n_params); /* running statistics */
    CHECK_INT(count_ops(a, UN_OP_UPDATE), trainable);
    CHECK_INT(a->node[0].op, UN_OP_CLIP);
    CHECK_INT(a->node[a->n_nodes - 1].op, UN_OP_AVERAGE);
    for (int i = 1; i < a->n_nodes - 1; i++) {
        const un_param *p = &a->param[a->value[a->node[i].in[0]].param];

        CHECK(a->node[i].attr.optim.decoupled);
        CHECK((a->node[i].attr.optim.weight_decay > 0) == (p->role == UN_PARAM_WEIGHT));
        decayed += p->role == UN_PARAM_WEIGHT;
    }
    CHECK(decayed > 0);
    CHECK_INT(o->blocks, 1 << UN_BLOCK_M | 1 << UN_BLOCK_V | 1 << UN_BLOCK_EMA);
    un_free(s);
    un_objective_destroy(o);
}

TEST(objective_heads)
{
    un_shape in[3];
    un_objective *o =
        objective("model: {dims: 3, in_channels: 2, classes: 2, depth: 1, base_filters: 2, head: sigmoid, norm: none}\n"
                  "train: {steps: 2, batch: 1, patch: [4, 8, 8]}\nloss: {terms: [bce]}\n"
                  "optimiser: {name: sgd, ema_decay: 0}",
            0);

    CHECK_INT(o->blocks, 1 << UN_BLOCK_M);
    CHECK_STR(o->term[0].name, "bce");
    CHECK_INT(o->accumulate->node[o->first_loss].attr.loss.form, UN_LOSS_BINARY);
    CHECK_INT(count_ops(o->apply, UN_OP_AVERAGE), 0);
    un_objective_destroy(o);

    o = objective("model: {dims: 2, in_channels: 1, classes: 4, depth: 1, base_filters: 2, head: multilabel, "
                  "norm: group}\n"
                  "train: {steps: 2, batch: 1, patch: [8, 8]}\n",
        0);
    CHECK_OK(un_objective_inputs(o, (un_shape){1, 1, 8, 8, 1}, in, &err), &err);
    CHECK_INT(in[1].c, 4);
    CHECK_INT(o->accumulate->value[o->target].type, UN_TYPE_F32);
    un_objective_destroy(o);
}

/* Valid padding: the target has the extents of the logits. */
TEST(objective_valid)
{
    un_shape in[2];
    un_objective *o = objective("model: {dims: 2, in_channels: 1, classes: 2, depth: 1, base_filters: 2, head: softmax,"
                                " norm: none, padding: valid}\ntrain: {steps: 2, batch: 1, patch: [20, 20]}\n",
        0);

    CHECK_OK(un_objective_inputs(o, (un_shape){1, 1, 20, 20, 1}, in, &err), &err);
    CHECK_INT(in[1].h, 4); /* 20 -4 = 16, pooled 8, -4 = 4, up 8, -4 = 4 */
    CHECK_INT(in[0].h, 20);
    un_objective_destroy(o);
}

TEST(objective_without_memory)
{
    un_mem *m = un_mem_create(NULL);
    un_graph *g;
    un_objective *o;
    unet_status st = UNET_E_NOMEM;

    configure(BASE);
    CHECK_OK(un_model_build(&g, NULL, &cfg.model, &err), &err);
    for (int64_t i = 1; st; i++) {
        un_mem_fail_at(m, i);
        st = un_objective_create(&o, m, g, &cfg, 0, &err);
        if (st)
            CHECK_INT(un_mem_live(m), 0);
        CHECK(!st || st == UNET_E_NOMEM);
        CHECK(i < 2000);
    }
    un_mem_fail_at(m, 0);
    un_objective_destroy(o);
    un_graph_destroy(g);
    CHECK_INT(un_mem_live(m), 0);
    un_mem_destroy(m);
}

/* ---- checkpoints ---- */

static un_graph *small_graph(void)
{
    un_graph *g;

    configure(BASE);
    CHECK_OK(un_model_build(&g, NULL, &cfg.model, &err), &err);
    return g;
}

static float *filled(const un_graph *g, float first)
{
    float *b = un_alloc_zero(NULL, (size_t)g->block_count * sizeof *b);

    for (int i = 0; i < g->n_params; i++)
        for (int64_t k = 0; k < g->param[i].count; k++)
            b[g->param[i].offset + k] = first + (float)k;
    return b;
}

static const un_progress_state some_state = {.step = 12,
    .steps = 40,
    .selections = 3,
    .stale = 1,
    .best_step = 8,
    .best_score = 0.1,
    .seconds = 1.25,
    .data = "crc32:00112233"};

TEST(checkpoint_round_trip)
{
    un_graph *g = small_graph();
    float *param = filled(g, 1), *m = filled(g, -2), *best = filled(g, 0.25f), *back = filled(g, 9);
    const float *const blocks[UN_BLOCK_COUNT] = {[UN_BLOCK_PARAM] = param, [UN_BLOCK_M] = m, [UN_BLOCK_BEST] = best};
    char path[600];
    un_checkpoint c;

    snprintf(path, sizeof path, "%s/ck.safetensors", un_test_tmp());
    CHECK_OK(un_checkpoint_save(path, NULL, g, "model: {depth: 1}\n", &some_state, blocks, &err), &err);
    CHECK_OK(un_checkpoint_open(&c, NULL, path, &err), &err);
    CHECK(c.has[UN_BLOCK_PARAM] && c.has[UN_BLOCK_M] && !c.has[UN_BLOCK_V] && !c.has[UN_BLOCK_EMA] &&
          c.has[UN_BLOCK_BEST]);
    CHECK_STR(c.config, "model: {depth: 1}\n");
    CHECK_INT(c.state.step, 12);
    CHECK_INT(c.state.stale, 1);
    CHECK_NEAR(c.state.best_score, 0.1, 0);
    CHECK_STR(c.state.data, some_state.data);
    CHECK_INT(c.graph->block_count, g->block_count);
    CHECK_OK(un_checkpoint_read(&c, UN_BLOCK_M, back, &err), &err);
    CHECK(!memcmp(back, m, (size_t)g->block_count * sizeof *m));
    CHECK_STATUS(un_checkpoint_read(&c, UN_BLOCK_V, back, &err), UNET_E_FORMAT);
    un_checkpoint_close(&c);
    param[g->param[0].offset] = NAN;
    CHECK_OK(un_checkpoint_save(path, NULL, g, "", &some_state, blocks, &err), &err);
    CHECK_OK(un_checkpoint_open(&c, NULL, path, &err), &err);
    CHECK_STATUS(un_checkpoint_read(&c, UN_BLOCK_PARAM, back, &err), UNET_E_FORMAT);
    un_checkpoint_close(&c);
    un_free(param);
    un_free(m);
    un_free(best);
    un_free(back);
    un_graph_destroy(g);
}

static unet_status open_changed(const char *path, const char *bad, const char *from, const char *to)
{
    unsigned char *data;
    size_t size;
    char *at = NULL;
    un_checkpoint c;
    unet_status st;

    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 24, &err), &err);
    for (size_t i = 0; i + strlen(from) < size && !at; i++)
        if (!memcmp(data + i, from, strlen(from)))
            at = (char *)data + i;
    CHECK(at && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
    CHECK_OK(un_file_write(NULL, bad, data, size, &err), &err);
    un_free(data);
    st = un_checkpoint_open(&c, NULL, bad, &err);
    un_checkpoint_close(&c);
    return st;
}

TEST(checkpoint_hostile)
{
    static const struct {
        const char *from, *to;
        unet_status st;
    } row[] = {
        {"\\\"step\\\":12", "\\\"step\\\":-2", UNET_E_FORMAT},
        {"\\\"step\\\":12", "\\\"step\\\":55", UNET_E_FORMAT}, /* behind the end of the run */
        {"\\\"format\\\":1", "\\\"format\\\":9", UNET_E_VERSION},
        {"\\\"steps\\\":40", "\\\"stepz\\\":40", UNET_E_FORMAT},
        {"\\\"best_step\\\":8", "\\\"best_step\\\":0", UNET_E_FORMAT}, /* yet there are best weights */
        {"\\\"seconds\\\":1", "\\\"seconds\\\":-", UNET_E_FORMAT},
        {"unet.checkpoint", "unet.checkpoinx", UNET_E_UNSUPPORTED},
        {"unet.config", "unet.confih", UNET_E_FORMAT},
        {"param/head.bias", "param/head.bixs", UNET_E_FORMAT},
        {"param/head.bias", "other/head.bias", UNET_E_FORMAT},
    };
    un_graph *g = small_graph();
    float *param = filled(g, 1);
    const float *const blocks[UN_BLOCK_COUNT] = {[UN_BLOCK_PARAM] = param, [UN_BLOCK_BEST] = param};
    char path[600], bad[610];
    un_checkpoint c;
    unsigned char *data;
    size_t size;

    snprintf(path, sizeof path, "%s/ck.safetensors", un_test_tmp());
    snprintf(bad, sizeof bad, "%s.bad", path);
    CHECK_OK(un_checkpoint_save(path, NULL, g, "a", &some_state, blocks, &err), &err);
    for (size_t i = 0; i < UN_COUNT(row); i++) {
        un_test_note("%s", row[i].to);
        CHECK_STATUS(open_changed(path, bad, row[i].from, row[i].to), row[i].st);
    }
    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 24, &err), &err);
    for (size_t n = 0; n < size; n += 97) { /* cut short */
        CHECK_OK(un_file_write(NULL, bad, data, n, &err), &err);
        CHECK(un_checkpoint_open(&c, NULL, bad, &err));
    }
    un_free(data);
    un_free(param);
    un_graph_destroy(g);
}

/* A full disk while a checkpoint is written: the one before stays whole, and nothing else is left. */
TEST(checkpoint_disk_full)
{
    un_graph *g = small_graph();
    float *param = filled(g, 1);
    const float *const blocks[UN_BLOCK_COUNT] = {[UN_BLOCK_PARAM] = param, [UN_BLOCK_BEST] = param};
    const char *dir = un_test_tmp();
    char path[600], budget[32];
    un_progress_state later = some_state;
    un_checkpoint c;

    snprintf(path, sizeof path, "%s/ck.safetensors", dir);
    CHECK_OK(un_checkpoint_save(path, NULL, g, "a", &some_state, blocks, &err), &err);
    later.step = 20;
    for (int bytes = 0; bytes < 5000; bytes += 700) {
        snprintf(budget, sizeof budget, "%d", bytes);
        setenv("UNET_TEST_DISK_BYTES", budget, 1);
        CHECK_STATUS(un_checkpoint_save(path, NULL, g, "a", &later, blocks, &err), UNET_E_IO);
        unsetenv("UNET_TEST_DISK_BYTES");
        CHECK_OK(un_checkpoint_open(&c, NULL, path, &err), &err);
        CHECK_INT(c.state.step, 12);
        un_checkpoint_close(&c);
    }
    CHECK_INT(un_test_count(dir), 1);
    un_free(param);
    un_graph_destroy(g);
}

TEST(checkpoint_without_memory)
{
    un_mem *mem = un_mem_create(NULL);
    un_graph *g = small_graph();
    float *param = filled(g, 1);
    const float *const blocks[UN_BLOCK_COUNT] = {[UN_BLOCK_PARAM] = param, [UN_BLOCK_BEST] = param};
    char path[600];
    un_checkpoint c;
    int failures = 0;

    snprintf(path, sizeof path, "%s/ck.safetensors", un_test_tmp());
    for (unet_status st = UNET_E_NOMEM; st; failures++) {
        un_mem_fail_at(mem, failures + 1);
        st = un_checkpoint_save(path, mem, g, "a", &some_state, blocks, &err);
        CHECK_INT(un_mem_live(mem), 0);
        CHECK(failures < 1000);
    }
    un_mem_fail_at(mem, 0);
    CHECK(failures > 3);
    failures = 0;
    for (unet_status st = UNET_E_NOMEM; st; failures++) {
        un_mem_fail_at(mem, failures + 1);
        st = un_checkpoint_open(&c, mem, path, &err);
        un_checkpoint_close(&c);
        CHECK_INT(un_mem_live(mem), 0);
        CHECK(failures < 1000);
    }
    un_free(param);
    un_graph_destroy(g);
    un_mem_destroy(mem);
}

/* ---- logs ---- */

TEST(log_cut)
{
    static const char text[] = "step,loss\n1,0.5\n2,0.4\n{\"step\":3,\"loss\":0.3}\n10,0.2\n11,0.1";

    CHECK_INT(un_runlog_cut(text, sizeof text - 1, 0), 10);
    CHECK_INT(un_runlog_cut(text, sizeof text - 1, 1), 16);
    CHECK_INT(un_runlog_cut(text, sizeof text - 1, 2), 22);
    CHECK_INT(un_runlog_cut(text, sizeof text - 1, 9), strstr(text, "10,") - text);
    CHECK_INT(un_runlog_cut(text, sizeof text - 1, 99), strstr(text, "11,") - text); /* the last line has no end */
    CHECK_INT(un_runlog_cut("st", 2, 5), 0);
}

static const char *const terms[] = {"ce", "dice"};

static un_runlog *open_log(const char *dir, int64_t keep)
{
    un_runlog *l;
    const un_runlog_spec spec = {.folder = dir, .term = terms, .n_terms = 2, .n_classes = 2, .keep = keep};

    CHECK_OK(un_runlog_open(&l, NULL, &spec, &err), &err);
    return l;
}

static void log_steps(un_runlog *l, int64_t from, int64_t to)
{
    const un_score score = {.score = 0.5, .n_classes = 2, .dice = {0.25, NAN}, .iou = {0.125, 1}};

    for (int64_t s = from; s <= to; s++) {
        const un_step_record r = {.step = s,
            .epoch = (double)s / 4,
            .lr = 0.1,
            .loss = 1.0 / (double)s,
            .term = {0.5, INFINITY},
            .grad_norm = 2,
            .seconds = 0.5,
            .waiting = 0.01};

        CHECK_OK(un_runlog_step(l, &r, &err), &err);
        if (s % 3 == 0)
            CHECK_OK(un_runlog_score(l, s, &score, s == 3, &err), &err);
    }
}

static char *slurp(const char *dir, const char *name)
{
    char path[600];
    unsigned char *data;
    size_t size;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK_OK(un_file_read(&data, &size, NULL, path, 1 << 20, &err), &err);
    return (char *)data;
}

/* Interrupted after step 8 in the middle of a record, resumed from step 5: the same files as without. */
TEST(log_resumed)
{
    static const char *const files[] = {"log.csv", "log.jsonl", "scores.csv"};
    char a[256], b[256], path[600];
    un_runlog *l;

    snprintf(a, sizeof a, "%s/deep/run", un_test_tmp());
    snprintf(b, sizeof b, "%s/run", un_test_tmp());
    CHECK_OK(un_runlog_claim(NULL, a, 0, &err), &err);
    l = open_log(a, 0);
    log_steps(l, 1, 9);
    un_runlog_close(l);
    l = open_log(b, 0);
    log_steps(l, 1, 8);
    un_runlog_close(l);
    snprintf(path, sizeof path, "%s/log.csv", b);
    CHECK_OK(un_file_append(path, "9,0.", 4, &err), &err);
    l = open_log(b, 5);
    log_steps(l, 6, 9);
    CHECK_OK(un_runlog_event(l, 5, "resume", "after a kill", &err), &err);
    un_runlog_close(l);
    for (size_t i = 0; i < UN_COUNT(files); i++) {
        char *x = slurp(a, files[i]), *y = slurp(b, files[i]);

        CHECK_STR(x, y);
        un_free(x);
        un_free(y);
    }
    CHECK_STATUS(un_runlog_claim(NULL, b, 0, &err), UNET_E_ARG);
    l = open_log(b, 0); /* killed before the first checkpoint: headings alone stay */
    un_runlog_close(l);
    {
        char *x = slurp(b, "log.csv"), *y = slurp(b, "scores.csv"), *z = slurp(b, "events.jsonl");

        CHECK_STR(x, "step,epoch,lr,loss,ce,dice,grad_norm,seconds,waiting\n");
        CHECK_STR(y, "step,score,best,dice_0,dice_1,iou_0,iou_1\n");
        CHECK_STR(z, "{\"step\":5,\"event\":\"resume\",\"detail\":\"after a kill\"}\n");
        un_free(x);
        un_free(y);
        un_free(z);
    }
}

/* The lines behind the heading. */
static void check_second(const char *dir, const char *name, const char *expected)
{
    char *text = slurp(dir, name);
    const size_t heading = strcspn(text, "\n") + 1;

    CHECK(heading <= strlen(text) && !strcmp(text + heading, expected));
    un_free(text);
}

TEST(log_records)
{
    const char *dir = un_test_tmp();
    un_runlog *l = open_log(dir, 0);
    const un_run_environment e = {.version = "1",
        .built = "GCC 1",
        .data = "crc32:1",
        .level = UN_CPU_REF,
        .threads = 2,
        .pictures = 7,
        .peak_bytes = 1000};
    un_config back;
    char *x;

    log_steps(l, 3, 3);
    check_second(dir, "log.csv", "3,0.75,0.1,0.3333333333333333,0.5,,2,0.5,0.01\n");
    x = slurp(dir, "log.jsonl");
    CHECK_STR(x, "{\"step\":3,\"epoch\":0.75,\"lr\":0.1,\"loss\":0.3333333333333333,\"ce\":0.5,\"dice\":null,"
                 "\"grad_norm\":2,\"seconds\":0.5,\"waiting\":0.01}\n");
    un_free(x);
    check_second(dir, "scores.csv", "3,0.5,1,0.25,,0.125,1\n");
    configure(BASE);
    CHECK_OK(un_runlog_config(l, &cfg, &err), &err);
    CHECK_OK(un_runlog_environment(l, &e, &err), &err);
    un_runlog_close(l);
    x = slurp(dir, "config.yaml");
    CHECK_OK(un_config_init(&back, NULL, &err), &err);
    CHECK_OK(un_config_parse(&back, NULL, x, strlen(x), "config.yaml", &err), &err);
    CHECK(un_config_equal(&back, &cfg));
    un_free(x);
    x = slurp(dir, "environment.json");
    CHECK(strstr(x, "\"built\": \"GCC 1\"") && strstr(x, "\"cpu_level\": \"ref\"") &&
          strstr(x, "\"data_checksum\": \"crc32:1\""));
    un_free(x);
}

/* ---- classes that go wrong ---- */

static int watch_at(un_watch *w, un_score *s, double done, double one, double two, const char *part)
{
    un_text t;
    int said;

    un_text_init(&t, NULL, 1 << 16);
    s->dice[1] = one;
    s->dice[2] = two;
    un_watch_score(w, s, &cfg, done, &t);
    CHECK(!t.failed);
    said = t.n > 0;
    if (said)
        CHECK(strstr(t.s, part));
    un_text_free(&t);
    return said;
}

TEST(watch)
{
    int32_t target[8] = {0, 0, 0, 0, 0, 1, 2, -1};
    float weight[8] = {1, 1, 1, 1, 0, 1, 1, 1}, soft[4] = {1, 0, 1, 1};
    un_batch b = {.n = 1, .d = 1, .h = 2, .w = 4, .classes = 3, .target = target, .weight = weight};
    const un_batch planes = {.n = 1, .d = 1, .h = 1, .w = 2, .classes = 2, .soft = soft};
    un_watch *w = un_alloc_zero(NULL, sizeof *w);
    un_score *s = un_alloc_zero(NULL, sizeof *s);
    double share[UN_CFG_MAX_class];

    configure(BASE);
    s->n_classes = 3;
    un_watch_batch(w, &b);
    CHECK(!watch_at(w, s, 0.2, 0.4, 0, ""));
    un_watch_shares(w, share);
    CHECK_NEAR(share[0], 4.0 / 6, 1e-15);
    CHECK_NEAR(share[1], 1.0 / 6, 1e-15);
    CHECK(!watch_at(w, s, 0.4, 0.05, 0, "")); /* low once */
    un_watch_shares(w, share);
    CHECK(isnan(share[0]));
    CHECK(watch_at(w, s, 0.45, 0.05, 0, "class 1 () has collapsed: its Dice is 0.050 and was 0.400"));
    CHECK(watch_at(w, s, 0.5, 0.05, 0, "class 2 () has not been learned"));
    CHECK(!watch_at(w, s, 0.6, 0.05, 0, "")); /* each is said once */
    CHECK(!watch_at(w, s, 0.7, 0.3, NAN, ""));
    CHECK(!watch_at(w, s, 0.8, 0.01, NAN, ""));
    CHECK(watch_at(w, s, 0.9, 0.01, NAN, "collapsed")); /* again after a recovery */
    un_watch_batch(w, &planes);
    un_watch_shares(w, share);
    CHECK_NEAR(share[0], 1, 1e-15);
    CHECK_NEAR(share[1], 0.5, 1e-15);
    un_free(w);
    un_free(s);
}
