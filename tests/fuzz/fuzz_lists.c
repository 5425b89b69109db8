/* Lists of names and tables, as they change a data set: which pictures they name, and for what. The readers take paths;
 * the bytes lie in a file without a name. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/size.h"
#include "data/layout.h"

/* Pictures that entries of lists are looked for among; /dev/null stands for every file. */
static un_dataset *make(int pictures)
{
    static const char *const names[] = {"train/a", "a", "sub/b_phase", "sub/b-2", "c.x", "null", "d_1", "d_2"};
    static const char *const path = "/dev/null";
    un_dataset *d = un_alloc_zero(NULL, sizeof *d);

    if (!d || !(d->arena = un_arena_create(NULL)))
        __builtin_trap();
    d->root = "/dev";
    for (size_t i = 0; i < UN_COUNT(names) && pictures; i++) {
        un_item *it = un_dataset_add(d);

        if (!it)
            __builtin_trap();
        it->name = names[i];
        it->images = &path;
        it->image_count = 1;
        it->mask = i % 3 ? path : NULL;
    }
    return d;
}

static void check(const un_dataset *d)
{
    for (int i = 0; i < d->count; i++)
        if (d->items[i].split < 0 || d->items[i].split >= UN_SPLIT_COUNT)
            __builtin_trap();
    for (int i = 0; i < d->issue_count; i++)
        if (!d->issues[i].text[0] || d->issues[i].item >= d->count)
            __builtin_trap();
}

int un_fuzz_one(const uint8_t *data, size_t size)
{
    static un_cfg_data cfg;
    char path[64];
    un_dataset *d;
    unet_error err;
    const int fd = memfd_create("fuzz", 0);

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        __builtin_trap();
    for (int lists = 0; lists < 3; lists++) {
        memset(&cfg, 0, sizeof cfg);
        snprintf(cfg.list_train, sizeof cfg.list_train, "%s", path);
        if (lists) /* the same names for two purposes; a list that is not there */
            snprintf(cfg.list_val, sizeof cfg.list_val, "%s", lists == 1 ? path : "none.txt");
        d = make(1);
        if (!un_lists_apply(d, &cfg, &err))
            check(d);
        un_dataset_close(d);
    }
    d = make(0);
    if (!un_csv_add(d, path, &err)) {
        check(d);
        if (d->count && un_csv_look(d, path) == UN_CSV_OTHER && d->items[0].mask)
            __builtin_trap();
    }
    un_dataset_close(d);
    close(fd);
    return 0;
}
