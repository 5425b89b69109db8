/* Augmentation: what is done to a sample follows from (seed, step, sample) and the configuration alone.
 *
 * Spatial operations become one map (data/warp.h), the others follow on the values in the order of data/augment.def.
 * Each draws from its own stream, so that switching one off leaves the others as they were. docs/augmentation.md has
 * ranges and reasons. */
#ifndef UN_DATA_AUGMENT_H
#define UN_DATA_AUGMENT_H

#include "config/config.h"
#include "data/sampler.h"
#include "data/tone.h"
#include "data/warp.h"

typedef enum un_augment_op {
#define UN_AUGMENT(ID, number, name, where, help) UN_AUGMENT_##ID = number,
#include "data/augment.def"
} un_augment_op;

/* How many; their numbers are 0 to one less. */
enum {
    UN_AUGMENT_COUNT = 0
#define UN_AUGMENT(ID, number, name, where, help) +1
#include "data/augment.def"
};

/* What an operation works on: positions, values, values of three channels, of two or more, two samples (data/mix.h). */
typedef enum un_augment_where {
    UN_AUGMENT_IN_SPACE,
    UN_AUGMENT_IN_VALUE,
    UN_AUGMENT_IN_COLOUR,
    UN_AUGMENT_IN_CHANNELS,
    UN_AUGMENT_IN_BETWEEN
} un_augment_where;

typedef struct un_augment_row {
    const char *name; /* the key of its probability */
    un_augment_where where;
} un_augment_row;
const un_augment_row *un_augment_row_of(un_augment_op op);
int un_augment_strengths(un_augment_op op); /* keys that say how strong it is; 0: all or nothing */
/* Whether pictures of so many channels can have it. */
int un_augment_fits(un_augment_op op, int channels);
double *un_augment_chance(un_cfg_augment *c, un_augment_op op); /* its probability */
/* Brings the strengths of an operation (settled) nearer to where it changes nothing: 1 leaves them, 0 stills it. */
void un_augment_weaken(un_cfg_augment *c, un_augment_op op, double magnitude);

/* Puts numbers where the section says auto, by its policy. */
void un_augment_settle(const un_cfg_augment *in, un_cfg_augment *out);

typedef struct un_augment un_augment;
/* size: of the patch d, h, w. */
UN_NODISCARD unet_status un_augment_create(
    un_augment **out, un_mem *mem, const un_cfg_augment *cfg, const int size[3], int channels, unet_error *err);
void un_augment_destroy(un_augment *a);                       /* NULL is fine */
const un_cfg_augment *un_augment_config(const un_augment *a); /* settled */

/* Memory of one thread. */
typedef struct un_augment_scratch un_augment_scratch;
UN_NODISCARD unet_status un_augment_scratch_create(
    un_augment_scratch **out, un_mem *mem, const un_augment *a, unet_error *err);
void un_augment_scratch_destroy(un_augment_scratch *s); /* NULL is fine */

typedef struct un_draw {
    uint64_t seed;
    int64_t step; /* from 1, below 2^32 */
    int sample;   /* in the batch of the step */
} un_draw;

/* Cuts the window at `start` (un_sampler_crop) out of the picture, augmented. Thread-safe with a scratch each. */
UN_NODISCARD unet_status un_augment_run(const un_augment *a, un_augment_scratch *s, const un_ready *r,
    const int start[3], const un_draw *draw, const un_patch *out, unet_error *err);

#endif
