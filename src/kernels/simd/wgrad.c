/* Weight gradient for vector CPUs: for a block of outputs and a block of inputs, all taps are summed row by row in
 * registers. Few blocks: rows are cut into a fixed number of chunks, whose sums are added in order in a second phase.
 */
#include "kernels/args.h"
#include "kernels/simd/direct.h"

#ifdef __AVX512F__
enum { CI = 12 };
#else
enum { CI = 6 };
#endif
enum { CO = 2 * UN_W, TASKS = 16 };

/* A group is up to GROUP_CI times GROUP_CO blocks: a task reads each row once for all blocks of its group. */
enum { GROUP_CI = 72 / CI, GROUP_CO = 64 / CO };

typedef struct cut {
    int taps, co_blocks, ci_blocks, chunks;
    int ci_groups, co_groups, ci_each, co_each; /* groups and blocks of a group */
    int64_t rows, block; /* rows of dy; floats of one block's sums [tap][CI][CO] and, in front, its [CO] bias sums */
} cut;

static cut cut_of(const un_wgrad_args *a)
{
    cut c = {.taps = a->dw ? a->k[0] * a->k[1] * a->k[2] : 0, .co_blocks = un_blocks(a->dy.c, CO)};

    c.ci_blocks = a->dw ? un_blocks(a->x.c, CI) : 1;
    c.rows = (int64_t)a->dy.n * a->dy.d * a->dy.h;
    c.ci_groups = un_blocks(c.ci_blocks, GROUP_CI);
    c.co_groups = un_blocks(c.co_blocks, GROUP_CO);
    c.ci_each = un_blocks(c.ci_blocks, c.ci_groups);
    c.co_each = un_blocks(c.co_blocks, c.co_groups);
    c.chunks = un_blocks(TASKS, c.co_groups * c.ci_groups);
    if (c.chunks > c.rows)
        c.chunks = (int)c.rows;
    c.block = CO + (int64_t)c.taps * CI * CO;
    return c;
}

static int64_t group_floats(const cut *c)
{
    return c->block * c->ci_each * c->co_each;
}

static int supports(const void *args)
{
    return ((const un_wgrad_args *)args)->groups == 1;
}

static size_t shared_bytes(const void *args)
{
    cut c = cut_of(args);

    return (size_t)(group_floats(&c) * c.co_groups * c.ci_groups * c.chunks) * sizeof(float);
}

static int64_t tasks(const void *args, int phase)
{
    cut c = cut_of(args);

    return phase ? (int64_t)c.co_blocks * c.ci_blocks : (int64_t)c.co_groups * c.ci_groups * c.chunks;
}

/* acc[CI][CO] += sum over `count` pixels of x (ci) times dy (co); steps between pixels. */
static inline __attribute__((always_inline)) void outer(
    float *acc, const float *x, ptrdiff_t xs, const float *dy, ptrdiff_t ys, int count, const int ci, const int nv)
{
    un_v s[CI][2];

#pragma GCC unroll 16
    for (int i = 0; i < ci; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            s[i][v] = un_v_load(acc + i * CO + v * UN_W);
    for (int p = 0; p < count; p++, x += xs, dy += ys) {
        un_v y0 = un_v_load(dy), y1 = nv > 1 ? un_v_load(dy + UN_W) : y0;

#pragma GCC unroll 16
        for (int i = 0; i < ci; i++) {
            s[i][0] += y0 * x[i];
            if (nv > 1)
                s[i][1] += y1 * x[i];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ci; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            un_v_store(acc + i * CO + v * UN_W, s[i][v]);
}

#define OUTER(ci, nv)                                                                                                  \
    static void outer_##ci##_##nv(float *acc, const float *x, ptrdiff_t xs, const float *dy, ptrdiff_t ys, int count)  \
    {                                                                                                                  \
        outer(acc, x, xs, dy, ys, count, ci, nv);                                                                      \
    }
#define OUTERS(ci) OUTER(ci, 1) OUTER(ci, 2)
OUTERS(1)
OUTERS(2)
OUTERS(3)
OUTERS(4)
OUTERS(5)
OUTERS(6)
#ifdef __AVX512F__
OUTERS(7)
OUTERS(8)
OUTERS(9)
OUTERS(10)
OUTERS(11)
OUTERS(12)
#endif

static void (*const outers[2][CI])(float *, const float *, ptrdiff_t, const float *, ptrdiff_t, int) = {
#ifdef __AVX512F__
    {outer_1_1, outer_2_1, outer_3_1, outer_4_1, outer_5_1, outer_6_1, outer_7_1, outer_8_1, outer_9_1, outer_10_1,
        outer_11_1, outer_12_1},
    {outer_1_2, outer_2_2, outer_3_2, outer_4_2, outer_5_2, outer_6_2, outer_7_2, outer_8_2, outer_9_2, outer_10_2,
        outer_11_2, outer_12_2},
#else
    {outer_1_1, outer_2_1, outer_3_1, outer_4_1, outer_5_1, outer_6_1},
    {outer_1_2, outer_2_2, outer_3_2, outer_4_2, outer_5_2, outer_6_2},
#endif
};

/* Outputs that do not fill the vectors: dy's row is copied with zeroes behind. worker: dy.w * CO floats. */
static const float *full_row(const un_wgrad_args *a, const float *dy, int co, float *worker, ptrdiff_t *step)
{
    *step = a->dy.sw;
    if (co >= CO || co == UN_W)
        return dy;
    for (int p = 0; p < a->dy.w; p++)
        for (int v = 0; v < CO; v += UN_W) {
            int n = co - v < 0 ? 0 : co - v > UN_W ? UN_W : co - v;

            un_v_store(worker + p * CO + v, un_v_load_part(dy + p * a->dy.sw + v, n));
        }
    *step = CO;
    return worker;
}

static size_t worker_bytes(const void *args)
{
    return (size_t)((const un_wgrad_args *)args)->dy.w * CO * sizeof(float);
}

/* The pixels of a row of dy whose tap lies inside x. */
static void span(const un_wgrad_args *a, int kw, int *lo, int *hi)
{
    int off = kw * a->dilation[2] - a->pad[2], s = a->stride[2];

    *lo = off >= 0 ? 0 : (-off + s - 1) / s;
    *hi = a->x.w - 1 - off < 0 ? 0 : (a->x.w - 1 - off) / s + 1;
    if (*hi > a->dy.w)
        *hi = a->dy.w;
}

static void add_taps(
    const un_wgrad_args *a, float *sums, int n, int od, int oh, const float *dy, ptrdiff_t ys, int ci0, int ci, int nv)
{
    float *acc = sums;

    for (int kd = 0; kd < a->k[0]; kd++)
        for (int kh = 0; kh < a->k[1]; kh++) {
            int z = od * a->stride[0] - a->pad[0] + kd * a->dilation[0];
            int y = oh * a->stride[1] - a->pad[1] + kh * a->dilation[1];
            int inside = z >= 0 && z < a->x.d && y >= 0 && y < a->x.h;
            const float *row = (const float *)a->x.p + n * a->x.sn + z * a->x.sd + y * a->x.sh + ci0;

            for (int kw = 0; kw < a->k[2]; kw++, acc += CI * CO) {
                int lo, hi;

                span(a, kw, &lo, &hi);
                if (inside && lo < hi)
                    outers[nv - 1][ci - 1](acc, row + (lo * a->stride[2] + kw * a->dilation[2] - a->pad[2]) * a->x.sw,
                        a->stride[2] * a->x.sw, dy + lo * ys, ys, hi - lo);
            }
        }
}

static void add_bias(float *sum, const float *dy, ptrdiff_t ys, int count, int nv)
{
    for (int v = 0; v < nv; v++) {
        un_v s = un_v_load(sum + v * UN_W);

        for (int p = 0; p < count; p++)
            s += un_v_load(dy + p * ys + v * UN_W);
        un_v_store(sum + v * UN_W, s);
    }
}

/* Adds one row of dy, for one block of outputs and the blocks of inputs in ci_range, to their sums. */
static void sum_row(
    const un_wgrad_args *a, const cut *c, int64_t row, int co_block, const int ci_range[2], float *worker, float *sums)
{
    int h = (int)(row % a->dy.h), d = (int)(row / a->dy.h % a->dy.d), n = (int)(row / a->dy.h / a->dy.d);
    int co = a->dy.c - co_block * CO, nv = co > UN_W ? 2 : 1;
    const float *dy = (const float *)a->dy.p + n * a->dy.sn + d * a->dy.sd + h * a->dy.sh + co_block * CO;
    ptrdiff_t step;

    dy = full_row(a, dy, co, worker, &step);
    for (int i = ci_range[0]; i < ci_range[1]; i++, sums += c->block) {
        int ci = a->x.c - i * CI;

        if (a->dw)
            add_taps(a, sums + CO, n, d, h, dy, step, i * CI, ci > CI ? CI : ci, nv);
        if (a->db && i == 0)
            add_bias(sums, dy, step, a->dy.w, nv);
    }
}

static void sum_rows(const un_wgrad_args *a, const cut *c, int64_t task, float *worker, float *shared)
{
    int chunk = (int)(task % c->chunks), gi = (int)(task / c->chunks % c->ci_groups),
        go = (int)(task / c->chunks / c->ci_groups);
    int ci_range[2] = {gi * c->ci_each, (gi + 1) * c->ci_each};
    float *sums = shared + task * group_floats(c);

    if (ci_range[1] > c->ci_blocks)
        ci_range[1] = c->ci_blocks;
    memset(sums, 0, (size_t)group_floats(c) * sizeof *sums);
    for (int64_t r = c->rows * chunk / c->chunks; r < c->rows * (chunk + 1) / c->chunks; r++)
        for (int o = 0; o < c->co_each && go * c->co_each + o < c->co_blocks; o++)
            sum_row(a, c, r, go * c->co_each + o, ci_range, worker, sums + o * c->ci_each * c->block);
}

/* Adds the chunks in order and puts the block where it belongs. */
static void finish(const un_wgrad_args *a, const cut *c, int64_t task, float *shared)
{
    int cib = (int)(task % c->ci_blocks), cob = (int)(task / c->ci_blocks);
    int co = a->dy.c - cob * CO, ci = a->dw ? a->x.c - cib * CI : 0;
    int64_t group = (int64_t)(cob / c->co_each) * c->ci_groups + cib / c->ci_each, step = group_floats(c);
    float *sums = shared + group * c->chunks * step + (cob % c->co_each * c->ci_each + cib % c->ci_each) * c->block;

    co = co > CO ? CO : co;
    ci = ci > CI ? CI : ci;
    for (int k = 1; k < c->chunks; k++)
        for (int64_t i = 0; i < c->block; i++)
            sums[i] += sums[k * step + i];
    for (int o = 0; o < co && a->db && cib == 0; o++)
        ((float *)a->db)[cob * CO + o] = sums[o];
    for (int o = 0; o < co && a->dw; o++)
        for (int i = 0; i < ci; i++) {
            float *to = (float *)a->dw + ((ptrdiff_t)(cob * CO + o) * a->x.c + cib * CI + i) * c->taps;

            for (int t = 0; t < c->taps; t++)
                to[t] = sums[CO + ((ptrdiff_t)t * CI + i) * CO + o];
        }
}

static void run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_wgrad_args *a = args;
    cut c = cut_of(a);

    if (phase == 0)
        sum_rows(a, &c, task, worker, shared);
    else
        finish(a, &c, task, shared);
}

static double cost(const void *args)
{
    const un_wgrad_args *a = args;
    int taps = a->dw ? a->k[0] * a->k[1] * a->k[2] : 0;

    return (double)un_view_pixels(&a->dy) * ((double)taps * a->x.c + 1) * un_blocks(a->dy.c, UN_W) / UN_RATE;
}

extern const un_kernel UN_SIMD_SYMBOL(conv_wgrad);
const un_kernel UN_SIMD_SYMBOL(conv_wgrad) = {.name = UN_SIMD_NAME(conv_wgrad_direct),
    .family = UN_K_CONV_WGRAD,
    .type = UN_KERNEL_F32,
    .level = UN_SIMD_LEVEL,
    .supports = supports,
    .cost = cost,
    .worker_bytes = worker_bytes,
    .shared_bytes = shared_bytes,
    .phases = 2,
    .tasks = tasks,
    .run = run};
