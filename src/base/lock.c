#include "base/lock.h"

#include <pthread.h>

struct un_lock {
    pthread_mutex_t mutex;
};

un_lock *un_lock_create(un_mem *mem)
{
    un_lock *l = un_alloc_zero(mem, sizeof *l);

    if (l)
        pthread_mutex_init(&l->mutex, NULL);
    return l;
}

void un_lock_destroy(un_lock *l)
{
    if (l)
        pthread_mutex_destroy(&l->mutex);
    un_free(l);
}

void un_lock_take(un_lock *l)
{
    pthread_mutex_lock(&l->mutex);
}

void un_lock_give(un_lock *l)
{
    pthread_mutex_unlock(&l->mutex);
}
