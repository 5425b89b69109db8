/* The canonical text of a configuration: what is written reads back equal. */
#include "config/table.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

/* 1e-05 becomes 1.0e-05: YAML 1.1 readers take the first for a text. */
static void add_number(un_text *t, double v)
{
    char buf[40] = "", *e;
    un_text one;

    if (v > -1e15 && v < 1e15 && v == (double)(int64_t)v) {
        un_text_printf(t, "%lld", (long long)v);
        return;
    }
    un_text_init(&one, t->mem, sizeof buf);
    un_text_number(&one, v);
    if (one.failed || one.n >= sizeof buf) {
        t->failed = 1;
    } else {
        memcpy(buf, one.s, one.n + 1);
        e = strchr(buf, 'e');
        if (e && !strchr(buf, '.'))
            un_text_printf(t, "%.*s.0%s", (int)(e - buf), buf, e);
        else
            un_text_add(t, buf);
    }
    un_text_free(&one);
}

static void add_colour(un_text *t, int v)
{
    un_text_printf(t, "\"#%06x\"", v & 0xffffff);
}

static void add_ints(un_text *t, const un_cfg_field *f, const un_cfg_ints *l)
{
    const int single = l->n == 1 && !(f->flags & (UN_CFG_AUTO | UN_CFG_NONE));

    if (!single)
        un_text_add(t, "[");
    for (int i = 0; i < l->n; i++) {
        un_text_add(t, i ? ", " : "");
        if (f->kind == UN_KIND_BOOLS)
            un_text_add(t, l->v[i] ? "true" : "false");
        else
            un_text_printf(t, "%d", l->v[i]);
    }
    if (!single)
        un_text_add(t, "]");
}

static void add_nums(un_text *t, const un_cfg_nums *l)
{
    if (l->n == 0) {
        un_text_add(t, "none");
        return;
    }
    un_text_add(t, "[");
    for (int i = 0; i < l->n; i++) {
        un_text_add(t, i ? ", " : "");
        add_number(t, l->v[i]);
    }
    un_text_add(t, "]");
}

static void add_axes(un_text *t, const un_cfg_axes *a)
{
    const int *v = a->v[0];

    if (a->n == 1 && v[0] == v[1] && v[1] == v[2]) {
        un_text_printf(t, "%d", v[0]);
        return;
    }
    un_text_add(t, a->n > 1 ? "[" : "");
    for (int i = 0; i < a->n; i++, v += 3)
        un_text_printf(t, "%s[%d, %d, %d]", i ? ", " : "", v[0], v[1], v[2]);
    un_text_add(t, a->n > 1 ? "]" : "");
}

static void add_doubles(un_text *t, const double *v, int n)
{
    for (int i = 0; i < n; i++) {
        un_text_add(t, i ? ", " : "[");
        add_number(t, v[i]);
    }
    un_text_add(t, "]");
}

static int is_auto(const un_cfg_field *f, const void *at)
{
    if (!(f->flags & UN_CFG_AUTO))
        return 0;
    switch (f->kind) {
    case UN_KIND_INT:
    case UN_KIND_INT3:
        return un_is_auto(*(const int *)at);
    case UN_KIND_I64:
        return un_is_auto(*(const int64_t *)at);
    case UN_KIND_BYTES:
        return un_is_auto(*(const uint64_t *)at);
    case UN_KIND_NUM:
    case UN_KIND_SECONDS:
    case UN_KIND_NUM3:
    case UN_KIND_RANGE:
        return un_is_auto(*(const double *)at);
    default: /* COLOUR and lists */
        return *(const int *)at == -1;
    }
}

/* One record in flow style; members at their default are left out, the first never. */
static void add_record(un_text *t, const un_cfg_struct *rec, const unsigned char *at)
{
    for (size_t i = 0; i < rec->count; i++) {
        const un_cfg_field *f = &rec->fields[i];

        if (i && is_auto(f, at + f->offset))
            continue;
        un_text_printf(t, "%s%s: ", i ? ", " : "{", f->key);
        un_cfg_write_value(t, f, at + f->offset);
    }
    un_text_add(t, "}");
}

static void add_records(un_text *t, const un_cfg_field *f, const void *at)
{
    const unsigned char *item = (const unsigned char *)at + f->record->items;
    const int n = *(const int *)at;

    if (!n) {
        un_text_add(t, "none");
        return;
    }
    un_text_add(t, "[");
    for (int i = 0; i < n; i++, item += f->record->size) {
        un_text_add(t, i ? ", " : "");
        add_record(t, f->record, item);
    }
    un_text_add(t, "]");
}

void un_cfg_write_value(un_text *t, const un_cfg_field *f, const void *at)
{
    if (is_auto(f, at)) {
        un_text_add(t, "auto");
        return;
    }
    switch (f->kind) {
    case UN_KIND_BOOL:
        un_text_add(t, *(const int *)at ? "true" : "false");
        break;
    case UN_KIND_INT:
        un_text_printf(t, "%d", *(const int *)at);
        break;
    case UN_KIND_I64:
        un_text_printf(t, "%lld", (long long)*(const int64_t *)at);
        break;
    case UN_KIND_BYTES:
        un_text_printf(t, "%llu", (unsigned long long)*(const uint64_t *)at);
        break;
    case UN_KIND_NUM:
    case UN_KIND_SECONDS:
        add_number(t, *(const double *)at);
        break;
    case UN_KIND_COLOUR:
        add_colour(t, *(const int *)at);
        break;
    case UN_KIND_CHOICE:
        un_text_add(t, f->words->names[*(const int *)at]);
        break;
    case UN_KIND_STR:
        un_text_json_string(t, at);
        break;
    case UN_KIND_INTS:
    case UN_KIND_BOOLS:
        add_ints(t, f, at);
        break;
    case UN_KIND_NUMS:
        add_nums(t, at);
        break;
    case UN_KIND_AXES:
        add_axes(t, at);
        break;
    case UN_KIND_INT3:
        un_text_printf(t, "[%d, %d, %d]", ((const int *)at)[0], ((const int *)at)[1], ((const int *)at)[2]);
        break;
    case UN_KIND_NUM3:
        add_doubles(t, at, 3);
        break;
    case UN_KIND_RANGE:
        add_doubles(t, at, 2);
        break;
    default:
        add_records(t, f, at);
    }
}

static int same_value(un_mem *mem, const un_cfg_field *f, const void *a, const void *b)
{
    un_text x, y;
    int same;

    un_text_init(&x, mem, UN_YAML_BYTES);
    un_text_init(&y, mem, UN_YAML_BYTES);
    un_cfg_write_value(&x, f, a);
    un_cfg_write_value(&y, f, b);
    same = !x.failed && !y.failed && x.n == y.n && !memcmp(x.s, y.s, x.n);
    un_text_free(&x);
    un_text_free(&y);
    return same;
}

static void write_key(
    un_text *t, const un_cfg_struct *s, const un_cfg_field *f, const void *at, const un_config_style *style)
{
    const char *why = style->why ? style->why(style->ctx, s->name, f->key) : NULL;
    size_t start;

    if (why)
        un_text_printf(t, "  # %s\n", why);
    start = t->n;
    un_text_printf(t, "  %s: ", f->key);
    un_cfg_write_value(t, f, at);
    if (style->comments && !t->failed) {
        int used = (int)(t->n - start);

        un_text_printf(t, "%*s# %s", used < 36 ? 36 - used : 2, "", f->help);
    }
    un_text_add(t, "\n");
}

unet_status un_config_write(const un_config *c, un_text *t, const un_config_style *style, unet_error *err)
{
    static const un_config_style everything = {0};
    un_config *def = NULL;
    unet_status st = UNET_OK;

    style = style ? style : &everything;
    if (style->changed) {
        def = un_alloc(t->mem, sizeof *def);
        st = def ? un_config_init(def, t->mem, err) : un_fail_nomem(err, sizeof *def);
    }
    for (size_t i = 0; i < un_cfg_section_count && !st; i++) {
        const un_cfg_struct *s = &un_cfg_sections[i];
        const unsigned char *at = (const unsigned char *)c + s->offset;
        int open = 0;

        for (size_t j = 0; j < s->count; j++) {
            const un_cfg_field *f = &s->fields[j];

            if ((style->no_paths && (f->flags & UN_CFG_LOCAL)) ||
                (def && same_value(t->mem, f, at + f->offset, (unsigned char *)def + s->offset + f->offset)))
                continue;
            if (!open && style->comments)
                un_text_printf(t, "%s# %s\n", t->n ? "\n" : "", s->title);
            if (!open)
                un_text_printf(t, "%s:\n", s->name);
            open = 1;
            write_key(t, s, f, at + f->offset, style);
        }
    }
    un_free(def);
    if (!st && t->failed)
        st = un_fail(err, UNET_E_NOMEM, "no memory for the text of the configuration");
    return st;
}

/* The value as text, cut to fit. */
static void value_text(char *to, size_t size, const un_cfg_field *f, const unsigned char *at)
{
    un_text t;

    un_text_init(&t, NULL, UN_YAML_BYTES);
    un_cfg_write_value(&t, f, at);
    snprintf(to, size, "%s", t.failed || !t.s ? "?" : t.s);
    un_text_free(&t);
}

int un_config_differs(un_config_difference *out, const un_config *a, const un_config *b, const un_config *except)
{
    for (size_t i = 0; i < un_cfg_section_count; i++) {
        const un_cfg_struct *s = &un_cfg_sections[i];

        for (size_t j = 0; j < s->count; j++) {
            const un_cfg_field *f = &s->fields[j];
            const size_t at = s->offset + f->offset;
            const unsigned char *x = (const unsigned char *)a + at, *y = (const unsigned char *)b + at;

            if (same_value(NULL, f, x, y) || (except && same_value(NULL, f, x, (const unsigned char *)except + at)))
                continue;
            snprintf(out->key, sizeof out->key, "%s.%s", s->name, f->key);
            value_text(out->a, sizeof out->a, f, x);
            value_text(out->b, sizeof out->b, f, y);
            return 1;
        }
    }
    return 0;
}

int un_config_equal(const un_config *a, const un_config *b)
{
    un_config_difference d;

    return !un_config_differs(&d, a, b, NULL);
}
