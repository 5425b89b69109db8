#include "train/trained_on.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fnv1a.h"
#include "base/size.h"
#include "report/table.h"

enum { NAMES_MAX = 1 << 22 }; /* bytes; read again with each use of the model */

static const un_role roles[] = {UN_ROLE_TRAIN, UN_ROLE_SELECT};

static int is_trained_on(const un_item *it)
{
    for (size_t k = 0; k < UN_COUNT(roles); k++)
        if (it->role == roles[k])
            return 1;
    return 0;
}

static void sum_text(char out[UN_CHECKSUM_MAX], uint64_t sum)
{
    snprintf(out, UN_CHECKSUM_MAX, "fnv1a:%016" PRIx64, sum);
}

static void add_row(un_table *t, const un_item *it, const un_scan_item *scanned)
{
    const int64_t sum[2] = {scanned->image_sum, scanned->mask_sum};
    char text[UN_CHECKSUM_MAX];

    un_table_text(t, it->name);
    un_table_text(t, un_role_name(it->role));
    for (size_t k = 0; k < UN_COUNT(sum); k++) {
        sum_text(text, (uint64_t)sum[k]);
        un_table_text(t, text);
    }
}

unet_status un_trained_table(un_text *t, const un_dataset *d, const un_scan *s, unet_error *err)
{
    static const char *const head[] = {"name", "role", "image", "mask"};
    un_table *rows;
    unet_status st = un_table_create(&rows, t->mem, head, UN_COUNT(head), 1, err);

    for (int i = 0; i < d->count && !st; i++) {
        const un_item *it = &d->items[i];

        if (is_trained_on(it))
            add_row(rows, it, &s->item[it->part_of < 0 ? i : it->part_of]);
    }
    if (!st)
        st = un_table_to_csv(rows, t, err);
    un_table_destroy(rows);
    return st;
}

void un_trained_checksum(char out[UN_CHECKSUM_MAX], const un_text *table)
{
    sum_text(out, un_fnv1a(UN_FNV1A_START, table->s, table->n));
}

unet_status un_trained_names(un_text *t, un_mem *mem, const un_dataset *d, unet_error *err)
{
    unet_status st;

    un_text_init(t, mem, NAMES_MAX);
    for (size_t k = 0; k < UN_COUNT(roles); k++) {
        int n = 0;

        un_text_printf(t, "%s\"%s\":[", k ? "," : "{", un_role_name(roles[k]));
        for (int i = 0; i < d->count; i++)
            if (d->items[i].role == roles[k]) {
                un_text_add(t, n++ ? "," : "");
                un_text_json_string(t, d->items[i].name);
            }
        un_text_add(t, "]");
    }
    un_text_add(t, "}");
    st = un_text_status(
        t, "the names of the pictures take more than 4 MiB, too much for a model file; leave the key out", err);
    if (st == UNET_E_LIMIT)
        un_error_where(err, "train.record_names");
    return st;
}
