/* The command `unet`: finds the subcommand, reads its options, runs it, and turns its status into text and exit code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/errors.h"
#include "app/heap.h"
#include "app/help.h"
#include "app/signals.h"
#include "cli/commands.h"
#include "unet/context.h"

static unet_status print_version(void)
{
    char facts[1024];

    unet_build_facts(facts, sizeof facts);
    printf("unet %s\n%s", unet_version(), facts);
    return UNET_OK;
}

/* What was printed must have arrived: a full disk is no success. */
static unet_status flush_output(unet_status st, unet_error *err)
{
    if ((fflush(stdout) || ferror(stdout)) && !st)
        return un_app_fail(err, UNET_E_IO, NULL, "cannot write to standard output");
    return st;
}

static unet_status run_command(const un_command *c, int argc, char **argv, int *json, unet_error *err)
{
    void *options = calloc(1, c->options_size ? c->options_size : 1);
    un_args a = {0};
    unet_status st = options ? un_args_parse(&a, c, options, argc, argv, err)
                             : un_app_fail(err, UNET_E_NOMEM, NULL, "no memory for the command line");

    *json = a.common.json;
    if (!st && a.common.help)
        un_help_command(stdout, c);
    else if (!st)
        st = c->run(&a, err);
    if (st)
        un_args_name_option(&a, c, err);
    un_args_free(&a);
    free(options);
    return st;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    const un_command *c = NULL;
    unet_error err = {.offset = -1};
    unet_status st;
    int json = 0;

    un_heap_settle();
    if (!strcmp(name, "--version") || !strcmp(name, "-V"))
        st = print_version();
    else if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        un_help_overview(argc > 1 ? stdout : stderr, un_commands);
        st = argc > 1 ? UNET_OK : un_app_fail(&err, UNET_E_ARG, NULL, "which command?");
    } else {
        un_signals_install();
        c = un_command_find(name, &err);
        st = c ? run_command(c, argc - 2, argv + 2, &json, &err) : UNET_E_ARG;
    }
    st = flush_output(st, &err);
    if (st) {
        err.status = st;
        un_error_print(stderr, c ? c->name : "", &err, json);
    }
    return un_exit_code(st);
}
