/* Normalisation against its definition, the gradients against central differences of that. */
#include "base/mem.h"
#include "kernel_check.h"

typedef struct norm_case {
    int n, d, h, w, c, mode, groups, act, affine;
    double offset; /* added to the picture: statistics must not suffer */
} norm_case;

typedef struct norm_data {
    double *x, *gamma, *beta, *y, *mean, *var;
} norm_data;

static int64_t count_of(const norm_case *t)
{
    return (int64_t)t->n * t->d * t->h * t->w * t->c;
}

static int sets_of(const norm_case *t)
{
    return t->mode == UN_NORM_BATCH ? t->c : t->mode == UN_NORM_INSTANCE ? t->n * t->c : t->n * t->groups;
}

static int set_of(const norm_case *t, int64_t i)
{
    int c = (int)(i % t->c), n = (int)(i / (count_of(t) / t->n));

    if (t->mode == UN_NORM_BATCH)
        return c;
    return t->mode == UN_NORM_INSTANCE ? n * t->c + c : n * t->groups + c / (t->c / t->groups);
}

static double act_of(double x, int act)
{
    if (act == UN_ACT_RELU)
        return x > 0 ? x : 0;
    if (act == UN_ACT_LEAKY_RELU)
        return x > 0 ? x : 0.125 * x;
    return act == UN_ACT_SILU ? x / (1 + exp(-x)) : x;
}

static void naive_norm(const norm_case *t, norm_data *v)
{
    int64_t n = count_of(t);
    int sets = sets_of(t);
    double per = (double)n / sets;

    for (int s = 0; s < sets; s++)
        v->mean[s] = v->var[s] = 0;
    for (int64_t i = 0; i < n; i++)
        v->mean[set_of(t, i)] += v->x[i] / per;
    for (int64_t i = 0; i < n; i++) {
        double d = v->x[i] - v->mean[set_of(t, i)];

        v->var[set_of(t, i)] += d * d / per;
    }
    for (int64_t i = 0; i < n; i++) {
        int s = set_of(t, i), c = (int)(i % t->c);
        double h = (v->x[i] - v->mean[s]) / sqrt(v->var[s] + 1e-5);

        v->y[i] = act_of(t->affine ? v->gamma[c] * h + v->beta[c] : h, t->act);
    }
}

static norm_data data_of(const norm_case *t)
{
    int64_t n = count_of(t);
    norm_data v = {
        kc_random(n), kc_random(t->c), kc_random(t->c), kc_random(n), kc_random(sets_of(t)), kc_random(sets_of(t))};

    for (int64_t i = 0; i < n; i++)
        v.x[i] = (double)(float)(v.x[i] * (1 + (double)(i % t->c)) + t->offset);
    return v;
}

static void release(norm_data *v)
{
    un_free(v->x), un_free(v->gamma), un_free(v->beta), un_free(v->y), un_free(v->mean), un_free(v->var);
}

static kc_tensor row_of(const un_kernel *k, int n, const double *x)
{
    kc_tensor t = kc_make(k->type, 1, 1, 1, n, 1, 0);

    if (x)
        kc_set(&t, x);
    return t;
}

static void check_norm(const norm_case *t, int pad, int in_place)
{
    norm_data v = data_of(t);
    const un_kernel *k;

    naive_norm(t, &v);
    for (int j = 0; (k = kc_next(UN_K_NORM, &j));) {
        kc_tensor x = kc_make(k->type, t->n, t->d, t->h, t->w, t->c, pad), y = kc_make_like(k->type, &x.v, 2 - pad);
        kc_tensor gamma = row_of(k, t->c, v.gamma), beta = row_of(k, t->c, v.beta), mean = row_of(k, sets_of(t), NULL);
        kc_tensor rstd = row_of(k, sets_of(t), NULL), rm = row_of(k, t->c, v.beta), rv = row_of(k, t->c, v.gamma);
        double scale = k->type == UN_KERNEL_F64 ? 1e-5 : 1, per = (double)count_of(t) / sets_of(t);
        un_norm_args a = {.x = in_place ? y.v : x.v,
            .y = y.v,
            .gamma = t->affine ? gamma.v.p : NULL,
            .beta = t->affine ? beta.v.p : NULL,
            .mean = mean.v.p,
            .rstd = rstd.v.p,
            .momentum = 0.1,
            .eps = 1e-5,
            .mode = t->mode,
            .groups = t->groups,
            .act = t->act,
            .slope = 0.125f};

        kc_set(&x, v.x);
        kc_run(k, &a, &y, v.x); /* and once more for the running statistics */
        a.running_mean = rm.v.p;
        a.running_var = rv.v.p;
        kc_set(&y, v.x);
        kc_run_once(k, &a, 0);
        for (int s = 0; s < sets_of(t); s++) {
            CHECK_NEAR(kc_at(&mean, s), v.mean[s], scale * 1.2e-7 * (1 + fabs(v.mean[s]) + sqrt(v.var[s])));
            CHECK_NEAR(kc_at(&rstd, s) * sqrt(v.var[s] + 1e-5), 1, scale * 4e-7);
        }
        for (int c = 0; c < t->c && t->mode == UN_NORM_BATCH; c++) {
            double unbiased = v.var[c] * per / UN_MAX(per - 1, 1);

            CHECK_NEAR(kc_at(&rm, c), 0.9 * v.beta[c] + 0.1 * v.mean[c],
                scale * 1.2e-7 * (1 + fabs(v.mean[c]) + sqrt(v.var[c])));
            CHECK_NEAR(kc_at(&rv, c), 0.9 * v.gamma[c] + 0.1 * unbiased, scale * 1e-6 * (1 + unbiased));
        }
        /* the mean is stored in the type: half a unit of it over the spread */
        kc_expect(&y, v.y, scale * (3e-6 + 1e-7 * fabs(t->offset)), k->name);
        kc_release(&x), kc_release(&y), kc_release(&gamma), kc_release(&beta), kc_release(&mean), kc_release(&rstd);
        kc_release(&rm), kc_release(&rv);
    }
    release(&v);
}

/* d (sum r y) / d *p by central differences. */
static double difference(const norm_case *t, norm_data *v, const double *r, double *p)
{
    double was = *p, e = 1e-5, s = 0;

    for (int side = -1; side <= 1; side += 2) {
        *p = was + side * e;
        naive_norm(t, v);
        for (int64_t i = 0; i < count_of(t); i++)
            s += side * r[i] * v->y[i];
    }
    *p = was;
    return s / (2 * e);
}

static void check_near(const kc_tensor *t, int64_t i, double want, double tol, const char *what)
{
    if (!(fabs(kc_at(t, i) - want) <= tol * (1 + fabs(want))))
        un_test_fail(
            __FILE__, __LINE__, "%s: element %lld is %.9g, expected %.9g", what, (long long)i, kc_at(t, i), want);
}

static void check_norm_grad(const norm_case *t, int pad)
{
    norm_data v = data_of(t);
    int64_t n = count_of(t);
    double *r = kc_random(n), *rstd = kc_random(sets_of(t));
    const un_kernel *k;

    for (int j = 0; (k = kc_next(UN_K_NORM_GRAD, &j));) {
        double tol = k->type == UN_KERNEL_F64 ? 1e-6 : 2e-5 + 1e-6 * fabs(t->offset);
        kc_tensor x = kc_make(k->type, t->n, t->d, t->h, t->w, t->c, pad), dx = kc_make_like(k->type, &x.v, 2 - pad);
        kc_tensor gamma = row_of(k, t->c, v.gamma), beta = row_of(k, t->c, v.beta), mean, trs;
        kc_tensor dgamma = row_of(k, t->c, NULL), dbeta = row_of(k, t->c, NULL);
        un_norm_grad_args a = {.x = x.v,
            .dy = dx.v,
            .dx = dx.v,
            .gamma = t->affine ? gamma.v.p : NULL,
            .beta = t->affine ? beta.v.p : NULL,
            .dgamma = dgamma.v.p,
            .dbeta = dbeta.v.p,
            .mode = t->mode,
            .groups = t->groups,
            .act = t->act,
            .slope = 0.125f};

        naive_norm(t, &v);
        for (int s = 0; s < sets_of(t); s++)
            rstd[s] = 1 / sqrt(v.var[s] + 1e-5);
        mean = row_of(k, sets_of(t), v.mean);
        trs = row_of(k, sets_of(t), rstd);
        a.mean = mean.v.p;
        a.rstd = trs.v.p;
        kc_set(&x, v.x);
        kc_run(k, &a, &dx, r);
        for (int i = 0; i < 24; i++) {
            int64_t e = un_rng_below(&kc_rng, n);

            check_near(&dx, e, difference(t, &v, r, &v.x[e]), tol, k->name);
        }
        for (int c = 0; c < t->c && t->affine; c += 1 + t->c / 5) {
            check_near(&dgamma, c, difference(t, &v, r, &v.gamma[c]), tol, "dgamma");
            check_near(&dbeta, c, difference(t, &v, r, &v.beta[c]), tol, "dbeta");
        }
        a.dgamma = a.dbeta = NULL;
        kc_run(k, &a, &dx, r);
        kc_release(&x), kc_release(&dx), kc_release(&gamma), kc_release(&beta), kc_release(&mean), kc_release(&trs);
        kc_release(&dgamma), kc_release(&dbeta);
    }
    un_free(r), un_free(rstd);
    release(&v);
}

static const norm_case cases[] = {
    {2, 1, 5, 7, 3, UN_NORM_BATCH, 1, UN_ACT_NONE, 0, 0},
    {2, 2, 5, 9, 16, UN_NORM_BATCH, 1, UN_ACT_SILU, 1, 0},
    {3, 1, 8, 8, 24, UN_NORM_INSTANCE, 1, UN_ACT_LEAKY_RELU, 1, 0},
    {2, 1, 12, 11, 20, UN_NORM_GROUP, 4, UN_ACT_RELU, 1, 0},
    {1, 3, 4, 5, 18, UN_NORM_GROUP, 1, UN_ACT_SILU, 0, 0},
    {1, 1, 2, 2, 150, UN_NORM_INSTANCE, 1, UN_ACT_NONE, 1, 0},
    {2, 1, 3, 3, 600, UN_NORM_BATCH, 1, UN_ACT_RELU, 1, 0},
    {1, 1, 37, 41, 33, UN_NORM_BATCH, 1, UN_ACT_SILU, 1, 0},
    {2, 1, 90, 101, 5, UN_NORM_INSTANCE, 1, UN_ACT_NONE, 1, -300},
    {2, 1, 13, 17, 32, UN_NORM_BATCH, 1, UN_ACT_RELU, 1, 0},
    {1, 1, 9, 31, 48, UN_NORM_BATCH, 1, UN_ACT_LEAKY_RELU, 1, 50},
    {1, 4, 6, 7, 16, UN_NORM_BATCH, 1, UN_ACT_NONE, 1, 0},
};

TEST(forward)
{
    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 7, 0, 0);
    for (size_t i = 0; i < UN_COUNT(cases); i++)
        for (int pad = 0; pad < 3; pad++)
            check_norm(&cases[i], pad, pad == 1);
}

TEST(far_from_zero)
{
    for (int mode = 0; mode < 3; mode++)
        check_norm(&(norm_case){2, 1, 60, 70, 8, mode, 2, UN_ACT_NONE, 1, 1000}, 0, 0);
}

TEST(gradients)
{
    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 8, 0, 0);
    for (size_t i = 0; i < UN_COUNT(cases); i++)
        check_norm_grad(&cases[i], (int)i % 3);
}

TEST(one_value)
{
    check_norm(&(norm_case){1, 1, 1, 1, 5, UN_NORM_BATCH, 1, UN_ACT_NONE, 1, 0}, 0, 0);
}
