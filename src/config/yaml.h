/* A YAML subset as a tree: maps, lists and scalars with their position. The only place that knows libyaml.
 *
 * Refused: anchors, aliases, tags, several documents, keys that are not scalars, more than UN_YAML_DEPTH levels,
 * UN_YAML_NODES nodes or UN_YAML_BYTES bytes, text that is not UTF-8. */
#ifndef UN_CONFIG_YAML_H
#define UN_CONFIG_YAML_H

#include "base/error.h"
#include "base/mem.h"

enum { UN_YAML_DEPTH = 16, UN_YAML_NODES = 100000, UN_YAML_BYTES = 1 << 20 };

typedef enum un_yaml_kind { UN_YAML_SCALAR, UN_YAML_LIST, UN_YAML_MAP } un_yaml_kind;

typedef struct un_yaml {
    un_yaml_kind kind;
    int line, column;            /* 1-based                                   */
    const char *text;            /* scalar                                    */
    int quoted;                  /* scalar in quotes: never a keyword         */
    struct un_yaml *first, *next; /* children in order; of a map: the values   */
    struct un_yaml *key;         /* of a map's value: its key (a scalar)      */
    int count;                   /* children                                  */
} un_yaml;

/* *root is NULL for an empty text. The tree lives in the arena. */
UN_NODISCARD unet_status un_yaml_parse(
    un_yaml **root, un_arena *arena, const char *text, size_t size, const char *name, unet_error *err);

#endif
