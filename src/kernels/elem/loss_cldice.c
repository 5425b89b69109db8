/* Soft clDice (Shit 2021) of each class: 1 - 2 a b / (a + b), a = (sum w S(p) y + s) / (sum w S(p) + s), b the same of
 * S(y) and p. S is the soft skeleton: with E_0 the picture, E_(j+1) its erosion (least of the pixel and its neighbours
 * along the axes), O_j the dilation of E_(j+1) (largest of 3 x 3 (x 3)) and delta_j = max(0, E_j - O_j): S_0 = delta_0,
 * S_j = S_(j-1) + delta_j (1 - S_(j-1)), S = S_radius Pixels that do not count are background. At equal values the
 * first of a neighbourhood gets the gradient.
 *
 * Phases: pictures; the first erosion; levels 0..radius; sums; value and factors of the gradient; the gradient by S;
 * three phases a level, last level first; gradient by logits. A task is some rows of a sample and class. */
#include "kernels/elem/loss/loss.h"

enum { PICTURES, ERODE, LEVELS, RADIUS_MAX = 50 };
enum { ROW_ELEMENTS = 8192 };

typedef struct shape {
    int radius, classes, first; /* classes that count */
    int rows, each;             /* of a sample, of a task */
    int64_t pixels, blocks;     /* of the view; tasks of a sample and class */
} shape;

static shape shape_of(const un_loss_args *a)
{
    shape s = {.radius = (int)UN_MIN(a->radius, RADIUS_MAX), .first = un_loss_first(a)};

    s.classes = un_loss_classes(a) - s.first;
    s.rows = a->logits.d * a->logits.h;
    s.each = UN_MAX(1, ROW_ELEMENTS / a->logits.w);
    s.pixels = un_loss_pixels(a);
    s.blocks = un_ceil_div(s.rows, s.each);
    return s;
}

/* ---- memory ---- */

/* Planes of a class. The mask has no gradient, so three of its erosions are enough. */
typedef struct planes {
    real *e[2], *s[2];               /* of the prediction, of the mask: erosions, skeletons */
    real *skeleton, *direct, *de[2]; /* gradients by S_j, of delta by E_j, by E of two levels */
    unsigned char *top, *least;      /* which neighbour a dilation, an erosion took */
} planes;

static int64_t planes_count(const shape *s) /* of a class */
{
    return (s->radius + 2) + (s->radius + 1) + 3 + 1 + 4;
}

static size_t real_bytes(const shape *s)
{
    return un_round_up((size_t)(s->classes * planes_count(s) * s->pixels) * sizeof(real), 64);
}

static size_t sums_count(const un_loss_args *a, const shape *s)
{
    return (size_t)s->classes * (size_t)(a->logits.n * s->blocks) * 4;
}

/* Doubles: sums [classes][n][blocks][4], factors [n][classes][3]. */
static size_t cldice_shared(const void *args)
{
    const un_loss_args *a = args;
    const shape s = shape_of(a);

    return real_bytes(&s) + (sums_count(a, &s) + (size_t)(a->logits.n * s.classes) * 3) * sizeof(double) +
           (size_t)(s.classes * s.pixels) * 2;
}

static double *sums_of(const shape *s, void *shared)
{
    return (double *)((char *)shared + real_bytes(s));
}

static double *factors_of(const un_loss_args *a, const shape *s, void *shared)
{
    return sums_of(s, shared) + sums_count(a, s);
}

static planes planes_of(const un_loss_args *a, const shape *s, void *shared, int k)
{
    real *p = (real *)shared + k * planes_count(s) * s->pixels;
    const int64_t n = s->pixels;
    planes x = {.e = {p}};

    x.s[0] = p + (s->radius + 2) * n;
    x.e[1] = x.s[0] + (s->radius + 1) * n;
    x.s[1] = x.e[1] + 3 * n;
    x.skeleton = x.s[1] + n;
    x.direct = x.skeleton + n;
    x.de[0] = x.direct + n;
    x.de[1] = x.de[0] + n;
    x.top = (unsigned char *)(factors_of(a, s, shared) + (int64_t)a->logits.n * s->classes * 3) + k * 2 * n;
    x.least = x.top + n;
    return x;
}

/* E_j and S_j of the prediction (of 0) or mask (1). */
static real *eroded(const planes *x, const shape *s, int of, int j)
{
    return x->e[of] + (of ? j % 3 : j) * s->pixels;
}

static real *skeleton(const planes *x, const shape *s, int of, int j)
{
    return x->s[of] + (of ? 0 : j) * s->pixels;
}

static size_t cldice_worker(const void *args)
{
    const un_loss_args *a = args;

    return ((size_t)a->logits.c + (size_t)un_loss_classes(a)) * TILE * sizeof(real);
}

/* ---- neighbourhoods ---- */

typedef struct place {
    int64_t at; /* pixel in the view */
    int d, h, w;
    int inner; /* all its neighbours are in the picture */
} place;

/* What a task works on: a class of a view. */
typedef struct work {
    const un_loss_args *a;
    const shape *s;
    const planes *x;
    int level;
    ptrdiff_t offset[27]; /* of the neighbours, in the order d, h, w */
} work;

/* Neighbour k of 27; -1: outside. */
static int64_t neighbour(const work *k, const place *p, int n)
{
    const un_view *v = &k->a->logits;
    const int d = p->d + n / 9 - 1, h = p->h + n / 3 % 3 - 1, w = p->w + n % 3 - 1;

    if (p->inner || (d >= 0 && d < v->d && h >= 0 && h < v->h && w >= 0 && w < v->w))
        return p->at + k->offset[n];
    return -1;
}

enum { CENTRE = 13 };
static const int cross[] = {CENTRE, 10, 12, 14, 16, 4, 22}; /* the last two: along d */

static int cross_count(const work *k)
{
    return k->a->logits.d > 1 ? 7 : 5;
}

/* Which neighbour is the least of the cross, the first largest of all. */
static int least_of(const work *k, const place *p, const real *e)
{
    int best = CENTRE;
    real v = e[p->at];

    for (int n = 1; n < cross_count(k); n++) {
        const int64_t i = neighbour(k, p, cross[n]);

        if (i >= 0 && e[i] < v) {
            v = e[i];
            best = cross[n];
        }
    }
    return best;
}

static int top_of(const work *k, const place *p, const real *e)
{
    const int first = k->a->logits.d > 1 ? 0 : 9, last = k->a->logits.d > 1 ? 27 : 18;
    int best = -1;
    real v = 0;

    for (int n = first; n < last; n++) {
        const int64_t i = neighbour(k, p, n);

        if (i >= 0 && (best < 0 || e[i] > v)) {
            v = e[i];
            best = n;
        }
    }
    return best;
}

/* ---- what a phase does to a pixel ---- */

static void erode_pixel(const work *k, const place *p)
{
    for (int of = 0; of < 2; of++) {
        const real *e = eroded(k->x, k->s, of, k->level);

        eroded(k->x, k->s, of, k->level + 1)[p->at] = e[p->at + k->offset[least_of(k, p, e)]];
    }
}

static real delta_of(const work *k, const place *p, int of, int *top)
{
    const real *below = eroded(k->x, k->s, of, k->level + 1);
    real d;

    *top = top_of(k, p, below);
    d = eroded(k->x, k->s, of, k->level)[p->at] - below[p->at + k->offset[*top]];
    return d > 0 ? d : 0;
}

/* S of the level, and E of the one after the next. */
static void level_pixel(const work *k, const place *p)
{
    work next = *k;
    int top;

    for (int of = 0; of < 2; of++) {
        const real before = k->level ? skeleton(k->x, k->s, of, k->level - 1)[p->at] : 0;

        skeleton(k->x, k->s, of, k->level)[p->at] = before + delta_of(k, p, of, &top) * (1 - before);
    }
    next.level++;
    if (k->level < k->s->radius)
        erode_pixel(&next, p);
}

/* From the gradient by S_j: that by S_(j-1), and of delta_j by E_j. */
static void delta_pixel(const work *k, const place *p)
{
    const real before = k->level ? skeleton(k->x, k->s, 0, k->level - 1)[p->at] : 0, g = k->x->skeleton[p->at];
    int top;
    const real delta = delta_of(k, p, 0, &top);

    k->x->top[p->at] = (unsigned char)top;
    k->x->least[p->at] = (unsigned char)least_of(k, p, eroded(k->x, k->s, 0, k->level));
    k->x->direct[p->at] = delta > 0 ? g * (1 - before) : 0;
    k->x->skeleton[p->at] = g * (1 - delta);
}

/* The gradient by E_(j+1) gets what the dilations that took this pixel hand down. */
static void dilation_pixel(const work *k, const place *p)
{
    const int first = k->a->logits.d > 1 ? 0 : 9, last = k->a->logits.d > 1 ? 27 : 18;
    real sum = 0;

    for (int n = first; n < last; n++) {
        const int64_t i = neighbour(k, p, n);

        if (i >= 0 && k->x->top[i] == 26 - n)
            sum += k->x->direct[i];
    }
    k->x->de[(k->level + 1) & 1][p->at] -= sum;
}

/* The gradient by E_j: of delta_j, and what the erosions that took this pixel hand down. */
static void erosion_pixel(const work *k, const place *p)
{
    const real *above = k->x->de[(k->level + 1) & 1];
    real sum = k->x->direct[p->at];

    for (int n = 0; n < cross_count(k); n++) {
        const int64_t i = neighbour(k, p, cross[n]);

        if (i >= 0 && k->x->least[i] == 26 - cross[n])
            sum += above[i];
    }
    k->x->de[k->level & 1][p->at] = sum;
}

typedef void pixel_step(const work *k, const place *p);

/* ---- tasks ---- */

typedef struct part {
    int k, n, row0, row1;
} part;

static part part_of(const un_loss_args *a, const shape *s, int64_t task)
{
    part p = {.k = (int)(task / (a->logits.n * s->blocks)), .n = (int)(task / s->blocks % a->logits.n)};

    p.row0 = (int)(task % s->blocks) * s->each;
    p.row1 = UN_MIN(p.row0 + s->each, s->rows);
    return p;
}

static void each_pixel(const un_loss_args *a, const shape *s, void *shared, int64_t task, int level, pixel_step *step)
{
    const un_view *v = &a->logits;
    const part t = part_of(a, s, task);
    const planes x = planes_of(a, s, shared, t.k);
    work k = {.a = a, .s = s, .x = &x, .level = level};

    for (int n = 0; n < 27; n++)
        k.offset[n] = ((ptrdiff_t)(n / 9 - 1) * v->h + n / 3 % 3 - 1) * v->w + n % 3 - 1;
    for (int row = t.row0; row < t.row1; row++) {
        place p = {.at = ((int64_t)t.n * s->rows + row) * v->w, .d = row / v->h, .h = row % v->h};
        const int inner = (v->d == 1 || (p.d > 0 && p.d < v->d - 1)) && p.h > 0 && p.h < v->h - 1;

        for (; p.w < v->w; p.w++, p.at++) {
            p.inner = inner && p.w > 0 && p.w < v->w - 1;
            step(&k, &p);
        }
    }
}

static void pictures_block(const un_loss_args *a, const shape *s, void *shared, int64_t i, int64_t end, real *z)
{
    real w[TILE], p[TILE], target[TILE];
    int32_t t[TILE];

    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_loss_probabilities(a, i, count, z);
        for (int k = 0; k < s->classes; k++) {
            const planes x = planes_of(a, s, shared, k);

            un_loss_rows(a, i, count, s->first + k, t, z, p, target);
            for (int j = 0; j < count; j++) {
                x.e[0][i + j] = w[j] == 0 ? 0 : p[j];
                x.e[1][i + j] = w[j] != 0 && un_loss_is(a, i + j, s->first + k);
            }
        }
    }
}

/* w S(p) y, w S(p), w S(y) p, w S(y). */
static void sums_part(const un_loss_args *a, const shape *s, void *shared, int64_t task)
{
    const part t = part_of(a, s, task);
    const planes x = planes_of(a, s, shared, t.k);
    const real *mine = skeleton(&x, s, 0, s->radius), *theirs = skeleton(&x, s, 1, 0);
    const int64_t i0 = ((int64_t)t.n * s->rows + t.row0) * a->logits.w,
                  count = (int64_t)(t.row1 - t.row0) * a->logits.w;
    double *sum = sums_of(s, shared) + task * 4;

    for (int k = 0; k < 4; k++)
        sum[k] = 0;
    for (int64_t i = i0; i < i0 + count; i++) {
        const double w = (double)un_loss_weight_at(a, i);

        if (w == 0)
            continue;
        sum[0] += w * (double)mine[i] * un_loss_is(a, i, s->first + t.k);
        sum[1] += w * (double)mine[i];
        sum[2] += w * (double)theirs[i] * (double)x.e[0][i];
        sum[3] += w * (double)theirs[i];
    }
}

/* Value of a group's class from its sums; factors of the gradient: by S(p) where y is 1, by S(p), by p where S(y) is.
 */
static double class_value(const double sum[4], double smooth, double factor[3])
{
    const double down[2] = {sum[1] + smooth, sum[3] + smooth};
    const double ra = down[0] > 0 ? (sum[0] + smooth) / down[0] : 1, rb = down[1] > 0 ? (sum[2] + smooth) / down[1] : 1;
    const double both = ra + rb, da = both > 0 ? -2 * rb * rb / (both * both) : 0,
                 db = both > 0 ? -2 * ra * ra / (both * both) : 0;

    factor[0] = down[0] > 0 ? da / down[0] : 0;
    factor[1] = down[0] > 0 ? -da * ra / down[0] : 0;
    factor[2] = down[1] > 0 ? db / down[1] : 0;
    return both > 0 ? 1 - 2 * ra * rb / both : 1;
}

static void combine(const un_loss_args *a, const shape *s, void *shared)
{
    const int groups = un_loss_groups(a), width = a->logits.n / groups;
    const double total = un_class_weight_total(a, s->first), weight = un_loss_weight(a);
    double *sums = sums_of(s, shared), *factors = factors_of(a, s, shared), value = 0;

    for (int g = 0; g < groups; g++)
        for (int k = 0; k < s->classes; k++) {
            const double share = total > 0 ? (double)un_class_weight(a, s->first + k) / (total * groups) : 0;
            double sum[4] = {0}, factor[3];

            for (int64_t b = g * width * s->blocks; b < (g + 1) * width * s->blocks; b++)
                for (int j = 0; j < 4; j++)
                    sum[j] += sums[(k * a->logits.n * s->blocks + b) * 4 + j];
            value += share * class_value(sum, a->smooth, factor);
            for (int n = g * width; n < (g + 1) * width; n++)
                for (int j = 0; j < 3; j++)
                    factors[(n * s->classes + k) * 3 + j] = weight * share * factor[j];
        }
    *(real *)a->value = (real)value;
}

static void start_part(const un_loss_args *a, const shape *s, void *shared, int64_t task)
{
    const part t = part_of(a, s, task);
    const planes x = planes_of(a, s, shared, t.k);
    const double *factor = factors_of(a, s, shared) + (t.n * s->classes + t.k) * 3;
    const int64_t i0 = ((int64_t)t.n * s->rows + t.row0) * a->logits.w,
                  count = (int64_t)(t.row1 - t.row0) * a->logits.w;

    for (int64_t i = i0; i < i0 + count; i++) {
        const double w = (double)un_loss_weight_at(a, i);

        x.skeleton[i] = (real)(w == 0 ? 0 : w * (factor[1] + (un_loss_is(a, i, s->first + t.k) ? factor[0] : 0)));
        x.de[(s->radius + 1) & 1][i] = 0;
    }
}

static void gradient_block(const un_loss_args *a, const shape *s, void *shared, int64_t i, int64_t end, real *z)
{
    const int64_t sample = un_loss_sample_pixels(a);
    real *g = z + a->logits.c * TILE, w[TILE];
    int32_t t[TILE];

    for (int k = 0; k < un_loss_classes(a) * TILE; k++)
        g[k] = 0;
    for (; i < end; i += TILE) {
        const int count = (int)UN_MIN(TILE, end - i);

        un_tile_target(a, i, count, t, w);
        un_loss_probabilities(a, i, count, z);
        for (int k = 0; k < s->classes; k++) {
            const planes x = planes_of(a, s, shared, k);
            const real *theirs = skeleton(&x, s, 1, 0);

            for (int j = 0; j < count; j++) {
                const double *factor = factors_of(a, s, shared) + ((i + j) / sample * s->classes + k) * 3;

                g[(s->first + k) * TILE + j] = x.de[0][i + j] + w[j] * (real)factor[2] * theirs[i + j];
            }
        }
        un_loss_to_logits(a, w, g, z);
        un_tile_store(&a->dlogits, i, count, z, a->add);
    }
}

/* ---- phases ---- */

enum { FORWARD, SUMS, COMBINE, START, BACKWARD, GRADIENT, REST };

/* What phase it is; *step: which of a level's three, *level. */
static int kind_of(const shape *s, int phase, int *level, int *step)
{
    const int after = phase - LEVELS - s->radius - 1, back = after - 3;

    *level = phase - LEVELS;
    *step = 0;
    if (after < 0)
        return FORWARD;
    if (after < 3)
        return SUMS + after;
    *level = s->radius - back / 3;
    *step = back % 3;
    return *level >= 0 ? BACKWARD : back == 3 * (s->radius + 1) ? GRADIENT : REST;
}

static int64_t cldice_tasks(const void *args, int phase)
{
    const un_loss_args *a = args;
    const shape s = shape_of(a);
    int level, step, kind = kind_of(&s, phase, &level, &step);

    if (phase == PICTURES || kind == GRADIENT)
        return un_loss_blocks(a);
    return kind == COMBINE ? 1 : kind == REST ? 0 : s.classes * a->logits.n * s.blocks;
}

static void cldice_run(const void *args, int phase, int64_t task, void *worker, void *shared)
{
    static pixel_step *const back[3] = {delta_pixel, dilation_pixel, erosion_pixel};
    const un_loss_args *a = args;
    const shape s = shape_of(a);
    const int64_t i = task * un_tile_block(&a->logits), end = UN_MIN(i + un_tile_block(&a->logits), s.pixels);
    int level, step, kind = kind_of(&s, phase, &level, &step);

    if (phase == PICTURES)
        pictures_block(a, &s, shared, i, end, worker);
    else if (phase == ERODE)
        each_pixel(a, &s, shared, task, 0, erode_pixel);
    else if (kind == FORWARD)
        each_pixel(a, &s, shared, task, level, level_pixel);
    else if (kind == SUMS)
        sums_part(a, &s, shared, task);
    else if (kind == COMBINE)
        combine(a, &s, shared);
    else if (!a->dlogits.p)
        return;
    else if (kind == START)
        start_part(a, &s, shared, task);
    else if (kind == BACKWARD)
        each_pixel(a, &s, shared, task, level, back[step]);
    else
        gradient_block(a, &s, shared, i, end, worker);
}

UN_DEFINE(loss_cldice, LOSS_CLDICE, .phases = LEVELS + 4 * (RADIUS_MAX + 1) + 4, .tasks = cldice_tasks,
    .run = cldice_run, .worker_bytes = cldice_worker, .shared_bytes = cldice_shared)
