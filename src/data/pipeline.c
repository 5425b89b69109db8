#include "data/pipeline.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "data/mix.h"
#include "data/picture_cache.h"

enum { AHEAD = 3 };

/* Room for one batch. Batch number seq (from the start) uses slot seq % ahead. */
typedef struct slot {
    un_batch batch;
    int64_t seq;   /* of the batch in it; -1: none yet */
    int claimed;   /* samples that somebody took on */
    int remaining; /* samples that are not done */
    unet_status st;
    int bad; /* sample that st and why are of: the first in order, whoever was first in time */
    unet_error why;
} slot;

struct un_pipeline {
    un_mem *mem;
    un_pipeline_options opt;
    un_cfg_augment cfg; /* settled */
    un_picture_cache *cache;
    int pictures;
    un_augment *augment;
    un_augment_scratch **scratch; /* [max(threads, 1)] */
    int workers;
    pthread_t *thread;
    int running;          /* threads that were started */
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t work, ready;
    un_sampler *sampler;
    slot *slots;                     /* [ahead] */
    int64_t first_step, end;         /* end: number of batches to the last step */
    int64_t opened, taken, released; /* batches: begun, handed out, handed back */
    int started, quit, cancelled;
    un_pipeline_figures figures;
};

typedef struct worker_arg {
    un_pipeline *p;
    int index;
} worker_arg;

/* ---- making and ending ---- */

/* Floats (or class indices, of the same size) of each part of a batch. */
typedef struct parts {
    size_t pixels, image, target, soft, weight;
} parts;

static int count_parts(const un_pipeline_options *o, parts *n)
{
    memset(n, 0, sizeof *n);
    if (!un_size_mul((size_t)o->ghost_batch, (size_t)o->size[0], &n->pixels) ||
        !un_size_mul(n->pixels, (size_t)o->size[1], &n->pixels) ||
        !un_size_mul(n->pixels, (size_t)o->size[2], &n->pixels) ||
        !un_size_mul(n->pixels, (size_t)o->channels, &n->image))
        return 0;
    n->target = o->multilabel ? 0 : n->pixels;
    n->weight = o->multilabel || o->weights ? n->pixels : 0;
    return !o->multilabel || un_size_mul(n->pixels, (size_t)o->classes, &n->soft);
}

static void settle(un_pipeline_options *o)
{
    o->ghost_batch = o->ghost_batch ? o->ghost_batch : o->batch;
    o->ahead = o->ahead ? o->ahead : o->threads ? AHEAD : 1;
}

size_t un_pipeline_batch_bytes(const un_pipeline_options *opt)
{
    un_pipeline_options o = *opt;
    parts n;
    size_t sum;

    settle(&o);
    if (!count_parts(&o, &n) || !un_size_add(n.image, n.soft, &sum) || !un_size_add(sum, n.target + n.weight, &sum) ||
        !un_size_mul(sum, sizeof(float) * (size_t)o.ahead, &sum))
        return 0;
    return sum;
}

static unet_status make_slots(un_pipeline *p, unet_error *err)
{
    const un_pipeline_options *o = &p->opt;
    parts n;

    if (!count_parts(o, &n))
        return un_fail(err, UNET_E_LIMIT, "a batch of %d patches of %d x %d x %d is too large", o->ghost_batch,
            o->size[0], o->size[1], o->size[2]);
    p->slots = un_alloc_array(p->mem, (size_t)o->ahead, sizeof *p->slots);
    for (int i = 0; p->slots && i < o->ahead; i++) {
        un_batch *b = &p->slots[i].batch;

        *b = (un_batch){.n = o->ghost_batch,
            .d = o->size[0],
            .h = o->size[1],
            .w = o->size[2],
            .c = o->channels,
            .classes = o->classes};
        p->slots[i].seq = -1;
        b->image = un_alloc_array(p->mem, n.image, sizeof *b->image);
        b->target = n.target ? un_alloc_array(p->mem, n.target, sizeof *b->target) : NULL;
        b->soft = n.soft ? un_alloc_array(p->mem, n.soft, sizeof *b->soft) : NULL;
        b->weight = n.weight ? un_alloc_array(p->mem, n.weight, sizeof *b->weight) : NULL;
        b->picture = un_alloc_array(p->mem, (size_t)b->n, sizeof *b->picture);
        if (!b->image || (n.target && !b->target) || (n.soft && !b->soft) || (n.weight && !b->weight) || !b->picture)
            return un_fail_nomem(err, n.image * sizeof *b->image);
    }
    return p->slots ? UNET_OK : un_fail_nomem(err, (size_t)o->ahead * sizeof *p->slots);
}

static unet_status make_workers(un_pipeline *p, unet_error *err)
{
    const un_pipeline_options *o = &p->opt;
    unet_status st = un_augment_create(&p->augment, p->mem, o->augment, o->size, o->channels, err);

    p->workers = UN_MAX(1, o->threads);
    p->scratch = un_alloc_array(p->mem, (size_t)p->workers, sizeof(un_augment_scratch *));
    p->thread = un_alloc_array(p->mem, (size_t)p->workers, sizeof *p->thread);
    if (!st && (!p->scratch || !p->thread))
        st = un_fail_nomem(err, (size_t)p->workers * sizeof *p->thread);
    for (int i = 0; !st && i < p->workers; i++)
        st = un_augment_scratch_create(&p->scratch[i], p->mem, p->augment, err);
    return st;
}

static unet_status check_options(const un_pipeline_options *o, unet_error *err)
{
    if (o->batch < 1 || o->ghost_batch < 1 || o->batch % o->ghost_batch)
        return un_fail(err, UNET_E_ARG, "ghost_batch %d does not divide batch %d", o->ghost_batch, o->batch);
    if (o->size[0] < 1 || o->size[1] < 1 || o->size[2] < 1 || o->channels < 1 || o->classes < 1)
        return un_fail(err, UNET_E_ARG, "a patch of %d x %d x %d with %d channels and %d classes", o->size[0],
            o->size[1], o->size[2], o->channels, o->classes);
    if (o->threads < 0 || o->ahead < 1 || o->steps < 0 || o->steps >= UINT32_MAX)
        return un_fail(
            err, UNET_E_ARG, "%d threads, %d batches ahead, %lld steps", o->threads, o->ahead, (long long)o->steps);
    return UNET_OK;
}

unet_status un_pipeline_create(
    un_pipeline **out, un_mem *mem, const un_picture_source *source, const un_pipeline_options *opt, unet_error *err)
{
    un_pipeline *p = un_alloc_zero(mem, sizeof *p);
    unet_status st;

    *out = NULL;
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    p->mem = mem;
    p->pictures = source->count;
    p->opt = *opt;
    settle(&p->opt);
    un_augment_settle(opt->augment, &p->cfg);
    p->opt.augment = &p->cfg;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->ready, NULL);
    st = check_options(&p->opt, err);
    if (!st)
        st = un_sampler_create(&p->sampler, mem, source, opt->seed, err);
    if (!st)
        st = un_picture_cache_create(
            &p->cache, mem, source, opt->cache_bytes, opt->foreground, opt->foreground_count, opt->objects, err);
    if (!st)
        st = make_workers(p, err);
    if (!st)
        st = make_slots(p, err);
    if (st) {
        un_pipeline_destroy(p);
        return st;
    }
    p->opt.foreground = NULL; /* the cache has its own copy */
    *out = p;
    return UNET_OK;
}

static void stop_threads(un_pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    p->quit = 1;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->running; i++)
        pthread_join(p->thread[i], NULL);
    p->running = 0;
}

void un_pipeline_destroy(un_pipeline *p)
{
    if (!p)
        return;
    stop_threads(p);
    for (int i = 0; p->slots && i < p->opt.ahead; i++) {
        un_batch *b = &p->slots[i].batch;

        un_free(b->image);
        un_free(b->target);
        un_free(b->soft);
        un_free(b->weight);
        un_free(b->picture);
    }
    for (int i = 0; p->scratch && i < p->workers; i++)
        un_augment_scratch_destroy(p->scratch[i]);
    un_augment_destroy(p->augment);
    un_picture_cache_destroy(p->cache);
    un_sampler_destroy(p->sampler);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->ready);
    un_free(p->scratch);
    un_free(p->thread);
    un_free(p->slots);
    un_free(p);
}

/* ---- samples ---- */

static unet_status check_picture(const un_pipeline *p, const un_picture *pic, unet_error *err)
{
    if (p->opt.multilabel ? pic->target != NULL : pic->soft != NULL)
        return un_fail(err, UNET_E_DATA, "multi-label and other masks in one data set");
    if ((pic->target || pic->soft) && pic->classes > p->opt.classes)
        return un_fail(err, UNET_E_DATA, "%d classes, the network has %d", pic->classes, p->opt.classes);
    return UNET_OK;
}

static unet_status get_partner(void *ctx, int index, const un_ready **out, unet_error *err)
{
    un_pipeline *p = ctx;
    unet_status st = un_picture_cache_get(p->cache, index, out, err);

    if (st)
        return st;
    st = check_picture(p, &(*out)->picture, err);
    if (st)
        un_picture_cache_put(p->cache, index);
    return st;
}

static void put_partner(void *ctx, int index)
{
    un_picture_cache_put(((un_pipeline *)ctx)->cache, index);
}

/* Sample i of a batch, into its place. */
static unet_status prepare(un_pipeline *p, const un_batch *b, int i, int worker, unet_error *err)
{
    const size_t pixels = (size_t)b->d * (size_t)b->h * (size_t)b->w, k = (size_t)i;
    const un_patch to = {.image = b->image + k * pixels * (size_t)b->c,
        .target = b->target ? b->target + k * pixels : NULL,
        .soft = b->soft ? b->soft + k * pixels * (size_t)b->classes : NULL,
        .weight = b->weight ? b->weight + k * pixels : NULL,
        .classes = b->classes};
    const un_draw draw = {p->opt.seed, b->step, b->first + i};
    const un_ready *r;
    un_rng rng;
    int start[3];
    unet_status st = un_picture_cache_get(p->cache, b->picture[i], &r, err);

    if (st)
        return st;
    st = check_picture(p, &r->picture, err);
    if (!st) {
        un_rng_init(&rng, draw.seed, UN_RNG_SAMPLE, (uint32_t)draw.step, (uint32_t)draw.sample, 0);
        un_sampler_crop(r, p->opt.size, p->cfg.foreground, &rng, start);
        st = un_augment_run(p->augment, p->scratch[worker], r, start, &draw, &to, err);
    }
    un_picture_cache_put(p->cache, b->picture[i]);
    if (!st) {
        const un_partners others = {p, p->pictures, get_partner, put_partner};

        st = un_mix_run(p->augment, p->scratch[worker], &draw, &others, &to, err);
    }
    return st;
}

/* Under the lock: the slot of the next sample to take on, opened where it is a new batch; NULL: nothing to do now. */
static slot *claim(un_pipeline *p)
{
    const int groups = p->opt.batch / p->opt.ghost_batch;
    slot *s = p->slots + (p->opened + p->opt.ahead - 1) % p->opt.ahead;
    un_batch *b;

    if (p->opened && s->claimed < s->batch.n)
        return s;
    if (p->opened - p->released >= p->opt.ahead || p->opened >= p->end)
        return NULL;
    s = p->slots + p->opened % p->opt.ahead;
    b = &s->batch;
    s->seq = p->opened;
    s->claimed = 0;
    s->remaining = b->n;
    s->st = UNET_OK;
    b->step = p->first_step + p->opened / groups;
    b->first = (int)(p->opened % groups) * b->n;
    for (int i = 0; i < b->n; i++)
        b->picture[i] = un_sampler_picture(p->sampler, (b->step - 1) * p->opt.batch + b->first + i);
    p->opened++;
    return s;
}

/* Under the lock, which is given up meanwhile: one sample. */
static void do_sample(un_pipeline *p, slot *s, int worker)
{
    const int i = s->claimed++;
    unet_error why = {0};
    double began;
    unet_status st;

    pthread_mutex_unlock(&p->lock);
    began = un_clock_s();
    st = prepare(p, &s->batch, i, worker, &why);
    began = un_clock_s() - began;
    pthread_mutex_lock(&p->lock);
    p->figures.busy_s += began;
    p->figures.samples++;
    if (st && (!s->st || i < s->bad)) {
        s->st = st;
        s->bad = i;
        s->why = why;
    }
    if (--s->remaining == 0)
        pthread_cond_broadcast(&p->ready);
}

static void *worker_main(void *v)
{
    const worker_arg a = *(worker_arg *)v;
    un_pipeline *p = a.p;

    un_free(v);
    pthread_mutex_lock(&p->lock);
    while (!p->quit) {
        slot *s = p->cancelled ? NULL : claim(p);

        if (s)
            do_sample(p, s, a.index);
        else
            pthread_cond_wait(&p->work, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- for the trainer ---- */

unet_status un_pipeline_start(un_pipeline *p, int64_t step, unet_error *err)
{
    if (p->taken > p->released)
        return un_fail(err, UNET_E_ARG, "a batch is held");
    if (step < 1 || step >= UINT32_MAX || (p->opt.steps && step > p->opt.steps + 1))
        return un_fail(err, UNET_E_ARG, "step %lld of %lld", (long long)step, (long long)p->opt.steps);
    stop_threads(p);
    p->quit = 0;
    p->opened = p->taken = p->released = 0;
    for (int i = 0; i < p->opt.ahead; i++)
        p->slots[i].seq = -1;
    p->started = 1;
    p->first_step = step;
    p->end = ((p->opt.steps ? p->opt.steps : UINT32_MAX - 1) - step + 1) * (p->opt.batch / p->opt.ghost_batch);
    for (int i = 0; i < p->opt.threads; i++) {
        worker_arg *a = un_alloc(p->mem, sizeof *a);

        if (!a)
            return un_fail_nomem(err, sizeof *a);
        *a = (worker_arg){p, i};
        if (pthread_create(&p->thread[i], NULL, worker_main, a)) {
            un_free(a);
            return un_fail(
                err, UNET_E_LIMIT, "no more threads: %d of %d for the preparation of patches run", i, p->opt.threads);
        }
        p->running++;
    }
    return UNET_OK;
}

unet_status un_pipeline_next(un_pipeline *p, const un_batch **out, unet_error *err)
{
    const double began = un_clock_s();
    unet_status st = UNET_OK;
    slot *s;

    *out = NULL;
    pthread_mutex_lock(&p->lock);
    s = p->slots + p->taken % p->opt.ahead;
    if (p->cancelled)
        st = un_fail(err, UNET_E_CANCELLED, "cancelled");
    else if (!p->started || p->taken >= p->end)
        st = un_fail(err, UNET_E_ARG, p->started ? "there is no batch after the last step" : "not started");
    else if (p->taken - p->released >= p->opt.ahead)
        st = un_fail(err, UNET_E_ARG, "all %d batches are held", p->opt.ahead);
    while (!st && !p->cancelled && (s->seq != p->taken || s->remaining)) {
        if (p->opt.threads)
            pthread_cond_wait(&p->ready, &p->lock);
        else
            do_sample(p, claim(p), 0);
    }
    p->figures.waiting_s += un_clock_s() - began;
    if (!st && p->cancelled)
        st = un_fail(err, UNET_E_CANCELLED, "cancelled");
    if (!st && s->st) {
        st = s->st;
        if (err)
            *err = s->why;
    }
    if (!st) {
        *out = &s->batch;
        p->taken++;
    }
    pthread_mutex_unlock(&p->lock);
    return st;
}

void un_pipeline_release(un_pipeline *p, const un_batch *b)
{
    pthread_mutex_lock(&p->lock);
    UN_ASSERT(b == &p->slots[p->released % p->opt.ahead].batch && p->released < p->taken);
    (void)b;
    p->released++;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void un_pipeline_cancel(un_pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    p->cancelled = 1;
    pthread_cond_broadcast(&p->ready);
    pthread_mutex_unlock(&p->lock);
}

un_epoch un_pipeline_epoch(const un_pipeline *p)
{
    return un_sampler_epoch(p->sampler);
}

un_pipeline_figures un_pipeline_figures_get(un_pipeline *p)
{
    const un_cache_figures c = un_picture_cache_figures(p->cache);
    un_pipeline_figures f;

    pthread_mutex_lock(&p->lock);
    f = p->figures;
    pthread_mutex_unlock(&p->lock);
    f.loads = c.loads;
    f.hits = c.hits;
    f.most_cache_bytes = c.most_bytes;
    return f;
}
