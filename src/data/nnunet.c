/* nnU-Net raw folders: dataset.json, imagesTr/NAME_0000.ending, labelsTr/NAME.ending, and imagesTs, labelsTs.
 */
#include "data/layout.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/image.h"
#include "io/json.h"

enum { JSON_MAX_BYTES = 64 << 20, CHANNEL_DIGITS = 4 };

/* ---- dataset.json
 * ------------------------------------------------------------------------------------------------ */

typedef struct labels {
    un_nnunet *out;
    const char *name;
    unet_error *err;
} labels;

static unet_status add_label(labels *l, const char *label, int64_t value)
{
    un_cfg_class_list *c = &l->out->classes;
    un_cfg_class *k;

    if (value < 0 || value > 65535)
        return un_fail_file(l->err, UNET_E_FORMAT, l->name, "label '%s' has the value %lld; 0 to 65535 is possible",
            label, (long long)value);
    if (!strcmp(label, "ignore")) {
        l->out->ignore_value = (int)value;
        return UNET_OK;
    }
    if (c->n == UN_CFG_MAX_class)
        return un_fail_file(l->err, UNET_E_LIMIT, l->name, "more than %d labels", UN_CFG_MAX_class);
    for (int i = 0; i < c->n; i++)
        if (c->v[i].value == value)
            return un_fail_file(
                l->err, UNET_E_FORMAT, l->name, "labels '%s' and '%s' have the same value", c->v[i].name, label);
    k = &c->v[c->n++];
    *k = (un_cfg_class){.value = (int)value, .color = UN_AUTO_COLOUR};
    strncpy(k->name, label, sizeof k->name - 1);
    return UNET_OK;
}

/* Version 2: {"background": 0, "tumour": 1}; version 1: {"0": "background", "1": "tumour"}. */
static unet_status read_labels(labels *l, const un_json *j)
{
    void *iter = NULL;
    const char *key;
    const un_json *v;
    int64_t value;
    unet_status st = UNET_OK;

    while (!st && un_json_next(j, &iter, &key, &v)) {
        if (un_json_int(v, &value))
            st = add_label(l, key, value);
        else if (un_json_string(v) && un_parse_int64(key, &value))
            st = add_label(l, un_json_string(v), value);
        else if (un_json_is_array(v))
            st = un_fail_file(l->err, UNET_E_UNSUPPORTED, l->name,
                "label '%s' is a region of several values; labels of one value each are read", key);
        else
            st = un_fail_file(l->err, UNET_E_FORMAT, l->name, "label '%s' has no whole number", key);
    }
    if (!st && !l->out->classes.n)
        st = un_fail_file(l->err, UNET_E_FORMAT, l->name, "no labels");
    return st;
}

static int by_value(const void *a, const void *b)
{
    const un_cfg_class *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

unet_status un_nnunet_parse(un_nnunet *out, const char *text, size_t size, const char *name, unet_error *err)
{
    labels l = {out, name, err};
    un_json *j;
    const un_json *channels;
    const char *ending;
    unet_status st;

    memset(out, 0, sizeof *out);
    out->ignore_value = -1;
    st = un_json_parse(&j, NULL, text, size, name, err);
    if (st)
        return st;
    channels = un_json_get(j, "channel_names");
    if (!channels)
        channels = un_json_get(j, "modality");
    ending = un_json_string(un_json_get(j, "file_ending"));
    if (!un_json_is_object(j) || !un_json_is_object(un_json_get(j, "labels")))
        st = un_fail_file(err, UNET_E_FORMAT, name, "no object 'labels'; this is no dataset.json of nnU-Net");
    else if (channels && (!un_json_count(channels) || un_json_count(channels) > 1024))
        st = un_fail_file(err, UNET_E_FORMAT, name, "%zu channels; 1 to 1024 are possible", un_json_count(channels));
    else if (ending && strlen(ending) >= sizeof out->ending)
        st = un_fail_file(err, UNET_E_FORMAT, name, "file_ending is too long");
    else
        st = read_labels(&l, un_json_get(j, "labels"));
    out->channels = channels ? (int)un_json_count(channels) : 1;
    if (ending && !st)
        memcpy(out->ending, ending, strlen(ending) + 1);
    un_json_free(j);
    qsort(out->classes.v, (size_t)out->classes.n, sizeof *out->classes.v, by_value);
    return st;
}

/* ---- the folders
 * ------------------------------------------------------------------------------------------------- */

/* Length of the case in "case_0001"; 0: no channel number. */
static size_t case_length(const char *stem)
{
    const size_t n = strlen(stem);

    if (n < CHANNEL_DIGITS + 2 || stem[n - CHANNEL_DIGITS - 1] != '_')
        return 0;
    for (int i = 1; i <= CHANNEL_DIGITS; i++)
        if (!isdigit((unsigned char)stem[n - (size_t)i]))
            return 0;
    return n - CHANNEL_DIGITS - 1;
}

static unet_status add_case(
    un_dataset *d, const un_files *images, int from, int to, const un_nnunet *nn, un_split split, unet_error *err)
{
    const un_found *v = images->v;
    const size_t n = case_length(v[from].stem);
    un_item *it = un_dataset_add(d);
    const char **paths = un_arena_alloc(d->arena, (size_t)(to - from) * sizeof *paths);

    if (!it || !paths)
        return un_fail_nomem(err, sizeof *it);
    for (int i = from; i < to; i++)
        paths[i - from] = v[i].path;
    it->images = paths;
    it->image_count = to - from;
    it->split = split;
    it->name = un_dataset_text(d, "%.*s", (int)(n ? n : strlen(v[from].stem)), v[from].stem);
    if (!it->name)
        return un_fail_nomem(err, n);
    for (int i = 0; i < nn->channels && n; i++)
        if (i >= to - from || strtol(v[from + i].stem + n + 1, NULL, 10) != i)
            return un_dataset_issue(d, UN_ISSUE_CHANNEL_MISSING, d->count - 1, v[from].path, err,
                "channel _%04d of %d is missing", i, nn->channels);
    if (to - from > nn->channels)
        return un_dataset_issue(d, UN_ISSUE_CHANNEL_MISSING, d->count - 1, v[from].path, err,
            "%d channel files, but dataset.json names %d", to - from, nn->channels);
    return UNET_OK;
}

/* Masks belong to cases of the same name; both are sorted. */
static unet_status add_masks(un_dataset *d, int first, const un_files *masks, unet_error *err)
{
    unet_status st = UNET_OK;
    int k = first;

    for (int i = 0; i < masks->n && !st; i++) {
        for (k = first; k < d->count && strcmp(d->items[k].name, masks->v[i].stem); k++)
            ;
        if (k < d->count)
            d->items[k].mask = masks->v[i].path;
        else
            st = un_dataset_issue(d, UN_ISSUE_MASK_ALONE, -1, masks->v[i].path, err, "no picture has this name");
    }
    for (k = first; k < d->count && !st; k++)
        if (!d->items[k].mask)
            st = un_dataset_issue(d, UN_ISSUE_UNLABELLED, k, d->items[k].images[0], err,
                "no mask has this name; the picture is not used");
    return st;
}

static unet_status add_part(un_dataset *d, const un_nnunet *nn, const char *suffix, un_split split, unet_error *err)
{
    const char *images_at = un_dataset_text(d, "%s/images%s", d->root, suffix);
    const char *masks_at = un_dataset_text(d, "%s/labels%s", d->root, suffix);
    un_files images = {0}, masks = {0};
    const int first = d->count;
    unet_status st;

    if (!images_at || !masks_at)
        return un_fail_nomem(err, 1);
    if (!un_path_is_dir(images_at))
        return UNET_OK;
    st = un_files_walk(&images, d, images_at, 0, 1, err);
    if (!st && un_path_is_dir(masks_at))
        st = un_files_walk(&masks, d, masks_at, 0, 1, err);
    if (!st)
        st = un_files_unique(&images, d, "pictures", err);
    if (!st)
        st = un_files_unique(&masks, d, "masks", err);
    for (int from = 0, to; from < images.n && !st; from = to) {
        const size_t n = case_length(images.v[from].stem);

        for (to = from + 1; to < images.n && n && case_length(images.v[to].stem) == n &&
                            !strncmp(images.v[to].stem, images.v[from].stem, n);
             to++)
            ;
        st = add_case(d, &images, from, to, nn, split, err);
    }
    if (!st)
        st = add_masks(d, first, &masks, err);
    un_free(images.v);
    un_free(masks.v);
    return st;
}

unet_status un_nnunet_add(un_dataset *d, const char *json_path, unet_error *err)
{
    un_nnunet *nn = un_alloc_zero(d->mem, sizeof *nn);
    unsigned char *text = NULL;
    size_t size;
    unet_status st;

    if (!nn)
        return un_fail_nomem(err, sizeof *nn);
    st = un_file_read(&text, &size, d->mem, json_path, JSON_MAX_BYTES, err);
    if (!st)
        st = un_nnunet_parse(nn, (const char *)text, size, json_path, err);
    un_free(text);
    if (!st)
        st = add_part(d, nn, "Tr", UN_SPLIT_NONE, err);
    if (!st)
        st = add_part(d, nn, "Ts", UN_SPLIT_TEST, err);
    if (!st) {
        d->classes = un_arena_alloc(d->arena, sizeof *d->classes);
        if (d->classes)
            *d->classes = nn->classes;
        else
            st = un_fail_nomem(err, sizeof *d->classes);
        d->ignore_value = nn->ignore_value;
    }
    un_free(nn);
    return st;
}
