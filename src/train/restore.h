/* A run folder's checkpoint as a model, and the check that a run goes on with the settings it began with. */
#ifndef UN_TRAIN_RESTORE_H
#define UN_TRAIN_RESTORE_H

#include "model/file.h"
#include "train/checkpoint.h"

/* The model of the folder's checkpoint: the weights as training left them (not the best) and the run's own
 * configuration. */
UN_NODISCARD unet_status un_train_restore(un_model **out, un_mem *mem, const char *folder, unet_error *err);

/* Refuses a configuration that differs from the checkpoint's in a key that touches the result. Threads,
 * memory, cache, intervals of checkpoints and everything of prediction and evaluation may differ. */
UN_NODISCARD unet_status un_train_same_config(
    const un_config *now, const un_checkpoint *c, un_mem *mem, unet_error *err);

#endif
