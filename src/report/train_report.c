#include "report/train_report.h"

#include <math.h>

#include "base/size.h"

enum { PAGE_MAX = 1 << 30 };

void un_smooth(double *out, const double *y, size_t n, size_t reach)
{
    for (size_t i = 0; i < n; i++) { /* each sum anew: no rounding that grows along the curve */
        double sum = 0;
        size_t count = 0, end = n - i > reach ? i + reach + 1 : n;

        for (size_t k = i > reach ? i - reach : 0; k < end; k++)
            if (isfinite(y[k])) {
                sum += y[k];
                count++;
            }
        out[i] = count ? sum / (double)count : NAN;
    }
}

static void add_previews(un_text *out, const un_train_report *r)
{
    un_html_heading(out, "Previews");
    if (r->previews_note)
        un_html_paragraph(out, r->previews_note);
    if (r->legend_count)
        un_html_legend(out, r->legend, r->legend_count);
    un_html_figures_begin(out);
    for (int i = 0; i < r->preview_count; i++)
        un_html_png(out, r->preview[i].png, r->preview[i].size, r->preview[i].caption);
    un_html_figures_end(out);
}

static void add_how_to_read(un_text *out)
{
    un_html_heading(out, "How to read this");
    un_html_paragraph(out,
        "The loss is what training makes small; its height says little by itself, its course does: falling "
        "means learning. Scores are taken on pictures that are not trained on. When the loss still falls but "
        "the scores do not rise any more, longer training will not help: more or more varied pictures will.");
    un_html_paragraph(out,
        "The scores here chose the model, so they are a little too kind. For a result to report, evaluate the "
        "model on pictures that had no part in training.");
}

unet_status un_train_report_html(un_text *out, const un_train_report *r, unet_error *err)
{
    unet_status st = UNET_OK;

    un_html_begin(out, r->title, r->subtitle);
    if (r->state)
        un_html_paragraph(out, r->state);
    if (r->figure_count)
        un_html_tiles(out, r->figure, r->figure_count);
    if (r->chart_count)
        un_html_heading(out, "Curves");
    for (int i = 0; i < r->chart_count; i++)
        un_svg_lines(out, &r->chart[i]);
    if (r->scores) {
        un_html_heading(out, "Scores");
        if (r->scores_note)
            un_html_paragraph(out, r->scores_note);
        st = un_table_to_html(r->scores, out, err);
    }
    if (st)
        return st;
    if (r->preview_count)
        add_previews(out, r);
    if (r->environment_count) {
        un_html_heading(out, "Environment");
        un_html_facts(out, r->environment, r->environment_count);
    }
    if (r->config) {
        un_html_heading(out, "Configuration");
        un_html_fold_begin(out, "everything that was settled");
        un_html_pre(out, r->config);
        un_html_fold_end(out);
    }
    add_how_to_read(out);
    un_html_end(out);
    return out->failed ? un_fail_nomem(err, out->n) : UNET_OK;
}

unet_status un_train_report_write(un_mem *mem, const char *path, const un_train_report *r, unet_error *err)
{
    un_text page;
    unet_status st;

    un_text_init(&page, mem, PAGE_MAX);
    st = un_train_report_html(&page, r, err);
    return un_html_write(mem, path, &page, st, err);
}
