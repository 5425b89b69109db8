/* What a plan costs on this machine: memory from plans and extents (train/account.h), time by running parts of a step.
 * Fills un_plan_costs. */
#ifndef UN_TRAIN_METER_H
#define UN_TRAIN_METER_H

#include "data/plan.h"
#include "train/account.h"

typedef struct un_meter un_meter;

/* Data set and scan must outlive it. */
UN_NODISCARD unet_status un_meter_create(un_meter **out, un_mem *mem, const un_account_spec *spec, unet_error *err);
void un_meter_destroy(un_meter *m); /* NULL is fine */

/* Valid as long as the meter.
 * estimate: time follows the multiply-adds, at the rate of one
 * small network that is run once. measure: one ghost batch, one update, one batch of samples and one selection picture
 * of the plan itself are run; nothing of it holds more memory than the training will. */
un_plan_costs un_meter_costs(un_meter *m);

/* Whether so many runs of an engine, `elapsed` seconds after the start of the first, are enough to time it by. Not
 * counted is one that finds memory untouched, unless a second would take too long. */
int un_meter_is_enough(int counted, double elapsed);

/* What train.select_mem comes to for this plan; left open where nothing is selected by. */
UN_NODISCARD unet_status un_meter_select_mem(un_meter *m, const un_config *cfg, uint64_t *bytes, unet_error *err);

#endif
