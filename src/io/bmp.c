/* BMP: own parser of the Windows headers 3, 4, 5 and of the OS/2 headers; 1, 2, 4, 8 bits with palette, 16, 24, 32
 * bits, bit masks, run lengths of 4 and 8 bits. Layouts as Microsoft documents them (BITMAPINFOHEADER and its
 * successors). A palette of greys makes a grey picture. Every offset is checked against the file before it is read. */
#include <string.h>

#include "base/size.h"
#include "io/codec.h"

enum { FILE_HEADER = 14, CORE_HEADER = 12, COLOURS = 256 };
enum { COMP_NONE, COMP_RLE8, COMP_RLE4, COMP_MASKS, COMP_ALPHA_MASKS = 6 };

typedef struct bmp {
    int w, h, top_down, bits, compression, colours; /* colours: entries of the palette */
    size_t pixels;                                  /* offset */
    uint32_t mask[4];                               /* red, green, blue, opacity; 0: none */
    unsigned char palette[COLOURS][3];
    int grey; /* all entries are grey */
} bmp;

static unet_status broken(const un_source *s, size_t at, const char *what, unet_error *err)
{
    return un_fail_offset(err, UNET_E_FORMAT, s->name, (int64_t)at, "broken BMP: %s", what);
}

static int is(const unsigned char *d, size_t size)
{
    return size >= 2 && d[0] == 'B' && d[1] == 'M';
}

/* Width, height, depth; core headers have 16-bit sizes. */
static unet_status read_sizes(bmp *b, const un_source *s, uint32_t header, unsigned *planes, unet_error *err)
{
    const unsigned char *d = s->data + FILE_HEADER;
    const int core = header == CORE_HEADER;
    const int64_t w = core ? un_le16(d + 4) : (int32_t)un_le32(d + 4);
    const int64_t h = core ? un_le16(d + 6) : (int32_t)un_le32(d + 8);
    const uint32_t compression = header >= 20 ? un_le32(d + 16) : COMP_NONE;

    *planes = un_le16(d + (core ? 8 : 12));
    b->bits = un_le16(d + (core ? 10 : 14));
    if (w < 1 || h == 0 || h == INT32_MIN)
        return broken(s, FILE_HEADER + 4, "width or height", err);
    b->w = (int)w;
    b->top_down = h < 0;
    b->h = (int)(h < 0 ? -h : h);
    if (compression > COMP_ALPHA_MASKS || ((header == 64 || header == 16) && compression > COMP_RLE4))
        return un_fail_file(err, UNET_E_UNSUPPORTED, s->name, "BMP with compression %u is not supported", compression);
    b->compression = (int)compression;
    return UNET_OK;
}

static unet_status check_form(const bmp *b, const un_source *s, unsigned planes, unet_error *err)
{
    static const struct {
        int compression, bits;
    } known[] = {{COMP_NONE, 1}, {COMP_NONE, 2}, {COMP_NONE, 4}, {COMP_NONE, 8}, {COMP_NONE, 16}, {COMP_NONE, 24},
        {COMP_NONE, 32}, {COMP_RLE8, 8}, {COMP_RLE4, 4}, {COMP_MASKS, 16}, {COMP_MASKS, 32}, {COMP_ALPHA_MASKS, 16},
        {COMP_ALPHA_MASKS, 32}};

    if (planes != 1)
        return broken(s, FILE_HEADER + 12, "the number of planes is not 1", err);
    if (b->compression == 4 || b->compression == 5)
        return un_fail_file(
            err, UNET_E_UNSUPPORTED, s->name, "BMP around %s is not supported", b->compression == 4 ? "JPEG" : "PNG");
    for (size_t i = 0; i < UN_COUNT(known); i++)
        if (known[i].compression == b->compression && known[i].bits == b->bits) {
            if (b->top_down && (b->compression == COMP_RLE8 || b->compression == COMP_RLE4))
                return broken(s, FILE_HEADER + 8, "run lengths in a picture from top to bottom", err);
            return UNET_OK;
        }
    return broken(s, FILE_HEADER + 14, "bits a pixel that do not go with the compression", err);
}

/* The masks stand in the header from version 2 on, and behind one of version 1; *extra: bytes behind the header. */
static unet_status read_masks(bmp *b, const un_source *s, uint32_t header, size_t *extra, unet_error *err)
{
    static const uint32_t usual16[3] = {0x7c00, 0x3e0, 0x1f}, usual32[3] = {0xff0000, 0xff00, 0xff};
    const int stated = b->compression == COMP_MASKS || b->compression == COMP_ALPHA_MASKS;
    const int count = header >= 56 || b->compression == COMP_ALPHA_MASKS ? 4 : 3;

    *extra = 0;
    if (b->bits != 16 && b->bits != 32)
        return UNET_OK;
    if (!stated) {
        memcpy(b->mask, b->bits == 16 ? usual16 : usual32, sizeof usual16);
        return UNET_OK;
    }
    if (header < 52)
        *extra = 4 * (size_t)count;
    if (s->size < FILE_HEADER + 40 + 4 * (size_t)count)
        return broken(s, s->size, "the file ends before the masks", err);
    for (int k = 0; k < count; k++) {
        const uint32_t m = un_le32(s->data + FILE_HEADER + 40 + 4 * k);

        if ((b->bits == 16 && m > 0xffff) || (m && (m / (m & -m)) & (m / (m & -m) + 1)))
            return broken(s, FILE_HEADER + 40, "a mask is not a run of bits of the pixel", err);
        b->mask[k] = m;
    }
    return UNET_OK;
}

static unet_status read_palette(bmp *b, const un_source *s, size_t at, uint32_t header, unet_error *err)
{
    const size_t each = header == CORE_HEADER ? 3 : 4;
    uint32_t stated = header >= 36 ? un_le32(s->data + FILE_HEADER + 32) : 0;
    size_t room;

    if (b->bits > 8)
        return UNET_OK;
    if (!stated || stated > (1u << b->bits)) /* some writers state more than a pixel can name */
        stated = 1u << b->bits;
    if (at > s->size)
        return broken(s, s->size, "the file ends before the palette", err);
    room = (b->pixels > at && b->pixels <= s->size ? b->pixels - at : s->size - at) / each;
    b->colours = (int)UN_MIN(stated, room);
    b->grey = b->colours > 0;
    for (int i = 0; i < b->colours; i++) {
        const unsigned char *p = s->data + at + (size_t)i * each;

        for (int k = 0; k < 3; k++)
            b->palette[i][k] = p[2 - k];
        b->grey = b->grey && p[0] == p[1] && p[1] == p[2];
    }
    if (!b->colours)
        return broken(s, at, "no palette", err);
    return UNET_OK;
}

static unet_status read_header(bmp *b, const un_source *s, unet_error *err)
{
    uint32_t header;
    unsigned planes;
    size_t extra;
    unet_status st;

    memset(b, 0, sizeof *b);
    if (s->size < FILE_HEADER + CORE_HEADER)
        return broken(s, s->size, "the file ends in the header", err);
    header = un_le32(s->data + FILE_HEADER);
    if (header != CORE_HEADER && header != 16 && header != 64 && (header < 40 || header > 124))
        return broken(s, FILE_HEADER, "the size of the header", err);
    if (s->size - FILE_HEADER < header)
        return broken(s, s->size, "the file ends in the header", err);
    b->pixels = un_le32(s->data + 10);
    st = read_sizes(b, s, header, &planes, err);
    if (!st)
        st = check_form(b, s, planes, err);
    if (!st)
        st = read_masks(b, s, header, &extra, err);
    if (!st)
        st = read_palette(b, s, FILE_HEADER + header + extra, header, err);
    if (!st && (b->pixels < FILE_HEADER + CORE_HEADER || b->pixels >= s->size))
        st = broken(s, 10, "the pixels lie outside the file", err);
    return st;
}

/* ---- pixels ---- */

static size_t row_bytes(const bmp *b)
{
    return ((size_t)b->w * (size_t)b->bits + 31) / 32 * 4;
}

static unsigned char *row_of(const bmp *b, un_image *im, int stored)
{
    const int y = b->top_down ? stored : b->h - 1 - stored;

    return (unsigned char *)im->data + (size_t)y * (size_t)im->w * (size_t)im->c;
}

/* The bits under a mask, spread over 0..255. */
static unsigned char under(uint32_t v, uint32_t mask)
{
    const uint32_t low = mask & -mask;

    return mask ? (unsigned char)((uint64_t)((v & mask) / low) * 255 / (mask / low)) : 0;
}

static void direct_row(const bmp *b, const unsigned char *from, unsigned char *to, int channels)
{
    for (int x = 0; x < b->w; x++, to += channels) {
        uint32_t v;

        if (b->bits == 24) {
            to[0] = from[3 * x + 2];
            to[1] = from[3 * x + 1];
            to[2] = from[3 * x];
            continue;
        }
        v = b->bits == 16 ? un_le16(from + 2 * x) : un_le32(from + 4 * (size_t)x);
        for (int k = 0; k < channels; k++)
            to[k] = under(v, b->mask[k]);
    }
}

static void index_row(const bmp *b, const unsigned char *from, unsigned char *to)
{
    const int each = 8 / b->bits, top = (1 << b->bits) - 1;

    for (int x = 0; x < b->w; x++)
        to[x] = (unsigned char)(from[x / each] >> (8 - b->bits * (x % each + 1)) & top);
}

static unet_status read_rows(const bmp *b, un_image *im, const un_source *s, unet_error *err)
{
    const size_t row = row_bytes(b), used = ((size_t)b->w * (size_t)b->bits + 7) / 8;

    for (int y = 0; y < b->h; y++) {
        const size_t at = b->pixels + (size_t)y * row;

        if (s->size - b->pixels < (size_t)y * row + used)
            return broken(s, s->size, "the file ends before the last row", err);
        if (b->bits > 8)
            direct_row(b, s->data + at, row_of(b, im, y), im->c);
        else
            index_row(b, s->data + at, row_of(b, im, y));
    }
    return UNET_OK;
}

/* Where a picture in run lengths is being written, and from where. */
typedef struct runs {
    size_t at;
    int x, y;
} runs;

static unet_status absolute_run(const bmp *b, un_image *im, const un_source *s, runs *r, int count, unet_error *err)
{
    const size_t bytes = b->bits == 8 ? (size_t)count : ((size_t)count + 1) / 2;
    const unsigned char *from = s->data + r->at;

    if (s->size - r->at < bytes)
        return broken(s, s->size, "the file ends within a run", err);
    if (r->y >= b->h || count > b->w - r->x)
        return broken(s, r->at, "a run leaves the picture", err);
    for (int i = 0; i < count; i++)
        row_of(b, im, r->y)[r->x++] = (unsigned char)(b->bits == 8 ? from[i]
                                                      : i % 2      ? from[i / 2] & 15
                                                                   : from[i / 2] >> 4);
    r->at += UN_MIN(bytes + bytes % 2, s->size - r->at);
    return UNET_OK;
}

static unet_status repeated_run(
    const bmp *b, un_image *im, const un_source *s, runs *r, const unsigned char run[2], unet_error *err)
{
    if (r->y >= b->h || run[0] > b->w - r->x)
        return broken(s, r->at, "a run leaves the picture", err);
    for (int i = 0; i < run[0]; i++)
        row_of(b, im, r->y)[r->x++] = (unsigned char)(b->bits == 8 ? run[1] : i % 2 ? run[1] & 15 : run[1] >> 4);
    return UNET_OK;
}

/* Pairs of bytes: count and value, or 0 and: 0 end of row, 1 end of picture, 2 move, n pixels as they are. Pixels that
 * are passed over keep index 0. */
static unet_status read_runs(const bmp *b, un_image *im, const un_source *s, unet_error *err)
{
    runs r = {.at = b->pixels};
    unet_status st = UNET_OK;

    while (!st) {
        unsigned char run[2];

        if (s->size - r.at < 2) /* some writers leave the end mark out */
            return r.y >= b->h || (r.y == b->h - 1 && r.x == b->w)
                       ? UNET_OK
                       : broken(s, s->size, "the file ends before the last row", err);
        memcpy(run, s->data + r.at, 2);
        r.at += 2;
        if (run[0]) {
            st = repeated_run(b, im, s, &r, run, err);
        } else if (run[1] == 0) {
            r.x = 0;
            r.y += r.y < b->h;
        } else if (run[1] == 1) {
            return UNET_OK;
        } else if (run[1] == 2) {
            if (s->size - r.at < 2)
                return broken(s, s->size, "the file ends within a run", err);
            r.x += s->data[r.at];
            r.y += s->data[r.at + 1];
            r.at += 2;
            if (r.x > b->w || r.y > b->h)
                st = broken(s, r.at, "a move leaves the picture", err);
        } else {
            st = absolute_run(b, im, s, &r, run[1], err);
        }
    }
    return st;
}

/* Indices to grey or RGB, or kept with their palette. */
static unet_status colours(const bmp *b, un_image *im, const un_source *s, unet_error *err)
{
    const size_t n = un_image_count(im);
    const int extents[4] = {1, b->h, b->w, 3};
    unsigned char *index = im->data;
    un_image rgb;
    unet_status st;

    for (size_t i = 0; i < n; i++)
        if (index[i] >= b->colours)
            return un_fail_file(err, UNET_E_FORMAT, s->name, "broken BMP: pixel %zu has index %d of a palette of %d", i,
                index[i], b->colours);
    if (b->grey) {
        for (size_t i = 0; i < n; i++)
            index[i] = b->palette[index[i]][0];
        return UNET_OK;
    }
    if (s->opt->keep_palette) {
        im->palette = un_alloc(s->mem, 3 * (size_t)b->colours);
        if (!im->palette)
            return un_fail_nomem(err, 3 * (size_t)b->colours);
        memcpy(im->palette, b->palette, 3 * (size_t)b->colours);
        im->palette_size = b->colours;
        return UNET_OK;
    }
    st = un_codec_create(&rgb, s, UN_DTYPE_U8, extents, err);
    if (st)
        return st;
    for (size_t i = 0; i < n; i++)
        memcpy((unsigned char *)rgb.data + 3 * i, b->palette[index[i]], 3);
    un_image_free(im);
    *im = rgb;
    return UNET_OK;
}

static int channels(const bmp *b)
{
    return b->bits <= 8 ? 1 : b->mask[3] ? 4 : 3;
}

/* Rows without compression must be in the file before memory is asked for. */
static unet_status check_length(const bmp *b, const un_source *s, unet_error *err)
{
    size_t need;

    if (b->compression == COMP_RLE8 || b->compression == COMP_RLE4)
        return UNET_OK;
    if (!un_size_mul(row_bytes(b), (size_t)b->h - 1, &need) || need > s->size - b->pixels)
        return broken(s, s->size, "the file ends before the last row", err);
    return UNET_OK;
}

static unet_status read_bmp(un_image *out, const un_source *s, unet_error *err)
{
    bmp b;
    unet_status st = read_header(&b, s, err);

    if (!st)
        st = check_length(&b, s, err);
    if (!st) {
        const int extents[4] = {1, b.h, b.w, channels(&b)};

        st = un_codec_create(out, s, UN_DTYPE_U8, extents, err);
    }
    if (!st)
        st = b.compression == COMP_RLE8 || b.compression == COMP_RLE4 ? read_runs(&b, out, s, err)
                                                                      : read_rows(&b, out, s, err);
    if (!st && b.bits <= 8)
        st = colours(&b, out, s, err);
    out->alpha = out->c == 4;
    out->bits = b.bits < 8 ? b.bits : 8;
    return st;
}

static unet_status info(un_image_info *out, const un_source *s, unet_error *err)
{
    bmp b;
    unet_status st = read_header(&b, s, err);

    if (!st)
        *out = (un_image_info){.format = "bmp",
            .type = UN_DTYPE_U8,
            .d = 1,
            .h = b.h,
            .w = b.w,
            .c = b.bits <= 8 && !b.grey ? 3 : channels(&b),
            .pages = 1,
            .alpha = channels(&b) == 4,
            .palette = b.bits <= 8 && !b.grey,
            .orientation = 1};
    return st;
}

const un_codec un_codec_bmp = {is, read_bmp, info};
