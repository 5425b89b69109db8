/* Separable: one axis after the other, the axis that shrinks most first, so that the rest has less to do. */
#include "data/resample.h"

#include <string.h>

#include "base/block.h"
#include "base/math.h"
#include "base/size.h"

/* ---- linear
 * ------------------------------------------------------------------------------------------------------ */

static int most_taps(int n_in, int n_out)
{
    const double ratio = (double)n_in / n_out;

    return (int)(2 * (ratio > 1 ? ratio : 1)) + 3;
}

/* Weights of a triangle as wide as the ratio, at least one pixel each way; cut at the edges and scaled to
 * sum 1. */
unet_status un_taps_create(un_taps *t, int n_in, int n_out, un_mem *mem, unet_error *err)
{
    const double ratio = (double)n_in / n_out, reach = ratio > 1 ? ratio : 1;
    const int most = most_taps(n_in, n_out);
    size_t bytes;

    *t = (un_taps){.n_in = n_in, .n_out = n_out, .most = most};
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

size_t un_taps_room(int n_in, int n_out)
{
    return un_block_room((size_t)n_out * ((size_t)most_taps(n_in, n_out) * sizeof(float) + 2 * sizeof(int)));
}

void un_taps_apply(const un_taps *t, float *dst, const float *src, size_t outer, size_t inner)
{
    const int n_in = t->n_in, n_out = t->n_out;

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

        room += un_taps_room(size[a], to[a]);
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
        un_taps t;
        unet_status st = un_taps_create(&t, size[a], to[a], mem, err);

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
            un_taps_apply(&t, out, from, outer, inner);
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

int un_grid_is_turned(const un_grid *g)
{
    for (int i = 0; i < 3; i++)
        if (g->axis[i] != i || g->flip[i])
            return 1;
    return 0;
}

int un_grid_is_resampled(const un_grid *g)
{
    return memcmp(g->turned, g->size, sizeof g->size) != 0;
}

size_t un_grid_place(const un_grid *g, ptrdiff_t step[3])
{
    const ptrdiff_t stride[3] = {(ptrdiff_t)g->file[1] * g->file[2], g->file[2], 1};
    size_t first = 0;

    for (int a = 0; a < 3; a++) {
        step[a] = g->flip[a] ? -stride[g->axis[a]] : stride[g->axis[a]];
        if (g->flip[a])
            first += (size_t)(g->turned[a] - 1) * (size_t)stride[g->axis[a]];
    }
    return first;
}

void un_grid_copy(const un_grid *g, void *dst, const void *src, int bytes)
{
    const size_t b = (size_t)bytes;
    const unsigned char *s = src;
    unsigned char *d = dst;
    ptrdiff_t step[3];
    const ptrdiff_t first = (ptrdiff_t)un_grid_place(g, step);

    if (!un_grid_is_turned(g)) {
        memcpy(dst, src, (size_t)g->file[0] * (size_t)g->file[1] * (size_t)g->file[2] * b);
        return;
    }
    for (int z = 0; z < g->turned[0]; z++)
        for (int y = 0; y < g->turned[1]; y++)
            for (int x = 0; x < g->turned[2]; x++, d += b)
                memcpy(d, s + (size_t)(first + z * step[0] + y * step[1] + x * step[2]) * b, b);
}
