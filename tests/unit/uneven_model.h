/* A model of a configuration whose running statistics, shifts and biases are not trivial, so that a kernel that leaves
 * one out is seen. The caller owns it. */
#ifndef UNEVEN_MODEL_H
#define UNEVEN_MODEL_H

#include "base/rng.h"
#include "model/file.h"
#include "test.h"

static inline un_model *uneven_model(const un_config *c, unet_error *err)
{
    un_model *m;
    un_rng r;

    CHECK_OK(un_model_create(&m, NULL, c, err), err);
    un_rng_init(&r, 11, UN_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < m->graph->n_params; i++)
        for (int64_t k = 0; k < m->graph->param[i].count && m->graph->param[i].role != UN_PARAM_WEIGHT; k++)
            m->weights[m->graph->param[i].offset + k] += (float)(0.3 * un_rng_uniform(&r));
    return m;
}

#endif
