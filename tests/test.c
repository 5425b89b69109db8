#define _GNU_SOURCE
#include "test.h"

#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static un_test *first;
static jmp_buf escape;
static enum { PASSED, FAILED, SKIPPED } outcome;
static char reason[2048], tmp_dir[256];
static int verbose;

void un_test_register(un_test *t)
{
    un_test **at = &first;

    while (*at && strcmp((*at)->name, t->name) < 0)
        at = &(*at)->next;
    t->next = *at;
    *at = t;
}

void un_test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    int n = snprintf(reason, sizeof reason, "%s:%d: ", file, line);

    va_start(ap, fmt);
    vsnprintf(reason + n, sizeof reason - (size_t)n, fmt, ap);
    va_end(ap);
    outcome = FAILED;
    longjmp(escape, 1);
}

void un_test_skip(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    outcome = SKIPPED;
    longjmp(escape, 1);
}

void un_test_note(const char *fmt, ...)
{
    va_list ap;

    if (!verbose)
        return;
    va_start(ap, fmt);
    printf("# ");
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
}

const char *un_test_source(const char *relative)
{
    static char path[4][4096];
    static int turn;

    turn = (turn + 1) & 3;
    snprintf(path[turn], sizeof path[turn], "%s/%s", UN_SOURCE_DIR, relative);
    return path[turn];
}

const char *un_test_shared(const char *relative)
{
    static char path[4][4096];
    static int turn;
    const char *root = getenv("UNET_SHARED");

    turn = (turn + 1) & 3;
    snprintf(path[turn], sizeof path[turn], "%s/%s", root ? root : UN_SOURCE_DIR "/../shared", relative);
    if (access(path[turn], R_OK))
        un_test_skip("needs shared/%s, which is absent here", relative);
    return path[turn];
}

un_cpu_level un_test_level(void)
{
    un_cpu_level level;
    unet_error err;

    CHECK_OK(un_cpu_choose(&level, NULL, &err), &err);
    return level;
}

static int remove_one(const char *path, const struct stat *sb, int flag, struct FTW *ftw)
{
    (void)sb;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void remove_tmp(void)
{
    nftw(tmp_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *un_test_tmp(void)
{
    static char path[320];
    static int n;

    if (!tmp_dir[0]) {
        snprintf(tmp_dir, sizeof tmp_dir, "%s/unet-test-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
        if (!mkdtemp(tmp_dir))
            un_test_fail(__FILE__, __LINE__, "cannot make %s", tmp_dir);
        atexit(remove_tmp);
    }
    snprintf(path, sizeof path, "%s/%d", tmp_dir, n++);
    if (mkdir(path, 0777))
        un_test_fail(__FILE__, __LINE__, "cannot make %s", path);
    return path;
}

int un_test_count(const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    int n = 0;

    if (!d)
        return -1;
    while ((e = readdir(d)))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

/* Apart from main: nothing here changes between setjmp and a long jump back. */
static void run_one(const un_test *t)
{
    if (!setjmp(escape))
        t->fn();
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    static const char *const word[] = {"PASS", "FAIL", "SKIP"};
    const int brief = getenv("UNET_TEST_SHORT") != NULL;
    int count[3] = {0}, i = 1;
    double start, used;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (i < argc && !strcmp(argv[i], "-v")) {
        verbose = 1;
        i++;
    }
    for (un_test *t = first; t; t = t->next) {
        if (i < argc ? !strstr(t->name, argv[i]) : brief && t->is_long)
            continue;
        outcome = PASSED;
        reason[0] = 0;
        start = seconds();
        run_one(t);
        used = seconds() - start;
        count[outcome]++;
        printf("%s %s%s%s", word[outcome], t->name, reason[0] ? ": " : "", reason);
        printf(used < 1 ? "\n" : " (%.1f s)\n", used);
    }
    printf("%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED], count[SKIPPED]);
    return count[FAILED] != 0;
}
