#include "app/help.h"

#include <string.h>

enum { COLUMNS = 80, HELP_COLUMN = 28 };

const un_exit_meaning un_exit_meanings[] = {
    {0, "done"},
    {2, "a word of the command line or a configuration key is wrong"},
    {3, "a file or folder does not exist"},
    {4, "reading or writing failed: no rights, disk full"},
    {5, "the bytes of a file are broken"},
    {6, "well formed, but this version cannot read it"},
    {7, "pictures and masks do not fit each other"},
    {8, "does not fit into the memory, size or time allowed"},
    {9, "loss or weights became infinite or no number"},
    {10, "some inputs failed, the others were done"},
    {70, "a bug in unet"},
    {130, "stopped on request"},
    {-1, NULL},
};

const char *un_opt_limits(char *buf, size_t size, const un_opt *o)
{
    size_t n = 0;

    buf[0] = 0;
    if (o->required)
        n += (size_t)snprintf(buf, size, "needed");
    if (o->low != 0 || o->high != 0)
        n += (size_t)snprintf(buf, size, "%.12g to %.12g", o->low, o->high);
    for (int i = 0; o->words && o->words[i] && n < size; i++)
        n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? ", " : "", o->words[i]);
    if (o->fallback && n < size)
        snprintf(buf + n, size - n, "%sdefault %s", n ? "; " : "", o->fallback);
    return buf;
}

/* Prints text with lines of at most COLUMNS, each begun by `indent` blanks; the cursor stands at column `at`. '\n' in
 * the text ends a line. */
static void wrap(FILE *to, const char *text, int indent, int at)
{
    while (*text) {
        const size_t word = strcspn(text, " \n");

        if (at > indent && at + 1 + (int)word > COLUMNS) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', to);
            at++;
        }
        at += fprintf(to, "%.*s", (int)word, text);
        text += word;
        if (*text == '\n') {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
        }
        text += *text != 0;
    }
    fputc('\n', to);
}

static void print_option(FILE *to, const un_opt *o)
{
    char limits[256], line[1024];
    int at;

    at = o->letter ? fprintf(to, "  -%c, --%s", o->letter, o->name) : fprintf(to, "      --%s", o->name);
    if (o->value)
        at += fprintf(to, " %s", o->value);
    if (at + 2 > HELP_COLUMN)
        fprintf(to, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(to, "%*s", HELP_COLUMN - at, "");
    un_opt_limits(limits, sizeof limits, o);
    snprintf(line, sizeof line, "%s%s%s%s", o->help, *limits ? " (" : "", limits, *limits ? ")" : "");
    wrap(to, line, HELP_COLUMN, HELP_COLUMN);
}

static void print_options(FILE *to, const char *title, const un_opt *o, int n)
{
    if (n)
        fprintf(to, "\n%s:\n", title);
    for (int i = 0; i < n; i++)
        print_option(to, &o[i]);
}

void un_help_command(FILE *to, const un_command *c)
{
    fprintf(to, "Usage: unet %s %s\n\n", c->name, c->usage);
    wrap(to, c->about, 0, 0);
    print_options(to, "Options", c->options, c->n_options);
    print_options(to, "Options of every command", un_common_options, un_common_option_count);
    for (int i = 0; c->examples && c->examples[i]; i += 2)
        fprintf(to, "%s  %s\n      %s\n", i ? "" : "\nExamples:\n", c->examples[i], c->examples[i + 1]);
}

void un_help_overview(FILE *to, const un_command *const *commands)
{
    fputs("unet: image segmentation with U-Nets, from a folder of pictures and masks to masks for new pictures\n\n"
          "Usage: unet COMMAND ...\n       unet --version\n\nCommands:\n",
        to);
    for (int i = 0; commands[i]; i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    print_options(to, "Options of every command", un_common_options, un_common_option_count);
    fputs("\nExit codes:\n", to);
    for (const un_exit_meaning *e = un_exit_meanings; e->code >= 0; e++)
        fprintf(to, "  %3d  %s\n", e->code, e->text);
    fputs("\n'unet COMMAND --help' says more of one.\n", to);
}

/* ---- Markdown ---- */

static void markdown_options(FILE *to, const un_opt *o, int n)
{
    char limits[256];

    if (n)
        fputs("| option | meaning | range and default |\n|---|---|---|\n", to);
    for (int i = 0; i < n; i++) {
        fputs("| `", to);
        if (o[i].letter)
            fprintf(to, "-%c`, `", o[i].letter);
        fprintf(to, "--%s%s%s` | %s | %s |\n", o[i].name, o[i].value ? " " : "", o[i].value ? o[i].value : "",
            o[i].help, un_opt_limits(limits, sizeof limits, &o[i]));
    }
    if (n)
        fputc('\n', to);
}

/* Text with '\n' as paragraphs. */
static void markdown_paragraphs(FILE *to, const char *s)
{
    for (; *s; s++) {
        if (*s == '\n')
            fputc('\n', to);
        fputc(*s, to);
    }
    fputs("\n\n", to);
}

void un_help_markdown(FILE *to, const un_command *const *commands)
{
    fputs("# Commands\n\nMade from the option tables of the program (`unet help --format markdown`); do not edit.\n\n",
        to);
    for (int i = 0; commands[i]; i++) {
        const un_command *c = commands[i];

        fprintf(to, "## unet %s\n\n    unet %s %s\n\n", c->name, c->name, c->usage);
        markdown_paragraphs(to, c->about);
        markdown_options(to, c->options, c->n_options);
        for (int k = 0; c->examples && c->examples[k]; k += 2)
            fprintf(to, "* `%s`: %s\n%s", c->examples[k], c->examples[k + 1], c->examples[k + 2] ? "" : "\n");
    }
    fputs("## Options of every command\n\n", to);
    markdown_options(to, un_common_options, un_common_option_count);
    fputs("## Exit codes\n\n| code | meaning |\n|--:|---|\n", to);
    for (const un_exit_meaning *e = un_exit_meanings; e->code >= 0; e++)
        fprintf(to, "| %d | %s |\n", e->code, e->text);
}
