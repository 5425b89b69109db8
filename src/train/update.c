#include "train/update.h"

#include <string.h>

#include "kernels/args.h"
#include "train/registry.h"

int un_average_kept(const un_cfg_optimiser *c)
{
    return c->average == UN_CFG_AVERAGE_SWA || (c->average == UN_CFG_AVERAGE_EMA && c->ema_decay > 0);
}

/* ---- groups ---- */

static int begins(const char *name, const char *with)
{
    return !strncmp(name, with, strlen(with));
}

static un_cfg_part part_of(const char *name)
{
    if (begins(name, "head") || begins(name, "side"))
        return UN_CFG_PART_HEAD;
    if (begins(name, "enc") || begins(name, "stem") || begins(name, "bottom"))
        return UN_CFG_PART_ENCODER;
    return UN_CFG_PART_DECODER;
}

static un_cfg_param_kind kind_of(un_param_role role)
{
    return role == UN_PARAM_WEIGHT ? UN_CFG_KIND_WEIGHTS
           : role == UN_PARAM_BIAS ? UN_CFG_KIND_BIASES
                                   : UN_CFG_KIND_NORMS;
}

un_group_values un_group_values_of(const un_cfg_optimiser *c, const char *name, un_param_role role)
{
    const int decays = role == UN_PARAM_WEIGHT;
    un_group_values v = {1, decays ? c->weight_decay : 0, decays ? c->l1 : 0};

    for (int i = 0; i < c->groups.n; i++) {
        const un_cfg_group *g = &c->groups.v[i];

        if ((g->part != UN_CFG_PART_ALL && g->part != part_of(name)) ||
            (g->kind != UN_CFG_KIND_ALL && g->kind != kind_of(role)) || !begins(name, g->name))
            continue;
        if (!un_is_auto(g->lr))
            v.lr = g->lr;
        if (!un_is_auto(g->weight_decay))
            v.weight_decay = g->weight_decay;
    }
    return v;
}

/* ---- graphs ---- */

int un_has_gradient(const un_graph *g, int param)
{
    for (int i = 0; i < g->n_values; i++)
        if (g->value[i].store == UN_STORE_GRAD && g->value[i].param == param)
            return 1;
    return 0;
}

static unet_status make_graph(un_graph **out, un_mem *mem, const un_graph *from, unet_error *err)
{
    unet_status st = un_graph_create(out, mem, err);

    for (int i = 0; !st && i < from->n_params; i++) {
        const un_param *p = &from->param[i];

        un_graph_param(*out, p->name, p->role, p->trainable, p->rank, p->dims);
    }
    return st;
}

static void add_clip(un_graph *g, double max_norm)
{
    const un_attr clip = {.clip = {max_norm}};

    un_graph_node(g, UN_OP_CLIP, "clip", NULL, 0, &clip);
}

/* Along which axis of a weight its units lie: output channels are the second one of a transposed convolution. */
static int unit_axis(const un_graph *from, const un_param *p)
{
    if (p->role != UN_PARAM_WEIGHT)
        return UN_NONE;
    for (int i = 0; i < from->n_nodes; i++)
        if (from->node[i].op == UN_OP_CONV_TRANSPOSE && from->node[i].in[1] == p->value)
            return 1;
    return 0;
}

static void add_adaptive(un_graph *g, const un_graph *from, const un_cfg_optimiser *c)
{
    for (int i = 0; i < g->n_params && !g->failed; i++) {
        const un_attr a = {.limit = {c->clip_adaptive, 1e-3, unit_axis(from, &from->param[i])}};
        int in[2] = {g->param[i].value, UN_NONE};

        if (!un_has_gradient(from, i) || part_of(g->param[i].name) == UN_CFG_PART_HEAD)
            continue;
        in[1] = un_graph_grad(g, i);
        un_graph_node(g, UN_OP_AGC, g->param[i].name, in, 2, &a);
    }
}

/* The first clip looks for numbers that are not finite; norms are limited last. */
static void add_limits(un_graph *g, const un_graph *from, const un_cfg_optimiser *c)
{
    const un_attr value = {.limit = {c->clip_value, 0, UN_NONE}};
    const int others = c->clip_value > 0 || c->clip_adaptive > 0;

    add_clip(g, others ? 0 : c->clip_norm);
    if (c->clip_value > 0)
        un_graph_node(g, UN_OP_CLAMP, "clamp", NULL, 0, &value);
    if (c->clip_adaptive > 0)
        add_adaptive(g, from, c);
    if (others && c->clip_norm > 0)
        add_clip(g, c->clip_norm);
}

static void add_updates(un_graph *g, const un_graph *from, const un_cfg_optimiser *c)
{
    un_attr step = {.optim = un_method_attr(c)};

    for (int i = 0; i < g->n_params && !g->failed; i++) {
        const un_param *p = &g->param[i];
        const un_group_values v = un_group_values_of(c, p->name, p->role);
        int in[2] = {p->value, UN_NONE};

        if (!un_has_gradient(from, i))
            continue;
        step.optim.lr_mult = v.lr;
        step.optim.weight_decay = v.weight_decay;
        step.optim.l1 = v.l1;
        step.optim.adapt = p->role == UN_PARAM_WEIGHT;
        in[1] = un_graph_grad(g, i);
        un_graph_node(g, UN_OP_UPDATE, g->param[i].name, in, 2, &step);
    }
}

static void add_lookahead(un_graph *g, const un_graph *from, const un_cfg_optimiser *c)
{
    const un_attr a = {.lookahead = {c->lookahead, c->lookahead_alpha}};

    for (int i = 0; i < g->n_params && !g->failed; i++)
        if (un_has_gradient(from, i))
            un_graph_node(g, UN_OP_LOOKAHEAD, g->param[i].name, &g->param[i].value, 1, &a);
}

unet_status un_update_graph(
    un_graph **out, un_mem *mem, const un_graph *from, const un_cfg_optimiser *c, unet_error *err)
{
    unet_status st = make_graph(out, mem, from, err);

    if (st)
        return st;
    add_limits(*out, from, c);
    add_updates(*out, from, c);
    if (c->lookahead > 0)
        add_lookahead(*out, from, c);
    if (un_average_kept(c))
        un_graph_node(*out, UN_OP_AVERAGE, "average", NULL, 0, NULL);
    return un_graph_check(*out, err);
}

unet_status un_perturb_graph(
    un_graph **out, un_mem *mem, const un_graph *from, const un_cfg_optimiser *c, unet_error *err)
{
    const un_attr uphill = {.perturb = {c->sam_rho}};
    unet_status st = make_graph(out, mem, from, err);

    if (st)
        return st;
    add_clip(*out, 0);
    un_graph_node(*out, UN_OP_PERTURB, "perturb", NULL, 0, &uphill);
    return un_graph_check(*out, err);
}
