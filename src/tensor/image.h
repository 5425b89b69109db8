/* A picture or volume in memory as it was read: dense, channels last, in the file's own number type. */
#ifndef UN_TENSOR_IMAGE_H
#define UN_TENSOR_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

typedef enum un_dtype {
    UN_DTYPE_U8,
    UN_DTYPE_I8,
    UN_DTYPE_U16,
    UN_DTYPE_I16,
    UN_DTYPE_U32,
    UN_DTYPE_I32,
    UN_DTYPE_F32,
    UN_DTYPE_F64,
    UN_DTYPE_COUNT
} un_dtype;

size_t un_dtype_size(un_dtype t);
const char *un_dtype_name(un_dtype t); /* "u8", "f32" */

/* Owned by whoever holds it; un_image_free releases data and palette. A zeroed struct is an empty image. */
typedef struct un_image {
    un_dtype type;
    int d, h, w, c;         /* all at least 1; 2-D has d = 1. Element (z, y, x, k): ((z*h + y)*w + x)*c + k */
    void *data;             /* un_alloc'ed */
    unsigned char *palette; /* RGB triples of indexed pictures (data then holds indices, c = 1); NULL: none */
    int palette_size;       /* entries */
    int alpha;              /* 1: the last channel is opacity */
    int bits;               /* significant bits of integer samples as stored: 1..16; 0: all of the type */
    double spacing[3];      /* distance of neighbours along d, h, w in mm (or 1 when unknown)             */
    int has_spacing;
    int has_affine; /* NIfTI: voxel (x, y, z) index to world mm (RAS+), rows of the 3x4 matrix, for the stored axes */
    double affine[3][4];
} un_image;

/* Where the pixels of a picture lie that is not dense: the caller's memory. Pixel (z, y, x) starts at data + z * slice
 * + y * row + x * pixel (bytes); backwards: channel k is stored at place c - 1 - k. */
typedef struct un_strides {
    ptrdiff_t slice, row, pixel;
    int backwards;
} un_strides;

void un_image_free(un_image *im); /* NULL is fine; leaves an empty image */

/* Allocates zeroed data for the extents; checked sizes. */
UN_NODISCARD unet_status un_image_create(
    un_image *im, un_mem *mem, un_dtype type, int d, int h, int w, int c, unet_error *err);

static inline size_t un_image_count(const un_image *im)
{
    return (size_t)im->d * (size_t)im->h * (size_t)im->w * (size_t)im->c;
}

/* Element i of the dense array as double. */
double un_image_at(const un_image *im, size_t i);

/* All elements as float, in order; dst has un_image_count elements. */
void un_image_to_f32(const un_image *im, float *dst);

#endif
