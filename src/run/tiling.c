/* Windows: their size from the picture, the network's reach and the memory; their places and weights. */
#include "run/tiling.h"

#include <string.h>

#include "base/math.h"
#include "base/size.h"
#include "data/tta.h"

void un_axis_destroy(un_axis *a)
{
    un_free(a->start);
    un_free(a->low);
    un_free(a->high);
    un_free(a->weight);
    un_free(a->norm);
    memset(a, 0, sizeof *a);
}

/* Gaussian along a window, deviation an eighth of its size, least weight a thousandth of the largest. */
static void gauss(float *w, int size)
{
    double sigma = size / 8.0, mid = (size - 1) / 2.0;

    for (int i = 0; i < size; i++) {
        double x = (i - mid) / sigma;

        w[i] = (float)UN_MAX(un_exp(-0.5 * x * x), 1e-3);
    }
}

/* last: start of the last window. With a halo all starts but a blended one's must lie on the grid: step and last do. */
static void place_windows(un_axis *a, int halo, int blend, int step, int last)
{
    for (int k = 0; k < a->count; k++) {
        a->start[k] =
            !blend || a->count == 1 ? (int)UN_MIN((int64_t)k * step, last) : (int)((int64_t)last * k / (a->count - 1));
        a->low[k] = 0;
        a->high[k] = a->size;
    }
    for (int k = 1; k < a->count && !blend; k++) {
        a->low[k] = halo;
        a->high[k - 1] = a->start[k] + halo - a->start[k - 1];
    }
}

unet_status un_axis_create(
    un_axis *a, un_mem *mem, const un_tiling *t, int axis, int extent, int step, int grid, unet_error *err)
{
    int n = t->count[axis], size = t->window[axis], blend = t->blend, last = UN_MAX(t->padded[axis] - size, 0);

    if (t->lead[axis] && !blend) /* valid padding: beyond the picture as far as one piece, so that it is on the grid */
        last = (int)un_round_up((size_t)last, (size_t)grid);

    *a = (un_axis){.extent = extent, .size = size, .count = n};
    a->start = un_alloc_array(mem, (size_t)n, sizeof *a->start);
    a->low = un_alloc_array(mem, (size_t)n, sizeof *a->low);
    a->high = un_alloc_array(mem, (size_t)n, sizeof *a->high);
    a->weight = un_alloc_array(mem, (size_t)size, sizeof *a->weight);
    a->norm = un_alloc_array(mem, (size_t)extent, sizeof *a->norm);
    if (!a->start || !a->low || !a->high || !a->weight || !a->norm) {
        un_axis_destroy(a);
        return un_fail_nomem(err, (size_t)(n * 3 + size + extent) * 4);
    }
    place_windows(a, t->halo[axis], blend, step, last);
    if (blend)
        gauss(a->weight, size);
    else
        for (int i = 0; i < size; i++)
            a->weight[i] = 1.0f;
    for (int k = 0; k < n && blend; k++)
        for (int i = 0; i < size; i++)
            if (a->start[k] + i < extent)
                a->norm[a->start[k] + i] += a->weight[i];
    for (int i = 0; i < extent; i++)
        a->norm[i] = blend ? 1.0f / a->norm[i] : 1.0f;
    return UNET_OK;
}

/* ---- choosing ---- */

typedef struct chooser {
    un_mem *mem;
    const un_model *model;
    const un_predict_options *opt;
    un_shape *shapes; /* scratch of the inference */
    int grid[3], reach[3], whole_patch, valid;
    int views, turns; /* of test-time augmentation; 1: quarter turns are among them */
    size_t budget;
    int capped; /* the memory is, so that slower kernels may be worth it */
} chooser;

static int *axis_of(un_shape *s, int axis)
{
    return axis == 0 ? &s->d : axis == 1 ? &s->h : &s->w;
}

static un_shape infer(const chooser *c, un_shape in)
{
    const un_graph *g = c->model->graph;
    unet_error err;

    c->shapes[g->input[0]] = in;
    if (un_graph_infer(g, c->shapes, &err))
        return (un_shape){0, 0, 0, 0, 0};
    return c->shapes[g->output[0]];
}

/* Outputs along an axis of n pixels; the other axes get n too, which is as good as any for them. */
static int output_along(const chooser *c, un_shape in, int axis, int n)
{
    un_shape out;

    for (int k = c->model->config.model.dims == 2 ? 1 : 0; k < 3; k++)
        *axis_of(&in, k) = n;
    out = infer(c, in);
    return *axis_of(&out, axis);
}

/* Valid padding: input extents whose outputs are at least `want`. They differ from the patch of the training by steps
 * of the grid, so that poolings cut nothing that they did not cut there, which would shift the result; where that is
 * not known, those that lose fewest pixels. (A strided convolution may show a pixel that its input only begins: not
 * these.) 0: none found. */
static int grow_valid(const chooser *c, const int want[3], un_shape *in)
{
    const int *patch = c->model->config.train.patch;
    const int known = !un_is_auto(patch[0]) && !c->turns;
    int most = 4096;

    for (int axis = c->model->config.model.dims == 2 ? 1 : 0; axis < 3; axis++) {
        int n = want[axis], best = 0, least = INT32_MAX;

        for (int tries = 0; tries < most; tries++, n++) {
            int got = output_along(c, *in, axis, n);

            if (got >= want[axis] && got <= n && n - got < least &&
                (!known || (n - patch[axis]) % c->grid[axis] == 0)) {
                least = n - got;
                best = n;
            }
            if (best && n >= best + c->grid[axis])
                break;
        }
        if (!best)
            return 0;
        *axis_of(in, axis) = best;
    }
    return 1;
}

static un_shape turned(un_shape s)
{
    return (un_shape){s.n, s.d, s.w, s.h, s.c};
}

/* Input and output extents of a window whose outputs are to be at least `want`. */
static unet_status window_of(const chooser *c, const int want[3], un_tiling *t, unet_error *err)
{
    t->in = (un_shape){1, want[0], want[1], want[2], c->model->config.model.in_channels};
    if (c->valid && !grow_valid(c, want, &t->in))
        return un_fail(err, UNET_E_ARG, "no window of at least %dx%dx%d fits this network", want[0], want[1], want[2]);
    t->out = infer(c, t->in);
    if (!t->out.n)
        return un_fail(err, UNET_E_ARG, "the network does not take %dx%dx%d pixels", t->in.d, t->in.h, t->in.w);
    if (c->turns && !un_shape_equal(turned(t->out), infer(c, turned(t->in))))
        return un_fail_file(err, UNET_E_CONFIG, "predict.tta",
            "quarter turns need a network that treats height and width alike; use flips");
    for (int i = 0; i < 3; i++) {
        t->window[i] = *axis_of(&t->out, i);
        t->lead[i] = (*axis_of(&t->in, i) - t->window[i]) / 2;
    }
    return UNET_OK;
}

int un_tiling_is_single(const un_tiling *t)
{
    return !t->blend && t->count[0] == 1 && t->count[1] == 1 && t->count[2] == 1;
}

int un_tiling_step(const un_tiling *t, const un_predict_options *opt, const int grid[3], int axis)
{
    int size = t->window[axis], step;

    if (t->blend) {
        step = (int)(size * (1.0 - (opt->overlap == 0 ? 0.5 : UN_MAX(opt->overlap, 0.0))));
        return UN_MAX(step, 1);
    }
    step = (size - 2 * t->halo[axis]) / grid[axis] * grid[axis];
    return step;
}

/* Counts windows, work and memory of *t; 0 when the halo leaves nothing of a window. */
static int assess(const chooser *c, un_tiling *t, const int extent[3], unet_status *st, unet_error *err)
{
    un_session_size session, other = {0};
    un_session_options so = c->opt->session;
    double work = 1;
    int slab = c->model->config.model.dims == 2 ? 1 : 0;
    int64_t acc = t->window[slab];

    for (int i = 0; i < 3; i++) {
        int step = un_tiling_step(t, c->opt, c->grid, i);

        if (t->window[i] < t->padded[i] && step < 1)
            return 0;
        t->count[i] = t->window[i] >= t->padded[i] ? 1 : (int)un_ceil_div(t->padded[i] - t->window[i], step) + 1;
        work *= (double)t->count[i] * *axis_of(&t->in, i) / extent[i];
        acc *= i == slab || i < slab ? 1 : t->padded[i];
    }
    t->overhead = work;
    so.byte_ns = t->byte_ns;
    *st = un_session_measure(&session, c->mem, c->model, t->in, &so, err);
    if (!*st && c->turns && t->in.h != t->in.w)
        *st = un_session_measure(&other, c->mem, c->model, turned(t->in), &so, err);
    t->ns = session.ns * t->count[0] * t->count[1] * t->count[2];
    t->bytes = session.bytes + other.bytes +
               (size_t)extent[2] * (size_t)(slab ? 1 : extent[1]) * (size_t)t->out.c * sizeof(float); /* a row of it */
    if (!un_tiling_is_single(t))
        t->bytes += (size_t)(acc * t->out.c) * sizeof(float);
    if (c->views > 1)
        t->bytes += (size_t)(un_shape_count(t->in) + 2 * un_shape_count(t->out)) * sizeof(float);
    return !*st;
}

/* Halves the longest axis that is longer than the least useful window; 0 when none is. */
static int shrink(const chooser *c, int want[3], const int least[3])
{
    int axis = -1;

    for (int i = 0; i < 3; i++)
        if (want[i] > least[i] && (axis < 0 || want[i] > want[axis]))
            axis = i;
    if (axis < 0)
        return 0;
    want[axis] = (int)un_round_up((size_t)UN_MAX(want[axis] / 2, least[axis]), (size_t)c->grid[axis]);
    return 1;
}

/* As many windows, but no larger than they must be: the last of a row would else lie mostly on the one before it. */
static unet_status even_out(const chooser *c, un_tiling *t, const int extent[3], unet_error *err)
{
    int want[3];
    unet_status st;

    for (int i = 0; i < 3; i++) {
        const int halo = 2 * t->halo[i];
        const int64_t each = un_ceil_div(t->padded[i] - halo, t->count[i]) + halo;

        want[i] = t->count[i] == 1 ? t->window[i] : (int)un_round_up((size_t)each, (size_t)c->grid[i]);
    }
    st = window_of(c, want, t, err);
    if (!st && !assess(c, t, extent, &st, err) && !st)
        st = un_fail(err, UNET_E_INTERNAL, "windows of %dx%dx%d leave nothing", want[0], want[1], want[2]);
    return st;
}

enum { PRICES = 40 }; /* of a byte: 1/64 ns, each half as much again as the one before; the last one buys none */

/* The least price of packed weights with which the window fits the memory: forms that keep fewer of them are slower. 0:
 * none is low enough, or *st. */
static int pay(const chooser *c, un_tiling *t, const int extent[3], unet_status *st, unet_error *err)
{
    double price[PRICES + 1] = {0, 1.0 / 64};
    int low = 0, high = PRICES;

    for (int i = 2; i <= PRICES; i++)
        price[i] = 1.5 * price[i - 1];
    while (low < high && !*st) {
        const int mid = (low + high) / 2;

        t->byte_ns = price[mid];
        if (assess(c, t, extent, st, err) && t->bytes <= c->budget)
            high = mid;
        else
            low = mid + 1;
    }
    t->byte_ns = price[low];
    return !*st && assess(c, t, extent, st, err) && t->bytes <= c->budget;
}

/* Under a cap: the quickest of all windows, each with the kernels that it leaves room for. */
static unet_status choose_capped(
    const chooser *c, un_tiling *t, const int extent[3], int want[3], const int least[3], unet_error *err)
{
    un_tiling best = {0};
    unet_status st = UNET_OK;
    size_t fewest = SIZE_MAX;

    do {
        st = window_of(c, want, t, err);
        if (!st && pay(c, t, extent, &st, err)) {
            const int cheap = t->byte_ns == 0;

            st = even_out(c, t, extent, err);
            if (!st && (!best.out.n || t->ns < best.ns))
                best = *t;
            if (cheap) /* smaller windows do no less */
                break;
        }
        fewest = UN_MIN(fewest, t->bytes);
    } while (!st && shrink(c, want, least));
    if (!st && !best.out.n)
        st = un_fail(err, UNET_E_LIMIT, "prediction needs %.0f MiB; %.0f MiB are allowed or free",
            (double)fewest / 1048576, (double)c->budget / 1048576);
    else if (!st)
        *t = best;
    return st;
}

/* A network that looks at the whole patch gives the result of the picture only in one piece. */
static unet_status choose_whole(const chooser *c, un_tiling *t, const int extent[3], unet_error *err)
{
    static const char why[] =
        "this network looks at the whole patch (a norm or a mean over all of it), so windows would "
        "not give what the picture in one piece gives";
    unet_status st = UNET_OK;

    for (int i = 0; i < 3; i++) {
        t->padded[i] = (int)un_round_up((size_t)extent[i], (size_t)c->grid[i]);
        if (c->opt->tile[i] > 0 && c->opt->tile[i] < extent[i])
            return un_fail_file(
                err, UNET_E_CONFIG, "predict.mode", "%s; leave predict.tile out, or use mode auto or blend", why);
    }
    st = window_of(c, t->padded, t, err);
    if (!st && !pay(c, t, extent, &st, err) && !st)
        return un_fail_file(err, UNET_E_LIMIT, "predict.mode",
            "%s; that needs %.0f MiB, and %.0f MiB are allowed or free; use mode auto or blend", why,
            (double)t->bytes / 1048576, (double)c->budget / 1048576);
    return st;
}

/* Exact windows: the largest that fit the memory. */
static unet_status choose_exact(const chooser *c, un_tiling *t, const int extent[3], unet_error *err)
{
    int want[3], least[3];
    unet_status st = UNET_OK;

    for (int i = 0; i < 3; i++) {
        t->halo[i] = c->reach[i];
        t->padded[i] = (int)un_round_up((size_t)extent[i], (size_t)c->grid[i]);
        least[i] = UN_MIN(t->padded[i], 2 * t->halo[i] + c->grid[i]);
        want[i] = t->padded[i];
        if (c->opt->tile[i] > 0)
            want[i] = UN_MIN(want[i], (int)un_round_up((size_t)UN_MAX(c->opt->tile[i], least[i]), (size_t)c->grid[i]));
    }
    if (c->capped)
        return choose_capped(c, t, extent, want, least, err);
    for (;;) {
        st = window_of(c, want, t, err);
        if (st)
            return st;
        if (assess(c, t, extent, &st, err) && t->bytes <= c->budget)
            return even_out(c, t, extent, err);
        if (st)
            return st;
        if (!shrink(c, want, least))
            return un_fail(err, UNET_E_LIMIT, "prediction needs %.0f MiB; %.0f MiB are allowed or free",
                (double)t->bytes / 1048576, (double)c->budget / 1048576);
    }
}

/* Blended windows of the trained size. Valid padding: what the network makes of a patch of that size, so that norms
 * look at as much as they did in training. */
static unet_status choose_blend(const chooser *c, un_tiling *t, const int extent[3], unet_error *err)
{
    const int *patch = c->model->config.train.patch;
    int want[3];
    unet_status st;

    t->blend = 1;
    for (int i = 0; i < 3; i++) {
        int size = un_is_auto(patch[0]) ? (c->model->config.model.dims == 2 ? 256 : 64) : patch[i];

        if (c->opt->tile[i] > 0)
            size = c->opt->tile[i];
        if (i == 0 && c->model->config.model.dims == 2)
            size = 1;
        t->halo[i] = 0;
        want[i] = (int)un_round_up((size_t)size, (size_t)c->grid[i]);
    }
    if (c->valid && !un_is_auto(patch[0]) && c->opt->tile[0] <= 0) {
        const un_shape out = infer(c, (un_shape){1, patch[0], patch[1], patch[2], c->model->config.model.in_channels});

        for (int i = 0; i < 3 && out.n; i++)
            want[i] = i == 0 ? out.d : i == 1 ? out.h : out.w;
    }
    for (int i = 0; i < 3; i++)
        t->padded[i] = UN_MAX(extent[i], want[i]);
    st = window_of(c, want, t, err);
    if (st)
        return st;
    if (!assess(c, t, extent, &st, err))
        return st ? st : un_fail(err, UNET_E_ARG, "windows of %dx%dx%d leave nothing", want[0], want[1], want[2]);
    if (t->bytes > c->budget && (!c->capped || !pay(c, t, extent, &st, err)))
        return un_fail(err, UNET_E_LIMIT, "prediction needs %.0f MiB; %.0f MiB are allowed or free",
            (double)t->bytes / 1048576, (double)c->budget / 1048576);
    return UNET_OK;
}

void un_tiling_grid(const un_model *model, const un_predict_options *opt, int grid[3])
{
    int a, b;

    un_model_grid(&model->config.model, grid);
    for (a = grid[1], b = grid[2]; b;) { /* Euclid */
        const int rest = a % b;

        a = b;
        b = rest;
    }
    if (opt->tta == UN_CFG_TTA_ALL)
        grid[1] = grid[2] = grid[1] / a * grid[2];
}

enum { RESULT = 5 }; /* bytes of a pixel that mask and classes will fill */

/* Working memory: what was allowed, what a cap leaves, and of what the machine has left seven eighths, for it is other
 * programs' too. */
static size_t budget_of(const chooser *c, const int extent[3])
{
    const uint64_t results = RESULT * (uint64_t)extent[0] * (uint64_t)extent[1] * (uint64_t)extent[2];
    const size_t left = un_mem_left(c->mem);
    size_t budget = UN_MIN(c->opt->max_bytes ? c->opt->max_bytes : UN_PREDICT_BYTES, left);
    uint64_t available = c->opt->available && left == SIZE_MAX ? c->opt->available() : 0;

    if (available > 0) {
        available = available > results ? (available - results) / 8 * 7 : 0;
        budget = (size_t)UN_MIN(available, (uint64_t)budget);
    }
    return budget;
}

/* Valid padding: pixels at an end of a window that depend on its end. Linear interpolation, that of gates too, repeats
 * the last pixel there; the convolutions behind it lose as many pixels as they spread them. */
static int repeated(const un_cfg_model *m, int axis)
{
    int n = 0;

    for (int level = 0; level < m->depth && (m->upsample == UN_CFG_UP_BILINEAR || m->gate != UN_CFG_GATE_NONE);
         level++) {
        int fine[3], coarse[3];

        un_model_level_grid(m, level, fine);
        un_model_level_grid(m, level + 1, coarse);
        n += coarse[axis] / fine[axis] / 2 * fine[axis];
    }
    return n;
}

static unet_status set_up(chooser *c, const int extent[3], unet_error *err)
{
    un_view views[UN_TTA_MAX];
    un_reach reach;
    unet_status st;

    un_tiling_grid(c->model, c->opt, c->grid);
    c->views = un_tta_views(
        (un_cfg_tta)c->opt->tta, un_tta_flip_axes(&c->model->config.augment), c->model->config.model.dims, views);
    c->turns = c->opt->tta == UN_CFG_TTA_ALL;
    st = un_model_reach(c->model->graph, c->grid, &reach, err);
    if (st)
        return st;
    c->whole_patch = reach.whole_patch;
    c->valid = c->model->config.model.padding == UN_CFG_PAD_VALID;
    c->budget = budget_of(c, extent);
    c->capped = un_mem_left(c->mem) != SIZE_MAX;
    for (int i = 0; i < 3; i++)
        c->reach[i] = (int)un_round_up((size_t)UN_MAX(reach.before[i], reach.after[i]), (size_t)c->grid[i]);
    for (int i = 0; i < 3 && c->valid; i++)
        c->reach[i] = repeated(&c->model->config.model, i);
    if (c->turns)
        c->reach[1] = c->reach[2] = UN_MAX(c->reach[1], c->reach[2]);
    c->shapes = un_alloc_array(c->mem, (size_t)c->model->graph->n_values, sizeof *c->shapes);
    return c->shapes ? UNET_OK : un_fail_nomem(err, (size_t)c->model->graph->n_values * sizeof *c->shapes);
}

unet_status un_tiling_choose(un_tiling *t, un_mem *mem, const un_model *model, const un_predict_options *opt, int d,
    int h, int w, unet_error *err)
{
    chooser c = {.mem = mem, .model = model, .opt = opt};
    const int extent[3] = {d, h, w};
    unet_status st = set_up(&c, extent, err);
    un_tiling exact = {0};
    int fits = 0;

    memset(t, 0, sizeof *t);
    if (!st && (opt->mode == UN_CFG_PREDICT_EXACT || (opt->mode == UN_CFG_PREDICT_AUTO && !c.whole_patch))) {
        st = c.whole_patch ? choose_whole(&c, &exact, extent, err) : choose_exact(&c, &exact, extent, err);
        fits = !st;
        if (!st && (opt->mode == UN_CFG_PREDICT_EXACT || exact.count[0] * exact.count[1] * exact.count[2] == 1 ||
                       exact.overhead <= 2 || c.valid)) {
            *t = exact;
            un_free(c.shapes);
            return UNET_OK;
        }
        if (opt->mode == UN_CFG_PREDICT_AUTO && st == UNET_E_LIMIT)
            st = UNET_OK;
    }
    if (!st)
        st = choose_blend(&c, t, extent, err);
    if (st == UNET_E_LIMIT && fits) { /* much of it twice, but it can be done */
        *t = exact;
        st = UNET_OK;
    }
    un_free(c.shapes);
    return st;
}
