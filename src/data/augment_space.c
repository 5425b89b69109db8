/* Spatial operations: each becomes a part of the one map of positions (data/warp.h). */
#include "base/size.h"
#include "data/augment_job.h"

double un_depth_ratio(const un_picture *p)
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

static void draw_flips(un_augment_job *j, un_warp *w)
{
    const un_cfg_augment *c = j->cfg;
    const int axes[3] = {
        j->r->picture.d > 1 && (c->flip_axes == UN_CFG_FLIP_DHW || (c->flip_axes == UN_CFG_FLIP_AUTO && !j->flat)),
        c->flip_axes != UN_CFG_FLIP_W, 1};

    int flip[3];

    flip[2] = un_augment_begins(j, UN_AUGMENT_FLIP, c->flip);
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

static void draw_rot90(un_augment_job *j, un_warp *w)
{
    static const double quarter[4][2] = {{1, 0}, {0, 1}, {-1, 0}, {0, -1}}; /* cosine, sine */
    const double *s = j->r->picture.spacing;
    const int square = !(s[1] > 0 && s[2] > 0) || (s[1] < 1.1 * s[2] && s[2] < 1.1 * s[1]);

    if (un_augment_begins(j, UN_AUGMENT_ROT90, j->cfg->rot90) && square) {
        const double *q = quarter[un_rng_below(&j->rng, 4)];
        const double t[3][3] = {{1, 0, 0}, {0, q[0], -q[1]}, {0, q[1], q[0]}};

        un_warp_then(w, t);
    }
}

/* In volumes whose slices are near each other all three planes are turned; rotations act on mm, not on pixels. */
static void draw_rotation(un_augment_job *j, un_warp *w)
{
    const double most = j->cfg->rotate_deg / 360, ratio = un_depth_ratio(&j->r->picture);
    const double to_mm[3][3] = {{ratio, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                 from_mm[3][3] = {{1 / ratio, 0, 0}, {0, 1, 0}, {0, 0, 1}};

    if (!un_augment_begins(j, UN_AUGMENT_ROTATE, j->cfg->rotate) || !(most > 0))
        return;
    if (!j->flat)
        un_warp_then(w, from_mm);
    turn_plane(w, un_either_sign(&j->rng, most));
    for (int other = 1; other < 3 && !j->flat; other++) {
        const double turns = un_either_sign(&j->rng, most), co = un_cos2pi(turns), si = un_sin2pi(turns);
        double t[3][3] = {{co, 0, 0}, {0, 1, 0}, {0, 0, 1}};

        t[other][other] = co;
        t[0][other] = -si;
        t[other][0] = si;
        un_warp_then(w, t);
    }
    if (!j->flat)
        un_warp_then(w, to_mm);
}

static void draw_scale(un_augment_job *j, un_warp *w)
{
    if (un_augment_begins(j, UN_AUGMENT_SCALE, j->cfg->scale)) {
        const double f = 1 / un_random_factor(&j->rng, j->cfg->scale_range);
        const double t[3][3] = {{j->flat ? 1 : f, 0, 0}, {0, f, 0}, {0, 0, f}};

        un_warp_then(w, t);
    }
}

static unet_status draw_elastic(un_augment_job *j, un_warp *w, unet_error *err)
{
    const un_cfg_augment *c = j->cfg;
    const double ratio = un_depth_ratio(&j->r->picture), px = c->elastic_px;
    const double cell[3] = {
        j->flat ? 0 : UN_MAX(1, c->elastic_grid_px / ratio), c->elastic_grid_px, c->elastic_grid_px};
    const double most[3] = {j->flat ? 0 : px / ratio, px, px};

    if (!un_augment_begins(j, UN_AUGMENT_ELASTIC, c->elastic) || !(px > 0))
        return UNET_OK;
    return un_warp_elastic(w, j->s->warp, cell, most, &j->rng, err);
}

/* Along w as h goes on, then along h as w does; in volumes along w as depth does. Areas and volumes stay. */
static void draw_shear(un_augment_job *j, un_warp *w)
{
    const double most = j->cfg->shear_deg / 360, ratio = un_depth_ratio(&j->r->picture);

    if (!un_augment_begins(j, UN_AUGMENT_SHEAR, j->cfg->shear) || !(most > 0))
        return;
    for (int from = 1; from >= (j->flat ? 1 : 0); from--)
        for (int turn = 0; turn < 1 + from; turn++) {
            const double angle = un_either_sign(&j->rng, most), tan = un_sin2pi(angle) / un_cos2pi(angle);
            double t[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};

            t[turn ? 1 : 2][turn ? 2 : from] = from ? tan : tan * ratio;
            un_warp_then(w, t);
        }
}

/* By whole pixels of the patch, so that nothing is smoothed. */
static void draw_translation(un_augment_job *j, un_warp *w)
{
    const double most = j->cfg->translate_share;

    if (!un_augment_begins(j, UN_AUGMENT_TRANSLATE, j->cfg->translate))
        return;
    for (int b = 2; b >= (j->flat ? 1 : 0); b--) {
        const double by = un_round(un_either_sign(&j->rng, most) * w->size[b]);

        for (int a = 0; a < 3; a++)
            w->at[a] += w->m[a][b] * by;
    }
}

static void draw_perspective(un_augment_job *j, un_warp *w)
{
    const double most = j->cfg->perspective_share;
    double share[3] = {0};

    if (!un_augment_begins(j, UN_AUGMENT_PERSPECTIVE, j->cfg->perspective) || !(most > 0))
        return;
    for (int b = 2; b >= (j->flat ? 1 : 0); b--)
        share[b] = un_either_sign(&j->rng, most);
    un_warp_tilt(w, share);
}

static void draw_grid(un_augment_job *j, un_warp *w)
{
    const un_cfg_augment *c = j->cfg;
    double change[UN_WARP_CELLS];

    if (!un_augment_begins(j, UN_AUGMENT_GRID, c->grid) || !(c->grid_change > 0))
        return;
    for (int b = 2; b >= (j->flat ? 1 : 0); b--) {
        for (int i = 0; i < c->grid_cells; i++)
            change[i] = un_either_sign(&j->rng, c->grid_change);
        un_warp_bend(w, j->s->warp, b, c->grid_cells, change);
    }
}

unet_status un_augment_space(un_augment_job *j, un_warp *w, unet_error *err)
{
    draw_flips(j, w);
    draw_rot90(j, w);
    draw_rotation(j, w);
    draw_scale(j, w);
    draw_shear(j, w);
    draw_translation(j, w);
    draw_perspective(j, w);
    draw_grid(j, w);
    return draw_elastic(j, w, err);
}
