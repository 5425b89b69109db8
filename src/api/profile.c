/* Public profiles. */
#include "api/context.h"

#include "base/file.h"
#include "report/profile_report.h"

enum { TEXT_MAX = 1 << 28 };

unet_status unet_profile_create(unet_profile **out, unet_context *c, unet_error *err)
{
    unet_profile *p = un_alloc_zero(c->mem, sizeof *p);
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    if (!p)
        return un_fail_nomem(err, sizeof *p);
    p->c = c;
    st = un_profile_create(&p->p, c->mem, err);
    if (st) {
        un_free(p);
        return st;
    }
    *out = p;
    return UNET_OK;
}

void unet_profile_destroy(unet_profile *p)
{
    if (!p)
        return;
    un_profile_destroy(p->p);
    un_free(p);
}

double unet_profile_seconds(const unet_profile *p)
{
    return un_profile_total_ns(p->p) * 1e-9;
}

int unet_profile_get(const unet_profile *p, size_t i, unet_profile_row *out)
{
    int count;
    const un_profile_row *row = un_profile_rows(p->p, &count);

    if (i >= (size_t)count)
        return 0;
    row += i;
    *out = (unet_profile_row){row->part, row->name, row->kernel, row->runs, row->ns * 1e-9, row->flops, row->bytes};
    return 1;
}

unet_status unet_profile_text(char **out, const unet_profile *p, int full, unet_error *err)
{
    un_text t;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    un_text_init(&t, p->c->mem, TEXT_MAX);
    st = un_profile_text(&t, p->p, p->c->mem, full, err);
    if (!st)
        return un_api_text(out, &t, err);
    un_text_free(&t);
    return st;
}

unet_status unet_profile_json(char **out, const unet_profile *p, unet_error *err)
{
    un_text t;

    *out = NULL;
    un_error_clear(err);
    un_text_init(&t, p->c->mem, TEXT_MAX);
    un_profile_json(&t, p->p, 0);
    return un_api_text(out, &t, err);
}

unet_status unet_profile_write(const unet_profile *p, const char *path, unet_error *err)
{
    un_text t;
    unet_status st;

    un_error_clear(err);
    un_text_init(&t, p->c->mem, TEXT_MAX);
    un_profile_json(&t, p->p, 1);
    st = t.failed ? un_fail_nomem(err, t.n) : un_file_write(p->c->mem, path, t.s, t.n, err);
    un_text_free(&t);
    return st;
}
