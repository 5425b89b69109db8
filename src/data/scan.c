/* The scan: every item measured, in parallel, unless the file of results knows it. */
#include "data/scan.h"

#include <pthread.h>
#include <string.h>

typedef struct run {
    un_scan *s;
    const un_dataset *d;
    const un_config *cfg;
    const un_scan_options *opt;
    const un_scan_cache *cache;
    un_mem *mem;
    pthread_mutex_t lock; /* of what follows */
    int done, stop;
    unet_status st;
    unet_error *err;
} run;

static void report(run *r, unet_status st, const unet_error *e, int from_cache)
{
    pthread_mutex_lock(&r->lock);
    if (st && !r->st) {
        r->st = st;
        if (r->err)
            *r->err = *e;
    }
    r->s->decoded += !from_cache;
    r->done++;
    if (r->opt->progress && r->opt->progress(r->opt->ctx, r->done, r->s->count))
        r->stop = 1;
    pthread_mutex_unlock(&r->lock);
}

static int stopped(run *r)
{
    int stop;

    pthread_mutex_lock(&r->lock);
    stop = r->stop || r->st;
    pthread_mutex_unlock(&r->lock);
    return stop;
}

static void measure_one(void *arg, int64_t task, int worker)
{
    run *r = arg;
    const un_item *item = &r->d->items[task];
    un_scan_item *out = &r->s->item[task];
    unet_error e;
    unet_status st = UNET_OK;
    int known;

    (void)worker;
    if (stopped(r))
        return;
    known = r->cache && un_scan_cache_get(r->cache, item, r->mem, out);
    if (!known)
        st = un_scan_measure(out, r->mem, item, r->cfg, &e);
    report(r, st, &e, known);
}

static unet_status measure_all(run *r)
{
    if (pthread_mutex_init(&r->lock, NULL))
        return un_fail(r->err, UNET_E_INTERNAL, "cannot make a lock");
    un_pool_run(r->opt->pool, measure_one, r, r->s->count);
    pthread_mutex_destroy(&r->lock);
    if (!r->st && r->stop)
        return un_fail(r->err, UNET_E_CANCELLED, "stopped while looking at the pictures");
    return r->st;
}

unet_status un_scan_run(
    un_scan **out, un_mem *mem, un_dataset *d, const un_config *cfg, const un_scan_options *opt, unet_error *err)
{
    static const un_scan_options defaults;
    run r = {.d = d, .cfg = cfg, .opt = opt ? opt : &defaults, .mem = mem, .err = err};
    un_scan_cache *cache = NULL;
    un_scan *s = un_alloc_zero(mem, sizeof *s);
    unet_status st = UNET_OK;

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->mem = mem;
    s->count = d->base_count;
    s->item = un_alloc_array(mem, (size_t)s->count, sizeof *s->item);
    if (!s->item)
        st = un_fail_nomem(err, (size_t)s->count * sizeof *s->item);
    if (!st && r.opt->cache_path)
        st = un_scan_cache_open(&cache, mem, r.opt->cache_path, cfg, err);
    r.s = s;
    r.cache = cache;
    if (!st)
        st = measure_all(&r);
    un_scan_cache_destroy(cache);
    if (!st && r.opt->cache_path && s->decoded &&
        un_scan_cache_write(r.opt->cache_path, mem, d, s, cfg, err) == UNET_E_NOMEM)
        st = UNET_E_NOMEM;
    if (!st)
        st = un_scan_find_issues(d, s, cfg, err);
    if (st)
        un_scan_destroy(s);
    else
        *out = s;
    return st;
}

void un_scan_destroy(un_scan *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->count && s->item; i++)
        un_scan_item_free(&s->item[i]);
    un_free(s->item);
    un_free(s);
}
