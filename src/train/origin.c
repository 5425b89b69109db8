#include "train/origin.h"

#include <math.h>
#include <string.h>

#include "base/size.h"
#include "model/import.h"

enum { TOLD_MOST = 6 };

/* The model's section, with what need not be the model's: the ends of the network, and what only training does. */
static void take_model(un_cfg_model *to, const un_cfg_model *model, const un_cfg_model *told, const un_cfg_model *usual)
{
    *to = *model;
    to->in_channels = told->in_channels;
    to->classes = told->classes;
    to->head = told->head;
    to->init = told->init;
    memcpy(to->encoder_weights, told->encoder_weights, sizeof to->encoder_weights);
    if (told->dropout > 0) {
        to->dropout = told->dropout;
        to->dropout_spatial = told->dropout_spatial;
        to->dropout_block = told->dropout_block;
        to->dropout_at = told->dropout_at;
    }
    if (told->drop_path > 0)
        to->drop_path = told->drop_path;
    if (fabs(told->norm_momentum - usual->norm_momentum) > 0)
        to->norm_momentum = told->norm_momentum;
}

unet_status un_origin_config(un_config *cfg, const un_model *from, un_mem *mem, unet_error *err)
{
    const un_config *f = &from->config;
    un_config *both = un_alloc_array(mem, 2, sizeof *both), *usual, *held;
    un_config_difference d;
    unet_status st;

    if (!both)
        return un_fail_nomem(err, 2 * sizeof *both);
    usual = &both[0];
    held = &both[1];
    st = un_config_init(usual, mem, err);
    if (!st) {
        *held = *cfg;
        take_model(&held->model, &f->model, &cfg->model, &usual->model);
        if (un_config_differs(&d, cfg, held, usual))
            st = un_fail_file(err, UNET_E_CONFIG, d.key,
                "%s, but the model to start from has %s, and its weights fit no other network; leave the key out, or "
                "train without --from",
                d.a, d.b);
    }
    if (!st) {
        cfg->model = held->model;
        if (cfg->data.normalise == UN_CFG_NORMALISE_AUTO) {
            cfg->data.normalise = f->data.normalise;
            cfg->data.mean = f->data.mean;
            cfg->data.std = f->data.std;
            cfg->data.window_centre = f->data.window_centre;
            cfg->data.window_width = f->data.window_width;
        }
    }
    un_free(both);
    return st;
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
