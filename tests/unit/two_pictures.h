/* Two generated pictures (a bright ball each on a noisy ground) and a feed of batches of them: what training
 * is tested on. */
#ifndef TWO_PICTURES_H
#define TWO_PICTURES_H

#include "test.h"

#include "base/rng.h"
#include "train/trainer.h"

typedef struct two_pictures {
    int d, h, w, c;
    int block;  /* the ball is made of blocks of so many pixels (0: 1), so that pooling loses nothing of it */
    int planes; /* 1: targets are soft planes (ball, and all but the ball) as a multilabel head takes them */
    float *image[2];
    int32_t *mask[2];
} two_pictures;

static inline int64_t two_pixels(const two_pictures *t)
{
    return (int64_t)t->d * t->h * t->w;
}

static inline void two_make(two_pictures *t, double noise)
{
    const double radius = (t->h < t->w ? t->h : t->w) * 0.28;

    for (int k = 0; k < 2; k++) {
        un_rng r;

        un_rng_init(&r, 5, UN_RNG_TEST, (uint32_t)k, 0, 0);
        t->image[k] = un_alloc_array(NULL, (size_t)(two_pixels(t) * t->c), sizeof(float));
        t->mask[k] = un_alloc_array(NULL, (size_t)two_pixels(t), sizeof(int32_t));
        for (int64_t i = 0; i < two_pixels(t); i++) {
            const int64_t at[3] = {i / t->w / t->h, i / t->w % t->h, i % t->w};
            const int64_t b = t->block ? t->block : 1;
            const double half = 0.5 * (double)(b - 1), z = (double)(at[0] / b * b) + half - 0.5 * t->d,
                         y = (double)(at[1] / b * b) + half - t->h * (k ? 0.55 : 0.4),
                         x = (double)(at[2] / b * b) + half - t->w * (k ? 0.5 : 0.45);

            t->mask[k][i] = z * z * 4 + y * y + x * x < radius * radius * (k ? 0.7 : 1);
            for (int j = 0; j < t->c; j++)
                t->image[k][i * t->c + j] = (float)(t->mask[k][i] - 0.5 + noise * un_rng_normal(&r));
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
    const size_t pixels = (size_t)two_pixels(t);

    (void)e;
    *out = (un_picture){.d = t->d, .h = t->h, .w = t->w, .c = t->c, .classes = 2, .spacing = {1, 1, 1}};
    out->image = un_alloc_array(mem, pixels * (size_t)t->c, sizeof(float));
    memcpy(out->image, t->image[index], pixels * (size_t)t->c * sizeof(float));
    if (t->planes) {
        out->soft = un_alloc_array(mem, pixels * 2, sizeof(float));
        for (size_t i = 0; i < pixels; i++) {
            out->soft[2 * i] = (float)t->mask[index][i];
            out->soft[2 * i + 1] = 1 - (float)t->mask[index][i];
        }
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
        if (t->planes) {
            f->b.soft[2 * to] = (float)t->mask[k][from];
            f->b.soft[2 * to + 1] = 1 - (float)t->mask[k][from];
        } else {
            f->b.target[to] = t->mask[k][from];
        }
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
        .b = {.n = c->train.ghost_batch, .d = t->d, .h = t->h, .w = t->w, .c = t->c, .classes = 2}};
    f->b.image = un_alloc_array(NULL, pixels * (size_t)t->c, sizeof(float));
    if (t->planes)
        f->b.soft = un_alloc_array(NULL, pixels * 2, sizeof(float));
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
