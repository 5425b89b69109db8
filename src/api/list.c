/* What there is to choose from, with formula, paper, ranges and defaults: made from the tables that the code runs on.
 */
#include <stdio.h>
#include <string.h>

#include "api/context.h"
#include "base/math.h"
#include "base/size.h"
#include "config/losses.h"
#include "config/optimisers.h"
#include "data/augment.h"
#include "metrics/registry.h"

enum { LIST_MAX = 1 << 22, KEY_NAME = 96, VALUES_TEXT = 160 };

/* ---- entries, for people or for programs ---- */

typedef struct lister {
    un_text *t;
    int json, entries, fields, keys;
} lister;

static void begin_entry(lister *l, const char *name, const char *title)
{
    l->fields = l->keys = 0;
    if (!l->json) {
        un_text_printf(l->t, "%s%-18s %s\n", l->entries++ ? "\n" : "", name, title);
        return;
    }
    un_text_add(l->t, l->entries++ ? ",\n{\"name\":" : "{\"name\":");
    un_text_json_string(l->t, name);
    un_text_add(l->t, ",\"title\":");
    un_text_json_string(l->t, title);
}

static void add_field(lister *l, const char *name, const char *value)
{
    if (!value || !value[0])
        return;
    if (!l->json) {
        un_text_printf(l->t, "    %-14s %s\n", name, value);
        return;
    }
    un_text_printf(l->t, ",\"%s\":", name);
    un_text_json_string(l->t, value);
}

/* Whole numbers in full, others in their shortest form. */
static void add_number(un_text *t, double v)
{
    if (v == un_floor(v) && v > -1e15 && v < 1e15)
        un_text_printf(t, "%.0f", v);
    else
        un_text_number(t, v);
}

static void add_key_json(lister *l, const un_config_key_info *k, const char *label, const char *value)
{
    un_text_add(l->t, l->keys++ ? ",{\"key\":" : ",\"keys\":[{\"key\":");
    un_text_json_string(l->t, k->key);
    if (k->hi > k->lo) {
        un_text_add(l->t, ",\"low\":");
        un_text_number(l->t, k->lo);
        un_text_add(l->t, ",\"high\":");
        un_text_number(l->t, k->hi);
    }
    if (value && value[0]) {
        un_text_printf(l->t, ",\"%s\":", label);
        un_text_json_string(l->t, value);
    }
    un_text_add(l->t, ",\"help\":");
    un_text_json_string(l->t, k->help);
    un_text_add(l->t, "}");
}

/* key, lo, hi (equal: no range) and help of k. value: what stands behind the label ("default"); NULL: nothing. */
static void add_key(lister *l, const un_config_key_info *k, const char *label, const char *value)
{
    if (l->json) {
        add_key_json(l, k, label, value);
        return;
    }
    un_text_printf(l->t, "    %s", k->key);
    if (k->hi > k->lo) {
        un_text_add(l->t, ", ");
        add_number(l->t, k->lo);
        un_text_add(l->t, " to ");
        add_number(l->t, k->hi);
    }
    if (value && value[0])
        un_text_printf(l->t, ", %s %s", label, value);
    un_text_printf(l->t, ": %s\n", k->help);
}

static void end_entry(lister *l)
{
    if (l->json)
        un_text_add(l->t, l->keys ? "]}" : "}");
}

/* ---- words of the schema ---- */

typedef struct about {
    const char *list;
    int value;
    const char *formula, *paper, *keys;
} about;

static const about abouts[] = {
#define UN_ABOUT(list, ID, formula, paper, keys) {#list, UN_CFG_##ID, formula, paper, keys},
#include "config/about.def"
};

static const about *find_about(const char *list, int value)
{
    for (size_t i = 0; i < UN_COUNT(abouts); i++)
        if (!strcmp(abouts[i].list, list) && abouts[i].value == value)
            return &abouts[i];
    return NULL;
}

static int find_key(un_config_key_info *out, const char *section, size_t length, const char *key)
{
    for (size_t i = 0; i < un_config_key_count(); i++) {
        un_config_key(i, out);
        if (strlen(out->section) == length && !strncmp(out->section, section, length) && !strcmp(out->key, key))
            return 1;
    }
    return 0;
}

/* "section.key section.key" */
static void add_keys(lister *l, const char *keys)
{
    while (keys && *keys) {
        const size_t n = strcspn(keys, " "), dot = strcspn(keys, ".");
        char name[KEY_NAME];
        un_config_key_info k;

        snprintf(name, sizeof name, "%.*s", (int)n, keys);
        if (dot < n && find_key(&k, keys, dot, name + dot + 1)) {
            k.key = name;
            add_key(l, &k, "default", k.def);
        }
        keys += n + (keys[n] == ' ');
    }
}

/* The keys that a text names as section.key, each once. */
static void add_named_keys(lister *l, const char *text, const char *section)
{
    const size_t n = strlen(section);
    char seen[VALUES_TEXT] = " ";

    for (const char *at = text; (at = strstr(at, section)); at += n) {
        const size_t length = n + strspn(at + n, "abcdefghijklmnopqrstuvwxyz_");
        char name[KEY_NAME], word[KEY_NAME + 2];

        snprintf(name, sizeof name, "%.*s", (int)length, at);
        snprintf(word, sizeof word, " %s ", name);
        if (strstr(seen, word))
            continue;
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s ", name);
        add_keys(l, name);
    }
}

typedef struct topic topic;
struct topic {
    const char *name, *help;
    void (*fill)(lister *l, const topic *t);
    const char *section, *key, *list; /* words of the schema */
};

static void fill_words(lister *l, const topic *t)
{
    un_config_key_info k;

    if (!find_key(&k, t->section, strlen(t->section), t->key))
        return;
    for (size_t i = 0; i < k.value_count; i++) {
        const about *a = find_about(t->list, (int)i);

        begin_entry(l, k.values[i], k.helps[i]);
        if (a) {
            add_field(l, "formula", a->formula);
            add_field(l, "paper", a->paper);
            add_keys(l, a->keys);
        }
        end_entry(l);
    }
}

/* ---- losses ---- */

static void heads_text(char *buf, size_t size, const char *letters)
{
    snprintf(buf, size, "%s%s%s", strchr(letters, 'S') ? "softmax " : "", strchr(letters, 'B') ? "sigmoid " : "",
        strchr(letters, 'M') ? "multilabel" : "");
}

static void add_param(lister *l, const un_loss_param *p)
{
    const un_config_key_info k = {.key = p->key, .lo = p->lo, .hi = p->hi, .help = p->help};
    un_text def;

    un_text_init(&def, l->t->mem, VALUES_TEXT);
    if (p->def >= p->lo)
        add_number(&def, p->def);
    add_key(l, &k, "default", def.s);
    un_text_free(&def);
}

static void fill_losses(lister *l, const topic *t)
{
    (void)t;
    for (int i = 0; i < un_loss_count(); i++) {
        const un_loss_info *info = un_loss_info_of((un_cfg_loss_name)i);
        const un_loss_param *p;
        const int n = un_loss_params(&p, (un_cfg_loss_name)i);
        char heads[48];

        heads_text(heads, sizeof heads, info->heads);
        begin_entry(l, info->name, info->title);
        add_field(l, "formula", info->formula);
        add_field(l, "paper", info->paper);
        add_field(l, "when", info->when);
        add_field(l, "heads", heads);
        for (int k = 0; k < n; k++)
            add_param(l, &p[k]);
        add_named_keys(l, info->when, "loss.");
        end_entry(l);
    }
}

/* ---- optimisers and schedules ---- */

/* A key of section optimiser with the row's own default; lists and switches have that of the schema. */
static void add_row_key(lister *l, const un_row_key *k)
{
    const char section[] = "optimiser";
    un_config_key_info info;
    char name[KEY_NAME];
    un_text def;

    if (!find_key(&info, section, strlen(section), k->key))
        return;
    snprintf(name, sizeof name, "%s.%s", section, k->key);
    info.key = name;
    un_text_init(&def, l->t->mem, VALUES_TEXT);
    add_number(&def, k->def);
    add_key(l, &info, "default", info.may_be_auto ? def.s : info.def);
    un_text_free(&def);
}

static void add_row_keys(lister *l, const un_row_key *keys, int n)
{
    for (int i = 0; i < n; i++)
        add_row_key(l, &keys[i]);
}

static void add_method(lister *l, un_cfg_method method)
{
    const un_method_info *info = un_method_info_of(method);
    const un_row_key *keys;
    const int n = un_method_keys(&keys, method);
    un_text lr;

    begin_entry(l, info->name, info->title);
    add_field(l, "formula", info->formula);
    add_field(l, "paper", info->paper);
    add_field(l, "when", info->when);
    add_field(l, "weight decay", info->decoupled ? "decoupled" : "coupled");
    un_text_init(&lr, l->t->mem, VALUES_TEXT);
    add_number(&lr, info->lr);
    add_field(l, "lr when auto", lr.s);
    un_text_free(&lr);
    add_keys(l, "optimiser.lr optimiser.weight_decay");
    add_row_keys(l, keys, n);
    end_entry(l);
}

static void add_around(lister *l, const un_around_info *info)
{
    begin_entry(l, info->name, info->title);
    add_field(l, "formula", info->formula);
    add_field(l, "paper", info->paper);
    add_field(l, "when", info->when);
    add_field(l, "setting", info->setting);
    add_keys(l, info->keys);
    end_entry(l);
}

static void fill_methods(lister *l, const topic *t)
{
    (void)t;
    for (int i = 0; i < un_method_count(); i++)
        add_method(l, (un_cfg_method)i);
    for (int i = 0; i < un_around_count(); i++)
        add_around(l, un_around_info_of(i));
}

static void fill_regularisers(lister *l, const topic *t)
{
    (void)t;
    for (int i = 0; i < un_regulariser_count(); i++)
        add_around(l, un_regulariser_info_of(i));
}

static void fill_schedules(lister *l, const topic *t)
{
    (void)t;
    for (int i = 0; i < un_schedule_count(); i++) {
        const un_schedule_info *info = un_schedule_info_of((un_cfg_schedule)i);
        const un_row_key *keys;
        const int n = un_schedule_keys(&keys, (un_cfg_schedule)i);

        begin_entry(l, info->name, info->title);
        add_field(l, "formula", info->formula);
        add_field(l, "paper", info->paper);
        add_field(l, "when", info->when);
        add_keys(l, "optimiser.lr optimiser.warmup");
        add_row_keys(l, keys, n);
        end_entry(l);
    }
}

/* ---- augmentations ---- */

/* "none 0..1, light ...": the same number twice is no range. */
static void add_policies(un_text *t, const double v[4][2])
{
    static const char *const policy[] = {"none", "light", "default", "strong"};

    for (int i = 0; i < 4; i++) {
        un_text_printf(t, "%s%s ", i ? ", " : "", policy[i]);
        add_number(t, v[i][0]);
        if (v[i][1] != v[i][0]) {
            un_text_add(t, "..");
            add_number(t, v[i][1]);
        }
    }
}

/* What a key is under each policy; nothing: no policy sets it. */
static void policy_values(un_text *t, const char *name)
{
#define UN_POLICY_NUM(key, none, light, def, strong)                                                                   \
    if (!strcmp(name, #key))                                                                                           \
        add_policies(t, (const double[4][2]){{none, none}, {light, light}, {def, def}, {strong, strong}});
#define UN_POLICY_RANGE(key, none, none_hi, light, light_hi, def, def_hi, strong, strong_hi)                           \
    if (!strcmp(name, #key))                                                                                           \
        add_policies(t, (const double[4][2]){{none, none_hi}, {light, light_hi}, {def, def_hi}, {strong, strong_hi}});
#define UN_POLICY_SET(ID, word, key, value)                                                                            \
    if (!strcmp(name, #key)) {                                                                                         \
        un_text_printf(t, "%s%s ", t->n ? ", " : "", word);                                                            \
        add_number(t, value);                                                                                          \
    }
#include "data/augment.def"
}

/* The operation's own key, and those that begin with its name. */
static int belongs(const char *operation, const char *key)
{
    const size_t n = strlen(operation);

    return !strncmp(operation, key, n) && (!key[n] || key[n] == '_');
}

static const struct {
    const char *formula, *paper;
} operations[UN_AUGMENT_COUNT] = {
#define UN_AUGMENT_ABOUT(ID, formula, paper) [UN_AUGMENT_##ID] = {formula, paper},
#include "data/augment.def"
};

static void add_operation(lister *l, int op, const char *name, const char *title)
{
    begin_entry(l, name, title);
    add_field(l, "formula", operations[op].formula);
    add_field(l, "paper", operations[op].paper);
    for (size_t i = 0; i < un_config_key_count(); i++) {
        un_config_key_info k;
        un_text values;

        un_config_key(i, &k);
        if (strcmp(k.section, "augment") || !belongs(name, k.key))
            continue;
        un_text_init(&values, l->t->mem, VALUES_TEXT);
        policy_values(&values, k.key);
        add_key(l, &k, values.n ? "by policy" : "default", values.n ? values.s : k.def);
        un_text_free(&values);
    }
    end_entry(l);
}

static void fill_augmentations(lister *l, const topic *t)
{
    (void)t;
#define UN_AUGMENT(ID, number, name, where, help) add_operation(l, UN_AUGMENT_##ID, #name, help);
#include "data/augment.def"
}

/* ---- metrics ---- */

static void fill_metrics(lister *l, const topic *t)
{
    static const char *const better[] = {"higher", "lower", "neither"};

    (void)t;
    for (int m = 0; m < UN_M_COUNT; m++) {
        const un_metric_info *i = un_metric_info_of((un_metric)m);

        begin_entry(l, i->name, i->title);
        add_field(l, "formula", i->formula);
        add_field(l, "paper", i->paper);
        add_field(l, "range", i->range);
        add_field(l, "better", better[i->better]);
        add_field(l, "empty class", i->empty);
        add_field(l, "note", i->note);
        add_field(l, "group", un_metric_group_name(i->group));
        add_named_keys(l, i->formula, "eval.");
        if (i->group == UN_GROUP_OBJECTS)
            add_keys(l, "eval.split");
        end_entry(l);
    }
}

/* ---- presets ---- */

/* Called for each key that a preset sets otherwise than the default. */
static const char *note_key(void *ctx, const char *section, const char *key)
{
    un_text *keys = ctx;

    un_text_printf(keys, "%s%s.%s", keys->n ? " " : "", section, key);
    return NULL;
}

/* "section.key section.key" of what a preset sets. */
static void preset_keys(un_text *keys, const un_preset *p)
{
    const un_config_style style = {.changed = 1, .why = note_key, .ctx = keys};
    un_config *c = un_alloc(keys->mem, sizeof *c);
    un_text written;

    un_text_init(&written, keys->mem, LIST_MAX);
    if (!c || un_config_init(c, keys->mem, NULL) || un_config_preset(c, keys->mem, p->name, NULL) ||
        un_config_write(c, &written, &style, NULL))
        keys->failed = 1;
    un_text_free(&written);
    un_free(c);
}

static void fill_presets(lister *l, const topic *t)
{
    (void)t;
    for (size_t i = 0; i < un_preset_count(); i++) {
        const un_preset *p = un_preset_at(i);
        un_text keys;

        un_text_init(&keys, l->t->mem, LIST_MAX);
        preset_keys(&keys, p);
        begin_entry(l, p->name, p->help);
        add_field(l, "sets", p->yaml);
        add_field(l, "paper", p->paper);
        add_keys(l, keys.s);
        end_entry(l);
        l->t->failed |= keys.failed;
        un_text_free(&keys);
    }
}

/* ---- topics ---- */

static const topic topics[] = {
    {"presets", "named networks: --preset NAME", fill_presets, NULL, NULL, NULL},
    {"losses", "terms of loss.terms", fill_losses, NULL, NULL, NULL},
    {"augmentations", "operations of the section augment", fill_augmentations, NULL, NULL, NULL},
    {"policies", "augment.policy", fill_words, "augment", "policy", "policy"},
    {"optimisers", "optimiser.name, and what goes with each", fill_methods, NULL, NULL, NULL},
    {"regularisers", "against overfitting and unsteady steps", fill_regularisers, NULL, NULL, NULL},
    {"schedules", "optimiser.schedule", fill_schedules, NULL, NULL, NULL},
    {"metrics", "scores of unet eval", fill_metrics, NULL, NULL, NULL},
    {"blocks", "model.block", fill_words, "model", "block", "block"},
    {"decoders", "model.decoder", fill_words, "model", "decoder", "decoder"},
    {"recalibrations", "model.recalibrate", fill_words, "model", "recalibrate", "recalibrate"},
    {"gates", "model.gate", fill_words, "model", "gate", "gate"},
    {"bottoms", "model.bottom", fill_words, "model", "bottom", "bottom"},
    {"stems", "model.stem", fill_words, "model", "stem", "stem"},
    {"encoders", "model.encoder: known networks, with weights from files", fill_words, "model", "encoder", "encoder"},
    {"heads", "model.head", fill_words, "model", "head", "head"},
    {"norms", "model.norm", fill_words, "model", "norm", "norm"},
    {"activations", "model.activation", fill_words, "model", "activation", "activation"},
    {"initialisations", "model.init", fill_words, "model", "init", "init"},
    {"downsamplings", "model.downsample", fill_words, "model", "downsample", "downsample"},
    {"upsamplings", "model.upsample", fill_words, "model", "upsample", "upsample"},
    {"normalisations", "data.normalise", fill_words, "data", "normalise", "normalise"},
};

static void fill_topics(lister *l)
{
    for (size_t i = 0; i < UN_COUNT(topics); i++)
        if (l->json) {
            begin_entry(l, topics[i].name, topics[i].help);
            end_entry(l);
        } else {
            un_text_printf(l->t, "%-18s %s\n", topics[i].name, topics[i].help);
        }
}

static const topic *find_topic(const char *name, unet_error *err)
{
    const char *names[UN_COUNT(topics)], *near;

    for (size_t i = 0; i < UN_COUNT(topics); i++) {
        names[i] = topics[i].name;
        if (!strcmp(names[i], name))
            return &topics[i];
    }
    near = un_nearest(name, names, UN_COUNT(topics));
    (void)un_fail(err, UNET_E_ARG, "nothing is listed by the name '%s'%s%s%s", name,
        near ? "; did you mean '" : "; without a name the lists are listed", near ? near : "", near ? "'?" : "");
    return NULL;
}

unet_status unet_list(char **out, unet_context *c, const char *name, int json, unet_error *err)
{
    un_text t;
    lister l = {.t = &t, .json = json};
    const topic *found = NULL;

    *out = NULL;
    un_error_clear(err);
    if (name && !(found = find_topic(name, err)))
        return UNET_E_ARG;
    un_text_init(&t, c->mem, LIST_MAX);
    un_text_add(&t, json ? "[" : "");
    if (found)
        found->fill(&l, found);
    else
        fill_topics(&l);
    un_text_add(&t, json ? "]\n" : "");
    return un_api_text(out, &t, err);
}
