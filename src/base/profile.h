/* Where the time of a job goes: rows of work that add up, and the pieces of it on a time line. Rows do not overlap:
 * what none of them covers is the job's own. Written by one thread, the one that runs plans. Functions that measure
 * take NULL for "nobody wants to know", so that callers need no test. */
#ifndef UN_BASE_PROFILE_H
#define UN_BASE_PROFILE_H

#include "base/error.h"
#include "base/mem.h"

typedef struct un_profile un_profile;

typedef struct un_profile_row {
    const char *part, *kernel; /* static texts: what the row belongs to, as "forward"; NULL when it is no kernel's */
    char *name;                /* layer or activity */
    int64_t runs;
    double ns, flops, bytes; /* in all runs; multiply-adds count as two operations */
} un_profile_row;

/* A piece of a row's time, in nanoseconds since the first start. */
typedef struct un_profile_event {
    int row;
    double at, ns;
} un_profile_event;

UN_NODISCARD unet_status un_profile_create(un_profile **out, un_mem *mem, unet_error *err);
void un_profile_destroy(un_profile *p);

/* The time between start and stop is what rows are shares of; may come several times. */
void un_profile_start(un_profile *p);
void un_profile_stop(un_profile *p);
void un_profile_reset(un_profile *p); /* all figures and events anew; rows keep their numbers */

/* The row of that part, name and kernel, made when it is new: then memory is taken. -1: there is none. */
int un_profile_row_of(un_profile *p, const char *part, const char *name, const char *kernel);
double un_profile_now(const un_profile *p); /* nanoseconds of the clock; 0 when p is NULL */
/* From `began` (of un_profile_now) to now. */
void un_profile_add(un_profile *p, int row, double began);
void un_profile_count(un_profile *p, int row, double flops, double bytes); /* a run of it has ended */
/* An activity without figures: its row, its time and a run at once. */
void un_profile_span(un_profile *p, const char *part, const char *name, double began);

double un_profile_total_ns(const un_profile *p);
const un_profile_row *un_profile_rows(const un_profile *p, int *count);
/* The first ones; *lost of them came when there was no more room. */
const un_profile_event *un_profile_events(const un_profile *p, int *count, int64_t *lost);

#endif
