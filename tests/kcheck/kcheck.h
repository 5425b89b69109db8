/* The kernel checker: each row of kernels.def at each CPU level of this machine against the reference of its
 * family.
 *
 * A family group (conv.c, ...) exports one kc_suite per family. For case number i its `check` builds args
 * from tensors of kc_tensor, runs the kernel under test with kc_run, the reference the same way, and compares
 * with kc_compare. All memory lies flush against pages without access and is gone after the case; whatever is
 * not part of a view (gaps between pixels) holds NaN and must come back unchanged, which kc_run checks for
 * all tensors of the case. */
#ifndef UN_KCHECK_H
#define UN_KCHECK_H

#include "base/rng.h"
#include "kernels/args.h"

typedef struct kc {
    const un_kernel *kernel; /* under test */
    int number, exact;       /* of the case; exact: inputs are small integers, results must be equal to the bit */
    un_rng rng;
    int failed;
    char what[512];    /* text of the case, set by kc_note; printed on failure */
    const char *layer; /* benchmark: only labels with this in them; NULL: all */
} kc;

typedef struct kc_suite {
    un_kernel_family family;
    int cases; /* random cases after the fixed ones; check gets 0..cases-1 */
    void (*check)(kc *c);
    void (*bench)(kc *c); /* NULL: none. Calls kc_bench for each size of its list */
} kc_suite;

/* Every suite of the program; one array per file, listed in main.c. */
extern const kc_suite kc_conv_suites[];
extern const int kc_conv_suite_count;

typedef enum kc_fill { KC_POISON, KC_ZERO, KC_INTEGER, KC_NORMAL } kc_fill; /* integers: -7..7 */

/* Random whole number lo..hi. */
int kc_int(kc *c, int lo, int hi);
void kc_note(kc *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void kc_fail(kc *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Memory of this case; `bytes` end (or, at random, begin) at a page without access. Aligned to `align` <= 64.
 */
void *kc_memory(kc *c, size_t bytes, size_t align);

/* A tensor with random strides (or dense), the elements of the view filled, the gaps guarded. KC_POISON: NaN,
 * for outputs. type: UN_KERNEL_F32 or F64. */
un_view kc_tensor(kc *c, int type, int n, int d, int h, int w, int ch, kc_fill fill);
un_view kc_dense(kc *c, int type, int n, int d, int h, int w, int ch, kc_fill fill);
/* The same values as v in a dense tensor of another type; absolute: their magnitudes. */
un_view kc_convert(kc *c, const un_view *v, int from, int to, int absolute);
/* A flat array is the view 1,1,1,1,count. Its pointer, with the same guards: */
void *kc_array(kc *c, int type, int64_t count, kc_fill fill);
un_view kc_flat(void *p, int64_t count);

double kc_get(const un_view *v, int type, int n, int d, int h, int w, int ch);
void kc_set(const un_view *v, int type, int n, int d, int h, int w, int ch, double value);

/* The reference of a family. */
const un_kernel *kc_reference(un_kernel_family family, int type);

/* Runs all phases, tasks in random order, scratch poisoned before each phase's workers; checks the guards of
 * every tensor of the case. packed: &args.packed where the family has one, else NULL. */
void kc_run(kc *c, const un_kernel *k, const void *args, const void **packed);

/* Fails unless |got - want| <= bound for every element; bound NULL: `tolerance` times (1 + |want|). In exact
 * mode got and want must be equal whatever the bound (0 and -0 are equal). `got` has type `type`, want and
 * bound are F64. */
void kc_compare(
    kc *c, const char *name, const un_view *got, int type, const un_view *want, const un_view *bound, double tolerance);

/* Times the kernel of the case on one core and prints a row: the best of several runs, with flops of
 * arithmetic or bytes of traffic per second (whichever is not 0). Unsupported args print nothing. */
void kc_bench(kc *c, const char *label, const void *args, const void **packed, double flops, double bytes);

#endif
