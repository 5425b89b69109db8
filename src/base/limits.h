/* What this process may use: processors by affinity and control group, memory by what is free and control group.
 *
 * Control groups of version 1 and 2 are found through /proc/self/mountinfo and /proc/self/cgroup; a limit set on any
 * group above the process's own counts too. */
#ifndef UN_BASE_LIMITS_H
#define UN_BASE_LIMITS_H

#include <stdint.h>

/* Processors by affinity and control group (a part of one counts as one), at least 1. */
int un_cpu_count(void);

/* Bytes that may still be taken: the least of what the machine has available and what each control group leaves, where
 * files that the kernel can drop count as free. 0: not known. */
uint64_t un_memory_available(void);

/* Most that this process has held in memory so far, in bytes; 0: not known. */
uint64_t un_memory_peak(void);

/* Processors and memory from the files below a folder that stands for `/`, for tests. cpus: 0 without a limit. */
int un_limits_cpus(const char *root);
uint64_t un_limits_memory(const char *root);

#endif
