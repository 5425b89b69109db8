/* Named arrays in files of other programs: state dicts of PyTorch (the zip form of 1.6 and later, and the older form of
 * pickles one after the other), npz, safetensors. Bytes are hostile; nothing in a file is executed. Arrays stay where
 * they lie in the mapped file. Little-endian machines only, as the rest of the library. */
#ifndef UN_IO_WEIGHTS_H
#define UN_IO_WEIGHTS_H

#include "io/safetensors.h"

typedef struct un_weight {
    const char *name; /* parts of nested dicts joined by dots */
    un_st_dtype dtype;
    int rank;
    int64_t dims[UN_ST_RANK], strides[UN_ST_RANK], count; /* strides in elements */
    const unsigned char *data;                            /* the first element; not aligned in general */
} un_weight;

typedef struct un_weights un_weights;

/* Maps the file. / Borrows the bytes, which must outlive the result. */
UN_NODISCARD unet_status un_weights_open(un_weights **out, un_mem *mem, const char *path, unet_error *err);
UN_NODISCARD unet_status un_weights_view(
    un_weights **out, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err);
void un_weights_close(un_weights *w); /* NULL is fine */

const char *un_weights_format(const un_weights *w); /* "PyTorch (zip)" */
/* The dict inside the checkpoint that was read, as "model.state_dict"; "": the outermost. */
const char *un_weights_root(const un_weights *w);
size_t un_weights_others(const un_weights *w); /* entries that are no arrays */
size_t un_weights_count(const un_weights *w);
const un_weight *un_weights_at(const un_weights *w, size_t i);           /* in the order of the file */
const un_weight *un_weights_find(const un_weights *w, const char *name); /* NULL: none */

/* The array as float32 in row order, whatever its type; dst: t->count floats. */
void un_weight_to_f32(const un_weight *t, float *dst);

#endif
