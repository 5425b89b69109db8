/* Memory for large blocks, straight from the system. */
#ifndef UN_BASE_PAGES_H
#define UN_BASE_PAGES_H

#include <stddef.h>

#define UN_PAGES_LARGE ((size_t)2 << 20) /* bytes of a large page; blocks from here on are worth it */

/* Zeroed, beginning at a multiple of UN_PAGES_LARGE; where the system has large pages on request, on these: one page
 * fault and one entry of the address cache for 512 small ones. The last part of a page lies on small ones. NULL: no
 * memory, or blocks are to come from the C library (builds with a sanitizer, which watches its own). */
void *un_pages_take(size_t bytes);
void un_pages_give(void *p, size_t bytes); /* gives it back at once */

#endif
