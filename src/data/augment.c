#include "data/augment.h"

#include <string.h>

#include "base/size.h"
#include "data/augment_job.h"
#include "data/degrade.h"
#include "data/tta.h"

/* Slices further apart than this many pixels of the plane are not mixed (nnU-Net's limit, Isensee 2021). */
#define FLAT_RATIO 3.0

/* ---- policies ---- */

/* The column of the table that a policy starts from. */
static int base_of(un_cfg_policy policy)
{
    switch (policy) {
#define UN_POLICY_BASE(ID, base)                                                                                       \
    case UN_CFG_POLICY_##ID:                                                                                           \
        return UN_CFG_POLICY_##base;
#include "data/augment.def"
    default:
        return (int)policy;
    }
}

void un_augment_settle(const un_cfg_augment *in, un_cfg_augment *out)
{
    const int p = base_of(in->policy);

    *out = *in;
    out->flip_axes = un_tta_flip_axes(in);
#define UN_POLICY_NUM(key, none, light, def, strong)                                                                   \
    if (un_is_auto(in->key)) {                                                                                         \
        const double by[4] = {none, light, def, strong};                                                               \
        out->key = by[p];                                                                                              \
    }
#define UN_POLICY_RANGE(key, none, none_hi, light, light_hi, def, def_hi, strong, strong_hi)                           \
    if (un_is_auto(in->key[0])) {                                                                                      \
        const double by[4][2] = {{none, none_hi}, {light, light_hi}, {def, def_hi}, {strong, strong_hi}};              \
        memcpy(out->key, by[p], sizeof by[p]);                                                                         \
    }
#include "data/augment.def"
#define UN_POLICY_SET(ID, name, key, value)                                                                            \
    if (in->policy == UN_CFG_POLICY_##ID && un_is_auto(in->key))                                                       \
        out->key = value;
#include "data/augment.def"
    if (un_is_auto(out->rand_ops))
        out->rand_ops = 0;
    if (un_is_auto(in->rot90) && out->flip_axes == UN_CFG_FLIP_W)
        out->rot90 = 0; /* there is an up and a down */
}

/* ---- rows ---- */

const un_augment_row *un_augment_row_of(un_augment_op op)
{
    static const un_augment_row rows[UN_AUGMENT_COUNT] = {
#define UN_AUGMENT(ID, number, name, where, help) [UN_AUGMENT_##ID] = {#name, UN_AUGMENT_IN_##where},
#include "data/augment.def"
    };

    return &rows[op];
}

int un_augment_strengths(un_augment_op op)
{
    int n = 0;

#define UN_AUGMENT_STRENGTH(ID, kind, key, still) n += op == UN_AUGMENT_##ID;
#include "data/augment.def"
    return n;
}

int un_augment_fits(un_augment_op op, int channels)
{
    const un_augment_where where = un_augment_row_of(op)->where;

    return where == UN_AUGMENT_IN_COLOUR ? channels == 3 : where == UN_AUGMENT_IN_CHANNELS ? channels > 1 : 1;
}

double *un_augment_chance(un_cfg_augment *c, un_augment_op op)
{
    switch (op) {
#define UN_AUGMENT(ID, number, name, where, help)                                                                      \
    case UN_AUGMENT_##ID:                                                                                              \
        return &c->name;
#include "data/augment.def"
    default:
        return NULL;
    }
}

static void weaken_num(double *v, double still, double magnitude)
{
    *v = still + magnitude * (*v - still);
}

static void weaken_range(double *v, double still, double magnitude)
{
    weaken_num(&v[0], still, magnitude);
    weaken_num(&v[1], still, magnitude);
}

#define weaken_NUM(key, still, magnitude)   weaken_num(&(key), still, magnitude)
#define weaken_RANGE(key, still, magnitude) weaken_range(key, still, magnitude)

void un_augment_weaken(un_cfg_augment *c, un_augment_op op, double magnitude)
{
    if (magnitude == 1)
        return;
#define UN_AUGMENT_STRENGTH(ID, kind, key, still)                                                                      \
    if (op == UN_AUGMENT_##ID)                                                                                         \
        weaken_##kind(c->key, still, magnitude);
#include "data/augment.def"
}

/* ---- one sample ---- */

unet_status un_augment_create(
    un_augment **out, un_mem *mem, const un_cfg_augment *cfg, const int size[3], int channels, unet_error *err)
{
    un_augment *a;

    *out = NULL;
    if (size[0] < 1 || size[1] < 1 || size[2] < 1 || channels < 1)
        return un_fail(
            err, UNET_E_ARG, "a patch of %d x %d x %d with %d channels", size[0], size[1], size[2], channels);
    a = un_alloc_zero(mem, sizeof *a);
    if (!a)
        return un_fail_nomem(err, sizeof *a);
    un_augment_settle(cfg, &a->cfg);
    memcpy(a->size, size, sizeof a->size);
    a->channels = channels;
    un_normal_table_make(&a->normal);
    *out = a;
    return UNET_OK;
}

void un_augment_destroy(un_augment *a)
{
    un_free(a);
}

const un_cfg_augment *un_augment_config(const un_augment *a)
{
    return &a->cfg;
}

static int needs_spare(const un_cfg_augment *c)
{
    return c->sharpen > 0 || c->motion > 0 || c->defocus > 0 || c->lowres > 0 || c->random_conv > 0 ||
           c->ghosting > 0 || c->poisson > 0 || c->speckle > 0;
}

static int needs_plane(const un_cfg_augment *c)
{
    return c->haze > 0 || c->shade > 0 || c->spike > 0 || c->stripes > 0;
}

unet_status un_augment_scratch_create(un_augment_scratch **out, un_mem *mem, const un_augment *a, unet_error *err)
{
    const un_cfg_augment *cfg = &a->cfg;
    const size_t row = (size_t)a->size[2], area = row * (size_t)a->size[1], c = (size_t)a->channels;
    un_augment_scratch *s = un_alloc_zero(mem, sizeof *s);
    size_t blur = 0;
    unet_status st;

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    s->mem = mem;
    if (cfg->blur > 0 || cfg->sharpen > 0)
        blur = un_blur_scratch(a->size, a->channels, UN_MAX(UN_SHARPEN_PX, UN_MAX(cfg->blur_px[0], cfg->blur_px[1])));
    s->blur = un_alloc_array(mem, blur, sizeof *s->blur);
    s->channel = un_alloc_array(mem, c, 3 * sizeof *s->channel);
    s->gamma = un_alloc_array(mem, c, sizeof *s->gamma);
    s->spare = needs_spare(cfg) ? un_alloc_array(mem, area * (size_t)a->size[0], c * sizeof *s->spare) : NULL;
    s->plane = needs_plane(cfg) ? un_alloc_array(mem, area + 2 * row, sizeof *s->plane) : NULL;
    if (!s->blur || !s->channel || !s->gamma || (needs_spare(cfg) && !s->spare) || (needs_plane(cfg) && !s->plane))
        st = un_fail_nomem(err, (blur + area * (size_t)a->size[0] * c) * sizeof(float));
    else
        st = un_warp_scratch_create(&s->warp, mem, a->size, err);
    if (st) {
        un_augment_scratch_destroy(s);
        return st;
    }
    *out = s;
    return UNET_OK;
}

void un_augment_scratch_destroy(un_augment_scratch *s)
{
    if (!s)
        return;
    un_warp_scratch_destroy(s->warp);
    un_free(s->blur);
    un_free(s->spare);
    un_free(s->plane);
    un_free(s->other.image);
    un_free(s->other.target);
    un_free(s->other.soft);
    un_free(s->other.weight);
    un_free(s->channel);
    un_free(s->gamma);
    un_free(s);
}

/* The stream that says which operations take place; its number is above those of all operations. */
enum { RAND_STREAM = 0xffff };

/* rand_ops of the operations that are on and fit the picture take place, at rand_magnitude of their strength. */
static void draw_operations(un_augment_job *j, un_cfg_augment *c)
{
    int list[UN_AUGMENT_COUNT], n = 0, left = c->rand_ops;

    un_rng_init(
        &j->rng, j->draw->seed, UN_RNG_AUGMENT, (uint32_t)j->draw->step, (uint32_t)j->draw->sample, RAND_STREAM);
    for (int k = 0; k < UN_AUGMENT_COUNT; k++) {
        double *chance = un_augment_chance(c, (un_augment_op)k);

        if (un_augment_row_of((un_augment_op)k)->where == UN_AUGMENT_IN_BETWEEN)
            continue; /* data/mix.h goes by its own probabilities */
        if (*chance > 0 && un_augment_fits((un_augment_op)k, j->a->channels))
            list[n++] = k;
        *chance = 0;
    }
    for (; left > 0 && n > 0; left--) {
        const int i = (int)un_rng_below(&j->rng, n);
        const un_augment_op op = (un_augment_op)list[i];

        list[i] = list[--n];
        *un_augment_chance(c, op) = op == UN_AUGMENT_FLIP ? 0.5 : 1;
        un_augment_weaken(c, op, c->rand_magnitude);
    }
}

unet_status un_augment_run(const un_augment *a, un_augment_scratch *s, const un_ready *r, const int start[3],
    const un_draw *draw, const un_patch *out, unet_error *err)
{
    const un_picture *p = &r->picture;
    un_augment_job j = {.a = a,
        .cfg = &a->cfg,
        .s = s,
        .r = r,
        .draw = draw,
        .image = out->image,
        .pixels = (int64_t)a->size[0] * a->size[1] * a->size[2],
        .flat = p->d == 1 || a->size[0] == 1 || un_depth_ratio(p) > FLAT_RATIO};
    un_cfg_augment drawn;
    un_warp w;
    unet_status st;

    if (p->c != a->channels || (out->soft && p->soft && p->classes != out->classes))
        return un_fail(err, UNET_E_DATA, "a picture of %d channels and %d classes, where others have %d and %d", p->c,
            p->classes, a->channels, out->classes);
    if (a->cfg.rand_ops > 0) {
        drawn = a->cfg;
        draw_operations(&j, &drawn);
        j.cfg = &drawn;
    }
    un_warp_window(&w, a->size, start);
    w.zero_outside = a->cfg.outside == UN_CFG_OUTSIDE_IGNORE;
    st = un_augment_space(&j, &w, err);
    if (st)
        return st;
    un_warp_run(&w, s->warp, p, out);
    un_augment_values(&j);
    return UNET_OK;
}
