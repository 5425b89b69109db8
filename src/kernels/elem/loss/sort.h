/* Sorting lists of equal length, largest first, equal ones in their order: the losses that need the rank of a pixel. A
 * radix sort of three digits in phases, cut into blocks of fixed size, so that its order depends on the numbers alone.
 *
 * The caller's phases UN_SORT_PHASES from `first` on belong to it. Before them the caller fills the keys of buffer 0
 * (un_sort_key); after them un_sort_order gives the ranking. Numbers are compared as floats. */
#ifndef UN_KERNELS_ELEM_LOSS_SORT_H
#define UN_KERNELS_ELEM_LOSS_SORT_H

#include "kernels/elem/loss/loss.h"

enum { UN_SORT_PHASES = 9, UN_SORT_BLOCK = 16384, UN_SORT_BITS = 11, UN_SORT_DIGITS = 1 << UN_SORT_BITS };

typedef struct un_sort {
    int64_t lists, length, blocks; /* blocks in a list */
    uint32_t *key[2], *from[2];    /* [lists][length]: keys, and the places they come from */
    uint32_t *count;               /* [lists][blocks][UN_SORT_DIGITS] */
} un_sort;

static inline un_sort un_sort_of(int64_t lists, int64_t length, void *room)
{
    un_sort s = {.lists = lists, .length = length, .blocks = un_ceil_div(length, UN_SORT_BLOCK)};
    uint32_t *p = room;

    s.key[0] = p;
    s.key[1] = p + lists * length;
    s.from[0] = p + 2 * lists * length;
    s.from[1] = p + 3 * lists * length;
    s.count = p + 4 * lists * length;
    return s;
}

static inline size_t un_sort_bytes(int64_t lists, int64_t length)
{
    const size_t blocks = (size_t)un_ceil_div(length, UN_SORT_BLOCK);

    return (size_t)lists * (4 * (size_t)length + blocks * UN_SORT_DIGITS) * sizeof(uint32_t);
}

static inline uint32_t un_sort_key(real x)
{
    const uint32_t u = (uint32_t)un_bits_of_f32((float)x);

    return ~(u >> 31 ? ~u : u | UINT32_C(0x80000000));
}

/* [length] places of a list, the largest first. */
static inline const uint32_t *un_sort_order(const un_sort *s, int64_t list)
{
    return s->from[1] + list * s->length;
}

static inline int64_t un_sort_tasks(const un_sort *s, int phase)
{
    return phase % 3 == 1 ? s->lists : s->lists * s->blocks;
}

static inline void un_sort_count(const un_sort *s, int pass, int64_t task)
{
    const int64_t list = task / s->blocks, b = task % s->blocks, i = b * UN_SORT_BLOCK;
    const uint32_t *key = s->key[pass & 1] + list * s->length;
    uint32_t *count = s->count + task * UN_SORT_DIGITS;

    for (int k = 0; k < UN_SORT_DIGITS; k++)
        count[k] = 0;
    for (int64_t j = i; j < UN_MIN(i + UN_SORT_BLOCK, s->length); j++)
        count[key[j] >> (UN_SORT_BITS * pass) & (UN_SORT_DIGITS - 1)]++;
}

/* Counts become the first place of each digit of each block. */
static inline void un_sort_places(const un_sort *s, int64_t list)
{
    uint32_t *count = s->count + list * s->blocks * UN_SORT_DIGITS, place = 0;

    for (int k = 0; k < UN_SORT_DIGITS; k++)
        for (int64_t b = 0; b < s->blocks; b++) {
            const uint32_t n = count[b * UN_SORT_DIGITS + k];

            count[b * UN_SORT_DIGITS + k] = place;
            place += n;
        }
}

static inline void un_sort_move(const un_sort *s, int pass, int64_t task)
{
    const int64_t list = task / s->blocks, at = list * s->length, i = task % s->blocks * UN_SORT_BLOCK;
    const uint32_t *key = s->key[pass & 1] + at, *from = s->from[pass & 1] + at;
    uint32_t *to = s->key[~pass & 1] + at, *place = s->from[~pass & 1] + at, *next = s->count + task * UN_SORT_DIGITS;

    for (int64_t j = i; j < UN_MIN(i + UN_SORT_BLOCK, s->length); j++) {
        const uint32_t k = next[key[j] >> (UN_SORT_BITS * pass) & (UN_SORT_DIGITS - 1)]++;

        to[k] = key[j];
        place[k] = pass ? from[j] : (uint32_t)j;
    }
}

/* phase: counted from the first of the sort. */
static inline void un_sort_run(const un_sort *s, int phase, int64_t task)
{
    if (phase % 3 == 0)
        un_sort_count(s, phase / 3, task);
    else if (phase % 3 == 1)
        un_sort_places(s, task);
    else
        un_sort_move(s, phase / 3, task);
}

#endif
