/* What each picture format offers to io/image.c: one table of functions a format, over bytes in memory. */
#ifndef UN_IO_CODEC_H
#define UN_IO_CODEC_H

#include "io/image.h"

/* A file as codecs see it. All borrowed; opt is never NULL. */
typedef struct un_source {
    const unsigned char *data;
    size_t size;
    const char *name; /* stands in messages */
    un_mem *mem;
    const un_image_read_options *opt;
} un_source;

typedef struct un_codec {
    int (*is)(const unsigned char *data, size_t size);
    /* *out is empty before; what a failed read leaves in it is freed by the caller. */
    unet_status (*read)(un_image *out, const un_source *s, unet_error *err);
    unet_status (*info)(un_image_info *out, const un_source *s, unet_error *err);
} un_codec;

extern const un_codec un_codec_bmp, un_codec_jpeg, un_codec_nifti, un_codec_png, un_codec_pnm, un_codec_tiff;

/* un_image_create after the check against opt->max_bytes. */
UN_NODISCARD unet_status un_codec_create(
    un_image *out, const un_source *s, un_dtype type, const int extents[4], unet_error *err);

/* ---- what several formats need ---- */

/* EXIF orientation 1..8 from a TIFF structure (EXIF block without its "Exif\0\0"); 1 when there is none. */
int un_exif_orientation(const unsigned char *tiff, size_t size);
/* Turns the planes so that they stand upright. 1 and numbers out of 1..8 change nothing. */
UN_NODISCARD unet_status un_image_orient(un_image *im, un_mem *mem, int orientation, unet_error *err);
/* The first bytes of what a gzip file holds, up to n of them; how many. 0: none, or no gzip file. */
size_t un_gzip_head(void *to, size_t n, const un_source *s);
/* Inks 0 (none) .. 255 to red, green, blue, without colour management. */
void un_cmyk_to_rgb(unsigned char rgb[3], const unsigned char cmyk[4]);

/* Numbers in a stated order of bytes. */
static inline uint16_t un_le16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t un_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Reverses the bytes of each of count numbers of `each` bytes. */
void un_swap_bytes(void *data, size_t count, size_t each);

#endif
