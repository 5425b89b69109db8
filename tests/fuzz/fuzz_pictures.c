/* Pictures of the formats that are read without a library: NIfTI, BMP, PBM to PFM; and the EXIF block of a JPEG. What
 * the header says without the pixels must be what decoding gives. */
#include "fuzz.h"

#include "io/codec.h"

enum { BYTES_MAX = 1 << 20 };

static void decode(const un_codec *codec, const un_source *s)
{
    un_image im = {0};
    un_image_info info = {0};
    unet_error err;
    const unet_status told = codec->info(&info, s, &err), st = codec->read(&im, s, &err);

    if (!st && (told || im.d != info.d || im.h != info.h || im.w != info.w || im.type != info.type))
        __builtin_trap();
    if (!st && !s->opt->keep_palette && im.c != info.c)
        __builtin_trap();
    un_image_free(&im);
}

int un_fuzz_one(const uint8_t *data, size_t size)
{
    static const un_codec *const codecs[] = {&un_codec_nifti, &un_codec_bmp, &un_codec_pnm};
    const int o = un_exif_orientation(data, size);

    if (o < 1 || o > 8)
        __builtin_trap();
    for (int i = 0; i < 3; i++)
        for (int keep = 0; keep < 2 && codecs[i]->is(data, size); keep++) {
            const un_image_read_options opt = {.keep_palette = keep, .max_bytes = BYTES_MAX};
            const un_source s = {data, size, "fuzz", NULL, &opt};

            decode(codecs[i], &s);
        }
    return 0;
}
