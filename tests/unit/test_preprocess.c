/* Masks to classes, pictures to the input of the network, grids there and back, order statistics. */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "base/size.h"
#include "data/labels.h"
#include "data/preprocess.h"
#include "data/restore.h"
#include "data/values.h"

static unet_error err;
static un_config cfg;

static void configure(const char *const *words)
{
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    for (; *words; words++)
        CHECK_OK(un_config_set(&cfg, NULL, *words, &err), &err);
}
#define CONFIGURE(...) configure((const char *const[]){__VA_ARGS__, NULL})

static un_image picture(un_dtype type, int d, int h, int w, int c, const double *v)
{
    un_image im;

    CHECK_OK(un_image_create(&im, NULL, type, d, h, w, c, &err), &err);
    for (size_t i = 0, n = un_image_count(&im); i < n; i++)
        switch (type) {
        case UN_DTYPE_U8:
            ((uint8_t *)im.data)[i] = (uint8_t)v[i];
            break;
        case UN_DTYPE_U16:
            ((uint16_t *)im.data)[i] = (uint16_t)v[i];
            break;
        case UN_DTYPE_I16:
            ((int16_t *)im.data)[i] = (int16_t)v[i];
            break;
        case UN_DTYPE_U32:
            ((uint32_t *)im.data)[i] = (uint32_t)v[i];
            break;
        default:
            CHECK_INT(type, UN_DTYPE_F32);
            ((float *)im.data)[i] = (float)v[i];
        }
    return im;
}

/* Classes of a row of values. */
static void classes_are(un_dtype type, int n, const double *values, const int *classes, int64_t strays)
{
    un_image im = picture(type, 1, 1, n, 1, values);
    un_label_map *m;
    int32_t t[16];
    int64_t s;

    CHECK_OK(un_label_map_create(&m, NULL, &cfg, &err), &err);
    CHECK_OK(un_label_map_apply(m, &im, t, &s, &err), &err);
    for (int i = 0; i < n; i++)
        CHECK_INT(t[i], classes[i]);
    CHECK_INT(s, strays);
    un_label_map_destroy(m);
    un_image_free(&im);
}

TEST(index_masks)
{
    CONFIGURE("data.mask_kind=index", "data.classes=[bg, cell]", "data.ignore=none",
        "data.mapping=[{value: 0, to: 127, class: 0}, {value: 128, to: 255, class: 1}]");
    classes_are(UN_DTYPE_U8, 5, (double[]){0, 127, 128, 200, 255}, (int[]){0, 0, 1, 1, 1}, 0);
    CONFIGURE("data.mask_kind=index", "data.classes=[bg, a, b]", "data.ignore=[255]",
        "data.mapping=[{value: 0, class: 0}, {value: 1, class: 1}, {value: 7, class: 2}]");
    classes_are(UN_DTYPE_U8, 5, (double[]){0, 1, 7, 255, 9}, (int[]){0, 1, 2, -1, -1}, 1);
    classes_are(UN_DTYPE_F32, 4, (double[]){0.9999999, 7, NAN, 0.5}, (int[]){1, 2, -1, -1}, 1);
    CONFIGURE("data.mask_kind=index", "data.classes=[no, water]", "data.ignore=[-1]",
        "data.mapping=[{value: 0, class: 0}, {value: 1, class: 1}]");
    classes_are(UN_DTYPE_I16, 3, (double[]){-1, 0, 1}, (int[]){-1, 0, 1}, 0);
    CONFIGURE("data.mask_kind=index", "data.classes=[bg, far]",
        "data.mapping=[{value: 0, class: 0}, {value: 70000, class: 1}]");
    classes_are(UN_DTYPE_U32, 2, (double[]){0, 70000}, (int[]){0, 1}, 0);
}

TEST(instance_masks)
{
    const double v[12] = {1, 1, 0, 0, 0, 9, 1, 1, 400, 400, 0, 9};
    un_image im;
    un_label_map *m;
    int32_t t[12];

    CONFIGURE("data.mask_kind=instance", "data.classes=[bg, object]");
    classes_are(UN_DTYPE_U16, 4, (double[]){0, 1, 300, 65535}, (int[]){0, 1, 1, 1}, 0);
    CONFIGURE(
        "data.mask_kind=instance", "data.classes=[bg, object, boundary]", "data.boundary=true", "data.boundary_px=1");
    im = picture(UN_DTYPE_U16, 1, 2, 6, 1, v);
    CHECK_OK(un_label_map_create(&m, NULL, &cfg, &err), &err);
    CHECK_OK(un_label_map_apply(m, &im, t, NULL, &err), &err);
    for (int i = 0; i < 12; i++) /* 1 | 400 touch in the middle; 400 and 9 lie one pixel apart */
        CHECK_INT(t[i], ((int[]){1, 2, 2, 0, 2, 1, 1, 2, 2, 1, 2, 1})[i]);
    un_label_map_destroy(m);
    un_image_free(&im);
}

/* Numbers of objects, from 1 in the order they come; what is ignored has none. */
TEST(instance_numbers)
{
    const double v[10] = {0, 900, 900, 7, 255, 900, 70000.5, NAN, -1, 7};
    un_image im = picture(UN_DTYPE_F32, 1, 2, 5, 1, v), many;
    un_label_map *m;
    int32_t id[10], *all;
    double *number;

    CONFIGURE("data.mask_kind=instance", "data.classes=[bg, object]", "data.ignore=[255]");
    CHECK_OK(un_label_map_create(&m, NULL, &cfg, &err), &err);
    CHECK_OK(un_label_map_instances(m, &im, id, NULL, &err), &err);
    for (int i = 0; i < 10; i++)
        CHECK_INT(id[i], ((int[]){0, 1, 1, 2, 0, 1, 3, 0, 0, 2})[i]);
    number = un_alloc_array(NULL, 1024, sizeof *number);
    all = un_alloc_array(NULL, 1024, sizeof *all);
    for (int i = 0; i < 1024; i++)
        number[i] = 1 + i * 509 % 1024;
    number[5] = 255;
    many = picture(UN_DTYPE_U16, 1, 32, 32, 1, number);
    CHECK_OK(un_label_map_instances(m, &many, all, NULL, &err), &err);
    for (int i = 0, next = 0; i < 1024; i++)
        CHECK_INT(all[i], number[i] == 255 ? 0 : ++next);
    un_free(number);
    un_free(all);
    un_image_free(&im);
    un_image_free(&many);
    un_label_map_destroy(m);
}

TEST(colour_masks)
{
    const double v[9] = {0, 0, 0, 255, 0, 0, 0, 255, 1};
    unsigned char palette[6] = {0, 0, 0, 255, 0, 0};
    un_image im = picture(UN_DTYPE_U8, 1, 1, 3, 3, v), indexed = picture(UN_DTYPE_U8, 1, 1, 2, 1, (double[]){1, 0});
    un_label_map *m;
    int32_t t[3];
    int64_t strays;

    CONFIGURE("data.mask_kind=index", "data.classes=[bg, red]",
        "data.mapping=[{color: \"#000000\", class: 0}, {color: \"#ff0000\", class: 1}]");
    CHECK_OK(un_label_map_create(&m, NULL, &cfg, &err), &err);
    CHECK_OK(un_label_map_apply(m, &im, t, &strays, &err), &err);
    CHECK(t[0] == 0 && t[1] == 1 && t[2] == -1 && strays == 1);
    indexed.palette = un_alloc(NULL, sizeof palette);
    memcpy(indexed.palette, palette, sizeof palette);
    indexed.palette_size = 2;
    CHECK_OK(un_label_map_apply(m, &indexed, t, &strays, &err), &err);
    CHECK(t[0] == 1 && t[1] == 0 && strays == 0);
    un_label_map_destroy(m);
    CONFIGURE("data.mask_kind=index", "data.classes=[bg, red]", "data.mapping=[{value: 0, class: 0}]");
    CHECK_OK(un_label_map_create(&m, NULL, &cfg, &err), &err);
    CHECK_STATUS(un_label_map_apply(m, &im, t, &strays, &err), UNET_E_DATA);
    un_label_map_destroy(m);
    CONFIGURE("data.classes=[bg, red]");
    CHECK_STATUS(un_label_map_create(&m, NULL, &cfg, &err), UNET_E_CONFIG);
    un_image_free(&im);
    un_image_free(&indexed);
}

TEST(multilabel_masks)
{
    un_image channels = picture(UN_DTYPE_U8, 1, 1, 2, 2, (double[]){255, 0, 127, 128});
    un_image pages = picture(UN_DTYPE_U8, 2, 1, 2, 1, (double[]){1, 0, 1, 1});
    un_label_map *m;
    float s[4];

    CONFIGURE("data.mask_kind=multilabel", "data.classes=[a, b]");
    CHECK_OK(un_label_map_create(&m, NULL, &cfg, &err), &err);
    CHECK_OK(un_label_map_apply_soft(m, &channels, s, &err), &err);
    CHECK(s[0] == 1 && s[1] == 0 && s[2] == 0 && s[3] == 1);
    CHECK_OK(un_label_map_apply_soft(m, &pages, s, &err), &err);
    CHECK(s[0] == 1 && s[1] == 1 && s[2] == 0 && s[3] == 1);
    un_label_map_destroy(m);
    un_image_free(&channels);
    un_image_free(&pages);
}

/* ---- pictures
 * ---------------------------------------------------------------------------------------------------- */

/* Rows as they are asked for are those of the whole picture, bit for bit. */
static void rows_are_those_of(const un_preprocess *pp, const un_image *im, const un_picture *p, const un_grid *g)
{
    float *row = un_alloc_array(NULL, (size_t)p->w, (size_t)p->c * sizeof *row);
    un_seen *seen;

    CHECK_OK(un_seen_create(&seen, pp, &(un_raster){im, 1, NULL}, NULL, g, &err), &err);
    CHECK_INT(un_seen_channels(seen), p->c);
    for (int z = 0; z < p->d; z++)
        for (int y = 0; y < p->h; y++) {
            const float *want = p->image + ((int64_t)z * p->h + y) * p->w * p->c;
            const int from = y % p->w, to = p->w - z % (p->w - from);

            un_seen_read(seen, z, y, from, to, row);
            CHECK(!memcmp(row, want + (int64_t)from * p->c, (size_t)(to - from) * (size_t)p->c * sizeof *row));
        }
    un_seen_destroy(seen);
    un_free(row);
}

static un_picture prepared(const un_image *im, un_grid *g)
{
    un_preprocess *p;
    un_picture out;
    un_grid grid;

    CHECK_OK(un_preprocess_create(&p, NULL, &cfg, 0, &err), &err);
    CHECK_OK(un_preprocess_image(p, im, 1, NULL, &out, &grid, &err), &err);
    if (!un_grid_is_resampled(&grid))
        rows_are_those_of(p, im, &out, &grid);
    if (g)
        *g = grid;
    un_preprocess_destroy(p);
    return out;
}

typedef struct rows {
    float *to;
    int row, got;
} rows;

static unet_status take_row(void *ctx, int at, const float *p, unet_error *e)
{
    rows *t = ctx;

    (void)e;
    CHECK_INT(at, t->got++);
    memcpy(t->to + (size_t)at * (size_t)t->row, p, (size_t)t->row * sizeof *p);
    return UNET_OK;
}

/* A volume of one channel back to the file, plane by plane. */
static void restore(const un_grid *g, const un_picture *p, float *back)
{
    float turned[256];
    ptrdiff_t step[3], first = (ptrdiff_t)un_grid_place(g, step);
    rows t = {turned, g->turned[1] * g->turned[2], 0};
    un_restore *r;

    CHECK_OK(un_restore_create(&r, NULL, g, 0, 1, take_row, &t, &err), &err);
    for (int z = 0; z < p->d; z++)
        CHECK_OK(un_restore_add(r, p->image + (size_t)z * (size_t)p->h * (size_t)p->w, &err), &err);
    CHECK_INT(t.got, g->turned[0]);
    for (int z = 0; z < g->turned[0]; z++)
        for (int y = 0; y < g->turned[1]; y++)
            for (int x = 0; x < g->turned[2]; x++)
                back[first + z * step[0] + y * step[1] + x * step[2]] =
                    turned[(z * g->turned[1] + y) * g->turned[2] + x];
    un_restore_destroy(r);
}

TEST(number_ranges)
{
    static const struct {
        const char *words[4];
        double expected[4];
    } t[] = {
        {{"data.normalise=zscore"}, {-1.3416407865, -0.4472135955, 0.4472135955, 1.3416407865}},
        {{"data.normalise=minmax"}, {0, 1 / 255.0, 2 / 255.0, 3 / 255.0}},
        {{"data.normalise=none"}, {0, 1, 2, 3}},
        {{"data.normalise=window", "data.window_centre=1.5", "data.window_width=1"}, {0, 0, 1, 1}},
        {{"data.normalise=dataset", "data.mean=[1]", "data.std=[2]"}, {-0.5, 0, 0.5, 1}},
        {{"data.normalise=percentile", "data.percentile_low=0", "data.percentile_high=100"}, {0, 1 / 3.0, 2 / 3.0, 1}},
    };
    un_image im = picture(UN_DTYPE_U8, 1, 2, 2, 1, (double[]){0, 1, 2, 3});

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        un_picture p;

        CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
        CHECK_OK(un_config_set(&cfg, NULL, "data.colour=grey", &err), &err);
        for (int k = 0; k < 4 && t[i].words[k]; k++)
            CHECK_OK(un_config_set(&cfg, NULL, t[i].words[k], &err), &err);
        p = prepared(&im, NULL);
        for (int k = 0; k < 4; k++)
            CHECK_NEAR(p.image[k], t[i].expected[k], 1e-6);
        un_picture_free(&p);
    }
    un_image_free(&im);
}

TEST(colours)
{
    un_image rgba = picture(UN_DTYPE_U8, 1, 1, 1, 4, (double[]){10, 20, 30, 99}),
             grey = picture(UN_DTYPE_U8, 1, 1, 1, 1, (double[]){7});
    un_picture p;
    un_preprocess *pp;

    rgba.alpha = 1;
    CONFIGURE("data.colour=grey", "data.normalise=none");
    p = prepared(&rgba, NULL);
    CHECK_INT(p.c, 1);
    CHECK_NEAR(p.image[0], 0.299 * 10 + 0.587 * 20 + 0.114 * 30, 1e-5);
    un_picture_free(&p);
    CONFIGURE("data.colour=rgb", "data.normalise=none");
    p = prepared(&grey, NULL);
    CHECK(p.c == 3 && p.image[0] == 7 && p.image[2] == 7);
    un_picture_free(&p);
    CONFIGURE("data.colour=all", "data.normalise=none", "data.channels=[2, 0]");
    p = prepared(&rgba, NULL);
    CHECK(p.c == 2 && p.image[0] == 30 && p.image[1] == 10);
    un_picture_free(&p);
    CONFIGURE("data.colour=all", "data.normalise=none", "model.in_channels=2");
    CHECK_OK(un_preprocess_create(&pp, NULL, &cfg, 0, &err), &err);
    CHECK_STATUS(un_preprocess_image(pp, &rgba, 1, NULL, &p, NULL, &err), UNET_E_DATA);
    CHECK_STR(err.message, "the picture gives 3 channels; the network takes 2");
    un_preprocess_destroy(pp);
    for (int c = 2; c <= 5; c++) { /* which of them is meant is not guessed */
        un_image many = picture(UN_DTYPE_U8, 1, 1, 1, c, (double[]){10, 20, 30, 40, 50});

        CONFIGURE("data.colour=grey", "data.normalise=none");
        CHECK_OK(un_preprocess_create(&pp, NULL, &cfg, 0, &err), &err);
        CHECK_INT(un_preprocess_image(pp, &many, 1, NULL, &p, NULL, &err), c == 3 ? UNET_OK : UNET_E_DATA);
        CHECK(c == 3 || strstr(err.message, "channels; data.colour=grey takes 1 or 3"));
        un_picture_free(&p);
        un_preprocess_destroy(pp);
        un_image_free(&many);
    }
    CONFIGURE("data.colour=grey");
    CHECK_STATUS(un_preprocess_create(&pp, NULL, &cfg, 0, &err), UNET_E_CONFIG);
    un_image_free(&rgba);
    un_image_free(&grey);
}

TEST(pixels_without_data)
{
    un_image im = picture(UN_DTYPE_F32, 1, 1, 6, 1, (double[]){NAN, 1, 3, INFINITY, -9999, 1});
    un_image mask = picture(UN_DTYPE_U8, 1, 1, 6, 1, (double[]){1, 1, 0, 0, 1, 0});
    un_preprocess *pp;
    un_picture p;
    int64_t strays;

    CONFIGURE("data.colour=grey", "data.normalise=minmax", "data.no_data=-9999", "data.mask_kind=index",
        "data.classes=[a, b]", "data.mapping=[{value: 0, class: 0}, {value: 1, class: 1}]");
    CHECK_OK(un_preprocess_create(&pp, NULL, &cfg, 1, &err), &err);
    CHECK_OK(un_preprocess_pair(pp, &im, 1, &mask, NULL, &p, NULL, &strays, &err), &err);
    for (int i = 0; i < 6; i++) {
        CHECK_NEAR(p.image[i], ((double[]){0, 0, 1, 0, 0, 0})[i], 0);
        CHECK_INT(p.target[i], ((int[]){-1, 1, 0, -1, -1, 0})[i]);
    }
    CHECK_INT(p.classes, 2);
    un_picture_free(&p);
    mask.w = 5;
    CHECK_STATUS(un_preprocess_pair(pp, &im, 1, &mask, NULL, &p, NULL, &strays, &err), UNET_E_DATA);
    CHECK_STR(err.message, "the mask has 1x1x5 pixels, the picture 1x1x6 (d, h, w)");
    un_preprocess_destroy(pp);
    un_image_free(&im);
    un_image_free(&mask);
}

/* Each kind of numbers with each normalisation, rows longer than one piece, gaps in the data: `prepared` compares. */
TEST(row_by_row)
{
    static const un_dtype types[] = {UN_DTYPE_U8, UN_DTYPE_U16, UN_DTYPE_I16, UN_DTYPE_U32, UN_DTYPE_F32};
    static const char *const rules[] = {"percentile", "zscore", "minmax", "dataset", "window", "none"};
    static const char *const colours[] = {"data.colour=grey", "data.colour=rgb", "data.colour=all"};
    static double v[3 * 1100 * 3];
    un_rng r;

    un_rng_init(&r, 3, UN_RNG_TEST, 0, 0, 0);
    for (size_t i = 0; i < UN_COUNT(v); i++)
        v[i] = i % 7 ? (double)un_rng_below(&r, 200) : 0;
    for (size_t t = 0; t < UN_COUNT(types); t++)
        for (size_t k = 0; k < UN_COUNT(rules); k++)
            for (size_t c = 0; c < UN_COUNT(colours); c++) {
                un_image im = picture(types[t], 1, 3, 1100, 3, v);
                char rule[40];
                un_picture p;

                snprintf(rule, sizeof rule, "data.normalise=%s", rules[k]);
                CONFIGURE(colours[c], rule, "data.mean=[20]", "data.std=[3]", "data.window_centre=90",
                    "data.window_width=60", "data.no_data=13", k % 2 ? "data.nonzero=true" : "data.nonzero=false");
                if (types[t] == UN_DTYPE_F32)
                    for (int i = 0; i < 50; i++)
                        ((float *)im.data)[i * 191] = i % 2 ? NAN : INFINITY;
                p = prepared(&im, NULL);
                un_picture_free(&p);
                un_image_free(&im);
            }
}

/* data.nonzero: pixels that are exactly 0 take no part in mean and spread. */
TEST(zeros_left_out)
{
    un_image im = picture(UN_DTYPE_F32, 1, 1, 6, 1, (double[]){0, 0, 2, 4, 0, 0});
    static const double want[2][2] = {{0.654654, 1.963961}, {-1, 1}}; /* mean 1, variance 14/6; mean 3, variance 1 */
    un_preprocess *pp;
    un_picture p;

    for (int nonzero = 0; nonzero < 2; nonzero++) {
        CONFIGURE("data.colour=grey", "data.normalise=zscore", nonzero ? "data.nonzero=true" : "data.nonzero=false",
            "data.mask_kind=index", "data.classes=[a, b]", "data.mapping=[{value: 0, class: 0}]");
        CHECK_OK(un_preprocess_create(&pp, NULL, &cfg, 1, &err), &err);
        CHECK_OK(un_preprocess_image(pp, &im, 1, NULL, &p, NULL, &err), &err);
        CHECK_NEAR(p.image[2], want[nonzero][0], 1e-5);
        CHECK_NEAR(p.image[3], want[nonzero][1], 1e-5);
        un_picture_free(&p);
        un_preprocess_destroy(pp);
    }
    un_image_free(&im);
}

TEST(multilabel_pair)
{
    un_image im = picture(UN_DTYPE_F32, 1, 1, 4, 1, (double[]){NAN, 1, 3, 2});
    un_image mask = picture(UN_DTYPE_U8, 1, 1, 4, 2, (double[]){1, 1, 1, 0, 0, 1, 0, 0});
    un_preprocess *pp;
    un_picture p;

    CONFIGURE("data.colour=grey", "data.normalise=none", "data.mask_kind=multilabel", "data.classes=[a, b]");
    CHECK_OK(un_preprocess_create(&pp, NULL, &cfg, 1, &err), &err);
    CHECK_OK(un_preprocess_pair(pp, &im, 1, &mask, NULL, &p, NULL, NULL, &err), &err);
    CHECK(!p.target && p.soft[2] == 1 && p.soft[3] == 0 && p.soft[5] == 1);
    CHECK(p.weight[0] == 0 && p.weight[1] == 1);
    un_picture_free(&p);
    un_preprocess_destroy(pp);
    un_image_free(&im);
    un_image_free(&mask);
}

/* Constant pictures keep their value, a ramp stays a ramp, and halving takes the mean of what is covered. */
TEST(resampling)
{
    float ramp[8], out[16];
    const int n8[3] = {1, 1, 8}, n16[3] = {1, 1, 16}, n4[3] = {1, 1, 4}, two[3] = {2, 2, 2}, three[3] = {3, 3, 3};
    float cube[8], big[27];
    uint8_t mask[8] = {0, 0, 0, 0, 1, 1, 1, 1}, small[4];

    for (int i = 0; i < 8; i++)
        ramp[i] = (float)i + 0.5f;
    CHECK_OK(un_resample_linear(out, n16, ramp, n8, 1, NULL, &err), &err);
    for (int i = 1; i < 15; i++)
        CHECK_NEAR(out[i], (i + 0.5) / 2, 1e-6);
    CHECK_NEAR(out[0], 0.5, 1e-6);
    CHECK_OK(un_resample_linear(out, n4, ramp, n8, 1, NULL, &err), &err);
    CHECK_NEAR(out[1], 3, 1e-6);
    CHECK_NEAR(out[2], 5, 1e-6);
    CHECK_OK(un_resample_linear(out, n8, ramp, n8, 1, NULL, &err), &err);
    CHECK(!memcmp(out, ramp, sizeof ramp));
    for (int i = 0; i < 8; i++)
        cube[i] = 3;
    CHECK_OK(un_resample_linear(big, three, cube, two, 1, NULL, &err), &err);
    for (int i = 0; i < 27; i++)
        CHECK_NEAR(big[i], 3, 1e-6);
    un_resample_nearest(small, n4, mask, n8, 1);
    CHECK(!small[0] && !small[1] && small[2] && small[3]);
}

/* Every one of the 48 ways to store a volume gives the same input, and scores come back to the stored grid.
 */
TEST(orientations)
{
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    CONFIGURE("data.colour=grey", "data.normalise=none");
    for (int o = 0; o < 6; o++)
        for (int f = 0; f < 8; f++) {
            const int world[3] = {4, 3, 2}; /* x, y, z */
            int e[3], idx[3];
            un_image im;
            un_grid g;
            un_picture p;
            float back[24];

            for (int s = 0; s < 3; s++) /* stored axis s (x, y, z) is world axis orders[o][s] */
                e[s] = world[orders[o][s]];
            CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_F32, e[2], e[1], e[0], 1, &err), &err);
            im.has_affine = im.has_spacing = 1;
            for (int s = 0; s < 3; s++) {
                im.affine[orders[o][s]][s] = (f >> s & 1 ? -1 : 1) * (1.0 + orders[o][s]);
                im.affine[orders[o][(s + 1) % 3]][s] = 0.2;
                im.spacing[2 - s] = 1.0 + orders[o][s];
            }
            for (int i = 0; i < 24; i++) {
                int at[3];

                idx[0] = i % e[0];
                idx[1] = i / e[0] % e[1];
                idx[2] = i / e[0] / e[1];
                for (int s = 0; s < 3; s++)
                    at[orders[o][s]] = f >> s & 1 ? e[s] - 1 - idx[s] : idx[s];
                ((float *)im.data)[i] = (float)(at[0] + 10 * at[1] + 100 * at[2]);
            }
            p = prepared(&im, &g);
            CHECK(p.w == 4 && p.h == 3 && p.d == 2);
            CHECK(p.spacing[2] == 1 && p.spacing[1] == 2 && p.spacing[0] == 3);
            for (int i = 0; i < 24; i++)
                CHECK_NEAR(p.image[i], i % 4 + 10 * (i / 4 % 3) + 100 * (i / 12), 0);
            restore(&g, &p, back);
            CHECK(!memcmp(back, im.data, sizeof back));
            CHECK_INT(!un_grid_is_turned(&g), o == 0 && f == 0);
            un_picture_free(&p);
            un_image_free(&im);
        }
}

/* Rows of a picture come back as those of a volume do: constant stays constant, a ramp a ramp. */
TEST(rows_come_back)
{
    const int axis = 1;
    un_grid g;
    un_restore *r;
    float row[2 * 3], back[10 * 7 * 2];
    rows t = {back, 7 * 2, 0};

    un_grid_init(&g, 1, 10, 7);
    g.size[1] = 4;
    g.size[2] = 3;
    CHECK_OK(un_restore_create(&r, NULL, &g, axis, 2, take_row, &t, &err), &err);
    for (int y = 0; y < 4; y++) {
        for (int x = 0; x < 3; x++) {
            row[2 * x] = 1;
            row[2 * x + 1] = (float)((y + 0.5) * 2.5 + 100 * (x + 0.5) * 7 / 3); /* places in the file */
        }
        CHECK_OK(un_restore_add(r, row, &err), &err);
    }
    CHECK_INT(t.got, 10);
    for (int y = 2; y < 8; y++) /* away from the edges, where the nearest is repeated */
        for (int x = 2; x < 5; x++) {
            CHECK_NEAR(back[(y * 7 + x) * 2], 1, 1e-6);
            CHECK_NEAR(back[(y * 7 + x) * 2 + 1], y + 0.5 + 100 * (x + 0.5), 1e-3);
        }
    un_restore_destroy(r);
}

TEST(spacing)
{
    un_image im;
    un_grid g;
    un_picture p;
    float back[2 * 6 * 6];

    CONFIGURE("data.colour=grey", "data.normalise=none", "data.spacing=[1, 1, 0]");
    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_F32, 2, 6, 6, 1, &err), &err);
    im.has_spacing = 1;
    im.spacing[0] = 2;
    im.spacing[1] = 0.5;
    im.spacing[2] = 0.5;
    for (int i = 0; i < 72; i++)
        ((float *)im.data)[i] = 5;
    p = prepared(&im, &g);
    CHECK(p.d == 4 && p.h == 3 && p.w == 6);
    CHECK(p.spacing[0] == 1 && p.spacing[1] == 1 && p.spacing[2] == 0.5);
    restore(&g, &p, back);
    for (int i = 0; i < 72; i++)
        CHECK_NEAR(back[i], 5, 1e-6);
    un_picture_free(&p);
    un_image_free(&im);
    CONFIGURE("data.colour=grey", "data.normalise=none", "data.scale=0.5");
    CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, 5, 8, 1, &err), &err);
    p = prepared(&im, &g);
    CHECK(p.d == 1 && p.h == 3 && p.w == 4 && un_grid_is_resampled(&g));
    un_picture_free(&p);
    un_image_free(&im);
}

/* ---- numbers
 * ----------------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

TEST(quantiles)
{
    static const double percent[] = {0, 0.5, 10, 50, 90, 99.5, 100};
    enum { N = 1001 };
    float x[N], sorted[N];
    double q[7];
    un_rng r;

    for (int kind = 0; kind < 3; kind++) {
        un_rng_init(&r, 1, UN_RNG_TEST, (uint32_t)kind, 0, 0);
        for (int i = 0; i < N; i++)
            x[i] = kind == 0 ? (float)un_rng_normal(&r) : kind == 1 ? (float)un_rng_below(&r, 4) : 7.0f;
        memcpy(sorted, x, sizeof x);
        qsort(sorted, N, sizeof *sorted, by_value);
        CHECK_OK(un_quantiles(q, NULL, x, N, percent, 7, &err), &err);
        for (int i = 0; i < 7; i++) {
            const double rank = percent[i] * 10;
            const int k = (int)rank;
            const double next = k + 1 < N ? (double)sorted[k + 1] : (double)sorted[k];

            CHECK_NEAR(q[i], sorted[k] + (rank - k) * (next - (double)sorted[k]), 1e-9);
        }
    }
    CHECK_OK(un_quantiles(q, NULL, x, 0, percent, 7, &err), &err);
    CHECK_NEAR(q[3], 0, 0);
}

TEST(no_memory)
{
    un_image im = picture(UN_DTYPE_U8, 1, 2, 2, 1, (double[]){0, 1, 2, 3});
    un_mem *mem = un_mem_create(NULL);
    unet_status st = UNET_E_NOMEM;

    CONFIGURE("data.colour=rgb", "data.normalise=percentile", "data.scale=2", "data.mask_kind=instance",
        "data.classes=[a, b]");
    for (int64_t i = 1; st; i++) {
        un_preprocess *p = NULL;
        un_picture out = {0};

        un_mem_fail_at(mem, i);
        st = un_preprocess_create(&p, mem, &cfg, 1, &err);
        if (!st)
            st = un_preprocess_pair(p, &im, 1, &im, mem, &out, NULL, NULL, &err);
        CHECK(!st || st == UNET_E_NOMEM);
        un_picture_free(&out);
        un_preprocess_destroy(p);
        CHECK_INT(un_mem_live(mem), 0);
    }
    un_mem_destroy(mem);
    un_image_free(&im);
}
