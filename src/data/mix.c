#include "data/mix.h"

#include <string.h>

#include "base/size.h"
#include "data/augment_job.h"

typedef struct mixer {
    const un_augment *a;
    un_augment_scratch *s;
    const un_draw *draw;
    const un_partners *others;
    const un_patch *out;
    un_rng rng; /* of the operation at hand */
} mixer;

static unet_status get_itself(void *ctx, int index, const un_ready **out, unet_error *err)
{
    (void)index;
    (void)err;
    *out = ctx;
    return UNET_OK;
}

static void put_itself(void *ctx, int index)
{
    (void)ctx;
    (void)index;
}

un_partners un_partners_of(const un_ready *r)
{
    return (un_partners){(void *)(uintptr_t)r, 1, get_itself, put_itself};
}

/* Room for the other patch, once for each thread. */
static unet_status make_room(mixer *m, unet_error *err)
{
    un_patch *o = &m->s->other;
    const un_patch *like = m->out;
    const int *size = m->a->size;
    const size_t n = (size_t)size[0] * (size_t)size[1] * (size_t)size[2];

    if (o->soft && o->classes != like->classes) {
        un_free(o->soft);
        o->soft = NULL;
    }
    o->classes = like->classes;
    if (!o->image)
        o->image = un_alloc_array(m->s->mem, n, (size_t)m->a->channels * sizeof *o->image);
    if (like->target && !o->target)
        o->target = un_alloc_array(m->s->mem, n, sizeof *o->target);
    if (like->soft && !o->soft)
        o->soft = un_alloc_array(m->s->mem, n, (size_t)like->classes * sizeof *o->soft);
    if (like->weight && !o->weight)
        o->weight = un_alloc_array(m->s->mem, n, sizeof *o->weight);
    if (!o->image || (like->target && !o->target) || (like->soft && !o->soft) || (like->weight && !o->weight))
        return un_fail_nomem(err, n * (size_t)m->a->channels * sizeof *o->image);
    return UNET_OK;
}

/* The other patch number `turn` (1..) of the sample into s->other. cls: NULL, or the patch is centred on a pixel of a
 * random class of its foreground, which is given; -1: it has none. */
static unet_status fetch(mixer *m, int turn, int *cls, unet_error *err)
{
    const un_draw draw = {m->draw->seed, m->draw->step, m->draw->sample | turn << 24};
    const int index = (int)un_rng_below(&m->rng, m->others->count);
    un_patch to;
    const un_ready *r;
    int start[3];
    unet_status st = make_room(m, err);

    if (!st)
        st = m->others->get(m->others->ctx, index, &r, err);
    if (st)
        return st;
    if (cls)
        *cls = un_sampler_crop_class(r, m->a->size, &m->rng, start);
    else
        un_sampler_crop(r, m->a->size, m->a->cfg.foreground, &m->rng, start);
    to = m->s->other; /* parts that this sample has */
    to.target = m->out->target ? to.target : NULL;
    to.soft = m->out->soft ? to.soft : NULL;
    to.weight = m->out->weight ? to.weight : NULL;
    if (!cls || *cls >= 0)
        st = un_augment_run(m->a, m->s, r, start, &draw, &to, err);
    m->others->put(m->others->ctx, index);
    return st;
}

/* `count` pixels from `at` on become those of the other patch. */
static void take_over(const mixer *m, ptrdiff_t at, int count)
{
    const un_patch *o = &m->s->other, *out = m->out;
    const size_t c = (size_t)m->a->channels, k = (size_t)out->classes, n = (size_t)count;

    memcpy(out->image + at * m->a->channels, o->image + at * m->a->channels, n * c * sizeof *out->image);
    if (out->target)
        memcpy(out->target + at, o->target + at, n * sizeof *out->target);
    if (out->soft)
        memcpy(out->soft + at * out->classes, o->soft + at * out->classes, n * k * sizeof *out->soft);
    if (out->weight)
        memcpy(out->weight + at, o->weight + at, n * sizeof *out->weight);
}

static void take_box(const mixer *m, const int from[3], const int to[3])
{
    const int *n = m->a->size;

    for (int z = from[0]; z < to[0]; z++)
        for (int y = from[1]; y < to[1]; y++)
            if (to[2] > from[2])
                take_over(m, ((ptrdiff_t)z * n[1] + y) * n[2] + from[2], to[2] - from[2]);
}

/* The share of the other stays at or below one half: a mask of classes is that of the stronger picture. */
static unet_status do_mixup(mixer *m, unet_error *err)
{
    const un_patch *o = &m->s->other, *out = m->out;
    const int *n = m->a->size;
    const int64_t pixels = (int64_t)n[0] * n[1] * n[2];
    float share;
    unet_status st;

    if (!un_draw_begins(&m->rng, m->draw, UN_AUGMENT_MIXUP, m->a->cfg.mixup))
        return UNET_OK;
    share = (float)un_rng_range(&m->rng, 0, m->a->cfg.mixup_share);
    if (!(share > 0))
        return UNET_OK;
    st = fetch(m, 1, NULL, err);
    for (int64_t i = 0; i < pixels * m->a->channels && !st; i++)
        out->image[i] += share * (o->image[i] - out->image[i]);
    for (int64_t i = 0; i < pixels * out->classes && out->soft && !st; i++)
        out->soft[i] += share * (o->soft[i] - out->soft[i]);
    for (int64_t i = 0; i < pixels && out->soft && out->weight && !st; i++)
        out->weight[i] += share * (o->weight[i] - out->weight[i]);
    return st;
}

static unet_status do_cutmix(mixer *m, unet_error *err)
{
    const double most = m->a->cfg.cutmix_share;
    int from[3], to[3];
    unet_status st;

    if (!un_draw_begins(&m->rng, m->draw, UN_AUGMENT_CUTMIX, m->a->cfg.cutmix) || !(most > 0))
        return UNET_OK;
    for (int a = 0; a < 3; a++) {
        const int n = m->a->size[a], side = n > 1 ? (int)un_round(un_rng_range(&m->rng, 0, most) * n) : n;

        from[a] = (int)un_rng_below(&m->rng, n - side + 1);
        to[a] = from[a] + side;
    }
    st = fetch(m, 2, NULL, err);
    if (!st)
        take_box(m, from, to);
    return st;
}

/* Four pictures that meet in a point of the middle half; the sample keeps the upper left. */
static unet_status do_mosaic(mixer *m, unet_error *err)
{
    const int *n = m->a->size;
    int y, x;
    unet_status st = UNET_OK;

    if (!un_draw_begins(&m->rng, m->draw, UN_AUGMENT_MOSAIC, m->a->cfg.mosaic))
        return UNET_OK;
    y = n[1] / 4 + (int)un_rng_below(&m->rng, n[1] / 2 + 1);
    x = n[2] / 4 + (int)un_rng_below(&m->rng, n[2] / 2 + 1);
    for (int q = 1; q < 4 && !st; q++) {
        st = fetch(m, 2 + q, NULL, err);
        if (!st)
            take_box(m, (const int[3]){0, q & 2 ? y : 0, q & 1 ? x : 0},
                (const int[3]){n[0], q & 2 ? n[1] : y, q & 1 ? n[2] : x});
    }
    return st;
}

/* The pixels of a class. It is drawn among those of the picture, so that rare ones come as often as frequent ones. */
static unet_status do_copy_paste(mixer *m, unet_error *err)
{
    const un_patch *o = &m->s->other, *out = m->out;
    const int *n = m->a->size;
    const int64_t pixels = (int64_t)n[0] * n[1] * n[2];
    int cls;
    unet_status st;

    if (!un_draw_begins(&m->rng, m->draw, UN_AUGMENT_COPY_PASTE, m->a->cfg.copy_paste))
        return UNET_OK;
    st = fetch(m, 6, &cls, err);
    for (int64_t i = 0; i < pixels && !st && cls >= 0; i++)
        if (out->target ? o->target[i] == cls : out->soft && o->soft[i * out->classes + cls] >= 0.5f)
            take_over(m, i, 1);
    return st;
}

unet_status un_mix_run(const un_augment *a, un_augment_scratch *s, const un_draw *draw, const un_partners *others,
    const un_patch *out, unet_error *err)
{
    mixer m = {.a = a, .s = s, .draw = draw, .others = others, .out = out};
    unet_status st = do_mixup(&m, err);

    if (!st)
        st = do_cutmix(&m, err);
    if (!st)
        st = do_mosaic(&m, err);
    if (!st)
        st = do_copy_paste(&m, err);
    return st;
}
