/* unet_predict: masks, overlays, probabilities and measures for files and folders. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/inputs.h"
#include "api/progress.h"
#include "api/runner.h"
#include "base/errand.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/size.h"
#include "metrics/overlap.h"
#include "report/measure.h"
#include "run/evaluate.h"
#include "run/outputs.h"

enum { TEXT_MAX = 1 << 26, BESIDE_BYTES = 1 << 26, ROOMY = 8 };

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
    un_profile *profile; /* NULL: not measured */
    un_model *gates;     /* NULL: their maps are not wanted */
    un_predictor *gates_at_work;
    int gate_level[UN_CFG_LEVELS_MAX];
    failure *failed;
    size_t n_failed, n_done;
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

/* What the pictures of gates are called, by level. */
static const char *const gate_suffix[UN_CFG_LEVELS_MAX] = {
    "_gate0.png", "_gate1.png", "_gate2.png", "_gate3.png", "_gate4.png", "_gate5.png", "_gate6.png", "_gate7.png"};

static int gates_of(const predict_job *j)
{
    return j->gates ? j->gates->config.model.classes : 0;
}

static const char *object_suffix(un_mask_format f)
{
    return f == UN_MASK_NIFTI ? "_objects.nii.gz" : "_objects.tif";
}

/* Suffixes of what this job may write for a file; NULL behind the last. */
enum { SUFFIXES_MAX = 8 + UN_CFG_LEVELS_MAX };

static void suffixes_of(const predict_job *j, const char *suffix[SUFFIXES_MAX])
{
    int n = 0;

    suffix[n++] = un_mask_suffix(UN_MASK_NIFTI);
    suffix[n++] = un_mask_suffix(j->r.model->config.model.head == UN_CFG_HEAD_MULTILABEL ? UN_MASK_TIFF : UN_MASK_PNG);
    if (j->o->overlay)
        suffix[n++] = "_overlay.png";
    if (j->o->probabilities) {
        suffix[n++] = un_probability_suffix(UN_MASK_NIFTI);
        suffix[n++] = un_probability_suffix(UN_MASK_PNG);
    }
    if (j->o->objects) {
        suffix[n++] = object_suffix(UN_MASK_NIFTI);
        suffix[n++] = object_suffix(UN_MASK_PNG);
    }
    for (int k = 0; k < gates_of(j); k++)
        suffix[n++] = gate_suffix[j->gate_level[k]];
    suffix[n] = NULL;
}

static unet_status identify_inputs(const predict_job *j, file_id **out, size_t *n, unet_error *err)
{
    size_t count = 1;

    for (size_t i = 0; i < j->in.count; i++)
        count += (size_t)j->in.file[i].channels;
    *n = 0;
    *out = un_alloc_array(j->c->mem, count, sizeof **out);
    if (!*out)
        return un_fail_nomem(err, count * sizeof **out);
    for (size_t i = 0; i < j->in.count; i++) {
        const un_input *f = &j->in.file[i];

        for (int k = 0; k < f->channels; k++)
            *n += (size_t)identify(&(*out)[*n], k ? f->channel[k - 1] : f->path);
    }
    *n += (size_t)identify(&(*out)[*n], j->o->model);
    qsort(*out, *n, sizeof **out, by_id);
    return UNET_OK;
}

/* Refuses outputs that are an input or the model, by whatever name. Files that are not there yet are neither. */
static unet_status protect_inputs(const predict_job *j, unet_error *err)
{
    const char *suffix[SUFFIXES_MAX];
    file_id *id, own;
    size_t n;
    unet_status st = identify_inputs(j, &id, &n, err);

    suffixes_of(j, suffix);
    for (size_t i = 0; i < j->in.count && !st; i++)
        for (int k = 0; suffix[k] && !st; k++) {
            char *path = out_path(j, j->in.file[i].stem, suffix[k]);
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

/* Refuses files whose masks would be what is written for another file beside its mask. */
static unet_status check_extras(const predict_job *j, unet_error *err)
{
    const char *suffix[SUFFIXES_MAX];
    unet_status st = UNET_OK;

    suffixes_of(j, suffix);
    for (size_t i = 0; i < j->in.count && !st; i++)
        for (int k = 2; suffix[k] && !st; k++) { /* behind the masks */
            char *stem = un_asprintf(j->c->mem, "%s%.*s", j->in.file[i].stem, (int)strcspn(suffix[k], "."), suffix[k]);

            if (!stem)
                st = un_fail_nomem(err, 1);
            else if (un_inputs_has(&j->in, stem))
                st = un_fail_file(err, UNET_E_ARG, j->in.file[i].path,
                    "what is written for this file and for %s would have one name; predict them in two runs", stem);
            un_free(stem);
        }
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

static int wants_classes(const predict_job *j)
{
    return j->o->overlay || j->measures || j->o->objects;
}

typedef unet_status (*image_writer)(
    un_mem *mem, const char *path, const un_image *im, un_mask_format f, unet_error *err);

static unet_status write_png(un_mem *mem, const char *path, const un_image *im, un_mask_format f, unet_error *err)
{
    (void)f;
    return un_image_write_png(mem, path, im, err);
}

/* *stop: what cannot be written here could not be written for the next file either. */
static unet_status write_one(const predict_job *j, const char *stem, const char *suffix, image_writer write,
    const un_image *im, un_mask_format f, int *stop, unet_error *err)
{
    char *path = out_path(j, stem, suffix);
    unet_status st = path ? make_folder(path, j->c->mem, err) : un_fail_nomem(err, 1);

    if (!st)
        st = write(j->c->mem, path, im, f, err);
    *stop |= st == UNET_E_IO;
    un_free(path);
    return st;
}

/* Counts and sizes for the table, and the numbers of the objects, each where it is wanted. */
static unet_status measure(predict_job *j, un_image *objects, const un_input *in, const un_image *image,
    const un_segmentation *s, unet_error *err)
{
    const un_config *cfg = &j->r.model->config;
    const un_shape size = {1, image->d, image->h, image->w, 1};
    un_measure_options o = {.classes = cfg->model.classes,
        .class_name = j->names.name,
        .background = un_eval_background(cfg),
        .bits = cfg->model.head == UN_CFG_HEAD_MULTILABEL,
        .split = j->o->split_touching,
        .has_spacing = image->has_spacing};
    unet_status st;

    memcpy(o.spacing_mm, image->spacing, sizeof o.spacing_mm);
    st = un_measure_add(j->measures, j->o->objects ? objects : NULL, j->c->mem, in->stem, s->classes, size, &o, err);
    memcpy(objects->spacing, s->mask.spacing, sizeof objects->spacing);
    objects->has_spacing = s->mask.has_spacing;
    memcpy(objects->affine, s->mask.affine, sizeof objects->affine);
    objects->has_affine = s->mask.has_affine;
    return st;
}

static unet_status write_outputs(
    predict_job *j, const un_input *in, const un_image *image, const un_segmentation *s, int *stop, unet_error *err)
{
    const un_config *cfg = &j->r.model->config;
    const un_mask_format f = un_mask_format_of(cfg, image);
    const double began = un_profile_now(j->profile);
    un_image overlay = {0}, objects = {0};
    unet_status st = UNET_OK;

    if (j->o->overlay)
        st = un_overlay_make(&overlay, j->c->mem, cfg, j->names.name, image, s->classes, un_eval_background(cfg), err);
    if (!st && (j->measures || j->o->objects))
        st = measure(j, &objects, in, image, s, err);
    if (!st && j->o->objects)
        st = write_one(j, in->stem, object_suffix(f), un_numbers_write, &objects, f, stop, err);
    if (!st && j->o->probabilities)
        st = write_one(j, in->stem, un_probability_suffix(f), un_numbers_write, &s->probabilities, f, stop, err);
    if (!st && j->o->overlay)
        st = write_one(j, in->stem, "_overlay.png", write_png, &overlay, f, stop, err);
    if (!st)
        st = write_one(j, in->stem, un_mask_suffix(f), un_mask_write, &s->mask, f, stop, err);
    un_image_free(&overlay);
    un_image_free(&objects);
    un_profile_span(j->profile, "prediction", "write files", began);
    return st;
}

static unet_status write_gates(
    const predict_job *j, const un_input *in, const un_image *image, int *stop, unet_error *err)
{
    un_segmentation s = {0};
    unet_status st = un_segment(&s, j->c->mem, j->gates_at_work, j->gates, j->r.pre,
        &(un_raster){image, in->channels, NULL}, &(un_wanted){.probabilities = j->o->out_dir}, err);

    *stop |= st == UNET_E_IO;
    for (int k = 0; k < gates_of(j) && !st; k++) {
        un_image heat;

        st = un_heat_make(&heat, j->c->mem, image, &s.probabilities, k, err);
        if (!st)
            st = write_one(j, in->stem, gate_suffix[j->gate_level[k]], write_png, &heat, UN_MASK_PNG, stop, err);
        un_image_free(&heat);
    }
    un_segmentation_free(&s);
    return st;
}

/* Refuses a picture that does not fit what is free, before any of it is there: decoded, with mask and classes. */
static unet_status check_room(const predict_job *j, const un_input *in, unet_error *err)
{
    const uint64_t available = un_mem_left(j->c->mem) == SIZE_MAX ? un_memory_available() : 0;
    un_image_info is;
    double need = 0;

    if (!available || un_image_probe(&is, j->c->mem, in->path, NULL)) /* what is broken is said when it is read */
        return UNET_OK;
    need =
        (double)(in->page < 0 ? is.d : 1) * is.h * is.w *
        ((double)is.c * (double)un_dtype_size(is.type) * in->channels + 1 + (wants_classes(j) ? sizeof(int32_t) : 0));
    return need <= (double)available
               ? UNET_OK
               : un_fail(err, UNET_E_LIMIT,
                     "%dx%dx%d pixels of %d channels and their mask take %.0f MiB; %.0f MiB are free", is.d, is.h, is.w,
                     is.c * in->channels, need / 1048576, (double)available / 1048576);
}

static unet_status read_files(const predict_job *j, const un_input *in, un_image *image, unet_error *err)
{
    const double began = un_profile_now(j->profile);
    const un_image_read_options how = un_preprocess_read_options(j->r.pre, in->page, 0);
    unet_status st = check_room(j, in, err);

    for (int i = 0; i < in->channels && !st; i++)
        st = un_image_read(&image[i], j->c->mem, i ? in->channel[i - 1] : in->path, &how, err);
    un_profile_span(j->profile, "prediction", "read files", began);
    return st;
}

/* ---- file after file ---- */

/* A file on its way: read beside the prediction of the one before, written beside that of the next. */
typedef struct job_file {
    predict_job *j;
    const un_input *in;
    un_image *image; /* [in->channels] */
    un_segmentation s;
    unet_status st;
    unet_error why;
    int stop; /* the status ends the whole job */
} job_file;

static void read_task(void *ctx)
{
    job_file *f = ctx;

    f->image = un_alloc_array(f->j->c->mem, (size_t)f->in->channels, sizeof *f->image);
    f->st = f->image ? read_files(f->j, f->in, f->image, &f->why) : un_fail_nomem(&f->why, sizeof *f->image);
}

static void write_task(void *ctx)
{
    job_file *f = ctx;

    f->st = write_outputs(f->j, f->in, f->image, &f->s, &f->stop, &f->why);
}

static void segment_file(job_file *f)
{
    predict_job *j = f->j;
    const un_wanted wanted = {
        .mask = 1, .classes = wants_classes(j), .probabilities = j->o->probabilities ? j->o->out_dir : NULL};
    unet_status st = wanted.probabilities || j->gates ? un_make_dirs(j->o->out_dir, &f->why) : UNET_OK;

    f->stop = st != UNET_OK;
    if (!st) {
        st = un_segment(&f->s, j->c->mem, j->r.predictor, j->r.model, j->r.pre,
            &(un_raster){f->image, f->in->channels, NULL}, &wanted, &f->why);
        f->stop = st == UNET_E_IO; /* no room on the disk for probabilities */
    }
    if (!st && j->gates)
        st = write_gates(j, f->in, f->image, &f->stop, &f->why);
    f->st = st;
}

static void discard_file(job_file *f)
{
    un_segmentation_free(&f->s);
    for (int i = 0; f->image && i < f->in->channels; i++)
        un_image_free(&f->image[i]);
    un_free(f->image);
    f->image = NULL;
}

/* Frees what the file held and notes how it went. What ends the job comes back. */
static unet_status close_file(job_file *f, unet_error *err)
{
    predict_job *j = f->j;
    const unet_status st = f->st;

    discard_file(f);
    un_error_where(st ? &f->why : NULL, f->in->path);
    if (st == UNET_E_CANCELLED || (st && f->stop)) {
        if (err)
            *err = f->why;
        return st;
    }
    if (st) {
        un_api_log(j->c, UNET_LOG_WARN, "%s: %s", f->why.where, f->why.message);
        j->failed[j->n_failed++] = (failure){f->in->path, f->why};
    } else {
        j->n_done++;
    }
    return UNET_OK;
}

/* Whether the neighbours of a file are in memory with it: not when that is limited or much, nor when it is measured
 * where time goes. */
static int has_room_beside(const predict_job *j, const job_file *f)
{
    const uint64_t available = un_memory_available();
    size_t bytes = 0;

    for (int i = 0; f->image && i < f->in->channels; i++)
        bytes += un_image_count(&f->image[i]) * un_dtype_size(f->image[i].type);
    return bytes <= BESIDE_BYTES && un_mem_left(j->c->mem) == SIZE_MAX && !j->profile &&
           (!available || available > ROOMY * BESIDE_BYTES);
}

typedef struct conveyor {
    predict_job *j;
    un_errand *reader, *writer;
    job_file file[3]; /* number i is file[i % 3] */
    size_t reading;   /* files whose reading has begun */
    job_file *open;   /* predicted, perhaps still being written; NULL: none */
} conveyor;

static void begin_reading(conveyor *v, size_t upto)
{
    for (; v->reading < UN_MIN(upto, v->j->in.count); v->reading++) {
        job_file *f = &v->file[v->reading % 3];

        *f = (job_file){.j = v->j, .in = &v->j->in.file[v->reading]};
        un_errand_start(v->reader, read_task, f);
    }
}

static unet_status finish_writing(conveyor *v, unet_error *err)
{
    job_file *f = v->open;

    un_errand_wait(v->writer);
    v->open = NULL;
    return f ? close_file(f, err) : UNET_OK;
}

static unet_status convey(conveyor *v, size_t i, unet_error *err)
{
    job_file *f = &v->file[i % 3];
    unet_status st;
    int beside, going_on;

    begin_reading(v, i + 1);
    un_errand_wait(v->reader);
    beside = has_room_beside(v->j, f);
    if (beside)
        begin_reading(v, i + 2);
    if (!f->st)
        segment_file(f);
    st = finish_writing(v, err);
    if (st) /* this file is not written any more */
        return st;
    v->open = f;
    going_on = beside && !f->st; /* asked before the file is the writer's */
    if (!f->st)
        un_errand_start(v->writer, write_task, f);
    return going_on ? UNET_OK : finish_writing(v, err);
}

static unet_status predict_all(predict_job *j, unet_error *err)
{
    conveyor v = {.j = j, .reader = un_errand_create(j->c->mem), .writer = un_errand_create(j->c->mem)};
    unet_status st = v.reader && v.writer ? UNET_OK : un_fail_nomem(err, 1), last;
    unet_error own;

    un_file_progress_begin(&j->progress, j->o->progress, j->o->progress_ctx, "predict", (int64_t)j->in.count);
    for (size_t i = 0; i < j->in.count && !st; i++) {
        un_file_progress_tell(&j->progress, (int64_t)i, j->in.file[i].path);
        st = un_api_cancelled(j->c) ? un_fail(err, UNET_E_CANCELLED, "stopped on request") : convey(&v, i, err);
    }
    if (v.reader && v.writer) {
        un_errand_wait(v.reader);
        last = finish_writing(&v, st ? &own : err);
        st = st ? st : last;
        for (int k = 0; k < 3; k++) /* those that were read ahead of an end */
            if (v.file[k].image)
                discard_file(&v.file[k]);
    }
    un_errand_destroy(v.reader);
    un_errand_destroy(v.writer);
    if (!st)
        un_file_progress_tell(&j->progress, (int64_t)j->in.count, NULL);
    return st;
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
    un_text_printf(&t, "%zu of %zu file%s predicted%s", j->n_done, j->in.count, j->in.count == 1 ? "" : "s",
        j->n_done ? "; the masks lie in " : "");
    un_text_add(&t, j->n_done ? j->o->out_dir : "");
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

static unet_status find_inputs(predict_job *j, unet_error *err)
{
    const un_config *cfg = &j->r.model->config;
    unet_status st = un_inputs_collect(&j->in, j->c->mem, j->o->inputs, j->o->input_count, j->o->out_dir, err);

    if (!st && cfg->data.colour == UN_CFG_COLOUR_ALL)
        st = un_inputs_join_channels(&j->in, cfg->model.in_channels, err);
    if (!st)
        st = un_inputs_split_pages(&j->in, cfg, err);
    if (!st)
        st = protect_inputs(j, err);
    return st ? st : check_extras(j, err);
}

static unet_status open_gates(predict_job *j, unet_error *err)
{
    unet_status st = un_model_gates(&j->gates, j->c->mem, j->r.model, j->gate_level, err);

    return st ? st : un_runner_predictor(&j->gates_at_work, &j->r, j->gates, j->profile, err);
}

static unet_status open_job(predict_job *j, unet_error *err)
{
    const unet_predict_options *o = j->o;
    unet_status st;

    if (!o->model || !o->out_dir || !o->input_count)
        return un_fail(err, UNET_E_ARG, "a prediction needs a model, inputs and an output folder");
    st = un_runner_open(&j->r, j->c, o->model, o->set, o->set_count, err);
    if (!st)
        st = un_runner_prepare(&j->r, 0, j->profile, err);
    if (!st && o->attention)
        st = open_gates(j, err);
    if (!st)
        st = find_inputs(j, err);
    if (st)
        return st;
    j->failed = un_alloc_array(j->c->mem, j->in.count + 1, sizeof *j->failed);
    un_class_names_fill(&j->names, &j->r.model->config);
    return !j->failed   ? un_fail_nomem(err, (j->in.count + 1) * sizeof *j->failed)
           : o->measure ? un_measure_create(&j->measures, j->c->mem, err)
                        : UNET_OK;
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
    un_predictor_destroy(j->gates_at_work);
    un_model_destroy(j->gates);
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
    j->profile = o.profile ? o.profile->p : NULL;
    st = open_job(j, err);
    un_profile_start(j->profile);
    if (!st)
        st = predict_all(j, err);
    un_profile_stop(j->profile);
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
