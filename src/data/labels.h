/* What the numbers and colours of a mask mean: mask file -> class of each pixel, by the resolved
 * configuration.
 *
 * One rule everywhere: data.ignore comes first and gives -1; then the first entry of data.mapping that fits;
 * a value that no entry names is left out too (-1), is counted, and makes an issue in the scan. Class -1
 * counts neither in the loss nor in any score. Instance masks: every value above 0 is class 1; with
 * data.boundary a class 2 where two objects meet. */
#ifndef UN_DATA_LABELS_H
#define UN_DATA_LABELS_H

#include "config/config.h"
#include "tensor/image.h"

enum { UN_IGNORE = -1 };

typedef struct un_label_map un_label_map;

/* mask_kind and mapping must be resolved (a scan proposes them: un_labels_propose). */
UN_NODISCARD unet_status un_label_map_create(un_label_map **out, un_mem *mem, const un_config *cfg, unet_error *err);
void un_label_map_destroy(un_label_map *m); /* NULL is fine */
int un_label_map_classes(const un_label_map *m);
int un_label_map_is_multilabel(const un_label_map *m);

/* target: one int32 for each pixel of the mask, class or -1. *strays (NULL is fine): pixels with values that
 * mean nothing. */
UN_NODISCARD unet_status un_label_map_apply(
    const un_label_map *m, const un_image *mask, int32_t *target, int64_t *strays, unet_error *err);
/* Multi-label masks: soft[pixel][classes], 1 where channel k (or page k of a 2-D mask) is at least half its
 * type's highest value, or above 0 when no value is above 1. */
UN_NODISCARD unet_status un_label_map_apply_soft(
    const un_label_map *m, const un_image *mask, float *soft, unet_error *err);

/* The same as bits: bit k of bits[pixel] is class k. At most 31 classes. */
UN_NODISCARD unet_status un_label_map_apply_bits(
    const un_label_map *m, const un_image *mask, int32_t *bits, unet_error *err);

/* How many masks such a mask would stand for: channels, or pages when flat is 1 (of a 2-D picture); 1: it is no such
 * mask. And pixels[planes] that belong to each. */
int un_mask_planes(const un_image *mask, int flat);
void un_mask_plane_pixels(const un_image *mask, int planes, int64_t *pixels);

/* Instance masks: id[pixel] is 0 or the number of the object whose value the pixel has, from 1 in the order of their
 * first pixels; ignored values are 0. */
UN_NODISCARD unet_status un_label_map_instances(
    const un_label_map *m, const un_image *mask, int32_t *id, un_mem *mem, unet_error *err);

/* Class of one value, or of a colour 0xrrggbb; -1 ignored, -2 unknown. For shares from histograms. */
int un_label_map_value(const un_label_map *m, double value);
int un_label_map_colour(const un_label_map *m, int rgb);
int un_label_map_by_colour(const un_label_map *m);

/* Kind of a decoded mask: number of channels without opacity; 1 when three channels are equal everywhere. */
int un_mask_channels(const un_image *mask);
/* Colour of pixel i (an index looked up in the palette, grey repeated). 8 bits of each channel. */
int un_mask_colour(const un_image *mask, size_t i);

#endif
