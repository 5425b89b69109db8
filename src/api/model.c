/* Public models: loading, what they hold, self-test. */
#include "api/context.h"
#include "base/size.h"

enum { TEXT_MAX = 1 << 22 };

static unet_status wrap(unet_model **out, unet_context *c, un_model *m, unet_error *err)
{
    unet_model *p = un_alloc_zero(c->mem, sizeof *p);

    if (!p) {
        un_model_destroy(m);
        return un_fail_nomem(err, sizeof *p);
    }
    p->c = c;
    p->m = m;
    *out = p;
    return UNET_OK;
}

unet_status unet_model_load(unet_model **out, unet_context *c, const char *path, unet_error *err)
{
    un_model *m;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    st = un_model_load(&m, c->mem, path, err);
    return st ? st : wrap(out, c, m, err);
}

unet_status unet_model_load_memory(
    unet_model **out, unet_context *c, const void *data, size_t size, const char *name, unet_error *err)
{
    un_model *m;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    st = un_model_load_memory(&m, c->mem, data, size, name, err);
    return st ? st : wrap(out, c, m, err);
}

unet_status unet_model_create(unet_model **out, unet_context *c, const unet_config *cfg, unet_error *err)
{
    un_model *m;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    st = un_model_create(&m, c->mem, &cfg->cfg, err);
    if (st)
        return st;
    m->settled = 1;
    return wrap(out, c, m, err);
}

void unet_model_destroy(unet_model *m)
{
    if (!m)
        return;
    un_model_destroy(m->m);
    un_free(m);
}

void unet_model_get_info(const unet_model *m, unet_model_info *out)
{
    const un_cfg_model *c = &m->m->config.model;

    *out = (unet_model_info){c->dims, c->in_channels, c->classes, un_model_channels(c), 0};
    for (int i = 0; i < m->m->graph->n_params; i++)
        out->parameters += m->m->graph->param[i].count;
}

const char *unet_model_class_name(const unet_model *m, int index)
{
    const un_cfg_class_list *l = &m->m->config.data.classes;

    return index >= 0 && index < l->n ? l->v[index].name : "";
}

unet_status unet_model_config(char **yaml, const unet_model *m, unet_error *err)
{
    un_text t;
    unet_status st;

    *yaml = NULL;
    un_error_clear(err);
    un_text_init(&t, m->c->mem, TEXT_MAX);
    st = un_config_write(&m->m->config, &t, NULL, err);
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(yaml, &t, err);
}

unet_status unet_model_record(char **json, const unet_model *m, unet_error *err)
{
    un_text t;

    *json = NULL;
    un_error_clear(err);
    un_text_init(&t, m->c->mem, (size_t)1 << 26);
    un_text_add(&t, m->m->record ? m->m->record : "{}");
    return un_api_text(json, &t, err);
}

unet_status unet_model_selftest(const unet_model *m, double *largest, int *pairs, unet_error *err)
{
    const un_session_options so = un_api_session_options(m->c);

    un_error_clear(err);
    *pairs = m->m->n_pairs;
    return un_selftest(largest, m->c->mem, m->m, &so, err);
}
