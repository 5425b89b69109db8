/* The learning-rate range test (Smith 2017): a short run whose rate rises from step to step; where the loss falls most
 * steeply is a good rate, where it rises again is too high. */
#ifndef UN_TRAIN_FIND_RATE_H
#define UN_TRAIN_FIND_RATE_H

#include "train/trainer.h"

enum { UN_FIND_RATE_STEPS = 100 };

typedef struct un_rate_search {
    int steps; /* made: fewer than UN_FIND_RATE_STEPS when the loss ran away */
    double lr[UN_FIND_RATE_STEPS], loss[UN_FIND_RATE_STEPS], smooth[UN_FIND_RATE_STEPS];
    int lowest;   /* step with the lowest smooth loss */
    int steepest; /* step of the steepest fall before it */
} un_rate_search;

/* From a thousandth of the optimiser's own rate to a thousand times of it, evenly in its logarithm; ends when the
 * smooth loss is four times the lowest or not finite. Of *opt it takes model, backend, pool, level, exact,
 * pixel_weight, max_bytes, feed, progress, cancel, ctx. The model is of no use afterwards. A loss that never falls:
 * UNET_E_NUMERIC. */
UN_NODISCARD unet_status un_find_rate(un_rate_search *out, un_mem *mem, const un_train_options *opt, unet_error *err);

/* <stem>.csv with a row a step, and <stem>.svg. */
UN_NODISCARD unet_status un_find_rate_write(const un_rate_search *s, un_mem *mem, const char *stem, unet_error *err);

#endif
