/* TIFF files whose pages are pictures of their own. */
#ifndef UN_DATA_SERIES_H
#define UN_DATA_SERIES_H

#include "data/dataset.h"

/* How many such pages a file has; 1: it is one picture, or a file that says by itself when it is read what is wrong.
 * data.pages: series: every page of a TIFF. auto: of TIFFs that are no stack by their own description; with volumes 0
 * also of stacks of slices (for networks of two dimensions). Else none. */
int un_series_pages(un_mem *mem, const char *path, un_cfg_pages pages, int volumes);

/* Name of page `page` (0-based) of a file: STEM_page0001 ... NULL: no memory. Free by un_free. */
char *un_series_name(un_mem *mem, const char *stem, int page);

/* Items of such files become one for each page, in one group, with the pages of their mask. A mask with another number
 * of pages is an issue. */
UN_NODISCARD unet_status un_series_split(un_dataset *d, const un_config *cfg, unet_error *err);

#endif
