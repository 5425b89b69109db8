/* JPEG through libjpeg: grey, RGB, YCbCr, and CMYK or YCCK which become RGB; EXIF orientation. libjpeg reports errors
 * by a call that must not return: everything that must survive the jump lives in a struct. Damage that libjpeg only
 * warns of and paints grey is an error here: a network must not learn from invented pixels. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "base/file.h"
#include "base/text.h"
#include "io/codec.h"

enum { EXIF_MARKER = JPEG_APP0 + 1, SCANS_MAX = 500, QUALITY = 92 };

typedef struct trap {
    struct jpeg_error_mgr mgr; /* first: libjpeg's pointer is ours */
    jmp_buf jump;
    int code;
    char message[JMSG_LENGTH_MAX];
} trap;

typedef struct reader {
    struct jpeg_decompress_struct j;
    struct jpeg_progress_mgr progress;
    trap t;
    unsigned char *row; /* CMYK: one row of inks */
    int orientation;    /* read before the end of decoding, which drops the markers */
} reader;

static void on_error(j_common_ptr j)
{
    trap *t = (trap *)j->err;

    t->code = t->mgr.msg_code;
    t->mgr.format_message(j, t->message);
    longjmp(t->jump, 1);
}

/* level < 0: a warning about the data. */
static void on_message(j_common_ptr j, int level)
{
    switch (j->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
        return;
    default:
        if (level < 0)
            on_error(j);
    }
}

static void set_trap(trap *t)
{
    jpeg_std_error(&t->mgr);
    t->mgr.error_exit = on_error;
    t->mgr.emit_message = on_message;
}

/* A small file can ask for very many passes over a large picture. */
static void on_progress(j_common_ptr j)
{
    if (((j_decompress_ptr)j)->input_scan_number > SCANS_MAX) {
        trap *t = (trap *)j->err;

        t->code = JERR_BAD_PROGRESSION;
        snprintf(t->message, sizeof t->message, "more than %d scans", SCANS_MAX);
        longjmp(t->jump, 1);
    }
}

static unet_status report(const reader *r, const un_source *s, unet_error *err)
{
    static const int beyond[] = {
        JERR_BAD_PRECISION, JERR_ARITH_NOTIMPL, JERR_SOF_UNSUPPORTED, JERR_CONVERSION_NOTIMPL, JERR_CCIR601_NOTIMPL};

    if (r->t.code == JERR_OUT_OF_MEMORY)
        return un_fail_file(err, UNET_E_NOMEM, s->name, "JPEG: %s", r->t.message);
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        if (r->t.code == beyond[i])
            return un_fail_file(err, UNET_E_UNSUPPORTED, s->name, "JPEG: %s", r->t.message);
    return un_fail_offset(
        err, UNET_E_FORMAT, s->name, (int64_t)(s->size - r->j.src->bytes_in_buffer), "broken JPEG: %s", r->t.message);
}

static int is(const unsigned char *data, size_t size)
{
    return size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

static int orientation(const reader *r)
{
    for (jpeg_saved_marker_ptr m = r->j.marker_list; m; m = m->next)
        if (m->marker == EXIF_MARKER && m->data_length > 6 && !memcmp(m->data, "Exif\0", 6))
            return un_exif_orientation(m->data + 6, m->data_length - 6);
    return 1;
}

static void read_header(reader *r, const un_source *s)
{
    jpeg_create_decompress(&r->j);
    r->progress.progress_monitor = on_progress;
    r->j.progress = &r->progress;
    jpeg_save_markers(&r->j, EXIF_MARKER, 0xffff);
    jpeg_mem_src(&r->j, s->data, (unsigned long)s->size);
    jpeg_read_header(&r->j, TRUE);
}

static void inks_row(const reader *r, unsigned char *to)
{
    const unsigned char flip = r->j.saw_Adobe_marker ? 255 : 0; /* Adobe writes inks inverted */

    for (JDIMENSION x = 0; x < r->j.output_width; x++) {
        unsigned char inks[4];

        for (int k = 0; k < 4; k++)
            inks[k] = r->row[4 * x + (unsigned)k] ^ flip;
        un_cmyk_to_rgb(to + 3 * x, inks);
    }
}

/* Called under the trap. */
static unet_status decode(reader *r, un_image *out, const un_source *s, unet_error *err)
{
    const int inks = r->j.num_components == 4;
    int extents[4] = {1, (int)r->j.image_height, (int)r->j.image_width, r->j.num_components == 1 ? 1 : 3};
    unet_status st = un_codec_create(out, s, UN_DTYPE_U8, extents, err);
    size_t row_bytes = (size_t)extents[2] * (size_t)extents[3];

    if (st)
        return st;
    r->j.out_color_space = inks ? JCS_CMYK : extents[3] == 1 ? JCS_GRAYSCALE : JCS_RGB;
    r->j.dct_method = JDCT_ISLOW;
    if (inks && !(r->row = un_alloc(s->mem, 4 * (size_t)extents[2])))
        return un_fail_nomem(err, 4 * (size_t)extents[2]);
    jpeg_start_decompress(&r->j);
    while (r->j.output_scanline < r->j.output_height) {
        unsigned char *to = (unsigned char *)out->data + r->j.output_scanline * row_bytes;
        JSAMPROW row = inks ? r->row : to;

        jpeg_read_scanlines(&r->j, &row, 1);
        if (inks)
            inks_row(r, to);
    }
    jpeg_finish_decompress(&r->j);
    return UNET_OK;
}

static unet_status read_trapped(reader *r, un_image *out, const un_source *s, unet_error *err)
{
    set_trap(&r->t);
    r->j.err = &r->t.mgr;
    if (setjmp(r->t.jump))
        return report(r, s, err);
    read_header(r, s);
    r->orientation = orientation(r);
    return decode(r, out, s, err);
}

static unet_status read_jpeg(un_image *out, const un_source *s, unet_error *err)
{
    reader r = {0};
    unet_status st = read_trapped(&r, out, s, err);

    if (!st && !s->opt->no_orientation)
        st = un_image_orient(out, s->mem, r.orientation, err);
    jpeg_destroy_decompress(&r.j);
    un_free(r.row);
    out->bits = st ? 0 : 8;
    return st;
}

static unet_status info_trapped(reader *r, un_image_info *out, const un_source *s, unet_error *err)
{
    set_trap(&r->t);
    r->j.err = &r->t.mgr;
    if (setjmp(r->t.jump))
        return report(r, s, err);
    read_header(r, s);
    *out = (un_image_info){.format = "jpeg",
        .type = UN_DTYPE_U8,
        .d = 1,
        .h = (int)r->j.image_height,
        .w = (int)r->j.image_width,
        .c = r->j.num_components == 1 ? 1 : 3,
        .pages = 1,
        .orientation = orientation(r)};
    return UNET_OK;
}

static unet_status info(un_image_info *out, const un_source *s, unet_error *err)
{
    reader r = {0};
    unet_status st = info_trapped(&r, out, s, err);

    jpeg_destroy_decompress(&r.j);
    return st;
}

const un_codec un_codec_jpeg = {is, read_jpeg, info};

/* ---- writing ---- */

typedef struct writer {
    struct jpeg_compress_struct j;
    trap t;
    struct jpeg_destination_mgr to;
    un_text text; /* bytes so far */
    unsigned char piece[4096];
} writer;

static void start_piece(j_compress_ptr j)
{
    writer *w = j->client_data;

    w->to.next_output_byte = w->piece;
    w->to.free_in_buffer = sizeof w->piece;
}

static boolean next_piece(j_compress_ptr j)
{
    writer *w = j->client_data;

    un_text_add_n(&w->text, (const char *)w->piece, sizeof w->piece);
    start_piece(j);
    return TRUE;
}

static void last_piece(j_compress_ptr j)
{
    writer *w = j->client_data;

    un_text_add_n(&w->text, (const char *)w->piece, sizeof w->piece - w->to.free_in_buffer);
}

static unet_status encode(writer *w, const un_image *im, unet_error *err)
{
    set_trap(&w->t);
    w->j.err = &w->t.mgr;
    if (setjmp(w->t.jump))
        return un_fail(err, w->t.code == JERR_OUT_OF_MEMORY ? UNET_E_NOMEM : UNET_E_INTERNAL, "JPEG: %s", w->t.message);
    jpeg_create_compress(&w->j);
    w->to = (struct jpeg_destination_mgr){
        .init_destination = start_piece, .empty_output_buffer = next_piece, .term_destination = last_piece};
    w->j.dest = &w->to;
    w->j.client_data = w;
    w->j.image_width = (JDIMENSION)im->w;
    w->j.image_height = (JDIMENSION)im->h;
    w->j.input_components = im->c;
    w->j.in_color_space = im->c == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&w->j);
    jpeg_set_quality(&w->j, QUALITY, TRUE);
    jpeg_start_compress(&w->j, TRUE);
    while (w->j.next_scanline < w->j.image_height) {
        JSAMPROW row = (JSAMPROW)im->data + (size_t)w->j.next_scanline * (size_t)im->w * (size_t)im->c;

        jpeg_write_scanlines(&w->j, &row, 1);
    }
    jpeg_finish_compress(&w->j);
    return w->text.failed ? un_fail_nomem(err, w->text.n) : UNET_OK;
}

unet_status un_image_write_jpeg(un_mem *mem, const char *path, const un_image *im, unet_error *err)
{
    writer w = {0};
    unet_status st;

    if (im->type != UN_DTYPE_U8 || im->palette || im->d != 1 || (im->c != 1 && im->c != 3))
        return un_fail_file(err, UNET_E_ARG, path, "JPEG holds one plane of 1 or 3 channels of 8 bits");
    if (im->h > JPEG_MAX_DIMENSION || im->w > JPEG_MAX_DIMENSION)
        return un_fail_file(err, UNET_E_ARG, path, "JPEG holds at most %ld pixels a side", JPEG_MAX_DIMENSION);
    un_text_init(&w.text, mem, SIZE_MAX);
    st = encode(&w, im, err);
    if (!st)
        st = un_file_write(mem, path, w.text.s, w.text.n, err);
    jpeg_destroy_compress(&w.j);
    un_text_free(&w.text);
    un_error_where(st ? err : NULL, path);
    return st;
}
