/* Weights of other programs, for unet_import and for training. */
#ifndef UN_API_IMPORT_H
#define UN_API_IMPORT_H

#include "api/context.h"

/* model.encoder_weights into the encoder of a network that was just made; logs what was taken over. Every parameter of
 * the encoder must be in the file. */
UN_NODISCARD unet_status un_api_encoder_weights(unet_context *c, un_model *m, const char *path, unet_error *err);
/* Whether every parameter is in the file, asked before there is a network. */
UN_NODISCARD unet_status un_api_encoder_fits(
    const unet_context *c, const un_cfg_model *m, const char *path, unet_error *err);

#endif
