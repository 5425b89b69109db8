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

/* An axis of `count` pixels of which `kept` stay, every step-th. */
typedef struct few {
    int count, kept;
    double step;
} few;

static few keep_few(int count, double factor)
{
    const int kept = factor < 1 ? UN_MAX(1, (int)un_round(count * factor)) : count;

    return (few){count, kept, (double)count / kept};
}

/* The pixel that stays as number k. */
static ptrdiff_t kept_at(const few *f, int k)
{
    return (ptrdiff_t)((k + 0.5) * f->step);
}

/* Pixel o lies between the kept ones *a and *b, the part returned of the way. */
static float between_kept(const few *f, int o, int *a, int *b)
{
    const double at = UN_MIN(f->kept - 1, UN_MAX(0, (o + 0.5) / f->step - 0.5));

    *a = (int)at;
    *b = UN_MIN(f->kept - 1, *a + 1);
    return (float)(at - *a);
}

enum { COLUMNS = 512 };

/* Some columns of a row: what they lie between, and how far. */
typedef struct columns {
    int n, a[COLUMNS], b[COLUMNS];
    float part[COLUMNS];
} columns;

static inline __attribute__((always_inline)) void spread_columns(
    const columns *q, float *restrict to, const float *restrict from, int c)
{
    for (int x = 0; x < q->n; x++, to += c)
        for (int k = 0; k < c; k++) {
            const float a = from[q->a[x] * c + k], b = from[q->b[x] * c + k];

            to[k] = a + q->part[x] * (b - a);
        }
}

/* The kept rows, all of their columns again, into spare[kept d][kept h][w]. */
static void spread_rows(float *spare, const float *v, const int size[3], int c, const few axis[3])
{
    columns q;

    for (int first = 0; first < size[2]; first += q.n) {
        q.n = UN_MIN(size[2] - first, COLUMNS);
        for (int x = 0; x < q.n; x++) {
            q.part[x] = between_kept(&axis[2], first + x, &q.a[x], &q.b[x]);
            q.a[x] = (int)kept_at(&axis[2], q.a[x]);
            q.b[x] = (int)kept_at(&axis[2], q.b[x]);
        }
        for (int z = 0; z < axis[0].kept; z++)
            for (int y = 0; y < axis[1].kept; y++) {
                const float *from = v + (kept_at(&axis[0], z) * size[1] + kept_at(&axis[1], y)) * size[2] * c;
                float *to = spare + (((ptrdiff_t)z * axis[1].kept + y) * size[2] + first) * c;

                if (c == 1)
                    spread_columns(&q, to, from, 1);
                else if (c == 3)
                    spread_columns(&q, to, from, 3);
                else
                    spread_columns(&q, to, from, c);
            }
    }
}

/* `lines` blocks of kept steps of `run` floats become blocks of all steps. */
static void spread_steps(float *restrict to, const float *restrict from, int lines, const few *f, ptrdiff_t run)
{
    for (int l = 0; l < lines; l++, from += f->kept * run)
        for (int o = 0; o < f->count; o++, to += run) {
            int a, b;
            const float part = between_kept(f, o, &a, &b);

            blend_run(to, from + a * run, from + b * run, run, part);
        }
}

/* Pixels that go are not looked at: an axis comes back after those before it have lost theirs. */
void un_lowres_apply(float *v, const int size[3], int c, const double factor[3], float *spare)
{
    const few axis[3] = {keep_few(size[0], factor[0]), keep_few(size[1], factor[1]), keep_few(size[2], factor[2])};
    const ptrdiff_t row = (ptrdiff_t)size[2] * c, plane = row * size[1];

    spread_rows(spare, v, size, c, axis);
    spread_steps(v, spare, axis[0].kept, &axis[1], row);
    if (axis[0].kept == size[0])
        return;
    memcpy(spare, v, (size_t)(axis[0].kept * plane) * sizeof *v);
    spread_steps(v, spare, 1, &axis[0], plane);
}
