/* The processor's float mode. All arithmetic of the library runs in one mode, whatever the caller's is: round to
 * nearest, no traps, denormal numbers taken and written as zero (they cost a hundred times as much and carry nothing).
 * Results then depend neither on the caller nor on which thread did what. */
#ifndef UN_BASE_FLOAT_MODE_H
#define UN_BASE_FLOAT_MODE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

typedef uint64_t un_float_mode;

static inline un_float_mode un_float_mode_get(void)
{
#if defined(__x86_64__)
    return _mm_getcsr();
#elif defined(__aarch64__)
    uint64_t v;

    __asm__ volatile("mrs %0, fpcr" : "=r"(v));
    return v;
#else
    return 0;
#endif
}

static inline void un_float_mode_set(un_float_mode mode)
{
#if defined(__x86_64__)
    _mm_setcsr((unsigned)mode);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
    (void)mode;
#endif
}

/* Sets the library's mode and returns the one to go back to (its sticky flags too). */
static inline un_float_mode un_float_mode_enter(void)
{
    const un_float_mode before = un_float_mode_get();

#if defined(__x86_64__)
    un_float_mode_set(0x9fc0); /* all exceptions masked; flush to zero, denormals are zero */
#elif defined(__aarch64__)
    un_float_mode_set(UINT64_C(1) << 24); /* FZ */
#endif
    return before;
}

#endif
