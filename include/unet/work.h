/* The main jobs on files: inspect, plan, train, evaluate, predict. C99 and C++11 clean.
 *
 * Each takes a struct of options that starts with its size (UNET_..._OPTIONS_INIT), in which zero means default, and
 * hands texts to the caller (unet_string_free). Paths are bytes as the system has them. */
#ifndef UNET_WORK_H
#define UNET_WORK_H

#include "unet/model.h"
#include "unet/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How far long work is. Unknown figures are NaN or -1. Texts are valid during the call only. */
typedef struct unet_progress {
    const char *phase; /* "scan", "train", "select", "eval", "predict" */
    const char *item;  /* file worked on; NULL: none */
    int64_t done, total;
    double epoch, loss, dice, iou, learning_rate;
    double per_second; /* samples or files */
    double seconds_left;
    double waiting; /* share of the time that training waits for data */
    /* Of each class that counts in dice and iou, at the last selection; NaN: the class occurs nowhere. 0: none. */
    int classes;
    const char *const *class_name;
    const double *class_dice, *class_iou;
} unet_progress;
typedef void (*unet_progress_fn)(void *ctx, const unet_progress *p);

/* ---- inspect and plan ---- */

typedef struct unet_inspect_options {
    size_t struct_size;
    const char *data;          /* folder or CSV */
    const unet_config *config; /* NULL: defaults */
    const char *out_dir;       /* sheet.png, inspect.html, fingerprint.json and config.yaml go here; NULL: nowhere */
    int pictures;              /* shown in the contact sheet; 0: 8 */
    int samples;               /* augmented patches beside each; 0: 4 */
    unet_progress_fn progress; /* called by one thread at a time, not always the caller's */
    void *progress_ctx;
} unet_inspect_options;
#define UNET_INSPECT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(unet_inspect_options), NULL, NULL, NULL, 0, 0, NULL, NULL                                               \
    }
/* text: what a person reads; json: the fingerprint. Either may be NULL. Data that cannot be trained on as they are give
 * their status (UNET_E_DATA), after all has been written and the texts handed out. */
UNET_API UNET_NODISCARD unet_status unet_inspect(
    unet_context *c, const unet_inspect_options *o, char **text, char **json, unet_error *err);

typedef struct unet_augment_options {
    size_t struct_size;
    const char *data;          /* folder or CSV */
    const unet_config *config; /* NULL: defaults; section augment says what is shown, train.seed which draws */
    const char *picture;       /* name of the picture to show; NULL: the one that shows most */
    const char *file;          /* PNG to write */
    int samples;               /* of each operation; 0: 6 */
    unet_progress_fn progress;
    void *progress_ctx;
} unet_augment_options;
#define UNET_AUGMENT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(unet_augment_options), NULL, NULL, NULL, NULL, 0, NULL, NULL                                            \
    }
/* Writes a sheet with examples of each operation of augmentation, with masks. text: what is shown; may be NULL. */
UNET_API UNET_NODISCARD unet_status unet_augment_preview(
    unet_context *c, const unet_augment_options *o, char **text, unet_error *err);

typedef struct unet_plan_options {
    size_t struct_size;
    const char *data;
    unet_config *config; /* in: what is fixed; out: everything settled. train.mem and train.time may be set in it */
    unet_progress_fn progress;
    void *progress_ctx;
} unet_plan_options;
#define UNET_PLAN_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(unet_plan_options), NULL, NULL, NULL, NULL                                                              \
    }
/* text: the settled configuration as YAML with a sentence of why above each decision. */
UNET_API UNET_NODISCARD unet_status unet_plan(
    unet_context *c, const unet_plan_options *o, char **text, unet_error *err);

/* ---- weights of other programs ---- */

typedef struct unet_import_options {
    size_t struct_size;
    const char *weights;       /* PyTorch state dict, npz or safetensors; nothing in it is executed */
    const unet_config *config; /* NULL: defaults; what section model leaves open follows from the file */
    const char *model;         /* model file to write; NULL: the file is only looked at */
    int all;                   /* 1: each parameter and array by name */
} unet_import_options;
#define UNET_IMPORT_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(unet_import_options), NULL, NULL, NULL, 0                                                               \
    }
/* Finds the network that the weights belong to: model.encoder of the configuration, else the known encoder or network
 * whose names and shapes they have. text: what matched, what did not and why; json: the same for machines. Either may
 * be NULL. Weights of no known network: UNET_E_UNSUPPORTED with a model to write, else their list. */
UNET_API UNET_NODISCARD unet_status unet_import(
    unet_context *c, const unet_import_options *o, char **text, char **json, unet_error *err);

/* ---- what there is ---- */

/* topic: "losses", "augmentations", "optimisers", "schedules", "metrics", "norms" and so on; NULL lists the topics.
 * Each entry with formula, paper, keys, ranges and defaults, as text or as a JSON array. */
UNET_API UNET_NODISCARD unet_status unet_list(
    char **out, unet_context *c, const char *topic, int json, unet_error *err);

/* ---- train ---- */

typedef struct unet_train_options {
    size_t struct_size;
    const char *data;
    const char *model;         /* file to write; missing folders are made */
    const char *run_dir;       /* NULL: the model's path with ".run" behind it */
    const unet_config *config; /* NULL: defaults; everything auto is planned from the data */
    const char *from;          /* model to start from; NULL: fresh weights */
    int resume;                /* 1: go on with the run of run_dir */
    int64_t extend_steps;      /* resume with so many more steps */
    int dry_run;               /* 1: plan only: text says memory, disk and time */
    int overwrite;             /* 1: a finished run of that name may be replaced */
    unet_progress_fn progress;
    void *progress_ctx;
    unet_profile *profile; /* gets where the time of the training loop goes; NULL: not measured */
    int find_rate;         /* 1: only looks for a learning rate: text says which; writes model.rates.csv and .svg */
} unet_train_options;
#define UNET_TRAIN_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(unet_train_options), NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, 0                      \
    }

typedef struct unet_train_result {
    int64_t steps;
    double seconds, loss, dice, iou; /* Dice and IoU on the selection pictures, of the model that was written */
    double samples_per_s, waiting;   /* waiting: share of the time in which training waited for data */
    double suggested_lr;             /* find_rate: the learning rate that would do; the rest is 0 but the steps */
    double stated_seconds;           /* of the training as planned; 0: a run that went on */
    uint64_t stated_bytes;           /* memory of the process as it was stated before the start */
    uint64_t peak_bytes;             /* the most that the process has held so far; 0: not known */
} unet_train_result;
/* text: a summary; may be NULL. On UNET_E_CANCELLED a checkpoint has been written and the error says how to go on. */
UNET_API UNET_NODISCARD unet_status unet_train(
    unet_context *c, const unet_train_options *o, unet_train_result *result, char **text, unet_error *err);

/* ---- evaluate ---- */

typedef struct unet_eval_options {
    size_t struct_size;
    const char *model, *data;
    const char *split;      /* "val" (default), "test", "train", "select" or "all" */
    const char *out_dir;    /* scores.csv, scores.json, report.html; NULL: none is written */
    const char *const *set; /* "key=value" over the model's own configuration */
    size_t set_count;
    int no_floor; /* 1: without the trivial predictor (Otsu's threshold) beside it */
    unet_progress_fn progress;
    void *progress_ctx;
    /* Writes a model here whose predict.temperature and, but for a softmax of more than two classes, predict.threshold
     * are fitted on the pictures that are scored. NULL: none is written. Not on the split "test". */
    const char *calibrate;
} unet_eval_options;
#define UNET_EVAL_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(unet_eval_options), NULL, NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL                                \
    }

typedef struct unet_eval_result {
    int pictures;
    double dice_mean, iou_pooled; /* foreground: per-picture mean Dice, pooled IoU */
    double dice_pooled, iou_mean; /* and the other way round */
    double accuracy;
    double floor_dice_mean, floor_iou_pooled; /* NaN when there is no floor */
} unet_eval_result;
/* text: tables; json: the same for machines. Either may be NULL. */
UNET_API UNET_NODISCARD unet_status unet_eval(
    unet_context *c, const unet_eval_options *o, unet_eval_result *result, char **text, char **json, unet_error *err);

/* ---- predict ---- */

typedef struct unet_predict_options {
    size_t struct_size;
    const char *model;
    const char *const *inputs; /* files, folders, and patterns with *, ? and [..] for them */
    size_t input_count;
    const char *out_dir;
    const char *const *set; /* "key=value" over the model's own configuration */
    size_t set_count;
    int overlay;        /* 1: OUT/stem_overlay.png too */
    int probabilities;  /* 1: OUT/stem_prob.tif or .nii.gz too */
    int measure;        /* 1: OUT/measures.csv: areas or volumes, counts and sizes of objects */
    int split_touching; /* 1: objects that touch are counted, and numbered, apart */
    unet_progress_fn progress;
    void *progress_ctx;
    unet_profile *profile; /* gets where the time goes; NULL: not measured */
    int attention;         /* 1: OUT/stem_gateN.png too: what the attention gate of level N lets pass, as heat */
    int objects;           /* 1: OUT/stem_objects.tif or .nii.gz too: the number of its object at each pixel */
} unet_predict_options;
#define UNET_PREDICT_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(unet_predict_options), NULL, NULL, 0, NULL, NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0                 \
    }

/* Writes OUT/stem.png, volumes OUT/stem.nii.gz; folders below a given folder are kept. Goes on after a bad file; then
 * UNET_E_PARTIAL comes back, and the texts list what failed (when there was only one input, its own status comes back).
 * An output that would replace an input is refused before anything is written. done, failed: files. text: what a person
 * reads; json: the same for machines; both come back with UNET_E_PARTIAL too. Each may be NULL. */
UNET_API UNET_NODISCARD unet_status unet_predict(
    unet_context *c, const unet_predict_options *o, int *done, int *failed, char **text, char **json, unet_error *err);

#ifdef __cplusplus
}
#endif
#endif
