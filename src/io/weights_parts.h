/* How the readers of the formats fill an un_weights; internal to src/io. */
#ifndef UN_IO_WEIGHTS_PARTS_H
#define UN_IO_WEIGHTS_PARTS_H

#include "io/weights.h"
#include "io/zip.h"

struct un_weights {
    un_mem *mem;
    un_map map;
    un_zip *zip;
    un_safetensors *st;
    un_arena *arena; /* names, values of pickles */
    const char *name, *format, *root;
    un_weight *item;
    const un_weight **by_name;
    size_t count, cap, others;
};

/* Room for one more; NULL: err is filled. The name is copied. */
un_weight *un_weights_add(un_weights *w, const char *name, unet_error *err);

/* Sets count; 0: the dims are too large for any array. */
int un_weight_count(un_weight *t);
/* Of elements without gaps, the last dimension first; fortran: the first. Needs the count. */
void un_weight_strides(un_weight *t, int fortran);

UN_NODISCARD unet_status un_weights_read_torch_zip(un_weights *w, const char *root, unet_error *err);
int un_torch_is_legacy(const unsigned char *data, size_t size);
UN_NODISCARD unet_status un_weights_read_torch_legacy(
    un_weights *w, const unsigned char *data, size_t size, unet_error *err);
UN_NODISCARD unet_status un_weights_read_npz(un_weights *w, unet_error *err);

#endif
