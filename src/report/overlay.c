#include "report/overlay.h"

#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "metrics/overlap.h"
#include "report/font.h"
#include "report/view.h"

enum { PAD_PX = 6, SWATCH_PX = 10, LINE_PX = 14, CAPTION_PX = 12 };

static const un_rgb paper = {255, 255, 255}, ink = {24, 24, 24};

static void blend(unsigned char *px, un_rgb c, double alpha)
{
    const unsigned char to[3] = {c.r, c.g, c.b};

    for (int k = 0; k < 3; k++)
        px[k] = (unsigned char)un_round(px[k] + alpha * (to[k] - px[k]));
}

static un_rgb class_colour(const un_palette *p, int32_t v, int bits)
{
    int sum[3] = {0}, n = 0;

    if (v == UN_METRIC_IGNORE)
        return un_colour_ignored;
    if (!bits)
        return p->of[v & 255];
    for (int k = 0; k < 31; k++)
        if (v >> k & 1) {
            un_rgb c = p->of[(k + 1) & 255]; /* entry 0 is for no label */

            sum[0] += c.r;
            sum[1] += c.g;
            sum[2] += c.b;
            n++;
        }
    return n ? (un_rgb){(unsigned char)(sum[0] / n), (unsigned char)(sum[1] / n), (unsigned char)(sum[2] / n)}
             : p->of[0];
}

/* Whether one of the four neighbours has another value; the picture's edge is none. */
static int on_edge(const int32_t *map, int h, int w, int y, int x)
{
    const int32_t *at = map + (size_t)y * (size_t)w + (size_t)x;

    return (x > 0 && at[-1] != *at) || (x < w - 1 && at[1] != *at) || (y > 0 && *(at - w) != *at) ||
           (y < h - 1 && at[w] != *at);
}

void un_paint_classes(un_image *rgb, const int32_t *map, const un_paint *p)
{
    double alpha = p->alpha > 0 ? p->alpha : 0.45;
    unsigned char *px = rgb->data;
    un_palette standard;

    un_palette_default(&standard);
    for (int y = 0; y < rgb->h; y++)
        for (int x = 0; x < rgb->w; x++, px += 3) {
            int32_t v = map[(size_t)y * (size_t)rgb->w + (size_t)x];
            int nothing = p->bits ? v == 0 : v == p->background;

            if ((nothing && v != UN_METRIC_IGNORE))
                continue;
            if (v != UN_METRIC_IGNORE && on_edge(map, rgb->h, rgb->w, y, x))
                blend(px, class_colour(p->palette ? p->palette : &standard, v, p->bits), 1);
            else if (!p->contours_only)
                blend(px, class_colour(p->palette ? p->palette : &standard, v, p->bits), alpha);
        }
}

/* Brightness rises evenly, so that it reads without colours too. */
un_rgb un_heat_colour(int share)
{
    static const un_rgb stop[] = {{10, 12, 60}, {92, 20, 130}, {190, 52, 100}, {245, 130, 40}, {252, 240, 120}};
    const int at = UN_MIN(UN_MAX(share, 0), 255) * 4, k = UN_MIN(at / 255, 3), part = at - 255 * k;
    const un_rgb a = stop[k], b = stop[k + 1];

    return (un_rgb){(unsigned char)(a.r + (b.r - a.r) * part / 255), (unsigned char)(a.g + (b.g - a.g) * part / 255),
        (unsigned char)(a.b + (b.b - a.b) * part / 255)};
}

void un_paint_heat(un_image *rgb, const int32_t *map)
{
    unsigned char *px = rgb->data;

    for (size_t i = 0; i < (size_t)rgb->h * (size_t)rgb->w; i++, px += 3)
        blend(px, un_heat_colour(map[i]), 0.5);
}

void un_paint_errors(un_image *rgb, const int32_t *truth, const int32_t *prediction, int background, double alpha)
{
    unsigned char *px = rgb->data;

    for (size_t i = 0; i < (size_t)rgb->h * (size_t)rgb->w; i++, px += 3) {
        int32_t t = truth[i], p = prediction[i];

        if (t == UN_METRIC_IGNORE)
            blend(px, un_colour_ignored, alpha);
        else if (t == p && (t != background || background < 0))
            blend(px, un_colour_right, alpha);
        else if (t != p)
            blend(px,
                background >= 0 && t == background   ? un_colour_extra
                : background >= 0 && p == background ? un_colour_missed
                                                     : un_colour_confused,
                UN_MIN(alpha + 0.25, 1.0)); /* errors stand out from what is right */
    }
}

void un_error_legend(un_legend_entry entry[UN_ERROR_COLOURS])
{
    entry[0] = (un_legend_entry){un_colour_right, "right"};
    entry[1] = (un_legend_entry){un_colour_extra, "too much"};
    entry[2] = (un_legend_entry){un_colour_missed, "missed"};
    entry[3] = (un_legend_entry){un_colour_confused, "other class"};
    entry[4] = (un_legend_entry){un_colour_ignored, "ignored"};
}

/* Where entry i goes in a strip `width` wide; starts a new line when the name does not fit. Returns the lines so far.
 */
static int next_place(int *x, int line, int width, const char *name)
{
    int need = SWATCH_PX + 4 + un_text_width_px(name, 1) + 10;

    if (*x > PAD_PX && *x + need > width) {
        *x = PAD_PX;
        line++;
    }
    *x += need;
    return line;
}

unet_status un_add_legend(un_image *rgb, un_mem *mem, const un_legend_entry *entry, int count, unet_error *err)
{
    int x = PAD_PX, line = 0;
    un_image out;
    unet_status st;

    for (int i = 0; i < count; i++)
        line = next_place(&x, line, rgb->w, entry[i].name);
    st = un_image_create(&out, mem, UN_DTYPE_U8, 1, rgb->h + 2 * PAD_PX + (line + 1) * LINE_PX, rgb->w, 3, err);
    if (st)
        return st;
    memcpy(out.data, rgb->data, (size_t)rgb->h * (size_t)rgb->w * 3);
    un_draw_rect(&out, 0, rgb->h, out.w, out.h - rgb->h, paper);
    x = PAD_PX;
    line = 0;
    for (int i = 0; i < count; i++) {
        int before = x, now = next_place(&x, line, rgb->w, entry[i].name);
        int left = now > line ? PAD_PX : before, top = rgb->h + PAD_PX + now * LINE_PX;

        line = now;
        un_draw_rect(&out, left, top, SWATCH_PX, SWATCH_PX, ink);
        un_draw_rect(&out, left + 1, top + 1, SWATCH_PX - 2, SWATCH_PX - 2, entry[i].colour);
        un_draw_text(&out, left + SWATCH_PX + 4, top + 2, 1, ink, entry[i].name);
    }
    un_image_free(rgb);
    *rgb = out;
    return UNET_OK;
}

static unet_status place_cell(
    un_image *out, un_mem *mem, const un_sheet_cell *c, int left, int top, int cell_px, unet_error *err)
{
    char caption[256];
    size_t fits = (size_t)(cell_px / UN_FONT_ADVANCE);
    int h, w;
    un_image small;
    unet_status st;

    un_view_size(&h, &w, c->rgb->h, c->rgb->w, cell_px, cell_px);
    st = un_scale_rgb(&small, mem, c->rgb, h, w, err);
    if (st)
        return st;
    for (int y = 0; y < h; y++)
        memcpy((unsigned char *)out->data +
                   ((size_t)(top + (cell_px - h) / 2 + y) * (size_t)out->w + (size_t)(left + (cell_px - w) / 2)) * 3,
            (unsigned char *)small.data + (size_t)y * (size_t)w * 3, (size_t)w * 3);
    un_image_free(&small);
    fits = UN_MIN(UN_MIN(fits, sizeof caption - 1), c->caption ? strlen(c->caption) : 0);
    memcpy(caption, c->caption ? c->caption : "", fits);
    caption[fits] = 0;
    un_draw_text(out, left, top + cell_px + 3, 1, ink, caption);
    return UNET_OK;
}

unet_status un_sheet_make(
    un_image *out, un_mem *mem, const un_sheet_cell *cell, int count, int columns, int cell_px, unet_error *err)
{
    int rows, step = cell_px + PAD_PX, height = cell_px + CAPTION_PX + PAD_PX;
    unet_status st;

    *out = (un_image){0};
    if (count < 1 || columns < 1 || cell_px < 8 || cell_px > 4096 || columns > 64)
        return un_fail(err, UNET_E_ARG, "a sheet of %d pictures in %d columns of %d pixels", count, columns, cell_px);
    columns = UN_MIN(columns, count);
    rows = (int)un_ceil_div(count, columns);
    if (rows > (1 << 20) / height)
        return un_fail(err, UNET_E_LIMIT, "a sheet of %d pictures is too high", count);
    st = un_image_create(out, mem, UN_DTYPE_U8, 1, rows * height + PAD_PX, columns * step + PAD_PX, 3, err);
    if (st)
        return st;
    un_draw_rect(out, 0, 0, out->w, out->h, paper);
    for (int i = 0; !st && i < count; i++)
        st = place_cell(out, mem, &cell[i], PAD_PX + i % columns * step, PAD_PX + i / columns * height, cell_px, err);
    if (st)
        un_image_free(out);
    return st;
}
