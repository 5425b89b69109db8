#include "base/mem.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pages.h"
#include "base/size.h"

enum { ALIGN = 64 };

struct un_mem {
    un_allocator a;
    atomic_size_t live, peak, cap;
    atomic_llong count, fail_in;
};

/* Sits in the 64 bytes before each block. */
typedef struct header {
    un_mem *owner;
    void *raw;
    size_t bytes, raw_bytes;
    int paged; /* from un_pages_take */
} header;
_Static_assert(sizeof(header) <= ALIGN, "the header fits before the block");

un_mem *un_mem_create(const un_allocator *a)
{
    un_mem *m = calloc(1, sizeof *m);

    if (m && a)
        m->a = *a;
    return m;
}

void un_mem_destroy(un_mem *m)
{
    free(m);
}

size_t un_mem_size(void)
{
    return sizeof(un_mem);
}

un_mem *un_mem_place(void *at, const un_allocator *a)
{
    un_mem *m = memset(at, 0, sizeof *m);

    m->a = *a;
    return m;
}

void *un_mem_context(const un_mem *m)
{
    return m->a.ctx;
}

size_t un_mem_raw_bytes(size_t bytes)
{
    return bytes + 2 * (size_t)ALIGN;
}

void un_mem_cap(un_mem *m, size_t bytes)
{
    atomic_store(&m->cap, bytes);
}

void un_mem_fail_at(un_mem *m, int64_t nth)
{
    atomic_store(&m->fail_in, nth);
}

size_t un_mem_left(const un_mem *m)
{
    const size_t cap = m ? atomic_load(&((un_mem *)m)->cap) : 0, live = cap ? un_mem_live(m) : 0;

    return !cap ? SIZE_MAX : cap > live ? cap - live : 0;
}

size_t un_mem_live(const un_mem *m)
{
    return atomic_load(&((un_mem *)m)->live);
}

size_t un_mem_peak(const un_mem *m)
{
    return atomic_load(&((un_mem *)m)->peak);
}

int64_t un_mem_count(const un_mem *m)
{
    return atomic_load(&((un_mem *)m)->count);
}

/* Counts the block in, or refuses it: cap reached, or this is the allocation that a test wants to fail. */
static int account(un_mem *m, size_t bytes)
{
    size_t live, cap, peak;

    atomic_fetch_add(&m->count, 1);
    if (atomic_load(&m->fail_in) > 0 && atomic_fetch_sub(&m->fail_in, 1) == 1)
        return 0;
    live = atomic_fetch_add(&m->live, bytes) + bytes;
    cap = atomic_load(&m->cap);
    if (cap && live > cap) {
        atomic_fetch_sub(&m->live, bytes);
        return 0;
    }
    peak = atomic_load(&m->peak);
    while (live > peak && !atomic_compare_exchange_weak(&m->peak, &peak, live))
        ;
    return 1;
}

/* *paged: whether it came from the system. */
static unsigned char *take(un_mem *m, size_t bytes, int *paged)
{
    unsigned char *p = NULL;

    *paged = 0;
    if (m && m->a.alloc)
        return m->a.alloc(m->a.ctx, bytes);
    if (bytes >= UN_PAGES_LARGE)
        p = un_pages_take(bytes);
    *paged = p != NULL;
    return p ? p : malloc(bytes);
}

static void *allocate(un_mem *m, size_t bytes, int *zeroed)
{
    size_t raw_bytes;
    unsigned char *raw, *p;
    header *h;

    if (!un_size_add(bytes, 2 * ALIGN, &raw_bytes) || (m && !account(m, bytes)))
        return NULL;
    raw = take(m, raw_bytes, zeroed);
    if (!raw) {
        if (m)
            atomic_fetch_sub(&m->live, bytes);
        return NULL;
    }
    p = raw + ALIGN + (ALIGN - (uintptr_t)raw % ALIGN) % ALIGN;
    h = (header *)(void *)(p - ALIGN);
    *h = (header){m, raw, bytes, raw_bytes, *zeroed};
    return p;
}

void *un_alloc(un_mem *m, size_t bytes)
{
    int zeroed;

    return allocate(m, bytes, &zeroed);
}

static header *header_of(const void *p)
{
    return (header *)(void *)((unsigned char *)(uintptr_t)p - ALIGN);
}

void un_free(void *p)
{
    header h;

    if (!p)
        return;
    h = *header_of(p);
    if (h.owner)
        atomic_fetch_sub(&h.owner->live, h.bytes);
    if (h.paged)
        un_pages_give(h.raw, h.raw_bytes);
    else if (h.owner && h.owner->a.release)
        h.owner->a.release(h.owner->a.ctx, h.raw, h.raw_bytes);
    else
        free(h.raw);
}

size_t un_alloc_size(const void *p)
{
    return p ? header_of(p)->bytes : 0;
}

void *un_alloc_zero(un_mem *m, size_t bytes)
{
    int zeroed;
    void *p = allocate(m, bytes, &zeroed);

    if (p && !zeroed)
        memset(p, 0, bytes);
    return p;
}

void *un_alloc_array(un_mem *m, size_t count, size_t each)
{
    size_t bytes;

    return un_size_mul(count, each, &bytes) ? un_alloc_zero(m, bytes) : NULL;
}

void *un_realloc(un_mem *m, void *p, size_t bytes)
{
    void *q = un_alloc(p ? header_of(p)->owner : m, bytes);

    if (q && p) {
        memcpy(q, p, UN_MIN(bytes, un_alloc_size(p)));
        un_free(p);
    }
    return q;
}

char *un_strndup(un_mem *m, const char *s, size_t n)
{
    char *d = n < SIZE_MAX ? un_alloc(m, n + 1) : NULL;

    if (d) {
        memcpy(d, s, n);
        d[n] = 0;
    }
    return d;
}

char *un_strdup(un_mem *m, const char *s)
{
    return un_strndup(m, s, strlen(s));
}

char *un_asprintf(un_mem *m, const char *fmt, ...)
{
    va_list ap;
    int n;
    char *s;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    s = n < 0 ? NULL : un_alloc(m, (size_t)n + 1);
    if (!s)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}

/* ---- arena ---- */

enum { ARENA_CHUNK = 16 * 1024 };

typedef struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
} chunk;

struct un_arena {
    un_mem *mem;
    chunk *head;
};

un_arena *un_arena_create(un_mem *m)
{
    un_arena *a = un_alloc_zero(m, sizeof *a);

    if (a)
        a->mem = m;
    return a;
}

void un_arena_destroy(un_arena *a)
{
    if (!a)
        return;
    for (chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        un_free(c);
    }
    un_free(a);
}

void *un_arena_alloc(un_arena *a, size_t bytes)
{
    chunk *c = a->head;
    size_t total;
    void *p;

    if (bytes > SIZE_MAX - 64)
        return NULL;
    bytes = un_round_up(bytes ? bytes : 1, 16);
    if (!c || c->size - c->used < bytes) {
        size_t size = UN_MAX(bytes, (size_t)ARENA_CHUNK);

        if (!un_size_add(sizeof *c, size, &total))
            return NULL;
        c = un_alloc(a->mem, total);
        if (!c)
            return NULL;
        *c = (chunk){.next = a->head, .size = size};
        a->head = c;
    }
    p = c->data + c->used;
    c->used += bytes;
    memset(p, 0, bytes);
    return p;
}

char *un_arena_strdup(un_arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    char *d = un_arena_alloc(a, n);

    if (d)
        memcpy(d, s, n);
    return d;
}
