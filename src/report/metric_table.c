/* The metrics of an evaluation in rows. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "report/scores.h"

enum { DECIMALS = 4, NAME_MAX = 64 };

static void add_unit(char *name, const un_metric_info *i, const char *unit, int volume)
{
    const size_t n = strlen(name);

    if (i->unit == UN_UNIT_LENGTH)
        snprintf(name + n, NAME_MAX - n, " (%s)", unit);
    else if (i->unit == UN_UNIT_VOLUME)
        snprintf(name + n, NAME_MAX - n, " (%s%d)", unit, volume ? 3 : 2);
}

static void add_row(un_table *t, const un_score_set *s, int k, un_metric m, int wide)
{
    const un_metric_info *i = un_metric_info_of(m);
    const un_metric_line *l = un_summary_line(s->summary, k, m);
    char name[NAME_MAX];

    snprintf(name, sizeof name, "%s", i->name);
    if (!wide)
        add_unit(name, i, s->unit, un_summary_is_volume(s->summary));
    un_table_text(t, k < s->classes ? s->class_name[k] : "foreground");
    un_table_text(t, name);
    un_table_real(t, l->mean, DECIMALS);
    un_table_real(t, l->lo, DECIMALS);
    un_table_real(t, l->hi, DECIMALS);
    un_table_real(t, l->pooled, DECIMALS);
    if (wide) {
        un_table_real(t, l->pooled_lo, DECIMALS);
        un_table_real(t, l->pooled_hi, DECIMALS);
    }
    un_table_integer(t, l->images);
}

unet_status un_scores_metric_table(un_table **out, un_mem *mem, const un_score_set *s, int wide, unet_error *err)
{
    static const char *const people[] = {"class", "metric", "image mean", "95 % from", "to", "pooled", "images"};
    static const char *const all[] = {"class", "metric", "image_mean", "image_mean_low", "image_mean_high", "pooled",
        "pooled_low", "pooled_high", "images"};
    const un_summary_options *o = un_summary_options_of(s->summary);
    unet_status st =
        un_table_create(out, mem, wide ? all : people, wide ? (int)UN_COUNT(all) : (int)UN_COUNT(people), 2, err);
    int foreground = 0;

    if (st)
        return st;
    for (int k = 0; k < s->classes; k++)
        foreground += o->foreground[k];
    for (int row = -1; row < s->classes; row++)
        for (int m = 0; m < UN_M_COUNT; m++)
            if (o->choice.on[m] && (row < 0 ? foreground != 1 : o->foreground[row]))
                add_row(*out, s, row < 0 ? s->classes : row, (un_metric)m, wide);
    return UNET_OK;
}
