#include "api/planned.h"

#include <string.h>

#include "base/limits.h"
#include "base/size.h"
#include "train/meter.h"
#include "train/schedule.h"

enum { WHY_MAX = 1 << 20, REASON_MAX = 512 };

static unet_status make_plan(un_planned *p, unet_context *c, un_config *cfg, unet_error *err)
{
    const un_plan_limits limits = {.threads = un_pool_threads(c->pool), .mem_bytes = un_memory_available()};
    const un_account_spec spec = {
        .data = p->data.d, .scan = p->data.s, .backend = un_backend_cpu(), .session = un_api_session_options(c)};
    un_plan_costs costs;
    un_meter *m;
    unet_status st = un_meter_create(&m, c->mem, &spec, err);

    if (st)
        return st;
    costs = un_meter_costs(m);
    st = un_plan_make(cfg, &p->data.training, &limits, &costs, &p->result, &p->why, err);
    if (!st && un_is_auto(cfg->train.select_mem))
        st = un_meter_select_mem(m, cfg, &cfg->train.select_mem, err);
    un_meter_destroy(m);
    return st;
}

unet_status un_planned_open(
    un_planned *out, unet_context *c, const un_data_open_options *o, un_config *cfg, unet_error *err)
{
    char advice[REASON_MAX];
    unet_status st;
    int told_patch;

    memset(out, 0, sizeof *out);
    st = un_data_open(&out->data, c, o, cfg, err);
    if (st)
        return st;
    un_data_tell(c, &out->data);
    un_text_init(&out->why, c->mem, WHY_MAX);
    if (out->data.why.s)
        un_text_add(&out->why, out->data.why.s);
    if (!un_dataset_count_role(out->data.d, UN_ROLE_TRAIN))
        st = un_fail_file(err, UNET_E_DATA, o->path, "no picture with a mask is left to train on");
    told_patch = !un_is_auto(cfg->train.patch[0]);
    if (!st)
        st = make_plan(out, c, cfg, err);
    if (!st && told_patch && un_plan_reason(out->why.s, "train", "patch", advice, sizeof advice))
        un_api_log(c, UNET_LOG_WARN, "train.patch: %s", advice);
    if (!st)
        st = un_train_settle(cfg, un_dataset_count_role(out->data.d, UN_ROLE_TRAIN), err);
    if (!st && out->why.failed)
        st = un_fail_nomem(err, WHY_MAX);
    if (st)
        un_planned_close(out);
    return st;
}

void un_planned_close(un_planned *p)
{
    un_data_close(&p->data);
    un_text_free(&p->why);
    memset(p, 0, sizeof *p);
}

/* ---- as text ---- */

typedef struct reasons {
    const char *lines;
    char text[REASON_MAX];
} reasons;

static const char *why_of(void *ctx, const char *section, const char *key)
{
    reasons *r = ctx;

    return un_plan_reason(r->lines, section, key, r->text, sizeof r->text) ? r->text : NULL;
}

unet_status un_planned_text(un_text *t, const un_planned *p, const un_config *cfg, unet_error *err)
{
    reasons r = {.lines = p->why.s};
    const un_config_style style = {.why = why_of, .ctx = &r};
    unet_status st = un_config_write(cfg, t, &style, err);

    un_text_printf(t, "# memory: %.0f MiB at the peak\n", (double)p->result.peak_bytes / 1048576);
    un_text_printf(t, "# time: about %.1f minutes for %lld steps of %.3g s\n", p->result.seconds / 60,
        (long long)cfg->train.steps, p->result.step_seconds);
    return st;
}
