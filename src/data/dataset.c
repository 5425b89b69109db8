/* The list of pictures and the list of issues. Layouts fill it (layout.c), roles.c gives roles. */
#include "data/dataset.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "data/layout.h"
#include "data/series.h"

static const struct {
    const char *name, *advice;
    un_severity severity;
} issue_table[] = {
#define X(ID, name, severity, advice) [UN_ISSUE_##ID] = {name, advice, severity},
    UN_ISSUES(X)
#undef X
};
_Static_assert(UN_COUNT(issue_table) == UN_ISSUE_KINDS, "a row each");

const char *un_split_name(un_split s)
{
    static const char *const names[] = {"none", "train", "val", "test"};

    return names[s];
}

const char *un_role_name(un_role r)
{
    static const char *const names[] = {"none", "train", "select", "val", "test"};

    return names[r];
}

const char *un_severity_name(un_severity s)
{
    static const char *const names[] = {"note", "warning", "left out", "error"};

    return names[s];
}

const char *un_issue_name(un_issue_kind k)
{
    return issue_table[k].name;
}

un_severity un_issue_severity(un_issue_kind k)
{
    return issue_table[k].severity;
}

const char *un_issue_advice(un_issue_kind k)
{
    return issue_table[k].advice;
}

char *un_dataset_text(un_dataset *d, const char *fmt, ...)
{
    va_list ap, again;
    char *p = NULL;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0)
        p = un_arena_alloc(d->arena, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}

un_item *un_dataset_add(un_dataset *d)
{
    un_item *it;

    if (d->count == d->item_cap) {
        const int cap = d->item_cap ? d->item_cap * 2 : 64;
        un_item *p = cap > 0 ? un_realloc(d->mem, d->items, (size_t)cap * sizeof *p) : NULL;

        if (!p)
            return NULL;
        d->items = p;
        d->item_cap = cap;
    }
    it = &d->items[d->count++];
    *it = (un_item){.part_hi = 1.0, .part_of = -1, .draw = 1, .page = -1};
    return it;
}

unet_status un_dataset_issue(
    un_dataset *d, un_issue_kind kind, int item, const char *file, unet_error *err, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    un_issue *i;

    if (d->issue_count == d->issue_cap) {
        const int cap = d->issue_cap ? d->issue_cap * 2 : 32;
        un_issue *p = cap > 0 ? un_realloc(d->mem, d->issues, (size_t)cap * sizeof *p) : NULL;

        if (!p)
            return un_fail_nomem(err, sizeof *p);
        d->issues = p;
        d->issue_cap = cap;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    i = &d->issues[d->issue_count];
    *i = (un_issue){.kind = kind, .item = item};
    i->file = un_arena_strdup(d->arena, file ? un_dataset_relative(d, file) : "");
    i->text = un_arena_strdup(d->arena, text);
    if (!i->file || !i->text)
        return un_fail_nomem(err, strlen(text));
    d->issue_count++;
    if (item >= 0 && issue_table[kind].severity >= UN_SKIP)
        d->items[item].left_out = 1;
    return UNET_OK;
}

const char *un_dataset_relative(const un_dataset *d, const char *path)
{
    const size_t n = strlen(d->root);

    return !strncmp(path, d->root, n) && path[n] == '/' ? path + n + 1 : path;
}

unet_status un_dataset_open(un_dataset **out, un_mem *mem, const char *path, const un_config *cfg, unet_error *err)
{
    un_dataset *d = un_alloc_zero(mem, sizeof *d);
    size_t n = strlen(path);
    unet_status st;

    *out = NULL;
    if (!d)
        return un_fail_nomem(err, sizeof *d);
    d->mem = mem;
    d->ignore_value = -1;
    d->arena = un_arena_create(mem);
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (d->arena)
        d->root = un_dataset_text(d, "%.*s", (int)n, path);
    st = d->root ? un_layout_find(d, cfg, err) : un_fail_nomem(err, n);
    if (!st)
        st = un_series_split(d, cfg, err);
    if (st) {
        un_dataset_close(d);
        return st;
    }
    d->base_count = d->count;
    *out = d;
    return UNET_OK;
}

void un_dataset_close(un_dataset *d)
{
    if (!d)
        return;
    un_arena_destroy(d->arena);
    un_free(d->items);
    un_free(d->issues);
    un_free(d);
}

int un_dataset_count_role(const un_dataset *d, un_role role)
{
    int n = 0;

    for (int i = 0; i < d->count; i++)
        n += d->items[i].role == role;
    return n;
}

unet_status un_dataset_check(const un_dataset *d, un_cfg_on_bad on_bad, unet_error *err)
{
    const un_severity limit = on_bad == UN_CFG_BAD_STOP ? UN_SKIP : UN_STOP;
    const un_issue *first = NULL;
    int n = 0, labelled = 0, usable = 0;

    for (int i = 0; i < d->issue_count; i++) {
        if (issue_table[d->issues[i].kind].severity < limit)
            continue;
        if (!first)
            first = &d->issues[i];
        n++;
    }
    if (first && n == 1)
        return un_fail_file(err, UNET_E_DATA, first->file, "%s", first->text);
    if (first)
        return un_fail_file(
            err, UNET_E_DATA, first->file, "%s (and %d more; unet inspect lists them all)", first->text, n - 1);
    for (int i = 0; i < d->base_count; i++) {
        labelled += d->items[i].mask != NULL;
        usable += d->items[i].mask && !d->items[i].left_out;
    }
    if (!labelled)
        return un_fail_file(err, UNET_E_DATA, d->root,
            "%d picture%s, but not one has a mask; masks lie in a folder masks/ beside the pictures and have "
            "their names",
            d->base_count, d->base_count == 1 ? "" : "s");
    if (!usable)
        return un_fail_file(err, UNET_E_DATA, d->root,
            "not one of %d labelled pictures can be used; unet inspect says why for each", labelled);
    return UNET_OK;
}
