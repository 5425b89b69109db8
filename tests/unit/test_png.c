/* PNG and the dispatch by content. */
#include "io/image.h"
#include "test.h"

static unet_error err;

static void check_round_trip(un_dtype type, int c, int palette)
{
    char path[512];
    un_image a, b;
    un_image_read_options o = {.keep_palette = 1};

    snprintf(path, sizeof path, "%s/x.png", un_test_tmp());
    CHECK_OK(un_image_create(&a, NULL, type, 1, 13, 17, c, &err), &err);
    for (size_t i = 0; i < un_image_count(&a); i++) {
        if (type == UN_DTYPE_U8)
            ((uint8_t *)a.data)[i] = (uint8_t)(palette ? i % 3 : i * 7);
        else
            ((uint16_t *)a.data)[i] = (uint16_t)(i * 997);
    }
    if (palette) {
        a.palette = un_alloc_zero(NULL, 9);
        a.palette[4] = 200;
        a.palette_size = 3;
    }
    CHECK_OK(un_image_write_png(NULL, path, &a, &err), &err);
    CHECK_OK(un_image_read(&b, NULL, path, &o, &err), &err);
    CHECK(a.type == b.type && a.c == b.c && a.h == b.h && a.w == b.w && a.palette_size == b.palette_size);
    CHECK(!memcmp(a.data, b.data, un_image_count(&a) * un_dtype_size(type)));
    CHECK(!palette || b.palette[4] == 200);
    un_image_free(&b);
    if (palette) {
        CHECK_OK(un_image_read(&b, NULL, path, NULL, &err), &err);
        CHECK_INT(b.c, 3);
        CHECK_INT(((uint8_t *)b.data)[4], 200);
        un_image_free(&b);
    }
    un_image_free(&a);
}

TEST(round_trips)
{
    for (int c = 1; c <= 4; c++) {
        check_round_trip(UN_DTYPE_U8, c, 0);
        check_round_trip(UN_DTYPE_U16, c, 0);
    }
    check_round_trip(UN_DTYPE_U8, 1, 1);
}

/* Every cut of a file is an error that says where, and nothing leaks. */
TEST(cut_files)
{
    un_mem *mem = un_mem_create(NULL);
    un_image a, b;
    unsigned char *bytes;
    size_t n;

    CHECK_OK(un_image_create(&a, mem, UN_DTYPE_U8, 1, 9, 9, 3, &err), &err);
    CHECK_OK(un_image_encode_png(&bytes, &n, mem, &a, &err), &err);
    for (size_t cut = 0; cut + 12 < n; cut++) {
        unet_status st = un_image_read_memory(&b, mem, bytes, cut, "cut", NULL, &err);

        CHECK(st == UNET_E_FORMAT || (cut < 8 && st == UNET_E_UNSUPPORTED));
        CHECK_STR(err.where, "cut");
    }
    un_free(bytes);
    un_image_free(&a);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

/* Made with another encoder: grey of 4 bits (0, 15, 3), and one row of grey with opacity ((10, 255), (20, 0)). */
TEST(foreign_forms)
{
    static const unsigned char grey4[] = {137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0,
        0, 0, 1, 4, 0, 0, 0, 0, 251, 123, 166, 105, 0, 0, 0, 11, 73, 68, 65, 84, 120, 218, 99, 224, 55, 0, 0, 0, 81, 0,
        64, 240, 163, 148, 191, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
    static const unsigned char grey_alpha[] = {137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2,
        0, 0, 0, 1, 8, 4, 0, 0, 0, 94, 43, 183, 1, 0, 0, 0, 13, 73, 68, 65, 84, 120, 218, 99, 224, 250, 47, 194, 0, 0,
        3, 82, 1, 30, 12, 202, 47, 152, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
    un_image im;

    CHECK_OK(un_image_read_memory(&im, NULL, grey4, sizeof grey4, "grey4", NULL, &err), &err);
    CHECK(im.w == 3 && im.h == 1 && im.c == 1 && im.type == UN_DTYPE_U8 && im.bits == 4 && !im.alpha);
    CHECK(((uint8_t *)im.data)[0] == 0 && ((uint8_t *)im.data)[1] == 255 && ((uint8_t *)im.data)[2] == 51);
    un_image_free(&im);
    CHECK_OK(un_image_read_memory(&im, NULL, grey_alpha, sizeof grey_alpha, "alpha", NULL, &err), &err);
    CHECK(im.w == 2 && im.c == 2 && im.alpha);
    CHECK(((uint8_t *)im.data)[2] == 20 && ((uint8_t *)im.data)[3] == 0);
    un_image_free(&im);
}

TEST(limits_and_strangers)
{
    un_image a, b;
    un_image_read_options o = {.max_bytes = 100};
    unsigned char *bytes;
    size_t n;

    CHECK_OK(un_image_create(&a, NULL, UN_DTYPE_U8, 1, 50, 50, 1, &err), &err);
    CHECK_OK(un_image_encode_png(&bytes, &n, NULL, &a, &err), &err);
    CHECK_STATUS(un_image_read_memory(&b, NULL, bytes, n, "large", &o, &err), UNET_E_LIMIT);
    CHECK_STATUS(un_image_read_memory(&b, NULL, "GIF89a..........", 16, "x.png", NULL, &err), UNET_E_UNSUPPORTED);
    CHECK(strstr(err.message, "GIF"));
    CHECK_STATUS(un_image_read_memory(&b, NULL, "", 0, "empty", NULL, &err), UNET_E_FORMAT);
    un_free(bytes);
    un_image_free(&a);
}
