/* A table of text and numbers, and its four forms: aligned text for a terminal, CSV (RFC 4180), JSON, HTML.
 *
 * NaN means "nothing to report": "-" for people, an empty field in CSV, null in JSON. Cells are added row by
 * row. Memory failures stick; the writers of the forms see them. */
#ifndef UN_REPORT_TABLE_H
#define UN_REPORT_TABLE_H

#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

typedef struct un_table un_table;

/* The first `keys` columns name the row (bold in HTML). */
UN_NODISCARD unet_status un_table_create(
    un_table **out, un_mem *mem, const char *const *head, int columns, int keys, unet_error *err);
void un_table_destroy(un_table *t); /* NULL is fine */

void un_table_text(un_table *t, const char *s);
void un_table_integer(un_table *t, int64_t v);
/* `decimals` for people; CSV and JSON get all digits. */
void un_table_real(un_table *t, double v, int decimals);
int un_table_rows(const un_table *t); /* complete ones */

/* Each appends to `out` and returns its failure, or the table's. */
UN_NODISCARD unet_status un_table_to_text(const un_table *t, un_text *out, unet_error *err);
UN_NODISCARD unet_status un_table_to_csv(const un_table *t, un_text *out, unet_error *err);
UN_NODISCARD unet_status un_table_to_json(const un_table *t, un_text *out, unet_error *err); /* array of objects */
UN_NODISCARD unet_status un_table_to_html(const un_table *t, un_text *out, unet_error *err); /* a <table> */

/* v rounded to `decimals` (0..9), half away from zero, with a point whatever the locale; "-" for NaN. */
void un_text_fixed(un_text *t, double v, int decimals);
/* A number as JSON has it: null when it is NaN or infinite. */
void un_text_json_number(un_text *t, double v);

#endif
