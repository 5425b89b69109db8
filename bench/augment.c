/* Time of a patch on one core: every policy, each operation alone, all of them.
 *   augment [seconds for each line] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "data/mix.h"

enum { POLICIES = UN_CFG_POLICY_RAND + 1 };

typedef struct shape {
    const char *name;
    int picture[3], patch[3], channels;
} shape;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static unet_status make_picture(const shape *s, un_ready *out, unet_error *err)
{
    const size_t n = (size_t)s->picture[0] * (size_t)s->picture[1] * (size_t)s->picture[2], c = (size_t)s->channels;
    un_picture p = {.d = s->picture[0],
        .h = s->picture[1],
        .w = s->picture[2],
        .c = s->channels,
        .classes = 3,
        .spacing = {1, 1, 1}};

    p.image = un_alloc_array(NULL, n, c * sizeof *p.image);
    p.target = un_alloc_array(NULL, n, sizeof *p.target);
    if (!p.image || !p.target) {
        un_picture_free(&p);
        return un_fail_nomem(err, n * c * sizeof *p.image);
    }
    for (size_t i = 0; i < n * c; i++)
        p.image[i] = (float)(i * 2654435761u % 1021) / 1021 - 0.5f;
    for (size_t i = 0; i < n; i++)
        p.target[i] = (int32_t)(i / 97 % 3);
    return un_ready_make(out, NULL, &p, NULL, 0, err);
}

/* Best milliseconds a patch over groups of 20, for about `seconds`. */
static unet_status measure(
    const shape *s, const un_ready *r, const un_cfg_augment *cfg, double seconds, double *best, unet_error *err)
{
    const size_t n = (size_t)s->patch[0] * (size_t)s->patch[1] * (size_t)s->patch[2];
    const un_patch to = {.image = un_alloc_array(NULL, n, (size_t)s->channels * sizeof(float)),
        .target = un_alloc_array(NULL, n, sizeof(int32_t)),
        .classes = 3};
    const un_partners itself = un_partners_of(r);
    const double end = now_s() + seconds;
    un_augment *a = NULL;
    un_augment_scratch *scratch = NULL;
    unet_status st =
        to.image && to.target ? un_augment_create(&a, NULL, cfg, s->patch, s->channels, err) : un_fail_nomem(err, n);

    *best = 1e9;
    if (!st)
        st = un_augment_scratch_create(&scratch, NULL, a, err);
    while (!st && now_s() < end) {
        const double began = now_s();

        for (int k = 0; k < 20 && !st; k++) { /* the same twenty draws in each group */
            const un_draw draw = {1, 1, k};
            int start[3];
            un_rng rng;

            un_rng_init(&rng, 1, UN_RNG_SAMPLE, 1, (uint32_t)k, 0);
            un_sampler_crop(r, s->patch, un_augment_config(a)->foreground, &rng, start);
            st = un_augment_run(a, scratch, r, start, &draw, &to, err);
            if (!st)
                st = un_mix_run(a, scratch, &draw, &itself, &to, err);
        }
        *best = now_s() - began < *best ? now_s() - began : *best;
    }
    *best *= 1000.0 / 20;
    un_augment_scratch_destroy(scratch);
    un_augment_destroy(a);
    un_free(to.image);
    un_free(to.target);
    return st;
}

/* One operation alone, always; op UN_AUGMENT_COUNT: all at once. */
static void switch_on(const un_cfg_augment *in, int op, un_cfg_augment *c)
{
    un_cfg_augment strong = *in;

    strong.policy = UN_CFG_POLICY_STRONG;
    un_augment_settle(&strong, c);
    for (int k = 0; k < UN_AUGMENT_COUNT; k++)
        *un_augment_chance(c, (un_augment_op)k) = k == op || op == UN_AUGMENT_COUNT ? 1 : 0;
}

static unet_status measure_shape(const shape *s, const un_cfg_augment *in, double seconds, unet_error *err)
{
    un_ready r;
    double ms, none = 0;
    unet_status st = make_picture(s, &r, err);

    for (int k = 0; k < POLICIES && !st; k++) {
        un_cfg_augment c = *in;

        c.policy = (un_cfg_policy)k;
        st = measure(s, &r, &c, seconds, &ms, err);
        none = k == UN_CFG_POLICY_NONE ? ms : none;
        if (!st)
            printf("%-16s policy %-14s %8.3f ms a patch  %8.0f patches/s\n", s->name,
                un_config_word("augment", "policy", k), ms, 1000 / ms);
    }
    for (int op = 0; op <= UN_AUGMENT_COUNT && !st; op++) {
        const int all = op == UN_AUGMENT_COUNT;
        un_cfg_augment c;

        if (!all && !un_augment_fits((un_augment_op)op, s->channels))
            continue;
        switch_on(in, op, &c);
        st = measure(s, &r, &c, seconds, &ms, err);
        if (!st)
            printf("%-16s %-21s %8.3f ms a patch  %+8.3f ms over none\n", s->name,
                all ? "all operations" : un_augment_row_of((un_augment_op)op)->name, ms, ms - none);
    }
    un_ready_free(&r);
    return st;
}

int main(int argc, char **argv)
{
    static const shape shapes[] = {{"2-D 192x192x3", {1, 512, 512}, {1, 192, 192}, 3},
        {"2-D 192x192x1", {1, 512, 512}, {1, 192, 192}, 1}, {"3-D 40x56x40x1", {64, 96, 96}, {40, 56, 40}, 1}};
    static un_config cfg;
    double seconds = 0.2;
    unet_error err = {0};
    unet_status st = un_config_init(&cfg, NULL, &err);

    if (argc > 1 && !un_parse_double(argv[1], &seconds)) {
        fprintf(stderr, "usage: augment [seconds for each line]\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes && !st; i++)
        st = measure_shape(&shapes[i], &cfg.augment, seconds, &err);
    if (st)
        fprintf(stderr, "%s\n", err.message);
    return st ? 1 : 0;
}
