#include "data/equalise.h"

#include <stddef.h>

#include "base/size.h"
#include "base/wide.h"

#ifdef UN_WIDE_512
#include <immintrin.h>
#endif

enum { RUN = 512, BINS = 64, TILES = 8, TILE_PX = 16 };

/* Share of the values below each edge of the bins. */
typedef struct spread {
    float below[BINS + 1];
} spread;

/* The values that are spread: low + range t, t in 0..1, and the share of the way that they move. */
typedef struct scale {
    float low, range, bins, share; /* bins: of 1 */
} scale;

static inline float bin_at(float value, const scale *s)
{
    const float at = (value - s->low) * s->bins, in = at < BINS - 0.001f ? at : BINS - 0.001f;

    return in > 0 ? in : 0;
}

/* ---- values in and out ---- */

UN_WIDE static void take_levels(float *restrict is, const float *restrict v, int n, int c, int together)
{
    if (together)
        for (int i = 0; i < n; i++)
            is[i] = (v[3 * i] + v[3 * i + 1] + v[3 * i + 2]) * (1.0f / 3);
    else
        for (int i = 0; i < n; i++)
            is[i] = v[(ptrdiff_t)i * c];
}

/* What is spread of n <= RUN pixels; is: room for it. */
static const float *levels_of(float *is, const float *v, int n, int c, int together)
{
    if (c == 1)
        return v;
    take_levels(is, v, n, c, together);
    return is;
}

UN_WIDE static void add_moves(float *restrict v, const float *restrict by, int n, int c, int together)
{
    if (together)
        for (int i = 0; i < n; i++) {
            v[3 * i] += by[i];
            v[3 * i + 1] += by[i];
            v[3 * i + 2] += by[i];
        }
    else if (c == 1)
        for (int i = 0; i < n; i++)
            v[i] += by[i];
    else
        for (int i = 0; i < n; i++)
            v[(ptrdiff_t)i * c] += by[i];
}

/* ---- counts ---- */

/* Neighbours are often alike: counted apart, so that one does not wait for the other. */
enum { APART = 8 };
typedef struct tally {
    uint32_t of[APART][BINS];
} tally;

UN_WIDE static void find_bins(int *restrict bin, const float *restrict is, int n, const scale *restrict s)
{
    for (int i = 0; i < n; i++)
        bin[i] = (int)bin_at(is[i], s);
}

static void count_run(tally *t, const float *is, int n, const scale *s)
{
    int bin[RUN], i = 0;

    find_bins(bin, is, n, s);
    for (; i + APART <= n; i += APART)
        for (int k = 0; k < APART; k++)
            t->of[k][bin[i + k]]++;
    for (; i < n; i++)
        t->of[0][bin[i]]++;
}

/* Counts to shares; with clip > 0 what is above clip times the mean is dealt out among all bins. */
static void finish(spread *s, const tally *t, int64_t n, double clip)
{
    const double most = clip > 0 ? UN_MAX(1, clip * (double)n / BINS) : (double)n;
    int64_t count[BINS] = {0};
    double excess = 0, sum = 0;

    for (int i = 0; i < APART; i++)
        for (int b = 0; b < BINS; b++)
            count[b] += t->of[i][b];
    for (int b = 0; b < BINS; b++)
        excess += UN_MAX(0, (double)count[b] - most);
    s->below[0] = 0;
    for (int b = 0; b < BINS; b++) {
        sum += UN_MIN(most, (double)count[b]) + excess / BINS;
        s->below[b + 1] = (float)(sum / (double)n);
    }
}

/* ---- moves ---- */

/* How far n values move that are spread by two spreads, part[i] of the way from the first; part NULL: by the first. */
typedef struct task {
    float *by;
    const float *is, *part;
    int n;
    const spread *first, *second;
    scale s;
} task;

static inline float spread_at(const spread *s, float at)
{
    const int b = (int)at;

    return s->below[b] + (at - (float)b) * (s->below[b + 1] - s->below[b]);
}

UN_WIDE static void find_moves(const task *t)
{
    const float *restrict is = t->is, *restrict part = t->part;
    const spread *first = t->first, *second = t->second;
    const scale s = t->s;
    float *restrict by = t->by;
    const int n = t->n;

    for (int i = 0; i < n; i++)
        by[i] = bin_at(is[i], &s);
    if (!part)
        for (int i = 0; i < n; i++) /* apart from the limits above, so that it becomes a loop of vectors */
            by[i] = s.share * (s.low + s.range * spread_at(first, by[i]) - is[i]);
    else
        for (int i = 0; i < n; i++) {
            const float a = spread_at(first, by[i]), b = spread_at(second, by[i]);

            by[i] = s.share * (s.low + s.range * (a + part[i] * (b - a)) - is[i]);
        }
}

#ifdef UN_WIDE_512
/* The same bits: a spread lies in registers and is looked up by permutations, which takes a fifth of the time. */
typedef struct held {
    __m512 from[BINS / 16], to[BINS / 16]; /* the edge below and above each bin */
} held;

UN_WIDE_512 static inline __attribute__((always_inline)) held hold(const spread *s)
{
    held h;

    for (int k = 0; k < BINS / 16; k++) {
        h.from[k] = _mm512_loadu_ps(s->below + 16 * (ptrdiff_t)k);
        h.to[k] = _mm512_loadu_ps(s->below + 16 * (ptrdiff_t)k + 1);
    }
    return h;
}

UN_WIDE_512 static inline __attribute__((always_inline)) __m512 look_up(const __m512 *t, __m512i b, __mmask16 upper)
{
    return _mm512_mask_blend_ps(upper, _mm512_permutex2var_ps(t[0], b, t[1]), _mm512_permutex2var_ps(t[2], b, t[3]));
}

UN_WIDE_512 static inline __attribute__((always_inline)) __m512 held_at(const held *h, __m512i b, __m512 rest)
{
    const __mmask16 upper = _mm512_test_epi32_mask(b, _mm512_set1_epi32(BINS / 2));
    const __m512 from = look_up(h->from, b, upper), to = look_up(h->to, b, upper);

    return _mm512_add_ps(from, _mm512_mul_ps(rest, _mm512_sub_ps(to, from)));
}

UN_WIDE_512 static void find_moves_512(const task *t)
{
    const __m512 low = _mm512_set1_ps(t->s.low), range = _mm512_set1_ps(t->s.range), bins = _mm512_set1_ps(t->s.bins),
                 share = _mm512_set1_ps(t->s.share);
    const held first = hold(t->first), second = t->part ? hold(t->second) : first;

    for (int i = 0; i < t->n; i += 16) {
        const __mmask16 some = (__mmask16)(t->n - i < 16 ? (1u << (t->n - i)) - 1 : 0xffff);
        const __m512 is = _mm512_maskz_loadu_ps(some, t->is + i), at = _mm512_mul_ps(_mm512_sub_ps(is, low), bins);
        const __m512 in = _mm512_max_ps(_mm512_min_ps(at, _mm512_set1_ps(BINS - 0.001f)), _mm512_setzero_ps());
        const __m512i b = _mm512_cvttps_epi32(in);
        const __m512 rest = _mm512_sub_ps(in, _mm512_cvtepi32_ps(b));
        __m512 to = held_at(&first, b, rest);

        if (t->part) {
            const __m512 part = _mm512_maskz_loadu_ps(some, t->part + i);

            to = _mm512_add_ps(to, _mm512_mul_ps(part, _mm512_sub_ps(held_at(&second, b, rest), to)));
        }
        to = _mm512_sub_ps(_mm512_add_ps(low, _mm512_mul_ps(range, to)), is);
        _mm512_mask_storeu_ps(t->by + i, some, _mm512_mul_ps(share, to));
    }
}
#endif

static void move_run(const task *t, float *v, int c, int together)
{
#ifdef UN_WIDE_512
    if (un_has_512())
        find_moves_512(t);
    else
#endif
        find_moves(t);
    add_moves(v, t->by, t->n, c, together);
}

/* ---- the whole patch ---- */

static scale scale_of(double share, double lo, double hi)
{
    const float range = (float)(hi - lo);

    return (scale){(float)lo, range, BINS / range, (float)share};
}

void un_equalise_apply(double share, int together, const double *lo, const double *hi, float *v, int64_t n, int c)
{
    float is[RUN], by[RUN];

    for (int k = 0; k < (together ? 1 : c); k++, v++) {
        const scale s = scale_of(share, lo[k], hi[k]);
        tally count = {0};
        spread even;

        if (!(s.range > 0))
            continue;
        for (int64_t i = 0; i < n; i += RUN) {
            const int some = (int)UN_MIN(n - i, RUN);

            count_run(&count, levels_of(is, v + i * c, some, c, together), some, &s);
        }
        finish(&even, &count, n, 0);
        for (int64_t i = 0; i < n; i += RUN) {
            task t = {.by = by, .n = (int)UN_MIN(n - i, RUN), .first = &even, .s = s};

            t.is = levels_of(is, v + i * c, t.n, c, together);
            move_run(&t, v + i * c, c, together);
        }
    }
}

/* ---- tiles ---- */

typedef struct tiling {
    int rows, columns, h, w, c, together;
    scale s;
    spread of[TILES * TILES]; /* [rows][columns] */
} tiling;

static void count_tiles(tiling *t, const float *v, double clip)
{
    float is[RUN];

    for (int r = 0; r < t->rows; r++)
        for (int q = 0; q < t->columns; q++) {
            const int y0 = r * t->h / t->rows, y1 = (r + 1) * t->h / t->rows, x0 = q * t->w / t->columns,
                      x1 = (q + 1) * t->w / t->columns;
            tally count = {0};

            for (int y = y0; y < y1; y++)
                for (int x = x0; x < x1; x += RUN) {
                    const float *at = v + ((ptrdiff_t)y * t->w + x) * t->c;
                    const int n = UN_MIN(x1 - x, RUN);

                    count_run(&count, levels_of(is, at, n, t->c, t->together), n, &t->s);
                }
            finish(&t->of[r * t->columns + q], &count, (int64_t)(y1 - y0) * (x1 - x0), clip);
        }
}

/* Neighbouring tile middles of pixel i and how far it is from the first. */
static float between(int i, int n, int tiles, int *first, int *second)
{
    const float at = ((float)i + 0.5f) * (float)tiles / (float)n - 0.5f;
    const float in = at < 0 ? 0 : at > (float)(tiles - 1) ? (float)(tiles - 1) : at;

    *first = (int)in;
    *second = UN_MIN(tiles - 1, *first + 1);
    return in - (float)*first;
}

/* Columns between the middles of the same tiles, one after the other: at most RUN. */
typedef struct strip {
    int n, runs, end[TILES], first[TILES], second[TILES];
    float part[RUN];
} strip;

static void find_strip(strip *s, const tiling *t, int x)
{
    s->runs = 0;
    s->n = UN_MIN(RUN, t->w - x);
    for (int i = 0; i < s->n; i++) {
        int first, second;

        s->part[i] = between(x + i, t->w, t->columns, &first, &second);
        if (!s->runs || s->first[s->runs - 1] != first) {
            s->first[s->runs] = first;
            s->second[s->runs] = second;
            s->runs++;
        }
        s->end[s->runs - 1] = i + 1;
    }
}

/* The spreads of all columns of tiles at a row between the middles of two rows of them. */
UN_WIDE static void blend_spreads(spread *restrict to, const spread *a, const spread *b, int columns, float part)
{
    const float *restrict from = (const float *)a, *restrict next = (const float *)b;
    float *restrict out = (float *)to;

    for (int i = 0; i < columns * (BINS + 1); i++)
        out[i] = from[i] + part * (next[i] - from[i]);
}

static void map_strip(const tiling *t, const strip *s, float *v)
{
    float is[RUN], by[RUN];
    spread row[TILES];

    for (int y = 0; y < t->h; y++, v += (ptrdiff_t)t->w * t->c) {
        int r0, r1;
        const float fy = between(y, t->h, t->rows, &r0, &r1);
        const float *levels = levels_of(is, v, s->n, t->c, t->together);

        blend_spreads(row, &t->of[r0 * t->columns], &t->of[r1 * t->columns], t->columns, fy);
        for (int i = 0, x = 0; i < s->runs; x = s->end[i++]) {
            const task k = {
                by + x, levels + x, s->part + x, s->end[i] - x, &row[s->first[i]], &row[s->second[i]], t->s};

            move_run(&k, v + (ptrdiff_t)x * t->c, t->c, t->together);
        }
    }
}

void un_clahe_apply(
    double share, double clip, int together, const double *lo, const double *hi, float *v, const int size[3], int c)
{
    tiling t = {.rows = UN_MAX(1, UN_MIN(TILES, size[1] / TILE_PX)),
        .columns = UN_MAX(1, UN_MIN(TILES, size[2] / TILE_PX)),
        .h = size[1],
        .w = size[2],
        .c = c,
        .together = together};
    strip s;

    for (int k = 0; k < (together ? 1 : c); k++) {
        t.s = scale_of(share, lo[k], hi[k]);
        for (int z = 0; z < size[0] && t.s.range > 0; z++) {
            float *slice = v + (ptrdiff_t)z * size[1] * size[2] * c + k;

            count_tiles(&t, slice, clip);
            for (int x = 0; x < t.w; x += RUN) {
                find_strip(&s, &t, x);
                map_strip(&t, &s, slice + (ptrdiff_t)x * c);
            }
        }
    }
}
