/* Finding out how a data set is laid out: names of folders, sub-folders of splits, lists, tables. */
#include "data/layout.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <strings.h>

#include "base/file.h"
#include "base/size.h"
#include "io/image.h"

static const char *const image_folders[] = {
    "images", "image", "imgs", "img", "pictures", "inputs", "input", "imagesTr", "raw", "photos", "tiles", "slices"};
static const char *const mask_folders[] = {"masks", "mask", "labels", "label", "labelsTr", "gt", "ground_truth",
    "groundtruth", "annotations", "annotation", "segmentations", "segmentation", "seg", "targets", "target", "manual",
    "1st_manual"};

static const struct {
    const char *word;
    un_split split;
} split_words[] = {{"train", UN_SPLIT_TRAIN}, {"training", UN_SPLIT_TRAIN}, {"val", UN_SPLIT_VAL},
    {"valid", UN_SPLIT_VAL}, {"validation", UN_SPLIT_VAL}, {"dev", UN_SPLIT_VAL}, {"test", UN_SPLIT_TEST},
    {"testing", UN_SPLIT_TEST}};

int un_split_parse(const char *word, size_t n, un_split *out)
{
    for (size_t i = 0; i < UN_COUNT(split_words); i++)
        if (strlen(split_words[i].word) == n && !strncasecmp(word, split_words[i].word, n)) {
            *out = split_words[i].split;
            return 1;
        }
    return 0;
}

/* ---- walking
 * ---------------------------------------------------------------------------------------------------- */

static unet_status append(un_files *f, un_dataset *d, const char *stem, const char *path, unet_error *err)
{
    if (f->n == f->cap) {
        const int cap = f->cap ? f->cap * 2 : 64;
        un_found *p = cap > 0 ? un_realloc(d->mem, f->v, (size_t)cap * sizeof *p) : NULL;

        if (!p)
            return un_fail_nomem(err, sizeof *p);
        f->v = p;
        f->cap = cap;
    }
    f->v[f->n++] = (un_found){.stem = stem, .path = path, .pair = -1};
    return UNET_OK;
}

static unet_status add_file(un_files *f, un_dataset *d, const char *path, const char *rel, unet_error *err)
{
    const char *stem = un_dataset_text(d, "%.*s", (int)un_image_stem_length(rel), rel);

    return stem ? append(f, d, stem, path, err) : un_fail_nomem(err, strlen(rel));
}

typedef struct walk {
    un_files *out;
    un_dataset *d;
    int deep, tell;
    struct above {
        dev_t device;
        ino_t inode;
    } above[UN_WALK_DEPTH + 1]; /* the folder of each level */
    unet_error *err;
} walk;

/* Notes the folder of this level; 1: it is one of those above, reached again by a link. */
static int leads_back(walk *w, const char *folder, int level)
{
    struct stat s;

    if (stat(folder, &s))
        return 0;
    for (int i = 0; i < level; i++)
        if (w->above[i].device == s.st_dev && w->above[i].inode == s.st_ino)
            return 1;
    w->above[level] = (struct above){s.st_dev, s.st_ino};
    return 0;
}

/* A file without a usual suffix is what its first bytes say. */
static unet_status step_file(walk *w, const char *path, const char *rel)
{
    const char *format;
    un_look look;

    if (un_image_name_is_readable(rel))
        return add_file(w->out, w->d, path, rel, w->err);
    look = un_image_look(w->d->mem, path, &format);
    if (look == UN_LOOK_PICTURE)
        return add_file(w->out, w->d, path, rel, w->err);
    if (look == UN_LOOK_FOREIGN)
        return un_dataset_issue(w->d, UN_ISSUE_FOREIGN, -1, path, w->err, "%s is not supported", format);
    return !w->tell ? UNET_OK
                    : un_dataset_issue(w->d, UN_ISSUE_IGNORED_FILE, -1, path, w->err,
                          "neither its name nor its first bytes are those of a picture format that can be read");
}

static unet_status step(walk *w, const char *folder, const char *rel, int level)
{
    char **names;
    size_t count;
    unet_status st;

    if (leads_back(w, folder, level))
        return un_dataset_issue(
            w->d, UN_ISSUE_IGNORED_FILE, -1, folder, w->err, "a link that leads back to a folder above it");
    st = un_dir_list(&names, &count, w->d->mem, folder, w->err);
    if (st)
        return st;
    for (size_t i = 0; i < count && !st; i++) {
        const char *path = un_dataset_text(w->d, "%s/%s", folder, names[i]);
        const char *r = un_dataset_text(w->d, "%s%s%s", rel, *rel ? "/" : "", names[i]);

        if (!path || !r)
            st = un_fail_nomem(w->err, strlen(folder));
        else if (un_path_is_dir(path))
            st = w->deep && level < UN_WALK_DEPTH ? step(w, path, r, level + 1) : UNET_OK;
        else
            st = step_file(w, path, r);
    }
    un_free(names);
    return st;
}

static int by_stem(const void *a, const void *b)
{
    const un_found *x = a, *y = b;
    const int c = strcmp(x->stem, y->stem);

    return c ? c : strcmp(x->path, y->path);
}

unet_status un_files_walk(un_files *out, un_dataset *d, const char *folder, int deep, int tell, unet_error *err)
{
    walk w = {.out = out, .d = d, .deep = deep, .tell = tell, .err = err};
    unet_status st;

    *out = (un_files){0};
    st = step(&w, folder, "", 0);
    if (out->n)
        qsort(out->v, (size_t)out->n, sizeof *out->v, by_stem);
    return st;
}

unet_status un_files_unique(un_files *f, un_dataset *d, const char *what, unet_error *err)
{
    int kept = 0;

    for (int i = 0; i < f->n; i++) {
        unet_status st;

        if (!kept || strcmp(f->v[kept - 1].stem, f->v[i].stem)) {
            f->v[kept++] = f->v[i];
            continue;
        }
        st = un_dataset_issue(d, UN_ISSUE_STEM_TWICE, -1, f->v[i].path, err,
            "two %s have the name '%s': %s is the other; remove one of them", what, f->v[i].stem,
            un_dataset_relative(d, f->v[kept - 1].path));
        if (st)
            return st;
    }
    f->n = kept;
    return UNET_OK;
}

/* ---- folders of pictures and of masks
 * ---------------------------------------------------------------------------- */

/* The first of the words that is a folder below `folder`, in any case of letters; NULL: none. */
static unet_status find_folder(
    const char **out, un_dataset *d, const char *folder, const char *const *words, size_t count, unet_error *err)
{
    char **names;
    size_t n;
    unet_status st = un_dir_list(&names, &n, d->mem, folder, err);

    *out = NULL;
    if (st)
        return st;
    for (size_t k = 0; k < count && !*out && !st; k++)
        for (size_t i = 0; i < n && !*out && !st; i++) {
            const char *path;

            if (strcasecmp(names[i], words[k]))
                continue;
            path = un_dataset_text(d, "%s/%s", folder, names[i]);
            if (!path)
                st = un_fail_nomem(err, strlen(folder));
            else if (un_path_is_dir(path))
                *out = path;
        }
    un_free(names);
    return st;
}

typedef struct folders {
    const char *images, *masks; /* NULL: none found */
} folders;

/* A folder that the configuration names must be there; the default names have synonyms. */
static unet_status find_one(const char **out, un_dataset *d, const char *folder, const char *told, const char *usual,
    const char *const *words, size_t count, unet_error *err)
{
    if (!strcmp(told, usual))
        return find_folder(out, d, folder, words, count, err);
    *out = told[0] == '/' ? told : un_dataset_text(d, "%s/%s", folder, told);
    if (!*out)
        return un_fail_nomem(err, strlen(folder));
    if (!un_path_is_dir(*out))
        return un_fail_file(err, UNET_E_NOT_FOUND, *out, "there is no such folder (data.%s)", usual);
    return UNET_OK;
}

static unet_status find_both(folders *f, un_dataset *d, const char *folder, const un_cfg_data *cfg, unet_error *err)
{
    unet_status st =
        find_one(&f->images, d, folder, cfg->images, "images", image_folders, UN_COUNT(image_folders), err);

    return st ? st : find_one(&f->masks, d, folder, cfg->masks, "masks", mask_folders, UN_COUNT(mask_folders), err);
}

/* Pictures and masks in one folder: those whose names say so are masks. */
static unet_status part_flat(un_files *images, un_files *masks, un_dataset *d, unet_error *err)
{
    int kept = 0;

    for (int i = 0; i < images->n; i++) {
        unet_status st = UNET_OK;

        if (un_stem_is_mask(images->v[i].stem))
            st = append(masks, d, images->v[i].stem, images->v[i].path, err);
        else
            images->v[kept++] = images->v[i];
        if (st)
            return st;
    }
    images->n = kept;
    return UNET_OK;
}

/* Everything below one folder: images/ and masks/, pictures beside masks/, or all in one folder. */
static unet_status add_folder(
    un_dataset *d, const char *folder, const un_cfg_data *cfg, const char *prefix, un_split split, unet_error *err)
{
    un_files images = {0}, masks = {0};
    folders f;
    unet_status st = find_both(&f, d, folder, cfg, err);

    if (!st)
        st = un_files_walk(&images, d, f.images ? f.images : folder, f.images != NULL, f.images != NULL, err);
    if (!st && f.masks)
        st = un_files_walk(&masks, d, f.masks, 1, 1, err);
    else if (!st && !f.images)
        st = part_flat(&images, &masks, d, err);
    if (!st)
        st = un_files_unique(&images, d, "pictures", err);
    if (!st)
        st = un_files_unique(&masks, d, "masks", err);
    if (!st)
        st = un_pairs_match(&images, &masks, d, cfg, err);
    if (!st)
        st = un_pairs_add(d, &images, &masks, prefix, split, err);
    un_free(images.v);
    un_free(masks.v);
    return st;
}

/* images/train/a.png and so on: when each name begins with the word of a split, these are the splits. */
static int splits_from_names(un_dataset *d)
{
    un_split s;

    for (int i = 0; i < d->count; i++) {
        const size_t n = strcspn(d->items[i].name, "/");

        if (!d->items[i].name[n] || !un_split_parse(d->items[i].name, n, &s))
            return 0;
    }
    for (int i = 0; i < d->count; i++) {
        un_split_parse(d->items[i].name, strcspn(d->items[i].name, "/"), &s);
        d->items[i].split = s;
    }
    return d->count > 0;
}

/* ---- train/ val/ test/
 * ------------------------------------------------------------------------------------------- */

/* Adds the sub-folders named after splits; *n: how many there are. */
static unet_status add_splits(un_dataset *d, const un_cfg_data *cfg, int add, int *n, unet_error *err)
{
    char **names;
    size_t count;
    unet_status st = un_dir_list(&names, &count, d->mem, d->root, err);

    *n = 0;
    for (size_t i = 0; i < count && !st; i++) {
        un_split s;
        const char *path, *prefix;

        if (!un_split_parse(names[i], strlen(names[i]), &s))
            continue;
        path = un_dataset_text(d, "%s/%s", d->root, names[i]);
        prefix = un_dataset_text(d, "%s/", names[i]);
        if (!path || !prefix) {
            st = un_fail_nomem(err, strlen(d->root));
            continue;
        }
        if (!un_path_is_dir(path))
            continue;
        (*n)++;
        if (add)
            st = add_folder(d, path, cfg, prefix, s, err);
    }
    un_free(names);
    return st;
}

/* ---- choosing
 * ---------------------------------------------------------------------------------------------------- */

/* "images, masks, train.txt" for messages: what lies in the folder. */
static void name_some(un_text *t, un_dataset *d)
{
    char **names;
    size_t count;

    if (un_dir_list(&names, &count, d->mem, d->root, NULL))
        return;
    for (size_t i = 0; i < count && i < 8; i++)
        un_text_printf(t, "%s%s", i ? ", " : "", names[i]);
    if (count > 8)
        un_text_printf(t, " and %zu more", count - 8);
    if (!count)
        un_text_add(t, "nothing");
    un_free(names);
}

static unet_status nothing_found(un_dataset *d, unet_error *err)
{
    un_text t;
    unet_status st;

    for (int i = 0; i < d->issue_count; i++)
        if (d->issues[i].kind == UN_ISSUE_FOREIGN)
            return un_fail_file(
                err, UNET_E_UNSUPPORTED, d->issues[i].file, "%s; convert it to PNG, TIFF or NIfTI", d->issues[i].text);
    un_text_init(&t, d->mem, 1024);
    name_some(&t, d);
    st = un_fail_file(err, UNET_E_DATA, d->root,
        "no pictures found. Expected images/ and masks/, or these under train/, val/, test/, or a CSV with "
        "the columns image "
        "and mask, or dataset.json with imagesTr/; found: %s",
        t.s ? t.s : "");
    un_text_free(&t);
    return st;
}

/* Takes the table when it is one; `beside`: there are folders to go by too, so its files have to be there. */
static unet_status try_csv(const char **out, un_dataset *d, const char *name, int beside, unet_error *err)
{
    const char *path = un_dataset_text(d, "%s/%s", d->root, name);
    const un_csv_fit fit = path ? un_csv_look(d, path) : UN_CSV_OTHER;

    if (!path)
        return un_fail_nomem(err, strlen(name));
    if (fit == UN_CSV_OTHER)
        return UNET_OK;
    if (beside && fit == UN_CSV_ASTRAY)
        return un_dataset_issue(d, UN_ISSUE_IGNORED_FILE, -1, path, err,
            "it has the columns image and mask, but the files of its first row are not there; the folders are taken");
    if (*out)
        return un_fail_file(err, UNET_E_DATA, d->root,
            "two tables could list the pictures: %s and %s; say which by data.csv%s", un_dataset_relative(d, *out),
            name, beside ? ", or data.layout=pairs to go by the folders" : "");
    *out = path;
    return UNET_OK;
}

/* The CSV of the configuration, or the only one in the folder that fits; NULL: none. */
static unet_status find_csv(const char **out, un_dataset *d, const un_cfg_data *cfg, int beside, unet_error *err)
{
    char **names;
    size_t count;
    unet_status st;

    *out = NULL;
    if (cfg->csv[0]) {
        *out = cfg->csv[0] == '/' ? cfg->csv : un_dataset_text(d, "%s/%s", d->root, cfg->csv);
        return *out ? UNET_OK : un_fail_nomem(err, 1);
    }
    st = un_dir_list(&names, &count, d->mem, d->root, err);
    for (size_t i = 0; i < count && !st; i++) {
        const size_t n = strlen(names[i]);

        if (n > 4 && (!strcasecmp(names[i] + n - 4, ".csv") || !strcasecmp(names[i] + n - 4, ".tsv")))
            st = try_csv(out, d, names[i], beside, err);
    }
    un_free(names);
    return st;
}

/* Whether the split is written down in lists, or the folders are named by hand: then no table is looked for. */
static unet_status told_otherwise(int *told, un_dataset *d, const un_cfg_data *cfg, unet_error *err)
{
    static const char *const lists[] = {"train.txt", "val.txt", "test.txt"};

    *told = cfg->list_train[0] || cfg->list_val[0] || cfg->list_test[0] || strcmp(cfg->images, "images") != 0 ||
            strcmp(cfg->masks, "masks") != 0;
    for (size_t i = 0; i < UN_COUNT(lists); i++) {
        const char *path = un_dataset_text(d, "%s/%s", d->root, lists[i]);

        if (!path)
            return un_fail_nomem(err, strlen(d->root));
        *told |= un_path_exists(path);
    }
    return UNET_OK;
}

static unet_status choose(un_dataset *d, const un_cfg_data *cfg, const char **csv, unet_error *err)
{
    const char *json = un_dataset_text(d, "%s/dataset.json", d->root), *tr = un_dataset_text(d, "%s/imagesTr", d->root);
    folders f;
    int splits = 0, told = 0;
    unet_status st;

    if (!json || !tr)
        return un_fail_nomem(err, strlen(d->root));
    *csv = NULL;
    d->layout = cfg->layout;
    if (d->layout == UN_CFG_LAYOUT_CSV)
        return find_csv(csv, d, cfg, 0, err);
    if (d->layout != UN_CFG_LAYOUT_AUTO)
        return UNET_OK;
    if (un_path_exists(json) && un_path_is_dir(tr)) {
        d->layout = UN_CFG_LAYOUT_NNUNET;
        return UNET_OK;
    }
    st = find_both(&f, d, d->root, cfg, err);
    if (!st && !f.images)
        st = add_splits(d, cfg, 0, &splits, err);
    if (!st && f.images)
        st = told_otherwise(&told, d, cfg, err);
    if (!st && (cfg->csv[0] || (!splits && !told)))
        st = find_csv(csv, d, cfg, f.images != NULL, err);
    d->layout = *csv ? UN_CFG_LAYOUT_CSV : splits ? UN_CFG_LAYOUT_SPLITS : UN_CFG_LAYOUT_LISTS;
    return st;
}

static unet_status add_layout(un_dataset *d, const un_config *cfg, const char *csv, unet_error *err)
{
    const char *json;
    unet_status st;
    int n;

    switch (d->layout) {
    case UN_CFG_LAYOUT_CSV:
        return csv ? un_csv_add(d, csv, err)
                   : un_fail_file(err, UNET_E_NOT_FOUND, d->root, "no table with the columns image and mask lies here");
    case UN_CFG_LAYOUT_NNUNET:
        json = un_dataset_text(d, "%s/dataset.json", d->root);
        return json ? un_nnunet_add(d, json, err) : un_fail_nomem(err, 1);
    case UN_CFG_LAYOUT_SPLITS:
        st = add_splits(d, &cfg->data, 1, &n, err);
        if (!st && !n)
            return un_fail_file(err, UNET_E_NOT_FOUND, d->root, "there is neither train/ nor val/ nor test/");
        d->given_split = 1;
        return st;
    default:
        st = add_folder(d, d->root, &cfg->data, "", UN_SPLIT_NONE, err);
        if (st)
            return st;
        if (cfg->data.layout != UN_CFG_LAYOUT_PAIRS)
            st = un_lists_apply(d, &cfg->data, err);
        if (!st && !d->given_split)
            d->given_split = splits_from_names(d);
        if (!d->given_split || cfg->data.layout == UN_CFG_LAYOUT_PAIRS)
            d->layout = UN_CFG_LAYOUT_PAIRS;
        return st;
    }
}

static int prefix_length(const char *name, const char *separator)
{
    const char *base = strrchr(name, '/'), *at;

    base = base ? base + 1 : name;
    at = *separator ? strstr(base, separator) : NULL;
    return (int)(at ? at - name : (ptrdiff_t)strlen(name));
}

static unet_status set_groups(un_dataset *d, const un_cfg_data *cfg, unet_error *err)
{
    for (int i = 0; i < d->count; i++) {
        un_item *it = &d->items[i];
        const char *slash = strrchr(it->name, '/');

        if (cfg->group_by == UN_CFG_GROUP_NONE)
            it->group = NULL;
        else if (cfg->group_by == UN_CFG_GROUP_FOLDER)
            it->group = un_dataset_text(d, "%.*s", slash ? (int)(slash - it->name) : 0, it->name);
        else if (cfg->group_by == UN_CFG_GROUP_PREFIX)
            it->group = un_dataset_text(d, "%.*s", prefix_length(it->name, cfg->group_separator), it->name);
        if (!it->group && (cfg->group_by == UN_CFG_GROUP_FOLDER || cfg->group_by == UN_CFG_GROUP_PREFIX))
            return un_fail_nomem(err, strlen(it->name));
    }
    return UNET_OK;
}

unet_status un_layout_find(un_dataset *d, const un_config *cfg, unet_error *err)
{
    const char *csv = NULL, *slash;
    unet_status st;

    if (!un_path_exists(d->root))
        return un_fail_file(err, UNET_E_NOT_FOUND, d->root, "there is no such file or folder");
    if (un_path_is_dir(d->root)) {
        st = choose(d, &cfg->data, &csv, err);
    } else {
        d->layout = UN_CFG_LAYOUT_CSV;
        csv = d->root;
        slash = strrchr(d->root, '/');
        d->root = !slash ? "." : un_dataset_text(d, "%.*s", slash == csv ? 1 : (int)(slash - csv), csv);
        st = d->root ? UNET_OK : un_fail_nomem(err, 1);
    }
    if (!st)
        st = add_layout(d, cfg, csv, err);
    if (!st && !d->count)
        return nothing_found(d, err);
    return st ? st : set_groups(d, &cfg->data, err);
}
