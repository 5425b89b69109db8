#include "data/tone.h"

#include <string.h>

#include "base/exp2.h"
#include "base/math.h"
#include "base/philox.h"
#include "base/size.h"
#include "base/wide.h"

/* ---- powers ---- */

enum { POWER_RUN = 768 }; /* whole pixels of most numbers of channels */

/* What each value of a run goes by: its share of the way from `from` on, which goes to `from` + range. */
typedef struct power_run {
    float from[POWER_RUN], range[POWER_RUN], inverse[POWER_RUN], gamma[POWER_RUN];
} power_run;

UN_WIDE static void raise_run(float *restrict v, int n, const power_run *restrict r)
{
    for (int i = 0; i < n; i++) {
        const float t = (v[i] - r->from[i]) * r->inverse[i], above = t > 0 ? t : 0, in = above < 1 ? above : 1;

        v[i] = r->from[i] + r->range[i] * (un_exp2_near(r->gamma[i] * un_log2_near(in)) + (t - in));
    }
}

static void fill_run(power_run *r, const un_gamma *g, int c, int64_t first)
{
    for (int i = 0, k = (int)(first % c); i < POWER_RUN; i++, k = k + 1 == c ? 0 : k + 1) {
        const double range = g->hi[k] > g->lo[k] ? g->hi[k] - g->lo[k] : 0;

        r->from[i] = (float)(g->from_bright ? g->hi[k] : g->lo[k]);
        r->range[i] = (float)(g->from_bright ? -range : range);
        r->inverse[i] = r->range[i] != 0 ? 1 / r->range[i] : 0;
        r->gamma[i] = (float)g->gamma[k];
    }
}

void un_gamma_apply(const un_gamma *g, float *v, int64_t n, int c)
{
    const int run = c <= POWER_RUN ? POWER_RUN / c * c : POWER_RUN;
    power_run r;
    int still = 1;

    for (int k = 0; k < c; k++)
        still &= g->gamma[k] == 1;
    for (int64_t i = 0; i < n * c && !still; i += run) {
        if (i == 0 || i % c)
            fill_run(&r, g, c, i);
        raise_run(v + i, (int)UN_MIN(n * c - i, run), &r);
    }
}

/* ---- straight maps of the channels ---- */

UN_WIDE static void mix_colours(const un_colour_map *f, float *v, int64_t n)
{
    const un_colour_map m = *f;

    for (int64_t i = 0; i < n; i++, v += 3) {
        const float a = v[0], b = v[1], c = v[2];

        for (int k = 0; k < 3; k++)
            v[k] = m.m[k][0] * a + m.m[k][1] * b + (m.m[k][2] * c + m.shift[k]);
    }
}

void un_colour_apply(const un_colour_map *f, float *v, int64_t n)
{
    mix_colours(f, v, n);
}

UN_WIDE static void scale_values(const float *gain, const float *shift, float *v, int64_t n, int c)
{
    if (c == 1) {
        const float g = gain[0], s = shift[0];

        for (int64_t i = 0; i < n; i++)
            v[i] = v[i] * g + s;
        return;
    }
    for (int64_t i = 0; i < n; i++, v += c)
        for (int k = 0; k < c; k++)
            v[k] = v[k] * gain[k] + shift[k];
}

void un_gain_apply(const float *gain, const float *shift, float *v, int64_t n, int c)
{
    scale_values(gain, shift, v, n, c);
}

void un_colour_hue(double m[3][3], double turns, double saturation)
{
    /* rotation about (1, 1, 1) / sqrt(3) by Rodrigues' formula; what is not grey is scaled */
    const double co = un_cos2pi(turns), si = un_sin2pi(turns) / un_sqrt(3);

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const double cross = i == j ? 0 : (j - i + 3) % 3 == 1 ? -si : si;

            m[i][j] = 1.0 / 3 + saturation * (co * ((i == j) - 1.0 / 3) + cross);
        }
}

/* ---- stains ---- */

static void invert3(double out[3][3], const double m[3][3])
{
    double det = 0;

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;

            out[i][j] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
        }
    for (int j = 0; j < 3; j++)
        det += m[0][j] * out[j][0];
    for (int i = 0; i < 9; i++)
        out[i / 3][i % 3] /= det;
}

/* Density map: rows and columns are colours; D' = D S^-1 diag(gain) S for a row of densities D. */
static void stain_matrix(float m[3][3], const double gain[3])
{
    /* rows: optical density of haematoxylin, eosin, DAB in red, green, blue (Ruifrok and Johnston 2001, table 1) */
    static const double stain[3][3] = {{0.650, 0.704, 0.286}, {0.072, 0.990, 0.105}, {0.268, 0.570, 0.776}};
    double inverse[3][3];

    invert3(inverse, stain);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double v = 0;

            for (int k = 0; k < 3; k++)
                v += inverse[i][k] * gain[k] * stain[k][j];
            m[j][i] = (float)v;
        }
}

enum { STAIN_RUN = 256 }; /* pixels at a time */
#define STAIN_LEAST (1.0f / 256)

/* Values are from..from + range; m: what becomes of the densities, which are counted in halvings. */
typedef struct staining {
    float from, range, m[3][3];
} staining;

UN_WIDE static void stain_run(float *restrict v, int n, const staining *restrict s)
{
    const float per = 1 / s->range, gain = s->range / (1 - STAIN_LEAST), base = s->from - gain * STAIN_LEAST;
    float density[3 * STAIN_RUN], beyond[3 * STAIN_RUN]; /* what lies outside the range is carried over unchanged */

    for (int i = 0; i < 3 * n; i++) {
        const float t = (v[i] - s->from) * per, above = t > 0 ? t : 0, in = above < 1 ? above : 1;

        density[i] = -un_log2_near(STAIN_LEAST + (1 - STAIN_LEAST) * in);
        beyond[i] = s->range * (t - in);
    }
    for (int i = 0; i < n; i++) {
        float *d = density + 3 * (ptrdiff_t)i;
        const float a = d[0], b = d[1], c = d[2];

        for (int k = 0; k < 3; k++)
            d[k] = s->m[k][0] * a + s->m[k][1] * b + s->m[k][2] * c;
    }
    for (int i = 0; i < 3 * n; i++) {
        const float most = 16, in = density[i] < most ? density[i] : most; /* twice that of the least */

        v[i] = base + gain * un_exp2_near(in > 0 ? -in : 0) + beyond[i];
    }
}

void un_stain_apply(const double gain[3], double lo, double hi, float *v, int64_t n)
{
    staining s = {.from = (float)lo, .range = (float)(hi - lo)};

    if (!(s.range > 0))
        return;
    stain_matrix(s.m, gain);
    for (int64_t i = 0; i < n; i += STAIN_RUN)
        stain_run(v + 3 * i, (int)UN_MIN(n - i, STAIN_RUN), &s);
}

/* ---- blur ---- */

static int blur_radius(double sigma)
{
    return (int)un_floor(3 * sigma + 0.5) > 0 ? (int)un_floor(3 * sigma + 0.5) : 1;
}

size_t un_blur_scratch(const int size[3], int c, double sigma)
{
    const size_t r = (size_t)blur_radius(sigma), longest = (size_t)UN_MAX(size[0], UN_MAX(size[1], size[2]));

    /* taps, and a line of pixels with its margins, whole rows along h and d; for d the line itself too */
    return r + 1 + (longest + 2 * r + (size_t)size[0]) * (size_t)c * (size_t)size[2];
}

/* v[k] = sum of taps, k = 0..n-1; line: the values from r steps before. By blocks that stay near. */
UN_WIDE static void blur_line(
    float *restrict v, const float *restrict line, ptrdiff_t n, int run, const float *taps, int r)
{
    enum { BLOCK = 1024 };

    for (ptrdiff_t from = 0; from < n; from += BLOCK) {
        const ptrdiff_t end = UN_MIN(n, from + BLOCK);
        const float *middle = line + (ptrdiff_t)r * run, first = taps[0];

        for (ptrdiff_t k = from; k < end; k++)
            v[k] = first * middle[k];
        for (int t = 1; t <= r; t++) {
            const float *a = middle - (ptrdiff_t)t * run, *b = middle + (ptrdiff_t)t * run, tap = taps[t];

            for (ptrdiff_t k = from; k < end; k++)
                v[k] += tap * (a[k] + b[k]);
        }
    }
}

/* Along one axis: `lines` blocks, each of `count` steps of `run` floats that lie together. */
static void blur_axis(float *v, int64_t lines, int count, int run, double sigma, float *scratch)
{
    const int r = blur_radius(sigma);
    float *taps = scratch, *buf = scratch + r + 1;
    double sum = 0;

    for (int i = 0; i <= r; i++)
        sum += (i ? 2 : 1) * un_exp(-0.5 * i * i / (sigma * sigma));
    for (int i = 0; i <= r; i++)
        taps[i] = (float)(un_exp(-0.5 * i * i / (sigma * sigma)) / sum);
    for (int64_t l = 0; l < lines; l++, v += (ptrdiff_t)count * run) {
        memcpy(buf + (ptrdiff_t)r * run, v, (size_t)count * (size_t)run * sizeof *v);
        for (int i = 1; i <= r; i++) {
            memcpy(buf + (ptrdiff_t)(r - i) * run, v + (ptrdiff_t)un_reflect(-i, count) * run, (size_t)run * sizeof *v);
            memcpy(buf + (ptrdiff_t)(r + count + i - 1) * run, v + (ptrdiff_t)un_reflect(count + i - 1, count) * run,
                (size_t)run * sizeof *v);
        }
        blur_line(v, buf, (ptrdiff_t)count * run, run, taps, r);
    }
}

void un_blur_apply(float *v, const int size[3], int c, const double sigma[3], float *scratch)
{
    const int row = size[2] * c;
    const int64_t plane = (int64_t)size[1] * row;

    if (sigma[2] > 0 && size[2] > 1)
        blur_axis(v, (int64_t)size[0] * size[1], size[2], c, sigma[2], scratch);
    if (sigma[1] > 0 && size[1] > 1)
        blur_axis(v, size[0], size[1], row, sigma[1], scratch);
    if (!(sigma[0] > 0) || size[0] < 2)
        return;
    for (int y = 0; y < size[1]; y++) { /* the columns of one row of the plane, gathered and put back */
        const int r = blur_radius(sigma[0]);
        float *column = scratch + r + 1 + (ptrdiff_t)(size[0] + 2 * r) * row;

        for (int z = 0; z < size[0]; z++)
            memcpy(column + (ptrdiff_t)z * row, v + z * plane + (ptrdiff_t)y * row, (size_t)row * sizeof *v);
        blur_axis(column, 1, size[0], row, sigma[0], scratch);
        for (int z = 0; z < size[0]; z++)
            memcpy(v + z * plane + (ptrdiff_t)y * row, column + (ptrdiff_t)z * row, (size_t)row * sizeof *v);
    }
}

/* ---- noise ---- */

void un_normal_table_make(un_normal_table *t)
{
    double x = 0;

    for (int i = 0; i <= UN_NORMAL_CELLS / 2; i++) {
        const double p = (double)i / UN_NORMAL_CELLS; /* of the distance from the middle */
        double before = -1;

        for (int k = 0; k < 40 && i; k++) { /* Newton on erf(x / sqrt 2) / 2 = p */
            const double slope = un_exp(-0.5 * x * x) * 0.39894228040143268;

            const double next = UN_MIN(4, x - (0.5 * un_erf(x * 0.70710678118654752) - p) / slope);

            if (next == x || next == before) /* there, or to and fro in the last bit */
                break;
            before = x;
            x = next;
        }
        t->q[UN_NORMAL_CELLS / 2 + i] = (float)x;
        t->q[UN_NORMAL_CELLS / 2 - i] = -(float)x;
    }
    t->q[0] = -4;
    t->q[UN_NORMAL_CELLS] = 4;
}

static inline float normal_at(const un_normal_table *t, uint32_t bits)
{
    const uint32_t i = bits >> 4;
    const float part = ((float)(int)(bits & 15) + 0.5f) * 0.0625f;

    return t->q[i] + part * (t->q[i + 1] - t->q[i]);
}

enum { BLOCKS = 64, A_BLOCK = 8 }; /* of random numbers at a time; normal numbers of each */

/* un_philox of BLOCKS counters that follow each other: out[word][block]. */
UN_WIDE static void draw_blocks(uint32_t out[4][BLOCKS], uint32_t first, const un_rng *stream)
{
    for (int i = 0; i < BLOCKS; i++) {
        const uint32_t ctr[4] = {first + (uint32_t)i, stream->ctr[1], stream->ctr[2], stream->ctr[3]};
        uint32_t word[4];

        un_philox_block(word, ctr, stream->key);
        for (int k = 0; k < 4; k++)
            out[k][i] = word[k];
    }
}

/* z[0..n-1] normal, n rounded up to whole blocks. */
static void draw_normals(float *restrict z, int n, const un_normal_table *t, uint32_t out[4][BLOCKS])
{
    for (int b = 0; b * A_BLOCK < n; b++)
        for (int k = 0; k < 4; k++, z += 2) {
            z[0] = normal_at(t, out[k][b] & 0xffff);
            z[1] = normal_at(t, out[k][b] >> 16);
        }
}

/* v[i] += std[k] z[i], the channel k of v[0] given. */
UN_WIDE static void add_noise(float *restrict v, const float *restrict z, int n, const float *std, int c, int k)
{
    if (c == 1)
        for (int i = 0; i < n; i++)
            v[i] += std[0] * z[i];
    else
        for (int i = 0; i < n; i++, k = k + 1 == c ? 0 : k + 1)
            v[i] += std[k] * z[i];
}

void un_noise_apply(const un_normal_table *t, const un_rng *stream, const float *std, float *v, int64_t n, int c)
{
    enum { SOME = BLOCKS * A_BLOCK };
    uint32_t out[4][BLOCKS];
    float z[SOME];

    /* block 0 of the stream belongs to the draws before the noise, the values have the blocks after it */
    for (int64_t i = 0; i < n * c; i += SOME) {
        const int some = (int)UN_MIN(n * c - i, SOME);

        draw_blocks(out, 1 + (uint32_t)(i / A_BLOCK), stream);
        draw_normals(z, some, t, out);
        add_noise(v + i, z, some, std, c, (int)(i % c));
    }
}
