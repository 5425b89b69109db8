/* unet describe: layers, cost and shape of a network, from a model file or a configuration. */
#include <stdio.h>
#include <string.h>

#include "app/context.h"
#include "app/errors.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/model.h"
#include "unet/text.h"

typedef struct describe_options {
    const char *size;
    int svg, config, record;
} describe_options;

static const un_opt options[] = {
    {.name = "size",
        .letter = 's',
        .type = UN_OPT_TEXT,
        .offset = offsetof(describe_options, size),
        .value = "HxWxC",
        .help =
            "picture to describe it for: HxW or HxWxC, volumes DxHxW or DxHxWxC; 256x256 or 64x64x64 when not given"},
    UN_ROW_PRESET,
    {.name = "svg",
        .type = UN_OPT_FLAG,
        .offset = offsetof(describe_options, svg),
        .help = "print a drawing of the network as SVG instead"},
    {.name = "show-config",
        .type = UN_OPT_FLAG,
        .offset = offsetof(describe_options, config),
        .help = "print the configuration that the model file holds instead"},
    {.name = "show-record",
        .type = UN_OPT_FLAG,
        .offset = offsetof(describe_options, record),
        .help = "print the training record that the model file holds instead, as JSON"},
};

/* Numbers between 'x': how many there are, at most 4; 0 when the text is something else. */
static int read_extents(const char *s, int64_t v[4])
{
    char part[24];
    int n = 0;

    while (n < 4) {
        const size_t length = strcspn(s, "xX");

        if (length >= sizeof part)
            return 0;
        memcpy(part, s, length);
        part[length] = 0;
        if (!unet_parse_int(part, &v[n]) || v[n] < 1 || v[n] > 1 << 20)
            return 0;
        n++;
        if (!s[length])
            return n;
        s += length + 1;
    }
    return 0;
}

/* d, h, w of the picture for a network of these dimensions. */
static unet_status picture_size(int size[3], const char *text, const unet_model_info *info, unet_error *err)
{
    const int first = info->dims == 2 ? 1 : 0;
    int64_t v[4];
    const int n = text ? read_extents(text, v) : info->dims;

    for (int i = 0; i < 3; i++)
        size[i] = i < first ? 1 : info->dims == 2 ? 256 : 64;
    if (!text)
        return UNET_OK;
    if (n != info->dims && n != info->dims + 1)
        return un_app_fail(err, UNET_E_ARG, NULL, "--size: '%s' is not %s", text,
            info->dims == 2 ? "HxW or HxWxC" : "DxHxW or DxHxWxC");
    if (n == info->dims + 1 && v[n - 1] != info->in_channels)
        return un_app_fail(err, UNET_E_ARG, NULL, "--size: %lld channels, but the network takes %d",
            (long long)v[n - 1], info->in_channels);
    for (int i = 0; i < info->dims; i++)
        size[first + i] = (int)v[i];
    return UNET_OK;
}

static int is_config(const char *path)
{
    const size_t n = strlen(path);

    return (n > 5 && !strcmp(path + n - 5, ".yaml")) || (n > 4 && !strcmp(path + n - 4, ".yml"));
}

static unet_status open_model(unet_model **m, unet_context *c, const un_args *a, unet_error *err)
{
    unet_config *cfg;
    unet_status st;

    *m = NULL;
    if (!is_config(a->word[0])) {
        if (a->n_keys)
            return un_app_fail(err, UNET_E_ARG, a->key[0], "a model file is described as it is");
        return unet_model_load(m, c, a->word[0], err);
    }
    st = un_app_config(&cfg, c, a->word[0], a, err);
    if (!st)
        st = unet_model_create(m, c, cfg, err);
    unet_config_destroy(cfg);
    return st;
}

static unet_status print_model(const unet_model *m, const describe_options *o, unet_error *err)
{
    unet_model_info info;
    char *text = NULL;
    int size[3];
    unet_status st;

    unet_model_get_info(m, &info);
    st = picture_size(size, o->size, &info, err);
    if (!st && o->config)
        st = unet_model_config(&text, m, err);
    else if (!st && o->record)
        st = unet_model_record(&text, m, err);
    else if (!st && o->svg)
        st = unet_model_drawing(&text, m, size, err);
    else if (!st)
        st = unet_model_describe(&text, m, size, err);
    un_app_print(text);
    return st;
}

static unet_status run(const un_args *a, unet_error *err)
{
    unet_context *context;
    unet_model *m = NULL;
    unet_status st = un_app_context(&context, a, 0, err);

    if (!st)
        st = open_model(&m, context, a, err);
    if (!st)
        st = print_model(m, a->options, err);
    unet_model_destroy(m);
    unet_context_destroy(context);
    return st;
}

static const char *const examples[] = {"unet describe nuclei.safetensors", "what is inside a model",
    "unet describe run.yaml model.depth=5 --size 512x512", "what a configuration would make",
    "unet describe nuclei.safetensors --svg > u.svg", "a drawing", NULL};

const un_command un_cmd_describe = {
    .name = "describe",
    .usage = "MODEL|CONFIG.yaml [--size HxWxC] [key=value ...]",
    .summary = "layers, parameters, cost and memory of a network",
    .about = "Layers with shapes, parameters, multiply-adds, receptive field, memory for inference and training, and a "
             "drawing of the U. A name that ends in .yaml or .yml is a configuration, whose section model must be "
             "complete; anything else is a model file.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(describe_options),
    .least = 1,
    .most = 1,
    .takes_keys = 1,
    .run = run,
};
