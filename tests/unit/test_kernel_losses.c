/* Losses: cross-entropy and Dice against formulas in plain loops, every other kind against its own kernel in double
 * (the formulas of all are held against PyTorch by test_losses.c); gradients against central differences; and softmax.
 */
#include "base/mem.h"
#include "kernel_check.h"

typedef struct loss_case {
    int form, c, batch, background, squared, pixel_weights, class_weights, all_ignored;
    double smoothing, smooth, weight, pos_weight;
} loss_case;

/* Numbers that all kinds can live with. */
static const un_loss_args kind_args = {.alpha = 0.3,
    .beta = 0.7,
    .gamma = 1.5,
    .delta = 0.4,
    .q = 0.7,
    .share = 0.3,
    .threshold = 0.2,
    .radius = 2,
    .spacing = {2, 1, 1.5}};

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

                num -= w * cw * (l->pos_weight * s * log(p[k]) + (1 - s) * log(1 - p[k]));
                den += w * cw;
            } else {
                double q = (t->target[i] == k ? 1 - l->smoothing : 0) + l->smoothing / classes;

                if (l->form == UN_LOSS_BINARY && k == 1)
                    q *= l->pos_weight;
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

    t.z = kc_random(pixels * l->c);
    t.target = un_alloc_array(NULL, (size_t)pixels, sizeof *t.target);
    for (int64_t i = 0; i < pixels; i++)
        t.target[i] = l->all_ignored ? -1 : (int32_t)un_rng_below(&kc_rng, classes + 1) - 1;
    if (l->pixel_weights) {
        t.pixel_weight = un_alloc_array(NULL, (size_t)pixels, sizeof(float));
        for (int64_t i = 0; i < pixels; i++)
            t.pixel_weight[i] = i % 7 ? (float)un_rng_uniform(&kc_rng) : 0;
    }
    if (l->class_weights) {
        t.class_weight = un_alloc_array(NULL, (size_t)classes, sizeof(float));
        for (int k = 0; k < classes; k++)
            t.class_weight[k] = (float)(0.25 + un_rng_uniform(&kc_rng));
    }
    if (l->form == UN_LOSS_MULTILABEL) {
        t.soft = un_alloc_array(NULL, (size_t)(pixels * l->c), sizeof(float));
        for (int64_t i = 0; i < pixels * l->c; i++)
            t.soft[i] = i % 3 ? (float)un_rng_below(&kc_rng, 2) : (float)un_rng_uniform(&kc_rng);
    }
    return t;
}

static un_loss_args args_of(const loss_case *l, const loss_data *t, int kind, int add)
{
    un_loss_args a = kind_args;

    a.kind = (un_loss_kind)kind;
    a.form = (un_loss_form)l->form;
    a.target = t->target;
    a.pixel_weight = t->pixel_weight;
    a.soft = t->soft;
    a.class_weight = t->class_weight;
    a.weight = l->weight;
    a.smoothing = kind == UN_LOSS_CE ? l->smoothing : 0;
    a.smooth = l->smooth;
    a.pos_weight = l->pos_weight;
    a.batch = l->batch;
    a.background = l->background;
    a.squared = kind == UN_LOSS_DICE && l->squared;
    a.add = add;
    return a;
}

static const un_kernel_family families[] = {
#define FAMILY(ID, family, name) [UN_LOSS_##ID] = UN_K_##family,
    UN_LOSS_KINDS(FAMILY)
#undef FAMILY
};

/* The value by the kernel in double, no gradient. */
static double kernel_value(const loss_case *l, const loss_data *t, int kind)
{
    const un_kernel *k = un_kernel_select(families[kind], &(un_kernel_wish){.type = UN_KERNEL_F64}, NULL);
    const int64_t count = (int64_t)t->n * t->d * t->h * t->w * l->c;
    un_loss_args a = args_of(l, t, kind, 0);
    kc_tensor z = kc_make(k->type, t->n, t->d, t->h, t->w, l->c, 1);
    double value = -1;

    a.logits = a.dlogits = z.v;
    a.dlogits.p = NULL;
    a.value = &value;
    kc_set(&z, t->z);
    for (int64_t i = 0; i < count; i++) /* what does not count must not matter */
        if (t->target[i / l->c] < 0)
            kc_put(z.v.p, kc_place(&z.v, i), NAN, k->type);
    kc_run_once(k, &a, 0);
    kc_release(&z);
    return value;
}

static double value_of(const loss_case *l, const loss_data *t, int kind)
{
    return kind == UN_LOSS_CE ? naive_ce(l, t) : kind == UN_LOSS_DICE ? naive_dice(l, t) : kernel_value(l, t, kind);
}

static void check_loss(int kind, const loss_case *l, int n, int d, int h, int w, int add)
{
    loss_data t = loss_data_of(l, n, d, h, w);
    int64_t count = (int64_t)n * d * h * w * l->c;
    double value = value_of(l, &t, kind), *before = kc_random(count),
           *grad = un_alloc_array(NULL, (size_t)count, sizeof *grad);
    const un_kernel *k;

    for (int64_t i = 0; i < count; i++) {
        double was = t.z[i], e = 1e-5, up;

        t.z[i] = was + e;
        up = value_of(l, &t, kind);
        t.z[i] = was - e;
        grad[i] = l->weight * (up - value_of(l, &t, kind)) / (2 * e) + (add ? before[i] : 0);
        t.z[i] = was;
    }
    if (l->all_ignored)
        CHECK_NEAR(value, 0, 0);
    for (int j = 0; (k = kc_next(families[kind], &j));) {
        kc_tensor z = kc_make(k->type, n, d, h, w, l->c, 1), dz = kc_make(k->type, n, d, h, w, l->c, 2);
        double out[2] = {-1, -1};
        un_loss_args a = args_of(l, &t, kind, add);

        a.logits = z.v;
        a.dlogits = dz.v;
        a.value = out;
        kc_set(&z, t.z);
        for (int64_t i = 0; i < count; i++)
            if (t.target[i / l->c] < 0)
                kc_put(z.v.p, kc_place(&z.v, i), NAN, k->type);
        kc_run(k, &a, &dz, before);
        CHECK_NEAR(kc_get(out, 0, k->type), value, (k->type == UN_KERNEL_F64 ? 1e-12 : 2e-6) * (1 + fabs(value)));
        kc_expect(&dz, grad, k->type == UN_KERNEL_F64 ? 4e-9 : 2e-6, k->name);
        kc_release(&z), kc_release(&dz);
    }
    un_free(before), un_free(grad), un_free(t.z), un_free(t.target), un_free(t.pixel_weight), un_free(t.soft),
        un_free(t.class_weight);
}

static const loss_case loss_cases[] = {
    {UN_LOSS_SOFTMAX, 3, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1},
    {UN_LOSS_SOFTMAX, 4, 0, 1, 0, 1, 1, 0, 0.1, 0.5, 0.7, 1},
    {UN_LOSS_SOFTMAX, 2, 0, 0, 1, 1, 0, 0, 0, 0, 2, 1},
    {UN_LOSS_SOFTMAX, 5, 1, 1, 1, 0, 1, 0, 0.3, 1, 1, 1},
    {UN_LOSS_BINARY, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1},
    {UN_LOSS_BINARY, 1, 0, 1, 1, 1, 1, 0, 0.2, 1, 1.5, 1},
    {UN_LOSS_MULTILABEL, 3, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1},
    {UN_LOSS_MULTILABEL, 2, 0, 0, 1, 1, 1, 0, 0.1, 1, 1, 1},
    {UN_LOSS_BINARY, 1, 0, 1, 0, 1, 1, 0, 0.1, 1, 1, 2.5},
    {UN_LOSS_MULTILABEL, 3, 1, 0, 0, 1, 1, 0, 0.1, 1, 1, 2.5},
    {UN_LOSS_SOFTMAX, 3, 1, 0, 0, 0, 0, 1, 0.1, 0, 1, 1},
    {UN_LOSS_SOFTMAX, 3, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1},
    {UN_LOSS_BINARY, 1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1},
    {UN_LOSS_MULTILABEL, 2, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1},
};

/* The hinge is for sigmoids. */
static int has_form(int kind, int form)
{
    return kind != UN_LOSS_LOVASZ_HINGE || form != UN_LOSS_SOFTMAX;
}

TEST(losses)
{
    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 2, 0, 0);
    for (int kind = 0; kind < UN_LOSS_KIND_COUNT; kind++)
        for (size_t i = 0; i < UN_COUNT(loss_cases); i++)
            if (has_form(kind, loss_cases[i].form)) {
                check_loss(kind, &loss_cases[i], 2, 1, 3, 7, 0);
                check_loss(kind, &loss_cases[i], 1, 2, 5, 4, i & 1);
                check_loss(kind, &loss_cases[i], 3, 2, 2, 5, 1);
            }
}

TEST(softmax)
{
    static const int shapes[][5] = {{1, 1, 1, 1, 1}, {2, 1, 5, 7, 3}, {1, 3, 4, 9, 16}, {2, 1, 33, 65, 21}};
    const un_kernel *k;

    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 3, 0, 0);
    for (size_t s = 0; s < UN_COUNT(shapes) * 4; s++)
        for (int j = 0, sigmoid = (int)s & 1, in_place = (int)s & 2; (k = kc_next(UN_K_SOFTMAX, &j));) {
            const int *e = shapes[s / 4];
            kc_tensor x = kc_make(k->type, e[0], e[1], e[2], e[3], e[4], 1), y = kc_make_like(k->type, &x.v, 2);
            un_softmax_args a = {.x = in_place ? y.v : x.v, .y = y.v, .sigmoid = sigmoid};
            const loss_case l = {.form = sigmoid ? UN_LOSS_MULTILABEL : UN_LOSS_SOFTMAX, .c = e[4]};
            double *z = kc_random(kc_count(&x.v)), *p = kc_random(kc_count(&x.v));

            for (int64_t i = 0; i < kc_count(&x.v); i++)
                z[i] *= 8;
            for (int64_t i = 0; i < un_view_pixels(&x.v); i++)
                probabilities(&l, z + i * e[4], p + i * e[4]);
            kc_set(&x, z);
            kc_run(k, &a, &y, z);
            kc_expect(&y, p, kc_tolerance(k, 3e-7), k->name);
            kc_release(&x), kc_release(&y);
            un_free(z), un_free(p);
        }
}
