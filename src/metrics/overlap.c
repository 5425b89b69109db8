/* Counting is separate from scoring: counts add up exactly over images, tiles and processes; ratios are made
 * once. */
#include "metrics/overlap.h"

#include <math.h>
#include <string.h>

#include "base/size.h"

static const char *const ratio_names[] = {
    [UN_RATIO_DICE] = "dice",
    [UN_RATIO_IOU] = "iou",
    [UN_RATIO_PRECISION] = "precision",
    [UN_RATIO_RECALL] = "recall",
    [UN_RATIO_F1] = "f1",
};
_Static_assert(UN_COUNT(ratio_names) == UN_RATIO_COUNT, "a name each");

const char *un_ratio_name(un_ratio r)
{
    return ratio_names[r];
}

un_ratios un_ratios_of(un_class_counts n)
{
    const int64_t up[] = {2 * n.tp, n.tp, n.tp, n.tp, 2 * n.tp};
    const int64_t down[] = {
        2 * n.tp + n.fp + n.fn, n.tp + n.fp + n.fn, n.tp + n.fp, n.tp + n.fn, 2 * n.tp + n.fp + n.fn};
    un_ratios r;

    _Static_assert(UN_COUNT(up) == UN_RATIO_COUNT && UN_COUNT(down) == UN_RATIO_COUNT, "a formula each");
    for (int i = 0; i < UN_RATIO_COUNT; i++)
        r.v[i] = !(n.tp + n.fp + n.fn) ? NAN : !down[i] ? 0 : (double)up[i] / (double)down[i];
    return r;
}

/* A zeroed block of a header and `count` elements. */
static void *create_block(un_mem *mem, size_t header, size_t count, size_t each, unet_error *err)
{
    size_t bytes = header + count * each;
    void *p = un_alloc_zero(mem, bytes);

    if (!p)
        (void)un_fail_nomem(err, bytes);
    return p;
}

static unet_status check_classes(int classes, unet_error *err)
{
    if (classes < 1 || classes > UN_METRIC_CLASSES_MAX)
        return un_fail(err, UNET_E_ARG, "%d classes; 1 to %d can be scored", classes, UN_METRIC_CLASSES_MAX);
    return UNET_OK;
}

unet_status un_confusion_create(un_confusion **out, un_mem *mem, int classes, unet_error *err)
{
    unet_status st = check_classes(classes, err);

    *out = NULL;
    if (st)
        return st;
    *out = create_block(mem, sizeof **out, (size_t)classes * (size_t)classes, sizeof *(*out)->count, err);
    if (!*out)
        return UNET_E_NOMEM;
    (*out)->classes = classes;
    return UNET_OK;
}

void un_confusion_destroy(un_confusion *c)
{
    un_free(c);
}

void un_confusion_clear(un_confusion *c)
{
    memset(c->count, 0, (size_t)c->classes * (size_t)c->classes * sizeof *c->count);
    c->ignored = 0;
}

static unet_status bad_pixel(const char *what, int64_t value, int64_t at, int classes, unet_error *err)
{
    return un_fail(err, UNET_E_DATA, "%s of pixel %lld is class %lld; classes are 0 to %d", what, (long long)at,
        (long long)value, classes - 1);
}

/* A class map of either width. */
typedef struct class_map {
    const int32_t *wide;
    const uint8_t *narrow; /* used when wide is NULL */
} class_map;

static inline int64_t class_at(class_map m, int64_t i)
{
    return m.wide ? m.wide[i] : m.narrow[i];
}

static unet_status count_pixels(un_confusion *c, const int32_t *truth, class_map prediction, int64_t n, unet_error *err)
{
    int k = c->classes;

    for (int64_t i = 0; i < n; i++) {
        int64_t p = class_at(prediction, i);

        if (truth[i] == UN_METRIC_IGNORE)
            continue;
        if (truth[i] < 0 || truth[i] >= k)
            return bad_pixel("the truth", truth[i], i, k, err);
        if (p < 0 || p >= k)
            return bad_pixel("the prediction", p, i, k, err);
    }
    for (int64_t i = 0; i < n; i++)
        if (truth[i] == UN_METRIC_IGNORE)
            c->ignored++;
        else
            c->count[(int64_t)truth[i] * k + class_at(prediction, i)]++;
    return UNET_OK;
}

unet_status un_confusion_add(
    un_confusion *c, const int32_t *truth, const int32_t *prediction, int64_t n, unet_error *err)
{
    return count_pixels(c, truth, (class_map){.wide = prediction}, n, err);
}

unet_status un_confusion_add_u8(
    un_confusion *c, const int32_t *truth, const uint8_t *prediction, int64_t n, unet_error *err)
{
    return count_pixels(c, truth, (class_map){.narrow = prediction}, n, err);
}

void un_confusion_merge(un_confusion *c, const un_confusion *other)
{
    UN_ASSERT(c->classes == other->classes);
    for (int i = 0; i < c->classes * c->classes; i++)
        c->count[i] += other->count[i];
    c->ignored += other->ignored;
}

un_class_counts un_confusion_class(const un_confusion *c, int k)
{
    un_class_counts n = {.tp = c->count[k * c->classes + k]};
    int64_t all = 0;

    for (int i = 0; i < c->classes * c->classes; i++)
        all += c->count[i];
    for (int i = 0; i < c->classes; i++) {
        n.fp += i == k ? 0 : c->count[i * c->classes + k];
        n.fn += i == k ? 0 : c->count[k * c->classes + i];
    }
    n.tn = all - n.tp - n.fp - n.fn;
    return n;
}

unet_status un_multilabel_create(un_multilabel **out, un_mem *mem, int classes, unet_error *err)
{
    unet_status st = check_classes(classes, err);

    *out = NULL;
    if (st)
        return st;
    if (classes > UN_METRIC_LABELS_MAX)
        return un_fail(err, UNET_E_UNSUPPORTED, "%d labels that may overlap; at most %d can be told apart", classes,
            UN_METRIC_LABELS_MAX);
    *out = create_block(mem, sizeof **out, (size_t)classes, sizeof *(*out)->of, err);
    if (!*out)
        return UNET_E_NOMEM;
    (*out)->classes = classes;
    return UNET_OK;
}

void un_multilabel_destroy(un_multilabel *m)
{
    un_free(m);
}

void un_multilabel_clear(un_multilabel *m)
{
    memset(m->of, 0, (size_t)m->classes * sizeof *m->of);
    m->ignored = 0;
}

void un_multilabel_add(un_multilabel *m, const int32_t *truth, const int32_t *prediction, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (truth[i] == UN_METRIC_IGNORE) {
            m->ignored++;
            continue;
        }
        for (int k = 0; k < m->classes; k++) {
            const int t = truth[i] >> k & 1, p = prediction[i] >> k & 1;

            m->of[k].tp += t && p;
            m->of[k].fp += !t && p;
            m->of[k].fn += t && !p;
            m->of[k].tn += !t && !p;
        }
    }
}

void un_multilabel_merge(un_multilabel *m, const un_multilabel *other)
{
    UN_ASSERT(m->classes == other->classes);
    for (int k = 0; k < m->classes; k++) {
        m->of[k].tp += other->of[k].tp;
        m->of[k].fp += other->of[k].fp;
        m->of[k].fn += other->of[k].fn;
        m->of[k].tn += other->of[k].tn;
    }
    m->ignored += other->ignored;
}

void un_mean_add(un_mean *m, double v)
{
    if (isnan(v))
        return;
    m->sum += v;
    m->n++;
}

double un_mean_value(un_mean m)
{
    return m.n ? m.sum / (double)m.n : NAN;
}

static unet_status create_scores(un_scores **out, un_mem *mem, int classes, unet_error *err)
{
    *out = create_block(mem, sizeof **out, (size_t)classes, sizeof *(*out)->of, err);
    if (!*out)
        return UNET_E_NOMEM;
    (*out)->classes = classes;
    return UNET_OK;
}

int un_score_rules_foreground(const un_score_rules *r, int background, int k)
{
    if (!r->foreground_count)
        return k != background;
    for (int i = 0; i < r->foreground_count; i++)
        if (r->foreground[i] == k)
            return 1;
    return 0;
}

int un_scores_is_foreground(const un_scores *s, int k)
{
    return un_score_rules_foreground(&s->rules, s->background, k);
}

void un_scores_apply_rules(un_scores *s, const un_score_rules *r)
{
    s->rules = *r;
    for (int k = 0; k < s->classes; k++) {
        un_class_scores *c = &s->of[k];

        c->r = un_ratios_of(c->n);
        for (int i = 0; i < UN_RATIO_COUNT && r->empty != UN_EMPTY_SKIP; i++)
            if (isnan(c->r.v[i]))
                c->r.v[i] = r->empty == UN_EMPTY_ONE;
    }
    for (int i = 0; i < UN_RATIO_COUNT; i++) {
        un_mean macro = {0}, foreground = {0};

        for (int k = 0; k < s->classes; k++) {
            un_mean_add(&macro, s->of[k].r.v[i]);
            un_mean_add(&foreground, un_scores_is_foreground(s, k) ? s->of[k].r.v[i] : NAN);
        }
        s->macro.v[i] = un_mean_value(macro);
        s->foreground.v[i] = un_mean_value(foreground);
    }
}

/* Fills everything that follows from the classes' counts; `right` of `cells` decisions were right. */
static void score(un_scores *s, int background, int64_t right, int64_t cells)
{
    un_class_counts first = s->of[0].n;

    s->background = background;
    s->pixels = first.tp + first.fp + first.fn + first.tn;
    s->accuracy = cells ? (double)right / (double)cells : NAN;
    for (int k = 0; k < s->classes; k++) {
        s->of[k].support = s->of[k].n.tp + s->of[k].n.fn;
        s->of[k].predicted = s->of[k].n.tp + s->of[k].n.fp;
    }
    un_scores_apply_rules(s, &(un_score_rules){UN_EMPTY_SKIP, NULL, 0});
}

unet_status un_scores_create(un_scores **out, un_mem *mem, const un_confusion *c, int background, unet_error *err)
{
    int64_t right = 0, all = 0;
    unet_status st = create_scores(out, mem, c->classes, err);

    if (st)
        return st;
    for (int k = 0; k < c->classes; k++) {
        (*out)->of[k].n = un_confusion_class(c, k);
        right += (*out)->of[k].n.tp;
        all += (*out)->of[k].n.tp + (*out)->of[k].n.fn;
    }
    (*out)->ignored = c->ignored;
    score(*out, background, right, all);
    return UNET_OK;
}

unet_status un_scores_create_multilabel(un_scores **out, un_mem *mem, const un_multilabel *m, unet_error *err)
{
    int64_t right = 0, all = 0;
    unet_status st = create_scores(out, mem, m->classes, err);

    if (st)
        return st;
    for (int k = 0; k < m->classes; k++) {
        un_class_counts n = (*out)->of[k].n = m->of[k];

        right += n.tp + n.tn;
        all += n.tp + n.fp + n.fn + n.tn;
    }
    (*out)->ignored = m->ignored;
    score(*out, -1, right, all);
    return UNET_OK;
}

void un_scores_destroy(un_scores *s)
{
    un_free(s);
}

unet_status un_image_means_create(un_image_means **out, un_mem *mem, int classes, unet_error *err)
{
    unet_status st = check_classes(classes, err);

    *out = NULL;
    if (st)
        return st;
    *out = create_block(mem, sizeof **out, (size_t)classes, sizeof *(*out)->of, err);
    if (!*out)
        return UNET_E_NOMEM;
    (*out)->classes = classes;
    return UNET_OK;
}

void un_image_means_destroy(un_image_means *m)
{
    un_free(m);
}

static void add_ratios(un_ratio_means *m, const un_ratios *r)
{
    for (int i = 0; i < UN_RATIO_COUNT; i++)
        un_mean_add(&m->v[i], r->v[i]);
}

void un_image_means_add(un_image_means *m, const un_scores *s)
{
    UN_ASSERT(m->classes == s->classes);
    m->images++;
    un_mean_add(&m->accuracy, s->accuracy);
    add_ratios(&m->macro, &s->macro);
    add_ratios(&m->foreground, &s->foreground);
    for (int k = 0; k < m->classes; k++)
        add_ratios(&m->of[k], &s->of[k].r);
}
