/* Batches for training, prepared ahead by threads.
 *
 * A step has batch samples, handed out as batch / ghost_batch batches of ghost_batch samples each, in order. What a
 * batch holds follows from the options and its step alone: not from threads, cache or the step that was started with.
 */
#ifndef UN_DATA_PIPELINE_H
#define UN_DATA_PIPELINE_H

#include "data/augment.h"
#include "data/sampler.h"

typedef struct un_pipeline_options {
    int size[3];            /* patch d, h, w */
    int batch, ghost_batch; /* ghost_batch divides batch; 0: batch */
    int channels, classes;
    int multilabel; /* 1: soft targets (and weights) */
    int weights;    /* 1: batches have weights even where pictures have none */
    uint64_t seed;
    int64_t steps;                 /* the last step; 0: no end */
    int threads;                   /* 0: all is done in un_pipeline_next, on the caller's thread */
    int ahead;                     /* batches in memory; 0: 3 (1 without threads) */
    size_t cache_bytes;            /* of prepared pictures; 0: none is kept (the source has a cache of its own) */
    const un_cfg_augment *augment; /* keys that are auto follow the policy */
    const int *foreground;         /* classes that patches are centred on; NULL: all but 0 */
    int foreground_count;
    int objects; /* 1: those patches are centred on random objects, not pixels */
} un_pipeline_options;

typedef struct un_pipeline un_pipeline;
/* The source must outlive the pipeline. */
UN_NODISCARD unet_status un_pipeline_create(
    un_pipeline **out, un_mem *mem, const un_picture_source *source, const un_pipeline_options *opt, unet_error *err);
void un_pipeline_destroy(un_pipeline *p); /* NULL is fine; waits for the samples at hand */

/* The next batch is the first of this step (from 1). Before next; again to go elsewhere, when no batch is held. */
UN_NODISCARD unet_status un_pipeline_start(un_pipeline *p, int64_t step, unet_error *err);
/* May wait. *out is valid until it is released. A sample that failed gives its error here, and again at each call;
 * after the last step: UNET_E_ARG; after cancel: UNET_E_CANCELLED. By one thread. */
UN_NODISCARD unet_status un_pipeline_next(un_pipeline *p, const un_batch **out, unet_error *err);
/* In the order they came; fewer than `ahead` may be held while next is called. */
void un_pipeline_release(un_pipeline *p, const un_batch *b);
un_epoch un_pipeline_epoch(const un_pipeline *p);
void un_pipeline_cancel(un_pipeline *p); /* by any thread */

typedef struct un_pipeline_figures {
    int64_t samples;     /* prepared */
    double waiting_s;    /* spent in un_pipeline_next */
    double busy_s;       /* spent on samples, over all threads */
    int64_t loads, hits; /* of the cache of pictures */
    size_t most_cache_bytes;
} un_pipeline_figures;
un_pipeline_figures un_pipeline_figures_get(un_pipeline *p);

/* Bytes of the batches that are held, for the plan of memory; 0: overflow. */
size_t un_pipeline_batch_bytes(const un_pipeline_options *opt);

#endif
