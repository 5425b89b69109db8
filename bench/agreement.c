/* How many pixels of the masks in two folders are the same (bench/precision.sh).
 *   agreement FOLDER FOLDER   masks: the .png of the first whose name is in the second too */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "io/image.h"

static unet_status read_from(un_image *out, const char *folder, const char *name, unet_error *err)
{
    const un_image_read_options indices = {.keep_palette = 1};
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return un_image_read(out, NULL, path, &indices, err);
}

typedef struct sums {
    int64_t pixels, same;
    double worst; /* of a mask */
    int masks;
} sums;

static unet_status add(sums *s, const char *a, const char *b, const char *name, unet_error *err)
{
    un_image x = {.data = NULL}, y = {.data = NULL};
    unet_status st = read_from(&x, a, name, err);
    size_t bytes, same = 0;

    if (!st)
        st = read_from(&y, b, name, err);
    if (!st && (x.h != y.h || x.w != y.w || x.c != 1 || y.c != 1 || x.type != UN_DTYPE_U8 || y.type != UN_DTYPE_U8))
        st = un_fail_file(err, UNET_E_DATA, name, "the two are no masks of one size with 8 bits a pixel");
    if (!st) {
        bytes = un_image_count(&x);
        for (size_t i = 0; i < bytes; i++)
            same += ((const unsigned char *)x.data)[i] == ((const unsigned char *)y.data)[i];
        s->pixels += (int64_t)bytes;
        s->same += (int64_t)same;
        s->masks++;
        if ((double)same / (double)bytes < s->worst)
            s->worst = (double)same / (double)bytes;
    }
    un_image_free(&x);
    un_image_free(&y);
    return st;
}

int main(int argc, char **argv)
{
    sums s = {.worst = 1};
    unet_error err = {0};
    char **names = NULL;
    size_t count = 0;
    unet_status st;

    if (argc != 3) {
        fputs("usage: agreement FOLDER FOLDER\n", stderr);
        return 2;
    }
    st = un_dir_list(&names, &count, NULL, argv[1], &err);
    for (size_t i = 0; i < count && !st; i++) {
        const size_t n = strlen(names[i]);

        if (n > 4 && !strcmp(names[i] + n - 4, ".png"))
            st = add(&s, argv[1], argv[2], names[i], &err);
    }
    if (!st)
        printf("%d masks, %lld pixels: %.5f of them the same, %.5f in the mask that differs most\n", s.masks,
            (long long)s.pixels, s.pixels ? (double)s.same / (double)s.pixels : 0.0, s.worst);
    else
        fprintf(stderr, "%s: %s\n", err.where, err.message);
    un_free(names);
    return st || !s.masks;
}
