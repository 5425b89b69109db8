/* Soft Dice (Milletari, Navab & Ahmadi 2016; Drozdzal et al. 2016). Phases: the three sums of each class by
 * block; value, and the two numbers of each class that the gradient needs; gradient. */
#include "kernels/elem/tile.h"

enum { SUMS, COMBINE, GRADIENT, PHASES };

/* Classes that have sums: the binary form has two, with p and 1-p. */
static int classes_of(const un_loss_args *a)
{
    return a->form == UN_LOSS_BINARY ? 2 : a->logits.c;
}

/* The first class that counts. The channels of the multilabel form have no background. */
static int first_class(const un_loss_args *a)
{
    return a->background || a->form == UN_LOSS_MULTILABEL ? 0 : 1;
}

static int64_t sample_pixels(const un_loss_args *a)
{
    return (int64_t)a->logits.d * a->logits.h * a->logits.w;
}

static int64_t blocks_of(const un_loss_args *a) /* in a sample */
{
    return un_ceil_div(sample_pixels(a), un_tile_block(&a->logits));
}

static int64_t dice_tasks(const void *args, int phase)
{
    const un_loss_args *a = args;

    return phase == COMBINE ? 1 : a->logits.n * blocks_of(a);
}

/* Doubles: sums [n][blocks][classes][3], then coefficients [n][classes][2]. */
static size_t sums_count(const un_loss_args *a)
{
    return (size_t)(a->logits.n * blocks_of(a)) * (size_t)classes_of(a) * 3;
}

static size_t dice_shared(const void *args)
{
    const un_loss_args *a = args;

    return (sums_count(a) + (size_t)a->logits.n * (size_t)classes_of(a) * 2) * sizeof(double);
}

/* The tile; for each class its target row and the lanes of its three sums. */
static size_t dice_worker(const void *args)
{
    const un_loss_args *a = args;

    return (size_t)a->logits.c * TILE * sizeof(real) + (size_t)classes_of(a) * 3 * LANES * sizeof(double);
}

/* z[c][TILE] = probabilities. */
static void probabilities(const un_loss_args *a, int64_t i, int count, real *restrict z)
{
    real max[TILE], sum[TILE];

    un_tile_load(&a->logits, i, count, z);
    if (a->form == UN_LOSS_SOFTMAX)
        un_tile_softmax(z, a->logits.c, max, sum);
    else
        for (int j = 0; j < a->logits.c * TILE; j++)
            z[j] = un_rsigmoid(z[j]);
}

/* Probability and target of one class of the tile. */
static void class_rows(
    const un_loss_args *a, int64_t i, int count, int class, const int32_t *t, const real *z, real *p, real *target)
{
    if (a->form == UN_LOSS_MULTILABEL)
        un_tile_soft(a, i, count, class, target);
    else
        for (int j = 0; j < TILE; j++)
            target[j] = t[j] == class ? 1 : 0;
    if (a->form == UN_LOSS_BINARY)
        for (int j = 0; j < TILE; j++)
            p[j] = class ? z[j] : 1 - z[j];
    else
        for (int j = 0; j < TILE; j++)
            p[j] = z[class * TILE + j];
}

static void sums_block(const un_loss_args *a, int64_t i, int64_t end, void *worker, double *sums)
{
    int classes = classes_of(a);
    double *acc = worker;
    real *z = (real *)(acc + classes * 3 * LANES), w[TILE], p[TILE], target[TILE], both[TILE];
    int32_t t[TILE];

    for (int j = 0; j < classes * 3 * LANES; j++)
        acc[j] = 0;
    for (; i < end; i += TILE) {
        int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        probabilities(a, i, count, z);
        for (int ch = first_class(a); ch < classes; ch++) {
            double *s = acc + ch * 3 * LANES;

            class_rows(a, i, count, ch, t, z, p, target);
            for (int j = 0; j < TILE; j++) { /* what does not count must not bring NaN in */
                p[j] = w[j] == 0 ? 0 : p[j];
                both[j] = w[j] * p[j] * target[j];
                p[j] *= a->squared ? w[j] * p[j] : w[j];
                target[j] *= a->squared ? w[j] * target[j] : w[j];
            }
            un_tile_fold(s, both);
            un_tile_fold(s + LANES, p);
            un_tile_fold(s + 2 * LANES, target);
        }
    }
    for (int j = 0; j < classes * 3; j++)
        sums[j] = un_lanes_sum(acc + j * LANES);
}

/* Dice of one class over the samples n0..n1-1; coefficients of d dice / d p = w (coef[0] t + coef[1] (2p or
 * 1)). An empty denominator is a perfect score, as with any smooth > 0. */
static double class_dice(const un_loss_args *a, const double *sums, int n0, int n1, int class, double *coef)
{
    int64_t per = blocks_of(a);
    double s[3] = {0}, den;

    for (int64_t b = n0 * per; b < n1 * per; b++)
        for (int k = 0; k < 3; k++)
            s[k] += sums[(b * classes_of(a) + class) * 3 + k];
    den = s[1] + s[2] + a->smooth;
    if (den == 0) {
        coef[0] = coef[1] = 0;
        return 1;
    }
    coef[0] = 2 / den;
    coef[1] = -(2 * s[0] + a->smooth) / (den * den);
    return (2 * s[0] + a->smooth) / den;
}

static void combine(const un_loss_args *a, const double *sums, double *coefs)
{
    int classes = classes_of(a), groups = a->batch ? 1 : a->logits.n, width = a->batch ? a->logits.n : 1;
    double total = 0, value = 0;

    for (int ch = first_class(a); ch < classes; ch++)
        total += un_class_weight(a, ch);
    for (int64_t j = 0; j < (int64_t)a->logits.n * classes * 2; j++)
        coefs[j] = 0;
    for (int g = 0; g < groups && total > 0; g++)
        for (int ch = first_class(a); ch < classes; ch++) {
            double share = un_class_weight(a, ch) / (total * groups), c[2];

            value += share * (1 - class_dice(a, sums, g * width, (g + 1) * width, ch, c));
            for (int n = g * width; n < (g + 1) * width; n++)
                for (int k = 0; k < 2; k++)
                    coefs[((int64_t)n * classes + ch) * 2 + k] = -a->weight * share * c[k];
        }
    *(real *)a->value = (real)value;
}

/* g = d loss / d p of one class. */
static void class_gradient(
    const un_loss_args *a, const double *coef, const real *w, const real *p, const real *target, real *restrict g)
{
    real k0 = (real)coef[0], k1 = (real)coef[1];

    for (int j = 0; j < TILE; j++)
        g[j] = w[j] * (k0 * target[j] + k1 * (a->squared ? 2 * p[j] : 1));
}

/* z[c][TILE]: probabilities -> gradients by the logits. */
static void softmax_gradient(
    const un_loss_args *a, const double *coef, const int32_t *t, const real *w, real *restrict z)
{
    int c = a->logits.c;
    real dot[TILE] = {0}, g[TILE], target[TILE], p[TILE];

    for (int pass = 0; pass < 2; pass++) /* dz = p (g - sum of g p): the sum first */
        for (int ch = 0; ch < c; ch++) {
            class_rows(a, 0, 0, ch, t, z, p, target);
            class_gradient(a, coef + 2 * ch, w, p, target, g);
            if (pass)
                for (int j = 0; j < TILE; j++)
                    z[ch * TILE + j] = p[j] * (g[j] - dot[j]);
            else
                for (int j = 0; j < TILE; j++)
                    dot[j] += p[j] * g[j];
        }
}

static void sigmoid_gradient(
    const un_loss_args *a, const double *coef, int64_t i, int count, const int32_t *t, const real *w, real *restrict z)
{
    real g[TILE], g0[TILE] = {0}, target[TILE], p[TILE];

    for (int ch = 0; ch < a->logits.c; ch++) {
        int class = a->form == UN_LOSS_BINARY ? 1 : ch;
        real *row = z + ch * TILE;

        if (a->form == UN_LOSS_BINARY) {
            class_rows(a, i, count, 0, t, z, p, target);
            class_gradient(a, coef, w, p, target, g0);
        }
        class_rows(a, i, count, class, t, z, p, target);
        class_gradient(a, coef + 2 * class, w, p, target, g);
        for (int j = 0; j < TILE; j++)
            row[j] = (g[j] - g0[j]) * row[j] * (1 - row[j]);
    }
}

static void gradient_block(const un_loss_args *a, int64_t i, int64_t end, void *worker, const double *coef)
{
    real *z = worker, w[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        probabilities(a, i, count, z);
        if (a->form == UN_LOSS_SOFTMAX)
            softmax_gradient(a, coef, t, w, z);
        else
            sigmoid_gradient(a, coef, i, count, t, w, z);
        for (int ch = 0; ch < a->logits.c; ch++)
            for (int j = 0; j < TILE; j++)
                z[ch * TILE + j] = w[j] == 0 ? 0 : z[ch * TILE + j];
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
}

static void dice_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    int64_t blocks = blocks_of(a), n = task / blocks,
            i = n * sample_pixels(a) + task % blocks * un_tile_block(&a->logits);
    int64_t end = UN_MIN(i + un_tile_block(&a->logits), (n + 1) * sample_pixels(a));
    double *sums = shared, *coefs = sums + sums_count(a);
    int classes = classes_of(a);

    if (phase == SUMS)
        sums_block(a, i, end, worker, sums + task * classes * 3);
    else if (phase == COMBINE)
        combine(a, sums, coefs);
    else if (a->dlogits.p)
        gradient_block(a, i, end, worker, coefs + n * classes * 2);
}

UN_DEFINE(loss_dice, LOSS_DICE, .phases = PHASES, .tasks = dice_tasks, .run = dice_run, .worker_bytes = dice_worker,
    .shared_bytes = dice_shared)
