/* How the library reports failure: a status as return value, the reason in a caller-owned unet_error. */
#ifndef UN_BASE_ERROR_H
#define UN_BASE_ERROR_H

#include "unet/status.h"

#include <stdarg.h>
#include <stddef.h>

#define UN_NODISCARD __attribute__((warn_unused_result))
#define UN_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Each fills *err (NULL is fine) and returns st, so that a caller can `return un_fail(...)`. */
unet_status un_fail(unet_error *err, unet_status st, const char *fmt, ...) UN_PRINTF(3, 4);
unet_status un_fail_file(unet_error *err, unet_status st, const char *path, const char *fmt, ...) UN_PRINTF(4, 5);
unet_status un_fail_offset(unet_error *err, unet_status st, const char *path, int64_t offset, const char *fmt, ...)
    UN_PRINTF(5, 6);
unet_status un_fail_line(unet_error *err, unet_status st, const char *path, int line, int column, const char *fmt, ...)
    UN_PRINTF(6, 7);

/* "out of memory" with the number of bytes that were asked for. */
unet_status un_fail_nomem(unet_error *err, size_t bytes);

/* Sets `where` when it is still empty: lets a caller add the file to an error from a layer that did not know it. */
void un_error_where(unet_error *err, const char *where);
void un_error_clear(unet_error *err);

/* Our own bugs only; never an optimiser promise. Prints nothing: traps in debug builds, is ignored in release. */
#ifdef UN_DEBUG
#define UN_ASSERT(x) ((x) ? (void)0 : __builtin_trap())
#else
#define UN_ASSERT(x) ((void)sizeof(!(x)))
#endif

#endif
