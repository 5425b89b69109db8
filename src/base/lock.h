/* A lock: one thread holds it, others wait. lock.c waits by sleeping, lock_spin.c (the inference library) without any
 * system. */
#ifndef UN_BASE_LOCK_H
#define UN_BASE_LOCK_H

#include "base/mem.h"

typedef struct un_lock un_lock;

un_lock *un_lock_create(un_mem *mem); /* NULL: no memory */
void un_lock_destroy(un_lock *l);     /* NULL is fine */
void un_lock_take(un_lock *l);
void un_lock_give(un_lock *l);

#endif
