#include "metrics/registry.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "base/text.h"

static const un_metric_info infos[] = {
#define UN_METRIC(ID, name, group, unit, better, title, formula, paper, range, empty, note)                            \
    [UN_M_##ID] = {                                                                                                    \
        name, UN_GROUP_##group, UN_UNIT_##unit, UN_BETTER_##better, title, formula, paper, range, empty, note},
#include "metrics/metrics.def"
};
_Static_assert(UN_COUNT(infos) == UN_M_COUNT, "a row each");

static const char *const groups[] = {
    [UN_GROUP_COUNTS] = "counts",
    [UN_GROUP_SURFACE] = "surface",
    [UN_GROUP_SKELETON] = "skeleton",
    [UN_GROUP_OBJECTS] = "objects",
    [UN_GROUP_CURVES] = "curves",
};
_Static_assert(UN_COUNT(groups) == UN_GROUP_COUNT, "a name each");

const un_metric_info *un_metric_info_of(un_metric m)
{
    return &infos[m];
}

const char *un_metric_group_name(un_metric_group g)
{
    return groups[g];
}

void un_metric_add(un_metric_choice *c, un_metric m)
{
    c->count += !c->on[m];
    c->on[m] = 1;
    c->group[infos[m].group] = 1;
}

static unet_status unknown(const char *word, unet_error *err)
{
    const char *names[UN_M_COUNT + UN_GROUP_COUNT + 1], *near;
    size_t n = 0;

    for (int m = 0; m < UN_M_COUNT; m++)
        names[n++] = infos[m].name;
    for (int g = 0; g < UN_GROUP_COUNT; g++)
        names[n++] = groups[g];
    names[n++] = "all";
    near = un_nearest(word, names, n);
    return un_fail(err, UNET_E_ARG, "no metric '%s'%s%s%s; `unet list metrics` has them", word,
        near ? ". Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

unet_status un_metric_choose(un_metric_choice *c, const char *list, unet_error *err)
{
    static const char between[] = ", ";

    for (list += strspn(list, between); *list; list += strspn(list, between)) {
        const size_t n = strcspn(list, between);
        char word[64];
        int found = 0;

        snprintf(word, sizeof word, "%.*s", (int)UN_MIN(n, sizeof word - 1), list);
        for (int m = 0; m < UN_M_COUNT; m++)
            if (!strcmp(word, "all") || !strcmp(word, infos[m].name) || !strcmp(word, groups[infos[m].group])) {
                un_metric_add(c, (un_metric)m);
                found = 1;
            }
        if (!found)
            return unknown(word, err);
        list += n;
    }
    return UNET_OK;
}
