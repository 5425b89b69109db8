/* The text that un_config_write makes, and defaults of the schema, read without libyaml: for the inference build, which
 * reads configurations out of model files only. Lines `section:` and `  key: value`; values in flow style; comments. */
#include <string.h>

#include "base/text.h"
#include "config/yaml.h"

typedef struct reader {
    const char *at, *end, *line_start, *name;
    int line, nodes, indent; /* indent: of the line that is read; -1: the end */
    un_arena *arena;
    unet_error *err;
} reader;

static unet_status fail(const reader *r, const char *what)
{
    return un_fail_line(r->err, UNET_E_CONFIG, r->name, r->line, (int)(r->at - r->line_start) + 1,
        "%s (this build reads no YAML)", what);
}

static char peek(const reader *r)
{
    return r->at < r->end ? *r->at : 0;
}

static void skip_blanks(reader *r)
{
    while (peek(r) == ' ')
        r->at++;
}

static unet_status new_node(reader *r, un_yaml_kind kind, un_yaml **out)
{
    un_yaml *n = ++r->nodes <= UN_YAML_NODES ? un_arena_alloc(r->arena, sizeof *n) : NULL;

    if (!n)
        return r->nodes > UN_YAML_NODES ? fail(r, "too many values") : un_fail_nomem(r->err, sizeof *n);
    n->kind = kind;
    n->line = r->line;
    n->column = (int)(r->at - r->line_start) + 1;
    *out = n;
    return UNET_OK;
}

/* At the quote. What un_text_json_string makes: \" \\ and \u00xx. */
static unet_status quoted(reader *r, un_yaml *n)
{
    const char *end = r->at + 1;
    char *to;

    while (end < r->end && *end != '"' && *end != '\n')
        end += *end == '\\' ? 2 : 1;
    if (end >= r->end || *end != '"')
        return fail(r, "a text without its end");
    to = un_arena_alloc(r->arena, (size_t)(end - r->at) + 1);
    if (!to)
        return un_fail_nomem(r->err, (size_t)(end - r->at));
    n->text = to;
    n->quoted = 1;
    for (r->at++; r->at < end; r->at++) {
        int code = 0;

        if (*r->at != '\\') {
            *to++ = *r->at;
            continue;
        }
        r->at++;
        if (*r->at != 'u') {
            *to++ = *r->at;
            continue;
        }
        for (int i = 1; i <= 4; i++) {
            const char c = r->at + i < end ? r->at[i] : 'x';
            const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 1 << 8;

            code = code << 4 | digit;
        }
        if (code < 1 || code > 127)
            return fail(r, "an unknown escape in a text");
        *to++ = (char)code;
        r->at += 4;
    }
    r->at = end + 1;
    return UNET_OK;
}

/* A word or number; in a list or map it ends at a comma or bracket, else at the end of the line or a comment. */
static unet_status bare(reader *r, un_yaml *n, int depth)
{
    const char *start = r->at, *last = start;
    char *text;

    while (r->at < r->end && *r->at != '\n' && !(depth > 0 && strchr(",]}:", *r->at)) &&
           !(*r->at == '#' && r->at > start && r->at[-1] == ' ')) {
        if (*r->at != ' ')
            last = r->at + 1;
        r->at++;
    }
    if (last == start)
        return fail(r, "a value is missing");
    text = un_arena_alloc(r->arena, (size_t)(last - start) + 1);
    if (!text)
        return un_fail_nomem(r->err, (size_t)(last - start));
    memcpy(text, start, (size_t)(last - start));
    n->text = text;
    return UNET_OK;
}

static unet_status value(reader *r, un_yaml **out, int depth);

/* A key and the colon behind it. */
static unet_status read_key(reader *r, un_yaml **out)
{
    unet_status st = new_node(r, UN_YAML_SCALAR, out);

    if (!st)
        st = bare(r, *out, 1);
    if (!st && peek(r) != ':')
        st = fail(r, "a ':' is missing");
    r->at++;
    return st;
}

/* At the bracket. */
static unet_status children(reader *r, un_yaml *parent, char close, int depth)
{
    un_yaml **at = &parent->first;

    r->at++;
    skip_blanks(r);
    for (; peek(r) != close; at = &(*at)->next, parent->count++) {
        un_yaml *key = NULL;
        unet_status st = UNET_OK;

        if (parent->count && peek(r) != ',')
            return fail(r, "a ',' is missing");
        r->at += parent->count > 0;
        skip_blanks(r);
        if (close == '}')
            st = read_key(r, &key);
        if (!st)
            st = value(r, at, depth + 1);
        if (st)
            return st;
        (*at)->key = key;
    }
    r->at++;
    return UNET_OK;
}

static unet_status value(reader *r, un_yaml **out, int depth)
{
    unet_status st;
    char c;

    skip_blanks(r);
    c = peek(r);
    if (depth > UN_YAML_DEPTH)
        return fail(r, "nested too deeply");
    st = new_node(r, c == '[' ? UN_YAML_LIST : c == '{' ? UN_YAML_MAP : UN_YAML_SCALAR, out);
    if (!st && (c == '[' || c == '{'))
        st = children(r, *out, c == '[' ? ']' : '}', depth);
    else if (!st && c == '"')
        st = quoted(r, *out);
    else if (!st)
        st = bare(r, *out, depth);
    skip_blanks(r);
    return st;
}

/* To the next line with something on it. */
static void next_line(reader *r)
{
    for (;;) {
        const char *start = r->at;

        skip_blanks(r);
        r->indent = r->at < r->end ? (int)(r->at - start) : -1;
        if (r->at >= r->end || (*r->at != '\n' && *r->at != '#'))
            return;
        while (r->at < r->end && *r->at != '\n')
            r->at++;
        if (r->at < r->end) {
            r->line++;
            r->line_start = ++r->at;
        }
    }
}

/* Past the value of a line, which only a comment may follow. */
static unet_status end_line(reader *r)
{
    if (peek(r) && peek(r) != '\n' && peek(r) != '#')
        return fail(r, "more text behind a value");
    while (r->at < r->end && *r->at != '\n')
        r->at++;
    if (r->at < r->end) {
        r->line++;
        r->line_start = ++r->at;
    }
    next_line(r);
    return UNET_OK;
}

/* Lines of one indentation. */
static unet_status block(reader *r, un_yaml **out)
{
    const int indent = r->indent;
    unet_status st = new_node(r, UN_YAML_MAP, out);
    un_yaml **at = &(*out)->first;

    for (; !st && r->indent == indent; at = &(*at)->next, (*out)->count++) {
        un_yaml *key = NULL;

        st = read_key(r, &key);
        skip_blanks(r);
        if (!st && peek(r) && peek(r) != '\n' && peek(r) != '#') {
            st = value(r, at, 0);
            if (!st)
                st = end_line(r);
        } else if (!st) {
            next_line(r);
            st = r->indent > indent ? block(r, at) : fail(r, "a section is empty");
        }
        if (st)
            return st;
        (*at)->key = key;
    }
    return r->indent > indent ? fail(r, "a line that is set in too far") : st;
}

unet_status un_yaml_parse(
    un_yaml **root, un_arena *arena, const char *text, size_t size, const char *name, unet_error *err)
{
    reader r = {
        .at = text, .end = text + size, .line_start = text, .name = name, .line = 1, .arena = arena, .err = err};
    unet_status st;

    *root = NULL;
    if (size > UN_YAML_BYTES || memchr(text, 0, size))
        return un_fail_file(err, UNET_E_LIMIT, name, "too long for a configuration, or with zero bytes");
    next_line(&r);
    if (r.indent < 0)
        return UNET_OK;
    if (!strchr("[{\"", peek(&r)))
        return block(&r, root);
    st = value(&r, root, 0);
    if (!st)
        st = end_line(&r);
    return st || r.indent < 0 ? st : fail(&r, "more text behind the configuration");
}
