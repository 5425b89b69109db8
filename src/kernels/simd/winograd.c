/* 3x3 convolution of stride 1 and its data gradient by minimal filtering, F(4x4, 3x3): each tile of 4x4 outputs costs
 * 36 products a channel pair instead of 144 (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016,
 * section 4; points 0, 1, -1, 2, -2, infinity). Layers in 3-D with k[0] taps along d are sums of k[0] such layers,
 * whose products are added before the output transform. Error: about 10 times that of the direct sum.
 *
 * Tiles are cut into blocks. Large pictures: a task transforms the input of a block and then, for UN_CB outputs at a
 * time, multiplies and transforms back, so that nothing but the picture travels to memory. Few tiles (deep layers): the
 * input is transformed once by all tasks (phase 0), and a task multiplies one block of outputs (phase 1), so that the
 * weights, which are then the larger part, are read once. */
#include "kernels/simd/winograd.h"

enum {
    FUSED_TILES = 12,         /* tiles of a block, large pictures         */
    SPLIT_TILES = 64,         /* the same where the input is kept         */
    SPLIT_LIMIT = 128,        /* at most so many tiles: the input is kept */
    ROW = (UN_XI + 1) * UN_CB /* floats of a tile's products; +1 against equal cache sets */
};

typedef struct winograd {
    un_tiles g;
    const float *packed, *bias;
    int act;
    float slope;
    int split, block, blocks; /* tiles of a block */
} winograd;

static void plan(winograd *p, const un_conv_args *a, int back)
{
    int pad[3];

    for (int i = 0; i < 3; i++)
        pad[i] = back ? a->k[i] - 1 - a->pad[i] : a->pad[i];
    *p = (winograd){.packed = a->packed, .bias = a->bias, .act = a->act, .slope = a->slope};
    un_tiles_init(&p->g, back ? &a->y : &a->x, back ? &a->x : &a->y, a->k[0], pad);
    p->split = p->g.tiles <= SPLIT_LIMIT;
    p->block = p->split ? SPLIT_TILES : FUSED_TILES;
    p->blocks = (int)((p->g.tiles + p->block - 1) / p->block);
    p->block = (int)((p->g.tiles + p->blocks - 1) / p->blocks);
    p->g.tile_step = UN_CHUNK;
    p->g.plane = ((ptrdiff_t)p->g.kd * p->g.chunks * p->block | 1) * UN_CHUNK; /* an odd number of cache lines */
}

static int supports(const un_conv_args *a)
{
    int unit = a->k[1] == 3 && a->k[2] == 3 && a->k[0] <= 3 && a->groups == 1;

    for (int i = 0; i < 3; i++)
        unit = unit && a->stride[i] == 1 && a->dilation[i] == 1;
    return unit && (a->act == UN_ACT_NONE || a->act == UN_ACT_RELU || a->act == UN_ACT_LEAKY_RELU);
}

/* ---- transforms along one axis ---- */

static inline __attribute__((always_inline)) void transform_out(un_v o[UN_OUT], const un_v m[UN_IN])
{
    un_v s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];

    o[0] = m[0] + s1 + s2;
    o[1] = d1 + 2.0f * d2;
    o[2] = s1 + 4.0f * s2;
    o[3] = d1 + 8.0f * d2 + m[5];
}

static inline __attribute__((always_inline)) void transform_weight(un_v o[UN_IN], const un_v g[3])
{
    un_v s = (g[0] + g[2]) * (-1.0f / 6), a = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), b = g[1] * (1.0f / 12);

    o[0] = g[0] * 0.25f;
    o[1] = s - g[1] * (1.0f / 6);
    o[2] = s + g[1] * (1.0f / 6);
    o[3] = a + b;
    o[4] = a - b;
    o[5] = g[2];
}

/* ---- weights: [block of outputs][UN_XI][kd][in.c][outputs of the block] ---- */

static int block_width(const winograd *p, int first)
{
    return p->g.out.c - first > UN_W ? UN_CB : UN_W;
}

static size_t packed_floats(const winograd *p)
{
    return (size_t)UN_XI * (size_t)p->g.kd * (size_t)p->g.in.c * (size_t)un_blocks(p->g.out.c, UN_W) * UN_W;
}

static void pack_channel(float *to, ptrdiff_t step, const float g[9][UN_CB], int width)
{
    for (int v = 0; v < width; v += UN_W) {
        un_v rows[3][UN_IN], u[UN_IN];

        for (int r = 0; r < 3; r++) {
            un_v in[3] = {un_v_load(g[r * 3] + v), un_v_load(g[r * 3 + 1] + v), un_v_load(g[r * 3 + 2] + v)};

            transform_weight(rows[r], in);
        }
        for (int c = 0; c < UN_IN; c++) {
            un_v in[3] = {rows[0][c], rows[1][c], rows[2][c]};

            transform_weight(u, in);
            for (int r = 0; r < UN_IN; r++)
                un_v_store(to + (r * UN_IN + c) * step + v, u[r]);
        }
    }
}

/* One task: UN_CHUNK input channels of one depth tap of one block of outputs. wj, wi: steps of out and in in the
 * master.
 */
static void pack(const winograd *p, float *packed, int64_t task, const float *w, ptrdiff_t wj, ptrdiff_t wi, int flip)
{
    int chunk = (int)(task % p->g.chunks), kd = (int)(task / p->g.chunks % p->g.kd);
    int first = (int)(task / p->g.chunks / p->g.kd) * UN_CB, width = block_width(p, first), depth = p->g.kd * p->g.in.c;
    float *to = packed + (ptrdiff_t)first * UN_XI * depth + (ptrdiff_t)kd * p->g.in.c * width;
    float g[9][UN_CB];

    for (int i = chunk * UN_CHUNK; i < (chunk + 1) * UN_CHUNK && i < p->g.in.c; i++) {
        for (int t = 0; t < 9; t++)
            for (int j = 0; j < width; j++) {
                int tap = flip ? p->g.kd * 9 - 1 - (kd * 9 + t) : kd * 9 + t;

                g[t][j] = first + j < p->g.out.c ? w[(first + j) * wj + i * wi + tap] : 0.0f;
            }
        pack_channel(to + (ptrdiff_t)i * width, (ptrdiff_t)depth * width, g, width);
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
        for (int left = q->channels; left > 0; left -= UN_CHUNK, v += q->step) {
            int n = left < UN_CHUNK ? left : UN_CHUNK;

            for (int k = 0; k < n; k++, u += nv * UN_W) {
                un_v u0 = un_v_load(u), u1 = nv > 1 ? un_v_load(u + UN_W) : u0;

#pragma GCC unroll 16
                for (int p = 0; p < px; p++) {
                    acc[p][0] += u0 * v[p * UN_CHUNK + k];
                    if (nv > 1)
                        acc[p][1] += u1 * v[p * UN_CHUNK + k];
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
static void tile_out(const winograd *p, const float *m, un_place at, int c, int n)
{
    int rows = p->g.out.h - at.h, columns = p->g.out.w - at.w;
    float *y =
        (float *)p->g.out.p + at.n * p->g.out.sn + at.d * p->g.out.sd + at.h * p->g.out.sh + at.w * p->g.out.sw + c;
    const float *bias = p->bias ? p->bias + c : 0;
    un_v t[UN_OUT][UN_IN], in[UN_IN], out[UN_OUT];

    for (int i = 0; i < UN_IN; i++) {
        for (int r = 0; r < UN_IN; r++)
            in[r] = un_v_load(m + (r * UN_IN + i) * UN_CB);
        transform_out(out, in);
        for (int r = 0; r < UN_OUT; r++)
            t[r][i] = out[r];
    }
    for (int r = 0; r < UN_OUT && r < rows; r++) {
        transform_out(out, t[r]);
        for (int i = 0; i < UN_OUT && i < columns; i++)
            put(y + r * p->g.out.sh + i * p->g.out.sw, out[i], bias, n, p);
    }
}

/* Outputs `first` to first + UN_CB - 1 of `count` tiles. */
static void outputs(const winograd *p, const float *v, int64_t tile, int count, int first, float *m)
{
    int width = block_width(p, first), depth = p->g.kd * p->g.in.c, pieces = un_blocks(count, UN_PX);
    panel q = {.step = (ptrdiff_t)p->block * UN_CHUNK, .taps = p->g.kd, .channels = p->g.in.c};

    for (int xi = 0; xi < UN_XI; xi++) {
        int at = 0;

        q.u = p->packed + (ptrdiff_t)first * UN_XI * depth + (ptrdiff_t)xi * depth * width;
        for (int i = 0; i < pieces; i++) {
            int px = (count - at) / (pieces - i);

            q.v = v + xi * p->g.plane + at * UN_CHUNK;
            q.m = m + (ptrdiff_t)at * ROW + xi * UN_CB;
            products[width / UN_W - 1][px - 1](&q);
            at += px;
        }
    }
    for (int t = 0; t < count; t++)
        for (int c = 0; c < UN_CB && first + c < p->g.out.c; c += UN_W)
            tile_out(p, m + (ptrdiff_t)t * ROW + c, un_tile_place(&p->g, tile + t), first + c, p->g.out.c - first - c);
}

static int tiles_of(const winograd *p, int block)
{
    int64_t left = p->g.tiles - (int64_t)block * p->block;

    return left < p->block ? (int)left : p->block;
}

static void run(const winograd *p, int phase, int64_t task, float *worker, float *shared)
{
    int all = p->g.chunks * p->g.kd, outs = un_blocks(p->g.out.c, UN_CB);
    int block = (int)(phase == 0 ? task / all : p->split ? task / outs : task), count = tiles_of(p, block);
    int64_t first = (int64_t)block * p->block;
    float *m = worker,
          *v = p->split ? shared + (ptrdiff_t)block * UN_XI * p->g.plane : worker + (ptrdiff_t)p->block * ROW;

    if (count <= 0)
        return;
    if (phase == 0) {
        un_chunk_in(&p->g, first, count, (int)(task % all), v + task % all * p->block * UN_CHUNK);
    } else if (p->split) {
        outputs(p, v, first, count, (int)(task % outs) * UN_CB, m);
    } else {
        for (int c = 0; c < all; c++)
            un_chunk_in(&p->g, first, count, c, v + (ptrdiff_t)c * p->block * UN_CHUNK);
        for (int o = 0; o < outs; o++)
            outputs(p, v, first, count, o * UN_CB, m);
    }
}

static int64_t tasks_of(const winograd *p, int phase)
{
    if (phase == 0)
        return p->split ? (int64_t)p->blocks * p->g.chunks * p->g.kd : 0;
    return (int64_t)p->blocks * (p->split ? un_blocks(p->g.out.c, UN_CB) : 1);
}

/* Nanoseconds: products, the transforms of a UN_CHUNK of channels, copies of chunks that are not full, weights once a
 * block. The constants were measured where UN_RATE was. */
static double cost_of(const winograd *p)
{
    double depth = (double)p->g.kd * p->g.in.c, vectors = un_blocks(p->g.out.c, UN_W);
    double in = (p->g.in.c % UN_CHUNK ? 200.0 : 70.0) * p->g.kd * p->g.chunks,
           out = 70.0 * un_blocks(p->g.out.c, UN_CHUNK);
    double weights = UN_XI * depth * vectors * UN_W * sizeof(float) / 30.0;

    return (double)p->g.tiles * (UN_XI * depth * vectors / UN_RATE + in + out) + p->blocks * weights;
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
        return (int64_t)un_blocks(p.g.out.c, UN_CB) * p.g.kd * p.g.chunks;                                             \
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
        return ((size_t)p.block * ROW + (p.split ? 0 : (size_t)p.g.plane * UN_XI)) * sizeof(float);                    \
    }                                                                                                                  \
    static size_t name##_shared_bytes(const void *args)                                                                \
    {                                                                                                                  \
        winograd p;                                                                                                    \
                                                                                                                       \
        plan(&p, args, back);                                                                                          \
        return p.split ? (size_t)p.g.plane * UN_XI * (size_t)p.blocks * sizeof(float) : 0;                             \
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
