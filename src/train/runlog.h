/* The run folder: what a training run leaves for people and programs (docs/training.md lists the files).
 *
 * Records are appended whole, one write each. A resumed run first cuts the logs back to the step of its
 * checkpoint, so that in the end they hold each step once, as if nothing had happened; only the columns of
 * time differ. */
#ifndef UN_TRAIN_RUNLOG_H
#define UN_TRAIN_RUNLOG_H

#include "base/cpu.h"
#include "base/text.h"
#include "config/config.h"

enum { UN_RUNLOG_TERMS_MAX = 8 };

#define UN_CHECKPOINT_FILE "checkpoint.safetensors"

typedef struct un_step_record {
    int64_t step;
    double epoch, lr, loss, grad_norm;
    double term[UN_RUNLOG_TERMS_MAX]; /* losses before their weights */
    double seconds, waiting;          /* of the run so far; share of this step spent waiting for data: 0..1 */
} un_step_record;

/* The outcome of a selection. Classes without a score (absent everywhere) hold NaN. */
typedef struct un_score {
    double score;               /* what chooses the checkpoint: larger is better */
    double dice_mean, iou_mean; /* over the foreground classes */
    int n_classes;              /* entries of dice and iou */
    double dice[256], iou[256];
} un_score;

typedef struct un_runlog un_runlog;

typedef struct un_runlog_spec {
    const char *folder;      /* made when it is not there */
    const char *const *term; /* names of the loss terms   */
    int n_terms, n_classes;
    int64_t keep; /* resumed run: records up to this step stay. -1: a new run */
} un_runlog_spec;

/* For a new run: makes the folder. One that holds a run already is refused, or with replace loses that run's
 * files. */
UN_NODISCARD unet_status un_runlog_claim(un_mem *mem, const char *folder, int replace, unet_error *err);

UN_NODISCARD unet_status un_runlog_open(un_runlog **out, un_mem *mem, const un_runlog_spec *spec, unet_error *err);
void un_runlog_close(un_runlog *l); /* NULL is fine */

UN_NODISCARD unet_status un_runlog_step(un_runlog *l, const un_step_record *r, unet_error *err);
UN_NODISCARD unet_status un_runlog_score(un_runlog *l, int64_t step, const un_score *s, int best, unet_error *err);
/* classes.csv: share of each class of what was trained on since the selection before. */
UN_NODISCARD unet_status un_runlog_classes(un_runlog *l, int64_t step, const double *share, unet_error *err);
/* events.jsonl: {"step":..,"event":..,"detail":..}; never cut back: it tells what happened to the run. */
UN_NODISCARD unet_status un_runlog_event(
    un_runlog *l, int64_t step, const char *event, const char *detail, unet_error *err);

/* config.yaml: the settled configuration with the help of each key. */
UN_NODISCARD unet_status un_runlog_config(un_runlog *l, const un_config *c, unet_error *err);

/* data.csv: what the run is trained on (trained_on.h). */
UN_NODISCARD unet_status un_runlog_data(un_runlog *l, const un_text *table, unet_error *err);

typedef struct un_run_environment {
    const char *version, *built; /* of unet; compiler and build */
    const char *data;            /* checksum, empty: none */
    un_cpu_level level;
    int threads, exact;           /* exact: without Winograd forms */
    int64_t pictures, peak_bytes; /* training pictures; memory stated before the start */
} un_run_environment;
UN_NODISCARD unet_status un_runlog_environment(un_runlog *l, const un_run_environment *e, unet_error *err);

/* Path of a file of the folder: un_free it. NULL: no memory. */
char *un_runlog_path(const un_runlog *l, const char *name);

/* The bytes of a log that hold records up to `keep`: each line starts with its step, bare ("12,...") or as
 * the first member of an object ({"step":12,...); other first lines are headings. A last line without its end
 * does not count. */
size_t un_runlog_cut(const char *text, size_t size, int64_t keep);

#endif
