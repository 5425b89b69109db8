#include "app/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/errors.h"
#include "unet/text.h"

static const char *const cpu_levels[] = {"ref", "avx2", "avx512", "neon", NULL};

const un_opt un_common_options[] = {
    {.name = "help", .letter = 'h', .type = UN_OPT_FLAG, .offset = offsetof(un_common, help), .help = "show this help"},
    {.name = "json",
        .type = UN_OPT_FLAG,
        .offset = offsetof(un_common, json),
        .help = "results on standard output and progress on standard error as JSON, one object a line; plan, describe, "
                "config, augment and help print a text all the same"},
    {.name = "quiet",
        .letter = 'q',
        .type = UN_OPT_FLAG,
        .offset = offsetof(un_common, quiet),
        .help = "no progress, only results and errors"},
    {.name = "threads",
        .letter = 'j',
        .type = UN_OPT_INT,
        .offset = offsetof(un_common, threads),
        .value = "N",
        .help = "threads; 0: one for each processor this process may use",
        .fallback = "0",
        .high = 1024},
    {.name = "cpu",
        .type = UN_OPT_WORD,
        .offset = offsetof(un_common, cpu),
        .value = "LEVEL",
        .help = "CPU level of the kernels; the best one when not given",
        .words = cpu_levels},
    {.name = "exact",
        .type = UN_OPT_FLAG,
        .offset = offsetof(un_common, exact),
        .help = "convolutions that sum directly, without Winograd forms: slower, rounding less"},
};
const int un_common_option_count = sizeof un_common_options / sizeof *un_common_options;

/* The rows a command understands: its own, then the common ones. */
typedef struct rows {
    const un_command *c;
    void *own;
    un_common *common;
    char *given; /* [row_count] 1: stands on the command line */
} rows;

static int row_count(const rows *r)
{
    return r->c->n_options + un_common_option_count;
}

static const un_opt *row(const rows *r, int i)
{
    return i < r->c->n_options ? &r->c->options[i] : &un_common_options[i - r->c->n_options];
}

static void *member(const rows *r, int i)
{
    return (char *)(i < r->c->n_options ? r->own : (void *)r->common) + row(r, i)->offset;
}

/* ---- values ---- */

static unet_status bad_value(const un_opt *o, const char *text, const char *wanted, unet_error *err)
{
    return un_app_fail(err, UNET_E_ARG, NULL, "--%s: '%s' is not %s", o->name, text, wanted);
}

static unet_status in_range(const un_opt *o, const char *text, double v, unet_error *err)
{
    if ((o->low != 0 || o->high != 0) && !(v >= o->low && v <= o->high))
        return un_app_fail(err, UNET_E_ARG, NULL, "--%s: %s is outside %.12g to %.12g", o->name, text, o->low, o->high);
    return UNET_OK;
}

static unet_status set_word(const un_opt *o, const char *text, void *to, unet_error *err)
{
    size_t n = 0;
    const char *near;

    for (; o->words[n]; n++)
        if (!strcmp(o->words[n], text)) {
            *(const char **)to = text;
            return UNET_OK;
        }
    near = unet_nearest(text, o->words, n);
    return un_app_fail(err, UNET_E_ARG, NULL, "--%s: no '%s'%s%s%s; see --help for the words it takes", o->name, text,
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static unet_status set_value(const un_opt *o, const char *text, void *to, unet_error *err)
{
    switch (o->type) {
    case UN_OPT_FLAG:
        *(int *)to = 1;
        return UNET_OK;
    case UN_OPT_INT:
        if (!unet_parse_int(text, to))
            return bad_value(o, text, "a whole number", err);
        return in_range(o, text, (double)*(int64_t *)to, err);
    case UN_OPT_NUMBER:
        if (!unet_parse_number(text, to))
            return bad_value(o, text, "a number", err);
        return in_range(o, text, *(double *)to, err);
    case UN_OPT_BYTES:
        if (!unet_parse_bytes(text, to))
            return bad_value(o, text, "a size such as 512M or 4G", err);
        return in_range(o, text, (double)*(uint64_t *)to, err);
    case UN_OPT_SECONDS:
        if (!unet_parse_seconds(text, to))
            return bad_value(o, text, "a time such as 90s, 10m or 1h30m", err);
        return in_range(o, text, *(double *)to, err);
    case UN_OPT_WORD:
        return set_word(o, text, to, err);
    case UN_OPT_KEY: /* the configuration checks it */
        return UNET_OK;
    case UN_OPT_TEXT:
    case UN_OPT_FILE:
    case UN_OPT_FOLDER:
        if (!*text)
            return un_app_fail(err, UNET_E_ARG, NULL, "--%s: an empty value", o->name);
        *(const char **)to = text;
        return UNET_OK;
    }
    return un_app_fail(err, UNET_E_INTERNAL, NULL, "--%s: a row of an unknown type", o->name);
}

static unet_status set_defaults(const rows *r, unet_error *err)
{
    memset(r->own, 0, r->c->options_size);
    memset(r->common, 0, sizeof *r->common);
    for (int i = 0; i < row_count(r); i++)
        if (row(r, i)->fallback) {
            unet_status st = set_value(row(r, i), row(r, i)->fallback, member(r, i), err);

            if (st)
                return st;
        }
    return UNET_OK;
}

/* ---- words ---- */

static unet_status unknown(const rows *r, const char *text, size_t n, unet_error *err)
{
    const char *names[64], *near;
    char typed[64];
    size_t count = 0;

    for (; (int)count < row_count(r) && count < sizeof names / sizeof *names; count++)
        names[count] = row(r, (int)count)->name;
    snprintf(typed, sizeof typed, "%.*s", (int)(n < sizeof typed ? n : sizeof typed - 1), text);
    near = unet_nearest(typed, names, count);
    return un_app_fail(err, UNET_E_ARG, NULL, "no option --%s%s%s%s", typed, near ? "; did you mean --" : "",
        near ? near : "", near ? "?" : "");
}

/* Finds the row that `arg` (which begins with '-') names; *value is what stands behind '=' or the letter, or NULL. */
static unet_status find_row(const rows *r, const char *arg, int *found, const char **value, unet_error *err)
{
    const int is_long = arg[1] == '-';
    const size_t n = is_long ? strcspn(arg + 2, "=") : 1;

    *value = NULL;
    for (*found = 0; *found < row_count(r); ++*found) {
        const un_opt *o = row(r, *found);

        if (is_long ? strlen(o->name) == n && !strncmp(o->name, arg + 2, n) : o->letter == arg[1]) {
            if (is_long && arg[2 + n])
                *value = arg + 3 + n;
            else if (!is_long && arg[2])
                *value = arg + 2;
            return UNET_OK;
        }
    }
    if (is_long)
        return unknown(r, arg + 2, n, err);
    return un_app_fail(err, UNET_E_ARG, NULL, "no option -%c", arg[1]);
}

static unet_status add_assignment(un_args *a, const char *key, const char *value, unet_error *err)
{
    const size_t n = strlen(key) + strlen(value) + 2;
    char *s = malloc(n);

    if (!s)
        return un_app_fail(err, UNET_E_NOMEM, NULL, "no memory for the command line");
    snprintf(s, n, "%s=%s", key, value);
    a->made[a->n_made++] = s;
    a->key[a->n_keys++] = s;
    return UNET_OK;
}

/* --time 10m becomes the key train.time=10m. */
static unet_status add_key(un_args *a, const un_opt *o, const char *value, unet_error *err)
{
    unet_status st = UNET_OK;

    for (int i = 0; o->instead && o->instead[i] && !st; i++)
        st = add_assignment(a, o->instead[i], "auto", err);
    return st ? st : add_assignment(a, o->key, value, err);
}

static int ends_with(const char *s, const char *suffix)
{
    const size_t n = strlen(s), m = strlen(suffix);

    return n > m && !strcmp(s + n - m, suffix);
}

/* Reads the option at argv[*i] and moves *i over the value that it took. */
static unet_status read_option(un_args *a, const rows *r, int argc, char **argv, int *i, unet_error *err)
{
    const char *value;
    int at;
    unet_status st = find_row(r, argv[*i], &at, &value, err);

    if (st)
        return st;
    if (row(r, at)->type == UN_OPT_FLAG) {
        if (value)
            return un_app_fail(err, UNET_E_ARG, NULL, "--%s takes no value", row(r, at)->name);
    } else if (!value && row(r, at)->suffix && (*i + 1 >= argc || !ends_with(argv[*i + 1], row(r, at)->suffix))) {
        *(const char **)member(r, at) = "";
        return UNET_OK;
    } else if (!value) {
        if (*i + 1 >= argc)
            return un_app_fail(err, UNET_E_ARG, NULL, "--%s needs a value (%s)", row(r, at)->name, row(r, at)->value);
        value = argv[++*i];
    }
    r->given[at] = 1;
    if (row(r, at)->type == UN_OPT_KEY)
        return add_key(a, row(r, at), value, err);
    return set_value(row(r, at), value, member(r, at), err);
}

/* "section.key=value" or "key=value" with the letters that keys have; paths with '=' can be given as ./a=b. */
static int is_assignment(const char *s)
{
    const size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789.");

    return n > 0 && s[n] == '=';
}

/* Whether option `by` makes the key of option o auto. */
static int stands_instead(const un_opt *by, const un_opt *o)
{
    for (int i = 0; o->key && by->instead && by->instead[i]; i++)
        if (!strcmp(by->instead[i], o->key))
            return 1;
    return 0;
}

static unet_status check_together(const rows *r, unet_error *err)
{
    const un_command *c = r->c;

    for (int i = 0; i < c->n_options; i++)
        for (int k = i + 1; k < c->n_options; k++)
            if (r->given[i] && r->given[k] && stands_instead(&c->options[i], &c->options[k]))
                return un_app_fail(err, UNET_E_ARG, NULL, "--%s and --%s exclude each other; usage: unet %s %s",
                    c->options[i].name, c->options[k].name, c->name, c->usage);
    return UNET_OK;
}

static unet_status check_complete(const un_args *a, const rows *r, unet_error *err)
{
    const un_command *c = r->c;

    if (a->common.help)
        return UNET_OK;
    if (a->n_words < c->least)
        return un_app_fail(err, UNET_E_ARG, NULL, "too few words; usage: unet %s %s", c->name, c->usage);
    if (c->most >= 0 && a->n_words > c->most)
        return un_app_fail(
            err, UNET_E_ARG, NULL, "'%s' is one word too many; usage: unet %s %s", a->word[c->most], c->name, c->usage);
    for (int i = 0; i < c->n_options; i++)
        if (c->options[i].required && !r->given[i])
            return un_app_fail(
                err, UNET_E_ARG, NULL, "--%s is needed; usage: unet %s %s", c->options[i].name, c->name, c->usage);
    return check_together(r, err);
}

static unet_status read_words(un_args *a, const rows *r, int argc, char **argv, unet_error *err)
{
    int plain = 0; /* behind "--" */
    unet_status st = set_defaults(r, err);

    for (int i = 0; i < argc && !st; i++) {
        const char *s = argv[i];

        if (!plain && !strcmp(s, "--"))
            plain = 1;
        else if (!plain && s[0] == '-' && s[1])
            st = read_option(a, r, argc, argv, &i, err);
        else if (!plain && r->c->takes_keys && is_assignment(s))
            a->key[a->n_keys++] = s;
        else
            a->word[a->n_words++] = s;
    }
    return st ? st : check_complete(a, r, err);
}

unet_status un_args_parse(un_args *a, const un_command *c, void *options, int argc, char **argv, unet_error *err)
{
    const size_t most = (1 + UN_OPT_INSTEAD) * (size_t)argc + 1; /* an option of type KEY makes so many keys */
    rows r = {c, options, &a->common, NULL};
    unet_status st;

    *a = (un_args){.options = options};
    a->word = calloc((size_t)argc + 1, sizeof *a->word);
    a->key = calloc(most, sizeof *a->key);
    a->made = calloc(most, sizeof *a->made);
    r.given = calloc((size_t)row_count(&r), 1);
    if (a->word && a->key && a->made && r.given)
        st = read_words(a, &r, argc, argv, err);
    else
        st = un_app_fail(err, UNET_E_NOMEM, NULL, "no memory for the command line");
    free(r.given);
    return st;
}

void un_args_free(un_args *a)
{
    free(a->word);
    free(a->key);
    for (int i = 0; i < a->n_made; i++)
        free(a->made[i]);
    free(a->made);
    *a = (un_args){0};
}

void un_args_name_option(const un_args *a, const un_command *c, unet_error *err)
{
    const size_t n = strlen(err->where);
    int set = 0;

    for (int i = 0; i < a->n_made; i++)
        set |= !strncmp(a->made[i], err->where, n) && a->made[i][n] == '=';
    for (int i = 0; i < c->n_options && set; i++)
        if (c->options[i].key && !strcmp(c->options[i].key, err->where)) {
            snprintf(err->where, sizeof err->where, "--%s", c->options[i].name);
            return;
        }
}
