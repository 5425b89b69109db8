/* Weights and batches of the reference values from PyTorch: one formula here and in tools/torch_golden.py. */
#ifndef GOLDEN_FILL_H
#define GOLDEN_FILL_H

#include "base/math.h"
#include "model/file.h"
#include "train/engine.h"

/* count numbers in [-1, 1), multiples of 2^-23: splitmix64 of FNV-1a(name) + index. un_free */
static inline double *golden_fill(const char *name, int64_t count)
{
    uint64_t h = 0xCBF29CE484222325;
    double *v = un_alloc(NULL, (size_t)count * sizeof *v);

    for (const char *c = name; *c; c++)
        h = (h ^ (unsigned char)*c) * 0x100000001B3;
    for (int64_t i = 0; i < count; i++) {
        uint64_t z = h + (uint64_t)i + 0x9E3779B97F4A7C15;

        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        v[i] = (double)(z >> 40) / 8388608 - 1;
    }
    return v;
}

static inline void golden_weights(un_model *m)
{
    for (int i = 0; i < m->graph->n_params; i++) {
        const un_param *p = &m->graph->param[i];
        double *v = golden_fill(p->name, p->count), scale = 0.125, shift = 0;

        if (p->role == UN_PARAM_WEIGHT)
            scale = un_sqrt(6.0 / (double)(p->count / p->dims[0]));
        else if (p->role == UN_PARAM_NORM_SCALE)
            scale = 0.25, shift = 1;
        else if (p->role == UN_PARAM_RUNNING_VAR)
            scale = 0.5, shift = 1;
        for (int64_t k = 0; k < p->count; k++)
            m->weights[p->offset + k] = (float)(shift + scale * v[k]);
        un_free(v);
    }
}

static inline float *golden_floats(const char *name, int64_t count, double add)
{
    double *v = golden_fill(name, count);
    float *f = un_alloc(NULL, (size_t)count * sizeof *f);

    for (int64_t i = 0; i < count; i++)
        f[i] = (float)(v[i] + add);
    un_free(v);
    return f;
}

/* The batch of step 1, ghost batch 0. */
static inline un_batch golden_batch(const un_config *c, int ignore, int pixel_weight)
{
    const un_cfg_train *t = &c->train;
    un_batch b = {.n = t->ghost_batch,
        .d = t->patch[0],
        .h = t->patch[1],
        .w = t->patch[2],
        .c = c->model.in_channels,
        .classes = c->model.classes,
        .step = 1};
    const int64_t pixels = (int64_t)b.n * b.d * b.h * b.w;

    b.image = golden_floats("image.1.0", pixels * b.c, 0);
    if (c->model.head == UN_CFG_HEAD_MULTILABEL) {
        b.soft = golden_floats("target.1.0", pixels * b.classes, 0);
        for (int64_t i = 0; i < pixels * b.classes; i++)
            b.soft[i] = b.soft[i] < -0.25f;
    } else {
        double *v = golden_fill("target.1.0", pixels), *drop = golden_fill("ignore.1.0", pixels);

        b.target = un_alloc(NULL, (size_t)pixels * sizeof *b.target);
        for (int64_t i = 0; i < pixels; i++)
            b.target[i] = ignore && drop[i] < -0.75 ? -1 : (int32_t)((v[i] + 1) / 2 * b.classes);
        un_free(v);
        un_free(drop);
    }
    if (pixel_weight)
        b.weight = golden_floats("weight.1.0", pixels, 1.25);
    return b;
}

static inline void golden_free(un_batch *b)
{
    un_free(b->image);
    un_free(b->target);
    un_free(b->soft);
    un_free(b->weight);
}

#endif
