/* Reports of long work on files: how many are done, how fast, how long it will take. */
#ifndef UN_API_PROGRESS_H
#define UN_API_PROGRESS_H

#include "unet/work.h"

typedef struct un_file_progress {
    unet_progress_fn fn; /* NULL: nobody listens */
    void *ctx;
    const char *phase;
    int64_t total;
    double began; /* un_clock_s */
} un_file_progress;

void un_file_progress_begin(un_file_progress *p, unet_progress_fn fn, void *ctx, const char *phase, int64_t total);
/* done files are finished; item: what is worked on, NULL: nothing any more. */
void un_file_progress_tell(const un_file_progress *p, int64_t done, const char *item);

#endif
