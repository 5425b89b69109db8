/* A U-Net with hand-set weights whose class is the grey level: value v of channel 0 in 0..1 gives class floor(v * K) of
 * K classes (sigmoid: v > 0.5; multilabel: label k when v > (k + 1) / (K + 1)). What it makes of a picture is known
 * exactly. All else in the network is there and gives 0. */
#ifndef LEVEL_MODEL_H
#define LEVEL_MODEL_H

#include "base/rng.h"
#include "model/file.h"
#include "test.h"

static inline float *level_weights(un_model *m, const char *name, const un_param **out)
{
    for (int i = 0; i < m->graph->n_params; i++)
        if (!strcmp(m->graph->param[i].name, name)) {
            *out = &m->graph->param[i];
            return m->weights + m->graph->param[i].offset;
        }
    un_test_fail(__FILE__, __LINE__, "no parameter %s", name);
}

/* Channel 0 of a convolution is channel 0 of its input. */
static inline void level_pass(un_model *m, const char *name)
{
    const un_param *p;
    float *w = level_weights(m, name, &p);
    int64_t taps = 1;

    for (int i = 2; i < p->rank; i++)
        taps *= p->dims[i];
    w[taps / 2] = 1;
}

/* options: YAML of the section model without its braces, in_channels, classes, head and dims among it; data: the same
 * of the section data. depth 1 or 2, two convolutions a level. */
static inline un_model *level_model(const char *options, const char *data)
{
    static const char fixed[] = "data: {colour: grey, normalise: minmax, mask_kind: index, ignore: []}\n"
                                "train: {batch: 1, ghost_batch: 1, steps: 1, patch: [1, 32, 32]}\n";
    static un_config c;
    unet_error err = {0};
    char text[1024];
    const un_param *p;
    un_model *m;
    float *w, *b;
    int k, labels;

    CHECK_OK(un_config_init(&c, NULL, &err), &err);
    CHECK_OK(un_config_parse(&c, NULL, fixed, strlen(fixed), "test", &err), &err);
    snprintf(text, sizeof text, "model: {norm: none, base_filters: 2, %s}\ndata: {%s}\n", options, data);
    CHECK_OK(un_config_parse(&c, NULL, text, strlen(text), "test", &err), &err);
    CHECK_OK(un_model_create(&m, NULL, &c, &err), &err);
    memset(m->weights, 0, (size_t)m->graph->block_count * sizeof *m->weights);
    level_pass(m, "enc0.conv0.weight");
    level_pass(m, "enc0.conv1.weight");
    level_pass(m, "dec0.conv0.weight"); /* the skip comes first */
    level_pass(m, "dec0.conv1.weight");
    w = level_weights(m, "head.weight", &p);
    b = level_weights(m, "head.bias", &p);
    k = p->dims[0];
    labels = c.model.head != UN_CFG_HEAD_SOFTMAX;
    for (int i = 0; i < k; i++) {
        w[(int64_t)i * c.model.base_filters] = (float)(labels ? 100 : 100 * i);
        b[i] = (float)(labels ? -100.0 * (i + 1) / (k + 1) : -100.0 * i * (i + 1) / (2.0 * k));
    }
    return m;
}

#endif
