/* One optimiser step as three programs over one model: accumulate (losses and gradients of a ghost batch),
 * reduce (the gradients of all ghost batches of the step are added), apply (clip, optimiser, moving average).
 *
 * The sum has a fixed shape, a binary tree over the number of the ghost batch, so that its bits depend
 * neither on threads nor on who computes which ghost batch. Nothing is allocated between un_engine_start and
 * destroy. */
#ifndef UN_TRAIN_ENGINE_H
#define UN_TRAIN_ENGINE_H

#include "backend/backend.h"
#include "data/sample.h"
#include "model/file.h"
#include "train/checkpoint.h"
#include "train/objective.h"

typedef struct un_engine_spec {
    un_model *model; /* trained in place; its configuration is settled (train/schedule.h). Must outlive the
                        engine */
    const un_backend *backend;
    un_pool *pool; /* NULL: the caller's thread */
    un_cpu_level level;
    int exact;           /* 1: no Winograd forms */
    int pixel_weight;    /* batches come with pixel weights; those of multilabel heads always may */
    int keep_best;       /* room for the weights of the best selection */
    int recompute;       /* less memory, more time, the same bits; train.recompute: on does it in any case */
    un_profile *profile; /* gets the time of each layer and of what else a step does; NULL: not measured */
} un_engine_spec;

/* What a step came to; losses are means over the ghost batches. */
typedef struct un_step_result {
    double loss, grad_norm; /* weighted sum of the terms; norm of the mean gradient before clipping */
    double term[UN_CFG_MAX_term];
} un_step_result;

typedef struct un_engine un_engine;

/* Plans everything and states the memory; allocates no block yet. */
UN_NODISCARD unet_status un_engine_create(un_engine **out, un_mem *mem, const un_engine_spec *spec, unet_error *err);
void un_engine_destroy(un_engine *e); /* NULL is fine */

/* Bytes the engine will hold beside the model once started. */
size_t un_engine_bytes(const un_engine *e);
const un_plan *un_engine_plan(const un_engine *e); /* of accumulate */
const un_objective *un_engine_objective(const un_engine *e);

/* Allocates and compiles. Average and slow weights start as the model's weights. */
UN_NODISCARD unet_status un_engine_start(un_engine *e, unet_error *err);

/* Adds the ghost batch `group` (0..groups-1, in order) of a step. step is 1-based. The batch's extents are
 * those of the configuration; targets of networks with valid padding are cut to the centre. */
UN_NODISCARD unet_status un_engine_accumulate(
    un_engine *e, const un_batch *b, int64_t step, int group, int groups, unet_error *err);

/* Ends the step: the weights change. A loss or gradient that is not finite: UNET_E_NUMERIC, the weights are
 * as before. */
UN_NODISCARD unet_status un_engine_apply(un_engine *e, int64_t step, double lr, un_step_result *out, unet_error *err);

/* A block of the training state, NULL when this run keeps none. Valid once started; may be written between
 * steps. */
float *un_engine_block(un_engine *e, un_block block);

/* Takes the statistics of batch norms anew for the averaged weights (SWA), as the mean over `count` batches: one call
 * for each, index from 0; in between the average is not fit for use. wants: whether this is due before the network is
 * used as it is after this step. */
enum { UN_STATISTICS_BATCHES = 32 };
int un_engine_wants_statistics(const un_engine *e, int64_t step);
UN_NODISCARD unet_status un_engine_statistics(un_engine *e, const un_batch *b, int index, int count, unet_error *err);

/* The gradient of the last accumulated step: the sum over its ghost batches. */
const float *un_engine_gradient(const un_engine *e);

/* The network as it would be used now: the average where there is one. The address stays the same. */
const un_model *un_engine_model(const un_engine *e);

/* Copies the weights in use now to the block of the best. */
void un_engine_keep_best(un_engine *e);

#endif
