/* Tversky (Salehi 2017), focal Tversky (Abraham and Khan 2019): mean over classes of (1 - TI)^gamma with
 * TI = (I + s) / (I + alpha FP + beta FN + s), FP = P - I, FN = T - I. gamma here is the power itself. */
#ifndef UN_KERNELS_ELEM_LOSS_TVERSKY_H
#define UN_KERNELS_ELEM_LOSS_TVERSKY_H

#include "kernels/elem/loss/region.h"

static const double tversky_least = 1e-7; /* of 1 - TI: a power below 1 has no slope at 0 */

static double loss_tversky(const region *r)
{
    const double alpha = un_loss_own_alpha(r->a), beta = r->a->beta, gamma = r->a->gamma, smooth = r->a->smooth;
    const double top[3] = {1, 0, 0}, bottom[3] = {1 - alpha - beta, alpha, beta};
    double value = 0;

    if (gamma == 1)
        return region_mean(r, top, bottom);
    for (int k = r->first; k < r->classes; k++) {
        const double *s = r->s[k], share = region_share(r, k);
        double d[2], rest = 1 - region_ratio(s[0] + smooth, bottom[0] * s[0] + alpha * s[1] + beta * s[2] + smooth, top,
                                    bottom, d);

        if (rest <= 0) /* nothing of the class */
            continue;
        rest = UN_MAX(rest, tversky_least);
        value += share * un_pow(rest, gamma);
        for (int i = 0; i < 2; i++)
            r->d[k][i] = -share * gamma * un_pow(rest, gamma - 1) * d[i];
    }
    return value;
}

#endif
