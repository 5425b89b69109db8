/* Operations on the values of a patch, in the order of data/augment.def. */
#include <string.h>

#include "base/size.h"
#include "data/augment_job.h"
#include "data/degrade.h"

static void range_of_all(const un_ready *r, double *lo, double *hi)
{
    *lo = r->lo[0];
    *hi = r->hi[0];
    for (int k = 1; k < r->picture.c; k++) {
        *lo = UN_MIN(*lo, r->lo[k]);
        *hi = UN_MAX(*hi, r->hi[k]);
    }
}

static void do_stain(un_augment_job *j)
{
    const double most = j->cfg->stain_range;
    double gain[3], lo, hi;

    if (!un_augment_begins(j, UN_AUGMENT_STAIN, j->cfg->stain) || j->a->channels != 3 || !(most > 0))
        return;
    for (int k = 0; k < 3; k++)
        gain[k] = 1 + un_either_sign(&j->rng, most);
    range_of_all(j->r, &lo, &hi);
    un_stain_apply(gain, lo, hi, j->image, j->pixels);
}

/* Gamma, or that counted from the bright end: one for a colour, one for each channel that is its own. */
static void do_power(un_augment_job *j, const double range[2], int from_bright)
{
    const un_gamma g = {j->r->lo, j->r->hi, j->s->gamma, from_bright};

    for (int k = 0; k < j->a->channels; k++)
        j->s->gamma[k] = k == 0 || j->a->channels != 3 ? un_random_factor(&j->rng, range) : j->s->gamma[0];
    un_gamma_apply(&g, j->image, j->pixels, j->a->channels);
}

static void do_gamma(un_augment_job *j)
{
    if (un_augment_begins(j, UN_AUGMENT_GAMMA, j->cfg->gamma))
        do_power(j, j->cfg->gamma_range, 0);
    if (un_augment_begins(j, UN_AUGMENT_INVERSE_GAMMA, j->cfg->inverse_gamma))
        do_power(j, j->cfg->inverse_gamma_range, 1);
}

/* Gain and shift of each channel from inversion, contrast and brightness. */
static void draw_gain(un_augment_job *j, float *gain, float *shift)
{
    const un_cfg_augment *c = j->cfg;
    const un_ready *r = j->r;
    const int n = j->a->channels, own = n != 3;
    const int invert = un_augment_begins(j, UN_AUGMENT_INVERT, c->invert);
    int on = un_augment_begins(j, UN_AUGMENT_CONTRAST, c->contrast);
    double f = 1;

    for (int k = 0; k < n; k++) {
        const double mean = invert ? r->lo[k] + r->hi[k] - r->mean[k] : r->mean[k];

        if (on && (k == 0 || own))
            f = un_random_factor(&j->rng, c->contrast_range);
        gain[k] = (float)(invert ? -f : f);
        shift[k] = (float)((invert ? f * (r->lo[k] + r->hi[k]) : 0) + mean * (1 - f));
    }
    on = un_augment_begins(j, UN_AUGMENT_BRIGHTNESS, c->brightness);
    f = 0;
    for (int k = 0; k < n && on; k++) {
        if (k == 0 || own)
            f = un_either_sign(&j->rng, c->brightness_range);
        shift[k] += (float)(f * r->std[k]);
    }
}

/* Hue and saturation, then the gains, in one pass. Inversion commutes with the colour only up to a shift of the grey,
 * so the colour goes first. */
static void do_linear(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    float *gain = j->s->channel, *shift = gain + j->a->channels;
    double turns = 0, saturation = 1, m[3][3];
    un_colour_map map;

    if (!(c->invert > 0 || c->contrast > 0 || c->brightness > 0 || c->hue > 0 || c->saturation > 0 || c->grey > 0))
        return;
    draw_gain(j, gain, shift);
    if (un_augment_begins(j, UN_AUGMENT_HUE, c->hue))
        turns = un_either_sign(&j->rng, c->hue_deg / 360);
    if (un_augment_begins(j, UN_AUGMENT_SATURATION, c->saturation))
        saturation = un_rng_range(&j->rng, c->saturation_range[0], c->saturation_range[1]);
    if (un_augment_begins(j, UN_AUGMENT_GREY, c->grey))
        saturation = 0;
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

static void do_blur(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    double sigma[3];

    if (!un_augment_begins(j, UN_AUGMENT_BLUR, c->blur))
        return;
    sigma[1] = sigma[2] = un_rng_range(&j->rng, c->blur_px[0], c->blur_px[1]);
    sigma[0] = j->flat ? 0 : sigma[1] / UN_MAX(1, un_depth_ratio(&j->r->picture));
    if (!(sigma[1] > 0.05))
        return; /* nothing to see */
    un_blur_apply(j->image, j->a->size, j->a->channels, sigma, j->s->blur);
}

/* Unsharp masking: what a blur of deviation 1 takes away is added. */
static void do_sharpen(un_augment_job *j)
{
    const double sigma[3] = {
        j->flat ? 0 : UN_SHARPEN_PX / UN_MAX(1, un_depth_ratio(&j->r->picture)), UN_SHARPEN_PX, UN_SHARPEN_PX};
    const int64_t n = j->pixels * j->a->channels;
    float *blurred = j->s->spare, by;

    if (!un_augment_begins(j, UN_AUGMENT_SHARPEN, j->cfg->sharpen))
        return;
    by = (float)un_rng_range(&j->rng, 0, j->cfg->sharpen_gain);
    if (!(by > 0))
        return;
    memcpy(blurred, j->image, (size_t)n * sizeof *blurred);
    un_blur_apply(blurred, j->a->size, j->a->channels, sigma, j->s->blur);
    for (int64_t i = 0; i < n; i++)
        j->image[i] += by * (j->image[i] - blurred[i]);
}

static void do_motion(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    un_stencil taps;
    double length;

    if (!un_augment_begins(j, UN_AUGMENT_MOTION, c->motion))
        return;
    length = un_rng_range(&j->rng, c->motion_px[0], c->motion_px[1]);
    un_stencil_line(&taps, length, un_rng_uniform(&j->rng));
    un_stencil_apply(&taps, j->image, j->a->size, j->a->channels, j->s->spare);
}

static void do_defocus(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    un_stencil taps;

    if (!un_augment_begins(j, UN_AUGMENT_DEFOCUS, c->defocus))
        return;
    un_stencil_disc(&taps, un_rng_range(&j->rng, c->defocus_px[0], c->defocus_px[1]));
    un_stencil_apply(&taps, j->image, j->a->size, j->a->channels, j->s->spare);
}

static void do_lowres(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    double f;

    if (!un_augment_begins(j, UN_AUGMENT_LOWRES, c->lowres))
        return;
    f = un_random_factor(&j->rng, c->lowres_range);
    if (f < 1)
        un_lowres_apply(j->image, j->a->size, j->a->channels, (const double[3]){j->flat ? 1 : f, f, f}, j->s->spare);
}

static void do_noise(un_augment_job *j)
{
    float *std = j->s->channel;
    double most;

    if (!un_augment_begins(j, UN_AUGMENT_NOISE, j->cfg->noise))
        return;
    most = un_rng_range(&j->rng, 0, j->cfg->noise_std);
    for (int k = 0; k < j->a->channels; k++)
        std[k] = (float)(most * j->r->std[k]);
    un_noise_apply(&j->a->normal, &j->rng, std, j->image, j->pixels, j->a->channels);
}

/* ---- parts taken away; the mask stays, so that the network goes by what lies around ---- */

static void fill(const un_augment_job *j, const int from[3], const int to[3])
{
    const int *n = j->a->size, c = j->a->channels;

    for (int z = UN_MAX(0, from[0]); z < UN_MIN(n[0], to[0]); z++)
        for (int y = UN_MAX(0, from[1]); y < UN_MIN(n[1], to[1]); y++) {
            float *row = j->image + ((ptrdiff_t)z * n[1] + y) * n[2] * c;

            for (int x = UN_MAX(0, from[2]); x < UN_MIN(n[2], to[2]); x++)
                for (int k = 0; k < c; k++)
                    row[(ptrdiff_t)x * c + k] = (float)j->r->mean[k];
        }
}

static void do_cutout(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    int from[3], to[3];

    if (!un_augment_begins(j, UN_AUGMENT_CUTOUT, c->cutout))
        return;
    for (int k = 0; k < c->cutout_boxes; k++) {
        for (int a = 0; a < 3; a++) {
            const int n = j->a->size[a], all = a == 0 && j->flat;
            const int side = all ? n : (int)un_round(un_rng_range(&j->rng, 0, c->cutout_share) * n);

            from[a] = (int)un_rng_below(&j->rng, n - side + 1);
            to[a] = from[a] + side;
        }
        fill(j, from, to);
    }
}

/* Squares in the plane, through all slices. */
static void do_gridmask(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    const int *n = j->a->size;
    int period, side, at[2];

    if (!un_augment_begins(j, UN_AUGMENT_GRIDMASK, c->gridmask))
        return;
    period = (int)un_round(un_rng_range(&j->rng, c->gridmask_px[0], c->gridmask_px[1]));
    side = (int)un_round(c->gridmask_share * period);
    at[0] = (int)un_rng_below(&j->rng, period);
    at[1] = (int)un_rng_below(&j->rng, period);
    for (int y = -at[0]; y < n[1] && side > 0; y += period)
        for (int x = -at[1]; x < n[2]; x += period)
            fill(j, (const int[3]){0, y, x}, (const int[3]){n[0], y + side, x + side});
}

void un_augment_values(un_augment_job *j)
{
    do_stain(j);
    do_gamma(j);
    un_augment_tones(j);
    do_linear(j);
    un_augment_weather(j);
    do_blur(j);
    do_motion(j);
    do_defocus(j);
    do_sharpen(j);
    do_lowres(j);
    un_augment_scanner(j);
    do_noise(j);
    un_augment_files(j);
    do_cutout(j);
    do_gridmask(j);
}
