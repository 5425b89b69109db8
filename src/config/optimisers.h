/* What there is to say about optimisers and schedules: the rows of optimisers.def and schedules.def as tables. What
 * they compute: kernels/elem/optim/, train/rates.c. */
#ifndef UN_CONFIG_OPTIMISERS_H
#define UN_CONFIG_OPTIMISERS_H

#include "config/config.h"

typedef struct un_method_info {
    const char *name, *blocks; /* blocks: letters of the state it keeps */
    int decoupled;
    double lr;
    const char *title, *formula, *paper, *when;
} un_method_info;

typedef struct un_schedule_info {
    const char *name, *title, *formula, *paper, *when;
} un_schedule_info;

/* What goes with any optimiser; keys: "section.key" separated by blanks; setting: words that switch it on. */
typedef struct un_around_info {
    const char *name, *title, *formula, *paper, *when, *keys, *setting;
} un_around_info;

/* A key of section optimiser that a row has. */
typedef struct un_row_key {
    int row; /* un_cfg_method or un_cfg_schedule */
    const char *key;
    double def; /* of keys that may be auto */
} un_row_key;

int un_method_count(void);
const un_method_info *un_method_info_of(un_cfg_method method);
int un_method_keys(const un_row_key **first, un_cfg_method method); /* how many, in a row from *first */
int un_schedule_count(void);
const un_schedule_info *un_schedule_info_of(un_cfg_schedule schedule);
int un_schedule_keys(const un_row_key **first, un_cfg_schedule schedule);
int un_around_count(void);
const un_around_info *un_around_info_of(int i);
int un_regulariser_count(void); /* rows of regularisers.def */
const un_around_info *un_regulariser_info_of(int i);

/* The value of a key of its method or schedule: as set, else the row's default (0 where the row has no such key). */
double un_method_value(const un_cfg_optimiser *o, const char *key);
double un_schedule_value(const un_cfg_optimiser *o, const char *key);
int un_method_decoupled(const un_cfg_optimiser *o); /* weight decay: as set, else the row's */

/* Whether only keys of the method and the schedule are set. */
UN_NODISCARD unet_status un_optimiser_check(const un_config *c, un_mem *mem, unet_error *err);

void un_optimiser_docs(un_text *t); /* docs/optimisers.md */

#endif
