/* Cross-entropy of the hardest pixels: the ceil(share n) of the n that count with the largest w cw ce (Fan 2017), or
 * those with ce above -log threshold where these are more (online hard example mining, Shrivastava 2016). Value: their
 * sum of w cw ce by their sum of w cw. Channels of the multilabel form are pixels of their own.
 *
 * Phases: values by block; how many to keep; the sort; marks; sums of what is kept; the value; gradient. */
#include "kernels/elem/loss/ce.h"
#include "kernels/elem/loss/sort.h"

enum { VALUES, KEEP, SORT, MARK = SORT + UN_SORT_PHASES, SUMS, TOTAL, GRADIENT, PHASES };

/* Planes of values: one, or one for each channel. */
static int planes_of(const un_loss_args *a)
{
    return a->form == UN_LOSS_MULTILABEL ? a->logits.c : 1;
}

typedef struct parts {
    un_sort sort;
    real *value; /* [planes][pixels]: w cw ce; -1 where nothing counts */
    char *kept;  /* [planes][pixels] */
    double *sum; /* [blocks][2]: numbers of pixels (counting, hard), then sums of value and weight */
    double *keep, *weight;
} parts;

static size_t real_bytes(const un_loss_args *a)
{
    return un_round_up((size_t)(planes_of(a) * un_loss_pixels(a)) * sizeof(real), 64);
}

static size_t sum_bytes(const un_loss_args *a)
{
    return un_round_up(((size_t)un_loss_blocks(a) * 2 + 2) * sizeof(double), 64);
}

static size_t top_k_shared(const void *args)
{
    const un_loss_args *a = args;
    const int64_t n = planes_of(a) * un_loss_pixels(a);

    return real_bytes(a) + sum_bytes(a) + un_sort_bytes(1, n) + (size_t)n;
}

static parts parts_of(const un_loss_args *a, void *shared)
{
    const int64_t n = planes_of(a) * un_loss_pixels(a);
    char *p = shared;
    parts s = {.value = shared, .sum = (double *)(p + real_bytes(a))};

    s.keep = s.sum + un_loss_blocks(a) * 2;
    s.weight = s.keep + 1;
    s.sort = un_sort_of(1, n, p + real_bytes(a) + sum_bytes(a));
    s.kept = p + real_bytes(a) + sum_bytes(a) + un_sort_bytes(1, n);
    return s;
}

static int64_t top_k_tasks(const void *args, int phase)
{
    const un_loss_args *a = args;
    const un_sort sort = un_sort_of(1, planes_of(a) * un_loss_pixels(a), NULL);

    if (phase >= SORT && phase < MARK)
        return un_sort_tasks(&sort, phase - SORT);
    return phase == KEEP || phase == TOTAL ? 1 : phase == MARK ? sort.blocks : un_loss_blocks(a);
}

static size_t top_k_worker(const void *args)
{
    return (size_t)((const un_loss_args *)args)->logits.c * TILE * sizeof(real);
}

/* Loss of a plane's pixels, class weight within; the plane's rows of z become gradients. */
static void plane_tile(
    const un_loss_args *a, int plane, int64_t i, int count, const int32_t *t, real *z, real *restrict loss)
{
    for (int j = 0; j < TILE; j++)
        loss[j] = 0;
    if (a->form == UN_LOSS_SOFTMAX)
        ce_softmax(a, t, z, loss);
    else
        ce_channel(a, i, count, plane, t, z + plane * TILE, loss);
}

static double element_weight(const un_loss_args *a, int plane, int64_t i)
{
    const double w = (double)un_loss_weight_at(a, i);

    return w == 0 ? 0 : w * (double)un_class_weight(a, a->form == UN_LOSS_MULTILABEL ? plane : a->target[i]);
}

static void values_block(const un_loss_args *a, const parts *s, int64_t block, int64_t i, int64_t end, real *z)
{
    const int64_t pixels = un_loss_pixels(a);
    const real hard = a->threshold > 0 ? -(real)un_log(a->threshold) : (real)1e30;
    double counted = 0, above = 0;
    real w[TILE], loss[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_tile_load(&a->logits, i, count, z);
        for (int p = 0; p < planes_of(a); p++) {
            plane_tile(a, p, i, count, t, z, loss);
            for (int j = 0; j < count; j++) {
                const real v = w[j] == 0 ? -1 : w[j] * loss[j];

                s->value[p * pixels + i + j] = v;
                s->sort.key[0][p * pixels + i + j] = un_sort_key(v);
                counted += v >= 0;
                above += v > hard;
            }
        }
    }
    s->sum[block * 2] = counted;
    s->sum[block * 2 + 1] = above;
}

static void keep_count(const un_loss_args *a, const parts *s)
{
    double counted = 0, above = 0, least;

    for (int64_t b = 0; b < un_loss_blocks(a); b++) {
        counted += s->sum[b * 2];
        above += s->sum[b * 2 + 1];
    }
    least = -un_floor(-a->share * counted);
    *s->keep = UN_MIN(UN_MAX(least, above), counted);
}

static void mark_block(const parts *s, int64_t block)
{
    const uint32_t *order = un_sort_order(&s->sort, 0);
    const int64_t keep = (int64_t)*s->keep, j = block * UN_SORT_BLOCK;

    for (int64_t k = j; k < UN_MIN(j + UN_SORT_BLOCK, s->sort.length); k++)
        s->kept[order[k]] = k < keep;
}

static void sums_block(const un_loss_args *a, const parts *s, int64_t block, int64_t i, int64_t end)
{
    const int64_t pixels = un_loss_pixels(a);
    double value = 0, weight = 0;

    for (int p = 0; p < planes_of(a); p++)
        for (int64_t k = i; k < end; k++)
            if (s->kept[p * pixels + k]) {
                value += (double)s->value[p * pixels + k];
                weight += element_weight(a, p, k);
            }
    s->sum[block * 2] = value;
    s->sum[block * 2 + 1] = weight;
}

static void total(const un_loss_args *a, const parts *s)
{
    double value = 0, weight = 0;

    for (int64_t b = 0; b < un_loss_blocks(a); b++) {
        value += s->sum[b * 2];
        weight += s->sum[b * 2 + 1];
    }
    *s->weight = weight;
    *(real *)a->value = (real)(weight > 0 ? value / weight : 0);
}

static void gradient_block(const un_loss_args *a, const parts *s, int64_t i, int64_t end, real *z)
{
    const real scale = (real)(*s->weight > 0 ? un_loss_weight(a) / *s->weight : 0);
    const int64_t pixels = un_loss_pixels(a);
    real w[TILE], loss[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_tile_load(&a->logits, i, count, z);
        for (int p = 0; p < planes_of(a); p++)
            plane_tile(a, p, i, count, t, z, loss);
        for (int ch = 0; ch < a->logits.c; ch++) {
            const char *kept = s->kept + (a->form == UN_LOSS_MULTILABEL ? ch * pixels : 0) + i;

            for (int j = 0; j < count; j++)
                z[ch * TILE + j] = kept[j] ? scale * w[j] * z[ch * TILE + j] : 0;
        }
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
}

static void top_k_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_loss_args *a = args;
    const parts s = parts_of(a, shared);
    const int64_t i = task * un_tile_block(&a->logits), end = UN_MIN(i + un_tile_block(&a->logits), un_loss_pixels(a));

    if (phase == VALUES)
        values_block(a, &s, task, i, end, worker);
    else if (phase == KEEP)
        keep_count(a, &s);
    else if (phase < MARK)
        un_sort_run(&s.sort, phase - SORT, task);
    else if (phase == MARK)
        mark_block(&s, task);
    else if (phase == SUMS)
        sums_block(a, &s, task, i, end);
    else if (phase == TOTAL)
        total(a, &s);
    else if (a->dlogits.p)
        gradient_block(a, &s, i, end, worker);
}

UN_DEFINE(loss_top_k, LOSS_TOP_K, .phases = PHASES, .tasks = top_k_tasks, .run = top_k_run,
    .worker_bytes = top_k_worker, .shared_bytes = top_k_shared)
