#include "data/picture_cache.h"

#include <pthread.h>
#include <string.h>

#include "base/size.h"

typedef enum entry_state { EMPTY, LOADING, READY } entry_state;

typedef struct entry {
    entry_state state;
    int users;
    int64_t used; /* tick of the last use */
    size_t bytes;
    un_ready ready;
} entry;

struct un_picture_cache {
    un_mem *mem;
    un_picture_source source;
    size_t cap;
    int *foreground;
    int foreground_count, objects;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t loaded;
    entry *entries; /* [source.count] */
    int64_t tick;
    un_cache_figures figures;
};

unet_status un_picture_cache_create(un_picture_cache **out, un_mem *mem, const un_picture_source *source, size_t bytes,
    const int *foreground, int foreground_count, int objects, unet_error *err)
{
    un_picture_cache *c = un_alloc_zero(mem, sizeof *c);
    const size_t count = (size_t)UN_MAX(0, source->count);

    *out = NULL;
    if (!c)
        return un_fail_nomem(err, sizeof *c);
    c->mem = mem;
    c->source = *source;
    c->cap = bytes;
    c->objects = objects;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->loaded, NULL);
    c->entries = un_alloc_array(mem, count, sizeof *c->entries);
    if (foreground) {
        c->foreground = un_alloc_array(mem, (size_t)foreground_count, sizeof *foreground);
        c->foreground_count = foreground_count;
    }
    if (!c->entries || (foreground && !c->foreground)) {
        un_picture_cache_destroy(c);
        return un_fail_nomem(err, count * sizeof *c->entries);
    }
    if (foreground)
        memcpy(c->foreground, foreground, (size_t)foreground_count * sizeof *foreground);
    *out = c;
    return UNET_OK;
}

void un_picture_cache_destroy(un_picture_cache *c)
{
    if (!c)
        return;
    for (int i = 0; c->entries && i < c->source.count; i++)
        un_ready_free(&c->entries[i].ready);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->loaded);
    un_free(c->entries);
    un_free(c->foreground);
    un_free(c);
}

/* Under the lock: drops what was not used for longest until the rest fits or is in use. */
static void make_room(un_picture_cache *c)
{
    while (c->figures.bytes > c->cap) {
        entry *oldest = NULL;

        for (int i = 0; i < c->source.count; i++) {
            entry *e = c->entries + i;

            if (e->state == READY && !e->users && (!oldest || e->used < oldest->used))
                oldest = e;
        }
        if (!oldest)
            return;
        c->figures.bytes -= oldest->bytes;
        un_ready_free(&oldest->ready);
        oldest->state = EMPTY;
    }
}

static unet_status load(un_picture_cache *c, int index, un_ready *out, unet_error *err)
{
    un_picture p = {0};
    unet_status st = c->source.load(c->source.ctx, index, c->mem, &p, err);

    if (st) {
        un_picture_free(&p);
        return st;
    }
    st = un_ready_make(out, c->mem, &p, c->foreground, c->foreground_count, err);
    if (!st && c->objects)
        st = un_ready_find_objects(out, c->mem, err);
    if (st)
        un_ready_free(out);
    return st;
}

/* The one that found the entry empty: loads without the lock, wakes those who wait for the same picture. */
static unet_status fill(un_picture_cache *c, int index, unet_error *err)
{
    entry *e = c->entries + index;
    unet_status st;

    e->state = LOADING;
    pthread_mutex_unlock(&c->lock);
    st = load(c, index, &e->ready, err);
    pthread_mutex_lock(&c->lock);
    c->figures.loads++;
    e->state = st ? EMPTY : READY;
    if (!st) {
        e->bytes = un_ready_bytes(&e->ready);
        c->figures.bytes += e->bytes;
        c->figures.most_bytes = UN_MAX(c->figures.most_bytes, c->figures.bytes);
    }
    pthread_cond_broadcast(&c->loaded);
    return st;
}

unet_status un_picture_cache_get(un_picture_cache *c, int index, const un_ready **out, unet_error *err)
{
    entry *e = c->entries + index;
    unet_status st = UNET_OK;

    *out = NULL;
    pthread_mutex_lock(&c->lock);
    while (e->state == LOADING)
        pthread_cond_wait(&c->loaded, &c->lock);
    if (e->state == READY)
        c->figures.hits++;
    else
        st = fill(c, index, err);
    if (!st) {
        e->users++;
        e->used = ++c->tick;
        *out = &e->ready;
        make_room(c);
    }
    pthread_mutex_unlock(&c->lock);
    return st;
}

void un_picture_cache_put(un_picture_cache *c, int index)
{
    pthread_mutex_lock(&c->lock);
    c->entries[index].users--;
    make_room(c);
    pthread_mutex_unlock(&c->lock);
}

un_cache_figures un_picture_cache_figures(un_picture_cache *c)
{
    un_cache_figures f;

    pthread_mutex_lock(&c->lock);
    f = c->figures;
    pthread_mutex_unlock(&c->lock);
    return f;
}
