/* Prepared pictures in memory, bounded in bytes: the least recently used go first, those in use stay. */
#ifndef UN_DATA_PICTURE_CACHE_H
#define UN_DATA_PICTURE_CACHE_H

#include "data/sampler.h"

typedef struct un_picture_cache un_picture_cache;
/* bytes 0: a picture is dropped as soon as nobody uses it. foreground as in un_ready_make, copied. objects 1: with
 * un_ready_find_objects. The source must
 * outlive the cache. */
UN_NODISCARD unet_status un_picture_cache_create(un_picture_cache **out, un_mem *mem, const un_picture_source *source,
    size_t bytes, const int *foreground, int foreground_count, int objects, unet_error *err);
void un_picture_cache_destroy(un_picture_cache *c); /* NULL is fine; no picture may be in use */

/* The picture, loaded when it is not there; in use until it is put back. Thread-safe: two that want the same picture
 * load it once. */
UN_NODISCARD unet_status un_picture_cache_get(un_picture_cache *c, int index, const un_ready **out, unet_error *err);
void un_picture_cache_put(un_picture_cache *c, int index);

typedef struct un_cache_figures {
    int64_t loads, hits;
    size_t bytes, most_bytes; /* held now; most held so far, pictures in use included */
} un_cache_figures;
un_cache_figures un_picture_cache_figures(un_picture_cache *c);

#endif
