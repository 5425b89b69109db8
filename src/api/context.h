/* What the public handles are made of. */
#ifndef UN_API_CONTEXT_H
#define UN_API_CONTEXT_H

#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/profile.h"
#include "base/text.h"
#include "config/config.h"
#include "run/selftest.h"
#include "run/session.h"
#include "unet/unet.h"

struct unet_context {
    un_mem *mem;
    un_pool *pool;
    un_cpu_level level;
    unet_context_options options; /* members beyond the caller's struct_size are zero */
};

struct unet_config {
    unet_context *c;
    un_config cfg;
};

struct unet_profile {
    unet_context *c;
    un_profile *p;
};

struct unet_model {
    unet_context *c;
    un_model *m;
};

/* Copies the caller's options over zeroes: older callers know fewer members. size 0: UNET_E_ARG. */
UN_NODISCARD unet_status un_api_options(void *to, size_t known, const void *from, unet_error *err);

/* Hands a text out as a string of the caller (unet_string_free); frees t. out NULL: only frees. */
UN_NODISCARD unet_status un_api_text(char **out, un_text *t, unet_error *err);

void un_api_log(const unet_context *c, unet_log_level level, const char *fmt, ...) UN_PRINTF(3, 4);
int un_api_cancelled(void *context); /* for options that take a cancel callback */
un_session_options un_api_session_options(const unet_context *c);
const char *un_api_built(void); /* compiler, build and C library on one line */

#endif
