/* Blocks of memory that are made once, from something that does not change, and used by many: packed weights. Each is
 * found by a key that says what it is made of. Who looks for blocks, adds or drops them holds the lock, and fills a new
 * block before giving the lock back, so whatever is found is ready. A block without users stays for the next one until
 * un_shared_trim. */
#ifndef UN_BASE_SHARED_H
#define UN_BASE_SHARED_H

#include "base/mem.h"

enum { UN_SHARED_KEY = 128 }; /* bytes of a key at most */

typedef struct un_shared un_shared;
typedef struct un_shared_block un_shared_block;

un_shared *un_shared_create(un_mem *mem); /* with one owner; NULL: no memory */
void un_shared_destroy(un_shared *s);     /* and all its blocks; NULL is fine */

/* Owners, in any thread. leave returns 1 to the last one, who destroys. */
void un_shared_join(un_shared *s);
int un_shared_leave(un_shared *s);

void un_shared_lock(un_shared *s);
void un_shared_unlock(un_shared *s);

/* Each with the lock held. find and add count a user, drop counts one less; the key's bytes are compared. */
un_shared_block *un_shared_find(un_shared *s, const void *key, size_t bytes);                  /* NULL: there is none */
un_shared_block *un_shared_add(un_shared *s, const void *key, size_t key_bytes, size_t bytes); /* NULL: no memory */
void un_shared_drop(un_shared_block *b);
void un_shared_trim(un_shared *s); /* frees what has no users */

void *un_shared_data(const un_shared_block *b); /* 64-byte aligned; not zeroed */

#endif
