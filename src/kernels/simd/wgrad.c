/* Weight gradient for vector CPUs: outer products of two pixels, summed in registers along a row. One side gives
 * vectors, of the other each channel is spread over a vector: usually dy and x; x and dy where that takes fewer
 * products (a head of few classes). Where pixels of x follow each other without a gap, the taps of a row are one run of
 * channels; rows of few channels are first copied between zeroes, so that each pixel has all taps.
 *
 * A group is up to GROUP_SPREAD times GROUP_VECTOR channels: a task reads a stretch of the rows once for all pairs of
 * its group. Few groups: rows are cut into a fixed number of chunks, whose sums are added in order in a second phase.
 */
#include "kernels/args.h"
#include "kernels/simd/direct.h"

enum {
    CO = 2 * UN_W,
    GROUP_SPREAD = 72,
    GROUP_VECTOR = 64,
    TASKS = 16,
    BIAS = 80,          /* floats in front of a group's sums */
    FEW = 4,            /* channels of x whose rows are staged            */
    MERGED = 8,         /* and whose taps of a row are taken together     */
    AHEAD = 8,          /* pixels, fetched ahead                         */
    MOST_1 = 2 * UN_PX, /* spread channels in registers, by vectors */
    MOST_2 = UN_PX
};

typedef struct cut {
    const un_wgrad_args *a;
    int swap;                               /* vectors from x, dy is spread */
    int vector, spread;                     /* channels of each side */
    int taps, merged;                       /* merged: the taps of a row are one run */
    int staged;                             /* floats of a staged row of x; 0: read where it is */
    ptrdiff_t step;                         /* floats between pixels of a row of x as it is read */
    int v_groups, s_groups, v_each, s_each; /* groups, channels of a group; v_each: whole blocks of CO */
    int chunks;
    int64_t rows, block, floats; /* rows of dy; floats of a block [tap][s_each][CO] and of a group: [BIAS] and blocks */
} cut;

static cut cut_of(const un_wgrad_args *a)
{
    cut c = {.a = a, .taps = a->dw ? a->k[0] * a->k[1] * a->k[2] : 0, .vector = a->dy.c, .spread = a->dw ? a->x.c : 1};
    int blocks, groups;

    c.swap = a->dw && a->x.c % UN_W == 0 && a->dy.c * (a->x.c / UN_W) < a->x.c * un_blocks(a->dy.c, UN_W);
    if (c.swap) {
        c.vector = a->x.c;
        c.spread = a->dy.c;
    }
    blocks = un_blocks(c.vector, CO);
    c.v_groups = un_blocks(blocks, GROUP_VECTOR / CO);
    c.v_each = un_blocks(blocks, c.v_groups) * CO;
    c.s_groups = un_blocks(c.spread, GROUP_SPREAD);
    c.s_each = un_blocks(c.spread, c.s_groups);
    c.step = a->x2.c ? a->x.c : a->x.sw;
    c.merged = a->dw && !c.swap && a->k[2] > 1 && a->dilation[2] == 1 && a->x.sw == a->x.c && a->x.c <= MERGED;
    if (c.merged && a->x.c <= FEW)
        c.staged = ((a->dy.w - 1) * a->stride[2] + a->k[2]) * a->x.c;
    c.rows = (int64_t)a->dy.n * a->dy.d * a->dy.h;
    c.block = (int64_t)c.taps * c.s_each * CO;
    c.floats = BIAS + c.block * (c.v_each / CO);
    groups = c.v_groups * c.s_groups;
    c.chunks = un_parts_with_room(un_blocks(TASKS, groups), c.floats * groups);
    if (c.chunks > c.rows)
        c.chunks = (int)c.rows;
    return c;
}

static int supports(const void *args)
{
    return ((const un_wgrad_args *)args)->groups == 1;
}

static size_t shared_bytes(const void *args)
{
    cut c = cut_of(args);

    return (size_t)(c.floats * c.v_groups * c.s_groups * c.chunks) * sizeof(float);
}

static int64_t tasks(const void *args, int phase)
{
    cut c = cut_of(args);

    return (int64_t)c.v_groups * c.s_groups * (phase ? c.v_each / CO : c.chunks);
}

/* ---- products ---- */

/* acc[n][nv vectors] += sum over `count` pixels of x (n channels) times y (nv vectors); steps between pixels. Few sums
 * would wait for one another: `turns` pixels have sums of their own. */
static inline __attribute__((always_inline)) void outer(float *acc, const float *x, ptrdiff_t xs, const float *y,
    ptrdiff_t ys, int count, const int n, const int nv, const int turns)
{
    un_v s[4][MOST_1][2];
    int p = 0;

#pragma GCC unroll 32
    for (int i = 0; i < n; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) {
            s[0][i][v] = un_v_load(acc + (i * nv + v) * UN_W);
#pragma GCC unroll 4
            for (int k = 1; k < turns; k++)
                s[k][i][v] = (un_v){0};
        }
    for (; p + turns <= count; p += turns)
#pragma GCC unroll 4
        for (int k = 0; k < turns; k++, x += xs, y += ys) {
            un_v y0 = un_v_load(y), y1 = nv > 1 ? un_v_load(y + UN_W) : y0;

            if (turns == 1) {
                __builtin_prefetch(x + AHEAD * xs, 0, 3);
                __builtin_prefetch(y + AHEAD * ys, 0, 3);
            }
#pragma GCC unroll 32
            for (int i = 0; i < n; i++) {
                s[k][i][0] += y0 * x[i];
                if (nv > 1)
                    s[k][i][1] += y1 * x[i];
            }
        }
    for (; turns > 1 && p < count; p++, x += xs, y += ys)
#pragma GCC unroll 32
        for (int i = 0; i < n; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                s[0][i][v] += un_v_load(y + v * UN_W) * x[i];
#pragma GCC unroll 32
    for (int i = 0; i < n; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) {
#pragma GCC unroll 4
            for (int k = 1; k < turns; k++)
                s[0][i][v] += s[k][i][v];
            un_v_store(acc + (i * nv + v) * UN_W, s[0][i][v]);
        }
}

typedef void outer_fn(float *acc, const float *x, ptrdiff_t xs, const float *y, ptrdiff_t ys, int count);

/* Three rows of three, `rows` floats apart. */
static inline __attribute__((always_inline)) void outer_rows(
    float *acc, const float *x, ptrdiff_t xs, ptrdiff_t rows, const float *y, ptrdiff_t ys, int count, const int nv)
{
    un_v s[9][2];

#pragma GCC unroll 9
    for (int i = 0; i < 9; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            s[i][v] = un_v_load(acc + (i * nv + v) * UN_W);
    for (int p = 0; p < count; p++, x += xs, y += ys)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++) {
            un_v y0 = un_v_load(y + v * UN_W);

#pragma GCC unroll 9
            for (int i = 0; i < 9; i++)
                s[i][v] += y0 * x[i / 3 * rows + i % 3];
        }
#pragma GCC unroll 9
    for (int i = 0; i < 9; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            un_v_store(acc + (i * nv + v) * UN_W, s[i][v]);
}

#define OUTER(n, nv)                                                                                                   \
    static void outer_##n##_##nv(float *acc, const float *x, ptrdiff_t xs, const float *y, ptrdiff_t ys, int count)    \
    {                                                                                                                  \
        outer(acc, x, xs, y, ys, count, n, nv, n *nv <= 2 ? 4 : n * nv <= 4 ? 2 : 1);                                  \
    }
#define NAME(n, nv)     outer_##n##_##nv,
#define UP_TO_6(X, nv)  X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)
#define UP_TO_12(X, nv) UP_TO_6(X, nv) X(7, nv) X(8, nv) X(9, nv) X(10, nv) X(11, nv) X(12, nv)
#define UP_TO_18(X, nv) UP_TO_12(X, nv) X(13, nv) X(14, nv) X(15, nv) X(16, nv) X(17, nv) X(18, nv)
#define UP_TO_24(X, nv) UP_TO_18(X, nv) X(19, nv) X(20, nv) X(21, nv) X(22, nv) X(23, nv) X(24, nv)
#ifdef __AVX512F__
UP_TO_24(OUTER, 1)
UP_TO_12(OUTER, 2)
static outer_fn *const outers[2][MOST_1] = {{UP_TO_24(NAME, 1)}, {UP_TO_12(NAME, 2)}};
#else
UP_TO_12(OUTER, 1)
UP_TO_6(OUTER, 2)
static outer_fn *const outers[2][MOST_1] = {{UP_TO_12(NAME, 1)}, {UP_TO_6(NAME, 2)}};
#endif

/* The same for any number of channels. */
static void add_run(float *acc, const float *x, ptrdiff_t xs, const float *y, ptrdiff_t ys, int count, int n, int nv)
{
    int pieces = un_blocks(n, nv > 1 ? MOST_2 : MOST_1);

    for (int i = 0, at = 0; i < pieces && count > 0; i++) {
        int part = (n - at) / (pieces - i);

        outers[nv - 1][part - 1](acc + (ptrdiff_t)at * nv * UN_W, x + at, xs, y, ys, count);
        at += part;
    }
}

/* ---- rows ---- */

/* What of a row of dy is read: pixels of dy whose taps kw lie inside x. */
typedef struct span {
    int lo, hi;
} span;

static span span_of(const un_wgrad_args *a, int kw)
{
    int off = kw * a->dilation[2] - a->pad[2], s = a->stride[2];
    span r = {off >= 0 ? 0 : -off, a->x.w - off < 0 ? 0 : a->x.w - off};

    if (s > 1) {
        r.lo = (r.lo + s - 1) / s;
        r.hi = (r.hi + s - 1) / s;
    }
    r.hi = r.hi < a->dy.w ? r.hi : a->dy.w;
    return r;
}

/* One row of one block of vectors: y and its step, first spread channel and how many. */
typedef struct row {
    const float *y;
    ptrdiff_t ys;
    int first, count, nv;
} row;

/* The products of one tap for the pixels of a span. x: the row, at channel 0. */
static void add_tap(const cut *c, const row *r, float *acc, const float *x, int kw, span s)
{
    const un_wgrad_args *a = c->a;
    const ptrdiff_t step = a->stride[2] * c->step;

    if (s.lo >= s.hi)
        return;
    x += (s.lo * a->stride[2] + kw * a->dilation[2] - a->pad[2]) * c->step;
    if (c->swap)
        add_run(acc, r->y + s.lo * r->ys + r->first, r->ys, x, step, s.hi - s.lo, r->count, r->nv);
    else
        add_run(acc, x + r->first, step, r->y + s.lo * r->ys, r->ys, s.hi - s.lo, r->count, r->nv);
}

/* The products of the taps of one row of x; acc: [kw][s_each][nv vectors]. */
static void add_taps(const cut *c, const row *r, float *acc, const float *x)
{
    const un_wgrad_args *a = c->a;
    const ptrdiff_t each = (ptrdiff_t)c->s_each * r->nv * UN_W;
    const span left = span_of(a, 0), right = span_of(a, a->k[2] - 1), all = {left.lo, right.hi};

    if (c->merged && all.lo < all.hi)
        add_run(acc, x + (all.lo * a->stride[2] - a->pad[2]) * c->step, a->stride[2] * c->step, r->y + all.lo * r->ys,
            r->ys, all.hi - all.lo, a->k[2] * a->x.c, r->nv);
    for (int kw = 0; kw < a->k[2]; kw++, acc += each) {
        span s = span_of(a, kw);

        if (!c->merged || all.lo >= all.hi) {
            add_tap(c, r, acc, x, kw, s);
        } else { /* what the run leaves */
            add_tap(c, r, acc, x, kw, (span){s.lo, all.lo < s.hi ? all.lo : s.hi});
            add_tap(c, r, acc, x, kw, (span){all.hi > s.lo ? all.hi : s.lo, s.hi});
        }
    }
}

static const float *row_at(const un_view *x, int n, int d, int h)
{
    return (const float *)x->p + n * x->sn + d * x->sd + h * x->sh;
}

/* The rows of x that a row of dy sees, each between zeroes: stage[kd][kh][staged]. */
static void stage_rows(const cut *c, int n, int od, int oh, float *stage)
{
    const un_wgrad_args *a = c->a;
    const int before = a->pad[2] * a->x.c, left = c->staged - before,
              in = left < a->x.w * a->x.c ? left : a->x.w * a->x.c;

    for (int kd = 0; kd < a->k[0]; kd++)
        for (int kh = 0; kh < a->k[1]; kh++, stage += c->staged) {
            int z = od * a->stride[0] - a->pad[0] + kd * a->dilation[0];
            int y = oh * a->stride[1] - a->pad[1] + kh * a->dilation[1];
            int inside = z >= 0 && z < a->x.d && y >= 0 && y < a->x.h && in > 0;

            memset(stage, 0, (size_t)c->staged * sizeof *stage);
            if (inside)
                memcpy(stage + before, row_at(&a->x, n, z, y), (size_t)in * sizeof *stage);
        }
}

static void add_staged(const cut *c, const row *r, float *acc, const float *stage)
{
    const un_wgrad_args *a = c->a;
    const int run = a->k[2] * a->x.c, step = a->stride[2] * a->x.c, three = run == 3 && a->k[1] == 3;

    for (int k = 0; k < a->k[0] * a->k[1]; k += three ? 3 : 1) {
        const float *x = stage + (ptrdiff_t)k * c->staged;
        float *to = acc + (ptrdiff_t)k * run * r->nv * UN_W;

        if (!three)
            add_run(to, x, step, r->y, r->ys, a->dy.w, run, r->nv);
        else if (r->nv > 1)
            outer_rows(to, x, step, c->staged, r->y, r->ys, a->dy.w, 2);
        else
            outer_rows(to, x, step, c->staged, r->y, r->ys, a->dy.w, 1);
    }
}

/* A row of x; to: where its channels are joined if they lie in two places. */
static const float *whole_row(const un_wgrad_args *a, int n, int d, int h, float *to)
{
    const int first = a->x.c - a->x2.c;
    const float *x = row_at(&a->x, n, d, h), *x2;

    if (!a->x2.c)
        return x;
    x2 = row_at(&a->x2, n, d, h);
    for (int w = 0; w < a->x.w; w++) {
        memcpy(to + (ptrdiff_t)w * a->x.c, x + w * a->x.sw, (size_t)first * sizeof *to);
        memcpy(to + (ptrdiff_t)w * a->x.c + first, x2 + w * a->x2.sw, (size_t)a->x2.c * sizeof *to);
    }
    return to;
}

/* Vectors that dy's last channels do not fill: its row is copied with zeroes behind. worker: dy.w * CO floats. */
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
    const un_wgrad_args *a = args;
    cut c = cut_of(a);

    return ((size_t)a->dy.w * CO + (size_t)a->k[0] * a->k[1] * c.staged + (a->x2.c ? (size_t)a->x.w * a->x.c : 0)) *
           sizeof(float);
}

static void add_bias(float *sum, const float *dy, ptrdiff_t ys, int count, int nv)
{
    for (int v = 0; v < nv; v++) {
        un_v s[4] = {un_v_load(sum + v * UN_W)};
        int p = 0;

        for (; p + 4 <= count; p += 4)
            for (int k = 0; k < 4; k++)
                s[k] += un_v_load(dy + (p + k) * ys + v * UN_W);
        for (; p < count; p++)
            s[0] += un_v_load(dy + p * ys + v * UN_W);
        un_v_store(sum + v * UN_W, (s[0] + s[1]) + (s[2] + s[3]));
    }
}

/* The same for `n` channels one by one. */
static void add_few(float *sum, const float *dy, ptrdiff_t ys, int count, int n)
{
    for (int i = 0; i < n; i++) {
        float s[4] = {sum[i]};
        int p = 0;

        for (; p + 4 <= count; p += 4)
            for (int k = 0; k < 4; k++)
                s[k] += dy[(p + k) * ys + i];
        for (; p < count; p++)
            s[0] += dy[p * ys + i];
        sum[i] = (s[0] + s[1]) + (s[2] + s[3]);
    }
}

/* Adds one row of dy to the sums of one block of vectors, from channel v0, and of the spread channels of r. */
static void sum_row(const cut *c, int64_t index, int v0, row r, float *worker, float *acc, float *bias)
{
    const un_wgrad_args *a = c->a;
    int oh = (int)(index % a->dy.h), od = (int)(index / a->dy.h % a->dy.d), n = (int)(index / a->dy.h / a->dy.d);
    const float *dy = (const float *)a->dy.p + n * a->dy.sn + od * a->dy.sd + oh * a->dy.sh;

    r.nv = c->vector - v0 > UN_W ? 2 : 1;
    r.y = dy;
    r.ys = a->dy.sw;
    if (!c->swap)
        r.y = full_row(a, dy + v0, c->vector - v0, worker, &r.ys);
    if (bias && c->swap)
        add_few(bias, dy + r.first, r.ys, a->dy.w, r.count);
    else if (bias)
        add_bias(bias, r.y, r.ys, a->dy.w, r.nv);
    if (c->staged) {
        stage_rows(c, n, od, oh, worker + a->dy.w * CO);
        add_staged(c, &r, acc, worker + a->dy.w * CO);
        return;
    }
    for (int kd = 0; a->dw && kd < a->k[0]; kd++)
        for (int kh = 0; kh < a->k[1]; kh++, acc += (ptrdiff_t)a->k[2] * c->s_each * r.nv * UN_W) {
            int z = od * a->stride[0] - a->pad[0] + kd * a->dilation[0];
            int y = oh * a->stride[1] - a->pad[1] + kh * a->dilation[1];

            if (z >= 0 && z < a->x.d && y >= 0 && y < a->x.h)
                add_taps(c, &r, acc, whole_row(a, n, z, y, worker + a->dy.w * CO) + (c->swap ? v0 : 0));
        }
}

static void sum_rows(const cut *c, int64_t task, float *worker, float *shared)
{
    int chunk = (int)(task % c->chunks), gs = (int)(task / c->chunks % c->s_groups),
        gv = (int)(task / c->chunks / c->s_groups);
    float *sums = shared + task * c->floats;
    row r = {.first = gs * c->s_each};

    r.count = c->spread - r.first < c->s_each ? c->spread - r.first : c->s_each;
    memset(sums, 0, (size_t)c->floats * sizeof *sums);
    for (int64_t i = c->rows * chunk / c->chunks; i < c->rows * (chunk + 1) / c->chunks; i++)
        for (int v = 0; v < c->v_each && gv * c->v_each + v < c->vector; v += CO) {
            int mine = c->a->db && (c->swap ? gv == 0 && v == 0 : gs == 0);

            sum_row(c, i, gv * c->v_each + v, r, worker, sums + BIAS + v / CO * c->block,
                mine ? sums + (c->swap ? 0 : v) : 0);
        }
}

/* ---- the sums to their places ---- */

static void add_chunks(float *sums, int64_t count, int64_t step, int chunks)
{
    for (int k = 1; k < chunks; k++)
        for (int64_t i = 0; i < count; i++)
            sums[i] += sums[k * step + i];
}

/* What the channels of a block of vectors have in dw, a run of `count` floats each: channels of x with their taps. */
static void put_rows(const cut *c, const float *acc, float *dw, int count, int channels, int nv)
{
    const ptrdiff_t step = (ptrdiff_t)c->a->x.c * c->taps;

    for (int v = 0; v < channels; v += UN_W)
        for (int first = 0; first < count; first += UN_W) {
            const int n = count - first < UN_W ? count - first : UN_W;
            float *to = dw + v * step + first;
            un_v rows[UN_W];

            for (int i = 0; i < n; i++) {
                const int s = (first + i) / c->taps, t = (first + i) % c->taps;

                rows[i] = un_v_load(acc + ((ptrdiff_t)t * c->s_each + s) * nv * UN_W + v);
            }
            if (n == UN_W)
                un_v_store_columns(rows, UN_W, to, step, channels - v);
            else
                un_v_store_columns(rows, n, to, step, channels - v);
        }
}

/* One block of vectors of one group. */
static void finish(const cut *c, int64_t task, float *shared)
{
    const un_wgrad_args *a = c->a;
    int blocks = c->v_each / CO, block = (int)(task % blocks), gs = (int)(task / blocks % c->s_groups),
        gv = (int)(task / blocks / c->s_groups);
    int v0 = gv * c->v_each + block * CO, s0 = gs * c->s_each;
    int nv = c->vector - v0 > UN_W ? 2 : 1, v_count = c->vector - v0 < CO ? c->vector - v0 : CO;
    int s_count = c->spread - s0 < c->s_each ? c->spread - s0 : c->s_each;
    int first = c->swap ? s0 : v0, count = c->swap ? s_count : v_count; /* of the bias */
    float *sums = shared + task / blocks * c->chunks * c->floats, *acc = sums + BIAS + block * c->block;

    if (a->db && v_count > 0 && (c->swap ? v0 == 0 : gs == 0)) {
        float *bias = sums + (c->swap ? 0 : block * CO);

        add_chunks(bias, count, c->floats, c->chunks);
        memcpy((float *)a->db + first, bias, (size_t)count * sizeof *bias);
    }
    if (v_count > 0)
        add_chunks(acc, c->block, c->floats, c->chunks);
    if (!c->swap)
        put_rows(c, acc, (float *)a->dw + ((ptrdiff_t)v0 * a->x.c + s0) * c->taps, s_count * c->taps, v_count, nv);
    for (int t = 0; c->swap && t < c->taps; t++)
        for (int s = 0; s < s_count; s++)
            for (int v = 0; v < v_count; v++)
                ((float *)a->dw)[((ptrdiff_t)(s0 + s) * a->x.c + v0 + v) * c->taps + t] =
                    acc[((ptrdiff_t)t * c->s_each + s) * nv * UN_W + v];
}

static void run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    cut c = cut_of(args);

    if (phase == 0)
        sum_rows(&c, task, worker, shared);
    else
        finish(&c, task, shared);
}

/* Nanoseconds: products; 7 for a pixel whose channels must be filled up. */
static double cost(const void *args)
{
    const un_wgrad_args *a = args;
    cut c = cut_of(a);
    double products = ((double)c.taps * c.spread + 1) * un_blocks(c.vector, UN_W);

    return (double)un_view_pixels(&a->dy) * (products / UN_RATE + (!c.swap && a->dy.c % UN_W ? 7 : 0));
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
