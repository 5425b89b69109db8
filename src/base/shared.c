#include "base/shared.h"

#include <stdatomic.h>
#include <string.h>

#include "base/lock.h"

struct un_shared_block {
    un_shared_block *next;
    unsigned char key[UN_SHARED_KEY];
    size_t key_bytes;
    int users;
    void *data;
};

struct un_shared {
    un_mem *mem;
    un_lock *lock;
    atomic_int owners;
    un_shared_block *first;
};

un_shared *un_shared_create(un_mem *mem)
{
    un_shared *s = un_alloc_zero(mem, sizeof *s);

    if (!s)
        return NULL;
    s->mem = mem;
    atomic_init(&s->owners, 1);
    s->lock = un_lock_create(mem);
    if (!s->lock) {
        un_free(s);
        return NULL;
    }
    return s;
}

static void free_block(un_shared_block *b)
{
    un_free(b->data);
    un_free(b);
}

void un_shared_destroy(un_shared *s)
{
    if (!s)
        return;
    for (un_shared_block *b = s->first, *next; b; b = next) {
        next = b->next;
        free_block(b);
    }
    un_lock_destroy(s->lock);
    un_free(s);
}

void un_shared_join(un_shared *s)
{
    atomic_fetch_add(&s->owners, 1);
}

int un_shared_leave(un_shared *s)
{
    return atomic_fetch_sub(&s->owners, 1) == 1;
}

void un_shared_lock(un_shared *s)
{
    un_lock_take(s->lock);
}

void un_shared_unlock(un_shared *s)
{
    un_lock_give(s->lock);
}

un_shared_block *un_shared_find(un_shared *s, const void *key, size_t bytes)
{
    for (un_shared_block *b = s->first; b; b = b->next)
        if (b->key_bytes == bytes && !memcmp(b->key, key, bytes)) {
            b->users++;
            return b;
        }
    return NULL;
}

un_shared_block *un_shared_add(un_shared *s, const void *key, size_t key_bytes, size_t bytes)
{
    un_shared_block *b = key_bytes <= UN_SHARED_KEY ? un_alloc_zero(s->mem, sizeof *b) : NULL;

    if (!b)
        return NULL;
    b->data = un_alloc(s->mem, bytes);
    if (!b->data) {
        un_free(b);
        return NULL;
    }
    memcpy(b->key, key, key_bytes);
    b->key_bytes = key_bytes;
    b->users = 1;
    b->next = s->first;
    s->first = b;
    return b;
}

void un_shared_drop(un_shared_block *b)
{
    b->users--;
}

void un_shared_trim(un_shared *s)
{
    for (un_shared_block **at = &s->first; *at;) {
        un_shared_block *b = *at;

        if (b->users) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        free_block(b);
    }
}

void *un_shared_data(const un_shared_block *b)
{
    return b->data;
}
