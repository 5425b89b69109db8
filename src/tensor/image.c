/* Pictures in memory: allocation and conversion. */
#include "tensor/image.h"

#include <string.h>

#include "base/size.h"

static const struct {
    size_t size;
    const char *name;
} dtypes[] = {
    [UN_DTYPE_U8] = {1, "u8"},
    [UN_DTYPE_I8] = {1, "i8"},
    [UN_DTYPE_U16] = {2, "u16"},
    [UN_DTYPE_I16] = {2, "i16"},
    [UN_DTYPE_U32] = {4, "u32"},
    [UN_DTYPE_I32] = {4, "i32"},
    [UN_DTYPE_F32] = {4, "f32"},
    [UN_DTYPE_F64] = {8, "f64"},
};
_Static_assert(UN_COUNT(dtypes) == UN_DTYPE_COUNT, "a row each");

size_t un_dtype_size(un_dtype t)
{
    return dtypes[t].size;
}

const char *un_dtype_name(un_dtype t)
{
    return dtypes[t].name;
}

void un_image_free(un_image *im)
{
    if (!im)
        return;
    un_free(im->data);
    un_free(im->palette);
    memset(im, 0, sizeof *im);
}

unet_status un_image_create(un_image *im, un_mem *mem, un_dtype type, int d, int h, int w, int c, unet_error *err)
{
    size_t n;

    memset(im, 0, sizeof *im);
    if (d < 1 || h < 1 || w < 1 || c < 1)
        return un_fail(err, UNET_E_ARG, "an image of %dx%dx%dx%d has no elements", d, h, w, c);
    if (!un_size_mul((size_t)d, (size_t)h, &n) || !un_size_mul(n, (size_t)w, &n) || !un_size_mul(n, (size_t)c, &n) ||
        !un_size_mul(n, un_dtype_size(type), &n))
        return un_fail(err, UNET_E_LIMIT, "an image of %dx%dx%dx%d is too large", d, h, w, c);
    im->data = un_alloc_zero(mem, n);
    if (!im->data)
        return un_fail_nomem(err, n);
    im->type = type;
    im->d = d;
    im->h = h;
    im->w = w;
    im->c = c;
    for (int i = 0; i < 3; i++)
        im->spacing[i] = 1.0;
    return UNET_OK;
}

double un_image_at(const un_image *im, size_t i)
{
    switch (im->type) {
    case UN_DTYPE_U8:
        return ((const uint8_t *)im->data)[i];
    case UN_DTYPE_I8:
        return ((const int8_t *)im->data)[i];
    case UN_DTYPE_U16:
        return ((const uint16_t *)im->data)[i];
    case UN_DTYPE_I16:
        return ((const int16_t *)im->data)[i];
    case UN_DTYPE_U32:
        return ((const uint32_t *)im->data)[i];
    case UN_DTYPE_I32:
        return ((const int32_t *)im->data)[i];
    case UN_DTYPE_F32:
        return (double)((const float *)im->data)[i];
    case UN_DTYPE_F64:
        return ((const double *)im->data)[i];
    default:
        return 0.0;
    }
}

void un_image_to_f32(const un_image *im, float *dst)
{
    size_t n = un_image_count(im);

    if (im->type == UN_DTYPE_F32)
        memcpy(dst, im->data, n * sizeof *dst);
    else if (im->type == UN_DTYPE_U8)
        for (size_t i = 0; i < n; i++)
            dst[i] = (float)((const uint8_t *)im->data)[i];
    else
        for (size_t i = 0; i < n; i++)
            dst[i] = (float)un_image_at(im, i);
}
