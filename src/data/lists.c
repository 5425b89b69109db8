/* Splits from train.txt, val.txt, test.txt, and data sets written down as a table. */
#include "data/layout.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/size.h"
#include "data/rows.h"
#include "io/image.h"

/* ---- lists of names
 * ---------------------------------------------------------------------------------------------- */

/* Names of the items, sorted, twice: whole ("train/a") and without folders ("a"). */
typedef struct name_key {
    const char *text;
    int item;
} name_key;
typedef struct index {
    un_dataset *d;
    name_key *whole, *base;
    unet_error *err;
} index_t;

static int by_text(const void *a, const void *b)
{
    const name_key *x = a, *y = b;
    const int c = strcmp(x->text, y->text);

    return c ? c : x->item - y->item;
}

static unet_status build_index(index_t *x)
{
    const size_t n = (size_t)x->d->count;

    x->whole = un_alloc_array(x->d->mem, n, sizeof *x->whole);
    x->base = un_alloc_array(x->d->mem, n, sizeof *x->base);
    if (!x->whole || !x->base)
        return un_fail_nomem(x->err, n * sizeof *x->whole);
    for (int i = 0; i < x->d->count; i++) {
        const char *name = x->d->items[i].name, *slash = strrchr(name, '/');

        x->whole[i] = (name_key){name, i};
        x->base[i] = (name_key){slash ? slash + 1 : name, i};
    }
    qsort(x->whole, n, sizeof *x->whole, by_text);
    qsort(x->base, n, sizeof *x->base, by_text);
    return UNET_OK;
}

/* Compares the first n bytes; with `begins` a key that goes on behind a separator is equal too. */
static int compare(const char *key, const char *text, size_t n, int begins)
{
    const int c = strncmp(key, text, n);

    if (c)
        return c;
    return !key[n] || (begins && strchr("_-. ", key[n])) ? 0 : 1;
}

/* The only key that fits, or the only one of these with a mask; -1: none, -2: several. */
static int find(const un_dataset *d, const name_key *keys, const char *text, size_t n, int begins)
{
    const int count = d->count;
    int lo = 0, hi = count, found = -1, several = 0, labelled = 0;

    while (lo < hi) {
        const int mid = lo + (hi - lo) / 2;

        if (strncmp(keys[mid].text, text, n) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < count && !strncmp(keys[lo].text, text, n); lo++)
        if (!compare(keys[lo].text, text, n, begins)) {
            const int has_mask = d->items[keys[lo].item].mask != NULL;

            several += 1;
            labelled += has_mask;
            if (found < 0 || (has_mask && labelled == 1))
                found = keys[lo].item;
        }
    return several > 1 && labelled != 1 ? -2 : found;
}

/* "images/a.png", "./a.png", "a.png", "a" and, when nothing else fits, "a" for a_phase.png. */
static int find_entry(const index_t *x, const char *text)
{
    const char *base;
    size_t n = strlen(text);
    int at;

    while (!strncmp(text, "./", 2)) {
        text += 2;
        n -= 2;
    }
    at = find(x->d, x->whole, text, n, 0); /* a name with a dot in it, without suffix */
    if (at == -1) {
        n = un_image_stem_length(text);
        at = find(x->d, x->whole, text, n, 0);
    }
    for (base = text; at == -1 && (base = strchr(base, '/'));) {
        base++;
        if ((size_t)(base - text) < n)
            at = find(x->d, x->whole, base, n - (size_t)(base - text), 0);
    }
    base = strrchr(text, '/');
    base = base ? base + 1 : text;
    if (at == -1 && (size_t)(base - text) < n)
        at = find(x->d, x->base, base, n - (size_t)(base - text), 0);
    if (at == -1 && (size_t)(base - text) < n)
        at = find(x->d, x->base, base, n - (size_t)(base - text), 1);
    return at;
}

static unet_status apply_row(index_t *x, const un_row *row, const char *path, un_split split)
{
    char *text = row->cell[0];
    int at = find_entry(x, text);
    un_item *it;

    if (at == -1 && strcspn(text, " \t") < strlen(text)) { /* "picture mask" in one line */
        text[strcspn(text, " \t")] = 0;
        at = find_entry(x, text);
    }
    if (at == -1)
        return un_dataset_issue(
            x->d, UN_ISSUE_LIST_UNKNOWN, -1, path, x->err, "line %d: no picture has the name '%s'", row->line, text);
    if (at == -2)
        return un_dataset_issue(x->d, UN_ISSUE_PAIR_UNCLEAR, -1, path, x->err,
            "line %d: several pictures could be '%s'; write the whole name", row->line, text);
    it = &x->d->items[at];
    if (it->split != UN_SPLIT_NONE && it->split != split)
        return un_dataset_issue(x->d, UN_ISSUE_TWO_SPLITS, at, path, x->err,
            "line %d: '%s' stands in the list for %s too", row->line, text, un_split_name(it->split));
    it->split = split;
    return UNET_OK;
}

/* Path of a list: as configured (then it must be there), or `usual` in the root; NULL: none. */
static unet_status list_path(
    const char **out, un_dataset *d, const char *told, const char *usual, const char *key, unet_error *err)
{
    const char *name = *told ? told : usual;

    *out = *told == '/' ? told : un_dataset_text(d, "%s/%s", d->root, name);
    if (!*out)
        return un_fail_nomem(err, strlen(name));
    if (un_path_exists(*out))
        return UNET_OK;
    if (*told)
        return un_fail_file(err, UNET_E_NOT_FOUND, *out, "there is no such list (data.%s)", key);
    *out = NULL;
    return UNET_OK;
}

static unet_status apply_list(index_t *x, const char *path, un_split split)
{
    unsigned char *text;
    size_t size;
    un_rows rows = {0};
    unet_status st = un_file_read(&text, &size, x->d->mem, path, UN_ROWS_MAX_BYTES, x->err);

    if (st)
        return st;
    st = un_rows_parse_list(&rows, x->d->mem, (const char *)text, size, path, x->err);
    un_free(text);
    for (int i = 0; i < rows.n && !st; i++)
        st = apply_row(x, &rows.row[i], path, split);
    un_rows_free(&rows);
    x->d->given_split = 1;
    return st;
}

static unet_status tell_unlisted(un_dataset *d, unet_error *err)
{
    unet_status st = UNET_OK;

    for (int i = 0; i < d->count && !st && d->given_split; i++)
        if (d->items[i].split == UN_SPLIT_NONE && d->items[i].mask)
            st = un_dataset_issue(
                d, UN_ISSUE_UNLISTED, i, d->items[i].images[0], err, "it has no place in the split; it is not used");
    return st;
}

unet_status un_lists_apply(un_dataset *d, const un_cfg_data *cfg, unet_error *err)
{
    const struct {
        const char *told, *usual, *key;
        un_split split;
    } lists[] = {{cfg->list_train, "train.txt", "list_train", UN_SPLIT_TRAIN},
        {cfg->list_val, "val.txt", "list_val", UN_SPLIT_VAL}, {cfg->list_test, "test.txt", "list_test", UN_SPLIT_TEST}};
    index_t x = {.d = d, .err = err};
    unet_status st = build_index(&x);

    for (size_t i = 0; i < UN_COUNT(lists) && !st; i++) {
        const char *path;

        st = list_path(&path, d, lists[i].told, lists[i].usual, lists[i].key, err);
        if (!st && path)
            st = apply_list(&x, path, lists[i].split);
    }
    un_free(x.whole);
    un_free(x.base);
    return st ? st : tell_unlisted(d, err);
}

/* ---- tables
 * ------------------------------------------------------------------------------------------------------ */

enum column { COL_IMAGE, COL_MASK, COL_SPLIT, COL_GROUP, COLUMNS };

static const char *const column_words[COLUMNS][6] = {{"image", "img", "picture", "image_path", "file", "filename"},
    {"mask", "label", "mask_path", "annotation", "segmentation", "gt"}, {"split", "set", "subset", "fold", "part"},
    {"group", "patient", "patient_id", "subject", "case", "case_id"}};

/* Column of each kind in a header; -1: none. */
static void read_header(const un_row *row, int at[COLUMNS])
{
    for (int c = 0; c < COLUMNS; c++) {
        at[c] = -1;
        for (size_t w = 0; w < UN_COUNT(column_words[c]) && at[c] < 0; w++)
            for (int i = 0; i < row->n && column_words[c][w] && at[c] < 0; i++)
                if (!strcasecmp(row->cell[i], column_words[c][w]))
                    at[c] = i;
    }
}

static unet_status read_table(un_rows *rows, un_mem *mem, const char *path, unet_error *err)
{
    unsigned char *text;
    size_t size;
    unet_status st = un_file_read(&text, &size, mem, path, UN_ROWS_MAX_BYTES, err);

    *rows = (un_rows){0};
    if (st)
        return st;
    st = un_rows_parse_table(rows, mem, (const char *)text, size, path, err);
    un_free(text);
    return st;
}

static const char *cell_of(const un_row *row, int column)
{
    return column >= 0 && column < row->n ? row->cell[column] : "";
}

static const char *full_path(un_dataset *d, const char *cell)
{
    return un_dataset_text(d, "%s%s%s", *cell == '/' ? "" : d->root, *cell == '/' ? "" : "/", cell);
}

/* Whether the first row that has both names a picture and a mask that are there. */
static int first_is_there(un_dataset *d, const un_rows *rows, const int at[COLUMNS])
{
    for (int i = 1; i < rows->n; i++) {
        const char *image = cell_of(&rows->row[i], at[COL_IMAGE]), *mask = cell_of(&rows->row[i], at[COL_MASK]);

        if (!*image || !*mask)
            continue;
        image = full_path(d, image);
        mask = full_path(d, mask);
        return image && mask && un_path_exists(image) && un_path_exists(mask);
    }
    return 0;
}

un_csv_fit un_csv_look(un_dataset *d, const char *path)
{
    un_csv_fit fit = UN_CSV_OTHER;
    un_rows rows;
    int at[COLUMNS];

    if (read_table(&rows, d->mem, path, NULL))
        return fit;
    if (rows.n) {
        read_header(&rows.row[0], at);
        if (at[COL_IMAGE] >= 0 && at[COL_MASK] >= 0)
            fit = first_is_there(d, &rows, at) ? UN_CSV_FITS : UN_CSV_ASTRAY;
    }
    un_rows_free(&rows);
    return fit;
}

static unet_status check_files(un_dataset *d, const un_item *it, const char *table, int line, unet_error *err)
{
    const char *const paths[] = {it->images[0], it->mask};

    for (int i = 0; i < 2; i++)
        if (paths[i] && !un_path_exists(paths[i]))
            return un_dataset_issue(d, UN_ISSUE_FILE_MISSING, d->count - 1, paths[i], err,
                "line %d of %s names this file, but it does not exist", line, un_dataset_relative(d, table));
    return it->mask ? UNET_OK
                    : un_dataset_issue(d, UN_ISSUE_UNLABELLED, d->count - 1, it->images[0], err,
                          "the table gives no mask; the picture is not used");
}

static unet_status add_row(un_dataset *d, const un_row *row, const int at[COLUMNS], const char *path, unet_error *err)
{
    const char *image = cell_of(row, at[COL_IMAGE]), *mask = cell_of(row, at[COL_MASK]);
    const char *split = cell_of(row, at[COL_SPLIT]), *group = cell_of(row, at[COL_GROUP]), **paths;
    un_item *it = un_dataset_add(d);

    paths = un_arena_alloc(d->arena, sizeof *paths);
    if (!it || !paths)
        return un_fail_nomem(err, sizeof *it);
    if (!*image)
        return un_fail_line(err, UNET_E_FORMAT, path, row->line, 0, "the picture column is empty");
    if (*split && !un_split_parse(split, strlen(split), &it->split))
        return un_fail_line(
            err, UNET_E_FORMAT, path, row->line, 0, "split '%s': expected train, val or test, or nothing", split);
    d->given_split |= *split != 0;
    paths[0] = full_path(d, image);
    it->images = paths;
    it->image_count = 1;
    it->name = un_dataset_text(d, "%.*s", (int)un_image_stem_length(image), image);
    it->mask = *mask ? full_path(d, mask) : NULL;
    it->group = *group ? un_arena_strdup(d->arena, group) : NULL;
    if (!paths[0] || !it->name || (*mask && !it->mask) || (*group && !it->group))
        return un_fail_nomem(err, strlen(image));
    return check_files(d, it, path, row->line, err);
}

/* Two rows for one picture: an issue for each further one. */
static unet_status find_repeated(un_dataset *d, const char *path, unet_error *err)
{
    index_t x = {.d = d, .err = err};
    unet_status st = build_index(&x);

    for (int i = 1; i < d->count && !st; i++)
        if (!strcmp(x.whole[i].text, x.whole[i - 1].text))
            st = un_dataset_issue(
                d, UN_ISSUE_STEM_TWICE, x.whole[i].item, path, err, "two rows name the picture '%s'", x.whole[i].text);
    un_free(x.whole);
    un_free(x.base);
    return st;
}

unet_status un_csv_add(un_dataset *d, const char *path, unet_error *err)
{
    un_rows rows;
    int at[COLUMNS];
    unet_status st = read_table(&rows, d->mem, path, err);

    if (st)
        return st;
    if (rows.n)
        read_header(&rows.row[0], at);
    if (!rows.n)
        st = un_fail_file(
            err, UNET_E_FORMAT, path, "the table is empty; expected the columns image, mask, split, group");
    else if (at[COL_IMAGE] < 0)
        st = un_fail_line(err, UNET_E_FORMAT, path, rows.row[0].line, 0,
            "no column 'image' in the first line; expected the columns image, mask, split, group");
    for (int i = 1; i < rows.n && !st; i++)
        st = add_row(d, &rows.row[i], at, path, err);
    un_rows_free(&rows);
    if (!st)
        st = tell_unlisted(d, err);
    return st ? st : find_repeated(d, path, err);
}
