/* Batches prepared by threads: same content whatever the threads, the cache and the step that was started with. Meant
 * to be run under the thread sanitizer too. */
#include "test.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "data/pipeline.h"

static unet_error err;

enum { PICTURES = 7, STEPS = 5, BATCH = 6, GHOST = 3, BATCHES = STEPS * BATCH / GHOST };

typedef struct maker {
    int bad; /* picture that cannot be read; -1: none */
    int multilabel;
    atomic_int loads;
} maker;

static unet_status make(void *ctx, int index, un_mem *mem, un_picture *out, unet_error *e)
{
    maker *m = ctx;
    const int h = 30 + 5 * index, w = 44 - 3 * index;
    const size_t n = (size_t)h * w;

    atomic_fetch_add(&m->loads, 1);
    if (index == m->bad)
        return un_fail(e, UNET_E_FORMAT, "picture %d is broken", index);
    *out = (un_picture){.d = 1, .h = h, .w = w, .c = 3, .classes = 2, .spacing = {1, 1, 1}};
    out->image = un_alloc_array(mem, n, 3 * sizeof(float));
    if (m->multilabel)
        out->soft = un_alloc_array(mem, n, 2 * sizeof(float));
    else
        out->target = un_alloc_array(mem, n, sizeof(int32_t));
    if (!out->image || !(m->multilabel ? (void *)out->soft : (void *)out->target))
        return un_fail_nomem(e, n);
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 3; k++)
            out->image[3 * i + k] = (float)((i * 7 + (size_t)k * 13 + (size_t)index * 31) % 97) / 97;
        if (out->target)
            out->target[i] = i % (size_t)w > 20;
        else
            out->soft[2 * i + (i % 3 == 0)] = 1;
    }
    return UNET_OK;
}

static un_config cfg;

static un_pipeline_options options(int threads, size_t cache)
{
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    cfg.augment.policy = UN_CFG_POLICY_STRONG;
    for (int k = 0; k < UN_AUGMENT_COUNT; k++) /* all operations have their part in it */
        *un_augment_chance(&cfg.augment, (un_augment_op)k) = 0.3;
    return (un_pipeline_options){.size = {1, 24, 32},
        .batch = BATCH,
        .ghost_batch = GHOST,
        .channels = 3,
        .classes = 2,
        .seed = 11,
        .steps = STEPS,
        .threads = threads,
        .cache_bytes = cache,
        .augment = &cfg.augment};
}

/* A number for all that a batch holds. */
static uint64_t digest(const un_batch *b)
{
    const size_t n = (size_t)b->n * b->d * b->h * b->w;
    const struct {
        const void *p;
        size_t bytes;
    } part[] = {{b->image, n * b->c * sizeof(float)}, {b->target, n * sizeof(int32_t)},
        {b->soft, n * b->classes * sizeof(float)}, {b->weight, n * sizeof(float)}, {b->picture, b->n * sizeof(int)}};
    uint64_t hash = (uint64_t)b->step * 31 + (uint64_t)b->first;

    for (size_t k = 0; k < 5; k++)
        for (size_t i = 0; part[k].p && i < part[k].bytes; i++)
            hash = (hash ^ ((const unsigned char *)part[k].p)[i]) * 1099511628211u;
    return hash;
}

static un_pipeline *open_pipeline(const un_picture_source *src, const un_pipeline_options *o, un_mem *mem, int64_t step)
{
    un_pipeline *p;

    CHECK_OK(un_pipeline_create(&p, mem, src, o, &err), &err);
    CHECK_OK(un_pipeline_start(p, step, &err), &err);
    return p;
}

static void run_all(int threads, size_t cache, int64_t step, uint64_t *out)
{
    maker m = {.bad = -1};
    const un_picture_source src = {.ctx = &m, .count = PICTURES, .load = make};
    const un_pipeline_options o = options(threads, cache);
    un_mem *mem = un_mem_create(NULL);
    un_pipeline *p = open_pipeline(&src, &o, mem, step);
    const un_batch *b;
    un_pipeline_figures f;

    for (int64_t i = (step - 1) * BATCH / GHOST; i < BATCHES; i++) {
        CHECK_OK(un_pipeline_next(p, &b, &err), &err);
        CHECK_INT(b->step, 1 + i / (BATCH / GHOST));
        CHECK_INT(b->first, i % (BATCH / GHOST) * GHOST);
        out[i] = digest(b);
        un_pipeline_release(p, b);
    }
    CHECK_STATUS(un_pipeline_next(p, &b, &err), UNET_E_ARG);
    f = un_pipeline_figures_get(p);
    CHECK_INT(f.samples, (STEPS - step + 1) * BATCH);
    CHECK_INT(f.loads, atomic_load(&m.loads));
    CHECK(f.loads + f.hits > f.samples); /* others are mixed in */
    if (cache > 1 << 20)
        CHECK(f.loads <= PICTURES);
    un_pipeline_destroy(p);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

TEST(same_batches_whatever_the_threads)
{
    static const struct {
        int threads;
        size_t cache;
    } ways[] = {{1, 0}, {2, 30000}, {3, 1 << 24}, {8, 60000}};
    uint64_t first[BATCHES], other[BATCHES];

    run_all(0, 1 << 24, 1, first);
    for (int i = 1; i < BATCHES; i++)
        CHECK(first[i] != first[i - 1]);
    for (size_t k = 0; k < 4; k++) {
        run_all(ways[k].threads, ways[k].cache, 1, other);
        CHECK(!memcmp(first, other, sizeof first));
    }
}

TEST(a_run_that_goes_on_gets_the_same_batches)
{
    uint64_t first[BATCHES], other[BATCHES] = {0};

    run_all(2, 1 << 24, 1, first);
    run_all(2, 0, 4, other);
    CHECK(!memcmp(first + 3 * BATCH / GHOST, other + 3 * BATCH / GHOST, (BATCHES - 3 * BATCH / GHOST) * sizeof *first));
}

TEST(a_broken_picture_is_told)
{
    for (int threads = 0; threads < 4; threads++) {
        maker m = {.bad = 4};
        const un_picture_source src = {.ctx = &m, .count = PICTURES, .load = make};
        const un_pipeline_options o = options(threads, 1 << 20);
        un_pipeline *p = open_pipeline(&src, &o, NULL, 1);
        const un_batch *b = NULL;
        unet_status st = UNET_OK;
        int good = 0;

        for (; good < BATCHES && !st; good++) {
            st = un_pipeline_next(p, &b, &err);
            if (!st)
                un_pipeline_release(p, b);
        }
        CHECK_INT(st, UNET_E_FORMAT);
        CHECK_STR(err.message, "picture 4 is broken");
        CHECK(good <= 4); /* every epoch of seven has it */
        CHECK_STATUS(un_pipeline_next(p, &b, &err), UNET_E_FORMAT);
        CHECK(!b);
        un_pipeline_destroy(p);
    }
}

TEST(cancel_and_early_end)
{
    for (int threads = 0; threads < 3; threads++) {
        maker m = {.bad = -1};
        const un_picture_source src = {.ctx = &m, .count = PICTURES, .load = make};
        const un_pipeline_options o = options(threads, 0);
        un_pipeline *p = open_pipeline(&src, &o, NULL, 1);
        const un_batch *b;

        CHECK_OK(un_pipeline_next(p, &b, &err), &err);
        un_pipeline_cancel(p);
        CHECK_STATUS(un_pipeline_next(p, &b, &err), UNET_E_CANCELLED);
        un_pipeline_destroy(p); /* with a batch still held */
    }
}

TEST(multilabel_batches)
{
    maker m = {.bad = -1, .multilabel = 1};
    const un_picture_source src = {.ctx = &m, .count = PICTURES, .load = make};
    un_pipeline_options o = options(1, 0);
    un_pipeline *p;
    const un_batch *b;

    p = open_pipeline(&src, &o, NULL, 1);
    CHECK_STATUS(un_pipeline_next(p, &b, &err), UNET_E_DATA);
    un_pipeline_destroy(p);
    o.multilabel = 1;
    p = open_pipeline(&src, &o, NULL, 1);
    CHECK_OK(un_pipeline_next(p, &b, &err), &err);
    CHECK(!b->target && b->soft && b->weight);
    for (int i = 0; i < GHOST * 24 * 32; i++) {
        CHECK_NEAR(b->soft[2 * i] + b->soft[2 * i + 1], 1, 1e-5);
        CHECK(b->weight[i] == 1);
    }
    un_pipeline_release(p, b);
    un_pipeline_destroy(p);
}

TEST(options_are_checked)
{
    maker m = {.bad = -1};
    un_picture_source src = {.ctx = &m, .count = PICTURES, .load = make};
    un_pipeline_options o = options(0, 0);
    un_pipeline *p;

    CHECK_INT(un_pipeline_batch_bytes(&o), (3 + 1) * 4 * GHOST * 24 * 32);
    o.ghost_batch = 4;
    CHECK_STATUS(un_pipeline_create(&p, NULL, &src, &o, &err), UNET_E_ARG);
    o.ghost_batch = 0;
    src.count = 0;
    CHECK_STATUS(un_pipeline_create(&p, NULL, &src, &o, &err), UNET_E_DATA);
    CHECK(!p);
}

TEST(memory_may_run_out)
{
    maker m = {.bad = -1};
    const un_picture_source src = {.ctx = &m, .count = PICTURES, .load = make};
    const un_pipeline_options o = options(0, 1 << 20);

    for (int nth = 1; nth < 200; nth++) {
        un_mem *mem = un_mem_create(NULL);
        un_pipeline *p;
        const un_batch *b;
        unet_status st;

        un_mem_fail_at(mem, nth);
        st = un_pipeline_create(&p, mem, &src, &o, &err);
        if (!st)
            st = un_pipeline_start(p, 1, &err);
        for (int i = 0; i < 2 && !st; i++) {
            st = un_pipeline_next(p, &b, &err);
            if (!st)
                un_pipeline_release(p, b);
        }
        CHECK(!st || st == UNET_E_NOMEM);
        un_pipeline_destroy(p);
        CHECK_INT(un_mem_live(mem), 0);
        un_mem_destroy(mem);
        if (!st)
            return;
    }
    CHECK(!"never enough");
}
