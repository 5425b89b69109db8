/* Completion scripts for bash and zsh. */
#include "app/help.h"

#include <string.h>

/* Both lists of a command's options, the common ones last. */
static const un_opt *option_at(const un_command *c, int i)
{
    if (i < c->n_options)
        return &c->options[i];
    i -= c->n_options;
    return i < un_common_option_count ? &un_common_options[i] : NULL;
}

/* What a value is completed with in bash: the body of a case branch. */
static void bash_value(FILE *to, const un_opt *o)
{
    switch (o->type) {
    case UN_OPT_FOLDER:
        fputs("COMPREPLY=($(compgen -d -- \"$cur\"))", to);
        break;
    case UN_OPT_FILE:
        fputs("COMPREPLY=($(compgen -f -- \"$cur\"))", to);
        break;
    case UN_OPT_WORD:
        fputs("COMPREPLY=($(compgen -W '", to);
        for (int i = 0; o->words[i]; i++)
            fprintf(to, "%s%s", i ? " " : "", o->words[i]);
        fputs("' -- \"$cur\"))", to);
        break;
    default:
        fputs("COMPREPLY=()", to);
    }
}

static void bash_command(FILE *to, const un_command *c)
{
    const un_opt *o;

    fprintf(to, "    %s)\n        case $prev in\n", c->name);
    for (int i = 0; (o = option_at(c, i)); i++)
        if (o->type != UN_OPT_FLAG) {
            fprintf(to, "        --%s", o->name);
            if (o->letter)
                fprintf(to, "|-%c", o->letter);
            fputs(") ", to);
            bash_value(to, o);
            fputs("; return ;;\n", to);
        }
    fputs("        esac\n        words='", to);
    for (int i = 0; (o = option_at(c, i)); i++)
        fprintf(to, "%s--%s", i ? " " : "", o->name);
    fputs("'\n        ;;\n", to);
}

void un_complete_bash(FILE *to, const un_command *const *commands)
{
    fputs("# bash completion for unet, made by `unet help --format bash`\n"
          "_unet() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '--help --version",
        to);
    for (int i = 0; commands[i]; i++)
        fprintf(to, " %s", commands[i]->name);
    fputs("' -- \"$cur\"))\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", to);
    for (int i = 0; commands[i]; i++)
        bash_command(to, commands[i]);
    fputs("    esac\n"
          "    case $cur in\n"
          "    -*) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\")) ;;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
          "    esac\n"
          "}\n"
          "complete -o filenames -F _unet unet\n",
        to);
}

/* Text inside '...[...]' of _arguments. */
static void zsh_text(FILE *to, const char *s)
{
    for (; *s; s++) {
        if (strchr("[]:\\", *s))
            fputc('\\', to);
        if (*s == '\'')
            fputs("'\\''", to);
        else
            fputc(*s, to);
    }
}

static void zsh_option(FILE *to, const un_opt *o)
{
    fputs(" \\\n            ", to);
    if (o->letter)
        fprintf(to, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    else
        fprintf(to, "'--%s[", o->name);
    zsh_text(to, o->help);
    fputc(']', to);
    if (o->value)
        fprintf(to, "%s%s:", o->suffix ? "::" : ":", o->value);
    switch (o->type) {
    case UN_OPT_FOLDER:
        fputs("_files -/", to);
        break;
    case UN_OPT_FILE:
        fputs("_files", to);
        break;
    case UN_OPT_WORD:
        fputc('(', to);
        for (int i = 0; o->words[i]; i++)
            fprintf(to, "%s%s", i ? " " : "", o->words[i]);
        fputc(')', to);
        break;
    default:
        break;
    }
    fputc('\'', to);
}

void un_complete_zsh(FILE *to, const un_command *const *commands)
{
    const un_opt *o;

    fputs("#compdef unet\n# zsh completion for unet, made by `unet help --format zsh`\n"
          "_unet() {\n    local -a commands=(\n",
        to);
    for (int i = 0; commands[i]; i++) {
        fprintf(to, "        '%s:", commands[i]->name);
        zsh_text(to, commands[i]->summary);
        fputs("'\n", to);
    }
    fputs("    )\n"
          "    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n",
        to);
    for (int i = 0; commands[i]; i++) {
        fprintf(to, "    %s)\n        _arguments -s", commands[i]->name);
        for (int k = 0; (o = option_at(commands[i], k)); k++)
            zsh_option(to, o);
        fputs(" \\\n            '*:file:_files'\n        ;;\n", to);
    }
    fputs("    esac\n}\n_unet \"$@\"\n", to);
}
