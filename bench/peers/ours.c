/* Our side of `make bench-peers` (bench/peers/README.md):
 *   ours create MODEL KEY=VALUE...                   a network with weights drawn from train.seed, as a model file
 *   ours infer MODEL IMAGE OUTPUT THREADS N D H W    IMAGE: float32 [n][d][h][w][c]; OUTPUT: the logits
 *   ours train MODEL IMAGE TARGET THREADS            one batch of the extents in MODEL; TARGET: int32 [n][d][h][w]
 * infer and train print a line of JSON after the first result and then obey lines on standard input:
 *   run COUNT    runs so often, prints the times
 *   peak         prints the largest resident memory so far
 *   packed       infer: prints the bytes of packed weights, which all sessions of a model share */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/rng.h"
#include "base/text.h"
#include "run/session.h"
#include "train/engine.h"
#include "train/schedule.h"

enum { RUNS_MAX = 1000 };

typedef struct job {
    un_model *model;
    un_pool *pool;
    un_cpu_level level;
    un_session *session; /* infer */
    un_engine *engine;   /* train */
    un_batch batch;
    float *image;
    int32_t *target;
    int64_t steps; /* trained so far */
    double loss;   /* of the last step */
} job;

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static long peak_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[200];
    long kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "VmHWM:", 6))
            kib = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

static unet_status read_floats(const char *path, void *out, size_t bytes, unet_error *err)
{
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(out, 1, bytes, f) : 0;

    if (f)
        fclose(f);
    return n == bytes ? UNET_OK : un_fail(err, UNET_E_IO, "%s: %zu bytes wanted, %zu there", path, bytes, n);
}

static unet_status write_floats(const char *path, const void *data, size_t bytes, unet_error *err)
{
    FILE *f = fopen(path, "wb");
    const size_t n = f ? fwrite(data, 1, bytes, f) : 0;

    if (!f || fclose(f) || n != bytes)
        return un_fail(err, UNET_E_IO, "%s cannot be written", path);
    return UNET_OK;
}

/* ---- create ---- */

/* Batch norms as after a training: neither scale, shift nor running values are those that change nothing. */
static void draw_norms(un_model *m)
{
    const uint64_t seed = (uint64_t)m->config.train.seed;

    for (int i = 0; i < m->graph->n_params; i++) {
        const un_param *p = &m->graph->param[i];
        un_rng rng;

        un_rng_init(&rng, seed, UN_RNG_TEST, (uint32_t)i, 0, 0);
        for (int64_t k = 0; k < p->count; k++) {
            float *w = &m->weights[p->offset + k];

            if (p->role == UN_PARAM_NORM_SCALE || p->role == UN_PARAM_RUNNING_VAR)
                *w = (float)un_rng_range(&rng, 0.75, 1.25);
            else if (p->role == UN_PARAM_NORM_SHIFT || p->role == UN_PARAM_RUNNING_MEAN)
                *w = (float)un_rng_range(&rng, -0.25, 0.25);
        }
    }
}

static unet_status create(int argc, char **argv, unet_error *err)
{
    un_config *c = un_alloc(NULL, sizeof *c);
    un_model *m = NULL;
    unet_status st = c ? un_config_init(c, NULL, err) : un_fail_nomem(err, sizeof *c);

    for (int i = 3; i < argc && !st; i++)
        st = un_config_set(c, NULL, argv[i], err);
    if (!st)
        st = un_model_create(&m, NULL, c, err);
    if (!st) {
        draw_norms(m);
        st = un_model_save(m, argv[2], err);
    }
    un_model_destroy(m);
    un_free(c);
    return st;
}

/* ---- infer ---- */

/* The caller's picture; logits and probabilities stay in the session, where he reads them. */
static unet_status infer_once(job *j, unet_error *err)
{
    return un_session_run(j->session, j->image, NULL, NULL, err);
}

static unet_status infer_open(job *j, char **argv, unet_error *err)
{
    const un_session_options opt = {.pool = j->pool, .level = j->level};
    un_shape in = {.c = j->model->config.model.in_channels};
    int *const extent[] = {&in.n, &in.d, &in.h, &in.w};
    size_t bytes;
    unet_status st = UNET_OK;

    for (int i = 0; i < 4; i++)
        *extent[i] = (int)strtol(argv[6 + i], NULL, 10);
    st = un_session_create(&j->session, NULL, j->model, in, &opt, err);
    if (st)
        return st;
    bytes = (size_t)un_shape_count(in) * sizeof(float);
    j->image = un_alloc(NULL, bytes);
    if (!j->image)
        return un_fail_nomem(err, bytes);
    st = read_floats(argv[3], j->image, bytes, err);
    if (!st)
        st = infer_once(j, err);
    bytes = (size_t)un_shape_count(un_session_output(j->session)) * sizeof(float);
    return st ? st : write_floats(argv[4], un_session_logits(j->session), bytes, err);
}

/* ---- train ---- */

static unet_status train_step(job *j, unet_error *err)
{
    const un_cfg_optimiser *o = &j->model->config.optimiser;
    un_step_result r = {0};
    unet_status st;

    j->steps++;
    st = un_engine_accumulate(j->engine, &j->batch, j->steps, 0, 1, err);
    if (!st)
        st = un_engine_apply(j->engine, j->steps, o->lr, &r, err);
    j->loss = r.loss;
    return st;
}

/* Weights of a loaded model may lie in its file; training wants memory. */
static unet_status own_weights(job *j, unet_error *err)
{
    un_model *own;
    unet_status st = un_model_create(&own, NULL, &j->model->config, err);

    if (st)
        return st;
    memcpy(own->weights, j->model->weights, (size_t)own->graph->block_count * sizeof *own->weights);
    un_model_destroy(j->model);
    j->model = own;
    return UNET_OK;
}

static unet_status train_open(job *j, char **argv, unet_error *err)
{
    un_engine_spec spec = {.backend = un_backend_cpu(), .pool = j->pool, .level = j->level};
    const un_cfg_train *t;
    const un_cfg_model *m;
    size_t pixels;
    unet_status st = own_weights(j, err);

    if (!st)
        st = un_train_settle(&j->model->config, 1, err);
    spec.model = j->model;
    t = &j->model->config.train;
    m = &j->model->config.model;
    if (!st)
        st = un_engine_create(&j->engine, NULL, &spec, err);
    if (!st)
        st = un_engine_start(j->engine, err);
    if (st)
        return st;
    j->batch = (un_batch){.n = t->batch,
        .d = t->patch[0],
        .h = t->patch[1],
        .w = t->patch[2],
        .c = m->in_channels,
        .classes = m->classes};
    pixels = (size_t)t->batch * (size_t)t->patch[0] * (size_t)t->patch[1] * (size_t)t->patch[2];
    j->batch.image = j->image = un_alloc_array(NULL, pixels * (size_t)m->in_channels, sizeof(float));
    j->batch.target = j->target = un_alloc_array(NULL, pixels, sizeof(int32_t));
    if (!j->image || !j->target)
        return un_fail_nomem(err, pixels * sizeof(float));
    st = read_floats(argv[3], j->image, pixels * (size_t)m->in_channels * sizeof(float), err);
    if (!st)
        st = read_floats(argv[4], j->target, pixels * sizeof(int32_t), err);
    return st ? st : train_step(j, err);
}

/* ---- both ---- */

static unet_status run_once(job *j, unet_error *err)
{
    return j->session ? infer_once(j, err) : train_step(j, err);
}

/* What a session holds beside the model less what it takes for itself: within what small blocks take. */
static unet_status print_packed(const job *j, unet_error *err)
{
    const un_session_options opt = {.pool = j->pool, .level = j->level};
    const un_shape in = un_session_input(j->session);
    size_t all, own = 0;
    unet_status st = un_session_bytes(&all, NULL, j->model, in, &opt, err);

    if (!st)
        st = un_session_room(&own, NULL, j->model, in, &opt, err);
    if (!st)
        printf("{\"packed_kib\":%zu}\n", all > own ? (all - own) / 1024 : 0);
    return st;
}

static unet_status obey(job *j, unet_error *err)
{
    static double ms[RUNS_MAX];
    char line[64];
    unet_status st = UNET_OK;

    while (!st && fgets(line, sizeof line, stdin)) {
        int runs = 0;

        if (sscanf(line, "run %d", &runs) == 1 && runs > 0 && runs <= RUNS_MAX) {
            for (int i = 0; i < runs && !st; i++) {
                const double began = now_ms();

                st = run_once(j, err);
                ms[i] = now_ms() - began;
            }
            printf("{\"ms\":[");
            for (int i = 0; i < runs; i++)
                printf("%s%.4f", i ? "," : "", ms[i]);
            printf("],\"loss\":%.9g}\n", j->loss);
        } else if (!strcmp(line, "peak\n"))
            printf("{\"peak_kib\":%ld}\n", peak_kib());
        else if (j->session && !strcmp(line, "packed\n"))
            st = print_packed(j, err);
        else
            st = un_fail(err, UNET_E_ARG, "not understood: %s", line);
        fflush(stdout);
    }
    return st;
}

static void close_job(job *j)
{
    un_session_destroy(j->session);
    un_engine_destroy(j->engine);
    un_free(j->image);
    un_free(j->target);
    un_model_destroy(j->model);
    un_pool_destroy(j->pool);
}

static unet_status work(char **argv, int train, unet_error *err)
{
    job j = {0};
    const double began = now_ms();
    double loaded = 0;
    unet_status st = un_cpu_choose(&j.level, NULL, err);

    if (!st)
        st = un_pool_create(&j.pool, NULL, (int)strtol(argv[5], NULL, 10), err);
    if (!st)
        st = un_model_load(&j.model, NULL, argv[2], err);
    loaded = now_ms();
    if (!st)
        st = train ? train_open(&j, argv, err) : infer_open(&j, argv, err);
    if (!st) {
        printf("{\"version\":\"%s\",\"level\":\"%s\",\"load_ms\":%.3f,\"first_ms\":%.3f,\"import_kib\":0,"
               "\"loss\":%.9g}\n",
            UN_VERSION, un_cpu_level_name(j.level), loaded - began, now_ms() - loaded, j.loss);
        fflush(stdout);
        st = obey(&j, err);
    }
    close_job(&j);
    return st;
}

int main(int argc, char **argv)
{
    unet_error err = {0};
    unet_status st;

    if (argc > 3 && !strcmp(argv[1], "create"))
        st = create(argc, argv, &err);
    else if (argc == 10 && !strcmp(argv[1], "infer"))
        st = work(argv, 0, &err);
    else if (argc == 6 && !strcmp(argv[1], "train"))
        st = work(argv, 1, &err);
    else {
        fprintf(stderr, "usage: ours create MODEL KEY=VALUE... | infer MODEL IMAGE OUTPUT THREADS N D H W |"
                        " train MODEL IMAGE TARGET THREADS\n");
        return 2;
    }
    if (st)
        fprintf(stderr, "ours: %s\n", err.message);
    return st ? 1 : 0;
}
