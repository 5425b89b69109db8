/* What the files of the augmentation share: one sample at work. */
#ifndef UN_DATA_AUGMENT_JOB_H
#define UN_DATA_AUGMENT_JOB_H

#include "base/math.h"
#include "data/augment.h"

struct un_augment {
    un_cfg_augment cfg;
    int size[3], channels;
    un_normal_table normal;
};

struct un_augment_scratch {
    un_warp_scratch *warp;
    float *blur, *channel; /* channel: gain, shift, noise of each */
    float *spare;          /* as large as the image; NULL: no operation that is on needs it */
    float *plane;          /* h w floats and a row of tables; NULL likewise */
    double *gamma;         /* of each channel */
    un_mem *mem;
    un_patch other; /* room for a patch that is mixed in; parts that were not asked for yet are NULL */
};

/* What the operations of one sample share. */
typedef struct un_augment_job {
    const un_augment *a;
    const un_cfg_augment *cfg; /* of this sample */
    un_augment_scratch *s;
    const un_ready *r;
    const un_draw *draw;
    float *image;
    int64_t pixels;
    un_rng rng; /* of the operation at hand */
    int flat;   /* 1: 2-D, or slices so far apart that only the plane is turned, scaled and bent */
} un_augment_job;

/* Starts the stream of an operation; whether it takes place. Nothing is drawn for one that is off. */
static inline int un_draw_begins(un_rng *r, const un_draw *d, un_augment_op op, double probability)
{
    un_rng_init(r, d->seed, UN_RNG_AUGMENT, (uint32_t)d->step, (uint32_t)d->sample, (uint32_t)op);
    return probability > 0 && un_rng_uniform(r) < probability;
}

static inline int un_augment_begins(un_augment_job *j, un_augment_op op, double probability)
{
    return un_draw_begins(&j->rng, j->draw, op, probability);
}

static inline double un_either_sign(un_rng *r, double most)
{
    return un_rng_range(r, -most, most);
}

/* A factor between lo and hi, as often below 1 as above where both are possible (uniform in the logarithm). */
static inline double un_random_factor(un_rng *r, const double range[2])
{
    return un_exp(un_rng_range(r, un_log(range[0]), un_log(range[1])));
}

/* Distance of the slices in pixels of the plane; 1 where spacings are unknown. */
double un_depth_ratio(const un_picture *p);

/* Draws the spatial operations into the map. UNET_E_NOMEM only. */
UN_NODISCARD unet_status un_augment_space(un_augment_job *j, un_warp *w, unet_error *err);
/* Window, equalisation, random convolution, bias field. */
void un_augment_tones(un_augment_job *j);
/* Channels and haze. */
void un_augment_weather(un_augment_job *j);
/* Ghosts, spikes, stripes, noise that grows with the value. */
void un_augment_scanner(un_augment_job *j);
/* Single pixels and JPEG. */
void un_augment_files(un_augment_job *j);
/* The operations on values, in their order. */
void un_augment_values(un_augment_job *j);

#endif
