/* Losses of the Dice coefficient, 1 - Dice as the mean over classes of (2 I + s) / (P + T + s).
 *   dice              the mean (Milletari 2016, Drozdzal 2016)
 *   log_cosh_dice     log cosh of it (Jadon 2020)
 *   generalised_dice  1 - 2 sum v I / sum v (P + T), v = cw / T^2 (Sudre 2017); all classes, and one that does not
 * occur has the largest 1 / T^2 of those that do */
#ifndef UN_KERNELS_ELEM_LOSS_DICE_H
#define UN_KERNELS_ELEM_LOSS_DICE_H

#include "kernels/elem/loss/region.h"

static double loss_dice(const region *r)
{
    static const double top[3] = {2, 0, 0}, bottom[3] = {0, 1, 1};

    return region_mean(r, top, bottom);
}

static double loss_log_cosh_dice(const region *r)
{
    const double x = loss_dice(r), e = un_exp(-2 * x), slope = (1 - e) / (1 + e);

    for (int k = r->first; k < r->classes; k++)
        for (int i = 0; i < 2; i++)
            r->d[k][i] *= slope;
    return x + un_log(0.5 * (1 + e)); /* x is never negative */
}

static double loss_generalised_dice(const region *r)
{
    double most = 0, top = 0, bottom = 0;

    for (int k = 0; k < r->classes; k++)
        most = r->s[k][2] > 0 ? UN_MAX(most, 1 / (r->s[k][2] * r->s[k][2])) : most;
    for (int k = 0; k < r->classes; k++) {
        const double *s = r->s[k], v = (double)un_class_weight(r->a, k) * (s[2] > 0 ? 1 / (s[2] * s[2]) : most);

        top += v * 2 * s[0];
        bottom += v * (s[1] + s[2]);
    }
    for (int k = 0; k < r->classes && bottom > 0; k++) {
        const double *s = r->s[k], v = (double)un_class_weight(r->a, k) * (s[2] > 0 ? 1 / (s[2] * s[2]) : most);

        r->d[k][0] = -2 * v / bottom;
        r->d[k][1] = v * top / (bottom * bottom);
    }
    return bottom > 0 ? 1 - top / bottom : 0;
}

#endif
