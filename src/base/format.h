/* printf to memory without stdio, for the inference build: it is compiled with this file included first, so that
 * snprintf and vsnprintf mean these. Every other build uses the C library's. */
#ifndef UN_BASE_FORMAT_H
#define UN_BASE_FORMAT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* As vsnprintf, for %d %i %u %x %c %s %g %f %% with the flag 0, width, precision (both also *), and the lengths l, ll,
 * z, t, j. %g and %f write up to nine digits behind the point and at most 1e18 in plain form; that is enough for
 * messages and does not depend on the locale. Any other conversion is written as it stands. */
int un_vformat(char *buf, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));
int un_format(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#ifdef UN_INFERENCE
#define vsnprintf un_vformat
#define snprintf  un_format
#endif

#endif
