#include "report/html.h"

#include <string.h>

#include <limits.h>

#include "base/file.h"
#include "io/image.h"
#include "report/view.h"

enum { SHOWN_MIN_PX = 192 };

static const char style[] =
    ":root{color-scheme:light "
    "dark;--bg:#fff;--fg:#1b1f24;--soft:#5b6570;--line:#d9dee3;--card:#f5f7f9;--accent:#0072b2}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e9ec;--soft:#9aa5b0;--line:#343b42;--card:#1d2226;"
    "--accent:#56b4e9}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,\"Segoe "
    "UI\",sans-serif}\n"
    "main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 4rem}\n"
    "h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0 .2rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.25rem;margin:2.2rem 0 .6rem;padding-top:.6rem;border-top:1px solid var(--line)}\n"
    "h3{font-size:1rem;margin:1.4rem 0 .4rem;overflow-wrap:anywhere}\n"
    "p{margin:.5rem 0;max-width:60rem}\n"
    ".sub{color:var(--soft);margin-bottom:1.2rem;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto;margin:.6rem 0}\n"
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.3rem .7rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:bottom}\n"
    "thead th{color:var(--soft);font-weight:600}\n"
    "tbody th{font-weight:600;max-width:18rem;overflow-wrap:break-word}\n"
    ".n{text-align:right}\n"
    "td.n{white-space:nowrap}\n"
    ".matrix td{text-align:right;border:2px solid var(--bg)}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}\n"
    ".tile{flex:1 1 9.5rem;background:var(--card);border-radius:.6rem;padding:.8rem 1rem}\n"
    ".tile b{display:block;font-size:1.6rem;line-height:1.2;font-variant-numeric:tabular-nums}\n"
    ".tile span{color:var(--soft);font-size:.85rem}\n"
    ".figures{display:flex;flex-wrap:wrap;gap:.9rem;margin:.6rem 0}\n"
    "figure{margin:0;max-width:100%}\n"
    "figcaption{color:var(--soft);font-size:.85rem;margin-top:.2rem;overflow-wrap:anywhere}\n"
    "img{display:block;max-width:100%;height:auto;image-rendering:pixelated;border-radius:3px}\n"
    "svg{max-width:100%;height:auto;display:block;margin:.6rem 0}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;padding:0;margin:.6rem 0;list-style:none;font-size:.9rem}\n"
    ".legend "
    "i{display:inline-block;width:.85rem;height:.85rem;border-radius:2px;margin-right:.4rem;vertical-align:-1px;"
    "border:1px solid var(--line)}\n"
    "dl{display:grid;grid-template-columns:minmax(7rem,max-content) 1fr;gap:.2rem 1.2rem;margin:.6rem "
    "0;font-size:.95rem}\n"
    "dt{color:var(--soft)}\n"
    "dd{margin:0;overflow-wrap:anywhere}\n"
    "pre{background:var(--card);border-radius:.6rem;padding:.8rem "
    "1rem;overflow-x:auto;font-size:.85rem;line-height:1.4}\n"
    "summary{cursor:pointer;color:var(--accent);margin:.6rem 0}\n"
    "@media print{main{max-width:none;padding:0}figure,tr,.tile{break-inside:avoid}h2,h3{break-after:avoid}"
    "pre{white-space:pre-wrap}table{font-size:.7rem}th,td{padding:.2rem .35rem}.scroll{overflow:visible}img,.legend "
    "i,.matrix td{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n";

static void element(un_text *out, const char *name, const char *text)
{
    un_text_printf(out, "<%s>", name);
    un_text_xml(out, text);
    un_text_printf(out, "</%s>\n", name);
}

void un_html_begin(un_text *out, const char *title, const char *subtitle)
{
    un_text_add(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                     "style-src 'unsafe-inline'\">\n");
    element(out, "title", title);
    un_text_add(out, "<style>\n");
    un_text_add(out, style);
    un_text_add(out, "</style>\n</head>\n<body>\n<main>\n");
    element(out, "h1", title);
    if (!subtitle)
        return;
    un_text_add(out, "<p class=\"sub\">");
    un_text_xml(out, subtitle);
    un_text_add(out, "</p>\n");
}

void un_html_end(un_text *out)
{
    un_text_add(out, "</main>\n</body>\n</html>\n");
}

void un_html_heading(un_text *out, const char *text)
{
    element(out, "h2", text);
}

void un_html_subheading(un_text *out, const char *text)
{
    element(out, "h3", text);
}

void un_html_paragraph(un_text *out, const char *text)
{
    element(out, "p", text);
}

void un_html_pre(un_text *out, const char *text)
{
    element(out, "pre", text);
}

void un_html_tiles(un_text *out, const un_fact *fact, int count)
{
    un_text_add(out, "<div class=\"tiles\">\n");
    for (int i = 0; i < count; i++) {
        un_text_add(out, "<div class=\"tile\"><b>");
        un_text_xml(out, fact[i].value);
        un_text_add(out, "</b><span>");
        un_text_xml(out, fact[i].name);
        un_text_add(out, "</span></div>\n");
    }
    un_text_add(out, "</div>\n");
}

void un_html_facts(un_text *out, const un_fact *fact, int count)
{
    un_text_add(out, "<dl>\n");
    for (int i = 0; i < count; i++) {
        element(out, "dt", fact[i].name);
        element(out, "dd", fact[i].value);
    }
    un_text_add(out, "</dl>\n");
}

void un_html_legend(un_text *out, const un_legend_entry *entry, int count)
{
    un_text_add(out, "<ul class=\"legend\">\n");
    for (int i = 0; i < count; i++) {
        un_rgb c = entry[i].colour;

        un_text_printf(out, "<li><i style=\"background:#%02x%02x%02x\"></i>", c.r, c.g, c.b);
        un_text_xml(out, entry[i].name);
        un_text_add(out, "</li>\n");
    }
    un_text_add(out, "</ul>\n");
}

void un_html_fold_begin(un_text *out, const char *summary)
{
    un_text_add(out, "<details>\n");
    element(out, "summary", summary);
}

void un_html_fold_end(un_text *out)
{
    un_text_add(out, "</details>\n");
}

void un_html_figures_begin(un_text *out)
{
    un_text_add(out, "<div class=\"figures\">\n");
}

void un_html_figures_end(un_text *out)
{
    un_text_add(out, "</div>\n");
}

/* RFC 4648, with padding. */
static void add_base64(un_text *out, const unsigned char *p, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char quad[4];

    for (size_t i = 0; i < n && !out->failed; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0);

        for (int k = 0; k < 4; k++)
            quad[k] = i + (size_t)k > n ? '=' : digit[v >> (18 - 6 * k) & 63];
        un_text_add_n(out, quad, 4);
    }
}

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void un_html_png(un_text *out, const void *png, size_t size, const char *caption)
{
    static const unsigned char head[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H', 'D', 'R'};
    const unsigned char *p = png;
    uint32_t wide, high;
    int h, w;

    if (size < sizeof head + 8 || memcmp(p, head, sizeof head))
        return;
    wide = big_endian(p + sizeof head);
    high = big_endian(p + sizeof head + 4);
    if (!wide || !high || wide > INT_MAX || high > INT_MAX)
        return;
    un_view_size(&h, &w, (int)high, (int)wide, SHOWN_MIN_PX, INT_MAX);
    un_text_printf(out, "<figure><img width=\"%d\" height=\"%d\" alt=\"", w, h);
    un_text_xml(out, caption ? caption : "");
    un_text_add(out, "\" src=\"data:image/png;base64,");
    add_base64(out, p, size);
    un_text_add(out, "\">");
    if (caption)
        element(out, "figcaption", caption);
    un_text_add(out, "</figure>\n");
}

unet_status un_html_figure(un_text *out, un_mem *mem, const un_image *im, const char *caption, unet_error *err)
{
    unsigned char *png;
    size_t size;
    unet_status st = un_image_encode_png(&png, &size, mem, im, err);

    if (st)
        return st;
    un_html_png(out, png, size, caption);
    un_free(png);
    return UNET_OK;
}

unet_status un_html_write(un_mem *mem, const char *path, un_text *page, unet_status st, unet_error *err)
{
    if (!st && page->failed)
        st = un_fail_file(err, UNET_E_NOMEM, path, "no memory for the page, or it is larger than %zu bytes", page->max);
    if (!st)
        st = un_file_write(mem, path, page->s, page->n, err);
    un_text_free(page);
    return st;
}
