/* The data pipeline as the feed of the training loop. */
#ifndef UN_TRAIN_FEED_H
#define UN_TRAIN_FEED_H

#include "data/pipeline.h"
#include "train/trainer.h"

/* What the settled configuration says of the batches: patch, batch, channels, classes, seed, augmentation, foreground.
 * Threads, cache and pixel weights stay as they are in *o. c must outlive the pipeline. */
void un_feed_settings(const un_config *c, un_pipeline_options *o);

/* The pipeline must outlive the training. */
un_feed un_feed_of(un_pipeline *p);

#endif
