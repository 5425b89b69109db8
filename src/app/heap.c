#include "app/heap.h"

#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>

/* Without a fixed threshold glibc keeps blocks of up to 32 MiB once one of that size was freed. */
void un_heap_settle(void)
{
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 512 << 10);
}

#else

void un_heap_settle(void)
{
}

#endif
