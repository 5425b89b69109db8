#include "config/losses.h"

#include <string.h>

#include "base/size.h"
#include "config/table.h"

static const un_loss_info infos[] = {
#define UN_LOSS(ID, name, heads, part, second, setter, title, formula, paper, when)                                    \
    [UN_CFG_LOSS_##ID] = {name, #heads, title, formula, paper, when},
#include "config/losses.def"
};

static const un_loss_param params[] = {
#define UN_LOSS_PARAM(ID, key, lo, hi, def, help) {#key, lo, hi, def, help, UN_CFG_LOSS_##ID},
#include "config/losses.def"
};

int un_loss_count(void)
{
    return (int)UN_COUNT(infos);
}

const un_loss_info *un_loss_info_of(un_cfg_loss_name loss)
{
    return &infos[loss];
}

int un_loss_params(const un_loss_param **first, un_cfg_loss_name loss)
{
    size_t i = 0, n = 0;

    while (i < UN_COUNT(params) && params[i].loss != loss)
        i++;
    while (i + n < UN_COUNT(params) && params[i + n].loss == loss)
        n++;
    *first = params + i;
    return (int)n;
}

static const un_loss_param *param_of(un_cfg_loss_name loss, const char *key)
{
    for (size_t i = 0; i < UN_COUNT(params); i++)
        if (params[i].loss == loss && !strcmp(params[i].key, key))
            return &params[i];
    return NULL;
}

int un_loss_has(un_cfg_loss_name loss, const char *key)
{
    return param_of(loss, key) != NULL;
}

/* ---- a term ---- */

static const un_cfg_struct *term_record(void)
{
    return un_cfg_field_find(un_cfg_section_find("loss"), "terms")->record;
}

static double set_value(const un_cfg_term *t, const un_cfg_field *f)
{
    double v;

    memcpy(&v, (const char *)t + f->offset, sizeof v);
    return v;
}

double un_loss_value(const un_cfg_term *t, const char *key)
{
    const un_cfg_field *f = un_cfg_field_find(term_record(), key);
    const un_loss_param *p = param_of(t->name, key);
    const double v = set_value(t, f);

    return !un_is_auto(v) ? v : p ? p->def : 0;
}

/* Keys that every loss has. */
static int is_common(const un_cfg_field *f)
{
    static const char *const keys[] = {"weight", "alpha", "alpha_end"};

    for (size_t i = 0; i < UN_COUNT(keys); i++)
        if (!strcmp(f->key, keys[i]))
            return 1;
    return 0;
}

static unet_status check_key(const un_cfg_term *t, const un_cfg_field *f, unet_error *err)
{
    const char *name = infos[t->name].name;
    const int end = !strcmp(f->key, "alpha_end");
    const un_loss_param *p = param_of(t->name, end ? "alpha" : f->key);
    const double v = set_value(t, f);

    if (un_is_auto(v))
        return UNET_OK;
    if (!p && !is_common(f))
        return un_fail_file(err, UNET_E_CONFIG, "loss.terms", "%s has no %s (docs/losses.md)", name, f->key);
    if (p && (v < p->lo || v > p->hi))
        return un_fail_file(
            err, UNET_E_CONFIG, "loss.terms", "%s of %s is %g; it goes from %g to %g", f->key, name, v, p->lo, p->hi);
    if (end && p && p->def < p->lo && un_is_auto(t->alpha))
        return un_fail_file(err, UNET_E_CONFIG, "loss.terms", "alpha_end of %s needs an alpha to begin with", name);
    return UNET_OK;
}

static unet_status check_head(const un_cfg_term *t, un_cfg_head head, unet_error *err)
{
    static const char letter[] = {
        [UN_CFG_HEAD_SOFTMAX] = 'S', [UN_CFG_HEAD_SIGMOID] = 'B', [UN_CFG_HEAD_MULTILABEL] = 'M'};
    const un_loss_info *info = &infos[t->name];

    if (head == UN_CFG_HEAD_AUTO || strchr(info->heads, letter[head]))
        return UNET_OK;
    return un_fail_file(err, UNET_E_CONFIG, "loss.terms",
        "%s needs a sigmoid or multilabel head; a softmax head takes %s", info->name,
        t->name == UN_CFG_LOSS_LOVASZ_HINGE ? "lovasz" : "ce");
}

unet_status un_loss_check(const un_config *c, unet_error *err)
{
    const un_cfg_struct *record = term_record();
    unet_status st = UNET_OK;

    for (int i = 0; i < c->loss.terms.n && !st; i++) {
        const un_cfg_term *t = &c->loss.terms.v[i];

        st = check_head(t, c->model.head, err);
        for (size_t k = 0; k < record->count && !st; k++)
            if (record->fields[k].kind == UN_KIND_NUM)
                st = check_key(t, &record->fields[k], err);
    }
    return st;
}

/* ---- the page ---- */

static void add_default(un_text *t, const un_loss_param *p)
{
    if (p->def < p->lo)
        un_text_add(t, "none");
    else
        un_text_printf(t, "%.6g", p->def);
}

static void doc_loss(un_text *t, un_cfg_loss_name loss)
{
    static const char *const heads[] = {"softmax", "sigmoid", "multilabel"};
    const un_loss_info *info = &infos[loss];
    const un_loss_param *p;
    const int n = un_loss_params(&p, loss);
    int some = 0;

    un_text_printf(t, "## `%s`: %s\n\n", info->name, info->title);
    un_text_printf(t, "    %s\n\n", info->formula);
    un_text_printf(t, "%s. For: %s. Heads:", info->paper, info->when);
    for (size_t i = 0; i < UN_COUNT(heads); i++)
        if (strchr(info->heads, "SBM"[i]))
            un_text_printf(t, "%s %s", some++ ? "," : "", heads[i]);
    un_text_add(t, ".\n\n");
    if (!n)
        return;
    un_text_add(t, "| key | range | default | meaning |\n|---|---|---|---|\n");
    for (int i = 0; i < n; i++) {
        un_text_printf(t, "| `%s` | %g to %g | ", p[i].key, p[i].lo, p[i].hi);
        add_default(t, &p[i]);
        un_text_printf(t, " | %s |\n", p[i].help);
    }
    un_text_add(t, "\n");
}

static const char intro[] =
    "# Losses\n\n"
    "Made from `src/config/losses.def`; do not edit. `loss.terms` is a weighted sum of these, as\n\n"
    "    loss: {terms: [{name: dice, weight: 1}, {name: focal, weight: 0.5, gamma: 2, alpha: 0.25}]}\n\n"
    "A key that is left out, or `auto`, has the default below; a key that the loss does not have and a head that it "
    "does "
    "not go\n"
    "with are refused.\n\n"
    "**Symbols.** y target and p probability of a class, p_t of the pixel's own class, C classes, w pixel weight, cw "
    "weight of the\n"
    "class (`loss.class_weights`), s `loss.dice_smooth`. Sums run over pixels. TP = sum w p y, FP = sum w p (1 - y), "
    "FN = "
    "sum w (1 - p) y\n"
    "of a class. A sigmoid head is two classes of probability 1 - p and p. A channel of a multilabel head is a sigmoid "
    "of "
    "its own;\n"
    "formulas of p_t take the mean over its channels, and where its mask is soft the expectation over y.\n\n"
    "**What does not count.** Ignored mask values and pixels of weight 0 count nowhere; where nothing counts a loss "
    "and "
    "its gradient\n"
    "are 0.\n\n"
    "**Means over classes** are weighted by cw. They leave class 0 out unless `loss.dice_background` (the channels of "
    "a "
    "multilabel\n"
    "head all count; `lovasz` counts every class that occurs). The sums of Dice, Jaccard, Tversky, Lovasz and clDice "
    "are "
    "over the\n"
    "ghost batch or, with `loss.dice_batch: false`, over each patch. `lovasz`, `boundary`, `hausdorff`, `cldice` and "
    "`ssim_edge` take\n"
    "soft masks as 1 from 0.5. Distances are in pixels; where `data.spacing` is set and differs between the axes, in "
    "pixels of the\n"
    "axis with the finest.\n\n"
    "**Class weights.** `loss.class_weights` is a list, none, or `auto`: then `loss.class_weight_rule` makes a list "
    "from "
    "the share f of\n"
    "each class in the training masks when the run is planned: `inverse` 1 / f, `median` the median of all f / f "
    "(Eigen "
    "and Fergus\n"
    "2015), `effective` (1 - b) / (1 - b^n) with b = 0.9999 and n the pixels of the class in a picture of mean size "
    "(Cui "
    "2019); each\n"
    "is divided by its mean, and a class that does not occur weighs as much as the rarest that does. What `auto` does "
    "stands in\n"
    "[planning.md](planning.md).\n\n"
    "**alpha** may move: from `alpha` to `alpha_end` in a straight line between the shares `alpha_span` of the steps. "
    "For "
    "losses that\n"
    "have no `alpha` below it is a factor of the term, so that\n\n"
    "    loss: {terms: [{name: dice, alpha: 1, alpha_end: 0.01}, {name: boundary, alpha: 0.01, alpha_end: 1}]}\n\n"
    "is the schedule of Kervadec 2019. When a checkpoint is chosen by loss (`train.select: loss`), alpha has its last "
    "value.\n\n"
    "Each row is compared with an implementation of its own in PyTorch (`tools/loss_golden.py`, "
    "`tests/unit/test_losses.c`), value and\n"
    "gradient, in two and three dimensions, and its gradient with central differences. Each at work on pictures: "
    "[rows.md](rows.md).\n\n";

void un_loss_docs(un_text *t)
{
    un_text_add(t, intro);
    for (int i = 0; i < un_loss_count(); i++)
        doc_loss(t, (un_cfg_loss_name)i);
}
