/* The args of each kernel family. `void *` tensors are float or double by the kernel's type. Master weights have the
 * layout of PyTorch: convolution [co][ci/groups][kd][kh][kw]. Axis order in triples is d, h, w; 2-D has d = 1. */
#ifndef UN_KERNELS_ARGS_H
#define UN_KERNELS_ARGS_H

#include "kernels/kernel.h"

/* Activations, with the names and formulas of the field. slope: LeakyReLU's, ELU's alpha. GELU is the exact form (erf).
 */
typedef enum un_act {
    UN_ACT_NONE,
    UN_ACT_RELU,
    UN_ACT_LEAKY_RELU,
    UN_ACT_ELU,
    UN_ACT_GELU,
    UN_ACT_SILU,
    UN_ACT_SIGMOID,
    UN_ACT_TANH,
    UN_ACT_RELU6, /* min(max(x, 0), 6) */
    UN_ACT_COUNT
} un_act;

/* Cross-correlation, zero padding. For each output pixel o and tap k the input pixel is o*stride - pad + k*dilation;
 * taps outside x count as zero; the high side's padding follows from the extents. x.c = ci, y.c = co.
 * Family conv reads x and writes y. Family conv_dgrad reads y and writes every element of x: the data gradient of a
 * convolution, and the forward pass of a transposed convolution (whose PyTorch weight [in][out][k] is the [co][ci][k]
 * of the convolution it transposes: y has `in` channels, x has `out`). bias has the channels of what is written. */
typedef struct un_conv_args {
    un_view x, y;
    un_view x2; /* where the last x2.c channels of x lie, the others a multiple of 16; x2.c 0: x has them all. Not for
                   strides. Where x is written: a multiple of 32, or both with the same steps */
    const void *w;      /* master [co][ci/groups][kd][kh][kw]; what pack() reads                   */
    const void *packed; /* packed form, when the kernel has one                                    */
    const void
        *scale; /* [co], what pack() multiplies the weights of each output by; NULL: 1. Only for kernels that pack */
    const void *bias;                                 /* NULL: none */
    int k[3], stride[3], pad[3], dilation[3], groups; /* pad: low side */
    int act;                                          /* un_act, applied to what is written after the bias */
    float slope;
    int whole_h; /* 0, or these are some rows of a layer with so many rows of y: the way of computing is chosen for
                    that one, so that each pixel gets the same bits */
} un_conv_args;

/* dw[co][ci/groups][k] = sum over n and output pixels of dy x; db[co] = sum of dy. Both are overwritten.
 * dw NULL: only db is wanted (x unused then): the bias gradient of a transposed convolution. */
typedef struct un_wgrad_args {
    un_view x, dy;
    un_view x2;    /* as in un_conv_args */
    void *dw, *db; /* db NULL: not wanted */
    int k[3], stride[3], pad[3], dilation[3], groups;
} un_wgrad_args;

typedef enum un_norm_mode { UN_NORM_BATCH, UN_NORM_INSTANCE, UN_NORM_GROUP } un_norm_mode;

/* y = act(gamma (x - mean) rstd + beta), rstd = 1/sqrt(var + eps), biased variance over the set of the mode: batch over
 * n,d,h,w; instance over d,h,w; group over d,h,w and c/groups channels. mean and rstd are written: [c] for batch,
 * [n][c] for instance, [n][groups] for group. Statistics are exact to rounding (two passes or shifted sums; never the
 * difference of large sums of squares). y may be x only if the caller needs x no more. */
typedef struct un_norm_args {
    un_view x, y;
    const void *gamma, *beta; /* [c]; NULL: 1 and 0 */
    void *mean, *rstd;
    void *running_mean,
        *running_var; /* [c]; NULL: none. running = (1-m) running + m new, variance unbiased (PyTorch) */
    double momentum, eps;
    int mode, groups, act;
    int given; /* 1: mean and rstd are there and only applied, with the bits of the run that made them */
    float slope;
} un_norm_args;

/* Gradients of the same: g = dy * act'(pre-activation recomputed from x). dgamma, dbeta overwritten (NULL: not wanted).
 */
typedef struct un_norm_grad_args {
    un_view x, dy, dx; /* dx may be dy */
    const void *gamma, *beta, *mean, *rstd;
    void *dgamma, *dbeta;
    int mode, groups, act;
    float slope;
} un_norm_grad_args;

/* Inference form of batch norm, or a per-channel scale. May run in place. */
typedef struct un_affine_args {
    un_view x, y;
    const void *scale, *shift; /* [c] */
    int act;
    float slope;
} un_affine_args;

/* act: y = f(x). act_grad: y = dx = dy * f'(x), x being the input of the forward pass. In place allowed (y.p == dy.p).
 */
typedef struct un_act_args {
    un_view x, y, dy;
    int act;
    float slope;
} un_act_args;

/* Pooling without padding: output extent floor((in - k)/stride) + 1, or ceil form when y says so (windows are cut at
 * the edge). maxpool_grad finds the maximum again in x (first in d,h,w order, as PyTorch; NaN wins) and writes all of
 * dx: dx = scattered dy, plus `add` where add.p is set (the gradient that came along the skip connection). avgpool
 * divides by the number of pixels inside the input. */
typedef struct un_pool_args {
    un_view x, y, dy, dx, add;
    int k[3], stride[3], pad[3]; /* pad: low side, at most k / 2; windows are cut at the edges */
} un_pool_args;

/* Resampling to the extents of y. linear 0: nearest (index floor(o*in/out)); 1: linear on all three axes, half-pixel
 * centres, or aligned corners. upsample_grad reads dy through `y` and writes the adjoint to `x` (all of it). */
typedef struct un_upsample_args {
    un_view x, y;
    int linear, align_corners;
} un_upsample_args;

typedef struct un_add_args {
    un_view a, b, y; /* y may be a or b */
} un_add_args;

typedef struct un_copy_args {
    un_view x, y;
} un_copy_args;

/* y = scale x g. g has the samples of y, one pixel each or all of them, and one channel or all of them; where it has
 * one it is the same for all. x.p NULL: ones. y may be x. */
typedef struct un_mul_args {
    un_view x, g, y;
    double scale;
} un_mul_args;

/* g = scale times the sum of x b over the pixels and channels that share an element of g (as above). b.p NULL: ones. */
typedef struct un_mul_sum_args {
    un_view x, b, g;
    double scale;
} un_mul_sum_args;

/* y = x * keep / (1-p), keep from Philox: key = seed, counter = (element index inside the sample, sample number `first`
 * + n, node, step). spatial: one decision for a channel of a sample; sample: one for all of a sample. The family
 * drop_block (Ghiasi 2018) drops blocks of `block` pixels a side, along d only where there is depth, of each channel
 * apart. */
typedef struct un_dropout_args {
    un_view x, y;
    double p;
    int spatial, sample, block;
    uint64_t seed;
    const uint32_t *step; /* read at run time: [0] step, [1] number of the first sample of the view in its batch */
    uint32_t node;
} un_dropout_args;

typedef struct un_softmax_args {
    un_view x, y; /* y may be x */
    int sigmoid;  /* 1: independent sigmoids */
} un_softmax_args;

/* Losses read logits and write value (1 element) and dlogits, the gradient of weight * value. Pixels with target -1 and
 * pixels of weight 0 are left out everywhere, their gradient is 0. `form`: softmax over c channels with index targets;
 * binary: c = 1, sigmoid, index targets 0/1; multilabel: c sigmoids, multi-hot targets in `soft` (target -1 still
 * ignores; NULL: nothing is). A target that is no class counts as -1. dlogits.p NULL: not wanted. Where nothing counts,
 * value and gradient are 0.
 *
 * The formula of each kind stands in the file that computes it (elem/loss/). Kinds of one family share their way of
 * adding up: LOSS_PIXEL is a mean over pixels, LOSS_REGION a function of sums over classes; the others need all pixels
 * in order (LOSS_TOP_K, LOSS_LOVASZ) or neighbours (LOSS_DISTANCE, LOSS_CLDICE, LOSS_SSIM). kind              family
 * name */
#define UN_LOSS_KINDS(X)                                                                                               \
    X(CE, LOSS_PIXEL, "ce")                                                                                            \
    X(FOCAL, LOSS_PIXEL, "focal")                                                                                      \
    X(GCE, LOSS_PIXEL, "gce")                                                                                          \
    X(SCE, LOSS_PIXEL, "sce")                                                                                          \
    X(MAE, LOSS_PIXEL, "mae")                                                                                          \
    X(HUBER, LOSS_PIXEL, "huber")                                                                                      \
    X(BOOTSTRAP_SOFT, LOSS_PIXEL, "bootstrap_soft")                                                                    \
    X(BOOTSTRAP_HARD, LOSS_PIXEL, "bootstrap_hard")                                                                    \
    X(DICE, LOSS_REGION, "dice")                                                                                       \
    X(GENERALISED_DICE, LOSS_REGION, "generalised_dice")                                                               \
    X(LOG_COSH_DICE, LOSS_REGION, "log_cosh_dice")                                                                     \
    X(JACCARD, LOSS_REGION, "jaccard")                                                                                 \
    X(TVERSKY, LOSS_REGION, "tversky")                                                                                 \
    X(TOP_K, LOSS_TOP_K, "top_k")                                                                                      \
    X(LOVASZ, LOSS_LOVASZ, "lovasz")                                                                                   \
    X(LOVASZ_HINGE, LOSS_LOVASZ, "lovasz_hinge")                                                                       \
    X(BOUNDARY, LOSS_DISTANCE, "boundary")                                                                             \
    X(HAUSDORFF, LOSS_DISTANCE, "hausdorff")                                                                           \
    X(CLDICE, LOSS_CLDICE, "cldice")                                                                                   \
    X(SSIM_EDGE, LOSS_SSIM, "ssim_edge")

#define UN_LOSS_KIND(ID, family, name) UN_LOSS_##ID,
typedef enum un_loss_kind { UN_LOSS_KINDS(UN_LOSS_KIND) UN_LOSS_KIND_COUNT } un_loss_kind;
#undef UN_LOSS_KIND
typedef enum un_loss_form { UN_LOSS_SOFTMAX, UN_LOSS_BINARY, UN_LOSS_MULTILABEL } un_loss_form;
typedef enum un_loss_factor { UN_LOSS_PLAIN, UN_LOSS_BY_ALPHA, UN_LOSS_BY_REST } un_loss_factor;

typedef struct un_loss_args {
    un_view logits, dlogits;
    const int32_t *target;     /* [n][d][h][w] dense; -1: ignore */
    const float *pixel_weight; /* same shape, or NULL */
    const float *soft;         /* [n][d][h][w][c] dense, multilabel only */
    const float *class_weight; /* [c] (binary: [2]), or NULL */
    const float *alpha_now;    /* one number that stands for alpha in this run, or NULL: alpha */
    void *value;               /* without weight and factor */
    double weight;
    un_loss_kind kind;
    un_loss_form form;
    un_loss_factor factor; /* the weight is multiplied by 1, alpha or 1 - alpha */
    double smoothing;      /* ce: label smoothing as PyTorch's */
    double smooth;         /* region losses and cldice: added above and below the line */
    int batch;             /* sums over the whole view; 0: over each n, then the mean */
    int background;        /* means over classes count class 0 too */
    int squared;           /* dice: squares below the line */
    double alpha, beta, gamma, delta, q, pos_weight, share, threshold, radius; /* as the kinds say */
    double spacing[3];                                                         /* distances: of d, h, w */
    int add; /* 1: dlogits += (several losses on one output) */
} un_loss_args;

typedef struct un_sumsq_args {
    const void *x;
    int64_t count;
    double *sum; /* double for both types */
} un_sumsq_args;

/* Scalars that change from step to step; read at run time. */
typedef struct un_hyper {
    double lr, grad_scale;          /* gradient is multiplied by grad_scale first (clipping, mean over groups) */
    double grad_norm;               /* of the whole gradient, after grad_scale */
    int64_t step;                   /* 1-based: bias correction */
    double average_keep;            /* average: share of the old value; 1: leave it alone */
    double mu, mu_next, mu_product; /* nadam: momentum of this step, of the next, product of all so far */
} un_hyper;

/* What an optimiser does with one parameter tensor: a file each in elem/optim/. */
typedef enum un_optim_kind {
    UN_OPTIM_SGD,
    UN_OPTIM_ADAM,
    UN_OPTIM_AMSGRAD,
    UN_OPTIM_RMSPROP,
    UN_OPTIM_ADAGRAD,
    UN_OPTIM_NADAM,
    UN_OPTIM_RADAM,
    UN_OPTIM_LION,
    UN_OPTIM_LAMB, /* a family of its own: it needs norms of the tensor */
    UN_OPTIM_COUNT
} un_optim_kind;

/* Flat update of one parameter tensor. The gradient is g grad_scale + l1 sign(w), and decay w where the decay is
 * coupled; else w is first multiplied by 1 - lr decay. */
typedef struct un_optim_args {
    int kind;
    void *w, *m, *v, *x; /* parameter and state; which the kind uses, its file says */
    const void *g;
    int64_t count;
    const un_hyper *hyper;
    double lr_mult, weight_decay, l1, beta1, beta2, eps, momentum;
    int nesterov, centred, decoupled;
    int adapt; /* lamb: 1: the step is scaled by the norms of the tensor */
} un_optim_args;

/* average: avg = keep avg + (1 - keep) w. lookahead: at each `every`-th step avg += alpha (w - avg), w = avg. */
typedef struct un_average_args {
    void *w, *avg;
    int64_t count;
    const un_hyper *hyper;
    int64_t every;
    double alpha;
} un_average_args;

/* w += rho g / norm of the whole gradient: the ascent of sharpness-aware minimisation. */
typedef struct un_perturb_args {
    void *w;
    const void *g;
    int64_t count;
    const un_hyper *hyper;
    double rho;
} un_perturb_args;

/* Elements of the mean gradient (g grad_scale) are cut to -limit..limit. */
typedef struct un_clamp_args {
    void *g;
    int64_t count;
    const un_hyper *hyper;
    double limit;
} un_clamp_args;

/* Adaptive clipping (Brock 2021): w and g are [outer][units][inner]; the mean gradient of a unit is scaled down to the
 * norm limit max(|w|, eps) of its weights. */
typedef struct un_agc_args {
    const void *w;
    void *g;
    int64_t outer, units, inner;
    const un_hyper *hyper;
    double limit, eps;
} un_agc_args;

typedef struct un_axpby_args {
    const void *x;
    void *y;
    double a, b;
    int64_t count;
} un_axpby_args;

#endif
