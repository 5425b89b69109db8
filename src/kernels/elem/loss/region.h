/* What the region losses share. Such a loss is a function of three sums of each class, I = sum w p y, P = sum w p (or
 * p^2) and T = sum w y (or y^2): it gets them for a group of samples, returns its value and leaves the derivatives by I
 * and P. */
#ifndef UN_KERNELS_ELEM_LOSS_REGION_H
#define UN_KERNELS_ELEM_LOSS_REGION_H

#include "kernels/elem/loss/loss.h"

typedef struct region {
    const un_loss_args *a;
    int first, classes;   /* those that count: first..classes-1 */
    double total;         /* of their class weights, above 0 */
    const double (*s)[3]; /* [classes]: I, P, T */
    double (*d)[2];       /* [classes]: derivatives by I and P, 0 before */
} region;

typedef double region_fn(const region *r);

static inline double region_share(const region *r, int k)
{
    return (double)un_class_weight(r->a, k) / r->total;
}

/* top / bottom with derivatives by I and P from those of top and bottom. An empty bottom is a perfect score. */
static inline double region_ratio(double top, double bottom, const double dtop[2], const double dbottom[2], double d[2])
{
    for (int i = 0; i < 2; i++)
        d[i] = bottom == 0 ? 0 : (dtop[i] - top / bottom * dbottom[i]) / bottom;
    return bottom == 0 ? 1 : top / bottom;
}

/* 1 - the mean over the classes of top / bottom, which are linear in I, P and T: factors of the three. */
static inline double region_mean(const region *r, const double top[3], const double bottom[3])
{
    const double smooth = r->a->smooth;
    double value = 0;

    for (int k = r->first; k < r->classes; k++) {
        const double *s = r->s[k], share = region_share(r, k);
        double d[2];
        const double score = region_ratio(top[0] * s[0] + top[1] * s[1] + top[2] * s[2] + smooth,
            bottom[0] * s[0] + bottom[1] * s[1] + bottom[2] * s[2] + smooth, top, bottom, d);

        value += share * (1 - score);
        for (int i = 0; i < 2; i++)
            r->d[k][i] = -share * d[i];
    }
    return value;
}

#endif
