#define _POSIX_C_SOURCE 200809L
#include "train/runlog.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/size.h"
#include "train/previews.h"

enum { RECORD_MAX = 1 << 16, FILE_MAX = 1 << 24 };

struct un_runlog {
    un_mem *mem;
    char *folder, *steps_csv, *steps_jsonl, *scores, *classes, *events;
    int n_terms, n_classes;
    const char *term[UN_RUNLOG_TERMS_MAX];
    un_text line;
};

char *un_runlog_path(const un_runlog *l, const char *name)
{
    return un_asprintf(l->mem, "%s/%s", l->folder, name);
}

/* ---- cutting back ---- */

/* The step a line starts with, or -1. */
static int64_t step_of(const char *s, const char *end)
{
    static const char head[] = "{\"step\":";
    const size_t n = sizeof head - 1;
    int64_t step = 0;
    int digits = 0;

    if ((size_t)(end - s) > n && !memcmp(s, head, n))
        s += n;
    for (; s < end && *s >= '0' && *s <= '9' && digits < 18; s++, digits++)
        step = step * 10 + (*s - '0');
    return digits ? step : -1;
}

size_t un_runlog_cut(const char *text, size_t size, int64_t keep)
{
    size_t at = 0, kept = 0;

    while (at < size) {
        const char *end = memchr(text + at, '\n', size - at);

        if (!end || step_of(text + at, end) > keep)
            break;
        at = (size_t)(end - text) + 1;
        kept = at;
    }
    return kept;
}

static unet_status cut_file(const char *path, int64_t keep, unet_error *err)
{
    un_map m;
    size_t kept, size;
    unet_status st;

    if (!un_path_exists(path))
        return UNET_OK;
    st = un_map_open(&m, path, err);
    if (st)
        return st;
    size = m.size;
    kept = size ? un_runlog_cut((const char *)m.data, size, keep) : 0;
    un_map_close(&m);
    if (kept < size && truncate(path, (off_t)kept))
        return un_fail_file(
            err, UNET_E_IO, path, "cannot cut the log back to step %lld: %s", (long long)keep, strerror(errno));
    return UNET_OK;
}

/* ---- records ---- */

static unet_status append(un_runlog *l, const char *path, unet_error *err)
{
    unet_status st;

    if (l->line.failed)
        st = un_fail_nomem(err, RECORD_MAX);
    else
        st = un_file_append(path, l->line.s, l->line.n, err);
    l->line.n = 0;
    l->line.failed = 0;
    return st;
}

static void add_field(un_text *t, double v)
{
    un_text_add(t, ",");
    if (isfinite(v))
        un_text_number(t, v);
}

static void add_member(un_text *t, const char *key, double v)
{
    un_text_add(t, ",");
    un_text_json_string(t, key);
    un_text_add(t, ":");
    if (isfinite(v))
        un_text_number(t, v);
    else
        un_text_add(t, "null");
}

static unet_status write_step_csv(un_runlog *l, const un_step_record *r, unet_error *err)
{
    un_text *t = &l->line;

    un_text_printf(t, "%lld", (long long)r->step);
    add_field(t, r->epoch);
    add_field(t, r->lr);
    add_field(t, r->loss);
    for (int i = 0; i < l->n_terms; i++)
        add_field(t, r->term[i]);
    add_field(t, r->grad_norm);
    add_field(t, round(r->seconds * 1e3) / 1e3);
    add_field(t, round(r->waiting * 1e4) / 1e4);
    un_text_add(t, "\n");
    return append(l, l->steps_csv, err);
}

unet_status un_runlog_step(un_runlog *l, const un_step_record *r, unet_error *err)
{
    unet_status st = write_step_csv(l, r, err);
    un_text *t = &l->line;

    if (st)
        return st;
    un_text_printf(t, "{\"step\":%lld", (long long)r->step);
    add_member(t, "epoch", r->epoch);
    add_member(t, "lr", r->lr);
    add_member(t, "loss", r->loss);
    for (int i = 0; i < l->n_terms; i++)
        add_member(t, l->term[i], r->term[i]);
    add_member(t, "grad_norm", r->grad_norm);
    add_member(t, "seconds", round(r->seconds * 1e3) / 1e3);
    add_member(t, "waiting", round(r->waiting * 1e4) / 1e4);
    un_text_add(t, "}\n");
    return append(l, l->steps_jsonl, err);
}

unet_status un_runlog_score(un_runlog *l, int64_t step, const un_score *s, int best, unet_error *err)
{
    un_text *t = &l->line;

    un_text_printf(t, "%lld", (long long)step);
    add_field(t, s->score);
    un_text_add(t, best ? ",1" : ",0");
    for (int i = 0; i < l->n_classes; i++)
        add_field(t, i < s->n_classes ? s->dice[i] : NAN);
    for (int i = 0; i < l->n_classes; i++)
        add_field(t, i < s->n_classes ? s->iou[i] : NAN);
    un_text_add(t, "\n");
    return append(l, l->scores, err);
}

unet_status un_runlog_classes(un_runlog *l, int64_t step, const double *share, unet_error *err)
{
    un_text *t = &l->line;

    un_text_printf(t, "%lld", (long long)step);
    for (int i = 0; i < l->n_classes; i++)
        add_field(t, share[i]);
    un_text_add(t, "\n");
    return append(l, l->classes, err);
}

unet_status un_runlog_event(un_runlog *l, int64_t step, const char *event, const char *detail, unet_error *err)
{
    un_text *t = &l->line;

    un_text_printf(t, "{\"step\":%lld,\"event\":", (long long)step);
    un_text_json_string(t, event);
    un_text_add(t, ",\"detail\":");
    un_text_json_string(t, detail);
    un_text_add(t, "}\n");
    return append(l, l->events, err);
}

/* ---- the folder ---- */

/* Writes the heading that stands in l->line unless the table has one. */
static unet_status add_heading(un_runlog *l, const char *path, unet_error *err)
{
    un_map m = {0};
    size_t size;
    unet_status st = un_path_exists(path) ? un_map_open(&m, path, err) : UNET_OK;

    if (st)
        return st;
    size = m.size;
    un_map_close(&m);
    if (!size)
        return append(l, path, err);
    l->line.n = 0;
    return UNET_OK;
}

static unet_status add_headings(un_runlog *l, unet_error *err)
{
    un_text *t = &l->line;
    unet_status st;

    un_text_add(t, "step,epoch,lr,loss");
    for (int i = 0; i < l->n_terms; i++)
        un_text_printf(t, ",%s", l->term[i]);
    un_text_add(t, ",grad_norm,seconds,waiting\n");
    st = add_heading(l, l->steps_csv, err);
    if (st)
        return st;
    un_text_add(t, "step,score,best");
    for (int i = 0; i < l->n_classes; i++)
        un_text_printf(t, ",dice_%d", i);
    for (int i = 0; i < l->n_classes; i++)
        un_text_printf(t, ",iou_%d", i);
    un_text_add(t, "\n");
    st = add_heading(l, l->scores, err);
    if (st)
        return st;
    un_text_add(t, "step");
    for (int i = 0; i < l->n_classes; i++)
        un_text_printf(t, ",seen_%d", i);
    un_text_add(t, "\n");
    return add_heading(l, l->classes, err);
}

unet_status un_runlog_claim(un_mem *mem, const char *folder, int replace, unet_error *err)
{
    static const char *const file[] = {
        UN_CHECKPOINT_FILE, "log.csv", "log.jsonl", "scores.csv", "classes.csv", "events.jsonl"};
    unet_status st = un_make_dirs(folder, err);

    for (size_t i = 0; i < UN_COUNT(file) && !st; i++) {
        char *path = un_asprintf(mem, "%s/%s", folder, file[i]);

        if (!path)
            st = un_fail_nomem(err, strlen(folder));
        else if (un_path_exists(path) && !replace)
            st = un_fail_file(err, UNET_E_ARG, folder,
                "the folder holds a training run already (%s); go on with it (--resume) or name another "
                "folder",
                file[i]);
        else
            st = un_file_remove(path, err);
        un_free(path);
    }
    return st || !replace ? st : un_previews_forget(mem, folder, err);
}

static unet_status start(un_runlog *l, int64_t keep, unet_error *err)
{
    const char *const cut[] = {l->steps_csv, l->steps_jsonl, l->scores, l->classes};
    char *previews = un_runlog_path(l, "previews");
    unet_status st = un_make_dirs(l->folder, err);

    for (size_t i = 0; i < UN_COUNT(cut) && !st; i++)
        st = cut_file(cut[i], keep, err);
    un_file_sweep(l->folder);
    if (previews)
        un_file_sweep(previews);
    un_free(previews);
    return st ? st : add_headings(l, err);
}

unet_status un_runlog_open(un_runlog **out, un_mem *mem, const un_runlog_spec *spec, unet_error *err)
{
    un_runlog *l = un_alloc_zero(mem, sizeof *l);
    unet_status st;

    *out = NULL;
    if (!l)
        return un_fail_nomem(err, sizeof *l);
    l->mem = mem;
    l->n_terms = spec->n_terms;
    l->n_classes = spec->n_classes;
    un_text_init(&l->line, mem, RECORD_MAX);
    for (int i = 0; i < spec->n_terms; i++)
        l->term[i] = spec->term[i];
    l->folder = un_strdup(mem, spec->folder);
    if (l->folder) {
        l->steps_csv = un_runlog_path(l, "log.csv");
        l->steps_jsonl = un_runlog_path(l, "log.jsonl");
        l->scores = un_runlog_path(l, "scores.csv");
        l->classes = un_runlog_path(l, "classes.csv");
        l->events = un_runlog_path(l, "events.jsonl");
    }
    if (!l->steps_csv || !l->steps_jsonl || !l->scores || !l->classes || !l->events)
        st = un_fail_nomem(err, strlen(spec->folder));
    else
        st = start(l, spec->keep, err);
    if (st) {
        un_runlog_close(l);
        return st;
    }
    *out = l;
    return UNET_OK;
}

void un_runlog_close(un_runlog *l)
{
    if (!l)
        return;
    un_text_free(&l->line);
    un_free(l->folder);
    un_free(l->steps_csv);
    un_free(l->steps_jsonl);
    un_free(l->scores);
    un_free(l->classes);
    un_free(l->events);
    un_free(l);
}

static unet_status write_file(un_runlog *l, const char *name, const un_text *t, unet_error *err)
{
    char *path = un_runlog_path(l, name);
    unet_status st;

    if (!path || t->failed)
        st = un_fail_nomem(err, FILE_MAX);
    else
        st = un_file_write(l->mem, path, t->s, t->n, err);
    un_free(path);
    return st;
}

unet_status un_runlog_config(un_runlog *l, const un_config *c, unet_error *err)
{
    static const un_config_style style = {.comments = 1};
    un_text t;
    unet_status st;

    un_text_init(&t, l->mem, FILE_MAX);
    st = un_config_write(c, &t, &style, err);
    if (!st)
        st = write_file(l, "config.yaml", &t, err);
    un_text_free(&t);
    return st;
}

unet_status un_runlog_data(un_runlog *l, const un_text *table, unet_error *err)
{
    return write_file(l, "data.csv", table, err);
}

unet_status un_runlog_environment(un_runlog *l, const un_run_environment *e, unet_error *err)
{
    char cpu[128];
    un_text t;
    unet_status st;

    un_cpu_model(cpu, sizeof cpu);
    un_text_init(&t, l->mem, FILE_MAX);
    un_text_add(&t, "{\n  \"unet\": ");
    un_text_json_string(&t, e->version);
    un_text_add(&t, ",\n  \"built\": ");
    un_text_json_string(&t, e->built);
    un_text_add(&t, ",\n  \"cpu\": ");
    un_text_json_string(&t, cpu);
    un_text_add(&t, ",\n  \"cpu_level\": ");
    un_text_json_string(&t, un_cpu_level_name(e->level));
    un_text_printf(&t, ",\n  \"exact\": %s", e->exact ? "true" : "false");
    un_text_printf(&t, ",\n  \"threads\": %d,\n  \"training_pictures\": %lld,\n  \"stated_peak_bytes\": %lld",
        e->threads, (long long)e->pictures, (long long)e->peak_bytes);
    un_text_add(&t, ",\n  \"data_checksum\": ");
    un_text_json_string(&t, e->data);
    un_text_add(&t, "\n}\n");
    st = write_file(l, "environment.json", &t, err);
    un_text_free(&t);
    return st;
}
