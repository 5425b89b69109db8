/* Two generated pictures (a bright ball each on a noisy ground) and a feed of batches of them: what training
 * is tested on. */
#ifndef TWO_PICTURES_H
#define TWO_PICTURES_H

#include "test.h"

#include "base/rng.h"
#include "base/size.h"
#include "train/trainer.h"

typedef struct two_pictures {
    int d, h, w, c;
    int labels;    /* 0: 2, ground and ball; 3: the lower half of the ball is brighter, and a label of its own */
    int planes;    /* 1: targets are soft planes as a multilabel head takes them: ball, ground, lower half */
    int block;     /* what is shown is made of blocks of so many pixels (0: 1), so that pooling loses nothing of it */
    int first[3];  /* where the blocks begin: less than a block */
    int border[3]; /* valid padding: pixels before what the network's output shows; round it lies its reflection, as
                    * prediction extends pictures */
    int shown[3];  /* extents of what it shows; 0: all */
    float *image[2];
    int32_t *mask[2];
} two_pictures;

static inline int64_t two_pixels(const two_pictures *t)
{
    return (int64_t)t->d * t->h * t->w;
}

static inline int two_labels(const two_pictures *t)
{
    return t->labels ? t->labels : 2;
}

/* What a plane says of a pixel with this label. */
static inline int two_plane(int plane, int label)
{
    return plane == 0 ? label > 0 : plane == 1 ? label == 0 : label == 2;
}

static inline int two_label(const two_pictures *t, int k, const int64_t at[3])
{
    const int side[3] = {
        t->shown[0] ? t->shown[0] : t->d, t->shown[1] ? t->shown[1] : t->h, t->shown[2] ? t->shown[2] : t->w};
    const double radius = (side[1] < side[2] ? side[1] : side[2]) * 0.28;
    const double middle[3] = {0.5, k ? 0.55 : 0.4, k ? 0.5 : 0.45};
    double x[3];

    for (int i = 0; i < 3; i++) {
        const int b = UN_MIN(t->block ? t->block : 1, side[i]);

        x[i] = (double)((at[i] - t->first[i] + b) / b * b - b + t->first[i] - t->border[i]) + 0.5 * (b - 1) -
               side[i] * middle[i];
    }
    if (!(x[0] * x[0] * 4 + x[1] * x[1] + x[2] * x[2] < radius * radius * (k ? 0.7 : 1)))
        return 0;
    return two_labels(t) > 2 && x[1] > 0 ? 2 : 1;
}

/* The pixel of what is shown that stands at a place of the picture. */
static inline int64_t two_source(const two_pictures *t, int64_t i)
{
    const int64_t at[3] = {i / t->w / t->h, i / t->w % t->h, i % t->w};
    int64_t from[3];

    for (int a = 0; a < 3; a++)
        from[a] = t->shown[a] ? t->border[a] + un_reflect(at[a] - t->border[a], t->shown[a]) : at[a];
    return (from[0] * t->h + from[1]) * t->w + from[2];
}

static inline void two_make(two_pictures *t, double noise)
{
    const double middle = 0.5 * (two_labels(t) - 1);

    for (int k = 0; k < 2; k++) {
        un_rng r;

        un_rng_init(&r, 5, UN_RNG_TEST, (uint32_t)k, 0, 0);
        t->image[k] = un_alloc_array(NULL, (size_t)(two_pixels(t) * t->c), sizeof(float));
        t->mask[k] = un_alloc_array(NULL, (size_t)two_pixels(t), sizeof(int32_t));
        for (int64_t i = 0; i < two_pixels(t); i++) {
            const int64_t at[3] = {i / t->w / t->h, i / t->w % t->h, i % t->w};

            t->mask[k][i] = two_label(t, k, at);
            for (int j = 0; j < t->c; j++)
                t->image[k][i * t->c + j] = (float)(t->mask[k][i] - middle + noise * un_rng_normal(&r));
        }
        for (int64_t i = 0; i < two_pixels(t); i++) { /* sources stand for themselves */
            const int64_t from = two_source(t, i);

            t->mask[k][i] = t->mask[k][from];
            memmove(t->image[k] + i * t->c, t->image[k] + from * t->c, (size_t)t->c * sizeof(float));
        }
    }
}

static inline void two_free(two_pictures *t)
{
    for (int k = 0; k < 2; k++) {
        un_free(t->image[k]);
        un_free(t->mask[k]);
    }
}

/* A source of the two, for evaluation. */
static inline unet_status two_load(void *ctx, int index, un_mem *mem, un_picture *out, unet_error *e)
{
    const two_pictures *t = ctx;
    const size_t pixels = (size_t)two_pixels(t), planes = (size_t)two_labels(t);

    (void)e;
    *out = (un_picture){.d = t->d, .h = t->h, .w = t->w, .c = t->c, .classes = two_labels(t), .spacing = {1, 1, 1}};
    out->image = un_alloc_array(mem, pixels * (size_t)t->c, sizeof(float));
    memcpy(out->image, t->image[index], pixels * (size_t)t->c * sizeof(float));
    if (t->planes) {
        out->soft = un_alloc_array(mem, pixels * planes, sizeof(float));
        for (size_t i = 0; i < pixels * planes; i++)
            out->soft[i] = (float)two_plane((int)(i % planes), t->mask[index][i / planes]);
    } else {
        out->target = un_alloc_array(mem, pixels, sizeof(int32_t));
        memcpy(out->target, t->mask[index], pixels * sizeof(int32_t));
    }
    return UNET_OK;
}

/* Whole pictures, chosen and flipped along the width by the random numbers of the sample. */
typedef struct two_feed {
    const two_pictures *pictures;
    un_batch b;
    int64_t step;
    int group, groups;
    uint64_t seed;
    int64_t poison; /* at this step a pixel is not a number */
} two_feed;

static inline void two_sample(two_feed *f, int n)
{
    const two_pictures *t = f->pictures;
    const int64_t pixels = two_pixels(t);
    un_rng r;
    int k, flip;

    un_rng_init(&r, f->seed, UN_RNG_SAMPLE, (uint32_t)f->step, (uint32_t)(f->b.first + n), 0);
    k = (int)un_rng_below(&r, 2);
    flip = (int)un_rng_below(&r, 2);
    for (int64_t i = 0; i < pixels; i++) {
        const int64_t from = flip ? i / t->w * t->w + t->w - 1 - i % t->w : i, to = n * pixels + i;

        memcpy(f->b.image + to * t->c, t->image[k] + from * t->c, (size_t)t->c * sizeof(float));
        for (int j = 0; t->planes && j < f->b.classes; j++)
            f->b.soft[f->b.classes * to + j] = (float)two_plane(j, t->mask[k][from]);
        if (!t->planes)
            f->b.target[to] = t->mask[k][from];
    }
}

static inline unet_status two_start(void *ctx, int64_t step, unet_error *e)
{
    two_feed *f = ctx;

    (void)e;
    f->step = step;
    f->group = 0;
    return UNET_OK;
}

static inline unet_status two_next(void *ctx, const un_batch **out, unet_error *e)
{
    two_feed *f = ctx;

    (void)e;
    f->b.step = f->step;
    f->b.first = f->group * f->b.n;
    for (int n = 0; n < f->b.n; n++)
        two_sample(f, n);
    if (f->poison == f->step)
        f->b.image[7] = NAN;
    if (++f->group == f->groups) {
        f->group = 0;
        f->step++;
    }
    *out = &f->b;
    return UNET_OK;
}

static inline void two_release(void *ctx, const un_batch *b)
{
    (void)ctx;
    (void)b;
}

static inline void two_open(two_feed *f, const two_pictures *t, const un_config *c)
{
    const size_t pixels = (size_t)(two_pixels(t) * c->train.ghost_batch);

    *f = (two_feed){.pictures = t,
        .groups = c->train.batch / c->train.ghost_batch,
        .seed = (uint64_t)c->train.seed,
        .b = {.n = c->train.ghost_batch, .d = t->d, .h = t->h, .w = t->w, .c = t->c, .classes = two_labels(t)}};
    f->b.image = un_alloc_array(NULL, pixels * (size_t)t->c, sizeof(float));
    if (t->planes)
        f->b.soft = un_alloc_array(NULL, pixels * (size_t)f->b.classes, sizeof(float));
    else
        f->b.target = un_alloc_array(NULL, pixels, sizeof(int32_t));
}

static inline void two_close(two_feed *f)
{
    un_free(f->b.image);
    un_free(f->b.soft);
    un_free(f->b.target);
}

#endif
