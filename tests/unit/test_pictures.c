/* TIFF, BMP and PNM by pictures made here: every type there and back, hand-made and hostile headers, cut files. */
#include "io/image.h"
#include "test.h"

#include "base/file.h"

static unet_error err;

static void put16(unsigned char *p, unsigned v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static void put32(unsigned char *p, unsigned v)
{
    put16(p, v);
    put16(p + 2, v >> 16);
}

static void fill(un_image *im, un_dtype type, int d, int h, int w, int c)
{
    CHECK_OK(un_image_create(im, NULL, type, d, h, w, c, &err), &err);
    for (size_t i = 0; i < un_image_count(im) * un_dtype_size(type); i++)
        ((unsigned char *)im->data)[i] = (unsigned char)(type >= UN_DTYPE_F32 ? i % 100 : i * 151 + i / 256);
}

static void check_tiff(un_dtype type, int d, int c, int alpha)
{
    char path[512];
    un_image a, b;
    un_image_info info;

    snprintf(path, sizeof path, "%s/x.tif", un_test_tmp());
    fill(&a, type, d, 33, 21, c);
    a.alpha = alpha;
    CHECK_OK(un_image_write_tiff(NULL, path, &a, &err), &err);
    CHECK_OK(un_image_probe(&info, NULL, path, &err), &err);
    CHECK_OK(un_image_read(&b, NULL, path, NULL, &err), &err);
    CHECK(info.type == type && info.d == d && info.h == 33 && info.w == 21 && info.c == c && info.pages == d);
    CHECK(b.type == type && b.d == d && b.h == 33 && b.w == 21 && b.c == c && b.alpha == alpha);
    CHECK(!memcmp(a.data, b.data, un_image_count(&a) * un_dtype_size(type)));
    un_image_free(&a);
    un_image_free(&b);
}

TEST(tiff_round_trips)
{
    for (int t = 0; t < UN_DTYPE_COUNT; t++)
        for (int c = 1; c <= 5; c += 2) {
            check_tiff((un_dtype)t, 1, c, 0);
            check_tiff((un_dtype)t, 3, c, 0);
        }
    check_tiff(UN_DTYPE_U8, 1, 2, 1);
    check_tiff(UN_DTYPE_U16, 1, 4, 1);
}

TEST(tiff_palette_and_pages)
{
    char path[512];
    un_image a, b;

    snprintf(path, sizeof path, "%s/x.tif", un_test_tmp());
    CHECK_OK(un_image_create(&a, NULL, UN_DTYPE_U8, 2, 2, 3, 1, &err), &err);
    ((uint8_t *)a.data)[7] = 1;
    a.palette = un_alloc_zero(NULL, 6);
    a.palette[4] = 77;
    a.palette_size = 2;
    CHECK_OK(un_image_write_tiff(NULL, path, &a, &err), &err);
    CHECK_OK(un_image_read(&b, NULL, path, &(un_image_read_options){.keep_palette = 1}, &err), &err);
    CHECK(b.d == 2 && b.c == 1 && b.palette && b.palette[4] == 77 && !memcmp(a.data, b.data, 12));
    un_image_free(&b);
    CHECK_OK(un_image_read(&b, NULL, path, NULL, &err), &err);
    CHECK(b.d == 2 && b.c == 3 && un_image_at(&b, 7 * 3 + 1) == 77);
    un_image_free(&b);
    CHECK_OK(un_image_read(&b, NULL, path, &(un_image_read_options){.pages = UN_PAGES_CHANNELS}, &err), &err);
    CHECK(b.d == 1 && b.c == 6 && un_image_at(&b, 6 + 4) == 77);
    un_image_free(&b);
    CHECK_OK(un_image_read(&b, NULL, path, &(un_image_read_options){.pages = UN_PAGES_SERIES, .page = 1}, &err), &err);
    CHECK(b.d == 1 && b.c == 3 && un_image_at(&b, 4) == 77);
    un_image_free(&b);
    CHECK_STATUS(un_image_read(&b, NULL, path, &(un_image_read_options){.pages = UN_PAGES_SERIES, .page = 2}, &err),
        UNET_E_DATA);
    un_image_free(&a);
}

/* White is zero: turned round as a picture, the numbers as stored as a mask. */
TEST(tiff_white_is_zero)
{
    static const unsigned char black[] = {6, 1, 3, 0, 1, 0, 0, 0, 1}; /* photometric, short, one, 1 */
    char path[512];
    unsigned char *bytes;
    size_t n, at = 0;
    un_image a, b;

    snprintf(path, sizeof path, "%s/x.tif", un_test_tmp());
    fill(&a, UN_DTYPE_U8, 1, 9, 7, 1);
    CHECK_OK(un_image_write_tiff(NULL, path, &a, &err), &err);
    CHECK_OK(un_file_read(&bytes, &n, NULL, path, 1 << 20, &err), &err);
    while (at + sizeof black < n && memcmp(bytes + at, black, sizeof black) != 0)
        at++;
    CHECK(at + sizeof black < n);
    bytes[at + 8] = 0;
    CHECK_OK(un_image_read_memory(&b, NULL, bytes, n, "x", NULL, &err), &err);
    for (size_t i = 0; i < 63; i++)
        CHECK_INT(((uint8_t *)b.data)[i], 255 - ((uint8_t *)a.data)[i]);
    un_image_free(&b);
    CHECK_OK(un_image_read_memory(&b, NULL, bytes, n, "x", &(un_image_read_options){.keep_palette = 1}, &err), &err);
    CHECK(!memcmp(a.data, b.data, 63));
    un_image_free(&b);
    un_free(bytes);
    un_image_free(&a);
}

/* Reads every beginning of a file: an error each time, and nothing leaks. */
static void check_cuts(const void *bytes, size_t n, size_t least)
{
    un_mem *mem = un_mem_create(NULL);
    un_image im;

    CHECK_OK(un_image_read_memory(&im, mem, bytes, n, "whole", NULL, &err), &err);
    un_image_free(&im);
    for (size_t cut = least; cut < n; cut++)
        CHECK_STATUS(un_image_read_memory(&im, mem, bytes, cut, "cut", NULL, &err), UNET_E_FORMAT);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

/* Its first 128 bytes are free, and some writers begin a TIFF in them: what cannot be read as one is called DICOM. */
TEST(dicom_that_begins_as_tiff)
{
    unsigned char file[200] = "II*";
    un_image im;

    memcpy(file + 128, "DICM", 4);
    put32(file + 4, 0xffffff00u);
    CHECK_STATUS(un_image_read_memory(&im, NULL, file, sizeof file, "x.dcm", NULL, &err), UNET_E_UNSUPPORTED);
    CHECK_STR(err.message, "DICOM is not supported; convert it to PNG, TIFF or NIfTI");
    file[128] = 'd';
    CHECK_STATUS(un_image_read_memory(&im, NULL, file, sizeof file, "x.dcm", NULL, &err), UNET_E_FORMAT);
}

TEST(tiff_cuts)
{
    char path[512];
    un_image a;
    unsigned char *bytes;
    size_t n;

    snprintf(path, sizeof path, "%s/x.tif", un_test_tmp());
    fill(&a, UN_DTYPE_U16, 2, 9, 7, 3);
    CHECK_OK(un_image_write_tiff(NULL, path, &a, &err), &err);
    CHECK_OK(un_file_read(&bytes, &n, NULL, path, 1 << 20, &err), &err);
    check_cuts(bytes, n, 8);
    un_free(bytes);
    un_image_free(&a);
}

/* Headers of one picture of 3 x 2 pixels; returns the length. */
static size_t make_bmp(unsigned char *p, int bits, unsigned compression, unsigned colours, const void *pixels, size_t n)
{
    const size_t at = 54 + 4 * (size_t)colours;

    memset(p, 0, at);
    memcpy(p, "BM", 2);
    put32(p + 10, (unsigned)at);
    put32(p + 14, 40);
    put32(p + 18, 3);
    put32(p + 22, 2);
    put16(p + 26, 1);
    put16(p + 28, (unsigned)bits);
    put32(p + 30, compression);
    put32(p + 46, colours);
    for (unsigned i = 0; i < colours; i++) {
        p[54 + 4 * i] = (unsigned char)(10 * i);
        p[55 + 4 * i] = (unsigned char)(20 * i);
        p[56 + 4 * i] = (unsigned char)(30 * i);
    }
    memcpy(p + at, pixels, n);
    return at + n;
}

static void check_indices(const unsigned char *bytes, size_t n, const char *expected)
{
    un_image im;

    CHECK_OK(un_image_read_memory(&im, NULL, bytes, n, "x", &(un_image_read_options){.keep_palette = 1}, &err), &err);
    CHECK(im.d == 1 && im.h == 2 && im.w == 3 && im.c == 1 && im.palette[3] == 30 && im.palette[5] == 10);
    CHECK(!memcmp(im.data, expected, 6));
    un_image_free(&im);
    CHECK_OK(un_image_read_memory(&im, NULL, bytes, n, "x", NULL, &err), &err);
    CHECK(im.c == 3 && un_image_at(&im, 0) == 30 * expected[0]);
    un_image_free(&im);
}

TEST(bmp_palettes_and_runs)
{
    unsigned char p[300];
    size_t n = make_bmp(p, 8, 0, 4, "\0\1\2\0\3\2\1\0", 8);

    check_indices(p, n, "\3\2\1\0\1\2");
    check_cuts(p, n - 1, 2);
    n = make_bmp(p, 4, 0, 4, "\x01\x20\0\0\x32\x10\0\0", 8);
    check_indices(p, n, "\3\2\1\0\1\2");
    n = make_bmp(p, 2, 0, 4, "\x18\0\0\0\xe4\0\0\0", 8);
    check_indices(p, n, "\3\2\1\0\1\2");
    n = make_bmp(p, 8, 1, 4, "\2\3\1\1\0\0\0\3\1\2\3\0\0\1", 14);
    check_indices(p, n, "\1\2\3\3\3\1");
    check_cuts(p, n - 3, 2); /* without the padding and the end mark it is still whole */
    n = make_bmp(p, 8, 1, 4, "\0\2\1\1\1\2\0\1", 8);
    check_indices(p, n, "\0\2\0\0\0\0");
    n = make_bmp(p, 4, 2, 4, "\3\x12\0\0\0\3\x32\x10\0\1", 10);
    check_indices(p, n, "\3\2\1\1\2\1");
}

TEST(bmp_true_colour)
{
    unsigned char p[300];
    un_image im;
    size_t n = make_bmp(p, 24, 0, 0, "\1\2\3\4\5\6\7\10\11\0\0\0\12\13\14\15\16\17\20\21\22\0\0\0", 24);

    CHECK_OK(un_image_read_memory(&im, NULL, p, n, "x", NULL, &err), &err);
    CHECK(im.c == 3 && un_image_at(&im, 0) == 12 && un_image_at(&im, 17) == 7);
    un_image_free(&im);
    put32(p + 22, (unsigned)-2);
    CHECK_OK(un_image_read_memory(&im, NULL, p, n, "x", NULL, &err), &err);
    CHECK(im.h == 2 && un_image_at(&im, 0) == 3);
    un_image_free(&im);
    n = make_bmp(p, 16, 0, 0, "\xff\x7f\x1f\0\0\x7c\0\0\0\0\0\0\0\0\0\0", 16);
    CHECK_OK(un_image_read_memory(&im, NULL, p, n, "x", NULL, &err), &err);
    CHECK(un_image_at(&im, 9) == 255 && un_image_at(&im, 12) == 0 && un_image_at(&im, 14) == 255);
    CHECK(un_image_at(&im, 15) == 255);
    un_image_free(&im);
}

TEST(bmp_hostile)
{
    static const struct {
        int at;
        unsigned value;
        unet_status expected;
    } bad[] = {{10, 0xffffffff, UNET_E_FORMAT}, {10, 0, UNET_E_FORMAT}, {14, 0xffffffff, UNET_E_FORMAT},
        {14, 3, UNET_E_FORMAT}, {18, 0x7fffffff, UNET_E_FORMAT}, {18, 0, UNET_E_FORMAT},
        {18, 0x80000000, UNET_E_FORMAT}, {22, 0x80000000, UNET_E_FORMAT}, {22, 0x7fffffff, UNET_E_FORMAT},
        {26, 0x80002, UNET_E_FORMAT}, {26, 0x70001, UNET_E_FORMAT}, {30, 2, UNET_E_FORMAT}, {30, 3, UNET_E_FORMAT},
        {30, 4, UNET_E_UNSUPPORTED}, {30, 77, UNET_E_UNSUPPORTED}, {46, 3, UNET_E_FORMAT}};
    unsigned char p[300];
    un_image im;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        size_t n = make_bmp(p, 8, 0, 4, "\0\1\2\0\3\2\1\0", 8);

        put32(p + bad[i].at, bad[i].value);
        if (un_image_read_memory(&im, NULL, p, n, "x", NULL, &err) != bad[i].expected)
            un_test_fail(__FILE__, __LINE__, "row %zu: %s", i, err.message);
    }
}

static void check_pnm(const char *bytes, size_t n, un_dtype type, int c, const char *values, int is_whole)
{
    un_image im;

    CHECK_OK(un_image_read_memory(&im, NULL, bytes, n, bytes, NULL, &err), &err);
    CHECK(im.type == type && im.h == 2 && im.w == 2 && im.c == c);
    for (int i = 0; i < 4 * c; i++)
        CHECK_INT(un_image_at(&im, (size_t)i), (unsigned char)values[i]);
    un_image_free(&im);
    if (is_whole)
        check_cuts(bytes, n, 3);
}

#define PNM(text, type, c, values) check_pnm(text, sizeof text - 1, type, c, values, 1)

TEST(pnm_kinds)
{
    PNM("P1 2 2 01 10", UN_DTYPE_U8, 1, "\xff\0\0\xff");
    check_pnm("P2\n# text\n2 2 9 1 2 3 9", 23, UN_DTYPE_U8, 1, "\1\2\3\x09", 1);
    check_pnm("P2 2 2 300 1 2 3 9", 18, UN_DTYPE_U16, 1, "\1\2\3\x09", 0);
    PNM("P3 2 2 9 1 2 3 4 5 6 7 8 9 1 2 3", UN_DTYPE_U8, 3, "\1\2\3\4\5\6\7\x08\x09\1\2\3");
    PNM("P4 2 2 \x40\x80", UN_DTYPE_U8, 1, "\xff\0\0\xff");
    PNM("P5 2 2 255\n\1\2\3\4", UN_DTYPE_U8, 1, "\1\2\3\4");
    PNM("P5 2 2 256\n\0\1\0\2\0\3\0\4", UN_DTYPE_U16, 1, "\1\2\3\4");
    PNM("P6 2 2 255\n123456789abc", UN_DTYPE_U8, 3, "123456789abc");
    PNM("P7\nWIDTH 2\nHEIGHT 2\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n12345678", UN_DTYPE_U8, 2,
        "12345678");
    PNM("P7\nWIDTH 2\nHEIGHT 2\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n\0\1\1\0", UN_DTYPE_U8, 1,
        "\0\xff\xff\0");
    PNM("Pf 2 2 -1.0\n\0\0\x40\x40\0\0\x80\x40\0\0\x80\x3f\0\0\0\x40", UN_DTYPE_F32, 1, "\1\2\3\4");
    PNM("Pf 2 2 1.0\n\x40\x40\0\0\x40\x80\0\0\x3f\x80\0\0\x40\0\0\0", UN_DTYPE_F32, 1, "\1\2\3\4");
}

TEST(pnm_hostile)
{
    static const char *const bad[] = {"P5 -1 2 255 ab", "P5 99999999999 2 255 ab", "P5 2147483647 2147483647 255 ab",
        "P5 2 0 255 ab", "P5 2 2 0 abcd", "P5 2 2 65536 abcd", "P2 1 1 3 4", "P2 1 1 3 x", "P1 1 1 2", "P7\nWIDTH",
        "P7\nNOISE 3\nENDHDR\n", "P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2000000000\nMAXVAL 1\nENDHDR\nxx", "Pf 1 1 0 abcd",
        "Pf 1 1 nan abcd", "P5 1 1 3 \4"};
    un_image im;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (un_image_read_memory(&im, NULL, bad[i], strlen(bad[i]), bad[i], NULL, &err) != UNET_E_FORMAT)
            un_test_fail(__FILE__, __LINE__, "%s: %s", bad[i], unet_status_name(err.status));
}
