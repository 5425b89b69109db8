/* A data set: which pictures there are, which mask belongs to which, and what each picture is used for.
 *
 * Nothing is decoded here. un_dataset_open finds the files and their pairs, a scan (data/scan.h) may leave
 * some out, then un_dataset_assign gives roles. What is odd becomes an issue with a severity; only
 * un_dataset_check makes errors of them.
 *
 * Roles, in this order (docs/data.md says it for users):
 *   1. A split given by the layout (folders, lists, column) is kept. Pictures that it does not name are not
 * used.
 *   2. Without one, labelled pictures are shuffled by groups (Philox, data.split_seed) and val_share,
 * test_share taken. With fewer than UN_SPLIT_MIN_PICTURES the cut goes through each picture along its longest
 * axis.
 *   3. A given split that has training pictures only is cut as in 2; an nnU-Net folder with labelled test
 * cases gets its validation pictures as in 2.
 *   4. train.select_share of the training pictures, groups kept together, at least one, becomes SELECT when
 * there are UN_SELECT_MIN_PICTURES or more: it alone chooses the checkpoint, so that val and test stay
 * unseen. */
#ifndef UN_DATA_DATASET_H
#define UN_DATA_DATASET_H

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"

enum { UN_SPLIT_MIN_PICTURES = 6, UN_SELECT_MIN_PICTURES = 8, UN_TEST_MIN_PICTURES = 20 };

typedef enum un_split { UN_SPLIT_NONE, UN_SPLIT_TRAIN, UN_SPLIT_VAL, UN_SPLIT_TEST, UN_SPLIT_COUNT } un_split;
typedef enum un_role {
    UN_ROLE_NONE, /* not used: unlabelled, left out, or in none of the lists */
    UN_ROLE_TRAIN,
    UN_ROLE_SELECT, /* held out of train: chooses the checkpoint, stops early   */
    UN_ROLE_VAL,    /* scored, never used for a choice                          */
    UN_ROLE_TEST,   /* scored only when asked for by name                       */
    UN_ROLE_COUNT
} un_role;
const char *un_split_name(un_split s); /* "none", "train", "val", "test" */
const char *un_role_name(un_role r);   /* "none", "train", "select", "val", "test" */

typedef enum un_severity {
    UN_NOTE, /* worth knowing                                    */
    UN_WARN, /* makes results worse or untrue                    */
    UN_SKIP, /* the picture is left out (data.on_bad stop: stop) */
    UN_STOP  /* must be put right before training                */
} un_severity;
const char *un_severity_name(un_severity s);

/* Name and severity of each kind of issue, and what to do about it. */
#define UN_ISSUES(X)                                                                                                   \
    X(UNLABELLED, "unlabelled", UN_NOTE, "not used; put a mask of the same name beside it to use it")                  \
    X(IGNORED_FILE, "ignored-file", UN_NOTE,                                                                           \
        "nothing to do, unless it should be a picture: then give it a picture's suffix")                               \
    X(FOREIGN, "format-not-supported", UN_WARN, "convert it to PNG, TIFF or NIfTI, or remove it")                      \
    X(UNLISTED, "unlisted", UN_NOTE, "not used; add it to a list to use it")                                           \
    X(MASK_ALONE, "mask-without-picture", UN_WARN, "give it the name of its picture, or remove it")                    \
    X(LIST_UNKNOWN, "list-unknown-name", UN_WARN, "correct the list")                                                  \
    X(STEM_TWICE, "stem-twice", UN_STOP, "keep one of the two, or rename one")                                         \
    X(PAIR_UNCLEAR, "pair-unclear", UN_STOP, "set data.image_suffix and data.mask_suffix, or rename")                  \
    X(TWO_SPLITS, "two-splits", UN_STOP, "take it out of all lists but one")                                           \
    X(CHANNEL_MISSING, "channel-missing", UN_SKIP, "add the missing file, or remove the others")                       \
    X(FILE_MISSING, "file-missing", UN_SKIP, "add the file, or correct the table")                                     \
    X(UNREADABLE, "unreadable", UN_SKIP, "replace the file, or remove it")                                             \
    X(SIZE_DIFFERS, "size-differs", UN_SKIP, "make the mask anew on this very picture, or remove the pair")            \
    X(EXIF_ONE_SIDE, "exif-one-side", UN_WARN,                                                                         \
        "look at it in the contact sheet; set data.exif=false when mask and picture lie across")                       \
    X(CHANNELS_DIFFER, "channels-differ", UN_SKIP, "convert the picture, or set data.colour or data.channels")         \
    X(GRID_DIFFERS, "grid-differs", UN_WARN, "check the affine of the mask")                                           \
    X(NOT_FINITE, "not-finite", UN_WARN, "nothing to do when these are places without data")                           \
    X(NO_DATA, "no-data-value", UN_WARN,                                                                               \
        "set data.no_data: such pixels are then left out of normalisation, loss and scores")                           \
    X(EMPTY_MASK, "empty-mask", UN_NOTE, "nothing to do when there is nothing to see in the picture")                  \
    X(STRAY_VALUES, "stray-values", UN_WARN, "correct the mask, or add the values to data.mapping or data.ignore")     \
    X(MASK_ODD, "mask-unlike-others", UN_SKIP, "save the mask as the others are, or remove the pair")                  \
    X(CONSTANT, "constant-picture", UN_WARN, "check whether the file was written as it should be")                     \
    X(DUPLICATE, "duplicate", UN_NOTE, "remove one, unless it is meant to count twice")                                \
    X(LEAK, "same-picture-in-two-splits", UN_WARN, "remove it from one of the two")

typedef enum un_issue_kind {
#define X(ID, name, severity, advice) UN_ISSUE_##ID,
    UN_ISSUES(X)
#undef X
        UN_ISSUE_KINDS
} un_issue_kind;
const char *un_issue_name(un_issue_kind k);
un_severity un_issue_severity(un_issue_kind k);
const char *un_issue_advice(un_issue_kind k); /* what to do, without capital and full stop */

typedef struct un_issue {
    un_issue_kind kind;
    int item;         /* -1: none                                     */
    const char *file; /* relative to the root where it lies inside    */
    const char *text; /* what is wrong and what to do; one sentence   */
} un_issue;

typedef struct un_item {
    const char *name;          /* unique; relative path without suffix: "00", "Break/exp1_17"       */
    const char *const *images; /* paths that can be opened; several: one file for each channel     */
    int image_count;
    const char *mask;        /* NULL: unlabelled                                                  */
    const char *group;       /* NULL: a group of its own                                          */
    int page;                /* of a file whose pages are pictures; -1: the file is one picture    */
    un_split split;          /* as the layout gives it                                            */
    un_role role;            /* un_dataset_assign                                                 */
    int left_out;            /* 1: an issue of severity SKIP or STOP names it                     */
    int kind;                /* group of alike intensities, 0.. (scan)                            */
    double draw;             /* how often it is drawn for its classes; 1: as most (fingerprint)   */
    double part_lo, part_hi; /* share of the longest axis that this item is; whole picture: 0, 1  */
    int part_of;             /* item that it is a further part of; -1: none                       */
} un_item;

typedef struct un_dataset {
    un_mem *mem;
    un_arena *arena;      /* strings and path lists */
    const char *root;     /* folder; of a CSV the folder it lies in */
    un_cfg_layout layout; /* never AUTO */
    un_item *items;       /* in the order of the layout; further parts of cut pictures behind them */
    int count, base_count;
    un_issue *issues;
    int issue_count;
    int given_split;            /* the layout tells which picture is for what */
    un_cfg_class_list *classes; /* from dataset.json; NULL: the layout names none; values are set */
    int ignore_value;           /* from dataset.json; -1: none */
    int item_cap, issue_cap;
} un_dataset;

/* path: a folder, or a CSV. Fails when there is nothing that could be a data set; says what was looked for
 * and found. */
UN_NODISCARD unet_status un_dataset_open(
    un_dataset **out, un_mem *mem, const char *path, const un_config *cfg, unet_error *err);
void un_dataset_close(un_dataset *d); /* NULL is fine */

/* Gives roles; may be called again after items were left out. Deterministic in the names, groups and seed. */
UN_NODISCARD unet_status un_dataset_assign(un_dataset *d, const un_config *cfg, unet_error *err);

/* data.test_share, which where it is auto depends on the number of labelled pictures. */
double un_dataset_test_share(const un_dataset *d, const un_cfg_data *cfg);

/* An error for the first issue that must stop the work, with the number of others; or when nothing is
 * labelled. */
UN_NODISCARD unet_status un_dataset_check(const un_dataset *d, un_cfg_on_bad on_bad, unet_error *err);

int un_dataset_count_role(const un_dataset *d, un_role role);
const char *un_dataset_relative(const un_dataset *d, const char *path); /* without the root in front */

/* For layouts and the scan. item -1: none. Severities SKIP and STOP leave the item out. */
UN_NODISCARD unet_status un_dataset_issue(un_dataset *d, un_issue_kind kind, int item, const char *file,
    unet_error *err, const char *fmt, ...) UN_PRINTF(6, 7);
/* Appends an item that is a whole picture without a mask; NULL without memory. */
un_item *un_dataset_add(un_dataset *d);
/* Text in the arena of d; NULL without memory. */
char *un_dataset_text(un_dataset *d, const char *fmt, ...) UN_PRINTF(2, 3);

#endif
