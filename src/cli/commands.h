/* The table of subcommands: one row in commands.c and one file each. */
#ifndef UN_CLI_COMMANDS_H
#define UN_CLI_COMMANDS_H

#include "app/options.h"

extern const un_command un_cmd_augment;
extern const un_command un_cmd_config;
extern const un_command un_cmd_describe;
extern const un_command un_cmd_eval;
extern const un_command un_cmd_extend;
extern const un_command un_cmd_help;
extern const un_command un_cmd_import;
extern const un_command un_cmd_inspect;
extern const un_command un_cmd_list;
extern const un_command un_cmd_plan;
extern const un_command un_cmd_predict;
extern const un_command un_cmd_selftest;
extern const un_command un_cmd_train;

/* In the order of the overview; ends with NULL. */
extern const un_command *const un_commands[];

/* NULL: no such command; then the error names the nearest one. */
const un_command *un_command_find(const char *name, unet_error *err);

#endif
