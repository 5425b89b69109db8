/* Makes the data sets of sets.txt, most of them wrong in one way: make_sets SETS.txt FOLDER. The commands are listed
 * there. Everything is written by the library's own writers, then spoilt. */
#define _GNU_SOURCE
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "io/image.h"

enum { WORDS = 12, BYTES_MAX = 1 << 24 };

static const char *at; /* for messages */
static unet_error err;

static void must(unet_status st)
{
    if (!st)
        return;
    fprintf(stderr, "make_sets: %s: %s: %s\n", at, err.where, err.message);
    exit(1);
}

static void make_folder_of(const char *path)
{
    char folder[4096], *slash;

    snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (slash) {
        *slash = 0;
        must(un_make_dirs(folder, &err));
    }
}

/* "24x32", "24x32x3", "8x24x32x1": h, w; h, w, c; d, h, w, c. */
static void extents(const char *s, int v[4])
{
    int n[4], count = sscanf(s, "%dx%dx%dx%d", &n[0], &n[1], &n[2], &n[3]);

    v[0] = count == 4 ? n[0] : 1;
    v[1] = n[count == 4];
    v[2] = n[1 + (count == 4)];
    v[3] = count >= 3 ? n[count - 1] : 1;
}

static double square(int y, int x, const int v[4])
{
    return y >= v[1] / 4 && y < v[1] * 3 / 4 && x >= v[2] / 4 && x < v[2] * 3 / 4;
}

/* By the suffix of the path. */
static void save(const char *path, const un_image *im)
{
    const char *dot = strrchr(path, '.');

    make_folder_of(path);
    if (dot && !strcmp(dot, ".jpg"))
        must(un_image_write_jpeg(NULL, path, im, &err));
    else if (dot && !strcmp(dot, ".tif"))
        must(un_image_write_tiff(NULL, path, im, &err));
    else if (dot && (!strcmp(dot, ".gz") || !strcmp(dot, ".nii")))
        must(un_image_write_nifti(NULL, path, im, &err));
    else
        must(un_image_write_png(NULL, path, im, &err));
}

static un_dtype type_of(const char *word)
{
    return !word                  ? UN_DTYPE_U8
           : !strcmp(word, "u16") ? UN_DTYPE_U16
           : !strcmp(word, "f32") ? UN_DTYPE_F32
                                  : UN_DTYPE_U8;
}

static void put(un_image *im, size_t i, double v)
{
    if (im->type == UN_DTYPE_U16)
        ((uint16_t *)im->data)[i] = (uint16_t)v;
    else if (im->type == UN_DTYPE_F32)
        ((float *)im->data)[i] = (float)v;
    else
        ((uint8_t *)im->data)[i] = (uint8_t)v;
}

/* pic PATH SIZE SEED [u16|f32|nan|flat]: noise, brighter in the middle. */
static void pic(const char *path, const char *size, int seed, const char *how)
{
    int v[4];
    un_image im;
    un_rng r;

    extents(size, v);
    must(un_image_create(
        &im, NULL, how && !strcmp(how, "nan") ? UN_DTYPE_F32 : type_of(how), v[0], v[1], v[2], v[3], &err));
    un_rng_init(&r, (uint64_t)seed, UN_RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < un_image_count(&im); i++) {
        const int x = (int)(i / (size_t)v[3]) % v[2], y = (int)(i / (size_t)v[3]) / v[2] % v[1];
        double value = 40 + (double)un_rng_below(&r, 30) + 100 * square(y, x, v);

        if (how && !strcmp(how, "flat"))
            value = 7;
        if (how && !strcmp(how, "nan") && x < 3)
            value = NAN;
        put(&im, i, value);
    }
    save(path, &im);
    un_image_free(&im);
}

/* mask PATH SIZE VALUE [VALUE2] [u16|f32|soft|noise]: VALUE in a square, VALUE2 in the first row. Channels: the last
 * has none of it, so that they differ. */
static void mask(const char *path, const char *size, double value, double second, const char *how)
{
    int v[4];
    un_image im;

    extents(size, v);
    must(un_image_create(&im, NULL, type_of(how), v[0], v[1], v[2], v[3], &err));
    for (size_t i = 0; i < un_image_count(&im); i++) {
        const int x = (int)(i / (size_t)v[3]) % v[2], y = (int)(i / (size_t)v[3]) / v[2] % v[1];
        double p = value * square(y, x, v);

        if (second > 0 && y == 0)
            p = second;
        if (how && !strcmp(how, "soft") && y == v[1] / 4)
            p = value * (x * 7 % 23) / 23;
        if (how && !strcmp(how, "noise"))
            p = (double)((i * 37) % 251);
        if (v[3] > 1 && i % (size_t)v[3] == (size_t)v[3] - 1)
            p = 0;
        put(&im, i, p);
    }
    save(path, &im);
    un_image_free(&im);
}

static void copy_bytes(const char *from, const char *to, size_t keep, long spoil, const char *in, size_t in_size)
{
    unsigned char *bytes, *all;
    size_t size;

    must(un_file_read(&bytes, &size, NULL, from, BYTES_MAX, &err));
    size = keep && keep < size ? keep : size;
    if (spoil > 0 && (size_t)spoil < size)
        bytes[spoil] ^= 0x5a;
    all = malloc(size + in_size);
    if (!all)
        exit(1);
    memcpy(all, bytes, in_size ? 2 : 0); /* behind the first two bytes */
    memcpy(all + (in_size ? 2 : 0), in, in_size);
    memcpy(all + (in_size ? 2 + in_size : 0), bytes + (in_size ? 2 : 0), size - (in_size ? 2 : 0));
    make_folder_of(to);
    must(un_file_write(NULL, to, all, size + in_size, &err));
    free(all);
    un_free(bytes);
}

/* exif PATH N: a segment with orientation N into a JPEG. */
static void exif(const char *path, int orientation)
{
    char segment[] = "\xff\xe1\x00\x22"
                     "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0?\0\0\0\0\0\0\0";

    *strchr(segment + 28, '?') = (char)orientation;
    copy_bytes(path, path, 0, 0, segment, 36);
}

/* pairs N SIZE VALUE: images/pI.png, masks/pI.png. */
static void pairs(int n, const char *size, double value)
{
    char path[64], flat[32];
    int v[4];

    extents(size, v);
    snprintf(flat, sizeof flat, "%dx%d", v[1], v[2]);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "images/p%d.png", i);
        pic(path, size, i + 1, NULL);
        snprintf(path, sizeof path, "masks/p%d.png", i);
        mask(path, flat, value, 0, NULL);
    }
}

static void text(const char *path, char *const *word, int n)
{
    char all[1024];
    size_t size = 0;

    for (int i = 0; i < n; i++) {
        for (char *c = word[i]; *c; c++)
            *c = (char)(*c == '~' ? ' ' : *c);
        size += (size_t)snprintf(all + size, sizeof all - size, "%s\n", word[i]);
    }
    make_folder_of(path);
    must(un_file_write(NULL, path, all, size, &err));
}

static double number(const char *s)
{
    return s ? strtod(s, NULL) : 0;
}

static void run(char *line)
{
    char *word[WORDS + 1] = {0}, *rest = line;
    int n = 0;

    while (n < WORDS && (word[n] = strtok_r(NULL, " ", &rest)))
        n++;
    if (!n)
        return;
    if (!strcmp(word[0], "pairs"))
        pairs((int)number(word[1]), n > 2 ? word[2] : "24x32", n > 3 ? number(word[3]) : 255);
    else if (!strcmp(word[0], "pic"))
        pic(word[1], word[2], (int)number(word[3]), word[4]);
    else if (!strcmp(word[0], "mask"))
        mask(word[1], word[2], number(word[3]), number(word[4]), word[5]);
    else if (!strcmp(word[0], "text"))
        text(word[1], word + 2, n - 2);
    else if (!strcmp(word[0], "cut"))
        copy_bytes(word[1], word[1], (size_t)number(word[2]), 0, "", 0);
    else if (!strcmp(word[0], "spoil"))
        copy_bytes(word[1], word[1], 0, (long)number(word[2]), "", 0);
    else if (!strcmp(word[0], "exif"))
        exif(word[1], (int)number(word[2]));
    else if (!strcmp(word[0], "copy"))
        copy_bytes(word[1], word[2], 0, 0, "", 0);
    else if (!strcmp(word[0], "rm"))
        unlink(word[1]);
    else if (!strcmp(word[0], "mkdir"))
        must(un_make_dirs(word[1], &err));
    else if (!strcmp(word[0], "link") && symlink(word[1], word[2]))
        exit(1);
    else if (!strcmp(word[0], "fifo") && mkfifo(word[1], 0600))
        exit(1);
}

/* NAME: command; command */
static void make(char *line, const char *folder)
{
    char *colon = strchr(line, ':'), *rest = colon + 1, *command, path[4096];

    *colon = 0;
    at = line;
    snprintf(path, sizeof path, "%s/%s", folder, line);
    must(un_make_dirs(path, &err));
    if (chdir(path))
        exit(1);
    while ((command = strtok_r(NULL, ";", &rest)))
        run(command);
}

int main(int argc, char **argv)
{
    char line[2048];
    FILE *f = argc == 3 ? fopen(argv[1], "r") : NULL;

    if (!f || argv[2][0] != '/') {
        fprintf(stderr, "make_sets SETS.txt /FOLDER\n");
        return 2;
    }
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] && line[0] != '#' && strchr(line, ':'))
            make(line, argv[2]);
    }
    fclose(f);
    return 0;
}
