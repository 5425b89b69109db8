/* Tables and lists of names. One walk over the bytes; every cell is copied to the arena. */
#include "data/rows.h"

#include <string.h>

#include "base/size.h"

typedef struct reader {
    const char *s, *end;
    const char *name;
    un_mem *mem;
    un_rows *out;
    char sep;
    int line, cap;
    char **cells; /* of the row that is being read */
    int n_cells;
    unet_error *err;
} reader;

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static unet_status prepare(reader *r, un_rows *out, un_mem *mem, const char *text, size_t size)
{
    const char *zero = size ? memchr(text, 0, size) : NULL;

    *out = (un_rows){0};
    r->out = out;
    r->mem = mem;
    r->line = 1;
    r->s = text;
    r->end = text + size;
    if (zero)
        return un_fail_offset(
            r->err, UNET_E_FORMAT, r->name, zero - text, "a zero byte: this is not a text file");
    if (size > UN_ROWS_MAX_BYTES)
        return un_fail_file(r->err, UNET_E_LIMIT, r->name, "larger than %d bytes", UN_ROWS_MAX_BYTES);
    if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
        r->s += 3;
    out->arena = un_arena_create(mem);
    return out->arena ? UNET_OK : un_fail_nomem(r->err, sizeof *out);
}

static unet_status push_row(reader *r, int line)
{
    un_rows *o = r->out;
    un_row *row;

    if (o->n == r->cap) {
        int cap = r->cap ? r->cap * 2 : 64;
        un_row *p = un_realloc(r->mem, o->row, (size_t)cap * sizeof *p);

        if (!p)
            return un_fail_nomem(r->err, (size_t)cap * sizeof *p);
        o->row = p;
        r->cap = cap;
    }
    row = &o->row[o->n];
    *row = (un_row){.line = line, .n = r->n_cells};
    row->cell = un_arena_alloc(o->arena, (size_t)r->n_cells * sizeof *row->cell);
    if (!row->cell)
        return un_fail_nomem(r->err, (size_t)r->n_cells * sizeof *row->cell);
    memcpy(row->cell, r->cells, (size_t)r->n_cells * sizeof *row->cell);
    o->n++;
    r->n_cells = 0;
    return UNET_OK;
}

static unet_status push_cell(reader *r, const char *s, size_t n)
{
    char *p;

    if (r->n_cells == UN_ROWS_MAX_COLUMNS)
        return un_fail_line(
            r->err, UNET_E_FORMAT, r->name, r->line, 0, "more than %d columns", UN_ROWS_MAX_COLUMNS);
    p = un_arena_alloc(r->out->arena, n + 1);
    if (!p)
        return un_fail_nomem(r->err, n + 1);
    memcpy(p, s, n);
    r->cells[r->n_cells++] = p;
    return UNET_OK;
}

/* Copies text[0..n) without blanks and carriage returns round it. */
static unet_status push_trimmed(reader *r, const char *s, size_t n)
{
    while (n && is_blank(*s)) {
        s++;
        n--;
    }
    while (n && (is_blank(s[n - 1]) || s[n - 1] == '\r'))
        n--;
    return push_cell(r, s, n);
}

/* A quoted cell; r->s is behind the opening quote and ends behind the closing one. */
static unet_status quoted(reader *r)
{
    const int line = r->line;
    const char *from = r->s;
    size_t n = 0;
    char *q;
    unet_status st;

    for (;; r->s++) {
        if (r->s == r->end)
            return un_fail_line(r->err, UNET_E_FORMAT, r->name, line, 0, "a quote that is never closed");
        if (*r->s == '\n')
            r->line++;
        if (*r->s != '"')
            continue;
        if (r->s + 1 == r->end || r->s[1] != '"')
            break;
        r->s++;
    }
    st = push_cell(r, from, (size_t)(r->s - from));
    if (st)
        return st;
    q = r->cells[r->n_cells - 1];
    for (size_t i = 0, len = (size_t)(r->s - from); i < len; i++) { /* "" stands for one quote */
        q[n++] = q[i];
        if (q[i] == '"')
            i++;
    }
    q[n] = 0;
    r->s++;
    return UNET_OK;
}

/* One cell; r->s ends at the separator, the line end or the end. */
static unet_status cell(reader *r)
{
    const char *from = r->s;
    unet_status st;

    while (r->s < r->end && *r->s == ' ')
        r->s++;
    if (r->s < r->end && *r->s == '"') {
        r->s++;
        st = quoted(r);
        if (st)
            return st;
        while (r->s < r->end && (*r->s == ' ' || *r->s == '\r'))
            r->s++;
        if (r->s < r->end && *r->s != r->sep && *r->s != '\n')
            return un_fail_line(r->err, UNET_E_FORMAT, r->name, r->line, 0, "text behind a closing quote");
        return UNET_OK;
    }
    while (r->s < r->end && *r->s != '\n' && *r->s != r->sep)
        r->s++;
    return push_trimmed(r, from, (size_t)(r->s - from));
}

static unet_status row(reader *r)
{
    const int line = r->line;
    unet_status st;

    r->n_cells = 0;
    for (;;) {
        st = cell(r);
        if (st)
            return st;
        if (r->s == r->end || *r->s == '\n')
            break;
        r->s++;
    }
    if (r->s < r->end) {
        r->s++;
        r->line++;
    }
    if (r->n_cells == 1 && !r->cells[0][0])
        return UNET_OK;
    return push_row(r, line);
}

static char find_separator(const char *s, const char *end)
{
    static const char candidates[] = ",;\t";
    int count[3] = {0}, in_quotes = 0, best = 0;

    for (; s < end && *s != '\n'; s++) {
        if (*s == '"')
            in_quotes = !in_quotes;
        for (int i = 0; i < 3 && !in_quotes; i++)
            count[i] += *s == candidates[i];
    }
    for (int i = 1; i < 3; i++)
        if (count[i] > count[best])
            best = i;
    return candidates[best];
}

static unet_status parse(
    reader *r, un_rows *out, un_mem *mem, const char *text, size_t size, unet_status (*next)(reader *))
{
    unet_status st = prepare(r, out, mem, text, size);

    if (!st) {
        r->cells = un_alloc(mem, UN_ROWS_MAX_COLUMNS * sizeof *r->cells);
        if (!r->cells)
            st = un_fail_nomem(r->err, UN_ROWS_MAX_COLUMNS * sizeof *r->cells);
    }
    if (!st)
        r->sep = find_separator(r->s, r->end);
    while (!st && r->s < r->end)
        st = next(r);
    un_free(r->cells);
    if (st)
        un_rows_free(out);
    return st;
}

unet_status un_rows_parse_table(
    un_rows *out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err)
{
    reader r = {.name = name, .err = err};

    return parse(&r, out, mem, text, size, row);
}

static unet_status list_line(reader *r)
{
    const char *from = r->s, *nl = memchr(r->s, '\n', (size_t)(r->end - r->s));
    const int line = r->line++;
    unet_status st;

    r->s = nl ? nl + 1 : r->end;
    r->n_cells = 0;
    st = push_trimmed(r, from, (size_t)((nl ? nl : r->end) - from));
    if (st || !r->cells[0][0])
        return st;
    return push_row(r, line);
}

unet_status un_rows_parse_list(
    un_rows *out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err)
{
    reader r = {.name = name, .err = err};

    return parse(&r, out, mem, text, size, list_line);
}

void un_rows_free(un_rows *r)
{
    if (!r)
        return;
    un_arena_destroy(r->arena);
    un_free(r->row);
    *r = (un_rows){0};
}
