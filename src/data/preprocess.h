/* A decoded file to what the network sees, the same in training, evaluation and prediction: channels, number
 * range, orientation, spacing, size. And the data set as a source of such pictures. */
#ifndef UN_DATA_PREPROCESS_H
#define UN_DATA_PREPROCESS_H

#include "base/error.h"
#include "config/config.h"
#include "data/dataset.h"
#include "data/labels.h"
#include "data/resample.h"
#include "data/sample.h"
#include "data/scan.h"
#include "io/image.h"
#include "tensor/image.h"

typedef struct un_preprocess un_preprocess;

/* cfg must be resolved where pictures depend on it: data.colour, data.normalise (data.mean and data.std, the
 * window); `auto` of spacing and scale means "as it is". With masks 0 only pictures are made, and the label
 * keys may be open. */
UN_NODISCARD unet_status un_preprocess_create(
    un_preprocess **out, un_mem *mem, const un_config *cfg, int masks, unet_error *err);
void un_preprocess_destroy(un_preprocess *p);                     /* NULL is fine */
const un_label_map *un_preprocess_labels(const un_preprocess *p); /* NULL without masks */
/* How files are to be read. page: of a file whose pages are pictures; -1: as data.pages says. mask 1: palette numbers
 * are kept. */
un_image_read_options un_data_read_options(const un_cfg_data *data, int page, int mask);
un_image_read_options un_preprocess_read_options(const un_preprocess *p, int page, int mask);

/* images: one, or one for each channel file, all of one size. Values that are not finite, or data.no_data,
 * become 0 after the normalisation and are left out of its statistics. *grid (NULL is fine) leads back to the
 * file's grid. The target is not set. Thread-safe. */
UN_NODISCARD unet_status un_preprocess_image(const un_preprocess *p, const un_image *images, int count, un_mem *mem,
    un_picture *out, un_grid *grid, unet_error *err);
/* Decoded files, or one picture in a caller's memory. */
typedef struct un_raster {
    const un_image *images; /* [count] one, or one for each channel */
    int count;
    const un_strides *strides; /* of a lone image of u8, i16, u16 or f32; NULL: dense */
} un_raster;
UN_NODISCARD unet_status un_preprocess_pixels(
    const un_preprocess *p, const un_raster *in, un_mem *mem, un_picture *out, un_grid *grid, unet_error *err);
/* The same picture without a copy of it: its rows are made whenever they are asked for. Only for grids that are not
 * resampled (un_preprocess_grid); the files and the preprocess must outlive it. Its memory in pieces of a block
 * (base/block.h), the most that it takes for a while included: un_seen_room. */
typedef struct un_seen un_seen;
UN_NODISCARD unet_status un_seen_create(
    un_seen **out, const un_preprocess *p, const un_raster *in, un_mem *mem, const un_grid *grid, unet_error *err);
void un_seen_destroy(un_seen *s); /* NULL is fine */
int un_seen_channels(const un_seen *s);
size_t un_seen_room(const un_preprocess *p);
/* Pixels x0..x1 of row y of plane z, dense [x][channels]. Thread-safe; allocates nothing. */
void un_seen_read(const void *seen, int z, int y, int x0, int x1, float *to);
/* For a picture on this grid (un_preprocess_grid), whose sizes can be counted: the memory that un_preprocess_pixels
 * holds at most, its result included, as pieces of a block (base/block.h). *kept: what is left of it afterwards. */
size_t un_preprocess_room(const un_preprocess *p, const un_grid *grid, size_t *kept);
/* With the mask: target, or soft for multi-label masks; -1 where the picture has no data. *strays as in
 * labels.h. */
UN_NODISCARD unet_status un_preprocess_pair(const un_preprocess *p, const un_image *images, int count,
    const un_image *mask, un_mem *mem, un_picture *out, un_grid *grid, int64_t *strays, unet_error *err);

/* How the network sees a file of this kind. */
void un_preprocess_grid(const un_preprocess *p, const un_image *image, un_grid *grid);

/* The same of a scanned item, cut to its part. */
void un_preprocess_extents(const un_preprocess *p, const un_item *item, const un_scan_item *scanned, int size[3]);

/* Whether the item is a part of a picture, by the extents of its file, that holds no pixel. */
int un_item_is_nothing(const un_item *item, const un_scan_item *scanned);

/* What the mask says on the file's own grid: truth[d][h][w] of the first image's extents is the class, of a multi-label
 * mask a bit for each class; -1: ignored, or the picture has no data there. *strays as in labels.h. */
UN_NODISCARD unet_status un_preprocess_truth(const un_preprocess *p, const un_image *images, int count,
    const un_image *mask, un_mem *mem, int32_t *truth, int64_t *strays, unet_error *err);

/* The files of one item as they were read. */
typedef struct un_item_files {
    un_image *image; /* [count] */
    int count;
    un_image mask; /* data NULL: none was asked for, or there is none */
} un_item_files;
/* masks 1: the mask too. Thread-safe. */
UN_NODISCARD unet_status un_item_files_read(
    un_item_files *out, const un_preprocess *p, const un_item *item, int masks, un_mem *mem, unet_error *err);
void un_item_files_free(un_item_files *f); /* NULL is fine; leaves an empty one */
/* Cuts them to the part that the item is, as un_preprocess_item does on the network's grid. */
UN_NODISCARD unet_status un_item_files_cut(
    un_item_files *f, const un_preprocess *p, const un_item *item, unet_error *err);

/* Reads and prepares one item of a data set, with its mask when the preprocess has labels and the item a
 * mask, cut to its part. */
UN_NODISCARD unet_status un_preprocess_item(
    const un_preprocess *p, const un_item *item, un_mem *mem, un_picture *out, un_grid *grid, unet_error *err);

/* The items of one role as a source of pictures. Pictures stay in memory, prepared, while they fit into
 * cache_bytes: the first that came stay, so that a pass over more than fits still finds some. Data set and
 * preprocess must outlive it. */
typedef struct un_data_source un_data_source;
UN_NODISCARD unet_status un_data_source_create(un_data_source **out, un_mem *mem, const un_dataset *d,
    const un_preprocess *p, un_role role, size_t cache_bytes, unet_error *err);
void un_data_source_destroy(un_data_source *s);                        /* NULL is fine */
const un_picture_source *un_data_source_view(const un_data_source *s); /* valid as long as s */
const un_item *un_data_source_item(const un_data_source *s, int index);

#endif
