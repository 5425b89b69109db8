/* unet plan: looks at a data set and settles every open key of a configuration, with the reasons. */
#include "app/context.h"
#include "app/progress.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/work.h"

typedef struct plan_options {
    const char *config;
} plan_options;

static const un_opt options[] = {
    UN_ROW_CONFIG(plan_options, "read this configuration first; what it sets is never changed"),
    UN_ROW_PRESET,
    UN_ROW_TIME,
    UN_ROW_MEM,
};

static unet_status plan(const un_args *a, unet_context *context, unet_config *cfg, unet_error *err)
{
    unet_plan_options p = UNET_PLAN_OPTIONS_INIT;
    un_progress progress;
    char *text = NULL;
    unet_status st;

    un_progress_begin(&progress, stderr, &a->common);
    p.data = a->word[0];
    p.config = cfg;
    p.progress = un_progress_show;
    p.progress_ctx = &progress;
    st = unet_plan(context, &p, &text, err);
    un_progress_end(&progress);
    un_app_print(text);
    return st;
}

static unet_status run(const un_args *a, unet_error *err)
{
    return un_app_configured(a, ((const plan_options *)a->options)->config, plan, err);
}

static const char *const examples[] = {"unet plan cells/ --time 30m > run.yaml",
    "a configuration to read, edit and give to unet train", "unet plan cells/ --mem 2G model.base_filters=32",
    "the rest, with the filters settled", NULL};

const un_command un_cmd_plan = {
    .name = "plan",
    .usage = "DATA [--time TIME] [--mem BYTES] [--config FILE] [key=value ...]",
    .summary = "choose network and training for a data set, with reasons",
    .about =
        "Looks at every picture and mask of DATA (a folder or a table), then chooses depth, filters, patch, batch, "
        "normalisation, loss weights and number of steps for the time and memory given. The result is a "
        "configuration with one sentence of why above each choice. unet train does the same by itself.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(plan_options),
    .least = 1,
    .most = 1,
    .takes_keys = 1,
    .run = run,
};
