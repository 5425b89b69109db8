/* The chosen metrics of many pictures: pooled, as mean over pictures, and how far both would move with other pictures
 * of the same kind: percentile intervals of the bootstrap over pictures (Efron and Tibshirani 1993). */
#ifndef UN_METRICS_SUMMARY_H
#define UN_METRICS_SUMMARY_H

#include "metrics/curves.h"
#include "metrics/panel.h"

/* One metric of one class. NaN: none. */
typedef struct un_metric_line {
    double pooled, mean;                 /* of the counts of all pictures; over pictures */
    double pooled_lo, pooled_hi, lo, hi; /* interval of each, NaN: no bootstrap, or one picture */
    int64_t images;                      /* with a value */
} un_metric_line;

typedef struct un_summary_options {
    un_metric_choice choice;
    un_metric_rules rules;
    int classes, images;
    unsigned char foreground[UN_METRIC_CLASSES_MAX]; /* 1: counts in the foreground means, and shapes are measured */
    int resamples;                                   /* of the bootstrap; 0: none */
    uint64_t seed;
    double confidence; /* 0.95 */
} un_summary_options;

typedef struct un_summary un_summary;

UN_NODISCARD unet_status un_summary_create(un_summary **out, un_mem *mem, const un_summary_options *o, unet_error *err);
void un_summary_destroy(un_summary *s); /* NULL is fine */
const un_summary_options *un_summary_options_of(const un_summary *s);

/* Measures picture `index`; n: [classes] its counts. Each index once, in any order. */
UN_NODISCARD unet_status un_summary_add(
    un_summary *s, int index, const un_scored_picture *p, const un_class_counts *n, un_pool *pool, unet_error *err);
/* Means and intervals, once all pictures are in. The same for any number of threads. */
UN_NODISCARD unet_status un_summary_finish(un_summary *s, un_pool *pool, unet_error *err);

/* Metrics of the curves of one picture, after un_summary_add: auc, average_precision and brier. Where one threshold is
 * chosen for all pictures, or bins are filled by all, a picture has no value of its own. */
void un_summary_add_own_curves(un_summary *s, int index, const un_curves *c);

/* Pooled metrics of the group `curves`, after un_summary_finish. */
void un_summary_add_curves(un_summary *s, const un_curves *c);

/* class_index `classes`: the foreground, the mean over its classes. The metric is a chosen one. */
const un_metric_line *un_summary_line(const un_summary *s, int class_index, un_metric m);
int un_summary_is_volume(const un_summary *s); /* of the pictures seen */
double un_summary_value(const un_summary *s, int image, int class_index, un_metric m);

#endif
