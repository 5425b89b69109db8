#include "config/yaml.h"

#include <string.h>
#include <yaml.h>

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one that next() fetched last; freed by the next call */
    un_arena *arena;
    const char *text, *name;
    size_t size;
    unet_error *err;
    int has_event, nodes;
} reader;

static unet_status fail_at(reader *r, yaml_mark_t mark, const char *what)
{
    return un_fail_line(r->err, UNET_E_CONFIG, r->name, (int)mark.line + 1, (int)mark.column + 1, "%s", what);
}

/* Whether a tab is among the white space that line n (from 0) begins with. */
static int begins_with_tab(const reader *r, size_t n)
{
    size_t at = 0;

    for (; n && at < r->size; at++)
        n -= r->text[at] == '\n';
    while (at < r->size && r->text[at] == ' ')
        at++;
    return at < r->size && r->text[at] == '\t';
}

static unet_status fail_syntax(reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const yaml_mark_t mark = p->error == YAML_READER_ERROR ? p->mark : p->problem_mark;

    if (p->error == YAML_MEMORY_ERROR)
        return un_fail_nomem(r->err, 0);
    return un_fail_line(r->err, UNET_E_CONFIG, r->name, (int)mark.line + 1, (int)mark.column + 1, "not YAML: %s%s",
        p->problem ? p->problem : "unknown problem",
        begins_with_tab(r, mark.line) ? "; the line begins with a tab: indent with spaces" : "");
}

static unet_status next(reader *r)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (r->has_event)
        yaml_event_delete(&r->event);
    r->has_event = 0;
    if (!yaml_parser_parse(&r->parser, &r->event))
        return fail_syntax(r);
    r->has_event = 1;
    if (r->event.type == YAML_ALIAS_EVENT)
        return fail_at(r, r->event.start_mark, "aliases (*name) are not allowed in a configuration");
    if (r->event.type == YAML_SCALAR_EVENT) {
        anchor = r->event.data.scalar.anchor;
        tag = r->event.data.scalar.tag;
    } else if (r->event.type == YAML_SEQUENCE_START_EVENT) {
        anchor = r->event.data.sequence_start.anchor;
        tag = r->event.data.sequence_start.tag;
    } else if (r->event.type == YAML_MAPPING_START_EVENT) {
        anchor = r->event.data.mapping_start.anchor;
        tag = r->event.data.mapping_start.tag;
    }
    if (anchor)
        return fail_at(r, r->event.start_mark, "anchors (&name) are not allowed in a configuration");
    if (tag)
        return fail_at(r, r->event.start_mark, "tags (!name) are not allowed in a configuration");
    return UNET_OK;
}

static unet_status new_node(reader *r, un_yaml_kind kind, un_yaml **out)
{
    un_yaml *n;

    if (++r->nodes > UN_YAML_NODES)
        return fail_at(r, r->event.start_mark, "too many values in a configuration");
    n = un_arena_alloc(r->arena, sizeof *n);
    if (!n)
        return un_fail_nomem(r->err, sizeof *n);
    n->kind = kind;
    n->line = (int)r->event.start_mark.line + 1;
    n->column = (int)r->event.start_mark.column + 1;
    *out = n;
    return UNET_OK;
}

static unet_status scalar(reader *r, un_yaml **out)
{
    const char *text = (const char *)r->event.data.scalar.value;
    size_t length = r->event.data.scalar.length;
    unet_status st = new_node(r, UN_YAML_SCALAR, out);

    if (st)
        return st;
    if (strlen(text) != length)
        return fail_at(r, r->event.start_mark, "a zero byte in a text");
    (*out)->text = un_arena_strdup(r->arena, text);
    (*out)->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return (*out)->text ? UNET_OK : un_fail_nomem(r->err, length);
}

static unet_status node(reader *r, un_yaml **out, int depth);

/* The children of a list or map, up to its end event. */
static unet_status children(reader *r, un_yaml *parent, int depth)
{
    yaml_event_type_t end = parent->kind == UN_YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    un_yaml **at = &parent->first;

    for (;;) {
        un_yaml *key = NULL;
        unet_status st = next(r);

        if (st)
            return st;
        if (r->event.type == end)
            return UNET_OK;
        if (parent->kind == UN_YAML_MAP) {
            if (r->event.type != YAML_SCALAR_EVENT)
                return fail_at(r, r->event.start_mark, "a key must be a word");
            st = scalar(r, &key);
            if (!st)
                st = next(r);
        }
        if (!st)
            st = node(r, at, depth + 1);
        if (st)
            return st;
        (*at)->key = key;
        at = &(*at)->next;
        parent->count++;
    }
}

/* The node that starts with the current event. */
static unet_status node(reader *r, un_yaml **out, int depth)
{
    un_yaml_kind kind = r->event.type == YAML_MAPPING_START_EVENT ? UN_YAML_MAP : UN_YAML_LIST;
    unet_status st;

    if (depth > UN_YAML_DEPTH)
        return fail_at(r, r->event.start_mark, "nested too deeply for a configuration");
    if (r->event.type == YAML_SCALAR_EVENT)
        return scalar(r, out);
    st = new_node(r, kind, out);
    return st ? st : children(r, *out, depth);
}

static unet_status document(reader *r, un_yaml **root)
{
    unet_status st = next(r); /* stream start */

    if (!st)
        st = next(r);
    if (st || r->event.type == YAML_STREAM_END_EVENT)
        return st;
    st = next(r); /* document start was there */
    if (!st)
        st = node(r, root, 0);
    if (!st)
        st = next(r); /* document end */
    if (!st)
        st = next(r);
    if (!st && r->event.type != YAML_STREAM_END_EVENT)
        return fail_at(r, r->event.start_mark, "a configuration is one document: no second '---'");
    return st;
}

unet_status un_yaml_parse(
    un_yaml **root, un_arena *arena, const char *text, size_t size, const char *name, unet_error *err)
{
    reader r = {.arena = arena, .text = text, .size = size, .name = name, .err = err};
    unet_status st;

    *root = NULL;
    if (size > UN_YAML_BYTES)
        return un_fail_file(
            err, UNET_E_LIMIT, name, "%zu bytes are too many for a configuration (limit %d)", size, UN_YAML_BYTES);
    if (!yaml_parser_initialize(&r.parser))
        return un_fail_nomem(err, 0);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, size);
    st = document(&r, root);
    if (r.has_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (st)
        *root = NULL;
    return st;
}
