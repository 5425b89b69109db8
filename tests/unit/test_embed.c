/* What the inference build has in place of libraries: formatting without stdio, configurations without libyaml. */
#include <stdlib.h>

#include "base/format.h"
#include "base/rng.h"
#include "config/config.h"
#include "config/table.h"
#include "test.h"

static unet_error err;

#define SAME(...)                                                                                                      \
    do {                                                                                                               \
        char want[200], got[200];                                                                                      \
        const int n = snprintf(want, sizeof want, __VA_ARGS__), m = un_format(got, sizeof got, __VA_ARGS__);           \
                                                                                                                       \
        CHECK_STR(got, want);                                                                                          \
        CHECK_INT(m, n);                                                                                               \
    } while (0)

TEST(format_as_the_c_library)
{
    static const double reals[] = {0, 1, -1, 0.5, 2.25, 3.14159265, 1e-5, 123456, 1234567, 0.001, -7e20, 1e6, 99999.95};
    char small[5];

    SAME("plain %% text");
    SAME("%s|%.3s|%.*s|%10s|%c", "word", "longer", 2, "cut", "right", 'x');
    SAME("%d %i %u %x %5d|%05d|%lld %llu %zu %td %ld", -12, 7, 4000000000u, 0xbeefu, 42, -42, (long long)INT64_MIN,
        (unsigned long long)UINT64_MAX, (size_t)77, (ptrdiff_t)-3, -9l);
    SAME("\\u%04x %02d:%02d #%06x", 10u, 5, 59, 0xabcu);
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
        SAME("%g", reals[i]);
        if (reals[i] > -1e18)
            SAME("%f %.1f %.0f %.3f %8.2f", reals[i], reals[i], reals[i] + 0.25, reals[i], reals[i]);
        SAME("%.10g", reals[i]);
    }
    SAME("%g %g", (double)NAN, (double)INFINITY);
    CHECK_INT(un_format(small, sizeof small, "%s", "too long"), 8);
    CHECK_STR(small, "too ");
    CHECK_INT(un_format(NULL, 0, "%d", 1234), 4);
}

/* config/plain.c under another name. */
unet_status un_plain_parse(
    un_yaml **root, un_arena *arena, const char *text, size_t size, const char *name, unet_error *e);

static void check_equal(const un_yaml *a, const un_yaml *b)
{
    CHECK(!a == !b);
    if (!a)
        return;
    CHECK_INT(a->kind, b->kind);
    CHECK_INT(a->count, b->count);
    CHECK_INT(a->line, b->line);
    if (a->kind == UN_YAML_SCALAR) {
        CHECK_STR(b->text, a->text);
        CHECK_INT(a->quoted, b->quoted);
    }
    check_equal(a->key, b->key);
    for (const un_yaml *x = a->first, *y = b->first; x || y; x = x->next, y = y->next) {
        CHECK(x && y);
        if (x->key)
            CHECK_STR(y->key->text, x->key->text);
        if (x == a->first || !a->key)
            check_equal(x, y);
    }
}

static void both(const char *text)
{
    un_arena *arena = un_arena_create(NULL);
    un_yaml *a, *b;

    CHECK_OK(un_yaml_parse(&a, arena, text, strlen(text), "t", &err), &err);
    CHECK_OK(un_plain_parse(&b, arena, text, strlen(text), "t", &err), &err);
    check_equal(a, b);
    un_arena_destroy(arena);
}

TEST(configurations_read_as_by_libyaml)
{
    static const char *const set[] = {
        "data.classes=[{name: \"a \\\"b\\\": c\", value: 3}, {name: d, color: \"#ff0000\"}]",
        "model.kernel=[[1,3,3],[3,3,3]]", "data.channels=[2, 0, 1]", "model.norm_eps=1e-7", "data.mean=[0.1, -2]",
        "data.std=[1, 2]", "train.time=1h30m"};
    un_config *c = malloc(sizeof *c);
    un_config_style commented = {.comments = 1};
    un_text t;

    CHECK_OK(un_config_init(c, NULL, &err), &err);
    for (size_t i = 0; i <= sizeof set / sizeof *set; i++) {
        un_text_init(&t, NULL, 1 << 20);
        CHECK_OK(un_config_write(c, &t, NULL, &err), &err);
        both(t.s);
        un_text_free(&t);
        if (i < sizeof set / sizeof *set)
            CHECK_OK(un_config_set(c, NULL, set[i], &err), &err);
    }
    un_text_init(&t, NULL, 1 << 20);
    CHECK_OK(un_config_write(c, &t, &commented, &err), &err);
    both(t.s);
    un_text_free(&t);
    free(c);
    for (size_t i = 0; i < un_cfg_section_count; i++)
        for (size_t j = 0; j < un_cfg_sections[i].count; j++)
            if (strpbrk(un_cfg_sections[i].fields[j].def, "[{\""))
                both(un_cfg_sections[i].fields[j].def);
    both("");
    both("# nothing\n\n");
    both("a: 1\nb:\n  c: [x, {d: \"e\"}]\n\n  f: g # h\ni: {}\n");
}

TEST(other_texts_are_refused)
{
    static const char *const bad[] = {"a", "a:\n", "a:\nb: 1\n", "a: [1", "a: {b}", "a: \"x", "a: \"x\" y",
        "a: 1\n  b: 2\n", "a:\n  b: 1\n    c: 2\n", "[1] 2", "[1]\nx: 2", "a: \"\\u00ff\"", "a: \"\\",
        "[[[[[[[[[[[[[[[[[[[["};
    un_arena *arena = un_arena_create(NULL);
    un_yaml *n;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (!un_plain_parse(&n, arena, bad[i], strlen(bad[i]), "t", &err))
            un_test_fail(__FILE__, __LINE__, "'%s' was taken", bad[i]);
    un_arena_destroy(arena);
}

/* Any bytes end in a tree or an error. */
TEST(changed_texts_do_no_harm)
{
    static const char text[] = "a:\n  b: [x, {d: \"e\\\"\"}] # c\n  f: g\ni: {j: -1.5}\n";
    un_rng r;

    un_rng_init(&r, 3, UN_RNG_TEST, 0, 0, 0);
    for (int k = 0; k < 20000; k++) {
        un_arena *arena = un_arena_create(NULL);
        char *copy = malloc(sizeof text - 1);
        un_yaml *n;
        unet_status st;

        memcpy(copy, text, sizeof text - 1);
        for (int i = 0; i < 1 + k % 3; i++)
            copy[un_rng_below(&r, sizeof text - 1)] = "[]{}:,\"\\ \n#a\xff"[un_rng_below(&r, 13)];
        st = un_plain_parse(&n, arena, copy, un_rng_below(&r, sizeof text), "t", NULL);
        (void)st;
        free(copy);
        un_arena_destroy(arena);
    }
}
