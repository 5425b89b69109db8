/* Small text on pictures: a built-in font of 5 x 7 pixels for the legends of overlays and the captions of sheets. */
#ifndef UN_REPORT_FONT_H
#define UN_REPORT_FONT_H

#include "report/palette.h"
#include "tensor/image.h"

enum { UN_FONT_ADVANCE = 6, UN_FONT_HEIGHT = 7 }; /* pixels at scale 1 */

/* rgb: U8, d = 1, c = 3. What lies outside the picture is cut off. x, y: upper left corner. */
void un_draw_rect(un_image *rgb, int x0, int y0, int width, int height, un_rgb colour);
/* UTF-8; characters that are not ASCII show as a frame. */
void un_draw_text(un_image *rgb, int x, int y, int scale, un_rgb colour, const char *s);
int un_text_width_px(const char *s, int scale);

#endif
