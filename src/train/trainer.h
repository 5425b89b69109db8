/* The training loop: batches in, a trained model and a run folder out; can be stopped at any moment and gone
 * on with. */
#ifndef UN_TRAIN_TRAINER_H
#define UN_TRAIN_TRAINER_H

#include "train/engine.h"
#include "train/runlog.h"

/* Where batches come from: batch.n = ghost_batch samples each, in order, batch / ghost_batch of them a step.
 */
typedef struct un_feed {
    void *ctx;
    /* The next batch asked for is the first one of this step. Called before the others, and again to go elsewhere. */
    unet_status (*start)(void *ctx, int64_t step, unet_error *err);
    unet_status (*next)(void *ctx, const un_batch **out, unet_error *err); /* may wait */
    void (*release)(void *ctx, const un_batch *b);
} un_feed;

typedef struct un_train_progress {
    int64_t step, steps, best_step; /* best_step 0: no selection yet */
    double epoch, lr, loss;         /* loss of this step */
    const un_score *last;           /* of the last selection; NULL: none since the start of the process */
    double best_score;
    int selected; /* 1: `last` was made at this step, or pictures were shown */
    double samples_per_s, seconds, seconds_left;
    double waiting; /* share of the time spent waiting for data */
} un_train_progress;

typedef struct un_train_options {
    un_model *model; /* trained in place; ends as the best weights with the training record and test pairs */
    const un_backend *backend;
    un_pool *pool;
    un_cpu_level level;
    int exact;            /* 1: no Winograd forms */
    const char *folder;   /* run folder */
    int resume;           /* 1: goes on from the folder's checkpoint; model comes from un_train_restore (restore.h) */
    int64_t extend;       /* resume: steps to add to the run's total */
    int replace;          /* new run: the files of an earlier one in the folder are removed */
    int64_t pictures;     /* training pictures: epochs are counted in them */
    const char *epoch;    /* what an epoch comes to, for the events; NULL: not known */
    int pixel_weight;     /* batches come with pixel weights; those of multilabel heads always may */
    const char *data;     /* checksum of the training data, shorter than UN_CHECKSUM_MAX; NULL: none */
    const un_text *table; /* data.csv of the run folder (trained_on.h); NULL: none */
    const char *names;    /* of the pictures, for the training record (trained_on.h); NULL: not stored */
    const char *version;  /* of unet, for the records */
    const char *built;    /* by what compiler and how; NULL: not said */
    size_t stated_bytes;  /* memory of the whole run as it was stated, for the records */
    size_t max_bytes;     /* the engine may hold this much; 0: no limit */
    un_profile *profile;  /* gets where the time of the loop goes; NULL: not measured */
    un_feed feed;
    void *ctx; /* of the callbacks; each of them may be NULL */
    /* Scores a network on the pictures kept for selection; larger is better. Without it the last weights are
     * the result. The model stands at the same address at every call, its weights change; it is gone when un_train
     * returns. UNET_E_CANCELLED stops the run as cancel does; the selection is made when it goes on. */
    unet_status (*select)(void *ctx, const un_model *model, int64_t step, un_score *out, unet_error *err);
    /* Without select, every show_every steps and after the last one: for people to look at; changes no weights. */
    unet_status (*show)(void *ctx, const un_model *model, int64_t step, unet_error *err);
    int64_t show_every;
    void (*progress)(void *ctx, const un_train_progress *p); /* after each step */
    void (*warn)(void *ctx, const char *text);               /* what is also logged as a warning */
    int (*cancel)(void *ctx);                                /* asked after each step: 1 saves and stops */
} un_train_options;

typedef struct un_train_result {
    int64_t steps, best_step;
    double best_score, best_dice, best_iou, loss, seconds, waiting;
    int stopped_early;
    size_t bytes; /* held by the engine */
} un_train_result;

/* Trains to the end. The configuration of the model is settled first (train/schedule.h).
 *  - cancelled: UNET_E_CANCELLED, the checkpoint is written, the message says how to go on;
 *  - a loss or gradient that is not finite: UNET_E_NUMERIC, the last checkpoint stays;
 *  - any failure leaves a checkpoint from which the run can go on. */
UN_NODISCARD unet_status un_train(const un_train_options *opt, un_mem *mem, un_train_result *out, unet_error *err);

/* Bytes training will hold beside the model, before anything is allocated. Settles the model's configuration. */
UN_NODISCARD unet_status un_train_bytes(size_t *bytes, un_mem *mem, const un_train_options *opt, unet_error *err);

#endif
