/* The context: memory, threads and CPU level of everything that is done with it. C99 and C++11 clean. */
#ifndef UNET_CONTEXT_H
#define UNET_CONTEXT_H

#include <stddef.h>

#include "unet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct unet_context unet_context;

/* Where memory comes from; NULL members are not allowed. alloc returns NULL when there is none. Thread-safe. */
typedef struct unet_allocator {
    void *ctx;
    void *(*alloc)(void *ctx, size_t bytes);
    void (*release)(void *ctx, void *p, size_t bytes);
} unet_allocator;

typedef enum unet_log_level { UNET_LOG_INFO, UNET_LOG_WARN } unet_log_level;

/* Zero means default in each member. */
typedef struct unet_context_options {
    size_t struct_size;              /* sizeof(unet_context_options): set by UNET_CONTEXT_OPTIONS_INIT           */
    int threads;                     /* 0: one for each processor that this process may use                      */
    int exact;                       /* 1: only kernels that sum directly (no Winograd forms)                    */
    const char *cpu;                 /* "ref", "avx2", "avx512": the level of the kernels; NULL: the best there is */
    size_t memory_cap;               /* bytes that may be allocated at a time; 0: no cap                         */
    const unet_allocator *allocator; /* NULL: the C library                                                      */
    void (*log)(void *log_ctx, unet_log_level level, const char *text); /* one line without its end; NULL: none  */
    void *log_ctx;
    int (*cancel)(void *cancel_ctx); /* asked often during long work; non-zero: stop with UNET_E_CANCELLED       */
    void *cancel_ctx;
} unet_context_options;
#define UNET_CONTEXT_OPTIONS_INIT {sizeof(unet_context_options), 0, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL}

/* options NULL: all defaults. *out is NULL on failure. A context is used by one thread at a time. */
UNET_API UNET_NODISCARD unet_status unet_context_create(
    unet_context **out, const unet_context_options *options, unet_error *err);
UNET_API void unet_context_destroy(unet_context *c); /* NULL is fine; everything made with it must be gone */

UNET_API int unet_context_threads(const unet_context *c);
UNET_API const char *unet_context_cpu(const unet_context *c); /* "avx512" */
UNET_API size_t unet_context_peak_bytes(const unet_context *c);

/* Texts that functions hand out belong to the caller. NULL is fine. */
UNET_API void unet_string_free(char *s);

UNET_API const char *unet_version(void);
/* CPU model, level, compiler and build, as lines of text; a static string for the build, cpu filled into buf. */
UNET_API void unet_build_facts(char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
