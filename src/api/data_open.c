#include "api/data_open.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/fnv1a.h"
#include "data/preprocess.h"

enum { WHY_MAX = 1 << 20, TOLD_MAX = 8 };

/* ---- where results of the scan are kept ---- */

/* The base directory specification of freedesktop.org wants absolute paths; others are as good as none. */
static char *cache_folder(un_mem *mem)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (cache && cache[0] == '/')
        return un_asprintf(mem, "%s/unet/scan", cache);
    if (home && home[0] == '/')
        return un_asprintf(mem, "%s/.cache/unet/scan", home);
    return NULL;
}

char *un_data_cache_path(un_mem *mem, const char *data)
{
    char *folder = cache_folder(mem), *path = NULL, whole[PATH_MAX];

    if (folder && realpath(data, whole) && !un_make_dirs(folder, NULL))
        path = un_asprintf(
            mem, "%s/%016llx.json", folder, (unsigned long long)un_fnv1a(UN_FNV1A_START, whole, strlen(whole)));
    un_free(folder);
    return path;
}

/* ---- the scan ---- */

typedef struct watch {
    unet_context *c;
    const un_data_open_options *o;
    double began;
} watch;

static int on_file(void *ctx, int done, int total)
{
    const watch *w = ctx;
    unet_progress p = {.phase = "scan", .done = done, .total = total, .epoch = -1};
    double seconds;

    if (w->o->progress) {
        seconds = un_clock_s() - w->began;
        p.loss = p.dice = p.iou = p.learning_rate = p.waiting = NAN;
        p.per_second = seconds > 0 ? done / seconds : -1;
        p.seconds_left = p.per_second > 0 ? (total - done) / p.per_second : -1;
        w->o->progress(w->o->progress_ctx, &p);
    }
    return un_api_cancelled(w->c);
}

static unet_status scan(un_opened *out, unet_context *c, const un_data_open_options *o, un_config *cfg, unet_error *err)
{
    char *cache = un_data_cache_path(c->mem, o->path);
    watch w = {.c = c, .o = o};
    const un_scan_options opt = {.pool = c->pool, .cache_path = cache, .progress = on_file, .ctx = &w};
    unet_status st;

    w.began = un_clock_s();
    st = un_scan_run(&out->s, c->mem, out->d, cfg, &opt, err);
    un_free(cache);
    return st;
}

/* ---- all together ---- */

/* What concerns the user's data, not this program or machine: kept in `problem` when the caller can live with it. */
static unet_status bear(
    un_opened *out, const un_data_open_options *o, unet_status st, const unet_error *e, unet_error *err)
{
    if (st && (!o->lenient || st == UNET_E_NOMEM || st == UNET_E_INTERNAL)) {
        if (err)
            *err = *e;
        return st;
    }
    if (st && !out->problem.status)
        out->problem = *e;
    return UNET_OK;
}

/* On a copy, so that masks that are not understood leave no half of a proposal. */
static unet_status propose(un_opened *out, unet_context *c, un_config *cfg, unet_error *err)
{
    un_config *tried = un_alloc(c->mem, sizeof *tried);
    unet_status st;

    if (!tried)
        return un_fail_nomem(err, sizeof *tried);
    *tried = *cfg;
    st = un_scan_propose(tried, out->d, out->s, &out->why, err);
    if (!st)
        *cfg = *tried;
    cfg->data.colour = tried->data.colour;
    cfg->model.in_channels = tried->model.in_channels;
    cfg->model.dims = tried->model.dims;
    un_free(tried);
    return st ? st : out->why.failed ? un_fail_nomem(err, out->why.n) : UNET_OK;
}

static unet_status assign(un_opened *out, un_config *cfg, unet_error *err)
{
    unet_status st = un_dataset_assign(out->d, cfg, err);
    const double share = un_dataset_test_share(out->d, &cfg->data);

    if (st || !un_is_auto(cfg->data.test_share))
        return st;
    cfg->data.test_share = share;
    if (share > 0)
        un_text_printf(&out->why, "data.test_share: enough pictures to keep some for a test\n");
    return UNET_OK;
}

/* Few pictures are cut into parts, which takes some pixels. */
static unet_status check_parts(const un_opened *out, unet_error *err)
{
    for (int i = 0; i < out->d->count; i++) {
        const un_item *it = &out->d->items[i];
        const un_scan_item *scanned = &out->s->item[it->part_of < 0 ? i : it->part_of];

        if (it->role != UN_ROLE_NONE && un_item_is_nothing(it, scanned))
            return un_fail_file(err, UNET_E_DATA, un_dataset_relative(out->d, it->images[0]),
                "%dx%d pixels (h x w) are too few to be cut into a part that trains and one that is scored; give a "
                "split, or %d pictures and more",
                scanned->h, scanned->w, UN_SPLIT_MIN_PICTURES);
    }
    return UNET_OK;
}

static unet_status look(un_opened *out, unet_context *c, const un_data_open_options *o, un_config *cfg, unet_error *err)
{
    unet_error e = {0};
    unet_status st = scan(out, c, o, cfg, err);

    if (!st)
        st = bear(out, o, un_dataset_check(out->d, cfg->data.on_bad, &e), &e, err);
    if (!st)
        st = bear(out, o, propose(out, c, cfg, &e), &e, err);
    if (!st)
        st = bear(out, o, assign(out, cfg, &e), &e, err);
    if (!st)
        st = bear(out, o, check_parts(out, &e), &e, err);
    if (!st)
        st = un_fingerprint_make(&out->f, out->d, out->s, cfg, UN_SCOPE_ALL, err);
    if (!st)
        st = un_fingerprint_make(&out->training, out->d, out->s, cfg, UN_SCOPE_TRAINING, err);
    return st ? st : un_fingerprint_balance(out->d, out->s, cfg, &out->training, err);
}

unet_status un_data_open(
    un_opened *out, unet_context *c, const un_data_open_options *o, un_config *cfg, unet_error *err)
{
    unet_status st;

    *out = (un_opened){0};
    un_text_init(&out->why, c->mem, WHY_MAX);
    st = un_dataset_open(&out->d, c->mem, o->path, cfg, err);
    if (!st)
        st = look(out, c, o, cfg, err);
    if (st)
        un_data_close(out);
    return st;
}

void un_data_close(un_opened *o)
{
    un_scan_destroy(o->s);
    un_dataset_close(o->d);
    un_text_free(&o->why);
    *o = (un_opened){0};
}

void un_data_tell(const unet_context *c, const un_opened *o)
{
    int n = 0;

    for (int i = 0; i < o->d->issue_count; i++) {
        const un_issue *s = &o->d->issues[i];

        if (un_issue_severity(s->kind) >= UN_WARN && n++ < TOLD_MAX)
            un_api_log(c, UNET_LOG_WARN, "%s: %s: %s", s->file, un_issue_name(s->kind), s->text);
    }
    if (n > TOLD_MAX)
        un_api_log(c, UNET_LOG_WARN, "and %d more; unet inspect lists them all", n - TOLD_MAX);
}
