#include "data/series.h"

#include <string.h>
#include <strings.h>

#include "data/layout.h"
#include "io/image.h"

static int is_tiff_name(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (!strcasecmp(dot, ".tif") || !strcasecmp(dot, ".tiff"));
}

int un_series_pages(un_mem *mem, const char *path, un_cfg_pages pages, int volumes)
{
    un_image_info info;

    if ((pages != UN_CFG_PAGES_AUTO && pages != UN_CFG_PAGES_SERIES) || !is_tiff_name(path) ||
        un_image_probe(&info, mem, path, NULL) || info.pages < 2)
        return 1;
    return pages == UN_CFG_PAGES_AUTO && info.stacked && (volumes || info.d == 1) ? 1 : info.pages;
}

char *un_series_name(un_mem *mem, const char *stem, int page)
{
    return un_asprintf(mem, "%s_page%04d", stem, page + 1);
}

static unet_status split(un_dataset *d, int index, int pages, unet_error *err)
{
    const un_item first = d->items[index];

    for (int k = 0; k < pages; k++) {
        un_item *it = k ? un_dataset_add(d) : &d->items[index];
        char *name = un_series_name(d->mem, first.name, k);

        if (it && name) {
            *it = first;
            it->name = un_arena_strdup(d->arena, name);
            it->group = first.group ? first.group : first.name;
            it->page = k;
        }
        un_free(name);
        if (!it || !it->name)
            return un_fail_nomem(err, sizeof *it);
    }
    return UNET_OK;
}

unet_status un_series_split(un_dataset *d, const un_config *cfg, unet_error *err)
{
    const int count = d->count, volumes = cfg->model.dims != 2;
    unet_status st = UNET_OK;

    for (int i = 0; i < count && !st; i++) {
        const un_item *it = &d->items[i];
        int pages, of_mask;

        if (!it->mask || it->image_count != 1)
            continue;
        pages = un_series_pages(d->mem, it->images[0], cfg->data.pages, volumes);
        if (pages < 2)
            continue;
        of_mask = un_series_pages(d->mem, it->mask, UN_CFG_PAGES_SERIES, 0);
        if (of_mask == pages)
            st = split(d, i, pages, err);
        else
            st = un_dataset_issue(d, UN_ISSUE_SIZE_DIFFERS, i, it->mask, err,
                "the picture has %d pages, its mask %d; each page is a picture of its own (data.pages)", pages,
                of_mask);
    }
    return st;
}
