/* Weight gradient of a 3x3 convolution of stride 1 by minimal filtering, F(3x3, 4x4): the transpose of the forward form
 * F(4x4, 3x3) (winograd.h). With V the transformed input of a tile and D = A dy A^T its transformed output gradient,
 * dw = G^T (sum over tiles of V * D) G, which takes 36 products for 144. In 3-D the slices of V of the last k[0] depths
 * are kept while a block of tiles walks along d, one for each depth tap.
 *
 * A group is up to GROUP_IN chunks of V, all depth taps counted, times GROUP_OUT channels of D. Phase 0: a task sums
 * the products of one group over one part of the blocks of tiles; phase 1 adds the parts in order and transforms back.
 * Groups, blocks and parts depend on the layer alone. Where groups are many there is one part, and its sums never leave
 * the worker.
 *
 * With UN_BF16 what is multiplied are numbers of 16 bits, those of UN_STEP tiles side by side; pictures, sums and
 * transforms are float. */
#include "kernels/simd/winograd.h"

enum {
    GROUP_IN = 4, /* a group's sums stay in the second cache */
    GROUP_OUT = 64,
    TILES = 32,       /* of a block */
    TILES_LARGE = 24, /* where a group has its full size: what it reads and its sums stay there together */
    TASKS = 16,
    AHEAD = 8,                                  /* channels whose weights are fetched */
    PLANE = (TILES + UN_STEP) * UN_CHUNK,       /* factors between parts xi, [steps of tiles][UN_CHUNK][UN_STEP] */
    CHUNK = UN_XI * PLANE + UN_STEP * UN_CHUNK, /* factors of a chunk of V or D: odd lines too */
    NEXT = (int)UN_W < (int)UN_CHUNK ? (int)UN_W : CHUNK, /* factors between vectors of D */
    MOST_1 = (int)UN_PX * 2 < (int)UN_CHUNK ? (int)UN_PX * 2
                                            : (int)UN_CHUNK, /* channels of V in registers, by vectors of D */
    MOST_2 = UN_PX
};

typedef struct wgrad {
    un_tiles g;
    const un_wgrad_args *a;
    int chunks, groups_in, groups_out;  /* chunks of x in a group       */
    int in, out;                        /* channels of V and D in a group with those that fill up chunks   */
    int64_t columns;                    /* tiles of one depth of all samples                               */
    int block, blocks, depth, segments; /* tiles of a block; output depths of a walk along d, their number */
    int parts;
    ptrdiff_t sums; /* floats of a part: [out] bias, [xi][out / UN_CB][tap][channel][UN_CB] */
} wgrad;

static void plan(wgrad *p, const un_wgrad_args *a)
{
    int most, groups, wanted, tiles;

    *p = (wgrad){.a = a};
    un_tiles_init(&p->g, &a->x, &a->dy, a->k[0], a->pad);
    p->g.in2 = a->x2;
    most = GROUP_IN / p->g.kd;
    p->groups_in = un_blocks(p->g.chunks, most);
    p->chunks = un_blocks(p->g.chunks, p->groups_in);
    p->groups_in = un_blocks(p->g.chunks, p->chunks);
    p->groups_out = un_blocks(a->dy.c, GROUP_OUT);
    p->in = p->g.kd * p->chunks * UN_CHUNK;
    p->out = a->dy.c < GROUP_OUT ? un_blocks(a->dy.c, UN_CHUNK) * UN_CHUNK : GROUP_OUT;
    p->columns = p->g.tiles / a->dy.d;
    tiles = p->in * p->out < GROUP_IN * UN_CHUNK * GROUP_OUT ? TILES : TILES_LARGE;
    p->blocks = (int)((p->columns + tiles - 1) / tiles);
    p->block = (int)((p->columns + p->blocks - 1) / p->blocks);
    p->sums = p->out + (ptrdiff_t)UN_XI * p->out * p->in;
    groups = p->groups_in * p->groups_out;
    wanted = un_parts_with_room(un_blocks(TASKS, groups), p->sums * groups);
    p->segments = un_blocks(wanted, p->blocks);
    p->segments = p->segments > a->dy.d ? a->dy.d : p->segments;
    p->depth = un_blocks(a->dy.d, p->segments);
    p->segments = un_blocks(a->dy.d, p->depth);
    p->parts = wanted > p->blocks * p->segments ? p->blocks * p->segments : wanted;
}

static int supports(const void *args)
{
    const un_wgrad_args *a = args;
    int unit = a->k[1] == 3 && a->k[2] == 3 && a->k[0] <= 3 && a->groups == 1;

    for (int i = 0; i < 3; i++)
        unit = unit && a->stride[i] == 1 && a->dilation[i] == 1;
    return unit && (a->dw || !a->db) && /* only db: not a product */
           (!UN_BF16 || (a->x.c >= UN_WIDE && a->dy.c >= UN_WIDE));
}

typedef struct group {
    int in, chunks; /* first channel of x; its chunks */
    int out, count; /* first channel of dy; how many  */
} group;

static group group_of(const wgrad *p, int64_t index)
{
    int first = (int)(index % p->groups_in) * p->chunks;
    group g = {.in = first * UN_CHUNK, .out = (int)(index / p->groups_in) * GROUP_OUT};

    g.chunks = p->g.chunks - first < p->chunks ? p->g.chunks - first : p->chunks;
    g.count = p->a->dy.c - g.out < GROUP_OUT ? p->a->dy.c - g.out : GROUP_OUT;
    return g;
}

/* ---- transforms of a block of tiles ---- */

/* A chunk of a tile from channel c; part xi goes to v + xi * plane. sum: of dy's pixels, by channel; NULL: not needed.
 */
typedef void tile_fn(const wgrad *p, int64_t tile, int depth, int c, float *v, ptrdiff_t plane, float *sum);

/* depth: of the input, inside. */
static inline __attribute__((always_inline)) void tile_x(
    const wgrad *p, int64_t tile, int depth, int c, float *v, ptrdiff_t plane, float *sum)
{
    int n = p->g.in.c - c < UN_CHUNK ? p->g.in.c - c : UN_CHUNK, other;
    const un_view *x = un_view_of(&p->g.in, &p->g.in2, c, &other);
    un_place at = un_tile_place(&p->g, tile, 1);
    int h = at.h - p->g.pad[1], w = at.w - p->g.pad[2];
    int whole = h >= 0 && w >= 0 && h + UN_IN <= x->h && w + UN_IN <= x->w && n == UN_CHUNK;
    const float *base = (const float *)x->p + at.n * x->sn + depth * x->sd + (c - other), *from;
    float edge[UN_XI * UN_CHUNK];

    (void)sum;
    if (whole) {
        from = base + h * x->sh + w * x->sw;
        un_fetch(from, x->sh, x->sw, UN_IN);
        un_tile_in_float(from, x->sh, x->sw, v, plane);
    } else {
        un_copy_edge(x, base, h, w, n, edge);
        un_tile_in_float(edge, UN_IN * UN_CHUNK, UN_CHUNK, v, plane);
    }
}

/* The transpose of the forward pass's output transform. */
static inline __attribute__((always_inline)) void transform_dy(un_v o[UN_IN], const un_v y[UN_OUT])
{
#if UN_BF16
    un_v a = y[0] + UN_P2 * y[2], b = UN_P * y[1] + UN_P * UN_P2 * y[3];
    un_v c = y[0] + UN_Q2 * y[2], d = UN_Q * y[1] + UN_Q * UN_Q2 * y[3];
#else
    un_v a = y[0] + y[2], b = y[1] + y[3], c = y[0] + 4.0f * y[2], d = 2.0f * y[1] + 8.0f * y[3];
#endif

    o[0] = y[0];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = y[3];
}

static inline __attribute__((always_inline)) void transform_tile_dy(
    const float *y, ptrdiff_t rows, ptrdiff_t step, float *d, ptrdiff_t plane, float *sum)
{
    for (int c = 0; c < UN_CHUNK; c += UN_W) {
        un_v t[UN_OUT][UN_IN], in[UN_OUT], out[UN_IN];

        for (int i = 0; i < UN_OUT; i++) {
            for (int r = 0; r < UN_OUT; r++)
                in[r] = un_v_load(y + r * rows + i * step + c);
            transform_dy(t[i], in);
            if (sum)
                un_v_store(sum + c, un_v_load(sum + c) + ((in[0] + in[1]) + (in[2] + in[3])));
        }
        for (int r = 0; r < UN_IN; r++) {
            for (int i = 0; i < UN_OUT; i++)
                in[i] = t[i][r];
            transform_dy(out, in);
            for (int i = 0; i < UN_IN; i++)
                un_v_store(d + (r * UN_IN + i) * plane + c, out[i]);
        }
    }
}

/* What lies outside is zero. */
static inline __attribute__((always_inline)) void tile_dy(
    const wgrad *p, int64_t tile, int depth, int c, float *d, ptrdiff_t plane, float *sum)
{
    const un_view *y = &p->a->dy;
    un_place at = un_tile_place(&p->g, tile, 1);
    const float *from = (const float *)y->p + at.n * y->sn + depth * y->sd + at.h * y->sh + at.w * y->sw + c;
    int n = y->c - c < UN_CHUNK ? y->c - c : UN_CHUNK;
    float edge[UN_OUT * UN_OUT * UN_CHUNK];

    if (n == UN_CHUNK && at.h + UN_OUT <= y->h && at.w + UN_OUT <= y->w) {
        un_fetch(from, y->sh, y->sw, UN_OUT);
        transform_tile_dy(from, y->sh, y->sw, d, plane, sum);
        return;
    }
    memset(edge, 0, sizeof edge);
    for (int r = 0; r < UN_OUT && at.h + r < y->h; r++)
        for (int i = 0; i < UN_OUT && at.w + i < y->w; i++)
            memcpy(edge + (r * UN_OUT + i) * UN_CHUNK, from + r * y->sh + i * y->sw, (size_t)n * sizeof *edge);
    transform_tile_dy(edge, UN_OUT * UN_CHUNK, UN_CHUNK, d, plane, sum);
}

/* One chunk of V or D from channel c: v[xi][steps of tiles][UN_CHUNK][UN_STEP], behind the last tile zeroes. */
static inline __attribute__((always_inline)) void fill_chunk(
    const wgrad *p, tile_fn *tile, int64_t first, int count, int depth, int c, un_factor *v, float *sum)
{
#if UN_BF16
    float own[UN_STEP][UN_XI * UN_CHUNK];

    for (int t = 0; t < count; t += UN_STEP, v += UN_STEP * UN_CHUNK) {
        for (int s = 0; s < UN_STEP; s++)
            if (t + s < count)
                tile(p, first + t + s, depth, c, own[s], UN_CHUNK, sum);
            else
                memset(own[s], 0, sizeof own[s]);
        for (int i = 0; i < UN_XI; i++) {
            const un_v step[UN_STEP] = {un_v_load(own[0] + i * UN_CHUNK), un_v_load(own[1] + i * UN_CHUNK)};

            un_factors_store(v + i * PLANE, un_factors_of(step));
        }
    }
#else
    for (int t = 0; t < count; t++, v += UN_CHUNK)
        tile(p, first + t, depth, c, v, PLANE, sum);
#endif
}

static void chunk_x(const wgrad *p, int64_t first, int count, int depth, int c, un_factor *v)
{
    fill_chunk(p, tile_x, first, count, depth, c, v, 0);
}

static void chunk_dy(const wgrad *p, int64_t first, int count, int depth, int c, un_factor *d, float *sum)
{
    fill_chunk(p, tile_dy, first, count, depth, c, d, sum);
}

/* ---- products ---- */

/* m[ci][nv vectors] += sum over tiles of v (ci) times d (nv vectors). */
static inline __attribute__((always_inline)) void outer(
    float *m, const un_factor *v, const un_factor *d, int count, const int ci, const int nv)
{
    un_v s[UN_CHUNK][2];

#pragma GCC unroll 16
    for (int i = 0; i < ci; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++)
            s[i][j] = un_v_load(m + (i * nv + j) * UN_W);
    for (int t = 0; t < count; t += UN_STEP, v += UN_STEP * UN_CHUNK, d += UN_STEP * UN_CHUNK) {
        un_factors d0 = un_factors_load(d), d1 = nv > 1 ? un_factors_load(d + NEXT) : d0;

#pragma GCC unroll 16
        for (int i = 0; i < ci; i++) {
            s[i][0] = un_multiply_add(s[i][0], d0, v + i * UN_STEP);
            if (nv > 1)
                s[i][1] = un_multiply_add(s[i][1], d1, v + i * UN_STEP);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ci; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++)
            un_v_store(m + (i * nv + j) * UN_W, s[i][j]);
}

typedef void outer_fn(float *m, const un_factor *v, const un_factor *d, int count);

#define OUTER(ci, nv)                                                                                                  \
    static void outer_##ci##_##nv(float *m, const un_factor *v, const un_factor *d, int count)                         \
    {                                                                                                                  \
        outer(m, v, d, count, ci, nv);                                                                                 \
    }
#define UP_TO_6(X, nv)  X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)
#define UP_TO_12(X, nv) UP_TO_6(X, nv) X(7, nv) X(8, nv) X(9, nv) X(10, nv) X(11, nv) X(12, nv)
#define UP_TO_16(X, nv) UP_TO_12(X, nv) X(13, nv) X(14, nv) X(15, nv) X(16, nv)
#define NAME(ci, nv)    outer_##ci##_##nv,
#ifdef __AVX512F__
UP_TO_16(OUTER, 1)
UP_TO_12(OUTER, 2)
static outer_fn *const outers[2][MOST_1] = {{UP_TO_16(NAME, 1)}, {UP_TO_12(NAME, 2)}};
#else
UP_TO_12(OUTER, 1)
UP_TO_6(OUTER, 2)
static outer_fn *const outers[2][MOST_1] = {{UP_TO_12(NAME, 1)}, {UP_TO_6(NAME, 2)}};
#endif

/* Adds the products of n channels of V, part xi, to m. */
static void multiply_chunk(float *m, const un_factor *v, const un_factor *d, int count, int n, int nv)
{
    int pieces = un_blocks(n, nv > 1 ? MOST_2 : MOST_1);

    for (int i = 0, at = 0; i < pieces; i++) {
        int ci = (n - at) / (pieces - i);

        outers[nv - 1][ci - 1](m + at * nv * UN_W, v + at * UN_STEP, d, count);
        at += ci;
    }
}

/* Adds the products of a block of tiles; v: the slice of each depth tap, NULL: zeroes. */
static void multiply(
    const wgrad *p, const group *g, const un_factor *const v[3], const un_factor *d, float *m, int count)
{
    for (int xi = 0; xi < UN_XI; xi++)
        for (int o = 0, nv; o < p->out; o += nv * UN_W) {
            nv = p->out - o > UN_W ? 2 : 1;
            for (int tap = 0; tap < p->g.kd; tap++)
                for (int c = 0; c < p->chunks; c++, m += nv * UN_W * UN_CHUNK) {
                    int left = p->a->x.c - g->in - c * UN_CHUNK;

                    if (v[tap] && left > 0 && o < g->count)
                        multiply_chunk(m, v[tap] + c * CHUNK + xi * PLANE,
                            d + o / UN_CHUNK * CHUNK + xi * PLANE + o % UN_CHUNK, count,
                            left < UN_CHUNK ? left : UN_CHUNK, nv);
                }
        }
}

/* ---- back ---- */

static inline __attribute__((always_inline)) void transform_dw(un_v o[3], const un_v m[UN_IN])
{
#if UN_BF16
    un_v s1 = (m[1] + m[2]) * (1 / UN_NP), d1 = (m[1] - m[2]) * (UN_P / UN_NP);
    un_v s2 = (m[3] + m[4]) * (1 / UN_NQ), d2 = (m[3] - m[4]) * (UN_Q / UN_NQ);

    o[0] = m[0] * (1 / (UN_P2 * UN_Q2)) + s1 + s2;
    o[1] = d1 + d2;
    o[2] = UN_P2 * s1 + UN_Q2 * s2 + m[5];
#else
    un_v s = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] * 0.25f - (m[1] + m[2]) * (1.0f / 6) + s * (1.0f / 24);
    o[1] = (m[2] - m[1]) * (1.0f / 6) + d * (1.0f / 12);
    o[2] = (s - m[1] - m[2]) * (1.0f / 6) + m[5];
#endif
}

/* dw of one channel of V and one vector of outputs, from parts `step` floats apart. Lines `ahead` of it are fetched. */
static __attribute__((noinline)) void finish_vector(
    const wgrad *p, const float *m, ptrdiff_t step, float *dw, ptrdiff_t per_out, ptrdiff_t ahead, int n)
{
    const ptrdiff_t xi_step = (ptrdiff_t)p->out * p->in;
    un_v t[3][UN_IN], in[UN_IN], out[3], w[9];

    for (int i = 0; i < UN_IN; i++) {
        for (int r = 0; r < UN_IN; r++) {
            const float *from = m + (r * UN_IN + i) * xi_step;

            in[r] = un_v_load(from);
            for (int k = 1; k < p->parts; k++)
                in[r] += un_v_load(from + k * step);
        }
        transform_dw(out, in);
        for (int r = 0; r < 3; r++)
            t[r][i] = out[r];
    }
    for (int r = 0; r < 3; r++) {
        transform_dw(out, t[r]);
        for (int i = 0; i < 3; i++)
            w[r * 3 + i] = out[i];
    }
    for (int o = 0; o < n; o++)
        __builtin_prefetch(dw + o * per_out + ahead, 1, 2);
    un_v_store_columns(w, 9, dw, per_out, n);
}

/* The results of one chunk of V of a group, tap by tap; sums: its parts, one behind the other. */
static void finish_chunk(const wgrad *p, const group *g, int chunk, const float *sums)
{
    int ci = p->a->x.c, tap = chunk / p->chunks, first = g->in + chunk % p->chunks * UN_CHUNK;
    ptrdiff_t taps = p->g.kd * 9;

    for (int o = 0; o < g->count; o += UN_W) { /* few rows of dw at a time: they may share sets of the cache */
        int block = o / UN_CB * UN_CB, width = p->out - block > UN_W ? UN_CB : UN_W;
        const float *m = sums + p->out + (ptrdiff_t)block * p->in + chunk * UN_CHUNK * width + o % UN_CB;
        float *dw = (float *)p->a->dw + ((ptrdiff_t)(g->out + o) * ci + first) * taps + tap * 9;

        for (int k = 0; k < UN_CHUNK && first + k < ci; k++)
            finish_vector(p, m + k * width, p->sums, dw + k * taps, ci * taps, AHEAD * taps,
                g->count - o < UN_W ? g->count - o : UN_W);
    }
}

static void finish_bias(const wgrad *p, const group *g, const float *sums)
{
    float *db = p->a->db;

    for (int o = 0; o < g->count; o++) {
        float s = sums[o];

        for (int k = 1; k < p->parts; k++)
            s += sums[k * p->sums + o];
        db[g->out + o] = s;
    }
}

static void finish(const wgrad *p, const group *g, int chunk, const float *sums)
{
    finish_chunk(p, g, chunk, sums);
    if (p->a->db && !g->in && !chunk)
        finish_bias(p, g, sums);
}

/* ---- tasks ---- */

/* One block of tiles along the depths of a segment. worker: V of g.kd depths, D. */
static void sum_walk(const wgrad *p, const group *g, int64_t unit, un_factor *worker, float *sums)
{
    int64_t first = unit / p->segments * p->block;
    int count = p->columns - first < p->block ? (int)(p->columns - first) : p->block, kd = p->g.kd;
    int from = (int)(unit % p->segments) * p->depth, to = from + p->depth;
    const ptrdiff_t slice = (ptrdiff_t)p->chunks * CHUNK;
    un_factor *d = worker + kd * slice;

    to = to < p->a->dy.d ? to : p->a->dy.d;
    for (int i = from; i < to + kd - 1; i++) { /* slice i of the padded input, kept in place i % kd */
        const un_factor *v[3] = {0};

        for (int c = 0, z = i - p->g.pad[0]; c < g->chunks && z >= 0 && z < p->a->x.d; c++)
            chunk_x(p, first, count, z, g->in + c * UN_CHUNK, worker + i % kd * slice + c * CHUNK);
        if (i < from + kd - 1)
            continue;
        for (int t = 0, z = i - kd + 1 - p->g.pad[0]; t < kd; t++, z++)
            v[t] = z >= 0 && z < p->a->x.d ? worker + (i + 1 + t) % kd * slice : 0;
        for (int c = 0; c < g->count; c += UN_CHUNK)
            chunk_dy(p, first, count, i - kd + 1, g->out + c, d + c / UN_CHUNK * CHUNK, g->in ? 0 : sums + c);
        multiply(p, g, v, d, sums + p->out, count);
    }
}

static void sum_part(const wgrad *p, const group *g, int part, un_factor *worker, float *sums)
{
    int64_t units = (int64_t)p->blocks * p->segments;

    memset(sums, 0, (size_t)p->sums * sizeof *sums);
    for (int64_t u = units * part / p->parts; u < units * (part + 1) / p->parts; u++)
        sum_walk(p, g, u, worker, sums);
}

/* Of V and D. Own sums are behind them. */
static size_t factor_bytes(const wgrad *p)
{
    return (size_t)(p->g.kd * p->chunks + p->out / UN_CHUNK) * CHUNK * sizeof(un_factor);
}

static void run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    wgrad p;
    group g;

    plan(&p, args);
    if (phase == 0) {
        float *own = (float *)((char *)worker + factor_bytes(&p));

        g = group_of(&p, task / p.parts);
        sum_part(&p, &g, (int)(task % p.parts), worker, p.parts > 1 ? (float *)shared + task * p.sums : own);
        for (int c = 0; p.parts == 1 && c < p.in / UN_CHUNK; c++)
            finish(&p, &g, c, own);
    } else {
        int chunks = p.in / UN_CHUNK;

        g = group_of(&p, task / chunks);
        finish(&p, &g, (int)(task % chunks), (const float *)shared + task / chunks * p.parts * p.sums);
    }
}

static int64_t tasks(const void *args, int phase)
{
    wgrad p;
    int64_t groups;

    plan(&p, args);
    groups = (int64_t)p.groups_in * p.groups_out;
    if (phase == 0)
        return groups * p.parts;
    return p.parts > 1 ? groups * (p.in / UN_CHUNK) : 0;
}

static size_t worker_bytes(const void *args)
{
    wgrad p;

    plan(&p, args);
    return factor_bytes(&p) + (p.parts > 1 ? 0 : (size_t)p.sums) * sizeof(float);
}

static size_t shared_bytes(const void *args)
{
    wgrad p;

    plan(&p, args);
    return p.parts > 1 ? (size_t)p.groups_in * p.groups_out * p.parts * (size_t)p.sums * sizeof(float) : 0;
}

/* Nanoseconds: products, transforms (winograd.inc has the constants), the way back once for each part. */
static double cost(const void *args)
{
    const un_wgrad_args *a = args;
    wgrad p;
    double vectors, depth, slices;

    plan(&p, a);
    vectors = un_blocks(a->dy.c, UN_W);
    depth = p.g.kd * a->x.c;
    slices = (double)(a->dy.d + (p.g.kd - 1) * p.segments) / a->dy.d;
    return (double)p.g.tiles * (UN_XI * depth * vectors / (UN_STEP * UN_RATE) +
                                   (a->x.c % UN_CHUNK ? 150 : 60) * p.g.chunks * p.groups_out * slices +
                                   (a->dy.c % UN_CHUNK ? 150 : 60) * un_blocks(a->dy.c, UN_CHUNK) * p.groups_in) +
           depth * a->dy.c * (5.0 + 2.0 * p.parts);
}

extern const un_kernel UN_SIMD_SYMBOL(conv_wgrad_winograd4);
const un_kernel UN_SIMD_SYMBOL(conv_wgrad_winograd4) = {.name = UN_SIMD_NAME(conv_wgrad_winograd4),
    .family = UN_K_CONV_WGRAD,
    .type = UN_KERNEL_F32,
    .level = UN_SIMD_LEVEL,
    .winograd = 1,
    .bf16 = UN_BF16,
    .supports = supports,
    .cost = cost,
    .worker_bytes = worker_bytes,
    .shared_bytes = shared_bytes,
    .phases = 2,
    .tasks = tasks,
    .run = run};
