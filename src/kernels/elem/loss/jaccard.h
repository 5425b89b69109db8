/* Soft Jaccard (Rahman and Wang 2016): 1 - mean over classes of (I + s) / (P + T - I + s). */
#ifndef UN_KERNELS_ELEM_LOSS_JACCARD_H
#define UN_KERNELS_ELEM_LOSS_JACCARD_H

#include "kernels/elem/loss/region.h"

static double loss_jaccard(const region *r)
{
    static const double top[3] = {1, 0, 0}, bottom[3] = {-1, 1, 1};

    return region_mean(r, top, bottom);
}

#endif
