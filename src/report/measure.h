/* Measures of predicted masks as a table: areas or volumes by class, counts and sizes of objects. One row a class. And
 * the objects themselves as a picture of their numbers. */
#ifndef UN_REPORT_MEASURE_H
#define UN_REPORT_MEASURE_H

#include "report/table.h"
#include "tensor/image.h"
#include "tensor/shape.h"

typedef struct un_measure_options {
    int classes;
    const char *const *class_name; /* [classes] */
    int background;                /* class without objects; -1: none */
    int bits;                      /* 1: bit k of a pixel is class k; classes may overlap */
    int split;                     /* 1: touching objects are counted apart (metrics/objects.h) */
    int has_spacing;               /* 1: areas in um2 (2-D) or volumes in mm3 (3-D) too         */
    double spacing_mm[3];          /* of neighbours along d, h, w */
} un_measure_options;

/* Columns: image, class, pixels, share, area_um2, volume_mm3, objects, at_border, object_min_px, object_median_px,
 * object_mean_px, object_max_px. What does not apply is NaN: an empty field. */
UN_NODISCARD unet_status un_measure_create(un_table **out, un_mem *mem, unet_error *err);

/* map: [d][h][w] class indices, or bits (n and c of the shape are not used). t NULL: no row is wanted. objects: gets
 * the numbers of the objects, 0 where there is none, as U16, or as I32 where they are more than that holds; all classes
 * are numbered through, or with bits each has a channel and numbers of its own. NULL: not wanted; else the caller frees
 * it. */
UN_NODISCARD unet_status un_measure_add(un_table *t, un_image *objects, un_mem *mem, const char *image,
    const int32_t *map, un_shape size, const un_measure_options *opt, unet_error *err);

#endif
