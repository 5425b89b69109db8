/* How far long work is, on standard error: one line that is rewritten on a terminal, plain lines now and then when
 * piped, one JSON object a report with --json (ten a second at most of reports that only count). Fits
 * unet_progress_fn. */
#ifndef UN_APP_PROGRESS_H
#define UN_APP_PROGRESS_H

#include <stdio.h>
#include <time.h>

#include "app/options.h"
#include "unet/work.h"

typedef enum un_progress_mode {
    UN_PROGRESS_NONE,
    UN_PROGRESS_LIVE,
    UN_PROGRESS_PLAIN,
    UN_PROGRESS_JSON
} un_progress_mode;

typedef struct un_progress {
    FILE *to;
    un_progress_mode mode;
    int columns;          /* of the terminal; 0: unknown */
    int open;             /* a live line stands there without its end */
    char phase[32];       /* of the last report */
    struct timespec last; /* when something was printed last */
} un_progress;

/* The mode follows from --json, --quiet and whether `to` is a terminal. */
void un_progress_begin(un_progress *p, FILE *to, const un_common *common);
void un_progress_show(void *progress, const unet_progress *report);
/* Ends the live line. */
void un_progress_end(un_progress *p);

/* "train, epoch 3.2, step 120/900, loss 0.312, Dice 0.871, IoU 0.790, 41.2 patches/s, 2m10s left; a 0.88/0.79, b ...":
 * what is known of it, with Dice/IoU of each class where there are several. */
void un_progress_text(char *buf, size_t size, const unet_progress *report);

#endif
