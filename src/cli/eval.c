/* unet eval: a model scored on labelled pictures. */
#include <stdio.h>

#include "app/context.h"
#include "app/progress.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "unet/work.h"

typedef struct eval_options {
    const char *calibrate, *split, *out;
    int no_floor;
} eval_options;

static const char *const splits[] = {"val", "test", "train", "select", "all", NULL};

static const un_opt options[] = {
    {.name = "split",
        .type = UN_OPT_WORD,
        .offset = offsetof(eval_options, split),
        .value = "SPLIT",
        .words = splits,
        .fallback = "val",
        .help = "which pictures are scored; test only when it is named, all leaves it out"},
    {.name = "out",
        .letter = 'o',
        .type = UN_OPT_FOLDER,
        .offset = offsetof(eval_options, out),
        .value = "DIR",
        .help = "folder for scores.csv, scores.json and report.html; made when it is not there"},
    UN_ROW_TTA,
    UN_ROW_PRECISION("predict.precision"),
    {.name = "metrics",
        .type = UN_OPT_KEY,
        .value = "LIST",
        .key = "eval.metrics",
        .help = "further metrics: names or groups of unet list metrics between commas, or all"},
    {.name = "calibrate",
        .type = UN_OPT_FILE,
        .offset = offsetof(eval_options, calibrate),
        .value = "FILE",
        .help = "write a copy of the model with temperature and threshold (softmax: of two classes) fitted on these "
                "pictures; not on test"},
    {.name = "no-floor",
        .type = UN_OPT_FLAG,
        .offset = offsetof(eval_options, no_floor),
        .help = "without the trivial predictor beside the model"},
};

static unet_status run(const un_args *a, unet_error *err)
{
    const eval_options *p = a->options;
    unet_eval_options o = UNET_EVAL_OPTIONS_INIT;
    unet_context *context;
    un_progress progress;
    char *text = NULL, *json = NULL;
    unet_status st = un_app_context(&context, a, 0, err);

    if (st)
        return st;
    un_progress_begin(&progress, stderr, &a->common);
    o.model = a->word[0];
    o.data = a->word[1];
    o.split = p->split;
    o.out_dir = p->out;
    o.calibrate = p->calibrate;
    o.set = a->key;
    o.set_count = (size_t)a->n_keys;
    o.no_floor = p->no_floor;
    o.progress = un_progress_show;
    o.progress_ctx = &progress;
    st = unet_eval(context, &o, NULL, a->common.json ? NULL : &text, a->common.json ? &json : NULL, err);
    un_progress_end(&progress);
    un_app_print(text);
    un_app_print(json);
    unet_context_destroy(context);
    return st;
}

static const char *const examples[] = {"unet eval nuclei.safetensors data/", "scores on the validation pictures",
    "unet eval nuclei.safetensors data/ --split test -o scores", "the test pictures, with a report",
    "unet eval nuclei.safetensors other/ --split all --tta flips", "every labelled picture of another folder", NULL};

const un_command un_cmd_eval = {
    .name = "eval",
    .usage = "MODEL DATA [--split SPLIT] [-o DIR] [key=value ...]",
    .summary = "score a model on labelled pictures",
    .about =
        "DATA is what unet train takes. Dice, IoU, precision, recall and F1 for each class, pooled over all pixels "
        "and as mean over the pictures; pixel accuracy; the confusion matrix; and beside them what a predictor "
        "that needs no training reaches. The split is the one that training used: a folder without one is "
        "drawn again by the seed in the model.\nWith -o: a CSV with every picture, the same as JSON, and one page "
        "with the best, median and worst pictures.\nkey=value changes keys of the sections data, predict and eval "
        "of the configuration in the model.",
    .examples = examples,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .options_size = sizeof(eval_options),
    .least = 2,
    .most = 2,
    .takes_keys = 1,
    .run = run,
};
