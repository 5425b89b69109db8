/* Scores as tables and files: per class, per image, for people and for machines. Names and rules:
 * docs/metrics.md. */
#ifndef UN_REPORT_SCORES_H
#define UN_REPORT_SCORES_H

#include "metrics/summary.h"
#include "report/table.h"

typedef struct un_named_scores {
    const char *name;
    const un_scores *scores;
} un_named_scores;

/* What a trivial predictor reaches on the same images. NaN: not computed. */
typedef struct un_floor_scores {
    const char *name;                                    /* "Otsu's threshold"              */
    double dice_mean, iou_mean, dice_pooled, iou_pooled; /* foreground: per-image mean, pooled */
} un_floor_scores;

/* Everything is borrowed. All scores have the same number of classes. */
typedef struct un_score_set {
    int classes;
    const char *const *class_name; /* [classes] */
    const un_named_scores *image;  /* [images] */
    size_t images;
    const un_scores *pooled;
    const un_image_means *means;
    const un_confusion *confusion; /* NULL: multi-label */
    const un_floor_scores *floor;  /* NULL: none */
    const char *ignore_rule;       /* in words, such as "mask value 255 is ignored"; NULL: only the count is given */
    const char *object_rule;       /* what a true object is, in words; NULL: not said */
    const un_summary *summary;     /* further metrics and intervals; NULL: none */
    const un_curves *curves;       /* of probabilities; NULL: none */
    const char *unit;              /* of their distances: "mm" or "px" */
    const char *scored;            /* which images these are, in words; NULL: not said */
} un_score_set;

/* One row a class, then "mean of all classes" and "mean without background": pooled ratios, per-image mean
 * Dice and IoU. */
UN_NODISCARD unet_status un_scores_class_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err);
/* The same for a terminal of 80 columns: Dice, IoU, precision and recall pooled, Dice and IoU as mean over the images.
 */
UN_NODISCARD unet_status un_scores_short_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err);
/* One row an image with every ratio of every class, then the rows "pooled" and "image_mean" (column `row`
 * tells which). */
UN_NODISCARD unet_status un_scores_image_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err);

UN_NODISCARD unet_status un_metrics_write_csv(un_mem *mem, const char *path, const un_score_set *s, unet_error *err);
/* Four figures beside those of the floor, and the gain. The set has a floor. */
UN_NODISCARD unet_status un_scores_floor_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err);

/* {"format": "unet-scores", "version": 1, rules, floor, confusion, "classes": [...], "images": [...]} */
UN_NODISCARD unet_status un_metrics_write_json(un_mem *mem, const char *path, const un_score_set *s, unet_error *err);
UN_NODISCARD unet_status un_metrics_json(un_text *out, un_mem *mem, const un_score_set *s, unet_error *err);

/* The metrics of the summary: a row for each of the foreground and of its classes, with the mean over images, its
 * interval, the pooled value and its interval. For people (`wide` 0) without the last two. The set has a summary. */
UN_NODISCARD unet_status un_scores_metric_table(
    un_table **out, un_mem *mem, const un_score_set *s, int wide, unet_error *err);

/* The rules in words: which class is background, what is ignored and how many pixels, what empty classes score. */
void un_scores_rules(un_text *out, const un_score_set *s);

#endif
