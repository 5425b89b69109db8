#include "metrics/temperature.h"

#include <string.h>

#include "base/math.h"
#include "base/size.h"

enum { VALUES = 1 << 19, SECTIONS = 40 };

struct un_temperature {
    int classes;
    int64_t seen, every, n, most;
    int32_t *truth; /* [most] */
    float *logit;   /* [most][classes] logarithms of the probabilities */
};

unet_status un_temperature_create(un_temperature **out, un_mem *mem, int classes, unet_error *err)
{
    un_temperature *t = un_alloc_zero(mem, sizeof *t);

    *out = NULL;
    if (!t)
        return un_fail_nomem(err, sizeof *t);
    t->classes = classes;
    t->every = 1;
    t->most = VALUES / classes / 2 * 2;
    t->truth = un_alloc_array(mem, (size_t)t->most, sizeof *t->truth);
    t->logit = un_alloc_array(mem, (size_t)t->most * (size_t)classes, sizeof *t->logit);
    if (!t->truth || !t->logit) {
        un_temperature_destroy(t);
        return un_fail_nomem(err, VALUES * sizeof(float));
    }
    *out = t;
    return UNET_OK;
}

void un_temperature_destroy(un_temperature *t)
{
    if (!t)
        return;
    un_free(t->truth);
    un_free(t->logit);
    un_free(t);
}

static void halve(un_temperature *t)
{
    const size_t bytes = (size_t)t->classes * sizeof *t->logit;

    t->n /= 2;
    t->every *= 2;
    for (int64_t i = 1; i < t->n; i++) {
        t->truth[i] = t->truth[2 * i];
        memcpy(t->logit + i * t->classes, t->logit + 2 * i * t->classes, bytes);
    }
}

void un_temperature_add(un_temperature *t, const float *p, int truth)
{
    const double least = 1e-12; /* 0 in float is a probability too small to tell */

    if (t->seen++ % t->every)
        return;
    if (t->n == t->most)
        halve(t);
    if ((t->seen - 1) % t->every)
        return;
    t->truth[t->n] = truth;
    for (int k = 0; k < t->classes; k++)
        t->logit[t->n * t->classes + k] = (float)un_log(UN_MAX((double)p[k], least));
    t->n++;
}

double un_temperature_loss(const un_temperature *t, double temperature)
{
    double loss = 0;

    for (int64_t i = 0; i < t->n; i++) {
        const float *z = t->logit + i * t->classes;
        double most = (double)z[0], sum = 0;

        for (int k = 1; k < t->classes; k++)
            most = UN_MAX(most, (double)z[k]);
        for (int k = 0; k < t->classes; k++)
            sum += un_exp(((double)z[k] - most) / temperature);
        loss += un_log(sum) - ((double)z[t->truth[i]] - most) / temperature;
    }
    return t->n ? loss / (double)t->n : 0;
}

/* The loss is convex in 1 / T, so it has one valley in log T. */
double un_temperature_fit(const un_temperature *t)
{
    const double golden = 0.61803398874989485;
    double lo = un_log(0.05), hi = un_log(20), a = hi - golden * (hi - lo), b = lo + golden * (hi - lo), at_a, at_b;

    if (!t->n)
        return 1;
    at_a = un_temperature_loss(t, un_exp(a));
    at_b = un_temperature_loss(t, un_exp(b));
    for (int i = 0; i < SECTIONS; i++)
        if (at_a <= at_b) {
            hi = b;
            b = a;
            at_b = at_a;
            a = hi - golden * (hi - lo);
            at_a = un_temperature_loss(t, un_exp(a));
        } else {
            lo = a;
            a = b;
            at_a = at_b;
            b = lo + golden * (hi - lo);
            at_b = un_temperature_loss(t, un_exp(b));
        }
    return un_exp((lo + hi) / 2);
}
