#define _GNU_SOURCE
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/print.h"
#include "base/size.h"

void un_text_init(un_text *t, un_mem *mem, size_t max_bytes)
{
    *t = (un_text){.mem = mem, .max = max_bytes};
}

void un_text_free(un_text *t)
{
    un_free(t->s);
    *t = (un_text){0};
}

unet_status un_text_status(const un_text *t, const char *too_large, unet_error *err)
{
    return t->nomem    ? un_fail_nomem(err, 2 * t->cap)
           : t->failed ? un_fail(err, UNET_E_LIMIT, "%s", too_large)
                       : UNET_OK;
}

static int reserve(un_text *t, size_t more)
{
    size_t need, cap;
    char *p;

    if (t->failed || !un_size_add(t->n, more, &need) || need >= t->max) {
        t->failed = 1;
        return 0;
    }
    if (need + 1 <= t->cap)
        return 1;
    cap = UN_MIN(UN_MAX(UN_MAX(t->cap * 2, need + 1), (size_t)256), t->max);
    p = un_realloc(t->mem, t->s, cap);
    if (!p) {
        t->failed = t->nomem = 1;
        return 0;
    }
    t->s = p;
    t->cap = cap;
    return 1;
}

void un_text_add_n(un_text *t, const char *s, size_t n)
{
    if (!reserve(t, n))
        return;
    memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void un_text_add(un_text *t, const char *s)
{
    un_text_add_n(t, s, strlen(s));
}

int un_print(char *buf, size_t size, const char *fmt, va_list ap)
{
#ifdef UN_INFERENCE /* its own formatter knows no locale */
    return vsnprintf(buf, size, fmt, ap);
#else
    /* the locale C is static in all C libraries: no leak */
    const locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    const int n = vsnprintf(buf, size, fmt, ap);

    uselocale(before);
    return n;
#endif
}

void un_text_printf(un_text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = un_print(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(t, (size_t)n)) {
        t->failed = 1;
        return;
    }
    va_start(ap, fmt);
    un_print(t->s + t->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    t->n += (size_t)n;
}

void un_text_number(un_text *t, double v)
{
    char buf[40], *p;

    for (int digits = 1; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    for (p = buf; *p; p++)
        if (*p == ',') /* the only way a locale shows in %g */
            *p = '.';
    un_text_add(t, buf);
}

/* At s, which ends with a zero. */
static int utf8_length(const unsigned char *s)
{
    int n = s[0] < 0x80                   ? 1
            : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
            : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
            : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                          : 0;

    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

size_t un_utf8_length(const char *s, size_t size)
{
    unsigned char four[5] = {0};

    memcpy(four, s, UN_MIN(size, (size_t)4));
    return (size_t)utf8_length(four);
}

void un_text_json_string(un_text *t, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    un_text_add(t, "\"");
    while (*p) {
        int n = utf8_length(p);

        if (*p == '"' || *p == '\\')
            un_text_printf(t, "\\%c", *p);
        else if (*p < 0x20)
            un_text_printf(t, "\\u%04x", *p);
        else if (n)
            un_text_add_n(t, (const char *)p, (size_t)n);
        else
            un_text_add(t, "\\ufffd");
        p += n ? n : 1;
    }
    un_text_add(t, "\"");
}

void un_text_xml(un_text *t, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;

    while (*p) {
        int n = utf8_length(p);

        if (*p == '<')
            un_text_add(t, "&lt;");
        else if (*p == '>')
            un_text_add(t, "&gt;");
        else if (*p == '&')
            un_text_add(t, "&amp;");
        else if (*p == '"')
            un_text_add(t, "&quot;");
        else if (*p == '\'')
            un_text_add(t, "&#39;");
        else if (*p < 0x20 && *p != '\t' && *p != '\n')
            un_text_add(t, "\xef\xbf\xbd");
        else if (n)
            un_text_add_n(t, (const char *)p, (size_t)n);
        else
            un_text_add(t, "\xef\xbf\xbd");
        p += n ? n : 1;
    }
}

int un_parse_double(const char *s, double *out)
{
    char buf[128], point = localeconv()->decimal_point[0], *end;
    size_t n = strlen(s);
    double v;

    if (n == 0 || n >= sizeof buf)
        return 0;
    for (size_t i = 0; i <= n; i++) {
        if (s[i] && !strchr("+-.0123456789eE", s[i]))
            return 0;
        buf[i] = s[i] == '.' ? point : s[i];
    }
    v = strtod(buf, &end);
    if (*end || end == buf || !isfinite(v))
        return 0;
    *out = v;
    return 1;
}

int un_parse_int64(const char *s, int64_t *out)
{
    char *end;
    long long v;

    if (!*s || isspace((unsigned char)*s))
        return 0;
    errno = 0;
    v = strtoll(s, &end, 10);
    if (*end || errno)
        return 0;
    *out = v;
    return 1;
}

/* Splits "12.5abc" into 12.5 and "abc". */
static int number_and_unit(const char *s, double *v, const char **unit)
{
    char num[40];
    size_t n = strspn(s, "0123456789.");

    if (n == 0 || n >= sizeof num)
        return 0;
    memcpy(num, s, n);
    num[n] = 0;
    *unit = s + n;
    return un_parse_double(num, v);
}

int un_parse_bytes(const char *s, uint64_t *out)
{
    static const char letters[] = "KMGT";
    const char *unit, *at;
    double v;

    if (!number_and_unit(s, &v, &unit))
        return 0;
    if (*unit && (at = strchr(letters, toupper((unsigned char)*unit)))) {
        for (const char *p = letters; p <= at; p++)
            v *= 1024;
        unit++;
        if (*unit == 'i')
            unit++;
    }
    if (*unit == 'B' || *unit == 'b')
        unit++;
    if (*unit || v >= 9e18)
        return 0;
    *out = (uint64_t)v;
    return 1;
}

int un_parse_seconds(const char *s, double *out)
{
    double total = 0, v;

    if (!*s)
        return 0;
    while (*s) {
        const char *unit;

        if (!number_and_unit(s, &v, &unit))
            return 0;
        switch (*unit) {
        case 'd':
            v *= 86400;
            break;
        case 'h':
            v *= 3600;
            break;
        case 'm':
            v *= 60;
            break;
        case 's':
        case 0:
            break;
        default:
            return 0;
        }
        total += v;
        s = *unit ? unit + 1 : unit;
    }
    *out = total;
    return 1;
}

int un_edit_distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    int d[MAX + 1][MAX + 1], n = (int)UN_MIN(strlen(a), (size_t)MAX), m = (int)UN_MIN(strlen(b), (size_t)MAX);

    for (int i = 0; i <= n; i++)
        d[i][0] = i;
    for (int j = 0; j <= m; j++)
        d[0][j] = j;
    for (int i = 1; i <= n; i++)
        for (int j = 1; j <= m; j++) {
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            best = UN_MIN(best, d[i - 1][j] + 1);
            best = UN_MIN(best, d[i][j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = UN_MIN(best, d[i - 2][j - 2] + 1);
            d[i][j] = best;
        }
    return d[n][m];
}

const char *un_nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    int limit = 1 + (int)(strlen(word) / 3), least = limit + 1;

    for (size_t i = 0; i < count; i++) {
        int d = un_edit_distance(word, names[i]);

        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}
