#include "base/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static const char *const level_name[] = {
    [UN_CPU_REF] = "ref",
    [UN_CPU_AVX2] = "avx2",
    [UN_CPU_AVX512] = "avx512",
    [UN_CPU_NEON] = "neon",
};
_Static_assert(sizeof level_name / sizeof *level_name == UN_CPU_LEVEL_COUNT, "a name each");

const char *un_cpu_level_name(un_cpu_level level)
{
    return level_name[level];
}

int un_cpu_level_parse(const char *name, un_cpu_level *out)
{
    for (int i = 0; i < UN_CPU_LEVEL_COUNT; i++)
        if (!strcmp(name, level_name[i])) {
            *out = (un_cpu_level)i;
            return 1;
        }
    return 0;
}

int un_cpu_has(un_cpu_level level)
{
    switch (level) {
    case UN_CPU_REF:
        return 1;
#if defined(__x86_64__)
    case UN_CPU_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#ifndef UN_INFERENCE /* that build leaves it out for its size */
    case UN_CPU_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && un_cpu_has(UN_CPU_AVX2);
#endif
#endif
#if defined(__aarch64__)
    case UN_CPU_NEON:
        return 1;
#endif
    default:
        return 0;
    }
}

int un_cpu_has_bf16(un_cpu_level level)
{
#if defined(__x86_64__)
    return level == UN_CPU_AVX512 && un_cpu_has(level) && __builtin_cpu_supports("avx512bf16");
#else
    (void)level;
    return 0;
#endif
}

un_cpu_level un_cpu_best(void)
{
    for (int i = UN_CPU_LEVEL_COUNT - 1; i > 0; i--)
        if (un_cpu_has((un_cpu_level)i))
            return (un_cpu_level)i;
    return UN_CPU_REF;
}

unet_status un_cpu_choose(un_cpu_level *out, const char *wanted, unet_error *err)
{
    if (!wanted)
        wanted = getenv("UNET_CPU");
    *out = un_cpu_best();
    if (!wanted || !*wanted)
        return UNET_OK;
    if (!un_cpu_level_parse(wanted, out))
        return un_fail(err, UNET_E_ARG, "no CPU level '%s'; there are ref, avx2, avx512, neon", wanted);
    if (!un_cpu_has(*out))
        return un_fail(err, UNET_E_ARG, "this machine lacks the CPU level '%s'; its best is '%s'", wanted,
            un_cpu_level_name(un_cpu_best()));
    return UNET_OK;
}

void un_cpu_model(char *buf, int size)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    char line[256];

    snprintf(buf, (size_t)size, "unknown CPU");
    while (f && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) || !colon)
            continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(buf, (size_t)size, "%s", colon + 2);
        break;
    }
    if (f)
        fclose(f);
}
