#include "report/svg.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "report/palette.h"
#include "report/table.h"

enum { MARGIN_LEFT = 62, MARGIN_RIGHT = 16, MARGIN_BOTTOM = 44, TITLE_H = 24, LEGEND_H = 20, MOST_TICKS = 9 };

/* Palette entries in the order that lines take them: those that read well on white and on black come first.
 */
static const int line_colours[] = {5, 6, 3, 1, 7, 2, 4};

/* Data coordinates of the plot's rectangle, in pixels from the upper left corner. */
typedef struct frame {
    double left, top, right, bottom;
    double x_lo, x_hi, y_lo, y_hi;
    int log_x, log_y;
} frame;

static double log10_of(double v)
{
    return un_log(v) / un_log(10);
}

static double power_of_ten(int e)
{
    double v = 1;

    for (int i = 0; i < (e < 0 ? -e : e); i++)
        v *= 10;
    return e < 0 ? 1 / v : v;
}

static int linear_ticks(double *tick, int most, double lo, double hi)
{
    static const double factor[] = {1, 2, 5};
    int power = (int)un_floor(log10_of((hi - lo) / most)), n = 0;

    for (int i = 0; i < 9; i++) { /* the finest step that gives few enough ticks */
        double unit = power_of_ten(power + i / 3), step = factor[i % 3] * unit, first = ceil(lo / step - 1e-9);

        if (un_floor(hi / step + 1e-9) - first + 1 > most)
            continue;
        for (double k = first; k * step <= hi + 1e-9 * step && n < most; k++)
            tick[n++] = k == 0 ? 0 : k * step;
        break;
    }
    return n;
}

static int log_ticks(double *tick, int most, double lo, double hi)
{
    int first = (int)un_floor(log10_of(lo)), last = (int)ceil(log10_of(hi) - 1e-9), n = 0;
    int dense = (last - first) * 3 <= most, every = 1 + (last - first) / most;

    for (int e = first; e <= last; e++)
        for (int i = 0; i < (dense ? 3 : 1); i++) {
            double v = power_of_ten(e) * (i == 0 ? 1 : i == 1 ? 2 : 5);

            if (v >= lo * (1 - 1e-9) && v <= hi * (1 + 1e-9) && (e - first) % every == 0 && n < most)
                tick[n++] = v;
        }
    return n;
}

int un_ticks(double *tick, int most, double lo, double hi, int logarithmic)
{
    if (!(hi > lo) || !isfinite(lo) || !isfinite(hi) || (logarithmic && lo <= 0))
        return 0;
    return logarithmic ? log_ticks(tick, most, lo, hi) : linear_ticks(tick, most, lo, hi);
}

static double place_x(const frame *f, double x)
{
    double share = f->log_x ? un_log(x / f->x_lo) / un_log(f->x_hi / f->x_lo) : (x - f->x_lo) / (f->x_hi - f->x_lo);

    return f->left + share * (f->right - f->left);
}

static double place_y(const frame *f, double y)
{
    double share = f->log_y ? un_log(y / f->y_lo) / un_log(f->y_hi / f->y_lo) : (y - f->y_lo) / (f->y_hi - f->y_lo);

    return f->bottom - UN_MIN(UN_MAX(share, 0.0), 1.0) * (f->bottom - f->top);
}

static void add_colour(un_text *out, un_rgb c)
{
    un_text_printf(out, "#%02x%02x%02x", c.r, c.g, c.b);
}

static un_rgb line_colour(const un_series *s, int position)
{
    un_palette p;

    un_palette_default(&p);
    return p.of[s->colour > 0 ? s->colour % UN_PALETTE_SIZE : line_colours[position % (int)UN_COUNT(line_colours)]];
}

static void add_text(un_text *out, double x, double y, const char *anchor, const char *more, const char *s)
{
    un_text_add(out, "<text x=\"");
    un_text_fixed(out, x, 1);
    un_text_add(out, "\" y=\"");
    un_text_fixed(out, y, 1);
    un_text_printf(out, "\" text-anchor=\"%s\"%s>", anchor, more);
    un_text_xml(out, s);
    un_text_add(out, "</text>\n");
}

/* A tick's value: as few decimals as it needs, powers of ten only where it is far from 1. */
static void add_number(un_text *out, double x, double y, const char *anchor, double v)
{
    un_text s;
    int decimals = 0;

    un_text_init(&s, out->mem, 64);
    for (double scaled = v; decimals < 6 && fabs(scaled - un_round(scaled)) > 1e-6 * fabs(scaled); decimals++)
        scaled *= 10;
    if (v == 0 || (fabs(v) >= 1e-4 && fabs(v) < 1e7))
        un_text_fixed(&s, v, decimals);
    else
        un_text_number(&s, v);
    if (s.failed)
        out->failed = 1;
    else
        add_text(out, x, y, anchor, "", s.s);
    un_text_free(&s);
}

static void add_line(un_text *out, double x0, double y0, double x1, double y1, const char *more)
{
    const double at[] = {x0, y0, x1, y1};
    static const char *const name[] = {"x1", "y1", "x2", "y2"};

    un_text_add(out, "<line");
    for (int i = 0; i < 4; i++) {
        un_text_printf(out, " %s=\"", name[i]);
        un_text_fixed(out, at[i], 1);
        un_text_add(out, "\"");
    }
    un_text_printf(out, " stroke=\"currentColor\" %s/>\n", more);
}

static void begin(un_text *out, int w, int h, const char *title)
{
    un_text_printf(out,
        "<svg class=\"chart\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" "
        "fill=\"currentColor\" "
        "font-family=\"system-ui,sans-serif\" font-size=\"12\">\n",
        w, h, w, h);
    if (!title)
        return;
    un_text_add(out, "<title>");
    un_text_xml(out, title);
    un_text_add(out, "</title>\n");
    add_text(out, MARGIN_LEFT, 16, "start", " font-size=\"14\" font-weight=\"600\"", title);
}

static void add_axis_names(un_text *out, const frame *f, const char *x_label, const char *y_label)
{
    double middle = (f->top + f->bottom) / 2;

    if (x_label)
        add_text(out, (f->left + f->right) / 2, f->bottom + 36, "middle", "", x_label);
    if (!y_label)
        return;
    un_text_add(out, "<g transform=\"translate(14 ");
    un_text_fixed(out, middle, 1);
    un_text_add(out, ") rotate(-90)\">");
    add_text(out, 0, 0, "middle", "", y_label);
    un_text_add(out, "</g>\n");
}

/* whole: the values are counts, so only whole numbers are marked. */
static void add_y_axis(un_text *out, const frame *f, int whole)
{
    double tick[MOST_TICKS];
    int n = un_ticks(tick, MOST_TICKS, f->y_lo, f->y_hi, f->log_y);

    for (int i = 0; i < n; i++) {
        double y = place_y(f, tick[i]);

        if (whole && tick[i] != un_floor(tick[i]))
            continue;
        add_line(out, f->left, y, f->right, y, "stroke-opacity=\"0.15\"");
        add_number(out, f->left - 6, y + 4, "end", tick[i]);
    }
}

static void add_x_axis(un_text *out, const frame *f)
{
    double tick[MOST_TICKS];
    int n = un_ticks(tick, MOST_TICKS, f->x_lo, f->x_hi, f->log_x);

    add_line(out, f->left, f->bottom, f->right, f->bottom, "stroke-opacity=\"0.6\"");
    for (int i = 0; i < n; i++) {
        double x = place_x(f, tick[i]);

        add_line(out, x, f->bottom, x, f->bottom + 4, "stroke-opacity=\"0.6\"");
        add_number(out, x, f->bottom + 18, "middle", tick[i]);
    }
}

static int usable(const un_chart *c, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!c->log_x || x > 0) && (!c->log_y || y > 0);
}

/* Extents of the data, widened where they are empty, so that both axes have a length. */
static void fit(frame *f, const un_chart *c)
{
    double x_lo = INFINITY, x_hi = -INFINITY, y_lo = INFINITY, y_hi = -INFINITY, pad;

    for (int s = 0; s < c->count; s++)
        for (size_t i = 0; i < c->series[s].n; i++) {
            double x = c->series[s].x[i], y = c->series[s].y[i];

            if (!usable(c, x, y))
                continue;
            x_lo = UN_MIN(x_lo, x);
            x_hi = UN_MAX(x_hi, x);
            y_lo = UN_MIN(y_lo, y);
            y_hi = UN_MAX(y_hi, y);
        }
    if (x_lo > x_hi) { /* nothing to draw */
        x_lo = c->log_x ? 0.1 : 0;
        x_hi = 1;
        y_lo = c->log_y ? 0.1 : 0;
        y_hi = 1;
    }
    if (c->fixed_y) {
        y_lo = c->y_lo;
        y_hi = c->y_hi;
    }
    if (c->log_y) {
        f->y_lo = y_lo * (y_hi > y_lo ? 0.95 : 0.5);
        f->y_hi = y_hi * (y_hi > y_lo ? 1.05 : 2);
    } else {
        pad = y_hi > y_lo ? (c->fixed_y ? 0 : 0.04 * (y_hi - y_lo)) : UN_MAX(fabs(y_lo) * 0.1, 0.5);
        f->y_lo = y_lo - pad;
        f->y_hi = y_hi + pad;
    }
    f->x_lo = x_hi > x_lo ? x_lo : c->log_x ? x_lo * 0.5 : x_lo - 0.5;
    f->x_hi = x_hi > x_lo ? x_hi : c->log_x ? x_hi * 2 : x_hi + 0.5;
    f->log_x = c->log_x;
    f->log_y = c->log_y;
}

/* Path commands; a pen that is up moves, one that is down draws. */
static void add_point(un_text *out, const frame *f, double x, double y, int *down)
{
    un_text_add(out, *down ? "L" : "M");
    un_text_fixed(out, place_x(f, x), 1);
    un_text_add(out, " ");
    un_text_fixed(out, place_y(f, y), 1);
    *down = 1;
}

/* The points of series i..end that fall into one column: first, lowest, highest and last of them in order. */
static void add_column(un_text *out, const frame *f, const un_series *s, size_t i, size_t end, int *down)
{
    size_t low = i, high = i, at[4], last = SIZE_MAX;

    for (size_t k = i; k < end; k++) {
        low = s->y[k] < s->y[low] ? k : low;
        high = s->y[k] > s->y[high] ? k : high;
    }
    at[0] = i;
    at[1] = UN_MIN(low, high);
    at[2] = UN_MAX(low, high);
    at[3] = end - 1;
    for (int k = 0; k < 4; k++) {
        if (at[k] != last)
            add_point(out, f, s->x[at[k]], s->y[at[k]], down);
        last = at[k];
    }
}

static void add_series(un_text *out, const frame *f, const un_chart *c, int which)
{
    const un_series *s = &c->series[which];
    int thin = (double)s->n > 4 * (f->right - f->left), down = 0;
    size_t next;

    un_text_add(out, "<path fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\" stroke=\"");
    add_colour(out, line_colour(s, which));
    un_text_printf(out, "\" stroke-width=\"%s\"%s%s d=\"", s->faint ? "1" : "2",
        s->faint ? " stroke-opacity=\"0.35\"" : "", s->dashed ? " stroke-dasharray=\"6 4\"" : "");
    for (size_t i = 0; i < s->n && !out->failed; i = next) {
        next = i + 1;
        if (!usable(c, s->x[i], s->y[i])) {
            down = 0;
            continue;
        }
        while (thin && next < s->n && usable(c, s->x[next], s->y[next]) &&
               un_floor(place_x(f, s->x[next])) == un_floor(place_x(f, s->x[i])))
            next++;
        if (!down && (next == s->n || !usable(c, s->x[next], s->y[next])) && next == i + 1) {
            add_point(out, f, s->x[i], s->y[i], &down); /* a point alone: a line of no length shows as a dot */
            add_point(out, f, s->x[i], s->y[i], &down);
        } else {
            add_column(out, f, s, i, next, &down);
        }
    }
    un_text_add(out, "\"/>\n");
}

static void add_legend(un_text *out, const un_chart *c, double top)
{
    double x = MARGIN_LEFT;

    for (int i = 0; i < c->count; i++) {
        const un_series *s = &c->series[i];

        if (!s->name)
            continue;
        un_text_add(out, "<rect x=\"");
        un_text_fixed(out, x, 1);
        un_text_add(out, "\" y=\"");
        un_text_fixed(out, top + 4, 1);
        un_text_add(out, "\" width=\"18\" height=\"4\" fill=\"");
        add_colour(out, line_colour(s, i));
        un_text_printf(out, "\"%s/>\n", s->faint ? " fill-opacity=\"0.35\"" : "");
        add_text(out, x + 23, top + 11, "start", "", s->name);
        x += 40 + 6.8 * (double)strlen(s->name); /* about the width of the text at this size */
    }
}

void un_svg_lines(un_text *out, const un_chart *c)
{
    int w = c->width_px ? c->width_px : 640, h = c->height_px ? c->height_px : 360, named = 0;
    double top = c->title ? TITLE_H : 8;
    frame f = {.left = MARGIN_LEFT, .right = w - MARGIN_RIGHT, .bottom = h - MARGIN_BOTTOM};

    for (int i = 0; i < c->count; i++)
        named |= c->series[i].name != NULL;
    f.top = top + (named ? LEGEND_H : 0) + 4;
    fit(&f, c);
    begin(out, w, h, c->title);
    add_y_axis(out, &f, 0);
    add_x_axis(out, &f);
    add_axis_names(out, &f, c->x_label, c->y_label);
    for (int i = 0; i < c->count; i++)
        add_series(out, &f, c, i);
    if (named)
        add_legend(out, c, top);
    un_text_add(out, "</svg>\n");
}

static void add_bar(un_text *out, const frame *f, const un_bars *b, int i)
{
    double width = (f->right - f->left) / b->n, x = f->left + i * width, y = place_y(f, b->value[i]);
    const double at[] = {x + 0.08 * width, y, 0.84 * width, f->bottom - y};
    static const char *const name[] = {"x", "y", "width", "height"};
    un_palette p;

    un_palette_default(&p);
    un_text_add(out, "<rect");
    for (int k = 0; k < 4; k++) {
        un_text_printf(out, " %s=\"", name[k]);
        un_text_fixed(out, at[k], 1);
        un_text_add(out, "\"");
    }
    un_text_add(out, " fill=\"");
    add_colour(out, p.of[line_colours[0]]);
    un_text_add(out, "\"><title>");
    if (b->name)
        un_text_xml(out, b->name[i]);
    un_text_add(out, b->name ? ": " : "");
    un_text_number(out, b->value[i]);
    un_text_add(out, "</title></rect>\n");
}

void un_svg_bars(un_text *out, const un_bars *b)
{
    int w = b->width_px ? b->width_px : 640, h = b->height_px ? b->height_px : 300;
    frame f = {.left = MARGIN_LEFT,
        .right = w - MARGIN_RIGHT,
        .top = (b->title ? TITLE_H : 8) + (b->mark_name ? 24 : 8),
        .bottom = h - MARGIN_BOTTOM,
        .x_hi = 1,
        .y_hi = 0};
    int whole = 1;

    for (int i = 0; i < b->n; i++) {
        whole &= !isfinite(b->value[i]) || b->value[i] == un_floor(b->value[i]);
        f.y_hi = b->value[i] > f.y_hi && isfinite(b->value[i]) ? b->value[i] : f.y_hi;
    }
    f.y_hi = f.y_hi > 0 ? f.y_hi : 1;
    if (b->edge && b->n) {
        f.x_lo = b->edge[0];
        f.x_hi = b->edge[b->n];
    }
    begin(out, w, h, b->title);
    add_y_axis(out, &f, whole);
    if (b->edge)
        add_x_axis(out, &f);
    else
        add_line(out, f.left, f.bottom, f.right, f.bottom, "stroke-opacity=\"0.6\"");
    add_axis_names(out, &f, b->x_label, b->y_label);
    for (int i = 0; i < b->n; i++) {
        if (isfinite(b->value[i]))
            add_bar(out, &f, b, i);
        if (b->name && !b->edge)
            add_text(out, f.left + (i + 0.5) * (f.right - f.left) / b->n, f.bottom + 18, "middle", "", b->name[i]);
    }
    if (b->edge && isfinite(b->mark) && b->mark >= f.x_lo && b->mark <= f.x_hi) {
        add_line(out, place_x(&f, b->mark), f.top - 8, place_x(&f, b->mark), f.bottom, "stroke-dasharray=\"5 4\"");
        add_text(out, place_x(&f, b->mark), f.top - 11, "middle", "", b->mark_name ? b->mark_name : "");
    }
    un_text_add(out, "</svg>\n");
}

void un_svg_document(un_text *out, const char *svg)
{
    un_text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"");
    un_text_add(out, svg + strlen("<svg"));
}
