/* 3x3 convolution of stride 1 and its data gradient by minimal filtering, F(4x4, 3x3): each tile of 4x4 outputs costs
 * 36 products a channel pair instead of 144 (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016,
 * section 4; points 0, 1, -1, 2, -2, infinity). Layers in 3-D with k[0] taps along d are sums of k[0] such layers,
 * whose products are added before the output transform. Error: about 10 times that of the direct sum.
 *
 * Tiles are cut into blocks. Large pictures: a task transforms the input of a block and then, for UN_CB outputs at a
 * time, multiplies and transforms back, so that nothing but the picture travels to memory. Few tiles (deep layers): the
 * input is transformed once by all tasks (phase 0), and a task multiplies one block of outputs (phase 1), so that the
 * weights, which are then the larger part, are read once. */
#include "kernels/simd/direct.h"

enum {
    OUT = 4,               /* outputs of a tile along an axis           */
    IN = OUT + 2,          /* inputs of it                              */
    XI = IN * IN,          /* products a channel pair                   */
    CHUNK = 16,            /* channels stored together: one cache line  */
    FUSED_TILES = 24,      /* tiles of a block, large pictures          */
    SPLIT_TILES = 64,      /* the same where the input is kept          */
    SPLIT_LIMIT = 128,     /* at most so many tiles: the input is kept  */
    ROW = (XI + 1) * UN_CB /* floats of a tile's products; +1 against equal cache sets */
};

typedef struct winograd {
    un_view in, out;
    int kd, pad[3];
    const float *packed, *bias;
    int act;
    float slope;
    int th, tw, chunks; /* tiles along h and w; CHUNKs of one depth tap's channels */
    int64_t tiles;
    int split, block, blocks; /* tiles of a block */
    ptrdiff_t plane; /* floats of one of the XI parts of a block's input: [kd][chunks][block][CHUNK], odd lines */
} winograd;

static void plan(winograd *p, const un_conv_args *a, int back)
{
    *p = (winograd){.in = back ? a->y : a->x, .out = back ? a->x : a->y, .kd = a->k[0]};
    p->packed = a->packed;
    p->bias = a->bias;
    p->act = a->act;
    p->slope = a->slope;
    for (int i = 0; i < 3; i++)
        p->pad[i] = back ? a->k[i] - 1 - a->pad[i] : a->pad[i];
    p->th = un_blocks(p->out.h, OUT);
    p->tw = un_blocks(p->out.w, OUT);
    p->tiles = (int64_t)p->out.n * p->out.d * p->th * p->tw;
    p->split = p->tiles <= SPLIT_LIMIT;
    p->block = p->split ? SPLIT_TILES : FUSED_TILES;
    p->blocks = (int)((p->tiles + p->block - 1) / p->block);
    p->block = (int)((p->tiles + p->blocks - 1) / p->blocks);
    p->chunks = un_blocks(p->in.c, CHUNK);
    p->plane = ((ptrdiff_t)p->kd * p->chunks * p->block | 1) * CHUNK;
}

static int supports(const un_conv_args *a)
{
    int unit = a->k[1] == 3 && a->k[2] == 3 && a->k[0] <= 3 && a->groups == 1;

    for (int i = 0; i < 3; i++)
        unit = unit && a->stride[i] == 1 && a->dilation[i] == 1;
    return unit && (a->act == UN_ACT_NONE || a->act == UN_ACT_RELU || a->act == UN_ACT_LEAKY_RELU);
}

/* ---- the three transforms, along one axis ---- */

static inline __attribute__((always_inline)) void transform_in(un_v o[IN], const un_v i[IN])
{
    un_v a = i[4] - 4.0f * i[2], b = i[3] - 4.0f * i[1], c = i[4] - i[2], d = 2.0f * (i[3] - i[1]);

    o[0] = 4.0f * i[0] - 5.0f * i[2] + i[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = 4.0f * i[1] - 5.0f * i[3] + i[5];
}

static inline __attribute__((always_inline)) void transform_out(un_v o[OUT], const un_v m[IN])
{
    un_v s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];

    o[0] = m[0] + s1 + s2;
    o[1] = d1 + 2.0f * d2;
    o[2] = s1 + 4.0f * s2;
    o[3] = d1 + 8.0f * d2 + m[5];
}

static inline __attribute__((always_inline)) void transform_weight(un_v o[IN], const un_v g[3])
{
    un_v s = (g[0] + g[2]) * (-1.0f / 6), a = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), b = g[1] * (1.0f / 12);

    o[0] = g[0] * 0.25f;
    o[1] = s - g[1] * (1.0f / 6);
    o[2] = s + g[1] * (1.0f / 6);
    o[3] = a + b;
    o[4] = a - b;
    o[5] = g[2];
}

/* ---- weights: [block of outputs][XI][kd][in.c][outputs of the block] ---- */

static int block_width(const winograd *p, int first)
{
    return p->out.c - first > UN_W ? UN_CB : UN_W;
}

static size_t packed_floats(const winograd *p)
{
    return (size_t)XI * (size_t)p->kd * (size_t)p->in.c * (size_t)un_blocks(p->out.c, UN_W) * UN_W;
}

static void pack_channel(float *to, ptrdiff_t step, const float g[9][UN_CB], int width)
{
    for (int v = 0; v < width; v += UN_W) {
        un_v rows[3][IN], u[IN];

        for (int r = 0; r < 3; r++) {
            un_v in[3] = {un_v_load(g[r * 3] + v), un_v_load(g[r * 3 + 1] + v), un_v_load(g[r * 3 + 2] + v)};

            transform_weight(rows[r], in);
        }
        for (int c = 0; c < IN; c++) {
            un_v in[3] = {rows[0][c], rows[1][c], rows[2][c]};

            transform_weight(u, in);
            for (int r = 0; r < IN; r++)
                un_v_store(to + (r * IN + c) * step + v, u[r]);
        }
    }
}

/* One task: CHUNK input channels of one depth tap of one block of outputs. wj, wi: steps of out and in in the master.
 */
static void pack(const winograd *p, float *packed, int64_t task, const float *w, ptrdiff_t wj, ptrdiff_t wi, int flip)
{
    int chunk = (int)(task % p->chunks), kd = (int)(task / p->chunks % p->kd);
    int first = (int)(task / p->chunks / p->kd) * UN_CB, width = block_width(p, first), depth = p->kd * p->in.c;
    float *to = packed + (ptrdiff_t)first * XI * depth + (ptrdiff_t)kd * p->in.c * width;
    float g[9][UN_CB];

    for (int i = chunk * CHUNK; i < (chunk + 1) * CHUNK && i < p->in.c; i++) {
        for (int t = 0; t < 9; t++)
            for (int j = 0; j < width; j++) {
                int tap = flip ? p->kd * 9 - 1 - (kd * 9 + t) : kd * 9 + t;

                g[t][j] = first + j < p->out.c ? w[(first + j) * wj + i * wi + tap] : 0.0f;
            }
        pack_channel(to + (ptrdiff_t)i * width, (ptrdiff_t)depth * width, g, width);
    }
}

/* ---- input: [XI][kd][chunk][tile][CHUNK] ---- */

/* `rows` and `step`: distances of the tile's rows and pixels in x; v: where part 0 goes. */
static void tile_in(const float *x, ptrdiff_t rows, ptrdiff_t step, float *v, ptrdiff_t plane)
{
    for (int c = 0; c < CHUNK; c += UN_W) {
        un_v t[IN][IN], in[IN], out[IN];

        for (int i = 0; i < IN; i++) {
            for (int r = 0; r < IN; r++)
                in[r] = un_v_load(x + r * rows + i * step + c);
            transform_in(t[i], in);
        }
        for (int r = 0; r < IN; r++) {
            for (int i = 0; i < IN; i++)
                in[i] = t[i][r];
            transform_in(out, in);
            for (int i = 0; i < IN; i++)
                un_v_store(v + (r * IN + i) * plane + c, out[i]);
        }
    }
}

typedef struct place {
    int n, d, h, w; /* first output of a tile */
} place;

static place tile_place(const winograd *p, int64_t tile)
{
    place t;

    t.w = (int)(tile % p->tw) * OUT;
    t.h = (int)(tile / p->tw % p->th) * OUT;
    t.d = (int)(tile / p->tw / p->th % p->out.d);
    t.n = (int)(tile / p->tw / p->th / p->out.d);
    return t;
}

/* Copies what lies inside of the picture, zeroes elsewhere: tiles at an edge and channels that end inside a CHUNK. */
static void copy_edge(const winograd *p, const float *x, int h, int w, int count, float *edge)
{
    for (int i = 0; i < XI; i++) {
        int y = h + i / IN, z = w + i % IN;
        int n = y < 0 || y >= p->in.h || z < 0 || z >= p->in.w ? 0 : count;

        if (n)
            memcpy(edge + i * CHUNK, x + y * p->in.sh + z * p->in.sw, (size_t)n * sizeof *edge);
        memset(edge + i * CHUNK + n, 0, (size_t)(CHUNK - n) * sizeof *edge);
    }
}

/* Transforms one chunk (of all depth taps' chunks) of tiles first..first+count-1 into v. */
static void chunk_in(const winograd *p, int64_t first, int count, int chunk, float *v)
{
    int kd = chunk / p->chunks, c = chunk % p->chunks * CHUNK, n = p->in.c - c < CHUNK ? p->in.c - c : CHUNK;
    float edge[XI * CHUNK];

    v += (ptrdiff_t)chunk * p->block * CHUNK;
    for (int t = 0; t < count; t++, v += CHUNK) {
        place at = tile_place(p, first + t);
        int d = at.d - p->pad[0] + kd, h = at.h - p->pad[1], w = at.w - p->pad[2];
        const float *x = (const float *)p->in.p + at.n * p->in.sn + d * p->in.sd + c;

        if (d < 0 || d >= p->in.d) {
            for (int i = 0; i < XI; i++)
                memset(v + i * p->plane, 0, CHUNK * sizeof *v);
        } else if (n == CHUNK && h >= 0 && w >= 0 && h + IN <= p->in.h && w + IN <= p->in.w) {
            tile_in(x + h * p->in.sh + w * p->in.sw, p->in.sh, p->in.sw, v, p->plane);
        } else {
            copy_edge(p, x, h, w, n, edge);
            tile_in(edge, IN * CHUNK, CHUNK, v, p->plane);
        }
    }
}

/* ---- product: m[tile][xi][UN_CB] = sum over channels ---- */

typedef struct panel {
    const float *v, *u;
    float *m;
    ptrdiff_t step; /* floats of a chunk of v */
    int taps, channels;
} panel;

static inline __attribute__((always_inline)) void product(const panel *q, const int px, const int nv)
{
    const float *u = q->u, *v = q->v;
    un_v acc[UN_PX][2];

#pragma GCC unroll 16
    for (int p = 0; p < px; p++)
        acc[p][0] = acc[p][1] = (un_v){0};
    for (int t = 0; t < q->taps; t++)
        for (int left = q->channels; left > 0; left -= CHUNK, v += q->step) {
            int n = left < CHUNK ? left : CHUNK;

            for (int k = 0; k < n; k++, u += nv * UN_W) {
                un_v u0 = un_v_load(u), u1 = nv > 1 ? un_v_load(u + UN_W) : u0;

#pragma GCC unroll 16
                for (int p = 0; p < px; p++) {
                    acc[p][0] += u0 * v[p * CHUNK + k];
                    if (nv > 1)
                        acc[p][1] += u1 * v[p * CHUNK + k];
                }
            }
        }
#pragma GCC unroll 16
    for (int p = 0; p < px; p++)
#pragma GCC unroll 2
        for (int i = 0; i < nv; i++)
            un_v_store(q->m + p * ROW + i * UN_W, acc[p][i]);
}

#define PRODUCT(px)                                                                                                    \
    static void product_##px##_1(const panel *q)                                                                       \
    {                                                                                                                  \
        product(q, px, 1);                                                                                             \
    }                                                                                                                  \
    static void product_##px##_2(const panel *q)                                                                       \
    {                                                                                                                  \
        product(q, px, 2);                                                                                             \
    }
PRODUCT(1)
PRODUCT(2)
PRODUCT(3)
PRODUCT(4)
PRODUCT(5)
PRODUCT(6)
#ifdef __AVX512F__
PRODUCT(7)
PRODUCT(8)
PRODUCT(9)
PRODUCT(10)
PRODUCT(11)
PRODUCT(12)
#endif

static void (*const products[2][UN_PX])(const panel *) = {
#ifdef __AVX512F__
    {product_1_1, product_2_1, product_3_1, product_4_1, product_5_1, product_6_1, product_7_1, product_8_1,
        product_9_1, product_10_1, product_11_1, product_12_1},
    {product_1_2, product_2_2, product_3_2, product_4_2, product_5_2, product_6_2, product_7_2, product_8_2,
        product_9_2, product_10_2, product_11_2, product_12_2},
#else
    {product_1_1, product_2_1, product_3_1, product_4_1, product_5_1, product_6_1},
    {product_1_2, product_2_2, product_3_2, product_4_2, product_5_2, product_6_2},
#endif
};

/* ---- output ---- */

static inline void put(float *y, un_v r, const float *bias, int n, const winograd *p)
{
    if (n >= UN_W) {
        if (bias)
            r += un_v_load(bias);
        un_v_store(y, un_activate(r, p->act, p->slope));
    } else {
        if (bias)
            r += un_v_load_part(bias, n);
        un_v_store_part(y, un_activate(r, p->act, p->slope), n);
    }
}

/* One vector of n outputs of a tile from its products m[xi][UN_CB]. */
static void tile_out(const winograd *p, const float *m, place at, int c, int n)
{
    int rows = p->out.h - at.h, columns = p->out.w - at.w;
    float *y = (float *)p->out.p + at.n * p->out.sn + at.d * p->out.sd + at.h * p->out.sh + at.w * p->out.sw + c;
    const float *bias = p->bias ? p->bias + c : 0;
    un_v t[OUT][IN], in[IN], out[OUT];

    for (int i = 0; i < IN; i++) {
        for (int r = 0; r < IN; r++)
            in[r] = un_v_load(m + (r * IN + i) * UN_CB);
        transform_out(out, in);
        for (int r = 0; r < OUT; r++)
            t[r][i] = out[r];
    }
    for (int r = 0; r < OUT && r < rows; r++) {
        transform_out(out, t[r]);
        for (int i = 0; i < OUT && i < columns; i++)
            put(y + r * p->out.sh + i * p->out.sw, out[i], bias, n, p);
    }
}

/* Outputs `first` to first + UN_CB - 1 of `count` tiles. */
static void outputs(const winograd *p, const float *v, int64_t tile, int count, int first, float *m)
{
    int width = block_width(p, first), depth = p->kd * p->in.c, pieces = un_blocks(count, UN_PX);
    panel q = {.step = (ptrdiff_t)p->block * CHUNK, .taps = p->kd, .channels = p->in.c};

    for (int xi = 0; xi < XI; xi++) {
        int at = 0;

        q.u = p->packed + (ptrdiff_t)first * XI * depth + (ptrdiff_t)xi * depth * width;
        for (int i = 0; i < pieces; i++) {
            int px = (count - at) / (pieces - i);

            q.v = v + xi * p->plane + at * CHUNK;
            q.m = m + (ptrdiff_t)at * ROW + xi * UN_CB;
            products[width / UN_W - 1][px - 1](&q);
            at += px;
        }
    }
    for (int t = 0; t < count; t++)
        for (int c = 0; c < UN_CB && first + c < p->out.c; c += UN_W)
            tile_out(p, m + (ptrdiff_t)t * ROW + c, tile_place(p, tile + t), first + c, p->out.c - first - c);
}

static int tiles_of(const winograd *p, int block)
{
    int64_t left = p->tiles - (int64_t)block * p->block;

    return left < p->block ? (int)left : p->block;
}

static void run(const winograd *p, int phase, int64_t task, float *worker, float *shared)
{
    int all = p->chunks * p->kd, outs = un_blocks(p->out.c, UN_CB);
    int block = (int)(phase == 0 ? task / all : p->split ? task / outs : task), count = tiles_of(p, block);
    int64_t first = (int64_t)block * p->block;
    float *m = worker, *v = p->split ? shared + (ptrdiff_t)block * XI * p->plane : worker + (ptrdiff_t)p->block * ROW;

    if (count <= 0)
        return;
    if (phase == 0) {
        chunk_in(p, first, count, (int)(task % all), v);
    } else if (p->split) {
        outputs(p, v, first, count, (int)(task % outs) * UN_CB, m);
    } else {
        for (int c = 0; c < all; c++)
            chunk_in(p, first, count, c, v);
        for (int o = 0; o < outs; o++)
            outputs(p, v, first, count, o * UN_CB, m);
    }
}

static int64_t tasks_of(const winograd *p, int phase)
{
    if (phase == 0)
        return p->split ? (int64_t)p->blocks * p->chunks * p->kd : 0;
    return (int64_t)p->blocks * (p->split ? un_blocks(p->out.c, UN_CB) : 1);
}

/* Nanoseconds: products, the transforms of a CHUNK of channels, copies of chunks that are not full, weights once a
 * block. The constants were measured where UN_RATE was. */
static double cost_of(const winograd *p)
{
    double depth = (double)p->kd * p->in.c, vectors = un_blocks(p->out.c, UN_W);
    double in = (p->in.c % CHUNK ? 200.0 : 70.0) * p->kd * p->chunks, out = 70.0 * un_blocks(p->out.c, CHUNK);
    double weights = XI * depth * vectors * UN_W * sizeof(float) / 30.0;

    return (double)p->tiles * (XI * depth * vectors / UN_RATE + in + out) + p->blocks * weights;
}

#define ENTRIES(name, back)                                                                                            \
    static int name##_supports(const void *args)                                                                       \
    {                                                                                                                  \
        return supports(args);                                                                                         \
    }                                                                                                                  \
    static double name##_cost(const void *args)                                                                        \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        return cost_of(&p);                                                                                            \
    }                                                                                                                  \
    static size_t name##_packed_bytes(const void *args)                                                                \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        return packed_floats(&p) * sizeof(float);                                                                      \
    }                                                                                                                  \
    static int64_t name##_pack_tasks(const void *args)                                                                 \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        return (int64_t)un_blocks(p.out.c, UN_CB) * p.kd * p.chunks;                                                   \
    }                                                                                                                  \
    static void name##_pack(const void *args, void *packed, int64_t task)                                              \
    {                                                                                                                  \
        const un_conv_args *a = args;                                                                                  \
        ptrdiff_t taps = a->k[0] * 9;                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        pack(&p, packed, task, a->w, back ? taps : a->x.c *taps, back ? a->x.c *taps : taps, back);                    \
    }                                                                                                                  \
    static size_t name##_worker_bytes(const void *args)                                                                \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        return ((size_t)p.block * ROW + (p.split ? 0 : (size_t)p.plane * XI)) * sizeof(float);                         \
    }                                                                                                                  \
    static size_t name##_shared_bytes(const void *args)                                                                \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        return p.split ? (size_t)p.plane * XI * (size_t)p.blocks * sizeof(float) : 0;                                  \
    }                                                                                                                  \
    static int64_t name##_tasks(const void *args, int phase)                                                           \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        return tasks_of(&p, phase);                                                                                    \
    }                                                                                                                  \
    static void name##_run(const void *args, int phase, int64_t task, void *worker, void *shared)                      \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        run(&p, phase, task, worker, shared);                                                                          \
    }

ENTRIES(conv, 0)
ENTRIES(dgrad, 1)

#define KERNEL(symbol, id, entries)                                                                                    \
    extern const un_kernel UN_SIMD_SYMBOL(symbol);                                                                     \
    const un_kernel UN_SIMD_SYMBOL(symbol) = {.name = UN_SIMD_NAME(symbol),                                            \
        .family = id,                                                                                                  \
        .type = UN_KERNEL_F32,                                                                                         \
        .level = UN_SIMD_LEVEL,                                                                                        \
        .winograd = 1,                                                                                                 \
        .supports = entries##_supports,                                                                                \
        .cost = entries##_cost,                                                                                        \
        .packed_bytes = entries##_packed_bytes,                                                                        \
        .pack_tasks = entries##_pack_tasks,                                                                            \
        .pack = entries##_pack,                                                                                        \
        .worker_bytes = entries##_worker_bytes,                                                                        \
        .shared_bytes = entries##_shared_bytes,                                                                        \
        .phases = 2,                                                                                                   \
        .tasks = entries##_tasks,                                                                                      \
        .run = entries##_run}

KERNEL(conv_winograd4, UN_K_CONV, conv);
KERNEL(conv_dgrad_winograd4, UN_K_CONV_DGRAD, dgrad);
