/* YAML values into the struct: types, ranges, words; unknown and repeated keys are refused with their position. */
#include "config/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/size.h"

enum { NAMES_MAX = 128 };

static unet_status fail_node(const un_cfg_reader *r, const un_yaml *n, const char *fmt, ...) UN_PRINTF(3, 4);

static unet_status fail_node(const un_cfg_reader *r, const un_yaml *n, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return un_fail_line(r->err, UNET_E_CONFIG, r->name, n->line, n->column, "%s", text);
}

/* ", did you mean 'x'?" or nothing. */
static const char *guess(char *buf, size_t size, const char *word, const char *const *names, size_t count)
{
    const char *best = un_nearest(word, names, count);

    buf[0] = 0;
    if (best)
        snprintf(buf, size, "; did you mean '%s'?", best);
    return buf;
}

static int is_word(const un_yaml *n, const char *word)
{
    return n->kind == UN_YAML_SCALAR && !n->quoted && !strcmp(n->text, word);
}

/* One number of the node; range-checked against the field. */
static unet_status read_number(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, double *out)
{
    double v;

    if (n->kind != UN_YAML_SCALAR || n->quoted || !un_parse_double(n->text, &v))
        return fail_node(r, n, "%s: a number is wanted%s%s%s", f->key, n->kind == UN_YAML_SCALAR ? ", not '" : "",
            n->kind == UN_YAML_SCALAR ? n->text : "", n->kind == UN_YAML_SCALAR ? "'" : ", not a list");
    if (v < f->lo || v > f->hi)
        return fail_node(r, n, "%s: %s is outside %.10g to %.10g", f->key, n->text, f->lo, f->hi);
    *out = v;
    return UNET_OK;
}

static unet_status read_whole(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, int64_t *out)
{
    double v;
    unet_status st = read_number(r, f, n, &v);

    if (st)
        return st;
    if (!un_parse_int64(n->text, out))
        return fail_node(r, n, "%s: a whole number is wanted, not '%s'", f->key, n->text);
    return UNET_OK;
}

static unet_status read_bool(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, int *out)
{
    static const char *const word[] = {"false", "true", "off", "on", "no", "yes"};

    for (size_t i = 0; i < UN_COUNT(word); i++)
        if (is_word(n, word[i])) {
            *out = (int)(i & 1);
            return UNET_OK;
        }
    return fail_node(r, n, "%s: true or false is wanted", f->key);
}

static unet_status read_choice(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, int *out)
{
    char hint[96], all[320] = "";
    size_t used = 0;

    if (n->kind != UN_YAML_SCALAR)
        return fail_node(r, n, "%s: one word is wanted", f->key);
    for (size_t i = 0; i < f->words->count; i++)
        if (!strcmp(f->words->names[i], n->text)) {
            *out = (int)i;
            return UNET_OK;
        }
    /* YAML writers turn on/off into true/false and back */
    for (size_t i = 0; i < f->words->count; i++)
        if ((is_word(n, "true") && !strcmp(f->words->names[i], "on")) ||
            (is_word(n, "false") && !strcmp(f->words->names[i], "off"))) {
            *out = (int)i;
            return UNET_OK;
        }
    for (size_t i = 0; i < f->words->count && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", f->words->names[i]);
    return fail_node(r, n, "%s: '%.60s' is not one of %s%s", f->key, n->text, all,
        guess(hint, sizeof hint, n->text, f->words->names, f->words->count));
}

static unet_status read_colour(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, int *out)
{
    const char *s = n->kind == UN_YAML_SCALAR ? n->text : "";
    int v = 0;

    if (n->kind == UN_YAML_LIST && n->count == 3) {
        for (const un_yaml *e = n->first; e; e = e->next) {
            int64_t part;

            if (e->kind != UN_YAML_SCALAR || !un_parse_int64(e->text, &part) || part < 0 || part > 255)
                return fail_node(r, e, "%s: a part of a colour is a whole number from 0 to 255", f->key);
            v = v << 8 | (int)part;
        }
        *out = v;
        return UNET_OK;
    }
    if (s[0] != '#' || strlen(s) != 7 || strspn(s + 1, "0123456789abcdefABCDEF") != 6)
        return fail_node(r, n, "%s: a colour is \"#rrggbb\" (in quotes) or [r, g, b]", f->key);
    for (s++; *s; s++)
        v = v << 4 | (*s <= '9' ? *s - '0' : (*s | 32) - 'a' + 10);
    *out = v;
    return UNET_OK;
}

static unet_status read_text(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, char *out)
{
    if (n->kind != UN_YAML_SCALAR)
        return fail_node(r, n, "%s: a text is wanted", f->key);
    if (strlen(n->text) >= f->size)
        return fail_node(r, n, "%s: longer than %zu bytes", f->key, f->size - 1);
    memset(out, 0, f->size);
    memcpy(out, n->text, strlen(n->text));
    return UNET_OK;
}

static unet_status read_time_or_memory(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, void *at)
{
    const char *s = n->kind == UN_YAML_SCALAR ? n->text : "";
    uint64_t bytes = 0;
    double v;

    if (f->kind == UN_KIND_SECONDS) {
        if (!un_parse_seconds(s, &v))
            return fail_node(r, n, "%s: a time is wanted, as 90, 45s, 10m or 1h30m", f->key);
    } else {
        if (!un_parse_bytes(s, &bytes))
            return fail_node(r, n, "%s: an amount of memory is wanted, as 512M or 4G", f->key);
        v = (double)bytes;
    }
    if (v < f->lo || v > f->hi)
        return fail_node(r, n, "%s: %s is outside %.10g to %.10g", f->key, s, f->lo, f->hi);
    if (f->kind == UN_KIND_SECONDS)
        *(double *)at = v;
    else
        *(uint64_t *)at = bytes;
    return UNET_OK;
}

/* INTS, BOOLS, NUMS: a list, or one value as a list of one. */
static unet_status read_list(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, void *at)
{
    un_cfg_ints ints = {0};
    un_cfg_nums nums = {0};
    const un_yaml *e = n->kind == UN_YAML_LIST ? n->first : n;
    int i = 0, count = n->kind == UN_YAML_LIST ? n->count : 1;

    if (n->kind == UN_YAML_MAP)
        return fail_node(r, n, "%s: a list is wanted", f->key);
    if (count > UN_CFG_LIST_MAX)
        return fail_node(r, n, "%s: more than %d entries", f->key, UN_CFG_LIST_MAX);
    if ((f->flags & UN_CFG_NONE) && is_word(n, "none"))
        count = 0;
    if (count == 0 && !(f->flags & UN_CFG_NONE))
        return fail_node(r, n, "%s: the list is empty", f->key);
    for (; i < count; i++, e = e->next) {
        int64_t whole = 0;
        unet_status st = f->kind == UN_KIND_NUMS    ? read_number(r, f, e, &nums.v[i])
                         : f->kind == UN_KIND_BOOLS ? read_bool(r, f, e, &ints.v[i])
                                                    : read_whole(r, f, e, &whole);

        if (st)
            return st;
        if (f->kind == UN_KIND_INTS)
            ints.v[i] = (int)whole;
    }
    ints.n = nums.n = count;
    if (f->kind == UN_KIND_NUMS)
        *(un_cfg_nums *)at = nums;
    else
        *(un_cfg_ints *)at = ints;
    return UNET_OK;
}

/* A number for all three axes, [h, w] with d = `fill`, or [d, h, w]. */
static unet_status read_triple(
    const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, double fill, double out[3])
{
    const un_yaml *e = n->first;
    int i = n->count == 2;

    if (n->kind == UN_YAML_SCALAR) {
        unet_status st = read_number(r, f, n, &out[0]);

        out[1] = out[2] = out[0];
        return st;
    }
    if (n->kind == UN_YAML_MAP || n->count < 2 || n->count > 3)
        return fail_node(r, n, "%s: a number, [h, w] or [d, h, w] is wanted", f->key);
    for (out[0] = fill; i < 3; i++, e = e->next) {
        unet_status st = read_number(r, f, e, &out[i]);

        if (st)
            return st;
    }
    return UNET_OK;
}

static unet_status read_whole_triple(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, int out[3])
{
    double v[3];
    unet_status st = read_triple(r, f, n, 1, v);

    for (int i = 0; i < 3 && !st; i++) {
        if (v[i] != floor(v[i]))
            return fail_node(r, n, "%s: whole numbers are wanted", f->key);
        out[i] = (int)v[i];
    }
    return st;
}

static unet_status read_axes(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, un_cfg_axes *out)
{
    un_cfg_axes v = {.n = 1};
    int levels = 0;

    if (n->kind == UN_YAML_LIST)
        for (const un_yaml *e = n->first; e; e = e->next)
            levels |= e->kind == UN_YAML_LIST;
    if (!levels) {
        unet_status st = read_whole_triple(r, f, n, v.v[0]);

        if (!st)
            *out = v;
        return st;
    }
    if (n->count > UN_CFG_LEVELS_MAX)
        return fail_node(r, n, "%s: more than %d levels", f->key, UN_CFG_LEVELS_MAX);
    v.n = 0;
    for (const un_yaml *e = n->first; e; e = e->next) {
        unet_status st = read_whole_triple(r, f, e, v.v[v.n++]);

        if (st)
            return st;
    }
    *out = v;
    return UNET_OK;
}

static unet_status read_range(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, double out[2])
{
    double v[2];
    unet_status st;

    if (n->kind != UN_YAML_LIST || n->count != 2)
        return fail_node(r, n, "%s: [least, largest] is wanted", f->key);
    st = read_number(r, f, n->first, &v[0]);
    if (!st)
        st = read_number(r, f, n->first->next, &v[1]);
    if (st)
        return st;
    if (v[0] > v[1])
        return fail_node(r, n, "%s: the first number is larger than the second", f->key);
    memcpy(out, v, sizeof v);
    return UNET_OK;
}

static unet_status set_defaults(const un_cfg_reader *r, const un_cfg_struct *s, void *at, un_arena *arena);

/* A list of records, or of bare words that are their first members. *at: { int n; record v[max]; } */
static unet_status read_records(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, void *at)
{
    const un_cfg_struct *rec = f->record;
    unsigned char *item = (unsigned char *)at + rec->items;
    un_arena *arena;
    unet_status st = UNET_OK;

    if ((f->flags & UN_CFG_NONE) && (is_word(n, "none") || (n->kind == UN_YAML_LIST && n->count == 0))) {
        memset(at, 0, f->size);
        return UNET_OK;
    }
    if (n->kind != UN_YAML_LIST || n->count == 0)
        return fail_node(r, n, "%s: a list is wanted, as [{%s: ...}, {...}]", f->key, rec->fields[0].key);
    if ((size_t)n->count > rec->max)
        return fail_node(r, n, "%s: more than %zu entries", f->key, rec->max);
    arena = un_arena_create(r->mem);
    if (!arena)
        return un_fail_nomem(r->err, 0);
    memset(at, 0, f->size);
    for (const un_yaml *e = n->first; e && !st; e = e->next, item += rec->size) {
        st = set_defaults(r, rec, item, arena);
        if (st)
            break;
        st = e->kind == UN_YAML_SCALAR ? un_cfg_read_value(r, &rec->fields[0], e, item + rec->fields[0].offset)
                                       : un_cfg_read_struct(r, rec, e, item);
    }
    *(int *)at = n->count;
    un_arena_destroy(arena);
    return st;
}

static void set_auto(const un_cfg_field *f, void *at)
{
    switch (f->kind) {
    case UN_KIND_I64:
        *(int64_t *)at = UN_AUTO_I64;
        break;
    case UN_KIND_NUM:
    case UN_KIND_SECONDS:
        *(double *)at = UN_AUTO_NUM;
        break;
    case UN_KIND_BYTES:
        *(uint64_t *)at = UN_AUTO_BYTES;
        break;
    case UN_KIND_COLOUR:
        *(int *)at = UN_AUTO_COLOUR;
        break;
    case UN_KIND_INT3:
        for (int i = 0; i < 3; i++)
            ((int *)at)[i] = UN_AUTO_INT;
        break;
    case UN_KIND_NUM3:
    case UN_KIND_RANGE:
        for (size_t i = 0; i < f->size / sizeof(double); i++)
            ((double *)at)[i] = UN_AUTO_NUM;
        break;
    case UN_KIND_INT:
        *(int *)at = UN_AUTO_INT;
        break;
    default: /* lists: n comes first */
        memset(at, 0, f->size);
        *(int *)at = UN_CFG_LIST_AUTO;
    }
}

unet_status un_cfg_read_value(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *n, void *at)
{
    int64_t whole;
    unet_status st;

    if (is_word(n, "auto") && f->kind != UN_KIND_CHOICE && f->kind != UN_KIND_STR) {
        if (!(f->flags & UN_CFG_AUTO))
            return fail_node(r, n, "%s: auto is not possible here", f->key);
        set_auto(f, at);
        return UNET_OK;
    }
    switch (f->kind) {
    case UN_KIND_BOOL:
        return read_bool(r, f, n, at);
    case UN_KIND_INT:
    case UN_KIND_I64:
        st = read_whole(r, f, n, &whole);
        if (!st && f->kind == UN_KIND_INT)
            *(int *)at = (int)whole;
        else if (!st)
            *(int64_t *)at = whole;
        return st;
    case UN_KIND_NUM:
        return read_number(r, f, n, at);
    case UN_KIND_SECONDS:
    case UN_KIND_BYTES:
        return read_time_or_memory(r, f, n, at);
    case UN_KIND_COLOUR:
        return read_colour(r, f, n, at);
    case UN_KIND_CHOICE:
        return read_choice(r, f, n, at);
    case UN_KIND_STR:
        return read_text(r, f, n, at);
    case UN_KIND_INTS:
    case UN_KIND_BOOLS:
    case UN_KIND_NUMS:
        return read_list(r, f, n, at);
    case UN_KIND_AXES:
        return read_axes(r, f, n, at);
    case UN_KIND_INT3:
        return read_whole_triple(r, f, n, at);
    case UN_KIND_NUM3:
        return read_triple(r, f, n, 0, at);
    case UN_KIND_RANGE:
        return read_range(r, f, n, at);
    default:
        return read_records(r, f, n, at);
    }
}

/* Keys that stand twice are found by their nodes. */
static unet_status check_repeats(const un_cfg_reader *r, const un_yaml *map)
{
    if (map->count > NAMES_MAX)
        return fail_node(r, map, "more keys than there can be");
    for (const un_yaml *a = map->first; a; a = a->next)
        for (const un_yaml *b = a->next; b; b = b->next)
            if (!strcmp(a->key->text, b->key->text))
                return fail_node(
                    r, b->key, "the key '%.60s' stands twice; first in line %d", b->key->text, a->key->line);
    return UNET_OK;
}

unet_status un_cfg_read_struct(const un_cfg_reader *r, const un_cfg_struct *s, const un_yaml *map, void *at)
{
    const char *names[NAMES_MAX];
    char hint[96];
    unet_status st;

    if (map->kind != UN_YAML_MAP)
        return fail_node(r, map, "%s: keys with values are wanted, as '%s: ...'", s->name, s->fields[0].key);
    st = check_repeats(r, map);
    for (const un_yaml *n = map->first; n && !st; n = n->next) {
        const un_cfg_field *f = un_cfg_field_find(s, n->key->text);

        if (!f) {
            for (size_t i = 0; i < s->count && i < NAMES_MAX; i++)
                names[i] = s->fields[i].key;
            return fail_node(r, n->key, "unknown key '%.60s' in '%s'%s", n->key->text, s->name,
                guess(hint, sizeof hint, n->key->text, names, UN_MIN(s->count, (size_t)NAMES_MAX)));
        }
        st = un_cfg_read_value(r, f, n, (unsigned char *)at + f->offset);
    }
    return st;
}

static unet_status set_defaults(const un_cfg_reader *r, const un_cfg_struct *s, void *at, un_arena *arena)
{
    for (size_t i = 0; i < s->count; i++) {
        const un_cfg_field *f = &s->fields[i];
        unsigned char *member = (unsigned char *)at + f->offset;
        un_yaml *n, plain = {.kind = UN_YAML_SCALAR, .line = 1, .column = 1, .text = f->def};
        unet_status st = UNET_OK;

        if (strpbrk(f->def, "[{\"")) {
            st = un_yaml_parse(&n, arena, f->def, strlen(f->def), f->key, r->err);
            if (st)
                return st;
        } else {
            n = &plain;
        }
        st = un_cfg_read_value(r, f, n, member);
        if (st)
            return st;
    }
    return UNET_OK;
}

unet_status un_config_init(un_config *c, un_mem *mem, unet_error *err)
{
    const un_cfg_reader r = {"defaults", mem, err};
    un_arena *arena = un_arena_create(mem);
    unet_status st = UNET_OK;

    if (!arena)
        return un_fail_nomem(err, 0);
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < un_cfg_section_count && !st; i++)
        st = set_defaults(&r, &un_cfg_sections[i], (unsigned char *)c + un_cfg_sections[i].offset, arena);
    un_arena_destroy(arena);
    return st;
}

static unet_status read_config(const un_cfg_reader *r, const un_yaml *root, un_config *c)
{
    const char *names[NAMES_MAX];
    char hint[96];
    unet_status st;

    if (root->kind != UN_YAML_MAP)
        return fail_node(r, root, "a configuration is made of sections, as 'model:'");
    st = check_repeats(r, root);
    for (const un_yaml *n = root->first; n && !st; n = n->next) {
        const un_cfg_struct *s = un_cfg_section_find(n->key->text);

        if (!s) {
            for (size_t i = 0; i < un_cfg_section_count; i++)
                names[i] = un_cfg_sections[i].name;
            return fail_node(r, n->key, "unknown section '%.60s'%s", n->key->text,
                guess(hint, sizeof hint, n->key->text, names, un_cfg_section_count));
        }
        if (n->kind == UN_YAML_SCALAR && !n->text[0])
            continue; /* a section with nothing under it */
        st = un_cfg_read_struct(r, s, n, (unsigned char *)c + s->offset);
    }
    return st;
}

unet_status un_config_parse(un_config *c, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err)
{
    const un_cfg_reader r = {name, mem, err};
    un_arena *arena = un_arena_create(mem);
    un_config *copy = un_alloc(mem, sizeof *copy);
    un_yaml *root = NULL;
    unet_status st;

    if (!arena || !copy) {
        st = un_fail_nomem(err, sizeof *copy);
        goto done;
    }
    *copy = *c;
    st = un_yaml_parse(&root, arena, text, size, name, err);
    if (!st && root)
        st = read_config(&r, root, copy);
    if (!st)
        *c = *copy;
done:
    un_arena_destroy(arena);
    un_free(copy);
    return st;
}

unet_status un_config_load(un_config *c, un_mem *mem, const char *path, unet_error *err)
{
    unsigned char *text;
    size_t size;
    unet_status st = un_file_read(&text, &size, mem, path, UN_YAML_BYTES, err);

    if (st)
        return st;
    st = un_config_parse(c, mem, (const char *)text, size, path, err);
    un_free(text);
    return st;
}

/* Finds "section.key" or a key that only one section has. */
static unet_status find_key(const char *key, const un_cfg_struct **section, const un_cfg_field **field, unet_error *err)
{
    const char *dot = strchr(key, '.'), *names[512];
    char where[512] = "", hint[96], all[256][64];
    size_t found = 0, count = 0;

    for (size_t i = 0; i < un_cfg_section_count; i++) {
        const un_cfg_struct *s = &un_cfg_sections[i];

        for (size_t j = 0; j < s->count; j++) {
            if (count < UN_COUNT(all)) {
                snprintf(all[count], sizeof all[0], "%s.%s", s->name, s->fields[j].key);
                names[count] = dot ? all[count] : s->fields[j].key;
            }
            if (!strcmp(key, dot ? all[count] : s->fields[j].key)) {
                size_t n = strlen(where);

                snprintf(where + n, sizeof where - n, "%s%s.%s", found ? ", " : "", s->name, s->fields[j].key);
                *section = s;
                *field = &s->fields[j];
                found++;
            }
            count += count + 1 < UN_COUNT(all);
        }
    }
    if (found == 1)
        return UNET_OK;
    if (found > 1)
        return un_fail_file(err, UNET_E_CONFIG, key, "the key '%.60s' is in several sections: %s", key, where);
    return un_fail_file(
        err, UNET_E_CONFIG, key, "unknown key '%.60s'%s", key, guess(hint, sizeof hint, key, names, count));
}

unet_status un_config_set(un_config *c, un_mem *mem, const char *assignment, unet_error *err)
{
    const char *eq = strchr(assignment, '=');
    const un_cfg_struct *s = NULL;
    const un_cfg_field *f = NULL;
    char key[128];
    un_text text;
    unet_status st;

    if (!eq || eq == assignment)
        return un_fail_file(err, UNET_E_CONFIG, assignment, "key=value is wanted, as model.depth=4");
    snprintf(key, sizeof key, "%.*s", (int)UN_MIN(eq - assignment, 120), assignment);
    if (!strcmp(key, "preset"))
        return un_config_preset(c, mem, eq + 1, err);
    st = find_key(key, &s, &f, err);
    if (st)
        return st;
    if (strpbrk(eq + 1, "\r\n"))
        return un_fail_file(err, UNET_E_CONFIG, key, "%s: the value must be on one line", key);
    un_text_init(&text, mem, UN_YAML_BYTES);
    /* in block style and on one line, so that nothing in the value can reach another key */
    un_text_printf(&text, "%s:\n  %s: ", s->name, f->key);
    if (f->kind == UN_KIND_STR || f->kind == UN_KIND_COLOUR) {
        if (eq[1] == '"' || eq[1] == '[')
            un_text_add(&text, eq + 1);
        else
            un_text_json_string(&text, eq + 1);
    } else {
        un_text_add(&text, eq[1] ? eq + 1 : "\"\"");
    }
    st = un_text_status(&text, "the value is too long", err);
    if (!st)
        st = un_config_parse(c, mem, text.s, text.n, assignment, err);
    un_text_free(&text);
    if (st && err)
        err->line = err->column = 0;
    return st;
}
