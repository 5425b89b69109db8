/* Files of weights of other programs: good ones against what PyTorch and NumPy put into them, hostile ones refused
 * (tests/golden/weights, made by tools/weights_files.py). */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "io/weights.h"

static unet_error err;

static const char *path_of(const char *name)
{
    char path[200];

    snprintf(path, sizeof path, "tests/golden/weights/%s", name);
    return un_test_source(path);
}

static float *floats(const un_weight *t)
{
    float *v = un_alloc(NULL, (size_t)(t->count + 1) * sizeof *v);

    un_weight_to_f32(t, v);
    return v;
}

static void compare(const char *file, const un_weight *got, const un_st_tensor *want)
{
    float *a, *b = un_alloc(NULL, want->size + 4);

    if (!got)
        un_test_fail(__FILE__, __LINE__, "%s lacks %s", file, want->name);
    CHECK_INT(got->rank, want->rank);
    for (int i = 0; i < want->rank; i++)
        CHECK_INT(got->dims[i], want->dims[i]);
    CHECK_INT(got->count, want->count);
    CHECK_OK(un_st_to_f32(want, b, &err), &err);
    a = floats(got);
    for (int64_t i = 0; i < want->count; i++)
        if (!(a[i] == b[i]))
            un_test_fail(__FILE__, __LINE__, "%s: %s[%d] is %.9g, expected %.9g", file, want->name, (int)i,
                (double)a[i], (double)b[i]);
    un_free(a);
    un_free(b);
}

/* Every array of the golden file, with `more` others. */
static void check_file(const char *name, const char *format, const char *root, size_t more)
{
    un_safetensors *want;
    un_weights *w;

    CHECK_OK(un_safetensors_open(&want, NULL, path_of("expected.safetensors"), &err), &err);
    CHECK_OK(un_weights_open(&w, NULL, path_of(name), &err), &err);
    CHECK_STR(un_weights_format(w), format);
    CHECK_STR(un_weights_root(w), root);
    CHECK_INT(un_weights_count(w), un_safetensors_count(want) + more);
    for (size_t i = 0; i < un_safetensors_count(want); i++) {
        const un_st_tensor *t = un_safetensors_at(want, i);

        compare(name, un_weights_find(w, t->name), t);
    }
    un_weights_close(w);
    un_safetensors_close(want);
}

TEST(good_files)
{
    check_file("zip.pth", "PyTorch (zip)", "", 0);
    check_file("legacy.pth", "PyTorch (before 1.6)", "", 0);
    check_file("wrapped.pth", "PyTorch (zip)", "model.state_dict", 0);
    check_file("arrays.npz", "npz", "", 0);
    check_file("packed.npz", "npz", "", 1);
    check_file("expected.safetensors", "safetensors", "", 0);
}

TEST(types_and_strides)
{
    un_weights *w;
    const un_weight *t;
    float *v;

    CHECK_OK(un_weights_open(&w, NULL, path_of("zip.pth"), &err), &err);
    CHECK_INT(un_weights_find(w, "half")->dtype, UN_ST_F16);
    CHECK_INT(un_weights_find(w, "brain")->dtype, UN_ST_BF16);
    CHECK_INT(un_weights_find(w, "bool")->dtype, UN_ST_BOOL);
    CHECK_INT(un_weights_find(w, "long")->rank, 0);
    CHECK(un_weights_find(w, "shared.tail")->data - un_weights_find(w, "shared.head")->data == 24);
    CHECK_INT(un_weights_find(w, "conv1.turned")->strides[0], 1);
    CHECK(!un_weights_find(w, "nothing") && !un_weights_at(w, 1000));
    un_weights_close(w);
    CHECK_OK(un_weights_open(&w, NULL, path_of("packed.npz"), &err), &err);
    t = un_weights_find(w, "fortran");
    CHECK_INT(t->strides[0], 1);
    v = floats(t);
    for (int i = 0; i < 24; i++)
        CHECK_NEAR(v[i], i / 8.0 - 1, 0);
    un_free(v);
    un_weights_close(w);
    CHECK_OK(un_weights_open(&w, NULL, path_of("norm.pth"), &err), &err);
    CHECK_STR(un_weights_at(w, 0)->name, "weight");
    CHECK_STR(un_weights_at(w, 4)->name, "num_batches_tracked");
    un_weights_close(w);
}

static size_t from_hex(unsigned char *out, const char *hex)
{
    size_t n = 0;
    unsigned byte;

    while (sscanf(hex + 2 * n, "%2x", &byte) == 1)
        out[n++] = (unsigned char)byte;
    return n;
}

/* Behind each fuzzed length lies nothing: the bytes end at the end of their block. */
static unet_status view(const unsigned char *data, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);
    un_weights *w;
    unet_status st;

    memcpy(copy, data, size);
    st = un_weights_view(&w, NULL, copy, size, "hostile", &err);
    CHECK((st == UNET_OK) == (w != NULL));
    un_weights_close(w);
    free(copy);
    return st;
}

static int hostile_line(char *line, unsigned char *data)
{
    char *expect = strstr(line, " | "), *hex = expect ? strstr(expect + 3, " | ") : NULL;
    size_t size;

    if (line[0] == '#' || !hex)
        return 0;
    *expect = *hex = 0;
    size = from_hex(data, hex + 3);
    if (!view(data, size)) {
        un_test_note("%s was read", line);
        return 0;
    }
    CHECK(err.where[0]);
    if (strstr(err.message, expect + 3))
        return 1;
    un_test_note("%s: \"%s\" does not hold \"%s\"", line, err.message, expect + 3);
    return 0;
}

TEST(hostile_files)
{
    unsigned char *text, *data;
    size_t size;
    int n = 0, refused = 0;

    CHECK_OK(un_file_read(&text, &size, NULL, path_of("hostile.txt"), 1 << 24, &err), &err);
    data = un_alloc(NULL, size);
    for (char *line = (char *)text, *next; *line; line = next) {
        next = line + strcspn(line, "\n");
        if (*next)
            *next++ = 0;
        n += line[0] != '#';
        refused += hostile_line(line, data);
    }
    un_test_note("%d of %d files refused", refused, n);
    CHECK(n >= 200 && refused == n);
    un_free(data);
    un_free(text);
}

/* A good file cut anywhere. */
TEST(cut_files)
{
    static const char *const names[] = {"zip.pth", "legacy.pth", "arrays.npz"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        unsigned char *data;
        size_t size;

        CHECK_OK(un_file_read(&data, &size, NULL, path_of(names[i]), 1 << 20, &err), &err);
        for (size_t n = 0; n < size; n += 7)
            CHECK(view(data, n) != UNET_OK);
        un_free(data);
    }
}

TEST(memory)
{
    for (int64_t nth = 1;; nth++) {
        un_mem *mem = un_mem_create(NULL);
        un_weights *w;
        unet_status st;

        un_mem_fail_at(mem, nth);
        st = un_weights_open(&w, mem, path_of("packed.npz"), &err);
        un_weights_close(w);
        CHECK_INT(un_mem_live(mem), 0);
        un_mem_destroy(mem);
        if (!st)
            break;
        CHECK_STATUS(st, UNET_E_NOMEM);
    }
}

/* Real files against the arrays that were taken from them by another program. */
static void compare_shared(const char *torch, const char *npz, const char *prefix)
{
    un_weights *a, *b;
    size_t found = 0;

    CHECK_OK(un_weights_open(&a, NULL, un_test_shared(torch), &err), &err);
    CHECK_OK(un_weights_open(&b, NULL, un_test_shared(npz), &err), &err);
    un_test_note("%s: %s, '%s', %zu arrays, %zu others", torch, un_weights_format(a), un_weights_root(a),
        un_weights_count(a), un_weights_others(a));
    for (size_t i = 0; i < un_weights_count(b); i++) {
        const un_weight *t = un_weights_at(b, i), *s;
        char name[500];
        float *v = floats(t), *u;

        snprintf(name, sizeof name, "%s%s", prefix, t->name);
        s = un_weights_find(a, name);
        CHECK(s && s->count == t->count);
        u = floats(s);
        CHECK(!memcmp(u, v, (size_t)t->count * sizeof *u));
        found++;
        un_free(u);
        un_free(v);
    }
    CHECK(found > 90);
    un_weights_close(a);
    un_weights_close(b);
}

TEST(real_files)
{
    compare_shared(
        "data/weights/lwnet_wnet_drive/model_checkpoint.pth", "data/weights/lwnet_wnet_drive/arrays.npz", "");
    compare_shared(
        "data/weights/resnet20_cifar10/resnet20-12fca82f.th", "data/weights/resnet20_cifar10/arrays.npz", "");
}
