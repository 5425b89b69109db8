/* The chosen metrics of one class of one picture. Knows no files: truth, prediction and spacing are the caller's. */
#ifndef UN_METRICS_PANEL_H
#define UN_METRICS_PANEL_H

#include "metrics/masks.h"

/* A picture as it is scored. */
typedef struct un_scored_picture {
    const int32_t *truth, *prediction; /* [d][h][w] class indices, or a bit for each class; truth -1: ignored */
    un_shape size;                     /* d, h, w; n and c are not used */
    int bits;                          /* 1: multi-label */
    double spacing[3];                 /* of neighbours along z, y, x; 1 each: distances in pixels */
    const int32_t *object;             /* [d][h][w] number of the true object of class object_class, 0: none; NULL: true
                                          objects are found as predicted ones are */
    int object_class;
} un_scored_picture;

typedef struct un_class_panel {
    double v[UN_M_COUNT]; /* NaN: none, or not chosen */
    un_object_tally objects;
} un_class_panel;

/* n: the class's counts in this picture. Ignored pixels belong to neither mask. `shapes` 0: only metrics of counts (as
 * of the background). Where the class is on neither side, scores (shares of which more is better) follow rules->empty.
 */
UN_NODISCARD unet_status un_panel_class(un_class_panel *out, const un_scored_picture *p, int class_index, int shapes,
    un_class_counts n, const un_metric_choice *choice, const un_metric_rules *rules, un_mem *mem, un_pool *pool,
    unet_error *err);

/* The metrics that counts and tallies of many pictures have together. t NULL: those of counts alone. voxel: volume of a
 * pixel; NaN: not the same everywhere. */
void un_panel_pooled(double *v, un_class_counts n, const un_object_tally *t, double voxel, const un_metric_choice *c,
    const un_metric_rules *rules);

#endif
