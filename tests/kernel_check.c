#include "kernel_check.h"

#include <stdlib.h>

#include "base/cpu.h"
#include "base/mem.h"

#define SENTINEL 12345.0

un_rng kc_rng;

double kc_normal(void)
{
    return un_rng_normal(&kc_rng);
}

void kc_put(void *p, int64_t i, double x, int type)
{
    if (type == UN_KERNEL_F64)
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

double kc_get(const void *p, int64_t i, int type)
{
    return type == UN_KERNEL_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

int64_t kc_count(const un_view *v)
{
    return un_view_pixels(v) * v->c;
}

int64_t kc_place(const un_view *v, int64_t i)
{
    int64_t c = i % v->c, w, h, d;

    i /= v->c;
    w = i % v->w;
    i /= v->w;
    h = i % v->h;
    i /= v->h;
    d = i % v->d;
    return i / v->d * v->sn + d * v->sd + h * v->sh + w * v->sw + c;
}

kc_tensor kc_make(int type, int n, int d, int h, int w, int c, int pad)
{
    kc_tensor t = {.type = type, .v = {.n = n, .d = d, .h = h, .w = w, .c = c}};
    size_t each = type == UN_KERNEL_F64 ? 8 : 4;

    t.v.sw = c + (pad ? 3 : 0);
    t.v.sh = (w + (pad == 2 ? 2 : 0)) * t.v.sw;
    t.v.sd = (h + (pad == 2 ? 1 : 0)) * t.v.sh;
    t.v.sn = (d + (pad == 2 ? 1 : 0)) * t.v.sd;
    t.room = n * t.v.sn + 64;
    t.base = un_alloc_array(NULL, (size_t)t.room, each);
    for (int64_t i = 0; i < t.room; i++)
        kc_put(t.base, i, SENTINEL, type);
    t.v.p = (char *)t.base + (pad ? 33 : 32) * each;
    return t;
}

kc_tensor kc_make_like(int type, const un_view *v, int pad)
{
    return kc_make(type, v->n, v->d, v->h, v->w, v->c, pad);
}

void kc_set(kc_tensor *t, const double *x)
{
    for (int64_t i = 0; i < kc_count(&t->v); i++)
        kc_put(t->v.p, kc_place(&t->v, i), x[i], t->type);
}

double kc_at(const kc_tensor *t, int64_t i)
{
    return kc_get(t->v.p, kc_place(&t->v, i), t->type);
}

static void rounded(double *x, int64_t n) /* so that both types see the same numbers */
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)(float)x[i];
}

double *kc_random(int64_t n)
{
    double *x = un_alloc_array(NULL, (size_t)n, sizeof *x);

    for (int64_t i = 0; i < n; i++)
        x[i] = kc_normal();
    rounded(x, n);
    return x;
}

static void check_room(const kc_tensor *t, const char *what)
{
    int64_t outside = 0, inside = 0, first = ((char *)t->v.p - (char *)t->base) / (t->type == UN_KERNEL_F64 ? 8 : 4);

    for (int64_t i = 0; i < t->room; i++)
        outside += kc_get(t->base, i, t->type) == SENTINEL;
    for (int64_t i = 0; i < kc_count(&t->v); i++)
        inside += kc_get(t->base, first + kc_place(&t->v, i), t->type) == SENTINEL;
    if (outside - inside != t->room - kc_count(&t->v))
        un_test_fail(__FILE__, __LINE__, "%s wrote outside of its view", what);
}

void kc_expect(const kc_tensor *t, const double *y, double tol, const char *what)
{
    for (int64_t i = 0; i < kc_count(&t->v); i++)
        if (!(fabs(kc_at(t, i) - y[i]) <= tol * (1 + fabs(y[i]))))
            un_test_fail(
                __FILE__, __LINE__, "%s: element %lld is %.9g, expected %.9g", what, (long long)i, kc_at(t, i), y[i]);
    check_room(t, what);
}

/* ---- running ---- */

static void rubbish(void *p, size_t bytes)
{
    memset(p, 0xff, bytes); /* NaN in both types */
}

void kc_run_once(const un_kernel *k, const void *args, int reversed)
{
    size_t wb = k->worker_bytes ? k->worker_bytes(args) : 0, sb = k->shared_bytes ? k->shared_bytes(args) : 0;
    char *worker = un_alloc_zero(NULL, wb + 64), *shared = un_alloc_zero(NULL, sb + 64);

    rubbish(shared, sb);
    for (int phase = 0; phase < k->phases; phase++)
        for (int64_t t = 0, n = k->tasks(args, phase); t < n; t++) {
            rubbish(worker, wb);
            k->run(args, phase, reversed ? n - 1 - t : t, worker, shared);
        }
    for (int i = 0; i < 64; i++)
        CHECK(!worker[wb + (size_t)i] && !shared[sb + (size_t)i]);
    un_free(worker);
    un_free(shared);
}

void kc_release(kc_tensor *t)
{
    un_free(t->base);
}

/* The emulated programs hold the kernels of all levels, compiled for any processor of the kind: they check those that
 * this processor lacks, in test-all each. */
static int is_checked(const un_kernel *k)
{
    const un_cpu_level level = (un_cpu_level)k->level;
    const int has = un_cpu_has(level) && (!k->bf16 || un_cpu_has_bf16(level));

#ifdef KCHECK_EMULATED
    return k->level && (!has || getenv("UNET_TEST_ALL"));
#else
    return has;
#endif
}

const un_kernel *kc_next(un_kernel_family family, int *i)
{
    while (*i < un_kernel_count) {
        const un_kernel *k = un_kernels[(*i)++];

        if (k->family == family && is_checked(k))
            return k;
    }
    return NULL;
}

double kc_tolerance(const un_kernel *k, double f32)
{
    return k->type == UN_KERNEL_F64 ? 1e-11 : f32;
}

void kc_run(const un_kernel *k, const void *args, kc_tensor *y, const double *before)
{
    double *first = un_alloc_array(NULL, (size_t)kc_count(&y->v), sizeof *first);

    if (before)
        kc_set(y, before);
    kc_run_once(k, args, 0);
    for (int64_t i = 0; i < kc_count(&y->v); i++)
        first[i] = kc_at(y, i);
    if (before)
        kc_set(y, before);
    kc_run_once(k, args, 1);
    for (int64_t i = 0; i < kc_count(&y->v); i++)
        if (memcmp(&first[i], &(double){kc_at(y, i)}, sizeof(double)))
            un_test_fail(__FILE__, __LINE__, "%s depends on the order of its tasks", k->name);
    un_free(first);
}
