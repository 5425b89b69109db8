/* Suites of conv, conv_dgrad, conv_wgrad. The double reference is itself checked against the definition,
 * `naive`. */
#include <math.h>
#include <string.h>

#include "kcheck.h"

/* Shapes of a case; extents of y follow from those of x, or for a data gradient leave a rest as strides do.
 */
typedef struct geometry {
    int n, x[3], y[3], ci, co, k[3], stride[3], pad[3], dilation[3], groups;
} geometry;

static int pick(kc *c, const int *from, int count)
{
    return from[kc_int(c, 0, count - 1)];
}

static geometry random_geometry(kc *c)
{
    static const int kernel[] = {1, 2, 3, 3, 3, 5},
                     channels[] = {1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 32, 33, 48, 65, 100, 261};
    geometry g = {.n = kc_int(c, 1, 2), .groups = 1};
    int same = kc_int(c, 0, 2), plain = kc_int(c, 0, 1), flat = kc_int(c, 0, 2) > 0, side = pick(c, kernel, 6);

    for (int i = flat; i < 3; i++) {
        g.k[i] = same ? side : pick(c, kernel, 6);
        g.dilation[i] = plain ? 1 : kc_int(c, 1, 2);
        g.stride[i] = plain ? 1 : kc_int(c, 0, 1) ? g.k[i] : kc_int(c, 1, 3);
        g.pad[i] = same ? (g.k[i] - 1) * g.dilation[i] / 2 : kc_int(c, 0, g.k[i]);
    }
    if (flat)
        g.k[0] = g.dilation[0] = g.stride[0] = 1;
    for (int i = 0; i < 3; i++) {
        int reach = (g.k[i] - 1) * g.dilation[i] + 1, high = same ? g.pad[i] : kc_int(c, 0, g.k[i]), span;

        g.x[i] = i == 0 ? (flat ? 1 : kc_int(c, 1, 6)) : kc_int(c, 1, i == 2 && flat ? 40 : 12);
        span = g.x[i] + g.pad[i] + (flat && i == 0 ? 0 : high) - reach;
        if (span < 0) {
            g.x[i] -= span;
            span = 0;
        }
        g.y[i] = span / g.stride[i] + 1;
    }
    if (kc_int(c, 0, 4) == 0)
        g.groups = kc_int(c, 2, 4);
    g.ci = pick(c, channels, g.groups > 1 ? 6 : 16) * g.groups;
    g.co = pick(c, channels, g.groups > 1 ? 6 : g.ci > 65 ? 14 : 16) * g.groups;
    if (kc_int(c, 0, 5) == 0) /* depthwise */
        g.ci = g.co = g.groups = 1 + pick(c, channels, 14);
    kc_note(c, "n%d x %dx%dx%d ci%d co%d k %dx%dx%d stride %d,%d,%d pad %d,%d,%d dilation %d,%d,%d groups %d", g.n,
        g.x[0], g.x[1], g.x[2], g.ci, g.co, g.k[0], g.k[1], g.k[2], g.stride[0], g.stride[1], g.stride[2], g.pad[0],
        g.pad[1], g.pad[2], g.dilation[0], g.dilation[1], g.dilation[2], g.groups);
    return g;
}

/* More tiles than Winograd forms whose weights are large take at a time, most of each outside of the picture. */
static geometry many_tiles(kc *c)
{
    geometry g = {.n = kc_int(c, 1, 2), .ci = kc_int(c, 121, 124), .co = kc_int(c, 121, 124), .groups = 1};

    for (int i = 0; i < 3; i++) {
        g.k[i] = i ? 3 : 1;
        g.stride[i] = g.dilation[i] = 1;
        g.pad[i] = i ? 1 : 0;
        g.x[i] = g.y[i] = i == 1 ? kc_int(c, 1200, 1250) / g.n : 1;
    }
    kc_note(c, "n%d x %dx%dx%d ci%d co%d k 1x3x3", g.n, g.x[0], g.x[1], g.x[2], g.ci, g.co);
    return g;
}

/* As many tiles of a fused Winograd form as make whole blocks, and whole chunks of channels. */
static geometry whole_blocks(kc *c)
{
    geometry g = many_tiles(c);

    g.ci = 16 * kc_int(c, 1, 2);
    g.co = 16 * kc_int(c, 1, 2);
    if (c->kernel->family == UN_K_CONV)
        g.co += kc_int(c, 0, 16);
    else
        g.ci += kc_int(c, 0, 16);
    g.x[1] = g.y[1] = kc_int(c, 2500, 2600) / g.n;
    kc_note(c, "n%d x %dx%dx%d ci%d co%d k 1x3x3", g.n, g.x[0], g.x[1], g.x[2], g.ci, g.co);
    return g;
}

static int64_t weight_count(const geometry *g)
{
    return (int64_t)g->co * (g->ci / g->groups) * g->k[0] * g->k[1] * g->k[2];
}

#define COPY_GEOMETRY(a, g)                                                                                            \
    do {                                                                                                               \
        for (int i_ = 0; i_ < 3; i_++) {                                                                               \
            (a).k[i_] = (g).k[i_];                                                                                     \
            (a).stride[i_] = (g).stride[i_];                                                                           \
            (a).pad[i_] = (g).pad[i_];                                                                                 \
            (a).dilation[i_] = (g).dilation[i_];                                                                       \
        }                                                                                                              \
        (a).groups = (g).groups;                                                                                       \
    } while (0)

static const void *array_as(kc *c, const void *p, int64_t count, int from, int absolute)
{
    un_view v = kc_flat((void *)(uintptr_t)p, count);

    return p ? kc_convert(c, &v, from, UN_KERNEL_F64, absolute).p : 0;
}

/* One product of the definition: calls `fn` for each (output pixel, tap) pair whose input pixel exists. */
static void each_tap(const geometry *g, void (*fn)(void *ctx, const int y[4], const int x[3], int tap), void *ctx)
{
    int o[4], s[3], k[3];

    for (o[0] = 0; o[0] < g->n; o[0]++)
        for (int p = 0; p < g->y[0] * g->y[1] * g->y[2]; p++)
            for (int t = 0; t < g->k[0] * g->k[1] * g->k[2]; t++) {
                int in = 1;

                o[1] = p / (g->y[1] * g->y[2]);
                o[2] = p / g->y[2] % g->y[1];
                o[3] = p % g->y[2];
                k[0] = t / (g->k[1] * g->k[2]);
                k[1] = t / g->k[2] % g->k[1];
                k[2] = t % g->k[2];
                for (int i = 0; i < 3; i++) {
                    s[i] = o[i + 1] * g->stride[i] - g->pad[i] + k[i] * g->dilation[i];
                    in = in && s[i] >= 0 && s[i] < g->x[i];
                }
                if (in)
                    fn(ctx, o, s, t);
            }
}

typedef struct naive {
    const geometry *g;
    un_view x, y;
    double *w;
    int what; /* 0: y += x w; 1: x += y w; 2: w += x y */
} naive;

static void naive_tap(void *ctx, const int o[4], const int s[3], int tap)
{
    naive *v = ctx;
    const geometry *g = v->g;
    int ci = g->ci / g->groups, co = g->co / g->groups, taps = g->k[0] * g->k[1] * g->k[2];
    double *x = (double *)v->x.p + o[0] * v->x.sn + s[0] * v->x.sd + s[1] * v->x.sh + s[2] * v->x.sw;
    double *y = (double *)v->y.p + o[0] * v->y.sn + o[1] * v->y.sd + o[2] * v->y.sh + o[3] * v->y.sw;

    for (int a = 0; a < g->co; a++)
        for (int b = 0; b < ci; b++) {
            double *w = v->w + ((size_t)a * ci + b) * taps + tap, *xp = x + a / co * ci + b;

            if (v->what == 0)
                y[a] += *xp * *w;
            else if (v->what == 1)
                *xp += y[a] * *w;
            else
                *w += *xp * y[a];
        }
}

/* Adds the definition's result into what is written (which starts at zero): for linear args without bias. */
static void run_naive(const geometry *g, const un_view *x, const un_view *y, const void *w, int what)
{
    naive v = {g, *x, *y, (double *)(uintptr_t)w, what};

    each_tap(g, naive_tap, &v);
}

/* The channels of x, and those of x2 behind them, in a dense tensor of doubles. */
static un_view joined(kc *c, const un_view *x, const un_view *x2, int absolute)
{
    un_view part[2] = {*x, *x2}, all = kc_dense(c, UN_KERNEL_F64, x->n, x->d, x->h, x->w, x->c, KC_ZERO);

    part[0].c -= x2->c;
    for (int k = 0, first = 0; k < (x2->c ? 2 : 1); first += part[k++].c) {
        const un_view from = kc_convert(c, &part[k], c->kernel->type, UN_KERNEL_F64, absolute);

        for (int64_t i = 0; i < un_view_pixels(x); i++)
            memcpy((double *)all.p + i * x->c + first, (double *)from.p + i * from.c, (size_t)from.c * sizeof(double));
    }
    return all;
}

/* An input of ci channels, sometimes in two places: the first channels a multiple of `unit`. */
static un_view input_of(kc *c, const geometry *g, kc_fill in, int unit, un_view *x2)
{
    const int type = c->kernel->type,
              first = g->groups == 1 && kc_int(c, 0, 1) ? kc_int(c, 0, (g->ci - 1) / unit) * unit : 0;
    un_view x = kc_tensor(c, type, g->n, g->x[0], g->x[1], g->x[2], first ? first : g->ci, in);

    *x2 = (un_view){0};
    if (!first)
        return x;
    *x2 = kc_tensor(c, type, g->n, g->x[0], g->x[1], g->x[2], g->ci - first, in);
    x.c = g->ci;
    return x;
}

/* The gradient of an input, sometimes in two places: as kernels of 32 outputs at a time can write them. */
static un_view gradient_of(kc *c, const geometry *g, un_view *x2)
{
    const int type = c->kernel->type, *x = g->x;
    un_view whole;

    *x2 = (un_view){0};
    if (g->stride[0] > 1 || g->stride[1] > 1 || g->stride[2] > 1)
        return kc_tensor(c, type, g->n, x[0], x[1], x[2], g->ci, KC_POISON);
    if (g->ci != 32 || g->groups > 1 || kc_int(c, 0, 1))
        return input_of(c, g, KC_POISON, 32, x2);
    whole = kc_dense(c, type, g->n, x[0], x[1], x[2], 16, KC_POISON);
    *x2 = kc_dense(c, type, g->n, x[0], x[1], x[2], 16, KC_POISON);
    whole.c = 32;
    return whole;
}

/* Reference in double for the same values; `sums` receives sum |ab| (+ |bias|). */
static un_view conv_oracle(kc *c, const geometry *g, const un_conv_args *a, un_view *sums)
{
    int back = c->kernel->family == UN_K_CONV_DGRAD, type = c->kernel->type;
    const un_kernel *ref = kc_reference(c->kernel->family, UN_KERNEL_F64);
    const un_view *out = back ? &a->x : &a->y, *in = back ? &a->y : &a->x;
    const un_view one = {0};
    un_conv_args r = *a;
    un_view want, *r_out = back ? &r.x : &r.y, *r_in = back ? &r.y : &r.x;

    r.x2 = (un_view){0};
    for (int absolute = 1; absolute >= 0; absolute--) {
        *r_in = joined(c, in, back ? &one : &a->x2, absolute);
        *r_out = kc_dense(c, UN_KERNEL_F64, out->n, out->d, out->h, out->w, out->c,
            c->kernel == ref && !absolute ? KC_ZERO : KC_POISON);
        r.w = array_as(c, a->w, weight_count(g), type, absolute);
        r.bias = array_as(c, a->bias, out->c, type, absolute);
        r.act = absolute ? UN_ACT_NONE : a->act;
        if (c->kernel == ref && !absolute)
            run_naive(g, &r.x, &r.y, r.w, back);
        else
            kc_run(c, ref, &r, &r.packed);
        if (absolute)
            *sums = *r_out;
        else
            want = *r_out;
    }
    return want;
}

enum { WINOGRAD = 6, WINOGRAD_BF16 = 12, WGRAD_BF16 = 48 };

/* A Winograd form mixes the pixels of a tile: the bound follows the largest sum of the tensor, and is WINOGRAD times
 * that of a direct sum, which still is far below one missing product of whole numbers (with 16 bits: of the few that
 * thin() leaves). */
static void level_bound(const un_view *bound, const un_kernel *k)
{
    double *b = bound->p, most = 0;
    int64_t count = un_view_pixels(bound) * bound->c;

    for (int64_t i = 0; i < count; i++)
        most = b[i] > most ? b[i] : most;
    for (int64_t i = 0; i < count; i++)
        b[i] = (!k->bf16 ? WINOGRAD : k->family == UN_K_CONV_WGRAD ? WGRAD_BF16 : WINOGRAD_BF16) * most;
}

/* Rounding of K products in any order, of the bias and of the activation, whose slope is at most `steep`. */
static void scale_bound(const un_view *sums, double terms, double steep, double unit)
{
    double *s = sums->p;

    for (int64_t i = 0; i < un_view_pixels(sums) * sums->c; i++)
        s[i] = steep * (4 * sqrt(terms) + 2) * unit * s[i] + 8 * unit;
}

/* The same where each factor is first rounded to 8 bits. */
static void scale_bf16(const un_view *sums, double steep)
{
    double *s = sums->p;

    for (int64_t i = 0; i < un_view_pixels(sums) * sums->c; i++)
        s[i] = steep * 0x1.02p-8 * s[i];
}

/* Keeps one number in 32, so that the rounding of a Winograd form in 16 bits stays far below one missing product. */
static void thin(kc *c, const un_view *v)
{
    for (int64_t i = 0; i < un_view_pixels(v); i++)
        for (int ch = 0; ch < v->c; ch++)
            if (kc_int(c, 0, 31))
                kc_set(v, c->kernel->type, (int)(i / ((int64_t)v->d * v->h * v->w)), (int)(i / (v->h * v->w) % v->d),
                    (int)(i / v->w % v->h), (int)(i % v->w), ch, 0);
}

static void thin_input(kc *c, const un_view *x, const un_view *x2)
{
    un_view first = *x;

    first.c -= x2->c;
    thin(c, &first);
    if (x2->c)
        thin(c, x2);
}

static double unit_of(const un_kernel *k)
{
    return k->type == UN_KERNEL_F64 ? 0x1p-53 : 0x1p-24;
}

enum { MANY_TILES = 50, WHOLE_BLOCKS, WHOLE_END = WHOLE_BLOCKS + 4 }; /* numbers of the cases */

static geometry conv_geometry(kc *c)
{
    if (c->kernel->winograd && c->number == MANY_TILES)
        return many_tiles(c);
    if (c->kernel->winograd && c->number >= WHOLE_BLOCKS && c->number < WHOLE_END)
        return whole_blocks(c);
    return random_geometry(c);
}

static int conv_args(kc *c, const geometry *g, un_conv_args *a)
{
    int type = c->kernel->type, back = c->kernel->family == UN_K_CONV_DGRAD, naive_only;
    kc_fill in = c->exact ? KC_INTEGER : KC_NORMAL;

    *a = (un_conv_args){.slope = 0.25f};
    COPY_GEOMETRY(*a, *g);
    if (back)
        a->x = gradient_of(c, g, &a->x2);
    else
        a->x = input_of(c, g, in, 16, &a->x2);
    a->y = kc_tensor(c, type, g->n, g->y[0], g->y[1], g->y[2], g->co, back ? in : KC_POISON);
    a->w = kc_array(c, type, weight_count(g), in);
    if (c->exact && c->kernel->winograd && c->kernel->bf16 && back)
        thin(c, &a->y);
    else if (c->exact && c->kernel->winograd && c->kernel->bf16)
        thin_input(c, &a->x, &a->x2);
    naive_only = c->kernel == kc_reference(c->kernel->family, UN_KERNEL_F64);
    if (!naive_only && kc_int(c, 0, 1))
        a->bias = kc_array(c, type, back ? g->ci : g->co, in);
    if (!naive_only && !kc_int(c, 0, 2))
        a->act = c->exact ? UN_ACT_RELU : kc_int(c, 0, UN_ACT_COUNT - 1);
    return !c->kernel->supports || c->kernel->supports(a);
}

/* A kernel that keeps more gives the bits of the one without. */
static void check_same_bits(kc *c, const geometry *g, const un_conv_args *a)
{
    static const char kept[] = "_kept";
    const char *name = c->kernel->name, *cut = strstr(name, kept), *end = cut + strlen(kept);
    un_conv_args b = *a;

    for (int i = 0; i < un_kernel_count; i++) {
        const char *other = un_kernels[i]->name;
        un_view want, zero;

        if (strncmp(other, name, (size_t)(cut - name)) || strcmp(other + (cut - name), end))
            continue;
        b.y = kc_tensor(c, c->kernel->type, g->n, g->y[0], g->y[1], g->y[2], g->co, KC_POISON);
        kc_run(c, un_kernels[i], &b, &b.packed);
        want = kc_convert(c, &b.y, c->kernel->type, UN_KERNEL_F64, 0);
        zero = kc_dense(c, UN_KERNEL_F64, g->n, g->y[0], g->y[1], g->y[2], g->co, KC_ZERO);
        kc_compare(c, "y beside the kernel that keeps less", &a->y, c->kernel->type, &want, &zero, 0);
        return;
    }
    kc_fail(c, "no kernel is named %.*s%s", (int)(cut - name), name, end);
}

static void check_conv(kc *c)
{
    int back = c->kernel->family == UN_K_CONV_DGRAD;
    geometry g;
    un_conv_args a;
    un_view got, want, sums;

    for (int i = 0; i < 300; i++) {
        un_conv_args probe = {.slope = 0};

        g = conv_geometry(c);
        COPY_GEOMETRY(probe, g);
        probe.x = (un_view){0, g.n, g.x[0], g.x[1], g.x[2], g.ci, 0, 0, 0, 0};
        probe.y = (un_view){0, g.n, g.y[0], g.y[1], g.y[2], g.co, 0, 0, 0, 0};
        if (!c->kernel->supports || c->kernel->supports(&probe))
            break;
    }
    if (!conv_args(c, &g, &a))
        return;
    kc_run(c, c->kernel, &a, &a.packed);
    want = conv_oracle(c, &g, &a, &sums);
    if (c->kernel->bf16)
        scale_bf16(&sums, 1.2);
    else
        scale_bound(&sums, (double)(back ? g.co : g.ci) / g.groups * g.k[0] * g.k[1] * g.k[2], 1.2, unit_of(c->kernel));
    if (c->kernel->winograd)
        level_bound(&sums, c->kernel);
    got = back && a.x2.c ? joined(c, &a.x, &a.x2, 0) : back ? a.x : a.y;
    kc_compare(c, back ? "dx" : "y", &got, back && a.x2.c ? UN_KERNEL_F64 : c->kernel->type, &want, &sums, 0);
    if (c->kernel->roomy)
        check_same_bits(c, &g, &a);
}

static un_wgrad_args wgrad_args(kc *c, const geometry *g)
{
    int type = c->kernel->type;
    kc_fill in = c->exact ? KC_INTEGER : KC_NORMAL;
    un_wgrad_args a = {.dw = 0};

    COPY_GEOMETRY(a, *g);
    a.x = input_of(c, g, in, 16, &a.x2);
    a.dy = kc_tensor(c, type, g->n, g->y[0], g->y[1], g->y[2], g->co, in);
    if (c->exact && c->kernel->bf16)
        thin_input(c, &a.x, &a.x2);
    if (kc_int(c, 0, 5))
        a.dw = kc_array(c, type, weight_count(g), KC_POISON);
    if (!a.dw || kc_int(c, 0, 1))
        a.db = kc_array(c, type, g->co, KC_POISON);
    return a;
}

static void wgrad_oracle(kc *c, const geometry *g, const un_wgrad_args *a, int absolute, un_view *dw, un_view *db)
{
    const un_kernel *ref = kc_reference(UN_K_CONV_WGRAD, UN_KERNEL_F64);
    un_wgrad_args r = *a;

    r.x = joined(c, &a->x, &a->x2, absolute);
    r.x2 = (un_view){0};
    r.dy = kc_convert(c, &a->dy, c->kernel->type, UN_KERNEL_F64, absolute);
    r.dw = kc_array(c, UN_KERNEL_F64, weight_count(g), KC_ZERO);
    r.db = kc_array(c, UN_KERNEL_F64, g->co, KC_ZERO);
    if (c->kernel == ref) {
        double *b = r.db, *y = r.dy.p;

        run_naive(g, &r.x, &r.dy, r.dw, 2);
        for (int64_t i = 0; i < un_view_pixels(&r.dy) * r.dy.c; i++)
            b[i % r.dy.c] += y[i];
    } else {
        kc_run(c, ref, &r, 0);
    }
    *dw = kc_flat(r.dw, weight_count(g));
    *db = kc_flat(r.db, g->co);
}

static void check_wgrad(kc *c)
{
    geometry g;
    un_wgrad_args a;
    un_view dw, db, dw_sums, db_sums, got;
    double terms;

    for (int i = 0; i < 300; i++) {
        un_wgrad_args probe = {.dw = &probe};

        g = random_geometry(c);
        COPY_GEOMETRY(probe, g);
        probe.x = (un_view){0, g.n, g.x[0], g.x[1], g.x[2], g.ci, 0, 0, 0, 0};
        probe.dy = (un_view){0, g.n, g.y[0], g.y[1], g.y[2], g.co, 0, 0, 0, 0};
        if (!c->kernel->supports || c->kernel->supports(&probe))
            break;
    }
    a = wgrad_args(c, &g);
    if (c->kernel->supports && !c->kernel->supports(&a))
        return;
    terms = (double)g.n * g.y[0] * g.y[1] * g.y[2];
    kc_run(c, c->kernel, &a, 0);
    wgrad_oracle(c, &g, &a, 0, &dw, &db);
    wgrad_oracle(c, &g, &a, 1, &dw_sums, &db_sums);
    if (c->kernel->bf16)
        scale_bf16(&dw_sums, 1);
    else
        scale_bound(&dw_sums, terms, 1, unit_of(c->kernel));
    scale_bound(&db_sums, terms, 1, unit_of(c->kernel));
    if (c->kernel->winograd)
        level_bound(&dw_sums, c->kernel);
    if (a.dw) {
        got = kc_flat(a.dw, weight_count(&g));
        kc_compare(c, "dw", &got, c->kernel->type, &dw, &dw_sums, 0);
    }
    if (a.db) {
        got = kc_flat(a.db, g.co);
        kc_compare(c, "db", &got, c->kernel->type, &db, &db_sums, 0);
    }
}

/* The layers of the benchmark: 2-D 3x3 same padding unless said otherwise. */
static const struct {
    const char *label;
    int d, h, w, ci, co, k, stride, depthwise;
} layer[] = {
    {"3->16 @256", 1, 256, 256, 3, 16, 3, 1, 0},
    {"8->8 @256", 1, 256, 256, 8, 8, 3, 1, 0},
    {"8->16 @256", 1, 256, 256, 8, 16, 3, 1, 0},
    {"16->8 @256", 1, 256, 256, 16, 8, 3, 1, 0},
    {"16->16 @256", 1, 256, 256, 16, 16, 3, 1, 0},
    {"32->32 @256", 1, 256, 256, 32, 32, 3, 1, 0},
    {"3->64 @256", 1, 256, 256, 3, 64, 3, 1, 0},
    {"64->64 @256", 1, 256, 256, 64, 64, 3, 1, 0},
    {"128->64 @256", 1, 256, 256, 128, 64, 3, 1, 0},
    {"128->128 @128", 1, 128, 128, 128, 128, 3, 1, 0},
    {"64->64 @128", 1, 128, 128, 64, 64, 3, 1, 0},
    {"128->128 @64", 1, 64, 64, 128, 128, 3, 1, 0},
    {"256->256 @64", 1, 64, 64, 256, 256, 3, 1, 0},
    {"256->256 @32", 1, 32, 32, 256, 256, 3, 1, 0},
    {"512->512 @32", 1, 32, 32, 512, 512, 3, 1, 0},
    {"1024->1024 @16", 1, 16, 16, 1024, 1024, 3, 1, 0},
    {"1x1 64->2 @256", 1, 256, 256, 64, 2, 1, 1, 0},
    {"2x2 stride 2, 64->128 @256", 1, 256, 256, 64, 128, 2, 2, 0},
    {"3x3 stride 2, 32->64 @256", 1, 256, 256, 32, 64, 3, 2, 0},
    {"16->16 @40x56x40", 40, 56, 40, 16, 16, 3, 1, 0},
    {"depthwise 64 @256", 1, 256, 256, 64, 64, 3, 1, 1},
    {"depthwise 256 @64", 1, 64, 64, 256, 256, 3, 1, 1},
    {"depthwise stride 2, 64 @256", 1, 256, 256, 64, 64, 3, 2, 1},
};

static int is_wanted(const kc *c, size_t i)
{
    return !c->layer || strstr(layer[i].label, c->layer);
}

static void layer_geometry(size_t i, geometry *g)
{
    int x[3] = {layer[i].d, layer[i].h, layer[i].w};

    *g = (geometry){.n = 1, .ci = layer[i].ci, .co = layer[i].co, .groups = 1};
    if (layer[i].depthwise)
        g->groups = g->ci;
    for (int a = 0; a < 3; a++) {
        g->k[a] = x[a] > 1 ? layer[i].k : 1;
        g->stride[a] = x[a] > 1 ? layer[i].stride : 1;
        g->pad[a] = g->k[a] == 3 ? 1 : 0;
        g->dilation[a] = 1;
        g->x[a] = x[a];
        g->y[a] = (x[a] + 2 * g->pad[a] - g->k[a]) / g->stride[a] + 1;
    }
}

static double layer_flops(const geometry *g)
{
    return 2.0 * g->n * g->y[0] * g->y[1] * g->y[2] * (double)weight_count(g);
}

static void bench_conv(kc *c)
{
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
        un_conv_args a = {.slope = 0};
        geometry g;

        if (!is_wanted(c, i))
            continue;
        layer_geometry(i, &g);
        COPY_GEOMETRY(a, g);
        a.x = kc_dense(c, c->kernel->type, 1, g.x[0], g.x[1], g.x[2], g.ci, KC_INTEGER);
        a.y = kc_dense(c, c->kernel->type, 1, g.y[0], g.y[1], g.y[2], g.co, KC_INTEGER);
        a.w = kc_array(c, c->kernel->type, weight_count(&g), KC_INTEGER);
        kc_bench(c, layer[i].label, &a, &a.packed, layer_flops(&g), 0);
    }
}

static void bench_wgrad(kc *c)
{
    for (size_t i = 0; i < sizeof layer / sizeof *layer; i++) {
        un_wgrad_args a = {.dw = 0};
        geometry g;

        if (!is_wanted(c, i))
            continue;
        layer_geometry(i, &g);
        COPY_GEOMETRY(a, g);
        a.x = kc_dense(c, c->kernel->type, 1, g.x[0], g.x[1], g.x[2], g.ci, KC_INTEGER);
        a.dy = kc_dense(c, c->kernel->type, 1, g.y[0], g.y[1], g.y[2], g.co, KC_INTEGER);
        a.dw = kc_array(c, c->kernel->type, weight_count(&g), KC_POISON);
        kc_bench(c, layer[i].label, &a, 0, layer_flops(&g), 0);
    }
}

const kc_suite kc_conv_suites[] = {
    {UN_K_CONV, 60, check_conv, bench_conv},
    {UN_K_CONV_DGRAD, 60, check_conv, bench_conv},
    {UN_K_CONV_WGRAD, 60, check_wgrad, bench_wgrad},
};
const int kc_conv_suite_count = sizeof kc_conv_suites / sizeof *kc_conv_suites;
