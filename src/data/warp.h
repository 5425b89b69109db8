/* One inverse map for all spatial operations of a sample: each pixel of the patch looks up one position of the picture,
 * so that values are interpolated once and picture, mask and weights cannot part. */
#ifndef UN_DATA_WARP_H
#define UN_DATA_WARP_H

#include "base/rng.h"
#include "data/sample.h"

/* position = at + m b / (1 + tilt b) + displacement(out), b = bend(out - middle); axes d, h, w; pixel centres are
 * integers; middle is (size - 1) / 2. The displacement is a uniform cubic B-spline over `grid`. */
typedef struct un_warp {
    int size[3];      /* of the patch */
    double m[3][3];   /* position axis, patch axis */
    double at[3];     /* position of the patch's middle */
    double tilt[3];   /* perspective (1 / px of the patch): 0, 0, 0: none */
    float *bend[3];   /* [size] b along each axis; NULL: as it is; borrowed */
    int elastic;      /* 1: grid counts */
    double cell[3];   /* distance of the grid points (px of the patch) */
    int points[3];    /* of the grid; axis of one cell: 1 point, no displacement along it varies */
    float *grid;      /* [points d][h][w][3] displacement (px of the picture); borrowed */
    int zero_outside; /* 1: zeros and ignored outside the picture; 0: reflection */
} un_warp;

/* Where a patch goes: as one sample of un_batch. target, soft, weight may be NULL. */
typedef struct un_patch {
    float *image;    /* [d][h][w][c] */
    int32_t *target; /* [d][h][w] */
    float *soft;     /* [d][h][w][classes] */
    float *weight;   /* [d][h][w] */
    int classes;
} un_patch;

/* Memory of one thread for patches of one size. */
typedef struct un_warp_scratch un_warp_scratch;
UN_NODISCARD unet_status un_warp_scratch_create(un_warp_scratch **out, un_mem *mem, const int size[3], unet_error *err);
void un_warp_scratch_destroy(un_warp_scratch *s); /* NULL is fine */

/* The window that starts at start, unchanged. */
void un_warp_window(un_warp *w, const int size[3], const int start[3]);
/* The picture seems turned, mirrored, scaled by t (position axis, patch axis): m becomes m t. */
void un_warp_then(un_warp *w, const double t[3][3]);

/* Grid of an elastic deformation: normal displacements whose root mean square is px[axis] at the pixels; cell: distance
 * of the points along each axis, above 0 for w, 0 for d or h: no grid there. The grid lives in the scratch.
 * UNET_E_NOMEM only. */
UN_NODISCARD unet_status un_warp_elastic(
    un_warp *w, un_warp_scratch *s, const double cell[3], const double px[3], un_rng *rng, unet_error *err);

/* A perspective whose denominator is 1 - |share[axis]| to 1 + |share[axis]| from end to end of each axis; the sum of
 * the shares is below 1. */
void un_warp_tilt(un_warp *w, const double share[3]);
/* Grid distortion of an axis: `cells` (up to UN_WARP_CELLS) equal cells get the widths 1 + change[i], scaled so that
 * the ends stay; linear inside a cell. The table lives in the scratch. */
enum { UN_WARP_CELLS = 32 };
void un_warp_bend(un_warp *w, un_warp_scratch *s, int axis, int cells, const double *change);

/* Whether pixels are copied, not interpolated: flips, quarter turns and whole shifts. */
int un_warp_is_exact(const un_warp *w);

/* Values linearly (bilinear, trilinear), soft targets linearly, targets and weights from the nearest pixel. A picture
 * without target gives -1, without weights 1. Outside with zero_outside: 0, -1, weight 0. */
void un_warp_run(const un_warp *w, un_warp_scratch *s, const un_picture *p, const un_patch *out);

#endif
