#include "cli/commands.h"

#include <string.h>

#include "app/errors.h"
#include "unet/text.h"

const un_command *const un_commands[] = {
    &un_cmd_inspect,
    &un_cmd_augment,
    &un_cmd_plan,
    &un_cmd_train,
    &un_cmd_extend,
    &un_cmd_eval,
    &un_cmd_predict,
    &un_cmd_import,
    &un_cmd_list,
    &un_cmd_describe,
    &un_cmd_selftest,
    &un_cmd_config,
    &un_cmd_help,
    NULL,
};

const un_command *un_command_find(const char *name, unet_error *err)
{
    const char *names[sizeof un_commands / sizeof *un_commands], *near;
    size_t n = 0;

    for (; un_commands[n]; n++) {
        if (!strcmp(un_commands[n]->name, name))
            return un_commands[n];
        names[n] = un_commands[n]->name;
    }
    near = unet_nearest(name, names, n);
    un_app_fail(err, UNET_E_ARG, NULL, "no command '%s'%s%s%s", name, near ? "; did you mean '" : "; see 'unet help'",
        near ? near : "", near ? "'?" : "");
    return NULL;
}
