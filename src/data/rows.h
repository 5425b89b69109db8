/* Tables and lists of names in text files: comma, semicolon or tab separated (RFC 4180 quoting), and one name
 * a line. */
#ifndef UN_DATA_ROWS_H
#define UN_DATA_ROWS_H

#include "base/error.h"
#include "base/mem.h"

enum { UN_ROWS_MAX_BYTES = 256 << 20, UN_ROWS_MAX_COLUMNS = 1024 };

typedef struct un_row {
    int line; /* 1-based, where it begins */
    int n;
    char **cell; /* n terminated texts */
} un_row;

typedef struct un_rows {
    un_arena *arena;
    un_row *row;
    int n;
} un_rows;

/* The separator is the one of , ; tab that the first line has most of, outside of quotes. Empty lines are
 * left out. A byte order mark and carriage returns are dropped. Zero bytes, a quote that never ends and text
 * behind a closing quote are refused with their line. Cells outside of quotes lose blanks round them. `name`
 * stands in messages. */
UN_NODISCARD unet_status un_rows_parse_table(
    un_rows *out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err);
/* One cell a line, blanks round it dropped. */
UN_NODISCARD unet_status un_rows_parse_list(
    un_rows *out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err);
void un_rows_free(un_rows *r); /* NULL is fine */

#endif
