/* Collecting input files. */
#include "api/inputs.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"
#include "data/series.h"
#include "io/image.h"

enum { DEPTH_MAX = 64 };

static void free_input(un_input *f)
{
    for (int i = 0; f->channel && i < f->channels - 1; i++)
        un_free(f->channel[i]);
    un_free(f->channel);
    un_free(f->path);
    un_free(f->stem);
}

void un_inputs_free(un_inputs *in)
{
    for (size_t i = 0; i < in->count; i++)
        free_input(&in->file[i]);
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
    in->file[in->count] = (un_input){.path = un_strdup(in->mem, path),
        .stem = un_strndup(in->mem, relative, un_image_stem_length(relative)),
        .page = -1,
        .channels = 1};
    in->count++;
    return in->file[in->count - 1].path && in->file[in->count - 1].stem ? UNET_OK : un_fail_nomem(err, strlen(path));
}

static unet_status walk(un_inputs *in, const char *root, const char *below, int depth, unet_error *err);

static int is_passed_over(const un_inputs *in, const char *folder)
{
    struct stat s;

    return in->but[1] && !stat(folder, &s) && (uint64_t)s.st_dev == in->but[0] && (uint64_t)s.st_ino == in->but[1];
}

static unet_status visit(
    un_inputs *in, const char *root, const char *below, const char *name, int depth, unet_error *err)
{
    char *relative = un_asprintf(in->mem, "%s%s%s", below, *below ? "/" : "", name);
    const char *slash = root[0] && root[strlen(root) - 1] == '/' ? "" : "/"; /* as it was typed */
    char *path = relative ? un_asprintf(in->mem, "%s%s%s", root, slash, relative) : NULL;
    const char *format;
    unet_status st = UNET_OK;

    if (!path)
        st = un_fail_nomem(err, 1);
    else if (un_path_is_dir(path))
        st = is_passed_over(in, path) ? UNET_OK : walk(in, root, relative, depth + 1, err);
    else if (un_image_name_is_readable(name) || un_image_look(in->mem, path, &format) != UN_LOOK_OTHER)
        st = add(in, path, relative, err); /* what is known and not read is listed as such later */
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

int un_inputs_has(const un_inputs *in, const char *stem)
{
    const un_input key = {.stem = (char *)(uintptr_t)stem};

    return bsearch(&key, in->file, in->count, sizeof key, by_stem) != NULL;
}

/* A file or folder that is there. */
static unet_status take(un_inputs *in, const char *path, unet_error *err)
{
    const size_t before = in->count;
    const char *slash = strrchr(path, '/');
    unet_status st;

    if (!un_path_is_dir(path))
        return add(in, path, slash ? slash + 1 : path, err);
    st = walk(in, path, "", 0, err);
    return !st && in->count == before ? un_fail_file(err, UNET_E_NOT_FOUND, path, "no picture lies in this folder")
                                      : st;
}

/* ---- patterns ---- */

static int is_pattern(const char *text, size_t n)
{
    return strcspn(text, "*?[") < n;
}

/* What `rest`, parts between slashes, matches below `head` ("" or a path with its slash), as a shell has it: sorted.
 * Names that begin with a point are passed over, as in folders. */
static unet_status match(un_inputs *in, const char *head, const char *rest, unet_error *err)
{
    const size_t n = strcspn(rest, "/"), slashes = strspn(rest + n, "/");
    const char *below = rest + n + slashes;
    char *part = un_strndup(in->mem, rest, n), **names = NULL;
    size_t count = 1;
    unet_status st = part ? UNET_OK : un_fail_nomem(err, n);

    if (!st && is_pattern(rest, n))
        st = un_dir_list(&names, &count, in->mem, head[0] ? head : ".", err);
    for (size_t i = 0; i < count && !st; i++) {
        const char *name = names ? names[i] : part;
        char *path = un_asprintf(in->mem, "%s%s%s", head, name, slashes ? "/" : "");

        if (!path)
            st = un_fail_nomem(err, 1);
        else if (names && fnmatch(part, name, 0))
            st = UNET_OK;
        else if (slashes && *below)
            st = un_path_is_dir(path) ? match(in, path, below, err) : UNET_OK;
        else if (un_path_exists(path))
            st = take(in, path, err);
        un_free(path);
    }
    un_free(names);
    un_free(part);
    return st;
}

static unet_status collect(un_inputs *in, const char *path, unet_error *err)
{
    const size_t before = in->count, root = strspn(path, "/");
    unet_status st;

    if (un_path_exists(path))
        return take(in, path, err);
    if (!is_pattern(path, strlen(path)))
        return un_fail_file(err, UNET_E_NOT_FOUND, path, "there is no such file or folder");
    st = match(in, root ? "/" : "", path + root, err);
    return !st && in->count == before ? un_fail_file(err, UNET_E_NOT_FOUND, path, "nothing matches this pattern") : st;
}

unet_status un_inputs_collect(
    un_inputs *out, un_mem *mem, const char *const *paths, size_t count, const char *but, unet_error *err)
{
    struct stat s;
    unet_status st = UNET_OK;

    *out = (un_inputs){.mem = mem};
    if (but && !stat(but, &s)) {
        out->but[0] = (uint64_t)s.st_dev;
        out->but[1] = (uint64_t)s.st_ino;
    }
    for (size_t i = 0; i < count && !st; i++)
        st = collect(out, paths[i], err);
    if (!st)
        st = check_twins(out, err);
    if (st)
        un_inputs_free(out);
    return st;
}

/* ---- channels in files of their own ---- */

/* "NAME_0003" is channel 3 of NAME, whose length is given too; -1: no such name. */
static int channel_of(const char *stem, size_t *length)
{
    const size_t n = strlen(stem);
    int k = 0;

    *length = n;
    if (n < 6 || stem[n - 5] != '_')
        return -1;
    for (size_t i = n - 4; i < n; i++) {
        if (stem[i] < '0' || stem[i] > '9')
            return -1;
        k = 10 * k + (stem[i] - '0');
    }
    *length = n - 5;
    return k;
}

/* Whether the files from i on are channels 0 .. channels - 1 of one picture, and no more. */
static int is_set(const un_inputs *in, size_t i, int channels)
{
    size_t length, other;

    if (i + (size_t)channels > in->count || channel_of(in->file[i].stem, &length) != 0)
        return 0;
    for (int k = 1; k <= channels && i + (size_t)k < in->count; k++) {
        const char *stem = in->file[i + (size_t)k].stem;
        const int same = channel_of(stem, &other) == k && other == length && !strncmp(stem, in->file[i].stem, length);

        if (same != (k < channels))
            return 0;
    }
    return 1;
}

static int has_one_channel(const un_inputs *in, const char *path)
{
    un_image_info info;

    return !un_image_probe(&info, in->mem, path, NULL) && info.c - info.alpha == 1;
}

/* The files from i on become one input. */
static unet_status join(un_inputs *in, size_t i, int channels, unet_error *err)
{
    un_input *f = &in->file[i];
    size_t length;

    f->channel = un_alloc_array(in->mem, (size_t)channels - 1, sizeof *f->channel);
    if (!f->channel)
        return un_fail_nomem(err, (size_t)channels * sizeof *f->channel);
    (void)channel_of(f->stem, &length);
    f->stem[length] = 0;
    f->channels = channels;
    for (int k = 1; k < channels; k++) {
        un_input *other = &in->file[i + (size_t)k];

        f->channel[k - 1] = other->path;
        un_free(other->stem);
        memset(other, 0, sizeof *other);
    }
    return UNET_OK;
}

unet_status un_inputs_join_channels(un_inputs *in, int channels, unet_error *err)
{
    size_t to = 0;

    for (size_t i = 0; i < in->count;) {
        const int n = channels > 1 && is_set(in, i, channels) && has_one_channel(in, in->file[i].path) ? channels : 1;
        unet_status st = n > 1 ? join(in, i, n, err) : UNET_OK;
        const un_input f = in->file[i];

        if (st)
            return st;
        memset(&in->file[i], 0, sizeof f);
        in->file[to++] = f;
        i += (size_t)n;
    }
    in->count = to;
    return check_twins(in, err);
}

/* ---- pages ---- */

unet_status un_inputs_split_pages(un_inputs *in, const un_config *cfg, unet_error *err)
{
    const size_t count = in->count;
    unet_status st = UNET_OK;

    for (size_t i = 0; i < count && !st; i++) {
        const int pages = in->file[i].channels > 1
                              ? 1
                              : un_series_pages(in->mem, in->file[i].path, cfg->data.pages, cfg->model.dims == 3);
        char *stem = in->file[i].stem;

        for (int k = 0; k < pages && pages > 1 && !st; k++) {
            char *name = un_series_name(in->mem, stem, k);

            if (name && k == 0) {
                in->file[i].stem = name;
                in->file[i].page = 0;
                continue;
            }
            st = name ? add(in, in->file[i].path, name, err) : un_fail_nomem(err, 1);
            if (!st)
                in->file[in->count - 1].page = k;
            un_free(name);
        }
        if (in->file[i].stem != stem)
            un_free(stem);
    }
    return st ? st : check_twins(in, err);
}
