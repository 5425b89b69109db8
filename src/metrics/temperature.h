/* Temperature scaling (Guo 2017): one number T that the logits are divided by, so that probabilities are as sure as the
 * network is right. Of probabilities: p^(1/T), made to sum to 1 again. The chosen class of a softmax stays. */
#ifndef UN_METRICS_TEMPERATURE_H
#define UN_METRICS_TEMPERATURE_H

#include <stdint.h>

#include "base/error.h"
#include "base/mem.h"

/* An even sample of the pixels that are added, in bounded memory: when it is full, every second one goes, and from then
 * on every second one comes. It depends on the pixels and their order alone. */
typedef struct un_temperature un_temperature;

/* classes: values of a pixel, 2 or more. */
UN_NODISCARD unet_status un_temperature_create(un_temperature **out, un_mem *mem, int classes, unet_error *err);
void un_temperature_destroy(un_temperature *t); /* NULL is fine */

/* p: [classes] probabilities of a pixel. */
void un_temperature_add(un_temperature *t, const float *p, int truth);

/* The T in 0.05 .. 20 with the least negative log-likelihood of the sample (golden section on log T); 1 without a
 * sample. */
double un_temperature_fit(const un_temperature *t);
/* That likelihood, mean over the pixels of the sample. */
double un_temperature_loss(const un_temperature *t, double temperature);

#endif
