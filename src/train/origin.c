#include "train/origin.h"

#include <string.h>

#include "base/size.h"
#include "model/import.h"

enum { TOLD_MOST = 6 };

unet_status un_origin_config(un_config *cfg, const un_model *from, unet_error *err)
{
    const un_config *f = &from->config;
    un_cfg_model m = f->model;

    if (!un_is_auto(cfg->model.dims) && cfg->model.dims != m.dims)
        return un_fail_file(err, UNET_E_CONFIG, "model.dims", "the model to start from is %d-D", m.dims);
    m.in_channels = cfg->model.in_channels;
    m.classes = cfg->model.classes;
    m.head = cfg->model.head;
    m.init = cfg->model.init;
    memcpy(m.encoder_weights, cfg->model.encoder_weights, sizeof m.encoder_weights);
    cfg->model = m;
    if (cfg->data.normalise == UN_CFG_NORMALISE_AUTO) {
        cfg->data.normalise = f->data.normalise;
        cfg->data.mean = f->data.mean;
        cfg->data.std = f->data.std;
        cfg->data.window_centre = f->data.window_centre;
        cfg->data.window_width = f->data.window_width;
    }
    return UNET_OK;
}

static const un_param *find(const un_graph *g, const char *name)
{
    for (int i = 0; i < g->n_params; i++)
        if (!strcmp(g->param[i].name, name))
            return &g->param[i];
    return NULL;
}

/* A first layer that differs in the channels of the picture alone. */
static int other_channels(const un_graph *g, const un_param *p, const un_param *q)
{
    return p->rank == q->rank && p->rank > 2 && p->dims[0] == q->dims[0] && p->dims[1] != q->dims[1] &&
           !memcmp(p->dims + 2, q->dims + 2, (size_t)(p->rank - 2) * sizeof *p->dims) && un_reads_picture(g, p);
}

int un_origin_weights(un_model *to, const un_model *from, un_text *told)
{
    int copied = 0, left = 0;

    for (int i = 0; i < to->graph->n_params; i++) {
        const un_param *p = &to->graph->param[i], *q = find(from->graph, p->name);

        if (q && other_channels(to->graph, p, q)) {
            un_adapt_channels(to->weights + p->offset, p->dims[1], from->weights + q->offset, q->dims[1], p->dims[0],
                p->count / p->dims[0] / p->dims[1]);
            copied++;
        } else if (q && q->count == p->count && !memcmp(q->dims, p->dims, sizeof p->dims)) {
            memcpy(to->weights + p->offset, from->weights + q->offset, (size_t)p->count * sizeof *to->weights);
            copied++;
        } else if (told && left++ < TOLD_MOST)
            un_text_printf(told, "%s%s", left > 1 ? ", " : "made anew, since its shape differs: ", p->name);
    }
    if (told && left > TOLD_MOST)
        un_text_printf(told, " and %d more", left - TOLD_MOST);
    return copied;
}
