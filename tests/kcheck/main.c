/* kcheck [--bench [--layer TEXT]] [--list] [--filter TEXT] [--level NAME] [--seed N] */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "memory.h"

static const struct {
    const kc_suite *suites;
    const int *count;
} groups[] = {
    {kc_conv_suites, &kc_conv_suite_count},
};

static sigjmp_buf on_signal;

static void caught(int sig)
{
    siglongjmp(on_signal, sig);
}

int kc_int(kc *c, int lo, int hi)
{
    return lo + (int)un_rng_below(&c->rng, hi - lo + 1);
}

void kc_note(kc *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(c->what, sizeof c->what, fmt, ap);
    va_end(ap);
}

void kc_fail(kc *c, const char *fmt, ...)
{
    va_list ap;

    if (c->failed++)
        return; /* the first difference of a case tells enough */
    printf("FAIL %s case %d%s %s: ", c->kernel->name, c->number, c->exact ? " exact" : "", c->what);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}

const un_kernel *kc_reference(un_kernel_family family, int type)
{
    for (int i = 0; i < un_kernel_count; i++)
        if (un_kernels[i]->family == family && un_kernels[i]->type == type && !un_kernels[i]->level)
            return un_kernels[i];
    return 0;
}

static void *scratch(kc *c, size_t (*bytes)(const void *), const void *args)
{
    size_t n = bytes ? bytes(args) : 0;
    void *p = n ? kc_memory(c, n, 64) : 0;

    if (n)
        memset(p, 0xff, n); /* NaN */
    return p;
}

static void run_phase(kc *c, const un_kernel *k, const void *args, int phase, void *shared)
{
    int64_t tasks = k->tasks(args, phase), step = 1, at;
    void *worker = scratch(c, k->worker_bytes, args);

    if (tasks <= 0)
        return;
    for (int64_t s = kc_int(c, 1, 1000) % tasks; s > 0 && step == 1; s--) { /* coprime with tasks: visits all */
        int64_t a = tasks, b = s;

        while (b) {
            int64_t t = a % b;

            a = b;
            b = t;
        }
        if (a == 1)
            step = s;
    }
    at = kc_int(c, 0, 1000) % tasks;
    for (int64_t i = 0; i < tasks; i++, at = (at + step) % tasks)
        k->run(args, phase, at, worker, shared);
}

static const void *pack(kc *c, const un_kernel *k, const void *args)
{
    size_t bytes = k->packed_bytes ? k->packed_bytes(args) : 0;
    void *p = bytes ? kc_memory(c, bytes, 64) : 0;
    int64_t tasks = bytes ? k->pack_tasks(args) : 0;

    if (bytes)
        memset(p, 0xff, bytes);
    for (int64_t t = tasks - 1; t >= 0; t--)
        k->pack(args, p, t);
    return p;
}

void kc_run(kc *c, const un_kernel *k, const void *args, const void **packed)
{
    void *shared;

    kc_guard_begin();
    if (packed)
        *packed = pack(c, k, args);
    shared = scratch(c, k->shared_bytes, args);
    for (int phase = 0; phase < k->phases; phase++)
        run_phase(c, k, args, phase, shared);
    if (!kc_guard_intact())
        kc_fail(c, "%s wrote between the elements of a view", k->name);
}

typedef struct comparison {
    kc *c;
    const char *name;
    const un_view *got, *want, *bound;
    int type;
    double tolerance;
} comparison;

static void compare_one(void *ctx, const int at[5])
{
    comparison *k = ctx;
    double g = kc_get(k->got, k->type, at[0], at[1], at[2], at[3], at[4]);
    double w = kc_get(k->want, UN_KERNEL_F64, at[0], at[1], at[2], at[3], at[4]);
    double b = k->c->exact && !k->c->kernel->winograd ? 0
               : k->bound ? kc_get(k->bound, UN_KERNEL_F64, at[0], at[1], at[2], at[3], at[4])
                          : k->tolerance * (1 + fabs(w));

    if (!(fabs(g - w) <= b) && !(isnan(g) && isnan(w)) && !(isinf(g) && g == w))
        kc_fail(k->c, "%s at n%d d%d h%d w%d c%d is %.9g, expected %.9g within %.3g", k->name, at[0], at[1], at[2],
            at[3], at[4], g, w, b);
}

void kc_compare(
    kc *c, const char *name, const un_view *got, int type, const un_view *want, const un_view *bound, double tolerance)
{
    comparison k = {c, name, got, want, bound, type, tolerance};

    kc_each(got, compare_one, &k);
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void kc_bench(kc *c, const char *label, const void *args, const void **packed, double flops, double bytes)
{
    const un_kernel *k = c->kernel;
    double best = INFINITY, began;
    void *worker, *shared;

    if (k->supports && !k->supports(args))
        return;
    if (packed)
        *packed = pack(c, k, args);
    worker = scratch(c, k->worker_bytes, args);
    shared = scratch(c, k->shared_bytes, args);
    began = now_s();
    for (int i = 0; i < 3 || (i < 50 && now_s() - began < 0.3); i++) {
        double t = now_s();

        un_kernel_run_serial(k, args, worker, shared);
        t = now_s() - t;
        best = t < best ? t : best;
    }
    printf("%-32s %-28s %10.3f ms", k->name, label, best * 1e3);
    if (flops > 0)
        printf(" %8.1f GFLOP/s", flops / best * 1e-9);
    if (bytes > 0)
        printf(" %8.2f GB/s", bytes / best * 1e-9);
    if (k->cost)
        printf(" model %10.3f ms", k->cost(args) * 1e-6);
    printf("\n");
    fflush(stdout);
}

typedef struct options {
    int bench, list, level, verbose;
    const char *filter, *layer;
    unsigned long seed;
} options;

static int run_one(kc *c, void (*fn)(kc *))
{
    int sig = sigsetjmp(on_signal, 1);

    if (!sig)
        fn(c);
    else
        kc_fail(c, "%s", sig == SIGILL ? "illegal instruction" : "touches memory outside its views");
    kc_release_all();
    return c->failed == 0;
}

#ifdef KCHECK_EMULATED
static int everything(void)
{
    return getenv("UNET_TEST_ALL") != NULL;
}
#endif

static void check_kernel(const un_kernel *k, const kc_suite *s, const options *o, int *passed, int *failed)
{
    const int before = *failed;
#ifdef KCHECK_EMULATED /* slow */
    const int step = everything() ? 1 : 2;
#else
    const int step = 1;
#endif

    for (int i = 0; i < s->cases; i += step)
        for (int exact = 0; exact < 2; exact++) {
            kc c = {.kernel = k, .number = i, .exact = exact};

            un_rng_init(&c.rng, o->seed, UN_RNG_TEST, (uint32_t)i, (uint32_t)exact, (uint32_t)s->family);
            if (run_one(&c, s->check))
                ++*passed;
            else
                ++*failed;
        }
    if (o->verbose)
        printf("%-36s %s\n", k->name, *failed == before ? "ok" : "FAILED");
}

static const kc_suite *suite_of(un_kernel_family family)
{
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (int i = 0; i < *groups[g].count; i++)
            if (groups[g].suites[i].family == family)
                return &groups[g].suites[i];
    return 0;
}

static int parse(options *o, int argc, char **argv)
{
    un_cpu_level level;

    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : 0;

        if (!strcmp(argv[i], "--bench"))
            o->bench = 1;
        else if (!strcmp(argv[i], "--list"))
            o->list = 1;
        else if (!strcmp(argv[i], "-v"))
            o->verbose = 1;
        else if (value && !strcmp(argv[i], "--filter"))
            o->filter = argv[++i];
        else if (value && !strcmp(argv[i], "--layer"))
            o->layer = argv[++i];
        else if (value && !strcmp(argv[i], "--seed"))
            o->seed = strtoul(argv[++i], 0, 10);
        else if (value && !strcmp(argv[i], "--level") && un_cpu_level_parse(value, &level)) {
            o->level = (int)level;
            i++;
        } else
            return 0;
    }
    return 1;
}

/* Emulated are those that the processor lacks: the other build of this program checks those that it has. */
static int wanted(const un_kernel *k, const options *o)
{
    int has;

    if (o->filter && !strstr(k->name, o->filter))
        return 0;
    if (o->level >= 0 && k->level != o->level)
        return 0;
    has = un_cpu_has((un_cpu_level)k->level) && (!k->bf16 || un_cpu_has_bf16((un_cpu_level)k->level));
#ifdef KCHECK_EMULATED /* the kernels of all levels are compiled for any processor of this kind */
    return !has || everything();
#else
    return o->list || has;
#endif
}

int main(int argc, char **argv)
{
    options o = {.level = -1, .seed = 1};
    int passed = 0, failed = 0;
    struct sigaction sa = {.sa_handler = caught};

    if (!parse(&o, argc, argv)) {
        fprintf(
            stderr, "usage: kcheck [--bench [--layer TEXT]] [--list] [--filter TEXT] [--level NAME] [--seed N] [-v]\n");
        return 2;
    }
    sigaction(SIGSEGV, &sa, 0);
    sigaction(SIGBUS, &sa, 0);
    sigaction(SIGILL, &sa, 0);
    for (int i = 0; i < un_kernel_count; i++) {
        const un_kernel *k = un_kernels[i];
        const kc_suite *s = suite_of(k->family);
        kc c = {.kernel = k, .layer = o.layer};

        if (!wanted(k, &o))
            continue;
        un_rng_init(&c.rng, o.seed, UN_RNG_TEST, 0, 0, (uint32_t)k->family);
        if (!s)
            continue;
        if (o.list)
            printf("%s\n", k->name);
        else if (!o.bench)
            check_kernel(k, s, &o, &passed, &failed);
        else if (s->bench)
            run_one(&c, s->bench);
    }
    if (!o.list && !o.bench)
        printf("seed %lu\n%d passed, %d failed, 0 skipped\n", o.seed, passed, failed);
    return failed > 0;
}
