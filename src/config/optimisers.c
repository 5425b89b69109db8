#include "config/optimisers.h"

#include <string.h>

#include "base/size.h"
#include "config/table.h"

static const un_method_info methods[] = {
#define UN_OPTIMISER(ID, name, KIND, blocks, decoupled, lr, title, formula, paper, when)                               \
    [UN_CFG_OPT_##ID] = {name, blocks, decoupled, lr, title, formula, paper, when},
#include "config/optimisers.def"
};

static const un_row_key method_keys[] = {
#define UN_OPTIMISER_KEY(ID, key, def) {UN_CFG_OPT_##ID, #key, def},
#include "config/optimisers.def"
};

static const un_around_info arounds[] = {
#define UN_AROUND(name, title, formula, paper, when, keys, setting) {name, title, formula, paper, when, keys, setting},
#include "config/optimisers.def"
};

static const un_around_info regularisers[] = {
#define UN_AROUND(name, title, formula, paper, when, keys, setting) {name, title, formula, paper, when, keys, setting},
#include "config/regularisers.def"
};

static const un_schedule_info schedules[] = {
#define UN_SCHEDULE(ID, name, title, formula, paper, when) [UN_CFG_SCHEDULE_##ID] = {name, title, formula, paper, when},
#include "config/schedules.def"
};

static const un_row_key schedule_keys[] = {
#define UN_SCHEDULE_KEY(ID, key, def) {UN_CFG_SCHEDULE_##ID, #key, def},
#include "config/schedules.def"
};

/* ---- rows ---- */

static int keys_of(const un_row_key **first, const un_row_key *keys, size_t count, int row)
{
    size_t i = 0, n = 0;

    while (i < count && keys[i].row != row)
        i++;
    while (i + n < count && keys[i + n].row == row)
        n++;
    *first = keys + i;
    return (int)n;
}

int un_method_count(void)
{
    return (int)UN_COUNT(methods);
}

const un_method_info *un_method_info_of(un_cfg_method method)
{
    return &methods[method];
}

int un_method_keys(const un_row_key **first, un_cfg_method method)
{
    return keys_of(first, method_keys, UN_COUNT(method_keys), (int)method);
}

int un_schedule_count(void)
{
    return (int)UN_COUNT(schedules);
}

const un_schedule_info *un_schedule_info_of(un_cfg_schedule schedule)
{
    return &schedules[schedule];
}

int un_schedule_keys(const un_row_key **first, un_cfg_schedule schedule)
{
    return keys_of(first, schedule_keys, UN_COUNT(schedule_keys), (int)schedule);
}

int un_around_count(void)
{
    return (int)UN_COUNT(arounds);
}

const un_around_info *un_around_info_of(int i)
{
    return &arounds[i];
}

int un_regulariser_count(void)
{
    return (int)UN_COUNT(regularisers);
}

const un_around_info *un_regulariser_info_of(int i)
{
    return &regularisers[i];
}

/* ---- values ---- */

static const un_cfg_field *field_of(const char *key)
{
    return un_cfg_field_find(un_cfg_section_find("optimiser"), key);
}

static double value_of(const un_cfg_optimiser *o, const un_row_key *keys, int n, const char *key)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(keys[i].key, key)) {
            double v;

            memcpy(&v, (const char *)o + field_of(key)->offset, sizeof v);
            return un_is_auto(v) ? keys[i].def : v;
        }
    return 0;
}

double un_method_value(const un_cfg_optimiser *o, const char *key)
{
    const un_row_key *keys;
    const int n = un_method_keys(&keys, o->name);

    return value_of(o, keys, n, key);
}

double un_schedule_value(const un_cfg_optimiser *o, const char *key)
{
    const un_row_key *keys;
    const int n = un_schedule_keys(&keys, o->schedule);

    return value_of(o, keys, n, key);
}

int un_method_decoupled(const un_cfg_optimiser *o)
{
    return o->decay == UN_CFG_DECAY_AUTO ? methods[o->name].decoupled : o->decay == UN_CFG_DECAY_DECOUPLED;
}

/* ---- what does not go together ---- */

static int has_key(const un_row_key *keys, int n, const char *key)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(keys[i].key, key))
            return 1;
    return 0;
}

typedef struct row_check {
    const char *what, *name; /* "the optimiser", "adam" */
    const un_row_key *keys, *own;
    size_t count;
    int n_own;
} row_check;

/* Keys that other rows have and this one lacks must stay as they are by default. */
static unet_status check_row(
    const row_check *r, const un_cfg_optimiser *o, const un_cfg_optimiser *defaults, unet_error *err)
{
    for (size_t i = 0; i < r->count; i++) {
        const char *key = r->keys[i].key;
        const un_cfg_field *f = field_of(key);

        if (!has_key(r->own, r->n_own, key) &&
            memcmp((const char *)o + f->offset, (const char *)defaults + f->offset, f->size) != 0)
            return un_fail_file(err, UNET_E_CONFIG, "optimiser", "optimiser.%s: %s %s has no such key; leave it at %s",
                key, r->what, r->name, f->def);
    }
    return UNET_OK;
}

static unet_status wrong(unet_error *err, const char *key, const char *why)
{
    return un_fail_file(err, UNET_E_CONFIG, key, "%s", why);
}

static unet_status check_numbers(const un_config *c, unet_error *err)
{
    const un_cfg_optimiser *o = &c->optimiser;

    for (int i = 1; i < o->milestones.n; i++)
        if (o->milestones.v[i] <= o->milestones.v[i - 1])
            return wrong(err, "optimiser.milestones", "each must be larger than the one before it");
    if (!un_is_auto(o->lr) && o->schedule != UN_CFG_SCHEDULE_CONSTANT && o->min_lr > o->lr)
        return wrong(err, "optimiser.min_lr", "larger than optimiser.lr");
    if (o->schedule == UN_CFG_SCHEDULE_PLATEAU && !(c->train.select_share > 0))
        return wrong(err, "optimiser.schedule", "plateau follows the score of selections; train.select_share is 0");
    if (o->average == UN_CFG_AVERAGE_SWA && c->model.norm == UN_CFG_NORM_BATCH && !(c->model.norm_momentum > 0))
        return wrong(
            err, "optimiser.average", "swa takes the statistics of batch norms anew; model.norm_momentum is 0");
    return UNET_OK;
}

unet_status un_optimiser_check(const un_config *c, un_mem *mem, unet_error *err)
{
    const un_cfg_optimiser *o = &c->optimiser;
    row_check method = {"the optimiser", methods[o->name].name, method_keys, NULL, UN_COUNT(method_keys), 0};
    row_check schedule = {"the schedule", schedules[o->schedule].name, schedule_keys, NULL, UN_COUNT(schedule_keys), 0};
    un_config *defaults = un_alloc(mem, sizeof *defaults);
    unet_status st = defaults ? un_config_init(defaults, mem, err) : un_fail_nomem(err, sizeof *defaults);

    method.n_own = un_method_keys(&method.own, o->name);
    schedule.n_own = un_schedule_keys(&schedule.own, o->schedule);
    if (!st)
        st = check_row(&method, o, &defaults->optimiser, err);
    if (!st)
        st = check_row(&schedule, o, &defaults->optimiser, err);
    un_free(defaults);
    return st ? st : check_numbers(c, err);
}

/* ---- the page ---- */

static void doc_keys(un_text *t, const un_row_key *keys, int n)
{
    if (!n)
        return;
    un_text_add(t, "| key | range | default | meaning |\n|---|---|---|---|\n");
    for (int i = 0; i < n; i++) {
        const un_cfg_field *f = field_of(keys[i].key);

        un_text_printf(t, "| `%s` | ", f->key);
        if (f->hi > f->lo && f->kind != UN_KIND_BOOL)
            un_text_printf(t, "%g to %g", f->lo, f->hi);
        un_text_add(t, " | ");
        if (f->flags & UN_CFG_AUTO)
            un_text_printf(t, "%.6g", keys[i].def);
        else
            un_text_printf(t, "`%s`", f->def);
        un_text_printf(t, " | %s |\n", f->help);
    }
    un_text_add(t, "\n");
}

static const char run_text[] = "    unet train examples/nuclei -o nuclei.safetensors --steps 200 %s%s\n\n";

static void doc_method(un_text *t, un_cfg_method method)
{
    const un_method_info *info = &methods[method];
    const un_row_key *keys;
    const int n = un_method_keys(&keys, method);

    un_text_printf(t, "### `%s`: %s\n\n    %s\n\n", info->name, info->title, info->formula);
    un_text_printf(t, "%s. For: %s. `lr: auto` is %g; weight decay is %s; up to %d floats of state a weight.\n\n",
        info->paper, info->when, info->lr, info->decoupled ? "decoupled" : "coupled", (int)strlen(info->blocks));
    un_text_printf(t, run_text, "optimiser.name=", info->name);
    doc_keys(t, keys, n);
}

static void doc_schedule(un_text *t, un_cfg_schedule schedule)
{
    const un_schedule_info *info = &schedules[schedule];
    const un_row_key *keys;
    const int n = un_schedule_keys(&keys, schedule);

    un_text_printf(t, "### `%s`: %s\n\n    %s\n\n", info->name, info->title, info->formula);
    un_text_printf(t, "%s. For: %s.\n\n", info->paper, info->when);
    un_text_printf(t, run_text, "optimiser.schedule=", info->name);
    doc_keys(t, keys, n);
}

static const char intro[] =
    "# Optimisers, regularisation and courses of the learning rate\n\n"
    "Made from `src/config/optimisers.def`, `regularisers.def` and `schedules.def`; do not edit. Keys are of the "
    "section\n"
    "`optimiser` unless they say otherwise. A key that is left out, or `auto`, has the default of its row; a key that "
    "the row does not have is\n"
    "refused. `unet list optimisers`, `regularisers` and `schedules` show the same.\n\n"
    "**What to use.** The defaults (`adamw`, `cosine`, a moving average) need no tuning on most sets. `sgd` with "
    "`poly`\n"
    "and momentum 0.99 is nnU-Net's choice for long runs. When a run is unsteady: a longer `warmup`, a lower `lr`,\n"
    "`clip_norm`; then `amsgrad` or `lookahead`. When a small set overfits: `weight_decay`, `sam_rho`, augmentation. "
    "The\n"
    "rate matters more than the optimiser: half a power of ten up and down is worth trying.\n\n"
    "**Looking for a rate.** `--find-lr` makes 100 steps whose rate rises from a thousandth of the method's own rate "
    "to a\n"
    "thousand times of it (Smith 2017), draws the loss over the rate (`MODEL.rates.svg`, `MODEL.rates.csv`) and "
    "suggests the\n"
    "rate where the smoothed loss falls most steeply. It ends early when the loss runs away. No model is written:\n\n"
    "    unet train examples/nuclei -o nuclei.safetensors --find-lr optimiser.name=lion\n\n"
    "**The order of a step.** The gradient is the mean over the ghost batches. It must be finite; then its elements "
    "are\n"
    "cut (`clip_value`), then units are scaled down (`clip_adaptive`), then all of it (`clip_norm`). The optimiser "
    "changes\n"
    "the weights; lookahead moves them; the average follows.\n\n"
    "**Weight decay** acts on weights of convolutions, not on biases and norms. *Decoupled*, a weight is first "
    "multiplied\n"
    "by 1 - lr decay; *coupled* (L2 regularisation), decay w is added to the gradient. `decay` chooses; `auto` is as "
    "the\n"
    "row says. `l1` adds l1 sign(w) to the gradient, on the same weights.\n\n"
    "**Groups** give parts of the network settings of their own, as a factor of the rate and a weight decay; later "
    "entries\n"
    "win in what they name, and what has the rate 0 stays as it is and costs no gradient:\n\n"
    "    optimiser: {groups: [{part: encoder, lr: 0.1}, {part: head, lr: 2}, {kind: norms, weight_decay: 0.01}]}\n"
    "    unet train examples/nuclei -o head.safetensors --from nuclei.safetensors \\\n"
    "        'optimiser.groups=[{part: encoder, lr: 0}]'\n\n"
    "**Limits of the gradient.** By norm (Pascanu 2013; `clip_norm`), by value (`clip_value`), adaptive (Brock 2021;\n"
    "`clip_adaptive`: the gradient of each output channel of a convolution, of each bias and of each norm parameter as "
    "a\n"
    "whole, at most this share of the norm of its weights, which counts as 0.001 at least; not in the head).\n\n"
    "**State.** All that an optimiser keeps is in the checkpoint, is counted in the plan of memory, and a run that "
    "goes on\n"
    "has the same bits as one that was never stopped. The same holds for any number of threads.\n\n"
    "**Proof.** Each row is compared with PyTorch 2.13 over ten steps (optimisers) or thirty (schedules), or, where "
    "PyTorch\n"
    "does not have it, with a formula of its own in `tools/optim_values.py`; a test fails on a row without. Each at "
    "work on\n"
    "pictures: [rows.md](rows.md).\n\n"
    "## Optimisers\n\n";

static const char schedules_intro[] = "## Courses of the learning rate\n\n"
                                      "The first `warmup` steps rise in a straight line from 0 to the first rate of "
                                      "the schedule. s counts the steps after\n"
                                      "them from 0, n is their number, t = s / n; P = period n to the nearest step. A "
                                      "run that is extended goes on where a\n"
                                      "run of the new length would stand.\n\n";

static void doc_around(un_text *t, const un_around_info *info)
{
    un_text_printf(t, "### `%s`: %s\n\n    %s\n\n", info->name, info->title, info->formula);
    un_text_printf(t, "%s. For: %s. Keys: %s.\n\n", info->paper, info->when, info->keys);
    un_text_printf(t, run_text, info->setting, "");
}

void un_optimiser_docs(un_text *t)
{
    un_text_add(t, intro);
    for (int i = 0; i < un_method_count(); i++)
        doc_method(t, (un_cfg_method)i);
    un_text_add(t, "## With any optimiser\n\n");
    for (int i = 0; i < un_around_count(); i++)
        doc_around(t, &arounds[i]);
    un_text_add(t, "## Regularisation and limits of the gradient\n\n");
    for (int i = 0; i < un_regulariser_count(); i++)
        doc_around(t, &regularisers[i]);
    un_text_add(t, schedules_intro);
    for (int i = 0; i < un_schedule_count(); i++)
        doc_schedule(t, (un_cfg_schedule)i);
}
