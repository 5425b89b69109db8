#define _GNU_SOURCE
#include "base/limits.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/size.h"

enum { PATH_BYTES = 4096, TEXT_BYTES = 65536 };

/* Appends to a path of PATH_BYTES; 0 when it would not fit. */
static int append(char *path, const char *s, size_t n)
{
    const size_t used = strlen(path);

    if (n >= PATH_BYTES - used)
        return 0;
    memcpy(path + used, s, n);
    path[used + n] = 0;
    return 1;
}

/* The first TEXT_BYTES - 1 bytes of a file of the kernel, as text; 0 when there is none. */
static int read_text(char *text, const char *folder, const char *name)
{
    char path[PATH_BYTES] = "";
    size_t n = 0;
    ssize_t got = -1;
    int fd;

    if (!append(path, folder, strlen(folder)) || !append(path, name, strlen(name)))
        return 0;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while (n < TEXT_BYTES - 1 && (got = read(fd, text + n, TEXT_BYTES - 1 - n)) > 0)
        n += (size_t)got;
    close(fd);
    text[n] = 0;
    return got >= 0;
}

/* The number at the start of s; 0 for words such as "max" and for numbers below 0. */
static uint64_t number_at(const char *s)
{
    while (*s == ' ' || *s == '\t')
        s++;
    return *s >= '0' && *s <= '9' ? strtoull(s, NULL, 10) : 0;
}

/* The number behind a word that starts a line; 0 when it is not there. */
static uint64_t number_of(const char *text, const char *word)
{
    const size_t n = strlen(word);

    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL)
        if (!strncmp(line, word, n))
            return number_at(line + n);
    return 0;
}

static uint64_t number_in(char *text, const char *folder, const char *name)
{
    return read_text(text, folder, name) ? number_at(text) : 0;
}

/* ---- where the groups are ---- */

typedef struct seeker {
    const char *root;       /* stands for / */
    const char *controller; /* "cpu", "memory" */
    char *text;             /* TEXT_BYTES of scratch */
    char group[PATH_BYTES]; /* of the process, as the hierarchy names it */
    char place[PATH_BYTES]; /* folder of the group */
    size_t top;             /* length of the mount point: groups end there */
} seeker;

/* Whether the comma-separated list that ends at `end` names the word. */
static int has_word(const char *list, const char *end, const char *word)
{
    const size_t n = strlen(word);

    for (const char *s = list; s < end; s += *s == ',') {
        const char *stop = s;

        while (stop < end && *stop != ',')
            stop++;
        if ((size_t)(stop - s) == n && !memcmp(s, word, n))
            return 1;
        s = stop;
    }
    return 0;
}

/* Lines `number:controllers:path`; version 2 has number 0 and no controllers. */
static int find_group(seeker *s, int version)
{
    if (!read_text(s->text, s->root, "/proc/self/cgroup"))
        return 0;
    for (const char *line = s->text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

        if (!path)
            return 0;
        if (version == 2 ? strncmp(line, "0::", 3) != 0 : !has_word(list + 1, path, s->controller))
            continue;
        s->group[0] = 0;
        return append(s->group, path + 1, strcspn(path + 1, "\n"));
    }
    return 0;
}

/* Copies the n-th word of a line; 0 when it has none. */
static int word_of(char *to, const char *line, int n)
{
    size_t length;

    while (n-- > 0) {
        line += strcspn(line, " \n");
        if (*line != ' ')
            return 0;
        line++;
    }
    length = strcspn(line, " \n");
    to[0] = 0;
    return append(to, line, length);
}

/* Lines `id parent device root mount-point options ... - type source super-options`. */
static int find_mount(seeker *s, int version, char *mounted, char *point)
{
    const char *type = version == 2 ? "cgroup2" : "cgroup";

    if (!read_text(s->text, s->root, "/proc/self/mountinfo"))
        return 0;
    for (const char *line = s->text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        const char *end = line + strcspn(line, "\n");
        const char *dash = memmem(line, (size_t)(end - line), " - ", 3), *options;
        char word[PATH_BYTES];

        if (!dash || !word_of(word, dash + 3, 0) || strcmp(word, type))
            continue;
        options = end;
        while (options > dash && options[-1] != ' ')
            options--;
        if (version == 1 && !has_word(options, end, s->controller))
            continue;
        return word_of(mounted, line, 3) && word_of(point, line, 4);
    }
    return 0;
}

/* The folder of the process's group. In a container the mount may show a part of the hierarchy only: then the path
 * within that part counts, or, where the group lies outside of it, the part itself. */
static int find_place(seeker *s, int version)
{
    char mounted[PATH_BYTES], point[PATH_BYTES];
    const char *rest = s->group;
    size_t n;

    if (!find_group(s, version) || !find_mount(s, version, mounted, point))
        return 0;
    n = strcmp(mounted, "/") ? strlen(mounted) : 0;
    rest = !strncmp(s->group, mounted, n) && (s->group[n] == '/' || !s->group[n]) ? s->group + n : "";
    s->place[0] = 0;
    if (!append(s->place, s->root, strlen(s->root)) || !append(s->place, point, strlen(point)))
        return 0;
    s->top = strlen(s->place);
    if (!strcmp(rest, "/") || strstr(rest, "/.."))
        rest = "";
    return append(s->place, rest, strlen(rest));
}

/* To the group above; 0 at the top. */
static int go_up(seeker *s)
{
    char *slash = strlen(s->place) > s->top ? strrchr(s->place, '/') : NULL;

    if (!slash || (size_t)(slash - s->place) < s->top)
        return 0;
    *slash = 0;
    return 1;
}

/* ---- limits ---- */

/* Processors of one group, rounded up; 0: no limit. */
static uint64_t group_cpus(const seeker *s, int version)
{
    uint64_t quota, period = 0;

    if (version == 2) {
        if (!read_text(s->text, s->place, "/cpu.max"))
            return 0;
        quota = number_at(s->text);
        period = number_at(s->text + strcspn(s->text, " "));
    } else {
        quota = number_in(s->text, s->place, "/cpu.cfs_quota_us");
        period = number_in(s->text, s->place, "/cpu.cfs_period_us");
    }
    return quota && period ? (quota + period - 1) / period : 0;
}

/* What one group leaves; UINT64_MAX: no limit. */
static uint64_t group_memory(const seeker *s, int version)
{
    const uint64_t limit = number_in(s->text, s->place, version == 2 ? "/memory.max" : "/memory.limit_in_bytes");
    uint64_t used, droppable;

    if (!limit || limit >= UINT64_MAX / 4) /* version 1 writes "none" as a very large number */
        return UINT64_MAX;
    used = number_in(s->text, s->place, version == 2 ? "/memory.current" : "/memory.usage_in_bytes");
    droppable = read_text(s->text, s->place, "/memory.stat")
                    ? number_of(s->text, version == 2 ? "inactive_file " : "total_inactive_file ")
                    : 0;
    used -= UN_MIN(used, droppable);
    return limit > used ? limit - used : 1;
}

/* The least over all groups of both versions; `none` when nothing is known. */
static uint64_t least(
    const char *root, const char *controller, uint64_t none, uint64_t (*of)(const seeker *, int version))
{
    seeker *s = un_alloc(NULL, sizeof *s + TEXT_BYTES);
    uint64_t best = none;

    for (int version = 1; version <= 2 && s; version++) {
        *s = (seeker){.root = root, .controller = controller, .text = (char *)(s + 1)};
        if (!find_place(s, version))
            continue;
        do {
            const uint64_t v = of(s, version);

            if (v && (v < best || best == 0))
                best = v;
        } while (go_up(s));
    }
    un_free(s);
    return best;
}

int un_limits_cpus(const char *root)
{
    return (int)UN_MIN(least(root, "cpu", 0, group_cpus), 4096);
}

uint64_t un_limits_memory(const char *root)
{
    uint64_t best = least(root, "memory", UINT64_MAX, group_memory), machine;
    char *text = un_alloc(NULL, TEXT_BYTES);

    machine = text && read_text(text, root, "/proc/meminfo") ? number_of(text, "MemAvailable:") * 1024 : 0;
    un_free(text);
    if (machine)
        best = UN_MIN(best, machine);
    return best == UINT64_MAX ? 0 : best;
}

int un_cpu_count(void)
{
    cpu_set_t set;
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN), limit = un_limits_cpus("");

    if (!sched_getaffinity(0, sizeof set, &set))
        n = CPU_COUNT(&set);
    n = limit ? UN_MIN(n, limit) : n;
    return UN_MAX(n, 1);
}

uint64_t un_memory_available(void)
{
    return un_limits_memory("");
}

uint64_t un_memory_peak(void)
{
    struct rusage u;

    return getrusage(RUSAGE_SELF, &u) || u.ru_maxrss < 0 ? 0 : (uint64_t)u.ru_maxrss * 1024;
}
