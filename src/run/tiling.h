/* How a picture is cut into windows; internal to run/. */
#ifndef UN_RUN_TILING_H
#define UN_RUN_TILING_H

#include "run/predict.h"

/* The windows on one axis. Window k covers outputs start[k] .. start[k] + size of the picture's axis. */
typedef struct un_axis {
    int extent; /* pixels of the picture */
    int size;   /* outputs of a window   */
    int count;
    int *start;      /* [count] */
    int *low, *high; /* [count] local positions that count: 0 and size, less the halo inside the picture */
    float *weight;   /* [size] along the window */
    float *norm;     /* [extent] 1 / sum of the weights of all windows; all 1 without blending */
} un_axis;

UN_NODISCARD unet_status un_axis_create(
    un_axis *a, un_mem *mem, const un_tiling *t, int axis, int extent, int step, int grid, unet_error *err);
void un_axis_destroy(un_axis *a);

/* Chooses windows for a picture: fills *t. patch: the trained size. */
UN_NODISCARD unet_status un_tiling_choose(un_tiling *t, un_mem *mem, const un_model *model,
    const un_predict_options *opt, int d, int h, int w, unet_error *err);

/* Extents of windows and their starts are multiples of this. Quarter turns need it alike for h and w. */
void un_tiling_grid(const un_model *model, const un_predict_options *opt, int grid[3]);

int un_tiling_is_single(const un_tiling *t); /* one window, whose outputs are the picture's */

/* Largest distance between window starts. */
int un_tiling_step(const un_tiling *t, const un_predict_options *opt, const int grid[3], int axis);

#endif
