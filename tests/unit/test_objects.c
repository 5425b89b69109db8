/* metrics: objects in drawn pictures, distances against the definition, splitting of discs that touch,
 * alone and beside scikit-image. */
#include "test.h"

#include "base/rng.h"
#include "base/size.h"
#include "io/safetensors.h"
#include "metrics/objects.h"
#include "metrics/panel.h"

static unet_error err;

static un_shape shape(int d, int h, int w)
{
    return (un_shape){1, d, h, w, 1};
}

/* '#' and digits are classes 1..9, everything else is 0. */
static void draw(uint8_t *map, const char *picture)
{
    for (int i = 0; picture[i]; i++)
        map[i] = (uint8_t)(picture[i] == '#' ? 1 : picture[i] >= '1' && picture[i] <= '9' ? picture[i] - '0' : 0);
}

static un_objects find(const uint8_t *map, un_shape size, un_objects_options opt)
{
    un_objects o;

    CHECK_OK(un_objects_find(&o, NULL, map, size, &opt, &err), &err);
    return o;
}

TEST(components_of_a_drawing)
{
    static const char picture[] = "##..#"
                                  "##.#."
                                  "...#."
                                  "#...."
                                  "..##.";
    uint8_t map[25];
    un_objects o;

    draw(map, picture);
    o = find(map, shape(1, 5, 5), (un_objects_options){.class_index = 1});
    CHECK_INT(o.count, 4);
    CHECK(o.of[0].pixels == 4 && o.of[1].pixels == 3 && o.of[2].pixels == 1 && o.of[3].pixels == 2);
    CHECK(o.label[0] == 1 && o.label[4] == 2 && o.label[8] == 2 && o.label[15] == 3 && o.label[23] == 4);
    CHECK_INT(o.label[2], 0);
    CHECK_NEAR(o.of[0].centroid[1], 0.5, 0);
    CHECK_NEAR(o.of[1].centroid[1], 1, 1e-15);
    CHECK_NEAR(o.of[1].centroid[2], 10.0 / 3, 1e-15);
    CHECK(o.of[1].lo[1] == 0 && o.of[1].hi[1] == 3 && o.of[1].lo[2] == 3 && o.of[1].hi[2] == 5);
    CHECK(o.of[1].lo[0] == 0 && o.of[1].hi[0] == 1);
    un_objects_free(&o);
    o = find(map, shape(1, 5, 5), (un_objects_options){.class_index = 1, .faces_only = 1});
    CHECK_INT(o.count, 5); /* the corner at the upper right is cut */
    un_objects_free(&o);
    un_objects_free(&o);
    un_objects_free(NULL);
}

/* Objects that are known need not hang together; they are numbered anew. */
TEST(objects_with_numbers)
{
    const int32_t id[10] = {0, 9, 9, 4, 4, 9, 0, 4, 2, 2};
    un_objects o;

    CHECK_OK(un_objects_given(&o, NULL, id, shape(1, 2, 5), &err), &err);
    CHECK_INT(o.count, 3);
    for (int i = 0; i < 10; i++)
        CHECK_INT(o.label[i], ((int[]){0, 1, 1, 2, 2, 1, 0, 2, 3, 3})[i]);
    CHECK(o.of[0].pixels == 3 && o.of[0].lo[2] == 0 && o.of[0].hi[2] == 3 && o.of[0].hi[1] == 2);
    CHECK_NEAR(o.of[1].centroid[2], 3, 1e-15);
    un_objects_free(&o);
    CHECK_STATUS(un_objects_given(&o, NULL, id, shape(1, 0, 5), &err), UNET_E_ARG);
}

TEST(components_join_late)
{
    /* two arms that meet in the last row only, and a spiral */
    static const char comb[] = "#.#.#"
                               "#.#.#"
                               "#####";
    static const char spiral[] = "#####"
                                 "....#"
                                 "###.#"
                                 "#...#"
                                 "#####";
    uint8_t map[25];
    un_objects o;

    draw(map, comb);
    o = find(map, shape(1, 3, 5), (un_objects_options){.class_index = 1, .faces_only = 1});
    CHECK(o.count == 1 && o.of[0].pixels == 11);
    un_objects_free(&o);
    draw(map, spiral);
    o = find(map, shape(1, 5, 5), (un_objects_options){.class_index = 1, .faces_only = 1});
    CHECK(o.count == 1 && o.of[0].pixels == 17);
    un_objects_free(&o);
}

TEST(components_of_one_class)
{
    uint8_t map[9];
    un_objects o;

    draw(map, "112"
              "..2"
              "1.2");
    o = find(map, shape(1, 3, 3), (un_objects_options){.class_index = 1});
    CHECK_INT(o.count, 2);
    un_objects_free(&o);
    o = find(map, shape(1, 3, 3), (un_objects_options){.class_index = UN_OBJECT_ANY_CLASS});
    CHECK(o.count == 2 && o.of[0].pixels == 5);
    un_objects_free(&o);
    o = find(map, shape(1, 3, 3), (un_objects_options){.class_index = 0});
    CHECK(o.count == 1 && o.of[0].pixels == 3);
    un_objects_free(&o);
    o = find(map, shape(1, 3, 3), (un_objects_options){.class_index = 7});
    CHECK_INT(o.count, 0);
    un_objects_free(&o);
}

TEST(components_in_space)
{
    /* two layers: pixels meet along a face, and by a corner only */
    static const char layers[] = "#..."
                                 "...."
                                 "...#"
                                 "#..."
                                 ".#.."
                                 "....";
    uint8_t map[24];
    un_objects o;

    draw(map, layers);
    o = find(map, shape(2, 3, 4), (un_objects_options){.class_index = 1, .faces_only = 1});
    CHECK_INT(o.count, 3);
    CHECK(o.of[0].pixels == 2 && o.of[0].hi[0] == 2);
    CHECK_NEAR(o.of[0].centroid[0], 0.5, 0);
    un_objects_free(&o);
    o = find(map, shape(2, 3, 4), (un_objects_options){.class_index = 1});
    CHECK(o.count == 2 && o.of[0].pixels == 3);
    un_objects_free(&o);
}

TEST(border_is_noticed)
{
    uint8_t map[25] = {0}, volume[27] = {0};
    un_objects o;

    map[12] = 1;
    map[9] = 1;
    o = find(map, shape(1, 5, 5), (un_objects_options){.class_index = 1, .faces_only = 1});
    CHECK(o.count == 2 && o.of[0].touches_border == 1 && o.of[1].touches_border == 0);
    un_objects_free(&o);
    volume[13] = 1;
    o = find(volume, shape(3, 3, 3), (un_objects_options){.class_index = 1});
    CHECK(o.count == 1 && !o.of[0].touches_border);
    un_objects_free(&o);
    volume[4] = 1;
    o = find(volume, shape(3, 3, 3), (un_objects_options){.class_index = 1});
    CHECK(o.count == 1 && o.of[0].touches_border);
    un_objects_free(&o);
}

TEST(distance_is_exact)
{
    enum { D = 4, H = 9, W = 11, N = D * H * W };
    const double spacing[3] = {2.5, 1, 0.5};
    uint8_t mask[N];
    float got[N];
    un_rng r;

    un_rng_init(&r, 1, UN_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < N; i++)
        mask[i] = un_rng_uniform(&r) < 0.97;
    CHECK_OK(un_distance_squared(got, NULL, NULL, mask, shape(D, H, W), spacing, &err), &err);
    for (int i = 0; i < N; i++) {
        double best = INFINITY;

        for (int j = 0; j < N; j++) {
            double z = spacing[0] * (i / (H * W) - j / (H * W)), y = spacing[1] * (i / W % H - j / W % H);
            double x = spacing[2] * (i % W - j % W);

            if (!mask[j])
                best = fmin(best, z * z + y * y + x * x);
        }
        CHECK_NEAR(got[i], best, 0); /* multiples of 1/4: exact */
    }
    memset(mask, 1, sizeof mask);
    CHECK_OK(un_distance_squared(got, NULL, NULL, mask, shape(D, H, W), spacing, &err), &err);
    CHECK(isinf(got[0]) && isinf(got[N - 1]));
}

static void disc(uint8_t *map, int h, int w, double cy, double cx, double r)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            if ((y - cy) * (y - cy) + (x - cx) * (x - cx) <= r * r)
                map[y * w + x] = 1;
}

TEST(touching_discs_are_split)
{
    enum { H = 40, W = 80 };
    static uint8_t map[H * W];
    un_objects o;

    disc(map, H, W, 20, 20, 14);
    disc(map, H, W, 20, 44, 14);
    disc(map, H, W, 20, 66, 9);
    o = find(map, shape(1, H, W), (un_objects_options){.class_index = 1});
    CHECK_INT(o.count, 1);
    un_objects_free(&o);
    o = find(map, shape(1, H, W), (un_objects_options){.class_index = 1, .split = 1});
    CHECK_INT(o.count, 3);
    CHECK_NEAR(o.of[0].pixels, M_PI * 14 * 14, 40);
    CHECK_NEAR(o.of[1].pixels, M_PI * 14 * 14, 40);
    CHECK_NEAR(o.of[2].pixels, M_PI * 9 * 9, 40);
    CHECK_NEAR(o.of[0].centroid[2], 20, 1);
    CHECK_NEAR(o.of[1].centroid[2], 44, 1);
    CHECK_INT(o.label[20 * W + 25], o.label[20 * W + 15]);
    un_objects_free(&o);
    o = find(map, shape(1, H, W), (un_objects_options){.class_index = 1, .split = 1, .min_depth = 10});
    CHECK_INT(o.count, 1); /* no neck is that deep */
    un_objects_free(&o);
}

TEST(single_objects_stay_whole)
{
    enum { H = 48, W = 64 };
    static uint8_t map[H * W];
    un_objects o;

    disc(map, H, W, 20.3, 24.6, 13.2);
    for (int x = 4; x < 60; x++)
        map[40 * W + x] = map[41 * W + x] = map[42 * W + x] = 1; /* a bar: one long ridge */
    o = find(map, shape(1, H, W), (un_objects_options){.class_index = 1, .split = 1});
    CHECK_INT(o.count, 2);
    un_objects_free(&o);
    memset(map, 1, sizeof map); /* no background at all */
    o = find(map, shape(1, H, W), (un_objects_options){.class_index = 1, .split = 1});
    CHECK(o.count == 1 && o.of[0].pixels == H * W);
    un_objects_free(&o);
}

TEST(touching_balls_are_split)
{
    enum { D = 16, N = 32 };
    static uint8_t map[D * N * N];
    un_objects o;

    for (int z = 0; z < D; z++) /* slices twice as far apart as pixels */
        for (int y = 0; y < N; y++)
            for (int x = 0; x < N; x++) {
                double zz = 4.0 * (z - 8) * (z - 8), yy = (y - 16) * (y - 16);

                map[(z * N + y) * N + x] = zz + yy + (x - 9) * (x - 9) <= 64 || zz + yy + (x - 23) * (x - 23) <= 64;
            }
    o = find(map, shape(D, N, N), (un_objects_options){.class_index = 1, .split = 1, .spacing = {2, 1, 1}});
    CHECK_INT(o.count, 2);
    CHECK_NEAR(o.of[0].pixels, o.of[1].pixels, 60);
    un_objects_free(&o);
    o = find(map, shape(D, N, N), (un_objects_options){.class_index = 1});
    CHECK_INT(o.count, 1);
    un_objects_free(&o);
}

/* ---- against scikit-image: tests/golden/metrics.safetensors, made by tools/metric_golden.py ---- */

enum { BALLS_MOST = 9 };

/* Balls z, y, x, radius in the unit of the spacing, and the last x of a row of them (0: one alone). */
static const struct touching {
    const char *name;
    un_shape size;
    double spacing[3], ball[2][BALLS_MOST][5]; /* of truth and prediction; the first of radius 0 ends the list */
} touching[] = {
    {"touching", {1, 1, 72, 96, 1}, {1, 1, 1},
        {{{0, 42, 16, 10}, {0, 42, 33, 10}, {0, 44, 58, 12}, {0, 40, 76, 9}, {0, 62, 14, 7}, {0, 62, 27, 7},
             {0, 71, 44, 8}, {0, 62, 60, 5, 80}},
            {{0, 43, 16, 9.5}, {0, 42, 33.5, 10}, {0, 44.5, 58, 11}, {0, 62, 13, 7}, {0, 62.5, 27, 5.5}, {0, 71, 44, 7},
                {0, 62, 58, 5, 72}, {0, 40, 88, 4}}}},
    {"touching_volume", {1, 10, 24, 40, 1}, {2, 1, 1},
        {{{4.5, 8, 8, 7}, {4.5, 8, 19.5, 7}, {1.5, 16, 32, 6}, {7.5, 16, 32, 6}, {4.5, 19, 12, 4}},
            {{4.5, 8.5, 8, 7}, {4.5, 8, 20, 6}, {1.5, 16, 33, 6}, {7.5, 16, 32, 6}, {4.5, 19, 14, 4}}}},
};

static void draw_ball(uint8_t *to, int bit, const struct touching *c, const double ball[5])
{
    const un_shape s = c->size;

    for (double last = ball[2]; last <= fmax(ball[2], ball[4]); last++)
        for (int k = 0; k < s.d * s.h * s.w; k++) {
            const double z = (k / (s.h * s.w) - ball[0]) * c->spacing[0], y = (k / s.w % s.h - ball[1]) * c->spacing[1],
                         x = (k % s.w - last) * c->spacing[2];

            if (z * z + y * y + x * x <= ball[3] * ball[3])
                to[k] |= (uint8_t)bit;
        }
}

/* In the picture a bar with a dent that is no neck: the highest object, at the upper edge of what holds them all. */
static uint8_t *draw_touching(const struct touching *c)
{
    const un_shape s = c->size;
    uint8_t *m = un_alloc_zero(NULL, (size_t)s.d * (size_t)s.h * (size_t)s.w);

    for (int side = 0; side < 2; side++)
        for (int i = 0; i < BALLS_MOST && c->ball[side][i][3] > 0; i++)
            draw_ball(m, 1 << side, c, c->ball[side][i]);
    for (int k = 0; k < s.h * s.w && s.d == 1; k++)
        if (k / s.w >= 4 && k / s.w < 26 && k % s.w >= 6 && k % s.w < 90 && (k / s.w > 4 || k % s.w != 48))
            m[k] |= 3;
    return m;
}

static float *golden_of(const un_safetensors *golden, const char *name, const char *what, int64_t *count)
{
    const un_st_tensor *t;
    char key[64];
    float *v;

    snprintf(key, sizeof key, "%s%s", name, what);
    t = un_safetensors_find(golden, key);
    CHECK(t);
    v = un_alloc_array(NULL, (size_t)t->count, sizeof *v);
    CHECK_OK(un_st_to_f32(t, v, &err), &err);
    *count = t->count;
    return v;
}

/* As many objects as scikit-image has, 99 of 100 pixels in the same ones, and each of the same area by a twentieth: the
 * two differ in the pixels between two objects (`instances` in the script). */
static void check_instances(const struct touching *c, const uint8_t *m, const un_safetensors *golden)
{
    const un_objects_options how = {
        .class_index = 1, .split = 1, .spacing = {c->spacing[0], c->spacing[1], c->spacing[2]}};
    const int64_t all = (int64_t)c->size.d * c->size.h * c->size.w;
    uint8_t *truth = un_alloc_array(NULL, (size_t)all, 1);
    double area[32] = {0}, same = 0;
    int64_t count, n = 0;
    float *expected = golden_of(golden, c->name, "", &count);
    int most = 0;
    un_objects o;

    for (int64_t i = 0; i < all; i++)
        truth[i] = m[i] & 1;
    CHECK_OK(un_objects_find(&o, NULL, truth, c->size, &how, &err), &err);
    for (int64_t i = 0; i < all; i++)
        if (truth[i]) {
            const int number = n < count ? (int)expected[n] : 0;

            CHECK(number > 0 && number < 32);
            most = UN_MAX(most, number);
            area[number - 1]++;
            same += o.label[i] == number;
            n++;
        }
    CHECK_INT(n, count);
    CHECK_INT(o.count, most);
    for (int i = 0; i < most; i++)
        CHECK_NEAR(o.of[i].pixels, area[i], 0.05 * area[i]);
    un_test_note("%s: %d objects, %.2f %% of the pixels agree", c->name, most, 100 * same / (double)n);
    CHECK(same >= 0.99 * (double)n);
    un_objects_free(&o);
    un_free(truth);
    un_free(expected);
}

/* What eval.split makes of it, by the way of `unet eval`. */
static un_class_panel panel_of(const struct touching *c, const uint8_t *m)
{
    static const un_metric_rules rules = {.beta = 1, .boundary = 0.02, .object_iou = 0.7, .split = 1};
    const size_t all = (size_t)c->size.d * (size_t)c->size.h * (size_t)c->size.w;
    int32_t *side[2] = {un_alloc_array(NULL, all, sizeof *side[0]), un_alloc_array(NULL, all, sizeof *side[1])};
    un_scored_picture p = {.truth = side[0], .prediction = side[1], .size = c->size};
    un_metric_choice objects = {0};
    un_class_counts n = {0};
    un_class_panel panel;

    memcpy(p.spacing, c->spacing, sizeof p.spacing);
    for (size_t i = 0; i < all; i++)
        for (int k = 0; k < 2; k++)
            side[k][i] = m[i] >> k & 1;
    CHECK_OK(un_metric_choose(&objects, "objects", &err), &err);
    CHECK_OK(un_panel_class(&panel, &p, 1, 1, n, &objects, &rules, NULL, NULL, &err), &err);
    un_free(side[0]);
    un_free(side[1]);
    return panel;
}

/* Counts and pairs are those of scikit-image's objects, overlaps nearly. */
static void check_split_metrics(const struct touching *c, const uint8_t *m, const un_safetensors *golden)
{
    const un_class_panel panel = panel_of(c, m);
    const char *name = un_safetensors_meta(golden, "objects");
    int64_t count, n = 0;
    float *expected = golden_of(golden, c->name, ".metrics", &count);

    CHECK(name);
    for (; *name; name += strspn(name, " "), n++) {
        const size_t length = strcspn(name, " ");
        int k = 0;

        while (k < UN_M_COUNT && (strncmp(un_metric_info_of((un_metric)k)->name, name, length) != 0 ||
                                     un_metric_info_of((un_metric)k)->name[length]))
            k++;
        CHECK(k < UN_M_COUNT && n < count);
        un_test_note("%s: %.*s %g, %g", c->name, (int)length, name, panel.v[k], (double)expected[n]);
        CHECK_NEAR(panel.v[k], expected[n], k == UN_M_SQ || k == UN_M_PQ ? 0.01 : 1e-6);
        name += length;
    }
    CHECK_INT(n, count);
    un_free(expected);
}

TEST(touching_objects_equal_their_reference)
{
    un_safetensors *golden;

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/metrics.safetensors"), &err), &err);
    for (size_t k = 0; k < UN_COUNT(touching); k++) {
        uint8_t *m = draw_touching(&touching[k]);

        check_instances(&touching[k], m, golden);
        check_split_metrics(&touching[k], m, golden);
        un_free(m);
    }
    un_safetensors_close(golden);
}

TEST(odd_sizes_and_memory)
{
    un_mem *mem = un_mem_create(NULL);
    uint8_t map[12] = {1, 0, 1, 1};
    un_objects o;
    un_objects_options opt = {.class_index = 1, .split = 1};
    unet_status st = UNET_E_NOMEM;

    CHECK_STATUS(un_objects_find(&o, mem, map, shape(1, 0, 5), &opt, &err), UNET_E_ARG);
    CHECK_STATUS(un_objects_find(&o, mem, map, shape(1, 1 << 16, 1 << 15), &opt, &err), UNET_E_LIMIT);
    o = find(map, shape(1, 1, 1), opt);
    CHECK(o.count == 1 && o.of[0].touches_border);
    un_objects_free(&o);
    for (int nth = 1; st == UNET_E_NOMEM; nth++) { /* each allocation fails once */
        CHECK(nth < 20);
        un_mem_fail_at(mem, nth);
        st = un_objects_find(&o, mem, map, shape(1, 3, 4), &opt, &err);
        CHECK(!st || (!o.label && un_mem_live(mem) == 0));
    }
    CHECK_INT(st, UNET_OK);
    CHECK_INT(o.count, 2);
    un_objects_free(&o);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}
