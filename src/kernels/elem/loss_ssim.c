/* 1 - structural similarity of probability and mask (Wang 2004; as a loss Qin 2019), more weight at edges: mean over
 * classes of sum v (1 - SSIM) / sum v, v = w (1 + delta) where the mask is not the same in the whole window, else w.
 * Means and variances are those of a box of 2 radius + 1 px along each axis, cut at the border of the picture; C1 =
 * 0.01^2, C2 = 0.03^2. Pixels that do not count are 0 in both.
 *
 * Phases: products by block; their means along w, h, d; similarity of each pixel and its derivatives by three of the
 * means; the value; the adjoint of the means along w, h, d; gradient by logits. */
#include "kernels/elem/loss/loss.h"

enum { PRODUCTS, MEANS, SIMILARITY = MEANS + 3, VALUE, BACK, GRADIENT = BACK + 3, PHASES };
enum { P, PP, PY, Y, YY, PLANES }; /* means of; the derivatives by the first three take their place */
enum { LINES = 32 };               /* of a task */

static const real c1 = (real)0.0001, c2 = (real)0.0009;

static int classes_of(const un_loss_args *a)
{
    return un_loss_classes(a) - un_loss_first(a);
}

/* Plane of class k, counted from the first that counts. */
static real *plane_at(const un_loss_args *a, void *shared, int plane, int k)
{
    return (real *)shared + (plane * classes_of(a) + k) * un_loss_pixels(a);
}

static size_t plane_bytes(const un_loss_args *a)
{
    return un_round_up((size_t)(PLANES * classes_of(a) * un_loss_pixels(a)) * sizeof(real), 64);
}

/* Doubles: sums [classes][blocks][2], scales [classes]. */
static size_t ssim_shared(const void *args)
{
    const un_loss_args *a = args;

    return plane_bytes(a) + (size_t)classes_of(a) * ((size_t)un_loss_blocks(a) * 2 + 1) * sizeof(double);
}

static double *sums_of(const un_loss_args *a, void *shared, int k)
{
    return (double *)((char *)shared + plane_bytes(a)) + k * un_loss_blocks(a) * 2;
}

static double *scales_of(const un_loss_args *a, void *shared)
{
    return sums_of(a, shared, classes_of(a));
}

/* A line; or the tile, and a row for each class. */
static size_t ssim_worker(const void *args)
{
    const un_loss_args *a = args;
    const int longest = UN_MAX(UN_MAX(a->logits.d, a->logits.h), a->logits.w);

    return UN_MAX(
        (size_t)longest * sizeof(double), ((size_t)a->logits.c + (size_t)un_loss_classes(a)) * TILE * sizeof(real));
}

/* ---- means ---- */

static int extent_of(const un_loss_args *a, int axis) /* 0: w, 1: h, 2: d */
{
    return axis == 0 ? a->logits.w : axis == 1 ? a->logits.h : a->logits.d;
}

static int64_t line_tasks(const un_loss_args *a, int axis) /* of a plane */
{
    return un_ceil_div(un_loss_pixels(a) / extent_of(a, axis), LINES);
}

/* p[q stride] = mean over the window about q; back: the adjoint of that. */
static void line_means(real *p, int extent, int64_t stride, int radius, int back, double *line)
{
    for (int q = 0; q < extent; q++) {
        const int n = UN_MIN(q + radius, extent - 1) - UN_MAX(q - radius, 0) + 1;

        line[q] = (double)p[q * stride] / (back ? n : 1);
    }
    for (int q = 0; q < extent; q++) {
        const int lo = UN_MAX(q - radius, 0), hi = UN_MIN(q + radius, extent - 1);
        double sum = 0;

        for (int j = lo; j <= hi; j++)
            sum += line[j];
        p[q * stride] = (real)(back ? sum : sum / (hi - lo + 1));
    }
}

static void along_axis(const un_loss_args *a, void *shared, int axis, int back, int64_t task, void *worker)
{
    const int64_t each = line_tasks(a, axis), first = task % each * LINES;
    const int extent = extent_of(a, axis);
    const int64_t stride = axis == 0 ? 1 : axis == 1 ? a->logits.w : (int64_t)a->logits.w * a->logits.h;
    real *plane = (real *)shared + task / each * un_loss_pixels(a);

    for (int64_t l = first; l < UN_MIN(first + LINES, un_loss_pixels(a) / extent); l++)
        line_means(plane + l / stride * stride * extent + l % stride, extent, stride, (int)a->radius, back, worker);
}

/* ---- pixels ---- */

static void products_block(const un_loss_args *a, void *shared, int64_t i, int64_t end, real *z)
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
            for (int j = 0; j < count; j++) {
                const real y = w[j] != 0 && un_loss_is(a, i + j, first + k), x = w[j] == 0 ? 0 : p[j];

                plane_at(a, shared, P, k)[i + j] = x;
                plane_at(a, shared, PP, k)[i + j] = x * x;
                plane_at(a, shared, PY, k)[i + j] = x * y;
                plane_at(a, shared, Y, k)[i + j] = y;
                plane_at(a, shared, YY, k)[i + j] = y * y;
            }
        }
    }
}

/* 1 - SSIM from five means; derivatives by P, PP, PY in their place, times weight. */
static real similarity(real *const m[PLANES], int64_t i, real weight)
{
    const real x = m[P][i], y = m[Y][i], cross = m[PY][i] - x * y;
    const real spread = m[PP][i] - x * x + (m[YY][i] - y * y) + c2, level = x * x + y * y + c1;
    const real top = 2 * x * y + c1, bottom = 2 * cross + c2, s = top * bottom / (level * spread);
    const real by_cross = 2 * top / (level * spread), by_spread = -s / spread;
    const real by_mean = 2 * y * bottom / (level * spread) - 2 * x * s / level;

    m[P][i] = -weight * (by_mean - y * by_cross - 2 * x * by_spread);
    m[PP][i] = -weight * by_spread;
    m[PY][i] = -weight * by_cross;
    return 1 - s;
}

static void similarity_block(const un_loss_args *a, void *shared, int64_t block, int64_t i0, int64_t end)
{
    for (int k = 0; k < classes_of(a); k++) {
        double *sum = sums_of(a, shared, k) + block * 2, value = 0, weights = 0;
        real *m[PLANES];

        for (int p = 0; p < PLANES; p++)
            m[p] = plane_at(a, shared, p, k);
        for (int64_t i = i0; i < end; i++) {
            const int edge = m[Y][i] > 0 && m[Y][i] < 1;
            const real w = un_loss_weight_at(a, i), v = edge ? w * (real)(1 + a->delta) : w;

            value += (double)(v * similarity(m, i, v));
            weights += (double)v;
        }
        sum[0] = value;
        sum[1] = weights;
    }
}

static void combine(const un_loss_args *a, void *shared)
{
    const int first = un_loss_first(a);
    const double total = un_class_weight_total(a, first);
    double value = 0;

    for (int k = 0; k < classes_of(a); k++) {
        const double *sum = sums_of(a, shared, k);
        double top = 0, bottom = 0, share;

        for (int64_t b = 0; b < un_loss_blocks(a); b++) {
            top += sum[b * 2];
            bottom += sum[b * 2 + 1];
        }
        share = bottom > 0 && total > 0 ? (double)un_class_weight(a, first + k) / (total * bottom) : 0;
        value += share * top;
        scales_of(a, shared)[k] = un_loss_weight(a) * share;
    }
    *(real *)a->value = (real)value;
}

static void gradient_block(const un_loss_args *a, void *shared, int64_t i, int64_t end, real *z)
{
    const int first = un_loss_first(a);
    real *g = z + a->logits.c * TILE, w[TILE], p[TILE], target[TILE];
    int32_t t[TILE];

    for (int k = 0; k < un_loss_classes(a) * TILE; k++)
        g[k] = 0;
    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_loss_probabilities(a, i, count, z);
        for (int k = 0; k < classes_of(a); k++) {
            const real scale = (real)scales_of(a, shared)[k];

            un_loss_rows(a, i, count, first + k, t, z, p, target);
            for (int j = 0; j < count; j++) {
                const real *by_p = plane_at(a, shared, P, k) + i, *by_pp = plane_at(a, shared, PP, k) + i;
                const real by_py = w[j] != 0 && un_loss_is(a, i + j, first + k) ? plane_at(a, shared, PY, k)[i + j] : 0;

                g[(first + k) * TILE + j] = scale * (by_p[j] + 2 * p[j] * by_pp[j] + by_py);
            }
        }
        un_loss_to_logits(a, w, g, z);
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
}

static int64_t ssim_tasks(const void *args, int phase)
{
    const un_loss_args *a = args;
    const int back = phase >= BACK, axis = back ? phase - BACK : phase - MEANS;

    if (phase == VALUE)
        return 1;
    if (phase == PRODUCTS || phase == SIMILARITY || phase == GRADIENT)
        return un_loss_blocks(a);
    return extent_of(a, axis) == 1 ? 0 : (back ? 3 : PLANES) * classes_of(a) * line_tasks(a, axis);
}

static void ssim_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    const int64_t i = task * un_tile_block(&a->logits), end = UN_MIN(i + un_tile_block(&a->logits), un_loss_pixels(a));

    if (phase == PRODUCTS)
        products_block(a, shared, i, end, worker);
    else if (phase < SIMILARITY)
        along_axis(a, shared, phase - MEANS, 0, task, worker);
    else if (phase == SIMILARITY)
        similarity_block(a, shared, task, i, end);
    else if (phase == VALUE)
        combine(a, shared);
    else if (!a->dlogits.p)
        return;
    else if (phase < GRADIENT)
        along_axis(a, shared, phase - BACK, 1, task, worker);
    else
        gradient_block(a, shared, i, end, worker);
}

UN_DEFINE(loss_ssim, LOSS_SSIM, .phases = PHASES, .tasks = ssim_tasks, .run = ssim_run, .worker_bytes = ssim_worker,
    .shared_bytes = ssim_shared)
