/* Functions that are compiled for wider vectors too; the program loader takes what the processor has. For loops over
 * elements that do not depend on each other: without contraction (-ffp-contract=off) and without sums whose order could
 * change, every form gives the same bits. Static ones only: the loader's symbols ignore visibility. Kernels of networks
 * have levels of their own (kernels/kernel.h). */
#ifndef UN_BASE_WIDE_H
#define UN_BASE_WIDE_H

#include <limits.h> /* says which C library it is */

/* The sanitizers are not ready when the loader chooses. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) &&                           \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define UN_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
/* One form of a function alone, with intrinsics, called where un_has_512() says so. */
#define UN_WIDE_512 __attribute__((target("avx512f")))
static inline int un_has_512(void)
{
    return __builtin_cpu_supports("avx512f");
}
#else
#define UN_WIDE
#endif

#endif
