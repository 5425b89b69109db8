/* The elementary functions of the kernels; flat kernels: updates of parameters, sums. */
#include "base/mem.h"
#include "kernel_check.h"
#include "kernels/vmath.h"

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

/* ---- flat arrays ---- */

typedef struct optim_case {
    int adam;
    double lr, weight_decay, beta1, beta2, eps, momentum;
    int nesterov, decoupled;
    double expected[3];
} optim_case;

static const optim_case optim_cases[] = {
#include "../golden/optim.inc"
};

/* Four steps from the same start as tools/optim_values.py; the gradient comes doubled, grad_scale halves it. */
TEST(updates_as_pytorch)
{
    static const double grads[4][3] = {{0.5, -1, 0.25}, {-0.25, 2, 0.125}, {1, 0, -3}, {0.75, -0.5, 0.0625}};
    const un_kernel *k;

    for (size_t i = 0; i < UN_COUNT(optim_cases); i++)
        for (int j = 0; (k = kc_next(optim_cases[i].adam ? UN_K_ADAM : UN_K_SGD, &j));) {
            const optim_case *o = &optim_cases[i];
            double w[3], g[3], m[3] = {0}, v[3] = {0};
            un_hyper h = {.lr = 2 * o->lr, .grad_scale = 0.5};
            un_optim_args a = {w, m, v, g, 3, &h, 0.5, o->weight_decay, o->beta1, o->beta2, o->eps, o->momentum,
                o->nesterov, o->decoupled};

            for (int e = 0; e < 3; e++)
                kc_put(w, e, (const double[]){1, -2, 0.5}[e], k->type);
            if (o->momentum == 0 && !o->adam)
                a.m = NULL;
            for (h.step = 1; h.step <= 4; h.step++) {
                for (int e = 0; e < 3; e++)
                    kc_put(g, e, 2 * grads[h.step - 1][e], k->type);
                kc_run_once(k, &a, 0);
            }
            for (int e = 0; e < 3; e++)
                CHECK_NEAR(kc_get(w, e, k->type), o->expected[e], k->type == UN_KERNEL_F64 ? 1e-14 : 5e-7);
        }
}

enum { COUNT = 100003 }; /* several tasks and a rest */

TEST(updates_of_long_arrays)
{
    static const un_kernel_family families[] = {UN_K_SGD, UN_K_ADAM, UN_K_EMA};
    const un_kernel *k;

    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 4, 0, 0);
    for (size_t f = 0; f < UN_COUNT(families); f++)
        for (int j = 0; (k = kc_next(families[f], &j));) {
            kc_tensor t[4];
            double *x[4];
            un_hyper h = {.lr = 0.1, .grad_scale = 1, .step = 7, .ema_decay = 0.999};
            un_optim_args a = {
                .count = COUNT, .hyper = &h, .lr_mult = 1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .momentum = 0.5};

            for (int i = 0; i < 4; i++) {
                t[i] = kc_make(k->type, 1, 1, 1, COUNT, 1, 0);
                x[i] = kc_random(COUNT);
            }
            for (int i = 0; i < COUNT; i++) {
                x[2][i] = fabs(x[2][i]);
                kc_put(t[1].v.p, i, x[1][i], k->type);
                kc_put(t[2].v.p, i, x[2][i], k->type);
            }
            a.w = t[0].v.p, a.m = t[1].v.p, a.v = t[2].v.p, a.g = t[3].v.p;
            kc_set(&t[0], x[0]);
            kc_set(&t[3], x[3]);
            kc_run_once(k, &a, 1);
            for (int i = 0; i < COUNT; i++) {
                double d = UN_MIN(0.999, 8.0 / 17), m = 0.9 * x[1][i] + 0.1 * x[3][i];
                double v = 0.99 * x[2][i] + 0.01 * x[3][i] * x[3][i];

                if (k->family == UN_K_EMA)
                    x[1][i] = d * x[1][i] + (1 - d) * x[0][i];
                else if (k->family == UN_K_SGD)
                    x[0][i] -= 0.1 * (x[1][i] = 0.5 * x[1][i] + x[3][i]);
                else
                    x[0][i] -= 0.1 * m / (1 - pow(0.9, 7)) / (sqrt(v / (1 - pow(0.99, 7))) + 1e-8);
            }
            kc_expect(&t[0], x[0], kc_tolerance(k, 1e-6), k->name);
            if (k->family != UN_K_ADAM)
                kc_expect(&t[1], x[1], kc_tolerance(k, 1e-6), k->name);
            for (int i = 0; i < 4; i++) {
                kc_release(&t[i]);
                un_free(x[i]);
            }
        }
}

TEST(sum_of_squares)
{
    const un_kernel *k;

    for (int j = 0; (k = kc_next(UN_K_SUMSQ, &j));) {
        kc_tensor t = kc_make(k->type, 1, 1, 1, COUNT, 1, 0), s = kc_make(UN_KERNEL_F64, 1, 1, 1, 1, 1, 0);
        double *x = kc_random(COUNT), sum = 0;
        un_sumsq_args a = {t.v.p, COUNT, s.v.p};

        for (int i = 0; i < COUNT; i++)
            sum += x[i] * x[i];
        kc_set(&t, x);
        kc_run(k, &a, &s, NULL);
        kc_expect(&s, &sum, 1e-12, k->name);
        kc_release(&t), kc_release(&s);
        un_free(x);
    }
}

TEST(axpby)
{
    const un_kernel *k;

    for (int j = 0, zero = 0; (k = kc_next(UN_K_AXPBY, &j)); zero = !zero) {
        kc_tensor x = kc_make(k->type, 1, 1, 1, COUNT, 1, 0), y = kc_make(k->type, 1, 1, 1, COUNT, 1, 0);
        double *vx = kc_random(COUNT), *vy = kc_random(COUNT), *want = kc_random(COUNT), b = zero ? 0 : -0.25;
        un_axpby_args a = {x.v.p, y.v.p, 1.5, b, COUNT};

        for (int i = 0; i < COUNT; i++) {
            want[i] = 1.5 * vx[i] + b * vy[i];
            vy[i] = zero ? NAN : vy[i]; /* y is not read */
        }
        kc_set(&x, vx);
        kc_run(k, &a, &y, vy);
        kc_expect(&y, want, kc_tolerance(k, 1e-6), k->name);
        kc_release(&x), kc_release(&y);
        un_free(vx), un_free(vy), un_free(want);
    }
}
