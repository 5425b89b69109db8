#include "data/degrade.h"

#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "base/wide.h"

/* ---- kernels in the plane ---- */

static void add_tap(un_stencil *t, int dy, int dx, double weight)
{
    int i = 0;

    while (i < t->n && (t->dy[i] != dy || t->dx[i] != dx))
        i++;
    if (i == UN_STENCIL)
        return; /* beyond the largest kernel that the ranges allow */
    if (i == t->n) {
        t->dy[i] = dy;
        t->dx[i] = dx;
        t->weight[i] = 0;
        t->n++;
    }
    t->weight[i] += (float)weight;
}

static void normalise(un_stencil *t)
{
    float sum = 0;

    for (int i = 0; i < t->n; i++)
        sum += t->weight[i];
    for (int i = 0; i < t->n; i++)
        t->weight[i] /= sum;
}

void un_stencil_line(un_stencil *t, double length, double turns)
{
    const double dy = un_sin2pi(turns), dx = un_cos2pi(turns);
    const int half = (int)un_floor(length + 0.5); /* points every half pixel at the furthest */

    t->n = 0;
    for (int i = -half; i <= half; i++) {
        const double at = half ? 0.5 * length * i / half : 0, y = at * dy, x = at * dx;
        const int below = (int)un_floor(y), left = (int)un_floor(x);

        for (int k = 0; k < 4; k++) { /* shared among the pixels round it */
            const double wy = k >> 1 ? y - below : 1 - (y - below), wx = k & 1 ? x - left : 1 - (x - left);

            if (wy * wx > 0)
                add_tap(t, below + (k >> 1), left + (k & 1), wy * wx);
        }
    }
    normalise(t);
}

void un_stencil_disc(un_stencil *t, double radius)
{
    const int reach = (int)un_floor(radius + 0.5);

    t->n = 0;
    for (int y = -reach; y <= reach; y++)
        for (int x = -reach; x <= reach; x++) {
            const double inside = radius + 0.5 - un_sqrt((double)y * y + (double)x * x);

            if (inside > 0)
                add_tap(t, y, x, UN_MIN(1, inside));
        }
    normalise(t);
}

/* to[x] += weight * from[x + dx] of a row of w pixels. */
UN_WIDE static void add_row(float *restrict to, const float *restrict from, int w, int c, int dx, float weight)
{
    const int first = UN_MIN(w, UN_MAX(0, -dx)), end = UN_MAX(first, UN_MIN(w, w - dx));

    for (int x = 0; x < first; x++)
        for (int k = 0; k < c; k++)
            to[x * c + k] += weight * from[un_reflect(x + dx, w) * c + k];
    for (ptrdiff_t i = (ptrdiff_t)first * c; i < (ptrdiff_t)end * c; i++)
        to[i] += weight * from[i + (ptrdiff_t)dx * c];
    for (int x = end; x < w; x++)
        for (int k = 0; k < c; k++)
            to[x * c + k] += weight * from[un_reflect(x + dx, w) * c + k];
}

void un_stencil_apply(const un_stencil *t, float *v, const int size[3], int c, float *spare)
{
    const ptrdiff_t row = (ptrdiff_t)size[2] * c, plane = row * size[1];

    if (t->n < 2)
        return;
    memcpy(spare, v, (size_t)(plane * size[0]) * sizeof *v);
    memset(v, 0, (size_t)(plane * size[0]) * sizeof *v);
    for (int z = 0; z < size[0]; z++)
        for (int y = 0; y < size[1]; y++)
            for (int i = 0; i < t->n; i++)
                add_row(v + z * plane + y * row, spare + z * plane + un_reflect(y + t->dy[i], size[1]) * row, size[2],
                    c, t->dx[i], t->weight[i]);
}

/* ---- resolution ---- */

UN_WIDE static void blend_run(float *restrict to, const float *a, const float *b, ptrdiff_t n, float part)
{
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] = a[i] + part * (b[i] - a[i]);
}

/* Along one axis: `lines` blocks of `count` steps of `run` floats that lie together. */
static void lowres_axis(float *v, int64_t lines, int count, ptrdiff_t run, double factor, float *spare)
{
    const int kept = UN_MAX(1, (int)un_round(count * factor));
    const double step = (double)count / kept;

    memcpy(spare, v, (size_t)(lines * count * run) * sizeof *v);
    for (int o = 0; o < count; o++) {
        const double at = UN_MIN(kept - 1, UN_MAX(0, (o + 0.5) / step - 0.5));
        const int below = (int)at, above = UN_MIN(kept - 1, below + 1);
        const ptrdiff_t a = (ptrdiff_t)((below + 0.5) * step) * run, b = (ptrdiff_t)((above + 0.5) * step) * run;
        const float part = (float)(at - below);

        for (int64_t l = 0; l < lines; l++) {
            const float *from = spare + l * count * run;

            blend_run(v + (l * count + o) * run, from + a, from + b, run, part);
        }
    }
}

void un_lowres_apply(float *v, const int size[3], int c, const double factor[3], float *spare)
{
    const ptrdiff_t row = (ptrdiff_t)size[2] * c;

    if (factor[2] < 1)
        lowres_axis(v, (int64_t)size[0] * size[1], size[2], c, factor[2], spare);
    if (factor[1] < 1)
        lowres_axis(v, size[0], size[1], row, factor[1], spare);
    if (factor[0] < 1)
        lowres_axis(v, 1, size[0], row * size[1], factor[0], spare);
}
