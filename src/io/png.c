/* PNG: 1 to 16 bits, palettes, opacity, interlacing. libpng reports errors by longjmp: everything that must survive it
 * lives in a struct, and each function that sets a jump returns through one place. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

#include "base/file.h"
#include "base/size.h"
#include "base/text.h"
#include "io/codec.h"

typedef struct input {
    const unsigned char *data;
    size_t size, at;
    char message[200];
} input;

typedef struct reader {
    input src;
    png_structp png;
    png_infop info;
    png_bytep *rows;
    un_mem *mem;
    un_image *out;
} reader;

static void on_error(png_structp png, png_const_charp text)
{
    input *s = png_get_error_ptr(png);

    snprintf(s->message, sizeof s->message, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep to, png_size_t n)
{
    input *s = png_get_io_ptr(png);

    if (n > s->size - s->at)
        png_error(png, "the file ends too early");
    memcpy(to, s->data + s->at, n);
    s->at += n;
}

static int is(const unsigned char *data, size_t size)
{
    return size >= 8 && !png_sig_cmp(data, 0, 8);
}

static unet_status open_reader(reader *r, const unsigned char *data, size_t size, unet_error *err)
{
    r->src = (input){.data = data, .size = size};
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r->src, on_error, on_warning);
    if (!r->png)
        return un_fail_nomem(err, 1);
    r->info = png_create_info_struct(r->png);
    if (!r->info)
        return un_fail_nomem(err, 1);
    png_set_read_fn(r->png, &r->src, on_read);
    png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff);
    png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    return UNET_OK;
}

static void close_reader(reader *r)
{
    if (r->png)
        png_destroy_read_struct(&r->png, &r->info, NULL);
    un_free(r->rows);
}

/* Decides on number type and channels; sets the transformations. */
static void choose_form(reader *r, const un_image_read_options *opt, int *keep)
{
    int type = png_get_color_type(r->png, r->info), depth = png_get_bit_depth(r->png, r->info);

    *keep = type == PNG_COLOR_TYPE_PALETTE && opt->keep_palette;
    if (type == PNG_COLOR_TYPE_PALETTE && !*keep)
        png_set_palette_to_rgb(r->png);
    else if (*keep)
        png_set_packing(r->png);
    if (type == PNG_COLOR_TYPE_GRAY && depth < 8)
        png_set_expand_gray_1_2_4_to_8(r->png);
    if (!*keep && png_get_valid(r->png, r->info, PNG_INFO_tRNS))
        png_set_tRNS_to_alpha(r->png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (depth == 16)
        png_set_swap(r->png);
#endif
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

static unet_status take_palette(reader *r, unet_error *err)
{
    png_colorp colours;
    int n = 0;

    if (!png_get_PLTE(r->png, r->info, &colours, &n) || n < 1)
        return UNET_OK;
    r->out->palette = un_alloc(r->mem, 3 * (size_t)n);
    if (!r->out->palette)
        return un_fail_nomem(err, 3 * (size_t)n);
    for (int i = 0; i < n; i++) {
        r->out->palette[3 * i] = colours[i].red;
        r->out->palette[3 * i + 1] = colours[i].green;
        r->out->palette[3 * i + 2] = colours[i].blue;
    }
    r->out->palette_size = n;
    return UNET_OK;
}

static unet_status make_room(reader *r, const un_source *s, int keep, unet_error *err)
{
    png_uint_32 h = png_get_image_height(r->png, r->info);
    int wide = png_get_bit_depth(r->png, r->info) == 16;
    int extents[4] = {1, (int)h, (int)png_get_image_width(r->png, r->info), png_get_channels(r->png, r->info)};
    size_t row = png_get_rowbytes(r->png, r->info);
    unet_status st = un_codec_create(r->out, s, wide ? UN_DTYPE_U16 : UN_DTYPE_U8, extents, err);

    if (st)
        return st;
    r->out->alpha = extents[3] == 2 || extents[3] == 4;
    r->rows = un_alloc_array(r->mem, h, sizeof *r->rows);
    if (!r->rows)
        return un_fail_nomem(err, h * sizeof *r->rows);
    for (png_uint_32 y = 0; y < h; y++)
        r->rows[y] = (png_bytep)r->out->data + y * row;
    return keep ? take_palette(r, err) : UNET_OK;
}

/* No local of this function is changed after setjmp and read after a jump. */
static unet_status decode(reader *r, const un_source *s, unet_error *err)
{
    unet_status st;
    int keep, bits;

    if (setjmp(png_jmpbuf(r->png)))
        return un_fail_offset(err, UNET_E_FORMAT, s->name, (int64_t)r->src.at, "broken PNG: %s", r->src.message);
    png_read_info(r->png, r->info);
    bits = png_get_bit_depth(r->png, r->info);
    choose_form(r, s->opt, &keep);
    st = make_room(r, s, keep, err);
    if (st)
        return st;
    r->out->bits = bits;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
    return UNET_OK;
}

static unet_status read_png(un_image *out, const un_source *s, unet_error *err)
{
    reader r = {.mem = s->mem, .out = out};
    unet_status st = open_reader(&r, s->data, s->size, err);

    if (!st)
        st = decode(&r, s, err);
    close_reader(&r);
    return st;
}

static unet_status describe(reader *r, un_image_info *out, const un_source *s, unet_error *err)
{
    int type;

    if (setjmp(png_jmpbuf(r->png)))
        return un_fail_offset(err, UNET_E_FORMAT, s->name, (int64_t)r->src.at, "broken PNG: %s", r->src.message);
    png_read_info(r->png, r->info);
    type = png_get_color_type(r->png, r->info);
    *out = (un_image_info){.format = "png",
        .type = png_get_bit_depth(r->png, r->info) == 16 ? UN_DTYPE_U16 : UN_DTYPE_U8,
        .d = 1,
        .h = (int)png_get_image_height(r->png, r->info),
        .w = (int)png_get_image_width(r->png, r->info),
        .c = type == PNG_COLOR_TYPE_PALETTE ? 3 : png_get_channels(r->png, r->info),
        .pages = 1,
        .alpha = type & PNG_COLOR_MASK_ALPHA || png_get_valid(r->png, r->info, PNG_INFO_tRNS),
        .palette = type == PNG_COLOR_TYPE_PALETTE,
        .orientation = 1};
    out->c += out->alpha && !(type & PNG_COLOR_MASK_ALPHA);
    return UNET_OK;
}

static unet_status info(un_image_info *out, const un_source *s, unet_error *err)
{
    reader r = {0};
    unet_status st = open_reader(&r, s->data, s->size, err);

    if (!st)
        st = describe(&r, out, s, err);
    close_reader(&r);
    return st;
}

const un_codec un_codec_png = {is, read_png, info};

/* ---- writing ---- */

typedef struct sink {
    un_text *text; /* bytes so far */
    char message[200];
} sink;

static void on_write_error(png_structp png, png_const_charp text)
{
    sink *s = png_get_error_ptr(png);

    snprintf(s->message, sizeof s->message, "%s", text);
    longjmp(png_jmpbuf(png), 1);
}

static void on_write(png_structp png, png_bytep data, png_size_t n)
{
    sink *s = png_get_io_ptr(png);

    un_text_add_n(s->text, (const char *)data, n);
    if (s->text->failed)
        png_error(png, "out of memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

enum { PHOTO_LEVEL = 3 }; /* zlib */

static const int colour_types[] = {
    0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};

static unet_status encode(png_structp png, png_infop info, sink *s, const un_image *im, unet_error *err)
{
    int depth = im->type == UN_DTYPE_U16 ? 16 : 8;
    size_t row = (size_t)im->w * (size_t)im->c * (size_t)(depth / 8);

    if (setjmp(png_jmpbuf(png)))
        return un_fail(err, s->text->failed ? UNET_E_NOMEM : UNET_E_INTERNAL, "PNG: %s", s->message);
    png_set_write_fn(png, s, on_write, on_flush);
    png_set_IHDR(png, info, (png_uint_32)im->w, (png_uint_32)im->h, depth,
        im->palette ? PNG_COLOR_TYPE_PALETTE : colour_types[im->c], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
        PNG_FILTER_TYPE_DEFAULT);
    if (im->palette) {
        png_color colours[256];

        for (int i = 0; i < im->palette_size; i++)
            colours[i] = (png_color){im->palette[3 * i], im->palette[3 * i + 1], im->palette[3 * i + 2]};
        png_set_PLTE(png, info, colours, im->palette_size);
    }
    if (im->c >= 3) /* a third of the time at the same size: photographs have few long matches */
        png_set_compression_level(png, PHOTO_LEVEL);
    png_write_info(png, info);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (depth == 16)
        png_set_swap(png);
#endif
    for (int y = 0; y < im->h; y++)
        png_write_row(png, (png_const_bytep)im->data + (size_t)y * row);
    png_write_end(png, NULL);
    return UNET_OK;
}

static unet_status check_writable(const un_image *im, unet_error *err)
{
    if (im->d != 1 || im->c > 4 || (im->type != UN_DTYPE_U8 && im->type != UN_DTYPE_U16))
        return un_fail(err, UNET_E_ARG, "PNG holds one plane of 1 to 4 channels of 8 or 16 bits");
    if (im->palette && (im->c != 1 || im->type != UN_DTYPE_U8 || im->palette_size < 1 || im->palette_size > 256))
        return un_fail(err, UNET_E_ARG, "a palette needs one channel of 8 bits and 1 to 256 colours");
    if (im->palette)
        for (size_t i = 0; i < un_image_count(im); i++)
            if (((const uint8_t *)im->data)[i] >= im->palette_size)
                return un_fail(err, UNET_E_ARG, "pixel %zu has index %d; the palette has %d colours", i,
                    ((const uint8_t *)im->data)[i], im->palette_size);
    return UNET_OK;
}

unet_status un_image_encode_png(unsigned char **out, size_t *size, un_mem *mem, const un_image *im, unet_error *err)
{
    un_text text;
    sink s = {.text = &text};
    png_structp png;
    png_infop info;
    unet_status st = check_writable(im, err);

    *out = NULL;
    *size = 0;
    if (st)
        return st;
    un_text_init(&text, mem, SIZE_MAX);
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &s, on_write_error, on_warning);
    info = png ? png_create_info_struct(png) : NULL;
    st = info ? encode(png, info, &s, im, err) : un_fail_nomem(err, 1);
    if (png)
        png_destroy_write_struct(&png, &info);
    if (st) {
        un_text_free(&text);
        return st;
    }
    *out = (unsigned char *)text.s;
    *size = text.n;
    return UNET_OK;
}

unet_status un_image_write_png(un_mem *mem, const char *path, const un_image *im, unet_error *err)
{
    unsigned char *bytes;
    size_t size;
    unet_status st = un_image_encode_png(&bytes, &size, mem, im, err);

    if (!st)
        st = un_file_write(mem, path, bytes, size, err);
    un_free(bytes);
    return st;
}
