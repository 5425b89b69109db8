/* What a scan shows about the pictures together: files that fail, sizes that differ, pictures that come
 * twice, and which pictures are alike in their intensities. */
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "data/scan.h"

const double un_scan_percent[UN_SCAN_QUANTILES] = {0.5, 1, 5, 25, 50, 75, 95, 99, 99.5};

void un_scan_item_free(un_scan_item *it)
{
    if (!it)
        return;
    un_free(it->problem);
    un_free(it->problem_file);
    un_free(it->channel);
    un_free(it->value);
    un_free(it->plane_pixels);
    memset(it, 0, sizeof *it);
}

/* ---- one item
 * ---------------------------------------------------------------------------------------------------- */

/* Both have the same extents, as EXIF turns them. */
static unet_status check_turns(un_dataset *d, int i, const un_scan_item *it, unet_error *err)
{
    const un_item *item = &d->items[i];
    const char *const check = "check that they lie on each other, else set data.exif=false";

    if (it->orientation == it->mask_orientation)
        return UNET_OK;
    if (it->mask_orientation == 1)
        return un_dataset_issue(d, UN_ISSUE_EXIF_ONE_SIDE, i, item->images[0], err,
            "EXIF turns the picture (orientation %d) but not the mask (1); %s", it->orientation, check);
    if (it->orientation == 1)
        return un_dataset_issue(d, UN_ISSUE_EXIF_ONE_SIDE, i, item->mask, err,
            "EXIF turns the mask (orientation %d) but not the picture (1); %s", it->mask_orientation, check);
    return un_dataset_issue(d, UN_ISSUE_EXIF_ONE_SIDE, i, item->mask, err,
        "EXIF turns the mask (orientation %d) otherwise than the picture (%d); %s", it->mask_orientation,
        it->orientation, check);
}

static unet_status check_extents(un_dataset *d, int i, const un_scan_item *it, int multilabel, unet_error *err)
{
    const un_item *item = &d->items[i];
    const int across = it->mask_h == it->w && it->mask_w == it->h;

    if (it->mask_h == it->h && it->mask_w == it->w && (it->mask_d == it->d || (multilabel && it->d == 1)))
        return check_turns(d, i, it, err);
    if (across && it->orientation >= 5 && it->mask_orientation < 5)
        return un_dataset_issue(d, UN_ISSUE_SIZE_DIFFERS, i, item->images[0], err,
            "EXIF turns the picture to %dx%d, but its mask is %dx%d (h x w): the mask was drawn on the "
            "picture as it is stored; set data.exif=false",
            it->h, it->w, it->mask_h, it->mask_w);
    if (across && it->orientation < 5 && it->mask_orientation >= 5)
        return un_dataset_issue(d, UN_ISSUE_SIZE_DIFFERS, i, item->mask, err,
            "EXIF turns the mask to %dx%d, but its picture is %dx%d (h x w): as stored they fit; set data.exif=false",
            it->mask_h, it->mask_w, it->h, it->w);
    if (it->d == 1 && it->mask_d == 1)
        return un_dataset_issue(d, UN_ISSUE_SIZE_DIFFERS, i, item->mask, err,
            "the mask is %dx%d, its picture %dx%d (h x w)", it->mask_h, it->mask_w, it->h, it->w);
    return un_dataset_issue(d, UN_ISSUE_SIZE_DIFFERS, i, item->mask, err,
        "the mask is %dx%dx%d, its picture %dx%dx%d (d x h x w)", it->mask_d, it->mask_h, it->mask_w, it->d, it->h,
        it->w);
}

/* Whether the least value is one that programs write where they have no data, and nothing else comes near it. */
static int is_sentinel(const un_scan_channel *ch)
{
    static const double usual[] = {-999, -9999, -32768, -32767, -99999, -999999};
    int known = ch->m.min < -1e30;

    for (size_t k = 0; k < UN_COUNT(usual); k++)
        known |= ch->m.min == usual[k];
    return known && ch->q[UN_SCAN_QUANTILES / 2] > ch->m.min / 2;
}

static unet_status check_values(un_dataset *d, int i, const un_scan_item *it, const un_config *cfg, unet_error *err)
{
    const char *file = d->items[i].images[0];
    int constant = 1;
    unet_status st = UNET_OK;

    for (int k = 0; k < it->c; k++)
        constant &= it->channel[k].m.min == it->channel[k].m.max;
    if (it->not_finite)
        st = un_dataset_issue(d, UN_ISSUE_NOT_FINITE, i, file, err,
            "%lld values are NaN or infinite; they are left out of loss and scores", (long long)it->not_finite);
    for (int k = 0; k < it->c && !st && un_is_auto(cfg->data.no_data); k++)
        if (is_sentinel(&it->channel[k]))
            st = un_dataset_issue(d, UN_ISSUE_NO_DATA, i, file, err,
                "channel %d has values of %.9g, far below all others; set data.no_data=%.9g if they mean no data", k,
                it->channel[k].m.min, it->channel[k].m.min);
    if (!st && constant)
        st = un_dataset_issue(d, UN_ISSUE_CONSTANT, i, file, err, "all pixels have one value");
    return st;
}

static unet_status check_item(un_dataset *d, int i, const un_scan_item *it, const un_config *cfg, unet_error *err)
{
    const int multilabel = cfg->data.mask_kind == UN_CFG_MASK_MULTILABEL;
    unet_status st;

    if (it->status && d->items[i].left_out) /* a file that is not there was told when the table was read */
        return UNET_OK;
    if (it->status)
        return un_dataset_issue(d, UN_ISSUE_UNREADABLE, i, it->problem_file, err, "%s", it->problem);
    st = check_values(d, i, it, cfg, err);
    if (!st && it->mask_d)
        st = check_extents(d, i, it, multilabel, err);
    if (!st && it->affine_differs)
        st = un_dataset_issue(d, UN_ISSUE_GRID_DIFFERS, i, d->items[i].mask, err,
            "the mask's place in space (affine) is not that of its picture; the picture's is used");
    return st;
}

/* ---- channels
 * ---------------------------------------------------------------------------------------------------- */

/* One and three channels go together (grey and colour); any other count must be that of most pictures. */
static unet_status check_channels(un_dataset *d, const un_scan *s, unet_error *err)
{
    int most = 0, times = 0;
    unet_status st = UNET_OK;

    for (int i = 0; i < s->count; i++) {
        int n = 0;

        if (s->item[i].status)
            continue;
        for (int k = 0; k < s->count; k++)
            n += !s->item[k].status && s->item[k].c == s->item[i].c;
        if (n > times) {
            times = n;
            most = s->item[i].c;
        }
        if (2 * n >= s->count) /* no other can be more often */
            break;
    }
    for (int i = 0; i < s->count && !st; i++) {
        const int c = s->item[i].c, fits = c == most || ((c == 1 || c == 3) && (most == 1 || most == 3));

        if (!s->item[i].status && !fits)
            st = un_dataset_issue(d, UN_ISSUE_CHANNELS_DIFFER, i, d->items[i].images[0], err,
                "%d channels, but most pictures have %d", c, most);
    }
    return st;
}

/* ---- equal pictures
 * ---------------------------------------------------------------------------------------------- */

typedef struct same {
    int64_t hash;
    int item;
} same;

static int by_hash(const void *a, const void *b)
{
    const same *x = a, *y = b;

    return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash) : x->item - y->item;
}

static const char *group_of(const un_item *it)
{
    return it->group ? it->group : it->name;
}

/* What is drawn must not have one of them train and the other be scored. */
static void keep_together(un_dataset *d, const un_item *a, const un_item *b)
{
    const char *to = group_of(a), *from = group_of(b);

    for (int i = 0; i < d->base_count && strcmp(to, from); i++)
        if (!strcmp(group_of(&d->items[i]), from))
            d->items[i].group = to;
}

/* Told, and those that the layout puts on one side are one group from here on. */
static unet_status find_equal(un_dataset *d, const un_scan *s, unet_error *err)
{
    same *v = un_alloc_array(s->mem, (size_t)s->count, sizeof *v);
    int n = 0;
    unet_status st = UNET_OK;

    if (!v)
        return un_fail_nomem(err, (size_t)s->count * sizeof *v);
    for (int i = 0; i < s->count; i++)
        if (!s->item[i].status)
            v[n++] = (same){s->item[i].hash, i};
    qsort(v, (size_t)n, sizeof *v, by_hash);
    for (int i = 1, first = 0; i < n && !st; i++) {
        const un_item *a = &d->items[v[first].item], *b = &d->items[v[i].item];

        if (v[i].hash != v[first].hash)
            first = i;
        else if (a->split != b->split && a->split != UN_SPLIT_NONE && b->split != UN_SPLIT_NONE)
            st = un_dataset_issue(d, UN_ISSUE_LEAK, v[i].item, b->images[0], err,
                "the same picture as %s, but that one is in %s and this one in %s: scores will be too good",
                un_dataset_relative(d, a->images[0]), un_split_name(a->split), un_split_name(b->split));
        else {
            if (a->split == b->split)
                keep_together(d, a, b);
            st = un_dataset_issue(d, UN_ISSUE_DUPLICATE, v[i].item, b->images[0], err, "the same picture as %s",
                un_dataset_relative(d, a->images[0]));
        }
    }
    un_free(v);
    return st;
}

/* ---- kinds of pictures
 * ------------------------------------------------------------------------------------------- */

/* A picture's place in a square: how bright its middle value is (of the number type for 8 bits, else within
 * its own range), and how colourful it is. Occupied cells that touch are one kind, so that what changes
 * gradually stays together and only a gap separates: fluorescence on black, bright field, stained tissue. */
enum { CELLS = 10, SQUARE = CELLS * CELLS };

static int to_cell(double v)
{
    return v <= 0 ? 0 : v >= 1 ? CELLS - 1 : UN_MIN((int)(v * CELLS), CELLS - 1);
}

/* bytes: all pictures have 8 bits, whose values can be compared; else each by its own range. */
static int cell_of(const un_scan_item *it, int bytes)
{
    double bright = 0;

    for (int k = 0; k < it->c; k++) {
        const double lo = it->channel[k].q[0], hi = it->channel[k].q[UN_SCAN_QUANTILES - 1], mid = it->channel[k].q[4];

        if (bytes)
            bright += mid / 255 / it->c;
        else
            bright += hi > lo ? (mid - lo) / (hi - lo) / it->c : 0;
    }
    return to_cell(bright) * CELLS + to_cell(it->saturation);
}

static void flood(const unsigned char *used, int *kind, int start, int number)
{
    int stack[SQUARE], n = 0;

    stack[n++] = start;
    kind[start] = number;
    while (n) {
        const int at = stack[--n];

        for (int k = 0; k < 9; k++) {
            const int y = at / CELLS + k / 3 - 1, x = at % CELLS + k % 3 - 1, to = y * CELLS + x;

            if (y < 0 || y >= CELLS || x < 0 || x >= CELLS || !used[to] || kind[to] >= 0)
                continue;
            kind[to] = number;
            stack[n++] = to;
        }
    }
}

static void find_kinds(un_dataset *d, const un_scan *s)
{
    unsigned char used[SQUARE] = {0};
    int kind[SQUARE], kinds = 0, bytes = 1;

    for (int i = 0; i < s->count; i++)
        bytes &= s->item[i].status || s->item[i].type == UN_DTYPE_U8;
    for (int i = 0; i < s->count; i++)
        if (!s->item[i].status)
            used[cell_of(&s->item[i], bytes)] = 1;
    memset(kind, -1, sizeof kind);
    for (int i = 0; i < s->count; i++) {
        const int at = s->item[i].status ? -1 : cell_of(&s->item[i], bytes);

        if (at >= 0 && kind[at] < 0)
            flood(used, kind, at, kinds++);
        d->items[i].kind = at >= 0 ? kind[at] : 0;
    }
}

unet_status un_scan_find_issues(un_dataset *d, const un_scan *s, const un_config *cfg, unet_error *err)
{
    unet_status st = UNET_OK;

    for (int i = 0; i < s->count && !st; i++)
        st = check_item(d, i, &s->item[i], cfg, err);
    if (!st)
        st = check_channels(d, s, err);
    if (!st)
        st = find_equal(d, s, err);
    find_kinds(d, s);
    return st;
}
