/* The axes inside a plane are resampled when it comes; planes then wait in a ring until all that a new plane is made of
 * are there. */
#include "data/restore.h"

#include <string.h>

#include "base/block.h"
#include "base/size.h"

struct un_restore {
    un_restore_sink sink;
    void *ctx;
    int axis, inner[2];  /* axes of the grid: of the planes, inside them */
    int from[2], to[2];  /* extents of a plane */
    int channels, slots; /* of the ring */
    un_taps taps[3];     /* across the planes, inside them; first NULL: extents are equal */
    float *half;         /* first inner axis still as it was */
    float *ring, *plane; /* [slots] and one of them: planes of the new extents */
    int added, given;
};

static size_t plane_count(const un_restore *r)
{
    return (size_t)r->to[0] * (size_t)r->to[1] * (size_t)r->channels;
}

static void set_extents(un_restore *r, const un_grid *g, int axis, int channels)
{
    r->axis = axis;
    r->channels = channels;
    r->inner[0] = axis == 0 ? 1 : 0;
    r->inner[1] = 2;
    for (int i = 0; i < 2; i++) {
        r->from[i] = g->size[r->inner[i]];
        r->to[i] = g->turned[r->inner[i]];
    }
    r->slots = 2 * (int)un_ceil_div(UN_MAX(g->size[axis], g->turned[axis]), g->turned[axis]) + 3;
}

static size_t half_count(const un_restore *r)
{
    return (size_t)r->from[0] * (size_t)r->to[1] * (size_t)r->channels;
}

unet_status un_restore_create(un_restore **out, un_mem *mem, const un_grid *grid, int axis, int channels,
    un_restore_sink sink, void *ctx, unet_error *err)
{
    un_restore *r = un_alloc_zero(mem, sizeof *r);
    unet_status st = r ? UNET_OK : un_fail_nomem(err, sizeof *r);

    *out = NULL;
    if (st)
        return st;
    set_extents(r, grid, axis, channels);
    r->sink = sink;
    r->ctx = ctx;
    for (int i = 0; i < 3 && !st; i++) {
        const int a = i == 0 ? axis : r->inner[i - 1];

        st = un_taps_create(&r->taps[i], grid->size[a], grid->turned[a], mem, err);
    }
    if (!st) {
        r->half = un_alloc(mem, half_count(r) * sizeof *r->half);
        r->plane = un_alloc(mem, plane_count(r) * sizeof *r->plane);
        r->ring = un_alloc_array(mem, (size_t)r->slots, plane_count(r) * sizeof *r->ring);
        if (!r->half || !r->plane || !r->ring)
            st = un_fail_nomem(err, (size_t)r->slots * plane_count(r) * sizeof *r->ring);
    }
    if (st) {
        un_restore_destroy(r);
        return st;
    }
    *out = r;
    return UNET_OK;
}

size_t un_restore_room(const un_grid *grid, int axis, int channels)
{
    un_restore r;
    size_t room = un_block_room(sizeof r);

    set_extents(&r, grid, axis, channels);
    for (int a = 0; a < 3; a++)
        room += un_taps_room(grid->size[a], grid->turned[a]);
    return room + un_block_room(half_count(&r) * sizeof(float)) + un_block_room(plane_count(&r) * sizeof(float)) +
           un_block_room((size_t)r.slots * plane_count(&r) * sizeof(float));
}

void un_restore_destroy(un_restore *r)
{
    if (!r)
        return;
    un_free(r->ring);
    un_free(r->plane);
    un_free(r->half);
    for (int i = 2; i >= 0; i--)
        un_free(r->taps[i].first);
    un_free(r);
}

static float *slot(const un_restore *r, int plane)
{
    return r->ring + (size_t)(plane % r->slots) * plane_count(r);
}

static unet_status give(un_restore *r, unet_error *err)
{
    const un_taps *t = &r->taps[0];
    const float *w = t->weight + (size_t)r->given * (size_t)t->most;
    const size_t n = plane_count(r);

    for (int k = 0; k < t->count[r->given]; k++) {
        const float *s = slot(r, t->first[r->given] + k);

        for (size_t i = 0; i < n; i++)
            r->plane[i] = (k ? r->plane[i] : 0) + w[k] * s[i];
    }
    return r->sink(r->ctx, r->given++, r->plane, err);
}

unet_status un_restore_add(un_restore *r, const float *plane, unet_error *err)
{
    const un_taps *t = &r->taps[0];
    const size_t c = (size_t)r->channels;
    unet_status st = UNET_OK;

    un_taps_apply(&r->taps[2], r->half, plane, (size_t)r->from[0], c);
    un_taps_apply(&r->taps[1], slot(r, r->added), r->half, 1, (size_t)r->to[1] * c);
    r->added++;
    while (!st && r->given < t->n_out && t->first[r->given] + t->count[r->given] <= r->added)
        st = give(r, err);
    return st;
}
