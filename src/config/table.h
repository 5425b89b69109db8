/* The schema as tables; private to src/config. */
#ifndef UN_CONFIG_TABLE_H
#define UN_CONFIG_TABLE_H

#include "config/config.h"

typedef enum un_cfg_kind {
    UN_KIND_BOOL, UN_KIND_INT, UN_KIND_I64, UN_KIND_NUM, UN_KIND_SECONDS, UN_KIND_BYTES, UN_KIND_COLOUR, UN_KIND_CHOICE,
    UN_KIND_STR, UN_KIND_INTS, UN_KIND_BOOLS, UN_KIND_NUMS, UN_KIND_AXES, UN_KIND_INT3, UN_KIND_NUM3, UN_KIND_RANGE,
    UN_KIND_RECORDS, UN_KIND_COUNT
} un_cfg_kind;

enum { UN_CFG_AUTO = 1, UN_CFG_NONE = 2, UN_CFG_LOCAL = 4 };

typedef struct un_cfg_words {
    const char *const *names, *const *helps;
    size_t count;
} un_cfg_words;

typedef struct un_cfg_field {
    const char *key, *def, *help;
    un_cfg_kind kind;
    unsigned flags;
    double lo, hi;
    size_t offset, size;               /* of the member in its section or record */
    const un_cfg_words *words;         /* CHOICE  */
    const struct un_cfg_struct *record; /* RECORDS */
} un_cfg_field;

/* A section, or the record of a list. */
typedef struct un_cfg_struct {
    const char *name, *title, *help;
    const un_cfg_field *fields;
    size_t count;
    size_t offset;       /* section: in un_config                      */
    size_t size, max;    /* record: bytes of one; most in a list       */
    size_t items;        /* record: offset of v in the list struct     */
} un_cfg_struct;

extern const un_cfg_struct *const un_cfg_sections;
extern const size_t un_cfg_section_count;

const un_cfg_struct *un_cfg_section_find(const char *name);
const un_cfg_field *un_cfg_field_find(const un_cfg_struct *s, const char *key);
const char *un_cfg_kind_name(un_cfg_kind kind);

#include "config/yaml.h"

/* read.c: a value into its member `at`; a whole section or record, unknown and repeated keys refused. */
typedef struct un_cfg_reader {
    const char *name; /* of the text, for messages */
    un_mem *mem;
    unet_error *err;
} un_cfg_reader;
unet_status un_cfg_read_value(const un_cfg_reader *r, const un_cfg_field *f, const un_yaml *node, void *at);
unet_status un_cfg_read_struct(const un_cfg_reader *r, const un_cfg_struct *s, const un_yaml *node, void *at);

/* write.c: the value in YAML, in one line. */
void un_cfg_write_value(un_text *t, const un_cfg_field *f, const void *at);

#endif
