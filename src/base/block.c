#include "base/block.h"

#include <string.h>

#include "base/size.h"

enum { LINE = 64 };

/* Lies before each piece. */
typedef struct piece {
    size_t below; /* offset of the piece under this one; SIZE_MAX: none */
    int freed;
} piece;
_Static_assert(sizeof(piece) <= LINE, "fits before the piece");

typedef struct block {
    unsigned char *base;           /* on a 64-byte line */
    size_t size, used, peak, last; /* last: offset of the piece at the end; SIZE_MAX: none */
} block;

static piece *piece_at(const block *b, size_t offset)
{
    return (piece *)(void *)(b->base + offset);
}

static void *take(void *ctx, size_t bytes)
{
    block *b = ctx;
    size_t total;
    piece *p;

    if (!un_size_add(bytes, 2 * LINE, &total))
        return NULL;
    total = LINE + un_round_up(bytes, LINE);
    if (total > b->size - b->used)
        return NULL;
    p = piece_at(b, b->used);
    *p = (piece){.below = b->last};
    b->last = b->used;
    b->used += total;
    b->peak = UN_MAX(b->peak, b->used);
    return (unsigned char *)p + LINE;
}

static void give_back(void *ctx, void *p, size_t bytes)
{
    block *b = ctx;

    (void)bytes;
    ((piece *)(void *)((unsigned char *)p - LINE))->freed = 1;
    while (b->last != SIZE_MAX && piece_at(b, b->last)->freed) {
        b->used = b->last;
        b->last = piece_at(b, b->last)->below;
    }
}

un_mem *un_mem_on_block(void *memory, size_t bytes)
{
    const size_t head = un_round_up(un_mem_size(), LINE) + un_round_up(sizeof(block), LINE);
    const size_t skip = (LINE - (uintptr_t)memory % LINE) % LINE;
    unsigned char *at = (unsigned char *)memory + skip;
    un_allocator a = {.alloc = take, .release = give_back};
    block *b;

    if (bytes < skip || bytes - skip < head)
        return NULL;
    b = (block *)(void *)(at + un_round_up(un_mem_size(), LINE));
    *b = (block){.base = at + head, .size = (bytes - skip - head) / LINE * LINE, .last = SIZE_MAX};
    a.ctx = b;
    return un_mem_place(at, &a);
}

size_t un_block_peak(const un_mem *m)
{
    return ((const block *)un_mem_context(m))->peak + un_block_least();
}

size_t un_block_room(size_t bytes)
{
    return un_round_up(un_mem_raw_bytes(bytes), LINE) + LINE;
}

size_t un_block_least(void)
{
    return un_round_up(un_mem_size(), LINE) + un_round_up(sizeof(block), LINE) + LINE;
}

/* ---- summing ---- */

static void *sum_alloc(void *ctx, size_t bytes)
{
    un_block_sum *s = ctx;

    s->bytes += un_round_up(bytes, LINE) + LINE;
    return un_alloc(s->to, bytes);
}

static void sum_release(void *ctx, void *p, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    un_free(p);
}

un_mem *un_mem_summing(un_block_sum *s, un_mem *to)
{
    *s = (un_block_sum){.to = to, .allocator = {.ctx = s, .alloc = sum_alloc, .release = sum_release}};
    return un_mem_create(&s->allocator);
}
