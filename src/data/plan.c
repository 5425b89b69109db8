#include "data/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "config/encoders.h"
#include "data/plan_parts.h"

/* From trials on two cores in 10 to 30 minutes (docs/planning.md): membranes 512x512 with 16 filters, patch
 * 192, batch 6; nuclei the same; hippocampus 35x50x35 with 16 filters, 3 poolings, patch 40x56x40, batch 2.
 */
enum {
    PATCH_2D = 192,          /* px; what most pictures need      */
    PATCH_PLACED = 256,      /* where classes have their place   */
    PATCH_2D_MOST = 320,     /* for objects larger than 48 px    */
    STEP_PIXELS_2D = 221184, /* of a batch: 6 patches of 192x192 */
    STEP_PIXELS_3D = 179200, /* 2 patches of 40x56x40            */
    PATCH_PIXELS_3D = 262144,
    BATCH_LEAST = 2,
    BATCH_MOST = 16,
    BATCH_FOR_BATCH_NORM = 3,
    BOTTOM_LEAST = 4, /* px that a level must have     */
    DEPTH_MOST = 5,
    BORDER_MOST = 8192, /* px that valid padding may take */
    ENCODER_FILTERS = 16,
    SELECTIONS = 20
};
static const double share_for_selections = 0.25; /* of the time, at most */

void un_plan_because(const un_planner *p, const char *key, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (p->why)
        un_text_printf(p->why, "%s: %s\n", key, text);
}

unet_status un_plan_estimate(const un_planner *p, double *seconds, uint64_t *bytes)
{
    return p->costs->estimate(p->costs->ctx, p->cfg, seconds, bytes, p->err);
}

/* ---- pictures
 * ---------------------------------------------------------------------------------------------------- */

static void plan_normalise(const un_planner *p)
{
    un_cfg_data *d = &p->cfg->data;
    const un_fingerprint *f = p->f;
    const int is_ct = f->channels == 1 && f->lowest <= -800 && f->highest >= 800;
    const int n = UN_MIN(f->channels, UN_FINGERPRINT_CHANNELS);
    const un_cfg_model *m = &p->cfg->model;

    if (d->normalise == UN_CFG_NORMALISE_AUTO && m->encoder_weights[0] && f->lowest >= 0 && f->highest <= 255) {
        const int largest = f->highest <= 1 ? 1 : 255;

        un_encoder_normalise(d, m->in_channels, largest);
        un_plan_because(p, "data.normalise",
            "the weights of %s were trained on pictures with ImageNet's mean and deviation; here for values from 0 to "
            "%d",
            un_encoder_info_of(m->encoder)->name, largest);
    }
    if (d->normalise == UN_CFG_NORMALISE_AUTO) {
        d->normalise = is_ct              ? UN_CFG_NORMALISE_DATASET
                       : un_plan_is_3d(p) ? UN_CFG_NORMALISE_ZSCORE
                                          : UN_CFG_NORMALISE_PERCENTILE;
        un_plan_because(p, "data.normalise",
            is_ct ? "values from below -800 to above 800 look like Hounsfield units, which mean the same in "
                    "each picture: one scale for all"
            : un_plan_is_3d(p)
                ? "each volume and channel to mean 0 and deviation 1, so that exposure does not matter"
                : "the darkest and brightest of each picture and channel to 0 and 1: neither exposure nor how much "
                  "of it is object matters");
    }
    if (d->normalise != UN_CFG_NORMALISE_DATASET || d->mean.n != UN_CFG_LIST_AUTO)
        return;
    d->mean.n = d->std.n = n;
    for (int k = 0; k < n; k++) {
        d->mean.v[k] = f->mean[k];
        d->std.v[k] = f->std[k] > 1e-15 ? f->std[k] : 1;
    }
    un_plan_because(p, "data.mean", "over all training pixels");
}

static void plan_spacing(un_planner *p)
{
    un_cfg_data *d = &p->cfg->data;
    const un_fingerprint *f = p->f;
    int differ = 0;

    for (int a = 0; a < 3; a++)
        differ |= f->spacing_max[a] > 1.05 * f->spacing_min[a];
    if (un_is_auto(d->spacing[0])) {
        const int resample = un_plan_is_3d(p) && differ && f->with_spacing == f->usable;

        for (int a = 0; a < 3; a++)
            d->spacing[a] = resample ? f->spacing_median[a] : 0;
        un_plan_because(p, "data.spacing",
            !un_plan_is_3d(p) ? "pictures are taken pixel by pixel (data.scale apart)"
            : resample        ? "the volumes have different spacings: all are brought to the median"
                              : "the volumes have one spacing, or none: as they are");
    }
    if (un_is_auto(d->scale)) {
        const int side = UN_MIN(f->size_median[1], f->size_median[2]);

        d->scale = un_plan_is_3d(p) || side < 1000 || f->object_px <= 190 ? 1 : f->object_px <= 380 ? 0.5 : 0.25;
        if (d->scale < 1)
            un_plan_because(p, "data.scale",
                "objects of about %.0f px are larger than a network sees: smaller pictures do", f->object_px);
    }
    for (int a = 0; a < 3; a++) {
        const double is = f->spacing_median[a] > 0 ? f->spacing_median[a] : 1,
                     to = d->spacing[a] > 0 ? d->spacing[a] : is;

        p->size[a] = f->size_median[a] * (un_plan_is_3d(p) ? is / to : a ? d->scale : 1);
        p->spacing[a] = to;
    }
    p->object_px = f->object_px * (un_plan_is_3d(p) ? 1 : d->scale);
}

/* ---- depth, strides, target patch
 * -------------------------------------------------------------------------------- */

/* Extent of the input that one output pixel sees: two 3x3 convolutions a level, down and up. */
static double field_px(int depth)
{
    return 12.0 * (1 << depth) - 7;
}

static double round_up(double v, int m)
{
    return un_floor((v + m - 1) / m) * m;
}

/* Whether classes have their place in the picture: it takes a view of much of it to know that place. */
static int placed(const un_planner *p)
{
    return !un_plan_is_3d(p) && (p->f->one_way[1] || p->f->one_way[2]);
}

/* The patch before it is rounded to the grid. */
static void raw_patch(const un_planner *p, double raw[3])
{
    if (un_plan_is_3d(p)) {
        for (int a = 0; a < 3; a++)
            raw[a] = p->size[a];
        return;
    }
    raw[0] = 1;
    for (int a = 1; a < 3; a++) {
        double want = round_up(4 * p->object_px, 32);

        want = UN_MAX(want, placed(p) ? PATCH_PLACED : PATCH_2D);
        want = UN_MIN(want, PATCH_2D_MOST);
        raw[a] = UN_MIN(want, p->size[a]);
    }
}

static void plan_depth(const un_planner *p, const double raw[3])
{
    un_cfg_model *m = &p->cfg->model;
    const double largest = UN_MAX(raw[0], UN_MAX(raw[1], raw[2]));
    int depth = un_plan_is_3d(p) ? 3 : 4;

    if (m->encoder != UN_CFG_ENCODER_NONE && un_is_auto(m->base_filters)) {
        m->base_filters = ENCODER_FILTERS;
        un_plan_because(p, "model.base_filters", "%d on level 0 of the way up; the way down is %s", ENCODER_FILTERS,
            un_encoder_info_of(m->encoder)->name);
    }
    if (!un_is_auto(m->depth))
        return;
    if (m->encoder != UN_CFG_ENCODER_NONE) {
        m->depth = un_encoder_info_of(m->encoder)->poolings;
        un_plan_because(p, "model.depth", "all of %s", un_encoder_info_of(m->encoder)->name);
        return;
    }
    while (depth < DEPTH_MOST && (field_px(depth) < 3 * p->object_px || (placed(p) && field_px(depth) < largest)))
        depth++;
    while (depth > 1 && largest / (1 << depth) < BOTTOM_LEAST)
        depth--;
    m->depth = depth;
    if (p->object_px > 0)
        un_plan_because(p, "model.depth",
            "%d poolings see %.0f px at once; objects are about %.0f px wide, patches up to %.0f px", depth,
            field_px(depth), p->object_px, largest);
    else
        un_plan_because(p, "model.depth", "%d poolings suit patches of up to %.0f px", depth, largest);
}

/* Whether an axis of pictures is pooled: not one of a single pixel beside a longer one (lines of a scan). Known
 * encoders pool both. */
static int pools_2d(const un_planner *p, int axis)
{
    return axis > 0 &&
           (p->cfg->model.encoder != UN_CFG_ENCODER_NONE || p->f->size_max[axis] != 1 || p->f->size_max[3 - axis] < 2);
}

/* An axis is pooled while it keeps enough pixels at the bottom, and, in volumes, while its pixels are not
 * much longer than the shortest: so thick slices are left alone until the others have become as coarse. */
static void plan_strides(const un_planner *p, const double raw[3])
{
    un_cfg_model *m = &p->cfg->model;
    double extent[3] = {raw[0], raw[1], raw[2]}, spacing[3] = {p->spacing[0], p->spacing[1], p->spacing[2]};
    int uneven = 0;

    if (m->strides.n != UN_CFG_LIST_AUTO)
        return;
    m->strides.n = m->depth;
    for (int level = 0; level < m->depth; level++) {
        const double finest = UN_MIN(spacing[0], UN_MIN(spacing[1], spacing[2]));
        int *s = m->strides.v[level], any = 0;

        for (int a = 0; a < 3; a++) {
            const int pool =
                un_plan_is_3d(p) ? extent[a] / 2 > BOTTOM_LEAST - 1 && spacing[a] < 2 * finest : pools_2d(p, a);

            s[a] = pool ? 2 : 1;
            any |= pool;
        }
        for (int a = 0; a < 3 && !any; a++) /* a level must make something smaller */
            s[a] = extent[a] >= 2 ? 2 : 1;
        for (int a = 0; a < 3; a++) {
            extent[a] = extent[a] / s[a];
            spacing[a] *= s[a];
            uneven |= (un_plan_is_3d(p) || a > 0) && s[a] != 2;
        }
    }
    if (!uneven) {
        m->strides.n = 1;
        m->strides.v[0][0] = un_plan_is_3d(p) ? 2 : 1;
        m->strides.v[0][1] = m->strides.v[0][2] = 2;
    }
    un_plan_because(p, "model.strides",
        uneven ? "axes with few or with long pixels are pooled less often" : "every axis is halved at each level");
}

static void set_grid(un_planner *p)
{
    for (int a = 0; a < 3; a++)
        p->grid[a] = 1;
    for (int level = 0; level < p->cfg->model.depth; level++) {
        int s[3];

        un_config_axes_at(&p->cfg->model.strides, level, p->cfg->model.dims, s);
        for (int a = 0; a < 3; a++)
            p->grid[a] *= s[a];
    }
}

/* The outputs on an axis that n pixels leave without padding; 0: none. *cut: a pooling cuts a pixel off, so that the
 * border is not the same on both sides. */
static int outputs_of(const un_cfg_model *m, int axis, int n, int *cut)
{
    int k[3], s[3] = {1, 1, 1};

    *cut = 0;
    for (int level = 0; level <= m->depth && n > 0; level++) {
        const int strided = level && m->downsample == UN_CFG_DOWN_CONV;

        un_config_axes_at(&m->kernel, level, m->dims, k);
        if (level)
            un_config_axes_at(&m->strides, level - 1, m->dims, s);
        if (strided)
            n -= k[axis] - 1;
        if (n < 1)
            return 0;
        *cut |= (n - (strided && k[axis] > 1)) % s[axis] != 0;
        n = (n + (strided ? s[axis] - 1 : 0)) / s[axis] -
            (un_config_int_at(&m->convs_per_level, level) - strided) * (k[axis] - 1);
    }
    for (int level = m->depth - 1; level >= 0 && n > 0; level--) {
        un_config_axes_at(&m->kernel, level, m->dims, k);
        un_config_axes_at(&m->strides, level, m->dims, s);
        n = n * s[axis] -
            (un_config_int_at(&m->convs_per_level, level) + (m->upsample != UN_CFG_UP_TRANSPOSE)) * (k[axis] - 1);
    }
    return n > 0 ? n : 0;
}

/* The outputs when no pooling cuts; 0 too where a strided convolution of one tap would show more than there is. */
static int whole_outputs(const un_cfg_model *m, int axis, int n)
{
    int cut;
    const int outputs = outputs_of(m, axis, n, &cut);

    return cut || outputs > n ? 0 : outputs;
}

/* The least extent of so many pixels and more that no pooling cuts and that leaves so many outputs; 0: none was found.
 */
static int uncut(const un_cfg_model *m, int axis, int pixels, int outputs)
{
    for (int n = pixels; n < pixels + BORDER_MOST; n++)
        if (whole_outputs(m, axis, n) >= outputs)
            return n;
    return 0;
}

static int with_border(const un_cfg_model *m, int axis, int outputs)
{
    return uncut(m, axis, outputs, outputs);
}

/* Whether a pixel is left of n on each level, and what is up-sampled has the extent of each skip connection; for
 * padding that keeps extents. */
static int suits_levels(const un_cfg_model *m, int axis, int n)
{
    const int every = m->decoder != UN_CFG_DECODER_UNET; /* skips from level to level */
    const int convolved = m->downsample == UN_CFG_DOWN_CONV || m->encoder != UN_CFG_ENCODER_NONE;

    for (int from = 0; from < m->depth; from++) {
        int s[3], up = 1;

        for (int level = from; level < m->depth; level++) {
            un_config_axes_at(&m->strides, level, m->dims, s);
            up *= s[axis];
        }
        if ((every || un_config_int_at(&m->skips, from)) && n % up)
            return 0;
        un_config_axes_at(&m->strides, from, m->dims, s);
        n = (n + (convolved ? s[axis] - 1 : 0)) / s[axis];
        if (n < 1)
            return 0;
    }
    return 1;
}

/* A patch that the configuration gives: refused where the network cannot be built for it; what is better where only a
 * border is lost. A stem fits the extents itself. */
static unet_status check_patch(const un_planner *p)
{
    static const char *const names[] = {"depth", "height", "width"};
    const un_cfg_model *m = &p->cfg->model;

    for (int a = 3 - m->dims; a < 3 && m->stem == UN_CFG_STEM_NONE; a++) {
        const int n = p->target[a], g = p->grid[a];
        int cut, below = n - 1;

        if (m->padding != UN_CFG_PAD_VALID && !suits_levels(m, a, n))
            return n < g
                       ? un_fail_file(p->err, UNET_E_CONFIG, "train.patch",
                             "a %s of %d px is too small for the strides, which multiply to %d; take %d, or a smaller "
                             "model.depth",
                             names[a], n, g, g)
                       : un_fail_file(p->err, UNET_E_CONFIG, "train.patch",
                             "a %s of %d px: skip connections need multiples of %d, to which the strides multiply; "
                             "take "
                             "%d or %d",
                             names[a], n, g, n / g * g, (n / g + 1) * g);
        if (m->padding != UN_CFG_PAD_VALID)
            continue;
        if (!outputs_of(m, a, n, &cut))
            return un_fail_file(p->err, UNET_E_CONFIG, "train.patch",
                "a %s of %d px: nothing is left of it without padding; take %d or more, or model.padding=same",
                names[a], n, with_border(m, a, 1));
        while (cut && below > 0 && !whole_outputs(m, a, below))
            below--;
        if (cut && below > 0)
            un_plan_because(p, "train.patch", "a pooling cuts pixels off a %s of %d; %d and %d fit", names[a], n, below,
                uncut(m, a, n, 1));
        else if (cut)
            un_plan_because(
                p, "train.patch", "a pooling cuts pixels off a %s of %d; %d fit", names[a], n, uncut(m, a, n, 1));
    }
    return UNET_OK;
}

static unet_status plan_target(un_planner *p, const double raw[3])
{
    const un_cfg_train *t = &p->cfg->train;
    const un_cfg_model *m = &p->cfg->model;
    const int told = !un_is_auto(t->patch[0]);
    int axis;

    set_grid(p);
    for (int a = 0; a < 3; a++) {
        const int size = (int)UN_MIN(raw[a], 16384),
                  valid = !told && m->padding == UN_CFG_PAD_VALID ? with_border(m, a, size) : 0;

        p->least[a] = valid ? with_border(m, a, UN_MIN(size, p->grid[a])) : 0;
        p->target[a] = told ? t->patch[a] : valid ? valid : (int)round_up(UN_MIN(raw[a], 16384), p->grid[a]);
    }
    while (un_plan_is_3d(p) && !told && un_plan_pixels(p->target) > PATCH_PIXELS_3D &&
           (axis = un_plan_longest(p, p->target)) >= 0 && p->target[axis] - p->grid[axis] >= p->least[axis])
        p->target[axis] -= p->grid[axis];
    return told ? check_patch(p) : UNET_OK;
}

/* ---- batch, norm, loss, augmentation
 * ----------------------------------------------------------------------------- */

static void plan_batch(const un_planner *p)
{
    un_cfg_train *t = &p->cfg->train;
    un_cfg_model *m = &p->cfg->model;
    const double n = un_round((un_plan_is_3d(p) ? STEP_PIXELS_3D : STEP_PIXELS_2D) / un_plan_pixels(p->target));

    if (un_is_auto(t->batch)) {
        t->batch = n < BATCH_LEAST ? BATCH_LEAST : n > BATCH_MOST ? BATCH_MOST : (int)n;
        un_plan_because(p, "train.batch", "%d patches are about %d thousand pixels a step", t->batch,
            (int)(t->batch * un_plan_pixels(p->target) / 1000));
    }
    if (m->norm == UN_CFG_NORM_AUTO) {
        m->norm = !un_plan_is_3d(p) && t->batch >= BATCH_FOR_BATCH_NORM ? UN_CFG_NORM_BATCH : UN_CFG_NORM_INSTANCE;
        un_plan_because(p, "model.norm",
            m->norm == UN_CFG_NORM_BATCH ? "the batch is large enough for its statistics"
                                         : "a batch of %d is too small for batch statistics",
            t->batch);
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the shares of the classes that occur. */
static double median_share(const un_fingerprint *f)
{
    double v[UN_CFG_MAX_class];
    int n = 0;

    for (int c = 0; c < f->classes; c++)
        if (f->share[c] > 0)
            v[n++] = f->share[c];
    qsort(v, (size_t)n, sizeof *v, compare_numbers);
    return n ? 0.5 * (v[n / 2] + v[(n - 1) / 2]) : 0;
}

/* The weight of a class of this share, before the division by the mean. */
static double weight_of(const un_planner *p, double share)
{
    const double keep = 0.9999;
    const un_fingerprint *f = p->f;

    switch (p->cfg->loss.class_weight_rule) {
    case UN_CFG_WEIGHTS_INVERSE:
        return 1 / share;
    case UN_CFG_WEIGHTS_MEDIAN:
        return median_share(f) / share;
    case UN_CFG_WEIGHTS_EFFECTIVE:
        return (1 - keep) / (1 - un_pow(keep, share * f->train_pixels / UN_MAX(f->role[UN_ROLE_TRAIN], 1)));
    default:
        return UN_MIN(UN_MAX(un_sqrt(1.0 / f->classes / share), 0.5), 4);
    }
}

/* Classes that do not occur weigh as much as the rarest that does (rule auto: 1, before the division). */
static void set_weights(const un_planner *p, double least)
{
    un_cfg_nums *w = &p->cfg->loss.class_weights;
    const un_fingerprint *f = p->f;
    const double absent = p->cfg->loss.class_weight_rule == UN_CFG_WEIGHTS_AUTO ? 1 : weight_of(p, least);
    double sum = 0;

    w->n = f->classes;
    for (int c = 0; c < f->classes; c++) {
        w->v[c] = f->share[c] > 0 ? weight_of(p, f->share[c]) : absent;
        sum += w->v[c];
    }
    for (int c = 0; c < f->classes; c++)
        w->v[c] = UN_MAX(un_round(w->v[c] * f->classes / sum * 1000) / 1000, 0.001);
}

/* By rule auto, with four or more classes of very different size rare ones weigh more: by the root of how rare they
 * are. */
static void plan_weights(const un_planner *p)
{
    un_cfg_nums *w = &p->cfg->loss.class_weights;
    const un_cfg_weight_rule rule = p->cfg->loss.class_weight_rule;
    const un_fingerprint *f = p->f;
    double least = 1;
    int present = 0;

    if (w->n != UN_CFG_LIST_AUTO)
        return;
    w->n = 0;
    for (int c = 0; c < f->classes; c++) {
        present += f->share[c] > 0;
        least = f->share[c] > 0 ? UN_MIN(least, f->share[c]) : least;
    }
    if (rule == UN_CFG_WEIGHTS_AUTO && (f->classes < 4 || least > 0.1 / f->classes)) {
        un_plan_because(p, "loss.class_weights",
            f->classes < 4 ? "few classes: Dice makes up for their sizes" : "no class is rare");
        return;
    }
    if (!present) {
        un_plan_because(p, "loss.class_weights", "no mask holds a class: no weights");
        return;
    }
    set_weights(p, least);
    if (rule == UN_CFG_WEIGHTS_AUTO)
        un_plan_because(p, "loss.class_weights",
            "the rarest class has %.2g %% of the pixels: weights by the root of rarity, 0.5 to 4", 100 * least);
    else
        un_plan_because(p, "loss.class_weights",
            "rule %s (loss.class_weight_rule); the rarest class has %.2g %% of the pixels",
            un_config_word("loss", "class_weight_rule", (int)rule), 100 * least);
}

static void plan_foreground_loss(const un_planner *p)
{
    un_cfg_loss *l = &p->cfg->loss;

    for (int i = 0; i < p->cfg->data.foreground.n && !l->dice_background; i++)
        if (p->cfg->data.foreground.v[i] == 0) {
            l->dice_background = 1;
            un_plan_because(p, "loss.dice_background", "class 0 is scored too (data.foreground)");
        }
}

static void set_if_auto(double *to, double v)
{
    if (un_is_auto(*to))
        *to = v;
}

static void plan_augment(const un_planner *p)
{
    un_cfg_augment *a = &p->cfg->augment;
    const int *one_way = p->f->one_way, colour = p->cfg->data.colour == UN_CFG_COLOUR_RGB;
    const int upright = one_way[1] || (un_plan_is_3d(p) && one_way[0]);

    if (a->policy == UN_CFG_POLICY_NONE)
        return;
    if (upright && a->flip_axes == UN_CFG_FLIP_AUTO) {
        a->flip_axes = UN_CFG_FLIP_W;
        set_if_auto(&a->rot90, 0);
        set_if_auto(&a->rotate_deg, 15);
        un_plan_because(p, "augment.flip_axes",
            "classes have their place (above, below, in front): only left and right are flipped");
        un_plan_because(p, "augment.rot90", "classes have their place, so quarter turns would mislead");
    }
    if (one_way[2] && upright) {
        set_if_auto(&a->flip, 0);
        un_plan_because(p, "augment.flip", "classes have their place on the left or right too");
    }
    if (p->f->kinds < 2 || un_plan_is_3d(p))
        return;
    if (p->f->dark && p->f->bright) {
        set_if_auto(&a->invert, 0);
        un_plan_because(p, "augment.invert",
            "dark and bright grounds are both among the pictures: inverted ones would only blur "
            "what each means");
    } else {
        set_if_auto(&a->invert, 0.15);
        un_plan_because(p, "augment.invert",
            "%d kinds of pictures by brightness: some inverted ones help the rare kinds", p->f->kinds);
    }
    set_if_auto(&a->shade, 0.3);
    un_plan_because(p, "augment.shade",
        "several kinds of pictures: what is found must stand out from what lies around it, "
        "not from the ground alone");
    if (!colour)
        return;
    set_if_auto(&a->hue, 0.3);
    set_if_auto(&a->saturation, 0.3);
    set_if_auto(&a->stain, 0.3);
    set_if_auto(&a->grey, 0.3);
    un_plan_because(p, "augment.hue", "several kinds of coloured pictures: colours are varied");
    un_plan_because(p, "augment.stain", "several kinds of coloured pictures: stains are varied");
    un_plan_because(
        p, "augment.grey", "several kinds of coloured pictures: what is found must not depend on colour alone");
}

/* ---- steps
 * ------------------------------------------------------------------------------- */

/* Selections: twenty, fewer when they would take more than a quarter of the time. */
static double selections_in(const un_cfg_train *t, double selection_s)
{
    const double fit = selection_s > 0 ? un_floor(share_for_selections * t->time / selection_s) : SELECTIONS;

    return fit < 1 ? 1 : UN_MIN(fit, SELECTIONS);
}

static void steps_by_time(const un_planner *p, const un_plan_times *s)
{
    un_cfg_train *t = &p->cfg->train;
    const int told = !un_is_auto(t->val_interval);
    const double n = selections_in(t, s->selection),
                 each = s->step + (told ? s->selection / (double)t->val_interval : 0),
                 left = UN_PLAN_SHARE_FOR_STEPS * t->time - s->once - (told ? 0 : n * s->selection),
                 steps = un_floor(left / each);

    t->steps = steps < 1 ? 1 : steps > 1e9 ? 1000000000 : (int64_t)steps;
    un_plan_because(
        p, "train.steps", "%.0f s at %.3g s a step, the rest kept for scores and checkpoints", t->time, s->step);
    if (told || n >= SELECTIONS)
        return;
    t->val_interval = UN_MAX(t->steps / (int64_t)n, 1);
    un_plan_because(
        p, "train.val_interval", "scoring takes %.3g s: %.0f times fit in a quarter of the time", s->selection, n);
}

static unet_status plan_steps(const un_planner *p, un_plan_result *out)
{
    un_cfg_train *t = &p->cfg->train;
    double steps, scored, again;
    un_plan_times s = {0};
    unet_status st = un_plan_estimate(p, &s.step, &out->peak_bytes);

    if (!st && p->costs->measure)
        st = p->costs->measure(p->costs->ctx, p->cfg, &s, p->err);
    if (st)
        return st;
    if (un_is_auto(t->steps) && !un_is_auto(t->time))
        steps_by_time(p, &s);
    out->step_seconds = s.step;
    steps = !un_is_auto(t->steps) ? (double)t->steps : t->epochs * p->f->role[UN_ROLE_TRAIN] / t->batch;
    scored = un_is_auto(t->val_interval) ? UN_MIN(steps, SELECTIONS) : -un_floor(-steps / (double)t->val_interval);
    out->seconds = (s.once + steps * s.step + scored * s.selection) / UN_PLAN_SHARE_FOR_STEPS;
    return un_plan_estimate(p, &again, &out->peak_bytes); /* few steps do not draw every picture */
}

static unet_status plan_by_data(un_planner *p)
{
    double raw[3];
    unet_status st;

    plan_normalise(p);
    plan_spacing(p);
    raw_patch(p, raw);
    plan_depth(p, raw);
    plan_strides(p, raw);
    st = plan_target(p, raw);
    if (st)
        return st;
    plan_batch(p);
    plan_weights(p);
    plan_foreground_loss(p);
    plan_augment(p);
    return UNET_OK;
}

static unet_status check_inspected(const un_config *cfg, const un_fingerprint *f, unet_error *err)
{
    if (un_is_auto(cfg->model.dims) || un_is_auto(cfg->model.in_channels) || f->usable < 1)
        return un_fail(err, UNET_E_ARG, "a plan needs data that were inspected before");
    return UNET_OK;
}

unet_status un_plan_data(un_config *cfg, const un_fingerprint *f, un_text *why, unet_error *err)
{
    un_planner p = {.cfg = cfg, .f = f, .why = why, .err = err};
    unet_status st = check_inspected(cfg, f, err);

    if (!st)
        st = plan_by_data(&p);
    if (!st)
        memcpy(cfg->train.patch, p.target, sizeof p.target);
    return st;
}

unet_status un_plan_make(un_config *cfg, const un_fingerprint *f, const un_plan_limits *limits,
    const un_plan_costs *costs, un_plan_result *out, un_text *why, unet_error *err)
{
    un_planner p = {.cfg = cfg, .f = f, .limits = limits, .costs = costs, .why = why, .err = err};
    unet_status st = check_inspected(cfg, f, err);

    *out = (un_plan_result){0};
    if (!st)
        st = plan_by_data(&p);
    if (st)
        return st;
    un_plan_settle_limits(&p);
    st = un_plan_size(&p);
    return st ? st : plan_steps(&p, out);
}

int un_plan_reason(const char *why, const char *section, const char *key, char *buf, size_t size)
{
    const size_t s = strlen(section), k = strlen(key);

    while (why && *why) {
        const char *end = strchr(why, '\n');

        if (!strncmp(why, section, s) && why[s] == '.' && !strncmp(why + s + 1, key, k) &&
            !strncmp(why + s + 1 + k, ": ", 2)) {
            const char *from = why + s + k + 3;

            snprintf(buf, size, "%.*s", (int)(end ? end - from : (ptrdiff_t)strlen(from)), from);
            return 1;
        }
        why = end ? end + 1 : NULL;
    }
    return 0;
}
