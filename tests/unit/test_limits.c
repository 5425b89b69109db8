/* Limits of processors and memory, in made-up trees of /proc and control groups of both versions. */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/pool.h"
#include "test.h"

static unet_error err;
static char root[512];

static void start(void)
{
    static int n;

    snprintf(root, sizeof root, "%s/%d", un_test_tmp(), n++);
}

static void put(const char *name, const char *text)
{
    char path[1024], *slash;

    snprintf(path, sizeof path, "%s%s", root, name);
    slash = strrchr(path, '/');
    *slash = 0;
    CHECK_OK(un_make_dirs(path, &err), &err);
    *slash = '/';
    CHECK_OK(un_file_write(NULL, path, text, strlen(text), &err), &err);
}

#define MEMINFO  "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n"
#define V2_MOUNT "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"

TEST(nothing_known)
{
    start();
    CHECK_INT(un_limits_cpus(root), 0);
    CHECK_INT(un_limits_memory(root), 0);
    put("/proc/meminfo", MEMINFO);
    CHECK_INT(un_limits_memory(root), 8000000ll * 1024);
}

TEST(version_2)
{
    start();
    put("/proc/meminfo", MEMINFO);
    put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" V2_MOUNT);
    put("/proc/self/cgroup", "0::/user.slice/job\n");
    put("/sys/fs/cgroup/user.slice/job/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/user.slice/job/memory.max", "max\n");
    CHECK_INT(un_limits_cpus(root), 2);
    CHECK_INT(un_limits_memory(root), 8000000ll * 1024);

    put("/sys/fs/cgroup/user.slice/cpu.max", "100000 100000\n"); /* a limit above counts too */
    put("/sys/fs/cgroup/user.slice/memory.max", "1000000000\n");
    put("/sys/fs/cgroup/user.slice/memory.current", "700000000\n");
    put("/sys/fs/cgroup/user.slice/memory.stat", "anon 1\ninactive_file 200000000\nactive_file 5\n");
    CHECK_INT(un_limits_cpus(root), 1);
    CHECK_INT(un_limits_memory(root), 500000000);

    put("/sys/fs/cgroup/user.slice/memory.current", "1000000001\n"); /* full: as good as nothing, but known */
    put("/sys/fs/cgroup/user.slice/memory.stat", "");
    CHECK_INT(un_limits_memory(root), 1);
    put("/sys/fs/cgroup/user.slice/cpu.max", "max 100000\n");
    CHECK_INT(un_limits_cpus(root), 2);
}

TEST(version_1)
{
    start();
    put("/proc/meminfo", MEMINFO);
    put("/proc/self/mountinfo", "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                                "33 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                                "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "7:cpuset:/\n4:memory:/a/b\n2:cpu,cpuacct:/a\n0::/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK_INT(un_limits_cpus(root), 0);
    CHECK_INT(un_limits_memory(root), 8000000ll * 1024);

    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "310000\n");
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "600000000\n");
    put("/sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "250000000\n");
    put("/sys/fs/cgroup/memory/a/b/memory.stat", "cache 9\ntotal_inactive_file 50000000\n");
    CHECK_INT(un_limits_cpus(root), 4);
    CHECK_INT(un_limits_memory(root), 400000000);
}

/* A container sees its own group as the top of the mount, under the path that the host gave it. */
TEST(in_a_container)
{
    start();
    put("/proc/self/mountinfo", "35 31 0:32 /docker/123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
                                "36 31 0:33 /docker/999 /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu\n");
    put("/proc/self/cgroup", "4:memory:/docker/123\n5:cpu:/docker/123\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "300000000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    CHECK_INT(un_limits_memory(root), 300000000);
    CHECK_INT(un_limits_cpus(root), 1);
}

TEST(odd_files)
{
    start();
    put("/proc/self/mountinfo", "x\n\n - cgroup2\n1 2 3 - cgroup2 a b");
    put("/proc/self/cgroup", "0::/../../etc\nnonsense");
    CHECK_INT(un_limits_cpus(root), 0);
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/sys/fs/cgroup/cpu.max", "\n");
    put("/sys/fs/cgroup/memory.max", "99999999999999999999999\n");
    CHECK_INT(un_limits_cpus(root), 0);
    CHECK_INT(un_limits_memory(root), 0);
}

TEST(this_process)
{
    const uint64_t available = un_memory_available();
    un_pool *p;

    CHECK(un_cpu_count() >= 1 && un_cpu_count() <= 4096);
    CHECK(available > 0);
    un_test_note("%d processors, %.0f MiB available", un_cpu_count(), (double)available / 1048576);
    CHECK_OK(un_pool_create(&p, NULL, 0, &err), &err);
    CHECK_INT(un_pool_threads(p), un_cpu_count());
    un_pool_destroy(p);
}
