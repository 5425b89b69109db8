/* Public import: weights of other programs become a model, or are told of. */
#include "api/import.h"

#include <string.h>

#include "base/size.h"
#include "config/encoders.h"
#include "model/import.h"

enum { TEXT_MAX = 1 << 26, FILTERS = 16, LISTED = 12 };

unet_status un_api_encoder_weights(unet_context *c, un_model *m, const char *path, unet_error *err)
{
    un_weights *w;
    un_import im = {0};
    unet_status st = un_weights_open(&w, c->mem, path, err);

    if (!st)
        st = un_import_weights(&im, m, w, "encoder.", path, err);
    if (!st)
        st = un_import_check(&im, m, path, err);
    if (!st)
        un_api_log(c, UNET_LOG_INFO, "encoder %s from %s: %d parameters, %d for another number of channels",
            un_encoder_info_of(m->config.model.encoder)->name, path,
            im.count[UN_IMPORT_SAME] + im.count[UN_IMPORT_MADE], im.count[UN_IMPORT_ADAPTED]);
    un_import_free(&im);
    un_weights_close(w);
    return st;
}

unet_status un_api_encoder_fits(const unet_context *c, const un_cfg_model *m, const char *path, unet_error *err)
{
    un_weights *w;
    unet_status st = un_weights_open(&w, c->mem, path, err);

    if (!st)
        st = un_import_fits(c->mem, m, w, path, err);
    un_weights_close(w);
    return st;
}

typedef struct job {
    unet_context *c;
    unet_import_options o;
    un_config *cfg;
    un_weights *w;
    un_model *m; /* NULL: no network fits */
    un_import im;
    int whole, known; /* 1: the file holds a whole network, not an encoder; one that is known by its names */
    int imagenet;     /* 1: pictures are normalised as ImageNet's were */
    un_text text, json;
} job;

/* ---- which network ---- */

static int is_complete(const un_cfg_model *m)
{
    return !un_is_auto(m->dims) && !un_is_auto(m->in_channels) && !un_is_auto(m->classes) && !un_is_auto(m->depth) &&
           !un_is_auto(m->base_filters) && m->norm != UN_CFG_NORM_AUTO;
}

static void settle_int(int *key, int value)
{
    if (un_is_auto(*key))
        *key = value;
}

/* What the configuration leaves open of a network over an encoder. */
static void settle(un_config *c)
{
    un_cfg_model *m = &c->model;

    settle_int(&m->dims, 2);
    settle_int(&m->in_channels, 3);
    settle_int(&m->classes, 2);
    settle_int(&m->depth, un_encoder_info_of(m->encoder)->poolings);
    settle_int(&m->base_filters, FILTERS);
    if (m->norm == UN_CFG_NORM_AUTO)
        m->norm = UN_CFG_NORM_BATCH;
    if (m->head == UN_CFG_HEAD_AUTO)
        m->head = UN_CFG_HEAD_SOFTMAX;
    if (c->data.normalise == UN_CFG_NORMALISE_AUTO)
        un_encoder_normalise(&c->data, m->in_channels, 255);
}

static unet_status find_network(job *j, unet_error *err)
{
    un_cfg_model *m = &j->cfg->model;
    unet_status st = UNET_OK;

    m->encoder_weights[0] = 0;
    if (m->encoder == UN_CFG_ENCODER_NONE && is_complete(m)) {
        if (m->head == UN_CFG_HEAD_AUTO)
            m->head = UN_CFG_HEAD_SOFTMAX;
        j->whole = 1;
        return un_model_create(&j->m, j->c->mem, j->cfg, err);
    }
    if (m->encoder == UN_CFG_ENCODER_NONE)
        st = un_import_recognise(&m->encoder, j->c->mem, j->w, err);
    if (!st && m->encoder != UN_CFG_ENCODER_NONE) {
        j->imagenet = j->cfg->data.normalise == UN_CFG_NORMALISE_AUTO;
        settle(j->cfg);
        return un_model_create(&j->m, j->c->mem, j->cfg, err);
    }
    if (!st)
        st = un_import_lwnet(&j->m, j->c->mem, j->cfg, j->w, err);
    j->whole = j->known = j->m != NULL;
    return st;
}

/* What becomes a model must be there whole. */
static unet_status check(const job *j, unet_error *err)
{
    const int lacking = j->im.count[UN_IMPORT_SHAPE] + j->im.count[UN_IMPORT_MISSING];

    if (!j->o.model)
        return UNET_OK;
    if (!j->whole)
        return un_import_check(&j->im, j->m, j->o.weights, err);
    return lacking ? un_fail_file(err, UNET_E_DATA, j->o.weights,
                         "%d of the %d parameters of the network are not in the file, or have another shape; without "
                         "-o, unet "
                         "import lists them",
                         lacking, j->m->graph->n_params)
                   : UNET_OK;
}

/* ---- what is told ---- */

static void tell_file(job *j)
{
    int64_t numbers = 0;

    for (size_t i = 0; i < un_weights_count(j->w); i++)
        numbers += un_weights_at(j->w, i)->count;
    un_text_printf(&j->text, "%s: %s, %zu arrays of %lld numbers", j->o.weights, un_weights_format(j->w),
        un_weights_count(j->w), (long long)numbers);
    if (un_weights_root(j->w)[0])
        un_text_printf(&j->text, ", in '%s'", un_weights_root(j->w));
    if (un_weights_others(j->w))
        un_text_printf(&j->text, "; %zu other entries are left alone", un_weights_others(j->w));
    un_text_printf(&j->json, "{\"format\":\"%s\",\"arrays\":%zu,\"numbers\":%lld,\"root\":", un_weights_format(j->w),
        un_weights_count(j->w), (long long)numbers);
    un_text_json_string(&j->json, un_weights_root(j->w));
    un_text_add(&j->text, "\n");
}

static void tell_numbers(un_text *t, const char *before, const double *v, int n)
{
    un_text_add(t, before);
    for (int i = 0; i < n; i++)
        un_text_printf(t, "%s%.6g", i ? ", " : "[", v[i]);
    un_text_add(t, "]");
}

/* How a model over this encoder normalises pictures. */
static void tell_pictures(job *j)
{
    const un_cfg_data *d = &j->m->config.data;

    if (j->m->config.model.encoder == UN_CFG_ENCODER_NONE || d->normalise != UN_CFG_NORMALISE_DATASET || d->mean.n < 1)
        return;
    tell_numbers(&j->text, "pictures: less the mean ", d->mean.v, d->mean.n);
    tell_numbers(&j->text, ", by the deviation ", d->std.v, d->std.n);
    un_text_add(&j->text, j->imagenet ? ": ImageNet's, for values from 0 to 255\n" : "\n");
    tell_numbers(&j->json, ",\"mean\":", d->mean.v, d->mean.n);
    tell_numbers(&j->json, ",\"std\":", d->std.v, d->std.n);
}

static void tell_network(job *j)
{
    const un_cfg_encoder e = j->m->config.model.encoder;
    const char *name = e != UN_CFG_ENCODER_NONE ? un_encoder_info_of(e)->name : j->known ? "lwnet" : "as configured";

    un_text_printf(&j->text, e != UN_CFG_ENCODER_NONE ? "encoder: %s\n" : "network: %s\n", name);
    un_text_printf(&j->json, ",\"network\":\"%s\"", name);
    tell_pictures(j);
    un_text_add(&j->json, ",");
    un_import_text(&j->text, &j->im, j->m, j->w, j->o.all);
    un_import_json(&j->json, &j->im, j->m, j->w);
}

/* The arrays alone, when no network has them. */
static void tell_arrays(job *j)
{
    const size_t n = j->o.all ? un_weights_count(j->w) : UN_MIN(un_weights_count(j->w), (size_t)LISTED);

    un_text_add(&j->text, "network: none that is known has these names and shapes\n");
    un_text_add(&j->json, ",\"network\":null");
    for (size_t i = 0; i < n; i++) {
        const un_weight *t = un_weights_at(j->w, i);

        un_text_printf(&j->text, "  %s %s ", t->name, un_st_dtype_name(t->dtype));
        for (int k = 0; k < t->rank; k++)
            un_text_printf(&j->text, "%s%lld", k ? "x" : "", (long long)t->dims[k]);
        un_text_add(&j->text, "\n");
    }
    if (n < un_weights_count(j->w))
        un_text_printf(&j->text, "  and %zu more (--all lists them)\n", un_weights_count(j->w) - n);
}

/* ---- all together ---- */

static unet_status save(job *j, unet_error *err)
{
    const un_session_options so = un_api_session_options(j->c);
    un_text record;
    unet_status st;

    un_text_init(&record, j->c->mem, 1 << 12);
    un_text_printf(&record, "{\"imported\":{\"format\":\"%s\",\"encoder\":\"%s\",\"taken_over\":%d}}",
        un_weights_format(j->w), un_encoder_info_of(j->m->config.model.encoder)->name,
        j->im.count[UN_IMPORT_SAME] + j->im.count[UN_IMPORT_ADAPTED]);
    st = record.failed ? un_fail_nomem(err, record.n) : un_model_set_record(j->m, record.s, err);
    un_text_free(&record);
    if (!st)
        st = un_selftest_fill(j->m, j->c->mem, &so, err);
    if (!st)
        st = un_model_save(j->m, j->o.model, err);
    if (!st)
        un_text_printf(&j->text, "written: %s\n", j->o.model);
    return st;
}

static unet_status run(job *j, unet_error *err)
{
    unet_status st = un_weights_open(&j->w, j->c->mem, j->o.weights, err);

    if (!st)
        tell_file(j);
    if (!st)
        st = find_network(j, err);
    if (!st && j->m) {
        st = un_import_weights(&j->im, j->m, j->w, NULL, j->o.weights, err);
        if (!st)
            st = check(j, err);
        if (!st)
            tell_network(j);
        if (!st && j->o.model)
            st = save(j, err);
    } else if (!st && j->o.model) {
        st = un_fail_file(err, UNET_E_UNSUPPORTED, j->o.weights,
            "these names and shapes are those of no known network (unet list encoders); a whole U-Net needs its "
            "configuration: --config FILE");
    } else if (!st) {
        tell_arrays(j);
    }
    un_text_add(&j->json, "}\n");
    return st;
}

unet_status unet_import(unet_context *c, const unet_import_options *o, char **text, char **json, unet_error *err)
{
    job j = {.c = c};
    unet_status st;

    un_error_clear(err);
    if (text)
        *text = NULL;
    if (json)
        *json = NULL;
    st = un_api_options(&j.o, sizeof j.o, o, err);
    if (!st && !j.o.weights)
        st = un_fail(err, UNET_E_ARG, "no file of weights is given");
    if (st)
        return st;
    un_text_init(&j.text, c->mem, TEXT_MAX);
    un_text_init(&j.json, c->mem, TEXT_MAX);
    j.cfg = un_alloc(c->mem, sizeof *j.cfg);
    if (!j.cfg)
        st = un_fail_nomem(err, sizeof *j.cfg);
    else if (j.o.config)
        *j.cfg = j.o.config->cfg;
    else
        st = un_config_init(j.cfg, c->mem, err);
    if (!st)
        st = run(&j, err);
    un_import_free(&j.im);
    un_model_destroy(j.m);
    un_weights_close(j.w);
    un_free(j.cfg);
    if (!st)
        st = un_api_text(text, &j.text, err);
    else
        un_text_free(&j.text);
    if (!st)
        st = un_api_text(json, &j.json, err);
    else
        un_text_free(&j.json);
    return st;
}
