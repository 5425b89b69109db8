/* What the masks mean and what the network takes, where the configuration leaves it open. The rules, in the
 * order in which they are asked, stand in docs/data.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "data/odd.h"
#include "data/scan.h"

/* A value of all masks together. */
typedef struct value {
    double v;
    int64_t pixels;
    int masks;
} value;

typedef struct proposal {
    un_config *cfg;
    un_dataset *d;
    const un_scan *s;
    un_text *why;
    unet_error *err;
    value *all; /* ascending */
    int n, masks, by_colour, fractional, named_here;
    double pixels;
} proposal;

enum { SCENE_CLASSES = 4 };

static int is_labelled(const proposal *p, int i)
{
    return un_mask_is_used(p->d, p->s, i);
}

static void because(const proposal *p, const char *key, const char *text)
{
    if (p->why)
        un_text_printf(p->why, "%s: %s\n", key, text);
}

/* ---- the picture side
 * -------------------------------------------------------------------------------------------- */

static void propose_input(const proposal *p)
{
    un_config *c = p->cfg;
    int grey = 1, one_or_three = 1, volumes = 0, n = 0, channels = 1;
    char text[128];

    for (int i = 0; i < p->s->count; i++) {
        const un_scan_item *it = &p->s->item[i];

        if (it->status || p->d->items[i].left_out)
            continue;
        n++;
        grey &= it->grey;
        one_or_three &= p->d->items[i].image_count == 1 && (it->c == 1 || it->c == 3);
        volumes += it->d > 1;
        channels = it->c;
    }
    if (c->data.colour == UN_CFG_COLOUR_AUTO) {
        c->data.colour = grey ? UN_CFG_COLOUR_GREY : one_or_three ? UN_CFG_COLOUR_RGB : UN_CFG_COLOUR_ALL;
        because(p, "data.colour",
            grey           ? "every picture is grey, though some may be stored as colour"
            : one_or_three ? "some pictures have colour; grey ones are repeated in three channels"
                           : "the pictures have channels that are no colours");
    }
    if (un_is_auto(c->model.in_channels)) {
        c->model.in_channels = c->data.channels.n > 0                 ? c->data.channels.n
                               : c->data.colour == UN_CFG_COLOUR_GREY ? 1
                               : c->data.colour == UN_CFG_COLOUR_RGB  ? 3
                                                                      : channels;
        because(p, "model.in_channels", "follows from data.colour and data.channels");
    }
    if (un_is_auto(c->model.dims)) {
        c->model.dims = 2 * volumes > n ? 3 : 2;
        snprintf(text, sizeof text, "%d of %d are volumes", volumes, n);
        because(p, "model.dims", text);
    }
}

/* ---- values of all masks
 * ----------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const value *x = a, *y = b;

    return (x->v > y->v) - (x->v < y->v);
}

static int grey_colour(double v)
{
    const int k = v <= 0 ? 0 : v >= 255 ? 255 : (int)v;

    return k << 16 | k << 8 | k;
}

static unet_status collect(proposal *p)
{
    size_t total = 0;
    int n = 0;

    un_free(p->all);
    p->n = p->masks = p->by_colour = p->fractional = 0;
    p->pixels = 0;

    for (int i = 0; i < p->s->count; i++)
        if (is_labelled(p, i)) {
            total += (size_t)p->s->item[i].values;
            p->by_colour |= p->s->item[i].by_colour;
            p->fractional |= p->s->item[i].fractional;
            p->masks++;
        }
    p->all = un_alloc_array(p->s->mem, total, sizeof *p->all);
    if (!p->all)
        return un_fail_nomem(p->err, total * sizeof *p->all);
    for (int i = 0; i < p->s->count; i++)
        for (int k = 0; is_labelled(p, i) && k < p->s->item[i].values; k++) {
            const un_mask_value *v = &p->s->item[i].value[k];

            p->all[n++] =
                (value){p->by_colour && !p->s->item[i].by_colour ? grey_colour(v->value) : v->value, v->pixels, 1};
            p->pixels += (double)v->pixels;
        }
    if (n)
        qsort(p->all, (size_t)n, sizeof *p->all, by_value);
    for (int i = 0; i < n; i++) {
        if (!p->n || p->all[p->n - 1].v != p->all[i].v) {
            p->all[p->n++] = p->all[i];
            continue;
        }
        p->all[p->n - 1].pixels += p->all[i].pixels;
        p->all[p->n - 1].masks++;
    }
    return UNET_OK;
}

/* Whether the values are small ones that are frequent, three at least, and one or two far from them: classes too. */
static int is_scattered_index(const proposal *p)
{
    int frequent = 0, far = 0;

    for (int i = 0; i < p->n; i++) {
        frequent +=
            p->all[i].v >= 0 && p->all[i].v <= UN_SMALL_MOST / 4 && (double)p->all[i].pixels >= 1e-3 * p->pixels;
        far += p->all[i].v > UN_SMALL_MOST;
    }
    return !p->by_colour && !p->fractional && frequent >= 3 && frequent + far == p->n && far <= 2;
}

static void drop_value(proposal *p, int i)
{
    memmove(&p->all[i], &p->all[i + 1], (size_t)(p->n - i - 1) * sizeof *p->all);
    p->n--;
}

static void list_values(const proposal *p, char *buf, size_t size)
{
    size_t at = 0;

    buf[0] = 0;
    for (int i = 0; i < p->n && i < 8 && at + 1 < size; i++)
        if (p->by_colour)
            at += (size_t)snprintf(buf + at, size - at, "%s#%06x", i ? ", " : "", (unsigned)p->all[i].v);
        else
            at += (size_t)snprintf(buf + at, size - at, "%s%.6g", i ? ", " : "", p->all[i].v);
    if (p->n > 8 && at + 1 < size)
        snprintf(buf + at, size - at, " and %d more", p->n - 8);
}

/* ---- kind
 * -------------------------------------------------------------------------------------------------------- */

/* Whether each value above 0 looks like one object: the values of a mask are 1, 2, 3 ... up to a number that
 * changes from mask to mask (or there are more values than classes can have), and each covers one small,
 * compact place. */
static int looks_like_instances(const proposal *p)
{
    int most = 0, least = INT32_MAX, counted = 0, dense = 0, compact = 0;
    double highest = 0;

    if (p->by_colour || p->fractional)
        return 0;
    for (int i = 0; i < p->s->count; i++) {
        const un_scan_item *it = &p->s->item[i];
        int n = 0;

        if (!is_labelled(p, i))
            continue;
        for (int k = 0; k < it->values; k++)
            n += it->value[k].value > 0;
        if (!n)
            continue;
        counted++;
        most = UN_MAX(most, n);
        least = UN_MIN(least, n);
        dense += it->value[it->values - 1].value == n;
        compact += it->fill >= 0.35 && it->span <= 0.1;
        highest = UN_MAX(highest, it->value[it->values - 1].value);
    }
    if (!counted || compact < 0.8 * counted)
        return 0;
    return (most >= 6 && dense >= 0.9 * counted && (most >= least + 3 || counted == 1)) || highest > 255 || p->n > 64;
}

/* Channels or pages of a mask that stands for several masks; 0: an ordinary one. given: that masks are of this kind is
 * said, so that three channels are no colour. */
static int planes(const proposal *p, int given)
{
    for (int i = 0; i < p->s->count; i++) {
        const un_scan_item *it = &p->s->item[i];

        if (!is_labelled(p, i))
            continue;
        if (given && it->planes > 1)
            return it->planes;
        if (it->mask_c == 2 || it->mask_c > 3)
            return it->mask_c;
        return it->mask_d > 1 && it->d == 1 ? it->mask_d : 0;
    }
    return 0;
}

static void propose_kind(const proposal *p)
{
    un_cfg_data *c = &p->cfg->data;
    const int many = p->cfg->data.classes.n > 3 || p->cfg->data.mapping.n > 0;

    if (c->mask_kind != UN_CFG_MASK_AUTO)
        return;
    if (planes(p, 0) > 1 && c->mapping.n < 1) {
        c->mask_kind = UN_CFG_MASK_MULTILABEL;
        because(p, "data.mask_kind", "the masks have several channels or pages: one for each class");
    } else if (!many && !p->d->classes && looks_like_instances(p)) {
        c->mask_kind = UN_CFG_MASK_INSTANCE;
        because(p, "data.mask_kind",
            "the values are numbers of objects: 1, 2, 3 ... in each mask, each in one small place; all "
            "become one class");
    } else {
        c->mask_kind = UN_CFG_MASK_INDEX;
        because(p, "data.mask_kind", p->by_colour ? "each colour means a class" : "each value means a class");
    }
}

/* ---- ignored values
 * ---------------------------------------------------------------------------------------------- */

static int is_small(double v)
{
    return v >= 0 && v < 64;
}

/* Whether the values are numbers of classes: two or more small ones that are frequent, and beside these (and
 * 255, and negative ones) at most a few slips. A mask with soft edges has one frequent small value, or many
 * others. */
static int is_index(const proposal *p)
{
    double slips = 0;
    int frequent = 0, others = 0;

    for (int i = 0; i < p->n; i++) {
        const value *v = &p->all[i];

        if (is_small(v->v)) {
            frequent += (double)v->pixels >= 1e-3 * p->pixels;
        } else if (v->v > 0 && v->v != 255) {
            others++;
            slips += (double)v->pixels;
        }
    }
    return !p->by_colour && !p->fractional && frequent >= 2 && others <= 8 && slips <= 1e-3 * p->pixels;
}

/* Whether some masks are 0 and 1, others 0 and 255, none both: the same thing saved in two ways. */
static int is_two_ways(const proposal *p)
{
    int ones = 0, bytes = 0;

    if (p->n != 3 || p->all[0].v != 0 || p->all[1].v != 1 || p->all[2].v != UN_BYTE_MOST)
        return 0;
    for (int i = 0; i < p->s->count; i++) {
        const un_scan_item *it = &p->s->item[i];
        int one = 0, byte = 0;

        for (int k = 0; is_labelled(p, i) && k < it->values; k++) {
            one |= it->value[k].value == 1;
            byte |= it->value[k].value == UN_BYTE_MOST;
        }
        if (one && byte)
            return 0;
        ones += one;
        bytes += byte;
    }
    return ones > 0 && bytes > 0;
}

static int find_value(const proposal *p, double v)
{
    for (int i = 0; i < p->n; i++)
        if (p->all[i].v == v)
            return i;
    return -1;
}

/* Takes ignored values out of the list: those configured; else negative ones, NaN, and 255 beside two or more
 * small ones. */
static void propose_ignore(proposal *p)
{
    un_cfg_nums *g = &p->cfg->data.ignore;
    const int decide = g->n == UN_CFG_LIST_AUTO;
    int at;

    if (decide) {
        g->n = 0;
        if (p->d->ignore_value >= 0)
            g->v[g->n++] = p->d->ignore_value;
        for (int i = 0; i < p->n && !p->by_colour && g->n < 8; i++)
            if (p->all[i].v < 0)
                g->v[g->n++] = p->all[i].v;
        if (p->cfg->data.mask_kind == UN_CFG_MASK_INDEX && p->cfg->data.mapping.n < 1 && is_index(p) &&
            !is_two_ways(p) && find_value(p, 255) >= 0)
            g->v[g->n++] = 255;
    }
    for (int i = 0; i < g->n; i++) {
        at = find_value(p, g->v[i]);
        if (at >= 0)
            drop_value(p, at);
    }
    if (decide)
        because(p, "data.ignore",
            g->n ? "values that mean no class: negative ones, 255 beside small ones, or as dataset.json says"
                 : "no value looks like 'leave this out'");
}

/* ---- classes and mapping
 * ----------------------------------------------------------------------------------------- */

static void add_map(un_cfg_data *c, double lo, double hi, int colour, int class)
{
    un_cfg_map *m = &c->mapping.v[c->mapping.n++];

    *m = (un_cfg_map){.value = UN_AUTO_NUM, .to = UN_AUTO_NUM, .color = colour, .class = class};
    if (colour != UN_AUTO_COLOUR)
        return;
    m->value = lo;
    m->to = hi > lo ? hi : UN_AUTO_NUM;
}

static void name_classes(proposal *p, int n, const char *second)
{
    un_cfg_data *c = &p->cfg->data;

    if (c->classes.n > 0)
        return;
    p->named_here = 1;
    c->classes.n = n;
    for (int i = 0; i < n; i++) {
        un_cfg_class *k = &c->classes.v[i];

        *k = (un_cfg_class){.value = UN_AUTO_INT, .color = UN_AUTO_COLOUR};
        if (n == 1)
            snprintf(k->name, sizeof k->name, "%s", second);
        else if (c->mask_kind == UN_CFG_MASK_MULTILABEL)
            snprintf(k->name, sizeof k->name, "class_%d", i);
        else if (i == 0)
            snprintf(k->name, sizeof k->name, "background");
        else if (n == 2)
            snprintf(k->name, sizeof k->name, "%s", second);
        else
            snprintf(k->name, sizeof k->name, "class_%d", i);
    }
}

static unet_status not_understood(const proposal *p)
{
    char text[256];

    list_values(p, text, sizeof text);
    return un_fail_file(p->err, UNET_E_DATA, p->d->root,
        "the masks have %d values (%s), too many for classes and not one compact place each as objects would "
        "have; set "
        "data.mask_kind=instance, or data.mapping",
        p->n, text);
}

/* Levels in a wide range, such as 0, 128, 255 with soft edges between: the ends, and what is frequent and far
 * from others. */
static int find_levels(const proposal *p, double *level)
{
    const double lo = p->all[0].v, range = p->all[p->n - 1].v - lo;
    int n = 0, far = p->n <= 8;

    for (int i = 1; i < p->n; i++)
        far &= p->all[i].v - p->all[i - 1].v >= range / 16;
    for (int i = 0; i < p->n; i++) {
        const value *v = &p->all[i];
        const int end = i == 0 || i == p->n - 1;
        int peak = end || ((double)v->pixels >= 0.01 * p->pixels && 10 * v->masks >= 3 * p->masks);

        for (int k = 0; k < p->n && peak && !far && !end; k++) {
            const double distance = p->all[k].v > v->v ? p->all[k].v - v->v : v->v - p->all[k].v;

            if (k != i && distance < range / 8)
                peak = (k != 0 && k != p->n - 1) &&
                       (p->all[k].pixels < v->pixels || (p->all[k].pixels == v->pixels && k > i));
        }
        if (far || peak) {
            if (n == UN_CFG_MAX_class)
                return n;
            level[n++] = v->v;
        }
    }
    return n;
}

static int near_level(const proposal *p, const double *level, int n, double v)
{
    const double near_by = (p->all[p->n - 1].v - p->all[0].v) / 48;

    for (int k = 0; k < n; k++)
        if (level[k] - v <= near_by && v - level[k] <= near_by)
            return 1;
    return 0;
}

/* Whether most pixels are at the levels, or as near as the compression of a JPEG leaves them: else it is no mask. */
static int levels_hold(const proposal *p, const double *level, int n)
{
    double held = 0;

    for (int i = 0; i < p->n; i++)
        held += near_level(p, level, n, p->all[i].v) ? (double)p->all[i].pixels : 0;
    return held >= 0.6 * p->pixels;
}

static int mask_holds(const proposal *p, const un_scan_item *it, const double *level, int n)
{
    double held = 0, all = 0;

    for (int i = 0; i < it->values; i++) {
        held += near_level(p, level, n, it->value[i].value) ? (double)it->value[i].pixels : 0;
        all += (double)it->value[i].pixels;
    }
    return held >= 0.4 * all;
}

static unet_status map_levels(proposal *p)
{
    un_cfg_data *c = &p->cfg->data;
    const int whole = !p->fractional;
    double level[UN_CFG_MAX_class];
    const int n = find_levels(p, level);
    char text[160];

    if (n > 32 || n < 1 || !levels_hold(p, level, n))
        return not_understood(p);
    for (int i = 0; i < n; i++) {
        const double below = i ? (level[i - 1] + level[i]) / 2 : level[i];
        const double above = i + 1 < n ? (level[i] + level[i + 1]) / 2 : level[i];

        /* "at the threshold" belongs to the upper class: 128 of 255 is foreground */
        add_map(c, whole ? un_floor(below + 0.5) : below,
            i + 1 == n ? above
            : whole    ? un_floor(above + 0.5) - 1
                       : above - 1e-6,
            UN_AUTO_COLOUR, i);
    }
    name_classes(p, n, "foreground");
    for (int i = 0; i < p->s->count; i++)
        if (is_labelled(p, i) && p->masks >= UN_ODD_MASKS_MIN && !mask_holds(p, &p->s->item[i], level, n)) {
            const unet_status st =
                un_odd_leave_out(p->d, i, "the mask has no clear levels, unlike most others", p->err);

            if (st)
                return st;
        }
    snprintf(text, sizeof text, "%d levels from %.6g to %.6g; values between go to the nearer one", n, level[0],
        level[n - 1]);
    because(p, "data.mapping", text);
    return UNET_OK;
}

static unet_status map_two_ways(proposal *p)
{
    add_map(&p->cfg->data, 0, 0, UN_AUTO_COLOUR, 0);
    add_map(&p->cfg->data, 1, UN_BYTE_MOST, UN_AUTO_COLOUR, 1);
    name_classes(p, 2, "foreground");
    because(p, "data.mapping", "some masks are 0 and 1, others 0 and 255: both mean the same");
    return UNET_OK;
}

static unet_status map_each(proposal *p)
{
    un_cfg_data *c = &p->cfg->data;

    if (p->n > UN_CFG_MAX_class)
        return not_understood(p);
    for (int i = 0; i < p->n; i++)
        add_map(c, p->all[i].v, p->all[i].v, UN_AUTO_COLOUR, i);
    name_classes(p, p->n, "foreground");
    because(p, "data.mapping", "one class for each value, in their order");
    return UNET_OK;
}

static unet_status map_colours(proposal *p)
{
    un_cfg_data *c = &p->cfg->data;
    char text[96];
    const int before = p->n;

    for (int i = p->n - 1; i >= 0; i--)
        if ((double)p->all[i].pixels < 1e-4 * p->pixels && 5 * p->all[i].masks < p->masks)
            drop_value(p, i);
    if (p->n > UN_CFG_MAX_class || p->n < 1)
        return not_understood(p);
    for (int i = 0; i < p->n; i++)
        add_map(c, 0, 0, (int)p->all[i].v, i);
    if (c->classes.n < 1) {
        name_classes(p, p->n, "foreground");
        for (int i = 0; i < p->n; i++)
            c->classes.v[i].color = (int)p->all[i].v;
    }
    snprintf(text, sizeof text, "one class for each colour; %d rare colours left out", before - p->n);
    because(p, "data.mapping", text);
    return UNET_OK;
}

/* Takes values far from the small ones out of the list when they can only be slips. */
static int drop_slips(proposal *p)
{
    int n = 0;

    if (!is_index(p))
        return 0;
    for (int i = p->n - 1; i >= 0; i--)
        if (!is_small(p->all[i].v)) {
            drop_value(p, i);
            n++;
        }
    return n;
}

/* The configured (or dataset.json's) classes say which values there are. */
static unet_status map_named(const proposal *p)
{
    un_cfg_data *c = &p->cfg->data;
    int values = 0, colours = 0, n = c->classes.n;
    char text[256];

    for (int i = 0; i < n; i++) {
        values += !un_is_auto(c->classes.v[i].value);
        colours += c->classes.v[i].color != UN_AUTO_COLOUR;
    }
    if (p->by_colour && colours == n) {
        for (int i = 0; i < n; i++)
            add_map(c, 0, 0, c->classes.v[i].color, i);
    } else if (!p->by_colour && values) {
        for (int i = 0; i < n; i++)
            add_map(c, un_is_auto(c->classes.v[i].value) ? i : c->classes.v[i].value, 0, UN_AUTO_COLOUR, i);
    } else if (!p->by_colour && p->n && p->all[p->n - 1].v < n) {
        for (int i = 0; i < n; i++)
            add_map(c, i, 0, UN_AUTO_COLOUR, i);
    } else {
        list_values(p, text, sizeof text);
        return un_fail_file(p->err, UNET_E_DATA, "data.classes",
            "%d classes are named, but the masks have %d values (%s); set data.mapping, or data.ignore for "
            "what is no class",
            n, p->n, text);
    }
    because(p, "data.mapping", "as data.classes says");
    return UNET_OK;
}

/* Whether an automatic mapping gives as many classes as were named. */
static unet_status propose_index(proposal *p)
{
    un_cfg_data *c = &p->cfg->data;
    const int named = c->classes.n;
    unet_status st;

    if (c->mapping.n > 0) {
        int n = 0;

        for (int i = 0; i < c->mapping.n; i++)
            n = UN_MAX(n, c->mapping.v[i].class + 1);
        name_classes(p, n, "foreground");
        return UNET_OK;
    }
    c->mapping.n = 0;
    if (!p->n)
        return un_fail_file(p->err, UNET_E_DATA, p->d->root, "no mask has a value that is not ignored");
    if (p->by_colour)
        st = map_colours(p);
    else if (is_two_ways(p))
        st = map_two_ways(p);
    else {
        const int slips = drop_slips(p);

        if (slips)
            because(p, "data.mapping", "a few pixels have values far from the others; they are left out");
        st = (!p->fractional && p->all[p->n - 1].v <= UN_SMALL_MOST) || is_scattered_index(p) ? map_each(p)
                                                                                              : map_levels(p);
    }
    if (named > 0 && (st || c->mapping.v[c->mapping.n - 1].class + 1 != named)) {
        c->mapping.n = 0;
        st = map_named(p);
    }
    return st;
}

static unet_status propose_classes(proposal *p)
{
    un_cfg_data *c = &p->cfg->data;
    unet_status st;

    if (c->classes.n < 1 && p->d->classes) {
        c->classes = *p->d->classes;
        because(p, "data.classes", "named by dataset.json");
        if (c->mask_kind == UN_CFG_MASK_INDEX && c->mapping.n < 1) {
            c->mapping.n = 0;
            st = map_named(p);
            if (st)
                return st;
        }
    }
    if (c->mask_kind == UN_CFG_MASK_INDEX)
        return propose_index(p);
    if (c->mapping.n < 0)
        c->mapping.n = 0;
    if (c->mask_kind == UN_CFG_MASK_MULTILABEL) {
        const int n = UN_MAX(planes(p, 1), 1);

        if (c->classes.n > 0 && c->classes.n != n)
            return un_fail_file(p->err, UNET_E_DATA, "data.classes",
                "%d classes are named, but the masks have %d channels", c->classes.n, n);
        if (n > UN_CFG_MAX_class)
            return un_fail_file(
                p->err, UNET_E_DATA, p->d->root, "masks of %d channels; at most %d are possible", n, UN_CFG_MAX_class);
        name_classes(p, n, "foreground");
        return UNET_OK;
    }
    name_classes(p, c->boundary ? 3 : 2, "object");
    if (c->classes.n != (c->boundary ? 3 : 2))
        return un_fail_file(p->err, UNET_E_DATA, "data.classes", "%d classes are named; instance masks have %d",
            c->classes.n, c->boundary ? 3 : 2);
    return UNET_OK;
}

/* ---- what follows from the mapping
 * ------------------------------------------------------------------------------- */

/* Whether class 0 is what is looked for too. Of two classes: when it covers less than half. Of four and more, none
 * left out: when another covers a quarter more, as in scenes, where the first class is one like the others. Never
 * beside numbered objects, however close they lie. */
static int zero_is_scored(const proposal *p, const un_label_map *map)
{
    const int n = p->cfg->data.classes.n;
    double share[UN_CFG_MAX_class] = {0}, most = 0;

    if (n == 1 || un_label_map_is_multilabel(map))
        return 1;
    if (p->cfg->data.mask_kind == UN_CFG_MASK_INSTANCE)
        return 0;
    for (int i = 0; i < p->n; i++) {
        const int k = p->by_colour ? un_label_map_colour(map, (int)p->all[i].v) : un_label_map_value(map, p->all[i].v);

        if (k >= 0 && k < n)
            share[k] += (double)p->all[i].pixels;
    }
    for (int k = 1; k < n; k++)
        most = UN_MAX(most, share[k]);
    return n == 2 ? share[0] < share[1] : n >= SCENE_CLASSES && 1.25 * share[0] < most;
}

static void propose_foreground(const proposal *p, const un_label_map *map)
{
    un_cfg_data *c = &p->cfg->data;
    const int n = c->classes.n, many = un_label_map_is_multilabel(map), scored = zero_is_scored(p, map);

    if (c->foreground.n >= 0)
        return;
    c->foreground.n = 0;
    if (scored)
        c->foreground.v[c->foreground.n++] = 0;
    for (int i = 1; i < n; i++)
        c->foreground.v[c->foreground.n++] = i;
    for (int i = 0; i < 2 && scored && n == 2 && !many && p->named_here && !p->by_colour; i++)
        snprintf(c->classes.v[i].name, sizeof c->classes.v[i].name, "value_%g", p->all[i ? p->n - 1 : 0].v);
    if (scored && n > 2 && !many && p->named_here)
        snprintf(c->classes.v[0].name, sizeof c->classes.v[0].name, "class_0");
    because(p, "data.foreground",
        !scored || n == 1 || many ? (many ? "classes may overlap: all count" : "all classes but the background")
        : n == 2                  ? "class 0 covers less than half, so it may be what is looked for: both classes count"
                                  : "class 0 is not the largest, so it is no background: all classes count");
}

static unet_status check_masks(const proposal *p, const un_label_map *map)
{
    unet_status st = UNET_OK;

    for (int i = 0; i < p->s->count && !st; i++) {
        const un_scan_item *it = &p->s->item[i];
        int64_t strays = 0, front = 0, ignored = 0;

        if (!is_labelled(p, i) || un_label_map_is_multilabel(map))
            continue;
        for (int k = 0; k < it->values; k++) {
            const double v = it->value[k].value;
            const int class = !p->by_colour ? un_label_map_value(map, v)
                                            : un_label_map_colour(map, it->by_colour ? (int)v : grey_colour(v));

            strays += class == -2 ? it->value[k].pixels : 0;
            front += class >= 1 ? it->value[k].pixels : 0;
            ignored += class == -1 ? it->value[k].pixels : 0;
        }
        if (strays)
            st = un_dataset_issue(p->d, UN_ISSUE_STRAY_VALUES, i, p->d->items[i].mask, p->err,
                "%lld pixels have values that mean no class; they are left out of loss and scores", (long long)strays);
        if (!st && !front)
            st = un_dataset_issue(p->d, UN_ISSUE_EMPTY_MASK, i, p->d->items[i].mask, p->err,
                ignored ? "no pixel but of class 0 and of ignored values" : "no pixel but of class 0");
    }
    return st;
}

static unet_status finish(proposal *p)
{
    un_config *c = p->cfg;
    un_label_map *map;
    unet_status st;

    if (un_is_auto(c->model.classes))
        c->model.classes = c->data.classes.n;
    if (c->model.head == UN_CFG_HEAD_AUTO) {
        c->model.head = c->data.mask_kind == UN_CFG_MASK_MULTILABEL ? UN_CFG_HEAD_MULTILABEL : UN_CFG_HEAD_SOFTMAX;
        because(
            p, "model.head", c->model.head == UN_CFG_HEAD_SOFTMAX ? "one class for each pixel" : "classes may overlap");
    }
    st = un_label_map_create(&map, p->s->mem, c, p->err);
    if (st)
        return st;
    propose_foreground(p, map);
    st = check_masks(p, map);
    un_label_map_destroy(map);
    return st;
}

unet_status un_scan_propose(un_config *cfg, un_dataset *d, const un_scan *s, un_text *why, unet_error *err)
{
    proposal p = {.cfg = cfg, .d = d, .s = s, .why = why, .err = err};
    unet_status st;

    propose_input(&p);
    st = un_odd_forms(d, s, err);
    if (!st)
        st = collect(&p);
    if (!st && p.masks) {
        propose_kind(&p);
        if (cfg->data.mask_kind == UN_CFG_MASK_INDEX && cfg->data.mapping.n < 1 && !p.by_colour && !p.fractional) {
            st = un_odd_ranges(d, s, p.n > 1 && p.all[1].v <= UN_SMALL_MOST, err);
            if (!st)
                st = collect(&p);
        }
    }
    if (!st && p.masks) {
        propose_ignore(&p);
        st = propose_classes(&p);
        if (!st && cfg->data.classes.n < 2 && cfg->data.mask_kind != UN_CFG_MASK_MULTILABEL)
            st = un_fail_file(err, UNET_E_DATA, d->root,
                "all masks have one value only, so there is nothing to tell apart; if it is instance ids, "
                "set data.mask_kind=instance");
        if (!st)
            st = finish(&p);
    }
    un_free(p.all);
    return st;
}
