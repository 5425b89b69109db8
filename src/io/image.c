/* Picture files: which format it is, by content. */
#include "io/image.h"

#include <string.h>

#include "base/file.h"
#include "io/png.h"

enum { FILE_MAX = 0x7fffffff };

/* Formats that are known and not read: what to tell the user. */
static const struct {
    int at;
    const char *magic;
    size_t n;
    const char *name;
} foreign[] = {
    {128, "DICM", 4, "DICOM"},
    {0, "GIF8", 4, "GIF"},
    {8, "WEBP", 4, "WebP"},
    {0, "\x89HDF", 4, "HDF5"},
    {0, "NRRD", 4, "NRRD"},
    {0, "8BPS", 4, "Photoshop"},
    {0, "%PDF", 4, "PDF"},
    {4, "jP  ", 4, "JPEG 2000"},
    {4, "ftyp", 4, "HEIF or AVIF"},
};

static unet_status refuse(const unsigned char *data, size_t size, const char *name, unet_error *err)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (size >= (size_t)foreign[i].at + foreign[i].n &&
            !memcmp(data + foreign[i].at, foreign[i].magic, foreign[i].n))
            return un_fail_file(err, UNET_E_UNSUPPORTED, name, "%s is not supported; convert it to PNG, TIFF or NIfTI",
                foreign[i].name);
    if (!size)
        return un_fail_file(err, UNET_E_FORMAT, name, "the file is empty");
    return un_fail_file(err, UNET_E_UNSUPPORTED, name, "this is no picture format that is known here");
}

unet_status un_image_read_memory(un_image *out, un_mem *mem, const void *data, size_t size, const char *name,
    const un_image_read_options *opt, unet_error *err)
{
    static const un_image_read_options defaults;

    memset(out, 0, sizeof *out);
    opt = opt ? opt : &defaults;
    if (un_png_is(data, size))
        return un_png_read(out, mem, data, size, name, opt, err);
    return refuse(data, size, name, err);
}

unet_status un_image_read(
    un_image *out, un_mem *mem, const char *path, const un_image_read_options *opt, unet_error *err)
{
    unsigned char *data;
    size_t size;
    unet_status st = un_file_read(&data, &size, mem, path, FILE_MAX, err);

    memset(out, 0, sizeof *out);
    if (!st)
        st = un_image_read_memory(out, mem, data, size, path, opt, err);
    un_free(data);
    return st;
}

unet_status un_image_probe(un_image_info *out, un_mem *mem, const char *path, unet_error *err)
{
    unsigned char *data;
    size_t size;
    unet_status st = un_file_read(&data, &size, mem, path, FILE_MAX, err);

    memset(out, 0, sizeof *out);
    if (!st)
        st = un_png_is(data, size) ? un_png_info(out, data, size, path, err) : refuse(data, size, path, err);
    un_free(data);
    return st;
}
