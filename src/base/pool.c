#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/float_mode.h"
#include "base/limits.h"
#include "base/size.h"

enum { SPIN = 2000, LOOKS = 8 };

/* The tasks of a region that a thread takes first: they follow each other, so that what two neighbours read or fetch
 * ahead is in one core's caches. A thread that has done its own takes of others'. */
typedef struct share {
    atomic_llong next;
    int64_t end;
    char apart[48]; /* a cache line each */
} share;

struct un_pool {
    int threads, started;
    share *shares; /* [threads] */
    pthread_t *id;
    struct worker_arg *start; /* [threads] */
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    unsigned generation; /* of the region, guarded by lock; workers also peek at it while spinning */
    atomic_uint peek;
    int open, quit;     /* open: there are tasks that nobody has taken */
    atomic_int working; /* workers in the region; grows under the lock, while it is open */
    un_task_fn fn;
    void *arg;
};

/* Tells the core that this is a spin loop. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    __asm__ volatile("" ::: "memory");
#endif
}

typedef struct worker_arg {
    un_pool *pool;
    int index;
} worker_arg;

static void work(un_pool *p, int worker)
{
    for (int k = 0; k < p->threads; k++) {
        share *s = &p->shares[(worker + k) % p->threads];

        while (atomic_load_explicit(&s->next, memory_order_relaxed) < s->end) { /* many threads look at what is done */
            const int64_t i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed);

            if (i < s->end)
                p->fn(p->arg, i, worker);
        }
    }
}

/* A worker that comes when all tasks are taken stays out, so that nobody waits for it: where other programs run, it may
 * be long in coming. */
static void *worker_main(void *v)
{
    const worker_arg a = *(const worker_arg *)v;
    un_pool *p = a.pool;
    unsigned seen = 0;
    int joins;

    un_float_mode_enter();
    for (;;) {
        for (int i = 0; i < SPIN && atomic_load_explicit(&p->peek, memory_order_relaxed) == seen; i++)
            relax();
        pthread_mutex_lock(&p->lock);
        while (p->generation == seen && !p->quit)
            pthread_cond_wait(&p->wake, &p->lock);
        if (p->quit) {
            pthread_mutex_unlock(&p->lock);
            return NULL;
        }
        seen = p->generation;
        joins = p->open;
        if (joins)
            atomic_fetch_add(&p->working, 1);
        pthread_mutex_unlock(&p->lock);
        if (!joins)
            continue;
        work(p, a.index);
        pthread_mutex_lock(&p->lock);
        p->open = 0;
        if (atomic_fetch_sub(&p->working, 1) == 1)
            pthread_cond_signal(&p->done);
        pthread_mutex_unlock(&p->lock);
    }
}

unet_status un_pool_create(un_pool **out, un_mem *mem, int threads, unet_error *err)
{
    un_pool *p;

    *out = NULL;
    if (threads <= 0)
        threads = un_cpu_count();
    p = un_alloc_zero(mem, sizeof *p);
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    p->threads = threads;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    p->id = un_alloc_array(mem, (size_t)threads, sizeof *p->id);
    p->start = un_alloc_array(mem, (size_t)threads, sizeof *p->start);
    p->shares = un_alloc_array(mem, (size_t)threads, sizeof *p->shares);
    if (!p->id || !p->start || !p->shares) {
        un_pool_destroy(p);
        return un_fail_nomem(err, (size_t)threads * sizeof *p->id);
    }
    for (int i = 1; i < threads; i++) {
        p->start[i] = (worker_arg){p, i};
        if (pthread_create(&p->id[i], NULL, worker_main, &p->start[i])) {
            un_pool_destroy(p);
            return un_fail(err, UNET_E_NOMEM, "cannot start thread %d of %d; ask for fewer with --threads", i, threads);
        }
        p->started++;
    }
    *out = p;
    return UNET_OK;
}

void un_pool_destroy(un_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->quit = 1;
    atomic_fetch_add(&p->peek, 1);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (int i = 1; i <= p->started; i++)
        pthread_join(p->id[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    un_free(p->shares);
    un_free(p->start);
    un_free(p->id);
    un_free(p);
}

int un_pool_threads(const un_pool *p)
{
    return p ? p->threads : 1;
}

/* The tasks on all threads; the caller's mode is set. */
static void run_region(un_pool *p, un_task_fn fn, void *arg, int64_t tasks)
{
    pthread_mutex_lock(&p->lock);
    p->fn = fn;
    p->arg = arg;
    for (int i = 0; i < p->threads; i++) {
        atomic_store_explicit(&p->shares[i].next, tasks * i / p->threads, memory_order_relaxed);
        p->shares[i].end = tasks * (i + 1) / p->threads;
    }
    p->open = 1;
    p->generation++;
    atomic_store(&p->peek, p->generation);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    work(p, 0);
    pthread_mutex_lock(&p->lock);
    p->open = 0;
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < SPIN * LOOKS && atomic_load(&p->working); i++) /* most regions end together: look, then sleep */
        relax();
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->working))
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void un_pool_run(un_pool *p, un_task_fn fn, void *arg, int64_t tasks)
{
    const un_float_mode before = un_float_mode_enter();

    if (p && p->threads > 1 && tasks > 1)
        run_region(p, fn, arg, tasks);
    else
        for (int64_t i = 0; i < tasks; i++)
            fn(arg, i, 0);
    un_float_mode_set(before);
}
