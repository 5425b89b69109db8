/* The page of an evaluation: scores beside a floor, confusion matrix, distribution over images, and the best, middle
 * and worst images with overlays and error maps. Everything is borrowed. */
#ifndef UN_REPORT_EVAL_REPORT_H
#define UN_REPORT_EVAL_REPORT_H

#include "report/html.h"
#include "report/scores.h"

/* One image to show; all three of one size (un_view_rgb, un_view_size, un_scale_rgb, un_scale_map make them). */
typedef struct un_shown_image {
    size_t image;                      /* index in the score set              */
    const char *group;                 /* "best", "median", "worst"           */
    un_image rgb;                      /* U8, d = 1, c = 3                    */
    const int32_t *truth, *prediction; /* [h][w]; -1 in truth: ignored; multi-label: bit k is class k */
} un_shown_image;

typedef struct un_eval_report {
    const char *title, *subtitle;
    un_score_set set;
    const un_shown_image *shown;
    int shown_count;
    const un_palette *palette; /* NULL: the default one */
    const un_fact *fact;       /* model, data, split, command, environment ... */
    int fact_count;
} un_eval_report;

/* Which images to show: up to `each` of the best, the middle and the worst by foreground Dice, none twice; images
 * without a score are left out. index, group: room for 3 * each. Returns how many. */
UN_NODISCARD unet_status un_eval_choose(
    size_t *index, const char **group, int *count, un_mem *mem, const un_score_set *set, int each, unet_error *err);

UN_NODISCARD unet_status un_eval_report_html(un_text *out, un_mem *mem, const un_eval_report *r, unet_error *err);
UN_NODISCARD unet_status un_eval_report_write(un_mem *mem, const char *path, const un_eval_report *r, unet_error *err);

#endif
