#include "base/errand.h"

#include <pthread.h>

struct un_errand {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t given, done;
    un_errand_fn fn; /* NULL: nothing is under way */
    void *ctx;
    int has_thread, quit;
};

static void *thread_main(void *v)
{
    un_errand *e = v;

    pthread_mutex_lock(&e->lock);
    for (;;) {
        while (!e->fn && !e->quit)
            pthread_cond_wait(&e->given, &e->lock);
        if (!e->fn)
            break;
        pthread_mutex_unlock(&e->lock);
        e->fn(e->ctx);
        pthread_mutex_lock(&e->lock);
        e->fn = NULL;
        pthread_cond_broadcast(&e->done);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

un_errand *un_errand_create(un_mem *mem)
{
    un_errand *e = un_alloc_zero(mem, sizeof *e);

    if (!e)
        return NULL;
    pthread_mutex_init(&e->lock, NULL);
    pthread_cond_init(&e->given, NULL);
    pthread_cond_init(&e->done, NULL);
    e->has_thread = !pthread_create(&e->thread, NULL, thread_main, e);
    return e;
}

void un_errand_start(un_errand *e, un_errand_fn fn, void *ctx)
{
    if (!e->has_thread) {
        fn(ctx);
        return;
    }
    pthread_mutex_lock(&e->lock);
    while (e->fn)
        pthread_cond_wait(&e->done, &e->lock);
    e->fn = fn;
    e->ctx = ctx;
    pthread_cond_signal(&e->given);
    pthread_mutex_unlock(&e->lock);
}

void un_errand_wait(un_errand *e)
{
    pthread_mutex_lock(&e->lock);
    while (e->fn)
        pthread_cond_wait(&e->done, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

void un_errand_destroy(un_errand *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->quit = 1;
    pthread_cond_signal(&e->given);
    pthread_mutex_unlock(&e->lock);
    if (e->has_thread)
        pthread_join(e->thread, NULL);
    pthread_mutex_destroy(&e->lock);
    pthread_cond_destroy(&e->given);
    pthread_cond_destroy(&e->done);
    un_free(e);
}
