/* What `unet inspect` tells: as text for a terminal, and as a page with the contact sheet. */
#ifndef UN_RUN_INSPECT_H
#define UN_RUN_INSPECT_H

#include "data/fingerprint.h"

typedef struct un_inspection {
    const un_dataset *d;
    const un_scan *s;
    const un_fingerprint *f;
    const un_config *cfg;
    const char *why;       /* "section.key: sentence" lines; may be empty */
    const char *problem;   /* what stands against training on it; NULL: nothing */
    const un_image *sheet; /* NULL: none */
    const char *yaml;      /* the settled configuration, for the page */
} un_inspection;

UN_NODISCARD unet_status un_inspect_text(un_text *out, un_mem *mem, const un_inspection *i, unet_error *err);
UN_NODISCARD unet_status un_inspect_page(un_mem *mem, const char *path, const un_inspection *i, unet_error *err);

#endif
