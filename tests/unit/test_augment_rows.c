/* Every row of the augmentation: it does something, nothing at zero strength, the same again, and the mask goes with
 * it; its page and its time stand where they should. */
#include "test.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/math.h"
#include "base/size.h"
#include "data/artefact.h"
#include "data/augment.h"
#include "data/tta.h"
#include "data/degrade.h"
#include "data/equalise.h"
#include "data/mix.h"
#include "data/tone.h"

static unet_error err;

enum { DRAWS = 6, CLASSES = 3 };

/* A disc (ball) of class 1 with a square (box) of class 2 in it. Channel 0 is a pattern, the last channel of the
 * picture the class alone. */
static un_ready shapes(int d, int h, int w, int c)
{
    un_picture p = {.d = d, .h = h, .w = w, .c = c, .classes = CLASSES, .spacing = {1, 1, 1}};
    const size_t n = (size_t)d * h * w;
    un_ready r;

    p.image = un_alloc_array(NULL, n, c * sizeof(float));
    p.target = un_alloc_array(NULL, n, sizeof(int32_t));
    p.weight = un_alloc_array(NULL, n, sizeof(float));
    CHECK(p.image && p.target && p.weight);
    for (size_t i = 0; i < n; i++) {
        const double z = (double)(i / ((size_t)h * w)) - d / 2, y = (double)(i / w % h) - h / 2,
                     x = (double)(i % w) - w / 2;
        const double far = UN_MAX(fabs(z), UN_MAX(fabs(y), fabs(x)));
        const int cls = far < w / 8.0 ? 2 : z * z + y * y + x * x < w * w / 9.0 ? 1 : 0;

        for (int k = 0; k < c; k++)
            p.image[i * c + k] = (float)(un_sin2pi(y / 17 + k * 0.2) + un_cos2pi(x / 13) + 0.5 * un_sin2pi(z / 9));
        if (c > 1)
            p.image[i * c + c - 1] = (float)cls;
        p.target[i] = cls;
        p.weight[i] = (float)(1 + cls);
    }
    CHECK_OK(un_ready_make(&r, NULL, &p, NULL, 0, &err), &err);
    return r;
}

/* Settings with one operation alone, of magnitude 0 to 1. */
static un_cfg_augment alone(un_augment_op op, double magnitude)
{
    static un_config cfg;
    un_cfg_augment c;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    cfg.augment.policy = UN_CFG_POLICY_STRONG;
    un_augment_settle(&cfg.augment, &c);
    for (int k = 0; k < UN_AUGMENT_COUNT; k++)
        *un_augment_chance(&c, (un_augment_op)k) = 0;
    *un_augment_chance(&c, op) = op == UN_AUGMENT_FLIP ? 0.5 : 1;
    un_augment_weaken(&c, op, magnitude);
    return c;
}

typedef struct shot {
    un_patch p;
    size_t n, values;
} shot;

static void take(shot *s, const un_ready *r, const un_cfg_augment *cfg, const int size[3], int draw)
{
    const int start[3] = {(r->picture.d - size[0]) / 2, (r->picture.h - size[1]) / 2, (r->picture.w - size[2]) / 2};
    const un_partners itself = un_partners_of(r);
    const un_draw at = {7, 1 + draw, draw};
    un_augment *a;
    un_augment_scratch *scratch;

    s->n = (size_t)size[0] * size[1] * size[2];
    s->values = s->n * (size_t)r->picture.c;
    s->p = (un_patch){.image = un_alloc_array(NULL, s->values, sizeof(float)),
        .target = un_alloc_array(NULL, s->n, sizeof(int32_t)),
        .weight = un_alloc_array(NULL, s->n, sizeof(float)),
        .classes = CLASSES};
    CHECK(s->p.image && s->p.target && s->p.weight);
    CHECK_OK(un_augment_create(&a, NULL, cfg, size, r->picture.c, &err), &err);
    CHECK_OK(un_augment_scratch_create(&scratch, NULL, a, &err), &err);
    CHECK_OK(un_augment_run(a, scratch, r, start, &at, &s->p, &err), &err);
    CHECK_OK(un_mix_run(a, scratch, &at, &itself, &s->p, &err), &err);
    un_augment_scratch_destroy(scratch);
    un_augment_destroy(a);
}

static void drop(shot *s)
{
    un_free(s->p.image);
    un_free(s->p.target);
    un_free(s->p.weight);
}

static int same_image(const shot *a, const shot *b)
{
    return !memcmp(a->p.image, b->p.image, a->values * sizeof(float));
}

static int same_mask(const shot *a, const shot *b)
{
    return !memcmp(a->p.target, b->p.target, a->n * sizeof(int32_t)) &&
           !memcmp(a->p.weight, b->p.weight, a->n * sizeof(float));
}

/* The last channel is the class: away from edges it is that of the mask; the weight is always. */
static void check_aligned(const char *name, const shot *s, int c)
{
    size_t off = 0;

    for (size_t i = 0; i < s->n; i++) {
        const double v = s->p.image[i * (size_t)c + (size_t)c - 1], t = s->p.target[i];

        off += fabs(v - t) > 1e-4;
        if (t < 0 || s->p.weight[i] != t + 1 || fabs(v - t) > 1.51)
            un_test_fail(__FILE__, __LINE__, "%s: value %g where the mask has %g", name, v, t);
    }
    if ((double)off > 0.2 * (double)s->n)
        un_test_fail(__FILE__, __LINE__, "%s: %zu of %zu pixels differ from the mask", name, off, s->n);
}

static void walk(const un_ready *r, const int size[3])
{
    const int c = r->picture.c;

    for (int k = 0; k < UN_AUGMENT_COUNT; k++) {
        const un_augment_op op = (un_augment_op)k;
        const char *name = un_augment_row_of(op)->name;
        const un_augment_where where = un_augment_row_of(op)->where;
        const int space = where == UN_AUGMENT_IN_SPACE || (where == UN_AUGMENT_IN_BETWEEN && op != UN_AUGMENT_MIXUP);
        const un_cfg_augment on = alone(op, 1), still = alone(op, 0), none = {.outside = on.outside};
        int changed = 0;

        for (int i = 0; i < DRAWS; i++) {
            shot plain, a, b, zero;

            take(&plain, r, &none, size, i);
            take(&a, r, &on, size, i);
            take(&b, r, &on, size, i);
            take(&zero, r, &still, size, i);
            if (!same_image(&a, &b) || !same_mask(&a, &b))
                un_test_fail(__FILE__, __LINE__, "%s: not the same twice", name);
            if (un_augment_strengths(op) && (!same_image(&plain, &zero) || !same_mask(&plain, &zero)))
                un_test_fail(__FILE__, __LINE__, "%s: zero strength changes something", name);
            for (size_t v = 0; v < a.values; v++)
                if (!(fabsf(a.p.image[v]) < 100))
                    un_test_fail(__FILE__, __LINE__, "%s: a value of %g", name, (double)a.p.image[v]);
            if (space && c > 1)
                check_aligned(name, &a, c);
            if (!space && !same_mask(&plain, &a))
                un_test_fail(__FILE__, __LINE__, "%s: changes the mask", name);
            changed += !same_image(&plain, &a);
            drop(&plain);
            drop(&a);
            drop(&b);
            drop(&zero);
        }
        if (un_augment_fits(op, c) ? changed < 1 : changed > 0)
            un_test_fail(__FILE__, __LINE__, "%s: changed %d of %d pictures of %d channels", name, changed, DRAWS, c);
    }
}

LONG_TEST(rows_of_colour_pictures)
{
    un_ready r = shapes(1, 96, 100, 3);

    walk(&r, (const int[3]){1, 64, 61});
    un_ready_free(&r);
}

LONG_TEST(rows_of_grey_pictures)
{
    un_ready r = shapes(1, 80, 84, 1);

    walk(&r, (const int[3]){1, 48, 56});
    un_ready_free(&r);
}

LONG_TEST(rows_of_volumes)
{
    un_ready r = shapes(24, 40, 44, 2);

    walk(&r, (const int[3]){16, 24, 28});
    un_ready_free(&r);
    r = shapes(6, 40, 44, 2); /* slices far apart: the plane alone */
    r.picture.spacing[0] = 5;
    walk(&r, (const int[3]){5, 24, 28});
    un_ready_free(&r);
    r = shapes(12, 40, 44, 3); /* colours */
    walk(&r, (const int[3]){8, 32, 32});
    un_ready_free(&r);
}

/* A lower magnitude changes less (but for the luck of the nearest pixel). */
TEST(magnitude_weakens)
{
    const int size[3] = {1, 48, 56};
    un_ready r = shapes(1, 80, 84, 3);

    for (int k = 0; k < UN_AUGMENT_COUNT; k++) {
        const un_augment_op op = (un_augment_op)k;
        const un_cfg_augment on = alone(op, 1), half = alone(op, 0.3), none = {.outside = on.outside};
        double far[2] = {0};

        for (int i = 0; i < DRAWS && un_augment_strengths(op); i++) {
            shot plain, a, b;

            take(&plain, &r, &none, size, i);
            take(&a, &r, &on, size, i);
            take(&b, &r, &half, size, i);
            for (size_t v = 0; v < a.values; v++) {
                far[0] += fabs((double)a.p.image[v] - plain.p.image[v]);
                far[1] += fabs((double)b.p.image[v] - plain.p.image[v]);
            }
            drop(&plain);
            drop(&a);
            drop(&b);
        }
        if (un_augment_strengths(op) && !(far[1] < 1.05 * far[0]))
            un_test_fail(__FILE__, __LINE__, "%s: %g at 0.3, %g in full", un_augment_row_of(op)->name, far[1], far[0]);
    }
    un_ready_free(&r);
}

TEST(rows_stand_in_the_handbook)
{
    unsigned char *page;
    size_t size;
    char word[80];

    CHECK_OK(un_file_read(&page, &size, NULL, un_test_source("docs/augmentation.md"), 1 << 20, &err), &err);
    for (int k = 0; k < UN_AUGMENT_COUNT; k++) {
        const char *name = un_augment_row_of((un_augment_op)k)->name;
        int found = 0;

        snprintf(word, sizeof word, "`%s`", name);
        for (size_t i = 0; i + strlen(word) <= size; i++)
            found |= !memcmp(page + i, word, strlen(word));
        if (!found)
            un_test_fail(__FILE__, __LINE__, "docs/augmentation.md does not have `%s`", name);
    }
    un_free(page);
}

/* ---- what the kernels do ---- */

TEST(stencils)
{
    const int size[3] = {2, 15, 17};
    float v[2 * 15 * 17 * 2] = {0}, spare[2 * 15 * 17 * 2];
    un_stencil t;
    float sum = 0;

    un_stencil_line(&t, 0, 0.3);
    CHECK_INT(t.n, 1);
    un_stencil_disc(&t, 0);
    CHECK_INT(t.n, 1);
    un_stencil_line(&t, 4, 0); /* along w */
    for (int i = 0; i < t.n; i++)
        CHECK_INT(t.dy[i], 0);
    v[((15 + 7) * 17 + 8) * 2 + 1] = 1;
    un_stencil_apply(&t, v, size, 2, spare);
    for (int x = 0; x < 17; x++)
        CHECK(v[((15 + 7) * 17 + x) * 2] == 0 && (v[((15 + 7) * 17 + x) * 2 + 1] > 0) == (x >= 6 && x <= 10));
    un_stencil_disc(&t, 3);
    un_stencil_apply(&t, v, size, 2, spare);
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        sum += v[i];
    CHECK_NEAR(sum, 1, 1e-5);
    for (int i = 0; i < 2 * 15 * 17 * 2; i++)
        v[i] = 3; /* edges are mirrored: an even picture stays */
    un_stencil_disc(&t, 15);
    un_stencil_apply(&t, v, size, 2, spare);
    for (int i = 0; i < 2 * 15 * 17 * 2; i++)
        CHECK_NEAR(v[i], 3, 1e-4);
}

TEST(lower_resolution)
{
    const int size[3] = {1, 8, 12};
    float v[96], spare[96];

    for (int i = 0; i < 96; i++)
        v[i] = (float)(2 * (i % 12) + 30 * (i / 12));
    un_lowres_apply(v, size, 1, (const double[3]){1, 0.5, 0.5}, spare);
    for (int y = 2; y < 6; y++) /* a plane stays one, half a kept pixel further at most */
        for (int x = 2; x < 9; x++)
            CHECK_NEAR(v[12 * y + x + 1] - v[12 * y + x], 2, 1e-4);
    CHECK(fabsf(v[12 * 3 + 5] - 100) < 32);
}

TEST(ghosts_are_those_of_k_space)
{
    const int size[3] = {1, 12, 8};
    const double mean = 5;
    float v[96], spare[96];

    for (int i = 0; i < 96; i++) /* mean, a wave of a weakened line (frequency 4 of 12), one of another (3) */
        v[i] = (float)(5 + un_cos2pi(i / 8 * 4 / 12.0) + un_sin2pi(i / 8 * 3 / 12.0));
    un_ghosts_apply(1, 4, 0.5, &mean, v, size, 1, spare);
    for (int i = 0; i < 96; i++)
        CHECK_NEAR(v[i], 5 + 0.5 * un_cos2pi(i / 8 * 4 / 12.0) + un_sin2pi(i / 8 * 3 / 12.0), 1e-5);
}

/* A square of 6 x 6 pixels, then one whose lower edge cuts a row of pixels. */
TEST(layers)
{
    un_layer l = {.sides = 4, .opacity = 0.5f, .dy = {1, -1, 0, 0}, .dx = {0, 0, 1, -1}};
    float plane[20 * 25];
    double covered = 0;

    for (int i = 0; i < 500; i++)
        plane[i] = 0.8f;
    l.from[0] = -9.5f - 3, l.from[1] = 9.5f - 3, l.from[2] = -12.5f - 3, l.from[3] = 12.5f - 3;
    un_layer_cover(&l, plane, 20, 25);
    for (int i = 0; i < 500; i++) {
        const int y = i / 25, x = i % 25, inside = y >= 7 && y <= 12 && x >= 10 && x <= 15;

        CHECK_NEAR(plane[i], inside ? 0.4 : 0.8, 1e-6);
        covered += 0.8 - (double)plane[i];
    }
    CHECK_NEAR(covered, 0.4 * 36, 1e-4);
    l.from[0] += 0.25f; /* a quarter pixel less at the lower side */
    un_layer_cover(&l, plane, 20, 25);
    CHECK_NEAR(plane[12 * 25 + 12], 0.4 * (1 - 0.5 * 0.75), 1e-6);
    CHECK_NEAR(plane[13 * 25 + 12], 0.8, 1e-6);
}

TEST(waves_and_bias)
{
    const int size[3] = {1, 6, 5};
    const double lo = -1;
    double coefficient[UN_BIAS_TERMS] = {0};
    float plane[30] = {0}, row[10], v[30];

    un_wave_add(plane, 6, 5, 1, 2, 0.1, 3, row);
    for (int i = 0; i < 30; i++) {
        CHECK_NEAR(plane[i], 3 * un_cos2pi(i / 5 / 6.0 + 2 * (i % 5) / 5.0 + 0.1), 1e-5);
        v[i] = 2;
    }
    coefficient[0] = 0.5; /* x */
    coefficient[3] = 0.2; /* y */
    un_bias_apply(coefficient, &lo, v, size, 1);
    CHECK_NEAR(v[0], -1 + 3 * un_exp(-0.7), 1e-5);
    CHECK_NEAR(v[29], -1 + 3 * un_exp(0.7), 1e-5);
    CHECK_NEAR(v[4], -1 + 3 * un_exp(0.3), 1e-5);
}

TEST(equalised)
{
    enum { N = 64 * 64 };
    const int size[3] = {1, 64, 64};
    const double lo[3] = {0, 0, 0}, hi[3] = {1, 1, 1};
    static float v[3 * N];
    int dark = 0;

    for (int i = 0; i < N; i++)
        v[i] = (float)un_pow((i * 2654435761u % N) / (double)N, 3);
    un_equalise_apply(1, 0, lo, hi, v, N, 1);
    for (int i = 0; i < N; i++)
        dark += v[i] < 0.5f;
    CHECK_NEAR(dark / (double)N, 0.5, 0.02);
    for (int i = 0; i < N; i++) /* two halves of little contrast, far apart; the colours of a pixel differ by 0.05 */
        for (int k = 0; k < 3; k++)
            v[3 * i + k] = (float)((i % 64 < 32 ? 0.2 : 0.7) + 0.05 * (i / 64 % 2) + 0.05 * k);
    un_clahe_apply(1, 64, 1, lo, hi, v, size, 3);
    CHECK_NEAR(v[3 * 8 + 1] - v[3 * 8], 0.05, 1e-5);
    CHECK(v[3 * (64 + 8)] - v[3 * 8] > 0.3f && v[3 * (64 + 56)] - v[3 * 56] > 0.3f);
}

TEST(jpeg_loses_little_at_best)
{
    const int size[3] = {1, 19, 21};
    const double lo[3] = {-1, 0, -2}, hi[3] = {1, 3, 2};
    float v[19 * 21 * 3], best[19 * 21 * 3], worst[19 * 21 * 3];
    double far = 0;

    for (int i = 0; i < 19 * 21 * 3; i++) {
        const int k = i % 3, x = i / 3 % 21, y = i / 63;

        v[i] = (float)(lo[k] + (hi[k] - lo[k]) * (0.5 + 0.3 * un_sin2pi(x / 9.0 + k) * un_cos2pi(y / 7.0)));
    }
    memcpy(best, v, sizeof v);
    memcpy(worst, v, sizeof v);
    un_jpeg_apply(100, lo, hi, best, size, 3);
    un_jpeg_apply(10, lo, hi, worst, size, 3);
    for (int i = 0; i < 19 * 21 * 3; i++) {
        CHECK_NEAR(best[i], v[i], 0.015 * (hi[i % 3] - lo[i % 3]));
        far += fabs((double)worst[i] - v[i]) / (hi[i % 3] - lo[i % 3]);
    }
    CHECK(far / (19 * 21 * 3) > 0.015 && far / (19 * 21 * 3) < 0.2);
}

/* ---- policies ---- */

static un_cfg_augment fresh(void)
{
    static un_config cfg;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    return cfg.augment;
}

TEST(policies_set_every_key)
{
    for (int p = UN_CFG_POLICY_NONE; p <= UN_CFG_POLICY_RAND; p++) {
        un_cfg_augment in = fresh(), out;
        const int upright = p == UN_CFG_POLICY_XRAY || p == UN_CFG_POLICY_ROAD;
        int on = 0;

        in.policy = (un_cfg_policy)p;
        in.noise = 0.77;
        un_augment_settle(&in, &out);
        CHECK_NEAR(out.noise, 0.77, 0);
        CHECK_INT(out.rand_ops, p == UN_CFG_POLICY_RAND ? 2 : 0);
        CHECK_INT(out.flip_axes, upright ? UN_CFG_FLIP_W : UN_CFG_FLIP_AUTO);
        CHECK(!upright || out.rot90 == 0);
        for (int k = 0; k < UN_AUGMENT_COUNT; k++) {
            const double chance = *un_augment_chance(&out, (un_augment_op)k);

            CHECK(chance >= 0 && chance <= 1);
            on += chance > 0;
        }
        CHECK(p == UN_CFG_POLICY_NONE ? on == 1 : on >= 3);
        CHECK(p < UN_CFG_POLICY_MEDIUM || on > 9);
        in.flip_axes = UN_CFG_FLIP_HW;
        CHECK_INT(un_tta_flip_axes(&in), UN_CFG_FLIP_HW);
    }
}

/* One of two operations: each sample has the one or the other, and never both; magnitude 0 has neither. */
TEST(as_many_operations_as_asked)
{
    const int size[3] = {1, 32, 32};
    un_ready r = shapes(1, 64, 64, 3);
    un_cfg_augment c = fresh(), none;
    int moved = 0, brighter = 0;

    c.policy = UN_CFG_POLICY_NONE;
    un_augment_settle(&c, &none);
    c.rand_ops = 1;
    c.rand_magnitude = 1;
    c.translate = c.brightness = 0.01;
    c.brightness_range = 1;
    c.translate_share = 0.4;
    for (int i = 0; i < 40; i++) {
        shot plain, a;
        int m, v;

        take(&plain, &r, &none, size, i);
        take(&a, &r, &c, size, i);
        m = !same_mask(&plain, &a);
        v = !same_image(&plain, &a);
        moved += m;
        brighter += v && !m;
        drop(&a);
        c.rand_magnitude = 0;
        take(&a, &r, &c, size, i);
        CHECK(same_image(&plain, &a) && same_mask(&plain, &a));
        c.rand_magnitude = 1;
        drop(&a);
        drop(&plain);
    }
    CHECK(moved > 8 && brighter > 8 && moved + brighter > 36);
    c.rand_ops = 5; /* more than there are: all of them */
    for (int i = 0; i < 5; i++) {
        shot plain, a;

        take(&plain, &r, &none, size, i);
        take(&a, &r, &c, size, i);
        CHECK(!same_image(&plain, &a));
        drop(&a);
        drop(&plain);
    }
    un_ready_free(&r);
}

/* ---- between samples ---- */

static unet_status broken(void *ctx, int index, const un_ready **out, unet_error *e)
{
    (void)ctx;
    (void)out;
    return un_fail(e, UNET_E_FORMAT, "picture %d is broken", index);
}

/* A sample of class 0 and a partner that has a rare class: pasted pixels are those of the rare class, values and mask.
 */
TEST(rare_objects_are_pasted)
{
    const int size[3] = {1, 40, 44}, start[3] = {0, 0, 0};
    un_ready rare = shapes(1, 40, 44, 1), plain = shapes(1, 40, 44, 1);
    un_partners others = un_partners_of(&rare);
    un_cfg_augment c = alone(UN_AUGMENT_COPY_PASTE, 1);
    un_patch p = {.image = un_alloc_array(NULL, 1760, sizeof(float)),
        .target = un_alloc_array(NULL, 1760, sizeof(int32_t)),
        .classes = CLASSES};
    int count[CLASSES] = {0};
    un_augment *a;
    un_augment_scratch *s;

    c.foreground = 0;
    memset(plain.picture.target, 0, 1760 * sizeof(int32_t));
    memset(plain.picture.image, 0, 1760 * sizeof(float));
    CHECK_OK(un_augment_create(&a, NULL, &c, size, 1, &err), &err);
    CHECK_OK(un_augment_scratch_create(&s, NULL, a, &err), &err);
    for (int k = 0; k < 40; k++) {
        const un_draw draw = {3, 1, k};
        int cls = 0;

        CHECK_OK(un_augment_run(a, s, &plain, start, &draw, &p, &err), &err);
        CHECK_OK(un_mix_run(a, s, &draw, &others, &p, &err), &err);
        for (int i = 0; i < 1760; i++)
            cls = UN_MAX(cls, p.target[i]);
        count[cls]++;
        for (int i = 0; i < 1760; i++) {
            CHECK(p.target[i] == (rare.picture.target[i] == cls ? cls : 0));
            CHECK(p.image[i] == (rare.picture.target[i] == cls ? rare.picture.image[i] : 0));
        }
    }
    CHECK(count[0] == 0 && count[1] > 10 && count[2] > 10); /* though class 1 has far more pixels */
    others.get = broken;
    CHECK_STATUS(un_mix_run(a, s, &(un_draw){3, 1, 0}, &others, &p, &err), UNET_E_FORMAT);
    un_augment_scratch_destroy(s);
    un_augment_destroy(a);
    un_free(p.image);
    un_free(p.target);
    un_ready_free(&rare);
    un_ready_free(&plain);
}

/* ---- what single rows do to values ---- */

typedef void row_check(const un_ready *r, const shot *was, const shot *is, double *count);

/* Calls the check for so many draws of an operation on a picture of c channels. */
static void each_draw(un_augment_op op, int c, int draws, row_check *check, double count[2])
{
    const int size[3] = {1, 48, 56};
    un_ready r = shapes(1, 80, 84, c);
    const un_cfg_augment on = alone(op, 1), none = {.outside = on.outside};

    count[0] = count[1] = 0;
    for (int i = 0; i < draws; i++) {
        shot was, is;

        take(&was, &r, &none, size, i);
        take(&is, &r, &on, size, i);
        check(&r, &was, &is, count);
        drop(&was);
        drop(&is);
    }
    un_ready_free(&r);
}

static double roughness(const shot *s)
{
    double sum = 0;

    for (size_t i = 1; i < s->n; i++)
        sum += fabs((double)s->p.image[i] - (double)s->p.image[i - 1]);
    return sum;
}

static void is_sharper(const un_ready *r, const shot *was, const shot *is, double *count)
{
    (void)r, (void)count;
    CHECK(roughness(is) > roughness(was));
}

static void is_inverted(const un_ready *r, const shot *was, const shot *is, double *count)
{
    (void)count;
    for (size_t i = 0; i < is->n; i++)
        CHECK_NEAR(is->p.image[i] + was->p.image[i], r->lo[0] + r->hi[0], 1e-4);
}

/* A straight line between ends that lie near those of the range, cut to it. */
static void is_window(const un_ready *r, const shot *was, const shot *is, double *count)
{
    const double lo = r->lo[0], hi = r->hi[0], most = 0.15 * (hi - lo) * 1.001;
    size_t a = 0, b = 0;
    double slope;

    (void)count;
    for (size_t i = 0; i < is->n; i++) {
        const double v = (double)is->p.image[i];

        CHECK(v >= lo - 1e-5 && v <= hi + 1e-5);
        if (v < lo + 1e-3 || v > hi - 1e-3)
            continue;
        a = !a || is->p.image[i] < is->p.image[a] ? i : a;
        b = !b || is->p.image[i] > is->p.image[b] ? i : b;
    }
    slope = ((double)is->p.image[b] - (double)is->p.image[a]) / ((double)was->p.image[b] - (double)was->p.image[a]);
    CHECK(fabs((double)was->p.image[a] - ((double)is->p.image[a] - lo) / slope - lo) < most);
    CHECK(fabs((double)was->p.image[a] + (hi - (double)is->p.image[a]) / slope - hi) < most);
}

/* The change is the same along each row, or along each column; counts both. */
static void is_striped(const un_ready *r, const shot *was, const shot *is, double *count)
{
    double along[2] = {0};

    (void)r;
    for (int y = 1; y < 48; y++)
        for (int x = 1; x < 56; x++) {
            const size_t i = (size_t)y * 56 + (size_t)x;
            const double d = (double)is->p.image[i] - (double)was->p.image[i];

            along[0] = fmax(along[0], fabs(d - ((double)is->p.image[i - 1] - (double)was->p.image[i - 1])));
            along[1] = fmax(along[1], fabs(d - ((double)is->p.image[i - 56] - (double)was->p.image[i - 56])));
        }
    CHECK(fmin(along[0], along[1]) < 1e-5);
    count[along[1] < along[0]]++;
}

/* Noise by the root of what lies above the lowest value: of one deviation where it is divided by that. */
static void is_of_photons(const un_ready *r, const shot *was, const shot *is, double *count)
{
    const double range = r->hi[0] - r->lo[0];
    double sum[2] = {0}, n[2] = {0};

    (void)count;
    for (size_t i = 0; i < is->n; i++) {
        const double above = ((double)was->p.image[i] - r->lo[0]) / range,
                     d = (double)is->p.image[i] - (double)was->p.image[i];

        if (above < 0.05 || (above > 0.35 && above < 0.65))
            continue;
        sum[above > 0.5] += d * d / above;
        n[above > 0.5]++;
    }
    CHECK(n[0] > 50 && n[1] > 50);
    CHECK(sum[0] / n[0] < 1.8 * sum[1] / n[1] && sum[1] / n[1] < 1.8 * sum[0] / n[0]);
}

static void is_brighter(const un_ready *r, const shot *was, const shot *is, double *count)
{
    (void)r, (void)count;
    for (size_t i = 0; i < is->n; i++)
        CHECK(is->p.image[i] >= was->p.image[i] - 1e-5f);
}

static void counts_changed(const un_ready *r, const shot *was, const shot *is, double *count)
{
    (void)r;
    for (size_t i = 0; i < is->n; i++)
        count[0] += is->p.image[i] != was->p.image[i];
    count[1] += is->p.image[0] != was->p.image[0];
}

/* Whole numbers stay whole: nothing is smoothed. */
static void is_whole(const un_ready *r, const shot *was, const shot *is, double *count)
{
    (void)r, (void)was, (void)count;
    for (size_t i = 0; i < is->n; i++)
        CHECK_NEAR(is->p.image[2 * i + 1], round((double)is->p.image[2 * i + 1]), 1e-4);
}

static void keeps_order(const un_ready *r, const shot *was, const shot *is, double *count)
{
    double both = 0;

    (void)count;
    for (size_t i = 0; i < is->n; i++)
        both += ((double)was->p.image[i] - r->mean[0]) * ((double)is->p.image[i] - r->mean[0]);
    CHECK(both > 0);
}

TEST(rows_do_what_they_say)
{
    double count[2];

    each_draw(UN_AUGMENT_SHARPEN, 1, DRAWS, is_sharper, count);
    each_draw(UN_AUGMENT_INVERT, 1, DRAWS, is_inverted, count);
    each_draw(UN_AUGMENT_WINDOW, 1, 12, is_window, count);
    each_draw(UN_AUGMENT_STRIPES, 1, 12, is_striped, count);
    CHECK(count[0] > 0 && count[1] > 0);
    each_draw(UN_AUGMENT_POISSON, 1, DRAWS, is_of_photons, count);
    each_draw(UN_AUGMENT_HAZE, 1, DRAWS, is_brighter, count);
    each_draw(UN_AUGMENT_SALT_PEPPER, 1, 40, counts_changed, count);
    CHECK_NEAR(count[0] / (40 * 48 * 56), 0.01, 0.004); /* half of the largest share */
    each_draw(UN_AUGMENT_CUTOUT, 1, 20, counts_changed, count);
    CHECK(count[0] > 0 && count[1] < 10);
    each_draw(UN_AUGMENT_TRANSLATE, 2, DRAWS, is_whole, count);
    each_draw(UN_AUGMENT_INVERSE_GAMMA, 1, DRAWS, keeps_order, count);
}

/* What changes the colour of a pixel does not ask where it lies: a volume changes as the picture of its slices one
 * below the other does, bit for bit. */
TEST(colours_of_volumes)
{
    const int deep[3] = {8, 32, 32}, tall[3] = {1, 8 * 32, 32};
    un_ready volume = shapes(deep[0], deep[1], deep[2], 3), flat = volume;
    int n = 0;

    flat.picture.d = tall[0];
    flat.picture.h = tall[1];
    for (int k = 0; k < UN_AUGMENT_COUNT; k++) {
        const un_augment_op op = (un_augment_op)k;
        const un_cfg_augment on = alone(op, 1), none = {.outside = on.outside};

        if (un_augment_row_of(op)->where != UN_AUGMENT_IN_COLOUR)
            continue;
        n++;
        for (int i = 0; i < DRAWS; i++) {
            shot was, a, b;

            take(&was, &volume, &none, deep, i);
            take(&a, &volume, &on, deep, i);
            take(&b, &flat, &on, tall, i);
            if (same_image(&was, &a) || !same_image(&a, &b))
                un_test_fail(__FILE__, __LINE__, "%s: slices are not all changed alike", un_augment_row_of(op)->name);
            drop(&was);
            drop(&a);
            drop(&b);
        }
    }
    CHECK_INT(n, 4); /* stain, hue, saturation, grey */
    un_ready_free(&volume);
}

/* Light that went through one stain alone: its density is multiplied by that stain's gain. */
TEST(stains_are_told_apart)
{
    static const double stain[3][3] = {{0.650, 0.704, 0.286}, {0.072, 0.990, 0.105}, {0.268, 0.570, 0.776}};
    static const double gain[3] = {1.3, 0.8, 1.1};
    const double least = 1.0 / 256;

    for (int k = 0; k < 3; k++) {
        float v[3];

        for (int c = 0; c < 3; c++)
            v[c] = (float)((exp(-0.9 * stain[k][c]) - least) / (1 - least));
        un_stain_apply(gain, 0, 1, v, 1);
        for (int c = 0; c < 3; c++)
            CHECK_NEAR(-log(least + (1 - least) * (double)v[c]), 0.9 * gain[k] * stain[k][c], 0.02);
    }
}

/* Shares of classes are mixed as the pictures are: the last channel is the mean class. */
TEST(soft_masks_are_mixed)
{
    const int size[3] = {1, 48, 56}, start[3] = {0, 10, 10};
    const un_cfg_augment on = alone(UN_AUGMENT_MIXUP, 1);
    un_ready r = shapes(1, 80, 84, 2);
    const size_t n = 80 * 84, out = 48 * 56;
    const un_partners itself = un_partners_of(&r);
    un_patch p = {.image = un_alloc_array(NULL, out * 2, sizeof(float)),
        .soft = un_alloc_array(NULL, out * CLASSES, sizeof(float)),
        .classes = CLASSES};
    un_augment_scratch *scratch;
    un_augment *a;
    int mixed = 0;

    r.picture.soft = un_alloc_array(NULL, n * CLASSES, sizeof(float));
    for (size_t i = 0; i < n; i++)
        r.picture.soft[i * CLASSES + (size_t)r.picture.target[i]] = 1;
    un_free(r.picture.target);
    r.picture.target = NULL;
    CHECK_OK(un_augment_create(&a, NULL, &on, size, 2, &err), &err);
    CHECK_OK(un_augment_scratch_create(&scratch, NULL, a, &err), &err);
    for (int i = 0; i < DRAWS; i++) {
        const un_draw at = {7, 1 + i, i};

        CHECK_OK(un_augment_run(a, scratch, &r, start, &at, &p, &err), &err);
        CHECK_OK(un_mix_run(a, scratch, &at, &itself, &p, &err), &err);
        for (size_t k = 0; k < out; k++) {
            const float *s = p.soft + k * CLASSES;

            CHECK_NEAR(p.image[2 * k + 1], s[1] + 2 * s[2], 1e-4);
            mixed += s[0] > 0.01f && s[0] < 0.99f;
        }
    }
    CHECK(mixed > 100);
    un_augment_scratch_destroy(scratch);
    un_augment_destroy(a);
    un_free(p.image);
    un_free(p.soft);
    un_ready_free(&r);
}
