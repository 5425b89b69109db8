/* unet_predict: masks, overlays, probabilities and measures for files and folders. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/inputs.h"
#include "api/progress.h"
#include "api/runner.h"
#include "base/file.h"
#include "base/size.h"
#include "metrics/overlap.h"
#include "report/measure.h"
#include "run/outputs.h"

enum { TEXT_MAX = 1 << 26 };

typedef struct failure {
    const char *path;
    unet_error why;
} failure;

typedef struct predict_job {
    unet_context *c;
    const unet_predict_options *o;
    un_runner r;
    un_inputs in;
    un_file_progress progress;
    un_class_names names;
    un_table *measures;
    failure *failed;
    size_t n_failed, n_done;
    int stop; /* the status of the last file ends the whole job */
} predict_job;

/* ---- where outputs go ---- */

static char *out_path(const predict_job *j, const char *stem, const char *suffix)
{
    return un_asprintf(j->c->mem, "%s/%s%s", j->o->out_dir, stem, suffix);
}

typedef struct file_id {
    dev_t device;
    ino_t inode;
    const char *path;
} file_id;

static int by_id(const void *a, const void *b)
{
    const file_id *x = a, *y = b;

    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int identify(file_id *id, const char *path)
{
    struct stat s;

    if (stat(path, &s))
        return 0;
    *id = (file_id){s.st_dev, s.st_ino, path};
    return 1;
}

/* Refuses outputs that are an input or the model, by whatever name. Files that are not there yet are neither. */
static unet_status protect_inputs(const predict_job *j, unet_error *err)
{
    static const char *const suffixes[] = {".png", ".tif", ".nii.gz", "_overlay.png", "_prob.tif", "_prob.nii.gz"};
    file_id *id = un_alloc_array(j->c->mem, j->in.count + 1, sizeof *id), own;
    size_t n = 0;
    unet_status st = UNET_OK;

    if (!id)
        return un_fail_nomem(err, (j->in.count + 1) * sizeof *id);
    for (size_t i = 0; i < j->in.count; i++)
        n += (size_t)identify(&id[n], j->in.file[i].path);
    n += (size_t)identify(&id[n], j->o->model);
    qsort(id, n, sizeof *id, by_id);
    for (size_t i = 0; i < j->in.count && !st; i++)
        for (size_t k = 0; k < UN_COUNT(suffixes) && !st; k++) {
            char *path = out_path(j, j->in.file[i].stem, suffixes[k]);
            const file_id *hit;

            if (!path)
                st = un_fail_nomem(err, 1);
            else if (identify(&own, path) && (hit = bsearch(&own, id, n, sizeof *id, by_id)))
                st = un_fail_file(err, UNET_E_ARG, path,
                    "this output would replace %s, which is read; choose another output folder", hit->path);
            un_free(path);
        }
    un_free(id);
    return st;
}

/* The folder of an output is made when it is needed. */
static unet_status make_folder(const char *path, un_mem *mem, unet_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash > path ? un_strndup(mem, path, (size_t)(slash - path)) : NULL;
    unet_status st = slash > path && !folder ? un_fail_nomem(err, 1) : UNET_OK;

    if (folder)
        st = un_make_dirs(folder, err);
    un_free(folder);
    return st;
}

/* ---- one file ---- */

typedef unet_status (*image_writer)(
    un_mem *mem, const char *path, const un_image *im, un_mask_format f, unet_error *err);

static unet_status write_png(un_mem *mem, const char *path, const un_image *im, un_mask_format f, unet_error *err)
{
    (void)f;
    return un_image_write_png(mem, path, im, err);
}

/* What cannot be written here could not be written for the next file either. */
static unet_status write_one(predict_job *j, const char *stem, const char *suffix, image_writer write,
    const un_image *im, un_mask_format f, unet_error *err)
{
    char *path = out_path(j, stem, suffix);
    unet_status st = path ? make_folder(path, j->c->mem, err) : un_fail_nomem(err, 1);

    if (!st)
        st = write(j->c->mem, path, im, f, err);
    j->stop = st == UNET_E_IO;
    un_free(path);
    return st;
}

static int background_of(const un_config *cfg)
{
    return cfg->model.head == UN_CFG_HEAD_MULTILABEL ? -1 : 0;
}

static unet_status add_measures(
    predict_job *j, const un_input *in, const un_image *image, const un_segmentation *s, unet_error *err)
{
    const size_t n = (size_t)image->d * (size_t)image->h * (size_t)image->w;
    const un_shape size = {1, image->d, image->h, image->w, 1};
    un_measure_options o = {.classes = j->r.model->config.model.classes,
        .class_name = j->names.name,
        .background = background_of(&j->r.model->config),
        .split = j->o->split_touching,
        .has_spacing = image->has_spacing};
    uint8_t *map = un_alloc_array(j->c->mem, n, 1);
    unet_status st;

    if (!map)
        return un_fail_nomem(err, n);
    memcpy(o.spacing_mm, image->spacing, sizeof o.spacing_mm);
    for (size_t i = 0; i < n; i++)
        map[i] = (uint8_t)s->classes[i];
    st = un_measure_add(j->measures, j->c->mem, in->stem, map, size, &o, err);
    un_free(map);
    return st;
}

static unet_status write_outputs(
    predict_job *j, const un_input *in, const un_image *image, const un_segmentation *s, unet_error *err)
{
    const un_config *cfg = &j->r.model->config;
    const un_mask_format f = un_mask_format_of(cfg, image);
    un_image overlay = {0};
    unet_status st = UNET_OK;

    if (j->o->overlay)
        st = un_overlay_make(&overlay, j->c->mem, cfg, j->names.name, image, s->classes, background_of(cfg), err);
    if (!st && j->measures)
        st = add_measures(j, in, image, s, err);
    if (!st && j->o->probabilities)
        st = write_one(j, in->stem, un_probability_suffix(f), un_probabilities_write, &s->probabilities, f, err);
    if (!st && j->o->overlay)
        st = write_one(j, in->stem, "_overlay.png", write_png, &overlay, f, err);
    if (!st)
        st = write_one(j, in->stem, un_mask_suffix(f), un_mask_write, &s->mask, f, err);
    un_image_free(&overlay);
    return st;
}

static unet_status predict_one(predict_job *j, const un_input *in, unet_error *err)
{
    const un_image_read_options how = un_preprocess_read_options(j->r.pre, 0, 0);
    un_segmentation s = {0};
    un_image image = {0};
    unet_status st = un_image_read(&image, j->c->mem, in->path, &how, err);

    if (!st)
        st = un_segment(&s, j->c->mem, j->r.predictor, j->r.model, j->r.pre, &image, 1, j->o->probabilities, err);
    if (!st)
        st = write_outputs(j, in, &image, &s, err);
    un_segmentation_free(&s);
    un_image_free(&image);
    un_error_where(st ? err : NULL, in->path);
    return st;
}

static unet_status predict_all(predict_job *j, unet_error *err)
{
    unet_status st = UNET_OK;

    un_file_progress_begin(&j->progress, j->o->progress, j->o->progress_ctx, "predict", (int64_t)j->in.count);
    for (size_t i = 0; i < j->in.count; i++) {
        failure *f = &j->failed[j->n_failed];

        un_file_progress_tell(&j->progress, (int64_t)i, j->in.file[i].path);
        un_error_clear(&f->why);
        st = un_api_cancelled(j->c) ? un_fail(&f->why, UNET_E_CANCELLED, "stopped on request")
                                    : predict_one(j, &j->in.file[i], &f->why);
        if (st == UNET_E_CANCELLED || (st && j->stop)) {
            if (err)
                *err = f->why;
            return st;
        }
        if (st) {
            un_api_log(j->c, UNET_LOG_WARN, "%s: %s", f->why.where, f->why.message);
            f->path = j->in.file[i].path;
            j->n_failed++;
        } else {
            j->n_done++;
        }
    }
    un_file_progress_tell(&j->progress, (int64_t)j->in.count, NULL);
    return UNET_OK;
}

/* ---- what is reported ---- */

static unet_status write_measures(predict_job *j, unet_error *err)
{
    char *path = out_path(j, "measures", ".csv");
    un_text t;
    unet_status st;

    if (!path)
        return un_fail_nomem(err, 1);
    un_text_init(&t, j->c->mem, TEXT_MAX);
    st = un_table_to_csv(j->measures, &t, err);
    if (!st)
        st = make_folder(path, j->c->mem, err);
    if (!st)
        st = un_file_write(j->c->mem, path, t.s, t.n, err);
    un_text_free(&t);
    un_free(path);
    return st;
}

static unet_status tell_text(const predict_job *j, char **out, unet_error *err)
{
    un_text t;

    un_text_init(&t, j->c->mem, TEXT_MAX);
    un_text_printf(
        &t, "%zu of %zu file%s predicted; the masks lie in ", j->n_done, j->in.count, j->in.count == 1 ? "" : "s");
    un_text_add(&t, j->o->out_dir);
    un_text_add(&t, "\n");
    if (j->measures && j->n_done) {
        un_text_add(&t, "measures: ");
        un_text_add(&t, j->o->out_dir);
        un_text_add(&t, "/measures.csv\n");
    }
    for (size_t i = 0; i < j->n_failed; i++) {
        un_text_add(&t, i ? "  " : "failed:\n  ");
        un_text_add(&t, j->failed[i].path);
        un_text_printf(&t, ": %s\n", j->failed[i].why.message);
    }
    return un_api_text(out, &t, err);
}

static unet_status tell_json(const predict_job *j, char **out, unet_error *err)
{
    un_text t;

    un_text_init(&t, j->c->mem, TEXT_MAX);
    un_text_printf(&t, "{\"done\":%zu,\"failed\":%zu,\"out\":", j->n_done, j->n_failed);
    un_text_json_string(&t, j->o->out_dir);
    un_text_add(&t, ",\"failures\":[");
    for (size_t i = 0; i < j->n_failed; i++) {
        un_text_add(&t, i ? ",{\"file\":" : "{\"file\":");
        un_text_json_string(&t, j->failed[i].path);
        un_text_add(&t, ",\"status\":");
        un_text_json_string(&t, unet_status_name(j->failed[i].why.status));
        un_text_add(&t, ",\"message\":");
        un_text_json_string(&t, j->failed[i].why.message);
        un_text_add(&t, "}");
    }
    un_text_add(&t, "]}");
    return un_api_text(out, &t, err);
}

static unet_status open_job(predict_job *j, unet_error *err)
{
    const unet_predict_options *o = j->o;
    unet_status st;

    if (!o->model || !o->out_dir || !o->input_count)
        return un_fail(err, UNET_E_ARG, "a prediction needs a model, inputs and an output folder");
    st = un_runner_open(&j->r, j->c, o->model, o->set, o->set_count, err);
    if (!st)
        st = un_runner_prepare(&j->r, 0, err);
    if (!st)
        st = un_inputs_collect(&j->in, j->c->mem, o->inputs, o->input_count, err);
    if (!st)
        st = protect_inputs(j, err);
    if (!st) {
        j->failed = un_alloc_array(j->c->mem, j->in.count + 1, sizeof *j->failed);
        st = j->failed ? UNET_OK : un_fail_nomem(err, (j->in.count + 1) * sizeof *j->failed);
    }
    if (!st)
        un_class_names_fill(&j->names, &j->r.model->config);
    if (!st && o->measure)
        st = un_measure_create(&j->measures, j->c->mem, err);
    return st;
}

static unet_status close_job(predict_job *j, unet_status st, unet_error *err)
{
    if (!st && j->n_failed) {
        const int lone = j->in.count == 1;

        st = lone ? j->failed[0].why.status : UNET_E_PARTIAL;
        if (lone && err)
            *err = j->failed[0].why;
        else
            st = un_fail(err, st, "%zu of %zu files could not be predicted", j->n_failed, j->in.count);
    }
    un_table_destroy(j->measures);
    un_free(j->failed);
    un_inputs_free(&j->in);
    un_runner_close(&j->r);
    un_free(j);
    return st;
}

unet_status unet_predict(unet_context *c, const unet_predict_options *options, int *done, int *failed, char **text,
    char **json, unet_error *err)
{
    unet_predict_options o;
    predict_job *j;
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
        st = predict_all(j, err);
    if (!st && j->measures && j->n_done)
        st = write_measures(j, err);
    if (!st && text)
        st = tell_text(j, text, err);
    if (!st && json)
        st = tell_json(j, json, err);
    if (done)
        *done = (int)j->n_done;
    if (failed)
        *failed = (int)j->n_failed;
    return close_job(j, st, err);
}
