/* What scales values by values: squeeze and excitation, attention gates. */
#include "model/builder.h"

#include <stdio.h>

#include "base/size.h"
#include "kernels/args.h"

enum { NAME = 96 };

/* One factor for each channel of a sample, from the means over its pixels (Hu et al. 2018). */
static int channel_factors(un_builder *b, const char *block, int x, int channels)
{
    static const un_attr mean = {.spread = {1}};
    const int inner = UN_MAX(channels / b->m->se_ratio, 1);
    char name[NAME];

    snprintf(name, sizeof name, "%s.squeeze", block);
    x = un_graph_op(b->g, UN_OP_GLOBAL_POOL, name, &x, 1, &mean);
    snprintf(name, sizeof name, "%s.reduce", block);
    x = un_build_pointwise(b, name, x, channels, inner, 1);
    x = un_build_act(b, name, x, UN_ACT_RELU);
    snprintf(name, sizeof name, "%s.excite", block);
    x = un_build_pointwise(b, name, x, inner, channels, 1);
    return un_build_act(b, name, x, UN_ACT_SIGMOID);
}

int un_build_recalibrate(un_builder *b, const char *block, int x, int channels)
{
    char name[NAME];
    int y, z;

    if (b->m->recalibrate == UN_CFG_RECALIBRATE_NONE)
        return x;
    snprintf(name, sizeof name, "%s.scale", block);
    y = un_build_binary(b, UN_OP_MUL, name, x, channel_factors(b, block, x, channels));
    if (b->m->recalibrate == UN_CFG_RECALIBRATE_SE)
        return y;
    snprintf(name, sizeof name, "%s.pixels", block); /* and one for each pixel (Roy, Navab, Wachinger 2018) */
    z = un_build_pointwise(b, name, x, channels, 1, 1);
    z = un_build_act(b, name, z, UN_ACT_SIGMOID);
    snprintf(name, sizeof name, "%s.scale_pixels", block);
    z = un_build_binary(b, UN_OP_MUL, name, x, z);
    snprintf(name, sizeof name, "%s.scse", block);
    return un_build_binary(b, UN_OP_ADD, name, y, z);
}

/* a = sigmoid(psi relu(W_x x + W_g g + b)) at the coarse extents, made larger linearly; the skip connection is a x
 * (Oktay et al. 2018, section 3). The value "gate<level>" is the attention map. */
int un_build_gate(un_builder *b, int level, int skip, int g, int g_channels)
{
    const int channels = un_model_encoded(b->m, level), inner = UN_MAX(channels / 2, 1);
    un_conv_layer l = {.ci = channels, .co = inner, .patches = 1};
    char name[NAME], gate[32];
    int x;

    if (b->m->gate == UN_CFG_GATE_NONE)
        return skip;
    snprintf(gate, sizeof gate, "gate%d", level);
    snprintf(name, sizeof name, "%s.x", gate);
    l.name = name;
    un_model_stride(b->m, level, l.k);
    un_model_stride(b->m, level, l.stride);
    x = un_build_conv(b, &l, skip);
    snprintf(name, sizeof name, "%s.g", gate);
    g = un_build_pointwise(b, name, g, g_channels, inner, 1);
    snprintf(name, sizeof name, "%s.add", gate);
    x = un_build_act(b, name, un_build_binary(b, UN_OP_ADD, name, x, g), UN_ACT_RELU);
    snprintf(name, sizeof name, "%s.psi", gate);
    x = un_build_act(b, name, un_build_pointwise(b, name, x, inner, 1, 1), UN_ACT_SIGMOID);
    x = un_build_resize(b, gate, x, l.k);
    snprintf(name, sizeof name, "%s.mul", gate);
    return un_build_binary(b, UN_OP_MUL, name, skip, x);
}
