/* Operations whose loops become vectors, on patches that are no multiple of them, against plain loops over pixels. */
#include "test.h"

#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "data/degrade.h"
#include "data/equalise.h"
#include "data/tone.h"
#include "data/warp.h"

static unet_error err;

/* Values that follow no order, in 0..1. */
static float *scattered(int64_t n, uint32_t seed)
{
    float *v = un_alloc_array(NULL, (size_t)n, sizeof *v);
    un_rng rng;

    un_rng_init(&rng, seed, UN_RNG_TEST, 0, 0, 0);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)un_rng_uniform(&rng);
    return v;
}

static float *copy_of(const float *v, int64_t n)
{
    float *to = un_alloc_array(NULL, (size_t)n, sizeof *to);

    memcpy(to, v, (size_t)n * sizeof *to);
    return to;
}

/* ---- noise ---- */

TEST(noise_is_drawn_by_its_number)
{
    enum { N = 1231 };
    static un_normal_table table;
    const float std[5] = {1, 0.5f, 2, 0.25f, 3};
    un_rng rng;

    un_normal_table_make(&table);
    un_rng_init(&rng, 3, UN_RNG_AUGMENT, 7, 2, 11);
    for (int c = 1; c <= 5; c += 2) {
        float *v = scattered(N * c, 1), *was = copy_of(v, N * c);

        un_noise_apply(&table, &rng, std, v, N, c);
        for (int i = 0; i < N * c; i++) {
            const uint32_t ctr[4] = {1 + (uint32_t)i / 8, rng.ctr[1], rng.ctr[2], rng.ctr[3]};
            uint32_t out[4], bits;
            float z;

            un_philox(out, ctr, rng.key);
            bits = out[i / 2 % 4] >> i % 2 * 16 & 0xffff;
            z = table.q[bits / 16] +
                ((float)(int)(bits % 16) + 0.5f) / 16 * (table.q[bits / 16 + 1] - table.q[bits / 16]);
            CHECK(v[i] == was[i] + std[i % c] * z);
        }
        un_free(v);
        un_free(was);
    }
}

/* ---- resolution ---- */

static void lower(double *line, int n, double factor, double *room)
{
    const int kept = UN_MAX(1, (int)un_round(n * factor));
    const double step = (double)n / kept;

    memcpy(room, line, (size_t)n * sizeof *room);
    for (int o = 0; o < n; o++) {
        const double at = UN_MIN(kept - 1, UN_MAX(0, (o + 0.5) / step - 0.5));
        const int a = (int)at, b = UN_MIN(kept - 1, a + 1);
        const double first = room[(int)((a + 0.5) * step)], second = room[(int)((b + 0.5) * step)];

        line[o] = first + (at - a) * (second - first);
    }
}

/* One axis after the other, all lines of each. */
static void lower_all(double *v, const int size[3], int c, const double factor[3])
{
    const int stride[3] = {size[1] * size[2] * c, size[2] * c, c}, all = size[0] * size[1] * size[2] * c;
    static double line[1200], room[1200];

    for (int a = 2; a >= 0; a--)
        for (int i = 0; i < all && factor[a] < 1; i++) {
            if (i / stride[a] % size[a])
                continue;
            for (int k = 0; k < size[a]; k++)
                line[k] = v[i + k * stride[a]];
            lower(line, size[a], factor[a], room);
            for (int k = 0; k < size[a]; k++)
                v[i + k * stride[a]] = line[k];
        }
}

TEST(low_resolution_line_by_line)
{
    static const struct {
        int size[3], c;
        double factor[3];
    } cases[] = {
        {{1, 13, 1100}, 1, {1, 0.61, 0.61}},
        {{1, 40, 77}, 3, {1, 0.5, 0.33}},
        {{7, 19, 23}, 2, {0.55, 0.7, 0.9}},
        {{5, 9, 11}, 1, {0.01, 1, 0.4}},
    };

    for (size_t i = 0; i < UN_COUNT(cases); i++) {
        const int *s = cases[i].size, c = cases[i].c, n = s[0] * s[1] * s[2] * c;
        float *v = scattered(n, 2), *spare = un_alloc_array(NULL, (size_t)n, sizeof *spare);
        double *want = un_alloc_array(NULL, (size_t)n, sizeof *want);

        for (int k = 0; k < n; k++)
            want[k] = (double)v[k];
        lower_all(want, s, c, cases[i].factor);
        un_lowres_apply(v, s, c, cases[i].factor, spare);
        for (int k = 0; k < n; k++)
            CHECK_NEAR(v[k], want[k], 1e-5);
        un_free(v);
        un_free(spare);
        un_free(want);
    }
}

/* ---- equalisation ---- */

enum { BINS = 64 };

/* Where a value lies among the bins; single precision, as one on an edge would fall on its other side. */
static float among(float v, float lo, float hi)
{
    const float at = (v - lo) * (BINS / (hi - lo));

    return at < 0 ? 0 : at > BINS - 0.001f ? BINS - 0.001f : at;
}

static float mean_of(const float *v, int together)
{
    return together ? (v[0] + v[1] + v[2]) * (1.0f / 3) : v[0];
}

/* The share of the values of a box that lie below `at`, limited. */
static void shares(double below[BINS + 1], const float *at, int w, const int box[4], double clip)
{
    double count[BINS] = {0}, excess = 0;
    const double n = (double)(box[1] - box[0]) * (box[3] - box[2]), most = clip > 0 ? UN_MAX(1, clip * n / BINS) : n;

    for (int y = box[0]; y < box[1]; y++)
        for (int x = box[2]; x < box[3]; x++)
            count[(int)at[y * w + x]]++;
    for (int b = 0; b < BINS; b++)
        excess += UN_MAX(0, count[b] - most);
    below[0] = 0;
    for (int b = 0; b < BINS; b++)
        below[b + 1] = below[b] + (UN_MIN(most, count[b]) + excess / BINS) / n;
}

static double spread_at(const double *below, float at)
{
    const int b = (int)at;

    return below[b] + ((double)at - b) * (below[b + 1] - below[b]);
}

/* Middle of the tile before i, and how far i is from it. */
static int tile_before(int i, int n, int tiles, double *part)
{
    const double at = UN_MIN(tiles - 1, UN_MAX(0, (i + 0.5) * tiles / n - 0.5));

    *part = at - (int)at;
    return (int)at;
}

/* Channel k (of `together`: all three) of a slice by tiles, clip 0: one tile. */
static void check_spread(
    const float *v, const float *was, int h, int w, int c, int k, int together, double share, double clip)
{
    static double below[8][8][BINS + 1];
    const int rows = clip > 0 ? UN_MAX(1, UN_MIN(8, h / 16)) : 1, columns = clip > 0 ? UN_MAX(1, UN_MIN(8, w / 16)) : 1;
    const float lo = (float)-k, hi = (float)(1 - 0.1 * k);
    float *at = un_alloc_array(NULL, (size_t)h * (size_t)w, sizeof *at);

    for (int i = 0; i < h * w; i++)
        at[i] = among(mean_of(was + i * c + k, together), lo, hi);
    for (int r = 0; r < rows; r++)
        for (int q = 0; q < columns; q++)
            shares(below[r][q], at, w,
                (const int[4]){r * h / rows, (r + 1) * h / rows, q * w / columns, (q + 1) * w / columns}, clip);
    for (int i = 0; i < h * w; i++) {
        double fy, fx, by[2];
        const int r = tile_before(i / w, h, rows, &fy), q = tile_before(i % w, w, columns, &fx);

        for (int e = 0; e < 2; e++) {
            const int row = UN_MIN(rows - 1, r + e);
            const double a = spread_at(below[row][q], at[i]),
                         b = spread_at(below[row][UN_MIN(columns - 1, q + 1)], at[i]);

            by[e] = a + fx * (b - a);
        }
        for (int j = 0; j < (together ? 3 : 1); j++) {
            const double level = (double)mean_of(was + i * c + k, together);
            const double to = (double)lo + ((double)hi - (double)lo) * (by[0] + fy * (by[1] - by[0]));

            CHECK_NEAR(v[i * c + k + j], (double)was[i * c + k + j] + share * (to - level), 1e-5);
        }
    }
    un_free(at);
}

TEST(spread_pixel_by_pixel)
{
    static const struct {
        int h, w, c, together;
    } cases[] = {{70, 1101, 1, 0}, {67, 83, 3, 1}, {45, 130, 2, 0}, {5, 9, 1, 0}, {16, 700, 3, 1}};
    const double lo[3] = {0, -1, -2}, hi[3] = {1, 0.9, 0.8};

    for (size_t i = 0; i < UN_COUNT(cases); i++)
        for (int tiles = 0; tiles < 2; tiles++) {
            const int h = cases[i].h, w = cases[i].w, c = cases[i].c, n = h * w * c, together = cases[i].together;
            const double share = tiles ? 1 : 0.7;
            float *v = scattered(n, 4), *was;

            for (int k = 0; k < n; k++) /* some outside of the range, and darker to one side */
                v[k] = (v[k] * v[k] * 2.3f - 1.2f) * (0.5f + 0.5f * (float)(k / c % w) / (float)w);
            was = copy_of(v, n);
            if (tiles)
                un_clahe_apply(share, 2, together, lo, hi, v, (const int[3]){1, h, w}, c);
            else
                un_equalise_apply(share, together, lo, hi, v, (int64_t)h * w, c);
            for (int k = 0; k < (together ? 1 : c); k++)
                check_spread(v, was, h, w, c, k, together, share, tiles ? 2 : 0);
            un_free(v);
            un_free(was);
        }
}

/* ---- positions ---- */

static un_picture picture_of(int d, int h, int w, int c, int classes)
{
    const int64_t n = (int64_t)d * h * w;
    un_picture p = {.d = d, .h = h, .w = w, .c = c, .classes = classes, .spacing = {1, 1, 1}};

    p.image = scattered(n * c, 5);
    p.soft = scattered(n * classes, 6);
    p.weight = scattered(n, 7);
    p.target = un_alloc_array(NULL, (size_t)n, sizeof *p.target);
    for (int64_t i = 0; i < n; i++)
        p.target[i] = (int32_t)(i % 1000);
    return p;
}

/* A value at a position, linearly; whole[a]: the lower corner. */
static double linearly(
    const un_picture *p, const float *from, int c, int k, const int whole[3], const double part[3], int zero_outside)
{
    const int extent[3] = {p->d, p->h, p->w};
    double sum = 0;

    for (int i = 0; i < 8; i++) {
        double weight = 1;
        int64_t at = 0;

        for (int a = 0; a < 3; a++) {
            const int step = i >> (2 - a) & 1, o = whole[a] + step;

            weight *= step ? part[a] : 1 - part[a];
            if (zero_outside && (o < 0 || o >= extent[a]))
                weight = 0;
            at = at * extent[a] + un_reflect(o, extent[a]);
        }
        if (weight > 0)
            sum += weight * (double)from[at * c + k];
    }
    return sum;
}

/* One pixel of the patch by the map's formula (without deformations). */
static void check_pixel(const un_warp *w, const un_picture *p, const un_patch *out, int64_t o, const int out_at[3])
{
    const int extent[3] = {p->d, p->h, p->w};
    double b[3], below = 1, part[3];
    int whole[3], near = 1, inside = 1;
    int64_t at = 0;

    for (int a = 0; a < 3; a++) {
        b[a] = out_at[a] - (w->size[a] - 1) * 0.5;
        below += w->tilt[a] * b[a];
    }
    for (int a = 0; a < 3; a++) {
        const double pos = w->at[a] + (w->m[a][0] * b[0] + w->m[a][1] * b[1] + w->m[a][2] * b[2]) / below;
        int o_near;

        whole[a] = (int)un_floor(pos);
        part[a] = pos - whole[a];
        near &= fabs(part[a] - 0.5) > 1e-3; /* else either pixel may be the nearest */
        o_near = whole[a] + (part[a] >= 0.5);
        inside &= !w->zero_outside || (o_near >= 0 && o_near < extent[a]);
        at = at * extent[a] + un_reflect(o_near, extent[a]);
    }
    for (int k = 0; k < p->c; k++)
        CHECK_NEAR(out->image[o * p->c + k], linearly(p, p->image, p->c, k, whole, part, w->zero_outside), 4e-4);
    for (int k = 0; k < out->classes; k++)
        CHECK_NEAR(
            out->soft[o * out->classes + k], linearly(p, p->soft, out->classes, k, whole, part, w->zero_outside), 4e-4);
    if (near) {
        CHECK_INT(out->target[o], inside ? p->target[at] : -1);
        CHECK(out->weight[o] == (inside ? p->weight[at] : 0));
    }
}

TEST(maps_pixel_by_pixel)
{
    static const struct {
        int extent[3], c, size[3];
        double at[3], tilt;
    } cases[] = {
        {{1, 230, 260}, 1, {1, 90, 150}, {0, 120.3, 131.2}, 0}, /* inside all through */
        {{1, 230, 260}, 3, {1, 90, 150}, {0, 60.3, 201.2}, 0.001},
        {{1, 50, 40}, 2, {1, 67, 131}, {0, 30, 10}, 0},
        {{30, 50, 60}, 1, {9, 21, 70}, {14.2, 23.1, 28.4}, 0},
        {{12, 40, 50}, 3, {9, 21, 70}, {4.2, 23.1, 28.4}, 0.002},
    };

    for (size_t i = 0; i < UN_COUNT(cases); i++)
        for (int zero = 0; zero < 2; zero++) {
            const int *size = cases[i].size, *e = cases[i].extent, flat = e[0] == 1;
            const double t[3][3] = {{1, 0, flat ? 0 : 0.04}, {0, 0.82, -0.31}, {0, 0.28, 0.91}};
            un_picture p = picture_of(e[0], e[1], e[2], cases[i].c, 2);
            const int n = size[0] * size[1] * size[2];
            un_patch out = {.image = scattered((int64_t)n * p.c, 8),
                .soft = scattered(2 * (int64_t)n, 8),
                .weight = scattered(n, 8),
                .target = un_alloc_array(NULL, (size_t)n, sizeof *out.target),
                .classes = 2};
            un_warp_scratch *s;
            un_warp w;

            CHECK_OK(un_warp_scratch_create(&s, NULL, size, &err), &err);
            un_warp_window(&w, size, (const int[3]){0, 0, 0});
            memcpy(w.at, cases[i].at, sizeof w.at);
            w.zero_outside = zero;
            un_warp_then(&w, t);
            w.tilt[1] = cases[i].tilt;
            w.tilt[2] = -cases[i].tilt;
            un_warp_run(&w, s, &p, &out);
            for (int o = 0; o < n; o++)
                check_pixel(&w, &p, &out, o, (const int[3]){o / size[2] / size[1], o / size[2] % size[1], o % size[2]});
            un_warp_scratch_destroy(s);
            un_free(out.image);
            un_free(out.soft);
            un_free(out.weight);
            un_free(out.target);
            un_picture_free(&p);
        }
}

/* Mirrored rows come back, whatever their length and channels. */
TEST(flips_of_any_length)
{
    for (int c = 1; c <= 4; c++)
        for (int width = 1; width < 40; width += 3) {
            const int size[3] = {1, 3, width};
            un_picture p = picture_of(1, 5, width + 7, c, 1);
            un_patch out = {.image = scattered((int64_t)3 * width * c, 8),
                .target = un_alloc_array(NULL, 3 * (size_t)width, sizeof *out.target),
                .classes = 1};
            un_warp_scratch *s;
            un_warp w;

            CHECK_OK(un_warp_scratch_create(&s, NULL, size, &err), &err);
            un_warp_window(&w, size, (const int[3]){0, 1, 4});
            un_warp_then(&w, (const double[3][3]){{1, 0, 0}, {0, 1, 0}, {0, 0, -1}});
            un_warp_run(&w, s, &p, &out);
            for (int i = 0; i < 3 * width; i++) {
                const int from = (1 + i / width) * (width + 7) + 4 + width - 1 - i % width;

                CHECK_INT(out.target[i], p.target[from]);
                CHECK(!memcmp(out.image + i * c, p.image + from * c, (size_t)c * sizeof(float)));
            }
            un_warp_scratch_destroy(s);
            un_free(out.image);
            un_free(out.target);
            un_picture_free(&p);
        }
}
