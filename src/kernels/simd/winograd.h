/* What the Winograd forms of a level share: tiles of F(UN_OUT x UN_OUT, 3x3) and the transform of their input (Lavin
 * and Gray, "Fast algorithms for convolutional neural networks", 2016, section 4). UN_OUT 4 (points 0, 1, -1, 2, -2,
 * infinity) unless the source that includes this says 6 (also 1/2, -1/2). With UN_BF16 the points are 0, 5/8, -5/8,
 * 3/2, -3/2, infinity, which round half as much (Barabasz et al., "Error analysis and improving the accuracy of
 * Winograd convolution for deep neural networks", 2020, look for such). */
#ifndef UN_KERNELS_SIMD_WINOGRAD_H
#define UN_KERNELS_SIMD_WINOGRAD_H

#include "kernels/simd/direct.h"

#ifndef UN_OUT
#define UN_OUT 4 /* outputs of a tile along an axis */
#endif

enum {
    UN_IN = UN_OUT + 2,            /* inputs of it                             */
    UN_XI = UN_IN * UN_IN,         /* products of a tile, a pair of channels   */
    UN_CHUNK = 16,                 /* channels stored together: one cache line */
    UN_AHEAD = UN_OUT == 4 ? 4 : 3 /* tiles, whose pixels are fetched ahead */
};

/* Whether there are forms that keep transformed weights of deep layers: at the level where they are known to pay. */
#define UN_KEPT (UN_SIMD_LEVEL == 1)

#if UN_BF16
#if UN_OUT != 4
#error "numbers of 16 bits are too coarse for the transforms of larger tiles"
#endif
/* The points and their squares. */
#define UN_P  0.625f
#define UN_Q  1.5f
#define UN_P2 (UN_P * UN_P)
#define UN_Q2 (UN_Q * UN_Q)
/* What the weights of a point are divided by. */
#define UN_NP (2 * UN_P2 * (UN_P2 - UN_Q2))
#define UN_NQ (2 * UN_Q2 * (UN_Q2 - UN_P2))
#endif

/* The tiles of a 3x3 layer and where the transformed input goes: part xi of chunk c of tile t at xi * plane +
 * c * chunk_step + t * tile_step factors. */
typedef struct un_tiles {
    un_view in, in2, out, out2; /* in2, out2: of the last channels, or of none (args.h: x2) */
    int kd, pad[3];
    int th, tw, chunks; /* tiles along h and w; chunks of one depth tap's channels */
    int64_t tiles;      /* of all samples and depths */
    ptrdiff_t plane, chunk_step, tile_step;
} un_tiles;

static inline void un_tiles_init(un_tiles *p, const un_view *in, const un_view *out, int kd, const int pad[3])
{
    *p = (un_tiles){.in = *in, .out = *out, .kd = kd, .pad = {pad[0], pad[1], pad[2]}};
    p->th = un_blocks(out->h, UN_OUT);
    p->tw = un_blocks(out->w, UN_OUT);
    p->tiles = (int64_t)out->n * out->d * p->th * p->tw;
    p->chunks = un_blocks(in->c, UN_CHUNK);
}

static inline __attribute__((always_inline)) void un_transform_in(un_v o[UN_IN], const un_v i[UN_IN])
{
#if UN_BF16
    un_v a = i[4] - UN_Q2 * i[2], b = i[3] - UN_Q2 * i[1], c = i[4] - UN_P2 * i[2], d = i[3] - UN_P2 * i[1];

    o[0] = i[4] + UN_P2 * UN_Q2 * i[0] - (UN_P2 + UN_Q2) * i[2];
    o[1] = a + UN_P * b;
    o[2] = a - UN_P * b;
    o[3] = c + UN_Q * d;
    o[4] = c - UN_Q * d;
    o[5] = i[5] + UN_P2 * UN_Q2 * i[1] - (UN_P2 + UN_Q2) * i[3];
#elif UN_OUT == 4
    un_v a = i[4] - 4.0f * i[2], b = i[3] - 4.0f * i[1], c = i[4] - i[2], d = 2.0f * (i[3] - i[1]);

    o[0] = 4.0f * i[0] - 5.0f * i[2] + i[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = 4.0f * i[1] - 5.0f * i[3] + i[5];
#else
    un_v a = i[2] + i[6] - 4.25f * i[4], b = i[1] + i[5] - 4.25f * i[3];
    un_v c = i[6] + 0.25f * i[2] - 1.25f * i[4], d = 0.5f * i[1] - 2.5f * i[3] + 2.0f * i[5];
    un_v e = i[6] + 4.0f * i[2] - 5.0f * i[4], f = 2.0f * i[1] - 2.5f * i[3] + 0.5f * i[5];

    o[0] = i[0] - i[6] + 5.25f * (i[4] - i[2]);
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = e + f;
    o[6] = e - f;
    o[7] = i[7] - i[1] + 5.25f * (i[3] - i[5]);
#endif
}

/* Asks for the pixels of a chunk of the tile that is UN_AHEAD tiles further along w, in `count` rows. */
static inline void un_fetch(const float *x, ptrdiff_t rows, ptrdiff_t step, int count)
{
    for (int r = 0; r < count; r++)
        for (int i = 0; i < UN_OUT; i++)
            __builtin_prefetch(x + r * rows + (UN_AHEAD * UN_OUT + i) * step, 0, 3);
}

/* `rows` and `step`: distances of the tile's rows and pixels in x; v: where part 0 goes. */
#define UN_TILE_IN(name, number, store)                                                                                \
    static inline __attribute__((always_inline)) void name(                                                            \
        const float *x, ptrdiff_t rows, ptrdiff_t step, number *v, ptrdiff_t plane)                                    \
    {                                                                                                                  \
        for (int c = 0; c < UN_CHUNK; c += UN_W) {                                                                     \
            un_v t[UN_IN][UN_IN], in[UN_IN], out[UN_IN];                                                               \
                                                                                                                       \
            for (int i = 0; i < UN_IN; i++) {                                                                          \
                for (int r = 0; r < UN_IN; r++)                                                                        \
                    in[r] = un_v_load(x + r * rows + i * step + c);                                                    \
                un_transform_in(t[i], in);                                                                             \
            }                                                                                                          \
            for (int r = 0; r < UN_IN; r++) {                                                                          \
                for (int i = 0; i < UN_IN; i++)                                                                        \
                    in[i] = t[i][r];                                                                                   \
                un_transform_in(out, in);                                                                              \
                for (int i = 0; i < UN_IN; i++)                                                                        \
                    store(v + (r * UN_IN + i) * plane + c, out[i]);                                                    \
            }                                                                                                          \
        }                                                                                                              \
    }

UN_TILE_IN(un_tile_in, un_factor, un_channels_store)
UN_TILE_IN(un_tile_in_float, float, un_v_store)

/* First output of a tile. */
typedef struct un_place {
    int n, d, h, w;
} un_place;

/* Tiles in the order n, d, h, w, for a number of depths. */
static inline un_place un_tile_place(const un_tiles *p, int64_t tile, int depths)
{
    un_place t;

    t.w = (int)(tile % p->tw) * UN_OUT;
    t.h = (int)(tile / p->tw % p->th) * UN_OUT;
    t.d = (int)(tile / p->tw / p->th % depths);
    t.n = (int)(tile / p->tw / p->th / depths);
    return t;
}

/* Copies what lies inside of the picture, zeroes elsewhere: tiles at an edge and channels that end inside a UN_CHUNK.
 */
static inline void un_copy_edge(const un_view *in, const float *x, int h, int w, int count, float *edge)
{
    const un_v zero = {0};

    for (int i = 0; i < UN_XI; i++) {
        int y = h + i / UN_IN, z = w + i % UN_IN;
        int inside = y >= 0 && y < in->h && z >= 0 && z < in->w;
        const float *from = x + (inside ? y * in->sh + z * in->sw : 0);

        for (int c = 0; c < UN_CHUNK; c += UN_W) {
            int n = inside ? count - c : 0;

            un_v_store(edge + i * UN_CHUNK + c, n >= UN_W ? un_v_load(from + c)
                                                : n > 0   ? un_v_load_part(from + c, n)
                                                          : zero);
        }
    }
}

/* Transforms chunks first..last-1 of the tile whose first output is at `at`; at.d: the depth of the input, which may
 * lie outside (zeroes). v: the tile's place in the block, of chunk 0; plane: as in p, a constant where the caller can.
 */
static inline __attribute__((always_inline)) void un_chunks_in(
    const un_tiles *p, un_place at, int first, int last, un_factor *v, const ptrdiff_t plane)
{
    int h = at.h - p->pad[1], w = at.w - p->pad[2];
    int whole = h >= 0 && w >= 0 && h + UN_IN <= p->in.h && w + UN_IN <= p->in.w;
    float edge[UN_XI * UN_CHUNK];

    v += first * p->chunk_step;
    for (int i = first; i < last; i++, v += p->chunk_step) {
        int c = i * UN_CHUNK, n = p->in.c - c < UN_CHUNK ? p->in.c - c : UN_CHUNK, other;
        const un_view *in = un_view_of(&p->in, &p->in2, c, &other);
        const float *x = (const float *)in->p + at.n * in->sn + at.d * in->sd + (c - other);

        if (at.d < 0 || at.d >= p->in.d) {
            for (int k = 0; k < UN_XI; k++)
                memset(v + k * plane, 0, UN_CHUNK * sizeof *v);
        } else if (n == UN_CHUNK && whole) {
            const float *from = x + h * in->sh + w * in->sw;

            un_fetch(from, in->sh, in->sw, UN_IN);
            un_tile_in(from, in->sh, in->sw, v, plane);
        } else {
            un_copy_edge(in, x, h, w, n, edge);
            un_tile_in(edge, UN_IN * UN_CHUNK, UN_CHUNK, v, plane);
        }
    }
}

#endif
