/* Public jobs that look at data: inspect, and examples of augmentation. */
#include <string.h>

#include "api/data_open.h"
#include "base/file.h"
#include "base/size.h"
#include "data/plan.h"
#include "io/image.h"
#include "run/contact.h"
#include "run/inspect.h"

enum { TEXT_MAX = 1 << 26, PICTURES = 8, SAMPLES = 4, PREVIEW_SAMPLES = 6, CELL_PX = 192, REASON_MAX = 512 };

/* The settings that pictures are made with: what the masks mean, and what follows from the data alone. */
static unet_status plan_view(
    un_config **out, unet_context *c, const un_config *cfg, const un_opened *o, unet_error *err)
{
    un_config *p = un_alloc(c->mem, sizeof *p);
    unet_status st;

    *out = p;
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    *p = *cfg;
    st = un_plan_data(p, o->training.usable ? &o->training : &o->f, NULL, err);
    if (!st)
        return UNET_OK;
    un_free(p);
    *out = NULL;
    return st;
}

static un_contact_options contact_options(unet_context *c, const un_config *planned, const un_opened *o)
{
    return (un_contact_options){.pool = c->pool,
        .cfg = planned,
        .cell_px = CELL_PX,
        .masks = o->f.classes > 0,
        .cancel = un_api_cancelled,
        .ctx = c};
}

/* ---- inspect ---- */

typedef struct inspection {
    unet_context *c;
    unet_inspect_options o;
    un_config *given, *cfg; /* as the caller has it; settled */
    un_opened data;
    un_image sheet;
    un_text yaml, json;
    char reason[REASON_MAX];
} inspection;

static const char *reason(void *ctx, const char *section, const char *key)
{
    inspection *in = ctx;
    const char *why = in->data.why.s;

    return why && un_plan_reason(why, section, key, in->reason, sizeof in->reason) ? in->reason : NULL;
}

/* The caller's keys with what was settled about the data; the network's shape follows from it, so it stays open. */
static unet_status write_config(inspection *in, unet_error *err)
{
    const un_config_style style = {.changed = 1, .why = reason, .ctx = in};
    un_config *shown = un_alloc(in->c->mem, sizeof *shown);
    unet_status st;

    if (!shown)
        return un_fail_nomem(err, sizeof *shown);
    *shown = *in->given;
    shown->data = in->cfg->data;
    un_text_init(&in->yaml, in->c->mem, TEXT_MAX);
    un_text_add(&in->yaml,
        "# What the masks mean and how pictures are read, found by unet inspect. Edit what is wrong, then\n"
        "# give this file to unet train with --config. Keys that are not here keep their defaults.\n");
    st = un_config_write(shown, &in->yaml, &style, err);
    un_free(shown);
    return st;
}

static unet_status draw(inspection *in, unet_error *err)
{
    un_config *planned;
    un_contact_options opt;
    unet_status st = plan_view(&planned, in->c, in->cfg, &in->data, err);

    if (st)
        return st;
    opt = contact_options(in->c, planned, &in->data);
    opt.pictures = in->o.pictures > 0 ? in->o.pictures : PICTURES;
    opt.samples = in->o.samples > 0 ? in->o.samples : SAMPLES;
    st = un_contact_sheet(&in->sheet, in->c->mem, in->data.d, &opt, err);
    un_free(planned);
    return st;
}

static unet_status write_text(inspection *in, const char *name, const un_text *t, unet_error *err)
{
    char *path = un_asprintf(in->c->mem, "%s/%s", in->o.out_dir, name);
    unet_status st = path ? un_file_write(in->c->mem, path, t->s, t->n, err) : un_fail_nomem(err, 1);

    un_free(path);
    return st;
}

static unet_status write_all(inspection *in, const un_inspection *shown, unet_error *err)
{
    char *png = un_asprintf(in->c->mem, "%s/sheet.png", in->o.out_dir),
         *page = un_asprintf(in->c->mem, "%s/inspect.html", in->o.out_dir);
    unet_status st = png && page ? un_make_dirs(in->o.out_dir, err) : un_fail_nomem(err, 1);

    if (!st)
        st = write_text(in, "config.yaml", &in->yaml, err);
    if (!st)
        st = write_text(in, "fingerprint.json", &in->json, err);
    if (!st && in->sheet.data)
        st = un_image_write_png(in->c->mem, png, &in->sheet, err);
    if (!st)
        st = un_inspect_page(in->c->mem, page, shown, err);
    un_free(png);
    un_free(page);
    return st;
}

/* Everything that is told, from what was found. */
static unet_status tell(inspection *in, char **text, char **json, unet_error *err)
{
    const un_opened *d = &in->data;
    un_inspection shown = {.d = d->d,
        .s = d->s,
        .f = &d->f,
        .cfg = in->cfg,
        .why = d->why.s,
        .problem = d->problem.status ? d->problem.message : NULL};
    un_text t;
    unet_status st = write_config(in, err);

    un_text_init(&in->json, in->c->mem, TEXT_MAX);
    un_text_init(&t, in->c->mem, TEXT_MAX);
    un_fingerprint_json(&in->json, &d->f, d->d, in->cfg);
    if (!st && (in->json.failed || in->yaml.failed))
        st = un_fail_nomem(err, TEXT_MAX);
    if (!st && in->o.out_dir && d->f.usable)
        st = draw(in, err);
    shown.sheet = in->sheet.data ? &in->sheet : NULL;
    shown.yaml = in->yaml.s;
    if (!st && in->o.out_dir)
        st = write_all(in, &shown, err);
    if (!st)
        st = un_inspect_text(&t, in->c->mem, &shown, err);
    if (!st)
        st = un_api_text(text, &t, err);
    if (!st)
        st = un_api_text(json, &in->json, err);
    un_text_free(&t);
    return st;
}

unet_status unet_inspect(unet_context *c, const unet_inspect_options *o, char **text, char **json, unet_error *err)
{
    inspection in = {.c = c};
    un_data_open_options open = {.lenient = 1};
    unet_status st;

    if (text)
        *text = NULL;
    if (json)
        *json = NULL;
    un_error_clear(err);
    st = un_api_options(&in.o, sizeof in.o, o, err);
    if (st)
        return st;
    if (!in.o.data)
        return un_fail(err, UNET_E_ARG, "no data set was named");
    in.given = un_alloc_array(c->mem, 2, sizeof *in.given);
    if (!in.given)
        return un_fail_nomem(err, 2 * sizeof *in.given);
    in.cfg = in.given + 1;
    st = un_config_init(in.given, c->mem, err);
    if (!st) {
        if (in.o.config)
            *in.given = in.o.config->cfg;
        *in.cfg = *in.given;
        open.path = in.o.data;
        open.progress = in.o.progress;
        open.progress_ctx = in.o.progress_ctx;
        st = un_data_open(&in.data, c, &open, in.cfg, err);
    }
    if (!st) {
        st = tell(&in, text, json, err);
        if (!st && in.data.problem.status) {
            st = in.data.problem.status;
            if (err)
                *err = in.data.problem;
        }
        un_data_close(&in.data);
    }
    un_image_free(&in.sheet);
    un_text_free(&in.yaml);
    un_text_free(&in.json);
    un_free(in.given);
    return st;
}

/* ---- examples of augmentation ---- */

static unet_status find_picture(int *out, const un_opened *d, const char *name, unet_error *err)
{
    *out = un_contact_best(d->d, d->s);
    for (int i = 0; name && i < d->d->base_count; i++) {
        const un_item *it = &d->d->items[i];

        if (strcmp(it->name, name))
            continue;
        *out = i;
        return it->left_out ? un_fail_file(err, UNET_E_DATA, name, "this picture is left out; unet inspect says why")
                            : UNET_OK;
    }
    return name ? un_fail_file(err, UNET_E_ARG, name, "no picture of the data set has this name") : UNET_OK;
}

static unet_status preview(unet_context *c, const unet_augment_options *o, const un_config *cfg, const un_opened *d,
    char **text, unet_error *err)
{
    un_config *planned = NULL;
    un_image sheet = {0};
    un_contact_options opt;
    un_text t;
    int item;
    unet_status st = find_picture(&item, d, o->picture, err);

    un_text_init(&t, c->mem, TEXT_MAX);
    if (!st)
        st = plan_view(&planned, c, cfg, d, err);
    if (!st) {
        opt = contact_options(c, planned, d);
        opt.samples = o->samples > 0 ? o->samples : PREVIEW_SAMPLES;
        st = un_contact_operations(&sheet, c->mem, d->d, item, &opt, err);
    }
    if (!st)
        st = un_image_write_png(c->mem, o->file, &sheet, err);
    if (!st) {
        const int *size = planned->train.patch;

        un_text_printf(&t, "%s: %d operations and the policy %s on a patch of ", o->file, UN_AUGMENT_COUNT,
            un_config_word("augment", "policy", (int)planned->augment.policy));
        if (size[0] > 1)
            un_text_printf(&t, "%dx", size[0]);
        un_text_printf(&t, "%dx%d of %s\n", size[1], size[2], d->d->items[item].name);
        st = un_api_text(text, &t, err);
    }
    un_text_free(&t);
    un_image_free(&sheet);
    un_free(planned);
    return st;
}

unet_status unet_augment_preview(unet_context *c, const unet_augment_options *o, char **text, unet_error *err)
{
    unet_augment_options own;
    un_data_open_options open = {.lenient = 1};
    un_opened data;
    un_config *cfg;
    unet_status st;

    if (text)
        *text = NULL;
    un_error_clear(err);
    st = un_api_options(&own, sizeof own, o, err);
    if (st)
        return st;
    if (!own.data || !own.file)
        return un_fail(err, UNET_E_ARG, "%s", own.data ? "no file to write was named" : "no data set was named");
    cfg = un_alloc(c->mem, sizeof *cfg);
    if (!cfg)
        return un_fail_nomem(err, sizeof *cfg);
    st = un_config_init(cfg, c->mem, err);
    if (!st && own.config)
        *cfg = own.config->cfg;
    open.path = own.data;
    open.progress = own.progress;
    open.progress_ctx = own.progress_ctx;
    if (!st)
        st = un_data_open(&data, c, &open, cfg, err);
    if (!st) {
        st = preview(c, &own, cfg, &data, text, err);
        un_data_close(&data);
    }
    un_free(cfg);
    return st;
}
