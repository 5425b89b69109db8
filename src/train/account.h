/* The memory of a training run, part by part, from plans and from the extents of the pictures: stated before it
 * starts, and what train.mem is compared with. */
#ifndef UN_TRAIN_ACCOUNT_H
#define UN_TRAIN_ACCOUNT_H

#include "backend/backend.h"
#include "data/dataset.h"
#include "data/scan.h"
#include "model/file.h"
#include "run/session.h"

typedef struct un_account_spec {
    const un_dataset *data; /* roles assigned */
    const un_scan *scan;    /* of the same data */
    const un_backend *backend;
    un_session_options session;
} un_account_spec;

/* Bytes at the largest moment. A run holds process, model, engine, batches and pictures all the time; selection is
 * held from the first selection on; loading comes and goes while pictures are decoded, during selections too. */
typedef struct un_account {
    uint64_t process;  /* program, libraries, stacks, what the decoders and the allocator hold */
    uint64_t model;    /* its weights */
    uint64_t engine;   /* activations, gradients, moments, averages, packed weights */
    uint64_t batches;  /* prepared ahead */
    uint64_t pictures; /* training pictures in memory: those that the run draws, at most train.cache */
    uint64_t loading;  /* more than that while the largest ones are decoded, one for each thread that prepares */
    /* a prediction of the largest selection picture, or of the largest one shown, with picture, mask and classes */
    uint64_t selection;
    uint64_t total;
    size_t predict_bytes; /* what such a prediction may hold: un_predict_options.max_bytes */
    /* Without selection pictures so many of the first training pictures are shown to people as they improve, and that
     * every so many steps: so seldom that it takes a small share of the time. None where that means never, or where
     * train.mem does not hold it. */
    int shown;
    int64_t show_every;
} un_account;

/* The model's configuration is settled (train/schedule.h) but for train.steps: without them every picture is drawn. It
 * needs no weights. */
UN_NODISCARD unet_status un_account_make(
    un_account *out, un_mem *mem, const un_account_spec *spec, un_model *model, unet_error *err);

/* Bytes of the prepared training pictures that are kept: train.cache, or 1 GiB. */
size_t un_account_cache(const un_config *cfg);

/* Threads that prepare patches: train.workers, or half of those that compute. */
int un_account_workers(const un_config *cfg, const un_pool *pool);

#endif
