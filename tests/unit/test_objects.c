/* metrics: objects in drawn pictures, distances against the definition, splitting of discs that touch. */
#include "test.h"

#include "base/rng.h"
#include "metrics/objects.h"

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
    unet_error err = {0};

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
    unet_error err = {0};
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
    unet_error err = {0};

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

TEST(odd_sizes_and_memory)
{
    un_mem *mem = un_mem_create(NULL);
    uint8_t map[12] = {1, 0, 1, 1};
    un_objects o;
    un_objects_options opt = {.class_index = 1, .split = 1};
    unet_error err = {0};
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
