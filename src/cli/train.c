/* unet train: from a folder of pictures and masks to a model. */
#include "app/context.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "cli/training.h"

typedef struct train_options {
    const char *model, *run_dir, *config, *from, *profile;
    int resume, overwrite, dry_run, find_lr;
} train_options;

static const un_opt options[] = {
    {.name = "output",
        .letter = 'o',
        .type = UN_OPT_FILE,
        .offset = offsetof(train_options, model),
        .value = "MODEL",
        .required = 1,
        .help = "the model file to write; the run folder MODEL.run lies beside it"},
    UN_ROW_CONFIG(train_options, "configuration; what it leaves open is planned from the data"),
    UN_ROW_PRESET,
    UN_ROW_TIME,
    {.name = "epochs",
        .type = UN_OPT_KEY,
        .value = "N",
        .key = "train.epochs",
        .instead = un_cli_without_epochs,
        .help = "passes over the training pictures, instead of a time"},
    {.name = "steps",
        .type = UN_OPT_KEY,
        .value = "N",
        .key = "train.steps",
        .instead = un_cli_without_steps,
        .help = "steps, instead of a time"},
    UN_ROW_MEM,
    UN_ROW_PRECISION("train.precision"),
    {.name = "seed",
        .letter = 's',
        .type = UN_OPT_KEY,
        .value = "N",
        .key = "train.seed",
        .help = "seed of everything"},
    {.name = "from",
        .type = UN_OPT_FILE,
        .offset = offsetof(train_options, from),
        .value = "MODEL",
        .help =
            "start from the weights of this model, on corrected masks or other classes; the last layer is made anew "
            "where classes differ"},
    {.name = "encoder",
        .type = UN_OPT_KEY,
        .value = "NAME",
        .key = "model.encoder",
        .help = "a known network as the way down ('unet list encoders')"},
    {.name = "encoder-weights",
        .type = UN_OPT_KEY,
        .value = "FILE",
        .key = "model.encoder_weights",
        .help = "weights that it begins with: PyTorch, npz or safetensors; nothing in the file is executed"},
    {.name = "resume",
        .type = UN_OPT_FLAG,
        .offset = offsetof(train_options, resume),
        .help = "go on with the run that was stopped, from its last checkpoint"},
    {.name = "run",
        .type = UN_OPT_FOLDER,
        .offset = offsetof(train_options, run_dir),
        .value = "DIR",
        .help = "run folder, instead of MODEL.run"},
    {.name = "overwrite",
        .type = UN_OPT_FLAG,
        .offset = offsetof(train_options, overwrite),
        .help = "a model and a run of these names may be replaced"},
    {.name = "dry-run",
        .letter = 'n',
        .type = UN_OPT_FLAG,
        .offset = offsetof(train_options, dry_run),
        .help = "show the plan with its memory, disk and time, and train nothing"},
    {.name = "find-lr",
        .type = UN_OPT_FLAG,
        .offset = offsetof(train_options, find_lr),
        .help = "only look for a learning rate: 100 steps at rising rates; writes MODEL.rates.svg and .csv, no model"},
    UN_ROW_PROFILE(train_options),
};

static unet_status train(const un_args *a, unet_context *context, unet_config *cfg, unet_error *err)
{
    const train_options *o = a->options;
    unet_train_options t = UNET_TRAIN_OPTIONS_INIT;
    unet_status st = un_cli_profile_begin(&t.profile, context, o->profile, err);

    if (st)
        return st;
    t.data = a->word[0];
    t.model = o->model;
    t.run_dir = o->run_dir;
    t.config = cfg;
    t.from = o->from;
    t.resume = o->resume;
    t.dry_run = o->dry_run;
    t.overwrite = o->overwrite;
    t.find_rate = o->find_lr;
    st = un_cli_train(a, context, &t, err);
    return un_cli_profile_end(t.profile, a, o->profile, st, err);
}

static unet_status run(const un_args *a, unet_error *err)
{
    return un_app_configured(a, ((const train_options *)a->options)->config, train, err);
}

static const char *const examples[] = {"unet train cells/ -o cells.safetensors --time 10m",
    "everything chosen from the data", "unet train cells/ -o cells.safetensors --resume", "goes on after Ctrl-C",
    "unet train cells/ -o new.safetensors --from cells.safetensors", "goes on from a model with corrected masks",
    "unet train cells/ -o c.safetensors --config run.yaml optimiser.lr=0.001", "own settings",
    "unet train cells/ -o cells.safetensors --find-lr", "which learning rate would do", NULL};

const un_command un_cmd_train = {
    .name = "train",
    .usage = "DATA -o MODEL [--time TIME | --epochs N | --steps N] [--config FILE] [key=value ...]",
    .summary = "train a network on pictures with masks",
    .about = "DATA is a folder with images and masks (or train, val, test; lists; a table; an nnU-Net raw folder). "
             "Whatever the configuration leaves open is chosen from the data, as unet plan shows it.\n"
             "Part of the training pictures choose the best weights; validation and test pictures are not touched. "
             "Ctrl-C saves the state and says how to go on; so does a second run with --resume after a crash. The run "
             "folder holds settings, logs, curves, previews and report.html.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(train_options),
    .least = 1,
    .most = 1,
    .takes_keys = 1,
    .run = run,
};
