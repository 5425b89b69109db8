/* What a run needs of its data: the data set prepared as its configuration says, the batches, the selection. */
#ifndef UN_TRAIN_JOB_H
#define UN_TRAIN_JOB_H

#include "data/pipeline.h"
#include "data/preprocess.h"
#include "train/select.h"

typedef struct un_job_spec {
    const un_dataset *data; /* roles assigned */
    const un_config *cfg;   /* settled (train/schedule.h) */
    un_session_options session;
    int64_t steps;        /* of the run; batches end there. 0: no end */
    int workers;          /* threads that prepare patches; 0: the caller's */
    size_t batch_cache;   /* bytes of prepared training pictures */
    size_t select_cache;  /* bytes of prepared pictures of the selection */
    size_t predict_bytes; /* most that a prediction may hold; 0: no limit of its own */
    int shown;            /* so many of the first training pictures are predicted to look at (un_account) */
    /* Told each picture of a selection, or each that is shown (un_selector_spec); NULL: never. */
    unet_status (*seen)(
        void *ctx, int index, const un_picture *p, const int32_t *classes, const un_scores *s, unet_error *err);
    void *ctx;
    int (*cancel)(void *ctx); /* asked between the windows of a prediction; NULL: never */
    void *cancel_ctx;
} un_job_spec;

typedef struct un_job {
    un_preprocess *pre;
    un_data_source *train, *select;
    un_pipeline *pipeline;
    char epoch[200];         /* what an epoch comes to, in words */
    un_picture_source shown; /* the first training pictures */
    un_selector *selector;   /* over the pictures kept for selection, or over those shown; NULL: neither */
} un_job;

/* Data set and configuration must outlive the job. On failure *j is closed. */
UN_NODISCARD unet_status un_job_open(un_job *j, un_mem *mem, const un_job_spec *spec, unet_error *err);
void un_job_close(un_job *j); /* an empty one is fine; leaves an empty one */

#endif
