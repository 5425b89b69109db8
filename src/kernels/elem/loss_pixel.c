/* Losses that are a weighted mean over pixels. Phases: sum of weights by block; its total; loss by block, and gradient;
 * the value. */
#include "kernels/elem/loss/bootstrap.h"
#include "kernels/elem/loss/ce.h"
#include "kernels/elem/loss/focal.h"
#include "kernels/elem/loss/gce.h"
#include "kernels/elem/loss/huber.h"
#include "kernels/elem/loss/mae.h"
#include "kernels/elem/loss/sce.h"

enum { SUM, WEIGH, LOSS, VALUE, PHASES };

/* Cross-entropy has forms of its own (ce.h). */
static pixel_fn *const pixel_loss[] = {
    [UN_LOSS_FOCAL] = loss_focal,
    [UN_LOSS_GCE] = loss_gce,
    [UN_LOSS_SCE] = loss_sce,
    [UN_LOSS_MAE] = loss_mae,
    [UN_LOSS_HUBER] = loss_huber,
    [UN_LOSS_BOOTSTRAP_SOFT] = loss_bootstrap_soft,
    [UN_LOSS_BOOTSTRAP_HARD] = loss_bootstrap_hard,
};

static int64_t pixel_tasks(const void *args, int phase)
{
    return phase == WEIGH || phase == VALUE ? 1 : un_loss_blocks(args);
}

/* [blocks] partial sums, then the sum of the weights. */
static size_t pixel_shared(const void *args)
{
    return ((size_t)un_loss_blocks(args) + 1) * sizeof(double);
}

/* The tile and as much again; two rows for a sigmoid, and two again. */
static size_t pixel_worker(const void *args)
{
    return ((size_t)((const un_loss_args *)args)->logits.c * 2 + 4) * TILE * sizeof(real);
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
    real total = (real)un_class_weight_total(a, 0), w[TILE], den[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        un_tile_target(a, i, (int)UN_MIN(TILE, end - i), t, w);
        denominators(a, t, w, total, den);
        un_tile_fold(acc, den);
    }
    return un_lanes_sum(acc);
}

/* ---- tiles: z becomes the gradient, class weights within; loss of each pixel ---- */

static void softmax_tile(const un_loss_args *a, const int32_t *t, real *z, real *work, real *restrict loss)
{
    const int c = a->logits.c;
    real cw[TILE];

    pixel_loss[a->kind](a, c, t, z, work, loss);
    if (!a->class_weight)
        return;
    for (int j = 0; j < TILE; j++) {
        cw[j] = t[j] >= 0 && t[j] < c ? un_class_weight(a, t[j]) : 0;
        loss[j] *= cw[j];
    }
    for (int ch = 0; ch < c; ch++)
        for (int j = 0; j < TILE; j++)
            z[ch * TILE + j] *= cw[j];
}

/* One logit row with target t: loss += share loss; grad += share gradient. */
static void add_sigmoid(const un_loss_args *a, const real *z, const int32_t *t, const real *share, real *rows,
    real *restrict grad, real *restrict loss)
{
    real each[TILE];

    for (int j = 0; j < TILE; j++) {
        rows[j] = 0;
        rows[TILE + j] = z[j];
    }
    pixel_loss[a->kind](a, 2, t, rows, rows + 2 * TILE, each);
    for (int j = 0; j < TILE; j++) {
        loss[j] += share[j] == 0 ? 0 : share[j] * each[j];
        grad[j] += share[j] == 0 ? 0 : share[j] * rows[TILE + j];
    }
}

static void sigmoid_tile(const un_loss_args *a, int64_t i, int count, const int32_t *t, real *z, real *rows, real *loss)
{
    real share[TILE], soft[TILE], grad[TILE];
    int32_t side[TILE];

    for (int j = 0; j < TILE; j++)
        loss[j] = 0;
    for (int ch = 0; ch < a->logits.c; ch++) {
        real *row = z + ch * TILE;

        for (int j = 0; j < TILE; j++)
            grad[j] = 0;
        if (a->form == UN_LOSS_BINARY) {
            for (int j = 0; j < TILE; j++)
                share[j] = t[j] == 0 || t[j] == 1 ? un_class_weight(a, t[j]) : 0;
            add_sigmoid(a, row, t, share, rows, grad, loss);
        } else {
            un_tile_soft(a, i, count, ch, soft);
            for (int s = 0; s < 2; s++) { /* the expectation over the soft target */
                for (int j = 0; j < TILE; j++) {
                    side[j] = s;
                    share[j] = un_class_weight(a, ch) * (s ? soft[j] : 1 - soft[j]);
                }
                add_sigmoid(a, row, side, share, rows, grad, loss);
            }
        }
        for (int j = 0; j < TILE; j++)
            row[j] = grad[j];
    }
}

static void loss_tile(const un_loss_args *a, int64_t i, int count, const int32_t *t, real *z, real *loss)
{
    real *work = z + a->logits.c * TILE;

    if (a->kind == UN_LOSS_CE && a->form == UN_LOSS_SOFTMAX)
        ce_softmax(a, t, z, loss);
    else if (a->kind == UN_LOSS_CE)
        ce_sigmoids(a, i, count, t, z, loss);
    else if (a->form == UN_LOSS_SOFTMAX)
        softmax_tile(a, t, z, work, loss);
    else
        sigmoid_tile(a, i, count, t, z, work, loss);
}

static double loss_block(const un_loss_args *a, int64_t i, int64_t end, double weights, real *z)
{
    double acc[LANES] = {0};
    real w[TILE], loss[TILE], scale = (real)(weights > 0 ? un_loss_weight(a) / weights : 0);
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_tile_load(&a->logits, i, count, z);
        loss_tile(a, i, count, t, z, loss);
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

static void pixel_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    int64_t blocks = un_loss_blocks(a), i = task * un_tile_block(&a->logits);
    int64_t end = UN_MIN(i + un_tile_block(&a->logits), un_view_pixels(&a->logits));
    double *part = shared, *weights = part + blocks;

    if (phase == SUM)
        part[task] = sum_block(a, i, end);
    else if (phase == WEIGH)
        *weights = un_loss_total(part, blocks);
    else if (phase == LOSS)
        part[task] = loss_block(a, i, end, *weights, worker);
    else
        *(real *)a->value = (real)(*weights > 0 ? un_loss_total(part, blocks) / *weights : 0);
}

UN_DEFINE(loss_pixel, LOSS_PIXEL, .phases = PHASES, .tasks = pixel_tasks, .run = pixel_run,
    .worker_bytes = pixel_worker, .shared_bytes = pixel_shared)
