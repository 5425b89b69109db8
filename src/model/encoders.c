/* Known networks as the way down. Parameters are called "encoder." and what torchvision calls them, so that files of
 * weights fit by their names. A level is the last value at its extents; on levels before the first it is the picture.
 * VGG: Simonyan and Zisserman 2015. ResNet: He et al. 2016 (stride of a bottleneck in its 3x3 convolution).
 * MobileNetV2: Sandler et al. 2018. EfficientNet: Tan and Le 2019. */
#include "model/builder.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "config/encoders.h"
#include "kernels/args.h"

enum { BLOCK = 40, PART = 56, NAME = 80, STAGES = 8 };

/* Blocks of one kind: factor of the channels inside, kernel, output channels, how many, stride of the first. */
typedef struct stage {
    int expand, k, co, count, stride;
} stage;

typedef struct plan plan;
struct plan {
    void (*build)(un_builder *b, const plan *p, int x, int *enc);
    int norm;       /* VGG: 1: batch norms */
    int bottleneck; /* ResNet: factor of the channels of a stage's output */
    int small;      /* ResNet: 1: for small pictures */
    int late_padding, act;
    double eps;
    int first; /* channels of the first convolution */
    stage stages[STAGES];
};

/* A convolution with the name of its weight and that of the batch norm behind it (NULL: none). */
typedef struct layer {
    const char *conv, *norm;
    int ci, co, k, stride, groups, act, bias;
} layer;

static int build_layer(un_builder *b, const plan *p, const layer *l, int x)
{
    const int k = UN_MAX(l->k, 1), stride = UN_MAX(l->stride, 1);
    const un_conv_layer c = {.name = l->conv,
        .ci = l->ci,
        .co = l->co,
        .k = {1, k, k},
        .stride = {1, stride, stride},
        .groups = l->groups,
        .bias = l->bias,
        .late_padding = p->late_padding};

    x = un_build_conv(b, &c, x);
    return l->norm ? un_build_batch_norm(b, l->norm, x, l->co, p->eps, l->act) : un_build_act(b, l->conv, x, l->act);
}

static int pool(un_builder *b, const char *name, int x, int k, int pad)
{
    const un_attr a = {.pool = {.k = {1, k, k}, .stride = {1, 2, 2}, .pad = {0, pad, pad}}};

    return un_graph_op(b->g, UN_OP_MAX_POOL, name, &x, 1, &a);
}

static int add(un_builder *b, const char *block, int x, int y, int act)
{
    char name[NAME];

    snprintf(name, sizeof name, "%s.add", block);
    x = un_build_binary(b, UN_OP_ADD, name, x, y);
    return un_build_act(b, name, x, act);
}

/* ---- VGG: convolutions and poolings in one list, counted with their norms and activations ---- */

static void vgg(un_builder *b, const plan *p, int x, int *enc)
{
    int ci = b->m->in_channels, at = 0;
    char conv[NAME], norm[NAME];

    for (int level = 0; level <= b->m->depth; level++, at++) {
        const stage *s = &p->stages[level];

        for (int i = 0; i < s->count; i++, ci = s->co) {
            const layer l = {conv, p->norm ? norm : NULL, ci, s->co, 3, 1, 1, UN_ACT_RELU, 1};

            snprintf(conv, sizeof conv, "encoder.features.%d", at);
            snprintf(norm, sizeof norm, "encoder.features.%d", at + 1);
            x = build_layer(b, p, &l, x);
            at += 2 + p->norm;
        }
        enc[level] = x;
        if (level < b->m->depth) {
            snprintf(conv, sizeof conv, "encoder.features.%d", at);
            x = pool(b, conv, x, 2, 0);
        }
    }
}

/* ---- ResNet ---- */

/* A layer whose names begin with `prefix`. */
static int named(un_builder *b, const plan *p, const char *prefix, const char *conv, const char *norm, layer l, int x)
{
    char c[NAME], n[NAME];

    snprintf(c, sizeof c, "%s.%s", prefix, conv);
    snprintf(n, sizeof n, "%s.%s", prefix, norm);
    l.conv = c;
    l.norm = n;
    return build_layer(b, p, &l, x);
}

/* Layer i of a block: convI and bnI. */
static int residual_layer(un_builder *b, const plan *p, const char *block, int i, layer l, int x)
{
    char conv[16], norm[16];

    snprintf(conv, sizeof conv, "conv%d", i);
    snprintf(norm, sizeof norm, "bn%d", i);
    return named(b, p, block, conv, norm, l, x);
}

/* The input in the shape of the output: itself, or a 1x1 convolution; for small pictures without a norm, since there it
 * stands for every second pixel with channels of zeros (He 2016, option A), which un_import_weights makes of it. */
static int shortcut(un_builder *b, const plan *p, const char *block, int ci, int co, int stride, int x)
{
    char conv[NAME], norm[NAME];
    const layer l = {conv, p->small ? NULL : norm, ci, co, 1, stride, 1, UN_ACT_NONE, 0};

    snprintf(conv, sizeof conv, p->small ? "%s.shortcut" : "%s.downsample.0", block);
    snprintf(norm, sizeof norm, "%s.downsample.1", block);
    return ci == co && stride == 1 ? x : build_layer(b, p, &l, x);
}

static int residual(un_builder *b, const plan *p, const char *block, const stage *s, int ci, int stride, int x)
{
    const int co = s->co * p->bottleneck, deep = p->bottleneck > 1;
    const layer narrow = {.ci = ci, .co = s->co, .k = 1, .act = UN_ACT_RELU},
                middle = {.ci = s->co, .co = s->co, .k = 3, .stride = stride, .act = UN_ACT_RELU},
                wide = {.ci = s->co, .co = co, .k = 1},
                first = {.ci = ci, .co = co, .k = 3, .stride = stride, .act = UN_ACT_RELU},
                second = {.ci = co, .co = co, .k = 3};
    int y = residual_layer(b, p, block, 1, deep ? narrow : first, x);

    y = residual_layer(b, p, block, 2, deep ? middle : second, y);
    if (deep)
        y = residual_layer(b, p, block, 3, wide, y);
    return add(b, block, y, shortcut(b, p, block, ci, co, stride, x), UN_ACT_RELU);
}

static void resnet(un_builder *b, const plan *p, int x, int *enc)
{
    const layer stem = {"encoder.conv1", "encoder.bn1", b->m->in_channels, p->first, p->small ? 3 : 7, p->small ? 1 : 2,
        1, UN_ACT_RELU, 0};
    int level = p->small ? 0 : 1, ci = p->first;
    char block[BLOCK];

    enc[0] = x;
    enc[level] = x = build_layer(b, p, &stem, x);
    if (!p->small && b->m->depth > 1)
        x = pool(b, "encoder.maxpool", x, 3, 1);
    for (int i = 0; i < STAGES && p->stages[i].count; i++) {
        const stage *s = &p->stages[i];

        level += i > 0 || !p->small;
        if (level > b->m->depth)
            break;
        for (int k = 0; k < s->count; k++, ci = s->co * p->bottleneck) {
            snprintf(block, sizeof block, "encoder.layer%d.%d", i + 1, k);
            x = residual(b, p, block, s, ci, k ? 1 : s->stride, x);
        }
        enc[level] = x;
    }
}

/* ---- MobileNetV2, EfficientNet: inverted residuals ---- */

/* One factor for each channel from the means over the pixels; `narrow` channels in between. */
static int squeeze(un_builder *b, const plan *p, const char *prefix, int x, int channels, int narrow)
{
    static const un_attr mean = {.spread = {1}};
    char name[NAME];
    int y;

    snprintf(name, sizeof name, "%s.avgpool", prefix);
    y = un_graph_op(b->g, UN_OP_GLOBAL_POOL, name, &x, 1, &mean);
    snprintf(name, sizeof name, "%s.fc1", prefix);
    y = un_build_act(b, name, un_build_pointwise(b, name, y, channels, narrow, 1), p->act);
    snprintf(name, sizeof name, "%s.fc2", prefix);
    y = un_build_act(b, name, un_build_pointwise(b, name, y, narrow, channels, 1), UN_ACT_SIGMOID);
    snprintf(name, sizeof name, "%s.scale", prefix);
    return un_build_binary(b, UN_OP_MUL, name, x, y);
}

/* "conv.0.0" expands, "conv.1.0" filters, "conv.2" projects; without expansion all are one lower. */
static int mobile_block(un_builder *b, const plan *p, const char *block, const stage *s, int ci, int stride, int x)
{
    const int inner = ci * s->expand, more = s->expand > 1;
    const layer expand = {.ci = ci, .co = inner, .act = p->act},
                filter = {.ci = inner, .co = inner, .k = s->k, .stride = stride, .groups = inner, .act = p->act},
                project = {.ci = inner, .co = s->co};
    int y = more ? named(b, p, block, "conv.0.0", "conv.0.1", expand, x) : x;

    y = named(b, p, block, more ? "conv.1.0" : "conv.0.0", more ? "conv.1.1" : "conv.0.1", filter, y);
    y = named(b, p, block, more ? "conv.2" : "conv.1", more ? "conv.3" : "conv.2", project, y);
    return stride == 1 && ci == s->co ? add(b, block, x, y, UN_ACT_NONE) : y;
}

/* The same with "block.2" between filter and projection: squeeze and excitation by a quarter of the input. */
static int efficient_block(un_builder *b, const plan *p, const char *block, const stage *s, int ci, int stride, int x)
{
    const int inner = ci * s->expand, more = s->expand > 1;
    const layer expand = {.ci = ci, .co = inner, .act = p->act},
                filter = {.ci = inner, .co = inner, .k = s->k, .stride = stride, .groups = inner, .act = p->act},
                project = {.ci = inner, .co = s->co};
    char name[PART];
    int y = more ? named(b, p, block, "block.0.0", "block.0.1", expand, x) : x;

    y = named(b, p, block, more ? "block.1.0" : "block.0.0", more ? "block.1.1" : "block.0.1", filter, y);
    snprintf(name, sizeof name, "%s.block.%d", block, 1 + more);
    y = squeeze(b, p, name, y, inner, UN_MAX(ci / 4, 1));
    y = named(b, p, block, more ? "block.3.0" : "block.2.0", more ? "block.3.1" : "block.2.1", project, y);
    return stride == 1 && ci == s->co ? add(b, block, x, y, UN_ACT_NONE) : y;
}

/* Blocks are counted through (MobileNetV2), or by stage and place in it (EfficientNet). */
static void inverted(un_builder *b, const plan *p, int x, int *enc)
{
    const layer stem = {
        "encoder.features.0.0", "encoder.features.0.1", b->m->in_channels, p->first, 3, 2, 1, p->act, 0};
    const int efficient = p->act == UN_ACT_SILU;
    int level = 1, ci = p->first, at = 1;
    char block[BLOCK];

    enc[0] = x;
    x = build_layer(b, p, &stem, x);
    for (int i = 0; i < STAGES && p->stages[i].count; i++) {
        const stage *s = &p->stages[i];

        level += s->stride > 1;
        if (level > b->m->depth)
            break;
        for (int k = 0; k < s->count; k++, at++, ci = s->co) {
            const int stride = k ? 1 : s->stride;

            if (efficient)
                snprintf(block, sizeof block, "encoder.features.%d.%d", i + 1, k);
            else
                snprintf(block, sizeof block, "encoder.features.%d", at);
            x = efficient ? efficient_block(b, p, block, s, ci, stride, x)
                          : mobile_block(b, p, block, s, ci, stride, x);
        }
        enc[level] = x;
    }
}

/* ---- the table ---- */

#define VGG(n2, n3, bn)                                                                                                \
    {                                                                                                                  \
        .build = vgg, .norm = bn, .eps = 1e-5, .stages = {                                                             \
            {.co = 64, .count = n2},                                                                                   \
            {.co = 128, .count = n2},                                                                                  \
            {.co = 256, .count = n3},                                                                                  \
            {.co = 512, .count = n3},                                                                                  \
            {.co = 512, .count = n3}                                                                                   \
        }                                                                                                              \
    }
#define RESNET(factor, n1, n2, n3, n4)                                                                                 \
    {                                                                                                                  \
        .build = resnet, .bottleneck = factor, .eps = 1e-5, .first = 64, .stages = {                                   \
            {.co = 64, .count = n1, .stride = 1},                                                                      \
            {.co = 128, .count = n2, .stride = 2},                                                                     \
            {.co = 256, .count = n3, .stride = 2},                                                                     \
            {.co = 512, .count = n4, .stride = 2}                                                                      \
        }                                                                                                              \
    }
#define EFFICIENT(late, epsilon)                                                                                       \
    {                                                                                                                  \
        .build = inverted, .act = UN_ACT_SILU, .late_padding = late, .eps = epsilon, .first = 32, .stages = {          \
            {1, 3, 16, 1, 1},                                                                                          \
            {6, 3, 24, 2, 2},                                                                                          \
            {6, 5, 40, 2, 2},                                                                                          \
            {6, 3, 80, 3, 2},                                                                                          \
            {6, 5, 112, 3, 1},                                                                                         \
            {6, 5, 192, 4, 2},                                                                                         \
            {6, 3, 320, 1, 1}                                                                                          \
        }                                                                                                              \
    }

static const plan plans[] = {
    [UN_CFG_ENCODER_VGG11] = VGG(1, 2, 0),
    [UN_CFG_ENCODER_VGG13] = VGG(2, 2, 0),
    [UN_CFG_ENCODER_VGG16] = VGG(2, 3, 0),
    [UN_CFG_ENCODER_VGG11_BN] = VGG(1, 2, 1),
    [UN_CFG_ENCODER_VGG13_BN] = VGG(2, 2, 1),
    [UN_CFG_ENCODER_VGG16_BN] = VGG(2, 3, 1),
    [UN_CFG_ENCODER_RESNET18] = RESNET(1, 2, 2, 2, 2),
    [UN_CFG_ENCODER_RESNET34] = RESNET(1, 3, 4, 6, 3),
    [UN_CFG_ENCODER_RESNET50] = RESNET(4, 3, 4, 6, 3),
    [UN_CFG_ENCODER_RESNET20] = {.build = resnet,
        .bottleneck = 1,
        .small = 1,
        .eps = 1e-5,
        .first = 16,
        .stages = {{.co = 16, .count = 3, .stride = 1}, {.co = 32, .count = 3, .stride = 2},
            {.co = 64, .count = 3, .stride = 2}}},
    [UN_CFG_ENCODER_MOBILENET] = {.build = inverted,
        .act = UN_ACT_RELU6,
        .eps = 1e-5,
        .first = 32,
        .stages = {{1, 3, 16, 1, 1}, {6, 3, 24, 2, 2}, {6, 3, 32, 3, 2}, {6, 3, 64, 4, 2}, {6, 3, 96, 3, 1},
            {6, 3, 160, 3, 2}, {6, 3, 320, 1, 1}}},
    [UN_CFG_ENCODER_EFFICIENT] = EFFICIENT(0, 1e-5),
    [UN_CFG_ENCODER_EFFICIENT_TF] = EFFICIENT(1, 1e-3),
};

void un_build_encoder(un_builder *b, int x, int *enc)
{
    const plan *p = &plans[b->m->encoder];

    p->build(b, p, x, enc);
}

int un_model_encoded(const un_cfg_model *m, int level)
{
    const plan *p = &plans[m->encoder];
    int at = un_encoder_info_of(m->encoder)->first, channels = m->in_channels;

    if (m->encoder == UN_CFG_ENCODER_NONE)
        return un_model_filters(m, level);
    if (p->build == resnet && !p->small && level == 1)
        return p->first;
    if (level < at)
        return channels;
    at += p->build == resnet && !p->small; /* the stem is a level of its own */
    for (int i = 0; i < STAGES && p->stages[i].count; i++) {
        at += p->build == inverted ? p->stages[i].stride > 1 : i > 0;
        if (at > level)
            break;
        channels = p->stages[i].co * UN_MAX(p->bottleneck, 1);
    }
    return channels;
}
