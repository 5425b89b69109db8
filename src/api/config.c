/* Public configurations. */
#include "api/context.h"

enum { TEXT_MAX = 1 << 22 };

unet_status unet_config_create(unet_config **out, unet_context *c, unet_error *err)
{
    unet_config *cfg = un_alloc_zero(c->mem, sizeof *cfg);
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    if (!cfg)
        return un_fail_nomem(err, sizeof *cfg);
    cfg->c = c;
    st = un_config_init(&cfg->cfg, c->mem, err);
    if (st) {
        un_free(cfg);
        return st;
    }
    *out = cfg;
    return UNET_OK;
}

void unet_config_destroy(unet_config *cfg)
{
    un_free(cfg);
}

unet_status unet_config_load(unet_config *cfg, const char *path, unet_error *err)
{
    un_error_clear(err);
    return un_config_load(&cfg->cfg, cfg->c->mem, path, err);
}

unet_status unet_config_set(unet_config *cfg, const char *assignment, unet_error *err)
{
    un_error_clear(err);
    return un_config_set(&cfg->cfg, cfg->c->mem, assignment, err);
}

unet_status unet_config_preset(unet_config *cfg, const char *name, unet_error *err)
{
    un_error_clear(err);
    return un_config_preset(&cfg->cfg, cfg->c->mem, name, err);
}

int unet_preset_get(size_t i, unet_preset *out)
{
    const un_preset *p = un_preset_at(i);

    *out = p ? (unet_preset){p->name, p->help, p->yaml} : (unet_preset){0};
    return p != NULL;
}

unet_status unet_config_write(char **out, const unet_config *cfg, int comments, int changed, unet_error *err)
{
    const un_config_style style = {.comments = comments, .changed = changed};
    un_text t;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    un_text_init(&t, cfg->c->mem, TEXT_MAX);
    st = un_config_write(&cfg->cfg, &t, &style, err);
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(out, &t, err);
}

unet_status unet_config_help(char **out, unet_context *c, const char *topic, unet_error *err)
{
    un_text t;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    un_text_init(&t, c->mem, TEXT_MAX);
    st = un_config_help(&t, topic, err);
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(out, &t, err);
}
