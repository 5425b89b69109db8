/* unet inspect: what is in a data set, what the masks mean, what is odd; with a contact sheet. */
#include <stdio.h>

#include "app/context.h"
#include "app/progress.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/work.h"

typedef struct inspect_options {
    const char *config, *out;
    int64_t pictures, samples;
} inspect_options;

static const un_opt options[] = {
    {.name = "output",
        .letter = 'o',
        .type = UN_OPT_FOLDER,
        .offset = offsetof(inspect_options, out),
        .value = "DIR",
        .help = "write sheet.png, inspect.html, fingerprint.json and config.yaml there"},
    UN_ROW_CONFIG(inspect_options, "configuration; what it sets about the data stays"),
    {.name = "pictures",
        .type = UN_OPT_INT,
        .offset = offsetof(inspect_options, pictures),
        .value = "N",
        .fallback = "8",
        .low = 1,
        .high = 64,
        .help = "rows of the contact sheet"},
    {.name = "samples",
        .type = UN_OPT_INT,
        .offset = offsetof(inspect_options, samples),
        .value = "N",
        .fallback = "4",
        .low = 1,
        .high = 16,
        .help = "augmented patches in each row"},
};

static unet_status inspect(const un_args *a, unet_context *context, unet_config *cfg, unet_error *err)
{
    const inspect_options *o = a->options;
    unet_inspect_options job = UNET_INSPECT_OPTIONS_INIT;
    un_progress progress;
    char *text = NULL, *json = NULL;
    unet_status st;

    un_progress_begin(&progress, stderr, &a->common);
    job.data = a->word[0];
    job.config = cfg;
    job.out_dir = o->out;
    job.pictures = (int)o->pictures;
    job.samples = (int)o->samples;
    job.progress = un_progress_show;
    job.progress_ctx = &progress;
    st = unet_inspect(context, &job, &text, &json, err);
    un_progress_end(&progress);
    un_app_print(a->common.json ? json : text);
    unet_string_free(a->common.json ? text : json);
    if (o->out && (!st || st == UNET_E_DATA) && !a->common.json && !a->common.quiet)
        fprintf(stderr, "look at %s/inspect.html; edit %s/config.yaml where the masks were misunderstood\n", o->out,
            o->out);
    return st;
}

static unet_status run(const un_args *a, unet_error *err)
{
    return un_app_configured(a, ((const inspect_options *)a->options)->config, inspect, err);
}

static const char *const examples[] = {"unet inspect cells", "what was understood, and what is odd",
    "unet inspect cells -o look", "the same with a contact sheet and a configuration to edit",
    "unet inspect cells data.ignore=[255]", "how it would be with a value left out", "unet inspect cells --json",
    "the fingerprint for a program", NULL};

const un_command un_cmd_inspect = {
    .name = "inspect",
    .usage = "DATA [-o DIR] [--config FILE] [key=value ...]",
    .summary = "look at a data set before training: figures, what the masks mean, what is odd",
    .about =
        "Every file is decoded once; what is broken, doubled or does not fit is listed by name. What the values or "
        "colours of the masks mean is proposed, and written into a configuration that you can edit. The contact "
        "sheet shows pictures and masks as the network will see them.\nExit code 7 when the data cannot be trained "
        "on as they are.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(inspect_options),
    .least = 1,
    .most = 1,
    .takes_keys = 1,
    .run = run,
};
