/* What probabilities say beyond the class that is chosen: ROC and precision-recall curves, thresholds, calibration. One
 * class against all others, pooled over all pixels that were added.
 *
 * Probabilities are counted in bins that are narrow where p or 1 - p is small: 256 for each halving of min(p, 1 - p),
 * down to 2^-32. Memory does not depend on the number of pixels, and counts of pixels that differ by more than a bin
 * are as exact as if they had been sorted. */
#ifndef UN_METRICS_CURVES_H
#define UN_METRICS_CURVES_H

#include "base/mem.h"
#include "metrics/registry.h"

enum { UN_RELIABILITY_BINS = 15, UN_CURVE_POINTS = 200 };

typedef struct un_curves un_curves;

UN_NODISCARD unet_status un_curves_create(un_curves **out, un_mem *mem, int classes, unet_error *err);
void un_curves_clear(un_curves *c);   /* as new */
void un_curves_destroy(un_curves *c); /* NULL is fine */

/* p: probability of the class, cut to 0..1; belongs: 1 when the truth is the class. */
void un_curves_add(un_curves *c, int class_index, float p, int belongs);

/* Sets the metrics of the group `curves` in v[UN_M_COUNT]. Without a pixel of the class, or without one of the others,
 * there are no curves: NaN. */
void un_curve_metrics(double *v, const un_curves *c, int class_index);

typedef enum un_curve_kind { UN_CURVE_ROC, UN_CURVE_PR, UN_CURVE_RELIABILITY } un_curve_kind;
/* Points of a curve with ascending x, at most UN_CURVE_POINTS + 2; returns how many. ROC: false positive rate, recall.
 * PR: recall, precision. Reliability: mean probability of each of UN_RELIABILITY_BINS, share that is the class. */
int un_curve_points(double *x, double *y, const un_curves *c, int class_index, un_curve_kind kind);

#endif
