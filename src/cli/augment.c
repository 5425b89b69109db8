/* unet augment: examples of each operation of augmentation on one's own pictures. */
#include "app/context.h"
#include "app/progress.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/work.h"

typedef struct augment_options {
    const char *config, *file, *picture;
    int64_t samples;
} augment_options;

static const un_opt options[] = {
    {.name = "preview",
        .letter = 'o',
        .type = UN_OPT_FILE,
        .offset = offsetof(augment_options, file),
        .value = "FILE.png",
        .required = 1,
        .help = "the sheet to write"},
    {.name = "picture",
        .type = UN_OPT_TEXT,
        .offset = offsetof(augment_options, picture),
        .value = "NAME",
        .help = "picture to show, by its path without suffix; else the one that shows most"},
    UN_ROW_CONFIG(augment_options, "configuration, whose section augment is shown"),
    {.name = "samples",
        .type = UN_OPT_INT,
        .offset = offsetof(augment_options, samples),
        .value = "N",
        .fallback = "6",
        .low = 1,
        .high = 16,
        .help = "examples of each operation"},
};

static unet_status preview(const un_args *a, unet_context *context, unet_config *cfg, unet_error *err)
{
    const augment_options *o = a->options;
    unet_augment_options job = UNET_AUGMENT_OPTIONS_INIT;
    un_progress progress;
    char *text = NULL;
    unet_status st;

    un_progress_begin(&progress, stderr, &a->common);
    job.data = a->word[0];
    job.config = cfg;
    job.picture = o->picture;
    job.file = o->file;
    job.samples = (int)o->samples;
    job.progress = un_progress_show;
    job.progress_ctx = &progress;
    st = unet_augment_preview(context, &job, &text, err);
    un_progress_end(&progress);
    un_app_print(text);
    return st;
}

static unet_status run(const un_args *a, unet_error *err)
{
    return un_app_configured(a, ((const augment_options *)a->options)->config, preview, err);
}

static const char *const examples[] = {"unet augment cells --preview ops.png", "what training may do to a picture",
    "unet augment cells --preview ops.png augment.policy=strong", "the same with all operations at work",
    "unet augment cells --preview ops.png augment.rotate_deg=90 train.seed=2", "other settings, other draws", NULL};

const un_command un_cmd_augment = {
    .name = "augment",
    .usage = "DATA --preview FILE.png [--picture NAME] [--config FILE] [key=value ...]",
    .summary = "show what each operation of augmentation does to your pictures and masks",
    .about =
        "One row for each operation alone: the patch as it is, then examples with the mask, which moves along. "
        "Operations that the policy has switched off are shown with the ranges of the policy strong. The last row has "
        "all of them as the policy draws them.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(augment_options),
    .least = 1,
    .most = 1,
    .takes_keys = 1,
    .run = run,
};
