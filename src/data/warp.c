#include "data/warp.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "base/wide.h"

struct un_warp_scratch {
    un_mem *mem;
    int size[3];
    ptrdiff_t *index; /* exact map: [d + h + w] pixel offsets of each coordinate, -1: outside */
    int *cell[3];     /* [w] lower neighbour along each position axis, of one row */
    float *part[3];   /* [w] distance from it, 0..1 */
    float *below;     /* [w] one over the denominator of a perspective */
    float *spline;    /* [4][w] weights of the grid points along the row */
    int *knot, *end;  /* [runs] the first grid point of pixels beside each other, and where they end */
    int runs;         /* up to w */
    float *bend;      /* [d + h + w] tables of the axes */
    float *line;      /* [points w][3] grid of one row */
    float *grid;
    size_t grid_bytes, line_bytes;
};

unet_status un_warp_scratch_create(un_warp_scratch **out, un_mem *mem, const int size[3], unet_error *err)
{
    const size_t w = (size_t)size[2], sum = (size_t)size[0] + (size_t)size[1] + w;
    un_warp_scratch *s = un_alloc_zero(mem, sizeof *s);
    int ok;

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->mem = mem;
    memcpy(s->size, size, sizeof s->size);
    s->index = un_alloc_array(mem, sum, sizeof *s->index);
    s->spline = un_alloc_array(mem, w, 4 * sizeof *s->spline);
    s->knot = un_alloc_array(mem, w, sizeof *s->knot);
    s->end = un_alloc_array(mem, w, sizeof *s->end);
    s->below = un_alloc_array(mem, w, sizeof *s->below);
    s->bend = un_alloc_array(mem, sum, sizeof *s->bend);
    ok = s->index && s->spline && s->knot && s->end && s->below && s->bend;
    for (int a = 0; a < 3; a++) {
        s->cell[a] = un_alloc_array(mem, w, sizeof *s->cell[a]);
        s->part[a] = un_alloc_array(mem, w, sizeof *s->part[a]);
        ok = ok && s->cell[a] && s->part[a];
    }
    if (!ok) {
        un_warp_scratch_destroy(s);
        return un_fail_nomem(err, w * 14 * sizeof(float));
    }
    *out = s;
    return UNET_OK;
}

void un_warp_scratch_destroy(un_warp_scratch *s)
{
    if (!s)
        return;
    for (int a = 0; a < 3; a++) {
        un_free(s->cell[a]);
        un_free(s->part[a]);
    }
    un_free(s->index);
    un_free(s->spline);
    un_free(s->knot);
    un_free(s->end);
    un_free(s->below);
    un_free(s->bend);
    un_free(s->line);
    un_free(s->grid);
    un_free(s);
}

void un_warp_window(un_warp *w, const int size[3], const int start[3])
{
    memset(w, 0, sizeof *w);
    for (int a = 0; a < 3; a++) {
        w->size[a] = size[a];
        w->m[a][a] = 1;
        w->at[a] = start[a] + (size[a] - 1) * 0.5;
    }
}

void un_warp_then(un_warp *w, const double t[3][3])
{
    double m[3][3];

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            m[i][j] = w->m[i][0] * t[0][j] + w->m[i][1] * t[1][j] + w->m[i][2] * t[2][j];
    memcpy(w->m, m, sizeof m);
}

/* ---- perspective, grid distortion ---- */

void un_warp_tilt(un_warp *w, const double share[3])
{
    for (int a = 0; a < 3; a++)
        w->tilt[a] = w->size[a] > 1 ? share[a] / ((w->size[a] - 1) * 0.5) : 0;
}

void un_warp_bend(un_warp *w, un_warp_scratch *s, int axis, int cells, const double *change)
{
    const int n = w->size[axis];
    const double cell = (double)(n - 1) / cells;
    float *to = s->bend + (axis > 0 ? w->size[0] : 0) + (axis > 1 ? w->size[1] : 0);
    double sum = 0, from = 0;

    for (int i = 0; i < cells; i++)
        sum += 1 + change[i];
    for (int o = 0, i = 0; o < n; o++) {
        for (; i + 1 < cells && o >= (i + 1) * cell; i++)
            from += 1 + change[i];
        to[o] = (float)((n - 1) * ((from + (cell > 0 ? o / cell - i : 0) * (1 + change[i])) / sum - 0.5));
    }
    w->bend[axis] = to;
}

static int is_bent(const un_warp *w)
{
    return w->bend[0] || w->bend[1] || w->bend[2] || w->tilt[0] != 0 || w->tilt[1] != 0 || w->tilt[2] != 0;
}

/* ---- elastic deformation ---- */

unet_status un_warp_elastic(
    un_warp *w, un_warp_scratch *s, const double cell[3], const double px[3], un_rng *rng, unet_error *err)
{
    double spread = 1;
    size_t count = 3;

    for (int a = 0; a < 3; a++) {
        w->cell[a] = cell[a];
        w->points[a] = cell[a] > 0 ? (int)un_floor((w->size[a] - 1) / cell[a]) + 4 : 1;
        /* mean square of the spline's weights along an axis: integral of B3^2 = 151/315 */
        spread *= cell[a] > 0 ? un_sqrt(151.0 / 315.0) : 1;
        count *= (size_t)w->points[a];
    }
    if (count * sizeof *s->grid > s->grid_bytes) {
        un_free(s->grid);
        s->grid_bytes = 0;
        s->grid = un_alloc(s->mem, count * sizeof *s->grid);
        if (!s->grid)
            return un_fail_nomem(err, count * sizeof *s->grid);
        s->grid_bytes = count * sizeof *s->grid;
    }
    if ((size_t)w->points[2] * 3 * sizeof *s->line > s->line_bytes) {
        un_free(s->line);
        s->line_bytes = 0;
        s->line = un_alloc(s->mem, (size_t)w->points[2] * 3 * sizeof *s->line);
        if (!s->line)
            return un_fail_nomem(err, (size_t)w->points[2] * 3 * sizeof *s->line);
        s->line_bytes = (size_t)w->points[2] * 3 * sizeof *s->line;
    }
    for (size_t i = 0; i < count; i++)
        s->grid[i] = (float)(un_rng_normal(rng) * px[i % 3] / spread);
    w->grid = s->grid;
    w->elastic = 1;
    return UNET_OK;
}

/* Weights of the four grid points round pixel i; returns the first of them. */
static int spline_at(double cell, int i, float b[4])
{
    double u, t;
    int k;

    if (!(cell > 0)) {
        b[0] = 1;
        b[1] = b[2] = b[3] = 0;
        return 0;
    }
    u = i / cell;
    k = (int)u;
    t = u - k;
    b[0] = (float)((1 - t) * (1 - t) * (1 - t) / 6);
    b[1] = (float)((3 * t * t * t - 6 * t * t + 4) / 6);
    b[2] = (float)((-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6);
    b[3] = (float)(t * t * t / 6);
    return k;
}

/* For every row alike the weights along it. */
static void spline_along(const un_warp *w, un_warp_scratch *s)
{
    const int n = w->size[2];

    s->runs = 0;
    for (int x = 0; x < n; x++) {
        float b[4];
        const int knot = spline_at(w->cell[2], x, b);

        for (int i = 0; i < 4; i++)
            s->spline[(ptrdiff_t)i * n + x] = b[i];
        if (!s->runs || s->knot[s->runs - 1] != knot)
            s->knot[s->runs++] = knot;
        s->end[s->runs - 1] = x + 1;
    }
}

/* The grid as one row (z, y) sees it. */
static void spline_row(const un_warp *w, un_warp_scratch *s, int z, int y)
{
    const int n = w->points[2] * 3;
    float bz[4], by[4];
    const int kz = spline_at(w->cell[0], z, bz), ky = spline_at(w->cell[1], y, by);

    memset(s->line, 0, (size_t)n * sizeof *s->line);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            const float b = bz[i] * by[j];
            const float *g;

            if (kz + i >= w->points[0] || ky + j >= w->points[1])
                continue; /* an axis without a grid, or weight 0 */
            g = w->grid + ((ptrdiff_t)(kz + i) * w->points[1] + ky + j) * n;
            for (int k = 0; k < n; k++)
                s->line[k] += b * g[k];
        }
}

/* Adds the displacement of axis a to the positions of the row. */
static inline __attribute__((always_inline)) void add_displacement(
    const un_warp_scratch *s, int a, int n, float *restrict pos)
{
    const float *restrict b0 = s->spline, *restrict b1 = b0 + n, *restrict b2 = b1 + n, *restrict b3 = b2 + n;

    for (int i = 0, x = 0; i < s->runs; i++) {
        const float *g = s->line + a + 3 * (ptrdiff_t)s->knot[i];
        const float g0 = g[0], g1 = g[3], g2 = g[6], g3 = g[9];

        for (const int end = s->end[i]; x < end; x++)
            pos[x] += (b0[x] * g0 + b1[x] * g1) + (b2[x] * g2 + b3[x] * g3);
    }
}

/* ---- copies ---- */

int un_warp_is_exact(const un_warp *w)
{
    for (int i = 0; i < 3; i++) {
        int units = 0;

        for (int j = 0; j < 3; j++) {
            if (w->m[i][j] != 0 && fabs(w->m[i][j]) != 1)
                return 0;
            units += w->m[i][j] != 0;
        }
        if (units != 1)
            return 0;
    }
    return !w->elastic && !is_bent(w);
}

/* Fills the offsets: pixel (z, y, x) of the patch is pixel iz[z] + iy[y] + ix[x] of the picture. */
static void exact_index(const un_warp *w, un_warp_scratch *s, const un_picture *p)
{
    const int extent[3] = {p->d, p->h, p->w};
    const ptrdiff_t stride[3] = {(ptrdiff_t)p->h * p->w, p->w, 1};
    ptrdiff_t *index = s->index;

    for (int b = 0; b < 3; b++) {
        const int a = w->m[0][b] != 0 ? 0 : w->m[1][b] != 0 ? 1 : 2;
        /* patches whose sides differ may turn onto half pixels: rounded down, the same for the whole axis */
        const double from = un_floor(w->at[a] - w->m[a][b] * (w->size[b] - 1) * 0.5);

        for (int o = 0; o < w->size[b]; o++) {
            const int64_t i = (int64_t)from + (w->m[a][b] > 0 ? o : -o);

            index[o] = w->zero_outside && (i < 0 || i >= extent[a]) ? -1 : un_reflect(i, extent[a]) * stride[a];
        }
        index += w->size[b];
    }
}

/* Where the pixels of a row come from. */
typedef struct source {
    ptrdiff_t from;         /* pixel 0 of the picture that index counts from */
    const ptrdiff_t *index; /* [n] -1: outside; NULL: all of the row is */
    int n, run;             /* 1, -1: pixels that lie in a row, from the first on or back */
} source;

static int run_of(const ptrdiff_t *index, int n)
{
    const int way = n > 1 && index[1] < index[0] ? -1 : 1;

    for (int x = 1; x < n; x++)
        if (index[x] != index[0] + x * way)
            return 0;
    return index[0] >= 0 && index[n - 1] >= 0 ? way : 0;
}

/* n pixels from the one at `from` back. */
UN_WIDE static void copy_back(float *restrict to, const float *restrict from, int n, int c)
{
    if (c == 1)
        for (ptrdiff_t x = 0; x < n; x++)
            to[x] = from[-x];
    else if (c == 3)
        for (ptrdiff_t x = 0; x < n; x++) {
            to[3 * x] = from[-3 * x];
            to[3 * x + 1] = from[-3 * x + 1];
            to[3 * x + 2] = from[-3 * x + 2];
        }
    else
        for (ptrdiff_t x = 0; x < n; x++)
            for (int k = 0; k < c; k++)
                to[x * c + k] = from[-x * c + k];
}

UN_WIDE static void copy_targets_back(int32_t *restrict to, const int32_t *restrict from, int n)
{
    for (ptrdiff_t x = 0; x < n; x++)
        to[x] = from[-x];
}

static inline __attribute__((always_inline)) void copy_floats(
    float *to, const float *from, const source *s, int c, float outside)
{
    if (s->run > 0) {
        memcpy(to, from + (s->from + s->index[0]) * c, (size_t)s->n * (size_t)c * sizeof *to);
        return;
    }
    if (s->run < 0) {
        copy_back(to, from + (s->from + s->index[0]) * c, s->n, c);
        return;
    }
    for (int x = 0; x < s->n; x++, to += c) {
        const ptrdiff_t i = s->index ? s->index[x] : -1;

        for (int k = 0; k < c; k++)
            to[k] = i < 0 ? outside : from[(s->from + i) * c + k];
    }
}

/* A row of c floats a pixel; from NULL: the picture has none. */
static void copy_row(float *to, const float *from, const source *s, int c, float outside, float absent)
{
    if (!from)
        for (int i = 0; i < s->n * c; i++)
            to[i] = !s->index || s->index[i / c] < 0 ? outside : absent;
    else if (c == 1)
        copy_floats(to, from, s, 1, outside);
    else if (c == 3)
        copy_floats(to, from, s, 3, outside);
    else
        copy_floats(to, from, s, c, outside);
}

static void copy_target(int32_t *to, const int32_t *from, const source *s)
{
    if (s->run > 0 && from) {
        memcpy(to, from + s->from + s->index[0], (size_t)s->n * sizeof *to);
        return;
    }
    if (s->run < 0 && from) {
        copy_targets_back(to, from + s->from + s->index[0], s->n);
        return;
    }
    for (int x = 0; x < s->n; x++)
        to[x] = !from || !s->index || s->index[x] < 0 ? -1 : from[s->from + s->index[x]];
}

/* n pixels of all rows from pixel x on. */
static void copy_columns(
    const un_warp *w, const un_warp_scratch *s, const un_picture *p, const un_patch *out, int x, int n)
{
    const ptrdiff_t *iz = s->index, *iy = iz + w->size[0], *ix = iy + w->size[1] + x;
    const int run = run_of(ix, n);
    ptrdiff_t o = x;

    for (int z = 0; z < w->size[0]; z++)
        for (int y = 0; y < w->size[1]; y++, o += w->size[2]) {
            const int inside = iz[z] >= 0 && iy[y] >= 0;
            const source r = {.from = iz[z] + iy[y], .index = inside ? ix : NULL, .n = n, .run = inside ? run : 0};

            copy_row(out->image + o * p->c, p->image, &r, p->c, 0, 0);
            if (out->target)
                copy_target(out->target + o, p->target, &r);
            if (out->soft)
                copy_row(out->soft + o * out->classes, p->soft, &r, out->classes, 0, 0);
            if (out->weight)
                copy_row(out->weight + o, p->weight, &r, 1, 0, 1);
        }
}

/* Where rows of the patch go across those of the picture, a few columns at a time read lines of the picture once. */
static void run_exact(const un_warp *w, un_warp_scratch *s, const un_picture *p, const un_patch *out)
{
    enum { COLUMNS = 16 };
    const int n = w->size[2], step = w->m[2][2] != 0 ? n : COLUMNS;

    exact_index(w, s, p);
    for (int x = 0; x < n; x += step)
        copy_columns(w, s, p, out, x, UN_MIN(step, n - x));
}

/* ---- interpolation ---- */

/* Offsets of a row from w->at along the axes from `axis` on, with bends and perspective. */
static inline __attribute__((always_inline)) void bent_offsets(
    const un_warp *w, un_warp_scratch *s, int z, int y, int axis)
{
    const double bz = w->bend[0] ? w->bend[0][z] : z - (w->size[0] - 1) * 0.5;
    const double by = w->bend[1] ? w->bend[1][y] : y - (w->size[1] - 1) * 0.5;
    const float from = (float)(1 + w->tilt[0] * bz + w->tilt[1] * by), slope = (float)w->tilt[2];
    const float middle = (float)(w->size[2] - 1) * 0.5f, *restrict bend = w->bend[2];
    float *restrict below = s->below;
    const int n = w->size[2];

    for (int x = 0; x < n; x++)
        below[x] = 1 / (from + slope * (bend ? bend[x] : (float)x - middle));
    for (int a = axis; a < 3; a++) {
        const float first = (float)(w->m[a][0] * bz + w->m[a][1] * by), step = (float)w->m[a][2];
        float *restrict part = s->part[a];

        for (int x = 0; x < n; x++)
            part[x] = (first + step * (bend ? bend[x] : (float)x - middle)) * below[x];
    }
}

/* Positions of a row along the axes from `axis` on: whole part into cell, rest into part. */
UN_WIDE static void row_positions(const un_warp *w, un_warp_scratch *s, int z, int y, int axis)
{
    const double oz = z - (w->size[0] - 1) * 0.5, oy = y - (w->size[1] - 1) * 0.5, ox = -(w->size[2] - 1) * 0.5;
    const int n = w->size[2], bent = is_bent(w);

    if (w->elastic)
        spline_row(w, s, z, y);
    if (bent)
        bent_offsets(w, s, z, y, axis);
    for (int a = axis; a < 3; a++) {
        const double line = w->at[a] + w->m[a][0] * oz + w->m[a][1] * oy + w->m[a][2] * ox;
        const double first = bent ? w->at[a] : line, whole = un_floor(first);
        const float rest = (float)(first - whole), step = (float)w->m[a][2];
        const int base = (int)whole;
        float *restrict part = s->part[a];
        int *restrict cell = s->cell[a];

        for (int x = 0; x < n; x++)
            part[x] = bent ? part[x] + rest : rest + step * (float)x;
        if (w->elastic)
            add_displacement(s, a, n, part);
        for (int x = 0; x < n; x++) {
            const int cut = (int)part[x], below = cut - (part[x] < (float)cut);

            part[x] -= (float)below;
            cell[x] = base + below;
        }
    }
}

/* The values at the corners of a cell between which one lies: 2-D uses the first four. */
static inline __attribute__((always_inline)) float between(const float v[8], int count, float fz, float fy, float fx)
{
    const float a = v[0] + fx * (v[1] - v[0]), b = v[2] + fx * (v[3] - v[2]), near = a + fy * (b - a);
    float c, d, far;

    if (count == 4)
        return near;
    c = v[4] + fx * (v[5] - v[4]);
    d = v[6] + fx * (v[7] - v[6]);
    far = c + fy * (d - c);
    return near + fz * (far - near);
}

/* One pixel of c floats between its corners in `from`, which are 0 where they are outside or there is no such picture.
 */
static void blend_corners(
    const float *from, int c, const ptrdiff_t corner[8], int count, const un_warp_scratch *s, int x, float *to)
{
    for (int k = 0; k < c; k++) {
        float v[8];

        for (int i = 0; i < count; i++)
            v[i] = from && corner[i] >= 0 ? from[corner[i] * c + k] : 0;
        to[k] = between(v, count, count == 8 ? s->part[0][x] : 0, s->part[1][x], s->part[2][x]);
    }
}

/* Which corner is nearest: the one whose halves all reach over one half. */
static inline int nearest(const un_warp_scratch *s, int x, int count)
{
    const int i = (s->part[1][x] >= 0.5f) * 2 + (s->part[2][x] >= 0.5f);

    return count == 8 ? i + (s->part[0][x] >= 0.5f) * 4 : i;
}

/* Offsets of the corners of a cell that touches or leaves the edge of the picture; -1: outside. */
static void edge_corners(const un_warp *w, const un_picture *p, const int cell[3], int count, ptrdiff_t corner[8])
{
    const int extent[3] = {p->d, p->h, p->w};
    int at[3][2];

    for (int a = count == 4; a < 3; a++)
        for (int step = 0; step < 2; step++) {
            const int k = cell[a] + step, inside = (unsigned)k < (unsigned)extent[a];

            at[a][step] = inside ? k : w->zero_outside ? -1 : (int)un_reflect(k, extent[a]);
        }
    for (int i = 0; i < count; i++) {
        const int z = count == 8 ? at[0][i >> 2] : 0, y = at[1][i >> 1 & 1], x = at[2][i & 1];

        corner[i] = z < 0 || y < 0 || x < 0 ? -1 : ((ptrdiff_t)z * p->h + y) * p->w + x;
    }
}

/* A pixel that may lie anywhere: number x of its row, number o of the patch. */
static void run_pixel(
    const un_warp *w, const un_warp_scratch *s, const un_picture *p, const un_patch *out, int x, ptrdiff_t o, int count)
{
    const int cell[3] = {count == 8 ? s->cell[0][x] : 0, s->cell[1][x], s->cell[2][x]};
    ptrdiff_t corner[8], near;

    edge_corners(w, p, cell, count, corner);
    blend_corners(p->image, p->c, corner, count, s, x, out->image + o * p->c);
    near = corner[nearest(s, x, count)];
    if (out->target)
        out->target[o] = near < 0 || !p->target ? -1 : p->target[near];
    if (out->weight)
        out->weight[o] = near < 0 ? 0 : p->weight ? p->weight[near] : 1;
    if (out->soft)
        blend_corners(p->soft, out->classes, corner, count, s, x, out->soft + o * out->classes);
}

/* Pixels of a row whose cells lie inside the picture. */
enum { BLOCK = 64, BLOCK_LEAST = 4 };
typedef struct block {
    int x, n;      /* the first, how many */
    int at[BLOCK]; /* their first corner */
} block;

static inline __attribute__((always_inline)) int find_block(
    block *b, const un_warp_scratch *s, const un_picture *p, int x, int n, int count)
{
    const int *restrict cz = s->cell[0] + x, *restrict cy = s->cell[1] + x, *restrict cx = s->cell[2] + x;
    const unsigned d = (unsigned)(p->d - 1), h = (unsigned)(p->h - 1), width = (unsigned)(p->w - 1);
    int outside = 0;

    b->x = x;
    b->n = n;
    for (int i = 0; i < n; i++) {
        outside |= ((unsigned)cy[i] >= h) | ((unsigned)cx[i] >= width);
        if (count == 8)
            outside |= (unsigned)cz[i] >= d;
    }
    for (int i = 0; i < n && !outside; i++)
        b->at[i] = ((count == 8 ? cz[i] * p->h : 0) + cy[i]) * p->w + cx[i];
    return !outside;
}

/* One float a pixel: first the corners beside each other, by two, then all pixels at once. */
static inline __attribute__((always_inline)) void blend_pairs(const block *b, const un_warp_scratch *s,
    const un_picture *p, const float *restrict image, int count, float *restrict to)
{
    const float *restrict fy = s->part[1] + b->x, *restrict fx = s->part[2] + b->x, *restrict fz = s->part[0] + b->x;
    const ptrdiff_t row = p->w, plane = row * p->h;
    float pair[4][2 * BLOCK];

    for (int i = 0; i < b->n; i++)
        for (int k = 0; k < count / 2; k++)
            memcpy(pair[k] + 2 * i, image + b->at[i] + (k & 1) * row + (k >> 1) * plane, 2 * sizeof *image);
    for (int i = 0; i < b->n; i++) {
        float v[8];

        for (int k = 0; k < count / 2; k++) {
            v[2 * k] = pair[k][2 * i];
            v[2 * k + 1] = pair[k][2 * i + 1];
        }
        to[i] = between(v, count, count == 8 ? fz[i] : 0, fy[i], fx[i]);
    }
}

typedef float four __attribute__((vector_size(16), aligned(4)));

/* The pixel of three floats at q towards the one behind it, in the first three places. */
static inline __attribute__((always_inline)) four along(const float *q, float part)
{
    four left, right;

    memcpy(&left, q, sizeof left);
    memcpy(&right, q + 2, sizeof right); /* not q + 3, which may reach beyond the picture */
    right = __builtin_shufflevector(right, right, 1, 2, 3, 3);
    return left + part * (right - left);
}

/* Three floats a pixel, at once. */
static inline __attribute__((always_inline)) void blend_colours(const block *b, const un_warp_scratch *s,
    const un_picture *p, const float *restrict image, int count, float *restrict to)
{
    const float *restrict fy = s->part[1] + b->x, *restrict fx = s->part[2] + b->x, *restrict fz = s->part[0] + b->x;
    const ptrdiff_t row = (ptrdiff_t)p->w * 3, plane = row * p->h;

    for (int i = 0; i < b->n; i++, to += 3) {
        const float *q = image + (ptrdiff_t)b->at[i] * 3;
        const four a = along(q, fx[i]);
        four v = a + fy[i] * (along(q + row, fx[i]) - a);

        if (count == 8) {
            const four c = along(q + plane, fx[i]);

            v += fz[i] * ((c + fy[i] * (along(q + plane + row, fx[i]) - c)) - v);
        }
        if (i + 1 < b->n)
            memcpy(to, &v, sizeof v); /* the fourth makes room for the next pixel */
        else
            memcpy(to, &v, 3 * sizeof *to);
    }
}

/* c floats a pixel out of `image`. */
static inline __attribute__((always_inline)) void blend_block(const block *b, const un_warp_scratch *s,
    const un_picture *p, const float *restrict image, int c, int count, float *restrict to)
{
    const float *restrict fy = s->part[1] + b->x, *restrict fx = s->part[2] + b->x, *restrict fz = s->part[0] + b->x;
    const ptrdiff_t row = (ptrdiff_t)p->w * c, plane = row * p->h;

    if (c == 1) {
        blend_pairs(b, s, p, image, count, to);
        return;
    }
    if (c == 3) {
        blend_colours(b, s, p, image, count, to);
        return;
    }
    for (int i = 0; i < b->n; i++, to += c) {
        const float *q = image + (ptrdiff_t)b->at[i] * c;

        for (int k = 0; k < c; k++, q++) {
            const float v[8] = {q[0], q[c], q[row], q[row + c], count == 8 ? q[plane] : 0,
                count == 8 ? q[plane + c] : 0, count == 8 ? q[plane + row] : 0, count == 8 ? q[plane + row + c] : 0};

            to[k] = between(v, count, count == 8 ? fz[i] : 0, fy[i], fx[i]);
        }
    }
}

static inline __attribute__((always_inline)) void take_nearest(
    block *b, const un_warp_scratch *s, const un_picture *p, const un_patch *out, ptrdiff_t o, int count)
{
    const float *restrict fy = s->part[1] + b->x, *restrict fx = s->part[2] + b->x, *restrict fz = s->part[0] + b->x;
    const int plane = p->h * p->w;

    for (int i = 0; i < b->n; i++) {
        b->at[i] += (fy[i] >= 0.5f ? p->w : 0) + (fx[i] >= 0.5f);
        if (count == 8)
            b->at[i] += fz[i] >= 0.5f ? plane : 0;
    }
    if (out->target)
        for (int i = 0; i < b->n; i++)
            out->target[o + i] = p->target ? p->target[b->at[i]] : -1;
    if (out->weight)
        for (int i = 0; i < b->n; i++)
            out->weight[o + i] = p->weight ? p->weight[b->at[i]] : 1;
}

static inline __attribute__((always_inline)) void run_row(
    const un_warp *w, const un_warp_scratch *s, const un_picture *p, const un_patch *out, ptrdiff_t o, int c, int count)
{
    const int small = (int64_t)p->d * p->h * p->w <= INT32_MAX; /* else offsets do not fit */
    block b;

    for (int x = 0, n; x < w->size[2]; x += n) {
        int inside = 0;

        n = UN_MIN(BLOCK, w->size[2] - x);
        while (small && !(inside = find_block(&b, s, p, x, n, count)) && n > 2 * BLOCK_LEAST)
            n /= 2;
        if (!inside) {
            for (int i = x; i < x + n; i++)
                run_pixel(w, s, p, out, i, o + i, count);
            continue;
        }
        blend_block(&b, s, p, p->image, c, count, out->image + (o + x) * c);
        if (out->soft && p->soft)
            blend_block(&b, s, p, p->soft, out->classes, count, out->soft + (o + x) * out->classes);
        else if (out->soft)
            memset(out->soft + (o + x) * out->classes, 0, (size_t)b.n * (size_t)out->classes * sizeof *out->soft);
        take_nearest(&b, s, p, out, o + x, count);
    }
}

UN_WIDE static void run_linear(const un_warp *w, un_warp_scratch *s, const un_picture *p, const un_patch *out)
{
    const int flat = p->d == 1 && w->size[0] == 1;
    ptrdiff_t o = 0;

    if (w->elastic)
        spline_along(w, s);
    for (int z = 0; z < w->size[0]; z++)
        for (int y = 0; y < w->size[1]; y++, o += w->size[2]) {
            row_positions(w, s, z, y, flat);
            if (flat && p->c == 1)
                run_row(w, s, p, out, o, 1, 4);
            else if (flat && p->c == 3)
                run_row(w, s, p, out, o, 3, 4);
            else if (flat)
                run_row(w, s, p, out, o, p->c, 4);
            else if (p->c == 1)
                run_row(w, s, p, out, o, 1, 8);
            else
                run_row(w, s, p, out, o, p->c, 8);
        }
}

void un_warp_run(const un_warp *w, un_warp_scratch *s, const un_picture *p, const un_patch *out)
{
    if (un_warp_is_exact(w))
        run_exact(w, s, p, out);
    else
        run_linear(w, s, p, out);
}
