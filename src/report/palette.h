/* Colours for class maps that a person can tell apart on any picture. */
#ifndef UN_REPORT_PALETTE_H
#define UN_REPORT_PALETTE_H

typedef struct un_rgb {
    unsigned char r, g, b;
} un_rgb;

_Static_assert(sizeof(un_rgb) == 3, "three bytes, as pixels lie in memory");

typedef struct un_legend_entry {
    un_rgb colour;
    const char *name;
} un_legend_entry;

enum { UN_PALETTE_SIZE = 256 };

typedef struct un_palette {
    un_rgb of[UN_PALETTE_SIZE];
} un_palette;

/* Class 0 black, then the seven colours of Okabe and Ito ("Color universal design", 2008), which colour-blind
 * people tell apart too, then hues a golden angle apart in five strengths. All 256 differ. */
void un_palette_default(un_palette *p);

/* What the error map paints (docs/metrics.md); from the same seven. */
extern const un_rgb un_colour_right, un_colour_extra, un_colour_missed, un_colour_confused, un_colour_ignored;

/* Text black (0) or white (1) on this colour: the one with more contrast. */
int un_rgb_wants_white(un_rgb c);

#endif
