/* The tables that schema.def expands to. */
#include "config/table.h"

#include <string.h>

#include "base/size.h"

/* The inference library explains no keys. */
#ifdef UN_INFERENCE
#define EXPLAINED(text) ""
#else
#define EXPLAINED(text) text
#endif

enum { AUTO = UN_CFG_AUTO, NONE = UN_CFG_NONE, LOCAL = UN_CFG_LOCAL };

#define UN_VALUES(list)                static const char *const names_##list[] = {
#define UN_VALUE(list, ID, name, help) name,
#define UN_VALUES_END(list)                                                                                            \
    }                                                                                                                  \
    ;
#include "config/schema.def"

#define UN_VALUES(list)                static const char *const helps_##list[] = {
#define UN_VALUE(list, ID, name, help) EXPLAINED(help),
#define UN_VALUES_END(list)                                                                                            \
    }                                                                                                                  \
    ;
#include "config/schema.def"

#define UN_VALUES(list) static const un_cfg_words words_##list = {names_##list, helps_##list, UN_COUNT(names_##list)};
#include "config/schema.def"

/* What `extra` means: members words and record of a field. */
#define EXTRA_BOOL(x)    NULL, NULL
#define EXTRA_INT(x)     NULL, NULL
#define EXTRA_I64(x)     NULL, NULL
#define EXTRA_NUM(x)     NULL, NULL
#define EXTRA_SECONDS(x) NULL, NULL
#define EXTRA_BYTES(x)   NULL, NULL
#define EXTRA_COLOUR(x)  NULL, NULL
#define EXTRA_CHOICE(x)  &words_##x, NULL
#define EXTRA_STR(x)     NULL, NULL
#define EXTRA_INTS(x)    NULL, NULL
#define EXTRA_BOOLS(x)   NULL, NULL
#define EXTRA_NUMS(x)    NULL, NULL
#define EXTRA_AXES(x)    NULL, NULL
#define EXTRA_INT3(x)    NULL, NULL
#define EXTRA_NUM3(x)    NULL, NULL
#define EXTRA_RANGE(x)   NULL, NULL
#define EXTRA_RECORDS(x) NULL, &record_##x

#define UN_RECORD(name, max, help) static const un_cfg_struct record_##name;
#include "config/schema.def"

#define UN_RECORD(name, max, help) static const un_cfg_field fields_##name[] = {
#define UN_RECORD_END(name)                                                                                            \
    }                                                                                                                  \
    ;
#define UN_SECTION(name, title, help) static const un_cfg_field fields_##name[] = {
#define UN_SECTION_END(name)                                                                                           \
    }                                                                                                                  \
    ;
#define UN_KEY(KIND, owner, key, def, lo, hi, extra, flags, help)                                                      \
    {#key, def, EXPLAINED(help), UN_KIND_##KIND, flags, lo, hi, offsetof(un_cfg_##owner, key),                         \
        sizeof(((un_cfg_##owner *)0)->key), EXTRA_##KIND(extra)},
#include "config/schema.def"

#define UN_RECORD(name, max, help)                                                                                     \
    static const un_cfg_struct record_##name = {#name, EXPLAINED(help), EXPLAINED(help), fields_##name,                \
        UN_COUNT(fields_##name), 0, sizeof(un_cfg_##name), max, offsetof(un_cfg_##name##_list, v)};
#include "config/schema.def"

static const un_cfg_struct sections[] = {
#define UN_SECTION(name, title, help)                                                                                  \
    {#name, EXPLAINED(title), EXPLAINED(help), fields_##name, UN_COUNT(fields_##name), offsetof(un_config, name),      \
        sizeof(un_cfg_##name), 0, 0},
#include "config/schema.def"
};

const un_cfg_struct *const un_cfg_sections = sections;
const size_t un_cfg_section_count = UN_COUNT(sections);

const un_cfg_struct *un_cfg_section_find(const char *name)
{
    for (size_t i = 0; i < UN_COUNT(sections); i++)
        if (!strcmp(sections[i].name, name))
            return &sections[i];
    return NULL;
}

const un_cfg_field *un_cfg_field_find(const un_cfg_struct *s, const char *key)
{
    for (size_t i = 0; i < s->count; i++)
        if (!strcmp(s->fields[i].key, key))
            return &s->fields[i];
    return NULL;
}

const char *un_cfg_kind_name(un_cfg_kind kind)
{
    static const char *const name[] = {
        [UN_KIND_BOOL] = "true or false",
        [UN_KIND_INT] = "whole number",
        [UN_KIND_I64] = "whole number",
        [UN_KIND_NUM] = "number",
        [UN_KIND_SECONDS] = "time",
        [UN_KIND_BYTES] = "memory",
        [UN_KIND_COLOUR] = "colour",
        [UN_KIND_CHOICE] = "word",
        [UN_KIND_STR] = "text",
        [UN_KIND_INTS] = "list of whole numbers",
        [UN_KIND_BOOLS] = "list of true and false",
        [UN_KIND_NUMS] = "list of numbers",
        [UN_KIND_AXES] = "whole numbers per axis and level",
        [UN_KIND_INT3] = "[d, h, w]",
        [UN_KIND_NUM3] = "[d, h, w]",
        [UN_KIND_RANGE] = "[least, largest]",
        [UN_KIND_RECORDS] = "list of records",
    };
    _Static_assert(UN_COUNT(name) == UN_KIND_COUNT, "a name each");

    return name[kind];
}

size_t un_config_key_count(void)
{
    size_t n = 0;

    for (size_t i = 0; i < UN_COUNT(sections); i++)
        n += sections[i].count;
    return n;
}

void un_config_key(size_t i, un_config_key_info *out)
{
    const un_cfg_struct *s = sections;
    const un_cfg_field *f;

    *out = (un_config_key_info){0};
    while (s < sections + UN_COUNT(sections) && i >= s->count)
        i -= s++->count;
    if (s == sections + UN_COUNT(sections))
        return;
    f = &s->fields[i];
    *out = (un_config_key_info){s->name, f->key, un_cfg_kind_name(f->kind), f->def, f->help, f->lo, f->hi,
        (f->flags & UN_CFG_AUTO) != 0, f->words ? f->words->names : NULL, f->words ? f->words->helps : NULL,
        f->words ? f->words->count : 0};
}

static const un_cfg_words *words_of(const char *section, const char *key)
{
    const un_cfg_struct *s = un_cfg_section_find(section);
    const un_cfg_field *f = s ? un_cfg_field_find(s, key) : NULL;

    return f ? f->words : NULL;
}

const char *un_config_word(const char *section, const char *key, int value)
{
    const un_cfg_words *w = words_of(section, key);

    return w && value >= 0 && (size_t)value < w->count ? w->names[value] : NULL;
}

const char *un_config_word_help(const char *section, const char *key, int value)
{
    const un_cfg_words *w = words_of(section, key);

    return w && value >= 0 && (size_t)value < w->count ? w->helps[value] : NULL;
}

void un_config_axes_at(const un_cfg_axes *a, int level, int dims, int out[3])
{
    const int *v = a->v[a->n > 1 ? UN_MIN(level, a->n - 1) : 0];

    for (int i = 0; i < 3; i++)
        out[i] = i == 0 && dims == 2 ? 1 : v[i];
}

int un_config_int_at(const un_cfg_ints *a, int level)
{
    return a->v[a->n > 1 ? UN_MIN(level, a->n - 1) : 0];
}
