/* What `unet train` and `unet extend` share. */
#ifndef UN_CLI_TRAINING_H
#define UN_CLI_TRAINING_H

#include "app/options.h"
#include "unet/work.h"

/* Runs the training with progress on standard error and prints its summary, with --json as one object. */
UNET_NODISCARD unet_status un_cli_train(const un_args *a, unet_context *c, unet_train_options *o, unet_error *err);

#endif
