/* Kernels that work on pictures: pooling, resampling, what is done pixel by pixel. */
#include "base/mem.h"
#include "kernel_check.h"

/* ---- pooling ---- */

static int64_t dense(const un_view *v, int n, int d, int h, int w, int c)
{
    return ((((int64_t)n * v->d + d) * v->h + h) * v->w + w) * v->c + c;
}

typedef void window_fn(const double *x, const int64_t *index, int count, const double *dy, double *y, double *dx);

static void naive_max(const double *x, const int64_t *index, int count, const double *dy, double *y, double *dx)
{
    int best = 0;

    for (int i = 1; i < count; i++)
        if (x[index[i]] > x[index[best]] || x[index[i]] != x[index[i]])
            best = i;
    *y = x[index[best]];
    dx[index[best]] += *dy;
}

static void naive_avg(const double *x, const int64_t *index, int count, const double *dy, double *y, double *dx)
{
    *y = 0;
    for (int i = 0; i < count; i++) {
        *y += x[index[i]] / count;
        dx[index[i]] += *dy / count;
    }
}

static void naive_pool(const un_pool_args *a, const un_view *in, const un_view *out, const double *x, const double *dy,
    double *y, double *dx, window_fn *fn)
{
    int64_t index[512];

    for (int n = 0; n < out->n; n++)
        for (int64_t o = 0; o < (int64_t)out->d * out->h * out->w; o++)
            for (int c = 0; c < out->c; c++) {
                int w = (int)(o % out->w), h = (int)(o / out->w % out->h), d = (int)(o / out->w / out->h), count = 0;
                int64_t i = dense(out, n, d, h, w, c);

                for (int kd = UN_MAX(d * a->stride[0] - a->pad[0], 0);
                     kd < UN_MIN(in->d, d * a->stride[0] - a->pad[0] + a->k[0]); kd++)
                    for (int kh = UN_MAX(h * a->stride[1] - a->pad[1], 0);
                         kh < UN_MIN(in->h, h * a->stride[1] - a->pad[1] + a->k[1]); kh++)
                        for (int kw = UN_MAX(w * a->stride[2] - a->pad[2], 0);
                             kw < UN_MIN(in->w, w * a->stride[2] - a->pad[2] + a->k[2]); kw++)
                            index[count++] = dense(in, n, kd, kh, kw, c);
                fn(x, index, count, &dy[i], &y[i], dx);
            }
}

enum { WHOLE, CUT, EDGES }; /* windows at the high edge, and with a padding of half the window */

static int pooled(int in, int k, int stride, int mode)
{
    const int edge = mode == EDGES ? k / 2 : 0, o = (in + 2 * edge - k + (mode == CUT ? stride - 1 : 0)) / stride + 1;

    return (o - 1) * stride >= in + edge ? o - 1 : o;
}

static void check_pool(const int s[5], const int k[3], const int stride[3], int mode, int max, int pad)
{
    for (int i = 0, j = 0; i < 2; i++, j = 0) {
        const un_kernel *kernel;
        un_kernel_family families[4] = {UN_K_AVGPOOL, UN_K_AVGPOOL_GRAD, UN_K_MAXPOOL, UN_K_MAXPOOL_GRAD};

        while ((kernel = kc_next(families[2 * max + i], &j))) {
            un_pool_args a = {0};
            int type = kernel->type;
            kc_tensor tx = kc_make(type, s[0], s[1], s[2], s[3], s[4], pad), ty, tdy, tdx, tadd;
            double *x = kc_random(kc_count(&tx.v)), *dx = kc_random(kc_count(&tx.v)), *add, *y, *dy;

            add = kc_random(kc_count(&tx.v));
            memcpy(a.k, k, sizeof a.k);
            memcpy(a.stride, stride, sizeof a.stride);
            for (int axis = 0; axis < 3; axis++)
                a.pad[axis] = mode == EDGES ? k[axis] / 2 : 0;
            ty = kc_make(type, s[0], pooled(s[1], k[0], stride[0], mode), pooled(s[2], k[1], stride[1], mode),
                pooled(s[3], k[2], stride[2], mode), s[4], 2 - pad);
            tdy = kc_make_like(type, &ty.v, pad);
            tdx = kc_make_like(type, &tx.v, 1);
            tadd = kc_make_like(type, &tx.v, 0);
            y = kc_random(kc_count(&ty.v));
            dy = kc_random(kc_count(&ty.v));
            for (int64_t e = 0; e < kc_count(&tx.v); e++) {
                dx[e] = max ? add[e] : 0;
                if (max) /* ties: the first of them counts */
                    x[e] = floor(4 * x[e]) / 4;
            }
            naive_pool(&a, &tx.v, &ty.v, x, dy, y, dx, max ? naive_max : naive_avg);
            kc_set(&tx, x);
            kc_set(&tdy, dy);
            kc_set(&tadd, add);
            a.x = tx.v;
            if (i) {
                a.y = a.dy = tdy.v;
                a.dx = tdx.v;
                if (max)
                    a.add = tadd.v;
                kc_run(kernel, &a, &tdx, NULL);
                kc_expect(&tdx, dx, kc_tolerance(kernel, 1e-6), kernel->name);
            } else {
                a.y = ty.v;
                kc_run(kernel, &a, &ty, NULL);
                kc_expect(&ty, y, kc_tolerance(kernel, 1e-6), kernel->name);
            }
            kc_release(&tx), kc_release(&ty), kc_release(&tdy), kc_release(&tdx), kc_release(&tadd);
            un_free(x), un_free(dx), un_free(add), un_free(y), un_free(dy);
        }
    }
}

TEST(pooling)
{
    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 1, 0, 0);
    for (int max = 0; max < 2; max++)
        for (int pad = 0; pad < 3; pad++) {
            check_pool((int[]){2, 1, 8, 12, 5}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, WHOLE, max, pad);
            check_pool((int[]){2, 1, 9, 13, 16}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, WHOLE, max, pad);
            check_pool((int[]){2, 1, 9, 13, 16}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, CUT, max, pad);
            check_pool((int[]){1, 5, 7, 9, 3}, (int[]){2, 2, 2}, (int[]){2, 2, 2}, CUT, max, pad);
            check_pool((int[]){1, 6, 8, 10, 17}, (int[]){2, 3, 3}, (int[]){1, 2, 2}, WHOLE, max, pad);
            check_pool((int[]){1, 4, 8, 9, 2}, (int[]){1, 1, 2}, (int[]){2, 3, 3}, WHOLE, max, pad);
            check_pool((int[]){1, 1, 66, 70, 12}, (int[]){1, 2, 2}, (int[]){1, 2, 2}, WHOLE, max, pad);
            check_pool((int[]){2, 1, 9, 13, 16}, (int[]){1, 3, 3}, (int[]){1, 2, 2}, EDGES, max, pad);
            check_pool((int[]){1, 1, 64, 70, 8}, (int[]){1, 3, 3}, (int[]){1, 2, 2}, EDGES, max, pad);
            check_pool((int[]){1, 5, 6, 7, 3}, (int[]){3, 3, 3}, (int[]){1, 1, 1}, EDGES, max, pad);
            check_pool((int[]){1, 6, 9, 8, 2}, (int[]){5, 4, 2}, (int[]){2, 1, 3}, EDGES, max, pad);
        }
}

/* ---- resampling ---- */

/* The two inputs of output o and the weight of the second, as PyTorch's interpolate has them. */
static void source(const un_upsample_args *a, int in, int out, int o, int *i0, int *i1, double *w1)
{
    double s = a->align_corners ? (out > 1 ? o * (in - 1.0) / (out - 1) : 0) : UN_MAX((o + 0.5) * in / out - 0.5, 0);

    *i0 = a->linear ? (int)floor(s + 1e-12) : (int)((int64_t)o * in / out);
    *i1 = a->linear ? UN_MIN(*i0 + 1, in - 1) : *i0;
    *w1 = a->linear ? s - *i0 : 0;
}

static void naive_upsample(const un_upsample_args *a, const double *x, const double *dy, double *y, double *dx)
{
    const un_view *vx = &a->x, *vy = &a->y;

    for (int64_t i = 0; i < kc_count(vy); i++) {
        int c = (int)(i % vy->c), w = (int)(i / vy->c % vy->w), h = (int)(i / vy->c / vy->w % vy->h), at[3][2];
        int d = (int)(i / vy->c / vy->w / vy->h % vy->d), n = (int)(i / vy->c / vy->w / vy->h / vy->d);
        double w1[3];

        source(a, vx->d, vy->d, d, &at[0][0], &at[0][1], &w1[0]);
        source(a, vx->h, vy->h, h, &at[1][0], &at[1][1], &w1[1]);
        source(a, vx->w, vy->w, w, &at[2][0], &at[2][1], &w1[2]);
        y[i] = 0;
        for (int t = 0; t < 8; t++) {
            int64_t j = dense(vx, n, at[0][t & 1], at[1][t >> 1 & 1], at[2][t >> 2], c);
            double k = (t & 1 ? w1[0] : 1 - w1[0]) * (t & 2 ? w1[1] : 1 - w1[1]) * (t & 4 ? w1[2] : 1 - w1[2]);

            y[i] += k * x[j];
            dx[j] += k * dy[i];
        }
    }
}

static void check_upsample(const int from[5], const int to[3], int linear, int align, int pad)
{
    const un_kernel *k;

    for (int grad = 0; grad < 2; grad++)
        for (int j = 0; (k = kc_next(grad ? UN_K_UPSAMPLE_GRAD : UN_K_UPSAMPLE, &j));) {
            kc_tensor tx = kc_make(k->type, from[0], from[1], from[2], from[3], from[4], pad);
            kc_tensor ty = kc_make(k->type, from[0], to[0], to[1], to[2], from[4], 2 - pad);
            int64_t nx = kc_count(&tx.v), ny = kc_count(&ty.v);
            double *x = kc_random(nx), *dy = kc_random(ny), *y = kc_random(ny);
            double *dx = un_alloc_array(NULL, (size_t)nx, sizeof *dx);
            un_upsample_args a = {tx.v, ty.v, linear, align};

            naive_upsample(&a, x, dy, y, dx);
            if (grad) {
                kc_set(&ty, dy);
                kc_run(k, &a, &tx, NULL);
                kc_expect(&tx, dx, kc_tolerance(k, 2e-6), k->name);
            } else {
                kc_set(&tx, x);
                kc_run(k, &a, &ty, NULL);
                kc_expect(&ty, y, kc_tolerance(k, 2e-6), k->name);
            }
            kc_release(&tx), kc_release(&ty);
            un_free(x), un_free(dy), un_free(y), un_free(dx);
        }
}

TEST(resampling)
{
    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 5, 0, 0);
    for (int mode = 0; mode < 3; mode++)
        for (int pad = 0; pad < 3; pad++) {
            int linear = mode > 0, align = mode > 1;

            check_upsample((int[]){2, 1, 4, 6, 3}, (int[]){1, 8, 12}, linear, align, pad);
            check_upsample((int[]){1, 3, 4, 5, 17}, (int[]){6, 8, 10}, linear, align, pad);
            check_upsample((int[]){1, 1, 1, 1, 5}, (int[]){1, 3, 2}, linear, align, pad);
            check_upsample((int[]){1, 2, 7, 9, 2}, (int[]){1, 3, 20}, linear, align, pad); /* partly smaller */
            check_upsample((int[]){1, 1, 20, 33, 16}, (int[]){1, 40, 66}, linear, align, pad);
            check_upsample((int[]){1, 1, 5, 5, 1}, (int[]){1, 5, 320}, linear, align, pad);
        }
}

/* ---- pixel by pixel ---- */

static double naive_act(double x, int act, double slope)
{
    switch (act) {
    case UN_ACT_RELU:
        return x < 0 ? 0 : x;
    case UN_ACT_LEAKY_RELU:
        return x < 0 ? slope * x : x;
    case UN_ACT_ELU:
        return x < 0 ? slope * expm1(x) : x;
    case UN_ACT_GELU:
        return x * 0.5 * erfc(-x / sqrt(2));
    case UN_ACT_SILU:
        return x / (1 + exp(-x));
    case UN_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case UN_ACT_TANH:
        return tanh(x);
    case UN_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    default:
        return x;
    }
}

static double naive_act_slope(double x, int act, double slope)
{
    double e = 1e-6;

    return (naive_act(x + e, act, slope) - naive_act(x - e, act, slope)) / (2 * e);
}

static const int extents[][5] = {{1, 1, 1, 1, 1}, {2, 1, 5, 7, 3}, {1, 3, 4, 9, 16}, {1, 2, 33, 65, 9}};

#define EACH_CASE(family, s, pad, k)                                                                                   \
    for (size_t s = 0; s < UN_COUNT(extents); s++)                                                                     \
        for (int pad = 0; pad < 3; pad++)                                                                              \
            for (int j_ = 0; (k = kc_next(family, &j_));)

static kc_tensor tensor_of(const un_kernel *k, size_t s, int pad)
{
    const int *e = extents[s];

    return kc_make(k->type, e[0], e[1], e[2], e[3], e[4], pad);
}

TEST(activations)
{
    const un_kernel *k;

    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 6, 0, 0);
    for (int grad = 0; grad < 2; grad++)
        EACH_CASE(grad ? UN_K_ACT_GRAD : UN_K_ACT, s, pad, k)
    for (int act = 0; act < UN_ACT_COUNT; act++) {
        kc_tensor x = tensor_of(k, s, pad), y = tensor_of(k, s, 2 - pad);
        int64_t n = kc_count(&x.v);
        double *vx = kc_random(n), *vdy = kc_random(n), *want = kc_random(n);
        un_act_args a = {.x = x.v, .y = y.v, .dy = y.v, .act = act, .slope = 0.25f};

        for (int64_t i = 0; i < n; i++) {
            vx[i] = fabs(vx[i]) < 1e-5 ? 0.5 : vx[i] * (i % 5 ? 1 : 8); /* not across a kink */
            want[i] = grad ? vdy[i] * naive_act_slope(vx[i], act, 0.25) : naive_act(vx[i], act, 0.25);
        }
        kc_set(&x, vx);
        if (!grad && pad == 1) /* in place */
            a.x = y.v;
        kc_run(k, &a, &y, grad ? vdy : vx);
        kc_expect(&y, want, grad && k->type == UN_KERNEL_F64 ? 1e-8 : kc_tolerance(k, grad ? 4e-6 : 6e-7), k->name);
        kc_release(&x), kc_release(&y);
        un_free(vx), un_free(vdy), un_free(want);
    }
}

TEST(affine)
{
    const un_kernel *k;

    EACH_CASE(UN_K_AFFINE, s, pad, k)
    for (int act = 0; act < UN_ACT_COUNT; act++) {
        kc_tensor x = tensor_of(k, s, pad), y = tensor_of(k, s, 2 - pad);
        int64_t n = kc_count(&x.v);
        int c = x.v.c;
        double *vx = kc_random(n), *want = kc_random(n), *scale = kc_random(c), *shift = kc_random(c), ks[64], kb[64];
        un_affine_args a = {.x = x.v, .y = y.v, .scale = ks, .shift = kb, .act = act, .slope = 0.1f};

        for (int i = 0; i < c; i++) {
            kc_put(ks, i, scale[i], k->type);
            kc_put(kb, i, shift[i], k->type);
        }
        for (int64_t i = 0; i < n; i++)
            want[i] = naive_act(vx[i] * scale[i % c] + shift[i % c], act, (double)0.1f);
        kc_set(&x, vx);
        if (pad == 1)
            a.x = y.v;
        kc_run(k, &a, &y, vx);
        kc_expect(&y, want, kc_tolerance(k, 6e-7), k->name);
        kc_release(&x), kc_release(&y);
        un_free(vx), un_free(want), un_free(scale), un_free(shift);
    }
}

TEST(add_copy_fill)
{
    static const un_kernel_family families[] = {UN_K_ADD, UN_K_COPY, UN_K_FILL};
    const un_kernel *k;

    for (int f = 0; f < 3; f++)
        EACH_CASE(families[f], s, pad, k)
        {
            kc_tensor x = tensor_of(k, s, pad), y = tensor_of(k, s, 2 - pad);
            int64_t n = kc_count(&x.v);
            double *vx = kc_random(n), *vy = kc_random(n), *want = kc_random(n);
            un_add_args add = {x.v, y.v, y.v};
            un_copy_args copy = {.x = x.v, .y = y.v}, fill = {.y = y.v};

            for (int64_t i = 0; i < n; i++)
                want[i] = f == 0 ? (k->type == UN_KERNEL_F64 ? vx[i] + vy[i] : (double)((float)vx[i] + (float)vy[i]))
                                 : (f == 1 ? vx[i] : 0);
            kc_set(&x, vx);
            kc_run(k, f == 0 ? (void *)&add : f == 1 ? &copy : &fill, &y, vy);
            kc_expect(&y, want, 0, k->name);
            kc_release(&x), kc_release(&y);
            un_free(vx), un_free(vy), un_free(want);
        }
}

/* Factors of every kind: f & 1: the same for all pixels, f & 2: for all channels; ones: the other operand is left out.
 */
static void check_factors(const un_kernel *k, size_t s, int pad, int f, int ones)
{
    const int sum = k->family == UN_K_MUL_SUM;
    kc_tensor x = tensor_of(k, s, pad), y = tensor_of(k, s, 2 - pad);
    const un_view *v = &x.v;
    kc_tensor g = kc_make(k->type, v->n, f & 1 ? 1 : v->d, f & 1 ? 1 : v->h, f & 1 ? 1 : v->w, f & 2 ? 1 : v->c, pad);
    int64_t n = kc_count(v), ng = kc_count(&g.v), sample = n / v->n;
    double *vx = kc_random(n), *vy = kc_random(n), *vg = kc_random(ng),
           *want = un_alloc_array(NULL, (size_t)(n + ng), 8);

    for (int64_t i = 0; i < n; i++) {
        const int64_t pixel = f & 1 ? i / sample : i / v->c, j = pixel * g.v.c + (f & 2 ? 0 : i % v->c);

        if (sum)
            want[j] += 0.25 * vx[i] * (ones ? 1 : vy[i]);
        else
            want[i] = 0.25 * (ones ? 1 : vx[i]) * vg[j];
    }
    kc_set(&x, vx);
    if (sum) {
        un_mul_sum_args a = {.x = x.v, .g = g.v, .scale = 0.25};

        kc_set(&y, vy);
        if (!ones)
            a.b = y.v;
        kc_run(k, &a, &g, vg);
        kc_expect(&g, want, kc_tolerance(k, 2e-5), k->name);
    } else {
        un_mul_args a = {.g = g.v, .y = y.v, .scale = 0.25};

        kc_set(&g, vg);
        if (!ones)
            a.x = pad == 1 ? y.v : x.v; /* in place */
        kc_run(k, &a, &y, pad == 1 ? vx : vy);
        kc_expect(&y, want, kc_tolerance(k, 1e-6), k->name);
    }
    kc_release(&x), kc_release(&y), kc_release(&g);
    un_free(vx), un_free(vy), un_free(vg), un_free(want);
}

TEST(factors)
{
    static const un_kernel_family families[] = {UN_K_MUL, UN_K_MUL_SUM};
    const un_kernel *k;

    un_rng_init(&kc_rng, 1, UN_RNG_TEST, 8, 0, 0);
    for (int i = 0; i < 2; i++)
        EACH_CASE(families[i], s, pad, k)
    for (int f = 0; f < 8; f++)
        check_factors(k, s, pad, f & 3, f >> 2);
}

/* A value is dropped when a seed lies in its window; seeds lie round the picture too. */
static int in_block(const un_view *v, int64_t i, int block, double p)
{
    const int bd = v->d > 1 ? block : 1;
    const int64_t eh = v->h + block - 1, row = (int64_t)(v->w + block - 1) * v->c;
    const int64_t c = i % v->c, w = i / v->c % v->w, h = i / v->c / v->w % v->h, d = i / v->c / v->w / v->h % v->d;
    const int64_t n = i / v->c / v->w / v->h / v->d;
    const double odds = 1 - pow(1 - p, 1.0 / (bd * block * block));
    int hit = 0;

    for (int64_t z = d; z < d + bd; z++)
        for (int64_t y = h; y < h + block; y++)
            for (int64_t x = w; x < w + block; x++) {
                uint32_t key[2] = {0x89abcdef, 0x1234567}, out[4];
                const int64_t at = x * v->c + c, line = z * eh + y;
                uint32_t ctr[4] = {(uint32_t)(line * ((row + 3) / 4) + at / 4), (uint32_t)(4 + n), 9, 17};

                un_philox(out, ctr, key);
                hit |= out[at % 4] / 4294967296.0 < odds;
            }
    return hit;
}

TEST(drop_block)
{
    const un_kernel *k;

    EACH_CASE(UN_K_DROP_BLOCK, s, pad, k)
    {
        kc_tensor x = tensor_of(k, s, pad), y = tensor_of(k, s, 2 - pad);
        const int64_t n = kc_count(&x.v);
        double *vx = kc_random(n), *want = kc_random(n);
        uint32_t step[2] = {17, 4};
        un_dropout_args a = {
            .x = x.v, .y = y.v, .p = 0.3, .block = 3, .seed = UINT64_C(0x123456789abcdef), .step = step, .node = 9};
        int64_t kept = 0;

        for (int64_t i = 0; i < n; i++) {
            want[i] = in_block(&x.v, i, 3, 0.3) ? 0 : vx[i] / 0.7;
            kept += want[i] != 0;
        }
        if (n > 10000)
            CHECK_NEAR((double)kept / (double)n, 0.7, 0.04);
        kc_set(&x, vx);
        kc_run(k, &a, &y, NULL);
        kc_expect(&y, want, kc_tolerance(k, 3e-7), k->name);
        kc_release(&x), kc_release(&y);
        un_free(vx), un_free(want);
    }
}

TEST(dropout)
{
    const un_kernel *k;

    EACH_CASE(UN_K_DROPOUT, s, pad, k)
    for (int spatial = 0; spatial < 3; spatial++) { /* 2: whole samples */
        kc_tensor x = tensor_of(k, s, pad), y = tensor_of(k, s, 2 - pad);
        int64_t n = kc_count(&x.v), sample = n / x.v.n, kept = 0;
        double *vx = kc_random(n), *want = kc_random(n);
        uint32_t step[2] = {17, 4};
        un_dropout_args a = {.x = x.v,
            .y = y.v,
            .p = 0.3,
            .spatial = spatial == 1,
            .sample = spatial == 2,
            .seed = UINT64_C(0x123456789abcdef),
            .step = step,
            .node = 9};

        for (int64_t i = 0; i < n; i++) {
            uint32_t key[2] = {0x89abcdef, 0x1234567}, out[4];
            uint32_t ctr[4] = {(uint32_t)(spatial == 2 ? 0
                                          : spatial    ? i % x.v.c
                                                       : i % sample),
                (uint32_t)(4 + i / sample), 9, 17};

            un_philox(out, ctr, key);
            want[i] = out[0] / 4294967296.0 < 0.3 ? 0 : vx[i] / 0.7;
            kept += want[i] != 0;
        }
        if (n > 10000 && !spatial)
            CHECK_NEAR((double)kept / (double)n, 0.7, 0.01);
        kc_set(&x, vx);
        kc_run(k, &a, &y, NULL);
        kc_expect(&y, want, kc_tolerance(k, 3e-7), k->name);
        kc_release(&x), kc_release(&y);
        un_free(vx), un_free(want);
    }
}
