/* Statistics of many numbers: exact order statistics in linear time, moments in a fixed order of summation.
 */
#ifndef UN_DATA_VALUES_H
#define UN_DATA_VALUES_H

#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"

/* Numbers that come in pieces: each() gives all of them to take(), in the same order each time. */
typedef struct un_values {
    void (*each)(void *from, void (*take)(void *to, const float *x, size_t n), void *to);
    void *from;
} un_values;

typedef struct un_moments {
    double min, max, mean, std; /* std with n in the denominator; all 0 when n = 0 */
} un_moments;
void un_moments_of(const float *x, size_t n, un_moments *out);
void un_moments_of_values(const un_values *v, un_moments *out);

/* out[i]: the percent[i] quantile (0..100) with linear interpolation between neighbours; all 0 when n = 0. x
 * holds no NaN. Radix selection on the order-preserving bits of a float: no copy, no bad cases. */
UN_NODISCARD unet_status un_quantiles(
    double *out, un_mem *mem, const float *x, size_t n, const double *percent, int count, unet_error *err);
UN_NODISCARD unet_status un_quantiles_of_values(
    double *out, un_mem *mem, const un_values *v, const double *percent, int count, unet_error *err);
size_t un_quantiles_room(void); /* what it takes for a while (base/block.h) */

#endif
