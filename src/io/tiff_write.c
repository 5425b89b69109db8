/* TIFF written through libtiff: Deflate, one page a slice, channels interleaved; any number type. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "io/image.h"
#include "io/tiff.h"

enum { STRIP_BYTES = 1 << 18 };

static int on_error(TIFF *tif, void *user, const char *module, const char *format, va_list args)
{
    un_tiff_trap *trap = user;

    (void)tif, (void)module;
    if (!trap->message[0])
        vsnprintf(trap->message, sizeof trap->message, format, args);
    return 1;
}

static int on_warning(TIFF *tif, void *user, const char *module, const char *format, va_list args)
{
    (void)tif, (void)user, (void)module, (void)format, (void)args;
    return 1;
}

void un_tiff_set_trap(TIFFOpenOptions *options, un_tiff_trap *trap)
{
    trap->message[0] = 0;
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, trap);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, NULL);
}

static int sample_format(un_dtype t)
{
    if (t == UN_DTYPE_F32 || t == UN_DTYPE_F64)
        return SAMPLEFORMAT_IEEEFP;
    return t == UN_DTYPE_I8 || t == UN_DTYPE_I16 || t == UN_DTYPE_I32 ? SAMPLEFORMAT_INT : SAMPLEFORMAT_UINT;
}

/* Values of the colour map are 16 bits wide. */
static void set_palette(TIFF *tif, const un_image *im)
{
    uint16_t map[3][256] = {{0}};

    for (int i = 0; i < 3 * im->palette_size; i++)
        map[i % 3][i / 3] = (uint16_t)(im->palette[i] * 257);
    TIFFSetField(tif, TIFFTAG_COLORMAP, map[0], map[1], map[2]);
}

static void set_fields(TIFF *tif, const un_image *im, int z)
{
    const int rgb = (im->c == 3 || (im->c == 4 && im->alpha)) && im->type <= UN_DTYPE_I16;
    const size_t row = (size_t)im->w * (size_t)im->c * un_dtype_size(im->type), rows = STRIP_BYTES / row;

    TIFFSetField(tif, TIFFTAG_IMAGEWIDTH, (uint32_t)im->w);
    TIFFSetField(tif, TIFFTAG_IMAGELENGTH, (uint32_t)im->h);
    TIFFSetField(tif, TIFFTAG_SAMPLESPERPIXEL, (uint16_t)im->c);
    TIFFSetField(tif, TIFFTAG_BITSPERSAMPLE, (uint16_t)(8 * un_dtype_size(im->type)));
    TIFFSetField(tif, TIFFTAG_SAMPLEFORMAT, (uint16_t)sample_format(im->type));
    TIFFSetField(tif, TIFFTAG_PHOTOMETRIC,
        im->palette ? PHOTOMETRIC_PALETTE
        : rgb       ? PHOTOMETRIC_RGB
                    : PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tif, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tif, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
    TIFFSetField(tif, TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
    TIFFSetField(tif, TIFFTAG_ROWSPERSTRIP, (uint32_t)(rows < 1 ? 1 : rows));
    if (im->palette)
        set_palette(tif, im);
    if (im->d > 1)
        TIFFSetField(tif, TIFFTAG_PAGENUMBER, (uint16_t)z, (uint16_t)im->d);
}

/* Channels beyond grey or RGB are of no stated meaning, but for opacity, which is the last. */
static unet_status set_extra(TIFF *tif, un_mem *mem, const un_image *im, unet_error *err)
{
    const int rgb = (im->c == 3 || (im->c == 4 && im->alpha)) && im->type <= UN_DTYPE_I16;
    const int extra = im->c - (rgb ? 3 : 1);
    uint16_t *kinds;

    if (!extra)
        return UNET_OK;
    kinds = un_alloc_array(mem, (size_t)extra, sizeof *kinds);
    if (!kinds)
        return un_fail_nomem(err, (size_t)extra * sizeof *kinds);
    if (im->alpha)
        kinds[extra - 1] = EXTRASAMPLE_UNASSALPHA;
    TIFFSetField(tif, TIFFTAG_EXTRASAMPLES, (uint16_t)extra, kinds);
    un_free(kinds);
    return UNET_OK;
}

static unet_status write_pages(TIFF *tif, un_mem *mem, const un_image *im, const un_tiff_trap *trap, unet_error *err)
{
    const size_t row = (size_t)im->w * (size_t)im->c * un_dtype_size(im->type);
    const char *at = im->data;
    void *copy = un_alloc(mem, row); /* libtiff changes what it is given */
    unet_status st = copy ? UNET_OK : un_fail_nomem(err, row);

    for (int z = 0; z < im->d && !st; z++) {
        set_fields(tif, im, z);
        st = set_extra(tif, mem, im, err);
        for (int y = 0; y < im->h && !st; y++, at += row) {
            memcpy(copy, at, row);
            if (TIFFWriteScanline(tif, copy, (uint32_t)y, 0) < 0)
                st = un_fail(err, UNET_E_IO, "TIFF: %s", trap->message);
        }
        if (!st && !TIFFWriteDirectory(tif))
            st = un_fail(err, UNET_E_IO, "TIFF: %s", trap->message);
    }
    un_free(copy);
    return st;
}

unet_status un_image_write_tiff(un_mem *mem, const char *path, const un_image *im, unet_error *err)
{
    const size_t bytes = un_image_count(im) * un_dtype_size(im->type);
    un_tiff_trap trap;
    TIFFOpenOptions *options = NULL;
    TIFF *tif = NULL;
    un_writer *w = NULL;
    unet_status st;

    if (im->c > UINT16_MAX || im->d > UINT16_MAX)
        return un_fail_file(err, UNET_E_ARG, path, "TIFF holds at most %d channels and pages", UINT16_MAX);
    if (im->palette && (im->type != UN_DTYPE_U8 || im->c != 1 || im->palette_size > 256))
        return un_fail_file(err, UNET_E_ARG, path, "a palette needs one channel of 8 bits and 1 to 256 colours");
    st = un_writer_open(&w, mem, path, err);
    if (st)
        return st;
    options = TIFFOpenOptionsAlloc();
    if (options) {
        un_tiff_set_trap(options, &trap);
        tif = TIFFOpenExt(un_writer_temp_path(w), bytes > (size_t)3 << 30 ? "w8" : "w", options);
        TIFFOpenOptionsFree(options);
    }
    st = !options ? un_fail_nomem(err, 1)
         : !tif   ? un_fail(err, UNET_E_IO, "TIFF: %s", trap.message)
                  : write_pages(tif, mem, im, &trap, err);
    if (tif)
        TIFFClose(tif);
    if (!st && trap.message[0])
        st = un_fail(err, UNET_E_IO, "TIFF: %s", trap.message);
    if (!st)
        return un_writer_commit(w, err);
    un_writer_destroy(w);
    un_error_where(err, path);
    return st;
}
