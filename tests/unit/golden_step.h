/* Loss and gradients of one training batch against a file of reference values from PyTorch. */
#ifndef GOLDEN_STEP_H
#define GOLDEN_STEP_H

#include <stdlib.h>

#include "golden_fill.h"
#include "io/safetensors.h"
#include "test.h"

static inline const un_st_tensor *golden_tensor(const un_safetensors *golden, const char *name, const char *what)
{
    char key[200];
    const un_st_tensor *t;

    snprintf(key, sizeof key, "%s/%s", name, what);
    t = un_safetensors_find(golden, key);
    if (!t)
        un_test_fail(__FILE__, __LINE__, "the golden file lacks %s", key);
    return t;
}

/* un_free */
static inline float *golden_values(const un_st_tensor *t)
{
    float *v = un_alloc(NULL, t->size);
    unet_error err;

    CHECK_OK(un_st_to_f32(t, v, &err), &err);
    return v;
}

static inline int golden_by_name(const void *a, const void *b)
{
    return strcmp((*(const un_param *const *)a)->name, (*(const un_param *const *)b)->name);
}

/* Rows of the reference: length of the gradient, products with two vectors; parameters in the order of their names. */
static inline void golden_gradients(
    const char *name, const un_st_tensor *t, const un_graph *g, const double *grad, double tolerance)
{
    const un_param **p = un_alloc_array(NULL, (size_t)g->n_params, sizeof *p);
    float *want = golden_values(t);
    double all = 0, worst = 0;
    int n = 0;

    for (int i = 0; i < g->n_params; i++)
        if (g->param[i].trainable)
            p[n++] = &g->param[i];
    qsort(p, (size_t)n, sizeof *p, golden_by_name);
    CHECK_INT(t->count, 3 * n);
    for (int i = 0; i < n; i++)
        all = fmax(all, (double)want[3 * i]);
    for (int i = 0; i < n; i++) {
        const double size = fmax((double)want[3 * i], 1e-2 * all);

        for (int k = 1; k < 3; k++) {
            char key[200];
            double *v, dot = 0;

            snprintf(key, sizeof key, "%s/%s", p[i]->name, k == 1 ? "a" : "b");
            v = golden_fill(key, p[i]->count);
            for (int64_t j = 0; j < p[i]->count; j++)
                dot += v[j] * grad[p[i]->offset + j];
            un_free(v);
            worst = fmax(worst, fabs(dot - (double)want[3 * i + k]) / size);
            if (!(fabs(dot - (double)want[3 * i + k]) < tolerance * size))
                un_test_fail(__FILE__, __LINE__, "%s: gradient of %s: product %g, expected %g; length %g", name,
                    p[i]->name, dot, (double)want[3 * i + k], (double)want[3 * i]);
        }
    }
    un_test_note("%s: gradients off by %.1e", name, worst);
    un_free(want);
    un_free(p);
}

/* The configuration of the model is settled (train/schedule.h). */
static inline void golden_step(const un_safetensors *golden, const char *name, un_model *m, const un_batch *b)
{
    const un_engine_spec spec = {
        .model = m, .backend = un_backend_cpu(), .level = un_test_level(), .pixel_weight = b->weight != NULL};
    const int64_t n = m->graph->block_count;
    float *want = golden_values(golden_tensor(golden, name, "loss"));
    double *grad = un_alloc_array(NULL, (size_t)n, sizeof *grad);
    un_step_result r;
    un_engine *e;
    unet_error err;

    CHECK_OK(un_engine_create(&e, NULL, &spec, &err), &err);
    CHECK_OK(un_engine_start(e, &err), &err);
    CHECK_OK(un_engine_accumulate(e, b, 1, 0, 1, &err), &err);
    for (int64_t i = 0; i < n; i++)
        grad[i] = (double)un_engine_gradient(e)[i];
    golden_gradients(name, golden_tensor(golden, name, "gradients"), m->graph, grad, 1e-4);
    CHECK_OK(un_engine_apply(e, 1, 0, &r, &err), &err);
    CHECK_NEAR(r.loss, want[0], 1e-4 * (double)want[0]);
    un_free(want);
    un_free(grad);
    un_engine_destroy(e);
}

#endif
