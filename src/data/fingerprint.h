/* What a data set looks like in numbers: what `unet inspect` shows and `unet plan` decides by. */
#ifndef UN_DATA_FINGERPRINT_H
#define UN_DATA_FINGERPRINT_H

#include "data/scan.h"

enum { UN_FINGERPRINT_CHANNELS = 32, UN_FINGERPRINT_KINDS = 32 };

typedef struct un_fingerprint {
    int pictures, unlabelled, left_out; /* files of pictures found; without mask; not usable */
    int role[UN_ROLE_COUNT];            /* pictures (or parts) of each role                  */
    int cut;                            /* 1: the pictures are cut into parts for the roles  */
    /* over the pictures of the scope that can be used; axes d, h, w */
    int usable, volumes;
    int size_min[3], size_median[3], size_max[3];
    int types[UN_DTYPE_COUNT]; /* pictures of each number type                      */
    int with_spacing;
    double spacing_min[3], spacing_median[3], spacing_max[3];
    int channels; /* most that a picture has; statistics of the first UN_FINGERPRINT_CHANNELS */
    double mean[UN_FINGERPRINT_CHANNELS], std[UN_FINGERPRINT_CHANNELS]; /* over all training pixels     */
    double q[UN_FINGERPRINT_CHANNELS][UN_SCAN_QUANTILES];               /* median of the pictures' own  */
    double lowest, highest;                /* of any channel                                    */
    int kinds, kind[UN_FINGERPRINT_KINDS]; /* pictures of each kind of intensities           */
    int dark, bright; /* pictures whose middle value lies in the lower, in the upper half of their own range */
    /* over the labelled ones */
    double train_pixels;              /* pixels of the training pictures                   */
    int classes;                      /* 0: the masks are not understood yet               */
    double share[UN_CFG_MAX_class];   /* of the pixels that count                          */
    int masks_with[UN_CFG_MAX_class]; /* masks that hold the class                         */
    double ignored;                   /* share of all mask pixels that is left out         */
    double objects;                   /* median number in a mask                           */
    double object_pixels[3];          /* 10th, 50th, 90th percentile; medians of the masks' own */
    double object_px;                 /* diameter of a disc (ball) of the median size      */
    int one_way[3];                   /* 1: along this axis classes have their place (sky above, road below) */
} un_fingerprint;

/* Which pictures are looked at. What decides how a network is made and trained goes by TRAINING (roles train and
 * select): nothing of the pictures that are scored later. */
typedef enum un_scope { UN_SCOPE_ALL, UN_SCOPE_TRAINING } un_scope;

/* cfg: resolved by un_scan_propose, for classes; roles as last assigned. */
UN_NODISCARD unet_status un_fingerprint_make(
    un_fingerprint *out, const un_dataset *d, const un_scan *s, const un_config *cfg, un_scope scope, unet_error *err);

/* How often the classes of a picture let it be drawn (un_item.draw), by data.repeat_below and data.draw_empty. Masks of
 * several channels are not looked at. f: of the same scan, scope TRAINING. */
UN_NODISCARD unet_status un_fingerprint_balance(
    un_dataset *d, const un_scan *s, const un_config *cfg, const un_fingerprint *f, unet_error *err);

/* For people: a line for each figure of pictures and objects. Failure sticks in the text. */
void un_fingerprint_text(un_text *t, const un_fingerprint *f);
/* The issues by severity and kind, with what to do; at most `most` files of a kind by name. */
void un_issues_text(un_text *t, const un_dataset *d, int most);
/* One JSON object with classes and issues in it. */
void un_fingerprint_json(un_text *t, const un_fingerprint *f, const un_dataset *d, const un_config *cfg);

#endif
