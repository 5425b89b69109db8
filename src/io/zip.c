#include "io/zip.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/size.h"

/* Sizes of records, and what deflate can make of a byte at most. */
enum {
    END = 22,
    END64 = 56,
    LOCATOR = 20,
    CENTRAL = 46,
    LOCAL = 30,
    COMMENT_MAX = 65535,
    RATIO = 1032,
    STORED = 0,
    DEFLATED = 8,
    ZIP64_EXTRA = 1
};

typedef struct entry {
    const char *name;
    int method, flags;
    uint32_t crc;
    uint64_t packed, size, at; /* at: the local header */
    const unsigned char *data; /* once it was asked for */
    void *own;
} entry;

struct un_zip {
    un_mem *mem;
    const unsigned char *data;
    size_t size;
    const char *name;
    un_arena *arena;
    entry *entry;
    const entry **by_name;
    size_t count;
    uint64_t inflated; /* bytes so far */
};

static const uint64_t INFLATED_MOST = (uint64_t)8 << 30; /* entries may share packed bytes: so a bound for all */

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;

    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static unet_status bad(const un_zip *z, size_t at, const char *what, unet_error *err)
{
    return un_fail_offset(err, UNET_E_FORMAT, z->name, (int64_t)at, "zip: %s", what);
}

int un_zip_is(const unsigned char *data, size_t size)
{
    return size >= 4 && (!memcmp(data, "PK\3\4", 4) || !memcmp(data, "PK\5\6", 4));
}

/* The directory: entries, place, bytes. */
typedef struct directory {
    uint64_t count, at, bytes;
} directory;

static unet_status find_directory(const un_zip *z, directory *d, unet_error *err)
{
    const size_t least = z->size > END + COMMENT_MAX ? z->size - END - COMMENT_MAX : 0;
    size_t at = z->size - END;
    const unsigned char *p;

    while (memcmp(z->data + at, "PK\5\6", 4) || number(z->data + at + 20, 2) > z->size - at - END) {
        if (at == least)
            return bad(z, z->size, "no directory at the end: the file is truncated", err);
        at--;
    }
    p = z->data + at;
    *d = (directory){number(p + 10, 2), number(p + 16, 4), number(p + 12, 4)};
    if (at >= LOCATOR && !memcmp(p - LOCATOR, "PK\6\7", 4)) {
        const uint64_t at64 = number(p - LOCATOR + 8, 8);

        if (at64 > at || at - at64 < END64 || memcmp(z->data + at64, "PK\6\6", 4))
            return bad(z, at - LOCATOR, "the Zip64 record is not where it should be", err);
        p = z->data + at64;
        *d = (directory){number(p + 32, 8), number(p + 48, 8), number(p + 40, 8)};
        at = (size_t)at64;
    }
    if (d->at > at || d->bytes > at - d->at)
        return bad(z, at, "the directory does not lie inside the file", err);
    if (d->count > UN_ZIP_ENTRIES_MAX || d->count > d->bytes / CENTRAL)
        return bad(z, at, "more entries than the directory has room for", err);
    return UNET_OK;
}

/* 64-bit sizes stand in an extra field, in a fixed order, those only whose 32-bit form is full. */
static int read_extra(entry *e, const unsigned char *p, size_t size)
{
    uint64_t *const to[] = {&e->size, &e->packed, &e->at};

    while (size >= 4) {
        const size_t n = (size_t)number(p + 2, 2);
        size_t used = 4;

        if (n > size - 4)
            return 0;
        for (int i = 0; number(p, 2) == ZIP64_EXTRA && i < 3; i++)
            if (*to[i] == UINT32_MAX) {
                if (used + 8 > n + 4)
                    return 0;
                *to[i] = number(p + used, 8);
                used += 8;
            }
        p += 4 + n;
        size -= 4 + n;
    }
    return 1;
}

static unet_status read_entry(un_zip *z, entry *e, const directory *d, size_t *at, unet_error *err)
{
    const unsigned char *p = z->data + *at;
    const size_t left = (size_t)(d->at + d->bytes) - *at;
    size_t name, extra, comment;
    char *copy;

    if (left < CENTRAL || memcmp(p, "PK\1\2", 4))
        return bad(z, *at, "the directory is broken", err);
    name = (size_t)number(p + 28, 2);
    extra = (size_t)number(p + 30, 2);
    comment = (size_t)number(p + 32, 2);
    if (name + extra + comment > left - CENTRAL)
        return bad(z, *at, "an entry of the directory reaches behind its end", err);
    copy = un_arena_alloc(z->arena, name + 1);
    if (!copy)
        return un_fail_nomem(err, name + 1);
    memcpy(copy, p + CENTRAL, name);
    *e = (entry){.name = copy,
        .method = (int)number(p + 10, 2),
        .flags = (int)number(p + 8, 2),
        .crc = (uint32_t)number(p + 16, 4),
        .packed = number(p + 20, 4),
        .size = number(p + 24, 4),
        .at = number(p + 42, 4)};
    if (memchr(copy, 0, name) || !read_extra(e, p + CENTRAL + name, extra))
        return bad(z, *at, "an entry of the directory is broken", err);
    *at += CENTRAL + name + extra + comment;
    return UNET_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const entry *const *)a)->name, (*(const entry *const *)b)->name);
}

static unet_status read_directory(un_zip *z, unet_error *err)
{
    directory d = {0};
    size_t at;
    unet_status st = z->size < END ? bad(z, z->size, "too short", err) : find_directory(z, &d, err);

    if (st)
        return st;
    at = (size_t)d.at;
    z->entry = un_alloc_array(z->mem, (size_t)d.count + 1, sizeof *z->entry);
    z->by_name = un_alloc_array(z->mem, (size_t)d.count + 1, sizeof *z->by_name);
    if (!z->entry || !z->by_name)
        return un_fail_nomem(err, (size_t)d.count * sizeof *z->entry);
    while (!st && z->count < d.count) {
        st = read_entry(z, &z->entry[z->count], &d, &at, err);
        z->count += !st;
    }
    for (size_t i = 0; i < z->count; i++)
        z->by_name[i] = &z->entry[i];
    qsort(z->by_name, z->count, sizeof *z->by_name, by_name);
    for (size_t i = 1; i < z->count && !st; i++)
        if (!strcmp(z->by_name[i - 1]->name, z->by_name[i]->name))
            st = un_fail_offset(err, UNET_E_FORMAT, z->name, (int64_t)d.at, "zip: two entries are called '%.100s'",
                z->by_name[i]->name);
    return st;
}

unet_status un_zip_open(
    un_zip **out, un_mem *mem, const unsigned char *data, size_t size, const char *name, unet_error *err)
{
    un_zip *z = un_alloc_zero(mem, sizeof *z);
    unet_status st;

    *out = NULL;
    if (!z)
        return un_fail_nomem(err, sizeof *z);
    *z = (un_zip){.mem = mem, .data = data, .size = size, .name = name, .arena = un_arena_create(mem)};
    st = z->arena ? read_directory(z, err) : un_fail_nomem(err, sizeof *z);
    if (st)
        un_zip_close(z);
    else
        *out = z;
    return st;
}

void un_zip_close(un_zip *z)
{
    if (!z)
        return;
    for (size_t i = 0; i < z->count; i++)
        un_free(z->entry[i].own);
    un_free(z->entry);
    un_free(z->by_name);
    un_arena_destroy(z->arena);
    un_free(z);
}

size_t un_zip_count(const un_zip *z)
{
    return z->count;
}

const char *un_zip_name(const un_zip *z, size_t i)
{
    return z->entry[i].name;
}

size_t un_zip_find(const un_zip *z, const char *name)
{
    const entry key = {.name = name}, *want = &key;
    const entry **hit = z->count ? bsearch(&want, z->by_name, z->count, sizeof *z->by_name, by_name) : NULL;

    return hit ? (size_t)(*hit - z->entry) : z->count;
}

static uint32_t checksum(const unsigned char *p, size_t n)
{
    uLong crc = crc32(0, NULL, 0);

    for (size_t at = 0; at < n;) { /* zlib counts in 32 bits */
        const size_t part = UN_MIN(n - at, (size_t)1 << 30);

        crc = crc32(crc, p + at, (uInt)part);
        at += part;
    }
    return (uint32_t)crc;
}

static unet_status inflate_entry(un_zip *z, entry *e, const unsigned char *from, unet_error *err)
{
    z_stream s = {.next_in = (Bytef *)(uintptr_t)from, .avail_in = (uInt)e->packed};
    int end;

    if (e->packed > UINT32_MAX || e->size > UINT32_MAX || e->size > (e->packed + 1) * RATIO ||
        e->size > INFLATED_MOST - z->inflated)
        return un_fail_offset(err, UNET_E_LIMIT, z->name, (int64_t)e->at,
            "zip: '%.100s' of %llu bytes cannot come from %llu packed ones, or is too much", e->name,
            (unsigned long long)e->size, (unsigned long long)e->packed);
    e->own = un_alloc(z->mem, (size_t)e->size + 1);
    if (!e->own)
        return un_fail_nomem(err, (size_t)e->size);
    z->inflated += e->size;
    s.next_out = e->own;
    s.avail_out = (uInt)e->size;
    if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
        return un_fail_nomem(err, 1 << 15);
    end = inflate(&s, Z_FINISH);
    inflateEnd(&s);
    if (end != Z_STREAM_END || s.avail_out)
        return bad(z, (size_t)(from - z->data), "packed bytes are damaged, or of another length than stated", err);
    e->data = e->own;
    return UNET_OK;
}

/* The packed bytes, behind a header of their own. */
static unet_status locate(const un_zip *z, const entry *e, const unsigned char **from, unet_error *err)
{
    size_t head;

    if (e->at > z->size || z->size - e->at < LOCAL || memcmp(z->data + e->at, "PK\3\4", 4))
        return bad(z, (size_t)UN_MIN(e->at, z->size), "an entry is not where the directory says", err);
    head = LOCAL + (size_t)number(z->data + e->at + 26, 2) + (size_t)number(z->data + e->at + 28, 2);
    if (head > z->size - e->at || e->packed > z->size - e->at - head)
        return un_fail_offset(
            err, UNET_E_FORMAT, z->name, (int64_t)e->at, "zip: '%.100s' ends behind the end of the file", e->name);
    *from = z->data + e->at + head;
    return UNET_OK;
}

unet_status un_zip_data(un_zip *z, size_t i, const unsigned char **data, size_t *size, int64_t *offset, unet_error *err)
{
    entry *e = &z->entry[i];
    const unsigned char *from = z->data;
    unet_status st = locate(z, e, &from, err);

    if (st)
        return st;
    if (!e->data) {
        if (e->flags & 1 || (e->method != STORED && e->method != DEFLATED))
            return un_fail_offset(err, UNET_E_UNSUPPORTED, z->name, (int64_t)e->at,
                "zip: '%.100s' is encrypted, or packed by a method other than deflate", e->name);
        if (e->method == DEFLATED)
            st = inflate_entry(z, e, from, err);
        else if (e->packed != e->size)
            st = bad(z, (size_t)e->at, "a stored entry has two lengths", err);
        else
            e->data = from;
        if (!st && checksum(e->data, (size_t)e->size) != e->crc) {
            e->data = NULL;
            st = un_fail_offset(
                err, UNET_E_FORMAT, z->name, (int64_t)e->at, "zip: '%.100s' is damaged (its CRC-32 differs)", e->name);
        }
        if (st) {
            un_free(e->own);
            e->own = NULL;
            return st;
        }
    }
    *data = e->data;
    *size = (size_t)e->size;
    if (offset)
        *offset = from - z->data;
    return UNET_OK;
}
