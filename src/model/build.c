/* The U-Net family as a graph: the classic U-Net (Ronneberger, Fischer, Brox, MICCAI 2015; 3-D: Cicek 2016) and what
 * the configuration makes of it. */
#include "model/build.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "kernels/args.h"
#include "model/builder.h"

int un_model_filters(const un_cfg_model *m, int level)
{
    double f = m->base_filters * m->width;

    for (int i = 0; i < level; i++)
        f *= m->growth;
    return (int)UN_MAX(UN_MIN(floor(f + 0.5), (double)m->max_filters), 1);
}

int un_model_channels(const un_cfg_model *m)
{
    return m->head == UN_CFG_HEAD_SIGMOID ? 1 : m->classes;
}

int un_model_sides(const un_cfg_model *m)
{
    return UN_MAX(UN_MIN(m->supervision.n, m->depth - (m->decoder == UN_CFG_DECODER_NESTED)), 0);
}

/* The stride of the stem. */
static void stem_stride(const un_cfg_model *m, int out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = m->stem == UN_CFG_STEM_NONE || (i == 0 && m->dims == 2) ? 1 : m->stem_size;
}

void un_model_level_grid(const un_cfg_model *m, int level, int grid[3])
{
    stem_stride(m, grid);
    for (int k = 0; k < level; k++) {
        int s[3];

        un_model_stride(m, k, s);
        for (int i = 0; i < 3; i++)
            grid[i] *= s[i];
    }
}

void un_model_grid(const un_cfg_model *m, int grid[3])
{
    un_model_level_grid(m, m->depth, grid);
}

/* The picture as level 0 sees it. *channels: of the picture, then of the result. */
static int stem(un_builder *b, int x, int *channels)
{
    un_unit u = {.block = "stem", .tag = "", .conv = {.ci = *channels, .co = un_model_filters(b->m, 0), .patches = 1}};
    un_attr a = {0};

    if (b->m->stem == UN_CFG_STEM_NONE)
        return x;
    if (b->m->stem == UN_CFG_STEM_BLOCKS) {
        stem_stride(b->m, a.blocks.size);
        *channels *= a.blocks.size[0] * a.blocks.size[1] * a.blocks.size[2];
        return un_graph_op(b->g, UN_OP_SPACE_TO_DEPTH, "stem", &x, 1, &a);
    }
    stem_stride(b->m, u.conv.k);
    stem_stride(b->m, u.conv.stride);
    *channels = u.conv.co;
    return un_build_unit(b, &u, x);
}

/* All levels on the way down: enc[level]. */
static void encode(un_builder *b, int x, int channels, int *enc)
{
    const un_cfg_model *m = b->m;
    char name[16];

    for (int level = 0; level <= m->depth; level++) {
        un_block k = {.name = name, .level = level, .ci = channels, .stride = {1, 1, 1}};

        snprintf(name, sizeof name, "enc%d", level);
        if (level > 0 && m->downsample == UN_CFG_DOWN_CONV)
            un_model_stride(m, level - 1, k.stride);
        else if (level > 0)
            x = un_build_pool(b, level - 1, x);
        k.co = channels = un_model_filters(m, level);
        k.count = un_config_int_at(&m->convs_per_level, level);
        k.picture = level == 0 && m->stem == UN_CFG_STEM_NONE;
        x = enc[level] = un_build_block(b, &k, x);
    }
    enc[m->depth] = un_build_bottom(b, x);
}

/* Behind a stem the head is a transposed convolution: a 1x1 one to stem_size^dims times the classes whose channels
 * become pixels (Shi et al. 2016). */
static int head(un_builder *b, const char *name, int x, int channels)
{
    const int co = un_model_channels(b->m);
    int s[3];

    stem_stride(b->m, s);
    return b->m->stem == UN_CFG_STEM_NONE ? un_build_pointwise(b, name, x, channels, co, 1)
                                          : un_build_transposed(b, name, x, channels, co, s, 1);
}

/* Deep supervision (Lee et al. 2015): outputs that only training reads, at the extents of their level; those of a
 * nested decoder at full size, where fewer columns may run. */
static void side_outputs(un_builder *b, const un_decoded *d, int *side)
{
    const int whole = b->m->decoder == UN_CFG_DECODER_NESTED, co = un_model_channels(b->m);
    const un_cfg_nums *weight = &b->m->supervision;
    char name[16];

    for (int i = 1; i <= un_model_sides(b->m); i++) {
        snprintf(name, sizeof name, "side%d", i);
        side[i] = !(weight->v[i - 1] > 0) ? UN_NONE
                  : whole                 ? head(b, name, d->side[i], d->side_channels[i])
                                          : un_build_pointwise(b, name, d->side[i], d->side_channels[i], co, 1);
    }
}

static void outputs(un_builder *b, const un_decoded *d)
{
    const un_attr a = {.softmax = {b->m->head != UN_CFG_HEAD_SOFTMAX}};
    int side[UN_CFG_LEVELS_MAX + 1], x;

    side_outputs(b, d, side);
    x = head(b, "head", d->x, d->channels);
    un_graph_output(b->g, x);
    un_graph_output(b->g, un_graph_op(b->g, UN_OP_SOFTMAX, "probabilities", &x, 1, &a));
    for (int i = 1; i <= un_model_sides(b->m); i++)
        if (side[i] != UN_NONE)
            un_graph_output(b->g, side[i]);
}

static unet_status check_resolved(const un_cfg_model *m, unet_error *err)
{
    const struct {
        int is_auto;
        const char *key;
    } row[] = {
        {un_is_auto(m->dims), "model.dims"},
        {un_is_auto(m->in_channels), "model.in_channels"},
        {un_is_auto(m->classes), "model.classes"},
        {un_is_auto(m->depth), "model.depth"},
        {un_is_auto(m->base_filters), "model.base_filters"},
        {m->norm == UN_CFG_NORM_AUTO, "model.norm"},
        {m->head == UN_CFG_HEAD_AUTO, "model.head"},
    };

    for (size_t i = 0; i < UN_COUNT(row); i++)
        if (row[i].is_auto)
            return un_fail_file(
                err, UNET_E_CONFIG, row[i].key, "still auto; set it, or let `unet plan` choose from the data");
    return UNET_OK;
}

unet_status un_model_build(un_graph **out, un_mem *mem, const un_cfg_model *m, unet_error *err)
{
    un_builder b = {.m = m};
    int enc[UN_CFG_LEVELS_MAX], x, channels = m->in_channels;
    un_decoded d = {0};
    unet_status st = check_resolved(m, err);

    *out = NULL;
    if (!st)
        st = un_graph_create(&b.g, mem, err);
    if (st)
        return st;
    x = un_graph_input(b.g, "image", UN_TYPE_REAL, channels);
    x = stem(&b, x, &channels);
    if (m->encoder == UN_CFG_ENCODER_NONE) {
        encode(&b, x, channels, enc);
    } else {
        un_build_encoder(&b, x, enc);
        enc[m->depth] = un_build_bottom(&b, enc[m->depth]);
    }
    un_build_decoder(&b, enc, &d);
    outputs(&b, &d);
    st = un_graph_check(b.g, err);
    if (st) {
        un_graph_destroy(b.g);
        return st;
    }
    *out = b.g;
    return UNET_OK;
}

void un_model_set_training(un_graph *g, int training)
{
    for (int i = 0; i < g->n_nodes; i++) {
        un_node *n = &g->node[i];

        if (n->op == UN_OP_NORM && n->attr.norm.mode == UN_NORM_BATCH) {
            n->attr.norm.use_running = !training;
            n->attr.norm.update_running = training;
        }
    }
}
