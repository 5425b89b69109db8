/* Commands and their options as tables: parsing, --help, man pages and shell completion are made from the same rows. */
#ifndef UN_APP_OPTIONS_H
#define UN_APP_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "unet/status.h"

/* The member that an option fills: FLAG int, INT int64_t, NUMBER and SECONDS double, BYTES uint64_t, the rest
 * const char * (borrowed from the command line). */
typedef enum un_opt_type {
    UN_OPT_FLAG,
    UN_OPT_INT,
    UN_OPT_NUMBER,
    UN_OPT_BYTES,
    UN_OPT_SECONDS,
    UN_OPT_TEXT,
    UN_OPT_FILE,
    UN_OPT_FOLDER,
    UN_OPT_WORD,
    UN_OPT_KEY /* sets the configuration key `key`; no member */
} un_opt_type;

enum { UN_OPT_INSTEAD = 2 };

typedef struct un_opt {
    const char *name; /* "threads": --threads */
    char letter;      /* 'j': -j; 0: none     */
    un_opt_type type;
    size_t offset;              /* of the member in the struct of options                           */
    const char *value;          /* what stands for the value in help: "N"; FLAG: NULL               */
    const char *help;           /* without capital and full stop                                    */
    const char *fallback;       /* as typed; NULL: the member stays zero                            */
    double low, high;           /* inclusive range of INT, NUMBER, BYTES, SECONDS; both 0: no range */
    const char *const *words;   /* WORD: what may be given, NULL-terminated                         */
    const char *key;            /* KEY: "train.time"; its rules are those of the configuration      */
    const char *const *instead; /* KEY: keys that become auto, at most UN_OPT_INSTEAD, NULL-terminated; options of these
                                   keys cannot be given too. NULL: none */
    const char *suffix;         /* FILE: the value may be left out, then the member is ""; the next word is taken only
                                   when it ends so. NULL: a value is needed */
    int required;
} un_opt;

/* What every command takes. */
typedef struct un_common {
    int help, json, quiet;
    int64_t threads; /* 0: one for each processor */
    const char *cpu; /* NULL: the best level      */
    int exact;       /* no Winograd forms         */
} un_common;
extern const un_opt un_common_options[];
extern const int un_common_option_count;

/* A command line that was read. Pointers into argv, so valid as long as that. */
typedef struct un_args {
    un_common common;
    const void *options; /* the command's struct */
    const char **word;   /* what is neither option nor key=value */
    int n_words;
    const char **key; /* "section.key=value": words, and options of type KEY, in their order */
    int n_keys;
    char **made; /* those of `key` that came from options */
    int n_made;
} un_args;

typedef struct un_command {
    const char *name;
    const char *usage;           /* what follows the name: "DATA -o MODEL [key=value ...]"        */
    const char *summary;         /* one line without capital and full stop                        */
    const char *about;           /* paragraphs separated by '\n'                                  */
    const char *const *examples; /* pairs: command line, what it does; NULL-terminated; NULL: none */
    const un_opt *options;
    int n_options;
    size_t options_size;
    int least, most; /* words; most < 0: any number */
    int takes_keys;  /* key=value words set configuration keys */
    unet_status (*run)(const un_args *a, unet_error *err);
} un_command;

/* argv begins behind the command's name. `options` has c->options_size bytes and is filled with the defaults first. On
 * failure the error says what is wrong with which word. un_args_free afterwards in any case.
 * Forms: --name value, --name=value, -n value, -nvalue; "--" ends the options; of an option that is given twice the
 * last one counts. With --help among the words nothing is required of them. */
UNET_NODISCARD unet_status un_args_parse(
    un_args *a, const un_command *c, void *options, int argc, char **argv, unet_error *err);
void un_args_free(un_args *a);
/* A place that is a key which an option has set becomes the name of the option: "train.mem" is "--mem". */
void un_args_name_option(const un_args *a, const un_command *c, unet_error *err);

#endif
