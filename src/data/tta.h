/* Test-time augmentation: the same picture mirrored and turned, and results brought back. */
#ifndef UN_DATA_TTA_H
#define UN_DATA_TTA_H

#include "config/config.h"

/* First the axes d, h, w are mirrored where flip says, then h and w change places where swap says. */
typedef struct un_view {
    int flip[3], swap;
} un_view;

enum { UN_TTA_MAX = 16 };

/* Axes that may be flipped, in training and here: what the key says, or the policy where the key is auto. */
un_cfg_flip_axes un_tta_flip_axes(const un_cfg_augment *c);

/* The views to average over; the first is the picture itself. Flips: along the axes of flip_axes (auto: h and w, and d
 * in volumes). All: with quarter turns, so that the eight symmetries of the square are there (twice with flips of d);
 * sides that differ then change places. dims: 2 or 3. Returns their number. */
int un_tta_views(un_cfg_tta tta, un_cfg_flip_axes flip_axes, int dims, un_view out[UN_TTA_MAX]);

/* size: extents d, h, w of the picture as it is; c values a pixel, dense. The view of it has extents d, w, h when
 * swapped. src and dst must not overlap. */
void un_tta_apply(const un_view *v, const float *src, const int size[3], int c, float *dst); /* picture to view */
void un_tta_undo(const un_view *v, const float *src, const int size[3], int c, float *dst);  /* view to picture */

#endif
