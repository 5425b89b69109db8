/* The CPU backend's own types: a plan lowered to steps. Compiling runs twice: once to measure (no memory), once for
 * real. */
#ifndef UN_BACKEND_CPU_PROGRAM_H
#define UN_BACKEND_CPU_PROGRAM_H

#include "backend/backend.h"
#include "kernels/args.h"

typedef union un_args {
    un_conv_args conv;
    un_wgrad_args wgrad;
    un_norm_args norm;
    un_norm_grad_args norm_grad;
    un_affine_args affine;
    un_act_args act;
    un_pool_args pool;
    un_upsample_args upsample;
    un_add_args add;
    un_copy_args copy;
    un_mul_args mul;
    un_mul_sum_args mul_sum;
    un_dropout_args dropout;
    un_softmax_args softmax;
    un_loss_args loss;
    un_sumsq_args sumsq;
    un_optim_args optim;
    un_average_args average;
    un_perturb_args perturb;
    un_clamp_args clamp;
    un_agc_args agc;
    un_axpby_args axpby;
} un_args;

typedef enum un_step_kind {
    UN_STEP_KERNEL,
    UN_STEP_CLIP, /* after a sumsq kernel: checks and scales */
} un_step_kind;

/* One kernel call. */
typedef struct un_cpu_step {
    un_step_kind kind;
    const un_kernel *kernel;
    un_args args;
    void *packed; /* where the weights are packed at each run, among the activations; NULL: nowhere */
    void *shared; /* scratch that its tasks share */
    int pack;     /* number of the packed weights that are kept; -1: none    */
    int node;
    int idle, keep;  /* of a chain: nothing to do in this band; moves rows that stay */
    double max_norm; /* clip */
    int first;       /* clip: no other before it */
} un_cpu_step;

/* Inference form of a batch norm: scale and shift from the running values, made anew at each refresh. Where it follows
 * a convolution whose kernel packs its weight, that folds the scale in; another kernel reads a folded copy of it. */
typedef struct un_cpu_fold {
    const void *gamma, *beta, *mean, *var, *bias;
    void *scale, *shift; /* [c], real */
    const void *w;       /* [c][per] master weight; NULL: not folded */
    void *w_folded;
    int c;
    int64_t per;
    double eps;
} un_cpu_fold;

/* What a run of a node adds to its row of the profile; -1: the node has none. */
typedef struct un_cpu_cost {
    int row;
    double flops, bytes;
} un_cpu_cost;

/* Packed weights that are kept. */
typedef struct un_cpu_pack {
    const un_kernel *kernel;
    un_conv_args args;
    const un_cpu_fold *fold; /* whose scale is folded in; NULL: none */
    size_t bytes;
    void *data;
    un_shared_block *block; /* that data belongs to; NULL: the program's own */
} un_cpu_pack;

struct un_program {
    un_mem *mem;
    un_program_spec spec;
    un_cpu_step *step;
    un_cpu_fold *fold;
    un_cpu_pack *pack;
    int n_steps, n_folds, n_packs;
    char *act, *packed, *scratch; /* blocks */
    size_t act_bytes, packed_bytes, worker_bytes;
    un_hyper hyper;
    uint32_t counter[2]; /* step, first sample: what dropout reads */
    double sumsq;
    int stale;         /* packed weights must be made anew */
    un_cpu_cost *cost; /* [nodes]; NULL: not measured */
};

/* State of a lowering pass. */
typedef struct un_lowering {
    un_program *p;
    const un_plan *plan;
    int measuring; /* 1: pointers are fake, steps are only counted */
    int n_steps, n_folds, n_packs;
    size_t weight_bytes;
    double ns;
    size_t act_bytes; /* of the plan, and what its nodes work in and lies in no gap of it */
    size_t packed_bytes, worker_bytes;
    unet_error *err;
    int no_kernel;         /* a family without a kernel was met */
    const un_chain *chain; /* that is being lowered; NULL: none */
    int keep;              /* of its steps: moves rows that stay */
} un_lowering;

un_view un_lower_view(const un_lowering *l, int value); /* an activation */
void *un_lower_param(const un_lowering *l, int value);  /* a parameter or gradient; NULL for UN_NONE */
void un_lower_emit(un_lowering *l, int node, un_kernel_family family, const void *args, size_t size);
void *un_lower_room(un_lowering *l, size_t bytes); /* room in the packed block */
void un_lower_node(un_lowering *l, int node);
void un_lower_chain(un_lowering *l, const un_chain *chain);
char *un_lower_base(const un_lowering *l); /* the activation block */
/* Counts the scratch of a kernel, in each band where there are any; returns that which its tasks share. */
size_t un_lower_scratch(un_lowering *l, int node, const un_kernel *k, const void *args, size_t size);
const un_kernel *un_lower_select(const un_lowering *l, un_kernel_family family, const void *args);
un_cpu_step *un_lower_last(un_lowering *l); /* the step emitted last; NULL while measuring */
un_cpu_fold *un_lower_fold(un_lowering *l); /* a new fold; NULL while measuring            */
void un_fold_apply(const un_cpu_fold *f, int real_bytes);
void un_packs_make(un_program *p);                                       /* anew, from the weights as they are */
UN_NODISCARD unet_status un_packs_share(un_program *p, unet_error *err); /* finds or makes each; un_packs_drop always */
void un_packs_drop(un_program *p);
void un_cpu_work(un_work *out, const un_program *p, int node);

#endif
