/* unet config: explains configuration keys, or writes a configuration with all of them. */
#include "app/context.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/config.h"

typedef struct config_options {
    const char *file;
    int write, changed, bare;
} config_options;

static const un_opt options[] = {
    {.name = "config",
        .letter = 'c',
        .type = UN_OPT_FILE,
        .offset = offsetof(config_options, file),
        .value = "FILE",
        .help = "read this configuration first; it is checked"},
    UN_ROW_PRESET,
    {.name = "write",
        .letter = 'w',
        .type = UN_OPT_FLAG,
        .offset = offsetof(config_options, write),
        .help = "print the configuration as YAML, ready to edit"},
    {.name = "changed",
        .type = UN_OPT_FLAG,
        .offset = offsetof(config_options, changed),
        .help = "with --write: only keys that differ from the defaults"},
    {.name = "bare",
        .type = UN_OPT_FLAG,
        .offset = offsetof(config_options, bare),
        .help = "with --write: without the help behind each key"},
};

static unet_status write_config(const un_args *a, unet_context *context, char **text, unet_error *err)
{
    const config_options *o = a->options;
    unet_config *cfg;
    unet_status st = un_app_config(&cfg, context, o->file, a, err);

    if (!st && o->write)
        st = unet_config_write(text, cfg, !o->bare, o->changed, err);
    unet_config_destroy(cfg);
    return st;
}

static unet_status run(const un_args *a, unet_error *err)
{
    const config_options *o = a->options;
    unet_context *context;
    char *text = NULL;
    unet_status st = un_app_context(&context, a, 0, err);

    if (st)
        return st;
    if (o->write || o->file || a->n_keys)
        st = write_config(a, context, &text, err);
    else
        st = unet_config_help(&text, context, a->n_words ? a->word[0] : NULL, err);
    un_app_print(text);
    unet_context_destroy(context);
    return st;
}

static const char *const examples[] = {"unet config", "lists the sections", "unet config train",
    "lists the keys of a section", "unet config train.batch", "explains one key", "unet config presets",
    "lists the presets", "unet config --write model.depth=4 > run.yaml", "writes a configuration to edit",
    "unet config --config run.yaml", "checks a configuration", NULL};

const un_command un_cmd_config = {
    .name = "config",
    .usage = "[SECTION | SECTION.KEY] | [--write] [--config FILE] [key=value ...]",
    .summary = "explain configuration keys, check or write a configuration",
    .about = "A configuration is a YAML file; every key may be left out. The same keys are taken as key=value words by "
             "the commands that use a configuration, after the file was read.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(config_options),
    .most = 1,
    .takes_keys = 1,
    .run = run,
};
