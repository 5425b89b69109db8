/* A small data set on disk: grey pictures of bright discs, with index masks; what commands and jobs are tested on. */
#ifndef SMALL_DATA_H
#define SMALL_DATA_H

#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/rng.h"
#include "io/image.h"

/* count pictures of side x side with `classes` - 1 kinds of discs in `folder` (images, masks). Scans are kept in a
 * fresh folder, not in the user's. */
static inline void small_data_make(const char *folder, int count, int side, int classes)
{
    unet_error err;
    char path[600];

    setenv("XDG_CACHE_HOME", un_test_tmp(), 1);
    for (int k = 0; k < count; k++) {
        un_image im, mask;
        un_rng r;

        un_rng_init(&r, 9, UN_RNG_TEST, (uint32_t)k, 0, 0);
        CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, side, side, 1, &err), &err);
        CHECK_OK(un_image_create(&mask, NULL, UN_DTYPE_U8, 1, side, side, 1, &err), &err);
        for (int i = 0; i < side * side; i++) {
            const int y = i / side, x = i % side, half = side / 2, cls = 1 + (y / half + x / half + k) % (classes - 1);
            const double dy = y % half - half / 2.0, dx = x % half - half / 2.0;
            const int in = dy * dy + dx * dx < side * side / 25.0;

            ((uint8_t *)mask.data)[i] = (uint8_t)(in ? cls : 0);
            ((uint8_t *)im.data)[i] = (uint8_t)(60 + (in ? 60 * cls : 0) + un_rng_range(&r, -25, 25));
        }
        snprintf(path, sizeof path, "%s/images", folder);
        CHECK_OK(un_make_dirs(path, &err), &err);
        snprintf(path, sizeof path, "%s/images/p%02d.png", folder, k);
        CHECK_OK(un_image_write_png(NULL, path, &im, &err), &err);
        snprintf(path, sizeof path, "%s/masks", folder);
        CHECK_OK(un_make_dirs(path, &err), &err);
        snprintf(path, sizeof path, "%s/masks/p%02d.png", folder, k);
        CHECK_OK(un_image_write_png(NULL, path, &mask, &err), &err);
        un_image_free(&im);
        un_image_free(&mask);
    }
}

#endif
