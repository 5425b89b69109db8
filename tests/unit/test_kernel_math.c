/* The elementary functions of the kernels; flat kernels: updates of parameters, sums. */
#include "base/mem.h"
#include "config/optimisers.h"
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

/* Ten steps of three weights, from tools/optim_values.py. */
enum { STEPS = 10, WEIGHTS = 3 };

typedef struct optim_settings {
    double lr, weight_decay, l1, beta1, beta2, eps, momentum;
    int nesterov, centred, decoupled;
} optim_settings;

typedef struct optim_case {
    const char *row;
    int kind;
    optim_settings o;
    double expected[STEPS * WEIGHTS];
} optim_case;

#define SET(...)                                                                                                       \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static const optim_case optim_cases[] = {
#define OPTIM(row, kind, set, ...) {row, kind, SET set, {__VA_ARGS__}},
#define AROUND(name, ...)
#include "../golden/optim.inc"
#undef OPTIM
#undef AROUND
};

static const struct {
    const char *name;
    double expected[STEPS * WEIGHTS];
} arounds[] = {
#define OPTIM(row, kind, set, ...)
#define AROUND(name, ...) {name, {__VA_ARGS__}},
#include "../golden/optim.inc"
#undef OPTIM
#undef AROUND
};

static const double *around_values(const char *name)
{
    for (size_t i = 0; i < UN_COUNT(arounds); i++)
        if (!strcmp(arounds[i].name, name))
            return arounds[i].expected;
    return NULL;
}

/* A row without a case of its own is a row without proof. */
TEST(each_optimiser_has_values)
{
    for (int i = 0; i < un_method_count(); i++) {
        const char *name = un_method_info_of((un_cfg_method)i)->name;
        int found = 0;

        for (size_t k = 0; k < UN_COUNT(optim_cases); k++)
            found |= !strcmp(optim_cases[k].row, name);
        if (!found)
            un_test_fail(__FILE__, __LINE__, "%s has no case in tools/optim_values.py", name);
    }
    for (int i = 0; i < un_around_count(); i++)
        if (!around_values(un_around_info_of(i)->name))
            un_test_fail(__FILE__, __LINE__, "%s has no values in tools/optim_values.py", un_around_info_of(i)->name);
}

/* Weight decay of both kinds stands in the cases of optimisers, L1 in one of its own. */
static int regulariser_has_values(const char *name)
{
    int coupled = 0, decoupled = 0, own = around_values(name) != NULL;

    for (size_t k = 0; k < UN_COUNT(optim_cases); k++) {
        const optim_settings *o = &optim_cases[k].o;

        own |= !strcmp(optim_cases[k].row, name);
        coupled |= o->weight_decay > 0 && !o->decoupled;
        decoupled |= o->weight_decay > 0 && o->decoupled;
    }
    return !strcmp(name, "decay") ? coupled && decoupled : own;
}

/* Those of the update; those of the network and of the loss have their gradients checked (test_gradients.c), and early
 * stopping is a course (early_stop of test_train.c). */
TEST(each_regulariser_has_values)
{
    int n = 0, stops = 0;

    for (int i = 0; i < un_regulariser_count(); i++) {
        const un_around_info *r = un_regulariser_info_of(i);

        stops += !strcmp(r->name, "early_stopping");
        n += !strncmp(r->setting, "model.", 6) || !strncmp(r->setting, "loss.", 5);
        if (strncmp(r->setting, "optimiser.", 10) != 0)
            continue;
        n++;
        if (!regulariser_has_values(r->name))
            un_test_fail(__FILE__, __LINE__, "%s has no values in tools/optim_values.py", r->name);
    }
    CHECK_INT(n + stops, un_regulariser_count());
}

static const double start_weights[WEIGHTS] = {1, -2, 0.5};
static const double step_grads[STEPS][WEIGHTS] = {{0.5, -1, 0.25}, {-0.25, 2, 0.125}, {1, 0, -3}, {0.75, -0.5, 0.0625},
    {-1.5, 0.25, 0.5}, {0.125, 0.75, -0.25}, {-0.5, -1.25, 1}, {2, 0.5, -0.75}, {0.25, -0.125, 0.375},
    {-0.625, 1, -0.5}};
static const double step_rates[STEPS] = {1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2};

/* Formulas of NAdam's momentum, as train/engine.c has them. */
static void set_mu(un_hyper *h, double beta)
{
    const double t = (double)h->step;

    h->mu = beta * (1 - 0.5 * pow(0.96, 0.004 * t));
    h->mu_next = beta * (1 - 0.5 * pow(0.96, 0.004 * (t + 1)));
    h->mu_product = h->step == 1 ? h->mu : h->mu_product * h->mu;
}

static void check_weights(const un_kernel *k, const void *w, const double *expected, const char *what, int64_t step)
{
    for (int e = 0; e < WEIGHTS; e++) {
        const double got = kc_get(w, e, k->type);

        if (!(fabs(got - expected[e]) <= (k->type == UN_KERNEL_F64 ? 1e-13 : 2e-6)))
            un_test_fail(__FILE__, __LINE__, "%s, %s, step %lld, weight %d: %.17g, expected %.17g", k->name, what,
                (long long)step, e, got, expected[e]);
    }
}

/* The gradient comes doubled, grad_scale halves it; half of the rate is in lr_mult. */
TEST(updates_as_pytorch)
{
    const un_kernel *k;

    for (size_t i = 0; i < UN_COUNT(optim_cases); i++)
        for (int j = 0; (k = kc_next(optim_cases[i].kind == UN_OPTIM_LAMB ? UN_K_LAMB : UN_K_OPTIM, &j));) {
            const optim_settings *o = &optim_cases[i].o;
            double w[WEIGHTS], g[WEIGHTS], m[WEIGHTS] = {0}, v[WEIGHTS] = {0}, x[WEIGHTS] = {0};
            un_hyper h = {.grad_scale = 0.5};
            const un_optim_args a = {optim_cases[i].kind, w, m, v, x, g, WEIGHTS, &h, 0.5, o->weight_decay, o->l1,
                o->beta1, o->beta2, o->eps, o->momentum, o->nesterov, o->centred, o->decoupled, 1};

            for (int e = 0; e < WEIGHTS; e++)
                kc_put(w, e, start_weights[e], k->type);
            for (h.step = 1; h.step <= STEPS; h.step++) {
                h.lr = 2 * o->lr * step_rates[h.step - 1];
                set_mu(&h, o->beta1);
                for (int e = 0; e < WEIGHTS; e++)
                    kc_put(g, e, 2 * step_grads[h.step - 1][e], k->type);
                kc_run_once(k, &a, 0);
                check_weights(k, w, optim_cases[i].expected + WEIGHTS * (h.step - 1), optim_cases[i].row, h.step);
            }
        }
}

/* ---- what goes with any optimiser ---- */

static const un_kernel *of_type(un_kernel_family family, const un_kernel *like)
{
    const un_kernel *k;

    for (int j = 0; (k = kc_next(family, &j));)
        if (k->type == like->type && k->level == like->level)
            return k;
    un_test_fail(__FILE__, __LINE__, "no kernel of the level of %s", like->name);
    return NULL;
}

typedef struct around_run {
    const un_kernel *sgd;
    double w[WEIGHTS], g[WEIGHTS], copy[WEIGHTS], home[WEIGHTS]; /* of the kernel's type */
    un_hyper h;
} around_run;

/* Of w0^2 / 2 + w1^4 / 4 + w0 w1 w2 - w2. */
static void around_gradient(around_run *r)
{
    const int type = r->sgd->type;
    const double w[3] = {kc_get(r->w, 0, type), kc_get(r->w, 1, type), kc_get(r->w, 2, type)};
    const double g[3] = {w[0] + w[1] * w[2], w[1] * w[1] * w[1] + w[0] * w[2], w[0] * w[1] - 1};

    for (int e = 0; e < WEIGHTS; e++)
        kc_put(r->g, e, g[e], type);
    r->h.grad_norm = sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2]);
}

static void around_sam(around_run *r)
{
    const un_perturb_args a = {r->w, r->g, WEIGHTS, &r->h, 0.05};

    memcpy(r->home, r->w, sizeof r->w);
    kc_run_once(of_type(UN_K_PERTURB, r->sgd), &a, 0);
    around_gradient(r);
    memcpy(r->w, r->home, sizeof r->w);
}

static void around_limit(around_run *r, const char *name)
{
    const un_clamp_args clamp = {r->g, WEIGHTS, &r->h, 0.5};
    const un_agc_args agc = {r->w, r->g, 1, 1, WEIGHTS, &r->h, 0.02, 1e-3};

    if (!strcmp(name, "clip_norm")) /* the backend's rule */
        r->h.grad_scale = fmin(1, 1 / (r->h.grad_norm + 1e-6));
    if (!strcmp(name, "clip_value"))
        kc_run_once(of_type(UN_K_CLAMP, r->sgd), &clamp, 0);
    if (!strcmp(name, "clip_adaptive"))
        kc_run_once(of_type(UN_K_AGC, r->sgd), &agc, 0);
}

/* Averages as train/engine.c has them: ema with decay 0.6, swa from step 3 on at every second. */
static double around_keep(const char *name, int64_t step)
{
    if (!strcmp(name, "ema"))
        return fmin(0.6, (1 + (double)step) / (10 + (double)step));
    if (step <= 3)
        return 0;
    return (step - 3) % 2 ? 1 : (double)((step - 3) / 2) / (double)((step - 3) / 2 + 1);
}

static void around_step(around_run *r, const char *name)
{
    const un_optim_args sgd = {
        .kind = UN_OPTIM_SGD, .w = r->w, .g = r->g, .count = WEIGHTS, .hyper = &r->h, .lr_mult = 1};
    const un_average_args copy = {r->w, r->copy, WEIGHTS, &r->h, 3, 0.5};

    r->h.grad_scale = 1;
    around_gradient(r);
    if (!strcmp(name, "sam"))
        around_sam(r);
    around_limit(r, name);
    kc_run_once(r->sgd, &sgd, 0);
    if (!strcmp(name, "lookahead"))
        kc_run_once(of_type(UN_K_LOOKAHEAD, r->sgd), &copy, 0);
    r->h.average_keep = around_keep(name, r->h.step);
    if (!strcmp(name, "ema") || !strcmp(name, "swa"))
        kc_run_once(of_type(UN_K_AVERAGE, r->sgd), &copy, 0);
}

TEST(around_any_optimiser)
{
    const un_kernel *k;

    for (size_t i = 0; i < UN_COUNT(arounds); i++)
        for (int j = 0; (k = kc_next(UN_K_OPTIM, &j));) {
            const char *name = arounds[i].name;
            const int averaged = !strcmp(name, "ema") || !strcmp(name, "swa");
            around_run r = {.sgd = k, .h = {.lr = 0.1}};

            for (int e = 0; e < WEIGHTS; e++) {
                kc_put(r.w, e, start_weights[e], k->type);
                kc_put(r.copy, e, start_weights[e], k->type);
            }
            for (r.h.step = 1; r.h.step <= STEPS; r.h.step++) {
                around_step(&r, name);
                check_weights(
                    k, averaged ? r.copy : r.w, arounds[i].expected + WEIGHTS * (r.h.step - 1), name, r.h.step);
            }
        }
}

enum { COUNT = 100003 }; /* several tasks and a rest */

typedef struct long_state {
    kc_tensor t[5]; /* w, m, v, x, g */
    double *x[5];
} long_state;

static void long_make(long_state *s, int type)
{
    for (int i = 0; i < 5; i++) {
        s->t[i] = kc_make(type, 1, 1, 1, COUNT, 1, 0);
        s->x[i] = kc_random(COUNT);
        for (int e = 0; e < COUNT && i > 1 && i < 4; e++)
            s->x[i][e] = fabs(s->x[i][e]);
        kc_set(&s->t[i], s->x[i]);
    }
}

static void long_free(long_state *s)
{
    for (int i = 0; i < 5; i++) {
        kc_release(&s->t[i]);
        un_free(s->x[i]);
    }
}

static un_optim_args long_args(const long_state *s, const un_hyper *h, int kind)
{
    return (un_optim_args){.kind = kind,
        .w = s->t[0].v.p,
        .m = s->t[1].v.p,
        .v = s->t[2].v.p,
        .x = s->t[3].v.p,
        .g = s->t[4].v.p,
        .count = COUNT,
        .hyper = h,
        .lr_mult = 1,
        .weight_decay = 0.01,
        .beta1 = 0.9,
        .beta2 = 0.99,
        .eps = 1e-3,
        .momentum = 0.5,
        .centred = 0,
        .decoupled = 1,
        .adapt = 1};
}

/* Each kind on an array of several tasks gives what it gives element by element (lamb: with the norms of the whole). */
TEST(updates_of_long_arrays)
{
    const un_hyper h = {
        .lr = 0.1, .grad_scale = 1, .step = 7, .mu = 0.5, .mu_next = 0.51, .mu_product = 0.01, .average_keep = 0.75};
    const un_kernel *k;

    for (int kind = 0; kind < UN_OPTIM_COUNT; kind++)
        for (int j = 0; (k = kc_next(kind == UN_OPTIM_LAMB ? UN_K_LAMB : UN_K_OPTIM, &j));) {
            const int64_t picked[] = {0, 1, 32767, 32768, 65536, COUNT - 1};
            double expected[UN_COUNT(picked)], ww = 0, uu = 0;
            long_state s;
            un_optim_args a;

            un_rng_init(&kc_rng, 1, UN_RNG_TEST, 4, 0, 0);
            long_make(&s, k->type);
            a = long_args(&s, &h, kind);
            for (int i = 0; i < COUNT && kind == UN_OPTIM_LAMB; i++) {
                const double m = 0.9 * s.x[1][i] + 0.1 * s.x[4][i], v = 0.99 * s.x[2][i] + 0.01 * s.x[4][i] * s.x[4][i];
                const double u = m / (1 - pow(0.9, 7)) / (sqrt(v / (1 - pow(0.99, 7))) + 1e-3) + 0.01 * s.x[0][i];

                ww += s.x[0][i] * s.x[0][i];
                uu += u * u;
            }
            for (size_t p = 0; p < UN_COUNT(picked); p++) { /* the same kernel on one element */
                double one[5];
                un_optim_args b = a;

                for (int i = 0; i < 5; i++)
                    kc_put(&one[i], 0, s.x[i][picked[p]], k->type);
                b.w = &one[0], b.m = &one[1], b.v = &one[2], b.x = &one[3], b.g = &one[4], b.count = 1;
                b.adapt = 0;
                b.lr_mult = kind == UN_OPTIM_LAMB ? sqrt(ww / uu) : 1;
                kc_run_once(k, &b, 0);
                expected[p] = kc_get(&one[0], 0, k->type);
            }
            kc_run_once(k, &a, 1);
            for (size_t p = 0; p < UN_COUNT(picked); p++)
                CHECK_NEAR(kc_at(&s.t[0], picked[p]), expected[p], kc_tolerance(k, 1e-6) * (1 + fabs(expected[p])));
            long_free(&s);
        }
}

/* Average, lookahead, perturbation and limits over several tasks. */
TEST(copies_and_limits_of_long_arrays)
{
    static const un_kernel_family families[] = {UN_K_AVERAGE, UN_K_LOOKAHEAD, UN_K_PERTURB, UN_K_CLAMP};
    const un_hyper h = {.grad_scale = 0.5, .grad_norm = 2, .step = 6, .average_keep = 0.75};
    const un_kernel *k;

    for (size_t f = 0; f < UN_COUNT(families); f++)
        for (int j = 0; (k = kc_next(families[f], &j));) {
            long_state s;

            un_rng_init(&kc_rng, 1, UN_RNG_TEST, 5, 0, 0);
            long_make(&s, k->type);
            const un_average_args copy = {s.t[0].v.p, s.t[1].v.p, COUNT, &h, 3, 0.25};
            const un_perturb_args uphill = {s.t[0].v.p, s.t[4].v.p, COUNT, &h, 0.5};
            const un_clamp_args clamp = {s.t[4].v.p, COUNT, &h, 0.25};

            kc_run_once(k,
                k->family == UN_K_PERTURB ? (const void *)&uphill
                : k->family == UN_K_CLAMP ? (const void *)&clamp
                                          : &copy,
                1);
            for (int i = 0; i < COUNT; i++) {
                double *w = &s.x[0][i], *c = &s.x[1][i], *g = &s.x[4][i];

                if (k->family == UN_K_AVERAGE)
                    *c = 0.75 * *c + 0.25 * *w;
                else if (k->family == UN_K_LOOKAHEAD)
                    *w = *c += 0.25 * (*w - *c);
                else if (k->family == UN_K_PERTURB)
                    *w += 0.5 * 0.5 * *g / 2;
                else
                    *g = fmax(-0.5, fmin(0.5, *g)); /* 0.25 of the mean gradient */
            }
            for (int i = 0; i < 5; i++)
                kc_expect(&s.t[i], s.x[i], kc_tolerance(k, 1e-6), k->name);
            long_free(&s);
        }
}

/* Steps that do not count leave the copy alone. */
TEST(averages_that_wait)
{
    static const un_kernel_family families[] = {UN_K_AVERAGE, UN_K_LOOKAHEAD};
    const un_hyper h = {.step = 7, .average_keep = 1};
    const un_kernel *k;

    for (size_t f = 0; f < UN_COUNT(families); f++)
        for (int j = 0; (k = kc_next(families[f], &j));) {
            const un_average_args a = {NULL, NULL, 100, &h, 3, 0.5};

            CHECK_INT(k->tasks(&a, 0), 0);
        }
}

/* Units along the first and the second axis, and all as one: [2][3][5]. */
TEST(adaptive_clipping_of_units)
{
    const int64_t forms[][3] = {{1, 2, 15}, {2, 3, 5}, {1, 1, 30}};
    const un_hyper h = {.grad_scale = 0.5};
    const un_kernel *k;

    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 6, 0, 0);
    for (size_t f = 0; f < UN_COUNT(forms); f++)
        for (int j = 0; (k = kc_next(UN_K_AGC, &j));) {
            const int64_t outer = forms[f][0], units = forms[f][1], inner = forms[f][2];
            kc_tensor w = kc_make(k->type, 1, 1, 1, 30, 1, 0), g = kc_make(k->type, 1, 1, 1, 30, 1, 0);
            double *x = kc_random(30), *y = kc_random(30);
            const un_agc_args a = {w.v.p, g.v.p, outer, units, inner, &h, 0.3, 1e-3};

            kc_set(&w, x);
            kc_set(&g, y);
            kc_run_once(k, &a, 1);
            for (int64_t u = 0; u < units; u++) {
                double ww = 0, gg = 0, by;

                for (int i = 0; i < 30; i++)
                    if (i / inner % units == u) {
                        ww += x[i] * x[i];
                        gg += 0.25 * y[i] * y[i];
                    }
                by = fmin(1, 0.3 * sqrt(ww) / sqrt(gg));
                for (int i = 0; i < 30; i++)
                    y[i] *= i / inner % units == u ? by : 1;
            }
            CHECK_INT(outer * units * inner, 30);
            kc_expect(&g, y, kc_tolerance(k, 1e-6), k->name);
            kc_release(&w), kc_release(&g);
            un_free(x);
            un_free(y);
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
