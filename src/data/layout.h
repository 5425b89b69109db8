/* How the files of a data set lie in folders: finding out, walking, pairing. Internal to data. */
#ifndef UN_DATA_LAYOUT_H
#define UN_DATA_LAYOUT_H

#include "data/dataset.h"

/* Fills items, issues and layout of a data set that has root and arena only. */
UN_NODISCARD unet_status un_layout_find(un_dataset *d, const un_config *cfg, unet_error *err);

/* Picture files below a folder, sorted by stem (relative path without suffix), strings in the arena. */
typedef struct un_found {
    const char *stem, *path; /* path can be opened */
    int pair;                /* matching: index on the other side; -1: none yet */
} un_found;
typedef struct un_files {
    un_found *v;
    int n, cap;
} un_files;
enum { UN_WALK_DEPTH = 16 };

/* deep: sub-folders too. Files that are no pictures by name become issues when `tell`. Free v by un_free. */
UN_NODISCARD unet_status un_files_walk(
    un_files *out, un_dataset *d, const char *folder, int deep, int tell, unet_error *err);
/* Of files that share a stem all but the first go, with an issue of severity STOP. */
UN_NODISCARD unet_status un_files_unique(un_files *f, un_dataset *d, const char *what, unet_error *err);

/* Whether a word of the stem says that this is a mask ("_mask", "-seg"). */
int un_stem_is_mask(const char *stem);

/* Sets pair of both sides; unclear matches become issues. Suffixes as in data.image_suffix, data.mask_suffix.
 */
UN_NODISCARD unet_status un_pairs_match(
    un_files *images, un_files *masks, un_dataset *d, const un_cfg_data *cfg, unet_error *err);

/* Adds items for all images and issues for unmatched masks. `prefix` goes before the names. */
UN_NODISCARD unet_status un_pairs_add(
    un_dataset *d, const un_files *images, const un_files *masks, const char *prefix, un_split split, unet_error *err);

/* Gives items the splits of train.txt, val.txt, test.txt where these are there; sets given_split. */
UN_NODISCARD unet_status un_lists_apply(un_dataset *d, const un_cfg_data *cfg, unet_error *err);

UN_NODISCARD unet_status un_csv_add(un_dataset *d, const char *path, unet_error *err);
/* Whether a file is a table of pictures and masks. ASTRAY: by its header, but those of its first row are not there. */
typedef enum un_csv_fit { UN_CSV_OTHER, UN_CSV_ASTRAY, UN_CSV_FITS } un_csv_fit;
un_csv_fit un_csv_look(un_dataset *d, const char *path);

/* dataset.json of nnU-Net, versions 1 and 2. */
typedef struct un_nnunet {
    int channels;
    char ending[32];           /* ".nii.gz"; empty: any */
    un_cfg_class_list classes; /* values set, sorted by value */
    int ignore_value;          /* -1: none */
} un_nnunet;
UN_NODISCARD unet_status un_nnunet_parse(
    un_nnunet *out, const char *text, size_t size, const char *name, unet_error *err);
UN_NODISCARD unet_status un_nnunet_add(un_dataset *d, const char *json_path, unet_error *err);

/* "train", "training", "val", "valid", "validation", "dev", "test", "testing" in any case; 0: another word.
 */
int un_split_parse(const char *word, size_t n, un_split *out);

#endif
