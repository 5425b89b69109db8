/* Self-contained HTML pages: style inside, pictures as data, drawings as SVG; nothing is fetched from anywhere and
 * nothing runs. Light, dark, on a phone and on paper. All text is escaped. */
#ifndef UN_REPORT_HTML_H
#define UN_REPORT_HTML_H

#include "base/error.h"
#include "base/text.h"
#include "report/palette.h"
#include "tensor/image.h"

typedef struct un_fact {
    const char *name, *value;
} un_fact;

void un_html_begin(un_text *out, const char *title, const char *subtitle); /* subtitle NULL: none */
void un_html_end(un_text *out);

void un_html_heading(un_text *out, const char *text);
void un_html_subheading(un_text *out, const char *text);
void un_html_paragraph(un_text *out, const char *text);
void un_html_pre(un_text *out, const char *text);
void un_html_tiles(un_text *out, const un_fact *fact, int count); /* key figures, large */
void un_html_facts(un_text *out, const un_fact *fact, int count); /* two columns */
void un_html_legend(un_text *out, const un_legend_entry *entry, int count);
/* A part that is folded up until it is asked for; on paper it shows when it was open. */
void un_html_fold_begin(un_text *out, const char *summary);
void un_html_fold_end(un_text *out);

/* Figures stand side by side as the width allows. */
void un_html_figures_begin(un_text *out);
void un_html_figures_end(un_text *out);
/* A PNG file's bytes; what does not begin like one is passed over. Size and caption as below. */
void un_html_png(un_text *out, const void *png, size_t size, const char *caption);
/* The picture, as un_image_encode_png takes it; a small one is shown larger by a whole factor, never smoothed.
 * caption NULL: none. */
UN_NODISCARD unet_status un_html_figure(
    un_text *out, un_mem *mem, const un_image *im, const char *caption, unet_error *err);

/* Writes the page when st is UNET_OK and the text is whole; frees the text in any case. */
UN_NODISCARD unet_status un_html_write(un_mem *mem, const char *path, un_text *page, unet_status st, unet_error *err);

#endif
