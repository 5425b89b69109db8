/* Pictures as training sees them, to look at: with masks after the mapping, normalised, and augmented. */
#ifndef UN_RUN_CONTACT_H
#define UN_RUN_CONTACT_H

#include "base/pool.h"
#include "data/augment.h"
#include "data/preprocess.h"
#include "data/scan.h"
#include "report/overlay.h"

/* Which grey or colour a value of a picture is shown as: lo black, hi white, for the shown channels. */
typedef struct un_contact_range {
    int channels; /* 1, or 3 for pictures of three channels or more */
    double lo[3], hi[3];
} un_contact_range;
/* The 0.5th and 99.5th percentile of each shown channel. */
UN_NODISCARD unet_status un_contact_range_of(un_contact_range *out, un_mem *mem, const un_picture *p, unet_error *err);

/* The slice with most pixels of another class than `background` (-1: than 0); the middle one when there are none. */
int un_contact_slice(const un_picture *p, int background);

/* Slice z, at most cell_px wide and high, small ones enlarged. paint NULL: without the mask; its `bits` is set for
 * multi-label pictures. Works for patches too. */
UN_NODISCARD unet_status un_contact_view(un_image *rgb, un_mem *mem, const un_picture *p, int z,
    const un_contact_range *range, const un_paint *paint, int cell_px, unet_error *err);

typedef struct un_contact_options {
    un_pool *pool;        /* NULL: the caller's thread */
    const un_config *cfg; /* settled by un_plan_data */
    int pictures;         /* rows at most; one of each kind of intensities first, then evenly through the list */
    int samples;          /* augmented patches beside each, 0 to 16 */
    int cell_px;
    int masks;                /* 1: labelled pictures with their masks; 0: any, without */
    int (*cancel)(void *ctx); /* NULL: never */
    void *ctx;
} un_contact_options;

/* Rows of: the file as it is, the prepared picture with its mask, and what step 1, 2 ... of a training with this seed
 * would make of it. With the names of the classes below. UNET_E_DATA when there is nothing to show. */
UN_NODISCARD unet_status un_contact_sheet(
    un_image *out, un_mem *mem, const un_dataset *d, const un_contact_options *opt, unet_error *err);

/* Rows of: one patch, and what each operation of augmentation alone makes of it, `samples` times; last, all of them as
 * the policy has them. The item's mask is shown when it has one. Ranges as settled; of operations that the policy has
 * switched off, those of the policy strong. */
UN_NODISCARD unet_status un_contact_operations(
    un_image *out, un_mem *mem, const un_dataset *d, int item, const un_contact_options *opt, unet_error *err);

/* The item that shows most: of the labelled ones the one with most classes, then most foreground; the first usable one
 * when none is labelled; -1: none. */
int un_contact_best(const un_dataset *d, const un_scan *s);

/* The background that overlays leave bare: class 0, or -1 when it is scored (data.foreground). */
int un_contact_background(const un_config *cfg);

#endif
