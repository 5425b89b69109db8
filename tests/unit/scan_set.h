/* Small data sets in a folder of the test, and what a scan makes of them. */
#ifndef SCAN_SET_H
#define SCAN_SET_H

#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/fingerprint.h"
#include "data/scan.h"
#include "io/image.h"

static unet_error err;
static un_config cfg;
static char dir[1024];

static inline void begin(const char *const *words)
{
    snprintf(dir, sizeof dir, "%s", un_test_tmp());
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    for (; *words; words++)
        CHECK_OK(un_config_set(&cfg, NULL, *words, &err), &err);
}
#define BEGIN(...) begin((const char *const[]){__VA_ARGS__, NULL})

static inline void write_png(const char *rel, const un_image *im)
{
    char path[2048], *slash;

    snprintf(path, sizeof path, "%s/%s", dir, rel);
    slash = strrchr(path, '/');
    *slash = 0;
    CHECK_OK(un_make_dirs(path, &err), &err);
    *slash = '/';
    CHECK_OK(un_image_write_png(NULL, path, im, &err), &err);
}

enum { H = 24, W = 32 };

/* A noisy picture of c channels, level in the middle, 8 bits. */
static inline void put_image(const char *name, int c, int level, uint32_t seed)
{
    char rel[128];
    un_image im;
    un_rng r;

    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, H, W, c, &err), &err);
    un_rng_init(&r, seed, UN_RNG_TEST, 0, 0, 0);
    for (size_t i = 0, n = un_image_count(&im); i < n; i++)
        ((uint8_t *)im.data)[i] = (uint8_t)(level + un_rng_below(&r, 20) + (i / (size_t)c % 17 == 0 ? 60 : 0) -
                                            (i % 97 ? 0 : 60 * (level > 128)));
    snprintf(rel, sizeof rel, "images/%s.png", name);
    write_png(rel, &im);
    un_image_free(&im);
}

/* A mask from a rule over pixels; bytes: 1 or 2. */
static inline void put_mask(const char *name, int bytes, int (*rule)(int y, int x, int k), int k)
{
    char rel[128];
    un_image im;

    CHECK_OK(un_image_create(&im, NULL, bytes == 1 ? UN_DTYPE_U8 : UN_DTYPE_U16, 1, H, W, 1, &err), &err);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            if (bytes == 1)
                ((uint8_t *)im.data)[y * W + x] = (uint8_t)rule(y, x, k);
            else
                ((uint16_t *)im.data)[y * W + x] = (uint16_t)rule(y, x, k);
    snprintf(rel, sizeof rel, "masks/%s.png", name);
    write_png(rel, &im);
    un_image_free(&im);
}

/* n pictures with masks by one rule. */
static inline void put_set(int n, int bytes, int (*rule)(int, int, int))
{
    char name[16];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "p%02d", i);
        put_image(name, 1, 20, (uint32_t)i + 1);
        put_mask(name, bytes, rule, i);
    }
}

typedef struct looked {
    un_dataset *d;
    un_scan *s;
    char why[4096];
} looked;

static inline looked look(const un_scan_options *opt)
{
    looked l = {0};
    un_text why;

    CHECK_OK(un_dataset_open(&l.d, NULL, dir, &cfg, &err), &err);
    CHECK_OK(un_scan_run(&l.s, NULL, l.d, &cfg, opt, &err), &err);
    un_text_init(&why, NULL, sizeof l.why);
    CHECK_OK(un_scan_propose(&cfg, l.d, l.s, &why, &err), &err);
    snprintf(l.why, sizeof l.why, "%s", why.s ? why.s : "");
    un_text_free(&why);
    CHECK_OK(un_dataset_assign(l.d, &cfg, &err), &err);
    return l;
}

static inline void done(looked *l)
{
    un_scan_destroy(l->s);
    un_dataset_close(l->d);
}

static inline int issues(const un_dataset *d, un_issue_kind kind)
{
    int n = 0;

    for (int i = 0; i < d->issue_count; i++)
        n += d->issues[i].kind == kind;
    return n;
}

static inline int binary(int y, int x, int k)
{
    return (y / 8 + x / 8 + k) % 3 == 0 ? 255 : 0;
}

#endif
