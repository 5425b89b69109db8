/* Public description of a model: layers, cost, memory, drawing. */
#include <string.h>

#include "api/context.h"
#include "base/size.h"
#include "train/engine.h"
#include "train/schedule.h"

enum { TEXT_MAX = 1 << 22, TOGETHER = 2, STEPS = 1000 };

/* The picture's extents on the network's grid. */
static un_shape on_grid(const unet_model *m, const int size[3])
{
    const un_cfg_model *c = &m->m->config.model;
    int grid[3];

    un_model_grid(c, grid);
    return (un_shape){1, c->dims == 2 ? 1 : (int)un_round_up((size_t)UN_MAX(size[0], 1), (size_t)grid[0]),
        (int)un_round_up((size_t)UN_MAX(size[1], 1), (size_t)grid[1]),
        (int)un_round_up((size_t)UN_MAX(size[2], 1), (size_t)grid[2]), c->in_channels};
}

/* Beside the weights, for TOGETHER pictures of these extents in one go. The graph stays as it is. */
static unet_status training_bytes(
    size_t *bytes, const unet_model *m, un_shape in, un_cfg_recompute recompute, unet_error *err)
{
    un_model *t = un_alloc(m->c->mem, sizeof *t);
    const un_engine_spec spec = {.model = t,
        .backend = un_backend_cpu(),
        .pool = m->c->pool,
        .level = m->c->level,
        .exact = m->c->options.exact,
        .keep_best = 1};
    un_engine *e;
    unet_status st;

    if (!t)
        return un_fail_nomem(err, sizeof *t);
    *t = *m->m;
    memcpy(t->config.train.patch, (int[]){in.d, in.h, in.w}, sizeof t->config.train.patch);
    t->config.train.batch = t->config.train.ghost_batch = TOGETHER;
    t->config.train.recompute = recompute;
    t->config.train.steps = STEPS;
    if (t->config.loss.class_weights.n == UN_CFG_LIST_AUTO)
        t->config.loss.class_weights.n = 0;
    st = un_train_settle(&t->config, TOGETHER, err);
    if (!st)
        st = un_engine_create(&e, m->c->mem, &spec, err);
    if (!st) {
        *bytes = un_engine_bytes(e);
        un_engine_destroy(e);
    }
    un_free(t);
    return st;
}

static unet_status add_training(un_text *t, const unet_model *m, un_shape in, unet_error *err)
{
    size_t kept, less;
    unet_error e = {0};
    unet_status st = training_bytes(&kept, m, in, UN_CFG_RECOMPUTE_NORMS, &e);

    if (!st)
        st = training_bytes(&less, m, in, UN_CFG_RECOMPUTE_ON, &e);
    if (st == UNET_E_NOMEM) {
        if (err)
            *err = e;
        return st;
    }
    if (st) /* of a network that cannot be trained as its configuration says */
        un_text_printf(t, "memory of training: not known; %s: %s\n", e.where, e.message);
    else
        un_text_printf(t,
            "memory of training, %d pictures of this size at once: %.1f MiB beside the weights, %.1f MiB with "
            "train.recompute=on\n",
            TOGETHER, (double)kept / 1048576, (double)less / 1048576);
    return UNET_OK;
}

unet_status unet_model_describe(char **out, const unet_model *m, const int size[3], unet_error *err)
{
    const un_session_options so = un_api_session_options(m->c);
    un_shape in = on_grid(m, size);
    size_t bytes;
    un_text t;
    unet_status st;

    *out = NULL;
    un_error_clear(err);
    un_text_init(&t, m->c->mem, TEXT_MAX);
    st = un_model_describe(&t, m->m->graph, &m->m->config.model, in, err);
    if (!st)
        st = un_session_bytes(&bytes, m->c->mem, m->m, in, &so, err);
    if (st) {
        un_text_free(&t);
        return st;
    }
    un_text_printf(&t, "memory of a prediction in one piece: %.1f MiB, and %.1f MiB of weights\n",
        (double)bytes / 1048576, (double)m->m->graph->block_count * 4 / 1048576);
    st = add_training(&t, m, in, err);
    if (st) {
        un_text_free(&t);
        return st;
    }
    return un_api_text(out, &t, err);
}

unet_status unet_model_drawing(char **svg, const unet_model *m, const int size[3], unet_error *err)
{
    un_text t;

    *svg = NULL;
    un_error_clear(err);
    un_text_init(&t, m->c->mem, TEXT_MAX);
    un_model_drawing(&t, &m->m->config.model, on_grid(m, size));
    return un_api_text(svg, &t, err);
}
