/* What the main jobs share: a data set opened for a model or a configuration. */
#ifndef UN_API_WORK_H
#define UN_API_WORK_H

#include "api/context.h"
#include "data/preprocess.h"
#include "run/evaluate.h"

/* A data set with everything to make pictures of it. */
typedef struct un_api_data {
    un_dataset *set;
    un_preprocess *pre;
} un_api_data;

/* Opens, gives roles and checks; cfg must be settled where pictures depend on it. */
UN_NODISCARD unet_status un_api_data_open(
    un_api_data *d, unet_context *c, const char *path, const un_config *cfg, unet_error *err);
void un_api_data_close(un_api_data *d);

/* "key=value" words over a configuration. */
UN_NODISCARD unet_status un_api_set(un_config *cfg, un_mem *mem, const char *const *set, size_t count, unet_error *err);

/* Options of a prediction by the configuration. */
un_predict_options un_api_predict_options(unet_context *c, const un_config *cfg);

/* The class left out of foreground means by the configuration: 0, or -1 when every class counts. */
int un_api_background(const un_config *cfg);

/* Name of a class, or "class 3" in buf. */
const char *un_api_class_name(const un_config *cfg, int k, char buf[32]);

typedef struct un_api_clock {
    double start;
} un_api_clock;
un_api_clock un_api_clock_start(void);
double un_api_clock_seconds(un_api_clock c);

/* Calls progress with done of total and the time left by the rate so far; fn NULL: nothing. */
void un_api_progress(unet_progress_fn fn, void *ctx, const char *phase, const char *item, int64_t done, int64_t total,
    un_api_clock clock);

#endif
