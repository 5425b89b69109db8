/* printf for text that machines read. */
#ifndef UN_BASE_PRINT_H
#define UN_BASE_PRINT_H

#include <stdarg.h>
#include <stddef.h>

/* vsnprintf with a decimal point, whatever locale the program has set (base/text.c). */
int un_print(char *buf, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

#endif
