#include "train/watch.h"

#include <math.h>

#include "base/size.h"

static const double learned = 0.01, worth = 0.2, collapsed = 0.25, recovered = 0.5;
enum { NEVER = 1, COLLAPSE = 2, SELECTIONS_LEAST = 3, LOW_LEAST = 2 };

void un_watch_batch(un_watch *w, const un_batch *b)
{
    const int64_t pixels = (int64_t)b->n * b->d * b->h * b->w;

    for (int64_t i = 0; i < pixels; i++) {
        if (b->weight && b->weight[i] == 0)
            continue;
        if (b->target && (b->target[i] < 0 || b->target[i] >= UN_CFG_MAX_class))
            continue;
        w->all++;
        if (b->target)
            w->seen[b->target[i]]++;
        else
            for (int k = 0; k < b->classes && k < UN_CFG_MAX_class; k++)
                w->seen[k] += (double)b->soft[i * b->classes + k];
    }
}

static const char *name_of(const un_config *c, int k)
{
    return k < c->data.classes.n ? c->data.classes.v[k].name : "";
}

static void warn_never(un_watch *w, const un_config *c, int k, un_text *t)
{
    w->told[k] |= NEVER;
    un_text_printf(t,
        "class %d (%s) has not been learned: its Dice was %.3f at best in %d selections; it is %.3g %% of what the "
        "network "
        "saw. "
        "Try a larger augment.foreground, loss.class_weights, focal_tversky or a lower optimiser.lr\n",
        k, name_of(c, k), w->best[k], w->selections, w->sum > 0 ? 100 * w->total[k] / w->sum : 0);
}

static void warn_collapse(un_watch *w, const un_config *c, int k, double dice, un_text *t)
{
    w->told[k] |= COLLAPSE;
    un_text_printf(t,
        "class %d (%s) has collapsed: its Dice is %.3f and was %.3f. The best weights are kept; try a lower "
        "optimiser.lr or "
        "a longer optimiser.warmup\n",
        k, name_of(c, k), dice, w->best[k]);
}

static void judge(un_watch *w, const un_config *c, int k, double dice, double done, un_text *t)
{
    w->best[k] = fmax(w->best[k], dice);
    w->low[k] = dice < collapsed * w->best[k] ? (unsigned char)UN_MIN(w->low[k] + 1, LOW_LEAST) : 0;
    if (dice >= recovered * w->best[k])
        w->told[k] &= (unsigned char)~COLLAPSE;
    if (w->best[k] < learned && done >= 0.5 && w->selections >= SELECTIONS_LEAST && !(w->told[k] & NEVER))
        warn_never(w, c, k, t);
    if (w->best[k] >= worth && w->low[k] >= LOW_LEAST && !(w->told[k] & COLLAPSE))
        warn_collapse(w, c, k, dice, t);
}

void un_watch_shares(un_watch *w, double *share)
{
    for (int k = 0; k < UN_CFG_MAX_class; k++) {
        share[k] = w->all > 0 ? w->seen[k] / w->all : NAN;
        w->total[k] += w->seen[k];
        w->seen[k] = 0;
    }
    w->sum += w->all;
    w->all = 0;
}

void un_watch_score(un_watch *w, const un_score *s, const un_config *c, double done, un_text *warnings)
{
    const int first = c->model.head == UN_CFG_HEAD_MULTILABEL ? 0 : 1;

    w->selections++;
    for (int k = first; k < s->n_classes && k < UN_CFG_MAX_class; k++)
        if (isfinite(s->dice[k]))
            judge(w, c, k, s->dice[k], done, warnings);
}
