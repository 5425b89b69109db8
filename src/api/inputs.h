/* Files to work on: from files and folders to a list with the place of each output. */
#ifndef UN_API_INPUTS_H
#define UN_API_INPUTS_H

#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

typedef struct un_input {
    char *path;     /* can be opened */
    char *stem;     /* relative to what was given, without suffix: where the output goes, folders kept */
    int page;       /* of a file whose pages are pictures of their own; -1: the file is one picture */
    char **channel; /* [channels - 1] further files, one for each channel; NULL: none */
    int channels;   /* files */
} un_input;

typedef struct un_inputs {
    un_mem *mem;
    un_input *file;
    size_t count, cap;
    uint64_t but[2]; /* device and inode of the folder that is passed over */
} un_inputs;

/* Folders are walked, names sorted bytewise; in them only names with a picture's suffix count, and the folder `but` is
 * passed over (NULL: none). A path that is not there and holds *, ? or [ is a pattern: it stands for what it matches,
 * as in a shell. A folder without any picture, a path that is not there, a pattern that matches nothing: an error. Two
 * files that would write one output: an error that names both. The files are sorted by stem. */
UN_NODISCARD unet_status un_inputs_collect(
    un_inputs *out, un_mem *mem, const char *const *paths, size_t count, const char *but, unet_error *err);
int un_inputs_has(const un_inputs *in, const char *stem);
void un_inputs_free(un_inputs *in);

/* A model of `channels` channels takes NAME_0000, NAME_0001 ... of one channel each, as nnU-Net has them, as one
 * picture NAME. Names that do not come as a whole set, and files of several channels, stay as they are. */
UN_NODISCARD unet_status un_inputs_join_channels(un_inputs *in, int channels, unet_error *err);

/* Files whose pages are pictures of their own (data/series.h) become NAME_page0001 ... */
UN_NODISCARD unet_status un_inputs_split_pages(un_inputs *in, const un_config *cfg, unet_error *err);

#endif
