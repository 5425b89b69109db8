/* Checking kernels: every kernel of a family, of every type and level that this machine runs, against formulas that the
 * test writes in plain loops over dense arrays of double. Views are padded, so that a write outside of them is seen;
 * each kernel also runs with its tasks in reversed order and its scratch full of NaN, which must give the same bits. */
#ifndef UN_KERNEL_CHECK_H
#define UN_KERNEL_CHECK_H

#include "base/rng.h"
#include "base/size.h"
#include "kernels/args.h"
#include "test.h"

/* A tensor of either type with room around it. */
typedef struct kc_tensor {
    un_view v;
    void *base;
    int64_t room; /* elements */
    int type;
} kc_tensor;

extern un_rng kc_rng; /* each test starts it anew */
double kc_normal(void);
double *kc_random(int64_t n); /* normal numbers that a float holds; un_free */

/* Elements of untyped arrays. */
void kc_put(void *p, int64_t i, double x, int type);
double kc_get(const void *p, int64_t i, int type);

int64_t kc_count(const un_view *v);
/* Where element i of the dense order lies in the view, in elements from v->p. */
int64_t kc_place(const un_view *v, int64_t i);

/* pad 0: dense; 1: a slice of wider pixels; 2: a rectangle of a larger picture as well. */
kc_tensor kc_make(int type, int n, int d, int h, int w, int c, int pad);
kc_tensor kc_make_like(int type, const un_view *v, int pad);
void kc_release(kc_tensor *t);
void kc_set(kc_tensor *t, const double *x); /* from dense order */
double kc_at(const kc_tensor *t, int64_t i);

/* Fails unless each element is within tol (1 + |y|) and nothing outside of the view was touched. */
void kc_expect(const kc_tensor *t, const double *y, double tol, const char *what);

/* The kernels of a family that this machine runs, one after the other; *i starts at 0. */
const un_kernel *kc_next(un_kernel_family family, int *i);
double kc_tolerance(const un_kernel *k, double f32); /* 1e-11 for the double kernels */

/* Runs once in order; twice, the second time in reversed order, and compares the bits of y, which both times starts as
 * `before` (NULL: as it is). */
void kc_run_once(const un_kernel *k, const void *args, int reversed);
void kc_run(const un_kernel *k, const void *args, kc_tensor *y, const double *before);

#endif
