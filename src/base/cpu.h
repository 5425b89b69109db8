/* CPU levels: coarse steps that whole kernel sets are written for. */
#ifndef UN_BASE_CPU_H
#define UN_BASE_CPU_H

#include "unet/status.h"

typedef enum un_cpu_level {
    UN_CPU_REF = 0, /* portable C                                   */
    UN_CPU_AVX2,    /* AVX2 and FMA                                 */
    UN_CPU_AVX512,  /* AVX-512 F, BW, DQ, VL                        */
    UN_CPU_NEON,    /* AArch64                                      */
    UN_CPU_LEVEL_COUNT
} un_cpu_level;

const char *un_cpu_level_name(un_cpu_level level);
int un_cpu_level_parse(const char *name, un_cpu_level *out); /* 0: no such name */

/* The best level of this machine (CPU and operating system). */
un_cpu_level un_cpu_best(void);

/* The best level not above `wanted` (by name, NULL: the environment variable UNET_CPU, else the best). A level this
 * machine lacks is an error, since "same bits" depends on it. */
unet_status un_cpu_choose(un_cpu_level *out, const char *wanted, unet_error *err);

int un_cpu_has(un_cpu_level level);

/* Whether the kernels of the level have forms that multiply numbers of 16 bits (bfloat16), and this machine can. */
int un_cpu_has_bf16(un_cpu_level level);

/* "AMD EPYC 7763" or similar; for reports. */
void un_cpu_model(char *buf, int size);

#endif
