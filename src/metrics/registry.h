/* The metrics by name: metrics.def as a table, and lists of names as the user gives them. */
#ifndef UN_METRICS_REGISTRY_H
#define UN_METRICS_REGISTRY_H

#include "base/error.h"

typedef enum un_metric {
#define UN_METRIC(ID, name, group, unit, better, title, formula, paper, range, empty, note) UN_M_##ID,
#include "metrics/metrics.def"
    UN_M_COUNT
} un_metric;

typedef enum un_metric_group {
    UN_GROUP_COUNTS,
    UN_GROUP_SURFACE,
    UN_GROUP_SKELETON,
    UN_GROUP_OBJECTS,
    UN_GROUP_CURVES, /* of probabilities */
    UN_GROUP_COUNT
} un_metric_group;

typedef enum un_metric_unit { UN_UNIT_SHARE, UN_UNIT_LENGTH, UN_UNIT_VOLUME, UN_UNIT_COUNT } un_metric_unit;
typedef enum un_metric_better { UN_BETTER_HIGH, UN_BETTER_LOW, UN_BETTER_NONE } un_metric_better;

typedef struct un_metric_info {
    const char *name;
    un_metric_group group;
    un_metric_unit unit;
    un_metric_better better;
    const char *title, *formula, *paper, *range, *empty, *note;
} un_metric_info;

const un_metric_info *un_metric_info_of(un_metric m);
const char *un_metric_group_name(un_metric_group g);

/* Which metrics are taken. */
typedef struct un_metric_choice {
    unsigned char on[UN_M_COUNT], group[UN_GROUP_COUNT];
    int count; /* that are on */
} un_metric_choice;

/* Adds the metrics of a list: names, names of groups or "all", between commas or spaces; an empty list adds none. A
 * name that is none: UNET_E_ARG with the nearest. */
UN_NODISCARD unet_status un_metric_choose(un_metric_choice *c, const char *list, unet_error *err);
void un_metric_add(un_metric_choice *c, un_metric m);

#endif
