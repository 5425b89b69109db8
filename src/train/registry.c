#include "train/registry.h"

#include "base/math.h"

static double constant(const un_cfg_optimiser *o, double t)
{
    (void)t;
    return o->lr;
}

static double cosine(const un_cfg_optimiser *o, double t)
{
    return o->min_lr + (o->lr - o->min_lr) * 0.5 * (1 + un_cos2pi(0.5 * t));
}

static double poly(const un_cfg_optimiser *o, double t)
{
    return o->min_lr + (t < 1 ? (o->lr - o->min_lr) * un_pow(1 - t, o->power) : 0);
}

static const un_schedule_rule schedules[] = {
    [UN_CFG_SCHEDULE_CONSTANT] = constant,
    [UN_CFG_SCHEDULE_COSINE] = cosine,
    [UN_CFG_SCHEDULE_POLY] = poly,
};

static const un_method_rule methods[] = {
    [UN_CFG_OPT_ADAM] = {UN_OP_ADAM, 2, 0, 0.001},
    [UN_CFG_OPT_ADAMW] = {UN_OP_ADAM, 2, 1, 0.002},
    [UN_CFG_OPT_SGD] = {UN_OP_SGD, 1, 0, 0.01},
};

/* Each word of the schema has a row. */
enum {
#define UN_VALUES(list)                COUNT_##list##_BEFORE,
#define UN_VALUE(list, ID, name, help) COUNT_##ID,
#define UN_VALUES_END(list)            COUNT_##list##_END,
#include "config/schema.def"
};
#define WORDS(list) (COUNT_##list##_END - COUNT_##list##_BEFORE - 1)
_Static_assert(sizeof schedules / sizeof *schedules == WORDS(schedule), "a row each");
_Static_assert(sizeof methods / sizeof *methods == WORDS(method), "a row each");

const un_method_rule *un_method_rule_of(un_cfg_method method)
{
    return &methods[method];
}

un_schedule_rule un_schedule_rule_of(un_cfg_schedule schedule)
{
    return schedules[schedule];
}
