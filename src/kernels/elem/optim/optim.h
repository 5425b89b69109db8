/* What the optimisers share. A kind is a function over the elements i..end-1 of one tensor; the driver (../optim.c)
 * cuts the tensor into tasks. Formulas and order of operations are PyTorch's where it has the optimiser. */
#ifndef UN_KERNELS_ELEM_OPTIM_OPTIM_H
#define UN_KERNELS_ELEM_OPTIM_OPTIM_H

#include "kernels/args.h"
#include "kernels/elem/real.h"

typedef void optim_fn(const un_optim_args *a, int64_t i, int64_t end);

/* The numbers of a step that all kinds need, in the type of the kernel. */
typedef struct optim_step {
    double lr;
    real scale, coupled, l1, keep; /* keep: what decoupled decay leaves of a weight */
} optim_step;

static inline optim_step optim_step_of(const un_optim_args *a)
{
    const double lr = a->hyper->lr * a->lr_mult;

    return (optim_step){.lr = lr,
        .scale = (real)a->hyper->grad_scale,
        .coupled = (real)(a->decoupled ? 0 : a->weight_decay),
        .l1 = (real)a->l1,
        .keep = (real)(a->decoupled ? 1 - lr * a->weight_decay : 1)};
}

static inline real optim_sign(real x)
{
    return (real)((x > 0) - (x < 0));
}

/* The gradient of a weight with what decay adds to it. */
static inline real optim_gradient(const optim_step *s, real g, real w)
{
    return g * s->scale + s->coupled * w + s->l1 * optim_sign(w);
}

#endif
