/* What reading and writing TIFF share: libtiff's messages, kept instead of printed. */
#ifndef UN_IO_TIFF_H
#define UN_IO_TIFF_H

#include <tiffio.h>

typedef struct un_tiff_trap {
    char message[200]; /* the first error; empty: none */
} un_tiff_trap;

void un_tiff_set_trap(TIFFOpenOptions *options, un_tiff_trap *trap);

#endif
