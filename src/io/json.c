/* A JSON reader: one pass, values in an arena, keys of each object sorted for the check of twins and for look-ups. */
#include "io/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "base/text.h"

typedef enum kind { NOTHING, TRUTH, WHOLE, REAL, TEXT, ARRAY, OBJECT } kind;

struct un_json {
    kind kind;
    size_t count;     /* children */
    un_json **child;  /* in the order of the text */
    un_json **by_key; /* of an object: sorted by key */
    const char *key;  /* of a member */
    size_t at;        /* byte of the key */
    union {
        int truth;
        int64_t whole;
        double real;
        const char *text;
    } u;
    un_arena *arena; /* of the root: to be freed */
};

typedef struct reader {
    const char *text, *name;
    size_t size, at;
    int depth;
    un_arena *arena;
    unet_error *err;
} reader;

static unet_status fail(const reader *r, size_t at, const char *what)
{
    return un_fail_offset(r->err, UNET_E_FORMAT, r->name, (int64_t)at, "not JSON: %s", what);
}

static void skip_blanks(reader *r)
{
    while (r->at < r->size && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at])
        r->at++;
}

/* The next byte; 0 at the end. */
static char peek(const reader *r)
{
    return r->at < r->size ? r->text[r->at] : 0;
}

/* ---- texts ---- */

static int hex(const reader *r, size_t at, unsigned *out)
{
    *out = 0;
    for (size_t i = at; i < at + 4; i++) {
        const char c = i < r->size ? r->text[i] : 0;
        const int digit = c >= '0' && c <= '9'                 ? c - '0'
                          : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                               : -1;

        if (digit < 0)
            return 0;
        *out = *out << 4 | (unsigned)digit;
    }
    return 1;
}

static size_t put_utf8(char *to, unsigned c)
{
    const int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (int i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(lead[n] | c);
    return (size_t)n;
}

/* Behind a backslash; writes at most 4 bytes, fewer than it reads. */
static unet_status escape(reader *r, char **to)
{
    static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
    const size_t start = r->at - 1;
    const char c = peek(r), *known = c ? strchr(from, c) : NULL;
    unsigned code, low;

    r->at++;
    if (known) {
        *(*to)++ = is[known - from];
        return UNET_OK;
    }
    if (c != 'u' || !hex(r, r->at, &code))
        return fail(r, start, "an unknown escape in a text");
    r->at += 4;
    if (code >= 0xd800 && code < 0xdc00) { /* the first half of a pair */
        if (r->size - r->at < 6 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u' || !hex(r, r->at + 2, &low) ||
            low < 0xdc00 || low > 0xdfff)
            return fail(r, start, "half of a surrogate pair");
        r->at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return fail(r, start, "half of a surrogate pair");
    }
    if (!code)
        return fail(r, start, "a zero character in a text");
    *to += put_utf8(*to, code);
    return UNET_OK;
}

/* At the quote. */
static unet_status read_text(reader *r, const char **out)
{
    const size_t start = r->at++;
    size_t end = r->at;
    char *to, *s;

    for (; end < r->size && r->text[end] != '"'; end++)
        end += r->text[end] == '\\';
    if (end >= r->size)
        return fail(r, start, "a text without its end");
    s = to = un_arena_alloc(r->arena, end - r->at + 1);
    if (!s)
        return un_fail_nomem(r->err, end - r->at);
    while (r->at < end) {
        const char *c = r->text + r->at;
        size_t n;

        if ((unsigned char)*c < 0x20)
            return fail(r, r->at, "a control character in a text");
        if (*c == '\\') {
            unet_status st;

            r->at++;
            st = escape(r, &to);
            if (st)
                return st;
            continue;
        }
        n = un_utf8_length(c, end - r->at);
        if (!n)
            return fail(r, r->at, "bytes that are not UTF-8");
        memcpy(to, c, n);
        to += n;
        r->at += n;
    }
    r->at = end + 1;
    *out = s;
    return UNET_OK;
}

/* ---- numbers and words ---- */

static size_t digits(const reader *r, size_t at)
{
    size_t n = 0;

    while (at + n < r->size && r->text[at + n] >= '0' && r->text[at + n] <= '9')
        n++;
    return n;
}

static unet_status read_number(reader *r, un_json *j)
{
    const size_t start = r->at;
    char buf[64];
    size_t n, whole;
    int real = 0;

    r->at += peek(r) == '-';
    whole = digits(r, r->at);
    if (!whole || (whole > 1 && r->text[r->at] == '0'))
        return fail(r, start, "neither a value nor a number");
    r->at += whole;
    if (peek(r) == '.') {
        n = digits(r, ++r->at);
        real = 1;
        r->at += n;
        if (!n)
            return fail(r, start, "a number without digits behind its point");
    }
    if ((peek(r) | 32) == 'e') {
        r->at++;
        r->at += peek(r) == '+' || peek(r) == '-';
        n = digits(r, r->at);
        real = 1;
        r->at += n;
        if (!n)
            return fail(r, start, "a number without an exponent");
    }
    n = r->at - start;
    if (n >= sizeof buf)
        return fail(r, start, "a number with too many digits");
    memcpy(buf, r->text + start, n);
    buf[n] = 0;
    j->kind = real ? REAL : WHOLE;
    if (!(real ? un_parse_double(buf, &j->u.real) : un_parse_int64(buf, &j->u.whole)))
        return fail(r, start, "a number that is too large");
    return UNET_OK;
}

static unet_status read_word(reader *r, un_json *j)
{
    static const struct {
        const char *word;
        kind kind;
        int truth;
    } words[] = {{"true", TRUTH, 1}, {"false", TRUTH, 0}, {"null", NOTHING, 0}};

    for (size_t i = 0; i < UN_COUNT(words); i++) {
        const size_t n = strlen(words[i].word);

        if (r->size - r->at < n || memcmp(r->text + r->at, words[i].word, n))
            continue;
        j->kind = words[i].kind;
        j->u.truth = words[i].truth;
        r->at += n;
        return UNET_OK;
    }
    return r->at < r->size ? read_number(r, j) : fail(r, r->at, "the text ends where a value should be");
}

/* ---- arrays and objects ---- */

static int by_key(const void *a, const void *b)
{
    const un_json *x = *(un_json *const *)a, *y = *(un_json *const *)b;
    const int order = strcmp(x->key, y->key);

    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

static unet_status sort_keys(const reader *r, un_json *j)
{
    j->by_key = un_arena_alloc(r->arena, (j->count + 1) * sizeof(un_json *));
    if (!j->by_key)
        return un_fail_nomem(r->err, j->count * sizeof(un_json *));
    if (j->count)
        memcpy(j->by_key, j->child, j->count * sizeof(un_json *));
    qsort(j->by_key, j->count, sizeof(un_json *), by_key);
    for (size_t i = 1; i < j->count; i++)
        if (!strcmp(j->by_key[i - 1]->key, j->by_key[i]->key))
            return fail(r, j->by_key[i]->at, "a duplicate key: it stands twice in its object");
    return UNET_OK;
}

/* Doubles the list when it is full; the old one stays in the arena. */
static un_json *new_child(const reader *r, un_json *j)
{
    un_json *c = un_arena_alloc(r->arena, sizeof *c);

    if (c && !(j->count & (j->count - 1))) {
        un_json **list = un_arena_alloc(r->arena, UN_MAX(2 * j->count, 1) * sizeof(un_json *));

        if (list && j->count)
            memcpy(list, j->child, j->count * sizeof(un_json *));
        j->child = list;
    }
    if (!c || !j->child)
        return NULL;
    j->child[j->count++] = c;
    return c;
}

static unet_status read_value(reader *r, un_json *j);

static unet_status read_key(reader *r, un_json *member)
{
    unet_status st;

    if (peek(r) != '"')
        return fail(r, r->at, "a key in quotes is wanted");
    member->at = r->at;
    st = read_text(r, &member->key);
    if (st)
        return st;
    skip_blanks(r);
    if (peek(r) != ':')
        return fail(r, r->at, "a ':' is wanted behind a key");
    r->at++;
    return UNET_OK;
}

/* At the bracket. */
static unet_status read_members(reader *r, un_json *j)
{
    const int object = peek(r) == '{';
    const char close = object ? '}' : ']';
    unet_status st = UNET_OK;

    if (++r->depth > UN_JSON_DEPTH)
        return un_fail_offset(
            r->err, UNET_E_FORMAT, r->name, (int64_t)r->at, "JSON is nested deeper than %d levels", UN_JSON_DEPTH);
    j->kind = object ? OBJECT : ARRAY;
    r->at++;
    skip_blanks(r);
    if (peek(r) == close)
        r->at++;
    else
        for (;;) {
            un_json *c = new_child(r, j);

            if (!c)
                return un_fail_nomem(r->err, sizeof *c);
            skip_blanks(r);
            st = object ? read_key(r, c) : UNET_OK;
            if (!st)
                st = read_value(r, c);
            if (st)
                return st;
            if (peek(r) != ',' && peek(r) != close)
                return fail(r, r->at, object ? "',' or '}' is wanted" : "',' or ']' is wanted");
            if (r->text[r->at++] == close)
                break;
        }
    r->depth--;
    return object ? sort_keys(r, j) : UNET_OK;
}

/* A value with the blanks around it. */
static unet_status read_value(reader *r, un_json *j)
{
    unet_status st;

    skip_blanks(r);
    if (peek(r) == '{' || peek(r) == '[') {
        st = read_members(r, j);
    } else if (peek(r) == '"') {
        j->kind = TEXT;
        st = read_text(r, &j->u.text);
    } else {
        st = read_word(r, j);
    }
    if (!st)
        skip_blanks(r);
    return st;
}

unet_status un_json_parse(un_json **out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err)
{
    reader r = {.text = text, .name = name, .size = size, .arena = un_arena_create(mem), .err = err};
    un_json *root = r.arena ? un_arena_alloc(r.arena, sizeof *root) : NULL;
    unet_status st = root ? read_value(&r, root) : un_fail_nomem(err, sizeof *root);

    *out = NULL;
    if (!st && r.at < size)
        st = fail(&r, r.at, "more text behind the value");
    if (st) {
        un_arena_destroy(r.arena);
        return st;
    }
    root->arena = r.arena;
    *out = root;
    return UNET_OK;
}

void un_json_free(un_json *j)
{
    if (j)
        un_arena_destroy(j->arena);
}

/* ---- accessors ---- */

int un_json_is_object(const un_json *j)
{
    return j && j->kind == OBJECT;
}

int un_json_is_array(const un_json *j)
{
    return j && j->kind == ARRAY;
}

int un_json_int(const un_json *j, int64_t *out)
{
    if (!j || j->kind != WHOLE)
        return 0;
    *out = j->u.whole;
    return 1;
}

int un_json_number(const un_json *j, double *out)
{
    if (!j || (j->kind != WHOLE && j->kind != REAL))
        return 0;
    *out = j->kind == WHOLE ? (double)j->u.whole : j->u.real;
    return 1;
}

int un_json_bool(const un_json *j, int *out)
{
    if (!j || j->kind != TRUTH)
        return 0;
    *out = j->u.truth;
    return 1;
}

const char *un_json_string(const un_json *j)
{
    return j && j->kind == TEXT ? j->u.text : NULL;
}

size_t un_json_count(const un_json *j)
{
    return j ? j->count : 0;
}

const un_json *un_json_at(const un_json *array, size_t i)
{
    return un_json_is_array(array) && i < array->count ? array->child[i] : NULL;
}

const un_json *un_json_get(const un_json *object, const char *key)
{
    size_t lo = 0, hi = un_json_is_object(object) ? object->count : 0;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(key, object->by_key[mid]->key);

        if (!order)
            return object->by_key[mid];
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

int un_json_next(const un_json *object, void **iter, const char **key, const un_json **value)
{
    un_json **at = *iter;

    if (!un_json_is_object(object) || !object->count)
        return 0;
    at = at ? at + 1 : object->child;
    if (at == object->child + object->count)
        return 0;
    *iter = at;
    *key = (*at)->key;
    *value = *at;
    return 1;
}
