/* Normalisation: one pass over x for the statistics and one to apply.
 *
 * Statistics of a stretch of pixels are (mean, sum of squares about it), from sums about the mean of the block so far
 * (of its first stretch, which is read twice); two stretches merge by the formula of Chan, Golub & LeVeque (1979).
 * Stretches, blocks and samples merge in one fixed order. */
#include "kernels/elem/act.h"
#include "kernels/elem/lanes.h"
#include "kernels/elem/walk.h"

#include "base/math.h"

/* Pixels of a stretch at most, and of those that vectors of channels are applied to one by one; channels of a combining
 * task. */
enum { STRETCH = 64, RUN = 16, CHUNK = 16 };

static int64_t sample_pixels(const un_view *v)
{
    return (int64_t)v->d * v->h * v->w;
}

static int64_t block_pixels(const un_view *v)
{
    return un_round_up((size_t)UN_MAX(1, UN_TASK_ELEMENTS / v->c), STRETCH);
}

static int64_t blocks_of(const un_view *v) /* in a sample */
{
    return un_ceil_div(sample_pixels(v), block_pixels(v));
}

/* Pixels of a stretch: so few that both readings hit the cache. */
static int stretch_of(const un_view *v)
{
    return v->c <= 128 ? STRETCH : v->c <= 512 ? STRETCH / 2 : STRETCH / 4;
}

static int64_t tasks_of(const un_view *v, int mode, int groups, int phase)
{
    if (phase == 1)
        return mode == UN_NORM_GROUP ? groups : un_ceil_div(v->c, CHUNK);
    return v->n * blocks_of(v);
}

/* The channels that combining task `task` covers. */
static void chunk_of(const un_view *v, int mode, int groups, int64_t task, int *c0, int *c1)
{
    int width = mode == UN_NORM_GROUP ? v->c / groups : CHUNK;

    *c0 = (int)task * width;
    *c1 = UN_MIN(*c0 + width, v->c);
}

/* Index of a channel's statistics in mean[] and rstd[]. */
static int64_t set_of(const un_view *v, int mode, int groups, int n, int c)
{
    if (mode == UN_NORM_BATCH)
        return c;
    return mode == UN_NORM_INSTANCE ? (int64_t)n * v->c + c : (int64_t)n * groups + c / (v->c / groups);
}

/* sum[c] += the sum of `pixels` pixels less mu[c], and sq[c] += that of the squares, when sq is given. */
static inline __attribute__((always_inline)) void gather(
    int pixels, real *const *x, int c, const real *restrict mu, real *restrict sum, real *restrict sq)
{
    UN_IVDEP for (int j = 0; j < c; j++)
    {
        real s = 0, q = 0;

        for (int p = 0; p < pixels; p++) {
            real d = mu ? x[p][j] - mu[j] : x[p][j];

            s += d;
            q += d * d;
        }
        sum[j] += s;
        if (sq)
            sq[j] += q;
    }
}

static void clear(real *v, int count)
{
    for (int j = 0; j < count; j++)
        v[j] = 0;
}

static __attribute__((noinline)) void gather_all(int count, real *const *x, int c, const real *mu, real *sum, real *sq)
{
    int p = 0;

    for (; p + 4 <= count; p += 4)
        gather(4, x + p, c, mu, sum, sq);
    for (; p < count; p++)
        gather(1, x + p, c, mu, sum, sq);
}

/* What the sums are about: the mean of the `count` pixels at hand, or, where count is 0, that of those before. */
static void first_guess(real *const *px, int count, const double *before, int c, real *mu)
{
    for (int j = 0; j < c; j++)
        mu[j] = count ? 0 : (real)before[j];
    gather_all(count, px, c, NULL, mu, NULL);
    for (int j = 0; j < c && count; j++)
        mu[j] /= (real)count;
}

/* Statistics of one block: slot[0..c) = mean, slot[c..2c) = sum of squares. */
static void stats_block(const un_norm_args *a, int64_t task, real *worker, double *slot)
{
    int64_t per = sample_pixels(&a->x), blocks = blocks_of(&a->x), n = task / blocks, b = task % blocks;
    int64_t i = b * block_pixels(&a->x), end = UN_MIN(i + block_pixels(&a->x), per), done = 0;
    int c = a->x.c, stretch = stretch_of(&a->x), count;
    real *mu = worker, *sum = mu + c, *sq = sum + c, *px[STRETCH];
    double *mean = slot, *m2 = slot + c;

    for (int j = 0; j < c; j++)
        mean[j] = m2[j] = 0;
    for (; i < end; i += count, done += count) {
        double inv, share, cross;

        count = (int)UN_MIN(stretch, end - i);
        inv = 1.0 / count;
        share = (double)count / (double)(done + count);
        cross = share * (double)done;
        un_px_list(&a->x, n * per + i, count, px);
        first_guess(px, done ? 0 : count, mean, c, mu);
        clear(sum, 2 * c);
        gather_all(count, px, c, mu, sum, sq);
        for (int j = 0; j < c; j++) { /* mu is a guess: what is left of the mean is sum / count */
            double rest = sum[j] * inv, delta = mu[j] + rest - mean[j];

            mean[j] += delta * share;
            m2[j] += sq[j] - sum[j] * rest + delta * delta * cross;
        }
    }
}

typedef struct moments {
    double mean, m2, count;
} moments;

static void merge(moments *t, double mean, double m2, double count)
{
    double delta = mean - t->mean, total = t->count + count;

    t->mean += delta * (count / total);
    t->m2 += m2 + delta * delta * (t->count * count / total);
    t->count = total;
}

static void merge_sample(const un_norm_args *a, const double *slots, int n, int ch, moments *t)
{
    int64_t per = sample_pixels(&a->x), block = block_pixels(&a->x), blocks = blocks_of(&a->x);

    for (int64_t b = 0; b < blocks; b++) {
        const double *slot = slots + (n * blocks + b) * 2 * a->x.c;

        merge(t, slot[ch], slot[a->x.c + ch], (double)UN_MIN(block, per - b * block));
    }
}

static void store_set(const un_norm_args *a, int64_t set, const moments *t)
{
    ((real *)a->mean)[set] = (real)t->mean;
    ((real *)a->rstd)[set] = (real)(1.0 / un_sqrt(t->m2 / t->count + a->eps));
}

static void combine(const un_norm_args *a, int64_t task, const double *slots)
{
    int c0, c1, width = a->mode == UN_NORM_GROUP ? a->x.c / a->groups : 1;

    chunk_of(&a->x, a->mode, a->groups, task, &c0, &c1);
    if (a->mode != UN_NORM_BATCH) {
        for (int n = 0; n < a->x.n; n++)
            for (int ch = c0; ch < c1; ch += width) {
                moments t = {0};

                for (int j = 0; j < width; j++)
                    merge_sample(a, slots, n, ch + j, &t);
                store_set(a, set_of(&a->x, a->mode, a->groups, n, ch), &t);
            }
        return;
    }
    for (int ch = c0; ch < c1; ch++) {
        moments t = {0};
        double m = a->momentum;

        for (int n = 0; n < a->x.n; n++)
            merge_sample(a, slots, n, ch, &t);
        store_set(a, ch, &t);
        if (a->running_mean) {
            real *r = (real *)a->running_mean + ch;

            *r = (real)((1 - m) * *r + m * t.mean);
        }
        if (a->running_var) {
            real *r = (real *)a->running_var + ch;

            *r = (real)((1 - m) * *r + m * t.m2 / UN_MAX(1, t.count - 1));
        }
    }
}

/* Up to RUN pixels whose channels fill vectors, with an activation that needs no function. */
static void apply_lanes(const un_norm_args *a, const real *x, real *y, int run, const real *coef)
{
    const int c = a->x.c, act = a->act;
    const ptrdiff_t xs = a->x.sw, ys = a->y.sw;
    const real slope = (real)a->slope;

    for (int j = 0; j < c; j += UN_LANES) {
        const un_lanes mean = UN_LANES_AT(coef + j), scale = UN_LANES_AT(coef + c + j);
        const un_lanes shift = UN_LANES_AT(coef + 2 * c + j);

        for (int i = 0; i < run; i++) {
            un_lanes v = (UN_LANES_AT(x + i * xs + j) - mean) * scale + shift;

            un_lanes_act(&v, act, slope);
            UN_LANES_AT(y + i * ys + j) = v;
        }
    }
}

static inline void apply_pixel(const un_norm_args *a, const real *x, real *y, const real *coef)
{
    int c = a->x.c;
    const real *mean = coef, *scale = coef + c, *shift = coef + 2 * c;
    real slope = (real)a->slope;

#define CASE(kind)                                                                                                     \
    UN_IVDEP for (int j = 0; j < c; j++) y[j] = un_act_of((x[j] - mean[j]) * scale[j] + shift[j], kind, slope)
    UN_ACT_SWITCH(a->act, CASE)
#undef CASE
}

static void apply_run(const un_norm_args *a, const real *x, real *y, int64_t run, const real *coef)
{
    const int lanes = a->x.c % UN_LANES == 0 && un_lanes_do(a->act);

    for (int64_t i = 0; i < run; i += lanes ? RUN : 1)
        if (lanes)
            apply_lanes(a, x + i * a->x.sw, y + i * a->y.sw, (int)UN_MIN(RUN, run - i), coef);
        else
            apply_pixel(a, x + i * a->x.sw, y + i * a->y.sw, coef);
}

static void apply_block(const un_norm_args *a, int64_t task, real *coef)
{
    int64_t per = sample_pixels(&a->x), blocks = blocks_of(&a->x), n = task / blocks, b = task % blocks, run;
    int64_t i = n * per + b * block_pixels(&a->x), end = UN_MIN(i + block_pixels(&a->x), (n + 1) * per);
    int c = a->x.c;

    for (int j = 0; j < c; j++) {
        int64_t set = set_of(&a->x, a->mode, a->groups, (int)n, j);

        coef[j] = ((const real *)a->mean)[set];
        coef[c + j] = ((const real *)a->rstd)[set] * (a->gamma ? ((const real *)a->gamma)[j] : 1);
        coef[2 * c + j] = a->beta ? ((const real *)a->beta)[j] : 0;
    }
    for (; i < end; i += run) {
        const real *x = un_px(&a->x, i);
        real *y = un_px(&a->y, i);

        run = un_run(&a->y, i, un_run(&a->x, i, end - i));
        apply_run(a, x, y, run, coef);
    }
}

static void norm_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_norm_args *a = args;

    if (phase == 0)
        stats_block(a, task, worker, (double *)shared + task * 2 * a->x.c);
    else if (phase == 1)
        combine(a, task, shared);
    else
        apply_block(a, task, worker);
}

static int64_t norm_tasks(const void *args, int phase)
{
    const un_norm_args *a = args;

    return a->given && phase < 2 ? 0 : tasks_of(&a->x, a->mode, a->groups, phase);
}

static size_t norm_worker(const void *args)
{
    return 3 * (size_t)((const un_norm_args *)args)->x.c * sizeof(real);
}

static size_t norm_shared(const void *args)
{
    const un_norm_args *a = args;
    const un_view *x = &a->x;

    return a->given ? 0 : (size_t)(x->n * blocks_of(x)) * 2 * (size_t)x->c * sizeof(double);
}

/* ---- gradient ----
 * With g = dy act'(pre), h = (x - mean) rstd and M the mean over the set:
 * dx = rstd (gamma g - M(gamma g) - h M(gamma g h)), dgamma = sum g h, dbeta = sum g. */

/* s1[c] += sum of g, s2[c] += sum of g (x - mean) over `pixels` pixels. */
static inline __attribute__((always_inline)) void grad_gather(int pixels, real *const *x, real *const *dy, int c,
    int act, real slope, const real *restrict coef, real *restrict s1, real *restrict s2)
{
    const real *mean = coef, *scale = coef + c, *shift = coef + 2 * c;

    UN_IVDEP for (int j = 0; j < c; j++)
    {
        real s = 0, q = 0;

        for (int p = 0; p < pixels; p++) {
            real d = x[p][j] - mean[j], g = dy[p][j];

            if (act != UN_ACT_NONE)
                g *= un_act_slope(d * scale[j] + shift[j], act, slope);
            s += g;
            q += g * d;
        }
        s1[j] += s;
        s2[j] += q;
    }
}

static void grad_stretch(
    const un_norm_grad_args *a, real *const *x, real *const *dy, int count, const real *coef, real *s1, real *s2)
{
    real slope = (real)a->slope;
    int c = a->x.c, p;

#define CASE(kind)                                                                                                     \
    for (p = 0; p + 4 <= count; p += 4)                                                                                \
        grad_gather(4, x + p, dy + p, c, kind, slope, coef, s1, s2);                                                   \
    for (; p < count; p++)                                                                                             \
    grad_gather(1, x + p, dy + p, c, kind, slope, coef, s1, s2)
    UN_ACT_SWITCH(a->act, CASE)
#undef CASE
}

/* mean, scale, shift of the pre-activation, and rstd. */
static void grad_coef(const un_norm_grad_args *a, int n, real *coef)
{
    int c = a->x.c;

    for (int j = 0; j < c; j++) {
        int64_t set = set_of(&a->x, a->mode, a->groups, n, j);

        coef[j] = ((const real *)a->mean)[set];
        coef[3 * c + j] = ((const real *)a->rstd)[set];
        coef[c + j] = coef[3 * c + j] * (a->gamma ? ((const real *)a->gamma)[j] : 1);
        coef[2 * c + j] = a->beta ? ((const real *)a->beta)[j] : 0;
    }
}

/* Sums of one block: slot[0..c) of g, slot[c..2c) of g h. */
static void grad_block(const un_norm_grad_args *a, int64_t task, real *worker, double *slot)
{
    int64_t per = sample_pixels(&a->x), blocks = blocks_of(&a->x), n = task / blocks, b = task % blocks;
    int64_t i = b * block_pixels(&a->x), end = UN_MIN(i + block_pixels(&a->x), per);
    int c = a->x.c, stretch = stretch_of(&a->x), count;
    real *coef = worker, *s1 = coef + 4 * c, *s2 = s1 + c, *px[STRETCH], *pdy[STRETCH];

    grad_coef(a, (int)n, coef);
    for (int j = 0; j < 2 * c; j++)
        slot[j] = 0;
    for (; i < end; i += count) {
        count = (int)UN_MIN(stretch, end - i);
        un_px_list(&a->x, n * per + i, count, px);
        un_px_list(&a->dy, n * per + i, count, pdy);
        clear(s1, 2 * c);
        grad_stretch(a, px, pdy, count, coef, s1, s2);
        for (int j = 0; j < 2 * c; j++)
            slot[j] += s1[j];
    }
    for (int j = 0; j < c; j++)
        slot[c + j] *= coef[3 * c + j];
}

static double grad_total(const un_norm_grad_args *a, const double *slots, int n, int index)
{
    int64_t blocks = blocks_of(&a->x);
    double s = 0;

    for (int64_t b = 0; b < blocks; b++)
        s += slots[(n * blocks + b) * 2 * a->x.c + index];
    return s;
}

/* M(gamma g) and M(gamma g h) of the set, for every channel: means[n][0..c), means[n][c..2c). */
static void grad_set(const un_norm_grad_args *a, const double *slots, int c0, int c1, int n0, int n1, real *means)
{
    double s1 = 0, s2 = 0, count = (double)sample_pixels(&a->x) * (n1 - n0) * (c1 - c0);
    int c = a->x.c;

    for (int n = n0; n < n1; n++)
        for (int ch = c0; ch < c1; ch++) {
            double gamma = a->gamma ? ((const real *)a->gamma)[ch] : 1;

            s1 += gamma * grad_total(a, slots, n, ch);
            s2 += gamma * grad_total(a, slots, n, c + ch);
        }
    for (int n = n0; n < n1; n++)
        for (int ch = c0; ch < c1; ch++) {
            means[(int64_t)n * 2 * c + ch] = (real)(s1 / count);
            means[(int64_t)n * 2 * c + c + ch] = (real)(s2 / count);
        }
}

static void grad_combine(const un_norm_grad_args *a, int64_t task, const double *slots, real *means)
{
    int c0, c1, width = a->mode == UN_NORM_GROUP ? a->x.c / a->groups : 1;

    chunk_of(&a->x, a->mode, a->groups, task, &c0, &c1);
    for (int ch = c0; ch < c1; ch++) {
        double db = 0, dg = 0;

        for (int n = 0; n < a->x.n; n++) {
            db += grad_total(a, slots, n, ch);
            dg += grad_total(a, slots, n, a->x.c + ch);
        }
        if (a->dbeta)
            ((real *)a->dbeta)[ch] = (real)db;
        if (a->dgamma)
            ((real *)a->dgamma)[ch] = (real)dg;
    }
    for (int ch = c0; ch < c1; ch += width)
        if (a->mode == UN_NORM_BATCH)
            grad_set(a, slots, ch, ch + 1, 0, a->x.n, means);
        else
            for (int n = 0; n < a->x.n; n++)
                grad_set(a, slots, ch, ch + width, n, n + 1, means);
}

/* dx = scale g - (k2 + (x - mean) k3) with k2 = rstd M(gamma g), k3 = rstd^2 M(gamma g h). */
static inline void grad_pixel(const un_norm_grad_args *a, const real *x, const real *dy, real *dx, const real *coef)
{
    int c = a->x.c;
    const real *mean = coef, *scale = coef + c, *shift = coef + 2 * c, *k2 = coef + 4 * c, *k3 = coef + 5 * c;
    real slope = (real)a->slope;

#define CASE(kind)                                                                                                     \
    UN_IVDEP for (int j = 0; j < c; j++)                                                                               \
    {                                                                                                                  \
        real d = x[j] - mean[j], g = dy[j];                                                                            \
                                                                                                                       \
        if (kind != UN_ACT_NONE)                                                                                       \
            g *= un_act_slope(d * scale[j] + shift[j], kind, slope);                                                   \
        dx[j] = scale[j] * g - (k2[j] + d * k3[j]);                                                                    \
    }
    UN_ACT_SWITCH(a->act, CASE)
#undef CASE
}

static void grad_apply(const un_norm_grad_args *a, int64_t task, real *coef, const real *means)
{
    int64_t per = sample_pixels(&a->x), blocks = blocks_of(&a->x), n = task / blocks, b = task % blocks, run;
    int64_t i = n * per + b * block_pixels(&a->x), end = UN_MIN(i + block_pixels(&a->x), (n + 1) * per);
    int c = a->x.c;

    grad_coef(a, (int)n, coef);
    for (int j = 0; j < c; j++) {
        real rstd = coef[3 * c + j];

        coef[4 * c + j] = rstd * means[n * 2 * c + j];
        coef[5 * c + j] = rstd * rstd * means[n * 2 * c + c + j];
    }
    for (; i < end; i += run) {
        const real *x = un_px(&a->x, i), *dy = un_px(&a->dy, i);
        real *dx = un_px(&a->dx, i);

        run = un_run(&a->dx, i, un_run(&a->dy, i, un_run(&a->x, i, end - i)));
        for (int64_t j = 0; j < run; j++)
            grad_pixel(a, x + j * a->x.sw, dy + j * a->dy.sw, dx + j * a->dx.sw, coef);
    }
}

static size_t grad_slots(const un_view *x)
{
    return (size_t)(x->n * blocks_of(x)) * 2 * (size_t)x->c;
}

static void norm_grad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_norm_grad_args *a = args;
    double *slots = shared;
    real *means = (real *)(slots + grad_slots(&a->x));

    if (phase == 0)
        grad_block(a, task, worker, slots + task * 2 * a->x.c);
    else if (phase == 1)
        grad_combine(a, task, slots, means);
    else
        grad_apply(a, task, worker, means);
}

static int64_t norm_grad_tasks(const void *args, int phase)
{
    const un_norm_grad_args *a = args;

    return tasks_of(&a->x, a->mode, a->groups, phase);
}

static size_t norm_grad_worker(const void *args)
{
    return 6 * (size_t)((const un_norm_grad_args *)args)->x.c * sizeof(real);
}

static size_t norm_grad_shared(const void *args)
{
    const un_view *x = &((const un_norm_grad_args *)args)->x;

    return grad_slots(x) * sizeof(double) + (size_t)x->n * 2 * (size_t)x->c * sizeof(real);
}

UN_DEFINE(norm, NORM, .phases = 3, .tasks = norm_tasks, .run = norm_run, .worker_bytes = norm_worker,
    .shared_bytes = norm_shared)
UN_DEFINE(norm_grad, NORM_GRAD, .phases = 3, .tasks = norm_grad_tasks, .run = norm_grad_run,
    .worker_bytes = norm_grad_worker, .shared_bytes = norm_grad_shared)
