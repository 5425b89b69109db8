/* Lovasz extension of 1 - IoU (Berman 2018). Of each class the errors e of the pixels are sorted, largest first; the
 * loss is sum_i e_i (J_i - J_(i-1)), J_i = 1 - (G - F_i) / (G + B_i) with the sums of weights G of the class, F_i and
 * B_i of the first i pixels in and out of it. lovasz        e = |y - p|; mean over the classes that occur lovasz_hinge
 * e = max(0, 1 - z (2 y - 1)), z the logit; mean over channels
 *
 * A list for each group of samples and class. Phases: errors by block; the sort; sums of runs of the order; their
 * places; shares of the lists; values and gradients by errors; the value; gradient by logits. */
#include "kernels/elem/loss/sort.h"

enum { ERRORS, SORT, SUMS = SORT + UN_SORT_PHASES, SCAN, SHARES, APPLY, VALUE, GRADIENT, PHASES };

static int is_hinge(const un_loss_args *a)
{
    return a->kind == UN_LOSS_LOVASZ_HINGE;
}

/* Classes with a list: both of the binary form, of which hinge looks at the second alone. */
static int classes_of(const un_loss_args *a)
{
    return is_hinge(a) ? a->logits.c : un_loss_classes(a);
}

static int class_of(const un_loss_args *a, int64_t list)
{
    return is_hinge(a) && a->form == UN_LOSS_BINARY ? 1 : (int)(list % classes_of(a));
}

static int64_t lists_of(const un_loss_args *a)
{
    return (int64_t)un_loss_groups(a) * classes_of(a);
}

typedef struct parts {
    un_sort sort;
    real *error;    /* [lists][pixels of a group]; then the gradient by the probability or logit */
    double *sum;    /* [lists][blocks of the sort][2]: weights in and out of the class, of a run and then before it */
    double *value;  /* [lists][blocks of the sort] */
    double *inside; /* [lists]: G */
    double *share;  /* [lists] */
} parts;

static size_t error_bytes(const un_loss_args *a)
{
    return un_round_up((size_t)(lists_of(a) * un_loss_group_pixels(a)) * sizeof(real), 64);
}

static parts parts_of(const un_loss_args *a, void *shared)
{
    const int64_t lists = lists_of(a), length = un_loss_group_pixels(a);
    char *p = (char *)shared + error_bytes(a);
    parts s = {.error = shared, .sort = un_sort_of(lists, length, p)};

    s.sum = (double *)(p + un_round_up(un_sort_bytes(lists, length), 64));
    s.value = s.sum + lists * s.sort.blocks * 2;
    s.inside = s.value + lists * s.sort.blocks;
    s.share = s.inside + lists;
    return s;
}

static size_t lovasz_shared(const void *args)
{
    const un_loss_args *a = args;
    const int64_t lists = lists_of(a), length = un_loss_group_pixels(a);
    const size_t runs = (size_t)(lists * un_ceil_div(length, UN_SORT_BLOCK));

    return error_bytes(a) + un_round_up(un_sort_bytes(lists, length), 64) +
           (runs * 3 + (size_t)lists * 2) * sizeof(double);
}

/* The tile, and a row for each class. */
static size_t lovasz_worker(const void *args)
{
    const un_loss_args *a = args;

    return ((size_t)a->logits.c + (size_t)un_loss_classes(a)) * TILE * sizeof(real);
}

static int64_t lovasz_tasks(const void *args, int phase)
{
    const un_loss_args *a = args;
    const un_sort sort = un_sort_of(lists_of(a), un_loss_group_pixels(a), NULL);

    if (phase >= SORT && phase < SUMS)
        return un_sort_tasks(&sort, phase - SORT);
    return phase == SUMS || phase == APPLY     ? sort.lists * sort.blocks
           : phase == SCAN                     ? sort.lists
           : phase == SHARES || phase == VALUE ? 1
                                               : un_loss_blocks(a);
}

/* Where class k of pixel i is in the lists. */
static int64_t place(const un_loss_args *a, int k, int64_t i)
{
    const int64_t length = un_loss_group_pixels(a);

    return (i / length * classes_of(a) + k) * length + i % length;
}

static void errors_block(const un_loss_args *a, const parts *s, int64_t i, int64_t end, real *z)
{
    real w[TILE], p[TILE], target[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        if (is_hinge(a))
            un_tile_load(&a->logits, i, count, z);
        else
            un_loss_probabilities(a, i, count, z);
        for (int k = 0; k < classes_of(a); k++) {
            const int class = class_of(a, k);

            if (!is_hinge(a))
                un_loss_rows(a, i, count, class, t, z, p, target);
            for (int j = 0; j < count; j++) {
                const int in = w[j] != 0 && un_loss_is(a, i + j, class);
                const real e = is_hinge(a) ? 1 - (in ? z[k * TILE + j] : -z[k * TILE + j]) : in ? 1 - p[j] : p[j];
                const int64_t at = place(a, k, i + j);

                s->error[at] = w[j] == 0 ? 0 : e;
                s->sort.key[0][at] = un_sort_key(w[j] == 0 ? (real)-1e30 : e);
            }
        }
    }
}

/* The pixels of a run of the order: first pixel of its group, and of the run. */
typedef struct run_of {
    int64_t list, group, first, last, block;
    int class;
} run_of;

static run_of run_at(const un_loss_args *a, const parts *s, int64_t task)
{
    run_of r = {.list = task / s->sort.blocks, .block = task};

    r.group = r.list / classes_of(a) * s->sort.length;
    r.first = task % s->sort.blocks * UN_SORT_BLOCK;
    r.last = UN_MIN(r.first + UN_SORT_BLOCK, s->sort.length);
    r.class = class_of(a, r.list);
    return r;
}

static void sums_run(const un_loss_args *a, const parts *s, int64_t task)
{
    const run_of r = run_at(a, s, task);
    const uint32_t *order = un_sort_order(&s->sort, r.list);
    double sum[2] = {0, 0};

    for (int64_t k = r.first; k < r.last; k++) {
        const int64_t i = r.group + order[k];
        const double w = (double)un_loss_weight_at(a, i);

        if (w > 0)
            sum[un_loss_is(a, i, r.class) ? 0 : 1] += w;
    }
    s->sum[r.block * 2] = sum[0];
    s->sum[r.block * 2 + 1] = sum[1];
}

static void scan_list(const parts *s, int64_t list)
{
    double before[2] = {0, 0};

    for (int64_t b = list * s->sort.blocks; b < (list + 1) * s->sort.blocks; b++)
        for (int k = 0; k < 2; k++) {
            const double own = s->sum[b * 2 + k];

            s->sum[b * 2 + k] = before[k];
            before[k] += own;
        }
    s->inside[list] = before[0];
}

static void shares(const un_loss_args *a, const parts *s)
{
    const int classes = classes_of(a), groups = un_loss_groups(a);

    for (int64_t g = 0; g < groups; g++) {
        double total = 0;

        for (int64_t l = g * classes; l < (g + 1) * classes; l++) {
            s->share[l] = is_hinge(a) || s->inside[l] > 0 ? (double)un_class_weight(a, class_of(a, l)) : 0;
            total += s->share[l];
        }
        for (int64_t l = g * classes; l < (g + 1) * classes; l++)
            s->share[l] = total > 0 ? s->share[l] / total / groups : 0;
    }
}

/* J after the pixels with the sums in and out, minus J before the last of them, of weight w. */
static double step(double inside, const double sum[2], double w, int in)
{
    const double whole = inside + sum[1];

    if (in)
        return w / whole;
    return whole - w > 0 ? (inside - sum[0]) * w / ((whole - w) * whole) : 1;
}

static void apply_run(const un_loss_args *a, const parts *s, int64_t task)
{
    const run_of r = run_at(a, s, task);
    const uint32_t *order = un_sort_order(&s->sort, r.list);
    const double share = s->share[r.list], weight = un_loss_weight(a);
    double sum[2] = {s->sum[r.block * 2], s->sum[r.block * 2 + 1]}, value = 0;
    real *error = s->error + r.list * s->sort.length;

    for (int64_t k = r.first; k < r.last; k++) {
        const int64_t i = r.group + order[k];
        const double w = (double)un_loss_weight_at(a, i), e = (double)error[order[k]];
        double slope = 0;

        if (w > 0 && share > 0) {
            const int in = un_loss_is(a, i, r.class);

            sum[!in] += w;
            slope = is_hinge(a) && e <= 0 ? 0 : share * step(s->inside[r.list], sum, w, in);
            value += slope * e;
            slope = in ? -slope : slope;
        }
        error[order[k]] = (real)(weight * slope);
    }
    s->value[r.block] = value;
}

static void gradient_block(const un_loss_args *a, const parts *s, int64_t i, int64_t end, real *z)
{
    real *g = z + a->logits.c * TILE, w[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);
        real *row = is_hinge(a) ? z : g;

        un_tile_target(a, i, count, t, w);
        if (!is_hinge(a))
            un_loss_probabilities(a, i, count, z);
        for (int k = 0; k < classes_of(a); k++)
            for (int j = 0; j < TILE; j++)
                row[k * TILE + j] = j < count ? s->error[place(a, k, i + j)] : 0;
        if (!is_hinge(a))
            un_loss_to_logits(a, w, g, z);
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
}

static void lovasz_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    const parts s = parts_of(a, shared);
    const int64_t i = task * un_tile_block(&a->logits), end = UN_MIN(i + un_tile_block(&a->logits), un_loss_pixels(a));

    if (phase == ERRORS)
        errors_block(a, &s, i, end, worker);
    else if (phase < SUMS)
        un_sort_run(&s.sort, phase - SORT, task);
    else if (phase == SUMS)
        sums_run(a, &s, task);
    else if (phase == SCAN)
        scan_list(&s, task);
    else if (phase == SHARES)
        shares(a, &s);
    else if (phase == APPLY)
        apply_run(a, &s, task);
    else if (phase == VALUE)
        *(real *)a->value = (real)un_loss_total(s.value, s.sort.lists * s.sort.blocks);
    else if (a->dlogits.p)
        gradient_block(a, &s, i, end, worker);
}

UN_DEFINE(loss_lovasz, LOSS_LOVASZ, .phases = PHASES, .tasks = lovasz_tasks, .run = lovasz_run,
    .worker_bytes = lovasz_worker, .shared_bytes = lovasz_shared)
