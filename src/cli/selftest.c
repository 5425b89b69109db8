/* unet selftest: the input/output pairs of a model file, run on this machine. */
#include <stdio.h>

#include "app/context.h"
#include "app/errors.h"
#include "cli/commands.h"
#include "unet/model.h"

typedef struct selftest_options {
    double tolerance;
} selftest_options;

static const un_opt options[] = {
    {.name = "tolerance",
        .type = UN_OPT_NUMBER,
        .offset = offsetof(selftest_options, tolerance),
        .value = "X",
        .fallback = "1e-4",
        .high = 1,
        .help = "largest difference of a probability that passes"},
};

static unet_status run(const un_args *a, unet_error *err)
{
    const selftest_options *o = a->options;
    unet_context *context;
    unet_model *m = NULL;
    double largest = 0;
    int pairs = 0;
    unet_status st = un_app_context(&context, a, 0, err);

    if (!st)
        st = unet_model_load(&m, context, a->word[0], err);
    if (!st)
        st = unet_model_selftest(m, &largest, &pairs, err);
    if (!st && a->common.json)
        printf("{\"pairs\":%d,\"largest_difference\":%.9g,\"tolerance\":%.9g}\n", pairs, largest, o->tolerance);
    else if (!st)
        printf("%d pairs, largest difference %.3g (tolerance %.3g)\n", pairs, largest, o->tolerance);
    if (!st && !(largest <= o->tolerance))
        st = un_app_fail(
            err, UNET_E_NUMERIC, a->word[0], "the largest difference is %.3g, above %.3g", largest, o->tolerance);
    unet_model_destroy(m);
    unet_context_destroy(context);
    return st;
}

static const char *const examples[] = {
    "unet selftest nuclei.safetensors", "after copying a model to a new machine", NULL};

const un_command un_cmd_selftest = {
    .name = "selftest",
    .usage = "MODEL [--tolerance X]",
    .summary = "check that a model computes here what it computed where it was made",
    .about = "A model file holds a few small synthetic inputs with the outputs they gave. They are run again, and the "
             "largest difference of a probability is reported.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(selftest_options),
    .least = 1,
    .most = 1,
    .run = run,
};
