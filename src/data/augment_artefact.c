/* Noise, artefacts of scanners, weather and files, and equalisation, in the order of data/augment.def. */
#include <string.h>

#include "base/size.h"
#include "base/wide.h"
#include "data/artefact.h"
#include "data/augment_job.h"
#include "data/degrade.h"
#include "data/equalise.h"

/* ---- tone ---- */

/* Another window of the scanner: what lies outside is cut. One for all channels. */
static void do_window(un_augment_job *j)
{
    const double most = j->cfg->window_range;
    const int c = j->a->channels;
    double a, b;

    if (!un_augment_begins(j, UN_AUGMENT_WINDOW, j->cfg->window) || !(most > 0))
        return;
    a = un_either_sign(&j->rng, most);
    b = un_either_sign(&j->rng, most);
    for (int k = 0; k < c; k++) {
        const double range = j->r->hi[k] - j->r->lo[k];
        const float lo = (float)j->r->lo[k], hi = (float)j->r->hi[k], from = (float)(j->r->lo[k] + a * range);
        const float gain = (float)(1 / (1 + b - a));

        for (int64_t i = k; i < j->pixels * c; i += c) {
            const float v = lo + (j->image[i] - from) * gain;

            j->image[i] = v < lo ? lo : v > hi ? hi : v;
        }
    }
}

static void do_equalise(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    const un_ready *r = j->r;
    const int n = j->a->channels;
    double share;

    if (un_augment_begins(j, UN_AUGMENT_EQUALISE, c->equalise)) {
        share = un_rng_range(&j->rng, 0, c->equalise_share);
        if (share > 0)
            un_equalise_apply(share, n == 3, r->lo, r->hi, j->image, j->pixels, n);
    }
    if (un_augment_begins(j, UN_AUGMENT_CLAHE, c->clahe)) {
        share = un_rng_range(&j->rng, 0, c->clahe_share);
        if (share > 0)
            un_clahe_apply(share, c->clahe_clip, n == 3, r->lo, r->hi, j->image, j->a->size, n);
    }
}

/* Up to so many channels are mixed with each other, above each stays alone. */
enum { MIXED = 8 };
typedef struct texture {
    float m[MIXED][MIXED], sum, share; /* sum: of the kernel's weights */
} texture;

/* v, which is `was` under the kernel: channels k to k + mixed of n pixels. */
static inline __attribute__((always_inline)) void mix_texture(
    const texture *t, float *restrict v, const float *restrict was, int64_t n, int c, int mixed, const float *mean)
{
    for (int64_t p = 0; p < n; p++, v += c, was += c) {
        float out[MIXED];

        for (int a = 0; a < mixed; a++) {
            out[a] = 0;
            for (int i = 0; i < mixed; i++)
                out[a] += t->m[a][i] * (v[i] - mean[i] * t->sum);
        }
        for (int a = 0; a < mixed; a++)
            v[a] = was[a] + t->share * (mean[a] + out[a] - was[a]);
    }
}

UN_WIDE static void apply_texture(const texture *t, float *v, const float *was, int64_t n, int c, const float *mean)
{
    if (c == 1)
        mix_texture(t, v, was, n, 1, 1, mean);
    else if (c == 3)
        mix_texture(t, v, was, n, 3, 3, mean);
    else if (c <= MIXED)
        mix_texture(t, v, was, n, c, c, mean);
    else
        for (int k = 0; k < c; k++)
            mix_texture(t, v + k, was + k, n, c, 1, mean + k);
}

static void do_random_conv(un_augment_job *j)
{
    const int c = j->a->channels, mixed = c <= MIXED ? c : 1;
    un_stencil t = {.n = 9};
    texture x = {.sum = 0};

    if (!un_augment_begins(j, UN_AUGMENT_RANDOM_CONV, j->cfg->random_conv))
        return;
    x.share = (float)un_rng_range(&j->rng, 0, j->cfg->random_conv_share);
    if (!(x.share > 0))
        return;
    for (int i = 0; i < 9; i++) {
        t.dy[i] = i / 3 - 1;
        t.dx[i] = i % 3 - 1;
        t.weight[i] = (float)(un_rng_normal(&j->rng) / 3);
        x.sum += t.weight[i];
    }
    for (int k = 0; k < mixed; k++)
        for (int i = 0; i < mixed; i++)
            x.m[k][i] = (float)(un_rng_normal(&j->rng) / un_sqrt(mixed));
    for (int k = 0; k < c; k++)
        j->s->channel[k] = (float)j->r->mean[k];
    un_stencil_apply(&t, j->image, j->a->size, c, j->s->spare);
    apply_texture(&x, j->image, j->s->spare, j->pixels, c, j->s->channel);
}

static void do_bias_field(un_augment_job *j)
{
    const double most = j->cfg->bias_field_range;
    double coefficient[UN_BIAS_TERMS];

    if (!un_augment_begins(j, UN_AUGMENT_BIAS_FIELD, j->cfg->bias_field) || !(most > 0))
        return;
    for (int i = 0; i < UN_BIAS_TERMS; i++)
        coefficient[i] = un_either_sign(&j->rng, most);
    un_bias_apply(coefficient, j->r->lo, j->image, j->a->size, j->a->channels);
}

void un_augment_tones(un_augment_job *j)
{
    do_window(j);
    do_equalise(j);
    do_random_conv(j);
    do_bias_field(j);
}

/* ---- channels, weather ---- */

static void shuffle_colours(float *v, int64_t pixels, const float *from)
{
    const int a = (int)from[0], b = (int)from[1], c = (int)from[2];

    for (int64_t i = 0; i < pixels; i++, v += 3) {
        const float x = v[a], y = v[b], z = v[c];

        v[0] = x;
        v[1] = y;
        v[2] = z;
    }
}

static void do_channels(un_augment_job *j)
{
    const int c = j->a->channels;
    float *from = j->s->channel, *was = from + c;

    if (c > 1 && un_augment_begins(j, UN_AUGMENT_CHANNEL_SHUFFLE, j->cfg->channel_shuffle)) {
        for (int k = 0; k < c;
             k++) { /* Fisher and Yates, from the inside out; numbers of channels are exact in float */
            const int other = (int)un_rng_below(&j->rng, k + 1);

            from[k] = from[other];
            from[other] = (float)k;
        }
        if (c == 3)
            shuffle_colours(j->image, j->pixels, from);
        else
            for (float *v = j->image, *end = v + j->pixels * c; v < end; v += c) {
                memcpy(was, v, (size_t)c * sizeof *v);
                for (int k = 0; k < c; k++)
                    v[k] = was[(int)from[k]];
            }
    }
    if (c > 1 && un_augment_begins(j, UN_AUGMENT_CHANNEL_DROP, j->cfg->channel_drop)) {
        const int k = (int)un_rng_below(&j->rng, c);

        for (int64_t i = k; i < j->pixels * c; i += c)
            j->image[i] = (float)j->r->mean[k];
    }
}

/* The plane of a wave or of a veil, all 0, and room for a row of tables behind it. */
static float *clear_plane(un_augment_job *j)
{
    const size_t n = (size_t)j->a->size[1] * (size_t)j->a->size[2];

    memset(j->s->plane, 0, n * sizeof *j->s->plane);
    return j->s->plane + n;
}

/* Each pixel of all slices the share of the plane of the way to the value of its channel. */
static void veil(un_augment_job *j, const double *to)
{
    const int64_t n = (int64_t)j->a->size[1] * j->a->size[2];
    const int c = j->a->channels;
    float *v = j->image;

    for (int z = 0; z < j->a->size[0]; z++)
        for (int64_t i = 0; i < n; i++, v += c)
            for (int k = 0; k < c; k++)
                v[k] += j->s->plane[i] * ((float)to[k] - v[k]);
}

/* A veil of the brightest value, uneven as clouds are. */
static void do_haze(un_augment_job *j)
{
    enum { WAVES = 4 };
    const int h = j->a->size[1], w = j->a->size[2];
    float *row, dense;

    if (!un_augment_begins(j, UN_AUGMENT_HAZE, j->cfg->haze))
        return;
    dense = (float)un_rng_range(&j->rng, 0, j->cfg->haze_share);
    if (!(dense > 0))
        return;
    row = clear_plane(j);
    for (int i = 0; i < WAVES; i++) {
        const double fy = un_either_sign(&j->rng, 2), fx = un_either_sign(&j->rng, 2), phase = un_rng_uniform(&j->rng);

        un_wave_add(j->s->plane, h, w, fy, fx, phase, 0.5 / WAVES, row);
    }
    for (int64_t i = 0; i < (int64_t)h * w; i++)
        j->s->plane[i] = dense * (0.5f + j->s->plane[i]);
    veil(j, j->r->hi);
}

/* A layer somewhere in the patch, 3 to 9 sides, up to `width` pixels wide. */
static un_layer draw_layer(un_augment_job *j, double width)
{
    const double y = un_rng_range(&j->rng, 0, j->a->size[1]), x = un_rng_range(&j->rng, 0, j->a->size[2]);
    const double radius = width / 2 * un_rng_range(&j->rng, 0.2, 1), turn = un_rng_uniform(&j->rng);
    un_layer l = {.sides = 3 + (int)un_rng_below(&j->rng, UN_LAYER_SIDES - 2)};

    for (int i = 0; i < l.sides; i++) {
        const double at = turn + (double)i / l.sides, dy = un_sin2pi(at), dx = un_cos2pi(at);

        l.dy[i] = (float)dy;
        l.dx[i] = (float)dx;
        l.from[i] = (float)(-dy * y - dx * x - radius * un_rng_range(&j->rng, 0.5, 1));
    }
    l.opacity = (float)un_rng_range(&j->rng, 0, j->cfg->shade_share);
    return l;
}

/* Thin layers, all towards the darkest or all towards the brightest value: shadows, light, tissue above another. */
static void do_shade(un_augment_job *j)
{
    const int h = j->a->size[1], w = j->a->size[2];
    const int64_t n = (int64_t)h * w;
    const double *to;
    float *plane = j->s->plane;
    int layers;

    if (!un_augment_begins(j, UN_AUGMENT_SHADE, j->cfg->shade) || !(j->cfg->shade_share > 0))
        return;
    to = un_rng_uniform(&j->rng) < 0.5 ? j->r->lo : j->r->hi;
    layers = 1 + (int)un_rng_below(&j->rng, j->cfg->shade_layers);
    for (int64_t i = 0; i < n; i++)
        plane[i] = 1;
    for (int i = 0; i < layers; i++) {
        const un_layer l = draw_layer(j, j->cfg->shade_width * UN_MIN(h, w));

        un_layer_cover(&l, plane, h, w);
    }
    for (int64_t i = 0; i < n; i++)
        plane[i] = 1 - plane[i];
    veil(j, to);
}

void un_augment_weather(un_augment_job *j)
{
    do_channels(j);
    do_haze(j);
    do_shade(j);
}

/* ---- scanners and noise ---- */

static void do_ghosting(un_augment_job *j)
{
    const un_cfg_augment *c = j->cfg;
    double gain;
    int axis, copies;

    if (!un_augment_begins(j, UN_AUGMENT_GHOSTING, c->ghosting))
        return;
    gain = un_rng_range(&j->rng, 0, c->ghosting_gain);
    axis = 1 + (int)un_rng_below(&j->rng, 2);
    copies = 2 + (int)un_rng_below(&j->rng, c->ghosting_copies - 1);
    if (gain > 0)
        un_ghosts_apply(axis, copies, gain, j->r->mean, j->image, j->a->size, j->a->channels, j->s->spare);
}

static void do_spike(un_augment_job *j)
{
    const int h = j->a->size[1], w = j->a->size[2], c = j->a->channels;
    const int64_t n = (int64_t)h * w;
    double amplitude, fy, fx, phase;
    float *row, *v = j->image;

    if (!un_augment_begins(j, UN_AUGMENT_SPIKE, j->cfg->spike))
        return;
    amplitude = un_rng_range(&j->rng, 0, j->cfg->spike_std);
    fy = (double)(un_rng_below(&j->rng, h) - h / 2);
    fx = (double)(1 + un_rng_below(&j->rng, UN_MAX(1, w / 2)));
    phase = un_rng_uniform(&j->rng);
    if (!(amplitude > 0))
        return;
    row = clear_plane(j);
    un_wave_add(j->s->plane, h, w, fy, fx, phase, amplitude, row);
    for (int z = 0; z < j->a->size[0]; z++)
        for (int64_t i = 0; i < n; i++, v += c)
            for (int k = 0; k < c; k++)
                v[k] += (float)j->r->std[k] * j->s->plane[i];
}

/* One shift for each line along w or along h, the same in all slices and channels (times their deviation). */
static void do_stripes(un_augment_job *j)
{
    const int *n = j->a->size, c = j->a->channels;
    float *line = j->s->plane, *v = j->image;
    double most;
    int across;

    if (!un_augment_begins(j, UN_AUGMENT_STRIPES, j->cfg->stripes))
        return;
    most = un_rng_range(&j->rng, 0, j->cfg->stripes_std);
    across = 1 + (int)un_rng_below(&j->rng, 2);
    if (!(most > 0))
        return;
    for (int i = 0; i < n[across]; i++)
        line[i] = (float)(most * un_rng_normal(&j->rng));
    for (int z = 0; z < n[0]; z++)
        for (int y = 0; y < n[1]; y++)
            for (int x = 0; x < n[2]; x++, v += c)
                for (int k = 0; k < c; k++)
                    v[k] += (float)j->r->std[k] * line[across == 1 ? y : x];
}

/* Normal numbers of deviation 1 for all values. */
static const float *normals(un_augment_job *j)
{
    const int c = j->a->channels;

    for (int k = 0; k < c; k++)
        j->s->channel[k] = 1;
    memset(j->s->spare, 0, (size_t)(j->pixels * c) * sizeof *j->s->spare);
    un_noise_apply(&j->a->normal, &j->rng, j->s->channel, j->s->spare, j->pixels, c);
    return j->s->spare;
}

/* Channel v[0] of pixels of c floats, z likewise: values above lo get z times their root (in the range), or times them.
 */
static inline __attribute__((always_inline)) void grow(
    float *restrict v, const float *restrict z, int64_t n, int c, float std, float lo, float range, int root)
{
    for (int64_t i = 0; i < n * c; i += c) {
        const float up = v[i] - lo, above = up > 0 ? up : 0;

        v[i] += std * z[i] * (root ? __builtin_sqrtf(above * range) : above);
    }
}

UN_WIDE static void grow_noise(
    float *restrict v, const float *restrict z, int64_t n, int c, float std, float lo, float range, int root)
{
    if (c == 1 && root)
        grow(v, z, n, 1, std, lo, range, 1);
    else if (c == 1)
        grow(v, z, n, 1, std, lo, range, 0);
    else if (root)
        grow(v, z, n, c, std, lo, range, 1);
    else
        grow(v, z, n, c, std, lo, range, 0);
}

/* Noise that grows with the value: its root (photons, the normal of Poisson's variance) or the value (speckle). */
static void do_grown_noise(un_augment_job *j, double std, int root)
{
    const int c = j->a->channels;
    const float *z = normals(j);

    for (int k = 0; k < c; k++)
        grow_noise(j->image + k, z + k, j->pixels, c, (float)std, (float)j->r->lo[k],
            (float)(j->r->hi[k] - j->r->lo[k]), root);
}

static void do_photons(un_augment_job *j)
{
    double std;

    if (un_augment_begins(j, UN_AUGMENT_POISSON, j->cfg->poisson)) {
        std = un_rng_range(&j->rng, 0, j->cfg->poisson_std);
        if (std > 0)
            do_grown_noise(j, std, 1);
    }
    if (un_augment_begins(j, UN_AUGMENT_SPECKLE, j->cfg->speckle)) {
        std = un_rng_range(&j->rng, 0, j->cfg->speckle_std);
        if (std > 0)
            do_grown_noise(j, std, 0);
    }
}

void un_augment_scanner(un_augment_job *j)
{
    do_ghosting(j);
    do_spike(j);
    do_stripes(j);
    do_photons(j);
}

/* Goes from hit to hit, so that few hits cost little. */
static void do_salt_pepper(un_augment_job *j)
{
    const int c = j->a->channels;
    double share, log_miss;

    if (!un_augment_begins(j, UN_AUGMENT_SALT_PEPPER, j->cfg->salt_pepper))
        return;
    share = un_rng_range(&j->rng, 0, j->cfg->salt_pepper_share);
    if (!(share > 0))
        return;
    log_miss = un_log(1 - share);
    for (int64_t i = -1;;) {
        const double skip = un_floor(un_log(1 - un_rng_uniform(&j->rng)) / log_miss);
        const double *to = un_rng_u32(&j->rng) & 1 ? j->r->hi : j->r->lo;

        if (!(skip < (double)(j->pixels - i - 1)))
            return;
        i += 1 + (int64_t)skip;
        for (int k = 0; k < c; k++)
            j->image[i * c + k] = (float)to[k];
    }
}

static void do_jpeg(un_augment_job *j)
{
    double loss;

    if (!un_augment_begins(j, UN_AUGMENT_JPEG, j->cfg->jpeg))
        return;
    loss = un_rng_range(&j->rng, 0, j->cfg->jpeg_loss);
    if (loss > 0)
        un_jpeg_apply(100 * (1 - loss), j->r->lo, j->r->hi, j->image, j->a->size, j->a->channels);
}

void un_augment_files(un_augment_job *j)
{
    do_salt_pepper(j);
    do_jpeg(j);
}
