/* The files and pictures that a segmentation leaves. */
#ifndef UN_RUN_OUTPUTS_H
#define UN_RUN_OUTPUTS_H

#include "run/segment.h"

/* What a mask is written as. */
typedef enum un_mask_format {
    UN_MASK_PNG,  /* pictures: values of the classes with a palette                 */
    UN_MASK_TIFF, /* multilabel pictures: a channel for each class, 0 or 255        */
    UN_MASK_NIFTI /* volumes, and whatever has an affine: grid and affine are kept  */
} un_mask_format;

un_mask_format un_mask_format_of(const un_config *cfg, const un_image *image);
const char *un_mask_suffix(un_mask_format f);        /* ".png", ".tif", ".nii.gz"           */
const char *un_probability_suffix(un_mask_format f); /* "_prob.tif", "_prob.nii.gz"         */

UN_NODISCARD unet_status un_mask_write(
    un_mem *mem, const char *path, const un_image *mask, un_mask_format f, unet_error *err);
/* Probabilities, numbers of objects: TIFF where masks are pictures, since it holds numbers of any type. */
UN_NODISCARD unet_status un_numbers_write(
    un_mem *mem, const char *path, const un_image *numbers, un_mask_format f, unet_error *err);

/* The picture with the classes painted over it and a legend below. Of a volume up to nine slices, evenly among those
 * that hold foreground. names: [classes]; background as in un_paint. */
UN_NODISCARD unet_status un_overlay_make(un_image *out, un_mem *mem, const un_config *cfg, const char *const *names,
    const un_image *image, const int32_t *classes, int background, unet_error *err);

/* The same picture with channel `k` of maps (F32 [d][h][w][c], 0..1) as heat over it; of a volume up to nine slices. */
UN_NODISCARD unet_status un_heat_make(
    un_image *out, un_mem *mem, const un_image *image, const un_image *maps, int k, unet_error *err);

#endif
