/* The configuration of a run: one plain struct, made from schema.def, that may be copied by assignment.
 *
 * Values come from a YAML file, then from `key=value` words; both pass the same checks. Members that are "auto" hold a
 * marker (un_is_auto) until the planner or the caller has put a number there. Axis triples are d, h, w; 2-D has d = 1.
 */
#ifndef UN_CONFIG_CONFIG_H
#define UN_CONFIG_CONFIG_H

#include <float.h>
#include <limits.h>

#include "base/text.h"
#include "base/error.h"

enum { UN_CFG_LIST_MAX = 256, UN_CFG_LEVELS_MAX = 8, UN_CFG_LIST_AUTO = -1 };

/* Lists: n = UN_CFG_LIST_AUTO means auto. */
typedef struct un_cfg_ints {
    int n, v[UN_CFG_LIST_MAX];
} un_cfg_ints;
typedef struct un_cfg_nums {
    int n;
    double v[UN_CFG_LIST_MAX];
} un_cfg_nums;
typedef struct un_cfg_axes {
    int n, v[UN_CFG_LEVELS_MAX][3]; /* one entry: for every level */
} un_cfg_axes;

#define UN_AUTO_INT    INT_MIN
#define UN_AUTO_I64    INT64_MIN
#define UN_AUTO_NUM    (-DBL_MAX)
#define UN_AUTO_BYTES  UINT64_MAX
#define UN_AUTO_COLOUR (-1)

static inline int un_auto_int(int v)
{
    return v == UN_AUTO_INT;
}
static inline int un_auto_i64(int64_t v)
{
    return v == UN_AUTO_I64;
}
static inline int un_auto_bytes(uint64_t v)
{
    return v == UN_AUTO_BYTES;
}
static inline int un_auto_num(double v)
{
    return v == UN_AUTO_NUM;
}
/* For INT, I64, BYTES, NUM and SECONDS members; of INT3, NUM3 and RANGE members ask element [0]; of lists n. */
#define un_is_auto(x)                                                                                                  \
    _Generic((x), int : un_auto_int, int64_t : un_auto_i64, uint64_t : un_auto_bytes, double : un_auto_num)(x)

/* enum un_cfg_norm { UN_CFG_NORM_AUTO, ... } and so on. */
#define UN_VALUES(list)                                                                                                \
    typedef enum un_cfg_##list                                                                                         \
    {
#define UN_VALUE(list, ID, name, help) UN_CFG_##ID,
#define UN_VALUES_END(list)                                                                                            \
    }                                                                                                                  \
    un_cfg_##list;
#include "config/schema.def"

/* struct un_cfg_class { char name[64]; int value; int color; }, un_cfg_class_list { int n; un_cfg_class v[256]; },
 * struct un_cfg_model { int dims; ... } and so on. BYTES are bytes, SECONDS seconds, COLOUR 0xrrggbb. */
#define UN_MEMBER_BOOL(key, extra)    int key
#define UN_MEMBER_INT(key, extra)     int key
#define UN_MEMBER_I64(key, extra)     int64_t key
#define UN_MEMBER_NUM(key, extra)     double key
#define UN_MEMBER_SECONDS(key, extra) double key
#define UN_MEMBER_BYTES(key, extra)   uint64_t key
#define UN_MEMBER_COLOUR(key, extra)  int key
#define UN_MEMBER_CHOICE(key, extra)  un_cfg_##extra key
#define UN_MEMBER_STR(key, extra)     char key[extra]
#define UN_MEMBER_INTS(key, extra)    un_cfg_ints key
#define UN_MEMBER_BOOLS(key, extra)   un_cfg_ints key
#define UN_MEMBER_NUMS(key, extra)    un_cfg_nums key
#define UN_MEMBER_AXES(key, extra)    un_cfg_axes key
#define UN_MEMBER_INT3(key, extra)    int key[3]
#define UN_MEMBER_NUM3(key, extra)    double key[3]
#define UN_MEMBER_RANGE(key, extra)   double key[2]
#define UN_MEMBER_RECORDS(key, extra) un_cfg_##extra##_list key
#define UN_RECORD(name, max, help)                                                                                     \
    enum { UN_CFG_MAX_##name = max };                                                                                  \
    typedef struct un_cfg_##name {
#define UN_RECORD_END(name)                                                                                            \
    }                                                                                                                  \
    un_cfg_##name;                                                                                                     \
    typedef struct un_cfg_##name##_list {                                                                              \
        int n;                                                                                                         \
        un_cfg_##name v[UN_CFG_MAX_##name];                                                                            \
    } un_cfg_##name##_list;
#define UN_SECTION(name, title, help) typedef struct un_cfg_##name {
#define UN_SECTION_END(name)                                                                                           \
    }                                                                                                                  \
    un_cfg_##name;
#define UN_KEY(KIND, owner, key, def, lo, hi, extra, flags, help) UN_MEMBER_##KIND(key, extra);
#include "config/schema.def"

/* un_config.model.depth and so on. About 40 KiB. */
typedef struct un_config {
#define UN_SECTION(name, title, help) un_cfg_##name name;
#include "config/schema.def"
} un_config;

/* All defaults. Fails only without memory. */
UN_NODISCARD unet_status un_config_init(un_config *c, un_mem *mem, unet_error *err);

/* Reads YAML text over the values that *c holds; `name` stands in messages. On failure *c is unchanged. */
UN_NODISCARD unet_status un_config_parse(
    un_config *c, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err);
UN_NODISCARD unet_status un_config_load(un_config *c, un_mem *mem, const char *path, unet_error *err);

/* Named sets of values (presets.def), set over what *c holds; keys they do not name stay. */
typedef struct un_preset {
    const char *name, *help, *paper, *yaml;
} un_preset;
size_t un_preset_count(void);
const un_preset *un_preset_at(size_t i); /* NULL behind the last */
UN_NODISCARD unet_status un_config_preset(un_config *c, un_mem *mem, const char *name, unet_error *err);

/* One "section.key=value" (or "preset=name") (the section may be left out where the key alone is unique); value as in
 * YAML, in one line.
 */
UN_NODISCARD unet_status un_config_set(un_config *c, un_mem *mem, const char *assignment, unet_error *err);

/* Checks what one key cannot: lists against the depth, batch against ghost batch, classes against mapping. Members that
 * are auto are passed over. Errors name the key in `where`. */
UN_NODISCARD unet_status un_config_check(const un_config *c, unet_error *err);

typedef struct un_config_style {
    int comments; /* help behind each key                                              */
    int changed;  /* only keys that differ from the default                            */
    int no_paths; /* leave out keys of this machine (files, threads, memory): what goes into a model */
    const char *(*why)(void *ctx, const char *section, const char *key); /* a comment above a key; NULL: none */
    void *ctx;
} un_config_style;

/* Canonical YAML: reads back equal. NULL style: everything, no comments. Failure sticks in the text. */
UN_NODISCARD unet_status un_config_write(const un_config *c, un_text *t, const un_config_style *style, unet_error *err);
int un_config_equal(const un_config *a, const un_config *b);

/* The first key, in the order of the schema, whose values differ. 1: there is one. Keys that a holds as `except` does
 * are passed over (NULL: none). */
typedef struct un_config_difference {
    char key[64];      /* "train.steps"                */
    char a[64], b[64]; /* the values as YAML, maybe cut */
} un_config_difference;
int un_config_differs(un_config_difference *out, const un_config *a, const un_config *b, const un_config *except);

/* The entry of a level: the one entry stands for every level; in 2-D (dims 2) the depth entry is 1. */
void un_config_axes_at(const un_cfg_axes *a, int level, int dims, int out[3]);
int un_config_int_at(const un_cfg_ints *a, int level);

/* Everything there is to say about the keys, for docs, `unet help` and shell completion. */
typedef struct un_config_key_info {
    const char *section, *key, *kind, *def, *help;
    double lo, hi; /* equal: no range */
    int may_be_auto;
    const char *const *values; /* words of a choice; NULL: none */
    const char *const *helps;  /* of these words */
    size_t value_count;
} un_config_key_info;
size_t un_config_key_count(void);
void un_config_key(size_t i, un_config_key_info *out);
const char *un_config_word(const char *section, const char *key, int value); /* "batch"; NULL: none */
const char *un_config_word_help(const char *section, const char *key, int value);

void un_config_docs(un_text *t); /* docs/config.md */
UN_NODISCARD unet_status un_config_help(
    un_text *t, const char *topic, unet_error *err); /* NULL, section, or section.key */

#endif
