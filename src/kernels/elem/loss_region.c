/* Losses of sums over regions (loss/region.h). Phases: the three sums of each class by block; value, and the two
 * numbers of each class that the gradient needs; gradient. */
#include "kernels/elem/loss/dice.h"
#include "kernels/elem/loss/jaccard.h"
#include "kernels/elem/loss/tversky.h"

enum { SUMS, COMBINE, GRADIENT, PHASES };

static region_fn *const region_loss[] = {
    [UN_LOSS_DICE] = loss_dice,
    [UN_LOSS_GENERALISED_DICE] = loss_generalised_dice,
    [UN_LOSS_LOG_COSH_DICE] = loss_log_cosh_dice,
    [UN_LOSS_JACCARD] = loss_jaccard,
    [UN_LOSS_TVERSKY] = loss_tversky,
};

static int first_class(const un_loss_args *a)
{
    return a->kind == UN_LOSS_GENERALISED_DICE ? 0 : un_loss_first(a);
}

static int64_t blocks_of(const un_loss_args *a) /* in a sample */
{
    return un_ceil_div(un_loss_sample_pixels(a), un_tile_block(&a->logits));
}

static int64_t region_tasks(const void *args, int phase)
{
    const un_loss_args *a = args;

    return phase == COMBINE ? 1 : a->logits.n * blocks_of(a);
}

/* Doubles: sums [n][blocks][classes][3], sums of a group [classes][3], coefficients [n][classes][2]. */
static size_t sums_count(const un_loss_args *a)
{
    return (size_t)(a->logits.n * blocks_of(a)) * (size_t)un_loss_classes(a) * 3;
}

static size_t region_shared(const void *args)
{
    const un_loss_args *a = args;

    return (sums_count(a) + (size_t)un_loss_classes(a) * (3 + 2 * (size_t)a->logits.n)) * sizeof(double);
}

/* For each class the lanes of its three sums; the tile, and a row for each class. */
static size_t region_worker(const void *args)
{
    const un_loss_args *a = args;
    const size_t classes = (size_t)un_loss_classes(a);

    return ((size_t)a->logits.c + classes) * TILE * sizeof(real) + classes * 3 * LANES * sizeof(double);
}

static void sums_block(const un_loss_args *a, int64_t i, int64_t end, void *worker, double *sums)
{
    int classes = un_loss_classes(a);
    double *acc = worker;
    real *z = (real *)(acc + classes * 3 * LANES), w[TILE], p[TILE], target[TILE], both[TILE];
    int32_t t[TILE];

    for (int j = 0; j < classes * 3 * LANES; j++)
        acc[j] = 0;
    for (; i < end; i += TILE) {
        int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_loss_probabilities(a, i, count, z);
        for (int ch = first_class(a); ch < classes; ch++) {
            double *s = acc + ch * 3 * LANES;

            un_loss_rows(a, i, count, ch, t, z, p, target);
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

/* Adds up a group, asks the loss, and spreads its derivatives, weight included, over the group's samples. */
static double combine_group(const un_loss_args *a, const double *sums, int n0, int n1, double *group, double *coefs)
{
    const int classes = un_loss_classes(a), groups = un_loss_groups(a), first = first_class(a);
    const int64_t per = blocks_of(a);
    const double total = un_class_weight_total(a, first), scale = un_loss_weight(a) / groups;
    double *d = coefs + (int64_t)n0 * classes * 2;
    const region r = {a, first, classes, total, (const double(*)[3])group, (double(*)[2])d};
    double value;

    for (int k = 0; k < classes * 3; k++)
        group[k] = 0;
    for (int64_t b = n0 * per; b < n1 * per; b++)
        for (int k = 0; k < classes * 3; k++)
            group[k] += sums[b * classes * 3 + k];
    value = total > 0 ? region_loss[a->kind](&r) / groups : 0;
    for (int k = 0; k < classes * 2; k++)
        d[k] *= scale;
    for (int n = n0 + 1; n < n1; n++)
        for (int k = 0; k < classes * 2; k++)
            coefs[(int64_t)n * classes * 2 + k] = d[k];
    return value;
}

static void combine(const un_loss_args *a, double *sums)
{
    const int classes = un_loss_classes(a), groups = un_loss_groups(a), width = a->logits.n / groups;
    double *group = sums + sums_count(a), *coefs = group + classes * 3, value = 0;

    for (int64_t j = 0; j < (int64_t)a->logits.n * classes * 2; j++)
        coefs[j] = 0;
    for (int g = 0; g < groups; g++)
        value += combine_group(a, sums, g * width, (g + 1) * width, group, coefs);
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

static void gradient_block(const un_loss_args *a, int64_t i, int64_t end, void *worker, const double *coef)
{
    const int classes = un_loss_classes(a);
    real *z = worker, *g = z + a->logits.c * TILE, w[TILE], p[TILE], target[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_loss_probabilities(a, i, count, z);
        for (int ch = 0; ch < classes; ch++) {
            un_loss_rows(a, i, count, ch, t, z, p, target);
            class_gradient(a, coef + 2 * ch, w, p, target, g + ch * TILE);
        }
        un_loss_to_logits(a, w, g, z);
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
}

static void region_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    const int64_t blocks = blocks_of(a), n = task / blocks, sample = un_loss_sample_pixels(a);
    const int64_t i = n * sample + task % blocks * un_tile_block(&a->logits);
    const int64_t end = UN_MIN(i + un_tile_block(&a->logits), (n + 1) * sample);
    const int classes = un_loss_classes(a);
    double *sums = shared, *coefs = sums + sums_count(a) + classes * 3;

    if (phase == SUMS)
        sums_block(a, i, end, worker, sums + task * classes * 3);
    else if (phase == COMBINE)
        combine(a, sums);
    else if (a->dlogits.p)
        gradient_block(a, i, end, worker, coefs + n * classes * 2);
}

UN_DEFINE(loss_region, LOSS_REGION, .phases = PHASES, .tasks = region_tasks, .run = region_run,
    .worker_bytes = region_worker, .shared_bytes = region_shared)
