/* unet_eval: a model on the labelled pictures of a data set. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/work.h"
#include "base/file.h"
#include "base/size.h"
#include "metrics/floor.h"
#include "report/scores.h"

enum { TEXT_MAX = 1 << 26 };

typedef struct eval_job {
    unet_context *c;
    const unet_eval_options *o;
    un_model *m;
    un_api_data data;
    un_data_source *source;
    un_predictor *predictor;
    un_evaluation *e;
    un_confusion *floor; /* Otsu's threshold, pooled; NULL: none */
    un_mean floor_dice;  /* per picture */
    un_named_scores *named;
    const char *class_name[UN_METRIC_CLASSES_MAX];
    char class_room[UN_METRIC_CLASSES_MAX][32];
    un_api_clock clock;
} eval_job;

static unet_status role_of(const char *split, un_role *out, unet_error *err)
{
    static const un_role roles[] = {UN_ROLE_TRAIN, UN_ROLE_SELECT, UN_ROLE_VAL, UN_ROLE_TEST};

    for (size_t i = 0; i < UN_COUNT(roles); i++)
        if (!strcmp(split, un_role_name(roles[i]))) {
            *out = roles[i];
            return UNET_OK;
        }
    return un_fail(err, UNET_E_ARG, "there is no split '%s'; use val, test, train or select", split);
}

/* Otsu's threshold on the same picture: what two classes cost nothing to reach. */
static unet_status add_floor(eval_job *j, const un_picture *p, unet_error *err)
{
    int64_t n = (int64_t)p->d * p->h * p->w;
    float *grey = un_alloc_array(j->c->mem, (size_t)n, sizeof *grey);
    uint8_t *mask = un_alloc_array(j->c->mem, (size_t)n, 1);
    un_confusion *one = NULL;
    un_scores *scores = NULL;
    unet_status st = grey && mask ? UNET_OK : un_fail_nomem(err, (size_t)n * 5);

    if (!st) {
        un_otsu otsu;

        un_grey(grey, p->image, n, p->c);
        otsu = un_otsu_find(grey, n);
        un_otsu_apply(&otsu, grey, n, mask);
        st = un_confusion_create(&one, j->c->mem, 2, err);
    }
    if (!st)
        st = un_confusion_add_u8(one, p->target, mask, n, err);
    if (!st)
        st = un_scores_create(&scores, j->c->mem, one, j->e ? j->e->background : un_api_background(&j->m->config), err);
    if (!st) {
        un_confusion_merge(j->floor, one);
        un_mean_add(&j->floor_dice, scores->foreground.v[UN_RATIO_DICE]);
    }
    un_scores_destroy(scores);
    un_confusion_destroy(one);
    un_free(grey);
    un_free(mask);
    return st;
}

static unet_status seen(
    void *ctx, int index, const un_picture *p, const int32_t *classes, const un_scores *s, unet_error *err)
{
    eval_job *j = ctx;
    int count = un_data_source_view(j->source)->count;

    (void)classes;
    (void)s;
    un_api_progress(j->o->progress, j->o->progress_ctx, "eval", un_data_source_item(j->source, index)->name, index + 1,
        count, j->clock);
    return j->floor && p->target ? add_floor(j, p, err) : UNET_OK;
}

static unet_status open_all(eval_job *j, unet_error *err)
{
    un_config *cfg;
    un_role role = UN_ROLE_VAL;
    un_predict_options po;
    unet_status st = un_model_load(&j->m, j->c->mem, j->o->model, err);

    if (st)
        return st;
    cfg = &j->m->config;
    st = un_api_set(cfg, j->c->mem, j->o->set, j->o->set_count, err);
    if (!st && j->o->split)
        st = role_of(j->o->split, &role, err);
    if (!st)
        st = un_api_data_open(&j->data, j->c, j->o->data, cfg, err);
    if (!st && !un_dataset_count_role(j->data.set, role))
        st = un_fail_file(err, UNET_E_DATA, j->o->data, "no labelled picture has the role '%s'; choose another split",
            un_role_name(role));
    if (!st)
        st = un_data_source_create(&j->source, j->c->mem, j->data.set, j->data.pre, role, 0, err);
    if (st)
        return st;
    po = un_api_predict_options(j->c, cfg);
    if (!j->o->no_floor && cfg->model.classes == 2 && cfg->model.head != UN_CFG_HEAD_MULTILABEL)
        st = un_confusion_create(&j->floor, j->c->mem, 2, err);
    return st ? st : un_predictor_create(&j->predictor, j->c->mem, j->m, &po, err);
}

static void score_set(eval_job *j, un_score_set *s)
{
    *s = (un_score_set){.classes = j->e->classes,
        .class_name = j->class_name,
        .image = j->named,
        .images = (size_t)j->e->count,
        .pooled = j->e->scores,
        .means = j->e->means,
        .confusion = j->e->pooled};
    for (int k = 0; k < j->e->classes; k++)
        j->class_name[k] = un_api_class_name(&j->m->config, k, j->class_room[k]);
    for (int i = 0; i < j->e->count; i++)
        j->named[i] = (un_named_scores){un_data_source_item(j->source, i)->name, j->e->item[i].scores};
}

static unet_status fill_result(const eval_job *j, unet_eval_result *r, unet_error *err)
{
    const un_evaluation *e = j->e;
    un_scores *floor = NULL;
    unet_status st;

    *r = (unet_eval_result){.pictures = e->count,
        .dice_mean = un_mean_value(e->means->foreground.v[UN_RATIO_DICE]),
        .iou_pooled = e->scores->foreground.v[UN_RATIO_IOU],
        .dice_pooled = e->scores->foreground.v[UN_RATIO_DICE],
        .iou_mean = un_mean_value(e->means->foreground.v[UN_RATIO_IOU]),
        .accuracy = e->scores->accuracy,
        .floor_dice_mean = NAN,
        .floor_iou_pooled = NAN};
    if (!j->floor)
        return UNET_OK;
    st = un_scores_create(&floor, e->mem, j->floor, e->background, err);
    if (st)
        return st;
    r->floor_dice_mean = un_mean_value(j->floor_dice);
    r->floor_iou_pooled = floor->foreground.v[UN_RATIO_IOU];
    un_scores_destroy(floor);
    return UNET_OK;
}

static unet_status write_files(const eval_job *j, const un_score_set *s, unet_error *err)
{
    char *csv, *json;
    unet_status st = un_make_dirs(j->o->out_dir, err);

    if (st)
        return st;
    csv = un_asprintf(j->c->mem, "%s/scores.csv", j->o->out_dir);
    json = un_asprintf(j->c->mem, "%s/scores.json", j->o->out_dir);
    st = csv && json ? UNET_OK : un_fail_nomem(err, 1);
    if (!st)
        st = un_metrics_write_csv(j->c->mem, csv, s, err);
    if (!st)
        st = un_metrics_write_json(j->c->mem, json, s, err);
    un_free(csv);
    un_free(json);
    return st;
}

static unet_status say(
    const eval_job *j, const un_score_set *s, const unet_eval_result *r, char **text, unet_error *err)
{
    un_table *table;
    un_text t;
    unet_status st = un_scores_class_table(&table, j->c->mem, s, err);

    if (st)
        return st;
    un_text_init(&t, j->c->mem, TEXT_MAX);
    un_text_printf(&t, "%d pictures\n\n", j->e->count);
    st = un_table_to_text(table, &t, err);
    un_table_destroy(table);
    un_text_add(&t, "\n");
    un_scores_rules(&t, s);
    un_text_add(&t, "\nforeground:  mean Dice per picture ");
    un_text_fixed(&t, r->dice_mean, 4);
    un_text_add(&t, ", pooled IoU ");
    un_text_fixed(&t, r->iou_pooled, 4);
    if (j->floor) {
        un_text_add(&t, "\nOtsu:        mean Dice per picture ");
        un_text_fixed(&t, r->floor_dice_mean, 4);
        un_text_add(&t, ", pooled IoU ");
        un_text_fixed(&t, r->floor_iou_pooled, 4);
    }
    un_text_add(&t, "\n");
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(text, &t, err);
}

static unet_status answer(eval_job *j, unet_eval_result *result, char **text, char **json, unet_error *err)
{
    un_score_set s;
    unet_status st;
    un_text t;

    j->named = un_alloc_array(j->c->mem, (size_t)UN_MAX(j->e->count, 1), sizeof *j->named);
    if (!j->named)
        return un_fail_nomem(err, (size_t)j->e->count * sizeof *j->named);
    score_set(j, &s);
    st = fill_result(j, result, err);
    if (!st && j->o->out_dir)
        st = write_files(j, &s, err);
    if (!st && text)
        st = say(j, &s, result, text, err);
    if (!st && json) {
        un_text_init(&t, j->c->mem, TEXT_MAX);
        st = un_metrics_json(&t, j->c->mem, &s, err);
        if (st)
            un_text_free(&t);
        else
            st = un_api_text(json, &t, err);
    }
    return st;
}

unet_status unet_eval(unet_context *c, const unet_eval_options *options, unet_eval_result *result, char **text,
    char **json, unet_error *err)
{
    unet_eval_options o;
    unet_eval_result none;
    eval_job *j = un_alloc_zero(c->mem, sizeof *j);
    unet_status st = j ? un_api_options(&o, sizeof o, options, err) : un_fail_nomem(err, sizeof *j);

    if (text)
        *text = NULL;
    if (json)
        *json = NULL;
    if (!j)
        return st;
    un_error_clear(err);
    *j = (eval_job){.c = c, .o = &o, .clock = un_api_clock_start()};
    if (!st && (!o.model || !o.data))
        st = un_fail(err, UNET_E_ARG, "evaluation needs a model and a data set");
    if (!st)
        st = open_all(j, err);
    if (!st) {
        const un_eval_options eo = {.background = un_api_background(&j->m->config), .seen = seen, .ctx = j};

        st = un_evaluate(&j->e, c->mem, j->predictor, j->m, un_data_source_view(j->source), &eo, err);
    }
    if (!st)
        st = answer(j, result ? result : &none, text, json, err);
    un_free(j->named);
    un_evaluation_destroy(j->e);
    un_confusion_destroy(j->floor);
    un_predictor_destroy(j->predictor);
    un_data_source_destroy(j->source);
    un_api_data_close(&j->data);
    un_model_destroy(j->m);
    un_free(j);
    return st;
}
