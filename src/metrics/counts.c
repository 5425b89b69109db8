/* Metrics of counted pixels. */
#include <math.h>

#include "base/math.h"
#include "metrics/masks.h"

static double ratio(double up, double down)
{
    return down > 0 ? up / down : NAN;
}

/* One class alone on one side says nothing of agreement: 0; on both sides: none. */
static double correlation(double up, double truth, double prediction)
{
    return truth <= 0 && prediction <= 0 ? NAN : truth <= 0 || prediction <= 0 ? 0 : up / un_sqrt(truth * prediction);
}

void un_count_metrics(double *v, un_class_counts n, double voxel, double beta)
{
    const double tp = (double)n.tp, fp = (double)n.fp, fn = (double)n.fn, tn = (double)n.tn;
    const double all = tp + fp + fn + tn, b = beta * beta, t = tp + fn, p = tp + fp;
    const double chance = all > 0 ? (t * p + (all - t) * (all - p)) / (all * all) : NAN;
    const un_ratios r = un_ratios_of(n);

    v[UN_M_DICE] = r.v[UN_RATIO_DICE];
    v[UN_M_IOU] = r.v[UN_RATIO_IOU];
    v[UN_M_PRECISION] = r.v[UN_RATIO_PRECISION];
    v[UN_M_RECALL] = r.v[UN_RATIO_RECALL];
    v[UN_M_F1] = r.v[UN_RATIO_F1];
    v[UN_M_F_BETA] = ratio((1 + b) * tp, (1 + b) * tp + b * fn + fp);
    v[UN_M_SPECIFICITY] = ratio(tn, tn + fp);
    v[UN_M_ACCURACY] = ratio(tp + tn, all);
    v[UN_M_KAPPA] = ratio((tp + tn) / all - chance, 1 - chance);
    v[UN_M_MCC] = correlation(tp * tn - fp * fn, t * (all - t), p * (all - p));
    v[UN_M_VOLUME_DIFFERENCE] = t + p > 0 ? fabs(p - t) * voxel : NAN;
    v[UN_M_RELATIVE_VOLUME_DIFFERENCE] = ratio(p - t, t);
}

/* Pixels, those that are right, and over the classes the sums of truth times prediction, truth and prediction squared.
 */
typedef struct margins {
    double all, right, both, truth, prediction;
} margins;

static margins margins_of(const un_confusion *c)
{
    margins m = {0};

    for (int k = 0; k < c->classes; k++) {
        double t = 0, p = 0;

        for (int i = 0; i < c->classes; i++) {
            t += (double)c->count[k * c->classes + i];
            p += (double)c->count[i * c->classes + k];
        }
        m.all += t;
        m.right += (double)c->count[k * c->classes + k];
        m.both += t * p;
        m.truth += t * t;
        m.prediction += p * p;
    }
    return m;
}

double un_confusion_kappa(const un_confusion *c)
{
    const margins m = margins_of(c);

    return ratio(m.right * m.all - m.both, m.all * m.all - m.both);
}

double un_confusion_mcc(const un_confusion *c)
{
    const margins m = margins_of(c);
    const double square = m.all * m.all;

    return correlation(m.right * m.all - m.both, square - m.truth, square - m.prediction);
}
