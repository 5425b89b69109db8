#include "run/inspect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "report/html.h"
#include "report/svg.h"
#include "report/table.h"

enum { PAGE_MAX = 1 << 28, FILES_OF_A_KIND = 12, BARS = 20, VALUES_TEXT = 96 };

/* ---- classes ---- */

/* What stands for a class in the masks: "0", "1 to 127", "#ff0000"; several joined by commas, cut where buf ends. */
static void mask_values(char *buf, size_t size, const un_cfg_data *c, int class)
{
    size_t at = 0;

    buf[0] = 0;
    if (c->mask_kind == UN_CFG_MASK_MULTILABEL)
        snprintf(buf, size, "channel %d", class);
    else if (c->mask_kind == UN_CFG_MASK_INSTANCE)
        snprintf(buf, size, "%s", class == 0 ? "0" : class == 1 ? "above 0" : "where objects meet");
    for (int i = 0; i < c->mapping.n && at + 1 < size && c->mask_kind == UN_CFG_MASK_INDEX; i++) {
        const un_cfg_map *m = &c->mapping.v[i];
        const char *comma = at ? ", " : "";

        if (m->class != class)
            continue;
        if (m->color != UN_AUTO_COLOUR)
            at += (size_t)snprintf(buf + at, size - at, "%s#%06x", comma, (unsigned)m->color);
        else if (un_is_auto(m->to) || !(m->to > m->value))
            at += (size_t)snprintf(buf + at, size - at, "%s%.9g", comma, m->value);
        else
            at += (size_t)snprintf(buf + at, size - at, "%s%.9g to %.9g", comma, m->value, m->to);
    }
}

static unet_status class_table(un_table **out, un_mem *mem, const un_inspection *in, unet_error *err)
{
    static const char *const head[] = {"class", "name", "mask value", "% of pixels", "masks with it", "scored"};
    const un_cfg_data *c = &in->cfg->data;
    unet_status st = un_table_create(out, mem, head, UN_COUNT(head), 2, err);

    for (int k = 0; k < in->f->classes && !st; k++) {
        char values[VALUES_TEXT];
        int scored = 0;

        for (int i = 0; i < c->foreground.n; i++)
            scored |= c->foreground.v[i] == k;
        mask_values(values, sizeof values, c, k);
        un_table_integer(*out, k);
        un_table_text(*out, c->classes.v[k].name);
        un_table_text(*out, values);
        un_table_real(*out, 100 * in->f->share[k], 2);
        un_table_integer(*out, in->f->masks_with[k]);
        un_table_text(*out, scored ? "yes" : "no");
    }
    return st;
}

/* "values left out: 255, -1 (3.9 % of the pixels)"; empty when there are none. */
static void ignored_values(char *buf, size_t size, const un_inspection *in)
{
    const un_cfg_nums *g = &in->cfg->data.ignore;
    size_t at = 0;

    buf[0] = 0;
    if (g->n < 1 && !(in->f->ignored > 0))
        return;
    at = (size_t)snprintf(buf, size, "left out of loss and scores: ");
    for (int i = 0; i < g->n && at + 1 < size; i++)
        at += (size_t)snprintf(buf + at, size - at, "%s%.9g", i ? ", " : g->n > 1 ? "values " : "value ", g->v[i]);
    if (at + 1 < size)
        snprintf(buf + at, size - at, "%s%.3g %% of the mask pixels", g->n > 0 ? "; " : "", 100 * in->f->ignored);
}

/* ---- text ---- */

static const char *next_line(const char *s, size_t *n)
{
    const char *end = strchr(s, '\n');

    *n = end ? (size_t)(end - s) : strlen(s);
    return end ? end + 1 : s + *n;
}

unet_status un_inspect_text(un_text *out, un_mem *mem, const un_inspection *in, unet_error *err)
{
    char ignored[256];
    un_table *t;
    unet_status st = UNET_OK;

    un_text_printf(out, "layout       %s\n", un_config_word("data", "layout", (int)in->d->layout));
    un_fingerprint_text(out, in->f);
    if (in->f->classes) {
        ignored_values(ignored, sizeof ignored, in);
        un_text_printf(out, "masks        %s\n\n", un_config_word("data", "mask_kind", (int)in->cfg->data.mask_kind));
        st = class_table(&t, mem, in, err);
        if (!st)
            st = un_table_to_text(t, out, err);
        un_table_destroy(t);
        if (ignored[0])
            un_text_printf(out, "%s\n", ignored);
    }
    if (in->why && in->why[0]) {
        un_text_add(out, "\nsettled from the data:\n");
        for (const char *s = in->why; *s;) {
            size_t n;
            const char *next = next_line(s, &n);

            un_text_printf(out, "    %.*s\n", (int)n, s);
            s = next;
        }
    }
    un_text_add(out, "\n");
    un_issues_text(out, in->d, FILES_OF_A_KIND);
    if (in->problem)
        un_text_printf(out, "\ncannot be trained on yet: %s\n", in->problem);
    return st ? st : out->failed ? un_fail_nomem(err, out->n) : UNET_OK;
}

/* ---- page ---- */

static unet_status add_table(un_text *out, un_table *t, unet_status st, unet_error *err)
{
    if (!st)
        st = un_table_to_html(t, out, err);
    un_table_destroy(t);
    return st;
}

static void add_tiles(un_text *out, const un_inspection *in)
{
    char v[4][64];
    const un_fingerprint *f = in->f;
    const un_fact fact[] = {{"pictures", v[0]}, {"without a mask", v[1]}, {"left out", v[2]},
        {f->volumes ? "median d x h x w" : "median h x w", v[3]}};

    snprintf(v[0], sizeof v[0], "%d", f->pictures);
    snprintf(v[1], sizeof v[1], "%d", f->unlabelled);
    snprintf(v[2], sizeof v[2], "%d", f->left_out);
    if (f->volumes)
        snprintf(v[3], sizeof v[3], "%dx%dx%d", f->size_median[0], f->size_median[1], f->size_median[2]);
    else
        snprintf(v[3], sizeof v[3], "%dx%d", f->size_median[1], f->size_median[2]);
    un_html_tiles(out, fact, UN_COUNT(fact));
}

static unet_status add_classes(un_text *out, un_mem *mem, const un_inspection *in, unet_error *err)
{
    const char *name[UN_CFG_MAX_class];
    double share[UN_CFG_MAX_class];
    char ignored[256];
    un_table *t;
    unet_status st = class_table(&t, mem, in, err);

    un_html_heading(out, "What the masks mean");
    st = add_table(out, t, st, err);
    ignored_values(ignored, sizeof ignored, in);
    if (ignored[0])
        un_html_paragraph(out, ignored);
    for (int k = 0; k < in->f->classes; k++) {
        name[k] = in->cfg->data.classes.v[k].name;
        share[k] = 100 * in->f->share[k];
    }
    if (in->f->classes <= BARS)
        un_svg_bars(out, &(un_bars){.title = "share of the pixels",
                             .y_label = "%",
                             .name = name,
                             .value = share,
                             .n = in->f->classes,
                             .mark = NAN});
    return st;
}

static unet_status add_channels(un_text *out, un_mem *mem, const un_inspection *in, unet_error *err)
{
    static const char *const head[] = {
        "channel", "mean", "deviation", "0.5 %", "1 %", "5 %", "25 %", "50 %", "75 %", "95 %", "99 %", "99.5 %"};
    un_table *t;
    unet_status st = un_table_create(&t, mem, head, UN_COUNT(head), 1, err);

    _Static_assert(UN_COUNT(head) == 3 + UN_SCAN_QUANTILES, "a column for each percentile");
    un_html_heading(out, "Values of the pictures");
    un_html_paragraph(
        out, "Mean and deviation over all training pixels; percentiles: medians of those of the pictures.");
    for (int k = 0; k < UN_MIN(in->f->channels, UN_FINGERPRINT_CHANNELS) && !st; k++) {
        un_table_integer(t, k);
        un_table_real(t, in->f->mean[k], 4);
        un_table_real(t, in->f->std[k], 4);
        for (int q = 0; q < UN_SCAN_QUANTILES; q++)
            un_table_real(t, in->f->q[k][q], 4);
    }
    return add_table(out, t, st, err);
}

/* One number of a picture; NaN: it has none. */
typedef double (*figure)(const un_scan_item *it, int ids);

static double median_value(const un_scan_item *it, int ids)
{
    (void)ids;
    return it->channel[0].q[UN_SCAN_QUANTILES / 2];
}

static double side(const un_scan_item *it, int ids)
{
    (void)ids;
    return un_sqrt((double)it->h * it->w);
}

static double objects_of(const un_scan_item *it, int ids)
{
    int n = 0;

    for (int k = 0; k < it->values; k++)
        n += it->value[k].value > 0;
    return !it->mask_d ? (double)NAN : ids ? (double)n : (double)it->objects;
}

static double object_size(const un_scan_item *it, int ids)
{
    return it->objects < 1 ? (double)NAN : ids ? it->value_pixels[1] : it->object_pixels[1];
}

static void add_histogram(un_text *out, const un_inspection *in, figure f, const char *title, const char *x_label)
{
    const int ids = in->cfg->data.mask_kind == UN_CFG_MASK_INSTANCE;
    double edge[BARS + 1], n[BARS] = {0}, lo = INFINITY, hi = -INFINITY;

    for (int i = 0; i < in->s->count; i++) {
        const double v = in->s->item[i].status ? NAN : f(&in->s->item[i], ids);

        if (isfinite(v)) {
            lo = UN_MIN(lo, v);
            hi = UN_MAX(hi, v);
        }
    }
    if (!(hi > lo)) /* all alike, or none: the table says it */
        return;
    for (int i = 0; i <= BARS; i++)
        edge[i] = lo + (hi - lo) * i / BARS;
    for (int i = 0; i < in->s->count; i++) {
        const double v = in->s->item[i].status ? NAN : f(&in->s->item[i], ids);

        if (isfinite(v))
            n[UN_MIN((int)((v - lo) / (hi - lo) * BARS), BARS - 1)]++;
    }
    un_svg_bars(out, &(un_bars){.title = title,
                         .x_label = x_label,
                         .y_label = "pictures",
                         .edge = edge,
                         .value = n,
                         .n = BARS,
                         .mark = NAN});
}

static unet_status add_issues(un_text *out, un_mem *mem, const un_inspection *in, unet_error *err)
{
    static const char *const head[] = {"severity", "issue", "file", "what is wrong", "what to do"};
    un_table *t;
    unet_status st = un_table_create(&t, mem, head, UN_COUNT(head), 2, err);

    un_html_heading(out, "Issues");
    if (!in->d->issue_count)
        un_html_paragraph(out, "Nothing odd was found.");
    for (int severity = UN_STOP; severity >= UN_NOTE && !st; severity--)
        for (int i = 0; i < in->d->issue_count; i++) {
            const un_issue *s = &in->d->issues[i];

            if ((int)un_issue_severity(s->kind) != severity)
                continue;
            un_table_text(t, un_severity_name(un_issue_severity(s->kind)));
            un_table_text(t, un_issue_name(s->kind));
            un_table_text(t, s->file);
            un_table_text(t, s->text);
            un_table_text(t, un_issue_advice(s->kind));
        }
    if (!st && !in->d->issue_count) {
        un_table_destroy(t);
        return UNET_OK;
    }
    return add_table(out, t, st, err);
}

static void add_decisions(un_text *out, const un_inspection *in)
{
    if (!in->why || !in->why[0])
        return;
    un_html_heading(out, "Settled from the data");
    un_text_add(out, "<dl>\n");
    for (const char *s = in->why; *s;) {
        size_t n;
        const char *next = next_line(s, &n), *colon = strstr(s, ": ");
        char key[128], text[512];

        if (colon && colon < s + n) {
            snprintf(key, sizeof key, "%.*s", (int)(colon - s), s);
            snprintf(text, sizeof text, "%.*s", (int)(s + n - colon - 2), colon + 2);
            un_text_add(out, "<dt>");
            un_text_xml(out, key);
            un_text_add(out, "</dt><dd>");
            un_text_xml(out, text);
            un_text_add(out, "</dd>\n");
        }
        s = next;
    }
    un_text_add(out, "</dl>\n");
}

static unet_status add_sheet(un_text *out, un_mem *mem, const un_inspection *in, unet_error *err)
{
    if (!in->sheet)
        return UNET_OK;
    un_html_heading(out, "As the network sees them");
    un_html_paragraph(out,
        "A row for each picture: the file, the picture as it is prepared with the classes of its mask, "
        "and augmented patches as the first steps of training take them.");
    return un_html_figure(out, mem, in->sheet, NULL, err);
}

static unet_status page(un_text *out, un_mem *mem, const un_inspection *in, unet_error *err)
{
    un_text facts;
    unet_status st;

    un_html_begin(out, "What is in the data", in->d->root);
    if (in->problem) {
        un_html_heading(out, "Cannot be trained on yet");
        un_html_paragraph(out, in->problem);
    }
    add_tiles(out, in);
    st = add_sheet(out, mem, in, err);
    if (!st && in->f->classes)
        st = add_classes(out, mem, in, err);
    if (!st)
        st = add_issues(out, mem, in, err);
    un_html_heading(out, "Pictures");
    un_text_init(&facts, mem, PAGE_MAX);
    un_fingerprint_text(&facts, in->f);
    un_html_pre(out, facts.s ? facts.s : "");
    un_text_free(&facts);
    add_histogram(out, in, side, "size of the pictures", "root of height x width (px)");
    add_histogram(out, in, median_value, "median value of the pictures, channel 0", "value");
    add_histogram(out, in, objects_of, "objects in a mask", "objects");
    add_histogram(out, in, object_size, "size of the objects, median of each mask", "pixels");
    if (!st)
        st = add_channels(out, mem, in, err);
    add_decisions(out, in);
    if (in->yaml) {
        un_html_heading(out, "Configuration");
        un_html_pre(out, in->yaml);
    }
    un_html_end(out);
    return st;
}

unet_status un_inspect_page(un_mem *mem, const char *path, const un_inspection *in, unet_error *err)
{
    un_text out;
    unet_status st;

    un_text_init(&out, mem, PAGE_MAX);
    st = page(&out, mem, in, err);
    return un_html_write(mem, path, &out, st, err);
}
