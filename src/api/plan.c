/* Public planning. */
#include "api/planned.h"

enum { TEXT_MAX = 1 << 22 };

unet_status unet_plan(unet_context *c, const unet_plan_options *given, char **text, unet_error *err)
{
    unet_plan_options o;
    un_planned p;
    un_text t;
    unet_status st;

    if (text)
        *text = NULL;
    un_error_clear(err);
    st = un_api_options(&o, sizeof o, given, err);
    if (st)
        return st;
    if (!o.data || !o.config)
        return un_fail(err, UNET_E_ARG, "a plan needs the path of the data and a configuration to settle");
    st = un_planned_open(&p, c,
        &(un_data_open_options){.path = o.data, .progress = o.progress, .progress_ctx = o.progress_ctx}, &o.config->cfg,
        err);
    if (st)
        return st;
    un_text_init(&t, c->mem, TEXT_MAX);
    st = un_planned_text(&t, &p, &o.config->cfg, err);
    un_planned_close(&p);
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(text, &t, err);
}
