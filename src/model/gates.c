/* The attention gates of a network (attention.c) as the output of another one. */
#include "model/file.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "graph/keep.h"
#include "model/builder.h"

/* The map of a gate at the extents of the picture; UN_NONE: the level has no gate. */
static int full_size(un_builder *b, int level)
{
    char name[32];
    int x, factor[3];

    snprintf(name, sizeof name, "gate%d", level);
    x = un_graph_find_value(b->g, name);
    if (x == UN_NONE)
        return x;
    un_model_level_grid(b->m, level, factor);
    snprintf(name, sizeof name, "gate%d.full", level);
    return factor[0] * factor[1] * factor[2] == 1 ? x : un_build_resize(b, name, x, factor);
}

/* Turns the graph into one that puts out the maps; fills the configuration of what it says. */
static unet_status put_out(un_model *m, const un_graph *from, int level[UN_CFG_LEVELS_MAX], unet_error *err)
{
    un_builder b = {.m = &m->config.model};
    int map[UN_CFG_LEVELS_MAX], outputs[2], n = 0;
    unet_status st = un_graph_clone(&b.g, m->mem, from, err);

    if (st)
        return st;
    for (int k = 0; k < b.m->depth; k++) {
        map[n] = full_size(&b, k);
        level[n] = k;
        n += map[n] != UN_NONE;
    }
    outputs[0] = outputs[1] = n ? un_build_join(&b, "gates", map, n) : UN_NONE;
    st = !n ? un_fail(err, UNET_E_ARG, "the network has no attention gate (model.gate)")
            : un_graph_keep(&m->graph, m->mem, b.g, outputs, 2, err);
    un_graph_destroy(b.g);
    m->config.model.classes = n;
    m->config.model.head = UN_CFG_HEAD_MULTILABEL;
    m->config.predict.temperature = (un_cfg_nums){1, {1}};
    return st;
}

unet_status un_model_gates(
    un_model **out, un_mem *mem, const un_model *m, int level[UN_CFG_LEVELS_MAX], unet_error *err)
{
    un_model *gates;
    unet_status st;

    *out = NULL;
    if (m->config.model.padding == UN_CFG_PAD_VALID)
        return un_fail(err, UNET_E_UNSUPPORTED, "without padding the gates do not cover the same part of the picture");
    gates = un_alloc_zero(mem, sizeof *gates);
    if (!gates)
        return un_fail_nomem(err, sizeof *gates);
    gates->mem = mem;
    gates->config = m->config;
    st = put_out(gates, m->graph, level, err);
    if (!st) {
        const size_t bytes = (size_t)UN_MAX(m->graph->block_count, 1) * sizeof *gates->weights;

        gates->weights = un_alloc(mem, bytes);
        if (gates->weights)
            memcpy(gates->weights, m->weights, bytes);
        else
            st = un_fail_nomem(err, bytes);
    }
    if (st) {
        un_model_destroy(gates);
        return st;
    }
    *out = gates;
    return UNET_OK;
}
