#include "config/encoders.h"

#include "base/size.h"

static const un_encoder_info rows[] = {
#define UN_ENCODER(ID, name, poolings, first, title, paper)                                                            \
    [UN_CFG_ENCODER_##ID] = {name, poolings, first, title, paper},
#include "config/encoders.def"
};

int un_encoder_count(void)
{
    return (int)UN_COUNT(rows);
}

const un_encoder_info *un_encoder_info_of(un_cfg_encoder e)
{
    return &rows[e];
}

static int halves(const un_cfg_axes *s)
{
    for (int i = 0; i < s->n; i++)
        if (s->v[i][1] != 2 || s->v[i][2] != 2)
            return 0;
    return 1;
}

unet_status un_encoder_check(const un_cfg_model *m, unet_error *err)
{
    const un_encoder_info *e = &rows[m->encoder];

    if (m->encoder == UN_CFG_ENCODER_NONE)
        return m->encoder_weights[0] ? un_fail_file(err, UNET_E_CONFIG, "model.encoder_weights",
                                           "a file of weights needs model.encoder: the name of "
                                           "their network (`unet import FILE` finds it)")
                                     : UNET_OK;
    if (!un_is_auto(m->dims) && m->dims != 2)
        return un_fail_file(
            err, UNET_E_CONFIG, "model.dims", "%d; %s is a network for pictures, not for volumes", m->dims, e->name);
    if (!un_is_auto(m->depth) && m->depth > e->poolings)
        return un_fail_file(
            err, UNET_E_CONFIG, "model.depth", "%d; %s has %d poolings", m->depth, e->name, e->poolings);
    if (m->padding != UN_CFG_PAD_SAME || m->stem != UN_CFG_STEM_NONE)
        return un_fail_file(err, UNET_E_CONFIG, m->stem ? "model.stem" : "model.padding",
            "%s goes with padding: same and stem: none", e->name);
    if (!halves(&m->strides))
        return un_fail_file(err, UNET_E_CONFIG, "model.strides", "%s halves both axes at each pooling", e->name);
    return UNET_OK;
}

void un_encoder_normalise(un_cfg_data *d, int channels, double largest)
{
    static const double mean[] = {0.485, 0.456, 0.406}, std[] = {0.229, 0.224, 0.225};
    const int n = UN_MIN(channels, (int)UN_COUNT(d->mean.v));

    d->normalise = UN_CFG_NORMALISE_DATASET;
    d->mean.n = d->std.n = n;
    for (int k = 0; k < n; k++) {
        d->mean.v[k] = largest * (n == 1 ? (mean[0] + mean[1] + mean[2]) / 3 : mean[k % 3]);
        d->std.v[k] = largest * (n == 1 ? (std[0] + std[1] + std[2]) / 3 : std[k % 3]);
    }
}
