/* Convolution and its data gradient for vector CPUs, as direct products (direct.h). Strides other than 1 and those of a
 * plain transposed convolution are strided.c's in the data gradient; groups are left to the reference. With UN_BF16 the
 * numbers that are multiplied have 16 bits (factor.h). */
#include "kernels/simd/direct.h"

#include "kernels/simd/direct.inc"

static void forward(un_direct *d, const un_conv_args *a)
{
    *d = (un_direct){.in = a->x, .in2 = a->x2, .out = a->y};
    memcpy(d->k, a->k, sizeof d->k);
    memcpy(d->stride, a->stride, sizeof d->stride);
    memcpy(d->pad, a->pad, sizeof d->pad);
    memcpy(d->dilation, a->dilation, sizeof d->dilation);
    direct_set(d, a);
    direct_plan(d);
}

/* The data gradient of a convolution of stride 1 is one with the taps turned round and the other padding. */
static void backward(un_direct *d, const un_conv_args *a)
{
    *d = (un_direct){.in = a->y, .out = a->x, .out2 = a->x2};
    for (int i = 0; i < 3; i++) {
        int spread = is_spread(a);

        d->k[i] = spread ? 1 : a->k[i];
        d->stride[i] = 1;
        d->dilation[i] = a->dilation[i];
        d->pad[i] = spread ? 0 : a->dilation[i] * (a->k[i] - 1) - a->pad[i];
    }
    direct_set(d, a);
    if (is_spread(a)) {
        d->subs = a->k[0] * a->k[1] * a->k[2];
        d->pair = a->k[2] % 2 == 0 && a->x.c <= UN_W;
        memcpy(d->spread, a->k, sizeof d->spread);
        d->out.d = a->y.d;
        d->out.h = a->y.h;
        d->out.w = a->y.w;
    }
    direct_plan(d);
}

static int conv_supports(const void *args)
{
    return fits(args);
}

static int dgrad_supports(const void *args)
{
    return fits(args) && (!has_stride(args) || is_spread(args));
}

static int64_t conv_pack_tasks(const void *args)
{
    un_direct d;

    forward(&d, args);
    return direct_pack_tasks(&d);
}

static void conv_pack(const void *args, void *packed, int64_t task)
{
    const un_conv_args *a = args;
    int tap[UN_MAX_TAPS];
    un_direct d;

    forward(&d, a);
    for (int t = 0; t < d.taps; t++)
        tap[t] = t;
    direct_pack(&d, (int)task, packed, a->w, (ptrdiff_t)a->x.c * d.taps, d.taps, tap);
}

static int64_t dgrad_pack_tasks(const void *args)
{
    un_direct d;

    backward(&d, args);
    return direct_pack_tasks(&d);
}

static void dgrad_pack(const void *args, void *packed, int64_t task)
{
    const un_conv_args *a = args;
    int taps = a->k[0] * a->k[1] * a->k[2], tap[UN_MAX_TAPS];
    un_direct d;

    backward(&d, a);
    for (int t = 0; t < taps; t++)
        tap[t] = d.subs > 1 ? t : taps - 1 - t;
    direct_pack(&d, (int)task, packed, a->w, taps, (ptrdiff_t)a->x.c * taps, tap);
}

#define STAGE_NS (UN_BF16 ? 0.06 : 0.4) /* a channel of a pixel, staged */

#define UN_ENTRIES(name, setup)                                                                                        \
    static size_t name##_packed_bytes(const void *args)                                                                \
    {                                                                                                                  \
        un_direct d;                                                                                                   \
                                                                                                                       \
        setup(&d, args);                                                                                               \
        return direct_packed_bytes(&d);                                                                                \
    }                                                                                                                  \
    static size_t name##_worker_bytes(const void *args)                                                                \
    {                                                                                                                  \
        un_direct d;                                                                                                   \
                                                                                                                       \
        setup(&d, args);                                                                                               \
        return direct_stage_bytes(&d) + UN_PX * sizeof(float);                                                         \
    }                                                                                                                  \
    static int64_t name##_tasks(const void *args, int phase)                                                           \
    {                                                                                                                  \
        un_direct d;                                                                                                   \
                                                                                                                       \
        (void)phase;                                                                                                   \
        setup(&d, args);                                                                                               \
        return direct_tasks(&d);                                                                                       \
    }                                                                                                                  \
    static void name##_run(const void *args, int phase, int64_t task, void *worker, void *shared)                      \
    {                                                                                                                  \
        un_direct d;                                                                                                   \
                                                                                                                       \
        (void)phase;                                                                                                   \
        (void)shared;                                                                                                  \
        setup(&d, args);                                                                                               \
        direct_run(&d, task, worker);                                                                                  \
    }                                                                                                                  \
    static double name##_cost(const void *args)                                                                        \
    {                                                                                                                  \
        un_direct d;                                                                                                   \
                                                                                                                       \
        setup(&d, args);                                                                                               \
        return (double)un_view_pixels(&d.out) * d.in.c *                                                               \
               ((double)d.taps * d.subs * un_blocks(d.out.c, UN_W) / (UN_STEP * UN_RATE) +                             \
                   (d.plain ? 0 : STAGE_NS * d.k[0]));                                                                 \
    }

UN_ENTRIES(conv, forward)
UN_ENTRIES(dgrad, backward)

extern const un_kernel UN_SIMD_SYMBOL(conv), UN_SIMD_SYMBOL(conv_dgrad);
const un_kernel UN_SIMD_SYMBOL(conv) = {.name = UN_SIMD_NAME(conv_direct),
    .family = UN_K_CONV,
    .type = UN_KERNEL_F32,
    .level = UN_SIMD_LEVEL,
    .bf16 = UN_BF16,
    .supports = conv_supports,
    .cost = conv_cost,
    .packed_bytes = conv_packed_bytes,
    .pack_tasks = conv_pack_tasks,
    .pack = conv_pack,
    .worker_bytes = conv_worker_bytes,
    .phases = 1,
    .tasks = conv_tasks,
    .run = conv_run};
const un_kernel UN_SIMD_SYMBOL(conv_dgrad) = {.name = UN_SIMD_NAME(conv_dgrad_direct),
    .family = UN_K_CONV_DGRAD,
    .type = UN_KERNEL_F32,
    .level = UN_SIMD_LEVEL,
    .bf16 = UN_BF16,
    .supports = dgrad_supports,
    .cost = dgrad_cost,
    .packed_bytes = dgrad_packed_bytes,
    .pack_tasks = dgrad_pack_tasks,
    .pack = dgrad_pack,
    .worker_bytes = dgrad_worker_bytes,
    .phases = 1,
    .tasks = dgrad_tasks,
    .run = dgrad_run};
