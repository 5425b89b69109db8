/* Pictures as a screen shows them: any type and number of channels to 8-bit RGB, and to a size that can be looked at.
 */
#ifndef UN_REPORT_VIEW_H
#define UN_REPORT_VIEW_H

#include "base/error.h"
#include "report/palette.h"
#include "tensor/image.h"

/* Slice z of `im` as U8 RGB. One or two channels: the first as grey; three and more: the first three (opacity is left
 * out); indexed: the colours. Values are stretched so that the 1st percentile of the finite values of the slice is
 * black and the 99th is white; 8-bit pictures stay as they are, unless they are so dark (99th percentile below 96) that
 * nothing could be seen: these are brightened, with 0 black. Not finite: black. */
UN_NODISCARD unet_status un_view_rgb(un_image *out, un_mem *mem, const un_image *im, int z, unet_error *err);

/* The size at which h x w is shown: shrunk until no side is above max_px, else enlarged by the largest whole factor
 * that keeps the longer side at most min_px (so that small pictures can be seen). */
void un_view_size(int *out_h, int *out_w, int h, int w, int min_px, int max_px);

/* Shrinking averages the pixels below each new one, enlarging repeats them. rgb: U8, c = 3, d = 1. */
UN_NODISCARD unet_status un_scale_rgb(un_image *out, un_mem *mem, const un_image *rgb, int h, int w, unet_error *err);
/* Class at the centre of each new pixel. *out: [out_h][out_w], un_free'd by the caller. */
UN_NODISCARD unet_status un_scale_map(
    int32_t **out, un_mem *mem, const int32_t *map, int h, int w, int out_h, int out_w, unet_error *err);

/* A class map as an indexed picture for un_image_write_png; classes outside 0..255 become `other`. */
UN_NODISCARD unet_status un_view_index(un_image *out, un_mem *mem, const int32_t *map, int h, int w,
    const un_palette *palette, unsigned char other, unet_error *err);

#endif
