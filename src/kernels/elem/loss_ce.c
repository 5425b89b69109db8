/* Cross-entropy. Phases: sum of weights by block; its total; loss by block, and gradient; the value.
 *
 * With smoothing e and C classes the target distribution is (1-e) one-hot + e/C, each class weighted by cw
 * (PyTorch's cross_entropy); binary is the case C = 2 with logits (0, z); a channel of the multilabel form is
 * a binary problem. */
#include "kernels/elem/tile.h"

enum { SUM, WEIGH, LOSS, VALUE, PHASES };

static int64_t blocks_of(const un_loss_args *a)
{
    return un_ceil_div(un_view_pixels(&a->logits), un_tile_block(&a->logits));
}

static int64_t ce_tasks(const void *args, int phase)
{
    return phase == WEIGH || phase == VALUE ? 1 : blocks_of(args);
}

/* [blocks] partial sums, then the sum of the weights. */
static size_t ce_shared(const void *args)
{
    return ((size_t)blocks_of(args) + 1) * sizeof(double);
}

static size_t ce_worker(const void *args)
{
    return (size_t)((const un_loss_args *)args)->logits.c * TILE * sizeof(real);
}

static double class_weight_total(const un_loss_args *a)
{
    int count = a->form == UN_LOSS_BINARY ? 2 : a->logits.c;
    double s = 0;

    for (int ch = 0; ch < count; ch++)
        s += un_class_weight(a, ch);
    return s;
}

/* The weight that each pixel of the tile adds to the denominator. */
static void denominators(const un_loss_args *a, const int32_t *t, const real *w, real total, real *restrict den)
{
    for (int j = 0; j < TILE; j++)
        if (a->form == UN_LOSS_MULTILABEL)
            den[j] = w[j] * total;
        else
            den[j] = w[j] == 0 ? 0 : w[j] * un_class_weight(a, t[j]);
}

static double sum_block(const un_loss_args *a, int64_t i, int64_t end)
{
    double acc[LANES] = {0};
    real total = (real)class_weight_total(a), w[TILE], den[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        un_tile_target(a, i, (int)UN_MIN(TILE, end - i), t, w);
        denominators(a, t, w, total, den);
        un_tile_fold(acc, den);
    }
    return un_lanes_sum(acc);
}

/* z[c][TILE] logits -> gradients of the pixel losses, unweighted; loss of each pixel. */
static void softmax_tile(const un_loss_args *a, const int32_t *t, real *restrict z, real *restrict loss)
{
    int c = a->logits.c;
    real hard = (real)(1 - a->smoothing), soft = (real)(a->smoothing / c), soft_total = 0;
    real lse[TILE], max[TILE], sum[TILE], own[TILE], zt[TILE], total[TILE];

    for (int ch = 0; ch < c; ch++)
        soft_total += soft * un_class_weight(a, ch);
    for (int j = 0; j < TILE; j++) {
        zt[j] = loss[j] = 0;
        own[j] = hard * (t[j] >= 0 && t[j] < c ? un_class_weight(a, t[j]) : 0);
        total[j] = own[j] + soft_total;
    }
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            zt[j] = t[j] == ch ? z[ch * TILE + j] : zt[j];
    if (soft != 0) { /* sum of soft cw (max - z), completed below */
        for (int j = 0; j < TILE; j++)
            max[j] = z[j];
        for (int ch = 1; ch < c; ch++)
            for (int j = 0; j < TILE; j++)
                max[j] = z[ch * TILE + j] > max[j] ? z[ch * TILE + j] : max[j];
        for (int ch = 0; ch < c; ch++) {
            real k = soft * un_class_weight(a, ch);

            for (int j = 0; j < TILE; j++)
                loss[j] += k * (max[j] - z[ch * TILE + j]);
        }
    }
    un_tile_softmax(z, c, max, sum);
    for (int j = 0; j < TILE; j++) {
        lse[j] = un_rlog(sum[j]);
        loss[j] += own[j] * (max[j] - zt[j]) + total[j] * lse[j];
    }
    for (int ch = 0; ch < c; ch++) {
        real k = soft * un_class_weight(a, ch);

        for (int j = 0; j < TILE; j++)
            z[ch * TILE + j] = z[ch * TILE + j] * total[j] - k - (t[j] == ch ? own[j] : 0);
    }
}

/* One logit row: loss += one (-log p) + zero (-log (1-p)); z becomes the gradient. */
static void sigmoid_row(real *restrict z, const real *restrict one, const real *restrict zero, real *restrict loss)
{
    for (int j = 0; j < TILE; j++) {
        real v = z[j], m = v < 0 ? -v : v, e = un_rexp(-m), big = 1 / (1 + e), small = e * big;
        real p = v < 0 ? small : big, q = v < 0 ? big : small;

        loss[j] += one[j] * (v < 0 ? m : 0) + zero[j] * (v < 0 ? 0 : m) + (one[j] + zero[j]) * un_rlog1p(e);
        z[j] = zero[j] * p - one[j] * q;
    }
}

static void sigmoid_tile(const un_loss_args *a, int64_t i, int count, const int32_t *t, real *z, real *loss)
{
    real hard = (real)(1 - a->smoothing), half = (real)(a->smoothing / 2), one[TILE], zero[TILE], soft[TILE];

    for (int j = 0; j < TILE; j++)
        loss[j] = 0;
    for (int ch = 0; ch < a->logits.c; ch++) {
        real w1 = un_class_weight(a, ch), w0 = w1;

        if (a->form == UN_LOSS_BINARY) {
            w0 = un_class_weight(a, 0);
            w1 = un_class_weight(a, 1);
            for (int j = 0; j < TILE; j++)
                soft[j] = t[j] == 1 ? 1 : 0;
        } else {
            un_tile_soft(a, i, count, ch, soft);
        }
        for (int j = 0; j < TILE; j++) {
            one[j] = w1 * (hard * soft[j] + half);
            zero[j] = w0 * (hard * (1 - soft[j]) + half);
        }
        sigmoid_row(z + ch * TILE, one, zero, loss);
    }
}

static double loss_block(const un_loss_args *a, int64_t i, int64_t end, double weights, real *z)
{
    double acc[LANES] = {0};
    real w[TILE], loss[TILE], scale = (real)(weights > 0 ? a->weight / weights : 0);
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_tile_load(&a->logits, i, count, z);
        if (a->form == UN_LOSS_SOFTMAX)
            softmax_tile(a, t, z, loss);
        else
            sigmoid_tile(a, i, count, t, z, loss);
        for (int j = 0; j < TILE; j++)
            loss[j] = w[j] == 0 ? 0 : w[j] * loss[j];
        un_tile_fold(acc, loss);
        if (!a->dlogits.p)
            continue;
        for (int ch = 0; ch < a->logits.c; ch++)
            for (int j = 0; j < TILE; j++)
                z[ch * TILE + j] = w[j] == 0 ? 0 : scale * w[j] * z[ch * TILE + j];
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
    return un_lanes_sum(acc);
}

static double total_of(const double *part, int64_t count)
{
    double s = 0;

    for (int64_t i = 0; i < count; i++)
        s += part[i];
    return s;
}

static void ce_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    int64_t blocks = blocks_of(a), i = task * un_tile_block(&a->logits);
    int64_t end = UN_MIN(i + un_tile_block(&a->logits), un_view_pixels(&a->logits));
    double *part = shared, *weights = part + blocks;

    if (phase == SUM)
        part[task] = sum_block(a, i, end);
    else if (phase == WEIGH)
        *weights = total_of(part, blocks);
    else if (phase == LOSS)
        part[task] = loss_block(a, i, end, *weights, worker);
    else
        *(real *)a->value = (real)(*weights > 0 ? total_of(part, blocks) / *weights : 0);
}

UN_DEFINE(loss_ce, LOSS_CE, .phases = PHASES, .tasks = ce_tasks, .run = ce_run, .worker_bytes = ce_worker,
    .shared_bytes = ce_shared)
