#include "data/artefact.h"

#include <string.h>

#include "base/exp2.h"
#include "base/math.h"
#include "base/size.h"
#include "base/wide.h"

enum { RUN = 512 }; /* values at a time */

/* ---- magnetic resonance ---- */

static double place(int i, int n)
{
    return n > 1 ? 2.0 * i / (n - 1) - 1 : 0;
}

/* n <= RUN pixels from the position `at` on, of the exponent (of two) row[0] + row[1] x + row[2] x^2 + row[3] x^3. */
UN_WIDE static void bias_run(
    float *restrict v, int n, int c, const double *lo, const float row[4], float at, float step)
{
    float factor[RUN];

    for (int i = 0; i < n; i++) {
        const float x = at + step * (float)i;

        factor[i] = un_exp2_near(row[0] + x * (row[1] + x * (row[2] + x * row[3])));
    }
    for (int k = 0; k < c; k++) {
        const float low = (float)lo[k];

        if (c == 1)
            for (int i = 0; i < n; i++)
                v[i] = low + (v[i] - low) * factor[i];
        else
            for (int i = 0; i < n; i++)
                v[i * c + k] = low + (v[i * c + k] - low) * factor[i];
    }
}

void un_bias_apply(const double coefficient[UN_BIAS_TERMS], const double *lo, float *v, const int size[3], int c)
{
    const double per_halving = 1.4426950408889634; /* log2 e */
    const int w = size[2];

    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++, v += (ptrdiff_t)w * c) {
            const double pz = place(z, size[0]), py = place(y, size[1]);
            float row[4] = {0};
            double wz = per_halving;
            int term = 0;

            for (int i = 0; i < 4; i++, wz *= pz) {
                double by = wz;

                for (int j = 0; i + j < 4; j++, by *= py)
                    for (int k = 0; i + j + k < 4; k++)
                        if (i + j + k > 0)
                            row[k] += (float)(coefficient[term++] * by);
            }
            for (int x = 0; x < w; x += RUN)
                bias_run(v + (ptrdiff_t)x * c, UN_MIN(w - x, RUN), c, lo, row, (float)place(x, w),
                    w > 1 ? 2.0f / (float)(w - 1) : 0);
        }
}

/* to[i] += weight * from[(i + shift) mod n]. */
UN_WIDE static void add_turned(
    float *restrict to, const float *restrict from, ptrdiff_t n, ptrdiff_t shift, float weight)
{
    for (ptrdiff_t i = 0; i < n - shift; i++)
        to[i] += weight * from[i + shift];
    for (ptrdiff_t i = n - shift; i < n; i++)
        to[i] += weight * from[i + shift - n];
}

void un_ghosts_apply(int axis, int n, double gain, const double *mean, float *v, const int size[3], int c, float *spare)
{
    const ptrdiff_t row = (ptrdiff_t)size[2] * c, plane = row * size[1], all = plane * size[0];
    const ptrdiff_t block = axis == 1 ? plane : row, step = axis == 1 ? row : c;
    const float weight = (float)(-gain / n);

    memcpy(spare, v, (size_t)all * sizeof *v);
    for (ptrdiff_t at = 0; at < all; at += block)
        for (int j = 0; j < n; j++)
            add_turned(v + at, spare + at, block, (ptrdiff_t)(j * (int64_t)size[axis] / n) * step, weight);
    for (ptrdiff_t i = 0; i < all; i += c)
        for (int k = 0; k < c; k++)
            v[i + k] += (float)(gain * mean[k]);
}

/* ---- waves ---- */

void un_wave_add(float *plane, int h, int w, double fy, double fx, double phase, double amplitude, float *row)
{
    float *restrict co = row, *restrict si = row + w;

    for (int x = 0; x < w; x++) {
        co[x] = (float)un_cos2pi(fx * x / w);
        si[x] = (float)un_sin2pi(fx * x / w);
    }
    for (int y = 0; y < h; y++, plane += w) {
        const float a = (float)(amplitude * un_cos2pi(fy * y / h + phase)),
                    b = (float)(amplitude * un_sin2pi(fy * y / h + phase));

        for (int x = 0; x < w; x++)
            plane[x] += a * co[x] - b * si[x];
    }
}

/* ---- layers ---- */

/* `n` <= RUN pixels of row y from x on. */
UN_WIDE static void cover_run(const un_layer *restrict l, float *restrict plane, int y, int x, int n)
{
    float outside[RUN];

    for (int k = 0; k < n; k++)
        outside[k] = -1;
    for (int i = 0; i < l->sides; i++) {
        const float from = l->from[i] + l->dy[i] * (float)y, dx = l->dx[i];

        for (int k = 0; k < n; k++) {
            const float d = from + dx * (float)(x + k);

            outside[k] = d > outside[k] ? d : outside[k];
        }
    }
    for (int k = 0; k < n; k++)
        plane[k] *= 1 - l->opacity * (outside[k] > 0.5f ? 0 : outside[k] < -0.5f ? 1 : 0.5f - outside[k]);
}

void un_layer_cover(const un_layer *l, float *plane, int h, int w)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x += RUN)
            cover_run(l, plane + (ptrdiff_t)y * w + x, y, x, UN_MIN(w - x, RUN));
}

/* ---- JPEG ---- */

/* ITU-T T.81, tables K.1 and K.2. */
static const unsigned char table_of[2][64] = {
    {16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
        87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120,
        101, 72, 92, 95, 98, 112, 100, 103, 99},
    {17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99},
};

typedef struct codec {
    float basis[64];   /* [frequency][position] */
    float turned[64];  /* [position][frequency] */
    float step[2][64]; /* of brightness, of colour */
} codec;

static void make_codec(codec *q, double quality)
{
    const double scale = quality < 50 ? 5000 / quality : 200 - 2 * quality;

    for (int u = 0; u < 8; u++)
        for (int x = 0; x < 8; x++) {
            q->basis[8 * u + x] = (float)(0.5 * (u ? un_cos2pi((2 * x + 1) * u / 32.0) : un_sqrt(0.5)));
            q->turned[8 * x + u] = q->basis[8 * u + x];
        }
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 64; i++) {
            const double step = un_floor((table_of[k][i] * scale + 50) / 100);

            q->step[k][i] = (float)UN_MIN(255, UN_MAX(1, step));
        }
}

typedef float row8 __attribute__((vector_size(32), aligned(4)));

/* to = a b, 8 x 8. */
static inline __attribute__((always_inline)) void product(const float *a, const float *b, float *to)
{
    row8 row[8];

    memcpy(row, b, sizeof row);
    for (int i = 0; i < 8; i++) {
        row8 sum = {0};

        for (int k = 0; k < 8; k++)
            sum += a[8 * i + k] * row[k];
        memcpy(to + (ptrdiff_t)8 * i, &sum, sizeof sum);
    }
}

static inline __attribute__((always_inline)) void quantise(const codec *q, int table, float *block)
{
    const float *step = q->step[table];
    float a[64], b[64];

    product(q->basis, block, a);
    product(a, q->turned, b);
    for (int i = 0; i < 64; i++) {
        const float t = b[i] / step[i];

        b[i] = (float)(int)(t + (t < 0 ? -0.5f : 0.5f)) * step[i];
    }
    product(q->turned, b, a);
    product(a, q->basis, block);
}

static inline __attribute__((always_inline)) void to_ycc(float p[3][64])
{
    for (int i = 0; i < 64; i++) {
        const float r = p[0][i], g = p[1][i], b = p[2][i], y = 0.299f * r + 0.587f * g + 0.114f * b;

        p[0][i] = y;
        p[1][i] = (b - y) * (0.5f / 0.886f);
        p[2][i] = (r - y) * (0.5f / 0.701f);
    }
}

static inline __attribute__((always_inline)) void from_ycc(float p[3][64])
{
    for (int i = 0; i < 64; i++) {
        const float y = p[0][i], b = y + p[1][i] * (0.886f / 0.5f), r = y + p[2][i] * (0.701f / 0.5f);

        p[0][i] = r;
        p[1][i] = (y - 0.299f * r - 0.114f * b) * (1 / 0.587f);
        p[2][i] = b;
    }
}

/* A block of `planes` channels: where it begins, how far it reaches, and the values that are 0 and 255. */
typedef struct place8 {
    float *at;
    ptrdiff_t row;
    int c, planes, rows, columns;
    float low[3], range[3];
} place8;

/* What lies beyond the edge repeats the last pixel. */
static inline __attribute__((always_inline)) void take_block(const place8 *b, float p[3][64], int c, int planes)
{
    for (int j = 0; j < planes; j++) {
        const float low = b->low[j], scale = 255 / b->range[j];

        for (int y = 0; y < 8; y++) {
            const float *from = b->at + UN_MIN(y, b->rows - 1) * b->row + j;

            if (b->columns == 8)
                for (int x = 0; x < 8; x++)
                    p[j][8 * y + x] = (from[x * c] - low) * scale - 128;
            else
                for (int x = 0; x < 8; x++)
                    p[j][8 * y + x] = (from[UN_MIN(x, b->columns - 1) * c] - low) * scale - 128;
        }
    }
}

static inline __attribute__((always_inline)) void put_block(const place8 *b, float p[3][64], int c, int planes)
{
    for (int j = 0; j < planes; j++) {
        const float low = b->low[j], scale = b->range[j] / 255;

        for (int y = 0; y < b->rows; y++) {
            float *to = b->at + y * b->row + j;

            for (int x = 0; x < b->columns; x++)
                to[x * c] = low + (p[j][8 * y + x] + 128) * scale;
        }
    }
}

UN_WIDE static void code_block(const codec *q, const place8 *b)
{
    float p[3][64];

    if (b->planes == 3) {
        take_block(b, p, 3, 3);
        to_ycc(p);
        for (int j = 0; j < 3; j++)
            quantise(q, j > 0, p[j]);
        from_ycc(p);
        put_block(b, p, 3, 3);
        return;
    }
    take_block(b, p, b->c, 1);
    quantise(q, 0, p[0]);
    put_block(b, p, b->c, 1);
}

void un_jpeg_apply(double quality, const double *lo, const double *hi, float *v, const int size[3], int c)
{
    const int planes = c == 3 ? 3 : 1;
    place8 b;
    codec q;

    for (int k = 0; k < c; k++)
        if (!(hi[k] > lo[k]))
            return;
    make_codec(&q, quality);
    b = (place8){.row = (ptrdiff_t)size[2] * c, .c = c, .planes = planes};
    for (int z = 0; z < size[0]; z++, v += (ptrdiff_t)size[1] * size[2] * c)
        for (int k = 0; k < c; k += planes) {
            for (int j = 0; j < planes; j++) {
                b.low[j] = (float)lo[k + j];
                b.range[j] = (float)(hi[k + j] - lo[k + j]);
            }
            for (int y = 0; y < size[1]; y += 8)
                for (int x = 0; x < size[2]; x += 8) {
                    b.at = v + ((ptrdiff_t)y * size[2] + x) * c + k;
                    b.rows = UN_MIN(8, size[1] - y);
                    b.columns = UN_MIN(8, size[2] - x);
                    code_block(&q, &b);
                }
        }
}
