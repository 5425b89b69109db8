/* The courses of the learning rate, a rule each; s from 0 to n (behind the last step). Formulas: config/schedules.def.
 */
#include "base/math.h"
#include "base/size.h"
#include "config/optimisers.h"
#include "train/registry.h"

static double value(const un_cfg_optimiser *o, const char *key)
{
    return un_schedule_value(o, key);
}

static int64_t whole(double share, int64_t n)
{
    return (int64_t)un_floor(share * (double)n + 0.5);
}

static int64_t period(const un_cfg_optimiser *o, int64_t n)
{
    return UN_MAX(whole(value(o, "period"), n), 1);
}

/* From a (x = 0) to b (x = 1) along half a cosine. */
static double ease(double a, double b, double x)
{
    return b + (a - b) * 0.5 * (1 + un_cos2pi(0.5 * x));
}

static double fallen(const un_cfg_optimiser *o, double times)
{
    return UN_MAX(o->min_lr, o->lr * un_pow(value(o, "factor"), times));
}

static double constant(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    (void)s, (void)n;
    return o->lr;
}

static double cosine(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    return ease(o->lr, o->min_lr, (double)s / (double)n);
}

static double poly(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    return o->min_lr + (s < n ? (o->lr - o->min_lr) * un_pow(1 - (double)s / (double)n, value(o, "power")) : 0);
}

static double step(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    return fallen(o, (double)(s / period(o, n)));
}

static double multi_step(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    int times = 0;

    for (int i = 0; i < o->milestones.n; i++)
        times += s >= whole(o->milestones.v[i], n);
    return fallen(o, times);
}

static double exponential(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    return fallen(o, (double)s / (double)period(o, n));
}

static double cosine_restarts(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    const double stretch = value(o, "stretch");
    double length = (double)period(o, n), begin = 0;

    if (stretch > 1)
        while ((double)s - begin >= un_floor(length + 0.5)) {
            begin += un_floor(length + 0.5);
            length *= stretch;
        }
    else
        begin = length * un_floor((double)s / length);
    return ease(o->lr, o->min_lr, ((double)s - begin) / un_floor(length + 0.5));
}

/* Height of the triangle, 0 to 1; *cycles: how many are over, with the share of this one. */
static double triangle(const un_cfg_optimiser *o, int64_t s, int64_t n, double *cycles)
{
    const double rise = value(o, "rise");
    double x;

    *cycles = (double)s / (double)period(o, n);
    x = *cycles - un_floor(*cycles);
    return x <= rise ? x / rise : (1 - x) / (1 - rise);
}

static double between(const un_cfg_optimiser *o, double height)
{
    const double low = UN_MAX(o->min_lr, value(o, "start") * o->lr);

    return low + (o->lr - low) * height;
}

static double triangular(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    double cycles;

    return between(o, triangle(o, s, n, &cycles));
}

static double triangular2(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    double cycles, h = triangle(o, s, n, &cycles);

    return between(o, h * un_pow(0.5, un_floor(cycles)));
}

static double exp_range(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    double cycles, h = triangle(o, s, n, &cycles);

    return between(o, h * un_pow(value(o, "factor"), cycles));
}

/* The top comes at step rise n - 1, min_lr at step n - 1, as in PyTorch's OneCycleLR. */
static double one_cycle(const un_cfg_optimiser *o, int64_t s, int64_t n)
{
    const double first = value(o, "start") * o->lr, top = value(o, "rise") * (double)n - 1, last = (double)n - 1;
    const double at = UN_MIN((double)s, last);

    if (at <= top && top > 0)
        return ease(first, o->lr, at / top);
    return ease(o->lr, o->min_lr, last > top ? (at - top) / (last - top) : 1);
}

static const un_schedule_rule rules[] = {
    [UN_CFG_SCHEDULE_CONSTANT] = constant,
    [UN_CFG_SCHEDULE_COSINE] = cosine,
    [UN_CFG_SCHEDULE_POLY] = poly,
    [UN_CFG_SCHEDULE_STEP] = step,
    [UN_CFG_SCHEDULE_MULTI_STEP] = multi_step,
    [UN_CFG_SCHEDULE_EXPONENTIAL] = exponential,
    [UN_CFG_SCHEDULE_COSINE_RESTARTS] = cosine_restarts,
    [UN_CFG_SCHEDULE_TRIANGULAR] = triangular,
    [UN_CFG_SCHEDULE_TRIANGULAR2] = triangular2,
    [UN_CFG_SCHEDULE_EXP_RANGE] = exp_range,
    [UN_CFG_SCHEDULE_ONE_CYCLE] = one_cycle,
    [UN_CFG_SCHEDULE_PLATEAU] = constant, /* the factor of un_plateau comes to it */
};

/* Each word of the schema has a row. */
enum {
#define UN_SCHEDULE(ID, name, title, formula, paper, when) SCHEDULE_##ID,
#include "config/schedules.def"
    SCHEDULES
};
_Static_assert(sizeof rules / sizeof *rules == SCHEDULES, "a row each");

un_schedule_rule un_schedule_rule_of(un_cfg_schedule schedule)
{
    return rules[schedule];
}
