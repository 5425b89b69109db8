/* Reading and writing picture files. The type is found from the content, never from the name. */
#ifndef UN_IO_IMAGE_H
#define UN_IO_IMAGE_H

#include "tensor/image.h"

enum { UN_IMAGE_MAX_BYTES = 0x7fffffff };

typedef enum un_pages { UN_PAGES_AUTO, UN_PAGES_CHANNELS, UN_PAGES_SLICES, UN_PAGES_SERIES } un_pages;

typedef struct un_image_read_options {
    int no_orientation; /* 1: leave EXIF orientation alone (inspect compares); 0: turn as it says           */
    int keep_palette;   /* 1: numbers as stored: indices and palette, white-is-zero too; 0: as seen, RGB    */
    un_pages pages;     /* TIFF with several pages; SERIES reads page `page`                                */
    int page;
    size_t max_bytes; /* decoded size above this: UNET_E_LIMIT; 0: UN_IMAGE_MAX_BYTES                     */
} un_image_read_options;

typedef struct un_image_info {
    const char *format; /* "png", "jpeg", "tiff", "bmp", "pnm", "pfm", "nifti" */
    un_dtype type;
    int d, h, w, c, pages, alpha, palette, orientation; /* orientation: EXIF 1..8, 1 when none */
    int stacked;                                        /* 1: the pages are channels or slices of one picture */
} un_image_info;

/* NULL options: defaults. Broken bytes: UNET_E_FORMAT with the offset where known; formats we do not read are named
 * ("DICOM is not supported; convert with ..."): UNET_E_UNSUPPORTED. On failure *out is empty. */
UN_NODISCARD unet_status un_image_read(
    un_image *out, un_mem *mem, const char *path, const un_image_read_options *opt, unet_error *err);
UN_NODISCARD unet_status un_image_read_memory(un_image *out, un_mem *mem, const void *data, size_t size,
    const char *name, const un_image_read_options *opt, unet_error *err);
/* The header only; cheap. Decoding can still fail. */
UN_NODISCARD unet_status un_image_probe(un_image_info *out, un_mem *mem, const char *path, unet_error *err);

/* Atomic (base/file.h writer). PNG: U8/U16 with c 1..4, or c = 1 with palette. JPEG: U8, c 1 or 3, quality 92. TIFF:
 * any type and c, Deflate, several pages when d > 1. NIfTI-1 .nii or .nii.gz by name: keeps affine and spacing of im.
 */
UN_NODISCARD unet_status un_image_write_png(un_mem *mem, const char *path, const un_image *im, unet_error *err);
UN_NODISCARD unet_status un_image_write_jpeg(un_mem *mem, const char *path, const un_image *im, unet_error *err);
UN_NODISCARD unet_status un_image_write_tiff(un_mem *mem, const char *path, const un_image *im, unet_error *err);
UN_NODISCARD unet_status un_image_write_nifti(un_mem *mem, const char *path, const un_image *im, unet_error *err);
/* PNG bytes in memory (un_free): for data URIs in reports. */
UN_NODISCARD unet_status un_image_encode_png(
    unsigned char **out, size_t *size, un_mem *mem, const un_image *im, unet_error *err);

/* Whether a name has the suffix of a format that can be read (.png .jpg .jpeg .tif .tiff .bmp .pgm .ppm .pbm .pnm .pam
 * .pfm .nii .nii.gz, any case): to collect files of a folder. */
int un_image_name_is_readable(const char *name);
/* What a file of another name is, by its first bytes. FOREIGN: a picture format that is known and not read; *format is
 * its name ("DICOM"), else NULL. */
typedef enum un_look { UN_LOOK_OTHER, UN_LOOK_PICTURE, UN_LOOK_FOREIGN } un_look;
un_look un_image_look(un_mem *mem, const char *path, const char **format);
/* Length of the name without its image suffix (".nii.gz" counts as one). */
size_t un_image_stem_length(const char *name);

#endif
