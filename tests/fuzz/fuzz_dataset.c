/* The texts of a data set: lists of names, tables, dataset.json of nnU-Net. Each takes any bytes. */
#include "fuzz.h"

#include <string.h>

#include "data/layout.h"
#include "data/rows.h"

static size_t walk(un_rows *r)
{
    size_t sum = 0;

    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < r->row[i].n; k++)
            sum += strlen(r->row[i].cell[k]);
    un_rows_free(r);
    return sum;
}

int un_fuzz_one(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    un_rows r;
    un_nnunet nn;
    unet_error err;

    if (!un_rows_parse_table(&r, NULL, text, size, "fuzz", &err) && walk(&r) > size)
        __builtin_trap();
    if (!un_rows_parse_list(&r, NULL, text, size, "fuzz", &err) && walk(&r) > size)
        __builtin_trap();
    if (!un_nnunet_parse(&nn, text, size, "fuzz", &err) && (nn.classes.n < 1 || nn.channels < 1))
        __builtin_trap();
    return 0;
}
