#include "metrics/curves.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/math.h"
#include "base/size.h"

/* Bin 0: min(p, 1 - p) below 2^-32 and p small; bins up to MIDDLE by the leading bits of p, behind it mirrored, by
 * those of 1 - p. */
enum { SHIFT = 15, PER_HALVING = 1 << (23 - SHIFT), MIDDLE = 31 * PER_HALVING + 1, BINS = 2 * MIDDLE + 1 };

typedef struct one_class {
    int64_t count[BINS][2]; /* of others, of the class */
    int64_t n[UN_RELIABILITY_BINS], right[UN_RELIABILITY_BINS];
    double sum[UN_RELIABILITY_BINS]; /* of p */
    double squares;                  /* of p - y */
} one_class;

struct un_curves {
    int classes;
    one_class of[];
};

unet_status un_curves_create(un_curves **out, un_mem *mem, int classes, unet_error *err)
{
    const size_t bytes = sizeof **out + (size_t)classes * sizeof *(*out)->of;

    *out = un_alloc_zero(mem, bytes);
    if (!*out)
        return un_fail_nomem(err, bytes);
    (*out)->classes = classes;
    return UNET_OK;
}

void un_curves_clear(un_curves *c)
{
    memset(c->of, 0, (size_t)c->classes * sizeof *c->of);
}

void un_curves_destroy(un_curves *c)
{
    un_free(c);
}

static int place(float q)
{
    const float least = 0x1p-32f;
    uint32_t bits, first;

    if (q < least)
        return 0;
    memcpy(&bits, &q, sizeof bits);
    memcpy(&first, &least, sizeof first);
    return (int)((bits >> SHIFT) - (first >> SHIFT)) + 1;
}

/* The smallest min(p, 1 - p) of a place. */
static double low_of(int i)
{
    const int halving = (i - 1) / PER_HALVING;
    double scale = 0x1p-32;

    if (i < 1)
        return 0;
    for (int k = 0; k < halving; k++)
        scale *= 2;
    return scale * (1 + (double)((i - 1) % PER_HALVING) / PER_HALVING);
}

static int bin_of(float p)
{
    return p <= 0.5f ? place(p) : 2 * MIDDLE - place(1 - p);
}

/* The threshold from which a pixel's probability lies in this bin or above. Mirrored bins are open below: a hair more.
 */
static double threshold_of(int bin)
{
    return bin <= MIDDLE ? low_of(bin) : 1 - low_of(2 * MIDDLE - bin + 1) + 0x1p-40;
}

void un_curves_add(un_curves *c, int class_index, float p, int belongs)
{
    one_class *o = &c->of[class_index];
    double d;
    int r;

    p = p > 0 ? UN_MIN(p, 1.0f) : 0; /* rounding of joined windows; NaN is 0 */
    d = (double)p - belongs;
    r = UN_MIN((int)((double)p * UN_RELIABILITY_BINS), UN_RELIABILITY_BINS - 1);

    o->count[bin_of(p)][belongs]++;
    o->n[r]++;
    o->right[r] += belongs;
    o->sum[r] += (double)p;
    o->squares += d * d;
}

static void totals(const one_class *o, int64_t n[2])
{
    n[0] = n[1] = 0;
    for (int b = 0; b < BINS; b++) {
        n[0] += o->count[b][0];
        n[1] += o->count[b][1];
    }
}

/* From the highest probability down: tp and fp are what a threshold at bin b takes. */
static void sweep(double *v, const one_class *o, const int64_t n[2])
{
    int64_t tp = 0, fp = 0;
    double area = 0, precision = 0, best = -1, at = 0.5;

    for (int b = BINS - 1; b >= 0; b--) {
        const int64_t other = o->count[b][0], own = o->count[b][1];
        double dice;

        if (!own && !other)
            continue;
        area += (double)other * ((double)tp + (double)own / 2);
        tp += own;
        fp += other;
        precision += (double)own * ((double)tp / (double)(tp + fp));
        dice = 2 * (double)tp / (double)(tp + fp + n[1]);
        if (dice > best || (dice == best && fabs(threshold_of(b) - 0.5) < fabs(at - 0.5))) {
            best = dice;
            at = threshold_of(b);
        }
    }
    v[UN_M_AUC] = area / ((double)n[0] * (double)n[1]);
    v[UN_M_AVERAGE_PRECISION] = precision / (double)n[1];
    v[UN_M_BEST_THRESHOLD] = at;
    v[UN_M_BEST_DICE] = best;
}

void un_curve_metrics(double *v, const un_curves *c, int class_index)
{
    const one_class *o = &c->of[class_index];
    int64_t n[2];
    double off = 0;

    totals(o, n);
    v[UN_M_AUC] = v[UN_M_AVERAGE_PRECISION] = v[UN_M_BEST_THRESHOLD] = v[UN_M_BEST_DICE] = NAN;
    v[UN_M_BRIER] = v[UN_M_ECE] = NAN;
    if (n[0] && n[1])
        sweep(v, o, n);
    if (!n[0] && !n[1])
        return;
    for (int r = 0; r < UN_RELIABILITY_BINS; r++)
        off += fabs(o->sum[r] - (double)o->right[r]);
    v[UN_M_BRIER] = o->squares / (double)(n[0] + n[1]);
    v[UN_M_ECE] = off / (double)(n[0] + n[1]);
}

static int reliability(double *x, double *y, const one_class *o)
{
    int n = 0;

    for (int r = 0; r < UN_RELIABILITY_BINS; r++)
        if (o->n[r]) {
            x[n] = o->sum[r] / (double)o->n[r];
            y[n++] = (double)o->right[r] / (double)o->n[r];
        }
    return n;
}

int un_curve_points(double *x, double *y, const un_curves *c, int class_index, un_curve_kind kind)
{
    const one_class *o = &c->of[class_index];
    int64_t total[2], tp = 0, fp = 0;
    double last = -1;
    int n = 0;

    totals(o, total);
    if (kind == UN_CURVE_RELIABILITY)
        return reliability(x, y, o);
    if (!total[0] || !total[1])
        return 0;
    for (int b = BINS - 1; b >= 0; b--) {
        double recall, wrong;

        if (!o->count[b][0] && !o->count[b][1])
            continue;
        fp += o->count[b][0];
        tp += o->count[b][1];
        recall = (double)tp / (double)total[1];
        wrong = (double)fp / (double)total[0];
        if (last >= 0 && recall + wrong - last < 2.0 / UN_CURVE_POINTS && (tp < total[1] || fp < total[0]))
            continue;
        last = recall + wrong;
        x[n] = kind == UN_CURVE_ROC ? wrong : recall;
        y[n++] = kind == UN_CURVE_ROC ? recall : (double)tp / (double)(tp + fp);
    }
    return n;
}
