/* Data gradient of a strided convolution for vector CPUs. Pixels of x with the same remainders by the stride are
 * reached by the same taps, so each such class is a direct convolution of y (direct.h) of stride 1, written to every
 * stride-th pixel. On an axis, pixel i = s j + r gets tap k from o = j + (r + pad - k) / s, for k = k0, k0 + s, ...
 * with k0 = (r + pad) mod s. */
#include "kernels/simd/direct.h"

#include "kernels/simd/direct.inc"

enum { MAX_STRIDE = 4 };

typedef struct axis {
    int first, taps, pad, extent; /* k0; taps 0: none reaches the class */
} axis;

static axis axis_of(const un_conv_args *a, int i, int r, int extent)
{
    int s = a->stride[i];
    axis x = {.first = (r + a->pad[i]) % s, .extent = extent > r ? (extent - r + s - 1) / s : 0};

    x.taps = s == 1 ? a->k[i] : x.first < a->k[i] ? (a->k[i] - 1 - x.first) / s + 1 : 0;
    x.pad = s == 1 ? (a->k[i] - 1) * a->dilation[i] - a->pad[i] : x.taps - 1 - (r + a->pad[i] - x.first) / s;
    return x;
}

static int classes_of(const un_conv_args *a)
{
    return a->stride[0] * a->stride[1] * a->stride[2];
}

/* The product of class q, and its taps in the master. A class without taps is a product with one tap of zeroes. */
static void class_of(un_direct *d, const un_conv_args *a, int q, int *tap)
{
    int r[3] = {q / (a->stride[1] * a->stride[2]), q / a->stride[2] % a->stride[1], q % a->stride[2]};
    axis x[3] = {axis_of(a, 0, r[0], a->x.d), axis_of(a, 1, r[1], a->x.h), axis_of(a, 2, r[2], a->x.w)};
    int none = !x[0].taps || !x[1].taps || !x[2].taps;

    *d = (un_direct){.in = a->y, .out = a->x};
    direct_set(d, a);
    for (int i = 0; i < 3; i++) {
        d->k[i] = none ? 1 : x[i].taps;
        d->pad[i] = none ? 0 : x[i].pad;
        d->stride[i] = 1;
        d->dilation[i] = a->stride[i] == 1 ? a->dilation[i] : 1;
    }
    d->out.d = x[0].extent;
    d->out.h = x[1].extent;
    d->out.w = x[2].extent;
    if (a->x.p)
        d->out.p = (float *)a->x.p + r[0] * a->x.sd + r[1] * a->x.sh + r[2] * a->x.sw;
    d->out.sd *= a->stride[0];
    d->out.sh *= a->stride[1];
    d->out.sw *= a->stride[2];
    if (d->out.d && d->out.h && d->out.w)
        direct_plan(d);
    d->taps = d->k[0] * d->k[1] * d->k[2];
    for (int t = 0; t < d->taps; t++) { /* taps of a product go up in o, so down in k */
        int k[3] = {t / (d->k[1] * d->k[2]), t / d->k[2] % d->k[1], t % d->k[2]};

        for (int i = 0; i < 3; i++)
            k[i] = (a->stride[i] == 1 ? 0 : x[i].first) + (d->k[i] - 1 - k[i]) * a->stride[i];
        tap[t] = none ? -1 : (k[0] * a->k[1] + k[1]) * a->k[2] + k[2];
    }
}

static int64_t class_tasks(const un_direct *d)
{
    return d->out.d && d->out.h && d->out.w ? direct_tasks(d) : 0;
}

static int supports(const void *args)
{
    const un_conv_args *a = args;

    for (int i = 0; i < 3; i++)
        if (a->stride[i] > MAX_STRIDE || (a->stride[i] > 1 && a->dilation[i] > 1))
            return 0;
    return fits(a) && has_stride(a) && !is_spread(a);
}

static size_t packed_bytes(const void *args)
{
    int tap[UN_MAX_TAPS];
    size_t all = 0;
    un_direct d;

    for (int q = 0; q < classes_of(args); q++) {
        class_of(&d, args, q, tap);
        all += direct_packed_bytes(&d);
    }
    return all;
}

static int64_t pack_tasks(const void *args)
{
    return classes_of(args);
}

static void pack(const void *args, void *packed, int64_t task)
{
    const un_conv_args *a = args;
    ptrdiff_t taps = a->k[0] * a->k[1] * a->k[2];
    int tap[UN_MAX_TAPS];
    float *to = packed;
    un_direct d;

    class_of(&d, a, 0, tap);
    for (int q = 1; q <= task; q++) {
        to += direct_packed_count(&d);
        class_of(&d, a, q, tap);
    }
    for (int b = 0; b < direct_pack_tasks(&d); b++)
        direct_pack(&d, b, to, a->w, taps, a->x.c * taps, tap);
}

static size_t worker_bytes(const void *args)
{
    int tap[UN_MAX_TAPS];
    size_t most = 0;
    un_direct d;

    for (int q = 0; q < classes_of(args); q++) {
        class_of(&d, args, q, tap);
        if (class_tasks(&d) && direct_stage_bytes(&d) > most)
            most = direct_stage_bytes(&d);
    }
    return most + UN_PX * sizeof(float);
}

static int64_t tasks(const void *args, int phase)
{
    int tap[UN_MAX_TAPS];
    int64_t all = 0;
    un_direct d;

    (void)phase;
    for (int q = 0; q < classes_of(args); q++) {
        class_of(&d, args, q, tap);
        all += class_tasks(&d);
    }
    return all;
}

static void run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_conv_args *a = args;
    const float *packed = a->packed;
    int tap[UN_MAX_TAPS];
    un_direct d;

    (void)phase;
    (void)shared;
    class_of(&d, a, 0, tap);
    for (int q = 1; task >= class_tasks(&d); q++) {
        task -= class_tasks(&d);
        packed += direct_packed_count(&d);
        class_of(&d, a, q, tap);
    }
    d.packed = packed;
    direct_run(&d, task, worker);
}

static double cost(const void *args)
{
    int tap[UN_MAX_TAPS];
    double all = 0;
    un_direct d;

    for (int q = 0; q < classes_of(args); q++) {
        class_of(&d, args, q, tap);
        all += (double)un_view_pixels(&d.out) * d.taps * d.in.c * un_blocks(d.out.c, UN_W) / UN_RATE;
    }
    return all;
}

extern const un_kernel UN_SIMD_SYMBOL(conv_dgrad_strided);
const un_kernel UN_SIMD_SYMBOL(conv_dgrad_strided) = {.name = UN_SIMD_NAME(conv_dgrad_strided),
    .family = UN_K_CONV_DGRAD,
    .type = UN_KERNEL_F32,
    .level = UN_SIMD_LEVEL,
    .supports = supports,
    .cost = cost,
    .packed_bytes = packed_bytes,
    .pack_tasks = pack_tasks,
    .pack = pack,
    .worker_bytes = worker_bytes,
    .phases = 1,
    .tasks = tasks,
    .run = run};
