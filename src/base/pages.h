/* Memory for large blocks. */
#ifndef UN_BASE_PAGES_H
#define UN_BASE_PAGES_H

#include <stddef.h>

/* Blocks from here on are worth a large page. */
#define UN_PAGES_BLOCK ((size_t)2 << 20)

/* For free(). Where the system has large pages on request, the block lies on them: one page fault and one entry of the
 * address cache for 512 small ones. NULL: no memory. */
void *un_pages_alloc(size_t bytes);

#endif
