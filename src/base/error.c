#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const char *const status_name[] = {
    [UNET_OK] = "ok",
    [UNET_E_ARG] = "argument",
    [UNET_E_CONFIG] = "config",
    [UNET_E_NOT_FOUND] = "not-found",
    [UNET_E_IO] = "io",
    [UNET_E_FORMAT] = "format",
    [UNET_E_UNSUPPORTED] = "unsupported",
    [UNET_E_VERSION] = "version",
    [UNET_E_DATA] = "data",
    [UNET_E_LIMIT] = "limit",
    [UNET_E_NOMEM] = "memory",
    [UNET_E_NUMERIC] = "numeric",
    [UNET_E_PARTIAL] = "partial",
    [UNET_E_CANCELLED] = "cancelled",
    [UNET_E_INTERNAL] = "internal",
};
_Static_assert(sizeof status_name / sizeof *status_name == UNET_STATUS_COUNT, "a name each");

const char *unet_status_name(unet_status st)
{
    return (unsigned)st < UNET_STATUS_COUNT ? status_name[st] : "unknown";
}

/* Copies a string that may be longer than the field; the cut is marked by three dots. */
static void copy_cut(char *dst, size_t size, const char *src)
{
    size_t n = strlen(src);

    if (n < size) {
        memcpy(dst, src, n + 1);
        return;
    }
    /* keep the end: of a long path the file name matters most */
    memcpy(dst, "...", 3);
    memcpy(dst + 3, src + n - (size - 4), size - 3);
}

static unet_status fill(unet_error *err, unet_status st, const char *where, const char *fmt, va_list ap)
{
    if (!err)
        return st;
    un_error_clear(err);
    err->status = st;
    if (where)
        copy_cut(err->where, sizeof err->where, where);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    return st;
}

unet_status un_fail(unet_error *err, unet_status st, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(err, st, NULL, fmt, ap);
    va_end(ap);
    return st;
}

unet_status un_fail_file(unet_error *err, unet_status st, const char *path, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(err, st, path, fmt, ap);
    va_end(ap);
    return st;
}

unet_status un_fail_offset(unet_error *err, unet_status st, const char *path, int64_t offset, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(err, st, path, fmt, ap);
    va_end(ap);
    if (err)
        err->offset = offset;
    return st;
}

unet_status un_fail_line(unet_error *err, unet_status st, const char *path, int line, int column, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fill(err, st, path, fmt, ap);
    va_end(ap);
    if (err) {
        err->line = line;
        err->column = column;
    }
    return st;
}

unet_status un_fail_nomem(unet_error *err, size_t bytes)
{
    return un_fail(err, UNET_E_NOMEM, "out of memory: %zu bytes could not be had", bytes);
}

void un_error_where(unet_error *err, const char *where)
{
    if (err && !err->where[0])
        copy_cut(err->where, sizeof err->where, where);
}

void un_error_clear(unet_error *err)
{
    if (!err)
        return;
    memset(err, 0, sizeof *err);
    err->offset = -1;
}
