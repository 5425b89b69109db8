/* The texts of a data set: lists of names, tables, dataset.json of nnU-Net, results of a scan. Each takes any bytes. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/layout.h"
#include "data/rows.h"
#include "data/scan.h"

static size_t walk(un_rows *r)
{
    size_t sum = 0;

    for (int i = 0; i < r->n; i++)
        for (int k = 0; k < r->row[i].n; k++)
            sum += strlen(r->row[i].cell[k]);
    un_rows_free(r);
    return sum;
}

/* Entries "files": "p0" stand for an item without files; with "sizes": "4;p0" they belong to a file of these bytes. */
static void results(const char *text, size_t size, const un_item *item)
{
    static un_config cfg;
    un_scan_cache *c;
    un_scan_item it;
    volatile double sum = 0;

    cfg.data.exif = 1;
    if (un_scan_cache_parse(&c, NULL, text, size, &cfg, NULL))
        return;
    if (un_scan_cache_get(c, item, NULL, &it)) {
        for (int k = 0; k < it.c; k++)
            sum += it.channel[k].m.mean + it.channel[k].q[UN_SCAN_QUANTILES - 1];
        for (int k = 0; k < it.values; k++)
            sum += it.value[k].value;
        if (it.d < 1 || it.type >= UN_DTYPE_COUNT)
            __builtin_trap();
        un_scan_item_free(&it);
    }
    un_scan_cache_destroy(c);
}

/* A file without a name. Made once; the process ends with it. */
static const char *four_bytes(void)
{
    static char path[64];
    int fd;

    if (path[0])
        return path;
    fd = memfd_create("fuzz", 0);
    if (fd < 0 || write(fd, "four", 4) != 4)
        __builtin_trap();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

int un_fuzz_one(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *path = four_bytes();
    const un_item alone = {.name = "a"}, with_file = {.name = "a", .images = &path, .image_count = 1};
    un_rows r;
    un_nnunet nn;
    unet_error err;

    if (!un_rows_parse_table(&r, NULL, text, size, "fuzz", &err) && walk(&r) > size)
        __builtin_trap();
    if (!un_rows_parse_list(&r, NULL, text, size, "fuzz", &err) && walk(&r) > size)
        __builtin_trap();
    if (!un_nnunet_parse(&nn, text, size, "fuzz", &err) && (nn.classes.n < 1 || nn.channels < 1))
        __builtin_trap();
    results(text, size, &alone);
    results(text, size, &with_file);
    return 0;
}
