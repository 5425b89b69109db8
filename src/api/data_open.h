/* What inspect, plan and train begin with: the data set opened, every file looked at, the open keys about data settled,
 * roles given, fingerprint taken. */
#ifndef UN_API_DATA_OPEN_H
#define UN_API_DATA_OPEN_H

#include "api/context.h"
#include "data/fingerprint.h"

typedef struct un_opened {
    un_dataset *d;
    un_scan *s;
    un_text why;                /* "section.key: sentence" for each key that was settled */
    un_fingerprint f, training; /* of all pictures, to be shown; of those that train and select, to plan by */
    unet_error problem;         /* what stands against training on it; status UNET_OK: nothing */
} un_opened;

typedef struct un_data_open_options {
    const char *path;          /* folder or CSV */
    int lenient;               /* 1: what stands against training goes into `problem` and is no failure */
    unet_progress_fn progress; /* NULL: none */
    void *progress_ctx;
} un_data_open_options;

/* Settles *cfg as un_scan_propose says. When the masks are not understood (lenient) only the keys of the pictures are
 * settled, and the fingerprint has no classes. Results of the scan are kept in un_data_cache_path, when there is one.
 * On failure *out is empty. */
UN_NODISCARD unet_status un_data_open(
    un_opened *out, unet_context *c, const un_data_open_options *o, un_config *cfg, unet_error *err);
void un_data_close(un_opened *o);

/* Logs the first issues that make pictures be left out or results worse, and how many more there are. */
void un_data_tell(const unet_context *c, const un_opened *o);

/* The file for results of the scan of these data: scan/HASH.json in $XDG_CACHE_HOME/unet, or in ~/.cache/unet; HASH
 * stands for the absolute path of the data. The folder is made. NULL: there is no such place, or no memory. un_free. */
char *un_data_cache_path(un_mem *mem, const char *data);

#endif
