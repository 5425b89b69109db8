#include "report/eval_report.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "report/overlay.h"
#include "report/svg.h"

enum { PAGE_MAX = 1 << 30, MATRIX_MAX = 32, IMAGE_ROWS_MAX = 2000, HISTOGRAM_BARS = 20 };

static double image_dice(const un_score_set *s, size_t i)
{
    return s->image[i].scores->foreground.v[UN_RATIO_DICE];
}

/* Sorts image numbers by falling Dice, then by number: insertion, as halves of a merge of ever longer runs. */
static void sort_images(const un_score_set *s, size_t *a, size_t *room, size_t n)
{
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t at = 0; at < n; at += 2 * run) {
            size_t i = at, middle = UN_MIN(at + run, n), j = middle, end = UN_MIN(at + 2 * run, n);

            for (size_t k = at; k < end; k++)
                room[k] = j == end || (i < middle && image_dice(s, a[i]) >= image_dice(s, a[j])) ? a[i++] : a[j++];
        }
        memcpy(a, room, n * sizeof *a);
    }
}

unet_status un_eval_choose(
    size_t *index, const char **group, int *count, un_mem *mem, const un_score_set *set, int each, unet_error *err)
{
    static const char *const names[] = {"best", "median", "worst"};
    size_t *order = un_alloc_array(mem, 2 * set->images + 1, sizeof *order), n = 0, take, begin[3];

    *count = 0;
    if (!order)
        return un_fail_nomem(err, (2 * set->images + 1) * sizeof *order);
    for (size_t i = 0; i < set->images; i++)
        if (!isnan(image_dice(set, i)))
            order[n++] = i;
    sort_images(set, order, order + set->images, n);
    take = UN_MIN((size_t)each, n);
    begin[0] = 0;
    begin[1] = (n - take) / 2;
    begin[2] = n - take;
    for (size_t g = 0, next = 0; g < 3; g++)
        for (size_t k = UN_MAX(begin[g], next); k < begin[g] + take; k++) {
            index[*count] = order[k];
            group[(*count)++] = names[g];
            next = k + 1;
        }
    un_free(order);
    return UNET_OK;
}

/* A value with 4 digits in a buffer of 32 characters. */
static const char *shown_value(char *buf, un_mem *mem, double v)
{
    un_text t;

    un_text_init(&t, mem, 32);
    un_text_fixed(&t, v, 4);
    memcpy(buf, t.failed ? "?" : t.s, t.failed ? 2 : t.n + 1);
    un_text_free(&t);
    return buf;
}

static const un_ratios *pooled_of(const un_score_set *s)
{
    return &s->pooled->foreground;
}

static void add_tiles(un_text *out, un_mem *mem, const un_score_set *s)
{
    char v[6][32];
    const un_ratio_means *m = &s->means->foreground;
    int bare = s->pooled->background < 0;
    un_fact fact[] = {
        {bare ? "Dice, per-image mean" : "foreground Dice, per-image mean", v[0]},
        {bare ? "IoU, pooled" : "foreground IoU, pooled", v[1]},
        {bare ? "Dice, pooled" : "foreground Dice, pooled", v[2]},
        {bare ? "IoU, per-image mean" : "foreground IoU, per-image mean", v[3]},
        {s->confusion ? "pixel accuracy" : "label accuracy", v[4]},
        {"images", v[5]},
    };
    un_text n;

    shown_value(v[0], mem, un_mean_value(m->v[UN_RATIO_DICE]));
    shown_value(v[1], mem, pooled_of(s)->v[UN_RATIO_IOU]);
    shown_value(v[2], mem, pooled_of(s)->v[UN_RATIO_DICE]);
    shown_value(v[3], mem, un_mean_value(m->v[UN_RATIO_IOU]));
    shown_value(v[4], mem, s->pooled->accuracy);
    un_text_init(&n, mem, 32);
    un_text_printf(&n, "%zu", s->images);
    memcpy(v[5], n.failed ? "?" : n.s, n.failed ? 2 : n.n + 1);
    un_text_free(&n);
    un_html_tiles(out, fact, UN_COUNT(fact));
}

static unet_status add_floor(un_text *out, un_mem *mem, const un_eval_report *r, unet_error *err)
{
    un_table *t;
    unet_status st = un_scores_floor_table(&t, mem, &r->set, err);

    if (st)
        return st;
    un_html_heading(out, "Beside what costs nothing");
    un_html_paragraph(out,
        "The same images and rules, with a predictor that needs no training. A model that does not clearly "
        "gain over it has learnt little.");
    st = un_table_to_html(t, out, err);
    un_table_destroy(t);
    return st;
}

static unet_status add_class_table(un_text *out, un_mem *mem, const un_eval_report *r, unet_error *err)
{
    un_text rules;
    un_table *t;
    unet_status st = un_scores_class_table(&t, mem, &r->set, err);

    if (st)
        return st;
    un_html_heading(out, "Scores by class");
    st = un_table_to_html(t, out, err);
    un_table_destroy(t);
    un_text_init(&rules, mem, PAGE_MAX);
    un_scores_rules(&rules, &r->set);
    if (rules.failed)
        out->failed = 1;
    else
        un_html_paragraph(out, rules.s);
    un_text_free(&rules);
    return st;
}

static unet_status add_metrics(un_text *out, un_mem *mem, const un_eval_report *r, unet_error *err)
{
    un_table *t;
    unet_status st = un_scores_metric_table(&t, mem, &r->set, 0, err);

    if (st)
        return st;
    un_html_heading(out, "Metrics");
    un_html_paragraph(out, "The mean over images with the interval in which 95 % of the means lie that other images of "
                           "the same kind would "
                           "give (bootstrap over images), and the value of all images' pixels or objects together.");
    st = un_table_to_html(t, out, err);
    un_table_destroy(t);
    return st;
}

static void add_curve(un_text *out, const un_score_set *s, un_curve_kind kind)
{
    enum { SERIES_MAX = 8 };
    static const char *const title[] = {"ROC", "Precision and recall", "Calibration"};
    static const char *const x_label[] = {"share of other pixels taken", "recall", "mean probability"};
    static const char *const y_label[] = {"recall", "precision", "share that is the class"};
    static const double diagonal[] = {0, 1};
    double x[SERIES_MAX][UN_CURVE_POINTS + 2], y[SERIES_MAX][UN_CURVE_POINTS + 2];
    un_series series[SERIES_MAX + 1];
    int n = 0;

    for (int k = 0; k < s->classes && n < SERIES_MAX; k++) {
        if (!un_summary_options_of(s->summary)->foreground[k])
            continue;
        series[n] = (un_series){.name = s->class_name[k], .x = x[n], .y = y[n]};
        series[n].n = (size_t)un_curve_points(x[n], y[n], s->curves, k, kind);
        n += series[n].n > 0;
    }
    if (!n)
        return;
    if (kind != UN_CURVE_PR)
        series[n++] = (un_series){.x = diagonal, .y = diagonal, .n = 2, .faint = 1, .dashed = 1};
    un_svg_lines(out, &(un_chart){.title = title[kind],
                          .x_label = x_label[kind],
                          .y_label = y_label[kind],
                          .series = series,
                          .count = n,
                          .fixed_y = 1,
                          .y_hi = 1,
                          .width_px = 420,
                          .height_px = 320});
}

static void add_curves(un_text *out, const un_score_set *s)
{
    un_html_heading(out, "Probabilities");
    un_html_paragraph(out, "Every threshold at once, over the pixels of all images, for up to 8 classes. Below the "
                           "diagonal of the calibration "
                           "the network is too sure of the class, above it not sure enough.");
    for (int kind = UN_CURVE_ROC; kind <= UN_CURVE_RELIABILITY; kind++)
        add_curve(out, s, (un_curve_kind)kind);
}

/* Cells are coloured by their share of the row: of all pixels that truly are this class. */
static void add_matrix(un_text *out, const un_score_set *s)
{
    const un_confusion *c = s->confusion;

    un_html_heading(out, "Confusion matrix");
    un_html_paragraph(out, "Rows: what it is. Columns: what the model said. Share of the row, and pixels.");
    un_text_add(out, "<div class=\"scroll\"><table class=\"matrix\">\n<thead><tr><th></th>");
    for (int p = 0; p < c->classes; p++) {
        un_text_add(out, "<th scope=\"col\" class=\"n\">");
        un_text_xml(out, s->class_name[p]);
        un_text_add(out, "</th>");
    }
    un_text_add(out, "</tr></thead>\n<tbody>\n");
    for (int t = 0; t < c->classes; t++) {
        int64_t row = s->pooled->of[t].support;

        un_text_add(out, "<tr><th scope=\"row\">");
        un_text_xml(out, s->class_name[t]);
        un_text_add(out, "</th>");
        for (int p = 0; p < c->classes; p++) {
            double share = row ? (double)c->count[t * c->classes + p] / (double)row : NAN;

            un_text_add(
                out, t == p ? "<td style=\"background:rgba(0,158,115," : "<td style=\"background:rgba(213,94,0,");
            un_text_fixed(out, row ? 0.75 * share : 0, 3);
            un_text_printf(out, ")\" title=\"%lld pixels\">", (long long)c->count[t * c->classes + p]);
            un_text_fixed(out, share * 100, 1);
            un_text_add(out, row ? " %</td>" : "</td>");
        }
        un_text_add(out, "</tr>\n");
    }
    un_text_add(out, "</tbody></table></div>\n");
}

static void add_histogram(un_text *out, const un_eval_report *r)
{
    double edge[HISTOGRAM_BARS + 1], value[HISTOGRAM_BARS] = {0}, mark = r->set.floor ? r->set.floor->dice_mean : NAN;
    size_t without = 0;

    for (int i = 0; i <= HISTOGRAM_BARS; i++)
        edge[i] = (double)i / HISTOGRAM_BARS;
    for (size_t i = 0; i < r->set.images; i++) {
        double dice = image_dice(&r->set, i);

        without += isnan(dice);
        if (!isnan(dice))
            value[(int)UN_MIN(dice * HISTOGRAM_BARS, HISTOGRAM_BARS - 1.0)]++;
    }
    un_html_heading(out, "Images by their Dice");
    un_svg_bars(out, &(un_bars){.title = "foreground Dice of each image",
                         .x_label = "Dice",
                         .y_label = "images",
                         .edge = edge,
                         .value = value,
                         .n = HISTOGRAM_BARS,
                         .mark = mark,
                         .mark_name = "mean of the floor"});
    if (without)
        un_text_printf(out, "<p>%zu of %zu images have no foreground, in truth or prediction, and no Dice.</p>\n",
            without, r->set.images);
}

/* Copies the picture, paints it, adds the figure. kind 0: plain; 1: truth; 2: prediction; 3: errors. */
static unet_status add_view(
    un_text *out, un_mem *mem, const un_eval_report *r, const un_shown_image *s, int kind, unet_error *err)
{
    static const char *const caption[] = {"picture", "truth", "prediction", "errors"};
    int background = r->set.pooled->background, bits = !r->set.confusion;
    un_paint paint = {.palette = r->palette, .background = background, .bits = bits};
    un_image copy;
    unet_status st = un_image_create(&copy, mem, UN_DTYPE_U8, 1, s->rgb.h, s->rgb.w, 3, err);

    if (st)
        return st;
    memcpy(copy.data, s->rgb.data, un_image_count(&copy));
    if (kind == 1 || kind == 2)
        un_paint_classes(&copy, kind == 1 ? s->truth : s->prediction, &paint);
    else if (kind == 3)
        un_paint_errors(&copy, s->truth, s->prediction, bits ? 0 : background, 0.45);
    st = un_html_figure(out, mem, &copy, caption[kind], err);
    un_image_free(&copy);
    return st;
}

static unet_status add_shown(un_text *out, un_mem *mem, const un_eval_report *r, unet_error *err)
{
    un_legend_entry entry[UN_METRIC_CLASSES_MAX], errors[UN_ERROR_COLOURS];
    un_palette standard;
    const un_palette *p = r->palette ? r->palette : &standard;
    unet_status st = UNET_OK;

    un_palette_default(&standard);
    for (int k = 0; k < r->set.classes; k++)
        entry[k] = (un_legend_entry){p->of[(k + !r->set.confusion) & 255], r->set.class_name[k]};
    un_error_legend(errors);
    un_html_heading(out, "Best, median and worst images");
    un_html_paragraph(out, "Ranked by foreground Dice. Classes:");
    un_html_legend(out, entry, r->set.classes);
    un_html_paragraph(out, "Errors:");
    un_html_legend(out, errors, UN_ERROR_COLOURS);
    for (int i = 0; !st && i < r->shown_count; i++) {
        const un_shown_image *s = &r->shown[i];
        const un_scores *scores = r->set.image[s->image].scores;

        un_text_add(out, "<h3>");
        un_text_xml(out, s->group);
        un_text_add(out, ": ");
        un_text_xml(out, r->set.image[s->image].name);
        un_text_add(out, " &#8211; Dice ");
        un_text_fixed(out, scores->foreground.v[UN_RATIO_DICE], 4);
        un_text_add(out, ", IoU ");
        un_text_fixed(out, scores->foreground.v[UN_RATIO_IOU], 4);
        un_text_add(out, "</h3>\n");
        un_html_figures_begin(out);
        for (int kind = 0; !st && kind < 4; kind++)
            st = add_view(out, mem, r, s, kind, err);
        un_html_figures_end(out);
    }
    return st;
}

static unet_status add_image_table(un_text *out, un_mem *mem, const un_score_set *s, unet_error *err)
{
    static const char *const head[] = {"image", "Dice", "IoU", "precision", "recall", "accuracy", "pixels", "ignored"};
    size_t n = UN_MIN(s->images, (size_t)IMAGE_ROWS_MAX);
    un_table *t;
    unet_status st = un_table_create(&t, mem, head, UN_COUNT(head), 1, err);

    if (st)
        return st;
    for (size_t i = 0; i < n; i++) {
        const un_scores *v = s->image[i].scores;

        un_table_text(t, s->image[i].name);
        for (int k = 0; k < UN_RATIO_F1; k++)
            un_table_real(t, v->foreground.v[k], 4);
        un_table_real(t, v->accuracy, 4);
        un_table_integer(t, v->pixels);
        un_table_integer(t, v->ignored);
    }
    un_html_heading(out, "Every image");
    un_html_fold_begin(out, "foreground scores of each image");
    st = un_table_to_html(t, out, err);
    if (n < s->images)
        un_text_printf(out, "<p>The first %zu of %zu images; scores.csv has all.</p>\n", n, s->images);
    un_html_fold_end(out);
    un_table_destroy(t);
    return st;
}

static void add_how_to_read(un_text *out)
{
    un_html_heading(out, "How to read this");
    un_html_paragraph(out,
        "Dice and IoU say how much of prediction and truth overlap: 1 is perfect, 0 is none. Dice is always the "
        "larger of the two. Precision is the share of what was predicted that is right, recall the share of what "
        "is there that was found.");
    un_html_paragraph(out,
        "Pooled: all pixels of all images are counted together, so large objects and images weigh more. "
        "Per-image mean: each image is scored by itself and weighs the same. When the two differ much, look at the "
        "worst images: a few of them, or the small objects, are what is missed.");
    un_html_paragraph(out,
        "Foreground means every class but the background, which is easy where it is most of the picture. Pixel "
        "accuracy counts the background and is high for that reason alone.");
}

unet_status un_eval_report_html(un_text *out, un_mem *mem, const un_eval_report *r, unet_error *err)
{
    unet_status st;

    un_html_begin(out, r->title, r->subtitle);
    add_tiles(out, mem, &r->set);
    st = r->set.floor ? add_floor(out, mem, r, err) : UNET_OK;
    if (!st)
        st = add_class_table(out, mem, r, err);
    if (!st && r->set.summary)
        st = add_metrics(out, mem, r, err);
    if (!st && r->set.summary && r->set.curves)
        add_curves(out, &r->set);
    if (!st && r->set.confusion && r->set.classes <= MATRIX_MAX)
        add_matrix(out, &r->set);
    if (!st)
        add_histogram(out, r);
    if (!st && r->shown_count)
        st = add_shown(out, mem, r, err);
    if (!st)
        st = add_image_table(out, mem, &r->set, err);
    if (st)
        return st;
    if (r->fact_count) {
        un_html_heading(out, "What was evaluated");
        un_html_facts(out, r->fact, r->fact_count);
    }
    add_how_to_read(out);
    un_html_end(out);
    return out->failed ? un_fail_nomem(err, out->n) : UNET_OK;
}

unet_status un_eval_report_write(un_mem *mem, const char *path, const un_eval_report *r, unet_error *err)
{
    un_text page;
    unet_status st;

    un_text_init(&page, mem, PAGE_MAX);
    st = un_eval_report_html(&page, mem, r, err);
    return un_html_write(mem, path, &page, st, err);
}
