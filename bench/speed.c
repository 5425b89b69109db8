/* Speed of the kernels and of whole networks on this machine (docs/performance.md): per network the median time of a
 * run or a training step, GFLOP/s and the layers that take longest, each with its share of the float32 peak and of the
 * memory bandwidth, both measured first. With --scaling: what N threads (2) make of the time of one, in turns in this
 * very build. With --memory: how the time grows as fewer packed weights are allowed. With --bf16: float32 and bf16 in
 * turns, and of inference what the rounding does to the logits of a network as it is initialised. With --tsv the same
 * figures as a table for programs (bench/record.sh), a row for each thing that was timed, "-" where a column has none.
 *
 * speed [--level NAME] [--threads N] [--exact] [--scaling] [--memory] [--bf16] [--tsv] [--seconds S] [--layers N]
 *       [CASE...]
 * a CASE is a part of its name, here or in the table */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "machine.h"

#include "backend/backend.h"
#include "base/size.h"
#include "base/text.h"
#include "run/session.h"
#include "train/engine.h"
#include "train/schedule.h"

typedef struct options {
    int level, threads, exact, scaling, memory, bf16, tsv, layers, n_names;
    double seconds;
    char **names;
} options;

/* Extents of the picture, channels; batch. Depth 4, but 3-D of depth 3. */
typedef struct net {
    const char *name;
    int filters, n, d, h, w, c, train;
    const char *norm; /* NULL: batch */
} net;

static const net nets[] = {
    {"64@256x256x3", 64, 1, 1, 256, 256, 3, 0, NULL},
    {"64@512x512x1", 64, 1, 1, 512, 512, 1, 0, NULL},
    {"32@512x512x3", 32, 1, 1, 512, 512, 3, 0, NULL},
    {"16@512x512x3", 16, 1, 1, 512, 512, 3, 0, NULL},
    {"16@1024x1024x1", 16, 1, 1, 1024, 1024, 1, 0, NULL},
    {"32@97x131x3", 32, 1, 1, 97, 131, 3, 0, NULL},
    {"32@128x128x3 batch 8", 32, 8, 1, 128, 128, 3, 0, NULL},
    {"32@96x96x96x1", 32, 1, 96, 96, 96, 1, 0, NULL},
    {"32@64x128x128x2", 32, 1, 64, 128, 128, 2, 0, NULL},
    {"32@40x56x40x1", 32, 1, 40, 56, 40, 1, 0, NULL},
    {"train 32@256x256x3 batch 4", 32, 4, 1, 256, 256, 3, 1, NULL},
    {"train 64@256x256x3 batch 2", 64, 2, 1, 256, 256, 3, 1, NULL},
    {"train 16@512x512x1 batch 4", 16, 4, 1, 512, 512, 1, 1, NULL},
    {"train 16@192x192x3 batch 8", 16, 8, 1, 192, 192, 3, 1, NULL},
    {"train 32@40x56x40x1 batch 9", 32, 9, 40, 56, 40, 1, 1, NULL},
    {"train 8@192x192x3 batch 6", 8, 6, 1, 192, 192, 3, 1, NULL},
    {"train 16@40x56x40x1 batch 2", 16, 2, 40, 56, 40, 1, 1, "instance"},
};

typedef struct bench {
    const options *opt;
    un_pool *pool;
    double peak, bandwidth; /* of all threads: GFLOP/s, GB/s */
    double byte_ns;         /* un_session_options */
    int bf16;               /* train.precision */
} bench;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- the table for programs ---- */

static const char columns[] =
    "case\tthreads\tprecision\tmedian_ms\tleast_ms\tmib\tlogits_percent\tbyte_ns\tlevel\tcpu\tversion";

/* What is below 0 has no figure. */
typedef struct figures {
    int threads, bf16;
    double ms, least, mib, logits, byte_ns;
} figures;

/* The name of the same case in bench/peers/cases.py. */
static void peer_name(char *buf, size_t size, const net *n)
{
    char depth[16] = "", batch[16] = "";

    if (n->d > 1)
        snprintf(depth, sizeof depth, "%dx", n->d);
    if (n->n > 1)
        snprintf(batch, sizeof batch, "-b%d", n->n);
    snprintf(buf, size, "%s-%d-%s%dx%dx%d%s%s%s", n->train ? "train" : "infer", n->filters, depth, n->h, n->w, n->c,
        batch, n->norm ? "-" : "", n->norm ? n->norm : "");
}

static void print_row(const bench *b, const net *n, const figures *f)
{
    const double values[] = {f->ms, f->least, f->mib, f->logits, f->byte_ns};
    char name[64], cpu[128];

    peer_name(name, sizeof name, n);
    un_cpu_model(cpu, sizeof cpu);
    printf("%s\t%d\t%s", name, f->threads, f->bf16 ? "bf16" : "float32");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (values[i] < 0)
            printf("\t-");
        else
            printf("\t%.3f", values[i]);
    printf("\t%s\t%s\t%s\n", un_cpu_level_name((un_cpu_level)b->opt->level), cpu, UN_VERSION);
    fflush(stdout);
}

/* ---- layers ---- */

typedef struct layer {
    const char *name, *kernel;
    double ms, flops, bytes;
} layer;

static int slower(const void *a, const void *b)
{
    const layer *x = a, *y = b;

    return (x->ms < y->ms) - (x->ms > y->ms);
}

/* The layers of `runs` runs, longest first; NULL without memory. */
static layer *gather(const un_profile *p, int runs, int *count)
{
    int rows;
    const un_profile_row *r = un_profile_rows(p, &rows);
    layer *l = un_alloc_array(NULL, (size_t)UN_MAX(rows, 1), sizeof *l);

    *count = 0;
    for (int i = 0; i < rows && l; i++)
        if (r[i].ns > 0)
            l[(*count)++] =
                (layer){r[i].name, r[i].kernel, r[i].ns / runs * 1e-6, r[i].flops / runs, r[i].bytes / runs};
    if (l)
        qsort(l, (size_t)*count, sizeof *l, slower);
    return l;
}

static void print_layers(const bench *b, const layer *l, int count)
{
    double all = 0;

    for (int i = 0; i < count; i++)
        all += l[i].ms;
    for (int i = 0; i < count && i < b->opt->layers; i++) {
        double gflops = l[i].flops / l[i].ms * 1e-6, gb = l[i].bytes / l[i].ms * 1e-6;

        printf("    %5.1f %% %9.3f ms %7.1f GFLOP/s %4.0f %% of peak %6.1f GB/s %4.0f %%  %-22s %s\n",
            100 * l[i].ms / all, l[i].ms, gflops, 100 * gflops / b->peak, gb, 100 * gb / b->bandwidth, l[i].name,
            l[i].kernel ? l[i].kernel : "");
    }
}

/* The same by kernel: layers lists the longest first, so a kernel's place is that of its longest layer. */
static void print_kernels(const bench *b, layer *l, int count)
{
    double all = 0, done = 0;

    for (int i = 0; i < count; i++)
        all += l[i].ms;
    for (int i = 0; i < count && done < 0.97 * all; i++) {
        double ms = 0, flops = 0, bytes = 0;

        for (int j = i; j < count && l[i].kernel; j++)
            if (l[j].kernel && !strcmp(l[i].kernel, l[j].kernel)) {
                ms += l[j].ms;
                flops += l[j].flops;
                bytes += l[j].bytes;
                l[j].kernel = j > i ? NULL : l[j].kernel;
            }
        done += ms;
        if (ms > 0)
            printf("    %5.1f %% %9.3f ms %7.1f GFLOP/s %4.0f %% of peak %6.1f GB/s %4.0f %%  all of %s\n",
                100 * ms / all, ms, flops / ms * 1e-6, 100 * flops / ms * 1e-6 / b->peak, bytes / ms * 1e-6,
                100 * bytes / ms * 1e-6 / b->bandwidth, l[i].kernel);
    }
}

/* ---- networks ---- */

static unet_status make_model(un_model **out, const net *n, int bf16, unet_error *err)
{
    un_config *c = un_alloc(NULL, sizeof *c);
    char text[512];
    unet_status st;

    *out = NULL;
    if (!c)
        return un_fail_nomem(err, sizeof *c);
    st = un_config_init(c, NULL, err);
    snprintf(text, sizeof text,
        "model: {dims: %d, in_channels: %d, classes: 2, depth: %d, base_filters: %d, head: softmax, norm: %s, "
        "strides: 2}\ntrain: {steps: 10, batch: %d, patch: [%d, %d, %d], precision: %s}\nloss: {terms: [ce]}\n"
        "data: {classes: [a, b]}\noptimiser: {name: adamw}\n",
        n->d > 1 ? 3 : 2, n->c, n->d > 1 ? 3 : 4, n->filters, n->norm ? n->norm : "batch", n->n, n->d, n->h, n->w,
        bf16 ? "bf16" : "float32");
    if (!st)
        st = un_config_parse(c, NULL, text, strlen(text), "benchmark", err);
    if (!st)
        st = un_train_settle(c, 1, err);
    if (!st)
        st = un_model_create(out, NULL, c, err);
    if (!st)
        (*out)->settled = !n->train; /* as one from a file */
    un_free(c);
    return st;
}

static void fill(float *x, int64_t count)
{
    uint32_t s = 1;

    for (int64_t i = 0; i < count; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = (float)(s >> 8) * 0x1p-23f - 1.0f;
    }
}

typedef struct times {
    double ms[400];
    int runs;
} times;

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(times *t)
{
    qsort(t->ms, (size_t)t->runs, sizeof *t->ms, by_value);
    return t->ms[t->runs / 2];
}

static int more(const bench *b, const times *t, double began)
{
    return t->runs < 3 || (t->runs < 400 && now_s() - began < b->opt->seconds);
}

/* out NULL: printed, with the layers; else the figures go there. */
static void report(const bench *b, const net *n, times *t, double flops, double mib, const un_profile *p, figures *out)
{
    const double ms = median(t);
    const figures f = {un_pool_threads(b->pool), b->bf16, ms, t->ms[0], mib, -1, b->byte_ns};
    layer *l;
    int count;

    if (out)
        *out = f;
    else if (b->opt->tsv)
        print_row(b, n, &f);
    if (out || b->opt->tsv)
        return;
    l = gather(p, t->runs, &count);
    printf("%-30s %9.2f ms  least %9.2f  %7.1f GFLOP/s %4.0f %% of peak  %7.1f MiB\n", n->name, ms, t->ms[0],
        flops / ms * 1e-6, 100 * flops / ms * 1e-6 / b->peak, mib);
    print_layers(b, l, count);
    print_kernels(b, l, count);
    fflush(stdout);
    un_free(l);
}

/* A picture whose extents the network cannot halve is padded, as prediction does. */
static un_shape padded(const net *n)
{
    int grid = n->d > 1 ? 8 : 16;

    return (un_shape){n->n, n->d > 1 ? (n->d + grid - 1) / grid * grid : 1, (n->h + grid - 1) / grid * grid,
        (n->w + grid - 1) / grid * grid, n->c};
}

static unet_status run_session(const bench *b, const net *n, const un_model *model, figures *out, unet_error *err)
{
    un_session_options so = {
        .pool = b->pool, .level = (un_cpu_level)b->opt->level, .exact = b->opt->exact, .byte_ns = b->byte_ns};
    un_shape in = padded(n);
    float *image = un_alloc(NULL, (size_t)un_shape_count(in) * sizeof *image);
    un_session *s = NULL;
    size_t bytes = 0;
    un_cost cost;
    unet_status st = image ? UNET_OK : un_fail_nomem(err, (size_t)un_shape_count(in));
    times t = {.runs = 0};
    double began;

    if (!st)
        st = un_model_cost(model->graph, in, &cost, err);
    if (!st)
        st = un_session_bytes(&bytes, NULL, model, in, &so, err);
    if (!st)
        st = un_profile_create(&so.profile, NULL, err);
    if (!st)
        st = un_session_create(&s, NULL, model, in, &so, err);
    if (!st) {
        fill(image, un_shape_count(in));
        st = un_session_run(s, image, NULL, NULL, err);
    }
    if (!st)
        un_profile_reset(so.profile);
    for (began = now_s(); !st && more(b, &t, began); t.runs++) {
        double at = now_s();

        st = un_session_run(s, image, NULL, NULL, err);
        t.ms[t.runs] = (now_s() - at) * 1e3;
    }
    if (!st)
        report(b, n, &t, 2 * cost.macs, (double)bytes / 1048576, so.profile, out);
    un_session_destroy(s);
    un_profile_destroy(so.profile);
    un_free(image);
    return st;
}

static unet_status step(un_engine *e, const un_batch *batch, int64_t number, unet_error *err)
{
    un_step_result result;
    unet_status st = un_engine_accumulate(e, batch, number, 0, 1, err);

    return st ? st : un_engine_apply(e, number, 1e-4, &result, err);
}

static unet_status run_training(const bench *b, const net *n, un_model *model, figures *out, unet_error *err)
{
    un_engine_spec spec = {.model = model,
        .backend = un_backend_cpu(),
        .pool = b->pool,
        .level = (un_cpu_level)b->opt->level,
        .exact = b->opt->exact};
    int64_t pixels = (int64_t)n->n * n->d * n->h * n->w;
    un_batch batch = {.n = n->n, .d = n->d, .h = n->h, .w = n->w, .c = n->c, .classes = 2};
    un_engine *e = NULL;
    un_cost cost;
    unet_status st = un_model_cost(model->graph, padded(n), &cost, err);
    times t = {.runs = 0};
    double began;

    batch.image = un_alloc(NULL, (size_t)(pixels * n->c) * sizeof *batch.image);
    batch.target = un_alloc(NULL, (size_t)pixels * sizeof *batch.target);
    if (!st && (!batch.image || !batch.target))
        st = un_fail_nomem(err, (size_t)pixels);
    if (!st)
        st = un_profile_create(&spec.profile, NULL, err);
    if (!st)
        st = un_engine_create(&e, NULL, &spec, err);
    if (!st)
        st = un_engine_start(e, err);
    if (!st) {
        fill(batch.image, pixels * n->c);
        for (int64_t i = 0; i < pixels; i++)
            batch.target[i] = batch.image[i * n->c] > 0;
        st = step(e, &batch, 1, err);
    }
    if (!st)
        un_profile_reset(spec.profile);
    for (began = now_s(); !st && more(b, &t, began); t.runs++) {
        double at = now_s();

        st = step(e, &batch, 2 + t.runs, err);
        t.ms[t.runs] = (now_s() - at) * 1e3;
    }
    if (!st)
        report(b, n, &t, 6 * cost.macs, (double)un_engine_bytes(e) / 1048576, spec.profile, out);
    un_engine_destroy(e);
    un_profile_destroy(spec.profile);
    un_free(batch.image);
    un_free(batch.target);
    return st;
}

static unet_status run_net(const bench *b, const net *n, figures *out, unet_error *err)
{
    un_model *model;
    unet_status st = make_model(&model, n, b->bf16, err);

    if (!st)
        st = n->train ? run_training(b, n, model, out, err) : run_session(b, n, model, out, err);
    un_model_destroy(model);
    return st;
}

/* Two kinds of run in turns, as the machine's speed changes: medians of TURNS short whiles each, and the least. */
static unet_status run_turns(const bench *a, const bench *b, const net *n, figures out[2], unet_error *err)
{
    enum { TURNS = 5 };
    bench pair[2] = {*a, *b};
    options o = *a->opt;
    times t[2] = {{.runs = 0}, {.runs = 0}};
    unet_status st = UNET_OK;

    o.seconds /= TURNS;
    pair[0].opt = pair[1].opt = &o;
    for (int i = 0; i < 2 * TURNS && !st; i++) {
        st = run_net(&pair[i % 2], n, &out[i % 2], err);
        t[i % 2].ms[t[i % 2].runs++] = out[i % 2].ms;
    }
    for (int i = 0; i < 2 && !st; i++) {
        out[i].ms = median(&t[i]);
        out[i].least = t[i].ms[0];
        if (a->opt->tsv)
            print_row(a, n, &out[i]);
    }
    return st;
}

static unet_status run_scaling(const bench *b, const net *n, unet_error *err)
{
    bench one = *b;
    figures f[2] = {{0}};
    unet_status st;

    one.pool = NULL;
    st = run_turns(&one, b, n, f, err);
    if (!st && !b->opt->tsv)
        printf("%-30s 1 thread %9.2f ms, %d threads %9.2f ms: %.2f times as fast (least %.2f and %.2f ms: %.2f)\n",
            n->name, f[0].ms, f[1].threads, f[1].ms, f[0].ms / f[1].ms, f[0].least, f[1].least,
            f[0].least / f[1].least);
    fflush(stdout);
    return st;
}

/* The fastest kernels, and then those of ever dearer memory: a line for each choice that differs from the last. */
static unet_status run_memory(const bench *b, const net *n, unet_error *err)
{
    bench priced = *b;
    size_t last = 0;
    un_model *model;
    unet_status st = make_model(&model, n, 0, err);

    for (double price = 0; !st && price<1e5; price = price> 0 ? 1.5 * price : 1.0 / 64) {
        const un_session_options so = {
            .pool = b->pool, .level = (un_cpu_level)b->opt->level, .exact = b->opt->exact, .byte_ns = price};
        size_t bytes;
        figures f;

        st = un_session_bytes(&bytes, NULL, model, padded(n), &so, err);
        if (st || bytes == last)
            continue;
        last = bytes;
        priced.byte_ns = price;
        st = run_session(&priced, n, model, &f, err);
        if (!st && b->opt->tsv)
            print_row(b, n, &f);
        else if (!st)
            printf("%-30s %8.1f MiB %9.2f ms   a byte at %.3f ns\n", n->name, f.mib, f.ms, price);
        fflush(stdout);
    }
    un_model_destroy(model);
    return st;
}

/* ---- float32 and bf16 in turns ---- */

typedef struct side {
    un_session *s;
    un_profile *profile;
    size_t bytes;
    float *logits;
    times t;
} side;

static unet_status open_side(side *o, const bench *b, const un_model *model, un_shape in, int bf16, unet_error *err)
{
    un_session_options so = {
        .pool = b->pool, .level = (un_cpu_level)b->opt->level, .exact = b->opt->exact, .bf16 = bf16};
    unet_status st = un_profile_create(&o->profile, NULL, err);

    so.profile = o->profile;
    if (!st)
        st = un_session_bytes(&o->bytes, NULL, model, in, &so, err);
    if (!st)
        st = un_session_create(&o->s, NULL, model, in, &so, err);
    if (st)
        return st;
    o->logits = un_alloc_array(NULL, (size_t)un_shape_count(un_session_output(o->s)), sizeof *o->logits);
    return o->logits ? UNET_OK : un_fail_nomem(err, 1);
}

static unet_status run_side(side *o, const float *image, unet_error *err)
{
    const double at = now_s();
    unet_status st = un_session_run(o->s, image, o->logits, NULL, err);

    o->t.ms[o->t.runs++] = (now_s() - at) * 1e3;
    return st;
}

/* Root mean square of the difference by the standard deviation. */
static double difference(const float *x, const float *y, int64_t count)
{
    double mean = 0, square = 0, error = 0;

    for (int64_t i = 0; i < count; i++) {
        mean += (double)x[i];
        square += (double)x[i] * (double)x[i];
        error += ((double)y[i] - (double)x[i]) * ((double)y[i] - (double)x[i]);
    }
    return sqrt(error / UN_MAX(square - mean * mean / (double)count, 1e-30));
}

static void print_sides(const bench *b, const net *n, side o[2])
{
    const double ms[2] = {median(&o[0].t), median(&o[1].t)};
    const double apart = 100 * difference(o[0].logits, o[1].logits, un_shape_count(un_session_output(o[0].s)));
    int count;
    layer *l;

    for (int i = 0; i < 2 && b->opt->tsv; i++)
        print_row(b, n,
            &(figures){
                un_pool_threads(b->pool), i, ms[i], o[i].t.ms[0], (double)o[i].bytes / 1048576, i ? apart : -1, 0});
    if (b->opt->tsv)
        return;
    l = gather(o[1].profile, o[1].t.runs, &count);
    printf("%-22s float32 %8.2f ms %7.1f MiB, bf16 %8.2f ms %7.1f MiB: %.2f times as fast (least %.2f and %.2f ms), "
           "logits differ by %.2f %%\n",
        n->name, ms[0], (double)o[0].bytes / 1048576, ms[1], (double)o[1].bytes / 1048576, ms[0] / ms[1], o[0].t.ms[0],
        o[1].t.ms[0], apart);
    print_layers(b, l, count);
    print_kernels(b, l, b->opt->layers ? count : 0);
    fflush(stdout);
    un_free(l);
}

static unet_status run_precisions(const bench *b, const net *n, unet_error *err)
{
    const un_shape in = padded(n);
    float *image = un_alloc_array(NULL, (size_t)un_shape_count(in), sizeof *image);
    side o[2] = {{.bytes = 0}};
    un_model *model = NULL;
    double began;
    unet_status st = image ? make_model(&model, n, 0, err) : un_fail_nomem(err, 1);

    for (int i = 0; i < 2 && !st; i++)
        st = open_side(&o[i], b, model, in, i, err);
    if (!st) {
        fill(image, un_shape_count(in));
        for (int i = 0; i < 2 && !st; i++)
            st = run_side(&o[i], image, err);
    }
    for (int i = 0; i < 2 && !st; i++) {
        o[i].t.runs = 0;
        un_profile_reset(o[i].profile);
    }
    for (began = now_s(); !st && more(b, &o[1].t, began);) {
        st = run_side(&o[0], image, err);
        st = st ? st : run_side(&o[1], image, err);
    }
    if (!st)
        print_sides(b, n, o);
    for (int i = 0; i < 2; i++) {
        un_session_destroy(o[i].s);
        un_profile_destroy(o[i].profile);
        un_free(o[i].logits);
    }
    un_model_destroy(model);
    un_free(image);
    return st;
}

static unet_status run_train_precisions(const bench *b, const net *n, unet_error *err)
{
    bench short_numbers = *b;
    figures f[2] = {{0}};
    unet_status st;

    short_numbers.bf16 = 1;
    st = run_turns(b, &short_numbers, n, f, err);
    if (!st && !b->opt->tsv)
        printf("%-30s float32 %9.2f ms, bf16 %9.2f ms: %.2f times as fast (least %.2f and %.2f ms)\n", n->name, f[0].ms,
            f[1].ms, f[0].ms / f[1].ms, f[0].least, f[1].least);
    fflush(stdout);
    return st;
}

/* ---- command line ---- */

static int wanted(const options *o, const net *n)
{
    char other[64];

    peer_name(other, sizeof other, n);
    for (int i = 0; i < o->n_names; i++)
        if (strstr(n->name, o->names[i]) || strstr(other, o->names[i]))
            return 1;
    return o->n_names == 0;
}

static int is_flag(options *o, const char *word)
{
    const struct {
        const char *name;
        int *set;
    } flags[] = {{"--exact", &o->exact}, {"--scaling", &o->scaling}, {"--memory", &o->memory}, {"--bf16", &o->bf16},
        {"--tsv", &o->tsv}};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (!strcmp(word, flags[i].name)) {
            *flags[i].set = 1;
            return 1;
        }
    return 0;
}

static int parse(options *o, int argc, char **argv)
{
    un_cpu_level level;
    int64_t n;
    int i = 1;

    for (; i < argc && argv[i][0] == '-'; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (is_flag(o, argv[i]))
            continue;
        if (value && !strcmp(argv[i], "--level") && un_cpu_level_parse(value, &level))
            o->level = (int)level;
        else if (value && !strcmp(argv[i], "--threads") && un_parse_int64(value, &n) && n > 0 && n <= 1024)
            o->threads = (int)n;
        else if (value && !strcmp(argv[i], "--layers") && un_parse_int64(value, &n) && n >= 0 && n <= 10000)
            o->layers = (int)n;
        else if (!value || strcmp(argv[i], "--seconds") || !un_parse_double(value, &o->seconds))
            return 0;
        i++;
    }
    o->names = argv + i;
    o->n_names = argc - i;
    if (!o->threads)
        o->threads = o->scaling ? 2 : 1;
    return un_cpu_has((un_cpu_level)o->level);
}

int main(int argc, char **argv)
{
    options o = {.level = (int)un_cpu_best(), .layers = 6, .seconds = 2};
    bench b = {.opt = &o};
    unet_error err = {0};
    unet_status st;
    char cpu[128];

    if (!parse(&o, argc, argv)) {
        fputs(
            "usage: speed [--level NAME] [--threads N] [--exact] [--scaling] [--memory] [--bf16] [--tsv] [--seconds S] "
            "[--layers N] [CASE...]\n",
            stderr);
        return 2;
    }
    if (o.bf16 && !un_cpu_has_bf16((un_cpu_level)o.level)) {
        fputs("this processor has no AVX-512 BF16, or the level is another than avx512\n", stderr);
        return 1;
    }
    st = un_pool_create(&b.pool, NULL, o.threads, &err);
    un_cpu_model(cpu, sizeof cpu);
    if (!st && o.tsv)
        printf("%s\n", columns);
    else if (!st && (o.scaling || o.memory))
        printf("%s, %s\n", cpu, un_cpu_level_name((un_cpu_level)o.level));
    else if (!st) {
        b.peak = o.threads * machine_peak(o.level);
        b.bandwidth = machine_bandwidth();
        printf("%s, %s, %d thread%s: float32 peak %.0f GFLOP/s, copy %.1f GB/s (one thread)\n", cpu,
            un_cpu_level_name((un_cpu_level)o.level), o.threads, o.threads > 1 ? "s" : "", b.peak, b.bandwidth);
        fflush(stdout);
    }
    for (size_t i = 0; i < sizeof nets / sizeof *nets && !st; i++)
        if (wanted(&o, &nets[i]))
            st = o.scaling       ? run_scaling(&b, &nets[i], &err)
                 : o.memory      ? run_memory(&b, &nets[i], &err)
                 : !o.bf16       ? run_net(&b, &nets[i], NULL, &err)
                 : nets[i].train ? run_train_precisions(&b, &nets[i], &err)
                                 : run_precisions(&b, &nets[i], &err);
    un_pool_destroy(b.pool);
    if (st)
        fprintf(stderr, "%s\n", err.message);
    return st ? 1 : 0;
}
