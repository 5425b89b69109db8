/* unet help: the texts that are made from the option tables. */
#include "app/help.h"

#include <string.h>

#include "cli/commands.h"

static const char *const formats[] = {"text", "man", "markdown", "bash", "zsh", NULL};

typedef struct help_options {
    const char *format;
} help_options;

static const un_opt options[] = {
    {.name = "format",
        .type = UN_OPT_WORD,
        .offset = offsetof(help_options, format),
        .value = "FORMAT",
        .fallback = "text",
        .words = formats,
        .help = "text for the terminal, a man page, the page of all commands, or a completion script"},
};

static unet_status run(const un_args *a, unet_error *err)
{
    const help_options *o = a->options;
    const int man = !strcmp(o->format, "man");
    const un_command *c = a->n_words ? un_command_find(a->word[0], err) : NULL;

    if (a->n_words && !c)
        return UNET_E_ARG;
    if (!strcmp(o->format, "markdown"))
        un_help_markdown(stdout, un_commands);
    else if (!strcmp(o->format, "bash"))
        un_complete_bash(stdout, un_commands);
    else if (!strcmp(o->format, "zsh"))
        un_complete_zsh(stdout, un_commands);
    else if (c && man)
        un_man_command(stdout, c);
    else if (c)
        un_help_command(stdout, c);
    else if (man)
        un_man_overview(stdout, un_commands);
    else
        un_help_overview(stdout, un_commands);
    return UNET_OK;
}

static const char *const examples[] = {"unet help config", "what the command config does",
    "unet help --format bash > /etc/bash_completion.d/unet", "installs completion by hand", NULL};

const un_command un_cmd_help = {
    .name = "help",
    .usage = "[COMMAND] [--format FORMAT]",
    .summary = "explain a command, or list all",
    .about = "Without a command: the list of commands and the exit codes.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(help_options),
    .most = 1,
    .run = run,
};
