/* JPEG: written and read again, every cut refused, orientation. */
#include "io/codec.h"
#include "test.h"

#include "base/file.h"

static unet_error err;

/* A smooth picture, so that the loss stays small. */
static void smooth(un_image *im, un_mem *mem, int h, int w, int c)
{
    CHECK_OK(un_image_create(im, mem, UN_DTYPE_U8, 1, h, w, c, &err), &err);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int k = 0; k < c; k++)
                ((uint8_t *)im->data)[(y * w + x) * c + k] = (uint8_t)(20 + 3 * x + 2 * y + 10 * k);
}

static void check_round_trip(int c)
{
    char path[512];
    un_image a, b;
    un_image_info info;

    snprintf(path, sizeof path, "%s/x.jpg", un_test_tmp());
    smooth(&a, NULL, 30, 41, c);
    CHECK_OK(un_image_write_jpeg(NULL, path, &a, &err), &err);
    CHECK_OK(un_image_read(&b, NULL, path, NULL, &err), &err);
    CHECK_OK(un_image_probe(&info, NULL, path, &err), &err);
    CHECK_STR(info.format, "jpeg");
    CHECK(b.h == 30 && b.w == 41 && b.c == c && info.h == 30 && info.w == 41 && info.c == c);
    for (size_t i = 0; i < un_image_count(&a); i++)
        CHECK_NEAR(un_image_at(&a, i), un_image_at(&b, i), 12);
    un_image_free(&a);
    un_image_free(&b);
}

TEST(round_trips)
{
    check_round_trip(1);
    check_round_trip(3);
}

/* A picture that ends early is an error, not a picture with grey below. */
TEST(cut_files)
{
    un_mem *mem = un_mem_create(NULL);
    un_image a, b;
    unsigned char *bytes;
    char path[512];
    size_t n;

    snprintf(path, sizeof path, "%s/x.jpg", un_test_tmp());
    smooth(&a, mem, 40, 40, 3);
    CHECK_OK(un_image_write_jpeg(mem, path, &a, &err), &err);
    CHECK_OK(un_file_read(&bytes, &n, mem, path, 1 << 20, &err), &err);
    for (size_t cut = 3; cut < n; cut++)
        CHECK_STATUS(un_image_read_memory(&b, mem, bytes, cut, "cut", NULL, &err), UNET_E_FORMAT);
    CHECK_STATUS(
        un_image_read_memory(&b, mem, bytes, n, "big", &(un_image_read_options){.max_bytes = 100}, &err), UNET_E_LIMIT);
    un_free(bytes);
    un_image_free(&a);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

/* The corner that must come to stand at the upper left, by the EXIF definition of 1..8. */
TEST(orientation)
{
    static const int first[] = {1, 2, 6, 5, 1, 5, 6, 2}, second[] = {2, 1, 5, 6, 5, 1, 2, 6};

    for (int o = 1; o <= 8; o++) {
        un_image im; /* rows 1 2 / 3 4 / 5 6 */

        CHECK_OK(un_image_create(&im, NULL, UN_DTYPE_U8, 1, 3, 2, 1, &err), &err);
        for (int i = 0; i < 6; i++)
            ((uint8_t *)im.data)[i] = (uint8_t)(i + 1);
        im.spacing[1] = 2;
        im.spacing[2] = 3;
        CHECK_OK(un_image_orient(&im, NULL, o, &err), &err);
        CHECK(im.spacing[1] == (o < 5 ? 2 : 3) && im.spacing[2] == (o < 5 ? 3 : 2));
        CHECK_INT(im.h, o < 5 ? 3 : 2);
        CHECK_INT(un_image_at(&im, 0), first[o - 1]);
        CHECK_INT(un_image_at(&im, (size_t)im.w - 1), second[o - 1]);
        un_image_free(&im);
    }
}

TEST(exif)
{
    static const unsigned char little[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
    static const unsigned char big[] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";

    CHECK_INT(un_exif_orientation(little, 22), 6);
    CHECK_INT(un_exif_orientation(big, 22), 8);
    for (size_t n = 0; n < 22; n++)
        CHECK_INT(un_exif_orientation(big, n), 1);
    CHECK_INT(un_exif_orientation((const unsigned char *)"II*\0\xff\xff\xff\xff\x01", 9), 1);
}

TEST(what_it_cannot_hold)
{
    char path[512];
    un_image a;

    snprintf(path, sizeof path, "%s/x.jpg", un_test_tmp());
    CHECK_OK(un_image_create(&a, NULL, UN_DTYPE_U16, 1, 3, 3, 1, &err), &err);
    CHECK_STATUS(un_image_write_jpeg(NULL, path, &a, &err), UNET_E_ARG);
    CHECK(!un_path_exists(path));
    un_image_free(&a);
}

/* An EXIF block set into a written file: the decoded picture stands upright, and is left alone when asked. */
TEST(turned_file)
{
    static const unsigned char app1[] = "\xff\xe1\0\x1e"
                                        "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0";
    char path[512];
    unsigned char *bytes, turned[8192];
    un_image a, plain, b;
    size_t n;

    snprintf(path, sizeof path, "%s/x.jpg", un_test_tmp());
    smooth(&a, NULL, 16, 24, 1);
    CHECK_OK(un_image_write_jpeg(NULL, path, &a, &err), &err);
    CHECK_OK(un_file_read(&bytes, &n, NULL, path, 4096, &err), &err);
    memcpy(turned, bytes, 2);
    memcpy(turned + 2, app1, 32);
    memcpy(turned + 34, bytes + 2, n - 2);
    CHECK_OK(
        un_image_read_memory(&plain, NULL, turned, n + 32, "x", &(un_image_read_options){.no_orientation = 1}, &err),
        &err);
    CHECK_OK(un_image_read_memory(&b, NULL, turned, n + 32, "x", NULL, &err), &err);
    CHECK(plain.h == 16 && plain.w == 24 && b.h == 24 && b.w == 16);
    for (int y = 0; y < 24; y++)
        for (int x = 0; x < 16; x++)
            CHECK_INT(un_image_at(&b, (size_t)(16 * y + x)), un_image_at(&plain, (size_t)(24 * (15 - x) + y)));
    un_free(bytes);
    un_image_free(&a);
    un_image_free(&plain);
    un_image_free(&b);
}
