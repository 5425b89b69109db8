/* Masks that are unlike the others are left out before it is decided what the values mean. Internal to data. */
#ifndef UN_DATA_ODD_H
#define UN_DATA_ODD_H

#include "data/scan.h"

enum { UN_ODD_MASKS_MIN = 3, UN_SMALL_MOST = 63, UN_BYTE_MOST = 255 };

/* 1: the item has a mask that was read and is not left out. */
int un_mask_is_used(const un_dataset *d, const un_scan *s, int i);

/* Colours among numbers, fractions among whole numbers: left out when they are at most a fifth of three or more. */
UN_NODISCARD unet_status un_odd_forms(un_dataset *d, const un_scan *s, unet_error *err);
/* Where values mean classes: 16 bits among 8; as many values as a picture has (small_values: most are below 64). */
UN_NODISCARD unet_status un_odd_ranges(un_dataset *d, const un_scan *s, int small_values, unet_error *err);
UN_NODISCARD unet_status un_odd_leave_out(un_dataset *d, int i, const char *text, unet_error *err);

#endif
