/* A thread that does one thing at a time beside its owner. */
#ifndef UN_BASE_ERRAND_H
#define UN_BASE_ERRAND_H

#include "base/mem.h"

typedef struct un_errand un_errand;
typedef void (*un_errand_fn)(void *ctx);

/* NULL: no memory. Where no thread can be started, un_errand_start does the work itself. */
un_errand *un_errand_create(un_mem *mem);
void un_errand_destroy(un_errand *e); /* waits; NULL is fine */

/* One at a time: waits for the one before. */
void un_errand_start(un_errand *e, un_errand_fn fn, void *ctx);
void un_errand_wait(un_errand *e); /* until nothing is under way */

#endif
