/* Files: read whole, map, and write so that a crash or a full disk leaves the old file or the new one, never half. */
#ifndef UN_BASE_FILE_H
#define UN_BASE_FILE_H

#include "base/error.h"
#include "base/mem.h"

/* Reads a whole regular file; *data is un_free'd by the caller, has one extra zero byte after size.
 * Larger than max_bytes: UNET_E_LIMIT. A folder, a missing file, no rights: an error that says which. */
UN_NODISCARD unet_status un_file_read(
    unsigned char **data, size_t *size, un_mem *mem, const char *path, size_t max_bytes, unet_error *err);

/* A read-only mapping of a whole file. An empty file gives data = NULL, size = 0. */
typedef struct un_map {
    const unsigned char *data;
    size_t size;
} un_map;
UN_NODISCARD unet_status un_map_open(un_map *m, const char *path, unet_error *err);
void un_map_close(un_map *m);

/* Whole pages of a mapping, from `at` on, are given back to the system; they come back from the file when read. */
void un_map_drop(const void *at, size_t bytes);

/* Room on the disk of a folder for what would be too large for memory: zeroed, readable and writable, gone when closed
 * or when the process ends. A full disk is an error here, not later. */
typedef struct un_scratch {
    void *data;
    size_t size;
} un_scratch;
UN_NODISCARD unet_status un_scratch_open(un_scratch *s, un_mem *mem, const char *folder, size_t size, unet_error *err);
void un_scratch_close(un_scratch *s); /* an empty one is fine; leaves an empty one */

/* Atomic writer: bytes go to a hidden file beside `path`; commit syncs and renames it, destroy without commit removes
 * it. */
typedef struct un_writer un_writer;
UN_NODISCARD unet_status un_writer_open(un_writer **out, un_mem *mem, const char *path, unet_error *err);
UN_NODISCARD unet_status un_writer_write(un_writer *w, const void *data, size_t size, unet_error *err);
UN_NODISCARD unet_status un_writer_printf(un_writer *w, unet_error *err, const char *fmt, ...) UN_PRINTF(3, 4);
const char *un_writer_temp_path(const un_writer *w); /* for libraries that open by name; then write nothing here */
UN_NODISCARD unet_status un_writer_commit(un_writer *w, unet_error *err); /* also destroys w, on failure too */
void un_writer_destroy(un_writer *w);                                     /* NULL is fine */

/* Removes what writers of `path`, or of files in the folder `path`, left behind when their processes were killed. Best
 * effort; a process that still runs is left alone. */
void un_file_sweep(const char *path);

/* Whole-file convenience over the writer. */
UN_NODISCARD unet_status un_file_write(un_mem *mem, const char *path, const void *data, size_t size, unet_error *err);

/* Appends to a log: one write call for the bytes given, so that a kill leaves whole records; so does a full disk. */
UN_NODISCARD unet_status un_file_append(const char *path, const void *data, size_t size, unet_error *err);

UN_NODISCARD unet_status un_file_remove(const char *path, unet_error *err); /* one that is not there is fine */
UN_NODISCARD unet_status un_make_dirs(const char *path, unet_error *err);   /* like mkdir -p */
int un_path_exists(const char *path);
int un_path_is_dir(const char *path);

/* Sorted names (bytewise) in a folder without . and .. and hidden ones. One block: un_free(names). */
UN_NODISCARD unet_status un_dir_list(char ***names, size_t *count, un_mem *mem, const char *path, unet_error *err);

/* Tests inject write errors: after this many more bytes every write fails as a full disk does. Negative: off.
 * Kept in the environment variable UNET_TEST_DISK_BYTES, read at each open, so that it works across processes; @FILE:
 * the number stands in that file, so that a disk can fill up while a process runs. */

#endif
