/* TIFF through libtiff: integers of 1 to 32 bits, float of 16 to 64, strips, tiles, planes, palettes, inks, pages.
 * One page is decoded as it is stored, then turned into what the user sees (white is high, colours for palettes and
 * inks, upright), then set into the stack of pages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "base/size.h"
#include "io/codec.h"
#include "io/safetensors.h"
#include "io/tiff.h"

enum { PAGES_MAX = 65535 };

typedef struct page {
    toff_t directory;
    uint32_t w, h;
    uint16_t samples, bits, format, photometric, planar, compression, orientation;
    int alpha, sub_image;
} page;

typedef struct reader {
    const un_source *s;
    TIFF *tif;
    un_tiff_trap trap;
    size_t at;
    page *pages; /* those without reduced copies and masks */
    int count;
} reader;

/* ---- bytes in memory as libtiff's file ---- */

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t n)
{
    reader *r = handle;
    size_t left = r->at < r->s->size ? r->s->size - r->at : 0, take = UN_MIN((size_t)n, left);

    memcpy(to, r->s->data + (left ? r->at : 0), take);
    r->at += take;
    return (tmsize_t)take;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t n)
{
    (void)handle, (void)from, (void)n;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t to, int whence)
{
    reader *r = handle;
    size_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? r->at : r->s->size;

    r->at = base + (size_t)to;
    return r->at;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t on_size(thandle_t handle)
{
    return ((reader *)handle)->s->size;
}

static unet_status broken(const reader *r, unet_error *err, const char *what)
{
    const char *why = r->trap.message[0] ? r->trap.message : what;

    return un_fail_file(err, UNET_E_FORMAT, r->s->name, "broken TIFF: %s", why);
}

static void page_of(const reader *r, page *p)
{
    uint16_t extra_count = 0, *extra = NULL;
    uint32_t subfile = 0;

    *p = (page){.directory = TIFFCurrentDirOffset(r->tif)};
    TIFFGetField(r->tif, TIFFTAG_IMAGEWIDTH, &p->w);
    TIFFGetField(r->tif, TIFFTAG_IMAGELENGTH, &p->h);
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_SAMPLESPERPIXEL, &p->samples);
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_BITSPERSAMPLE, &p->bits);
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_SAMPLEFORMAT, &p->format);
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_PLANARCONFIG, &p->planar);
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_COMPRESSION, &p->compression);
    TIFFGetFieldDefaulted(r->tif, TIFFTAG_ORIENTATION, &p->orientation);
    if (!TIFFGetField(r->tif, TIFFTAG_PHOTOMETRIC, &p->photometric))
        p->photometric = p->samples < 3 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;
    if (TIFFGetField(r->tif, TIFFTAG_EXTRASAMPLES, &extra_count, &extra) && extra_count)
        p->alpha = extra[extra_count - 1] == EXTRASAMPLE_ASSOCALPHA || extra[extra_count - 1] == EXTRASAMPLE_UNASSALPHA;
    if (TIFFGetField(r->tif, TIFFTAG_SUBFILETYPE, &subfile))
        p->sub_image = !!(subfile & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK));
}

static unet_status list_pages(reader *r, unet_error *err)
{
    do {
        page p;
        page *more;

        page_of(r, &p);
        if (p.sub_image && r->count)
            continue;
        if (r->count == PAGES_MAX)
            return un_fail_file(err, UNET_E_LIMIT, r->s->name, "more than %d pages", PAGES_MAX);
        more = un_realloc(r->s->mem, r->pages, (size_t)(r->count + 1) * sizeof p);
        if (!more)
            return un_fail_nomem(err, (size_t)(r->count + 1) * sizeof p);
        r->pages = more;
        r->pages[r->count++] = p;
    } while (TIFFReadDirectory(r->tif));
    if (r->trap.message[0])
        return broken(r, err, "");
    return UNET_OK;
}

static void close_reader(reader *r)
{
    if (r->tif)
        TIFFClose(r->tif);
    un_free(r->pages);
}

static unet_status open_reader(reader *r, const un_source *s, unet_error *err)
{
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    const size_t most = s->opt->max_bytes ? s->opt->max_bytes : UN_IMAGE_MAX_BYTES;

    if (!options)
        return un_fail_nomem(err, 1);
    r->s = s;
    un_tiff_set_trap(options, &r->trap);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)UN_MAX(most, (size_t)1 << 24));
    r->tif = TIFFClientOpenExt("TIFF", "rm", r, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    if (!r->tif)
        return broken(r, err, "no directory");
    return list_pages(r, err);
}

/* ---- one page as stored ---- */

static int is_palette(const page *p)
{
    return p->photometric == PHOTOMETRIC_PALETTE;
}

/* Colours that libtiff alone turns into RGB. */
static int through_rgba(const page *p)
{
    return p->photometric == PHOTOMETRIC_YCBCR && p->compression != COMPRESSION_JPEG;
}

static unet_status number_type(const page *p, un_dtype *out, const char *name, unet_error *err)
{
    const int f = p->format == SAMPLEFORMAT_VOID ? SAMPLEFORMAT_UINT : p->format;

    if (f == SAMPLEFORMAT_UINT && p->bits >= 1 && p->bits <= 8)
        *out = UN_DTYPE_U8;
    else if (f == SAMPLEFORMAT_UINT && p->bits > 8 && p->bits <= 16)
        *out = UN_DTYPE_U16;
    else if (f == SAMPLEFORMAT_UINT && p->bits == 32)
        *out = UN_DTYPE_U32;
    else if (f == SAMPLEFORMAT_INT && (p->bits == 8 || p->bits == 16 || p->bits == 32))
        *out = p->bits == 8 ? UN_DTYPE_I8 : p->bits == 16 ? UN_DTYPE_I16 : UN_DTYPE_I32;
    else if (f == SAMPLEFORMAT_IEEEFP && (p->bits == 16 || p->bits == 32 || p->bits == 64))
        *out = p->bits == 64 ? UN_DTYPE_F64 : UN_DTYPE_F32;
    else
        return un_fail_file(err, UNET_E_UNSUPPORTED, name,
            "TIFF with %d-bit samples of number format %d is not supported", p->bits, p->format);
    return UNET_OK;
}

static unet_status check_page(const page *p, un_dtype *type, const un_source *s, unet_error *err)
{
    if (p->w < 1 || p->h < 1 || p->w > INT32_MAX || p->h > INT32_MAX || !p->samples)
        return un_fail_file(
            err, UNET_E_FORMAT, s->name, "broken TIFF: a page of %u x %u pixels, %u samples", p->w, p->h, p->samples);
    if (!TIFFIsCODECConfigured(p->compression))
        return un_fail_file(
            err, UNET_E_UNSUPPORTED, s->name, "TIFF with compression %u is not supported", p->compression);
    switch (p->photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_RGB:
        break;
    case PHOTOMETRIC_YCBCR:
        if (p->samples != 3 || p->bits != 8)
            return un_fail_file(err, UNET_E_UNSUPPORTED, s->name,
                "TIFF with YCbCr of %u samples, %u bits is not "
                "supported",
                p->samples, p->bits);
        break;
    case PHOTOMETRIC_PALETTE:
        if (p->samples != 1 || p->bits > 16 || p->format == SAMPLEFORMAT_IEEEFP)
            return un_fail_file(err, UNET_E_UNSUPPORTED, s->name,
                "TIFF with a palette and %u samples is not "
                "supported",
                p->samples);
        break;
    case PHOTOMETRIC_SEPARATED:
        if (p->samples != 4 || p->bits != 8)
            return un_fail_file(
                err, UNET_E_UNSUPPORTED, s->name, "TIFF with %u inks of %u bits is not supported", p->samples, p->bits);
        break;
    default:
        return un_fail_file(err, UNET_E_UNSUPPORTED, s->name,
            "TIFF of colour space %u (CIELab, LogLuv, sensor data ...) is not supported; convert it to RGB",
            p->photometric);
    }
    return number_type(p, type, s->name, err);
}

/* A rectangle of stored samples: where a strip or tile goes. */
typedef struct block {
    int x, y, columns, rows; /* inside the picture */
    int first, samples;      /* channels */
    size_t row_bytes;        /* of the block, its part outside the picture included */
} block;

/* Samples of 1 to 15 bits stand packed, highest bit first; below 8 bits grey is spread over 0..255. */
static void unpack_row(const page *p, const unsigned char *from, un_image *im, size_t to, const block *b)
{
    const unsigned top = (1u << p->bits) - 1;
    const int spread = p->bits < 8 && !is_palette(p);
    uint32_t hold = 0;
    int have = 0;

    for (int x = 0; x < b->columns; x++, to += (size_t)im->c)
        for (int k = 0; k < b->samples; k++) {
            unsigned v;

            while (have < p->bits) {
                hold = hold << 8 | *from++;
                have += 8;
            }
            have -= p->bits;
            v = hold >> have & top;
            if (im->type == UN_DTYPE_U8)
                ((uint8_t *)im->data)[to + (size_t)k] = (uint8_t)(spread ? v * 255 / top : v);
            else
                ((uint16_t *)im->data)[to + (size_t)k] = (uint16_t)v;
        }
}

static unet_status place_row(
    const page *p, const unsigned char *from, un_image *im, size_t to, const block *b, unet_error *err)
{
    const size_t size = un_dtype_size(im->type);

    if (p->bits == 16 && im->type == UN_DTYPE_F32) {
        for (int x = 0; x < b->columns; x++) {
            un_st_tensor half = {.dtype = UN_ST_F16,
                .count = b->samples,
                .data = from + 2 * (size_t)x * (size_t)b->samples,
                .size = 2 * (size_t)b->samples};
            unet_status st = un_st_to_f32(&half, (float *)im->data + to + (size_t)x * (size_t)im->c, err);

            if (st)
                return st;
        }
    } else if (p->bits % 8) {
        unpack_row(p, from, im, to, b);
    } else {
        for (int x = 0; x < b->columns; x++)
            memcpy((char *)im->data + (to + (size_t)x * (size_t)im->c) * size,
                from + (size_t)x * size * (size_t)b->samples, size * (size_t)b->samples);
    }
    return UNET_OK;
}

static unet_status place_block(const page *p, const unsigned char *from, un_image *im, const block *b, unet_error *err)
{
    unet_status st = UNET_OK;

    for (int y = 0; y < b->rows && !st; y++) {
        const size_t to = ((size_t)(b->y + y) * (size_t)im->w + (size_t)b->x) * (size_t)im->c + (size_t)b->first;

        st = place_row(p, from + (size_t)y * b->row_bytes, im, to, b, err);
    }
    return st;
}

/* A block that was never written (offset and length 0) stands for zeros, as GDAL writes them. */
static int is_sparse(reader *r, uint32_t index)
{
    return TIFFGetStrileByteCount(r->tif, index) == 0 && TIFFGetStrileOffset(r->tif, index) == 0;
}

/* The strips or tiles of a page cover it row by row, plane by plane when the channels stand apart. */
static unet_status read_blocks(reader *r, const page *p, un_image *im, unet_error *err)
{
    const int tiled = TIFFIsTiled(r->tif), apart = p->planar == PLANARCONFIG_SEPARATE && p->samples > 1;
    uint32_t wide = p->w, high = p->h, across, down;
    const tmsize_t size = tiled ? TIFFTileSize(r->tif) : TIFFStripSize(r->tif);
    const size_t most = r->s->opt->max_bytes ? r->s->opt->max_bytes : UN_IMAGE_MAX_BYTES;
    block b = {.samples = apart ? 1 : p->samples};
    unsigned char *bytes = NULL;
    unet_status st = UNET_OK;

    if (tiled && (!TIFFGetField(r->tif, TIFFTAG_TILEWIDTH, &wide) || !TIFFGetField(r->tif, TIFFTAG_TILELENGTH, &high)))
        return broken(r, err, "tiles without a size");
    if (!tiled) {
        TIFFGetFieldDefaulted(r->tif, TIFFTAG_ROWSPERSTRIP, &high);
        high = UN_MIN(high, p->h);
    }
    if (!wide || !high || size <= 0)
        return broken(r, err, "blocks without a size");
    across = (p->w - 1) / wide + 1;
    down = (p->h - 1) / high + 1;
    b.row_bytes = ((size_t)wide * (size_t)b.samples * p->bits + 7) / 8;
    if ((size_t)size > UN_MAX(most, (size_t)1 << 24))
        return un_fail_file(err, UNET_E_LIMIT, r->s->name, "a block of %zu bytes; %zu are allowed", (size_t)size, most);
    if ((size_t)size / high < b.row_bytes ||
        (tiled ? TIFFNumberOfTiles(r->tif) : TIFFNumberOfStrips(r->tif)) / across / down < (apart ? p->samples : 1u))
        return broken(r, err, "blocks do not cover the picture");
    bytes = un_alloc_zero(r->s->mem, (size_t)size); /* some decoders leave damaged rows unwritten */
    if (!bytes)
        return un_fail_nomem(err, (size_t)size);
    for (uint32_t i = 0; i < across * down * (apart ? p->samples : 1u) && !st; i++) {
        const uint32_t in_plane = i % (across * down);
        tmsize_t got;

        b.first = (int)(i / (across * down));
        b.x = (int)(in_plane % across * wide);
        b.y = (int)(in_plane / across * high);
        b.columns = UN_MIN((int)wide, im->w - b.x);
        b.rows = UN_MIN((int)high, im->h - b.y);
        if (is_sparse(r, i))
            continue;
        got = tiled ? TIFFReadEncodedTile(r->tif, i, bytes, size) : TIFFReadEncodedStrip(r->tif, i, bytes, size);
        st = got < (tmsize_t)(b.row_bytes * (size_t)b.rows) ||
                     r->trap.message[0] /* damage that is filled up is told here */
                 ? broken(r, err, "a strip or tile is too short")
                 : place_block(p, bytes, im, &b, err);
    }
    un_free(bytes);
    return st;
}

static unet_status read_rgba(reader *r, const page *p, un_image *im, unet_error *err)
{
    const size_t count = (size_t)p->w * p->h;
    uint32_t *raster = un_alloc_array(r->s->mem, count, sizeof *raster);
    unsigned char *to = im->data;

    if (!raster)
        return un_fail_nomem(err, count * sizeof *raster);
    if (!TIFFReadRGBAImageOriented(r->tif, p->w, p->h, raster, p->orientation, 1) || r->trap.message[0]) {
        un_free(raster);
        return broken(r, err, "the picture cannot be decoded");
    }
    for (size_t i = 0; i < count; i++, to += 3) {
        to[0] = (unsigned char)TIFFGetR(raster[i]);
        to[1] = (unsigned char)TIFFGetG(raster[i]);
        to[2] = (unsigned char)TIFFGetB(raster[i]);
    }
    un_free(raster);
    return UNET_OK;
}

/* ---- from stored samples to the picture ---- */

static void invert(un_image *im, const page *p)
{
    const size_t n = un_image_count(im);

    if (im->type == UN_DTYPE_U8)
        for (size_t i = 0; i < n; i++)
            ((uint8_t *)im->data)[i] = (uint8_t)(255 - ((uint8_t *)im->data)[i]);
    else if (im->type == UN_DTYPE_U16)
        for (size_t i = 0; i < n; i++)
            ((uint16_t *)im->data)[i] = (uint16_t)((1u << p->bits) - 1 - ((uint16_t *)im->data)[i]);
}

/* Replaces the pixels by the RGB that `colour` gives for each. */
static unet_status to_rgb(un_image *im, const un_source *s, const uint16_t *const map[3], unet_error *err)
{
    const int extents[4] = {1, im->h, im->w, 3};
    const size_t n = (size_t)im->h * (size_t)im->w;
    un_image rgb = {0};
    unet_status st = un_codec_create(&rgb, s, UN_DTYPE_U8, extents, err);
    unsigned char *to = rgb.data;

    for (size_t i = 0; i < n && !st; i++, to += 3)
        if (!map)
            un_cmyk_to_rgb(to, (const unsigned char *)im->data + 4 * i);
        else
            for (int k = 0; k < 3; k++)
                to[k] = (unsigned char)(map[k][im->type == UN_DTYPE_U8 ? ((uint8_t *)im->data)[i]
                                                                       : ((uint16_t *)im->data)[i]] >>
                                        8);
    if (!st) {
        un_image_free(im);
        *im = rgb;
    }
    return st;
}

/* A palette of up to 256 colours is kept when asked for; a larger one always becomes RGB. */
static unet_status use_palette(reader *r, const page *p, un_image *im, unet_error *err)
{
    uint16_t *map[3];
    const int colours = 1 << p->bits;

    if (!TIFFGetField(r->tif, TIFFTAG_COLORMAP, &map[0], &map[1], &map[2]))
        return broken(r, err, "a palette picture without palette");
    if (!r->s->opt->keep_palette || p->bits > 8)
        return to_rgb(im, r->s, (const uint16_t *const[3]){map[0], map[1], map[2]}, err);
    im->palette = un_alloc(r->s->mem, 3 * (size_t)colours);
    if (!im->palette)
        return un_fail_nomem(err, 3 * (size_t)colours);
    for (int i = 0; i < 3 * colours; i++)
        im->palette[i] = (unsigned char)(map[i % 3][i / 3] >> 8);
    im->palette_size = colours;
    return UNET_OK;
}

static unet_status read_page(reader *r, const page *p, un_image *out, unet_error *err)
{
    const int extents[4] = {1, (int)p->h, (int)p->w, through_rgba(p) ? 3 : p->samples};
    un_dtype type = UN_DTYPE_U8;
    unet_status st = check_page(p, &type, r->s, err);

    memset(out, 0, sizeof *out);
    if (!st && !TIFFSetSubDirectory(r->tif, p->directory))
        st = broken(r, err, "a page cannot be found again");
    if (!st)
        st = un_codec_create(out, r->s, type, extents, err);
    if (!st && p->photometric == PHOTOMETRIC_YCBCR && !through_rgba(p))
        TIFFSetField(r->tif, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    if (!st)
        st = through_rgba(p) ? read_rgba(r, p, out, err) : read_blocks(r, p, out, err);
    if (!st && p->photometric == PHOTOMETRIC_MINISWHITE && !r->s->opt->keep_palette)
        invert(out, p);
    if (!st && is_palette(p))
        st = use_palette(r, p, out, err);
    if (!st && p->photometric == PHOTOMETRIC_SEPARATED)
        st = to_rgb(out, r->s, NULL, err);
    if (!st && !r->s->opt->no_orientation)
        st = un_image_orient(out, r->s->mem, p->orientation, err);
    if (st)
        un_image_free(out);
    out->alpha = !st && p->alpha && out->c == p->samples;
    out->bits = !st && p->bits <= 16 && p->format != SAMPLEFORMAT_IEEEFP ? p->bits : 0;
    return st;
}

/* ---- pages ---- */

static int all_alike(const reader *r)
{
    for (int i = 1; i < r->count; i++) {
        const page *a = &r->pages[0], *b = &r->pages[i];

        if (a->w != b->w || a->h != b->h || a->samples != b->samples || a->bits != b->bits || a->format != b->format ||
            a->photometric != b->photometric)
            return 0;
    }
    return 1;
}

/* What the description of an ImageJ or OME file says of its number of channels; 0: nothing. */
static long told_channels(reader *r)
{
    const char *text = NULL, *at;

    if (!TIFFSetSubDirectory(r->tif, r->pages[0].directory) || !TIFFGetField(r->tif, TIFFTAG_IMAGEDESCRIPTION, &text))
        return 0;
    at = strncmp(text, "ImageJ=", 7) ? strstr(text, "SizeC=\"") : strstr(text, "\nchannels=");
    return at ? strtol(strchr(at, '=') + (at[0] == 'S' ? 2 : 1), NULL, 10) : 0;
}

/* How to take the pages: SERIES for one of them (*first), CHANNELS or SLICES for all. */
static unet_status choose_pages(reader *r, un_pages *kind, int *first, unet_error *err)
{
    const un_image_read_options *o = r->s->opt;

    *first = 0;
    *kind = o->pages;
    if (*kind == UN_PAGES_SERIES) {
        *first = o->page;
        if (o->page < 0 || o->page >= r->count)
            return un_fail_file(err, UNET_E_DATA, r->s->name, "page %d is asked for; there are %d", o->page, r->count);
        return UNET_OK;
    }
    if (r->count == 1)
        *kind = UN_PAGES_SERIES;
    else if (*kind == UN_PAGES_AUTO)
        *kind = !all_alike(r) ? UN_PAGES_SERIES : told_channels(r) == r->count ? UN_PAGES_CHANNELS : UN_PAGES_SLICES;
    else if (!all_alike(r))
        return un_fail_file(
            err, UNET_E_DATA, r->s->name, "the %d pages differ in size or type; read them as a series", r->count);
    return UNET_OK;
}

/* Sets one page into the stack: as slice or as channels. */
static unet_status place_page(
    un_image *out, const un_image *one, int index, int slices, const char *name, unet_error *err)
{
    const size_t pixel = un_dtype_size(one->type) * (size_t)one->c, n = (size_t)one->h * (size_t)one->w;
    char *to = (char *)out->data + (size_t)index * pixel * (slices ? n : 1);

    if (one->h != out->h || one->w != out->w || one->type != out->type || (slices && one->c != out->c))
        return un_fail_file(err, UNET_E_DATA, name, "page %d differs from the first in size or type", index);
    if (slices)
        memcpy(to, one->data, n * pixel);
    else
        for (size_t i = 0; i < n; i++)
            memcpy(to + i * un_dtype_size(out->type) * (size_t)out->c, (const char *)one->data + i * pixel, pixel);
    return UNET_OK;
}

static unet_status read_stack(reader *r, int slices, un_image *out, unet_error *err)
{
    un_image one;
    unet_status st = read_page(r, &r->pages[0], &one, err);

    if (!st) {
        const int extents[4] = {slices ? r->count : 1, one.h, one.w, slices ? one.c : r->count * one.c};

        st = un_codec_create(out, r->s, one.type, extents, err);
        out->bits = one.bits;
        out->alpha = slices && one.alpha;
        out->palette = one.palette;
        out->palette_size = one.palette_size;
        one.palette = NULL;
    }
    for (int i = 0; i < r->count && !st; i++) {
        if (i)
            st = read_page(r, &r->pages[i], &one, err);
        if (!st)
            st = place_page(out, &one, i, slices, r->s->name, err);
        un_image_free(&one);
    }
    un_image_free(&one);
    return st;
}

static int is(const unsigned char *d, size_t size)
{
    return size >= 8 &&
           (!memcmp(d, "II*\0", 4) || !memcmp(d, "MM\0*", 4) || !memcmp(d, "II+\0", 4) || !memcmp(d, "MM\0+", 4));
}

static unet_status read_tiff(un_image *out, const un_source *s, unet_error *err)
{
    reader r = {0};
    un_pages kind = UN_PAGES_SERIES;
    int first = 0;
    unet_status st = open_reader(&r, s, err);

    if (!st)
        st = choose_pages(&r, &kind, &first, err);
    if (!st)
        st = kind == UN_PAGES_SERIES ? read_page(&r, &r.pages[first], out, err)
                                     : read_stack(&r, kind == UN_PAGES_SLICES, out, err);
    close_reader(&r);
    return st;
}

static unet_status info(un_image_info *out, const un_source *s, unet_error *err)
{
    reader r = {0};
    un_pages kind = UN_PAGES_SERIES;
    int first = 0, colour;
    un_dtype type = UN_DTYPE_U8;
    unet_status st = open_reader(&r, s, err);

    if (!st)
        st = choose_pages(&r, &kind, &first, err);
    if (!st)
        st = check_page(r.pages, &type, s, err);
    if (!st) {
        const page *p = r.pages;

        colour = is_palette(p) || p->photometric == PHOTOMETRIC_SEPARATED || through_rgba(p);
        *out = (un_image_info){.format = "tiff",
            .type = colour ? UN_DTYPE_U8 : type,
            .d = kind == UN_PAGES_SLICES ? r.count : 1,
            .h = (int)p->h,
            .w = (int)p->w,
            .c = (colour ? 3 : p->samples) * (kind == UN_PAGES_CHANNELS ? r.count : 1),
            .pages = r.count,
            .stacked = kind != UN_PAGES_SERIES,
            .alpha = p->alpha && kind != UN_PAGES_CHANNELS,
            .palette = is_palette(p),
            .orientation = p->orientation >= 1 && p->orientation <= 8 ? p->orientation : 1};
    }
    close_reader(&r);
    return st;
}

const un_codec un_codec_tiff = {is, read_tiff, info};
