/* Small things that several picture formats share: EXIF orientation, inks, order of bytes. */
#include "io/codec.h"

#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

static unsigned number(const unsigned char *p, int bytes, int big)
{
    unsigned v = 0;

    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[big ? i : bytes - 1 - i];
    return v;
}

int un_exif_orientation(const unsigned char *t, size_t size)
{
    const int big = size >= 8 && t[0] == 'M';
    size_t at;
    unsigned n;

    if (size < 8 || (memcmp(t, "II*\0", 4) && memcmp(t, "MM\0*", 4)))
        return 1;
    at = number(t + 4, 4, big);
    if (at > size - 2)
        return 1;
    n = number(t + at, 2, big);
    at += 2;
    for (unsigned i = 0; i < n && size - at >= 12; i++, at += 12)
        if (number(t + at, 2, big) == TAG_ORIENTATION && number(t + at + 2, 2, big) == TYPE_SHORT) {
            const unsigned v = number(t + at + 8, 2, big);

            return v >= 1 && v <= 8 ? (int)v : 1;
        }
    return 1;
}

unet_status un_image_orient(un_image *im, un_mem *mem, int o, unet_error *err)
{
    const int swap = o >= 5, flip_y = o == 3 || o == 4 || o == 6 || o == 7, flip_x = o == 2 || o == 3 || o >= 7;
    const int h = im->h, w = im->w, new_h = swap ? w : h, new_w = swap ? h : w;
    const size_t pixel = un_dtype_size(im->type) * (size_t)im->c, bytes = un_image_count(im) * un_dtype_size(im->type);
    const char *from = im->data;
    char *data, *to;

    if (o < 2 || o > 8)
        return UNET_OK;
    data = to = un_alloc(mem, bytes);
    if (!data)
        return un_fail_nomem(err, bytes);
    for (int z = 0; z < im->d; z++, from += (size_t)h * (size_t)w * pixel)
        for (int y = 0; y < new_h; y++)
            for (int x = 0; x < new_w; x++, to += pixel) {
                const int a = swap ? x : y, b = swap ? y : x;
                const size_t row = (size_t)(flip_y ? h - 1 - a : a), column = (size_t)(flip_x ? w - 1 - b : b);

                memcpy(to, from + (row * (size_t)w + column) * pixel, pixel);
            }
    un_free(im->data);
    im->data = data;
    im->h = new_h;
    im->w = new_w;
    if (swap) {
        const double s = im->spacing[1];

        im->spacing[1] = im->spacing[2];
        im->spacing[2] = s;
    }
    return UNET_OK;
}

void un_cmyk_to_rgb(unsigned char rgb[3], const unsigned char cmyk[4])
{
    const int white = 255 - cmyk[3];

    for (int i = 0; i < 3; i++)
        rgb[i] = (unsigned char)(((255 - cmyk[i]) * white + 127) / 255);
}

void un_swap_bytes(void *data, size_t count, size_t each)
{
    unsigned char *p = data;

    for (size_t i = 0; i < count; i++, p += each)
        for (size_t k = 0; k < each / 2; k++) {
            const unsigned char t = p[k];

            p[k] = p[each - 1 - k];
            p[each - 1 - k] = t;
        }
}
