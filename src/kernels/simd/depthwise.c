/* Depthwise convolution (groups = channels in = channels out) and its gradients for vector CPUs: vectors run over
 * channels. Each output pixel is a sum over taps of its own pixels, so loads bound the time: a group of DW_PX pixels
 * shares the loads of the weights, and pixels whose taps all lie inside a row take a path without checks. The data
 * gradient of stride 1 is a depthwise convolution of dy with the taps reversed. */
#include "kernels/simd/direct.h"

enum { DW_PX = 8, DW_TAPS_W = 5, DW_TASK = 32768 }; /* DW_TASK: elements of output */

/* out[o] = sum of in[o*stride - pad + t*dilation] w[t]; back 1: the gather of a strided data gradient. */
typedef struct depth {
    un_view in, out;
    int k[3], stride[3], pad[3], dilation[3], back;
    int step;            /* floats between two taps of the packed weight */
    const float *packed; /* [tap][step]      */
    const float *bias;
    int act;
    float slope;
} depth;

static int is_depthwise(int groups, int ci, int co, const int k[3])
{
    return groups > 1 && groups == ci && groups == co && k[0] <= DW_TAPS_W && k[1] <= DW_TAPS_W && k[2] <= DW_TAPS_W;
}

static int supports(const void *args)
{
    const un_conv_args *a = args;

    return is_depthwise(a->groups, a->x.c, a->y.c, a->k) &&
           (a->act == UN_ACT_NONE || a->act == UN_ACT_RELU || a->act == UN_ACT_LEAKY_RELU);
}

static int is_reversed(const un_conv_args *a)
{
    return a->stride[0] == 1 && a->stride[1] == 1 && a->stride[2] == 1;
}

static depth plan_of(const un_conv_args *a, int back)
{
    depth d = {.in = back ? a->y : a->x,
        .out = back ? a->x : a->y,
        .back = back && !is_reversed(a),
        .packed = a->packed,
        .bias = a->bias,
        .act = a->act,
        .slope = a->slope};

    for (int i = 0; i < 3; i++) {
        d.k[i] = a->k[i];
        d.stride[i] = a->stride[i];
        d.dilation[i] = a->dilation[i];
        d.pad[i] = back && !d.back ? (a->k[i] - 1) * a->dilation[i] - a->pad[i] : a->pad[i];
    }
    d.step = un_blocks(d.out.c, UN_W) * UN_W;
    return d;
}

/* The input index that tap t of output o reads on an axis; -1: outside. */
static inline int source(const depth *d, int axis, int o, int t, int extent)
{
    int i = o * d->stride[axis] - d->pad[axis] + t * d->dilation[axis];

    if (d->back) {
        i = o + d->pad[axis] - t * d->dilation[axis];
        i = i < 0 || i % d->stride[axis] ? -1 : i / d->stride[axis];
    }
    return i < extent ? i : -1;
}

/* An input row that a row of output reads, at pixel 0, and the weights of its taps. */
typedef struct tap_row {
    const float *x, *w;
} tap_row;

static int rows_of(const depth *d, int n, int od, int oh, tap_row *r)
{
    int count = 0;

    for (int kd = 0; kd < d->k[0]; kd++)
        for (int kh = 0; kh < d->k[1]; kh++) {
            int id = source(d, 0, od, kd, d->in.d), ih = source(d, 1, oh, kh, d->in.h);

            if (id >= 0 && ih >= 0)
                r[count++] = (tap_row){(const float *)d->in.p + n * d->in.sn + id * d->in.sd + ih * d->in.sh,
                    d->packed + (kd * d->k[1] + kh) * d->k[2] * d->step};
        }
    return count;
}

static inline un_v load(const float *p, int count)
{
    return count < UN_W ? un_v_load_part(p, count) : un_v_load(p);
}

static inline void store(const depth *d, float *p, un_v v, int count)
{
    v = un_activate(v, d->act, d->slope);
    if (count < UN_W)
        un_v_store_part(p, v, count);
    else
        un_v_store(p, v);
}

/* The first channel of block b; the last block overlaps the one before it, so that all are whole if there is room. */
static inline int channel_of(int c, int b)
{
    return c >= UN_W && (b + 1) * UN_W > c ? c - UN_W : b * UN_W;
}

/* One output pixel at any place. */
static void any_pixel(const depth *d, const tap_row *r, int rows, int o, float *out)
{
    int c = d->out.c;

    for (int b = 0; b < un_blocks(c, UN_W); b++) {
        int first = channel_of(c, b), count = c - first;
        un_v acc = {0};

        if (d->bias)
            acc = load(d->bias + first, count);
        for (int i = 0; i < rows; i++)
            for (int t = 0; t < d->k[2]; t++) {
                int x = source(d, 2, o, t, d->in.w);

                if (x >= 0)
                    acc += load(r[i].x + x * d->in.sw + first, count) * load(r[i].w + t * d->step + first, count);
            }
        store(d, out + first, acc, count);
    }
}

/* px pixels whose taps all lie inside. x0: first tap of the first pixel. */
static inline __attribute__((always_inline)) void inner_pixels(
    const depth *d, const tap_row *r, int rows, ptrdiff_t x0, float *out, const int px, const int kw)
{
    ptrdiff_t next = d->stride[2] * d->in.sw, tap = d->dilation[2] * d->in.sw;
    int c = d->out.c;

    for (int b = 0; b < un_blocks(c, UN_W); b++) {
        int first = channel_of(c, b);
        un_v acc[DW_PX], start = {0};

        if (d->bias)
            start = un_v_load(d->bias + first);
        for (int p = 0; p < px; p++)
            acc[p] = start;
        for (int i = 0; i < rows; i++) {
            const float *x = r[i].x + x0 + first, *w = r[i].w + first;

            for (int t = 0; t < kw; t++) {
                un_v f = un_v_load(w + t * d->step);

                for (int p = 0; p < px; p++)
                    acc[p] += un_v_load(x + p * next + t * tap) * f;
            }
        }
        for (int p = 0; p < px; p++)
            store(d, out + p * d->out.sw + first, acc[p], UN_W);
    }
}

/* Output pixels lo .. hi-1 of a row have all taps inside. */
static void inner_span(const depth *d, int *lo, int *hi)
{
    int s = d->stride[2], last = d->in.w - 1 + d->pad[2] - (d->k[2] - 1) * d->dilation[2];

    *lo = d->pad[2] > 0 ? (d->pad[2] + s - 1) / s : 0;
    *hi = last < 0 ? 0 : last / s + 1;
    *hi = *hi < d->out.w ? *hi : d->out.w;
    if (d->back || d->out.c < UN_W || *lo >= *hi)
        *lo = *hi = 0;
}

static void run_row(const depth *d, int n, int od, int oh)
{
    float *out = (float *)d->out.p + n * d->out.sn + od * d->out.sd + oh * d->out.sh;
    tap_row r[DW_TAPS_W * DW_TAPS_W];
    int rows = rows_of(d, n, od, oh, r), lo, hi, o;

    inner_span(d, &lo, &hi);
    for (o = 0; o < lo; o++)
        any_pixel(d, r, rows, o, out + o * d->out.sw);
    for (; o + DW_PX <= hi; o += DW_PX) {
        ptrdiff_t x0 = (ptrdiff_t)(o * d->stride[2] - d->pad[2]) * d->in.sw;

        if (d->k[2] == 3)
            inner_pixels(d, r, rows, x0, out + o * d->out.sw, DW_PX, 3);
        else
            inner_pixels(d, r, rows, x0, out + o * d->out.sw, DW_PX, d->k[2]);
    }
    for (; o < hi; o++)
        inner_pixels(d, r, rows, (ptrdiff_t)(o * d->stride[2] - d->pad[2]) * d->in.sw, out + o * d->out.sw, 1, d->k[2]);
    for (; o < d->out.w; o++)
        any_pixel(d, r, rows, o, out + o * d->out.sw);
}

/* ---- tasks: blocks of output rows ---- */

static int64_t row_count(const un_view *v)
{
    return (int64_t)v->n * v->d * v->h;
}

static int64_t block_rows(const un_view *v)
{
    int64_t row = (int64_t)v->w * v->c;

    return row < DW_TASK ? DW_TASK / row : 1;
}

static int64_t block_count(const un_view *v)
{
    return (row_count(v) + block_rows(v) - 1) / block_rows(v);
}

static void run_block(const un_conv_args *a, int back, int64_t task)
{
    depth d = plan_of(a, back);
    int64_t per = block_rows(&d.out), end = (task + 1) * per;

    end = end < row_count(&d.out) ? end : row_count(&d.out);
    for (int64_t row = task * per; row < end; row++)
        run_row(&d, (int)(row / d.out.h / d.out.d), (int)(row / d.out.h % d.out.d), (int)(row % d.out.h));
}

static void forward_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    (void)phase, (void)worker, (void)shared;
    run_block(args, 0, task);
}

static void back_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    (void)phase, (void)worker, (void)shared;
    run_block(args, 1, task);
}

static int64_t forward_tasks(const void *args, int phase)
{
    (void)phase;
    return block_count(&((const un_conv_args *)args)->y);
}

static int64_t back_tasks(const void *args, int phase)
{
    (void)phase;
    return block_count(&((const un_conv_args *)args)->x);
}

static size_t packed_bytes(const void *args)
{
    const un_conv_args *a = args;

    return (size_t)(a->k[0] * a->k[1] * a->k[2]) * (size_t)(un_blocks(a->y.c, UN_W) * UN_W) * sizeof(float);
}

static int64_t pack_tasks(const void *args)
{
    (void)args;
    return 1;
}

/* [c][taps] -> [taps][step]; reverse: last tap first. */
static void pack_taps(const un_conv_args *a, float *to, int reverse)
{
    int taps = a->k[0] * a->k[1] * a->k[2], c = a->y.c, step = un_blocks(c, UN_W) * UN_W;
    const float *w = a->w, *scale = a->scale;

    for (int t = 0; t < taps; t++)
        for (int j = 0; j < step; j++)
            to[t * step + j] = j < c ? w[j * taps + (reverse ? taps - 1 - t : t)] * (scale ? scale[j] : 1.0f) : 0;
}

static void forward_pack(const void *args, void *packed, int64_t task)
{
    (void)task;
    pack_taps(args, packed, 0);
}

static void back_pack(const void *args, void *packed, int64_t task)
{
    (void)task;
    pack_taps(args, packed, is_reversed(args));
}

static double cost(const void *args)
{
    const un_conv_args *a = args;

    return (double)un_view_pixels(&a->y) * a->k[0] * a->k[1] * a->k[2] * un_blocks(a->y.c, UN_W) / UN_RATE;
}

/* ---- weight gradient: partial sums of blocks of rows of dy, [block][taps + 1][step], added in double ---- */

static int wgrad_supports(const void *args)
{
    const un_wgrad_args *a = args;

    return a->dw && is_depthwise(a->groups, a->x.c, a->dy.c, a->k);
}

static int wgrad_step(const un_wgrad_args *a)
{
    return un_blocks(a->dy.c, UN_W) * UN_W;
}

static int wgrad_taps(const un_wgrad_args *a)
{
    return a->k[0] * a->k[1] * a->k[2];
}

static size_t wgrad_shared(const void *args)
{
    const un_wgrad_args *a = args;

    return (size_t)block_count(&a->dy) * (size_t)(wgrad_taps(a) + 1) * (size_t)wgrad_step(a) * sizeof(float);
}

static int64_t wgrad_tasks(const void *args, int phase)
{
    const un_wgrad_args *a = args;

    return phase ? un_blocks(a->dy.c, UN_W) : block_count(&a->dy);
}

/* acc[t] += the products of one row of dy with the row x, for kw taps; two sums a tap, since an addition takes as long
 * as several loads. */
static inline __attribute__((always_inline)) void add_row(
    const un_wgrad_args *a, const float *x, const float *dy, int count, un_v *acc, const int kw)
{
    int s = a->stride[2], pad = a->pad[2], dil = a->dilation[2], w = a->dy.w;
    int last = a->x.w - 1 + pad - (kw - 1) * dil, lo = pad > 0 ? (pad + s - 1) / s : 0,
        hi = last < 0 ? 0 : last / s + 1;
    un_v two[2][DW_TAPS_W] = {{{0}}};
    int o = 0;

    hi = count < UN_W ? 0 : hi < w ? hi : w;
    for (; o < w; o++) {
        if (o == lo)
            for (; o + 2 <= hi; o += 2)
                for (int p = 0; p < 2; p++) {
                    const float *at = x + ((o + p) * s - pad) * a->x.sw;
                    un_v g = un_v_load(dy + (o + p) * a->dy.sw);

                    for (int t = 0; t < kw; t++)
                        two[p][t] += un_v_load(at + t * dil * a->x.sw) * g;
                }
        for (int t = 0; t < kw && o < w; t++) {
            int i = o * s - pad + t * dil;

            if (i >= 0 && i < a->x.w)
                acc[t] += load(x + i * a->x.sw, count) * load(dy + o * a->dy.sw, count);
        }
    }
    for (int t = 0; t < kw; t++)
        acc[t] += two[0][t] + two[1][t];
}

/* All rows of a block for the taps along w of one (kd, kh) and one block of channels. */
static void add_rows(const un_wgrad_args *a, int64_t task, int kd, int kh, int first, un_v *acc)
{
    const un_view *v = &a->dy;
    int64_t per = block_rows(v), end = (task + 1) * per < row_count(v) ? (task + 1) * per : row_count(v);
    int count = v->c - first;

    for (int64_t row = task * per; row < end; row++) {
        int h = (int)(row % v->h), d = (int)(row / v->h % v->d), n = (int)(row / v->h / v->d);
        int id = d * a->stride[0] - a->pad[0] + kd * a->dilation[0],
            ih = h * a->stride[1] - a->pad[1] + kh * a->dilation[1];
        const float *dy = (const float *)v->p + n * v->sn + d * v->sd + h * v->sh + first;
        const float *x = (const float *)a->x.p + n * a->x.sn + first;

        if (id < 0 || id >= a->x.d || ih < 0 || ih >= a->x.h)
            continue;
        x += id * a->x.sd + ih * a->x.sh;
        if (a->k[2] == 3)
            add_row(a, x, dy, count, acc, 3);
        else
            add_row(a, x, dy, count, acc, a->k[2]);
    }
}

static un_v sum_dy(const un_wgrad_args *a, int64_t task, int first)
{
    const un_view *v = &a->dy;
    int64_t per = block_rows(v), end = (task + 1) * per < row_count(v) ? (task + 1) * per : row_count(v);
    un_v sum = {0};

    for (int64_t row = task * per; row < end; row++) {
        const float *dy =
            (const float *)v->p + row / v->h / v->d * v->sn + row / v->h % v->d * v->sd + row % v->h * v->sh;

        for (int o = 0; o < v->w; o++)
            sum += load(dy + o * v->sw + first, v->c - first);
    }
    return sum;
}

static void wgrad_part(const un_wgrad_args *a, int64_t task, float *part)
{
    int step = wgrad_step(a), c = a->dy.c;

    for (int b = 0; b < un_blocks(c, UN_W); b++) {
        int first = channel_of(c, b), tap = 0;

        for (int r = 0; r < a->k[0] * a->k[1]; r++) {
            un_v acc[DW_TAPS_W] = {{0}};

            add_rows(a, task, r / a->k[1], r % a->k[1], first, acc);
            for (int t = 0; t < a->k[2]; t++, tap++)
                un_v_store(part + tap * step + first, acc[t]);
        }
        if (a->db)
            un_v_store(part + tap * step + first, sum_dy(a, task, first));
    }
}

static void wgrad_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_wgrad_args *a = args;
    int step = wgrad_step(a), taps = wgrad_taps(a), end = (int)(task + 1) * UN_W;
    size_t each = (size_t)(taps + 1) * (size_t)step;

    (void)worker;
    if (phase == 0) {
        wgrad_part(a, task, (float *)shared + (size_t)task * each);
        return;
    }
    end = end < a->dy.c ? end : a->dy.c;
    for (int c = (int)task * UN_W; c < end; c++)
        for (int t = 0; t < taps + (a->db != 0); t++) {
            double sum = 0;

            for (int64_t i = 0; i < block_count(&a->dy); i++)
                sum += (double)((float *)shared)[(size_t)i * each + (size_t)t * (size_t)step + (size_t)c];
            *(t < taps ? (float *)a->dw + c * taps + t : (float *)a->db + c) = (float)sum;
        }
}

static double wgrad_cost(const void *args)
{
    const un_wgrad_args *a = args;

    return (double)un_view_pixels(&a->dy) * wgrad_taps(a) * un_blocks(a->dy.c, UN_W) / UN_RATE;
}

#define KERNEL(fn, FAMILY, ...)                                                                                        \
    extern const un_kernel UN_SIMD_SYMBOL(fn);                                                                         \
    const un_kernel UN_SIMD_SYMBOL(fn) = {.name = UN_SIMD_NAME(fn),                                                    \
        .family = UN_K_##FAMILY,                                                                                       \
        .type = UN_KERNEL_F32,                                                                                         \
        .level = UN_SIMD_LEVEL,                                                                                        \
        __VA_ARGS__};
#define PACKED(what)                                                                                                   \
    .supports = supports, .cost = cost, .packed_bytes = packed_bytes, .pack_tasks = pack_tasks, .pack = what##_pack,   \
    .phases = 1, .tasks = what##_tasks, .run = what##_run

KERNEL(conv_depthwise, CONV, PACKED(forward))
KERNEL(conv_dgrad_depthwise, CONV_DGRAD, PACKED(back))
KERNEL(conv_wgrad_depthwise, CONV_WGRAD, .supports = wgrad_supports, .cost = wgrad_cost, .shared_bytes = wgrad_shared,
    .phases = 2, .tasks = wgrad_tasks, .run = wgrad_run)
