/* Separable: one axis after the other, the axis that shrinks most first, so that the rest has less to do. */
#include "data/resample.h"

#include <string.h>

#include "base/block.h"
#include "base/math.h"
#include "base/size.h"

/* ---- linear
 * ------------------------------------------------------------------------------------------------------ */

typedef struct taps {
    int *first;    /* [n_out] first source pixel */
    int *count;    /* [n_out] */
    float *weight; /* [n_out][most] */
    int most;
} taps;

static int most_taps(int n_in, int n_out)
{
    const double ratio = (double)n_in / n_out;

    return (int)(2 * (ratio > 1 ? ratio : 1)) + 3;
}

/* Weights of a triangle as wide as the ratio, at least one pixel each way; cut at the edges and scaled to
 * sum 1. */
static unet_status make_taps(taps *t, int n_in, int n_out, un_mem *mem, unet_error *err)
{
    const double ratio = (double)n_in / n_out, reach = ratio > 1 ? ratio : 1;
    const int most = most_taps(n_in, n_out);
    size_t bytes;

    *t = (taps){.most = most};
    if (!un_size_mul((size_t)n_out, (size_t)most * sizeof(float) + 2 * sizeof(int), &bytes))
        return un_fail(err, UNET_E_LIMIT, "an extent of %d is too large", n_out);
    t->first = un_alloc(mem, bytes);
    if (!t->first)
        return un_fail_nomem(err, bytes);
    t->count = t->first + n_out;
    t->weight = (float *)(t->count + n_out);
    for (int i = 0; i < n_out; i++) {
        const double centre = (i + 0.5) * ratio;
        const int lo = UN_MAX((int)un_floor(centre - reach), 0), hi = UN_MIN((int)un_floor(centre + reach), n_in - 1);
        float *w = t->weight + (size_t)i * (size_t)most;
        double sum = 0;

        t->first[i] = lo;
        t->count[i] = hi - lo + 1;
        for (int k = lo; k <= hi; k++) {
            const double distance = (k + 0.5 - centre) / reach, v = 1 - (distance < 0 ? -distance : distance);

            w[k - lo] = v > 0 ? (float)v : 0;
            sum += v > 0 ? v : 0;
        }
        for (int k = 0; k <= hi - lo; k++)
            w[k] = (float)((double)w[k] / sum);
    }
    return UNET_OK;
}

/* One axis of [outer][n_in][inner] to [outer][n_out][inner]. */
static void along(float *dst, const float *src, const taps *t, size_t outer, int n_in, int n_out, size_t inner)
{
    for (size_t o = 0; o < outer; o++)
        for (int i = 0; i < n_out; i++) {
            float *d = dst + (o * (size_t)n_out + (size_t)i) * inner;
            const float *s = src + (o * (size_t)n_in + (size_t)t->first[i]) * inner;
            const float *w = t->weight + (size_t)i * (size_t)t->most;

            for (size_t k = 0; k < inner; k++)
                d[k] = w[0] * s[k];
            for (int j = 1; j < t->count[i]; j++)
                for (size_t k = 0; k < inner; k++)
                    d[k] += w[j] * s[(size_t)j * inner + k];
        }
}

/* Axes that change, by growing ratio to / size. */
static int order_axes(int order[3], const int to[3], const int size[3])
{
    int n = 0;

    for (int a = 0; a < 3; a++) {
        int at = n;

        if (to[a] == size[a])
            continue;
        for (; at > 0 && (int64_t)to[a] * size[order[at - 1]] < (int64_t)to[order[at - 1]] * size[a]; at--)
            order[at] = order[at - 1];
        order[at] = a;
        n++;
    }
    return n;
}

size_t un_resample_room(const int to[3], const int size[3], int c)
{
    int order[3], now[3] = {size[0], size[1], size[2]};
    const int n = order_axes(order, to, size);
    size_t room = 0;

    for (int i = 0; i < n; i++) {
        const int a = order[i];

        room += un_block_room((size_t)to[a] * ((size_t)most_taps(size[a], to[a]) * sizeof(float) + 2 * sizeof(int)));
        now[a] = to[a];
        if (i + 1 < n)
            room += un_block_room((size_t)now[0] * (size_t)now[1] * (size_t)now[2] * (size_t)c * sizeof(float));
    }
    return room;
}

unet_status un_resample_linear(
    float *dst, const int to[3], const float *src, const int size[3], int c, un_mem *mem, unet_error *err)
{
    int order[3], now[3] = {size[0], size[1], size[2]};
    const int n = order_axes(order, to, size);
    const float *from = src;
    float *held = NULL;

    if (!n)
        memcpy(dst, src, (size_t)to[0] * (size_t)to[1] * (size_t)to[2] * (size_t)c * sizeof *dst);
    for (int i = 0; i < n; i++) {
        const int a = order[i];
        size_t outer = 1, inner = (size_t)c, count;
        float *out = dst;
        taps t;
        unet_status st = make_taps(&t, size[a], to[a], mem, err);

        for (int k = 0; k < a; k++)
            outer *= (size_t)now[k];
        for (int k = a + 1; k < 3; k++)
            inner *= (size_t)now[k];
        count = outer * (size_t)to[a] * inner;
        if (!st && i + 1 < n) {
            out = un_alloc(mem, count * sizeof *out);
            if (!out)
                st = un_fail_nomem(err, count * sizeof *out);
        }
        if (!st)
            along(out, from, &t, outer, size[a], to[a], inner);
        un_free(t.first);
        un_free(held);
        if (st)
            return st;
        held = out == dst ? NULL : out;
        from = out;
        now[a] = to[a];
    }
    return UNET_OK;
}

/* ---- nearest
 * ----------------------------------------------------------------------------------------------------- */

static int nearest(int i, int n_in, int n_out)
{
    return (int)(((int64_t)2 * i + 1) * n_in / (2 * (int64_t)n_out));
}

void un_resample_nearest(void *dst, const int to[3], const void *src, const int size[3], int bytes)
{
    size_t at = 0;

    for (int z = 0; z < to[0]; z++)
        for (int y = 0; y < to[1]; y++) {
            const size_t row =
                ((size_t)nearest(z, size[0], to[0]) * (size_t)size[1] + (size_t)nearest(y, size[1], to[1])) *
                (size_t)size[2];

            for (int x = 0; x < to[2]; x++, at++) {
                const size_t from = row + (size_t)nearest(x, size[2], to[2]);

                if (bytes == 1)
                    ((uint8_t *)dst)[at] = ((const uint8_t *)src)[from];
                else
                    ((uint32_t *)dst)[at] = ((const uint32_t *)src)[from];
            }
        }
}

/* ---- the way from the file to the network
 * ------------------------------------------------------------------------ */

void un_grid_init(un_grid *g, int d, int h, int w)
{
    const int e[3] = {d, h, w};

    for (int i = 0; i < 3; i++) {
        g->file[i] = g->turned[i] = g->size[i] = e[i];
        g->axis[i] = i;
        g->flip[i] = 0;
        g->spacing[i] = 1;
    }
}

/* Which stored axis lies along each world axis: the assignment with the largest sum of |cosines|. Ties: the
 * first. */
void un_grid_turn(un_grid *g, const double affine[3][4])
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    double cosine[3][3], best = -1; /* [world x y z][stored x y z] */
    int pick = 0;

    for (int s = 0; s < 3; s++) {
        const double norm =
            un_sqrt(affine[0][s] * affine[0][s] + affine[1][s] * affine[1][s] + affine[2][s] * affine[2][s]);

        for (int r = 0; r < 3; r++)
            cosine[r][s] = norm > 0 ? affine[r][s] / norm : 0;
    }
    for (int k = 0; k < 6; k++) {
        double sum = 0;

        for (int r = 0; r < 3; r++)
            sum += cosine[r][orders[k][r]] < 0 ? -cosine[r][orders[k][r]] : cosine[r][orders[k][r]];
        if (sum > best + 1e-9) {
            best = sum;
            pick = k;
        }
    }
    for (int r = 0; r < 3; r++) { /* world x is axis w = 2, stored x too */
        const int s = orders[pick][r];

        g->axis[2 - r] = 2 - s;
        g->flip[2 - r] = cosine[r][s] < 0;
        g->turned[2 - r] = g->size[2 - r] = g->file[2 - s];
    }
}

static int is_turned(const un_grid *g)
{
    for (int i = 0; i < 3; i++)
        if (g->axis[i] != i || g->flip[i])
            return 1;
    return 0;
}

int un_grid_is_same(const un_grid *g)
{
    return !is_turned(g) && !memcmp(g->turned, g->size, sizeof g->size);
}

void un_grid_copy(const un_grid *g, void *dst, const void *src, int bytes, int back)
{
    const size_t stride[3] = {(size_t)g->file[1] * (size_t)g->file[2], (size_t)g->file[2], 1}, b = (size_t)bytes;
    const unsigned char *s = src;
    unsigned char *d = dst;
    size_t at = 0;

    if (!is_turned(g)) {
        memcpy(dst, src, (size_t)g->file[0] * stride[0] * b);
        return;
    }
    for (int z = 0; z < g->turned[0]; z++)
        for (int y = 0; y < g->turned[1]; y++)
            for (int x = 0; x < g->turned[2]; x++, at++) {
                const int i[3] = {z, y, x};
                size_t from = 0;

                for (int a = 0; a < 3; a++)
                    from += (size_t)(g->flip[a] ? g->turned[a] - 1 - i[a] : i[a]) * stride[g->axis[a]];
                if (back)
                    memcpy(d + from * b, s + at * b, b);
                else
                    memcpy(d + at * b, s + from * b, b);
            }
}

size_t un_grid_restore_room(const un_grid *g)
{
    const size_t n_in = (size_t)g->size[0] * (size_t)g->size[1] * (size_t)g->size[2];
    const size_t n_out = (size_t)g->turned[0] * (size_t)g->turned[1] * (size_t)g->turned[2];

    return un_block_room(n_in * sizeof(float)) + un_block_room(n_out * sizeof(float)) +
           un_resample_room(g->turned, g->size, 1);
}

unet_status un_grid_restore(const un_grid *g, float *dst, const float *src, int stride, un_mem *mem, unet_error *err)
{
    const size_t n_in = (size_t)g->size[0] * (size_t)g->size[1] * (size_t)g->size[2];
    const size_t n_out = (size_t)g->turned[0] * (size_t)g->turned[1] * (size_t)g->turned[2];
    float *in = un_alloc_array(mem, n_in, sizeof *in), *out = un_alloc_array(mem, n_out, sizeof *out);
    unet_status st;

    if (!in || !out) {
        st = un_fail_nomem(err, (n_in + n_out) * sizeof *in);
    } else {
        for (size_t i = 0; i < n_in; i++)
            in[i] = src[i * (size_t)stride];
        st = un_resample_linear(out, g->turned, in, g->size, 1, mem, err);
        if (!st)
            un_grid_copy(g, dst, out, sizeof *out, 1);
    }
    un_free(in);
    un_free(out);
    return st;
}
