/* What the files of the planner share; internal to data/plan*.c. */
#ifndef UN_DATA_PLAN_PARTS_H
#define UN_DATA_PLAN_PARTS_H

#include "data/plan.h"

/* Of the time: for steps and selections; the rest is for checkpoints, the report, the end. */
#define UN_PLAN_SHARE_FOR_STEPS 0.96

typedef struct un_planner {
    un_config *cfg;
    const un_fingerprint *f;
    const un_plan_limits *limits;
    const un_plan_costs *costs;
    un_text *why;
    unet_error *err;
    double size[3], spacing[3]; /* median, after data.spacing and data.scale */
    double object_px;
    int grid[3];              /* patch extents are multiples */
    int target[3];            /* patch, memory apart         */
    int least[3];             /* valid padding: what leaves a step of the grid; else 0 */
    uint64_t room;            /* bytes of the process        */
    int free_cache, squeezed; /* train.cache is open; it is what little memory leaves */
} un_planner;

/* Adds "key: sentence" to the reasons. */
void un_plan_because(const un_planner *p, const char *key, const char *fmt, ...) UN_PRINTF(3, 4);
/* Time of a step and peak of the process with the present settings. */
UN_NODISCARD unet_status un_plan_estimate(const un_planner *p, double *seconds, uint64_t *bytes);
/* The axis of the patch that has most steps of the grid, the later of equal ones; -1: all have one only. */
int un_plan_longest(const un_planner *p, const int patch[3]);

static inline int un_plan_is_3d(const un_planner *p)
{
    return p->cfg->model.dims == 3;
}

static inline double un_plan_pixels(const int patch[3])
{
    return (double)patch[0] * patch[1] * patch[2];
}

/* train.threads, mem, cache, time where they are open. */
void un_plan_settle_limits(un_planner *p);
/* Filters, patch, micro-batch, recomputation: what suits the data and the time, as far as the memory allows. */
UN_NODISCARD unet_status un_plan_size(un_planner *p);

#endif
