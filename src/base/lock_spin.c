/* The lock of builds without threads of their own: whoever waits, which only a program with threads can see, looks
 * again and again. */
#include <stdatomic.h>

#include "base/lock.h"

struct un_lock {
    atomic_flag held;
};

un_lock *un_lock_create(un_mem *mem)
{
    un_lock *l = un_alloc_zero(mem, sizeof *l);

    if (l)
        atomic_flag_clear(&l->held);
    return l;
}

void un_lock_destroy(un_lock *l)
{
    un_free(l);
}

void un_lock_take(un_lock *l)
{
    while (atomic_flag_test_and_set_explicit(&l->held, memory_order_acquire))
        ;
}

void un_lock_give(un_lock *l)
{
    atomic_flag_clear_explicit(&l->held, memory_order_release);
}
