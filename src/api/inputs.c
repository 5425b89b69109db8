/* Collecting input files. */
#include "api/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "io/image.h"

enum { DEPTH_MAX = 64 };

void un_inputs_free(un_inputs *in)
{
    for (size_t i = 0; i < in->count; i++) {
        un_free(in->file[i].path);
        un_free(in->file[i].stem);
    }
    un_free(in->file);
    memset(in, 0, sizeof *in);
}

static unet_status add(un_inputs *in, const char *path, const char *relative, unet_error *err)
{
    if (in->count == in->cap) {
        size_t cap = in->cap ? 2 * in->cap : 64;
        un_input *p = un_realloc(in->mem, in->file, cap * sizeof *p);

        if (!p)
            return un_fail_nomem(err, cap * sizeof *p);
        in->file = p;
        in->cap = cap;
    }
    in->file[in->count] =
        (un_input){un_strdup(in->mem, path), un_strndup(in->mem, relative, un_image_stem_length(relative))};
    in->count++;
    return in->file[in->count - 1].path && in->file[in->count - 1].stem ? UNET_OK : un_fail_nomem(err, strlen(path));
}

static unet_status walk(un_inputs *in, const char *root, const char *below, int depth, unet_error *err);

static unet_status visit(
    un_inputs *in, const char *root, const char *below, const char *name, int depth, unet_error *err)
{
    char *relative = un_asprintf(in->mem, "%s%s%s", below, *below ? "/" : "", name);
    char *path = relative ? un_asprintf(in->mem, "%s/%s", root, relative) : NULL;
    unet_status st = UNET_OK;

    if (!path)
        st = un_fail_nomem(err, 1);
    else if (un_path_is_dir(path))
        st = walk(in, root, relative, depth + 1, err);
    else if (un_image_name_is_readable(name))
        st = add(in, path, relative, err);
    un_free(relative);
    un_free(path);
    return st;
}

static unet_status walk(un_inputs *in, const char *root, const char *below, int depth, unet_error *err)
{
    char *folder = un_asprintf(in->mem, "%s%s%s", root, *below ? "/" : "", below), **names = NULL;
    size_t count = 0;
    unet_status st;

    if (!folder)
        return un_fail_nomem(err, 1);
    if (depth > DEPTH_MAX)
        st = un_fail_file(
            err, UNET_E_LIMIT, folder, "folders are nested deeper than %d; a link that leads back?", DEPTH_MAX);
    else
        st = un_dir_list(&names, &count, in->mem, folder, err);
    for (size_t i = 0; i < count && !st; i++)
        st = visit(in, root, below, names[i], depth, err);
    un_free(names);
    un_free(folder);
    return st;
}

static int by_stem(const void *a, const void *b)
{
    return strcmp(((const un_input *)a)->stem, ((const un_input *)b)->stem);
}

static unet_status check_twins(un_inputs *in, unet_error *err)
{
    qsort(in->file, in->count, sizeof *in->file, by_stem);
    for (size_t i = 1; i < in->count; i++)
        if (!strcmp(in->file[i - 1].stem, in->file[i].stem))
            return un_fail_file(err, UNET_E_ARG, in->file[i].path,
                "this file and %s would write the same output; predict them in two runs", in->file[i - 1].path);
    return UNET_OK;
}

unet_status un_inputs_collect(un_inputs *out, un_mem *mem, const char *const *paths, size_t count, unet_error *err)
{
    unet_status st = UNET_OK;

    *out = (un_inputs){.mem = mem};
    for (size_t i = 0; i < count && !st; i++) {
        size_t before = out->count;
        const char *slash = strrchr(paths[i], '/');

        if (un_path_is_dir(paths[i])) {
            st = walk(out, paths[i], "", 0, err);
            if (!st && out->count == before)
                st = un_fail_file(err, UNET_E_NOT_FOUND, paths[i], "no picture lies in this folder");
        } else if (un_path_exists(paths[i])) {
            st = add(out, paths[i], slash ? slash + 1 : paths[i], err);
        } else {
            st = un_fail_file(err, UNET_E_NOT_FOUND, paths[i], "there is no such file or folder");
        }
    }
    if (!st)
        st = check_twins(out, err);
    if (st)
        un_inputs_free(out);
    return st;
}
