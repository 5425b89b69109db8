/* The course of the learning rate, a pure function of the step, and the settings that follow from the number
 * of steps. */
#ifndef UN_TRAIN_SCHEDULE_H
#define UN_TRAIN_SCHEDULE_H

#include "config/config.h"
#include "train/checkpoint.h"

/* The learning rate of step 1..total. Steps 1..warmup rise in a straight line from 0 to the first rate of the schedule,
 * which then sees the steps 0, 1 ... total - warmup - 1 (config/schedules.def). A run that was extended asks with its
 * new total: the rate goes on where a run of that length would stand. lr and warmup of *o must be numbers
 * (un_train_settle). Schedule plateau: the rate before it fell. */
double un_schedule_lr(const un_cfg_optimiser *o, int64_t step, int64_t total);

/* Schedule plateau: what a selection with this score does to it, and the rate that comes of it. */
void un_plateau_score(un_plateau *p, const un_config *c, double score);
double un_plateau_lr(const un_plateau *p, const un_cfg_optimiser *o, double lr);

/* The first step that stochastic weight averaging counts. */
int64_t un_swa_first(const un_config *c);

/* Puts numbers where optimiser and train keys are still auto and a rule needs no data:
 *   steps         ceil(epochs * pictures / batch) when epochs is given
 *   lr            as the optimiser's row says (config/optimisers.def)
 *   warmup        5 % of the steps, at most 500; none before one_cycle
 *   clip_norm     1, or 0 where the gradient is limited by value or adaptively
 *   swa_every     a 200th of the steps, at least 1
 *   ema_decay     1 - 10 / steps within 0..0.999: the average spans about a tenth of the run
 *   ghost_batch   batch
 *   val_interval  a twentieth of the steps, at least 1
 *   class_weights none, unless a rule of loss.class_weight_rule asks for the data
 * steps, batch or patch that stay auto are an error that names the key. Setting a settled configuration
 * changes nothing. */
UN_NODISCARD unet_status un_train_settle(un_config *c, int64_t pictures, unet_error *err);

#endif
