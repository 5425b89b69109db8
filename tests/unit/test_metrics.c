/* Every metric of the registry against scikit-learn, scipy and scikit-image: tests/golden/metrics.safetensors, made by
 * tools/metric_golden.py; masks come from one formula on both sides. And what no golden can say: means, intervals,
 * threads. */
#include "test.h"

#include "golden_fill.h"

#include "base/rng.h"
#include "base/size.h"
#include "io/safetensors.h"
#include "metrics/objects.h"
#include "metrics/summary.h"
#include "metrics/temperature.h"

static unet_error err;
static const un_metric_rules rules = {2, 1.25, 0.02, 0.7, 0, UN_EMPTY_SKIP};

/* ---- drawn masks ---- */

/* 1: truth, 2: prediction, 4: ignored */
static void draw_balls(uint8_t *to, int bit, const char *name, un_shape s, int count, double shift)
{
    const double extent[3] = {s.d, s.h, s.w};
    char second[64];
    double *v, *w;

    snprintf(second, sizeof second, "%s.shift", name);
    v = golden_fill(name, 4 * count);
    w = golden_fill(second, 4 * count);
    for (int i = 0; i < 4 * count; i++) {
        v[i] = (v[i] + 1) / 2;
        w[i] *= shift;
    }
    for (int i = 0; i < count; i++) {
        double at[3];
        const double r = 2 + 5 * v[4 * i + 3] + w[4 * i + 3];

        for (int a = 0; a < 3; a++)
            at[a] = a == 0 && s.d == 1 ? 0 : v[4 * i + a] * extent[a] + w[4 * i + a];
        for (int k = 0; k < s.d * s.h * s.w; k++) {
            const double z = k / (s.h * s.w) - at[0], y = k / s.w % s.h - at[1], x = k % s.w - at[2];

            if (z * z + y * y + x * x <= r * r)
                to[k] |= (uint8_t)bit;
        }
    }
    un_free(v);
    un_free(w);
}

static void draw_noise(uint8_t *to, int bit, const char *name, un_shape s, double share)
{
    double *v = golden_fill(name, s.d * s.h * s.w);

    for (int k = 0; k < s.d * s.h * s.w; k++)
        if ((v[k] + 1) / 2 < share)
            to[k] |= (uint8_t)bit;
    un_free(v);
}

typedef struct drawn {
    const char *name;
    int volume, balls; /* 0: noise of shares a and b */
    double a, b;       /* of balls: how far the prediction's are off */
    double ignored;
    double spacing[3];
} drawn;

static const drawn cases[] = {
    {"flat", 0, 9, 0, 1.5, 0.02, {1, 1, 1}},
    {"flat_mm", 0, 9, 0, 2, 0, {1, 0.5, 0.75}},
    {"close", 0, 7, 0, 0.6, 0, {1, 1, 1}},
    {"noise", 0, 0, 0.4, 0.5, 0, {1, 1, 1}},
    {"volume", 1, 8, 0, 1.2, 0.01, {2.5, 0.75, 1}},
    {"volume_noise", 1, 0, 0.35, 0.6, 0, {2.5, 0.75, 1}},
    {"missed", 0, 0, 0, 0, 0.02, {1, 1, 1}},
    {"invented", 0, 0, 0, 0, 0.02, {1, 1, 1}},
    {"nothing", 0, 0, 0, 0, 0.02, {1, 1, 1}},
    {"everything", 0, 0, 1, 1, 0, {1, 1, 1}},
};

typedef struct scene {
    un_scored_picture p;
    int32_t *truth, *prediction;
    un_class_counts n[2];
} scene;

static void draw_case(uint8_t *m, const drawn *c, un_shape s)
{
    char second[64];

    snprintf(second, sizeof second, "%s.2", c->name);
    if (c->balls) {
        draw_balls(m, 1, c->name, s, c->balls, c->a);
        draw_balls(m, 2, c->name, s, c->balls, c->b);
    } else if (!strcmp(c->name, "missed") || !strcmp(c->name, "invented")) {
        draw_balls(m, c->name[0] == 'm' ? 1 : 2, "some", s, 3, 0);
    } else {
        draw_noise(m, 1, c->name, s, c->a);
        draw_noise(m, 2, second, s, c->b);
    }
    draw_noise(m, 4, "ignored", s, c->ignored);
}

static void open_scene(scene *f, const drawn *c)
{
    const un_shape s = c->volume ? (un_shape){1, 12, 26, 22, 1} : (un_shape){1, 1, 48, 64, 1};
    const int64_t all = (int64_t)s.d * s.h * s.w;
    uint8_t *m = un_alloc_zero(NULL, (size_t)all);
    un_confusion *confusion;

    memset(f, 0, sizeof *f);
    draw_case(m, c, s);
    f->truth = un_alloc_array(NULL, (size_t)all, sizeof *f->truth);
    f->prediction = un_alloc_array(NULL, (size_t)all, sizeof *f->prediction);
    for (int64_t i = 0; i < all; i++) {
        f->truth[i] = m[i] & 4 ? UN_METRIC_IGNORE : m[i] & 1;
        f->prediction[i] = m[i] >> 1 & 1;
    }
    f->p = (un_scored_picture){.truth = f->truth,
        .prediction = f->prediction,
        .size = s,
        .spacing = {c->spacing[0], c->spacing[1], c->spacing[2]}};
    CHECK_OK(un_confusion_create(&confusion, NULL, 2, &err), &err);
    CHECK_OK(un_confusion_add(confusion, f->truth, f->prediction, all, &err), &err);
    f->n[0] = un_confusion_class(confusion, 0);
    f->n[1] = un_confusion_class(confusion, 1);
    un_confusion_destroy(confusion);
    un_free(m);
}

static void close_scene(scene *f)
{
    un_free(f->truth);
    un_free(f->prediction);
}

static un_metric_choice chosen(const char *list)
{
    un_metric_choice c = {0};

    CHECK_OK(un_metric_choose(&c, list, &err), &err);
    return c;
}

/* ---- golden ---- */

/* Place of a metric among the values of the file; a row without a reference value fails. */
static int place_of(const char *names, const char *metric)
{
    const size_t n = strlen(metric);
    int at = 0;

    for (const char *s = names; *s; at++) {
        const size_t length = strcspn(s, " ");

        if (length == n && !strncmp(s, metric, n))
            return at;
        s += length + (s[length] == ' ');
    }
    un_test_fail(__FILE__, __LINE__, "no reference value for %s: tools/metric_golden.py has to make one", metric);
}

static void check_value(const char *name, const char *metric, double got, double expected)
{
    if (isnan(got) != isnan(expected) || fabs(got - expected) > 2e-7 * fmax(1, fabs(expected)))
        un_test_fail(__FILE__, __LINE__, "%s: %s is %.9g, expected %.9g", name, metric, got, expected);
}

TEST(every_row_equals_its_reference)
{
    const un_metric_choice all = chosen("all");
    un_safetensors *golden;
    const char *names;

    CHECK_INT(all.count, UN_M_COUNT);
    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/metrics.safetensors"), &err), &err);
    names = un_safetensors_meta(golden, "metrics");
    CHECK(names);
    for (size_t k = 0; k < UN_COUNT(cases); k++) {
        const un_st_tensor *t = un_safetensors_find(golden, cases[k].name);
        float expected[UN_M_COUNT];
        un_class_panel panel;
        scene f;

        CHECK(t && t->count <= UN_M_COUNT);
        CHECK_OK(un_st_to_f32(t, expected, &err), &err);
        open_scene(&f, &cases[k]);
        CHECK_OK(un_panel_class(&panel, &f.p, 1, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
        for (int m = 0; m < UN_M_COUNT; m++) {
            const char *metric = un_metric_info_of((un_metric)m)->name;

            if (un_metric_info_of((un_metric)m)->group == UN_GROUP_CURVES)
                continue;
            check_value(cases[k].name, metric, panel.v[m], (double)expected[place_of(names, metric)]);
        }
        close_scene(&f);
    }
    un_safetensors_close(golden);
}

/* The probabilities of the script: multiples of 1/512, each in a bin of its own. */
static un_curves *drawn_curves(void)
{
    double *p = golden_fill("p", 3000), *y = golden_fill("y", 3000);
    un_curves *c;

    CHECK_OK(un_curves_create(&c, NULL, 2, &err), &err);
    for (int i = 0; i < 3000; i++) {
        const double share = floor((p[i] + 1) / 2 * 512) / 512;

        un_curves_add(c, 1, (float)share, (y[i] + 1) / 2 < 0.1 + 0.6 * share);
    }
    un_free(p);
    un_free(y);
    return c;
}

TEST(every_curve_equals_its_reference)
{
    un_curves *c = drawn_curves();
    un_safetensors *golden;
    float expected[UN_M_COUNT];
    double v[UN_M_COUNT], none[UN_M_COUNT];

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/metrics.safetensors"), &err), &err);
    CHECK_OK(un_st_to_f32(un_safetensors_find(golden, "curves"), expected, &err), &err);
    un_curve_metrics(v, c, 1);
    un_curve_metrics(none, c, 0);
    for (int m = 0; m < UN_M_COUNT; m++) {
        const un_metric_info *i = un_metric_info_of((un_metric)m);
        double e;

        if (i->group != UN_GROUP_CURVES)
            continue;
        e = (double)expected[place_of(un_safetensors_meta(golden, "curves"), i->name)];
        if (m == UN_M_BEST_THRESHOLD) /* anywhere between that probability and the next */
            CHECK(v[m] <= e && v[m] > e - 1.0 / 512);
        else
            check_value("curves", i->name, v[m], e);
        CHECK(isnan(none[m]));
    }
    un_safetensors_close(golden);
    un_curves_destroy(c);
}

TEST(curves_run_from_corner_to_corner)
{
    double x[UN_CURVE_POINTS + 2], y[UN_CURVE_POINTS + 2];
    un_curves *c = drawn_curves();

    for (int kind = UN_CURVE_ROC; kind <= UN_CURVE_RELIABILITY; kind++) {
        const int n = un_curve_points(x, y, c, 1, (un_curve_kind)kind);

        CHECK(n > 10 && n <= UN_CURVE_POINTS + 2);
        for (int i = 1; i < n; i++)
            CHECK(x[i] >= x[i - 1] && y[i] >= 0 && y[i] <= 1);
        CHECK(kind == UN_CURVE_RELIABILITY || x[n - 1] == 1);
        CHECK_INT(un_curve_points(x, y, c, 0, (un_curve_kind)kind), 0);
    }
    un_curves_add(c, 0, NAN, 0); /* odd values stay inside */
    un_curves_add(c, 0, 1.5f, 1);
    un_curves_add(c, 0, -1, 0);
    un_curves_add(c, 0, 1e-30f, 0);
    un_curves_add(c, 0, 1 - 0x1p-24f, 1);
    CHECK_INT(un_curve_points(x, y, c, 0, UN_CURVE_ROC), 3);
    CHECK(x[0] == 0 && y[0] == 0.5 && x[2] == 1 && y[2] == 1);
    un_curves_destroy(c);
}

/* ---- points of the curves, counted again from the pixels ---- */

enum { DRAWN = 3000 };

typedef struct drawn_pixels {
    float p[DRAWN];
    int own[DRAWN];
} drawn_pixels;

/* Each class has pixels of its own, so that one taken for the other shows. */
static void draw_pixels(drawn_pixels *d, int class_index)
{
    double *p = golden_fill("p", DRAWN), *y = golden_fill("y", DRAWN);

    for (int i = 0; i < DRAWN; i++) {
        const double share = floor((p[i] + 1) / 2 * 512) / 512;

        d->p[i] = (float)(class_index ? share : share * share);
        d->own[i] = (y[i] + 1) / 2 < (class_index ? 0.1 + 0.6 * share : 0.3 + 0.3 * share);
    }
    un_free(p);
    un_free(y);
}

/* False positive rate, recall and precision when pixels from probability t on are taken. */
typedef struct taken {
    double wrong, recall, precision;
} taken;

static taken take_from(const drawn_pixels *d, double t)
{
    double n[2] = {0}, of[2] = {0};

    for (int i = 0; i < DRAWN; i++) {
        of[d->own[i]]++;
        n[d->own[i]] += (double)d->p[i] >= t;
    }
    return (taken){n[0] / of[0], n[1] / of[1], n[1] / (n[0] + n[1])};
}

static double apart(const taken *t, double x, double y)
{
    return fabs(t->wrong - x) + fabs(t->recall - y);
}

/* Each point is that of a threshold, the higher one first, and none of the 512 is further from a point than what thins
 * the curve: 2 of 200. The point of precision and recall is that of the same threshold. */
static void check_sweep(const un_curves *c, int class_index, const drawn_pixels *d)
{
    double x[2][UN_CURVE_POINTS + 2], y[2][UN_CURVE_POINTS + 2];
    const int n = un_curve_points(x[0], y[0], c, class_index, UN_CURVE_ROC);
    int i = -1;

    CHECK_INT(un_curve_points(x[1], y[1], c, class_index, UN_CURVE_PR), n);
    for (int k = 511; k >= 0; k--) {
        const taken t = take_from(d, class_index ? k / 512.0 : k * k / 512.0 / 512);

        if (t.wrong + t.recall == 0)
            continue;
        if (i + 1 < n && apart(&t, x[0][i + 1], y[0][i + 1]) < 1e-12) {
            i++;
            CHECK_NEAR(x[1][i], t.recall, 1e-12);
            CHECK_NEAR(y[1][i], t.precision, 1e-12);
        }
        CHECK(i >= 0);
        CHECK(apart(&t, x[0][i], y[0][i]) < 2.0 / UN_CURVE_POINTS);
    }
    CHECK_INT(i, n - 1);
}

static void check_reliability(const un_curves *c, int class_index, const drawn_pixels *d)
{
    double x[UN_CURVE_POINTS + 2], y[UN_CURVE_POINTS + 2];

    CHECK_INT(un_curve_points(x, y, c, class_index, UN_CURVE_RELIABILITY), UN_RELIABILITY_BINS);
    for (int r = 0; r < UN_RELIABILITY_BINS; r++) {
        const double from = r / 15.0, to = (r + 1) / 15.0; /* powers of two have no multiple there but 0 and 1 */
        double n = 0, sum = 0, own = 0;

        for (int i = 0; i < DRAWN; i++)
            if ((double)d->p[i] >= from && (double)d->p[i] < to) {
                n++;
                sum += (double)d->p[i];
                own += d->own[i];
            }
        CHECK(n > 0);
        CHECK_NEAR(x[r], sum / n, 1e-12);
        CHECK_NEAR(y[r], own / n, 1e-12);
    }
}

TEST(points_of_curves)
{
    static drawn_pixels d[2];
    un_curves *c;

    CHECK_OK(un_curves_create(&c, NULL, 2, &err), &err);
    for (int k = 0; k < 2; k++) {
        draw_pixels(&d[k], k);
        for (int i = 0; i < DRAWN; i++)
            un_curves_add(c, k, d[k].p[i], d[k].own[i]);
    }
    for (int k = 0; k < 2; k++) {
        check_sweep(c, k, &d[k]);
        check_reliability(c, k, &d[k]);
    }
    un_curves_destroy(c);
}

TEST(temperature_equals_its_reference)
{
    double *p = golden_fill("p", 3000), *y = golden_fill("y", 3000);
    un_safetensors *golden;
    un_temperature *t;
    float expected[2];

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/metrics.safetensors"), &err), &err);
    CHECK_OK(un_st_to_f32(un_safetensors_find(golden, "temperature"), expected, &err), &err);
    CHECK_OK(un_temperature_create(&t, NULL, 2, &err), &err);
    CHECK_NEAR(un_temperature_fit(t), 1, 0);
    for (int i = 0; i < 3000; i++) {
        const double share = floor((p[i] + 1) / 2 * 512) / 512;

        un_temperature_add(t, (const float[]){(float)(1 - share), (float)share}, (y[i] + 1) / 2 < 0.1 + 0.6 * share);
    }
    CHECK_NEAR(un_temperature_fit(t), (double)expected[0], 1e-4);
    CHECK_NEAR(un_temperature_loss(t, un_temperature_fit(t)), (double)expected[1], 1e-6);
    CHECK(expected[0] > 1); /* it was too sure */
    un_temperature_destroy(t);
    un_free(p);
    un_free(y);
    un_safetensors_close(golden);
}

/* Far more pixels than are kept: an even sample tells the same. */
TEST(temperature_of_many_pixels)
{
    un_temperature *t;
    un_rng r;

    CHECK_OK(un_temperature_create(&t, NULL, 3, &err), &err);
    un_rng_init(&r, 3, UN_RNG_TEST, 0, 0, 0);
    for (int i = 0; i < 700000; i++) {
        double z[3], sure[3], sum = 0, sure_sum = 0, u = un_rng_uniform(&r);
        float p[3];
        int truth = 0;

        for (int k = 0; k < 3; k++) {
            z[k] = un_exp(un_rng_range(&r, -1, 1));
            sure[k] = un_pow(z[k], 2.5);
            sum += z[k];
            sure_sum += sure[k];
        }
        for (int k = 0; k < 3; k++)
            p[k] = (float)(sure[k] / sure_sum);
        for (truth = 0, u *= sum; truth < 2 && u >= z[truth]; truth++)
            u -= z[truth];
        un_temperature_add(t, p, truth);
    }
    CHECK_NEAR(un_temperature_fit(t), 2.5, 0.05);
    un_temperature_destroy(t);
}

TEST(all_classes_together)
{
    un_safetensors *golden;
    float expected[2];
    int32_t a[500], b[500];
    double *v[3] = {golden_fill("many", 500), golden_fill("many.2", 500), golden_fill("many.3", 500)};
    un_confusion *c;

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/metrics.safetensors"), &err), &err);
    CHECK_OK(un_st_to_f32(un_safetensors_find(golden, "many"), expected, &err), &err);
    for (int i = 0; i < 500; i++) {
        a[i] = (int32_t)((v[0][i] + 1) / 2 * 4);
        b[i] = v[1][i] < 0.3 ? a[i] : (int32_t)((v[2][i] + 1) / 2 * 4);
    }
    CHECK_OK(un_confusion_create(&c, NULL, 4, &err), &err);
    CHECK_OK(un_confusion_add(c, a, b, 500, &err), &err);
    check_value("many", "kappa", un_confusion_kappa(c), (double)expected[0]);
    check_value("many", "mcc", un_confusion_mcc(c), (double)expected[1]);
    un_confusion_clear(c);
    CHECK(isnan(un_confusion_kappa(c)) && isnan(un_confusion_mcc(c)));
    un_confusion_destroy(c);
    for (int i = 0; i < 3; i++)
        un_free(v[i]);
    un_safetensors_close(golden);
}

/* ---- names ---- */

TEST(choosing)
{
    un_metric_choice c = chosen(" hd95,objects ");

    CHECK(c.on[UN_M_HD95] && c.on[UN_M_PQ] && !c.on[UN_M_DICE] && !c.on[UN_M_ASSD]);
    CHECK(c.group[UN_GROUP_SURFACE] && c.group[UN_GROUP_OBJECTS] && !c.group[UN_GROUP_SKELETON]);
    CHECK_INT(c.count, 13);
    un_metric_add(&c, UN_M_HD95);
    CHECK_INT(c.count, 13);
    CHECK_STATUS(un_metric_choose(&c, "dice,hd59", &err), UNET_E_ARG);
    CHECK(strstr(err.message, "no metric 'hd59'. Did you mean 'hd95'?"));
}

/* ---- rules that a single golden does not show ---- */

TEST(empty_rule_is_for_scores)
{
    const un_metric_choice all = chosen("all");
    un_metric_rules one = rules;
    un_class_panel panel;
    scene f;

    one.empty = UN_EMPTY_ONE;
    open_scene(&f, &cases[8]);
    CHECK_OK(un_panel_class(&panel, &f.p, 1, 1, f.n[1], &all, &one, NULL, NULL, &err), &err);
    CHECK(panel.v[UN_M_DICE] == 1 && panel.v[UN_M_PQ] == 1 && panel.v[UN_M_SURFACE_DICE] == 1);
    CHECK(isnan(panel.v[UN_M_HD95]) && isnan(panel.v[UN_M_VOLUME_DIFFERENCE]) && panel.v[UN_M_OBJECTS_TRUE] == 0);
    close_scene(&f);
}

/* The numbers of the components of class 1; 1 outside of them. */
static void label_components(int32_t *id, const int32_t *truth)
{
    const un_objects_options how = {.class_index = 1};
    uint8_t map[48 * 64];
    un_objects o;

    for (int i = 0; i < 48 * 64; i++)
        map[i] = truth[i] == 1;
    CHECK_OK(un_objects_find(&o, NULL, map, (un_shape){1, 1, 48, 64, 1}, &how, &err), &err);
    for (int i = 0; i < 48 * 64; i++)
        id[i] = o.label[i] ? o.label[i] : 1;
    un_objects_free(&o);
}

/* One side alone has a part that is far off: both directions count. */
TEST(distances_in_both_directions)
{
    const un_metric_choice all = chosen("surface");
    int32_t one[20] = {0}, two[20] = {0};

    one[2] = two[2] = two[17] = 1;
    for (int turn = 0; turn < 2; turn++) {
        const un_scored_picture p = {
            .truth = turn ? two : one, .prediction = turn ? one : two, .size = {1, 1, 1, 20, 1}, .spacing = {1, 1, 1}};
        un_class_panel panel;

        CHECK_OK(
            un_panel_class(&panel, &p, 1, 1, (un_class_counts){1, !turn, turn, 18}, &all, &rules, NULL, NULL, &err),
            &err);
        CHECK_NEAR(panel.v[UN_M_HAUSDORFF], 15, 1e-12);
        CHECK(panel.v[UN_M_HD95] > 14);
        CHECK_NEAR(panel.v[UN_M_ASSD], 5, 1e-12);
    }
}

/* Numbers that say what components say change nothing; others are followed, for their class alone. */
TEST(objects_that_are_known)
{
    const un_metric_choice all = chosen("objects");
    un_class_panel found, given, other;
    int32_t *id;
    scene f;

    open_scene(&f, &cases[0]);
    CHECK_OK(un_panel_class(&found, &f.p, 1, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
    id = un_alloc_array(NULL, 48 * 64, sizeof *id);
    f.p.object = id;
    f.p.object_class = 1;
    for (int i = 0; i < 48 * 64; i++)
        id[i] = 5; /* also outside of the mask, where it does not count */
    CHECK_OK(un_panel_class(&given, &f.p, 1, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
    CHECK(found.v[UN_M_OBJECTS_TRUE] > 1 && given.v[UN_M_OBJECTS_TRUE] == 1);
    CHECK(given.v[UN_M_OBJECTS_PREDICTED] == found.v[UN_M_OBJECTS_PREDICTED]);
    for (int i = 0; i < 48 * 64; i++)
        id[i] = 1 + i / 2;
    CHECK_OK(un_panel_class(&given, &f.p, 1, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
    CHECK(given.v[UN_M_OBJECTS_TRUE] > found.v[UN_M_OBJECTS_TRUE] && given.v[UN_M_OBJECT_F1] == 0);
    label_components(id, f.truth); /* what lies outside of the mask does not count */
    CHECK_OK(un_panel_class(&given, &f.p, 1, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
    CHECK(!memcmp(found.v, given.v, sizeof found.v));
    f.p.object_class = 0;
    CHECK_OK(un_panel_class(&other, &f.p, 1, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
    CHECK(!memcmp(found.v, other.v, sizeof found.v));
    un_free(id);
    close_scene(&f);
}

TEST(labels_that_overlap)
{
    const un_metric_choice all = chosen("surface,objects,skeleton");
    un_class_panel index, bits;
    scene f;

    open_scene(&f, &cases[0]);
    CHECK_OK(un_panel_class(&index, &f.p, 1, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
    for (int i = 0; i < 48 * 64; i++) {
        f.truth[i] = f.truth[i] < 0 ? -1 : f.truth[i] << 3 | 1;
        f.prediction[i] = f.prediction[i] << 3 | 2;
    }
    f.p.bits = 1;
    CHECK_OK(un_panel_class(&bits, &f.p, 3, 1, f.n[1], &all, &rules, NULL, NULL, &err), &err);
    CHECK(!memcmp(index.v, bits.v, sizeof bits.v));
    close_scene(&f);
}

TEST(thinning_keeps_what_hangs_together)
{
    uint8_t ring[20 * 20];
    int n = 0, thick = 0;

    for (int i = 0; i < 400; i++) {
        const double y = i / 20 - 9.5, x = i % 20 - 9.5, r = y * y + x * x;

        ring[i] = r < 81 && r > 16;
    }
    CHECK_OK(un_thin(ring, (un_shape){1, 1, 20, 20, 1}, NULL, &err), &err);
    for (int i = 0; i < 400; i++) {
        int beside = 0;

        for (int k = 0; k < 9 && ring[i]; k++)
            beside += k != 4 && ring[i + (k / 3 - 1) * 20 + k % 3 - 1];
        n += ring[i];
        thick += ring[i] && beside != 2;
    }
    CHECK(n > 20 && n < 60); /* a closed line: every pixel has two neighbours, but at corners */
    CHECK(thick <= n / 4);
}

/* ---- many pictures ---- */

static un_summary *summarise(int resamples, uint64_t seed, un_pool *pool)
{
    static const int order[] = {0, 1, 2, 3, 6, 7, 8};
    un_summary_options o = {.choice = chosen("all"),
        .rules = rules,
        .classes = 2,
        .images = (int)UN_COUNT(order),
        .foreground = {0, 1},
        .resamples = resamples,
        .seed = seed,
        .confidence = 0.95};
    un_summary *s;

    CHECK_OK(un_summary_create(&s, NULL, &o, &err), &err);
    for (int i = o.images - 1; i >= 0; i--) {
        scene f;

        open_scene(&f, &cases[order[i]]);
        CHECK_OK(un_summary_add(s, i, &f.p, f.n, pool, &err), &err);
        close_scene(&f);
    }
    CHECK_OK(un_summary_finish(s, pool, &err), &err);
    return s;
}

TEST(means_and_pooled)
{
    un_summary *s = summarise(0, 0, NULL);
    const un_metric_line *hd = un_summary_line(s, 1, UN_M_HD95), *pq = un_summary_line(s, 1, UN_M_PQ);
    double sum = 0, found = 0;

    CHECK_INT(hd->images, 6); /* `nothing` has none */
    for (int i = 0; i < 6; i++)
        sum += un_summary_value(s, i, 1, UN_M_HD95);
    CHECK_NEAR(hd->mean, sum / 6, 1e-12);
    CHECK(isnan(hd->pooled) && isnan(hd->lo));
    CHECK(pq->pooled > 0 && pq->pooled < 1 && pq->pooled != pq->mean);
    for (int i = 0; i < 7; i++)
        found += un_summary_value(s, i, 1, UN_M_OBJECTS_TRUE);
    CHECK_NEAR(un_summary_line(s, 1, UN_M_OBJECTS_TRUE)->pooled, found, 0);
    CHECK(isnan(un_summary_line(s, 1, UN_M_VOLUME_DIFFERENCE)->pooled)); /* pixels of two sizes */
    CHECK(isnan(un_summary_line(s, 0, UN_M_HD95)->mean));                /* no shapes of the background */
    CHECK_NEAR(un_summary_line(s, 2, UN_M_HD95)->mean, hd->mean, 0);     /* the foreground is class 1 */
    CHECK(!un_summary_is_volume(s));
    un_summary_destroy(s);
}

TEST(intervals_do_not_depend_on_threads)
{
    un_pool *pool;
    un_summary *a, *b, *c;
    int differ = 0;

    CHECK_OK(un_pool_create(&pool, NULL, 3, &err), &err);
    a = summarise(200, 7, NULL);
    b = summarise(200, 7, pool);
    c = summarise(200, 8, pool);
    for (int k = 0; k <= 2; k++)
        for (int m = 0; m < UN_M_COUNT; m++) {
            const un_metric_line *x = un_summary_line(a, k, (un_metric)m), *y = un_summary_line(b, k, (un_metric)m);

            CHECK(!memcmp(x, y, sizeof *x));
            CHECK(isnan(x->lo) || (x->lo <= x->mean && x->mean <= x->hi));
            CHECK(isnan(x->pooled_lo) || isnan(x->pooled) || (x->pooled_lo <= x->pooled && x->pooled <= x->pooled_hi));
            differ += !isnan(x->lo) && x->lo != un_summary_line(c, k, (un_metric)m)->lo;
        }
    CHECK(un_summary_line(a, 1, UN_M_DICE)->lo < un_summary_line(a, 1, UN_M_DICE)->hi);
    CHECK(differ > 0);
    un_summary_destroy(a);
    un_summary_destroy(b);
    un_summary_destroy(c);
    un_pool_destroy(pool);
}

/* The interval of a mean of 0s and 1s is about that of the binomial. */
TEST(interval_of_a_known_spread)
{
    enum { IMAGES = 100 };
    un_summary_options o = {.choice = chosen("dice"),
        .rules = rules,
        .classes = 2,
        .images = IMAGES,
        .foreground = {0, 1},
        .resamples = 4000,
        .confidence = 0.95};
    un_summary *s;
    const un_metric_line *l;
    int32_t one = 1, zero = 0;

    CHECK_OK(un_summary_create(&s, NULL, &o, &err), &err);
    for (int i = 0; i < IMAGES; i++) {
        const int right = i % 5 != 0;
        const un_scored_picture p = {
            .truth = &one, .prediction = right ? &one : &zero, .size = {1, 1, 1, 1, 1}, .spacing = {1, 1, 1}};
        const un_class_counts n[2] = {{.fp = !right, .tn = right}, {.tp = right, .fn = !right}};

        CHECK_OK(un_summary_add(s, i, &p, n, NULL, &err), &err);
    }
    CHECK_OK(un_summary_finish(s, NULL, &err), &err);
    l = un_summary_line(s, 1, UN_M_DICE);
    CHECK_NEAR(l->mean, 0.8, 1e-12);
    CHECK_NEAR(l->lo, 0.8 - 1.96 * 0.04, 0.011);
    CHECK_NEAR(l->hi, 0.8 + 1.96 * 0.04, 0.011);
    un_summary_destroy(s);
}
