#include "train/restore.h"

#include <string.h>

#include "base/size.h"
#include "train/runlog.h"

static unet_status read_config(un_config *c, un_mem *mem, const char *text, const char *path, unet_error *err)
{
    unet_status st = un_config_init(c, mem, err);

    if (!st)
        st = un_config_parse(c, mem, text, strlen(text), path, err);
    return st ? st : un_config_check(c, err);
}

static unet_status fill_model(un_model *m, un_checkpoint *c, const char *path, unet_error *err)
{
    const size_t count = (size_t)UN_MAX(c->graph->block_count, 1);
    unet_status st = read_config(&m->config, m->mem, c->config, path, err);

    if (st)
        return st;
    m->graph = c->graph;
    c->graph = NULL;
    m->weights = un_alloc_array(m->mem, count, sizeof *m->weights);
    return m->weights ? UNET_OK : un_fail_nomem(err, count * sizeof *m->weights);
}

unet_status un_train_restore(un_model **out, un_mem *mem, const char *folder, unet_error *err)
{
    char *path = un_asprintf(mem, "%s/%s", folder, UN_CHECKPOINT_FILE);
    un_model *m = un_alloc_zero(mem, sizeof *m);
    un_checkpoint c = {0};
    unet_status st;

    *out = NULL;
    if (!path || !m) {
        st = un_fail_nomem(err, sizeof *m);
    } else {
        m->mem = mem;
        st = un_checkpoint_open(&c, mem, path, err);
        if (st == UNET_E_NOT_FOUND)
            st = un_fail_file(err, st, path,
                "there is no run to go on with: none was begun here, or it was stopped before its first step; start it "
                "without --resume");
    }
    if (!st)
        st = fill_model(m, &c, path, err);
    if (!st) {
        c.graph = m->graph; /* borrowed for the copy */
        st = un_checkpoint_read(&c, UN_BLOCK_PARAM, m->weights, err);
        c.graph = NULL;
    }
    un_checkpoint_close(&c);
    un_free(path);
    if (st) {
        un_model_destroy(m);
        return st;
    }
    *out = m;
    return UNET_OK;
}

unet_status un_train_same_config(const un_config *now, const un_checkpoint *c, un_mem *mem, unet_error *err)
{
    un_config *then = un_alloc(mem, sizeof *then);
    un_config_difference d;
    unet_status st;

    if (!then)
        return un_fail_nomem(err, sizeof *then);
    st = read_config(then, mem, c->config, UN_CHECKPOINT_FILE, err);
    if (!st) {
        un_cfg_train *t = &then->train;

        t->threads = now->train.threads;
        t->mem = now->train.mem;
        t->time = now->train.time;
        t->checkpoint = now->train.checkpoint;
        t->workers = now->train.workers;
        t->cache = now->train.cache;
        t->previews = now->train.previews;
        t->record_names = now->train.record_names;
        t->recompute = now->train.recompute;
        if (un_is_auto(t->select_mem)) /* runs begun before there was this key */
            t->select_mem = now->train.select_mem;
        then->predict = now->predict;
        then->eval = now->eval;
        if (un_config_differs(&d, now, then, NULL))
            st = un_fail_file(err, UNET_E_CONFIG, d.key,
                "%s now, %s when the run began; a run goes on with its own settings (leave the key out; steps are "
                "added "
                "by unet extend; change others in a new run, --from this model)",
                d.a, d.b);
    }
    un_free(then);
    return st;
}
