#include "train/previews.h"

#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "io/image.h"
#include "report/overlay.h"
#include "report/view.h"
#include "run/segment.h"

char *un_previews_path(un_mem *mem, const char *folder, int index, int64_t step)
{
    return step ? un_asprintf(mem, "%s/previews/%02d_step%07lld.png", folder, index + 1, (long long)step)
                : un_asprintf(mem, "%s/previews/%02d_truth.png", folder, index + 1);
}

/* The truth as a map of slice z: [h][w], multi-label: bits. */
static void truth_of(const un_picture *p, int z, int32_t *map)
{
    const int64_t n = (int64_t)p->h * p->w, at = z * n;

    for (int64_t i = 0; i < n; i++) {
        map[i] = p->target ? p->target[at + i] : 0;
        for (int k = 0; p->soft && k < UN_MIN(p->classes, 31); k++)
            map[i] |= (int32_t)(p->soft[(at + i) * p->classes + k] >= 0.5f) << k;
    }
}

static int slice_of(const un_picture *p, int32_t *map)
{
    int best = p->d / 2;
    int64_t most = 0;

    for (int z = 0; z < p->d && p->d > 1; z++) {
        int64_t n = 0;

        truth_of(p, z, map);
        for (int64_t i = 0; i < (int64_t)p->h * p->w; i++)
            n += map[i] > 0;
        if (n > most) {
            most = n;
            best = z;
        }
    }
    return best;
}

/* The map painted on the slice, at a size to look at. */
static unet_status paint(
    const un_previews *p, const un_image *rgb, const int32_t *map, const char *path, unet_error *err)
{
    un_image view = {0};
    un_palette palette;
    const un_paint how = {
        .palette = &palette, .background = 0, .bits = p->cfg->model.head == UN_CFG_HEAD_MULTILABEL, .alpha = 0.35};
    const un_paint none_left_out = {.palette = &palette, .background = -1, .bits = 1, .alpha = 0.35};
    int32_t *scaled = NULL;
    int h, w;
    unet_status st;

    un_class_colours(&palette, p->cfg);
    un_view_size(&h, &w, rgb->h, rgb->w, UN_PREVIEW_PX / 2, UN_PREVIEW_PX);
    st = un_scale_rgb(&view, p->mem, rgb, h, w, err);
    if (!st)
        st = un_scale_map(&scaled, p->mem, map, rgb->h, rgb->w, h, w, err);
    if (!st) {
        un_paint_classes(&view, scaled, how.bits ? &none_left_out : &how);
        st = un_image_write_png(p->mem, path, &view, err);
    }
    un_free(scaled);
    un_image_free(&view);
    return st;
}

static unet_status write_both(
    const un_previews *p, int index, const un_picture *pic, const int32_t *classes, int32_t *map, unet_error *err)
{
    const int z = slice_of(pic, map);
    const un_image im = {.type = UN_DTYPE_F32, .d = pic->d, .h = pic->h, .w = pic->w, .c = pic->c, .data = pic->image};
    char *truth = un_previews_path(p->mem, p->folder, index, 0),
         *path = un_previews_path(p->mem, p->folder, index, p->step);
    un_image rgb = {0};
    unet_status st = truth && path ? un_view_rgb(&rgb, p->mem, &im, z, err) : un_fail_nomem(err, 1);

    if (!st && !un_path_exists(truth)) {
        truth_of(pic, z, map);
        st = paint(p, &rgb, map, truth, err);
    }
    if (!st)
        st = paint(p, &rgb, classes + (int64_t)z * pic->h * pic->w, path, err);
    un_image_free(&rgb);
    un_free(truth);
    un_free(path);
    return st;
}

unet_status un_previews_add(
    un_previews *p, int index, const un_picture *picture, const int32_t *classes, unet_error *err)
{
    char *folder;
    int32_t *map;
    unet_status st;

    if (index >= p->cfg->train.previews)
        return UNET_OK;
    folder = un_asprintf(p->mem, "%s/previews", p->folder);
    map = un_alloc_array(p->mem, (size_t)picture->h * (size_t)picture->w, sizeof *map);
    st = folder && map ? un_make_dirs(folder, err) : un_fail_nomem(err, 1);
    if (!st)
        st = write_both(p, index, picture, classes, map, err);
    un_free(folder);
    un_free(map);
    return st;
}

/* Whether un_previews_path gives such a name. */
static int is_preview(const char *name)
{
    const size_t digits = strspn(name, "0123456789");
    const char *rest = name + digits;

    if (digits < 2)
        return 0;
    if (!strncmp(rest, "_step", 5)) {
        rest += 5 + strspn(rest + 5, "0123456789");
        return !strcmp(rest, ".png");
    }
    return !strcmp(rest, "_truth.png");
}

static unet_status remove_in(un_mem *mem, const char *dir, const char *name, unet_error *err)
{
    char *path = un_asprintf(mem, "%s/%s", dir, name);
    unet_status st = path ? un_file_remove(path, err) : un_fail_nomem(err, strlen(dir) + strlen(name));

    un_free(path);
    return st;
}

unet_status un_previews_forget(un_mem *mem, const char *folder, unet_error *err)
{
    char *dir = un_asprintf(mem, "%s/previews", folder), **names = NULL;
    size_t n = 0;
    unet_status st = dir ? UNET_OK : un_fail_nomem(err, strlen(folder));

    if (!st && un_path_is_dir(dir))
        st = un_dir_list(&names, &n, mem, dir, err);
    for (size_t i = 0; i < n && !st; i++)
        if (is_preview(names[i]))
            st = remove_in(mem, dir, names[i], err);
    un_free(names);
    un_free(dir);
    return st;
}
