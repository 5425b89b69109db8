/* Equalisation of histograms, in place: float v[..][c]; lo, hi: of each channel over the whole picture. `together`:
 * three channels keep their differences, their mean is spread. */
#ifndef UN_DATA_EQUALISE_H
#define UN_DATA_EQUALISE_H

#include <stdint.h>

/* Blends with the picture whose values are spread evenly over lo..hi: share 0..1. */
void un_equalise_apply(double share, int together, const double *lo, const double *hi, float *v, int64_t n, int c);
/* The same within tiles of each slice (at most 8 x 8, 16 pixels or more wide), maps interpolated between their middles;
 * no bin counts more than clip times the mean (Zuiderveld 1994). v[d][h][w][c]; size: d, h, w. */
void un_clahe_apply(
    double share, double clip, int together, const double *lo, const double *hi, float *v, const int size[3], int c);

#endif
