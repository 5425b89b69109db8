/* The pool of builds without threads: everything runs on the caller's. */
#include "base/pool.h"

#include "base/float_mode.h"

struct un_pool {
    int threads;
};

unet_status un_pool_create(un_pool **out, un_mem *mem, int threads, unet_error *err)
{
    un_pool *p;

    *out = NULL;
    if (threads > 1)
        return un_fail(err, UNET_E_UNSUPPORTED, "%d threads: this build of unet has no threads", threads);
    p = un_alloc_zero(mem, sizeof *p);
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    p->threads = 1;
    *out = p;
    return UNET_OK;
}

void un_pool_destroy(un_pool *p)
{
    un_free(p);
}

int un_pool_threads(const un_pool *p)
{
    return p ? p->threads : 1;
}

void un_pool_run(un_pool *p, un_task_fn fn, void *arg, int64_t tasks)
{
    const un_float_mode before = un_float_mode_enter();

    (void)p;
    for (int64_t i = 0; i < tasks; i++)
        fn(arg, i, 0);
    un_float_mode_set(before);
}
