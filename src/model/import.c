#include "model/import.h"

#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "config/encoders.h"

enum { NAME = 512, PREFIXES = 16, PROBES = 8, LISTED = 12, PARTS = 8 };

/* ---- names ---- */

static const char encoder_prefix[] = "encoder.";

static const char *behind(const char *name, const char *prefix)
{
    const size_t n = strlen(prefix);

    return strncmp(name, prefix, n) ? NULL : name + n;
}

static int own_name(const char *ours, char *out)
{
    return snprintf(out, NAME, "%s", ours) < NAME;
}

static int torchvision_name(const char *ours, char *out)
{
    const char *rest = behind(ours, encoder_prefix);

    return rest && snprintf(out, NAME, "%s", rest) < NAME;
}

/* Cuts a name at its dots; how many parts there are. */
static int split(char *text, char *part[PARTS])
{
    int n = 0;

    for (char *at = text; at && n < PARTS; n++) {
        part[n] = at;
        at = strchr(at, '.');
        if (at)
            *at++ = 0;
    }
    return n;
}

/* EfficientNet as segmentation_models_pytorch has it, blocks counted through:
 * features.S.B.block.J.K.weight -> _blocks.N._expand_conv.weight and so on. */
static int smp_efficient_name(const char *ours, char *out)
{
    static const int blocks[] = {1, 2, 2, 3, 3, 4, 1};
    static const char *const parts[4][2] = {
        {"_expand_conv", "_bn0"}, {"_depthwise_conv", "_bn1"}, {"_se_reduce", "_se_expand"}, {"_project_conv", "_bn2"}};
    char text[64], *part[PARTS];
    const char *rest = behind(ours, "encoder.features.");
    int n, step, block, which, at = 0;

    if (!rest || strlen(rest) >= sizeof text)
        return 0;
    memcpy(text, rest, strlen(rest) + 1);
    n = split(text, part);
    if (n == 3 && !strcmp(part[0], "0"))
        return snprintf(out, NAME, "%s.%s", part[1][0] == '1' ? "_bn0" : "_conv_stem", part[2]) < NAME;
    if (n != 6 || part[0][0] < '1' || part[0][0] > '7' || strcmp(part[2], "block"))
        return 0;
    for (int i = 0; i < part[0][0] - '1'; i++)
        at += blocks[i];
    block = part[1][0] - '0';
    step = part[3][0] - '0' + (part[0][0] == '1'); /* the first stage does not expand */
    which = step == 2 ? part[4][2] == '2' : part[4][0] == '1';
    return step >= 0 && step < 4 &&
           snprintf(out, NAME, "_blocks.%d.%s.%s", at + block, parts[step][which], part[5]) < NAME;
}

static const struct {
    const char *title;
    int (*name)(const char *ours, char *out);
} schemes[] = {
    {"this network's (those of segmentation_models_pytorch among them)", own_name},
    {"torchvision", torchvision_name},
    {"segmentation_models_pytorch", smp_efficient_name},
};
enum { OWN, TORCHVISION, SMP_EFFICIENT };

/* ---- shapes ---- */

int un_reads_picture(const un_graph *g, const un_param *p)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (g->node[i].op == UN_OP_CONV && g->node[i].in[1] == p->value && g->node[i].in[0] == g->input[0])
            return 1;
    return 0;
}

static int same_shape(const un_param *p, const un_weight *t)
{
    if (p->rank != t->rank)
        return 0;
    for (int k = 0; k < p->rank; k++)
        if (p->dims[k] != t->dims[k])
            return 0;
    return 1;
}

static un_import_state compare(const un_graph *g, const un_param *p, const un_weight *t)
{
    un_param like = *p;

    if (!t)
        return UN_IMPORT_MISSING;
    if (same_shape(p, t))
        return UN_IMPORT_SAME;
    if (p->rank > 2 && t->rank == p->rank && t->dims[1] > 0 && t->dims[1] <= 1024) {
        like.dims[1] = (int)t->dims[1];
        if (same_shape(&like, t) && un_reads_picture(g, p))
            return UN_IMPORT_ADAPTED;
    }
    return UN_IMPORT_SHAPE;
}

void un_adapt_channels(float *to, int ci, const float *from, int file_ci, int co, int64_t taps)
{
    for (int o = 0; o < co; o++)
        for (int c = 0; c < ci; c++)
            for (int64_t k = 0; k < taps; k++) {
                const float *f = from + (int64_t)o * file_ci * taps + k;
                double v = 0;

                if (ci == 1)
                    for (int j = 0; j < file_ci; j++)
                        v += (double)f[j * taps];
                else
                    v = (double)f[c % file_ci * taps] * file_ci / ci;
                to[((int64_t)o * ci + c) * taps + k] = (float)v;
            }
}

/* A shortcut without weights of its own (He 2016, option A): every second pixel, zeros round the channels. */
static int is_plain_shortcut(un_cfg_encoder e, const char *name)
{
    return e == UN_CFG_ENCODER_RESNET20 && behind(name, encoder_prefix) && strstr(name, ".shortcut.weight");
}

static void make_shortcut(const un_param *p, float *w)
{
    const int co = p->dims[0], ci = p->dims[1];

    memset(w, 0, (size_t)p->count * sizeof *w);
    for (int i = 0; i < ci; i++)
        w[(int64_t)((co - ci) / 2 + i) * ci + i] = 1;
}

/* ---- which names ---- */

static const un_weight *find(const un_weights *w, int scheme, const char *prefix, const char *ours)
{
    char name[NAME], full[NAME + 64];

    if (!schemes[scheme].name(ours, name))
        return NULL;
    return snprintf(full, sizeof full, "%s%s", prefix, name) < (int)sizeof full ? un_weights_find(w, full) : NULL;
}

/* Parameters that the file has, in their shape. */
static int count_found(const un_graph *g, const un_weights *w, int scheme, const char *prefix)
{
    int n = 0;

    for (int i = 0; i < g->n_params; i++)
        n += compare(g, &g->param[i], find(w, scheme, prefix, g->param[i].name)) <= UN_IMPORT_ADAPTED;
    return n;
}

typedef struct choice {
    int scheme, found;
    char prefix[64];
} choice;

/* Prefixes: what stands in the file before the name of one of the first parameters. */
static int list_prefixes(const un_graph *g, const un_weights *w, int scheme, char prefix[PREFIXES][64])
{
    int n = 0, probes = 0;

    for (int i = 0; i < g->n_params && probes < PROBES; i++) {
        char name[NAME];

        if (!schemes[scheme].name(g->param[i].name, name))
            continue;
        probes++;
        for (size_t k = 0; k < un_weights_count(w); k++) {
            const char *full = un_weights_at(w, k)->name;
            const size_t have = strlen(full), want = strlen(name);
            int known = 0;

            if (have < want || have - want >= 64 || strcmp(full + have - want, name) ||
                (have > want && full[have - want - 1] != '.'))
                continue;
            for (int j = 0; j < n; j++)
                known |= strlen(prefix[j]) == have - want && !strncmp(prefix[j], full, have - want);
            if (!known && n < PREFIXES)
                snprintf(prefix[n++], 64, "%.*s", (int)(have - want), full);
        }
    }
    return n;
}

static choice choose(const un_graph *g, const un_weights *w)
{
    choice best = {0};

    for (int s = 0; s < (int)UN_COUNT(schemes); s++) {
        char prefix[PREFIXES][64];
        const int n = list_prefixes(g, w, s, prefix);

        for (int i = 0; i < n; i++) {
            const int found = count_found(g, w, s, prefix[i]);

            if (found > best.found) {
                best = (choice){.scheme = s, .found = found};
                memcpy(best.prefix, prefix[i], sizeof best.prefix);
            }
        }
    }
    return best;
}

/* What the file has for parameter i. */
static void match_param(un_import *im, const un_graph *g, un_cfg_encoder e, const un_weights *w, int scheme, int i)
{
    const un_param *p = &g->param[i];
    const un_weight *t = find(w, scheme, im->prefix, p->name);

    im->state[i] = compare(g, p, t);
    im->from[i] = t ? (int)(t - un_weights_at(w, 0)) : UN_NONE;
    if (im->state[i] == UN_IMPORT_MISSING && is_plain_shortcut(e, p->name))
        im->state[i] = UN_IMPORT_MADE;
    if (im->state[i] <= UN_IMPORT_ADAPTED)
        im->used[im->from[i]] = 1;
    im->count[im->state[i]]++;
}

/* What the file has for the parameters whose names begin with `only`. A failure leaves *out for un_import_free. */
static unet_status match(un_import *out, const un_graph *g, un_cfg_encoder e, const un_weights *w, const char *only,
    const char *file, unet_error *err)
{
    const choice c = choose(g, w);
    const size_t n = (size_t)g->n_params;

    *out = (un_import){.mem = g->mem, .names = schemes[c.scheme].title};
    if (!c.found)
        return un_fail_file(err, UNET_E_DATA, file,
            "none of its %zu arrays has a name and shape of this network, with '%.100s' among them",
            un_weights_count(w), un_weights_at(w, 0)->name);
    memcpy(out->prefix, c.prefix, sizeof out->prefix);
    out->state = un_alloc_array(g->mem, n, sizeof *out->state);
    out->from = un_alloc_array(g->mem, n, sizeof *out->from);
    out->used = un_alloc_array(g->mem, un_weights_count(w), 1);
    if (!out->state || !out->from || !out->used)
        return un_fail_nomem(err, n * sizeof *out->state);
    for (size_t i = 0; i < n; i++) {
        out->state[i] = UN_IMPORT_MISSING;
        out->from[i] = UN_NONE;
        if (!only || behind(g->param[i].name, only))
            match_param(out, g, e, w, c.scheme, (int)i);
    }
    return UNET_OK;
}

/* ---- copying ---- */

static unet_status copy(un_import *im, un_model *m, const un_weights *w, int i, const char *file, unet_error *err)
{
    const un_param *p = &m->graph->param[i];
    const un_weight *t = un_weights_at(w, (size_t)im->from[i]);
    float *to = m->weights + p->offset, *read = un_alloc_array(im->mem, (size_t)t->count, sizeof *read);

    if (!read)
        return un_fail_nomem(err, (size_t)t->count * sizeof *read);
    un_weight_to_f32(t, read);
    for (int64_t k = 0; k < t->count; k++)
        if (!(read[k] - read[k] == 0)) {
            un_free(read);
            return un_fail_file(err, UNET_E_NUMERIC, file, "'%.100s' holds a number that is not finite", t->name);
        }
    if (im->state[i] == UN_IMPORT_SAME)
        memcpy(to, read, (size_t)p->count * sizeof *to);
    else
        un_adapt_channels(to, p->dims[1], read, (int)t->dims[1], p->dims[0], p->count / p->dims[0] / p->dims[1]);
    un_free(read);
    return UNET_OK;
}

unet_status un_import_weights(
    un_import *out, un_model *m, const un_weights *w, const char *only, const char *file, unet_error *err)
{
    const un_graph *g = m->graph;
    unet_status st = match(out, g, m->config.model.encoder, w, only, file, err);

    for (int i = 0; i < g->n_params && !st; i++)
        if (out->state[i] <= UN_IMPORT_ADAPTED)
            st = copy(out, m, w, i, file, err);
        else if (out->state[i] == UN_IMPORT_MADE)
            make_shortcut(&g->param[i], m->weights + g->param[i].offset);
    if (st)
        un_import_free(out);
    return st;
}

void un_import_free(un_import *im)
{
    un_free(im->state);
    un_free(im->from);
    un_free(im->used);
    *im = (un_import){0};
}

/* EfficientNet has two forms with the same shapes; the names tell which one it is. */
static unet_status check_padding(const un_import *im, un_cfg_encoder e, const char *file, unet_error *err)
{
    const un_cfg_encoder want =
        e == UN_CFG_ENCODER_EFFICIENT && im->names == schemes[SMP_EFFICIENT].title    ? UN_CFG_ENCODER_EFFICIENT_TF
        : e == UN_CFG_ENCODER_EFFICIENT_TF && im->names == schemes[TORCHVISION].title ? UN_CFG_ENCODER_EFFICIENT
                                                                                      : e;

    return want == e ? UNET_OK
                     : un_fail_file(err, UNET_E_DATA, file,
                           "weights under the names of %s were trained with the padding of model.encoder: %s",
                           im->names, un_encoder_info_of(want)->name);
}

static unet_status check_encoder(
    const un_import *im, const un_graph *g, un_cfg_encoder e, const char *file, unet_error *err)
{
    const char *name = un_encoder_info_of(e)->name, *first = NULL;
    int lacking = 0, all = 0;

    for (int i = 0; i < g->n_params; i++)
        if (behind(g->param[i].name, encoder_prefix)) {
            all++;
            if (im->state[i] >= UN_IMPORT_SHAPE && !lacking++)
                first = g->param[i].name;
        }
    if (lacking)
        return un_fail_file(err, UNET_E_DATA, file,
            "%d of %d parameters of %s are not in the file, or have another shape: '%.100s' first; `unet import FILE` "
            "says "
            "what it holds",
            lacking, all, name, first);
    return check_padding(im, e, file, err);
}

unet_status un_import_check(const un_import *im, const un_model *m, const char *file, unet_error *err)
{
    return check_encoder(im, m->graph, m->config.model.encoder, file, err);
}

/* ---- which encoder ---- */

/* A network over the encoder, or over its first `depth` poolings, that is small for the rest. base: as un_config_init
 * leaves it. */
static unet_status build_over(
    un_graph **out, un_mem *mem, const un_config *base, un_cfg_encoder e, int depth, unet_error *err)
{
    const int most = un_encoder_info_of(e)->poolings;
    un_cfg_model m = base->model;

    m.encoder = e;
    m.dims = 2;
    m.in_channels = 3;
    m.classes = 2;
    m.depth = un_is_auto(depth) ? most : UN_MIN(depth, most);
    m.base_filters = 1;
    m.norm = UN_CFG_NORM_NONE;
    m.head = UN_CFG_HEAD_SOFTMAX;
    return un_model_build(out, mem, &m, err);
}

static unet_status count_encoder(
    int *found, int *all, un_mem *mem, const un_config *base, un_cfg_encoder e, const un_weights *w, unet_error *err)
{
    un_graph *g;
    choice c;
    unet_status st = build_over(&g, mem, base, e, base->model.depth, err);

    if (st)
        return st;
    c = choose(g, w);
    *all = *found = 0;
    for (int i = 0; i < g->n_params; i++) {
        const un_param *p = &g->param[i];

        if (!behind(p->name, encoder_prefix) || is_plain_shortcut(e, p->name))
            continue;
        ++*all;
        *found += compare(g, p, find(w, c.scheme, c.prefix, p->name)) <= UN_IMPORT_ADAPTED;
    }
    if (c.scheme == SMP_EFFICIENT && e == UN_CFG_ENCODER_EFFICIENT)
        *found = 0; /* those names are of the other padding */
    un_graph_destroy(g);
    return UNET_OK;
}

unet_status un_import_recognise(un_cfg_encoder *out, un_mem *mem, const un_weights *w, unet_error *err)
{
    un_config *base = un_alloc(mem, sizeof *base);
    int best = 0;
    unet_status st = base ? un_config_init(base, mem, err) : un_fail_nomem(err, sizeof *base);

    *out = UN_CFG_ENCODER_NONE;
    for (int i = 1; i < un_encoder_count() && !st; i++) {
        int found = 0, all = 1;

        st = count_encoder(&found, &all, mem, base, (un_cfg_encoder)i, w, err);
        if (!st && found == all && found > best) {
            best = found;
            *out = (un_cfg_encoder)i;
        }
    }
    un_free(base);
    return st;
}

unet_status un_import_fits(un_mem *mem, const un_cfg_model *m, const un_weights *w, const char *file, unet_error *err)
{
    un_config *base = un_alloc(mem, sizeof *base);
    un_import im = {0};
    un_graph *g = NULL;
    unet_status st = base ? un_config_init(base, mem, err) : un_fail_nomem(err, sizeof *base);

    if (!st)
        st = build_over(&g, mem, base, m->encoder, m->depth, err);
    if (!st)
        st = match(&im, g, m->encoder, w, encoder_prefix, file, err);
    if (!st)
        st = check_encoder(&im, g, m->encoder, file, err);
    un_import_free(&im);
    un_graph_destroy(g);
    un_free(base);
    return st;
}

/* ---- what is told ---- */

static void shape_text(un_text *t, int rank, const int64_t *dims)
{
    for (int k = 0; k < rank; k++)
        un_text_printf(t, "%s%lld", k ? "x" : "", (long long)dims[k]);
    if (!rank)
        un_text_add(t, "1");
}

static void param_shape(un_text *t, const un_param *p)
{
    int64_t dims[UN_MAX_RANK];

    for (int k = 0; k < p->rank; k++)
        dims[k] = p->dims[k];
    shape_text(t, p->rank, dims);
}

static void tell_param(un_text *t, const un_import *im, const un_param *p, int i, const un_weights *w)
{
    const un_weight *from = im->from[i] == UN_NONE ? NULL : un_weights_at(w, (size_t)im->from[i]);

    un_text_printf(t, "  %s ", p->name);
    param_shape(t, p);
    if (from) {
        un_text_printf(t, "%s%s ", im->state[i] == UN_IMPORT_SAME ? " from " : ": in the file ", from->name);
        if (im->state[i] != UN_IMPORT_SAME)
            shape_text(t, from->rank, from->dims);
    }
    if (im->state[i] == UN_IMPORT_ADAPTED)
        un_text_add(t, p->dims[1] == 1 ? ", its channels added up" : ", its channels repeated, scaled to the same sum");
    un_text_add(t, "\n");
}

/* Why array `k` of the file has no place in the network. */
static const char *why_unused(const un_import *im, const un_model *m, const un_weights *w, size_t k)
{
    static const struct {
        const char *part, *why;
    } rows[] = {
        {"num_batches_tracked", "a counter of batches"},
        {"segmentation_head", "a head for other classes; heads are made anew"},
        {"classification_head", "a head for whole pictures"},
        {"classifier", "a head for whole pictures"},
        {"fc.", "a head for whole pictures"},
        {"_fc.", "a head for whole pictures"},
        {"linear.", "a head for whole pictures"},
        {"features.18.", "the layer before the head for whole pictures"},
        {"features.8.", "the layer before the head for whole pictures"},
        {"_conv_head", "the layer before the head for whole pictures"},
        {"_bn1.", "the layer before the head for whole pictures"},
        {"decoder.", "the decoder of another network"},
        {"selftest.", "of the self test of that model"},
    };
    const char *name = un_weights_at(w, k)->name;

    for (int i = 0; i < m->graph->n_params; i++)
        if (im->state[i] == UN_IMPORT_SHAPE && im->from[i] == (int)k)
            return "the parameter of that name has another shape here";
    for (size_t i = 0; i < UN_COUNT(rows); i++)
        if (strstr(name, rows[i].part))
            return rows[i].why;
    return "no parameter of this network has that name";
}

static void tell_unused(un_text *t, const un_import *im, const un_model *m, const un_weights *w, int all)
{
    int n = 0, counters = 0;

    for (size_t i = 0; i < un_weights_count(w); i++) {
        const un_weight *a = un_weights_at(w, i);

        if (im->used[i])
            continue;
        if (!all && strstr(a->name, "num_batches_tracked")) {
            counters++;
            continue;
        }
        if (n++ == 0)
            un_text_add(t, "not used of the file:\n");
        if (!all && n > LISTED)
            continue;
        un_text_printf(t, "  %s ", a->name);
        shape_text(t, a->rank, a->dims);
        un_text_printf(t, ": %s\n", why_unused(im, m, w, i));
    }
    if (!all && n > LISTED)
        un_text_printf(t, "  and %d more (--all lists them)\n", n - LISTED);
    if (counters)
        un_text_printf(t, "not used of the file: %d counters of batches\n", counters);
}

void un_import_text(un_text *t, const un_import *im, const un_model *m, const un_weights *w, int all)
{
    static const char *const titles[] = {[UN_IMPORT_SAME] = "taken over",
        [UN_IMPORT_ADAPTED] = "taken over for another number of channels",
        [UN_IMPORT_MADE] = "made here, as the shortcuts without weights that the file's network has",
        [UN_IMPORT_SHAPE] = "made anew, since the shape in the file differs",
        [UN_IMPORT_MISSING] = "made anew, since the file does not have them"};

    un_text_printf(
        t, "names: %s%s%s%s\n", im->names, im->prefix[0] ? ", behind '" : "", im->prefix, im->prefix[0] ? "'" : "");
    for (int s = 0; s < UN_IMPORT_STATES; s++) {
        int n = 0;

        if (!im->count[s])
            continue;
        un_text_printf(t, "%d of %d parameters %s\n", im->count[s], m->graph->n_params, titles[s]);
        for (int i = 0; i < m->graph->n_params; i++)
            if (im->state[i] == (un_import_state)s && (all || s == UN_IMPORT_ADAPTED || s == UN_IMPORT_SHAPE)) {
                if (all || ++n <= LISTED)
                    tell_param(t, im, &m->graph->param[i], i, w);
            }
        if (n > LISTED)
            un_text_printf(t, "  and %d more (--all lists them)\n", n - LISTED);
    }
    tell_unused(t, im, m, w, all);
}

void un_import_json(un_text *t, const un_import *im, const un_model *m, const un_weights *w)
{
    static const char *const words[] = {[UN_IMPORT_SAME] = "same",
        [UN_IMPORT_ADAPTED] = "adapted",
        [UN_IMPORT_MADE] = "made",
        [UN_IMPORT_SHAPE] = "shape",
        [UN_IMPORT_MISSING] = "missing"};
    int n = 0;

    un_text_printf(t, "\"names\":\"%s\",\"prefix\":", im->names);
    un_text_json_string(t, im->prefix);
    un_text_add(t, ",\"parameters\":[");
    for (int i = 0; i < m->graph->n_params; i++) {
        un_text_add(t, i ? ",{\"name\":" : "{\"name\":");
        un_text_json_string(t, m->graph->param[i].name);
        un_text_printf(t, ",\"state\":\"%s\"", words[im->state[i]]);
        if (im->from[i] != UN_NONE) {
            un_text_add(t, ",\"from\":");
            un_text_json_string(t, un_weights_at(w, (size_t)im->from[i])->name);
        }
        un_text_add(t, "}");
    }
    un_text_add(t, "],\"unused\":[");
    for (size_t i = 0; i < un_weights_count(w); i++)
        if (!im->used[i]) {
            un_text_add(t, n++ ? ",{\"name\":" : "{\"name\":");
            un_text_json_string(t, un_weights_at(w, i)->name);
            un_text_printf(t, ",\"why\":\"%s\"}", why_unused(im, m, w, i));
        }
    un_text_add(t, "]");
}
