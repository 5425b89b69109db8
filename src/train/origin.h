/* Where a run's weights come from when it does not start from nothing: another model, head and first layer made anew
 * where classes or channels differ. */
#ifndef UN_TRAIN_ORIGIN_H
#define UN_TRAIN_ORIGIN_H

#include "model/file.h"

/* Before the plan: takes over the network of `from` and how it wants its pictures, but for what data decide (channels,
 * classes, head), and but for dropout and the like where *cfg sets them. UNET_E_CONFIG: *cfg sets a key of the network
 * otherwise. */
UN_NODISCARD unet_status un_origin_config(un_config *cfg, const un_model *from, un_mem *mem, unet_error *err);

/* After the network was built: copies each parameter whose name and shape agree; a first layer is
 * fitted to another number of channels (model/import.h). `told` (NULL is fine) gets a sentence
 * about the others. Returns how many were copied. */
int un_origin_weights(un_model *to, const un_model *from, un_text *told);

#endif
