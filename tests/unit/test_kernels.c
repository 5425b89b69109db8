/* Every kernel but convolution, of every type and level that this machine runs, against formulas written here
 * in plain loops over doubles. Views are padded, so that a write outside of them is seen; each kernel also
 * runs with its tasks in reversed order and its scratch full of rubbish, which must give the same bits. */
#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/size.h"
#include "kernels/args.h"
#include "kernels/vmath.h"
#include "test.h"

#define SENTINEL 12345.0

/* A tensor of either type with room around it. */
typedef struct tensor {
    un_view v;
    void *base;
    int64_t room; /* elements */
    int type;
} tensor;

static un_rng rng;

static double normal(void)
{
    return un_rng_normal(&rng);
}

static void put(void *p, int64_t i, double x, int type)
{
    if (type == UN_KERNEL_F64)
        ((double *)p)[i] = x;
    else
        ((float *)p)[i] = (float)x;
}

static double get(const void *p, int64_t i, int type)
{
    return type == UN_KERNEL_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static int64_t count_of(const un_view *v)
{
    return un_view_pixels(v) * v->c;
}

/* Where element i of the dense order lies in the view, in elements from v->p. */
static int64_t place(const un_view *v, int64_t i)
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

/* pad 0: dense; 1: a slice of wider pixels; 2: a rectangle of a larger picture as well. */
static tensor make(int type, int n, int d, int h, int w, int c, int pad)
{
    tensor t = {.type = type, .v = {.n = n, .d = d, .h = h, .w = w, .c = c}};
    size_t each = type == UN_KERNEL_F64 ? 8 : 4;

    t.v.sw = c + (pad ? 3 : 0);
    t.v.sh = (w + (pad == 2 ? 2 : 0)) * t.v.sw;
    t.v.sd = (h + (pad == 2 ? 1 : 0)) * t.v.sh;
    t.v.sn = (d + (pad == 2 ? 1 : 0)) * t.v.sd;
    t.room = n * t.v.sn + 64;
    t.base = un_alloc_array(NULL, (size_t)t.room, each);
    for (int64_t i = 0; i < t.room; i++)
        put(t.base, i, SENTINEL, type);
    t.v.p = (char *)t.base + (pad ? 33 : 32) * each;
    return t;
}

static tensor make_like(int type, const un_view *v, int pad)
{
    return make(type, v->n, v->d, v->h, v->w, v->c, pad);
}

static void set(tensor *t, const double *x)
{
    for (int64_t i = 0; i < count_of(&t->v); i++)
        put(t->v.p, place(&t->v, i), x[i], t->type);
}

static double at(const tensor *t, int64_t i)
{
    return get(t->v.p, place(&t->v, i), t->type);
}

static void rounded(double *x, int64_t n) /* so that both types see the same numbers */
{
    for (int64_t i = 0; i < n; i++)
        x[i] = (double)(float)x[i];
}

static double *random_values(int64_t n)
{
    double *x = un_alloc_array(NULL, (size_t)n, sizeof *x);

    for (int64_t i = 0; i < n; i++)
        x[i] = normal();
    rounded(x, n);
    return x;
}

static void check_room(const tensor *t, const char *what)
{
    int64_t outside = 0, inside = 0, first = ((char *)t->v.p - (char *)t->base) / (t->type == UN_KERNEL_F64 ? 8 : 4);

    for (int64_t i = 0; i < t->room; i++)
        outside += get(t->base, i, t->type) == SENTINEL;
    for (int64_t i = 0; i < count_of(&t->v); i++)
        inside += get(t->base, first + place(&t->v, i), t->type) == SENTINEL;
    if (outside - inside != t->room - count_of(&t->v))
        un_test_fail(__FILE__, __LINE__, "%s wrote outside of its view", what);
}

static void expect(const tensor *t, const double *y, double tol, const char *what)
{
    for (int64_t i = 0; i < count_of(&t->v); i++)
        if (!(fabs(at(t, i) - y[i]) <= tol * (1 + fabs(y[i]))))
            un_test_fail(
                __FILE__, __LINE__, "%s: element %lld is %.9g, expected %.9g", what, (long long)i, at(t, i), y[i]);
    check_room(t, what);
}

/* ---- running ---- */

static void rubbish(void *p, size_t bytes)
{
    memset(p, 0xff, bytes); /* NaN in both types */
}

static void run(const un_kernel *k, const void *args, int reversed)
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

static void release(tensor *t)
{
    un_free(t->base);
}

/* The kernels of a family that this machine runs, one after the other. */
static const un_kernel *next_kernel(un_kernel_family family, int *i)
{
    while (*i < un_kernel_count) {
        const un_kernel *k = un_kernels[(*i)++];

        if (k->family == family && (!k->level || un_cpu_has(k->level)))
            return k;
    }
    return NULL;
}

static double tolerance(const un_kernel *k, double f32)
{
    return k->type == UN_KERNEL_F64 ? 1e-11 : f32;
}

/* Runs twice, the second time in reversed order: the tensor must get the same bits. */
static void run_checked(const un_kernel *k, const void *args, tensor *y, const double *before)
{
    double *first = un_alloc_array(NULL, (size_t)count_of(&y->v), sizeof *first);

    if (before)
        set(y, before);
    run(k, args, 0);
    for (int64_t i = 0; i < count_of(&y->v); i++)
        first[i] = at(y, i);
    if (before)
        set(y, before);
    run(k, args, 1);
    for (int64_t i = 0; i < count_of(&y->v); i++)
        if (memcmp(&first[i], &(double){at(y, i)}, sizeof(double)))
            un_test_fail(__FILE__, __LINE__, "%s depends on the order of its tasks", k->name);
    un_free(first);
}

/* ---- pooling ---- */

static int64_t dense(const un_view *v, int n, int d, int h, int w, int c)
{
    return ((((int64_t)n * v->d + d) * v->h + h) * v->w + w) * v->c + c;
}

typedef void window_fn(const double *x, const int64_t *index, int count, const double *dy, double *y, double *dx);

static void naive_max(const double *x, const int64_t *index, int count, const double *dy, double *y, double *dx)
{
    int best = 0;

    for (int i = 1; i < count; i++)
        if (x[index[i]] > x[index[best]] || x[index[i]] != x[index[i]])
            best = i;
    *y = x[index[best]];
    dx[index[best]] += *dy;
}

static void naive_avg(const double *x, const int64_t *index, int count, const double *dy, double *y, double *dx)
{
    *y = 0;
    for (int i = 0; i < count; i++) {
        *y += x[index[i]] / count;
        dx[index[i]] += *dy / count;
    }
}

static void naive_pool(const un_pool_args *a, const un_view *in, const un_view *out, const double *x, const double *dy,
    double *y, double *dx, window_fn *fn)
{
    int64_t index[512];

    for (int n = 0; n < out->n; n++)
        for (int64_t o = 0; o < (int64_t)out->d * out->h * out->w; o++)
            for (int c = 0; c < out->c; c++) {
                int w = (int)(o % out->w), h = (int)(o / out->w % out->h), d = (int)(o / out->w / out->h), count = 0;
                int64_t i = dense(out, n, d, h, w, c);

                for (int kd = d * a->stride[0]; kd < UN_MIN(in->d, d * a->stride[0] + a->k[0]); kd++)
                    for (int kh = h * a->stride[1]; kh < UN_MIN(in->h, h * a->stride[1] + a->k[1]); kh++)
                        for (int kw = w * a->stride[2]; kw < UN_MIN(in->w, w * a->stride[2] + a->k[2]); kw++)
                            index[count++] = dense(in, n, kd, kh, kw, c);
                fn(x, index, count, &dy[i], &y[i], dx);
            }
}

static int pooled(int in, int k, int stride, int ceil)
{
    int o = (in - k + (ceil ? stride - 1 : 0)) / stride + 1;

    return (o - 1) * stride >= in ? o - 1 : o;
}

static void check_pool(const int s[5], const int k[3], const int stride[3], int ceil, int max, int pad)
{
    for (int i = 0, j = 0; i < 2; i++, j = 0) {
        const un_kernel *kernel;
        un_kernel_family families[4] = {UN_K_AVGPOOL, UN_K_AVGPOOL_GRAD, UN_K_MAXPOOL, UN_K_MAXPOOL_GRAD};

        while ((kernel = next_kernel(families[2 * max + i], &j))) {
            un_pool_args a = {0};
            int type = kernel->type;
            tensor tx = make(type, s[0], s[1], s[2], s[3], s[4], pad), ty, tdy, tdx, tadd;
            double *x = random_values(count_of(&tx.v)), *dx = random_values(count_of(&tx.v)), *add, *y, *dy;

            add = random_values(count_of(&tx.v));
            memcpy(a.k, k, sizeof a.k);
            memcpy(a.stride, stride, sizeof a.stride);
            ty = make(type, s[0], pooled(s[1], k[0], stride[0], ceil), pooled(s[2], k[1], stride[1], ceil),
                pooled(s[3], k[2], stride[2], ceil), s[4], 2 - pad);
            tdy = make_like(type, &ty.v, pad);
            tdx = make_like(type, &tx.v, 1);
            tadd = make_like(type, &tx.v, 0);
            y = random_values(count_of(&ty.v));
            dy = random_values(count_of(&ty.v));
            for (int64_t e = 0; e < count_of(&tx.v); e++)
                dx[e] = max ? add[e] : 0;
            naive_pool(&a, &tx.v, &ty.v, x, dy, y, dx, max ? naive_max : naive_avg);
            set(&tx, x);
            set(&tdy, dy);
            set(&tadd, add);
            a.x = tx.v;
            if (i) {
                a.y = a.dy = tdy.v;
                a.dx = tdx.v;
                if (max)
                    a.add = tadd.v;
                run_checked(kernel, &a, &tdx, NULL);
                expect(&tdx, dx, tolerance(kernel, 1e-6), kernel->name);
            } else {
                a.y = ty.v;
                run_checked(kernel, &a, &ty, NULL);
                expect(&ty, y, tolerance(kernel, 1e-6), kernel->name);
            }
            release(&tx), release(&ty), release(&tdy), release(&tdx), release(&tadd);
            un_free(x), un_free(dx), un_free(add), un_free(y), un_free(dy);
        }
    }
}

TEST(pooling)
{
    un_rng_init(&rng, 1, UN_RNG_TEST, 1, 0, 0);
    for (int max = 0; max < 2; max++)
        for (int pad = 0; pad < 3; pad++) {
            check_pool((int[]){2, 1, 8, 12, 5}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, 0, max, pad);
            check_pool((int[]){2, 1, 9, 13, 16}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, 0, max, pad);
            check_pool((int[]){2, 1, 9, 13, 16}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, 1, max, pad);
            check_pool((int[]){1, 5, 7, 9, 3}, (int[]){2, 2, 2}, (int[]){2, 2, 2}, 1, max, pad);
            check_pool((int[]){1, 6, 8, 10, 17}, (int[]){2, 3, 3}, (int[]){1, 2, 2}, 0, max, pad);
            check_pool((int[]){1, 4, 8, 9, 2}, (int[]){1, 1, 2}, (int[]){2, 3, 3}, 0, max, pad);
            check_pool((int[]){1, 1, 130, 70, 40}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, 0, max, pad);
        }
}

/* ---- losses ---- */

typedef struct loss_case {
    int form, c, batch, background, squared, pixel_weights, class_weights, all_ignored;
    double smoothing, smooth, weight;
} loss_case;

typedef struct loss_data {
    int32_t *target;
    float *pixel_weight, *soft, *class_weight;
    double *z;
    int n, d, h, w;
} loss_data;

/* Probabilities of the classes of one pixel, two for the binary form. */
static int probabilities(const loss_case *l, const double *z, double *p)
{
    double max = z[0], sum = 0;

    if (l->form == UN_LOSS_BINARY) {
        p[1] = 1 / (1 + exp(-z[0]));
        p[0] = 1 - p[1];
        return 2;
    }
    if (l->form == UN_LOSS_MULTILABEL) {
        for (int k = 0; k < l->c; k++)
            p[k] = 1 / (1 + exp(-z[k]));
        return l->c;
    }
    for (int k = 0; k < l->c; k++)
        max = UN_MAX(max, z[k]);
    for (int k = 0; k < l->c; k++)
        sum += exp(z[k] - max);
    for (int k = 0; k < l->c; k++)
        p[k] = exp(z[k] - max) / sum;
    return l->c;
}

static double naive_ce(const loss_case *l, const loss_data *t)
{
    int64_t pixels = (int64_t)t->n * t->d * t->h * t->w;
    double num = 0, den = 0, p[64];

    for (int64_t i = 0; i < pixels; i++) {
        double w = t->pixel_weight ? (double)t->pixel_weight[i] : 1;
        int classes;

        if (t->target[i] < 0)
            continue;
        classes = probabilities(l, t->z + i * l->c, p);
        for (int k = 0; k < classes; k++) {
            double cw = t->class_weight ? (double)t->class_weight[k] : 1;

            if (l->form == UN_LOSS_MULTILABEL) {
                double s = (double)t->soft[i * l->c + k] * (1 - l->smoothing) + l->smoothing / 2;

                num -= w * cw * (s * log(p[k]) + (1 - s) * log(1 - p[k]));
                den += w * cw;
            } else {
                double q = (t->target[i] == k ? 1 - l->smoothing : 0) + l->smoothing / classes;

                num -= w * cw * q * log(p[k]);
                if (t->target[i] == k)
                    den += w * cw;
            }
        }
    }
    return den > 0 ? num / den : 0;
}

static double naive_dice(const loss_case *l, const loss_data *t)
{
    int64_t sample = (int64_t)t->d * t->h * t->w;
    int classes = l->form == UN_LOSS_BINARY ? 2 : l->c, groups = l->batch ? 1 : t->n;
    int first = l->background || l->form == UN_LOSS_MULTILABEL ? 0 : 1;
    double total = 0, value = 0, p[64];

    for (int k = first; k < classes; k++)
        total += t->class_weight ? (double)t->class_weight[k] : 1;
    for (int g = 0; g < groups; g++)
        for (int k = first; k < classes; k++) {
            double inter = 0, sp = 0, st = 0, cw = t->class_weight ? (double)t->class_weight[k] : 1;
            int64_t i0 = g * sample, i1 = l->batch ? t->n * sample : i0 + sample;

            for (int64_t i = i0; i < i1; i++) {
                double w = t->pixel_weight ? (double)t->pixel_weight[i] : 1, target = t->target[i] == k;

                if (t->target[i] < 0)
                    continue;
                probabilities(l, t->z + i * l->c, p);
                if (l->form == UN_LOSS_MULTILABEL)
                    target = (double)t->soft[i * l->c + k];
                inter += w * p[k] * target;
                sp += w * (l->squared ? p[k] * p[k] : p[k]);
                st += w * (l->squared ? target * target : target);
            }
            if (sp + st + l->smooth > 0)
                value += cw / total / groups * (1 - (2 * inter + l->smooth) / (sp + st + l->smooth));
        }
    return value;
}

static loss_data loss_data_of(const loss_case *l, int n, int d, int h, int w)
{
    loss_data t = {.n = n, .d = d, .h = h, .w = w};
    int64_t pixels = (int64_t)n * d * h * w;
    int classes = l->form == UN_LOSS_BINARY ? 2 : l->c;

    t.z = random_values(pixels * l->c);
    t.target = un_alloc_array(NULL, (size_t)pixels, sizeof *t.target);
    for (int64_t i = 0; i < pixels; i++)
        t.target[i] = l->all_ignored ? -1 : (int32_t)un_rng_below(&rng, classes + 1) - 1;
    if (l->pixel_weights) {
        t.pixel_weight = un_alloc_array(NULL, (size_t)pixels, sizeof(float));
        for (int64_t i = 0; i < pixels; i++)
            t.pixel_weight[i] = i % 7 ? (float)un_rng_uniform(&rng) : 0;
    }
    if (l->class_weights) {
        t.class_weight = un_alloc_array(NULL, (size_t)classes, sizeof(float));
        for (int k = 0; k < classes; k++)
            t.class_weight[k] = (float)(0.25 + un_rng_uniform(&rng));
    }
    if (l->form == UN_LOSS_MULTILABEL) {
        t.soft = un_alloc_array(NULL, (size_t)(pixels * l->c), sizeof(float));
        for (int64_t i = 0; i < pixels * l->c; i++)
            t.soft[i] = i % 3 ? (float)un_rng_below(&rng, 2) : (float)un_rng_uniform(&rng);
    }
    return t;
}

static void check_loss(un_kernel_family family, const loss_case *l, int n, int d, int h, int w, int add)
{
    loss_data t = loss_data_of(l, n, d, h, w);
    int64_t count = (int64_t)n * d * h * w * l->c;
    double (*naive)(const loss_case *, const loss_data *) = family == UN_K_LOSS_CE ? naive_ce : naive_dice;
    double value = naive(l, &t), *before = random_values(count),
           *grad = un_alloc_array(NULL, (size_t)count, sizeof *grad);
    const un_kernel *k;

    for (int64_t i = 0; i < count; i++) {
        double was = t.z[i], e = 1e-5, up;

        t.z[i] = was + e;
        up = naive(l, &t);
        t.z[i] = was - e;
        grad[i] = l->weight * (up - naive(l, &t)) / (2 * e) + (add ? before[i] : 0);
        t.z[i] = was;
    }
    for (int j = 0; (k = next_kernel(family, &j));) {
        tensor z = make(k->type, n, d, h, w, l->c, 1), dz = make(k->type, n, d, h, w, l->c, 2);
        double out[2] = {-1, -1};
        un_loss_args a = {.logits = z.v,
            .dlogits = dz.v,
            .target = t.target,
            .pixel_weight = t.pixel_weight,
            .soft = t.soft,
            .class_weight = t.class_weight,
            .value = out,
            .weight = l->weight,
            .smoothing = l->smoothing,
            .smooth = l->smooth,
            .form = l->form,
            .batch = l->batch,
            .background = l->background,
            .squared = l->squared,
            .add = add};

        set(&z, t.z);
        for (int64_t i = 0; i < count; i++) /* what does not count must not matter */
            if (t.target[i / l->c] < 0)
                put(z.v.p, place(&z.v, i), NAN, k->type);
        run_checked(k, &a, &dz, before);
        CHECK_NEAR(get(out, 0, k->type), value, k->type == UN_KERNEL_F64 ? 1e-12 : 2e-6);
        expect(&dz, grad, k->type == UN_KERNEL_F64 ? 2e-9 : 1e-6, k->name);
        release(&z), release(&dz);
    }
    un_free(before), un_free(grad), un_free(t.z), un_free(t.target), un_free(t.pixel_weight), un_free(t.soft),
        un_free(t.class_weight);
}

static const loss_case loss_cases[] = {
    {UN_LOSS_SOFTMAX, 3, 1, 0, 0, 0, 0, 0, 0, 1, 1},
    {UN_LOSS_SOFTMAX, 4, 0, 1, 0, 1, 1, 0, 0.1, 0.5, 0.7},
    {UN_LOSS_SOFTMAX, 2, 0, 0, 1, 1, 0, 0, 0, 0, 2},
    {UN_LOSS_SOFTMAX, 5, 1, 1, 1, 0, 1, 0, 0.3, 1, 1},
    {UN_LOSS_BINARY, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1},
    {UN_LOSS_BINARY, 1, 0, 1, 1, 1, 1, 0, 0.2, 1, 1.5},
    {UN_LOSS_MULTILABEL, 3, 1, 0, 0, 0, 0, 0, 0, 1, 1},
    {UN_LOSS_MULTILABEL, 2, 0, 0, 1, 1, 1, 0, 0.1, 1, 1},
    {UN_LOSS_SOFTMAX, 3, 1, 0, 0, 0, 0, 1, 0.1, 0, 1},
    {UN_LOSS_SOFTMAX, 3, 0, 1, 0, 1, 0, 1, 0, 1, 1},
    {UN_LOSS_BINARY, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1},
    {UN_LOSS_MULTILABEL, 2, 0, 0, 1, 0, 1, 1, 0, 0, 1},
};

TEST(losses)
{
    un_rng_init(&rng, 1, UN_RNG_TEST, 2, 0, 0);
    for (size_t i = 0; i < UN_COUNT(loss_cases); i++)
        for (int add = 0; add < 2; add++) {
            check_loss(UN_K_LOSS_CE, &loss_cases[i], 2, 1, 3, 7, add);
            check_loss(UN_K_LOSS_DICE, &loss_cases[i], 2, 1, 3, 7, add);
            check_loss(UN_K_LOSS_CE, &loss_cases[i], 1, 2, 9, 5, add);
            check_loss(UN_K_LOSS_DICE, &loss_cases[i], 3, 2, 2, 5, add);
        }
}

/* ---- elementary functions in float ---- */

static double ulp_of(double y)
{
    int e;

    if (fabs(y) < 1.17549435e-38)
        return ldexp(1, -149);
    frexp(y, &e);
    return ldexp(1, e - 24);
}

static void sweep(float (*f)(float), double (*exact)(double), double lo, double hi, double bound)
{
    for (double x = lo; x < hi; x += (hi - lo) / 2e5) {
        double y = exact((double)(float)x), got = (double)f((float)x);

        if (!(fabs(got - y) <= bound * ulp_of(y)))
            un_test_fail(__FILE__, __LINE__, "at %.9g: %.9g, expected %.9g", x, got, y);
    }
}

TEST(elementary_functions)
{
    sweep(un_expf, exp, -103.9, 88.7, 1.5);
    sweep(un_expf, exp, -1, 1, 1.5);
    sweep(un_logf, log, 1e-40, 1e-38, 1.5);
    sweep(un_logf, log, 1e-3, 30, 1.5);
    sweep(un_logf, log, 0.9, 1.1, 1.5);
    sweep(un_logf, log, 1, 3e38, 1.5);
    sweep(un_log1pf, log1p, 0, 1, 2);
    sweep(un_log1pf, log1p, 0, 1e-5, 2);
    sweep(un_tanhf, tanh, -10, 10, 3);
    sweep(un_tanhf, tanh, -0.01, 0.01, 3);
    sweep(un_expm1f, expm1, -30, 30, 2.5);
    sweep(un_expm1f, expm1, -0.01, 0.01, 2.5);
    for (double x = -5; x < 5; x += 1e-4)
        CHECK_NEAR(un_erff((float)x), erf((double)(float)x), 1.6e-7);
    CHECK(un_expf(-INFINITY) == 0 && un_expf(INFINITY) == INFINITY && un_logf(0) == -INFINITY);
    CHECK(isnan(un_expf(NAN)) && isnan(un_logf(NAN)) && isnan(un_tanhf(NAN)) && isnan(un_erff(NAN)) &&
          isnan(un_expm1f(NAN)));
}
