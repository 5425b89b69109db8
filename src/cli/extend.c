/* unet extend: more steps for a run that has ended. */
#include "app/context.h"
#include "cli/commands.h"
#include "cli/training.h"

typedef struct extend_options {
    int64_t steps;
    const char *model, *data;
} extend_options;

static const un_opt options[] = {
    {.name = "steps",
        .type = UN_OPT_INT,
        .offset = offsetof(extend_options, steps),
        .value = "N",
        .low = 1,
        .high = 1e9,
        .required = 1,
        .help = "steps to add"},
    {.name = "output",
        .letter = 'o',
        .type = UN_OPT_FILE,
        .offset = offsetof(extend_options, model),
        .value = "MODEL",
        .help = "the model file to write; the run's own when not given"},
    {.name = "data",
        .type = UN_OPT_FOLDER,
        .offset = offsetof(extend_options, data),
        .value = "DATA",
        .help = "where the training pictures lie now; where they were when not given"},
};

static unet_status run(const un_args *a, unet_error *err)
{
    const extend_options *o = a->options;
    unet_train_options t = UNET_TRAIN_OPTIONS_INIT;
    unet_context *context;
    unet_status st = un_app_context(&context, a, 0, err);

    if (!st) {
        t.run_dir = a->word[0];
        t.data = o->data;
        t.model = o->model;
        t.extend_steps = o->steps;
        st = un_cli_train(a, context, &t, err);
    }
    unet_context_destroy(context);
    return st;
}

static const char *const examples[] = {"unet extend cells.safetensors.run --steps 500", "500 steps more", NULL};

const un_command un_cmd_extend = {
    .name = "extend",
    .usage = "RUN --steps N [-o MODEL] [--data DATA]",
    .summary = "add steps to a training run",
    .about = "Goes on with the run of the folder RUN. The rule: the total becomes larger, and the learning rate of the "
             "next step is the one a run of the new length has there; early stopping counts anew; warm-up, moving "
             "average and selection interval stay as they were. An event is logged.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(extend_options),
    .least = 1,
    .most = 1,
    .run = run,
};
