/* PBM, PGM, PPM (plain and raw), PAM and PFM: own parser after the netpbm manual pages. Numbers stay as they are stored
 * whatever the stated maximum (label pictures often have a small one); black and white becomes 0 and 255. Only the
 * first picture of a file is read. */
#include <string.h>

#include "base/size.h"
#include "base/text.h"
#include "io/codec.h"

typedef struct pnm {
    int kind; /* '1'..'7', 'F' (RGB float), 'f' (grey float) */
    int w, h, c, max;
    int alpha, two_level; /* two_level: PAM of black and white, 1 is white */
    int big;              /* PFM: order of bytes */
    size_t at;            /* where the pixels begin */
} pnm;

static unet_status broken(const un_source *s, size_t at, const char *what, unet_error *err)
{
    return un_fail_offset(err, UNET_E_FORMAT, s->name, (int64_t)at, "broken PNM: %s", what);
}

static int is_space(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int is(const unsigned char *d, size_t size)
{
    return size >= 3 && d[0] == 'P' && ((d[1] >= '1' && d[1] <= '7') || d[1] == 'F' || d[1] == 'f') &&
           (is_space(d[2]) || d[2] == '#');
}

static void skip_space(const un_source *s, size_t *at)
{
    while (*at < s->size && (is_space(s->data[*at]) || s->data[*at] == '#'))
        if (s->data[*at] == '#')
            while (*at < s->size && s->data[*at] != '\n')
                ++*at;
        else
            ++*at;
}

/* A whole number of at most `most`; spaces and comments before it are passed over. */
static int read_number(const un_source *s, size_t *at, int64_t most, int *out)
{
    int64_t v = 0;
    size_t first;

    skip_space(s, at);
    for (first = *at; *at < s->size && s->data[*at] >= '0' && s->data[*at] <= '9'; ++*at) {
        v = 10 * v + s->data[*at] - '0';
        if (v > most)
            return 0;
    }
    *out = (int)v;
    return *at > first;
}

/* The next word of a header line, at most 31 characters; 0 when there is none. */
static int read_word(const un_source *s, size_t *at, char word[32])
{
    size_t n = 0;

    while (*at < s->size && !is_space(s->data[*at]) && n < 31)
        word[n++] = (char)s->data[(*at)++];
    word[n] = 0;
    return n > 0 && (*at >= s->size || is_space(s->data[*at]));
}

static unet_status pam_header(pnm *p, const un_source *s, unet_error *err)
{
    char word[32];

    for (;;) {
        int ok = 1;

        skip_space(s, &p->at);
        if (!read_word(s, &p->at, word))
            return broken(s, p->at, "a header line", err);
        if (!strcmp(word, "ENDHDR"))
            break;
        if (!strcmp(word, "WIDTH"))
            ok = read_number(s, &p->at, INT32_MAX, &p->w);
        else if (!strcmp(word, "HEIGHT"))
            ok = read_number(s, &p->at, INT32_MAX, &p->h);
        else if (!strcmp(word, "DEPTH"))
            ok = read_number(s, &p->at, INT32_MAX, &p->c);
        else if (!strcmp(word, "MAXVAL"))
            ok = read_number(s, &p->at, 65535, &p->max);
        else if (!strcmp(word, "TUPLTYPE")) {
            skip_space(s, &p->at);
            ok = read_word(s, &p->at, word);
            p->two_level = !strncmp(word, "BLACKANDWHITE", 13);
            p->alpha = strlen(word) > 6 && !strcmp(word + strlen(word) - 6, "_ALPHA");
        } else
            ok = 0;
        if (!ok)
            return broken(s, p->at, "a header line", err);
    }
    if (p->at >= s->size || s->data[p->at++] != '\n')
        return broken(s, p->at, "no end of line behind ENDHDR", err);
    p->two_level = p->two_level && p->max == 1;
    return UNET_OK;
}

/* PFM's scale: its sign tells the order of bytes; its size is a unit that pictures in the field do not use. */
static unet_status pfm_scale(pnm *p, const un_source *s, unet_error *err)
{
    char word[32];
    double scale;

    skip_space(s, &p->at);
    if (!read_word(s, &p->at, word) || !un_parse_double(word, &scale) || scale == 0)
        return broken(s, p->at, "the scale", err);
    p->big = scale > 0;
    return UNET_OK;
}

static unet_status read_header(pnm *p, const un_source *s, unet_error *err)
{
    unet_status st = UNET_OK;

    *p = (pnm){.kind = s->data[1], .at = 2, .max = 1, .c = 1};
    if (p->kind == '7') {
        st = pam_header(p, s, err);
    } else {
        if (!read_number(s, &p->at, INT32_MAX, &p->w) || !read_number(s, &p->at, INT32_MAX, &p->h))
            return broken(s, p->at, "width or height", err);
        if (p->kind == '3' || p->kind == '6' || p->kind == 'F')
            p->c = 3;
        if (p->kind == 'F' || p->kind == 'f')
            st = pfm_scale(p, s, err);
        else if (p->kind != '1' && p->kind != '4' && !read_number(s, &p->at, 65535, &p->max))
            return broken(s, p->at, "the largest value", err);
        if (!st && (p->at >= s->size || (!is_space(s->data[p->at]) && s->data[p->at] != '#')))
            return broken(s, p->at, "the file ends in the header", err);
        p->at += !st && p->kind > '3'; /* exactly one blank before raw pixels */
    }
    if (!st && (p->w < 1 || p->h < 1 || p->c < 1 || p->max < 1))
        st = broken(s, p->at, "a size of zero", err);
    return st;
}

static un_dtype type_of(const pnm *p)
{
    return p->kind == 'F' || p->kind == 'f' ? UN_DTYPE_F32 : p->max > 255 ? UN_DTYPE_U16 : UN_DTYPE_U8;
}

/* The least number of bytes that can hold the pixels; 0 on overflow. */
static int least_bytes(const pnm *p, size_t *out)
{
    size_t row = p->kind == '4' ? ((size_t)p->w + 7) / 8 : (size_t)p->w;

    return un_size_mul(row, (size_t)p->c, &row) &&
           un_size_mul(row, p->kind < '4' ? 1 : un_dtype_size(type_of(p)), &row) && un_size_mul(row, (size_t)p->h, out);
}

/* ---- pixels ---- */

static unet_status store(
    un_image *im, size_t i, unsigned v, const pnm *p, const un_source *s, size_t at, unet_error *err)
{
    if (v > (unsigned)p->max)
        return broken(s, at, "a value above the stated maximum", err);
    if (im->type == UN_DTYPE_U16)
        ((uint16_t *)im->data)[i] = (uint16_t)v;
    else
        ((uint8_t *)im->data)[i] = (uint8_t)(p->two_level ? 255 * v : v);
    return UNET_OK;
}

static unet_status read_plain(pnm *p, un_image *im, const un_source *s, unet_error *err)
{
    const size_t n = un_image_count(im);
    unet_status st = UNET_OK;

    for (size_t i = 0; i < n && !st; i++) {
        int v;

        if (p->kind == '1') { /* digits may stand without blanks; 1 is black */
            skip_space(s, &p->at);
            if (p->at >= s->size || (s->data[p->at] != '0' && s->data[p->at] != '1'))
                return broken(s, p->at, "too few pixels, or one that is not 0 or 1", err);
            ((uint8_t *)im->data)[i] = s->data[p->at++] == '0' ? 255 : 0;
            continue;
        }
        if (!read_number(s, &p->at, 65535, &v))
            return broken(s, p->at, "too few numbers, or one that is none", err);
        st = store(im, i, (unsigned)v, p, s, p->at, err);
    }
    return st;
}

static void read_bits(const pnm *p, un_image *im, const un_source *s)
{
    const size_t row = ((size_t)p->w + 7) / 8;

    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++)
            ((uint8_t *)im->data)[(size_t)y * (size_t)p->w + (size_t)x] =
                s->data[p->at + (size_t)y * row + (size_t)x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
}

static unet_status read_raw(const pnm *p, un_image *im, const un_source *s, unet_error *err)
{
    const size_t n = un_image_count(im), each = un_dtype_size(im->type);
    unet_status st = UNET_OK;

    for (size_t i = 0; i < n && !st; i++) {
        const unsigned char *d = s->data + p->at + i * each;

        st = store(im, i, each == 2 ? (unsigned)d[0] << 8 | d[1] : d[0], p, s, p->at + i * each, err);
    }
    return st;
}

/* Rows of PFM go from the bottom up. */
static void read_float(const pnm *p, un_image *im, const un_source *s)
{
    const size_t row = (size_t)p->w * (size_t)p->c * sizeof(float);

    for (int y = 0; y < p->h; y++)
        memcpy((char *)im->data + (size_t)(p->h - 1 - y) * row, s->data + p->at + (size_t)y * row, row);
    if (p->big)
        un_swap_bytes(im->data, un_image_count(im), sizeof(float));
}

static unet_status read_pnm(un_image *out, const un_source *s, unet_error *err)
{
    pnm p;
    size_t need;
    unet_status st = read_header(&p, s, err);

    if (!st && (!least_bytes(&p, &need) || need > s->size - p.at))
        st = broken(s, s->size, "the file ends before the last row", err);
    if (!st) {
        const int extents[4] = {1, p.h, p.w, p.c};

        st = un_codec_create(out, s, type_of(&p), extents, err);
    }
    if (st)
        return st;
    if (p.kind < '4')
        st = read_plain(&p, out, s, err);
    else if (p.kind == '4')
        read_bits(&p, out, s);
    else if (out->type == UN_DTYPE_F32)
        read_float(&p, out, s);
    else
        st = read_raw(&p, out, s, err);
    out->alpha = p.alpha;
    for (int v = p.max; v && out->type != UN_DTYPE_F32; v >>= 1)
        out->bits++;
    return st;
}

static unet_status info(un_image_info *out, const un_source *s, unet_error *err)
{
    pnm p;
    unet_status st = read_header(&p, s, err);

    if (!st)
        *out = (un_image_info){.format = type_of(&p) == UN_DTYPE_F32 ? "pfm" : "pnm",
            .type = type_of(&p),
            .d = 1,
            .h = p.h,
            .w = p.w,
            .c = p.c,
            .pages = 1,
            .alpha = p.alpha,
            .orientation = 1};
    return st;
}

const un_codec un_codec_pnm = {is, read_pnm, info};
