/* Pictures of an evaluation as its report shows them: best, median and worst are known only when all are scored, so
 * each is kept in the size of the report while there is room. */
#ifndef UN_API_VIEWS_H
#define UN_API_VIEWS_H

#include "report/eval_report.h"

typedef struct un_view_maps {
    un_image rgb;
    int32_t *truth, *prediction; /* [rgb.h][rgb.w] */
} un_view_maps;

typedef struct un_views {
    un_mem *mem;
    un_view_maps *of; /* [count]; rgb.data NULL: not kept */
    int count;
    int nothing; /* class that is no foreground: the background, or 0 of bit masks */
    size_t room; /* bytes left */
} un_views;

UN_NODISCARD unet_status un_views_create(un_views *v, un_mem *mem, int count, int nothing, unet_error *err);
void un_views_destroy(un_views *v);

/* The slice with the most foreground, shrunk when it is large. force 0: only while there is room. */
UN_NODISCARD unet_status un_views_add(un_views *v, int index, const un_image *image, const int32_t *truth,
    const int32_t *prediction, int force, unet_error *err);

#endif
