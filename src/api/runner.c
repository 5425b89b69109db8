#include "api/runner.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/size.h"

/* Everything but what may be set must be as the model has it. */
static unet_status check_changes(const un_config *now, un_config *before, unet_error *err)
{
    before->data = now->data;
    before->predict = now->predict;
    before->eval = now->eval;
    if (!un_config_equal(now, before))
        return un_fail(err, UNET_E_CONFIG,
            "only keys of the sections data, predict and eval can be set here; the others belong to training");
    return un_config_check(now, err);
}

static unet_status apply(un_config *cfg, un_mem *mem, const char *const *set, size_t count, unet_error *err)
{
    un_config *before = un_alloc(mem, sizeof *before);
    unet_status st = before ? UNET_OK : un_fail_nomem(err, sizeof *before);

    for (size_t i = 0; i < count && !st; i++) {
        *before = *cfg;
        st = un_config_set(cfg, mem, set[i], err);
        if (!st) {
            st = check_changes(cfg, before, err);
            un_error_where(st ? err : NULL, set[i]);
        }
    }
    un_free(before);
    return st;
}

unet_status un_runner_open(
    un_runner *r, unet_context *c, const char *model, const char *const *set, size_t set_count, unet_error *err)
{
    unet_status st;

    *r = (un_runner){.c = c};
    st = un_model_load(&r->model, c->mem, model, err);
    if (!st)
        st = apply(&r->model->config, c->mem, set, set_count, err);
    if (st)
        un_runner_close(r);
    return st;
}

unet_status un_runner_predictor(
    un_predictor **out, const un_runner *r, const un_model *m, un_profile *profile, unet_error *err)
{
    un_predict_options o = un_predict_options_of(&m->config.predict);

    o.session = un_api_session_options(r->c);
    o.session.profile = profile;
    o.available = un_memory_available;
    o.cancel = un_api_cancelled;
    o.ctx = r->c;
    return un_predictor_create(out, r->c->mem, m, &o, err);
}

unet_status un_runner_prepare(un_runner *r, int masks, un_profile *profile, unet_error *err)
{
    unet_status st = un_preprocess_create(&r->pre, r->c->mem, &r->model->config, masks, err);

    return st ? st : un_runner_predictor(&r->predictor, r, r->model, profile, err);
}

void un_runner_close(un_runner *r)
{
    un_predictor_destroy(r->predictor);
    un_preprocess_destroy(r->pre);
    un_model_destroy(r->model);
    memset(r, 0, sizeof *r);
}

void un_class_names_fill(un_class_names *n, const un_config *cfg)
{
    const un_cfg_class_list *l = &cfg->data.classes;

    for (int k = 0; k < UN_MIN(cfg->model.classes, UN_CFG_LIST_MAX); k++) {
        snprintf(n->made[k], sizeof n->made[k], "class %d", k);
        n->name[k] = k < l->n && l->v[k].name[0] ? l->v[k].name : n->made[k];
    }
    un_class_colours(&n->palette, cfg);
}
