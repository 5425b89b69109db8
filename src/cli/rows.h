/* Rows of option tables that several commands have, and what they do. */
#ifndef UN_CLI_ROWS_H
#define UN_CLI_ROWS_H

#include "app/options.h"
#include "unet/profile.h"

/* How long a training is: by time, epochs or steps. What the command line says stands instead of the others. */
extern const char *const un_cli_without_time[], *const un_cli_without_epochs[], *const un_cli_without_steps[];

/* STRUCT has a member `const char *config`. */
#define UN_ROW_CONFIG(STRUCT, HELP)                                                                                    \
    {                                                                                                                  \
        .name = "config", .letter = 'c', .type = UN_OPT_FILE, .offset = offsetof(STRUCT, config), .value = "FILE",     \
        .help = HELP                                                                                                   \
    }

#define UN_ROW_PRESET                                                                                                  \
    {                                                                                                                  \
        .name = "preset", .type = UN_OPT_KEY, .value = "NAME", .key = "preset",                                        \
        .help = "set the values of this preset ('unet list presets' shows them)"                                       \
    }

#define UN_ROW_TIME                                                                                                    \
    {                                                                                                                  \
        .name = "time", .letter = 't', .type = UN_OPT_KEY, .value = "TIME", .key = "train.time",                       \
        .instead = un_cli_without_time,                                                                                \
        .help = "time for the whole training, as 90, 10m or 1h30m; half an hour when neither time, epochs nor steps "  \
                "are given"                                                                                            \
    }

#define UN_ROW_MEM                                                                                                     \
    {                                                                                                                  \
        .name = "mem", .type = UN_OPT_KEY, .value = "SIZE", .key = "train.mem",                                        \
        .help = "memory of the whole process, as 4G; patch and micro-batch are chosen to fit"                          \
    }

#define UN_ROW_TTA                                                                                                     \
    {                                                                                                                  \
        .name = "tta", .type = UN_OPT_KEY, .value = "WORD", .key = "predict.tta",                                      \
        .help = "average over views of the picture: none, flips, or all (quarter turns too)"                           \
    }

#define UN_ROW_PRECISION(KEY)                                                                                          \
    {                                                                                                                  \
        .name = "precision", .type = UN_OPT_KEY, .value = "WORD", .key = KEY,                                          \
        .help = "numbers that the network multiplies: float32, or bf16 on a processor with AVX-512 BF16 (faster)"      \
    }

/* STRUCT has a member `const char *profile`: NULL: not asked for; "": the table alone. */
#define UN_ROW_PROFILE(STRUCT)                                                                                         \
    {                                                                                                                  \
        .name = "profile", .type = UN_OPT_FILE, .offset = offsetof(STRUCT, profile), .value = "[FILE.json]",           \
        .suffix = ".json",                                                                                             \
        .help = "show where the time goes, layer by layer; with a file also as a time line that Chrome and Perfetto "  \
                "open"                                                                                                 \
    }

/* *out: NULL when the option was not given. */
UNET_NODISCARD unet_status un_cli_profile_begin(
    unet_profile **out, unet_context *c, const char *option, unet_error *err);
/* Prints the table (with --json an object) and writes the file; destroys p. st: that of the job, which comes first. */
UNET_NODISCARD unet_status un_cli_profile_end(
    unet_profile *p, const un_args *a, const char *option, unet_status st, unet_error *err);

#endif
