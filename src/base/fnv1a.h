/* FNV-1a, 64 bits (Fowler, Noll, Vo): a checksum that tells changes by accident, not by an attacker. */
#ifndef UN_BASE_FNV1A_H
#define UN_BASE_FNV1A_H

#include <stddef.h>
#include <stdint.h>

#define UN_FNV1A_START UINT64_C(14695981039346656037)

/* Of the bytes so far, whose checksum is h (none: UN_FNV1A_START), and n more. */
static inline uint64_t un_fnv1a(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(1099511628211);
    return h;
}

#endif
