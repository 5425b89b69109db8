/* Class maps painted on pictures. All pictures are U8 RGB of one slice; maps are [h][w] of the same size, -1: ignored.
 */
#ifndef UN_REPORT_OVERLAY_H
#define UN_REPORT_OVERLAY_H

#include "base/error.h"
#include "report/palette.h"
#include "tensor/image.h"

typedef struct un_paint {
    const un_palette *palette; /* NULL: the default one */
    double alpha;              /* opacity of areas, 0..1; 0: 0.45 */
    int background;            /* class that is not painted; -1: all are */
    int contours_only;         /* 1: no areas */
    int bits;                  /* 1: multi-label: bit k of the map is class k; several share the mean colour */
} un_paint;

/* Areas are tinted; their inner edge is opaque, so that neighbours of one class and thin parts stay visible. */
void un_paint_classes(un_image *rgb, const int32_t *map, const un_paint *p);

/* Shares 0..255 as colours from dark blue over violet and orange to bright yellow, at half opacity. */
void un_paint_heat(un_image *rgb, const int32_t *map);
un_rgb un_heat_colour(int share);

/* Right foreground, extra (truth is background), missed (prediction is background), taken for another class, ignored:
 * the un_colour_... of palette.h. Background that is right stays as it is. background -1: every right pixel is painted
 * as right, every wrong one as taken for another class. */
void un_paint_errors(un_image *rgb, const int32_t *truth, const int32_t *prediction, int background, double alpha);

/* The five entries of the error map's legend, in words. */
enum { UN_ERROR_COLOURS = 5 };
void un_error_legend(un_legend_entry entry[UN_ERROR_COLOURS]);

/* Adds a strip with swatches and names below the picture. */
UN_NODISCARD unet_status un_add_legend(
    un_image *rgb, un_mem *mem, const un_legend_entry *entry, int count, unet_error *err);

typedef struct un_sheet_cell {
    const un_image *rgb;
    const char *caption; /* cut where the cell ends */
} un_sheet_cell;

/* Contact sheet: cells of cell_px x cell_px in rows of `columns`, each picture scaled to fit and centred. */
UN_NODISCARD unet_status un_sheet_make(
    un_image *out, un_mem *mem, const un_sheet_cell *cell, int count, int columns, int cell_px, unet_error *err);

#endif
