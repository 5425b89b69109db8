/* What a kernel is: a pure leaf. It gets one const args struct (args.h), scratch memory whose size it stated, and a
 * task number; it allocates nothing, cannot fail, has no state, and touches nothing outside the views it was given.
 *
 * Work is cut into phases and tasks by the problem alone. All tasks of a phase may run at once, in any order, on any
 * thread; a phase starts when the one before it is complete. So the bits of a result depend on neither. */
#ifndef UN_KERNELS_KERNEL_H
#define UN_KERNELS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/* A rectangle of a channels-last tensor. Element (n, d, h, w, c) is at p[n*sn + d*sd + h*sh + w*sw + c]; strides are in
 * elements of the type that the kernel is for, and sw >= c, so a view can be a slice of a wider concatenation. */
typedef struct un_view {
    void *p;
    int n, d, h, w, c;
    ptrdiff_t sn, sd, sh, sw;
} un_view;

/* The view of channel c of x, whose last x2->c channels lie in x2; *first: the first channel of x that it has. */
static inline const un_view *un_view_of(const un_view *x, const un_view *x2, int c, int *first)
{
    const int before = x->c - x2->c;

    *first = c < before ? 0 : before;
    return c < before ? x : x2;
}

/* Elements from the first one of the view to channel 0 of a pixel. */
static inline ptrdiff_t un_view_at(const un_view *v, int n, int d, int h, int w)
{
    return n * v->sn + d * v->sd + h * v->sh + w * v->sw;
}

static inline int64_t un_view_pixels(const un_view *v)
{
    return (int64_t)v->n * v->d * v->h * v->w;
}

/* Whether pixels follow each other at the constant distance sw, so that the view is a [pixels][c] matrix. */
static inline int un_view_is_matrix(const un_view *v)
{
    return v->sh == v->w * v->sw && v->sd == v->h * v->sh && v->sn == v->d * v->sd;
}

typedef enum un_kernel_family {
#define UN_FAMILY(name, ID, args) UN_K_##ID,
#include "kernels/families.def"
#undef UN_FAMILY
    UN_K_COUNT
} un_kernel_family;

enum { UN_KERNEL_F32, UN_KERNEL_F64 }; /* the type of all `void *` tensors in the args */

typedef struct un_kernel {
    const char *name; /* family_variant_type_level, for example conv_winograd4_f32_avx2 */
    un_kernel_family family;
    int type;     /* UN_KERNEL_F32 or _F64 */
    int level;    /* un_cpu_level that it needs; 0: portable */
    int winograd; /* 1: rounds otherwise than a plain sum of products; left out where `exact` is asked for */
    int bf16;     /* 1: multiplies numbers of 16 bits; only where they are asked for */
    int roomy;    /* 1: keeps several times the room of the weights, to the same bits; only where that is asked for */

    /* Whether it can do this. NULL: always. Pointers inside the args may still be NULL here and in all sizes below. */
    int (*supports)(const void *args);
    /* Modelled time in nanoseconds on one core, to choose between kernels. NULL: 1e3 per thousand output elements. */
    double (*cost)(const void *args);
    /* Bytes of the packed copy of args->w that `run` reads at args->packed; NULL or 0: reads args->w itself. */
    size_t (*packed_bytes)(const void *args);
    int64_t (*pack_tasks)(const void *args);
    void (*pack)(const void *args, void *packed, int64_t task); /* args->w -> packed */
    size_t (*worker_bytes)(const void *args); /* scratch of each worker, 64-byte aligned; NULL: none           */
    size_t (*shared_bytes)(const void *args); /* scratch shared by all tasks, kept between phases; NULL: none */
    int phases;
    int64_t (*tasks)(const void *args, int phase);
    void (*run)(const void *args, int phase, int64_t task, void *worker, void *shared);
} un_kernel;

/* All kernels of this build, reference first. At equal cost the higher level is preferred, then the order here. */
extern const un_kernel *const un_kernels[];
extern const int un_kernel_count;

typedef struct un_kernel_wish {
    int type, level;
    int exact;      /* 1: no Winograd forms */
    int bf16;       /* 1: kernels that multiply numbers of 16 bits too */
    int roomy;      /* 1: kernels too that keep several times the room of the weights to be faster */
    double byte_ns; /* what a byte of packed weights or of shared scratch costs beside the time: 0 chooses the fastest,
                       more saves memory */
} un_kernel_wish;

/* The cheapest kernel of the family and type at or below the level that supports the args; never NULL, since the
 * reference supports everything. */
const un_kernel *un_kernel_select(un_kernel_family family, const un_kernel_wish *wish, const void *args);

/* Runs all phases in order on the caller's thread: tests and benchmarks. */
void un_kernel_run_serial(const un_kernel *k, const void *args, void *worker, void *shared);

#endif
