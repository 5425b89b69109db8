/* 1x1 convolutions with up to FEW outputs, such as the head of a network: vectors run over the channels of a pixel,
 * whose products are then added across. Direct products would leave all but these few elements of a vector empty. UN_W
 * sums, in the order in which the outputs lie in memory, become one vector. */
#include "kernels/simd/direct.h"

enum { FEW = 4, TASK_ROWS = 8 };

static int supports(const void *args)
{
    const un_conv_args *a = args;
    int one = a->groups == 1 && !a->x2.c && a->x.w >= UN_W && a->x.c % UN_W == 0 && a->y.c <= FEW && un_cheap_act(a);

    for (int i = 0; i < 3; i++)
        one = one && a->k[i] == 1 && a->stride[i] == 1 && a->pad[i] == 0;
    return one && a->y.w == a->x.w && a->y.h == a->x.h && a->y.d == a->x.d;
}

/* Elements 2i and 2i + 1: the sums of elements i and i + UN_W / 2 of a and b. */
static inline __attribute__((always_inline)) un_v halves(un_v a, un_v b)
{
    return un_v_zip(a, b, 0) + un_v_zip(a, b, 1);
}

/* Element i: the sum of all elements of v[i * step]. */
static inline __attribute__((always_inline)) un_v sums(const un_v *v)
{
    un_v t[UN_W];

#pragma GCC unroll 16
    for (int i = 0; i < UN_W; i++)
        t[i] = v[i];
#pragma GCC unroll 4
    for (int n = UN_W / 2; n; n /= 2)
#pragma GCC unroll 16
        for (int i = 0; i < n; i++)
            t[i] = halves(t[i], t[i + n]);
    return t[0];
}

/* UN_W pixels from x on, `step` apart, to `count` outputs each. w: see pack. */
static inline __attribute__((always_inline)) void pixels(
    const un_conv_args *a, const float *x, const un_v *bias, float *y, const int count)
{
    const ptrdiff_t step = a->x.sw;

#pragma GCC unroll 4
    for (int part = 0; part < count; part++) {
        const float *w = a->packed;
        un_v acc[UN_W];

#pragma GCC unroll 16
        for (int i = 0; i < UN_W; i++)
            acc[i] = (un_v){0};
        for (int c = 0; c < a->x.c; c += UN_W, w += count * UN_W)
#pragma GCC unroll 16
            for (int i = 0; i < UN_W; i++)
                acc[i] += un_v_load(x + (part * UN_W + i) / count * step + c) *
                          un_v_load(w + (part * UN_W + i) % count * UN_W);
        un_v_store(y + part * UN_W, un_activate(sums(acc) + bias[part], a->act, a->slope));
    }
}

/* One row: blocks of UN_W pixels, the last of which may share some with the one before it. */
static inline __attribute__((always_inline)) void row(
    const un_conv_args *a, const float *x, const un_v *bias, float *y, const int count)
{
    float out[FEW * UN_W];

    for (int at = 0; at < a->y.w; at += UN_W) {
        const int first = at + UN_W <= a->y.w ? at : a->y.w - UN_W;
        float *to = y + first * a->y.sw;

        pixels(a, x + first * a->x.sw, bias, a->y.sw == count ? to : out, count);
        for (int i = 0; i < UN_W && a->y.sw != count; i++)
            for (int o = 0; o < count; o++)
                to[i * a->y.sw + o] = out[i * count + o];
    }
}

static void run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    const un_conv_args *a = args;
    const int groups = un_blocks(a->y.h, TASK_ROWS), first = (int)(task % groups) * TASK_ROWS;
    const int d = (int)(task / groups % a->y.d), n = (int)(task / groups / a->y.d);
    float from[FEW * UN_W] = {0};
    un_v bias[FEW];

    (void)phase, (void)worker, (void)shared;
    for (int i = 0; i < a->y.c * UN_W && a->bias; i++)
        from[i] = ((const float *)a->bias)[i % a->y.c];
    for (int i = 0; i < FEW; i++)
        bias[i] = un_v_load(from + i * UN_W);
    for (int h = first; h < first + TASK_ROWS && h < a->y.h; h++) {
        const float *x = (const float *)a->x.p + n * a->x.sn + d * a->x.sd + h * a->x.sh;
        float *y = (float *)a->y.p + n * a->y.sn + d * a->y.sd + h * a->y.sh;

        if (a->y.c == 1)
            row(a, x, bias, y, 1);
        else if (a->y.c == 2)
            row(a, x, bias, y, 2);
        else if (a->y.c == 3)
            row(a, x, bias, y, 3);
        else
            row(a, x, bias, y, 4);
    }
}

static int64_t tasks(const void *args, int phase)
{
    const un_conv_args *a = args;

    (void)phase;
    return (int64_t)a->y.n * a->y.d * un_blocks(a->y.h, TASK_ROWS);
}

static size_t packed_bytes(const void *args)
{
    const un_conv_args *a = args;

    return (size_t)a->x.c * (size_t)a->y.c * sizeof(float);
}

static int64_t pack_tasks(const void *args)
{
    (void)args;
    return 1;
}

/* [block of channels][output][UN_W] */
static void pack(const void *args, void *packed, int64_t task)
{
    const un_conv_args *a = args;
    const float *w = a->w, *scale = a->scale;
    float *to = packed;

    (void)task;
    for (int c = 0; c < a->x.c; c += UN_W)
        for (int o = 0; o < a->y.c; o++)
            for (int i = 0; i < UN_W; i++)
                *to++ = w[o * a->x.c + c + i] * (scale ? scale[o] : 1.0f);
}

/* Nanoseconds of a product of a vector, and of adding up one: measured with both levels. */
static double cost(const void *args)
{
    const un_conv_args *a = args;

    return (double)un_view_pixels(&a->y) * a->y.c * (0.12 * a->x.c / UN_W + 0.3);
}

extern const un_kernel UN_SIMD_SYMBOL(conv_few);
const un_kernel UN_SIMD_SYMBOL(conv_few) = {.name = UN_SIMD_NAME(conv_few),
    .family = UN_K_CONV,
    .type = UN_KERNEL_F32,
    .level = UN_SIMD_LEVEL,
    .supports = supports,
    .cost = cost,
    .packed_bytes = packed_bytes,
    .pack_tasks = pack_tasks,
    .pack = pack,
    .phases = 1,
    .tasks = tasks,
    .run = run};
