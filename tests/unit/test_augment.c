/* Sampling and augmentation: picture, mask and weights move together; same draw, same bits. */
#include "test.h"

#include <stdlib.h>

#include "base/math.h"
#include "base/size.h"
#include "data/augment.h"
#include "data/tta.h"

static unet_error err;

/* A picture whose channel 0 is a smooth pattern, channel 1 (and on) the mask; mask: blobs of classes 0, 1, 2. */
static un_ready make_picture(int d, int h, int w, int c, int soft)
{
    un_picture p = {.d = d, .h = h, .w = w, .c = c, .classes = 3, .spacing = {1, 1, 1}};
    const size_t n = (size_t)d * h * w;
    un_ready r;

    p.image = un_alloc_array(NULL, n, c * sizeof(float));
    p.weight = un_alloc_array(NULL, n, sizeof(float));
    if (soft)
        p.soft = un_alloc_array(NULL, n, 3 * sizeof(float));
    else
        p.target = un_alloc_array(NULL, n, sizeof(int32_t));
    for (size_t i = 0; i < n; i++) {
        const double z = (double)(i / ((size_t)h * w)), y = (double)(i / w % h), x = (double)(i % w);
        const double v = un_sin2pi(y / 37) + un_cos2pi(x / 41) + 0.5 * un_sin2pi(z / 29);
        const int cls = v > 0.8 ? 2 : v > 0 ? 1 : 0;

        for (int k = 0; k < c; k++)
            p.image[i * c + k] = (float)(k == 1 ? cls : v + 0.2 * k);
        p.weight[i] = (float)(1 + cls);
        if (soft)
            p.soft[i * 3 + cls] = 1;
        else
            p.target[i] = cls;
    }
    CHECK_OK(un_ready_make(&r, NULL, &p, NULL, 0, &err), &err);
    return r;
}

static un_cfg_augment settings(un_cfg_policy policy)
{
    static un_config cfg;

    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    cfg.augment.policy = policy;
    return cfg.augment;
}

/* One augmented patch of a picture; owned by the caller. */
typedef struct shot {
    un_patch p;
    size_t n;
} shot;

static shot take(const un_ready *r, const un_cfg_augment *cfg, const int size[3], const int start[3], un_draw draw)
{
    shot s = {.n = (size_t)size[0] * size[1] * size[2]};
    un_augment *a;
    un_augment_scratch *scratch;

    s.p.classes = 3;
    s.p.image = un_alloc_array(NULL, s.n, r->picture.c * sizeof(float));
    s.p.target = un_alloc_array(NULL, s.n, sizeof(int32_t));
    s.p.weight = un_alloc_array(NULL, s.n, sizeof(float));
    if (r->picture.soft)
        s.p.soft = un_alloc_array(NULL, s.n, 3 * sizeof(float));
    CHECK_OK(un_augment_create(&a, NULL, cfg, size, r->picture.c, &err), &err);
    CHECK_OK(un_augment_scratch_create(&scratch, NULL, a, &err), &err);
    CHECK_OK(un_augment_run(a, scratch, r, start, &draw, &s.p, &err), &err);
    un_augment_scratch_destroy(scratch);
    un_augment_destroy(a);
    return s;
}

static void drop(shot *s)
{
    un_free(s->p.image);
    un_free(s->p.target);
    un_free(s->p.soft);
    un_free(s->p.weight);
}

TEST(none_is_a_copy)
{
    const un_cfg_augment cfg = settings(UN_CFG_POLICY_NONE);
    const int size[3] = {1, 20, 30}, start[3] = {0, 11, 7};
    un_ready r = make_picture(1, 64, 72, 3, 0);
    shot s = take(&r, &cfg, size, start, (un_draw){1, 1, 0});

    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 30; x++) {
            const int i = (y + 11) * 72 + x + 7, o = y * 30 + x;

            CHECK(!memcmp(s.p.image + o * 3, r.picture.image + i * 3, 3 * sizeof(float)));
            CHECK_INT(s.p.target[o], r.picture.target[i]);
            CHECK(s.p.weight[o] == r.picture.weight[i]);
        }
    drop(&s);
    un_ready_free(&r);
}

TEST(grey_is_the_mean)
{
    un_cfg_augment cfg = settings(UN_CFG_POLICY_NONE);
    const int size[3] = {1, 20, 30}, start[3] = {0, 11, 7};
    un_ready r = make_picture(1, 64, 72, 3, 0);
    shot plain = take(&r, &cfg, size, start, (un_draw){1, 1, 0}), grey;

    cfg.grey = 1;
    grey = take(&r, &cfg, size, start, (un_draw){1, 1, 0});
    for (size_t i = 0; i < plain.n * 3; i++) {
        const float *v = plain.p.image + i / 3 * 3;

        CHECK_NEAR(grey.p.image[i], ((double)v[0] + v[1] + v[2]) / 3, 1e-5);
    }
    drop(&plain);
    drop(&grey);
    un_ready_free(&r);
}

/* Channel 1 is the mask: where all pixels around agree, the interpolated channel must equal the target, and the weight
 * its class + 1. Only the edges of classes may differ, by less than the class. */
static void check_together(const un_ready *r, const int size[3], int from, int to, double share)
{
    un_cfg_augment cfg = settings(UN_CFG_POLICY_STRONG);
    const int start[3] = {0, 3, -5};
    int64_t off = 0, all = 0, turned = 0;

    cfg.brightness = cfg.contrast = cfg.gamma = cfg.invert = cfg.noise = cfg.blur = cfg.hue = cfg.saturation = 0;
    cfg.stain = 0;
    cfg.rotate = cfg.elastic = 0.7;
    for (int k = from; k < to; k++) {
        shot s = take(r, &cfg, size, start, (un_draw){5, 1 + k, k});

        for (size_t i = 0; i < s.n; i++) {
            const double v = s.p.image[i * r->picture.c + 1], t = s.p.target[i];

            CHECK(t >= 0);
            CHECK_NEAR(s.p.weight[i], t + 1, 0);
            off += fabs(v - t) > 1e-5;
            turned += s.p.target[i] != r->picture.target[i % (size_t)(r->picture.h * r->picture.w)];
            CHECK(fabs(v - t) <= 1.5);
        }
        all += (int64_t)s.n;
        drop(&s);
    }
    CHECK((double)off < share * (double)all);
    CHECK(turned > all / 10);
}

TEST(picture_mask_and_weights_move_together)
{
    un_ready flat = make_picture(1, 150, 140, 3, 0), deep = make_picture(24, 70, 60, 2, 0);

    check_together(&flat, (const int[3]){1, 96, 96}, 0, 12, 0.2);
    check_together(&deep, (const int[3]){16, 32, 32}, 0, 6, 0.3);
    deep.picture.spacing[0] = 5;
    check_together(&deep, (const int[3]){16, 32, 32}, 6, 10, 0.3);
    un_ready_free(&flat);
    un_ready_free(&deep);
}

/* The interpolated pattern agrees with the function it was made of, at the place the flip and turn say. */
TEST(quarter_turns_and_flips_are_exact)
{
    un_cfg_augment cfg = settings(UN_CFG_POLICY_NONE);
    const int size[3] = {1, 24, 24}, start[3] = {0, 4, 6};
    un_ready r = make_picture(1, 40, 50, 3, 0);
    int seen = 0;

    cfg.flip = 0.5;
    cfg.rot90 = 1;
    for (int k = 0; k < 60; k++) {
        shot s = take(&r, &cfg, size, start, (un_draw){2, 1, k});
        int match = -1;

        for (int v = 0; v < 8; v++) { /* the eight symmetries of a square */
            int same = 1;

            for (int i = 0; i < 24 * 24 && same; i++) {
                const int y0 = i / 24, x0 = i % 24, ty = v & 4 ? x0 : y0, tx = v & 4 ? y0 : x0;
                const int y = (v & 1 ? 23 - ty : ty) + 4, x = (v & 2 ? 23 - tx : tx) + 6;

                same = !memcmp(s.p.image + i * 3, r.picture.image + (y * 50 + x) * 3, 3 * sizeof(float)) &&
                       s.p.target[i] == r.picture.target[y * 50 + x];
            }
            if (same)
                match = v;
        }
        CHECK(match >= 0);
        seen |= 1 << match;
        drop(&s);
    }
    CHECK_INT(seen, 255);
    un_ready_free(&r);
}

TEST(small_pictures_are_mirrored_or_ignored)
{
    un_cfg_augment cfg = settings(UN_CFG_POLICY_NONE);
    const int size[3] = {1, 16, 16}, start[3] = {0, -4, -3};
    un_ready r = make_picture(1, 7, 9, 1, 0);
    shot s = take(&r, &cfg, size, start, (un_draw){1, 1, 0});

    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++) {
            const int i = un_reflect(y - 4, 7) * 9 + un_reflect(x - 3, 9);

            CHECK(s.p.image[y * 16 + x] == r.picture.image[i]);
            CHECK_INT(s.p.target[y * 16 + x], r.picture.target[i]);
        }
    drop(&s);
    cfg.outside = UN_CFG_OUTSIDE_IGNORE;
    s = take(&r, &cfg, size, start, (un_draw){1, 1, 0});
    for (int y = 0; y < 16; y++)
        for (int x = 0; x < 16; x++)
            if (y < 4 || y >= 11 || x < 3 || x >= 12) {
                CHECK(s.p.image[y * 16 + x] == 0 && s.p.weight[y * 16 + x] == 0);
                CHECK_INT(s.p.target[y * 16 + x], -1);
            }
    drop(&s);
    un_ready_free(&r);
}

TEST(soft_targets_stay_shares)
{
    un_cfg_augment cfg = settings(UN_CFG_POLICY_STRONG);
    const int size[3] = {1, 48, 40}, start[3] = {0, -2, 8};
    un_ready r = make_picture(1, 60, 64, 2, 1);

    cfg.rotate = cfg.elastic = cfg.scale = 1;
    for (int k = 0; k < 4; k++) {
        shot s = take(&r, &cfg, size, start, (un_draw){3, 1, k});

        for (size_t i = 0; i < s.n; i++)
            CHECK_NEAR(s.p.soft[3 * i] + s.p.soft[3 * i + 1] + s.p.soft[3 * i + 2], 1, 1e-5);
        drop(&s);
    }
    un_ready_free(&r);
}

TEST(values_stay_finite_and_repeat)
{
    un_cfg_augment cfg = settings(UN_CFG_POLICY_STRONG);
    const int size[3] = {8, 20, 24}, start[3] = {0, 0, 0}, flat[3] = {1, 33, 31};

    cfg.rotate = cfg.elastic = cfg.scale = cfg.noise = cfg.blur = cfg.hue = cfg.saturation = cfg.stain = 1;
    cfg.gamma = cfg.contrast = cfg.brightness = cfg.invert = 1;
    for (int c = 1; c < 5; c++) {
        un_ready r = make_picture(c & 1 ? 1 : 8, 40, 36, c, 0);
        shot a = take(&r, &cfg, c & 1 ? flat : size, start, (un_draw){9, 4, c});
        shot b = take(&r, &cfg, c & 1 ? flat : size, start, (un_draw){9, 4, c});

        for (size_t i = 0; i < a.n * c; i++)
            CHECK(isfinite(a.p.image[i]) && fabsf(a.p.image[i]) < 30);
        CHECK(!memcmp(a.p.image, b.p.image, a.n * c * sizeof(float)));
        CHECK(!memcmp(a.p.target, b.p.target, a.n * sizeof(int32_t)));
        drop(&a);
        drop(&b);
        un_ready_free(&r);
    }
}

TEST(noise_is_normal)
{
    enum { N = 200000 };
    un_normal_table *t = un_alloc(NULL, sizeof *t);
    float *v = un_alloc_array(NULL, N, sizeof *v), std = 2;
    double sum = 0, squares = 0, fourth = 0;
    un_rng r;

    un_normal_table_make(t);
    CHECK_NEAR(t->q[2048], 0, 0);
    CHECK_NEAR(t->q[3072], 0.6744897502, 1e-6); /* the quartile */
    un_rng_init(&r, 1, UN_RNG_TEST, 1, 2, 3);
    un_noise_apply(t, &r, &std, v, N, 1);
    for (int i = 0; i < N; i++) {
        sum += v[i];
        squares += (double)v[i] * v[i];
        fourth += pow(v[i], 4);
    }
    CHECK_NEAR(sum / N, 0, 0.02);
    CHECK_NEAR(squares / N, 4, 0.06);
    CHECK_NEAR(fourth / N / 16, 3, 0.15);
    un_free(v);
    un_free(t);
}

/* Powers against those in double, for each number of channels; the ends stay, and so does all with an exponent of 1. */
TEST(powers)
{
    static const double lo[5] = {-2, 0.5, 10, -1, 0}, hi[5] = {2, 0.75, 300, 5, 1}, gamma[5] = {0.4, 2.5, 1, 0.99, 3};
    static const double still[5] = {1, 1, 1, 1, 1};
    enum { N = 700 };
    float v[5 * N], was[5 * N];

    for (int c = 1; c <= 5; c++)
        for (int bright = 0; bright < 2; bright++) {
            for (int i = 0; i < N * c; i++)
                v[i] = was[i] = (float)(lo[i % c] + (hi[i % c] - lo[i % c]) * (i / c - 50) / (N - 100));
            un_gamma_apply(&(un_gamma){lo, hi, still, bright}, v, N, c);
            CHECK(!memcmp(v, was, sizeof *v * (size_t)(N * c)));
            un_gamma_apply(&(un_gamma){lo, hi, gamma, bright}, v, N, c);
            for (int i = 0; i < N * c; i++) {
                const int k = i % c;
                const double range = hi[k] - lo[k], t = ((double)was[i] - lo[k]) / range;
                const double in = t < 0 ? 0 : t > 1 ? 1 : t;
                const double p = bright ? 1 - pow(1 - in, gamma[k]) : pow(in, gamma[k]);

                CHECK_NEAR(v[i], lo[k] + range * (p + (t - in)), 3e-6 * range);
            }
        }
}

TEST(tones)
{
    const double zero = 0, two = 2;
    const double one[3] = {1, 1, 1}, sigma[3] = {0, 1.2, 1.2};
    const int size[3] = {1, 21, 23};
    float v[6] = {-1, 0.25f, 1, 0.5f, 2, 0}, w[6], *patch = un_alloc_array(NULL, 21 * 23, sizeof *patch);
    float *scratch = un_alloc_array(NULL, un_blur_scratch(size, 1, 1.2), sizeof *scratch);
    double m[3][3], sum = 0;

    un_gamma_apply(&(un_gamma){&zero, one, &two, 0}, v, 6, 1);
    CHECK_NEAR(v[0], -1, 1e-6);
    CHECK_NEAR(v[1], 0.0625, 1e-5);
    CHECK_NEAR(v[4], 2, 1e-6);
    un_colour_hue(m, 1.0 / 3, 1); /* a third of a turn moves red to green */
    CHECK_NEAR(m[1][0], 1, 1e-12);
    CHECK_NEAR(m[2][1], 1, 1e-12);
    un_colour_hue(m, 0, 1);
    CHECK_NEAR(m[0][0], 1, 1e-12);
    CHECK_NEAR(m[0][1], 0, 1e-12);
    memcpy(w, v, sizeof v);
    un_stain_apply(one, 0, 1, w, 2); /* gains of 1 change nothing */
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(w[i], v[i], 0.01);
    patch[10 * 23 + 11] = 1;
    un_blur_apply(patch, size, 1, sigma, scratch);
    for (int i = 0; i < 21 * 23; i++)
        sum += patch[i];
    CHECK_NEAR(sum, 1, 1e-5);
    CHECK_NEAR(patch[10 * 23 + 12] / patch[10 * 23 + 11], exp(-0.5 / 1.44), 1e-5);
    un_free(patch);
    un_free(scratch);
}

static double share_of(void *ctx, int i)
{
    (void)ctx;
    return i == 3 ? 0.5 : i == 5 ? 2.25 : 1;
}

TEST(an_epoch_draws_by_share)
{
    un_picture_source src = {.count = 10};
    un_sampler *s;
    int count[10] = {0}, first[10], other = 0;

    CHECK_OK(un_sampler_create(&s, NULL, &src, 3, &err), &err);
    for (int i = 0; i < 30; i++) {
        first[i % 10] = i < 10 ? un_sampler_picture(s, i) : first[i % 10];
        other += i >= 10 && un_sampler_picture(s, i) != first[i % 10];
        count[un_sampler_picture(s, i)]++;
        for (int k = 0; i % 10 == 9 && k < 10; k++)
            CHECK_INT(count[k], i / 10 + 1);
    }
    CHECK(other > 5);
    CHECK_INT(un_sampler_picture(s, 4), first[4]); /* back again */
    un_sampler_destroy(s);
    src.share = share_of;
    memset(count, 0, sizeof count);
    CHECK_OK(un_sampler_create(&s, NULL, &src, 3, &err), &err);
    for (int i = 0; i < 10000; i++)
        count[un_sampler_picture(s, i)]++;
    CHECK_NEAR(count[3] / 10000.0, 0.5 / 10.75, 0.003);
    CHECK_NEAR(count[5] / 10000.0, 2.25 / 10.75, 0.003);
    {
        const un_epoch e = un_sampler_epoch(s);
        double distinct = 0;

        for (int i = 0; i < 10; i++)
            distinct += fmin(1, 10 * share_of(NULL, i) / 10.75);
        CHECK_INT(e.drawn, 10);
        CHECK_NEAR(e.distinct, distinct, 1e-12);
        CHECK_NEAR(e.least, 10 * 0.5 / 10.75, 1e-12);
        CHECK_NEAR(e.most, 10 * 2.25 / 10.75, 1e-12);
    }
    un_sampler_destroy(s);
}

/* A class with one object of 400 pixels and one of a single one: by pixel the small one is hardly met, by object as
 * often as the large one. */
TEST(crops_follow_the_objects)
{
    un_ready r = make_picture(1, 100, 90, 1, 0);
    un_picture p = r.picture;
    const int size[3] = {1, 11, 11};
    int start[3], small = 0;
    un_rng rng;

    memset(p.target, 0, 100 * 90 * sizeof(int32_t));
    p.target[80 * 90 + 70] = 1;
    for (int i = 0; i < 400; i++)
        p.target[(10 + i / 20) * 90 + i % 20 + 10] = i % 20 < 10 || i / 20 < 10; /* not all of its box */
    memset(&r.picture, 0, sizeof r.picture);
    un_ready_free(&r);
    CHECK_OK(un_ready_make(&r, NULL, &p, NULL, 0, &err), &err);
    CHECK_OK(un_ready_find_objects(&r, NULL, &err), &err);
    CHECK(r.anchor_from[0] == 0 && r.anchor_from[1] == 2);
    CHECK_INT(r.anchor[1].first, 80 * 90 + 70);
    for (int i = 0; i < 400; i++) {
        un_rng_init(&rng, 1, UN_RNG_SAMPLE, 1, (uint32_t)i, 0);
        un_sampler_crop(&r, size, 1, &rng, start);
        CHECK_INT(r.picture.target[(start[1] + 5) * 90 + start[2] + 5], 1);
        small += start[1] == 75 && start[2] == 65;
    }
    CHECK(small > 160 && small < 240);
    un_ready_free(&r);
}

TEST(crops_follow_the_foreground)
{
    un_ready r = make_picture(1, 100, 90, 1, 0);
    const int size[3] = {1, 11, 11}, large[3] = {1, 128, 64};
    int start[3], in = 0, per_class[3] = {0}, negative = 0;
    un_rng rng;

    memset(r.picture.target, 0, 100 * 90 * sizeof(int32_t));
    r.picture.target[50 * 90 + 40] = 2;
    for (int i = 0; i < 200; i++)
        r.picture.target[30 * 90 + 90 * (i / 20) + i % 20 + 60] = 1;
    {
        un_picture p = r.picture;

        memset(&r.picture, 0, sizeof r.picture);
        un_ready_free(&r);
        CHECK_OK(un_ready_make(&r, NULL, &p, NULL, 0, &err), &err);
    }
    CHECK_INT(r.present_count, 2);
    CHECK_INT(un_ready_find(&r, 2, 0), 50 * 90 + 40);
    CHECK_INT(un_ready_find(&r, 1, 25), 31 * 90 + 65);
    for (int i = 0, k = 0; i < 100 * 90; i++) /* across the runs that are counted */
        if (!r.picture.target[i])
            CHECK_INT(un_ready_find(&r, 0, k++), i);
    for (int i = 0; i < 400; i++) {
        un_rng_init(&rng, 1, UN_RNG_SAMPLE, 1, (uint32_t)i, 0);
        un_sampler_crop(&r, size, 1, &rng, start);
        CHECK(start[0] == 0 && start[1] >= 0 && start[1] <= 89 && start[2] >= 0 && start[2] <= 79);
        per_class[r.picture.target[(start[1] + 5) * 90 + start[2] + 5]]++;
        un_sampler_crop(&r, size, 0, &rng, start);
        in += start[1] == 45 && start[2] == 35;
        un_sampler_crop(&r, large, 0.5, &rng, start);
        CHECK(start[1] >= -28 && start[1] <= 0 && start[2] >= 0 && start[2] <= 26);
        negative += start[1] < 0;
    }
    CHECK(per_class[2] > 160 && per_class[2] < 240);
    CHECK(in < 5);
    CHECK(negative > 100);
    un_ready_free(&r);
}

TEST(views_come_back)
{
    const int size[3] = {2, 3, 5};
    float src[60], view[60], back[60];
    un_view v[UN_TTA_MAX];
    int n;

    for (int i = 0; i < 60; i++)
        src[i] = (float)i;
    CHECK_INT(un_tta_views(UN_CFG_TTA_NONE, UN_CFG_FLIP_AUTO, 3, v), 1);
    CHECK(!v[0].swap && !v[0].flip[0] && !v[0].flip[1] && !v[0].flip[2]);
    CHECK_INT(un_tta_views(UN_CFG_TTA_FLIPS, UN_CFG_FLIP_W, 2, v), 2);
    CHECK_INT(un_tta_views(UN_CFG_TTA_FLIPS, UN_CFG_FLIP_AUTO, 2, v), 4);
    CHECK_INT(un_tta_views(UN_CFG_TTA_FLIPS, UN_CFG_FLIP_AUTO, 3, v), 8);
    CHECK_INT(un_tta_views(UN_CFG_TTA_ALL, UN_CFG_FLIP_AUTO, 2, v), 8);
    n = un_tta_views(UN_CFG_TTA_ALL, UN_CFG_FLIP_DHW, 3, v);
    CHECK_INT(n, 16);
    for (int i = 0; i < n; i++) {
        un_tta_apply(&v[i], src, size, 2, view);
        un_tta_undo(&v[i], view, size, 2, back);
        CHECK(!memcmp(src, back, sizeof src));
        for (int k = 0; k < i; k++) { /* all differ */
            un_tta_apply(&v[k], src, size, 2, back);
            CHECK(memcmp(view, back, sizeof view));
        }
    }
    un_tta_apply(&(un_view){{0, 0, 1}, 1}, src, size, 2, view); /* a quarter turn */
    CHECK_NEAR(view[0], 8, 0);                                  /* the last of the first row */
    CHECK_NEAR(view[2], 18, 0);                                 /* then the last of the second */
}
