/* Names of picture files: which suffixes are worth opening. The type itself is found from the content. */
#include <string.h>
#include <strings.h>

#include "base/size.h"
#include "io/image.h"

static const char *const suffixes[] = {".nii.gz", ".nii", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm",
    ".ppm", ".pbm", ".pnm", ".pam", ".pfm"};

size_t un_image_stem_length(const char *name)
{
    const size_t n = strlen(name);

    for (size_t i = 0; i < UN_COUNT(suffixes); i++) {
        const size_t k = strlen(suffixes[i]);

        if (n > k && !strcasecmp(name + n - k, suffixes[i]))
            return n - k;
    }
    return n;
}

int un_image_name_is_readable(const char *name)
{
    return un_image_stem_length(name) < strlen(name);
}
