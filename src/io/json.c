#include "io/json.h"

#include <jansson.h>

/* Nesting of brackets outside of texts. Stops counting above the limit; *at is where it was passed. */
static int too_deep(const char *text, size_t size, size_t *at)
{
    int depth = 0, in_text = 0;

    for (size_t i = 0; i < size; i++) {
        if (in_text) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_text = 0;
        } else if (text[i] == '"') {
            in_text = 1;
        } else if (text[i] == '{' || text[i] == '[') {
            *at = i;
            if (++depth > UN_JSON_DEPTH)
                return 1;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    return 0;
}

unet_status un_json_parse(un_json **out, const char *text, size_t size, const char *name, unet_error *err)
{
    json_error_t e;
    size_t at = 0;

    *out = NULL;
    if (too_deep(text, size, &at))
        return un_fail_offset(
            err, UNET_E_FORMAT, name, (int64_t)at, "JSON is nested deeper than %d levels", UN_JSON_DEPTH);
    *out = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (*out)
        return UNET_OK;
    if (json_error_code(&e) == json_error_out_of_memory)
        return un_fail_nomem(err, size);
    return un_fail_offset(err, UNET_E_FORMAT, name, e.position, "not JSON: %s", e.text);
}

void un_json_free(un_json *j)
{
    json_decref(j);
}

int un_json_is_object(const un_json *j)
{
    return json_is_object(j);
}

int un_json_is_array(const un_json *j)
{
    return json_is_array(j);
}

int un_json_int(const un_json *j, int64_t *out)
{
    if (!json_is_integer(j))
        return 0;
    *out = json_integer_value(j);
    return 1;
}

int un_json_number(const un_json *j, double *out)
{
    if (!json_is_number(j))
        return 0;
    *out = json_number_value(j);
    return 1;
}

int un_json_bool(const un_json *j, int *out)
{
    if (!json_is_boolean(j))
        return 0;
    *out = json_is_true(j);
    return 1;
}

const char *un_json_string(const un_json *j)
{
    return json_string_value(j);
}

size_t un_json_count(const un_json *j)
{
    return json_is_object(j) ? json_object_size(j) : json_array_size(j);
}

const un_json *un_json_at(const un_json *array, size_t i)
{
    return json_array_get(array, i);
}

const un_json *un_json_get(const un_json *object, const char *key)
{
    return json_object_get(object, key);
}

int un_json_next(const un_json *object, void **iter, const char **key, const un_json **value)
{
    json_t *o = (json_t *)object; /* jansson's walk takes no const; nothing is changed */

    if (!json_is_object(object))
        return 0;
    *iter = *iter ? json_object_iter_next(o, *iter) : json_object_iter(o);
    if (!*iter)
        return 0;
    *key = json_object_iter_key(*iter);
    *value = json_object_iter_value(*iter);
    return 1;
}
