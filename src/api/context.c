/* Contexts, texts and facts of the build. */
#include "api/context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

unet_status un_api_options(void *to, size_t known, const void *from, unet_error *err)
{
    size_t given;

    memset(to, 0, known);
    if (!from)
        return UNET_OK;
    memcpy(&given, from, sizeof given);
    if (given < sizeof given)
        return un_fail(err, UNET_E_ARG, "an options struct has no struct_size; use its _INIT macro");
    memcpy(to, from, UN_MIN(given, known));
    return UNET_OK;
}

unet_status un_api_text(char **out, un_text *t, unet_error *err)
{
    int failed = t->failed;

    if (out && !failed) {
        *out = un_strdup(NULL, t->s ? t->s : "");
        failed = !*out;
    }
    un_text_free(t);
    return failed ? un_fail_nomem(err, 1) : UNET_OK;
}

void unet_string_free(char *s)
{
    un_free(s);
}

void un_api_log(const unet_context *c, unet_log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    if (!c->options.log)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    c->options.log(c->options.log_ctx, level, line);
}

int un_api_cancelled(void *context)
{
    const unet_context *c = context;

    return c->options.cancel && c->options.cancel(c->options.cancel_ctx);
}

un_session_options un_api_session_options(const unet_context *c)
{
    return (un_session_options){.pool = c->pool, .level = c->level, .exact = c->options.exact};
}

unet_status unet_context_create(unet_context **out, const unet_context_options *options, unet_error *err)
{
    unet_context_options o;
    unet_context *c;
    un_mem *mem;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    st = un_api_options(&o, sizeof o, options, err);
    if (st)
        return st;
    if (o.threads < 0 || o.threads > 1024)
        return un_fail(err, UNET_E_ARG, "%d threads: allowed are 1 to 1024, or 0 for all", o.threads);
    mem = un_mem_create((const un_allocator *)o.allocator);
    c = mem ? un_alloc_zero(mem, sizeof *c) : NULL;
    if (!c) {
        un_mem_destroy(mem);
        return un_fail_nomem(err, sizeof *c);
    }
    c->mem = mem;
    c->options = o;
    un_mem_cap(mem, o.memory_cap);
    st = un_cpu_choose(&c->level, o.cpu, err);
    if (!st)
        st = un_pool_create(&c->pool, mem, o.threads, err);
    if (st) {
        unet_context_destroy(c);
        return st;
    }
    *out = c;
    return UNET_OK;
}
_Static_assert(sizeof(unet_allocator) == sizeof(un_allocator), "the public allocator is the private one");

void unet_context_destroy(unet_context *c)
{
    un_mem *mem;

    if (!c)
        return;
    mem = c->mem;
    un_pool_destroy(c->pool);
    un_free(c);
    un_mem_destroy(mem);
}

int unet_context_threads(const unet_context *c)
{
    return un_pool_threads(c->pool);
}

const char *unet_context_cpu(const unet_context *c)
{
    return un_cpu_level_name(c->level);
}

size_t unet_context_peak_bytes(const unet_context *c)
{
    return un_mem_peak(c->mem);
}

const char *unet_version(void)
{
    return UN_VERSION;
}

#if defined(__GNUC__) && !defined(__clang__)
#define COMPILER "GCC " __VERSION__
#else
#define COMPILER __VERSION__
#endif

#ifdef __OPTIMIZE__
#define OPTIMISED "optimised"
#else
#define OPTIMISED "not optimised"
#endif

#ifdef NDEBUG
#define ASSERTIONS "without assertions"
#else
#define ASSERTIONS "with assertions"
#endif

#if defined(UN_HAVE_X86)
#define KERNELS "kernels ref avx2 avx512"
#elif defined(UN_HAVE_NEON)
#define KERNELS "kernels ref neon"
#else
#define KERNELS "kernels ref"
#endif

#ifdef __GLIBC__
#define C_LIBRARY "glibc"
#else
#define C_LIBRARY "other"
#endif

#define BUILD OPTIMISED ", " ASSERTIONS ", " KERNELS

const char *un_api_built(void)
{
    return COMPILER ", " BUILD ", " C_LIBRARY;
}

void unet_build_facts(char *buf, size_t size)
{
    char cpu[128];

    un_cpu_model(cpu, (int)sizeof cpu);
    snprintf(buf, size, "CPU: %s, best level %s\n%s", cpu, un_cpu_level_name(un_cpu_best()),
        "compiler: " COMPILER "\nbuild: " BUILD "\nC library: " C_LIBRARY "\n");
}
