/* The page of a training run: figures, curves, previews as they improve, settings, environment. Everything is borrowed;
 * each part is left out when it is empty. */
#ifndef UN_REPORT_TRAIN_REPORT_H
#define UN_REPORT_TRAIN_REPORT_H

#include "report/html.h"
#include "report/svg.h"
#include "report/table.h"

typedef struct un_preview {
    const char *caption; /* "step 400, cell_07.png" */
    void *png;           /* a file's bytes */
    size_t size;
} un_preview;

typedef struct un_train_report {
    const char *title, *subtitle;
    const char *state;     /* a sentence: "finished after 948 steps", "stopped; continue with ..." */
    const un_fact *figure; /* large at the top */
    int figure_count;
    const un_chart *chart;
    int chart_count;
    const un_table *scores;    /* NULL: none */
    const char *scores_note;   /* which pictures they were taken on */
    const char *previews_note; /* a paragraph above the previews; NULL: none */
    const un_preview *preview;
    int preview_count;
    const un_legend_entry *legend; /* of the previews */
    int legend_count;
    const un_fact *environment;
    int environment_count;
    const char *config; /* the settled configuration as text */
} un_train_report;

UN_NODISCARD unet_status un_train_report_html(un_text *out, const un_train_report *r, unet_error *err);
UN_NODISCARD unet_status un_train_report_write(
    un_mem *mem, const char *path, const un_train_report *r, unet_error *err);

/* Running mean for curves: out[i] is the mean of the finite y of the last `window` entries up to i; NaN: none of them.
 */
void un_smooth(double *out, const double *y, size_t n, size_t reach);

#endif
