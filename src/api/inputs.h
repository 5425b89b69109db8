/* Files to work on: from files and folders to a list with the place of each output. */
#ifndef UN_API_INPUTS_H
#define UN_API_INPUTS_H

#include "base/error.h"
#include "base/mem.h"

typedef struct un_input {
    char *path; /* can be opened */
    char *stem; /* relative to what was given, without suffix: where the output goes, folders kept */
} un_input;

typedef struct un_inputs {
    un_mem *mem;
    un_input *file;
    size_t count, cap;
} un_inputs;

/* Folders are walked, names sorted bytewise; in them only names with a picture's suffix count. A folder without any, or
 * a path that is not there: an error. Two files that would write one output: an error that names both. */
UN_NODISCARD unet_status un_inputs_collect(
    un_inputs *out, un_mem *mem, const char *const *paths, size_t count, unet_error *err);
void un_inputs_free(un_inputs *in);

#endif
