/* What a backend does: takes a whole plan and runs it. The CPU's is cpu/; others (CUDA) fill the same table.
 *
 * Blocks (parameters, gradients, moments) belong to the caller and are in the backend's memory; all have the layout of
 * the graph's parameter block, with elements of the plan's real type. */
#ifndef UN_BACKEND_BACKEND_H
#define UN_BACKEND_BACKEND_H

#include "base/cpu.h"
#include "base/pool.h"
#include "base/profile.h"
#include "base/shared.h"
#include "ir/plan.h"

typedef struct un_blocks {
    void *param;          /* written by apply plans and by norms that update running values */
    void *grad;           /* NULL where the plan has it among the activations */
    void *m, *v, *x;      /* state of the optimiser */
    void *average, *slow; /* copies of the weights: their average; what lookahead keeps */
} un_blocks;

typedef struct un_program_spec {
    const un_plan *plan; /* must outlive the program */
    un_blocks blocks;
    un_pool *pool; /* NULL: the caller's thread */
    un_cpu_level level;
    int exact;           /* 1: no Winograd forms */
    int bf16;            /* 1: kernels that multiply numbers of 16 bits too; only where un_cpu_has_bf16(level) */
    int roomy;           /* keep_packed: un_kernel_wish */
    double byte_ns;      /* un_kernel_wish: more than 0 takes slower kernels that keep fewer packed weights */
    int keep_packed;     /* 1: packed weights are kept until refresh: inference. 0: packed at each run: training */
    un_shared *shared;   /* keep_packed: where the packed weights of blocks.param, which never change, are kept for all
                            programs; NULL: each has its own */
    int mapped;          /* blocks.param is a mapped file (base/file.h), whose pages go once they are packed */
    un_profile *profile; /* gets a row for each node that runs; NULL: not measured. Must outlive the program */
    const char *part;    /* what these rows belong to */
    uint64_t seed;       /* dropout */
} un_program_spec;

/* What changes from run to run. */
typedef struct un_step {
    double lr, grad_scale;
    double average_keep;            /* share of the old value in the new average; 1: it stays */
    double mu, mu_next, mu_product; /* nadam: momentum of this step, of the next, product of all so far */
    int64_t step;                   /* 1-based */
    uint32_t first_sample;          /* number of the view's first sample in the batch of the step */
    double grad_norm;               /* written by the first clip node: the norm before clipping */
} un_step;

typedef struct un_needs {
    size_t activation_bytes, packed_bytes, scratch_bytes; /* activations: with scratch that the threads share and
                                                             weights that are packed at each run */
    size_t program_bytes;                                 /* its list of steps */
    size_t weight_bytes;                                  /* packed weights that are shared, not the program's own */
    double ns; /* of a run on one core, as the kernels model it; those without a model are left out */
} un_needs;

/* What one run of a node does, known without a clock. */
typedef struct un_work {
    double macs;        /* multiply-adds by the operator's definition, whatever form the kernel has           */
    double bytes;       /* operands and packed weights read, results written, scratch shared by tasks in and out */
    int regions;        /* parallel regions                                                                    */
    const char *kernel; /* its first one; NULL: there is nothing to run                                        */
} un_work;

typedef struct un_program un_program;

typedef struct un_backend {
    const char *name;
    /* The memory a program of this spec will hold (its blocks may be NULL). */
    unet_status (*needs)(un_needs *out, const un_program_spec *s, unet_error *err);
    unet_status (*compile)(un_program **out, un_mem *mem, const un_program_spec *s, unet_error *err);
    void (*destroy)(un_program *p);
    /* Dense host data to and from a value: float (or double in double plans), int32 for index planes. */
    void (*upload)(un_program *p, int value, const void *host);
    void (*download)(const un_program *p, int value, void *host);
    /* Where the first element of a value lies. Inputs and outputs of the graph are dense. */
    void *(*at)(const un_program *p, int value);
    /* The gradient block: that of the spec, or the one among the activations, whole from the end of a run until the
     * next upload. */
    void *(*gradients)(const un_program *p);
    /* Parameters changed: packed and folded copies are made anew before the next run. */
    void (*refresh)(un_program *p);
    /* Runs all nodes. Allocates nothing. step may be NULL for inference. A non-finite gradient norm: UNET_E_NUMERIC. */
    unet_status (*run)(un_program *p, un_step *step, unet_error *err);
    /* y[i] += x[i] over blocks: the reduce step. */
    void (*add)(un_pool *pool, un_cpu_level level, int real_bytes, void *y, const void *x, int64_t count);
    void (*work)(un_work *out, const un_program *p, int node);
} un_backend;

const un_backend *un_backend_cpu(void);

#endif
