/* What there is to say about encoders that others have trained: the rows of encoders.def. */
#ifndef UN_CONFIG_ENCODERS_H
#define UN_CONFIG_ENCODERS_H

#include "config/config.h"

typedef struct un_encoder_info {
    const char *name;
    int poolings, first; /* most poolings; first level with values of its own */
    const char *title, *paper;
} un_encoder_info;

int un_encoder_count(void);
const un_encoder_info *un_encoder_info_of(un_cfg_encoder e);

/* What the encoder asks of the other keys. */
UN_NODISCARD unet_status un_encoder_check(const un_cfg_model *m, unet_error *err);

/* Means and deviations of ImageNet's channels, for values from 0 to `largest`; for other than three channels by channel
 * modulo 3, for one their mean. */
void un_encoder_normalise(un_cfg_data *d, int channels, double largest);

#endif
