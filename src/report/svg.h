/* Charts as SVG: lines, bars, histogram. Text and axes take the colour of the page around (currentColor), so
 * one drawing serves light, dark and print. No part refers to anything outside. */
#ifndef UN_REPORT_SVG_H
#define UN_REPORT_SVG_H

#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

typedef struct un_series {
    const char *name;    /* NULL: not in the legend */
    const double *x, *y; /* [n], x ascending; a y that is not finite is a gap */
    size_t n;
    int colour; /* index into the palette, 1..; 0: by position */
    int faint;  /* 1: thin and pale: raw values behind smoothed ones */
    int dashed;
} un_series;

typedef struct un_chart {
    const char *title, *x_label, *y_label; /* NULL: none */
    const un_series *series;
    int count;
    int log_x, log_y; /* 1: logarithmic; values not above 0 are gaps */
    int fixed_y;      /* 1: the y axis runs from y_lo to y_hi, else from the data */
    double y_lo, y_hi;
    int width_px, height_px; /* 0: 640 x 360 */
} un_chart;

/* More points than the picture has columns are thinned to the lowest and highest of each column. */
void un_svg_lines(un_text *out, const un_chart *c);

typedef struct un_bars {
    const char *title, *x_label, *y_label;
    const char *const *name; /* [n] below the bars; NULL: edge[0..n] are numbers at the bars' edges */
    const double *edge;      /* [n + 1] or NULL */
    const double *value;     /* [n], at least 0; NaN: no bar */
    int n;
    double mark; /* a vertical line at this place among the edges; NaN: none */
    const char *mark_name;
    int width_px, height_px; /* 0: 640 x 300 */
} un_bars;

void un_svg_bars(un_text *out, const un_bars *b);

/* Turns a drawing into a file of its own: adds the declaration that inline SVG does without. `svg` starts
 * with "<svg". */
void un_svg_document(un_text *out, const char *svg);

/* Values for tick marks: steps of 1, 2 or 5 times a power of ten, at most `most` (2..16) within lo..hi. For
 * log axes powers of ten, with their 2 and 5 fold when there is room. Returns how many. */
int un_ticks(double *tick, int most, double lo, double hi, int logarithmic);

#endif
