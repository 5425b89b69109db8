/* Losses that weigh probabilities by distances (px, or as spacing says) to the edge of a class.
 *   boundary   mean over classes of sum w p phi / sum w: phi the distance to the nearest pixel of the class outside of
 * it, 1 - the distance to the nearest pixel that is not of it inside (Kervadec 2019) hausdorff  mean over classes of
 * sum w (p - y)^2 (d_y^gamma + d_p^gamma) / sum w: d the distance to the nearest pixel of the other side, of the mask
 * and of p > 1/2; no gradient through d (Karimi and Salcudean 2019) A class that a sample lacks or that fills it has no
 * edge there: distance 0. Pixels that do not count are on neither side.
 *
 * Phases: seeds of the maps by block; an exact squared distance transform along w, h, d; the sum of weights; loss and
 * gradient by block; the value. */
#include <math.h>

#include "base/envelope.h"
#include "kernels/elem/loss/loss.h"

enum { SEEDS, ALONG_W, ALONG_H, ALONG_D, WEIGH, LOSS, VALUE, PHASES };
enum { LINES = 32 }; /* of a task */

/* Maps of a class: squared distances to it and to what is not it, of the mask and of the prediction. */
static int maps_of(const un_loss_args *a)
{
    return a->kind == UN_LOSS_HAUSDORFF ? 4 : 2;
}

static int classes_of(const un_loss_args *a)
{
    return un_loss_classes(a) - un_loss_first(a);
}

/* Map m of class k (counted from the first that counts): [n][d][h][w]. */
static real *map_at(const un_loss_args *a, void *shared, int k, int m)
{
    return (real *)shared + (k * maps_of(a) + m) * un_loss_pixels(a);
}

static size_t map_bytes(const un_loss_args *a)
{
    return un_round_up((size_t)(classes_of(a) * maps_of(a) * un_loss_pixels(a)) * sizeof(real), 64);
}

static size_t distance_shared(const void *args)
{
    const un_loss_args *a = args;

    return map_bytes(a) + ((size_t)un_loss_blocks(a) + 1) * sizeof(double);
}

/* A line; or the tile, and a row for each class. */
static size_t distance_worker(const void *args)
{
    const un_loss_args *a = args;
    const int longest = UN_MAX(UN_MAX(a->logits.d, a->logits.h), a->logits.w);

    return UN_MAX(un_envelope_bytes(longest), ((size_t)a->logits.c + (size_t)un_loss_classes(a)) * TILE * sizeof(real));
}

typedef struct axis {
    int extent, others[2];    /* of the axis, and of the two others */
    int64_t stride, steps[2]; /* in pixels */
    double spacing;
} axis;

static axis axis_of(const un_loss_args *a, int phase)
{
    const int e[3] = {a->logits.d, a->logits.h, a->logits.w}, at = ALONG_D - phase;
    const int64_t strides[3] = {(int64_t)e[1] * e[2], e[2], 1};
    const int first = at == 0 ? 1 : 0, second = at == 2 ? 1 : 2;

    return (axis){e[at], {e[first], e[second]}, strides[at], {strides[first], strides[second]}, a->spacing[at]};
}

/* Tasks of a volume. */
static int64_t line_tasks(const axis *x)
{
    return un_ceil_div((int64_t)x->others[0] * x->others[1], LINES);
}

static int64_t distance_tasks(const void *args, int phase)
{
    const un_loss_args *a = args;
    axis x;

    if (phase == SEEDS || phase == LOSS)
        return un_loss_blocks(a);
    if (phase == WEIGH || phase == VALUE)
        return 1;
    x = axis_of(a, phase);
    return x.extent == 1 ? 0 : line_tasks(&x) * classes_of(a) * maps_of(a) * a->logits.n;
}

/* A seed of the map is at distance 0. */
static void seeds_block(const un_loss_args *a, void *shared, int64_t i, int64_t end, real *z)
{
    const int first = un_loss_first(a);
    real w[TILE], p[TILE], target[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_loss_probabilities(a, i, count, z);
        for (int k = 0; k < classes_of(a); k++) {
            un_loss_rows(a, i, count, first + k, t, z, p, target);
            for (int j = 0; j < count; j++)
                for (int m = 0; m < maps_of(a); m++) {
                    const int in = m < 2 ? w[j] != 0 && un_loss_is(a, i + j, first + k) : p[j] > (real)0.5;

                    map_at(a, shared, k, m)[i + j] = w[j] != 0 && in == !(m & 1) ? 0 : (real)INFINITY;
                }
        }
    }
}

static void along_axis(const un_loss_args *a, void *shared, int phase, int64_t task, void *worker)
{
    const axis x = axis_of(a, phase);
    const int64_t each = line_tasks(&x), volume = task / each, line = task % each * LINES;
    real *map = (real *)shared + volume * un_loss_sample_pixels(a);
    un_envelope e = un_envelope_of(x.extent, worker);

    for (int64_t l = line; l < UN_MIN(line + LINES, (int64_t)x.others[0] * x.others[1]); l++) {
        real *p = map + l / x.others[1] * x.steps[0] + l % x.others[1] * x.steps[1];

        for (int q = 0; q < x.extent; q++)
            e.value[q] = (double)p[q * x.stride];
        un_envelope_run(&e, x.extent, x.spacing);
        for (int q = 0; q < x.extent; q++)
            p[q * x.stride] = (real)e.result[q];
    }
}

/* A squared distance to a power; 0 where there is no edge. */
static real power_of(real squared, real half)
{
    return squared > (real)1e30 ? 0
           : half == 1          ? squared
           : half == (real)0.5  ? un_rroot(squared)
                                : un_rpow(squared, half);
}

static real field(const un_loss_args *a, void *shared, int k, int64_t i, int in)
{
    const real half = (real)(0.5 * a->gamma);
    real sum = 0;

    if (a->kind == UN_LOSS_HAUSDORFF) {
        for (int m = 0; m < 4; m++)
            sum += power_of(map_at(a, shared, k, m)[i], half);
        return sum;
    }
    if (!in)
        return power_of(map_at(a, shared, k, 0)[i], (real)0.5);
    sum = map_at(a, shared, k, 1)[i];
    return sum > (real)1e30 ? 0 : 1 - un_rroot(sum);
}

static double loss_block(const un_loss_args *a, void *shared, double weights, int64_t i, int64_t end, real *z)
{
    const int first = un_loss_first(a), classes = un_loss_classes(a), squares = a->kind == UN_LOSS_HAUSDORFF;
    const double total = un_class_weight_total(a, first), by = weights > 0 && total > 0 ? 1 / (weights * total) : 0;
    const real weight = (real)un_loss_weight(a);
    real *g = z + a->logits.c * TILE, w[TILE], p[TILE], target[TILE], each[TILE];
    double acc[LANES] = {0};
    int32_t t[TILE];

    for (int k = 0; k < classes * TILE; k++)
        g[k] = 0;
    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_loss_probabilities(a, i, count, z);
        for (int k = first; k < classes; k++) {
            const real share = (real)(by * (double)un_class_weight(a, k));

            un_loss_rows(a, i, count, k, t, z, p, target);
            for (int j = 0; j < TILE; j++) {
                const int counts = w[j] != 0, in = counts && un_loss_is(a, i + j, k);
                const real f = counts ? share * w[j] * field(a, shared, k - first, i + j, in) : 0;
                const real e = counts ? p[j] - (squares && in ? 1 : 0) : 0;

                each[j] = squares ? e * e * f : e * f;
                g[k * TILE + j] = weight * (squares ? 2 * e * f : f);
            }
            un_tile_fold(acc, each);
        }
        if (!a->dlogits.p)
            continue;
        un_loss_to_logits(a, w, g, z);
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
    return un_lanes_sum(acc);
}

static void distance_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    const int64_t i = task * un_tile_block(&a->logits), end = UN_MIN(i + un_tile_block(&a->logits), un_loss_pixels(a));
    const int64_t blocks = un_loss_blocks(a);
    double *part = (double *)((char *)shared + map_bytes(a)), *weights = part + blocks;

    if (phase == SEEDS) {
        part[task] = un_loss_weights(a, i, end);
        seeds_block(a, shared, i, end, worker);
    } else if (phase <= ALONG_D) {
        along_axis(a, shared, phase, task, worker);
    } else if (phase == WEIGH) {
        *weights = un_loss_total(part, blocks);
    } else if (phase == LOSS) {
        part[task] = loss_block(a, shared, *weights, i, end, worker);
    } else {
        *(real *)a->value = (real)un_loss_total(part, blocks);
    }
}

UN_DEFINE(loss_distance, LOSS_DISTANCE, .phases = PHASES, .tasks = distance_tasks, .run = distance_run,
    .worker_bytes = distance_worker, .shared_bytes = distance_shared)
