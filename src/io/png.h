/* PNG through libpng; used by io/image.c alone. */
#ifndef UN_IO_PNG_H
#define UN_IO_PNG_H

#include "io/image.h"

int un_png_is(const unsigned char *data, size_t size);
UN_NODISCARD unet_status un_png_read(un_image *out, un_mem *mem, const unsigned char *data, size_t size,
    const char *name, const un_image_read_options *opt, unet_error *err);
UN_NODISCARD unet_status un_png_info(
    un_image_info *out, const unsigned char *data, size_t size, const char *name, unet_error *err);

#endif
