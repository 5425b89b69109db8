/* Operations on the values of a patch, in place: float v[n][c], channels last. All are pixel by pixel but the blur. */
#ifndef UN_DATA_TONE_H
#define UN_DATA_TONE_H

#include <stddef.h>

#include "base/rng.h"

enum { UN_NORMAL_CELLS = 4096 };

/* Each channel k between lo[k] and hi[k] by a power: f(x) = lo + (hi - lo) ((x - lo) / (hi - lo))^gamma; from_bright:
 * as lo + hi - f(lo + hi - x). Outside it goes on with slope 1. Within 1e-6 of the range. */
typedef struct un_gamma {
    const double *lo, *hi, *gamma; /* [c] */
    int from_bright;
} un_gamma;
void un_gamma_apply(const un_gamma *g, float *v, int64_t n, int c);

/* v[k] = sum over j of m[k][j] v[j] + shift[k] for three channels; each channel alone otherwise. */
typedef struct un_colour_map {
    float m[3][3], shift[3];
} un_colour_map;
void un_colour_apply(const un_colour_map *f, float *v, int64_t n);
void un_gain_apply(const float *gain, const float *shift, float *v, int64_t n, int c);

/* Turn by `turns` of a full turn about the grey axis, then distance from grey times saturation. */
void un_colour_hue(double m[3][3], double turns, double saturation);

/* Jitter of haematoxylin, eosin and the rest: optical density = -ln of the values mapped from [lo, hi] to [1/256, 1],
 * taken apart with the vectors of Ruifrok and Johnston (2001), each stain times gain (Tellez et al. 2018), and back. */
void un_stain_apply(const double gain[3], double lo, double hi, float *v, int64_t n);

/* Gaussian blur along the axes with sigma > 0 (px), cut at 3 sigma, mirrored at the edges. scratch: un_blur_scratch
 * floats. */
void un_blur_apply(float *v, const int size[3], int c, const double sigma[3], float *scratch);
size_t un_blur_scratch(const int size[3], int c, double sigma);

/* Quantiles of the normal distribution for fast noise: values at i / UN_NORMAL_CELLS, the ends at +-4. */
typedef struct un_normal_table {
    float q[UN_NORMAL_CELLS + 1];
} un_normal_table;
void un_normal_table_make(un_normal_table *t);
/* v[i][k] += std[k] * normal; 16 random bits a value. */
void un_noise_apply(const un_normal_table *t, const un_rng *stream, const float *std, float *v, int64_t n, int c);

#endif
