/* A memory domain on one block: pieces come off its end last in, first out, and nothing is taken from the system.
 *
 * A piece that is freed gives its room back as soon as all later ones are freed too. Not thread-safe. */
#ifndef UN_BASE_BLOCK_H
#define UN_BASE_BLOCK_H

#include "base/mem.h"

/* The domain lies in the block itself and ends with it: nothing to destroy. NULL: too small for a domain. */
un_mem *un_mem_on_block(void *block, size_t bytes);
size_t un_block_peak(const un_mem *m); /* bytes of the block that were in use at most, all overhead included */

/* Bytes of a block that holds one piece of `bytes`; a block for several needs the sum, and un_block_least() for itself.
 */
size_t un_block_room(size_t bytes);
size_t un_block_least(void);

/* A domain that forwards to `to` and sums up what a block without any frees would have needed. */
typedef struct un_block_sum {
    un_mem *to;
    size_t bytes;
    un_allocator allocator;
} un_block_sum;
un_mem *un_mem_summing(un_block_sum *s, un_mem *to); /* NULL: no memory; un_mem_destroy */

#endif
