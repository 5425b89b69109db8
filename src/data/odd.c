/* Masks that are unlike the others: one in another form would decide what all of them mean. */
#include "data/odd.h"

enum { SLIPS_MOST = 8 };

int un_mask_is_used(const un_dataset *d, const un_scan *s, int i)
{
    return s->item[i].mask_d > 0 && !s->item[i].status && !d->items[i].left_out;
}

/* Masks that are unlike the others are at most a fifth; if there are more, these are the data. */
static int few_are_odd(int odd, int masks)
{
    return odd > 0 && masks >= UN_ODD_MASKS_MIN && 5 * odd <= masks;
}

unet_status un_odd_leave_out(un_dataset *d, int i, const char *text, unet_error *err)
{
    return un_dataset_issue(d, UN_ISSUE_MASK_ODD, i, d->items[i].mask, err, "%s", text);
}

static double largest_value(const un_scan_item *it)
{
    return it->values ? it->value[it->values - 1].value : 0;
}

static int colours_differ(const un_scan_item *it, int most)
{
    return it->by_colour != most;
}

static int is_fractional(const un_scan_item *it, int most)
{
    return it->fractional && !most;
}

static int is_wide(const un_scan_item *it, int most)
{
    (void)most;
    return !it->by_colour && largest_value(it) > UN_BYTE_MOST;
}

/* More values in the range of a picture than slips of an index mask can be. */
static int is_like_picture(const un_scan_item *it, int most)
{
    int n = 0;

    (void)most;
    for (int k = 0; k < it->values; k++)
        n += it->value[k].value > UN_SMALL_MOST && it->value[k].value != UN_BYTE_MOST;
    return !it->by_colour && n > SLIPS_MOST;
}

/* Leaves out the masks that fit the test when they are few. */
static unet_status drop_odd(un_dataset *d, const un_scan *s, int (*odd)(const un_scan_item *it, int most), int most,
    const char *text, unet_error *err)
{
    int n = 0, masks = 0;
    unet_status st = UNET_OK;

    for (int i = 0; i < s->count; i++)
        if (un_mask_is_used(d, s, i)) {
            masks++;
            n += odd(&s->item[i], most);
        }
    for (int i = 0; i < s->count && few_are_odd(n, masks) && !st; i++)
        if (un_mask_is_used(d, s, i) && odd(&s->item[i], most))
            st = un_odd_leave_out(d, i, text, err);
    return st;
}

/* Forms first: a mask in colours among numbers would turn all of them into colours. */
unet_status un_odd_forms(un_dataset *d, const un_scan *s, unet_error *err)
{
    int colours = 0, masks = 0;
    unet_status st;

    for (int i = 0; i < s->count; i++)
        if (un_mask_is_used(d, s, i)) {
            masks++;
            colours += s->item[i].by_colour;
        }
    st = drop_odd(d, s, colours_differ, 2 * colours > masks,
        2 * colours > masks ? "the mask is grey, most others have colours"
                            : "the mask has colours, most others are grey",
        err);
    return st ? st
              : drop_odd(
                    d, s, is_fractional, 0, "the mask has values that are no whole numbers, unlike most others", err);
}

/* Then ranges, where values are classes: a picture saved as a mask, or 16 bits among 8, would decide the levels. */
unet_status un_odd_ranges(un_dataset *d, const un_scan *s, int small_values, unet_error *err)
{
    int small = 0, bytes = 0, masks = 0;
    unet_status st = UNET_OK;

    for (int i = 0; i < s->count; i++)
        if (un_mask_is_used(d, s, i)) {
            masks++;
            bytes += !is_wide(&s->item[i], 0);
            small += !is_like_picture(&s->item[i], 0) && largest_value(&s->item[i]) <= UN_BYTE_MOST;
        }
    if (5 * bytes >= 4 * masks)
        st = drop_odd(d, s, is_wide, 0, "the mask has values above 255, most others have not", err);
    if (!st && 5 * small >= 4 * masks && small_values)
        st = drop_odd(d, s, is_like_picture, 0, "the mask has as many values as a picture, most others have few", err);
    return st;
}
