/* unet import: weights of other programs, looked at or made into a model. */
#include <stdio.h>

#include "app/context.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/work.h"

typedef struct import_options {
    const char *model, *config;
    int all;
} import_options;

static const un_opt options[] = {
    {.name = "output",
        .letter = 'o',
        .type = UN_OPT_FILE,
        .offset = offsetof(import_options, model),
        .value = "MODEL",
        .help = "the model file to write; without it the weights are only looked at"},
    UN_ROW_CONFIG(import_options, "configuration of the network that the weights belong to"),
    UN_ROW_PRESET,
    {.name = "encoder",
        .type = UN_OPT_KEY,
        .value = "NAME",
        .key = "model.encoder",
        .help =
            "the encoder that the weights belong to, instead of the one found by their names ('unet list encoders')"},
    {.name = "all",
        .letter = 'a',
        .type = UN_OPT_FLAG,
        .offset = offsetof(import_options, all),
        .help = "list every parameter and array by name"},
};

static unet_status import(const un_args *a, unet_context *context, unet_config *cfg, unet_error *err)
{
    const import_options *o = a->options;
    unet_import_options i = UNET_IMPORT_OPTIONS_INIT;
    char *text = NULL, *json = NULL;
    unet_status st;

    i.weights = a->word[0];
    i.config = cfg;
    i.model = o->model;
    i.all = o->all;
    st = unet_import(context, &i, &text, &json, err);
    un_app_print(a->common.json ? json : text);
    unet_string_free(a->common.json ? text : json);
    return st;
}

static unet_status run(const un_args *a, unet_error *err)
{
    return un_app_configured(a, ((const import_options *)a->options)->config, import, err);
}

static const char *const examples[] = {"unet import resnet34.pth", "what is in the file, and what would fit",
    "unet import resnet34.pth -o start.safetensors in_channels=1", "an untrained U-Net over a trained encoder",
    "unet train cells/ -o cells.safetensors --from start.safetensors", "trains from there", NULL};

const un_command un_cmd_import = {
    .name = "import",
    .usage = "WEIGHTS [-o MODEL] [--encoder NAME] [--config FILE] [key=value ...]",
    .summary = "take over weights that other programs trained",
    .about = "WEIGHTS is a state dict of PyTorch (.pth, .pt), an npz archive or a safetensors file; nothing in it is "
             "executed. The network is found by names and shapes: VGG, ResNet, MobileNetV2 and EfficientNet-B0 as "
             "torchvision and segmentation_models_pytorch name them, as encoder of a U-Net whose way up is made anew. "
             "What matched, what did not and why is listed.\n"
             "unet train --encoder-weights does the same at the start of a training. docs/import.md",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(import_options),
    .least = 1,
    .most = 1,
    .takes_keys = 1,
    .run = run,
};
