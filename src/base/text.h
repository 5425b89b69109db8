/* Text that grows up to a stated maximum, and numbers that do not depend on the locale. */
#ifndef UN_BASE_TEXT_H
#define UN_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

/* A growable buffer. Failure sticks (`failed`): callers append freely and check once at the end. */
typedef struct un_text {
    un_mem *mem;
    char *s; /* always terminated once anything was appended */
    size_t n, cap, max;
    int failed, nomem; /* nomem: there was no memory; else it would have become larger than max */
} un_text;

void un_text_init(un_text *t, un_mem *mem, size_t max_bytes);
void un_text_free(un_text *t);
/* How the text failed, if it did. too_large: the message where it would have become larger than its maximum. */
UN_NODISCARD unet_status un_text_status(const un_text *t, const char *too_large, unet_error *err);
void un_text_add(un_text *t, const char *s);
void un_text_add_n(un_text *t, const char *s, size_t n);
void un_text_printf(un_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void un_text_number(un_text *t, double v);           /* shortest form that reads back equal, with a point */
void un_text_json_string(un_text *t, const char *s); /* quoted and escaped; bytes that are not UTF-8 become U+FFFD */
void un_text_xml(un_text *t, const char *s);         /* escaped for HTML/SVG text and attributes */

/* Length of the well-formed UTF-8 sequence at the start of size bytes; 0 when they are none. */
size_t un_utf8_length(const char *s, size_t size);

/* Whole string must be a number with a decimal point; 0 on failure. NaN and infinities are refused. */
int un_parse_double(const char *s, double *out);
int un_parse_int64(const char *s, int64_t *out);

/* "4G", "512M", "1.5GiB", "1000" -> bytes (powers of 1024); "90", "10m", "1h30m", "45s" -> seconds. 0 on failure. */
int un_parse_bytes(const char *s, uint64_t *out);
int un_parse_seconds(const char *s, double *out);

/* Damerau-Levenshtein distance (restricted), for "did you mean". Cut at 64 characters. */
int un_edit_distance(const char *a, const char *b);

/* The best of count names for a mistyped word, or NULL when none is near (distance at most 1 + length/3). */
const char *un_nearest(const char *word, const char *const *names, size_t count);

#endif
