/* Truth and prediction of one class as two masks, and the metrics of metrics.def that are made of them. */
#ifndef UN_METRICS_MASKS_H
#define UN_METRICS_MASKS_H

#include "base/pool.h"
#include "metrics/overlap.h"
#include "metrics/registry.h"
#include "tensor/shape.h"

/* What a user may set (section `eval` of the configuration). */
typedef struct un_metric_rules {
    double beta;       /* f_beta */
    double tolerance;  /* surface_dice, in the unit of the spacing */
    double boundary;   /* boundary_iou: width of the band as share of the picture's diagonal */
    double object_iou; /* above which two objects are one, at least 0.5 */
    int split;         /* objects that touch are told apart */
    un_empty_rule empty;
} un_metric_rules;

enum { UN_TRUTH, UN_PREDICTION };

/* Both masks are cut to the smallest box that holds them and one pixel round them, where the picture goes on: all
 * metrics are the same on it as on the whole picture. What lies outside the picture counts as background, but for the
 * distances by which objects that touch are split, which see it nowhere. */
typedef struct un_mask_pair {
    uint8_t *mask[2]; /* [d][h][w] of `size`, 0 or 1; NULL when both are empty */
    int32_t *object;  /* the same of the true objects' numbers, 0 outside of the mask; NULL: they are not known */
    un_shape size;    /* of the box */
    int64_t pixels[2];
    int volume;        /* 1: neighbours along z count; 0: the picture has one plane */
    double spacing[3]; /* of neighbours along z, y, x */
    double diagonal;   /* of the whole picture, in the unit of the spacing */
    un_mem *mem;
    un_pool *pool; /* NULL is fine */
} un_mask_pair;

/* v: [UN_M_COUNT]; each sets its own metrics. NaN: none. */
void un_count_metrics(double *v, un_class_counts n, double voxel, double beta);
UN_NODISCARD unet_status un_surface_metrics(
    double *v, const un_mask_pair *m, const un_metric_rules *rules, unet_error *err);
UN_NODISCARD unet_status un_skeleton_metrics(double *v, const un_mask_pair *m, unet_error *err);

/* Of all classes together, from the confusion matrix; of two classes the same as of one. */
double un_confusion_kappa(const un_confusion *c);
double un_confusion_mcc(const un_confusion *c);

/* Thins a mask in place to lines of one pixel that keep its components, holes and ends. */
UN_NODISCARD unet_status un_thin(uint8_t *mask, un_shape size, un_mem *mem, unet_error *err);

enum { UN_OBJECT_STEPS = 10 }; /* IoU above 0.5, 0.55 ... 0.95 */

/* Counts of objects; those of pictures add up. */
typedef struct un_object_tally {
    int64_t truth, prediction;        /* objects */
    int64_t matched[UN_OBJECT_STEPS]; /* pairs above each IoU */
    int64_t found;                    /* pairs above the rule's */
    double iou_sum;                   /* of the pairs above 0.5 */
} un_object_tally;

UN_NODISCARD unet_status un_object_count(
    un_object_tally *out, const un_mask_pair *m, const un_metric_rules *rules, unet_error *err);
void un_object_tally_merge(un_object_tally *t, const un_object_tally *other);
void un_object_metrics(double *v, const un_object_tally *t);

#endif
