/* What memory and time allow: filters, patch, micro-batch, whether blocks are computed twice, pictures kept. */
#include "data/plan_parts.h"

#include <string.h>

#include "base/math.h"
#include "base/size.h"

enum {
    SMALL_DATA = 2000000, /* training pixels below which 32 filters are enough */
    DEFAULT_SECONDS = 1800
};
static const uint64_t LITTLE_MEMORY = (uint64_t)4 << 30; /* below, predictions get less than they like */

int un_plan_longest(const un_planner *p, const int patch[3])
{
    int axis = -1, most = 1;

    for (int a = 0; a < 3; a++)
        if (patch[a] / p->grid[a] >= most && patch[a] / p->grid[a] > 1) {
            most = patch[a] / p->grid[a];
            axis = a;
        }
    return axis;
}

/* All training pictures as the pipeline keeps them: values, classes (of each pixel, or a plane each and a weight), and
 * what a picture has beside its pixels. */
static double cache_for_all(const un_planner *p)
{
    const un_cfg_model *m = &p->cfg->model;
    const double planes = m->head == UN_CFG_HEAD_MULTILABEL ? m->classes + 1 : 1;

    return p->f->train_pixels * (4.0 * (m->in_channels + planes) + m->classes / 1024.0) +
           p->f->role[UN_ROLE_TRAIN] * (4096.0 + 32.0 * m->classes);
}

/* Where the machine has little, the most is settled too, since a prediction may hold a quarter of it. */
void un_plan_settle_limits(un_planner *p)
{
    un_cfg_train *t = &p->cfg->train;
    const double all = cache_for_all(p);
    const uint64_t here = p->limits->mem_bytes;
    uint64_t mem;

    if (un_is_auto(t->threads))
        t->threads = UN_MAX(p->limits->threads, 1);
    mem = !un_is_auto(t->mem) ? t->mem : here ? here : UINT64_MAX / 4;
    if (un_is_auto(t->mem) && mem < LITTLE_MEMORY) {
        t->mem = mem;
        un_plan_because(p, "train.mem", "%.0f MiB are free here", (double)mem / 1048576);
    }
    p->free_cache = un_is_auto(t->cache);
    if (p->free_cache)
        t->cache = all < (double)(mem / 4) ? (uint64_t)all : mem / 4;
    p->room = mem;
    if (un_is_auto(t->time) && un_is_auto(t->steps) && un_is_auto(t->epochs)) {
        t->time = p->limits->seconds > 0 ? p->limits->seconds : DEFAULT_SECONDS;
        if (p->limits->seconds <= 0)
            un_plan_because(p, "train.time", "neither time nor steps were given: half an hour");
    }
}

/* Micro-batches that divide the batch, largest first: the next below `from`; 0: none. */
static int next_ghost(const un_planner *p, int from)
{
    const int least = p->cfg->model.norm == UN_CFG_NORM_BATCH ? UN_MIN(2, p->cfg->train.batch) : 1;

    for (int g = from - 1; g >= least; g--)
        if (p->cfg->train.batch % g == 0)
            return g;
    return 0;
}

/* Finds the first of (micro-batch, recompute) that fits with this patch: less at once before computing twice.
 * *fits: found. *least: the smallest peak seen. */
static unet_status fit_patch(un_planner *p, const int patch[3], int *fits, uint64_t *least)
{
    un_cfg_train *t = &p->cfg->train;
    const int told_ghost = t->ghost_batch, told_recompute = (int)t->recompute, free_ghost = un_is_auto(told_ghost);
    unet_status st = UNET_OK;

    *fits = 0;
    memcpy(t->patch, patch, sizeof t->patch);
    for (int g = free_ghost ? t->batch : told_ghost; g && !*fits && !st; g = free_ghost ? next_ghost(p, g) : 0)
        for (int r = 0; r < 2 && !*fits && !st; r++) {
            double seconds;
            uint64_t bytes;
            const int last = !free_ghost || !next_ghost(p, g);

            if (r ? told_recompute != UN_CFG_RECOMPUTE_ON && (told_recompute != UN_CFG_RECOMPUTE_AUTO || !last)
                  : told_recompute == UN_CFG_RECOMPUTE_ON)
                continue;
            t->ghost_batch = g;
            t->recompute = r                                         ? UN_CFG_RECOMPUTE_ON
                           : told_recompute == UN_CFG_RECOMPUTE_AUTO ? UN_CFG_RECOMPUTE_NORMS
                                                                     : (un_cfg_recompute)told_recompute;
            st = un_plan_estimate(p, &seconds, &bytes);
            if (!st && bytes < *least)
                *least = bytes;
            *fits = !st && bytes <= p->room;
        }
    if (*fits)
        return st;
    t->ghost_batch = told_ghost;
    t->recompute = (un_cfg_recompute)told_recompute;
    return st;
}

static int smaller(const un_planner *p, int patch[3])
{
    const int axis = un_plan_longest(p, patch);

    if (axis < 0 || patch[axis] <= 2 * p->grid[axis] || patch[axis] - p->grid[axis] < p->least[axis])
        return 0;
    patch[axis] -= p->grid[axis];
    return 1;
}

/* Steps that a width is worth: below, a narrower network learns more in the same time. */
static const struct {
    int filters;
    double steps;
} widths[] = {{8, 0}, {16, 700}, {24, 2500}, {32, 5000}, {48, 10000}, {64, 20000}};

/* The widest network that gets its steps, by time or as told. */
static unet_status filters_by_time(un_planner *p, int *out)
{
    un_cfg_model *m = &p->cfg->model;
    un_cfg_train *t = &p->cfg->train;
    const int told_ghost = t->ghost_batch, told_patch[3] = {t->patch[0], t->patch[1], t->patch[2]};
    const int most = p->f->train_pixels < SMALL_DATA ? 32 : 64;
    unet_status st = UNET_OK;
    double steps = 0;

    memcpy(t->patch, p->target, sizeof t->patch);
    if (un_is_auto(t->ghost_batch))
        t->ghost_batch = t->batch;
    *out = 0;
    for (size_t i = 0; i < UN_COUNT(widths) && widths[i].filters <= most && !st; i++) {
        double seconds = 1;
        uint64_t bytes;

        m->base_filters = widths[i].filters;
        st = un_plan_estimate(p, &seconds, &bytes);
        steps = !un_is_auto(t->steps)  ? (double)t->steps
                : !un_is_auto(t->time) ? UN_PLAN_SHARE_FOR_STEPS * t->time / seconds
                                       : t->epochs * p->f->role[UN_ROLE_TRAIN] / t->batch;
        if (st || steps < widths[i].steps) /* wider ones are slower still and ask for more */
            break;
        *out = (int)i;
    }
    m->base_filters = UN_AUTO_INT;
    t->ghost_batch = told_ghost;
    memcpy(t->patch, told_patch, sizeof told_patch);
    return st;
}

/* Whether the smallest plan fits so much memory; *least: what it takes. */
static unet_status fits_memory(un_planner *p, const int patch[3], uint64_t mem, int *fits, uint64_t *least)
{
    p->room = p->cfg->train.mem = mem;
    *least = UINT64_MAX;
    return fit_patch(p, patch, fits, least);
}

/* The least whole MiB at which the smallest plan fits: both it and a MiB less were tried. */
static unet_status too_large(un_planner *p, const int patch[3], uint64_t least)
{
    const uint64_t mib = 1 << 20, here = p->room;
    uint64_t needs = 0;
    int fits = 0;
    unet_status st = UNET_OK;

    while (!st && !fits) {
        needs = UN_MAX(needs + 1, (least + mib - 1) / mib);
        st = fits_memory(p, patch, needs * mib, &fits, &least);
    }
    while (!st && fits && (needs - 1) * mib > here) {
        st = fits_memory(p, patch, (needs - 1) * mib, &fits, &least);
        needs -= !st && fits;
    }
    return st ? st
              : un_fail_file(p->err, UNET_E_LIMIT, "train.mem",
                    "%.0f MiB are not enough: the smallest plan needs %.0f MiB", (double)here / (double)mib,
                    (double)needs);
}

/* Nothing fits with the cache that pictures usually get: the smallest plan without one, and half of what it leaves for
 * pictures; or the memory that it needs. */
static unet_status smallest_plan(un_planner *p, const int patch[3])
{
    un_cfg_train *t = &p->cfg->train;
    const uint64_t usual = t->cache;
    uint64_t least = UINT64_MAX;
    int fits = 0;
    unet_status st;

    if (p->free_cache)
        t->cache = 0;
    st = fit_patch(p, patch, &fits, &least);
    if (st || !fits)
        return st ? st : too_large(p, patch, least);
    if (p->free_cache) {
        t->cache = UN_MIN(usual, (p->room - least) / 2);
        p->squeezed = 1;
    }
    return UNET_OK;
}

/* What was chosen, and why it is not the target. */
static void tell_choice(const un_planner *p, int told_patch, int told_filters, int narrower)
{
    const un_cfg_train *t = &p->cfg->train;
    const int *patch = t->patch;

    if (!told_filters)
        un_plan_because(p, "model.base_filters",
            narrower ? "%d: more do not fit the memory" : "%d: the widest that still gets enough steps in the time",
            p->cfg->model.base_filters);
    if (!told_patch)
        un_plan_because(p, "train.patch",
            memcmp(patch, p->target, sizeof p->target)
                ? "%dx%dx%d (d, h, w) is what fits the memory; %dx%dx%d would suit the pictures"
                : "%dx%dx%d (d, h, w) suits the pictures, the objects in them and the poolings",
            patch[0], patch[1], patch[2], p->target[0], p->target[1], p->target[2]);
    if (t->ghost_batch < t->batch)
        un_plan_because(p, "train.ghost_batch", "%d patches at once, as the memory allows", t->ghost_batch);
    if (p->free_cache)
        un_plan_because(p, "train.cache",
            p->squeezed                                ? "memory is short: most pictures are decoded again and again"
            : (double)t->cache + 1 >= cache_for_all(p) ? "all training pictures stay in memory"
                                                       : "a quarter of the memory");
    if (t->recompute == UN_CFG_RECOMPUTE_ON)
        un_plan_because(p, "train.recompute", "memory is short: encoder and decoder blocks are computed twice");
}

/* The first of a chain of choices that fits the memory: the wanted width with smaller and smaller patches, to
 * a quarter of the target's pixels; this patch with narrower networks; the narrowest with still smaller
 * patches. Patches never grow along the chain, and a wider start only puts choices in front that are wider:
 * hence the two promises. */
unet_status un_plan_size(un_planner *p)
{
    un_cfg_model *m = &p->cfg->model;
    const int told_patch = !un_is_auto(p->cfg->train.patch[0]), told_filters = !un_is_auto(m->base_filters);
    int patch[3], by_time = 0, at, fits = 0;
    uint64_t least;
    unet_status st = told_filters ? UNET_OK : filters_by_time(p, &by_time);

    memcpy(patch, p->target, sizeof patch);
    for (at = by_time; !st && !fits;) {
        int next[3] = {patch[0], patch[1], patch[2]}, narrower = !told_filters && at > 0;

        if (!told_filters)
            m->base_filters = widths[at].filters;
        least = UINT64_MAX;
        st = fit_patch(p, patch, &fits, &least);
        if (st || fits)
            break;
        if (!told_patch && smaller(p, next) && (!narrower || un_plan_pixels(next) >= un_plan_pixels(p->target) / 4))
            memcpy(patch, next, sizeof patch);
        else if (narrower)
            at--;
        else {
            st = smallest_plan(p, patch);
            break;
        }
    }
    if (!st)
        tell_choice(p, told_patch, told_filters, at < by_time);
    return st;
}
