/* Public forms of base/text.h. */
#include "unet/text.h"

#include <string.h>

#include "base/size.h"
#include "base/text.h"

int unet_parse_int(const char *s, int64_t *out)
{
    return un_parse_int64(s, out);
}

int unet_parse_number(const char *s, double *out)
{
    return un_parse_double(s, out);
}

int unet_parse_bytes(const char *s, uint64_t *out)
{
    return un_parse_bytes(s, out);
}

int unet_parse_seconds(const char *s, double *out)
{
    return un_parse_seconds(s, out);
}

const char *unet_nearest(const char *word, const char *const *names, size_t count)
{
    return un_nearest(word, names, count);
}

size_t unet_json_quote(char *buf, size_t size, const char *s)
{
    un_text t;
    size_t n = 0;

    un_text_init(&t, NULL, SIZE_MAX);
    un_text_json_string(&t, s);
    if (!t.failed) {
        n = t.n;
        if (size) {
            const size_t kept = UN_MIN(n, size - 1);

            memcpy(buf, t.s, kept);
            buf[kept] = 0;
        }
    } else if (size)
        buf[0] = 0;
    un_text_free(&t);
    return n;
}
