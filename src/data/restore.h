/* Scores from the network's grid back to the file's extents, plane by plane as they come, so that never more than a few
 * planes of all channels are held. */
#ifndef UN_DATA_RESTORE_H
#define UN_DATA_RESTORE_H

#include "data/resample.h"

/* Plane `at` of the turned grid along the axis of the planes: [other axes][channels]. */
typedef unet_status (*un_restore_sink)(void *ctx, int at, const float *p, unet_error *err);

typedef struct un_restore un_restore;

/* Planes lie across `axis` of the grid: 0 in volumes; 1 in pictures, where a plane is a row. grid must outlive it. */
UN_NODISCARD unet_status un_restore_create(un_restore **out, un_mem *mem, const un_grid *grid, int axis, int channels,
    un_restore_sink sink, void *ctx, unet_error *err);
void un_restore_destroy(un_restore *r);                              /* NULL is fine */
size_t un_restore_room(const un_grid *grid, int axis, int channels); /* what it takes of a block (base/block.h) */

/* The next plane on the network's grid, in order from the first; the sink gets what is complete with it, in order. */
UN_NODISCARD unet_status un_restore_add(un_restore *r, const float *plane, unet_error *err);

#endif
