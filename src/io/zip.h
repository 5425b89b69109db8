/* Zip archives: the directory, entries stored as they are or deflated, Zip64. No encryption, no parts on other disks.
 */
#ifndef UN_IO_ZIP_H
#define UN_IO_ZIP_H

#include "base/error.h"
#include "base/mem.h"

enum { UN_ZIP_ENTRIES_MAX = 1 << 17 };

typedef struct un_zip un_zip;

int un_zip_is(const unsigned char *data, size_t size);

/* Borrows the bytes. Entries are checked against the file's size; their content when it is asked for. */
UN_NODISCARD unet_status un_zip_open(
    un_zip **out, un_mem *mem, const unsigned char *data, size_t size, const char *name, unet_error *err);
void un_zip_close(un_zip *z); /* NULL is fine */

size_t un_zip_count(const un_zip *z);
const char *un_zip_name(const un_zip *z, size_t i);
size_t un_zip_find(const un_zip *z, const char *name); /* un_zip_count: none */

/* The bytes of an entry, checked against its CRC: in the file when it is stored, else inflated into memory of the
 * archive. offset (NULL is fine): of the entry's bytes in the file. */
UN_NODISCARD unet_status un_zip_data(
    un_zip *z, size_t i, const unsigned char **data, size_t *size, int64_t *offset, unet_error *err);

#endif
