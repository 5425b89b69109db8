/* Numbers, units and words as people type them; the same rules as in configurations. Independent of the locale.
 * C99 and C++11 clean. */
#ifndef UNET_TEXT_H
#define UNET_TEXT_H

#include <stddef.h>

#include "unet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The whole string must be the number; 0 on failure. Decimal point; NaN and infinities are refused. */
UNET_API int unet_parse_int(const char *s, int64_t *out);
UNET_API int unet_parse_number(const char *s, double *out);
/* "4G", "512M", "1.5GiB", "1000" -> bytes (powers of 1024). */
UNET_API int unet_parse_bytes(const char *s, uint64_t *out);
/* "90", "45s", "10m", "1h30m", "2d" -> seconds. */
UNET_API int unet_parse_seconds(const char *s, double *out);

/* The one of count names that a mistyped word was most likely meant to be; NULL when none is near. */
UNET_API const char *unet_nearest(const char *word, const char *const *names, size_t count);

/* s as a JSON string with its quotes, cut to size bytes with the terminator; bytes that are not UTF-8 become U+FFFD.
 * Returns the length that the whole needs, as snprintf does; 0 only without memory. */
UNET_API size_t unet_json_quote(char *buf, size_t size, const char *s);

#ifdef __cplusplus
}
#endif
#endif
