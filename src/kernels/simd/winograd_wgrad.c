/* Weight gradient of a 3x3 convolution of stride 1 by minimal filtering, F(3x3, 4x4): the transpose of the forward form
 * F(4x4, 3x3) (winograd.h). With V the transformed input of a tile and D = A dy A^T its transformed output gradient,
 * dw = G^T (sum over tiles of V * D) G, which takes 36 products for 144. Depth taps are more input channels.
 *
 * A group is GROUP_IN channels of V times GROUP_OUT of D. Phase 0: a task sums the products of one group over one part
 * of the tiles, block by block; phase 1 adds the parts in order and transforms back. Groups and parts depend on the
 * layer alone. Where groups are many there is one part, and its sums never leave the worker. */
#include "kernels/simd/winograd.h"

enum { GROUP_IN = 128, GROUP_OUT = 64, BLOCK = 32, TASKS = 16 };

typedef struct wgrad {
    un_tiles g;
    const un_wgrad_args *a;
    int depth; /* channels of V with those that fill up chunks: kd * chunks * UN_CHUNK */
    int groups_in, groups_out, parts, blocks;
    ptrdiff_t v_plane, d_plane; /* floats of one xi of a block: [tile][GROUP_IN], [tile][GROUP_OUT], odd lines */
    ptrdiff_t sums;             /* floats of a part: [GROUP_OUT] bias, [XI][GROUP_OUT / UN_CB][GROUP_IN][UN_CB] */
} wgrad;

static void plan(wgrad *p, const un_wgrad_args *a)
{
    *p = (wgrad){.a = a};
    un_tiles_init(&p->g, &a->x, &a->dy, a->k[0], a->pad);
    p->depth = p->g.kd * p->g.chunks * UN_CHUNK;
    p->groups_in = un_blocks(p->depth, GROUP_IN);
    p->groups_out = un_blocks(a->dy.c, GROUP_OUT);
    p->blocks = (int)((p->g.tiles + BLOCK - 1) / BLOCK);
    p->parts = un_blocks(TASKS, p->groups_in * p->groups_out);
    p->parts = p->parts > p->blocks ? p->blocks : p->parts;
    p->v_plane = BLOCK * (p->depth < GROUP_IN ? p->depth : GROUP_IN) + UN_CHUNK;
    p->d_plane = BLOCK * GROUP_OUT + UN_CHUNK;
    p->g.plane = p->v_plane;
    p->g.chunk_step = UN_CHUNK;
    p->g.tile_step = p->depth < GROUP_IN ? p->depth : GROUP_IN;
    p->sums = GROUP_OUT + (ptrdiff_t)UN_XI * GROUP_OUT * p->g.tile_step;
}

static int supports(const void *args)
{
    const un_wgrad_args *a = args;
    int unit = a->k[1] == 3 && a->k[2] == 3 && a->k[0] <= 3 && a->groups == 1;

    for (int i = 0; i < 3; i++)
        unit = unit && a->stride[i] == 1 && a->dilation[i] == 1;
    return unit && (a->dw || !a->db); /* only db: not a product */
}

/* ---- output gradient ---- */

/* The transpose of the forward pass's output transform. */
static inline __attribute__((always_inline)) void transform_dy(un_v o[UN_IN], const un_v y[UN_OUT])
{
    un_v a = y[0] + y[2], b = y[1] + y[3], c = y[0] + 4.0f * y[2], d = 2.0f * y[1] + 8.0f * y[3];

    o[0] = y[0];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = y[3];
}

static void tile_dy(const float *y, ptrdiff_t rows, ptrdiff_t step, float *d, ptrdiff_t plane)
{
    for (int c = 0; c < UN_CHUNK; c += UN_W) {
        un_v t[UN_OUT][UN_IN], in[UN_OUT], out[UN_IN];

        for (int i = 0; i < UN_OUT; i++) {
            for (int r = 0; r < UN_OUT; r++)
                in[r] = un_v_load(y + r * rows + i * step + c);
            transform_dy(t[i], in);
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

/* UN_CHUNK channels from c of `count` tiles; what lies outside of dy is zero. */
static void chunk_dy(const wgrad *p, int64_t first, int count, int c, float *d)
{
    const un_view *y = &p->a->dy;
    int n = y->c - c < UN_CHUNK ? y->c - c : UN_CHUNK;
    float edge[UN_OUT * UN_OUT * UN_CHUNK];

    for (int t = 0; t < count; t++, d += GROUP_OUT) {
        un_place at = un_tile_place(&p->g, first + t, p->g.out.d);
        const float *from = (const float *)y->p + at.n * y->sn + at.d * y->sd + at.h * y->sh + at.w * y->sw + c;

        if (n == UN_CHUNK && at.h + UN_OUT <= y->h && at.w + UN_OUT <= y->w) {
            tile_dy(from, y->sh, y->sw, d, p->d_plane);
            continue;
        }
        memset(edge, 0, sizeof edge);
        for (int r = 0; r < UN_OUT && at.h + r < y->h; r++)
            for (int i = 0; i < UN_OUT && at.w + i < y->w; i++)
                memcpy(edge + (r * UN_OUT + i) * UN_CHUNK, from + r * y->sh + i * y->sw, (size_t)n * sizeof *edge);
        tile_dy(edge, UN_OUT * UN_CHUNK, UN_CHUNK, d, p->d_plane);
    }
}

/* ---- products ---- */

/* m[ci][UN_CB] += sum over tiles of v (ci) times d (nv vectors); vs: between tiles of v. */
static inline __attribute__((always_inline)) void outer(
    float *m, const float *v, ptrdiff_t vs, const float *d, int count, const int ci, const int nv)
{
    un_v s[UN_PX][2];

#pragma GCC unroll 16
    for (int i = 0; i < ci; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++)
            s[i][j] = un_v_load(m + i * UN_CB + j * UN_W);
    for (int t = 0; t < count; t++, v += vs, d += GROUP_OUT) {
        un_v d0 = un_v_load(d), d1 = nv > 1 ? un_v_load(d + UN_W) : d0;

#pragma GCC unroll 16
        for (int i = 0; i < ci; i++) {
            s[i][0] += d0 * v[i];
            if (nv > 1)
                s[i][1] += d1 * v[i];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < ci; i++)
#pragma GCC unroll 2
        for (int j = 0; j < nv; j++)
            un_v_store(m + i * UN_CB + j * UN_W, s[i][j]);
}

#define OUTER(ci)                                                                                                      \
    static void outer_##ci##_1(float *m, const float *v, ptrdiff_t vs, const float *d, int count)                      \
    {                                                                                                                  \
        outer(m, v, vs, d, count, ci, 1);                                                                              \
    }                                                                                                                  \
    static void outer_##ci##_2(float *m, const float *v, ptrdiff_t vs, const float *d, int count)                      \
    {                                                                                                                  \
        outer(m, v, vs, d, count, ci, 2);                                                                              \
    }
OUTER(1)
OUTER(2)
OUTER(3)
OUTER(4)
OUTER(5)
OUTER(6)
#ifdef __AVX512F__
OUTER(7)
OUTER(8)
OUTER(9)
OUTER(10)
OUTER(11)
OUTER(12)
#endif

static void (*const outers[2][UN_PX])(float *, const float *, ptrdiff_t, const float *, int) = {
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

/* Adds the products of a block of tiles to m, for `in` channels of v and `out` of d. */
static void multiply(const wgrad *p, const float *v, const float *d, float *m, int count, int in, int out)
{
    ptrdiff_t vs = p->g.tile_step;
    int pieces = un_blocks(in, UN_PX);

    for (int xi = 0; xi < UN_XI; xi++)
        for (int o = 0; o < GROUP_OUT; o += UN_CB, m += vs * UN_CB) {
            int nv = out - o > UN_W ? 2 : 1;

            for (int i = 0, at = 0; i < pieces && o < out; i++) {
                int n = (in - at) / (pieces - i);

                outers[nv - 1][n - 1](m + at * UN_CB, v + xi * p->v_plane + at, vs, d + xi * p->d_plane + o, count);
                at += n;
            }
        }
}

/* ---- back ---- */

static inline __attribute__((always_inline)) void transform_dw(un_v o[3], const un_v m[UN_IN])
{
    un_v s = m[3] + m[4], d = m[3] - m[4];

    o[0] = m[0] * 0.25f - (m[1] + m[2]) * (1.0f / 6) + s * (1.0f / 24);
    o[1] = (m[2] - m[1]) * (1.0f / 6) + d * (1.0f / 12);
    o[2] = (s - m[1] - m[2]) * (1.0f / 6) + m[5];
}

/* dw of one channel of V (`in` of its group) and one vector of outputs, from parts `step` floats apart. */
static void finish_vector(const wgrad *p, const float *m, ptrdiff_t step, float *dw, ptrdiff_t per_out, int n)
{
    const ptrdiff_t xi_step = (ptrdiff_t)GROUP_OUT * p->g.tile_step;
    un_v t[3][UN_IN], in[UN_IN], out[3];
    float w[9][UN_W];

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
            un_v_store(w[r * 3 + i], out[i]);
    }
    for (int o = 0; o < n; o++)
        for (int i = 0; i < 9; i++)
            dw[o * per_out + i] = w[i][o];
}

typedef struct group {
    int in, out;         /* first channel of V and of D */
    int in_count, count; /* of them */
} group;

static group group_of(const wgrad *p, int64_t index)
{
    group g = {.in = (int)(index % p->groups_in) * GROUP_IN, .out = (int)(index / p->groups_in) * GROUP_OUT};

    g.in_count = p->depth - g.in < GROUP_IN ? p->depth - g.in : GROUP_IN;
    g.count = p->a->dy.c - g.out < GROUP_OUT ? p->a->dy.c - g.out : GROUP_OUT;
    return g;
}

/* The results of one chunk of channels of V of a group; sums: its parts, one behind the other. */
static void finish_chunk(const wgrad *p, const group *g, int chunk, const float *sums)
{
    int ci = p->a->x.c, per = p->g.chunks * UN_CHUNK;
    ptrdiff_t taps = p->g.kd * 9;

    for (int k = chunk * UN_CHUNK; k < (chunk + 1) * UN_CHUNK; k++) {
        int kd = (g->in + k) / per, i = (g->in + k) % per;

        for (int o = 0; o < g->count && i < ci; o += UN_W) {
            const float *m = sums + GROUP_OUT + (o / UN_CB) * p->g.tile_step * UN_CB + k * UN_CB + o % UN_CB;
            float *dw = (float *)p->a->dw + ((ptrdiff_t)(g->out + o) * ci + i) * taps + kd * 9;

            finish_vector(p, m, p->sums, dw, ci * taps, g->count - o < UN_W ? g->count - o : UN_W);
        }
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

/* Part (1, 1) of D is the plain sum of a tile of dy. */
static void add_bias(const wgrad *p, const float *d, int count, float *sums)
{
    for (int t = 0; t < count; t++)
        for (int o = 0; o < GROUP_OUT; o += UN_W)
            un_v_store(sums + o, un_v_load(sums + o) + un_v_load(d + (UN_IN + 1) * p->d_plane + t * GROUP_OUT + o));
}

/* The chunks of V of a group: those of one depth tap after those of another. */
static void depth_chunks_in(const wgrad *p, un_place at, const group *g, float *v)
{
    int chunk = g->in / UN_CHUNK, end = (g->in + g->in_count) / UN_CHUNK;

    while (chunk < end) {
        int kd = chunk / p->g.chunks, first = kd * p->g.chunks, last = first + p->g.chunks;
        un_place from = at;

        last = last < end ? last : end;
        from.d += kd - p->g.pad[0];
        un_chunks_in(&p->g, from, chunk - first, last - first, v - (chunk - first) * UN_CHUNK);
        v += (last - chunk) * UN_CHUNK;
        chunk = last;
    }
}

static void sum_part(const wgrad *p, const group *g, int part, float *v, float *d, float *sums)
{
    memset(sums, 0, (size_t)p->sums * sizeof *sums);
    for (int b = (int)((int64_t)p->blocks * part / p->parts); b < (int64_t)p->blocks * (part + 1) / p->parts; b++) {
        int64_t first = (int64_t)b * BLOCK;
        int count = p->g.tiles - first < BLOCK ? (int)(p->g.tiles - first) : BLOCK;

        for (int t = 0; t < count; t++)
            depth_chunks_in(p, un_tile_place(&p->g, first + t, p->g.out.d), g, v + t * p->g.tile_step);
        for (int c = 0; c < g->count; c += UN_CHUNK)
            chunk_dy(p, first, count, g->out + c, d + c);
        multiply(p, v, d, sums + GROUP_OUT, count, g->in_count, g->count);
        if (p->a->db && !g->in)
            add_bias(p, d, count, sums);
    }
}

static void run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    wgrad p;
    group g;

    plan(&p, args);
    if (phase == 0) {
        float *v = worker, *d = v + UN_XI * p.v_plane, *own = d + UN_XI * p.d_plane;

        memset(d, 0, (size_t)(UN_XI * p.d_plane) * sizeof *d); /* channels that fill up a group stay zero */
        g = group_of(&p, task / p.parts);
        sum_part(&p, &g, (int)(task % p.parts), v, d, p.parts > 1 ? (float *)shared + task * p.sums : own);
        for (int c = 0; p.parts == 1 && c < g.in_count / UN_CHUNK; c++)
            finish(&p, &g, c, own);
    } else {
        int chunks = (int)(p.g.tile_step / UN_CHUNK), chunk = (int)(task % chunks);

        g = group_of(&p, task / chunks);
        if (chunk < g.in_count / UN_CHUNK)
            finish(&p, &g, chunk, (const float *)shared + task / chunks * p.parts * p.sums);
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
    return p.parts > 1 ? groups * (p.g.tile_step / UN_CHUNK) : 0;
}

static size_t worker_bytes(const void *args)
{
    wgrad p;

    plan(&p, args);
    return (size_t)(UN_XI * (p.v_plane + p.d_plane) + (p.parts > 1 ? 0 : p.sums)) * sizeof(float);
}

static size_t shared_bytes(const void *args)
{
    wgrad p;

    plan(&p, args);
    return p.parts > 1 ? (size_t)p.groups_in * p.groups_out * p.parts * (size_t)p.sums * sizeof(float) : 0;
}

/* Nanoseconds: products, transforms (winograd.c has the constants), the way back once for each part. */
static double cost(const void *args)
{
    const un_wgrad_args *a = args;
    wgrad p;
    double vectors, chunks;

    plan(&p, a);
    vectors = un_blocks(a->dy.c, UN_W);
    chunks = p.g.kd * p.g.chunks;
    return (double)p.g.tiles *
               (UN_XI * p.depth * vectors / UN_RATE + (a->x.c % UN_CHUNK ? 200 : 70) * chunks * p.groups_out +
                   (a->dy.c % UN_CHUNK ? 200 : 70) * un_blocks(a->dy.c, UN_CHUNK) * p.groups_in) +
           (double)p.depth * a->dy.c * (10.0 + 8.0 * p.parts);
}

extern const un_kernel UN_SIMD_SYMBOL(conv_wgrad_winograd4);
const un_kernel UN_SIMD_SYMBOL(conv_wgrad_winograd4) = {.name = UN_SIMD_NAME(conv_wgrad_winograd4),
    .family = UN_K_CONV_WGRAD,
    .type = UN_KERNEL_F32,
    .level = UN_SIMD_LEVEL,
    .winograd = 1,
    .supports = supports,
    .cost = cost,
    .worker_bytes = worker_bytes,
    .shared_bytes = shared_bytes,
    .phases = 2,
    .tasks = tasks,
    .run = run};
