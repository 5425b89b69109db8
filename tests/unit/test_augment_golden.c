/* Every operation of augmentation against its formula: tests/golden/augment.safetensors, made by
 * tools/augment_golden.py with numpy and scipy, draws of random numbers included. An operation without reference values
 * fails. */
#include "test.h"

#include "golden_fill.h"

#include "base/size.h"
#include "data/augment.h"
#include "data/mix.h"
#include "io/safetensors.h"

static unet_error err;

enum { DRAWS = 2, KEPT = 256, CLASSES = 3 };

static const struct pictured {
    const char *name;
    int extent[3], channels, size[3];
    double depth; /* of a slice, in pixels of the plane */
} pictures[] = {
    {"grey", {1, 50, 54}, 1, {1, 34, 36}, 1},
    {"colour", {1, 50, 54}, 3, {1, 34, 36}, 1},
    {"volume", {12, 24, 26}, 2, {8, 16, 18}, 1.5},
};

/* The picture of the script: values by its formula, boxes of three classes. */
static un_ready picture_of(const struct pictured *k)
{
    un_picture p = {.d = k->extent[0],
        .h = k->extent[1],
        .w = k->extent[2],
        .c = k->channels,
        .classes = CLASSES,
        .spacing = {k->depth, 1, 1}};
    const int64_t n = (int64_t)p.d * p.h * p.w;
    char name[40];
    un_ready r;

    snprintf(name, sizeof name, "augment.%s", k->name);
    p.image = golden_floats(name, n * p.c, 0);
    p.target = un_alloc_array(NULL, (size_t)n, sizeof *p.target);
    for (int64_t i = 0; i < n * p.c; i++)
        p.image[i] *= fabsf(p.image[i]);
    for (int64_t i = 0; i < n; i++)
        p.target[i] = (int32_t)((i / p.w / p.h / 4 + i / p.w % p.h / 8 + i % p.w / 8) % CLASSES);
    CHECK_OK(un_ready_make(&r, NULL, &p, NULL, 0, &err), &err);
    return r;
}

/* The operation alone, with the settings of the script. */
static un_cfg_augment alone(const un_safetensors *golden, un_augment_op op)
{
    static un_config cfg;
    const char *name = un_augment_row_of(op)->name, *words;
    char text[96];

    snprintf(text, sizeof text, "case.%s", name);
    words = un_safetensors_meta(golden, text);
    if (!words)
        un_test_fail(__FILE__, __LINE__, "%s has no case in tools/augment_golden.py", name);
    CHECK_OK(un_config_init(&cfg, NULL, &err), &err);
    cfg.augment.policy = UN_CFG_POLICY_NONE;
    cfg.augment.foreground = 0;
    for (; *words; words += strspn(words, " ")) {
        const int n = (int)strcspn(words, " ");

        snprintf(text, sizeof text, "augment.%.*s", n, words);
        CHECK_OK(un_config_set(&cfg, NULL, text, &err), &err);
        words += n;
    }
    *un_augment_chance(&cfg.augment, op) = op == UN_AUGMENT_FLIP ? 0.5 : 1;
    return cfg.augment;
}

static un_patch take(const un_ready *r, const un_cfg_augment *cfg, const struct pictured *k, int draw)
{
    const int start[3] = {
        (k->extent[0] - k->size[0]) / 2, (k->extent[1] - k->size[1]) / 2, (k->extent[2] - k->size[2]) / 2};
    const size_t n = (size_t)k->size[0] * (size_t)k->size[1] * (size_t)k->size[2];
    const un_partners itself = un_partners_of(r);
    const un_draw at = {8, 1 + draw, draw};
    un_patch p = {.image = un_alloc_array(NULL, n * (size_t)k->channels, sizeof *p.image),
        .target = un_alloc_array(NULL, n, sizeof *p.target),
        .classes = CLASSES};
    un_augment_scratch *s;
    un_augment *a;

    CHECK_OK(un_augment_create(&a, NULL, cfg, k->size, k->channels, &err), &err);
    CHECK_OK(un_augment_scratch_create(&s, NULL, a, &err), &err);
    CHECK_OK(un_augment_run(a, s, r, start, &at, &p, &err), &err);
    CHECK_OK(un_mix_run(a, s, &at, &itself, &p, &err), &err);
    un_augment_scratch_destroy(s);
    un_augment_destroy(a);
    return p;
}

/* The tensor's values, of n every k-th; un_free. */
static float *values_of(const un_safetensors *golden, const char *name, int64_t n, int64_t *step)
{
    const un_st_tensor *t = un_safetensors_find(golden, name);
    float *v;

    *step = (n / KEPT) | 1;
    if (!t || t->count != (n + *step - 1) / *step)
        un_test_fail(__FILE__, __LINE__, "%s has no reference values", name);
    v = un_alloc_array(NULL, (size_t)t->count, sizeof *v);
    CHECK_OK(un_st_to_f32(t, v, &err), &err);
    return v;
}

static void compare(
    const un_safetensors *golden, un_augment_op op, const struct pictured *k, const un_patch *p, int draw)
{
    const char *name = un_augment_row_of(op)->name;
    const int64_t pixels = (int64_t)k->size[0] * k->size[1] * k->size[2];
    int64_t step, off = 0;
    double most = 0;
    char tensor[80];
    float *want;

    snprintf(tensor, sizeof tensor, "%s/%s/%d", name, k->name, draw);
    want = values_of(golden, tensor, pixels * k->channels, &step);
    for (int64_t i = 0; i < pixels * k->channels; i += step)
        most = fmax(most, fabs((double)p->image[i] - (double)want[i / step]));
    un_free(want);
    un_test_note("%s: off by %.1e", tensor, most);
    if (!(most <= 1e-5))
        un_test_fail(__FILE__, __LINE__, "%s: off by %g", tensor, most);
    snprintf(tensor, sizeof tensor, "%s/%s/%d/mask", name, k->name, draw);
    want = values_of(golden, tensor, pixels, &step);
    for (int64_t i = 0; i < pixels; i += step)
        off += p->target[i] != (int32_t)want[i / step];
    un_free(want);
    if (off > 0)
        un_test_fail(__FILE__, __LINE__, "%s: %d pixels of the mask differ", tensor, (int)off);
}

TEST(every_row_equals_its_formula)
{
    un_safetensors *golden;

    CHECK_OK(un_safetensors_open(&golden, NULL, un_test_source("tests/golden/augment.safetensors"), &err), &err);
    for (size_t i = 0; i < UN_COUNT(pictures); i++) {
        un_ready r = picture_of(&pictures[i]);

        for (int op = 0; op < UN_AUGMENT_COUNT; op++) {
            const un_cfg_augment cfg = alone(golden, (un_augment_op)op);

            for (int draw = 0; draw < DRAWS && un_augment_fits((un_augment_op)op, pictures[i].channels); draw++) {
                un_patch p = take(&r, &cfg, &pictures[i], draw);

                compare(golden, (un_augment_op)op, &pictures[i], &p, draw);
                un_free(p.image);
                un_free(p.target);
            }
        }
        un_ready_free(&r);
    }
    un_safetensors_close(golden);
}
