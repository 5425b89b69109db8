/* metrics: counts and ratios against values worked out by hand, identities, the rules for ignored and empty.
 */
#include "test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "metrics/floor.h"
#include "metrics/overlap.h"

static un_scores *scores_of(const un_confusion *c, int background)
{
    un_scores *s;

    CHECK_OK(un_scores_create(&s, NULL, c, background, NULL), &(unet_error){0});
    return s;
}

/* truth      0 0 0 1 1 1 2 -1
 * prediction 0 0 1 1 1 2 1  2 */
static un_confusion *three_classes(void)
{
    const int32_t truth[] = {0, 0, 0, 1, 1, 1, 2, -1}, prediction[] = {0, 0, 1, 1, 1, 2, 1, 2};
    un_confusion *c;
    unet_error err = {0};

    CHECK_OK(un_confusion_create(&c, NULL, 3, &err), &err);
    CHECK_OK(un_confusion_add(c, truth, prediction, 8, &err), &err);
    return c;
}

TEST(confusion_by_hand)
{
    const int64_t expected[] = {2, 1, 0, 0, 2, 1, 0, 1, 0};
    un_confusion *c = three_classes();

    for (int i = 0; i < 9; i++)
        CHECK_INT(c->count[i], expected[i]);
    CHECK_INT(c->ignored, 1);
    un_class_counts n = un_confusion_class(c, 1);
    CHECK(n.tp == 2 && n.fp == 2 && n.fn == 1 && n.tn == 2);
    un_confusion_clear(c);
    CHECK(c->count[0] == 0 && c->ignored == 0);
    un_confusion_destroy(c);
}

TEST(ratios_by_hand)
{
    un_confusion *c = three_classes();
    un_scores *s = scores_of(c, 0);

    CHECK_INT(s->pixels, 7);
    CHECK_INT(s->ignored, 1);
    CHECK_NEAR(s->accuracy, 4.0 / 7, 1e-15);
    CHECK_NEAR(s->of[0].r.v[UN_RATIO_DICE], 4.0 / 5, 1e-15);
    CHECK_NEAR(s->of[0].r.v[UN_RATIO_IOU], 2.0 / 3, 1e-15);
    CHECK_NEAR(s->of[0].r.v[UN_RATIO_PRECISION], 1, 0);
    CHECK_NEAR(s->of[0].r.v[UN_RATIO_RECALL], 2.0 / 3, 1e-15);
    CHECK_NEAR(s->of[1].r.v[UN_RATIO_DICE], 4.0 / 7, 1e-15);
    CHECK_NEAR(s->of[1].r.v[UN_RATIO_IOU], 2.0 / 5, 1e-15);
    CHECK_NEAR(s->of[1].r.v[UN_RATIO_PRECISION], 0.5, 0);
    CHECK_NEAR(s->of[2].r.v[UN_RATIO_DICE], 0, 0);
    CHECK(s->of[1].support == 3 && s->of[1].predicted == 4);
    CHECK_NEAR(s->macro.v[UN_RATIO_IOU], (2.0 / 3 + 2.0 / 5 + 0) / 3, 1e-15);
    CHECK_NEAR(s->foreground.v[UN_RATIO_IOU], (2.0 / 5 + 0) / 2, 1e-15);
    CHECK_NEAR(s->foreground.v[UN_RATIO_DICE], (4.0 / 7 + 0) / 2, 1e-15);
    un_scores_destroy(s);
    un_confusion_destroy(c);
}

TEST(empty_class_rule)
{
    const un_class_counts absent = {.tn = 9}, invented = {.fp = 2, .tn = 7}, missed = {.fn = 2, .tn = 7};

    for (int i = 0; i < UN_RATIO_COUNT; i++) {
        CHECK(isnan(un_ratios_of(absent).v[i]));
        CHECK_NEAR(un_ratios_of(invented).v[i], 0, 0);
        CHECK_NEAR(un_ratios_of(missed).v[i], 0, 0);
    }
}

TEST(empty_classes_leave_the_means)
{
    const int32_t truth[] = {0, 0, 1}, prediction[] = {0, 0, 1};
    un_confusion *c;
    un_scores *s;

    CHECK_OK(un_confusion_create(&c, NULL, 4, NULL), &(unet_error){0});
    s = scores_of(c, 0); /* no pixel at all */
    CHECK(isnan(s->accuracy) && isnan(s->macro.v[UN_RATIO_DICE]) && isnan(s->foreground.v[UN_RATIO_DICE]));
    un_scores_destroy(s);
    CHECK_OK(un_confusion_add(c, truth, prediction, 3, NULL), &(unet_error){0});
    s = scores_of(c, 0);
    CHECK(isnan(s->of[2].r.v[UN_RATIO_DICE]) && isnan(s->of[3].r.v[UN_RATIO_IOU]));
    CHECK_NEAR(s->macro.v[UN_RATIO_DICE], 1, 0);
    un_scores_destroy(s);
    un_confusion_destroy(c);
}

TEST(values_outside_are_refused)
{
    const int32_t truth[] = {0, 1, 5}, high[] = {0, 2, 0}, fine[] = {0, 1, 1}, low[] = {0, -2, 0};
    const uint8_t narrow[] = {0, 7, 0};
    un_confusion *c;
    unet_error err = {0};

    CHECK_STATUS(un_confusion_create(&c, NULL, 257, &err), UNET_E_ARG);
    CHECK_STATUS(un_confusion_create(&c, NULL, 0, &err), UNET_E_ARG);
    CHECK_OK(un_confusion_create(&c, NULL, 2, &err), &err);
    CHECK_STATUS(un_confusion_add(c, truth, fine, 3, &err), UNET_E_DATA);
    CHECK_STR(err.message, "the truth of pixel 2 is class 5; classes are 0 to 1");
    CHECK_STATUS(un_confusion_add(c, fine, high, 3, &err), UNET_E_DATA);
    CHECK_STR(err.message, "the prediction of pixel 1 is class 2; classes are 0 to 1");
    CHECK_STATUS(un_confusion_add(c, low, fine, 3, &err), UNET_E_DATA);
    CHECK_STATUS(un_confusion_add_u8(c, fine, narrow, 3, &err), UNET_E_DATA);
    for (int i = 0; i < 4; i++)
        CHECK_INT(c->count[i], 0);
    un_confusion_destroy(c);
}

enum { MANY = 5000, CLASSES = 7 };

/* Random maps; class 6 never occurs. */
static void random_maps(int32_t *truth, int32_t *prediction, uint8_t *narrow, uint32_t which)
{
    un_rng r;

    un_rng_init(&r, 3, UN_RNG_TEST, which, 0, 0);
    for (int i = 0; i < MANY; i++) {
        truth[i] = (int32_t)un_rng_below(&r, CLASSES) - 1;
        prediction[i] = un_rng_uniform(&r) < 0.5 && truth[i] >= 0 ? truth[i] : (int32_t)un_rng_below(&r, 6);
        narrow[i] = (uint8_t)prediction[i];
    }
}

TEST(identities)
{
    static int32_t truth[MANY], prediction[MANY];
    static uint8_t narrow[MANY];
    un_confusion *a, *b, *half;
    un_scores *s;
    int64_t support = 0;
    unet_error err = {0};

    random_maps(truth, prediction, narrow, 0);
    CHECK_OK(un_confusion_create(&a, NULL, CLASSES, &err), &err);
    CHECK_OK(un_confusion_create(&b, NULL, CLASSES, &err), &err);
    CHECK_OK(un_confusion_create(&half, NULL, CLASSES, &err), &err);
    CHECK_OK(un_confusion_add(a, truth, prediction, MANY, &err), &err);
    CHECK_OK(un_confusion_add_u8(b, truth, narrow, 1234, &err), &err);
    CHECK_OK(un_confusion_add_u8(half, truth + 1234, narrow + 1234, MANY - 1234, &err), &err);
    un_confusion_merge(b, half);
    CHECK(a->ignored == b->ignored && !memcmp(a->count, b->count, CLASSES * CLASSES * sizeof *a->count));
    s = scores_of(a, 0);
    for (int k = 0; k < CLASSES - 1; k++) {
        const double *v = s->of[k].r.v, p = v[UN_RATIO_PRECISION], r = v[UN_RATIO_RECALL];

        CHECK_NEAR(v[UN_RATIO_DICE], 2 * v[UN_RATIO_IOU] / (1 + v[UN_RATIO_IOU]), 1e-14);
        CHECK_NEAR(v[UN_RATIO_F1], 2 * p * r / (p + r), 1e-14);
        CHECK_NEAR(v[UN_RATIO_F1], v[UN_RATIO_DICE], 0);
        support += s->of[k].support;
    }
    CHECK_INT(support, s->pixels);
    CHECK_INT(s->pixels + s->ignored, MANY);
    CHECK(isnan(s->of[6].r.v[UN_RATIO_DICE]));
    un_scores_destroy(s);
    un_confusion_destroy(a);
    un_confusion_destroy(b);
    un_confusion_destroy(half);
}

TEST(pooled_and_per_image_differ)
{
    /* a large image with Dice 1, a small one with 2/3, one where the class is nowhere */
    const int32_t big[] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 0}, small[] = {1, 0}, small_p[] = {1, 1}, none[] = {0, 0};
    const int32_t *truth[] = {big, small, none}, *prediction[] = {big, small_p, none};
    const int n[] = {10, 2, 2};
    un_confusion *pool, *c;
    un_image_means *m;
    un_scores *s;
    unet_error err = {0};

    CHECK_OK(un_confusion_create(&pool, NULL, 2, &err), &err);
    CHECK_OK(un_confusion_create(&c, NULL, 2, &err), &err);
    CHECK_OK(un_image_means_create(&m, NULL, 2, &err), &err);
    for (int i = 0; i < 3; i++) {
        un_confusion_clear(c);
        CHECK_OK(un_confusion_add(c, truth[i], prediction[i], n[i], &err), &err);
        un_confusion_merge(pool, c);
        s = scores_of(c, 0);
        un_image_means_add(m, s);
        un_scores_destroy(s);
    }
    s = scores_of(pool, 0);
    CHECK_NEAR(s->of[1].r.v[UN_RATIO_DICE], 18.0 / 19, 1e-15);
    CHECK_NEAR(un_mean_value(m->of[1].v[UN_RATIO_DICE]), (1 + 2.0 / 3) / 2, 1e-15);
    CHECK_NEAR(un_mean_value(m->foreground.v[UN_RATIO_DICE]), (1 + 2.0 / 3) / 2, 1e-15);
    CHECK_INT(m->of[1].v[UN_RATIO_DICE].n, 2);
    CHECK_INT(m->images, 3);
    CHECK_NEAR(un_mean_value(m->accuracy), (1 + 0.5 + 1) / 3, 1e-15);
    un_scores_destroy(s);
    un_image_means_destroy(m);
    un_confusion_destroy(pool);
    un_confusion_destroy(c);
}

TEST(multilabel_by_hand)
{
    /* four pixels, two labels; the last pixel does not count */
    const int32_t truth[] = {1, 3, 0, -1}, prediction[] = {1, 2, 2, 0};
    un_multilabel *m, *twice;
    un_scores *s;
    unet_error err = {0};

    CHECK_OK(un_multilabel_create(&m, NULL, 2, &err), &err);
    CHECK_OK(un_multilabel_create(&twice, NULL, 2, &err), &err);
    un_multilabel_add(m, truth, prediction, 4);
    CHECK(m->of[0].tp == 1 && m->of[0].fn == 1 && m->of[0].fp == 0 && m->of[0].tn == 1);
    CHECK(m->of[1].tp == 1 && m->of[1].fn == 0 && m->of[1].fp == 1 && m->of[1].tn == 1);
    CHECK_INT(m->ignored, 1);
    CHECK_OK(un_scores_create_multilabel(&s, NULL, m, &err), &err);
    CHECK_NEAR(s->of[0].r.v[UN_RATIO_DICE], 2.0 / 3, 1e-15);
    CHECK_NEAR(s->of[1].r.v[UN_RATIO_IOU], 0.5, 0);
    CHECK_NEAR(s->accuracy, 4.0 / 6, 1e-15);
    CHECK_NEAR(s->foreground.v[UN_RATIO_DICE], s->macro.v[UN_RATIO_DICE], 0); /* no background */
    CHECK_INT(s->pixels, 3);
    un_scores_destroy(s);
    un_multilabel_add(twice, truth, prediction, 3);
    un_multilabel_merge(twice, m);
    CHECK_INT(twice->of[0].tp, 2);
    un_multilabel_clear(twice);
    CHECK(twice->of[0].tp == 0 && twice->ignored == 0);
    un_multilabel_destroy(m);
    un_multilabel_destroy(twice);
    CHECK_STATUS(un_multilabel_create(&m, NULL, UN_METRIC_LABELS_MAX + 1, &err), UNET_E_UNSUPPORTED);
}

TEST(rules_of_scores)
{
    const int32_t truth[] = {0, 0, 1, 1, 3}, prediction[] = {0, 1, 1, 1, 0};
    const int list[] = {1, 2};
    un_confusion *c;
    un_scores *s;
    unet_error err = {0};

    CHECK_OK(un_confusion_create(&c, NULL, 4, &err), &err);
    CHECK_OK(un_confusion_add(c, truth, prediction, 5, &err), &err);
    CHECK_OK(un_scores_create(&s, NULL, c, 0, &err), &err);
    CHECK_NEAR(s->foreground.v[UN_RATIO_IOU], (2.0 / 3 + 0) / 2, 1e-15); /* class 2 is nowhere */
    un_scores_apply_rules(s, &(un_score_rules){UN_EMPTY_SKIP, list, 2});
    CHECK_NEAR(s->foreground.v[UN_RATIO_IOU], 2.0 / 3, 1e-15);
    un_scores_apply_rules(s, &(un_score_rules){UN_EMPTY_ONE, list, 2});
    CHECK_NEAR(s->foreground.v[UN_RATIO_IOU], (2.0 / 3 + 1) / 2, 1e-15);
    un_scores_apply_rules(s, &(un_score_rules){UN_EMPTY_ZERO, list, 2});
    CHECK_NEAR(s->foreground.v[UN_RATIO_IOU], 1.0 / 3, 1e-15);
    CHECK(un_scores_is_foreground(s, 1) && !un_scores_is_foreground(s, 0) && !un_scores_is_foreground(s, 3));
    un_scores_destroy(s);
    un_confusion_destroy(c);
}

TEST(memory_failures_are_reported)
{
    un_mem *mem = un_mem_create(NULL);
    un_confusion *c, *lost;
    un_multilabel *m;
    un_image_means *means;
    un_scores *s;
    un_prior *p;
    unet_error err = {0};

    CHECK_OK(un_confusion_create(&c, mem, 3, &err), &err);
    un_mem_cap(mem, un_mem_live(mem));
    CHECK_STATUS(un_confusion_create(&lost, mem, 3, &err), UNET_E_NOMEM);
    CHECK_STATUS(un_multilabel_create(&m, mem, 3, &err), UNET_E_NOMEM);
    CHECK_STATUS(un_image_means_create(&means, mem, 3, &err), UNET_E_NOMEM);
    CHECK_STATUS(un_scores_create(&s, mem, c, 0, &err), UNET_E_NOMEM);
    CHECK_STATUS(un_prior_create(&p, mem, 3, (un_shape){1, 1, 4, 4, 1}, &err), UNET_E_NOMEM);
    CHECK(!lost && !m && !means && !s && !p);
    un_confusion_destroy(c);
    CHECK_INT(un_mem_live(mem), 0);
    un_mem_destroy(mem);
}

TEST(otsu_two_levels)
{
    const float bright_minority[] = {10, 10, 12, 11, 10, 200, 201, 10, 11, 199};
    float dark_minority[10];
    uint8_t mask[10];
    un_otsu o = un_otsu_find(bright_minority, 10);

    CHECK(o.above == 1 && o.threshold > 12 && o.threshold < 199);
    un_otsu_apply(&o, bright_minority, 10, mask);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(mask[i], bright_minority[i] > 100);
        dark_minority[i] = 255 - bright_minority[i];
    }
    o = un_otsu_find(dark_minority, 10);
    CHECK_INT(o.above, 0);
    un_otsu_apply(&o, dark_minority, 10, mask);
    for (int i = 0; i < 10; i++)
        CHECK_INT(mask[i], bright_minority[i] > 100);
}

/* The threshold maximises the variance between the classes: tried against every other one. */
TEST(otsu_is_the_maximum)
{
    float v[600];
    un_rng r;
    un_otsu o;
    double best = -1, found = -1;

    un_rng_init(&r, 5, UN_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 600; i++)
        v[i] = (float)(i < 400 ? un_rng_normal(&r) : 5 + 2 * un_rng_normal(&r));
    o = un_otsu_find(v, 600);
    for (int b = 0; b < UN_OTSU_BINS; b++) {
        un_otsu other = {.min = o.min, .max = o.max, .bin = b, .above = 1};
        uint8_t mask[600];
        double sum[2] = {0}, n[2] = {0}, between;

        un_otsu_apply(&other, v, 600, mask);
        for (int i = 0; i < 600; i++) {
            sum[mask[i]] += floor((v[i] - o.min) / (o.max - o.min) * 255.999);
            n[mask[i]]++;
        }
        between = n[0] && n[1] ? n[0] * n[1] * pow(sum[0] / n[0] - sum[1] / n[1], 2) : 0;
        best = between > best ? between : best;
        found = b == o.bin ? between : found;
    }
    CHECK_NEAR(found / best, 1, 1e-3);
}

TEST(otsu_odd_inputs)
{
    const float flat[] = {3, 3, 3}, odd[] = {NAN, 0, 0, 0, 9, INFINITY};
    uint8_t mask[6];
    un_otsu o = un_otsu_find(flat, 3);

    un_otsu_apply(&o, flat, 3, mask);
    CHECK(!mask[0] && !mask[1] && !mask[2]);
    o = un_otsu_find(odd, 6);
    un_otsu_apply(&o, odd, 6, mask);
    CHECK(!mask[0] && !mask[1] && mask[4] && !mask[5]);
    o = un_otsu_find(odd, 1); /* nothing finite */
    un_otsu_apply(&o, odd, 1, mask);
    CHECK_INT(mask[0], 0);
}

TEST(grey_of_channels)
{
    const float rgb[] = {1, 0, 0, 0, 1, 0}, two[] = {1, 3};
    float g[2];

    un_grey(g, rgb, 2, 3);
    CHECK_NEAR(g[0], 0.299, 1e-7);
    CHECK_NEAR(g[1], 0.587, 1e-7);
    un_grey(g, two, 1, 2);
    CHECK_NEAR(g[0], 2, 0);
    un_grey(g, two, 2, 1);
    CHECK_NEAR(g[1], 3, 0);
}

TEST(prior_by_place)
{
    /* upper half class 1, lower half class 2; the second mask has ignored pixels */
    const int32_t a[] = {1, 1, 2, 2}, b[] = {1, -1, 2, -1};
    int32_t map[16];
    un_prior *p;
    unet_error err = {0};

    CHECK_STATUS(un_prior_create(&p, NULL, 3, (un_shape){1, 1, 0, 2, 1}, &err), UNET_E_ARG);
    CHECK_STATUS(un_prior_create(&p, NULL, 300, (un_shape){1, 1, 2, 2, 1}, &err), UNET_E_ARG);
    CHECK_OK(un_prior_create(&p, NULL, 3, (un_shape){1, 1, 2, 2, 1}, &err), &err);
    un_prior_apply(p, map, (un_shape){1, 1, 2, 2, 1});
    CHECK_INT(map[0], 0); /* nothing seen: class 0 */
    un_prior_add(p, a, (un_shape){1, 1, 2, 2, 1});
    un_prior_add(p, b, (un_shape){1, 1, 2, 2, 1});
    CHECK_INT(un_prior_class(p), 1); /* three each: the lower number */
    un_prior_apply(p, map, (un_shape){1, 1, 4, 4, 1});
    for (int i = 0; i < 16; i++)
        CHECK_INT(map[i], i < 8 ? 1 : 2);
    un_prior_destroy(p);
    CHECK_OK(un_prior_create(&p, NULL, 3, (un_shape){1, 2, 2, 2, 1}, &err), &err);
    un_prior_add(p, a, (un_shape){1, 1, 2, 2, 1}); /* only one of the two layers is seen */
    un_prior_apply(p, map, (un_shape){1, 2, 2, 2, 1});
    CHECK_INT(map[0], 1); /* empty cells take the global class: 1 and 2 are equally frequent */
    un_prior_destroy(p);
}
