#include "report/table.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

typedef enum kind { TEXT, INTEGER, REAL } kind;

typedef struct cell {
    kind kind;
    int decimals;
    union {
        const char *text;
        int64_t integer;
        double real;
    } v;
} cell;

struct un_table {
    un_mem *mem;
    un_arena *arena;
    const char **head; /* [columns] */
    int columns, keys;
    cell *cell; /* [cells], room for `room` */
    size_t cells, room;
    int failed;
};

unet_status un_table_create(
    un_table **out, un_mem *mem, const char *const *head, int columns, int keys, unet_error *err)
{
    un_table *t = un_alloc_zero(mem, sizeof *t);

    *out = NULL;
    if (!t)
        return un_fail_nomem(err, sizeof *t);
    t->mem = mem;
    t->columns = columns;
    t->keys = keys;
    t->arena = un_arena_create(mem);
    t->head = t->arena ? un_arena_alloc(t->arena, (size_t)columns * sizeof *t->head) : NULL;
    for (int c = 0; t->head && c < columns; c++) {
        t->head[c] = un_arena_strdup(t->arena, head[c]);
        t->failed |= !t->head[c];
    }
    if (!t->head || t->failed) {
        un_table_destroy(t);
        return un_fail_nomem(err, (size_t)columns * sizeof *t->head);
    }
    *out = t;
    return UNET_OK;
}

void un_table_destroy(un_table *t)
{
    if (!t)
        return;
    un_arena_destroy(t->arena);
    un_free(t->cell);
    un_free(t);
}

static void add_cell(un_table *t, cell c)
{
    size_t room = UN_MAX(t->room * 2, (size_t)64);

    if (t->cells == t->room) {
        cell *grown = un_realloc(t->mem, t->cell, room * sizeof *grown);

        if (!grown) {
            t->failed = 1;
            return;
        }
        t->cell = grown;
        t->room = room;
    }
    t->cell[t->cells++] = c;
}

void un_table_text(un_table *t, const char *s)
{
    cell c = {.kind = TEXT, .v.text = un_arena_strdup(t->arena, s)};

    t->failed |= !c.v.text;
    add_cell(t, c);
}

void un_table_integer(un_table *t, int64_t v)
{
    add_cell(t, (cell){.kind = INTEGER, .v.integer = v});
}

void un_table_real(un_table *t, double v, int decimals)
{
    add_cell(t, (cell){.kind = REAL, .decimals = decimals, .v.real = v});
}

int un_table_rows(const un_table *t)
{
    return (int)(t->cells / (size_t)t->columns);
}

void un_text_fixed(un_text *t, double v, int decimals)
{
    double scale = 1, scaled;
    int64_t whole, unit;

    for (int i = 0; i < decimals; i++)
        scale *= 10;
    scaled = un_round(fabs(v) * scale);
    if (isnan(v)) {
        un_text_add(t, "-");
    } else if (scaled >= 9e15) { /* no digits behind the point are left; infinities too */
        un_text_number(t, v);
    } else {
        whole = (int64_t)scaled;
        unit = (int64_t)scale;
        un_text_printf(t, "%s%lld", v < 0 && whole ? "-" : "", (long long)(whole / unit));
        if (decimals)
            un_text_printf(t, ".%0*lld", decimals, (long long)(whole % unit));
    }
}

/* All digits; whole numbers without an exponent, which spreadsheets and people read more easily. */
static void add_exact(un_text *t, double v)
{
    if (v == un_floor(v) && fabs(v) < 1e15)
        un_text_printf(t, "%lld", (long long)v);
    else
        un_text_number(t, v);
}

void un_text_json_number(un_text *t, double v)
{
    if (isfinite(v))
        add_exact(t, v);
    else
        un_text_add(t, "null");
}

/* A cell as a person reads it. */
static void add_shown(un_text *out, const cell *c)
{
    if (c->kind == TEXT)
        un_text_add(out, c->v.text);
    else if (c->kind == INTEGER)
        un_text_printf(out, "%lld", (long long)c->v.integer);
    else
        un_text_fixed(out, c->v.real, c->decimals);
}

/* Characters of UTF-8 text: bytes that do not continue another. */
static int width_of(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static unet_status finish(const un_table *t, const un_text *out, unet_error *err)
{
    if (t->failed || out->failed)
        return un_fail(err, UNET_E_NOMEM, "no memory for a table of %d rows", un_table_rows(t));
    return UNET_OK;
}

static int column_is_number(const un_table *t, int c)
{
    for (int r = 0; r < un_table_rows(t); r++)
        if (t->cell[(size_t)r * t->columns + c].kind != TEXT)
            return 1;
    return 0;
}

/* Appends s in a field of `width` characters. `last`: without blanks at the end of the line. */
static void add_padded(un_text *out, const char *s, int width, int right, int last)
{
    int pad = width - width_of(s);

    un_text_printf(out, "%*s", right ? pad : 0, "");
    un_text_add(out, s);
    un_text_add(out, last ? "\n" : "");
    un_text_printf(out, "%*s", last ? 0 : (right ? 0 : pad) + 2, "");
}

unet_status un_table_to_text(const un_table *t, un_text *out, unet_error *err)
{
    int rows = un_table_rows(t), n = t->columns;
    int *width = un_alloc_array(t->mem, (size_t)n, sizeof *width);
    un_text s;

    if (!width)
        return un_fail_nomem(err, (size_t)n * sizeof *width);
    un_text_init(&s, t->mem, out->max);
    un_text_add(&s, "");
    for (int r = -1; r < 2 * rows + 1 && !s.failed && !t->failed; r++) { /* first the widths, then the lines */
        int row = r < rows ? r : r - rows - 1;

        for (int c = 0; c < n; c++) {
            s.n = 0;
            if (row < 0)
                un_text_add(&s, t->head[c]);
            else
                add_shown(&s, &t->cell[(size_t)row * n + c]);
            un_text_add(&s, "");
            if (s.failed)
                break;
            if (r < rows)
                width[c] = UN_MAX(width[c], width_of(s.s));
            else
                add_padded(out, s.s, width[c], column_is_number(t, c), c == n - 1);
        }
    }
    out->failed |= s.failed;
    un_text_free(&s);
    un_free(width);
    return finish(t, out, err);
}

static void add_csv_text(un_text *out, const char *s)
{
    if (!strpbrk(s, ",\"\r\n") && s[0] != ' ') {
        un_text_add(out, s);
        return;
    }
    un_text_add(out, "\"");
    for (; *s; s++) {
        un_text_add(out, *s == '"' ? "\"" : "");
        un_text_add_n(out, s, 1);
    }
    un_text_add(out, "\"");
}

unet_status un_table_to_csv(const un_table *t, un_text *out, unet_error *err)
{
    for (int c = 0; c < t->columns; c++) {
        un_text_add(out, c ? "," : "");
        add_csv_text(out, t->head[c]);
    }
    un_text_add(out, "\n");
    for (size_t i = 0; i < t->cells; i++) {
        const cell *c = &t->cell[i];

        if (c->kind == TEXT)
            add_csv_text(out, c->v.text);
        else if (c->kind == INTEGER)
            un_text_printf(out, "%lld", (long long)c->v.integer);
        else if (isfinite(c->v.real))
            add_exact(out, c->v.real);
        un_text_add(out, (i + 1) % (size_t)t->columns ? "," : "\n");
    }
    return finish(t, out, err);
}

unet_status un_table_to_json(const un_table *t, un_text *out, unet_error *err)
{
    int rows = un_table_rows(t);

    un_text_add(out, "[");
    for (int r = 0; r < rows; r++) {
        un_text_add(out, r ? ",\n  {" : "\n  {");
        for (int k = 0; k < t->columns; k++) {
            const cell *c = &t->cell[(size_t)r * t->columns + k];

            un_text_add(out, k ? ", " : "");
            un_text_json_string(out, t->head[k]);
            un_text_add(out, ": ");
            if (c->kind == TEXT)
                un_text_json_string(out, c->v.text);
            else if (c->kind == INTEGER)
                un_text_printf(out, "%lld", (long long)c->v.integer);
            else
                un_text_json_number(out, c->v.real);
        }
        un_text_add(out, "}");
    }
    un_text_add(out, rows ? "\n]" : "]");
    return finish(t, out, err);
}

unet_status un_table_to_html(const un_table *t, un_text *out, unet_error *err)
{
    un_text s;

    un_text_init(&s, t->mem, out->max);
    un_text_add(out, "<div class=\"scroll\"><table>\n<thead><tr>");
    for (int c = 0; c < t->columns; c++) {
        un_text_printf(out, "<th scope=\"col\"%s>", column_is_number(t, c) ? " class=\"n\"" : "");
        un_text_xml(out, t->head[c]);
        un_text_add(out, "</th>");
    }
    un_text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < t->cells && !s.failed && !t->failed; i++) {
        int column = (int)(i % (size_t)t->columns), key = column < t->keys;
        const cell *c = &t->cell[i];

        s.n = 0;
        un_text_add(&s, "");
        add_shown(&s, c);
        if (s.failed)
            break;
        un_text_add(out, column ? "" : "<tr>");
        un_text_printf(out, key ? "<th scope=\"row\"%s>" : "<td%s>", c->kind == TEXT ? "" : " class=\"n\"");
        un_text_xml(out, s.s);
        un_text_add(out, key ? "</th>" : "</td>");
        un_text_add(out, column == t->columns - 1 ? "</tr>\n" : "");
    }
    un_text_add(out, "</tbody></table></div>\n");
    out->failed |= s.failed;
    un_text_free(&s);
    return finish(t, out, err);
}
