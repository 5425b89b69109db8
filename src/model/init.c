/* Initial weights. He: He, Zhang, Ren, Sun, ICCV 2015. Glorot: Glorot and Bengio, AISTATS 2010. Orthogonal: Saxe,
 * McClelland, Ganguli, ICLR 2014. Each parameter has its own random stream, so that one layer more changes no other. */
#include "model/build.h"

#include <string.h>

#include "base/math.h"
#include "base/rng.h"
#include "base/size.h"

typedef struct fan {
    double in, out;
    double gain2; /* square of the gain: 2 where an activation follows, 1 else */
} fan;

/* A transposed convolution has kernel = stride, so that each output pixel sums over its input channels only. */
static fan fan_of(const un_graph *g, int param)
{
    const un_param *p = &g->param[param];
    double taps = (double)p->count / ((double)p->dims[0] * p->dims[1]);
    fan f = {p->dims[1] * taps, p->dims[0] * taps, 2};

    for (int i = 0; i < g->n_nodes; i++) {
        const un_node *n = &g->node[i];

        if (n->op == UN_OP_CONV_TRANSPOSE && n->in[1] == p->value)
            f = (fan){p->dims[0], p->dims[1] * taps, 1};
    }
    if (!strncmp(p->name, "head.", 5))
        f.gain2 = 1;
    return f;
}

/* count vectors of `length` numbers, made orthonormal by Gram-Schmidt, twice for accuracy. */
static void orthonormalise(double *v, int count, int64_t length)
{
    for (int i = 0; i < count; i++) {
        double *a = v + i * length, norm = 0;

        for (int pass = 0; pass < 2; pass++)
            for (int j = 0; j < i; j++) {
                const double *c = v + j * length;
                double dot = 0;

                for (int64_t k = 0; k < length; k++)
                    dot += a[k] * c[k];
                for (int64_t k = 0; k < length; k++)
                    a[k] -= dot * c[k];
            }
        for (int64_t k = 0; k < length; k++)
            norm += a[k] * a[k];
        norm = 1 / un_sqrt(norm);
        for (int64_t k = 0; k < length; k++)
            a[k] *= norm;
    }
}

/* The weight as a matrix [dims0][rest]: its rows are orthonormal, or its columns when there are fewer of them. */
static unet_status orthogonal(const un_param *p, double gain, un_rng *r, float *w, un_mem *mem, unet_error *err)
{
    const int64_t rows = p->dims[0], cols = p->count / rows;
    const int by_rows = rows <= cols;
    const int64_t count = by_rows ? rows : cols, length = by_rows ? cols : rows;
    double *v = un_alloc_array(mem, (size_t)p->count, sizeof *v);

    if (!v)
        return un_fail_nomem(err, (size_t)p->count * sizeof *v);
    for (int64_t i = 0; i < p->count; i++)
        v[i] = un_rng_normal(r);
    orthonormalise(v, (int)count, length);
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < length; k++)
            w[by_rows ? i * cols + k : k * cols + i] = (float)(gain * v[i * length + k]);
    un_free(v);
    return UNET_OK;
}

static unet_status init_weight(
    const un_graph *g, int param, un_cfg_init how, uint64_t seed, float *w, un_mem *mem, unet_error *err)
{
    const un_param *p = &g->param[param];
    const fan f = fan_of(g, param);
    un_rng r;

    un_rng_init(&r, seed, UN_RNG_INIT, (uint32_t)param, 0, 0);
    if (how == UN_CFG_INIT_ORTHOGONAL)
        return orthogonal(p, un_sqrt(f.gain2), &r, w, mem, err);
    for (int64_t i = 0; i < p->count; i++) {
        if (how == UN_CFG_INIT_HE) {
            w[i] = (float)(un_sqrt(f.gain2 / f.in) * un_rng_normal(&r));
        } else {
            double limit = un_sqrt(6 / (f.in + f.out));

            w[i] = (float)un_rng_range(&r, -limit, limit);
        }
    }
    return UNET_OK;
}

unet_status un_model_init(
    const un_graph *g, const un_cfg_model *m, uint64_t seed, float *block, un_mem *mem, unet_error *err)
{
    unet_status st = UNET_OK;

    memset(block, 0, (size_t)g->block_count * sizeof *block);
    for (int i = 0; i < g->n_params && !st; i++) {
        const un_param *p = &g->param[i];

        if (p->role == UN_PARAM_WEIGHT)
            st = init_weight(g, i, m->init, seed, block + p->offset, mem, err);
        else if (p->role == UN_PARAM_NORM_SCALE || p->role == UN_PARAM_RUNNING_VAR)
            for (int64_t k = 0; k < p->count; k++)
                block[p->offset + k] = 1;
    }
    return st;
}
