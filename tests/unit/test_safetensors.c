/* The JSON reader and the safetensors container: a file of the Python library, our own, and hostile ones. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/text.h"
#include "io/json.h"
#include "io/safetensors.h"

static unet_error err;

TEST(json)
{
    static const char text[] = "{\"a\": [1, 2.5, true, null], \"b\": {\"c\": \"x\\u00e9\"}}";
    static const char *const broken[] = {"", "{", "{\"a\":1,\"a\":2}", "[1,]", "\"\xff\"", "\"\\u0000\"", "{} {}",
        "nul", "01", "-", "1.", "1e", ".5", "+1", "9223372036854775808", "1e999", "\"\\x\"", "\"\\ud800\"",
        "\"\\udc00\"", "\"\\ud83d\\u0041\"", "\"\n\"", "\"a", "\"\\", "\"\\u12", "[1", "[1 2]", "{1:2}", "{\"a\" 1}",
        "{\"a\":1,}", "[,1]", "tru", "]", "NaN", "\"\xc0\xaf\"", "\"\xed\xa0\x80\""};
    static const char more[] = "[\"\\ud83d\\ude00\\n\\/\", -9223372036854775808, 1E+2, {}, []]";
    char deep[200];
    un_json *j;
    const un_json *a;
    int64_t i;
    double d;
    int b;

    CHECK_OK(un_json_parse(&j, NULL, text, strlen(text), "t", &err), &err);
    a = un_json_get(j, "a");
    CHECK_INT(un_json_count(a), 4);
    CHECK(un_json_int(un_json_at(a, 0), &i) && i == 1);
    CHECK(!un_json_int(un_json_at(a, 1), &i));
    CHECK(un_json_number(un_json_at(a, 1), &d) && d == 2.5);
    CHECK(un_json_bool(un_json_at(a, 2), &b) && b);
    CHECK_STR(un_json_string(un_json_get(un_json_get(j, "b"), "c")), "x\xc3\xa9");
    CHECK(!un_json_string(un_json_get(un_json_get(j, "nothing"), "c")));
    un_json_free(j);
    for (size_t k = 0; k < sizeof broken / sizeof *broken; k++) {
        CHECK_STATUS(un_json_parse(&j, NULL, broken[k], strlen(broken[k]), "t", &err), UNET_E_FORMAT);
        CHECK(!j);
    }
    CHECK_OK(un_json_parse(&j, NULL, more, strlen(more), "t", &err), &err);
    CHECK_STR(un_json_string(un_json_at(j, 0)), "\xf0\x9f\x98\x80\n/");
    CHECK(un_json_int(un_json_at(j, 1), &i) && i == INT64_MIN);
    CHECK(un_json_number(un_json_at(j, 2), &d) && d == 100);
    CHECK(!un_json_count(un_json_at(j, 3)) && !un_json_count(un_json_at(j, 4)) && !un_json_at(j, 5));
    un_json_free(j);
    memset(deep, '[', sizeof deep);
    CHECK_STATUS(un_json_parse(&j, NULL, deep, sizeof deep, "t", &err), UNET_E_FORMAT);
    CHECK_INT(err.offset, UN_JSON_DEPTH);
}

TEST(python_file)
{
    un_safetensors *s;
    const un_st_tensor *t;
    float f[24];

    CHECK_OK(un_safetensors_open(&s, NULL, un_test_source("tests/golden/python.safetensors"), &err), &err);
    CHECK_INT(un_safetensors_count(s), 6);
    CHECK_STR(un_safetensors_meta(s, "maker"), "python");
    CHECK_STR(un_safetensors_meta(s, "note"), "caf\xc3\xa9 \"x\"");
    CHECK(!un_safetensors_meta(s, "nothing"));
    t = un_safetensors_find(s, "enc0.conv0.weight");
    CHECK(t && t->dtype == UN_ST_F32 && t->rank == 3 && t->dims[0] == 2 && t->dims[2] == 4 && t->count == 24);
    CHECK_OK(un_st_to_f32(t, f, &err), &err);
    CHECK_NEAR(f[23], 23 / 8.0 - 1, 0);
    t = un_safetensors_find(s, "half");
    CHECK(t && t->count == 4);
    CHECK_OK(un_st_to_f32(t, f, &err), &err);
    CHECK_NEAR(f[0], -3, 0);
    CHECK_NEAR(f[3], -1.875, 0);
    t = un_safetensors_find(s, "wide");
    CHECK_OK(un_st_to_f32(t, f, &err), &err);
    CHECK_NEAR(f[1], -2.25, 0);
    t = un_safetensors_find(s, "empty");
    CHECK(t && t->count == 0 && t->size == 0);
    t = un_safetensors_find(s, "one");
    CHECK(t && t->rank == 0 && t->count == 1);
    CHECK_STATUS(un_st_to_f32(t, f, &err), UNET_E_UNSUPPORTED);
    CHECK(!un_safetensors_find(s, "on"));
    un_safetensors_close(s);
}

TEST(half_floats)
{
    static const uint16_t bits[] = {0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x3c00, 0x7bff, 0xc000, 0x7c00};
    static const float want[] = {
        0, -0.0f, 5.9604644775390625e-8f, 6.0975551605224609e-5f, 6.103515625e-5f, 1, 65504, -2, INFINITY};
    const un_st_tensor t = {
        .name = "h", .dtype = UN_ST_F16, .rank = 1, .dims = {9}, .count = 9, .data = bits, .size = 18};
    float got[9];

    CHECK_OK(un_st_to_f32(&t, got, &err), &err);
    CHECK(!memcmp(got, want, sizeof got));
}

TEST(round_trip)
{
    const float w[6] = {1, 2, 3, 4, 5, -6.5f};
    const int32_t n[1] = {42};
    const un_st_tensor tensors[] = {
        {.name = "b", .dtype = UN_ST_F32, .rank = 2, .dims = {2, 3}, .data = w},
        {.name = "a \"quoted\"", .dtype = UN_ST_I32, .rank = 0, .data = n},
    };
    const un_st_meta meta[] = {{"k", "v\n\"x\""}, {"empty", ""}};
    char path[400], again[400];
    unsigned char *a, *b;
    size_t na, nb;
    un_safetensors *s;
    const char *dir = un_test_tmp();

    snprintf(path, sizeof path, "%s/a.safetensors", dir);
    snprintf(again, sizeof again, "%s/b.safetensors", dir);
    CHECK_OK(un_safetensors_write(NULL, path, tensors, 2, meta, 2, &err), &err);
    CHECK_OK(un_safetensors_write(NULL, again, tensors, 2, meta, 2, &err), &err);
    CHECK_OK(un_file_read(&a, &na, NULL, path, 1 << 20, &err), &err);
    CHECK_OK(un_file_read(&b, &nb, NULL, again, 1 << 20, &err), &err);
    CHECK(na == nb && !memcmp(a, b, na));
    CHECK_INT((na - 28) % 64, 0); /* data begin at a multiple of 64 */
    CHECK_OK(un_safetensors_view(&s, NULL, a, na, "a", &err), &err);
    CHECK_STR(un_safetensors_meta(s, "k"), "v\n\"x\"");
    CHECK_STR(un_safetensors_at(s, 0)->name, "b");
    CHECK(!memcmp(un_safetensors_find(s, "b")->data, w, sizeof w));
    CHECK(!memcmp(un_safetensors_find(s, "a \"quoted\"")->data, n, sizeof n));
    un_safetensors_close(s);
    /* every truncation is refused, and the message tells where the file ends */
    for (size_t i = 0; i < na; i++) {
        CHECK(un_safetensors_view(&s, NULL, a, i, "cut", &err) != UNET_OK && !s);
        CHECK(i < 8 || strstr(err.message, i < na - 28 ? "the file ends after" : "ends at byte"));
    }
    un_free(a);
    un_free(b);
}

/* A file with this header and so many bytes of data. */
static unet_status view(const char *header, size_t data, un_safetensors **out)
{
    static unsigned char file[4096];
    size_t n = strlen(header);

    memset(file, 0, sizeof file);
    file[0] = (unsigned char)n;
    file[1] = (unsigned char)(n >> 8);
    memcpy(file + 8, header, n);
    return un_safetensors_view(out, NULL, file, 8 + n + data, "h", &err);
}

#define T(dtype, shape, range) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" range "}"

TEST(hostile_headers)
{
    static const struct {
        const char *header;
        size_t data;
        const char *message;
    } bad[] = {
        {"{\"a\":" T("F32", "[2]", "[0,8]") "}", 4, "truncated or its header lies"},
        {"{\"a\":" T("F32", "[2]", "[0,8]") "}", 12, "after the last tensor"},
        {"{\"a\":" T("F32", "[3]", "[0,8]") "}", 8, "do not fill"},
        {"{\"a\":" T("F32", "[-1]", "[0,8]") "}", 8, "no whole number"},
        {"{\"a\":" T("F32", "[1.5]", "[0,8]") "}", 8, "no whole number"},
        {"{\"a\":" T("F32", "[4294967296,4294967296]", "[0,8]") "}", 8, "overflows"},
        {"{\"a\":" T("F64", "[2305843009213693952]", "[0,0]") "}", 0, "do not fill"},
        {"{\"a\":" T("F32", "[2]", "[8,0]") "}", 8, "end before"},
        {"{\"a\":" T("F32", "[2]", "[-8,0]") "}", 8, "end before"},
        {"{\"a\":" T("F32", "[2]", "[0,18446744073709551615]") "}", 8, "not JSON"},
        {"{\"a\":" T("F32", "[2]", "[0]") "}", 8, "data_offsets"},
        {"{\"a\":" T("Q4", "[2]", "[0,8]") "}", 8, "not supported"},
        {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", 8, "more than 8"},
        {"{\"a\":" T("U8", "[4]", "[0,4]") ",\"b\":" T("U8", "[4]", "[2,6]") "}", 6, "overlaps"},
        {"{\"a\":" T("U8", "[4]", "[0,4]") ",\"b\":" T("U8", "[4]", "[5,9]") "}", 9, "gap"},
        {"{\"a\":" T("U8", "[4]", "[0,4]") ",\"a\":" T("U8", "[4]", "[4,8]") "}", 8, "duplicate"},
        {"{\"a\":[1]}", 0, "no object"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}}", 0, "nothing else"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "no text"},
        {"{\"__metadata__\":[]}", 0, "no object"},
        {"[]", 0, "begin with"},
        {"{", 0, "begin with"},
        {"{\"a\":}", 0, "not JSON"},
    };
    un_safetensors *s;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        unet_status st = view(bad[i].header, bad[i].data, &s);

        if (!st || s || !strstr(err.message, bad[i].message))
            un_test_fail(
                __FILE__, __LINE__, "%s: '%s' lacks '%s'", bad[i].header, st ? err.message : "ok", bad[i].message);
        CHECK_STR(err.where, "h");
        CHECK(err.offset >= 0);
    }
    CHECK_OK(view("{}", 0, &s), &err);
    un_safetensors_close(s);
    CHECK_OK(view("{\"a\":" T("U8", "[0]", "[0,0]") "}  ", 0, &s), &err);
    un_safetensors_close(s);
    CHECK_STATUS(un_safetensors_view(&s, NULL, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, "h", &err), UNET_E_FORMAT);
    CHECK_STATUS(un_safetensors_open(&s, NULL, "/nonexistent/file", &err), UNET_E_NOT_FOUND);
}

/* A header of ten million numbers would take two thirds of a gigabyte: it is refused before any of it is taken. */
TEST(huge_header)
{
    enum { VALUES = 10000000, SIZE = 8 + 2 * VALUES };
    un_mem *mem = un_mem_create(NULL);
    unsigned char *file = un_alloc(NULL, SIZE);
    un_safetensors *s;

    for (int i = 0; i < SIZE; i++)
        file[i] = i < 8 ? (unsigned char)((uint64_t)(SIZE - 8) >> (8 * i)) : i % 2 ? ',' : '0';
    memcpy(file + 8, "{\"a\":[", 6);
    memcpy(file + SIZE - 2, "]}", 2);
    CHECK_STATUS(un_safetensors_view(&s, mem, file, SIZE, "h", &err), UNET_E_LIMIT);
    CHECK(!s && strstr(err.message, "at most 4194304 are read"));
    CHECK(un_mem_peak(mem) < 1 << 16);
    un_free(file);
    un_mem_destroy(mem);
    CHECK_STATUS(un_safetensors_view(&s, NULL, "\x01\xe1\xf5\x05\0\0\0\0{}", 10, "h", &err), UNET_E_FORMAT);
    CHECK(strstr(err.message, "a header of 100000001 bytes (at most 100000000)"));
}

/* Every allocation may fail; nothing leaks. */
TEST(no_memory)
{
    un_mem *mem = un_mem_create(NULL);
    unet_status st = UNET_E_NOMEM;
    un_safetensors *s;

    for (int64_t n = 1; st == UNET_E_NOMEM; n++) {
        un_mem_fail_at(mem, n);
        st = un_safetensors_open(&s, mem, un_test_source("tests/golden/python.safetensors"), &err);
        if (!st)
            un_safetensors_close(s);
        CHECK_INT(un_mem_live(mem), 0);
    }
    CHECK_INT(st, UNET_OK);
    un_mem_destroy(mem);
}
