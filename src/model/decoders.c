/* The way up, one function a kind. */
#include "model/builder.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"

enum { NAME = 32 };

static int decoder_block(un_builder *b, const char *name, int level, int x, int ci, int co)
{
    const un_block k = {.name = name,
        .level = level,
        .ci = ci,
        .co = co,
        .count = un_config_int_at(&b->m->convs_per_level, level),
        .stride = {1, 1, 1}};

    return un_build_block(b, &k, x);
}

/* Channels of what a level hands upwards: the lowest is the encoder's. */
static int channels_of(const un_builder *b, int level)
{
    return level == b->m->depth ? un_model_encoded(b->m, level) : un_model_filters(b->m, level);
}

/* What the skip connection hands to level `level`, of the extents of `up`. A gate reads whole pixels of the coarser
 * value, so it comes before the crop where, with valid padding, a convolution made the interpolated value smaller. */
static int skipped(un_builder *b, int level, int skip, int up, int coarse, int below)
{
    char name[NAME];
    int resized;

    snprintf(name, sizeof name, "up%d.resize", level);
    resized = b->m->gate == UN_CFG_GATE_NONE ? UN_NONE : un_graph_find_value(b->g, name);
    if (resized != UN_NONE) {
        snprintf(name, sizeof name, "gate%d.crop", level);
        skip = un_build_like(b, name, skip, resized);
        skip = un_build_gate(b, level, skip, coarse, below);
    }
    snprintf(name, sizeof name, "crop%d", level);
    skip = un_build_like(b, name, skip, up);
    return resized != UN_NONE ? skip : un_build_gate(b, level, skip, coarse, below);
}

/* One level of the U: up, joined with the skip connection. */
static int decode(un_builder *b, int level, int x, int skip)
{
    const int filters = un_model_filters(b->m, level), below = channels_of(b, level + 1);
    char block[NAME], name[NAME];
    int coarse = x;

    snprintf(block, sizeof block, "dec%d", level);
    snprintf(name, sizeof name, "up%d", level);
    x = un_build_up(b, name, level, x, below, filters);
    if (!un_config_int_at(&b->m->skips, level))
        return decoder_block(b, block, level, x, filters, filters);
    skip = skipped(b, level, skip, x, coarse, below);
    snprintf(name, sizeof name, "cat%d", level);
    return decoder_block(
        b, block, level, un_build_join(b, name, (int[]){skip, x}, 2), un_model_encoded(b->m, level) + filters, filters);
}

static void plain(un_builder *b, const int *enc, un_decoded *out)
{
    int x = enc[b->m->depth];

    for (int level = b->m->depth - 1; level >= 0; level--) {
        out->side[level + 1] = x;
        out->side_channels[level + 1] = channels_of(b, level + 1);
        x = decode(b, level, x, enc[level]);
    }
    out->x = x;
    out->channels = un_model_filters(b->m, 0);
}

/* X[i][j] reads all X[i][< j] and the up-sampled X[i + 1][j - 1] (Zhou et al. 2018, equation 1). */
static void nested(un_builder *b, const int *enc, un_decoded *out)
{
    const int depth = b->m->depth;
    int grid[UN_CFG_LEVELS_MAX][UN_CFG_LEVELS_MAX + 1];
    char name[NAME];

    for (int i = 0; i <= depth; i++)
        grid[i][0] = enc[i];
    for (int j = 1; j <= depth; j++) {
        for (int i = 0; i <= depth - j; i++) {
            const int filters = un_model_filters(b->m, i);
            int list[UN_MAX_INPUTS], x;

            snprintf(name, sizeof name, "up%d_%d", i, j);
            x = un_build_up(b, name, i, grid[i + 1][j - 1],
                j == 1 ? un_model_encoded(b->m, i + 1) : un_model_filters(b->m, i + 1), filters);
            memcpy(list, grid[i], (size_t)j * sizeof *list);
            list[j] = x;
            snprintf(name, sizeof name, "cat%d_%d", i, j);
            x = un_build_join(b, name, list, j + 1);
            snprintf(name, sizeof name, "dec%d_%d", i, j);
            grid[i][j] = decoder_block(b, name, i, x, un_model_encoded(b->m, i) + j * filters, filters);
        }
        out->side[depth - j] = grid[0][j];
        out->side_channels[depth - j] = un_model_filters(b->m, 0);
    }
    out->x = grid[0][depth];
    out->channels = un_model_filters(b->m, 0);
}

/* Product of the strides from level `from` to level `to`. */
static void product(const un_cfg_model *m, int from, int to, int out[3])
{
    int s[3];

    out[0] = out[1] = out[2] = 1;
    for (int level = from; level < to; level++) {
        un_model_stride(m, level, s);
        for (int i = 0; i < 3; i++)
            out[i] *= s[i];
    }
}

/* What level `to` reads of level `from`: made smaller or larger, then a convolution to `co` channels. */
static int full_branch(un_builder *b, int from, int to, int x, int ci, int co)
{
    char block[NAME], tag[NAME], name[3 * NAME];
    un_unit u = {.block = block, .tag = tag, .conv = {.ci = ci, .co = co}};
    un_attr a = {0};

    snprintf(block, sizeof block, "full%d", to);
    snprintf(tag, sizeof tag, "_from%d", from);
    snprintf(name, sizeof name, "%s.resize%s", block, tag);
    un_config_axes_at(&b->m->kernel, to, b->m->dims, u.conv.k);
    if (from < to) {
        product(b->m, from, to, a.pool.k);
        memcpy(a.pool.stride, a.pool.k, sizeof a.pool.k);
        x = un_graph_op(b->g, UN_OP_MAX_POOL, name, &x, 1, &a);
    } else if (from > to) {
        int factor[3];

        product(b->m, to, from, factor);
        x = un_build_resize(b, name, x, factor);
    }
    return un_build_unit(b, &u, x);
}

/* Every level reads every other one: finer ones from the encoder, coarser ones from the decoder (Huang et al. 2020).
 * All branches have as many channels as level 0, and each level as many as its branches together. */
static void full(un_builder *b, const int *enc, un_decoded *out)
{
    const int depth = b->m->depth, each = un_model_filters(b->m, 0), all = each * (depth + 1);
    int dec[UN_CFG_LEVELS_MAX] = {0}, channels[UN_CFG_LEVELS_MAX] = {0};
    char name[NAME];

    dec[depth] = enc[depth];
    channels[depth] = un_model_encoded(b->m, depth);
    for (int level = depth - 1; level >= 0; level--) {
        int list[UN_MAX_INPUTS];

        for (int from = 0; from <= depth; from++)
            list[from] = full_branch(b, from, level, from <= level ? enc[from] : dec[from],
                from <= level ? un_model_encoded(b->m, from) : channels[from], each);
        snprintf(name, sizeof name, "cat%d", level);
        dec[level] = un_build_join(b, name, list, depth + 1);
        snprintf(name, sizeof name, "dec%d", level);
        dec[level] = decoder_block(b, name, level, dec[level], all, all);
        channels[level] = all;
    }
    memcpy(out->side, dec, sizeof dec);
    memcpy(out->side_channels, channels, sizeof channels);
    out->x = dec[0];
    out->channels = all;
}

void un_build_decoder(un_builder *b, const int *enc, un_decoded *out)
{
    static void (*const kinds[])(un_builder *, const int *, un_decoded *) = {
        [UN_CFG_DECODER_UNET] = plain,
        [UN_CFG_DECODER_NESTED] = nested,
        [UN_CFG_DECODER_FULL] = full,
    };

    kinds[b->m->decoder](b, enc, out);
}
