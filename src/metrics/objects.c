/* Labels are made with a forest over pixels: each pixel points towards the root of its object. Both ways of making
 * objects, components and hills, are unions in that forest; one pass then numbers the roots and measures. */
#include "metrics/objects.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

typedef struct finder {
    un_shape size;
    int64_t pixels;
    int faces_only;
    double spacing[3], min_depth, neck;
    uint8_t *mask;   /* [pixels] 1: part of an object                           */
    int32_t *parent; /* [pixels] -1: not (yet) in the forest                    */
    float *distance; /* [pixels] to the background; only for splitting          */
    uint64_t *order; /* [2 * pixels] keys and room to sort them; only for splitting */
    int32_t uphill;  /* the highest neighbour of the pixel at hand that lies on a hill; -1: none */
} finder;

static int32_t root_of(int32_t *parent, int32_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

/* Calls visit(f, i, j) for each neighbour j of pixel i. before: only those that come earlier in memory. */
static void neighbours(finder *f, int32_t i, int before, void (*visit)(finder *, int32_t, int32_t))
{
    int w = f->size.w, h = f->size.h, d = f->size.d;
    int x = i % w, y = i / w % h, z = i / w / h;

    for (int k = d > 1 ? 0 : 9; k < (before ? 13 : d > 1 ? 27 : 18); k++) {
        int dz = k / 9 - 1, dy = k / 3 % 3 - 1, dx = k % 3 - 1;

        if (k == 13 || (f->faces_only && (dz != 0) + (dy != 0) + (dx != 0) > 1))
            continue;
        if (z + dz < 0 || z + dz >= d || y + dy < 0 || y + dy >= h || x + dx < 0 || x + dx >= w)
            continue;
        visit(f, i, i + (dz * h + dy) * w + dx);
    }
}

static void join(finder *f, int32_t i, int32_t j)
{
    int32_t a, b;

    if (f->parent[j] < 0)
        return;
    a = root_of(f->parent, i);
    b = root_of(f->parent, j);
    f->parent[UN_MAX(a, b)] = UN_MIN(a, b);
}

static void components(finder *f)
{
    for (int32_t i = 0; i < f->pixels; i++) {
        f->parent[i] = f->mask[i] ? i : -1;
        if (f->mask[i])
            neighbours(f, i, 1, join);
    }
}

static void look_uphill(finder *f, int32_t i, int32_t j)
{
    (void)i;
    if (f->parent[j] >= 0 && (f->uphill < 0 || f->distance[j] > f->distance[f->uphill]))
        f->uphill = j;
}

/* Pixel i may be the pass between its hill and that of j. The root of a hill is its summit. */
static void meet(finder *f, int32_t i, int32_t j)
{
    double pass = (double)f->distance[i], summit;
    int32_t a, b, low;

    if (f->parent[j] < 0)
        return;
    a = root_of(f->parent, i);
    b = root_of(f->parent, j);
    if (a == b)
        return;
    low = f->distance[a] < f->distance[b] || (f->distance[a] == f->distance[b] && a > b) ? a : b;
    summit = (double)f->distance[low];
    if (summit - pass < f->min_depth || pass > f->neck * summit)
        f->parent[low] = low == a ? b : a;
}

/* Sorts keys by their upper half, stable: least significant byte first. Returns which of the two halves holds them. */
static uint64_t *radix_sort(uint64_t *keys, uint64_t *room, int64_t n)
{
    for (int shift = 32; shift < 64; shift += 8) {
        int64_t start[257] = {0};
        uint64_t *swap = keys;

        for (int64_t i = 0; i < n; i++)
            start[(keys[i] >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++)
            start[b + 1] += start[b];
        for (int64_t i = 0; i < n; i++)
            room[start[keys[i] >> shift & 255]++] = keys[i];
        keys = room;
        room = swap;
    }
    return keys;
}

static unet_status hills(finder *f, un_mem *mem, unet_error *err)
{
    uint64_t *sorted;
    int64_t n = 0;
    unet_status st = un_distance_squared(f->distance, mem, NULL, f->mask, f->size, f->spacing, err);

    if (st)
        return st;
    for (int32_t i = 0; i < f->pixels; i++) {
        uint32_t bits;

        f->parent[i] = -1;
        f->distance[i] = isinf(f->distance[i]) ? 0 : sqrtf(f->distance[i]); /* no background: one flat hill */
        memcpy(&bits, &f->distance[i], sizeof bits); /* floats that are not negative sort as their bits do */
        if (f->mask[i])
            f->order[n++] = (uint64_t)~bits << 32 | (uint32_t)i;
    }
    sorted = radix_sort(f->order, f->order + f->pixels, n);
    for (int64_t k = 0; k < n; k++) {
        int32_t i = (int32_t)(sorted[k] & 0xffffffffu);

        f->uphill = -1;
        neighbours(f, i, 0, look_uphill);
        f->parent[i] = f->uphill < 0 ? i : f->uphill;
        neighbours(f, i, 0, meet);
    }
    return UNET_OK;
}

static unet_status make_records(un_objects *o, un_mem *mem, unet_error *err)
{
    o->of = un_alloc_array(mem, (size_t)o->count, sizeof *o->of);
    return o->of ? UNET_OK : un_fail_nomem(err, (size_t)o->count * sizeof *o->of);
}

static void number_objects(un_objects *o, finder *f)
{
    for (int32_t i = 0; i < f->pixels; i++) {
        if (f->parent[i] < 0)
            continue;
        f->parent[i] = root_of(f->parent, i);
        if (!o->label[f->parent[i]])
            o->label[f->parent[i]] = ++o->count;
    }
    for (int32_t i = 0; i < f->pixels; i++) /* a root keeps its number, so the order does not matter */
        o->label[i] = f->parent[i] < 0 ? 0 : o->label[f->parent[i]];
}

static void measure(un_objects *o, un_shape size)
{
    const int32_t *label = o->label;
    const int extent[3] = {size.d, size.h, size.w};

    for (int z = 0; z < size.d; z++)
        for (int y = 0; y < size.h; y++)
            for (int x = 0; x < size.w; x++, label++) {
                const int at[3] = {z, y, x};
                un_object *b = o->of + *label - 1;

                for (int a = 0; *label && a < 3; a++) {
                    b->lo[a] = b->pixels ? UN_MIN(b->lo[a], at[a]) : at[a];
                    b->hi[a] = b->pixels ? UN_MAX(b->hi[a], at[a] + 1) : at[a] + 1;
                    b->centroid[a] += at[a];
                    b->touches_border |= (a || size.d > 1) && (at[a] == 0 || at[a] == extent[a] - 1);
                }
                if (*label)
                    b->pixels++;
            }
    for (int32_t i = 0; i < o->count; i++)
        for (int a = 0; a < 3; a++)
            o->of[i].centroid[a] /= (double)o->of[i].pixels;
}

static void set_options(finder *f, const un_objects_options *opt)
{
    double finest = INFINITY;

    f->faces_only = opt->faces_only;
    for (int a = 0; a < 3; a++) {
        f->spacing[a] = opt->spacing[a] > 0 ? opt->spacing[a] : 1;
        if (a || f->size.d > 1)
            finest = UN_MIN(finest, f->spacing[a]);
    }
    f->min_depth = opt->min_depth > 0 ? opt->min_depth : finest;
    f->neck = opt->neck > 0 ? opt->neck : 0.8;
}

static unet_status reserve(un_objects *out, finder *f, un_mem *mem, int split, unet_error *err)
{
    size_t n = (size_t)f->pixels;

    out->label = un_alloc_array(mem, n, sizeof *out->label);
    f->mask = un_alloc_array(mem, n, 1);
    f->parent = un_alloc_array(mem, n, sizeof *f->parent);
    f->distance = split ? un_alloc_array(mem, n, sizeof *f->distance) : NULL;
    f->order = split ? un_alloc_array(mem, 2 * n, sizeof *f->order) : NULL;
    if (!out->label || !f->mask || !f->parent || (split && (!f->distance || !f->order)))
        return un_fail_nomem(err, n * (split ? 29 : 9));
    return UNET_OK;
}

static unet_status count_pixels(size_t *n, un_shape size, unet_error *err)
{
    if (size.d < 1 || size.h < 1 || size.w < 1)
        return un_fail(err, UNET_E_ARG, "a picture of %dx%dx%d pixels", size.d, size.h, size.w);
    if (!un_size_mul((size_t)size.d * (size_t)size.h, (size_t)size.w, n) || *n > INT32_MAX)
        return un_fail(err, UNET_E_LIMIT, "objects in %dx%dx%d pixels: more than 2^31 - 1", size.d, size.h, size.w);
    return UNET_OK;
}

unet_status un_objects_find(
    un_objects *out, un_mem *mem, const uint8_t *map, un_shape size, const un_objects_options *opt, unet_error *err)
{
    size_t n = 0;
    finder f = {.size = size};
    unet_status st;

    *out = (un_objects){0};
    st = count_pixels(&n, size, err);
    if (st)
        return st;
    f.pixels = (int64_t)n;
    set_options(&f, opt);
    st = reserve(out, &f, mem, opt->split, err);
    for (size_t i = 0; !st && i < n; i++)
        f.mask[i] = opt->class_index == UN_OBJECT_ANY_CLASS ? map[i] != 0 : map[i] == opt->class_index;
    if (!st && opt->split)
        st = hills(&f, mem, err);
    else if (!st)
        components(&f);
    if (!st) {
        number_objects(out, &f);
        st = make_records(out, mem, err);
    }
    if (!st)
        measure(out, size);
    else
        un_objects_free(out);
    un_free(f.mask);
    un_free(f.parent);
    un_free(f.distance);
    un_free(f.order);
    return st;
}

unet_status un_objects_given(un_objects *out, un_mem *mem, const int32_t *id, un_shape size, unet_error *err)
{
    int32_t *number = NULL, most = 0;
    size_t n = 0;
    unet_status st = count_pixels(&n, size, err);

    *out = (un_objects){0};
    if (st)
        return st;
    for (size_t i = 0; i < n; i++)
        most = UN_MAX(most, id[i]);
    number = un_alloc_zero(mem, ((size_t)most + 1) * sizeof *number);
    out->label = un_alloc_array(mem, n, sizeof *out->label);
    if (!number || !out->label)
        st = un_fail_nomem(err, ((size_t)most + 1 + n) * sizeof *number);
    for (size_t i = 0; i < n && !st; i++) {
        if (id[i] && !number[id[i]])
            number[id[i]] = ++out->count;
        out->label[i] = number[id[i]];
    }
    if (!st)
        st = make_records(out, mem, err);
    if (!st)
        measure(out, size);
    else
        un_objects_free(out);
    un_free(number);
    return st;
}

void un_objects_free(un_objects *o)
{
    if (!o)
        return;
    un_free(o->label);
    un_free(o->of);
    *o = (un_objects){0};
}
