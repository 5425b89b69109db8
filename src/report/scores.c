#include "report/scores.h"

#include <string.h>

#include "base/file.h"
#include "base/size.h"

enum { TEXT_MAX = 1 << 30, DECIMALS = 4 };

static void add_ratios(un_table *t, const un_ratios *r)
{
    for (int i = 0; i < UN_RATIO_COUNT; i++)
        un_table_real(t, r->v[i], DECIMALS);
}

static void add_means(un_table *t, const un_ratio_means *m)
{
    for (int i = 0; i < UN_RATIO_COUNT; i++)
        un_table_real(t, un_mean_value(m->v[i]), DECIMALS);
}

typedef enum detail { SHORT, FULL } detail;

static void add_class_row(
    un_table *t, detail how, const char *name, const un_ratios *pooled, const un_ratio_means *means, int64_t support)
{
    static const un_ratio shown[] = {UN_RATIO_DICE, UN_RATIO_IOU, UN_RATIO_PRECISION, UN_RATIO_RECALL};

    un_table_text(t, name);
    if (how == FULL)
        add_ratios(t, pooled);
    for (size_t i = 0; i < UN_COUNT(shown) && how == SHORT; i++)
        un_table_real(t, pooled->v[shown[i]], DECIMALS);
    un_table_real(t, un_mean_value(means->v[UN_RATIO_DICE]), DECIMALS);
    un_table_real(t, un_mean_value(means->v[UN_RATIO_IOU]), DECIMALS);
    un_table_integer(t, means->v[UN_RATIO_DICE].n);
    if (how == FULL)
        un_table_integer(t, support);
}

static void add_class_rows(un_table *t, detail how, const un_score_set *s)
{
    const un_image_means *m = s->means;
    int64_t support = 0;

    for (int k = 0; k < s->classes; k++)
        add_class_row(t, how, s->class_name[k], &s->pooled->of[k].r, &m->of[k], s->pooled->of[k].support);
    add_class_row(t, how, "mean of all classes", &s->pooled->macro, &m->macro, s->pooled->pixels);
    if (s->pooled->background < 0 && !s->pooled->rules.foreground_count)
        return;
    for (int k = 0; k < s->classes; k++)
        support += un_scores_is_foreground(s->pooled, k) ? s->pooled->of[k].support : 0;
    add_class_row(t, how, s->pooled->rules.foreground_count ? "mean of foreground" : "mean without background",
        &s->pooled->foreground, &m->foreground, support);
}

unet_status un_scores_class_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err)
{
    static const char *const head[] = {"class", "Dice (pooled)", "IoU (pooled)", "precision (pooled)",
        "recall (pooled)", "F1 (pooled)", "Dice (per-image mean)", "IoU (per-image mean)", "images", "support"};
    unet_status st = un_table_create(out, mem, head, UN_COUNT(head), 1, err);

    _Static_assert(UN_COUNT(head) == UN_RATIO_COUNT + 5, "a title each");
    if (!st)
        add_class_rows(*out, FULL, s);
    return st;
}

unet_status un_scores_short_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err)
{
    static const char *const head[] = {
        "class", "Dice", "IoU", "precision", "recall", "Dice/image", "IoU/image", "images"};
    unet_status st = un_table_create(out, mem, head, UN_COUNT(head), 1, err);

    if (!st)
        add_class_rows(*out, SHORT, s);
    return st;
}

static void add_floor_row(un_table *t, const char *name, double dm, double im, double dp, double ip)
{
    un_table_text(t, name);
    un_table_real(t, dm, DECIMALS);
    un_table_real(t, im, DECIMALS);
    un_table_real(t, dp, DECIMALS);
    un_table_real(t, ip, DECIMALS);
}

unet_status un_scores_floor_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err)
{
    static const char *const head[] = {
        "foreground", "Dice (per-image mean)", "IoU (per-image mean)", "Dice (pooled)", "IoU (pooled)"};
    const un_floor_scores *f = s->floor;
    const un_ratio_means *m = &s->means->foreground;
    const un_ratios *p = &s->pooled->foreground;
    const double own[4] = {
        un_mean_value(m->v[UN_RATIO_DICE]), un_mean_value(m->v[UN_RATIO_IOU]), p->v[UN_RATIO_DICE], p->v[UN_RATIO_IOU]};
    unet_status st = un_table_create(out, mem, head, UN_COUNT(head), 1, err);

    if (st)
        return st;
    add_floor_row(*out, "this model", own[0], own[1], own[2], own[3]);
    add_floor_row(*out, f->name, f->dice_mean, f->iou_mean, f->dice_pooled, f->iou_pooled);
    add_floor_row(
        *out, "gained", own[0] - f->dice_mean, own[1] - f->iou_mean, own[2] - f->dice_pooled, own[3] - f->iou_pooled);
    return UNET_OK;
}

/* Metrics of the summary that have a column of their own: those beside the ratios, of foreground classes and of the
 * foreground (k = classes). */
static int is_further(const un_score_set *s, int k, int m)
{
    const un_summary_options *o = s->summary ? un_summary_options_of(s->summary) : NULL;

    return o && m > UN_M_F1 && o->choice.on[m] && (k == s->classes || o->foreground[k]);
}

static int further_columns(const un_score_set *s)
{
    int n = 0;

    for (int k = 0; k <= s->classes; k++)
        for (int m = 0; m < UN_M_COUNT; m++)
            n += is_further(s, k, m);
    return n;
}

/* "a_b" */
static const char *joined(un_arena *arena, const char *a, const char *b)
{
    const size_t n = strlen(a);
    char *title = un_arena_alloc(arena, n + strlen(b) + 2);

    if (!title)
        return NULL;
    memcpy(title, a, n);
    title[n] = '_';
    memcpy(title + n + 1, b, strlen(b) + 1);
    return title;
}

/* How columns of a class begin: its name, unless columns of several classes begin so. */
static const char *class_columns(un_arena *a, const un_score_set *s, int class)
{
    const char *name = s->class_name[class];

    return strcmp(name, "macro") != 0 && strcmp(name, "foreground") != 0 ? name : joined(a, "class", name);
}

/* Titles of the image table: row, image, pixels, ignored, accuracy, macro_*, foreground_*, then <class>_* and
 * support. */
static const char **image_head(un_arena *a, const un_score_set *s, int *columns)
{
    int more = further_columns(s), n = 5 + 2 * UN_RATIO_COUNT + s->classes * (UN_RATIO_COUNT + 1) + more, at = 5;
    const char **head = un_arena_alloc(a, (size_t)n * sizeof *head);
    static const char *const fixed[] = {"row", "image", "pixels", "ignored", "accuracy"};

    *columns = n;
    if (!head)
        return NULL;
    memcpy(head, fixed, sizeof fixed);
    for (int g = -2; g < s->classes; g++) {
        const char *group = g == -2 ? "macro" : g == -1 ? "foreground" : class_columns(a, s, g);

        for (int i = 0; group && i < UN_RATIO_COUNT + (g >= 0); i++) {
            const char *what = i < UN_RATIO_COUNT ? un_ratio_name((un_ratio)i) : "support";

            head[at] = joined(a, group, what);
            if (!head[at++])
                return NULL;
        }
    }
    for (int k = 0; k <= s->classes && more; k++) {
        const char *group = k < s->classes ? class_columns(a, s, k) : "foreground";

        for (int m = 0; group && m < UN_M_COUNT; m++)
            if (is_further(s, k, m)) {
                head[at] = joined(a, group, un_metric_info_of((un_metric)m)->name);
                if (!head[at++])
                    return NULL;
            }
    }
    return at == n ? head : NULL;
}

/* image -1: the pooled values, -2: the means over images. */
static void add_further(un_table *t, const un_score_set *s, int image)
{
    for (int k = 0; k <= s->classes; k++)
        for (int m = 0; m < UN_M_COUNT; m++)
            if (is_further(s, k, m))
                un_table_real(t,
                    image >= 0    ? un_summary_value(s->summary, image, k, (un_metric)m)
                    : image == -1 ? un_summary_line(s->summary, k, (un_metric)m)->pooled
                                  : un_summary_line(s->summary, k, (un_metric)m)->mean,
                    DECIMALS);
}

static void add_image_row(un_table *t, const char *kind, const char *name, const un_scores *s)
{
    un_table_text(t, kind);
    un_table_text(t, name);
    un_table_integer(t, s->pixels);
    un_table_integer(t, s->ignored);
    un_table_real(t, s->accuracy, DECIMALS);
    add_ratios(t, &s->macro);
    add_ratios(t, &s->foreground);
    for (int k = 0; k < s->classes; k++) {
        add_ratios(t, &s->of[k].r);
        un_table_integer(t, s->of[k].support);
    }
}

static void add_mean_row(un_table *t, const un_image_means *m, const un_scores *pooled)
{
    un_table_text(t, "image_mean");
    un_table_text(t, "");
    un_table_integer(t, pooled->pixels);
    un_table_integer(t, pooled->ignored);
    un_table_real(t, un_mean_value(m->accuracy), DECIMALS);
    add_means(t, &m->macro);
    add_means(t, &m->foreground);
    for (int k = 0; k < m->classes; k++) {
        add_means(t, &m->of[k]);
        un_table_integer(t, pooled->of[k].support);
    }
}

unet_status un_scores_image_table(un_table **out, un_mem *mem, const un_score_set *s, unet_error *err)
{
    un_arena *a = un_arena_create(mem);
    int columns = 0;
    const char **head = a ? image_head(a, s, &columns) : NULL;
    unet_status st;

    *out = NULL;
    st = head ? un_table_create(out, mem, head, columns, 2, err) : un_fail_nomem(err, (size_t)columns * sizeof *head);
    un_arena_destroy(a);
    if (st)
        return st;
    for (size_t i = 0; i < s->images; i++) {
        add_image_row(*out, "image", s->image[i].name, s->image[i].scores);
        add_further(*out, s, (int)i);
    }
    add_image_row(*out, "pooled", "", s->pooled);
    add_further(*out, s, -1);
    add_mean_row(*out, s->means, s->pooled);
    add_further(*out, s, -2);
    return UNET_OK;
}

/* Writes the text when all went well; frees it in any case. */
static unet_status write_out(un_mem *mem, const char *path, un_text *text, unet_status st, unet_error *err)
{
    if (!st && text->failed)
        st = un_fail_file(err, UNET_E_NOMEM, path, "no memory for the scores");
    if (!st)
        st = un_file_write(mem, path, text->s, text->n, err);
    un_text_free(text);
    return st;
}

unet_status un_metrics_write_csv(un_mem *mem, const char *path, const un_score_set *s, unet_error *err)
{
    un_table *t;
    un_text text;
    unet_status st = un_scores_image_table(&t, mem, s, err);

    un_text_init(&text, mem, TEXT_MAX);
    if (!st)
        st = un_table_to_csv(t, &text, err);
    un_table_destroy(t);
    return write_out(mem, path, &text, st, err);
}

static void add_matrix(un_text *out, const un_confusion *c)
{
    un_text_add(out, "[");
    for (int t = 0; t < c->classes; t++) {
        un_text_add(out, t ? ",\n  [" : "\n  [");
        for (int p = 0; p < c->classes; p++)
            un_text_printf(out, "%s%lld", p ? ", " : "", (long long)c->count[t * c->classes + p]);
        un_text_add(out, "]");
    }
    un_text_add(out, "\n]");
}

static void add_floor(un_text *out, const un_floor_scores *f)
{
    static const char *const name[] = {"dice_image_mean", "iou_image_mean", "dice_pooled", "iou_pooled"};

    if (!f)
        return;
    un_text_add(out, ",\n\"floor\": {\"name\": ");
    un_text_json_string(out, f->name);
    for (int i = 0; i < 4; i++) {
        un_text_printf(out, ", \"%s\": ", name[i]);
        un_text_json_number(out, (const double[]){f->dice_mean, f->iou_mean, f->dice_pooled, f->iou_pooled}[i]);
    }
    un_text_add(out, "}");
}

void un_scores_rules(un_text *out, const un_score_set *s)
{
    static const char *const empty[] = {"has no score (-) and is left out of means", "scores 1", "scores 0"};
    const un_scores *p = s->pooled;

    if (p->rules.foreground_count) {
        un_text_add(out, "Foreground means are over");
        for (int i = 0; i < p->rules.foreground_count; i++) {
            un_text_printf(out, "%s class %d (", i ? "," : "", p->rules.foreground[i]);
            un_text_add(out, s->class_name[p->rules.foreground[i]]);
            un_text_add(out, ")");
        }
        un_text_add(out, ". ");
    } else if (p->background >= 0) {
        un_text_printf(out, "Class %d", p->background);
        if (strcmp(s->class_name[p->background], "background")) {
            un_text_add(out, " (");
            un_text_add(out, s->class_name[p->background]);
            un_text_add(out, ")");
        }
        un_text_add(out, " is the background; means without background leave it out. ");
    } else {
        un_text_add(out, "No class is the background. ");
    }
    un_text_printf(out, "%lld pixels count, %lld are ignored. ", (long long)p->pixels, (long long)p->ignored);
    if (s->ignore_rule) {
        un_text_add(out, s->ignore_rule);
        un_text_add(out, ". ");
    }
    un_text_add(out, "A class that is neither in the truth nor in the prediction ");
    un_text_add(out, empty[p->rules.empty]);
    un_text_add(out, "; one that was predicted but is not there scores 0.");
    if (s->object_rule) {
        un_text_add(out, " ");
        un_text_add(out, s->object_rule);
        un_text_add(out, ".");
    }
}

/* The metrics with intervals, and what the confusion matrix says of all classes together. */
static unet_status add_metrics(un_text *out, un_mem *mem, const un_score_set *s, unet_error *err)
{
    un_table *t;
    unet_status st;

    if (s->confusion) {
        un_text_add(out, ",\n\"kappa\": ");
        un_text_json_number(out, un_confusion_kappa(s->confusion));
        un_text_add(out, ",\n\"mcc\": ");
        un_text_json_number(out, un_confusion_mcc(s->confusion));
    }
    if (!s->summary)
        return UNET_OK;
    st = un_scores_metric_table(&t, mem, s, 1, err);
    if (st)
        return st;
    un_text_add(out, ",\n\"unit\": ");
    un_text_json_string(out, s->unit);
    un_text_add(out, ",\n\"metrics\": ");
    st = un_table_to_json(t, out, err);
    un_table_destroy(t);
    return st;
}

unet_status un_metrics_json(un_text *out, un_mem *mem, const un_score_set *s, unet_error *err)
{
    un_table *classes = NULL, *images = NULL;
    un_text rules;
    unet_status st = un_scores_class_table(&classes, mem, s, err);

    if (!st)
        st = un_scores_image_table(&images, mem, s, err);
    un_text_init(&rules, mem, TEXT_MAX);
    un_scores_rules(&rules, s);
    if (!st && rules.failed)
        st = un_fail_nomem(err, rules.n);
    if (!st) {
        un_text_add(out, "{\"format\": \"unet-scores\", \"version\": 1,\n\"rules\": ");
        un_text_json_string(out, rules.s);
        un_text_printf(out,
            ",\n\"background\": %d,\n\"pixels\": %lld,\n\"ignored\": %lld,\n\"accuracy\": ", s->pooled->background,
            (long long)s->pooled->pixels, (long long)s->pooled->ignored);
        un_text_json_number(out, s->pooled->accuracy);
        if (s->scored) {
            un_text_add(out, ",\n\"scored\": ");
            un_text_json_string(out, s->scored);
        }
        add_floor(out, s->floor);
        un_text_add(out, ",\n\"confusion\": ");
        if (s->confusion)
            add_matrix(out, s->confusion);
        else
            un_text_add(out, "null");
        st = add_metrics(out, mem, s, err);
    }
    if (!st) {
        un_text_add(out, ",\n\"classes\": ");
        st = un_table_to_json(classes, out, err);
        un_text_add(out, ",\n\"images\": ");
    }
    if (!st)
        st = un_table_to_json(images, out, err);
    un_text_add(out, "}\n");
    un_text_free(&rules);
    un_table_destroy(classes);
    un_table_destroy(images);
    return st;
}

unet_status un_metrics_write_json(un_mem *mem, const char *path, const un_score_set *s, unet_error *err)
{
    un_text text;
    unet_status st;

    un_text_init(&text, mem, TEXT_MAX);
    st = un_metrics_json(&text, mem, s, err);
    return write_out(mem, path, &text, st, err);
}
