/* Order statistics without sorting. */
#ifndef UN_BASE_KTH_H
#define UN_BASE_KTH_H

#include <stdint.h>

/* The k-th smallest (from 0) of a[0..n-1], none of them NaN; reorders a so that it stands at a[k], none larger before
 * it and none smaller behind. */
double un_kth(double *a, int64_t n, int64_t k);
/* Between the two nearest ranks in proportion, as numpy.percentile: share 0..1, n at least 1. Reorders a. */
double un_quantile(double *a, int64_t n, double share);

#endif
