/* The list of all kernels and the choice among them. */
#include "kernels/kernel.h"

#define UN_KERNEL_REF(name) extern const un_kernel un_##name##_f32_ref, un_##name##_f64_ref;
#ifdef UN_HAVE_NEON
#define UN_KERNEL_SIMD(name) extern const un_kernel un_##name##_f32_neon;
#else
#define UN_KERNEL_SIMD(name) extern const un_kernel un_##name##_f32_avx2, un_##name##_f32_avx512;
#endif
#ifdef UN_HAVE_X86
#define UN_KERNEL_AVX2(name) extern const un_kernel un_##name##_f32_avx2;
#else
#define UN_KERNEL_AVX2(name)
#endif
#define UN_KERNEL_LEVELS(name) UN_KERNEL_REF(name) UN_KERNEL_SIMD(name)
#define UN_KERNEL_BF16(name)   extern const un_kernel un_##name##_bf16_avx512;
#include "kernels/kernels.def"
#undef UN_KERNEL_REF
#undef UN_KERNEL_SIMD
#undef UN_KERNEL_AVX2
#undef UN_KERNEL_BF16

const un_kernel *const un_kernels[] = {
#ifdef UN_INFERENCE /* float, and the level that most processors have */
#define UN_KERNEL_REF(name) &un_##name##_f32_ref,
#else
#define UN_KERNEL_REF(name) &un_##name##_f32_ref, &un_##name##_f64_ref,
#endif
#if defined(UN_HAVE_X86) && defined(UN_INFERENCE)
#define UN_KERNEL_SIMD(name) &un_##name##_f32_avx2,
#elif defined(UN_HAVE_NEON)
#define UN_KERNEL_SIMD(name) &un_##name##_f32_neon,
#elif defined(UN_HAVE_X86)
#define UN_KERNEL_SIMD(name) &un_##name##_f32_avx2, &un_##name##_f32_avx512,
#else
#define UN_KERNEL_SIMD(name)
#endif
#ifdef UN_HAVE_X86
#define UN_KERNEL_AVX2(name) &un_##name##_f32_avx2,
#else
#define UN_KERNEL_AVX2(name)
#endif
#if defined(UN_HAVE_X86) && !defined(UN_INFERENCE)
#define UN_KERNEL_BF16(name) &un_##name##_bf16_avx512,
#else
#define UN_KERNEL_BF16(name)
#endif
#include "kernels/kernels.def"
#undef UN_KERNEL_REF
#undef UN_KERNEL_SIMD
#undef UN_KERNEL_AVX2
#undef UN_KERNEL_LEVELS
#undef UN_KERNEL_BF16
};
const int un_kernel_count = (int)(sizeof un_kernels / sizeof *un_kernels);

static double cost_of(const un_kernel *k, const un_kernel_wish *wish, const void *args)
{
    double memory = 0;

    if (wish->byte_ns > 0 && k->packed_bytes)
        memory += (double)k->packed_bytes(args);
    if (wish->byte_ns > 0 && k->shared_bytes)
        memory += (double)k->shared_bytes(args);
    return (k->cost ? k->cost(args) : 1e30) + wish->byte_ns * memory;
}

const un_kernel *un_kernel_select(un_kernel_family family, const un_kernel_wish *wish, const void *args)
{
    const un_kernel *best = 0;
    double least = 0;

    for (int i = 0; i < un_kernel_count; i++) {
        const un_kernel *k = un_kernels[i];
        double cost;

        if (k->family != family || k->type != wish->type || k->level > wish->level || (wish->exact && k->winograd) ||
            (k->bf16 && !wish->bf16) || (k->roomy && !wish->roomy))
            continue;
        if (k->supports && !k->supports(args))
            continue;
        cost = cost_of(k, wish, args);
        if (!best || cost < least || (cost == least && k->level > best->level)) {
            best = k;
            least = cost;
        }
    }
    return best;
}

void un_kernel_run_serial(const un_kernel *k, const void *args, void *worker, void *shared)
{
    for (int phase = 0; phase < k->phases; phase++)
        for (int64_t t = 0, n = k->tasks(args, phase); t < n; t++)
            k->run(args, phase, t, worker, shared);
}
