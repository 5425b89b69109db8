/* base: math against the C library, random streams against published values, memory, text, files, pool. */
#include "test.h"

#include <locale.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/errand.h"
#include "base/file.h"
#include "base/fnv1a.h"
#include "base/math.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/size.h"
#include "base/text.h"

static double rel(double a, double b)
{
    return b == 0 ? fabs(a) : fabs(a - b) / fabs(b);
}

TEST(math_matches_libm)
{
    for (int i = 0; i < 20000; i++) {
        double x = -700 + 1400.0 * i / 20000, y = exp(x / 30), s = x / 100;

        CHECK_NEAR(rel(un_exp(x), exp(x)), 0, 5e-16);
        CHECK_NEAR(rel(un_log(y), log(y)), 0, 5e-16);
        CHECK_NEAR(rel(un_tanh(s), tanh(s)), 0, 3e-15);
        CHECK_NEAR(un_erf(s), erf(s), 2e-15);
        CHECK_NEAR(un_sin2pi(s), sin(2 * M_PI * (s - floor(s))), 4e-15); /* the argument of the reference is rounded */
        CHECK_NEAR(un_cos2pi(s), cos(2 * M_PI * (s - floor(s))), 4e-15); /* the argument of the reference is rounded */
    }
    CHECK(un_exp(1000) == INFINITY && un_exp(-1000) == 0 && isnan(un_log(-1)) && un_log(0) == -INFINITY);
    CHECK_NEAR(rel(un_pow(0.9, 1000), pow(0.9, 1000)), 0, 1e-13);
    CHECK(un_round(2.5) == 3 && un_round(-2.5) == -3 && un_floor(-0.5) == -1);
}

/* Values from the page of its authors (isthe.com/chongo/tech/comp/fnv). */
TEST(fnv1a_known_answers)
{
    CHECK(un_fnv1a(UN_FNV1A_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    CHECK(un_fnv1a(UN_FNV1A_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    CHECK(un_fnv1a(un_fnv1a(UN_FNV1A_START, "foo", 3), "bar", 3) == UINT64_C(0x85944171f73967e8));
}

TEST(philox_known_answers)
{
    /* known-answer vectors published with Random123 */
    uint32_t out[4], zero[4] = {0}, ones[4] = {~0u, ~0u, ~0u, ~0u};

    un_philox(out, zero, zero);
    CHECK(out[0] == 0x6627e8d5u && out[1] == 0xe169c58du && out[2] == 0xbc57ac4cu && out[3] == 0x9b00dbd8u);
    un_philox(out, ones, ones);
    CHECK(out[0] == 0x408f276du && out[1] == 0x41c83b0eu && out[2] == 0xa20bc7c6u && out[3] == 0x6d5451fdu);
}

TEST(rng_distributions)
{
    un_rng r;
    double sum = 0, sq = 0, u = 0;
    int hist[7] = {0}, n = 70000;

    un_rng_init(&r, 1, UN_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < n; i++) {
        double z = un_rng_normal(&r);

        sum += z;
        sq += z * z;
        u += un_rng_uniform(&r);
        hist[un_rng_below(&r, 7)]++;
    }
    CHECK_NEAR(sum / n, 0, 0.02);
    CHECK_NEAR(sq / n, 1, 0.03);
    CHECK_NEAR(u / n, 0.5, 0.01);
    for (int i = 0; i < 7; i++)
        CHECK_NEAR(hist[i], n / 7, 500);
}

/* Each part of what a stream is named by makes another stream. */
TEST(streams_differ)
{
    static const uint32_t name[][5] = {
        {1, 0, 0, 0, 0}, {2, 0, 0, 0, 0}, {1, 1, 0, 0, 0}, {1, 0, 1, 0, 0}, {1, 0, 0, 1, 0}, {1, 0, 0, 0, 1}};
    uint32_t first[UN_COUNT(name)];

    for (size_t i = 0; i < UN_COUNT(name); i++) {
        un_rng r;

        un_rng_init(&r, name[i][0], (un_rng_purpose)name[i][1], name[i][2], name[i][3], name[i][4]);
        first[i] = un_rng_u32(&r);
        for (size_t k = 0; k < i; k++)
            CHECK(first[i] != first[k]);
    }
}

TEST(memory_counts_and_refuses)
{
    un_mem *m = un_mem_create(NULL);
    char *a = un_alloc(m, 100), *b;

    CHECK(a && (uintptr_t)a % 64 == 0);
    CHECK_INT(un_mem_live(m), 100);
    a = un_realloc(m, a, 1000);
    CHECK_INT(un_mem_live(m), 1000);
    CHECK_INT(un_mem_peak(m), 1100);
    un_mem_cap(m, 1500);
    CHECK(!un_alloc(m, 501));
    un_mem_cap(m, 0);
    un_mem_fail_at(m, 2);
    b = un_alloc(m, 1);
    CHECK(b && !un_alloc(m, 1));
    un_free(b);
    un_free(a);
    CHECK_INT(un_mem_live(m), 0);
    CHECK(!un_alloc_array(m, SIZE_MAX / 2, 4));
    un_mem_destroy(m);
}

/* newlocale of glibc keeps the list that it makes of LOCPATH; a name that the leak sanitizer looks for. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:argz_add_sep\n";
}

/* A program may have set a locale with decimal commas; texts for machines have points. */
TEST(text_in_any_locale)
{
    const char *dir = un_test_tmp();
    char shown[16];
    pid_t child;
    int left = -1;
    locale_t comma, before;
    un_text t;
    double d = 0;

    child = fork();
    if (!child) {
        execlp("sh", "sh", un_test_source("tests/comma_locale.sh"), dir, (char *)NULL);
        _exit(127);
    }
    CHECK(waitpid(child, &left, 0) == child);
    CHECK_INT(left, 0);
    setenv("LOCPATH", dir, 1);
    comma = newlocale(LC_ALL_MASK, "xx_XX", (locale_t)0);
    unsetenv("LOCPATH");
    CHECK(comma);
    before = uselocale(comma);
    snprintf(shown, sizeof shown, "%.1f", 1.5);
    un_text_init(&t, NULL, 1000);
    un_text_number(&t, 0.25);
    un_text_printf(&t, " %.2f %g", 1.5, 2.5);
    un_parse_double("1.75", &d);
    uselocale(before);
    freelocale(comma);
    CHECK_STR(shown, "1,5");
    CHECK_STR(t.s, "0.25 1.50 2.5");
    CHECK(d == 1.75);
    un_text_free(&t);
}

TEST(text_numbers_and_units)
{
    un_text t;
    double d;
    uint64_t b;

    un_text_init(&t, NULL, 1000);
    un_text_number(&t, 0.1);
    un_text_add(&t, " ");
    un_text_json_string(&t, "a\"\xff\n");
    CHECK_STR(t.s, "0.1 \"a\\\"\\ufffd\\u000a\"");
    un_text_free(&t);
    CHECK(un_parse_double("1e-3", &d) && d == 1e-3 && !un_parse_double("1,5", &d) && !un_parse_double("nan", &d));
    CHECK(un_parse_bytes("4G", &b) && b == UINT64_C(4) << 30 && un_parse_bytes("1.5KiB", &b) && b == 1536);
    CHECK(un_parse_seconds("1h30m", &d) && d == 5400 && un_parse_seconds("90", &d) && d == 90);
    CHECK(!un_parse_seconds("10 parsecs", &d) && !un_parse_bytes("-1", &b));
    CHECK_STR(un_nearest("bas_filters", (const char *[]){"depth", "base_filters"}, 2), "base_filters");
    CHECK(!un_nearest("zebra", (const char *[]){"depth", "base_filters"}, 2));
}

TEST(text_max_is_kept)
{
    un_text t;

    un_text_init(&t, NULL, 10);
    un_text_add(&t, "123456789");
    CHECK(!t.failed);
    un_text_add(&t, "x");
    CHECK(t.failed);
    un_text_free(&t);
}

TEST(files_are_whole_or_untouched)
{
    unet_error err;
    char path[512];
    unsigned char *data;
    size_t n;

    snprintf(path, sizeof path, "%s/a b.txt", un_test_tmp());
    CHECK_OK(un_file_write(NULL, path, "old", 3, &err), &err);
    setenv("UNET_TEST_DISK_BYTES", "2", 1);
    CHECK_STATUS(un_file_write(NULL, path, "newer", 5, &err), UNET_E_IO);
    unsetenv("UNET_TEST_DISK_BYTES");
    CHECK_OK(un_file_read(&data, &n, NULL, path, 100, &err), &err);
    CHECK_STR((char *)data, "old");
    un_free(data);
    CHECK_STATUS(un_file_read(&data, &n, NULL, path, 2, &err), UNET_E_LIMIT);
    *strrchr(path, '/') = 0;
    CHECK_INT(un_test_count(path), 1);
    CHECK_STATUS(un_file_read(&data, &n, NULL, "/nonexistent/x", 2, &err), UNET_E_NOT_FOUND);
}

/* Names may have 255 bytes: those of temporary files beside them too. */
TEST(long_names)
{
    static const int lengths[] = {229, 230, 231, 255};
    char path[700], name[256];
    unet_error err;
    int at;

    at = snprintf(path, sizeof path, "%s/", un_test_tmp());
    for (int i = 0; i < 4; i++) {
        memset(name, 'x', sizeof name);
        name[lengths[i]] = 0;
        snprintf(path + at, sizeof path - (size_t)at, "%s", name);
        CHECK_OK(un_file_write(NULL, path, "a", 1, &err), &err);
        snprintf(
            path + at, sizeof path - (size_t)at, ".%s.999999999.tmp", name + (lengths[i] > 230 ? lengths[i] - 230 : 0));
        CHECK_OK(un_file_append(path, "left", 4, &err), &err);
        snprintf(path + at, sizeof path - (size_t)at, "%s", name);
        un_file_sweep(path);
        path[at] = 0;
        CHECK_INT(un_test_count(path), i + 1);
    }
}

static void add_task(void *arg, int64_t task, int worker)
{
    (void)worker;
    ((int64_t *)arg)[task] += task;
}

TEST(pool_runs_each_task_once)
{
    static int64_t count[1000];
    unet_error err;

    for (int threads = 1; threads <= 8; threads += threads == 1 ? 1 : 3) {
        un_pool *p;

        CHECK_OK(un_pool_create(&p, NULL, threads, &err), &err);
        for (int round = 0; round < 200; round++) {
            memset(count, 0, sizeof count);
            un_pool_run(p, add_task, count, 1000);
            for (int i = 0; i < 1000; i++)
                CHECK_INT(count[i], i);
        }
        un_pool_destroy(p);
    }
}

static void add_errand(void *ctx)
{
    int *n = ctx;

    *n = *n * 3 + 1;
}

TEST(errands_follow_each_other)
{
    un_errand *e = un_errand_create(NULL);
    int n = 0, m = 0;

    CHECK(e);
    for (int i = 0; i < 12; i++) {
        un_errand_start(e, add_errand, &n);
        add_errand(&m);
    }
    un_errand_wait(e);
    CHECK_INT(n, m);
    un_errand_start(e, add_errand, &n);
    un_errand_destroy(e);
    add_errand(&m);
    CHECK_INT(n, m);
}

/* A full disk, which may fill up while a process runs, leaves whole records. */
TEST(append_to_a_full_disk)
{
    unet_error err;
    char path[400], budget[400], variable[500];
    unsigned char *data;
    size_t n;

    snprintf(path, sizeof path, "%s/log", un_test_tmp());
    snprintf(budget, sizeof budget, "%s/budget", un_test_tmp());
    snprintf(variable, sizeof variable, "@%s", budget);
    CHECK_OK(un_file_append(path, "one\n", 4, &err), &err);
    setenv("UNET_TEST_DISK_BYTES", variable, 1);
    CHECK_OK(un_file_append(path, "two\n", 4, &err), &err); /* no such file: no limit */
    CHECK_OK(un_file_append(budget, "3", 1, &err), &err);
    CHECK_STATUS(un_file_append(path, "three\n", 6, &err), UNET_E_IO);
    unsetenv("UNET_TEST_DISK_BYTES");
    CHECK(strstr(err.message, "cannot append"));
    CHECK_OK(un_file_read(&data, &n, NULL, path, 100, &err), &err);
    CHECK_STR((char *)data, "one\ntwo\n");
    un_free(data);
}

/* What a killed writer left goes; that of a living process, and other files, stay. */
TEST(sweep)
{
    char folder[300], path[400], dead[500], alive[500], other[500];
    unet_error err;

    snprintf(folder, sizeof folder, "%s", un_test_tmp());
    snprintf(path, sizeof path, "%s/model", folder);
    snprintf(dead, sizeof dead, "%s/.model.999999999.tmp", folder);
    snprintf(alive, sizeof alive, "%s/.model.%ld.tmp", folder, (long)getpid());
    snprintf(other, sizeof other, "%s/.model2.999999999.tmp", folder);
    CHECK_OK(un_file_write(NULL, dead, "x", 1, &err), &err);
    CHECK_OK(un_file_write(NULL, alive, "x", 1, &err), &err);
    CHECK_OK(un_file_write(NULL, other, "x", 1, &err), &err);
    un_file_sweep(path);
    CHECK(!un_path_exists(dead) && un_path_exists(alive) && un_path_exists(other));
    snprintf(path, sizeof path, "%s/.999999999.tmp", folder);
    CHECK_OK(un_file_write(NULL, path, "x", 1, &err), &err);
    un_file_sweep(folder); /* what was left there for any name */
    CHECK(!un_path_exists(other) && un_path_exists(alive) && un_path_exists(path));
    snprintf(path, sizeof path, "%s/none/model", folder);
    un_file_sweep(path); /* no such folder: nothing happens */
}
