/* Overlap of predicted and true class maps: counts, and the ratios made of them. Formulas and rules:
 * docs/metrics.md.
 *
 * Counts are 64-bit integers, so sums over images are exact and do not depend on their order. One rule for
 * empty classes holds for each ratio a/b of a class: the class occurs neither in truth nor in prediction: NaN
 * ("-" in print), left out of every mean; else 0 where b is 0. A class that is predicted but absent in truth
 * thus scores 0. */
#ifndef UN_METRICS_OVERLAP_H
#define UN_METRICS_OVERLAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

enum {
    UN_METRIC_CLASSES_MAX = 256,
    UN_METRIC_LABELS_MAX = 31, /* of multi-label pictures: a bit each */
    UN_METRIC_IGNORE = -1      /* truth of a pixel that counts nowhere */
};

/* Ratios of one class. F1 equals Dice when counted over pixels; both names are in use, both are written. */
typedef enum un_ratio {
    UN_RATIO_DICE,      /* 2 tp / (2 tp + fp + fn) */
    UN_RATIO_IOU,       /* tp / (tp + fp + fn)     */
    UN_RATIO_PRECISION, /* tp / (tp + fp)          */
    UN_RATIO_RECALL,    /* tp / (tp + fn)          */
    UN_RATIO_F1,        /* 2 p r / (p + r)         */
    UN_RATIO_COUNT
} un_ratio;

const char *un_ratio_name(un_ratio r); /* "dice", "iou", ... */

typedef struct un_ratios {
    double v[UN_RATIO_COUNT];
} un_ratios;

/* One class against all others. */
typedef struct un_class_counts {
    int64_t tp, fp, fn, tn;
} un_class_counts;

un_ratios un_ratios_of(un_class_counts n);

/* Which pixel of truth class t was given class p: count[t * classes + p]. */
typedef struct un_confusion {
    int classes;
    int64_t ignored; /* pixels whose truth is UN_METRIC_IGNORE */
    int64_t count[];
} un_confusion;

UN_NODISCARD unet_status un_confusion_create(un_confusion **out, un_mem *mem, int classes, unet_error *err);
void un_confusion_destroy(un_confusion *c); /* NULL is fine */
void un_confusion_clear(un_confusion *c);
/* Adds n pixels. Any truth but -1 and 0..classes-1, any prediction but 0..classes-1 (where truth counts):
 * UNET_E_DATA, with the first such value and its position, and nothing is added. */
UN_NODISCARD unet_status un_confusion_add(
    un_confusion *c, const int32_t *truth, const int32_t *prediction, int64_t n, unet_error *err);
UN_NODISCARD unet_status un_confusion_add_u8(
    un_confusion *c, const int32_t *truth, const uint8_t *prediction, int64_t n, unet_error *err);
void un_confusion_merge(un_confusion *c, const un_confusion *other); /* same number of classes */
un_class_counts un_confusion_class(const un_confusion *c, int k);

/* Independent labels: each class has its own 2x2 table. */
typedef struct un_multilabel {
    int classes;
    int64_t ignored;
    un_class_counts of[];
} un_multilabel;

UN_NODISCARD unet_status un_multilabel_create(un_multilabel **out, un_mem *mem, int classes, unet_error *err);
void un_multilabel_destroy(un_multilabel *m); /* NULL is fine */
void un_multilabel_clear(un_multilabel *m);
/* n pixels; bit k of a value: label k is set. Truth -1: the pixel is ignored. */
void un_multilabel_add(un_multilabel *m, const int32_t *truth, const int32_t *prediction, int64_t n);
void un_multilabel_merge(un_multilabel *m, const un_multilabel *other);

typedef struct un_class_scores {
    un_class_counts n;
    int64_t support;   /* pixels of the class in truth      */
    int64_t predicted; /* pixels of the class in prediction */
    un_ratios r;
} un_class_scores;

/* What a class scores that is neither in truth nor in prediction. */
typedef enum un_empty_rule { UN_EMPTY_SKIP, UN_EMPTY_ONE, UN_EMPTY_ZERO } un_empty_rule;

typedef struct un_score_rules {
    un_empty_rule empty;
    const int *foreground; /* [foreground_count] classes of the foreground means; borrowed */
    int foreground_count;  /* 0: all but the background */
} un_score_rules;

int un_score_rules_foreground(const un_score_rules *r, int background, int k);

/* Scores of one image, or of many when their counts were pooled first. */
typedef struct un_scores {
    un_score_rules rules;
    int classes;
    int background; /* class left out of `foreground`; -1: none                     */
    int64_t pixels; /* that count                                                   */
    int64_t ignored;
    double accuracy;      /* share of right pixels (multi-label: of right labels); NaN: no pixel */
    un_ratios macro;      /* mean over the classes that are not NaN                        */
    un_ratios foreground; /* the same without the background class                         */
    un_class_scores of[];
} un_scores;

UN_NODISCARD unet_status un_scores_create(
    un_scores **out, un_mem *mem, const un_confusion *c, int background, unet_error *err);
UN_NODISCARD unet_status un_scores_create_multilabel(
    un_scores **out, un_mem *mem, const un_multilabel *m, unet_error *err);
/* Takes ratios and means anew by these rules; they are made with UN_EMPTY_SKIP and all but the background. */
void un_scores_apply_rules(un_scores *s, const un_score_rules *r);
int un_scores_is_foreground(const un_scores *s, int k); /* by the rules of s */
void un_scores_destroy(un_scores *s);                   /* NULL is fine */

/* A mean that leaves NaN out. */
typedef struct un_mean {
    double sum;
    int64_t n;
} un_mean;

void un_mean_add(un_mean *m, double v);
double un_mean_value(un_mean m); /* NaN when nothing was added */

typedef struct un_ratio_means {
    un_mean v[UN_RATIO_COUNT];
} un_ratio_means;

/* Per-image mean: each image weighs the same, however large it is; an image where a class is NaN does not
 * count for that class. The sums run in the order of the calls. */
typedef struct un_image_means {
    int classes;
    int64_t images;
    un_mean accuracy;
    un_ratio_means macro, foreground; /* of the images' own means */
    un_ratio_means of[];
} un_image_means;

UN_NODISCARD unet_status un_image_means_create(un_image_means **out, un_mem *mem, int classes, unet_error *err);
void un_image_means_destroy(un_image_means *m);                 /* NULL is fine */
void un_image_means_add(un_image_means *m, const un_scores *s); /* same number of classes */

#endif
