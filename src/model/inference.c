/* What of a network runs when it is used. */
#include "model/build.h"

#include <stdio.h>

#include "graph/keep.h"

/* UNet++ cut to its first columns (Zhou et al. 2018, section 3.2): the output of that column, with its probabilities.
 */
static unet_status add_column(un_graph *g, const un_cfg_model *m, int columns, int out[2], unet_error *err)
{
    const un_attr a = {.softmax = {m->head != UN_CFG_HEAD_SOFTMAX}};
    char name[16];

    if (m->decoder != UN_CFG_DECODER_NESTED || columns > m->depth)
        return un_fail_file(err, UNET_E_CONFIG, "predict.columns",
            "%d; the network has %d columns that can be left out", columns,
            m->decoder == UN_CFG_DECODER_NESTED ? m->depth : 0);
    snprintf(name, sizeof name, "side%d", m->depth - columns);
    out[0] = un_graph_find_value(g, name);
    if (out[0] == UN_NONE)
        return un_fail_file(err, UNET_E_CONFIG, "predict.columns",
            "the network was trained without an output at column %d (model.supervision)", columns);
    out[1] = un_graph_op(g, UN_OP_SOFTMAX, "probabilities", out, 1, &a);
    return UNET_OK;
}

unet_status un_model_inference(un_graph **out, un_mem *mem, const un_graph *g, const un_config *c, unet_error *err)
{
    const int columns = un_is_auto(c->predict.columns) ? c->model.depth : c->predict.columns;
    int outputs[2] = {g->output[0], g->n_outputs > 1 ? g->output[1] : g->output[0]};
    un_graph *copy;
    unet_status st;

    *out = NULL;
    if (columns == c->model.depth)
        return un_graph_keep(out, mem, g, outputs, g->n_outputs > 1 ? 2 : 1, err);
    st = un_graph_clone(&copy, mem, g, err);
    if (st)
        return st;
    st = add_column(copy, &c->model, columns, outputs, err);
    if (!st)
        st = un_graph_keep(out, mem, copy, outputs, 2, err);
    un_graph_destroy(copy);
    return st;
}
