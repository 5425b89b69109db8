/* Builds without files: no mapping can be opened, and all blocks come from the C library. */
#include "base/file.h"
#include "base/pages.h"

unet_status un_map_open(un_map *m, const char *path, unet_error *err)
{
    *m = (un_map){0};
    return un_fail_file(err, UNET_E_UNSUPPORTED, path, "this build of unet opens no files; give the bytes instead");
}

void un_map_drop(const void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
}

void un_map_close(un_map *m)
{
    *m = (un_map){0};
}

void *un_pages_take(size_t bytes)
{
    (void)bytes;
    return NULL;
}

void un_pages_give(void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
}
