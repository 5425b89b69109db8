/* Texts made from the tables of commands and options. All lists of commands end with NULL. */
#ifndef UN_APP_HELP_H
#define UN_APP_HELP_H

#include <stdio.h>

#include "app/options.h"

/* For the terminal. */
void un_help_overview(FILE *to, const un_command *const *commands);
void un_help_command(FILE *to, const un_command *c);

/* Man pages of section 1: unet(1), and unet-NAME(1). */
void un_man_overview(FILE *to, const un_command *const *commands);
void un_man_command(FILE *to, const un_command *c);

/* docs/commands.md. */
void un_help_markdown(FILE *to, const un_command *const *commands);

/* Completion scripts. */
void un_complete_bash(FILE *to, const un_command *const *commands);
void un_complete_zsh(FILE *to, const un_command *const *commands);

/* What an exit code means, in ascending order; code < 0 ends the list. */
typedef struct un_exit_meaning {
    int code;
    const char *text;
} un_exit_meaning;
extern const un_exit_meaning un_exit_meanings[];

/* "0 to 1024; default 0" behind an option's help; writes at most size bytes and returns buf, "" when there is nothing.
 */
const char *un_opt_limits(char *buf, size_t size, const un_opt *o);

#endif
