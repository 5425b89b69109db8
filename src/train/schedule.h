/* The course of the learning rate, a pure function of the step, and the settings that follow from the number
 * of steps. */
#ifndef UN_TRAIN_SCHEDULE_H
#define UN_TRAIN_SCHEDULE_H

#include "config/config.h"

/* The learning rate of step 1..total. Steps 1..warmup: lr * step / warmup. After them t runs from 0 (first
 * step behind the warm-up) towards 1 (never reached, so that no step is wasted): constant  lr cosine min_lr +
 * (lr - min_lr) (1 + cos(pi t)) / 2 poly      min_lr + (lr - min_lr) (1 - t)^power A run that was extended
 * asks with its new total: the rate goes on where a run of that length would stand. lr and warmup of *o must
 * be numbers (un_train_settle). */
double un_schedule_lr(const un_cfg_optimiser *o, int64_t step, int64_t total);

/* Puts numbers where optimiser and train keys are still auto and a rule needs no data:
 *   steps         ceil(epochs * pictures / batch) when epochs is given
 *   lr            adamw 0.002, adam 0.001, sgd 0.01
 *   warmup        5 % of the steps, at most 500
 *   ema_decay     1 - 10 / steps within 0..0.999: the average spans about a tenth of the run
 *   ghost_batch   batch
 *   val_interval  a twentieth of the steps, at least 1
 *   class_weights none, unless a rule of loss.class_weight_rule asks for the data
 * steps, batch or patch that stay auto are an error that names the key. Setting a settled configuration
 * changes nothing. */
UN_NODISCARD unet_status un_train_settle(un_config *c, int64_t pictures, unet_error *err);

#endif
