/* Training beside PyTorch: both get the same initial weights and the same batches of bundled pictures, and their losses
 * are compared step by step. The learning rate is low since training multiplies differences in rounding: at 0.002
 * PyTorch in float is 2 % off PyTorch in double within thirty steps, at 0.0001 less than 2e-4; the reference is in
 * double. tests/golden/parity.safetensors has PyTorch's; to make it anew: UNET_TEST_WRITE=parity.dump
 * build/tests/test_parity && python tools/torch_parity.py parity.dump FILE */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/math.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/size.h"
#include "io/image.h"
#include "io/safetensors.h"
#include "train/engine.h"
#include "train/schedule.h"

static unet_error err;

static const char config_text[] =
    "{\"model\": {\"dims\": 2, \"in_channels\": 3, \"classes\": 2, \"depth\": 3, \"base_filters\": 16, "
    "\"head\": \"softmax\", \"norm\": \"batch\"}, "
    "\"train\": {\"steps\": 30, \"batch\": 4, \"ghost_batch\": 4, \"patch\": [96, 96]}, "
    "\"loss\": {\"terms\": [{\"name\": \"ce\", \"weight\": 1}, {\"name\": \"dice\", \"weight\": 1}]}, "
    "\"optimiser\": {\"name\": \"adamw\", \"lr\": 0.0001, \"warmup\": 5, \"clip_norm\": 1, \"ema_decay\": 0}}";

enum { STEPS = 30, BATCH = 4, SIDE = 96, CHANNELS = 3, COLUMNS = 4, NAMES_MAX = 128 };
enum { PIXELS = BATCH * SIDE * SIDE };

typedef struct dump {
    un_model *model;
    float *image[STEPS];    /* [BATCH][SIDE][SIDE][CHANNELS] mean 0, deviation 1 and some noise */
    int32_t *target[STEPS]; /* [BATCH][SIDE][SIDE] 1: nucleus */
} dump;

/* ---- what both sides get ---- */

static int read_names(char *text, char *name[NAMES_MAX])
{
    int n = 0;

    while (*text && n < NAMES_MAX) {
        name[n++] = text;
        text += strcspn(text, "\n");
        if (*text)
            *text++ = 0;
    }
    return n;
}

static void read_png(un_image *out, const char *folder, const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "examples/nuclei/%s/%s.png", folder, name);
    CHECK_OK(un_image_read(out, NULL, un_test_source(path), NULL, &err), &err);
}

/* Noise: equal pixels would make the choice of max-pooling one of rounding. */
static void normalise(float *image, un_rng *r)
{
    for (int c = 0; c < CHANNELS; c++) {
        double sum = 0, squares = 0, mean, deviation;

        for (int i = c; i < SIDE * SIDE * CHANNELS; i += CHANNELS)
            sum += (double)image[i];
        mean = sum / (SIDE * SIDE);
        for (int i = c; i < SIDE * SIDE * CHANNELS; i += CHANNELS)
            squares += ((double)image[i] - mean) * ((double)image[i] - mean);
        deviation = un_sqrt(squares / (SIDE * SIDE)) + 0.25;
        for (int i = c; i < SIDE * SIDE * CHANNELS; i += CHANNELS)
            image[i] = (float)(((double)image[i] - mean) / deviation + 0.1 * un_rng_normal(r));
    }
}

static void cut_sample(const dump *d, int step, int sample, const char *name, un_rng *r)
{
    float *image = d->image[step] + (size_t)sample * SIDE * SIDE * CHANNELS;
    int32_t *target = d->target[step] + (size_t)sample * SIDE * SIDE;
    un_image picture, mask;
    int64_t top, left;

    read_png(&picture, "images", name);
    read_png(&mask, "masks", name);
    CHECK((picture.c == 1 || picture.c >= CHANNELS) && mask.h == picture.h && mask.w == picture.w);
    top = un_rng_below(r, picture.h - SIDE + 1);
    left = un_rng_below(r, picture.w - SIDE + 1);
    for (int i = 0; i < SIDE * SIDE; i++) {
        const size_t at = (size_t)((top + i / SIDE) * picture.w + left + i % SIDE);

        target[i] = un_image_at(&mask, at) > 0;
        for (int c = 0; c < CHANNELS; c++)
            image[i * CHANNELS + c] = (float)un_image_at(&picture, at * (size_t)picture.c + (size_t)(c % picture.c));
    }
    normalise(image, r);
    un_image_free(&picture);
    un_image_free(&mask);
}

static void open_dump(dump *d)
{
    un_config *c = un_alloc(NULL, sizeof *c);
    char *name[NAMES_MAX];
    unsigned char *list;
    size_t size;
    int n;

    memset(d, 0, sizeof *d);
    CHECK_OK(un_config_init(c, NULL, &err), &err);
    CHECK_OK(un_config_parse(c, NULL, config_text, strlen(config_text), "test", &err), &err);
    CHECK_OK(un_train_settle(c, 0, &err), &err);
    CHECK_OK(un_model_create(&d->model, NULL, c, &err), &err);
    un_free(c);
    CHECK_OK(un_file_read(&list, &size, NULL, un_test_source("examples/nuclei/train.txt"), 1 << 16, &err), &err);
    n = read_names((char *)list, name);
    for (int step = 0; step < STEPS; step++) {
        un_rng r;

        un_rng_init(&r, 1, UN_RNG_TEST, (uint32_t)step, 0, 0);
        d->image[step] = un_alloc_array(NULL, PIXELS * CHANNELS, sizeof(float));
        d->target[step] = un_alloc_array(NULL, PIXELS, sizeof(int32_t));
        for (int k = 0; k < BATCH; k++)
            cut_sample(d, step, k, name[un_rng_below(&r, n)], &r);
    }
    un_free(list);
}

static void close_dump(dump *d)
{
    for (int step = 0; step < STEPS; step++) {
        un_free(d->image[step]);
        un_free(d->target[step]);
    }
    un_model_destroy(d->model);
}

/* FNV-1a */
static uint64_t sum_up(uint64_t h, const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const unsigned char *)data)[i]) * 0x100000001B3;
    return h;
}

static void checksum(const dump *d, char text[17])
{
    uint64_t h =
        sum_up(0xCBF29CE484222325, d->model->weights, (size_t)d->model->graph->block_count * sizeof *d->model->weights);

    for (int step = 0; step < STEPS; step++) {
        h = sum_up(h, d->image[step], PIXELS * CHANNELS * sizeof(float));
        h = sum_up(h, d->target[step], PIXELS * sizeof(int32_t));
    }
    snprintf(text, 17, "%016llx", (unsigned long long)h);
}

static void write_dump(const dump *d, const char *path)
{
    static char name[2 * STEPS][32];
    const un_graph *g = d->model->graph;
    un_st_tensor *t = un_alloc_zero(NULL, (size_t)(g->n_params + 2 * STEPS) * sizeof *t);
    un_st_meta meta[2] = {{"config", config_text}};
    char sum[17];
    size_t n = 0;

    checksum(d, sum);
    meta[1] = (un_st_meta){"checksum", sum};
    for (int i = 0; i < g->n_params; i++, n++) {
        t[n] = (un_st_tensor){.name = g->param[i].name,
            .dtype = UN_ST_F32,
            .rank = g->param[i].rank,
            .data = d->model->weights + g->param[i].offset};
        for (int k = 0; k < g->param[i].rank; k++)
            t[n].dims[k] = g->param[i].dims[k];
    }
    for (int step = 0; step < STEPS; step++, n += 2) {
        snprintf(name[2 * step], sizeof *name, "image.%d", step + 1);
        snprintf(name[2 * step + 1], sizeof *name, "target.%d", step + 1);
        t[n] = (un_st_tensor){name[2 * step], UN_ST_F32, 4, {BATCH, SIDE, SIDE, CHANNELS}, .data = d->image[step]};
        t[n + 1] = (un_st_tensor){name[2 * step + 1], UN_ST_I32, 3, {BATCH, SIDE, SIDE}, .data = d->target[step]};
    }
    CHECK_OK(un_safetensors_write(NULL, path, t, n, meta, 2, &err), &err);
    un_free(t);
}

/* ---- the comparison ---- */

static float *course_of(const un_safetensors *golden)
{
    const un_st_tensor *t = un_safetensors_find(golden, "course");
    float *v = un_alloc_array(NULL, STEPS * COLUMNS, sizeof *v);

    CHECK(t && t->count == STEPS * COLUMNS);
    CHECK_OK(un_st_to_f32(t, v, &err), &err);
    return v;
}

/* Columns: loss, norm of the gradient, terms. */
static double compare_step(const un_step_result *r, const float *want, int step, const char *what)
{
    const double off = fabs(r->loss / (double)want[0] - 1);

    if (!(off < 1e-3))
        un_test_fail(__FILE__, __LINE__, "%s, step %d: loss %.7g, PyTorch's is %.7g", what, step, r->loss, want[0]);
    CHECK_NEAR(r->term[0], want[2], 2e-3 * (double)want[2]);
    CHECK_NEAR(r->term[1], want[3], 2e-3 * (double)want[3]);
    return off;
}

static void compare(const un_safetensors *golden, un_cpu_level level, int exact, int steps)
{
    float *want = course_of(golden);
    double worst = 0;
    char what[40];
    un_engine_spec spec = {.backend = un_backend_cpu(), .level = level, .exact = exact};
    un_engine *e;
    dump d;

    open_dump(&d);
    spec.model = d.model;
    snprintf(what, sizeof what, "%s%s", un_cpu_level_name(level), exact ? " exact" : "");
    CHECK_OK(un_pool_create(&spec.pool, NULL, 2, &err), &err);
    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    for (int step = 1; step <= steps; step++) {
        const un_batch b = {.n = BATCH,
            .d = 1,
            .h = SIDE,
            .w = SIDE,
            .c = CHANNELS,
            .classes = 2,
            .step = step,
            .image = d.image[step - 1],
            .target = d.target[step - 1]};
        un_step_result r;

        CHECK_OK(un_engine_accumulate(e, &b, step, 0, 1, &err), &err);
        CHECK_OK(un_engine_apply(e, step, un_schedule_lr(&d.model->config.optimiser, step, STEPS), &r, &err), &err);
        worst = fmax(worst, compare_step(&r, want + (step - 1) * COLUMNS, step, what));
    }
    un_test_note("%s: losses of %d steps off by %.1e", what, steps, worst);
    un_engine_destroy(e);
    un_pool_destroy(spec.pool);
    close_dump(&d);
    un_free(want);
}

TEST(thirty_steps)
{
    const char *path = getenv("UNET_TEST_WRITE"), *sum;
    un_safetensors *golden;
    char own[17];
    dump d;

    open_dump(&d);
    if (path)
        write_dump(&d, path);
    checksum(&d, own);
    close_dump(&d);
    if (path)
        un_test_skip("wrote %s", path);
    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/parity.safetensors"), &err), &err);
    sum = un_safetensors_meta(golden, "checksum");
    if (!sum || strcmp(sum, own) != 0)
        un_test_fail(__FILE__, __LINE__, "initial weights or pictures are not those PyTorch had: make the file anew");
    for (int exact = 0; exact < 2; exact++)
        compare(golden, un_test_level(), exact, un_test_level() == UN_CPU_REF ? 2 : STEPS);
    un_safetensors_close(golden);
}
