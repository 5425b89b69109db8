/* JSON from untrusted bytes, bounded. Writers use base/text.h. */
#ifndef UN_IO_JSON_H
#define UN_IO_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

enum { UN_JSON_DEPTH = 32 };

typedef struct un_json un_json;

/* One JSON value in size bytes. Refused: more than UN_JSON_DEPTH levels, a key that stands twice in an object, bytes
 * that are not UTF-8, zero characters in texts, whole numbers beyond 64 bits. `name` stands in messages; err->offset is
 * the byte. */
UN_NODISCARD unet_status un_json_parse(
    un_json **out, un_mem *mem, const char *text, size_t size, const char *name, unet_error *err);
void un_json_free(un_json *j); /* NULL is fine */

/* Accessors take NULL as a value of no type. The int ones return 0 when the type is another one. Texts are borrowed. */
int un_json_is_object(const un_json *j);
int un_json_is_array(const un_json *j);
int un_json_int(const un_json *j, int64_t *out);
int un_json_number(const un_json *j, double *out); /* whole numbers too */
int un_json_bool(const un_json *j, int *out);
const char *un_json_string(const un_json *j); /* NULL: no text */
size_t un_json_count(const un_json *j);       /* of an array or object; else 0 */
const un_json *un_json_at(const un_json *array, size_t i);
const un_json *un_json_get(const un_json *object, const char *key);
/* Walks an object in the order of the text: *iter starts as NULL; 0 at the end. */
int un_json_next(const un_json *object, void **iter, const char **key, const un_json **value);

#endif
