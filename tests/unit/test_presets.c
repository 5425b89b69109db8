/* Every preset learns two pictures: far better than what no training gives. */
#include "two_pictures.h"

#include "base/size.h"
#include "run/session.h"
#include "train/engine.h"
#include "train/schedule.h"

static unet_error err;
static un_config cfg;

enum { STEPS = 80 };

static two_pictures pictures = {.d = 1, .h = 48, .w = 48, .c = 1};

/* Small enough for a test; the preset's own choices stay. */
static void configure(const un_preset *p, int dims)
{
    static const char *const keys[] = {"model.in_channels=1", "model.classes=2", "model.base_filters=8",
        "model.depth=2", "model.head=softmax", "train.batch=2", "train.ghost_batch=2", "optimiser.lr=0.01",
        "optimiser.warmup=5", "optimiser.ema_decay=0"};
    char text[40];

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_OK(un_config_preset(&cfg, NULL, p->name, &err), &err);
    for (size_t i = 0; i < UN_COUNT(keys); i++)
        CHECK_OK(un_config_set(&cfg, NULL, keys[i], &err), &err);
    snprintf(text, sizeof text, "model.dims=%d", dims);
    CHECK_OK(un_config_set(&cfg, NULL, text, &err), &err);
    if (cfg.model.norm == UN_CFG_NORM_AUTO)
        CHECK_OK(un_config_set(&cfg, NULL, "model.norm=batch", &err), &err);
    if (cfg.model.padding == UN_CFG_PAD_VALID)
        CHECK_OK(un_config_set(&cfg, NULL, "model.depth=1", &err), &err);
    cfg.train.patch[0] = pictures.d;
    cfg.train.patch[1] = pictures.h;
    cfg.train.patch[2] = pictures.w;
    cfg.train.steps = STEPS;
    CHECK_OK(un_train_settle(&cfg, 2, &err), &err);
    CHECK_OK(un_config_check(&cfg, &err), &err);
}

static void train(un_model *m, int steps, double *first, double *last)
{
    const un_engine_spec spec = {.model = m, .backend = un_backend_cpu(), .level = un_cpu_best()};
    const un_batch *b;
    two_feed feed;
    un_engine *e;

    two_open(&feed, &pictures, &m->config);
    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    CHECK_OK(two_start(&feed, 1, &err), &err);
    for (int step = 1; step <= steps; step++) {
        un_step_result r;

        CHECK_OK(two_next(&feed, &b, &err), &err);
        CHECK_OK(un_engine_accumulate(e, b, step, 0, 1, &err), &err);
        CHECK_OK(un_engine_apply(e, step, un_schedule_lr(&m->config.optimiser, step, STEPS), &r, &err), &err);
        *(step == 1 ? first : last) = r.loss;
    }
    un_engine_destroy(e);
    two_close(&feed);
}

/* Dice of the foreground over both pictures, where there is output. */
static double dice(const un_model *m)
{
    const un_session_options o = {.level = un_cpu_best()};
    double both = 0, sum = 0;
    un_session *s;
    un_shape out;
    float *p;

    CHECK_OK(un_session_create(&s, NULL, m, (un_shape){1, pictures.d, pictures.h, pictures.w, 1}, &o, &err), &err);
    out = un_session_output(s);
    p = un_alloc(NULL, (size_t)un_shape_count(out) * sizeof *p);
    for (int k = 0; k < 2; k++) {
        CHECK_OK(un_session_run(s, pictures.image[k], NULL, p, &err), &err);
        for (int64_t i = 0; i < un_shape_pixels(out); i++) {
            const int64_t y = i / out.w + (pictures.h - out.h) / 2, x = i % out.w + (pictures.w - out.w) / 2;
            const int hit = p[2 * i + 1] > p[2 * i], is = pictures.mask[k][y * pictures.w + x];

            both += hit && is;
            sum += hit + is;
        }
    }
    un_free(p);
    un_session_destroy(s);
    return 2 * both / sum;
}

/* Dice of the best threshold that knows the contrast: what no context gives. */
static double floor_dice(void)
{
    double both = 0, sum = 0;

    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < two_pixels(&pictures); i++) {
            const int hit = pictures.image[k][i] > 0, is = pictures.mask[k][i];

            both += hit && is;
            sum += hit + is;
        }
    return 2 * both / sum;
}

TEST(learns)
{
    double low;

    if (!pictures.image[0])
        two_make(&pictures, 0.6);
    low = floor_dice();
    for (size_t i = 0; i < un_preset_count(); i++) {
        const un_preset *p = un_preset_at(i);
        double first = 0, last = 0, score;
        un_model *m;

        configure(p, 2);
        CHECK_OK(un_model_create(&m, NULL, &cfg, &err), &err);
        train(m, STEPS, &first, &last);
        score = dice(m);
        un_test_note("%-12s loss %.3f -> %.3f, Dice %.3f, floor %.3f", p->name, first, last, score, low);
        if (!(score >= 0.9 && score > low + 0.1 && last < 0.4 * first))
            un_test_fail(__FILE__, __LINE__, "%s: loss %g -> %g, Dice %g", p->name, first, last, score);
        un_model_destroy(m);
    }
}

/* Volumes: every preset builds and makes its loss smaller. */
TEST(volumes)
{
    two_pictures flat = pictures;
    double first = 0, last = 0;
    un_model *m;

    for (size_t i = 0; i < un_preset_count(); i++) {
        if (strstr(un_preset_at(i)->yaml, "encoder:")) /* for pictures alone */
            continue;
        pictures = (two_pictures){.d = 16, .h = 32, .w = 32, .c = 1};
        two_make(&pictures, 0.3);
        configure(un_preset_at(i), 3);
        if (cfg.model.padding == UN_CFG_PAD_VALID) { /* needs more planes than there are */
            two_free(&pictures);
            continue;
        }
        CHECK_OK(un_model_create(&m, NULL, &cfg, &err), &err);
        train(m, 3, &first, &last);
        if (!(last < first))
            un_test_fail(__FILE__, __LINE__, "%s: loss %g -> %g", un_preset_at(i)->name, first, last);
        un_model_destroy(m);
        two_free(&pictures);
    }
    pictures = flat;
}

TEST(names)
{
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    CHECK_STATUS(un_config_preset(&cfg, NULL, "residul", &err), UNET_E_CONFIG);
    CHECK(strstr(err.message, "'residual'"));
    CHECK_OK(un_config_set(&cfg, NULL, "preset=light", &err), &err);
    CHECK_INT(cfg.model.block, UN_CFG_BLOCK_SEPARABLE);
    CHECK(!un_preset_at(un_preset_count()));
    for (size_t i = 0; i < un_preset_count(); i++)
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(un_preset_at(i)->name, un_preset_at(k)->name) != 0);
}
