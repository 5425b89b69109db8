/* The test harness: TEST functions register themselves; a failed CHECK ends its test and is printed with file and line.
 * A program prints a line for each test and closes with `N passed, N failed, N skipped`. */
#ifndef UN_TEST_H
#define UN_TEST_H

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"

typedef struct un_test {
    const char *name;
    void (*fn)(void);
    int is_long;
    struct un_test *next;
} un_test;

void un_test_register(un_test *t);
void un_test_fail(const char *file, int line, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));
void un_test_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void un_test_note(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a line of talk under -v */

/* Whether this program is built for a sanitizer: slower, with larger stack frames. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { UN_TEST_SANITIZED = 1 };
#else
enum { UN_TEST_SANITIZED = 0 };
#endif

/* Path of a file of the source tree (tests run from anywhere), or of ../shared; the latter skips the test when absent.
 */
const char *un_test_source(const char *relative);
const char *un_test_shared(const char *relative);
/* The CPU level to test at: UNET_CPU, else the best of this machine. */
un_cpu_level un_test_level(void);
/* A fresh empty folder, removed at exit. */
const char *un_test_tmp(void);
/* How much lies in a folder, temporary files of writers included; -1: there is no such folder. */
int un_test_count(const char *folder);

#define TEST_(name, is_long)                                                                                           \
    static void test_##name(void);                                                                                     \
    __attribute__((constructor)) static void register_##name(void)                                                     \
    {                                                                                                                  \
        static un_test t = {#name, test_##name, is_long, 0};                                                           \
        un_test_register(&t);                                                                                          \
    }                                                                                                                  \
    static void test_##name(void)
#define TEST(name) TEST_(name, 0)
/* Takes seconds with SIMD off or under a sanitizer: there `make test` leaves it out (UNET_TEST_SHORT); the release
 * build and `make test-all` run it. */
#define LONG_TEST(name) TEST_(name, 1)

#define CHECK(x)                                                                                                       \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            un_test_fail(__FILE__, __LINE__, "%s", #x);                                                                \
    } while (0)
#define CHECK_INT(a, b)                                                                                                \
    do {                                                                                                               \
        long long a_ = (long long)(a), b_ = (long long)(b);                                                            \
        if (a_ != b_)                                                                                                  \
            un_test_fail(__FILE__, __LINE__, "%s is %lld, expected %s = %lld", #a, a_, #b, b_);                        \
    } while (0)
#define CHECK_NEAR(a, b, tol)                                                                                          \
    do {                                                                                                               \
        double a_ = (double)(a), b_ = (double)(b), t_ = (double)(tol);                                                 \
        if (!(fabs(a_ - b_) <= t_))                                                                                    \
            un_test_fail(__FILE__, __LINE__, "%s is %.17g, expected %s = %.17g within %g", #a, a_, #b, b_, t_);        \
    } while (0)
#define CHECK_STR(a, b)                                                                                                \
    do {                                                                                                               \
        const char *a_ = (a), *b_ = (b);                                                                               \
        if (!a_ || strcmp(a_, b_))                                                                                     \
            un_test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #a, a_ ? a_ : "(null)", b_);             \
    } while (0)
#define CHECK_OK(call, err)                                                                                            \
    do {                                                                                                               \
        unet_status s_ = (call);                                                                                       \
        if (s_)                                                                                                        \
            un_test_fail(                                                                                              \
                __FILE__, __LINE__, "%s: %s: %s: %s", #call, unet_status_name(s_), (err)->where, (err)->message);      \
    } while (0)
#define CHECK_STATUS(call, expected)                                                                                   \
    do {                                                                                                               \
        unet_status s_ = (call), e_ = (expected);                                                                      \
        if (s_ != e_)                                                                                                  \
            un_test_fail(__FILE__, __LINE__, "%s gives '%s', expected '%s'", #call, unet_status_name(s_),              \
                unet_status_name(e_));                                                                                 \
    } while (0)

#endif
