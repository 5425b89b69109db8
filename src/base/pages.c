#define _DEFAULT_SOURCE
#include "base/pages.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/size.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
void *un_pages_take(size_t bytes)
{
    (void)bytes;
    return NULL;
}
#else
void *un_pages_take(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t length, before;
    unsigned char *p;

    if (!un_size_add(bytes, UN_PAGES_LARGE + page, &length))
        return NULL;
    bytes = un_round_up(bytes, page);
    length = bytes + UN_PAGES_LARGE;
    p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    before = un_round_up((uintptr_t)p, UN_PAGES_LARGE) - (uintptr_t)p;
    if (before)
        munmap(p, before);
    if (before < UN_PAGES_LARGE)
        munmap(p + before + bytes, UN_PAGES_LARGE - before);
#ifdef MADV_HUGEPAGE
    (void)madvise(p + before, bytes / UN_PAGES_LARGE * UN_PAGES_LARGE, MADV_HUGEPAGE);
#endif
    return p + before;
}
#endif

void un_pages_give(void *p, size_t bytes)
{
    munmap(p, un_round_up(bytes, (size_t)sysconf(_SC_PAGESIZE)));
}
