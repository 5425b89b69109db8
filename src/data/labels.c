/* Masks to classes. Whole numbers up to 16 bits go through a table, everything else through the list of
 * ranges. */
#include "data/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

enum { TABLE = 65536, UNKNOWN = -2 };

typedef struct range {
    double lo, hi;
    int class;
} range;

struct un_label_map {
    un_cfg_mask_kind kind;
    int classes, by_colour, boundary, boundary_px;
    int n_ranges, n_colours, n_ignore;
    range ranges[UN_CFG_MAX_map];
    range colours[UN_CFG_MAX_map]; /* lo = hi = 0xrrggbb */
    double ignore[UN_CFG_LIST_MAX];
    int16_t table[TABLE]; /* class of each value 0..65535 */
};

static int is_ignored(const un_label_map *m, double v)
{
    for (int i = 0; i < m->n_ignore; i++)
        if (m->ignore[i] == v)
            return 1;
    return 0;
}

static int find_range(const range *r, int n, double v)
{
    for (int i = 0; i < n; i++)
        if (v >= r[i].lo && v <= r[i].hi)
            return r[i].class;
    return UNKNOWN;
}

static int class_of(const un_label_map *m, double v)
{
    if (is_ignored(m, v))
        return UN_IGNORE;
    if (m->kind == UN_CFG_MASK_INSTANCE)
        return v > 0 ? 1 : v == 0 ? 0 : UNKNOWN;
    return find_range(m->ranges, m->n_ranges, v);
}

int un_label_map_value(const un_label_map *m, double value)
{
    return value >= 0 && value < TABLE && value == un_floor(value) ? m->table[(int)value] : class_of(m, value);
}

int un_label_map_colour(const un_label_map *m, int rgb)
{
    return find_range(m->colours, m->n_colours, rgb);
}

int un_label_map_by_colour(const un_label_map *m)
{
    return m->by_colour;
}

int un_label_map_classes(const un_label_map *m)
{
    return m->classes;
}

int un_label_map_is_multilabel(const un_label_map *m)
{
    return m->kind == UN_CFG_MASK_MULTILABEL;
}

static unet_status fill(un_label_map *m, const un_config *cfg, unet_error *err)
{
    const un_cfg_data *d = &cfg->data;

    m->kind = d->mask_kind;
    m->classes = !un_is_auto(cfg->model.classes) ? cfg->model.classes : d->classes.n;
    m->boundary = d->boundary;
    m->boundary_px = d->boundary_px;
    if (m->kind == UN_CFG_MASK_AUTO || m->classes < 1)
        return un_fail_file(err, UNET_E_CONFIG, "data.classes",
            "what the masks mean is not decided yet; inspect the data first, or set data.mask_kind and "
            "data.classes");
    if (m->kind == UN_CFG_MASK_INDEX && d->mapping.n < 1)
        return un_fail_file(
            err, UNET_E_CONFIG, "data.mapping", "no mask value has a class yet; inspect the data first");
    for (int i = 0; i < d->ignore.n; i++)
        m->ignore[m->n_ignore++] = d->ignore.v[i];
    for (int i = 0; i < d->mapping.n; i++) {
        const un_cfg_map *e = &d->mapping.v[i];

        if (e->class >= m->classes)
            return un_fail_file(err, UNET_E_CONFIG, "data.mapping",
                "entry %d names class %d, but the classes end at %d", i + 1, e->class, m->classes - 1);
        if (e->color != UN_AUTO_COLOUR)
            m->colours[m->n_colours++] = (range){e->color, e->color, e->class};
        else
            m->ranges[m->n_ranges++] = (range){e->value, un_is_auto(e->to) ? e->value : e->to, e->class};
    }
    m->by_colour = m->n_colours > 0;
    if (m->n_colours && m->n_ranges)
        return un_fail_file(err, UNET_E_CONFIG, "data.mapping", "values and colors cannot be mixed");
    return UNET_OK;
}

unet_status un_label_map_create(un_label_map **out, un_mem *mem, const un_config *cfg, unet_error *err)
{
    un_label_map *m = un_alloc_zero(mem, sizeof *m);
    unet_status st;

    *out = NULL;
    if (!m)
        return un_fail_nomem(err, sizeof *m);
    st = fill(m, cfg, err);
    if (st) {
        un_free(m);
        return st;
    }
    for (int v = 0; v < TABLE; v++)
        m->table[v] = (int16_t)class_of(m, v);
    *out = m;
    return UNET_OK;
}

void un_label_map_destroy(un_label_map *m)
{
    un_free(m);
}

/* ---- pixels
 * ------------------------------------------------------------------------------------------------------ */

/* Without opacity. */
static int channels_of(const un_image *mask)
{
    return mask->c - (mask->alpha && mask->c > 1);
}

int un_mask_channels(const un_image *mask)
{
    const int c = channels_of(mask);
    const size_t n = un_image_count(mask) / (size_t)mask->c;

    if (c != 3)
        return c;
    for (size_t i = 0; i < n; i++) {
        const double r = un_image_at(mask, i * (size_t)mask->c);

        if (r != un_image_at(mask, i * (size_t)mask->c + 1) || r != un_image_at(mask, i * (size_t)mask->c + 2))
            return 3;
    }
    return 1;
}

static int to_byte(double v, un_dtype type)
{
    if (type == UN_DTYPE_U16)
        v /= 257;
    return v <= 0 ? 0 : v >= 255 ? 255 : (int)v;
}

int un_mask_colour(const un_image *mask, size_t i)
{
    const size_t at = i * (size_t)mask->c;
    int rgb[3];

    if (mask->palette) {
        const int k = (int)un_image_at(mask, at);

        return k < mask->palette_size
                   ? mask->palette[3 * k] << 16 | mask->palette[3 * k + 1] << 8 | mask->palette[3 * k + 2]
                   : 0;
    }
    for (int k = 0; k < 3; k++)
        rgb[k] = to_byte(un_image_at(mask, at + (size_t)(mask->c >= 3 ? k : 0)), mask->type);
    return rgb[0] << 16 | rgb[1] << 8 | rgb[2];
}

static void apply_colours(const un_label_map *m, const un_image *mask, int32_t *target)
{
    const size_t n = un_image_count(mask) / (size_t)mask->c;
    int last = -1, class = UNKNOWN;

    for (size_t i = 0; i < n; i++) {
        const int rgb = un_mask_colour(mask, i);

        if (rgb != last) {
            last = rgb;
            class = un_label_map_colour(m, rgb);
        }
        target[i] = class;
    }
}

static void apply_values(const un_label_map *m, const un_image *mask, int32_t *target)
{
    const size_t n = un_image_count(mask) / (size_t)mask->c;

    if (mask->type == UN_DTYPE_U8)
        for (size_t i = 0; i < n; i++)
            target[i] = m->table[((const uint8_t *)mask->data)[i * (size_t)mask->c]];
    else
        for (size_t i = 0; i < n; i++) {
            const double v = un_image_at(mask, i * (size_t)mask->c), whole = un_round(v);

            /* Labels that went through a scale factor come back a little off (0.99999997). */
            target[i] = v != v ? UN_IGNORE : un_label_map_value(m, v - whole < 1e-3 && whole - v < 1e-3 ? whole : v);
        }
}

/* Class 2 where the square (cube) of 2 r + 1 pixels round a pixel holds two different objects. */
static void mark_boundary(const un_label_map *m, const un_image *mask, int32_t *target)
{
    const int r = (m->boundary_px + 1) / 2, rz = mask->d > 1 ? r : 0;
    size_t at = 0;

    for (int z = 0; z < mask->d; z++)
        for (int y = 0; y < mask->h; y++)
            for (int x = 0; x < mask->w; x++, at++) {
                double seen = 0;

                for (int v = UN_MAX(z - rz, 0); v <= UN_MIN(z + rz, mask->d - 1) && target[at] != 2; v++)
                    for (int u = UN_MAX(y - r, 0); u <= UN_MIN(y + r, mask->h - 1) && target[at] != 2; u++)
                        for (int t = UN_MAX(x - r, 0); t <= UN_MIN(x + r, mask->w - 1); t++) {
                            const size_t k = (((size_t)v * (size_t)mask->h + (size_t)u) * (size_t)mask->w + (size_t)t);
                            const double id = un_image_at(mask, k * (size_t)mask->c);

                            if (id <= 0 || is_ignored(m, id))
                                continue;
                            if (seen == 0)
                                seen = id;
                            else if (id != seen && target[at] >= 0)
                                target[at] = 2;
                        }
            }
}

unet_status un_label_map_apply(
    const un_label_map *m, const un_image *mask, int32_t *target, int64_t *strays, unet_error *err)
{
    const size_t n = un_image_count(mask) / (size_t)mask->c;
    const int channels = un_mask_channels(mask);
    int64_t unknown = 0;

    if (m->by_colour && channels != 1 && channels != 3)
        return un_fail(err, UNET_E_DATA, "the mask has %d channels; colours have 3", channels);
    if (!m->by_colour && channels != 1)
        return un_fail(err, UNET_E_DATA,
            "the mask has %d channels that differ; masks of this data set have one (data.mapping gives "
            "values, not colors)",
            channels);
    if (m->by_colour)
        apply_colours(m, mask, target);
    else
        apply_values(m, mask, target);
    for (size_t i = 0; i < n; i++)
        if (target[i] == UNKNOWN) {
            target[i] = UN_IGNORE;
            unknown++;
        }
    if (m->kind == UN_CFG_MASK_INSTANCE && m->boundary)
        mark_boundary(m, mask, target);
    if (strays)
        *strays = unknown;
    return UNET_OK;
}

/* The values that were seen, sorted, and the number of each. */
typedef struct numbers {
    un_mem *mem;
    double *value;
    int32_t *number;
    int32_t count, room;
} numbers;

static unet_status make_room(numbers *n, unet_error *err)
{
    const int32_t room = n->room ? 2 * n->room : 256;
    double *value = un_realloc(n->mem, n->value, (size_t)room * sizeof *value);
    int32_t *number;

    if (!value)
        return un_fail_nomem(err, (size_t)room * sizeof *value);
    n->value = value;
    number = un_realloc(n->mem, n->number, (size_t)room * sizeof *number);
    if (!number)
        return un_fail_nomem(err, (size_t)room * sizeof *number);
    n->number = number;
    n->room = room;
    return UNET_OK;
}

static unet_status number_of(numbers *n, double v, int32_t *out, unet_error *err)
{
    int32_t lo = 0, hi = n->count;

    while (lo < hi) {
        const int32_t mid = lo + (hi - lo) / 2;

        if (n->value[mid] < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == n->count || n->value[lo] != v) {
        unet_status st = n->count == n->room ? make_room(n, err) : UNET_OK;

        if (st)
            return st;
        memmove(n->value + lo + 1, n->value + lo, (size_t)(n->count - lo) * sizeof *n->value);
        memmove(n->number + lo + 1, n->number + lo, (size_t)(n->count - lo) * sizeof *n->number);
        n->value[lo] = v;
        n->number[lo] = ++n->count;
    }
    *out = n->number[lo];
    return UNET_OK;
}

unet_status un_label_map_instances(
    const un_label_map *m, const un_image *mask, int32_t *id, un_mem *mem, unet_error *err)
{
    const size_t pixels = un_image_count(mask) / (size_t)mask->c;
    numbers n = {.mem = mem};
    double last = 0;
    unet_status st = UNET_OK;

    for (size_t i = 0; i < pixels && !st; i++) {
        const double v = un_image_at(mask, i * (size_t)mask->c);

        if (i && v == last) {
            id[i] = id[i - 1];
            continue;
        }
        last = v;
        id[i] = 0;
        if (v > 0 && !is_ignored(m, v))
            st = number_of(&n, v, &id[i], err);
    }
    un_free(n.value);
    un_free(n.number);
    return st;
}

/* How the planes of a multi-label mask lie. */
typedef struct planes {
    const un_image *mask;
    size_t pixels;
    double limit; /* from this value a pixel belongs */
    int pages;    /* 1: a page for each class; 0: a channel */
} planes;

static void set_planes(planes *p, const un_image *mask, int pages)
{
    double high = 0;

    p->mask = mask;
    p->pages = pages;
    p->pixels = pages ? (size_t)mask->h * (size_t)mask->w : un_image_count(mask) / (size_t)mask->c;
    for (size_t i = 0, n = un_image_count(mask); i < n; i++)
        high = UN_MAX(high, un_image_at(mask, i));
    p->limit = high <= 1 ? 0.5 : mask->type == UN_DTYPE_U8 ? 128 : high / 2;
}

static unet_status find_planes(planes *p, const un_label_map *m, const un_image *mask, unet_error *err)
{
    const int c = channels_of(mask), pages = c == 1 && mask->d == m->classes && m->classes > 1;

    if (!pages && c != m->classes)
        return un_fail(
            err, UNET_E_DATA, "the mask has %d channels and %d pages for %d classes", c, mask->d, m->classes);
    set_planes(p, mask, pages);
    return UNET_OK;
}

static int belongs(const planes *p, size_t pixel, int k)
{
    return un_image_at(p->mask, p->pages ? (size_t)k * p->pixels + pixel : pixel * (size_t)p->mask->c + (size_t)k) >=
           p->limit;
}

int un_mask_planes(const un_image *mask, int flat)
{
    const int c = channels_of(mask);

    return c > 1 ? c : flat ? mask->d : 1;
}

void un_mask_plane_pixels(const un_image *mask, int count, int64_t *pixels)
{
    planes p;

    set_planes(&p, mask, channels_of(mask) == 1);
    for (int k = 0; k < count; k++)
        pixels[k] = 0;
    for (size_t i = 0; i < p.pixels; i++)
        for (int k = 0; k < count; k++)
            pixels[k] += belongs(&p, i, k);
}

unet_status un_label_map_apply_soft(const un_label_map *m, const un_image *mask, float *soft, unet_error *err)
{
    planes p;
    unet_status st = find_planes(&p, m, mask, err);

    for (size_t i = 0; !st && i < p.pixels; i++)
        for (int k = 0; k < m->classes; k++)
            soft[i * (size_t)m->classes + (size_t)k] = belongs(&p, i, k) ? 1.0f : 0.0f;
    return st;
}

unet_status un_label_map_apply_bits(const un_label_map *m, const un_image *mask, int32_t *bits, unet_error *err)
{
    planes p;
    unet_status st = find_planes(&p, m, mask, err);

    if (!st && m->classes > 31)
        return un_fail(
            err, UNET_E_UNSUPPORTED, "%d classes that may overlap; at most 31 can be told apart", m->classes);
    for (size_t i = 0; !st && i < p.pixels; i++) {
        bits[i] = 0;
        for (int k = 0; k < m->classes; k++)
            bits[i] |= belongs(&p, i, k) << k;
    }
    return st;
}
