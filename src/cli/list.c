/* unet list: what there is to choose from, with formulas, papers, ranges and defaults. */
#include "app/context.h"
#include "cli/commands.h"
#include "unet/work.h"

static unet_status run(const un_args *a, unet_error *err)
{
    unet_context *context;
    char *text = NULL;
    unet_status st = un_app_context(&context, a, 0, err);

    if (!st)
        st = unet_list(&text, context, a->n_words ? a->word[0] : NULL, a->common.json, err);
    un_app_print(text);
    unet_context_destroy(context);
    return st;
}

static const char *const examples[] = {"unet list", "what can be listed", "unet list losses",
    "each loss with formula, paper, keys and their ranges", "unet list augmentations --json", "the same for a program",
    NULL};

const un_command un_cmd_list = {
    .name = "list",
    .usage = "[presets | losses | augmentations | optimisers | schedules | metrics | norms | ...]",
    .summary = "what there is to choose from: presets, losses, augmentations, optimisers, schedules, metrics and more",
    .about =
        "Each entry with its formula, the paper it comes from, and the keys that belong to it with range and default. "
        "Made from the tables that the program runs on, so nothing is listed that is not there.",
    .examples = examples,
    .most = 1,
    .run = run,
};
