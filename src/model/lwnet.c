/* lwnet: one small U-Net, or two in a row of which the second reads the picture and the logits of the first (Galdran et
 * al., "The little W-Net that could", 2020). Convolution, ReLU, batch norm; a 1x1 convolution with norm round each
 * block; a convolution in each skip connection. Its extents and filters are read off the shapes in the file, and
 * parameters keep the names that they have there. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "kernels/args.h"
#include "model/builder.h"
#include "model/import.h"

enum { NAME = 80, FILTERS_MOST = 4096 };

typedef struct net {
    un_builder b;
    const un_weights *w;
    char prefix[64]; /* in the file, before the names */
    int filters[UN_CFG_LEVELS_MAX], depth, out;
} net;

static const un_weight *find(const net *n, const char *unet, const char *name)
{
    char full[2 * NAME];

    return snprintf(full, sizeof full, "%s%s%s", n->prefix, unet, name) < (int)sizeof full ? un_weights_find(n->w, full)
                                                                                           : NULL;
}

/* Convolution with bias, ReLU, batch norm two names further. */
static int unit(net *n, const char *block, int at, int ci, int co, int x)
{
    char conv[NAME], norm[NAME];
    const un_conv_layer l = {.name = conv, .ci = ci, .co = co, .k = {1, 3, 3}, .bias = 1};

    snprintf(conv, sizeof conv, "%.48s.block.%d", block, at);
    snprintf(norm, sizeof norm, "%.48s.block.%d", block, at + 2);
    x = un_build_act(&n->b, conv, un_build_conv(&n->b, &l, x), UN_ACT_RELU);
    return un_build_batch_norm(&n->b, norm, x, co, 1e-5, UN_ACT_NONE);
}

static int block(net *n, const char *name, int ci, int co, int x)
{
    char conv[NAME], norm[NAME];
    const int y = unit(n, name, 3, co, co, unit(n, name, 0, ci, co, x));

    snprintf(conv, sizeof conv, "%.48s.shortcut.0", name);
    snprintf(norm, sizeof norm, "%.48s.shortcut.1", name);
    x = un_build_batch_norm(&n->b, norm, un_build_pointwise(&n->b, conv, x, ci, co, 0), co, 1e-5, UN_ACT_NONE);
    snprintf(conv, sizeof conv, "%.48s.add", name);
    return un_build_binary(&n->b, UN_OP_ADD, conv, y, x);
}

static int up(net *n, const char *unet, int i, int x, int skip)
{
    const int level = n->depth - 1 - i, co = n->filters[level], s[3] = {1, 2, 2};
    char name[NAME];

    snprintf(name, sizeof name, "%sup_path.%d.up_layer.block.0", unet, i);
    x = un_build_transposed(&n->b, name, x, n->filters[level + 1], co, s, 1);
    snprintf(name, sizeof name, "%sup_path.%d.conv_bridge_layer", unet, i);
    skip = unit(n, name, 0, co, co, skip);
    snprintf(name, sizeof name, "%sup_path.%d.cat", unet, i);
    x = un_build_join(&n->b, name, (int[]){x, skip}, 2);
    snprintf(name, sizeof name, "%sup_path.%d.conv_layer", unet, i);
    return block(n, name, 2 * co, co, x);
}

static int one(net *n, const char *unet, int ci, int x)
{
    int enc[UN_CFG_LEVELS_MAX];
    char name[NAME];

    snprintf(name, sizeof name, "%sfirst", unet);
    x = enc[0] = block(n, name, ci, n->filters[0], x);
    for (int i = 0; i < n->depth; i++) {
        const un_attr a = {.pool = {.k = {1, 2, 2}, .stride = {1, 2, 2}}};

        snprintf(name, sizeof name, "%spool%d", unet, i);
        x = un_graph_op(n->b.g, UN_OP_MAX_POOL, name, &x, 1, &a);
        snprintf(name, sizeof name, "%sdown_path.%d", unet, i);
        x = enc[i + 1] = block(n, name, n->filters[i], n->filters[i + 1], x);
    }
    for (int i = 0; i < n->depth; i++)
        x = up(n, unet, i, x, enc[n->depth - 1 - i]);
    snprintf(name, sizeof name, "%sfinal", unet);
    return un_build_pointwise(&n->b, name, x, n->filters[0], n->out, 1);
}

/* Channels of an output or input of a weight; 0: there is no such weight. */
static int extent(const net *n, const char *unet, const char *name, int axis)
{
    const un_weight *t = find(n, unet, name);

    return t && t->rank == 4 && t->dims[axis] <= FILTERS_MOST ? (int)t->dims[axis] : 0;
}

/* Depth, filters and channels off the shapes of the first U-Net; 0: the file is none of these. */
static int measure(net *n, const char *unet, un_cfg_model *m)
{
    char name[NAME];

    n->filters[0] = extent(n, unet, "first.block.0.weight", 0);
    m->in_channels = extent(n, unet, "first.block.0.weight", 1);
    n->out = extent(n, unet, "final.weight", 0);
    for (n->depth = 0; n->depth + 1 < UN_CFG_LEVELS_MAX; n->depth++) {
        snprintf(name, sizeof name, "down_path.%d.block.0.weight", n->depth);
        n->filters[n->depth + 1] = extent(n, unet, name, 0);
        if (!n->filters[n->depth + 1])
            break;
    }
    m->dims = 2;
    m->depth = n->depth;
    m->base_filters = n->filters[0];
    m->classes = UN_MAX(n->out, 2);
    m->head = n->out == 1 ? UN_CFG_HEAD_SIGMOID : UN_CFG_HEAD_SOFTMAX;
    m->norm = UN_CFG_NORM_BATCH;
    return n->filters[0] && m->in_channels && m->in_channels <= 1024 && n->depth && n->out && n->out <= 256;
}

/* The file has a first block under this name: what stands before it is the prefix. */
static int open_names(net *n, const char *first)
{
    const size_t want = strlen(first);

    for (size_t i = 0; i < un_weights_count(n->w); i++) {
        const char *full = un_weights_at(n->w, i)->name;
        const size_t have = strlen(full);

        if (have >= want && have - want < sizeof n->prefix && !strcmp(full + have - want, first) &&
            (have == want || full[have - want - 1] == '.')) {
            snprintf(n->prefix, sizeof n->prefix, "%.*s", (int)(have - want), full);
            return 1;
        }
    }
    return 0;
}

static void build(net *n, int two)
{
    const un_attr a = {.softmax = {n->out == 1}};
    const int picture = un_graph_input(n->b.g, "image", UN_TYPE_REAL, n->b.m->in_channels);
    int x = one(n, two ? "unet1." : "", n->b.m->in_channels, picture);

    if (two)
        x = one(n, "unet2.", n->b.m->in_channels + n->out, un_build_join(&n->b, "unet2.cat", (int[]){picture, x}, 2));
    un_graph_output(n->b.g, x);
    un_graph_output(n->b.g, un_graph_op(n->b.g, UN_OP_SOFTMAX, "probabilities", &x, 1, &a));
}

unet_status un_import_lwnet(un_model **out, un_mem *mem, const un_config *cfg, const un_weights *w, unet_error *err)
{
    un_config *c = un_alloc(mem, sizeof *c);
    net n = {.w = w};
    int two;
    unet_status st;

    *out = NULL;
    if (!c)
        return un_fail_nomem(err, sizeof *c);
    *c = *cfg;
    n.b.m = &c->model;
    two = open_names(&n, "unet1.first.block.0.weight");
    if ((!two && !open_names(&n, "first.block.0.weight")) || !measure(&n, two ? "unet1." : "", &c->model)) {
        un_free(c);
        return UNET_OK;
    }
    if (c->data.normalise == UN_CFG_NORMALISE_AUTO)
        c->data.normalise = UN_CFG_NORMALISE_MINMAX; /* pictures as numbers from 0 to 1 */
    st = un_graph_create(&n.b.g, mem, err);
    if (!st) {
        build(&n, two);
        st = un_model_from_graph(out, mem, c, n.b.g, err);
    }
    un_free(c);
    return st;
}
