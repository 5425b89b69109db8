#include "data/tone.h"

#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "base/wide.h"

/* ---- curves ---- */

/* Of a value from lo on that is not above the curve's end. */
static inline float curve_inside(const float *restrict y, float in, float lo, float factor)
{
    const float t = (in - lo) * factor;
    int i = (int)t;
    float part;

    i = i >= UN_CURVE_CELLS ? UN_CURVE_CELLS - 1 : i;
    part = t - (float)i;
    return y[i] + part * (y[i + 1] - y[i]);
}

static inline float curve_at(const float *restrict y, float x, float lo, float hi, float factor)
{
    const float in = x < lo ? lo : x > hi ? hi : x;

    return curve_inside(y, in, lo, factor) + (x - in);
}

enum { CURVE_RUN = 512 };

/* v[i] = f(in[i]) + v[i] - in[i]. Apart from the limits, so that it becomes a loop of vectors. */
UN_WIDE static void look_up(
    float *restrict v, const float *restrict in, int n, const float *restrict y, float lo, float factor)
{
    for (int i = 0; i < n; i++)
        v[i] = curve_inside(y, in[i], lo, factor) + (v[i] - in[i]);
}

/* n <= CURVE_RUN */
static void curve_run(const un_curve *f, float *restrict v, int n)
{
    const float lo = (float)f->lo, hi = (float)f->hi;
    float in[CURVE_RUN];

    for (int i = 0; i < n; i++)
        in[i] = v[i] < lo ? lo : v[i] > hi ? hi : v[i];
    look_up(v, in, n, f->y, lo, (float)(UN_CURVE_CELLS / (f->hi - f->lo)));
}

void un_curve_apply(const un_curve *f, float *v, int64_t n, int c, int channel)
{
    float some[CURVE_RUN];

    if (!((float)f->hi > (float)f->lo))
        return;
    for (int64_t i = 0; i < n; i += CURVE_RUN) {
        const int count = (int)UN_MIN(n - i, CURVE_RUN);
        float *at = v + i * c + channel;

        if (c == 1) {
            curve_run(f, at, count);
            continue;
        }
        for (int k = 0; k < count; k++)
            some[k] = at[(ptrdiff_t)k * c];
        curve_run(f, some, count);
        for (int k = 0; k < count; k++)
            at[(ptrdiff_t)k * c] = some[k];
    }
}

void un_curve_gamma(un_curve *f, un_powers *p, double lo, double hi, double gamma)
{
    for (int i = 1; i <= UN_CURVE_CELLS && p->gamma != gamma; i++)
        p->of[i] = un_pow((double)i / UN_CURVE_CELLS, gamma);
    p->gamma = gamma;
    f->lo = lo;
    f->hi = hi;
    for (int i = 0; i <= UN_CURVE_CELLS; i++)
        f->y[i] = (float)(lo + (hi - lo) * p->of[i]);
}

void un_curve_turn(un_curve *f)
{
    const float sum = (float)(f->lo + f->hi);

    for (int i = 0, k = UN_CURVE_CELLS; i <= k; i++, k--) {
        const float low = f->y[i];

        f->y[i] = sum - f->y[k];
        f->y[k] = sum - low;
    }
}

/* ---- straight maps of the channels ---- */

UN_WIDE void un_colour_apply(const un_colour_map *f, float *v, int64_t n)
{
    const un_colour_map m = *f;

    for (int64_t i = 0; i < n; i++, v += 3) {
        const float a = v[0], b = v[1], c = v[2];

        for (int k = 0; k < 3; k++)
            v[k] = m.m[k][0] * a + m.m[k][1] * b + (m.m[k][2] * c + m.shift[k]);
    }
}

UN_WIDE void un_gain_apply(const float *gain, const float *shift, float *v, int64_t n, int c)
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

void un_stain_apply(const double gain[3], double lo, double hi, float *v, int64_t n)
{
    const double least = 1.0 / 256, deepest = -un_log(least);
    const float flo = (float)lo, fhi = (float)hi, factor = (float)(UN_CURVE_CELLS / (hi - lo));
    float m[3][3];
    un_curve density = {.lo = lo, .hi = hi}, back = {.lo = 0, .hi = 2 * deepest};
    const float bright = (float)back.hi, per_density = (float)(UN_CURVE_CELLS / back.hi);

    if (!(fhi > flo))
        return;
    for (int i = 0; i <= UN_CURVE_CELLS; i++) {
        density.y[i] = (float)-un_log(least + (1 - least) * i / UN_CURVE_CELLS);
        back.y[i] = (float)(lo + (hi - lo) * (un_exp(-back.hi * i / UN_CURVE_CELLS) - least) / (1 - least));
    }
    stain_matrix(m, gain);
    for (int64_t i = 0; i < n; i++, v += 3) {
        float d[3], over[3];

        for (int k = 0; k < 3; k++) { /* what lies outside the range is carried over unchanged */
            const float in = v[k] < flo ? flo : v[k] > fhi ? fhi : v[k];

            over[k] = v[k] - in;
            d[k] = curve_at(density.y, in, flo, fhi, factor);
        }
        for (int k = 0; k < 3; k++) {
            const float sum = m[k][0] * d[0] + m[k][1] * d[1] + m[k][2] * d[2];

            v[k] = curve_at(back.y, sum < 0 ? 0 : sum > bright ? bright : sum, 0, bright, per_density) + over[k];
        }
    }
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

void un_noise_apply(const un_normal_table *t, const un_rng *stream, const float *std, float *v, int64_t n, int c)
{
    uint32_t ctr[4] = {0, stream->ctr[1], stream->ctr[2], stream->ctr[3]}, out[4] = {0};
    int k = 0;

    /* block 0 of the stream belongs to the draws before the noise, the values have the blocks after it */
    for (int64_t i = 0; i < n * c; i++) {
        if ((i & 7) == 0) {
            ctr[0] = 1 + (uint32_t)(i >> 3);
            un_philox(out, ctr, stream->key);
        }
        v[i] += std[k] * normal_at(t, out[i >> 1 & 3] >> (i & 1) * 16 & 0xffff);
        k = k + 1 == c ? 0 : k + 1;
    }
}
