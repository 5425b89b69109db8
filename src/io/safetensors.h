/* The safetensors container: 8 bytes little-endian header length, a JSON header, then the bytes of the tensors without
 * gaps. Everything in a file is taken as hostile. Little-endian machines only, as the rest of the library. */
#ifndef UN_IO_SAFETENSORS_H
#define UN_IO_SAFETENSORS_H

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"

enum { UN_ST_RANK = 8, UN_ST_HEADER_MAX = 100000000, UN_ST_TENSORS_MAX = 65536, UN_ST_VALUES_MAX = 1 << 22 };

typedef enum un_st_dtype {
    UN_ST_BOOL,
    UN_ST_U8,
    UN_ST_I8,
    UN_ST_U16,
    UN_ST_I16,
    UN_ST_F16,
    UN_ST_BF16,
    UN_ST_U32,
    UN_ST_I32,
    UN_ST_F32,
    UN_ST_U64,
    UN_ST_I64,
    UN_ST_F64,
    UN_ST_DTYPE_COUNT
} un_st_dtype;
size_t un_st_dtype_size(un_st_dtype t);
const char *un_st_dtype_name(un_st_dtype t);

typedef struct un_st_tensor {
    const char *name;
    un_st_dtype dtype;
    int rank;
    int64_t dims[UN_ST_RANK], count;
    const void *data; /* `size` bytes; not aligned in general */
    size_t size;
} un_st_tensor;

typedef struct un_safetensors un_safetensors;

/* Maps the file. / Borrows the bytes, which must outlive the result. */
UN_NODISCARD unet_status un_safetensors_open(un_safetensors **out, un_mem *mem, const char *path, unet_error *err);
UN_NODISCARD unet_status un_safetensors_view(
    un_safetensors **out, un_mem *mem, const void *data, size_t size, const char *name, unet_error *err);
void un_safetensors_close(un_safetensors *s); /* NULL is fine */

/* The mapping of an open file goes to the caller, who closes it; tensors keep pointing into it. Empty: there is none.
 */
un_map un_safetensors_take(un_safetensors *s);

size_t un_safetensors_count(const un_safetensors *s);
const un_st_tensor *un_safetensors_at(const un_safetensors *s, size_t i);           /* in the order of the data */
const un_st_tensor *un_safetensors_find(const un_safetensors *s, const char *name); /* NULL: none */
const char *un_safetensors_meta(const un_safetensors *s, const char *key);          /* NULL: none */

float un_half_to_float(uint16_t h); /* IEEE binary16 -> binary32, exact */

/* The tensor as float32: F32, F64, F16 and BF16 are converted, others refused. dst: t->count floats. */
UN_NODISCARD unet_status un_st_to_f32(const un_st_tensor *t, float *dst, unet_error *err);

typedef struct un_st_meta {
    const char *key, *value;
} un_st_meta;

/* Writes atomically: tensors in the order given (name, dtype, rank, dims, data are read; count and size follow from
 * them), the data begin at a multiple of 64. The same input gives the same bytes. */
UN_NODISCARD unet_status un_safetensors_write(un_mem *mem, const char *path, const un_st_tensor *tensors, size_t count,
    const un_st_meta *meta, size_t meta_count, unet_error *err);

#endif
