/* NIfTI: every type there and back, plain and packed; place in the world; both orders of bytes; hostile headers. */
#include "io/codec.h"
#include "test.h"

#include <zlib.h>

#include "base/file.h"

static unet_error err;

static void check_round_trip(un_dtype type, int c, const char *name)
{
    static const double oblique[3][4] = {{-1.2, 0.9, 0, 5}, {1.6, 0.675, 0, -7.5}, {0, 0, 3, 100}};
    char path[512];
    un_image a, b;
    un_image_info info;

    snprintf(path, sizeof path, "%s/%s", un_test_tmp(), name);
    CHECK_OK(un_image_create(&a, NULL, type, 3, 4, 5, c, &err), &err);
    for (size_t i = 0; i < un_image_count(&a) * un_dtype_size(type); i++)
        ((unsigned char *)a.data)[i] = (unsigned char)(i * 37 % 120);
    a.has_affine = a.has_spacing = 1;
    memcpy(a.affine, oblique, sizeof oblique);
    a.spacing[0] = 3;
    a.spacing[1] = 1.125;
    a.spacing[2] = 2;
    CHECK_OK(un_image_write_nifti(NULL, path, &a, &err), &err);
    CHECK_OK(un_image_probe(&info, NULL, path, &err), &err);
    CHECK(info.type == type && info.d == 3 && info.h == 4 && info.w == 5 && info.c == c);
    CHECK_OK(un_image_read(&b, NULL, path, NULL, &err), &err);
    CHECK(b.type == type && b.d == 3 && b.h == 4 && b.w == 5 && b.c == c && b.has_affine && b.has_spacing);
    CHECK(!memcmp(a.data, b.data, un_image_count(&a) * un_dtype_size(type)));
    for (int i = 0; i < 12; i++)
        CHECK_NEAR(b.affine[i / 4][i % 4], oblique[i / 4][i % 4], 1e-6);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(b.spacing[i], a.spacing[i], 1e-7);
    un_image_free(&a);
    un_image_free(&b);
}

TEST(round_trips)
{
    for (int t = 0; t < UN_DTYPE_COUNT; t++)
        for (int c = 1; c <= 3; c += 2) {
            check_round_trip((un_dtype)t, c, "x.nii");
            check_round_trip((un_dtype)t, c, "x.nii.gz");
        }
}

/* A volume of 2 x 2 x 1 voxels of 16 bits with header version 1. */
static size_t make(unsigned char p[400], int swap)
{
    static const int16_t dim[8] = {3, 2, 2, 1, 1, 1, 1, 1}, code[2] = {4, 16}, voxels[4] = {1, -2, 300, 4};
    static const int32_t header = 348;
    static const float offset = 352, pixdim[4] = {1, 2, 3, 4};

    memset(p, 0, 400);
    memcpy(p, &header, 4);
    memcpy(p + 40, dim, sizeof dim);
    memcpy(p + 70, code, sizeof code);
    memcpy(p + 76, pixdim, sizeof pixdim);
    memcpy(p + 108, &offset, 4);
    memcpy(p + 344, "n+1", 4);
    memcpy(p + 352, voxels, sizeof voxels);
    if (swap) {
        un_swap_bytes(p, 1, 4);
        un_swap_bytes(p + 40, 18, 2);
        un_swap_bytes(p + 76, 44, 4);
        un_swap_bytes(p + 252, 2, 2);
        un_swap_bytes(p + 256, 18, 4);
        un_swap_bytes(p + 352, 4, 2);
    }
    return 360;
}

TEST(both_orders_of_bytes)
{
    for (int swap = 0; swap < 2; swap++) {
        unsigned char p[400];
        size_t n = make(p, swap);
        un_image im;

        CHECK_OK(un_image_read_memory(&im, NULL, p, n, "x", NULL, &err), &err);
        CHECK(im.type == UN_DTYPE_I16 && im.d == 1 && im.h == 2 && im.w == 2 && !im.has_affine);
        CHECK(un_image_at(&im, 1) == -2 && un_image_at(&im, 2) == 300);
        CHECK(im.spacing[0] == 4 && im.spacing[2] == 2);
        un_image_free(&im);
        for (size_t cut = 348; cut < n; cut++)
            CHECK_STATUS(un_image_read_memory(&im, NULL, p, cut, "x", NULL, &err), UNET_E_FORMAT);
    }
}

TEST(scale_and_units)
{
    const float slope = 0.5f, inter = 10, um = 500, minus = -1;
    unsigned char p[400];
    size_t n = make(p, 0);
    un_image im;

    memcpy(p + 112, &slope, 4);
    memcpy(p + 116, &inter, 4);
    memcpy(p + 80, &um, 4);
    p[123] = 3;
    CHECK_OK(un_image_read_memory(&im, NULL, p, n, "x", NULL, &err), &err);
    CHECK(im.type == UN_DTYPE_F32 && un_image_at(&im, 1) == 9 && un_image_at(&im, 2) == 160);
    CHECK_NEAR(im.spacing[2], 0.5, 1e-12);
    un_image_free(&im);
    p[123] = 2;
    p[252] = 1; /* qform: no rotation, left-handed */
    memcpy(p + 76, &minus, 4);
    CHECK_OK(un_image_read_memory(&im, NULL, p, n, "x", NULL, &err), &err);
    CHECK(im.has_affine && im.affine[0][0] == 500 && im.affine[1][1] == 3 && im.affine[2][2] == -4);
    un_image_free(&im);
}

/* The quaternion of each turn by 90 degrees about the axes, and of mirrored ones, gives the affine back. */
TEST(qform_of_turns)
{
    char path[512];
    int seen = 0;

    snprintf(path, sizeof path, "%s/q.nii", un_test_tmp());
    for (int which = 0; which < 6 * 8; which++) {
        static const int order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        unsigned char *bytes;
        un_image a, b;
        size_t n;

        CHECK_OK(un_image_create(&a, NULL, UN_DTYPE_U8, 2, 3, 4, 1, &err), &err);
        a.has_affine = a.has_spacing = 1;
        for (int k = 0; k < 3; k++) {
            a.spacing[2 - k] = k + 1;
            a.affine[order[which / 8][k]][k] = (which >> k & 1) ? -(k + 1) : k + 1;
            a.affine[k][3] = 10 * k;
        }
        CHECK_OK(un_image_write_nifti(NULL, path, &a, &err), &err);
        CHECK_OK(un_file_read(&bytes, &n, NULL, path, 4096, &err), &err);
        CHECK_INT(bytes[252], 1);
        bytes[254] = 0; /* no sform */
        CHECK_OK(un_image_read_memory(&b, NULL, bytes, n, "x", NULL, &err), &err);
        for (int i = 0; i < 12; i++)
            CHECK_NEAR(a.affine[i / 4][i % 4], b.affine[i / 4][i % 4], 1e-6);
        seen++;
        un_free(bytes);
        un_image_free(&a);
        un_image_free(&b);
    }
    CHECK_INT(seen, 48);
}

TEST(hostile)
{
    static const struct {
        int at, value;
        unet_status expected;
    } bad[] = {{40, 0, UNET_E_FORMAT}, {40, 8, UNET_E_FORMAT}, {40, -3, UNET_E_FORMAT}, {42, 0, UNET_E_FORMAT},
        {44, -1, UNET_E_FORMAT}, {42, 32767, UNET_E_FORMAT}, {70, 3, UNET_E_FORMAT}, {70, 32, UNET_E_UNSUPPORTED},
        {70, 1, UNET_E_UNSUPPORTED}, {70, 1536, UNET_E_UNSUPPORTED}, {72, 8, UNET_E_FORMAT}, {110, 0, UNET_E_FORMAT},
        {110, 0x7f80, UNET_E_FORMAT}, {110, 0x7fc0, UNET_E_FORMAT}, {110, 0x4fff, UNET_E_FORMAT}};
    unsigned char p[400];
    un_image im;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int16_t v = (int16_t)bad[i].value;
        size_t n = make(p, 0);

        memcpy(p + bad[i].at, &v, 2);
        if (un_image_read_memory(&im, NULL, p, n, "x", NULL, &err) != bad[i].expected)
            un_test_fail(__FILE__, __LINE__, "row %zu: %s", i, err.message);
    }
    make(p, 0);
    memcpy(p + 344, "ni1", 4);
    CHECK_STATUS(un_image_read_memory(&im, NULL, p, 360, "x", NULL, &err), UNET_E_UNSUPPORTED);
    memset(p + 344, 0, 4);
    CHECK_STATUS(un_image_read_memory(&im, NULL, p, 360, "x", NULL, &err), UNET_E_UNSUPPORTED);
    CHECK(strstr(err.message, "Analyze"));
}

/* Every cut of a packed file and every change of its check sum is seen. */
TEST(packed_cuts)
{
    un_mem *mem = un_mem_create(NULL);
    char path[512];
    unsigned char *bytes;
    un_image a, b;
    size_t n;

    snprintf(path, sizeof path, "%s/x.nii.gz", un_test_tmp());
    CHECK_OK(un_image_create(&a, mem, UN_DTYPE_U16, 2, 3, 4, 1, &err), &err);
    CHECK_OK(un_image_write_nifti(mem, path, &a, &err), &err);
    CHECK_OK(un_file_read(&bytes, &n, mem, path, 4096, &err), &err);
    for (size_t cut = 2; cut < n; cut++)
        CHECK_STATUS(un_image_read_memory(&b, mem, bytes, cut, "x", NULL, &err), UNET_E_FORMAT);
    bytes[n - 6] ^= 1;
    CHECK_STATUS(un_image_read_memory(&b, mem, bytes, n, "x", NULL, &err), UNET_E_FORMAT);
    un_free(bytes);
    un_image_free(&a);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

/* What is no NIfTI is called what it is, as it would be outside the gzip file. */
static void check_packed(const void *bytes, size_t n, const char *message, const char *format)
{
    char path[512];
    const char *seen;
    un_image im;
    un_image_info info;
    gzFile f;

    snprintf(path, sizeof path, "%s/x.gz", un_test_tmp());
    f = gzopen(path, "wb");
    CHECK(f && gzwrite(f, bytes, (unsigned)n) == (int)n && gzclose(f) == Z_OK);
    CHECK_STATUS(un_image_read(&im, NULL, path, NULL, &err), UNET_E_UNSUPPORTED);
    CHECK_STR(err.message, message);
    CHECK_STATUS(un_image_probe(&info, NULL, path, &err), UNET_E_UNSUPPORTED);
    CHECK_STR(err.message, message);
    CHECK_INT(un_image_look(NULL, path, &seen), format ? UN_LOOK_FOREIGN : UN_LOOK_OTHER);
    CHECK(format ? seen && !strcmp(seen, format) : !seen);
}

TEST(packed_foreign)
{
    static const unsigned char mgh[300] = {0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5};
    unsigned char dicom[200] = {0};

    memcpy(dicom + 128, "DICM", 4);
    check_packed(mgh, sizeof mgh, "MGH in a gzip file is not supported; convert it to PNG, TIFF or NIfTI", "MGH");
    check_packed(
        dicom, sizeof dicom, "DICOM in a gzip file is not supported; convert it to PNG, TIFF or NIfTI", "DICOM");
    check_packed("a text", 6, "the gzip file holds no NIfTI (no other packed format is supported)", NULL);
}
