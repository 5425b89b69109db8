/* unet predict: masks for pictures and volumes. */
#include <stdio.h>

#include "app/context.h"
#include "app/errors.h"
#include "app/progress.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/work.h"

typedef struct predict_options {
    const char *out, *profile;
    int overlay, probabilities, measure, objects, split, attention;
    uint64_t mem;
} predict_options;

static const un_opt options[] = {
    {.name = "out",
        .letter = 'o',
        .type = UN_OPT_FOLDER,
        .offset = offsetof(predict_options, out),
        .value = "OUT",
        .required = 1,
        .help = "folder for the results; made when it is not there"},
    {.name = "overlay",
        .type = UN_OPT_FLAG,
        .offset = offsetof(predict_options, overlay),
        .help = "write STEM_overlay.png too: the picture with areas, contours and a legend"},
    {.name = "probabilities",
        .type = UN_OPT_FLAG,
        .offset = offsetof(predict_options, probabilities),
        .help = "write STEM_prob.tif (volumes: .nii.gz) too: a channel of float for each class"},
    {.name = "attention",
        .type = UN_OPT_FLAG,
        .offset = offsetof(predict_options, attention),
        .help = "write STEM_gateN.png too: what the attention gate of level N lets pass, as heat over the picture"},
    {.name = "measure",
        .type = UN_OPT_FLAG,
        .offset = offsetof(predict_options, measure),
        .help = "write measures.csv too: areas or volumes of the classes, counts and sizes of objects"},
    {.name = "objects",
        .type = UN_OPT_FLAG,
        .offset = offsetof(predict_options, objects),
        .help = "write STEM_objects.tif (volumes: .nii.gz) too: the number of its object at each pixel, 0 elsewhere"},
    {.name = "split-touching",
        .type = UN_OPT_FLAG,
        .offset = offsetof(predict_options, split),
        .help = "with --measure and --objects: objects that touch are told apart"},
    UN_ROW_TTA,
    UN_ROW_PRECISION("predict.precision"),
    {.name = "mem",
        .type = UN_OPT_BYTES,
        .offset = offsetof(predict_options, mem),
        .value = "SIZE",
        .help = "memory that may be used, as 500M or 2G; tiles are made small enough for it"},
    UN_ROW_PROFILE(predict_options),
};

/* Memory that ends far below what any window takes ends in the middle of something. */
static unet_status name_cap(const predict_options *p, unet_status st, unet_error *err)
{
    const unet_error why = *err;

    if (st != UNET_E_NOMEM || !p->mem)
        return st;
    return un_app_fail(err, st, why.where[0] ? why.where : NULL,
        "%.200s; --mem allows %.0f KiB in all, and more is needed", why.message, (double)p->mem / 1024);
}

static unet_status run(const un_args *a, unet_error *err)
{
    const predict_options *p = a->options;
    unet_predict_options o = UNET_PREDICT_OPTIONS_INIT;
    unet_context *context;
    un_progress progress;
    char *text = NULL, *json = NULL;
    unet_status st = un_app_context(&context, a, p->mem, err);

    if (!st)
        st = un_cli_profile_begin(&o.profile, context, p->profile, err);
    if (st) {
        unet_context_destroy(context);
        return name_cap(p, st, err);
    }
    un_progress_begin(&progress, stderr, &a->common);
    o.model = a->word[0];
    o.inputs = a->word + 1;
    o.input_count = (size_t)a->n_words - 1;
    o.out_dir = p->out;
    o.set = a->key;
    o.set_count = (size_t)a->n_keys;
    o.overlay = p->overlay;
    o.probabilities = p->probabilities;
    o.measure = p->measure;
    o.objects = p->objects;
    o.split_touching = p->split;
    o.attention = p->attention;
    o.progress = un_progress_show;
    o.progress_ctx = &progress;
    st = unet_predict(context, &o, NULL, NULL, a->common.json ? NULL : &text, a->common.json ? &json : NULL, err);
    st = name_cap(p, st, err);
    un_progress_end(&progress);
    un_app_print(text);
    un_app_print(json);
    st = un_cli_profile_end(o.profile, a, p->profile, st, err);
    unet_context_destroy(context);
    return st;
}

static const char *const examples[] = {"unet predict nuclei.safetensors photos/ -o masks --overlay",
    "all pictures of a folder, with overlays", "unet predict nuclei.safetensors a.png b.tif -o masks --measure",
    "two files, areas and counts in masks/measures.csv",
    "unet predict nuclei.safetensors photos/ -o masks --objects --split-touching",
    "each nucleus with a number of its own, touching ones apart",
    "unet predict nuclei.safetensors big.tif -o masks --mem 500M predict.tile=512", "small tiles for little memory",
    NULL};

const un_command un_cmd_predict = {
    .name = "predict",
    .usage =
        "MODEL INPUT... -o OUT [--overlay] [--probabilities] [--attention] [--measure] [--objects] [key=value ...]",
    .summary = "make masks for pictures and volumes",
    .about = "Inputs are files, folders and patterns as 'scan_*.png'; folders are walked and kept in the output. A "
             "picture gives OUT/STEM.png, "
             "whose values are the classes and whose palette shows them; a volume gives OUT/STEM.nii.gz on the grid "
             "and with the affine of its file; a picture whose classes may overlap gives OUT/STEM.tif with a channel "
             "for each.\nA file that cannot be predicted is listed, the others are done, and the exit code is 10. An "
             "output that would replace an input is refused.\nkey=value changes keys of the sections data, predict and "
             "eval of the configuration in the model.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(predict_options),
    .least = 2,
    .most = -1,
    .takes_keys = 1,
    .run = run,
};
