/* What one key cannot check: lengths of lists against the depth, numbers that must agree. */
#include "config/config.h"

#include "base/size.h"
#include "config/encoders.h"
#include "config/losses.h"

static unet_status wrong(unet_error *err, const char *key, const char *fmt, int a, int b)
{
    char text[256];
    un_text t;

    un_text_init(&t, NULL, sizeof text);
    un_text_printf(&t, fmt, a, b);
    un_fail_file(err, UNET_E_CONFIG, key, "%s", t.failed ? "wrong value" : t.s);
    un_text_free(&t);
    return UNET_E_CONFIG;
}

/* One entry, or as many as there are levels. */
static int fits(int n, int levels)
{
    return n == 1 || n == levels || n == UN_CFG_LIST_AUTO;
}

/* Largest of the products of the strides over the first `levels` poolings. */
static int largest_product(const un_cfg_model *m, int levels)
{
    int product[3] = {1, 1, 1}, s[3] = {2, 2, 2}, most = 1;

    for (int level = 0; level < levels; level++) {
        if (m->strides.n != UN_CFG_LIST_AUTO)
            un_config_axes_at(&m->strides, level, un_is_auto(m->dims) ? 3 : m->dims, s);
        for (int i = 0; i < 3; i++) {
            product[i] *= s[i];
            most = UN_MAX(most, product[i]);
        }
    }
    return most;
}

static unet_status check_decoder(const un_cfg_model *m, unet_error *err)
{
    if (m->decoder != UN_CFG_DECODER_UNET) {
        if (m->gate != UN_CFG_GATE_NONE)
            return wrong(err, "model.gate", "attention gates need decoder: unet", 0, 0);
        for (int i = 0; i < m->skips.n; i++)
            if (!m->skips.v[i])
                return wrong(err, "model.skips", "the decoder cannot leave out the skip connection of level %d", i, 0);
    }
    if (un_is_auto(m->depth))
        return UNET_OK;
    if (m->decoder == UN_CFG_DECODER_FULL &&
        (largest_product(m, m->depth) > 64 || largest_product(m, m->depth - 1) > 63))
        return wrong(err, "model.decoder", "full joins levels whose extents differ by a factor up to 64; here it is %d",
            largest_product(m, m->depth), 0);
    return UNET_OK;
}

/* Without padding extents shrink with each convolution: what adds or joins values of one level needs padding. */
static unet_status check_valid(const un_cfg_model *m, unet_error *err)
{
    const char *key =
        m->decoder != UN_CFG_DECODER_UNET  ? "model.decoder"
        : m->bottom != UN_CFG_BOTTOM_PLAIN ? "model.bottom"
        : m->stem != UN_CFG_STEM_NONE      ? "model.stem"
        : m->supervision.n > 0             ? "model.supervision"
        : m->block != UN_CFG_BLOCK_PLAIN && m->block != UN_CFG_BLOCK_RESIDUAL && m->block != UN_CFG_BLOCK_SEPARABLE
            ? "model.block"
            : NULL;

    return key ? wrong(err, key, "this choice needs padding: same", 0, 0) : UNET_OK;
}

static unet_status check_parts(const un_cfg_model *m, unet_error *err)
{
    int rates = 0;

    for (int i = 0; i < m->convs_per_level.n; i++)
        if (m->block == UN_CFG_BLOCK_DENSE && m->convs_per_level.v[i] > 7)
            return wrong(err, "model.convs_per_level", "%d; a dense block has at most 7", m->convs_per_level.v[i], 0);
    for (int i = 0; i < m->dilations.n; i++)
        rates += m->dilations.v[i] > 1;
    if (m->bottom == UN_CFG_BOTTOM_ASPP && rates > 6)
        return wrong(err, "model.dilations", "%d rates above 1; at most 6 branches", rates, 0);
    if (m->drop_path > 0 && m->block != UN_CFG_BLOCK_RESIDUAL && m->block != UN_CFG_BLOCK_INVERTED &&
        m->block != UN_CFG_BLOCK_RECURRENT)
        return wrong(
            err, "model.drop_path", "only blocks with a shortcut can be left out: residual, inverted, recurrent", 0, 0);
    if (m->dropout_block > 1 && m->dropout_spatial)
        return wrong(err, "model.dropout_block", "blocks of channels that are dropped as a whole have no size", 0, 0);
    if (m->padding == UN_CFG_PAD_VALID) {
        unet_status st = check_valid(m, err);

        if (st)
            return st;
    }
    return check_decoder(m, err);
}

static unet_status check_model(const un_cfg_model *m, unet_error *err)
{
    unet_status st = check_parts(m, err);

    if (!st)
        st = un_encoder_check(m, err);
    if (st)
        return st;
    for (int i = 0; i < m->kernel.n; i++)
        for (int j = 0; j < 3; j++)
            if (m->kernel.v[i][j] % 2 == 0)
                return wrong(err, "model.kernel", "%d is even; kernels are 1, 3 or 5", m->kernel.v[i][j], 0);
    if (!un_is_auto(m->depth)) {
        if (!fits(m->kernel.n, m->depth + 1))
            return wrong(err, "model.kernel", "%d entries; one, or depth + 1 = %d", m->kernel.n, m->depth + 1);
        if (!fits(m->convs_per_level.n, m->depth + 1))
            return wrong(
                err, "model.convs_per_level", "%d entries; one, or depth + 1 = %d", m->convs_per_level.n, m->depth + 1);
        if (!fits(m->strides.n, m->depth))
            return wrong(err, "model.strides", "%d entries; one, or depth = %d", m->strides.n, m->depth);
        if (!fits(m->skips.n, m->depth))
            return wrong(err, "model.skips", "%d entries; one, or depth = %d", m->skips.n, m->depth);
    }
    if (un_is_auto(m->classes))
        return UNET_OK;
    if (m->head == UN_CFG_HEAD_SIGMOID && m->classes != 2)
        return wrong(
            err, "model.classes", "%d classes; a sigmoid head tells 2 (background and foreground)", m->classes, 0);
    if (m->head == UN_CFG_HEAD_SOFTMAX && m->classes < 2)
        return wrong(err, "model.classes", "%d class; a softmax head needs 2 or more", m->classes, 0);
    return UNET_OK;
}

static unet_status check_data(const un_config *c, unet_error *err)
{
    const un_cfg_data *d = &c->data;
    const int classes = un_is_auto(c->model.classes) ? d->classes.n : c->model.classes;

    if (d->classes.n > 0 && d->classes.n != classes)
        return wrong(err, "data.classes", "%d names for model.classes = %d", d->classes.n, classes);
    for (int i = 0; i < d->mapping.n; i++) {
        const un_cfg_map *m = &d->mapping.v[i];

        if (un_is_auto(m->value) == (m->color == UN_AUTO_COLOUR))
            return wrong(err, "data.mapping", "entry %d needs a value or a color, and not both", i + 1, 0);
        if (!un_is_auto(m->to) && m->to < m->value)
            return wrong(err, "data.mapping", "entry %d: 'to' is below 'value'", i + 1, 0);
        if (classes > 0 && m->class >= classes)
            return wrong(err, "data.mapping", "class %d, but the classes end at %d", m->class, classes - 1);
    }
    for (int i = 0; i < d->foreground.n; i++)
        if (classes > 0 && d->foreground.v[i] >= classes)
            return wrong(
                err, "data.foreground", "class %d, but the classes end at %d", d->foreground.v[i], classes - 1);
    if (!un_is_auto(d->test_share) && d->val_share + d->test_share > 0.95)
        return wrong(err, "data.test_share", "val_share and test_share leave nothing to train on", 0, 0);
    if (d->mean.n != d->std.n)
        return wrong(err, "data.std", "%d entries, but data.mean has %d", d->std.n, d->mean.n);
    if (c->loss.class_weights.n > 0 && classes > 0 && c->loss.class_weights.n != classes)
        return wrong(err, "loss.class_weights", "%d weights for %d classes", c->loss.class_weights.n, classes);
    return UNET_OK;
}

unet_status un_config_check(const un_config *c, unet_error *err)
{
    const un_cfg_train *t = &c->train;
    unet_status st = check_model(&c->model, err);
    double sum = 0;

    if (!st)
        st = check_data(c, err);
    if (st)
        return st;
    if (!un_is_auto(t->batch) && !un_is_auto(t->ghost_batch) && t->batch % t->ghost_batch)
        return wrong(err, "train.ghost_batch", "%d does not divide train.batch = %d", t->ghost_batch, t->batch);
    if (c->model.dims == 2 && !un_is_auto(t->patch[0]) && t->patch[0] != 1)
        return wrong(err, "train.patch", "depth %d in a 2-D network; write [h, w]", t->patch[0], 0);
    st = un_loss_check(c, err);
    if (st)
        return st;
    for (int i = 0; i < c->loss.terms.n; i++)
        sum += c->loss.terms.v[i].weight;
    if (!(sum > 0))
        return wrong(err, "loss.terms", "all weights are 0", 0, 0);
    return UNET_OK;
}
