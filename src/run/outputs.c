#include "run/outputs.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "report/overlay.h"
#include "report/view.h"

enum { VIEW_MIN_PX = 512, SHEET_SLICES = 9, SHEET_COLUMNS = 3, CELL_PX = 320 };

un_mask_format un_mask_format_of(const un_config *cfg, const un_image *image)
{
    if (image->d > 1 || image->has_affine)
        return UN_MASK_NIFTI;
    return cfg->model.head == UN_CFG_HEAD_MULTILABEL ? UN_MASK_TIFF : UN_MASK_PNG;
}

const char *un_mask_suffix(un_mask_format f)
{
    return f == UN_MASK_NIFTI ? ".nii.gz" : f == UN_MASK_TIFF ? ".tif" : ".png";
}

const char *un_probability_suffix(un_mask_format f)
{
    return f == UN_MASK_NIFTI ? "_prob.nii.gz" : "_prob.tif";
}

unet_status un_mask_write(un_mem *mem, const char *path, const un_image *mask, un_mask_format f, unet_error *err)
{
    return f == UN_MASK_NIFTI  ? un_image_write_nifti(mem, path, mask, err)
           : f == UN_MASK_TIFF ? un_image_write_tiff(mem, path, mask, err)
                               : un_image_write_png(mem, path, mask, err);
}

unet_status un_numbers_write(un_mem *mem, const char *path, const un_image *numbers, un_mask_format f, unet_error *err)
{
    return f == UN_MASK_NIFTI ? un_image_write_nifti(mem, path, numbers, err)
                              : un_image_write_tiff(mem, path, numbers, err);
}

/* ---- overlays ---- */

typedef struct painter {
    un_mem *mem;
    const un_image *image;
    const int32_t *classes; /* or shares 0..255 */
    int heat;               /* 1: these */
    un_palette palette;     /* as un_class_colours */
    un_paint paint;
} painter;

/* Slice z painted, small ones enlarged so that contours stay thin. */
static unet_status paint_slice(un_image *out, const painter *p, int z, int min_px, unet_error *err)
{
    const int h = p->image->h, w = p->image->w;
    int32_t *map = NULL;
    un_image rgb = {0};
    int vh, vw;
    unet_status st = un_view_rgb(&rgb, p->mem, p->image, z, err);

    un_view_size(&vh, &vw, h, w, min_px, INT32_MAX);
    if (!st)
        st = un_scale_rgb(out, p->mem, &rgb, vh, vw, err);
    if (!st)
        st = un_scale_map(&map, p->mem, p->classes + (size_t)z * (size_t)h * (size_t)w, h, w, vh, vw, err);
    if (st)
        un_image_free(out);
    else if (p->heat)
        un_paint_heat(out, map);
    else
        un_paint_classes(out, map, &p->paint);
    un_free(map);
    un_image_free(&rgb);
    return st;
}

static int has_foreground(const painter *p, int z)
{
    const size_t n = (size_t)p->image->h * (size_t)p->image->w;
    const int32_t *c = p->classes + (size_t)z * n;
    const int32_t nothing = p->paint.bits ? 0 : p->paint.background;

    for (size_t i = 0; i < n && !p->heat; i++)
        if (c[i] != nothing)
            return 1;
    return p->heat;
}

static unet_status paint_volume(un_image *out, const painter *p, unet_error *err)
{
    un_image slice[SHEET_SLICES] = {{0}};
    un_sheet_cell cell[SHEET_SLICES];
    char caption[SHEET_SLICES][32];
    int first = 0, last = p->image->d - 1, n;
    unet_status st = UNET_OK;

    while (first < last && !has_foreground(p, first))
        first++;
    while (last > first && !has_foreground(p, last))
        last--;
    if (first == last && !has_foreground(p, first)) {
        first = 0;
        last = p->image->d - 1;
    }
    n = UN_MIN(last - first + 1, SHEET_SLICES);
    for (int i = 0; i < n && !st; i++) {
        const int z = n == 1 ? first : first + (int)((int64_t)(last - first) * i / (n - 1));

        st = paint_slice(&slice[i], p, z, CELL_PX, err);
        snprintf(caption[i], sizeof caption[i], "slice %d of %d", z + 1, p->image->d);
        cell[i] = (un_sheet_cell){&slice[i], caption[i]};
    }
    if (!st)
        st = un_sheet_make(out, p->mem, cell, n, SHEET_COLUMNS, CELL_PX, err);
    for (int i = 0; i < n; i++)
        un_image_free(&slice[i]);
    return st;
}

static unet_status add_legend(
    un_image *out, const painter *p, const un_config *cfg, const char *const *names, unet_error *err)
{
    un_legend_entry entry[UN_PALETTE_SIZE];
    int n = 0;

    for (int k = 0; k < UN_MIN(cfg->model.classes, UN_PALETTE_SIZE); k++)
        if (p->paint.bits || k != p->paint.background)
            entry[n++] = (un_legend_entry){p->palette.of[(k + p->paint.bits) & 255], names[k]};
    return un_add_legend(out, p->mem, entry, n, err);
}

unet_status un_overlay_make(un_image *out, un_mem *mem, const un_config *cfg, const char *const *names,
    const un_image *image, const int32_t *classes, int background, unet_error *err)
{
    painter p = {.mem = mem, .image = image, .classes = classes};
    unet_status st;

    *out = (un_image){0};
    un_class_colours(&p.palette, cfg);
    p.paint =
        (un_paint){.palette = &p.palette, .background = background, .bits = cfg->model.head == UN_CFG_HEAD_MULTILABEL};
    st = image->d > 1 ? paint_volume(out, &p, err) : paint_slice(out, &p, 0, VIEW_MIN_PX, err);
    if (!st)
        st = add_legend(out, &p, cfg, names, err);
    if (st)
        un_image_free(out);
    return st;
}

unet_status un_heat_make(
    un_image *out, un_mem *mem, const un_image *image, const un_image *maps, int k, unet_error *err)
{
    const un_legend_entry entry[] = {
        {un_heat_colour(0), "0"}, {un_heat_colour(128), "0.5"}, {un_heat_colour(255), "1"}};
    const size_t n = (size_t)image->d * (size_t)image->h * (size_t)image->w;
    const float *share = maps->data;
    int32_t *map = un_alloc_array(mem, n, sizeof *map);
    const painter p = {.mem = mem, .image = image, .classes = map, .heat = 1};
    unet_status st;

    *out = (un_image){0};
    if (!map)
        return un_fail_nomem(err, n * sizeof *map);
    for (size_t i = 0; i < n; i++)
        map[i] = (int32_t)(255 * UN_MIN(UN_MAX(share[i * (size_t)maps->c + (size_t)k], 0.0f), 1.0f) + 0.5f);
    st = image->d > 1 ? paint_volume(out, &p, err) : paint_slice(out, &p, 0, VIEW_MIN_PX, err);
    if (!st)
        st = un_add_legend(out, mem, entry, (int)UN_COUNT(entry), err);
    if (st)
        un_image_free(out);
    un_free(map);
    return st;
}
