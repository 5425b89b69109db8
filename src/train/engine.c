#include "train/engine.h"

#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "config/optimisers.h"
#include "graph/planner.h"
#include "run/session.h"
#include "train/schedule.h"
#include "train/update.h"

/* Partial sums of the tree: one for each bit of the largest ghost number. train.batch is at most 4096. */
enum { LEVELS_MAX = 13 };
enum { ACCUMULATE, APPLY, PERTURB, STATISTICS, PROGRAMS };

struct un_engine {
    un_mem *mem;
    un_engine_spec spec;
    un_model shown; /* a view: weights point to the moving average or the model's own */
    un_objective *objective;
    un_plan *plan[PROGRAMS];
    un_program *program[PROGRAMS]; /* NULL: not needed */
    size_t bytes, block_bytes;
    int64_t count; /* elements of a block */
    float *block[UN_BLOCK_COUNT];
    float *grad; /* among the activations of accumulate, in memory that others use until the backward pass fills it */
    char *has_gradient;         /* [params] */
    float *partial[LEVELS_MAX]; /* sums of 2^i ghost batches */
    int levels;
    void *cut;         /* a target plane of the extents of the logits, when they differ from the image's */
    float *ones;       /* pixel weights for batches without; NULL: not needed */
    float *home;       /* the weights while SAM is uphill; NULL: not needed */
    double *running;   /* sums of running values, while they are taken anew; NULL: not needed */
    double mu_product; /* nadam: of the steps up to mu_step */
    int64_t mu_step;
    un_shape image, logits;
    double sum[UN_CFG_MAX_term]; /* terms of the ghost batches so far */
    int groups;                  /* of the step that is under way */
    int bf16;                    /* train.precision */
};

/* ---- planning ---- */

static int levels_for(int groups)
{
    int n = 0;

    while ((1 << n) < groups)
        n++;
    return n;
}

static unet_status find_gradients(un_engine *e, unet_error *err)
{
    const un_graph *g = e->objective->accumulate;

    e->has_gradient = un_alloc_zero(e->mem, (size_t)UN_MAX(g->n_params, 1));
    if (!e->has_gradient)
        return un_fail_nomem(err, (size_t)g->n_params);
    for (int i = 0; i < g->n_params; i++)
        e->has_gradient[i] = (char)un_has_gradient(g, i);
    return UNET_OK;
}

static unet_status add_bytes(un_engine *e, size_t n, unet_error *err)
{
    return un_size_add(e->bytes, n, &e->bytes) ? UNET_OK
                                               : un_fail(err, UNET_E_LIMIT, "the network is too large to train");
}

/* Statistics are those of the averaged weights. */
static un_program_spec program_spec(const un_engine *e, int i)
{
    static const char *const part[] = {"forward and backward", "update", "uphill", "statistics"};
    float *const weights = e->block[i == STATISTICS ? UN_BLOCK_EMA : UN_BLOCK_PARAM];

    return (un_program_spec){.plan = e->plan[i],
        .pool = e->spec.pool,
        .level = e->spec.level,
        .exact = e->spec.exact,
        .bf16 = e->bf16,
        .profile = e->spec.profile,
        .part = part[i],
        .seed = (uint64_t)e->spec.model->config.train.seed,
        .blocks = {.param = weights,
            .grad = e->grad,
            .m = e->block[UN_BLOCK_M],
            .v = e->block[UN_BLOCK_V],
            .x = e->block[UN_BLOCK_X],
            .average = e->block[UN_BLOCK_EMA],
            .slow = e->block[UN_BLOCK_SLOW]}};
}

static unet_status make_plans(un_engine *e, unet_error *err)
{
    const un_plan_options options[PROGRAMS] = {[ACCUMULATE] = {.training = 1, .gradients = 1}};
    const un_objective *o = e->objective;
    const un_graph *graph[PROGRAMS] = {o->accumulate, o->apply, o->perturb, o->statistics};
    un_shape inputs[UN_OBJECTIVE_INPUTS] = {{0}};
    unet_status st = un_objective_inputs(e->objective, e->image, inputs, err);

    for (int i = 0; i < PROGRAMS && !st; i++) {
        un_program_spec s;
        un_needs n;

        if (!graph[i])
            continue;
        st = un_plan_create(&e->plan[i], e->mem, graph[i], inputs, &options[i], err);
        s = program_spec(e, i);
        if (!st)
            st = e->spec.backend->needs(&n, &s, err);
        if (!st)
            st = add_bytes(e, n.activation_bytes + n.packed_bytes + n.scratch_bytes, err);
    }
    return st;
}

/* Planes are cut or thinned out before they are uploaded: their extents are not the image's. */
static int needs_cut(const un_engine *e)
{
    const un_objective *o = e->objective;

    return !un_shape_same_grid(e->image, e->logits) || (o->n_sides > 0 && o->side[0].target != o->target);
}

static size_t plane_bytes(const un_engine *e)
{
    const int channels = e->objective->accumulate->value[e->objective->target].channels;

    return (size_t)un_shape_pixels(e->logits) * (size_t)channels * sizeof(float);
}

static int keeps(const un_engine *e, un_block b)
{
    return b == UN_BLOCK_BEST ? e->spec.keep_best : (int)(e->objective->blocks >> b & 1);
}

/* Running values of all norms. */
static int64_t count_running(const un_engine *e)
{
    const un_graph *g = e->objective->statistics;
    int64_t n = 0;

    for (int i = 0; g && i < g->n_params; i++)
        if (g->param[i].role == UN_PARAM_RUNNING_MEAN || g->param[i].role == UN_PARAM_RUNNING_VAR)
            n += g->param[i].count;
    return n;
}

/* State, copies of the weights, partial sums, planes, running values. */
static unet_status count_blocks(un_engine *e, unet_error *err)
{
    size_t blocks = (size_t)e->levels + (size_t)(e->objective->perturb != NULL), all;

    for (int b = UN_BLOCK_PARAM + 1; b < UN_BLOCK_COUNT; b++)
        blocks += keeps(e, (un_block)b) != 0;
    if (!un_size_mul((size_t)e->count, sizeof(float), &e->block_bytes) || !un_size_mul(e->block_bytes, blocks, &all))
        return un_fail(err, UNET_E_LIMIT, "the network is too large to train");
    if (needs_cut(e))
        all += plane_bytes(e);
    if (e->spec.pixel_weight)
        all += (size_t)un_shape_pixels(e->logits) * sizeof(float);
    all += (size_t)count_running(e) * sizeof *e->running;
    return add_bytes(e, all, err);
}

unet_status un_engine_create(un_engine **out, un_mem *mem, const un_engine_spec *spec, unet_error *err)
{
    const un_config *c = &spec->model->config;
    const un_cfg_train *t = &c->train;
    un_engine *e = un_alloc_zero(mem, sizeof *e);
    unet_status st;

    *out = NULL;
    if (!e)
        return un_fail_nomem(err, sizeof *e);
    e->mem = mem;
    e->spec = *spec;
    e->spec.pixel_weight |= c->model.head == UN_CFG_HEAD_MULTILABEL; /* soft planes cannot say "ignore" */
    e->image = (un_shape){t->ghost_batch, t->patch[0], t->patch[1], t->patch[2], c->model.in_channels};
    e->levels = levels_for(t->batch / t->ghost_batch);
    e->count = UN_MAX(spec->model->graph->block_count, 1);
    st = un_precision_resolve(&e->bf16, (un_cfg_precision)t->precision, spec->level, "train.precision", err);
    if (!st)
        st = un_objective_create(&e->objective, mem, spec->model->graph, c, e->spec.pixel_weight, err);
    if (!st && (spec->recompute || t->recompute == UN_CFG_RECOMPUTE_ON))
        st = un_objective_recompute(e->objective, err);
    if (!st && (spec->recompute || t->recompute != UN_CFG_RECOMPUTE_OFF))
        st = un_objective_recompute_norms(e->objective, e->image, err);
    if (!st)
        st = find_gradients(e, err);
    if (!st)
        st = make_plans(e, err);
    if (!st) {
        e->logits = e->plan[ACCUMULATE]->shape[e->objective->logits];
        st = count_blocks(e, err);
    }
    if (st) {
        un_engine_destroy(e);
        return st;
    }
    *out = e;
    return UNET_OK;
}

void un_engine_destroy(un_engine *e)
{
    if (!e)
        return;
    for (int i = 0; i < PROGRAMS; i++) {
        if (e->program[i])
            e->spec.backend->destroy(e->program[i]);
        un_plan_destroy(e->plan[i]);
    }
    for (int b = UN_BLOCK_PARAM + 1; b < UN_BLOCK_COUNT; b++)
        un_free(e->block[b]);
    for (int i = 0; i < e->levels; i++)
        un_free(e->partial[i]);
    un_free(e->has_gradient);
    un_free(e->cut);
    un_free(e->ones);
    un_free(e->home);
    un_free(e->running);
    un_objective_destroy(e->objective);
    un_free(e);
}

size_t un_engine_bytes(const un_engine *e)
{
    return e->bytes;
}

const un_plan *un_engine_plan(const un_engine *e)
{
    return e->plan[ACCUMULATE];
}

const un_objective *un_engine_objective(const un_engine *e)
{
    return e->objective;
}

/* ---- starting ---- */

static unet_status make_block(un_engine *e, float **out, int wanted, unet_error *err)
{
    if (!wanted)
        return UNET_OK;
    *out = un_alloc_zero(e->mem, e->block_bytes);
    return *out ? UNET_OK : un_fail_nomem(err, e->block_bytes);
}

static unet_status make_blocks(un_engine *e, unet_error *err)
{
    unet_status st = UNET_OK;

    e->block[UN_BLOCK_PARAM] = e->spec.model->weights;
    for (int b = UN_BLOCK_PARAM + 1; b < UN_BLOCK_COUNT && !st; b++)
        st = make_block(e, &e->block[b], keeps(e, (un_block)b), err);
    if (!st)
        st = make_block(e, &e->home, e->objective->perturb != NULL, err);
    for (int i = 0; i < e->levels && !st; i++)
        st = make_block(e, &e->partial[i], 1, err);
    return st;
}

static unet_status make_planes(un_engine *e, unet_error *err)
{
    const int64_t pixels = un_shape_pixels(e->logits);

    if (needs_cut(e)) {
        e->cut = un_alloc(e->mem, plane_bytes(e));
        if (!e->cut)
            return un_fail_nomem(err, plane_bytes(e));
    }
    if (e->spec.pixel_weight) {
        e->ones = un_alloc(e->mem, (size_t)pixels * sizeof *e->ones);
        if (!e->ones)
            return un_fail_nomem(err, (size_t)pixels * sizeof *e->ones);
        for (int64_t i = 0; i < pixels; i++)
            e->ones[i] = 1;
    }
    return UNET_OK;
}

unet_status un_engine_start(un_engine *e, unet_error *err)
{
    static const un_block copies[] = {UN_BLOCK_EMA, UN_BLOCK_SLOW}; /* start as the weights */
    const un_cfg_nums *weights = &e->spec.model->config.loss.class_weights;
    const size_t running = (size_t)count_running(e);
    unet_status st = make_blocks(e, err);

    if (!st && running) {
        e->running = un_alloc_array(e->mem, running, sizeof *e->running);
        st = e->running ? UNET_OK : un_fail_nomem(err, running * sizeof *e->running);
    }
    if (!st)
        st = make_planes(e, err);
    for (int i = 0; i < PROGRAMS && !st; i++) {
        const un_program_spec s = program_spec(e, i);

        if (e->plan[i])
            st = e->spec.backend->compile(&e->program[i], e->mem, &s, err);
        if (!st && i == ACCUMULATE)
            e->grad = e->spec.backend->gradients(e->program[i]);
    }
    if (st)
        return st;
    for (size_t i = 0; i < UN_COUNT(copies); i++)
        if (e->block[copies[i]])
            memcpy(e->block[copies[i]], e->block[UN_BLOCK_PARAM], e->block_bytes);
    e->shown = *e->spec.model;
    if (e->block[UN_BLOCK_EMA])
        e->shown.weights = e->block[UN_BLOCK_EMA];
    if (weights->n > 0) {
        float w[UN_CFG_LIST_MAX];

        for (int i = 0; i < weights->n; i++)
            w[i] = (float)weights->v[i];
        e->spec.backend->upload(e->program[ACCUMULATE], e->objective->class_weight, w);
    }
    return UNET_OK;
}

/* ---- a step ---- */

/* The centre of [n][d][h][w] pixels of `each` bytes, with the offsets of the operator crop. */
static void cut_centre(char *dst, const char *src, un_shape from, un_shape to, size_t each)
{
    const int oz = (from.d - to.d) / 2, oy = (from.h - to.h) / 2, ox = (from.w - to.w) / 2;
    const size_t row = (size_t)to.w * each;

    for (int n = 0; n < to.n; n++)
        for (int z = 0; z < to.d; z++)
            for (int y = 0; y < to.h; y++) {
                const int64_t at = (((int64_t)n * from.d + z + oz) * from.h + y + oy) * from.w + ox;

                memcpy(dst, src + (size_t)at * each, row);
                dst += row;
            }
}

/* Pixel floor(o * in / out) of each axis, as torch.nn.functional.interpolate's "nearest". */
static void thin_out(char *dst, const char *src, un_shape from, un_shape to, size_t each)
{
    for (int n = 0; n < to.n; n++)
        for (int z = 0; z < to.d; z++)
            for (int y = 0; y < to.h; y++) {
                const int64_t iz = (int64_t)z * from.d / to.d, iy = (int64_t)y * from.h / to.h;
                const char *row = src + (size_t)(((n * from.d + iz) * from.h + iy) * from.w) * each;

                for (int x = 0; x < to.w; x++, dst += each)
                    memcpy(dst, row + (size_t)((int64_t)x * from.w / to.w) * each, each);
            }
}

/* The plane of a further output, from one of the image's extents; none when it is the main output's. */
static void upload_thin(un_engine *e, int value, int shared, const void *plane, int channels)
{
    if (value == shared || value == UN_NONE)
        return;
    thin_out(e->cut, plane, e->image, e->plan[ACCUMULATE]->shape[value], (size_t)channels * sizeof(float));
    e->spec.backend->upload(e->program[ACCUMULATE], value, e->cut);
}

static void upload_plane(un_engine *e, int value, const void *plane, int channels)
{
    if (!un_shape_same_grid(e->image, e->logits)) {
        cut_centre(e->cut, plane, e->image, e->logits, (size_t)channels * sizeof(float));
        plane = e->cut;
    }
    e->spec.backend->upload(e->program[ACCUMULATE], value, plane);
}

static unet_status check_batch(const un_engine *e, const un_batch *b, unet_error *err)
{
    const int planes = e->objective->accumulate->value[e->objective->target].type == UN_TYPE_F32;
    const un_shape s = {b->n, b->d, b->h, b->w, b->c};

    if (!un_shape_equal(s, e->image))
        return un_fail(err, UNET_E_ARG, "a batch is %dx%dx%dx%dx%d; the network was planned for %dx%dx%dx%dx%d", s.n,
            s.d, s.h, s.w, s.c, e->image.n, e->image.d, e->image.h, e->image.w, e->image.c);
    if (planes ? !b->soft || b->classes != e->logits.c : !b->target)
        return un_fail(err, UNET_E_ARG, "a batch has no targets of the kind that the head needs");
    if (b->weight && !e->spec.pixel_weight)
        return un_fail(err, UNET_E_ARG, "a batch has pixel weights, but training was planned without");
    return UNET_OK;
}

/* Adds the gradient of ghost batch `group` to the tree. Partial sum i holds 2^i ghost batches; the last ghost
 * batch of a step gathers what is left, lowest first. The sum ends in e->grad. Equal to the recursive halving
 * of the ghost numbers at the largest power of two below their count. */
static void reduce(un_engine *e, int group, int groups)
{
    const int last = group == groups - 1;
    int i = 0;

    for (; i < e->levels && (last ? 1 : group >> i & 1); i++)
        if (group >> i & 1)
            e->spec.backend->add(e->spec.pool, e->spec.level, (int)sizeof(float), e->grad, e->partial[i], e->count);
    if (!last)
        memcpy(e->partial[i], e->grad, e->block_bytes);
}

static double alpha_of(const un_engine *e, const un_loss_term *t, int64_t step)
{
    return un_loss_term_alpha(t, step, e->spec.model->config.train.steps);
}

/* The terms of an output: -1 the main one. */
static const un_loss_term *terms_of(const un_engine *e, int side)
{
    return side < 0 ? e->objective->term : e->objective->side[side].term;
}

static void set_alphas(un_engine *e, int64_t step)
{
    for (int side = -1; side < e->objective->n_sides; side++)
        for (int i = 0; i < e->objective->n_terms; i++) {
            const un_loss_term *t = &terms_of(e, side)[i];
            const float alpha = (float)alpha_of(e, t, step);

            if (t->alpha != UN_NONE)
                e->spec.backend->upload(e->program[ACCUMULATE], t->alpha, &alpha);
        }
}

static double term_value(const un_engine *e, const un_loss_term *t, int64_t step)
{
    double parts[UN_TERM_PARTS];

    for (int k = 0; k < t->n_parts; k++) {
        float value;

        e->spec.backend->download(e->program[ACCUMULATE], t->value[k], &value);
        parts[k] = (double)value;
    }
    return un_loss_term_value(t, alpha_of(e, t, step), parts);
}

/* Of each term the weighted mean over the outputs. */
static void add_terms(un_engine *e, int64_t step)
{
    const un_objective *o = e->objective;

    for (int side = -1; side < o->n_sides; side++)
        for (int i = 0; i < o->n_terms; i++) {
            const double share = side < 0 ? o->main_weight : o->side[side].weight;

            e->sum[i] += share * term_value(e, &terms_of(e, side)[i], step);
        }
}

static void upload_batch(un_engine *e, const un_batch *b, int64_t step)
{
    const un_objective *o = e->objective;
    const int planes = o->accumulate->value[o->target].type == UN_TYPE_F32;
    const double began = un_profile_now(e->spec.profile);

    e->spec.backend->upload(e->program[ACCUMULATE], o->image, b->image);
    upload_plane(e, o->target, planes ? (const void *)b->soft : b->target, planes ? b->classes : 1);
    if (b->weight)
        upload_plane(e, o->pixel_weight, b->weight, 1);
    else if (o->pixel_weight != UN_NONE)
        e->spec.backend->upload(e->program[ACCUMULATE], o->pixel_weight, e->ones);
    for (int i = 0; i < o->n_sides; i++) {
        upload_thin(
            e, o->side[i].target, o->target, planes ? (const void *)b->soft : b->target, planes ? b->classes : 1);
        upload_thin(e, o->side[i].pixel_weight, o->pixel_weight, b->weight ? b->weight : e->ones, 1);
    }
    set_alphas(e, step);
    un_profile_span(e->spec.profile, "training", "batch to network", began);
}

/* Losses and the gradient block. Activations were where no gradient is, and between gradients: there it is cleared, as
 * norms and sums go over the whole. */
static unet_status run_accumulate(un_engine *e, un_step *s, unet_error *err)
{
    const un_graph *g = e->objective->accumulate;
    const unet_status st = e->spec.backend->run(e->program[ACCUMULATE], s, err);

    for (int i = 0; i < g->n_params && !st; i++) {
        const un_param *p = &g->param[i];
        const int64_t end = i + 1 < g->n_params ? p[1].offset : g->block_count;
        const int64_t from = p->offset + (e->has_gradient[i] ? p->count : 0);

        memset(e->grad + from, 0, (size_t)(end - from) * sizeof *e->grad);
    }
    return st;
}

/* SAM: the gradient at the weights that the one just computed leads uphill to. The weights, and the running values of
 * norms, come back as they are now. Inputs are loaded again: their memory serves others once they are read. */
static unet_status accumulate_uphill(un_engine *e, const un_batch *b, un_step *s, unet_error *err)
{
    unet_status st;

    memcpy(e->home, e->block[UN_BLOCK_PARAM], e->block_bytes);
    st = e->spec.backend->run(e->program[PERTURB], s, err);
    if (!st) {
        upload_batch(e, b, s->step);
        st = run_accumulate(e, s, err);
    }
    memcpy(e->block[UN_BLOCK_PARAM], e->home, e->block_bytes);
    return st;
}

unet_status un_engine_accumulate(un_engine *e, const un_batch *b, int64_t step, int group, int groups, unet_error *err)
{
    un_step s = {.step = step, .grad_scale = 1, .first_sample = (uint32_t)b->first};
    unet_status st = check_batch(e, b, err);
    double began;

    if (st)
        return st;
    UN_ASSERT(levels_for(groups) <= e->levels);
    if (group == 0)
        memset(e->sum, 0, sizeof e->sum);
    e->groups = groups;
    upload_batch(e, b, step);
    st = run_accumulate(e, &s, err);
    if (st)
        return st;
    add_terms(e, step);
    if (e->objective->perturb)
        st = accumulate_uphill(e, b, &s, err);
    if (st)
        return st;
    began = un_profile_now(e->spec.profile);
    reduce(e, group, groups);
    un_profile_span(e->spec.profile, "training", "sum of gradients", began);
    return UNET_OK;
}

/* ema: min(decay, (1 + step) / (10 + step)). swa: 0 up to its first step, then k / (k + 1) at its k-th one after that.
 */
static double average_keep(const un_engine *e, int64_t step)
{
    const un_config *c = &e->spec.model->config;
    const int64_t first = un_swa_first(c), every = c->optimiser.swa_every;

    if (c->optimiser.average != UN_CFG_AVERAGE_SWA)
        return UN_MIN(c->optimiser.ema_decay, (1 + (double)step) / (10 + (double)step));
    if (step <= first)
        return 0;
    return (step - first) % every ? 1 : (double)((step - first) / every) / (double)((step - first) / every + 1);
}

/* NAdam's momentum (Dozat 2016) and its product over all steps, which follows from the step alone. */
static void set_mu(un_engine *e, un_step *s)
{
    const double beta = un_method_value(&e->spec.model->config.optimiser, "beta1");

    if (e->spec.model->config.optimiser.name != UN_CFG_OPT_NADAM)
        return;
    if (e->mu_step >= s->step || !e->mu_step) {
        e->mu_step = 0;
        e->mu_product = 1;
    }
    while (e->mu_step < s->step)
        e->mu_product *= beta * (1 - 0.5 * un_pow(0.96, 0.004 * (double)++e->mu_step));
    s->mu = beta * (1 - 0.5 * un_pow(0.96, 0.004 * (double)s->step));
    s->mu_next = beta * (1 - 0.5 * un_pow(0.96, 0.004 * (double)(s->step + 1)));
    s->mu_product = e->mu_product;
}

unet_status un_engine_apply(un_engine *e, int64_t step, double lr, un_step_result *out, unet_error *err)
{
    const un_objective *o = e->objective;
    un_step s = {.step = step, .lr = lr, .grad_scale = 1.0 / e->groups, .average_keep = average_keep(e, step)};
    unet_status st;

    set_mu(e, &s);
    memset(out, 0, sizeof *out);
    for (int i = 0; i < o->n_terms; i++) {
        out->term[i] = e->sum[i] / e->groups;
        out->loss += o->term[i].weight * out->term[i];
    }
    if (!isfinite(out->loss))
        return un_fail(err, UNET_E_NUMERIC, "the loss is not a finite number");
    st = e->spec.backend->run(e->program[APPLY], &s, err);
    out->grad_norm = s.grad_norm;
    return st;
}

/* ---- statistics of batch norms ---- */

/* Running values of the averaged weights, one after the other: a value and the place of its sum. */
typedef void running_fn(float *value, double *sum, double by);

static void each_running(un_engine *e, running_fn *fn, double by)
{
    const un_graph *g = e->objective->statistics;
    int64_t n = 0;

    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];

        if (p->role != UN_PARAM_RUNNING_MEAN && p->role != UN_PARAM_RUNNING_VAR)
            continue;
        for (int64_t k = 0; k < p->count; k++)
            fn(e->block[UN_BLOCK_EMA] + p->offset + k, &e->running[n++], by);
    }
}

static void clear_running(float *value, double *sum, double by)
{
    (void)sum, (void)by;
    *value = 0;
}

static void add_running(float *value, double *sum, double by)
{
    *sum += (double)*value * by;
}

static void set_running(float *value, double *sum, double by)
{
    *value = (float)(*sum * by);
}

/* From 0 a run leaves momentum times the statistics of its batch. */
unet_status un_engine_statistics(un_engine *e, const un_batch *b, int index, int count, unet_error *err)
{
    un_step s = {.step = b->step, .first_sample = (uint32_t)b->first, .grad_scale = 1};
    unet_status st = check_batch(e, b, err);

    if (st)
        return st;
    if (index == 0)
        memset(e->running, 0, (size_t)count_running(e) * sizeof *e->running);
    e->spec.backend->upload(e->program[STATISTICS], e->objective->statistics->input[0], b->image);
    each_running(e, clear_running, 0);
    st = e->spec.backend->run(e->program[STATISTICS], &s, err);
    if (st)
        return st;
    each_running(e, add_running, 1 / e->spec.model->config.model.norm_momentum);
    if (index == count - 1)
        each_running(e, set_running, 1.0 / count);
    return UNET_OK;
}

int un_engine_wants_statistics(const un_engine *e, int64_t step)
{
    return e->objective->statistics && step > un_swa_first(&e->spec.model->config);
}

/* ---- what there is ---- */

float *un_engine_block(un_engine *e, un_block block)
{
    return e->block[block];
}

const float *un_engine_gradient(const un_engine *e)
{
    return e->grad;
}

const un_model *un_engine_model(const un_engine *e)
{
    return &e->shown;
}

void un_engine_keep_best(un_engine *e)
{
    memcpy(e->block[UN_BLOCK_BEST], e->shown.weights, e->block_bytes);
}
