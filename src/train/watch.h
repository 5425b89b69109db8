/* What the network sees of each class, and classes that it does not learn or forgets. */
#ifndef UN_TRAIN_WATCH_H
#define UN_TRAIN_WATCH_H

#include "data/sample.h"
#include "train/runlog.h"

/* Starts as all zeros; counts from the start of the process. */
typedef struct un_watch {
    double seen[UN_CFG_MAX_class], all;   /* pixels of each class, and of all that count, since the last selection */
    double total[UN_CFG_MAX_class], sum;  /* the same since the start */
    double best[UN_CFG_MAX_class];        /* Dice */
    unsigned char low[UN_CFG_MAX_class];  /* selections in a row far below the best */
    unsigned char told[UN_CFG_MAX_class]; /* bits: never learned, collapsed */
    int selections;
} un_watch;

void un_watch_batch(un_watch *w, const un_batch *b);

/* The share of each class since the call before; NaN: nothing was seen. share: UN_CFG_MAX_class numbers. */
void un_watch_shares(un_watch *w, double *share);

/* A selection was made: appends a line to `warnings` for each class that
 *  - has not come above a Dice of 0.01 in at least three selections, half of the training being over (done: 0 to 1);
 *  - was at 0.2 or more and is below a quarter of its best for the second time in a row.
 * Each is said once, the second again after a recovery to half of the best. Classes that occur in no picture of the
 * selection, and class 0 unless it is a channel of its own, are passed over. */
void un_watch_score(un_watch *w, const un_score *s, const un_config *c, double done, un_text *warnings);

#endif
