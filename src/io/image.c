/* Picture files: which format it is, by content. */
#include "io/image.h"

#include <string.h>

#include "base/file.h"
#include "base/size.h"
#include "io/codec.h"

enum { FILE_MAX = 0x7fffffff, HEAD_BYTES = 256 };

/* Formats that are known and not read: what to tell the user. */
static const struct {
    int at;
    const char *magic;
    size_t n;
    const char *name;
    int other; /* 1: not a format for pictures alone */
} foreign[] = {
    {128, "DICM", 4, "DICOM", 0},
    {0, "GIF8", 4, "GIF", 0},
    {8, "WEBP", 4, "WebP", 0},
    {0, "\x89HDF", 4, "HDF5", 1},
    {0, "NRRD", 4, "NRRD", 0},
    {0, "ObjectType", 10, "MetaImage", 0},
    {0, "\0\0\0\x01\0\0", 6, "MGH", 0},
    {0, "\xff\x4f\xff\x51", 4, "JPEG 2000", 0},
    {0, "PK\x03\x04", 4, "a ZIP archive", 1},
    {0, "8BPS", 4, "Photoshop", 0},
    {0, "%PDF", 4, "PDF", 1},
    {4, "jP  ", 4, "JPEG 2000", 0},
    {4, "ftyp", 4, "HEIF or AVIF", 1},
};

/* -1: none of them. */
static int foreign_of(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < UN_COUNT(foreign); i++)
        if (size >= (size_t)foreign[i].at + foreign[i].n &&
            !memcmp(data + foreign[i].at, foreign[i].magic, foreign[i].n))
            return (int)i;
    return -1;
}

/* Of the file, or of what it holds when it is gzip: *packed is then 1. */
static int foreign_within(const un_source *s, int *packed)
{
    unsigned char head[HEAD_BYTES];
    const int known = foreign_of(s->data, s->size), held = foreign_of(head, un_gzip_head(head, sizeof head, s));

    *packed = known < 0 && held >= 0;
    return *packed ? held : known;
}

static unet_status refuse(const un_source *s, unet_error *err)
{
    int packed;
    const int known = foreign_within(s, &packed);

    if (known >= 0)
        return un_fail_file(err, UNET_E_UNSUPPORTED, s->name, "%s%s is not supported; convert it to PNG, TIFF or NIfTI",
            foreign[known].name, packed ? " in a gzip file" : "");
    if (!s->size)
        return un_fail_file(err, UNET_E_FORMAT, s->name, "the file is empty");
    return un_fail_file(err, UNET_E_UNSUPPORTED, s->name, "this is no picture format that is known here");
}

/* NULL: of none. */
static const un_codec *find(const un_source *s)
{
    static const un_codec *const codecs[] = {
        &un_codec_png, &un_codec_jpeg, &un_codec_tiff, &un_codec_bmp, &un_codec_pnm, &un_codec_nifti};

    for (size_t i = 0; i < UN_COUNT(codecs); i++)
        if (codecs[i]->is(s->data, s->size))
            return codecs[i];
    return NULL;
}

/* What a codec says of a file. DICOM may begin as TIFF does, or look like Analyze, and gzip holds more than NIfTI: what
 * cannot be read as such is named as what it is. */
static unet_status told(unet_status st, const un_source *s, unet_error *err)
{
    const int refused = st == UNET_E_FORMAT || st == UNET_E_UNSUPPORTED;
    int packed;

    return refused && foreign_within(s, &packed) >= 0 ? refuse(s, err) : st;
}

unet_status un_codec_create(un_image *out, const un_source *s, un_dtype type, const int extents[4], unet_error *err)
{
    const size_t most = s->opt->max_bytes ? s->opt->max_bytes : UN_IMAGE_MAX_BYTES;
    size_t bytes = un_dtype_size(type);

    for (int i = 0; i < 4; i++) {
        if (extents[i] < 1)
            return un_fail_file(err, UNET_E_FORMAT, s->name, "the picture is empty (%d x %d x %d, %d channels)",
                extents[0], extents[1], extents[2], extents[3]);
        if (!un_size_mul(bytes, (size_t)extents[i], &bytes) || bytes > most)
            return un_fail_file(err, UNET_E_LIMIT, s->name,
                "the picture (%d x %d x %d, %d channels) needs more than the allowed %zu bytes", extents[0], extents[1],
                extents[2], extents[3], most);
    }
    return un_image_create(out, s->mem, type, extents[0], extents[1], extents[2], extents[3], err);
}

unet_status un_image_read_memory(un_image *out, un_mem *mem, const void *data, size_t size, const char *name,
    const un_image_read_options *opt, unet_error *err)
{
    static const un_image_read_options defaults;
    const un_source s = {data, size, name, mem, opt ? opt : &defaults};
    const un_codec *codec = find(&s);
    unet_status st;

    memset(out, 0, sizeof *out);
    st = codec ? told(codec->read(out, &s, err), &s, err) : refuse(&s, err);
    if (st) {
        un_image_free(out);
        un_error_where(err, name);
    }
    return st;
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
    static const un_image_read_options defaults;
    const un_codec *codec;
    un_map map;
    un_source s;
    unet_status st = un_map_open(&map, path, err);

    memset(out, 0, sizeof *out);
    if (st)
        return st;
    s = (un_source){map.data, map.size, path, mem, &defaults};
    codec = find(&s);
    st = codec ? told(codec->info(out, &s, err), &s, err) : refuse(&s, err);
    un_error_where(st ? err : NULL, path);
    un_map_close(&map);
    return st;
}

un_look un_image_look(un_mem *mem, const char *path, const char **format)
{
    un_image_info info;
    un_map map;
    int known, packed;

    *format = NULL;
    if (!un_image_probe(&info, mem, path, NULL))
        return UN_LOOK_PICTURE;
    if (un_map_open(&map, path, NULL))
        return UN_LOOK_OTHER;
    known = foreign_within(&(un_source){.data = map.data, .size = map.size}, &packed);
    un_map_close(&map);
    if (known < 0 || foreign[known].other)
        return UN_LOOK_OTHER;
    *format = foreign[known].name;
    return UN_LOOK_FOREIGN;
}
