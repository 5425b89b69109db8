#include "base/format.h"

#include <stdint.h>
#include <string.h>

typedef struct sink {
    char *buf;
    size_t size, n;
} sink;

static void put(sink *s, char c)
{
    if (s->n + 1 < s->size)
        s->buf[s->n] = c;
    s->n++;
}

typedef struct spec {
    int zero, width, precision, length; /* precision -1: none; length: 'l', 'L' (ll, j), 'z' (z, t), 0 */
} spec;

/* Text of n bytes in the width; `sign` (0: none) stands before the filling zeroes. */
static void put_text(sink *s, const spec *f, char sign, const char *text, size_t n)
{
    const size_t all = n + (sign != 0), want = f->width > 0 ? (size_t)f->width : 0;

    for (size_t i = all; i < want && !f->zero; i++)
        put(s, ' ');
    if (sign)
        put(s, sign);
    for (size_t i = all; i < want && f->zero; i++)
        put(s, '0');
    for (size_t i = 0; i < n; i++)
        put(s, text[i]);
}

/* Digits end at `end`; returns where they start. */
static char *digits_of(char *end, uint64_t v, unsigned base)
{
    do
        *--end = "0123456789abcdef"[v % base];
    while ((v /= base) != 0);
    return end;
}

static void put_whole(sink *s, const spec *f, int is_signed, unsigned base, uint64_t v)
{
    char buf[24], *end = buf + sizeof buf, *p;
    const int negative = is_signed && (int64_t)v < 0;

    p = digits_of(end, negative ? 0 - v : v, base);
    put_text(s, f, negative ? '-' : 0, p, (size_t)(end - p));
}

enum { PLACES_MAX = 9 };

/* v >= 0 with `places` digits behind the point, those at the end left out when `cut`. */
static char *fixed(char *end, double v, int places, int cut)
{
    uint64_t scale = 1, part, whole;
    double rest;

    for (int i = 0; i < places; i++)
        scale *= 10;
    whole = (uint64_t)v;
    rest = (v - (double)whole) * (double)scale;
    part = (uint64_t)rest;
    rest -= (double)part;
    part += rest > 0.5 || (rest == 0.5 && ((scale > 1 ? part : whole) & 1)); /* halves to even */
    if (part >= scale) {
        whole++;
        part = 0;
    }
    for (; cut && places > 0 && part % 10 == 0; places--)
        part /= 10;
    for (int i = 0; i < places; i++, part /= 10)
        *--end = (char)('0' + part % 10);
    if (places > 0)
        *--end = '.';
    return digits_of(end, whole, 10);
}

static void put_real(sink *s, const spec *f, char kind, double v)
{
    char buf[64], *end = buf + sizeof buf, *p;
    int places = f->precision < 0 ? 6 : f->precision, power = 0;
    const int negative = v < 0;
    const double size = negative ? -v : v;

    if (v != v || size > 1e300) {
        put_text(s, &(spec){0, f->width, -1, 0}, negative ? '-' : 0, v != v ? "nan" : "inf", 3);
        return;
    }
    v = size;
    if (kind == 'g') { /* that many digits in all */
        for (double t = v; t >= 10; t /= 10)
            power++;
        for (double t = v; t > 0 && t < 1; t *= 10)
            power--;
        places = (places ? places : 1) - 1;
    }
    if ((kind == 'g' && v > 0 && (power < -4 || power > places)) || v >= 1e18) {
        for (int i = 0; i < power; i++)
            v /= 10;
        for (int i = 0; i < -power; i++)
            v *= 10;
        p = digits_of(end, (uint64_t)(power < 0 ? -power : power), 10);
        if (end - p < 2)
            *--p = '0';
        *--p = power < 0 ? '-' : '+';
        *--p = 'e';
        p = fixed(p, v, places < PLACES_MAX ? places : PLACES_MAX, 1);
    } else {
        places -= kind == 'g' ? power : 0;
        p = fixed(end, v, places < PLACES_MAX ? places : PLACES_MAX, kind == 'g');
    }
    put_text(s, f, negative ? '-' : 0, p, (size_t)(end - p));
}

static uint64_t next_whole(const spec *f, int is_signed, va_list *ap)
{
    if (f->length == 'l')
        return is_signed ? (uint64_t)va_arg(*ap, long) : va_arg(*ap, unsigned long);
    if (f->length == 'L')
        return is_signed ? (uint64_t)va_arg(*ap, long long) : va_arg(*ap, unsigned long long);
    if (f->length == 'z')
        return is_signed ? (uint64_t)va_arg(*ap, ptrdiff_t) : va_arg(*ap, size_t);
    return is_signed ? (uint64_t)va_arg(*ap, int) : va_arg(*ap, unsigned);
}

/* Reads what stands between % and the letter; returns the letter's place. */
static const char *read_spec(const char *p, spec *f, va_list *ap)
{
    int *number = &f->width;

    *f = (spec){.precision = -1};
    for (;; p++)
        if (*p == '0' && number == &f->width && f->width == 0) {
            f->zero = 1;
        } else if (*p >= '0' && *p <= '9') {
            *number = *number * 10 + (*p - '0');
        } else if (*p == '*') {
            *number = va_arg(*ap, int);
        } else if (*p == '.') {
            f->precision = 0;
            number = &f->precision;
        } else if (*p == 'l') {
            f->length = f->length == 'l' ? 'L' : 'l';
        } else if (*p == 'j') {
            f->length = 'L';
        } else if (*p == 'z' || *p == 't') {
            f->length = 'z';
        } else {
            return p;
        }
}

/* One conversion; 0 when it is none of ours. */
static int convert(sink *s, const spec *f, char kind, va_list *ap)
{
    const char *text;
    size_t n = 0;
    char c;

    switch (kind) {
    case 'd':
    case 'i':
        put_whole(s, f, 1, 10, next_whole(f, 1, ap));
        return 1;
    case 'u':
    case 'x':
        put_whole(s, f, 0, kind == 'x' ? 16 : 10, next_whole(f, 0, ap));
        return 1;
    case 'g':
    case 'f':
        put_real(s, f, kind, va_arg(*ap, double));
        return 1;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_text(s, f, 0, &c, 1);
        return 1;
    case 's':
        text = va_arg(*ap, const char *);
        while ((f->precision < 0 || n < (size_t)f->precision) && text[n])
            n++;
        put_text(s, f, 0, text, n);
        return 1;
    case '%':
        put(s, '%');
        return 1;
    default:
        return 0;
    }
}

int un_vformat(char *buf, size_t size, const char *fmt, va_list ap)
{
    sink s = {buf, size, 0};
    va_list args;

    va_copy(args, ap);
    for (const char *p = fmt; *p; p++) {
        const char *start = p;
        spec f;

        if (*p != '%') {
            put(&s, *p);
            continue;
        }
        p = read_spec(p + 1, &f, &args);
        if (*p && convert(&s, &f, *p, &args))
            continue;
        for (const char *q = start; q <= p && *q; q++)
            put(&s, *q);
        if (!*p)
            break;
    }
    va_end(args);
    if (size)
        buf[s.n < size ? s.n : size - 1] = 0;
    return (int)s.n;
}

int un_format(char *buf, size_t size, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = un_vformat(buf, size, fmt, ap);
    va_end(ap);
    return n;
}
