/* unet_eval: a model scored on the labelled pictures of a data set, on the grid of their files. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/data_open.h"
#include "api/eval_metrics.h"
#include "api/progress.h"
#include "api/runner.h"
#include "api/views.h"
#include "base/file.h"
#include "base/size.h"
#include "run/baseline.h"
#include "run/evaluate.h"

enum { TEXT_MAX = 1 << 30, RULE_MAX = 512 };

typedef struct eval_job {
    unet_context *c;
    const unet_eval_options *o;
    un_runner r;
    un_opened data;
    un_class_names names;
    const un_item **item; /* [count] what is scored */
    int count, background;
    char scored[RULE_MAX], ignored[RULE_MAX]; /* rules in words */
    un_evaluation *e, *floor_e;               /* of the model, of the floor (NULL: none) */
    un_eval_metrics metrics;
    un_text fitted; /* what was fitted, in words */
    un_baseline *baseline;
    un_floor_scores floor;
    un_named_scores *image; /* [count] */
    un_score_set set;
    un_views views;
    int64_t strays;
} eval_job;

/* ---- what is scored ---- */

static const char *const split_names[] = {"val", "test", "train", "select", "all", NULL};

static unet_status check_split(const char *split, unet_error *err)
{
    const char *near;
    size_t n = 0;

    for (; split_names[n]; n++)
        if (!strcmp(split, split_names[n]))
            return UNET_OK;
    near = un_nearest(split, split_names, n);
    return un_fail(err, UNET_E_ARG, "no split '%s'; there are val, test, train, select and all%s%s%s", split,
        near ? ". Did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* test is scored only when it is named. */
static int is_wanted(const un_item *it, const char *split)
{
    if (!strcmp(split, "all"))
        return it->role == UN_ROLE_TRAIN || it->role == UN_ROLE_SELECT || it->role == UN_ROLE_VAL;
    return it->role != UN_ROLE_NONE && !strcmp(split, un_role_name(it->role));
}

/* Whether the picture has its place by a draw: the layout says nothing of it, or gave it to the training that kept it.
 */
static int is_drawn(const un_dataset *d, const un_item *it)
{
    if (it->role == UN_ROLE_VAL || it->role == UN_ROLE_TEST)
        return it->split != (it->role == UN_ROLE_VAL ? UN_SPLIT_VAL : UN_SPLIT_TEST);
    return !d->given_split && it->split == UN_SPLIT_NONE;
}

static unet_status choose_items(eval_job *j, unet_error *err)
{
    const un_dataset *d = j->data.d;
    const char *split = j->o->split ? j->o->split : "val";
    const int cut = d->count > d->base_count;
    int labelled = 0, drawn = 0;

    j->item = un_alloc_array(j->c->mem, (size_t)UN_MAX(d->count, 1), sizeof *j->item);
    if (!j->item)
        return un_fail_nomem(err, (size_t)d->count * sizeof *j->item);
    for (int i = 0; i < d->count; i++)
        if (is_wanted(&d->items[i], split)) {
            j->item[j->count++] = &d->items[i];
            drawn |= strcmp(split, "all") && is_drawn(d, &d->items[i]);
        }
    for (int i = 0; i < d->base_count; i++)
        labelled += d->items[i].mask && !d->items[i].left_out;
    if (!j->count)
        return un_fail_file(err, UNET_E_DATA, d->root,
            "no picture of the split '%s'; there are %d to train, %d to select, %d val, %d test; choose "
            "another split",
            split, un_dataset_count_role(d, UN_ROLE_TRAIN), un_dataset_count_role(d, UN_ROLE_SELECT),
            un_dataset_count_role(d, UN_ROLE_VAL), un_dataset_count_role(d, UN_ROLE_TEST));
    snprintf(j->scored, sizeof j->scored, "Split '%s': %d%s of %d labelled picture%s%s", split, j->count,
        !cut            ? ""
        : j->count == 1 ? " part"
                        : " parts",
        labelled, labelled == 1 ? "" : "s",
        drawn ? "; the folder does not give this split, so it is the one that training draws (data.split_seed)" : "");
    return UNET_OK;
}

/* ---- one picture ---- */

static unet_status score_floor(
    eval_job *j, int index, const un_item_files *f, const int32_t *truth, size_t n, unet_error *err)
{
    int32_t *classes = j->baseline ? un_alloc_array(j->c->mem, n, sizeof *classes) : NULL;
    unet_status st;

    if (!j->baseline)
        return UNET_OK;
    st = classes ? un_baseline_run(j->baseline, f->image, f->count, classes, err)
                 : un_fail_nomem(err, n * sizeof *classes);
    if (!st)
        st = un_evaluation_add(j->floor_e, index, truth, classes, (int64_t)n, err);
    un_free(classes);
    return st;
}

/* object: numbers of the objects; NULL: they are not asked for. */
static unet_status load(eval_job *j, int index, un_item_files *f, int32_t **truth, int32_t **object, unet_error *err)
{
    int64_t strays = 0;
    size_t n;
    unet_status st = un_item_files_read(f, j->r.pre, j->item[index], 1, j->c->mem, err);

    if (!st)
        st = un_item_files_cut(f, j->r.pre, j->item[index], err);
    if (st)
        return st;
    n = un_image_count(&f->image[0]) / (size_t)f->image[0].c;
    *truth = un_alloc_array(j->c->mem, n, sizeof **truth);
    st = *truth ? un_preprocess_truth(j->r.pre, f->image, f->count, &f->mask, j->c->mem, *truth, &strays, err)
                : un_fail_nomem(err, n * sizeof **truth);
    j->strays += strays;
    if (st || !object)
        return st;
    *object = un_alloc_array(j->c->mem, n, sizeof **object);
    return *object ? un_label_map_instances(un_preprocess_labels(j->r.pre), &f->mask, *object, j->c->mem, err)
                   : un_fail_nomem(err, n * sizeof **object);
}

/* again: only to show it. */
static unet_status evaluate_one(eval_job *j, int index, int again, unet_error *err)
{
    un_segmentation s = {0};
    un_item_files f = {0};
    int32_t *truth = NULL, *object = NULL;
    const un_wanted wanted = {
        .classes = 1, .probabilities = un_eval_metrics_scratch(again ? NULL : &j->metrics, j->o->out_dir)};
    size_t n;
    unet_status st = load(j, index, &f, &truth, !again && un_eval_metrics_by_number(&j->metrics) ? &object : NULL, err);

    if (!st)
        st = un_segment(
            &s, j->c->mem, j->r.predictor, j->r.model, j->r.pre, &(un_raster){f.image, f.count, NULL}, &wanted, err);
    n = st ? 0 : un_image_count(&f.image[0]) / (size_t)f.image[0].c;
    if (!st && !again)
        st = un_evaluation_add(j->e, index, truth, s.classes, (int64_t)n, err);
    if (!st && !again)
        st = un_eval_metrics_add(&j->metrics, index, &f.image[0], truth, object, &s, j->e->item[index].scores, err);
    if (!st && !again)
        st = score_floor(j, index, &f, truth, n, err);
    if (!st && j->o->out_dir)
        st = un_views_add(&j->views, index, &f.image[0], truth, s.classes, again, err);
    un_error_where(st ? err : NULL, j->item[index]->name);
    un_segmentation_free(&s);
    un_item_files_free(&f);
    un_free(truth);
    un_free(object);
    return st;
}

static unet_status evaluate_all(eval_job *j, unet_error *err)
{
    un_file_progress p;
    unet_status st = UNET_OK;

    un_file_progress_begin(&p, j->o->progress, j->o->progress_ctx, "eval", j->count);
    for (int i = 0; i < j->count && !st; i++) {
        un_file_progress_tell(&p, i, j->item[i]->name);
        st = un_api_cancelled(j->c) ? un_fail(err, UNET_E_CANCELLED, "stopped on request") : evaluate_one(j, i, 0, err);
    }
    if (!st)
        un_file_progress_tell(&p, j->count, NULL);
    if (!st && j->strays)
        un_api_log(j->c, UNET_LOG_WARN,
            "%lld mask pixels have values that mean no class of this model; they are ignored (data.mapping)",
            (long long)j->strays);
    return st;
}

/* ---- results ---- */

static void fill_floor(eval_job *j)
{
    const un_evaluation *e = j->floor_e;

    j->floor = (un_floor_scores){un_baseline_name(j->baseline), un_mean_value(e->means->foreground.v[UN_RATIO_DICE]),
        un_mean_value(e->means->foreground.v[UN_RATIO_IOU]), e->scores->foreground.v[UN_RATIO_DICE],
        e->scores->foreground.v[UN_RATIO_IOU]};
    j->set.floor = &j->floor;
}

static unet_status finish(eval_job *j, unet_error *err)
{
    unet_status st = un_evaluation_finish(j->e, err);

    if (!st && j->floor_e)
        st = un_evaluation_finish(j->floor_e, err);
    if (!st)
        st = un_eval_metrics_finish(&j->metrics, err);
    if (!st)
        j->image = un_alloc_array(j->c->mem, (size_t)j->count, sizeof *j->image);
    if (!st && !j->image)
        st = un_fail_nomem(err, (size_t)j->count * sizeof *j->image);
    if (st)
        return st;
    for (int i = 0; i < j->count; i++)
        j->image[i] = (un_named_scores){j->item[i]->name, j->e->item[i].scores};
    j->set = (un_score_set){.classes = j->e->classes,
        .class_name = j->names.name,
        .image = j->image,
        .images = (size_t)j->count,
        .pooled = j->e->scores,
        .means = j->e->means,
        .confusion = j->e->pooled,
        .ignore_rule = j->ignored,
        .object_rule =
            un_eval_metrics_by_number(&j->metrics)
                ? "True objects are told apart by the numbers of the masks, predicted ones by where they touch"
                : NULL,
        .summary = j->metrics.summary,
        .curves = j->metrics.curves,
        .unit = un_eval_metrics_unit(&j->metrics),
        .scored = j->scored};
    if (j->floor_e)
        fill_floor(j);
    return UNET_OK;
}

static void fill_result(const eval_job *j, unet_eval_result *out)
{
    const un_ratio_means *m = &j->set.means->foreground;

    *out = (unet_eval_result){.pictures = j->count,
        .dice_mean = un_mean_value(m->v[UN_RATIO_DICE]),
        .iou_mean = un_mean_value(m->v[UN_RATIO_IOU]),
        .dice_pooled = j->set.pooled->foreground.v[UN_RATIO_DICE],
        .iou_pooled = j->set.pooled->foreground.v[UN_RATIO_IOU],
        .accuracy = j->set.pooled->accuracy,
        .floor_dice_mean = j->set.floor ? j->floor.dice_mean : NAN,
        .floor_iou_pooled = j->set.floor ? j->floor.iou_pooled : NAN};
}

static unet_status add_table(un_text *t, un_table *table, unet_status st, unet_error *err)
{
    if (!st)
        st = un_table_to_text(table, t, err);
    un_table_destroy(table);
    un_text_add(t, "\n");
    return st;
}

static unet_status tell_text(const eval_job *j, char **out, unet_error *err)
{
    un_table *table;
    un_text t;
    unet_status st;

    un_text_init(&t, j->c->mem, TEXT_MAX);
    un_text_add(&t, j->scored);
    un_text_add(&t, "\n\n");
    st = un_scores_short_table(&table, j->c->mem, &j->set, err);
    st = add_table(&t, table, st, err);
    un_text_add(&t, "pooled over all pixels; /image: mean of the images' own\n\n");
    if (!st && j->set.floor) {
        st = un_scores_floor_table(&table, j->c->mem, &j->set, err);
        st = add_table(&t, table, st, err);
    }
    if (!st) {
        st = un_scores_metric_table(&table, j->c->mem, &j->set, 0, err);
        st = add_table(&t, table, st, err);
    }
    un_text_add(&t, j->set.confusion ? "pixel accuracy " : "label accuracy ");
    un_text_fixed(&t, j->set.pooled->accuracy, 4);
    un_text_add(&t, ", mean IoU of all classes ");
    un_text_fixed(&t, j->set.pooled->macro.v[UN_RATIO_IOU], 4);
    un_text_add(&t, " (pooled)\n");
    un_scores_rules(&t, &j->set);
    un_text_add(&t, "\n");
    if (j->fitted.s)
        un_text_add(&t, j->fitted.s);
    if (j->o->out_dir) {
        un_text_add(&t, "report: ");
        un_text_add(&t, j->o->out_dir);
        un_text_add(&t, "/report.html\n");
    }
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(out, &t, err);
}

static unet_status tell_json(const eval_job *j, char **out, unet_error *err)
{
    un_text t;
    unet_status st;

    un_text_init(&t, j->c->mem, TEXT_MAX);
    st = un_metrics_json(&t, j->c->mem, &j->set, err);
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(out, &t, err);
}

/* ---- files ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash[1] ? slash + 1 : path;
}

/* Pictures for the page; those that were not kept are predicted again. */
static unet_status choose_shown(eval_job *j, un_shown_image **shown, int *count, unet_error *err)
{
    const size_t each = (size_t)j->r.model->config.eval.worst;
    size_t *index = un_alloc_array(j->c->mem, 3 * each + 1, sizeof *index);
    const char **group = un_alloc_array(j->c->mem, 3 * each + 1, sizeof *group);
    unet_status st = UNET_OK;

    *shown = un_alloc_array(j->c->mem, 3 * each + 1, sizeof **shown);
    *count = 0;
    if (!index || !group || !*shown)
        st = un_fail_nomem(err, (3 * each + 1) * sizeof **shown);
    if (!st && each)
        st = un_eval_choose(index, group, count, j->c->mem, &j->set, (int)each, err);
    for (int i = 0; i < *count && !st; i++) {
        const un_view_maps *v = &j->views.of[index[i]];

        if (!v->rgb.data)
            st = evaluate_one(j, (int)index[i], 1, err);
        (*shown)[i] = (un_shown_image){index[i], group[i], v->rgb, v->truth, v->prediction};
    }
    un_free(index);
    un_free(group);
    return st;
}

static unet_status write_page(eval_job *j, const char *path, unet_error *err)
{
    const un_config *cfg = &j->r.model->config;
    const un_fact facts[] = {{"model", base_name(j->o->model)}, {"data", j->o->data}, {"scored", j->scored},
        {"test-time views", un_config_word("predict", "tta", (int)cfg->predict.tta)}, {"unet", unet_version()}};
    un_eval_report r = {.title = "Evaluation",
        .subtitle = j->scored,
        .set = j->set,
        .palette = &j->names.palette,
        .fact = facts,
        .fact_count = UN_COUNT(facts)};
    un_shown_image *shown = NULL;
    unet_status st = choose_shown(j, &shown, &r.shown_count, err);

    r.shown = shown;
    if (!st)
        st = un_eval_report_write(j->c->mem, path, &r, err);
    un_free(shown);
    return st;
}

static unet_status write_files(eval_job *j, unet_error *err)
{
    un_mem *mem = j->c->mem;
    char *csv = un_asprintf(mem, "%s/scores.csv", j->o->out_dir);
    char *json = un_asprintf(mem, "%s/scores.json", j->o->out_dir);
    char *page = un_asprintf(mem, "%s/report.html", j->o->out_dir);
    unet_status st = csv && json && page ? UNET_OK : un_fail_nomem(err, 1);

    if (!st)
        st = un_metrics_write_csv(mem, csv, &j->set, err);
    if (!st)
        st = un_metrics_write_json(mem, json, &j->set, err);
    if (!st)
        st = write_page(j, page, err);
    un_free(csv);
    un_free(json);
    un_free(page);
    return st;
}

/* ---- all together ---- */

static int rarer_class(const un_fingerprint *f)
{
    return f->classes >= 2 && f->share[0] < f->share[1] ? 0 : 1;
}

/* Numbers that were fitted on pictures make scores of the same pictures too good. */
static unet_status check_calibration(const eval_job *j, unet_error *err)
{
    const char *split = j->o->split ? j->o->split : "val", *fitted = j->r.model->config.predict.calibrated;

    if (j->o->calibrate && !strcmp(split, "test"))
        return un_fail(err, UNET_E_ARG,
            "thresholds are not fitted on the test pictures, whose scores are reported; --split select or val");
    if (!j->o->calibrate && fitted[0] && (!strcmp(fitted, split) || !strcmp(split, "all")))
        un_api_log(j->c, UNET_LOG_WARN,
            "threshold and temperature of this model were fitted on the split '%s': its scores are too good", fitted);
    return UNET_OK;
}

static unet_status open_job(eval_job *j, unet_error *err)
{
    const unet_eval_options *o = j->o;
    const un_data_open_options data = {.path = o->data, .progress = o->progress, .progress_ctx = o->progress_ctx};
    un_config *cfg;
    unet_status st;

    if (!o->model || !o->data)
        return un_fail(err, UNET_E_ARG, "an evaluation needs a model and data");
    st = check_split(o->split ? o->split : "val", err);
    if (!st)
        st = un_runner_open(&j->r, j->c, o->model, o->set, o->set_count, err);
    if (st)
        return st;
    cfg = &j->r.model->config;
    if (o->calibrate)
        cfg->predict.temperature = (un_cfg_nums){1, {1}};
    st = un_data_open(&j->data, j->c, &data, cfg, err);
    if (!st)
        st = un_runner_prepare(&j->r, 1, NULL, err);
    if (!st)
        st = choose_items(j, err);
    if (st)
        return st;
    un_data_tell(j->c, &j->data);
    un_class_names_fill(&j->names, cfg);
    un_eval_ignore_rule(j->ignored, sizeof j->ignored, &j->r.model->config);
    j->background = un_eval_background(cfg);
    st = un_evaluation_create(&j->e, j->c->mem, cfg, j->count, j->background, err);
    if (!st)
        st = un_eval_metrics_open(&j->metrics, j->c, cfg, j->e, o->calibrate != NULL, err);
    if (!st && !o->no_floor)
        st = un_baseline_create(&j->baseline, j->c->mem, cfg, j->data.d, j->r.pre, rarer_class(&j->data.f), err);
    if (!st && j->baseline)
        st = un_evaluation_create(&j->floor_e, j->c->mem, cfg, j->count, j->background, err);
    if (!st)
        st = check_calibration(j, err);
    if (!st && o->out_dir)
        st = un_make_dirs(o->out_dir, err);
    if (!st)
        st = un_views_create(&j->views, j->c->mem, j->count, UN_MAX(j->background, 0), err);
    return st;
}

static void close_job(eval_job *j)
{
    un_views_destroy(&j->views);
    un_free(j->image);
    un_eval_metrics_close(&j->metrics);
    un_text_free(&j->fitted);
    un_baseline_destroy(j->baseline);
    un_evaluation_destroy(j->floor_e);
    un_evaluation_destroy(j->e);
    un_free(j->item);
    if (j->data.d)
        un_data_close(&j->data);
    un_runner_close(&j->r);
    un_free(j);
}

unet_status unet_eval(unet_context *c, const unet_eval_options *options, unet_eval_result *result, char **text,
    char **json, unet_error *err)
{
    unet_eval_options o;
    eval_job *j;
    unet_status st;

    un_error_clear(err);
    if (text)
        *text = NULL;
    if (json)
        *json = NULL;
    st = un_api_options(&o, sizeof o, options, err);
    j = st ? NULL : un_alloc_zero(c->mem, sizeof *j);
    if (!j)
        return st ? st : un_fail_nomem(err, sizeof *j);
    j->c = c;
    j->o = &o;
    st = open_job(j, err);
    if (!st)
        st = evaluate_all(j, err);
    if (!st)
        st = finish(j, err);
    if (!st && o.out_dir)
        st = write_files(j, err);
    un_text_init(&j->fitted, c->mem, TEXT_MAX);
    if (!st && o.calibrate)
        st = un_eval_metrics_calibrate(&j->metrics, o.model, o.calibrate, o.split ? o.split : "val", &j->fitted, err);
    if (!st && text)
        st = tell_text(j, text, err);
    if (!st && json)
        st = tell_json(j, json, err);
    if (!st && result)
        fill_result(j, result);
    if (st && text) {
        unet_string_free(*text);
        *text = NULL;
    }
    close_job(j);
    return st;
}
