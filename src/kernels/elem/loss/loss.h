/* What the losses share: which pixels and classes count, probabilities, and the way from them back to the logits.
 * Included by template sources (elem/real.h). */
#ifndef UN_KERNELS_ELEM_LOSS_LOSS_H
#define UN_KERNELS_ELEM_LOSS_LOSS_H

#include "kernels/elem/tile.h"

/* ---- numbers of the term ---- */

static inline double un_loss_alpha(const un_loss_args *a)
{
    return a->alpha_now ? (double)*a->alpha_now : a->alpha;
}

/* alpha of a formula that has one. Where alpha is the share of this part in a term of two, its own stands in delta. */
static inline double un_loss_own_alpha(const un_loss_args *a)
{
    return a->factor ? a->delta : un_loss_alpha(a);
}

static inline double un_loss_weight(const un_loss_args *a)
{
    return a->factor == UN_LOSS_BY_ALPHA  ? a->weight * un_loss_alpha(a)
           : a->factor == UN_LOSS_BY_REST ? a->weight * (1 - un_loss_alpha(a))
                                          : a->weight;
}

/* Classes that have a probability: the binary form has two, with p and 1-p. */
static inline int un_loss_classes(const un_loss_args *a)
{
    return a->form == UN_LOSS_BINARY ? 2 : a->logits.c;
}

/* The first class that counts in means over classes. The channels of the multilabel form have no background. */
static inline int un_loss_first(const un_loss_args *a)
{
    return a->background || a->form == UN_LOSS_MULTILABEL ? 0 : 1;
}

/* Target classes and weights of the pixels of a tile. A pixel that counts for nothing has weight 0: ignored
 * (-1, or no class of the network), of weight 0, or past the end. */
static inline void un_tile_target(const un_loss_args *a, int64_t i, int count, int32_t *restrict t, real *restrict w)
{
    int classes = a->form == UN_LOSS_BINARY ? 2 : a->form == UN_LOSS_SOFTMAX ? a->logits.c : INT32_MAX;

    for (int j = 0; j < TILE; j++) {
        t[j] = j < count && a->target ? a->target[i + j] : 0;
        w[j] = j < count ? 1 : 0;
    }
    if (a->pixel_weight)
        for (int j = 0; j < count; j++)
            w[j] = (real)a->pixel_weight[i + j];
    for (int j = 0; j < TILE; j++)
        w[j] = (t[j] >= 0) & (t[j] < classes) ? w[j] : 0;
}

/* Multi-hot targets of channel ch. */
static inline void un_tile_soft(const un_loss_args *a, int64_t i, int count, int ch, real *restrict t)
{
    for (int j = 0; j < count; j++)
        t[j] = (real)a->soft[(i + j) * a->logits.c + ch];
    for (int j = count; j < TILE; j++)
        t[j] = 0;
}

static inline real un_class_weight(const un_loss_args *a, int class)
{
    return a->class_weight ? (real)a->class_weight[class] : 1;
}

/* The same for one pixel anywhere: its weight, whether it is of a class (soft masks: from one half). */
static inline real un_loss_weight_at(const un_loss_args *a, int64_t i)
{
    const int32_t t = a->target ? a->target[i] : 0;
    const int classes = a->form == UN_LOSS_BINARY ? 2 : a->form == UN_LOSS_SOFTMAX ? a->logits.c : INT32_MAX;

    return t < 0 || t >= classes ? 0 : a->pixel_weight ? (real)a->pixel_weight[i] : 1;
}

static inline int un_loss_is(const un_loss_args *a, int64_t i, int class)
{
    return a->form == UN_LOSS_MULTILABEL ? a->soft[i * a->logits.c + class] >= 0.5f : a->target[i] == class;
}

/* The sum of the weights of the classes that count. */
static inline double un_class_weight_total(const un_loss_args *a, int first)
{
    double s = 0;

    for (int ch = first; ch < un_loss_classes(a); ch++)
        s += (double)un_class_weight(a, ch);
    return s;
}

/* ---- blocks of pixels: tasks ---- */

static inline int64_t un_loss_pixels(const un_loss_args *a)
{
    return un_view_pixels(&a->logits);
}

static inline int64_t un_loss_sample_pixels(const un_loss_args *a)
{
    return (int64_t)a->logits.d * a->logits.h * a->logits.w;
}

/* Sums over the whole view, or over each n: groups of so many pixels. */
static inline int un_loss_groups(const un_loss_args *a)
{
    return a->batch ? 1 : a->logits.n;
}

static inline int64_t un_loss_group_pixels(const un_loss_args *a)
{
    return un_loss_pixels(a) / un_loss_groups(a);
}

/* Blocks of the view. */
static inline int64_t un_loss_blocks(const un_loss_args *a)
{
    return un_ceil_div(un_loss_pixels(a), un_tile_block(&a->logits));
}

static inline double un_loss_total(const double *part, int64_t count)
{
    double s = 0;

    for (int64_t i = 0; i < count; i++)
        s += part[i];
    return s;
}

/* The sum of the pixel weights of a block. */
static inline double un_loss_weights(const un_loss_args *a, int64_t i, int64_t end)
{
    double acc[LANES] = {0};
    real w[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        un_tile_target(a, i, (int)UN_MIN(TILE, end - i), t, w);
        un_tile_fold(acc, w);
    }
    return un_lanes_sum(acc);
}

/* ---- probabilities ---- */

/* z[c][TILE] = probabilities of the logits. */
static inline void un_loss_probabilities(const un_loss_args *a, int64_t i, int count, real *restrict z)
{
    real max[TILE], sum[TILE];

    un_tile_load(&a->logits, i, count, z);
    if (a->form == UN_LOSS_SOFTMAX)
        un_tile_softmax(z, a->logits.c, max, sum);
    else
        for (int j = 0; j < a->logits.c * TILE; j++)
            z[j] = un_rsigmoid(z[j]);
}

/* Probability and target of one class of the tile. */
static inline void un_loss_rows(
    const un_loss_args *a, int64_t i, int count, int class, const int32_t *t, const real *z, real *p, real *target)
{
    if (a->form == UN_LOSS_MULTILABEL)
        un_tile_soft(a, i, count, class, target);
    else
        for (int j = 0; j < TILE; j++)
            target[j] = t[j] == class ? 1 : 0;
    if (a->form == UN_LOSS_BINARY)
        for (int j = 0; j < TILE; j++)
            p[j] = class ? z[j] : 1 - z[j];
    else
        for (int j = 0; j < TILE; j++)
            p[j] = z[class * TILE + j];
}

/* z[c][TILE]: probabilities -> gradients by the logits, from g[classes][TILE] = d loss / d probability, in which what
 * does not count has 0 and w is 0. */
static inline void un_loss_to_logits(const un_loss_args *a, const real *w, const real *restrict g, real *restrict z)
{
    const int c = a->logits.c;
    real dot[TILE] = {0};

    if (a->form == UN_LOSS_SOFTMAX) { /* dz = p (g - sum of g p) */
        for (int ch = 0; ch < c; ch++)
            for (int j = 0; j < TILE; j++)
                dot[j] += w[j] == 0 ? 0 : z[ch * TILE + j] * g[ch * TILE + j];
        for (int ch = 0; ch < c; ch++)
            for (int j = 0; j < TILE; j++)
                z[ch * TILE + j] = w[j] == 0 ? 0 : z[ch * TILE + j] * (g[ch * TILE + j] - dot[j]);
        return;
    }
    for (int ch = 0; ch < c; ch++) {
        const real *up = g + (a->form == UN_LOSS_BINARY ? TILE : ch * TILE);
        real *row = z + ch * TILE;

        for (int j = 0; j < TILE; j++) {
            const real down = a->form == UN_LOSS_BINARY ? g[j] : 0;

            row[j] = w[j] == 0 ? 0 : (up[j] - down) * row[j] * (1 - row[j]);
        }
    }
}

#endif
