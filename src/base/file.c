#define _GNU_SOURCE
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/print.h"
#include "base/size.h"
#include "base/text.h"

static unet_status open_status(int e)
{
    return e == ENOENT || e == ENOTDIR ? UNET_E_NOT_FOUND : UNET_E_IO;
}

/* Opens for reading and checks that it is a regular file. */
static unet_status open_regular(int *fd, size_t *size, const char *path, unet_error *err)
{
    struct stat sb;
    unet_status st;

    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0)
        return un_fail_file(err, open_status(errno), path, "cannot open: %s", strerror(errno));
    if (fstat(*fd, &sb) == 0 && S_ISREG(sb.st_mode)) {
        *size = (size_t)sb.st_size;
        return UNET_OK;
    }
    st = un_fail_file(
        err, UNET_E_IO, path, S_ISDIR(sb.st_mode) ? "is a folder, a file is needed" : "is not a regular file");
    close(*fd);
    return st;
}

unet_status un_file_read(
    unsigned char **data, size_t *size, un_mem *mem, const char *path, size_t max_bytes, unet_error *err)
{
    int fd;
    size_t n, got = 0;
    unsigned char *p = NULL;
    unet_status st;

    *data = NULL;
    *size = 0;
    st = open_regular(&fd, &n, path, err);
    if (st)
        return st;
    if (n > max_bytes) {
        st = un_fail_file(err, UNET_E_LIMIT, path, "%zu bytes; at most %zu are read", n, max_bytes);
        goto done;
    }
    p = un_alloc(mem, n + 1);
    if (!p) {
        st = un_fail_nomem(err, n + 1);
        goto done;
    }
    while (got < n) {
        ssize_t r = read(fd, p + got, n - got);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0) {
            st = un_fail_file(err, UNET_E_IO, path, "cannot read: %s", strerror(errno));
            goto done;
        }
        if (r == 0)
            break; /* it shrank meanwhile */
        got += (size_t)r;
    }
    p[got] = 0;
    *data = p;
    *size = got;
    p = NULL;
done:
    un_free(p);
    close(fd);
    return st;
}

unet_status un_map_open(un_map *m, const char *path, unet_error *err)
{
    int fd;
    size_t n;
    void *p;
    unet_status st;

    *m = (un_map){0};
    st = open_regular(&fd, &n, path, err);
    if (st)
        return st;
    if (n == 0) {
        close(fd);
        return UNET_OK;
    }
    p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return un_fail_file(err, UNET_E_IO, path, "cannot map %zu bytes: %s", n, strerror(errno));
    *m = (un_map){p, n};
    return UNET_OK;
}

void un_map_drop(const void *at, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = un_round_up((uintptr_t)at, page), to = ((uintptr_t)at + bytes) / page * page;

    if (from < to)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}

void un_map_close(un_map *m)
{
    if (m->data)
        munmap((void *)(uintptr_t)m->data, m->size);
    *m = (un_map){0};
}

/* Bytes of disk that a test allows; negative: no limit. */
static int64_t disk_budget(void)
{
    const char *env = getenv("UNET_TEST_DISK_BYTES");
    char number[32] = "";
    int64_t budget;
    int fd;

    if (env && env[0] == '@') {
        fd = open(env + 1, O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && read(fd, number, sizeof number - 1) < 0)
            number[0] = 0;
        if (fd >= 0)
            close(fd);
        env = number;
    }
    return env && un_parse_int64(env, &budget) ? budget : -1;
}

unet_status un_scratch_open(un_scratch *s, un_mem *mem, const char *folder, size_t size, unet_error *err)
{
    char *path = un_asprintf(mem, "%s/.scratch.%ld.%p.tmp", folder, (long)getpid(), (void *)s);
    const int64_t budget = disk_budget();
    int fd = path ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1, problem = fd < 0 ? errno : 0;
    void *p = MAP_FAILED;

    *s = (un_scratch){0};
    if (!path)
        return un_fail_nomem(err, 1);
    if (fd >= 0) {
        unlink(path);
        problem = budget >= 0 && size > (size_t)budget ? ENOSPC : posix_fallocate(fd, 0, (off_t)UN_MAX(size, 1));
    }
    if (!problem) {
        p = mmap(NULL, UN_MAX(size, 1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        problem = p == MAP_FAILED ? errno : 0;
    }
    if (fd >= 0)
        close(fd);
    un_free(path);
    if (problem)
        return un_fail_file(err, open_status(problem), folder, "cannot keep %.0f MiB on this disk for a while: %s",
            (double)size / 1048576, strerror(problem));
    *s = (un_scratch){p, size};
    return UNET_OK;
}

void un_scratch_close(un_scratch *s)
{
    if (s->data)
        munmap(s->data, UN_MAX(s->size, 1));
    *s = (un_scratch){0};
}

/* The part of a name that stands in that of its temporary file: its end when it is so long that all of it would be more
 * than the 255 bytes which names may have. */
static const char *temp_name(const char *name)
{
    enum { MOST = 230 };
    const size_t n = strlen(name);

    return n > MOST ? name + n - MOST : name;
}

struct un_writer {
    un_mem *mem;
    char *path, *temp;
    int fd;
    int64_t budget; /* injected: bytes until the disk is "full"; negative: no limit */
    size_t used;
    char buf[1 << 16];
};

unet_status un_writer_open(un_writer **out, un_mem *mem, const char *path, unet_error *err)
{
    un_writer *w = un_alloc(mem, sizeof *w);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    *out = NULL;
    if (!w)
        return un_fail_nomem(err, sizeof *w);
    memset(w, 0, offsetof(un_writer, buf));
    w->mem = mem;
    w->fd = -1;
    w->budget = disk_budget();
    w->path = un_strdup(mem, path);
    w->temp = un_asprintf(mem, "%.*s.%s.%ld.tmp", (int)(name - path), path, temp_name(name), (long)getpid());
    if (!w->path || !w->temp) {
        un_writer_destroy(w);
        return un_fail_nomem(err, strlen(path));
    }
    w->fd = open(w->temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0) {
        unet_status st = un_fail_file(err, open_status(errno), path, "cannot write here: %s", strerror(errno));

        un_free(w->temp);
        w->temp = NULL;
        un_writer_destroy(w);
        return st;
    }
    *out = w;
    return UNET_OK;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t r = write(fd, p, n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return 0;
        p += r;
        n -= (size_t)r;
    }
    return 1;
}

static unet_status flush(un_writer *w, unet_error *err)
{
    int ok;

    if (w->budget >= 0 && (int64_t)w->used > w->budget) {
        errno = ENOSPC;
        ok = 0;
    } else {
        ok = write_all(w->fd, w->buf, w->used);
        if (w->budget >= 0)
            w->budget -= (int64_t)w->used;
    }
    w->used = 0;
    return ok ? UNET_OK : un_fail_file(err, UNET_E_IO, w->path, "cannot write: %s", strerror(errno));
}

unet_status un_writer_write(un_writer *w, const void *data, size_t size, unet_error *err)
{
    const char *p = data;

    while (size) {
        size_t n = UN_MIN(size, sizeof w->buf - w->used);

        memcpy(w->buf + w->used, p, n);
        w->used += n;
        p += n;
        size -= n;
        if (w->used == sizeof w->buf) {
            unet_status st = flush(w, err);

            if (st)
                return st;
        }
    }
    return UNET_OK;
}

unet_status un_writer_printf(un_writer *w, unet_error *err, const char *fmt, ...)
{
    char small[512], *s = small;
    va_list ap;
    int n;
    unet_status st;

    va_start(ap, fmt);
    n = un_print(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0)
        return un_fail(err, UNET_E_INTERNAL, "bad format");
    if ((size_t)n >= sizeof small) {
        s = un_alloc(w->mem, (size_t)n + 1);
        if (!s)
            return un_fail_nomem(err, (size_t)n + 1);
        va_start(ap, fmt);
        un_print(s, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    st = un_writer_write(w, s, (size_t)n, err);
    if (s != small)
        un_free(s);
    return st;
}

const char *un_writer_temp_path(const un_writer *w)
{
    return w->temp;
}

/* Makes the rename itself durable. Best effort: some file systems refuse to sync a folder. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char dir[4096];
    int fd;

    if (slash == path)
        snprintf(dir, sizeof dir, "/");
    else if (slash)
        snprintf(dir, sizeof dir, "%.*s", (int)(slash - path), path);
    else
        snprintf(dir, sizeof dir, ".");
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
}

unet_status un_writer_commit(un_writer *w, unet_error *err)
{
    unet_status st = flush(w, err);

    if (!st && (fsync(w->fd) || close(w->fd)))
        st = un_fail_file(err, UNET_E_IO, w->path, "cannot write: %s", strerror(errno));
    else if (!st)
        w->fd = -1;
    if (!st && rename(w->temp, w->path))
        st = un_fail_file(err, UNET_E_IO, w->path, "cannot put the finished file in place: %s", strerror(errno));
    if (!st) {
        un_free(w->temp);
        w->temp = NULL;
        sync_folder(w->path);
    }
    un_writer_destroy(w);
    return st;
}

void un_writer_destroy(un_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    if (w->temp)
        unlink(w->temp);
    un_free(w->temp);
    un_free(w->path);
    un_free(w);
}

/* Whether a file is what a writer of `path` (NULL: of any) left: .<name>.<pid>.tmp, of a process that runs no more. */
static int is_left_behind(const char *file, const char *name)
{
    const size_t n = name ? strlen(name) : 0;
    const char *dot;
    char *end;
    long pid;

    if (file[0] != '.' || (name && (strncmp(file + 1, name, n) != 0 || file[1 + n] != '.')))
        return 0;
    dot = strstr(file + 1 + n, ".tmp");
    if (!dot || dot[4])
        return 0;
    while (dot > file + 1 + n && dot[-1] >= '0' && dot[-1] <= '9')
        dot--;
    if (dot < file + 3 || dot[-1] != '.' || (name && dot != file + 2 + n))
        return 0;
    pid = strtol(dot, &end, 10);
    return pid > 0 && !strcmp(end, ".tmp") && kill((pid_t)pid, 0) && errno == ESRCH;
}

void un_file_sweep(const char *path)
{
    const int whole = un_path_is_dir(path);
    const char *slash = strrchr(path, '/'), *name = whole ? NULL : slash ? slash + 1 : path;
    const int n = whole ? (int)strlen(path) : slash ? (int)(name - path) : 1;
    char dir[4096];
    struct dirent *e;
    DIR *d;

    if ((size_t)n >= sizeof dir)
        return;
    snprintf(dir, sizeof dir, "%.*s", n, whole || slash ? path : ".");
    d = opendir(dir);
    while (d && (e = readdir(d)) != NULL)
        if (is_left_behind(e->d_name, name ? temp_name(name) : NULL))
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

unet_status un_file_write(un_mem *mem, const char *path, const void *data, size_t size, unet_error *err)
{
    un_writer *w;
    unet_status st = un_writer_open(&w, mem, path, err);

    if (st)
        return st;
    st = un_writer_write(w, data, size, err);
    if (st) {
        un_writer_destroy(w);
        return st;
    }
    return un_writer_commit(w, err);
}

unet_status un_file_append(const char *path, const void *data, size_t size, unet_error *err)
{
    const int64_t budget = disk_budget();
    const int fits = budget < 0 || (int64_t)size <= budget;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), ok, problem;
    off_t before;

    if (fd < 0)
        return un_fail_file(err, open_status(errno), path, "cannot append: %s", strerror(errno));
    before = lseek(fd, 0, SEEK_END);
    ok = write_all(fd, data, fits ? size : (size_t)budget);
    problem = ok ? ENOSPC : errno;
    ok &= fits;
    if (!ok && before >= 0 && ftruncate(fd, before))
        problem = errno;
    if (close(fd) && ok) {
        problem = errno;
        ok = 0;
    }
    return ok ? UNET_OK : un_fail_file(err, UNET_E_IO, path, "cannot append: %s", strerror(problem));
}

unet_status un_file_remove(const char *path, unet_error *err)
{
    return unlink(path) && errno != ENOENT ? un_fail_file(err, UNET_E_IO, path, "cannot remove: %s", strerror(errno))
                                           : UNET_OK;
}

unet_status un_make_dirs(const char *path, unet_error *err)
{
    char buf[4096];
    size_t n = strlen(path);

    if (n >= sizeof buf)
        return un_fail_file(err, UNET_E_ARG, path, "path too long");
    memcpy(buf, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        char c = buf[i];

        if (c != '/' && c != 0)
            continue;
        buf[i] = 0;
        if (mkdir(buf, 0777) && errno != EEXIST)
            return un_fail_file(err, UNET_E_IO, buf, "cannot make this folder: %s", strerror(errno));
        buf[i] = c;
    }
    if (n && !un_path_is_dir(path))
        return un_fail_file(err, UNET_E_IO, path, "exists and is not a folder");
    return UNET_OK;
}

int un_path_exists(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0;
}

int un_path_is_dir(const char *path)
{
    struct stat sb;

    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Grows *p to hold at least `need` bytes; 0 when there is no memory. */
static int grow(un_mem *mem, char **p, size_t *cap, size_t need)
{
    size_t n = UN_MAX(*cap * 2, UN_MAX(need, (size_t)4096));
    char *q;

    if (need <= *cap)
        return 1;
    q = un_realloc(mem, *p, n);
    if (!q)
        return 0;
    *p = q;
    *cap = n;
    return 1;
}

unet_status un_dir_list(char ***names, size_t *count, un_mem *mem, const char *path, unet_error *err)
{
    DIR *d = opendir(path);
    char *text = NULL, **list = NULL;
    size_t used = 0, cap = 0, n = 0;
    struct dirent *e;
    unet_status st = UNET_OK;

    *names = NULL;
    *count = 0;
    if (!d)
        return un_fail_file(err, open_status(errno), path, "cannot read this folder: %s", strerror(errno));
    while ((e = readdir(d))) {
        size_t len = strlen(e->d_name) + 1;

        if (e->d_name[0] == '.')
            continue;
        if (!grow(mem, &text, &cap, used + len)) {
            st = un_fail_nomem(err, used + len);
            goto done;
        }
        memcpy(text + used, e->d_name, len);
        used += len;
        n++;
    }
    list = un_alloc(mem, n * sizeof *list + used);
    if (!list) {
        st = un_fail_nomem(err, n * sizeof *list + used);
        goto done;
    }
    if (used)
        memcpy(list + n, text, used);
    for (size_t i = 0, at = 0; i < n; i++) {
        list[i] = (char *)(list + n) + at;
        at += strlen(list[i]) + 1;
    }
    qsort(list, n, sizeof *list, by_name);
    *names = list;
    *count = n;
done:
    un_free(text);
    closedir(d);
    return st;
}
