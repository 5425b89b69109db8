#include "data/augment.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

struct un_augment {
    un_cfg_augment cfg;
    int size[3], channels;
    un_normal_table normal;
};

struct un_augment_scratch {
    un_warp_scratch *warp;
    float *blur, *channel; /* channel: gain, shift, noise of each */
    un_curve curve;
};

/* What the operations of one sample share. */
typedef struct job {
    const un_augment *a;
    un_augment_scratch *s;
    const un_ready *r;
    const un_draw *draw;
    float *image;
    int64_t pixels;
    un_rng rng; /* of the operation at hand */
    int flat;   /* 1: 2-D, or slices so far apart that only the plane is turned, scaled and bent */
} job;

/* Slices further apart than this many pixels of the plane are not mixed (nnU-Net's limit, Isensee 2021). */
#define FLAT_RATIO 3.0

/* ---- policies ---- */

void un_augment_settle(const un_cfg_augment *in, un_cfg_augment *out)
{
    const int p = (int)in->policy;

    *out = *in;
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
    if (un_is_auto(in->rot90) && in->flip_axes == UN_CFG_FLIP_W)
        out->rot90 = 0; /* there is an up and a down */
}

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

unet_status un_augment_scratch_create(un_augment_scratch **out, un_mem *mem, const un_augment *a, unet_error *err)
{
    un_augment_scratch *s = un_alloc_zero(mem, sizeof *s);
    size_t blur = 0;
    unet_status st;

    *out = NULL;
    if (!s)
        return un_fail_nomem(err, sizeof *s);
    if (a->cfg.blur > 0)
        blur = un_blur_scratch(a->size, a->channels, UN_MAX(a->cfg.blur_px[0], a->cfg.blur_px[1]));
    s->blur = un_alloc_array(mem, blur, sizeof *s->blur);
    s->channel = un_alloc_array(mem, (size_t)a->channels, 3 * sizeof *s->channel);
    st = s->blur && s->channel ? un_warp_scratch_create(&s->warp, mem, a->size, a->channels, err)
                               : un_fail_nomem(err, blur * sizeof *s->blur);
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
    un_free(s->channel);
    un_free(s);
}

/* Starts the stream of an operation; whether it takes place. */
static int begins(job *j, un_augment_op op, double probability)
{
    un_rng_init(
        &j->rng, j->draw->seed, UN_RNG_AUGMENT, (uint32_t)j->draw->step, (uint32_t)j->draw->sample, (uint32_t)op);
    return un_rng_uniform(&j->rng) < probability;
}

static double either_sign(un_rng *r, double most)
{
    return un_rng_range(r, -most, most);
}

/* A factor between lo and hi, as often below 1 as above where both are possible (uniform in the logarithm). */
static double factor(un_rng *r, const double range[2])
{
    return un_exp(un_rng_range(r, un_log(range[0]), un_log(range[1])));
}

/* ---- spatial operations ---- */

/* Distance of the slices in pixels of the plane; 1 where spacings are unknown. */
static double depth_ratio(const un_picture *p)
{
    const double plane = un_sqrt(p->spacing[1] * p->spacing[2]);

    return p->spacing[0] > 0 && plane > 0 ? p->spacing[0] / plane : 1;
}

static void turn_plane(un_warp *w, double turns)
{
    const double co = un_cos2pi(turns), si = un_sin2pi(turns);
    const double t[3][3] = {{1, 0, 0}, {0, co, -si}, {0, si, co}};

    un_warp_then(w, t);
}

static void draw_flips(job *j, un_warp *w)
{
    const un_cfg_augment *c = &j->a->cfg;
    const int axes[3] = {
        j->r->picture.d > 1 && (c->flip_axes == UN_CFG_FLIP_DHW || (c->flip_axes == UN_CFG_FLIP_AUTO && !j->flat)),
        c->flip_axes != UN_CFG_FLIP_W, 1};

    int flip[3];

    flip[2] = begins(j, UN_AUGMENT_FLIP, c->flip);
    flip[1] = un_rng_uniform(&j->rng) < c->flip;
    flip[0] = un_rng_uniform(&j->rng) < c->flip;
    for (int a = 0; a < 3; a++) {
        double t[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};

        if (flip[a] && axes[a]) {
            t[a][a] = -1;
            un_warp_then(w, t);
        }
    }
}

static void draw_rot90(job *j, un_warp *w)
{
    static const double quarter[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}}; /* cosine, sine */
    const double *s = j->r->picture.spacing;
    const int square = !(s[1] > 0 && s[2] > 0) || (s[1] < 1.1 * s[2] && s[2] < 1.1 * s[1]);

    if (begins(j, UN_AUGMENT_ROT90, j->a->cfg.rot90) && square) {
        const double *q = quarter[un_rng_below(&j->rng, 4)];
        const double t[3][3] = {{1, 0, 0}, {0, q[0], -q[1]}, {0, q[1], q[0]}};

        un_warp_then(w, t);
    }
}

/* In volumes whose slices are near each other all three planes are turned; rotations act on mm, not on pixels. */
static void draw_rotation(job *j, un_warp *w)
{
    const double most = j->a->cfg.rotate_deg / 360, ratio = depth_ratio(&j->r->picture);
    const double to_mm[3][3] = {{ratio, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                 from_mm[3][3] = {{1 / ratio, 0, 0}, {0, 1, 0}, {0, 0, 1}};

    if (!begins(j, UN_AUGMENT_ROTATE, j->a->cfg.rotate) || !(most > 0))
        return;
    if (!j->flat)
        un_warp_then(w, from_mm);
    turn_plane(w, either_sign(&j->rng, most));
    for (int other = 1; other < 3 && !j->flat; other++) {
        const double turns = either_sign(&j->rng, most), co = un_cos2pi(turns), si = un_sin2pi(turns);
        double t[3][3] = {{co, 0, 0}, {0, 1, 0}, {0, 0, 1}};

        t[other][other] = co;
        t[0][other] = -si;
        t[other][0] = si;
        un_warp_then(w, t);
    }
    if (!j->flat)
        un_warp_then(w, to_mm);
}

static void draw_scale(job *j, un_warp *w)
{
    if (begins(j, UN_AUGMENT_SCALE, j->a->cfg.scale)) {
        const double f = 1 / factor(&j->rng, j->a->cfg.scale_range);
        const double t[3][3] = {{j->flat ? 1 : f, 0, 0}, {0, f, 0}, {0, 0, f}};

        un_warp_then(w, t);
    }
}

static unet_status draw_elastic(job *j, un_warp *w, unet_error *err)
{
    const un_cfg_augment *c = &j->a->cfg;
    const double ratio = depth_ratio(&j->r->picture), px = c->elastic_px;
    const double cell[3] = {
        j->flat ? 0 : UN_MAX(1, c->elastic_grid_px / ratio), c->elastic_grid_px, c->elastic_grid_px};
    const double most[3] = {j->flat ? 0 : px / ratio, px, px};

    if (!begins(j, UN_AUGMENT_ELASTIC, c->elastic) || !(px > 0))
        return UNET_OK;
    return un_warp_elastic(w, j->s->warp, cell, most, &j->rng, err);
}

/* ---- values ---- */

static void range_of_all(const un_ready *r, double *lo, double *hi)
{
    *lo = r->lo[0];
    *hi = r->hi[0];
    for (int k = 1; k < r->picture.c; k++) {
        *lo = UN_MIN(*lo, r->lo[k]);
        *hi = UN_MAX(*hi, r->hi[k]);
    }
}

static void do_stain(job *j)
{
    const double most = j->a->cfg.stain_range;
    double gain[3], lo, hi;

    if (!begins(j, UN_AUGMENT_STAIN, j->a->cfg.stain) || j->a->channels != 3)
        return;
    for (int k = 0; k < 3; k++)
        gain[k] = 1 + either_sign(&j->rng, most);
    range_of_all(j->r, &lo, &hi);
    un_stain_apply(gain, lo, hi, j->image, j->pixels);
}

static void do_gamma(job *j)
{
    const un_cfg_augment *c = &j->a->cfg;
    double gamma = 1;

    if (!begins(j, UN_AUGMENT_GAMMA, c->gamma))
        return;
    for (int k = 0; k < j->a->channels; k++) {
        if (k == 0 || j->a->channels != 3) /* one curve for a colour, one for each channel that is its own */
            gamma = factor(&j->rng, c->gamma_range);
        un_curve_gamma(&j->s->curve, j->r->lo[k], j->r->hi[k], gamma);
        un_curve_apply(&j->s->curve, j->image, j->pixels, j->a->channels, k);
    }
}

/* Gain and shift of each channel from inversion, contrast and brightness. */
static void draw_gain(job *j, float *gain, float *shift)
{
    const un_cfg_augment *c = &j->a->cfg;
    const un_ready *r = j->r;
    const int n = j->a->channels, own = n != 3;
    const int invert = begins(j, UN_AUGMENT_INVERT, c->invert);
    int on = begins(j, UN_AUGMENT_CONTRAST, c->contrast);
    double f = 1;

    for (int k = 0; k < n; k++) {
        const double mean = invert ? r->lo[k] + r->hi[k] - r->mean[k] : r->mean[k];

        if (on && (k == 0 || own))
            f = factor(&j->rng, c->contrast_range);
        gain[k] = (float)(invert ? -f : f);
        shift[k] = (float)((invert ? f * (r->lo[k] + r->hi[k]) : 0) + mean * (1 - f));
    }
    on = begins(j, UN_AUGMENT_BRIGHTNESS, c->brightness);
    f = 0;
    for (int k = 0; k < n && on; k++) {
        if (k == 0 || own)
            f = either_sign(&j->rng, c->brightness_range);
        shift[k] += (float)(f * r->std[k]);
    }
}

/* Hue and saturation, then the gains, in one pass. Inversion commutes with the colour only up to a shift of the grey,
 * so the colour goes first. */
static void do_linear(job *j)
{
    const un_cfg_augment *c = &j->a->cfg;
    float *gain = j->s->channel, *shift = gain + j->a->channels;
    double turns = 0, saturation = 1, m[3][3];
    un_colour_map map;

    draw_gain(j, gain, shift);
    if (begins(j, UN_AUGMENT_HUE, c->hue))
        turns = either_sign(&j->rng, c->hue_deg / 360);
    if (begins(j, UN_AUGMENT_SATURATION, c->saturation))
        saturation = un_rng_range(&j->rng, c->saturation_range[0], c->saturation_range[1]);
    if (j->a->channels != 3) {
        un_gain_apply(gain, shift, j->image, j->pixels, j->a->channels);
        return;
    }
    un_colour_hue(m, turns, saturation);
    for (int k = 0; k < 3; k++) {
        map.shift[k] = shift[k];
        for (int i = 0; i < 3; i++)
            map.m[k][i] = gain[k] * (float)(turns == 0 && saturation == 1 ? k == i : m[k][i]);
    }
    un_colour_apply(&map, j->image, j->pixels);
}

static void do_blur(job *j)
{
    const un_cfg_augment *c = &j->a->cfg;
    double sigma[3];

    if (!begins(j, UN_AUGMENT_BLUR, c->blur))
        return;
    sigma[1] = sigma[2] = un_rng_range(&j->rng, c->blur_px[0], c->blur_px[1]);
    sigma[0] = j->flat ? 0 : sigma[1] / UN_MAX(1, depth_ratio(&j->r->picture));
    if (!(sigma[1] > 0.05))
        return; /* nothing to see */
    un_blur_apply(j->image, j->a->size, j->a->channels, sigma, j->s->blur);
}

static void do_noise(job *j)
{
    float *std = j->s->channel;
    double most;

    if (!begins(j, UN_AUGMENT_NOISE, j->a->cfg.noise))
        return;
    most = un_rng_range(&j->rng, 0, j->a->cfg.noise_std);
    for (int k = 0; k < j->a->channels; k++)
        std[k] = (float)(most * j->r->std[k]);
    un_noise_apply(&j->a->normal, &j->rng, std, j->image, j->pixels, j->a->channels);
}

unet_status un_augment_run(const un_augment *a, un_augment_scratch *s, const un_ready *r, const int start[3],
    const un_draw *draw, const un_patch *out, unet_error *err)
{
    const un_picture *p = &r->picture;
    job j = {.a = a,
        .s = s,
        .r = r,
        .draw = draw,
        .image = out->image,
        .pixels = (int64_t)a->size[0] * a->size[1] * a->size[2],
        .flat = p->d == 1 || a->size[0] == 1 || depth_ratio(p) > FLAT_RATIO};
    un_warp w;
    unet_status st;

    if (p->c != a->channels || (out->soft && p->soft && p->classes != out->classes))
        return un_fail(err, UNET_E_DATA, "a picture of %d channels and %d classes, where others have %d and %d", p->c,
            p->classes, a->channels, out->classes);
    un_warp_window(&w, a->size, start);
    w.zero_outside = a->cfg.outside == UN_CFG_OUTSIDE_IGNORE;
    draw_flips(&j, &w);
    draw_rot90(&j, &w);
    draw_rotation(&j, &w);
    draw_scale(&j, &w);
    st = draw_elastic(&j, &w, err);
    if (st)
        return st;
    un_warp_run(&w, s->warp, p, out);
    do_stain(&j);
    do_gamma(&j);
    do_linear(&j);
    do_blur(&j);
    do_noise(&j);
    return UNET_OK;
}
