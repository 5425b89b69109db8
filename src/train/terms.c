#include "train/terms.h"

#include "base/size.h"
#include "config/losses.h"
#include "kernels/args.h"
#include "model/build.h"

/* ---- from the keys of a term to the attributes of its parts ---- */

typedef void setter(un_loss_attr part[UN_TERM_PARTS], const un_cfg_term *t);

static void plain(un_loss_attr part[UN_TERM_PARTS], const un_cfg_term *t)
{
    (void)part, (void)t;
}

static void squared(un_loss_attr part[UN_TERM_PARTS], const un_cfg_term *t)
{
    (void)t;
    part[0].squared = 1;
}

static void tversky(un_loss_attr part[UN_TERM_PARTS], const un_cfg_term *t)
{
    part[0].gamma = t->name == UN_CFG_LOSS_FOCAL_TVERSKY ? 1 / un_loss_value(t, "gamma") : 1;
}

static void smooth_l1(un_loss_attr part[UN_TERM_PARTS], const un_cfg_term *t)
{
    part[0].beta = 1 / un_loss_value(t, "delta");
}

static void combo(un_loss_attr part[UN_TERM_PARTS], const un_cfg_term *t)
{
    (void)t;
    part[0].factor = UN_LOSS_BY_ALPHA;
    part[1].factor = UN_LOSS_BY_REST;
}

static void unified(un_loss_attr part[UN_TERM_PARTS], const un_cfg_term *t)
{
    const double delta = un_loss_value(t, "delta"), gamma = un_loss_value(t, "gamma");

    combo(part, t);
    part[0].delta = delta;
    part[0].gamma = 1 - gamma;
    part[1].delta = 1 - delta;
    part[1].beta = delta;
    part[1].gamma = gamma;
}

enum { UN_LOSS_NONE = UN_NONE };

static const struct rule {
    int kind[UN_TERM_PARTS];
    setter *set;
} rules[] = {
#define UN_LOSS(ID, name, heads, part, second, setter, title, formula, paper, when)                                    \
    [UN_CFG_LOSS_##ID] = {{UN_LOSS_##part, UN_LOSS_##second}, setter},
#include "config/losses.def"
};

static un_loss_form form_of(un_cfg_head head)
{
    return head == UN_CFG_HEAD_SOFTMAX   ? UN_LOSS_SOFTMAX
           : head == UN_CFG_HEAD_SIGMOID ? UN_LOSS_BINARY
                                         : UN_LOSS_MULTILABEL;
}

/* Distances in pixels of the finest axis where the spacing is set for all that have an extent. */
static void set_spacing(un_loss_attr *a, const un_config *c)
{
    const double *s = c->data.spacing;
    const int first = c->model.dims == 3 ? 0 : 1;
    double least = un_is_auto(s[0]) ? 0 : s[first];

    for (int i = first; i < 3; i++)
        least = least > 0 ? UN_MIN(least, s[i]) : 0;
    for (int i = 0; i < 3; i++)
        a->spacing[i] = least > 0 && i >= first ? s[i] / least : 1;
}

static un_loss_attr attributes(const un_config *c, const un_cfg_term *t)
{
    const int own = un_loss_has(t->name, "alpha"), set = !un_is_auto(t->alpha);
    un_loss_attr a = {.form = (int)form_of(c->model.head),
        .weight = t->weight,
        .smooth = c->loss.dice_smooth,
        .batch = c->loss.dice_batch,
        .background = c->loss.dice_background,
        .alpha = own || set ? un_loss_value(t, "alpha") : 1,
        .beta = un_loss_has(t->name, "beta") ? un_loss_value(t, "beta") : 1,
        .gamma = un_loss_value(t, "gamma"),
        .delta = un_loss_value(t, "delta"),
        .q = un_loss_value(t, "q"),
        .pos_weight = un_loss_has(t->name, "pos_weight") ? un_loss_value(t, "pos_weight") : 1,
        .share = un_loss_value(t, "share"),
        .threshold = un_loss_value(t, "threshold"),
        .radius = un_loss_value(t, "radius")};

    if (!own && (set || !un_is_auto(t->alpha_end)))
        a.factor = UN_LOSS_BY_ALPHA;
    if (t->name == UN_CFG_LOSS_CE || t->name == UN_CFG_LOSS_BCE || t->name == UN_CFG_LOSS_WBCE)
        a.smoothing = c->loss.smoothing;
    a.squared = t->name == UN_CFG_LOSS_DICE && c->loss.dice_squared;
    set_spacing(&a, c);
    return a;
}

/* ---- the graph ---- */

int un_loss_target(un_graph *g, const un_config *c)
{
    return c->model.head == UN_CFG_HEAD_MULTILABEL
               ? un_graph_input(g, "target", UN_TYPE_F32, un_model_channels(&c->model))
               : un_graph_input(g, "target", UN_TYPE_I32, 1);
}

int un_loss_class_weights(un_graph *g, const un_config *c)
{
    const int n = c->loss.class_weights.n;

    return n > 0 ? un_graph_const(g, "class_weight", UN_TYPE_F32, n) : UN_NONE;
}

static void add_term(
    un_loss_term *out, un_graph *g, const un_config *c, const un_cfg_term *t, const un_loss_inputs *in, int moving)
{
    const struct rule *rule = &rules[t->name];
    const un_loss_attr base = attributes(c, t);
    un_attr part[UN_TERM_PARTS] = {{.loss = base}, {.loss = base}};
    un_loss_attr set[UN_TERM_PARTS] = {base, base};
    int inputs[5] = {in->logits, in->target, in->pixel_weight, in->class_weight, UN_NONE};

    *out = (un_loss_term){.name = un_loss_info_of(t->name)->name,
        .weight = t->weight,
        .alpha = UN_NONE,
        .from = base.alpha,
        .to = un_is_auto(t->alpha_end) ? base.alpha : t->alpha_end,
        .span = {t->alpha_span[0], t->alpha_span[1]}};
    rule->set(set, t);
    if (moving && out->to != out->from)
        inputs[4] = out->alpha = un_graph_const(g, "alpha", UN_TYPE_F32, 1);
    for (int i = 0; i < UN_TERM_PARTS && rule->kind[i] != UN_LOSS_NONE; i++) {
        part[i].loss = set[i];
        part[i].loss.kind = rule->kind[i];
        part[i].loss.alpha = out->to;
        part[i].loss.weight *= in->share > 0 ? in->share : 1;
        out->factor[i] = set[i].factor;
        out->value[i] = un_graph_op(g, UN_OP_LOSS, out->name, inputs, 5, &part[i]);
        out->n_parts++;
        un_graph_output(g, out->value[i]);
    }
}

void un_loss_terms_add(
    un_loss_term term[UN_CFG_MAX_term], un_graph *g, const un_config *c, const un_loss_inputs *in, int moving)
{
    for (int i = 0; i < c->loss.terms.n; i++)
        add_term(&term[i], g, c, &c->loss.terms.v[i], in, moving);
}

/* ---- numbers ---- */

double un_loss_term_alpha(const un_loss_term *t, int64_t step, int64_t total)
{
    const double at = total > 1 ? (double)(step - 1) / (double)(total - 1) : 1;
    double s = at >= t->span[1] ? 1 : at <= t->span[0] ? 0 : (at - t->span[0]) / (t->span[1] - t->span[0]);

    if (t->alpha == UN_NONE)
        return t->to;
    return t->from + s * (t->to - t->from);
}

double un_loss_term_value(const un_loss_term *t, double alpha, const double parts[UN_TERM_PARTS])
{
    double sum = 0;

    for (int i = 0; i < t->n_parts; i++)
        sum += parts[i] * (t->factor[i] == UN_LOSS_BY_ALPHA ? alpha : t->factor[i] == UN_LOSS_BY_REST ? 1 - alpha : 1);
    return sum;
}
