/* Man pages in the man(7) macros. */
#include "app/help.h"

/* Text with the characters escaped that roff takes for its own; '\n' begins a paragraph. */
static void text(FILE *to, const char *s)
{
    int begin = 1;

    for (; *s; s++) {
        if (begin && (*s == '.' || *s == '\''))
            fputs("\\&", to);
        begin = *s == '\n';
        if (*s == '\\')
            fputs("\\e", to);
        else if (*s == '-')
            fputs("\\-", to);
        else if (*s == '\n')
            fputs("\n.PP\n", to);
        else
            fputc(*s, to);
    }
}

static void line(FILE *to, const char *before, const char *s, const char *after)
{
    fputs(before, to);
    text(to, s);
    fputs(after, to);
}

static void options(FILE *to, const char *title, const un_opt *o, int n)
{
    char limits[256];

    if (n)
        fprintf(to, ".SH %s\n", title);
    for (int i = 0; i < n; i++) {
        fputs(".TP\n", to);
        if (o[i].letter)
            fprintf(to, "\\fB\\-%c\\fR, ", o[i].letter);
        line(to, "\\fB\\-\\-", o[i].name, "\\fR");
        if (o[i].value)
            line(to, " \\fI", o[i].value, "\\fR");
        line(to, "\n", o[i].help, "");
        if (*un_opt_limits(limits, sizeof limits, &o[i]))
            line(to, " (", limits, ")");
        fputs(".\n", to);
    }
}

static void exit_codes(FILE *to)
{
    fputs(".SH EXIT STATUS\n", to);
    for (const un_exit_meaning *e = un_exit_meanings; e->code >= 0; e++) {
        fprintf(to, ".TP\n%d\n", e->code);
        line(to, "", e->text, ".\n");
    }
}

void un_man_command(FILE *to, const un_command *c)
{
    fprintf(to, ".TH UNET\\-%s 1 \"\" unet \"unet manual\"\n.SH NAME\nunet\\-%s \\- ", c->name, c->name);
    line(to, "", c->summary, "\n");
    fprintf(to, ".SH SYNOPSIS\n\\fBunet %s\\fR ", c->name);
    line(to, "", c->usage, "\n.SH DESCRIPTION\n");
    line(to, "", c->about, "\n");
    options(to, "OPTIONS", c->options, c->n_options);
    options(to, "OPTIONS OF EVERY COMMAND", un_common_options, un_common_option_count);
    for (int i = 0; c->examples && c->examples[i]; i += 2) {
        fputs(i ? ".TP\n" : ".SH EXAMPLES\n.TP\n", to);
        line(to, "\\fB", c->examples[i], "\\fR\n");
        line(to, "", c->examples[i + 1], "\n");
    }
    exit_codes(to);
    fputs(".SH SEE ALSO\n\\fBunet\\fR(1)\n", to);
}

void un_man_overview(FILE *to, const un_command *const *commands)
{
    fputs(".TH UNET 1 \"\" unet \"unet manual\"\n.SH NAME\nunet \\- image segmentation with U\\-Nets\n"
          ".SH SYNOPSIS\n\\fBunet\\fR \\fICOMMAND\\fR ...\n.SH DESCRIPTION\n"
          "Trains, evaluates and runs U\\-Nets: from a folder of pictures and masks to masks for new pictures.\n"
          ".SH COMMANDS\n",
        to);
    for (int i = 0; commands[i]; i++) {
        fprintf(to, ".TP\n\\fBunet\\-%s\\fR(1)\n", commands[i]->name);
        line(to, "", commands[i]->summary, ".\n");
    }
    options(to, "OPTIONS OF EVERY COMMAND", un_common_options, un_common_option_count);
    exit_codes(to);
}
