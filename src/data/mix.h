/* Operations between samples: another patch of another picture, augmented by its own draw, comes into a sample. Which
 * follows from (seed, step, sample) as all else. */
#ifndef UN_DATA_MIX_H
#define UN_DATA_MIX_H

#include "data/augment.h"

/* Where the other pictures come from. get may be called by several threads at once; what it gives is put back. */
typedef struct un_partners {
    void *ctx;
    int count;
    unet_status (*get)(void *ctx, int index, const un_ready **out, unet_error *err);
    void (*put)(void *ctx, int index);
} un_partners;
/* A picture as its own partner. */
un_partners un_partners_of(const un_ready *r);

/* mixup, cutmix, mosaic and copy_paste on a patch that un_augment_run made with the same draw; sample below 2^24. */
UN_NODISCARD unet_status un_mix_run(const un_augment *a, un_augment_scratch *s, const un_draw *draw,
    const un_partners *others, const un_patch *out, unet_error *err);

#endif
