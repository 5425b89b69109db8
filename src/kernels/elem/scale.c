/* Products with a factor that may be the same for all pixels of a sample or all channels of a pixel, and their sums. */
#include "kernels/args.h"
#include "kernels/elem/walk.h"

static int is_spread(const un_view *g)
{
    return g->d == 1 && g->h == 1 && g->w == 1;
}

static int64_t sample_pixels(const un_view *v)
{
    return (int64_t)v->d * v->h * v->w;
}

/* Pixels from i on that lie in one run of all views; the factor is one run when it has one pixel a sample. */
static int64_t run_of(const un_view *big, const un_view *other, const un_view *g, int64_t i, int64_t most)
{
    int64_t rest = sample_pixels(big) - i % sample_pixels(big);

    most = un_run(big, i, UN_MIN(most, rest));
    if (other->p)
        most = un_run(other, i, most);
    return is_spread(g) ? most : un_run(g, i, most);
}

static real *factor_at(const un_view *g, const un_view *big, int64_t i)
{
    return is_spread(g) ? un_at(g, (int)(i / sample_pixels(big)), 0, 0, 0) : un_px(g, i);
}

/* x NULL: ones */
static inline void mul_pixel(const real *x, const real *g, real *y, int c, int gc, real scale)
{
    if (gc == 1 && x)
        UN_IVDEP for (int j = 0; j < c; j++) y[j] = x[j] * (g[0] * scale);
    else if (gc == 1)
        for (int j = 0; j < c; j++)
            y[j] = g[0] * scale;
    else if (x)
        UN_IVDEP for (int j = 0; j < c; j++) y[j] = x[j] * (g[j] * scale);
    else
        UN_IVDEP for (int j = 0; j < c; j++) y[j] = g[j] * scale;
}

static void mul_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_mul_args *a = args;
    const un_view *y = &a->y;
    int64_t block = un_block_pixels(y), i = task * block, end = UN_MIN(i + block, un_view_pixels(y)), run;
    ptrdiff_t step = is_spread(&a->g) ? 0 : a->g.sw;

    (void)phase, (void)worker, (void)shared;
    for (; i < end; i += run) {
        const real *x = a->x.p ? un_px(&a->x, i) : NULL, *g = factor_at(&a->g, y, i);
        real *to = un_px(y, i);

        run = run_of(y, &a->x, &a->g, i, end - i);
        for (int64_t j = 0; j < run; j++)
            mul_pixel(x ? x + j * a->x.sw : NULL, g + j * step, to + j * y->sw, y->c, a->g.c, (real)a->scale);
    }
}

static int64_t mul_tasks(const void *args, int phase)
{
    (void)phase;
    return un_pixel_tasks(&((const un_mul_args *)args)->y);
}

/* ---- sums: over channels within a pixel, or over pixels in blocks whose sums are added in order ---- */

static int64_t sum_blocks(const un_view *x)
{
    return un_ceil_div(sample_pixels(x), un_block_pixels(x));
}

static size_t sum_shared(const void *args)
{
    const un_mul_sum_args *a = args;

    return is_spread(&a->g) ? (size_t)(a->x.n * sum_blocks(&a->x)) * (size_t)a->g.c * sizeof(double) : 0;
}

static int64_t sum_tasks(const void *args, int phase)
{
    const un_mul_sum_args *a = args;

    if (!is_spread(&a->g))
        return phase ? 0 : un_pixel_tasks(&a->x);
    return phase ? a->x.n : a->x.n * sum_blocks(&a->x);
}

/* b NULL: ones */
static inline double pixel_dot(const real *x, const real *b, int c)
{
    double sum = 0;

    for (int j = 0; j < c; j++)
        sum += b ? (double)x[j] * (double)b[j] : (double)x[j];
    return sum;
}

static inline void pixel_add(const real *x, const real *b, int c, double *restrict sum)
{
    if (b)
        for (int j = 0; j < c; j++)
            sum[j] += (double)x[j] * (double)b[j];
    else
        for (int j = 0; j < c; j++)
            sum[j] += (double)x[j];
}

static void sum_channels(const un_mul_sum_args *a, int64_t task)
{
    int64_t block = un_block_pixels(&a->x), i = task * block, end = UN_MIN(i + block, un_view_pixels(&a->x)), run;
    int c = a->x.c;

    for (; i < end; i += run) {
        const real *x = un_px(&a->x, i), *b = a->b.p ? un_px(&a->b, i) : NULL;
        real *g = un_px(&a->g, i);

        run = run_of(&a->x, &a->b, &a->g, i, end - i);
        for (int64_t j = 0; j < run; j++, x += a->x.sw, b = b ? b + a->b.sw : NULL, g += a->g.sw) {
            if (a->g.c == 1)
                g[0] = (real)(a->scale * pixel_dot(x, b, c));
            else
                for (int k = 0; k < c; k++)
                    g[k] = (real)a->scale * x[k] * (b ? b[k] : 1);
        }
    }
}

static void sum_block(const un_mul_sum_args *a, int64_t task, double *sum)
{
    int64_t blocks = sum_blocks(&a->x), block = un_block_pixels(&a->x), first = task / blocks * sample_pixels(&a->x);
    int64_t i = first + task % blocks * block, end = UN_MIN(i + block, first + sample_pixels(&a->x)), run;

    for (int k = 0; k < a->g.c; k++)
        sum[k] = 0;
    for (; i < end; i += run) {
        const real *x = un_px(&a->x, i), *b = a->b.p ? un_px(&a->b, i) : NULL;

        run = run_of(&a->x, &a->b, &a->g, i, end - i);
        for (int64_t j = 0; j < run; j++, x += a->x.sw, b = b ? b + a->b.sw : NULL) {
            if (a->g.c == 1)
                sum[0] += pixel_dot(x, b, a->x.c);
            else
                pixel_add(x, b, a->x.c, sum);
        }
    }
}

static void sum_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_mul_sum_args *a = args;
    int64_t blocks = sum_blocks(&a->x);
    double *all = shared;
    real *g;

    (void)worker;
    if (!is_spread(&a->g)) {
        sum_channels(a, task);
        return;
    }
    if (phase == 0) {
        sum_block(a, task, all + task * a->g.c);
        return;
    }
    g = un_at(&a->g, (int)task, 0, 0, 0);
    for (int k = 0; k < a->g.c; k++) {
        double sum = 0;

        for (int64_t i = 0; i < blocks; i++)
            sum += all[(task * blocks + i) * a->g.c + k];
        g[k] = (real)(a->scale * sum);
    }
}

UN_DEFINE(mul, MUL, .phases = 1, .tasks = mul_tasks, .run = mul_run)
UN_DEFINE(mul_sum, MUL_SUM, .phases = 2, .tasks = sum_tasks, .run = sum_run, .shared_bytes = sum_shared)
