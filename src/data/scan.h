/* Looking at a data set before anything is trained on it: every file is decoded once, in parallel, and
 * measured.
 *
 * Results are kept in a file, so that a second look costs nothing: an entry is used again when the files have
 * the same sizes and times, or the same sizes and bytes. A scan never fails because of a broken picture; that
 * becomes an issue of the data set, and the item is left out. */
#ifndef UN_DATA_SCAN_H
#define UN_DATA_SCAN_H

#include "base/pool.h"
#include "config/config.h"
#include "data/dataset.h"
#include "data/labels.h"
#include "data/values.h"
#include "tensor/image.h"

enum { UN_SCAN_QUANTILES = 9, UN_SCAN_VALUES_MAX = 16384 };
extern const double un_scan_percent[UN_SCAN_QUANTILES]; /* 0.5 1 5 25 50 75 95 99 99.5 */

typedef struct un_scan_channel {
    un_moments m;
    double q[UN_SCAN_QUANTILES];
} un_scan_channel;

/* A value of a mask, or a colour 0xrrggbb. */
typedef struct un_mask_value {
    double value;
    int64_t pixels;
    double centre[3]; /* mean place along the turned axes d, h, w: 0..1 */
} un_mask_value;

typedef struct un_scan_item {
    unet_status status;           /* of reading picture and mask                                */
    char *problem, *problem_file; /* set when status is not OK                                  */
    /* the picture; extents after EXIF orientation, channels without opacity */
    int d, h, w, c, alpha, bits, type, orientation, has_spacing;
    int grey;                      /* 1: one channel, or three that are equal everywhere         */
    int axis[3];                   /* turned axis i (d, h, w as the network sees them) is stored axis axis[i] */
    double spacing[3], saturation; /* mean of (max - min) / max over the pixels of 3 channels   */
    int64_t not_finite, hash;      /* hash of extents, type and values                           */
    int64_t image_sum, mask_sum;   /* checksums of the files, un_scan_sums                        */
    un_scan_channel *channel;      /* [c] */
    /* the mask; mask_d = 0: none */
    int mask_d, mask_h, mask_w, mask_c, mask_type, mask_orientation, palette, affine_differs;
    int by_colour;         /* values are colours                                         */
    int fractional;        /* values are no whole numbers; kept to 1/256                  */
    int values;            /* distinct; UN_SCAN_VALUES_MAX: that many or more             */
    un_mask_value *value;  /* [values], ascending                                        */
    int planes;            /* of a mask that can stand for several; else 0               */
    int64_t *plane_pixels; /* [planes] that belong to each                               */
    double fill, span;     /* medians over the values above 0: pixels / bounding box, bounding box / picture */
    /* sizes (10th, 50th, 90th percentile) of connected objects, and of values above 0; pixels */
    int objects;
    double object_pixels[3], value_pixels[3];
} un_scan_item;

typedef struct un_scan {
    un_mem *mem;
    un_scan_item *item; /* [count], as in the data set */
    int count;
    int decoded; /* how many were not in the file of results */
} un_scan;

typedef struct un_scan_options {
    un_pool *pool;                                   /* NULL: the caller's thread */
    const char *cache_path;                          /* NULL: none. One that cannot be read or written is passed over */
    int (*progress)(void *ctx, int done, int total); /* by any thread, one at a time; not 0: stop, UNET_E_CANCELLED */
    void *ctx;
} un_scan_options;

/* cfg: data.exif, data.pages. Adds issues to d and sets left_out and kind of its items. NULL options: all
 * defaults. */
UN_NODISCARD unet_status un_scan_run(
    un_scan **out, un_mem *mem, un_dataset *d, const un_config *cfg, const un_scan_options *opt, unet_error *err);
void un_scan_destroy(un_scan *s); /* NULL is fine */

/* Decides what the masks mean and what the network takes, where the configuration leaves it open:
 * data.mask_kind, classes, mapping, ignore, foreground, colour; model.dims, in_channels, classes, head. `why`
 * (NULL is fine) gets one line for each decision: "data.ignore: ...". Adds issues about values that mean
 * nothing and about empty masks. UNET_E_DATA: the masks cannot be understood, or do not fit data.classes;
 * says what to set. */
UN_NODISCARD unet_status un_scan_propose(
    un_config *cfg, un_dataset *d, const un_scan *s, un_text *why, unet_error *err);

/* ---- the parts, for tests
 * ---------------------------------------------------------------------------------------- */

/* Measures one item; what goes wrong is stored in *out. Returns UNET_E_NOMEM only. */
UN_NODISCARD unet_status un_scan_measure(
    un_scan_item *out, un_mem *mem, const un_item *item, const un_config *cfg, unet_error *err);
void un_scan_item_free(un_scan_item *it);
/* FNV-1a over the bytes of the picture's files, one behind the other, and over those of the mask (0: there is none). */
UN_NODISCARD unet_status un_scan_sums(int64_t *image_sum, int64_t *mask_sum, const un_item *item, unet_error *err);
/* Pictures that are equal, splits that share one, sizes and channels that do not fit, groups of intensities.
 */
UN_NODISCARD unet_status un_scan_find_issues(un_dataset *d, const un_scan *s, const un_config *cfg, unet_error *err);

typedef struct un_scan_cache un_scan_cache;
/* A missing or broken file gives an empty one. */
UN_NODISCARD unet_status un_scan_cache_open(
    un_scan_cache **out, un_mem *mem, const char *path, const un_config *cfg, unet_error *err);
/* The same from text; what cannot be used gives an empty one. */
UN_NODISCARD unet_status un_scan_cache_parse(
    un_scan_cache **out, un_mem *mem, const char *text, size_t size, const un_config *cfg, unet_error *err);
void un_scan_cache_destroy(un_scan_cache *c);
/* 1: found, *out is filled. */
int un_scan_cache_get(const un_scan_cache *c, const un_item *item, un_mem *mem, un_scan_item *out);
UN_NODISCARD unet_status un_scan_cache_write(
    const char *path, un_mem *mem, const un_dataset *d, const un_scan *s, const un_config *cfg, unet_error *err);

#endif
