/* DropBlock (Ghiasi 2018): a value is dropped when a seed lies in the window of its block. Seeds are drawn round the
 * picture too, so that each value sees as many: it is kept with the probability 1 - p exactly, and the scale is 1 / (1
 * - p), not the paper's count of what was kept, which would need a sum over all values. */
#include "kernels/args.h"
#include "kernels/elem/walk.h"

#include "base/math.h"
#include "base/rng.h"

/* Seeds [n][d + bd - 1][h + b - 1][w + b - 1][c], a byte each; pixel (z, y, x) looks at those from (z, y, x) on. */
typedef struct seeds {
    int64_t d, h, w, row, sample; /* row, sample: bytes */
    int bd, b;
} seeds;

static seeds seeds_of(const un_dropout_args *a)
{
    const un_view *y = &a->y;
    const int bd = y->d > 1 ? a->block : 1;
    seeds s = {.d = y->d + bd - 1, .h = y->h + a->block - 1, .w = y->w + a->block - 1, .bd = bd, .b = a->block};

    s.row = s.w * y->c;
    s.sample = s.d * s.h * s.row;
    return s;
}

static size_t drop_block_shared(const void *args)
{
    const un_dropout_args *a = args;

    return (size_t)seeds_of(a).sample * (size_t)a->y.n;
}

static int64_t drop_block_tasks(const void *args, int phase)
{
    const un_dropout_args *a = args;
    const seeds s = seeds_of(a);

    return phase == 0 ? a->y.n * s.d * s.h : un_rows(&a->y);
}

/* A row of seeds. Philox gives four words at a time. */
static void draw_row(const un_dropout_args *a, const seeds *s, int64_t task, unsigned char *to)
{
    const double odds = 1 - un_pow(1 - a->p, 1.0 / ((double)s->bd * s->b * s->b)), threshold = odds * 4294967296.0;
    const int64_t row = task % (s->d * s->h) * ((s->row + 3) / 4);
    uint32_t key[2] = {(uint32_t)a->seed, (uint32_t)(a->seed >> 32)}, out[4];
    uint32_t ctr[4] = {0, a->step[1] + (uint32_t)(task / (s->d * s->h)), a->node, a->step[0]};

    for (int64_t i = 0; i < s->row; i += 4) {
        ctr[0] = (uint32_t)(row + i / 4);
        un_philox(out, ctr, key);
        for (int64_t k = i; k < UN_MIN(i + 4, s->row); k++)
            to[k] = (double)out[k - i] < threshold;
    }
}

enum { CHANNELS = 128 }; /* worked on together */

static void drop_pixel(
    const un_dropout_args *a, const seeds *s, const unsigned char *from, const real *x, real *y, int channels)
{
    const real scale = (real)(a->p < 1 ? 1 / (1 - a->p) : 0);
    const int c = a->y.c;
    unsigned char hit[CHANNELS] = {0};

    for (int z = 0; z < s->bd; z++)
        for (int v = 0; v < s->b; v++)
            for (int u = 0; u < s->b; u++) {
                const unsigned char *p = from + (z * s->h + v) * s->row + (int64_t)u * c;

                for (int k = 0; k < channels; k++)
                    hit[k] |= p[k];
            }
    for (int k = 0; k < channels; k++)
        y[k] = hit[k] ? 0 : x[k] * scale;
}

static void drop_block_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_dropout_args *a = args;
    const seeds s = seeds_of(a);
    int n, d, h;

    (void)worker;
    if (phase == 0) {
        draw_row(a, &s, task, (unsigned char *)shared + task * s.row);
        return;
    }
    un_row_of(&a->y, task, &n, &d, &h);
    for (int w = 0; w < a->y.w; w++)
        for (int c = 0; c < a->y.c; c += CHANNELS) {
            const unsigned char *from =
                (unsigned char *)shared + n * s.sample + (d * s.h + h) * s.row + (int64_t)w * a->y.c + c;

            drop_pixel(
                a, &s, from, un_at(&a->x, n, d, h, w) + c, un_at(&a->y, n, d, h, w) + c, UN_MIN(a->y.c - c, CHANNELS));
        }
}

UN_DEFINE(drop_block, DROP_BLOCK, .phases = 2, .tasks = drop_block_tasks, .run = drop_block_run,
    .shared_bytes = drop_block_shared)
