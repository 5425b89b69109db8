/* What makes a trained network a finished model: the record of its training and pairs for the self-test. */
#ifndef UN_TRAIN_FINISH_H
#define UN_TRAIN_FINISH_H

#include "train/trainer.h"

/* Sets the record: what was done, with which settings of the machine that touch the bits; no times, so
 * that equal runs give equal files, and no file names unless they are asked for. Fills the model's test pairs by
 * running the network on them. */
UN_NODISCARD unet_status un_train_finish(
    un_model *m, const un_train_options *opt, const un_progress_state *state, unet_error *err);

#endif
