/* What the Winograd forms of a level share: tiles of F(4x4, 3x3) and the transform of their input (Lavin and Gray,
 * "Fast algorithms for convolutional neural networks", 2016, section 4; points 0, 1, -1, 2, -2, infinity). */
#ifndef UN_KERNELS_SIMD_WINOGRAD_H
#define UN_KERNELS_SIMD_WINOGRAD_H

#include "kernels/simd/direct.h"

enum {
    UN_OUT = 4,            /* outputs of a tile along an axis          */
    UN_IN = UN_OUT + 2,    /* inputs of it                             */
    UN_XI = UN_IN * UN_IN, /* products of a tile, a pair of channels   */
    UN_CHUNK = 16          /* channels stored together: one cache line */
};

/* The tiles of a 3x3 layer and where the transformed input of a chunk of channels goes: part xi of tile t of a block at
 * xi * plane + t * tile_step floats. */
typedef struct un_tiles {
    un_view in, out;
    int kd, pad[3];
    int th, tw, chunks; /* tiles along h and w; chunks of one depth tap's channels */
    int64_t tiles;
    ptrdiff_t plane, tile_step;
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
    un_v a = i[4] - 4.0f * i[2], b = i[3] - 4.0f * i[1], c = i[4] - i[2], d = 2.0f * (i[3] - i[1]);

    o[0] = 4.0f * i[0] - 5.0f * i[2] + i[4];
    o[1] = a + b;
    o[2] = a - b;
    o[3] = c + d;
    o[4] = c - d;
    o[5] = 4.0f * i[1] - 5.0f * i[3] + i[5];
}

/* `rows` and `step`: distances of the tile's rows and pixels in x; v: where part 0 goes. */
static inline void un_tile_in(const float *x, ptrdiff_t rows, ptrdiff_t step, float *v, ptrdiff_t plane)
{
    for (int c = 0; c < UN_CHUNK; c += UN_W) {
        un_v t[UN_IN][UN_IN], in[UN_IN], out[UN_IN];

        for (int i = 0; i < UN_IN; i++) {
            for (int r = 0; r < UN_IN; r++)
                in[r] = un_v_load(x + r * rows + i * step + c);
            un_transform_in(t[i], in);
        }
        for (int r = 0; r < UN_IN; r++) {
            for (int i = 0; i < UN_IN; i++)
                in[i] = t[i][r];
            un_transform_in(out, in);
            for (int i = 0; i < UN_IN; i++)
                un_v_store(v + (r * UN_IN + i) * plane + c, out[i]);
        }
    }
}

typedef struct un_place {
    int n, d, h, w; /* first output of a tile */
} un_place;

static inline un_place un_tile_place(const un_tiles *p, int64_t tile)
{
    un_place t;

    t.w = (int)(tile % p->tw) * UN_OUT;
    t.h = (int)(tile / p->tw % p->th) * UN_OUT;
    t.d = (int)(tile / p->tw / p->th % p->out.d);
    t.n = (int)(tile / p->tw / p->th / p->out.d);
    return t;
}

/* Copies what lies inside of the picture, zeroes elsewhere: tiles at an edge and channels that end inside a UN_CHUNK.
 */
static inline void un_copy_edge(const un_tiles *p, const float *x, int h, int w, int count, float *edge)
{
    for (int i = 0; i < UN_XI; i++) {
        int y = h + i / UN_IN, z = w + i % UN_IN;
        int n = y < 0 || y >= p->in.h || z < 0 || z >= p->in.w ? 0 : count;

        if (n)
            memcpy(edge + i * UN_CHUNK, x + y * p->in.sh + z * p->in.sw, (size_t)n * sizeof *edge);
        memset(edge + i * UN_CHUNK + n, 0, (size_t)(UN_CHUNK - n) * sizeof *edge);
    }
}

/* Transforms one chunk (of those of all depth taps) of tiles first..first+count-1; v: its place in the block. */
static inline void un_chunk_in(const un_tiles *p, int64_t first, int count, int chunk, float *v)
{
    int kd = chunk / p->chunks, c = chunk % p->chunks * UN_CHUNK, n = p->in.c - c < UN_CHUNK ? p->in.c - c : UN_CHUNK;
    float edge[UN_XI * UN_CHUNK];

    for (int t = 0; t < count; t++, v += p->tile_step) {
        un_place at = un_tile_place(p, first + t);
        int d = at.d - p->pad[0] + kd, h = at.h - p->pad[1], w = at.w - p->pad[2];
        const float *x = (const float *)p->in.p + at.n * p->in.sn + d * p->in.sd + c;

        if (d < 0 || d >= p->in.d) {
            for (int i = 0; i < UN_XI; i++)
                memset(v + i * p->plane, 0, UN_CHUNK * sizeof *v);
        } else if (n == UN_CHUNK && h >= 0 && w >= 0 && h + UN_IN <= p->in.h && w + UN_IN <= p->in.w) {
            un_tile_in(x + h * p->in.sh + w * p->in.sw, p->in.sh, p->in.sw, v, p->plane);
        } else {
            un_copy_edge(p, x, h, w, n, edge);
            un_tile_in(edge, UN_IN * UN_CHUNK, UN_CHUNK, v, p->plane);
        }
    }
}

#endif
