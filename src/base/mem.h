/* Memory with an owner that counts it. All blocks are 64-byte aligned.
 *
 * An un_mem is the accounting domain of one context: it forwards to the user's allocator (or the C library), counts
 * live and peak bytes, can refuse above a cap, and can be told to fail the n-th allocation (tests). Every function
 * takes NULL as "the process default", which forwards to the C library and counts nothing. Thread-safe. */
#ifndef UN_BASE_MEM_H
#define UN_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

typedef struct un_allocator {
    void *ctx;
    void *(*alloc)(void *ctx, size_t bytes); /* aligned as malloc; NULL when there is none */
    void (*release)(void *ctx, void *p, size_t bytes);
} un_allocator;

typedef struct un_mem un_mem;

un_mem *un_mem_create(const un_allocator *a); /* NULL a: the C library; NULL result: no memory      */
void un_mem_destroy(un_mem *m);               /* all blocks must be free; NULL is fine              */
void un_mem_cap(un_mem *m, size_t bytes);     /* live bytes above this are refused; 0: no cap       */
void un_mem_fail_at(un_mem *m, int64_t nth);  /* the nth (1-based) allocation from now fails; 0: off */
size_t un_mem_left(const un_mem *m);          /* bytes below the cap; SIZE_MAX: there is none        */
size_t un_mem_live(const un_mem *m);
size_t un_mem_peak(const un_mem *m);
int64_t un_mem_count(const un_mem *m); /* allocations so far */

/* For domains that do not come from the C library (base/block.h): a domain in un_mem_size() bytes at `at` (64-byte
 * aligned, nothing to destroy), its allocator's ctx, and what un_alloc asks the allocator for. */
size_t un_mem_size(void);
un_mem *un_mem_place(void *at, const un_allocator *a);
void *un_mem_context(const un_mem *m);
size_t un_mem_raw_bytes(size_t bytes);

/* NULL when there is no memory. bytes == 0 gives a valid block. Contents of un_alloc are undefined. */
void *un_alloc(un_mem *m, size_t bytes);
void *un_alloc_zero(un_mem *m, size_t bytes);
void *un_alloc_array(un_mem *m, size_t count, size_t each); /* zeroed; NULL on overflow too        */
void *un_realloc(un_mem *m, void *p, size_t bytes);         /* keeps the content; p may be NULL     */
void un_free(void *p);                                      /* knows its owner; NULL is fine        */
size_t un_alloc_size(const void *p);                        /* bytes asked for                      */
char *un_strdup(un_mem *m, const char *s);
char *un_strndup(un_mem *m, const char *s, size_t n);
char *un_asprintf(un_mem *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Arena: many small pieces, freed together. */
typedef struct un_arena un_arena;
un_arena *un_arena_create(un_mem *m);
void un_arena_destroy(un_arena *a);
void *un_arena_alloc(un_arena *a, size_t bytes); /* zeroed, 16-byte aligned; NULL when there is no memory */
char *un_arena_strdup(un_arena *a, const char *s);

#endif
