/* What a run folder shows people: report.html and the curves as SVG files, made from the folder's own logs, so that a
 * run that was stopped and gone on with has one page over all of it. */
#ifndef UN_TRAIN_RUN_PAGE_H
#define UN_TRAIN_RUN_PAGE_H

#include "config/config.h"

typedef struct un_run_page {
    const char *folder;
    const un_config *cfg;          /* settled */
    const char *state;             /* a sentence: "step 120 of 900", "finished after 900 steps" */
    const char *title;             /* NULL: "Training" */
    const char *scores_note;       /* what the scores of the selections are of (un_selector_note); NULL: nothing */
    int trained_on;                /* 1: the previews are of pictures that are trained on */
    double waiting, samples_per_s; /* of the run; negative: unknown */
} un_run_page;

/* Writes report.html, loss.svg, scores.svg, rate.svg. */
UN_NODISCARD unet_status un_run_page_write(un_mem *mem, const un_run_page *page, unet_error *err);

#endif
